// Clocks, sleeps, interval timers, POSIX timers, timerfd.
#include "check.h"
#include <pthread.h>
#include <sys/timex.h>
// The system calls themselves: the C library looks into an ID before the kernel can refuse it.
#define timer_create(c, e, i) syscall(SYS_timer_create, c, e, i)
#define timer_settime(i, f, n, o) syscall(SYS_timer_settime, i, f, n, o)
#define timer_gettime(i, o) syscall(SYS_timer_gettime, i, o)
#define timer_getoverrun(i) syscall(SYS_timer_getoverrun, i)
#define timer_delete(i) syscall(SYS_timer_delete, i)
#define NS(c, f, t, r) syscall(SYS_clock_nanosleep, c, f, t, r)
static volatile int spinning;
static void *spin(void *p) {
    spinning = gettid();
    while (spinning) {
    }
    return 0;
}
static volatile int n;
static siginfo_t last;
static void on(int s, siginfo_t *i, void *c) {
    n++;
    last = *i;
}
static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
int main(int c, char **v) {
    begin(v);
    alarm(0);
    struct timespec t, r;
    struct itimerval it = {{0, 0}, {0, 50000}}, io;
    struct sigaction a = {0};
    long s;
    int x;
    a.sa_sigaction = on;
    a.sa_flags = SA_SIGINFO;
    sigaction(SIGALRM, &a, 0);
    sigaction(SIGVTALRM, &a, 0);
    sigaction(SIGPROF, &a, 0);
    sigaction(SIGUSR1, &a, 0);
    sigaction(SIGRTMIN, &a, 0);
    for (x = 0; x < 12; x++)
        if (x != 8 && x != 9) {
            char w[30];
            sprintf(w, "gettime %d", x);
            errno = 0;
            show(w, clock_gettime(x, &t));
            sprintf(w, "getres %d", x);
            errno = 0;
            show(w, clock_getres(x, &r));
            say("res %ld", r.tv_nsec);
        }
    E(clock_gettime(99, &t));
    E(clock_gettime(-1, &t));
    E(syscall(SYS_clock_gettime, 0, BAD));
    E(syscall(SYS_clock_getres, 0, NULL));
    cpu_set_t may, one;
    sched_getaffinity(0, sizeof may, &may);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &may)) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            unsigned at = -1;
            syscall(SYS_getcpu, &at, 0, 0);
            say("bound to %d, on %d, by the library %d", cpu, at, sched_getcpu());
        }
    sched_setaffinity(0, sizeof may, &may);
    clockid_t pc;
    E(clock_getcpuclockid(0, &pc));
    E(clock_gettime(pc, &t));
    E(clock_getcpuclockid(1, &pc));
    E(clock_gettime(pc, &t));
    E(clock_getcpuclockid(999999, &pc));
    E(syscall(SYS_clock_gettime, ~999999 << 3 | 2, &t));
    E(syscall(SYS_clock_gettime, ~0 << 3 | 3, &t));
    E(syscall(SYS_clock_gettime, (~0u << 3) | 6, &t));
    E(clock_getres(pc, &t));
    E(clock_settime(CLOCK_MONOTONIC, &t));
    t.tv_nsec = -1;
    E(clock_settime(0, &t));
    E(clock_settime(99, &t));
    E(syscall(SYS_time, BAD));
    E(syscall(SYS_gettimeofday, BAD, 0));
    E(gettimeofday(0, 0));
    E(syscall(SYS_time, 0) > 1600000000);
    // sleeping
    t = (struct timespec){0, 1000000000};
    E(nanosleep(&t, 0));
    t = (struct timespec){-1, 0};
    E(nanosleep(&t, 0));
    E(nanosleep(BAD, 0));
    t = (struct timespec){0, 0};
    E(nanosleep(&t, 0));
    t.tv_nsec = 30000000;
    s = now();
    E(nanosleep(&t, &r));
    say("slept %d", now() - s >= 30);
    t.tv_nsec = 300000000;
    setitimer(ITIMER_REAL, &it, 0);
    E(nanosleep(&t, &r));
    say("left %d n %d", r.tv_nsec > 0, n);
    n = 0;
    setitimer(ITIMER_REAL, &it, 0);
    r = (struct timespec){7, 7};
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec++;
    errno = 0;
    say("abs %s", name_of(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &r)));
    say("untouched %ld", (long)r.tv_sec);
    t = (struct timespec){0, 10000000};
    say("%s", name_of(clock_nanosleep(99, 0, &t, 0)));
    say("%s", name_of(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, 0)));
    {
        // Processor time: the sleep ends when the other thread has used it up.
        struct timespec neg = {0, -1}, past = {0, 1}, u = {0, 50000000}, b, e;
        pthread_t spinner;
        pid_t me = getpid();
        E(NS(CLOCK_THREAD_CPUTIME_ID, 0, &u, 0));
        E(NS(CLOCK_THREAD_CPUTIME_ID, 0, &neg, 0));
        E(NS(~0u << 3 | 3, 0, &u, 0));
        E(NS(~0u << 3 | 7, 0, &u, 0));
        E(NS(~0u << 3 | 6, 0, &u, 0));
        E(NS(~gettid() << 3 | 6, 0, &u, 0));
        E(NS(~999999u << 3 | 6, 0, &u, 0));
        E(NS(~999999u << 3 | 2, 0, &u, 0));
        E(NS(~1u << 3 | 6, 0, &u, 0));
        E(NS(CLOCK_PROCESS_CPUTIME_ID, 0, BAD, 0));
        E(NS(CLOCK_PROCESS_CPUTIME_ID, 0, &neg, 0));
        E(NS(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &past, 0));
        pthread_create(&spinner, 0, spin, 0);
        while (!spinning) {
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
        E(NS(CLOCK_PROCESS_CPUTIME_ID, 0, &u, 0));
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &e);
        say("used %d", (e.tv_sec - b.tv_sec) * 1000000000L + e.tv_nsec - b.tv_nsec >= 50000000);
        E(NS(~spinning << 3 | 6, 0, &u, 0));
        E(NS(~me << 3 | 2, 0, &u, 0));
        u.tv_sec = 50;
        e.tv_sec += 50;
        setitimer(ITIMER_REAL, &it, 0);
        E(NS(CLOCK_PROCESS_CPUTIME_ID, 0, &u, &r));
        say("left %d", r.tv_sec > 40 && r.tv_sec <= 50);
        setitimer(ITIMER_REAL, &it, 0);
        E(NS(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &e, &r));
        spinning = 0;
        pthread_join(spinner, 0);
        setitimer(ITIMER_REAL, &it, 0);
        E(NS(CLOCK_PROCESS_CPUTIME_ID, 0, &u, 0));
    }
    say("%s", name_of(clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &t, 0)));
    say("%s", name_of(clock_nanosleep(CLOCK_MONOTONIC_COARSE, 0, &t, 0)));
    say("%s", name_of(clock_nanosleep(CLOCK_BOOTTIME, 0, &t, 0)));
    say("%s", name_of(clock_nanosleep(CLOCK_TAI, 0, &t, 0)));
    say("%s", name_of(clock_nanosleep(CLOCK_REALTIME, 5, &t, 0)));
    say("past %s", name_of(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, 0)));
    // stopped and continued sleeps restart
    pid_t ch = fork();
    if (!ch) {
        t = (struct timespec){0, 300000000};
        s = now();
        int q = nanosleep(&t, &r);
        _exit(q == 0 && now() - s >= 300 ? 1 : 2);
    }
    ms(50);
    kill(ch, SIGSTOP);
    ms(50);
    kill(ch, SIGCONT);
    waitpid(ch, &x, 0);
    status("restarted sleep", x);
    ch = fork();
    if (!ch) {
        struct pollfd pf = {0};
        s = now();
        int q = poll(&pf, 0, 300);
        _exit(q == 0 && now() - s >= 300 ? 1 : 2);
    }
    ms(50);
    kill(ch, SIGSTOP);
    ms(50);
    kill(ch, SIGCONT);
    waitpid(ch, &x, 0);
    status("restarted poll", x);
    // interval timers
    n = 0;
    it.it_interval.tv_usec = 10000;
    it.it_value.tv_usec = 10000;
    E(setitimer(ITIMER_REAL, &it, &io));
    s = now();
    while (n < 5)
        pause();
    say("five in %d", now() - s >= 45);
    E(getitimer(ITIMER_REAL, &io));
    say("%ld %d", (long)io.it_interval.tv_usec, io.it_value.tv_usec > 0);
    it = (struct itimerval){0};
    E(setitimer(ITIMER_REAL, &it, &io));
    say("%ld", (long)io.it_interval.tv_usec);
    E(setitimer(ITIMER_REAL, 0, &io));
    for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++) {
        it.it_interval = (struct timeval){10, 20};
        E(setitimer(which, &it, 0));
        it.it_interval = (struct timeval){0};
        E(setitimer(which, &it, &io));
        say("interval of a disarmed timer: %ld", (long)io.it_interval.tv_sec);
    }
    E(setitimer(9, &it, 0));
    E(getitimer(9, &io));
    E(getitimer(0, BAD));
    E(setitimer(0, BAD, 0));
    it.it_value.tv_usec = 1000000;
    E(setitimer(0, &it, 0));
    it.it_value = (struct timeval){-1, 0};
    E(setitimer(0, &it, 0));
    E(alarm(100));
    E(alarm(0) >= 99);
    E(alarm(0));
    n = 0;
    it.it_value = (struct timeval){0, 20000};
    E(setitimer(ITIMER_VIRTUAL, &it, 0));
    s = now();
    while (!n && now() - s < 3000) {
    }
    say("virtual %d signo %d code %d", n, last.si_signo, last.si_code);
    n = 0;
    E(setitimer(ITIMER_PROF, &it, 0));
    s = now();
    while (!n && now() - s < 3000) {
    }
    say("prof %d signo %d", n, last.si_signo);
    n = 0;
    // POSIX timers
    int id;
    struct sigevent ev = {0};
    struct itimerspec its = {{0}, {0, 20000000}}, old;
    ev.sigev_notify = SIGEV_SIGNAL;
    ev.sigev_signo = SIGRTMIN;
    ev.sigev_value.sival_int = 55;
    E(timer_create(CLOCK_MONOTONIC, &ev, &id));
    E(timer_settime(id, 0, &its, 0));
    ms(60);
    say("n %d code %d value %d", n, last.si_code, last.si_value.sival_int);
    n = 0;
    E(timer_gettime(id, &old));
    say("%ld %ld", (long)old.it_value.tv_nsec, (long)old.it_interval.tv_nsec);
    its.it_interval.tv_nsec = 50000000;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, 0);
    E(timer_settime(id, 0, &its, 0));
    ms(700);
    sigprocmask(SIG_UNBLOCK, &set, 0);
    say("n %d overrun %d %d", n, last.si_overrun > 5, timer_getoverrun(id) == last.si_overrun);
    its = (struct itimerspec){0};
    E(timer_settime(id, 0, &its, &old));
    say("%ld", (long)old.it_interval.tv_nsec);
    its.it_value.tv_nsec = 1000000000;
    E(timer_settime(id, 0, &its, 0));
    its.it_value.tv_nsec = 1;
    E(timer_settime(id, 9, &its, 0));
    E(timer_settime(id, 0, BAD, 0));
    E(timer_delete(id));
    E(timer_delete(id));
    E(timer_gettime(id, &old));
    E(timer_settime(id, 0, &its, 0));
    E(timer_getoverrun(id));
    ev.sigev_signo = 65;
    E(timer_create(0, &ev, &id));
    ev.sigev_signo = 10;
    ev.sigev_notify = 9;
    E(timer_create(0, &ev, &id));
    ev.sigev_notify = SIGEV_NONE;
    E(timer_create(0, &ev, &id));
    clock_gettime(0, &t);
    its.it_value = (struct timespec){t.tv_sec + 100, 0};
    E(timer_settime(id, TIMER_ABSTIME, &its, 0));
    E(timer_gettime(id, &old));
    say("%d", old.it_value.tv_sec >= 98);
    timer_delete(id);
    ev.sigev_notify = 4;
    ev._sigev_un._tid = getpid();
    E(timer_create(0, &ev, &id));
    timer_delete(id);
    ev._sigev_un._tid = 999999;
    E(timer_create(0, &ev, &id));
    E(timer_create(99, 0, &id));
    E(timer_create(CLOCK_MONOTONIC_RAW, 0, &id));
    E(timer_create(0, BAD, &id));
    n = 0;
    E(timer_create(0, 0, &id));
    its.it_value = (struct timespec){0, 1000};
    E(timer_settime(id, 0, &its, 0));
    ms(20);
    say("default signo %d value %d", last.si_signo, last.si_value.sival_ptr != 0 || 1);
    E(timer_create(CLOCK_PROCESS_CPUTIME_ID, 0, &id));
    n = 0;
    its.it_value.tv_nsec = 20000000;
    timer_settime(id, 0, &its, 0);
    s = now();
    while (!n && now() - s < 3000) {
    }
    say("cpu timer %d", n);
    E(timer_create(CLOCK_THREAD_CPUTIME_ID, 0, &id));
    n = 0;
    timer_settime(id, 0, &its, 0);
    s = now();
    while (!n && now() - s < 3000) {
    }
    say("thread cpu timer %d", n);
    E(timer_create(CLOCK_BOOTTIME, 0, &id));
    E(timer_create(CLOCK_TAI, 0, &id));
    E(timer_create(CLOCK_REALTIME_COARSE, 0, &id));
    E(syscall(SYS_timer_create, 0, 0, BAD));
    // timerfd
    uint64_t e;
    int f = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    E(timerfd_create(99, 0));
    E(timerfd_create(CLOCK_MONOTONIC, 9));
    E(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
    E(timerfd_create(CLOCK_BOOTTIME_ALARM, 0) > 0);
    its = (struct itimerspec){{0, 10000000}, {0, 10000000}};
    E(read(f, &e, 8));
    E(timerfd_settime(f, 0, &its, 0));
    E(read(f, &e, 8));
    ms(55);
    E(read(f, &e, 4));
    E(read(f, &e, 8));
    say("%d", e >= 4);
    E(timerfd_gettime(f, &old));
    say("%ld", (long)old.it_interval.tv_nsec);
    E(timerfd_settime(f, 0x10, &its, 0));
    E(timerfd_settime(0, 0, &its, 0));
    E(timerfd_settime(-1, 0, &its, 0));
    E(timerfd_settime(f, 0, BAD, 0));
    E(timerfd_gettime(f, BAD));
    E(timerfd_gettime(1, &old));
    its.it_value.tv_nsec = -1;
    E(timerfd_settime(f, 0, &its, 0));
    its = (struct itimerspec){{0}, {1, 0}};
    E(timerfd_settime(f, TFD_TIMER_ABSTIME, &its, 0));
    E(read(f, &e, 8));
    say("%ld", (long)e);
    E(write(f, &e, 8));
    E(lseek(f, 0, 0));
    struct pollfd pf = {f, POLLIN};
    its.it_value = (struct timespec){0, 1000000};
    timerfd_settime(f, 0, &its, 0);
    E(poll(&pf, 1, 1000));
    fcntl(f, F_SETFL, 0);
    timerfd_settime(f, 0, &its, 0);
    E(read(f, &e, 8));
    its = (struct itimerspec){0};
    timerfd_settime(f, 0, &its, 0);
    f = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    its.it_value.tv_sec = 1;
    E(timerfd_settime(f, 3, &its, 0));
    E(timerfd_settime(f, 2, &its, 0));
    struct timex tx = {0};
    E(adjtimex(&tx) >= 0);
    tx.modes = 0x8000;
    E(adjtimex(&tx));
    E(adjtimex(BAD));
    tx.modes = 0;
    E(clock_adjtime(CLOCK_MONOTONIC, &tx));
    E(clock_adjtime(99, &tx));
    E(clock_adjtime(0, &tx) >= 0);
    // fork does not inherit, exec does
    it = (struct itimerval){{0}, {100, 0}};
    setitimer(ITIMER_REAL, &it, 0);
    CHILD("fork", getitimer(ITIMER_REAL, &io); say("%ld", (long)io.it_value.tv_sec);
          E(timer_gettime(id, &old)));
    return 0;
}
