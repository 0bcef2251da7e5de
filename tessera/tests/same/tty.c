// Pseudo-terminals: whose they are, lines and signals, settings, hang-up.
#include "check.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;
static char name[64];

static void fresh(void) {
    master = posix_openpt(O_RDWR | O_NOCTTY);
    grantpt(master);
    unlockpt(master);
    ptsname_r(master, name, sizeof name);
    slave = open(name, O_RDWR | O_NOCTTY);
}
static void closed(void) {
    close(master);
    close(slave);
}
static void raw(void) {
    struct termios t;
    tcgetattr(slave, &t);
    cfmakeraw(&t);
    tcsetattr(slave, TCSANOW, &t);
}
// What a read gives that would not wait.
static void now(int fd) {
    char b[5000];
    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    int n = read(fd, b, sizeof b), e = errno, packets, more;
    // What a master shows may come in parts: a read that finds nothing has Linux bring the rest.
    if (n > 0 && ioctl(fd, TIOCGPKT, &packets) == 0 && !packets)
        while ((more = read(fd, b + n, sizeof b - n)) > 0)
            n += more;
    fcntl(fd, F_SETFL, O_RDWR);
    if (n < 0) {
        say("  -> error %d", e);
        return;
    }
    char line[300], *p = line;
    for (int i = 0; i < n && i < 64; i++)
        p += sprintf(p, b[i] >= ' ' && b[i] < 127 ? "%c" : "\\%03o", b[i] & 255);
    *p = 0;
    say("  -> %d: %s", n, line);
}
// Types, and asks the other side, without which Linux may not have looked at it yet.
static void typed(const char *s) {
    struct pollfd p = {slave, POLLIN};
    E(write(master, s, strlen(s)));
    poll(&p, 1, 0);
}
static int caught[65];
static void note(int s) { caught[s]++; }

static void owners(void) {
    fresh();
    int local = 7;
    E(ioctl(slave, TIOCGSOFTCAR, &local));
    say("%d", local);
    local = 1;
    E(ioctl(slave, TIOCSSOFTCAR, &local));
    local = 7;
    E(ioctl(master, TIOCGSOFTCAR, &local));
    say("%d", local);
    E(ioctl(slave, TIOCSSOFTCAR, NULL));
    E(tcgetpgrp(slave));
    E(tcgetsid(slave) > 0);
    E(tcgetpgrp(master));
    E(tcsetpgrp(slave, getpgrp()));
    E(ioctl(master, TIOCNOTTY));
    E(ioctl(slave, TIOCNOTTY));
    E(open("/dev/tty", O_RDWR));
    CHILD("not a leader", ({ E(ioctl(slave, TIOCSCTTY, 0)); E(ioctl(slave, TIOCSCTTY, 1)); }));
    CHILD("leader", ({
        setsid();
        E(ioctl(master, TIOCSCTTY, 0));
        E(ioctl(slave, TIOCSCTTY, 0));
        E(ioctl(slave, TIOCSCTTY, 0));
        E(tcgetpgrp(slave) == getpid());
        E(tcgetpgrp(master) == getpid());
        E(tcgetsid(slave) == getpid());
        E(tcgetsid(master) == getpid());
        E(tcsetpgrp(slave, 1 << 30));
        E(tcsetpgrp(slave, -1));
        E(tcsetpgrp(slave, getppid()));
        int fd = open("/dev/tty", O_RDWR);
        say("%d", fd >= 0);
        E(write(fd, "x", 1));
        int m = posix_openpt(O_RDWR);
        grantpt(m), unlockpt(m);
        char other[64];
        ptsname_r(m, other, 64);
        int s = open(other, O_RDWR);
        E(ioctl(s, TIOCSCTTY, 0));
        E(ioctl(s, TIOCSCTTY, 1));
        E(tcgetpgrp(s));
        if (!fork()) {
            E(ioctl(slave, TIOCSCTTY, 0));
            setsid();
            E(ioctl(slave, TIOCSCTTY, 0));
            E(open("/dev/tty", O_RDWR));
            _exit(0);
        }
        wait(0);
        signal(SIGHUP, note);
        signal(SIGCONT, note);
        E(ioctl(master, TIOCNOTTY));
        E(ioctl(slave, TIOCNOTTY));
        say("%d %d", caught[SIGHUP], caught[SIGCONT]);
        E(tcgetpgrp(slave));
        E(ioctl(slave, TIOCSCTTY, 0));
    }));
    closed();
    fresh();
    CHILD("by opening", ({
        setsid();
        int a = open(name, O_WRONLY);
        E(tcgetpgrp(a) == getpid());
        close(a);
        a = open(name, O_RDONLY);
        E(tcgetpgrp(a) == getpid());
    }));
    closed();
}

