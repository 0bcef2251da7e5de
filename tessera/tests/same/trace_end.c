// ptrace(2): the ends of tracers and tracees, two parents, waiting, SIGKILL, circles.
#include "trace.h"

static void tracer_ends(long options, int stopped, const char *what) {
    int p[2];
    pipe(p);
    // The tracee is ours, its tracer another child of ours.
    pid_t pid = sleeper(), tracer = fork();
    if (tracer == 0) {
        pt(PTRACE_SEIZE, pid, 0, (void *)options);
        if (stopped) {
            pt(PTRACE_INTERRUPT, pid, 0, 0);
            int s;
            waitpid(pid, &s, __WALL);
        }
        _exit(0);
    }
    int s;
    waitpid(tracer, &s, 0);
    status(what, s);
    ms(50);
    say("%c %d", state(pid), tracer_of(pid));
    finish(pid);
    close(p[0]);
    close(p[1]);
}

// A tracee that ends is its tracer's first, then its parent's.
static void two_parents(void) {
    int go[2];
    pipe(go);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        read(go[0], &c, 1);
        _exit(7);
    }
    pid_t tracer = fork();
    if (tracer == 0) {
        int s;
        E(pt(PTRACE_SEIZE, pid, 0, 0));
        write(go[1], "x", 1);
        ms(100);
        siginfo_t i;
        memset(&i, 0, sizeof i);
        E(waitid(P_PID, pid, &i, WEXITED | WNOWAIT));
        say("tracer sees %d %d", i.si_code, i.si_status);
        E(waitid(P_PID, pid, &i, WSTOPPED | WNOHANG));
        ms(200);
        say("tracer waits %d", waitpid(pid, &s, 0) == pid);
        status("tracer", s);
        ms(300);
        E(waitpid(pid, &s, 0));
        _exit(0);
    }
    int s = 0;
    ms(200);
    say("parent: %d %c", waitpid(pid, &s, WNOHANG), state(pid));
    int waited = waitpid(pid, &s, 0) == pid;
    ms(100);
    say("parent: %d", waited);
    status("parent", s);
    waitpid(tracer, &s, 0);
    status("tracer", s);
    close(go[0]);
    close(go[1]);
}

static void stopped_for_two(void) {
    pid_t pid = sleeper(), tracer = fork();
    if (tracer == 0) {
        pt(PTRACE_ATTACH, pid, 0, 0);
        int s;
        waitpid(pid, &s, 0);
        status("tracer", s);
        pt(PTRACE_CONT, pid, 0, (void *)SIGSTOP);
        waitpid(pid, &s, 0);
        ms(100);
        status("tracer: group stop", s);
        ms(300);
        kill(pid, SIGCONT);
        pt(PTRACE_DETACH, pid, 0, 0);
        _exit(0);
    }
    int s = 0;
    say("parent: %d", waitpid(pid, &s, WUNTRACED) == pid);
    status("parent", s);
    say("parent: %d", waitpid(pid, &s, WCONTINUED) == pid);
    status("parent", s);
    waitpid(tracer, &s, 0);
    finish(pid);
}

static void *tries(void *p) {
    pid_t pid = *(pid_t *)p;
    int s;
    E(pt(PTRACE_CONT, pid, 0, 0));
    say("other thread, its own: %d %s", waitpid(pid, &s, __WNOTHREAD | WNOHANG | __WALL),
        name_of(errno));
    say("other thread: %d", waitpid(pid, &s, __WALL) == pid);
    return 0;
}

static void waits(void) {
    pid_t pid = sleeper();
    P(PTRACE_ATTACH, pid, 0, 0);
    ms(30);
    siginfo_t i;
    memset(&i, 0, sizeof i);
    E(waitid(P_PID, pid, &i, WEXITED | WNOWAIT));
    say("%d %d %d %d", i.si_signo, i.si_code, i.si_status, i.si_pid == pid);
    E(waitid(P_ALL, 0, &i, WCONTINUED | WNOWAIT));
    say("%d %d", i.si_code, i.si_status);
    E(waitid(P_PGID, getpgrp(), &i, WSTOPPED | WNOWAIT | __WNOTHREAD));
    pthread_t t;
    pthread_create(&t, 0, tries, &pid);
    pthread_join(t, 0);
    none("waited for", pid, __WALL);
    P(PTRACE_CONT, pid, 0, 0);
    kill(pid, SIGKILL);
    E(waitid(P_PID, pid, &i, WEXITED | __WCLONE));
    say("%d %d", i.si_code, i.si_status);
    E(waitpid(pid, NULL, __WALL));
}

