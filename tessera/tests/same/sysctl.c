// Settings in /proc/sys: names that are polled, those of a network, and what is counted there.
#include "check.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

static void put(const char *path, const char *text) {
    int f = open(path, O_WRONLY);
    errno = 0;
    long n = f < 0 ? -1 : write(f, text, strlen(text));
    say("%s = %s: %s", path, text, n < 0 ? name_of(errno) : "written");
    close(f);
}

static void get(const char *path) {
    char b[200] = "";
    int f = open(path, O_RDONLY);
    read(f, b, sizeof b - 1);
    b[strcspn(b, "\n")] = 0;
    say("%s: %s", path, b);
    close(f);
}

// Of what is counted, without how many segments it took.
static void counters(const char *when) {
    char names[2000], values[2000], out[600] = "";
    FILE *f = fopen("/proc/net/snmp", "r");
    while (fgets(names, sizeof names, f) && fgets(values, sizeof values, f)) {
        if (strncmp(names, "Tcp:", 4) && strncmp(names, "Udp:", 4))
            continue;
        char *n, *v, *a, *b;
        for (n = strtok_r(names, " \n", &a), v = strtok_r(values, " \n", &b); n && v;
             n = strtok_r(NULL, " \n", &a), v = strtok_r(NULL, " \n", &b))
            if (!strstr(n, "Segs"))
                sprintf(out + strlen(out), "%s ", v);
    }
    fclose(f);
    say("%s: %s", when, out);
}

static void polled(void) {
    const char *names[] = {"/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname"};
    struct epoll_event event = {0};
    int polls[2], files[2];
    for (int i = 0; i < 2; i++) {
        files[i] = open(names[i], O_RDONLY);
        polls[i] = epoll_create1(0);
        E(epoll_ctl(polls[i], EPOLL_CTL_ADD, files[i], &event));
        E(epoll_wait(polls[i], &event, 1, 0));
    }
    E(sethostname("one", 3));
    E(epoll_wait(polls[0], &event, 1, 1000));
    say("%x", event.events);
    E(epoll_wait(polls[0], &event, 1, 0));
    E(epoll_wait(polls[1], &event, 1, 0));
    E(setdomainname("two", 3));
    E(epoll_wait(polls[1], &event, 1, 1000));
    E(epoll_wait(polls[0], &event, 1, 0));
    put(names[0], "three\n");
    struct pollfd p = {files[0], POLLIN, 0};
    E(poll(&p, 1, 0));
    say("%x", p.revents);
    E(poll(&p, 1, 0));
    say("%x", p.revents);
    // What nobody tells of can be polled as well, but for what is about a process.
    const char *others[] = {"/proc/cpuinfo", "/proc/sys/kernel/ostype", "/proc/net/tcp", "/proc/self/stat", "/proc/self/mounts"};
    for (int i = 0; i < 5; i++) {
        event.events = EPOLLIN;
        E(epoll_ctl(polls[0], EPOLL_CTL_ADD, open(others[i], O_RDONLY), &event));
    }
}

static void ports(void) {
    const char *range = "/proc/sys/net/ipv4/ip_local_port_range", *start = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    get(range);
    put(range, "40000 40003");
    get(range);
    put(range, "50000 40000");
    put(range, "2000 70000");
    put(range, "5");
    put(range, "a b");
    put(range, "0 0");
    get(range);
    struct sockaddr_in a = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
    for (int i = 0; i < 5; i++) {
        socklen_t len = sizeof a;
        int s = socket(AF_INET, SOCK_STREAM, 0);
        a.sin_port = 0;
        E(bind(s, (void *)&a, sizeof a));
        getsockname(s, (void *)&a, &len);
        say("in range %d", ntohs(a.sin_port) >= 40000 && ntohs(a.sin_port) <= 40003 || i == 4);
    }
    put(range, "32768 60999");
    get(start);
    put(start, "80");
    put(start, "70000");
    put(start, "40000");
    get(start);
    CHILD("user", setgid(1000); setuid(1000); a.sin_port = htons(80); int s = socket(AF_INET, SOCK_STREAM, 0);
          E(bind(s, (void *)&a, sizeof a)); a.sin_port = htons(79); E(bind(s, (void *)&a, sizeof a)); put(start, "0"));
}

static void counted(void) {
    char b[8];
    struct sockaddr_in a = {AF_INET, htons(1234), {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    counters("nothing");
    int s = socket(AF_INET, SOCK_STREAM, 0);
    E(connect(s, (void *)&a, sizeof a));
    close(s);
    counters("refused");
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_port = 0;
    bind(listener, (void *)&a, sizeof a), listen(listener, 1), getsockname(listener, (void *)&a, &len);
    s = socket(AF_INET, SOCK_STREAM, 0);
    E(connect(s, (void *)&a, sizeof a));
    int other = accept(listener, NULL, NULL);
    counters("connected");
    E(send(s, "a", 1, 0));
    struct pollfd p = {other, POLLIN};
    poll(&p, 1, 1000);
    close(other);
    p.fd = s, poll(&p, 1, 1000);
    close(s);
    counters("reset");
    s = socket(AF_INET, SOCK_STREAM, 0);
    connect(s, (void *)&a, sizeof a), other = accept(listener, NULL, NULL);
    close(s);
    p.fd = other, poll(&p, 1, 1000);
    counters("half");
    close(other);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    a.sin_port = htons(4444);
    E(sendto(s, "a", 1, 0, (void *)&a, sizeof a));
    close(s);
    counters("no port");
    int r = socket(AF_INET, SOCK_DGRAM, 0);
    a.sin_port = 0;
    bind(r, (void *)&a, sizeof a), getsockname(r, (void *)&a, &len);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    E(sendto(s, "abc", 3, 0, (void *)&a, sizeof a));
    counters("sent");
    E(recv(r, b, 8, MSG_PEEK));
    counters("looked at");
    E(recv(r, b, 8, 0));
    counters("received");
}

int main(int c, char **v) {
    begin(v);
    if (geteuid() != 0) {
        put("/proc/sys/net/ipv4/ip_forward", "1");
        put("/proc/sys/net/ipv4/ip_local_port_range", "1 2");
        put("/proc/sys/kernel/hostname", "x");
        put("/proc/sys/kernel/keys/maxkeys", "7");
        put("/proc/sys/fs/mount-max", "7");
        for (int i = 0; i < 6; i++)
            E(access("/proc/sys/net/ipv4/tcp_sack", W_OK));
        return 0;
    }
    if (unshare(CLONE_NEWNET | CLONE_NEWUTS))
        return UNKNOWN;
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    ioctl(s, SIOCSIFFLAGS, &lo);
    close(s);
    counted();
    polled();
    ports();
    const char *kept[] = {"ip_forward", "tcp_sack", "tcp_recovery", "tcp_retries2", "tcp_rmem"};
    const char *to[] = {"1", "0", "2", "9", "4096 87380 6291456"};
    for (int i = 0; i < 5; i++) {
        char path[80];
        sprintf(path, "/proc/sys/net/ipv4/%s", kept[i]);
        get(path);
        put(path, to[i]);
        get(path);
        put(path, "x");
    }
    put("/proc/sys/kernel/keys/maxkeys", "-1");
    put("/proc/sys/fs/mount-max", "0");
    get("/proc/net/psched");
    char b[8000];
    int found = 0;
    FILE *f = fopen("/proc/net/netstat", "r");
    while (fgets(b, sizeof b, f))
        found += strstr(b, " TCPOrigDataSent ") && strstr(b, " TCPSynRetrans ") && strstr(b, " TCPDSACKRecv ");
    say("netstat %d", found);
    return 0;
}
