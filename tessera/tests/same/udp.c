// UDP over the loopback interface: names, errors that come back, parts of datagrams, times.
#include "check.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>

static int domain, mapped, base, there, here;
static struct sockaddr_storage at;
static socklen_t at_len;
static char data[70000];

static void address(struct sockaddr_storage *a, unsigned ip, int port) {
    memset(a, 0, sizeof *a);
    a->ss_family = domain;
    at_len = domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    ((struct sockaddr_in *)a)->sin_port = htons(port);
    struct sockaddr_in6 *six = (void *)a;
    if (domain == AF_INET)
        ((struct sockaddr_in *)a)->sin_addr.s_addr = htonl(ip);
    else if (mapped)
        six->sin6_addr = (struct in6_addr){.s6_addr = {[10] = 255,
                                                       [11] = 255,
                                                       [12] = ip >> 24,
                                                       [13] = ip >> 16,
                                                       [14] = ip >> 8,
                                                       [15] = ip}};
    else if (ip)
        six->sin6_addr = in6addr_loopback;
}

static void print(const char *what, const struct sockaddr_storage *a, socklen_t len) {
    char text[64] = "none";
    const void *ip = &((struct sockaddr_in *)a)->sin_addr;
    if (a->ss_family == AF_INET6)
        ip = &((struct sockaddr_in6 *)a)->sin6_addr;
    inet_ntop(a->ss_family, ip, text, sizeof text);
    int port = ntohs(((struct sockaddr_in *)a)->sin_port);
    say("%s: family %d, %d bytes, %s port %s", what, a->ss_family, len, text,
        port == 0          ? "none"
        : port == base     ? "there"
        : port == base + 1 ? "next"
                           : "some");
}

static void names(int s) {
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    if (E(getsockname(s, (void *)&a, &len)) == 0)
        print("own", &a, len);
    len = sizeof a;
    if (E(getpeername(s, (void *)&a, &len)) == 0)
        print("peer", &a, len);
}

static void two(void) {
    there = socket(domain, SOCK_DGRAM, 0);
    here = socket(domain, SOCK_DGRAM, 0);
    for (base = 20000 + getpid() % 5000 * 2;; base += 2) {
        address(&at, INADDR_LOOPBACK, base);
        if (bind(there, (void *)&at, at_len) == 0)
            break;
    }
}

static void end(void) {
    close(there);
    close(here);
}

static void events(const char *what, int s) {
    struct pollfd p = {s, POLLIN | POLLOUT | POLLRDHUP, 0};
    int r = poll(&p, 1, 0);
    say("%s: poll %d %x", what, r, p.revents);
}

static void until(int s, int wanted) {
    struct pollfd p = {s, wanted, 0};
    E(poll(&p, 1, 5000));
}

static void option(int s, int level, int name, int v) {
    E(setsockopt(s, level, name, &v, sizeof v));
}

// What a socket is called when it has been connected, and when no more.
static void disconnecting(void) {
    struct sockaddr_storage a, none = {0};
    two();
    for (int i = 0; i < 5; i++) {
        int s = socket(domain, SOCK_DGRAM, 0);
        address(&a, i == 1 ? INADDR_LOOPBACK : 0, i < 3 ? base + 1 : 0);
        if (i == 1 || i == 2)
            E(bind(s, (void *)&a, at_len));
        address(&a, i == 4 ? 0 : INADDR_LOOPBACK, i == 3 ? 0 : base);
        E(connect(s, (void *)&a, at_len));
        names(s);
        E(connect(s, (void *)&none, 2 * sizeof(long)));
        names(s);
        E(connect(s, (void *)&at, at_len));
        E(send(s, "x", 1, 0));
        E(recv(there, data, 10, MSG_DONTWAIT));
        close(s);
    }
    end();
}

