// What the programs about ptrace(2) have in common.
#include "check.h"
#include <elf.h>
#include <linux/ptrace.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/user.h>

static inline long pt(int request, pid_t pid, void *addr, void *data) {
    return syscall(SYS_ptrace, request, pid, addr, data);
}
#define P(request, pid, addr, data)                                                                \
    (errno = 0, show(#request " " #addr " " #data,                                                 \
                     pt(request, pid, (void *)(long)(addr), (void *)(long)(data))))

// Waits for one stop or end and says all there is about it.
static inline int stop(const char *what, pid_t pid) {
    int s = 0;
    pid_t got = waitpid(pid, &s, __WALL);
    if (got != pid) {
        say("%s: wait %d %s", what, got, name_of(errno));
        return -1;
    }
    status(what, s);
    if (WIFSTOPPED(s)) {
        siginfo_t i;
        unsigned long message = 77;
        memset(&i, 0, sizeof i);
        if (pt(PTRACE_GETSIGINFO, pid, 0, &i) < 0)
            say("  no info: %s", name_of(errno));
        else
            say("  info %d %d %x %s", i.si_signo, i.si_errno, i.si_code,
                i.si_pid == 0          ? "nobody"
                : i.si_pid == pid      ? "itself"
                : i.si_pid == getpid() ? "tracer"
                                       : "other");
        pt(PTRACE_GETEVENTMSG, pid, 0, &message);
        say("  message %s", message == 0    ? "0"
                            : message < 3   ? "call"
                            : message == 77 ? "none"
                                            : "more");
    }
    return s;
}

// A child in pause(2): it said so, and has had its time since.
static inline pid_t sleeper(void) {
    int p[2];
    char c;
    pipe(p);
    pid_t pid = fork();
    if (pid == 0) {
        write(p[1], "x", 1);
        for (;;)
            pause();
    }
    read(p[0], &c, 1);
    close(p[0]);
    close(p[1]);
    ms(50);
    return pid;
}

static inline void finish(pid_t pid) {
    kill(pid, SIGKILL);
    int s;
    while (waitpid(pid, &s, __WALL) == pid && !WIFSIGNALED(s) && !WIFEXITED(s)) {
    }
    status("ends", s);
}

static inline void none(const char *what, pid_t pid, int flags) {
    int s = 0;
    ms(30);
    say("%s: %d", what, waitpid(pid, &s, WNOHANG | flags) > 0);
}

static inline char state(pid_t pid) {
    char path[64], line[256] = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY);
    read(fd, line, sizeof line - 1);
    close(fd);
    char *p = strrchr(line, ')');
    return p ? p[2] : '-';
}

static inline int tracer_of(pid_t pid) {
    char path[64], text[4096] = {0};
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    int fd = open(path, O_RDONLY);
    read(fd, text, sizeof text - 1);
    close(fd);
    char *p = strstr(text, "TracerPid:");
    return p ? atoi(p + 10) == getpid() ? 1 : atoi(p + 10) != 0 ? 2 : 0 : -1;
}
