// Random calls about files by three users, from fixed seeds, with what watches hear of them.
#include "random.h"
#include <linux/falloc.h>
#include <linux/openat2.h>
#include <sys/inotify.h>

#define SEEDS 12
#define STEPS 500
#define FILES 8

static int step, fds[FILES];
static const char *const likely[] = {"a",   "b", "c",   "d", "d/a",  "d/b",     "d/e",
                                     "d/e/a", "l", "l/a", "f", "d/..", "d/../b", "."};
static char longest[300];
static const char *const unlikely[] = {"..", "a/",     "d/",  "d/.", "l/", "./c", "d//b", "d/e/../a", "nope/x",
                                       "a/b", longest, "p", "k",   "k/a", "d/p", "d/k",  ""};
static const char *const attributes[] = {"user.a", "user.b", "trusted.a", "security.x", "system.posix_acl_access",
                                         "user.",  "bogus.a"};

static const char *path(void) { return any(4) ? ONE_OF(likely) : ONE_OF(unlikely); }

static void tell(const char *call, const char *a, const char *b, long x, long r) {
    say("%d %s %.20s %.20s %lx: %ld %s", step, call, a, b, x, r, r < 0 ? name_of(errno) : "");
}
#define CALL(call, a, b, x, value) (errno = 0, tell(call, a, b, x, (long)(value)))

static void show_status(const char *what, int r, const struct stat *s) {
    if (r < 0) {
        say("%d %.20s: %s", step, what, name_of(errno));
        return;
    }
    int dir = S_ISDIR(s->st_mode);
    say("%d %.20s: %o links %d owner %d group %d size %ld blocks %ld", step, what, s->st_mode, dir ? 0 : (int)s->st_nlink,
        s->st_uid, s->st_gid, dir ? 0 : (long)s->st_size, S_ISREG(s->st_mode) ? (long)s->st_blocks : 0);
}

static void look(const char *file) {
    struct stat s;
    errno = 0;
    int r = lstat(file, &s);
    show_status(file, r, &s);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

static void list(const char *dir) {
    char *names[100], line[1000] = "";
    int n = 0;
    errno = 0;
    DIR *d = opendir(dir);
    if (!d) {
        say("%d list of %.20s: %s", step, dir, name_of(errno));
        return;
    }
    for (struct dirent *e; (e = readdir(d)) && n < 100;)
        if (strlen(e->d_name) < 20)
            asprintf(&names[n++], "%s:%d", e->d_name, e->d_type);
    closedir(d);
    qsort(names, n, sizeof *names, by_name);
    for (int i = 0; i < n; i++) {
        snprintf(line + strlen(line), sizeof line - strlen(line), " %s", names[i]);
        free(names[i]);
    }
    say("%d list of %.20s:%s", step, dir, line);
}

// The superuser, a user with a further group, and another.
static void become(int who) {
    static const int users[] = {0, 1000, 1001};
    gid_t further = 2000;
    seteuid(0);
    setgroups(who == 1, &further);
    setegid(users[who]);
    seteuid(users[who]);
    say("%d as %d", step, users[who]);
}

static void keep(int k, int fd) {
    if (fd < 0)
        return;
    if (fds[k] >= 0)
        close(fds[k]);
    fds[k] = fd;
}

static void hear(int watches, int first) {
    char buf[16384];
    long n = read(watches, buf, sizeof buf);
    for (char *at = buf; at < buf + n;) {
        struct inotify_event *e = (void *)at;
        // A file without a name is called by its number.
        say("%d event %d %x %s%s", step, e->wd == first, e->mask, e->len ? *e->name == '#' ? "#" : e->name : "",
            e->cookie ? " cookie" : "");
        at += sizeof *e + e->len;
    }
}

static void names_change(const char *a, const char *b) {
    static const int kinds[] = {S_IFIFO, S_IFREG, S_IFSOCK, S_IFCHR};
    int x;
    switch (any(9)) {
    case 0: x = any(2) ? 0755 : any(010000), CALL("mkdir", a, "", x, mkdir(a, x)); break;
    case 1: x = ONE_OF(kinds) | any(01000), CALL("mknod", a, "", x, mknod(a, x, makedev(1, 3))); break;
    case 2: x = any(2) ? 0 : AT_SYMLINK_FOLLOW, CALL("link", a, b, x, linkat(AT_FDCWD, a, AT_FDCWD, b, x)); break;
    case 3: CALL("symlink", a, b, 0, symlink(a, b)); break;
    case 4:
    case 5: CALL("rename", a, b, 0, rename(a, b)); break;
    case 6: x = any(8), CALL("renameat2", a, b, x, syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, x)); break;
    case 7: CALL("unlink", a, "", 0, unlink(a)); break;
    case 8: CALL("rmdir", a, "", 0, rmdir(a)); break;
    }
}

