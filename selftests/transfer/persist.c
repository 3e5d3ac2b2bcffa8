// SPDX-License-Identifier: GPL-2.0
/*
 * persist: a peer whose window is closed is probed repeatedly. RFC 9293 3.8.6.1
 * (MUST-35..37, SHLD-17, SHLD-29, SHLD-30, MAY-8). LC-57.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/icmp.h>
#include <linux/tcp.h>
#include <stdlib.h>

PEER_FIXTURE(persist);

#define RTO_MAX_US 120000000

static int64_t rto_us(struct conn *c)
{
	return conn_info(c).rto_us;
}

/* Twelve bytes sent and acknowledged, then the window closed; five wait. */
static void close_window(struct __test_metadata *_metadata, struct conn *c)
{
	if (send(c->fd, "before wall.", 12, 0) != 12)
		peer_fail(WHERE(_metadata), c->peer, "send");
	conn_expect(c, .flags = ACK | PSH, .data = "before wall.");
	c->wnd = 0;
	peer_mark(c->peer);
	conn_send(c, .flags = ACK);
	if (send(c->fd, "after", 5, 0) != 5)
		peer_fail(WHERE(_metadata), c->peer, "send");
}

/* A connection whose window is closed. Returns when the first probe is due, in us. */
static int64_t open_closed_window(struct __test_metadata *_metadata, struct peer *p,
				  struct conn *c)
{
	conn_open(p, c);
	close_window(_metadata, c);
	return rto_us(c);
}

/* A probe: no data, and a number below SND.UNA, so that it must be answered. */
static void expect_probe(struct conn *c, int64_t at_us)
{
	conn_expect(c, .flags = ACK, .seq = 12, .ack = conn_peer_nxt(c),
		    .at_ms = at_us / 1000);
	peer_mark_last(c->peer);
}

static void open_window(struct conn *c)
{
	c->wnd = 65535;
	conn_send(c, .flags = ACK, .ack = 13);
	conn_expect(c, .flags = ACK | PSH, .seq = 13, .data = "after");
	conn_send(c, .flags = ACK);
}

TEST_F_TIMEOUT(persist, lc_57_probes, 3000)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct proc_row row;
	int64_t delay;
	struct conn c;

	delay = open_closed_window(_metadata, p, &c);
	counters_take(&before);
	/* 0.2 0.4 0.8 ... up to 120 s apart, each one answered: for ever. */
	for (int i = 0; i < 16; i++) {
		expect_probe(&c, delay);
		ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
		EXPECT_EQ(4, row.timer);
		EXPECT_EQ(1, row.timeout);
		EXPECT_EQ(5, row.tx);
		conn_send(&c, .flags = ACK, .ack = 13);
		delay = 2 * delay < RTO_MAX_US ? 2 * delay : RTO_MAX_US;
	}
	ASSERT_EQ(RTO_MAX_US, delay);
	counters_ignore(&before, "InSegs", "OutSegs", "TCPPureAcks", NULL);
	counters_expect(_metadata, &before, "TCPWinProbe", 16, NULL);
	conn_expect_state(&c, ST_ESTABLISHED);
	open_window(&c);
}

TEST_F(persist, rfc9293_must_36_probes_a_zero_window)
{
	struct conn c;

	conn_open(&self->peer, &c);
	close_window(_metadata, &c);
	expect_probe(&c, rto_us(&c));
	open_window(&c);
}

TEST_F(persist, rfc9293_shld_29_first_after_one_rto)
{
	static const int rtts[] = { 0, 40, 300 };

	for (size_t i = 0; i < ARRAY_SIZE(rtts); i++) {
		struct conn c;

		peer_note(&self->peer, "round trip %d ms", rtts[i]);
		conn_open(&self->peer, &c, .rtt_ms = rtts[i], .kport = 6000 + i);
		close_window(_metadata, &c);
		EXPECT_LE(rtts[i] * 1000 + 100000, rto_us(&c));
		expect_probe(&c, rto_us(&c));
		open_window(&c);
	}
}

TEST_F(persist, rfc9293_shld_30_interval_doubles)
{
	struct conn c;
	int64_t delay;

	conn_open(&self->peer, &c);
	close_window(_metadata, &c);
	delay = rto_us(&c);
	for (int i = 0; i < 5; i++, delay *= 2)
		expect_probe(&c, delay);
	open_window(&c);
}

