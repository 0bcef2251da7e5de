// fcntl, dup, locks, owners and signals of descriptors, seals, ioctl.
#include "check.h"
#include <linux/fs.h>
static volatile sig_atomic_t got;
static volatile int got_fd, got_code, got_band;
static void on(int s, siginfo_t *i, void *c) {
    got = s;
    got_fd = i->si_fd;
    got_code = i->si_code;
    got_band = i->si_band;
}
static void lk(const char *w, int f, int cmd, int type, int wh, long s, long l) {
    struct flock k = {type, wh, s, l};
    errno = 0;
    int r = fcntl(f, cmd, &k);
    if (r < 0)
        say("%s: %s", w, name_of(errno));
    else
        say("%s: %d type %d whence %d %ld+%ld pid %d", w, r, k.l_type, k.l_whence, (long)k.l_start,
            (long)k.l_len,
            cmd == F_GETLK && k.l_type != F_UNLCK ? k.l_pid == getppid()
            : cmd == F_OFD_GETLK                  ? k.l_pid == getppid()
                                                  : 0);
}
static int by_text(const void *a, const void *b) { return strcmp(a, b); }
// The locks in a file of /proc, in no order: Linux keeps one list a processor.
static void listed(const char *w, const char *path, int f) {
    struct stat st;
    fstat(f, &st);
    FILE *in = fopen(path, "r");
    char line[256], class[16], kind[16], end[32], found[8][256];
    int n = 0;
    int pid, major, minor;
    unsigned long ino, start;
    while (fgets(line, sizeof line, in)) {
        char *at = strncmp(line, "lock:\t", 6) ? line : line + 6;
        if (sscanf(at, "%*d: %15s ADVISORY  %15s %d %x:%x:%lu %lu %31s", class, kind, &pid, &major,
                   &minor, &ino, &start, end) == 8 &&
            ino == st.st_ino && makedev(major, minor) == st.st_dev)
            sprintf(found[n++], "%s %s%s pid %s %lu-%s", class, kind, at == line ? "" : " here",
                    pid == getpid()    ? "own"
                    : pid == getppid() ? "parent"
                    : pid == -1        ? "none"
                                       : "other",
                    start, end);
    }
    fclose(in);
    qsort(found, n, sizeof *found, by_text);
    for (int i = 0; i < n; i++)
        say("%s: %s", w, found[i]);
}
static void listed_fd(const char *w, int f) {
    char path[64];
    sprintf(path, "/proc/self/fdinfo/%d", f);
    listed(w, path, f);
}
#define L(...) lk(#__VA_ARGS__, __VA_ARGS__)
int main(int c, char **v) {
    begin(v);
    int f = open("f", O_CREAT | O_RDWR, 0644), r = open("f", O_RDONLY), w = open("f", O_WRONLY),
        pp[2], d = open(".", O_RDONLY), x;
    char b[4096] = {0};
    pipe(pp);
    ftruncate(f, 100);
    E(fcntl(-1, F_GETFD));
    E(fcntl(f, 9999));
    E(fcntl(f, F_DUPFD, -1));
    E(fcntl(f, F_DUPFD, 1 << 30));
    E(fcntl(f, F_DUPFD, 50));
    E(fcntl(f, F_DUPFD_CLOEXEC, 50));
    E(fcntl(51, F_GETFD));
    E(fcntl(f, F_SETFD, 1));
    E(fcntl(f, F_GETFD));
    E(fcntl(f, F_SETFD, 0xff));
    E(fcntl(f, F_GETFD));
    E(fcntl(f, F_SETFD, 2));
    E(fcntl(f, F_GETFD));
    E(fcntl(f, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY | O_CREAT));
    E(fcntl(f, F_GETFL));
    E(fcntl(f, F_SETFL, O_NOATIME));
    E(fcntl(f, F_GETFL));
    E(fcntl(f, F_SETFL, O_DIRECT));
    E(fcntl(f, F_SETFL, 0));
    E(fcntl(f, F_SETFL, O_SYNC));
    E(fcntl(f, F_GETFL));
    E(fcntl(f, F_SETFL, O_ASYNC));
    E(fcntl(f, F_GETFL));
    E(fcntl(pp[0], F_SETFL, O_ASYNC));
    E(fcntl(pp[0], F_GETFL));
    E(fcntl(pp[0], F_SETFL, 0));
    E(fcntl(pp[0], F_SETFL, O_DIRECT));
    E(fcntl(pp[0], F_GETFL));
    E(fcntl(pp[0], F_SETFL, 0));
    E(fcntl(d, F_SETFL, O_ASYNC));
    int dn = open("/dev/null", O_RDWR);
    E(fcntl(dn, F_SETFL, O_ASYNC));
    E(fcntl(dn, F_GETFL));
    E(fcntl(dn, F_SETFL, O_DIRECT));
    E(fcntl(d, F_SETFL, O_DIRECT));
    E(dup(-1));
    E(dup2(f, -1));
    E(dup2(-1, 5));
    E(dup2(f, 1 << 30));
    E(dup2(f, f));
    E(dup2(-1, -1));
    E(dup3(f, f, 0));
    E(dup3(f, 60, O_CLOEXEC));
    E(fcntl(60, F_GETFD));
    E(dup3(f, 60, O_NONBLOCK));
    E(dup3(-1, 60, 0));
    E(dup3(f, -1, 0));
    E(dup2(f, 60));
    E(fcntl(60, F_GETFD));
    E(close(60));
    E(close(60));
    E(close(-1));
    E(close_range(100, 50, 0));
    E(close_range(100, 200, 9));
    dup2(f, 70);
    E(close_range(70, 70, 4));
    E(fcntl(70, F_GETFD));
    E(close_range(60, ~0U, 2));
    E(close_range(60, ~0U, 0));
    E(fcntl(70, F_GETFD));
    // pipes
    E(fcntl(pp[0], F_GETPIPE_SZ));
    E(fcntl(pp[0], F_SETPIPE_SZ, 1));
    E(fcntl(pp[0], F_SETPIPE_SZ, 5000));
    E(fcntl(pp[0], F_SETPIPE_SZ, 65536));
    E(fcntl(pp[0], F_SETPIPE_SZ, 0));
    E(fcntl(pp[0], F_SETPIPE_SZ, 1 << 20));
    E(fcntl(pp[0], F_SETPIPE_SZ, -1));
    E(fcntl(f, F_GETPIPE_SZ));
    E(fcntl(f, F_SETPIPE_SZ, 4096));
    write(pp[1], b, 4096);
    write(pp[1], b, 4096);
    E(fcntl(pp[1], F_SETPIPE_SZ, 4096));
    read(pp[0], b, 4096);
    E(fcntl(pp[1], F_SETPIPE_SZ, 4096));
    read(pp[0], b, 4096);
    // record locks
    L(f, F_SETLK, F_RDLCK, SEEK_SET, 0, 10);
    L(f, F_SETLK, F_WRLCK, SEEK_SET, 20, 10);
    L(r, F_SETLK, F_WRLCK, SEEK_SET, 0, 10);
    L(w, F_SETLK, F_RDLCK, SEEK_SET, 0, 10);
    L(f, F_SETLK, 7, SEEK_SET, 0, 10);
    L(f, F_SETLK, F_RDLCK, 9, 0, 10);
    L(f, F_SETLK, F_RDLCK, SEEK_SET, -1, 10);
    L(f, F_SETLK, F_RDLCK, SEEK_SET, 5, -10);
    L(f, F_SETLK, F_RDLCK, SEEK_SET, 50, -10);
    L(f, F_SETLK, F_RDLCK, SEEK_END, -10, 0);
    L(f, F_SETLK, F_RDLCK, SEEK_CUR, 0, 0);
    L(f, F_SETLK, F_UNLCK, SEEK_SET, 0, 0);
    L(f, F_SETLK, F_WRLCK, SEEK_SET, INT64_MAX, 1);
    L(f, F_SETLK, F_WRLCK, SEEK_SET, INT64_MAX, 2);
    L(f, F_SETLK, F_UNLCK, SEEK_SET, 0, 0);
    L(pp[0], F_SETLK, F_RDLCK, SEEK_SET, 0, 0);
    L(d, F_SETLK, F_RDLCK, SEEK_SET, 0, 0);
    L(dn, F_SETLK, F_RDLCK, SEEK_SET, 0, 0);
    E(fcntl(f, F_SETLK, BAD));
    E(fcntl(f, F_GETLK, BAD));
    L(f, F_GETLK, F_UNLCK, SEEK_SET, 0, 0);
    L(f, F_GETLK, F_RDLCK, SEEK_SET, 0, 0);
    L(f, F_SETLK, F_RDLCK, SEEK_SET, 0, 10);
    L(f, F_SETLK, F_WRLCK, SEEK_SET, 20, 10);
    close(open("f", O_PATH));
    CHILD("other", L(f, F_GETLK, F_RDLCK, SEEK_SET, 0, 0); L(f, F_GETLK, F_WRLCK, SEEK_SET, 0, 0);
          L(f, F_GETLK, F_WRLCK, SEEK_SET, 10, 10); L(f, F_SETLK, F_WRLCK, SEEK_SET, 5, 1);
          L(f, F_SETLK, F_RDLCK, SEEK_SET, 5, 1); L(f, F_SETLK, F_RDLCK, SEEK_SET, 25, 1);
          L(f, F_GETLK, F_WRLCK, SEEK_CUR, 3, 100); L(f, F_OFD_GETLK, F_WRLCK, SEEK_SET, 0, 0));
    close(dup(f));
    CHILD("close drops", L(f, F_SETLK, F_WRLCK, SEEK_SET, 0, 0));
    // deadlock
    int go[2], go2[2];
    pipe(go);
    pipe(go2);
    L(f, F_SETLK, F_WRLCK, SEEK_SET, 0, 1);
    pid_t ch = fork();
    if (!ch) {
        struct flock k = {F_WRLCK, 0, 1, 1};
        fcntl(f, F_SETLK, &k);
        write(go[1], "x", 1);
        k.l_start = 0;
        int q = fcntl(f, F_SETLKW, &k);
        _exit(q < 0 ? errno : 0);
    }
    read(go[0], b, 1);
    ms(100);
    L(f, F_SETLKW, F_WRLCK, SEEK_SET, 1, 1);
    L(f, F_SETLK, F_UNLCK, SEEK_SET, 0, 0);
    waitpid(ch, &x, 0);
    status("waiter", x);
    // as /proc shows them
    {
        int own = open("f", O_RDWR), other = open("f", O_RDWR), copy = dup(own);
        L(own, F_SETLK, F_RDLCK, SEEK_SET, 10, 10);
        L(other, F_SETLK, F_RDLCK, SEEK_SET, 15, 20);
        L(other, F_SETLK, F_WRLCK, SEEK_SET, 50, 0);
        L(own, F_OFD_SETLK, F_RDLCK, SEEK_SET, 2, 3);
        E(flock(other, LOCK_SH));
        listed_fd("own", own);
        listed_fd("copy", copy);
        listed_fd("other", other);
        CHILD("forked", listed_fd("own of the child", own); listed_fd("other of the child", other));
        listed("all", "/proc/locks", own);
        E(flock(own, LOCK_SH));
        E(flock(own, LOCK_UN));
        listed_fd("only flock is undone", own);
        close(copy);
        close(other);
        listed("closed", "/proc/locks", own);
        close(own);
        listed("none", "/proc/locks", f);
    }
    // OFD
    {
        struct flock k = {F_WRLCK, SEEK_SET, 0, 10, 0};
        int f2 = open("f", O_RDWR);
        E(fcntl(f, F_OFD_SETLK, &k));
        E(fcntl(f2, F_OFD_SETLK, &k));
        E(fcntl(dup(f), F_OFD_SETLK, &k));
        k.l_pid = 5;
        E(fcntl(f, F_OFD_SETLK, &k));
        k.l_pid = 0;
        E(fcntl(f2, F_OFD_GETLK, &k));
        say("%d %d %ld", k.l_type, k.l_pid, (long)k.l_len);
        k.l_type = F_WRLCK;
        E(fcntl(f, F_SETLK, &k));
        k.l_type = F_UNLCK;
        E(fcntl(f, F_OFD_SETLK, &k));
        k.l_type = F_WRLCK;
        E(fcntl(f2, F_OFD_SETLK, &k));
        close(f2);
    }
    // flock
    int g = open("g", O_CREAT | O_RDWR, 0644), g2 = open("g", O_RDWR);
    E(flock(g, LOCK_EX));
    E(flock(g2, LOCK_SH | LOCK_NB));
    E(flock(dup(g), LOCK_SH));
    E(flock(g2, LOCK_SH | LOCK_NB));
    E(flock(g, LOCK_EX | LOCK_NB));
    E(flock(g2, LOCK_UN));
    E(flock(g, LOCK_EX | LOCK_NB));
    E(flock(g, 0));
    E(flock(g, 3));
    E(flock(g, LOCK_SH | LOCK_UN));
    E(flock(-1, LOCK_SH));
    E(flock(pp[0], LOCK_SH));
    E(flock(d, LOCK_EX | LOCK_NB));
    E(flock(g, LOCK_UN | LOCK_NB));
    E(flock(r, LOCK_EX));
    E(flock(g, 64));
    // owners and signals
    E(fcntl(pp[0], F_GETOWN));
    E(fcntl(pp[0], F_SETOWN, getpid()));
    E(fcntl(pp[0], F_GETOWN) == getpid());
    E(fcntl(pp[0], F_SETOWN, -getpgrp()));
    E(syscall(SYS_fcntl, pp[0], F_GETOWN) < 0);
    E(fcntl(pp[0], F_SETOWN, 999999));
    E(fcntl(pp[0], F_SETOWN, INT_MIN));
    E(fcntl(pp[0], F_GETSIG));
    E(fcntl(pp[0], F_SETSIG, 65));
    E(fcntl(pp[0], F_SETSIG, -1));
    E(fcntl(pp[0], F_SETSIG, SIGRTMIN));
    E(fcntl(pp[0], F_GETSIG));
    struct f_owner_ex ox = {F_OWNER_TID, getpid()};
    E(fcntl(pp[0], F_SETOWN_EX, &ox));
    ox.type = 9;
    E(fcntl(pp[0], F_SETOWN_EX, &ox));
    E(fcntl(pp[0], F_GETOWN_EX, &ox));
    say("%d %d", ox.type, ox.pid == getpid());
    E(fcntl(pp[0], F_SETOWN_EX, BAD));
    uid_t u2[2];
    E(fcntl(pp[0], 17, u2));
    struct sigaction sa = {0};
    sa.sa_sigaction = on;
    sa.sa_flags = SA_SIGINFO;
    sigaction(SIGRTMIN, &sa, 0);
    sigaction(SIGIO, &sa, 0);
    sigaction(SIGURG, &sa, 0);
    fcntl(pp[0], F_SETFL, O_ASYNC);
    write(pp[1], "x", 1);
    ms(20);
    say("pipe: signal %d fd %d code %d band %x", got == SIGRTMIN, got_fd == pp[0], got_code,
        got_band);
    got = 0;
    fcntl(pp[0], F_SETSIG, 0);
    write(pp[1], "x", 1);
    ms(20);
    say("pipe: signal %d", got == SIGIO);
    got = 0;
    fcntl(pp[0], F_SETFL, 0);
    write(pp[1], "x", 1);
    ms(20);
    say("pipe: signal %d", got);
    int sp[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, sp);
    x = 1;
    E(ioctl(sp[0], FIOASYNC, &x));
    E(fcntl(sp[0], F_SETOWN, getpid()));
    write(sp[1], "x", 1);
    ms(20);
    say("sock: signal %d", got == SIGIO);
    got = 0;
    x = 0;
    ioctl(sp[0], FIOASYNC, &x);
    write(sp[1], "x", 1);
    ms(20);
    say("sock: signal %d", got);
    x = 1;
    E(ioctl(pp[0], FIONBIO, &x));
    E(fcntl(pp[0], F_GETFL));
    x = 0;
    E(ioctl(pp[0], FIONBIO, &x));
    E(ioctl(pp[0], FIONBIO, BAD));
    E(ioctl(f, FIOCLEX));
    E(fcntl(f, F_GETFD));
    E(ioctl(f, FIONCLEX));
    E(ioctl(f, FIONREAD, &x));
    say("%d", x);
    E(ioctl(d, FIONREAD, &x));
    E(ioctl(f, 0x1234));
    E(ioctl(-1, FIONREAD, &x));
    E(ioctl(pp[0], TCGETS, b));
    E(ioctl(f, FIGETBSZ, &x));
    E(ioctl(dn, FIONREAD, &x));
    E(ioctl(f, FIOQSIZE, b));
    E(ioctl(f, FIONBIO, &x));
    E(ioctl(f, FIOASYNC, &x));
    E(ioctl(pp[0], FIGETBSZ, &x));
    // rw hints, seals
    uint64_t hint = 99;
    E(fcntl(f, F_GET_RW_HINT, &hint));
    say("%ld", (long)hint);
    hint = 2;
    E(fcntl(f, F_SET_RW_HINT, &hint));
    hint = 77;
    E(fcntl(f, F_SET_RW_HINT, &hint));
    E(fcntl(f, F_GET_RW_HINT, &hint));
    say("%ld", (long)hint);
    E(fcntl(f, 1037, &hint));
    E(fcntl(f, F_GET_SEALS));
    E(fcntl(f, F_ADD_SEALS, 1));
    E(fcntl(pp[0], F_GET_SEALS));
    int m = memfd_create("m", MFD_ALLOW_SEALING), m2 = memfd_create("m", 0);
    E(fcntl(m, F_GET_SEALS));
    E(fcntl(m2, F_GET_SEALS));
    E(fcntl(m2, F_ADD_SEALS, F_SEAL_WRITE));
    ftruncate(m, 8192);
    char *a = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
    E(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
    E(fcntl(m, F_ADD_SEALS, 0x10));
    E(fcntl(m, F_GET_SEALS));
    E(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0) == MAP_FAILED ? -1 : 0);
    E(write(m, b, 1));
    a[0] = 1;
    // A mapping from before the seal is copied by fork(2) and moved by mremap(2), and can be written.
    CHILD("fork with what is sealed", a[0] = 2);
    say("%d", a[0]);
    E(mprotect(a, 4096, PROT_READ));
    E(mprotect(a, 4096, PROT_READ | PROT_WRITE));
    char *there = mmap(0, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    E((a = mremap(a, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, there)) == MAP_FAILED ? -1 : 0);
    a[0] = 3;
    munmap(a, 4096);
    int programs = memfd_create("p", MFD_ALLOW_SEALING);
    ftruncate(programs, 4096);
    char *mapped = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, programs, 0);
    E(fcntl(programs, F_ADD_SEALS, 0x20));
    munmap(mapped, 4096);
    E(fcntl(programs, F_ADD_SEALS, 0x20));
    E(fcntl(programs, F_GET_SEALS));
    E(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
    E(write(m, b, 1));
    E(ftruncate(m, 4096));
    E(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK));
    E(ftruncate(m, 100));
    E(ftruncate(m, 8192));
    E(fcntl(m, F_ADD_SEALS, F_SEAL_GROW));
    E(ftruncate(m, 9000));
    E(fallocate(m, 0, 0, 20000));
    E(fallocate(m, 3, 0, 4096));
    E(fcntl(m, F_ADD_SEALS, F_SEAL_SEAL));
    E(fcntl(m, F_ADD_SEALS, 0));
    E(fcntl(m, F_ADD_SEALS, 0x100));
    E(fcntl(m, F_GET_SEALS));
    E(mprotect(mmap(0, 4096, PROT_READ, MAP_SHARED, m, 0), 4096, PROT_WRITE));
    char pth[50];
    sprintf(pth, "/proc/self/fd/%d", m);
    int ro = open(pth, O_RDONLY);
    E(fcntl(ro, F_ADD_SEALS, F_SEAL_GROW));
    E(memfd_create("m", 0x100));
    E(memfd_create(BAD, 0));
    memset(b, 'm', 300);
    b[249] = 0;
    Z(memfd_create(b, 0));
    b[249] = 'm';
    b[250] = 0;
    E(memfd_create(b, 0));
    Z(memfd_create("", 0));
    int ne = memfd_create("x", 8);
    E(fcntl(ne, F_GET_SEALS));
    E(fchmod(ne, 0777));
    E(memfd_create("x", 8 | 0x10));
    struct stat st;
    int me = memfd_create("e", 0x10);
    fstat(me, &st);
    say("%o", st.st_mode);
    fstat(m2, &st);
    say("%o nlink %ld", st.st_mode, (long)st.st_nlink);
    return 0;
}