static void file_changes(const char *a) {
    static const int ids[] = {-1, 0, 1000, 1001, 2000};
    static const long nows[] = {UTIME_NOW, UTIME_OMIT, 5};
    int x, y;
    long size;
    switch (any(4)) {
    case 0: x = any(2) ? any(010000) : 0777, CALL("chmod", a, "", x, chmod(a, x)); break;
    case 1:
        x = ONE_OF(ids), y = ONE_OF(ids);
        CALL("chown", a, "", x * 10000L + y, fchownat(AT_FDCWD, a, x, y, any(2) ? AT_SYMLINK_NOFOLLOW : 0));
        break;
    case 2: {
        struct timespec t[2] = {{1000, ONE_OF(nows)}, {2000, ONE_OF(nows)}};
        CALL("utimensat", a, "", 0, utimensat(AT_FDCWD, a, any(3) ? t : NULL, any(2) ? AT_SYMLINK_NOFOLLOW : 0));
        break;
    }
    case 3: size = any(3) ? any(20000) : any(2) ? -1 : 1L << 62, CALL("truncate", a, "", size, truncate(a, size)); break;
    }
    look(a);
}

static void attributes_change(const char *a) {
    char value[4096] = "value";
    const char *name = ONE_OF(attributes);
    int x = any(4), size = any(2) ? 4 : any(90);
    switch (any(4)) {
    case 0: CALL("setxattr", a, name, x, any(2) ? setxattr(a, name, value, size, x) : lsetxattr(a, name, value, size, x)); break;
    case 1: CALL("getxattr", a, name, size, getxattr(a, name, value, size)); break;
    case 2: CALL("removexattr", a, name, 0, removexattr(a, name)); break;
    case 3: x = any(3) ? 4000 : any(2) ? 0 : 3, CALL("listxattr", a, "", x, any(2) ? listxattr(a, value, x) : llistxattr(a, value, x)); break;
    }
}

static void open_one(const char *a, int k) {
    static const int common[] = {O_CREAT, O_EXCL, O_TRUNC, O_APPEND};
    static const int rare[] = {O_DIRECTORY, O_NOFOLLOW, O_PATH, O_TMPFILE, O_NOATIME, O_NONBLOCK};
    int flags = any(3) | O_NONBLOCK;
    for (int i = 0; i < 3; i++)
        if (any(2))
            flags |= any(3) ? ONE_OF(common) : ONE_OF(rare);
    int mode = any(4) ? 0644 : any(010000), fd;
    if (any(3)) {
        errno = 0, fd = open(a, flags, mode);
        tell("open", a, "", (long)flags << 12 | mode, fd < 0 ? -1 : k);
    } else {
        // Not RESOLVE_CACHED: what is at hand differs.
        struct open_how how = {.flags = flags, .resolve = 1u << any(5), .mode = flags & O_CREAT ? 0644 : 0};
        errno = 0, fd = syscall(SYS_openat2, AT_FDCWD, a, &how, sizeof how);
        tell("openat2", a, "", (long)flags << 12 | how.resolve, fd < 0 ? -1 : k);
    }
    keep(k, fd);
}

