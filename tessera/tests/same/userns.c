// User namespaces: maps of IDs, what they translate, and what capabilities in one are worth.
#include "userns.h"
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/ptrace.h>

static void file(const char *path) {
    char text[4096] = "";
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        say("%s: %s", path, name_of(errno));
        return;
    }
    int n = read(fd, text, sizeof text - 1);
    close(fd);
    say("%s: %d %s", strrchr(path, '/') + 1, n, n > 0 ? text : name_of(errno));
}

// The lines of /proc/self/status about credentials.
static void status_lines(void) {
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "Uid", 3) || !strncmp(line, "Gid", 3) || !strncmp(line, "Groups", 6) || !strncmp(line, "Cap", 3))
            say("%s", line);
    }
    if (f) fclose(f);
}

static void ids(const char *when) {
    uid_t u[3];
    gid_t g[3], groups[8];
    getresuid(u, u + 1, u + 2);
    getresgid(g, g + 1, g + 2);
    int n = getgroups(8, groups);
    say("%s: uid %u %u, all %u %u %u, gid %u %u, all %u %u %u, groups %d %u", when, getuid(), geteuid(), u[0], u[1], u[2],
        getgid(), getegid(), g[0], g[1], g[2], n, n > 0 ? groups[0] : 0);
    say("fs %d %d", setfsuid(-1), setfsgid(-1));
}

static void map_self(int in_uid, int in_gid) {
    char text[64];
    E(put("/proc/self/setgroups", "deny"));
    snprintf(text, sizeof text, "%d %d 1", in_uid, uid);
    E(put("/proc/self/uid_map", text) > 0);
    snprintf(text, sizeof text, "%d %d 1\n", in_gid, gid);
    E(put("/proc/self/gid_map", text) > 0);
}

static void without_a_map(void) {
    E(unshare(CLONE_NEWUSER));
    ids("unmapped");
    status_lines();
    file("/proc/self/uid_map");
    file("/proc/self/gid_map");
    file("/proc/self/projid_map");
    file("/proc/self/setgroups");
    E(prctl(PR_GET_SECUREBITS));
    E(prctl(PR_GET_DUMPABLE));
    E(setuid(0));
    E(setuid(uid));
    E(setgid(0));
    E(setreuid(-1, 0));
    E(setresuid(-1, -1, -1));
    E(setresgid(0, 0, 0));
    E(setgroups(0, NULL));
    struct stat st;
    E(stat("/proc", &st));
    say("proc of %u %u", st.st_uid, st.st_gid);
    E(stat("/proc/self", &st));
    say("self of %u %u", st.st_uid, st.st_gid);
    int fd = open("new", O_CREAT | O_RDWR, 0600);
    E(fstat(fd, &st));
    say("new of %u %u", st.st_uid, st.st_gid);
    E(fchown(fd, 0, -1));
    E(fchown(fd, -1, -1));
    E(fchown(fd, uid, gid));
    E(unlink("new"));
    E(unshare(CLONE_NEWUSER));
    E(unshare(CLONE_NEWUTS));
    E(sethostname("inside", 6));
    E(getpriority(PRIO_USER, 0x7777));
}

static void texts(void) {
    E(unshare(CLONE_NEWUSER));
    static const char *bad[] = {"", "\n", "0", "0 0", "0 0 0", "x 0 1", "0 0 1 1", "0 0 1x", "4294967295 0 1", "0 0 4294967295", "0 1 1",
                                "0 0 1\n\n", "0 0 1\n0 1 1", "0 0 2\n1 5 1", "4294967294 0 2"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        say("text %u", i);
        E(put("/proc/self/uid_map", bad[i]));
    }
    char *many = malloc(8192), *at = many;
    for (int i = 0; i < 341; i++)
        at += sprintf(at, "%d %d 1\n", i, i);
    E(put("/proc/self/uid_map", many));
    memset(many, ' ', 8191);
    many[8191] = 0;
    E(put("/proc/self/uid_map", many));
    many[4095] = 0;
    E(put("/proc/self/uid_map", many));
    int fd = open("/proc/self/uid_map", O_RDWR);
    char text[64];
    int n = sprintf(text, "0 %d 1", uid);
    E(put("/proc/self/gid_map", "0 0 1"));
    E(put("/proc/self/setgroups", "nonsense"));
    E(put("/proc/self/setgroups", "denyx"));
    E(put("/proc/self/setgroups", "deny    "));
    E(put("/proc/self/setgroups", "deny  \n"));
    E(put("/proc/self/setgroups", "deny"));
    E(put("/proc/self/setgroups", "allow"));
    file("/proc/self/setgroups");
    E(write(fd, text, n) == n);
    E(write(fd, text, n));
    E(put("/proc/self/uid_map", text));
    file("/proc/self/uid_map");
    E(put("/proc/self/projid_map", "5 7 9\n"));
    file("/proc/self/projid_map");
    struct stat st;
    E(stat("/proc/self/uid_map", &st));
    say("mode %o of %u %u", st.st_mode, st.st_uid, st.st_gid);
    E(stat("/proc/self/setgroups", &st));
    say("mode %o of %u %u", st.st_mode, st.st_uid, st.st_gid);
}

