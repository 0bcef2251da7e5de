//! The terminal that the sandbox was started at, for who gives its guests one of their own.

use super::HostStream;
use super::stream::CODES;
use rustix::termios::{OptionalActions, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};
use vfs::tty::{Termios, WinSize};

impl HostStream {
    /// Whether it is a terminal in whose foreground the sandbox is.
    pub fn is_foreground_terminal(&self) -> bool {
        self.terminal && tcgetpgrp(&self.fd).is_ok_and(|g| g == rustix::process::getpgrp())
    }

    /// Settings of the terminal.
    pub fn settings(&self) -> Option<Termios> {
        let t = tcgetattr(&self.fd).ok()?;
        let mut cc = [0; 19];
        for (to, code) in cc.iter_mut().zip(CODES) {
            *to = t.special_codes[code];
        }
        Some(Termios {
            iflag: t.input_modes.bits(),
            oflag: t.output_modes.bits(),
            cflag: t.control_modes.bits(),
            lflag: t.local_modes.bits(),
            cc,
            ..Termios::default()
        })
    }

    /// Size of the terminal's window.
    pub fn window_size(&self) -> Option<WinSize> {
        let w = tcgetwinsize(&self.fd).ok()?;
        Some(WinSize { rows: w.ws_row, cols: w.ws_col, xpixel: w.ws_xpixel, ypixel: w.ws_ypixel })
    }

    /// Has the terminal pass every byte as it is.
    pub fn make_raw(&self) {
        if let Ok(mut t) = tcgetattr(&self.fd) {
            t.make_raw();
            // A terminal that is gone cannot be set, and nobody looks at it.
            let _ = tcsetattr(&self.fd, OptionalActions::Drain, &t);
        }
    }

    /// Gives the terminal its settings back; so does dropping.
    pub fn restore(&self) {
        if let Some(t) = &self.saved {
            let _ = tcsetattr(&self.fd, OptionalActions::Drain, t);
        }
    }

    /// Waits until something can be written, at most a second.
    pub fn wait_writable(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.fd, PollFlags::OUT)], Some(&second)).is_ok_and(|n| n > 0)
    }
}
