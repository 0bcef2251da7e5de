//! Real programs, unmodified, from the distribution: output and status equal the host's.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use support::{Linkage, finish, guest, same, tessera};

/// The same program of our own, linked in both ways.
#[test]
fn hello() {
    for linkage in [Linkage::Dynamic, Linkage::Static] {
        let hello = guest("hello", linkage);
        same(&[hello.to_str().expect("UTF-8"), "a", "b c"]);
    }
}

/// The C library's own getppid is rewritten where it is called often, in a fork's child too, and
/// nowhere else.
#[test]
fn hot_calls_are_rewritten() {
    let python = "import ctypes, os
f = ctypes.CDLL(None).getppid
def jumps():
    return b'\\xff\\x24\\x25' in ctypes.string_at(ctypes.cast(f, ctypes.c_void_p).value, 16)
print(jumps())
for _ in range(1000): f()
print(jumps(), f() == os.getppid())
print(os.waitpid(os.fork() or os._exit(0 if jumps() and f() != 0 else 1), 0)[1])";
    let ran = finish(tessera().args(["run", "--", "/usr/bin/python3", "-c", python]), b"");
    assert_eq!(ran.stdout, "False\nTrue True\n0\n", "{ran:?}");
}

/// So they are in a process of several threads, and read(2), which has no room of its own for the
/// jump.
#[test]
fn hot_calls_of_threads_are_rewritten() {
    let python = "import ctypes, os, threading
libc = ctypes.CDLL(None)
def text(f): return ctypes.string_at(ctypes.cast(f, ctypes.c_void_p).value, 96)
def calls():
    zero = os.open('/dev/zero', os.O_RDONLY)
    buffer = ctypes.create_string_buffer(8)
    wrong = sum(libc.read(zero, buffer, 8) != 8 or libc.getppid() != os.getppid() for _ in range(1000))
    print(wrong, b'\\xff\\x24\\x25' in text(libc.getppid), b'\\x31\\xc0\\xeb' in text(libc.read))
threads = [threading.Thread(target=calls) for _ in range(3)]
for t in threads: t.start(); t.join()
threads = [threading.Thread(target=calls) for _ in range(3)]
for t in threads: t.start()
for t in threads: t.join()";
    let ran = finish(tessera().args(["run", "--", "/usr/bin/python3", "-c", python]), b"");
    assert_eq!(ran.stdout, "0 True True\n".repeat(6), "{ran:?}");
}

/// Keyrings that reach each other on very many ways, within what a user may have of them, are looked
/// through once each: the ways would be 24 to the sixth.
#[test]
fn keyrings_on_many_ways() {
    let python = "import ctypes
call = ctypes.CDLL(None).syscall
add = lambda name: call(248, b'keyring', name.encode(), None, 0, -2)
link = lambda key, ring: call(250, 8, key, ring)
top = add('t')
layers = [[add(f'{chr(97 + i)}{j}') for j in range(24)] for i in range(8)]
print(all(link(b, a) == 0 for up, down in zip(layers, layers[1:]) for a in up for b in down))
print(all(link(a, top) == 0 for a in layers[3]), [link(a, top) for a in layers[0]].count(-1))";
    let ran = finish(tessera().args(["run", "--", "/usr/bin/python3", "-c", python]), b"");
    assert_eq!(ran.stdout, "True\nTrue 24\n", "{ran:?}");
}

/// Core files have the names that the pattern says, in the sandbox and nowhere else; nobody is handed
/// dumps there. Who may not set the pattern finds the default.
#[test]
fn core_files_have_names_by_pattern() {
    let script = "ulimit -c unlimited 2> /dev/null || { echo core; echo 0; exit; }
mkdir /tmp/tessera-cores; cd /tmp/tessera-cores; p=/proc/sys/kernel/core_pattern
(echo '|/bin/cat' > $p) 2> /dev/null || cat $p
(echo 'core.%e.%s' > $p) 2> /dev/null; sh -c 'kill -SEGV $$'; test -s core.sh.11 || test -s core
echo $?";
    let ran = finish(tessera().args(["run", "--", "/bin/sh", "-c", script]), b"");
    assert_eq!(ran.stdout, "core\n0\n", "{ran:?}");
    assert!(!std::path::Path::new("/tmp/tessera-cores").exists(), "nothing is left on the host");
}

