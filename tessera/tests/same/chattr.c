// What chattr(1) sets of a file, and what that forbids.
#include "check.h"
#include <linux/fs.h>

#define GETATTR(...) syscall(468, __VA_ARGS__)
#define SETATTR(...) syscall(469, __VA_ARGS__)

struct attributes {
    uint64_t xflags;
    uint32_t extsize, nextents, projid, cowextsize;
};

static int control(const char *path, unsigned long cmd, void *arg) {
    int fd = open(path, O_RDONLY | O_NONBLOCK), r = ioctl(fd, cmd, arg), e = errno;
    close(fd);
    errno = e;
    return r;
}

static int flags(const char *path) {
    int f = -1;
    return control(path, FS_IOC_GETFLAGS, &f) < 0 ? -1 : f;
}

static int set(const char *path, int f) { return control(path, FS_IOC_SETFLAGS, &f); }

// Opens, and closes again.
static long try(const char *path, int how) {
    int fd = open(path, how, 0600);
    if (fd >= 0) close(fd);
    return fd < 0 ? -1 : 0;
}

static void which(void) {
    int p[2], f = 0, file = open("f", O_RDONLY), name = open("f", O_PATH);
    int null = open("/dev/null", O_RDONLY), proc = open("/proc/self/stat", O_RDONLY);
    pipe(p);
    E(flags("f"));
    E(flags("d"));
    E(flags("p"));
    E(flags("/proc"));
    E(flags("/sys"));
    int others[] = {null, proc, p[0], socket(AF_UNIX, SOCK_STREAM, 0), memfd_create("m", 0),
                    eventfd(0, 0), name};
    for (int i = 0; i < 7; i++) {
        say("of %d", i);
        E(ioctl(others[i], FS_IOC_GETFLAGS, &f));
    }
    E(ioctl(proc, FS_IOC_SETFLAGS, &f));
    E(ioctl(p[0], FS_IOC_SETFLAGS, &f));
    E(ioctl(file, FS_IOC_GETFLAGS, BAD));
    E(ioctl(file, FS_IOC_SETFLAGS, BAD));
    E(ioctl(file, FS_IOC_FSGETXATTR, BAD));
    E(ioctl(file, FS_IOC_FSSETXATTR, BAD));
    for (int bit = 0; bit < 32; bit++) {
        int r = set("f", 1u << bit), e = errno;
        say("bit %d: %s, now %x", bit, r ? name_of(e) : "set", flags("f"));
        set("f", 0);
    }
    for (int bit = 0; bit < 32; bit++) {
        struct fsxattr x = {1u << bit};
        int r = ioctl(file, FS_IOC_FSSETXATTR, &x), e = errno;
        ioctl(file, FS_IOC_FSGETXATTR, &x);
        say("bit %d: %s, now %x %x", bit, r ? name_of(e) : "set", x.fsx_xflags, flags("f"));
        set("f", 0);
    }
    struct fsxattr x = {.fsx_projid = 5}, y = {.fsx_extsize = 4096};
    E(ioctl(file, FS_IOC_FSSETXATTR, &x));
    E(ioctl(file, FS_IOC_FSSETXATTR, &y));
    set("f", FS_NODUMP_FL | FS_NOATIME_FL);
    E(flags("f"));
    for (int bit = 4; bit < 8; bit++) {
        struct statx s;
        unsigned ours = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP;
        set("f", 1 << bit);
        statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &s);
        say("statx %x of %x", (unsigned)s.stx_attributes & ours,
            (unsigned)s.stx_attributes_mask & ours);
        set("f", 0);
    }
}

static void calls(void) {
    struct attributes a;
    int file = open("f", O_RDONLY), p[2];
    char large[64];
    pipe(p);
    memset(&a, 9, sizeof a);
    E(GETATTR(AT_FDCWD, "f", &a, sizeof a, 0));
    say("%lx %x %x %x %x", a.xflags, a.extsize, a.nextents, a.projid, a.cowextsize);
    memset(large, 9, sizeof large);
    E(GETATTR(AT_FDCWD, "f", large, sizeof large, 0));
    say("behind it %d", large[63]);
    E(GETATTR(AT_FDCWD, "l", &a, sizeof a, AT_SYMLINK_NOFOLLOW));
    E(GETATTR(AT_FDCWD, "l", &a, sizeof a, 0));
    E(GETATTR(AT_FDCWD, "p", &a, sizeof a, 0));
    E(GETATTR(AT_FDCWD, "", &a, sizeof a, 0));
    E(GETATTR(file, "", &a, sizeof a, AT_EMPTY_PATH));
    E(GETATTR(file, NULL, &a, sizeof a, AT_EMPTY_PATH));
    E(GETATTR(p[0], "", &a, sizeof a, AT_EMPTY_PATH));
    E(GETATTR(AT_FDCWD, "f", &a, sizeof a, 1));
    E(GETATTR(AT_FDCWD, "f", BAD, sizeof a, 0));
    E(GETATTR(AT_FDCWD, "f", &a, 20, 0));
    E(GETATTR(AT_FDCWD, "f", &a, 4097, 0));
    E(GETATTR(AT_FDCWD, "/proc/self/stat", &a, sizeof a, 0));
    E(GETATTR(AT_FDCWD, "none", &a, sizeof a, 0));
    memset(large, 0, sizeof large);
    E(SETATTR(AT_FDCWD, "f", large, sizeof large, 0));
    large[40] = 1;
    E(SETATTR(AT_FDCWD, "f", large, sizeof large, 0));
    for (int bit = 0; bit < 64; bit++) {
        a = (struct attributes){1ul << bit};
        long r = SETATTR(AT_FDCWD, "f", &a, sizeof a, 0);
        int e = errno;
        GETATTR(AT_FDCWD, "f", &a, sizeof a, 0);
        say("bit %d: %s, now %lx", bit, r ? name_of(e) : "set", a.xflags);
        set("f", 0);
    }
    a = (struct attributes){0, 0, 1};
    E(SETATTR(AT_FDCWD, "f", &a, sizeof a, 0));
    E(SETATTR(AT_FDCWD, "p", &a, sizeof a, 0));
    E(SETATTR(AT_FDCWD, "f", &a, 20, 0));
    E(SETATTR(AT_FDCWD, "f", BAD, sizeof a, 0));
    E(SETATTR(AT_FDCWD, "/proc/self/stat", &a, sizeof a, 0));
    E(SETATTR(AT_FDCWD, "none", &a, sizeof a, 0));
}

