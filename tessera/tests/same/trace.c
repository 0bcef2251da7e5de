// ptrace(2): requests, what they say of stops, registers, memory, signals and system calls.
#include "trace.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/auxv.h>

// A child that is traced by us and has stopped itself once.
static pid_t traced(void (*f)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        pt(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        f();
        _exit(0);
    }
    stop("begins", pid);
    return pid;
}

static struct user_regs_struct regs_of(pid_t pid) {
    struct user_regs_struct r;
    memset(&r, 0, sizeof r);
    if (pt(PTRACE_GETREGS, pid, 0, &r) < 0)
        say("GETREGS %s", name_of(errno));
    return r;
}

static void nothing(void) {}
static volatile long word = 0x1122334455667788;
static const long constant = 0x1020304050607080;
static char *none_page;

static void errors(void) {
    P(PTRACE_CONT, getpid(), 0, 0);
    P(PTRACE_CONT, 999999, 0, 0);
    P(PTRACE_ATTACH, getpid(), 0, 0);
    P(PTRACE_ATTACH, 0, 0, 0);
    P(PTRACE_ATTACH, -1, 0, 0);
    P(PTRACE_SEIZE, 999999, 0, 0);
    P(PTRACE_SEIZE, getppid(), 8, 0);
    P(PTRACE_SEIZE, getppid(), 0, 0x400);
    P(99, getpid(), 0, 0);
    CHILD("traceme twice", {
        P(PTRACE_TRACEME, 0, 0, 0);
        P(PTRACE_TRACEME, 0, 0, 0);
        P(PTRACE_CONT, getppid(), 0, 0);
    });
    pid_t pid = traced(nothing);
    P(99, pid, 0, 0);
    P(0x42ff, pid, 0, 0);
    P(PTRACE_ATTACH, pid, 0, 0);
    P(PTRACE_SEIZE, pid, 0, 0);
    P(PTRACE_INTERRUPT, pid, 0, 0);
    P(PTRACE_LISTEN, pid, 0, 0);
    P(PTRACE_CONT, pid, 0, 65);
    P(PTRACE_CONT, pid, 0, -1);
    P(PTRACE_DETACH, pid, 0, 100);
    P(PTRACE_SETOPTIONS, pid, 0, 0x100);
    P(PTRACE_SETOPTIONS, pid, 0, 1L << 32);
    P(PTRACE_SETOPTIONS, pid, 0, 0xff | PTRACE_O_EXITKILL);
    P(PTRACE_SETOPTIONS, pid, 0, 0);
    P(PTRACE_GETEVENTMSG, pid, 0, BAD);
    P(PTRACE_GETSIGINFO, pid, 0, BAD);
    P(PTRACE_SETSIGINFO, pid, 0, BAD);
    P(PTRACE_GETREGS, pid, 0, BAD);
    P(PTRACE_SETREGS, pid, 0, BAD);
    P(PTRACE_GETFPREGS, pid, 0, BAD);
    P(PTRACE_SETFPREGS, pid, 0, BAD);
    P(PTRACE_PEEKDATA, pid, &word, BAD);
    P(PTRACE_PEEKUSR, pid, 0, BAD);
    CHILD("another traces", {
        P(PTRACE_ATTACH, pid, 0, 0);
        P(PTRACE_CONT, pid, 0, 0);
        P(PTRACE_KILL, pid, 0, 0);
        P(PTRACE_DETACH, pid, 0, 0);
    });
    P(PTRACE_CONT, pid, 0, 0);
    stop("goes on", pid);
    P(PTRACE_CONT, pid, 0, 0);
    pid = traced(nothing);
    P(PTRACE_KILL, pid, 0, 0);
    stop("killed", pid);
}

