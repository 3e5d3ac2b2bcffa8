/* SPDX-License-Identifier: GPL-2.0 */
/* resend: a write and its retransmissions, for retransmit.c and giveup.c. */
#ifndef SELFTESTS_TRANSFER_RESEND_H
#define SELFTESTS_TRANSFER_RESEND_H

#include "lib/xtcp_test.h"

#define RTO_MIN_US 200000
#define RTO_MAX_US 120000000

static inline int64_t next_rto(int64_t rto_us)
{
	return 2 * rto_us < RTO_MAX_US ? 2 * rto_us : RTO_MAX_US;
}

static inline int64_t rto_us(struct conn *c)
{
	return conn_info(c).rto_us;
}

/* A write of one segment, which is read and starts the clock. Returns the RTO. */
static inline int64_t send_marked(struct __test_metadata *_metadata, struct conn *c,
			   const char *text)
{
	ssize_t n = send(c->fd, text, strlen(text), MSG_NOSIGNAL);

	if (n != (ssize_t)strlen(text))
		peer_fail(WHERE(_metadata), c->peer, "send: %zd", n);
	conn_expect(c, .flags = ACK | PSH, .data = text);
	peer_mark_last(c->peer);
	return rto_us(c);
}

/*
 * The same data @n times more, first after @rto_us, then doubling. Returns the next
 * RTO.
 */
static inline int64_t expect_resends(struct conn *c, const char *text, int n, int64_t rto_us)
{
	uint32_t seq = c->peer->last.seq - c->kern_iss;

	for (int i = 0; i < n; i++, rto_us = next_rto(rto_us)) {
		conn_expect(c, .flags = ACK | PSH, .seq = seq, .data = text,
			    .at_ms = rto_us / 1000);
		peer_mark_last(c->peer);
	}
	return rto_us;
}

#endif
