// Which error comes first where descriptors are of the wrong kind, and calls that find none free.
#include "check.h"
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/un.h>
static void each(const char *what, int x, int f, int *p) {
    char b[100];
    struct iovec v[1] = {{b, 10}};
    loff_t none = 0, negative = -1, last = LONG_MAX, far = 20000, zero = 0;
    say("== %s", what);
    E(ftruncate(x, -1));
    E(preadv2(x, v, 1, 0, -1));
    E(pwritev2(x, v, 1, 0, -1));
    E(flock(x, 32 | LOCK_SH));
    E(sync_file_range(x, 0, 1, 7));
    E(fallocate(x, FALLOC_FL_PUNCH_HOLE, 0, 10));
    E(fallocate(x, FALLOC_FL_ZERO_RANGE | FALLOC_FL_PUNCH_HOLE, 0, 10));
    E(fallocate(x, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 0));
    E(splice(p[0], &none, x, 0, 10, SPLICE_F_NONBLOCK));
    E(splice(x, BAD, p[1], 0, 10, SPLICE_F_NONBLOCK));
    E(splice(x, &negative, p[1], 0, 10, SPLICE_F_NONBLOCK));
    E(splice(p[0], 0, p[1], 0, 10, SPLICE_F_NONBLOCK));
    E(tee(x, p[1], 10, SPLICE_F_NONBLOCK));
    E(tee(p[0], x, 10, SPLICE_F_NONBLOCK));
    E(vmsplice(x, v, -1, SPLICE_F_NONBLOCK));
    E(vmsplice(x, BAD, 1, SPLICE_F_NONBLOCK));
    E(vmsplice(x, v, 1025, SPLICE_F_NONBLOCK));
    E(sendfile(p[1], x, &negative, 5));
    E(sendfile(p[1], x, BAD, 5));
    E(sendfile(-1, x, &negative, 5));
    E(copy_file_range(x, &zero, f, &far, 10, 1));
    E(copy_file_range(x, &negative, f, &far, 10, 0));
    E(copy_file_range(x, &none, f, &last, 10, 0));
    E(copy_file_range(x, &none, f, &none, 10, 0));
    E(copy_file_range(x, &none, f, &far, -1, 0));
    E(copy_file_range(f, &none, x, &negative, 10, 0));
    // Of what shares no blocks, and where it does not matter whether it could.
    int memory = memfd_create("m", 0);
    struct file_clone_range range = {x, 0, 10, 0};
    E(ioctl(f, FICLONE, x));
    E(ioctl(x, FICLONE, f));
    E(ioctl(x, FICLONE, -1));
    E(ioctl(memory, FICLONE, x));
    E(ioctl(p[1], FICLONE, x));
    E(ioctl(f, FICLONERANGE, &range));
    E(ioctl(f, FICLONERANGE, BAD));
    uint64_t dedupe[5000] = {0, 10, 1};
    E(ioctl(x, FIDEDUPERANGE, dedupe));
    E(ioctl(x, FIDEDUPERANGE, BAD));
    dedupe[2] = 127;
    E(ioctl(x, FIDEDUPERANGE, dedupe));
    dedupe[2] = 128;
    E(ioctl(x, FIDEDUPERANGE, dedupe));
    dedupe[2] = 1 | 1 << 20;
    E(ioctl(x, FIDEDUPERANGE, dedupe));
    // What only file systems with blocks can tell, and what can be frozen.
    char extents[4096] = {0};
    E(ioctl(x, _IOWR('f', 11, char[32]), extents));
    E(ioctl(x, _IOWR('f', 11, char[32]), BAD));
    E(ioctl(x, FITHAW, 0));
    int block = 0;
    E(ioctl(x, FIBMAP, &block));
    close(memory);
}
static void full(void) {
    struct sockaddr_un a = {AF_UNIX, "s"};
    struct rlimit r = {20, 20};
    int q[2], s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(s, (void *)&a, sizeof a);
    listen(s, 5);
    E(connect(c, (void *)&a, sizeof a));
    setrlimit(RLIMIT_NOFILE, &r);
    int last = -1;
    for (int d; (d = dup(0)) >= 0;)
        last = d;
    E(open("f", O_RDONLY));
    E(open("nosuch", O_RDONLY));
    E(open("new", O_CREAT | O_RDWR, 0666));
    E(access("new", F_OK));
    E(open("g", O_WRONLY | O_TRUNC));
    struct stat st;
    stat("g", &st);
    say("%ld bytes", (long)st.st_size);
    E(dup(0));
    E(fcntl(0, F_DUPFD, 0));
    E(fcntl(0, F_DUPFD, 20));
    E(dup2(0, 20));
    E(syscall(SYS_pipe2, q, 0));
    E(socket(AF_UNIX, SOCK_STREAM, 0));
    E(socketpair(AF_UNIX, SOCK_STREAM, 0, q));
    E(eventfd(0, 0));
    E(epoll_create1(0));
    E(timerfd_create(1, 0));
    E(memfd_create("x", 0));
    E(accept(s, 0, 0));
    E(write(c, "hi", 2));
    close(last);
    // The connection has waited.
    char b[9];
    Z(accept(s, 0, 0));
    E(read(last, b, 9));
}
int main(int c, char **v) {
    begin(v);
    char b[10000] = {0};
    int f = open("f", O_CREAT | O_RDWR, 0666), p[2], s[2];
    write(f, b, sizeof b);
    int g = open("g", O_CREAT | O_RDWR, 0666);
    write(g, b, 10);
    mkfifo("ff", 0666);
    pipe2(p, O_NONBLOCK);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    each("nothing", -1, f, p);
    each("both", g, f, p);
    each("itself", f, f, p);
    each("reads", open("g", O_RDONLY), f, p);
    each("writes", open("g", O_WRONLY), f, p);
    each("only named", open("g", O_PATH), f, p);
    each("folder", open(".", O_RDONLY), f, p);
    each("fifo", open("ff", O_RDWR | O_NONBLOCK), f, p);
    each("socket", s[0], f, p);
    full();
    return 0;
}
