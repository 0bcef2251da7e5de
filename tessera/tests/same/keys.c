// Keys and keyrings of the process and of a session of its own; cachestat(2), process_mrelease(2).
#include "check.h"
#define add(t, d, p, n, r) syscall(SYS_add_key, t, d, p, n, r)
#define request(t, d, c, r) syscall(SYS_request_key, t, d, c, r)
#define ctl(...) syscall(SYS_keyctl, __VA_ARGS__)
enum { ID, JOIN, UPDATE, REVOKE, CHOWN, SETPERM, DESCRIBE, CLEAR, LINK, UNLINK, SEARCH, READ };
enum { REQKEY = 14, TIMEOUT, ASSUME, SECURITY, INVALIDATE = 21, RESTRICT = 29, MOVE, CAPS };
enum { THREAD = -1, PROCESS = -2, SESSION = -3 };
static char b[70000], *longest;
static void described(const char *what, int k) {
    errno = 0;
    int n = ctl(DESCRIBE, k, b, sizeof b);
    if (n < 0)
        say("%s: %s", what, name_of(errno));
    else
        say("%s: %d %s", what, n, b);
}
static void contents(const char *what, int k) {
    errno = 0;
    int n = ctl(READ, k, b, sizeof b);
    if (n < 0)
        say("%s holds %s", what, name_of(errno));
    else
        say("%s holds %d %.*s", what, n, n, b);
}
static void count(const char *what, int k) {
    errno = 0;
    int n = ctl(READ, k, b, sizeof b);
    say("%s links %d %s", what, n < 0 ? n : n / 4, name_of(n < 0 ? errno : 0));
}
static void adding(void) {
    E(add("user", "a", "abc", 3, 0));
    E(add("user", "a", "abc", 3, -6));
    E(add("user", "a", "abc", 3, -9));
    E(add("user", "a", "abc", 3, 123456789));
    E(add("nosuch", "a", "abc", 3, PROCESS));
    E(add(".user", "a", "abc", 3, PROCESS));
    E(add("", "a", "abc", 3, PROCESS));
    E(add(BAD, "a", "abc", 3, PROCESS));
    E(add("user", BAD, "abc", 3, PROCESS));
    E(add("user", "a", BAD, 3, PROCESS));
    E(add("user", "", "abc", 3, PROCESS));
    E(add("user", NULL, "abc", 3, PROCESS));
    E(add("user", longest, "abc", 3, PROCESS));
    E(add("user", "a", "abc", 0, PROCESS));
    E(add("user", "a", NULL, 3, PROCESS));
    E(add("user", "a", b, 32768, PROCESS));
    E(add("user", "a", b, 1 << 20, PROCESS));
    E(add("keyring", "a", "x", 1, PROCESS));
    E(add("keyring", ".a", NULL, 0, PROCESS));
    E(add("logon", "a", "abc", 3, PROCESS));
    E(add("logon", ":a", "abc", 3, PROCESS));
    E(add("big_key", "a", "abc", 3, 0));
    int k = add("user", "a", "abc", 3, PROCESS), l = add("logon", "x:y", "abc", 3, PROCESS),
        r = add("keyring", "ring", NULL, 0, PROCESS);
    described("user", k);
    described("logon", l);
    described("keyring", r);
    described("process", PROCESS);
    described("thread", THREAD);
    Z(ctl(ID, THREAD, 1));
    described("thread", THREAD);
    described("none", 0);
    described("none", 1);
    described("none", -6);
    described("authority", -7);
    contents("user", k);
    contents("logon", l);
    count("keyring", r);
    count("process", PROCESS);
    E(ctl(READ, k, NULL, 0));
    E(ctl(READ, k, b, 2));
    E(ctl(READ, k, BAD, 9));
    E(ctl(READ, PROCESS, b, 4));
    E(ctl(DESCRIBE, k, b, 2));
    E(add("user", "a", "defgh", 5, PROCESS) == k);
    contents("user", k);
    E(add("user", "a", "x", 1, k));
    E(add("keyring", "ring", NULL, 0, PROCESS) == r);
    count("process", PROCESS);
    E(ctl(UPDATE, k, "new", 3));
    contents("user", k);
    E(ctl(UPDATE, k, "new", 0));
    E(ctl(UPDATE, k, BAD, 3));
    E(ctl(UPDATE, k, b, 5000));
    E(ctl(UPDATE, PROCESS, "x", 1));
    E(ctl(UPDATE, l, "other", 5));
    E(ctl(ID, k, 0) == k);
    E(ctl(SECURITY, k, b, 99));
    E(ctl(99));
    E(ctl(UNLINK, l, PROCESS));
}
static void linking(void) {
    int r = add("keyring", "r", NULL, 0, PROCESS), s = add("keyring", "s", NULL, 0, r);
    int k = add("user", "k", "1", 1, r), j = add("user", "k", "2", 1, s);
    E(ctl(LINK, k, PROCESS));
    E(ctl(LINK, r, s));
    E(ctl(LINK, r, r));
    E(ctl(LINK, s, r));
    E(ctl(LINK, j, r));
    count("r", r);
    E(ctl(LINK, j, j));
    E(ctl(LINK, 77777777, r));
    E(ctl(UNLINK, k, r));
    E(ctl(UNLINK, j, r));
    E(ctl(UNLINK, k, PROCESS));
    E(ctl(UNLINK, j, j));
    E(ctl(SEARCH, r, "user", "k", 0) == j);
    E(ctl(SEARCH, r, "user", "none", 0));
    E(ctl(SEARCH, r, "nosuch", "none", 0));
    E(ctl(SEARCH, j, "user", "k", 0));
    E(ctl(SEARCH, PROCESS, "user", "k", r) == j);
    count("r", r);
    E(ctl(SEARCH, PROCESS, "keyring", "s", 0) == s);
    E(request("user", "k", NULL, 0) == j);
    E(request("user", "none", NULL, 0));
    E(request("nosuch", "none", NULL, 0));
    E(request(".user", "none", NULL, 0));
    E(request("user", BAD, NULL, 0));
    E(request("user", longest, NULL, 0));
    E(request("user", "k", NULL, s) == j);
    E(request("user", "k", NULL, j));
    E(ctl(CLEAR, s));
    E(ctl(CLEAR, j));
    count("s", s);
    E(ctl(MOVE, j, r, s, 0));
    count("r", r);
    count("s", s);
    E(ctl(MOVE, j, r, s, 0));
    E(ctl(MOVE, j, s, s, 0));
    E(ctl(MOVE, j, s, r, 2));
    int i = add("user", "k", "3", 1, r);
    E(ctl(MOVE, j, s, r, 1));
    E(ctl(MOVE, j, s, r, 0));
    E(ctl(RESTRICT, r, NULL, NULL));
    E(ctl(RESTRICT, r, NULL, NULL));
    E(ctl(RESTRICT, j, NULL, NULL));
    E(ctl(RESTRICT, s, "user", "x"));
    E(ctl(RESTRICT, s, NULL, "x"));
    E(add("user", "z", "1", 1, r));
    // A chain that is too deep to look through.
    int top = add("keyring", "0", NULL, 0, PROCESS), at = top, ring[12];
    for (int n = 0; n < 10; n++) {
        char name[9];
        sprintf(name, "%d", n + 1);
        ring[n] = at = add("keyring", name, NULL, 0, at);
    }
    add("user", "deep", "1", 1, ring[3]);
    add("user", "deeper", "1", 1, ring[6]);
    Z(ctl(SEARCH, top, "user", "deep", 0));
    Z(ctl(SEARCH, top, "user", "deeper", 0));
    E(ctl(LINK, top, ring[9]));
    E(ctl(LINK, ring[6], ring[9]));
    E(ctl(UNLINK, top, PROCESS));
}
static void ends(void) {
    int r = add("keyring", "e", NULL, 0, PROCESS), k = add("user", "k", "1", 1, r);
    E(ctl(TIMEOUT, k, 1));
    contents("before", k);
    ms(1200);
    contents("after", k);
    described("after", k);
    Z(request("user", "k", NULL, 0));
    E(ctl(SEARCH, r, "user", "k", 0));
    E(ctl(TIMEOUT, k, 0));
    E(ctl(REVOKE, k));
    E(ctl(LINK, k, PROCESS));
    E(add("user", "k", "2", 1, r) == k);
    contents("again", k);
    E(ctl(REVOKE, k));
    contents("revoked", k);
    described("revoked", k);
    E(ctl(LINK, k, PROCESS));
    E(ctl(REVOKE, k));
    E(ctl(SEARCH, r, "user", "k", 0));
    E(add("user", "k", "2", 1, r) != k);
    k = ctl(SEARCH, r, "user", "k", 0);
    contents("new", k);
    E(ctl(INVALIDATE, k));
    E(ctl(REVOKE, r));
    count("r", r);
    E(add("user", "k", "2", 1, r));
    E(ctl(TIMEOUT, 77777777, 1));
    E(ctl(INVALIDATE, 77777777));
}
static void permissions(void) {
    int r = add("keyring", "p", NULL, 0, PROCESS), k = add("user", "k", "1", 1, r);
    E(ctl(SETPERM, k, 0xff000000));
    E(ctl(SETPERM, k, 0x3f3f0000));
    described("k", k);
    E(ctl(SETPERM, k, 0x3d000000));
    contents("without reading", k);
    E(ctl(SETPERM, k, 0x23000000));
    contents("readable", k);
    E(ctl(UPDATE, k, "x", 1));
    E(ctl(LINK, k, PROCESS));
    E(ctl(REVOKE, k));
    contents("revoked", k);
    k = add("user", "l", "1", 1, r);
    E(ctl(SETPERM, k, 0));
    described("nothing", k);
    contents("nothing", k);
    E(ctl(SETPERM, k, 0x3f3f3f3f));
    E(ctl(UNLINK, k, r));
    k = add("user", "m", "1", 1, r);
    E(ctl(CHOWN, k, -1, -1));
    E(ctl(CHOWN, k, getuid(), getgid()));
    E(ctl(CHOWN, k, 4321, -1));
    E(ctl(CHOWN, k, -1, 4321));
    described("given away", k);
    // Somebody else does not possess it.
    E(ctl(SETPERM, k, 0x3f030b02));
    if (geteuid() == 0) {
        E(ctl(CHOWN, k, 0, -1));
        CHILD("other", {
            setgroups(0, 0);
            setgid(4322);
            setuid(4322);
            described("other", k);
            contents("other", k);
            E(ctl(UPDATE, k, "x", 1));
            E(ctl(SETPERM, k, 0));
            E(ctl(CHOWN, k, 4322, -1));
            E(ctl(LINK, k, THREAD));
        });
        CHILD("group", {
            setgroups(0, 0);
            setgid(4321);
            setuid(4322);
            described("group", k);
            contents("group", k);
            E(ctl(UPDATE, k, "x", 1));
        });
    }
}
static void *thread(void *id) {
    described("of a thread", THREAD);
    E(ctl(ID, PROCESS, 0) == *(int *)id);
    return NULL;
}
#include <pthread.h>
static void families(char **v) {
    int p = ctl(ID, PROCESS, 1), s = ctl(ID, SESSION, 0);
    pthread_t t;
    ctl(ID, THREAD, 1);
    pthread_create(&t, NULL, thread, &p);
    pthread_join(t, NULL);
    CHILD("child", {
        described("process", PROCESS);
        E(ctl(ID, SESSION, 0) == s);
        E(ctl(JOIN, NULL) != s);
        described("session", SESSION);
        E(add("user", "own", "1", 1, SESSION) > 0);
        E(ctl(REQKEY, -1));
        E(ctl(REQKEY, 1));
        E(ctl(REQKEY, 3));
        E(ctl(REQKEY, 6));
        E(ctl(REQKEY, -1));
    });
    E(request("user", "own", NULL, 0));
    E(ctl(JOIN, ".x"));
    E(ctl(JOIN, BAD));
    E(ctl(JOIN, longest));
    Z(ctl(JOIN, "tessera-test-session"));
    described("session", SESSION);
    int named = ctl(ID, SESSION, 0);
    E(ctl(JOIN, "tessera-test-session") == named);
    E(ctl(ASSUME, 0));
    E(ctl(ASSUME, -1));
    E(ctl(ASSUME, 77777777));
    E(ctl(12, named, "x", 1, 0));
    E(ctl(13, named, 1, 0));
    memset(b, 1, 8);
    E(ctl(CAPS, b, 4));
    say("%d %d", b[2], b[3]);
}
static void cached(void) {
    int f = open("f", O_CREAT | O_RDWR, 0600);
    uint64_t range[2] = {0, 0}, c[5];
    write(f, b, 10000);
    pwrite(f, b, 100, 100000);
#define C(o, l)                                                                                    \
    do {                                                                                           \
        range[0] = o, range[1] = l;                                                                \
        memset(c, 0xff, sizeof c);                                                                 \
        E(syscall(451, f, range, c, 0));                                                           \
        say("%ld+%ld: %ld %ld %ld %ld %ld", (long)o, (long)l, c[0], c[1], c[2], c[3], c[4]);       \
    } while (0)
    C(0, 0);
    C(0, 4096);
    C(0, 4097);
    C(4095, 2);
    C(50000, 10);
    C(50000, 0);
    C(100050, 1);
    C(1 << 30, 0);
    E(syscall(451, f, range, c, 1));
    E(syscall(451, 999, range, c, 0));
    E(syscall(451, f, BAD, c, 0));
    E(syscall(451, f, range, BAD, 0));
    E(syscall(451, open("f", O_PATH), range, c, 0));
    int p[2];
    pipe(p);
    E(syscall(451, p[0], range, c, 0));
    if (geteuid())
        E(syscall(451, open("/bin/sh", O_RDONLY), range, c, 0));
}
static void releasing(void) {
    pid_t k = fork();
    if (k == 0) {
        pause();
        _exit(0);
    }
    int p = syscall(SYS_pidfd_open, k, 0);
    E(syscall(448, p, 1));
    E(syscall(448, 999, 0));
    E(syscall(448, 1, 0));
    E(syscall(448, p, 0));
    kill(k, SIGKILL);
    siginfo_t i;
    waitid(P_PID, k, &i, WEXITED | WNOWAIT);
    E(syscall(448, p, 0));
    waitpid(k, NULL, 0);
    E(syscall(448, p, 0));
}
// The lines of /proc/keys about keys with a description, without numbers that vary.
static void shown(const char *of) {
    char line[512], flags[16], usage[16], expiry[16], perm[16], uid[16], gid[16], type[16], rest[400];
    FILE *f = fopen("/proc/keys", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%*x %15s %15s %15s %15s %15s %15s %15s %399[^\n]", flags, usage, expiry, perm,
                   uid, gid, type, rest) == 8 && strstr(rest, of))
            say("%s %s %s %s %s %s", flags, expiry, perm, uid, type, rest);
    }
    if (f) fclose(f);
}

