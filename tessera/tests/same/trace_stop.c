// ptrace(2): group stops, events, attaching and detaching, threads.
#include "trace.h"

static void attach(void) {
    pid_t pid = sleeper();
    P(PTRACE_ATTACH, pid, 0, 0);
    stop("attached", pid);
    say("%c %d", state(pid), tracer_of(pid));
    struct user_regs_struct r;
    pt(PTRACE_GETREGS, pid, 0, &r);
    say("in %lld: %lld", r.orig_rax, r.rax);
    P(PTRACE_CONT, pid, 0, 0);
    none("runs", pid, __WALL);
    P(PTRACE_GETREGS, pid, 0, &r);
    kill(pid, SIGSTOP);
    stop("signal", pid);
    P(PTRACE_CONT, pid, 0, SIGSTOP);
    stop("group stop", pid);
    siginfo_t zero = {0};
    P(PTRACE_SETSIGINFO, pid, 0, &zero);
    kill(pid, SIGCONT);
    none("stays", pid, __WALL);
    P(PTRACE_CONT, pid, 0, 0);
    stop("SIGCONT", pid);
    // A SIGCONT undoes a stop signal that waits for its tracer.
    P(PTRACE_CONT, pid, 0, SIGCONT);
    kill(pid, SIGTSTP);
    stop("SIGTSTP", pid);
    kill(pid, SIGCONT);
    P(PTRACE_CONT, pid, 0, SIGTSTP);
    stop("SIGCONT again", pid);
    P(PTRACE_DETACH, pid, 0, 0);
    say("%d", tracer_of(pid));
    none("detached", pid, WUNTRACED);
    P(PTRACE_DETACH, pid, 0, 0);
    P(PTRACE_ATTACH, pid, 0, 0);
    stop("attached", pid);
    P(PTRACE_DETACH, pid, 0, SIGSTOP);
    int s;
    say("%d", waitpid(pid, &s, WUNTRACED) == pid);
    status("stopped by detaching", s);
    say("%c", state(pid));
    P(PTRACE_ATTACH, pid, 0, 0);
    stop("attached to a stopped one", pid);
    P(PTRACE_CONT, pid, 0, 0);
    stop("its signal", pid);
    P(PTRACE_CONT, pid, 0, 0);
    none("runs while the group is stopped", pid, __WALL);
    kill(pid, SIGUSR1);
    stop("a signal", pid);
    P(PTRACE_DETACH, pid, 0, 0);
    ms(30);
    say("%c", state(pid));
    kill(pid, SIGCONT);
    ms(30);
    say("%c %d", state(pid), waitpid(pid, &s, WCONTINUED | WNOHANG) == pid);
    P(PTRACE_ATTACH, pid, 0, 0);
    stop("attached", pid);
    P(PTRACE_DETACH, pid, 0, SIGTERM);
    stop("ended by detaching", pid);
    P(PTRACE_ATTACH, pid, 0, 0);
}

