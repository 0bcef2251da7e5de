// Leases, who breaks them and who waits for that; polling the list of mounts.
#include "check.h"
#include <sys/mount.h>
static volatile sig_atomic_t got, fd_, code_;
static volatile long band_;
static void on(int s, siginfo_t *i, void *c) {
    got = s;
    fd_ = i->si_fd;
    code_ = i->si_code;
    band_ = i->si_band;
}
#define SL(f, k) fcntl(f, F_SETLEASE, k)
#define GL(f) fcntl(f, F_GETLEASE)
// Lines of /proc/locks about a file, without numbers.
static void listed(const char *path, int f) {
    struct stat st;
    char line[300], want[60];
    fstat(f, &st);
    sprintf(want, "%02x:%02x:%lu ", major(st.st_dev), minor(st.st_dev), st.st_ino);
    FILE *in = fopen(path, "r");
    while (fgets(line, sizeof line, in)) {
        char *at = strstr(line, want), *colon = strchr(line, ':');
        if (!strncmp(line, "lock:", 5))
            colon = strchr(colon + 1, ':');
        if (!at || !colon)
            continue;
        char *pid = at - 2;
        while (pid > line && pid[-1] != ' ')
            pid--;
        int own = atoi(pid) == getpid();
        pid[-1] = 0;
        at[strcspn(at, "\n")] = 0;
        say("listed:%s own %d %s", colon + 1, own, strchr(at, ' '));
    }
    fclose(in);
}
static void listed_fd(int f) {
    char path[99];
    sprintf(path, "/proc/self/fdinfo/%d", f);
    listed(path, f);
}
static void waited(int n) {
    for (int i = 0; i < n && !got; i++)
        ms(10);
    say("signal %d code %d band %lx fd %d", got, got ? code_ : 0, got ? band_ : 0,
        got == SIGIO ? 0 : fd_ != 0);
    got = 0;
}
// Signals that come meanwhile do not end the wait.
static void ended(const char *what, pid_t k) {
    int s;
    while (waitpid(k, &s, 0) < 0 && errno == EINTR) {
    }
    status(what, s);
}
static void taking(void) {
    int f = open("f", O_CREAT | O_RDWR, 0644), r, w, d = open(".", O_RDONLY), p[2];
    pipe(p);
    E(GL(f));
    E(GL(p[0]));
    E(GL(d));
    E(SL(f, 7));
    E(SL(f, F_UNLCK));
    E(SL(f, F_RDLCK));
    E(SL(d, F_RDLCK));
    E(SL(p[0], F_RDLCK));
    E(SL(999, F_RDLCK));
    E(SL(open("f", O_PATH), F_RDLCK));
    E(SL(f, F_WRLCK));
    E(GL(f));
    listed("/proc/locks", f);
    listed_fd(f);
    int e = dup(f);
    E(GL(e));
    E(SL(e, F_WRLCK));
    close(e);
    E(GL(f));
    E(SL(f, F_UNLCK));
    E(GL(f));
    E(SL(f, F_UNLCK));
    E(fcntl(f, F_GETOWN));
    r = open("f", O_RDONLY);
    E(SL(f, F_WRLCK));
    E(SL(r, F_RDLCK));
    E(SL(r, F_WRLCK));
    close(f);
    E(SL(r, F_RDLCK));
    E(SL(r, F_WRLCK));
    E(SL(r, F_RDLCK));
    e = open("f", O_RDONLY);
    E(SL(e, F_RDLCK));
    E(SL(r, F_WRLCK));
    E(SL(e, F_WRLCK));
    listed("/proc/locks", r);
    close(e);
    E(SL(r, F_WRLCK));
    E(fcntl(r, F_GETOWN) == getpid());
    E(SL(r, F_RDLCK));
    // One's own opens break it too.
    E(open("f", O_WRONLY | O_NONBLOCK));
    E(GL(r));
    listed("/proc/locks", r);
    E(SL(r, F_RDLCK));
    E(GL(r));
    E(SL(r, F_UNLCK));
    Z(w = open("f", O_WRONLY | O_NONBLOCK));
    E(SL(w, F_WRLCK));
    close(r);
    E(SL(w, F_WRLCK));
    E(open("f", O_RDONLY | O_NONBLOCK));
    E(GL(w));
    listed_fd(w);
    E(SL(w, F_RDLCK));
    E(SL(w, F_UNLCK));
    CHILD("of another", if (geteuid() == 0) setuid(1000); E(SL(w, F_RDLCK));
          E(SL(open("/bin/sh", O_RDONLY), F_RDLCK)));
    close(w);
    close(d);
}
static void breaking(void) {
    int r = open("f", O_RDONLY), s;
    pid_t k;
    got = 0;
    E(SL(r, F_RDLCK));
    // Readers do not.
    close(open("f", O_RDONLY));
    waited(3);
    if ((k = fork()) == 0) {
        close(r);
        int w = open("f", O_WRONLY | O_NONBLOCK), why = errno;
        Z(w = open("f", O_WRONLY));
        say("at first: %s", name_of(why));
        write(w, "abc", 3);
        _exit(0);
    }
    waited(300);
    E(GL(r));
    ms(100);
    E(waitpid(k, &s, WNOHANG));
    int given = SL(r, F_UNLCK);
    ended("writer", k);
    say("given up: %d", given);
    // A writer's lease gives way to a reader, and stays as a reader's.
    close(r);
    int w = open("f", O_RDWR);
    E(fcntl(w, F_SETSIG, SIGRTMIN));
    E(SL(w, F_WRLCK));
    if ((k = fork()) == 0) {
        close(w);
        char b[9] = {0};
        int q = open("f", O_RDONLY);
        say("read %ld %s", (long)read(q, b, 8), b);
        _exit(0);
    }
    waited(300);
    E(GL(w));
    listed("/proc/locks", w);
    write(w, "xyz", 3);
    E(SL(w, F_RDLCK));
    given = SL(w, F_UNLCK);
    ended("reader", k);
    say("given up: %d", given);
    close(w);
    // Truncation waits too, by path and on opening; closing gives up.
    for (int how = 0; how < 2; how++) {
        r = open("f", O_RDONLY);
        E(SL(r, F_RDLCK));
        if ((k = fork()) == 0) {
            close(r);
            if (how)
                E(truncate("f", 1));
            else
                Z(open("f", O_WRONLY | O_TRUNC));
            struct stat st;
            stat("f", &st);
            say("size %ld", (long)st.st_size);
            _exit(0);
        }
        waited(300);
        struct stat st;
        ms(50);
        fstat(r, &st);
        say("still %ld", (long)st.st_size);
        close(r);
        ended("truncating", k);
    }
    // A signal ends the wait.
    r = open("f", O_RDONLY);
    E(SL(r, F_RDLCK));
    if ((k = fork()) == 0) {
        close(r);
        got = 0;
        alarm(0);
        signal(SIGALRM, SIG_DFL);
        struct sigaction b = {.sa_sigaction = on, .sa_flags = SA_SIGINFO};
        sigaction(SIGALRM, &b, 0);
        struct itimerval t = {{0, 0}, {0, 200000}};
        setitimer(ITIMER_REAL, &t, 0);
        E(open("f", O_WRONLY));
        _exit(0);
    }
    ended("interrupted", k);
    E(GL(r));
    close(r);
    E(close(open("f", O_WRONLY)));
}
static void settings(void) {
    char b[20] = {0};
    int f = open("/proc/sys/fs/lease-break-time", O_RDONLY);
    read(f, b, 19);
    say("%s", b);
    close(f);
    f = open("/proc/sys/fs/leases-enable", O_RDONLY);
    read(f, b, 19);
    say("%s", b);
    close(f);
}
// Polling says once that the mounts have changed.
static void mounts(void) {
    if (geteuid())
        return;
    unshare(CLONE_NEWNS);
    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    mkdir("m", 0777);
    int f = open("/proc/self/mounts", O_RDONLY), g = open("/proc/self/mountinfo", O_RDONLY);
    struct pollfd p[2] = {{f, POLLIN | POLLPRI | POLLOUT}, {g, POLLPRI}};
#define POLL(t) say("%d: %x %x", poll(p, 2, t), p[0].revents, p[1].revents)
    POLL(0);
    mount("none", "m", "tmpfs", 0, NULL);
    POLL(0);
    POLL(0);
    umount("m");
    p[0].events = POLLPRI;
    POLL(0);
    POLL(10);
    pid_t k = fork();
    if (k == 0) {
        ms(100);
        mount("none", "m", "tmpfs", 0, NULL);
        _exit(0);
    }
    POLL(5000);
    waitpid(k, NULL, 0);
    POLL(0);
    mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
    POLL(0);
    mount(NULL, "m", NULL, MS_SHARED, NULL);
    POLL(0);
    int e = epoll_create1(0);
    struct epoll_event v = {EPOLLPRI | EPOLLET, {0}};
    epoll_ctl(e, EPOLL_CTL_ADD, f, &v);
    E(epoll_wait(e, &v, 1, 0));
    umount("m");
    E(epoll_wait(e, &v, 1, 0));
    say("%x", v.events);
    E(epoll_wait(e, &v, 1, 0));
}
int main(int c, char **v) {
    begin(v);
    struct sigaction a = {.sa_sigaction = on, .sa_flags = SA_SIGINFO};
    sigaction(SIGIO, &a, 0);
    sigaction(SIGRTMIN, &a, 0);
    taking();
    breaking();
    settings();
    mounts();
    return 0;
}
