// landlock(7): what a ruleset takes, and what a process in a domain can still do.
#include "check.h"
#include <arpa/inet.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/un.h>

enum {
    EXECUTE = 1, WRITE = 2, READ = 4, READ_DIR = 8, REMOVE_DIR = 16, REMOVE = 32, MAKE_CHAR = 64,
    MAKE_DIR = 128, MAKE = 256, MAKE_SOCK = 512, MAKE_FIFO = 1024, MAKE_BLOCK = 2048,
    MAKE_SYM = 4096, REFER = 8192, TRUNCATE = 16384, CONTROL = 32768, ALL = 65535,
};
#define CREATE(...) syscall(444, __VA_ARGS__)
#define ADD(...) syscall(445, __VA_ARGS__)
#define RESTRICT(...) syscall(446, __VA_ARGS__)

struct beneath {
    uint64_t allowed;
    int fd;
} __attribute__((packed));

static int ruleset(uint64_t files, uint64_t ports) {
    uint64_t attribute[] = {files, ports};
    return CREATE(attribute, sizeof attribute, 0);
}

static long allow(int rules, const char *path, uint64_t allowed) {
    struct beneath rule = {allowed, open(path, O_PATH)};
    long r = ADD(rules, 1, &rule, 0);
    close(rule.fd);
    return r;
}

static void restricted(int rules) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (RESTRICT(rules, 0)) say("not restricted: %s", name_of(errno));
    close(rules);
}

// Opens, and closes again.
static long try(const char *path, int flags) {
    int fd = open(path, flags, 0600);
    if (fd >= 0) close(fd);
    return fd < 0 ? -1 : 0;
}

static void tree(void) {
    for (char *d = "a\0a/b\0a/b/c\0a/d\0e\0"; *d; d += strlen(d) + 1) mkdir(d, 0700);
    for (char *f = "a/f\0a/b/f\0a/b/c/f\0a/d/f\0e/f\0"; *f; f += strlen(f) + 1)
        close(open(f, O_RDWR | O_CREAT, 0700));
}

static void arguments(void) {
    uint64_t attribute[512] = {READ};
    E(CREATE(NULL, 0, 1) >= 5);
    E(CREATE(NULL, 8, 1));
    E(CREATE(attribute, 0, 1));
    E(CREATE(NULL, 0, 1 << 20));
    E(CREATE(NULL, 0, 0));
    E(CREATE(NULL, 8, 0));
    E(CREATE(attribute, 7, 0));
    E(CREATE(BAD, 8, 0));
    E(CREATE(attribute, 4097, 0));
    Z(CREATE(attribute, 8, 0));
    Z(CREATE(attribute, 12, 0));
    Z(CREATE(attribute, 16, 0));
    Z(CREATE(attribute, 4096, 0));
    attribute[511] = 1;
    E(CREATE(attribute, 4096, 0));
    attribute[0] = 0;
    E(CREATE(attribute, 16, 0));
    attribute[0] = 1ull << 40;
    E(CREATE(attribute, 16, 0));
    attribute[0] = 0, attribute[1] = 4;
    E(CREATE(attribute, 16, 0));
    attribute[1] = 3;
    Z(CREATE(attribute, 16, 0));
    int rules = ruleset(READ | READ_DIR | WRITE, 1), null = open("/dev/null", O_RDONLY), p[2];
    int path = open("/proc/self/fd", O_PATH);
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", rules);
    char link[64] = "";
    (void)!readlink(name, link, sizeof link - 1);
    say("%s %x", link, fcntl(rules, F_GETFD));
    E(read(rules, name, 1));
    E(write(rules, name, 1));
    pipe(p);
    struct beneath rule = {READ, open("a", O_PATH)};
    E(ADD(-1, 1, &rule, 0));
    E(ADD(null, 1, &rule, 0));
    E(ADD(path, 1, &rule, 0));
    E(ADD(rules, 0, &rule, 0));
    E(ADD(rules, 3, &rule, 0));
    E(ADD(rules, 1, &rule, 1));
    E(ADD(rules, 1, BAD, 0));
    E(ADD(rules, 1, &rule, 0));
    E(ADD(rules, 1, &rule, 0));
    rule.allowed = 0;
    E(ADD(rules, 1, &rule, 0));
    rule.allowed = EXECUTE;
    E(ADD(rules, 1, &rule, 0));
    rule.allowed = READ | 1ull << 40;
    E(ADD(rules, 1, &rule, 0));
    int others[] = {-1, rules, p[0], socket(AF_UNIX, SOCK_STREAM, 0), eventfd(0, 0),
                    memfd_create("m", 0), open("/proc/self/ns/net", O_RDONLY)};
    for (int i = 0; i < 7; i++) {
        rule = (struct beneath){READ, others[i]};
        say("of %d", i);
        E(ADD(rules, 1, &rule, 0));
    }
    E(allow(rules, "a/f", READ));
    E(allow(rules, "a/f", READ_DIR));
    E(allow(rules, "/dev/null", READ | WRITE));
    E(allow(rules, "/proc/self", READ_DIR));
    uint64_t port[] = {1, 80};
    E(ADD(rules, 2, port, 0));
    E(ADD(rules, 2, BAD, 0));
    port[1] = 65536;
    E(ADD(rules, 2, port, 0));
    port[0] = 0;
    E(ADD(rules, 2, port, 0));
    port[0] = 2;
    E(ADD(rules, 2, port, 0));
    CHILD("restrict", ({
        if (geteuid()) E(RESTRICT(rules, 0));
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        E(RESTRICT(-1, 0));
        E(RESTRICT(null, 0));
        E(RESTRICT(path, 0));
        E(RESTRICT(rules, 1 << 20));
        for (int i = 0; i < 17; i++) E(RESTRICT(rules, 0));
    }));
}

