// F_NOTIFY of fcntl(2): what happens in a directory, told by signals.
#include "check.h"

static volatile int heard, last_fd, last_code, last_band;
static void hear(int signo, siginfo_t *info, void *context) {
    heard++;
    last_fd = info->si_fd;
    last_code = info->si_code;
    last_band = info->si_band;
}

static int folder(const char *path, int events) {
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    fcntl(fd, F_SETSIG, SIGRTMIN + 1);
    if (fcntl(fd, F_NOTIFY, events) < 0) say("%s: %s", path, name_of(errno));
    return fd;
}

// How often that was told, and of what.
#define HEARD(fd, ...)                                                                             \
    do {                                                                                           \
        heard = last_fd = 0;                                                                       \
        __VA_ARGS__;                                                                               \
        say("%s: %d of the descriptor %d", #__VA_ARGS__, heard, last_fd == fd);                    \
    } while (0)

static void touch(const char *path) { close(open(path, O_CREAT | O_RDWR, 0666)); }
static void append(const char *path) {
    int f = open(path, O_WRONLY | O_APPEND);
    write(f, "x", 1);
    close(f);
}
static void look(const char *path) {
    char b;
    int f = open(path, O_RDONLY);
    read(f, &b, 1);
    close(f);
}

static void one(const char *what, int events) {
    mkdir("d", 0777);
    touch("d/f");
    append("d/f");
    touch("out");
    int fd = folder("d", events | DN_MULTISHOT);
    say("== %s", what);
    HEARD(fd, look("d/f"));
    HEARD(fd, append("d/f"));
    HEARD(fd, touch("d/new"));
    HEARD(fd, chmod("d/f", 0600));
    HEARD(fd, chmod("d", 0755));
    HEARD(fd, rename("d/f", "d/g"));
    HEARD(fd, rename("d/g", "f"));
    HEARD(fd, rename("f", "d/f"));
    HEARD(fd, mkdir("d/sub", 0777));
    HEARD(fd, touch("d/sub/deep"));
    HEARD(fd, unlink("d/sub/deep"));
    HEARD(fd, rmdir("d/sub"));
    HEARD(fd, link("out", "d/link"));
    HEARD(fd, unlink("d/link"));
    HEARD(fd, truncate("d/f", 0));
    HEARD(fd, unlink("d/f"));
    HEARD(fd, unlink("d/new"));
    close(fd);
    HEARD(fd, touch("d/after"));
    unlink("d/after");
    rmdir("d");
}

int main(int c, char **v) {
    begin(v);
    struct sigaction action = {.sa_sigaction = hear, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGRTMIN + 1, &action, NULL);
    sigaction(SIGIO, &action, NULL);
    one("access", DN_ACCESS);
    one("modify", DN_MODIFY);
    one("create", DN_CREATE);
    one("delete", DN_DELETE);
    one("rename", DN_RENAME);
    one("attributes", DN_ATTRIB);
    one("all", DN_ACCESS | DN_MODIFY | DN_CREATE | DN_DELETE | DN_RENAME | DN_ATTRIB);
    // What cannot be watched, and what it does to the owner.
    mkdir("d", 0777);
    touch("f");
    int f = open("f", O_RDWR), p[2];
    pipe(p);
    E(fcntl(f, F_NOTIFY, DN_CREATE));
    E(fcntl(f, F_NOTIFY, 0));
    E(fcntl(f, F_NOTIFY, DN_MULTISHOT));
    E(fcntl(p[0], F_NOTIFY, DN_CREATE));
    E(fcntl(open("d", O_PATH), F_NOTIFY, DN_CREATE));
    E(fcntl(-1, F_NOTIFY, DN_CREATE));
    int fd = open("d", O_RDONLY);
    E(fcntl(fd, F_NOTIFY, 0));
    E(fcntl(fd, F_GETOWN));
    E(fcntl(fd, F_NOTIFY, 0x40));
    say("own %d", fcntl(fd, F_GETOWN) == getpid());
    // Once, and again; without a signal of its own SIGIO.
    E(fcntl(fd, F_NOTIFY, DN_CREATE));
    say("own %d", fcntl(fd, F_GETOWN) == getpid());
    HEARD(fd, touch("d/a"));
    HEARD(fd, touch("d/b"));
    fcntl(fd, F_SETSIG, SIGRTMIN + 1);
    E(fcntl(fd, F_NOTIFY, DN_CREATE));
    HEARD(fd, touch("d/c"));
    say("code %d, band %x", last_code, last_band);
    HEARD(fd, touch("d/e"));
    // What is asked for adds up, until nothing is.
    E(fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
    E(fcntl(fd, F_NOTIFY, DN_DELETE | DN_MULTISHOT));
    HEARD(fd, touch("d/g"));
    HEARD(fd, unlink("d/g"));
    E(fcntl(fd, F_NOTIFY, 0));
    HEARD(fd, touch("d/g"));
    // Both the directory and the one above hear of it; another descriptor of the same, too.
    int above = folder(".", DN_ATTRIB | DN_MULTISHOT), own = folder("d", DN_ATTRIB | DN_MULTISHOT);
    HEARD(own, chmod("d", 0755));
    int copy = dup(own);
    close(own);
    HEARD(own, chmod("d", 0700));
    close(copy);
    close(above);
    // A child that closes its descriptor does not end what the parent asked for.
    fd = folder("d", DN_CREATE | DN_MULTISHOT);
    CHILD("child", HEARD(fd, touch("d/child")); close(fd));
    HEARD(fd, touch("d/parent"));
    return 0;
}
