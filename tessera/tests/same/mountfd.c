// The mount API of descriptors: fsopen, fsconfig, fsmount, fspick, open_tree, move_mount,
// mount_setattr, statmount, listmount.
#include "check.h"
#include <sys/mount.h>
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif
#define SYS_statmount_ 457
#define SYS_listmount_ 458
#define PRIVATE (1 << 18)
#define SLAVE (1 << 19)
#define SHARED (1 << 20)
#define UNBINDABLE (1 << 17)
#define REC 16384
#define CREATE_EXCL 8
#define NOSYMFOLLOW 0x200000
#define BENEATH 0x200
#define GROUP 0x100
#define fsopen(n, f) syscall(SYS_fsopen, n, f)
#define fsconfig(f, c, k, v, a) syscall(SYS_fsconfig, f, c, k, v, a)
#define fsmount(f, a, b) syscall(SYS_fsmount, f, a, b)
#define fspick(d, p, f) syscall(SYS_fspick, d, p, f)
#define open_tree(d, p, f) syscall(SYS_open_tree, d, p, f)
#define move_mount(d, p, e, q, f) syscall(SYS_move_mount, d, p, e, q, f)
#define setattr(d, p, f, a, s) syscall(SYS_mount_setattr, d, p, f, a, s)
#define tree_attr(d, p, f, a, s) syscall(SYS_open_tree_attr, d, p, f, a, s)
static char b[9000], *longest, *name256;

static void messages(int f) {
    for (int i = 0; i < 12; i++) {
        int n = read(f, b, 200);
        if (n < 0) {
            say("message: %s", name_of(errno));
            return;
        }
        b[n] = 0;
        if (n && b[n - 1] == '\n')
            b[n - 1] = 0;
        say("message: %s", b);
    }
}

static void setting(void) {
    int f = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (f < 0)
        return;
    say("cloexec %d flags %x", fcntl(f, F_GETFD), fcntl(f, F_GETFL));
    E(fsconfig(-1, 0, "k", 0, 0));
    E(fsconfig(f, 99, "k", 0, 0));
    E(fsconfig(f, FSCONFIG_SET_FLAG, 0, 0, 0));
    E(fsconfig(f, FSCONFIG_SET_FLAG, "k", "v", 0));
    E(fsconfig(f, FSCONFIG_SET_FLAG, "k", 0, 1));
    E(fsconfig(f, FSCONFIG_SET_FLAG, BAD, 0, 0));
    E(fsconfig(f, FSCONFIG_SET_FLAG, "nosuch", 0, 0));
    E(fsconfig(f, FSCONFIG_SET_FLAG, "", 0, 0));
    E(fsconfig(f, FSCONFIG_SET_FLAG, "size", 0, 0));
    E(fsconfig(f, FSCONFIG_SET_FLAG, name256, 0, 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "size", 0, 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "size", "1m", 1));
    E(fsconfig(f, FSCONFIG_SET_STRING, "size", BAD, 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "size", name256, 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "size", "zz", 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "size", "", 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "nr_inodes", "1m,mode=0", 0));
    E(fsconfig(f, FSCONFIG_SET_BINARY, "size", "a", 0));
    E(fsconfig(f, FSCONFIG_SET_BINARY, "size", "a", 1));
    E(fsconfig(f, FSCONFIG_SET_BINARY, "size", BAD, 1));
    E(fsconfig(f, FSCONFIG_SET_BINARY, "size", "a", 2 << 20));
    E(fsconfig(f, FSCONFIG_SET_PATH, "size", "a", AT_FDCWD));
    E(fsconfig(f, FSCONFIG_SET_PATH, "size", "", AT_FDCWD));
    E(fsconfig(f, FSCONFIG_SET_PATH, "size", "a", -7));
    E(fsconfig(f, 4, "size", "", AT_FDCWD));
    E(fsconfig(f, FSCONFIG_SET_FD, "size", 0, 1));
    E(fsconfig(f, FSCONFIG_SET_FD, "size", 0, 999));
    E(fsconfig(f, FSCONFIG_SET_FD, "size", 0, -1));
    E(fsconfig(f, FSCONFIG_CMD_CREATE, "k", 0, 0));
    E(fsconfig(f, FSCONFIG_CMD_CREATE, 0, 0, 1));
    E(fsconfig(f, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0));
    E(fsconfig(1, FSCONFIG_SET_FLAG, "ro", 0, 0));
    E(fsconfig(999, FSCONFIG_SET_FLAG, "ro", 0, 0));
    E(fsmount(f, 0, 0));
    E(fsmount(1, 0, 0));
    E(fsmount(999, 0, 0));
    E(fsmount(f, 2, 0));
    E(fsmount(f, 0, 0x30));
    E(fsmount(f, 0, 0x400000));
    messages(f);
    E(read(f, b, 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "nosuch", "1", 0));
    E(read(f, b, 1));
    E(read(f, b, 1));
    E(read(f, BAD, 100));
    E(write(f, b, 1));
    E(lseek(f, 0, SEEK_SET));
    E(fsconfig(f, FSCONFIG_SET_STRING, "source", "here", 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "source", "there", 0));
    E(fsconfig(f, FSCONFIG_SET_FLAG, "source", 0, 0));
    messages(f);
    E(fsconfig(f, FSCONFIG_SET_STRING, "size", "64k", 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "mode", "0751", 0));
    E(fsconfig(f, FSCONFIG_CMD_CREATE, 0, 0, 0));
    E(fsconfig(f, FSCONFIG_CMD_CREATE, 0, 0, 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "size", "64k", 0));
    E(fsmount(f, 0, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_STRICTATIME) < 0);
    int g = dup(3);
    close(g);
    E(fsmount(f, 0, 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "size", "32k", 0));
    E(fsconfig(f, FSCONFIG_SET_FLAG, "ro", 0, 0));
    E(fsconfig(f, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0));
    E(fsmount(f, 0, 0));
    close(f);
    Z(f = fsopen("ramfs", 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "whatever", "1", 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "mode", "9", 0));
    E(fsconfig(f, CREATE_EXCL, 0, 0, 0));
    close(f);
    Z(f = fsopen("proc", 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "nosuch", "1", 0));
    messages(f);
    E(fsconfig(f, FSCONFIG_SET_STRING, "hidepid", "7", 0));
    E(fsconfig(f, FSCONFIG_SET_STRING, "hidepid", "0", 0));
    close(f);
}

