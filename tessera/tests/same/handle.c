// File handles: name_to_handle_at, open_by_handle_at.
#include "check.h"

#define FID 0x200
#define UNIQUE 1

struct handle {
    unsigned size;
    int type;
    unsigned char bytes[128];
};

static struct handle of(int dir, const char *name, int flags) {
    struct handle h = {.size = 128};
    int mount = -1;
    long r = syscall(SYS_name_to_handle_at, dir, name, &h, &mount, flags);
    say("handle of %s: %s, size %u, type %d, mount %s", name ? name : "null", r ? name_of(errno) : "0", h.size, h.type,
        mount == -1 ? "not told" : "told");
    return h;
}

static int again(const char *what, int mount, struct handle *h, int flags) {
    int fd = syscall(SYS_open_by_handle_at, mount, h, flags);
    say("open %s: %s", what, fd < 0 ? name_of(errno) : "0");
    return fd;
}

// The same, and nothing is left open.
static void at_once(const char *what, int mount, struct handle *h, int flags) {
    close(again(what, mount, h, flags));
}

static void same_file(const char *what, int fd, const char *name) {
    struct stat a, b;
    say("%s: %s", what, fstat(fd, &a) || stat(name, &b) ? "?" : a.st_ino == b.st_ino ? "same" : "another");
}

int main(int argc, char **argv) {
    begin(argv);
    int fd = open("f", O_CREAT | O_RDWR, 0600), here = open(".", O_RDONLY | O_DIRECTORY);
    write(fd, "contents", 8);
    mkdir("dir", 0700);
    close(open("dir/in", O_CREAT, 0600));
    symlink("f", "link");
    struct handle f = of(AT_FDCWD, "f", 0), dir = of(AT_FDCWD, "dir", 0), link = of(AT_FDCWD, "link", 0);
    struct handle behind = of(AT_FDCWD, "link", AT_SYMLINK_FOLLOW), by_fd = of(fd, "", AT_EMPTY_PATH);
    struct handle fid = of(here, "f", FID);
    say("alike: %d %d %d %d", !memcmp(&f, &behind, sizeof f), !memcmp(&f, &by_fd, sizeof f),
        !memcmp(&f, &fid, sizeof f), !memcmp(&f, &link, sizeof f));
    of(AT_FDCWD, "", 0);
    of(AT_FDCWD, "missing", 0);
    of(-1, "f", 0);
    of(fd, "f", 0);
    of(AT_FDCWD, "f", 0x4000);
    of(AT_FDCWD, "/proc/self/status", 0);
    struct handle h = {.size = 0};
    int mount;
    unsigned long unique = 0;
    E(syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &h, &mount, 0));
    say("wanted %u, type %d", h.size, h.type);
    h.size = 11;
    E(syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &h, &mount, 0));
    say("wanted %u, type %d", h.size, h.type);
    h.size = 129;
    E(syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &h, &mount, 0));
    E(syscall(SYS_name_to_handle_at, AT_FDCWD, "f", BAD, &mount, 0));
    h.size = 128;
    E(syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &h, BAD, 0));
    if (syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &h, &unique, UNIQUE) == 0)
        say("a mount's own number: %d", unique > 0xffffffff || unique > 0x7fffffff);
    else
        say("a mount's own number: 1");

    int r = again("a file", here, &f, O_RDONLY);
    char text[9] = "";
    say("read %d %s", (int)read(r, text, 8), text);
    same_file("it is", r, "f");
    close(r);
    r = again("it to write", AT_FDCWD, &f, O_WRONLY | O_TRUNC);
    E(write(r, "more", 4));
    close(r);
    r = again("it from a file", fd, &f, O_RDWR | O_CLOEXEC);
    say("closes %d", r < 0 ? 1 : fcntl(r, F_GETFD));
    close(r);
    r = again("it as a place", here, &f, O_PATH);
    if (r >= 0)
        E(read(r, text, 1));
    else
        say("read(r, text, 1): EBADF");
    close(r);
    at_once("it as a directory", here, &f, O_RDONLY | O_DIRECTORY);
    r = again("a directory", here, &dir, O_RDONLY);
    if (r >= 0)
        Z(openat(r, "in", O_RDONLY));
    at_once("a directory to write", here, &dir, O_RDWR);
    at_once("a link", here, &link, O_RDONLY);
    at_once("a link as a place", here, &link, O_PATH);
    at_once("without a mount", -1, &f, O_RDONLY);
    struct handle bad = f;
    bad.bytes[4] ^= 0x55;
    at_once("a wrong number", here, &bad, O_RDONLY);
    bad = f;
    bad.bytes[0] ^= 0x55;
    at_once("another generation", here, &bad, O_RDONLY);
    bad = f;
    bad.type = 77;
    at_once("an unknown type", here, &bad, O_RDONLY);
    bad.type = -1;
    at_once("a negative type", here, &bad, O_RDONLY);
    bad = f;
    bad.size = 0;
    at_once("an empty one", here, &bad, O_RDONLY);
    bad.size = 8;
    at_once("a short one", here, &bad, O_RDONLY);
    bad.size = 200;
    at_once("a long one", here, &bad, O_RDONLY);
    E(syscall(SYS_open_by_handle_at, here, BAD, O_RDONLY));
    int proc = open("/proc", O_RDONLY);
    at_once("on another file system", proc, &f, O_RDONLY);

    rename("f", "dir/g");
    r = again("after a rename", here, &f, O_RDONLY);
    same_file("it is", r, "dir/g");
    close(r);
    unlink("dir/g");
    r = again("removed and open", here, &f, O_RDONLY);
    close(r);
    close(fd);
    at_once("removed", here, &f, O_RDONLY);
    rmdir("missing");
    unlink("dir/in");
    rmdir("dir");
    chmod(".", 0700);
    if (geteuid() == 0) {
        fd = open("closed", O_CREAT | O_RDWR, 0);
        f = of(AT_FDCWD, "closed", 0);
        CHILD("without rights", setresuid(1234, 1234, 1234); at_once("it", here, &f, O_RDONLY));
        unlink("closed");
    }
    return 0;
}
