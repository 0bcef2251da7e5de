//! Whatever the bytes are: no panic, and every mapping inside its bounds.

mod common;

use arch::{Access, Addr, AddrRange, Arch};
use common::{Dice, Files, args, elf, load};
use loader::{
    BINPRM_BUF_SIZE, Blob, DryRun, Layout, LoadArgs, LoadError, Loader, Op, inspect, parse_script,
    plan, resolve,
};
use proptest::prelude::*;
use std::sync::Arc;

/// A sound file, with fields and bytes overwritten.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let good = prop_oneof![
        Just(elf::program(elf::ET_EXEC, 0x40_0000, 42)),
        Just(elf::program(elf::ET_DYN, 0, 42)),
        Just(elf::program(elf::ET_DYN, 0x1234_5000, 42)),
        Just(elf::dynamic(elf::ET_DYN, 0, b"interp")),
        Just(elf::dynamic(elf::ET_EXEC, 0x40_0000, b"interp")),
    ];
    let value = prop_oneof![
        any::<u64>(),
        any::<u64>().prop_map(|v| v & 0xffff),
        (0u32..64).prop_map(|n| 1u64 << n),
        (0u32..64).prop_map(|n| (1u64 << n) - 1),
        (0u32..64, 0u64..0x2000).prop_map(|(n, d)| (1u64 << n).wrapping_sub(d)),
        (0u64..32).prop_map(|n| n << 12),
    ];
    let edit = (0usize..64 + 3 * 56, prop::sample::select(vec![1usize, 2, 4, 8]), value);
    (good, prop::collection::vec(edit, 0..5), prop::option::weighted(0.1, 0usize..0x1900)).prop_map(
        |(mut bytes, edits, cut)| {
            for (at, size, value) in edits {
                let at = at / size * size;
                bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
            }
            bytes.truncate(cut.unwrap_or(usize::MAX));
            bytes
        },
    )
}

fn files(interp: Vec<u8>) -> Files {
    let mut files = Files::default();
    files.0.insert(b"interp".to_vec(), Arc::new(Blob::new(interp)));
    files
}

fn check_plan(args: &LoadArgs<'_>, files: &mut Files) -> Result<(), LoadError> {
    let found = resolve(args, files)?;
    let interp = found.interpreter.as_ref().map(|(_, _, elf)| elf);
    let plan = plan(&found.elf, interp, &args.layout)?;
    for image in [Some(&plan.program), plan.interpreter.as_ref()].into_iter().flatten() {
        let (low, high) = image.span;
        assert!(low <= high && high <= args.layout.task_size);
        for s in &image.segments {
            let file = s.file.map(|p| (p.vaddr, p.len));
            let anon = s.anon.map(|p| (p.vaddr, p.len));
            for (start, len) in [file, anon].into_iter().flatten() {
                assert!(start.is_multiple_of(4096) && len.is_multiple_of(4096) && len > 0);
                assert!(low <= start && start + len <= high);
            }
            if let (Some(z), Some((start, len))) = (s.zero, file) {
                assert!(start < z.vaddr && z.vaddr + z.len == start + len && z.len < 4096);
                assert!(s.access.contains(Access::WRITE));
            }
            if let (Some((start, len)), Some((next, _))) = (file, anon) {
                assert_eq!(start + len, next);
            }
            assert!(s.anon.is_none_or(|p| p.access.contains(Access::RW)));
        }
    }
    Ok(())
}

fn check_load(args: &LoadArgs<'_>, files: &mut Files) {
    let room = AddrRange { start: Addr(0x10000), end: Addr(0x7f00_0000_0000) };
    let mut space = DryRun::new(room);
    let result = Loader { resolve: files, mapper: &mut space, random: &mut Dice }.load(args);
    for op in &space.ops {
        let Some(r) = op.maps() else { continue };
        assert!(r.start.is_page_aligned() && r.end.is_page_aligned() && !r.is_empty());
        assert!(r.start >= args.layout.min_addr && r.end.0 <= args.layout.task_size, "{op:?}");
    }
    if let Ok(image) = result {
        assert!(image.entry.0 < args.layout.task_size);
        assert!(image.sp.0 % 16 == 0 && image.stack.contains(image.sp));
        assert!(image.auxv.last().is_some_and(|e| e.key == 0));
        assert!(matches!(space.ops.last(), Some(Op::Write { at, .. }) if *at == image.sp));
    }
}