static void error(int s, int room) {
    char control[300];
    struct sockaddr_storage a = {0};
    struct iovec io = {data, room};
    struct msghdr m = {.msg_name = &a,
                       .msg_namelen = sizeof a,
                       .msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
    if (E(recvmsg(s, &m, MSG_ERRQUEUE)) >= 0) {
        say("flags %x control %zu", m.msg_flags, m.msg_controllen);
        print("to", &a, m.msg_namelen);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            struct sock_extended_err *e = (void *)CMSG_DATA(c);
            say(" %d %d %zu: %s origin %d type %d code %d info %d data %d", c->cmsg_level,
                c->cmsg_type, c->cmsg_len, name_of(e->ee_errno), e->ee_origin, e->ee_type,
                e->ee_code, e->ee_info, e->ee_data);
            print("from", (void *)(e + 1), 0);
        }
    }
    int v = -1;
    socklen_t len = sizeof v;
    getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &len);
    say("error %s", name_of(v));
}

// An IPv6 socket asks for what comes back over IPv4 by an option of IPv4.
static void ask(int s, int v) {
    if (domain == AF_INET || mapped)
        option(s, SOL_IP, IP_RECVERR, v);
    if (domain == AF_INET6)
        option(s, SOL_IPV6, IPV6_RECVERR, v);
}

static void nobody(void) {
    two();
    close(there);
    E(connect(here, (void *)&at, at_len));
    for (int i = 0; i < 2; i++) {
        E(send(here, "x", 1, 0));
        until(here, POLLERR);
        events("refused", here);
        E(i ? recv(here, data, 1, MSG_DONTWAIT) : send(here, "x", 1, 0));
        events("told", here);
    }
    ask(here, 1);
    E(send(here, "hello", 5, 0));
    until(here, POLLERR);
    error(here, 100);
    error(here, 100);
    events("empty", here);
    E(recv(here, data, 10, MSG_DONTWAIT));
    for (int i = 0; i < 2; i++) {
        send(here, data, 2000, 0);
        ms(20);
    }
    error(here, 3);
    events("one more", here);
    error(here, sizeof data);
    error(here, 10);
    close(here);
    // Not connected, it hears of it all the same once it has asked.
    here = socket(domain, SOCK_DGRAM, 0);
    for (int i = 0; i < 2; i++) {
        ask(here, i);
        E(sendto(here, "hello", 5, 0, (void *)&at, at_len));
        ms(20);
        events("asked", here);
        error(here, 100);
    }
    close(here);
}

static void parts(void) {
    two();
    E(connect(here, (void *)&at, at_len));
    E(send(here, "ab", 2, MSG_MORE));
    E(recv(there, data, 10, MSG_DONTWAIT));
    E(send(here, "cd", 2, 0));
    E(recv(there, data, 10, MSG_DONTWAIT));
    option(here, SOL_UDP, UDP_CORK, 1);
    E(send(here, "ab", 2, 0));
    E(send(here, "cde", 3, 0));
    E(send(here, data, 65507, 0));
    E(recv(there, data, 10, MSG_DONTWAIT));
    option(here, SOL_UDP, UDP_CORK, 0);
    E(recv(there, data, 10, MSG_DONTWAIT));
    E(recv(there, data, 10, MSG_DONTWAIT));
    end();
}

static void stamps(void) {
    struct timeval first, second;
    struct timespec fine;
    two();
    E(connect(here, (void *)&at, at_len));
    E(ioctl(there, SIOCGSTAMP, &first));
    send(here, "x", 1, 0);
    recv(there, data, 1, 0);
    E(ioctl(there, SIOCGSTAMP, &first));
    E(ioctl(there, SIOCGSTAMPNS, &fine));
    say("same second %d", fine.tv_sec == first.tv_sec);
    option(there, SOL_SOCKET, SO_TIMESTAMP, 1);
    send(here, "x", 1, 0);
    recv(there, data, 1, 0);
    E(ioctl(there, SIOCGSTAMP, &second));
    say("same %d", first.tv_sec == second.tv_sec && first.tv_usec == second.tv_usec);
    int who = 0;
    E(ioctl(here, SIOCSPGRP, &(int){getpid()}));
    E(ioctl(here, SIOCGPGRP, &who));
    say("own %d", who == getpid());
    end();
}

