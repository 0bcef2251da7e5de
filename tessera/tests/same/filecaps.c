// Capabilities of files: who sets them, what takes them away, and what they give at execve(2).
#include "check.h"
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/ptrace.h>

#define ATTR "security.capability"
// What is looked at: hosts may have lost others for good.
#define MASK (1u << CAP_CHOWN | 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW)
#define RAW (1u << CAP_NET_RAW)
#define ADMIN (1u << CAP_NET_ADMIN)
#define E1 VFS_CAP_FLAGS_EFFECTIVE

static unsigned long field(const char *name) {
    char line[256];
    unsigned long v = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            sscanf(line + strlen(name), ":%lx", &v);
    if (f)
        fclose(f);
    return v & MASK;
}

// What a program finds that was executed.
static void shown(void) {
    say(" runs: p %lx e %lx i %lx a %lx, secure %ld, dumpable %d, effective user %s", field("CapPrm"),
        field("CapEff"), field("CapInh"), field("CapAmb"), getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE),
        geteuid() ? "another" : "root");
}

static int give(const char *file, unsigned magic, unsigned p, unsigned i, unsigned root, int size) {
    struct vfs_ns_cap_data d = {.magic_etc = magic, .rootid = root};
    d.data[0].permitted = p;
    d.data[0].inheritable = i;
    return setxattr(file, ATTR, &d, size, 0);
}

#define V2(file, e, p, i) give(file, VFS_CAP_REVISION_2 | e, p, i, 0, XATTR_CAPS_SZ_2)
#define V3(file, e, p, i, root) give(file, VFS_CAP_REVISION_3 | e, p, i, root, XATTR_CAPS_SZ_3)

static void has(const char *what, const char *file) {
    struct vfs_ns_cap_data d = {0};
    int n = getxattr(file, ATTR, &d, sizeof d);
    if (n < 0)
        say("%s: %s", what, name_of(errno));
    else
        say("%s: %d bytes, magic %x, p %x, i %x, root %d", what, n, d.magic_etc, d.data[0].permitted,
            d.data[0].inheritable, n > 20 ? d.rootid : -1);
}

static void values(void) {
    close(open("f", O_CREAT | O_RDWR, 0644));
    has("nothing yet", "f");
    E(V2("f", E1, RAW, ADMIN));
    has("version 2", "f");
    E(V2("f", 0, ~0u, ~0u));
    has("too many", "f");
    E(V3("f", E1, RAW, 0, 0));
    has("version 3", "f");
    E(V3("f", E1, RAW, 0, 1234));
    has("of another root", "f");
    E(give("f", VFS_CAP_REVISION_1, RAW, 0, 0, XATTR_CAPS_SZ_1));
    E(give("f", VFS_CAP_REVISION_2, RAW, 0, 0, XATTR_CAPS_SZ_3));
    E(give("f", VFS_CAP_REVISION_3, RAW, 0, 0, XATTR_CAPS_SZ_2));
    E(give("f", VFS_CAP_REVISION_2, RAW, 0, 0, 19));
    E(give("f", 0x04000000, RAW, 0, 0, XATTR_CAPS_SZ_2));
    E(give("f", VFS_CAP_REVISION_2, RAW, 0, 0, 4));
    has("as before", "f");
    E(removexattr("f", ATTR));
    E(removexattr("f", ATTR));
    has("none again", "f");
    char names[256];
    V2("f", 0, RAW, 0);
    E(listxattr("f", names, sizeof names));
    mkdir("dir", 0755);
    E(V2("dir", 0, RAW, 0));
    has("a directory", "dir");
    E(V2("missing", 0, RAW, 0));
}

#define AFTER(what, ...)                                                                           \
    do {                                                                                           \
        V2("f", 0, RAW, 0);                                                                        \
        int fd = open("f", O_RDWR);                                                                \
        __VA_ARGS__;                                                                               \
        close(fd);                                                                                 \
        has("after " what, "f");                                                                   \
    } while (0)

static void removal(void) {
    AFTER("nothing", );
    AFTER("a write", write(fd, "x", 1));
    AFTER("a second write", write(fd, "x", 1); V2("f", 0, RAW, 0); write(fd, "y", 1));
    AFTER("an empty write", write(fd, "", 0));
    AFTER("a write by vectors", struct iovec v = {"abc", 3}; pwritev(fd, &v, 1, 0));
    AFTER("ftruncate", ftruncate(fd, 1));
    AFTER("truncate", truncate("f", 2));
    AFTER("fallocate", fallocate(fd, 0, 0, 100));
    AFTER("an open that empties", close(open("f", O_WRONLY | O_TRUNC)));
    AFTER("chmod", chmod("f", 0755));
    AFTER("chown", chown("f", geteuid(), getegid()));
    AFTER("chown of nothing", chown("f", -1, -1));
    AFTER("times", utimensat(AT_FDCWD, "f", 0, 0));
    AFTER("a link", link("f", "g"); unlink("g"));
    AFTER("a rename", rename("f", "g"); rename("g", "f"));
    AFTER("copying into it", int in = open("/proc/self/exe", O_RDONLY); sendfile(fd, in, 0, 10); close(in));
    AFTER("splicing into it", int p[2]; pipe(p); write(p[1], "q", 1); splice(p[0], 0, fd, 0, 1, 0);
          close(p[0]); close(p[1]));
    AFTER("a read", char c; read(fd, &c, 1));
    AFTER("mapping it", char *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); m[0] = 'm';
          munmap(m, 4096));
    chown("dir", geteuid(), getegid());
    has("after chown of a directory", "dir");
}

