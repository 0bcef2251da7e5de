// Time namespaces: who makes them, what they change, who is in them.
#include "check.h"
#include <sys/sysinfo.h>

#define NEWTIME 0x80
#define DAY 86400

static void offsets(const char *what, const char *pid) {
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%s/timens_offsets", pid);
    int fd = open(path, O_RDONLY);
    int n = read(fd, text, sizeof text - 1);
    close(fd);
    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = '|';
    say("%s: %d %s", what, n, text);
}

static void set(const char *text) {
    int fd = open("/proc/self/timens_offsets", O_WRONLY);
    int r = write(fd, text, strlen(text));
    say("set \"%s\": %s", text, fd < 0 ? "not open" : r < 0 ? name_of(errno) : "0");
    close(fd);
}

static long seconds(clockid_t clock) {
    struct timespec t = {-1, 0};
    clock_gettime(clock, &t);
    return t.tv_sec;
}

static long by_call(clockid_t clock) {
    struct timespec t = {-1, 0};
    syscall(SYS_clock_gettime, clock, &t);
    return t.tv_sec;
}

static clockid_t clocks[] = {CLOCK_REALTIME,         CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW,
                             CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,
                             CLOCK_TAI,              CLOCK_REALTIME_COARSE};
#define CLOCKS (sizeof clocks / sizeof *clocks)
static long before[CLOCKS];

static void remember(void) {
    for (unsigned i = 0; i < CLOCKS; i++)
        before[i] = seconds(clocks[i]);
}

// By how many days and hours the clocks have jumped, as the vDSO and the kernel say.
static void jumps(const char *what) {
    char line[256];
    int n = 0;
    for (unsigned i = 0; i < CLOCKS; i++) {
        long a = seconds(clocks[i]) - before[i], b = by_call(clocks[i]) - before[i];
        // A minute and a half has passed meanwhile at most.
        n += sprintf(line + n, " %ld/%ld", (a + 100 + 365L * DAY) / 1000 - 31536, (b + 100 + 365L * DAY) / 1000 - 31536);
    }
    say("%s:%s", what, line);
}

static void same(const char *what, const char *a, const char *b) {
    struct stat x, y;
    say("%s: %s", what, stat(a, &x) || stat(b, &y) ? name_of(errno) : x.st_ino == y.st_ino ? "same" : "another");
}


static struct timespec at(clockid_t clock, long ahead_ms) {
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += ahead_ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

// What waits for a point in time ends, and not for a day.
static void waits(void) {
    clockid_t both[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME};
    for (int i = 0; i < 2; i++) {
        struct timespec t = at(both[i], 20), past = {0, 1};
        say("sleep: %d", clock_nanosleep(both[i], TIMER_ABSTIME, &t, 0));
        say("it is over: %d", at(both[i], 0).tv_sec >= t.tv_sec);
        say("sleep to the past: %d", clock_nanosleep(both[i], TIMER_ABSTIME, &past, 0));
        struct itimerspec s = {{0, 0}, at(both[i], 20)}, old;
        int fd = timerfd_create(both[i], 0);
        uint64_t ticks = 0;
        E(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, 0));
        timerfd_gettime(fd, &old);
        say("left: %d", old.it_value.tv_sec == 0);
        E(read(fd, &ticks, sizeof ticks));
        say("ticks %ld", (long)ticks);
        s.it_value = past;
        E(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, 0));
        E(read(fd, &ticks, sizeof ticks));
        close(fd);
        timer_t timer;
        struct sigevent none = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
        sigset_t usr;
        sigemptyset(&usr);
        sigaddset(&usr, SIGUSR1);
        sigprocmask(SIG_BLOCK, &usr, 0);
        timer_create(both[i], &none, &timer);
        s.it_value = at(both[i], 20);
        E(timer_settime(timer, TIMER_ABSTIME, &s, 0));
        timer_gettime(timer, &old);
        say("left: %d", old.it_value.tv_sec == 0);
        siginfo_t info;
        E(sigwaitinfo(&usr, &info));
        timer_delete(timer);
    }
    int word = 0;
    struct timespec t = at(CLOCK_MONOTONIC, 20);
    E(syscall(SYS_futex, &word, 9 /* FUTEX_WAIT_BITSET */, 0, &t, 0, -1));
    t = (struct timespec){0, 20000000};
    E(syscall(SYS_futex, &word, 0, 0, &t, 0, 0));
    E(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, 0));
}

