// SPDX-License-Identifier: GPL-2.0
/*
 * transfer: the cost of moving data, both ends together, in one thread: requests of
 * a byte on an open connection, and bulk, over veth between two namespaces and over
 * loopback in one.
 */
/* vm: families */
#include "lib/due.h"

#include <linux/ethtool.h>
#include <stdlib.h>
#include <sys/socket.h>

#define PORT 5000
/*
 * Requests are written and read in pieces of that size; read() returns what there is.
 */
#define BULK_TOTAL (4 << 20)
#define BULK_LARGE 65536
#define BULK_SMALL 1024
/* The bytes that are written before the other end reads: the buffers take them. */
#define BULK_FLIGHT 65536
#define READ_SIZE 65536
#define IDLE 500

struct ends {
	int client, server;
};

static void ends_open_over(struct ends *e, int client_ns, int server_ns,
			   const struct ipaddr *addr)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(addr, PORT, &sa);
	int listener;

	netns_enter(HERE, server_ns);
	listener = socket(socket_family(AF_INET), SOCK_STREAM, bench_proto());
	/* Connections of earlier calls may have the same local address. */
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	must(listener >= 0 && !bind(listener, (void *)&sa, len) && !listen(listener, 16),
	     "listener: %s", strerror(errno));
	netns_enter(HERE, client_ns);
	e->client = socket(socket_family(AF_INET), SOCK_STREAM, bench_proto());
	must(e->client >= 0 && !connect(e->client, (void *)&sa, len), "connect: %s",
	     strerror(errno));
	e->server = accept(listener, NULL, NULL);
	must(e->server >= 0, "accept: %s", strerror(errno));
	close(listener);
}

static void ends_open_veth(struct ends *e)
{
	struct pair pair;

	pair_open_at(HERE, &pair, NULL);
	ends_open_over(e, pair.ns[CLIENT], pair.ns[SERVER], &pair.addr[SERVER]);
}

/* Devices without offloads: the stack segments and checksums everything. */
static void ends_open_plain(struct ends *e)
{
	struct pair pair;

	pair_open_at(HERE, &pair, NULL);
	for (enum side s = CLIENT; s <= SERVER; s++) {
		netns_enter(HERE, pair.ns[s]);
		link_set_offload(HERE, pair_device[s], ETHTOOL_STSO, false);
		link_set_offload(HERE, pair_device[s], ETHTOOL_SGSO, false);
		link_set_offload(HERE, pair_device[s], ETHTOOL_SSG, false);
		link_set_offload(HERE, pair_device[s], ETHTOOL_STXCSUM, false);
	}
	ends_open_over(e, pair.ns[CLIENT], pair.ns[SERVER], &pair.addr[SERVER]);
}

static void ends_open_lo(struct ends *e)
{
	struct ipaddr lo = ipaddr("127.0.0.1");
	int ns = netns_new(HERE);

	ends_open_over(e, ns, ns, &lo);
}

static void round_trip(void *arg)
{
	struct ends *e = arg;

	bench_byte(e->client, e->server);
	bench_byte(e->server, e->client);
}

static void step_rr(void)
{
	struct ends e;

	ends_open_veth(&e);
	bench_value("rr", bench_cost(round_trip, &e, 1000));
}

static void step_rr_lo(void)
{
	struct ends e;

	ends_open_lo(&e);
	bench_value("rr_lo", bench_cost(round_trip, &e, 1000));
}

/* The same path without a transport protocol of note: a lower bound. */
static void step_rr_udp(void)
{
	struct sockaddr_storage sa[2];
	struct pair pair;
	struct ends e;
	int fd[2];

	pair_open_at(HERE, &pair, NULL);
	for (enum side s = CLIENT; s <= SERVER; s++) {
		socklen_t len = ipaddr_sockaddr(&pair.addr[s], PORT, &sa[s]);

		netns_enter(HERE, pair.ns[s]);
		fd[s] = socket(socket_family(AF_INET), SOCK_DGRAM, 0);
		must(fd[s] >= 0 && !bind(fd[s], (void *)&sa[s], len), "udp: %s", strerror(errno));
	}
	for (enum side s = CLIENT; s <= SERVER; s++)
		must(!connect(fd[s], (void *)&sa[!s], sizeof(sa[0])),
		     "udp: %s", strerror(errno));
	e = (struct ends) { .client = fd[CLIENT], .server = fd[SERVER] };
	bench_value("rr_udp", bench_cost(round_trip, &e, 1000));
}

