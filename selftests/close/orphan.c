// SPDX-License-Identifier: GPL-2.0
/*
 * orphan: a connection whose program has closed: how often its FIN is repeated, how
 * long FIN-WAIT-2 may last, what happens to data that still arrives. RFC 9293 3.6,
 * 3.6.1, 3.8.3; xtcp_orphan_retries, xtcp_fin_timeout, TCP_LINGER2.
 */
/* vm: wires v6 families */
#include "lib/xtcp_test.h"

#include <fcntl.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

PEER_FIXTURE(orphan);

/* The kernel's TCP sends a loss probe first and counts its time in ticks. */
#define EXACT_TIMES_ONLY() NOT_ON_STOCK()

/*
 * FIN at 0, then after RTO, and each time after twice as long, at most @max_us; @retries times.
 * Then silence, and no row once the next timeout is over. RTO in us, as in TCP_INFO.
 */
static void expect_fins_within(struct conn *c, uint32_t rto_us, int64_t max_us, int retries,
			       bool last_ack)
{
	struct peer *p = c->peer;
	int64_t us = 0, step = rto_us;

	for (int i = 1; i <= retries; i++) {
		us += step;
		step = 2 * step < max_us ? 2 * step : max_us;
		conn_expect(c, .flags = FIN | ACK, .seq = 1, .ack = conn_peer_nxt(c),
			    .at_ms = us / 1000);
	}
	us += step;
	conn_expect_move(c, last_ack ? ST_LAST_ACK : ST_FIN_WAIT_1, ST_CLOSED, us / 1000);
	peer_expect_silence(p, 200000);
}

static void expect_fins(struct conn *c, uint32_t rto_us, int retries, bool last_ack)
{
	expect_fins_within(c, rto_us, INT64_MAX, retries, last_ack);
}

static void resend_fin(struct __test_metadata *_metadata, struct peer *p,
		       int knob, int retries, bool last_ack)
{
	struct socket_info info;
	struct counters before;
	struct conn c;

	EXACT_TIMES_ONLY();
	EXPECT_EQ(0, knob_get("orphan_retries"));
	ASSERT_EQ(0, knob_set("orphan_retries", knob));
	conn_to_state(p, &c, last_ack ? ST_CLOSE_WAIT : ST_ESTABLISHED);
	info = conn_info(&c);
	counters_begin(&before);
	counters_ignore(&before, "TCPLostRetransmit", NULL);
	peer_mark(p);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .at_ms = 0);
	expect_fins(&c, info.rto_us, retries, last_ack);
	counters_expect(_metadata, &before, "CurrEstab", -1, "RetransSegs", retries,
			"TCPTimeouts", retries + 1, "TCPAbortOnTimeout", 1, NULL);
	/* A segment after that is answered with a RST. */
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = RST, .seq = 2);
}

TEST_F(orphan, lc_82_last_ack_repeats_its_fin)
{
	resend_fin(_metadata, &self->peer, 0, 8, true);
}

TEST_F(orphan, lc_82_fin_wait_1_repeats_its_fin)
{
	resend_fin(_metadata, &self->peer, 0, 8, false);
}

TEST_F(orphan, knob_orphan_retries_3)
{
	resend_fin(_metadata, &self->peer, 3, 3, true);
}

TEST_F(orphan, knob_orphan_retries_range)
{
	EXPECT_EQ(0, knob_get("orphan_retries"));
	EXPECT_EQ(0, knob_set("orphan_retries", 255));
	EXPECT_EQ(EINVAL, knob_set("orphan_retries", 256));
	EXPECT_EQ(EINVAL, knob_set("orphan_retries", -1));
	EXPECT_EQ(255, knob_get("orphan_retries"));
}

/* A router's temporary error is no reason to give up. */
TEST_F(orphan, lc_82_unreachable_peer)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct conn c;

	EXACT_TIMES_ONLY();
	conn_to_state(p, &c, ST_CLOSE_WAIT);
	info = conn_info(&c);
	peer_mark(p);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .at_ms = 0);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH);
	expect_fins(&c, info.rto_us, 8, true);
}

