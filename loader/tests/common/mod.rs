//! What the tests share: files of the host, arguments of a plain program.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses another part")]

use arch::{Addr, Arch};
use loader::kit::Space;
use loader::{
    Blob, Credentials, Executable, Layout, LoadArgs, LoadError, LoadedImage, Loader, Platform,
    Random, Resolve,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use syserr::Errno;

pub mod elf;
#[path = "../../../arch/tests/common/oracle.rs"]
pub mod oracle;

/// Opens files of the host as execve(2) would.
pub struct HostFiles;

impl Resolve for HostFiles {
    fn open(&mut self, path: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::PermissionsExt;
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
        let errno = |e: std::io::Error| {
            let number = e.raw_os_error().unwrap_or(5) as u16;
            Errno::new(number).unwrap_or(Errno::EIO)
        };
        let meta = std::fs::metadata(path).map_err(errno)?;
        if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
            return Err(Errno::EACCES);
        }
        Ok(Arc::new(Blob::new(std::fs::read(path).map_err(errno)?)))
    }
}

/// Files by name.
#[derive(Default)]
pub struct Files(pub BTreeMap<Vec<u8>, Arc<dyn Executable>>);

impl Resolve for Files {
    fn open(&mut self, path: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        self.0.get(path).cloned().ok_or(Errno::ENOENT)
    }
}

/// The same sixteen bytes always.
pub struct Dice;

impl Random for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for (i, b) in buf.iter_mut().enumerate() {
            *b = 0xa0 + i as u8;
        }
    }
}

/// Arguments of a plain program.
pub fn args<'a>(filename: &'a [u8], executable: Arc<dyn Executable>) -> LoadArgs<'a> {
    LoadArgs {
        filename,
        comm: None,
        executable,
        arch: Some(Arch::X86_64),
        argv: vec![filename],
        envp: vec![],
        credentials: Credentials::default(),
        platform: Platform { name: Some(b"x86_64"), minsigstksz: 2048, ..Platform::default() },
        layout: Layout::fixed(Arch::X86_64),
        vdso: None,
        extra_auxv: &[],
        execfd: None,
        inaccessible: false,
    }
}

/// Loads into a fresh space.
pub fn load(
    args: &LoadArgs<'_>,
    files: &mut dyn Resolve,
) -> Result<(LoadedImage, Space), LoadError> {
    let mut space = Space::new(Addr(args.layout.stack_top.0 - (64 << 20)));
    let image = Loader { resolve: files, mapper: &mut space, random: &mut Dice }.load(args)?;
    Ok((image, space))
}
