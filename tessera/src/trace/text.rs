//! Pointers, strings and buffers.

use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use std::fmt::Write;

/// The most bytes of a buffer that are shown.
pub(super) const SHOWN: usize = 32;
/// The most members of an array that are shown.
pub(super) const MEMBERS: u64 = 32;

/// Appends formatted text.
pub(super) fn push(out: &mut String, args: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(args);
}

/// Appends an address.
pub(super) fn pointer(out: &mut String, value: u64) {
    if value == 0 { out.push_str("NULL") } else { push(out, format_args!("{value:#x}")) }
}

/// Appends what `show` makes of the object at `at`, or the address when it cannot be read.
pub(super) fn object<T: zerocopy::FromBytes + zerocopy::IntoBytes>(
    out: &mut String,
    at: u64,
    mem: &dyn UserMemory,
    show: impl FnOnce(&mut String, T),
) {
    match mem.read_obj::<T>(Addr(at)) {
        Ok(value) if at != 0 => show(out, value),
        _ => pointer(out, at),
    }
}

/// Appends a path, whole.
pub(super) fn path(out: &mut String, at: u64, mem: &dyn UserMemory) {
    match mem.read_cstr(Addr(at), 4096) {
        Ok(bytes) if at != 0 => quoted(out, &bytes, false),
        _ => pointer(out, at),
    }
}

/// Appends the beginning of a buffer.
pub(super) fn buffer(out: &mut String, at: u64, len: u64, mem: &dyn UserMemory) {
    let mut bytes = [0; SHOWN];
    let n = len.min(SHOWN as u64) as usize;
    match mem.copy_in(Addr(at), &mut bytes[..n], Permissions::Obey) {
        Ok(()) if at != 0 => quoted(out, &bytes[..n], len > SHOWN as u64),
        _ => pointer(out, at),
    }
}

/// Appends bytes as a C string, octal where they do not print.
pub(super) fn quoted(out: &mut String, bytes: &[u8], cut: bool) {
    out.push('"');
    for (i, b) in bytes.iter().enumerate() {
        match b {
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\r' => out.push_str("\\r"),
            0x0b => out.push_str("\\v"),
            0x0c => out.push_str("\\f"),
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*b));
            }
            b' '..=b'~' => out.push(char::from(*b)),
            // A digit behind it would be read as a part of it.
            _ if bytes.get(i + 1).is_some_and(u8::is_ascii_digit) => {
                push(out, format_args!("\\{b:03o}"));
            }
            _ => push(out, format_args!("\\{b:o}")),
        }
    }
    out.push_str(if cut { "\"..." } else { "\"" });
}

/// Appends a NULL-terminated array of strings.
pub(super) fn strings(out: &mut String, at: u64, mem: &dyn UserMemory) {
    if at == 0 {
        return out.push_str("NULL");
    }
    out.push('[');
    for i in 0..=MEMBERS {
        match mem.read_obj::<u64>(Addr(at).wrapping_add(8 * i)) {
            Ok(0) | Err(_) => break,
            Ok(_) if i == MEMBERS => out.push_str(", ..."),
            Ok(p) => {
                if i > 0 {
                    out.push_str(", ");
                }
                match mem.read_cstr(Addr(p), 4096) {
                    Ok(bytes) => quoted(out, &bytes[..bytes.len().min(SHOWN)], bytes.len() > SHOWN),
                    Err(_) => pointer(out, p),
                }
            }
        }
    }
    out.push(']');
}

/// Appends how many strings an array has.
pub(super) fn count(out: &mut String, at: u64, mem: &dyn UserMemory) {
    const MOST: u64 = 4096;
    pointer(out, at);
    if at != 0 {
        let word = |i: &u64| mem.read_obj::<u64>(Addr(at).wrapping_add(8 * i));
        let n = (0..MOST).take_while(|i| word(i).is_ok_and(|p| p != 0)).count();
        push(out, format_args!(" /* {n} vars */"));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn octal_as_short_as_can_be() {
        let mut out = String::new();
        super::quoted(&mut out, b"\x7fELF\x02\x01\x001\n\"", true);
        assert_eq!(out, "\"\\177ELF\\2\\1\\0001\\n\\\"\"...");
    }
}
