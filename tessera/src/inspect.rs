//! `tessera inspect`: how a file would be loaded, or the exact reason why not.

use crate::{Failure, output};
use arch::Arch;
use loader::vdso::Vdso;
use loader::{Blob, Credentials, Executable, Layout, LoadArgs, Platform, Resolve};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use syserr::Errno;

/// Prints how `file` would be loaded. Exit code 126 when it cannot be.
pub(crate) fn inspect(file: &Path) -> Result<u8, Failure> {
    let name = file.as_os_str().as_bytes();
    let executable = HostFiles.open(name).map_err(|e| Failure {
        message: format!("{}: {}", file.display(), reason(file, e)),
        code: if e == Errno::ENOENT { 127 } else { 126 },
    })?;
    // For a file of either architecture; what goes where is shown without randomisation.
    let arch = machine(&*executable);
    let vdso = Vdso::builtin(arch);
    let platform = match arch {
        Arch::X86_64 => &b"x86_64"[..],
        Arch::Aarch64 => b"aarch64",
    };
    let args = LoadArgs {
        argv: vec![name],
        credentials: own_credentials(),
        platform: machine_of(arch, platform),
        vdso: vdso.as_ref(),
        ..LoadArgs::new(name, executable, Layout::fixed(arch))
    };
    let report = loader::inspect(&args, &mut HostFiles);
    output::print(&report.to_string())?;
    Ok(if report.result.is_ok() { 0 } else { 126 })
}

/// Why a file cannot even be opened, or is none that could be executed.
fn reason(file: &Path, errno: Errno) -> String {
    match std::fs::metadata(file) {
        Ok(meta) if meta.is_dir() => format!("is a directory ({errno})"),
        Ok(meta) if !meta.is_file() => format!("is not a regular file ({errno})"),
        Ok(meta) if meta.permissions().mode() & 0o111 == 0 => {
            format!("nobody may execute it ({errno})")
        }
        _ => errno.to_string(),
    }
}

/// Those that `run` gives to guests, too.
fn own_credentials() -> Credentials {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    Credentials { uid, euid: uid, gid, egid: gid, secure: false }
}

/// What programs are told of this machine, if they are for it.
fn machine_of(arch: Arch, name: &[u8]) -> Platform<'_> {
    let own = cfg!(target_arch = "x86_64") && arch == Arch::X86_64;
    let (hwcap, hwcap2) = if own { rustix::param::linux_hwcap() } else { (0, 0) };
    Platform {
        name: Some(name),
        hwcap: hwcap as u64,
        hwcap2: hwcap2 as u64,
        minsigstksz: if own { rustix::param::linux_minsigstksz() as u64 } else { 0 },
        ..Platform::default()
    }
}

/// The architecture that an ELF header names; x86-64 for everything else.
fn machine(file: &dyn Executable) -> Arch {
    const EM_AARCH64: [u8; 2] = [183, 0];
    let mut head = [0; 20];
    match file.read_at(0, &mut head) {
        Ok(20) if head[..4] == *b"\x7fELF" && head[18..] == EM_AARCH64 => Arch::Aarch64,
        _ => Arch::X86_64,
    }
}

/// The host's own files, as execve(2) would open them.
struct HostFiles;

/// The largest file that is read whole.
const LARGEST: u64 = 1 << 30;

impl Resolve for HostFiles {
    fn open(&mut self, path: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        let mut file = File::open(path).map_err(Errno::from)?;
        let meta = file.metadata().map_err(Errno::from)?;
        executable(&meta)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Errno::from)?;
        Ok(Arc::new(Blob(bytes.into())))
    }
}

fn executable(meta: &Metadata) -> Result<(), Errno> {
    if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
        return Err(Errno::EACCES);
    }
    if meta.len() > LARGEST { Err(Errno::EFBIG) } else { Ok(()) }
}
