//! Room for a jump in the padding behind a system call.

use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use std::ops::Range;

/// What padding ends at: the start of a function or of a loop.
const ALIGNMENT: u64 = 16;

/// Finds `need` bytes that nothing executes within `code`, the program text from `at` on, where an
/// instruction starts: alignment behind an instruction that goes elsewhere. That is one long
/// no-operation, as compilers fill gaps, for short ones may be where a function starts; or as many
/// breakpoints.
pub(super) fn find(code: &[u8], at: u64, need: usize) -> Option<Range<usize>> {
    let mut decoder = Decoder::with_ip(64, code, at, DecoderOptions::NONE);
    let mut ends_here = false;
    let mut breakpoints: Option<usize> = None;
    while decoder.can_decode() {
        let from = decoder.position();
        let i = decoder.decode();
        if i.is_invalid() {
            return None;
        }
        let start = match i.mnemonic() {
            Mnemonic::Nop if ends_here => Some(from),
            Mnemonic::Int3 if ends_here => Some(*breakpoints.get_or_insert(from)),
            _ => None,
        };
        if let Some(start) = start
            && decoder.position() - start >= need
            && decoder.ip().is_multiple_of(ALIGNMENT)
        {
            return Some(start..decoder.position());
        }
        if start.is_none() {
            ends_here = matches!(i.mnemonic(), Mnemonic::Ret | Mnemonic::Jmp);
        }
        if i.mnemonic() != Mnemonic::Int3 {
            breakpoints = None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const RET: u8 = 0xc3;
    /// The no-operation of eight bytes.
    const NOP8: [u8; 8] = [0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];

    fn found(parts: &[&[u8]]) -> Option<Range<usize>> {
        find(&parts.concat(), 0x1000, 7)
    }

    #[test]
    fn padding_follows_an_end_and_ends_aligned() {
        let cmp = [0x48, 0x3d, 0, 0xf0, 0xff, 0xff, 0x90];
        assert_eq!(found(&[&cmp, &[RET], &NOP8]), Some(8..16));
        assert_eq!(found(&[&cmp, &[RET], &[0xcc; 8]]), Some(8..16));
        // Not aligned, not behind an end, too short, or several.
        assert_eq!(found(&[&cmp[..6], &[RET], &NOP8]), None);
        assert_eq!(found(&[&cmp, &[0x90], &NOP8]), None);
        assert_eq!(found(&[&cmp, &[RET], &[0x90; 8]]), None);
        assert_eq!(found(&[&cmp, &cmp[..2], &[RET], &[0xcc; 6]]), None);
    }

    #[test]
    fn what_only_looks_like_an_end_is_none() {
        // mov ebx, eax, whose last byte is that of a return.
        assert_eq!(found(&[&[0x90; 6], &[0x89, RET], &NOP8]), None);
        // movabs rdx, 0xcccccccccccccccd
        assert_eq!(found(&[&[0x90; 6], &[0x48, 0xba, 0xcd], &[0xcc; 7]]), None);
    }

    #[test]
    fn room_that_was_taken_is_not_room() {
        let taken = [0xff, 0x24, 0x25, 0, 0, 6, 0, 0xcc];
        assert_eq!(found(&[&[0x90; 7], &[RET], &taken, &[0x90; 7], &[RET], &NOP8]), Some(24..32));
    }
}