/// gdb finds both threads in a core file, and what the process died of.
#[test]
fn gdb_reads_core_files() {
    let script = "ulimit -c unlimited 2> /dev/null || { echo 3; exit; }
cd /tmp; /usr/bin/python3 -c 'import os, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
os.abort()' 2> /dev/null
command -v gdb > /dev/null || { echo 3; exit; }
gdb -batch -ex 'info threads' /usr/bin/python3 core 2> /dev/null |
grep -c -e '^[* ] *[12] .*LWP' -e 'signal SIGABRT'";
    let ran = finish(tessera().args(["run", "--", "/bin/sh", "-c", script]), b"");
    assert_eq!(ran.stdout, "3\n", "{ran:?}");
}

/// What may be reserved is counted, and how much of that there may be is set as in Linux; so are the
/// mappings of one address space.
#[test]
fn memory_is_committed_by_the_rules_that_are_set() {
    let python = "import mmap, os
def put(name, value):
    fd = os.open('/proc/sys/vm/' + name, os.O_WRONLY)
    try: os.write(fd, str(value).encode())
    except OSError as e: print(name, e.strerror)
    os.close(fd)
def info(name): return next(int(l.split()[1]) for l in open('/proc/meminfo') if l.startswith(name + ':'))
def map(kb):
    try: mmap.mmap(-1, kb * 1024, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError: return 'full'
    return 'fits'
total = info('MemTotal')
print(map(total // 2), map(total), map(total + 4))
put('overcommit_memory', 2)
left = info('CommitLimit') - info('Committed_AS')
print(map(left // 2), map(left + 1024), abs(info('CommitLimit') - total // 2) < 16)
before = info('Committed_AS')
held = [mmap.mmap(-1, 64 << 20, flags=f | mmap.MAP_ANONYMOUS) for f in (mmap.MAP_SHARED, mmap.MAP_PRIVATE)]
print(info('Committed_AS') - before >= 128 << 10)
put('overcommit_kbytes', 1024)
print(info('CommitLimit'), open('/proc/sys/vm/overcommit_ratio').read().strip(), map(4))
put('overcommit_ratio', 50)
put('overcommit_memory', 1)
print(map(total * 2))
put('overcommit_memory', 0)
put('overcommit_memory', 3)
put('max_map_count', -1)
maps = lambda: sum('[vsyscall]' not in l for l in open('/proc/self/maps'))
most = maps() + 50
put('max_map_count', most)
made = []
try:
    while True: made.append(mmap.mmap(-1, 4096))
except OSError as e: print(e.strerror, most - 5 <= maps() <= most + 1)";
    let ran = finish(tessera().args(["run", "--", "/usr/bin/python3", "-c", python]), b"");
    let wanted = "fits fits full\nfits full True\nTrue\n1024 0 full\nfits\n\
        overcommit_memory Invalid argument\nmax_map_count Invalid argument\n\
        Cannot allocate memory True\n";
    if !ran.stderr.contains("PermissionError") {
        assert_eq!(ran.stdout, wanted, "{ran:?}");
    }
}

/// Limits of `/proc/sys` that programs set hold from then on.
#[test]
fn limits_that_are_set_hold() {
    let python = "import ctypes, fcntl, os, resource
libc = ctypes.CDLL(None, use_errno=True)
def put(name, value):
    fd = os.open('/proc/sys/' + name, os.O_WRONLY)
    try: os.write(fd, str(value).encode())
    except OSError as e: return e.strerror
    finally: os.close(fd)
    return open('/proc/sys/' + name).read().strip()
def call(*a): return 'made' if libc.syscall(*a) >= 0 else os.strerror(ctypes.get_errno())
def child(f):
    pid = os.fork()
    if pid == 0:
        try: f()
        finally: os._exit(0)
    os.waitpid(pid, 0)
def user(f):
    def g():
        os.setgroups([]); os.setgid(1000); os.setuid(1000); f()
    return g
print(put('kernel/pid_max', 300), put('kernel/pid_max', 4194305), put('kernel/pid_max', 301))
pids = []
for i in range(310):
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0); pids.append(pid)
print(max(pids), put('kernel/pid_max', 32768))
print(put('fs/nr_open', 1), put('fs/nr_open', 2048), end=' ')
try: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))
except (ValueError, OSError) as e: print(e)
resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048)); os.dup2(0, 2047)
print(put('fs/nr_open', 1024), call(272, 0x400), call(57)); os.close(2047); print(call(272, 0x400))
print(put('kernel/keys/maxkeys', -1), put('kernel/keys/maxkeys', 5))
child(user(lambda: print([call(248, b'user', b'%d' % i, b'x', 1, -2) for i in range(6)][-1])))
print(put('fs/mqueue/msg_max', 0), put('fs/mqueue/msg_max', 5), put('fs/mqueue/queues_max', 1))
def queues():
    print(call(240, b'one', 0o102, 0o600, None), call(240, b'two', 0o102, 0o600, None))
    a = (ctypes.c_long * 8)(0, 6, 10); libc.mq_unlink(b'/one'); print(call(240, b'one', 0o102, 0o600, a))
child(user(queues))
def slice():
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)); print(round(os.sched_rr_get_interval(0), 3))
print(put('kernel/sched_rr_timeslice_ms', 30)); child(slice)
print(put('kernel/sched_rt_runtime_us', 1000001), put('kernel/sched_rt_period_us', 0))
print(put('fs/pipe-user-pages-soft', 20), put('fs/pipe-user-pages-hard', 22))
def pipes():
    p = [os.pipe() for i in range(3)]; print([fcntl.fcntl(a, 1032) for a, b in p])
    try: fcntl.fcntl(p[0][0], 1031, 1 << 20)
    except OSError as e: print(e.strerror)
    try: print([os.pipe() for i in range(2)])
    except OSError as e: print(e.strerror)
