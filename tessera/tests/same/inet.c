// What travels with datagrams over IP: stamps, addresses, hops, classes; and cutting them up.
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/un.h>

static union {
    struct cmsghdr align;
    char bytes[512];
} control;

// Prints a message and all that came with it.
static void got(const char *what, int s, size_t room) {
    char data[70000];
    struct iovec io = {data, sizeof data};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = room ? &control : NULL,
                       .msg_controllen = room};
    memset(&control, 0x55, sizeof control);
    errno = 0;
    long n = recvmsg(s, &m, MSG_DONTWAIT);
    say("%s: %ld %s flags %x control %zu", what, n, name_of(errno), m.msg_flags, m.msg_controllen);
    if (n < 0)
        return;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        char text[200] = "";
        size_t len = c->cmsg_len - CMSG_LEN(0);
        int ports = c->cmsg_level == SOL_IP && c->cmsg_type == IP_ORIGDSTADDR;
        if (c->cmsg_level == SOL_SOCKET && len < 16) {
            strcpy(text, "cut");
        } else if (c->cmsg_level == SOL_SOCKET) {
            long at[2];
            memcpy(at, CMSG_DATA(c), 16);
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            sprintf(text, "recent %d", labs(now.tv_sec - at[0]) <= 1 && at[1] < 1000000000);
        } else {
            for (size_t i = 0; i < len && i < 40; i++)
                sprintf(text + 2 * i, ports && (i == 2 || i == 3) ? "pp" : "%02x",
                        CMSG_DATA(c)[i]);
        }
        say("  level %d type %d length %zu %s", c->cmsg_level, c->cmsg_type, c->cmsg_len, text);
    }
}

// Sends with one ancillary message.
static void with(int s, int level, int type, const void *data, size_t len) {
    memset(&control, 0, sizeof control);
    struct iovec io = {"x", 1};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control,
                       .msg_controllen = CMSG_SPACE(len)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    errno = 0;
    long n = sendmsg(s, &m, 0);
    say("send level %d type %d length %zu: %ld %s", level, type, len, n, name_of(errno));
}

static void option(int s, int level, int name, int v) {
    int now = -7;
    socklen_t len = sizeof now;
    errno = 0;
    int r = setsockopt(s, level, name, &v, sizeof v), e = errno;
    getsockopt(s, level, name, &now, &len);
    say("option %d %d = %d: %d %s, now %d", level, name, v, r, name_of(e), now);
}

// Addresses of others can be bound to by who asks for it at either level.
static void elsewhere(void) {
    struct sockaddr_in at4 = {AF_INET, 0, {htonl(0xc6336407)}};
    struct sockaddr_in6 at6 = {AF_INET6};
    at6.sin6_addr.s6_addr[0] = 0x20;
    at6.sin6_addr.s6_addr[15] = 7;
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++)
        for (int how = 0; how < 4; how++) {
            int s4 = socket(AF_INET, type, 0), s6 = socket(AF_INET6, type, 0), on = 1, v = -1;
            socklen_t len = sizeof v;
            static const int levels[] = {SOL_SOCKET, SOL_IP, SOL_IPV6, SOL_IP},
                             names[] = {SO_KEEPALIVE, IP_FREEBIND, 78, IP_TRANSPARENT};
            setsockopt(s4, levels[how], names[how], &on, sizeof on);
            setsockopt(s6, levels[how], names[how], &on, sizeof on);
            E(bind(s4, (void *)&at4, sizeof at4));
            E(bind(s6, (void *)&at6, sizeof at6));
            E(getsockopt(s6, SOL_IPV6, 78, &v, &len));
            say("how %d: %d", how, v);
            close(s4);
            close(s6);
        }
}