static void memory(void) {
    none_page = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(none_page, "hidden!");
    munmap(none_page + 4096, 4096);
    mprotect(none_page, 4096, PROT_NONE);
    char *shared = mmap(0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = traced(nothing);
    long v = 0;
    P(PTRACE_PEEKDATA, pid, &word, &v);
    say("  %lx", v);
    P(PTRACE_PEEKTEXT, pid, (char *)&word + 3, &v);
    say("  %lx", v & 0xffffffffff);
    P(PTRACE_PEEKDATA, pid, &constant, &v);
    say("  %lx", v);
    P(PTRACE_PEEKDATA, pid, none_page, &v);
    say("  %.8s", (char *)&v);
    P(PTRACE_PEEKDATA, pid, none_page + 4092, &v);
    P(PTRACE_PEEKDATA, pid, 0, &v);
    P(PTRACE_PEEKDATA, pid, -8, &v);
    P(PTRACE_PEEKDATA, pid, 1L << 50, &v);
    P(PTRACE_POKEDATA, pid, &word, 42);
    P(PTRACE_PEEKDATA, pid, &word, &v);
    say("  %lx, here %lx", v, word);
    P(PTRACE_POKETEXT, pid, &constant, 43);
    P(PTRACE_PEEKDATA, pid, &constant, &v);
    say("  %lx, here %lx", v, *(volatile const long *)&constant);
    P(PTRACE_POKETEXT, pid, nothing, 0xccccccccccccccccL);
    P(PTRACE_PEEKTEXT, pid, nothing, &v);
    say("  %lx, here %d", v, *(volatile unsigned char *)nothing == 0xcc);
    P(PTRACE_POKEDATA, pid, none_page, 0x41);
    P(PTRACE_PEEKDATA, pid, none_page, &v);
    say("  %lx", v);
    P(PTRACE_POKEDATA, pid, none_page + 4092, 0x41);
    unsigned long vdso = getauxval(AT_SYSINFO_EHDR);
    P(PTRACE_PEEKTEXT, pid, vdso, &v);
    say("  %lx", v & 0xffffffff);
    P(PTRACE_POKETEXT, pid, vdso + 8, 44);
    P(PTRACE_PEEKTEXT, pid, vdso + 8, &v);
    say("  %lx, here %lx", v, *(long *)(vdso + 8));
    P(PTRACE_PEEKTEXT, pid, 0xffffffffff600000, &v);
    P(PTRACE_POKEDATA, pid, 0, 1);
    P(PTRACE_POKEDATA, pid, shared, 1);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int fd = open(path, O_RDWR);
    v = 0x61;
    E(pwrite(fd, &v, 8, (off_t)none_page));
    v = 0;
    E(pread(fd, &v, 8, (off_t)none_page));
    say("  %lx", v);
    E(pwrite(fd, &v, 8, (off_t)&constant));
    E(pread(fd, &v, 8, 0x10));
    close(fd);
    struct iovec here = {&v, 8}, there = {(void *)&word, 8}, bad = {(void *)&constant, 8};
    E(process_vm_readv(pid, &here, 1, &there, 1, 0));
    E(process_vm_writev(pid, &here, 1, &there, 1, 0));
    E(process_vm_writev(pid, &here, 1, &bad, 1, 0));
    // The text is a breakpoint by now.
    P(PTRACE_CONT, pid, 0, 0);
    stop("breakpoint", pid);
    struct user_regs_struct r = regs_of(pid);
    say("  after %lld bytes, %llx", r.rip - (long)nothing, r.orig_rax);
    finish(pid);
}

static void registers(void) {
    pid_t pid = traced(nothing);
    struct user_regs_struct r = regs_of(pid), q;
    say("orig_rax %lld rax %lld cs %llx ss %llx ds %llx fs %llx", r.orig_rax, r.rax, r.cs, r.ss,
        r.ds, r.fs);
    say("rbx by word %d",
        (P(PTRACE_PEEKUSR, pid, offsetof(struct user, regs.rbx), &word), word == (long)r.rbx));
    long v = 1;
    for (long at = -8; at < 80; at += 44)
        P(PTRACE_PEEKUSR, pid, at, &v);
    for (int i = 0; i < 8; i++) {
        v = 1;
        E(pt(PTRACE_PEEKUSR, pid, (void *)offsetof(struct user, u_debugreg[i]), &v));
        if (i < 4 || i == 7)
            say("  debug %d: %lx", i, v);
    }
    P(PTRACE_POKEUSR, pid, offsetof(struct user, u_debugreg[4]), 1);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, u_debugreg[0]), 0);
    P(PTRACE_PEEKUSR, pid, sizeof(struct user), &v);
    P(PTRACE_PEEKUSR, pid, sizeof(struct user) - 8, &v);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.cs), 0);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.fs_base), -1);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.r12), 0x1234);
    q = regs_of(pid);
    say("r12 %llx", q.r12);
    q.r12 = r.r12;
    q.r13 ^= 0xff;
    P(PTRACE_SETREGS, pid, 0, &q);
    q = regs_of(pid);
    say("r13 %llx", q.r13 ^ r.r13);
    P(PTRACE_SETREGS, pid, 0, &r);

    struct user_regs_struct big[2];
    struct iovec v1 = {big, sizeof big};
    P(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v1);
    say("  %zu %d", v1.iov_len, !memcmp(big, &r, sizeof r));
    v1.iov_len = 24;
    memset(big, 0, sizeof big);
    P(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v1);
    say("  %zu %d %lld", v1.iov_len, !memcmp(big, &r, 24), big[0].r11);
    v1.iov_len = 23;
    P(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v1);
    P(PTRACE_SETREGSET, pid, NT_PRSTATUS, &v1);
    v1.iov_len = 16;
    P(PTRACE_SETREGSET, pid, NT_PRSTATUS, &v1);
    v1.iov_len = 0;
    P(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v1);
    v1 = (struct iovec){BAD, 8};
    P(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v1);
    P(PTRACE_GETREGSET, pid, NT_PRSTATUS, BAD);
    P(PTRACE_GETREGSET, pid, 0x7777, &v1);
    P(PTRACE_GETREGSET, pid, NT_ARM_TLS, &v1);
    struct user_fpregs_struct f, g;
    P(PTRACE_GETFPREGS, pid, 0, &f);
    say("  cwd %x mxcsr %x", f.cwd, f.mxcsr);
    g = f;
    g.xmm_space[0] = 0xabcdef;
    g.mxcsr = 0x1fa0;
    P(PTRACE_SETFPREGS, pid, 0, &g);
    struct user_fpregs_struct two[2];
    v1 = (struct iovec){two, sizeof two};
    P(PTRACE_GETREGSET, pid, NT_PRFPREG, &v1);
    say("  %zu %x %x", v1.iov_len, two[0].mxcsr, two[0].xmm_space[0]);
    g.mxcsr = -1;
    P(PTRACE_SETFPREGS, pid, 0, &g);
    static char xsave[16384], other[16384];
    v1 = (struct iovec){xsave, sizeof xsave};
    P(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &v1);
    say("  mxcsr %x xmm0 %x", ((struct user_fpregs_struct *)xsave)->mxcsr,
        ((struct user_fpregs_struct *)xsave)->xmm_space[0]);
    struct iovec v2 = {xsave, 8};
    P(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &v2);
    P(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &v1);
    v2 = (struct iovec){other, sizeof other};
    P(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &v2);
    say("  same %d",
        v1.iov_len == v2.iov_len && !memcmp(xsave + 576, other + 576, v1.iov_len - 576));
    P(PTRACE_SETFPREGS, pid, 0, &f);
    unsigned long base = 0;
    P(PTRACE_ARCH_PRCTL, pid, &base, 0x1003);
    say("  fs base %d", base == r.fs_base);
    P(PTRACE_ARCH_PRCTL, pid, &base, 0x9999);
    finish(pid);
}

