// What the root of a user namespace may do: with what belongs to it, and with what does not.
#include "userns.h"
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/nsfs.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <termios.h>

// Root of a namespace, with others that belong to it.
static void inside(int flags) {
    E(unshare(CLONE_NEWUSER | flags));
    char text[64];
    put("/proc/self/setgroups", "deny");
    snprintf(text, sizeof text, "0 %d 1", uid);
    put("/proc/self/uid_map", text);
    snprintf(text, sizeof text, "0 %d 1", gid);
    put("/proc/self/gid_map", text);
}

static void limits(void) {
    inside(0);
    struct rlimit r;
    E(getrlimit(RLIMIT_CORE, &r));
    r.rlim_max = r.rlim_cur = 0;
    E(setrlimit(RLIMIT_CORE, &r));
    r.rlim_max = 1;
    E(setrlimit(RLIMIT_CORE, &r));
    struct sched_param p = {5};
    E(sched_setscheduler(0, SCHED_FIFO, &p));
    E(nice(-3));
    E(syscall(SYS_ioprio_set, 1, 0, 1 << 13));
    int pipes[2];
    pipe(pipes);
    E(fcntl(pipes[0], F_SETPIPE_SZ, 1 << 26));
    E(syscall(SYS_mq_open, "a", O_CREAT | O_RDWR, 0600, &(struct mq_attr){.mq_maxmsg = 1000, .mq_msgsize = 10}));
    E(prctl(57, 1, 0, 0, 0));
    E(put("/proc/self/oom_score_adj", "-5"));
    E(put("/proc/self/loginuid", "0") != 1);
    E(syscall(SYS_syslog, 4, NULL, 0));
    E(settimeofday(&(struct timeval){1, 0}, NULL));
    E(syscall(SYS_pivot_root, ".", "."));
    E(open("/proc/sys/kernel/hostname", O_WRONLY) < 0 ? errno : 0);
    E(open("/proc/sys/kernel/domainname", O_RDONLY) < 0);
}

static void own_names(void) {
    inside(CLONE_NEWUTS | CLONE_NEWIPC);
    struct utsname u;
    E(sethostname("mine", 4));
    E(setdomainname("too", 3));
    E(uname(&u));
    say("%s %s", u.nodename, u.domainname);
    int id = shmget(5, 4096, IPC_CREAT | 0);
    E(id);
    struct shmid_ds ds;
    E(shmctl(id, IPC_STAT, &ds));
    E((long)shmat(id, NULL, SHM_RDONLY) == -1);
    E(shmctl(id, SHM_LOCK, NULL));
    int q = msgget(5, IPC_CREAT | 0600);
    struct msqid_ds m;
    E(msgctl(q, IPC_STAT, &m));
    m.msg_qbytes = 1 << 20;
    E(msgctl(q, IPC_SET, &m));
    m.msg_qbytes = 100;
    m.msg_perm.uid = 7;
    E(msgctl(q, IPC_SET, &m));
    m.msg_perm.uid = 0;
    E(msgctl(q, IPC_SET, &m));
    E(syscall(SYS_mq_open, "b", O_CREAT | O_RDWR, 0, NULL) < 0);
    E(syscall(SYS_mq_open, "b", O_RDWR, 0, NULL) < 0);
    E(syscall(SYS_mq_unlink, "b"));
}

// What was made outside: its permissions count, and no capability.
static void names_of_others(void) {
    int shm = shmget(IPC_PRIVATE, 4096, 0), q = msgget(IPC_PRIVATE, 0), s = semget(IPC_PRIVATE, 1, 0);
    CHILD("others", {
        inside(0);
        struct shmid_ds ds;
        E(shmctl(shm, IPC_STAT, &ds));
        E((long)shmat(shm, NULL, 0) == -1 ? errno : 0);
        E(msgsnd(q, &(long[]){1, 2}, 1, IPC_NOWAIT));
        E(semop(s, &(struct sembuf){0, 1, IPC_NOWAIT}, 1));
        E(sethostname("x", 1));
        E(shmctl(shm, SHM_LOCK, NULL));
    });
    shmctl(shm, IPC_RMID, NULL);
    msgctl(q, IPC_RMID, NULL);
    semctl(s, 0, IPC_RMID);
}