/*
 * A peer answers a probe twice a second at most (xtcp_invalid_ratelimit, and Linux's knob). Probes
 * as fast as a small timeout would all count as unanswered.
 */
TEST_F(persist, rfc9293_must_37_with_a_small_rto_min)
{
	int64_t delay = 200000;
	struct conn c;

	ASSERT_EQ(0, knob_set("rto_min_us", 5000));
	conn_open(&self->peer, &c);
	close_window(_metadata, &c);
	EXPECT_GT(100000, rto_us(&c));
	for (int i = 0; i < 5; i++, delay *= 2)
		expect_probe(&c, delay);
	open_window(&c);
}

TEST_F(persist, retries2_limits_doublings)
{
	struct conn c;
	int64_t delay;

	ASSERT_EQ(0, knob_set("retries2", 3));
	conn_open(&self->peer, &c);
	close_window(_metadata, &c);
	delay = rto_us(&c);
	for (int i = 0; i < 8; i++) {
		expect_probe(&c, delay);
		conn_send(&c, .flags = ACK, .ack = 13);
		if (i < 3)
			delay *= 2;
	}
	open_window(&c);
}

TEST_F(persist, rfc9293_must_35_shrunk_to_zero)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* With data in flight the retransmission is the probe, one segment a time. */
	conn_open(p, &c);
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(4, send(c.fd, "text", 4, 0));
		conn_expect(&c, .flags = ACK | PSH, .seq = 1 + 4 * i, .data = "text");
	}
	c.wnd = 0;
	peer_mark(p);
	conn_send(&c, .flags = ACK, .ack = 5);
	ASSERT_EQ(4, send(c.fd, "more", 4, 0));
	conn_expect(&c, .seq = 5, .data = "text", .at_ms = rto_us(&c) / 1000);
	peer_expect_silence(p, 100);
	conn_expect_state(&c, ST_ESTABLISHED);
	/* Open again: F-RTO tests with new data whether the third had arrived. */
	c.wnd = 65535;
	conn_send(&c, .flags = ACK, .ack = 9);
	conn_expect(&c, .seq = 13, .data = "more");
	conn_send(&c, .flags = ACK, .ack = 9);
	conn_expect(&c, .seq = 9, .data = "textmore");
	conn_send(&c, .flags = ACK, .ack = 17);
}

TEST_F_TIMEOUT(persist, rfc9293_must_37_open_while_answered, 8000)
{
	struct peer *p = &self->peer;
	int64_t until_ms = now_ms() + 3600 * 1000;
	struct conn c;

	/* An hour of answered probes; MAY-8: the window may stay closed. */
	conn_open(p, &c);
	close_window(_metadata, &c);
	while (now_ms() < until_ms) {
		conn_expect(&c, .flags = ACK, .seq = 12, .within_ms = 136000);
		conn_send(&c, .flags = ACK, .ack = 13);
	}
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(0, socket_error(c.fd));
	open_window(&c);
}

TEST_F_TIMEOUT(persist, rfc9293_may_08_zero_for_ever, 90000)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* In flight and answered with a window of 0: alive past R2 (SHLD-17). */
	ASSERT_EQ(0, knob_set("retries2", 5));
	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "text");
	c.wnd = 0;
	conn_send(&c, .flags = ACK, .ack = 1);
	for (int i = 0; i < 12; i++) {
		conn_expect(&c, .seq = 1, .data = "text", .within_ms = 136000);
		conn_send(&c, .flags = ACK, .ack = 1);
	}
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = ACK, .ack = 5, .wnd = 1000);
	EXPECT_EQ(0, socket_error(c.fd));
}

TEST_F_TIMEOUT(persist, rfc9293_shld_17_no_timeout_beyond_the_edge, 90000)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The window shrinks below what was sent, and the peer keeps answering. */
	ASSERT_EQ(0, knob_set("retries2", 4));
	conn_open(p, &c);
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "text");
	ASSERT_EQ(4, send(c.fd, "gone", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "gone");
	c.wnd = 0;
	conn_send(&c, .flags = ACK, .ack = 5);
	for (int i = 0; i < 10; i++) {
		conn_expect(&c, .seq = 5, .data = "gone", .within_ms = 136000);
		conn_send(&c, .flags = ACK, .ack = 5);
	}
	conn_expect_state(&c, ST_ESTABLISHED);
	c.wnd = 65535;
	conn_send(&c, .flags = ACK, .ack = 9);
	EXPECT_EQ(0, socket_error(c.fd));
}

