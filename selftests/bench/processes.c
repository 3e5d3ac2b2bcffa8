// SPDX-License-Identifier: GPL-2.0
/*
 * processes: the cost of transfers between programs. Each end is a process that
 * blocks and is woken, so wake-ups, task switches and the ACKs of a fast reader are
 * counted, unlike in transfer.c, where one thread has both ends. Rows whose names
 * end in _6 are of the TCP wire.
 *
 * Time in which neither process runs is idle: the emulator's clock jumps over it.
 * Rows named .idle give its share of a bulk transfer.
 */
#include "lib/bench.h"

#include <linux/ethtool.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define PORT 5000
#define KIB 1024
#define READ_SIZE 65536
/* The bytes that a round of a bulk transfer reads, and the rounds of a batch. */
#define BULK_ROUND (1 << 20)
#define BULK_ROUNDS 16
/* To fill the window before anything is measured, and to measure idle time. */
#define BULK_IDLE_ROUNDS 64
#define RR_ROUNDS 1000
#define REQUEST_MAX 1024
/* As in connection.c. */
#define VISIT_ROUNDS 250

enum path { VETH, PLAIN, BARE, LOOPBACK };

struct ends {
	int mine, other;
	pid_t pid;			/* the other's process */
	size_t size;			/* of a write, or of a request and its answer */
	char *data;
};

static int ends_socket(int wire)
{
	int fd = socket(AF_INET, SOCK_STREAM, bench_proto());

	must(fd >= 0, "socket: %s", strerror(errno));
	if (!bench_is_stock())
		must(!setsockopt(fd, IPPROTO_XTCP, XTCP_WIRE, &wire, sizeof(wire)),
		     "XTCP_WIRE: %s", strerror(errno));
	return fd;
}

/* The two namespaces of a path, and the server's address. */
static struct ipaddr path_open(enum path path, int ns[2])
{
	struct pair pair;

	if (path == LOOPBACK) {
		ns[CLIENT] = netns_new(HERE);
		ns[SERVER] = ns[CLIENT];
		return ipaddr("127.0.0.1");
	}
	pair_open_at(HERE, &pair, NULL);
	for (enum side s = CLIENT; s <= SERVER; s++) {
		ns[s] = pair.ns[s];
		if (path == VETH)
			continue;
		netns_enter(HERE, ns[s]);
		link_set_offload(HERE, pair_device[s], ETHTOOL_STSO, false);
		link_set_offload(HERE, pair_device[s], ETHTOOL_SGSO, false);
		link_set_offload(HERE, pair_device[s], ETHTOOL_SGRO, false);
		if (path == BARE)
			link_set_offload(HERE, pair_device[s], ETHTOOL_STXCSUM, false);
	}
	return pair.addr[SERVER];
}

/* Returns the listener, whose address is in *to. This process is in the client's namespace. */
static int ends_listen(enum path path, int wire, struct sockaddr_storage *to, socklen_t *to_len)
{
	struct ipaddr addr;
	int ns[2], listener;

	addr = path_open(path, ns);
	*to_len = ipaddr_sockaddr(&addr, PORT, to);
	netns_enter(HERE, ns[SERVER]);
	listener = ends_socket(wire);
	must(!bind(listener, (void *)to, *to_len) && !listen(listener, 16),
	     "listener: %s", strerror(errno));
	netns_enter(HERE, ns[CLIENT]);
	return listener;
}

/* The client is `mine`, the accepted socket is `other`. */
static void ends_open(struct ends *e, enum path path, int wire)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int listener = ends_listen(path, wire, &sa, &len);

	e->mine = ends_socket(wire);
	must(!connect(e->mine, (void *)&sa, len), "connect: %s", strerror(errno));
	e->other = accept(listener, NULL, NULL);
	must(e->other >= 0, "accept: %s", strerror(errno));
	close(listener);
	e->data = calloc(1, READ_SIZE);
	must(e->data, "no memory");
}