static void lines(void) {
    fresh();
    typed("ab");
    now(slave);
    typed("c\n");
    now(slave);
    now(master);
    typed("abc\177d\n");
    now(slave);
    now(master);
    typed("one two\027x\025new\n");
    now(slave);
    now(master);
    typed("\004");
    now(slave);
    typed("left\004");
    now(slave);
    typed("\026\003\n");
    now(slave);
    now(master);
    typed("a\nb\nc\n");
    now(slave);
    now(slave);
    int x;
    E(ioctl(slave, FIONREAD, &x));
    say("%d", x);
    E(ioctl(master, FIONREAD, &x));
    say("%d", x);
    E(ioctl(slave, TIOCINQ, &x));
    say("%d", x);
    E(tcflush(slave, TCIFLUSH));
    now(slave);
    now(master);
    E(write(slave, "x\ny\tz\r", 6));
    E(ioctl(slave, TIOCOUTQ, &x));
    say("%d", x);
    now(master);
    write(slave, "may be lost", 11);
    E(tcflush(slave, TCOFLUSH));
    tcflush(master, TCIFLUSH);
    now(master);
    char *big = malloc(10000);
    memset(big, 'q', 10000);
    fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
    E(write(master, big, 3000));
    E(write(master, big, 3000));
    E(write(master, "\n", 1));
    fcntl(master, F_SETFL, O_RDWR);
    now(slave);
    closed();
    fresh();
    // Others may, or not, as the host is set.
    if (!geteuid()) {
        E(ioctl(slave, TIOCSTI, "i\n"));
        now(slave);
        now(master);
    }
    E(tcflow(slave, TCOOFF));
    fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
    E(write(slave, "held", 4));
    E(tcflow(slave, TCOON));
    E(tcflow(slave, 77));
    E(tcflush(slave, 77));
    E(tcdrain(slave));
    E(tcsendbreak(slave, 0));
    E(tcflow(slave, TCIOFF));
    now(master);
    E(tcflow(slave, TCION));
    now(master);
    E(tcflow(master, TCOOFF));
    fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
    E(write(master, "held", 4));
    E(write(slave, "goes", 4));
    now(master);
    E(tcflow(master, TCOON));
    typed("typed\n");
    now(slave);
    closed();
    fresh();
    raw();
    typed("ab");
    now(slave);
    now(master);
    typed("\003\004\n");
    now(slave);
    struct termios t;
    tcgetattr(slave, &t);
    t.c_cc[VMIN] = 0;
    t.c_cc[VTIME] = 1;
    tcsetattr(slave, TCSANOW, &t);
    char b[10];
    E(read(slave, b, 10));
    t.c_cc[VMIN] = 3;
    t.c_cc[VTIME] = 1;
    tcsetattr(slave, TCSANOW, &t);
    typed("a");
    E(read(slave, b, 10));
    t.c_cc[VTIME] = 0;
    tcsetattr(slave, TCSANOW, &t);
    struct pollfd p = {slave, POLLIN | POLLOUT};
    typed("a");
    E(poll(&p, 1, 0));
    say("%x", p.revents);
    typed("bc");
    E(poll(&p, 1, 0));
    say("%x", p.revents);
    E(read(slave, b, 2));
    closed();
}

