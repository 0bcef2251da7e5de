// Random calls on sockets of AF_UNIX, from fixed seeds, and what poll(2) says of all of them.
#include "random.h"
#include <sys/un.h>

#define SEEDS 12
#define STEPS 500
#define SOCKETS 10

static int step, fds[SOCKETS], types[SOCKETS];
static const char *const names[] = {"a", "b", "c", "d/x", "nope/x"};

static void tell(const char *call, int k, long x, long r) {
    say("%d %s s%d %lx: %ld %s", step, call, k, x, r, r < 0 ? name_of(errno) : "");
}
#define CALL(call, k, x, value) (errno = 0, tell(call, k, x, (long)(value)))

static void keep(int k, int fd, int type) {
    if (fd < 0)
        return;
    if (fds[k] >= 0)
        close(fds[k]);
    fds[k] = fd, types[k] = type;
}

// A path, an abstract name, nothing, or another family.
static socklen_t address(struct sockaddr_un *a) {
    memset(a, 0, sizeof *a);
    a->sun_family = any(20) ? AF_UNIX : any(2) ? AF_UNSPEC : AF_INET;
    if (any(3) == 0) {
        a->sun_path[1] = 'a' + any(2);
        return sizeof a->sun_family + 2;
    }
    const char *name = ONE_OF(names);
    strcpy(a->sun_path, name);
    return sizeof a->sun_family + strlen(name) + 1;
}

static void make(int k) {
    static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    int type = ONE_OF(kinds), two[2], other = any(SOCKETS);
    if (any(2)) {
        int fd = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
        tell("socket", k, type, fd < 0 ? -1 : 0);
        keep(k, fd, type);
    } else if (other != k && socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, two) == 0) {
        tell("socketpair", k, other, 0);
        keep(k, two[0], type);
        keep(other, two[1], type);
    }
}

static void send_some(int k) {
    char bytes[3000];
    struct sockaddr_un a;
    int size = any(4) ? any(100) : any(sizeof bytes), flags = MSG_DONTWAIT | (any(6) ? 0 : MSG_MORE) | (any(8) ? 0 : MSG_EOR);
    memset(bytes, 'a' + any(26), sizeof bytes);
    if (any(3)) {
        CALL("send", k, size, send(fds[k], bytes, size, flags));
    } else {
        socklen_t len = address(&a);
        CALL("sendto", k, size, sendto(fds[k], bytes, size, flags, (void *)&a, len));
    }
}

static void receive_some(int k) {
    char bytes[4000] = "", control[200];
    struct sockaddr_un a;
    struct iovec v = {bytes, any(3) ? any(200) : sizeof bytes};
    struct msghdr m = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &v, .msg_iovlen = 1,
                       .msg_control = control, .msg_controllen = any(2) ? sizeof control : 0};
    int flags = MSG_DONTWAIT | (any(4) ? 0 : MSG_PEEK) | (any(4) ? 0 : MSG_TRUNC);
    errno = 0;
    long n = recvmsg(fds[k], &m, flags), sum = 0;
    tell("recvmsg", k, flags, n);
    if (n < 0)
        return;
    for (long i = 0; i < n && i < (long)v.iov_len; i++)
        sum = sum * 31 + bytes[i];
    // What a datagram's sender was called then and is called now may differ.
    say("%d  sum %lx flags %x name %d control %d", step, sum, m.msg_flags, types[k] == SOCK_DGRAM ? 0 : m.msg_namelen,
        (int)m.msg_controllen);
}

static void ask(int k) {
    static const int options[] = {SO_TYPE, SO_ERROR, SO_ACCEPTCONN, SO_REUSEADDR, SO_KEEPALIVE, SO_DOMAIN, SO_PROTOCOL,
                                  SO_PEEK_OFF, SO_RCVLOWAT, SO_PRIORITY, 999};
    struct sockaddr_un a = {0};
    socklen_t len = sizeof a;
    int option = ONE_OF(options), value = -7;
    switch (any(5)) {
    case 0: CALL("getsockname", k, 0, getsockname(fds[k], (void *)&a, &len)), say("%d  length %d", step, len); break;
    case 1: CALL("getpeername", k, 0, getpeername(fds[k], (void *)&a, &len)), say("%d  length %d", step, len); break;
    case 2: len = sizeof value, CALL("getsockopt", k, option, getsockopt(fds[k], SOL_SOCKET, option, &value, &len)), say("%d  value %d", step, value); break;
    case 3: value = any(3), CALL("setsockopt", k, option, setsockopt(fds[k], SOL_SOCKET, option, &value, any(5) ? 4 : any(9))); break;
    case 4: CALL("FIONREAD", k, 0, ioctl(fds[k], FIONREAD, &value)), say("%d  value %d", step, value); break;
    }
}

static void look_at_all(void) {
    for (int k = 0; k < SOCKETS; k++)
        if (fds[k] >= 0) {
            struct pollfd p = {fds[k], POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM | POLLRDBAND | POLLWRBAND, 0};
            poll(&p, 1, 0);
            say("%d poll s%d %x", step, k, p.revents);
        }
}

static void run(unsigned seed) {
    seed_with(seed);
    char dir[32];
    struct sockaddr_un a;
    snprintf(dir, sizeof dir, "seed%u", seed);
    mkdir(dir, 0755);
    chdir(dir);
    mkdir("d", 0755);
    memset(fds, -1, sizeof fds);
    for (step = 0; step < STEPS; step++) {
        int k = any(SOCKETS), other = any(SOCKETS), fd;
        socklen_t len;
        if (fds[k] < 0) {
            make(k);
            continue;
        }
        switch (any(18)) {
        case 0: len = address(&a), CALL("bind", k, len, bind(fds[k], (void *)&a, any(30) ? len : any(20))); break;
        case 1: CALL("listen", k, 0, listen(fds[k], any(4))); break;
        case 2 ... 4: len = address(&a), CALL("connect", k, len, connect(fds[k], (void *)&a, len)); break;
        case 5 ... 6:
            errno = 0, fd = accept4(fds[k], NULL, NULL, SOCK_NONBLOCK);
            tell("accept", k, other, fd < 0 ? -1 : 0);
            keep(other, fd, types[k]);
            break;
        case 7 ... 9: send_some(k); break;
        case 10 ... 12: receive_some(k); break;
        case 13: len = any(4), CALL("shutdown", k, len, shutdown(fds[k], len)); break;
        case 14: ask(k); break;
        case 15: look_at_all(); break;
        case 16: close(fds[k]), fds[k] = -1; break;
        case 17: CALL("unlink", 0, 0, unlink(ONE_OF(names))); break;
        }
    }
    look_at_all();
    for (int k = 0; k < SOCKETS; k++)
        if (fds[k] >= 0)
            close(fds[k]);
    chdir("..");
}

int main(int argc, char **argv) {
    begin(argv);
    signal(SIGPIPE, SIG_IGN);
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        run(seed);
    return 0;
}