/* Runs loop(e) in a process of its own, which ends with this one. */
static void other_start(struct ends *e, void (*loop)(struct ends *e))
{
	fflush(stdout);
	e->pid = fork();
	must(e->pid >= 0, "fork: %s", strerror(errno));
	if (!e->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		loop(e);
		_exit(0);
	}
}

/* --- bulk ---------------------------------------------------------------- */

static void write_forever(struct ends *e)
{
	while (send(e->other, e->data, e->size, 0) > 0)
		;
}

static void read_round(void *arg)
{
	struct ends *e = arg;
	ssize_t left = BULK_ROUND;

	while (left > 0) {
		ssize_t n = recv(e->mine, e->data, left < READ_SIZE ? left : READ_SIZE, 0);

		must(n > 0, "recv: %s", strerror(errno));
		left -= n;
	}
}

static int64_t cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	must(!clock_getcpuclockid(pid, &clock) && !clock_gettime(clock, &ts),
	     "no clock of process %d", pid);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Per cent of the time in which neither process ran. */
static double idle_share(struct ends *e)
{
	int64_t worked = cpu_ns(getpid()) + cpu_ns(e->pid), begin = now_ns();

	for (int i = 0; i < BULK_IDLE_ROUNDS; i++)
		read_round(e);
	begin = now_ns() - begin;
	worked = cpu_ns(getpid()) + cpu_ns(e->pid) - worked;
	return begin > worked ? 100. * (begin - worked) / begin : 0;
}

static void bulk_measure(const char *row, enum path path, int wire, size_t size)
{
	struct ends e = { .size = size };
	char idle[64];

	ends_open(&e, path, wire);
	other_start(&e, write_forever);
	for (int i = 0; i < BULK_IDLE_ROUNDS; i++)
		read_round(&e);
	bench_profile_parts(BULK_ROUND / KIB);
	bench_value(row, bench_cost(read_round, &e, BULK_ROUNDS) / (BULK_ROUND / KIB));
	snprintf(idle, sizeof(idle), "%s.idle", row);
	bench_value(idle, idle_share(&e));
	kill(e.pid, SIGKILL);
}

/* --- requests ------------------------------------------------------------ */

static void take(int fd, char *data, size_t size)
{
	must(recv(fd, data, size, MSG_WAITALL) == (ssize_t)size, "recv: %s", strerror(errno));
}

static void answer_forever(struct ends *e)
{
	for (;;) {
		take(e->other, e->data, e->size);
		if (send(e->other, e->data, e->size, 0) != (ssize_t)e->size)
			break;
	}
}

static void request(void *arg)
{
	struct ends *e = arg;

	must(send(e->mine, e->data, e->size, 0) == (ssize_t)e->size, "send: %s",
	     strerror(errno));
	take(e->mine, e->data, e->size);
}

/* Both ends in this process: the cost of a round trip without a task switch. */
static void request_alone(void *arg)
{
	struct ends *e = arg;

	must(send(e->mine, e->data, e->size, 0) == (ssize_t)e->size, "send: %s",
	     strerror(errno));
	take(e->other, e->data, e->size);
	must(send(e->other, e->data, e->size, 0) == (ssize_t)e->size, "send: %s",
	     strerror(errno));
	take(e->mine, e->data, e->size);
}

static void requests_measure(const char *row, int wire, size_t size, bool alone)
{
	struct ends e = { .size = size };

	ends_open(&e, VETH, wire);
	if (!alone)
		other_start(&e, answer_forever);
	bench_value(row, bench_cost(alone ? request_alone : request, &e, RR_ROUNDS));
	if (!alone)
		kill(e.pid, SIGKILL);
}

/* --- connections --------------------------------------------------------- */

struct visit {
	struct ends ends;		/* .other: the listener */
	int wire;
	struct sockaddr_storage to;
	socklen_t to_len;
};

/* Accepts one connection after the other, answers a byte, and closes behind the client. */
static void serve_forever(struct ends *e)
{
	char c;

	for (;;) {
		int fd = accept(e->other, NULL, NULL);

		must(fd >= 0, "accept: %s", strerror(errno));
		must(recv(fd, &c, 1, 0) == 1 && send(fd, &c, 1, 0) == 1, "the request");
		must(!recv(fd, &c, 1, 0), "the end");
		close(fd);
	}
}

