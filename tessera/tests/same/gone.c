// What /proc shows of a process that has ended and of one that is gone, to who has it open.
#include "check.h"

static const char *files[] = {
    "cmdline", "comm", "coredump_filter", "environ", "gid_map", "io", "limits", "maps", "mem", "mountinfo",
    "oom_score", "oom_score_adj", "smaps", "smaps_rollup", "stat", "statm", "status", "uid_map",
};
static const char *links[] = {"exe", "cwd", "root", "ns/net", "ns/pid", "ns/user", "ns/mnt", "fd/0", "net"};
static const char *dirs[] = {".", "task", "fd", "fdinfo", "ns", "net", "attr"};
enum { FILES = sizeof files / sizeof *files, LINKS = sizeof links / sizeof *links, DIRS = sizeof dirs / sizeof *dirs };

static int dir, fds[FILES], dirfds[DIRS];

static void look(const char *when) {
    char b[4096];
    struct stat st;
    say("%s", when);
    for (int i = 0; i < FILES; i++) {
        // What the memory was is kept or not.
        if (fds[i] >= 0 && strcmp(files[i], "environ") && strcmp(files[i], "mountinfo") && strcmp(files[i], "smaps_rollup")) {
            errno = 0;
            show(files[i], pread(fds[i], b, 1, 0));
        }
        errno = 0;
        int f = openat(dir, files[i], O_RDONLY);
        say("open %s: %s", files[i], name_of(errno));
        close(f);
    }
    for (int i = 0; i < LINKS; i++) {
        errno = 0;
        show(links[i], readlinkat(dir, links[i], b, 1));
        errno = 0;
        show(links[i], fstatat(dir, links[i], &st, 0));
    }
    for (int i = 0; i < DIRS; i++) {
        lseek(dirfds[i], 0, SEEK_SET);
        errno = 0;
        long n = syscall(SYS_getdents64, dirfds[i], b, sizeof b);
        show(dirs[i], n > 0 ? 1 : n);
        errno = 0;
        show(dirs[i], pread(dirfds[i], b, 1, 0));
        E(lseek(dirfds[i], 0, SEEK_END) >= 0);
    }
    E(faccessat(dir, "stat", F_OK, 0));
    E(fstat(dir, &st));
}

int main(int c, char **v) {
    begin(v);
    int p[2];
    char b[4096], path[60];
    pipe(p);
    pid_t child = fork();
    if (child == 0) {
        close(p[1]);
        read(p[0], b, 1);
        _exit(0);
    }
    close(p[0]);
    sprintf(path, "/proc/%d", child);
    dir = open(path, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < FILES; i++)
        fds[i] = openat(dir, files[i], O_RDONLY);
    for (int i = 0; i < DIRS; i++)
        dirfds[i] = openat(dir, dirs[i], O_RDONLY);
    int mem = fds[8], memory = openat(dir, "mem", O_RDWR);
    E(pread(mem, b, 5, (off_t) "hello"));
    close(p[1]);
    siginfo_t info;
    waitid(P_PID, child, &info, WEXITED | WNOWAIT);
    look("ended");
    E(pread(mem, b, 5, (off_t) "hello"));
    E(pwrite(memory, b, 5, (off_t)b));
    waitpid(child, NULL, 0);
    look("gone");
    E(pread(mem, b, 5, (off_t) "hello"));

    // What cannot be changed.
    E(mkdir("/proc/self/x", 0777));
    E(creat("/proc/xyz", 0666));
    E(symlink("a", "/proc/b"));
    E(chmod("/proc/self/stat", 0666));
    E(chown("/proc/self/stat", 0, 0));
    E(mkdir("/sys/x", 0777));
    E(creat("/sys/xyz", 0666));
    E(unlink("/sys/kernel"));
    E(rmdir("/sys/kernel"));
    E(symlink("a", "/sys/kernel/a"));
    E(mknod("/sys/kernel/fifo", S_IFIFO | 0666, 0));
    E(rename("/sys/kernel", "/sys/a"));
    E(open("/sys/class/net/lo/address", O_WRONLY));
    struct stat st;
    E(lstat("/proc/mounts", &st));
    say("%ld", (long)st.st_size);
    E(lstat("/proc/net", &st));
    say("%ld", (long)st.st_size);
    E(stat("/proc/self/fdinfo", &st));
    say("%o", st.st_mode);
    E(stat("/proc/cgroups", &st));
    say("%o", st.st_mode);

    // Descriptors that are open, among those of others.
    long before = 0, after = 0;
    FILE *f = fopen("/proc/sys/fs/file-nr", "r");
    fscanf(f, "%ld", &before);
    fclose(f);
    for (int i = 0; i < 300; i++)
        open("/dev/null", O_RDONLY);
    f = fopen("/proc/sys/fs/file-nr", "r");
    fscanf(f, "%ld", &after);
    say("more files %d", after - before >= 100);
    return 0;
}
