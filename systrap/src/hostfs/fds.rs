//! Which host descriptors stay open.

use std::collections::VecDeque;
use std::sync::Weak;

use super::node::Node;
use sync::Mutex;

/// The most descriptors that one tree keeps open for files that may be opened again.
const OPEN_MAX: usize = 512;

/// Nodes with open descriptors, those that were opened first in front.
#[derive(Default)]
pub(super) struct OpenFds(Mutex<VecDeque<Weak<Node>>>);

impl OpenFds {
    /// Notes that `node` opened a descriptor; closes those of others beyond the limit.
    pub(super) fn opened(&self, node: Weak<Node>) {
        let mut out = Vec::new();
        let mut open = self.0.lock();
        open.push_back(node);
        let mut looked = 0;
        while open.len() > OPEN_MAX && looked < 32 {
            looked += 1;
            let Some(old) = open.pop_front() else { break };
            if let Some(n) = old.upgrade() {
                if n.take_used() {
                    open.push_back(old);
                } else {
                    out.push(n);
                }
            }
        }
        drop(open);
        for n in out {
            n.close();
        }
    }
}
