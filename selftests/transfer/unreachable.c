// SPDX-License-Identifier: GPL-2.0
/*
 * unreachable: a router without a route shows that the path is broken, not congested;
 * RFC 6069 undoes one doubling of the timeout for it.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/icmp.h>
#include <netinet/tcp.h>

PEER_FIXTURE(unreachable);

/* Among IPv6's codes one is about the path, and none about the host. */
#define NO_WAY_TO_HOST \
	(test_family() == AF_INET6 ? ICMP_NET_UNREACH : ICMP_HOST_UNREACH)

/* Data that is never acknowledged, sent twice again. Returns the first RTO in us. */
static int64_t resent_twice(struct __test_metadata *_metadata, struct conn *c)
{
	struct socket_info info;
	int64_t rto_us;

	conn_open(c->peer, c);
	ASSERT_EQ(4, send(c->fd, "text", 4, MSG_NOSIGNAL));
	conn_expect(c, .flags = ACK | PSH, .seq = 1, .data = "text");
	peer_mark_last(c->peer);
	info = conn_info(c);
	rto_us = info.rto_us;
	conn_expect(c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = rto_us / 1000);
	peer_mark_last(c->peer);
	conn_expect(c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = 2 * rto_us / 1000);
	peer_mark_last(c->peer);
	return rto_us;
}

TEST_F(unreachable, rfc6069_host_unreachable_undoes_a_doubling)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	int64_t rto_us = resent_twice(_metadata, &c);

	/* The wait would be 4 RTO: it is 2 again, from the last transmission on. */
	peer_sleep_until(p, 50);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = NO_WAY_TO_HOST);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = 2 * rto_us / 1000);
	/* And doubles on from there. */
	peer_mark_last(p);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = 4 * rto_us / 1000);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(unreachable, rfc6069_each_error_undoes_one_down_to_the_rto)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	int64_t rto_us = resent_twice(_metadata, &c);

	peer_sleep_until(p, 20);
	for (int i = 0; i < 3; i++)
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH,
			       .code = ICMP_NET_UNREACH);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = rto_us / 1000);
}

TEST_F(unreachable, rfc6069_late_error_sends_at_once)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	int64_t rto_us = resent_twice(_metadata, &c);

	/* 3 RTO have passed; of a wait of 2 nothing remains. */
	peer_sleep_until(p, 3 * rto_us / 1000);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = NO_WAY_TO_HOST);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = 3 * rto_us / 1000);
}

TEST_F(unreachable, rfc6069_other_errors_undo_nothing)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	int64_t rto_us = resent_twice(_metadata, &c);

	peer_sleep_until(p, 50);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH);
	peer_send_icmp(p, .type = ICMP_TIME_EXCEEDED, .code = ICMP_EXC_TTL);
	/* Nor does one about another segment than the oldest. */
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = NO_WAY_TO_HOST,
		       .quote_seq = p->last.seq + 4);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = 4 * rto_us / 1000);
}

/* The peer has closed its window: what is sent again is a probe, and its wait stays as it is. */
TEST_F(unreachable, rfc6069_not_for_probes_of_a_closed_window)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	int64_t rto_ms;

	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, MSG_NOSIGNAL));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text");
	peer_mark_last(p);
	rto_ms = conn_info(&c).rto_us / 1000;
	c.wnd = 0;
	conn_send(&c, .flags = ACK, .ack = 1);
	for (int i = 1; i <= 2; i++) {
		conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text", .at_ms = i * rto_ms);
		peer_mark_last(p);
	}
	peer_sleep_until(p, 50);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = NO_WAY_TO_HOST);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text", .at_ms = 4 * rto_ms);
}

/*
 * A rule of this host's OUTPUT refuses each retransmission and answers it with such an error. The
 * timeout counts from the attempt, not from the last copy that was sent: it does not expire again
 * and again at once.
 */
static void refused_attempts(struct __test_metadata *_metadata, struct peer *p,
			     int user_timeout_ms)
{
	static char text[1000];
	struct counters before;
	struct conn c;

	memset(text, 'x', sizeof(text) - 1);
	conn_open(p, &c);
	if (user_timeout_ms)
		ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms));
	conn_send(&c, .flags = ACK, .wnd = 20000);
	ASSERT_EQ(sizeof(text) - 1, send(c.fd, text, sizeof(text) - 1, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = text);
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/icmp_ratemask", "0"));
	shell_run(WHERE(_metadata), "nft 'add table inet t; add chain inet t out "
		  "{ type filter hook output priority 0; }; "
		  "add rule inet t out meta oifname tun0 reject with icmpx type no-route'");
	counters_take(&before);
	sleep_ms(2100);
	shell_run(WHERE(_metadata), "nft delete table inet t");
	/*
	 * An error after each attempt keeps the timeout at 200 ms. For a segment of the native wire
	 * over IPv4 the rule makes none, because it can't check the sum.
	 */
	if (!user_timeout_ms && (p->family == AF_INET6 || stream_wire() == XTCP_WIRE_TCP))
		EXPECT_LE(5, counter_moved(&before, "TCPTimeouts"));
	EXPECT_GE(20, counter_moved(&before, "TCPTimeouts"));
	p->leave_unread = true;
	socket_abort(c.fd);
}

TEST_F(unreachable, rfc6069_a_refused_attempt_restarts_the_timeout)
{
	refused_attempts(_metadata, &self->peer, 0);
}

/* Nor while TCP_USER_TIMEOUT is what comes next. */
TEST_F(unreachable, rfc6069_a_refused_attempt_before_a_user_timeout)
{
	refused_attempts(_metadata, &self->peer, 1000);
}

/* A wait of half a second for a full queue of this host becomes the shorter timeout, from now. */
TEST_F(unreachable, rfc6069_an_attempt_that_a_full_queue_refused)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	int64_t rto_us = resent_twice(_metadata, &c);

	NOT_ON_STOCK();
	peer_sleep_until(p, 4 * rto_us / 1000 - 50);
	shaper_set(WHERE(_metadata), "tun0", 10 * 1000 * 1000, 1);
	peer_sleep_until(p, 4 * rto_us / 1000 + 50);
	shaper_set(WHERE(_metadata), "tun0", 10 * 1000 * 1000, 100000);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = NO_WAY_TO_HOST);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
		    .at_ms = 6 * rto_us / 1000 + 50);
}

TEST_HARNESS_MAIN
