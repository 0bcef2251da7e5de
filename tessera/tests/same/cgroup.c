// Control groups, version 2, without controllers.
#include "check.h"
#include <linux/sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/vfs.h>
static char at[PATH_MAX], p[4][2 * PATH_MAX];
static int turn;
static const char *in(const char *name) {
    char *to = p[turn++ % 4];
    snprintf(to, sizeof p[0], "%s/%s", at, name);
    return to;
}
static int put(const char *name, const char *value) {
    int fd = open(in(name), O_WRONLY), e;
    if (fd < 0)
        return -1;
    int n = write(fd, value, strlen(value));
    e = errno, close(fd), errno = e;
    return n;
}
static int put_pid(const char *name, int pid) {
    char t[20];
    snprintf(t, sizeof t, "%d", pid);
    return put(name, t) > 0 ? 0 : -1;
}
static void get(const char *name) {
    char t[500] = "";
    int fd = open(in(name), O_RDONLY);
    int n = fd < 0 ? -1 : read(fd, t, sizeof t - 1);
    for (char *c = t; *c; c++)
        if (*c == '\n')
            *c = ';';
    say("%s: %s %s", name, n < 0 ? name_of(errno) : "", t);
    close(fd);
}
// How many lines there are, and whether one is the caller's number.
static void has(const char *name, int pid) {
    FILE *f = fopen(in(name), "r");
    int n = 0, own = 0;
    for (int i; f && fscanf(f, "%d", &i) == 1; n++)
        own += i == pid;
    if (f)
        fclose(f);
    say("%s: %d, of them %d", name, n, own);
}
static void where(const char *who) {
    char t[PATH_MAX], f[64];
    snprintf(f, sizeof f, "/proc/%s/cgroup", who);
    FILE *file = fopen(f, "r");
    while (file && fgets(t, sizeof t, file))
        if (!strncmp(t, "0::", 3)) {
            // The name of the test's own group differs.
            char *own = strstr(t, "same-");
            t[strcspn(t, "\n")] = 0;
            say("in %.*s%s", (int)(own ? own - t : strlen(t)), t, own ? own + strcspn(own, "/ ") : "");
        }
    if (file)
        fclose(file);
}
static void wait_all(void) {
    while (wait(NULL) > 0)
        ;
}
static int into(const char *name, uint64_t flags) {
    int fd = open(in(name), O_RDONLY | O_DIRECTORY);
    struct clone_args a = {.flags = CLONE_INTO_CGROUP | flags, .exit_signal = SIGCHLD, .cgroup = fd};
    int pid = syscall(SYS_clone3, &a, sizeof a), e = errno;
    if (pid == 0) {
        where("self");
        _exit(0);
    }
    close(fd);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    errno = e;
    return pid > 0 ? 0 : -1;
}
int main(int c, char **v) {
    begin(v);
    if (geteuid() == 0 && !may_unshare(CLONE_NEWNS | CLONE_NEWCGROUP))
        return UNKNOWN;
    char top[PATH_MAX] = "";
    snprintf(top, sizeof top, "%s/groups", v[1]);
    E(mkdir(top, 0755));
    if (geteuid()) {
        int uid = geteuid();
        E(mount("x", top, "cgroup2", 0, NULL));
        E(unshare(CLONE_NEWUSER | CLONE_NEWNS));
        char map[40];
        strcpy(at, "/proc/self");
        put("setgroups", "deny");
        snprintf(map, sizeof map, "0 %d 1", uid);
        put("uid_map", map), put("gid_map", map);
        // Those of somebody else.
        E(mount("x", top, "cgroup2", 0, NULL));
        E(unshare(CLONE_NEWCGROUP));
        E(mount("x", top, "cgroup2", 0, NULL));
        struct statfs f;
        E(statfs(top, &f));
        say("%lx", (long)f.f_type);
        strcpy(at, top);
        E(mkdir(in("same-x"), 0700));
        E(put("cgroup.procs", "0"));
        get("cgroup.type");
        where("self");
        E(umount(top));
        return 0;
    }
    E(unshare(CLONE_NEWNS));
    E(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    E(mount("x", top, "cgroup2", 0, "some"));
    E(mount("x", top, "cgroup2", 0, "nsdelegate=1"));
    E(mount("x", top, "cgroup2", 0, NULL));
    struct statfs f;
    E(statfs(top, &f));
    say("%lx %ld %ld %ld", (long)f.f_type, (long)f.f_bsize, (long)f.f_namelen, (long)f.f_blocks);
    strcpy(at, top);
    get("cgroup.type");
    get("cgroup.subtree_control");
    struct stat s;
    E(stat(top, &s));
    say("%o %d %ld", s.st_mode, (int)s.st_ino, (long)s.st_size);
    snprintf(at, sizeof at, "%s/same-%d", top, getpid());
    E(mkdir(at, 0750));
    E(mkdir(at, 0750));
    E(stat(at, &s));
    say("%o %d %ld %ld", s.st_mode, (int)s.st_nlink, (long)s.st_size, (long)s.st_blksize);
    static const char *names[] = {"cgroup.procs", "cgroup.threads", "cgroup.type", "cgroup.controllers", "cgroup.subtree_control",
                                  "cgroup.events", "cgroup.stat", "cgroup.max.descendants", "cgroup.max.depth", "cgroup.kill", "cpu.stat"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        E(stat(in(names[i]), &s));
        say("%s %o %d %ld", names[i], s.st_mode, (int)s.st_nlink, (long)s.st_size);
        int r = open(in(names[i]), O_RDONLY);
        errno = 0;
        int n = r < 0 ? -1 : read(r, top + PATH_MAX - 200, 100);
        say("read %s %d", n < 0 ? name_of(errno) : "", n > 0);
        close(r);
        r = open(in(names[i]), O_WRONLY | O_TRUNC);
        say("write %s", r < 0 ? name_of(errno) : "");
        close(r);
    }
    get("cgroup.type");
    get("cgroup.events");
    get("cgroup.max.depth");
    get("cgroup.max.descendants");
    get("cgroup.subtree_control");
    // what is not
    E(open(in("x"), O_RDWR | O_CREAT, 0600));
    E(mknod(in("x"), S_IFREG | 0600, 0));
    E(mknod(in("x"), S_IFIFO | 0600, 0));
    E(symlink("y", in("x")));
    E(link(in("cgroup.procs"), in("x")));
    E(rename(in("cgroup.procs"), in("x")));
    E(unlink(in("cgroup.procs")));
    E(unlink(at));
    E(rmdir(in("cgroup.procs")));
    E(mkdir(in("cgroup.procs"), 0700));
    E(mkdir(in("a\nb"), 0700));
    E(put("cgroup.controllers", "x"));
    E(put("cgroup.subtree_control", "+nothing"));
    E(put("cgroup.subtree_control", "nothing"));
    E(put("cgroup.subtree_control", "\n"));
    E(put("cgroup.type", "domain"));
    E(put("cgroup.procs", "x"));
    E(put("cgroup.procs", "-1"));
    E(put("cgroup.procs", "99999999"));
    E(put("cgroup.kill", "2"));
    E(put("cgroup.kill", "x"));
    // limits
    E(put("cgroup.max.depth", "-1"));
    E(put("cgroup.max.depth", "x"));
    E(put("cgroup.max.depth", " 1 \n"));
    get("cgroup.max.depth");
    E(mkdir(in("a"), 0755));
    E(mkdir(in("a/b"), 0755));
    E(put("cgroup.max.depth", "max"));
    E(put("cgroup.max.descendants", "2"));
    E(mkdir(in("a/b"), 0755));
    E(mkdir(in("a/b/c"), 0755));
    E(put("cgroup.max.descendants", "max"));
    E(stat(at, &s));
    say("links %d", (int)s.st_nlink);
    E(rmdir(in("a")));
    // members
    where("self");
    int events = open(in("cgroup.events"), O_RDONLY);
    char t[100];
    read(events, t, sizeof t);
    struct pollfd poller = {events, POLLPRI};
    say("poll %d", poll(&poller, 1, 0));
    int watch = inotify_init1(IN_NONBLOCK);
    E(inotify_add_watch(watch, in("cgroup.events"), IN_MODIFY));
    E(put("a/b/cgroup.procs", "0"));
    where("self");
    say("poll %d %x", poll(&poller, 1, 1000), poller.revents);
    struct inotify_event event = {0};
    ms(20);
    E(read(watch, &event, sizeof event));
    say("%x", event.mask);
    get("cgroup.events");
    get("a/cgroup.events");
    has("a/b/cgroup.procs", getpid());
    has("a/b/cgroup.threads", getpid());
    has("a/cgroup.procs", getpid());
    E(rmdir(in("a/b")));
    E(put("a/b/cgroup.threads", "0"));
    E(put("a/cgroup.threads", "0"));
    int pid = fork();
    if (!pid) {
        pause();
        _exit(0);
    }
    snprintf(t, sizeof t, "%d", pid);
    where(t);
    has("a/b/cgroup.procs", pid);
    E(put_pid("a/cgroup.procs", pid));
    has("a/cgroup.procs", pid);
    E(put("cgroup.procs", "0"));
    get("a/b/cgroup.events");
    get("a/cgroup.events");
    E(put("a/cgroup.kill", "1"));
    int st;
    waitpid(pid, &st, WNOWAIT | WEXITED);
    siginfo_t info;
    waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
    say("killed %d %d", info.si_code, info.si_status);
    get("a/cgroup.events");
    // who has ended shows where it was, and is in nobody's way
    pid = fork();
    if (!pid) {
        put("a/b/cgroup.procs", "0");
        _exit(3);
    }
    waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
    snprintf(t, sizeof t, "%d", pid);
    where(t);
    has("a/b/cgroup.procs", pid);
    E(put_pid("cgroup.procs", pid));
    where(t);
    int gone = open(in("a/b/cgroup.procs"), O_RDWR), dir = open(in("a/b"), O_RDONLY);
    E(rmdir(in("a/b")));
    where(t);
    wait_all();
    E(read(gone, t, 1));
    E(write(gone, "0", 1));
    E(mkdirat(dir, "x", 0700));
    E(openat(dir, "cgroup.procs", O_RDONLY));
    close(gone), close(dir);
    // made inside
    // Not in one that was killed before: there Linux kills it, though it came later.
    E(mkdir(in("new"), 0755));
    E(into("new", 0));
    E(rmdir(in("new")));
    wait_all();
    E(into("..", 0));
    wait_all();
    struct clone_args none = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = 1};
    E(syscall(SYS_clone3, &none, sizeof none));
    none.cgroup = 999;
    E(syscall(SYS_clone3, &none, sizeof none));
    none.cgroup = -1;
    E(syscall(SYS_clone3, &none, sizeof none));
    none.cgroup = 0;
    E(syscall(SYS_clone3, &none, 80));
    // namespaces
    E(put("a/cgroup.procs", "0"));
    where("self");
    snprintf(t, sizeof t, "%d", getppid());
    pid = fork();
    if (!pid) {
        E(unshare(CLONE_NEWCGROUP));
        where("self");
        where(t);
        E(put("cgroup.procs", "0"));
        where("self");
        E(mkdir(in("a/c"), 0700));
        E(put("a/c/cgroup.procs", "0"));
        where("self");
        mkdir(in("../same-other"), 0700);
        char inner[PATH_MAX];
        snprintf(inner, sizeof inner, "%s/inner", v[1]);
        E(mkdir(inner, 0700));
        E(mount("x", inner, "cgroup2", 0, NULL));
        strcpy(at, inner);
        get("cgroup.type");
        has("cgroup.procs", getppid());
        has("c/cgroup.procs", getpid());
        E(umount(inner));
        E(rmdir(inner));
        _exit(0);
    }
    wait_all();
    rmdir(in("../same-other"));
    E(rmdir(in("a/c")));
    // owners
    E(mkdir(in("d"), 0755));
    E(chown(in("d"), 1000, 1000));
    E(chown(in("d/cgroup.procs"), 1000, 1000));
    E(stat(in("d/cgroup.procs"), &s));
    say("%d %d", s.st_uid, s.st_gid);
    E(chmod(in("d/cgroup.procs"), 0600));
    chmod(v[1], 0755);
    pid = fork();
    if (!pid) {
        chmod(at, 0755);
        setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
        E(mkdir(in("e"), 0755));
        E(mkdir(in("d/e"), 0755));
        E(mkdir(in("d/f"), 0755));
        E(stat(in("d/e/cgroup.procs"), &s));
        say("%d %d %o", s.st_uid, s.st_gid, s.st_mode);
        E(put("d/e/cgroup.procs", "0"));
        E(put("d/cgroup.procs", "0"));
        E(into("d/e", 0));
        wait_all();
        _exit(0);
    }
    wait_all();
    pid = fork();
    if (!pid) {
        put("d/e/cgroup.procs", "0");
        setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
        E(put("d/f/cgroup.procs", "0"));
        where("self");
        E(put("cgroup.procs", "0"));
        E(into("d/e", 0));
        wait_all();
        _exit(0);
    }
    wait_all();
    E(rmdir(in("d/e")));
    E(rmdir(in("d/f")));
    E(rmdir(in("d")));
    E(put("../cgroup.procs", "0"));
    where("self");
    get("cgroup.events");
    E(rmdir(in("a")));
    close(events), close(watch);
    E(rmdir(at));
    chdir("/");
    E(umount(top));
    return 0;
}
