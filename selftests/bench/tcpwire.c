// SPDX-License-Identifier: GPL-2.0
/*
 * tcpwire: the cost of the TCP wire: two ends of xtcp, or one of xtcp and one of the
 * kernel's TCP, compared with two of the kernel's; and the cost that the hook adds to
 * the kernel's own traffic while xtcp holds a port.
 */
#include "lib/bench.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "lib/stream.h"

#define PORT 5000
/* As in connection.c. */
#define ROUNDS 250
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

static void byte(int from, int to)
{
	char c = 'x';

	must(send(from, &c, 1, 0) == 1, "send: %s", strerror(errno));
	must(recv(to, &c, 1, 0) == 1, "recv: %s", strerror(errno));
}

static void round_trip(void *arg)
{
	struct site *s = arg;

	byte(s->fd[CLIENT], s->fd[SERVER]);
	byte(s->fd[SERVER], s->fd[CLIENT]);
}

static void request(void *arg)
{
	struct site *s = arg;

	site_connect(s);
	round_trip(s);
	close(s->fd[CLIENT]);
	close(s->fd[SERVER]);
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

static void measure_crr(const char *row, bool client_ours, bool server_ours)
{
	struct site s;

	site_open(&s, client_ours, server_ours);
	bench_value(row, bench_cost(request, &s, ROUNDS));
}

static void measure_bulk(const char *row, bool client_ours, bool server_ours)
{
	struct site s;

	site_open(&s, client_ours, server_ours);
	s.data = calloc(1, BULK_FLIGHT);
	site_connect(&s);
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
	measure_crr("crr", true, true);
}

static void step_crr_to_stock(void)
{
	measure_crr("crr_to_stock", true, false);
}

static void step_crr_from_stock(void)
{
	measure_crr("crr_from_stock", false, true);
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

/*
 * Both ends are the kernel's TCP; in the xtcp column an xtcp socket listens beside
 * each.
 */
static void step_hook(void)
{
	struct site s;

	site_open(&s, false, false);
	if (!bench_is_stock()) {
		s.ours[CLIENT] = s.ours[SERVER] = true;
		for (enum side side = CLIENT; side <= SERVER; side++) {
			netns_enter(HERE, s.pair.ns[side]);
			must(!listen(site_socket(&s, side), 1), "listen: %s", strerror(errno));
		}
		s.ours[CLIENT] = s.ours[SERVER] = false;
		netns_enter(HERE, s.pair.ns[CLIENT]);
	}
	site_connect(&s);
	bench_value("hook", bench_cost(round_trip, &s, 1000));
}

static const struct bench_step steps[] = {
	{ "rr", step_rr },
	{ "rr_to_stock", step_rr_to_stock },
	{ "rr_from_stock", step_rr_from_stock },
	{ "crr", step_crr },
	{ "crr_to_stock", step_crr_to_stock },
	{ "crr_from_stock", step_crr_from_stock },
	{ "bulk", step_bulk },
	{ "bulk_to_stock", step_bulk_to_stock },
	{ "bulk_from_stock", step_bulk_from_stock },
	{ "hook", step_hook },
};

static const struct bench_row rows[] = {
	{ "rr", "1 byte and back, TCP wire, both ends ours", "instructions" },
	{ "rr_to_stock", "the same, our client and stock's server", "instructions" },
	{ "rr_from_stock", "the same, stock's client and our server", "instructions" },
	{ "crr", "connect, 1 byte and back, close, both ours", "instructions", "0.85" },
	{ "crr_to_stock", "the same, our client and stock's server", "instructions" },
	{ "crr_from_stock", "the same, stock's client and our server", "instructions" },
	{ "bulk", "bulk over veth, TCP wire, both ends ours", "a KiB" },
	{ "bulk_to_stock", "the same, our client and stock's server", "a KiB" },
	{ "bulk_from_stock", "the same, stock's client and our server", "a KiB" },
	{ "hook", "stock's round trip beside a port of ours", "instructions", "1.02" },
};

BENCH_MAIN("tcpwire", steps, rows)
