/* System calls that are made often enough to be made another way: what they leave alone, when
 * signals come in between, in children, in threads, and when execution starts in their middle. */
#include "check.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile long ticks;

/* A handler that uses vector registers, and makes calls itself. */
static void tick(int signo)
{
	double a[8];
	for (int i = 0; i < 8; i++)
		a[i] = ticks * 0.5 + i;
	for (int i = 1; i < 8; i++)
		a[0] += a[i] * a[i - 1];
	ticks += a[0] < 0 ? 2 : 1;
	getppid();
	(void)signo;
}

/* Calls getppid(2) with a pattern in all registers that a call leaves alone; what has changed. */
static uint64_t disturbed(uint64_t seed)
{
	uint64_t bad;
	__asm__ volatile(
		/* The compiler may have something in the red zone. */
		"lea -256(%%rsp), %%rsp\n\tpush %%rbp\n\t"
		"mov %[seed], %%rbx\n\t"
		"lea 1(%%rbx), %%rdi\n\tlea 2(%%rbx), %%rsi\n\tlea 3(%%rbx), %%rdx\n\t"
		"lea 4(%%rbx), %%r8\n\tlea 5(%%rbx), %%r9\n\tlea 6(%%rbx), %%r10\n\t"
		"lea 7(%%rbx), %%r12\n\tlea 8(%%rbx), %%r13\n\tlea 9(%%rbx), %%r14\n\t"
		"lea 10(%%rbx), %%r15\n\tlea 11(%%rbx), %%rbp\n\t"
		"movq %%rbx, %%xmm0\n\tmovq %%rdi, %%xmm7\n\tmovq %%rbp, %%xmm15\n\t"
		/* The red zone, as the call sees it. */
		"mov %%rbx, -120(%%rsp)\n\t"
		"mov $110, %%eax\n\t"
		"stc\n\t"
		"call getppid\n\t"
		"setnc %%cl\n\tmovzx %%cl, %%eax\n\t"
		"sub %%rbx, %%rdi\n\tsub $1, %%rdi\n\tor %%rdi, %%rax\n\t"
		"sub %%rbx, %%rsi\n\tsub $2, %%rsi\n\tor %%rsi, %%rax\n\t"
		"sub %%rbx, %%rdx\n\tsub $3, %%rdx\n\tor %%rdx, %%rax\n\t"
		"sub %%rbx, %%r8\n\tsub $4, %%r8\n\tor %%r8, %%rax\n\t"
		"sub %%rbx, %%r9\n\tsub $5, %%r9\n\tor %%r9, %%rax\n\t"
		"sub %%rbx, %%r10\n\tsub $6, %%r10\n\tor %%r10, %%rax\n\t"
		"sub %%rbx, %%r12\n\tsub $7, %%r12\n\tor %%r12, %%rax\n\t"
		"sub %%rbx, %%r13\n\tsub $8, %%r13\n\tor %%r13, %%rax\n\t"
		"sub %%rbx, %%r14\n\tsub $9, %%r14\n\tor %%r14, %%rax\n\t"
		"sub %%rbx, %%r15\n\tsub $10, %%r15\n\tor %%r15, %%rax\n\t"
		"sub %%rbx, %%rbp\n\tsub $11, %%rbp\n\tor %%rbp, %%rax\n\t"
		"movq %%xmm0, %%rcx\n\tsub %%rbx, %%rcx\n\tor %%rcx, %%rax\n\t"
		"movq %%xmm7, %%rcx\n\tsub %%rbx, %%rcx\n\tsub $1, %%rcx\n\tor %%rcx, %%rax\n\t"
		"movq %%xmm15, %%rcx\n\tsub %%rbx, %%rcx\n\tsub $11, %%rcx\n\tor %%rcx, %%rax\n\t"
		"mov -120(%%rsp), %%rcx\n\tsub %%rbx, %%rcx\n\tor %%rcx, %%rax\n\t"
		"pop %%rbp\n\tlea 256(%%rsp), %%rsp\n\t"
		: "=&a"(bad), [seed] "+c"(seed)
		:
		: "rbx", "rdi", "rsi", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
		  "xmm0", "xmm7", "xmm15", "cc", "memory");
	return bad;
}

