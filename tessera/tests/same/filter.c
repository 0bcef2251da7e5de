// seccomp(2): what a filter's actions do to a call, its registers and its thread.
#include "check.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/wait.h>
#include <ucontext.h>

static long rax, at, set;
static siginfo_t info;

static void trapped(int signo, siginfo_t *i, void *u) {
    ucontext_t *c = u;
    info = *i;
    rax = c->uc_mcontext.gregs[REG_RAX];
    at = (char *)i->si_call_addr == (char *)c->uc_mcontext.gregs[REG_RIP];
    if (set) c->uc_mcontext.gregs[REG_RAX] = set;
}

// The action for one call; everything else is allowed.
static void filter(long nr, unsigned action) {
    struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog p = {4, f};
    E(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    E(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p));
}

static void call(const char *what) {
    errno = 0;
    long r = syscall(SYS_getpgid, 0x12345678);
    say("%s: %ld errno %d", what, r, errno);
    say("  signal %d code %d arch %x nr %d errno %d rax %ld there %ld", info.si_signo, info.si_code,
        info.si_arch, info.si_syscall, info.si_errno, rax, at);
}

static void *thread(void *arg) {
    syscall(SYS_getpgid, 0);
    say("not reached");
    return NULL;
}

static void strict(void) {
    E(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    syscall(SYS_getpgid, 0);
}

static void *strict_thread(void *arg) {
    strict();
    return NULL;
}

static int go[2];
static pid_t tid[2];

// A thread that waits, perhaps behind a filter of its own, and then tries what is forbidden.
static void *sibling(void *own) {
    char b;
    if (own) filter(SYS_getsid, SECCOMP_RET_ALLOW);
    tid[!!own] = gettid();
    // Says nothing: the other thread speaks at the same time.
    if (read(go[0], &b, 1) != 1) say("the word did not come");
    errno = 0;
    syscall(SYS_getpgid, 0);
    say("sibling: errno %d nnp %d filters %d", errno, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
        prctl(PR_GET_SECCOMP));
    return NULL;
}

static long together(unsigned flags) {
    struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog p = {4, f};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | flags, &p);
}

static void synchronise(void *own) {
    pthread_t t;
    pipe(go);
    pthread_create(&t, NULL, sibling, own);
    while (!tid[!!own]) usleep(1000);
    E(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    E(together(SECCOMP_FILTER_FLAG_TSYNC_ESRCH));
    errno = 0;
    long r = together(0);
    say("the sibling %d, else %ld errno %d", r == tid[!!own], r == tid[!!own] ? 0 : r, errno);
    if (write(go[1], "x", 1) != 1) say("the word did not go");
    pthread_join(t, NULL);
}

int main(int c, char **v) {
    begin(v);
    struct sigaction a = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &a, NULL);
    CHILD("trap", ({
        filter(SYS_getpgid, SECCOMP_RET_TRAP | 7);
        call("untouched");
        set = 4711;
        call("set");
        // Often enough to be made another way.
        for (int i = 0; i < 300; i++) syscall(SYS_getpgid, 0);
        set = 0;
        call("after many");
        CHILD("inherited", ({ call("in a child"); }));
        signal(SIGSYS, SIG_IGN);
        CHILD("ignored", ({ call("ends it"); }));
    }));
    CHILD("errno", ({
        filter(SYS_getpgid, SECCOMP_RET_ERRNO | 99);
        call("errno");
        filter(SYS_getpgid, SECCOMP_RET_ERRNO | 0);
        call("the least is the latest");
        filter(SYS_getpgid, SECCOMP_RET_LOG);
        call("log is more");
    }));
    CHILD("trace without a tracer", ({
        filter(SYS_getpgid, SECCOMP_RET_TRACE | 3);
        call("trace");
    }));
    CHILD("process", ({
        filter(SYS_getpgid, SECCOMP_RET_KILL_PROCESS);
        call("kill");
    }));
    CHILD("thread", ({
        filter(SYS_getpgid, SECCOMP_RET_KILL_THREAD);
        pthread_t t;
        pthread_create(&t, NULL, thread, NULL);
        usleep(100000);
        say("the others go on");
    }));
    CHILD("strict", ({ strict(); }));
    CHILD("strict thread", ({
        pthread_t t;
        pthread_create(&t, NULL, strict_thread, NULL);
        usleep(100000);
        say("the others go on");
    }));
    CHILD("synchronised", ({ synchronise(NULL); }));
    CHILD("not synchronised", ({ synchronise(v); }));
    return 0;
}