static void seize(void) {
    pid_t pid = sleeper();
    P(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD);
    none("runs", pid, __WALL);
    P(PTRACE_CONT, pid, 0, 0);
    P(PTRACE_LISTEN, pid, 0, 0);
    P(PTRACE_INTERRUPT, pid, 0, 0);
    stop("interrupted", pid);
    P(PTRACE_INTERRUPT, pid, 0, 0);
    P(PTRACE_CONT, pid, 0, 0);
    stop("once more", pid);
    P(PTRACE_SYSCALL, pid, 0, 0);
    stop("restarted", pid);
    struct user_regs_struct r;
    pt(PTRACE_GETREGS, pid, 0, &r);
    say("%lld %lld", r.orig_rax, r.rax);
    P(PTRACE_SYSCALL, pid, 0, 0);
    P(PTRACE_INTERRUPT, pid, 0, 0);
    stop("left", pid);
    pt(PTRACE_GETREGS, pid, 0, &r);
    say("%lld %lld", r.orig_rax, r.rax);
    P(PTRACE_CONT, pid, 0, 0);
    // The stop that there was took the interrupt along.
    none("runs", pid, __WALL);
    kill(pid, SIGSTOP);
    stop("signal", pid);
    P(PTRACE_LISTEN, pid, 0, 0);
    P(PTRACE_CONT, pid, 0, SIGSTOP);
    stop("group stop", pid);
    say("%c", state(pid));
    P(PTRACE_LISTEN, pid, 0, 0);
    none("listens", pid, __WALL);
    P(PTRACE_GETREGS, pid, 0, &r);
    P(PTRACE_LISTEN, pid, 0, 0);
    P(PTRACE_INTERRUPT, pid, 0, 0);
    stop("interrupted listening", pid);
    P(PTRACE_LISTEN, pid, 0, 0);
    kill(pid, SIGCONT);
    stop("group goes on", pid);
    P(PTRACE_LISTEN, pid, 0, 0);
    kill(pid, SIGUSR1);
    none("hears nothing", pid, __WALL);
    P(PTRACE_INTERRUPT, pid, 0, 0);
    stop("interrupted", pid);
    P(PTRACE_CONT, pid, 0, 0);
    int s = stop("a signal", pid);
    P(PTRACE_CONT, pid, 0, 0);
    if (WSTOPSIG(s) == SIGCONT)
        stop("the other", pid), P(PTRACE_CONT, pid, 0, 0);
    none("runs", pid, __WALL);
    finish(pid);
}

static void *ends(void *p) { return 0; }
static int new_thread(void *p) { return 0; }
static void makes_tasks(void) {
    int s;
    pid_t a = fork();
    if (a == 0)
        _exit(3);
    waitpid(a, &s, 0);
    a = vfork();
    if (a == 0)
        _exit(4);
    waitpid(a, &s, 0);
    pthread_t t;
    pthread_create(&t, 0, ends, 0);
    pthread_join(t, 0);
    static char stack[65536];
    a = clone(new_thread, stack + sizeof stack, CLONE_VM | SIGUSR2, 0);
    waitpid(a, &s, __WCLONE);
    a = clone(new_thread, stack + sizeof stack, CLONE_UNTRACED | SIGCHLD, 0);
    waitpid(a, &s, 0);
    a = clone(new_thread, stack + sizeof stack, CLONE_PTRACE | SIGCHLD, 0);
    waitpid(a, &s, 0);
    _exit(9);
}

// Follows everything that comes to be; the order among tasks is not ours to say.
static void events(int seized, long options) {
    say("events %d %lx", seized, options);
    int go[2];
    pipe(go);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        if (!seized) {
            pt(PTRACE_TRACEME, 0, 0, 0);
            raise(SIGSTOP);
        } else
            read(go[0], &c, 1);
        makes_tasks();
    }
    if (seized) {
        pt(PTRACE_SEIZE, pid, 0, (void *)options);
        write(go[1], "x", 1);
    } else {
        stop("begins", pid);
        pt(PTRACE_SETOPTIONS, pid, 0, (void *)options);
        pt(PTRACE_CONT, pid, 0, 0);
    }
    static char main_log[8192], other_log[8192];
    main_log[0] = other_log[0] = 0;
    pid_t ids[64] = {pid};
    int known = 1, alive = 1, s, others = 0, starts = 0, exits = 0;
    for (;;) {
        pid_t got = waitpid(-1, &s, __WALL);
        if (got < 0)
            break;
        unsigned long m = 0;
        if (WIFSTOPPED(s)) {
            int event = s >> 16, signo = WSTOPSIG(s);
            pt(PTRACE_GETEVENTMSG, got, 0, &m);
            if (got == pid) {
                char line[128];
                snprintf(line, sizeof line, " %d:%d%s", signo, event,
                         event == 6 ? (m == 0x900 ? "nine" : "?")
                         : m > 1    ? "+"
                                    : "");
                if (signo != SIGCHLD && signo != SIGUSR2)
                    strcat(main_log, line);
            } else if (event == 6)
                exits += m;
            else
                starts += signo * 1000 + event;
            int pass = event == 0 && signo != SIGSTOP && signo != SIGTRAP ? signo : 0;
            if (signo == SIGUSR2)
                pass = 0;
            pt(PTRACE_CONT, got, 0, (void *)(long)pass);
        } else if (got == pid) {
            status("main", s);
        } else
            others++;
    }
    say("main:%s", main_log);
    say("others: %d ended, starts %d, exits %x", others, starts, exits);
    close(go[0]);
    close(go[1]);
}

