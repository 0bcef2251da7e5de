// System calls that a program takes itself: prctl(2), PR_SET_SYSCALL_USER_DISPATCH.
#include "check.h"
#include <ucontext.h>

#define SET(mode, offset, len, at)                                                                 \
    syscall(SYS_prctl, 59L, (long)(mode), (long)(offset), (long)(len), (long)(at))
enum { OFF, EXCEPT, ONLY };

static volatile char selector;
static volatile int taken, code, number, arch, there, result;

static void take(int signo, siginfo_t *i, void *at) {
    ucontext_t *u = at;
    selector = 0;
    taken++;
    code = i->si_code;
    number = i->si_syscall;
    arch = i->si_arch;
    there = (uintptr_t)i->si_call_addr == (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
    result = u->uc_mcontext.gregs[REG_RAX];
    u->uc_mcontext.gregs[REG_RAX] = 4242;
}

__attribute__((noinline)) static long call(long nr) {
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "0"(nr) : "rcx", "r11", "memory");
    return r;
}

static void told(const char *what, long r) {
    say("%s: %ld, taken %d code %d number %d arch %x there %d result %d", what, r, taken, code, number,
        arch, there, result);
    taken = 0;
}

int main(int argc, char **argv) {
    begin(argv);
    // Kernels without it do not know the option at all.
    if (SET(OFF, 0, 0, 0)) return UNKNOWN;
    E(SET(OFF, 1, 0, 0));
    E(SET(OFF, 0, 0, &selector));
    E(SET(EXCEPT, 1, 0, 0));
    E(SET(EXCEPT, -1, 1, 0));
    E(SET(EXCEPT, 0, 0, (char *)-1));
    E(SET(3, 0, 0, 0));
    E(SET(-1, 0, 0, 0));
    struct sigaction a = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &a, NULL);
    E(SET(EXCEPT, 0, 0, &selector));
    long r = call(SYS_getppid);
    told("let through", r == getppid());
    selector = 1;
    r = call(SYS_getppid);
    told("taken", r);
    selector = 1;
    r = call(99999);
    told("unknown", r);
    for (int i = 0; i < 100; i++) {
        selector = 1;
        if (call(SYS_getppid) != 4242) break;
    }
    told("often", r);
    CHILD("child", selector = 1; r = call(SYS_getppid); selector = 0; told("not inherited", r == getppid()));
    CHILD("selector", SET(EXCEPT, 0, 0, &selector); selector = 2; call(SYS_getppid));
    CHILD("unmapped", SET(EXCEPT, 0, 0, 0x10); call(SYS_getppid));
    CHILD("killed", SET(EXCEPT, 0, 0, &selector); signal(SIGSYS, SIG_DFL); selector = 1; call(SYS_getppid));
    CHILD("ignored", SET(EXCEPT, 0, 0, &selector); signal(SIGSYS, SIG_IGN); selector = 1; call(SYS_getppid));
    // All that is here is let through.
    uintptr_t base = (uintptr_t)call & ~4095UL;
    CHILD("range", SET(EXCEPT, base, 8192, &selector); selector = 1; r = call(SYS_getpid);
          selector = 0; told("in the range", r == getpid()));
    CHILD("executed", SET(EXCEPT, 0, 0, &selector); execl("/bin/true", "true", NULL));
    E(SET(OFF, 0, 0, 0));
    selector = 1;
    r = call(SYS_getppid);
    told("off", r == getppid());
    return 0;
}
