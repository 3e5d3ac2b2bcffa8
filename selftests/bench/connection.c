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

static void send_receive(int from, int to)
{
	char c = 'x';

	must(send(from, &c, 1, 0) == 1, "send: %s", strerror(errno));
	must(recv(to, &c, 1, 0) == 1, "recv: %s", strerror(errno));
}

static void request(void *arg)
{
	int client, server;

	site_connect(arg, &client, &server);
	send_receive(client, server);
	send_receive(server, client);
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
	{ "crr", step_crr },
	{ "socket", step_socket },
};

static const struct bench_row rows[] = {
	{ "open_close", "connect, accept, close; the client first", "instr", "0.75" },
	{ "open_close_server", "connect, accept, close; the server first", "instr", "0.75" },
	{ "crr", "connect, 1 byte each way, close", "instr", "0.72" },
	{ "socket", "socket() and close()", "instr", NULL },
};

BENCH_MAIN("connection", steps, rows)