static int handled;
static void handler(int n, siginfo_t *i, void *c) {
    say("handler %d %x %s", n, i->si_code,
        i->si_pid == getppid()  ? "parent"
        : i->si_pid == getpid() ? "self"
                                : "other");
    handled++;
}
static void signals(void) {
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &a, 0);
    sigaction(SIGUSR2, &a, 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, 0);
    raise(SIGUSR1);
    raise(SIGUSR1);
    raise(SIGUSR1);
    raise(SIGUSR1);
    raise(SIGUSR1);
    raise(SIGCHLD);
    union sigval v = {.sival_int = 5};
    sigqueue(getpid(), SIGHUP, v);
    raise(SIGCONT);
    raise(SIGTERM);
}

static void signal_stops(void) {
    pid_t pid = traced(signals);
    pt(PTRACE_CONT, pid, 0, (void *)0);
    stop("delivered", pid);
    pt(PTRACE_CONT, pid, 0, (void *)SIGUSR1);
    stop("suppressed", pid);
    pt(PTRACE_CONT, pid, 0, (void *)0);
    stop("changed", pid);
    pt(PTRACE_CONT, pid, 0, (void *)SIGUSR2);
    stop("changed and told", pid);
    siginfo_t i;
    pt(PTRACE_GETSIGINFO, pid, 0, &i);
    i.si_code = SI_QUEUE;
    i.si_pid = 1;
    P(PTRACE_SETSIGINFO, pid, 0, &i);
    pt(PTRACE_CONT, pid, 0, (void *)SIGUSR1);
    stop("blocked", pid);
    unsigned long mask = 0;
    P(PTRACE_GETSIGMASK, pid, 8, &mask);
    say("  %lx", mask);
    P(PTRACE_GETSIGMASK, pid, 4, &mask);
    P(PTRACE_GETSIGMASK, pid, 8, BAD);
    mask |= 1 << (SIGUSR2 - 1) | 1 << (SIGKILL - 1);
    P(PTRACE_SETSIGMASK, pid, 8, &mask);
    P(PTRACE_GETSIGMASK, pid, 8, &mask);
    say("  %lx", mask);
    pt(PTRACE_CONT, pid, 0, (void *)SIGUSR2);
    stop("ignored by default", pid);
    pt(PTRACE_CONT, pid, 0, (void *)SIGCHLD);
    stop("continue", pid);
    siginfo_t some[3];
    memset(some, 0, sizeof some);
    struct ptrace_peeksiginfo_args ask = {0, 0, 3};
    E(pt(PTRACE_PEEKSIGINFO, pid, &ask, some));
    say("  own %d %d", some[0].si_signo, some[0].si_code);
    ask.flags = 1;
    E(pt(PTRACE_PEEKSIGINFO, pid, &ask, some));
    say("  shared %d %d %d", some[0].si_signo, some[0].si_code, some[0].si_value.sival_int);
    ask.off = 1;
    E(pt(PTRACE_PEEKSIGINFO, pid, &ask, some));
    ask.flags = 2;
    E(pt(PTRACE_PEEKSIGINFO, pid, &ask, some));
    ask = (struct ptrace_peeksiginfo_args){0, 0, -1};
    E(pt(PTRACE_PEEKSIGINFO, pid, &ask, some));
    E(pt(PTRACE_PEEKSIGINFO, pid, BAD, some));
    ask = (struct ptrace_peeksiginfo_args){0, 0, 1};
    E(pt(PTRACE_PEEKSIGINFO, pid, &ask, BAD));
    pt(PTRACE_CONT, pid, 0, (void *)SIGCONT);
    stop("deadly", pid);
    pt(PTRACE_CONT, pid, 0, (void *)SIGKILL);
    stop("chosen death", pid);
}

