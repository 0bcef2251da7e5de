//! `#!` lines.
//!
//! Source: execve(2), `load_script` in `fs/binfmt_script.c`.

use crate::args::BINPRM_BUF_SIZE;
use crate::error::LoadError;

/// What a `#!` line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script<'a> {
    /// Path of the interpreter, as written: it may be relative. Empty when the line
    /// begins with a NUL, which Linux takes for the path of the working directory.
    pub interpreter: &'a [u8],
    /// Everything behind it, as one argument, without surrounding blanks.
    pub argument: Option<&'a [u8]>,
}

fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

/// Parses the `#!` line of a file that begins with `head`, zeroes past the file's end. `None` when
/// there is no `#!`.
///
/// A line longer than the buffer is cut, but only behind the interpreter's path: a path that may
/// be cut is an error, as running another program would be worse.
///
/// # Errors
/// [`LoadError::ScriptNoInterpreter`], [`LoadError::ScriptTruncated`].
pub fn parse_script(head: &[u8; BINPRM_BUF_SIZE]) -> Result<Option<Script<'_>>, LoadError> {
    let Some(body) = head.strip_prefix(b"#!") else { return Ok(None) };
    let ends_word = |&b: &u8| is_blank(b) || b == 0;
    let line = match body.iter().position(|&b| b == b'\n') {
        Some(end) => body.get(..end).unwrap_or_default(),
        None => {
            let start =
                body.iter().position(|&b| !is_blank(b)).ok_or(LoadError::ScriptNoInterpreter)?;
            let word = body.get(start..).unwrap_or_default();
            if !word.iter().any(ends_word) {
                return Err(LoadError::ScriptTruncated);
            }
            // The buffer's last byte is Linux's terminator.
            body.get(..body.len().saturating_sub(1)).unwrap_or_default()
        }
    };
    let line = line.trim_blanks();
    if line.is_empty() {
        return Err(LoadError::ScriptNoInterpreter);
    }
    let name_end = line.iter().position(ends_word).unwrap_or(line.len());
    let (interpreter, rest) = line.split_at_checked(name_end).unwrap_or((line, &[]));
    // A NUL ends the line as it ends every string in the kernel.
    let argument = match rest.first() {
        Some(&b) if is_blank(b) => {
            let rest = rest.trim_blanks();
            let end = rest.iter().position(|&b| b == 0).unwrap_or(rest.len());
            rest.get(..end)
        }
        _ => None,
    };
    Ok(Some(Script { interpreter, argument }))
}

trait TrimBlank {
    /// Without leading and trailing spaces and tabs.
    fn trim_blanks(&self) -> &Self;
}

impl TrimBlank for [u8] {
    fn trim_blanks(&self) -> &[u8] {
        let start = self.iter().position(|&b| !is_blank(b)).unwrap_or(self.len());
        let end = self.iter().rposition(|&b| !is_blank(b)).map_or(start, |i| i + 1);
        self.get(start..end).unwrap_or_default()
    }
}