/*
 * The window was taken back below what is in flight, and then the peer falls silent: two of the
 * longest timeouts after its last segment the connection ends.
 */
TEST_F_TIMEOUT(persist, rfc9293_shld_17_silence_beyond_the_edge, 4000)
{
	struct peer *p = &self->peer;
	int64_t since_ms;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "text");
	sleep_ms(10);
	c.wnd = 0;
	conn_send(&c, .flags = ACK, .ack = 1);
	since_ms = now_ms();
	while (!(socket_poll(c.fd) & POLLERR)) {
		ASSERT_GT(since_ms + 400000, now_ms());
		peer_drain(p, 1000);
	}
	EXPECT_LE(since_ms + 2 * RTO_MAX_US / 1000, now_ms());
	EXPECT_GE(since_ms + 3 * RTO_MAX_US / 1000, now_ms());
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
}

/* An orphan ends as early as any other: nobody waits for the window. */
TEST_F(persist, sm_f1_orphan_silence_beyond_the_edge)
{
	struct peer *p = &self->peer;
	int64_t since_ms;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "text");
	c.wnd = 0;
	conn_send(&c, .flags = ACK, .ack = 1);
	close(c.fd);
	since_ms = now_ms();
	while (conn_state(&c) != ST_CLOSED) {
		ASSERT_GT(since_ms + 400000, now_ms());
		peer_drain(p, 1000);
	}
	/* Eight retransmissions, 0.2 s and doubling: 102.2 s. */
	EXPECT_LE(since_ms + 100000, now_ms());
	EXPECT_GE(since_ms + 120000, now_ms());
}

TEST_F_TIMEOUT(persist, lc_57_unanswered, 4000)
{
	struct peer *p = &self->peer;
	struct counters before;
	int64_t delay;
	struct conn c;

	/* No answer: after fifteen it is over, as with retransmissions. */
	delay = open_closed_window(_metadata, p, &c);
	counters_take(&before);
	for (int i = 0; i < 15; i++) {
		expect_probe(&c, delay);
		delay = 2 * delay < RTO_MAX_US ? 2 * delay : RTO_MAX_US;
	}
	peer_expect_poll(p, c.fd, POLLERR, delay / 1000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "TCPWinProbe", 15, "OutSegs", 15,
			"TCPAbortOnTimeout", 1, "EstabResets", 1, "CurrEstab", -1,
			NULL);
}

TEST_F(persist, lc_57_user_timeout)
{
	struct peer *p = &self->peer;
	int64_t start_ns;
	struct conn c;

	NOT_ON_STOCK();		/* which is late by up to a probe */
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000));
	close_window(_metadata, &c);
	start_ns = p->mark_ns;
	for (int i = 0; i < 3; i++)
		conn_expect(&c, .flags = ACK, .seq = 12, .within_ms = 1700);
	p->mark_ns = start_ns;
	peer_expect_poll(p, c.fd, POLLERR, 3000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	peer_drain(p, 0);
}

/*
 * A user timeout shorter than the first interval: the peer is asked once, and has that long to
 * answer. Then it counts from the probe.
 */
TEST_F(persist, rfc5482_user_timeout_below_the_first_interval)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* which is late by up to a clock tick */
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 50));
	close_window(_metadata, &c);
	expect_probe(&c, rto_us(&c));
	peer_expect_poll(p, c.fd, POLLERR, 50);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	peer_drain(p, 0);
}

/* Nobody waits for an answer while TCP_CORK holds back what was written. */
TEST_F(persist, rfc5482_user_timeout_of_corked_bytes)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 50));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	peer_mark(p);
	ASSERT_EQ(5, send(c.fd, "after", 5, 0));
	conn_expect(&c, .flags = ACK | PSH, .len = 5, .within_ms = 300);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 1000);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(persist, lc_57_no_timer_without_text)
{
	struct peer *p = &self->peer;
	struct proc_row row;
	struct conn c;

	/* Nothing to send: the window does not matter. */
	conn_open(p, &c);
	c.wnd = 0;
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 100000);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(0, row.timer);
}

