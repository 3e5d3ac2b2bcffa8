// SPDX-License-Identifier: GPL-2.0
/*
 * unreachable: a router without a route shows that the path is broken, not congested;
 * RFC 6069 undoes one doubling of the timeout for it.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/icmp.h>

PEER_FIXTURE(unreachable);

/* Among IPv6's codes one is about the path, and none about the host. */
#define NO_WAY_TO_HOST \
	(test_family() == AF_INET6 ? ICMP_NET_UNREACH : ICMP_HOST_UNREACH)

/* Data that is never acknowledged, sent twice again. Returns the first RTO. */
static int64_t resent_twice(struct __test_metadata *_metadata, struct conn *c)
{
	struct socket_info info;
	int64_t rto_ms;

	conn_open(c->peer, c);
	ASSERT_EQ(4, send(c->fd, "text", 4, MSG_NOSIGNAL));
	conn_expect(c, .flags = ACK | PSH, .seq = 1, .data = "text");
	peer_mark_last(c->peer);
	info = conn_info(c);
	rto_ms = info.rto_us / 1000;
	conn_expect(c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = rto_ms);
	peer_mark_last(c->peer);
	conn_expect(c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = 2 * rto_ms);
	peer_mark_last(c->peer);
	return rto_ms;
}

TEST_F(unreachable, rfc6069_host_unreachable_undoes_a_doubling)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	int64_t rto_ms = resent_twice(_metadata, &c);

	/* The wait would be 4 RTO: it is 2 again, from the last transmission on. */
	peer_sleep_until(p, 50);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = NO_WAY_TO_HOST);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = 2 * rto_ms);
	/* And doubles on from there. */
	peer_mark_last(p);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = 4 * rto_ms);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(unreachable, rfc6069_each_error_undoes_one_down_to_the_rto)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	int64_t rto_ms = resent_twice(_metadata, &c);

	peer_sleep_until(p, 20);
	for (int i = 0; i < 3; i++)
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH,
			       .code = ICMP_NET_UNREACH);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = rto_ms);
}

TEST_F(unreachable, rfc6069_late_error_sends_at_once)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	int64_t rto_ms = resent_twice(_metadata, &c);

	/* 3 RTO have passed; of a wait of 2 nothing remains. */
	peer_sleep_until(p, 3 * rto_ms);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = NO_WAY_TO_HOST);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = 3 * rto_ms);
}

TEST_F(unreachable, rfc6069_other_errors_undo_nothing)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	int64_t rto_ms = resent_twice(_metadata, &c);

	peer_sleep_until(p, 50);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH);
	peer_send_icmp(p, .type = ICMP_TIME_EXCEEDED, .code = ICMP_EXC_TTL);
	/* Nor does one about another segment than the oldest. */
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = NO_WAY_TO_HOST,
		       .quote_seq = p->last.seq + 4);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = 4 * rto_ms);
}

TEST_HARNESS_MAIN
