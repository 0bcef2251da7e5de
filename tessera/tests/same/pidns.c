// PID namespaces: numbers, signals and the end of the first process.
#include "pidns.h"
#include <linux/sched.h>
#include <sys/reboot.h>

static void *stack(void) {
    char *s = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return s + 65536;
}

static int last_pid, last_uid, last_code, seen;
static void on(int n, siginfo_t *i, void *x) {
    last_pid = i->si_pid, last_code = i->si_code, seen++;
}
static void listen_to(int n) {
    struct sigaction a = {.sa_sigaction = on, .sa_flags = SA_SIGINFO};
    sigaction(n, &a, NULL);
}

static void *thread(void *x) {
    say("thread %ld of %d", syscall(SYS_gettid), getpid());
    return NULL;
}

static int nothing(void *x) { return 0; }

static void numbers(void) {
    INSIDE("numbers", {
        E(getpid());
        E(syscall(SYS_gettid));
        E(getppid());
        E(getpgrp());
        E(getpgid(0));
        E(getpgid(1));
        E(getsid(0));
        E(getpgid(2));
        E(syscall(SYS_set_tid_address, &last_pid));
        pthread_t t;
        pthread_create(&t, NULL, thread, NULL);
        pthread_join(t, NULL);
        pid_t c = fork();
        if (!c) {
            ms(20);
            say("child %d of %d, group %d, session %d", getpid(), getppid(), getpgrp(), getsid(0));
            E(setpgid(0, 0));
            E(getpgrp());
            E(setsid());
            E(setpgid(0, 99));
            pid_t g = fork();
            if (!g) {
                say("grandchild %d of %d, group %d", getpid(), getppid(), getpgrp());
                E(setsid());
                E(getsid(0));
                E(getsid(1));
                E(getsid(getppid()));
                _exit(3);
            }
            int s = 0;
            E(waitpid(g, &s, 0) == g);
            status("grandchild", s);
            _exit(4);
        }
        say("made %d", c);
        siginfo_t i = {0};
        E(waitid(P_PID, c, &i, WEXITED | WNOWAIT));
        say("pid %d code %d status %d", i.si_pid, i.si_code, i.si_status);
        int s;
        E(waitpid(getpid() + 77, &s, 0));
        E(waitpid(-c, &s, 0));
        E(waitpid(-1, &s, 0));
        E(setsid());
        E(getpgrp());
        E(kill(77, 0));
        E(kill(-77, 0));
        E(kill(1, 0));
        E(setpgid(77, 0));
        E(setpgid(0, 77));
        int before = -1, after = -1;
        pid_t v = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &before, 0, 0);
        if (!v) _exit(0);
        say("told %d of %d", before == v, v);
        waitpid(v, NULL, 0);
        v = vfork();
        if (!v) _exit(0);
        say("vfork %d", v);
        waitpid(v, NULL, 0);
    });
}

static void nested(void) {
    INSIDE("two levels", {
        pid_t c = enter(0);
        if (!c) {
            ms(20);
            say("inmost %d of %d", getpid(), getppid());
            pid_t d = fork();
            if (!d) _exit(0);
            say("made %d", d);
            E(wait(NULL));
            _exit(0);
        }
        say("middle %d made %d", getpid(), c);
        E(kill(c + 1, 0));
        int s;
        E(wait(&s));
        status("inmost", s);
    });
    // As deep as it goes.
    int depth = 0;
    for (;;) {
        pid_t c = enter(0);
        if (c < 0) {
            say("%d deep: %s", depth, name_of(errno));
            _exit(depth ? 0 : 1);
        }
        if (c) {
            int s;
            waitpid(c, &s, 0);
            if (depth) _exit(WEXITSTATUS(s));
            status("deep", s);
            return;
        }
        depth++;
        if (getpid() != 1) say("not the first");
    }
}

static void rules(void) {
    E(clone(nothing, stack(), CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, NULL));
    CHILD("parent", {
        pid_t p = enter(CLONE_PARENT);
        if (!p) _exit(0);
        say("CLONE_PARENT %s", p > 0 ? "made" : name_of(errno));
    });
    CHILD("vm", {
        pid_t p = clone(nothing, stack(), CLONE_NEWPID | CLONE_VM | SIGCHLD, NULL);
        say("CLONE_VM %s", p > 0 ? "made" : name_of(errno));
        wait(NULL);
    });
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
    CHILD("unshare", {
        E(unshare(CLONE_NEWPID));
        say("still %d", getpid() != 1);
        E(unshare(CLONE_NEWPID));
        E(clone(nothing, stack(), CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, NULL));
        pid_t p = enter(0);
        say("CLONE_NEWPID %s", p > 0 ? "made" : name_of(errno));
        int told[2];
        pipe(told);
        pid_t first = fork();
        if (!first) {
            say("first %d of %d", getpid(), getppid());
            write(told[1], "", 1);
            for (;;) pause();
        }
        read(told[0], told, 1);
        pid_t second = fork();
        if (!second) {
            say("second %d of %d", getpid(), getppid());
            E(kill(1, SIGKILL));
            E(kill(1, SIGTERM));
            E(kill(1, SIGSTOP));
            _exit(0);
        }
        int s;
        waitpid(second, &s, 0);
        status("second", s);
        E(unshare(CLONE_NEWPID));
        E(waitpid(first, &s, WNOHANG));
        kill(first, SIGKILL);
        waitpid(first, &s, 0);
        status("first", s);
        E(fork());
        E(vfork());
        E(unshare(CLONE_NEWPID));
    });
    INSIDE("CLONE_PARENT of the first", E(clone(nothing, stack(), CLONE_PARENT | SIGCHLD, NULL)));
}

