// Urgent data of TCP; descriptors of who sent a message over a unix socket.
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#define SCM_PIDFD_ 4
static int a, z;
static volatile sig_atomic_t urged, ioed;
static void on(int s) { s == SIGURG ? urged++ : ioed++; }
static void pair(void) {
    struct sockaddr_in at = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    int l = socket(AF_INET, SOCK_STREAM, 0);
    bind(l, (void *)&at, n);
    listen(l, 1);
    getsockname(l, (void *)&at, &n);
    a = socket(AF_INET, SOCK_STREAM, 0);
    connect(a, (void *)&at, n);
    z = accept(l, NULL, NULL);
    close(l);
    int one = 1;
    setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}
static void done(void) {
    close(a);
    close(z);
}
static void state(const char *what) {
    int mark = -1, bytes = -1;
    ms(20);
    struct pollfd p = {z, POLLIN | POLLPRI | POLLRDBAND, 0};
    poll(&p, 1, 0);
    ioctl(z, SIOCATMARK, &mark);
    ioctl(z, FIONREAD, &bytes);
    say("%s: poll %x mark %d bytes %d signals %d %d", what, p.revents, mark, bytes, urged, ioed);
    urged = ioed = 0;
}
static void get(const char *what, int flags, int room) {
    char b[200] = {0};
    errno = 0;
    int n = recv(z, b, room, flags | MSG_DONTWAIT);
    say("%s: %d %s \"%.*s\"", what, n, name_of(n < 0 ? errno : 0), n < 0 ? 0 : n, b);
}
static void put(const char *text, int flags) { send(a, text, strlen(text), flags); }
static void tcp(int inline_) {
    pair();
    say("inline %d", inline_);
    setsockopt(z, SOL_SOCKET, SO_OOBINLINE, &inline_, sizeof inline_);
    get("nothing", MSG_OOB, 10);
    put("abc", 0);
    state("plain");
    get("none", MSG_OOB, 10);
    put("defg", MSG_OOB);
    state("urgent");
    get("peek", MSG_OOB | MSG_PEEK, 10);
    get("look", MSG_PEEK, 100);
    put("hij", 0);
    state("more");
    get("before", 0, 4);
    state("some read");
    get("to the mark", 0, 100);
    state("at the mark");
    get("look", MSG_PEEK, 100);
    get("urgent", MSG_OOB, 10);
    state("taken");
    get("again", MSG_OOB, 10);
    get("rest", 0, 100);
    state("empty");
    // The byte is lost where the stream is read past it.
    put("x", MSG_OOB);
    state("alone");
    get("plain", 0, 100);
    state("passed");
    get("late", MSG_OOB, 10);
    put("12", MSG_OOB);
    put("34", MSG_OOB);
    state("two");
    get("second", MSG_OOB, 10);
    get("first", 0, 100);
    get("rest", 0, 100);
    get("rest", 0, 100);
    // One that stands first gives way.
    put("A", MSG_OOB);
    put("B", MSG_OOB);
    state("replaced");
    get("urgent", MSG_OOB, 10);
    get("rest", 0, 100);
    put("uv", MSG_OOB);
    ms(20);
    get("no room", MSG_OOB, 0);
    get("room", MSG_OOB, 10);
    get("cut", MSG_TRUNC, 100);
    state("cut");
    put("k", MSG_OOB);
    ms(20);
    struct iovec v = {(char[10]){0}, 10};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    errno = 0;
    int n = recvmsg(z, &m, MSG_OOB | MSG_DONTWAIT);
    say("recvmsg %d %s flags %x", n, name_of(n < 0 ? errno : 0), m.msg_flags);
    fd_set in, ex;
    FD_ZERO(&in);
    FD_ZERO(&ex);
    FD_SET(z, &in);
    FD_SET(z, &ex);
    struct timeval t = {0, 0};
    E(select(z + 1, &in, NULL, &ex, &t));
    say("in %d exceptional %d", FD_ISSET(z, &in) != 0, FD_ISSET(z, &ex) != 0);
    shutdown(a, SHUT_WR);
    ms(20);
    state("ended");
    get("ended", MSG_OOB, 10);
    get("end", 0, 100);
    get("end", 0, 100);
    done();
}
static void signals(void) {
    pair();
    signal(SIGURG, on);
    signal(SIGIO, on);
    put("a", MSG_OOB);
    state("no owner");
    fcntl(z, F_SETOWN, getpid());
    put("b", MSG_OOB);
    state("owner");
    put("c", 0);
    state("plain");
    fcntl(z, F_SETFL, O_ASYNC);
    put("d", MSG_OOB);
    ms(20);
    say("urged %d", urged);
    fcntl(z, F_SETOWN, 0);
    urged = 0;
    put("e", MSG_OOB);
    ms(20);
    say("urged %d", urged);
    done();
}
static void refused(void) {
    int s = socket(AF_INET, SOCK_STREAM, 0), mark;
    E(recv(s, &mark, 1, MSG_OOB));
    E(send(s, "a", 1, MSG_OOB | MSG_NOSIGNAL));
    E(ioctl(s, SIOCATMARK, &mark));
    E(ioctl(s, SIOCATMARK, BAD));
    listen(s, 1);
    E(recv(s, &mark, 1, MSG_OOB));
    close(s);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    E(recv(s, &mark, 1, MSG_OOB | MSG_DONTWAIT));
    E(ioctl(s, SIOCATMARK, &mark));
    close(s);
}
// What came with a message: kinds of ancillary data, and whose descriptor it is.
static void came(const char *what, int s, int room, int flags) {
    char control[200], b[10];
    struct iovec v = {b, sizeof b};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room ? control : NULL,
                       .msg_controllen = room};
    errno = 0;
    int n = recvmsg(s, &m, MSG_DONTWAIT | flags);
    say("%s: %d %s flags %x", what, n, name_of(n < 0 ? errno : 0), m.msg_flags);
    for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        say("  %d %d", c->cmsg_level, c->cmsg_type);
        if (c->cmsg_type == SCM_PIDFD_) {
            int fd = *(int *)CMSG_DATA(c), pid = -2;
            char path[60], line[300];
            sprintf(path, "/proc/self/fdinfo/%d", fd);
            FILE *in = fopen(path, "r");
            while (in && fgets(line, sizeof line, in))
                sscanf(line, "Pid: %d", &pid);
            if (in)
                fclose(in);
            say("  own %d cloexec %d", pid == getpid(), fcntl(fd, F_GETFD));
            close(fd);
        }
        if (c->cmsg_type == SCM_RIGHTS)
            close(*(int *)CMSG_DATA(c));
    }
}
static void senders(int type) {
    int s[2], one = 1, got = -1;
    socklen_t n = sizeof got;
    say("type %d", type);
    socketpair(AF_UNIX, type, 0, s);
    E(getsockopt(s[1], SOL_SOCKET, SO_PASSPIDFD, &got, &n));
    E(setsockopt(s[1], SOL_SOCKET, SO_PASSPIDFD, &one, sizeof one));
    E(setsockopt(s[1], SOL_SOCKET, SO_PASSPIDFD, &one, 1));
    getsockopt(s[1], SOL_SOCKET, SO_PASSPIDFD, &got, &n);
    say("%d", got);
    send(s[0], "a", 1, 0);
    came("plain", s[1], 200, 0);
    setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one);
    send(s[0], "a", 1, 0);
    came("peeked", s[1], 200, MSG_PEEK);
    came("both", s[1], 200, 0);
    send(s[0], "a", 1, 0);
    came("no room", s[1], 0, 0);
    send(s[0], "a", 1, 0);
    came("little room", s[1], 40, 0);
    char control[CMSG_SPACE(4)] = {0};
    struct iovec v = {"b", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
                       .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){CMSG_LEN(4), SOL_SOCKET, SCM_RIGHTS};
    *(int *)CMSG_DATA(c) = 1;
    E(sendmsg(s[0], &m, 0));
    came("with rights", s[1], 200, 0);
    c->cmsg_type = SCM_PIDFD_;
    E(sendmsg(s[0], &m, 0));
    CHILD("child", send(s[0], "c", 1, 0));
    int i = socket(AF_INET, SOCK_STREAM, 0);
    E(setsockopt(i, SOL_SOCKET, SO_PASSPIDFD, &one, sizeof one));
    E(getsockopt(i, SOL_SOCKET, SO_PASSPIDFD, &got, &n));
    close(i);
    close(s[0]);
    close(s[1]);
}
int main(int c, char **v) {
    begin(v);
    refused();
    tcp(0);
    tcp(1);
    signals();
    senders(SOCK_STREAM);
    senders(SOCK_DGRAM);
    return 0;
}
