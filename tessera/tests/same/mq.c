// POSIX message queues, by the system calls themselves.
#include "check.h"
#include <linux/netlink.h>
#include <mqueue.h>
#include <sys/vfs.h>
#define open_(n, f, m, a) syscall(SYS_mq_open, n, f, m, a)
#define unlink_(n) syscall(SYS_mq_unlink, n)
#define send_(q, b, n, p, t) syscall(SYS_mq_timedsend, q, b, (long)(n), p, t)
#define recv_(q, b, n, p, t) syscall(SYS_mq_timedreceive, q, b, (long)(n), p, t)
#define notify_(q, e) syscall(SYS_mq_notify, q, e)
#define attr_(q, n, o) syscall(SYS_mq_getsetattr, q, n, o)
static char name[40], other[300], buf[9000];
static volatile int got;
static siginfo_t last;
static void on(int s, siginfo_t *i, void *c) {
    got++;
    last = *i;
}
static void on_thread(union sigval v) { got = v.sival_int; }
static struct timespec at(long m) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += m % 1000 * 1000000;
    t.tv_sec += m / 1000 + t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}
static void events(const char *what, int q) {
    struct pollfd p = {q, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM};
    int r = poll(&p, 1, 0);
    say("%s: %d %x", what, r, p.revents);
}
static void text(int q) {
    char t[200];
    int n = pread(q, t, sizeof t, 0);
    char *pid = strstr(t, "PID:");
    say("%d %.*s own %d", n, pid ? (int)(pid - t) : 0, t, pid && atoi(pid + 4) == getpid());
}
int main(int c, char **v) {
    begin(v);
    snprintf(name, sizeof name, "same-%d", getpid());
    struct mq_attr a = {0, 3, 16}, o;
    struct timespec t;
    int q, r, w, x;
    // names
    E(open_(BAD, O_RDWR, 0, 0));
    E(open_("", O_RDWR, 0, 0));
    E(open_("/x", O_RDWR | O_CREAT, 0600, 0));
    E(open_("a/b", O_RDWR | O_CREAT, 0600, 0));
    E(open_(".", O_RDWR, 0, 0));
    E(open_("..", O_RDWR | O_CREAT, 0600, 0));
    memset(other, 'n', 256);
    E(open_(other, O_RDWR | O_CREAT, 0600, 0));
    E(open_(name, O_RDWR, 0, 0));
    E(open_(name, O_RDWR, 0, BAD));
    E(unlink_(name));
    E(unlink_(BAD));
    E(unlink_(""));
    E(unlink_("."));
    E(unlink_("a/b"));
    E(unlink_(other));
    // shapes
    long shapes[][2] = {{0, 8}, {8, 0}, {-1, 8}, {8, -1}, {65537, 8}, {8, 16777217}, {1, 1}, {10, 8192}};
    for (int i = 0; i < 8; i++) {
        struct mq_attr s = {0, shapes[i][0], shapes[i][1]};
        char what[60];
        sprintf(what, "shape %ld %ld", shapes[i][0], shapes[i][1]);
        errno = 0;
        int f = open_(name, O_RDWR | O_CREAT, 0600, &s);
        show(what, f < 0 ? -1 : 0);
        if (f >= 0) close(f), unlink_(name);
    }
    struct rlimit rl = {1000, 1000}, old;
    getrlimit(RLIMIT_MSGQUEUE, &old);
    rl.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_MSGQUEUE, &rl);
    E(open_(name, O_RDWR | O_CREAT, 0600, 0));
    a.mq_maxmsg = 8;
    a.mq_msgsize = 29;
    x = open_(name, O_RDWR | O_CREAT, 0600, &a);
    say("fits exactly %d", x >= 0);
    close(x);
    unlink_(name);
    a.mq_msgsize = 30;
    E(open_(name, O_RDWR | O_CREAT, 0600, &a));
    setrlimit(RLIMIT_MSGQUEUE, &old);
    a.mq_maxmsg = 3;
    a.mq_msgsize = 16;
    q = open_(name, O_RDWR | O_CREAT | O_EXCL, 0666, &a);
    say("made %d cloexec %d flags %x", q >= 0, fcntl(q, F_GETFD), fcntl(q, F_GETFL) & ~O_LARGEFILE);
    E(open_(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a));
    E(open_(name, 3, 0, 0));
    r = open_(name, O_RDONLY | O_NONBLOCK, 0, 0);
    w = open_(name, O_WRONLY, 0, 0);
    struct stat st;
    E(fstat(q, &st));
    say("%o %ld %d %d", st.st_mode, (long)st.st_size, st.st_uid == geteuid(), (int)st.st_nlink);
    struct statfs sf;
    E(fstatfs(q, &sf));
    say("%lx", (long)sf.f_type);
    char link[60], target[300];
    sprintf(link, "/proc/self/fd/%d", q);
    x = readlink(link, target, sizeof target);
    say("link %d", x > 1 && target[0] == '/' && !strncmp(target + 1, name, strlen(name)));
    // attributes
    E(attr_(q, 0, 0));
    E(attr_(99, 0, &o));
    E(attr_(0, 0, &o));
    E(attr_(q, 0, &o));
    say("%ld %ld %ld %ld", o.mq_flags, o.mq_maxmsg, o.mq_msgsize, o.mq_curmsgs);
    E(attr_(r, 0, &o));
    say("%lx", o.mq_flags);
    struct mq_attr n = {O_NONBLOCK, 99, 99, 99};
    E(attr_(q, &n, &o));
    say("%lx", o.mq_flags);
    E(attr_(q, 0, &o));
    say("%lx %ld", o.mq_flags, o.mq_maxmsg);
    n.mq_flags = O_NONBLOCK | 1;
    E(attr_(q, &n, &o));
    E(attr_(q, BAD, 0));
    E(attr_(q, 0, BAD));
    // messages
    events("empty", q);
    E(recv_(q, buf, 16, 0, 0));
    E(recv_(q, buf, 15, 0, 0));
    E(send_(q, "low", 3, 1, 0));
    E(send_(q, "high", 4, 32767, 0));
    events("some", q);
    E(send_(q, "low too", 7, 1, 0));
    events("full", q);
    E(send_(q, "more", 4, 0, 0));
    E(send_(q, "more", 4, 32768, 0));
    E(send_(q, "seventeen bytes..", 17, 0, 0));
    E(send_(q, BAD, 4, 0, 0));
    E(send_(q, BAD, 17, 0, 0));
    E(send_(r, "x", 1, 0, 0));
    E(send_(99, "x", 1, 0, 0));
    E(send_(0, "x", 1, 0, 0));
    E(send_(q, "x", -1, 0, 0));
    E(recv_(w, buf, 16, 0, 0));
    E(recv_(99, buf, 16, 0, 0));
    E(recv_(0, buf, 16, 0, 0));
    E(attr_(q, 0, &o));
    say("cur %ld", o.mq_curmsgs);
    text(q);
    E(read(q, buf, 5));
    say("%.5s", buf);
    E(lseek(q, 0, SEEK_CUR));
    E(write(q, "x", 1));
    E(ftruncate(q, 5));
    unsigned prio = 7;
    for (int i = 0; i < 3; i++) {
        memset(buf, 0, 20);
        E(recv_(q, buf, 100, &prio, 0));
        say("%s %u", buf, prio);
    }
    E(send_(q, "", 0, 5, 0));
    E(recv_(q, buf, 16, &prio, 0));
    E(send_(q, "lost", 4, 5, 0));
    E(recv_(q, BAD, 16, &prio, 0));
    E(recv_(q, buf, 16, &prio, 0));
    E(send_(q, "lost", 4, 5, 0));
    E(recv_(q, buf, 16, BAD, 0));
    E(recv_(q, buf, 16, 0, 0));
    // timeouts
    n.mq_flags = 0;
    E(attr_(q, &n, 0));
    t = at(30);
    E(recv_(q, buf, 16, 0, &t));
    t = at(-1000);
    E(recv_(q, buf, 16, 0, &t));
    t.tv_nsec = -1;
    E(recv_(q, buf, 16, 0, &t));
    t.tv_nsec = 1000000000;
    E(recv_(99, buf, 16, 0, &t));
    t = (struct timespec){-1, 0};
    E(send_(q, buf, 1, 0, &t));
    E(recv_(q, buf, 16, 0, BAD));
    t = at(-1000);
    E(send_(q, "late", 4, 0, &t));
    E(recv_(q, buf, 16, 0, &t));
    for (int i = 0; i < 3; i++)
        send_(q, "f", 1, i, 0);
    t = at(30);
    E(send_(q, "f", 1, 0, &t));
    if (fork() == 0) {
        ms(50);
        recv_(r, buf, 16, 0, 0);
        _exit(0);
    }
    E(send_(q, "waited", 6, 0, 0));
    wait(0);
    while (recv_(r, buf, 16, 0, 0) >= 0) {
    }
    say("drained %s %.6s", name_of(errno), buf);
    if (fork() == 0) {
        ms(50);
        send_(w, "hello", 5, 9, 0);
        _exit(0);
    }
    E(recv_(q, buf, 16, &prio, 0));
    say("%.5s %u", buf, prio);
    wait(0);
    if (fork() == 0) {
        ms(50);
        send_(w, "poll", 4, 9, 0);
        _exit(0);
    }
    struct pollfd pf = {q, POLLIN};
    E(poll(&pf, 1, 5000));
    say("%x", pf.revents);
    wait(0);
    recv_(r, buf, 16, 0, 0);
    // signals break waits off
    struct sigaction sa = {0};
    sa.sa_sigaction = on;
    sa.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR1, &sa, 0);
    sigaction(SIGALRM, &sa, 0);
    struct itimerval it = {{0}, {0, 50000}};
    setitimer(ITIMER_REAL, &it, 0);
    E(recv_(q, buf, 16, 0, 0));
    // notification
    struct sigevent ev = {0};
    ev.sigev_notify = SIGEV_SIGNAL;
    ev.sigev_signo = SIGUSR1;
    ev.sigev_value.sival_int = 1234;
    got = 0;
    E(notify_(99, &ev));
    E(notify_(0, &ev));
    E(notify_(q, BAD));
    E(notify_(q, 0));
    E(notify_(q, &ev));
    E(notify_(q, &ev));
    text(q);
    CHILD("busy", ({
              E(notify_(q, &ev));
              E(notify_(q, 0));
              send_(q, "x", 1, 0, 0);
          }));
    say("got %d code %d value %d pid %d uid %d", got, last.si_code, last.si_value.sival_int,
        last.si_pid != getpid(), last.si_uid == getuid());
    text(q);
    got = 0;
    E(notify_(q, &ev));
    E(send_(q, "y", 1, 0, 0));
    say("second message %d", got);
    recv_(q, buf, 16, 0, 0);
    recv_(q, buf, 16, 0, 0);
    E(send_(q, "y", 1, 0, 0));
    say("first message %d", got);
    recv_(q, buf, 16, 0, 0);
    // closing any descriptor of it takes the notification back
    E(notify_(q, &ev));
    close(dup(q));
    text(q);
    E(notify_(q, &ev));
    E(notify_(q, 0));
    // a receiver that waits comes first
    got = 0;
    E(notify_(q, &ev));
    pid_t ch = fork();
    if (!ch) {
        recv_(q, buf, 16, 0, 0);
        _exit(0);
    }
    ms(50);
    E(send_(q, "z", 1, 0, 0));
    waitpid(ch, 0, 0);
    say("notified %d", got);
    E(notify_(q, 0));
    ev.sigev_notify = SIGEV_NONE;
    E(notify_(q, &ev));
    text(q);
    E(send_(q, "z", 1, 0, 0));
    text(q);
    recv_(q, buf, 16, 0, 0);
    ev.sigev_notify = 77;
    E(notify_(q, &ev));
    ev.sigev_notify = SIGEV_SIGNAL;
    ev.sigev_signo = 65;
    E(notify_(q, &ev));
    ev.sigev_signo = -1;
    E(notify_(q, &ev));
    ev.sigev_signo = 0;
    E(notify_(q, &ev));
    E(notify_(q, 0));
    // SIGEV_THREAD, bare and by the C library
    char cookie[32] = "cookie", in[64];
    int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
    ev.sigev_notify = SIGEV_THREAD;
    ev.sigev_signo = 99;
    ev.sigev_value.sival_ptr = cookie;
    E(notify_(q, &ev));
    ev.sigev_signo = q;
    E(notify_(q, &ev));
    ev.sigev_signo = nl;
    ev.sigev_value.sival_ptr = BAD;
    E(notify_(q, &ev));
    ev.sigev_value.sival_ptr = cookie;
    E(notify_(q, &ev));
    text(q);
    E(send_(q, "z", 1, 0, 0));
    E(recv(nl, in, sizeof in, MSG_DONTWAIT));
    say("%s %d", in, in[31]);
    recv_(q, buf, 16, 0, 0);
    E(notify_(q, &ev));
    E(notify_(q, 0));
    E(recv(nl, in, sizeof in, MSG_DONTWAIT));
    say("%d", in[31]);
    memset(&ev, 0, sizeof ev);
    ev.sigev_notify = SIGEV_THREAD;
    ev.sigev_notify_function = on_thread;
    ev.sigev_value.sival_int = 4321;
    got = 0;
    E(mq_notify(q, &ev));
    send_(q, "t", 1, 0, 0);
    for (int i = 0; i < 200 && !got; i++)
        ms(10);
    say("thread %d", got);
    // removal: the queue lives on
    E(unlink_(name));
    E(unlink_(name));
    E(open_(name, O_RDWR, 0, 0));
    E(recv_(q, buf, 16, 0, 0));
    E(send_(q, "after", 5, 0, 0));
    E(recv_(q, buf, 16, 0, 0));
    // permissions
    x = open_(name, O_RDWR | O_CREAT, 0200, 0);
    E(attr_(x, 0, &o));
    say("%ld %ld", o.mq_maxmsg, o.mq_msgsize);
    fstat(x, &st);
    say("%o", st.st_mode);
    CHILD("as another", ({
              if (geteuid() == 0) {
                  setgroups(0, 0);
                  setgid(4321);
                  setuid(4321);
              }
              E(open_(name, O_RDONLY, 0, 0));
              if (getuid() == 4321) {
                  E(open_(name, O_WRONLY, 0, 0));
                  E(unlink_(name));
              }
          }));
    E(unlink_(name));
    E(close(x));
    char *lim[] = {"msg_default", "msg_max", "msgsize_default", "msgsize_max", "queues_max"};
    for (int i = 0; i < 5; i++) {
        char p[60], l[30] = "";
        sprintf(p, "/proc/sys/fs/mqueue/%s", lim[i]);
        int f = open(p, O_RDONLY);
        read(f, l, 29);
        close(f);
        say("%s %d", lim[i], atoi(l));
    }
}
