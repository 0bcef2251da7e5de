//! `NETLINK_SOCK_DIAG`: what ss(8) asks about sockets; sock_diag(7).
//!
//! A list is kept as weak references and put into words a piece at a time, as the reader takes them.

use super::choose::AF_MAX;
use super::endpoint::Endpoint;
use super::netlink::{DUMP, Header, done, error, message};
use super::{Domain, diag_inet, diag_unix};
use crate::{Creds, UserNs};
use alloc::sync::Weak;
use alloc::vec::Vec;
use syserr::Errno;

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_MULTI`.
const MULTI: u16 = 2;
/// Bytes of a piece of a list, from which on the next begins.
const PIECE: usize = 16_384;
const AF_UNIX: u8 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Who asks.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) ns: UserNs,
    /// It may administer the network.
    pub(super) admin: bool,
}

/// What is asked.
#[derive(Clone)]
pub(super) enum Question {
    Inet(diag_inet::Request),
    Unix(diag_unix::Request),
}

impl Question {
    fn parse(body: &[u8]) -> Result<Question, Errno> {
        match body.first() {
            Some(&AF_UNIX) => diag_unix::Request::parse(body).map(Question::Unix),
            Some(&(AF_INET | AF_INET6)) => diag_inet::Request::parse(body).map(Question::Inet),
            Some(family) if i32::from(*family) < AF_MAX => Err(Errno::ENOENT),
            Some(_) => Err(Errno::EINVAL),
            None => Err(Errno::EINVAL),
        }
    }

    /// What is said of a socket, if it is one of those that are meant.
    fn answer(&self, e: &Endpoint, asker: &Asker) -> Option<Vec<u8>> {
        match self {
            Question::Inet(r) => r.answer(e, asker),
            Question::Unix(r) => r.answer(e, asker),
        }
    }
}

/// A list of which some is not told yet.
pub(super) struct Dump {
    question: Question,
    asker: Asker,
    header: Header,
    port: u32,
    /// From the last on.
    left: Vec<Weak<Endpoint>>,
}

impl Endpoint {
    /// Sockets that a question is about.
    fn candidates(&self, question: &Question) -> Result<Vec<Weak<Endpoint>>, Errno> {
        Ok(match question {
            Question::Unix(_) => self.net.unix.lock().values().rev().cloned().collect(),
            Question::Inet(r) => {
                let mut all = r.ports(&self.net)?.endpoints();
                all.reverse();
                all
            }
        })
    }

    /// Answers one request.
    pub(super) fn answer_diag(
        &self,
        request: &[u8],
        header: &Header,
        port: u32,
        creds: Option<&Creds>,
    ) {
        let asker = Asker {
            ns: creds.map_or(UserNs::INITIAL, |c| c.user_ns.clone()),
            admin: creds.is_some_and(|c| self.net.allows(c, crate::cap::NET_ADMIN)),
        };
        let body = request.get(size_of::<Header>()..).unwrap_or_default();
        if header.kind != BY_FAMILY {
            return self.give(error(request, header, port, Errno::EINVAL.to_raw()));
        }
        let question = match Question::parse(body) {
            Ok(q) => q,
            Err(e) => return self.give(error(request, header, port, e.to_raw())),
        };
        let list = header.flags & DUMP == DUMP;
        match self.candidates(&question) {
            // A list begins before anybody looks for its protocol.
            Err(e) if list => self.give(done(header, port, -e.to_raw())),
            Err(e) => self.give(error(request, header, port, e.to_raw())),
            Ok(left) if list => {
                let dump = Dump { question, asker, header: *header, port, left };
                *self.dump.lock() = Some(dump);
                self.go_on_dumping();
            }
            Ok(all) => {
                let mut found = all.iter().rev().filter_map(Weak::upgrade);
                let answer = found.find_map(|e| question.answer(&e, &asker));
                let said = match answer {
                    Some(body) => message(BY_FAMILY, 0, header, port, &body),
                    None => error(request, header, port, Errno::ENOENT.to_raw()),
                };
                self.give(said);
            }
        }
    }

    /// Whether a list is being told.
    pub(super) fn is_dumping(&self) -> bool {
        self.dump.lock().is_some()
    }

    /// Tells the next piece of a list, once what was told before is read.
    pub(super) fn go_on_dumping(&self) {
        if self.domain != Domain::Netlink || !self.state.lock().inbox.is_empty() {
            return;
        }
        let mut kept = self.dump.lock();
        let Some(dump) = kept.as_mut() else { return };
        let mut piece = Vec::new();
        while piece.len() < PIECE {
            let Some(next) = dump.left.pop() else { break };
            let said = next.upgrade().and_then(|e| dump.question.answer(&e, &dump.asker));
            if let Some(body) = said {
                piece.extend(message(BY_FAMILY, MULTI, &dump.header, dump.port, &body));
            }
        }
        if piece.is_empty() {
            piece = done(&dump.header, dump.port, 0);
            *kept = None;
        }
        drop(kept);
        self.give(piece);
    }
}
