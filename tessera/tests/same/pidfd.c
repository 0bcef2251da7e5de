// What pidfds tell of processes: ioctl_pidfd(2).
#include "check.h"

// `PIDFD_GET_INFO` of a size, and `PIDFD_GET_*_NAMESPACE`.
#define INFO(size) _IOC(_IOC_READ | _IOC_WRITE, 0xff, 11, size)
#define NAMESPACE(n) _IO(0xff, n)
enum { PID = 1, CREDS = 2, CGROUP = 4, EXIT = 8 };

struct info {
    uint64_t mask, cgroup;
    int32_t pid, tgid, ppid;
    uint32_t ids[8];
    int32_t exit_code;
    uint64_t rest[8];
};

static int open_pidfd(pid_t pid) { return syscall(SYS_pidfd_open, pid, 0); }

static void told(const char *what, int fd, uint64_t mask, unsigned size) {
    struct info i;
    memset(&i, 0xff, sizeof i);
    i.mask = mask;
    errno = 0;
    int r = ioctl(fd, INFO(size), &i);
    if (r < 0) {
        say("%s: %s", what, name_of(errno));
        return;
    }
    say("%s: %llx", what, i.mask & (PID | CREDS | CGROUP | EXIT));
    if (i.mask & PID) say("own child %d %d", i.pid == i.tgid, i.ppid == getpid());
    if (i.mask & CREDS)
        for (int n = 0; n < 8; n++)
            say("id %u", i.ids[n]);
    if (i.mask & CGROUP) say("group %d", i.cgroup != 0);
    if (i.mask & EXIT) say("ended %x", i.exit_code);
    for (int n = 0; n < 8; n++)
        if (size <= 64) say("beyond %d", i.rest[n] == -1UL);
}

static void ended(const char *what, int code, int signo) {
    pid_t p = fork();
    if (p == 0) {
        if (signo) raise(signo);
        _exit(code);
    }
    int fd = open_pidfd(p), s;
    waitpid(p, &s, 0);
    told(what, fd, EXIT, 64);
    told("without asking", fd, 0, 64);
    for (int n = 1; n <= 10; n++)
        E(ioctl(fd, NAMESPACE(n), 0));
    close(fd);
}

static void namespaces(int fd) {
    const char *names[] = {"cgroup", "ipc", "mnt",  "net", "pid", "pid_for_children", "time",
                           "time_for_children", "user", "uts"};
    for (int n = 1; n <= 10; n++) {
        int ns = ioctl(fd, NAMESPACE(n), 0);
        char path[64];
        struct stat a = {0}, b = {0};
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[n - 1]);
        fstat(ns, &a);
        stat(path, &b);
        say("%s: the same %d, cloexec %d", names[n - 1], ns >= 0 && a.st_ino == b.st_ino,
            fcntl(ns, F_GETFD));
        E(ioctl(fd, NAMESPACE(n), 1));
        close(ns);
    }
    E(ioctl(fd, NAMESPACE(0), 0));
    E(ioctl(fd, NAMESPACE(12), 0));
}

int main(int c, char **v) {
    begin(v);
    pid_t p = fork();
    if (p == 0) {
        pause();
        _exit(0);
    }
    int fd = open_pidfd(p), s;
    told("nothing", fd, 0, 64);
    told("the end", fd, EXIT, 64);
    told("all", fd, PID | CREDS | CGROUP | EXIT, 64);
    told("longer", fd, PID, 72);
    told("shorter", fd, 0, 63);
    told("much shorter", fd, 0, 4);
    E(ioctl(fd, INFO(64), 0));
    E(ioctl(fd, INFO(64), BAD));
    E(ioctl(fd, _IO(0xff, 11), BAD));
    E(ioctl(0x7fff, INFO(64), &s));
    E(ioctl(open(".", O_RDONLY), INFO(64), &s));
    namespaces(fd);
    kill(p, SIGKILL);
    siginfo_t info;
    waitid(P_PID, p, &info, WEXITED | WNOWAIT);
    E(ioctl(fd, INFO(64), 0));
    waitpid(p, &s, 0);
    told("gone", fd, EXIT, 64);
    ended("exit", 100, 0);
    ended("killed", 0, SIGKILL);
    ended("terminated", 0, SIGTERM);
    return 0;
}