static void files(void) {
    CHILD("nothing", ({
        int early = open("a/f", O_RDWR), dir = open("a", O_RDONLY);
        restricted(ruleset(ALL, 0));
        E(try("a/f", O_RDONLY));
        E(try("a/f", O_WRONLY));
        E(try("a/f", O_PATH));
        E(try("a", O_RDONLY));
        E(try("/", O_RDONLY));
        E(try("a/new", O_RDWR | O_CREAT));
        E(try("a", O_RDWR | O_TMPFILE));
        E(access("a/f", R_OK | W_OK));
        E(chmod("a/f", 0600));
        E(mkdir("a/new", 0700));
        E(rmdir("a/d"));
        E(unlink("a/f"));
        E(unlink("a"));
        E(unlink("a/none"));
        E(symlink("x", "a/new"));
        E(mkfifo("a/new", 0600));
        E(mknod("a/new", S_IFREG | 0600, 0));
        E(link("a/f", "a/new"));
        E(link("a/f", "e/new"));
        E(rename("a/f", "a/new"));
        E(rename("a/f", "e/new"));
        E(truncate("a/f", 0));
        E(execl("a/f", "f", NULL));
        E(chdir("a"));
        E(chdir(".."));
        // What was open before stays so.
        E(write(early, "x", 1));
        E(ftruncate(early, 0));
        E(openat(dir, "f", O_RDONLY));
        int s = socket(AF_UNIX, SOCK_STREAM, 0);
        struct sockaddr_un at = {AF_UNIX, "a/sock"};
        E(bind(s, (void *)&at, sizeof at));
        E(mount("none", "a", "tmpfs", 0, NULL));
        E(umount("a"));
        E(syscall(SYS_pivot_root, ".", "."));
        E(memfd_create("m", 0) < 0);
        int p[2];
        E(pipe(p));
        CHILD("inherited", ({ E(try("a/f", O_RDONLY)); }));
        // At the end: a signal, such as that of a child, would stop it.
        E(ptrace(PTRACE_TRACEME, 0, 0, 0));
    }));
    CHILD("some", ({
        int rules = ruleset(ALL, 0);
        allow(rules, "a", READ | READ_DIR | MAKE | MAKE_DIR);
        allow(rules, "a/b", WRITE | REMOVE);
        allow(rules, "a/b/c/f", TRUNCATE);
        allow(rules, "/dev/zero", READ | WRITE);
        allow(rules, "/dev/full", READ | CONTROL);
        restricted(rules);
        E(try("a/f", O_RDONLY));
        E(try("a/f", O_RDWR));
        E(try("a/b/f", O_RDWR));
        E(try("a/b/../f", O_RDONLY));
        E(try("a/../e/f", O_RDONLY));
        E(try("a/b/f", O_RDWR | O_TRUNC));
        E(try("a/b/c/f", O_RDWR | O_TRUNC));
        E(try("a/b/c/f", O_RDONLY | O_TRUNC));
        int fd = open("a/b/f", O_RDWR);
        E(ftruncate(fd, 1));
        fd = open("a/b/c/f", O_RDWR);
        E(ftruncate(fd, 1));
        E(truncate("a/b/c/f", 2));
        E(truncate("a/b/f", 2));
        E(try("a/new", O_RDONLY | O_CREAT));
        E(try("a/newer", O_WRONLY | O_CREAT));
        E(access("a/newer", F_OK));
        E(try("a/b/new", O_WRONLY | O_CREAT | O_TRUNC));
        E(unlink("a/new"));
        E(unlink("a/b/new"));
        E(mkdir("a/newdir", 0700));
        E(rmdir("a/newdir"));
        E(rename("a/b/f", "a/b/g"));
        E(rename("a/b/g", "a/b/f"));
        E(rename("a/f", "a/g"));
        E(rename("a/b/f", "a/b/c/g"));
        E(link("a/b/f", "a/b/l"));
        E(link("a/b/f", "a/l"));
        int zero = open("/dev/zero", O_RDONLY);
        int full = open("/dev/full", O_RDONLY);
        int n;
        E(ioctl(zero, FIONREAD, &n));
        E(ioctl(zero, FIGETBSZ, &n));
        E(ioctl(zero, FIOCLEX));
        E(ioctl(full, FIONREAD, &n));
        E(ioctl(fd, FIONREAD, &n));
        // Another domain inside takes more, and gives nothing.
        rules = ruleset(READ, 0);
        allow(rules, "a/b", READ);
        allow(rules, "e", READ);
        restricted(rules);
        E(try("a/f", O_RDONLY));
        E(try("a/b/f", O_RDWR));
        E(try("e/f", O_RDONLY));
        E(try("a", O_RDONLY));
    }));
    CHILD("kept rules", ({
        int rules = ruleset(READ, 0);
        allow(rules, "a", READ);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        E(RESTRICT(rules, 0));
        allow(rules, "e", READ);
        E(try("a/f", O_RDONLY));
        E(try("e/f", O_RDONLY));
        // Where it is counts, and not what it was called.
        int dir = open("a", O_PATH);
        E(renameat(dir, "f", AT_FDCWD, "e/moved"));
        E(rename("a/d/f", "a/moved"));
        E(try("a/moved", O_RDONLY));
    }));
}

