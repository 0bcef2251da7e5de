// The file system of POSIX message queues.
#include "check.h"
#include <mqueue.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#define open_(n, f, m, a) syscall(SYS_mq_open, n, f, m, a)
#define unlink_(n) syscall(SYS_mq_unlink, n)
static char at[PATH_MAX], p[2 * PATH_MAX], q[2 * PATH_MAX];
static const char *in(char *to, const char *name) {
    snprintf(to, sizeof p, "%s/%s", at, name);
    return to;
}
static void list(void) {
    DIR *d = opendir(at);
    int n = 0, found = 0, types = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        n++;
        found += !strcmp(e->d_name, "one") || !strcmp(e->d_name, "two");
        types += e->d_type == DT_REG;
    }
    if (d)
        closedir(d);
    say("%d entries, %d known, %d files", n, found, types);
}
static void look(const char *name) {
    struct stat s = {0};
    E(stat(in(p, name), &s));
    say("%s: mode %o, %d links, size %ld, block %ld, owner %d %d", name, s.st_mode, (int)s.st_nlink,
        (long)s.st_size, (long)s.st_blksize, s.st_uid, s.st_gid);
}
static void text(int fd) {
    char t[200] = "";
    int n = pread(fd, t, sizeof t, 0);
    say("%d %.40s", n, t);
}
static void put(const char *file, const char *format, int id) {
    char t[40];
    int fd = open(file, O_WRONLY);
    write(fd, t, snprintf(t, sizeof t, format, id));
    close(fd);
}
int main(int c, char **v) {
    begin(v);
    if (geteuid() == 0 && !may_unshare(CLONE_NEWNS | CLONE_NEWIPC))
        return UNKNOWN;
    int uid = geteuid(), gid = getegid();
    snprintf(at, sizeof at, "%s/mq", v[1]);
    E(mkdir(at, 0700));
    if (uid) {
        E(unshare(CLONE_NEWUSER | CLONE_NEWNS));
        put("/proc/self/setgroups", "deny", 0);
        put("/proc/self/uid_map", "0 %d 1", uid);
        put("/proc/self/gid_map", "0 %d 1", gid);
        // Those of somebody else.
        E(mount("x", at, "mqueue", 0, NULL));
        E(unshare(CLONE_NEWIPC));
    } else {
        E(unshare(CLONE_NEWNS | CLONE_NEWIPC));
    }
    E(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    E(mount("x", at, "mqueue", 0, "size=3"));
    E(mount("x", at, "mqueue", 0, "some"));
    E(mount("x", at, "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""));
    struct statfs f;
    E(statfs(at, &f));
    say("%lx %ld %ld %ld", (long)f.f_type, (long)f.f_bsize, (long)f.f_namelen, (long)f.f_blocks);
    look("");
    list();
    struct mq_attr a = {0, 3, 16}, o = {0};
    int one = open_("one", O_RDWR | O_CREAT, 0640, &a);
    look("one");
    look("");
    list();
    // by its name
    int fd = open(in(p, "one"), O_RDONLY);
    struct stat s, t;
    fstat(fd, &s), fstat(one, &t);
    say("the same %d %d", s.st_ino == t.st_ino, s.st_dev == t.st_dev);
    E(syscall(SYS_mq_timedsend, one, "hello", 5, 1, NULL));
    text(fd);
    char buf[100];
    E(syscall(SYS_mq_timedreceive, fd, buf, 16, NULL, NULL));
    text(one);
    E(syscall(SYS_mq_getsetattr, fd, NULL, &o));
    say("%ld %ld %ld", o.mq_maxmsg, o.mq_msgsize, o.mq_curmsgs);
    E(write(one, "x", 1));
    E(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
    E(lseek(fd, 3, SEEK_SET));
    E(fstatfs(one, &f));
    say("%lx", (long)f.f_type);
    // made by name, with the defaults
    int two = open(in(p, "two"), O_RDWR | O_CREAT | O_EXCL, 0606);
    say("made %d", two >= 0);
    E(open(p, O_RDWR | O_CREAT | O_EXCL, 0606));
    E(syscall(SYS_mq_getsetattr, two, NULL, &o));
    say("%ld %ld %ld", o.mq_maxmsg, o.mq_msgsize, o.mq_curmsgs);
    look("two");
    look("");
    list();
    E(mknod(in(p, "three"), S_IFREG | 0600, 0));
    look("three");
    E(unlink_("three"));
    E(open_("three", O_RDWR, 0, 0));
    E(stat(in(p, "three"), &s));
    E(mknod(in(p, "four"), S_IFIFO | 0600, 0));
    E(mkdir(in(p, "four"), 0700));
    E(symlink("x", in(p, "four")));
    E(link(in(p, "two"), in(q, "four")));
    E(rename(in(p, "two"), in(q, "four")));
    E(open(at, O_RDWR | O_TMPFILE, 0600));
    E(open(at, O_RDWR));
    E(rmdir(in(p, "two")));
    E(stat(in(p, "nothing"), &s));
    E(stat(in(p, "two/x"), &s));
    E(open_("two", O_RDWR | O_CREAT | O_EXCL, 0600, 0));
    // attributes
    E(chmod(in(p, "one"), 0400));
    E(fchmod(two, 04711));
    E(truncate(in(p, "two"), 7));
    E(truncate(at, 7));
    struct timespec times[2] = {{5, 6}, {7, 8}};
    E(utimensat(AT_FDCWD, in(p, "two"), times, 0));
    E(stat(p, &s));
    say("times %ld %ld", (long)s.st_atime, (long)s.st_mtime);
    look("one");
    look("two");
    E(fchown(one, uid ? 0 : 12, uid ? 0 : 13));
    E(setxattr(in(p, "one"), "user.x", "y", 1, 0));
    E(listxattr(p, buf, sizeof buf));
    look("one");
    E(access(in(p, "one"), W_OK));
    // what is told
    int watch = inotify_init1(IN_NONBLOCK);
    E(inotify_add_watch(watch, at, IN_CREATE | IN_DELETE));
    close(open(in(p, "told"), O_RDWR | O_CREAT, 0600));
    E(unlink(p));
    char events[1000];
    int n = read(watch, events, sizeof events);
    for (int i = 0; i < n;) {
        struct inotify_event *e = (void *)(events + i);
        say("%x %s", e->mask, e->len ? e->name : "");
        i += sizeof *e + e->len;
    }
    close(watch);
    // removed
    E(unlink(in(p, "two")));
    E(unlink(in(p, "two")));
    E(fstat(two, &s));
    say("links %d", (int)s.st_nlink);
    E(syscall(SYS_mq_timedsend, two, "hello", 5, 1, NULL));
    text(two);
    E(open_("two", O_RDWR, 0, 0));
    list();
    // a directory that others may not write
    E(chmod(at, 0755));
    look("");
    if (!uid) {
        int pid = fork();
        if (!pid) {
            setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
            E(open_("five", O_RDWR | O_CREAT, 0600, 0));
            E(unlink_("one"));
            E(open_("one", O_RDWR, 0, 0));
            E(open(in(p, "five"), O_RDWR | O_CREAT, 0600));
            _exit(0);
        }
        waitpid(pid, NULL, 0);
        E(chmod(at, 01777));
        pid = fork();
        if (!pid) {
            setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
            E(open_("five", O_RDWR | O_CREAT, 0600, 0));
            E(unlink_("one"));
            E(unlink(in(p, "one")));
            look("five");
            E(unlink_("five"));
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    // mounted again: the same; in another namespace: others
    E(mount("y", at, "mqueue", 0, NULL));
    list();
    E(umount(at));
    E(unshare(CLONE_NEWIPC));
    list();
    E(mount("z", at, "mqueue", 0, NULL));
    list();
    E(umount(at));
    list();
    E(open(in(p, "late"), O_RDWR | O_CREAT, 0600));
    E(umount(at));
    return 0;
}