/*
 * The largest timeout is a second: timeouts of 0.2, 0.4, 0.8, 1, 1... s. @exceeded: a router
 * reports that the FIN's time to live was too short.
 */
static void fin_until_rto_max(struct __test_metadata *_metadata, struct peer *p, int knob,
			      bool exceeded, int retries)
{
	struct socket_info info;
	struct conn c;

	NOT_ON_STOCK();		/* no such knob before Linux 6.15 */
	ASSERT_EQ(0, knob_set("orphan_retries", knob));
	ASSERT_EQ(0, knob_set("rto_max_ms", 1000));
	conn_to_state(p, &c, ST_CLOSE_WAIT);
	info = conn_info(&c);
	peer_mark(p);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .at_ms = 0);
	if (exceeded)
		peer_send_icmp(p, .type = ICMP_TIME_EXCEEDED, .code = ICMP_EXC_TTL);
	expect_fins_within(&c, info.rto_us, 1000000, retries, true);
}

/* The default, 0, means eight only below the largest timeout, whose end closes it. */
TEST_F(orphan, knob_orphan_retries_0_at_the_largest_timeout)
{
	fin_until_rto_max(_metadata, &self->peer, 0, false, 3);
}

/* Another value also counts at the largest timeout: six retransmissions take 5.4 s. */
TEST_F(orphan, knob_orphan_retries_6_at_the_largest_timeout)
{
	fin_until_rto_max(_metadata, &self->peer, 6, false, 6);
}

/* After an ICMP error it counts only below the largest timeout. */
TEST_F(orphan, knob_orphan_retries_6_unreachable_at_the_largest_timeout)
{
	fin_until_rto_max(_metadata, &self->peer, 6, true, 3);
}

/*
 * The same with the largest timeout of 120 s. Only a connection whose program closes it late gets
 * there: 204.6 s have passed, and the time of 12 timeouts is 564.6 s.
 */
static void close_at_rto_max(struct __test_metadata *_metadata, struct peer *p, bool exceeded)
{
	struct counters before;
	int64_t delay_us;
	struct conn c;

	ASSERT_EQ(0, knob_set("early_retrans", 0));
	ASSERT_EQ(0, knob_set("orphan_retries", 12));
	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .data = "text");
	peer_mark_last(p);
	delay_us = conn_info(&c).rto_us;
	for (int i = 0; i < 10; i++, delay_us *= 2) {
		conn_expect(&c, .flags = PSH | ACK, .seq = 1, .data = "text",
			    .at_ms = delay_us / 1000);
		peer_mark_last(p);
	}
	EXPECT_LT(120000000, delay_us);
	if (exceeded)
		peer_send_icmp(p, .type = ICMP_TIME_EXCEEDED, .code = ICMP_EXC_TTL);
	close(c.fd);
	peer_drain(p, 10);
	counters_take(&before);
	for (int i = 0; !exceeded && i < 2; i++) {
		conn_expect(&c, .seq = 1, .data = "text", .at_ms = 120000);
		peer_mark_last(p);
	}
	conn_expect_move(&c, ST_FIN_WAIT_1, ST_CLOSED, 120000);
	EXPECT_EQ(1, counter_moved(&before, "TCPAbortOnTimeout"));
	peer_expect_silence(p, 200000);
}

TEST_F_TIMEOUT(orphan, knob_orphan_retries_12_closed_at_the_largest_timeout, 1000)
{
	close_at_rto_max(_metadata, &self->peer, false);
}

TEST_F_TIMEOUT(orphan, knob_orphan_retries_12_unreachable_at_the_largest_timeout, 1000)
{
	close_at_rto_max(_metadata, &self->peer, true);
}

TEST_F(orphan, lc_82_ack_ends_it_any_time)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_LAST_ACK, .orphan = true);
	p->leave_unread = true;
	peer_drain(p, 5000);
	conn_send(&c, .flags = ACK, .ack = 2);
	conn_expect_state(&c, ST_CLOSED);
	peer_expect_silence(p, 120000);
}