static void through_descriptor(const char *b, int k) {
    static const int whences[] = {SEEK_SET, SEEK_CUR, SEEK_END, 9};
    static const int holes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE, 64};
    static const int locks[] = {LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_UN, LOCK_SH | LOCK_EX | LOCK_NB};
    static char buf[5000];
    char name[8], link[64];
    int fd = fds[k], x = any(10000), size = any(sizeof buf), other = any(FILES);
    long at = any(30000);
    snprintf(name, sizeof name, "fd%d", k);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    switch (any(19)) {
    case 0: CALL("fchmod", name, "", x, fchmod(fd, x & 07777)); break;
    case 1: CALL("ftruncate", name, "", at, ftruncate(fd, at)); break;
    case 2: memset(buf, 'x', sizeof buf), CALL("write", name, "", size, write(fd, buf, size)); break;
    case 3: memset(buf, 'y', sizeof buf), CALL("pwrite", name, "", at, pwrite(fd, buf, size, at)); break;
    case 4: CALL("read", name, "", size, read(fd, buf, size)); break;
    case 5: {
        long n = pread(fd, buf, size, at), sum = 0;
        for (long i = 0; i < n; i++)
            sum = sum * 31 + buf[i];
        tell("pread", name, "", n < 0 ? 0 : sum, n);
        break;
    }
    case 6: x = ONE_OF(whences), CALL("lseek", name, "", x, lseek(fd, at - 3000, x)); break;
    case 7: x = ONE_OF(holes), CALL("fallocate", name, "", x, fallocate(fd, x, at, size)); break;
    case 8: CALL("link of link", name, b, 0, linkat(AT_FDCWD, link, AT_FDCWD, b, AT_SYMLINK_FOLLOW)); break;
    case 9: CALL("link without path", name, b, 0, linkat(fd, "", AT_FDCWD, b, AT_EMPTY_PATH)); break;
    case 10: x = open(link, any(3) | O_NONBLOCK), tell("open again", name, "", 0, x < 0 ? -1 : 0), x < 0 || close(x); break;
    case 11: CALL("chmod of link", name, "", 0, chmod(link, 0711)); break;
    case 12: {
        loff_t in = any(9000), out = any(9000);
        CALL("copy_file_range", name, "", other, copy_file_range(fd, any(2) ? &in : 0, fds[other], any(2) ? &out : 0, any(9000), 0));
        break;
    }
    case 13: x = ONE_OF(locks), CALL("flock", name, "", x, flock(fd, x)); break;
    case 14: {
        struct flock l = {.l_type = any(3), .l_whence = any(2), .l_start = (long)any(3000) - 100, .l_len = (long)any(3000) - 1000};
        CALL("lock", name, "", x & 1, fcntl(fd, x & 1 ? F_SETLK : F_GETLK, &l));
        break;
    }
    case 15: {
        struct stat s;
        errno = 0;
        int r = fstat(fd, &s);
        show_status(name, r, &s);
        break;
    }
    case 16: CALL("F_GETFL", name, "", 0, fcntl(fd, F_GETFL)); break;
    case 17: x = O_NONBLOCK | (any(2) ? O_APPEND : 0) | (any(4) ? 0 : O_NOATIME), CALL("F_SETFL", name, "", x, fcntl(fd, F_SETFL, x)); break;
    case 18: {
        struct iovec two[] = {{"hello", 5}, {"world", 5}};
        at = any(2) ? -1 : at, x = any(2) ? RWF_APPEND : 0;
        CALL("pwritev2", name, "", at, pwritev2(fd, two, 2, at, x));
        break;
    }
    }
}

static void run(unsigned seed) {
    seed_with(seed);
    char dir[32];
    snprintf(dir, sizeof dir, "seed%u", seed);
    umask(022);
    mkdir(dir, 0777);
    chmod(dir, 01777);
    chdir(dir);
    mkdir("r", 0777);
    chmod("r", 01777);
    chdir("r");
    mkdir("d", 0777);
    chmod("d", 0777);
    mkdir("d/e", 0755);
    int watches = inotify_init1(IN_NONBLOCK), first = inotify_add_watch(watches, ".", IN_ALL_EVENTS & ~IN_ACCESS);
    inotify_add_watch(watches, "d", IN_ALL_EVENTS & ~IN_ACCESS);
    memset(fds, -1, sizeof fds);
    for (step = 0; step < STEPS; step++) {
        const char *a = path(), *b = path();
        int k = any(FILES), x = any(8);
        switch (any(24)) {
        case 0 ... 2: open_one(a, k); break;
        case 3 ... 7: names_change(a, b); break;
        case 8 ... 9: file_changes(a); break;
        case 10 ... 11: attributes_change(a); break;
        case 12 ... 17: through_descriptor(b, k); break;
        case 18: CALL("access", a, "", x, syscall(SYS_faccessat2, AT_FDCWD, a, x, any(2) ? AT_EACCESS : 0)); break;
        case 19: look(a); break;
        case 20: list(any(2) ? "." : a); break;
        case 21: become(any(3)); break;
        case 22: umask(any(2) ? 022 : any(01000)); break;
        case 23: hear(watches, first); break;
        }
        if (any(40) == 0 && fds[k] >= 0)
            close(fds[k]), fds[k] = -1;
    }
    become(0);
    list(".");
    list("d");
    for (unsigned i = 0; i < sizeof likely / sizeof *likely; i++)
        look(likely[i]);
    for (int k = 0; k < FILES; k++)
        if (fds[k] >= 0)
            close(fds[k]);
    close(watches);
    chdir("../..");
}

int main(int argc, char **argv) {
    begin(argv);
    memset(longest, 'x', sizeof longest - 1);
    signal(SIGPIPE, SIG_IGN);
    if (geteuid() != 0)
        for (unsigned seed = 1; seed <= 2; seed++)
            run(seed);
    else
        for (unsigned seed = 1; seed <= SEEDS; seed++)
            run(seed);
    return 0;
}
