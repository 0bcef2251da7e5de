// Namespaces of one's own: names, IPC, mounts, networks, and the way into those of others.
#include "check.h"
#include <linux/nsfs.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/un.h>

static const char *kinds[] = {"cgroup", "ipc", "mnt", "net", "user", "uts"};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void inodes(int pid, long *out) {
    for (int i = 0; i < KINDS; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, kinds[i]);
        struct stat st = {0};
        stat(path, &st);
        out[i] = st.st_ino;
    }
}

static void differ(const char *what, const long *a, const long *b) {
    char line[200] = "";
    for (int i = 0; i < KINDS; i++)
        if (a[i] != b[i])
            strcat(strcat(line, " "), kinds[i]);
    say("%s:%s", what, line);
}

static int in_child(void (*run)(char *), char *at) {
    int pid = fork();
    if (pid == 0) {
        run(at);
        _exit(0);
    }
    int s = 0;
    waitpid(pid, &s, 0);
    status("child", s);
    return s;
}

static const char *host(void) {
    static struct utsname u;
    uname(&u);
    return u.nodename;
}

static void names(char *at) {
    char old[65], file[65] = "";
    strcpy(old, host());
    int before = open("/proc/self/ns/uts", O_RDONLY);
    E(unshare(CLONE_NEWUTS));
    say("same name %d", !strcmp(old, host()));
    E(sethostname("inner", 5));
    say("%s", host());
    int f = open("/proc/sys/kernel/hostname", O_RDONLY);
    read(f, file, sizeof file - 1);
    say("file %s", file);
    int owner = ioctl(before, NS_GET_USERNS);
    E(owner < 0);
    E(ioctl(before, NS_GET_PARENT));
    E(setns(before, CLONE_NEWIPC));
    E(setns(before, CLONE_NEWUTS));
    say("back %d", !strcmp(old, host()));
}

static int value(int set) { return semctl(set, 0, GETVAL); }