/* While a program holds the socket, its own retry limit counts. */
TEST_F(orphan, lc_82_shutdown_is_no_orphan)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("orphan_retries", 1));
	conn_to_state(p, &c, ST_LAST_ACK);
	peer_drain(p, 20000);
	conn_expect_state(&c, ST_LAST_ACK);
}

static void expect_record_for(struct __test_metadata *_metadata, struct conn *c,
			      int64_t ms, const char *counter)
{
	struct peer *p = c->peer;
	struct counters before;
	struct proc_row row;

	counters_begin(&before);
	peer_mark(p);
	conn_send(c, .flags = ACK);
	conn_expect_state(c, ST_ORPHAN_FIN_WAIT_2);
	if (!stock_mode())
		EXPECT_EQ(1, lifecycle_count("FIN-WAIT-2", "ORPHAN-RECORD", "FIN-WAIT-2"));
	ASSERT_TRUE(proc_row_find(&row, p->family, c->kport, c->pport, NULL));
	EXPECT_EQ(ROW_FIN_WAIT_2, row.st);
	EXPECT_EQ(3, row.timer);
	EXPECT_LE(ms / 10 - 10, row.timer_cs);
	EXPECT_GE(ms / 10 + (stock_mode() ? 10 : 0), row.timer_cs);
	conn_expect_move(c, ST_ORPHAN_FIN_WAIT_2, ST_CLOSED, ms);
	if (!stock_mode())
		EXPECT_EQ(1, lifecycle_count("FIN-WAIT-2", "FIN-WAIT-2-TIMEOUT", "CLOSED"));
	counters_expect(_metadata, &before, counter, 1, NULL);
	/* It ended without a segment; a later FIN finds no connection. */
	peer_expect_silence(p, 1000);
	conn_send(c, .flags = FIN | ACK);
	conn_expect(c, .flags = RST, .seq = 2);
}

TEST_F(orphan, lc_83_fin_wait_2_lasts_60s)
{
	struct conn c;

	EXPECT_EQ(60, knob_get("fin_timeout"));
	conn_to_state(&self->peer, &c, ST_FIN_WAIT_1, .orphan = true);
	expect_record_for(_metadata, &c, 60000, "TW");
}

TEST_F(orphan, knob_fin_timeout_5)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("fin_timeout", 5));
	conn_to_state(&self->peer, &c, ST_FIN_WAIT_1, .orphan = true);
	expect_record_for(_metadata, &c, 5000, "TW");
}

TEST_F(orphan, ctr_TWKilled)
{
	struct conn c;

	/* Linux's name for a record that lives 4 s or less. */
	ASSERT_EQ(0, knob_set("fin_timeout", 4));
	conn_to_state(&self->peer, &c, ST_FIN_WAIT_1, .orphan = true);
	expect_record_for(_metadata, &c, 4000, "TWKilled");
}

TEST_F(orphan, knob_fin_timeout_90)
{
	struct peer *p = &self->peer;
	struct proc_row row;
	struct conn c;

	/*
	 * A record lives 60 s at most: the excess is spent as a socket. Linux does so,
	 * too, but then waits the excess once more instead of 60 s.
	 */
	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("fin_timeout", 90));
	conn_to_state(p, &c, ST_FIN_WAIT_1, .orphan = true);
	peer_mark(p);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_FIN_WAIT_2);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(0, row.inode);
	EXPECT_EQ(2, row.timer);
	conn_expect_move(&c, ST_FIN_WAIT_2, ST_ORPHAN_FIN_WAIT_2, 30000);
	conn_expect_move(&c, ST_ORPHAN_FIN_WAIT_2, ST_CLOSED, 90000);
	peer_expect_silence(p, 1000);
}