static void some_calls(void) {
    getppid();
    syscall(SYS_getpgid, 1, 2, 3, 4, 5, 6);
    syscall(SYS_getppid);
    syscall(9999);
    syscall(-1);
    close(-1);
}

static void call_info(pid_t pid) {
    struct ptrace_syscall_info i;
    memset(&i, 0xee, sizeof i);
    errno = 0;
    long n = pt(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof i, &i);
    if (n < 0) {
        say("  info: %s", name_of(errno));
        return;
    }
    struct user_regs_struct r = regs_of(pid);
    say("  %ld bytes, op %d, flags %d, arch %x, ip %d, sp %d", n, i.op, ((short *)&i)[1], i.arch,
        i.instruction_pointer == r.rip, i.stack_pointer == r.rsp);
    if (i.op == PTRACE_SYSCALL_INFO_ENTRY)
        say("  nr %lld, rax %lld, one %lld", (long long)i.entry.nr, (long long)r.rax,
            i.entry.nr == SYS_getpgid ? (long long)i.entry.args[5] : 0);
    if (i.op == PTRACE_SYSCALL_INFO_EXIT)
        say("  error %d: %lld, orig %lld", i.exit.is_error,
            (long long)(i.exit.is_error ? i.exit.rval : 0), (long long)r.orig_rax);
}

static void system_calls(int options) {
    say("options %x", options);
    pid_t pid = traced(some_calls);
    call_info(pid);
    P(PTRACE_SETOPTIONS, pid, 0, options);
    for (int n = 0; n < 16; n++) {
        pt(PTRACE_SYSCALL, pid, 0, 0);
        int s = stop("call", pid);
        if (!WIFSTOPPED(s))
            return;
        call_info(pid);
        struct user_regs_struct r = regs_of(pid);
        if (n == 0) {
            char part[8] = {0};
            E(pt(PTRACE_GET_SYSCALL_INFO, pid, (void *)4, part));
            E(pt(PTRACE_GET_SYSCALL_INFO, pid, 0, part));
            E(pt(PTRACE_GET_SYSCALL_INFO, pid, (void *)80, BAD));
            say("  %d %d", part[0], part[4] != 0);
        }
    }
    finish(pid);
}

