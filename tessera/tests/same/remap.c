// remap_file_pages(2), which maps, and types of mappings.
#include "check.h"
#define PAGE 4096
#define S(...) E(syscall(SYS_remap_file_pages, __VA_ARGS__))
static void look(char *a, int n) {
    char line[9];
    for (int i = 0; i < n; i++)
        line[i] = a[i * PAGE];
    line[n] = 0;
    say("%s", line);
}
static void remap(char *a) {
    look(a, 4);
    S(a, PAGE, 0, 3, 0);
    look(a, 4);
    S(a + PAGE + 7, 2 * PAGE + 7, 0, 0, MAP_NONBLOCK);
    look(a, 4);
    a[0] = 'x';
    look(a, 4);
    S(a, 4 * PAGE, 0, 0, 0);
    look(a, 4);
    S(a, 4 * PAGE, 0, 1, 0);
    CHILD("past the end", look(a, 4));
}
int main(int c, char **v) {
    begin(v);
    char b[4 * PAGE];
    for (int i = 0; i < 4; i++)
        memset(b + i * PAGE, 'a' + i, PAGE);
    int f = open("f", O_CREAT | O_RDWR, 0644);
    write(f, b, sizeof b);
    char *a = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    remap(a);
    char *m = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memcpy(m, b, sizeof b);
    remap(m);
    a = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    S(a, PAGE, 1, 0, 0);
    S(a, 0, 0, 0, 0);
    S(a, PAGE - 1, 0, 0, 0);
    S(a, -1, 0, 0, 0);
    S(a, PAGE, 0, -1, 0);
    S(a, PAGE, 0, -2, 0);
    S(a, PAGE, 0, 1ul << 51, 0);
    S(BAD, PAGE, 0, 0, 0);
    mprotect(a + PAGE, PAGE, PROT_READ);
    S(a, PAGE, 0, 1, 0);
    S(a, 2 * PAGE, 0, 1, 0);
    S(a + PAGE, PAGE, 0, 2, 0);
    look(a, 4);
    CHILD("keeps its protection", a[PAGE] = 1);
    munmap(a + 2 * PAGE, PAGE);
    S(a + PAGE, 3 * PAGE, 0, 0, 0);
    a = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
    S(a, PAGE, 0, 1, 0);
    a = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    S(a, PAGE, 0, 1, 0);
    // What is neither shared nor private is refused before the file is looked at.
    int w = open("f", O_WRONLY), types[] = {0, 4, 1, 2, 3, 3 | 1 << 30};
    for (int i = 0; i < 6; i++) {
        Z(mmap(0, PAGE, PROT_READ, types[i], w, 0));
        Z(mmap(0, PAGE, PROT_READ, types[i], f, 0));
    }
    return 0;
}
