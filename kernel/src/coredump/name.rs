//! Names of core files: what `kernel.core_pattern` makes of a process (`format_corename`).

use alloc::format;
use alloc::vec::Vec;

/// What a pattern can name.
pub(super) struct Facts {
    /// ID of the process, in its own PID namespace and in the initial one: `%p`, `%P`.
    pub(super) pid: (i32, i32),
    /// ID of the thread, likewise: `%i`, `%I`.
    pub(super) tid: (i32, i32),
    /// `%u`, `%g`.
    pub(super) user: (u32, u32),
    /// `%d`.
    pub(super) dumpable: u32,
    /// `%s`.
    pub(super) signo: u32,
    /// `%t`, in seconds.
    pub(super) time: i64,
    /// `%h`.
    pub(super) host: Vec<u8>,
    /// `%e`.
    pub(super) comm: Vec<u8>,
    /// `%E`, and the last component as `%f`.
    pub(super) executable: Option<Vec<u8>>,
    /// `%c`.
    pub(super) limit: u64,
}

/// The name by a pattern; with `uses_pid` it ends with the process's ID, unless it says that
/// already.
pub(super) fn format(pattern: &[u8], uses_pid: bool, facts: &Facts) -> Vec<u8> {
    let mut out = Vec::new();
    let mut names_pid = false;
    let mut rest = pattern.iter();
    while let Some(&b) = rest.next() {
        if b != b'%' {
            out.push(b);
            continue;
        }
        let number = |n: i64| format!("{n}").into_bytes();
        let text = match rest.next() {
            Some(b'%') => b"%".to_vec(),
            Some(b'p') => {
                names_pid = true;
                number(facts.pid.0.into())
            }
            Some(b'P') => number(facts.pid.1.into()),
            Some(b'i') => number(facts.tid.0.into()),
            Some(b'I') => number(facts.tid.1.into()),
            Some(b'u') => number(facts.user.0.into()),
            Some(b'g') => number(facts.user.1.into()),
            Some(b'd') => number(facts.dumpable.into()),
            Some(b's') => number(facts.signo.into()),
            Some(b't') => number(facts.time),
            Some(b'h') => escape(&facts.host),
            Some(b'e') => escape(&facts.comm),
            Some(b'f') => program(facts, |path| {
                path.rsplit(|b| *b == b'/').next().unwrap_or_default().to_vec()
            }),
            Some(b'E') => program(facts, <[u8]>::to_vec),
            Some(b'c') => format!("{}", facts.limit).into_bytes(),
            // Nobody says on which processor user code ran.
            Some(b'C') => number(0),
            _ => Vec::new(),
        };
        out.extend(text);
    }
    if uses_pid && !names_pid {
        out.extend(format!(".{}", facts.pid.0).into_bytes());
    }
    out
}

fn program(facts: &Facts, part: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    match &facts.executable {
        Some(path) => escape(&part(path)),
        None => escape(&[&facts.comm, &b" (path unknown)"[..]].concat()),
    }
}

/// What others chose leads to no other directory (`cn_esc_printf`).
fn escape(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = text.iter().map(|&b| if b == b'/' { b'!' } else { b }).collect();
    if matches!(&*out, b"." | b"..")
        && let Some(first) = out.first_mut()
    {
        *first = b'!';
    }
    if out.is_empty() {
        out.push(b'!');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            pid: (7, 70),
            tid: (8, 80),
            user: (1000, 1001),
            dumpable: 1,
            signo: 11,
            time: 99,
            host: b"a/b".to_vec(),
            comm: b"..".to_vec(),
            executable: Some(b"/usr/bin/it".to_vec()),
            limit: u64::MAX,
        }
    }

    #[test]
    fn every_specifier() {
        let name = format(b"%p %P %i %I %u %g %d %s %t %h %e %f %E %c %% %q%", false, &facts());
        let wanted = "7 70 8 80 1000 1001 1 11 99 a!b !. it !usr!bin!it 18446744073709551615 % ";
        assert_eq!(core::str::from_utf8(&name), Ok(wanted));
    }

    #[test]
    fn the_number_comes_once() {
        assert_eq!(format(b"core", true, &facts()), b"core.7");
        assert_eq!(format(b"%p", true, &facts()), b"7");
        assert_eq!(format(b"%P", true, &facts()), b"70.7");
    }

    #[test]
    fn a_program_without_a_place() {
        let unknown = Facts { executable: None, ..facts() };
        assert_eq!(format(b"%f", false, &unknown), b".. (path unknown)");
    }
}