static void signals(void) {
    listen_to(SIGUSR1);
    listen_to(SIGCHLD);
    INSIDE("signals", {
        E(kill(1, SIGKILL));
        E(kill(1, SIGTERM));
        E(kill(1, SIGSTOP));
        E(raise(SIGKILL));
        seen = 0;
        E(kill(1, SIGUSR1));
        say("from %d, %d times", last_pid, seen);
        pid_t c = fork();
        if (!c) {
            kill(1, SIGUSR1);
            kill(1, SIGTERM);
            _exit(0);
        }
        while (waitpid(c, NULL, 0) < 0) {}
        say("from %d", last_pid);
        c = fork();
        if (!c) {
            union sigval v = {.sival_int = 1};
            sigqueue(1, SIGUSR1, v);
            _exit(0);
        }
        while (waitpid(c, NULL, 0) < 0) {}
        say("from %d", last_pid);
        // Blocked, they wait; unblocked, they do nothing.
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, NULL);
        E(kill(1, SIGTERM));
        sigpending(&set);
        E(sigismember(&set, SIGTERM));
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        E(kill(-1, SIGTERM));
        c = fork();
        if (!c) pause();
        pid_t d = fork();
        if (!d) {
            E(kill(-1, SIGKILL));
            _exit(5);
        }
        int s, other;
        while (waitpid(c, &other, 0) < 0) {}
        while (waitpid(d, &s, 0) < 0) {}
        status("other", other);
        status("itself", s);
        signal(SIGCHLD, SIG_DFL);
    });
    // From outside.
    int fds[2];
    pipe(fds);
    pid_t c = enter(0);
    if (!c) {
        signal(SIGUSR2, SIG_DFL);
        sigset_t heard, none;
        sigemptyset(&none);
        sigemptyset(&heard);
        sigaddset(&heard, SIGUSR1);
        sigprocmask(SIG_BLOCK, &heard, NULL);
        write(fds[1], "", 1);
        for (;;) {
            sigsuspend(&none);
            say("heard from %d, code %d", last_pid, last_code);
            write(fds[1], "", 1);
        }
    }
    char b;
    read(fds[0], &b, 1);
    E(kill(c, SIGUSR2));
    E(kill(c, SIGTERM));
    // What was heard is said before what the call has returned.
    int sent = kill(c, SIGUSR1);
    read(fds[0], &b, 1);
    say("kill %d", sent);
    union sigval v = {0};
    sent = sigqueue(c, SIGUSR1, v);
    read(fds[0], &b, 1);
    say("sigqueue %d", sent);
    sent = syscall(SYS_tgkill, c, c, SIGUSR1);
    read(fds[0], &b, 1);
    say("tgkill %d", sent);
    E(kill(c, SIGSTOP));
    int s;
    waitpid(c, &s, WUNTRACED);
    status("stopped", s);
    E(kill(c, SIGCONT));
    E(kill(c, SIGKILL));
    while (waitpid(c, &s, 0) < 0) {}
    status("ended", s);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    INSIDE("fault", *(volatile int *)8 = 1);
    INSIDE("abort", abort());
    INSIDE("alarm", {
        struct itimerval t = {.it_value.tv_usec = 1000};
        setitimer(ITIMER_REAL, &t, NULL);
        ms(50);
    });
    INSIDE("broken pipe", {
        int p[2];
        pipe(p);
        close(p[0]);
        E(write(p[1], "", 1));
    });
    INSIDE("job", {
        // The group is outside, and its members are.
        E(getpgrp());
        E(kill(0, 0));
        E(kill(-getppid(), 0));
    });
}