static void moving(void) {
    CHILD("refer", ({
        int rules = ruleset(READ | WRITE | MAKE | REMOVE | MAKE_DIR | REMOVE_DIR | REFER, 0);
        allow(rules, "a", MAKE | REMOVE | REFER | READ);
        allow(rules, "a/b", WRITE);
        allow(rules, "e", MAKE | REMOVE | REFER);
        restricted(rules);
        E(rename("a/b/f", "a/d/f"));
        E(rename("a/b/f", "a/d/g"));
        E(rename("a/d/f", "a/b/g"));
        E(rename("a/b/g", "a/d/f"));
        E(rename("a/b/f", "a/b/c/g"));
        E(rename("a/b/c/g", "a/b/f"));
        E(rename("a/b/f", "e/g"));
        E(rename("e/f", "a/g"));
        E(link("e/f", "a/l"));
        E(link("a/f", "e/l"));
        E(rename("a/b/c", "a/d/c"));
        E(rename("a/d", "a/b/d"));
        E(syscall(SYS_renameat2, AT_FDCWD, "a/b/f", AT_FDCWD, "a/d/f", RENAME_EXCHANGE));
        E(syscall(SYS_renameat2, AT_FDCWD, "a/b/f", AT_FDCWD, "a/b/c/f", RENAME_EXCHANGE));
        E(syscall(SYS_renameat2, AT_FDCWD, "a/b/f", AT_FDCWD, "none", RENAME_EXCHANGE));
        E(rename("none", "a/b/x"));
    }));
}

