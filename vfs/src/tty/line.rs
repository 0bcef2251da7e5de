//! The line discipline: what typed bytes become before a program reads them, and written bytes
//! before the terminal shows them (`drivers/tty/n_tty.c`). Pure state, without locks or files.

use super::termios::*;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Bytes of input that are kept; more is dropped, as in Linux.
pub(super) const INPUT_MAX: usize = 4096;
/// Bytes of output that may wait for the master.
pub(super) const OUTPUT_MAX: usize = 16384;

/// Ends a line without being part of it; marks where `EOF` was typed.
const DISABLED: u16 = 0x100;

/// Input and output of one terminal.
#[derive(Default)]
pub(super) struct Line {
    pub(super) termios: Termios,
    /// What a program may read; `DISABLED` stands for an end of file.
    ready: VecDeque<u16>,
    /// Line ends in `ready`.
    lines: usize,
    /// The line that is being typed.
    edit: Vec<u8>,
    pub(super) output: VecDeque<u8>,
    /// Where the echo of what is being typed begins in `output`: all before that is on its way.
    pub(super) echo_from: usize,
    column: usize,
    literal: bool,
    pub(super) stopped: bool,
    /// Bytes of `output` that were on their way before it was stopped.
    shown: usize,
}

/// What input led to, besides bytes.
#[derive(Default)]
pub(super) struct Effects {
    /// Signals for the foreground group.
    pub(super) signals: Vec<u32>,
    /// Something was thrown away, for packet mode.
    pub(super) flushed: bool,
}

/// As the kernel takes letters: those of ISO 8859-1 (`lib/ctype.c`).
fn is_upper(c: u8) -> bool {
    c.is_ascii_uppercase() || matches!(c, 0xc0..=0xde) && c != 0xd7
}

fn is_lower(c: u8) -> bool {
    c.is_ascii_lowercase() || matches!(c, 0xe0..=0xfe) && c != 0xf7
}

impl Line {
    /// Bytes that a read would give now.
    pub(super) fn readable(&self) -> usize {
        if !self.termios.l(ICANON) {
            return self.ready.len() + self.edit.len();
        }
        if self.lines > 0 { self.ready.len() } else { 0 }
    }

    /// Whether a read has something to return, be it an end of file.
    pub(super) fn has_input(&self) -> bool {
        if self.termios.l(ICANON) { self.lines > 0 } else { self.readable() > 0 }
    }

    pub(super) fn set_termios(&mut self, new: Termios) {
        let was = self.termios.l(ICANON);
        self.termios = new;
        if was && !new.l(ICANON) {
            self.ready.retain(|c| *c != DISABLED);
            self.ready.extend(self.edit.drain(..).map(u16::from));
            self.lines = 0;
        } else if !was && new.l(ICANON) && !self.ready.is_empty() {
            self.lines = 1;
        }
        if !new.i(IXON) {
            self.stopped = false;
        }
    }

    /// Holds output back, of which `shown` bytes are on their way, or lets it go on.
    pub(super) fn stop(&mut self, on: bool, shown: usize) {
        if on && !self.stopped {
            self.shown = shown;
        }
        self.stopped = on;
    }

    /// Bytes of output that can be shown now.
    pub(super) fn showable(&self) -> usize {
        if self.stopped { self.shown.min(self.output.len()) } else { self.output.len() }
    }

    /// Takes bytes of output to be shown, of which there are so many.
    pub(super) fn show(&mut self, n: usize) -> impl Iterator<Item = u8> {
        self.shown = self.shown.saturating_sub(n);
        self.output.drain(..n.min(self.output.len()))
    }

    pub(super) fn flush_input(&mut self) {
        self.ready.clear();
        self.edit.clear();
        self.lines = 0;
        self.literal = false;
    }

    /// Takes up to `max` bytes for a program: in canonical mode not past the end of a line.
    pub(super) fn read(&mut self, max: usize) -> Vec<u8> {
        let canonical = self.termios.l(ICANON);
        let mut out = Vec::new();
        while out.len() < max {
            let Some(c) = self.ready.pop_front() else { break };
            if c == DISABLED {
                self.lines = self.lines.saturating_sub(1);
                break;
            }
            out.push(c as u8);
            if canonical && self.ends_line(c as u8) {
                self.lines = self.lines.saturating_sub(1);
                break;
            }
        }
        // An end of file right behind a full buffer belongs to that read.
        if canonical && out.len() == max && self.ready.front() == Some(&DISABLED) && max > 0 {
            let ended = out.last().is_some_and(|c| self.ends_line(*c));
            if !ended {
                self.ready.pop_front();
                self.lines = self.lines.saturating_sub(1);
            }
        }
        out
    }