static long changed(long calls)
{
	long n = 0;
	for (long i = 0; i < calls; i++)
		n += disturbed(i * 0x0001000100010001) != 0;
	return n;
}

static void *in_thread(void *arg)
{
	return (void *)changed((long)arg);
}

static void interval(long us)
{
	struct itimerval t = { { 0, us }, { 0, us } };
	setitimer(ITIMER_REAL, &t, NULL);
}

static sigjmp_buf out;

static void jump(int signo)
{
	siglongjmp(out, signo);
}

int main(void)
{
	for (int i = 0; i < 10; i++)
		printf("registers %d %ld\n", i, changed(500));

	struct sigaction sa = { .sa_handler = tick, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &sa, NULL);
	interval(500);
	long bad = 0;
	for (int i = 0; i < 400 && ticks < 200; i++)
		bad += changed(500);
	printf("registers with signals %ld %d\n", bad, ticks > 10);

	/* Jumped out of, again and again. */
	interval(0);
	signal(SIGALRM, jump);
	volatile long jumps = 0, calls = 0;
	for (jumps = 0; jumps < 100; jumps++) {
		if (sigsetjmp(out, 1) == 0) {
			interval(300);
			for (;; calls++)
				getppid();
		}
	}
	interval(0);
	printf("jumps %ld %d\n", jumps, calls > 0);

	/* A child begins with what its parent has. */
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(changed(200) != 0 || getppid() <= 0);
		int status;
		waitpid(pid, &status, 0);
		printf("child %d %d\n", i, status);
	}

	/* Restarted: each write waits for the reader, and is interrupted. */
	sigaction(SIGALRM, &sa, NULL);
	int p[2], q[2];
	pipe(p);
	pipe(q);
	pid_t pid = fork();
	if (pid == 0) {
		char c;
		while (read(p[0], &c, 1) == 1 && c) {
			usleep(1500);
			write(q[1], &c, 1);
		}
		_exit(0);
	}
	interval(700);
	long lost = 0;
	for (int i = 1; i <= 150; i++) {
		char c = i % 100 + 1, d = 0;
		if (write(p[1], &c, 1) != 1 || syscall(SYS_read, q[0], &d, 1) != 1 || c != d)
			lost++;
	}
	interval(0);
	write(p[1], "", 1);
	waitpid(pid, NULL, 0);
	printf("restarted %ld\n", lost);

	/* The middle of a call: the number in rax, straight to the syscall instruction. */
	unsigned char *code = (unsigned char *)getppid;
	int at = -1;
	for (int i = 0; i < 32 && at < 0; i++)
		if ((code[i] == 0x0f && code[i + 1] == 0x05) || (code[i] == 0x06 && code[i + 1] == 0x00))
			at = i;
	long r = -1;
	if (at >= 0)
		__asm__ volatile("call *%2" : "=a"(r) : "a"(SYS_getppid), "r"(code + at)
				 : "rcx", "r11", "memory");
	printf("middle %d\n", at < 0 || r == getppid());

	/* Text that is mapped anew. */
	long page = sysconf(_SC_PAGESIZE);
	void *text = (void *)((uintptr_t)code & -page);
	printf("protect %d\n", mprotect(text, page, PROT_READ | PROT_EXEC));
	printf("registers %ld\n", changed(300));

	/* Threads, which may need more than one processor. */
	pthread_t t[4];
	interval(1000);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, in_thread, (void *)3000);
	for (int i = 0; i < 4; i++) {
		void *n;
		pthread_join(t[i], &n);
		bad += (long)n;
	}
	interval(0);
	printf("threads %ld\n", bad);
	printf("registers %ld\n", changed(300));
	return 0;
}