static void copy_self(const char *to, int mode) {
    unlink(to);
    int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_CREAT | O_WRONLY, 0755);
    char buf[65536];
    int n;
    while ((n = read(in, buf, sizeof buf)) > 0)
        write(out, buf, n);
    close(in);
    close(out);
    chmod(to, mode);
}

static void become(int id) { setresgid(id, id, id), setresuid(id, id, id); }

static void sets(unsigned p, unsigned i) {
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2] = {{p, p, i}, {0, 0, 0}};
    syscall(SYS_capset, &h, d);
}

static void run(const char *file) {
    execl(file, file, "show", NULL);
    say(" does not run: %s", name_of(errno));
}

// Another user who keeps some capabilities.
static void keep(unsigned p, unsigned i) {
    prctl(PR_SET_KEEPCAPS, 1);
    become(1234);
    sets(p, i);
}

// Somebody else with the same directories, as long as this process is there.
static void share(int flags) {
    if (syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0) == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != 1)
            pause();
        _exit(0);
    }
}

static void execution(void) {
    copy_self("p", 0755);
    CHILD("without", become(1234); run("./p"));
    V2("p", E1, RAW, 0);
    CHILD("permitted and effective", become(1234); run("./p"));
    CHILD("as root", run("./p"));
    CHILD("as root without root's rights", prctl(PR_SET_SECUREBITS, SECBIT_NOROOT); run("./p"));
    CHILD("without new privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); become(1234); run("./p"));
    CHILD("out of bounds", prctl(PR_CAPBSET_DROP, CAP_NET_RAW); become(1234); run("./p"));
    CHILD("with ambient ones", keep(ADMIN, ADMIN); prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0);
          say(" had a %lx", field("CapAmb")); run("./p"));
    CHILD("with them already", keep(RAW, RAW); prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0);
          run("./p"));
    CHILD("real root only", setresuid(0, 1234, 1234); run("./p"));
    CHILD("effective root only", setresuid(1234, 0, 0); run("./p"));
    V2("p", 0, RAW, 0);
    CHILD("only permitted", become(1234); run("./p"));
    CHILD("only permitted, out of bounds", prctl(PR_CAPBSET_DROP, CAP_NET_RAW); become(1234); run("./p"));
    V2("p", E1, 0, RAW);
    CHILD("inheritable", become(1234); run("./p"));
    CHILD("inheritable and there", keep(RAW, RAW | ADMIN); run("./p"));
    V2("p", 0, RAW, ADMIN);
    CHILD("both", keep(ADMIN, RAW | ADMIN); run("./p"));
    V2("p", E1, 0, 0);
    CHILD("none at all", become(1234); run("./p"));
    CHILD("none at all with ambient ones", keep(ADMIN, ADMIN);
          prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0); run("./p"));
    V3("p", E1, RAW, 0, 0);
    CHILD("of root by name", become(1234); run("./p"));
    V3("p", E1, RAW, 0, 1234);
    CHILD("of another root", become(1234); run("./p"));
    chmod("p", 04755);
    CHILD("set-user-ID", become(1234); run("./p"));
    V2("p", E1, RAW, 0);
    CHILD("set-user-ID and capabilities", become(1234); run("./p"));
    CHILD("both as root", run("./p"));
    CHILD("both without root's rights", prctl(PR_SET_SECUREBITS, SECBIT_NOROOT); become(1234); run("./p"));
    chmod("p", 02755);
    CHILD("set-group-ID and capabilities", become(1234); run("./p"));
    chmod("p", 0755);
    CHILD("traced", ptrace(PTRACE_TRACEME, 0, 0, 0); become(1234); say(" stops"));
    CHILD("traced by who may", become(1234); run("./p"));
    pid_t tracer = fork();
    if (tracer == 0) {
        become(1234);
        prctl(PR_SET_DUMPABLE, 1);
        pid_t child = fork();
        if (child == 0) {
            ptrace(PTRACE_TRACEME, 0, 0, 0);
            run("./p");
            _exit(1);
        }
        int s;
        while (waitpid(child, &s, 0) == child && WIFSTOPPED(s))
            ptrace(PTRACE_CONT, child, 0, WSTOPSIG(s) == SIGTRAP ? 0 : WSTOPSIG(s));
        status("traced by another", s);
        _exit(0);
    }
    waitpid(tracer, 0, 0);
    CHILD("beside a child", become(1234); share(0); run("./p"));
    CHILD("beside one with the same directories", become(1234); share(CLONE_FS); run("./p"));
    CHILD("the same with the right to become others", keep(1u << CAP_SETUID, 0); sets(1u << CAP_SETUID, 0);
          share(CLONE_FS); run("./p"));
    CHILD("the same again, taken apart", become(1234); share(CLONE_FS); unshare(CLONE_FS); run("./p"));
    chmod("p", 04755);
    CHILD("set-user-ID, the same directories", become(1234); share(CLONE_FS); run("./p"));
    CHILD("set-user-ID beside a child", become(1234); share(0); run("./p"));
    chmod("p", 0755);
    // Of a script what its interpreter has counts.
    char line[4200], here[4096];
    getcwd(here, sizeof here);
    snprintf(line, sizeof line, "#!%s/p show\n", here);
    int fd = open("s", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    write(fd, line, strlen(line));
    close(fd);
    chmod("s", 06755);
    V2("s", E1, ADMIN, 0);
    CHILD("a script", become(1234); execl("./s", "./s", NULL));
    removexattr("p", ATTR);
    CHILD("a script of a plain interpreter", become(1234); execl("./s", "./s", NULL));
    CHILD("it by descriptor", become(1234); int f = open("s", O_RDONLY); fexecve(f, (char *[]){"s", NULL}, environ));
    V2("p", E1, RAW, 0);
    mount(0, ".", 0, MS_REMOUNT | MS_BIND | MS_NOSUID, 0);
    CHILD("where nobody becomes another", become(1234); run("./p"));
    has("it is there", "p");
    mount(0, ".", 0, MS_REMOUNT | MS_BIND, 0);
    // Changed, it has none.
    fd = open("p", O_WRONLY | O_APPEND);
    write(fd, "x", 1);
    close(fd);
    CHILD("after a write", become(1234); run("./p"));
}