static void changed_calls(void) {
    long r = syscall(SYS_getppid);
    say("a number changed: %d", r == getpid());
    errno = 0;
    r = syscall(SYS_getppid);
    say("skipped: %ld %s", r, name_of(errno));
    errno = 0;
    r = syscall(SYS_getppid);
    say("skipped with a result: %ld %s", r, name_of(errno));
    r = syscall(SYS_getppid);
    say("a result changed: %ld", r);
    r = syscall(SYS_getppid);
    say("to a restart without a signal: %ld", -errno);
    r = syscall(SYS_getppid);
    say("to a restart with one: %d", r == getppid());
    r = syscall(SYS_close, 1234);
    say("an argument changed: %ld", r);
    errno = 0;
    r = syscall(SYS_getppid);
    say("emulated: %ld", r);
}

// Runs to the next call of that number by the tracee, or past it.
static struct user_regs_struct to_call(pid_t pid, long nr, int leave) {
    for (;;) {
        int s;
        pt(PTRACE_SYSCALL, pid, 0, 0);
        if (waitpid(pid, &s, __WALL) != pid || !WIFSTOPPED(s)) {
            status("lost", s);
            exit(1);
        }
        struct user_regs_struct r = regs_of(pid);
        if ((long)r.orig_rax == nr && ((long)r.rax == -ENOSYS) == !leave)
            return r;
    }
}

static void changes(void) {
    pid_t pid = traced(changed_calls);
    P(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    struct user_regs_struct r = to_call(pid, SYS_getppid, 0);
    r.orig_rax = SYS_getpid;
    P(PTRACE_SETREGS, pid, 0, &r);
    r = to_call(pid, SYS_getpid, 1);
    r = to_call(pid, SYS_getppid, 0);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.orig_rax), -1);
    pt(PTRACE_SYSCALL, pid, 0, 0);
    stop("skipped", pid);
    r = regs_of(pid);
    say("  %lld %lld", r.orig_rax, r.rax);
    r = to_call(pid, SYS_getppid, 0);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.orig_rax), -1);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rax), 55);
    r = to_call(pid, SYS_write, 0);
    r = to_call(pid, SYS_getppid, 1);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rax), 66);
    r = to_call(pid, SYS_getppid, 1);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rax), -512);
    r = to_call(pid, SYS_getppid, 1);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rax), -512);
    pt(PTRACE_SYSCALL, pid, 0, (void *)SIGURG);
    stop("signal", pid);
    pt(PTRACE_SYSCALL, pid, 0, 0);
    stop("again", pid);
    pt(PTRACE_SYSCALL, pid, 0, 0);
    stop("and back", pid);
    int fd = dup(1);
    close(fd);
    r = to_call(pid, SYS_close, 0);
    say("  asked %lld", r.rdi);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rdi), 2);
    r = to_call(pid, SYS_write, 1);
    pt(PTRACE_SYSEMU, pid, 0, 0);
    stop("emulates", pid);
    r = regs_of(pid);
    say("  %lld %lld", r.orig_rax, r.rax);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rax), 88);
    pt(PTRACE_CONT, pid, 0, (void *)0);
    stop("last", pid);
}

__attribute__((noinline)) static void steps(void) {
    asm volatile("nop; nop; mov $39, %%eax; syscall; nop; nop" ::: "rax", "rcx", "r11", "memory");
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &a, 0);
    raise(SIGUSR1);
    asm volatile("int3");
    asm volatile("pushf; orl $0x100, (%%rsp); popf; nop; nop" ::: "memory", "cc");
}

