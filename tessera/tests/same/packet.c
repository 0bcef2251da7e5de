// Packet sockets on a loopback interface of their own, filters of sockets of all kinds, and rings.
#include "net.h"
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/un.h>

static unsigned char data[70000];

static void hex(const char *what, const unsigned char *p, int n) {
    char text[400] = "";
    for (int i = 0; i < n && i < 80; i++) sprintf(text + 2 * i, "%02x", p[i]);
    say("%s: %s", what, text);
}

// Sums of headers, and of datagrams, which nobody needs over this interface.
static void forget_sums(unsigned char *ip) {
    if (ip[0] >> 4 != 4) return;
    memset(ip + 4, 0, 2);
    memset(ip + 10, 0, 2);
    if (ip[9] == 17) memset(ip + 26, 0, 2);
    // What an error brings back.
    if (ip[9] == 1 && ip[20] == 3)
        for (int i = 22; i < 56; i += i == 22 ? 10 : i == 32 ? 6 : 16) memset(ip + i, 0, 2);
}

static void got(const char *what, int s, int flags) {
    for (int i = 0; i < 10; i++) {
        struct sockaddr_ll from;
        union {
            struct cmsghdr align;
            char bytes[512];
        } control;
        struct iovec io = {data, flags & MSG_TRUNC ? 20 : sizeof data};
        struct msghdr m = {&from, sizeof from, &io, 1, &control, sizeof control};
        memset(&from, 0x77, sizeof from);
        memset(data, 0, 100);
        errno = 0;
        long n = recvmsg(s, &m, MSG_DONTWAIT | flags);
        if (n < 0) {
            say("%s: %s", what, name_of(errno));
            return;
        }
        int type = 0;
        socklen_t len = sizeof type;
        getsockopt(s, SOL_SOCKET, SO_TYPE, &type, &len);
        say("%s: %ld bytes flags %x, name %d", what, n, m.msg_flags, m.msg_namelen);
        hex(" from", (void *)&from, m.msg_namelen);
        forget_sums(data + (type == SOCK_RAW ? 14 : 0));
        hex(" data", data, n);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            struct tpacket_auxdata *aux = (void *)CMSG_DATA(c);
            say(" level %d type %d", c->cmsg_level, c->cmsg_type);
            if (c->cmsg_level == SOL_PACKET)
                say("  status %d len %d of %d at %d %d tag %d", aux->tp_status & 1, aux->tp_snaplen,
                    aux->tp_len, aux->tp_mac, aux->tp_net, aux->tp_vlan_tci);
        }
    }
}

static int ping, udp;

// One packet of ICMP out and one back.
static void packets(void) {
    unsigned char p[12] = {8, 0, 0, 0, 0, 7, 0, 1, 'a', 'b', 'c', 'd'};
    struct sockaddr_storage to;
    socklen_t len = local(AF_INET, 1, 0, &to);
    *(unsigned short *)(p + 2) = sum_of(p, sizeof p);
    E(sendto(ping, p, sizeof p, 0, (void *)&to, len));
}

static void statistics(int s) {
    struct tpacket_stats seen = {77, 77};
    socklen_t len = sizeof seen;
    E(getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &seen, &len));
    say("%d packets, %d lost, %d bytes", seen.tp_packets, seen.tp_drops, len);
}

static void name(const char *what, int s) {
    unsigned char a[30];
    socklen_t len = sizeof a;
    memset(a, 0x77, sizeof a);
    E(getsockname(s, (void *)a, &len));
    say("%s: %d bytes", what, len);
    hex(" name", a, len);
    len = sizeof a;
    E(getpeername(s, (void *)a, &len));
}

