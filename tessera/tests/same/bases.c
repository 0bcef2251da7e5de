// The bases of fs and gs: who sets them, who keeps them.
#include "check.h"
#include <asm/prctl.h>
#include <pthread.h>

static unsigned long here[4] = {11, 22, 33, 44};
static unsigned long there[4] = {55, 66, 77, 88};

static unsigned long at_gs(void) {
    unsigned long v;
    __asm__ volatile("mov %%gs:8, %0" : "=r"(v));
    return v;
}
static long base(int code, unsigned long v) { return syscall(SYS_arch_prctl, code, v); }
static int is_at(unsigned long *p) {
    unsigned long v = 0;
    base(ARCH_GET_GS, (unsigned long)&v);
    return v == (unsigned long)p && at_gs() == p[1];
}
static void handler(int s) {
    say("handler %d", is_at(here));
    base(ARCH_SET_GS, (unsigned long)there);
}
static void *thread(void *arg) {
    unsigned long v = 1;
    base(ARCH_GET_GS, (unsigned long)&v);
    say("thread %d", v == (unsigned long)there);
    base(ARCH_SET_GS, (unsigned long)here);
    for (int i = 0; i < 2000; i++)
        if (!is_at(here) || (getppid(), sched_yield(), 0)) return (void *)1;
    return 0;
}

int main(int c, char **v) {
    unsigned long was = 1, fs = 0;
    if (getenv("AGAIN")) {
        base(ARCH_GET_GS, (unsigned long)&was);
        say("%lx", was);
        return 0;
    }
    begin(v);
    E(base(ARCH_GET_GS, (unsigned long)&was));
    say("%lx", was);
    E(base(ARCH_SET_GS, (unsigned long)here));
    say("%d", is_at(here));
    E(base(ARCH_SET_GS, -1));
    E(base(ARCH_SET_GS, 1UL << 47));
    E(base(ARCH_SET_FS, 1UL << 63));
    E(base(ARCH_SET_GS, (1UL << 47) - 4096));
    E(base(ARCH_GET_GS, 16));
    E(base(ARCH_GET_FS, 16));
    E(base(0x9999, 0));
    E(base(ARCH_GET_CPUID, 0));
    E(base(0x1023, 64)); // ARCH_REQ_XCOMP_PERM
    E(base(0x1021, 16)); // ARCH_GET_XCOMP_SUPP
    say("%d", is_at(here));
    E(base(ARCH_GET_FS, (unsigned long)&fs));
    say("%d", fs == *(unsigned long *)pthread_self());
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    // The signal frame does not hold it.
    say("%d", is_at(there));
    CHILD("child", ({
        say("%d", is_at(there));
        base(ARCH_SET_GS, (unsigned long)here);
        say("%d", is_at(here));
    }));
    say("%d", is_at(there));
    pthread_t t[2];
    for (int i = 0; i < 2; i++) pthread_create(&t[i], 0, thread, 0);
    for (int i = 0; i < 2000; i++)
        if (!is_at(there)) say("lost");
    void *r[2];
    for (int i = 0; i < 2; i++) pthread_join(t[i], &r[i]);
    for (int i = 0; i < 2; i++) say("joined %d", r[i] != 0);
    CHILD("exec", ({
        setenv("AGAIN", "1", 1);
        execv("/proc/self/exe", v);
    }));
    return 0;
}
