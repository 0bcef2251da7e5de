// What the kernel tells of sockets and of the loopback interface: /proc/net/unix, rtnetlink.
#include "check.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/un.h>

static char data[65536];

// The line of a socket in /proc/net/unix, found by its inode number.
static void row(const char *what, int s) {
    struct stat st;
    fstat(s, &st);
    FILE *f = fopen("/proc/net/unix", "r");
    char line[600];
    int lines = 0;
    while (fgets(line, sizeof line, f)) {
        unsigned protocol, flags, type, state, refs;
        unsigned long ino = 0;
        char path[200] = "";
        sscanf(line, "%*[^:]: %x %x %x %x %x %lu %199s", &refs, &protocol, &flags, &type, &state,
               &ino, path);
        if (lines++ == 0)
            say("head %s", line);
        if (ino == st.st_ino)
            say("%s: %x %x %x %x %s", what, protocol, flags, type, state, path);
    }
    fclose(f);
}

static void listed(void) {
    int p[2], kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 3; i++) {
        socketpair(AF_UNIX, kinds[i], 0, p);
        row("one of two", p[0]);
        close(p[1]);
        row("left alone", p[0]);
        close(p[0]);
        int s = socket(AF_UNIX, kinds[i], 0), other = socket(AF_UNIX, kinds[i], 0);
        row("new", s);
        struct sockaddr_un a = {AF_UNIX};
        sprintf(a.sun_path, "socket%d", i);
        E(bind(s, (void *)&a, sizeof a));
        row("named", s);
        listen(s, 1);
        row("listening", s);
        E(connect(other, (void *)&a, sizeof a));
        row("connected", other);
        close(s);
        close(other);
        unlink(a.sun_path);
        s = socket(AF_UNIX, kinds[i], 0);
        memcpy(a.sun_path, "\0same\0x", 7);
        E(bind(s, (void *)&a, 9));
        row("abstract", s);
        close(s);
    }
}

static int nl;

// Attributes of a route over the loopback interface, without times of use.
static void route(const struct nlmsghdr *h) {
    const struct rtmsg *r = NLMSG_DATA(h);
    int len = RTM_PAYLOAD(h), lo = 0;
    for (struct rtattr *a = RTM_RTA(r); RTA_OK(a, len); a = RTA_NEXT(a, len))
        lo |= a->rta_type == RTA_OIF && *(int *)RTA_DATA(a) == 1;
    if (!lo)
        return;
    say(" route %d/%d from %d tos %d table %d protocol %d scope %d type %d flags %x", r->rtm_family,
        r->rtm_dst_len, r->rtm_src_len, r->rtm_tos, r->rtm_table, r->rtm_protocol, r->rtm_scope,
        r->rtm_type, r->rtm_flags);
    len = RTM_PAYLOAD(h);
    for (struct rtattr *a = RTM_RTA(r); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        char text[100] = "";
        for (int i = 0; i < RTA_PAYLOAD(a) && i < 40 && a->rta_type != RTA_CACHEINFO; i++)
            sprintf(text + 2 * i, "%02x", ((unsigned char *)RTA_DATA(a))[i]);
        if (a->rta_type != RTA_UID)
            say("  %d, %d bytes: %s", a->rta_type, (int)RTA_PAYLOAD(a), text);
    }
}

static void ask(const char *what, int type, int flags, const void *body, int len) {
    struct {
        struct nlmsghdr h;
        char body[256];
    } m = {{NLMSG_LENGTH(len), type, flags, 7, 0}};
    memcpy(m.body, body, len);
    say("%s", what);
    E(send(nl, &m, m.h.nlmsg_len, 0));
    for (int end = 0; !end;) {
        struct pollfd p = {nl, POLLIN};
        if (poll(&p, 1, 100) < 1)
            break;
        int n = recv(nl, data, sizeof data, 0);
        for (struct nlmsghdr *h = (void *)data; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
            end |= h->nlmsg_type == NLMSG_DONE || !(h->nlmsg_flags & NLM_F_MULTI);
            if (h->nlmsg_type == RTM_NEWROUTE)
                route(h);
            else if (h->nlmsg_type == NLMSG_ERROR)
                say(" error %s flags %x, %d bytes",
                    name_of(-((struct nlmsgerr *)NLMSG_DATA(h))->error), h->nlmsg_flags,
                    h->nlmsg_len);
        }
    }
}

static void to(int family, const void *address, int len) {
    struct {
        struct rtmsg m;
        struct rtattr a;
        char address[16];
    } r = {{family, 8 * len}, {RTA_LENGTH(len), RTA_DST}};
    memcpy(r.address, address, len);
    ask("route to", RTM_GETROUTE, NLM_F_REQUEST, &r, sizeof r.m + RTA_SPACE(len));
}

#define PEERPIDFD 77