static void sockets(void) {
    for (int type = 0; type < 7; type++) {
        if (type == SOCK_PACKET) continue;
        errno = 0;
        int s = socket(AF_PACKET, type, htons(ETH_P_ALL));
        say("type %d: %s", type, name_of(errno));
        if (s >= 0) close(s);
    }
    int raw = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), on = 1;
    int dgram = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP)), none = socket(AF_PACKET, SOCK_RAW, 0);
    name("new", raw);
    E(setsockopt(raw, SOL_PACKET, PACKET_AUXDATA, &on, 4));
    packets();
    got("raw", raw, 0);
    got("dgram", dgram, 0);
    got("none", none, 0);
    statistics(raw);
    statistics(raw);
    statistics(dgram);
    packets();
    got("short", raw, MSG_TRUNC);
    struct sockaddr_ll at = {AF_PACKET, htons(ETH_P_IPV6), 1};
    E(bind(raw, (void *)&at, sizeof at));
    name("bound", raw);
    packets();
    got("other protocol", raw, 0);
    at.sll_protocol = 0;
    E(bind(none, (void *)&at, sizeof at));
    at.sll_ifindex = 99;
    E(bind(raw, (void *)&at, sizeof at));
    E(bind(raw, (void *)&at, 10));
    at.sll_family = AF_INET;
    E(bind(raw, (void *)&at, sizeof at));
    E(listen(raw, 1));
    E(accept(raw, NULL, NULL));
    E(connect(raw, (void *)&at, sizeof at));
    E(shutdown(raw, SHUT_RD));
    E(setsockopt(raw, SOL_IP, IP_TTL, &on, 4));
    E(setsockopt(raw, SOL_PACKET, 99, &on, 4));
    E(setsockopt(raw, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, 4));
    struct packet_mreq m = {1, PACKET_MR_PROMISC};
    E(setsockopt(raw, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m));
    E(setsockopt(raw, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m));
    E(setsockopt(raw, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m));
    E(setsockopt(raw, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m));
    E(setsockopt(raw, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m));
    E(setsockopt(raw, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m));
    m.mr_ifindex = 99;
    E(setsockopt(raw, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m));
    E(setsockopt(raw, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, 4));
    at = (struct sockaddr_ll){AF_PACKET, htons(ETH_P_ALL), 1};
    E(bind(raw, (void *)&at, sizeof at));
    packets();
    got("only what comes", raw, 0);
    got("flushed", dgram, 0);
    // Datagrams, seen by who listens.
    struct sockaddr_storage to;
    socklen_t len = local(AF_INET, 1, 1234, &to);
    E(sendto(udp, "hello", 5, 0, (void *)&to, len));
    got("to nobody", dgram, 0);
    close(raw);
    close(dgram);
    close(none);
}

// What is made by hand.
static void sent(void) {
    int raw = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), dgram = socket(AF_PACKET, SOCK_DGRAM, 0);
    unsigned char f[60] = {0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0x88, 0xb5, 'x', 'y'};
    struct sockaddr_ll at = {AF_PACKET, htons(0x88b5), 1, 0, 0, 6, {0, 0, 0, 0, 0, 0}};
    E(sendto(raw, f, 16, 0, (void *)&at, sizeof at));
    got("frame", raw, 0);
    at.sll_protocol = 0;
    E(sendto(raw, f, 16, 0, (void *)&at, sizeof at));
    got("frame of no protocol", raw, 0);
    at.sll_protocol = htons(0x88b6);
    E(sendto(dgram, f, 16, 0, (void *)&at, sizeof at));
    got("without head", raw, 0);
    f[0] = 255;
    memset(f + 1, 255, 5);
    E(sendto(raw, f, 16, 0, (void *)&at, sizeof at));
    got("to all", raw, 0);
    f[1] = 1;
    E(sendto(raw, f, 16, 0, (void *)&at, sizeof at));
    got("to many", raw, 0);
    f[0] = 2;
    E(sendto(raw, f, 16, 0, (void *)&at, sizeof at));
    got("to others", raw, 0);
    E(sendto(raw, f, 13, 0, (void *)&at, sizeof at));
    E(sendto(raw, f, 16, 0, (void *)&at, 12));
    E(send(raw, f, 16, 0));
    E(sendto(raw, data, 65536 + 19, 0, (void *)&at, sizeof at));
    at.sll_ifindex = 99;
    E(sendto(raw, f, 16, 0, (void *)&at, sizeof at));
    got("rest", raw, 0);
    close(raw);
    close(dgram);
}

#define FILTER(s, ...)                                                                             \
    ({                                                                                             \
        struct sock_filter code_[] = {__VA_ARGS__};                                                \
        struct sock_fprog program_ = {sizeof code_ / sizeof *code_, code_};                        \
        E(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &program_, sizeof program_));                \
    })

