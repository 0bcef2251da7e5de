// Who may do what to whom: processes of one user and another, hidden ones, and more capable ones.
#include "check.h"
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/ptrace.h>

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif
#define BIT(cap) (1u << (cap))

static const char *whom;
static char word[16] = "word";

#define TRY(call)                                                                                  \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long r_ = (long)(call);                                                                    \
        say("%s: %s %s", whom, #call, r_ < 0 ? name_of(errno) : "done");                           \
    } while (0)

static void sets(unsigned p, unsigned e) {
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2] = {{e, p, 0}, {0, 0, 0}};
    syscall(SYS_capset, &h, d);
}

static void become(int uid, int euid, int gid) {
    setgroups(0, 0);
    setresgid(gid, gid, gid);
    setresuid(uid, euid, uid);
    prctl(PR_SET_DUMPABLE, 1);
}

static void calls(pid_t p) {
    int fd = syscall(SYS_pidfd_open, p, 0);
    union sigval value = {0};
    TRY(kill(p, 0));
    TRY(kill(p, SIGCONT));
    TRY(syscall(SYS_tgkill, p, p, SIGCONT));
    TRY(syscall(SYS_pidfd_send_signal, fd, SIGCONT, 0, 0));
    TRY(sigqueue(p, SIGCONT, value));
    struct iovec here = {word, 5}, there = {word, 5};
    TRY(process_vm_readv(p, &here, 1, &there, 1, 0));
    TRY(process_vm_writev(p, &here, 1, &there, 1, 0));
    TRY(syscall(SYS_process_madvise, fd, &there, 1, MADV_COLD, 0));
    TRY(syscall(SYS_process_madvise, fd, &there, 1, MADV_DONTNEED, 0));
    TRY(syscall(SYS_process_mrelease, fd, 0));
    TRY(syscall(SYS_kcmp, getpid(), p, 2, 0, 0));
    void *list;
    size_t size;
    TRY(syscall(SYS_get_robust_list, p, &list, &size));
    TRY(setpriority(PRIO_PROCESS, p, 5));
    TRY(setpriority(PRIO_PROCESS, p, 4));
    TRY(getpriority(PRIO_PROCESS, p));
    struct sched_param param = {0};
    TRY(sched_setscheduler(p, SCHED_BATCH, &param));
    TRY(sched_setparam(p, &param));
    TRY(sched_getscheduler(p));
    cpu_set_t cpus;
    TRY(sched_getaffinity(p, sizeof cpus, &cpus));
    TRY(sched_setaffinity(p, sizeof cpus, &cpus));
    char attr[56] = {0};
    TRY(syscall(SYS_sched_getattr, p, attr, sizeof attr, 0));
    TRY(syscall(SYS_sched_setattr, p, attr, 0));
    TRY(syscall(SYS_ioprio_get, 1, p));
    TRY(syscall(SYS_ioprio_set, 1, p, 2 << 13 | 4));
    struct rlimit limit = {100, 100};
    TRY(prlimit(p, RLIMIT_CORE, 0, &limit));
    TRY(prlimit(p, RLIMIT_CORE, &limit, 0));
    TRY(syscall(SYS_pidfd_getfd, fd, 0, 0));
    TRY(setpgid(p, p));
    TRY(setns(fd, CLONE_NEWUTS));
    TRY(ptrace(PTRACE_SEIZE, p, 0, 0));
    if (errno == 0)
        ptrace(PTRACE_DETACH, p, 0, 0);
}

static void files(pid_t p) {
    static const char *texts[] = {
        "auxv",       "comm",         "coredump_filter", "environ",       "fdinfo/0", "io",
        "limits",     "loginuid",     "maps",            "mem",           "mounts",   "oom_score_adj",
        "personality", "smaps_rollup", "stack",           "stat",          "status",   "syscall",
        "timers",     "timerslack_ns", "uid_map",        "attr/current"};
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int write = 0; write < 2; write++) {
            char path[64], c[64];
            snprintf(path, sizeof path, "/proc/%d/%s", p, texts[i]);
            errno = 0;
            int fd = open(path, write ? O_WRONLY : O_RDONLY), opened = errno;
            errno = 0;
            if (fd >= 0 && write)
                pwrite(fd, "", 0, 0);
            else if (fd >= 0 && read(fd, c, sizeof c) >= 0)
                errno = 0;
            say("%s: %s of %s: %s %s", whom, write ? "write" : "read", texts[i], name_of(opened),
                fd < 0 ? "-" : name_of(errno));
            close(fd);
        }
    static const char *links[] = {"exe", "cwd", "root", "fd/0", "ns/user"};
    for (unsigned i = 0; i < sizeof links / sizeof *links; i++) {
        char path[64], to[256];
        snprintf(path, sizeof path, "/proc/%d/%s", p, links[i]);
        say("%s: %s", whom, links[i]);
        TRY(readlink(path, to, sizeof to));
        TRY(access(path, F_OK));
        TRY(open(path, O_PATH));
    }
    static const char *folders[] = {"fd", "fdinfo", "ns", "task"};
    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/%s", p, folders[i]);
        errno = 0;
        DIR *dir = opendir(path);
        say("%s: list of %s: %s", whom, folders[i], dir ? "done" : name_of(errno));
        if (dir)
            closedir(dir);
    }
    static const char *put[][2] = {{"comm", "x"},           {"oom_score_adj", "500"}, {"oom_score_adj", "-500"},
                                   {"coredump_filter", "33"}, {"loginuid", "0"},      {"uid_map", "0 0 1"},
                                   {"timerslack_ns", "60000"}, {"attr/current", "x"}};
    for (unsigned i = 0; i < sizeof put / sizeof *put; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/%s", p, put[i][0]);
        int fd = open(path, O_WRONLY);
        say("%s: %s into %s", whom, put[i][1], put[i][0]);
        TRY(fd < 0 ? fd : write(fd, put[i][1], strlen(put[i][1])));
        close(fd);
    }
}

