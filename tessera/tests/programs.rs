//! Real programs, unmodified, from the distribution: output and status equal the host's.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use support::{Linkage, guest, same};

/// The same program of our own, linked in both ways.
#[test]
fn hello() {
    for linkage in [Linkage::Dynamic, Linkage::Static] {
        let hello = guest("hello", linkage);
        same(&[hello.to_str().expect("UTF-8"), "a", "b c"]);
    }
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
    gzip: ["/bin/bash", "-c", "seq 20000 | gzip -9 | gunzip | sha256sum"];
    tar: ["/bin/bash", "-c", "cd /usr/share/doc && tar cf - bash | tar tf - | sort | head -n 20"];
}