fn check(bytes: Vec<u8>, interp: Vec<u8>) {
    let mut files = files(interp);
    let args = args(b"program", Arc::new(Blob::new(bytes)));
    let planned = check_plan(&args, &mut files);
    check_load(&args, &mut files);
    let report = inspect(&args, &mut files);
    assert!(!report.to_string().is_empty());
    if let Err(e) = planned {
        assert_eq!(report.result.err(), Some(e));
    }
    let _ = load(&args, &mut files).map(|(image, space)| space.bytes(image.entry, 4));
}

/// Interpreter and argument.
type Line = (Vec<u8>, Option<Vec<u8>>);

/// Linux's own way through the line, position by position (`fs/binfmt_script.c`).
fn naive_script(buf: &[u8; BINPRM_BUF_SIZE]) -> Result<Option<Line>, ()> {
    let blank = |i: usize| buf[i] == b' ' || buf[i] == b'\t';
    let non_blank = |from: usize, last: usize| (from..=last).find(|&i| !blank(i));
    let ends = |from: usize, last: usize| (from..=last).find(|&i| blank(i) || buf[i] == 0);
    let string = |from: usize, end: usize| -> Vec<u8> {
        buf[from..end].iter().copied().take_while(|&b| b != 0).collect()
    };
    if buf[0] != b'#' || buf[1] != b'!' {
        return Ok(None);
    }
    let buf_end = BINPRM_BUF_SIZE - 1;
    let mut end = match buf.iter().position(|&b| b == b'\n') {
        Some(i) => i,
        None => {
            let word = non_blank(2, buf_end).ok_or(())?;
            ends(word, buf_end).ok_or(())?;
            buf_end
        }
    };
    while blank(end - 1) {
        end -= 1;
    }
    let name = non_blank(2, end).filter(|&n| n != end).ok_or(())?;
    let separator = ends(name, end);
    let argument = separator
        .filter(|&s| buf[s] != 0)
        .and_then(|s| non_blank(s, end))
        .filter(|&a| a < end)
        .map(|a| string(a, end));
    Ok(Some((string(name, separator.unwrap_or(end).min(end)), argument)))
}

fn line() -> impl Strategy<Value = [u8; BINPRM_BUF_SIZE]> {
    let run = (prop::sample::select(b" \t\n\0ab/#!".to_vec()), prop_oneof![1usize..3, 1usize..260]);
    (prop::collection::vec(run, 0..12), any::<bool>()).prop_map(|(runs, pad)| {
        let mut bytes = b"#!".to_vec();
        for (b, n) in runs {
            bytes.extend(std::iter::repeat_n(b, n));
        }
        bytes.resize(BINPRM_BUF_SIZE.max(bytes.len()), if pad { b'x' } else { 0 });
        bytes[..BINPRM_BUF_SIZE].try_into().expect("long enough")
    })
}

proptest! {
    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        check(bytes, vec![]);
    }

    #[test]
    fn random_bytes_behind_magic(rest in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = elf::program(elf::ET_DYN, 0, 1);
        bytes.truncate(56);
        bytes.extend(rest);
        check(bytes, vec![]);
    }

    #[test]
    fn damaged_programs_and_interpreters(program in damaged(), interp in damaged()) {
        check(program, interp);
    }

    #[test]
    fn odd_layouts(
        program in damaged(),
        words in prop::array::uniform8(any::<u64>()),
        shift in 0u32..64,
    ) {
        let w = words.map(|w| w >> shift);
        let mut args = args(b"program", Arc::new(Blob::new(program)));
        args.layout = Layout {
            task_size: w[0].min(Layout::fixed(Arch::X86_64).task_size),
            min_addr: Addr(w[1] & 0xffff_f000),
            pie_base: Addr(w[2]),
            static_pie_brk: Addr(w[3]),
            brk_offset: Some(w[4]),
            stack_top: Addr(w[5]),
            stack_jitter: w[6],
            stack_limit: w[7],
            vdso: Some(Addr(w[1])),
        };
        let mut files = files(elf::program(elf::ET_DYN, 0, 1));
        check_load(&args, &mut files);
        let _ = inspect(&args, &mut files).to_string();
    }

    #[test]
    fn scripts_as_the_naive_reading(head in line()) {
        let ours = parse_script(&head).map_err(|_| ());
        let ours = ours.map(|s| {
            s.map(|s| (s.interpreter.to_vec(), s.argument.map(<[u8]>::to_vec)))
        });
        prop_assert_eq!(ours, naive_script(&head));
    }
}
