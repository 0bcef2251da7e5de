// What prctl(2) PR_SET_MM makes of what /proc shows of an address space.
#include "check.h"

#define SET(option, at, size, rest)                                                                \
    syscall(SYS_prctl, 35L, (long)(option), (long)(at), (long)(size), (long)(rest))
enum { START_CODE = 1, END_CODE, START_DATA, END_DATA, START_STACK, START_BRK, BRK, ARG_START,
       ARG_END, ENV_START, ENV_END, AUXV, EXE_FILE, MAP, MAP_SIZE };

struct map {
    uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack, arg_start,
        arg_end, env_start, env_end, auxv;
    uint32_t auxv_size, exe_fd;
};

static void whole(void) {
    static const char words[] = "other\0words";
    char *args = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(args, words, sizeof words);
    static long auxv[8] = {6, 4096, 17, 100, 0, 0, 9, 9};
    char *here = args;
    struct map m = {
        .start_code = (uintptr_t)here, .end_code = (uintptr_t)here + 1, .start_data = (uintptr_t)here,
        .end_data = (uintptr_t)here, .start_brk = (uintptr_t)sbrk(0), .brk = (uintptr_t)sbrk(0),
        .start_stack = (uintptr_t)&m, .arg_start = (uintptr_t)args, .arg_end = (uintptr_t)args + sizeof words,
        .env_start = (uintptr_t)args, .env_end = (uintptr_t)args, .exe_fd = -1,
    };
    unsigned size = 0;
    E(SET(MAP_SIZE, &size, 0, 0));
    say("%u", size);
    E(SET(MAP_SIZE, BAD, 0, 0));
    E(SET(MAP, &m, sizeof m - 1, 0));
    E(SET(MAP, BAD, sizeof m, 0));
    E(SET(MAP, &m, sizeof m, 1));
    struct map w = m;
    w.end_code = w.start_code;
    E(SET(MAP, &w, sizeof w, 0));
    w = m, w.start_brk++;
    E(SET(MAP, &w, sizeof w, 0));
    w = m, w.env_start = 1;
    E(SET(MAP, &w, sizeof w, 0));
    w = m, w.arg_end = 1UL << 62;
    E(SET(MAP, &w, sizeof w, 0));
    w = m, w.auxv_size = 16;
    E(SET(MAP, &w, sizeof w, 0));
    w.auxv = 0x10;
    E(SET(MAP, &w, sizeof w, 0));
    w.auxv = (uintptr_t)auxv, w.auxv_size = 100000;
    E(SET(MAP, &w, sizeof w, 0));
    w = m, w.exe_fd = 12345;
    E(SET(MAP, &w, sizeof w, 0));
    m.auxv = (uintptr_t)auxv, m.auxv_size = sizeof auxv;
    E(SET(MAP, &m, sizeof m, 0));
    char text[64];
    int fd = open("/proc/self/cmdline", O_RDONLY), n = read(fd, text, sizeof text);
    say("%d %s", n, n > 6 ? text + 6 : "");
    close(fd);
    fd = open("/proc/self/auxv", O_RDONLY);
    long shown[64];
    n = read(fd, shown, sizeof shown);
    say("%d %ld %ld %ld", n, shown[0], shown[3], shown[4]);
    close(fd);
    E(sbrk(4096) != (void *)-1);
}

// Without the right to change one thing alone, which not every root has.
static void single(void) {
    static long auxv[4] = {6, 4096, 0, 0};
    struct { uint32_t version; int pid; } head = {0x20080522, 0};
    struct { uint32_t effective, permitted, inheritable; } caps[2];
    syscall(SYS_capget, &head, caps);
    caps[0].effective &= ~(1u << 24);
    syscall(SYS_capset, &head, caps);
    E(SET(0, 0x100000, 0, 0));
    E(SET(16, 0x100000, 0, 0));
    E(SET(START_CODE, 0x100000, 1, 0));
    E(SET(START_CODE, 0x100000, 0, 1));
    E(SET(START_CODE, 0, 0, 0));
    E(SET(START_CODE, -1, 0, 0));
    E(SET(END_CODE, 0x10000, 0, 0));
    E(SET(ARG_START, 0x7ffffffe0000, 0, 0));
    E(SET(AUXV, auxv, sizeof auxv, 0));
    E(SET(AUXV, auxv, 1 << 20, 0));
    E(SET(AUXV, BAD, 16, 0));
    E(SET(EXE_FILE, -1, 0, 0));
    E(SET(EXE_FILE, open("/", O_RDONLY), 0, 0));
    E(SET(EXE_FILE, open("/etc/passwd", O_RDONLY), 0, 0));
    E(SET(EXE_FILE, open("/bin/true", O_RDONLY), 0, 0));
}

int main(int argc, char **argv) {
    begin(argv);
    unsigned size;
    if (SET(MAP_SIZE, &size, 0, 0)) return UNKNOWN;
    CHILD("single", single());
    CHILD("whole", whole());
    return 0;
}