struct bulk {
	struct ends ends;
	int write_size;
	char *data;
};

static void bulk_flight(void *arg)
{
	struct bulk *b = arg;

	bench_flight(b->ends.client, b->ends.server, b->data, BULK_FLIGHT, b->write_size,
		     READ_SIZE);
}

static void bulk_measure(const char *row, void (*open)(struct ends *e), int write_size)
{
	struct bulk b = { .write_size = write_size, .data = calloc(1, READ_SIZE) };

	must(b.data, "no memory");
	open(&b.ends);
	bench_profile_parts(BULK_FLIGHT / 1024);
	bench_value(row, bench_cost(bulk_flight, &b, BULK_TOTAL / BULK_FLIGHT) /
			 (BULK_FLIGHT / 1024));
}

static void step_bulk(void)
{
	bulk_measure("bulk", ends_open_veth, BULK_LARGE);
}

static void step_bulk_lo(void)
{
	bulk_measure("bulk_lo", ends_open_lo, BULK_LARGE);
}

static void step_bulk_plain(void)
{
	bulk_measure("bulk_plain", ends_open_plain, BULK_LARGE);
}

static void step_small_plain(void)
{
	bulk_measure("small_plain", ends_open_plain, BULK_SMALL);
}

static void step_small(void)
{
	bulk_measure("small", ends_open_veth, BULK_SMALL);
}

static void step_small_lo(void)
{
	bulk_measure("small_lo", ends_open_lo, BULK_SMALL);
}

/* The sockets of an idle connection: objects of their caches, and all other memory. */
static void step_idle(void)
{
	bool v6 = test_family() == AF_INET6;
	const char *cache = bench_is_stock() ? v6 ? "TCPv6" : "TCP" : v6 ? "XTCPv6" : "XTCP";
	struct ipaddr lo = ipaddr("127.0.0.1");
	struct bench_slab slab;
	int ns = netns_new(HERE);
	struct ends e;
	double before;

	ends_open_over(&e, ns, ns, &lo);
	round_trip(&e);
	must(bench_slab_read(cache, &slab), "no cache %s", cache);
	bench_value("idle.slab", slab.size);
	before = memory_used();
	for (int i = 0; i < IDLE; i++) {
		if (!v6)
			lo.v4.s_addr = htonl(0x7f000100 + i);
		ends_open_over(&e, ns, ns, &lo);
		round_trip(&e);
	}
	sleep_ms(1000);
	bench_value("idle.pair", (memory_used() - before) / IDLE);
}

static const struct bench_step steps[] = {
	{ "rr", step_rr },
	{ "rr_udp", step_rr_udp },
	{ "rr_lo", step_rr_lo },
	{ "bulk", step_bulk },
	{ "bulk_lo", step_bulk_lo },
	{ "bulk_plain", step_bulk_plain },
	{ "small", step_small },
	{ "small_lo", step_small_lo },
	{ "small_plain", step_small_plain },
	{ "idle", step_idle },
};

static const struct bench_row rows[] = {
	{ "rr", "1 byte each way, veth", "instr", "0.80" },
	{ "rr_udp", "the same on connected UDP (both columns)", "instr", NULL },
	{ "rr_lo", "1 byte each way, loopback", "instr", NULL },
	{ "bulk", "a KiB in writes of 64 KiB, veth", "instr", "1.00" },
	{ "bulk_lo", "a KiB in writes of 64 KiB, loopback", "instr", "1.00" },
	{ "bulk_plain", "the same, veth without offloads", "instr", "1.00" },
	{ "small", "a write of 1 KiB, veth", "instr", "0.90" },
	{ "small_lo", "a write of 1 KiB, loopback", "instr", "0.90" },
	{ "small_plain", "the same, veth without offloads", "instr", "1.00" },
	{ "idle.slab", "a socket in its slab", "bytes", "0.65" },
	{ "idle.pair", "a connection, both ends, with files", "bytes", NULL },
};

BENCH_MAIN("transfer", steps, rows)
