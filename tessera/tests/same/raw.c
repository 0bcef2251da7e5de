// Raw and ping sockets over a loopback interface of their own.
#include "net.h"
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

#define ICMP_FILTER 1
#define ICMPV6_FILTER 1
#define SOL_ICMPV6 58

static unsigned char data[70000];
static int family;

static void hex(const char *what, const unsigned char *p, int n) {
    char text[400] = "";
    for (int i = 0; i < n && i < 100; i++) sprintf(text + 2 * i, "%02x", p[i]);
    say("%s: %s", what, text);
}

// What lies in a queue. Numbers of packets vary, and with them the sum of a header.
static void got(const char *what, int s, int flags) {
    int protocol = -1;
    socklen_t protocol_len = sizeof protocol;
    getsockopt(s, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_len);
    for (int i = 0; i < 8; i++) {
        struct sockaddr_storage from = {0};
        union {
            struct cmsghdr align;
            char bytes[512];
        } control;
        struct iovec io = {data, sizeof data};
        struct msghdr m = {&from, sizeof from, &io, 1, &control, sizeof control};
        errno = 0;
        long n = recvmsg(s, &m, MSG_DONTWAIT | flags);
        if (n < 0) {
            say("%s: %s", what, name_of(errno));
            return;
        }
        char text[64] = "";
        inet_ntop(from.ss_family,
                  from.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&from)->sin6_addr
                                             : (void *)&((struct sockaddr_in *)&from)->sin_addr,
                  text, sizeof text);
        say("%s: %ld bytes flags %x from %s port %d, %d", what, n, m.msg_flags, text,
            ntohs(((struct sockaddr_in *)&from)->sin_port), m.msg_namelen);
        if (n >= 20 && data[0] >> 4 == 4 && family == AF_INET && !(flags & MSG_ERRQUEUE)) {
            say(" header sums to %x, fragments %02x%02x", sum_of(data, (data[0] & 15) * 4), data[6],
                data[7]);
            memset(data + 4, 0, 2);
            memset(data + 10, 0, 2);
            // What an error brings back.
            if (n >= 48 && data[9] == 1 && data[20] == 3) {
                memset(data + 22, 0, 2);
                memset(data + 32, 0, 2);
                memset(data + 38, 0, 2);
                if (data[37] == 17) memset(data + 54, 0, 2);
            }
            // Over this interface nobody needs the sum of a datagram.
            if (data[9] == 17) memset(data + 26, 0, 2);
        }
        if (family == AF_INET6 && protocol == 17 && n >= 8) memset(data + 6, 0, 2);
        // The label of a flow.
        if (family == AF_INET6 && protocol == 58 && n >= 56 && data[0] == 1) {
            memset(data + 2, 0, 2);
            memset(data + 9, 0, 3);
            memset(data + 54, 0, 2);
        }
        hex(" data", data, n);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            say(" level %d type %d", c->cmsg_level, c->cmsg_type);
            hex("  it says", CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
        }
        if (flags & MSG_PEEK) return;
    }
}

static void names(const char *what, int s) {
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;
    errno = 0;
    int r = getsockname(s, (void *)&a, &len);
    say("%s: own %d %d bytes", what, r, len);
    hex(" own", (void *)&a, len);
    len = sizeof a;
    r = getpeername(s, (void *)&a, &len);
    say("%s: peer %d %s", what, r, r ? name_of(errno) : "");
}

static long to(int s, const void *p, int n, unsigned last, int port) {
    struct sockaddr_storage a;
    socklen_t len = local(family, last, port, &a);
    return sendto(s, p, n, 0, (void *)&a, len);
}

static void option(int s, int level, int name, int v) {
    int now = -7;
    socklen_t len = sizeof now;
    errno = 0;
    int r = setsockopt(s, level, name, &v, sizeof v), e = errno;
    errno = 0;
    int g = getsockopt(s, level, name, &now, &len);
    say("option %d %d = %d: %d %s, now %d %s, %d, %d bytes", level, name, v, r, name_of(e), g,
        name_of(errno), g ? 0 : now, len);
}