static void ipc(char *at) {
    const int key = 0x7e55e7a;
    int queue = msgget(key, IPC_CREAT | 0600), set = semget(IPC_PRIVATE, 1, 0600);
    E(value(set));
    struct sembuf up = {0, 3, SEM_UNDO};
    E(semop(set, &up, 1));
    E(value(set));
    mqd_t mq = mq_open("/tessera-namespaces", O_CREAT | O_RDWR, 0600, NULL);
    int before = open("/proc/self/ns/ipc", O_RDONLY);
    int pid = fork();
    if (pid == 0) {
        semop(set, &up, 1);
        E(unshare(CLONE_NEWIPC));
        E(msgget(key, 0));
        E(msgget(key, IPC_CREAT | IPC_EXCL | 0600) >= 0);
        E(value(set));
        E(mq_open("/tessera-namespaces", O_RDONLY));
        struct mq_attr a;
        E(mq_getattr(mq, &a));
        E(setns(before, 0));
        E(value(set));
        E(msgget(key, 0) == queue);
        E(mq_open("/tessera-namespaces", O_RDONLY) >= 0);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    E(msgctl(queue, IPC_RMID, NULL));
    E(semctl(set, 0, IPC_RMID));
    E(mq_unlink("/tessera-namespaces"));
}

static int shown(const char *pid, const char *place) {
    char path[64], line[4096];
    snprintf(path, sizeof path, "/proc/%s/mountinfo", pid);
    FILE *f = fopen(path, "r");
    int n = 0;
    while (f && fgets(line, sizeof line, f))
        n += !!strstr(line, place);
    if (f)
        fclose(f);
    return n;
}

static int entered(void *arg) {
    E(setns((long)arg, CLONE_NEWNS));
    return 0;
}

static void mounts(char *at) {
    char shared[PATH_MAX], below[PATH_MAX], below2[PATH_MAX], file[PATH_MAX], cwd[PATH_MAX];
    snprintf(shared, sizeof shared, "%s/shared", at);
    snprintf(below, sizeof below, "%s/shared/one", at);
    snprintf(below2, sizeof below2, "%s/shared/two", at);
    snprintf(file, sizeof file, "%s/file", at);
    E(unshare(CLONE_NEWNS));
    E(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    E(mkdir(shared, 0755));
    E(mount("t", shared, "tmpfs", 0, NULL));
    E(mkdir(below, 0755) + mkdir(below2, 0755));
    E(mount("none", shared, NULL, MS_SHARED, NULL));
    int first = open("/proc/self/ns/mnt", O_RDONLY);
    int to[2], from[2];
    pipe(to), pipe(from);
    int pid = fork();
    if (pid == 0) {
        char c;
        E(chdir(below));
        E(unshare(CLONE_NEWNS));
        say("in %s", getcwd(cwd, sizeof cwd) + strlen(at));
        E(mount("a", below, "tmpfs", 0, NULL));
        say("own %d", shown("self", below));
        E(mount("none", shared, NULL, MS_SLAVE, NULL));
        write(from[1], "1", 1), read(to[0], &c, 1);
        say("from the other %d", shown("self", below2));
        E(umount(below));
        E(mount("b", below, "tmpfs", 0, NULL));
        E(umount(below));
        write(from[1], "2", 1), read(to[0], &c, 1);
        // Nobody changes a tree that they are not in.
        char there[64];
        E(setns(first, CLONE_NEWNS));
        say("root %s", getcwd(cwd, sizeof cwd));
        int dir = open(shared, O_PATH);
        E(unshare(CLONE_NEWNS));
        snprintf(there, sizeof there, "/proc/self/fd/%d", dir);
        E(mount("x", there, "tmpfs", 0, NULL));
        E(mount(there, below, NULL, MS_BIND, NULL));
        E(umount(there));
        E(mount("none", there, NULL, MS_PRIVATE, NULL));
        close(open(file, O_CREAT | O_RDWR, 0600));
        E(mount("/proc/self/ns/mnt", file, NULL, MS_BIND, NULL));
        E(mount("/proc/self/ns/uts", file, NULL, MS_BIND, NULL));
        int uts = open(file, O_RDONLY);
        E(ioctl(uts, NS_GET_NSTYPE));
        E(setns(uts, 0));
        E(umount2(file, MNT_DETACH));
        _exit(0);
    }
    char c, number[16];
    snprintf(number, sizeof number, "%d", pid);
    read(from[0], &c, 1);
    say("came here %d", shown("self", below));
    E(mount("c", below2, "tmpfs", 0, NULL));
    write(to[1], "1", 1), read(from[0], &c, 1);
    say("still here %d", shown("self", below));
    snprintf(cwd, sizeof cwd, "/proc/%d/ns/mnt", pid);
    int inner = open(cwd, O_RDONLY);
    // Not while a sibling has the same directories.
    char stack[65536];
    int sibling = clone(entered, stack + sizeof stack, CLONE_FS | SIGCHLD, (void *)(long)inner);
    waitpid(sibling, NULL, 0);
    write(to[1], "2", 1);
    waitpid(pid, NULL, 0);
    E(setns(inner, 0));
    say("inside %d %d", shown("self", below), shown("self", below2));
}

// What others mount over a name keeps nobody else from it, and goes with the name.
static void covered_elsewhere(char *at) {
    char top[PATH_MAX];
    snprintf(top, sizeof top, "%s/covered", at);
    E(unshare(CLONE_NEWNS));
    E(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    E(mkdir(top, 0755));
    E(mount("t", top, "tmpfs", 0, NULL));
    E(chdir(top));
    E(mkdir("a", 0755) + mkdir("b", 0755) + mkdir("c", 0755) + mkdir("own", 0755));
    close(open("f", O_CREAT | O_RDWR, 0600));
    E(mount("t", "own", "tmpfs", 0, NULL));
    int to[2], from[2];
    pipe(to), pipe(from);
    int pid = fork();
    if (pid == 0) {
        char c;
        E(unshare(CLONE_NEWNS));
        E(mount("x", "a", "tmpfs", 0, NULL));
        E(mount("x", "b", "tmpfs", 0, NULL));
        E(mount("/proc/self/status", "f", NULL, MS_BIND, NULL));
        E(mount("x", "c", "tmpfs", 0, NULL));
        write(from[1], "", 1), read(to[0], &c, 1);
        say("left here %d", shown("self", "/covered/"));
        write(from[1], "", 1), pause();
    }
    char c, own[64];
    read(from[0], &c, 1);
    E(rmdir("a"));
    E(unlink("f"));
    E(rename("c", "b"));
    E(rmdir("own"));
    E(rename("own", "other"));
    write(to[1], "", 1), read(from[0], &c, 1);
    // A copy of the file of a namespace, to be put into that namespace.
    snprintf(own, sizeof own, "/proc/%d/ns/mnt", pid);
    int tree = syscall(428, AT_FDCWD, own, 1), inner = open(own, O_RDONLY);
    close(open("f", O_CREAT | O_RDWR, 0600));
    E(setns(inner, CLONE_NEWNS));
    E(chdir(top));
    E(syscall(429, tree, "", AT_FDCWD, "f", 4));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int bound(int kind, const char *name) {
    int s = socket(AF_UNIX, kind, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path + 1, name);
    E(bind(s, (void *)&a, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
    return s;
}

static void interface(void) {
    struct ifreq r = {.ifr_name = "lo"};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    E(ioctl(s, SIOCGIFFLAGS, &r));
    say("flags %x", r.ifr_flags & 0xffff);
    E(ioctl(s, SIOCGIFADDR, &r));
    struct sockaddr_in a = {AF_INET, htons(9), {htonl(INADDR_LOOPBACK)}};
    E(connect(s, (void *)&a, sizeof a));
    struct sockaddr_in6 b = {.sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = in6addr_loopback};
    int s6 = socket(AF_INET6, SOCK_DGRAM, 0);
    E(connect(s6, (void *)&b, sizeof b));
    close(s), close(s6);
}

static void network(char *at) {
    int old = bound(SOCK_STREAM, "tessera-namespaces");
    listen(old, 1);
    int before = open("/proc/self/ns/net", O_RDONLY);
    E(unshare(CLONE_NEWNET));
    interface();
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    E(ioctl(old, SIOCGIFINDEX, &r));
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    r = (struct ifreq){.ifr_name = "lo", .ifr_flags = IFF_UP};
    E(ioctl(s, SIOCSIFFLAGS, &r));
    interface();
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path + 1, "tessera-namespaces");
    socklen_t len = offsetof(struct sockaddr_un, sun_path) + 1 + strlen("tessera-namespaces");
    int u = socket(AF_UNIX, SOCK_STREAM, 0);
    E(connect(u, (void *)&a, len));
    close(bound(SOCK_STREAM, "tessera-namespaces"));
    E(setns(before, CLONE_NEWNET));
    // It is where it was made.
    E(connect(u, (void *)&a, len));
    close(u);
    u = socket(AF_UNIX, SOCK_STREAM, 0);
    E(connect(u, (void *)&a, len));
}

static int nothing(void *at) {
    long own[KINDS], parent[KINDS];
    inodes(getpid(), own);
    inodes(getppid(), parent);
    differ("new", own, parent);
    write(*(int *)at, "", 1);
    pause();
    return 0;
}

int main(int c, char **v) {
    begin(v);
    if (geteuid() == 0 && !may_unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP))
        return UNKNOWN;
    E(unshare(0));
    E(unshare(0x1));
    E(unshare(CLONE_NEWUTS | 0x40));
    static char stack[65536];
    E(clone(nothing, stack + sizeof stack, CLONE_NEWNS | CLONE_FS | SIGCHLD, NULL));
    E(clone(nothing, stack + sizeof stack, CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, NULL));
    int all = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP;
    int told[2];
    pipe(told);
    int pid = clone(nothing, stack + sizeof stack, all | SIGCHLD, told + 1);
    char byte;
    if (pid > 0)
        read(told[0], &byte, 1);
    E(pid < 0 ? -1 : 0);
    in_child(names, v[1]);
    if (geteuid() == 0) {
        in_child(ipc, v[1]);
        in_child(mounts, v[1]);
        in_child(covered_elsewhere, v[1]);
    } else {
        E(unshare(CLONE_NEWIPC));
        E(unshare(CLONE_NEWNS));
        E(unshare(CLONE_NEWCGROUP));
    }
    in_child(network, v[1]);
    if (pid > 0) {
        long own[KINDS], mine[KINDS], theirs[KINDS];
        int fd = syscall(SYS_pidfd_open, pid, 0);
        inodes(getpid(), own);
        inodes(pid, theirs);
        E(setns(fd, CLONE_NEWUTS | CLONE_NEWUSER));
        inodes(getpid(), mine);
        differ("after a failure", own, mine);
        E(setns(fd, CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET));
        inodes(getpid(), mine);
        differ("not theirs", mine, theirs);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        E(setns(fd, CLONE_NEWUTS));
    }
    return 0;
}
