// Programs whose files are made by hand: where their segments come to lie, also at the lowest
// addresses, what is wrong with a file, and interpreters.
#include "check.h"
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#define PAGE 4096
#define BASE 0x40000

// kill(getpid(), SIGSTOP): who waits may look at the process; then exit(0).
static const unsigned char code[] = {
    0xb8, 39, 0, 0, 0, 0x0f, 0x05,       // mov eax, getpid; syscall
    0x89, 0xc7,                          // mov edi, eax
    0xb8, 62, 0, 0, 0,                   // mov eax, kill
    0xbe, 19, 0, 0, 0, 0x0f, 0x05,       // mov esi, SIGSTOP; syscall
    0xb8, 60, 0, 0, 0, 0x31, 0xff,       // mov eax, exit; xor edi, edi
    0x0f, 0x05,                          // syscall
};

struct image {
    Elf64_Ehdr head;
    Elf64_Phdr part[8];
    unsigned char data[3 * PAGE];
    int parts, len;
};

static Elf64_Phdr *part(struct image *e, int type, int flags, long offset, long at, long file, long memory) {
    Elf64_Phdr *p = &e->part[e->parts++];
    *p = (Elf64_Phdr){type, flags, offset, at, at, file, memory, PAGE};
    return p;
}

static struct image plain(void) {
    struct image e = {.len = sizeof code};
    e.head = (Elf64_Ehdr){
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
        .e_phoff = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_entry = BASE,
    };
    memcpy(e.data, code, sizeof code);
    part(&e, PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0);
    part(&e, PT_LOAD, PF_R | PF_X, 0, BASE, sizeof code, sizeof code);
    return e;
}

// The data follows the headers: all that was said of it moves along.
static void settle(struct image *e) {
    long by = sizeof e->head + e->parts * sizeof *e->part;
    e->head.e_entry += by;
    e->head.e_phnum = e->parts;
    for (int i = 0; i < e->parts; i++) {
        e->part[i].p_offset += by;
        e->part[i].p_vaddr += by;
    }
}

static void put(const char *name, const struct image *e) {
    unlink(name);
    int f = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0755);
    write(f, &e->head, sizeof e->head);
    write(f, e->part, e->parts * sizeof *e->part);
    write(f, e->data, e->len);
    close(f);
}

// What of a process's memory is of a file in this folder, or lies low or right behind that.
static void maps(pid_t pid) {
    char path[40], line[600], perms[8], dir[PATH_MAX];
    unsigned long from, to, offset, base = 0, last = 0;
    sprintf(path, "/proc/%d/maps", pid);
    getcwd(dir, sizeof dir);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        char *name = strstr(line, dir);
        sscanf(line, "%lx-%lx %s %lx", &from, &to, perms, &offset);
        if (!name && to > 0x100000 && from != last)
            continue;
        last = to;
        if (strchr(line, '['))
            continue;
        if (from > 0x1000000 && !base)
            base = from;
        if (name)
            name[strcspn(name, "\n")] = 0;
        if (from > 0x1000000)
            say("+%lx-%lx %s %lx %s", from - base, to - base, perms, offset, name ? name + strlen(dir) : "");
        else
            say("%lx-%lx %s %lx %s", from, to, perms, offset, name ? name + strlen(dir) : "");
    }
    if (f)
        fclose(f);
}

static void run(const char *what, const char *name) {
    int s = 0;
    pid_t pid = fork();
    if (pid == 0) {
        execl(name, name, NULL);
        say("%s: execve %s", what, name_of(errno));
        _exit(1);
    }
    waitpid(pid, &s, WUNTRACED);
    status(what, s);
    if (WIFSTOPPED(s)) {
        maps(pid);
        kill(pid, SIGCONT);
        waitpid(pid, &s, 0);
        status(what, s);
    }
}

static void try(const char *what, struct image e) {
    settle(&e);
    put("program", &e);
    run(what, "./program");
}

// A program that is loaded anywhere begins with its headers.
static void movable(struct image *e) {
    e->head.e_type = ET_DYN;
    e->head.e_entry -= BASE;
    settle(e);
    Elf64_Phdr *text = &e->part[1];
    text->p_filesz += text->p_offset;
    text->p_memsz += text->p_offset;
    text->p_offset = text->p_vaddr = 0;
}

