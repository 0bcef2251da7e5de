//! System calls of a program that have been rewritten into jumps.
//!
//! A jump through an address in the table at [`SITES_BASE`], to a [`Thunk`] of the site's own, takes
//! seven bytes. If the instruction before the `syscall` is one of those that usually are, it has the
//! other five: it is displaced into the thunk. Whoever jumps to where the `syscall` was meets the
//! upper half of the table's address, `06 00`, which is no instruction: that trap is taken for the
//! call. Else there may be room for the jump in padding near by, see [`super::room`], and the
//! `syscall` becomes a short jump there. Either way calls are restarted two bytes before their end
//! as ever.
//!
//! Which way leads into the stub depends on the host thread, and not all have one. A thunk therefore
//! jumps through a table by what tells them apart, and holds a second piece of code, a plain call.

use super::{Space, room};
use crate::shared::{
    ENTRIES_BASE, MAX_SITES, SITES_BASE, THUNK_END, THUNK_PLAIN, THUNKS_BASE, Thunk,
};
use std::ops::Range;
use std::sync::atomic::Ordering::{Relaxed, Release};

/// Bytes of the instruction that is displaced.
const DISPLACED: usize = 5;
/// `mov eax, imm32`: how functions of their own load the number.
const MOV_EAX: u8 = 0xb8;
/// `mov r9, [rsp + 8]`: the last instruction before the call in syscall(3).
const MOV_R9: [u8; DISPLACED] = [0x4c, 0x8b, 0x4c, 0x24, 0x08];
/// What a thunk has where nothing was displaced: a no-operation.
const NOP: [u8; DISPLACED] = [0x0f, 0x1f, 0x44, 0, 0];
/// `lea rcx, [rip + disp32]`.
const LEA_RCX: [u8; 3] = [0x48, 0x8d, 0x0d];
/// `mov r11d, es`.
const MOV_R11_ES: [u8; 3] = [0x41, 0x8c, 0xc3];
/// `jmp [r11 * 8 + disp32]`.
const JMP_ENTRY: [u8; 4] = [0x42, 0xff, 0x24, 0xdd];
/// `jmp [disp32]`.
const JMP_TABLE: [u8; 3] = [0xff, 0x24, 0x25];
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// `jmp` to at most 127 bytes further.
const JMP_NEAR: u8 = 0xeb;
const INT3: u8 = 0xcc;
/// Bytes of a jump through the table.
const JUMP: usize = 7;
const UD2: [u8; 2] = [0x0f, 0x0b];
const THUNK: u64 = size_of::<Thunk>() as u64;
/// Where the plain call ends in a thunk.
const PLAIN_END: u64 = THUNK_PLAIN + (DISPLACED + SYSCALL.len()) as u64;
const _: () = assert!(PLAIN_END + UD2.len() as u64 <= THUNK_END && THUNK_END + 8 <= THUNK);

/// A call that was rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// The address behind the call.
    pub(crate) end: u64,
    /// What was in front of it, if that was displaced.
    displaced: [u8; DISPLACED],
}

/// How a call is rewritten.
enum Change {
    /// Together with the instruction before it.
    Over([u8; DISPLACED]),
    /// With a jump in this part of the code.
    Beside(Range<usize>),
}

/// What can be made of the call that ends at `end` in the program and at `at` in `code`.
fn change(end: u64, code: &[u8], at: usize) -> Option<Change> {
    let (before, behind) = code.split_at_checked(at)?;
    let before = before.strip_suffix(&SYSCALL)?;
    if let Some(last) = before.last_chunk::<DISPLACED>()
        && (last[0] == MOV_EAX || *last == MOV_R9)
    {
        return Some(Change::Over(*last));
    }
    let near = behind.get(..behind.len().min(i8::MAX as usize + JUMP))?;
    let room = room::find(near, end, JUMP)?;
    (room.start <= i8::MAX as usize).then_some(Change::Beside(at + room.start..at + room.end))
}

/// The jump of a site.
fn jump(index: usize) -> [u8; JUMP] {
    let mut code = [0; JUMP];
    let (jump, table) = code.split_at_mut(JMP_TABLE.len());
    jump.copy_from_slice(&JMP_TABLE);
    table.copy_from_slice(&(SITES_BASE as u32 + 8 * index as u32).to_le_bytes());
    code
}