static void single_steps(void) {
    pid_t pid = traced(steps);
    // To the system call that the assembly makes.
    struct user_regs_struct r = to_call(pid, SYS_getpid, 0);
    for (int i = 0; i < 4; i++) {
        struct user_regs_struct before = regs_of(pid);
        pt(PTRACE_SINGLESTEP, pid, 0, (void *)0);
        stop("step", pid);
        siginfo_t info;
        pt(PTRACE_GETSIGINFO, pid, 0, &info);
        r = regs_of(pid);
        say("  %lld bytes, at it %d, flag %llx", r.rip - before.rip,
            (long)info.si_addr == (long)r.rip, r.eflags & 0x100);
    }
    pt(PTRACE_CONT, pid, 0, (void *)0);
    stop("signal", pid);
    pt(PTRACE_SINGLESTEP, pid, 0, (void *)SIGUSR1);
    stop("into the handler", pid);
    r = regs_of(pid);
    say("  at it %d", r.rip == (long)handler);
    pt(PTRACE_SINGLESTEP, pid, 0, (void *)0);
    stop("in the handler", pid);
    pt(PTRACE_CONT, pid, 0, (void *)0);
    stop("int3", pid);
    r = regs_of(pid);
    say("  after it %d",
        pt(PTRACE_PEEKTEXT, pid, (void *)(r.rip - 1), (void *)&word) == 0 && (word & 0xff) == 0xcc);
    pt(PTRACE_CONT, pid, 0, (void *)0);
    stop("its own flag", pid);
    r = regs_of(pid);
    say("  flag %llx", r.eflags & 0x100);
    finish(pid);
}

static void set_info(void) {
    pid_t pid = traced(changed_calls);
    pt(PTRACE_SETOPTIONS, pid, 0, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    struct {
        unsigned char op, reserved;
        unsigned short flags;
        unsigned arch;
        unsigned long ip, sp, nr, args[6], more;
    } i = {0};
    const int get = 0x420e, set = 0x4212;
    E(pt(set, pid, (void *)sizeof i, &i));
    to_call(pid, SYS_getppid, 0);
    E(pt(get, pid, (void *)sizeof i, &i));
    E(pt(set, pid, (void *)(sizeof i - 1), &i));
    E(pt(set, pid, (void *)sizeof i, BAD));
    i.flags = 1;
    E(pt(set, pid, (void *)sizeof i, &i));
    i.flags = 0;
    i.op = 2;
    E(pt(set, pid, (void *)sizeof i, &i));
    i.op = 1;
    i.nr = 1L << 33;
    E(pt(set, pid, (void *)sizeof i, &i));
    i.nr = SYS_getpgid;
    i.args[5] = 12;
    E(pt(set, pid, (void *)sizeof i, &i));
    struct user_regs_struct r = regs_of(pid);
    say("%lld %lld", r.orig_rax, r.r9);
    to_call(pid, SYS_getpgid, 1);
    E(pt(get, pid, (void *)sizeof i, &i));
    i.nr = -5;
    ((char *)i.args)[0] = 1;
    E(pt(set, pid, (void *)sizeof i, &i));
    i.nr = 5;
    E(pt(set, pid, (void *)sizeof i, &i));
    r = regs_of(pid);
    say("%lld", r.rax);
    finish(pid);
}

static void filtered(void) {
    struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 0x1234),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 33),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog p = {sizeof f / sizeof *f, f};
    E(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    E(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p));
    for (int i = 0; i < 4; i++) {
        errno = 0;
        long r = syscall(SYS_getppid);
        say("filtered: %d %s", r == -1 ? -1 : r == getpid() ? 1 : r == 77 ? 77 : 0, name_of(errno));
    }
}

static void seccomp_stops(void) {
    pid_t pid = traced(filtered);
    P(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD);
    pt(PTRACE_CONT, pid, 0, (void *)0);
    stop("seccomp", pid);
    struct ptrace_syscall_info i;
    E(pt(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof i, &i));
    say("  op %d nr %lld data %x", i.op, (long long)i.seccomp.nr, i.seccomp.ret_data);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.orig_rax), SYS_getpid);
    pt(PTRACE_CONT, pid, 0, (void *)0);
    stop("seccomp", pid);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.orig_rax), SYS_getpgid);
    pt(PTRACE_CONT, pid, 0, (void *)0);
    stop("seccomp", pid);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.orig_rax), -1);
    P(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rax), 77);
    pt(PTRACE_CONT, pid, 0, (void *)0);
    stop("seccomp", pid);
    P(PTRACE_SETOPTIONS, pid, 0, 0);
    pt(PTRACE_CONT, pid, 0, (void *)0);
    stop("end", pid);
    CHILD("without a tracer", filtered());
}

int main(int argc, char **argv) {
    begin(argv);
    errors();
    memory();
    registers();
    signal_stops();
    system_calls(0);
    system_calls(PTRACE_O_TRACESYSGOOD);
    changes();
    set_info();
    single_steps();
    seccomp_stops();
    return 0;
}