// SIGKILL wins in every stop but the last one.
static void killed_in_stops(void) {
    for (int kind = 0; kind < 7; kind++) {
        pid_t pid = fork();
        if (pid == 0) {
            pt(PTRACE_TRACEME, 0, 0, 0);
            raise(SIGSTOP);
            getppid();
            execl("/bin/true", "true", NULL);
            _exit(0);
        }
        stop("begins", pid);
        long options = PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESYSGOOD;
        pt(PTRACE_SETOPTIONS, pid, 0, (void *)options);
        if (kind >= 1 && kind <= 2)
            pt(PTRACE_SYSCALL, pid, 0, 0), stop("call", pid);
        if (kind == 2)
            pt(PTRACE_SYSCALL, pid, 0, 0), stop("call", pid);
        if (kind >= 3 && kind <= 4)
            pt(PTRACE_CONT, pid, 0, 0), stop("exec", pid);
        if (kind == 4)
            pt(PTRACE_CONT, pid, 0, 0), stop("exit", pid);
        if (kind == 5)
            pt(PTRACE_SINGLESTEP, pid, 0, 0), stop("step", pid);
        if (kind == 6)
            pt(PTRACE_CONT, pid, 0, (void *)SIGSTOP), stop("group", pid);
        kill(pid, SIGKILL);
        int s;
        // What ends already hears no signal any more.
        if (kind == 4)
            none("still stopped", pid, 0), pt(PTRACE_CONT, pid, 0, 0);
        while (waitpid(pid, &s, 0) == pid && WIFSTOPPED(s)) {
            unsigned long m = 0;
            pt(PTRACE_GETEVENTMSG, pid, 0, &m);
            say("last stop %x %lx", s >> 8, m);
            pt(PTRACE_CONT, pid, 0, 0);
        }
        status("killed", s);
    }
}

// Two that trace each other, and one that traces its tracer's parent.
static void circles(void) {
    int a[2], b[2];
    pipe(a);
    pipe(b);
    pid_t one = fork();
    if (one == 0) {
        pid_t other;
        read(a[0], &other, sizeof other);
        E(pt(PTRACE_SEIZE, other, 0, 0));
        write(b[1], "x", 1);
        for (;;)
            pause();
    }
    pid_t two = fork();
    if (two == 0) {
        char c;
        pid_t self = getpid();
        write(a[1], &self, sizeof self);
        read(b[0], &c, 1);
        E(pt(PTRACE_SEIZE, one, 0, (void *)PTRACE_O_EXITKILL));
        pt(PTRACE_INTERRUPT, one, 0, 0);
        int s;
        waitpid(one, &s, 0);
        status("the other", s);
        write(a[1], "x", 1);
        for (;;)
            pause();
    }
    ms(100);
    E(kill(two, SIGKILL));
    int s;
    ms(50);
    // Its tracer is killed along by then, so that the end of both is ours to see.
    say("%d", waitpid(one, &s, 0) == one);
    status("one", s);
    say("%d", waitpid(two, &s, 0) == two);
    status("two", s);
    pid_t child = fork();
    if (child == 0) {
        E(pt(PTRACE_SEIZE, getppid(), 0, 0));
        E(pt(PTRACE_INTERRUPT, getppid(), 0, 0));
        waitpid(getppid(), &s, __WALL);
        status("parent", s);
        struct user_regs_struct r;
        E(pt(PTRACE_GETREGS, getppid(), 0, &r));
        _exit(5);
    }
    waitpid(child, &s, 0);
    status("its child", s);
}

// A program that would gain privileges does not while somebody watches who has none.
static void set_user_id(void) {
    pid_t pid = fork();
    if (pid == 0) {
        pt(PTRACE_TRACEME, 0, 0, 0);
        execl("/bin/su", "su", "--version", NULL);
        _exit(1);
    }
    int s;
    waitpid(pid, &s, 0);
    status("su", s);
    char path[64], text[4096] = {0};
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    int fd = open(path, O_RDONLY);
    read(fd, text, sizeof text - 1);
    close(fd);
    char *p = strstr(text, "Uid:");
    say("%.*s", p ? (int)strcspn(p, "G") - 1 : 0, p ? p : "");
    struct stat st;
    say("owner %d", stat(path, &st) < 0 ? -1 : (int)st.st_uid);
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    fd = E(open(path, O_RDWR)) >= 0;
    finish(pid);
}

int main(int argc, char **argv) {
    begin(argv);
    tracer_ends(0, 0, "ends, running");
    tracer_ends(0, 1, "ends, stopped");
    tracer_ends(PTRACE_O_EXITKILL, 0, "ends and kills");
    tracer_ends(PTRACE_O_EXITKILL, 1, "ends and kills, stopped");
    two_parents();
    stopped_for_two();
    waits();
    killed_in_stops();
    circles();
    set_user_id();
    return 0;
}
