// What /proc tells of a process: its state, its name, what it has read, written and waited for.
#include "check.h"
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sys/un.h>
static char text[1 << 20];
static int slurp(const char *path) {
    int f = open(path, O_RDONLY), n = 0, r;
    while (f >= 0 && (r = read(f, text + n, sizeof text - 1 - n)) > 0) n += r;
    close(f);
    text[n] = 0;
    return n;
}
static void letter(const char *who, int pid) {
    char path[60], *name, stat;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    slurp(path);
    stat = (name = strrchr(text, ')')) ? name[2] : '?';
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    slurp(path);
    name = strstr(text, "State:\t");
    say("%s: %c, %.*s", who, stat, name ? (int)strcspn(name, "\n") : 0, name);
}
static void named(const char *name) {
    char *end;
    prctl(PR_SET_NAME, name);
    int n = slurp("/proc/self/comm");
    for (int i = 0; i < n; i++) say("comm %02x", (unsigned char)text[i]);
    slurp("/proc/self/stat");
    end = strrchr(text, ')');
    for (char *p = strchr(text, '('); p && p <= end; p++) say("stat %02x", (unsigned char)*p);
    slurp("/proc/self/status");
    for (char *p = text; *p && *p != '\n'; p++) say("status %02x", (unsigned char)*p);
}
struct io { long rchar, wchar, syscr, syscw; };
// The file is read by one call, which counts when its text is made already.
static struct io counts(const char *path, int *len) {
    struct io io = {-1, -1, -1, -1};
    char line[500];
    int f = open(path, O_RDONLY), n = pread(f, line, sizeof line - 1, 0);
    close(f);
    line[n < 0 ? 0 : n] = 0;
    sscanf(line, "rchar: %ld\nwchar: %ld\nsyscr: %ld\nsyscw: %ld", &io.rchar, &io.wchar, &io.syscr,
           &io.syscw);
    *len = n;
    return io;
}
static struct io before;
static int looked;
static void mark(void) { before = counts("/proc/self/io", &looked); }
// What has come since the mark, without the look itself.
static void since(const char *what) {
    int n;
    struct io a = counts("/proc/self/io", &n);
    say("%s: read %ld in %ld, wrote %ld in %ld", what, a.rchar - before.rchar - looked,
        a.syscr - before.syscr - 1, a.wchar - before.wchar, a.syscw - before.syscw);
}
static int files(const char *name) { return open(name, O_RDWR | O_CREAT | O_TRUNC, 0600); }
static void *reader(void *fd) {
    char b[100];
    int n;
    pread(*(int *)fd, b, 40, 0);
    pread(*(int *)fd, b, 40, 0);
    struct io own = counts("/proc/thread-self/io", &n);
    say("of a thread: %ld in %ld", own.rchar, own.syscr);
    return 0;
}
static void submitted(int f, char *b) {
    aio_context_t x = 0;
    struct iocb c = {.aio_fildes = f, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_buf = (uintptr_t)b,
                     .aio_nbytes = 100}, *list = &c;
    struct io_event e;
    syscall(SYS_io_setup, 1, &x);
    mark();
    syscall(SYS_io_submit, x, 1, &list);
    c.aio_lio_opcode = IOCB_CMD_PREAD;
    syscall(SYS_io_getevents, x, 1, 1, &e, 0);
    syscall(SYS_io_submit, x, 1, &list);
    syscall(SYS_io_getevents, x, 1, 1, &e, 0);
    since("io_submit");
    syscall(SYS_io_destroy, x);
}
static void io(void) {
    char b[5000] = "x";
    int f = files("a"), g = files("b"), p[2], s[2];
    struct iovec v[2] = {{b, 100}, {b + 200, 50}};
    pipe(p);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
#define IO(...) do { mark(); __VA_ARGS__; since(#__VA_ARGS__); } while (0)
    IO(write(f, b, 5000));
    IO(pwrite(f, b, 10, 20); pwritev(f, v, 2, 0));
    IO(pread(f, b, 300, 0); preadv(f, v, 2, 0));
    IO(read(f, b, 10); read(f, b, 0));
    IO(lseek(f, 0, 0); readv(f, v, 2));
    IO(read(-1, b, 1); read(f, BAD, 10); write(f, BAD, 10); pread(f, b, 5, -1));
    IO(read(f, (void *)-4096, 10); write(-1, b, 3));
    IO(sendfile(g, f, 0, 1000));
    IO(copy_file_range(f, 0, g, 0, 1000, 0));
    IO(write(p[1], b, 20); read(p[0], b, 100));
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    IO(read(p[0], b, 100));
    fcntl(p[0], F_SETFL, 0);
    IO(write(s[0], b, 30); read(s[1], b, 30));
    IO(send(s[0], b, 30, 0); recv(s[1], b, 30, 0));
    if (!fork()) {
        ms(30);
        write(p[1], b, 7);
        _exit(0);
    }
    IO(read(p[0], b, 100));
    wait(0);
    submitted(f, b);
    IO(pwritev2(f, v, 2, 0, 0); preadv2(f, v, 2, 0, 0));
    pthread_t t;
    IO(pthread_create(&t, 0, reader, &f); pthread_join(t, 0); write(g, b, 3));
}
static long switches(void) {
    slurp("/proc/self/status");
    char *p = strstr(text, "\nvoluntary_ctxt_switches:");
    return p ? atol(p + 26) : -1;
}
static long all_switches(void) {
    slurp("/proc/stat");
    char *p = strstr(text, "\nctxt ");
    return p ? atol(p + 6) : -1;
}
static void waits(void) {
    struct rusage u;
    long a = switches(), all = all_switches();
    ms(5);
    ms(5);
    long b = switches();
    getrusage(RUSAGE_THREAD, &u);
    say("waited: %d, as getrusage says: %d", b >= a + 2, labs(u.ru_nvcsw - b) < 5);
    say("all have waited: %d", all > 0 && all_switches() >= all + 2);
    for (int i = 0; i < 100; i++) text[sizeof text - 1 - i * 4096L] = 1;
    slurp("/proc/self/stat");
    long faults = -1;
    sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %ld", &faults);
    getrusage(RUSAGE_SELF, &u);
    say("faults as getrusage says: %d", labs(u.ru_minflt - faults) < 40);
}
static void listed(void) {
    struct sockaddr_un a = {AF_UNIX, "odd-\xff\xc0-name"};
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(s, (void *)&a, sizeof a);
    int n = slurp("/proc/net/unix");
    say("a name is shown as it is: %d", memmem(text, n, "odd-\xff\xc0-name\n", 12) != 0);
    close(s);
}
int main(int c, char **v) {
    begin(v);
    letter("self", getpid());
    int p = fork();
    if (!p) {
        ms(1000);
        _exit(0);
    }
    ms(50);
    letter("sleeping", p);
    kill(p, SIGSTOP);
    ms(50);
    letter("stopped", p);
    kill(p, SIGKILL);
    ms(50);
    letter("dead", p);
    waitpid(p, 0, 0);
    if (!(p = fork()))
        for (;;) ;
    ms(50);
    letter("busy", p);
    kill(p, SIGKILL);
    waitpid(p, 0, 0);
    named("plain");
    named("a) \n\\ \xff");
    named("");
    io();
    waits();
    listed();
    return 0;
}
