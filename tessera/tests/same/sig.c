// Signals: sending, queues, actions, faults, stops, signalfd.
#include "check.h"
#include <sys/ucontext.h>
static volatile int n;
static siginfo_t last;
static volatile int order[32];
static void on(int s, siginfo_t *i, void *c) {
    if (n < 32)
        order[n] = s;
    n++;
    last = *i;
}
static void set(int s, int fl) {
    struct sigaction a = {0};
    a.sa_sigaction = on;
    a.sa_flags = SA_SIGINFO | fl;
    sigaction(s, &a, 0);
}
static void info(const char *w) {
    say("%s: n %d signo %d code %d errno %d pid %d uid %d value %d", w, n, last.si_signo,
        last.si_code, last.si_errno,
        last.si_pid == getpid() ? 1
        : last.si_pid == 0      ? 0
                                : 2,
        last.si_uid == getuid(), last.si_value.sival_int);
    n = 0;
    memset(&last, 0, sizeof last);
}
static char alt[65536];
static void onalt(int s) {
    stack_t o;
    sigaltstack(0, &o);
    say("on altstack %d flags %d", (char *)&o >= alt && (char *)&o < alt + sizeof alt, o.ss_flags);
    stack_t q = {alt, sizeof alt, 0};
    E(sigaltstack(&q, 0));
}
static volatile int depth;
static void nested(int s) {
    if (depth++ < 2)
        raise(s);
    say("depth %d", depth);
}
// What a frame with a bad FPU state comes to: the registers and the mask are the frame's.
static volatile int spoilt;
static void spoil(int s, siginfo_t *i, void *u) {
    ucontext_t *uc = u;
    uc->uc_mcontext.fpregs->mxcsr = -1;
    sigaddset(&uc->uc_sigmask, SIGUSR2);
}
static void after_spoil(int s, siginfo_t *i, void *u) {
    ucontext_t *uc = u;
    say("signal %d code %d rax %ld rbx %lx mxcsr %x, USR2 blocked %d", s, i->si_code,
        (long)uc->uc_mcontext.gregs[REG_RAX], (long)uc->uc_mcontext.gregs[REG_RBX],
        uc->uc_mcontext.fpregs->mxcsr, sigismember(&uc->uc_sigmask, SIGUSR2));
    if (spoilt++ > 3)
        _exit(1);
}
static void spoil_fpu(void) {
    struct sigaction a = {0};
    a.sa_flags = SA_SIGINFO;
    a.sa_sigaction = spoil;
    sigaction(SIGUSR1, &a, 0);
    a.sa_sigaction = after_spoil;
    sigaction(SIGSEGV, &a, 0);
    long rbx = 0x1234, rax = SYS_tgkill;
    asm volatile("syscall"
                 : "+a"(rax), "+b"(rbx)
                 : "D"(getpid()), "S"(gettid()), "d"(SIGUSR1)
                 : "rcx", "r11", "memory");
    say("back with rax %ld rbx %lx, %d faults", rax, rbx, spoilt);
}
int main(int c, char **v) {
    begin(v);
    sigset_t s, o;
    struct sigaction a = {0}, q;
    siginfo_t si;
    struct timespec t;
    int x, st;
    E(sigaction(0, &a, 0));
    E(sigaction(65, &a, 0));
    E(sigaction(SIGKILL, &a, 0));
    E(sigaction(SIGSTOP, &a, 0));
    E(sigaction(SIGKILL, 0, &q));
    E(syscall(SYS_rt_sigaction, 10, 0, 0, 4));
    E(syscall(SYS_rt_sigaction, 10, BAD, 0, 8));
    E(syscall(SYS_rt_sigaction, 10, 0, BAD, 8));
    E(syscall(SYS_rt_sigprocmask, 9, &s, 0, 8));
    E(syscall(SYS_rt_sigprocmask, 9, 0, &o, 8));
    E(syscall(SYS_rt_sigprocmask, 0, BAD, 0, 8));
    E(syscall(SYS_rt_sigprocmask, 0, 0, BAD, 8));
    E(syscall(SYS_rt_sigprocmask, 0, 0, 0, 4));
    E(kill(getpid(), 65));
    E(kill(getpid(), -1));
    E(kill(getpid(), 0));
    E(kill(999999, 0));
    E(kill(-999999, 0));
    E(kill(INT_MIN, 0));
    E(syscall(SYS_tkill, 0, 0));
    E(syscall(SYS_tkill, -1, 0));
    E(syscall(SYS_tkill, 999999, 0));
    E(syscall(SYS_tgkill, getpid(), 999999, 0));
    E(syscall(SYS_tgkill, -1, getpid(), 0));
    E(syscall(SYS_tgkill, getpid(), getpid(), 65));
    E(raise(0));
    a.sa_flags = 0xdeadbeef | SA_SIGINFO;
    a.sa_sigaction = on;
    sigfillset(&a.sa_mask);
    sigaction(SIGUSR1, &a, 0);
    struct {
        void *h;
        unsigned long f;
        void *r;
        unsigned long m;
    } raw;
    syscall(SYS_rt_sigaction, SIGUSR1, 0, &raw, 8);
    say("flags %lx mask %lx", raw.f, raw.m);
    set(SIGUSR1, 0);
    set(SIGRTMIN, 0);
    set(SIGRTMIN + 1, 0);
    set(SIGUSR2, 0);
    kill(getpid(), SIGUSR1);
    info("kill");
    raise(SIGUSR1);
    info("raise");
    union sigval val = {77};
    E(sigqueue(getpid(), SIGUSR1, val));
    info("sigqueue");
    E(sigqueue(getpid(), 0, val));
    E(sigqueue(999999, 0, val));
    E(sigqueue(getpid(), 65, val));
    si = (siginfo_t){0};
    si.si_signo = 5;
    si.si_code = SI_QUEUE;
    si.si_pid = 1234;
    si.si_value.sival_int = 5;
    E(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &si));
    say("pid %d signo %d", last.si_pid, last.si_signo);
    info("rt_sigqueueinfo");
    si.si_code = SI_USER;
    E(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &si));
    n = 0;
    E(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &si));
    si.si_code = 5;
    E(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &si));
    si.si_code = SI_TKILL;
    E(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &si));
    // all that the kernel keeps is handed on, even where nothing is
    {
        sigset_t one, old;
        unsigned char sent[128] = {0}, came[128];
        sigemptyset(&one);
        sigaddset(&one, SIGRTMIN);
        sigprocmask(SIG_BLOCK, &one, &old);
        for (int i = 12; i < 48; i++)
            sent[i] = i;
        *(int *)(sent + 8) = -12;
        E(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, sent));
        E(syscall(SYS_rt_sigtimedwait, &one, came, NULL, 8) == SIGRTMIN);
        say("kept %d, no more %d", memcmp(sent + 4, came + 4, 44), came[48]);
        sigprocmask(SIG_SETMASK, &old, NULL);
    }
    E(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &si));
    info("tgsigqueueinfo");
    E(syscall(SYS_rt_tgsigqueueinfo, -1, getpid(), SIGUSR1, &si));
    E(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, BAD));
    // blocked, pending, order
    sigemptyset(&s);
    for (x = 0; x < 4; x++)
        sigaddset(&s, (int[]){SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1}[x]);
    sigprocmask(SIG_BLOCK, &s, &o);
    val.sival_int = 1;
    sigqueue(getpid(), SIGRTMIN + 1, val);
    sigqueue(getpid(), SIGRTMIN, val);
    val.sival_int = 2;
    sigqueue(getpid(), SIGRTMIN, val);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR1);
    sigpending(&s);
    say("pending %d %d %d", sigismember(&s, SIGUSR1), sigismember(&s, SIGRTMIN),
        sigismember(&s, SIGHUP));
    sigprocmask(SIG_SETMASK, &o, 0);
    for (x = 0; x < n; x++)
        say("delivered %d", order[x] >= SIGRTMIN ? order[x] - SIGRTMIN + 100 : order[x]);
    n = 0;
    // ignoring drops the pending
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, 0);
    kill(getpid(), SIGUSR1);
    signal(SIGUSR1, SIG_IGN);
    sigpending(&o);
    say("after ignore %d", sigismember(&o, SIGUSR1));
    kill(getpid(), SIGUSR1);
    sigpending(&o);
    say("ignored and blocked %d", sigismember(&o, SIGUSR1));
    set(SIGUSR1, 0);
    sigprocmask(SIG_UNBLOCK, &s, 0);
    say("n %d", n);
    n = 0;
    // sigtimedwait
    sigaddset(&s, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &s, 0);
    t = (struct timespec){0, 0};
    E(sigtimedwait(&s, &si, &t));
    t.tv_nsec = 20000000;
    E(sigtimedwait(&s, &si, &t));
    t.tv_nsec = -1;
    E(sigtimedwait(&s, &si, &t));
    t = (struct timespec){-1, 0};
    E(sigtimedwait(&s, &si, &t));
    t = (struct timespec){0, 0};
    sigqueue(getpid(), SIGRTMIN, val);
    kill(getpid(), SIGUSR1);
    E(sigtimedwait(&s, &si, &t));
    say("code %d", si.si_code);
    E(sigtimedwait(&s, &si, &t) == SIGRTMIN);
    say("code %d value %d", si.si_code, si.si_value.sival_int);
    kill(getpid(), SIGUSR1);
    E(sigwait(&s, &x));
    say("%d", x);
    E(syscall(SYS_rt_sigtimedwait, &s, 0, 0, 4));
    E(syscall(SYS_rt_sigtimedwait, BAD, 0, &t, 8));
    E(syscall(SYS_rt_sigtimedwait, &s, 0, BAD, 8));
    pid_t ch = fork();
    if (!ch) {
        ms(50);
        kill(getppid(), SIGUSR2);
        ms(50);
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    t.tv_sec = 5;
    E(sigtimedwait(&s, &si, &t));
    E(sigtimedwait(&s, &si, &t));
    say("from child %d", si.si_pid == ch);
    waitpid(ch, 0, 0);
    n = 0;
    // sigsuspend, pause
    sigprocmask(SIG_BLOCK, &s, 0);
    kill(getpid(), SIGUSR1);
    sigemptyset(&o);
    E(sigsuspend(&o));
    sigprocmask(0, 0, &o);
    say("mask restored %d n %d", sigismember(&o, SIGUSR1), n);
    n = 0;
    sigprocmask(SIG_UNBLOCK, &s, 0);
    ualarm(20000, 0);
    signal(SIGALRM, (void *)nested);
    depth = 5;
    E(pause());
    E(syscall(SYS_rt_sigsuspend, &o, 4));
    E(syscall(SYS_rt_sigsuspend, BAD, 8));
    signal(SIGALRM, SIG_DFL);
    alarm(20);
    // flags
    a = (struct sigaction){0};
    a.sa_handler = nested;
    depth = 0;
    sigaction(SIGUSR2, &a, 0);
    raise(SIGUSR2);
    depth = 0;
    a.sa_flags = SA_NODEFER;
    sigaction(SIGUSR2, &a, 0);
    raise(SIGUSR2);
    a.sa_flags = SA_RESETHAND;
    depth = 5;
    sigaction(SIGUSR2, &a, 0);
    raise(SIGUSR2);
    sigaction(SIGUSR2, 0, &q);
    say("reset %d flags %x", q.sa_handler == SIG_DFL, q.sa_flags & ~0x04000000);
    stack_t ss = {alt, sizeof alt, 0}, old;
    E(sigaltstack(&ss, &old));
    a.sa_handler = onalt;
    a.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR2, &a, 0);
    raise(SIGUSR2);
    E(sigaltstack(0, &old));
    say("%d %d", old.ss_flags, (int)old.ss_size);
    ss.ss_flags = 5;
    E(sigaltstack(&ss, 0));
    ss.ss_flags = SS_ONSTACK;
    E(sigaltstack(&ss, 0));
    ss.ss_flags = 0;
    ss.ss_size = 100;
    E(sigaltstack(&ss, 0));
    E(sigaltstack(BAD, 0));
    E(sigaltstack(0, BAD));
    ss.ss_size = sizeof alt;
    ss.ss_flags = 1U << 31;
    E(sigaltstack(&ss, 0));
    raise(SIGUSR2);
    E(sigaltstack(0, &old));
    say("%x", old.ss_flags);
    ss.ss_flags = SS_DISABLE;
    E(sigaltstack(&ss, 0));
    // children: siginfo of SIGCHLD
    set(SIGCHLD, 0);
    clock_t ut;
    ch = fork();
    if (!ch)
        _exit(7);
    while (!n)
        ms(5);
    say("chld code %d status %d pid %d uid %d", last.si_code, last.si_status, last.si_pid == ch,
        last.si_uid == getuid());
    waitpid(ch, 0, 0);
    n = 0;
    ch = fork();
    if (!ch) {
        pause();
        _exit(0);
    }
    ms(20);
    kill(ch, SIGSTOP);
    while (!n)
        ms(5);
    say("chld code %d status %d", last.si_code, last.si_status);
    n = 0;
    E(waitpid(ch, &st, WNOHANG));
    E(waitpid(ch, &st, WUNTRACED) == ch);
    status("stopped", st);
    E(waitpid(ch, &st, WUNTRACED | WNOHANG));
    kill(ch, SIGCONT);
    while (!n)
        ms(5);
    say("chld code %d status %d", last.si_code, last.si_status);
    n = 0;
    E(waitpid(ch, &st, WCONTINUED) == ch);
    status("cont", st);
    E(waitpid(ch, &st, WCONTINUED | WNOHANG));
    kill(ch, SIGKILL);
    while (!n)
        ms(5);
    say("chld code %d status %d", last.si_code, last.si_status);
    waitpid(ch, &st, 0);
    status("killed", st);
    n = 0;
    set(SIGCHLD, SA_NOCLDSTOP);
    ch = fork();
    if (!ch) {
        pause();
    }
    ms(20);
    kill(ch, SIGSTOP);
    ms(30);
    say("nocldstop n %d", n);
    kill(ch, SIGCONT);
    ms(30);
    say("n %d", n);
    kill(ch, SIGTERM);
    ms(50);
    say("n %d code %d", n, last.si_code);
    waitpid(ch, 0, 0);
    n = 0;
    set(SIGCHLD, SA_NOCLDWAIT);
    ch = fork();
    if (!ch)
        _exit(3);
    E(waitpid(ch, &st, 0));
    say("nocldwait n %d", n);
    signal(SIGCHLD, SIG_IGN);
    ch = fork();
    if (!ch)
        _exit(3);
    E(waitpid(-1, &st, 0));
    signal(SIGCHLD, SIG_DFL);
    // stop signals while stopped, SIGCONT discards stops
    ch = fork();
    if (!ch) {
        setpgid(0, 0);
        set(SIGTERM, 0);
        for (;;) {
            pause();
            say("child handled %d", last.si_signo);
        }
    }
    ms(30);
    kill(ch, SIGTSTP);
    waitpid(ch, &st, WUNTRACED);
    status("tstp", st);
    kill(ch, SIGTERM);
    ms(30);
    say("not yet");
    kill(ch, SIGCONT);
    ms(50);
    kill(ch, SIGTTIN);
    waitpid(ch, &st, WUNTRACED);
    status("ttin", st);
    kill(ch, SIGKILL);
    waitpid(ch, &st, 0);
    status("kill", st);
    // faults