static double up(void) {
    char text[64] = "";
    int fd = open("/proc/uptime", O_RDONLY);
    read(fd, text, sizeof text - 1);
    close(fd);
    return atof(text);
}

// When the machine and the process began, by /proc.
static long booted(void) {
    char line[256];
    long at = 0;
    FILE *f = fopen("/proc/stat", "r");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "btime %ld", &at);
    fclose(f);
    return at;
}

static long started(void) {
    char text[1024] = "";
    int fd = open("/proc/self/stat", O_RDONLY);
    read(fd, text, sizeof text - 1);
    close(fd);
    char *at = strrchr(text, ')');
    for (int i = 0; at && i < 20; i++)
        at = strchr(at + 1, ' ');
    return at ? atol(at) / sysconf(_SC_CLK_TCK) : -1;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "again")) {
        for (unsigned i = 0; i < CLOCKS; i++)
            before[i] = atol(argv[2 + i]);
        jumps("after execve");
        offsets("of it", "self");
        return 0;
    }
    begin(argv);
    if (!may_unshare(CLONE_NEWUSER | NEWTIME))
        return UNKNOWN;
    remember();
    offsets("at first", "self");
    set("monotonic 1 0");
    if (geteuid()) {
        E(unshare(NEWTIME));
        char line[64];
        int uid = getuid(), gid = getgid();
        E(unshare(CLONE_NEWUSER | NEWTIME));
        int fd = open("/proc/self/setgroups", O_WRONLY);
        write(fd, "deny", 4);
        close(fd);
        fd = open("/proc/self/uid_map", O_WRONLY);
        write(fd, line, sprintf(line, "0 %d 1", uid));
        close(fd);
        fd = open("/proc/self/gid_map", O_WRONLY);
        write(fd, line, sprintf(line, "0 %d 1", gid));
        close(fd);
    } else {
        E(unshare(NEWTIME));
    }
    int old = open("/proc/self/ns/time", O_RDONLY);
    same("own and children's", "/proc/self/ns/time", "/proc/self/ns/time_for_children");
    offsets("before", "self");
    const char *bad[] = {"",          "x 1 0",          "monotonic",       "monotonic 1",        "monotonic 1 1000000000",
                         "1 -1000000000 0", "monotonic 9223372036 0", "monotonic 99999999999 0", "7 4611686018 0",
                         "monotonic x 0",  "realtime 1 0",   "0 1 0",           "monotonic 1 0\nx"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        set(bad[i]);
    offsets("unchanged", "self");
    set("monotonic 86400 0");
    offsets("one", "self");
    set("boottime 864000 5\n");
    offsets("the other", "self");
    set("1 172800 250000000\n7 864000 0\n");
    offsets("both", "self");
    jumps("still");
    double was = up();
    struct sysinfo info;
    sysinfo(&info);
    long was_info = info.uptime, boot = booted(), start = started();
    pid_t child = fork();
    if (child == 0) {
        jumps("in a child");
        offsets("of a child", "self");
        set("monotonic 1 0");
        same(" own and children's", "/proc/self/ns/time", "/proc/self/ns/time_for_children");
        say("up %ld", (long)(up() - was + 100) / 1000);
        sysinfo(&info);
        say("up %ld", (info.uptime - was_info + 100) / 1000);
        say("booted %ld, started %ld", (booted() - boot - 100) / 1000, (started() - start + 100) / 1000);
        waits();
        CHILD("its child", jumps("in its child"));
        char text[CLOCKS][24], *args[CLOCKS + 3] = {argv[0], "again"};
        for (unsigned i = 0; i < CLOCKS; i++)
            sprintf(args[2 + i] = text[i], "%ld", before[i]);
        fflush(stdout);
        CHILD("executes", execv("/proc/self/exe", args));
        int mine = open("/proc/self/ns/time", O_RDONLY);
        CHILD("made below", E(unshare(NEWTIME)); offsets("begins with", "self"); set("monotonic 0 0\n"); offsets("then", "self");
              CHILD("in it", jumps("in it")));
        E(setns(old, NEWTIME));
        jumps("back");
        same(" own and children's", "/proc/self/ns/time", "/proc/self/ns/time_for_children");
        E(setns(mine, 0));
        jumps("there again");
        E(setns(mine, CLONE_NEWUTS));
        _exit(0);
    }
    int s;
    waitpid(child, &s, 0);
    status("child", s);
    set("monotonic 1 0");
    jumps("not here");
    return 0;
}
