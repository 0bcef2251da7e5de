use super::line::{Effects, Line};
use super::termios::*;

fn type_all(line: &mut Line, text: &[u8]) -> Effects {
    let mut effects = Effects::default();
    for c in text {
        line.type_byte(*c, &mut effects);
    }
    effects
}

fn shown(line: &mut Line) -> Vec<u8> {
    line.output.drain(..).collect()
}

use alloc::vec::Vec;

#[test]
fn a_line_is_read_only_when_it_is_complete() {
    let mut l = Line::default();
    type_all(&mut l, b"ab");
    assert!(!l.has_input());
    type_all(&mut l, b"c\rnext");
    assert!(l.has_input());
    assert_eq!(l.read(100), b"abc\n");
    assert!(!l.has_input());
    assert_eq!(shown(&mut l), b"abc\r\nnext");
}

#[test]
fn a_short_read_leaves_the_rest_of_the_line() {
    let mut l = Line::default();
    type_all(&mut l, b"abc\n");
    assert_eq!(l.read(2), b"ab");
    assert!(l.has_input());
    assert_eq!(l.read(2), b"c\n");
    assert!(!l.has_input());
}

#[test]
fn end_of_file_ends_a_line_without_a_byte() {
    let mut l = Line::default();
    type_all(&mut l, b"ab\x04\x04");
    assert_eq!(l.read(100), b"ab");
    assert!(l.has_input());
    assert_eq!(l.read(100), b"");
    type_all(&mut l, b"ab\x04");
    assert_eq!(l.read(2), b"ab");
    assert!(!l.has_input(), "the end of file went with a read that it filled exactly");
}

#[test]
fn erasing_is_shown() {
    let mut l = Line::default();
    type_all(&mut l, b"ab\x7f\x7f\x7fx y\x17\n");
    assert_eq!(l.read(100), b"x \n");
    assert_eq!(shown(&mut l), b"ab\x08 \x08\x08 \x08x y\x08 \x08\r\n");
    type_all(&mut l, b"abc\x15d\n");
    assert_eq!(l.read(100), b"d\n");
}

#[test]
fn signals_flush_what_was_typed() {
    let mut l = Line::default();
    let e = type_all(&mut l, b"ab\x03");
    assert_eq!(e.signals, [2]);
    assert!(e.flushed);
    assert_eq!(shown(&mut l), b"^C");
    type_all(&mut l, b"\n");
    assert_eq!(l.read(100), b"\n");
}

#[test]
fn raw_mode_passes_everything() {
    let mut l = Line::default();
    let raw = Termios { iflag: 0, oflag: 0, lflag: 0, ..Termios::default() };
    l.set_termios(raw);
    let e = type_all(&mut l, b"\x03\r\n\x04");
    assert!(e.signals.is_empty());
    assert_eq!(l.read(100), b"\x03\r\n\x04");
    assert!(shown(&mut l).is_empty());
}

#[test]
fn leaving_canonical_mode_gives_the_unfinished_line() {
    let mut l = Line::default();
    type_all(&mut l, b"abc");
    let raw = Termios { lflag: 0, ..Termios::default() };
    l.set_termios(raw);
    assert_eq!(l.read(100), b"abc");
}

#[test]
fn stop_and_start_hold_output() {
    let mut l = Line::default();
    type_all(&mut l, b"\x13");
    assert!(l.stopped);
    type_all(&mut l, b"\x11");
    assert!(!l.stopped);
}

#[test]
fn a_full_line_keeps_its_end() {
    let mut l = Line::default();
    let long = alloc::vec![b'a'; 5000];
    type_all(&mut l, &long);
    type_all(&mut l, b"\n");
    let read = l.read(10_000);
    assert_eq!(read.len(), 4096);
    assert_eq!(read.last(), Some(&b'\n'));
}
