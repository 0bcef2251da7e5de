//! The queue of messages of one socket, and reading from it: as a stream, or one at a time.

use super::addr::Name;
use super::ancillary::Headers;
use super::message::{Message, Ucred};
use crate::{File, Nanos};
use alloc::collections::VecDeque;
use alloc::collections::vec_deque::Iter;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::IoDst;
use syserr::Errno;

/// The most bytes that lie in one message of a stream without message boundaries.
const MERGED_MAX: usize = 65_536;

/// How to read.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// Leave everything where it is (`MSG_PEEK`).
    pub(super) peek: bool,
    /// Bytes to pass over before that (`SO_PEEK_OFF`).
    pub(super) skip: usize,
    /// The most bytes to read: up to the urgent one.
    pub(super) limit: u64,
    /// Do not read across senders with different credentials (`SO_PASSCRED`).
    pub(super) creds: bool,
    /// Pass over the bytes instead of delivering them (`MSG_TRUNC` of tcp(7)).
    pub(super) discard: bool,
}

/// What was read.
#[derive(Default)]
pub(super) struct Taken {
    /// Bytes delivered.
    pub(super) bytes: usize,
    /// Bytes of a stream that are left to read; its end counts for one when nothing else is.
    pub(super) left: usize,
    /// Bytes that the message had; more than `bytes` when it was cut.
    pub(super) whole: usize,
    pub(super) from: Option<Name>,
    pub(super) creds: Option<Ucred>,
    /// When the last message came, and what its headers said.
    pub(super) stamp: Option<Nanos>,
    pub(super) headers: Option<Headers>,
    /// Bytes that a frame had before a filter cut it.
    pub(super) frame: Option<usize>,
    pub(super) files: Vec<Arc<File>>,
    /// What came next may not be read by the same call.
    pub(super) ended: bool,
    /// Messages that were used up, to be dropped once the lock is released.
    pub(super) used: Vec<Message>,
}

/// Messages in the order in which they came.
#[derive(Default)]
pub(super) struct Inbox {
    messages: VecDeque<Message>,
    /// Bytes that were not read.
    bytes: usize,
    /// Memory of all messages.
    size: usize,
}

impl Inbox {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Messages.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Bytes that wait to be read.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Memory that the messages count for.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Bytes of the first message.
    pub(super) fn first(&self) -> usize {
        self.messages.front().map_or(0, |m| m.unread().len())
    }

