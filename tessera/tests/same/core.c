// Core dumps: who leaves one, where, and what is in it.
#include "check.h"
#include <elf.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/procfs.h>
#include <sys/ptrace.h>
#include <sys/user.h>

static const char *self;

static void limit(long bytes) {
    struct rlimit r = {bytes, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &r);
}

// What there is under the name that a dump gets; no sizes, which processors differ in.
static void left(const char *what) {
    struct stat s;
    if (lstat("core", &s))
        say("%s: %s", what, name_of(errno));
    else
        say("%s: mode %o, %d links, %s, %s", what, s.st_mode, S_ISDIR(s.st_mode) ? 0 : (int)s.st_nlink,
            s.st_uid == geteuid() ? "own" : "not own", S_ISREG(s.st_mode) && s.st_size ? "filled" : "empty");
}

// How a child ends, by both waits.
static void ended(const char *what, pid_t child) {
    siginfo_t i = {0};
    int s = 0;
    waitid(P_PID, child, &i, WEXITED | WNOWAIT);
    waitpid(child, &s, 0);
    say("%s: %s %d%s, code %d status %d", what, WIFSIGNALED(s) ? "signal" : "exit",
        WIFSIGNALED(s) ? WTERMSIG(s) : WEXITSTATUS(s), WIFSIGNALED(s) && WCOREDUMP(s) ? " dumped" : "",
        i.si_code, i.si_status);
}

#define DIES(what, ...)                                                                            \
    do {                                                                                           \
        pid_t child_ = fork();                                                                     \
        if (child_ == 0) {                                                                         \
            __VA_ARGS__;                                                                           \
            _exit(0);                                                                              \
        }                                                                                          \
        ended(what, child_);                                                                       \
    } while (0)

static void of_signals(void) {
    int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,
                     SIGFPE,  SIGKILL, SIGUSR1, SIGSEGV, SIGPIPE, SIGTERM, SIGXCPU,
                     SIGXFSZ, SIGSYS,  SIGIO,   SIGPWR,  SIGRTMIN};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        unlink("core");
        DIES("one that kills itself", signal(signals[i], SIG_DFL); raise(signals[i]));
        left(" leaves");
    }
}

static void of_limits(void) {
    long limits[] = {0, 1, 4095, 4096, 20000, 100000, RLIM_INFINITY};
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
        unlink("core");
        DIES("with a limit", limit(limits[i]); abort());
        left(" leaves");
        struct stat s;
        if (stat("core", &s) == 0)
            say(" within it: %d", s.st_blocks * 512 <= (unsigned long)limits[i] + 4096);
    }
    unlink("core");
    DIES("with a limit of files", struct rlimit r = {8192, 8192}; setrlimit(RLIMIT_FSIZE, &r); abort());
    struct stat s;
    say("it is %s", stat("core", &s) ? "not there" : s.st_size <= 8192 ? "cut" : "too large");
}

static void of_names(void) {
    unlink("core");
    close(open("core", O_CREAT | O_WRONLY, 0666));
    link("core", "other");
    DIES("over a file with two names", abort());
    left(" leaves");
    struct stat s;
    stat("other", &s);
    say("the other name: %d links, size %ld", (int)s.st_nlink, (long)s.st_size);
    unlink("core");
    unlink("other");
    symlink("target", "core");
    DIES("over a symbolic link", abort());
    left(" leaves");
    E(access("target", F_OK));
    unlink("core");
    mkdir("core", 0700);
    DIES("over a directory", abort());
    left(" leaves");
    rmdir("core");
    mkfifo("core", 0600);
    DIES("over a pipe", abort());
    left(" leaves");
    unlink("core");
    for (int mask = 0; mask <= 0777; mask += 0777) {
        DIES("with a mask", umask(mask); abort());
        left(" leaves");
        unlink("core");
    }
    mkdir("closed", 0500);
    DIES("in a closed directory", chdir("closed"); abort());
    DIES("in a removed directory", mkdir("gone", 0700); chdir("gone"); rmdir("../gone"); abort());
    unlink("closed/core");
    rmdir("closed");
    E(access("core", F_OK));
}

