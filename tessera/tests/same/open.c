// open, openat2, creat: flags and errors; O_PATH, O_TMPFILE.
#include "check.h"
#include <linux/openat2.h>
static long openat2(int d, const char *p, uint64_t flags, uint64_t mode, uint64_t resolve,
                    size_t size) {
    struct {
        struct open_how h;
        uint64_t extra[4];
    } a = {{flags, mode, resolve}, {0}};
    return syscall(SYS_openat2, d, p, &a, size);
}
static int mk(const char *p, int mode) {
    int f = open(p, O_CREAT | O_RDWR, mode);
    close(f);
    return f;
}
#define O(...)                                                                                     \
    do {                                                                                           \
        errno = 0;                                                                                 \
        int f_ = open(__VA_ARGS__);                                                                \
        show("open(" #__VA_ARGS__ ")", f_ < 0 ? -1 : 0);                                           \
        if (f_ >= 0) {                                                                             \
            say("  fl %o fd %o pos %ld", fcntl(f_, F_GETFL), fcntl(f_, F_GETFD),                   \
                (long)lseek(f_, 0, SEEK_CUR));                                                     \
            close(f_);                                                                             \
        }                                                                                          \
    } while (0)
int main(int c, char **v) {
    begin(v);
    char longname[300], longpath[5000];
    memset(longname, 'a', 299);
    longname[299] = 0;
    memset(longpath, '/', 4999);
    longpath[4999] = 0;
    mk("f", 0644);
    mkdir("d", 0755);
    symlink("f", "lf");
    symlink("d", "ld");
    symlink("loop", "loop");
    symlink("none", "dangling");
    mkfifo("p", 0644);
    mk("ro", 0444);
    mk("wo", 0222);
    mk("no", 0);
    mk("d/x", 0644);
    symlink("d/", "lds");
    symlink("f/", "lfs");
    O("none", O_RDONLY);
    O("f", O_RDONLY);
    O("f", O_WRONLY);
    O("f", O_RDWR | O_APPEND);
    O("f", 3);
    O("f", O_CREAT | O_EXCL | O_RDWR, 0600);
    O("d", O_RDONLY);
    O("d", O_WRONLY);
    O("d", O_RDWR);
    O("d", O_CREAT, 0600);
    O("d", O_DIRECTORY | O_RDONLY);
    O("f", O_DIRECTORY);
    O("d", O_CREAT | O_DIRECTORY, 0600);
    O("n1", O_CREAT | O_DIRECTORY | O_RDONLY, 0600);
    E(access("n1", F_OK));
    O("lf", O_NOFOLLOW);
    O("lf", O_RDONLY);
    O("ld", O_NOFOLLOW | O_DIRECTORY);
    O("ld/x", O_NOFOLLOW);
    O("loop", O_RDONLY);
    O("loop", O_NOFOLLOW);
    O("dangling", O_RDONLY);
    O("dangling", O_CREAT | O_EXCL | O_RDWR, 0600);
    O("dangling", O_CREAT | O_RDWR, 0600);
    E(access("none", F_OK));
    unlink("none");
    O("lf", O_PATH | O_NOFOLLOW);
    O("lf", O_PATH);
    O("f", O_PATH | O_RDWR | O_CREAT | O_TRUNC, 0);
    O("d", O_PATH | O_DIRECTORY);
    O("f", O_PATH | O_DIRECTORY);
    O("p", O_PATH | O_CLOEXEC);
    O("f/", O_RDONLY);
    O("f/x", O_RDONLY);
    O("new/", O_CREAT | O_RDWR, 0600);
    O("lds", O_RDONLY);
    O("lfs", O_RDONLY);
    O("d/", O_RDONLY);
    O("d/.", O_WRONLY);
    O("d/..", O_CREAT | O_RDWR, 0600);
    O("d/.", O_CREAT | O_RDWR, 0600);
    O("", O_RDONLY);
    O("", O_CREAT | O_RDWR, 0600);
    O(longname, O_RDONLY);
    O(longname, O_CREAT | O_RDWR, 0600);
    O(longpath, O_RDONLY);
    O(BAD, O_RDONLY);
    O(NULL, O_RDONLY);
    O("ro", O_WRONLY);
    O("ro", O_RDWR);
    O("wo", O_RDONLY);
    O("no", O_RDONLY);
    O("ro", O_RDONLY | O_TRUNC);
    O("wo", O_WRONLY | O_TRUNC);
    O("p", O_WRONLY | O_NONBLOCK);
    O("p", O_RDONLY | O_NONBLOCK);
    O("p", O_RDWR | O_NONBLOCK);
    O("p", O_RDWR | O_TRUNC);
    O("f", O_TMPFILE | O_RDWR, 0600);
    O(".", O_TMPFILE | O_RDWR, 0600);
    O(".", O_TMPFILE | O_RDONLY, 0600);
    O(".", O_TMPFILE | O_WRONLY | O_EXCL, 0600);
    O("nodir", O_TMPFILE | O_RDWR, 0600);
    O(".", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600);
    O(".", O_TMPFILE | O_RDWR | O_CREAT, 0600);
    O("f", O_RDWR | O_DIRECT);
    O("f", O_RDWR | O_NOATIME);
    O("f", O_RDWR | O_SYNC);
    O("f", O_RDWR | O_DSYNC | O_NONBLOCK | O_NOCTTY);
    O("f", O_RDONLY | O_ASYNC);
    O("f", 0x40000000 | O_RDONLY);
    O("f", O_RDONLY | O_LARGEFILE);
    O("f", O_RDWR | O_CREAT | O_TRUNC | O_EXCL, 0600);
    O("/dev/null/x", O_RDONLY);
    O("/dev/null", O_RDWR | O_TRUNC);
    O("/dev/null", O_DIRECTORY);
    O("/dev/tty", O_RDWR);
    O("/", O_WRONLY);
    O("/", O_CREAT | O_WRONLY, 0600);
    E(openat(99, "f", O_RDONLY));
    E(openat(-1, "f", O_RDONLY));
    E(openat(AT_FDCWD, "", O_RDONLY));
    int ff = open("f", O_RDONLY), dd = open("d", O_RDONLY), dp = open("d", O_PATH);
    E(openat(ff, "x", O_RDONLY));
    Z(openat(dd, "x", O_RDONLY));
    Z(openat(dp, "x", O_RDONLY));
    E(openat(dd, "", O_RDONLY));
    Z(openat(99, "/dev/null", O_RDONLY));
    Z(openat(dd, "../f", O_RDONLY));
    // created modes
    struct stat st;
    umask(027);
    int f = open("m1", O_CREAT | O_RDWR, 07777);
    fstat(f, &st);
    say("mode %o", st.st_mode);
    close(f);
    f = open("m2", O_CREAT | O_WRONLY, 0444);
    fstat(f, &st);
    say("mode %o w %ld", st.st_mode, (long)write(f, "x", 1));
    close(f);
    umask(0);
    f = open("m3", O_CREAT | O_RDWR, S_IFBLK | 0777);
    fstat(f, &st);
    say("mode %o", st.st_mode);
    close(f);
    Z(creat("m4", 0));
    fstat(open("m4", O_PATH), &st);
    say("mode %o", st.st_mode);
    mkdir("sg", 0777);
    chmod("sg", 02777);
    f = open("sg/x", O_CREAT | O_RDWR, 02777);
    fstat(f, &st);
    say("mode %o", st.st_mode);
    mkdir("sg/d", 0755);
    stat("sg/d", &st);
    say("mode %o", st.st_mode);
    umask(022);
    // O_PATH descriptors
    int p = open("f", O_PATH);
    char b[8];
    E(read(p, b, 1));
    E(write(p, b, 1));
    E(fchmod(p, 0600));
    E(fchown(p, -1, -1));
    E(lseek(p, 0, SEEK_SET));
    E(ftruncate(p, 0));
    E(ioctl(p, FIONREAD, b));
    E(mmap(0, 4096, PROT_READ, MAP_PRIVATE, p, 0) == MAP_FAILED ? -1 : 0);
    E(fcntl(p, F_GETFL));
    E(fcntl(p, F_SETFL, O_APPEND));
    E(fcntl(p, F_SETLK, &(struct flock){F_RDLCK}));
    E(flock(p, LOCK_SH));
    E(fsync(p));
    E(fstat(p, &st));
    E(fgetxattr(p, "user.a", b, 8));
    E(fchdir(p));
    E(fchdir(dp));
    E(chdir(v[1] ? v[1] : "."));
    E(dup2(p, 77));
    E(syncfs(p));
    E(posix_fadvise(p, 0, 0, 0));
    E(fallocate(p, 0, 0, 1));
    E(flistxattr(p, b, 8));
    E(fstatfs(p, (void *)longpath));
    E(getdents64(dp, longpath, 4000));
    struct pollfd pf = {p, POLLIN};
    E(poll(&pf, 1, 0));
    say("revents %x", pf.revents);
    E(futimens(p, 0));
    E(sendfile(1, p, 0, 1));
    E(copy_file_range(p, 0, ff, 0, 1, 0));
    E(readahead(p, 0, 1));
    int ep = epoll_create1(0);
    struct epoll_event ev = {EPOLLIN};
    E(epoll_ctl(ep, EPOLL_CTL_ADD, p, &ev));
    E(epoll_ctl(ep, EPOLL_CTL_ADD, ff, &ev));
    E(epoll_ctl(ep, EPOLL_CTL_ADD, dd, &ev));
    char proc[64];
    sprintf(proc, "/proc/self/fd/%d", p);
    Z(open(proc, O_RDWR));
    E(linkat(AT_FDCWD, proc, AT_FDCWD, "viaproc", AT_SYMLINK_FOLLOW));
    E(fchmodat(AT_FDCWD, proc, 0640, 0));
    int lp = open("lf", O_PATH | O_NOFOLLOW);
    E(readlinkat(lp, "", b, 8));
    E(readlinkat(p, "", b, 8));
    E(fstatat(lp, "", &st, AT_EMPTY_PATH));
    say("%o %ld", st.st_mode, (long)st.st_size);
    E(fchownat(lp, "", -1, -1, AT_EMPTY_PATH));
    sprintf(proc, "/proc/self/fd/%d", lp);
    E(open(proc, O_RDONLY));
    E(openat(p, "", O_RDONLY));
    E(faccessat(p, "", R_OK, AT_EMPTY_PATH));
    E(fchmodat(lp, "", 0600, AT_EMPTY_PATH));
    // tmpfile
    int t = open(".", O_TMPFILE | O_RDWR, 0644);
    fstat(t, &st);
    say("nlink %ld mode %o", (long)st.st_nlink, st.st_mode);
    sprintf(proc, "/proc/self/fd/%d", t);
    E(linkat(AT_FDCWD, proc, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    fstat(t, &st);
    say("nlink %ld", (long)st.st_nlink);
    t = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0644);
    sprintf(proc, "/proc/self/fd/%d", t);
    E(linkat(AT_FDCWD, proc, AT_FDCWD, "named2", AT_SYMLINK_FOLLOW));
    // openat2
    E(openat2(AT_FDCWD, "f", O_RDONLY, 0, 0, 0));
    E(openat2(AT_FDCWD, "f", O_RDONLY, 0, 0, 8));
    Z(openat2(AT_FDCWD, "f", O_RDONLY, 0, 0, 24));
    Z(openat2(AT_FDCWD, "f", O_RDONLY, 0, 0, 32));
    E(openat2(AT_FDCWD, "f", O_RDONLY, 0600, 0, 24));
    E(openat2(AT_FDCWD, "f", 0x40000000, 0, 0, 24));
    E(openat2(AT_FDCWD, "f", O_CREAT, 010000, 0, 24));
    E(openat2(AT_FDCWD, "f", O_RDONLY, 0, 0x100, 24));
    E(openat2(AT_FDCWD, "f", O_PATH | O_RDWR, 0, 0, 24));
    Z(openat2(AT_FDCWD, "f", O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, 0, 24));
    E(openat2(AT_FDCWD, "lf", O_RDONLY, 0, RESOLVE_NO_SYMLINKS, 24));
    E(openat2(AT_FDCWD, "ld/x", O_RDONLY, 0, RESOLVE_NO_SYMLINKS, 24));
    E(openat2(dd, "../f", O_RDONLY, 0, RESOLVE_BENEATH, 24));
    E(openat2(dd, "/f", O_RDONLY, 0, RESOLVE_BENEATH, 24));
    Z(openat2(dd, "x", O_RDONLY, 0, RESOLVE_BENEATH, 24));
    Z(openat2(dd, "/x", O_RDONLY, 0, RESOLVE_IN_ROOT, 24));
    Z(openat2(dd, "../../x", O_RDONLY, 0, RESOLVE_IN_ROOT, 24));
    E(openat2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS, 24));
    E(openat2(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, RESOLVE_NO_XDEV, 24));
    E(openat2(AT_FDCWD, "f", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT, 24));
    E(openat2(AT_FDCWD, "f", O_RDWR | O_CREAT, 0600, RESOLVE_CACHED, 24) < -1);
    E(openat2(AT_FDCWD, "f", O_RDONLY | O_TRUNC, 0, RESOLVE_CACHED, 24));
    E(syscall(SYS_openat2, AT_FDCWD, "f", BAD, 24));
    E(syscall(SYS_openat2, AT_FDCWD, "f", &st, 1 << 20));
    struct {
        struct open_how h;
        uint64_t x;
    } nz = {{0}, 1};
    E(syscall(SYS_openat2, AT_FDCWD, "f", &nz, 32));
    // executable busy
    E(open("/proc/self/exe", O_WRONLY));
    if (1) {
        int i;
        struct rlimit rl = {20, 20};
        setrlimit(RLIMIT_NOFILE, &rl);
        for (i = 3; i < 30; i++)
            close(i);
        for (i = 0; i < 30; i++)
            if (open("f", 0) < 0)
                break;
        say("stopped at %d %s", i, name_of(errno));
        E(dup(0));
        E(fcntl(0, F_DUPFD, 20));
        E(fcntl(0, F_DUPFD, 19));
        E(dup2(0, 20));
        E(dup2(0, 19));
        E(pipe((int *)b));
        E(socket(AF_UNIX, SOCK_STREAM, 0));
        E(epoll_create1(0));
        E(eventfd(0, 0));
        E(timerfd_create(CLOCK_REALTIME, 0));
        E(memfd_create("a", 0));
    }
    return 0;
}
