// Memory that is never writable and executable (PR_SET_MDWE).
#include "check.h"
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#define R PROT_READ
#define W PROT_WRITE
#define X PROT_EXEC

static void *memory(int prot) {
    return mmap(0, 8192, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void denied(void) {
    void *rw = memory(R | W), *rx = memory(R | X), *none = memory(0);
    Z(memory(R | W | X));
    Z(memory(W | X));
    Z(memory(X));
    Z(mmap(0, 4096, R | X, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    Z(mmap(rw, 4096, R | W | X, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    Z(mmap(rx, 4096, R | X, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    E(mprotect(rw, 4096, R | X));
    E(mprotect(rw, 4096, R | W | X));
    E(mprotect(none, 4096, X));
    E(mprotect(rx, 4096, X));
    E(mprotect(rx, 4096, R | W | X));
    E(mprotect(rx, 4096, R | W));
    E(mprotect(rx, 4096, R | X));
    E(mprotect(rx + 4096, 4096, R));
    E(mprotect(rx + 4096, 4096, R | X));
    // As far as it goes.
    void *row = memory(R | X);
    mprotect(row + 4096, 4096, R);
    E(mprotect(row, 8192, X));
    E(mprotect(row, 4096, R | X));
}

int main(int c, char **v) {
    if (getenv("AGAIN")) {
        E(prctl(PR_GET_MDWE, 0, 0, 0, 0));
        Z(memory(R | W | X));
        return 0;
    }
    // Linux has it since 6.3, and that it is not inherited since 6.6.
    int s;
    if (!fork()) _exit(prctl(PR_SET_MDWE, 3, 0, 0, 0) ? UNKNOWN : 0);
    wait(&s);
    if (WEXITSTATUS(s) == UNKNOWN) return UNKNOWN;
    begin(v);
    setenv("AGAIN", "1", 1);
    E(prctl(PR_GET_MDWE, 0, 0, 0, 0));
    E(prctl(PR_GET_MDWE, 1, 0, 0, 0));
    E(prctl(PR_GET_MDWE, 0, 0, 0, 1));
    E(prctl(PR_SET_MDWE, 4, 0, 0, 0));
    E(prctl(PR_SET_MDWE, 2, 0, 0, 0));
    E(prctl(PR_SET_MDWE, 1, 0, 1, 0));
    E(prctl(PR_SET_MDWE, 1UL << 32 | 1, 0, 0, 0));
    E(prctl(PR_SET_MDWE, 0, 0, 0, 0));
    CHILD("free", denied());
    CHILD("inherited", ({
        E(prctl(PR_SET_MDWE, 1, 0, 0, 0));
        E(prctl(PR_SET_MDWE, 1, 0, 0, 0));
        E(prctl(PR_SET_MDWE, 3, 0, 0, 0));
        E(prctl(PR_SET_MDWE, 0, 0, 0, 0));
        E(prctl(PR_GET_MDWE, 0, 0, 0, 0));
        denied();
        CHILD("child", denied());
        CHILD("program", execv("/proc/self/exe", v));
    }));
    CHILD("not inherited", ({
        E(prctl(PR_SET_MDWE, 3, 0, 0, 0));
        E(prctl(PR_SET_MDWE, 1, 0, 0, 0));
        E(prctl(PR_GET_MDWE, 0, 0, 0, 0));
        denied();
        CHILD("child", ({
            E(prctl(PR_GET_MDWE, 0, 0, 0, 0));
            denied();
        }));
        CHILD("program", execv("/proc/self/exe", v));
    }));
    E(prctl(PR_GET_MDWE, 0, 0, 0, 0));
    return 0;
}
