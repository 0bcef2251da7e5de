// Policies of memory and the kernel's log: which calls are refused, and to whom.
#include "check.h"
#include <linux/mempolicy.h>
#include <sys/klog.h>

int main(int c, char **v) {
    begin(v);
    char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long first = 1, none = 0, far = 1ul << 40;
    for (unsigned flags = 0; flags <= 8; flags++) {
        say("flags %u", flags);
        E(syscall(SYS_mbind, p, 4096, MPOL_DEFAULT, NULL, 0, flags));
        E(syscall(SYS_mbind, p, 4096, MPOL_BIND, &first, 64, flags));
        E(syscall(SYS_mbind, p, 4096, MPOL_BIND, BAD, 64, flags));
        E(syscall(SYS_mbind, p, 4096, 99, &first, 64, flags));
        E(syscall(SYS_mbind, p + 1, 4096, MPOL_DEFAULT, NULL, 0, flags));
        E(syscall(SYS_mbind, BAD, 4096, MPOL_DEFAULT, NULL, 0, flags));
    }
    E(syscall(SYS_mbind, p, 4096, MPOL_BIND, &none, 64, 0));
    E(syscall(SYS_mbind, p, 4096, MPOL_BIND, &far, 64, 0));
    E(syscall(SYS_mbind, p, 0, MPOL_DEFAULT, NULL, 0, 0));
    E(syscall(SYS_set_mempolicy, MPOL_BIND, &none, 64));
    E(syscall(SYS_set_mempolicy, MPOL_BIND, &far, 64));
    E(syscall(SYS_set_mempolicy, MPOL_BIND, BAD, 64));
    E(syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &first, 64));
    E(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
    // The kernel's log: whether others may ask is up to the machine (`kernel.dmesg_restrict`).
    if (geteuid() == 0) {
        E(klogctl(10, NULL, 0) > 0);
        E(klogctl(3, NULL, 10));
        E(klogctl(3, p, -1));
        E(klogctl(11, p, 1));
    }
    return 0;
}
