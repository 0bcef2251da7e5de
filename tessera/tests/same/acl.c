// POSIX access control lists: attributes, modes, checks, inheritance.
#include "check.h"
#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"
enum { UO = 1, U = 2, GO = 4, G = 8, M = 16, O = 32 };
struct e {
    uint16_t tag, bits;
    uint32_t id;
};
static struct {
    uint32_t version;
    struct e e[99];
} a;
static char b[5000];
// An attribute of entries "tag:id:bits,".
static int make(const char *text) {
    int n = 0;
    a.version = 2;
    for (const char *t = text; *t;) {
        int id = -1, bits, used = 0;
        char tag = *t++;
        if (*t != ':')
            sscanf(t, "%d%n", &id, &used);
        t += used + 1;
        sscanf(t, "%d%n", &bits, &used);
        t += used + (t[used] == ',');
        int tags[128] = {['u'] = UO, ['U'] = U, ['g'] = GO, ['G'] = G, ['m'] = M, ['o'] = O};
        a.e[n++] = (struct e){tags[tag], bits, id};
    }
    return 4 + n * 8;
}
static void shown(const char *f) {
    struct stat st;
    if (lstat(f, &st) < 0) {
        say("%s: %s", f, name_of(errno));
        return;
    }
    const char *names[] = {ACCESS, DEFAULT};
    char out[3000];
    int o = sprintf(out, "%s %o", f, st.st_mode);
    for (int k = 0; k < 2; k++) {
        int n = getxattr(f, names[k], &a, sizeof a);
        if (n < 0) {
            o += sprintf(out + o, " %s", name_of(errno));
            continue;
        }
        o += sprintf(out + o, " [");
        for (int i = 0; i < (n - 4) / 8; i++)
            o += sprintf(out + o, "%x:%d:%d ", a.e[i].tag, (int)a.e[i].id, a.e[i].bits);
        o += sprintf(out + o, "]");
    }
    say("%s", out);
}
static void set(const char *f, const char *name, const char *text) {
    int n = make(text);
    errno = 0;
    int r = setxattr(f, name, &a, n, 0);
    say("%s %s %s: %d %s", f, name + 17, text, r, name_of(r ? errno : 0));
    shown(f);
}
static void list(const char *f) {
    int n = listxattr(f, b, sizeof b);
    say("%s has %d", f, n);
    for (int i = 0; i < n; i += strlen(b + i) + 1)
        if (!strncmp(b + i, "system.", 7) || !strncmp(b + i, "user.", 5))
            say("  %s", b + i);
}
static void attributes(void) {
    set("f", ACCESS, "u:6,g:4,o:0");
    set("f", ACCESS, "u:6,U5:7,g:4,m:5,o:0");
    list("f");
    setxattr("f", "user.x", "a", 1, 0);
    list("f");
    E(getxattr("f", ACCESS, b, 0));
    E(getxattr("f", ACCESS, b, 10));
    E(getxattr("f", ACCESS, BAD, 100));
    E(chmod("f", 0731));
    shown("f");
    E(chmod("f", 02600));
    shown("f");
    set("f", ACCESS, "u:7,g:5,o:4");
    list("f");
    E(removexattr("f", ACCESS));
    shown("f");
    set("f", ACCESS, "u:7,g:5,G9:1,m:7,o:4");
    E(removexattr("f", ACCESS));
    E(removexattr("f", ACCESS));
    E(removexattr("f", DEFAULT));
    E(removexattr("d", DEFAULT));
    shown("f");
    set("f", ACCESS, "u:7,g:5,G9:1,o:4");
    set("f", ACCESS, "u:7,o:4");
    set("f", ACCESS, "g:5,u:7,o:4");
    set("f", ACCESS, "u:7,g:5,o:4,m:7");
    set("f", ACCESS, "u:7,g:5,m:7,o:4");
    set("f", ACCESS, "u:9,g:5,o:4");
    set("f", ACCESS, "u:7,u:7,g:5,o:4");
    set("f", ACCESS, "u:7,U-1:7,g:5,m:7,o:4");
    set("f", ACCESS, "u:7,U4:7,U4:5,g:5,m:7,o:4");
    set("f", ACCESS, "u:7,U9:7,U4:5,g:5,m:7,o:4");
    set("f", ACCESS, "u:7,x:7,g:5,o:4");
    set("f", DEFAULT, "u:7,g:5,o:4");
    set("nosuch", ACCESS, "u:7,g:5,o:4");
    E(setxattr("f", ACCESS, &a, 0, 0));
    E(setxattr("f", ACCESS, NULL, 0, 0));
    make("u:7,g:5,o:4");
    E(setxattr("f", ACCESS, &a, 3, 0));
    E(setxattr("f", ACCESS, &a, 4, 0));
    E(setxattr("f", ACCESS, &a, 5, 0));
    E(setxattr("f", ACCESS, &a, 27, 0));
    E(setxattr("f", ACCESS, &a, 28, XATTR_CREATE));
    E(setxattr("f", ACCESS, &a, 28, XATTR_REPLACE));
    a.version = 3;
    E(setxattr("f", ACCESS, &a, 28, 0));
    E(setxattr("f", "system.posix_acl", &a, 28, 0));
    E(setxattr("f", "system.other", &a, 28, 0));
    make("u:7,g:5,o:4");
    E(lsetxattr("l", ACCESS, &a, 28, 0));
    E(lgetxattr("l", ACCESS, &a, 28));
    E(lremovexattr("l", ACCESS));
    E(setxattr("/proc/self/status", ACCESS, &a, 28, 0));
    E(getxattr("/proc/self/status", ACCESS, &a, 28));
    E(setxattr("p", ACCESS, &a, 28, 0));
    int o = open("f", O_PATH);
    E(fsetxattr(o, ACCESS, &a, 28, 0));
    int r = open("f", O_RDONLY);
    E(fsetxattr(r, ACCESS, &a, 28, 0));
    E(fchmod(r, 0640));
    shown("f");
    struct stat x, y;
    stat("f", &x);
    ms(20);
    set("f", ACCESS, "u:7,g:5,G9:1,m:7,o:4");
    stat("f", &y);
    say("changed %d", x.st_ctim.tv_nsec != y.st_ctim.tv_nsec);
}
static void inheritance(void) {
    umask(077);
    set("d", DEFAULT, "u:7,U5:6,g:5,m:7,o:3");
    list("d");
    close(open("d/a", O_CREAT | O_RDWR, 0666));
    shown("d/a");
    close(open("d/b", O_CREAT | O_RDWR, 0));
    shown("d/b");
    mkdir("d/d", 0777);
    shown("d/d");
    mkdir("d/d/e", 01700);
    shown("d/d/e");
    mknod("d/p", S_IFIFO | 0644, 0);
    shown("d/p");
    symlink("x", "d/l");
    struct stat st;
    lstat("d/l", &st);
    say("%o", st.st_mode);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr {
        short f;
        char p[20];
    } ad = {AF_UNIX, "d/s"};
    bind(s, (void *)&ad, 10);
    shown("d/s");
    int t = open("d", O_TMPFILE | O_RDWR, 0666);
    char name[40];
    sprintf(name, "/proc/self/fd/%d", t);
    linkat(AT_FDCWD, name, AT_FDCWD, "d/t", AT_SYMLINK_FOLLOW);
    shown("d/t");
    rename("d/a", "moved");
    shown("moved");
    rename("f", "d/f");
    shown("d/f");
    rename("d/f", "f");
    set("d", DEFAULT, "u:7,g:5,o:3");
    close(open("d/g", O_CREAT | O_RDWR, 0666));
    shown("d/g");
    mkdir("d/h", 0777);
    shown("d/h");
    E(removexattr("d", DEFAULT));
    close(open("d/i", O_CREAT | O_RDWR, 0666));
    shown("d/i");
    chmod("d", 02777);
    set("d", DEFAULT, "u:7,G8:4,g:5,m:6,o:0");
    set("d", DEFAULT, "u:7,g:5,G8:4,m:6,o:0");
    mkdir("d/j", 0777);
    shown("d/j");
    umask(022);
}
// What somebody else may do.
static void as(int uid, int gid, int extra) {
    CHILD("as", {
        gid_t groups[] = {extra};
        setgroups(extra >= 0, groups);
        setgid(gid);
        setuid(uid);
        say("user %d groups %d %d", uid, gid, extra);
        E(access("c", R_OK));
        E(access("c", W_OK));
        E(access("c", X_OK));
        E(access("c", R_OK | W_OK));
        int f;
        Z(f = open("c", O_RDONLY));
        Z(f = open("c", O_WRONLY));
        Z(f = open("c", O_RDWR));
        E(access("e/x", F_OK));
        Z(open("e/new", O_CREAT | O_RDWR, 0600));
        E(unlink("e/new"));
        E(opendir("e") != NULL);
        E(setxattr("c", ACCESS, &a, 28, 0));
        E(truncate("c", 0));
        E(chdir("e"));
    });
}
static void checks(void) {
    close(open("c", O_CREAT | O_RDWR, 0600));
    mkdir("e", 0700);
    close(open("e/x", O_CREAT | O_RDWR, 0600));
    set("c", ACCESS, "u:0,U1001:6,U1002:7,g:4,G2001:2,G2002:4,m:6,o:1");
    set("e", ACCESS, "u:7,U1001:5,U1002:7,g:1,G2001:4,m:7,o:0");
    as(0, 0, -1);
    as(1001, 1, -1);
    as(1002, 1, 2001);
    as(1003, 1, -1);
    as(1003, 2001, -1);
    as(1003, 2001, 2002);
    as(1003, 2002, 0);
    as(1003, 0, 2001);
    chmod("c", 0);
    as(1001, 1, -1);
    chmod("c", 0777);
    as(1001, 1, -1);
    as(1003, 1, -1);
}
int main(int c, char **v) {
    begin(v);
    close(open("f", O_CREAT | O_RDWR, 0644));
    mkdir("d", 0755);
    symlink("f", "l");
    mkfifo("p", 0644);
    attributes();
    inheritance();
    if (geteuid() == 0)
        checks();
    return 0;
}
