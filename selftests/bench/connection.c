// SPDX-License-Identifier: GPL-2.0
/*
 * connection: the cost of a short connection, both ends together: two namespaces
 * over veth, client and server in one thread, so that every instruction of the
 * connection is counted and none of the scheduler.
 */
/* vm: families */
#include "lib/bench.h"

#include <sys/socket.h>

/* So few that neither side's search for a free port gets long. */
#define ROUNDS 250
#define PORT 5000

struct site {
	struct pair pair;
	struct sockaddr_storage to;
	socklen_t to_len;
	int listener;
};

static void site_open(struct site *s)
{
	pair_open_at(HERE, &s->pair, NULL);
	s->listener = pair_listen_at(HERE, &s->pair, PORT, 128);
	s->to_len = ipaddr_sockaddr(&s->pair.addr[SERVER], PORT, &s->to);
	/* From now on sockets are made in the client's namespace. */
	netns_enter(HERE, s->pair.ns[CLIENT]);
}

static void site_connect(struct site *s, int *client, int *server)
{
	*client = socket(socket_family(AF_INET), SOCK_STREAM, bench_proto());
	must(*client >= 0, "socket: %s", strerror(errno));
	must(!connect(*client, (void *)&s->to, s->to_len), "connect: %s", strerror(errno));
	*server = accept(s->listener, NULL, NULL);
	must(*server >= 0, "accept: %s", strerror(errno));
}

static void open_close_client(void *arg)
{
	int client, server;

	site_connect(arg, &client, &server);
	close(client);
	close(server);
}

static void open_close_server(void *arg)
{
	int client, server;

	site_connect(arg, &client, &server);
	close(server);
	close(client);
}

static void request(void *arg)
{
	int client, server;

	site_connect(arg, &client, &server);
	bench_byte(client, server);
	bench_byte(server, client);
	close(client);
	close(server);
}

static void socket_close(void *arg)
{
	int fd = socket(socket_family(AF_INET), SOCK_STREAM, bench_proto());

	(void)arg;
	must(fd >= 0, "socket: %s", strerror(errno));
	close(fd);
}

static void measure(const char *row, void (*round)(void *arg))
{
	struct site site;

	site_open(&site);
	bench_value(row, bench_cost(round, &site, ROUNDS));
}

static void step_open_close(void)
{
	measure("open_close", open_close_client);
}

static void step_open_close_server(void)
{
	measure("open_close_server", open_close_server);
}

/* No TIME-WAIT record at either end; the kernel's TCP has no such knob. */
static void measure_stateless(const char *row, void (*round)(void *arg))
{
	struct site site;

	site_open(&site);
	if (knob_exists("tw_stateless"))
		for (int side = CLIENT; side <= SERVER; side++) {
			netns_enter(HERE, site.pair.ns[side]);
			must(!knob_set("tw_stateless", 1), "tw_stateless");
		}
	netns_enter(HERE, site.pair.ns[CLIENT]);
	bench_value(row, bench_cost(round, &site, ROUNDS));
	for (int side = CLIENT; side <= SERVER && knob_exists("tw_stateless"); side++) {
		netns_enter(HERE, site.pair.ns[side]);
		must(!proc_rows(site.pair.family, ROW_TIME_WAIT), "a TIME-WAIT record");
	}
}

static void step_stateless(void)
{
	measure_stateless("stateless", open_close_client);
}

static void step_stateless_server(void)
{
	measure_stateless("stateless_server", open_close_server);
}

/* @knob is @value at both ends; the kernel's TCP has none of these. */
static void measure_with(const char *row, void (*round)(void *arg), const char *knob, int value)
{
	struct site site;

	site_open(&site);
	for (int side = CLIENT; side <= SERVER && knob_exists(knob); side++) {
		netns_enter(HERE, site.pair.ns[side]);
		must(!knob_set(knob, value), knob);
	}
	netns_enter(HERE, site.pair.ns[CLIENT]);
	bench_value(row, bench_cost(round, &site, ROUNDS));
}

static void step_open_close_recorded(void)
{
	measure_with("open_close_recorded", open_close_client, "recorder", 1);
}

static void step_server_recorded(void)
{
	measure_with("open_close_server_recorded", open_close_server, "recorder", 1);
}

static void step_open_close_all(void)
{
	measure_with("open_close_obituaries", open_close_client, "recorder", 2);
}

static void step_open_close_counted(void)
{
	measure_with("open_close_counted", open_close_client, "histograms", 1);
}

static void step_crr(void)
{
	measure("crr", request);
}

static void step_socket(void)
{
	netns_new(HERE);
	bench_value("socket", bench_cost(socket_close, NULL, 1000));
}

static const struct bench_step steps[] = {
	{ "open_close", step_open_close },
	{ "open_close_server", step_open_close_server },
	{ "open_close_recorded", step_open_close_recorded },
	{ "open_close_server_recorded", step_server_recorded },
	{ "open_close_obituaries", step_open_close_all },
	{ "open_close_counted", step_open_close_counted },
	{ "stateless", step_stateless },
	{ "stateless_server", step_stateless_server },
	{ "crr", step_crr },
	{ "socket", step_socket },
};

static const struct bench_row rows[] = {
	{ "open_close", "connect, accept, close; the client first", "instr", "0.75" },
	{ "open_close_server", "connect, accept, close; the server first", "instr", "0.75" },
	{ "open_close_recorded", "open_close with recorder 1 against stock", "instr", NULL },
	{ "open_close_server_recorded", "the same, the server first", "instr", NULL },
	{ "open_close_obituaries", "open_close with recorder 2 against stock", "instr", NULL },
	{ "open_close_counted", "open_close with histograms 1 against stock", "instr", NULL },
	{ "stateless", "open_close with tw_stateless 1 against stock", "instr", "0.75" },
	{ "stateless_server", "the same, the server first", "instr", "0.75" },
	{ "crr", "connect, 1 byte each way, close", "instr", "0.72" },
	{ "socket", "socket() and close()", "instr", NULL },
};

BENCH_MAIN("connection", steps, rows)