TEST_F(persist, lc_57_window_update_is_enough)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The peer sends first; it is answered at once. */
	conn_open(p, &c);
	close_window(_metadata, &c);
	peer_sleep_until(p, 50);
	open_window(&c);
	peer_expect_silence(p, 5000);
}

/* --- state by state ------------------------------------------------------ */

static void probes_in(struct __test_metadata *_metadata, struct peer *p,
		      enum conn_state st)
{
	const char *name = conn_state_name(st);
	bool fin = st != ST_ESTABLISHED && st != ST_CLOSE_WAIT;
	long long rows;
	struct conn c;

	conn_open(p, &c);
	if (st == ST_CLOSE_WAIT || st == ST_LAST_ACK)
		conn_advance(&c, ST_CLOSE_WAIT, false);
	close_window(_metadata, &c);
	if (fin)
		ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	if (st == ST_CLOSING) {
		conn_send(&c, .flags = FIN | ACK, .ack = 13);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 60);
	}
	conn_expect_state(&c, st);
	rows = lifecycle_count(name, "PERSIST-TIMEOUT", name);
	for (int i = 0; i < 3; i++) {
		conn_expect(&c, .flags = ACK, .seq = 12, .within_ms = 1000);
		conn_send(&c, .flags = ACK, .ack = 13);
	}
	if (!stock_mode())
		EXPECT_EQ(rows + 3, lifecycle_count(name, "PERSIST-TIMEOUT", name));
	conn_expect_state(&c, st);
	c.wnd = 65535;
	conn_send(&c, .flags = ACK, .ack = 13);
	conn_expect(&c, .flags = fin ? FIN | ACK | PSH : ACK | PSH, .seq = 13, .data = "after");
	conn_send(&c, .flags = ACK);
}

TEST_F(persist, sm_es_persist)
{
	probes_in(_metadata, &self->peer, ST_ESTABLISHED);
}

TEST_F(persist, sm_f1_persist)
{
	probes_in(_metadata, &self->peer, ST_FIN_WAIT_1);
}

TEST_F(persist, sm_cw_persist)
{
	probes_in(_metadata, &self->peer, ST_CLOSE_WAIT);
}

TEST_F(persist, sm_cg_persist)
{
	probes_in(_metadata, &self->peer, ST_CLOSING);
}

TEST_F(persist, sm_la_persist)
{
	probes_in(_metadata, &self->peer, ST_LAST_ACK);
}

TEST_F(persist, sm_f1_orphan_gives_up)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int probes = 0;

	/* An orphan: eight probes, the smaller retry limit. */
	conn_open(p, &c);
	close_window(_metadata, &c);
	close(c.fd);
	c.fd = -1;
	conn_expect_state(&c, ST_FIN_WAIT_1);
	counters_take(&before);
	while (conn_state(&c) != ST_CLOSED && probes < 20) {
		const struct segment *s = peer_read(p, now_ns() + 110 * NSEC_PER_SEC);

		if (!s)
			break;
		EXPECT_EQ(0, s->len);
		probes++;
	}
	sleep_ms(60000);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(8, probes);
	counters_ignore(&before, "OutSegs", NULL);
	counters_expect(_metadata, &before, "TCPWinProbe", 8, "TCPAbortOnTimeout", 1, NULL);
}

TEST_F(persist, sm_f1_orphan_retries2_limits_doublings)
{
	struct peer *p = &self->peer;
	int64_t delay;
	struct conn c;

	ASSERT_EQ(0, knob_set("retries2", 3));
	delay = open_closed_window(_metadata, p, &c);
	close(c.fd);
	c.fd = -1;
	for (int i = 0; i < 8; i++) {
		expect_probe(&c, delay);
		if (i < 3)
			delay *= 2;
	}
	conn_expect_move(&c, ST_FIN_WAIT_1, ST_CLOSED, delay / 1000);
}

