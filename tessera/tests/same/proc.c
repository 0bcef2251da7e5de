// Processes: wait, clone, exec, groups, sessions, pidfds, usage.
#include "check.h"
#include <linux/sched.h>
#include <pthread.h>
static int put(const char *path, const char *text, int len) {
    int f = open(path, O_WRONLY), r;
    if (f < 0) return -2;
    r = write(f, text, len);
    close(f);
    return r;
}
static void told(const char *path) {
    char text[64];
    int f = open(path, O_RDONLY), n = read(f, text, sizeof text - 1);
    close(f);
    text[n < 0 ? 0 : n] = 0;
    say("%s: %s", path, text);
}
static int clone3(struct clone_args *a, size_t n) { return syscall(SYS_clone3, a, n); }
static void *thread(void *p) {
    ms(50);
    return 0;
}
static void *thread_exec(void *p) {
    char *a[] = {"sh", "-c", "test $(cat /proc/self/stat | cut -d' ' -f1) != 0 && echo from thread",
                 0};
    execv("/bin/sh", a);
    return 0;
}
static void *thread_exit(void *p) {
    ms(20);
    exit(9);
}
static void *leader_gone(void *p) {
    ms(80);
    say("still here");
    _exit(4);
}
static int pidfd_open_(int p, int f) { return syscall(SYS_pidfd_open, p, f); }
// The heading and the line of one object, with what differs from run to run as letters.
static void listed(const char *table, int id) {
    char line[500], path[40];
    snprintf(path, sizeof path, "/proc/sysvipc/%s", table);
    FILE *f = fopen(path, "r");
    if (f && fgets(line, sizeof line, f)) say("%s", line);
    while (f && fgets(line, sizeof line, f)) {
        if (atoi(line + 11) != id) continue;
        int column = 0, pids = *table == 'm' ? 5 : strcmp(table, "shm") ? 99 : 4;
        for (char *w = strtok(line, " \n"); w; w = strtok(0, " \n"), column++) {
            long n = atol(w);
            say("%s", column == 1         ? "id"
                      : n == getpid() && (column == pids || column == pids + 1) ? "self"
                      : n > 1000000000    ? "time"
                                          : w);
        }
    }
    if (f) fclose(f);
}
// A fork takes the permission to write from many places at once, while all other threads sleep.
static void *sleeper(void *p) {
    pause();
    return 0;
}
static void scattered(void) {
    enum { PAGES = 10000 };
    char *at = mmap(0, PAGES * 4096L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(at, 1, PAGES * 4096L);
    pthread_t t;
    pthread_create(&t, 0, sleeper, 0);
    for (int i = 0; i < 3; i++) {
        int p[2], sum = 0;
        pipe(p);
        pid_t child = fork();
        if (!child) {
            char go;
            read(p[0], &go, 1);
            for (int k = 0; k < PAGES; k++)
                sum += at[k * 4096L];
            _exit(sum == PAGES + i * (PAGES / 2));
        }
        for (int k = 0; k < PAGES; k += 2)
            at[k * 4096L]++;
        write(p[1], "", 1);
        int s;
        waitpid(child, &s, 0);
        status("its own memory", s);
    }
    munmap(at, PAGES * 4096L);
}
// Settings are for who their permissions say, whatever the capabilities are.
static void settings(void) {
    struct stat st;
    E(access("/proc/sys", W_OK));
    E(access("/proc/sys/kernel", R_OK));
    E(open("/proc/sys/kernel/osrelease", O_WRONLY));
    E(open("/proc/sys/kernel/no_such_one", O_CREAT | O_WRONLY, 0644));
    E(stat("/proc/sys/kernel", &st));
    say("links %d", (int)st.st_nlink);
    E(prctl(PR_SET_DUMPABLE, 0));
    E(stat("/proc/self", &st));
    say("own %d %d", st.st_uid == geteuid(), st.st_gid == getegid());
    E(stat("/proc/self/status", &st));
    say("root's %d %d", st.st_uid == 0, st.st_gid == 0);
    E(stat("/proc/self/fd", &st));
    say("root's %d", st.st_uid == 0);
    E(prctl(PR_SET_DUMPABLE, 1));
}

static void *asleep(void *p) {
    pause();
    return 0;
}

// Whoever is to have one thread looks at this (`nlink` of its directory of threads).
static void links(void) {
    struct stat st;
    pthread_t t;
    E(stat("/proc/self/task", &st));
    say("one thread: %d", (int)st.st_nlink);
    for (int i = 0; i < 2; i++)
        pthread_create(&t, 0, asleep, 0);
    E(stat("/proc/self/task", &st));
    say("three threads: %d", (int)st.st_nlink);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d", getpid());
    E(stat(path, &st));
    say("a thread: %d", (int)st.st_nlink);
    E(stat("/proc/self/fd", &st));
    say("descriptors: %d", (int)st.st_nlink);
}

// What a process has open it finds in /proc also where nobody may dump it.
static void undumpable(void) {
    char fd[64], to[64];
    E(prctl(PR_SET_DUMPABLE, 0));
    int f = open("/proc/self/comm", O_RDONLY);
    snprintf(fd, sizeof fd, "/proc/self/fd/%d", f);
    E(access("/proc/self/fd", R_OK | X_OK));
    E(open("/proc/self/fd", O_RDONLY | O_DIRECTORY) < 0);
    E(open(fd, O_RDONLY) < 0);
    E(readlink(fd, to, sizeof to) > 0);
    E(chdir("/proc/self/fd"));
    snprintf(fd, sizeof fd, "/proc/thread-self/fd/%d", f);
    E(open(fd, O_RDONLY) < 0);
    snprintf(fd, sizeof fd, "/proc/%d/fd/%d", getpid(), f);
    E(open(fd, O_RDONLY) < 0);
    CHILD("somebody else", E(access(fd, F_OK)));
}
// The log of the kernel, in which there may be anything: who may open it, and what is not read.
static void log_of_kernel(void) {
    struct stat s;
    E(stat("/proc/kmsg", &s));
    say("%o %d", s.st_mode, (int)s.st_size);
    int f = open("/proc/kmsg", O_RDONLY | O_NONBLOCK);
    say("%d", f < 0 ? errno : 0);
    char b[8];
    E(read(f, b, 0));
    E(lseek(f, 0, SEEK_SET));
    E(write(f, "x", 1));
}
int main(int c, char **v) {
    begin(v);
    int st, x;
    siginfo_t si;
    struct rusage ru;
    char *sh[] = {"sh", "-c", "exit 5", 0}, *none[] = {0};
    pid_t ch;
    E(waitpid(-1, &st, 0));
    E(waitpid(getpid(), &st, 0));
    E(waitpid(1, &st, WNOHANG));
    E(waitpid(-1, &st, 0x100));
    E(waitpid(INT_MIN, &st, 0));
    E(waitid(P_ALL, 0, &si, 0));
    E(waitid(P_ALL, 0, &si, WEXITED));
    E(waitid(9, 0, &si, WEXITED));
    E(syscall(SYS_waitid, 1L << 32 | P_ALL, 0, &si, WEXITED, NULL));
    E(waitid(P_PID, 0, &si, WEXITED));
    E(waitid(P_PID, -1, &si, WEXITED));
    E(waitid(P_PGID, -1, &si, WEXITED));
    E(waitid(P_PIDFD, -1, &si, WEXITED));
    E(waitid(P_PIDFD, 0, &si, WEXITED));
    E(waitid(P_ALL, 0, &si, WEXITED | 0x100));
    ch = fork();
    if (!ch)
        _exit(3);
    E(waitid(P_PID, ch, &si, WEXITED | WNOWAIT));
    say("code %d status %d signo %d pid %d uid %d", si.si_code, si.si_status, si.si_signo,
        si.si_pid == ch, si.si_uid == getuid());
    memset(&si, 1, sizeof si);
    E(waitid(P_PID, ch, &si, WSTOPPED | WNOHANG));
    say("pid %d signo %d", si.si_pid, si.si_signo);
    E(kill(ch, 0));
    E(kill(ch, SIGKILL));
    E(getpgid(ch) == getpgrp());
    E(setpgid(ch, 0));
    E(waitpid(ch, &st, WNOHANG) == ch);
    status("child", st);
    E(waitpid(ch, &st, 0));
    ch = fork();
    if (!ch) {
        ms(100);
        _exit(0);
    }
    E(waitpid(ch, &st, WNOHANG));
    E(waitpid(-getpgrp(), &st, 0) == ch);
    ch = fork();
    if (!ch)
        _exit(0);
    E(waitpid(0, BAD, 0));
    E(waitpid(ch, &st, 0));
    ch = fork();
    if (!ch)
        _exit(256 + 7);
    E(wait4(ch, &st, 0, &ru) == ch);
    status("low byte", st);
    ch = fork();
    if (!ch)
        _exit(0);
    E(waitid(P_PID, ch, 0, WEXITED));
    ch = fork();
    if (!ch)
        _exit(0);
    ms(30);
    E(wait4(ch, &st, WNOHANG | __WALL, BAD));
    E(wait4(ch, 0, 0, 0) > 0);
    // clone flags
    E(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0));
    E(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0));
    E(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0));
    E(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, BAD, 0, 0));
    E(syscall(SYS_clone, CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, 0, &x, 0, 0));
    int pfd = -1, tid = 0;
    struct clone_args ca = {0};
    ca.flags = CLONE_PIDFD | CLONE_PARENT_SETTID;
    ca.pidfd = (uint64_t)&pfd;
    ca.parent_tid = (uint64_t)&tid;
    ca.exit_signal = SIGCHLD;
    int hold[2];
    pipe(hold);
    ch = clone3(&ca, sizeof ca);
    if (!ch) {
        close(hold[1]);
        read(hold[0], &x, 1);
        _exit(11);
    }
    say("clone3 %d pidfd %d tid %d", ch > 0, pfd > 2, tid == ch);
    // what is not known and not zero counts before what cannot be read
    char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(edge + 4096, 4096);
    edge += 4096 - sizeof ca - 8;
    E(clone3((void *)edge, sizeof ca + 16));
    edge[sizeof ca + 7] = 1;
    E(clone3((void *)edge, sizeof ca + 16));
    // the children of a thread
    {
        char path[64], list[64] = {0}, own[16];
        pid_t first = fork();
        if (!first) pause();
        sprintf(path, "/proc/self/task/%d/children", getpid());
        int f = open(path, O_RDONLY);
        E(read(f, list, sizeof list - 1) > 0);
        sprintf(own, "%d ", first);
        char *found = strstr(list, own);
        say("the last one: %d", found && !found[strlen(own)]);
        close(f);
        kill(first, SIGKILL);
        waitpid(first, NULL, 0);
        f = open(path, O_RDONLY);
        memset(list, 0, sizeof list);
        read(f, list, sizeof list - 1);
        say("gone: %d", !strstr(list, own));
        close(f);
        E(open("/proc/self/children", O_RDONLY));
    }
    // settings that nothing follows from
    E(prctl(PR_TASK_PERF_EVENTS_DISABLE));
    E(prctl(PR_TASK_PERF_EVENTS_ENABLE));
    E(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
    E(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
    E(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
    CHILD("inherited", E(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0)));
    E(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, 3, 0, 0));
    E(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 1, 0, 0));
    E(prctl(PR_MCE_KILL, 2, 0, 0, 0));
    E(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0));
    E(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
    E(prctl(PR_MCE_KILL_GET, 1, 0, 0, 0));
    // what is said of a process in /proc is inherited
    E(put("/proc/self/oom_score_adj", "400\0\0", 5));
    E(put("/proc/self/coredump_filter", "0x7\n", 4));
    CHILD("inherited", told("/proc/self/oom_score_adj"); told("/proc/self/oom_adj");
          told("/proc/self/coredump_filter"); setuid(1000);
          say("lowered %d %s", put("/proc/self/oom_score_adj", "399", 3), name_of(errno));
          say("raised %d", put("/proc/self/oom_score_adj", "500", 3));
          say("back %d", put("/proc/self/oom_score_adj", "400", 3)););
    E(put("/proc/self/oom_score_adj", "1001", 4));
    E(put("/proc/self/oom_score_adj", "", 0));
    // no security module names anything
    char label[16];
    int attr = open("/proc/self/attr/current", O_RDWR);
    E(read(attr, label, sizeof label));
    E(write(attr, "x", 1));
    close(attr);
    struct pollfd pf = {pfd, POLLIN};
    E(poll(&pf, 1, 0));
    close(hold[0]), close(hold[1]);
    E(poll(&pf, 1, 2000));
    say("%x", pf.revents);
    E(waitid(P_PIDFD, pfd, &si, WEXITED));
    say("status %d", si.si_status);
    E(poll(&pf, 1, 0));
    say("%x", pf.revents);
    E(fcntl(pfd, F_GETFD));
    E(read(pfd, &x, 4));
    E(syscall(SYS_pidfd_send_signal, pfd, 0, 0, 0));
    ca = (struct clone_args){0};
    E(clone3(&ca, 8));
    E(clone3(&ca, 1 << 20));
    E(clone3(BAD, 64));
    ca.exit_signal = 65;
    E(clone3(&ca, 64));
    ca.exit_signal = SIGCHLD;
    ca.flags = 1ULL << 40;
    E(clone3(&ca, 64));
    ca.flags = 0xff;
    E(clone3(&ca, 64));
    ca.flags = 0;
    ca.stack = 4096;
    E(clone3(&ca, 64));
    ca.stack = 0;
    ca.stack_size = 4096;
    E(clone3(&ca, 64));
    ca.stack_size = 0;
    ca.set_tid_size = 40;
    ca.set_tid = (uint64_t)&x;
    E(clone3(&ca, 88));
    ca.set_tid_size = 1;
    ca.set_tid = 0;
    E(clone3(&ca, 88));
    x = 1;
    ca.set_tid = (uint64_t)&x;
    E(clone3(&ca, 88));
    x = 0;
    E(clone3(&ca, 88));
    ca.set_tid_size = 0;
    ca.set_tid = 0;
    ca.flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM;
    E(clone3(&ca, 88));
    ca.flags = CLONE_CLEAR_SIGHAND;
    signal(SIGUSR1, (void *)thread);
    signal(SIGUSR2, SIG_IGN);
    ch = clone3(&ca, 88);
    if (!ch) {
        struct sigaction a, b;
        sigaction(SIGUSR1, 0, &a);
        sigaction(SIGUSR2, 0, &b);
        say("cleared %d %d", a.sa_handler == SIG_DFL, b.sa_handler == SIG_IGN);
        _exit(0);
    }
    waitpid(ch, 0, 0);
    ca.flags = CLONE_INTO_CGROUP;
    ca.cgroup = -1;
    E(clone3(&ca, 88));
    ca.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
    ca.exit_signal = SIGCHLD;
    E(clone3(&ca, 64));
    ca.flags = CLONE_PARENT;
    E(clone3(&ca, 64));
    ca.flags = CLONE_DETACHED;
    E(clone3(&ca, 64));
    ca.flags = CLONE_PIDFD | CLONE_PARENT_SETTID;
    ca.pidfd = ca.parent_tid = (uint64_t)&x;
    E(clone3(&ca, 64));
    // vfork
    x = 1;
    ch = vfork();
    if (!ch) {
        x = 2;
        _exit(6);
    }
    say("vfork x %d", x);
    waitpid(ch, &st, 0);
    status("vfork", st);
    ch = vfork();
    if (!ch) {
        execv("/bin/sh", sh);
        _exit(1);
    }
    waitpid(ch, &st, 0);
    status("vfork exec", st);
    // exec errors
    close(open("noexec", O_CREAT | O_RDWR, 0644));
    close(open("empty", O_CREAT | O_RDWR, 0755));
    int f = open("script", O_CREAT | O_RDWR, 0755);
    write(f, "#!/bin/sh\nexit 8\n", 17);
    close(f);
    f = open("badinterp", O_CREAT | O_RDWR, 0755);
    write(f, "#!/none/x\n", 10);
    close(f);
    f = open("busy", O_CREAT | O_RDWR, 0755);
    write(f, "#!/bin/sh\n", 10);
    mkdir("d", 0755);
    symlink("loop", "loop");
    f = open("selfscript", O_CREAT | O_RDWR, 0755);
    write(f, "#!./selfscript\n", 15);
    close(f);
    f = open("garbage", O_CREAT | O_RDWR, 0755);
    write(f, "garbage garbage", 15);
    close(f);
    f = open("nl", O_CREAT | O_RDWR, 0755);
    write(f, "#!", 2);
    close(f);
    E(execv("none", sh));
    E(execv("noexec", sh));
    E(execv("empty", sh));
    E(execv("badinterp", sh));
    E(execv("busy", sh));
    E(execv("d", sh));
    E(execv("loop", sh));
    E(execv("selfscript", sh));
    E(execv("garbage", sh));
    E(execv("nl", sh));
    E(execv("", sh));
    E(execv(BAD, sh));
    E(execv("/bin/sh", BAD));
    E(execv("noexec/x", sh));
    E(execve("/bin/sh", sh, BAD));
    E(execv("/dev/null", sh));
    E(execv("/proc/self/status", sh));
    char *big[3] = {"sh", malloc(200000), 0};
    memset(big[1], 'a', 199999);
    big[1][199999] = 0;
    E(execv("/bin/true", big));
    int d = open("d", O_RDONLY), sfd = open("script", O_RDONLY),
        sc = open("script", O_RDONLY | O_CLOEXEC), op = open("script", O_PATH);
    E(syscall(SYS_execveat, 99, "x", sh, 0, 0));
    E(syscall(SYS_execveat, d, "x", sh, 0, 0));
    E(syscall(SYS_execveat, sfd, "", sh, 0, 0));
    E(syscall(SYS_execveat, sc, "", sh, 0, AT_EMPTY_PATH));
    E(syscall(SYS_execveat, d, "", sh, 0, AT_EMPTY_PATH));
    E(syscall(SYS_execveat, AT_FDCWD, "script", sh, 0, 0x1));
    symlink("script", "ls");
    E(syscall(SYS_execveat, AT_FDCWD, "ls", sh, 0, AT_SYMLINK_NOFOLLOW));
    CHILD("script", execv("script", sh));
    CHILD("fd script", syscall(SYS_execveat, sfd, "", sh, 0, AT_EMPTY_PATH));
    CHILD("O_PATH script", fcntl(op, F_SETFD, 0);
          syscall(SYS_execveat, op, "", sh, 0, AT_EMPTY_PATH));
    CHILD("no argv", execve("/bin/true", none, none));
    CHILD("null argv", execve("/bin/true", 0, 0));
    CHILD("fexecve", fexecve(open("/bin/sh", O_RDONLY), sh, none));
    int mfd = memfd_create("s", 0);
    write(mfd, "#!/bin/sh\nexit 12\n", 18);
    CHILD("memfd", fexecve(mfd, sh, none));
    // exec and attributes
    CHILD("exec resets", signal(SIGUSR1, (void *)thread); signal(SIGUSR2, SIG_IGN); sigset_t s;
          sigemptyset(&s); sigaddset(&s, SIGHUP); sigprocmask(SIG_SETMASK, &s, 0);
          kill(getpid(), SIGHUP); execl("/bin/grep", "grep", "-E", "Sig(Pnd|Blk|Ign|Cgt)|ShdPnd",
                                        "/proc/self/status", NULL));
    CHILD("exec from a thread", pthread_t t; pthread_create(&t, 0, thread_exec, 0);
          pthread_join(t, 0); ms(1000));
    CHILD("exit from a thread", pthread_t t; pthread_create(&t, 0, thread_exit, 0); ms(5000));
    CHILD("leader ends first", pthread_t t; pthread_create(&t, 0, leader_gone, 0);
          syscall(SYS_exit, 1));
    CHILD("exit_group code", pthread_t t; pthread_create(&t, 0, thread, 0); _exit(21));
    CHILD("last thread's code", pthread_t t; pthread_create(&t, 0, thread, 0);
          syscall(SYS_exit, 33));
    // process groups and sessions
    E(setpgid(999999, 0));
    E(setpgid(0, 999999));
    E(setpgid(-1, 0));
    E(setpgid(0, -1));
    E(getpgid(999999));
    E(getpgid(-1));
    E(getsid(999999));
    E(getsid(0) == getsid(getpid()));
    E(getpgid(0) == getpgrp());
    CHILD(
        "session", E(setsid() == getpid()); E(setsid()); E(setpgid(0, 0)); E(getsid(0) == getpid());
        E(getpgrp() == getpid()); int done[2]; pipe(done); pid_t k = fork(); if (!k) {
            E(setpgid(0, 0));
            E(setpgid(0, getppid()));
            E(setpgid(0, getpid()));
            write(done[1], "", 1);
            pause();
        } read(done[0], &x, 1);
        E(setpgid(k, k)); E(setpgid(k, getpid())); kill(k, 9));
    ch = fork();
    if (!ch) {
        char *a[] = {"sleep", "1", 0};
        execv("/bin/sleep", a);
    }
    ms(100);
    E(setpgid(ch, 0));
    kill(ch, 9);
    waitpid(ch, 0, 0);
    E(setpgid(getppid(), 0));
    E(setpgid(1, 0));
    // pidfds
    E(pidfd_open_(-1, 0));
    E(pidfd_open_(999999, 0));
    E(pidfd_open_(getpid(), 1));
    E(pidfd_open_(0, 0));
    int pd = pidfd_open_(getpid(), 0);
    E(syscall(SYS_pidfd_send_signal, pd, 0, 0, 0));
    E(syscall(SYS_pidfd_send_signal, pd, 65, 0, 0));
    E(syscall(SYS_pidfd_send_signal, pd, 0, 0, 9));
    E(syscall(SYS_pidfd_send_signal, 1, 0, 0, 0));
    E(syscall(SYS_pidfd_send_signal, pd, 10, BAD, 0));
    E(syscall(SYS_pidfd_getfd, pd, 1, 1));
    E(syscall(SYS_pidfd_getfd, pd, 999, 0));
    E(syscall(SYS_pidfd_getfd, 1, 1, 0));
    Z(syscall(SYS_pidfd_getfd, pd, 1, 0));
    E(waitid(P_PIDFD, pd, &si, WEXITED));
    E(pidfd_open_(getpid(), O_NONBLOCK) > 0);
    E(setns(pd, 0));
    E(setns(1, CLONE_NEWNS));
    E(setns(-1, 0));
    // reparenting
    int pp[2];
    pipe(pp);
    CHILD(
        "middle", if (!fork()) {
            ms(50);
            x = getppid();
            write(pp[1], &x, 4);
            _exit(0);
        });
    read(pp[0], &x, 4);
    say("orphan's parent is init %d", x == 1 || x > 0);
    E(prctl(PR_SET_CHILD_SUBREAPER, 1));
    CHILD(
        "middle", if (!fork()) {
            ms(50);
            x = getppid();
            write(pp[1], &x, 4);
            _exit(0);
        });
    read(pp[0], &x, 4);
    say("subreaper %d", x == getpid());
    E(wait(&st) > 0);
    E(prctl(PR_GET_CHILD_SUBREAPER, &x));
    say("%d", x);
    E(prctl(PR_SET_PDEATHSIG, 65));
    E(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    E(prctl(PR_GET_PDEATHSIG, &x));
    say("%d", x);
    ch = fork();
    if (!ch) {
        if (!fork()) {
            prctl(PR_SET_PDEATHSIG, SIGUSR2);
            signal(SIGUSR2, SIG_DFL);
            x = 0;
            write(pp[1], &x, 4);
            ms(3000);
            _exit(0);
        }
        read(pp[0], &x, 4);
        _exit(0);
    }
    waitpid(ch, 0, 0);
    E(wait(&st) > 0);
    status("parent death signal", st);
    // usage
    for (volatile long k = 0; k < 30000000; k++) {
    }
    getrusage(RUSAGE_SELF, &ru);
    say("own time %d faults %d", ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec > 5000,
        ru.ru_minflt > 0);
    CHILD("busy", for (volatile long k = 0; k < 100000000; k++){});
    getrusage(RUSAGE_CHILDREN, &ru);
    say("children's time %d minflt %d maxrss %d",
        ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec > 20000, ru.ru_minflt > 0,
        ru.ru_maxrss > 0);
    struct tms tm;
    E(times(&tm) > 0);
    say("%d %d", tm.tms_utime >= 0, tm.tms_cutime > 0);
    E(syscall(SYS_times, BAD));
    E(getrusage(9, &ru));
    E(getrusage(RUSAGE_SELF, BAD));
    E(getrusage(RUSAGE_THREAD, &ru));
    say("ctx %d", ru.ru_nvcsw > 0);
    E(syscall(SYS_set_tid_address, 0) == getpid());
    E(syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0));
    E(syscall(SYS_kcmp, getpid(), 999999, 0, 0, 0));
    E(syscall(SYS_kcmp, getpid(), getpid(), 0, 999, 0));
    E(syscall(SYS_kcmp, getpid(), getpid(), 99, 0, 0));
    E(syscall(SYS_kcmp, getpid(), getpid(), 1, 0, 0));
    struct iovec l = {&x, 4}, r = {&st, 4};
    st = 42;
    E(process_vm_readv(getpid(), &l, 1, &r, 1, 0));
    say("%d", x);
    E(process_vm_readv(getpid(), &l, 1, &r, 1, 1));
    E(process_vm_readv(999999, &l, 1, &r, 1, 0));
    r.iov_base = BAD;
    E(process_vm_readv(getpid(), &l, 1, &r, 1, 0));
    l.iov_base = BAD;
    r.iov_base = &st;
    E(process_vm_readv(getpid(), &l, 1, &r, 1, 0));
    E(process_vm_writev(getpid(), &r, 1, &l, 1, 0));
    E(process_vm_readv(getpid(), BAD, 1, &r, 1, 0));
    E(process_vm_readv(getpid(), &r, 1025, &r, 1, 0));
    // /proc/sysvipc
    int mq = msgget(IPC_PRIVATE, 0640), sm = semget(IPC_PRIVATE, 3, 0600),
        shared = shmget(IPC_PRIVATE, 5000, 0604);
    struct {
        long type;
        char text[8];
    } note = {1, "note"};
    msgsnd(mq, &note, 5, 0);
    void *seg = shmat(shared, 0, 0);
    memset(seg, 1, 5000);
    listed("msg", mq);
    listed("sem", sm);
    listed("shm", shared);
    shmdt(seg);
    msgctl(mq, IPC_RMID, 0);
    semctl(sm, 0, IPC_RMID);
    shmctl(shared, IPC_RMID, 0);
    listed("shm", shared);
    CHILD("scattered", scattered());
    settings();
    links();
    CHILD("undumpable", undumpable());
    log_of_kernel();
    return 0;
}
