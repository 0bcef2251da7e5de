// PID namespaces as /proc and descriptors show them.
#include "pidns.h"
#include <linux/nsfs.h>
#include <sys/mount.h>
#ifndef NS_GET_PID_FROM_PIDNS
#define NS_GET_PID_FROM_PIDNS _IOR(0xb7, 0x6, int)
#define NS_GET_TGID_FROM_PIDNS _IOR(0xb7, 0x7, int)
#define NS_GET_PID_IN_PIDNS _IOR(0xb7, 0x8, int)
#define NS_GET_TGID_IN_PIDNS _IOR(0xb7, 0x9, int)
#endif


// Lines of a file that begin so.
static void lines(const char *path, const char *const *names) {
    FILE *f = fopen(path, "r");
    if (!f) {
        say("%s: %s", path, name_of(errno));
        return;
    }
    char line[512];
    while (fgets(line, sizeof line, f))
        for (const char *const *n = names; *n; n++)
            if (!strncmp(line, *n, strlen(*n))) {
                line[strcspn(line, "\n")] = 0;
                say("%s: %s", path, line);
            }
    fclose(f);
}

static const char *const ids[] = {"Tgid:", "Pid:", "PPid:", "TracerPid:", "NS", NULL};

static int by_number(const void *a, const void *b) { return *(int *)a - *(int *)b; }

static void numbers(const char *path) {
    DIR *d = opendir(path);
    int all[64], n = 0;
    struct dirent *e;
    if (!d) {
        say("%s: %s", path, name_of(errno));
        return;
    }
    while ((e = readdir(d)) && n < 64)
        if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
            all[n++] = atoi(e->d_name);
    closedir(d);
    qsort(all, n, sizeof *all, by_number);
    char out[512] = "";
    for (int i = 0; i < n; i++)
        sprintf(out + strlen(out), " %d", all[i]);
    say("%s:%s", path, out);
}

static void link_of(const char *path) {
    char to[PATH_MAX] = "";
    int n = readlink(path, to, sizeof to - 1);
    if (n < 0)
        say("%s: %s", path, name_of(errno));
    else
        say("%s: %s", path, to);
}

static void stat_of(const char *path) {
    char text[1024] = "";
    int fd = open(path, O_RDONLY), n = read(fd, text, sizeof text - 1);
    close(fd);
    int pid = 0, ppid = 0, pgrp = 0, sid = 0, tty = 0, tpgid = 0;
    char *end = strrchr(text, ')');
    if (n <= 0 || !end) {
        say("%s: nothing", path);
        return;
    }
    sscanf(text, "%d", &pid);
    sscanf(end + 4, "%d %d %d %d %d", &ppid, &pgrp, &sid, &tty, &tpgid);
    say("%s: %d %d %d %d %d", path, pid, ppid, pgrp, sid, tpgid);
}

static void show_file(const char *path) {
    char text[1024] = "";
    int fd = open(path, O_RDONLY), n = read(fd, text, sizeof text - 1);
    close(fd);
    say("%s: %s", path, n < 0 ? name_of(errno) : text);
}

static void *wait_for(void *x) {
    pause();
    return NULL;
}

