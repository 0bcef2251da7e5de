//! The initial stack, read back as a dynamic linker does, and compared with this process's own.

use arch::auxv::{AT_EXECFN, AT_PAGESZ, AT_PHDR, AT_PLATFORM, AT_RANDOM};
use arch::kit::Memory;
use arch::stack::{ParseLimits, StackLayout};
use arch::{Addr, AuxEntry, InitialStack, Stack, UserMemoryExt, parse_initial_stack};
use proptest::prelude::*;
use syserr::Errno;

const BASE: u64 = 0x7fff_0000_0000;

fn build(s: &InitialStack<'_>, len: usize) -> Result<(Memory, StackLayout), Errno> {
    let mem = Memory::new(BASE, len);
    let layout = s.load(&mem, mem.range().end)?;
    Ok((mem, layout))
}

const PLAIN: InitialStack<'static> = InitialStack {
    argv: &[b"ls", b"-l"],
    envp: &[b"A=1"],
    execfn: b"/bin/ls",
    platform: Some(b"x86_64"),
    random: *b"0123456789abcdef",
    auxv: &[AuxEntry::new(AT_PAGESZ, 4096), AuxEntry::new(AT_RANDOM, 0)],
    jitter: 0,
};

#[test]
fn golden_bytes() {
    let (mem, l) = build(&PLAIN, 4096).unwrap();
    let top = BASE + 4096;
    assert_eq!(mem.get(top - 8 - 8, 16), b"/bin/ls\0\0\0\0\0\0\0\0\0");
    assert_eq!(l.execfn.0, top - 16);
    assert_eq!(mem.get(l.argv.start.0, 10), b"ls\0-l\0A=1\0");
    assert_eq!((l.argv.end, l.envv.end), (l.envv.start, l.execfn));
    assert_eq!(l.platform, Some(Addr((l.argv.start.0 & !15) - 7)));
    assert_eq!(mem.get(l.random.0, 16), b"0123456789abcdef");
    let words: Vec<u64> = (0..16).map(|i| mem.word(l.sp.0 + 8 * i)).collect();
    let (argv, env) = (l.argv.start.0, l.envv.start.0);
    let platform = l.platform.unwrap().0;
    let expected = [
        2,
        argv,
        argv + 3,
        0,
        env,
        0,
        AT_PAGESZ,
        4096,
        AT_RANDOM,
        l.random.0,
        AT_EXECFN,
        l.execfn.0,
        AT_PLATFORM,
        platform,
        0,
        0,
    ];
    assert_eq!(words, expected);
    assert_eq!(l.auxv.start.0, l.sp.0 + 48);
    assert_eq!(l.auxv.end.0, l.sp.0 + 128);
}

#[test]
fn a_stack_without_room_is_efault_and_wrapping_e2big() {
    assert_eq!(build(&PLAIN, 64).map(|_| ()), Err(Errno::EFAULT));
    let mem = Memory::new(BASE, 64);
    assert_eq!(PLAIN.load(&mem, Addr(40)).map(|_| ()), Err(Errno::E2BIG));
}

#[test]
fn argument_limits_are_linuxes() {
    assert_eq!(InitialStack::argument_limit(8 << 20), 2 << 20);
    assert_eq!(InitialStack::argument_limit(u64::MAX), 6 << 20);
    assert_eq!(InitialStack::argument_limit(0), 128 << 10);
    assert_eq!(PLAIN.argument_size(), Some(3 + 3 + 4 + 8 + 3 * 8));
}

#[test]
fn pushing_goes_down_and_fails_in_place() {
    let mem = Memory::new(BASE, 4096);
    let end = BASE + 4096;
    let mut stack = Stack::new(&mem, mem.range().end);
    assert_eq!(stack.push_cstr(b"abc"), Ok(Addr(end - 4)));
    assert_eq!(stack.align_down(16), Ok(Addr(end - 16)));
    assert_eq!(stack.push_u64(7), Ok(Addr(end - 24)));
    assert_eq!(stack.push_obj(&[1u32, 2]), Ok(Addr(end - 32)));
    assert_eq!(mem.read_cstr(Addr(end - 4), 10).unwrap(), b"abc");
    assert_eq!(stack.push_bytes(&[0; 4065]), Err(Errno::EFAULT));
    assert_eq!(stack.bottom, Addr(end - 32));
    assert_eq!(stack.pop_u64(), Ok(1 | 2 << 32));
    assert_eq!(stack.align_down(24), Err(Errno::EINVAL));
    assert_eq!(Stack::new(&mem, Addr(4)).push_u64(0), Err(Errno::EFAULT));
}

#[test]
fn damaged_stacks_are_refused() {
    let parse = |mem: &Memory, at: u64| parse_initial_stack(mem, Addr(at), ParseLimits::default());
    let (mem, l) = build(&PLAIN, 4096).unwrap();
    assert_eq!(parse(&mem, l.sp.0 + 8).map(|_| ()), Err(Errno::EINVAL));
    mem.put(l.sp.0, &3u64.to_le_bytes());
    assert_eq!(parse(&mem, l.sp.0).map(|_| ()), Err(Errno::EINVAL), "argc is not the count");
    mem.put(l.sp.0, &2u64.to_le_bytes());
    mem.put(l.sp.0 + 8, &1u64.to_le_bytes());
    assert_eq!(parse(&mem, l.sp.0).map(|_| ()), Err(Errno::EFAULT), "a wild argument");
    let few = ParseLimits { entries: 1, string: 10 };
    assert_eq!(parse_initial_stack(&mem, l.sp, few).map(|_| ()), Err(Errno::E2BIG));
}

