//! What filters of system calls look at; seccomp(2).

use crate::Args;
use vfs::bpf::{self, Dialect};

/// Size of `struct seccomp_data`, in bytes.
pub(super) const DATA_SIZE: u32 = 64;

/// The instructions that a filter may have.
pub const DIALECT: Dialect = Dialect::Seccomp(DATA_SIZE);

/// `struct seccomp_data`, as the words a filter loads.
#[derive(Clone, Copy)]
pub(crate) struct Data([u32; 16]);

impl Data {
    pub(super) fn new(nr: u32, arch: u32, ip: u64, args: &Args) -> Data {
        let mut w = [0; 16];
        let head = [nr, arch, ip as u32, (ip >> 32) as u32];
        let tail = args.iter().flat_map(|a| [*a as u32, (a >> 32) as u32]);
        for (to, from) in w.iter_mut().zip(head.into_iter().chain(tail)) {
            *to = from;
        }
        Data(w)
    }

    pub(super) fn words(self) -> [u32; 16] {
        self.0
    }
}

impl bpf::Data for Data {
    fn size(&self) -> u32 {
        DATA_SIZE
    }

    fn load(&self, at: u32, _: u32) -> Option<u32> {
        Some(self.0.get((at / 4) as usize).copied().unwrap_or(0))
    }
}