static void root_inside(void) {
    E(unshare(CLONE_NEWUSER));
    map_self(0, 0);
    ids("root");
    status_lines();
    file("/proc/self/uid_map");
    file("/proc/self/gid_map");
    E(put("/proc/self/setgroups", "allow"));
    E(setgroups(0, NULL));
    E(setuid(5));
    E(setresuid(-1, 1, -1));
    E(setregid(0, 0));
    E(setfsuid(7));
    E(setuid(0));
    struct stat st;
    E(close(open("mine", O_CREAT | O_RDWR, 0644)));
    E(stat("mine", &st));
    say("mine of %u %u", st.st_uid, st.st_gid);
    E(chown("mine", 0, 0));
    E(chown("mine", 1, -1));
    E(chown("mine", -1, 1));
    E(chmod("mine", 06755));
    E(stat("mine", &st));
    say("mode %o", st.st_mode);
    E(chown("theirs", 0, 0));
    E(chmod("theirs", 0755));
    E(open("theirs", O_RDONLY) < 0);
    E(access("theirs", R_OK));
    E(unlink("theirs"));
    E(open("/etc/shadow", O_RDONLY) < 0);
    E(chroot("/"));
    E(sethostname("inside", 6));
    E(mknod("node", S_IFCHR | 0600, makedev(1, 3)));
    E(mknod("pipe", S_IFIFO | 0600, 0));
    E(mount("none", "/", "tmpfs", 0, NULL));
    E(mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL));
    E(umount("/proc"));
    E(setpriority(PRIO_PROCESS, 0, -5));
    struct rlimit r = {1 << 20, 1 << 20};
    E(getrlimit(RLIMIT_CORE, &r));
    E(setxattr("mine", "trusted.x", "1", 1, 0));
    E(setxattr("mine", "security.x", "1", 1, 0));
    E(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, 0));
    E(syscall(SYS_adjtimex, BAD) < 0);
    struct timespec t = {1, 0};
    E(clock_settime(CLOCK_REALTIME, &t));
    E(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME));
    E(prctl(PR_SET_SECUREBITS, 1 << 4));
    struct __attribute__((packed)) {
        unsigned version;
        struct { unsigned short tag, bits; unsigned id; } e[5];
    } acl = {2, {{1, 7, -1}, {2, 7, 0}, {4, 5, -1}, {16, 7, -1}, {32, 5, -1}}};
    E(setxattr("mine", "system.posix_acl_access", &acl, sizeof acl, 0));
    memset(&acl, 0, sizeof acl);
    E(getxattr("mine", "system.posix_acl_access", &acl, sizeof acl));
    say("of %u", acl.e[1].id);
    acl.e[1].id = 3;
    E(setxattr("mine", "system.posix_acl_access", &acl, sizeof acl, 0));
    E(unlink("mine"));
    E(unlink("pipe"));
}

