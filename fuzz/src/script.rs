//! Bytes as a script, and as the script that interprets it.

use arch::Arch;
use loader::{
    ArgLimits, BINPRM_BUF_SIZE, Blob, Executable, Layout, LoadArgs, LoadError, Resolve,
    parse_script, resolve,
};
use std::sync::Arc;
use syserr::Errno;

/// Every interpreter is one of two files, in turn.
struct Turns([Arc<Blob>; 2], usize);

impl Resolve for Turns {
    fn open(&mut self, path: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        assert!(!path.is_empty() && !path.contains(&0), "{path:?} is no path");
        assert!(path.len() < BINPRM_BUF_SIZE);
        self.1 += 1;
        Ok(self.0[self.1 % 2].clone())
    }
}

/// Reads `bytes` as a `#!` line, and follows it to its interpreters, which are its second half and
/// itself in turn. Whatever they are, paths and arguments are parts of the line as execve(2)
/// passes them on, the arguments of the caller are behind them, and the chain ends.
pub fn script(bytes: &[u8]) {
    let mut head = [0; BINPRM_BUF_SIZE];
    let n = bytes.len().min(BINPRM_BUF_SIZE);
    head[..n].copy_from_slice(&bytes[..n]);
    if let Ok(Some(script)) = parse_script(&head) {
        assert!(head.starts_with(b"#!"));
        let word = |s: &[u8]| s.iter().all(|b| !b"\0\n".contains(b));
        let bare = |s: &[u8]| s.first().is_none_or(|b| !b" \t".contains(b));
        assert!(word(script.interpreter) && !script.interpreter.iter().any(|b| b" \t".contains(b)));
        if let Some(argument) = script.argument {
            assert!(word(argument) && bare(argument), "{argument:?}");
        }
    }

    let half = Arc::new(Blob::new(bytes.get(bytes.len() / 2..).unwrap_or_default()));
    let whole = Arc::new(Blob::new(bytes));
    let mut files = Turns([whole.clone(), half], 0);
    let mut args = LoadArgs::new(b"./script", whole, Layout::fixed(Arch::X86_64));
    args.argv = vec![b"zero", b"one", b"two words"];
    match resolve(&args, &mut files) {
        // Scripts end at an ELF file, and these are short of one.
        Ok(found) => {
            let argv: Vec<&[u8]> = found.argv.iter().map(|a| &**a).collect();
            assert!(argv.ends_with(&[b"one", b"two words"]), "{argv:?}");
            assert!(argv.iter().all(|a| !a.contains(&0)), "{argv:?}");
        }
        Err(LoadError::TooManyScripts) => assert!(files.1 > 5),
        Err(e) => assert!(!e.is_late() && !e.to_string().is_empty()),
    }
    assert!(files.1 <= 7, "an endless chain");
    // A limit that is too small for what the line adds is found, not overrun.
    args.layout.stack_limit = 0;
    let big = vec![b'x'; 30_000];
    args.argv = vec![&big; 4];
    if let Err(e) = resolve(&args, &mut files) {
        assert!(!e.is_late());
    }
    assert!(ArgLimits::new(0, 4, 0).is_ok());
}
