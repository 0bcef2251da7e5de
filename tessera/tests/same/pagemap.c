// What /proc tells of single pages and of files that are mapped: pagemap, clear_refs, map_files.
#include "check.h"

#define PAGE 4096UL
#define PRESENT (1UL << 63)
#define OF_FILE (1UL << 61)
#define EXCLUSIVE (1UL << 56)
#define FRAME ((1UL << 55) - 1)

static uint64_t word(int fd, void *at) {
    uint64_t w = 0;
    return pread(fd, &w, 8, (uintptr_t)at / PAGE * 8) == 8 ? w : -1;
}

static void bits(const char *what, int fd, void *at) {
    uint64_t w = word(fd, at);
    say("%s: there %d of a file %d alone %d frame %d", what, !!(w & PRESENT), !!(w & OF_FILE),
        !!(w & EXCLUSIVE), (w & PRESENT) && (w & FRAME));
}

static char *map(int flags, int fd, size_t len) {
    return mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
}

static void pages(void) {
    int fd = open("/proc/self/pagemap", O_RDONLY);
    E(fd >= 0);
    // Apart from each other by more than is ever given at once.
    char *own = map(MAP_PRIVATE | MAP_ANONYMOUS, -1, 16 << 20);
    madvise(own, 16 << 20, MADV_NOHUGEPAGE);
    own[0] = 1;
    bits("written", fd, own);
    bits("not written", fd, own + (8 << 20));
    bits("not mapped", fd, (void *)0x10000);
    int file = open("pagemap.tmp", O_RDWR | O_CREAT, 0600);
    ftruncate(file, 2 * PAGE);
    char *shared = map(MAP_SHARED, file, PAGE), *again = map(MAP_SHARED, file, PAGE);
    shared[0] = again[0] = 1;
    bits("a file", fd, shared);
    say("the same %d", (word(fd, shared) & FRAME) == (word(fd, again) & FRAME));
    char *anon = map(MAP_SHARED | MAP_ANONYMOUS, -1, PAGE);
    anon[0] = 1;
    bits("shared", fd, anon);
    CHILD("a child", int mine = open("/proc/self/pagemap", O_RDONLY); anon[0] = 2;
          bits("in both", mine, anon); own[0] = 2; bits("its own now", mine, own));
    madvise(own, PAGE, MADV_DONTNEED);
    bits("dropped", fd, own);

    uint64_t w[4];
    E(pread(fd, w, 4, 0));
    E(pread(fd, w, 12, 0));
    E(pread(fd, w, 8, 4));
    E(pread(fd, w, 0, 0));
    E(pread(fd, w, 32, 0x10 * 8));
    E(pread(fd, w, 8, 1L << 60));
    E(pread(fd, BAD, 8, 0x10 * 8));
    E(write(fd, w, 8));
    E(lseek(fd, 64, SEEK_SET));
    E(lseek(fd, 3, SEEK_CUR));
    E(read(fd, w, 8));
    E(open("/proc/self/pagemap", O_WRONLY) >= 0);
    struct stat st;
    E(stat("/proc/self/pagemap", &st));
    say("%o %ld", st.st_mode, (long)st.st_size);
    close(fd);
    unlink("pagemap.tmp");
}

// A line of the block in smaps about an address.
static long of_smaps(void *at, const char *name) {
    char line[4096], start[32];
    snprintf(start, sizeof start, "%lx-", (unsigned long)at);
    FILE *f = fopen("/proc/self/smaps", "r");
    long found = -1;
    int here = 0;
    while (f && fgets(line, sizeof line, f)) {
        if (!strncmp(line, start, strlen(start)))
            here = 1;
        else if (here && !strncmp(line, name, strlen(name))) {
            found = atol(line + strlen(name) + 1);
            break;
        }
    }
    if (f) fclose(f);
    return found;
}

static long peak(void) {
    char line[256];
    long kb = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
    if (f) fclose(f);
    return kb;
}

