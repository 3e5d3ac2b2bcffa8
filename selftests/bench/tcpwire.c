// SPDX-License-Identifier: GPL-2.0
/*
 * tcpwire: the cost of the TCP wire: two ends of xtcp, or one of xtcp and one of the
 * kernel's TCP, compared with two of the kernel's; and the cost that the hook adds to
 * the kernel's own traffic while xtcp holds a port.
 */
/* vm: append=slab_nomerge */
#include "lib/due.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "lib/module.h"
#include "lib/proc.h"
#include "lib/stream.h"

#define PORT 5000
/* Listeners of xtcp beside a connection of the kernel's TCP. */
#define USED_PORT 5001
#define FLOODED_PORT 5002
/* As in connection.c. */
#define ROUNDS 250
/* Records in TIME-WAIT, which all end within a window of due.h; idle connections. */
#define KEPT 250
#define KEPT_LIFE_MS 10000
#define HELD 2000
#define SETTLE_MS 2000
#define BULK_TOTAL (4 << 20)
#define BULK_FLIGHT 65536

struct site {
	struct pair pair;
	struct sockaddr_storage to;
	socklen_t to_len;
	bool ours[2];			/* by side; of the xtcp column */
	int listener;
	int fd[2];
	char *data;
};

static int site_socket(struct site *s, enum side side)
{
	bool ours = s->ours[side] && !bench_is_stock();
	int fd = socket(AF_INET, SOCK_STREAM, ours ? IPPROTO_XTCP : IPPROTO_TCP);

	must(fd >= 0, "socket: %s", strerror(errno));
	if (ours)
		must(!setsockopt(fd, IPPROTO_XTCP, XTCP_WIRE, &(int){ XTCP_WIRE_TCP },
				 sizeof(int)), "XTCP_WIRE: %s", strerror(errno));
	return fd;
}

static void site_open(struct site *s, bool client_ours, bool server_ours)
{
	*s = (struct site){ .ours = { [CLIENT] = client_ours, [SERVER] = server_ours } };
	pair_open_at(HERE, &s->pair, NULL);
	s->to_len = ipaddr_sockaddr(&s->pair.addr[SERVER], PORT, &s->to);
	netns_enter(HERE, s->pair.ns[SERVER]);
	s->listener = site_socket(s, SERVER);
	must(!bind(s->listener, (void *)&s->to, s->to_len) && !listen(s->listener, 128),
	     "listener: %s", strerror(errno));
	netns_enter(HERE, s->pair.ns[CLIENT]);
}

static void site_connect(struct site *s)
{
	s->fd[CLIENT] = site_socket(s, CLIENT);
	must(!connect(s->fd[CLIENT], (void *)&s->to, s->to_len), "connect: %s",
	     strerror(errno));
	s->fd[SERVER] = accept(s->listener, NULL, NULL);
	must(s->fd[SERVER] >= 0, "accept: %s", strerror(errno));
}

static void round_trip(void *arg)
{
	struct site *s = arg;

	bench_byte(s->fd[CLIENT], s->fd[SERVER]);
	bench_byte(s->fd[SERVER], s->fd[CLIENT]);
}

static void request(void *arg)
{
	struct site *s = arg;

	site_connect(s);
	round_trip(s);
	close(s->fd[CLIENT]);
	close(s->fd[SERVER]);
}

static void open_close_client(void *arg)
{
	struct site *s = arg;

	site_connect(s);
	close(s->fd[CLIENT]);
	close(s->fd[SERVER]);
}

static void open_close_server(void *arg)
{
	struct site *s = arg;

	site_connect(s);
	close(s->fd[SERVER]);
	close(s->fd[CLIENT]);
}

static void open_reset(void *arg)
{
	struct site *s = arg;

	site_connect(s);
	must(!setsockopt(s->fd[CLIENT], SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
			 sizeof(struct linger)), "SO_LINGER: %s", strerror(errno));
	close(s->fd[CLIENT]);
	close(s->fd[SERVER]);
}

