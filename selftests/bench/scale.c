// SPDX-License-Identifier: GPL-2.0
/*
 * scale: connections amid many others, and with few ports left. Both ends are in one
 * thread. Rows whose names end in _6, or have _6 before the dot, are of the TCP wire.
 */
/* vm: mem=4G timeout=5000 */
#include "lib/bench.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define PORT 5000
#define BACKLOG 128
/* Of the server, for the crowd. */
#define ADDRESSES 100
/* Connections that stay open, or XTCP_BENCH_MANY. */
#define CROWD 100000
/* The value of fs.nr_open unless it was changed. */
#define FILES_USUAL (1 << 20)
/* As in connection.c. */
#define ROUNDS 250
/* The ports of the client, where they are few. */
#define PORT_FIRST 20000
#define PORTS 4000
#define FAILED_ROUNDS 50
/* Connections in a row; a port may be reused a second after it was closed. */
#define REUSED 12000
#define REUSE_BURST 1000
#define REUSE_MS 2000

struct field {
	int wire;
	bool kernels;			/* sockets are of the kernel's TCP on both sides */
	int ns[2];
	struct ipaddr server;
	int listener;
	uint32_t next;			/* of the server's addresses */
	uint32_t addresses;		/* 0: only @server */
	int crowd;			/* connections that stay open */
};

static int field_socket(const struct field *f)
{
	int fd = socket(AF_INET, SOCK_STREAM, f->kernels ? IPPROTO_TCP : bench_proto());

	must(fd >= 0, "socket: %s", strerror(errno));
	return fd;
}

/* New sockets of the namespace are on the field's wire. */
static void field_set_wire(const struct field *f)
{
	if (!bench_is_stock())
		must(!knob_set("wire", f->wire), "wire");
}

static struct ipaddr field_address(struct field *f)
{
	uint32_t n = f->next++ % (f->addresses ?: 1) + 1;
	char text[32];

	if (!f->addresses)
		return f->server;
	snprintf(text, sizeof(text), "10.9.%u.%u", n >> 8, n & 255);
	return ipaddr(text);
}

static void field_listen(struct field *f)
{
	struct ipaddr any = ipaddr("0.0.0.0");
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&any, PORT, &sa);

	netns_enter(HERE, f->ns[SERVER]);
	field_set_wire(f);
	f->listener = field_socket(f);
	must(!bind(f->listener, (void *)&sa, len) && !listen(f->listener, BACKLOG),
	     "listener: %s", strerror(errno));
	netns_enter(HERE, f->ns[CLIENT]);
	field_set_wire(f);
}

/* Two namespaces; all of 10.9.0.0/16 is the server. */
static void field_open(struct field *f, int wire, bool kernels)
{
	struct ipaddr first = ipaddr("10.9.0.1"), all = ipaddr("10.9.0.0");
	struct pair pair;

	*f = (struct field){ .wire = wire, .kernels = kernels };
	pair_open_at(HERE, &pair, NULL);
	memcpy(f->ns, pair.ns, sizeof(f->ns));
	f->server = pair.addr[SERVER];
	netns_enter(HERE, f->ns[SERVER]);
	address_add(HERE, "lo", &first, 16);
	field_listen(f);
	route_add(HERE, &all, 16, &f->server, "veth0");
}

static void field_open_loopback(struct field *f, int wire)
{
	*f = (struct field){ .wire = wire, .server = ipaddr("127.0.0.1") };
	f->ns[CLIENT] = netns_new(HERE);
	f->ns[SERVER] = f->ns[CLIENT];
	field_listen(f);
}

/* Returns 0 or the errno of connect(). */
static int field_connect(struct field *f, int fd[2])
{
	struct ipaddr to = field_address(f);
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&to, PORT, &sa);

	fd[CLIENT] = field_socket(f);
	if (connect(fd[CLIENT], (void *)&sa, len)) {
		close(fd[CLIENT]);
		return errno;
	}
	fd[SERVER] = accept(f->listener, NULL, NULL);
	must(fd[SERVER] >= 0, "accept: %s", strerror(errno));
	return 0;
}

/* --- amid established connections ------------------------------------------ */

/* A connection that leaves nothing: it ends with a RST. */
static void open_and_reset(void *arg)
{
	struct linger linger = { .l_onoff = 1 };
	int fd[2], err = field_connect(arg, fd);

	must(!err, "connect: %s", strerror(err));
	must(!setsockopt(fd[CLIENT], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
	     "SO_LINGER: %s", strerror(errno));
	close(fd[CLIENT]);
	close(fd[SERVER]);
}

/* fs.nr_open is the most that RLIMIT_NOFILE may be. */
static void files_allow(rlim_t many)
{
	struct rlimit limit = { many, many };
	char text[32];

	if (many > FILES_USUAL) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)many);
		must(!sysctl_write("/proc/sys/fs/nr_open", text), "fs.nr_open");
	}
	must(!setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE: %s", strerror(errno));
}

static void crowd_grow(struct field *f, int many)
{
	int fd[2], err;

	for (; f->crowd < many; f->crowd++) {
		err = field_connect(f, fd);
		must(!err, "connect: %s, the %dth", strerror(err), f->crowd);
	}
}

/* A byte each way on the connection @arg. */
static void round_trip(void *arg)
{
	const int *fd = arg;
	char byte = 'x';

	must(send(fd[CLIENT], &byte, 1, 0) == 1 && recv(fd[SERVER], &byte, 1, 0) == 1 &&
	     send(fd[SERVER], &byte, 1, 0) == 1 && recv(fd[CLIENT], &byte, 1, 0) == 1,
	     "round trip: %s", strerror(errno));
}