child(user(pipes))
print(put('fs/aio-max-nr', 8), call(206, 9, ctypes.byref(ctypes.c_ulong())))";
    let wanted = "Invalid argument Invalid argument 301\n300 32768\n\
        Invalid argument 2048 not allowed to raise maximum limit\n\
        1024 Too many open files Too many open files\nmade\n\
        Invalid argument 5\nDisk quota exceeded\n\
        Invalid argument 5 1\nmade No space left on device\nInvalid argument\n\
        30\n0.03\nInvalid argument Invalid argument\n\
        20 22\n[65536, 8192, 8192]\nOperation not permitted\nToo many open files in system\n\
        8 Resource temporarily unavailable\n";
    let ran = finish(tessera().args(["run", "--", "/usr/bin/python3", "-uc", python]), b"");
    if !ran.stderr.contains("PermissionError") {
        assert_eq!(ran.stdout, wanted, "{ran:?}");
    }
}

/// Nobody has logged in. Who says so to its process begins a login session, which children are in.
#[test]
fn a_login_session_is_inherited() {
    let script = "cd /proc/self; cat loginuid sessionid; cd /; echo 7 > /proc/self/loginuid
for f in loginuid sessionid; do echo; cat /proc/self/$f; done";
    let ran = finish(tessera().args(["run", "--", "/bin/sh", "-c", script]), b"");
    assert_eq!(ran.stdout, "42949672954294967295\n7\n1", "{ran:?}");
}

/// The program is not in the place of init(1): that is one of the kernel's own, which reaps orphans,
/// hears no signal and cannot be traced.
#[test]
fn the_program_is_not_init() {
    let python = "import ctypes, os, signal, time
print(os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0))
ready, go = os.pipe(), os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.read(go[0], 1)
        os.write(ready[1], b'%d' % os.getppid())
        os._exit(0)
    os._exit(0)
os.wait()
os.write(go[1], b'x')
print('adopted by', os.read(ready[0], 9).decode())
while [p for p in os.listdir('/proc') if p.isdigit()] != ['1', '2']: time.sleep(0.01)
for signo in signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM: os.kill(1, signo)
print(open('/proc/1/stat').read().split()[1:3], repr(open('/proc/1/cmdline').read()))
libc = ctypes.CDLL(None, use_errno=True)
for request in 0, 16: print(libc.ptrace(request, 1, 0, 0), os.strerror(ctypes.get_errno()))";
    let ran = finish(tessera().args(["run", "--", "/usr/bin/python3", "-c", python]), b"");
    let wanted = "2 1 2 2\nadopted by 1\n['(init)', 'S'] ''\n\
        -1 Operation not permitted\n-1 Operation not permitted\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), wanted), "{ran:?}");
}

/// The first process leads a session, and takes no terminal all the same when it opens one: it is
/// not hung up on when that goes.
#[test]
fn the_first_process_takes_no_terminal() {
    let python = "import ctypes, fcntl, os, struct
master = os.open('/dev/ptmx', os.O_RDWR)
ctypes.CDLL(None).unlockpt(master)
number = struct.unpack('i', fcntl.ioctl(master, 0x80045430, bytes(4)))[0]
slave = os.open(f'/dev/pts/{number}', os.O_RDWR)
try: os.open('/dev/tty', os.O_RDWR)
except OSError as e: print(e.strerror)
os.close(slave); os.close(master)
print('there')";
    let ran = finish(tessera().args(["run", "--", "/usr/bin/python3", "-c", python]), b"");
    assert_eq!(ran.stdout, "No such device or address\nthere\n", "{ran:?}");
}