static int receiver(int domain, int *sender) {
    int s = socket(domain, SOCK_DGRAM, 0);
    struct sockaddr_storage at = {.ss_family = domain};
    if (domain == AF_INET6)
        ((struct sockaddr_in6 *)&at)->sin6_addr = in6addr_loopback;
    else
        ((struct sockaddr_in *)&at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = domain == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    E(bind(s, (void *)&at, len));
    getsockname(s, (void *)&at, &len);
    *sender = socket(domain, SOCK_DGRAM, 0);
    int v4 = domain == AF_INET, mtu = -1;
    socklen_t room = sizeof mtu;
    E(getsockopt(*sender, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &room));
    E(connect(*sender, (void *)&at, len));
    E(getsockopt(*sender, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &room));
    say("mtu %d", mtu);
    return s;
}

static void stamps(int r, int s) {
    static const int names[] = {29, 35, 63, 64};
    send(s, "early", 5, 0);
    for (int i = 0; i < 4; i++) {
        option(r, SOL_SOCKET, names[i], 5);
        for (int k = 0; k < 4; k++) {
            int v = -1;
            socklen_t len = sizeof v;
            getsockopt(r, SOL_SOCKET, names[k], &v, &len);
            say("  %d is %d", names[k], v);
        }
        send(s, "abc", 3, 0);
        got("stamped", r, sizeof control);
    }
    static const size_t rooms[] = {0, 15, 16, 17, 24, 31, 32, 40};
    for (int i = 0; i < 8; i++) {
        send(s, "abc", 3, 0);
        got("cut", r, rooms[i]);
    }
    got("the last", r, sizeof control);
    option(r, SOL_SOCKET, 63, 0);
}

static void v4(void) {
    int s, r = receiver(AF_INET, &s);
    stamps(r, s);
    static const int ask[] = {IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_RECVORIGDSTADDR};
    for (int i = 0; i < 4; i++)
        option(r, SOL_IP, ask[i], 3);
    send(s, "all", 3, 0);
    got("all", r, sizeof control);
    option(r, SOL_SOCKET, SO_TIMESTAMP, 1);
    send(s, "and when", 8, 0);
    got("and when", r, sizeof control);
    option(r, SOL_SOCKET, SO_TIMESTAMP, 0);
    static const int bad[] = {0, -1, 255, 256, 7};
    for (int i = 0; i < 5; i++) {
        option(s, SOL_IP, IP_TTL, bad[i]);
        option(s, SOL_IP, IP_TOS, bad[i]);
    }
    option(s, SOL_IP, IP_TOS, 0x48);
    send(s, "x", 1, 0);
    got("changed", r, sizeof control);
    int v = 9;
    with(s, SOL_IP, IP_TTL, &v, 4);
    with(s, SOL_IP, IP_TOS, &v, 4);
    with(s, SOL_IP, IP_TOS, &v, 1);
    with(s, SOL_IP, IP_TTL, &v, 1);
    with(s, SOL_IP, 99, &v, 4);
    with(s, SOL_IPV6, IPV6_HOPLIMIT, &v, 4);
    with(s, SOL_SOCKET, SCM_RIGHTS, &v, 4);
    with(s, SOL_SOCKET, 99, &v, 4);
    with(s, 77, 99, &v, 4);
    v = 256;
    with(s, SOL_IP, IP_TTL, &v, 4);
    with(s, SOL_IP, IP_TOS, &v, 4);
    for (int i = 0; i < 6; i++)
        got("one", r, sizeof control);
    struct in_pktinfo from = {.ipi_spec_dst.s_addr = htonl(0x7f000005)};
    with(s, SOL_IP, IP_PKTINFO, &from, sizeof from);
    with(s, SOL_IP, IP_PKTINFO, &from, 8);
    struct sockaddr_in who;
    socklen_t len = sizeof who;
    char b[10];
    E(recvfrom(r, b, 10, MSG_DONTWAIT, (void *)&who, &len));
    say("from %x", ntohl(who.sin_addr.s_addr));
    from.ipi_spec_dst.s_addr = htonl(0x08080808);
    with(s, SOL_IP, IP_PKTINFO, &from, sizeof from);
    for (int i = 0; i < 4; i++)
        option(r, SOL_IP, ask[i], 0);
    send(s, "plain", 5, 0);
    got("plain", r, sizeof control);
    unsigned short size = 3;
    with(s, SOL_UDP, UDP_SEGMENT, &size, 2);
    with(s, SOL_UDP, UDP_SEGMENT, &size, 1);
    with(s, SOL_UDP, 77, &size, 2);
    got("whole", r, 0);
    option(s, SOL_UDP, UDP_SEGMENT, -1);
    option(s, SOL_UDP, UDP_SEGMENT, 65536);
    option(s, SOL_UDP, UDP_SEGMENT, 3);
    E(send(s, "abcdefgh", 8, 0));
    for (int i = 0; i < 4; i++)
        got("part", r, 0);
    E(send(s, "abc", 3, 0));
    got("exactly", r, 0);
    close(r);
    close(s);
}

static void v6(void) {
    int s, r = receiver(AF_INET6, &s);
    stamps(r, s);
    static const int ask[] = {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS};
    for (int i = 0; i < 3; i++)
        option(r, SOL_IPV6, ask[i], 3);
    send(s, "all", 3, 0);
    got("all", r, sizeof control);
    static const int bad[] = {-2, -1, 0, 255, 256, 7};
    for (int i = 0; i < 6; i++) {
        option(s, SOL_IPV6, IPV6_UNICAST_HOPS, bad[i]);
        option(s, SOL_IPV6, IPV6_TCLASS, bad[i]);
    }
    send(s, "x", 1, 0);
    got("changed", r, sizeof control);
    int v = 9;
    with(s, SOL_IPV6, IPV6_HOPLIMIT, &v, 4);
    with(s, SOL_IPV6, IPV6_TCLASS, &v, 4);
    with(s, SOL_IPV6, IPV6_TCLASS, &v, 1);
    with(s, SOL_IPV6, 99, &v, 4);
    v = -1;
    with(s, SOL_IPV6, IPV6_HOPLIMIT, &v, 4);
    v = 300;
    with(s, SOL_IPV6, IPV6_HOPLIMIT, &v, 4);
    struct in6_pktinfo from = {.ipi6_addr = in6addr_loopback};
    with(s, SOL_IPV6, IPV6_PKTINFO, &from, sizeof from);
    with(s, SOL_IPV6, IPV6_PKTINFO, &from, 16);
    for (int i = 0; i < 5; i++)
        got("one", r, sizeof control);
    close(r);
    close(s);
}

// An IPv4 sender to a socket of IPv6.
static void mapped(void) {
    int r = socket(AF_INET6, SOCK_DGRAM, 0), s = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in6 at = {.sin6_family = AF_INET6};
    socklen_t len = sizeof at;
    E(bind(r, (void *)&at, len));
    getsockname(r, (void *)&at, &len);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = at.sin6_port,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    E(connect(s, (void *)&to, sizeof to));
    option(r, SOL_IPV6, IPV6_RECVPKTINFO, 1);
    option(r, SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
    option(r, SOL_IP, IP_PKTINFO, 1);
    option(r, SOL_IP, IP_RECVTTL, 1);
    send(s, "x", 1, 0);
    got("mapped", r, sizeof control);
}

static void others(void) {
    int p[2];
    for (int kind = SOCK_STREAM; kind <= SOCK_SEQPACKET; kind += kind == 1 ? 1 : 3) {
        socketpair(AF_UNIX, kind, 0, p);
        option(p[0], SOL_SOCKET, SO_TIMESTAMP, 1);
        option(p[0], SOL_IP, IP_PKTINFO, 1);
        write(p[1], "x", 1);
        got("unix", p[0], sizeof control);
    }
}

int main(int c, char **v) {
    begin(v);
    elsewhere();
    v4();
    v6();
    mapped();
    others();
    return 0;
}