static void forbids(int bit) {
    say("flag %x", bit);
    struct timespec times[2] = {{1, 0}, {1, 0}};
    int w = open("f", O_RDWR | (bit == FS_APPEND_FL ? O_APPEND : 0));
    E(set("f", bit));
    E(set("d", bit));
    E(try("f", O_RDONLY));
    E(try("f", O_RDWR));
    E(try("f", O_WRONLY | O_APPEND));
    E(try("f", O_RDONLY | O_TRUNC));
    E(try("f", O_WRONLY | O_APPEND | O_TRUNC));
    E(truncate("f", 0));
    E(write(w, "x", 1));
    E(ftruncate(w, 0));
    E(fallocate(w, 0, 0, 10));
    E(fallocate(w, FALLOC_FL_KEEP_SIZE, 0, 10));
    E(fallocate(w, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 10));
    E(chmod("f", 0644));
    E(fchmod(w, 0600));
    E(chown("f", -1, -1));
    E(chown("f", geteuid(), -1));
    E(utimensat(AT_FDCWD, "f", NULL, 0));
    E(utimensat(AT_FDCWD, "f", times, 0));
    E(setxattr("f", "user.a", "b", 1, 0));
    E(removexattr("f", "user.a"));
    E(link("f", "n"));
    E(rename("f", "n"));
    E(rename("p", "f"));
    E(unlink("f"));
    E(access("f", W_OK));
    E(fcntl(w, F_SETFL, 0));
    E(mmap(0, 4096, PROT_READ, MAP_SHARED, w, 0) == MAP_FAILED);
    E(mmap(0, 4096, PROT_READ, MAP_PRIVATE, w, 0) == MAP_FAILED);
    E(try("d/n", O_RDWR | O_CREAT));
    E(mkdir("d/m", 0700));
    E(symlink("x", "d/s"));
    E(link("l", "d/l"));
    E(unlink("d/g"));
    E(rename("d/g", "d/h"));
    E(rename("d/g", "h"));
    E(try("d/g", O_RDWR));
    E(rmdir("d"));
    E(rename("d", "e"));
    E(chmod("d", 0755));
    E(set("f", 0));
    E(set("d", 0));
    unlink("d/n"), rmdir("d/m"), unlink("d/s"), unlink("d/l");
    close(w);
}

static void others(void) {
    char b[3];
    struct stat before, after;
    E(set("f", FS_NOATIME_FL));
    int f = open("f", O_RDWR);
    write(f, "abc", 3);
    stat("f", &before);
    ms(20);
    pread(f, b, 3, 0);
    stat("f", &after);
    say("no trace %d", !memcmp(&before.st_atim, &after.st_atim, sizeof before.st_atim));
    E(set("d", FS_NODUMP_FL | FS_NOATIME_FL));
    close(open("d/new", O_RDWR | O_CREAT, 0600));
    mkdir("d/newer", 0700);
    E(flags("d/new"));
    E(flags("d/newer"));
    E(flags("d/g"));
}

int main(int c, char **v) {
    begin(v);
    struct attributes a;
    close(open("f", O_RDWR | O_CREAT, 0644));
    if (GETATTR(AT_FDCWD, "f", &a, sizeof a, 0) < 0) return UNKNOWN;
    mkdir("d", 0755);
    close(open("d/g", O_RDWR | O_CREAT, 0644));
    mkfifo("p", 0600);
    symlink("f", "l");
    which();
    calls();
    if (geteuid() == 0) {
        forbids(FS_IMMUTABLE_FL);
        forbids(FS_APPEND_FL);
    } else {
        E(set("f", FS_IMMUTABLE_FL));
    }
    others();
    return 0;
}