static void of_rights(void) {
    DIES("not dumpable", prctl(PR_SET_DUMPABLE, 0); abort());
    left(" leaves");
    E(prctl(PR_SET_DUMPABLE, 2));
    E(prctl(PR_SET_DUMPABLE, -1));
    DIES("dumpable again", prctl(PR_SET_DUMPABLE, 0); prctl(PR_SET_DUMPABLE, 1); abort());
    left(" leaves");
    unlink("core");
    if (geteuid() == 0) {
        DIES("changed its user", setuid(12345); say("dumpable %d", prctl(PR_GET_DUMPABLE)); abort());
        left(" leaves");
        DIES("changed its user and asked", setuid(12345); prctl(PR_SET_DUMPABLE, 1); abort());
        struct stat s;
        say("it belongs to %d", stat("core", &s) ? -1 : (int)s.st_uid);
        unlink("core");
        DIES("changed its file user", setfsuid(12345); prctl(PR_SET_DUMPABLE, 1); abort());
        say("it belongs to %d", stat("core", &s) ? -1 : (int)s.st_uid);
        unlink("core");
    }
}

static void restricted(int action) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    syscall(SYS_getppid);
}

static void nothing(int s) {}

static void of_the_kernel(void) {
    DIES("a bad address", *(volatile int *)8 = 1);
    left(" leaves");
    unlink("core");
    DIES("no stack for a handler", signal(SIGSEGV, nothing);
         __asm__ volatile("xor %%esp, %%esp; push %%rax" ::: "memory"));
    left(" leaves");
    unlink("core");
    DIES("no stack for another's handler", signal(SIGUSR1, nothing);
         __asm__ volatile("xor %%esp, %%esp; syscall" ::"a"(SYS_tgkill), "D"(getpid()),
                          "S"(syscall(SYS_gettid)), "d"(SIGUSR1)
                          : "memory", "rcx", "r11"));
    left(" leaves");
    unlink("core");
    DIES("a filter that kills", restricted(SECCOMP_RET_KILL_PROCESS));
    left(" leaves");
    unlink("core");
    DIES("a filter that kills the only thread", restricted(SECCOMP_RET_KILL_THREAD));
    left(" leaves");
    unlink("core");
    DIES("a blocked trap", sigset_t all; sigfillset(&all); sigprocmask(SIG_SETMASK, &all, 0);
         __asm__ volatile("ud2"));
    left(" leaves");
    unlink("core");
    // The exit event tells of the dump that was made before.
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        abort();
    }
    int s;
    unsigned long message = 0;
    waitpid(child, &s, 0);
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEEXIT);
    ptrace(PTRACE_CONT, child, 0, 0);
    waitpid(child, &s, 0);
    say("stopped for %d", WSTOPSIG(s));
    left(" which leaves");
    ptrace(PTRACE_CONT, child, 0, SIGABRT);
    waitpid(child, &s, 0);
    ptrace(PTRACE_GETEVENTMSG, child, 0, &message);
    say("stopped with %x, message %lx", s >> 8, message);
    left(" which leaves");
    ptrace(PTRACE_CONT, child, 0, 0);
    ended("traced", child);
    unlink("core");
}

static char *core;
static Elf64_Ehdr *head;
static Elf64_Phdr *segments;
static size_t size;

