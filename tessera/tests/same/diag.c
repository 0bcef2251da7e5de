// What NETLINK_SOCK_DIAG tells of sockets of TCP, UDP and AF_UNIX.
#include "net.h"
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <sys/un.h>

static int nl;
static char data[65536];
static ino_t known[20];
static int known_count;

// A socket whose inode number is one of those that are told.
static int noted(int s) {
    struct stat st;
    fstat(s, &st);
    known[known_count++] = st.st_ino;
    return s;
}

static int which(unsigned ino) {
    for (int i = 0; i < known_count; i++)
        if (known[i] == ino) return i;
    return ino ? 99 : -1;
}

static void attributes(const struct rtattr *a, int len, int of_unix) {
    for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        const unsigned char *p = RTA_DATA(a);
        unsigned n = RTA_PAYLOAD(a), words[4] = {0};
        memcpy(words, p, n < 16 ? n : 16);
        if (of_unix) {
            if (a->rta_type == UNIX_DIAG_NAME)
                say("  name, %u bytes: %d %s", n, p[0], p[0] ? (char *)p : (char *)p + 1);
            else if (a->rta_type == UNIX_DIAG_PEER)
                say("  peer %d", which(words[0]));
            else if (a->rta_type == UNIX_DIAG_ICONS)
                say("  %u wait, first %d", n / 4, which(words[0]));
            else if (a->rta_type == UNIX_DIAG_RQLEN)
                say("  queues %u %d", words[0], !!words[1]);
            else if (a->rta_type == UNIX_DIAG_SHUTDOWN)
                say("  shut %d", p[0]);
            else if (a->rta_type == UNIX_DIAG_UID)
                say("  uid %d", words[0] == getuid());
            else
                say("  attribute %d, %u bytes", a->rta_type, n);
        } else if (a->rta_type == INET_DIAG_SHUTDOWN || a->rta_type == INET_DIAG_TOS ||
                   a->rta_type == INET_DIAG_TCLASS || a->rta_type == INET_DIAG_SKV6ONLY)
            say("  attribute %d: %d", a->rta_type, p[0]);
        else if (a->rta_type == INET_DIAG_MARK)
            say("  mark %u", words[0]);
        else if (a->rta_type == INET_DIAG_INFO)
            say("  info of state %d, more %d", p[0] == 4 ? 5 : p[0], n >= 104);
        else if (a->rta_type == INET_DIAG_CONG)
            say("  an algorithm %d", n > 1);
        else if (a->rta_type == INET_DIAG_MEMINFO || a->rta_type == INET_DIAG_SKMEMINFO)
            say("  memory %d, %u bytes", a->rta_type, n);
    }
}

static void told(const struct nlmsghdr *h) {
    const unsigned char *body = NLMSG_DATA(h);
    if (body[0] == AF_UNIX) {
        const struct unix_diag_msg *m = (void *)body;
        if (which(m->udiag_ino) == 99) return;
        say(" unix %d type %d state %d, cookie %d", which(m->udiag_ino), m->udiag_type, m->udiag_state,
            m->udiag_cookie[0] != -1);
        attributes((void *)(m + 1), h->nlmsg_len - NLMSG_LENGTH(sizeof *m), 1);
        return;
    }
    const struct inet_diag_msg *m = (void *)body;
    char own[50], peer[50];
    inet_ntop(m->idiag_family, m->id.idiag_src, own, sizeof own);
    inet_ntop(m->idiag_family, m->id.idiag_dst, peer, sizeof peer);
    int own_port = ntohs(m->id.idiag_sport), peer_port = ntohs(m->id.idiag_dport);
    // That the end of a stream has come is said a moment later.
    int state = m->idiag_state == 4 ? 5 : m->idiag_state;
    say(" family %d state %d of %d, %s %d to %s %d, interface %d, queues %u %u, uid %d", m->idiag_family,
        state, which(m->idiag_inode), own, own_port > 9999 ? -1 : own_port, peer,
        peer_port > 9999 ? -1 : peer_port, m->id.idiag_if, m->idiag_rqueue, state == 5 ? 0 : m->idiag_wqueue,
        m->idiag_uid == getuid());
    attributes((void *)(m + 1), h->nlmsg_len - NLMSG_LENGTH(sizeof *m), 0);
}