static void round_trip_of(struct site *s)
{
	site_connect(s);
	round_trip(s);
}

static void bulk_flight(void *arg)
{
	struct site *s = arg;

	bench_flight(s->fd[CLIENT], s->fd[SERVER], s->data, BULK_FLIGHT, BULK_FLIGHT, BULK_FLIGHT);
}

static void measure_rr(const char *row, bool client_ours, bool server_ours)
{
	struct site s;

	site_open(&s, client_ours, server_ours);
	site_connect(&s);
	bench_value(row, bench_cost(round_trip, &s, 1000));
}

static void measure_short(const char *row, void (*round)(void *arg), bool client_ours,
			  bool server_ours)
{
	struct site s;

	site_open(&s, client_ours, server_ours);
	bench_value(row, bench_cost(round, &s, ROUNDS));
}

static void measure_bulk(const char *row, bool client_ours, bool server_ours)
{
	struct site s;

	site_open(&s, client_ours, server_ours);
	s.data = calloc(1, BULK_FLIGHT);
	site_connect(&s);
	bench_profile_parts(BULK_FLIGHT / 1024);
	bench_value(row, bench_cost(bulk_flight, &s, BULK_TOTAL / BULK_FLIGHT) /
			 (BULK_FLIGHT / 1024));
}

static void step_rr(void)
{
	measure_rr("rr", true, true);
}

static void step_rr_to_stock(void)
{
	measure_rr("rr_to_stock", true, false);
}

static void step_rr_from_stock(void)
{
	measure_rr("rr_from_stock", false, true);
}

static void step_crr(void)
{
	measure_short("crr", request, true, true);
}

static void step_crr_to_stock(void)
{
	measure_short("crr_to_stock", request, true, false);
}

static void step_crr_from_stock(void)
{
	measure_short("crr_from_stock", request, false, true);
}

static void step_open_close(void)
{
	measure_short("open_close", open_close_client, true, true);
}

static void step_open_close_to_stock(void)
{
	measure_short("open_close_to_stock", open_close_client, true, false);
}

static void step_open_close_from_stock(void)
{
	measure_short("open_close_from_stock", open_close_client, false, true);
}

static void step_open_close_server(void)
{
	measure_short("open_close_server", open_close_server, true, true);
}

static void step_open_reset(void)
{
	measure_short("open_reset", open_reset, true, true);
}

static void step_bulk(void)
{
	measure_bulk("bulk", true, true);
}

static void step_bulk_to_stock(void)
{
	measure_bulk("bulk_to_stock", true, false);
}

static void step_bulk_from_stock(void)
{
	measure_bulk("bulk_from_stock", false, true);
}

/* An xtcp socket listens in each namespace. Nobody has connected to one yet. */
static void hook_listen(struct site *s)
{
	s->ours[CLIENT] = s->ours[SERVER] = true;
	for (enum side side = CLIENT; side <= SERVER; side++) {
		netns_enter(HERE, s->pair.ns[side]);
		must(!listen(site_socket(s, side), 1), "listen: %s", strerror(errno));
	}
	netns_enter(HERE, s->pair.ns[CLIENT]);
}

/* A connection of xtcp, at whose SYN both namespaces register their hooks before routing. */
static void hook_use(struct site *s)
{
	struct site used = *s;

	used.to_len = ipaddr_sockaddr(&s->pair.addr[SERVER], USED_PORT, &used.to);
	netns_enter(HERE, s->pair.ns[SERVER]);
	used.listener = site_socket(&used, SERVER);
	must(!bind(used.listener, (void *)&used.to, used.to_len) && !listen(used.listener, 8),
	     "listener: %s", strerror(errno));
	netns_enter(HERE, s->pair.ns[CLIENT]);
	open_close_client(&used);
	/* The server's is registered by a work item. */
	sleep_ms(SETTLE_MS);
}

