// Groups of addresses on the loopback interface: joining, leaving, sending, and who gets it.
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>

// Of this process alone: others may run on the same host.
static char group_ip[20];

static char data[100];

static struct sockaddr_in at(const char *ip, int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = port};
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}

static struct ip_mreqn request(const char *group, const char *ip, int index) {
    return (struct ip_mreqn){at(group, 0).sin_addr, at(ip, 0).sin_addr, index};
}

static void change(const char *what, int s, int name, struct ip_mreqn m, int len) {
    errno = 0;
    int r = setsockopt(s, SOL_IP, name, &m, len);
    say("%s: %d %s", what, r, name_of(errno));
}

static int shared(void) {
    int s = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return s;
}

static int bound(const char *ip, int port) {
    int s = shared();
    struct sockaddr_in a = at(ip, port);
    E(bind(s, (void *)&a, sizeof a));
    return s;
}

static int port_of(int s) {
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    getsockname(s, (void *)&a, &len);
    return a.sin_port;
}

// What a socket has got, and from whom.
static void got(const char *what, int s) {
    struct sockaddr_in a = {0};
    socklen_t len = sizeof a;
    char text[20] = "";
    int n = recvfrom(s, data, sizeof data, MSG_DONTWAIT, (void *)&a, &len);
    inet_ntop(AF_INET, &a.sin_addr, text, sizeof text);
    say("%s: %d from %s", what, n, text);
}

static void give(int s, const char *ip, int port, int bytes) {
    struct sockaddr_in a = at(ip, port);
    E(sendto(s, data, bytes, 0, (void *)&a, sizeof a));
    ms(10);
}

static void joining(void) {
    int s = shared(), add = IP_ADD_MEMBERSHIP, drop = IP_DROP_MEMBERSHIP;
    change("join", s, add, request(group_ip, "127.0.0.1", 0), 8);
    change("twice", s, add, request(group_ip, "127.0.0.9", 0), 8);
    change("by index", s, add, request(group_ip, "0.0.0.0", 1), 12);
    change("no index", s, add, request(group_ip, "0.0.0.0", 99999), 12);
    change("short", s, add, request(group_ip, "127.0.0.1", 0), 4);
    change("no group", s, add, request("127.0.0.1", "127.0.0.1", 0), 8);
    change("not there", s, add, request(group_ip, "198.51.100.1", 0), 8);
    change("not joined", s, drop, request("239.77.9.9", "127.0.0.1", 0), 8);
    change("leave", s, drop, request(group_ip, "0.0.0.0", 1), 12);
    change("left", s, drop, request(group_ip, "127.0.0.1", 0), 8);
    for (int i = 0; i < 22; i++) {
        char ip[20];
        sprintf(ip, "239.77.4.%d", i);
        change(ip, s, add, request(ip, "127.0.0.1", 0), 8);
    }
    close(s);
    s = socket(AF_INET, SOCK_STREAM, 0);
    change("stream", s, add, request(group_ip, "127.0.0.1", 0), 8);
    change("stream", s, IP_MULTICAST_IF, request(group_ip, "127.0.0.1", 0), 12);
    close(s);
    s = shared();
    static const struct {
        const char *ip;
        int index, len;
    } by[] = {{"127.0.0.1", 0, 12}, {"127.0.0.5", 0, 8},    {"198.51.100.1", 0, 8},
              {"0.0.0.0", 1, 12},   {"0.0.0.0", 99999, 12}, {"127.0.0.5", 0, 3},
              {"0.0.0.0", 0, 8}};
    for (int i = 0; i < 7; i++) {
        struct in_addr now;
        socklen_t len = sizeof now;
        change("interface", s, IP_MULTICAST_IF, request(group_ip, by[i].ip, by[i].index), by[i].len);
        getsockopt(s, SOL_IP, IP_MULTICAST_IF, &now, &len);
        say("%s, %d bytes", inet_ntoa(now), len);
    }
    close(s);
    s = socket(AF_INET6, SOCK_DGRAM, 0);
    struct ipv6_mreq six = {.ipv6mr_interface = 1};
    static const char *const groups[] = {"ff02::77:2", "ff02::77:2", "::1", "ff02::77:3"};
    for (int i = 0; i < 4; i++) {
        inet_pton(AF_INET6, groups[i], &six.ipv6mr_multiaddr);
        E(setsockopt(s, SOL_IPV6, i < 3 ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP, &six,
                     sizeof six));
    }
    six.ipv6mr_interface = 99999;
    E(setsockopt(s, SOL_IPV6, IPV6_ADD_MEMBERSHIP, &six, sizeof six));
    E(setsockopt(s, SOL_IPV6, IPV6_ADD_MEMBERSHIP, &six, 16));
    change("IPv4 of IPv6", s, IP_ADD_MEMBERSHIP, request(group_ip, "127.0.0.1", 0), 8);
    close(s);
}

static void receiving(void) {
    struct ip_mreqn here = request(group_ip, "127.0.0.1", 0);
    int from = shared(), zero = 0, one = 1;
    change("interface", from, IP_MULTICAST_IF, here, 12);
    int any = bound("0.0.0.0", 0), port = port_of(any);
    int group = bound(group_ip, port), own = bound("127.0.0.1", port),
        other = bound("239.77.7.7", port);
    give(from, group_ip, port, 1);
    got("nobody has joined", any);
    change("join", any, IP_ADD_MEMBERSHIP, here, 8);
    give(from, group_ip, port, 2);
    got("member", any);
    got("once", any);
    got("bound to the group", group);
    got("bound to the address", own);
    got("bound to another", other);
    change("leave", any, IP_DROP_MEMBERSHIP, here, 8);
    change("join", group, IP_ADD_MEMBERSHIP, here, 8);
    give(from, group_ip, port, 3);
    got("what another has joined", any);
    E(setsockopt(any, SOL_IP, IP_MULTICAST_ALL, &zero, sizeof zero));
    give(from, group_ip, port, 4);
    got("not any more", any);
    got("the member", group);
    got("before that", group);
    give(from, "224.0.0.1", port, 5);
    got("all hosts", group);
    give(own, group_ip, port, 6);
    got("sent from an address", group);
    E(setsockopt(own, SOL_IP, IP_MULTICAST_LOOP, &zero, sizeof zero));
    give(own, group_ip, port, 7);
    got("all the same", group);
    struct sockaddr_in to = at(group_ip, port);
    E(connect(from, (void *)&to, sizeof to));
    E(send(from, data, 8, 0));
    ms(10);
    got("connected", group);
    close(group);
    give(own, group_ip, port, 9);
    got("closed", any);
    group = bound("0.0.0.0", port);
    give(own, "127.255.255.255", port, 10);
    E(setsockopt(own, SOL_SOCKET, SO_BROADCAST, &one, sizeof one));
    give(own, "127.255.255.255", port, 11);
    got("everybody", any);
    got("everybody", group);
    give(own, "255.255.255.255", port, 12);
    got("everybody", any);
    got("everybody", group);
}

int main(int c, char **v) {
    begin(v);
    sprintf(group_ip, "239.%d.%d.3", 100 + getpid() / 256 % 100, getpid() % 256);
    joining();
    receiving();
    return 0;
}