    pub(super) fn iter(&self) -> Iter<'_, Message> {
        self.messages.iter()
    }

    pub(super) fn push(&mut self, message: Message) {
        self.bytes += message.unread().len();
        self.size += message.size;
        self.messages.push_back(message);
    }

    /// Appends bytes of a stream to the last message, when that is short.
    pub(super) fn merge(&mut self, bytes: &[u8], stamp: Option<Nanos>) -> bool {
        let Some(last) = self.messages.back_mut() else { return false };
        if last.data.len() + bytes.len() > MERGED_MAX {
            return false;
        }
        let Some(charge) = last.charge.as_mut() else { return false };
        charge.grow(bytes.len());
        last.data.extend_from_slice(bytes);
        last.size += bytes.len();
        last.stamp = stamp.or(last.stamp);
        self.bytes += bytes.len();
        self.size += bytes.len();
        true
    }

    pub(super) fn take_all(&mut self) -> Vec<Message> {
        (self.bytes, self.size) = (0, 0);
        self.messages.drain(..).collect()
    }

    /// Passes over the first byte; a message that is used up is returned, to be dropped once the
    /// lock is released.
    pub(super) fn discard_byte(&mut self) -> Option<Message> {
        let first = self.messages.front_mut()?;
        if first.unread().len() == 1 {
            return self.pop();
        }
        first.start += 1;
        self.bytes -= 1;
        None
    }

    /// Takes out the message that begins after `ahead` bytes.
    pub(super) fn remove_at(&mut self, ahead: usize) -> Option<Message> {
        let mut before = 0;
        let at = self.messages.iter().position(|m| {
            let here = before == ahead && !m.unread().is_empty();
            before += m.unread().len();
            here
        });
        let m = self.messages.remove(at?)?;
        self.bytes -= m.unread().len();
        self.size -= m.size;
        Some(m)
    }

    fn pop(&mut self) -> Option<Message> {
        let m = self.messages.pop_front()?;
        self.bytes -= m.unread().len();
        self.size -= m.size;
        Some(m)
    }

    /// Reads one message; what does not fit is lost. The inbox is not empty.
    ///
    /// # Errors
    /// `EFAULT`; the message is lost then, unless it was only peeked at.
    pub(super) fn read_message(
        &mut self,
        dst: &mut dyn IoDst,
        how: How,
        taken: &mut Taken,
    ) -> Result<(), Errno> {
        let mut skip = how.skip;
        let at = self.messages.iter().position(|m| {
            let len = m.unread().len();
            let passed = skip > 0 && skip >= len;
            skip -= if passed { len } else { 0 };
            !passed
        });
        let Some(m) = at.and_then(|i| self.messages.get_mut(i)) else { return Err(Errno::EAGAIN) };
        let unread = m.unread().get(skip..).unwrap_or_default();
        let n = (unread.len() as u64).min(dst.remaining()) as usize;
        let put = match unread.get(..n) {
            Some([]) | None => Ok(0),
            Some(bytes) => dst.put(bytes),
        };
        taken.whole = unread.len();
        taken.from = m.from.clone();
        taken.creds = m.creds;
        (taken.stamp, taken.headers, taken.frame) = (m.stamp, m.headers, m.whole);
        taken.ended = true;
        taken.bytes = n;
        let ok = matches!(put, Ok(k) if k == n);
        if how.peek {
            if ok && let Some(r) = &m.rights {
                taken.files = r.peek();
            }
        } else {
            if ok && let Some(r) = m.rights.take() {
                taken.files = r.land();
            }
            taken.used.extend(self.pop());
        }
        if ok { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Reads bytes across messages, up to the end of `dst` or to descriptions; the position of a
    /// reader that only peeks starts at the front.
    ///
    /// # Errors
    /// `EFAULT` when not one message could be delivered.
    pub(super) fn read_stream(
        &mut self,
        dst: &mut dyn IoDst,
        how: How,
        taken: &mut Taken,
    ) -> Result<(), Errno> {
        let mut room = dst.remaining().min(how.limit);
        let mut i = 0;
        let mut first = true;
        let mut skip = how.skip;
        while let Some(m) = self.messages.get(i).filter(|m| skip > 0 && skip >= m.unread().len()) {
            skip -= m.unread().len();
            i += 1;
        }
        if i == self.messages.len() {
            return Err(Errno::EAGAIN);
        }
        // A piece that is used up goes, so the next one is at the same place.
        while let Some(m) = self.messages.get_mut(i) {
            if !first {
                if room == 0 {
                    break;
                }
                if how.creds && m.creds != taken.creds {
                    taken.ended = true;
                    break;
                }
            }
            let unread = m.unread().get(core::mem::take(&mut skip)..).unwrap_or_default();
            let n = (unread.len() as u64).min(room) as usize;
            let part = unread.get(..n).unwrap_or_default();
            if core::mem::take(&mut first) {
                taken.creds = m.creds;
                taken.from = m.from.clone();
            }
            let put = if part.is_empty() || how.discard { Ok(n) } else { dst.put(part) };
            if !matches!(put, Ok(k) if k == n) {
                taken.ended = true;
                return if taken.bytes > 0 { Ok(()) } else { Err(Errno::EFAULT) };
            }
            room -= n as u64;
            taken.bytes += n;
            if n == m.unread().len() {
                taken.stamp = m.stamp;
            }
            if how.peek {
                if let Some(r) = &m.rights {
                    taken.files = r.peek();
                    taken.ended = true;
                    break;
                }
                i += 1;
                continue;
            }
            if let Some(r) = m.rights.take() {
                taken.files = r.land();
                taken.ended = true;
            }
            if n < m.unread().len() {
                m.start += n;
                self.bytes -= n;
                break;
            }
            self.bytes -= n;
            m.start += n;
            taken.used.extend(self.pop());
            if taken.ended {
                break;
            }
        }
        Ok(())
    }
}