static void cleared(void) {
    int fd = open("/proc/self/clear_refs", O_WRONLY);
    E(fd >= 0);
    char *own = mmap((void *)0x300000000000, 4 * PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    memset(own, 1, 4 * PAGE);
    say("at first %ld of %ld", of_smaps(own, "Referenced"), of_smaps(own, "Rss"));
    E(write(fd, "3", 1));
    say("of files %ld", of_smaps(own, "Referenced"));
    E(write(fd, "2\n", 2));
    say("forgotten %ld of %ld", of_smaps(own, "Referenced"), of_smaps(own, "Rss"));
    // Whether it shows at once that a page is used again depends on what the processor remembers.
    say("%d", own[0] + own[PAGE] + own[2 * PAGE] + own[3 * PAGE]);
    E(write(fd, "1", 1));
    say("of all %ld", of_smaps(own, "Referenced"));
    char *large = map(MAP_PRIVATE | MAP_ANONYMOUS, -1, 32 << 20);
    memset(large, 1, 32 << 20);
    long before = peak();
    munmap(large, 32 << 20);
    say("stays %d", peak() > before - (4 << 10));
    E(write(fd, "5", 1));
    say("anew %d", peak() < before - (16 << 10));
    E(write(fd, "0", 1));
    E(write(fd, "6", 1));
    E(write(fd, "x", 1));
    E(write(fd, "", 0));
    E(write(fd, BAD, 1));
    int in = open("/proc/self/clear_refs", O_RDONLY);
    E(in >= 0);
    char byte;
    if (in >= 0) E(read(in, &byte, 1));
}

static void files(void) {
    int file = open("mapped.tmp", O_RDWR | O_CREAT, 0600), only = open("mapped.tmp", O_RDONLY);
    ftruncate(file, 4 * PAGE);
    char *at = mmap((void *)0x310000000000, 2 * PAGE, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0);
    mmap(at + 8 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, only, PAGE);
    mmap(at + 16 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    char text[PATH_MAX] = "";
    struct stat st, own;
    const char *name = "/proc/self/map_files/310000000000-310000002000";
    const char *readable = "/proc/self/map_files/310000008000-310000009000";
    E(readlink(name, text, sizeof text - 1) > 0);
    say("%s", strrchr(text, '/'));
    E(lstat(name, &st));
    say("%o %ld", st.st_mode, (long)st.st_size);
    E(lstat(readable, &st));
    say("%o", st.st_mode);
    int opened = open(name, O_RDONLY);
    say("%s", opened < 0 ? name_of(errno) : "opened");
    if (opened >= 0) {
        fstat(opened, &st);
        fstat(file, &own);
        say("the same %d", st.st_ino == own.st_ino && st.st_dev == own.st_dev);
    }
    unlink("mapped.tmp");
    memset(text, 0, sizeof text);
    readlink(name, text, sizeof text - 1);
    say("%s", strrchr(text, '/'));
    opened = open(name, O_RDWR);
    say("%s", opened < 0 ? name_of(errno) : "opened");
    static const char *const none[] = {
        "310000010000-310000011000", "310000000000-310000001000", "0310000000000-310000002000",
        "310000000000-", "-310000002000", "310000000000", "310000000000-310000002000x",
        "310000000000-3100000020A0", "0x310000000000-310000002000", "1-0", "",
    };
    int dir = open("/proc/self/map_files", O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        errno = 0;
        int r = readlinkat(dir, none[i], text, sizeof text);
        say("'%s': %s", none[i], r < 0 ? name_of(errno) : "there");
    }
    int found = 0, ordered = 1;
    unsigned long last = 0, start, end;
    DIR *d = fdopendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (sscanf(e->d_name, "%lx-%lx", &start, &end) != 2) continue;
        ordered &= start >= last;
        last = start;
        found += start == 0x310000000000 || start == 0x310000008000 || start == 0x310000010000;
    }
    say("found %d ordered %d", found, ordered);
    E(mkdir("/proc/self/map_files/1-2", 0700));
    E(stat("/proc/self/map_files", &st));
    say("%o", st.st_mode);
    pid_t other = fork();
    if (other == 0) {
        pause();
        _exit(0);
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/map_files/310000000000-310000002000", other);
    E(readlink(path, text, sizeof text) > 0);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    E(readlink(path, text, sizeof text));
}

static int resident(void *at, size_t count) {
    unsigned char in[64] = {0};
    int n = 0;
    if (mincore(at, count * PAGE, in)) return -1;
    for (size_t i = 0; i < count; i++) n += in[i] & 1;
    return n;
}

static void in_core(void) {
    char *own = map(MAP_PRIVATE | MAP_ANONYMOUS, -1, 3 * PAGE);
    say("new %d", resident(own, 3));
    own[PAGE] = 1;
    say("one written %d", resident(own, 3));
    mlock(own, 3 * PAGE);
    say("locked %d", resident(own, 3));
    munlock(own, 3 * PAGE);
    say("unlocked %d", resident(own, 3));
    madvise(own, 2 * PAGE, MADV_DONTNEED);
    say("dropped %d", resident(own, 3));
    own = map(MAP_PRIVATE | MAP_ANONYMOUS, -1, 3 * PAGE);
    madvise(own, 2 * PAGE, MADV_POPULATE_WRITE);
    say("populated %d", resident(own, 3));
    own = map(MAP_PRIVATE | MAP_ANONYMOUS, -1, 40 * PAGE);
    madvise(own, 40 * PAGE, MADV_NOHUGEPAGE);
    own[20 * PAGE] = 1;
    say("of many %d", resident(own, 40));
    char *shared = map(MAP_SHARED | MAP_ANONYMOUS, -1, 8 * PAGE);
    say("shared %d", resident(shared, 8));
    CHILD("child", for (int i = 0; i < 8; i++) shared[i * PAGE] = 1);
    say("a child has written %d", resident(shared, 8));
    int fd = open("incore.tmp", O_RDWR | O_CREAT, 0600);
    for (int i = 0; i < 4; i++) pwrite(fd, "x", 1, i * PAGE);
    char *file = map(MAP_SHARED, fd, 4 * PAGE);
    say("a file %d", resident(file, 4));
    file = map(MAP_PRIVATE, fd, 4 * PAGE);
    say("private %d", resident(file, 4));
    ftruncate(fd, PAGE);
    say("cut off %d", resident(file, 4));
    unlink("incore.tmp");
    CHILD("of another", if (geteuid() == 0) { setgid(1000); setuid(1000); }
          int other = open("/bin/sh", O_RDONLY);
          char *at = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, other, 0);
          say("nothing is told %d", resident(at, 4)));
}

int main(int argc, char **argv) {
    begin(argv);
    in_core();
    pages();
    cleared();
    files();
    return 0;
}
