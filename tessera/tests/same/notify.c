// seccomp_unotify(2): a listener that hears of system calls and says what becomes of them.
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ptrace.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV 32
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS _IOW('!', 4, __u64)
#endif
#ifndef PTRACE_O_SUSPEND_SECCOMP
#define PTRACE_O_SUSPEND_SECCOMP (1 << 21)
#endif
#define SECCOMP(...) syscall(SYS_seccomp, __VA_ARGS__)
#define LISTEN SECCOMP_FILTER_FLAG_NEW_LISTENER
#define CALL syscall(SYS_getpgid, 0x12345678)

static struct sock_fprog program(long nr, unsigned action) {
    static struct sock_filter f[4];
    struct sock_filter new[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    memcpy(f, new, sizeof new);
    return (struct sock_fprog){4, f};
}

static int filter(long nr, unsigned action, unsigned flags) {
    struct sock_fprog p = program(nr, action);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return SECCOMP(SECCOMP_SET_MODE_FILTER, flags, &p);
}

// A listener for getpgid, and a child that calls it and says what it saw.
static int listener;

static pid_t asker(unsigned flags, const char *what, int calls) {
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    pid_t child = fork();
    if (child == 0) {
        int fd = filter(SYS_getpgid, SECCOMP_RET_USER_NOTIF, LISTEN | flags);
        struct iovec v = {"x", 1};
        char control[CMSG_SPACE(sizeof fd)] = {0};
        struct msghdr m = {0, 0, &v, 1, control, sizeof control};
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
        sendmsg(pair[1], &m, 0);
        close(fd), close(pair[0]), close(pair[1]);
        for (int i = 0; i < calls; i++) {
            errno = 0;
            long r = CALL;
            say("%s: %ld %s", what, r, name_of(errno));
        }
        _exit(0);
    }
    char b, control[CMSG_SPACE(sizeof listener)];
    struct iovec v = {&b, 1};
    struct msghdr m = {0, 0, &v, 1, control, sizeof control};
    close(pair[1]);
    recvmsg(pair[0], &m, 0);
    memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof listener);
    close(pair[0]);
    return child;
}

static struct seccomp_notif request;

static long receive(void) {
    memset(&request, 0, sizeof request);
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request);
}