    fn ends_line(&self, c: u8) -> bool {
        c == b'\n' || self.termios.is(VEOL, c) || self.termios.is(VEOL2, c)
    }

    /// One typed byte.
    pub(super) fn type_byte(&mut self, mut c: u8, effects: &mut Effects) {
        let t = self.termios;
        if t.i(ISTRIP) {
            c &= 0x7f;
        }
        if t.i(IUCLC) && t.l(IEXTEN) && is_upper(c) {
            c += 0x20;
        }
        if core::mem::take(&mut self.literal) {
            return self.insert(c);
        }
        if t.i(IXON) {
            if t.is(VSTART, c) {
                self.stopped = false;
                return;
            }
            if t.is(VSTOP, c) {
                // What was typed just before is not shown yet.
                self.stop(true, self.echo_from);
                return;
            }
            if t.i(IXANY) {
                self.stopped = false;
            }
        }
        if t.l(ISIG) && self.signal(c, effects) {
            return;
        }
        match c {
            b'\r' if t.i(IGNCR) => return,
            b'\r' if t.i(ICRNL) => c = b'\n',
            b'\n' if t.i(INLCR) => c = b'\r',
            _ => {}
        }
        if t.l(ICANON) {
            self.type_canonical(c);
        } else {
            self.insert(c);
        }
    }

    fn signal(&mut self, c: u8, effects: &mut Effects) -> bool {
        const SIGINT: u32 = 2;
        const SIGQUIT: u32 = 3;
        const SIGTSTP: u32 = 20;
        let t = self.termios;
        let signo = match c {
            _ if t.is(VINTR, c) => SIGINT,
            _ if t.is(VQUIT, c) => SIGQUIT,
            _ if t.is(VSUSP, c) => SIGTSTP,
            _ => return false,
        };
        effects.signals.push(signo);
        if !t.l(NOFLSH) {
            self.flush_input();
            self.output.truncate(self.echo_from);
            effects.flushed = true;
        }
        if t.i(IXON) {
            self.stopped = false;
        }
        if t.l(ECHO) {
            self.echo(c);
        }
        true
    }

    fn type_canonical(&mut self, c: u8) {
        let t = self.termios;
        let extended = t.l(IEXTEN);
        if t.is(VERASE, c) || t.is(VKILL, c) || extended && t.is(VWERASE, c) {
            return self.erase(c);
        }
        if extended && t.is(VLNEXT, c) {
            self.literal = true;
            if t.l(ECHO) && t.l(ECHOCTL) {
                self.output.extend(*b"^\x08");
            }
            return;
        }
        if extended && t.is(VREPRINT, c) && t.l(ECHO) {
            self.echo(c);
            self.emit(b'\n');
            for c in self.edit.clone() {
                self.echo(c);
            }
            return;
        }
        if t.is(VEOF, c) {
            self.ready.extend(self.edit.drain(..).map(u16::from));
            self.ready.push_back(DISABLED);
            self.lines += 1;
            return;
        }
        if self.ends_line(c) {
            if t.l(ECHO) || c == b'\n' && t.l(ECHONL) {
                self.echo(c);
            }
            // A line always gets its end, even where the buffer is full.
            self.ready.extend(self.edit.drain(..).map(u16::from));
            self.ready.push_back(c.into());
            self.lines += 1;
            return;
        }
        self.insert(c);
    }

    fn insert(&mut self, c: u8) {
        if self.ready.len() + self.edit.len() >= INPUT_MAX - 1 {
            if self.termios.i(IMAXBEL) {
                self.emit(7);
            }
            return;
        }
        if self.termios.l(ECHO) {
            self.echo(c);
        }
        // So that it is told from the mark of an error.
        let times = if c == 0xff && self.termios.i(PARMRK) { 2 } else { 1 };
        if self.termios.l(ICANON) {
            self.edit.extend(core::iter::repeat_n(c, times));
        } else {
            self.ready.extend(core::iter::repeat_n(u16::from(c), times));
        }
    }