static void shown_all(void) {
    shown("tessera-shown-ring");
    shown("tessera-shown-key");
    shown("tessera-shown:x");
}

static void listed(void) {
    int ring = add("keyring", "tessera-shown-ring", NULL, 0, SESSION);
    shown_all();
    int key = add("user", "tessera-shown-key", "12345", 5, ring);
    add("logon", "tessera-shown:x", "12", 2, ring);
    shown_all();
    E(ctl(15, key, 100000000));
    shown("tessera-shown-key");
    E(ctl(15, key, 4000));
    shown("tessera-shown-key");
    E(ctl(3, key));
    shown("tessera-shown-key");
    E(ctl(5, ring, 0x3f000000));
    shown_all();
    E(ctl(5, ring, 0));
    shown_all();
}

// A child gives its session to its parent.
static void given(void) {
    CHILD("parent", {
        ctl(JOIN, NULL);
        int own = ctl(ID, SESSION, 0), s;
        pid_t child = fork();
        if (child == 0) {
            ctl(JOIN, NULL);
            _exit(ctl(18) != 0);
        }
        waitpid(child, &s, 0);
        status("given", s);
        // The other one is there before the next call.
        say("another %d", ctl(ID, SESSION, 0) != own);
        child = fork();
        if (child == 0) {
            E(ctl(18));
            _exit(0);
        }
        waitpid(child, &s, 0);
        if (geteuid() == 0) {
            child = fork();
            if (child == 0) {
                ctl(JOIN, NULL);
                setegid(1000);
                E(ctl(18));
                _exit(0);
            }
            waitpid(child, &s, 0);
        }
    });
}

int main(int c, char **v) {
    begin(v);
    longest = calloc(1, 5001);
    memset(longest, 'a', 5000);
    // What is the user's, all of the user's processes have: it is left alone.
    if (ctl(JOIN, NULL) < 0)
        return UNKNOWN;
    described("session", SESSION);
    adding();
    linking();
    ends();
    permissions();
    families(v);
    cached();
    releasing();
    listed();
    given();
    return 0;
}
