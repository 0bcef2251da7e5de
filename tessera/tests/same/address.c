// Addresses that the loopback interface is given beside its own, and what goes to and comes from
// them.
#include "check.h"
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>

static int net;

struct request {
    struct nlmsghdr head;
    union {
        struct ifaddrmsg address;
        struct rtmsg route;
    };
    char attributes[200];
};

static void add(struct request *r, int kind, const void *data, int len) {
    struct rtattr *a = (void *)r + NLMSG_ALIGN(r->head.nlmsg_len);
    a->rta_type = kind, a->rta_len = RTA_LENGTH(len);
    memcpy(RTA_DATA(a), data, len);
    r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

// Asks for a change of an address, and says what came back.
static void change(int kind, int flags, const char *text, int prefix) {
    char b[4096];
    int family = strchr(text, ':') ? AF_INET6 : AF_INET, size = family == AF_INET ? 4 : 16;
    struct request r = {{NLMSG_LENGTH(sizeof r.address), kind, NLM_F_REQUEST | NLM_F_ACK | flags, 7}};
    r.address = (struct ifaddrmsg){family, prefix, 0, 0, 1};
    inet_pton(family, text, b);
    add(&r, IFA_LOCAL, b, size), add(&r, IFA_ADDRESS, b, size);
    send(net, &r, r.head.nlmsg_len, 0);
    recv(net, b, sizeof b, 0);
    struct nlmsgerr *e = NLMSG_DATA((struct nlmsghdr *)b);
    say("%s %s/%d %x: %s", kind == RTM_NEWADDR ? "add" : "remove", text, prefix, flags, name_of(-e->error));
}

static const char *text(int family, void *data, char *out) {
    return data ? inet_ntop(family, data, out, 60) : "-";
}

// All addresses, or all routes.
static void list(int kind) {
    char b[32768], x[60], y[60];
    struct request r = {{NLMSG_LENGTH(sizeof r.route), kind, NLM_F_REQUEST | NLM_F_DUMP, 8}};
    send(net, &r, r.head.nlmsg_len, 0);
    for (;;) {
        int n = recv(net, b, sizeof b, 0);
        for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return;
            void *found[16] = {0};
            struct ifaddrmsg *a = NLMSG_DATA(h);
            struct rtmsg *m = NLMSG_DATA(h);
            int address = kind == RTM_GETADDR, head = address ? sizeof *a : sizeof *m;
            int left = h->nlmsg_len - NLMSG_LENGTH(head);
            for (struct rtattr *t = (void *)m + NLMSG_ALIGN(head); RTA_OK(t, left); t = RTA_NEXT(t, left))
                if (t->rta_type < 16)
                    found[t->rta_type] = RTA_DATA(t);
            if (address)
                say("%s/%d local %s flags %x scope %d label %s", text(a->ifa_family, found[IFA_ADDRESS], x), a->ifa_prefixlen,
                    text(a->ifa_family, found[IFA_LOCAL], y), a->ifa_flags & ~IFA_F_TENTATIVE, a->ifa_scope,
                    found[IFA_LABEL] ? (char *)found[IFA_LABEL] : "-");
            else
                say("to %s/%d table %d type %d scope %d from %s", text(m->rtm_family, found[RTA_DST], x), m->rtm_dst_len,
                    m->rtm_table, m->rtm_type, m->rtm_scope, text(m->rtm_family, found[RTA_PREFSRC], y));
        }
    }
}

static struct sockaddr_in at(const char *text, int port) {
    struct sockaddr_in a = {AF_INET, htons(port)};
    inet_pton(AF_INET, text, &a.sin_addr);
    return a;
}

static void named(const char *what, int s, int peer) {
    struct sockaddr_in a = {0};
    socklen_t len = sizeof a;
    int r = peer ? getpeername(s, (void *)&a, &len) : getsockname(s, (void *)&a, &len);
    say("%s: %d %s", what, r, inet_ntoa(a.sin_addr));
}

static void datagram(const char *bound, const char *to, int many) {
    char b[8];
    struct sockaddr_in a = at(bound, 0), from;
    socklen_t len = sizeof a;
    int r = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), s = socket(AF_INET, SOCK_DGRAM, 0);
    say("bound to %s, sent to %s", bound, to);
    E(bind(r, (void *)&a, sizeof a));
    getsockname(r, (void *)&a, &len);
    struct sockaddr_in there = at(to, ntohs(a.sin_port));
    if (many)
        E(setsockopt(s, SOL_SOCKET, SO_BROADCAST, &many, 4));
    E(sendto(s, "hello", 5, 0, (void *)&there, sizeof there));
    len = sizeof from, from = at("0.0.0.0", 0);
    E(recvfrom(r, b, 8, 0, (void *)&from, &len));
    say("from %s", inet_ntoa(from.sin_addr));
    close(r), close(s);
}

static void connection(const char *bound, const char *to) {
    struct sockaddr_in a = at(bound, 0);
    socklen_t len = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);
    say("listening at %s, connecting to %s", bound, to);
    E(bind(l, (void *)&a, sizeof a));
    E(listen(l, 1));
    getsockname(l, (void *)&a, &len);
    struct sockaddr_in there = at(to, ntohs(a.sin_port));
    if (E(connect(s, (void *)&there, sizeof there)) == 0) {
        int c = accept(l, NULL, NULL);
        named("own", s, 0), named("peer", s, 1), named("accepted", c, 0), named("its peer", c, 1);
        close(c);
    }
    close(l), close(s);
}