static void inside(void) {
    E(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    E(mkdir("p", 0755));
    E(mount("proc", "p", "proc", 0, NULL));
    numbers("p");
    link_of("p/self");
    link_of("p/thread-self");
    lines("p/self/status", ids);
    lines("p/1/status", ids);
    stat_of("p/self/stat");
    pthread_t t;
    pthread_create(&t, NULL, wait_for, NULL);
    numbers("p/self/task");
    lines("p/2/status", ids);
    stat_of("p/1/task/2/stat");
    show_file("p/1/task/1/children");
    int ready[2];
    pipe(ready);
    pid_t c = fork();
    if (!c) {
        setsid();
        link_of("p/self");
        link_of("p/thread-self");
        lines("p/self/status", ids);
        stat_of("p/self/stat");
        pid_t in = enter(0);
        if (!in) {
            link_of("p/self");
            lines("p/self/status", ids);
            E(mkdir("q", 0755));
            E(mount("proc", "q", "proc", 0, NULL));
            numbers("q");
            link_of("q/self");
            lines("q/self/status", ids);
            stat_of("q/self/stat");
            char from[64];
            lines("p/4/status", ids);
            stat_of("p/4/stat");
            E(umount("q"));
            write(ready[1], "", 1);
            pause();
        }
        char byte;
        read(ready[0], &byte, 1);
        close(ready[0]), close(ready[1]);
        lines("p/4/status", ids);
        numbers("p");
        show_file("p/3/task/3/children");
        kill(in, SIGKILL);
        waitid(P_PID, in, NULL, WEXITED | WNOWAIT);
        lines("p/4/status", ids);
        waitpid(in, NULL, 0);
        lines("p/4/status", ids);
        _exit(0);
    }
    waitpid(c, NULL, 0);
    E(access("p/3", F_OK));
    // Numbers of the mount, not of the caller.
    char to[64] = "";
    E(readlink("/proc/self", to, sizeof to) > 0);
    say("outside %d", atoi(to) > 1);
    struct stat a, b;
    E(stat("p/self/ns/pid", &a));
    E(stat("p/self/ns/pid_for_children", &b));
    say("the same %d", a.st_ino == b.st_ino);
    E(unshare(CLONE_NEWPID));
    link_of("p/self/ns/pid_for_children");
    E(stat("p/self/ns/pid_for_children", &b));
    c = fork();
    if (!c) pause();
    E(stat("p/self/ns/pid_for_children", &b));
    say("the same %d", a.st_ino == b.st_ino);
    char path[64];
    sprintf(path, "p/%d/ns/pid", c);
    struct stat d;
    E(stat(path, &d));
    say("the child's %d", d.st_ino == b.st_ino);
    int fd = open(path, O_RDONLY), own = open("p/self/ns/pid", O_RDONLY);
    int up = ioctl(fd, NS_GET_PARENT);
    E(fstat(up, &d));
    say("parent is ours %d", d.st_ino == a.st_ino);
    E(ioctl(own, NS_GET_PARENT));
    E(ioctl(fd, NS_GET_PID_FROM_PIDNS, 1));
    E(ioctl(fd, NS_GET_TGID_FROM_PIDNS, 1));
    E(ioctl(fd, NS_GET_PID_FROM_PIDNS, 2));
    E(ioctl(fd, NS_GET_PID_IN_PIDNS, c));
    E(ioctl(fd, NS_GET_TGID_IN_PIDNS, c));
    E(ioctl(fd, NS_GET_PID_IN_PIDNS, 1));
    E(ioctl(own, NS_GET_PID_FROM_PIDNS, 2));
    E(ioctl(own, NS_GET_TGID_FROM_PIDNS, 2));
    E(ioctl(own, NS_GET_TGID_IN_PIDNS, 2));
    int uts = open("p/self/ns/uts", O_RDONLY);
    E(ioctl(uts, NS_GET_PID_FROM_PIDNS, 1));
    E(setns(own, CLONE_NEWPID));
    E(setns(fd, CLONE_NEWPID));
    pid_t g = fork();
    if (!g) {
        say("entered as %d of %d", getpid(), getppid());
        E(setns(own, 0));
        E(setns(fd, 0));
        if (!fork()) {
            say("child %d of %d", getpid(), getppid());
            _exit(0);
        }
        wait(NULL);
        if (!fork()) {
            if (!fork()) {
                while (getppid() != 1) ms(1);
                say("adopted by %d", getppid());
                _exit(0);
            }
            _exit(0);
        }
        wait(NULL);
        ms(50);
        _exit(0);
    }
    waitpid(g, NULL, 0);
    int pidfd = syscall(SYS_pidfd_open, c, 0);
    E(setns(pidfd, CLONE_NEWPID));
    // The same name whatever its number is.
    sprintf(path, "p/self/fdinfo/%d", pidfd);
    static const char *const pids[] = {"Pid:", "NSpid:", NULL};
    symlink(path, "info");
    lines("info", pids);
    kill(c, SIGKILL);
    ms(20);
    lines("info", pids);
    waitpid(c, NULL, 0);
    lines("info", pids);
    E(fork());
    E(setns(own, CLONE_NEWPID));
    show_file("/proc/sys/kernel/ns_last_pid");
    // Locks of those that are not here are not shown.
    struct flock l = {.l_type = F_WRLCK, .l_len = 1};
    int f = open("locked", O_RDWR | O_CREAT, 0600);
    E(fcntl(f, F_SETLK, &l));
    FILE *locks = fopen("p/locks", "r");
    char line[256];
    while (locks && fgets(line, sizeof line, locks)) {
        char *p = strstr(line, "WRITE ");
        if (p) say("lock of %d", atoi(p + 6));
    }
    fflush(NULL);
}

int main(int c, char **v) {
    begin(v);
    if (geteuid() == 0 && !may_unshare(CLONE_NEWPID | CLONE_NEWNS))
        return UNKNOWN;
    int outer = open("/proc/self/ns/pid", O_RDONLY);
    int go[2];
    pipe(go);
    pid_t p = enter(CLONE_NEWNS);
    if (p < 0) {
        say("clone: %s", name_of(errno));
        for (int i = 0; i < 12; i++) say("nobody else %d", E(enter(0)));
        return 0;
    }
    if (!p) {
        E(setns(outer, 0));
        inside();
        write(go[1], "", 1);
        pause();
    }
    char b;
    read(go[0], &b, 1);
    // What the others see from outside.
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", p);
    FILE *f = fopen(path, "r");
    while (fgets(line, sizeof line, f)) {
        int x, y;
        if (sscanf(line, "NSpid: %d %d", &x, &y) == 2) say("outside %d, inside %d", x == p, y);
        if (sscanf(line, "NSsid: %d %d", &x, &y) == 2) say("session %d, inside %d", x == getsid(0), y);
    }
    int pidfd = syscall(SYS_pidfd_open, p, 0);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    f = fopen(path, "r");
    while (fgets(line, sizeof line, f)) {
        int x, y;
        if (sscanf(line, "Pid: %d", &x) == 1) say("pidfd %d", x == p);
        if (sscanf(line, "NSpid: %d %d", &x, &y) == 2) say("pidfd %d inside %d", x == p, y);
    }
    snprintf(path, sizeof path, "/proc/%d/ns/pid", p);
    int inner = open(path, O_RDONLY);
    E(ioctl(inner, NS_GET_PID_FROM_PIDNS, 1) == p);
    E(ioctl(inner, NS_GET_PID_IN_PIDNS, p));
    E(ioctl(inner, NS_GET_PID_IN_PIDNS, getpid()));
    E(ioctl(outer, NS_GET_PID_IN_PIDNS, p) == p);
    kill(p, SIGKILL);
    waitpid(p, NULL, 0);
    E(ioctl(inner, NS_GET_PID_FROM_PIDNS, 1));
    E(setns(inner, 0));
    E(fork());
    return 0;
}