static int open_core(void) {
    int fd = open("core", O_RDONLY);
    struct stat s;
    if (fd < 0 || fstat(fd, &s))
        return say("no dump: %s", name_of(errno)), 0;
    size = s.st_size;
    core = mmap(0, size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    head = (void *)core;
    segments = (void *)(core + head->e_phoff);
    return 1;
}

static void close_core(void) {
    munmap(core, size);
    unlink("core");
}

// The segment that an address is in: its flags and how much of it is in the file.
static void piece(const char *what, void *at) {
    for (int i = 1; i < head->e_phnum; i++) {
        Elf64_Phdr *p = segments + i;
        if ((uintptr_t)at < p->p_vaddr || (uintptr_t)at >= p->p_vaddr + p->p_memsz)
            continue;
        int inside = (uintptr_t)at - p->p_vaddr < p->p_filesz;
        char *bytes = core + p->p_offset + ((uintptr_t)at - p->p_vaddr);
        say("%s: flags %x, %lx of %lx, %.8s", what, p->p_flags, (long)p->p_filesz, (long)p->p_memsz,
            !inside ? "not there" : *bytes ? bytes : "zero");
        return;
    }
    say("%s: no segment", what);
}

#define NOTES 64
static struct {
    char name[8];
    unsigned type, size;
    char *contents;
} notes[NOTES];
static int count;

static void read_notes(void) {
    count = 0;
    for (char *p = core + segments[0].p_offset, *end = p + segments[0].p_filesz; p < end && count < NOTES;) {
        Elf64_Nhdr *n = (void *)p;
        p += sizeof *n;
        snprintf(notes[count].name, sizeof notes[count].name, "%s", p);
        p += (n->n_namesz + 3) & ~3;
        notes[count].type = n->n_type;
        notes[count].size = n->n_descsz;
        notes[count++].contents = p;
        p += (n->n_descsz + 3) & ~3;
    }
}

static void *note(unsigned type) {
    for (int i = 0; i < count; i++)
        if (notes[i].type == type)
            return notes[i].contents;
    return 0;
}

#define NT_XSAVE_LAYOUT 0x205

static int has_layout(void) {
    struct utsname u;
    int major = 0, minor = 0;
    uname(&u);
    sscanf(u.release, "%d.%d", &major, &minor);
    return major > 6 || major == 6 && minor >= 12;
}

static char *private, *touched, *untouched, *shared, *mapped, *mapped_shared, *excluded, *hidden, *included, *segment;
#define PAGES (4 * 4096)

// Pages that have no neighbour which they could be one mapping with.
static char *apart(int prot, int flags, int fd) {
    char *p = mmap(0, PAGES + 2 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p, 4096);
    munmap(p + 4096 + PAGES, 4096);
    return mmap(p + 4096, PAGES, prot, flags | MAP_FIXED, fd, 0);
}

static void make_memory(void) {
    int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600);
    write(fd, "contents", 8);
    ftruncate(fd, PAGES);
    int rw = PROT_READ | PROT_WRITE, anon = MAP_ANONYMOUS;
    private = apart(rw, MAP_PRIVATE | anon, -1);
    strcpy(private, "private");
    strcpy(private + 3 * 4096, "the end");
    untouched = apart(PROT_READ, MAP_PRIVATE | anon, -1);
    shared = apart(rw, MAP_SHARED | anon, -1);
    strcpy(shared, "shared");
    mapped = apart(PROT_READ, MAP_PRIVATE, fd);
    touched = apart(rw, MAP_PRIVATE, fd);
    strcpy(touched + 4096, "touched");
    mapped_shared = apart(rw, MAP_SHARED, fd);
    excluded = apart(rw, MAP_PRIVATE | anon, -1);
    strcpy(excluded, "secret");
    madvise(excluded, PAGES, MADV_DONTDUMP);
    included = apart(rw, MAP_PRIVATE | anon, -1);
    strcpy(included, "open");
    madvise(included, PAGES, MADV_DONTDUMP);
    madvise(included, PAGES, MADV_DODUMP);
    hidden = apart(rw, MAP_PRIVATE | anon, -1);
    strcpy(hidden, "hidden");
    mprotect(hidden, PAGES, PROT_NONE);
    int id = shmget(IPC_PRIVATE, PAGES, IPC_CREAT | 0600);
    segment = shmat(id, 0, 0);
    shmctl(id, IPC_RMID, 0);
    strcpy(segment + 4096, "segment");
    close(fd);
}

static void filter(int bits) {
    char text[16];
    int fd = open("/proc/self/coredump_filter", O_RDWR);
    if (bits >= 0) {
        snprintf(text, sizeof text, "%#x\n", bits);
        write(fd, text, strlen(text));
        lseek(fd, 0, SEEK_SET);
    }
    int n = read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    say("filter %s", text);
    close(fd);
}

static void of_memory(void) {
    int filters[] = {-1, 0, 1, 2, 4, 8, 0x10, 0x1ff};
    make_memory();
    for (unsigned i = 0; i < sizeof filters / sizeof *filters; i++) {
        DIES("with memory", filter(filters[i]); if (fork() == 0) abort(); int s; wait(&s); filter(-1));
        if (!open_core())
            continue;
        piece("private", private);
        piece("its end", private + 3 * 4096);
        piece("inside it", private + 4096);
        piece("untouched", untouched);
        piece("shared", shared);
        piece("mapped", mapped);
        piece("touched", touched + 4096);
        piece("beside it", touched);
        piece("mapped shared", mapped_shared);
        piece("excluded", excluded);
        piece("included", included);
        piece("hidden", hidden);
        piece("segment", segment + 4096);
        close_core();
    }
    unlink("file");
}