static long answer(unsigned long id, long val, int error, unsigned flags) {
    struct seccomp_notif_resp r = {id, val, error, flags};
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

static long add(unsigned flags, int source, int to, unsigned fd_flags) {
    struct seccomp_notif_addfd a = {request.id, flags, source, to, fd_flags};
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
}

// The child goes on and speaks for itself.
static void goes_on(long r) {
    if (r < 0) say("not answered: %s", name_of(errno));
}

static void polled(const char *what) {
    struct pollfd p = {listener, POLLIN | POLLOUT};
    int n = poll(&p, 1, 0);
    say("%s: %d %x", what, n, n > 0 ? p.revents : 0);
}

static void end(pid_t child) {
    int s;
    waitpid(child, &s, 0);
    status("child", s);
    close(listener);
}

static void arguments(void) {
    unsigned short sizes[4] = {0};
    unsigned action = SECCOMP_RET_USER_NOTIF;
    E(SECCOMP(SECCOMP_GET_ACTION_AVAIL, 0, &action));
    E(SECCOMP(SECCOMP_GET_NOTIF_SIZES, 0, sizes));
    say("%u %u %u %u", sizes[0], sizes[1], sizes[2], sizes[3]);
    E(SECCOMP(SECCOMP_GET_NOTIF_SIZES, 1, sizes));
    E(SECCOMP(SECCOMP_GET_NOTIF_SIZES, 0, BAD));
    for (unsigned flags = 0; flags < 128; flags++) {
        pid_t child = fork();
        if (!child) {
            long r = filter(SYS_getpgid, SECCOMP_RET_ALLOW, flags);
            _exit(r < 0 ? errno : flags & LISTEN ? 200 + (r > 2) : 100 + r);
        }
        int s;
        waitpid(child, &s, 0);
        say("flags %u: %d", flags, WEXITSTATUS(s));
    }
    CHILD("two listeners", ({
        int fd = filter(SYS_getpgid, SECCOMP_RET_USER_NOTIF, LISTEN);
        say("%d %x", fd > 2, fcntl(fd, F_GETFD));
        E(filter(SYS_getpgid, SECCOMP_RET_USER_NOTIF, LISTEN));
        E(filter(SYS_getsid, SECCOMP_RET_USER_NOTIF, 0));
        E(syscall(SYS_getsid, 0));
        close(fd);
        E(CALL);
        E(filter(SYS_getpgid, SECCOMP_RET_USER_NOTIF, LISTEN));
    }));
    CHILD("no descriptor", ({
        struct rlimit l = {0, 0};
        setrlimit(RLIMIT_NOFILE, &l);
        E(filter(SYS_getpgid, SECCOMP_RET_ERRNO | 7, LISTEN));
        E(CALL);
    }));
}

static void answers(void) {
    pid_t child = asker(0, "answered", 8);
    E(receive());
    say("pid %d flags %u nr %d arch %x args %llx", request.pid == child, request.flags,
        request.data.nr == SYS_getpgid, request.data.arch, request.data.args[0]);
    unsigned long id = request.id;
    polled("received");
    E(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id));
    E(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &(long){id + 1}));
    E(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, BAD));
    E(ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1));
    E(ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 2));
    E(ioctl(listener, _IO('!', 9)));
    E(ioctl(listener, FIOQSIZE, &id));
    E(ioctl(listener, TCGETS, &id));
    E(read(listener, &id, 8));
    E(write(listener, &id, 8));
    E(lseek(listener, 0, SEEK_SET));
    E(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, BAD));
    E(answer(id, 1, 0, 2));
    E(answer(id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
    E(answer(id, 0, 1, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
    E(answer(id + 1, 1, 0, 0));
    goes_on(answer(id, 77, 0, 0));
    while (poll(&(struct pollfd){listener, POLLIN}, 1, -1) != 1) {
    }
    polled("the next");
    E(answer(id + 1, 1, 0, 0));
    E(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &(long){id + 1}));
    request.id = 1;
    E(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request));
    E(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, BAD));
    E(receive());
    say("next %d", request.id == id + 1);
    goes_on(answer(request.id, 0, -EXDEV, 0));
    E(receive());
    goes_on(answer(request.id, 5, -ENOENT, 0));
    E(receive());
    goes_on(answer(request.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
    E(receive());
    goes_on(answer(request.id, 0, 0, 0));
    E(receive());
    goes_on(answer(request.id, -77, 0, 0));
    E(receive());
    goes_on(answer(request.id, 0, 3, 0));
    // The last is for nobody.
    E(receive());
    close(listener);
    listener = open("/dev/null", O_RDONLY);
    end(child);
}

static void files(void) {
    pid_t child = asker(0, "file", 4);
    int f = open("f", O_RDWR | O_CREAT, 0600);
    E(receive());
    E(add(0, -1, 0, 0));
    E(add(0, f, 7, 0));
    E(add(4, f, 0, 0));
    E(add(0, f, 0, O_NONBLOCK));
    E(add(SECCOMP_ADDFD_FLAG_SETFD, f, 55, O_CLOEXEC));
    E(add(SECCOMP_ADDFD_FLAG_SETFD, f, 55, 0));
    E(add(SECCOMP_ADDFD_FLAG_SETFD, f, 1 << 24, 0));
    E(add(SECCOMP_ADDFD_FLAG_SEND | SECCOMP_ADDFD_FLAG_SETFD, f, 1 << 24, 0));
    Z(add(0, f, 0, 0));
    struct stat a, b;
    char name[64];
    sprintf(name, "/proc/%d/fd/55", child);
    say("same %d", stat(name, &a) == 0 && fstat(f, &b) == 0 && a.st_ino == b.st_ino);
    char raw[64] = {0};
    struct seccomp_notif_addfd *large = (void *)raw;
    *large = (struct seccomp_notif_addfd){request.id, SECCOMP_ADDFD_FLAG_SETFD, f, 56, 0};
    E(ioctl(listener, _IOC(_IOC_WRITE, '!', 3, 64), raw));
    raw[40] = 1;
    E(ioctl(listener, _IOC(_IOC_WRITE, '!', 3, 64), raw));
    E(ioctl(listener, _IOC(_IOC_WRITE, '!', 3, 23), raw));
    E(ioctl(listener, _IOC(_IOC_WRITE, '!', 3, 4096), raw));
    goes_on(add(SECCOMP_ADDFD_FLAG_SEND | SECCOMP_ADDFD_FLAG_SETFD, f, 60, 0));
    E(receive());
    goes_on(answer(request.id, 1, 0, 0));
    E(receive());
    struct rlimit none = {0, 0};
    prlimit(child, RLIMIT_NOFILE, &none, NULL);
    E(add(0, f, 0, 0));
    E(add(SECCOMP_ADDFD_FLAG_SEND, f, 0, 0));
    E(add(SECCOMP_ADDFD_FLAG_SETFD, f, 55, 0));
    goes_on(answer(request.id, 2, 0, 0));
    E(receive());
    kill(child, SIGKILL);
    struct pollfd p = {listener, POLLIN};
    while (poll(&p, 1, -1) != 1) {
    }
    say("gone %x", p.revents);
    E(add(0, f, 0, 0));
    E(answer(request.id, 2, 0, 0));
    E(receive());
    polled("gone");
    end(child);
}

static int caught;

static void catch (int signo) { caught++; }

static void sleeps(pid_t p, char how) {
    char name[32], line[256] = "", state = 0;
    sprintf(name, "/proc/%d/stat", p);
    while (state != how) {
        FILE *f = fopen(name, "r");
        if (!f) return;
        fgets(line, sizeof line, f);
        fclose(f);
        state = strrchr(line, ')')[2];
        usleep(1000);
    }
}

static void signals(void) {
    for (int restart = 0; restart < 2; restart++) {
        struct sigaction a = {.sa_handler = catch, .sa_flags = restart ? SA_RESTART : 0};
        sigaction(SIGUSR1, &a, NULL);
        pid_t child = asker(0, restart ? "restarted" : "broken off", 1);
        E(receive());
        unsigned long id = request.id;
        kill(child, SIGUSR1);
        if (restart) {
            struct pollfd p = {listener, POLLIN};
            while (poll(&p, 1, -1) != 1) {
            }
            E(answer(id, 5, 0, 0));
            E(receive());
            say("anew %d", request.id != id);
            goes_on(answer(request.id, 6, 0, 0));
        }
        end(child);
    }
    // What has been received is answered first.
    pid_t child = asker(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, "killable", 1);
    E(receive());
    kill(child, SIGUSR1);
    sleeps(child, 'D');
    goes_on(answer(request.id, 7, 0, 0));
    end(child);
    child = asker(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, "killed", 1);
    E(receive());
    kill(child, SIGKILL);
    end(child);
    // What waits to be received.
    child = asker(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, "anew", 1);
    while (poll(&(struct pollfd){listener, POLLIN}, 1, -1) != 1) {
    }
    sleeps(child, 'S');
    kill(child, SIGUSR1);
    do usleep(1000);
    while (poll(&(struct pollfd){listener, POLLIN}, 1, -1) != 1);
    long r;
    while ((r = receive()) < 0 && errno == ENOENT) {
    }
    say("received %ld", r);
    goes_on(answer(request.id, 8, 0, 0));
    end(child);
    // A receiver that a signal reaches.
    child = asker(0, "not asked", 0);
    struct sigaction a = {.sa_handler = catch};
    sigaction(SIGALRM, &a, NULL);
    waitpid(child, NULL, 0);
    E(receive());
    polled("nobody");
    close(listener);
}

static void tracing(void) {
    struct sock_filter code[8];
    struct {
        unsigned long number, flags;
    } data = {0, 9};
    pid_t child = fork();
    if (!child) {
        ptrace(PTRACE_TRACEME);
        filter(SYS_getpgid, SECCOMP_RET_ERRNO | 11, 0);
        filter(SYS_getsid, SECCOMP_RET_ERRNO | 12, SECCOMP_FILTER_FLAG_LOG);
        raise(SIGSTOP);
        E(CALL);
        raise(SIGSTOP);
        E(CALL);
        _exit(0);
    }
    int s;
    waitpid(child, &s, 0);
#define FILTER 0x420c
#define METADATA 0x420d
    for (int i = 0; i < 3; i++) {
        memset(code, 0, sizeof code);
        E(syscall(SYS_ptrace, FILTER, child, i, code));
        say("  %x %x", code[1].k, code[2].k);
        data.number = i, data.flags = 9;
        E(syscall(SYS_ptrace, METADATA, child, sizeof data, &data));
        say("  %lu %lu", data.number, data.flags);
    }
    E(syscall(SYS_ptrace, FILTER, child, 0, NULL));
    E(syscall(SYS_ptrace, FILTER, child, 0, BAD));
    E(syscall(SYS_ptrace, FILTER, child, -1, NULL));
    data.number = 1;
    E(syscall(SYS_ptrace, METADATA, child, 7, &data));
    E(syscall(SYS_ptrace, METADATA, child, 8, &data));
    E(syscall(SYS_ptrace, METADATA, child, 12, &data));
    E(syscall(SYS_ptrace, METADATA, child, 100, &data));
    E(syscall(SYS_ptrace, METADATA, child, 100, BAD));
    E(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_SUSPEND_SECCOMP));
    ptrace(PTRACE_CONT, child, 0, 0);
    waitpid(child, &s, 0);
    E(ptrace(PTRACE_SETOPTIONS, child, 0, 0));
    ptrace(PTRACE_CONT, child, 0, 0);
    waitpid(child, &s, 0);
    status("child", s);
    // Whoever is filtered saves nobody's filters.
    child = fork();
    if (!child) {
        pause();
        _exit(0);
    }
    CHILD("filtered", ({
        filter(SYS_getpgid, SECCOMP_RET_ERRNO | 11, 0);
        E(ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_SUSPEND_SECCOMP));
        E(ptrace(PTRACE_SEIZE, child, 0, 1 << 22));
    }));
    E(ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_SUSPEND_SECCOMP));
    kill(child, SIGKILL);
    waitpid(child, &s, 0);
}

int main(int c, char **v) {
    begin(v);
    arguments();
    answers();
    files();
    signals();
    tracing();
    return 0;
}