// Which there are, for whom.
static void kinds(void) {
    static const int protocols[] = {0, 1, 2, 6, 17, 58, 253, 255, 256, 262, 263, -1};
    for (int f = 0; f < 2; f++)
        for (int type = 0; type < 7; type++)
            for (int i = 0; i < 12; i++) {
                if (protocols[i] == 262 && type == SOCK_STREAM) continue;
                errno = 0;
                int s = socket(f ? AF_INET6 : AF_INET, type, protocols[i]), is = -1;
                socklen_t len = sizeof is;
                int e = errno;
                if (s >= 0) getsockopt(s, SOL_SOCKET, SO_PROTOCOL, &is, &len);
                say("family %d type %d protocol %d: %s %d", f, type, protocols[i], name_of(e), is);
                if (s >= 0) close(s);
            }
    int p[2];
    E(socketpair(AF_INET, SOCK_RAW, 1, p));
}

static int icmp(void) { return family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6; }

// An echo request without a sum.
static int request(unsigned char *p, int id, int seq, int bytes) {
    memset(p, 0, 8);
    p[0] = family == AF_INET ? 8 : 128;
    p[4] = id >> 8;
    p[5] = id;
    p[7] = seq;
    for (int i = 0; i < bytes; i++) p[8 + i] = i;
    if (family == AF_INET) *(unsigned short *)(p + 2) = sum_of(p, 8 + bytes);
    return 8 + bytes;
}

static void echoes(void) {
    unsigned char p[200];
    int s = socket(family, SOCK_RAW, icmp()), other = socket(family, SOCK_RAW, icmp()), on = 1;
    names("new", s);
    E(listen(s, 1));
    E(accept(s, NULL, NULL));
    int n = request(p, 77, 1, 5);
    E(to(s, p, n, 1, 0));
    got("both", s, MSG_PEEK);
    int waiting = -1;
    E(ioctl(s, FIONREAD, &waiting));
    say("waiting %d", waiting);
    got("both", s, 0);
    got("other", other, 0);
    // Wrong sums find only raw sockets.
    p[2] ^= 1;
    E(to(s, p, n, 1, 0));
    got("broken", s, 0);
    got("broken", other, 0);
    E(to(s, p, 3, 1, 0));
    E(to(s, p, 0, 1, 0));
    got("short", s, 0);
    got("short", other, 0);
    if (family == AF_INET) {
        E(setsockopt(other, SOL_IP, IP_PKTINFO, &on, 4));
        E(setsockopt(other, SOL_IP, IP_RECVTTL, &on, 4));
        E(setsockopt(other, SOL_IP, IP_RECVTOS, &on, 4));
        option(s, SOL_IP, IP_TTL, 7);
        option(s, SOL_IP, IP_TOS, 0x10);
    } else {
        E(setsockopt(other, SOL_IPV6, IPV6_RECVPKTINFO, &on, 4));
        E(setsockopt(other, SOL_IPV6, IPV6_RECVHOPLIMIT, &on, 4));
        E(setsockopt(other, SOL_IPV6, IPV6_RECVTCLASS, &on, 4));
        E(setsockopt(other, SOL_IPV6, 2, &on, 4));
        E(setsockopt(other, SOL_IPV6, 8, &on, 4));
        option(s, SOL_IPV6, IPV6_UNICAST_HOPS, 7);
        option(s, SOL_IPV6, IPV6_TCLASS, 0x10);
    }
    n = request(p, 78, 2, 3);
    E(to(s, p, n, 2, 0));
    got("what came along", other, 0);
    // Neither replies nor errors, and who is bound or connected elsewhere hears nothing.
    unsigned filter[8] = {~(1u << 8), -1, -1, -1, ~1u, -1, -1, -1};
    int level = family == AF_INET ? SOL_RAW : SOL_ICMPV6;
    E(setsockopt(other, level, ICMP_FILTER, filter, sizeof filter));
    memset(filter, 0x11, sizeof filter);
    socklen_t len = sizeof filter;
    E(getsockopt(other, level, ICMP_FILTER, filter, &len));
    hex("filter", (void *)filter, len);
    len = 3;
    E(getsockopt(other, level, ICMP_FILTER, filter, &len));
    say("%d bytes", len);
    E(setsockopt(other, level, ICMP_FILTER, filter, 1));
    E(setsockopt(other, level, 2, filter, 4));
    got("before", s, 0);
    E(to(s, p, n, 1, 0));
    got("requests alone", other, 0);
    got("all", s, 0);
    close(other);
    struct sockaddr_storage a;
    len = local(family, 2, 9, &a);
    other = socket(family, SOCK_RAW, icmp());
    E(bind(other, (void *)&a, len));
    names("bound", other);
    E(bind(other, (void *)&a, 3));
    a.ss_family = AF_UNIX;
    E(bind(other, (void *)&a, len));
    E(to(s, p, n, 1, 0));
    got("bound elsewhere", other, 0);
    if (family == AF_INET) {
        E(to(s, p, n, 2, 0));
        got("bound here", other, 0);
    }
    close(other);
    other = socket(family, SOCK_RAW, icmp());
    len = local(family, 3, 9, &a);
    E(connect(other, (void *)&a, len));
    names("connected", other);
    E(send(other, p, n, 0));
    got("connected", other, 0);
    E(to(s, p, n, 1, 0));
    got("connected elsewhere", other, 0);
    E(bind(other, (void *)&a, len));
    a.ss_family = AF_UNSPEC;
    E(connect(other, (void *)&a, len));
    names("no more", other);
    E(send(other, p, n, 0));
    E(to(other, p, n, 1, 0));
    got("no more", other, 0);
    E(shutdown(s, SHUT_RD));
    close(s);
    close(other);
}