#define FAULT(what, ...)                                                                           \
    do {                                                                                           \
        ch = fork();                                                                               \
        if (!ch) {                                                                                 \
            void f_(int sg, siginfo_t *i, void *u) {                                               \
                ucontext_t *uc = u;                                                                \
                say(what ": signal %d code %d addr %lx err %lx trapno %ld", sg, i->si_code,        \
                    sg == SIGTRAP || sg == SIGILL || sg == SIGFPE ? !!i->si_addr                   \
                    : sg == SIGABRT || i->si_code == SI_TKILL     ? 0                              \
                                                                  : (long)i->si_addr,              \
                    (long)uc->uc_mcontext.gregs[REG_ERR] & 0x16,                                   \
                    (long)uc->uc_mcontext.gregs[REG_TRAPNO]);                                      \
                _exit(0);                                                                          \
            }                                                                                      \
            struct sigaction z = {0};                                                              \
            z.sa_sigaction = f_;                                                                   \
            z.sa_flags = SA_SIGINFO;                                                               \
            for (int k = 1; k < 32; k++)                                                           \
                sigaction(k, &z, 0);                                                               \
            __VA_ARGS__;                                                                           \
            _exit(1);                                                                              \
        }                                                                                          \
        waitpid(ch, &st, 0);                                                                       \
        status(what, st);                                                                          \
    } while (0)
    FAULT("null read", *(volatile int *)8);
    FAULT("null write", *(volatile int *)8 = 1);
    FAULT("noncanonical", *(volatile int *)0x8000000000000000);
    FAULT("kernel", *(volatile int *)0xffffffff80000000);
    char *m =
        mmap((void *)0x10000000, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    FAULT("readonly", *m = 1);
    FAULT("exec", ((void (*)(void))m)());
    FAULT("divide", volatile int z0 = 0; x = 1 / z0);
    FAULT("ud2", asm volatile("ud2"));
    FAULT("int3", asm volatile("int3"));
    FAULT("hlt", asm volatile("hlt"));
    FAULT("int 0x20", asm volatile("int $0x20"));
    FAULT("overflow div", volatile int mi = INT_MIN, m1 = -1; x = mi / m1);
    FAULT("jump null", ((void (*)(void))0)());
    FAULT("in", asm volatile("inb $0x80, %%al" :: : "rax"));
    FAULT("tf", asm volatile("pushf; orl $0x100,(%%rsp); popf; nop" :: : "memory"));
    FAULT("align",
          asm volatile("pushf; orl $0x40000,(%%rsp); popf; mov %0, %%rax; mov 1(%%rax),%%ebx" ::"r"(
                           m) : "rax",
                       "rbx"));
    FAULT("int1", asm volatile(".byte 0xf1"));
    FAULT("into sse", volatile float ff = 0; unsigned mx = 0x1d00;
          asm volatile("ldmxcsr %0" ::"m"(mx)); ff = 1 / ff);
    int f = open("f", O_CREAT | O_RDWR, 0644);
    ftruncate(f, 4096);
    char *fm = mmap((void *)0x20000000, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, f, 0);
    FAULT("bus", fm[4096] = 1);
    E(write(f, fm + 4096, 1));
    FAULT("abort", abort());
    FAULT("raise", raise(SIGSEGV));
    CHILD("bad FPU state in a frame", spoil_fpu());
    // blocked or ignored faults kill
    CHILD("blocked segv", sigset_t z; sigfillset(&z); sigprocmask(0, &z, 0); set(SIGSEGV, 0);
          *(volatile int *)8);
    CHILD("ignored segv", signal(SIGSEGV, SIG_IGN); *(volatile int *)8);
    CHILD("abort blocked", sigset_t z; sigfillset(&z); sigprocmask(0, &z, 0);
          signal(SIGABRT, SIG_IGN); abort());
    CHILD("bad stack", struct rlimit rl = {0, 0}; setrlimit(RLIMIT_CORE, &rl); set(SIGUSR1, 0);
          asm volatile("mov $39,%%eax; mov $8, %%rsp; syscall; mov %%eax,%%edi; mov $10,%%esi; mov "
                       "$62,%%eax; syscall; ud2" :: : "memory"));
    for (x = 1; x < 32; x++) {
        if (x == SIGSTOP || x == SIGTSTP || x == SIGTTIN || x == SIGTTOU)
            continue;
        char w[20];
        sprintf(w, "default %d", x);
        ch = fork();
        if (!ch) {
            struct rlimit rl = {0, 0};
            setrlimit(RLIMIT_CORE, &rl);
            signal(x, SIG_DFL);
            raise(x);
            _exit(0);
        }
        waitpid(ch, &st, 0);
        status(w, st);
    }
    // limits of the queue
    struct rlimit rl = {5, 5};
    sigemptyset(&s);
    sigaddset(&s, SIGRTMIN);
    sigaddset(&s, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, 0);
    CHILD(
        "queue limit", setrlimit(RLIMIT_SIGPENDING, &rl); int k;
        for (k = 0; k < 20 && sigqueue(getpid(), SIGRTMIN, val) == 0;
             k++) {} say("errno %s many %d", name_of(errno), k == 20);
        E(kill(getpid(), SIGUSR1)); E(kill(getpid(), SIGRTMIN));
        E(timer_create(CLOCK_REALTIME, 0, (void *)&q)));
    // signalfd
    int sf = signalfd(-1, &s, SFD_NONBLOCK);
    struct signalfd_siginfo fi[3];
    E(read(sf, fi, sizeof fi));
    val.sival_int = 9;
    sigqueue(getpid(), SIGRTMIN, val);
    kill(getpid(), SIGUSR1);
    struct pollfd pf = {sf, POLLIN};
    E(poll(&pf, 1, 0));
    E(read(sf, fi, 10));
    E(read(sf, fi, sizeof fi));
    say("%d %d %d; %d %d %d", fi[0].ssi_signo, fi[0].ssi_code, fi[0].ssi_pid == getpid(),
        fi[1].ssi_signo == SIGRTMIN, fi[1].ssi_code, fi[1].ssi_int);
    E(signalfd(-1, &s, 0x100));
    E(signalfd(0, &s, 0));
    E(syscall(SYS_signalfd4, -1, &s, 4, 0));
    E(syscall(SYS_signalfd4, -1, BAD, 8, 0));
    E(signalfd(sf, &s, 0) == sf);
    E(write(sf, fi, 128));
    E(poll(&pf, 1, 0));
    // bytes behind what the kernel keeps matter where it does not know the code
    ch = fork();
    if (!ch) {
        sigfillset(&s);
        sigprocmask(SIG_BLOCK, &s, 0);
        int of[] = {SIGRTMIN, SIGRTMIN, SIGRTMIN, SIGRTMIN, SIGRTMIN,
                    SIGRTMIN, SIGSEGV,  SIGSEGV,  SIGFPE,   SIGSYS};
        int codes[] = {SI_QUEUE, -7, -8, -60, 6, 7, 10, 11, 15, 3};
        for (unsigned i = 0; i < sizeof of / sizeof *of; i++) {
            siginfo_t q;
            memset(&q, 0xa5, sizeof q);
            q.si_code = codes[i];
            errno = 0;
            int r = syscall(SYS_rt_sigqueueinfo, getpid(), of[i], &q);
            say("unknown bytes with code %d: %d %d", codes[i], r, errno);
        }
        _exit(0);
    }
    waitpid(ch, 0, 0);
    // exec keeps ignored and mask; pgrp orphan
    // in a session of its own, so that whoever takes in orphans is outside it
    pid_t outer = fork();
    if (!outer) {
        setsid();
        ch = fork();
        if (!ch) {
            setpgid(0, 0);
            pid_t g = fork();
            if (!g) {
                set(SIGHUP, 0);
                set(SIGCONT, 0);
                raise(SIGSTOP);
                ms(100);
                say("orphan got n %d first %d", n, order[0]);
                _exit(0);
            }
            ms(60);
            _exit(0);
        }
        waitpid(ch, 0, 0);
        ms(400);
        ch = fork();
        if (!ch) {
            setpgid(0, 0);
            pid_t g = fork();
            if (!g) {
                ms(80);
                E(raise(SIGTSTP));
                say("orphans do not stop");
                _exit(0);
            }
            _exit(0);
        }
        waitpid(ch, 0, 0);
        ms(250);
        _exit(0);
    }
    waitpid(outer, 0, 0);
    return 0;
}