static void settings(void) {
    fresh();
    struct termios t = {0}, u = {0};
    E(tcgetattr(slave, &t));
    say("%o %o %o %o", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
    for (int i = 0; i < 19; i++)
        say("%d", t.c_cc[i]);
    E(tcgetattr(master, &u));
    E(memcmp(&t, &u, sizeof t));
    t.c_iflag = t.c_oflag = t.c_lflag = ~0u;
    t.c_cflag = 0;
    E(tcsetattr(slave, TCSANOW, &t));
    E(tcgetattr(slave, &t));
    say("%o %o %o %o", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
    struct {
        unsigned short flags[4];
        unsigned char line, cc[8];
    } old;
    E(ioctl(slave, TCGETA, &old));
    say("%o %o %o %o %d", old.flags[0], old.flags[1], old.flags[2], old.flags[3], old.line);
    for (int i = 0; i < 8; i++)
        say("%d", old.cc[i]++);
    old.flags[1] = old.flags[3] = 0;
    E(ioctl(slave, TCSETAF, &old));
    E(ioctl(slave, TCSETA, BAD));
    E(tcgetattr(slave, &t));
    say("%o %o %o %o", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
    for (int i = 0; i < 19; i++)
        say("%d", t.c_cc[i]);
    struct winsize w = {1, 2, 3, 4}, v;
    E(ioctl(slave, TIOCGWINSZ, &v));
    say("%d %d %d %d", v.ws_row, v.ws_col, v.ws_xpixel, v.ws_ypixel);
    E(ioctl(master, TIOCSWINSZ, &w));
    E(ioctl(slave, TIOCGWINSZ, &v));
    say("%d %d %d %d", v.ws_row, v.ws_col, v.ws_xpixel, v.ws_ypixel);
    int x = -1;
    E(ioctl(slave, TIOCGETD, &x));
    E(ioctl(slave, TIOCSETD, &x));
    E(ioctl(slave, TIOCSETD, BAD));
    x = 99;
    E(ioctl(slave, TIOCSETD, &x));
    x = 0;
    say("%d", x);
    E(ioctl(master, TIOCGPTN, &x));
    E(ioctl(slave, TIOCGPTN, &x));
    E(ioctl(slave, TIOCGPTPEER, O_RDWR));
    x = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    say("%d", x >= 0);
    close(x);
    E(ioctl(master, TIOCGPTLCK, &x));
    say("%d", x);
    x = 1;
    E(ioctl(master, TIOCSPTLCK, &x));
    E(open(name, O_RDWR | O_NOCTTY));
    x = 0;
    E(ioctl(master, TIOCSPTLCK, &x));
    E(ioctl(slave, TIOCEXCL));
    E(ioctl(slave, TIOCGEXCL, &x));
    say("%d", x);
    E(ioctl(slave, TIOCNXCL));
    E(ioctl(slave, TIOCMGET, &x));
    E(ioctl(slave, 0x5499, &x));
    E(isatty(master));
    E(isatty(slave));
    E(lseek(slave, 0, 0));
    E(pread(slave, &x, 1, 0));
    struct stat s;
    fstat(slave, &s);
    say("%o %d", s.st_mode & S_IFMT, major(s.st_rdev));
    fstat(master, &s);
    say("%o %d %d", s.st_mode & S_IFMT, major(s.st_rdev), minor(s.st_rdev));
    closed();
}

static void packets(void) {
    fresh();
    int on = 1;
    E(ioctl(master, TIOCPKT, &on));
    E(write(slave, "abc", 3));
    now(master);
    E(tcflush(slave, TCIFLUSH));
    now(master);
    E(tcflow(slave, TCOOFF));
    now(master);
    E(tcflow(slave, TCOON));
    now(master);
    struct pollfd p = {master, POLLIN | POLLPRI};
    E(tcflush(slave, TCOFLUSH));
    E(poll(&p, 1, 0));
    say("%x", p.revents);
    now(master);
    struct termios t;
    tcgetattr(slave, &t);
    t.c_iflag &= ~IXON;
    tcsetattr(slave, TCSANOW, &t);
    now(master);
    t.c_iflag |= IXON;
    tcsetattr(slave, TCSANOW, &t);
    now(master);
    t.c_lflag ^= EXTPROC;
    tcsetattr(slave, TCSANOW, &t);
    now(master);
    t.c_lflag ^= EXTPROC | NOFLSH;
    tcsetattr(slave, TCSADRAIN, &t);
    now(master);
    typed("\003");
    now(master);
    t.c_lflag ^= NOFLSH;
    tcsetattr(slave, TCSAFLUSH, &t);
    typed("a\003");
    now(master);
    now(master);
    typed("a\023");
    now(master);
    now(master);
    typed("\021");
    now(master);
    now(master);
    write(slave, "gone", 4);
    E(tcflush(master, TCIFLUSH));
    now(master);
    now(master);
    typed("left\n");
    E(tcflush(master, TCOFLUSH));
    now(slave);
    now(master);
    E(ioctl(master, TIOCGPKT, &on));
    say("%d", on);
    on = 0;
    E(ioctl(slave, TIOCPKT, &on));
    E(ioctl(master, TIOCPKT, &on));
    closed();
}

static void signals(void) {
    fresh();
    CHILD("signals", ({
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        int all[] = {SIGINT, SIGQUIT, SIGTSTP, SIGWINCH, SIGHUP, SIGCONT, SIGTTOU, SIGTTIN};
        for (int i = 0; i < 8; i++) signal(all[i], note);
        typed("lost\003kept\034\032");
        say("%d %d %d", caught[SIGINT], caught[SIGQUIT], caught[SIGTSTP]);
        now(master);
        struct winsize w = {5, 6};
        E(ioctl(slave, TIOCSWINSZ, &w));
        say("%d", caught[SIGWINCH]);
        E(ioctl(master, TIOCSIG, SIGINT));
        say("%d", caught[SIGINT]);
        E(ioctl(master, TIOCSIG, 99));
        int fg = fork();
        if (!fg) {
            setpgid(0, 0);
            caught[SIGTTOU] = caught[SIGTTIN] = 0;
            // In the background.
            char b[4];
            E(write(slave, "bg", 2));
            struct sigaction a = {.sa_handler = note};
            sigaction(SIGTTIN, &a, 0), sigaction(SIGTTOU, &a, 0);
            E(read(slave, b, 4));
            say("%d", caught[SIGTTIN]);
            E(tcsetpgrp(slave, getpgrp()));
            say("%d", caught[SIGTTOU]);
            signal(SIGTTOU, SIG_IGN), signal(SIGTTIN, SIG_IGN);
            E(read(slave, b, 4));
            E(tcsetpgrp(slave, getpgrp()));
            E(tcgetpgrp(slave) == getpid());
            _exit(0);
        }
        wait(0);
        say("%d", caught[SIGHUP]);
        tcsetpgrp(slave, getpgrp());
        close(master);
        say("%d %d", caught[SIGHUP], caught[SIGCONT]);
    }));
    closed();
    fresh();
    CHILD("hang-up at the end", ({
        int p[2];
        pipe(p);
        if (!fork()) {
            setsid();
            ioctl(slave, TIOCSCTTY, 0);
            if (!fork()) {
                signal(SIGHUP, note);
                write(p[1], "r", 1);
                while (!caught[SIGHUP]) usleep(1000);
                E(open("/dev/tty", O_RDWR));
                E(write(slave, "x", 1));
                _exit(0);
            }
            char c;
            read(p[0], &c, 1);
            _exit(0);
        }
        wait(0);
        close(p[1]);
        char c;
        while (read(p[0], &c, 1) > 0)
            ;
    }));
    closed();
}

static void hang_up(void) {
    char b[8];
    fresh();
    close(slave);
    struct pollfd p = {master, POLLIN | POLLOUT};
    E(poll(&p, 1, 0));
    say("%x", p.revents);
    now(master);
    slave = open(name, O_RDWR | O_NOCTTY);
    E(poll(&p, 1, 0));
    say("%x", p.revents);
    now(master);
    write(slave, "rest", 4);
    close(slave);
    E(poll(&p, 1, 0));
    say("%x", p.revents);
    now(master);
    now(master);
    slave = open(name, O_RDWR | O_NOCTTY);
    write(master, "unread\n", 7);
    close(master);
    p.fd = slave;
    E(poll(&p, 1, 0));
    say("%x", p.revents);
    E(read(slave, b, 8));
    E(write(slave, b, 1));
    struct termios t;
    E(tcgetattr(slave, &t));
    int x;
    E(ioctl(slave, FIONREAD, &x));
    E(open(name, O_RDWR | O_NOCTTY));
    close(slave);
}

static volatile int heard;

static void hear(int signo) { heard |= 1 << signo; }

// What is left to who had a terminal open that was hung up.
static void lost(int fd) {
    char b[8];
    struct termios t;
    struct pollfd p = {fd, POLLIN | POLLOUT};
    E(poll(&p, 1, 0));
    say("%x", p.revents);
    E(read(fd, b, 8));
    E(write(fd, b, 1));
    E(tcgetattr(fd, &t));
    E(tcsetpgrp(fd, 1));
}

// A session with one process in its own group and one in front; what each hears when the terminal
// goes.
static void session(int by_master) {
    fresh();
    int told[2], ready[2];
    pipe(told);
    pipe(ready);
    pid_t leader = fork();
    if (leader == 0) {
        close(master);
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        signal(SIGHUP, hear);
        signal(SIGCONT, hear);
        pid_t front = fork();
        if (front == 0) {
            setpgid(0, 0);
            signal(SIGTTOU, SIG_IGN);
            tcsetpgrp(slave, getpid());
            write(ready[1], "x", 1);
            for (int i = 0; i < 20 && !heard; i++) ms(10);
            write(told[1], heard ? "+" : "-", 1);
            _exit(0);
        }
        write(ready[1], "x", 1);
        while ((heard & (1 << SIGHUP | 1 << SIGCONT)) != (1 << SIGHUP | 1 << SIGCONT)) ms(10);
        E(open("/dev/tty", O_RDWR));
        waitpid(front, NULL, 0);
        lost(slave);
        _exit(0);
    }
    char b[2], front;
    for (int n = 0; n < 2;) n += read(ready[0], b, 2);
    if (by_master)
        close(master);
    else
        E(ioctl(slave, TIOCVHANGUP));
    read(told[0], &front, 1);
    waitpid(leader, NULL, 0);
    say("in front %c", front);
    for (int i = 0; i < 2; i++) close(told[i]), close(ready[i]);
}

static void taken_away(void) {
    session(1);
    close(slave);
    if (geteuid() != 0) {
        fresh();
        E(ioctl(slave, TIOCVHANGUP));
        E(syscall(SYS_vhangup));
        return;
    }
    session(0);
    lost(slave);
    struct termios t;
    int again = open(name, O_RDWR | O_NOCTTY), n;
    now(master);
    write(again, "new", 3);
    now(master);
    E(read(slave, &n, 1));
    close(slave);
    write(again, "and old", 7);
    now(master);
    tcgetattr(again, &t);
    cfmakeraw(&t);
    tcsetattr(again, TCSANOW, &t);
    write(master, "typed", 5);
    E(ioctl(again, TIOCVHANGUP));
    slave = open(name, O_RDWR | O_NOCTTY);
    tcgetattr(slave, &t);
    say("as at first %x", t.c_lflag);
    E(ioctl(slave, FIONREAD, &n));
    say("%d", n);
    CHILD("whoever waits", if (fork() == 0) {
        ms(50);
        ioctl(slave, TIOCVHANGUP);
        _exit(0);
    } E(read(slave, &n, 1)); wait(NULL));
    CHILD("its own", setsid(); slave = open(name, O_RDWR | O_NOCTTY); ioctl(slave, TIOCSCTTY, 0);
          signal(SIGHUP, hear); E(syscall(SYS_vhangup)); say("%d", !!(heard & 1 << SIGHUP));
          E(open("/dev/tty", O_RDWR)); E(read(slave, &n, 1)));
    CHILD("of nobody", setsid(); E(syscall(SYS_vhangup)));
    CHILD("a user", slave = open(name, O_RDWR | O_NOCTTY); setgid(1000); setuid(1000);
          E(ioctl(slave, TIOCVHANGUP)); E(syscall(SYS_vhangup)));
    close(slave);
    close(master);
}

// What programs have written stays with who shows it, whatever is typed then.
static void shown(void) {
    fresh();
    struct pollfd p = {master, POLLIN};
    E(write(slave, "before", 6));
    poll(&p, 1, 100);
    typed("ab\003");
    now(master);
    E(write(slave, "again", 5));
    poll(&p, 1, 100);
    typed("c\023");
    now(master);
    typed("\021");
    now(master);
    struct termios t;
    tcgetattr(slave, &t);
    t.c_iflag |= IUCLC | PARMRK;
    t.c_oflag |= OLCUC;
    t.c_lflag &= ~ICANON;
    E(tcsetattr(slave, TCSANOW, &t));
    typed("Ab\377");
    now(slave);
    now(master);
    closed();
}

int main(int c, char **v) {
    begin(v);
    // Nobody's terminal is this process's.
    if (fork()) {
        int s;
        wait(&s);
        return WEXITSTATUS(s);
    }
    setsid();
    if (fork()) {
        int s;
        wait(&s);
        return WEXITSTATUS(s);
    }
    owners();
    lines();
    settings();
    packets();
    shown();
    signals();
    hang_up();
    taken_away();
    return 0;
}
