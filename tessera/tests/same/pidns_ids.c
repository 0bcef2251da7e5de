// Numbers of processes in PID namespaces, wherever else they go in or come out.
#include "pidns.h"
#include <linux/futex.h>
#include <mqueue.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <pty.h>

static int outer, from_outside[2];

static void send_creds(int s, int pid) {
    char b = 'x', room[CMSG_SPACE(sizeof(struct ucred))] = "";
    struct iovec v = {&b, 1};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_CREDENTIALS, c->cmsg_len = CMSG_LEN(sizeof(struct ucred));
    *(struct ucred *)CMSG_DATA(c) = (struct ucred){pid, geteuid(), getegid()};
    E(sendmsg(s, &h, 0));
}

static int creds_of(int s) {
    char b, room[256];
    struct iovec v = {&b, 1};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct pollfd here = {s, POLLIN};
    poll(&here, 1, 2000);
    if (recvmsg(s, &h, MSG_DONTWAIT) < 0) return -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c))
        if (c->cmsg_type == SCM_CREDENTIALS) return ((struct ucred *)CMSG_DATA(c))->pid;
    return -1;
}

static int peer_of(int s) {
    struct ucred u = {-1};
    socklen_t n = sizeof u;
    getsockopt(s, SOL_SOCKET, SO_PEERCRED, &u, &n);
    return u.pid;
}