/* 50 days are more milliseconds than 32 bits hold. */
TEST_F(orphan, knob_fin_timeout_of_days)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("fin_timeout", 4294970));
	conn_to_state(p, &c, ST_FIN_WAIT_1, .orphan = true);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 100000);
	conn_expect_state(&c, ST_FIN_WAIT_2);
	conn_send(&c, .flags = RST);
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(orphan, knob_fin_timeout_range)
{
	EXPECT_EQ(60, knob_get("fin_timeout"));
	EXPECT_EQ(EINVAL, knob_set_text("fin_timeout", "soon"));
	EXPECT_EQ(60, knob_get("fin_timeout"));
	EXPECT_EQ(0, knob_set("fin_timeout", 1));
	EXPECT_EQ(1, knob_get("fin_timeout"));
}

/* Never below 3.5 RTO: the peer's FIN could not come sooner. */
TEST_F(orphan, knob_fin_timeout_floor)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct conn c;

	EXACT_TIMES_ONLY();
	ASSERT_EQ(0, knob_set("fin_timeout", 1));
	conn_open(p, &c, .rtt_ms = 400);
	info = conn_info(&c);
	EXPECT_LT(400000, info.rto_us);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK);
	sleep_ms(400);
	conn_send(&c, .flags = ACK);
	peer_mark(p);
	/* The second sample has lowered the RTO a little. */
	sleep_ms(1400);
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
	sleep_ms(info.rto_us * 7 / 2 / 1000 - 1400 + 2);
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(orphan, lc_83_linger2)
{
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_LINGER2, 7));
	conn_advance(&c, ST_FIN_WAIT_1, true);
	expect_record_for(_metadata, &c, 7000, "TW");
}

/* The floor of the knob holds for the option, too: 3.5 RTO. */
TEST_F(orphan, lc_83_linger2_floor)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("rto_min_us", 500000));
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_LINGER2, 1));
	conn_advance(&c, ST_FIN_WAIT_1, true);
	expect_record_for(_metadata, &c, 1750, "TWKilled");
}

/* No time is the least time, 3.5 RTO, as in Linux. */
TEST_F(orphan, knob_fin_timeout_0_and_less)
{
	static const char *const values[] = { "0", "-1", "-60" };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		struct conn c;

		peer_note(p, "fin_timeout %s", values[i]);
		ASSERT_EQ(0, knob_set_text("fin_timeout", values[i]));
		conn_to_state(p, &c, ST_FIN_WAIT_1, .orphan = true, .kport = 6000 + i);
		peer_mark(p);
		conn_send(&c, .flags = ACK);
		conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
		conn_expect_move(&c, ST_ORPHAN_FIN_WAIT_2, ST_CLOSED, 700);
	}
}

TEST_F(orphan, lc_83_negative_linger2_resets)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* close() in FIN-WAIT-2. */
	conn_to_state(p, &c, ST_FIN_WAIT_2);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_LINGER2, -1));
	counters_begin(&before);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 2, .ack = 1);
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "OutRsts", 1, "TCPAbortOnLinger", 1, NULL);
}

TEST_F(orphan, lc_83_negative_linger2_in_fin_wait_1)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* The FIN is acknowledged after close(). */
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_LINGER2, -1));
	conn_advance(&c, ST_FIN_WAIT_1, true);
	counters_take(&before);
	conn_send(&c, .flags = ACK);
	if (stock_mode())
		peer_drain(p, 10);
	else
		conn_expect(&c, .flags = RST | ACK, .seq = 2, .ack = 1);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(1, counter_moved(&before, "TCPAbortOnData"));
	EXPECT_EQ(0, counter_moved(&before, "TCPAbortOnLinger"));
}

/* An ACK that waited for its timer leaves when close() hands FIN-WAIT-2 over to a record. */
TEST_F(orphan, lc_83_close_sends_the_pending_ack)
{
	struct peer *p = &self->peer;
	struct conn c;
	char text[8];

	conn_to_state(p, &c, ST_FIN_WAIT_2);
	conn_send(&c, .flags = ACK | PSH, .data = "text");
	ASSERT_EQ(4, recv(c.fd, text, sizeof(text), MSG_DONTWAIT));
	close(c.fd);
	conn_expect(&c, .flags = ACK, .ack = 5);
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
}