static void with_interpreter(const char *what, const char *text, int len) {
    struct image e = plain();
    memmove(e.part + 1, e.part, e.parts * sizeof *e.part);
    e.part[0] = (Elf64_Phdr){PT_INTERP, PF_R, e.len, 0, 0, len, len, 1};
    e.parts++;
    memcpy(e.data + e.len, text, len);
    e.len += len;
    try(what, e);
}

static void fixed(long at, int pages) {
    char what[40];
    void *m = mmap((void *)at, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    sprintf(what, "at %lx", at);
    show(what, m == MAP_FAILED ? -1 : 0);
    if (m != MAP_FAILED) {
        memset(m, 1, pages * PAGE);
        E(munmap(m, pages * PAGE));
    }
}

int main(int c, char **v) {
    begin(v);
    struct image e = plain();
    try("plain", e);

    e = plain(), e.len = 0;
    try("no text", e);
    e = plain(), e.len = PAGE + PAGE / 2;
    part(&e, PT_LOAD, PF_R | PF_W, PAGE, BASE + PAGE, PAGE / 2, PAGE + PAGE / 2);
    try("data", e);
    e.part[2].p_flags |= PF_X;
    try("data to execute", e);
    e = plain();
    part(&e, PT_LOAD, PF_R, 0, BASE + PAGE, 0, PAGE);
    settle(&e), e.part[2].p_vaddr = BASE + PAGE;
    put("program", &e), run("nothing of the file", "./program");
    e = plain(), part(&e, PT_LOAD, PF_R | PF_W | PF_X, 0, BASE, sizeof code, sizeof code);
    try("over each other", e);
    e = plain(), part(&e, PT_LOAD, PF_R | PF_X, 0, 0x20000, sizeof code, sizeof code);
    try("out of order", e);

    e = plain(), e.head.e_phoff = 0x100000;
    try("headers beyond the file", e);
    e = plain(), e.len = 0, settle(&e), e.head.e_phnum++;
    put("program", &e), run("a header too few", "./program");
    int f = open("magic", O_CREAT | O_WRONLY, 0755);
    write(f, e.head.e_ident, 4), close(f);
    run("only the magic", "./magic");
    e = plain(), e.head.e_machine = EM_PPC64;
    try("another machine", e);

    e = plain(), e.len = PAGE + PAGE / 2;
    part(&e, PT_LOAD, PF_R | PF_W, PAGE, 0x20000, PAGE / 2, PAGE + PAGE / 2);
    movable(&e), put("program", &e), run("movable", "./program");

    // Interpreters.
    e = plain(), e.part[1].p_flags |= PF_W, movable(&e), put("interpreter", &e);
    char path[PATH_MAX + 20];
    getcwd(path, PATH_MAX), strcat(path, "/interpreter");
    with_interpreter("interpreter", path, strlen(path) + 1);
    with_interpreter("a relative one", "interpreter", 12);
    with_interpreter("one that is not there", "/f/b", 5);
    with_interpreter("no end", "/f/b", 4);
    with_interpreter("empty", "", 1);
    with_interpreter("an end more", "\0", 2);
    chmod("interpreter", 0644);
    with_interpreter("not to be executed", path, strlen(path) + 1);
    chmod("interpreter", 0755);
    e.head.e_machine = EM_PPC64, put("interpreter", &e);
    with_interpreter("of another machine", path, strlen(path) + 1);

    // The lowest addresses.
    fixed(0x10000, 1), fixed(0x20000, 16), fixed(0x40000, 32), fixed(0x70000, 16), fixed(0x80000, 1);
    char *low = mmap((void *)BASE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say("a hint %d", low == (char *)BASE);
    low[PAGE] = 7;
    CHILD("child", say("%d", low[PAGE]); low[PAGE] = 8);
    E(mprotect(low, PAGE, PROT_NONE));
    E(low[PAGE]);
    say("grows %d", mremap(low + PAGE, PAGE, 3 * PAGE, 0) == low + PAGE);
    low[3 * PAGE] = 1;
    // What unmaps more leaves what calls need.
    E(munmap((void *)0x20000, 0x100000));
    for (int i = 0; i < 5; i++)
        E(getppid() > 0);
    return 0;
}
