// Calls that hosts are administered with: file systems by number, quotas, swap, security modules.
#include "check.h"
#include <sys/quota.h>
#include <sys/swap.h>

#define CALL(...) syscall(__VA_ARGS__)
#define QUOTACTL_FD 443
#define LSM_GET 459
#define LSM_SET 460
#define LSM_LIST 461

struct old_stat {
    int free;
    unsigned long inodes;
    char name[6], pack[6];
};

static void file_systems(void) {
    struct stat st;
    struct statfs f;
    struct old_stat u;
    char name[64];
    memset(&u, 1, sizeof u);
    stat(".", &st);
    E(CALL(SYS_ustat, st.st_dev, &u));
    statfs(".", &f);
    // What is free changes with what others do.
    say("as statfs %d %d names %d %d", abs(u.free - (int)f.f_bfree) < 100000,
        labs(u.inodes - f.f_ffree) < 100000, u.name[0], u.pack[5]);
    E(CALL(SYS_ustat, st.st_dev, BAD));
    E(CALL(SYS_ustat, 0xfffffff, &u));
    E(CALL(SYS_ustat, 0xfffffff, BAD));
    stat("/proc", &st);
    E(CALL(SYS_ustat, st.st_dev, &u));
    say("proc %d %ld", u.free, u.inodes);

    long n = CALL(SYS_sysfs, 3), tmpfs = CALL(SYS_sysfs, 1, "tmpfs");
    E(n > 5);
    E(tmpfs >= 0);
    E(CALL(SYS_sysfs, 2, tmpfs, name));
    say("%s", name);
    FILE *list = fopen("/proc/filesystems", "r");
    long at = 0;
    for (char line[64]; list && fgets(line, sizeof line, list); at++) {
        char *type = strchr(line, '\t') + 1;
        type[strcspn(type, "\n")] = 0;
        CALL(SYS_sysfs, 2, at, name);
        if (strcmp(type, name) || CALL(SYS_sysfs, 1, type) != at) say("%ld is %s", at, name);
    }
    say("all %d", at == n);
    E(CALL(SYS_sysfs, 1, "nonesuch"));
    E(CALL(SYS_sysfs, 1, BAD));
    E(CALL(SYS_sysfs, 1, ""));
    E(CALL(SYS_sysfs, 2, n, name));
    E(CALL(SYS_sysfs, 2, 0, BAD));
    E(CALL(SYS_sysfs, 2, -1, name));
    E(CALL(SYS_sysfs, 0));
    E(CALL(SYS_sysfs, 4));
}

static void quotas(void) {
    int here = open(".", O_RDONLY), name = open("f", O_PATH), p[2];
    pipe(p);
    int quiet = QCMD(Q_SYNC, USRQUOTA), get = QCMD(Q_GETQUOTA, USRQUOTA);
    int on = QCMD(Q_QUOTAON, GRPQUOTA), none = QCMD(Q_SYNC, 3), odd = QCMD(0x55, USRQUOTA);
    E(CALL(SYS_quotactl, quiet, NULL, 0, 0));
    E(CALL(SYS_quotactl, none, NULL, 0, 0));
    E(CALL(SYS_quotactl, get, NULL, 0, 0));
    E(CALL(SYS_quotactl, odd, NULL, 0, 0));
    E(CALL(SYS_quotactl, quiet, "f", 0, 0));
    E(CALL(SYS_quotactl, quiet, "none", 0, 0));
    E(CALL(SYS_quotactl, quiet, BAD, 0, 0));
    E(CALL(SYS_quotactl, on, "f", 0, "none"));
    E(CALL(SYS_quotactl, on, "d/none", 0, "none"));
    E(CALL(SYS_quotactl, get, "/dev/null", 0, 0));
    E(CALL(SYS_quotactl, odd, "f", 0, 0));
    E(CALL(QUOTACTL_FD, here, quiet, 0, 0));
    E(CALL(QUOTACTL_FD, here, get, 0, 0));
    E(CALL(QUOTACTL_FD, here, on, 0, "f"));
    E(CALL(QUOTACTL_FD, here, none, 0, 0));
    E(CALL(QUOTACTL_FD, -1, none, 0, 0));
    E(CALL(QUOTACTL_FD, name, quiet, 0, 0));
    E(CALL(QUOTACTL_FD, p[0], QCMD(Q_SETQUOTA, USRQUOTA), 0, 0));
    E(CALL(QUOTACTL_FD, here, odd, 0, 0));
}

