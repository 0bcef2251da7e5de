//! From a file to the program that it stands for.

use crate::args::{Args, BINPRM_BUF_SIZE};
use crate::error::{Image, LoadError};
use crate::load::LoadArgs;
use crate::parse::{Elf, is_elf};
use crate::property::Properties;
use crate::script::parse_script;
use crate::seam::{Executable, Resolve};
use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use syserr::Errno;

/// How many scripts may be interpreted by scripts before the program: `exec_binprm` in
/// `fs/exec.c`.
const MAX_SCRIPTS: usize = 5;
/// A program whose files are all found and whose headers are parsed.
pub struct Resolved<'a> {
    /// The interpreters of scripts on the way to the program, as the scripts name them; the last is
    /// the program.
    pub scripts: Vec<Vec<u8>>,
    /// The program, behind all scripts.
    pub file: Arc<dyn Executable>,
    /// Its headers.
    pub elf: Elf,
    /// Its interpreter: path, file and headers.
    pub interpreter: Option<(Vec<u8>, Arc<dyn Executable>, Elf)>,
    /// Control-flow protection of the file that Linux asks: the interpreter if there is one.
    pub properties: Properties,
    /// Arguments as scripts have rewritten them.
    pub argv: Vec<Cow<'a, [u8]>>,
}

/// Follows scripts to a program, and the program to its interpreter. Nothing is mapped.
///
/// # Errors
/// Everything for which [`LoadError::is_late`] is false.
pub fn resolve<'a>(
    args: &LoadArgs<'a>,
    opener: &mut dyn Resolve,
) -> Result<Resolved<'a>, LoadError> {
    let stack_limit = args.layout.stack_limit;
    let mut list = Args::new(args.filename, &args.argv, &args.envp, stack_limit)?;
    let mut file = args.executable.clone();
    let mut name = Cow::Borrowed(args.filename);
    let mut scripts = Vec::new();
    let head = loop {
        let mut head = [0u8; BINPRM_BUF_SIZE];
        read_head(&*file, &mut head)?;
        let Some(script) = parse_script(&head)? else { break head };
        if args.inaccessible && scripts.is_empty() {
            return Err(LoadError::ScriptInaccessible);
        }
        list.rewrite(script.interpreter, script.argument, &name)?;
        let path = script.interpreter.to_vec();
        file = open(opener, &path)
            .map_err(|errno| LoadError::ScriptOpen { path: path.clone(), errno })?;
        scripts.push(path.clone());
        name = Cow::Owned(path);
        if scripts.len() > MAX_SCRIPTS {
            return Err(LoadError::TooManyScripts);
        }
    };
    if !is_elf(&head) {
        return Err(LoadError::UnknownFormat);
    }
    let first = head.first_chunk().ok_or(LoadError::UnknownFormat)?;
    let elf = Elf::parse_program(&*file, first, args.arch)?;
    let interpreter = match elf.interpreter(&*file)? {
        None => None,
        Some(path) => {
            let fail = |errno| LoadError::InterpOpen { path: path.clone(), errno };
            let found = open(opener, &path).map_err(fail)?;
            let parsed = Elf::parse_interpreter(&*found, elf.arch)?;
            Some((path, found, parsed))
        }
    };
    let properties = match &interpreter {
        None => elf.properties(&*file, Image::Program)?,
        Some((_, found, parsed)) => parsed.properties(&**found, Image::Interpreter)?,
    };
    Ok(Resolved { scripts, file, elf, interpreter, properties, argv: list.list })
}

/// Opens an interpreter. The empty path names the working directory here, as in no system call.
fn open(opener: &mut dyn Resolve, path: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
    if path.is_empty() { Err(Errno::EACCES) } else { opener.open(path) }
}

/// Reads a file's first bytes; what is missing stays zero.
fn read_head(file: &dyn Executable, head: &mut [u8]) -> Result<(), LoadError> {
    let mut done = 0;
    while let Some(rest) = head.get_mut(done..).filter(|r| !r.is_empty()) {
        let room = rest.len();
        match file.read_at(done as u64, rest).map_err(LoadError::Read)? {
            0 => break,
            n => done += n.min(room),
        }
    }
    Ok(())
}