static void network(void) {
    int on = 1, big = 1 << 24;
    for (int own = 0; own < 2; own++)
        CHILD(own ? "own network" : "the network of all", {
            inside(own ? CLONE_NEWNET : 0);
            int s = socket(AF_INET, SOCK_DGRAM, 0);
            E(setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big));
            E(setsockopt(s, SOL_IP, IP_TRANSPARENT, &on, sizeof on));
            E(setsockopt(s, SOL_SOCKET, SO_MARK, &on, sizeof on));
            E(setsockopt(s, SOL_SOCKET, SO_DEBUG, &on, sizeof on));
            E(setsockopt(s, SOL_SOCKET, SO_PRIORITY, &(int){7}, sizeof on));
            struct ifreq r = {.ifr_name = "lo"};
            E(ioctl(s, SIOCGIFFLAGS, &r));
            say("up %d", r.ifr_flags & IFF_UP);
            r.ifr_flags |= IFF_UP;
            E(ioctl(s, SIOCSIFFLAGS, &r));
            struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
            E(connect(s, (void *)&a, sizeof a));
        });
}

static void mounted(void) {
    inside(CLONE_NEWNS);
    E(mkdir("m", 0755));
    int fs = syscall(SYS_fsopen, "tmpfs", 0);
    E(fs < 0);
    E(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "700", 0));
    E(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    int m = syscall(SYS_fsmount, fs, 0, 0);
    E(m < 0);
    E(syscall(SYS_move_mount, m, "", AT_FDCWD, "m", 4));
    struct stat st;
    E(stat("m", &st));
    say("%o of %u", st.st_mode, st.st_uid);
    int pick = syscall(SYS_fspick, AT_FDCWD, "m", 0);
    E(syscall(SYS_fsconfig, pick, FSCONFIG_SET_FLAG, "ro", NULL, 0));
    E(syscall(SYS_fsconfig, pick, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
    E(mkdir("m/x", 0755));
    pick = syscall(SYS_fspick, AT_FDCWD, "/", 0);
    E(pick < 0);
    E(syscall(SYS_fsconfig, pick, FSCONFIG_SET_FLAG, "ro", NULL, 0));
    E(syscall(SYS_fsconfig, pick, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
    fs = syscall(SYS_fsopen, "proc", 0);
    E(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    E(umount("m"));
    // A copy in which what is hidden may not be uncovered.
    E(mount("/", "m", NULL, MS_BIND, NULL));
    E(mount("/", "m", NULL, MS_BIND | MS_REC, NULL));
    E(umount("m/proc"));
    E(umount2("m/proc", MNT_DETACH));
    E(mount("m/proc", "m", NULL, MS_MOVE, NULL));
    E(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
    E(mkdir("m/new", 0755));
    E(umount2("m", MNT_DETACH));
    E(syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | AT_RECURSIVE) < 0);
    E(syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE));
    E(mount("none", "m", "tmpfs", MS_NODEV | MS_NOSUID | MS_RDONLY, NULL));
    CHILD("a namespace below", {
        E(unshare(CLONE_NEWUSER | CLONE_NEWNS));
        E(umount("m"));
        E(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_NODEV | MS_NOSUID, NULL));
        E(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL));
        E(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC, NULL));
        E(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC, NULL));
        E(mount("none", "m", "tmpfs", 0, NULL));
        E(umount("m"));
    });
    E(umount("m"));
    E(mount("none", "m", "devpts", 0, "newinstance,ptmxmode=0666,mode=620"));
    E(stat("m", &st));
    say("%o of %u", st.st_mode, st.st_uid);
    E(stat("m/ptmx", &st));
    say("%o of %u", st.st_mode, st.st_uid);
    int tty = open("m/ptmx", O_RDWR | O_NOCTTY), number = -1;
    E(tty < 0);
    E(ioctl(tty, TIOCGPTN, &number));
    E(ioctl(tty, TIOCSPTLCK, &(int){0}));
    char path[64];
    snprintf(path, sizeof path, "m/%d", number);
    E(stat(path, &st));
    say("%o of %u %u", st.st_mode, st.st_uid, st.st_gid);
    int slave = open(path, O_RDWR | O_NOCTTY);
    E(slave < 0);
    E(write(slave, "x", 1));
    char byte = 0;
    E(read(tty, &byte, 1));
    close(tty);
    close(slave);
    E(umount("m"));
    E(mknod("node", S_IFCHR | 0600, makedev(1, 3)));
    E(mknod("node", S_IFCHR | 0600, 0));
    E(unlink("node"));
    E(rmdir("m"));
}

