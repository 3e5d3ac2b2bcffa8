// SPDX-License-Identifier: GPL-2.0
/*
 * load: which locks CPUs contend for when each of them does the same at once, by
 * /proc/lock_stat. scripts/contention starts it, once per operation:
 *
 *   load OPERATION CPUS NUMBER
 *
 * NUMBER operations, divided among the CPUs. XTCP_TEST_STOCK and XTCP_TEST_WIRE choose the
 * stack, as in tests. Prints a line for each class of locks, and one for each place in the
 * code that had to wait, or for which another one had to:
 *
 *   @@ class NAME <tab> contentions <tab> acquisitions
 *   @@ place NAME <tab> times <tab> function
 *
 * Each CPU has a process of its own, which stays there. Packets pass lo, or come from a
 * tun device of that CPU; both handle them on the CPU that sends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/netns.h"
#include "lib/proc.h"

#define HERE WHERE(NULL)
#define must(cond, ...) check((cond), HERE, __VA_ARGS__)

#define CPUS_MAX 8
#define PORT 5000
#define LIMITLESS (1 << 22)
#define WARM_UP 50
#define ANSWERS_TAKEN 64
#define REQUEST_BYTES 64
/* What a setup has left to RCU and to work items. */
#define SETTLE_MS 1000

enum { CLIENT, SERVER };

struct worker {
	pid_t pid;
	int cpu;
	int listener;
	int tun;
	int fd[2];
	uint32_t count;
};

struct operation {
	const char *name;
	void (*setup)(void);
	void (*round)(struct worker *w);
	/* What other processes do meanwhile, until they are killed. */
	void (*serve)(struct worker *w);
};

static struct worker worker[CPUS_MAX];
static int cpus, rounds;
static const struct operation *operation;
static pthread_barrier_t *barrier;	/* shared memory */

void check_fail(struct where at, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "load: %s:%d: ", at.file, at.line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	_exit(1);
}

bool check_is_over(struct __test_metadata *test)
{
	return !test;
}

static struct sockaddr_in server_addr(int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int socket_new(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, stream_proto());

	must(fd >= 0, "socket: %s", strerror(errno));
	return fd;
}

static int listener_new(int port, int backlog)
{
	struct sockaddr_in sa = server_addr(port);
	int fd = socket_new();

	/* A flood comes from outside. */
	sa.sin_addr.s_addr = htonl(INADDR_ANY);
	must(!bind(fd, (void *)&sa, sizeof(sa)) && !listen(fd, backlog), "listener: %s",
	     strerror(errno));
	return fd;
}

static int connected(int port)
{
	struct sockaddr_in sa = server_addr(port);
	int fd = socket_new();

	must(!connect(fd, (void *)&sa, sizeof(sa)), "connect: %s", strerror(errno));
	return fd;
}

static int accepted(int listener)
{
	int fd = accept(listener, NULL, NULL);

	must(fd >= 0, "accept: %s", strerror(errno));
	return fd;
}

/* --- accept: one listener for all; each CPU takes whichever connection comes ------ */

static void accept_setup(void)
{
	int fd = listener_new(PORT, 1024);

	for (int i = 0; i < cpus; i++)
		worker[i].listener = fd;
}

static void accept_round(struct worker *w)
{
	int client = connected(PORT), server = accepted(w->listener);

	close(client);
	close(server);
}

/* --- openclose: a listener for each CPU --------------------------------------------- */

static void openclose_setup(void)
{
	for (int i = 0; i < cpus; i++)
		worker[i].listener = listener_new(PORT + i, 1024);
}

static void openclose_round(struct worker *w)
{
	int client = connected(PORT + w->cpu), server = accepted(w->listener);

	close(client);
	close(server);
}

/* --- rr: a client on each CPU, whose server is on the next one ------------------------ */

static void rr_setup(void)
{
	int listener = listener_new(PORT, 128);

	for (int i = 0; i < cpus; i++) {
		worker[i].fd[CLIENT] = connected(PORT);
		worker[i].fd[SERVER] = accepted(listener);
	}
	close(listener);
}

static void message_pass(int fd, bool sends)
{
	char message[REQUEST_BYTES] = "";
	ssize_t n = sends ? send(fd, message, sizeof(message), 0) :
			    recv(fd, message, sizeof(message), MSG_WAITALL);

	must(n == sizeof(message), "%s: %s", sends ? "send" : "recv", strerror(errno));
}

static void rr_round(struct worker *w)
{
	message_pass(w->fd[CLIENT], true);
	message_pass(w->fd[CLIENT], false);
}

static void rr_serve(struct worker *w)
{
	for (;;) {
		message_pass(w->fd[SERVER], false);
		message_pass(w->fd[SERVER], true);
	}
}

/* --- SYNs of a flood, to one listener --------------------------------------------------- */

static struct ipaddr flood_network(int cpu)
{
	char text[32];

	snprintf(text, sizeof(text), "%d.0.0.0", 20 + cpu);
	return ipaddr(text);
}

static void flood_setup_with(int cookies)
{
	struct ipaddr here = ipaddr("10.7.0.1");
	char device[16];

	must(!sysctl_write("/proc/sys/net/core/somaxconn", "4194304"), "somaxconn");
	must(!knob_set("max_syn_backlog", LIMITLESS), "max_syn_backlog");
	must(!knob_set("syncookies", cookies), "syncookies");
	for (int i = 0; i < cpus; i++) {
		struct ipaddr net = flood_network(i);

		snprintf(device, sizeof(device), "tun%d", i);
		worker[i].tun = tun_new(HERE, device);
		if (!i)
			address_add(HERE, device, &here, 24);
		route_add(HERE, &net, 8, NULL, device);
	}
	listener_new(PORT, LIMITLESS);
}