static void map(const char *file, const char *text) {
    int fd = open(file, O_WRONLY);
    write(fd, text, strlen(text));
    close(fd);
}

// In a user namespace, whose root is somebody else outside.
static void inside(int uid, int gid) {
    char line[64];
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
        return say("no namespace: %s", name_of(errno));
    map("/proc/self/setgroups", "deny");
    snprintf(line, sizeof line, "0 %d 1", uid);
    map("/proc/self/uid_map", line);
    snprintf(line, sizeof line, "0 %d 1", gid);
    map("/proc/self/gid_map", line);
    E(mount("in", "mnt", "tmpfs", 0, "mode=755"));
    chdir("mnt");
    close(open("f", O_CREAT | O_RDWR, 0644));
    E(V2("f", E1, RAW, 0));
    has("set inside", "f");
    E(V3("f", E1, RAW, 0, 0));
    has("of the root inside", "f");
    E(V3("f", E1, RAW, 0, 1));
    has("of nobody inside", "f");
    chdir("..");
    E(V2("own", E1, RAW, 0));
    has("of a file outside", "own");
    has("set outside", "others");
    E(removexattr("others", ATTR));
    copy_self("mnt/p", 0755);
    V2("mnt/p", E1, RAW, 0);
    CHILD("run inside", prctl(PR_SET_SECUREBITS, SECBIT_NOROOT); run("mnt/p"));
    copy_self("q", 0755);
    V2("q", E1, RAW, 0);
    has("a program outside, from inside", "q");
    CHILD("run inside", prctl(PR_SET_SECUREBITS, SECBIT_NOROOT); sets(0, 0); run("./q"));
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "show"))
        return shown(), 0;
    begin(argv);
    int root = geteuid() == 0;
    if (!may_unshare(CLONE_NEWNS | CLONE_NEWUSER))
        return UNKNOWN;
    if (root) {
        // With a file system of its own, where programs may become others.
        if (unshare(CLONE_NEWNS) || mount(0, "/", 0, MS_REC | MS_PRIVATE, 0))
            return UNKNOWN;
        mount("caps", ".", "tmpfs", 0, "mode=755");
        char here[4096];
        chdir(getcwd(here, sizeof here));
    }
    values();
    removal();
    if (root)
        execution();
    mkdir("mnt", 0755);
    close(open("own", O_CREAT | O_RDWR, 0644));
    close(open("others", O_CREAT | O_RDWR, 0644));
    V2("others", E1, RAW, 0);
    if (root) {
        chown("own", 1234, 1234);
        chown(".", 1234, 1234);
    }
    CHILD("inside", if (root) become(1234), prctl(PR_SET_DUMPABLE, 1); inside(root ? 1234 : getuid(), root ? 1234 : getgid()));
    has("seen from outside", "own");
    has("the program", "q");
    if (root)
        CHILD("the program outside", become(1234); run("./q"));
    if (root) {
        chdir("/");
        umount2(".", MNT_DETACH);
    }
    return 0;
}