TEST_F(orphan, lc_83_fin_leads_to_time_wait)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, knob_set("fin_timeout", 20));
	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2);
	sleep_ms(15000);
	counters_begin(&before);
	peer_mark(p);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2, .at_ms = 0);
	conn_expect_move(&c, ST_TIME_WAIT, ST_CLOSED, 60000);
	counters_expect(_metadata, &before, NULL);
}

TEST_F(orphan, lc_85_text_after_close_in_fin_wait_1)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_1, .orphan = true);
	counters_begin(&before);
	conn_send(&c, .flags = PSH | ACK, .data = "anybody?", .ack = 2);
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "OutRsts", 1, "TCPAbortOnData", 1, NULL);
}

/* What is missing before the FIN is text, too. */
TEST_F(orphan, rfc9293_shld_03_fin_above_a_hole_is_reset)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_1, .orphan = true);
	counters_begin(&before);
	conn_send(&c, .flags = FIN | ACK, .seq = 100, .ack = 2);
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "OutRsts", 1, "TCPAbortOnData", 1, NULL);
}

TEST_F(orphan, rfc9293_shld_03_text_after_close_is_reset)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* In FIN-WAIT-2 as a record, and as a socket. */
	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2);
	conn_send(&c, .flags = PSH | ACK, .data = "anybody?");
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&c, ST_CLOSED);

	ASSERT_EQ(0, knob_set("fin_timeout", 100));
	conn_to_state(p, &c, ST_FIN_WAIT_1, .orphan = true, .kport = 6000);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_FIN_WAIT_2);
	conn_send(&c, .flags = PSH | ACK, .data = "anybody?");
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&c, ST_CLOSED);
}

/*
 * The edges of a record's window, which is the last announced one. A segment without text is
 * within the window at its end, too; text is not.
 */
TEST_F(orphan, rfc9293_3_10_7_4_edges_of_a_records_window)
{
	static const int scales[] = { 0, 7 };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(scales); i++) {
		struct counters before;
		int64_t edge;
		struct conn c;

		conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2, .kport = 6000 + i,
			      .opt = scales[i] ? OPT(OPT_MSS(1460), OPT_WSCALE(7)) :
						 OPT(OPT_MSS(1460)));
		edge = 1 + ((int64_t)p->last.wnd << c.kern_wscale);
		if (scales[i])
			EXPECT_LT(0, c.kern_wscale);
		/* Any RST within the window ends a record of the kernel's TCP. */
		if (!stock_mode()) {
			counters_begin(&before);
			conn_send(&c, .flags = RST, .seq = edge + 1);
			peer_expect_silence(p, 1000);
			counters_expect(_metadata, &before, NULL);
			counters_begin(&before);
			conn_send(&c, .flags = RST, .seq = edge);
			conn_expect(&c, .flags = ACK, .seq = 2, .ack = 1);
			counters_expect(_metadata, &before, "TCPChallengeACK", 1, NULL);
			sleep_ms(1000);
		}
		conn_send(&c, .flags = ACK, .seq = edge, .len = 1);
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = 1);
		conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
		conn_send(&c, .flags = ACK, .seq = edge - 1, .len = 1);
		conn_expect(&c, .flags = RST, .seq = 2);
		conn_expect_state(&c, ST_CLOSED);
	}
}

/*
 * A SYN-ACK with payload, which begins below the record's window and ends in it: what is in the
 * window is payload after close().
 */
TEST_F(orphan, rfc9293_3_10_7_4_syn_below_and_text_in_a_records_window)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2);
	counters_begin(&before);
	conn_send(&c, .flags = SYN | ACK, .seq = 0, .ack = 2, .data = "ten bytes.");
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&c, ST_CLOSED);
	if (!stock_mode())
		EXPECT_EQ(1, counter_moved(&before, "XtcpResetSentTextAfterClose"));
	EXPECT_EQ(0, counter_moved(&before, "TCPSYNChallenge"));
}

