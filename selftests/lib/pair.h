/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pair: two namespaces, client (10.0.0.1) and server (10.0.0.2), joined by a
 * veth pair; the stack under test at both ends.
 */
#ifndef SELFTESTS_LIB_PAIR_H
#define SELFTESTS_LIB_PAIR_H

#include "netns.h"
#include "peer.h"

enum side { CLIENT, SERVER };

extern const char *const pair_side[];	/* the names */
extern const char *const pair_device[];	/* of each side */

struct pair {
	struct __test_metadata *test;
	int family;
	int ns[2];
	struct ipaddr addr[2];
	bool stock_may_speak;
};

void pair_open_at(struct where at, struct pair *pr, const struct peer_setup *setup);
/* The kernel's TCP counted nothing in either namespace; adds to the lifecycle log. */
void pair_close_at(struct where at, struct pair *pr);

/* Sockets are made there, and /proc/net and knobs read, from now on. */
void pair_enter(struct pair *pr, enum side side);
/* MTU, GSO limits and queue of that side's device are as they were. */
void pair_device_restore(struct pair *pr, enum side side);
/* netem for packets that leave that side. */
void pair_netem(struct pair *pr, enum side side, const struct netem *netem);

/* The rows of both sides' connections, and what each waits for. */
void pair_print(struct pair *pr);
/* No connection is left at either side, within so many ms. */
void pair_expect_gone_at(struct where at, struct pair *pr, int64_t within_ms);

/* These functions leave this process in the side that they name. */
#define pair_listen(pr, port, backlog) \
	pair_listen_at(WHERE((pr)->test), pr, port, backlog)
int pair_listen_at(struct where at, struct pair *pr, int port, int backlog);
/* Blocks until connected to that port of the server (non-blocking after). */
#define pair_connect(pr, port) pair_connect_at(WHERE((pr)->test), pr, port)
int pair_connect_at(struct where at, struct pair *pr, int port);
/* Both at once, through a listener of its own. */
#define pair_connected(pr, port, client, server) \
	pair_connected_at(WHERE((pr)->test), pr, port, client, server)
void pair_connected_at(struct where at, struct pair *pr, int port,
		       int *client, int *server);
/*
 * A connection to that port, whose listener is @lfd. It carries @number there and ~@number back;
 * no end reads anything else. The client closes first.
 */
#define pair_talk(pr, lfd, port, number) \
	pair_talk_at(WHERE((pr)->test), pr, lfd, port, number)
void pair_talk_at(struct where at, struct pair *pr, int lfd, int port, uint32_t number);

#endif