static void several(void) {
    int s[2], one = 1;
    for (int share = 0; share < 2; share++) {
        address(&at, INADDR_LOOPBACK, 0);
        for (int i = 0; i < 2; i++) {
            s[i] = socket(domain, SOCK_DGRAM, 0);
            E(setsockopt(s[i], SOL_SOCKET, share ? SO_REUSEPORT : SO_REUSEADDR, &one, sizeof one));
            E(bind(s[i], (void *)&at, at_len));
            getsockname(s[i], (void *)&at, &at_len);
        }
        int had[2] = {0};
        for (int i = 0; i < 60; i++) {
            here = socket(domain, SOCK_DGRAM, 0);
            sendto(here, "x", 1, 0, (void *)&at, at_len);
            close(here);
        }
        for (int i = 0; i < 2; i++)
            while (recv(s[i], data, 1, MSG_DONTWAIT) == 1)
                had[i]++;
        say("all %d, both %d, last %d", had[0] + had[1] == 60, had[0] > 8 && had[1] > 8,
            had[1] == 60);
        close(s[0]);
        close(s[1]);
    }
}

static void addresses(void) {
    static const unsigned ips[] = {0,          INADDR_LOOPBACK, 0x7f000002,
                                   0x7fffffff, 0xe0000001,      0xffffffff};
    struct sockaddr_storage a, none = {0};
    for (int i = 0; i < 6; i++)
        for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
            int s = socket(domain, type, 0);
            address(&a, ips[i], 0);
            say("%x", ips[i]);
            E(bind(s, (void *)&a, at_len));
            close(s);
        }
    two();
    address(&a, 0x7fffffff, base);
    if (domain == AF_INET) {
        E(connect(here, (void *)&a, at_len));
        E(sendto(here, "x", 1, 0, (void *)&a, at_len));
        option(here, SOL_SOCKET, SO_BROADCAST, 1);
        E(sendto(here, "x", 1, 0, (void *)&a, at_len));
        E(recv(there, data, 1, MSG_DONTWAIT));
    }
    E(connect(here, (void *)&at, at_len));
    static const int families[] = {AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6};
    for (int i = 0; i < 4; i++) {
        none.ss_family = families[i];
        say("family %d", families[i]);
        E(sendto(here, "x", 1, 0, (void *)&none, 16));
        E(sendto(here, "x", 1, 0, (void *)&none, at_len));
        E(sendto(here, "x", 1, 0, (void *)&none, 1));
    }
    E(send(here, "x", 1, MSG_OOB));
    end();
}

static void interface(void) {
    static const int asks[] = {SIOCGIFINDEX,   SIOCGIFFLAGS,   SIOCGIFADDR, SIOCGIFNETMASK,
                               SIOCGIFBRDADDR, SIOCGIFDSTADDR, SIOCGIFMTU,  SIOCGIFMETRIC,
                               SIOCGIFHWADDR,  SIOCGIFTXQLEN,  SIOCGIFMAP,  SIOCGIFNAME};
    int s = socket(domain, SOCK_DGRAM, 0);
    for (int i = 0; i < 12; i++)
        for (int missing = 0; missing < 2; missing++) {
            struct ifreq r = {0};
            strcpy(r.ifr_name, missing ? "none0" : "lo");
            if (asks[i] == SIOCGIFNAME)
                r.ifr_ifindex = missing ? 99 : 1;
            errno = 0;
            int e = ioctl(s, asks[i], &r);
            say("%x: %d %s, %s %x %x", asks[i], e, name_of(errno), r.ifr_name, r.ifr_ifindex,
                ((int *)&r.ifr_ifru)[1]);
        }
    close(s);
}

// Who sends has a port, also when that fails; and hears of a refusal by its peer however it names it.
static void failing(void) {
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    int s = socket(domain, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    E(send(s, "x", 1, 0));
    getsockname(s, (void *)&a, &len);
    say("a port: %d", ((struct sockaddr_in *)&a)->sin_port != 0);
    address(&a, INADDR_LOOPBACK, 1);
    E(connect(s, (void *)&a, at_len));
    E(sendto(s, "x", 1, 0, (void *)&a, at_len));
    ms(20);
    E(recv(s, &a, 1, 0));
    close(s);
}

int main(int c, char **v) {
    begin(v);
    for (int i = 0; i < 3; i++) {
        domain = i ? AF_INET6 : AF_INET;
        mapped = i == 2;
        disconnecting();
        nobody();
        parts();
        stamps();
        several();
        if (!mapped) {
            addresses();
            interface();
            failing();
        }
    }
    return 0;
}