/* Answers to probes do not keep an orphan. */
static void orphan_ends_though_answered(struct __test_metadata *_metadata, struct peer *p)
{
	struct counters before;
	int64_t delay;
	struct conn c;

	delay = open_closed_window(_metadata, p, &c);
	close(c.fd);
	c.fd = -1;
	counters_begin(&before);
	counters_ignore(&before, "TCPPureAcks", NULL);
	/* Until two probes are as far apart as they can be. */
	for (; delay < RTO_MAX_US; delay *= 2) {
		conn_expect_state(&c, ST_FIN_WAIT_1);
		expect_probe(&c, delay);
		conn_send(&c, .flags = ACK, .ack = 13);
	}
	conn_expect_move(&c, ST_FIN_WAIT_1, ST_CLOSED, RTO_MAX_US / 1000);
	peer_expect_silence(p, 200000);
	counters_expect(_metadata, &before, "TCPWinProbe", 10, "TCPAbortOnTimeout", 1,
			NULL);
}

TEST_F_TIMEOUT(persist, sm_f1_orphan_ends_though_answered, 3000)
{
	orphan_ends_though_answered(_metadata, &self->peer);
}

TEST_F_TIMEOUT(persist, sm_f1_orphan_ends_though_answered_with_small_retries2, 3000)
{
	NOT_ON_STOCK();		/* where the interval never gets so long */
	ASSERT_EQ(0, knob_set("retries2", 3));
	orphan_ends_though_answered(_metadata, &self->peer);
}

/* A value of xtcp_orphan_retries counts the probes, answered or not, up to that end. */
TEST_F_TIMEOUT(persist, sm_f1_orphan_ends_though_answered_12_times, 3000)
{
	struct peer *p = &self->peer;
	struct counters before;
	int64_t delay;
	struct conn c;

	ASSERT_EQ(0, knob_set("orphan_retries", 12));
	delay = open_closed_window(_metadata, p, &c);
	close(c.fd);
	c.fd = -1;
	counters_begin(&before);
	counters_ignore(&before, "TCPPureAcks", NULL);
	for (int i = 0; i < 12; i++) {
		expect_probe(&c, delay);
		conn_send(&c, .flags = ACK, .ack = 13);
		delay = 2 * delay < RTO_MAX_US ? 2 * delay : RTO_MAX_US;
	}
	conn_expect_move(&c, ST_FIN_WAIT_1, ST_CLOSED, RTO_MAX_US / 1000);
	peer_expect_silence(p, 200000);
	counters_expect(_metadata, &before, "TCPWinProbe", 12, "TCPAbortOnTimeout", 1,
			NULL);
}

/*
 * The same if the peer answers no probe. If an ICMP error has come, the orphan ends as soon as the
 * interval is the largest.
 */
static void orphan_ends_unanswered(struct __test_metadata *_metadata, struct peer *p,
				   bool unreachable, int probes)
{
	int64_t delay;
	struct conn c;

	ASSERT_EQ(0, knob_set("orphan_retries", 12));
	delay = open_closed_window(_metadata, p, &c);
	close(c.fd);
	c.fd = -1;
	for (int i = 0; i < probes; i++) {
		expect_probe(&c, delay);
		if (!i && unreachable)
			peer_send_icmp(p, .type = ICMP_TIME_EXCEEDED, .code = ICMP_EXC_TTL,
				       .quote_seq = p->last.seq + 1);
		delay = 2 * delay < RTO_MAX_US ? 2 * delay : RTO_MAX_US;
	}
	ASSERT_EQ(RTO_MAX_US, delay);
	conn_expect_move(&c, ST_FIN_WAIT_1, ST_CLOSED, RTO_MAX_US / 1000);
	peer_expect_silence(p, 200000);
}

TEST_F_TIMEOUT(persist, sm_f1_orphan_ends_after_12_probes, 3000)
{
	orphan_ends_unanswered(_metadata, &self->peer, false, 12);
}

TEST_F_TIMEOUT(persist, sm_f1_orphan_ends_early_if_unreachable, 3000)
{
	orphan_ends_unanswered(_metadata, &self->peer, true, 10);
}

/* --- what can't leave this machine ---------------------------------------- */

static void run(struct __test_metadata *_metadata, const char *command)
{
	ASSERT_EQ(0, system(command)) TH_LOG("%s", command);
}

/* A rule of OUTPUT, or of the routes, that lets no packet out to the peer. */
static void way_shut(struct __test_metadata *_metadata, const struct peer *p, bool rule)
{
	char command[128], to[64];

	if (rule) {
		run(_metadata, "nft 'add table inet t; add chain inet t out "
			       "{ type filter hook output priority 0; policy drop; }'");
		return;
	}
	snprintf(command, sizeof(command), "ip route add unreachable %s metric 1",
		 ipaddr_text(&p->addr, to, sizeof(to)));
	run(_metadata, command);
}

