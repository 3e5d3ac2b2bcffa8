// SPDX-License-Identifier: GPL-2.0
/*
 * reuse: short connections in a row between two addresses to one port, closed by the
 * client first. Soon all its ports are in TIME-WAIT, and connect() has to reuse them
 * (tw_reuse 1). Each connection carries a number of its own both ways, so that data
 * of an older one would be noticed.
 */
/* vm: mem=1G timeout=5000 */
#include "lib/bench.h"

#include <sys/socket.h>

#define PORT 5000
#define CONNECTIONS 500000
/* The cost on the kernel's TCP is known after fewer connections. */
#define STOCK_PART 5
/* All 28,232 ports of the range are in TIME-WAIT, and each is reused once. */
#define STEADY_AFTER 60000

static void number_send(int fd, uint64_t number)
{
	must(send(fd, &number, sizeof(number), 0) == sizeof(number), "send: %s", strerror(errno));
}

static bool number_is(int fd, uint64_t number)
{
	uint64_t got = 0;

	return recv(fd, &got, sizeof(got), MSG_WAITALL) == sizeof(got) && got == number;
}

struct tally {
	int refused;			/* connect(): EADDRNOTAVAIL */
	int wrong;			/* not the data of this connection */
};

static void connection(int listener, const struct sockaddr_storage *to, socklen_t len,
		       uint64_t number, struct tally *tally)
{
	int client = socket(AF_INET, SOCK_STREAM, bench_proto()), server;

	must(client >= 0, "socket: %s", strerror(errno));
	if (connect(client, (void *)to, len)) {
		must(errno == EADDRNOTAVAIL, "connect: %s", strerror(errno));
		tally->refused++;
		close(client);
		return;
	}
	server = accept(listener, NULL, NULL);
	must(server >= 0, "accept: %s", strerror(errno));
	number_send(client, number);
	tally->wrong += !number_is(server, number);
	number_send(server, ~number);
	tally->wrong += !number_is(client, ~number);
	close(client);
	/* Only the end of the stream follows. */
	tally->wrong += recv(server, &number, sizeof(number), 0) != 0;
	close(server);
}

static void step_row(void)
{
	int all = bench_many(CONNECTIONS), listener, steady = 0;
	struct sockaddr_storage to;
	struct tally tally = { 0 };
	int64_t since = 0;
	struct pair pair;
	socklen_t len;

	if (bench_is_stock())
		all /= STOCK_PART;
	pair_open_at(HERE, &pair, NULL);
	listener = pair_listen_at(HERE, &pair, PORT, 128);
	len = ipaddr_sockaddr(&pair.addr[SERVER], PORT, &to);
	netns_enter(HERE, pair.ns[CLIENT]);
	must(!knob_set("tw_reuse", 1), "tw_reuse");
	must(!knob_set("max_tw_buckets", 10 * CONNECTIONS), "max_tw_buckets");
	for (int i = 0; i < all; i++) {
		if (i == STEADY_AFTER) {
			since = now_ns();
			bench_profile_begin();
		}
		connection(listener, &to, len, i, &tally);
		if (i == STEADY_AFTER + 2000)
			bench_profile_end(2000);
		steady += i >= STEADY_AFTER;
	}
	bench_value("row.refused", tally.refused);
	bench_value("row.wrong", tally.wrong);
	if (steady)
		bench_value("row.each", (double)(now_ns() - since) / steady);
}

static const struct bench_step steps[] = {
	{ "row", step_row },
};

static const struct bench_row rows[] = {
	{ "row.each", "a connection, its port out of TIME-WAIT", "instr", "0.75" },
	{ "row.refused", "EADDRNOTAVAIL, of 500,000", "times", "=0" },
	{ "row.wrong", "other data than its own", "times", "=0" },
};

BENCH_MAIN("reuse", steps, rows)
