// execve(2): what cannot be executed and why, scripts, how long an argument may be, what is kept.
#include "check.h"
#include <pthread.h>

static void file(const char *name, int mode, const char *text) {
    int f = open(name, O_CREAT | O_WRONLY | O_TRUNC, mode);
    write(f, text, strlen(text));
    close(f);
}

#define RUN(what, ...) CHILD(what, E(__VA_ARGS__))

// A program with one argument of so many bytes, NUL included.
static void length(int bytes) {
    char *text = malloc(bytes);
    memset(text, 'a', bytes - 1);
    text[bytes - 1] = 0;
    say("%d bytes", bytes);
    RUN("argument", execl("/bin/true", "true", text, NULL));
    RUN("variable", execve("/bin/true", (char *[]){"true", NULL}, (char *[]){text, NULL}));
    free(text);
}

static void *execute(void *unused) {
    ms(30);
    execl("/bin/true", "true", NULL);
    return NULL;
}

static void *leave(void *unused) {
    ms(30);
    _exit(7);
}

static void handler(int s) {}

// What the link to the program leads to: the file itself, under whatever name or none.
static int itself(void) {
    char link[PATH_MAX] = "";
    readlink("/proc/self/exe", link, sizeof link - 1);
    say("%s", strrchr(link, '/'));
    int f = E(open("/proc/self/exe", O_RDONLY));
    struct stat open_, by = {0};
    E(fstat(f, &open_));
    E(stat("/proc/self/exe", &by));
    say("links %d, same %d, mode %o", (int)open_.st_nlink, open_.st_ino == by.st_ino, open_.st_mode);
    E(fcntl(f, F_GET_SEALS));
    E(open("/proc/self/exe", O_RDWR));
    E(access("/proc/self/exe", X_OK));
    return 0;
}

// What ps(1) shows of a program that writes over its arguments, and on into its environment.
static int title(int c, char **v) {
    char text[300], *args = v[0], *end = v[c - 1] + strlen(v[c - 1]) + 1, *all = end;
    for (char **e = environ; *e; e++)
        all = *e + strlen(*e) + 1;
    int len = end - args, most = all - args;
    int sizes[] = {3, len - 1, len, len + 1, len + 7, most - 1, most};
    for (unsigned i = 0; i <= sizeof sizes / sizeof *sizes; i++) {
        int n = i ? sizes[i - 1] : 0;
        if (n)
            memset(memset(args, 0, most), 'A' + i, n);
        int f = open("/proc/self/cmdline", O_RDONLY);
        ssize_t all_of = read(f, text, sizeof text);
        for (int k = 0; k < all_of; k++)
            text[k] = text[k] ? text[k] : '|';
        say("%d written: %d %.*s", n, (int)all_of, (int)all_of, text);
        lseek(f, 5, SEEK_SET);
        say("rest %d", (int)read(f, text, 12));
        close(f);
    }
    return 0;
}

static void copied(int to) {
    char page[65536];
    int from = open("/proc/self/exe", O_RDONLY);
    for (ssize_t n; (n = read(from, page, sizeof page)) > 0;)
        write(to, page, n);
    close(from), close(to);
}

int main(int c, char **v) {
    if (!strcmp(v[0], "itself"))
        return itself();
    if (!strcmp(v[0], "title"))
        return title(c, v);
    begin(v);
    copied(open("copy", O_CREAT | O_WRONLY, 0755));
    RUN("by name", execl("./copy", "itself", NULL));
    CHILD("title", execve("./copy", (char *[]){"title", "one", NULL},
                          (char *[]){"A=1", "LONGER=0123456789", NULL}));
    CHILD("without a name", int f = open("copy", O_RDONLY); unlink("copy");
          E(execveat(f, "", (char *[]){"itself", NULL}, NULL, AT_EMPTY_PATH)));
    CHILD("in memory", int f = memfd_create("program", MFD_ALLOW_SEALING); copied(dup(f));
          fcntl(f, F_ADD_SEALS, F_SEAL_WRITE);
          E(execveat(f, "", (char *[]){"itself", NULL}, NULL, AT_EMPTY_PATH)));
    file("plain", 0644, "");
    file("empty", 0755, "");
    file("itself", 0755, "#!./itself\n");
    file("missing", 0755, "#!/no_such_one\n");
    file("nothing", 0755, "#!\n");
    file("spaces", 0755, "#! /bin/echo  a b  \n");
    file("endless", 0755, "#!/bin/echo no newline");
    file("echo", 0755, "#!/bin/echo\n");
    symlink("/bin/true", "link");
    RUN("plain", execl("plain", "x", NULL));
    RUN("empty", execl("empty", "x", NULL));
    RUN("folder", execl(".", "x", NULL));
    RUN("no such file", execl("no_such_file", "x", NULL));
    RUN("below a file", execl("empty/x", "x", NULL));
    RUN("bad list", syscall(SYS_execve, "/bin/true", 8, NULL));
    RUN("bad name", syscall(SYS_execve, 8, NULL, NULL));
    RUN("itself", execl("./itself", "x", NULL));
    RUN("missing", execl("./missing", "x", NULL));
    RUN("nothing", execl("./nothing", "x", NULL));
    RUN("spaces", execl("./spaces", "x", "y", NULL));
    RUN("endless", execl("./endless", "x", "y", NULL));
    CHILD("closed on the way", int f = open("echo", O_RDONLY | O_CLOEXEC);
          E(execveat(f, "", (char *[]){"a", NULL}, NULL, AT_EMPTY_PATH)));
    CHILD("open for writing", open("echo", O_RDWR); E(execl("./echo", "x", NULL)));
    RUN("flags", execveat(AT_FDCWD, "/bin/true", (char *[]){"a", NULL}, NULL, 1));
    RUN("link", execveat(AT_FDCWD, "link", (char *[]){"a", NULL}, NULL, AT_SYMLINK_NOFOLLOW));
    for (int i = 131060; i <= 131074; i++)
        length(i);
    pthread_t t;
    CHILD("from a thread", pthread_create(&t, NULL, execute, NULL); pause());
    CHILD("a thread exits", pthread_create(&t, NULL, leave, NULL); pause());
    CHILD("signals", signal(SIGUSR1, handler); signal(SIGUSR2, SIG_IGN); sigset_t s;
          sigemptyset(&s); sigaddset(&s, SIGUSR1); sigprocmask(SIG_BLOCK, &s, NULL); raise(SIGUSR1);
          execl("/bin/grep", "grep", "^Sig[^Q]\\|^Shd", "/proc/self/status", NULL));
    CHILD("alarm", alarm(1); execl("/bin/sleep", "sleep", "3", NULL));
    return 0;
}
