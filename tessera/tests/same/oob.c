// Urgent data of AF_UNIX streams, and UDP-Lite.
#include "net.h"
#include <linux/sockios.h>

static int p[2];

static void state(const char *what) {
    struct pollfd f = {p[1], POLLIN | POLLPRI | POLLRDHUP};
    int mark = -1;
    poll(&f, 1, 0);
    ioctl(p[1], SIOCATMARK, &mark);
    say("%s: events %x, at mark %d", what, f.revents, mark);
}

static void waiting(void) {
    int n = -1;
    ioctl(p[1], FIONREAD, &n);
    say("waiting %d", n);
}

static void get(const char *what, int len, int flags) {
    char b[100] = {0};
    struct iovec io = {b, len};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    errno = 0;
    long n = recvmsg(p[1], &m, flags | MSG_DONTWAIT);
    say("%s: %ld '%s' %s flags %x", what, n, b, name_of(n < 0 ? errno : 0), n < 0 ? 0 : m.msg_flags);
}

static void put(const char *text, int flags) {
    E(send(p[0], text, strlen(text), flags | MSG_NOSIGNAL));
}

static void again(const char *what) {
    if (p[0]) {
        close(p[0]);
        close(p[1]);
    }
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    say("%s", what);
}

static volatile int urged;

static void on_urgent(int s) { urged++; }

static void of_unix(void) {
    again("taken at its turn");
    get("none", 1, MSG_OOB);
    put("hello", MSG_OOB);
    state("sent");
    waiting();
    get("look", 1, MSG_OOB | MSG_PEEK);
    get("before", 10, 0);
    state("read");
    waiting();
    get("taken", 1, MSG_OOB);
    state("taken");
    waiting();
    get("again", 1, MSG_OOB);
    get("end", 5, 0);
    again("passed over");
    put("hello", MSG_OOB);
    put("world", 0);
    get("before", 10, 0);
    state("at it");
    get("after", 10, 0);
    state("past it");
    get("late", 1, MSG_OOB);
    again("taken before");
    put("hello", MSG_OOB);
    get("taken", 1, MSG_OOB);
    state("taken");
    waiting();
    put("world", 0);
    get("before", 10, 0);
    state("at it");
    get("after", 10, 0);
    again("two");
    put("ab", MSG_OOB);
    put("cd", MSG_OOB);
    state("two");
    get("one is like others", 10, 0);
    state("at it");
    get("alone", 10, 0);
    get("late", 1, MSG_OOB);
    again("in the stream");
    int on = 1;
    E(setsockopt(p[1], SOL_SOCKET, SO_OOBINLINE, &on, 4));
    put("abc", MSG_OOB);
    put("de", 0);
    state("sent");
    get("taken", 1, MSG_OOB);
    get("before", 10, 0);
    state("at it");
    get("with it", 10, 0);
    again("looked at");
    put("abc", MSG_OOB);
    get("look", 10, MSG_PEEK);
    put("de", 0);
    get("look", 10, MSG_PEEK);
    get("one", 1, 0);
    get("one", 1, 0);
    state("at it");
    get("look", 10, MSG_PEEK);
    get("rest", 10, 0);
    again("ended");
    put("x", MSG_OOB);
    put("", MSG_OOB);
    shutdown(p[0], SHUT_WR);
    state("ended");
    get("taken", 1, MSG_OOB);
    get("end", 10, 0);
    put("x", MSG_OOB);
    again("signals");
    signal(SIGURG, on_urgent);
    fcntl(p[1], F_SETOWN, getpid());
    put("x", MSG_OOB);
    ms(20);
    say("urged %d", urged);
    static const int kinds[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 2; i++) {
        socketpair(AF_UNIX, kinds[i], 0, p);
        put("x", MSG_OOB);
        get("none", 1, MSG_OOB);
    }
    p[0] = p[1] = socket(AF_UNIX, SOCK_STREAM, 0);
    put("x", MSG_OOB);
    get("none", 1, MSG_OOB);
}

static void option(int s, int level, int name, int v) {
    int now = -7;
    socklen_t len = sizeof now;
    errno = 0;
    int r = setsockopt(s, level, name, &v, sizeof v), e = errno;
    errno = 0;
    int g = getsockopt(s, level, name, &now, &len);
    say("option %d %d = %d: %d %s, now %d %s", level, name, v, r, name_of(e), g ? 0 : now, name_of(errno));
}

static int lite(void) {
    for (int f = 0; f < 2; f++) {
        int family = f ? AF_INET6 : AF_INET, s = socket(family, SOCK_DGRAM, 136);
        if (s < 0) return UNKNOWN;
        int u = socket(family, SOCK_DGRAM, 0), o = socket(family, SOCK_DGRAM, 136);
        struct sockaddr_storage a;
        socklen_t len = local(family, 1, 3000, &a);
        E(bind(s, (void *)&a, len));
        E(bind(u, (void *)&a, len));
        E(bind(o, (void *)&a, len));
        E(sendto(o, "lite", 4, 0, (void *)&a, len));
        p[1] = s;
        get("of its own", 10, 0);
        p[1] = u;
        get("not of UDP", 10, 0);
        option(s, SOL_SOCKET, SO_PROTOCOL, 1);
        for (int name = 10; name < 12; name++)
            for (int v = 0; v < 5; v++) option(s, 136, name, (int[]){-1, 3, 20, 70000, 0}[v]);
        option(u, 136, 10, 20);
        option(u, IPPROTO_UDP, 10, 20);
        option(s, 136, 99, 20);
        len = local(family, 1, 3001, &a);
        E(connect(o, (void *)&a, len));
        E(send(o, "x", 1, 0));
        E(send(o, "x", 1, 0));
        close(s);
        close(u);
        close(o);
    }
    return 0;
}

int main(int c, char **v) {
    begin(v);
    own_network();
    of_unix();
    return lite();
}