/* Data written before close() is still sent, and repeated. */
TEST_F(orphan, lc_70_text_of_the_dead_is_delivered)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .wnd = 0);
	ASSERT_EQ(4, send(c.fd, "will", 4, 0));
	close(c.fd);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	/* The window opens: data and FIN at once. */
	conn_send(&c, .flags = ACK, .wnd = 5000);
	conn_expect(&c, .flags = FIN | PSH | ACK, .seq = 1, .data = "will");
	conn_expect(&c, .flags = FIN | PSH | ACK, .seq = 1, .data = "will",
		    .within_ms = 1100);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
}

TEST_F(orphan, ctr_TCPAbortOnTimeout_window_stays_shut)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	EXACT_TIMES_ONLY();
	/* A peer that does not answer the probes of an orphan. */
	ASSERT_EQ(0, knob_set("orphan_retries", 3));
	conn_open(p, &c, .wnd = 0);
	ASSERT_EQ(4, send(c.fd, "will", 4, 0));
	counters_begin(&before);
	close(c.fd);
	for (int i = 0; i < 3; i++)
		conn_expect(&c, .flags = ACK, .seq = 0, .within_ms = 2000);
	sleep_ms(5000);
	conn_expect_state(&c, ST_CLOSED);
	peer_expect_silence(p, 100000);
	counters_expect(_metadata, &before, "CurrEstab", -1, "TCPWinProbe", 3,
			"TCPAbortOnTimeout", 1, NULL);
}

/* --- xtcp_max_orphans: the machine's, and put back in any case ------------- */

#define MAX_ORPHANS "/proc/sys/net/ipv4/xtcp_max_orphans"

/* NULL: the default of the kernel's TCP. */
static void limit_orphans(struct __test_metadata *_metadata, const char *value)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY);
	int first = open("/proc/1/ns/net", O_RDONLY);
	char stocks[32];

	netns_enter(WHERE(_metadata), first);
	ASSERT_EQ(0, sysctl_read("/proc/sys/net/ipv4/tcp_max_orphans", stocks, sizeof(stocks)));
	EXPECT_EQ(0, sysctl_write(MAX_ORPHANS, value ? value : stocks));
	netns_enter(WHERE(_metadata), home);
	close(first);
	close(home);
}

FIXTURE(crowd) {
	struct peer peer;
};

FIXTURE_SETUP(crowd)
{
	if (!stock_mode()) {
		/* Orphans of earlier tests count too, until they give up. */
		sleep_ms(300000);
		limit_orphans(_metadata, "2");
	}
	peer_open_at(WHERE(_metadata), &self->peer, NULL);
}

FIXTURE_TEARDOWN(crowd)
{
	if (!stock_mode())
		limit_orphans(_metadata, NULL);
	peer_close_at(WHERE(_metadata), &self->peer);
}

TEST_F(crowd, knob_max_orphans_at_close)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c[3], later;
	int log;

	NOT_ON_STOCK();
	for (int i = 0; i < 3; i++)
		conn_open(p, &c[i], .kport = 6000 + i);
	conn_open(p, &later, .kport = 6003);
	for (int i = 0; i < 2; i++) {
		close(c[i].fd);
		conn_expect(&c[i], .flags = FIN | ACK, .seq = 1);
	}
	log = klog_open(_metadata);
	counters_take(&before);
	close(c[2].fd);
	/* The FIN is in flight already. */
	conn_expect(&c[2], .flags = FIN | ACK, .seq = 1);
	conn_expect(&c[2], .flags = RST | ACK, .seq = 2);
	conn_expect_state(&c[2], ST_CLOSED);
	counters_expect(_metadata, &before, "TCPAbortOnMemory", 1, "OutRsts", 1,
			"CurrEstab", -1, "OutSegs", 2, "TCPOrigDataSent", 1,
			"XtcpResetSentNoMemory", 1, NULL);
	EXPECT_EQ(1, klog_lines(log, "xtcp: too many orphans (xtcp_max_orphans)"));
	conn_expect_state(&c[0], ST_FIN_WAIT_1);
	/* A record is no orphan: the first one makes room by becoming a record. */
	conn_send(&c[0], .flags = ACK, .ack = 2);
	conn_expect_state(&c[0], ST_ORPHAN_FIN_WAIT_2);
	close(later.fd);
	conn_expect(&later, .flags = FIN | ACK, .seq = 1);
	conn_expect_state(&later, ST_FIN_WAIT_1);
	p->leave_unread = true;
}