static void addresses(void) {
    unsigned char p[100];
    int n = request(p, 5, 5, 0), s = socket(family, SOCK_RAW, icmp());
    struct sockaddr_storage a;
    socklen_t len = local(family, 1, 0, &a);
    E(send(s, p, n, 0));
    E(sendto(s, p, n, 0, (void *)&a, 7));
    E(sendto(s, p, n, 0, (void *)&a, len - 4));
    E(sendto(s, p, n, MSG_OOB, (void *)&a, len));
    a.ss_family = AF_UNIX;
    E(sendto(s, p, n, 0, (void *)&a, len));
    a.ss_family = AF_UNSPEC;
    E(sendto(s, p, n, 0, (void *)&a, len));
    E(to(s, BAD, n, 1, 0));
    E(to(s, data, 65515, 1, 0));
    E(to(s, data, 65516, 1, 0));
    E(to(s, data, 65536, 1, 0));
    if (family == AF_INET) {
        struct sockaddr_in far = {AF_INET, 0, {htonl(0x0a000001)}}, all = {AF_INET, 0, {-1}};
        E(sendto(s, p, n, 0, (void *)&far, sizeof far));
        E(bind(s, (void *)&far, sizeof far));
        E(connect(s, (void *)&far, sizeof far));
        all.sin_addr.s_addr = htonl(0x7fffffff);
        E(sendto(s, p, n, 0, (void *)&all, sizeof all));
        option(s, SOL_SOCKET, SO_BROADCAST, 1);
        E(sendto(s, p, n, 0, (void *)&all, sizeof all));
    } else {
        struct sockaddr_in6 six = {AF_INET6};
        inet_pton(AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr);
        E(bind(s, (void *)&six, sizeof six));
        inet_pton(AF_INET6, "2001:db8::1", &six.sin6_addr);
        E(bind(s, (void *)&six, sizeof six));
        E(sendto(s, p, n, 0, (void *)&six, sizeof six));
        E(to(s, p, n, 1, 58));
        E(to(s, p, n, 1, 59));
        E(to(s, p, n, 1, 300));
    }
    close(s);
}