static void amid_value(const char *row, const char *what, double value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%s", row, what);
	bench_value(name, value);
}

static void amid_measure(const char *row, int wire)
{
	const int many = bench_many(CROWD);
	const int crowd[] = { 100, many < 10000 ? many : 10000, many };
	static const char *const opens[] = { "at_100", "at_10000", "at_many" };
	double cost[3], trip[3];
	struct field f;
	int fd[2];

	files_allow(2 * many + 1024);
	field_open(&f, wire, false);
	f.addresses = ADDRESSES;
	must(!field_connect(&f, fd), "connect: %s", strerror(errno));
	for (int i = 0; i < 3; i++) {
		crowd_grow(&f, crowd[i]);
		bench_profile_off(i != 2);
		cost[i] = bench_cost(open_and_reset, &f, ROUNDS);
		bench_profile_off(true);
		trip[i] = bench_cost(round_trip, fd, ROUNDS);
		amid_value(row, opens[i], cost[i]);
	}
	amid_value(row, "flat", cost[2] / cost[0]);
	amid_value(row, "rr_many", trip[2]);
	amid_value(row, "rr_flat", trip[2] / trip[0]);
}

/* --- few ports ------------------------------------------------------------- */

static void ports_limit(void)
{
	char range[32];

	snprintf(range, sizeof(range), "%d %d", PORT_FIRST, PORT_FIRST + PORTS - 1);
	must(!sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", range), "port range");
}

/* The client closes first and keeps its port in TIME-WAIT. */
static int open_and_close(struct field *f)
{
	int fd[2], err = field_connect(f, fd);

	if (err)
		return err;
	close(fd[CLIENT]);
	close(fd[SERVER]);
	return 0;
}

static void connect_in_vain(void *arg)
{
	int err = open_and_close(arg);

	must(err == EADDRNOTAVAIL, "connect: %s", strerror(err));
}

/* @kernels: the records are those of the kernel's TCP. */
static void exhausted_measure(const char *row, int wire, bool kernels)
{
	struct field f;

	field_open(&f, wire, kernels);
	ports_limit();
	must(!knob_set("tw_reuse", 0), "tw_reuse");
	for (int i = 0; i < PORTS; i++)
		must(!open_and_close(&f), "no port, after %d connections", i);
	f.kernels = false;
	bench_value(row, bench_cost(connect_in_vain, &f, FAILED_ROUNDS));
}

static void reuse_measure(const char *row, int wire, int mode)
{
	int64_t cost = 0;
	struct field f;

	if (mode == 2)
		field_open_loopback(&f, wire);
	else
		field_open(&f, wire, false);
	ports_limit();
	must(!knob_set("tw_reuse", mode), "tw_reuse");
	for (int n = 0; n < REUSED; n += REUSE_BURST) {
		bool last = n == REUSED - REUSE_BURST;

		if (last)
			bench_profile_begin();
		cost -= now_ns();
		for (int i = n; i < n + REUSE_BURST; i++)
			must(!open_and_close(&f), "no port, after %d connections", i);
		cost += now_ns();
		if (last)
			bench_profile_end(REUSE_BURST);
		sleep_ms(REUSE_MS);
	}
	bench_value(row, (double)cost / REUSED);
}

/* --- the table ------------------------------------------------------------- */

#define STEPS(name, call, ...) \
	static void step_##name(void) \
	{ \
		call(#name, XTCP_WIRE_NATIVE, ##__VA_ARGS__); \
	} \
	static void step_##name##_6(void) \
	{ \
		call(#name "_6", XTCP_WIRE_TCP, ##__VA_ARGS__); \
	}

#define STEP(name) { #name, step_##name }, { #name "_6", step_##name##_6 }

#define ROW(name, what, goal) \
	{ #name, what, "instr", goal }, { #name "_6", what ", TCP wire", "instr", goal }

#define AMID_ROWS(name, wire) \
	{ name ".at_100", "open, reset, amid 100" wire, "instr", NULL }, \
	{ name ".at_10000", "the same amid 10,000" wire, "instr", NULL }, \
	{ name ".at_many", "the same amid the most" wire, "instr", NULL }, \
	{ name ".flat", "that by amid 100" wire, "ratio", "=1.05" }, \
	{ name ".rr_many", "a round trip amid the most" wire, "instr", NULL }, \
	{ name ".rr_flat", "that by amid 100" wire, "ratio", "=1.05" }

STEPS(amid, amid_measure)
STEPS(exhausted, exhausted_measure, false)
STEPS(reuse, reuse_measure, 1)
STEPS(reuse_lo, reuse_measure, 2)

static void step_held_6(void)
{
	exhausted_measure("held_6", XTCP_WIRE_TCP, true);
}

static const struct bench_step steps[] = {
	STEP(amid), STEP(exhausted), { "held_6", step_held_6 }, STEP(reuse), STEP(reuse_lo),
};

static const struct bench_row rows[] = {
	AMID_ROWS("amid", ""), AMID_ROWS("amid_6", ", TCP wire"),
	ROW(exhausted, "connect() without a free port, of 4,000", "0.5"),
	{ "held_6", "the same, records of the kernel's TCP", "instr", NULL },
	ROW(reuse, "12,000 on 4,000 ports, tw_reuse 1", "0.7"),
	ROW(reuse_lo, "the same on loopback, tw_reuse 2", "0.7"),
};

BENCH_MAIN("scale", steps, rows)
