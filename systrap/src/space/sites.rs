//! System calls of a program that have been rewritten into jumps.
//!
//! A `syscall` and the instruction of five bytes before it become one of seven: a jump through an
//! address in the table at [`SITES_BASE`], to a [`Thunk`] of the site's own, which has the displaced
//! instruction, loads the place behind the call, and goes on to the stub. Whoever jumps to where the
//! `syscall` was meets the upper half of the table's address, `06 00`, which is no instruction: that
//! trap is taken for the call, and so calls are restarted two bytes before their end as ever.
//!
//! Only the stub's first host thread knows the way in. A thunk therefore holds a second piece of
//! code, a plain call, and all addresses in the table lead there before a second thread starts.

use super::Space;
use crate::shared::{MAX_SITES, SITES_BASE, TEXT_BASE, THUNKS_BASE, Thunk};
use crate::zygote::CALL_OFFSET;
use kernel::CallCode;
use std::sync::atomic::Ordering::{Relaxed, Release};

/// Bytes of the instruction that is displaced.
const DISPLACED: usize = 5;
/// `mov eax, imm32`: how functions of their own load the number.
const MOV_EAX: u8 = 0xb8;
/// `mov r9, [rsp + 8]`: the last instruction before the call in syscall(3).
const MOV_R9: [u8; DISPLACED] = [0x4c, 0x8b, 0x4c, 0x24, 0x08];
const MOV_RCX: [u8; 2] = [0x48, 0xb9];
const JMP: u8 = 0xe9;
/// `jmp [disp32]`.
const JMP_TABLE: [u8; 3] = [0xff, 0x24, 0x25];
const SYSCALL: [u8; 2] = [0x0f, 0x05];
const UD2: [u8; 2] = [0x0f, 0x0b];
const THUNK: u64 = size_of::<Thunk>() as u64;
/// Where the plain call starts in a thunk, and where it ends.
const PLAIN: u64 = 20;
const PLAIN_END: u64 = PLAIN + size_of::<CallCode>() as u64;
const _: () = assert!(PLAIN_END + UD2.len() as u64 <= THUNK);

/// A call that was rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// The address behind the call.
    pub(crate) end: u64,
    /// What was in front of it.
    displaced: [u8; DISPLACED],
}

/// The sites of one address space.
#[derive(Default)]
pub(super) struct Sites {
    list: Vec<Site>,
    /// All addresses lead to plain calls.
    plain: bool,
}

/// What has to be displaced, if `code` is a call that can be rewritten.
fn displaced(code: &CallCode) -> Option<[u8; DISPLACED]> {
    let (first, call) = code.split_first_chunk::<DISPLACED>()?;
    let known = first[0] == MOV_EAX || *first == MOV_R9;
    (known && call == SYSCALL).then_some(*first)
}

/// The code of the thunk at `at`.
fn thunk(at: u64, site: Site) -> [u8; THUNK as usize] {
    let mut code = [0xcc; THUNK as usize];
    let mut put = code.iter_mut();
    let mut emit = |bytes: &[u8]| bytes.iter().zip(&mut put).for_each(|(b, to)| *to = *b);
    let to = (TEXT_BASE + CALL_OFFSET).wrapping_sub(at + PLAIN) as u32;
    emit(&site.displaced);
    emit(&MOV_RCX);
    emit(&site.end.to_le_bytes());
    emit(&[JMP]);
    emit(&to.to_le_bytes());
    emit(&site.displaced);
    emit(&SYSCALL);
    emit(&UD2);
    code
}

/// Where a single step goes on that has ended in the jump to a thunk: the way into the stub is not
/// for stepping.
pub(crate) fn plain_way(ip: u64) -> Option<u64> {
    let at = ip.checked_sub(THUNKS_BASE)?;
    (at < MAX_SITES as u64 * THUNK && at % THUNK == 0).then(|| ip + PLAIN)
}

impl Space {
    /// What to put in the place of `code`, which ends at `end`; `None` if it stays as it is.
    pub(crate) fn rewrite(&self, end: u64, code: &CallCode) -> Option<CallCode> {
        let site = Site { end, displaced: displaced(code)? };
        if self.report().has_sites.load(Relaxed) == 0 {
            return None;
        }
        let mut s = self.sites.lock();
        let index = match s.list.iter().position(|known| *known == site) {
            Some(index) => index,
            None if s.list.len() == MAX_SITES || s.plain => return None,
            None => {
                s.list.push(site);
                self.write_site(s.list.len() - 1, site, s.plain);
                s.list.len() - 1
            }
        };
        let mut new = CallCode::default();
        let address = SITES_BASE as u32 + 8 * index as u32;
        let (jump, table) = new.split_at_mut(JMP_TABLE.len());
        jump.copy_from_slice(&JMP_TABLE);
        table.copy_from_slice(&address.to_le_bytes());
        Some(new)
    }

    fn write_site(&self, index: usize, site: Site, plain: bool) {
        let control = self.control();
        let at = THUNKS_BASE + index as u64 * THUNK;
        let code = thunk(at, site);
        for (to, word) in control.thunks[index].0.iter().zip(code.as_chunks::<8>().0) {
            to.store(u64::from_le_bytes(*word), Relaxed);
        }
        let to = if plain { at + PLAIN } else { at };
        control.sites[index].store(to, Release);
    }

    /// The sites of the address space that this one is a copy of.
    pub(crate) fn inherit_sites(&self, parent: &Space) {
        let list = parent.sites.lock().list.clone();
        for (index, site) in list.iter().enumerate() {
            self.write_site(index, *site, false);
        }
        self.sites.lock().list = list;
    }

    /// Has all sites make plain calls from now on.
    pub(crate) fn make_sites_plain(&self) {
        let mut s = self.sites.lock();
        if s.plain {
            return;
        }
        s.plain = true;
        for index in 0..s.list.len() {
            let at = THUNKS_BASE + index as u64 * THUNK;
            self.control().sites[index].store(at + PLAIN, Release);
        }
    }

    /// Where a call ends that was made plainly and has trapped at `ip`.
    pub(crate) fn end_of_plain(&self, ip: u64) -> Option<u64> {
        let at = ip.checked_sub(THUNKS_BASE)?;
        let site = usize::try_from(at / THUNK).ok().filter(|_| at % THUNK == PLAIN_END)?;
        self.sites.lock().list.get(site).map(|s| s.end)
    }

    /// Where a call ends whose `syscall` instruction was at `ip`.
    pub(crate) fn end_of_tail(&self, ip: u64) -> Option<u64> {
        let end = ip.checked_add(SYSCALL.len() as u64)?;
        self.sites.lock().list.iter().any(|s| s.end == end).then_some(end)
    }
}
