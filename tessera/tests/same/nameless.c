// Objects without a name: what fchmod(2) and its like make of them, peeking at an offset, polls
// that watch polls; and a jump to where nothing ever was.
#include "check.h"
#include <sys/un.h>

static char data[100];

static void attributes(const char *what, int fd) {
    struct stat st;
    say("%s", what);
    E(fchmod(fd, 0640));
    E(fstat(fd, &st));
    say("%o", st.st_mode);
    E(fchown(fd, getuid() ? -1 : 12, getuid() ? -1 : 34));
    E(fstat(fd, &st));
    say("%d %d", st.st_uid, st.st_gid);
    struct timespec t[2] = {{1, 0}, {2, 0}};
    E(futimens(fd, t));
    E(fstat(fd, &st));
    say("%d %d", st.st_atime == 1, st.st_mtime == 2);
    char path[40];
    sprintf(path, "/proc/self/fd/%d", fd);
    E(chmod(path, 0604));
    E(stat(path, &st));
    say("%o", st.st_mode);
}

static void others(int domain, int type) {
    int s = socket(domain, type, 0);
    attributes("socket", s);
    close(s);
}

static void peek(int s, int room) {
    memset(data, 0, sizeof data);
    E(recv(s, data, room, MSG_PEEK | MSG_DONTWAIT));
    int at = -7;
    socklen_t len = sizeof at;
    getsockopt(s, SOL_SOCKET, SO_PEEK_OFF, &at, &len);
    say("%s, then at %d", data, at);
}

static void peeking(int type) {
    int p[2], at = 0;
    socketpair(AF_UNIX, type, 0, p);
    peek(p[1], 10);
    E(setsockopt(p[1], SOL_SOCKET, SO_PEEK_OFF, &at, sizeof at));
    E(send(p[0], "abcdef", 6, 0));
    peek(p[1], 2);
    peek(p[1], 2);
    E(recv(p[1], data, 1, MSG_DONTWAIT));
    E(send(p[0], "ghi", 3, 0));
    E(send(p[0], "jkl", 3, 0));
    for (int i = 0; i < 5; i++)
        peek(p[1], i == 2 ? 1 : 20);
    at = 4;
    E(setsockopt(p[1], SOL_SOCKET, SO_PEEK_OFF, &at, sizeof at));
    peek(p[1], 20);
    at = -1;
    E(setsockopt(p[1], SOL_SOCKET, SO_PEEK_OFF, &at, sizeof at));
    peek(p[1], 20);
    peek(p[1], 20);
    close(p[0]);
    close(p[1]);
}

static void watched(const char *what, int ep) {
    struct epoll_event e = {0};
    int n = epoll_wait(ep, &e, 1, 0);
    say("%s: %d %x", what, n, e.events);
}

// A poll that watches the edges of another hears of each, though nobody has looked at that one.
static void polls(void) {
    int p[2], inner = epoll_create1(0), outer = epoll_create1(0);
    pipe(p);
    struct epoll_event level = {EPOLLIN}, edge = {EPOLLIN | EPOLLET};
    E(epoll_ctl(inner, EPOLL_CTL_ADD, p[0], &level));
    E(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &edge));
    watched("nothing", outer);
    for (int i = 0; i < 3; i++) {
        write(p[1], "x", 1);
        watched("one more", outer);
        watched("the same", outer);
    }
    read(p[0], data, 3);
    watched("read", outer);
    write(p[1], "x", 1);
    watched("again", outer);
    close(inner);
    watched("closed", outer);
}

static void handler(int s, siginfo_t *i, void *unused) { say("signal %d code %d", s, i->si_code); }

int main(int c, char **v) {
    begin(v);
    int p[2];
    pipe(p);
    attributes("pipe", p[0]);
    attributes("its other end", p[1]);
    others(AF_UNIX, SOCK_STREAM);
    others(AF_INET, SOCK_DGRAM);
    peeking(SOCK_STREAM);
    peeking(SOCK_DGRAM);
    peeking(SOCK_SEQPACKET);
    polls();
    uint64_t two[2] = {1, 1};
    int e = eventfd(0, EFD_NONBLOCK);
    E(write(e, two, 7));
    E(write(e, two, 8));
    E(read(e, two, 7));
    E(read(e, two, 16));
    // Event files go through no pipe, and sendfile(2) takes from none.
    int q[2];
    pipe2(q, O_NONBLOCK);
    write(q[1], "xyz", 3);
    E(splice(e, NULL, q[1], NULL, 8, 0));
    E(splice(q[0], NULL, e, NULL, 8, 0));
    E(sendfile(q[1], e, NULL, 8));
    E(sendfile(q[1], q[0], NULL, 1));
    E(splice(open(".", O_RDONLY), NULL, q[1], NULL, 8, 0));
    E(splice(epoll_create1(0), NULL, q[1], NULL, 8, 0));
    // In the middle of the page of the old entries.
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESETHAND};
    sigaction(SIGSEGV, &a, NULL);
    CHILD("nowhere", ((void (*)(void))0xffffffffff600401)());
    return 0;
}