static void of_the_format(int with_layout) {
    int up[2];
    pipe(up);
    DIES("for its registers", char me[16]; snprintf(me, sizeof me, "%d", getpid());
         write(up[1], me, strlen(me) + 1); prctl(PR_SET_NAME, "dying"); sigset_t usr;
         sigemptyset(&usr); sigaddset(&usr, SIGUSR2); sigprocmask(SIG_BLOCK, &usr, 0); raise(SIGUSR2);
         __asm__ volatile("movq %0, %%xmm7; mov %0, %%r12; mov $0x1234, %%ebx; mov %%eax, (%1)" ::"r"(
                              0x1122334455667788),
                          "r"(0x40L), "a"(77)
                          : "memory", "r12", "rbx", "xmm7"));
    char me[16] = "";
    read(up[0], me, sizeof me);
    int pid = atoi(me);
    if (!open_core())
        return;
    read_notes();
    say("type %d, machine %d, version %d, flags %d, %d %d, %d sections", head->e_type, head->e_machine,
        head->e_version, head->e_flags, head->e_ehsize, head->e_phentsize, head->e_shnum);
    say("data %d %d, OS %d", head->e_ident[EI_CLASS], head->e_ident[EI_DATA], head->e_ident[EI_OSABI]);
    say("notes: type %d, flags %d, align %s, address %ld, %ld", segments[0].p_type, segments[0].p_flags,
        segments[0].p_align % 4 ? "odd" : "even", (long)segments[0].p_vaddr, (long)segments[0].p_memsz);
    long at = segments[0].p_offset + segments[0].p_filesz;
    int orderly = segments[1].p_offset == ((at + 4095) & -4096);
    for (int i = 2; i < head->e_phnum; i++)
        orderly &= segments[i].p_offset == segments[i - 1].p_offset + segments[i - 1].p_filesz &&
                   segments[i].p_vaddr >= segments[i - 1].p_vaddr + segments[i - 1].p_memsz &&
                   segments[i].p_type == PT_LOAD && segments[i].p_align == 4096;
    Elf64_Phdr *last = segments + head->e_phnum - 1;
    say("orderly %d, all there %d", orderly, size == last->p_offset + last->p_filesz);
    for (int i = 0; i < count; i++) {
        unsigned t = notes[i].type;
        if (t == NT_XSAVE_LAYOUT && !with_layout)
            continue;
        int varies = t == NT_AUXV || t == NT_FILE || t == NT_X86_XSTATE || t == NT_XSAVE_LAYOUT;
        say("note %s %x, %d bytes", notes[i].name, t, varies ? 0 : notes[i].size);
    }
    struct elf_prstatus *s = note(NT_PRSTATUS);
    struct user_regs_struct *r = (void *)s->pr_reg;
    say("signal %d %d %d, cur %d, pending %lx, held %lx, fp %d", s->pr_info.si_signo, s->pr_info.si_code,
        s->pr_info.si_errno, s->pr_cursig, s->pr_sigpend, s->pr_sighold, s->pr_fpvalid);
    say("pid %d, parent %d, group %d, session %d", s->pr_pid == pid, s->pr_ppid == getpid(),
        s->pr_pgrp == getpgrp(), s->pr_sid == getsid(0));
    say("r12 %llx, rbx %llx, rax %llx, cs %llx, ss %llx, orig %lld", r->r12, r->rbx, r->rax, r->cs, r->ss,
        r->orig_rax);
    struct elf_prpsinfo *p = note(NT_PRPSINFO);
    say("state %d %c %d, nice %d, uid %d, gid %d", p->pr_state, p->pr_sname, p->pr_zomb, p->pr_nice,
        p->pr_uid == getuid(), p->pr_gid == getgid());
    say("pid %d, parent %d, name %s, arguments %d", p->pr_pid == pid, p->pr_ppid == getpid(), p->pr_fname,
        !strncmp(p->pr_psargs, self, strlen(self) < 79 ? strlen(self) : 79));
    siginfo_t *i = note(NT_SIGINFO);
    say("siginfo %d %d %p", i->si_signo, i->si_code, i->si_addr);
    struct user_fpregs_struct *f = note(NT_FPREGSET);
    say("xmm7 %lx, mxcsr %x", *(long *)((char *)f->xmm_space + 7 * 16), f->mxcsr);
    char *x = note(NT_X86_XSTATE);
    say("xstate begins alike %d", !memcmp(x, f, 464));
    long *a = note(NT_AUXV);
    for (; a && a[0]; a += 2)
        if (a[0] == AT_PAGESZ || a[0] == AT_PHENT || a[0] == AT_SECURE || a[0] == AT_UID)
            say("auxv %ld %d", a[0], a[0] == AT_UID ? a[1] == getuid() : (int)a[1]);
    long *files = note(NT_FILE);
    char *name = files ? (char *)(files + 2 + 3 * files[0]) : "";
    say("pages of %ld, first of %s at %ld", files ? files[1] : 0, strcmp(name, self) ? name : "this program",
        files ? files[4] : 0);
    close_core();
}

