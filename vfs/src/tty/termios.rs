//! Terminal settings; termios(3), with the kernel's numbers (`asm-generic/termbits.h`).

use zerocopy::{FromBytes, Immutable, IntoBytes};

macro_rules! flags {
    ($($(#[$m:meta])* $name:ident = $v:expr;)*) => { $(pub(super) const $name: u32 = $v;)* };
}

flags! {
    PARMRK = 0o10; ISTRIP = 0o40; INLCR = 0o100; IGNCR = 0o200; ICRNL = 0o400; IXON = 0o2000; IXANY = 0o4000;
    IUCLC = 0o1000; IMAXBEL = 0o20000; IUTF8 = 0o40000;
    OPOST = 1; OLCUC = 2; ONLCR = 4; OCRNL = 0o10; ONOCR = 0o20; ONLRET = 0o40; TABDLY = 0o14000;
    ISIG = 1; ICANON = 2; ECHO = 0o10; ECHOE = 0o20; ECHOK = 0o40; ECHONL = 0o100;
    NOFLSH = 0o200; ECHOCTL = 0o1000; ECHOKE = 0o4000; IEXTEN = 0o100000; EXTPROC = 0o200000;
}

/// `TOSTOP` in the local modes.
pub(super) const TOSTOP: u32 = 0o400;

macro_rules! chars {
    ($($name:ident = $v:expr;)*) => { $(pub(super) const $name: usize = $v;)* };
}

chars! {
    VINTR = 0; VQUIT = 1; VERASE = 2; VKILL = 3; VEOF = 4; VTIME = 5; VMIN = 6; VSTART = 8;
    VSTOP = 9; VSUSP = 10; VEOL = 11; VREPRINT = 12; VWERASE = 14; VLNEXT = 15; VEOL2 = 16;
}

/// `struct termios2`; the first 36 bytes are `struct termios`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Termios {
    /// Input modes.
    pub iflag: u32,
    /// Output modes.
    pub oflag: u32,
    /// Control modes.
    pub cflag: u32,
    /// Local modes.
    pub lflag: u32,
    /// Line discipline.
    pub line: u8,
    /// Special characters; 0 is "none".
    pub cc: [u8; 19],
    /// Input speed.
    pub ispeed: u32,
    /// Output speed.
    pub ospeed: u32,
}
static_assertions::assert_eq_size!(Termios, [u8; 44]);

/// `struct termio` of System V (asm-generic/termios.h): the low halves of the modes, and the first
/// special characters.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Termio {
    iflag: u16,
    oflag: u16,
    cflag: u16,
    lflag: u16,
    line: u8,
    cc: [u8; 8],
    pad: u8,
}
static_assertions::assert_eq_size!(Termio, [u8; 18]);

impl From<&Termios> for Termio {
    fn from(t: &Termios) -> Termio {
        let mut cc = [0; 8];
        cc.iter_mut().zip(&t.cc).for_each(|(to, from)| *to = *from);
        Termio {
            iflag: t.iflag as u16,
            oflag: t.oflag as u16,
            cflag: t.cflag as u16,
            lflag: t.lflag as u16,
            line: t.line,
            cc,
            pad: 0,
        }
    }
}

impl Termio {
    /// What the terminal is set to that was set to `old`.
    pub(super) fn over(&self, old: Termios) -> Termios {
        let low = |old: u32, new: u16| old & !0xffff | u32::from(new);
        let mut new = Termios {
            iflag: low(old.iflag, self.iflag),
            oflag: low(old.oflag, self.oflag),
            cflag: low(old.cflag, self.cflag),
            lflag: low(old.lflag, self.lflag),
            line: self.line,
            ..old
        };
        new.cc.iter_mut().zip(&self.cc).for_each(|(to, from)| *to = *from);
        new
    }
}

/// Bytes of `struct termios`.
pub(super) const OLD_SIZE: usize = 36;

impl Default for Termios {
    /// `tty_std_termios`.
    fn default() -> Termios {
        Termios {
            iflag: ICRNL | IXON,
            oflag: OPOST | ONLCR,
            cflag: 0o17 | 0o60 | 0o200,
            lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
            line: 0,
            cc: [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
            ispeed: 38400,
            ospeed: 38400,
        }
    }
}

impl Termios {
    /// Whether an input mode is set; [`Termios::o`] and [`Termios::l`] likewise.
    pub(super) fn i(&self, flag: u32) -> bool {
        self.iflag & flag != 0
    }

    pub(super) fn o(&self, flag: u32) -> bool {
        self.oflag & flag != 0
    }

    pub(super) fn l(&self, flag: u32) -> bool {
        self.lflag & flag != 0
    }

    /// The special character at `index`; 0 when there is none.
    pub(super) fn char(&self, index: usize) -> u8 {
        self.cc.get(index).copied().unwrap_or(0)
    }

    /// Whether ^S and ^Q hold and release output, by these characters.
    pub(super) fn has_usual_flow_control(&self) -> bool {
        self.i(IXON) && self.char(VSTOP) == 0x13 && self.char(VSTART) == 0x11
    }

    /// With the size of characters that a pseudo-terminal has, whatever was asked for.
    pub(super) fn of_pty(mut self) -> Termios {
        const CSIZE: u32 = 0o60;
        const PARENB: u32 = 0o400;
        const CREAD: u32 = 0o200;
        self.cflag = self.cflag & !PARENB | CSIZE | CREAD;
        self
    }

    /// Whether `c` is the special character at `index`.
    pub(super) fn is(&self, index: usize, c: u8) -> bool {
        c != 0 && self.char(index) == c
    }
}

/// `struct winsize`; ioctl_tty(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct WinSize {
    /// Rows of characters.
    pub rows: u16,
    /// Columns of characters.
    pub cols: u16,
    /// Width in pixels.
    pub xpixel: u16,
    /// Height in pixels.
    pub ypixel: u16,
}
static_assertions::assert_eq_size!(WinSize, [u8; 8]);
