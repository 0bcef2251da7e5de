// One line a check: what was asked, and the value or the name of the error.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

// One write a line, so that children and parents do not mix and a crash loses nothing.
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    char line[4096];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(line, sizeof line - 1, format, list);
    va_end(list);
    if (n > (int)sizeof line - 2)
        n = sizeof line - 2;
    line[n++] = '\n';
    (void)!write(1, line, n);
}

static inline const char *name_of(int e) { return e ? strerrorname_np(e) : "0"; }

static inline long show(const char *what, long r) {
    if (r == -1 && errno)
        say("%s: %s", what, name_of(errno));
    else
        say("%s: %ld", what, r);
    return r;
}

// The value of a call that returns -1 and sets errno.
#define E(x) (errno = 0, show(#x, (long)(x)))
// The same where the value says nothing, an address or a number of something.
#define Z(x) (errno = 0, show(#x, (long)(x) == -1 ? -1 : 0))
#define BAD ((void *)0x10)

static inline void status(const char *what, int s) {
    if (WIFEXITED(s))
        say("%s: exit %d", what, WEXITSTATUS(s));
    else if (WIFSIGNALED(s))
        say("%s: signal %d", what, WTERMSIG(s));
    else if (WIFSTOPPED(s))
        say("%s: stopped %d %x", what, WSTOPSIG(s), s >> 16);
    else
        say("%s: continued %x", what, s);
}

// Runs a block in a child and says how it ended.
#define CHILD(what, ...)                                                                           \
    do {                                                                                           \
        pid_t child_ = fork();                                                                     \
        if (child_ == 0) {                                                                         \
            __VA_ARGS__;                                                                           \
            _exit(0);                                                                              \
        }                                                                                          \
        int status_ = 0;                                                                           \
        waitpid(child_, &status_, 0);                                                              \
        status(what, status_);                                                                     \
    } while (0)

static inline void ms(int n) {
    struct timespec t = {n / 1000, n % 1000 * 1000000L};
    while (nanosleep(&t, &t) < 0 && errno == EINTR) {
    }
}

// How a program ends whose host does not know what it checks.
#define UNKNOWN 77

// Begins in the folder of the first argument, as the user of the second; an alarm ends what hangs.
// Whether a process may have namespaces of its own: containers and distributions forbid them.
static inline int may_unshare(int flags) {
    int s = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(unshare(flags) != 0);
    waitpid(child, &s, 0);
    return s == 0;
}

static inline void begin(char **argv) {
    // Whoever started this may ignore signals, even those that the C library keeps for itself.
    unsigned long action[4] = {0};
    for (int i = 1; i <= 64; i++)
        syscall(SYS_rt_sigaction, i, action, NULL, 8);
    // In a sandbox the first process is init, which would change what orphans and groups do.
    pid_t whole = fork();
    if (whole) {
        int s;
        while (waitpid(whole, &s, 0) < 0 && errno == EINTR) {
        }
        if (WIFSIGNALED(s))
            say("killed by %d", WTERMSIG(s));
        exit(WIFEXITED(s) ? WEXITSTATUS(s) : 1);
    }
    umask(022);
    alarm(60);
    if (!argv[1] || chdir(argv[1]) < 0) {
        perror("a folder to work in");
        exit(2);
    }
    if (argv[2] && geteuid() == 0) {
        int id = atoi(argv[2]);
        // A program executed anew may look at itself in /proc as any of the user's may.
        if (setgroups(0, 0) || setgid(id) || setuid(id)) exit(2);
        execv(argv[0], (char *[]){argv[0], argv[1], NULL});
        exit(2);
    }
}
