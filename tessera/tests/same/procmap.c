// One mapping in binary: ioctl_procmap_query(2).
#include "check.h"

struct query {
    uint64_t size, flags, addr, start, end, perms, page_size, offset, inode;
    uint32_t major, minor, name_size, build_id_size;
    uint64_t name_addr, build_id_addr;
};
#define QUERY _IOWR('f', 17, struct query)
enum { READABLE = 1, WRITABLE = 2, EXECUTABLE = 4, SHARED = 8, OR_NEXT = 16, OF_FILE = 32 };

static int maps;
static char *base;

static void ask(const char *what, struct query q) {
    static char name[5000];
    if (!q.size) q.size = sizeof q;
    if (q.name_size) q.name_addr = (uint64_t)name;
    memset(name, 'x', 50);
    errno = 0;
    if (ioctl(maps, QUERY, &q) < 0) {
        say("%s: %s", what, name_of(errno));
        return;
    }
    say("%s: %ld to %ld, %llx, page %llu, at %llx, file %d %d", what,
        (long)(q.start - (uint64_t)base) / 4096, (long)(q.end - (uint64_t)base) / 4096, q.perms,
        q.page_size, q.offset, q.inode != 0, q.major != 0 || q.minor != 0);
    if (q.name_addr) say("name of %u: %.20s", q.name_size, q.name_size ? name : "");
}

int main(int c, char **v) {
    begin(v);
    maps = open("/proc/self/maps", O_RDONLY);
    int f = open("f", O_CREAT | O_RDWR, 0666);
    ftruncate(f, 20 * 4096);
    // Pages of memory, a gap, a file that is shared, a gap, one that is private.
    base = mmap(0, 100 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(base, 100 * 4096);
    void *at(int page) { return base + page * 4096; }
    mmap(at(10), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mmap(at(20), 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, f, 8192);
    mmap(at(30), 2 * 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, f, 4096);
    uint64_t page(int n) { return (uint64_t)at(n); }
    ask("memory", (struct query){.addr = page(10)});
    ask("in a page", (struct query){.addr = page(10) + 5});
    ask("after", (struct query){.addr = page(11)});
    ask("after, or next", (struct query){.addr = page(11), .flags = OR_NEXT});
    ask("shared", (struct query){.addr = page(21)});
    ask("private", (struct query){.addr = page(30)});
    ask("memory of a file", (struct query){.addr = page(10), .flags = OF_FILE});
    ask("next of a file", (struct query){.addr = page(10), .flags = OF_FILE | OR_NEXT});
    ask("executable", (struct query){.addr = page(10), .flags = EXECUTABLE});
    ask("next executable", (struct query){.addr = page(10), .flags = EXECUTABLE | OR_NEXT});
    ask("next shared", (struct query){.addr = page(10), .flags = SHARED | OR_NEXT});
    ask("read and write", (struct query){.addr = page(20), .flags = READABLE | WRITABLE});
    ask("write and execute", (struct query){.addr = page(30), .flags = WRITABLE | EXECUTABLE});
    ask("beyond all", (struct query){.addr = -4096UL, .flags = OR_NEXT | SHARED});
    ask("no name", (struct query){.addr = page(10), .name_size = 100});
    struct query q = {.size = sizeof q, .addr = page(20), .name_size = 1000};
    char name[1000], cwd[900];
    q.name_addr = (uint64_t)name;
    E(ioctl(maps, QUERY, &q));
    getcwd(cwd, sizeof cwd);
    strcat(cwd, "/f");
    say("the name %d %d", strcmp(name, cwd), q.name_size == strlen(cwd) + 1);
    ask("short name", (struct query){.addr = page(20), .name_size = 3});
    ask("size without name", (struct query){.addr = page(20), .build_id_size = 20});
    ask("name without size", (struct query){.addr = page(20), .name_addr = page(10)});
    q.name_addr = 16;
    E(ioctl(maps, QUERY, &q));
    ask("flags", (struct query){.addr = page(20), .flags = 64});
    ask("small", (struct query){.addr = page(20), .size = 23});
    q = (struct query){.addr = page(20), .size = 24};
    E(ioctl(maps, QUERY, &q));
    q.size = sizeof q;
    ask("some", (struct query){.addr = page(20), .size = 48});
    ask("huge", (struct query){.addr = page(20), .size = 4097});
    char big[4096] = {0};
    *(struct query *)big = (struct query){.addr = page(20), .size = 4096};
    E(ioctl(maps, QUERY, big));
    big[4000] = 1;
    E(ioctl(maps, QUERY, big));
    E(ioctl(maps, QUERY, 0));
    E(ioctl(open("/proc/self/status", O_RDONLY), QUERY, &q));
    E(ioctl(open("/proc/self/smaps", O_RDONLY), QUERY, &q));
    E(ioctl(f, QUERY, &q));
    // Of another process, which ends.
    pid_t p = fork();
    if (p == 0) {
        pause();
        _exit(0);
    }
    char path[50];
    snprintf(path, sizeof path, "/proc/%d/maps", p);
    maps = open(path, O_RDONLY);
    ask("another's", (struct query){.addr = page(20)});
    kill(p, SIGKILL);
    waitpid(p, 0, 0);
    ask("nobody's", (struct query){.addr = page(20)});
    return 0;
}
