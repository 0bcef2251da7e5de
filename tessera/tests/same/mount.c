// Mounting: tmpfs and its limits, binding, moving, remounting, read-only trees, times of access.
#include "check.h"
#include <sys/mount.h>
#define FLAGS(p)                                                                                   \
    do {                                                                                           \
        struct statfs s_;                                                                          \
        statfs(p, &s_);                                                                            \
        say("%s: flags %lx", p, (long)s_.f_flags);                                                 \
    } while (0)
static char b[200000], nm[300], longest[5000];
static void refused(void) {
    E(mount("none", "m", "nosuchfs", 0, NULL));
    E(mount("none", "nosuch", "tmpfs", 0, NULL));
    E(mount("none", "f", "tmpfs", 0, NULL));
    E(mount("none", nm, "tmpfs", 0, NULL));
    E(mount("none", longest, "tmpfs", 0, NULL));
    E(mount("none", BAD, "tmpfs", 0, NULL));
    E(mount(BAD, "m", "tmpfs", 0, NULL));
    E(mount("none", "m", BAD, 0, NULL));
    E(mount("none", "m", NULL, 0, NULL));
    E(mount("none", "m", "", 0, NULL));
    E(mount("none", "m", "tmpfs", 0, BAD));
    E(mount("none", "m", "tmpfs", 0, "size=zz"));
    E(mount("none", "m", "tmpfs", 0, "nosuchopt=1"));
    E(mount("none", "loop", "tmpfs", 0, NULL));
    E(mount("nosuch", "m", NULL, MS_BIND, NULL));
    E(mount("f", "m", NULL, MS_BIND, NULL));
    E(mount("m", "f", NULL, MS_BIND, NULL));
    E(mount(BAD, "m", NULL, MS_BIND, NULL));
    E(mount(NULL, "m", NULL, MS_BIND, NULL));
    E(mount("", "m", NULL, MS_BIND, NULL));
    E(mount("none", "m", "tmpfs", MS_REMOUNT, NULL));
    E(mount("none", "m", NULL, MS_MOVE, NULL));
    E(mount("", "m", NULL, MS_MOVE, NULL));
    E(mount("m", "n", NULL, MS_MOVE, NULL));
    E(mount("none", "m", NULL, MS_PRIVATE | MS_SHARED, NULL));
    E(mount("none", "m", NULL, MS_PRIVATE, NULL));
    E(mount("none", "m", "tmpfs", MS_PRIVATE | MS_RDONLY, NULL));
    E(umount("m"));
    E(umount("nosuch"));
    E(umount(BAD));
    E(umount(nm));
    E(umount(longest));
    E(umount("f"));
    E(umount("loop"));
    E(umount2("m", 0x100));
    E(umount2("m", MNT_EXPIRE | MNT_FORCE));
    E(umount2("m", -1));
    E(umount2("", 0));
    E(umount2("l", UMOUNT_NOFOLLOW));
}
static void read_only(void) {
    struct timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    E(mount("none", "m", "tmpfs", 0, "size=1m"));
    int f = open("m/f", O_CREAT | O_RDWR, 0666);
    write(f, "abc", 3);
    mkdir("m/d", 0777);
    symlink("f", "m/l");
    mkfifo("m/p", 0666);
    mknod("m/c", S_IFCHR | 0666, makedev(1, 3));
    E(mount("none", "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
    E(mount("none", "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
    E(write(f, "d", 1));
    close(f);
    E(mount("none", "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
    FLAGS("m");
    for (int i = 0; i < 2; i++) {
        struct statx x = {0};
        statx(AT_FDCWD, i ? "m/d" : "m", 0, STATX_BASIC_STATS, &x);
        say("top %d", (x.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0);
    }
    E(open("m/f", O_RDWR));
    E(open("m/f", O_RDONLY | O_TRUNC));
    E(open("m/new", O_CREAT | O_RDONLY, 0666));
    E(open("m/f", O_CREAT | O_EXCL | O_RDONLY, 0666));
    Z(open("m/f", O_CREAT | O_RDONLY, 0666));
    E(open("m", O_TMPFILE | O_RDWR, 0666));
    Z(open("m/p", O_RDWR));
    Z(open("m/c", O_RDWR));
    E(mkdir("m/x", 0777));
    E(mkdir("m/d", 0777));
    E(rmdir("m/d"));
    E(rmdir("m/nosuch"));
    E(unlink("m/f"));
    E(link("m/f", "m/g"));
    E(link("m/f", "outside"));
    E(symlink("x", "m/y"));
    E(rename("m/f", "m/g"));
    E(rename("m/f", "outside"));
    E(rename("m/f", "m/f"));
    E(mknod("m/z", S_IFREG | 0666, 0));
    E(chmod("m/f", 0777));
    E(chown("m/f", 1, 1));
    E(truncate("m/f", 0));
    E(utimensat(AT_FDCWD, "m/f", NULL, 0));
    E(utimensat(AT_FDCWD, "m/f", omit, 0));
    E(access("m/f", W_OK));
    E(access("m/p", W_OK));
    E(setxattr("m/f", "user.x", "a", 1, 0));
    int h = open("m/f", O_RDONLY);
    E(fchmod(h, 0777));
    E(futimens(h, NULL));
    E(umount("m"));
    E(umount2("m", MNT_EXPIRE));
    E(umount2("m", MNT_DETACH));
    E(read(h, b, 9));
    close(h);
    E(access("m/f", F_OK));
}
static void limits(void) {
    struct stat st;
    struct statfs s;
    E(mount("none", "m", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME,
            "mode=700,uid=5,gid=6,size=64k,nr_inodes=4"));
    stat("m", &st);
    say("%o %d %d", st.st_mode, st.st_uid, st.st_gid);
    FLAGS("m");
#define ROOM                                                                                       \
    statfs("m", &s);                                                                               \
    say("blocks %ld %ld files %ld %ld", (long)s.f_blocks, (long)s.f_bfree, (long)s.f_files,        \
        (long)s.f_ffree)
    ROOM;
    int f = open("m/a", O_CREAT | O_RDWR, 0777);
    E(write(f, b, 100000));
    E(write(f, b, 10));
    E(pwrite(f, b, 10, 0));
    ROOM;
    E(ftruncate(f, 1 << 20));
    CHILD("past the limit", ({
              char *p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
              p[100] = 1;
              say("in a mapping");
              p[1 << 18] = 1;
          }));
    E(ftruncate(f, 4096));
    E(fallocate(f, 0, 0, 100000));
    E(fallocate(f, 0, 0, 65536));
    ROOM;
    E(mount("none", "m", NULL, MS_REMOUNT, "size=16k"));
    E(ftruncate(f, 0));
    E(mount("none", "m", NULL, MS_REMOUNT, "size=16k"));
    ROOM;
    Z(creat("m/b", 0666));
    E(link("m/a", "m/c"));
    E(link("m/a", "m/d"));
    E(mkdir("m/e", 0777));
    E(symlink("x", "m/y"));
    E(unlink("m/c"));
    E(mknod("m/null", S_IFCHR | 0666, makedev(1, 3)));
    ROOM;
    E(open("m/null", O_RDWR));
    E(execl("m/a", "a", NULL));
    E(access("m/a", X_OK));
    Z(mmap(0, 4096, PROT_EXEC | PROT_READ, MAP_PRIVATE, f, 0));
    close(f);
    E(mount("none", "m", NULL, MS_REMOUNT | MS_NOSUID, NULL));
    FLAGS("m");
    E(umount("m"));
}
static void trees(void) {
    char line[4096];
    E(mount("none", "m", "tmpfs", 0, NULL));
    E(rmdir("m"));
    E(rename("m", "m2"));
    E(mkdir("m/sub", 0777));
    E(mkdir("m/sub/deep", 0777));
    E(mount("m/sub", "n", NULL, MS_BIND, NULL));
    E(mkdir("n/x", 0777));
    E(access("m/sub/x", F_OK));
    FILE *info = fopen("/proc/self/mountinfo", "r");
    while (fgets(line, sizeof line, info)) {
        char root[4096], at[4096];
        sscanf(line, "%*s %*s %*s %4095s %4095s", root, at);
        if (strlen(at) > 2 && !strcmp(at + strlen(at) - 2, "/n"))
            say("shows %s", root);
    }
    fclose(info);
    E(rename("m/sub/x", "n/y"));
    E(link("m/sub", "n/z"));
    E(umount("m"));
    E(umount("n"));
    E(mount("none", "m/sub", "tmpfs", 0, NULL));
    Z(creat("m/sub/inner", 0666));
    E(umount("m"));
    E(mount("m", "n", NULL, MS_BIND, NULL));
    E(access("n/sub/inner", F_OK));
    E(umount("n"));
    E(mount("m", "n", NULL, MS_BIND | MS_REC, NULL));
    E(access("n/sub/inner", F_OK));
    E(umount2("n", MNT_DETACH));
    E(mount("m", "m/sub", NULL, MS_MOVE, NULL));
    E(mount("m/sub/inner", "n", NULL, MS_MOVE, NULL));
    E(mount("m", "f", NULL, MS_MOVE, NULL));
    E(mount("m", "n", NULL, MS_MOVE, NULL));
    E(access("n/sub/inner", F_OK));
    E(access("m/sub", F_OK));
    E(umount("m"));
    E(umount("n/sub"));
    E(umount2("n", MNT_EXPIRE | MNT_DETACH));
    E(umount2("n", MNT_EXPIRE));
    E(access("n/sub", F_OK));
    E(umount2("n", MNT_EXPIRE));
    E(umount2("n", MNT_EXPIRE));
    E(umount2("n", MNT_EXPIRE));
    E(mount("f", "f", NULL, MS_BIND, NULL));
    E(unlink("f"));
    E(rename("f", "ff"));
    E(umount("f"));
    const char *types[] = {"proc", "sysfs", "devpts", "ramfs"};
    const char *names[] = {"self/status", "kernel", "ptmx", ""};
    for (int i = 0; i < 4; i++) {
        char name[99];
        say("%s", types[i]);
        E(mount("none", "m", types[i], 0, NULL));
        sprintf(name, "m/%s", names[i]);
        E(access(name, F_OK));
        E(umount("m"));
    }
}
// Whether reading a file and listing a folder show in their times.
static void times_of(const char *what, int flags, int open_flags) {
    struct stat st;
    struct timespec old[2] = {{1000, 0}, {2000, 0}};
    say("%s", what);
    E(mount("none", "m", "tmpfs", flags, NULL));
    int f = open("m/f", O_CREAT | O_RDWR, 0666);
    write(f, "abc", 3);
    mkdir("m/d", 0777);
    for (int again = 0; again < 2; again++) {
        old[0].tv_sec = again ? time(0) - 10 : 1000;
        utimensat(AT_FDCWD, "m/f", old, 0);
        utimensat(AT_FDCWD, "m/d", old, 0);
        ms(20);
        int g = open("m/f", O_RDONLY | open_flags), d = open("m/d", O_RDONLY | open_flags);
        if (again) {
            // The time of change, which the above moved, is no longer the later one.
            read(f, b, 1);
            ms(20);
        }
        stat("m/f", &st);
        long before = st.st_atim.tv_nsec;
        read(g, b, 1);
        stat("m/f", &st);
        say("read: %d", st.st_atim.tv_nsec != before);
        stat("m/d", &st);
        before = st.st_atim.tv_nsec;
        syscall(SYS_getdents64, d, b, 1000);
        stat("m/d", &st);
        say("listed: %d", st.st_atim.tv_nsec != before);
        close(g);
        close(d);
    }
    close(f);
    E(umount("m"));
}

static void listed(void) {
    char line[4096], *place, *rest;
    FILE *f = fopen("/proc/self/mountinfo", "r");
    while (fgets(line, sizeof line, f))
        if ((place = strstr(line, "/m/")) && (rest = strchr(place, ' '))) {
            *rest = 0;
            say("at %s", place);
        }
    fclose(f);
}

// What was mounted on a copy that went with its original.
static void left_behind(void) {
    mount("none", "m", "tmpfs", 0, NULL);
    mkdir("m/a", 0755), mkdir("m/b", 0755);
    mount("none", "m/a", "tmpfs", 0, NULL);
    mount("none", "m/a", NULL, MS_SHARED, NULL);
    mkdir("m/a/x", 0755);
    mount("m/a", "m/b", NULL, MS_BIND, NULL);
    mount("none", "m/a/x", "tmpfs", 0, NULL);
    mkdir("m/a/x/y", 0755);
    mount("none", "m/a/x/y", "tmpfs", 0, NULL);
    mount("none", "m/b/x/y", NULL, MS_PRIVATE, NULL);
    mount("none", "m/b/x/y", "tmpfs", 0, NULL);
    close(open("m/b/x/y/own", O_CREAT | O_RDWR, 0644));
    listed();
    E(umount2("m/a/x", MNT_DETACH));
    listed();
    E(access("m/b/x/y/own", F_OK));
    E(umount("m/b/x/y"));
    E(umount("m/b/x"));
    // The same over the roots of what goes.
    mount("none", "m/a/x", "tmpfs", 0, NULL);
    mount("none", "m/a/x", "tmpfs", 0, NULL);
    mount("none", "m/b/x", NULL, MS_PRIVATE, NULL);
    mount("none", "m/b/x", "tmpfs", 0, NULL);
    close(open("m/b/x/own", O_CREAT | O_RDWR, 0644));
    E(umount("m/a/x"));
    E(umount("m/a/x"));
    listed();
    E(access("m/b/x/own", F_OK));
    E(umount2("m", MNT_DETACH));
}

int main(int c, char **v) {
    begin(v);
    memset(longest, 'a', sizeof longest - 1);
    memset(nm, 'b', sizeof nm - 1);
    close(open("f", O_CREAT | O_RDWR, 0644));
    mkdir("m", 0755);
    mkdir("n", 0755);
    symlink("m", "l");
    symlink("loop", "loop");
    if (geteuid() == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            return UNKNOWN;
    }
    refused();
    if (geteuid() == 0) {
        read_only();
        limits();
        trees();
        left_behind();
        times_of("relatime", 0, 0);
        times_of("strictatime", MS_STRICTATIME, 0);
        times_of("noatime", MS_NOATIME, 0);
        times_of("nodiratime", MS_NODIRATIME | MS_STRICTATIME, 0);
        times_of("O_NOATIME", MS_STRICTATIME, O_NOATIME);
    }
    return 0;
}