// Asks, and reads to the end; in the order of inode numbers, as there is no other.
static int ask(const char *what, int type, int flags, const void *body, int len) {
    struct {
        struct nlmsghdr h;
        char body[256];
    } m = {{NLMSG_LENGTH(len), type, NLM_F_REQUEST | flags, 7}};
    memcpy(m.body, body, len);
    say("%s: %d", what, send(nl, &m, m.h.nlmsg_len, 0) == m.h.nlmsg_len);
    int count = 0, at = 0;
    static char all[200000];
    for (int end = 0; !end;) {
        struct pollfd p = {nl, POLLIN};
        if (poll(&p, 1, 500) < 1) {
            say("silence");
            break;
        }
        int n = recv(nl, data, sizeof data, 0);
        for (struct nlmsghdr *h = (void *)data; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
            end |= h->nlmsg_type == NLMSG_DONE || !(h->nlmsg_flags & NLM_F_MULTI);
            if (h->nlmsg_type == NLMSG_ERROR) {
                say(" error %s", name_of(-((struct nlmsgerr *)NLMSG_DATA(h))->error));
            } else if (h->nlmsg_type == NLMSG_DONE) {
                say(" done %d", *(int *)NLMSG_DATA(h));
            } else {
                count++;
                if (at + NLMSG_ALIGN(h->nlmsg_len) <= sizeof all) {
                    memcpy(all + at, h, h->nlmsg_len);
                    at += NLMSG_ALIGN(h->nlmsg_len);
                }
            }
        }
    }
    for (int i = -1; i < known_count && count < 100; i++)
        for (int k = 0; k < at;) {
            struct nlmsghdr *h = (void *)(all + k);
            k += NLMSG_ALIGN(h->nlmsg_len);
            unsigned char *b = NLMSG_DATA(h);
            unsigned ino = b[0] == AF_UNIX ? ((struct unix_diag_msg *)b)->udiag_ino
                                           : ((struct inet_diag_msg *)b)->idiag_inode;
            if (which(ino) == i) told(h);
        }
    return count;
}

static void inet(const char *what, int family, int protocol, unsigned states, int ext, int flags, int port) {
    struct inet_diag_req_v2 r = {family, protocol, ext, 0, states};
    r.id.idiag_sport = htons(port);
    if (!flags) {
        inet_pton(AF_INET, "127.0.0.1", r.id.idiag_src);
        r.id.idiag_cookie[0] = r.id.idiag_cookie[1] = -1;
    }
    ask(what, SOCK_DIAG_BY_FAMILY, flags, &r, sizeof r);
}

static void of_unix(const char *what, unsigned states, unsigned show, int flags, int s) {
    struct unix_diag_req r = {AF_UNIX, 0, 0, states, 0, show};
    struct stat st;
    if (s >= 0 && !fstat(s, &st)) r.udiag_ino = st.st_ino;
    if (!flags) r.udiag_cookie[0] = r.udiag_cookie[1] = -1;
    ask(what, SOCK_DIAG_BY_FAMILY, flags, &r, sizeof r);
}