static volatile long turns;
static volatile int sleeping[3];
static int holds;

static void *waits(void *arg) {
    sleeping[0] = gettid();
    pause();
    return 0;
}

static void *waits_for_it(void *arg) {
    sleeping[1] = gettid();
    syscall(SYS_futex, &holds, 0, 0, 0, 0, 0);
    return 0;
}

static void *spins(void *arg) {
    for (;;)
        ++turns;
}

static int sleeps(int tid) {
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    int fd = open(path, O_RDONLY);
    read(fd, text, sizeof text - 1);
    close(fd);
    char *end = strrchr(text, ')');
    return end && end[2] == 'S';
}

// Crashes once all others are where they stay.
static void *crashes(void *arg) {
    for (int i = 0; i < 3; i++)
        while (!sleeping[i] || !sleeps(sleeping[i]))
            usleep(1000);
    while (turns == 0)
        usleep(1000);
    *(volatile int *)8 = 1;
    return 0;
}

static void of_threads(void) {
    DIES("of several threads", pthread_t t; pthread_create(&t, 0, waits, 0); pthread_create(&t, 0, spins, 0);
         pthread_create(&t, 0, waits_for_it, 0); pthread_create(&t, 0, crashes, 0); sleeping[2] = getpid(); pause());
    if (!open_core())
        return;
    read_notes();
    int threads = 0, of_first = 0, waiting = 0;
    int first = 0;
    for (int i = 0; i < count; i++) {
        if (notes[i].type != NT_PRSTATUS)
            continue;
        struct elf_prstatus *s = (void *)notes[i].contents;
        struct user_regs_struct *r = (void *)s->pr_reg;
        if (!threads++)
            first = s->pr_pid != ((struct elf_prpsinfo *)note(NT_PRPSINFO))->pr_pid;
        of_first += s->pr_cursig == SIGSEGV;
        waiting += (long)r->orig_rax == SYS_pause || (long)r->orig_rax == SYS_futex;
    }
    say("%d threads, the one that crashed is first %d, signal of all %d, in calls %d", threads, first,
        of_first, waiting);
    long *here = 0;
    for (int i = 1; i < head->e_phnum; i++)
        if ((uintptr_t)&turns - segments[i].p_vaddr < segments[i].p_filesz)
            here = (long *)(core + segments[i].p_offset + ((uintptr_t)&turns - segments[i].p_vaddr));
    say("memory as of the end %d", here && *here > 0);
    close_core();
}

int main(int argc, char **argv) {
    char pattern[16] = "";
    int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
    read(fd, pattern, sizeof pattern - 1);
    close(fd);
    self = argv[0];
    begin(argv);
    fd = open("/proc/sys/kernel/core_uses_pid", O_RDONLY);
    char uses = 0;
    read(fd, &uses, 1);
    close(fd);
    // Distributions have programs that dumps are handed to.
    if (strcmp(pattern, "core\n") || uses != '0')
        return UNKNOWN;
    limit(RLIM_INFINITY);
    of_signals();
    of_limits();
    of_names();
    of_rights();
    of_the_kernel();
    of_memory();
    of_the_format(has_layout());
    of_threads();
    return 0;
}
