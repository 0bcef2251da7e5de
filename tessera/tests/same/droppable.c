// Mappings whose pages may be dropped (MAP_DROPPABLE).
#include "check.h"
#define DROP 8
#define MAP(f) mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | (f), -1, 0)
static void codes(void *at) {
    FILE *in = fopen("/proc/self/smaps", "r");
    char line[300];
    int here = 0;
    while (fgets(line, sizeof line, in)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = from <= (unsigned long)at && (unsigned long)at < to;
        if (here && !strncmp(line, "VmFlags", 7)) {
            const char *all[] = {"nr", "wf", "dd", "dp", "lo", "ac"};
            for (int i = 0; i < 6; i++)
                say("%s %d", all[i], strstr(line, all[i]) != NULL);
        }
    }
    fclose(in);
}
int main(int c, char **v) {
    begin(v);
    char *p = MAP(DROP);
    if (p == MAP_FAILED && errno != ENOMEM)
        return UNKNOWN;
    p[0] = 5;
    p[4096] = 6;
    codes(p);
    CHILD("child", say("%d %d", p[0], p[4096]));
    say("%d %d", p[0], p[4096]);
    Z(MAP(DROP | MAP_LOCKED));
    Z(MAP(DROP | MAP_HUGETLB));
    Z(MAP(DROP | MAP_GROWSDOWN));
    Z(MAP(DROP | MAP_PRIVATE));
    Z(MAP(DROP | MAP_SHARED));
    Z(MAP(DROP | MAP_POPULATE | MAP_NORESERVE));
    Z(MAP(4));
    Z(MAP(MAP_PRIVATE | 4));
    int f = open("f", O_CREAT | O_RDWR, 0600);
    ftruncate(f, 8192);
    Z(mmap(NULL, 8192, PROT_READ, DROP, f, 0));
    Z(mmap(NULL, 8192, PROT_READ, DROP, -1, 0));
    E(madvise(p, 8192, MADV_KEEPONFORK));
    E(madvise(p, 8192, MADV_WIPEONFORK));
    E(madvise(p, 8192, MADV_DODUMP));
    E(madvise(p, 8192, MADV_DONTDUMP));
    E(madvise(p, 8192, MADV_FREE));
    E(mlock(p, 8192));
    codes(p);
    E(munlock(p, 8192));
    E(mprotect(p, 4096, PROT_READ));
    codes(p);
    p = mremap(p + 4096, 4096, 16384, MREMAP_MAYMOVE);
    Z((long)p);
    codes(p);
    E(munmap(p, 16384));
    return 0;
}