static void ends(void) {
    INSIDE("orphans", {
        pid_t c = fork();
        if (!c) {
            if (!fork()) {
                while (getppid() != 1) ms(1);
                ms(20);
                say("adopted by %d", getppid());
                _exit(6);
            }
            _exit(0);
        }
        int s;
        E(waitpid(c, &s, 0));
        E(wait(&s));
        status("orphan", s);
        E(wait(&s));
    });
    CHILD("subreaper outside", {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        INSIDE("its namespace", {
            if (!fork()) {
                if (!fork()) {
                    while (getppid() != 1) ms(1);
                    ms(20);
                    say("adopted by %d", getppid());
                    _exit(7);
                }
                _exit(0);
            }
            E(wait(NULL));
            E(wait(NULL));
        });
        E(wait(NULL));
    });
    INSIDE("subreaper inside", {
        if (!fork()) {
            prctl(PR_SET_CHILD_SUBREAPER, 1);
            if (!fork()) {
                if (!fork()) {
                    while (getppid() != 2) ms(1);
                    ms(20);
                    say("adopted by %d", getppid());
                    _exit(7);
                }
                _exit(0);
            }
            E(wait(NULL));
            E(wait(NULL));
            _exit(0);
        }
        E(wait(NULL));
    });
    // The end of the first is everybody's.
    int fds[2], go[2];
    pipe(fds);
    pipe(go);
    pid_t c = enter(0);
    if (!c) {
        close(fds[0]);
        for (int i = 0; i < 5; i++)
            if (!fork()) {
                signal(SIGTERM, SIG_IGN);
                if (i > 2) {
                    pid_t in = enter(0);
                    (void)in;
                }
                for (;;) pause();
            }
        if (!fork()) _exit(0);
        ms(50);
        _exit(8);
    }
    close(fds[1]);
    int s;
    waitpid(c, &s, 0);
    status("first", s);
    // They have gone before.
    struct pollfd p = {fds[0], POLLIN};
    E(poll(&p, 1, 0));
    say("events %x", p.revents);
}

static void *leave(void *x) {
    ms(30);
    if (!fork()) for (;;) pause();
    say("last thread");
    syscall(SYS_exit, 9);
    return NULL;
}

static void threads(void) {
    INSIDE("the leader leaves first", {
        pthread_t t;
        pthread_create(&t, NULL, leave, NULL);
        syscall(SYS_exit, 0);
    });
}

static void set_tids(void) {
    struct clone_args a = {.exit_signal = SIGCHLD};
    pid_t want[3] = {30};
    a.set_tid = (uintptr_t)want;
    a.set_tid_size = 1;
    INSIDE("chosen", {
        pid_t c = syscall(SYS_clone3, &a, sizeof a);
        if (!c) {
            say("chosen %d", getpid());
            _exit(0);
        }
        wait(NULL);
        E(c);
        want[0] = 1;
        E(syscall(SYS_clone3, &a, sizeof a));
        want[0] = 0;
        E(syscall(SYS_clone3, &a, sizeof a));
        want[0] = 40000000;
        E(syscall(SYS_clone3, &a, sizeof a));
        want[0] = 1;
        E(syscall(SYS_clone3, &a, sizeof a));
        a.set_tid_size = 3;
        want[0] = 40;
        E(syscall(SYS_clone3, &a, sizeof a) > 0);
        a.set_tid_size = 33;
        E(syscall(SYS_clone3, &a, sizeof a));
        a.set_tid_size = 2;
        a.flags = CLONE_NEWPID;
        want[0] = 2, want[1] = 50;
        E(syscall(SYS_clone3, &a, sizeof a));
        want[0] = 1;
        c = syscall(SYS_clone3, &a, sizeof a);
        if (!c) {
            say("chosen %d", getpid());
            _exit(0);
        }
        while (wait(NULL) > 0) {}
    });
}

static void reboots(void) {
    INSIDE("reboot", {
        E(reboot(12345));
        E(reboot(RB_DISABLE_CAD));
        reboot(RB_AUTOBOOT);
        pause();
    });
    INSIDE("halt", reboot(RB_HALT_SYSTEM));
    INSIDE("power off", {
        if (!fork()) reboot(RB_POWER_OFF);
        pause();
    });
}

static void death_signals(void) {
    INSIDE("death signal", {
        listen_to(SIGUSR1);
        sigset_t set, old;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, &old);
        if (!fork()) {
            if (!fork()) {
                prctl(PR_SET_PDEATHSIG, SIGUSR1);
                kill(1, SIGUSR1);
                siginfo_t i;
                sigwaitinfo(&set, &i);
                ms(30);
                say("signal %d", i.si_signo);
                _exit(0);
            }
            sigset_t one = set;
            pause();
        }
        siginfo_t i;
        sigwaitinfo(&set, &i);
        say("ready, from %d", i.si_pid);
        kill(2, SIGKILL);
        E(wait(NULL));
        E(wait(NULL));
    });
}

int main(int c, char **v) {
    begin(v);
    if (geteuid() == 0 && !may_unshare(CLONE_NEWPID))
        return UNKNOWN;
    if (geteuid()) {
        // Nobody but the superuser, whose signals below may not miss.
        for (int i = 0; i < 6; i++) {
            E(enter(0));
            E(unshare(CLONE_NEWPID));
        }
        return 0;
    }
    numbers();
    nested();
    rules();
    signals();
    ends();
    threads();
    set_tids();
    reboots();
    death_signals();
    return 0;
}
