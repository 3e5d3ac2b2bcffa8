/* SPDX-License-Identifier: GPL-2.0 */
/* pacing: connections with a rate, for pacing.c and fq.c. */
#ifndef SELFTESTS_TRANSFER_PACING_H
#define SELFTESTS_TRANSFER_PACING_H

#include "lib/xtcp_test.h"

#define MSS 1000
#define WITH_SACK OPT(OPT_MSS(MSS), OPT_SACKOK)
#define RATE 1000000		/* bytes a second: a segment each millisecond */

/* On a path of 20 ms: on a shorter one bursts are large at any rate. */
static inline void open_wide(struct peer *p, struct conn *c)
{
	conn_open(p, c, .opt = WITH_SACK, .rtt_ms = 20);
	socket_set(c->fd, SOL_SOCKET, SO_SNDBUF, 1000000);
}

/* The first ten segments are sent and acknowledged: pacing begins. */
static inline void pace(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	open_wide(p, c);
	EXPECT_EQ(0, socket_set(c->fd, SOL_SOCKET, SO_MAX_PACING_RATE, RATE));
	conn_write(c, 10 * MSS);
	for (int i = 0; i < 10; i++)
		conn_expect(c, .len = MSS);
	peer_mark_last(p);
	peer_sleep_until(p, 20);
	conn_send(c, .flags = ACK);
}

/* The same, and cwnd allows fifty segments. */
static inline void open_paced(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	route_add_metrics(WHERE(_metadata), &p->addr, 32, "tun0",
			  &(struct route_metrics){ .value[RTAX_INITCWND] = 60 });
	pace(_metadata, p, c);
}

/*
 * Reads @segs segments in order. Returns when the last of them came, in ms after the
 * mark.
 */
static inline int64_t take(struct conn *c, int segs)
{
	for (int i = 0; i < segs; i++)
		conn_expect(c, .len = MSS, .seq = conn_kern_nxt(c), .within_ms = 1000);
	return peer_elapsed_ms(c->peer);
}

#endif
