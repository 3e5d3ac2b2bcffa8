// SPDX-License-Identifier: GPL-2.0
/*
 * firewall: a round trip and a short connection where both hosts have rules of nftables, without
 * and with connection tracking. The same rules are there on both sides. They accept the ports on
 * either wire. Both ends are in one thread, as in connection.c. Rows whose names end in _6 are of
 * the TCP wire.
 */
#include "lib/bench.h"

#include <stdlib.h>
#include <sys/socket.h>

#define PORT 5000
#define ROUNDS 250
#define RR_ROUNDS 1000

#define CHAIN(rules) \
	"nft 'table inet filter { chain input { " \
	"type filter hook input priority filter; policy drop; " rules "; }; }'"
#define PORTS "{ 22, 80, 443, 5000 } meta l4proto { 6, 253 }"

/* Answers to this host's own connections are accepted by their port. */
static const char rules[] =
	CHAIN("iif lo accept; ip saddr 192.0.2.0/24 drop; "
	      "th dport " PORTS " accept; th sport " PORTS " accept");
static const char conntrack[] =
	CHAIN("ct state established,related accept; iif lo accept; ip saddr 192.0.2.0/24 drop; "
	      "ct state new th dport " PORTS " accept");

struct site {
	struct pair pair;
	struct sockaddr_storage to;
	socklen_t to_len;
	int wire, listener, client, server;
};

static int site_socket(const struct site *s)
{
	int fd = socket(AF_INET, SOCK_STREAM, bench_proto());

	must(fd >= 0, "socket: %s", strerror(errno));
	if (!bench_is_stock())
		must(!setsockopt(fd, IPPROTO_XTCP, XTCP_WIRE, &s->wire, sizeof(s->wire)),
		     "XTCP_WIRE: %s", strerror(errno));
	return fd;
}

static void site_open(struct site *s, const char *commands)
{
	pair_open_at(HERE, &s->pair, NULL);
	s->to_len = ipaddr_sockaddr(&s->pair.addr[SERVER], PORT, &s->to);
	netns_enter(HERE, s->pair.ns[SERVER]);
	shell_run(HERE, commands);
	s->listener = site_socket(s);
	must(!bind(s->listener, (void *)&s->to, s->to_len) && !listen(s->listener, 128),
	     "listener: %s", strerror(errno));
	netns_enter(HERE, s->pair.ns[CLIENT]);
	shell_run(HERE, commands);
}

static void site_connect(struct site *s)
{
	s->client = site_socket(s);
	must(!connect(s->client, (void *)&s->to, s->to_len), "connect: %s", strerror(errno));
	s->server = accept(s->listener, NULL, NULL);
	must(s->server >= 0, "accept: %s", strerror(errno));
}

static void round_trip(void *arg)
{
	struct site *s = arg;

	bench_byte(s->client, s->server);
	bench_byte(s->server, s->client);
}

static void open_close(void *arg)
{
	struct site *s = arg;

	site_connect(s);
	close(s->client);
	close(s->server);
}

static void rr_measure(const char *row, const char *commands, int wire)
{
	struct site s = { .wire = wire };

	site_open(&s, commands);
	site_connect(&s);
	bench_value(row, bench_cost(round_trip, &s, RR_ROUNDS));
}

static void open_close_measure(const char *row, const char *commands, int wire)
{
	struct site s = { .wire = wire };

	site_open(&s, commands);
	bench_value(row, bench_cost(open_close, &s, ROUNDS));
}

#define STEPS(commands, operation) \
	static void step_##commands##_##operation(void) \
	{ \
		operation##_measure(#commands "_" #operation, commands, XTCP_WIRE_NATIVE); \
	} \
	static void step_##commands##_##operation##_6(void) \
	{ \
		operation##_measure(#commands "_" #operation "_6", commands, XTCP_WIRE_TCP); \
	}

STEPS(rules, rr)
STEPS(rules, open_close)
STEPS(conntrack, rr)
STEPS(conntrack, open_close)

#define STEP(name) { #name, step_##name }, { #name "_6", step_##name##_6 }

static const struct bench_step steps[] = {
	STEP(rules_rr), STEP(rules_open_close), STEP(conntrack_rr), STEP(conntrack_open_close),
};

#define ROW(name, what) \
	{ #name, what, "instr", NULL }, { #name "_6", what ", TCP wire", "instr", NULL }

static const struct bench_row rows[] = {
	ROW(rules_rr, "1 byte and back, four rules"),
	ROW(rules_open_close, "open and close, four rules"),
	ROW(conntrack_rr, "1 byte and back, conntrack"),
	ROW(conntrack_open_close, "open and close, conntrack"),
};

BENCH_MAIN("firewall", steps, rows)
