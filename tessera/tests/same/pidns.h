// Children that are the first process of a PID namespace.
#include "check.h"

// A child in a new namespace of its own, or -1.
static pid_t enter(int more) { return syscall(SYS_clone, CLONE_NEWPID | SIGCHLD | more, 0, 0, 0, 0); }

// Does something in one, and tells how that ended.
#define INSIDE(what, ...)                                                                          \
    do {                                                                                           \
        pid_t inner_ = enter(0);                                                                   \
        if (inner_ == 0) {                                                                         \
            __VA_ARGS__;                                                                           \
            _exit(0);                                                                              \
        }                                                                                          \
        int s_ = 0;                                                                                \
        if (inner_ < 0)                                                                            \
            say("%s: %s", what, name_of(errno));                                                   \
        else {                                                                                     \
            waitpid(inner_, &s_, 0);                                                               \
            status(what, s_);                                                                      \
        }                                                                                          \
    } while (0)
