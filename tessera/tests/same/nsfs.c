// Namespaces as files, and entering those that everybody is in.
#include "check.h"
#include <linux/nsfs.h>

static const char *names[] = {"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"};

int main(int c, char **v) {
    begin(v);
    char jail[PATH_MAX + 8];
    snprintf(jail, sizeof jail, "%s/jail", v[1]);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64], link[64] = "", other[64] = "";
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        say("%s", path);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st = {0}, by = {0};
        E(fstat(fd, &st));
        E(stat(path, &by));
        say("mode %o, %d links, size %ld, same %d", st.st_mode, (int)st.st_nlink, (long)st.st_size,
            st.st_ino == by.st_ino && st.st_dev == by.st_dev);
        readlink(path, link, sizeof link - 1);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        readlink(path, other, sizeof other - 1);
        say("links agree %d, number %d", !strcmp(link, other), strtoul(strchr(link, '[') + 1, NULL, 10) == st.st_ino);
        struct statfs fs = {0};
        E(fstatfs(fd, &fs));
        say("file system %lx", (long)fs.f_type);
        char byte;
        E(read(fd, &byte, 1));
        E(ioctl(fd, NS_GET_NSTYPE));
        E(ioctl(fd, NS_GET_PARENT));
        int owner = ioctl(fd, NS_GET_USERNS);
        if (owner < 0)
            say("owner %s", name_of(errno));
        else
            say("owner %x, close-on-exec %d, its own %d", ioctl(owner, NS_GET_NSTYPE), fcntl(owner, F_GETFD),
                ioctl(owner, NS_GET_USERNS));
        close(owner);
        unsigned uid = 77;
        E(ioctl(fd, NS_GET_OWNER_UID, &uid));
        say("uid %u", uid);
        E(setns(fd, 0));
        E(setns(fd, ioctl(fd, NS_GET_NSTYPE)));
        E(setns(fd, 0x123456));
        E(setns(fd, 0x04000000));
        if (geteuid() == 0)
            E(open(path, O_RDWR));
        close(fd);
    }
    int self = syscall(SYS_pidfd_open, getpid(), 0);
    E(setns(self, 0));
    E(setns(self, 0x04000000));
    E(setns(self, 0x10000000));
    E(setns(self, 0x1));
    E(setns(self, 0x04000000 | 0x40000000));
    E(setns(0, 0));
    E(setns(-1, 0));
    // A root of one's own is left behind with the namespace of mounts.
    if (geteuid() == 0) {
        int mounts = open("/proc/self/ns/mnt", O_RDONLY);
        E(mkdir(jail, 0755));
        E(chroot(jail));
        E(access("/proc", F_OK));
        E(setns(mounts, 0));
        E(access("/proc", F_OK));
        char cwd[PATH_MAX];
        say("in %s", getcwd(cwd, sizeof cwd));
    }
    return 0;
}