static void close_in_user_namespace(struct __test_metadata *_metadata)
{
	struct peer inner;
	struct conn c;

	user_namespace_enter(WHERE(_metadata));
	peer_open_at(WHERE(_metadata), &inner, NULL);
	conn_open(&inner, &c);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1);
	conn_expect(&c, .flags = RST | ACK, .seq = 2);
	peer_close_at(WHERE(_metadata), &inner);
}

/* A user may own the namespace, and could fill the machine's log. */
TEST_F(crowd, knob_max_orphans_no_line_in_a_user_namespace)
{
	int log;

	NOT_ON_STOCK();
	limit_orphans(_metadata, "0");
	log = klog_open(_metadata);
	child_run(_metadata, close_in_user_namespace);
	EXPECT_EQ(0, klog_lines(log, "too many orphans"));
}

/*
 * An orphan whose peer is unreachable counts twice, but not at close(): it gets one
 * timeout, as in Linux.
 */
TEST_F(crowd, knob_max_orphans_counts_the_unreachable_twice)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct conn c;

	NOT_ON_STOCK();
	limit_orphans(_metadata, "1");
	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = PSH | ACK, .data = "text");
	peer_mark_last(p);
	info = conn_info(&c);
	peer_send_icmp(p, .type = 3, .code = 1);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 5);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	peer_sleep_until(p, info.rto_us * 3 / 1000);
	p->leave_unread = true;
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(1, lifecycle_count("FIN-WAIT-1", "NO-MEMORY", "CLOSED"));
}

/*
 * An orphan whose window is closed. The peer answers no probe: @probes of them, the first one
 * after an RTO, the next ones twice as long apart each time, at most @max_us. The orphan has sent
 * no data since it was opened.
 */
static void orphan_probes(struct __test_metadata *_metadata, struct peer *p, struct conn *c,
			  int64_t max_us, int probes)
{
	int64_t delay_us;

	ASSERT_EQ(0, knob_set("orphan_retries", 255));
	ASSERT_EQ(0, knob_set("rto_max_ms", max_us / 1000));
	conn_open(p, c, .wnd = 0);
	delay_us = conn_info(c).rto_us;
	ASSERT_EQ(4, send(c->fd, "will", 4, 0));
	peer_mark(p);
	close(c->fd);
	for (; probes; probes--) {
		conn_expect(c, .flags = ACK, .seq = 0, .at_ms = delay_us / 1000);
		peer_mark_last(p);
		delay_us = 2 * delay_us < max_us ? 2 * delay_us : max_us;
	}
}

static void expect_no_room(struct __test_metadata *_metadata, struct conn *c, int64_t at_ms)
{
	conn_expect_move(c, ST_FIN_WAIT_1, ST_CLOSED, at_ms);
	conn_expect(c, .flags = RST | ACK, .seq = 1);
	EXPECT_EQ(1, lifecycle_count("FIN-WAIT-1", "NO-MEMORY", "CLOSED"));
}

/*
 * An orphan that has sent no data for more than two of the largest timeouts, here 2 s, counts
 * twice. Its timeouts are at 0.2, 0.6, 1.4 and 2.4 s.
 */
TEST_F(crowd, knob_max_orphans_counts_the_silent_twice)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	limit_orphans(_metadata, "1");
	orphan_probes(_metadata, p, &c, 1000000, 3);
	expect_no_room(_metadata, &c, 1000);
}

/* By default these are 240 s. The last timeouts are at 204.6 and 324.6 s. */
TEST_F_TIMEOUT(crowd, knob_max_orphans_counts_the_silent_twice_after_four_minutes, 1000)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	limit_orphans(_metadata, "1");
	orphan_probes(_metadata, p, &c, 120000000, 10);
	expect_no_room(_metadata, &c, 120000);
}