// An address of IPv6 counts a moment after it was given.
static void settled(const char *text) {
    struct sockaddr_in6 a = {AF_INET6};
    inet_pton(AF_INET6, text, &a.sin6_addr);
    int s = socket(AF_INET6, SOCK_DGRAM, 0);
    for (int i = 0; i < 1000 && bind(s, (void *)&a, sizeof a); i++)
        ms(5);
    close(s);
}

// What goes to everybody of a network reaches all who listen for it, and comes from its address.
static void everybody(void) {
    char b[8];
    int all[4], one = 1;
    for (int i = 0; i < 4; i++) {
        struct sockaddr_in a = at(i < 2 ? "10.0.0.255" : "0.0.0.0", 9876);
        all[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        setsockopt(all[i], SOL_SOCKET, SO_REUSEADDR, &one, 4);
        setsockopt(all[i], SOL_SOCKET, SO_BROADCAST, &one, 4);
        E(bind(all[i], (void *)&a, sizeof a));
    }
    struct sockaddr_in to = at("10.0.0.255", 9876), from;
    for (int i = 0; i < 4; i++) {
        E(sendto(all[i], "hello", 5, 0, (void *)&to, sizeof to));
        for (int k = 0; k < 4; k++) {
            socklen_t len = sizeof from;
            E(recvfrom(all[k], b, 8, 0, (void *)&from, &len));
            say("from %s", inet_ntoa(from.sin_addr));
        }
    }
    for (int i = 0; i < 4; i++)
        close(all[i]);
}

int main(int c, char **v) {
    begin(v);
    if (geteuid() != 0 || unshare(CLONE_NEWNET)) {
        net = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
        const char *more[] = {"10.0.0.1", "10.0.0.2", "127.0.0.1", "127.0.0.9", "2001:db8::1", "::1"};
        for (int i = 0; i < 6; i++)
            change(RTM_NEWADDR, 0, more[i], 24), change(RTM_DELADDR, 0, more[i], 24);
        return 0;
    }
    net = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    change(RTM_NEWADDR, 0, "10.9.0.1", 16);
    list(RTM_GETADDR);
    ioctl(s, SIOCSIFFLAGS, &lo);
    change(RTM_DELADDR, 0, "10.9.0.1", 16);
    change(RTM_NEWADDR, 0, "127.0.0.1", 8);
    datagram("0.0.0.0", "10.0.0.1", 0);
    change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "10.0.0.1", 24);
    change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "10.0.0.1", 24);
    change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, "10.0.0.1", 24);
    change(RTM_NEWADDR, NLM_F_CREATE, "10.0.0.1", 24);
    change(RTM_NEWADDR, NLM_F_CREATE, "10.0.0.2", 24);
    change(RTM_NEWADDR, NLM_F_CREATE, "192.168.7.7", 32);
    change(RTM_NEWADDR, NLM_F_CREATE, "2001:db8::1", 64);
    change(RTM_NEWADDR, NLM_F_CREATE, "2001:db8::1", 64);
    change(RTM_NEWADDR, 0, "1.2.3.4", 33);
    settled("2001:db8::1");
    list(RTM_GETADDR);
    list(RTM_GETROUTE);
    const char *to[] = {"10.0.0.1", "10.0.0.2", "10.0.0.77", "192.168.7.7", "192.168.7.8", "10.0.1.1", "127.0.0.5"};
    for (int i = 0; i < 7; i++) {
        datagram("0.0.0.0", to[i], 0);
        datagram(to[i], to[i], 0);
        connection("0.0.0.0", to[i]);
        connection(to[i], to[i]);
    }
    datagram("10.0.0.1", "10.0.0.2", 0);
    connection("127.0.0.1", "10.0.0.1");
    datagram("0.0.0.0", "10.0.0.255", 0);
    datagram("0.0.0.0", "10.0.0.255", 1);
    datagram("10.0.0.255", "10.0.0.255", 1);
    connection("0.0.0.0", "10.0.0.255");
    everybody();
    struct sockaddr_in6 six = {AF_INET6};
    for (int i = 1; i < 3; i++) {
        int t = socket(AF_INET6, SOCK_DGRAM, 0);
        inet_pton(AF_INET6, i == 1 ? "2001:db8::1" : "2001:db8::2", &six.sin6_addr);
        six.sin6_port = 0;
        E(bind(t, (void *)&six, sizeof six));
        close(t);
    }
    FILE *f = fopen("/proc/net/if_inet6", "r");
    char line[200];
    int lines = 0;
    while (fgets(line, sizeof line, f))
        lines++;
    say("%d addresses of IPv6", lines);
    for (int i = 0; i < 2; i++) {
        lo.ifr_flags ^= IFF_UP;
        ioctl(s, SIOCSIFFLAGS, &lo);
        list(RTM_GETADDR);
    }
    change(RTM_DELADDR, 0, "10.0.0.1", 8);
    change(RTM_DELADDR, 0, "10.0.0.3", 24);
    change(RTM_DELADDR, 0, "10.0.0.1", 24);
    change(RTM_DELADDR, 0, "10.0.0.1", 24);
    change(RTM_DELADDR, 0, "2001:db8::1", 64);
    list(RTM_GETADDR);
    datagram("0.0.0.0", "10.0.0.2", 0);
    return 0;
}
