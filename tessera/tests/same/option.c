// Options of sockets over IP: who has them, what they are at first, which values they take.
#include "check.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

static const int values[] = {0, 1, -1, -5, 3, 32767, 32768, 127, 128, 255, 256, 10, 75000, 1024};

static void told(int s, int level, int name) {
    int v = -7;
    socklen_t len = sizeof v;
    errno = 0;
    int r = getsockopt(s, level, name, &v, &len);
    say("  is %d %s %d, %d bytes", r, name_of(errno), v, len);
}

static void each(int domain, int type, int level, const int *names, int n, int count) {
    for (int i = 0; i < n; i++) {
        int s = socket(domain, type, 0);
        say("domain %d type %d: %d %d", domain, type, level, names[i]);
        told(s, level, names[i]);
        for (int k = 0; k < count; k++) {
            errno = 0;
            int r = setsockopt(s, level, names[i], &values[k], 4);
            say(" = %d: %d %s", values[k], r, name_of(errno));
            told(s, level, names[i]);
        }
        close(s);
    }
}

#define EACH(domain, type, level, count, ...)                                                      \
    do {                                                                                           \
        static const int names_[] = {__VA_ARGS__};                                                 \
        each(domain, type, level, names_, sizeof names_ / sizeof *names_, count);                  \
    } while (0)

static void numbers(int domain) {
    EACH(domain, SOCK_STREAM, SOL_TCP, 14, TCP_QUICKACK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT,
         TCP_USER_TIMEOUT, TCP_NODELAY, TCP_SYNCNT, TCP_DEFER_ACCEPT, TCP_MAXSEG, TCP_INQ,
         TCP_FASTOPEN_CONNECT, TCP_NOTSENT_LOWAT, TCP_THIN_LINEAR_TIMEOUTS, TCP_THIN_DUPACK,
         TCP_WINDOW_CLAMP, 99);
    EACH(domain, SOCK_STREAM, SOL_TCP, 5, TCP_LINGER2);
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        EACH(domain, type, SOL_SOCKET, 5, SO_KEEPALIVE, SO_OOBINLINE, SO_BROADCAST, SO_REUSEADDR,
             SO_REUSEPORT, SO_DONTROUTE, SO_PRIORITY, SO_SNDLOWAT, SO_PASSSEC, SO_ACCEPTCONN,
             SO_TYPE, SO_PROTOCOL, SO_DOMAIN, SO_NO_CHECK, SO_RXQ_OVFL, SO_WIFI_STATUS,
             SO_SELECT_ERR_QUEUE, SO_TIMESTAMP, SO_ERROR, SO_NOFCS, SO_DETACH_FILTER, 78, 79, 200);
        EACH(domain, type, SOL_SOCKET, 2, SO_RCVLOWAT, SO_BINDTOIFINDEX);
        EACH(domain, type, SOL_IP, 5, IP_TTL, IP_TOS, IP_MULTICAST_TTL, IP_MULTICAST_LOOP,
             IP_RECVERR, IP_MTU_DISCOVER, IP_MTU, IP_PKTINFO, IP_RECVOPTS, IP_RETOPTS, IP_HDRINCL,
             IP_TRANSPARENT, IP_FREEBIND, IP_MINTTL, IP_NODEFRAG, IP_BIND_ADDRESS_NO_PORT,
             IP_RECVFRAGSIZE, IP_ROUTER_ALERT, IP_UNICAST_IF, IP_PASSSEC, IP_MULTICAST_ALL, 77);
        EACH(domain, type, SOL_IPV6, 5, IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP,
             IPV6_MULTICAST_ALL, IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_RECVERR, IPV6_V6ONLY,
             IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVRTHDR, IPV6_RECVHOPOPTS,
             IPV6_RECVDSTOPTS, IPV6_TCLASS, IPV6_RECVTCLASS, IPV6_DONTFRAG, IPV6_AUTOFLOWLABEL,
             IPV6_MINHOPCOUNT, IPV6_TRANSPARENT, IPV6_UNICAST_IF, IPV6_FREEBIND,
             IPV6_RECVORIGDSTADDR, IPV6_RECVFRAGSIZE, IPV6_RECVPATHMTU, IPV6_ROUTER_ALERT);
    }
    EACH(domain, SOCK_DGRAM, SOL_TCP, 2, TCP_NODELAY);
    EACH(domain, SOCK_STREAM, SOL_UDP, 2, UDP_CORK);
    EACH(domain, SOCK_STREAM, 99, 2, 1);
    EACH(domain, SOCK_DGRAM, 99, 2, 1);
}