/* SYNs for a listener of xtcp whose queue is full: the server registers the third hook. */
static void hook_flood(struct site *s)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&s->pair.addr[SERVER], FLOODED_PORT, &sa);
	struct counters counters;
	int fd;

	netns_enter(HERE, s->pair.ns[SERVER]);
	must(!knob_set("syncookies", 0), "syncookies");
	fd = site_socket(s, SERVER);
	must(!bind(fd, (void *)&sa, len) && !listen(fd, 8), "listener: %s", strerror(errno));
	netns_enter(HERE, s->pair.ns[CLIENT]);
	shell_run(HERE, "hping3 -q -S -a 10.0.0.77 -p 5002 -i u500 -c 1000 10.0.0.2 "
			">/dev/null 2>&1; true");
	netns_enter(HERE, s->pair.ns[SERVER]);
	counters_take(&counters);
	must(counter_get(&counters, "XtcpSynEarlyDrop") > 0, "the third hook is not there");
	netns_enter(HERE, s->pair.ns[CLIENT]);
	/* The half-open records have ended. */
	sleep_ms(70000);
}

/* Both ends are the kernel's TCP. In the xtcp column xtcp has been used as @uses says. */
static void measure_hook(const char *row, int uses)
{
	struct site s;

	site_open(&s, false, false);
	if (!bench_is_stock()) {
		hook_listen(&s);
		if (uses > 0)
			hook_use(&s);
		if (uses > 1)
			hook_flood(&s);
		s.ours[CLIENT] = s.ours[SERVER] = false;
	}
	site_connect(&s);
	bench_value(row, bench_cost(round_trip, &s, 1000));
}

static void step_hook(void)
{
	measure_hook("hook", 1);
}

static void step_hook_unused(void)
{
	measure_hook("hook_unused", 0);
}

static void step_hook_flooded(void)
{
	measure_hook("hook_flooded", 2);
}

static double slabs(const char *const cache[], int n)
{
	double bytes = 0;

	for (int i = 0; i < n; i++)
		bytes += (double)cache_objects(cache[i]) * cache_object_size(cache[i]);
	return bytes;
}

/* Records of a client, and what they keep: ports, also in the kernel's bind table. */
static double kept_memory(void)
{
	static const char *const common[] = { "tcp_bind_bucket", "tcp_bind2_bucket" };
	static const char *const stock[] = { "tw_sock_TCP" };
	static const char *const ours[] = { "xtcp_timewait", "xtcp_large_port", "xtcp_shadow" };

	return slabs(common, 2) + (bench_is_stock() ? slabs(stock, 1) : slabs(ours, 3));
}

/* Records of a client, each of which holds a local port of its own, and their end. */
static void step_kept(void)
{
	int64_t first, due;
	struct site s;
	double before;

	site_open(&s, true, true);
	if (!bench_is_stock())
		must(!knob_set("tw_timeout", KEPT_LIFE_MS / 1000), "tw_timeout");
	before = kept_memory();
	first = now_ns();
	for (int i = 0; i < KEPT; i++)
		open_close_client(&s);
	due = now_ns() + KEPT_LIFE_MS * NSEC_PER_MSEC;
	must(due - first < (KEPT_LIFE_MS + DUE_WINDOW_MS / 2) * NSEC_PER_MSEC, "too slow");
	/* Sockets are freed a grace period later, with some of what they hold. */
	sleep_ms(SETTLE_MS);
	must(proc_rows(AF_INET, ROW_TIME_WAIT) == KEPT, "%d records",
	     proc_rows(AF_INET, ROW_TIME_WAIT));
	bench_value("kept.all", (kept_memory() - before) / KEPT);
	/* Timers of the kernel's TCP are late by up to an eighth of the time. */
	if (!bench_is_stock())
		bench_value_xtcp("kept.end", due_cost(first + KEPT_LIFE_MS * NSEC_PER_MSEC, KEPT));
}

