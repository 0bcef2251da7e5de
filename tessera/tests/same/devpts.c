// Instances of devpts: each mount has terminals of its own, their numbers, owners and options.
#include "check.h"
#include <sys/mount.h>
static void entries(const char *p) {
    DIR *d = opendir(p);
    int n = 0;
    while (d && readdir(d))
        n++;
    say("%s: %d entries", p, n);
    if (d)
        closedir(d);
}
static void node(const char *p) {
    struct stat s;
    if (stat(p, &s))
        say("%s: %s", p, name_of(errno));
    else
        say("%s: %o of %d:%d, ino %d, %d links, rdev %d,%d", p, s.st_mode, s.st_uid, s.st_gid,
            (int)s.st_ino, (int)s.st_nlink, major(s.st_rdev), minor(s.st_rdev));
}
// Opens a terminal and says its number.
static int make(const char *ptmx) {
    int fd = open(ptmx, O_RDWR | O_NOCTTY), n = -1;
    if (fd < 0)
        say("%s: %s", ptmx, name_of(errno));
    else if (!ioctl(fd, TIOCGPTN, &n))
        say("%s: terminal %d", ptmx, n);
    return fd;
}
static void unlock(int fd) { E(ioctl(fd, TIOCSPTLCK, &(int){0})); }
// Whether what is written to one side comes out of the other.
static void joined(int master, int slave) {
    char b[8] = "";
    E(write(slave, "x", 1));
    E(read(master, b, sizeof b));
    say("%s", b);
}
static void instances(void) {
    E(mount("x", "a", "devpts", 0, "gid=7,mode=600,ptmxmode=0660"));
    E(mount("y", "b", "devpts", 0, "newinstance"));
    struct stat s, t;
    stat("a", &s);
    stat("b", &t);
    say("%d", s.st_dev == t.st_dev);
    entries("a");
    entries("b");
    node("a");
    node("a/ptmx");
    node("b");
    node("b/ptmx");
    int a = make("a/ptmx"), b = make("b/ptmx"), again = make("a/ptmx");
    node("a/0");
    node("b/0");
    node("a/1");
    node("b/1");
    entries("a");
    unlock(a);
    unlock(b);
    int as = open("a/0", O_RDWR | O_NOCTTY), bs = open("b/0", O_RDWR | O_NOCTTY);
    joined(a, as);
    joined(b, bs);
    close(as);
    as = ioctl(b, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    joined(b, as);
    close(a);
    node("a/0");
    node("b/0");
    int lowest = make("a/ptmx");
    close(again);
    close(lowest);
    entries("a");
    // A terminal outlives the sight of it.
    E(umount2("b", MNT_DETACH));
    joined(b, bs);
    node("b/0");
    close(b);
    E(read(bs, &s, 1));
}
static void owners(void) {
    E(chown("a", 3, 4));
    E(chmod("a", 0700));
    node("a");
    E(chown("a/ptmx", 5, 6));
    E(chmod("a/ptmx", 0640));
    node("a/ptmx");
    int fd = make("a/ptmx");
    E(chmod("a/0", 0640));
    E(chown("a/0", 9, 10));
    node("a/0");
    E(mount(NULL, "a", NULL, MS_REMOUNT, "gid=8,mode=620,ptmxmode=0666"));
    node("a");
    node("a/ptmx");
    node("a/0");
    int other = make("a/ptmx");
    node("a/1");
    E(mkdir("a/d", 0755));
    E(open("a/f", O_CREAT | O_RDWR, 0600));
    E(mknod("a/f", S_IFREG | 0600, 0));
    E(mknod("a/m", S_IFCHR | 0600, makedev(1, 3)));
    E(symlink("x", "a/l"));
    E(link("a/0", "a/k"));
    E(rename("a/1", "a/2"));
    E(unlink("a/1"));
    E(unlink("a/ptmx"));
    close(fd);
    close(other);
    E(umount("a"));
}
static void options(void) {
    const char *bad[] = {"bogus", "mode=9", "max=x", "max=1048577", "newinstance=1", "uid=-1"};
    for (int i = 0; i < sizeof bad / sizeof *bad; i++)
        E(mount("z", "a", "devpts", 0, bad[i]));
    E(mount("z", "a", "devpts", 0, "max=1,uid=4,ptmxmode=666"));
    int fd = make("a/ptmx");
    node("a/0");
    make("a/ptmx");
    close(fd);
    close(make("a/ptmx"));
    E(umount("a"));
}
// A node elsewhere makes terminals of what is beside it.
static void nodes(void) {
    E(mknod("ptmx", S_IFCHR | 0666, makedev(5, 2)));
    make("ptmx");
    E(mkdir("pts", 0755));
    make("ptmx");
    E(mount("z", "pts", "devpts", 0, NULL));
    int fd = make("ptmx"), other;
    entries("pts");
    unlock(fd);
    other = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    joined(fd, other);
    close(other);
    E(mount("z", "pts", "devpts", 0, "ptmxmode=666"));
    int above = make("ptmx");
    close(above);
    E(ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY));
    E(umount("pts"));
    // The number alone leads nowhere.
    E(mknod("0", S_IFCHR | 0666, makedev(136, 0)));
    E(open("0", O_RDWR | O_NOCTTY));
    E(mknod("one", S_IFCHR | 0666, makedev(136, 1)));
    E(open("one", O_RDWR | O_NOCTTY));
    close(fd);
    // A name of another instance's.
    E(mount("a", "a", "devpts", 0, "ptmxmode=666"));
    E(mknod("p", S_IFREG | 0600, 0));
    E(mount("a/ptmx", "p", NULL, MS_BIND, NULL));
    fd = make("p");
    entries("a");
    entries("pts");
    close(fd);
}
int main(int argc, char **argv) {
    say("%d", chdir(argv[1]));
    umask(0);
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
        // Others may not mount, which is all that they are asked here.
        for (int i = 0; i < 12; i++)
            E(mount("x", argv[1], "devpts", 0, "newinstance"));
        return 0;
    }
    E(mount("t", argv[1], "tmpfs", 0, NULL));
    E(chdir(argv[1]));
    mkdir("a", 0755);
    mkdir("b", 0755);
    instances();
    owners();
    options();
    nodes();
    return 0;
}
