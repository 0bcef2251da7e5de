// Where pages are, on a machine with one node: move_pages, migrate_pages, home nodes of policies.
#include "check.h"
#include <linux/mempolicy.h>

#define CALL(...) syscall(__VA_ARGS__)
#define HOME(...) syscall(450, __VA_ARGS__)
#define PAGE 4096
#define COUNT 13

static void *pages[COUNT];
static int nodes[COUNT], status_of[COUNT];

static void tell(void) {
    for (int i = 0; i < COUNT; i++) {
        say("  %d: %d", i, status_of[i]);
        status_of[i] = 99;
    }
}

static long ask(pid_t pid, int *where, int flags) {
    return CALL(SYS_move_pages, pid, COUNT, pages, where, status_of, flags);
}

static int of_one_node(void) {
    char line[16] = "";
    FILE *f = fopen("/sys/devices/system/node/online", "r");
    // The sandbox has one, and no file that says so.
    return !f || !fgets(line, sizeof line, f) || !strcmp(line, "0\n");
}

static void moving(void) {
    char *p = mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int f = open("f", O_RDWR | O_CREAT, 0600);
    ftruncate(f, 4 * PAGE);
    char *shared = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    char *private = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
    char *gap = mmap(0, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(gap + PAGE, PAGE);
    char *untouched = mmap(0, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *hidden = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[0] = p[PAGE] = shared[0] = private[PAGE] = hidden[0] = 1;
    volatile char c = shared[PAGE];
    mprotect(hidden, PAGE, PROT_NONE);
    void *all[COUNT] = {p,       p + PAGE,    p + 7,         untouched, shared, shared + PAGE,
                        gap,     gap + PAGE,  private + PAGE, (void *)-1,  NULL,   hidden, all};
    memcpy(pages, all, sizeof all);
    for (int flags = 0; flags < 9; flags++) {
        say("flags %d", flags);
        if (E(ask(0, NULL, flags)) == 0) tell();
        if (E(ask(getpid(), nodes, flags)) == 0) tell();
    }
    // A child's own memory is as its parent's.
    int s, go[2];
    pipe(go);
    pid_t child = fork();
    if (!child) {
        char b;
        close(go[1]);
        (void)!read(go[0], &b, 1);
        _exit(0);
    }
    E(CALL(SYS_move_pages, child, 2, pages, NULL, status_of, MPOL_MF_MOVE));
    say("%d %d", status_of[0], status_of[1]);
    E(CALL(SYS_migrate_pages, child, 64, &(long){1}, &(long){1}));
    close(go[1]);
    siginfo_t info;
    waitid(P_PID, child, &info, WEXITED | WNOWAIT);
    E(ask(child, NULL, MPOL_MF_MOVE));
    E(CALL(SYS_move_pages, child, 0, NULL, NULL, NULL, MPOL_MF_MOVE));
    E(CALL(SYS_migrate_pages, child, 64, &(long){1}, &(long){1}));
    waitpid(child, &s, 0);
    E(ask(child, NULL, MPOL_MF_MOVE));
    int wrong[] = {1, -1, 100, 1 << 20};
    for (int i = 0; i < 4; i++) {
        nodes[2] = wrong[i];
        E(ask(0, nodes, MPOL_MF_MOVE));
        tell();
    }
    nodes[2] = 0;
    E(ask(99999999, nodes, MPOL_MF_MOVE));
    E(ask(-1, nodes, MPOL_MF_MOVE));
    E(CALL(SYS_move_pages, 0, 0, NULL, NULL, NULL, MPOL_MF_MOVE));
    E(CALL(SYS_move_pages, 99999999, 0, NULL, NULL, NULL, MPOL_MF_MOVE));
    E(CALL(SYS_move_pages, 0, COUNT, BAD, nodes, status_of, MPOL_MF_MOVE));
    E(CALL(SYS_move_pages, 0, COUNT, pages, BAD, status_of, MPOL_MF_MOVE));
    E(CALL(SYS_move_pages, 0, COUNT, pages, nodes, BAD, MPOL_MF_MOVE));
    E(CALL(SYS_move_pages, 0, COUNT, BAD, NULL, status_of, MPOL_MF_MOVE));
    E(CALL(SYS_move_pages, 0, COUNT, pages, NULL, NULL, MPOL_MF_MOVE));
}

static void migrating(void) {
    unsigned long none = 0, first = 1, second = 2, both = 3, many[64] = {1};
#define MIGRATE(...) CALL(SYS_migrate_pages, __VA_ARGS__)
    E(MIGRATE(0, 64, &first, &first));
    E(MIGRATE(0, 64, &second, &first));
    E(MIGRATE(0, 64, &first, &second));
    E(MIGRATE(0, 64, &first, &both));
    E(MIGRATE(0, 64, &none, &first));
    E(MIGRATE(0, 64, &first, &none));
    E(MIGRATE(0, 0, &first, &first));
    E(MIGRATE(0, 1, &first, &first));
    E(MIGRATE(0, 2, &first, &first));
    E(MIGRATE(0, 2, &first, &both));
    E(MIGRATE(0, 64, BAD, &first));
    E(MIGRATE(0, 64, &first, BAD));
    E(MIGRATE(0, 64, NULL, NULL));
    E(MIGRATE(99999999, 64, &first, &first));
    E(MIGRATE(99999999, 64, &first, &second));
    E(MIGRATE(99999999, 64, BAD, &first));
    E(MIGRATE(-1, 64, &first, &first));
    E(MIGRATE(0, 64 * 64, many, many));
    E(MIGRATE(0, 1000000, many, many));
    many[20] = 1;
    E(MIGRATE(0, 64 * 64, many, many));
    E(MIGRATE(0, 64 * 10, many, many));
}

static void homes(void) {
    char *p = mmap(0, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long first = 1, second = 2, both = 3;
    munmap(p + 15 * PAGE, PAGE);
    E(HOME(p, PAGE, 0, 0));
    E(CALL(SYS_mbind, p, PAGE, MPOL_BIND, &first, 64, 0));
    E(HOME(p, PAGE, 0, 0));
    E(HOME(p, 2 * PAGE, 0, 0));
    E(HOME(p + PAGE, 2 * PAGE, 0, 0));
    E(CALL(SYS_mbind, p + PAGE, PAGE, MPOL_PREFERRED, &first, 64, 0));
    E(HOME(p, 2 * PAGE, 0, 0));
    E(HOME(p + PAGE, PAGE, 0, 0));
    E(CALL(SYS_mbind, p + 2 * PAGE, PAGE, MPOL_PREFERRED_MANY, &first, 64, 0));
    E(HOME(p + 2 * PAGE, PAGE, 0, 0));
    E(HOME(p, 3 * PAGE, 0, 0));
    E(HOME(p, PAGE, 1, 0));
    E(HOME(p, PAGE, -1, 0));
    E(HOME(p, PAGE, 0, 1));
    E(HOME(p + 1, PAGE, 0, 0));
    E(HOME(p, 0, 0, 0));
    E(HOME(p, -1ul, 0, 0));
    E(HOME(p, -4096ul, 0, 0));
    E(HOME(p + 15 * PAGE, PAGE, 0, 0));
    E(HOME(p + 14 * PAGE, 2 * PAGE, 0, 0));
    E(HOME(p, 1, 0, 0));
    E(HOME(p, PAGE + 1, 0, 0));
    E(HOME(p, PAGE, 1ul << 40, 0));
    // Nodes that there are not are left out, as long as one is there.
    E(CALL(SYS_mbind, p, PAGE, MPOL_BIND, &both, 64, 0));
    E(CALL(SYS_mbind, p, PAGE, MPOL_BIND, &second, 64, 0));
    E(CALL(SYS_mbind, p, PAGE, MPOL_PREFERRED, &second, 64, 0));
    E(CALL(SYS_mbind, p, PAGE, MPOL_DEFAULT, &second, 64, 0));
    E(CALL(SYS_set_mempolicy, MPOL_BIND, &both, 64));
    int mode;
    unsigned long mask = 0;
    E(CALL(SYS_get_mempolicy, &mode, &mask, 64, NULL, 0));
    say("mode %d mask %lx", mode, mask);
}

int main(int c, char **v) {
    begin(v);
    if (!of_one_node() || (HOME(0, 0, 0, 0) < 0 && errno == ENOSYS)) return UNKNOWN;
    moving();
    migrating();
    homes();
    return 0;
}