static void execs(long options, int call) {
    say("exec %lx %d", options, call);
    pid_t pid = fork();
    if (pid == 0) {
        pt(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        execl("/nonexistent", "x", NULL);
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    stop("begins", pid);
    pt(PTRACE_SETOPTIONS, pid, 0, (void *)options);
    int stops = 0, s;
    for (;;) {
        pt(call ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, 0);
        if (call && stops > 8)
            break;
        s = stop("exec", pid);
        if (!WIFSTOPPED(s))
            return;
        struct user_regs_struct r;
        unsigned long m = 0;
        pt(PTRACE_GETREGS, pid, 0, &r);
        pt(PTRACE_GETEVENTMSG, pid, 0, &m);
        if (++stops < 6)
            say("  in %lld: %lld, message %d", r.orig_rax, r.rax, m == pid ? 1 : m > 2 ? 2 : 0);
    }
    finish(pid);
}

static int thread_pipe[2];
static void *execing(void *p) {
    char c;
    read(thread_pipe[0], &c, 1);
    execl("/bin/true", "true", NULL);
    return 0;
}
static void *pausing(void *p) {
    for (;;)
        pause();
}

static void exec_by_thread(void) {
    pipe(thread_pipe);
    pid_t pid = fork();
    if (pid == 0) {
        pt(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        pthread_t t;
        pthread_create(&t, 0, pausing, 0);
        pthread_create(&t, 0, execing, 0);
        for (;;)
            pause();
    }
    stop("begins", pid);
    pt(PTRACE_SETOPTIONS, pid, 0,
       (void *)(PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT));
    pt(PTRACE_CONT, pid, 0, 0);
    pid_t tids[2];
    int n = 0, s, begun = 0;
    while (begun < 2 || n < 2) {
        pid_t got = waitpid(-1, &s, __WALL);
        unsigned long m;
        if (s >> 16 == PTRACE_EVENT_CLONE) {
            pt(PTRACE_GETEVENTMSG, got, 0, &m);
            tids[n++] = m;
        } else if (got != pid)
            begun++;
        pt(PTRACE_CONT, got, 0, 0);
    }
    write(thread_pipe[1], "x", 1);
    int exits = 0, ended = 0, leader_exit = 0;
    for (;;) {
        pid_t got = waitpid(-1, &s, __WALL);
        if (got < 0)
            break;
        if (!WIFSTOPPED(s)) {
            if (got == pid) {
                status("the process", s);
                break;
            }
            ended++;
            continue;
        }
        unsigned long m = 0;
        if (s >> 16 == PTRACE_EVENT_EXIT)
            exits++;
        if (s >> 16 == PTRACE_EVENT_EXEC) {
            pt(PTRACE_GETEVENTMSG, got, 0, &m);
            say("exec by %s, was the %s", got == pid ? "the leader" : "a thread",
                m == tids[1]   ? "second"
                : m == tids[0] ? "first"
                               : "leader");
        }
        pt(PTRACE_CONT, got, 0, 0);
    }
    say("exit events %d, ended threads %d", exits, ended);
}

int main(int argc, char **argv) {
    begin(argv);
    attach();
    seize();
    long all = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
               PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT;
    for (int seized = 0; seized < 2; seized++) {
        events(seized, 0);
        events(seized, all);
        events(seized, PTRACE_O_TRACECLONE);
    }
    execs(0, 0);
    execs(PTRACE_O_TRACEEXEC, 0);
    execs(PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD, 1);
    execs(0, 1);
    exec_by_thread();
    return 0;
}