static void filters(void) {
    int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), on = 1, off = 0;
    // Replies alone, of which 40 bytes.
    FILTER(s, BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14), BPF_STMT(BPF_LD | BPF_B | BPF_IND, 14),
           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), BPF_STMT(BPF_RET | BPF_K, 40),
           BPF_STMT(BPF_RET | BPF_K, 0));
    E(setsockopt(s, SOL_PACKET, PACKET_AUXDATA, &on, 4));
    packets();
    got("replies", s, 0);
    struct sock_filter code[10];
    socklen_t len = 10;
    E(getsockopt(s, SOL_SOCKET, SO_GET_FILTER, code, &len));
    say("%d instructions", len);
    hex("code", (void *)code, 40);
    len = 3;
    E(getsockopt(s, SOL_SOCKET, SO_GET_FILTER, code, &len));
    len = 0;
    E(getsockopt(s, SOL_SOCKET, SO_GET_FILTER, code, &len));
    say("%d instructions", len);
    // What goes out, by what is beside the bytes.
    FILTER(s, BPF_STMT(BPF_LD | BPF_H | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 3),
           BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PROTOCOL),
           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 1), BPF_STMT(BPF_RET | BPF_K, -1),
           BPF_STMT(BPF_RET | BPF_K, 0));
    packets();
    got("outgoing", s, 0);
    FILTER(s, BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF + 9), BPF_STMT(BPF_MISC | BPF_TAX, 0),
           BPF_STMT(BPF_LD | BPF_H | BPF_ABS, SKF_LL_OFF + 12), BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 7),
           BPF_STMT(BPF_ALU | BPF_MUL | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 14),
           BPF_STMT(BPF_RET | BPF_A, 0));
    packets();
    got("by its own sum", s, 0);
    statistics(s);
    FILTER(s, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 60), BPF_STMT(BPF_RET | BPF_K, -1));
    packets();
    got("past the end", s, 0);
    FILTER(s, BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_STMT(BPF_RET | BPF_A, 0));
    packets();
    got("all", s, 0);
    // What is no filter.
    FILTER(s, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0));
    FILTER(s, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + 64), BPF_STMT(BPF_RET | BPF_K, 1));
    FILTER(s, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + 3), BPF_STMT(BPF_RET | BPF_K, 1));
    FILTER(s, BPF_STMT(BPF_LD | BPF_MEM, 3), BPF_STMT(BPF_RET | BPF_K, 1));
    FILTER(s, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 1));
    FILTER(s, BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 1));
    FILTER(s, BPF_STMT(BPF_JMP | BPF_JA, 5), BPF_STMT(BPF_RET | BPF_K, 1));
    FILTER(s, BPF_STMT(0xffff, 0), BPF_STMT(BPF_RET | BPF_K, 1));
    struct sock_fprog none = {0, code}, nowhere = {2, BAD};
    E(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &none, sizeof none));
    E(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &nowhere, sizeof nowhere));
    E(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &none, 4));
    E(setsockopt(s, SOL_SOCKET, SO_DETACH_FILTER, &on, 4));
    E(setsockopt(s, SOL_SOCKET, SO_DETACH_FILTER, &on, 4));
    FILTER(s, BPF_STMT(BPF_RET | BPF_K, 0));
    E(setsockopt(s, SOL_SOCKET, SO_LOCK_FILTER, &off, 4));
    E(setsockopt(s, SOL_SOCKET, SO_LOCK_FILTER, &on, 4));
    E(setsockopt(s, SOL_SOCKET, SO_LOCK_FILTER, &off, 4));
    E(setsockopt(s, SOL_SOCKET, SO_DETACH_FILTER, &on, 4));
    FILTER(s, BPF_STMT(BPF_RET | BPF_K, 9));
    int locked = 7;
    len = 4;
    E(getsockopt(s, SOL_SOCKET, SO_LOCK_FILTER, &locked, &len));
    say("locked %d", locked);
    close(s);
}

// Filters of other sockets: of datagrams with their header, of messages without.
static void others(void) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), p[2];
    struct sockaddr_storage at;
    socklen_t len = local(AF_INET, 1, 4321, &at);
    E(bind(a, (void *)&at, len));
    FILTER(a, BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4321, 0, 3),
           BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'y', 0, 1),
           BPF_STMT(BPF_RET | BPF_K, 12), BPF_STMT(BPF_RET | BPF_K, 0));
    E(sendto(udp, "no", 2, 0, (void *)&at, len));
    E(sendto(udp, "yes and more", 12, 0, (void *)&at, len));
    E(sendto(udp, "y", 1, 0, (void *)&at, len));
    for (int i = 0; i < 3; i++) {
        memset(data, 0, 20);
        E(recv(a, data, 100, MSG_DONTWAIT));
        say("%s", data);
    }
    FILTER(a, BPF_STMT(BPF_RET | BPF_K, 1));
    E(sendto(udp, "cut", 3, 0, (void *)&at, len));
    E(recv(a, data, 100, MSG_DONTWAIT));
    static const int kinds[] = {SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};
    for (int i = 0; i < 3; i++) {
        socketpair(AF_UNIX, kinds[i], 0, p);
        FILTER(p[1], BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'y', 0, 1),
               BPF_STMT(BPF_RET | BPF_K, 3), BPF_STMT(BPF_RET | BPF_K, 0));
        E(send(p[0], "no", 2, 0));
        E(send(p[0], "yesss", 5, 0));
        for (int k = 0; k < 2; k++) E(recv(p[1], data, 100, MSG_DONTWAIT));
        close(p[0]);
        close(p[1]);
    }
    close(a);
}