fn strings(max: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(1u8.., 0..40), 0..max)
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(
        argv in strings(20),
        envp in strings(20),
        execfn in prop::collection::vec(1u8.., 0..60),
        platform in prop::option::of(prop::collection::vec(1u8.., 0..10)),
        random: [u8; 16],
        keys in prop::collection::vec((3u64..60, any::<u64>()), 0..20),
        jitter in 0u64..8192,
        offset in 0u64..64,
    ) {
        let av: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        let ev: Vec<&[u8]> = envp.iter().map(Vec::as_slice).collect();
        let fixed = [AT_RANDOM, AT_EXECFN, AT_PLATFORM];
        let value = |(k, v)| if fixed.contains(&k) { 0 } else { v };
        let auxv: Vec<AuxEntry> = keys.iter().map(|&p| AuxEntry::new(p.0, value(p))).collect();
        let s = InitialStack {
            argv: &av,
            envp: &ev,
            execfn: &execfn,
            platform: platform.as_deref(),
            random,
            auxv: &auxv,
            jitter,
        };
        let mem = Memory::new(BASE, 32 << 10);
        let top = mem.range().end.0 - offset;
        let l = s.load(&mem, Addr(top)).unwrap();
        prop_assert_eq!(l.sp.0 % 16, 0);
        prop_assert!(top - l.sp.0 <= s.size().unwrap());
        let p = parse_initial_stack(&mem, l.sp, ParseLimits::default()).unwrap();
        prop_assert_eq!(&p.argv, &argv);
        prop_assert_eq!(&p.envp, &envp);
        let at = Addr(p.aux(AT_RANDOM).unwrap());
        prop_assert_eq!(mem.get(at.0, 16), random.to_vec());
        let name = mem.read_cstr(Addr(p.aux(AT_EXECFN).unwrap()), 100).unwrap();
        prop_assert_eq!(&name, &execfn);
        if let Some(platform) = &platform {
            let name = mem.read_cstr(Addr(p.aux(AT_PLATFORM).unwrap()), 100).unwrap();
            prop_assert_eq!(&name, platform);
        }
        for (given, read) in auxv.iter().zip(&p.auxv) {
            prop_assert_eq!(given.key, read.key);
            if !fixed.contains(&given.key) {
                prop_assert_eq!(given.value, read.value);
            }
        }
        prop_assert!(p.auxv.len() <= auxv.len() + 3);
        // setproctitle(3): arguments and environment are one block.
        prop_assert_eq!(l.argv.end, l.envv.start);
        prop_assert!(p.argv_pointers.iter().all(|&a| l.argv.contains(a)));
    }

    #[test]
    fn any_bytes_as_a_stack_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        words in prop::collection::vec((0u64..75, 0u64..700), 0..40),
    ) {
        let mem = Memory::new(BASE, 600);
        mem.put(BASE, &bytes);
        for (at, value) in words {
            mem.put(BASE + 8 * at.min(74), &(value + BASE * (value % 2)).to_le_bytes());
        }
        let _ = parse_initial_stack(&mem, Addr(BASE), ParseLimits { entries: 50, string: 50 });
    }
}

/// This process's own initial stack, taken apart and built again.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn our_own_stack_is_built_as_linux_built_it() {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let sp: u64 = fields[25].parse().unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|l| l.ends_with("[stack]")).unwrap();
    let end = line.split(['-', ' ']).nth(1).unwrap();
    let top = u64::from_str_radix(end, 16).unwrap();
    let len = (top - sp) as usize;
    // SAFETY: the stack is mapped from its start to its end, and nobody writes up there.
    let theirs = unsafe { core::slice::from_raw_parts(sp as *const u8, len) }.to_vec();
    let mem = Memory::new(sp, len);
    mem.put(sp, &theirs);
    let p = parse_initial_stack(&mem, Addr(sp), ParseLimits::default()).unwrap();
    let args: Vec<String> = std::env::args().collect();
    assert_eq!(p.argv.len(), args.len());
    assert!(p.aux(AT_PHDR).is_some());

    let execfn = mem.read_cstr(Addr(p.aux(AT_EXECFN).unwrap()), 4096).unwrap();
    let platform = mem.read_cstr(Addr(p.aux(AT_PLATFORM).unwrap()), 4096).unwrap();
    let random = p.aux(AT_RANDOM).unwrap();
    let above = p.aux(AT_PLATFORM).unwrap() + platform.len() as u64 + 1;
    let argv: Vec<&[u8]> = p.argv.iter().map(Vec::as_slice).collect();
    let envp: Vec<&[u8]> = p.envp.iter().map(Vec::as_slice).collect();
    let ours = InitialStack {
        argv: &argv,
        envp: &envp,
        execfn: &execfn,
        platform: Some(&platform),
        random: mem.get(random, 16).try_into().unwrap(),
        auxv: &p.auxv,
        jitter: p.argv_pointers[0].0 - above,
    };
    let layout = ours.place(Addr(top)).unwrap();
    assert_eq!(layout.sp.0, sp);
    assert_eq!(layout.random.0, random);
    assert_eq!(layout.platform, Some(Addr(p.aux(AT_PLATFORM).unwrap())));
    let bytes = ours.emit(Addr(top), &layout);
    let same = |from: u64, to: u64| {
        let range = (from - sp) as usize..(to - sp) as usize;
        assert_eq!(bytes[range.clone()], theirs[range]);
    };
    same(sp, layout.auxv.end.0);
    same(random, above);
    same(layout.argv.start.0, top);
}
