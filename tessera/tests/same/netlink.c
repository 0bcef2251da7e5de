// Netlink sockets: groups, and the numbers that switch something.
#include "check.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

static void groups(int s, socklen_t room) {
    unsigned char value[64] = {0};
    socklen_t len = room;
    E(getsockopt(s, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, room ? value : NULL, &len));
    struct sockaddr_nl own = {0};
    socklen_t size = sizeof own;
    E(getsockname(s, (void *)&own, &size));
    say("room %u: told %u, %02x %02x %02x %02x %02x; of the address %x", room, len, value[0], value[1],
        value[2], value[3], value[4], own.nl_groups);
}

int main(int c, char **v) {
    begin(v);
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    groups(s, 0);
    static const int members[] = {1, 33, 38, 5, 0, -1, 63, 64, 65, 1000};
    for (unsigned i = 0; i < sizeof members / sizeof *members; i++)
        E(setsockopt(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &members[i], 4));
    for (socklen_t room = 0; room <= 9; room++)
        groups(s, room);
    struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = 0x102};
    E(bind(s, (void *)&to, sizeof to));
    groups(s, 8);
    int five = 5, first = 2, high = 33;
    E(setsockopt(s, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &five, 4));
    E(setsockopt(s, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &first, 4));
    E(setsockopt(s, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &high, 4));
    E(setsockopt(s, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &high, 3));
    groups(s, 8);
    static const int switches[] = {NETLINK_PKTINFO, NETLINK_BROADCAST_ERROR, NETLINK_NO_ENOBUFS,
                                   NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK};
    for (unsigned i = 0; i < sizeof switches / sizeof *switches; i++) {
        int on = 7, is = -1;
        socklen_t len = 4;
        say("switch %d", switches[i]);
        E(setsockopt(s, SOL_NETLINK, switches[i], &on, 4));
        E(getsockopt(s, SOL_NETLINK, switches[i], &is, &len));
        say("is %d, %u bytes", is, len);
        on = 0;
        E(setsockopt(s, SOL_NETLINK, switches[i], &on, 4));
        E(getsockopt(s, SOL_NETLINK, switches[i], &is, &len));
        say("is %d", is);
        E(setsockopt(s, SOL_NETLINK, switches[i], BAD, 4));
        len = 3;
        E(getsockopt(s, SOL_NETLINK, switches[i], &is, &len));
    }
    int other = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
    E(setsockopt(other, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &one, 4));
    socklen_t len = 4;
    E(getsockopt(other, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, &one, &len));
    // Nothing comes of devices, and whoever asks may be told who says so.
    int events = E(socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT) > 0), type = 0;
    events = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
    to.nl_groups = 1;
    E(bind(events, (void *)&to, sizeof to));
    char b[4096];
    E(recv(events, b, sizeof b, MSG_DONTWAIT));
    len = 4;
    E(getsockopt(events, SOL_SOCKET, SO_TYPE, &type, &len));
    say("%d", type);
    E(setsockopt(events, SOL_SOCKET, SO_PASSCRED, &one, 4));
    E(setsockopt(s, SOL_SOCKET, SO_PASSCRED, &one, 4));
    E(getsockopt(s, SOL_SOCKET, SO_PASSCRED, &type, &len));
    say("%d", type);
    struct nlmsghdr ask = {sizeof ask, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, 9};
    E(send(s, &ask, sizeof ask, 0));
    struct iovec part = {b, sizeof b};
    char control[200];
    struct msghdr m = {NULL, 0, &part, 1, control, sizeof control};
    E(recvmsg(s, &m, MSG_DONTWAIT));
    say("error %d", ((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)b))->error);
    for (struct cmsghdr *k = CMSG_FIRSTHDR(&m); k; k = CMSG_NXTHDR(&m, k)) {
        struct ucred *who = (void *)CMSG_DATA(k);
        if (k->cmsg_level == SOL_SOCKET && k->cmsg_type == SCM_CREDENTIALS)
            say("from process %d, user %d", who->pid, who->uid);
    }
    E(recv(s, b, sizeof b, MSG_DONTWAIT | MSG_OOB));
    static const int lists[] = {RTM_GETQDISC, RTM_GETTCLASS, RTM_GETTFILTER, RTM_GETSTATS, RTM_GETNEXTHOP};
    for (int i = 0; i < 5; i++) {
        struct {
            struct nlmsghdr head;
            char body[16];
        } dump = {{32, lists[i], NLM_F_REQUEST | NLM_F_DUMP, 10}};
        E(send(s, &dump, sizeof dump, 0));
        // What there is differs, but not that there is an end.
        int n, kind = 0;
        while ((n = recv(s, b, sizeof b, MSG_DONTWAIT)) > 0)
            for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n))
                kind = h->nlmsg_type;
        say("list %d ends with %d", lists[i], kind);
    }
    return 0;
}
