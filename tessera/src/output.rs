//! Standard output of the commands that print and end.

use crate::Failure;
use std::io::{ErrorKind, Write};

/// Prints `text`. Whoever reads it may stop reading: that is no failure.
///
/// # Errors
/// When it cannot be written for another reason.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::own(format!("cannot write: {e}")))
        }
        _ => Ok(()),
    }
}