/*
 * A limit of two has room for an orphan that counts twice. If its peer is unreachable as well, it
 * counts four times. With room for four the ICMP error ends it, too: its timeouts are the largest.
 */
static void silent_and_unreachable(struct __test_metadata *_metadata, struct peer *p,
				   const char *limit, struct conn *c)
{
	limit_orphans(_metadata, "2");
	orphan_probes(_metadata, p, c, 1000000, 5);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .quote_seq = p->last.seq + 1);
	limit_orphans(_metadata, limit);
}

TEST_F(crowd, knob_max_orphans_counts_the_silent_and_unreachable_four_times)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();
	silent_and_unreachable(_metadata, p, "4", &c);
	counters_begin(&before);
	conn_expect_move(&c, ST_FIN_WAIT_1, ST_CLOSED, 1000);
	counters_expect(_metadata, &before, "TCPAbortOnTimeout", 1, NULL);
	EXPECT_EQ(0, lifecycle_count("FIN-WAIT-1", "NO-MEMORY", "CLOSED"));
	close(c.lfd);
	silent_and_unreachable(_metadata, p, "3", &c);
	expect_no_room(_metadata, &c, 1000);
}

/* The limit is checked at each timeout; it may have been lowered. */
TEST_F(crowd, knob_max_orphans_at_a_timeout)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_CLOSE_WAIT);
	info = conn_info(&c);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1);
	peer_mark_last(p);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .at_ms = info.rto_us / 1000);
	limit_orphans(_metadata, "0");
	counters_begin(&before);
	/* LAST-ACK: the peer waits for this FIN alone. */
	conn_expect_move(&c, ST_LAST_ACK, ST_CLOSED, info.rto_us * 3 / 1000);
	counters_expect(_metadata, &before, "TCPAbortOnMemory", 1, "TCPTimeouts", MOVED, NULL);
	EXPECT_EQ(1, lifecycle_count("LAST-ACK", "NO-MEMORY", "CLOSED"));
}

/* The same where nothing is in flight and the window is closed. */
TEST_F(crowd, knob_max_orphans_at_a_window_probe)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .wnd = 0);
	info = conn_info(&c);
	peer_mark(p);
	ASSERT_EQ(4, send(c.fd, "will", 4, 0));
	close(c.fd);
	conn_expect(&c, .flags = ACK, .seq = 0, .at_ms = info.rto_us / 1000);
	limit_orphans(_metadata, "0");
	counters_begin(&before);
	conn_expect_move(&c, ST_FIN_WAIT_1, ST_CLOSED, info.rto_us * 3 / 1000);
	conn_expect(&c, .flags = RST | ACK, .seq = 1);
	counters_expect(_metadata, &before, "TCPAbortOnMemory", 1, "OutRsts", 1,
			"XtcpResetSentNoMemory", 1, NULL);
	EXPECT_EQ(1, lifecycle_count("FIN-WAIT-1", "NO-MEMORY", "CLOSED"));
}

TEST_F(crowd, knob_max_orphans_in_closing)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_CLOSING, .orphan = true);
	peer_mark_last(p);
	limit_orphans(_metadata, "0");
	peer_drain(p, 1000);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(1, lifecycle_count("CLOSING", "NO-MEMORY", "CLOSED"));
}

/* A record is no orphan; with more than a minute to wait there is a socket before it. */
TEST_F(crowd, knob_max_orphans_in_fin_wait_2)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	limit_orphans(_metadata, "0");
	conn_to_state(p, &c, ST_FIN_WAIT_2);
	close(c.fd);
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
	conn_to_state(p, &c, ST_FIN_WAIT_2, .kport = 6000);
	ASSERT_EQ(0, socket_set(c.fd, SOL_TCP, TCP_LINGER2, 61));
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 2);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(1, lifecycle_count("FIN-WAIT-2", "NO-MEMORY", "CLOSED"));
}

TEST_HARNESS_MAIN
