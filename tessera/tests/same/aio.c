// Linux's asynchronous I/O, by the system calls themselves.
#include "check.h"
#include <linux/aio_abi.h>
#define setup(n, c) syscall(SYS_io_setup, n, c)
#define destroy(c) syscall(SYS_io_destroy, c)
#define submit(c, n, p) syscall(SYS_io_submit, c, n, p)
#define getevents(c, l, m, e, t) syscall(SYS_io_getevents, c, l, m, e, t)
#define pgetevents(c, l, m, e, t, s) syscall(SYS_io_pgetevents, c, l, m, e, t, s)
#define cancel(c, i, e) syscall(SYS_io_cancel, c, i, e)
static aio_context_t ctx;
static struct io_event ev[64];
static struct timespec zero, soon = {0, 30000000}, later = {0, 400000000};
static struct iocb one(int op, int fd, void *buf, size_t n, long off) {
    struct iocb i = {0};
    i.aio_data = 77;
    i.aio_lio_opcode = op;
    i.aio_fildes = fd;
    i.aio_buf = (uintptr_t)buf;
    i.aio_nbytes = n;
    i.aio_offset = off;
    return i;
}
static void go(const char *what, struct iocb i) {
    struct iocb *p = &i;
    errno = 0;
    long r = show(what, submit(ctx, 1, &p));
    if (r != 1) return;
    memset(ev, 0, sizeof ev);
    // Natively, a synchronisation is done by another thread.
    r = getevents(ctx, 1, 8, ev, &later);
    say("  events %ld res %lld %lld data %lld obj %d key %d", r, (long long)ev[0].res,
        (long long)ev[0].res2, (long long)ev[0].data, ev[0].obj == (uintptr_t)p, (int)i.aio_key);
}
static void on(int s) {}
int main(int c, char **v) {
    begin(v);
    char buf[8192], in[8192];
    memset(buf, 'x', sizeof buf);
    aio_context_t other = 0, bad = 0x1234000;
    E(setup(0, &ctx));
    E(setup(1, BAD));
    E(setup(1, NULL));
    ctx = 1;
    E(setup(1, &ctx));
    ctx = 0;
    E(setup(-1, &ctx));
    E(setup(0x10000000 / 32 / 2 + 1, &ctx));
    E(setup(8, &ctx));
    say("id %d", ctx != 0);
    struct ring {
        unsigned id, nr, head, tail, magic, compat, incompat, length;
    } *ring = (void *)ctx;
    say("ring %d %x %u %u %u", ring->nr >= 8, ring->magic, ring->compat, ring->incompat,
        ring->length);
    E(destroy(bad));
    E(destroy(0));
    E(submit(bad, 1, 0));
    E(submit(ctx, -1L, 0));
    E(submit(ctx, 0, 0));
    E(submit(ctx, 1, BAD));
    struct iocb *wild = BAD;
    E(submit(ctx, 1, &wild));
    E(getevents(bad, 0, 1, ev, &zero));
    E(getevents(ctx, -1L, 1, ev, &zero));
    E(getevents(ctx, 2, 1, ev, &zero));
    E(getevents(ctx, 0, -1L, ev, &zero));
    E(getevents(ctx, 0, 0, ev, NULL));
    E(getevents(ctx, 0, 1, ev, NULL));
    E(getevents(ctx, 1, 1, ev, &zero));
    E(getevents(ctx, 1, 1, ev, BAD));
    E(getevents(ctx, 1, 1, ev, &soon));
    E(getevents(ctx, 1, 1, BAD, &zero));
    int f = open("f", O_RDWR | O_CREAT, 0600), r = open("f", O_RDONLY), w = open("f", O_WRONLY),
        d = open(".", O_RDONLY), p[2], e = eventfd(0, EFD_NONBLOCK), path = open("f", O_PATH),
        ap = open("f", O_WRONLY | O_APPEND);
    pipe(p);
    go("pwrite", one(IOCB_CMD_PWRITE, f, buf, 5000, 100));
    go("pread", one(IOCB_CMD_PREAD, f, in, 8192, 100));
    say("%c %c", in[0], in[4999]);
    say("position %ld", (long)lseek(f, 0, SEEK_CUR));
    go("pread past", one(IOCB_CMD_PREAD, f, in, 10, 99999));
    go("pread nothing", one(IOCB_CMD_PREAD, f, in, 0, 0));
    go("pread wild", one(IOCB_CMD_PREAD, f, BAD, 10, 0));
    go("pread kernel", one(IOCB_CMD_PREAD, f, (void *)-4096L, 10, 0));
    go("pwrite wild", one(IOCB_CMD_PWRITE, f, BAD, 10, 0));
    go("negative", one(IOCB_CMD_PREAD, f, in, 10, -1));
    go("far", one(IOCB_CMD_PREAD, f, in, 10, INT64_MAX - 3));
    go("long", one(IOCB_CMD_PREAD, f, in, -1, 0));
    go("bad fd", one(IOCB_CMD_PREAD, 99, in, 10, 0));
    go("read of w", one(IOCB_CMD_PREAD, w, in, 10, 0));
    go("write of r", one(IOCB_CMD_PWRITE, r, in, 10, 0));
    go("O_PATH", one(IOCB_CMD_PREAD, path, in, 10, 0));
    go("directory", one(IOCB_CMD_PREAD, d, in, 10, 0));
    go("append", one(IOCB_CMD_PWRITE, ap, buf, 3, 0));
    struct stat st;
    fstat(f, &st);
    say("size %ld", (long)st.st_size);
    struct iovec vec[] = {{in, 3}, {in + 3, 7}}, badvec[] = {{in, -1}};
    go("preadv", one(IOCB_CMD_PREADV, f, vec, 2, 100));
    go("pwritev", one(IOCB_CMD_PWRITEV, f, vec, 2, 0));
    go("preadv many", one(IOCB_CMD_PREADV, f, vec, 1025, 0));
    go("preadv wild", one(IOCB_CMD_PREADV, f, BAD, 1, 0));
    go("preadv long", one(IOCB_CMD_PREADV, f, badvec, 1, 0));
    go("preadv none", one(IOCB_CMD_PREADV, f, vec, 0, 0));
    go("fsync", one(IOCB_CMD_FSYNC, f, 0, 0, 0));
    go("fdsync", one(IOCB_CMD_FDSYNC, f, 0, 0, 0));
    go("fsync args", one(IOCB_CMD_FSYNC, f, 0, 1, 0));
    go("fsync pipe", one(IOCB_CMD_FSYNC, p[0], 0, 0, 0));
    go("op 4", one(4, f, in, 1, 0));
    go("noop", one(6, f, in, 1, 0));
    go("op 99", one(99, f, in, 1, 0));
    struct iocb x = one(IOCB_CMD_PREAD, f, in, 10, 0);
    x.aio_reserved2 = 1;
    go("reserved2", x);
    x.aio_reserved2 = 0;
    x.aio_flags = 0xf0;
    go("unknown flags", x);
    x.aio_flags = IOCB_FLAG_RESFD;
    x.aio_resfd = 99;
    go("resfd 99", x);
    x.aio_resfd = f;
    go("resfd file", x);
    x.aio_resfd = e;
    go("resfd", x);
    uint64_t n = 0;
    E(read(e, &n, 8));
    say("count %d", (int)n);
    x.aio_flags = 0;
    x.aio_rw_flags = 1 << 20;
    go("rw_flags", x);
    x.aio_rw_flags = RWF_DSYNC;
    x.aio_lio_opcode = IOCB_CMD_PWRITE;
    go("dsync", x);
    x.aio_rw_flags = RWF_APPEND;
    go("RWF_APPEND", x);
    fstat(f, &st);
    say("size %ld", (long)st.st_size);
    x.aio_rw_flags = 0;
    x.aio_flags = IOCB_FLAG_IOPRIO;
    x.aio_reqprio = 7 << 13;
    go("ioprio", x);
    x.aio_reqprio = 1 << 13;
    go("ioprio realtime", x);
    x.aio_reqprio = 2 << 13 | 3;
    go("ioprio best effort", x);
    // streams
    write(p[1], "hello", 5);
    go("pipe", one(IOCB_CMD_PREAD, p[0], in, 10, 0));
    go("pipe offset", one(IOCB_CMD_PWRITE, p[1], "abc", 3, 500));
    go("pipe again", one(IOCB_CMD_PREAD, p[0], in, 10, 3));
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    go("pipe empty", one(IOCB_CMD_PREAD, p[0], in, 10, 0));
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    go("socket write", one(IOCB_CMD_PWRITE, s[0], "abc", 3, 0));
    go("socket read", one(IOCB_CMD_PREAD, s[1], in, 10, 0));
    close(s[0]);
    signal(SIGPIPE, on);
    go("socket broken", one(IOCB_CMD_PWRITE, s[1], "abc", 3, 0));
    fcntl(p[0], F_SETFL, 0);
    CHILD("waits", ({
              if (fork() == 0) {
                  ms(50);
                  write(p[1], "late", 4);
                  _exit(0);
              }
              ctx = 0;
              setup(1, &ctx);
              go("pipe waits", one(IOCB_CMD_PREAD, p[0], in, 10, 0));
          }));
    CHILD("not the child's", ({ go("foreign", one(IOCB_CMD_PREAD, f, in, 10, 0)); }));
    // poll
    go("poll ready", one(IOCB_CMD_POLL, p[1], (void *)POLLOUT, 0, 0));
    go("poll file", one(IOCB_CMD_POLL, f, (void *)POLLIN, 0, 0));
    go("poll file nothing", one(IOCB_CMD_POLL, f, (void *)POLLPRI, 0, 0));
    go("poll wide", one(IOCB_CMD_POLL, p[1], (void *)0x10001, 0, 0));
    go("poll args", one(IOCB_CMD_POLL, p[1], (void *)POLLOUT, 1, 0));
    struct iocb q = one(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0), *qp = &q;
    E(submit(ctx, 1, &qp));
    E(getevents(ctx, 1, 1, ev, &soon));
    write(p[1], "x", 1);
    E(getevents(ctx, 1, 1, ev, NULL));
    say("%lld obj %d", (long long)ev[0].res, ev[0].obj == (uintptr_t)&q);
    read(p[0], in, 1);
    E(submit(ctx, 1, &qp));
    E(cancel(ctx, &x, ev));
    E(cancel(bad, &q, ev));
    E(cancel(ctx, BAD, ev));
    q.aio_key = 5;
    E(cancel(ctx, &q, ev));
    q.aio_key = 0;
    E(cancel(ctx, &q, ev));
    E(getevents(ctx, 1, 1, ev, &soon));
    say("cancelled %lld", (long long)ev[0].res);
    E(cancel(ctx, &q, ev));
    q.aio_flags = IOCB_FLAG_RESFD;
    q.aio_resfd = e;
    E(submit(ctx, 1, &qp));
    if (fork() == 0) {
        ms(50);
        write(p[1], "y", 1);
        _exit(0);
    }
    struct pollfd pf = {e, POLLIN};
    E(poll(&pf, 1, 5000));
    E(getevents(ctx, 1, 1, ev, NULL));
    wait(NULL);
    read(p[0], in, 1);
    // several at once
    struct iocb many[4];
    struct iocb *list[4];
    for (int i = 0; i < 4; i++) {
        many[i] = one(i == 2 ? 99 : IOCB_CMD_PREAD, f, in, i + 1, 0);
        list[i] = &many[i];
    }
    E(submit(ctx, 4, list));
    E(getevents(ctx, 1, 1, ev, NULL));
    say("first %lld", (long long)ev[0].res);
    E(getevents(ctx, 1, 8, ev, NULL));
    say("second %lld", (long long)ev[0].res);
    list[2] = BAD;
    E(submit(ctx, 4, list));
    E(getevents(ctx, 2, 8, BAD, NULL));
    E(getevents(ctx, 2, 8, ev, NULL));
    // signals
    struct sigaction sa = {.sa_handler = on};
    sigaction(SIGALRM, &sa, 0);
    struct itimerval it = {{0}, {0, 50000}};
    setitimer(ITIMER_REAL, &it, 0);
    E(getevents(ctx, 1, 1, ev, NULL));
    setitimer(ITIMER_REAL, &it, 0);
    struct {
        void *mask;
        size_t size;
    } sg = {0, 8};
    sigset_t set;
    sigemptyset(&set);
    sg.mask = &set;
    E(pgetevents(ctx, 1, 1, ev, NULL, &sg));
    sg.size = 9;
    E(pgetevents(ctx, 1, 1, ev, &zero, &sg));
    E(pgetevents(ctx, 1, 1, ev, &zero, BAD));
    E(pgetevents(ctx, 1, 1, ev, &soon, NULL));
    sigfillset(&set);
    sg.size = 8;
    it.it_value.tv_usec = 10000;
    setitimer(ITIMER_REAL, &it, 0);
    E(pgetevents(ctx, 1, 1, ev, &soon, &sg));
    // full
    struct iocb small = one(IOCB_CMD_PREAD, f, in, 1, 0), *sp = &small;
    long k = 0;
    while (submit(ctx, 1, &sp) == 1 && k < 100000)
        k++;
    say("full %d %s", k >= 8, name_of(errno));
    say("unread %d", (int)((ring->tail + ring->nr - ring->head) % ring->nr) == k);
    // the ring is read without the kernel
    ring->head = ring->tail;
    E(getevents(ctx, 0, 8, ev, &zero));
    E(submit(ctx, 1, &sp));
    E(getevents(ctx, 1, 8, ev, NULL));
    E(destroy(ctx));
    E(destroy(ctx));
    E(submit(ctx, 1, &sp));
    // ended while it waits
    other = 0;
    E(setup(1, &other));
    q.aio_flags = 0;
    E(submit(other, 1, &qp));
    E(destroy(other));
    E(close(p[0]));
    // exec and exit with a context in use
    CHILD("exit", ({
              ctx = 0;
              pipe(p);
              q.aio_fildes = p[0];
              setup(4, &ctx);
              submit(ctx, 1, &qp);
              _exit(3);
          }));
    CHILD("exec", ({
              ctx = 0;
              pipe(p);
              q.aio_fildes = p[0];
              setup(4, &ctx);
              submit(ctx, 1, &qp);
              execl("/bin/true", "true", NULL);
          }));
}
