// TCP over the loopback interface: states, ends and resets, as programs see them.
#include "check.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>

static int domain;
static struct sockaddr_storage at;
static socklen_t at_len;
static int listener, near, far;
static char data[70000];

static int stream(int flags) { return socket(domain, SOCK_STREAM | flags, 0); }

static void loopback(void) {
    memset(&at, 0, sizeof at);
    at.ss_family = domain;
    at_len = domain == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (domain == AF_INET6)
        ((struct sockaddr_in6 *)&at)->sin6_addr = in6addr_loopback;
    else
        ((struct sockaddr_in *)&at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static int bound(void) {
    int s = stream(0);
    loopback();
    E(bind(s, (void *)&at, at_len));
    getsockname(s, (void *)&at, &at_len);
    return s;
}

static void connection(void) {
    listener = bound();
    E(listen(listener, 5));
    near = stream(0);
    E(connect(near, (void *)&at, at_len));
    far = accept(listener, NULL, NULL);
}

static void end(void) {
    close(listener);
    close(near);
    close(far);
}

static void events(const char *what, int s, int timeout) {
    struct pollfd p = {s, POLLIN | POLLOUT | POLLRDHUP, 0};
    int r = poll(&p, 1, timeout);
    say("%s: poll %d %x", what, r, p.revents);
}

// Waits for what one end does to show at the other.
static void until(int s, int wanted) {
    struct pollfd p = {s, wanted, 0};
    E(poll(&p, 1, 5000));
}

static void state(const char *what, int s) {
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    int r = getsockopt(s, SOL_TCP, TCP_INFO, &info, &len), error = 0;
    len = sizeof error;
    getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &len);
    say("%s: %d state %d error %s", what, r, info.tcpi_state, name_of(error));
}

static void peers(int s) {
    struct sockaddr_storage who;
    socklen_t len = sizeof who;
    E(getpeername(s, (void *)&who, &len));
}

static void resets(void) {
    connection();
    write(near, data, 10);
    until(far, POLLIN);
    close(far);
    until(near, POLLHUP);
    events("unread", near, 0);
    E(read(near, data, 10));
    E(read(near, data, 10));
    E(send(near, data, 1, MSG_NOSIGNAL));
    state("unread", near);
    peers(near);
    E(shutdown(near, SHUT_RDWR));
    end();

    connection();
    write(near, data, 10);
    write(far, data, 10);
    until(far, POLLIN);
    until(near, POLLIN);
    close(far);
    until(near, POLLHUP);
    E(read(near, data, 20));
    E(read(near, data, 10));
    end();

    connection();
    struct linger now = {1, 0};
    E(setsockopt(near, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    close(near);
    until(far, POLLHUP);
    E(read(far, data, 1));
    end();

    // Connections that nobody accepted break with their listener.
    listener = bound();
    E(listen(listener, 5));
    near = stream(0);
    E(connect(near, (void *)&at, at_len));
    close(listener);
    until(near, POLLHUP);
    E(read(near, data, 1));
    close(near);
}

static void halves(void) {
    connection();
    write(near, data, 10);
    until(far, POLLIN);
    E(shutdown(far, SHUT_WR));
    until(near, POLLRDHUP);
    events("one end", near, 0);
    state("one end", near);
    E(read(near, data, 10));
    end();

    connection();
    write(near, data, 10);
    until(far, POLLIN);
    E(shutdown(far, SHUT_RD));
    events("deaf", far, 0);
    E(read(far, data, 20));
    E(read(far, data, 20));
    events("unaware", near, 0);
    end();

    // Once both have ended it is as if there were no connection.
    connection();
    write(near, "data", 4);
    E(shutdown(near, SHUT_WR));
    write(far, "back", 4);
    E(shutdown(far, SHUT_WR));
    until(far, POLLHUP);
    until(near, POLLHUP);
    for (int i = 0; i < 2; i++) {
        int s = i ? near : far;
        events("both", s, 0);
        state("both", s);
        peers(s);
        E(send(s, "x", 1, MSG_NOSIGNAL));
        E(recv(s, data, 10, MSG_DONTWAIT));
        E(recv(s, data, 10, MSG_DONTWAIT));
        E(connect(s, (void *)&at, at_len));
        E(listen(s, 1));
        E(shutdown(s, SHUT_RD));
        E(shutdown(s, SHUT_RDWR));
    }
    end();
}

static void attempts(void) {
    int s = bound(), other;
    for (int i = 0; i < 4; i++) {
        other = stream(SOCK_NONBLOCK);
        E(connect(other, (void *)&at, at_len));
        until(other, POLLERR);
        events("refused", other, 0);
        if (i == 0)
            state("refused", other);
        else if (i == 1)
            E(read(other, data, 1));
        else if (i == 2)
            E(recv(other, data, 1, MSG_PEEK));
        else
            E(send(other, data, 1, MSG_NOSIGNAL));
        events("told", other, 0);
        fcntl(other, F_SETFL, 0);
        E(connect(other, (void *)&at, at_len));
        E(connect(other, (void *)&at, at_len));
        close(other);
    }
    // A connection of a socket with itself.
    E(connect(s, (void *)&at, at_len));
    peers(s);
    state("itself", s);
    E(write(s, "hello", 5));
    E(read(s, data, 10));
    E(shutdown(s, SHUT_WR));
    E(read(s, data, 10));
    events("itself", s, 0);
    close(s);

    listener = bound();
    E(listen(listener, 0));
    near = stream(0);
    E(connect(near, (void *)&at, at_len));
    for (int i = 0; i < 3; i++) {
        s = stream(SOCK_NONBLOCK);
        E(connect(s, (void *)&at, at_len));
        E(connect(s, (void *)&at, at_len));
        events("waiting", s, 20);
        state("waiting", s);
        E(shutdown(s, i));
        events("given up", s, 0);
        E(recv(s, data, 1, 0));
        close(s);
    }
    close(near);
    close(listener);
}

static void *shut(void *unused) {
    ms(100);
    shutdown(near, SHUT_WR);
    return NULL;
}

static void *take_and_close(void *unused) {
    ms(100);
    char c;
    read(far, &c, 1);
    close(far);
    return NULL;
}

static void blocked(void) {
    for (int i = 0; i < 2; i++) {
        connection();
        pthread_t t;
        pthread_create(&t, NULL, i ? take_and_close : shut, NULL);
        long sent = 0, n;
        while ((n = write(near, data, sizeof data)) > 0)
            sent += n;
        say("some %d, then %s", sent > 0, name_of(errno));
        E(write(near, data, 1));
        pthread_join(t, NULL);
        end();
    }
}

static void pending(int s) {
    char control[200];
    struct iovec io = {data, 500};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    E(recvmsg(s, &m, 0));
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        say(" %d %d %zu: %d", c->cmsg_level, c->cmsg_type, c->cmsg_len, *(int *)CMSG_DATA(c));
}

static void queues(void) {
    connection();
    int n = 1;
    E(setsockopt(far, SOL_TCP, TCP_INQ, &n, sizeof n));
    write(near, data, 1024);
    ms(20);
    E(ioctl(near, TIOCOUTQ, &n));
    say("%d", n);
    for (int i = 0; i < 3; i++)
        pending(far);
    write(near, data, 10);
    shutdown(near, SHUT_WR);
    ms(20);
    pending(far);
    pending(far);
    end();
}

// Listeners that share a port share what comes.
static void shared(void) {
    int one = 1, s[2];
    loopback();
    for (int i = 0; i < 2; i++) {
        s[i] = stream(0);
        E(setsockopt(s[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof one));
        E(bind(s[i], (void *)&at, at_len));
        getsockname(s[i], (void *)&at, &at_len);
        E(listen(s[i], 64));
    }
    int had[2] = {0};
    for (int i = 0; i < 60; i++) {
        int c = stream(0);
        connect(c, (void *)&at, at_len);
        struct pollfd p[2] = {{s[0], POLLIN}, {s[1], POLLIN}};
        poll(p, 2, 1000);
        int which = p[0].revents ? 0 : 1;
        had[which]++;
        close(accept(s[which], NULL, NULL));
        close(c);
    }
    say("both have some: %d", had[0] > 8 && had[1] > 8);
    close(s[0]);
    close(s[1]);
}

// What is left of an attempt that was refused, and of a connection that its owner gave up.
static void given_up(void) {
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    int error = 0;
    socklen_t size = sizeof error;
    close(bound());
    int s = stream(SOCK_NONBLOCK);
    E(connect(s, (void *)&at, at_len));
    ms(20);
    E(listen(s, 1));
    E(connect(s, (void *)&at, at_len));
    close(s);
    connection();
    E(connect(near, &nowhere, sizeof nowhere));
    E(getsockopt(near, SOL_SOCKET, SO_ERROR, &error, &size));
    say("%d", error);
    if (domain == AF_INET) {
        size = 3;
        E(getsockopt(near, IPPROTO_IP, IP_TTL, &error, &size));
        say("%d bytes", size);
    }
    struct pollfd p = {listener, POLLIN | POLLOUT | POLLRDHUP};
    E(shutdown(listener, SHUT_RD));
    E(poll(&p, 1, 0));
    say("%x", p.revents);
    close(near);
    close(far);
    close(listener);
}

int main(int c, char **v) {
    begin(v);
    signal(SIGPIPE, SIG_IGN);
    for (domain = AF_INET; domain <= AF_INET6; domain += AF_INET6 - AF_INET) {
        resets();
        halves();
        attempts();
        blocked();
        queues();
        shared();
        given_up();
    }
    return 0;
}