static void texts(int s) {
    // The one that every kernel has, and every user may choose.
    static const char *const names[] = {"reno", "no_such_one", "no_such_one_as_long", "", "renox"};
    char now[21];
    socklen_t len;
    for (int i = 0; i < 5; i++) {
        E(setsockopt(s, SOL_TCP, TCP_CONGESTION, names[i], strlen(names[i])));
        memset(now, '1', sizeof now);
        len = 16;
        E(getsockopt(s, SOL_TCP, TCP_CONGESTION, now, &len));
        say("%d %.16s %d", len, now, now[15]);
    }
    static const int rooms[] = {6, 21, 0};
    for (int i = 0; i < 3; i++) {
        len = rooms[i];
        E(getsockopt(s, SOL_TCP, TCP_CONGESTION, now, &len));
        say("%d", len);
    }
    E(setsockopt(s, SOL_TCP, TCP_ULP, "none", 4));
    len = sizeof now;
    E(getsockopt(s, SOL_TCP, TCP_ULP, now, &len));
    say("%d", len);
    E(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    static const int sizes[] = {20, 16, 15};
    for (int i = 0; i < 3; i++) {
        memset(now, 0, sizeof now);
        len = sizes[i];
        E(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, now, &len));
        say("%d %s", len, now);
    }
    told(s, SOL_SOCKET, SO_BINDTOIFINDEX);
    E(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "no_such_device_at_all", 21));
}

static void lingers(int s) {
    static const struct linger set[] = {{5, 5}, {0, 7}, {1, 0}, {0, 0}};
    struct linger now = {-1, -1};
    socklen_t len = sizeof now;
    E(getsockopt(s, SOL_SOCKET, SO_LINGER, &now, &len));
    say("%d %d %d", now.l_onoff, now.l_linger, len);
    for (int i = 0; i < 4; i++) {
        E(setsockopt(s, SOL_SOCKET, SO_LINGER, &set[i], sizeof now));
        E(getsockopt(s, SOL_SOCKET, SO_LINGER, &now, &len));
        say("%d %d", now.l_onoff, now.l_linger);
    }
    E(setsockopt(s, SOL_SOCKET, SO_LINGER, &set[0], 4));
}

static void kinds(int domain) {
    static const int protocols[] = {1, 2, 6, 17, 58, 132, 255, 256, 500, -1};
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++)
        for (int i = 0; i < 10; i++) {
            errno = 0;
            // Who may ping is the machine's to say.
            if (type == SOCK_DGRAM && (protocols[i] == 1 || protocols[i] == 58)) continue;
            int s = socket(domain, type, protocols[i]);
            say("type %d protocol %d: %s", type, protocols[i], s < 0 ? name_of(errno) : "there");
            close(s);
        }
}

// The level is looked at before anything in memory is.
static void levels(int s) {
    static const int levels[] = {SOL_IP, SOL_SOCKET, SOL_TCP, SOL_UDP, SOL_IPV6, 77, 270, -1};
    for (int i = 0; i < 8; i++) {
        int level = levels[i], v;
        socklen_t negative = -1, len = sizeof v;
        say("level %d", level);
        E(getsockopt(s, level, 9999, NULL, NULL));
        if (level != SOL_IPV6) E(getsockopt(s, level, 9999, &v, &negative));
        E(getsockopt(s, level, 9999, &v, &len));
        E(setsockopt(s, level, 9999, &v, -1));
        E(setsockopt(s, level, 9999, &v, sizeof v));
        if (level > SOL_IPV6) E(setsockopt(s, level, 9999, NULL, sizeof v));
    }
    close(s);
}

// Which buffers have a size that was chosen.
static void locked(int s) {
    static const int values[] = {3, 0, 2, 4, -1};
    int size = 20000;
    told(s, SOL_SOCKET, 72);
    E(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    told(s, SOL_SOCKET, 72);
    E(setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
    told(s, SOL_SOCKET, 72);
    for (int i = 0; i < 5; i++) {
        E(setsockopt(s, SOL_SOCKET, 72, &values[i], sizeof size));
        told(s, SOL_SOCKET, 72);
    }
    close(s);
}

int main(int c, char **v) {
    begin(v);
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        levels(socket(AF_UNIX, type, 0));
        levels(socket(AF_INET, type, 0));
        levels(socket(AF_INET6, type, 0));
    }
    locked(socket(AF_UNIX, SOCK_STREAM, 0));
    locked(socket(AF_INET, SOCK_STREAM, 0));
    levels(socket(AF_NETLINK, SOCK_RAW, 0));
    for (int domain = AF_INET; domain <= AF_INET6; domain += AF_INET6 - AF_INET) {
        numbers(domain);
        int s = socket(domain, SOCK_STREAM, 0);
        texts(s);
        lingers(s);
        kinds(domain);
        close(s);
    }
    return 0;
}