static void visit(void *arg)
{
	struct visit *v = arg;
	char c = 'x';
	int fd;

	fd = ends_socket(v->wire);
	must(!connect(fd, (void *)&v->to, v->to_len), "connect: %s", strerror(errno));
	must(send(fd, &c, 1, 0) == 1 && recv(fd, &c, 1, 0) == 1, "the answer");
	close(fd);
}

static void visits_measure(const char *row, int wire)
{
	struct visit v = { .wire = wire };

	v.ends.other = ends_listen(VETH, wire, &v.to, &v.to_len);
	other_start(&v.ends, serve_forever);
	bench_value(row, bench_cost(visit, &v, VISIT_ROUNDS));
	kill(v.ends.pid, SIGKILL);
}

static void step_crr(void)
{
	visits_measure("crr", XTCP_WIRE_NATIVE);
}

static void step_crr_6(void)
{
	visits_measure("crr_6", XTCP_WIRE_TCP);
}

/* --- the table ----------------------------------------------------------- */

#define BULK_STEP(name, path, size) \
	static void step_##name(void) \
	{ \
		bulk_measure(#name, path, XTCP_WIRE_NATIVE, size); \
	} \
	static void step_##name##_6(void) \
	{ \
		bulk_measure(#name "_6", path, XTCP_WIRE_TCP, size); \
	}

#define REQUEST_STEP(name, size, alone) \
	static void step_##name(void) \
	{ \
		requests_measure(#name, XTCP_WIRE_NATIVE, size, alone); \
	} \
	static void step_##name##_6(void) \
	{ \
		requests_measure(#name "_6", XTCP_WIRE_TCP, size, alone); \
	}

#define STEP(name) { #name, step_##name }, { #name "_6", step_##name##_6 }

#define ROW(name, what, unit, goal) \
	{ #name, what, unit, goal }, { #name "_6", what ", TCP wire", unit, goal }

#define BULK_ROW(name, what, goal) \
	ROW(name, what, "instr", goal), \
	{ #name ".idle", "of that neither process ran", "%", NULL }, \
	{ #name "_6.idle", "of that neither process ran, TCP wire", "%", NULL }

BULK_STEP(bulk, VETH, 64 * KIB)
BULK_STEP(bulk_plain, PLAIN, 64 * KIB)
BULK_STEP(bulk_bare, BARE, 64 * KIB)
BULK_STEP(small, VETH, KIB)
BULK_STEP(small_lo, LOOPBACK, KIB)
REQUEST_STEP(rr, 1, false)
REQUEST_STEP(rr_1k, REQUEST_MAX, false)
REQUEST_STEP(alone_1k, REQUEST_MAX, true)

static const struct bench_step steps[] = {
	STEP(bulk), STEP(bulk_plain), STEP(bulk_bare), STEP(small), STEP(small_lo),
	STEP(rr), STEP(rr_1k), STEP(alone_1k), STEP(crr),
};

static const struct bench_row rows[] = {
	BULK_ROW(bulk, "a KiB in writes of 64 KiB, veth", "0.95"),
	BULK_ROW(bulk_plain, "the same without TSO, GSO, GRO", "0.95"),
	BULK_ROW(bulk_bare, "that without checksum offload, too", NULL),
	BULK_ROW(small, "a KiB in writes of 1 KiB, veth", "0.85"),
	BULK_ROW(small_lo, "a KiB in writes of 1 KiB, loopback", "0.85"),
	ROW(rr, "1 byte each way, veth", "instr", "0.75"),
	ROW(rr_1k, "1,024 bytes each way, veth", "instr", "0.75"),
	ROW(alone_1k, "the same in one thread", "instr", "0.75"),
	ROW(crr, "connect, 1 byte each way, close, veth", "instr", NULL),
};

BENCH_MAIN("processes", steps, rows)