static void way_opened(struct __test_metadata *_metadata, const struct peer *p, bool rule)
{
	char command[128], to[64];

	snprintf(command, sizeof(command), "ip route del unreachable %s",
		 ipaddr_text(&p->addr, to, sizeof(to)));
	run(_metadata, rule ? "nft delete table inet t" : command);
}

/* The time of the @n-th attempt: RTO, 2 * RTO, ... apart, 120 s at most. */
static int64_t attempt_us(int64_t rto, int n)
{
	int64_t at = 0;

	for (; n; n--, rto *= 2)
		at += rto < RTO_MAX_US ? rto : RTO_MAX_US;
	return at;
}

/* Data with nothing in flight, and no route: five bytes that wait. */
static int64_t send_in_vain(struct __test_metadata *_metadata, struct conn *c,
			    bool rule, int user_timeout_ms)
{
	int64_t rto;

	conn_open(c->peer, c);
	rto = rto_us(c);
	if (user_timeout_ms)
		ASSERT_EQ(0, socket_set(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
					user_timeout_ms));
	way_shut(_metadata, c->peer, rule);
	peer_mark(c->peer);
	ASSERT_EQ(5, send(c->fd, "after", 5, 0));
	return rto;
}

static void gives_up_at_r2(struct __test_metadata *_metadata, struct peer *p, bool rule)
{
	struct conn c = { .peer = p };
	int64_t rto = send_in_vain(_metadata, &c, rule, 0);

	/* Fifteen attempts after the first, as with unanswered probes. */
	peer_expect_poll(p, c.fd, POLLERR, attempt_us(rto, 16) / 1000);
	/* The socket keeps the error of IPv6's routes. */
	EXPECT_EQ(rule || p->family == AF_INET ? ETIMEDOUT : EHOSTUNREACH,
		  socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F_TIMEOUT(persist, rfc9293_must_20_no_route_until_r2, 4000)
{
	gives_up_at_r2(_metadata, &self->peer, false);
}

TEST_F_TIMEOUT(persist, rfc9293_must_20_dropped_at_home_until_r2, 4000)
{
	gives_up_at_r2(_metadata, &self->peer, true);
}

static void user_timeout_holds(struct __test_metadata *_metadata, struct peer *p, bool rule)
{
	static const int timeouts_ms[] = { 3000, 60000 };

	for (size_t i = 0; i < ARRAY_SIZE(timeouts_ms); i++) {
		struct conn c = { .peer = p };

		send_in_vain(_metadata, &c, rule, timeouts_ms[i]);
		peer_expect_poll(p, c.fd, POLLERR, timeouts_ms[i]);
		EXPECT_EQ(rule || p->family == AF_INET ? ETIMEDOUT : EHOSTUNREACH,
			  socket_error(c.fd));
		conn_expect_state(&c, ST_CLOSED);
		way_opened(_metadata, p, rule);
		close(c.fd);
		close(c.lfd);
	}
}

/* What is in flight then is not sent again, and the connection ends with the error of the route. */
TEST_F(persist, route_is_lost_with_data_in_flight)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000));
	ASSERT_EQ(5, send(c.fd, "first", 5, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "first");
	counters_take(&before);
	way_shut(_metadata, p, false);
	EXPECT_EQ(1, poll(&(struct pollfd){ .fd = c.fd }, 1, 5000));
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
	EXPECT_EQ(0, counter_moved(&before, "RetransSegs"));
	EXPECT_EQ(0, counter_moved(&before, "TCPRetransFail"));
	EXPECT_EQ(1, counter_moved(&before, "TCPAbortOnTimeout"));
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(persist, rfc5482_user_timeout_without_route)
{
	NOT_ON_STOCK();		/* which counts it from the first attempt after */
	user_timeout_holds(_metadata, &self->peer, false);
}

TEST_F(persist, rfc5482_user_timeout_dropped_at_home)
{
	NOT_ON_STOCK();
	user_timeout_holds(_metadata, &self->peer, true);
}

TEST_F(persist, shld_30_no_route_and_back)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	struct socket_info info;
	int64_t rto;

	/* After five failed attempts: with the sixth the data leaves. */
	rto = send_in_vain(_metadata, &c, false, 0);
	peer_expect_silence_until(p, attempt_us(rto, 5) / 1000 + 300);
	info = conn_info(&c);
	EXPECT_EQ(5, info.probes);
	way_opened(_metadata, p, false);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "after",
		    .at_ms = attempt_us(rto, 6) / 1000);
	info = conn_info(&c);
	EXPECT_EQ(0, info.probes);
	EXPECT_EQ(1, info.unacked);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 5000);
}