    /// Removes the last character, word or all of the line.
    fn erase(&mut self, c: u8) {
        let t = self.termios;
        if t.is(VKILL, c) {
            let visible = t.l(ECHOK) && t.l(ECHOKE) && t.l(ECHOE);
            if !visible {
                self.edit.clear();
                if t.l(ECHO) {
                    self.echo(c);
                    if t.l(ECHOK) {
                        self.emit(b'\n');
                    }
                }
                return;
            }
            while self.erase_one() {}
            return;
        }
        if t.is(VWERASE, c) {
            let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c >= 0x80;
            let mut seen = false;
            while let Some(last) = self.edit.last().copied() {
                if word(last) {
                    seen = true;
                } else if seen {
                    break;
                }
                self.erase_one();
            }
            return;
        }
        self.erase_one();
    }

    fn erase_one(&mut self) -> bool {
        let t = self.termios;
        let Some(mut last) = self.edit.pop() else { return false };
        if t.i(IUTF8) {
            while last & 0xc0 == 0x80
                && let Some(c) = self.edit.pop()
            {
                last = c;
            }
        }
        if !t.l(ECHO) {
            return true;
        }
        if !t.l(ECHOE) {
            self.echo(t.char(VERASE));
            return true;
        }
        let width = match last {
            b'\t' => self.tab_width(),
            c if c < 32 || c == 127 => 2 * usize::from(t.l(ECHOCTL)),
            _ => 1,
        };
        for _ in 0..width {
            if last == b'\t' {
                self.output.push_back(8);
            } else {
                self.output.extend(*b"\x08 \x08");
            }
            self.column = self.column.saturating_sub(1);
        }
        true
    }

    /// Columns that a tab at the end of the typed line took.
    fn tab_width(&self) -> usize {
        let mut column = 0;
        for c in &self.edit {
            column += match c {
                b'\t' => 8 - column % 8,
                c if *c < 32 || *c == 127 => 2,
                _ => 1,
            };
        }
        8 - column % 8
    }

    fn echo(&mut self, c: u8) {
        let plain = c >= 32 && c != 127 || matches!(c, b'\n' | b'\t');
        if plain || !self.termios.l(ECHOCTL) {
            self.emit(c);
        } else {
            self.emit(b'^');
            self.emit(c ^ 0x40);
        }
    }

    /// Sends the character that has the other side stop, or go on.
    pub(super) fn send_flow_control(&mut self, stop: bool) {
        let c = self.termios.char(if stop { VSTOP } else { VSTART });
        if c != 0 && self.output.len() < OUTPUT_MAX {
            self.output.push_back(c);
        }
    }

    /// One byte of output, as the output modes want it.
    pub(super) fn emit(&mut self, c: u8) {
        // Echo that nobody reads must not grow without bound; programs are held off before.
        if self.output.len() >= 2 * OUTPUT_MAX {
            return;
        }
        let t = self.termios;
        if !t.o(OPOST) {
            self.output.push_back(c);
            return;
        }
        match c {
            b'\n' if t.o(ONLCR) => {
                self.column = 0;
                self.output.extend(*b"\r\n");
            }
            b'\n' => {
                if t.o(ONLRET) {
                    self.column = 0;
                }
                self.output.push_back(c);
            }
            b'\r' if t.o(ONOCR) && self.column == 0 => {}
            b'\r' if t.o(OCRNL) => self.output.push_back(b'\n'),
            b'\r' => {
                self.column = 0;
                self.output.push_back(c);
            }
            b'\t' => {
                let n = 8 - self.column % 8;
                self.column += n;
                if t.oflag & TABDLY == TABDLY {
                    self.output.extend(core::iter::repeat_n(b' ', n));
                } else {
                    self.output.push_back(c);
                }
            }
            8 => {
                self.column = self.column.saturating_sub(1);
                self.output.push_back(c);
            }
            _ => {
                let continues = t.i(IUTF8) && c & 0xc0 == 0x80;
                if c >= 32 && c != 127 && !continues {
                    self.column += 1;
                }
                self.output.push_back(if t.o(OLCUC) && is_lower(c) { c - 0x20 } else { c });
            }
        }
    }
}

impl Line {
    pub(super) fn is_canonical(&self) -> bool {
        self.termios.l(ICANON)
    }

    /// `VMIN` and `VTIME`, for canonical input one byte without a timeout.
    pub(super) fn raw_minimum(&self) -> (usize, u8) {
        if self.is_canonical() {
            (1, 0)
        } else {
            (self.termios.char(VMIN).into(), self.termios.char(VTIME))
        }
    }

    /// Whether more may be typed: a line that is too long still takes bytes, to find its end.
    pub(super) fn accepts(&self) -> bool {
        let used = self.ready.len() + self.edit.len();
        used < INPUT_MAX - 1 || self.is_canonical() && self.lines == 0
    }
}