// What nobody takes comes back.
static void protocols(void) {
    int s = socket(family, SOCK_RAW, 253), icmps = socket(family, SOCK_RAW, icmp()), on = 1;
    struct sockaddr_storage a;
    E(to(s, "abcdefgh", 8, 1, 0));
    got("taken", s, 0);
    got("nothing back", icmps, 0);
    socklen_t len = local(family, 9, 0, &a);
    E(bind(s, (void *)&a, len));
    if (family == AF_INET) {
        E(to(s, "abcdefgh", 8, 1, 0));
        got("back", icmps, 0);
        got("not connected", s, 0);
        E(setsockopt(s, SOL_IP, IP_RECVERR, &on, 4));
        E(to(s, "abcdefgh", 8, 1, 0));
        E(to(s, "abcdefgh", 8, 1, 0));
        got("back", icmps, 0);
        E(to(s, "abcdefgh", 8, 1, 0));
        got("error", s, MSG_ERRQUEUE);
    }
    close(s);
    // A sum of one's own.
    s = socket(family, SOCK_RAW, 253);
    option(s, SOL_IPV6, IPV6_CHECKSUM, 2);
    option(s, SOL_RAW, IPV6_CHECKSUM, 4);
    option(s, SOL_RAW, IPV6_CHECKSUM, 3);
    E(to(s, "\1\2\3\4\5\6\7\x8", 8, 1, 0));
    got("summed", s, 0);
    E(to(s, "\1\2\3\4\5", 5, 1, 0));
    option(s, SOL_RAW, IPV6_CHECKSUM, -5);
    E(to(s, "\1\2\3\4\5", 5, 1, 0));
    got("not summed", s, 0);
    close(s);
    option(icmps, SOL_IPV6, IPV6_CHECKSUM, 2);
    option(icmps, SOL_RAW, IPV6_CHECKSUM, 2);
    option(icmps, IPPROTO_UDP, 1, 1);
    option(icmps, SOL_IP, IP_HDRINCL, 1);
    option(icmps, SOL_IPV6, IPV6_HDRINCL, 1);
    option(icmps, SOL_RAW, 77, 1);
    option(icmps, SOL_ICMPV6, 1, 0);
    option(icmps, SOL_ICMPV6, 9, 0);
    option(icmps, IPPROTO_TCP, 1, 1);
    close(icmps);
}

// Datagrams that are made by hand, and those of others.
static void datagrams(void) {
    int udp = socket(family, SOCK_DGRAM, 0), raw = socket(family, SOCK_RAW, IPPROTO_UDP);
    int icmps = socket(family, SOCK_RAW, icmp()), other = socket(family, SOCK_DGRAM, 0);
    struct sockaddr_storage a;
    socklen_t len = local(family, 1, 2000, &a);
    E(bind(udp, (void *)&a, len));
    len = local(family, 1, 2001, &a);
    E(bind(other, (void *)&a, len));
    E(to(other, "hello", 5, 1, 2000));
    got("seen", raw, 0);
    got("come", udp, 0);
    E(to(other, "", 0, 1, 2002));
    got("seen", raw, 0);
    got("back", icmps, 0);
    unsigned char p[] = {7, 0xd1, 7, 0xd0, 0, 11, 0, 0, 'a', 'b', 'c'};
    option(raw, SOL_RAW, IPV6_CHECKSUM, 6);
    E(to(raw, p, sizeof p, 1, 0));
    got("by hand", udp, 0);
    p[3] = 0xd5;
    E(to(raw, p, sizeof p, 1, 0));
    got("by hand", raw, 0);
    got("back", icmps, 0);
    p[5] = 12;
    E(to(raw, p, sizeof p, 1, 0));
    got("too long", icmps, 0);
    p[5] = 7;
    E(to(raw, p, sizeof p, 1, 0));
    got("too short", icmps, 0);
    E(to(raw, p, 5, 1, 0));
    got("no header", icmps, 0);
    close(udp);
    close(raw);
    close(icmps);
    close(other);
}