static void info(const char *what, int fd, int expected) {
    char path[40];
    sprintf(path, "/proc/self/fdinfo/%d", fd);
    FILE *f = fopen(path, "r");
    int pid = 0;
    for (char line[200]; f && fgets(line, sizeof line, f);)
        sscanf(line, "Pid: %d", &pid);
    fclose(f);
    say("%s: the process %d, none %d", what, pid == expected, pid == -1);
}

// The process at the other end, as a descriptor.
static int processes(void) {
    int p[2], fd = -1, s = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof fd;
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    if (getsockopt(p[0], SOL_SOCKET, PEERPIDFD, &fd, &len) < 0)
        return UNKNOWN;
    say("%d bytes, closes %x", len, fcntl(fd, F_GETFD));
    info("peer", fd, getpid());
    pid_t child = fork();
    if (child == 0)
        pause();
    fd = syscall(SYS_pidfd_open, child, 0);
    info("child", fd, child);
    kill(child, SIGKILL);
    ms(20);
    info("dead", fd, child);
    waitpid(child, NULL, 0);
    info("gone", fd, child);
    E(getsockopt(s, SOL_SOCKET, PEERPIDFD, &fd, &len));
    E(getsockopt(socket(AF_UNIX, SOCK_STREAM, 0), SOL_SOCKET, PEERPIDFD, &fd, &len));
    E(setsockopt(p[0], SOL_SOCKET, PEERPIDFD, &fd, sizeof fd));
    return 0;
}

// The attribute that names the protocol.
static void protocols(void) {
    int kinds[][3] = {{AF_UNIX, SOCK_STREAM}, {AF_UNIX, SOCK_DGRAM}, {AF_UNIX, SOCK_SEQPACKET},
                      {AF_INET, SOCK_STREAM}, {AF_INET, SOCK_DGRAM}, {AF_INET6, SOCK_STREAM},
                      {AF_INET6, SOCK_DGRAM}, {AF_NETLINK, SOCK_RAW}, {AF_PACKET, SOCK_DGRAM},
                      {AF_INET, SOCK_RAW, IPPROTO_ICMP}, {AF_INET6, SOCK_RAW, IPPROTO_ICMPV6}};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int s = socket(kinds[i][0], kinds[i][1], kinds[i][2]);
        char name[64] = "", list[64] = "";
        E(fgetxattr(s, "system.sockprotoname", name, sizeof name));
        E(flistxattr(s, list, sizeof list));
        say("%s %s", list, name);
        E(fgetxattr(s, "system.sockprotoname", name, 0));
        E(fgetxattr(s, "system.sockprotoname", name, 2));
        E(fgetxattr(s, "system.nosuch", name, sizeof name));
        E(fgetxattr(s, "user.x", name, sizeof name));
        E(fsetxattr(s, "system.sockprotoname", "x", 1, 0));
        E(fremovexattr(s, "system.sockprotoname"));
        sprintf(list, "/proc/self/fd/%d", s);
        E(getxattr(list, "system.sockprotoname", name, sizeof name));
        close(s);
    }
    E(fgetxattr(open("/dev/null", O_RDONLY), "system.sockprotoname", data, sizeof data));
}

int main(int c, char **v) {
    begin(v);
    nl = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    // Kernels that take a message of nothing acknowledge differently, too.
    if (processes() == UNKNOWN || send(nl, "", 0, 0) == 0)
        return UNKNOWN;
    listed();
    protocols();
    struct sockaddr_nl a = {AF_NETLINK};
    E(bind(nl, (void *)&a, sizeof a));
    E(bind(nl, (void *)&a, sizeof a));
    struct rtmsg r = {AF_INET};
    ask("routes", RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, &r, sizeof r);
    r.rtm_family = AF_INET6;
    ask("routes of IPv6", RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, &r, sizeof r);
    to(AF_INET, "\x7f\0\0\1", 4);
    to(AF_INET, "\x7f\1\2\3", 4);
    to(AF_INET, "\x7f\xff\xff\xff", 4);
    to(AF_INET6, &in6addr_loopback, 16);
    struct ifinfomsg i = {.ifi_index = 99999};
    ask("no such link", RTM_GETLINK, NLM_F_REQUEST, &i, sizeof i);
    ask("too short", RTM_GETLINK, NLM_F_REQUEST, &i, 1);
    ask("unknown", 9999, NLM_F_REQUEST | NLM_F_ACK, &i, 1);
    ask("control", NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, &i, sizeof i);
    ask("no request", RTM_GETLINK, NLM_F_ACK, &i, sizeof i);
    ask("nothing", NLMSG_NOOP, 0, &i, sizeof i);
    E(send(nl, "", 0, 0));
    E(send(nl, "x", 1, 0));
    if (geteuid() == 0) {
        E(mkdir("/proc/none", 0755));
        E(open("/proc/none", O_CREAT | O_RDWR, 0644));
        E(symlink("x", "/proc/self/none"));
    }
    return 0;
}