static void mounts(void) {
    E(unshare(CLONE_NEWUSER | CLONE_NEWNS));
    map_self(0, 0);
    E(mkdir("here", 0755));
    E(mount("none", "here", "tmpfs", 0, "uid=5"));
    E(mount("none", "here", "tmpfs", 0, NULL));
    struct stat st;
    E(stat("here", &st));
    say("here of %u %u", st.st_uid, st.st_gid);
    E(close(open("here/file", O_CREAT | O_RDWR, 04755)));
    E(mount(NULL, "here", NULL, MS_REMOUNT | MS_RDONLY, "mode=700"));
    E(open("here/other", O_CREAT | O_RDWR, 0600));
    E(mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL));
    E(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL));
    E(mount("none", "/proc/sys", "tmpfs", 0, NULL));
    E(access("/proc/sys/kernel", F_OK));
    E(mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
    E(mkdir("/proc/sys/x", 0755));
    E(umount("/proc/sys"));
    E(access("/proc/sys/kernel", F_OK));
    E(mount("/", "here", NULL, MS_BIND, NULL));
    E(mount("/", "here", NULL, MS_BIND | MS_REC, NULL));
    E(umount2("here", MNT_DETACH));
    E(umount2("here", MNT_FORCE));
    E(umount("here"));
    E(umount("here"));
    E(umount2("/proc", MNT_DETACH));
    E(umount2("/", MNT_DETACH));
    E(mount("none", "here", "proc", 0, NULL));
    E(mount("none", "here", "sysfs", 0, NULL));
    E(mount("none", "here", "ramfs", 0, NULL));
    E(umount("here"));
    E(mount("none", "here", "ext4", 0, NULL) < 0);
    E(rmdir("here"));
}

static void exec_inside(int in) {
    E(unshare(CLONE_NEWUSER));
    map_self(in, in);
    execl("/proc/self/exe", "ids", NULL);
}

// A child in a namespace of its own, which waits for a byte between two and then ends.
static int answers;
static pid_t child_ns(int *say_to, int flags) {
    int up[2], down[2];
    pipe(up);
    pipe(down);
    pid_t pid = fork();
    if (pid == 0) {
        char c = unshare(CLONE_NEWUSER | flags) ? 'n' : 'y';
        write(up[1], &c, 1);
        close(down[1]);
        read(down[0], &c, 1);
        ids("the child");
        write(up[1], &c, 1);
        read(down[0], &c, 1);
        _exit(0);
    }
    char c;
    read(up[0], &c, 1);
    answers = up[0];
    close(up[1]);
    close(down[0]);
    *say_to = down[1];
    return pid;
}

static void of_child(void) {
    int to, status_ = 0;
    pid_t pid = child_ns(&to, CLONE_NEWUTS);
    char path[64], text[128];
    snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
    // A user may map only itself, and with the other kind of ID not before setgroups(2) is denied.
    snprintf(text, sizeof text, "0 %d 1\n1 %d 1", uid, uid + 1);
    E(put(path, text) > 0);
    snprintf(text, sizeof text, "7 %d 1", uid);
    E(put(path, text) > 0);
    file(path);
    snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
    snprintf(text, sizeof text, "0 %d 1\n10 20 30\n100 200 1\n1000 2000 1\n5 6 1\n2000 3000 5\n", gid);
    E(put(path, text) > 0);
    snprintf(path, sizeof path, "/proc/%d/setgroups", pid);
    E(put(path, "deny") > 0);
    file(path);
    snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
    snprintf(text, sizeof text, "8 %d 1", gid);
    E(put(path, text) > 0);
    file(path);
    write(to, "x", 1);
    read(answers, text, 1);
    snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    int fd = open(path, O_RDONLY), owner;
    snprintf(path, sizeof path, "/proc/%d/ns/uts", pid);
    int uts = open(path, O_RDONLY);
    E(ioctl(fd, NS_GET_NSTYPE));
    unsigned who = 77;
    E(ioctl(fd, NS_GET_OWNER_UID, &who));
    say("made by %u", who);
    E((owner = ioctl(fd, NS_GET_PARENT)) < 0);
    E(ioctl(owner, NS_GET_PARENT));
    E((owner = ioctl(uts, NS_GET_USERNS)) < 0);
    struct stat a, b;
    E(fstat(owner, &a) | fstat(fd, &b));
    say("owned %d", a.st_ino == b.st_ino);
    CHILD("enters uts first", E(setns(uts, 0)); E(sethostname("x", 1)));
    CHILD("enters user", E(setns(fd, CLONE_NEWUSER)); ids("entered"); status_lines(); E(setns(fd, 0));
          E(setns(uts, CLONE_NEWUTS)); E(sethostname("x", 1)); E(prctl(PR_GET_DUMPABLE)));
    int self = syscall(SYS_pidfd_open, pid, 0);
    CHILD("by pidfd", E(setns(self, CLONE_NEWUSER | CLONE_NEWUTS)); E(getuid()); E(sethostname("y", 1)));
    E(kill(pid, 0));
    E(getpriority(PRIO_PROCESS, pid));
    E(syscall(SYS_process_vm_readv, pid, NULL, 0, NULL, 0, 0));
    E(ptrace(PTRACE_ATTACH, pid, 0, 0));
    E(waitpid(pid, &status_, 0) == pid);
    status("attached", status_);
    E(ptrace(PTRACE_DETACH, pid, 0, 0));
    write(to, "x", 1);
    close(to);
    E(waitpid(pid, &status_, 0) == pid);
    status("the child", status_);
    // Nobody but the descriptors keeps it.
    CHILD("after its end", E(setns(fd, 0)); E(getuid()); file("/proc/self/uid_map"));
}