/* Records of a server that closes first: all have its port. */
static void step_kept_server(void)
{
	struct site s;
	double before;

	site_open(&s, true, true);
	open_close_server(&s);
	sleep_ms(SETTLE_MS);
	before = kept_memory();
	for (int i = 0; i < KEPT; i++)
		open_close_server(&s);
	sleep_ms(SETTLE_MS);
	netns_enter(HERE, s.pair.ns[SERVER]);
	must(proc_rows(AF_INET, ROW_TIME_WAIT) == KEPT + 1, "%d records",
	     proc_rows(AF_INET, ROW_TIME_WAIT));
	bench_value("kept_server.all", (kept_memory() - before) / KEPT);
}

/* What an established connection and a listener need, files included. */
static void step_memory(void)
{
	struct site s;
	double before;

	site_open(&s, true, true);
	round_trip_of(&s);
	before = memory_used();
	for (int i = 0; i < HELD; i++)
		round_trip_of(&s);
	sleep_ms(SETTLE_MS);
	bench_value("memory.pair", (memory_used() - before) / HELD);
	before = memory_used();
	for (int i = 0; i < HELD; i++)
		must(!listen(site_socket(&s, CLIENT), 1), "listen: %s", strerror(errno));
	sleep_ms(SETTLE_MS);
	bench_value("memory.listener", (memory_used() - before) / HELD);
}

static const struct bench_step steps[] = {
	{ "rr", step_rr },
	{ "rr_to_stock", step_rr_to_stock },
	{ "rr_from_stock", step_rr_from_stock },
	{ "open_close", step_open_close },
	{ "open_close_server", step_open_close_server },
	{ "open_close_to_stock", step_open_close_to_stock },
	{ "open_close_from_stock", step_open_close_from_stock },
	{ "open_reset", step_open_reset },
	{ "crr", step_crr },
	{ "crr_to_stock", step_crr_to_stock },
	{ "crr_from_stock", step_crr_from_stock },
	{ "bulk", step_bulk },
	{ "bulk_to_stock", step_bulk_to_stock },
	{ "bulk_from_stock", step_bulk_from_stock },
	{ "hook", step_hook },
	{ "hook_unused", step_hook_unused },
	{ "hook_flooded", step_hook_flooded },
	{ "kept", step_kept },
	{ "kept_server", step_kept_server },
	{ "memory", step_memory },
};

static const struct bench_row rows[] = {
	{ "rr", "1 byte and back, TCP wire, both ends ours", "instructions" },
	{ "rr_to_stock", "the same, our client and stock's server", "instructions" },
	{ "rr_from_stock", "the same, stock's client and our server", "instructions" },
	{ "open_close", "connect, accept, close; the client first", "instructions", "0.75" },
	{ "open_close_server", "connect, accept, close; the server first", "instructions",
	  "0.75" },
	{ "open_close_to_stock", "our client, stock's server", "instructions" },
	{ "open_close_from_stock", "stock's client, our server", "instructions" },
	{ "open_reset", "connect, accept, RST", "instructions", "0.75" },
	{ "crr", "connect, 1 byte and back, close, both ours", "instructions", "0.85" },
	{ "crr_to_stock", "the same, our client and stock's server", "instructions" },
	{ "crr_from_stock", "the same, stock's client and our server", "instructions" },
	{ "bulk", "bulk over veth, TCP wire, both ends ours", "a KiB" },
	{ "bulk_to_stock", "the same, our client and stock's server", "a KiB" },
	{ "bulk_from_stock", "the same, stock's client and our server", "a KiB" },
	{ "hook", "stock's round trip beside used ports of ours", "instructions", "1.02" },
	{ "hook_unused", "the same, nobody has connected to ours", "instructions", "1.02" },
	{ "hook_flooded", "the same, after a flood of the server's", "instructions" },
	{ "kept.all", "a record in TIME-WAIT and all it keeps", "bytes", "=200" },
	{ "kept.end", "its end", "instructions", NULL },
	{ "kept_server.all", "a record of the server, if it closes first", "bytes" },
	{ "memory.pair", "an idle connection, both ends", "bytes", "=6100" },
	{ "memory.listener", "a listener", "bytes", "=3000" },
};

BENCH_MAIN("tcpwire", steps, rows)