same_as_native! {
    true_: ["/bin/true"];
    false_: ["/bin/false"];
    echo: ["/bin/echo", "a", "b c"];
    cat: ["/bin/cat"] < b"one\ntwo\n";
    cat_file: ["/bin/cat", "/etc/passwd"];
    head: ["/usr/bin/head", "-n", "3", "/etc/passwd"];
    wc: ["/usr/bin/wc", "/etc/passwd"];
    sort: ["/usr/bin/sort"] < b"b\na\nc\n";
    uniq: ["/usr/bin/uniq", "-c"] < b"a\na\nb\n";
    ls_root: ["/bin/ls", "-l", "/usr"];
    ls_recursive: ["/bin/ls", "-lR", "/etc/apt"];
    find: ["/usr/bin/find", "/usr/share/doc/bash"];
    sha256sum: ["/usr/bin/sha256sum", "/bin/bash"];
    date: ["/bin/date", "-u", "-d", "@86400"];
    env: ["/usr/bin/env"];
    id: ["/usr/bin/id", "-u"];
    uname: ["/bin/uname", "-sm"];
    seq: ["/usr/bin/seq", "1", "2000"];
    sed: ["/bin/sed", "s/o/0/g"] < b"foo\nboo\n";
    grep: ["/bin/grep", "-n", "root", "/etc/passwd"];
    awk: ["/usr/bin/awk", "-F:", "{ n += $3 } END { print n }", "/etc/passwd"];
    busybox: ["/bin/busybox", "sh", "-c", "echo a; busybox echo b | busybox cat; exit 4"];
    bash: ["/bin/bash", "-c", "echo a; /bin/echo b; (exit 3); echo $?"];
    bash_pipeline: ["/bin/bash", "-c", "seq 100 | grep 7 | sort -r | head -n 3; echo ${PIPESTATUS[@]}"];
    bash_loop: ["/bin/bash", "-c", "for i in 1 2 3; do /bin/echo $i; done | wc -l"];
    bash_substitution: ["/bin/bash", "-c", "x=$(/bin/echo hi; exit 5); echo $? $x"];
    bash_trap: ["/bin/bash", "-c", "trap 'echo caught' USR1; kill -USR1 $$; echo after"];
    bash_background: ["/bin/bash", "-c", "sleep 0.1 & wait $!; echo $?"];
    stopped_beside_others_that_end: ["/bin/bash", "-c", "exec 2>/dev/null; sleep 100 & kill -STOP $!; /bin/true; (exit 3); /bin/true; kill -KILL $!; wait $!; echo $?"];
    bash_heredoc: ["/bin/bash", "-c", "cat <<< hello; cat < <(echo from process)"];
    bash_files: ["/bin/bash", "-c", "cd /tmp && mkdir d$$ && cd d$$ && echo x > f && cat f && mv f g && ls && rm g && cd .. && rmdir d$$"];
    killed: ["/bin/bash", "-c", "kill -TERM $$"];
    perl: ["/usr/bin/perl", "-e", "print join(',', map { $_ * $_ } 1..10), \"\\n\"; exit 7"];
    python_sum: ["/usr/bin/python3", "-c", "print(sum(range(10**6)))"];
    python_threads: ["/usr/bin/python3", "-c", "
import threading
out = []
def work(n):
    out.append(sum(range(n)))
ts = [threading.Thread(target=work, args=(1000 * i,)) for i in range(20)]
for t in ts: t.start()
for t in ts: t.join()
print(sorted(out))"];
    python_subprocess: ["/usr/bin/python3", "-c", "
import subprocess
print(subprocess.run(['/bin/echo', 'child'], capture_output=True).stdout)"];
    python_json: ["/usr/bin/python3", "-c", "import json; print(json.dumps({'a': [1, 2.5, None]}))"];
    memory_devices: ["/usr/bin/python3", "-c", "
import mmap, os
for name in ['null', 'zero', 'full', 'urandom']:
    fd = os.open('/dev/' + name, os.O_RDWR)
    print(name, os.lseek(fd, 5, 0), os.lseek(fd, -5, 1), os.lseek(fd, 0, 2))
    try:
        m = mmap.mmap(fd, 8192)
        if os.fork() == 0:
            m[1] = 7
            os._exit(0)
        os.wait()
        print(m[:2])
        print(mmap.mmap(fd, 8192, flags=mmap.MAP_PRIVATE)[:2])
    except OSError as e:
        print(e.errno)"];
    timers_that_nobody_hears: ["/usr/bin/python3", "-c", "
import ctypes, os, signal, time
libc = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
signal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)
each = (ctypes.c_long * 4)(0, 1, 0, 1)
for notify, signo in [(0, signal.SIGUSR1), (0, signal.SIGUSR2), (1, 0)]:
    event = (ctypes.c_int * 16)(0, 0, signo, notify)
    timer = ctypes.c_void_p()
    print(libc.timer_create(1, event, ctypes.byref(timer)), libc.timer_settime(timer, 0, each, None))
for _ in range(20):
    fd = libc.timerfd_create(1, 0)
    print(libc.timerfd_settime(fd, 0, each, None))
time.sleep(0.05)
print(len(os.read(fd, 8)), sorted(signal.sigpending()))"];
    process_directory_as_pidfd: ["/usr/bin/python3", "-c", "
import os, signal
signal.signal(signal.SIGUSR1, lambda *a: print('caught'))
fd = os.open('/proc/self', os.O_DIRECTORY)
signal.pidfd_send_signal(fd, signal.SIGUSR1)
child = os.fork()
if child == 0:
    signal.pause()
fd = os.open(f'/proc/{child}', os.O_DIRECTORY)
signal.pidfd_send_signal(fd, signal.SIGTERM)
print(os.waitpid(child, 0)[1])
try: signal.pidfd_send_signal(fd, signal.SIGTERM)
except OSError as e: print(e.errno)"];
    inotify: ["/usr/bin/python3", "-c", "
import ctypes, os, struct, errno, fcntl, array, shutil, tempfile
libc = ctypes.CDLL(None, use_errno=True)
def sys(f, *a):
    r = f(*a)
    return r if r >= 0 else -ctypes.get_errno()
d = tempfile.mkdtemp(); os.chdir(d)
fd = sys(libc.inotify_init1, os.O_NONBLOCK | os.O_CLOEXEC)
add = lambda p, m=0xfff: sys(libc.inotify_add_watch, fd, p.encode(), ctypes.c_uint32(m))
def show(what):
    n = array.array('i', [0]); fcntl.ioctl(fd, 0x541b, n)
    try: data = os.read(fd, 65536)
    except BlockingIOError: data = b''
    assert n[0] == len(data), (n[0], len(data))
    cookies, out, at = {}, [], 0
    while at < len(data):
        wd, mask, cookie, size = struct.unpack_from('iIII', data, at)
        name = data[at + 16:at + 16 + size]
        out.append((wd, hex(mask), cookies.setdefault(cookie, len(cookies)) if cookie else None, size, name.rstrip(b'\\0').decode()))
        at += 16 + size
    print(what, *out, sep='\\n  ')
os.mkdir('d'); open('f', 'w').close(); os.mkdir('other')
print(add('.'), add('f'), add('d'), add('.'), add('none'), add('f', 0), add('f', 0x01000000 | 2), add('f', 0x10000000 | 2), add('f', 0x30000000 | 2), add('f', 0xfff))
print(add('f', 0x00800002), add('f', 0xfff))
with open('f', 'r+') as f:
    show('open'); f.read(); show('read nothing'); f.write('abc'); f.flush(); show('write'); f.seek(0); f.read(); show('read'); f.truncate(1); show('ftruncate')
show('close')
open('f', 'w').close(); show('truncating open')
open('new', 'w').close(); show('create'); os.truncate('new', 5); show('truncate')
os.chmod('f', 0o600); show('chmod'); os.utime('f', (1, 1)); show('utime'); os.chown('f', -1, -1); show('chown')
os.link('f', 'hard'); show('link'); os.symlink('f', 'soft'); show('symlink'); os.mkdir('sub'); show('mkdir'); os.mkfifo('fifo'); show('mkfifo')
os.rename('new', 'newer'); show('rename'); os.rename('newer', 'd/in'); show('rename into'); os.rename('d/in', 'other/out'); show('rename out'); os.rename('sub', 'sub2'); show('rename dir'); os.rename('d', 'e'); show('rename watched dir')
os.listdir('e'); show('list'); os.listdir('.'); show('list self')
os.unlink('hard'); show('unlink link'); f = open('f'); os.unlink('f'); show('unlink open file'); f.read(); f.close(); show('its last close')
os.rmdir('e'); show('rmdir watched'); os.rmdir('sub2'); show('rmdir')
open('a', 'w').close(); open('b', 'w').close(); show('two'); print(add('b')); os.rename('a', 'b'); show('replace'); print(add('b', 0x80000000 | 2)); open('b', 'w').close(); open('b', 'a').write('x'); show('oneshot')
for _ in range(3): os.chmod('b', 0o644)
show('merged'); print(add('b', 4), add('b', 0x20000000 | 8), add('b', 0x10000000 | 8)); os.chmod('b', 0o600); open('b', 'a').close(); show('added mask')
print(add('.', 0x04000000 | 0xfff)); f = open('b'); os.unlink('b'); show('unlinked, excluded'); f.read(1); f.close(); show('reads of it')
print(sys(libc.inotify_rm_watch, fd, 1), sys(libc.inotify_rm_watch, fd, 1), sys(libc.inotify_rm_watch, 0, 1), sys(libc.inotify_rm_watch, 99, 1)); show('removed')
print(sys(libc.inotify_init1, 5), sys(libc.inotify_add_watch, 0, b'.', 2), sys(libc.inotify_add_watch, 99, b'.', 2))
add('.', 0x100); [open(f'x{i}', 'w').close() for i in range(2)]
try: os.read(fd, 10)
except OSError as e: print(e.errno)
print(len(os.read(fd, 40)), len(os.read(fd, 4000)))
print(os.fstat(fd).st_mode, os.readlink(f'/proc/self/fd/{fd}'))
add('.', 0x300)
for i in range(9000): os.mkdir(f'y'); os.rmdir('y')
n, last = 0, None
while True:
    try: data = os.read(fd, 320)
    except BlockingIOError: break
    n += len(data) // 32; last = data[-16:] if len(data) % 32 else last
print(n, last and struct.unpack('iIII', last))
os.close(fd); shutil.rmtree(d)
"];
    interfaces: ["/usr/bin/python3", "-c", "
import socket
name = dict(socket.if_nameindex())[1]
print(name, socket.if_nametoindex(name))
s = socket.socket(16, socket.SOCK_RAW, 0)
s.bind((0, 0))
def ask(kind, flags, body):
    s.send((16 + len(body)).to_bytes(4, 'little') + kind.to_bytes(2, 'little') + flags.to_bytes(2, 'little') + bytes(8) + body)
    data = s.recv(65536)
    return int.from_bytes(data[4:6], 'little'), data[16:20] if data[4] == 2 else data[20:24] if data[4] == 16 else b''
print(ask(18, 1, bytes(4) + (1).to_bytes(4, 'little') + bytes(8)))
print(ask(18, 1, bytes(4) + (99).to_bytes(4, 'little') + bytes(8)), ask(18, 1, bytes(16)), ask(119, 1, bytes(16)))
for domain, kind, protocol in [(16, 1, 0), (16, 5, 0), (16, 3, 99)]:
    try: socket.socket(domain, kind, protocol)
    except OSError as e: print(e.errno)
try: s.listen()
except OSError as e: print(e.errno)"];
    sockets_in_proc: ["/usr/bin/python3", "-c", "
import os, socket
def listed(name, port):
    rows = [l.split() for l in open('/proc/net/' + name).read().splitlines()[1:]]
    return [r[1:4] + r[9:10] for r in rows if r[1].endswith(':%04X' % port) or r[2].endswith(':%04X' % port)]
def show(name, port, *sockets):
    inodes = {str(os.fstat(s.fileno()).st_ino): i for i, s in enumerate(sockets)}
    ports = {p: f'port{i}' for i, p in enumerate(dict.fromkeys(['%04X' % port] + ['%04X' % s.getsockname()[1] for s in sockets]))}
    for own, peer, state, inode in sorted(listed(name, port), key=lambda r: inodes.get(r[3], 99)):
        at = lambda a: a[:-4] + ports.get(a[-4:], a[-4:])
        print(name, at(own), at(peer), state, inodes.get(inode))
for name, family, host in [('tcp', socket.AF_INET, '127.0.0.1'), ('tcp6', socket.AF_INET6, '::1')]:
    l = socket.socket(family)
    l.bind((host, 0))
    port = l.getsockname()[1]
    show(name, port, l)
    l.listen()
    show(name, port, l)
    c = socket.create_connection((host, port))
    a = l.accept()[0]
    show(name, port, l, c, a)
for name, family, host in [('udp', socket.AF_INET, '127.0.0.1'), ('udp6', socket.AF_INET6, '::1')]:
    u = socket.socket(family, socket.SOCK_DGRAM)
    u.bind((host, 0))
    show(name, u.getsockname()[1], u)
    u.connect((host, 9))
    show(name, u.getsockname()[1], u)"];
    python_asyncio: ["/usr/bin/python3", "-c", "
import asyncio, os, signal
async def upper(r, w):
    w.write((await r.readline()).upper())
    w.close()
async def main():
    s = await asyncio.start_server(upper, '127.0.0.1', 0)
    async def ask(i):
        r, w = await asyncio.open_connection(*s.sockets[0].getsockname())
        w.write(b'x%d\\n' % i)
        return await r.read()
    print(await asyncio.gather(*map(ask, range(8))))
    p = await asyncio.create_subprocess_exec('/bin/sh', '-c', 'echo out; echo err >&2; exit 3', stdout=-1, stderr=-1)
    print(await p.communicate(), p.returncode)
    heard = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await heard.wait()
asyncio.run(main())"];
    python_processes: ["/usr/bin/python3", "-c", "
import multiprocessing as mp
from multiprocessing import shared_memory
def square(x): return x * x
def count(lock, value, q):
    with lock: value.value += 1
    q.put(1)
with mp.Pool(3) as pool: print(pool.map(square, range(20)))
lock, value, q = mp.Lock(), mp.Value('i', 0), mp.Queue()
ps = [mp.Process(target=count, args=(lock, value, q)) for _ in range(4)]
for p in ps: p.start()
print(sum(q.get() for _ in ps))
for p in ps: p.join()
print(value.value, [p.exitcode for p in ps])
a = shared_memory.SharedMemory(create=True, size=100)
a.buf[0] = 7
b = shared_memory.SharedMemory(name=a.name)
print(b.buf[0])
b.close(); a.close(); a.unlink()"];
    python_sqlite: ["/usr/bin/python3", "-c", "
import os, sqlite3, tempfile
os.chdir(tempfile.mkdtemp())
c = sqlite3.connect('x.db')
print(c.execute('pragma journal_mode=wal').fetchall())
c.execute('create table t(a, b)')
c.executemany('insert into t values(?, ?)', [(i, str(i)) for i in range(2000)])
c.commit()
print(c.execute('select sum(a), max(b) from t').fetchall(), sorted(os.listdir()))
c.close()
print(os.listdir())"];
    perl_pipes: ["/usr/bin/perl", "-MSocket", "-MIO::Handle", "-e", "
pipe(R, W); if (!fork) { close R; print W \"x\\n\"; exit 3 } close W; print <R>; wait; print $? >> 8, \"\\n\";
$SIG{ALRM} = sub { print \"alarm\\n\" }; alarm 1; sleep 3;
socketpair(A, B, AF_UNIX, SOCK_STREAM, 0); A->autoflush(1); print A \"hi\\n\"; print scalar <B>;
open P, '-|', 'echo a; echo b'; print <P>; close P;"];
    gcc_and_run: ["/bin/bash", "-c", "cd $(mktemp -d) && gcc -O1 -x c - -o a -pthread && ./a"] < b"#include <pthread.h>\n#include <stdio.h>\n__thread int n = 3;\nvoid *f(void *p) { n = 5; return (void *)(long)n; }\nint main() { pthread_t t; void *r; pthread_create(&t, 0, f, 0); pthread_join(t, &r); printf(\"%ld %d\\n\", (long)r, n); return 4; }\n";
    git: ["/usr/bin/git", "-c", "init.defaultBranch=main", "-c", "alias.all=!cd $(mktemp -d) && git init -q r && cd r && seq 9 > f && git add f && git -c user.name=a -c user.email=a@b commit -qm one && git gc -q && git fsck && git status && git clone -q . ../c$$ && cat ../c$$/f", "all"];
    sqlite3: ["/usr/bin/sqlite3", ":memory:", "with recursive c(i) as (select 1 union all select i + 1 from c where i < 20000) select sum(i), max(hex(i)) from c;"];
    node: ["/usr/bin/node", "-e", "
const { Worker } = require('worker_threads');
const w = new Worker(\"require('worker_threads').parentPort.postMessage(42)\", { eval: true });
w.on('message', m => { console.log(m, require('child_process').execSync('echo hi').toString()); });"];
    ruby: ["/usr/bin/ruby", "-e", "r, w = IO.pipe; fork { w.puts 'c' }; Process.wait; p r.gets, Thread.new { 3 }.value, `echo hi`"];
    lua: ["/usr/bin/lua5.4", "-e", "local t = {} for i = 1, 1e5 do t[i] = i end print(#t, io.popen('echo hi'):read())"];
    php: ["/usr/bin/php", "-r", "echo array_sum(range(1, 100)), shell_exec('echo hi');"];
    strace: ["/usr/bin/strace", "-qq", "-e", "trace=write,openat,exit_group", "-e", "signal=none", "/bin/echo", "a"];
    strace_of_many: ["/bin/bash", "-c", "strace -f -qq -o /dev/stdout -e trace=execve,exit_group,kill -e quiet=attach \
        /bin/bash -c '/bin/true; (/bin/false); sleep 9 & kill $!; wait $!; echo $?' | sed -E 's/0x[0-9a-f]+/X/; s/[0-9]{2,}/N/g; s/^[0-9]+ +//' | sort"];
    gdb: ["/bin/bash", "-c", "
command -v gdb > /dev/null || exit 0
cd $(mktemp -d); cat > a.c <<'END'
#include <stdio.h>
#include <stdlib.h>
volatile int counter;
int inner(int n) { counter += n; if (n == 3) abort(); return n; }
int outer(int n) { return inner(n) + 1; }
int main(void) { for (int i = 1; i < 5; i++) printf(\"%d\\n\", outer(i)); return 0; }
END
gcc -g -O0 -o a a.c
gdb --batch -iex 'set debuginfod enabled off' -ex 'set print address off' -ex 'set can-use-hw-watchpoints 0' -ex 'break inner if n == 2' -ex run -ex bt \
    -ex 'stepi 3' -ex next -ex 'watch counter' -ex c -ex 'p outer(40)' -ex 'p counter' -ex 'delete' -ex c -ex 'bt -3' -ex c ./a 2>&1 | grep -v 'warning\\|debuginfod'
"];
    gdb_of_a_running_process: ["/bin/bash", "-c", "
command -v gdb > /dev/null || exit 0
exec 2> /dev/null
python3 -c 'import threading, time; [threading.Thread(target=time.sleep, args=(60,)).start() for _ in range(3)]' & p=$!
while [ $(ls /proc/$p/task 2> /dev/null | wc -l) -lt 4 ]; do sleep 0.05; done
gdb --batch -iex 'set debuginfod enabled off' -p $p -ex 'thread apply all -q p $_thread' -ex 'p (int)getpid() == $_inferior_thread_count + '$((p - 4)) 2> /dev/null | grep '^[$]'
grep Tracer /proc/$p/status; kill $p; wait $p; echo $?
"];
    leaks: ["/bin/bash", "-c", "
cd $(mktemp -d); echo '#include <stdlib.h>
int main(void) { void *volatile p = malloc(77); p = 0; return 0; }' > a.c
gcc -fsanitize=address -o a a.c 2> /dev/null || exit 0
./a 2>&1 | grep -o 'SUMMARY.*'; echo ${PIPESTATUS[0]}
"];
    containers_of_a_user: ["/bin/bash", "-c", "
unshare -Ur sh -c 'id -u; id -g; cut -c1-21 /proc/self/uid_map; cat /proc/self/setgroups; grep CapEff /proc/self/status; hostname x'
unshare -Urmuipf --mount-proc sh -c 'hostname inside; hostname; mount -t tmpfs none /mnt && touch /mnt/a && ls /mnt; ls -d /proc/[0-9]*
  umount /mnt && ls -A /mnt/a; ipcs -q | tail -n +4; unshare -U true; echo $? $$' 2>&1
ls -A /mnt/a; grep -c . /proc/self/uid_map
"];
    pid_namespaces: ["/bin/bash", "-c", "
unshare -pf --mount-proc bash -c '
  echo $$ $PPID; echo $(ps -e -o pid=,comm=)
  unshare -pf --mount-proc bash -c \"echo \\$\\$; sleep 0.1 & wait; echo \\$(ps -e -o pid=,comm=); readlink /proc/self; kill -9 1; exit 5\"; echo $?
  sleep 100 & sleep 100 & exit 3'; echo $?
unshare -pf --kill-child sleep 77 & until p=$(pgrep -x -P $! sleep); do sleep 0.02; done
nsenter -t $p -p sh -c 'echo $$; kill 1; kill -9 1; echo still here'
lsns -t pid -n -o NPROCS -p $p; grep -c '^NSpid:.*1$' /proc/$p/status; kill -9 $p; wait
"];
    bubblewrap: ["/bin/bash", "-c", "
bwrap --unshare-all --uid 5 --gid 6 --hostname box --ro-bind / / --tmpfs /tmp --dev /dev --proc /proc sh -c '
  id -u; id -g; hostname; ls /dev /dev/pts; echo $(ps -p 1,2 -o pid= -o comm=); echo a > /tmp/a; cat /tmp/a; touch /etc/a; grep -c : /proc/net/dev
  script -qc tty /dev/null; echo a > /dev/null; grep CapEff /proc/self/status' 2>&1
"];
    xz: ["/bin/bash", "-c", "set -o pipefail; seq 20000 | xz -T2 | xz -d | sha256sum"];
    openssl: ["/usr/bin/openssl", "dgst", "-sha256", "/bin/bash"];
    gzip: ["/bin/bash", "-c", "seq 20000 | gzip -9 | gunzip | sha256sum"];
    tar: ["/bin/bash", "-c", "cd /usr/share/doc && tar cf - bash | tar tf - | sort | head -n 20"];
}