static void *nothing(void *a) { return pause(), a; }

static void refused(void) {
    E(unshare(CLONE_NEWUSER | CLONE_THREAD));
    CHILD("thread", pthread_t t; pthread_create(&t, 0, nothing, 0); E(unshare(CLONE_NEWUSER));
          int own = open("/proc/self/ns/user", O_RDONLY); E(setns(own, 0)));
    CHILD("clone", E(syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0));
          E(syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0)));
    int own = open("/proc/self/ns/user", O_RDONLY);
    E(setns(own, 0));
    CHILD("jail", E(unshare(CLONE_NEWUSER)); map_self(0, 0); mkdir("jail", 0755); E(chroot("jail")); E(unshare(CLONE_NEWUSER)));
    rmdir("jail");
    CHILD("nobody", E(unshare(CLONE_NEWUSER)); E(unshare(CLONE_NEWUSER)); E(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)));
}

static void nested(void) {
    int n = 0;
    char text[32];
    int in = 0;
    for (; n < 50 && unshare(CLONE_NEWUSER) == 0; n++) {
        snprintf(text, sizeof text, "0 %d 1", n ? 0 : uid);
        if (put("/proc/self/uid_map", text) < 0) say("level %d: %s", n, name_of(errno));
        put("/proc/self/setgroups", "deny");
        snprintf(text, sizeof text, "0 %d 1", n ? 0 : gid);
        if (put("/proc/self/gid_map", text) < 0) say("level %d: %s", n, name_of(errno));
    }
    say("%d levels, then %s", n, name_of(errno));
    E(getuid());
}

static void cloned(void) {
    pid_t pid = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        map_self(3, 4);
        ids("cloned");
        E(sethostname("cloned", 6));
        // Its capabilities are gone with the next program.
        execl("/proc/self/exe", "ids", NULL);
    }
    int s;
    E(waitpid(pid, &s, 0) == pid);
    status("cloned", s);
}

static siginfo_t last;
static void remember(int n, siginfo_t *i, void *c) { last = *i; }

static void signals(void) {
    struct sigaction a = {.sa_sigaction = remember, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &a, NULL);
    sigaction(SIGCHLD, &a, NULL);
    pid_t me = getpid(), pid = fork();
    int s;
    if (pid == 0) {
        unshare(CLONE_NEWUSER);
        char text[64];
        snprintf(text, sizeof text, "77 %d 1", uid);
        put("/proc/self/uid_map", text);
        say("as %d", getuid());
        E(kill(me, SIGUSR1));
        kill(getpid(), SIGUSR1);
        say("from itself %d", last.si_uid);
        union sigval v = {0};
        siginfo_t i = {.si_signo = SIGUSR1, .si_code = SI_QUEUE, .si_pid = 1, .si_uid = 77};
        E(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &i));
        say("queued %d", last.si_uid);
        pid_t end = fork();
        if (end == 0) _exit(0);
        siginfo_t w = {0};
        E(waitid(P_PID, end, &w, WEXITED | WNOWAIT));
        say("waited %d, signal %d", w.si_uid, last.si_uid);
        waitpid(end, &s, 0);
        _exit(0);
    }
    siginfo_t w = {0};
    E(waitid(P_PID, pid, &w, WEXITED | WNOWAIT));
    say("waited %d, signal %d", w.si_uid == uid, last.si_uid == uid);
    waitpid(pid, &s, 0);
    status("the sender", s);
}

