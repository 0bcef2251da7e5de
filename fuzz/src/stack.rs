//! Bytes as what a program starts with, and as the stack that it finds.

use arch::auxv::{AT_EXECFN, AT_NULL, AT_PLATFORM, AT_RANDOM};
use arch::kit::Memory;
use arch::stack::ParseLimits;
use arch::{Addr, AuxEntry, InitialStack, UserMemoryExt, parse_initial_stack};

const BASE: u64 = 0x7ffc_0000_0000;
const LEN: usize = 64 << 10;

/// Takes the input apart.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (now, later) = self.0.split_at(n.min(self.0.len()));
        self.0 = later;
        now
    }

    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn word(&mut self) -> u64 {
        let mut word = [0; 8];
        let bytes = self.take(8);
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    }

    /// Bytes without a NUL.
    fn string(&mut self) -> &'a [u8] {
        let n = self.byte();
        let bytes = self.take(n.into());
        bytes.split(|&b| b == 0).next().unwrap_or_default()
    }

    fn strings(&mut self) -> Vec<&'a [u8]> {
        let n = self.byte() % 32;
        (0..n).map(|_| self.string()).collect()
    }
}

/// Builds a stack of `bytes` and reads it back as a dynamic linker does: everything must come out
/// as it went in. Then reads the bytes themselves as a stack, which may be refused and nothing else.
pub fn stack(bytes: &[u8]) {
    build(Input(bytes));
    let mem = Memory::new(BASE, LEN);
    let n = bytes.len().min(LEN);
    mem.put(BASE, &bytes[..n]);
    // Pointers into the bytes, so that it is not over at the first.
    for at in (0..n.saturating_sub(8)).step_by(8).filter(|&at| bytes[at + 7] == b'p') {
        mem.put(BASE + at as u64, &(BASE + u64::from(bytes[at]) * 8).to_le_bytes());
    }
    let limits = ParseLimits { entries: 64, string: 64 };
    if let Ok(found) = parse_initial_stack(&mem, Addr(BASE), limits) {
        assert_eq!(found.argc, found.argv.len() as u64);
        assert!(found.argv.len() <= 64 && found.envp.len() <= 64 && found.auxv.len() <= 64);
        assert!(found.argv.iter().chain(&found.envp).all(|s| s.len() <= 64));
    }
}

fn build(mut input: Input<'_>) {
    let jitter = input.word() % 8192;
    let below_end = input.word() % 4096;
    let named = input.byte() & 1 != 0;
    let auxv: Vec<AuxEntry> = (0..input.byte() % 40)
        .map(|_| AuxEntry::new(input.byte().into(), input.word()))
        .filter(|a| a.key != AT_NULL)
        .collect();
    let execfn = input.string();
    let name = input.string();
    let (argv, envp) = (input.strings(), input.strings());
    let stack = InitialStack {
        argv: &argv,
        envp: &envp,
        execfn,
        platform: named.then_some(name),
        random: [0x5a; 16],
        auxv: &auxv,
        jitter,
    };
    let mem = Memory::new(BASE, LEN);
    mem.fill(0xff);
    let top = Addr(mem.range().end.0 - below_end);
    let layout = stack.load(&mem, top).expect("room for all that an input can ask");

    assert!(layout.sp.0.is_multiple_of(16) && layout.sp < layout.auxv.start);
    assert!(top.0 - layout.sp.0 <= stack.size().expect("a size"));
    assert_eq!(layout.argv.end, layout.envv.start, "one block for setproctitle(3)");
    let untouched = mem.get(BASE, (layout.sp.0 - BASE) as usize);
    assert!(untouched.iter().all(|&b| b == 0xff), "nothing below the stack pointer");

    let found = parse_initial_stack(&mem, layout.sp, ParseLimits::default()).expect("a stack");
    assert_eq!(found.argc, argv.len() as u64);
    assert_eq!((&found.argv[..], &found.envp[..]), (&to_vec(&argv)[..], &to_vec(&envp)[..]));
    assert!(found.argv_pointers.iter().all(|&p| layout.argv.contains(p)));
    assert!(found.envp_pointers.iter().all(|&p| layout.envv.contains(p)));
    let filled = [AT_RANDOM, AT_EXECFN, AT_PLATFORM];
    for (given, read) in auxv.iter().zip(&found.auxv) {
        assert_eq!(given.key, read.key);
        assert!(given.value == read.value || (given.value == 0 && filled.contains(&given.key)));
    }
    let value = |key| {
        let given = auxv.iter().find(|a| a.key == key).is_none_or(|a| a.value == 0);
        found.aux(key).filter(|_| given).map(Addr)
    };
    if let Some(at) = value(AT_RANDOM) {
        assert_eq!((at, mem.get(at.0, 16)), (layout.random, vec![0x5a; 16]));
    }
    if let Some(at) = value(AT_EXECFN) {
        assert_eq!(mem.read_cstr(at, 300).as_deref(), Ok(execfn));
    }
    if let (Some(at), Some(name)) = (value(AT_PLATFORM), stack.platform) {
        assert_eq!(mem.read_cstr(at, 300).as_deref(), Ok(name));
    }
}

fn to_vec(list: &[&[u8]]) -> Vec<Vec<u8>> {
    list.iter().map(|s| s.to_vec()).collect()
}