// Headers that are made by hand.
static void headers(void) {
    struct sockaddr_storage a;
    int n, s = socket(family, SOCK_RAW, IPPROTO_RAW), icmps = socket(family, SOCK_RAW, icmp());
    unsigned char p[100] = {0};
    names("whole", s);
    option(s, family == AF_INET ? SOL_IP : SOL_IPV6, family == AF_INET ? IP_HDRINCL : 36, 5);
    if (family == AF_INET) {
        p[0] = 0x45;
        p[1] = 4;
        p[8] = 33;
        p[9] = 1;
        p[16] = 127;
        p[19] = 3;
        n = 20 + request(p + 20, 9, 9, 2);
        E(to(s, p, n, 1, 0));
        got("filled in", icmps, 0);
        memcpy(p + 12, "\x0a\1\2\3", 4);
        p[4] = 1;
        p[2] = 0xee;
        E(to(s, p, n, 1, 0));
        got("of somebody else", icmps, 0);
        p[0] = 0x44;
        E(to(s, p, n, 1, 0));
        p[0] = 0x4f;
        E(to(s, p, n, 1, 0));
        p[0] = 0x55;
        E(to(s, p, n, 1, 0));
        got("none", icmps, 0);
    } else {
        p[0] = 0x60;
        p[5] = 8;
        p[6] = 58;
        p[7] = 3;
        p[23] = p[39] = 1;
        n = 40 + request(p + 40, 9, 9, 0);
        E(to(s, p, n, 1, 0));
        got("wrong sum", icmps, 0);
        p[5] = 9;
        E(to(s, p, n, 1, 0));
        p[5] = 7;
        E(to(s, p, n, 1, 0));
        got("lengths", icmps, 0);
    }
    E(to(s, p, 19, 1, 0));
    E(to(s, p, 39, 1, 0));
    E(to(s, data, 65535, 1, 0));
    E(to(s, data, 65536, 1, 0));
    E(to(s, data, 65537, 1, 0));
    got("itself", s, 0);
    option(s, family == AF_INET ? SOL_IP : SOL_IPV6, family == AF_INET ? IP_HDRINCL : 36, 0);
    E(to(s, "abc", 3, 1, 0));
    got("of protocol 255", s, 0);
    close(s);
    close(icmps);
}