// A process to look at, of the kind that `whom` says.
static pid_t target(int kind) {
    int ready[2];
    pipe(ready);
    pid_t p = fork();
    if (p == 0) {
        switch (kind) {
        case 0: become(1001, 1001, 1001); break;
        case 1: become(1000, 1000, 1000); break;
        case 2: become(1000, 1000, 1000), prctl(PR_SET_DUMPABLE, 0); break;
        case 3: prctl(PR_SET_KEEPCAPS, 1), become(1000, 1000, 1000), sets(BIT(CAP_CHOWN), 0); break;
        case 4: prctl(PR_SET_DUMPABLE, 1); break;
        case 5: become(1001, 1000, 1000); break;
        case 6: become(1000, 1001, 1000); break;
        case 7: become(1000, 1000, 1001); break;
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        write(ready[1], "", 1);
        for (;;)
            pause();
    }
    char c;
    read(ready[0], &c, 1);
    close(ready[0]);
    close(ready[1]);
    return p;
}

static void each(int capable) {
    static const char *kinds[] = {"another user's",       "one's own",      "one that hides",
                                  "one that can more",    "root's",         "one with the effective user only",
                                  "one with the real user", "one of another group"};
    for (int kind = 0; kind < 8; kind++) {
        pid_t p = target(kind);
        whom = kinds[kind];
        CHILD(capable ? "with capabilities" : "without", {
            if (capable)
                prctl(PR_SET_KEEPCAPS, 1);
            become(1000, 1000, 1000);
            unsigned has = BIT(CAP_SYS_PTRACE) | BIT(CAP_SYS_NICE) | BIT(CAP_KILL);
            if (capable)
                sets(has, has);
            calls(p);
            files(p);
        });
        kill(p, SIGKILL);
        waitpid(p, 0, 0);
    }
}

static void bits(void) {
    whom = "secure bits";
    TRY(prctl(PR_SET_KEEPCAPS, 1));
    E(prctl(PR_GET_SECUREBITS));
    TRY(prctl(PR_SET_KEEPCAPS, 0));
    TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS));
    E(prctl(PR_GET_KEEPCAPS));
    TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED));
    TRY(prctl(PR_SET_KEEPCAPS, 1));
    TRY(prctl(PR_SET_SECUREBITS, 0));
    TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED | SECBIT_KEEP_CAPS));
    TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED | SECBIT_NOROOT));
    TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED | 0x1000));
    become(1000, 1000, 1000);
    TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED | SECBIT_NOROOT));
    TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED | SECBIT_NOROOT | 0x300));
    TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED | SECBIT_NOROOT | 0x200));
    TRY(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED | 0x300));
    E(prctl(PR_GET_SECUREBITS));
}

static void asked(void) {
    whom = "asked";
    char *none[] = {NULL};
    close(open("script", O_CREAT | O_WRONLY, 0755));
    close(open("text", O_CREAT | O_WRONLY, 0644));
    TRY(syscall(SYS_execveat, AT_FDCWD, "/proc/self/exe", none, none, AT_EXECVE_CHECK));
    TRY(syscall(SYS_execveat, AT_FDCWD, "script", none, none, AT_EXECVE_CHECK));
    TRY(syscall(SYS_execveat, AT_FDCWD, "text", none, none, AT_EXECVE_CHECK));
    TRY(syscall(SYS_execveat, AT_FDCWD, "nothing", none, none, AT_EXECVE_CHECK));
    TRY(syscall(SYS_execveat, AT_FDCWD, ".", none, none, AT_EXECVE_CHECK));
    int fd = open("script", O_RDONLY);
    TRY(syscall(SYS_execveat, fd, "", none, none, AT_EMPTY_PATH | AT_EXECVE_CHECK));
    close(fd);
}

// access(2) asks what the real user may do, without what it is capable of.
static void looked(void) {
    whom = "access";
    close(open("root's", O_CREAT | O_WRONLY, 0600));
    CHILD("a capable user", prctl(PR_SET_KEEPCAPS, 1); become(1000, 1000, 1000);
          sets(BIT(CAP_DAC_OVERRIDE), BIT(CAP_DAC_OVERRIDE)); TRY(open("root's", O_RDONLY));
          TRY(access("root's", R_OK)); TRY(syscall(SYS_faccessat2, AT_FDCWD, "root's", R_OK, AT_EACCESS)));
    CHILD("where capabilities follow no user", prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
          become(1000, 1000, 1000); TRY(access("root's", R_OK)); sets(0, 0); TRY(access("root's", R_OK)));
}

int main(int argc, char **argv) {
    begin(argv);
    asked();
    CHILD("bits", bits());
    if (geteuid() != 0)
        return 0;
    looked();
    each(0);
    each(1);
    return 0;
}