int main(int c, char **v) {
    begin(v);
    own_network();
    nl = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
    struct sockaddr_storage a;
    for (int f = 0; f < 2; f++) {
        int family = f ? AF_INET6 : AF_INET;
        socklen_t len = local(family, 1, 5000 + f, &a);
        int l = noted(socket(family, SOCK_STREAM, 0)), s = noted(socket(family, SOCK_STREAM, 0));
        int u = noted(socket(family, SOCK_DGRAM, 0)), k = noted(socket(family, SOCK_DGRAM, 0));
        bind(l, (void *)&a, len);
        bind(u, (void *)&a, len);
        listen(l, 5);
        connect(s, (void *)&a, len);
        connect(k, (void *)&a, len);
        int t = noted(accept(l, NULL, NULL));
        send(s, "hello", 5, 0);
        shutdown(s, SHUT_WR);
        int waits = noted(socket(family, SOCK_STREAM, 0));
        connect(waits, (void *)&a, len);
        noted(socket(family, SOCK_STREAM, 0));
    }
    inet("tcp", AF_INET, IPPROTO_TCP, -1, 0, NLM_F_DUMP, 0);
    inet("tcp of IPv6", AF_INET6, IPPROTO_TCP, -1, 0x72, NLM_F_DUMP, 0);
    inet("listening", AF_INET, IPPROTO_TCP, 1 << TCP_LISTEN, 0xff, NLM_F_DUMP, 0);
    inet("by port", AF_INET, IPPROTO_TCP, -1, 0, NLM_F_DUMP, 5000);
    inet("by another", AF_INET, IPPROTO_TCP, -1, 0, NLM_F_DUMP, 5005);
    inet("udp", AF_INET6, IPPROTO_UDP, -1, 0, NLM_F_DUMP, 0);
    inet("connected", AF_INET, IPPROTO_UDP, 1 << TCP_ESTABLISHED, 0, NLM_F_DUMP, 0);
    inet("none", AF_INET, IPPROTO_UDP, 0, 0, NLM_F_DUMP, 0);
    inet("one", AF_INET, IPPROTO_TCP, -1, 0, 0, 5000);
    inet("not there", AF_INET, IPPROTO_TCP, -1, 0, 0, 5009);
    inet("no protocol", AF_INET, 99, -1, 0, NLM_F_DUMP, 0);
    inet("no protocol", AF_INET, 99, -1, 0, 0, 0);
    struct inet_diag_req_v2 r = {99, IPPROTO_TCP};
    ask("no family", SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &r, sizeof r);
    r.sdiag_family = AF_INET;
    ask("short", SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &r, 20);
    ask("nothing", SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &r, 0);
    ask("no type", 99, NLM_F_DUMP, &r, sizeof r);
    known_count = 0;
    int p[2];
    static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 3; i++) {
        socketpair(AF_UNIX, kinds[i], 0, p);
        noted(p[0]);
        noted(p[1]);
        send(p[1], "abc", 3, 0);
    }
    shutdown(p[0], SHUT_WR);
    struct sockaddr_un name = {AF_UNIX, "socket"}, other = {AF_UNIX, "\0abstract"};
    int l = noted(socket(AF_UNIX, SOCK_STREAM, 0)), s = noted(socket(AF_UNIX, SOCK_STREAM, 0));
    int d = noted(socket(AF_UNIX, SOCK_DGRAM, 0));
    E(bind(l, (void *)&name, sizeof name));
    E(listen(l, 3));
    E(connect(s, (void *)&name, sizeof name));
    E(bind(d, (void *)&other, 11));
    of_unix("all", -1, UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID, NLM_F_DUMP, -1);
    of_unix("listening", 1 << TCP_LISTEN, UDIAG_SHOW_NAME | UDIAG_SHOW_ICONS, NLM_F_DUMP, -1);
    of_unix("one", -1, UDIAG_SHOW_PEER | UDIAG_SHOW_VFS | UDIAG_SHOW_MEMINFO, 0, l);
    of_unix("one", -1, UDIAG_SHOW_PEER, 0, s);
    of_unix("no socket", -1, 0, 0, nl);
    // More than one piece.
    struct rlimit most = {1000, 1000};
    setrlimit(RLIMIT_NOFILE, &most);
    for (int i = 0; i < 700; i++) {
        int s = socket(AF_INET, SOCK_DGRAM, 0);
        socklen_t len = local(AF_INET, 1, 0, &a);
        bind(s, (void *)&a, len);
    }
    struct inet_diag_req_v2 many = {AF_INET, IPPROTO_UDP, 0, 0, -1};
    say("%d", ask("many", SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &many, sizeof many));
    return 0;
}