static int known[99], n;

// Everything that is mounted goes.
static void clear(void) {
    const char *all[] = {"m", "n", "p", "q"};
    for (int i = 0; i < 4; i++)
        while (umount2(all[i], MNT_DETACH) == 0) {
        }
    n = 0;
}

// How the mount of a place is shown: its fields, with numbers of groups by order of appearance.
static void shown(const char *at) {
    char line[4096], self[4096];
    if (!getcwd(self, sizeof self))
        return;
    strcat(self, "/");
    strcat(self, at);
    FILE *info = fopen("/proc/self/mountinfo", "r");
    while (fgets(line, sizeof line, info)) {
        char root[4096], point[4096], options[999];
        int end;
        sscanf(line, "%*s %*s %*s %4095s %4095s %998s%n", root, point, options, &end);
        if (strcmp(point, self))
            continue;
        char out[4096], *t = strtok(line + end, " \n");
        int o = sprintf(out, "%s: %s %s", at, root, options);
        for (int rest = 0; t && rest < 3; t = strtok(NULL, " \n")) {
            char *colon = strchr(t, ':');
            if (!strcmp(t, "-") || rest)
                rest++;
            if (!rest && colon) {
                int id = atoi(colon + 1), i = 0;
                while (i < n && known[i] != id)
                    i++;
                if (i == n)
                    known[n++] = id;
                o += sprintf(out + o, " %.*s:%d", (int)(colon - t), t, i);
            } else
                o += sprintf(out + o, " %s", t);
        }
        say("%s", out);
    }
    fclose(info);
}

