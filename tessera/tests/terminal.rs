//! Somebody sits at the terminal: what is typed does inside what it does outside.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::process::Command;
use support::{finish, tessera};

/// Starts a shell at a pseudo-terminal, types, and prints what it waited for, and in the end the
/// shell's status and whether the terminal is as it was.
const TYPIST: &str = r#"
import fcntl, os, pty, select, signal, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    # Whoever runs the tests may ignore them, as a shell does for what it starts in the background.
    for s in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP): signal.signal(s, signal.SIG_DFL)
    os.environ.update(PS1='$ ', TERM='dumb', PATH='/usr/bin:/bin', HOME='/')
    os.execv(sys.argv[1], sys.argv[1:])
before = termios.tcgetattr(fd)
def size(rows, cols):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))
out = b''
def wait(marker):
    global out
    end = time.time() + 15
    while marker not in out and time.time() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try: out += os.read(fd, 4096)
            except OSError: break
    print(marker if marker in out else (marker, 'not in', out))
    out = out.partition(marker)[2]
def say(text, *markers):
    # Control characters are for what the line before them started.
    time.sleep(1 if len(text) == 1 else 0)
    os.write(fd, text)
    for m in markers: wait(m)
size(30, 100)
wait(b'$ ')
say(b'stty size; tty\n', b'30 100', b'/dev/pts/', b'$ ')
say(b'echo sl""eeping; sleep 100\n', b'\nsleeping\r\n')
say(b'\x03', b'^C', b'$ ')
say(b'echo st=$?\n', b'st=130\r\n', b'$ ')
say(b'echo sl""eeping; sleep 100\n', b'\nsleeping\r\n')
say(b'\x1a', b'Stopped', b'$ ')
say(b'kill %1; fg\n', b'$ ')
say(b'cat\n', b'cat\r\n')
say(b'hello\n', b'hello\r\nhello\r\n')
say(b'\x04', b'$ ')
say(b'stty -echo; read x; stty echo; echo got:$x\n', b'echo got:$x\r\n')
time.sleep(0.5)
say(b'secret\n', b'got:secret\r\n', b'$ ')
size(40, 120)
time.sleep(0.5)
say(b'stty size\n', b'40 120\r\n', b'$ ')
say(b'exit 7\n', b'exit')
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(termios.tcgetattr(fd) == before)
"#;

fn typed(argv: &[&str]) -> support::Ran {
    finish(Command::new("/usr/bin/python3").args(["-c", TYPIST]).args(argv), b"")
}

#[test]
fn a_shell_at_a_terminal() {
    let native = typed(&["/bin/bash", "--norc", "--noediting"]);
    let tessera = env!("CARGO_BIN_EXE_tessera");
    let inside = typed(&[tessera, "run", "--", "/bin/bash", "--norc", "--noediting"]);
    assert_eq!(inside, native, "inside (left) differs from native (right)");
    assert!(native.stdout.ends_with("7\nTrue\n") && !native.stdout.contains("not in"));
}

/// A session leader takes the terminal of another session, which is left without.
const THIEF: &str = r#"
import errno, fcntl, os, pty, termios
master, other = os.openpty()
slave = os.open(os.ttyname(other), os.O_RDWR)
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
print(os.tcgetpgrp(slave) == os.getpgrp(), flush=True)
def take(steal):
    try: return fcntl.ioctl(slave, termios.TIOCSCTTY, steal)
    except OSError as e: return errno.errorcode[e.errno]
pid = os.fork()
if pid == 0:
    os.setsid()
    print(take(0), take(1), os.tcgetpgrp(slave) == os.getpid(), flush=True)
    os.setuid(1000)
    if os.fork() == 0:
        os.setsid()
        print(take(1), flush=True)
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
try: os.tcgetpgrp(slave)
except OSError as e: print(errno.errorcode[e.errno])
"#;

#[test]
fn a_terminal_can_be_taken_away_by_who_may() {
    let ran = finish(tessera().args(["run", "/usr/bin/python3", "-c", THIEF]), b"");
    assert_eq!(ran.stdout, "True\nEPERM 0 True\nEPERM\nENOTTY\n", "{ran:?}");
}