/* A queue that takes nothing, or all. */
static void queue_limit(struct __test_metadata *_metadata, uint32_t bytes)
{
	shaper_set(WHERE(_metadata), "tun0", 10 * 1000 * 1000, bytes);
}

TEST_F(persist, queue_of_this_host_is_full)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct conn c;
	int64_t rto;

	/* Each attempt counts, but there is no backoff: the next comes half a second later. */
	conn_open(p, &c);
	rto = rto_us(&c) / 1000;
	queue_limit(_metadata, 1);
	peer_mark(p);
	ASSERT_EQ(5, send(c.fd, "after", 5, 0));
	peer_expect_silence_until(p, rto + 1700);
	info = conn_info(&c);
	EXPECT_EQ(4, info.probes);
	queue_limit(_metadata, 100000);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "after", .at_ms = rto + 2000);
	EXPECT_EQ(0, conn_info(&c).probes);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 5000);
}

TEST_F(persist, rfc5482_queue_of_this_host_is_full)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* which counts from the first attempt after */
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3100));
	queue_limit(_metadata, 1);
	peer_mark(p);
	ASSERT_EQ(5, send(c.fd, "after", 5, 0));
	peer_expect_poll(p, c.fd, POLLERR, 3100);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
}

/* The peer's segments do not begin the wait anew. */
TEST_F(persist, rfc5482_queue_is_full_and_the_peer_sends)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3100));
	queue_limit(_metadata, 1);
	peer_mark(p);
	ASSERT_EQ(5, send(c.fd, "after", 5, 0));
	for (int i = 1; i <= 30; i++) {
		peer_sleep_until(p, 100 * i);
		conn_send(&c, .flags = ACK | PSH, .data = "text");
	}
	EXPECT_EQ(0, socket_poll(c.fd) & POLLERR);
	peer_expect_poll(p, c.fd, POLLERR, 3100);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F_TIMEOUT(persist, sm_f1_orphan_without_route, 2000)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int64_t rto;

	/* Its FIN is tried eight times more. */
	conn_open(p, &c);
	rto = rto_us(&c);
	way_shut(_metadata, p, false);
	counters_begin(&before);
	peer_mark(p);
	close(c.fd);
	c.fd = -1;
	conn_expect_move(&c, ST_FIN_WAIT_1, ST_CLOSED, attempt_us(rto, 9) / 1000);
	counters_expect(_metadata, &before, "CurrEstab", -1, "TCPAbortOnTimeout", 1, NULL);
}

/* --- junk is no answer ---------------------------------------------------- */

TEST_F_TIMEOUT(persist, rfc9293_shld_17_junk_is_no_answer, 2000)
{
	struct peer *p = &self->peer;
	struct conn c, was;

	/* Data in flight, the window closed; then the peer is gone for good. */
	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "text");
	c.wnd = 0;
	conn_send(&c, .flags = ACK, .ack = 1);
	peer_mark(p);
	was = c;
	while (peer_elapsed_ms(p) < 600000 && !(socket_poll(c.fd) & POLLERR)) {
		conn_send(&c, .flags = RST, .seq = -100000);
		conn_send(&c, .flags = ACK, .seq = -100000);
		c = was;
		peer_drain(p, 10000);
	}
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
}

/* --- counters ------------------------------------------------------------ */

TEST_F(persist, ctr_TCPWinProbe)
{
	struct counters before;
	struct conn c;

	conn_open(&self->peer, &c);
	close_window(_metadata, &c);
	counters_take(&before);
	expect_probe(&c, rto_us(&c));
	counters_expect(_metadata, &before, "TCPWinProbe", 1, "OutSegs", 1, NULL);
	open_window(&c);
}

TEST_HARNESS_MAIN