static void sockets(void) {
    int pair[2], on = 1;
    E(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    E(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    E(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    for (int round = 0; round < 2; round++) {
        CHILD("a sender", {
            unshare(CLONE_NEWUSER);
            char text[64];
            snprintf(text, sizeof text, "77 %d 1", uid);
            put("/proc/self/uid_map", text);
            put("/proc/self/setgroups", "deny");
            snprintf(text, sizeof text, "78 %d 1", gid);
            put("/proc/self/gid_map", text);
            char control[CMSG_SPACE(sizeof(struct ucred))] = {0}, byte = 0;
            struct iovec v = {&byte, 1};
            struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
            if (round) {
                E(recvmsg(pair[1], &m, MSG_DONTWAIT));
                struct ucred *u = (void *)CMSG_DATA((struct cmsghdr *)control);
                say("came from %d %d", u->uid, u->gid);
                socklen_t len = sizeof *u;
                E(getsockopt(pair[1], SOL_SOCKET, SO_PEERCRED, u, &len));
                say("peer %d %d", u->uid, u->gid);
                break;
            }
            struct cmsghdr *h = (void *)control;
            *h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(struct ucred)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS};
            struct ucred u = {getpid(), 77, 78};
            memcpy(CMSG_DATA(h), &u, sizeof u);
            E(sendmsg(pair[1], &m, 0));
            u.uid = 5;
            memcpy(CMSG_DATA(h), &u, sizeof u);
            E(sendmsg(pair[1], &m, 0));
        });
        char control[CMSG_SPACE(sizeof(struct ucred))] = {0}, byte = 0;
        struct iovec v = {&byte, 1};
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        if (!round) {
            E(recvmsg(pair[0], &m, MSG_DONTWAIT));
            struct ucred *u = (void *)CMSG_DATA((struct cmsghdr *)control);
            say("came from %d %d", u->uid == uid, u->gid == gid);
            E(send(pair[0], "x", 1, 0));
        }
    }
}

static void ipc(void) {
    int id = shmget(IPC_PRIVATE, 4096, 0600);
    CHILD("ipc", {
        E(unshare(CLONE_NEWUSER));
        struct shmid_ds ds;
        E(shmctl(id, IPC_STAT, &ds));
        say("of %u %u, made by %u %u", ds.shm_perm.uid, ds.shm_perm.gid, ds.shm_perm.cuid, ds.shm_perm.cgid);
        E(shmctl(id, IPC_SET, &ds));
        map_self(9, 8);
        E(shmctl(id, IPC_STAT, &ds));
        say("of %u %u, made by %u %u", ds.shm_perm.uid, ds.shm_perm.gid, ds.shm_perm.cuid, ds.shm_perm.cgid);
        E(shmctl(id, IPC_SET, &ds));
        ds.shm_perm.uid = 5;
        E(shmctl(id, IPC_SET, &ds));
        E(unshare(CLONE_NEWIPC));
        E(shmctl(id, IPC_STAT, &ds));
        E(shmget(77, 4096, IPC_CREAT | 0));
        E(shmat(0, NULL, 0) == (void *)-1);
    });
    E(shmctl(id, IPC_RMID, NULL));
}

// What root of a namespace may do to those outside of it, who are not its own.
static void outsiders(void) {
    if (uid) return;
    pid_t other = fork();
    if (other == 0) {
        setgroups(0, NULL);
        if (setgid(1000) || setuid(1000)) _exit(1);
        pause();
        _exit(0);
    }
    ms(100);
    CHILD("root of a namespace", {
        E(unshare(CLONE_NEWUSER));
        map_self(0, 0);
        E(kill(other, 0));
        E(setpriority(PRIO_PROCESS, other, 3));
        struct rlimit r;
        E(prlimit(other, RLIMIT_CORE, NULL, &r));
        E(ptrace(PTRACE_ATTACH, other, 0, 0));
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/environ", other);
        E(open(path, O_RDONLY));
        snprintf(path, sizeof path, "/proc/%d/uid_map", other);
        E(put(path, "0 0 1"));
        struct stat st;
        E(stat(path, &st));
        say("of %u", st.st_uid);
        E(sched_setaffinity(other, 0, NULL) < 0);
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(0, &one);
        E(sched_setaffinity(other, sizeof one, &one));
    });
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    // A map of many.
    int to, s;
    pid_t pid = child_ns(&to, 0);
    char path[64], text[2];
    snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
    E(put(path, "0 1000 1\n1 0 1\n10 2000 100\n500 3000 1\n300 4000 1\n200 5000 1\n") > 0);
    file(path);
    snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
    E(put(path, "1 0 1\n0 1000 1\n") > 0);
    file(path);
    write(to, "x", 1);
    read(answers, text, 1);
    snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    int fd = open(path, O_RDONLY);
    CHILD("many", {
        E(setns(fd, 0));
        gid_t groups[2] = {0, 1};
        E(setgroups(2, groups));
        E(setresgid(0, 0, 0));
        E(setresuid(0, 0, 0));
        ids("many");
        file("/proc/self/uid_map");
        E(setuid(9));
        E(setuid(15));
        ids("changed");
        status_lines();
        E(close(open("theirs", O_CREAT | O_RDWR, 0600)));
    });
    struct stat st;
    if (stat("theirs", &st) == 0) say("theirs of %u %u", st.st_uid, st.st_gid);
    E(chown("theirs", 2003, 1000));
    E(chmod("theirs", 04755));
    close(open("roots", O_CREAT | O_RDWR, 0600));
    close(open("others", O_CREAT | O_RDWR, 0600));
    E(chown("others", 4444, 4444));
    CHILD("owners", {
        E(setns(fd, 0));
        E(setresgid(0, 0, 0));
        E(setresuid(0, 0, 0));
        E(stat("theirs", &st));
        say("theirs of %u %u", st.st_uid, st.st_gid);
        E(chown("theirs", 500, 1));
        E(chown("theirs", 2, 0));
        E(chmod("theirs", 0640));
        E(stat("theirs", &st));
        say("theirs of %u %u, %o", st.st_uid, st.st_gid, st.st_mode);
        E(chown("roots", 0, 0));
        E(chown("others", 0, 0));
        E(chmod("others", 0644));
        E(open("others", O_RDONLY));
        E(unlink("others"));
    });
    unlink("others");
    unlink("roots");
    E(stat("theirs", &st));
    say("theirs of %u %u", st.st_uid, st.st_gid);
    E(unlink("theirs"));
    write(to, "x", 1);
    waitpid(pid, &s, 0);
}

int main(int c, char **v) {
    if (c > 0 && !strcmp(v[0], "ids")) {
        ids("executed");
        status_lines();
        return 0;
    }
    begin(v);
    if (!may_unshare(CLONE_NEWUSER | CLONE_NEWNS))
        return UNKNOWN;
    uid = geteuid();
    gid = getegid();
    if (uid == 0) {
        gid_t group = 33;
        E(setgroups(1, &group));
    }
    CHILD("without a map", without_a_map());
    CHILD("texts", texts());
    // Somebody else's, in a folder that everybody may write but not clear.
    close(open("theirs", O_CREAT | O_RDWR, 0600));
    if (uid == 0) E(chown("theirs", 4444, 4444));
    E(chmod(".", 01777));
    CHILD("root inside", root_inside());
    unlink("theirs");
    CHILD("mounts", mounts());
    CHILD("executes as root", exec_inside(0));
    CHILD("executes as another", exec_inside(12));
    CHILD("of child", of_child());
    CHILD("refused", refused());
    CHILD("nested", nested());
    CHILD("cloned", cloned());
    CHILD("signals", signals());
    CHILD("sockets", sockets());
    CHILD("ipc", ipc());
    CHILD("outsiders", outsiders());
    E(put("/proc/self/uid_map", "0 0 1"));
    E(put("/proc/self/setgroups", "allow"));
    E(put("/proc/self/setgroups", "deny"));
    file("/proc/self/uid_map");
    file("/proc/sys/kernel/overflowuid");
    return 0;
}