static void swap(void) {
    E(swapon("none", 0));
    E(swapon("f", 0));
    E(swapon("f", 0x100000));
    E(swapon("f", 0x7ffff));
    E(swapon("d", 0));
    E(swapon(BAD, 0));
    E(swapon("", 0));
    E(swapon("/dev/null", 0));
    E(swapoff("f"));
    E(swapoff("none"));
    E(swapoff("d"));
    E(swapoff(BAD));
}

static void modules(void) {
    unsigned long ids[32];
    unsigned size = sizeof ids;
    long n = CALL(LSM_LIST, ids, &size, 0);
    say("some %d size %d", n > 0, size == n * 8);
    for (int i = 0; i < n; i++)
        if (ids[i] == 100) say("capabilities");
    E(CALL(LSM_LIST, ids, &size, 1));
    size = 0;
    E(CALL(LSM_LIST, ids, &size, 0));
    say("size %d", size == n * 8);
    E(CALL(LSM_LIST, ids, BAD, 0));
    E(CALL(LSM_LIST, BAD, &size, 0));
    size = sizeof ids;
    E(CALL(LSM_LIST, NULL, &size, 0));
    unsigned long head[512] = {0};
    for (int attribute = 0; attribute < 8; attribute++) {
        size = sizeof head;
        E(CALL(LSM_SET, attribute, head, sizeof head, 0));
    }
    E(CALL(LSM_GET, 100, head, BAD, 0));
    E(CALL(LSM_GET, 100, head, NULL, 0));
    size = sizeof head;
    E(CALL(LSM_GET, 100, head, &size, 0));
    say("size %u", size);
    E(CALL(LSM_GET, 100, NULL, &size, 0));
    E(CALL(LSM_GET, 0, head, &size, 0));
    E(CALL(LSM_GET, 100, head, &size, 2));
    E(CALL(LSM_GET, 100, head, &size, 1));
    head[0] = 100;
    E(CALL(LSM_GET, 100, head, &size, 1));
    E(CALL(LSM_GET, 100, NULL, &size, 1));
    E(CALL(LSM_GET, 100, BAD, &size, 1));
    E(CALL(LSM_SET, 100, head, 31, 0));
    E(CALL(LSM_SET, 100, head, 8192, 0));
    E(CALL(LSM_SET, 100, BAD, 32, 0));
    E(CALL(LSM_SET, 100, head, 32, 1));
    E(CALL(LSM_SET, 100, head, 32, 0));
    head[2] = 32;
    E(CALL(LSM_SET, 100, head, 32, 0));
    head[2] = 33;
    E(CALL(LSM_SET, 100, head, 32, 0));
    head[2] = 40, head[3] = 8;
    E(CALL(LSM_SET, 100, head, 40, 0));
    head[3] = 9;
    E(CALL(LSM_SET, 100, head, 40, 0));
    head[3] = -1;
    E(CALL(LSM_SET, 100, head, 40, 0));
}

int main(int c, char **v) {
    begin(v);
    unsigned size = 0;
    if (CALL(LSM_LIST, NULL, &size, 0) < 0 && errno == ENOSYS) return UNKNOWN;
    close(creat("f", 0600));
    mkdir("d", 0700);
    file_systems();
    quotas();
    swap();
    modules();
    return 0;
}
