// A network of one's own, whose loopback interface is up.
#include "check.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

static void put_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) exit(UNKNOWN);
    close(fd);
}

// Whether the interface is to be up.
static void set_interface(int up) {
    struct ifreq r = {.ifr_name = "lo"};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (ioctl(s, SIOCGIFFLAGS, &r)) exit(2);
    r.ifr_flags = up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP;
    if (ioctl(s, SIOCSIFFLAGS, &r)) exit(2);
    close(s);
}

// Users get rights over it by a user namespace, in which they stay who they are.
static void own_network(void) {
    int flags = CLONE_NEWNET | (geteuid() ? CLONE_NEWUSER : 0), uid = geteuid(), gid = getegid();
    if (!may_unshare(flags)) exit(UNKNOWN);
    if (unshare(flags)) exit(2);
    if (flags & CLONE_NEWUSER) {
        char map[100];
        put_text("/proc/self/setgroups", "deny");
        sprintf(map, "%d %d 1", uid, uid);
        put_text("/proc/self/uid_map", map);
        sprintf(map, "%d %d 1", gid, gid);
        put_text("/proc/self/gid_map", map);
    }
    set_interface(1);
}

// An address of the loopback interface, 127.x of IPv4, and its length.
static socklen_t local(int family, unsigned last, int port, struct sockaddr_storage *to) {
    memset(to, 0, sizeof *to);
    to->ss_family = family;
    struct sockaddr_in *four = (void *)to;
    struct sockaddr_in6 *six = (void *)to;
    four->sin_port = htons(port);
    if (family == AF_INET) {
        four->sin_addr.s_addr = htonl(0x7f000000 | last);
        return sizeof *four;
    }
    six->sin6_addr = in6addr_loopback;
    return sizeof *six;
}

// The sum of RFC 1071.
static unsigned short sum_of(const void *data, int len) {
    const unsigned char *p = data;
    unsigned sum = 0;
    for (int i = 0; i < len; i++) sum += i % 2 ? p[i] : p[i] << 8;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return htons(~sum);
}