// A user's way to send echo requests.
static void pings(void) {
    unsigned char p[100];
    char group[100];
    sprintf(group, "%d %d", getegid(), getegid());
    put_text("/proc/sys/net/ipv4/ping_group_range", group);
    int fd = open("/proc/sys/net/ipv4/ping_group_range", O_RDWR);
    memset(group, 0, sizeof group);
    E(read(fd, group, sizeof group - 1));
    say("range %s", group);
    close(fd);
    fd = open("/proc/sys/net/ipv4/ping_group_range", O_RDWR);
    E(write(fd, "x", 1));
    close(fd);
    fd = open("/proc/sys/net/ipv4/ping_group_range", O_RDWR);
    E(write(fd, "-1 5", 4));
    close(fd);
    int s = socket(family, SOCK_DGRAM, icmp()), other = socket(family, SOCK_DGRAM, icmp());
    names("new", s);
    struct sockaddr_storage a;
    socklen_t len = local(family, 1, 900, &a);
    E(bind(s, (void *)&a, len));
    E(bind(s, (void *)&a, len));
    names("bound", s);
    E(bind(other, (void *)&a, len));
    int n = request(p, 1, 2, 4);
    E(to(s, p, n, 1, 5));
    got("reply", s, 0);
    got("nothing", other, 0);
    E(to(other, p, n, 1, 5));
    got("nothing", s, 0);
    recv(other, data, 100, MSG_DONTWAIT);
    say("a number of its own %d", data[4] << 8 | data[5] ? 1 : 0);
    E(send(s, p, n, 0));
    E(to(s, p, 7, 1, 0));
    E(to(s, p, 65508 + 8, 1, 0));
    E(to(s, data, 65536, 1, 0));
    p[1] = 1;
    E(to(s, p, n, 1, 0));
    p[1] = 0;
    p[0] = 0;
    E(to(s, p, n, 1, 0));
    n = request(p, 1, 2, 4);
    E(sendto(s, p, n, 0, (void *)&a, 7));
    E(sendto(s, p, n, 0, (void *)&a, len - 4));
    E(sendto(s, p, n, MSG_OOB, (void *)&a, len));
    a.ss_family = AF_UNSPEC;
    E(sendto(s, p, n, 0, (void *)&a, len));
    option(s, IPPROTO_UDP, 1, 1);
    option(s, SOL_RAW, 1, 1);
    option(s, SOL_IP, IP_HDRINCL, 1);
    option(s, SOL_IP, IP_TTL, 5);
    option(s, SOL_ICMPV6, 1, 1);
    len = local(family, 3, 7, &a);
    E(connect(s, (void *)&a, len));
    names("connected", s);
    E(send(s, p, n, 0));
    got("reply", s, 0);
    int on = 1;
    E(setsockopt(s, SOL_IP, IP_RECVTTL, &on, 4));
    E(setsockopt(s, SOL_IPV6, IPV6_RECVHOPLIMIT, &on, 4));
    E(write(s, p, n));
    got("reply", s, 0);
    a.ss_family = AF_UNSPEC;
    E(connect(s, (void *)&a, len));
    names("no more", s);
    E(shutdown(s, SHUT_RDWR));
    close(s);
    close(other);
}

// The lines of sockets in /proc/net, without what varies.
static void listed(void) {
    static const char *const tables[] = {"raw", "raw6", "icmp", "icmp6"};
    char group[100];
    sprintf(group, "%d %d", getegid(), getegid());
    put_text("/proc/sys/net/ipv4/ping_group_range", group);
    int s[] = {socket(AF_INET, SOCK_RAW, 1), socket(AF_INET6, SOCK_RAW, 58),
               socket(AF_INET, SOCK_DGRAM, 1), socket(AF_INET6, SOCK_DGRAM, 58)};
    for (int i = 0; i < 4; i++) {
        struct sockaddr_storage a;
        socklen_t len = local(i % 2 ? AF_INET6 : AF_INET, 1, 5 + i, &a);
        if (i > 1) bind(s[i], (void *)&a, len);
        if (i == 3) connect(s[i], (void *)&a, len);
        char path[50], line[300], own[100], other[100];
        sprintf(path, "/proc/net/%s", tables[i]);
        FILE *f = fopen(path, "r");
        if (!fgets(line, sizeof line, f)) say("no head");
        say("%s %s", tables[i], line);
        struct stat st;
        fstat(s[i], &st);
        while (fgets(line, sizeof line, f)) {
            unsigned state, uid, rest;
            unsigned long ino;
            sscanf(line, " %*d: %s %s %x %*s %*s %*s %u %u %lu", own, other, &state, &uid, &rest,
                   &ino);
            say(" %s %s state %x uid %u inode %d", own, other, state, uid == getuid(),
                ino == st.st_ino);
        }
        fclose(f);
    }
    for (int i = 0; i < 4; i++) close(s[i]);
}

int main(int c, char **v) {
    begin(v);
    own_network();
    kinds();
    for (int i = 0; i < 2; i++) {
        family = i ? AF_INET6 : AF_INET;
        say("family %d", i);
        echoes();
        addresses();
        protocols();
        datagrams();
        headers();
        pings();
    }
    listed();
    set_interface(0);
    return 0;
}