static void entering(void) {
    int outer = open("/proc/self/ns/user", O_RDONLY), uts = open("/proc/self/ns/uts", O_RDONLY);
    int net = open("/proc/self/ns/net", O_RDONLY), mnt = open("/proc/self/ns/mnt", O_RDONLY);
    inside(CLONE_NEWUTS);
    E(setns(outer, 0));
    E(setns(uts, 0));
    E(setns(net, 0));
    E(setns(mnt, 0));
    E(ioctl(outer, NS_GET_PARENT));
    E(ioctl(uts, NS_GET_USERNS));
    E(ioctl(open("/proc/self/ns/user", O_RDONLY), NS_GET_PARENT));
    E(ioctl(open("/proc/self/ns/uts", O_RDONLY), NS_GET_USERNS) < 0);
    unsigned owner = 77;
    E(ioctl(outer, NS_GET_OWNER_UID, &owner));
    say("made by %u", owner);
    E(syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, getppid(), 0), 0, 0));
    E(ptrace(PTRACE_SEIZE, getppid(), 0, 0));
    E(kill(getppid(), 0));
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", getppid());
    E(open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/ns/user", getppid());
    E(open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/root/", getppid());
    E(open(path, O_RDONLY));
}

// A program of somebody who is not known gives nothing.
static void set_ids(void) {
    char self[PATH_MAX] = "", copy[PATH_MAX + 8];
    readlink("/proc/self/exe", self, sizeof self - 1);
    snprintf(copy, sizeof copy, "cp %s become && chmod 6755 become", self);
    E(system(copy));
    if (uid == 0) E(chown("become", 3333, 3333) | chmod("become", 06755));
    CHILD("outside", execl("become", "ids", NULL));
    CHILD("inside", inside(0); execl("become", "ids", NULL));
    E(unlink("become"));
}

// A program that may be run and not read is not to be read in memory.
static void unreadable(void) {
    char self[PATH_MAX] = "", copy[PATH_MAX + 8];
    readlink("/proc/self/exe", self, sizeof self - 1);
    snprintf(copy, sizeof copy, "cp %s hidden && chmod 0111 hidden", self);
    E(system(copy));
    CHILD("outside", execl("hidden", "dump", NULL));
    CHILD("inside", inside(0); execl("hidden", "dump", NULL));
    CHILD("nobody", E(unshare(CLONE_NEWUSER)); execl("hidden", "dump", NULL));
    E(unlink("hidden"));
}

static void keys(void) {
    char text[64] = "";
    long ring = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1);
    E(syscall(SYS_keyctl, KEYCTL_DESCRIBE, ring, text, sizeof text) > 0);
    say("%s", text);
    CHILD("others of the same user", {
        inside(0);
        long own = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1);
        E(own == ring);
        E(own == syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0));
        E(syscall(SYS_keyctl, KEYCTL_DESCRIBE, own, text, sizeof text) > 0);
        say("%s", text);
        own = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_SESSION_KEYRING, 1);
        E(syscall(SYS_keyctl, KEYCTL_DESCRIBE, own, text, sizeof text) > 0);
        say("%s", text);
    });
    long key = syscall(SYS_add_key, "user", "a", "b", 1, KEY_SPEC_PROCESS_KEYRING);
    E(key < 0);
    E(unshare(CLONE_NEWUSER));
    E(syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, text, sizeof text) > 0);
    say("%s", text);
    E(syscall(SYS_keyctl, KEYCTL_CHOWN, key, uid, -1));
    E(syscall(SYS_keyctl, KEYCTL_CHOWN, key, -1, -1));
    E(syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f3f0000));
}

int main(int c, char **v) {
    if (c > 0 && !strcmp(v[0], "ids")) {
        say("as %u %u, %u %u", getuid(), geteuid(), getgid(), getegid());
        return 0;
    }
    if (c > 0 && !strcmp(v[0], "dump")) {
        E(prctl(PR_GET_DUMPABLE));
        struct stat st;
        E(stat("/proc/self/environ", &st));
        say("of %u", st.st_uid);
        pid_t other = fork();
        if (other == 0) {
            pause();
            _exit(0);
        }
        E(ptrace(PTRACE_SEIZE, other, 0, 0));
        kill(other, SIGKILL);
        waitpid(other, NULL, 0);
        return 0;
    }
    begin(v);
    if (!may_unshare(CLONE_NEWUSER | CLONE_NEWNS))
        return UNKNOWN;
    uid = geteuid();
    gid = getegid();
    CHILD("limits", limits());
    CHILD("own names", own_names());
    CHILD("names of others", names_of_others());
    CHILD("network", network());
    CHILD("mounted", mounted());
    CHILD("entering", entering());
    CHILD("set ids", set_ids());
    CHILD("unreadable", unreadable());
    CHILD("keys", keys());
    return 0;
}