static void halfopen_setup(void)
{
	flood_setup_with(0);
}

static void cookie_setup(void)
{
	flood_setup_with(2);
}

static void flood_round(struct worker *w)
{
	uint8_t packet[256], answer[256];
	uint32_t n = w->count++;
	struct segment_spec s = SEGMENT_SPEC(
		.src = flood_network(w->cpu), .dst = ipaddr("10.7.0.1"),
		.sport = 1024 + n % 60000, .dport = PORT, .proto = stream_wire(),
		.flags = SYN, .seq = n * 1000003u, .wnd = 64240);
	int len, answers = 0;

	s.src.v4.s_addr |= htonl(n * 2654435761u & 0xffffff);
	s.opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(n, 0), OPT_NOP, OPT_WSCALE(7));
	len = segment_build(&s, packet);
	must(write(w->tun, packet, len) == len, "write: %s", strerror(errno));
	if (n % ANSWERS_TAKEN)
		return;
	while (read(w->tun, answer, sizeof(answer)) > 0)
		answers++;
	must(!n || answers >= ANSWERS_TAKEN, "%d answers", answers);
}

/* --- /proc/lock_stat -------------------------------------------------------------------- */

static void lockstat_start(void)
{
	file_write_at(HERE, "/proc/lock_stat", "0");
	file_write_at(HERE, "/proc/sys/kernel/lock_stat", "1");
}

static void lockstat_stop(void)
{
	file_write_at(HERE, "/proc/sys/kernel/lock_stat", "0");
}

/*
 * A class: "NAME: con-bounces contentions (four times) acq-bounces acquisitions ...". Below
 * it, places that waited, a line of dashes, and those that held the lock meanwhile:
 * "NAME times [<address>] function". Only the first ones count.
 */
static void lockstat_print(void)
{
	static char line[1024];
	FILE *f = fopen("/proc/lock_stat", "r");
	unsigned long contentions, acquisitions, times;
	char name[128] = "", function[128];
	int dashes = 0;

	must(f, "/proc/lock_stat: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		char *colon = strrchr(line, ':'), *at = strstr(line, "[<");

		must(!strstr(line, "WARNING"), "lockdep is off: %s", line);
		if (colon && sscanf(colon, ": %*u %lu %*s %*s %*s %*s %*u %lu",
				    &contentions, &acquisitions) == 2) {
			*colon = 0;
			snprintf(name, sizeof(name), "%s", line + strspn(line, " "));
			dashes = 0;
			if (contentions || acquisitions)
				printf("@@ class\t%s\t%lu\t%lu\n", name, contentions,
				       acquisitions);
		} else if (at && dashes == 1) {
			char *number = at;

			while (number > line && strchr(" \t", number[-1]))
				number--;
			while (number > line && !strchr(" \t", number[-1]))
				number--;
			if (sscanf(number, "%lu [<%*[^>]>] %127s", &times, function) == 2)
				printf("@@ place\t%s\t%lu\t%s\n", name, times, function);
		} else if (strchr(line, '-') && !line[strspn(line, " -\n")]) {
			dashes++;
		}
	}
	fclose(f);
}

/* --- all CPUs at once ------------------------------------------------------------------- */

static void cpu_choose(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(!sched_setaffinity(0, sizeof(set), &set), "no CPU %d", cpu);
}

static void worker_run(struct worker *w)
{
	cpu_choose(w->cpu);
	for (int i = 0; i < WARM_UP; i++)
		operation->round(w);
	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	for (int i = 0; i < rounds; i++)
		operation->round(w);
	pthread_barrier_wait(barrier);
	/* The counting ends before sockets are closed by exit(). */
	pause();
}

static pid_t start(void (*run)(struct worker *w), struct worker *w)
{
	pid_t pid = fork();

	must(pid >= 0, "fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run(w);
	_exit(0);
}

static void server_run(struct worker *w)
{
	cpu_choose((w->cpu + 1) % cpus);
	operation->serve(w);
}

/* A process that fails would leave the others at the barrier. */
static void worker_died(int number)
{
	(void)number;
	_exit(1);
}

static void measure(void)
{
	pthread_barrierattr_t attr;

	barrier = mmap(NULL, sizeof(*barrier), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	must(barrier != MAP_FAILED, "no shared memory");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(barrier, &attr, cpus + 1);
	signal(SIGCHLD, worker_died);
	for (int i = 0; i < cpus; i++) {
		if (operation->serve)
			start(server_run, &worker[i]);
		worker[i].pid = start(worker_run, &worker[i]);
	}
	pthread_barrier_wait(barrier);
	sleep_ms(SETTLE_MS);
	lockstat_start();
	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	lockstat_stop();
	lockstat_print();
	/* The others die with this one. */
}

int main(int argc, char **argv)
{
	static const struct operation operations[] = {
		{ "accept", accept_setup, accept_round, NULL },
		{ "halfopen", halfopen_setup, flood_round, NULL },
		{ "cookie", cookie_setup, flood_round, NULL },
		{ "openclose", openclose_setup, openclose_round, NULL },
		{ "rr", rr_setup, rr_round, rr_serve },
	};

	must(argc == 4, "OPERATION CPUS NUMBER");
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (!strcmp(operations[i].name, argv[1]))
			operation = &operations[i];
	cpus = atoi(argv[2]);
	must(operation && cpus > 0 && cpus <= CPUS_MAX, "OPERATION CPUS NUMBER");
	rounds = atoi(argv[3]) / cpus;
	for (int i = 0; i < cpus; i++)
		worker[i].cpu = i;
	netns_new(HERE);
	operation->setup();
	measure();
	return 0;
}