static void mounting(void) {
    struct stat st;
    int f = fsopen("tmpfs", 0), m;
    fsconfig(f, FSCONFIG_SET_STRING, "source", "here", 0);
    fsconfig(f, FSCONFIG_SET_STRING, "mode", "0751", 0);
    fsconfig(f, FSCONFIG_CMD_CREATE, 0, 0, 0);
    Z(m = fsmount(f, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NODIRATIME));
    say("cloexec %d path %d", fcntl(m, F_GETFD), (fcntl(m, F_GETFL) & O_PATH) != 0);
    fstat(m, &st);
    say("%o", st.st_mode);
    E(mkdirat(m, "d", 0777));
    Z(openat(m, "d/x", O_CREAT | O_RDWR, 0666));
    // Nothing is mounted on what is in no place.
    sprintf(b, "/proc/self/fd/%d/d", m);
    E(mount("none", b, "tmpfs", 0, NULL));
    E(mount("m", b, NULL, MS_BIND, NULL));
    sprintf(b, "/proc/self/fd/%d", m);
    E(umount2(b, MNT_DETACH));
    E(umount2(b, 0));
    E(mount(NULL, b, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
    E(mount(NULL, b, NULL, PRIVATE, NULL));
    E(move_mount(m, "", AT_FDCWD, "m", 0));
    E(move_mount(m, "d", AT_FDCWD, "m", 0));
    E(move_mount(m, NULL, AT_FDCWD, "m", 0));
    E(move_mount(m, BAD, AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH));
    E(move_mount(m, "", AT_FDCWD, "nosuch", MOVE_MOUNT_F_EMPTY_PATH));
    E(move_mount(m, "", AT_FDCWD, "f", MOVE_MOUNT_F_EMPTY_PATH));
    E(move_mount(m, "", AT_FDCWD, "l", MOVE_MOUNT_F_EMPTY_PATH));
    E(move_mount(m, "", m, "d", MOVE_MOUNT_F_EMPTY_PATH));
    E(move_mount(m, "", 999, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
    E(move_mount(m, "", AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH | 8));
    E(move_mount(m, "", AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH | 0x400));
    E(move_mount(m, "", AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH | GROUP | BENEATH));
    E(move_mount(AT_FDCWD, "m", AT_FDCWD, "n", 0));
    E(move_mount(m, "", AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH));
    shown("m");
    E(access("m/d/x", F_OK));
    E(move_mount(m, "", AT_FDCWD, "l", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS));
    E(move_mount(m, "", AT_FDCWD, "n", MOVE_MOUNT_F_EMPTY_PATH));
    shown("n");
    E(move_mount(AT_FDCWD, "n", AT_FDCWD, "m", 0));
    E(fsmount(f, 0, 0));
    close(f);
    close(m);
    E(umount2("m", 0));
    // Without a place it goes with its descriptor.
    f = fsopen("tmpfs", 0);
    fsconfig(f, FSCONFIG_SET_FLAG, "ro", 0, 0);
    fsconfig(f, FSCONFIG_CMD_CREATE, 0, 0, 0);
    m = fsmount(f, 0, 0);
    E(mkdirat(m, "d", 0777));
    E(move_mount(m, "", AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH));
    shown("m");
    close(m);
    Z(m = fspick(AT_FDCWD, "m", 0));
    E(fspick(AT_FDCWD, "m", 0x10));
    E(fspick(AT_FDCWD, "f", 0));
    E(fspick(AT_FDCWD, "nosuch", 0));
    E(fspick(AT_FDCWD, "", 0));
    E(fspick(AT_FDCWD, "", FSPICK_EMPTY_PATH));
    E(fspick(999, "x", 0));
    E(fsconfig(m, FSCONFIG_CMD_CREATE, 0, 0, 0));
    E(fsmount(m, 0, 0));
    E(fsconfig(m, FSCONFIG_SET_FLAG, "rw", 0, 0));
    E(fsconfig(m, FSCONFIG_SET_STRING, "size", "1m", 0));
    E(fsconfig(m, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0));
    shown("m");
    E(mkdir("m/d", 0777));
    int w = open("m/w", O_CREAT | O_RDWR, 0666);
    E(fsconfig(m, FSCONFIG_SET_FLAG, "ro", 0, 0));
    E(fsconfig(m, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0));
    E(fsconfig(m, FSCONFIG_SET_FLAG, "ro", 0, 0));
    close(m);
    close(w);
    close(f);
    E(umount2("m", 0));
}

static void trees(void) {
    int t, u;
    mount("one", "m", "tmpfs", 0, NULL);
    mkdir("m/sub", 0777);
    mkdir("m/other", 0777);
    mount("two", "m/sub", "tmpfs", 0, NULL);
    mkdir("m/sub/in", 0777);
    E(open_tree(AT_FDCWD, "m", 2));
    E(open_tree(AT_FDCWD, "m", AT_RECURSIVE));
    E(open_tree(AT_FDCWD, "nosuch", 0));
    E(open_tree(AT_FDCWD, "", 0));
    E(open_tree(AT_FDCWD, BAD, 0));
    E(open_tree(999, "x", OPEN_TREE_CLONE));
    Z(t = open_tree(AT_FDCWD, "m", 0));
    say("path %x", fcntl(t, F_GETFL) & O_PATH);
    close(t);
    E(faccessat(t = open_tree(AT_FDCWD, "m", OPEN_TREE_CLONE), "sub/in", F_OK, 0));
    E(faccessat(u = open_tree(AT_FDCWD, "m", OPEN_TREE_CLONE | AT_RECURSIVE | OPEN_TREE_CLOEXEC),
                "sub/in", F_OK, 0));
    say("cloexec %d %d", fcntl(t, F_GETFD), fcntl(u, F_GETFD));
    E(mkdirat(t, "made", 0700));
    E(access("m/made", F_OK));
    E(move_mount(t, "", u, "other", MOVE_MOUNT_F_EMPTY_PATH));
    E(move_mount(u, "sub", AT_FDCWD, "n", 0));
    E(umount2("m/sub", 0));
    E(umount2("m", 0));
    E(move_mount(u, "", AT_FDCWD, "n", MOVE_MOUNT_F_EMPTY_PATH));
    shown("n");
    shown("n/sub");
    shown("n/other");
    close(t);
    E(access("n/other/made", F_OK));
    close(u);
    E(access("n/sub/in", F_OK));
    // Under what is mounted, and under that again.
    mount("three", "m", "tmpfs", 0, NULL);
    mkdir("m/three", 0777);
    E(move_mount(AT_FDCWD, "m", AT_FDCWD, "n/sub", BENEATH));
    shown("n/sub");
    E(umount2("n/sub", 0));
    E(access("n/sub/three", F_OK));
    E(move_mount(AT_FDCWD, "n/sub", AT_FDCWD, "m", BENEATH));
    E(move_mount(AT_FDCWD, "n", AT_FDCWD, "n/sub", BENEATH));
    E(umount2("n", MNT_DETACH));
    E(access("n/sub", F_OK));
    // A copy of a directory, and of a file.
    mount("one", "m", "tmpfs", 0, NULL);
    mkdir("m/sub", 0777);
    mkdir("m/sub/x", 0777);
    t = open_tree(AT_FDCWD, "m/sub", OPEN_TREE_CLONE);
    u = open_tree(AT_FDCWD, "f", OPEN_TREE_CLONE);
    E(move_mount(t, "", AT_FDCWD, "n", MOVE_MOUNT_F_EMPTY_PATH));
    shown("n");
    E(move_mount(u, "", AT_FDCWD, "n/x", MOVE_MOUNT_F_EMPTY_PATH));
    E(move_mount(u, "", AT_FDCWD, "g", MOVE_MOUNT_F_EMPTY_PATH));
    close(t);
    close(u);
    E(umount2("g", 0));
    E(umount2("n", 0));
    t = open_tree(AT_FDCWD, "n", 0);
    mount("one", "n", "tmpfs", 0, NULL);
    E(umount2("n", MNT_DETACH));
    u = open_tree(AT_FDCWD, "m", 0);
    umount2("m", MNT_DETACH);
    E(open_tree(u, "", AT_EMPTY_PATH | OPEN_TREE_CLONE));
    E(open_tree(u, "sub", OPEN_TREE_CLONE));
    E(move_mount(u, "", AT_FDCWD, "n", MOVE_MOUNT_F_EMPTY_PATH));
    close(t);
    close(u);
}

static void attributes(void) {
    struct mount_attr a = {0}, big[2] = {0};
    mount("one", "m", "tmpfs", 0, NULL);
    mkdir("m/sub", 0777);
    mount("two", "m/sub", "tmpfs", MS_NOATIME, NULL);
    symlink("sub", "m/link");
#define SET(s, c, p)                                                                               \
    (a = (struct mount_attr){.attr_set = s, .attr_clr = c, .propagation = p},                      \
     setattr(AT_FDCWD, "m", 0, &a, sizeof a))
    E(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
    E(setattr(AT_FDCWD, "nosuch", 0, &a, sizeof a));
    E(setattr(AT_FDCWD, "m", 1, &a, sizeof a));
    E(setattr(AT_FDCWD, "m", 0, &a, 24));
    E(setattr(AT_FDCWD, "m", 0, &a, 5000));
    E(setattr(AT_FDCWD, "m", 0, BAD, 32));
    E(setattr(AT_FDCWD, "m", 0, big, 64));
    big[1].attr_set = 1;
    E(setattr(AT_FDCWD, "m", 0, big, 64));
    E(SET(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0, 0));
    shown("m");
    E(mkdir("m/x", 0777));
    E(SET(MOUNT_ATTR_NOEXEC, MOUNT_ATTR_RDONLY, 0));
    shown("m");
    E(SET(MOUNT_ATTR_RDONLY, MOUNT_ATTR_RDONLY, 0));
    shown("m");
    E(SET(0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID, 0));
    E(SET(MOUNT_ATTR_NOATIME, 0, 0));
    E(SET(0, MOUNT_ATTR_NOATIME, 0));
    E(SET(MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, 0));
    shown("m");
    E(SET(MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_NODIRATIME, MOUNT_ATTR__ATIME, 0));
    shown("m");
    E(SET(0x30, MOUNT_ATTR__ATIME, 0));
    E(SET(0, MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME, 0));
    shown("m");
    E(SET(0x400000, 0, 0));
    E(SET(0, 0, 1));
    E(SET(0, 0, SHARED | PRIVATE));
    E(SET(0, 0, REC | PRIVATE));
    E(SET(NOSYMFOLLOW, 0, 0));
    shown("m");
    struct statfs s;
    statfs("m", &s);
    say("flags %lx", (long)s.f_flags);
    E(access("m/link", F_OK));
    E(access("m/link/x", F_OK));
    E(readlink("m/link", b, 99));
    E(open("m/link", O_RDONLY | O_NOFOLLOW));
    E(SET(0, NOSYMFOLLOW, 0));
    int w = open("m/sub/w", O_CREAT | O_RDWR, 0666);
    a = (struct mount_attr){.attr_set = MOUNT_ATTR_RDONLY};
    E(setattr(AT_FDCWD, "m", AT_RECURSIVE, &a, sizeof a));
    E(mkdir("m/y", 0777));
    close(w);
    E(setattr(AT_FDCWD, "m", AT_RECURSIVE, &a, sizeof a));
    shown("m");
    shown("m/sub");
    E(setattr(AT_FDCWD, "m/sub/w", 0, &a, sizeof a));
    a = (struct mount_attr){.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = 999};
    E(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
    a.userns_fd = open("/proc/self/ns/user", O_RDONLY);
    E(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
    a.userns_fd = 1;
    E(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
    a = (struct mount_attr){.attr_clr = MOUNT_ATTR_IDMAP};
    E(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
    a = (struct mount_attr){.attr_clr = MOUNT_ATTR_RDONLY, .attr_set = MOUNT_ATTR_NODEV};
    int t = tree_attr(AT_FDCWD, "m", OPEN_TREE_CLONE | AT_RECURSIVE, &a, sizeof a);
    if (t < 0 && errno == ENOSYS)
        exit(UNKNOWN);
    E(move_mount(t, "", AT_FDCWD, "n", MOVE_MOUNT_F_EMPTY_PATH));
    shown("n");
    shown("n/sub");
    shown("m/sub");
    close(t);
    E(tree_attr(AT_FDCWD, "m", 0, NULL, 32));
    E(tree_attr(AT_FDCWD, "m", OPEN_TREE_CLONE, &a, 8));
    E(umount2("n", MNT_DETACH));
    E(umount2("m", MNT_DETACH));
}

// What is mounted of a name that changes and goes, and of what never had one.
static void bound_names(void) {
    mount("one", "m", "tmpfs", 0, NULL);
    E(mount(NULL, "m", NULL, PRIVATE, NULL));
    mkdir("m/a", 0777);
    mkdir("m/b", 0777);
    close(open("m/f", O_CREAT | O_RDWR, 0666));
    close(open("m/g", O_CREAT | O_RDWR, 0666));
    E(mount("m/a", "m/b", NULL, MS_BIND, NULL));
    E(mount("m/f", "m/g", NULL, MS_BIND, NULL));
    E(rename("m/f", "m/h"));
    shown("m/g");
    E(unlink("m/h"));
    shown("m/g");
    E(rmdir("m/a"));
    shown("m/b");
    E(umount2("m/b", 0));
    E(mount("/proc/self/ns/uts", "m/g", NULL, MS_BIND, NULL));
    E(umount2("m/g", 0));
    E(mount("/proc/self/ns/uts", "m/g", NULL, MS_BIND, NULL));
    char link[64] = "", line[4096], root[99];
    readlink("/proc/self/ns/uts", link, sizeof link - 1);
    FILE *info = fopen("/proc/self/mountinfo", "r");
    while (fgets(line, sizeof line, info)) {
        sscanf(line, "%*s %*s %*s %98s", root);
        if (!strcmp(root, link))
            say("a namespace%s", strstr(line, " - "));
    }
    fclose(info);
    E(umount2("m", MNT_DETACH));
}

static void propagation(void) {
    mount("top", "m", "tmpfs", 0, NULL);
    E(mount(NULL, "m", NULL, SHARED, NULL));
    n = 0;
    shown("m");
    mkdir("m/a", 0777);
    mkdir("m/b", 0777);
    E(mount("m", "n", NULL, MS_BIND, NULL));
    n = 0;
    shown("n");
    E(mount("one", "m/a", "tmpfs", 0, NULL));
    n = 0;
    shown("m/a");
    shown("n/a");
    E(mkdir("n/a/deep", 0777));
    E(access("m/a/deep", F_OK));
    E(umount2("n/a", 0));
    n = 0;
    shown("m/a");
    // A slave hears and is not heard.
    E(mount(NULL, "n", NULL, SLAVE, NULL));
    n = 0;
    shown("n");
    E(mount("two", "m/a", "tmpfs", 0, NULL));
    n = 0;
    shown("n/a");
    E(mount("three", "n/b", "tmpfs", 0, NULL));
    n = 0;
    shown("m/b");
    shown("n/b");
    int f = open("n/a/held", O_CREAT | O_RDWR, 0666);
    E(umount2("m/a", 0));
    close(f);
    E(umount2("m/a", 0));
    n = 0;
    shown("n/a");
    // A slave that is shared, its peer and its slave.
    mkdir("p", 0777);
    mkdir("q", 0777);
    E(mount(NULL, "n", NULL, SHARED, NULL));
    E(mount("n", "p", NULL, MS_BIND, NULL));
    E(mount("n", "q", NULL, MS_BIND, NULL));
    E(mount(NULL, "q", NULL, SLAVE, NULL));
    n = 0;
    shown("n");
    shown("p");
    shown("q");
    E(mount("four", "m/a", "tmpfs", 0, NULL));
    n = 0;
    shown("m/a");
    shown("n/a");
    shown("p/a");
    shown("q/a");
    E(umount2("m/a", 0));
    n = 0;
    shown("q/a");
    E(mount("five", "p/a", "tmpfs", 0, NULL));
    n = 0;
    shown("m/a");
    shown("n/a");
    shown("q/a");
    E(mkdir("q/a/x", 0777));
    E(mount("six", "q/a/x", "tmpfs", 0, NULL));
    E(umount2("p/a", 0));
    n = 0;
    shown("n/a");
    shown("q/a");
    E(umount2("q/a/x", 0));
    E(umount2("q/a", 0));
    // The group that they followed ends.
    E(mount(NULL, "m", NULL, PRIVATE, NULL));
    n = 0;
    shown("m");
    shown("n");
    E(umount2("n/b", 0));
    E(umount2("n", 0));
    n = 0;
    shown("p");
    E(mount(NULL, "p", NULL, UNBINDABLE, NULL));
    n = 0;
    shown("p");
    shown("q");
    E(mount("p", "n", NULL, MS_BIND, NULL));
    E(open_tree(AT_FDCWD, "p", OPEN_TREE_CLONE));
    E(mount(NULL, "p", NULL, SLAVE, NULL));
    n = 0;
    shown("p");
    E(umount2("p", 0));
    E(umount2("q", 0));
    // What is moved to a shared place becomes shared; from a shared place nothing moves.
    E(mount(NULL, "m", NULL, SHARED, NULL));
    E(mount("seven", "n", "tmpfs", 0, NULL));
    E(mount("n", "m/a", NULL, MS_MOVE, NULL));
    n = 0;
    shown("m/a");
    E(mount("m/a", "n", NULL, MS_MOVE, NULL));
    E(mount("eight", "n", "tmpfs", 0, NULL));
    E(mount(NULL, "n", NULL, UNBINDABLE, NULL));
    E(mount("n", "m/b", NULL, MS_MOVE, NULL));
    E(mount(NULL, "n", NULL, PRIVATE, NULL));
    // A tree with parts that cannot be bound.
    mkdir("n/x", 0777);
    mkdir("n/y", 0777);
    mount("nine", "n/x", "tmpfs", 0, NULL);
    mount("ten", "n/y", "tmpfs", 0, NULL);
    E(mount(NULL, "n/x", NULL, UNBINDABLE, NULL));
    E(mount("n", "p", NULL, MS_BIND | MS_REC, NULL));
    n = 0;
    shown("p/x");
    shown("p/y");
    E(umount2("p", MNT_DETACH));
    E(mount(NULL, "n", NULL, SHARED | MS_REC, NULL));
    n = 0;
    shown("n");
    shown("n/x");
    E(mount("n", "p", NULL, MS_BIND | MS_REC, NULL));
    n = 0;
    shown("p/x");
    // Groups that are set by hand.
    E(mount("n", "q", NULL, MS_BIND, NULL));
    E(mount(NULL, "q", NULL, PRIVATE, NULL));
    E(move_mount(AT_FDCWD, "p", AT_FDCWD, "q", GROUP));
    n = 0;
    shown("q");
    E(move_mount(AT_FDCWD, "p", AT_FDCWD, "q", GROUP));
    E(move_mount(AT_FDCWD, "m", AT_FDCWD, "q", GROUP));
    E(umount2("n/x", MNT_DETACH));
    n = 0;
    shown("p/x");
    shown("q/x");
    E(umount2("q", MNT_DETACH));
    E(umount2("p", MNT_DETACH));
    E(umount2("n", MNT_DETACH));
    // A copy that is in no place hears too.
    int t = open_tree(AT_FDCWD, "m", OPEN_TREE_CLONE);
    mount("eleven", "m/b", "tmpfs", 0, NULL);
    mkdir("m/b/here", 0777);
    E(faccessat(t, "b/here", F_OK, 0));
    E(move_mount(t, "", AT_FDCWD, "n", MOVE_MOUNT_F_EMPTY_PATH));
    n = 0;
    shown("n");
    shown("n/b");
    E(umount2("m/b", 0));
    n = 0;
    shown("n/b");
    close(t);
    E(umount2("n", 0));
    E(umount2("m", MNT_DETACH));
}

struct req {
    uint32_t size, spare;
    uint64_t id, param, ns;
};
struct sm {
    uint32_t size, opts;
    uint64_t mask;
    uint32_t major, minor;
    uint64_t magic;
    uint32_t sb_flags, kind;
    uint64_t id, parent;
    uint32_t old, old_parent;
    uint64_t attr, propagation, peers, master, from;
    uint32_t root, point;
    uint64_t ns;
    uint32_t subtype, source, n, array, ns_, as_;
    uint64_t supported, spare[45];
    char str[1000];
};
static uint64_t unique(const char *p) {
    char x[256] = {0};
    if (syscall(SYS_statx, AT_FDCWD, p, 0, 0x4000, x))
        return 0;
    say("%s: mask %d", p, (*(uint32_t *)x & 0x4000) != 0);
    return *(uint64_t *)(x + 144);
}
static void listing(void) {
    struct sm s;
    struct req r = {24};
    uint64_t ids[100];
    int superuser = geteuid() == 0;
    E(syscall(SYS_statmount_, BAD, &s, sizeof s, 0));
    E(syscall(SYS_statmount_, &r, &s, sizeof s, 1));
    E(syscall(SYS_statmount_, &r, &s, sizeof s, 0));
    r.size = 8;
    E(syscall(SYS_statmount_, &r, &s, sizeof s, 0));
    r.size = 5000;
    E(syscall(SYS_statmount_, &r, &s, sizeof s, 0));
    r.size = 24;
    r.id = 1;
    E(syscall(SYS_statmount_, &r, &s, sizeof s, 0));
    r.id = 1UL << 50;
    E(syscall(SYS_statmount_, &r, &s, sizeof s, 0));
    E(syscall(SYS_listmount_, &r, ids, 9, 0));
    E(syscall(SYS_listmount_, &r, ids, 9, 2));
    E(syscall(SYS_listmount_, &r, ids, 2000000, 0));
    r.id = -1;
    E(syscall(SYS_listmount_, &r, -1UL, 9, 0));
    E(syscall(SYS_listmount_, &r, BAD, 9, 0));
    E(syscall(SYS_listmount_, &r, ids, 1, 0));
    r.param = 5;
    E(syscall(SYS_listmount_, &r, ids, 1, 0));
    if (!superuser)
        return;
    mount("one", "m", "tmpfs", MS_NOEXEC, NULL);
    mkdir("m/a", 0777);
    mkdir("m/b", 0777);
    mount("two", "m/a", "ramfs", MS_NOATIME, NULL);
    mount("m/b", "m/b", NULL, MS_BIND, NULL);
    mount(NULL, "m", NULL, SHARED, NULL);
    uint64_t m = unique("m"), a = unique("m/a"), bb = unique("m/b");
    r = (struct req){24, 0, m};
    E(syscall(SYS_listmount_, &r, ids, 9, 0));
    say("%d %d", ids[0] == a, ids[1] == bb);
    E(syscall(SYS_listmount_, &r, ids, 9, 1));
    say("%d %d", ids[1] == a, ids[0] == bb);
    r.param = a;
    E(syscall(SYS_listmount_, &r, ids, 9, 0));
    say("%d", ids[0] == bb);
    uint64_t of[] = {m, a, bb};
    for (int i = 0; i < 3; i++) {
        r = (struct req){24, 0, of[i], 0x3ff & ~0x80};
        memset(&s, 0, sizeof s);
        E(syscall(SYS_statmount_, &r, &s, sizeof s, 0));
        say("mask %lx magic %lx flags %x", s.mask, s.magic, s.sb_flags);
        say("id %d parent %d old %d", s.id == of[i], s.parent == m, s.old < 1 << 30);
        say("attr %lx propagation %lx peers %d master %d from %d", s.attr, s.propagation,
            s.peers != 0, s.master != 0, s.from != 0);
        char *point = strrchr(s.str + s.point, 'm');
        say("%s %s %s %s", s.str + s.kind, s.str + s.root, point, s.str + s.source);
    }
    r.param = 0x20;
    E(syscall(SYS_statmount_, &r, &s, 512, 0));
    E(syscall(SYS_statmount_, &r, &s, 513, 0));
    E(syscall(SYS_statmount_, &r, &s, 520, 0));
    r.param = 1;
    E(syscall(SYS_statmount_, &r, &s, 512, 0));
    E(syscall(SYS_statmount_, &r, &s, 8, 0));
    E(syscall(SYS_statmount_, &r, BAD, 600, 0));
    umount2("m", MNT_DETACH);
    r.id = m;
    E(syscall(SYS_statmount_, &r, &s, sizeof s, 0));
    E(syscall(SYS_listmount_, &r, ids, 9, 0));
}

// In a root of its own: the tree of the host stays as it is.
static void pivoting(void) {
    mount("root", "m", "tmpfs", 0, NULL);
    mkdir("m/new", 0777);
    mkdir("m/plain", 0777);
    mkdir("m/other", 0777);
    mount("new", "m/new", "tmpfs", 0, NULL);
    mkdir("m/new/old", 0777);
    mkdir("m/new/marker", 0777);
    mkdir("m/new/next", 0777);
    close(creat("m/new/file", 0666));
    mkdir("m/inner", 0777);
#define P(a, b) syscall(SYS_pivot_root, a, b)
    CHILD("unmounted root", chroot("m/plain"); chdir("/"); E(P(".", ".")));
    CHILD("turned", {
        chroot("m");
        chdir("/");
        E(P("nosuch", "/"));
        E(P("/new", "nosuch"));
        E(P("/new/file", "/new/old"));
        E(P("/new", "/new/file"));
        E(P(BAD, "/"));
        E(P("/", "/new/old"));
        E(P("/new", "/other"));
        E(P("/new", "/"));
        E(P("/plain", "/new/old"));
        E(P("/new/marker", "/new/old"));
        mount(NULL, "/new", NULL, SHARED, NULL);
        E(P("/new", "/new/old"));
        mount(NULL, "/new", NULL, PRIVATE, NULL);
        int down[2], up[2];
        pipe(down), pipe(up);
        pid_t other = fork();
        if (!other) {
            read(down[0], b, 1);
            E(access("/marker", F_OK));
            E(access("marker", F_OK));
            _exit(0);
        }
        E(P("/new", "/new/old"));
        write(down[1], "", 1);
        waitpid(other, NULL, 0);
        E(access("/marker", F_OK));
        E(access("/old/plain", F_OK));
        E(access("marker", F_OK));
        E(umount2("/old", MNT_DETACH));
        E(access("/old/plain", F_OK));
        // As containers do it.
        mount("next", "/next", "tmpfs", 0, NULL);
        chdir("/next");
        mkdir("third", 0777);
        E(P(".", "."));
        E(access("/third", F_OK));
        E(access("/marker", F_OK));
        E(umount2(".", MNT_DETACH));
        E(access("/third", F_OK));
        E(umount2(".", 0));
    });
    umount2("m", MNT_DETACH);
    E(access("m/new", F_OK));
}

static void refused(void) {
    struct mount_attr a = {.attr_set = MOUNT_ATTR_RDONLY};
    E(fsopen("tmpfs", 2));
    E(fsopen("nosuchfs", 0));
    E(fsopen(BAD, 0));
    E(fsopen("", 0));
    E(fsopen(longest, 0));
    E(fspick(AT_FDCWD, "m", 0x100));
    E(fsmount(999, 0, 0));
    E(open_tree(AT_FDCWD, "m", OPEN_TREE_CLONE | 2));
    E(open_tree(AT_FDCWD, "nosuch", OPEN_TREE_CLONE));
    E(move_mount(AT_FDCWD, "m", AT_FDCWD, "n", 0));
    E(move_mount(AT_FDCWD, "nosuch", AT_FDCWD, "n", 0x1000));
    E(setattr(AT_FDCWD, "m", 0, &a, sizeof a));
    E(setattr(AT_FDCWD, "m", 0, &a, 8));
    E(setattr(AT_FDCWD, "m", 0, &a, 8000));
    E(setattr(AT_FDCWD, "m", 1, &a, 32));
    E(syscall(SYS_pivot_root, "m", "nosuch"));
    E(close(open_tree(AT_FDCWD, "m", 0)));
    E(close(open_tree(AT_FDCWD, NULL, 0)));
    E(close(open_tree(open(".", O_PATH), NULL, AT_EMPTY_PATH)));
}

int main(int c, char **v) {
    begin(v);
    longest = calloc(1, 5001);
    memset(longest, 'a', 5000);
    name256 = calloc(1, 301);
    memset(name256, 'b', 300);
    close(open("f", O_CREAT | O_RDWR, 0644));
    close(open("g", O_CREAT | O_RDWR, 0644));
    mkdir("m", 0755);
    mkdir("n", 0755);
    symlink("m", "l");
    if (geteuid() == 0) {
        // The sandbox has one namespace, and it is the guest's.
        unshare(CLONE_NEWNS);
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            return UNKNOWN;
    }
    refused();
    listing();
    if (geteuid() == 0) {
        setting();
        mounting();
        clear();
        trees();
        clear();
        attributes();
        clear();
        bound_names();
        clear();
        propagation();
        clear();
        pivoting();
    }
    return 0;
}