static void ports(void) {
    CHILD("ports", ({
        int rules = ruleset(0, 3);
        uint64_t port[] = {1, 20001};
        E(ADD(rules, 2, port, 0));
        port[0] = 2, port[1] = 20002;
        E(ADD(rules, 2, port, 0));
        restricted(rules);
        for (int family = 0; family < 2; family++) {
            for (int number = 20001; number < 20003; number++) {
                struct sockaddr_in six[3] = {{AF_INET, htons(number)}};
                six[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                struct sockaddr_in6 *at = (void *)six;
                if (family) *at = (struct sockaddr_in6){AF_INET6, htons(number), 0, IN6ADDR_LOOPBACK_INIT};
                socklen_t size = family ? sizeof *at : sizeof *six;
                int tcp = socket(family ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
                int udp = socket(family ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
                say("family %d port %d", family, number);
                E(bind(tcp, (void *)at, size));
                E(bind(tcp, (void *)at, 1));
                E(bind(tcp, (void *)at, 8));
                E(bind(udp, (void *)at, size));
                close(tcp);
                tcp = socket(family ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
                E(connect(tcp, (void *)at, size));
                E(connect(udp, (void *)at, size));
                at->sin6_family = AF_UNSPEC;
                E(connect(tcp, (void *)at, size));
                E(bind(tcp, (void *)at, size));
                six[0].sin_addr.s_addr = 0;
                E(bind(tcp, (void *)at, size));
                at->sin6_family = family ? AF_INET : AF_INET6;
                E(bind(tcp, (void *)at, sizeof six));
                at->sin6_family = AF_UNIX;
                E(connect(tcp, (void *)at, size));
            }
        }
        // Files are as they were.
        E(try("a/f", O_RDONLY));
        E(rename("a/f", "e/x"));
        E(rename("e/x", "a/f"));
    }));
}

static void tracing(void) {
    pid_t outside = fork();
    if (!outside) {
        pause();
        _exit(0);
    }
    CHILD("tracing", ({
        restricted(ruleset(EXECUTE, 0));
        pid_t inside = fork();
        if (!inside) {
            restricted(ruleset(WRITE, 0));
            E(ptrace(PTRACE_TRACEME, 0, 0, 0));
            pause();
        }
        usleep(100000);
        E(ptrace(PTRACE_ATTACH, outside, 0, 0));
        E(kill(inside, 0));
        kill(inside, SIGKILL);
        waitpid(inside, NULL, 0);
    }));
    kill(outside, SIGKILL);
    waitpid(outside, NULL, 0);
}

// A directory that was moved out of the mount that shows it.
static void disconnected(void) {
    if (geteuid() || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return;
    mkdir("bound", 0700);
    E(mount("a/b", "bound", NULL, MS_BIND, NULL));
    int dir = open("bound/c", O_PATH);
    E(rename("a/b/c", "e/c"));
    E(openat(dir, "..", O_PATH) < 0);
    E(openat(dir, "../f", O_PATH) < 0);
    E(fchdir(dir));
    E(access("..", F_OK));
    E(access(".", F_OK));
    int rules = ruleset(READ, 0);
    E(allow(rules, "../bound", READ));
    restricted(rules);
    E(try("f", O_RDONLY));
}

int main(int c, char **v) {
    begin(v);
    if (CREATE(NULL, 0, 1) < 5) return UNKNOWN;
    tree();
    arguments();
    files();
    moving();
    ports();
    tracing();
    CHILD("disconnected", disconnected());
    return 0;
}