static void rings(void) {
    int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), version = TPACKET_V2, size = TPACKET_V2;
    socklen_t len = 4;
    struct tpacket_req r = {4096, 2, 2048, 4};
    E(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0) != MAP_FAILED);
    E(getsockopt(s, SOL_PACKET, PACKET_HDRLEN, &size, &len));
    say("head %d", size);
    size = 99;
    E(getsockopt(s, SOL_PACKET, PACKET_HDRLEN, &size, &len));
    E(setsockopt(s, SOL_PACKET, PACKET_VERSION, &version, 4));
    version = 99;
    E(setsockopt(s, SOL_PACKET, PACKET_VERSION, &version, 4));
    int reserve = 4;
    E(setsockopt(s, SOL_PACKET, PACKET_RESERVE, &reserve, 4));
    static const struct tpacket_req wrong[] = {{4096, 2, 2048, 5}, {4096, 2, 40, 200}, {4000, 2, 2048, 2},
                                               {4096, 0, 2048, 4}, {4096, 1, 8192, 0}, {4096, 2, 2050, 2}};
    for (int i = 0; i < 6; i++) E(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &wrong[i], sizeof r));
    E(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &r, sizeof r));
    E(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &r, sizeof r));
    E(setsockopt(s, SOL_PACKET, PACKET_RESERVE, &reserve, 4));
    unsigned char *ring = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
    for (int round = 0; round < 3; round++) {
        struct pollfd p = {s, POLLIN};
        say("poll %d", poll(&p, 1, 0));
        packets();
        say("poll %d", poll(&p, 1, 0));
        for (int i = 0; i < 4; i++) {
            struct tpacket2_hdr *h = (void *)(ring + 2048 * i);
            say("frame %d: status %x, %d of %d at %d %d", i, h->tp_status & ~TP_STATUS_CSUM_VALID,
                h->tp_snaplen, h->tp_len, h->tp_mac, h->tp_net);
            if (!h->tp_status) continue;
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            say(" recent %d", labs((long)now.tv_sec - h->tp_sec) < 2);
            hex(" from", (unsigned char *)h + TPACKET_ALIGN(sizeof *h), sizeof(struct sockaddr_ll));
            forget_sums((unsigned char *)h + h->tp_net);
            hex(" data", (unsigned char *)h + h->tp_mac, h->tp_snaplen);
            if (round) h->tp_status = TP_STATUS_KERNEL;
        }
        say("receive %ld %s", recv(s, data, 10, MSG_DONTWAIT), name_of(errno));
    }
    statistics(s);
    munmap(ring, 8192);
    memset(&r, 0, sizeof r);
    E(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &r, sizeof r));
    packets();
    got("without", s, 0);
    close(s);
}

static void listed(void) {
    int s = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IPV6));
    struct stat st;
    fstat(s, &st);
    FILE *f = fopen("/proc/net/packet", "r");
    char line[200];
    for (int i = 0; fgets(line, sizeof line, f); i++) {
        unsigned refs, type, proto, index, running, memory, uid;
        unsigned long ino;
        if (i == 0) say("%s", line);
        if (sscanf(line, "%*x %u %u %x %u %u %u %u %lu", &refs, &type, &proto, &index, &running, &memory, &uid,
                   &ino) == 8)
            say("type %u protocol %x index %u running %u memory %u uid %d inode %d", type, proto, index,
                running, memory, uid == getuid(), ino == st.st_ino);
    }
    fclose(f);
    close(s);
}

int main(int c, char **v) {
    begin(v);
    if (geteuid()) E(socket(AF_PACKET, SOCK_RAW, 0));
    own_network();
    ping = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_storage at;
    socklen_t len = local(AF_INET, 1, 4000, &at);
    bind(udp, (void *)&at, len);
    sockets();
    sent();
    filters();
    others();
    rings();
    listed();
    set_interface(0);
    int s = socket(AF_PACKET, SOCK_RAW, 0), error = 0;
    struct sockaddr_ll lo = {AF_PACKET, htons(ETH_P_ALL), 1};
    E(bind(s, (void *)&lo, sizeof lo));
    len = 4;
    E(getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &len));
    say("down: %s", name_of(error));
    E(sendto(s, data, 20, 0, (void *)&lo, sizeof lo));
    return 0;
}