/// The code of a thunk.
fn thunk(site: Site) -> [u8; THUNK as usize] {
    let mut code = [0xcc; THUNK as usize];
    let mut at = 0;
    let mut emit = |bytes: &[u8]| {
        code[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    emit(&site.displaced);
    emit(&LEA_RCX);
    emit(&(THUNK_PLAIN as u32 - (DISPLACED + LEA_RCX.len() + 4) as u32).to_le_bytes());
    emit(&MOV_R11_ES);
    emit(&JMP_ENTRY);
    emit(&(ENTRIES_BASE as u32).to_le_bytes());
    let mut put = |at: u64, bytes: &[u8]| {
        code[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    };
    put(THUNK_PLAIN, &site.displaced);
    put(THUNK_PLAIN + DISPLACED as u64, &SYSCALL);
    put(PLAIN_END, &UD2);
    put(THUNK_END, &site.end.to_le_bytes());
    code
}

/// Where a single step goes on that has ended in the jump to a thunk: the way into the stub is not
/// for stepping.
pub(crate) fn plain_way(ip: u64) -> Option<u64> {
    let at = ip.checked_sub(THUNKS_BASE)?;
    (at < MAX_SITES as u64 * THUNK && at % THUNK == 0).then(|| ip + THUNK_PLAIN)
}

impl Space {
    /// Rewrites the call that ends at `at` in `code` and at `end` in the program; says whether it
    /// can be.
    pub(crate) fn rewrite(&self, end: u64, code: &mut [u8], at: usize) -> bool {
        if self.report().has_sites.load(Relaxed) == 0 {
            return false;
        }
        let Some(change) = change(end, code, at) else { return false };
        let displaced = match change {
            Change::Over(displaced) => displaced,
            Change::Beside(_) => NOP,
        };
        let Some(index) = self.site(Site { end, displaced }) else { return false };
        let jump = jump(index);
        match change {
            Change::Over(_) => code[at - JUMP..at].copy_from_slice(&jump),
            Change::Beside(room) => {
                code[at - SYSCALL.len()] = JMP_NEAR;
                code[at - 1] = (room.start - at) as u8;
                code[room.clone()].fill(INT3);
                code[room.start..room.start + JUMP].copy_from_slice(&jump);
            }
        }
        true
    }

    /// The index of a site, which is made if it is new and there is room.
    fn site(&self, site: Site) -> Option<usize> {
        let mut s = self.sites.lock();
        if let Some(index) = s.iter().position(|known| *known == site) {
            return Some(index);
        }
        let index = s.len();
        if index == MAX_SITES {
            return None;
        }
        s.push(site);
        self.write_site(index, site);
        Some(index)
    }

    fn write_site(&self, index: usize, site: Site) {
        let control = self.control();
        for (to, word) in control.thunks[index].0.iter().zip(thunk(site).as_chunks::<8>().0) {
            to.store(u64::from_le_bytes(*word), Relaxed);
        }
        control.sites[index].store(THUNKS_BASE + index as u64 * THUNK, Release);
    }

    /// The sites of the address space that this one is a copy of.
    pub(crate) fn inherit_sites(&self, parent: &Space) {
        let sites = parent.sites.lock().clone();
        for (index, site) in sites.iter().enumerate() {
            self.write_site(index, *site);
        }
        *self.sites.lock() = sites;
    }

    /// Where a call ends that was made plainly and has trapped at `ip`.
    pub(crate) fn end_of_plain(&self, ip: u64) -> Option<u64> {
        let at = ip.checked_sub(THUNKS_BASE)?;
        let site = usize::try_from(at / THUNK).ok().filter(|_| at % THUNK == PLAIN_END)?;
        self.sites.lock().get(site).map(|s| s.end)
    }

    /// Where a call ends whose `syscall` instruction was at `ip`.
    pub(crate) fn end_of_tail(&self, ip: u64) -> Option<u64> {
        let end = ip.checked_add(SYSCALL.len() as u64)?;
        self.sites.lock().iter().any(|s| s.end == end).then_some(end)
    }
}