static void sockets(void) {
    int on = 1, p[2], far[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, far);
    setsockopt(far[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    setsockopt(far[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    send(far[0], "", 1, 0);
    pid_t c = enter(0);
    if (!c) {
        socketpair(AF_UNIX, SOCK_DGRAM, 0, p);
        setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
        say("peer %d", peer_of(p[1]));
        say("peer from outside %d", peer_of(far[1]));
        send_creds(p[0], getpid());
        say("from %d", creds_of(p[1]));
        send_creds(p[0], 77);
        send(p[0], "", 1, 0);
        say("from %d", creds_of(p[1]));
        pid_t k = fork();
        if (!k) {
            send(p[0], "", 1, 0);
            pause();
        }
        say("from %d", creds_of(p[1]));
        send_creds(p[0], k);
        say("from %d", creds_of(p[1]));
        send(far[1], "", 1, 0);
        say("from outside %d", creds_of(far[1]));
        if (!fork()) {
            send(p[0], "", 1, 0);
            _exit(0);
        }
        wait(NULL);
        say("from who has ended %d", creds_of(p[1]));
        int l = socket(AF_UNIX, SOCK_STREAM, 0), s;
        struct sockaddr_un {
            unsigned short f;
            char n[20];
        } a = {AF_UNIX, "\0pidns-ids"};
        E(bind(l, (void *)&a, 2 + 10));
        E(listen(l, 1));
        if (!fork()) {
            s = socket(AF_UNIX, SOCK_STREAM, 0);
            connect(s, (void *)&a, 12);
            say("server %d", peer_of(s));
            send(s, "", 1, 0);
            pause();
        }
        char b;
        s = accept(l, 0, 0);
        read(s, &b, 1);
        say("client %d", peer_of(s));
        _exit(0);
    }
    int who = creds_of(far[0]), s = 0;
    waitpid(c, &s, 0);
    status("sockets", s);
    say("from inside %d", who == c);
}

static void files(void) {
    INSIDE("files", {
        int p[2];
        struct f_owner_ex o;
        socketpair(AF_UNIX, SOCK_STREAM, 0, p);
        E(fcntl(p[0], F_SETOWN, getpid()));
        E(fcntl(p[0], F_GETOWN));
        E(fcntl(p[0], F_SETOWN, 77));
        E(fcntl(p[0], F_SETOWN, outer));
        E(fcntl(p[0], F_SETOWN, -1));
        setpgid(0, 0);
        E(fcntl(p[0], F_SETOWN, -1));
        E(fcntl(p[0], F_GETOWN));
        E(fcntl(p[0], F_GETOWN_EX, &o));
        say("type %d owner %d", o.type, o.pid);
        o = (struct f_owner_ex){F_OWNER_TID, 1};
        E(fcntl(p[0], F_SETOWN_EX, &o));
        int n = 1;
        E(ioctl(p[0], FIOSETOWN, &n));
        E(ioctl(p[0], FIOGETOWN, &n));
        say("owner %d", n);
        int f = open("f", O_RDWR | O_CREAT, 0600);
        struct flock l = {.l_type = F_WRLCK, .l_len = 1};
        E(fcntl(f, F_SETLK, &l));
        if (!fork()) {
            l = (struct flock){.l_type = F_WRLCK, .l_len = 1};
            E(fcntl(f, F_GETLK, &l));
            say("held by %d", l.l_pid);
            _exit(0);
        }
        wait(NULL);
        l = (struct flock){.l_type = F_WRLCK, .l_start = 10, .l_len = 1};
        E(fcntl(f, F_GETLK, &l));
        say("held by %d, type %d", l.l_pid, l.l_type);
    });
}

static void ipc(void) {
    INSIDE("ipc", {
        int q = msgget(IPC_PRIVATE, 0600), s = semget(IPC_PRIVATE, 1, 0600), m = shmget(IPC_PRIVATE, 4096, 0600);
        struct { long t; char c; } b = {1};
        struct msqid_ds ms_;
        struct shmid_ds sh;
        msgsnd(q, &b, 1, 0);
        E(msgctl(q, IPC_STAT, &ms_));
        say("sent by %d, read by %d", ms_.msg_lspid, ms_.msg_lrpid);
        E(semctl(s, 0, SETVAL, 1));
        E(semctl(s, 0, GETPID));
        void *at = shmat(m, NULL, 0);
        E(shmctl(m, IPC_STAT, &sh));
        say("made by %d, used by %d", sh.shm_cpid, sh.shm_lpid);
        pid_t c = fork();
        if (!c) {
            msgrcv(q, &b, 1, 0, 0);
            struct sembuf o = {0, 1, 0};
            semop(s, &o, 1);
            pause();
        }
        ms(50);
        E(msgctl(q, IPC_STAT, &ms_));
        say("sent by %d, read by %d", ms_.msg_lspid, ms_.msg_lrpid);
        E(semctl(s, 0, GETPID));
        kill(c, SIGKILL);
        wait(NULL);
        E(msgctl(q, IPC_STAT, &ms_));
        say("sent by %d, read by %d", ms_.msg_lspid, ms_.msg_lrpid);
        E(semctl(s, 0, GETPID));
        msgctl(q, IPC_RMID, 0);
        semctl(s, 0, IPC_RMID);
        shmctl(m, IPC_RMID, 0);
    });
}

static void queues(void) {
    INSIDE("message queue", {
        char name[32];
        snprintf(name, sizeof name, "/pidns-%d", outer);
        struct mq_attr a = {.mq_maxmsg = 2, .mq_msgsize = 8};
        mqd_t q = mq_open(name, O_RDWR | O_CREAT, 0600, &a);
        mq_unlink(name);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, NULL);
        struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
        E(mq_notify(q, &e));
        if (!fork()) {
            mq_send(q, "x", 1, 0);
            _exit(0);
        }
        siginfo_t i;
        sigwaitinfo(&set, &i);
        say("code %d from %d", i.si_code, i.si_pid);
        wait(NULL);
    });
}

static int word __attribute__((aligned(64)));

static void *pi_holder(void *x) {
    E(syscall(SYS_futex, &word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    ms(100);
    syscall(SYS_futex, &word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    return NULL;
}

static void futexes(void) {
    INSIDE("futexes", {
        E(syscall(SYS_futex, &word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
        say("word %x", word);
        E(syscall(SYS_futex, &word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
        E(syscall(SYS_futex, &word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
        pthread_t t;
        pthread_create(&t, NULL, pi_holder, NULL);
        ms(30);
        say("word %x", word);
        E(syscall(SYS_futex, &word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
        say("word %x", word);
        pthread_join(t, NULL);
        word = 77;
        E(syscall(SYS_futex, &word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
        word = outer;
        E(syscall(SYS_futex, &word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
        void *at;
        size_t n;
        E(syscall(SYS_get_robust_list, 1, &at, &n));
        E(syscall(SYS_get_robust_list, outer, &at, &n));
    });
    int *shared = mmap(NULL, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    INSIDE("robust", {
        pid_t c = fork();
        if (!c) {
            static struct {
                struct robust_list_head h;
            } r;
            struct robust_list *entry = (void *)(shared + 2);
            r.h.list.next = entry;
            r.h.futex_offset = 16;
            entry->next = &r.h.list;
            syscall(SYS_set_robust_list, &r.h, sizeof r.h);
            *(int *)((char *)entry + 16) = getpid() | FUTEX_WAITERS;
            _exit(0);
        }
        waitpid(c, NULL, 0);
        say("owner died %x", *(int *)((char *)(shared + 2) + 16));
    });
}

static void others(void) {
    INSIDE("others", {
        struct rlimit r;
        E(syscall(SYS_prlimit64, outer, RLIMIT_CORE, NULL, &r));
        E(syscall(SYS_prlimit64, 1, RLIMIT_CORE, NULL, &r));
        E(getpriority(PRIO_PROCESS, outer));
        E(getpriority(PRIO_PROCESS, 1));
        E(getpriority(PRIO_PGRP, 1));
        E(setpriority(PRIO_PROCESS, outer, 0));
        E(sched_getscheduler(outer));
        E(sched_getscheduler(1));
        E(syscall(SYS_ioprio_get, 1, outer));
        cpu_set_t set;
        E(sched_getaffinity(outer, sizeof set, &set));
        E(sched_getaffinity(1, sizeof set, &set) == 0);
        char here[4] = "abc";
        char there[4] = "";
        struct iovec a = {there, 4};
        struct iovec b = {here, 4};
        E(process_vm_readv(1, &a, 1, &b, 1, 0));
        E(process_vm_readv(outer, &a, 1, &b, 1, 0));
        E(syscall(SYS_kcmp, 1, 1, 1, 0, 0));
        E(syscall(SYS_kcmp, 1, outer, 1, 0, 0));
        E(syscall(SYS_pidfd_open, outer, 0));
        E(syscall(SYS_pidfd_open, 1, 0) > 0);
        E(ptrace(PTRACE_ATTACH, outer, 0, 0));
        E(kill(outer, 0));
        E(syscall(SYS_tgkill, outer, outer, 0));
        E(syscall(SYS_tgkill, 1, 1, 0));
        E(getpgid(outer));
        E(getsid(outer));
        clockid_t clock;
        struct timespec t;
        E(clock_getcpuclockid(1, &clock));
        E(clock_gettime(clock, &t));
        say("clock %d", clock_getcpuclockid(outer, &clock));
        timer_t id;
        struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
        e._sigev_un._tid = syscall(SYS_gettid);
        E(timer_create(CLOCK_MONOTONIC, &e, &id));
        e._sigev_un._tid = outer;
        E(timer_create(CLOCK_MONOTONIC, &e, &id));
        struct { unsigned v; int pid; } h = {0x20080522, outer};
        unsigned data[6];
        E(syscall(SYS_capget, &h, data));
        h.pid = 1;
        E(syscall(SYS_capget, &h, data));
        // Through a descriptor from outside, nobody outside can be signalled.
        E(syscall(SYS_pidfd_send_signal, from_outside[0], 0, NULL, 0));
        siginfo_t i;
        E(waitid(P_PIDFD, from_outside[0], &i, WEXITED | WNOHANG));
        E(setpgid(outer, 0));
    });
}

static void traced(void) {
    INSIDE("traced", {
        pid_t c = fork();
        if (!c) {
            ptrace(PTRACE_TRACEME, 0, 0, 0);
            raise(SIGSTOP);
            if (!fork()) _exit(0);
            wait(NULL);
            execl("/bin/true", "true", NULL);
            _exit(1);
        }
        int s;
        E(waitpid(c, &s, 0));
        status("stop", s);
        siginfo_t i;
        E(ptrace(PTRACE_GETSIGINFO, c, 0, &i));
        say("sent by %d", i.si_pid);
        E(ptrace(PTRACE_SETOPTIONS, c, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC));
        E(ptrace(PTRACE_CONT, c, 0, 0));
        E(waitpid(c, &s, 0));
        status("event", s);
        unsigned long m;
        E(ptrace(PTRACE_GETEVENTMSG, c, 0, &m));
        say("message %lu", m);
        E(waitpid(m, &s, __WALL));
        status("child", s);
        E(ptrace(PTRACE_CONT, m, 0, 0));
        E(waitpid(m, &s, __WALL));
        status("child", s);
        E(ptrace(PTRACE_CONT, c, 0, 0));
        E(waitpid(c, &s, 0));
        status("told", s);
        E(ptrace(PTRACE_GETSIGINFO, c, 0, &i));
        say("by %d", i.si_pid);
        E(ptrace(PTRACE_CONT, c, 0, 0));
        E(waitpid(c, &s, 0));
        status("exec", s);
        E(ptrace(PTRACE_GETEVENTMSG, c, 0, &m));
        say("message %lu", m);
        E(ptrace(PTRACE_CONT, c, 0, 0));
        E(waitpid(c, &s, 0));
        status("end", s);
    });
    // A tracer outside: its numbers are its own.
    int go[2];
    pipe(go);
    pid_t c = enter(0);
    if (!c) {
        char b;
        read(go[0], &b, 1);
        if (!fork()) _exit(0);
        wait(NULL);
        _exit(0);
    }
    E(ptrace(PTRACE_SEIZE, c, 0, PTRACE_O_TRACEFORK));
    write(go[1], "", 1);
    int s = 0;
    E(waitpid(c, &s, 0) == c);
    status("event", s);
    unsigned long m;
    E(ptrace(PTRACE_GETEVENTMSG, c, 0, &m));
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%lu/status", m);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        int x, y;
        if (sscanf(line, "NSpid: %d %d", &x, &y) == 2) say("message %d, inside %d", x == m, y);
        if (sscanf(line, "TracerPid: %d", &x) == 1) say("traced by us %d", x == getpid());
    }
    E(waitpid(m, &s, __WALL) == m);
    E(ptrace(PTRACE_CONT, m, 0, 0));
    E(waitpid(m, &s, __WALL) == m);
    E(ptrace(PTRACE_CONT, c, 0, 0));
    E(waitpid(c, &s, 0) == c);
    status("told", s);
    E(ptrace(PTRACE_CONT, c, 0, 0));
    E(waitpid(c, &s, 0) == c);
    status("end", s);
}

static void last(void) {
    INSIDE("last", {
        int f = open("/proc/sys/kernel/ns_last_pid", O_RDWR);
        E(write(f, "100", 3));
        E(fork() ? 1 : (_exit(0), 0));
        E(wait(NULL));
        E(pwrite(f, "-1", 2, 0));
        E(pwrite(f, "5000000", 7, 0));
        E(pwrite(f, "0", 1, 0));
        E(fork() ? 1 : (_exit(0), 0));
        E(wait(NULL));
        FILE *l = fopen("/proc/loadavg", "r");
        int n = -1;
        fscanf(l, "%*s %*s %*s %*s %d", &n);
        say("last %d", n);
    });
}

static void terminal(void) {
    int m, s;
    if (openpty(&m, &s, NULL, NULL, NULL)) say("no terminal");
    INSIDE("terminal", {
        E(setsid());
        E(ioctl(s, TIOCSCTTY, 0));
        E(tcgetpgrp(s));
        E(tcgetsid(s));
        signal(SIGTTOU, SIG_IGN);
        pid_t c = fork();
        if (!c) {
            setpgid(0, 0);
            E(tcsetpgrp(s, getpid()));
            E(tcgetpgrp(s));
            _exit(0);
        }
        wait(NULL);
        E(tcsetpgrp(s, 77));
        E(tcsetpgrp(s, outer));
        E(tcsetpgrp(s, 1));
        E(tcgetpgrp(m));
    });
}

int main(int c, char **v) {
    begin(v);
    if (geteuid() == 0 && !may_unshare(CLONE_NEWPID))
        return UNKNOWN;
    if (geteuid()) {
        // Nobody but the superuser, whose signals below may not miss.
        for (int i = 0; i < 6; i++) {
            E(enter(0));
            E(unshare(CLONE_NEWPID));
        }
        return 0;
    }
    outer = getpid();
    // The numbers of those inside are small.
    while (outer < 300) {
        pid_t p = fork();
        if (p) {
            int s;
            waitpid(p, &s, 0);
            _exit(WEXITSTATUS(s));
        }
        outer = getpid();
    }
    from_outside[0] = syscall(SYS_pidfd_open, outer, 0);
    sockets();
    files();
    ipc();
    queues();
    futexes();
    others();
    traced();
    last();
    terminal();
    return 0;
}
