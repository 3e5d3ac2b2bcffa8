// SPDX-License-Identifier: GPL-2.0
/*
 * slowstart: how the congestion window begins and grows, and its size after a
 * timeout or a pause. RFC 6928 (initial window), 5681 3.1 (slow start and congestion
 * avoidance), 4.1 (restart after idle). recovery.c has losses without a timeout.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>

PEER_FIXTURE(slowstart);

#define MSS 1000
#define PLAIN OPT(OPT_MSS(MSS))

TEST_F(slowstart, rfc6928_initial_window)
{
	/* min(10 * MSS, max(2 * MSS, 14600)); a tun of 1500 has no larger MSS. */
	static const struct { int mss, segs; } cases[] = {
		{ 1460, 10 }, { 1000, 10 }, { 536, 10 }, { 100, 10 },
	};
	struct peer *p = &self->peer;
	static uint8_t text[30000];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int mss = cases[i].mss;
		struct conn c;

		peer_note(p, "MSS %d", mss);
		conn_open(p, &c, .kport = 6000 + i, .opt = OPT(OPT_MSS(mss)));
		socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 400000);
		ASSERT_LT(11 * mss, send(c.fd, text, 12 * mss, 0));
		for (int k = 0; k < cases[i].segs; k++)
			conn_expect(&c, .seq = 1 + k * mss, .len = mss);
		peer_expect_silence(p, 50);
		conn_send(&c, .flags = RST);
	}
}

TEST_F(slowstart, rfc6928_initial_window_of_large_segments)
{
	/* 14600 bytes, but at least two segments. 3 * 4866 is less than that, 3 * 4867 more. */
	static const struct { int mss, segs; } cases[] = {
		{ 1461, 9 }, { 2920, 5 }, { 2921, 4 }, { 4000, 3 }, { 4866, 3 }, { 4867, 2 },
		{ 8960, 2 },
	};
	struct peer *p = &self->peer;

	link_set_mtu(WHERE(_metadata), "tun0", 9000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int mss = cases[i].mss, segs = cases[i].segs;
		struct conn c;

		/* Linux sends ten of any size, but not more than the window has room for. */
		if (stock_mode())
			segs = 65535 / mss < 10 ? 65535 / mss : 10;
		peer_note(p, "MSS %d", mss);
		conn_open(p, &c, .kport = 6000 + i, .opt = OPT(OPT_MSS(mss)));
		EXPECT_EQ(stock_mode() ? 10 : cases[i].segs, (int)conn_info(&c).cwnd);
		socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 400000);
		conn_write(&c, 7 * 8960);
		for (int k = 0; k < segs; k++)
			conn_expect(&c, .seq = 1 + k * mss, .len = mss);
		if (stock_mode())
			peer_drain(p, 5);
		else
			peer_expect_silence(p, 50);
		conn_send(&c, .flags = RST);
	}
}

/* Three quarters of a window of ten, less what is lost by rounding: 5 + 2, as in Linux. */
TEST_F(slowstart, rfc5681_4_1_ssthresh_after_a_pause)
{
	struct peer *p = &self->peer;
	struct conn c;
	int next = 0;

	flight_open(p, &c, "reno", .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .rtt_ms = 20);
	flight_begin(&c, 10);
	flight_sack(&c, 0, { 1, 10 });
	flight_expect(&c, 0);
	flight_ack(&c, next = 10);
	EXPECT_EQ(5, conn_info(&c).ssthresh);
	while (conn_info(&c).cwnd < 10) {
		int n = conn_info(&c).cwnd;

		flight_write(&c, n);
		flight_expect_all(&c, next, next + n - 1);
		next += n;
		flight_ack(&c, next);
	}
	sleep_ms(1000);
	flight_write(&c, 1);
	flight_expect(&c, next);
	EXPECT_EQ(7, conn_info(&c).ssthresh);
	flight_ack(&c, next + 1);
}

TEST_F(slowstart, rfc5681_one_segment_after_two_lost_syns)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* RFC 5681 3.1: a lost SYN is a loss. As in Linux one is forgiven. */
	conn_start(p, &c, .active = true, .opt = PLAIN);
	conn_expect(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN, .within_ms = 1100);
	conn_expect(&c, .flags = SYN, .within_ms = 2300);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 400000);
	flight_write(&c, 8);
	flight_expect_only(&c, 0, 0);
	conn_send(&c, .flags = RST);
}

/* The side that listens counts its SYN-ACKs. */
static void lose_two_syn_acks(struct peer *p, struct conn *c, struct optbytes opt)
{
	conn_to_state(p, c, ST_HALF_OPEN, .opt = opt);
	conn_expect(c, .flags = SYN | ACK, .seq = 0, .within_ms = 1100);
	conn_expect(c, .flags = SYN | ACK, .seq = 0, .within_ms = 2300);
}

TEST_F(slowstart, rfc5681_one_segment_after_two_lost_synacks)
{
	struct peer *p = &self->peer;
	struct conn c;

	lose_two_syn_acks(p, &c, PLAIN);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_EQ(2, conn_info(&c).total_retrans);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 400000);
	flight_write(&c, 8);
	flight_expect_only(&c, 0, 0);
	conn_send(&c, .flags = RST);
}

/*
 * The SYN-ACK is lost once, and both timers send: the kernel's TCP counts the answer to the
 * repeated SYN as a second loss.
 */
TEST_F(slowstart, one_lost_synack_and_a_repeated_syn)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN, .opt = PLAIN);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .within_ms = 1100);
	sleep_ms(600);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_EQ(stock_mode() ? 2 : 1, (int)conn_info(&c).total_retrans);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 400000);
	flight_write(&c, 8);
	flight_expect_only(&c, 0, stock_mode() ? 0 : 7);
	conn_send(&c, .flags = RST);
}

/* The echo of the first one's timestamp: none was lost, the path is only slow. */
TEST_F(slowstart, rfc3522_3_slow_syn_ack_is_no_loss)
{
	struct peer *p = &self->peer;
	struct conn c;

	lose_two_syn_acks(p, &c, OPT(OPT_MSS(MSS), OPT_TS(1, 0)));
	conn_send(&c, .flags = ACK, .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(c.tsval_base + 3000,
								 c.kern_opt.tsval)));
	conn_accept(&c);
	EXPECT_EQ(2, conn_info(&c).total_retrans);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	conn_send(&c, .flags = RST);
}

TEST_F(slowstart, rfc3522_3_slow_syn_is_no_loss)
{
	struct peer *p = &self->peer;
	uint32_t first;
	struct conn c;

	conn_start(p, &c, .active = true, .opt = OPT(OPT_MSS(MSS), OPT_TS(1, 0)));
	first = conn_expect(&c, .flags = SYN)->opt.tsval;
	conn_expect(&c, .flags = SYN, .within_ms = 1100);
	conn_expect(&c, .flags = SYN, .within_ms = 2300);
	conn_send(&c, .flags = SYN | ACK, .opt = OPT(OPT_MSS(MSS), OPT_TS(1, first)));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(2, conn_info(&c).total_retrans);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	conn_send(&c, .flags = RST);
}

TEST_F(slowstart, rfc9293_must_19_slow_start)
{
	struct peer *p = &self->peer;
	struct proc_row row;
	struct conn c;

	/* Each segment acknowledged lets two go. */
	flight_start(p, &c, 60, .opt = PLAIN);
	flight_ack(&c, 1);
	flight_expect_only(&c, 10, 11);
	flight_ack(&c, 2);
	flight_expect_only(&c, 12, 13);
	/* An ACK for two counts as two: RFC 3465 with L = 2 and more, Linux. */
	flight_ack(&c, 4);
	flight_expect_only(&c, 14, 17);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(14, row.cwnd);
	EXPECT_EQ(-1, row.ssthresh);
	/* One that acknowledges nothing new opens nothing: RFC 3042 lets one go. */
	flight_ack(&c, 4);
	flight_expect_only(&c, 18, 18);
	peer_expect_silence(p, 20);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(14, row.cwnd);
	conn_send(&c, .flags = RST);
}

TEST_F(slowstart, rfc5681_unused_window_does_not_grow)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* One segment at a time says nothing about ten. */
	flight_open(p, &c, "reno", .opt = PLAIN);
	for (int i = 0; i < 30; i++) {
		flight_write(&c, 1);
		flight_expect(&c, i);
		flight_ack(&c, i + 1);
	}
	EXPECT_EQ(10, conn_info(&c).cwnd);
}

/* To congestion avoidance by a timeout; cwnd is then at ssthresh. */
static void to_avoidance(struct __test_metadata *_metadata, struct conn *c,
			 int *next)
{
	/* Ten in flight, all lost: ssthresh 5, cwnd 1. */
	flight_begin(c, 10);
	flight_expect(c, 0, .within_ms = 300);
	flight_ack(c, 1);
	flight_expect_only(c, 1, 2);
	flight_ack(c, 3);
	flight_expect_only(c, 3, 6);
	flight_ack(c, 7);
	flight_expect_only(c, 7, 9);
	flight_ack(c, 10);
	*next = 10;
}

TEST_F(slowstart, rfc9293_must_19_timeout_restarts_from_one)
{
	NOT_ON_STOCK();		/* CUBIC: another ssthresh, and F-RTO, TLP */
	struct peer *p = &self->peer;
	struct counters before;
	struct socket_info info;
	struct conn c;

	flight_start(p, &c, 10, .opt = PLAIN);
	counters_take(&before);
	flight_expect(&c, 0, .within_ms = 300);
	peer_expect_silence(p, 50);
	counters_expect(_metadata, &before, "TCPTimeouts", 1, "RetransSegs", 1, NULL);
	info = conn_info(&c);
	EXPECT_EQ(1, info.cwnd);
	EXPECT_EQ(5, info.ssthresh);		/* half of the flight */
	EXPECT_EQ(TCP_CA_Loss, info.recovery);
	/* Slow start over what was lost. */
	counters_begin(&before);
	flight_ack(&c, 1);
	flight_expect_only(&c, 1, 2);
	counters_expect(_metadata, &before, "TCPSlowStartRetrans", 2,
			"RetransSegs", 2, NULL);
	EXPECT_EQ(2, conn_info(&c).cwnd);
	flight_ack(&c, 3);
	flight_expect_only(&c, 3, 6);
	/* All of it had arrived after all, but for these: the end. */
	flight_ack(&c, 10);
	info = conn_info(&c);
	EXPECT_EQ(TCP_CA_Open, info.recovery);
	EXPECT_EQ(5, info.ssthresh);
}

TEST_F(slowstart, rfc5681_ssthresh_falls_once)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	/* The second timeout for the same data leaves ssthresh alone. */
	flight_start(p, &c, 10, .opt = PLAIN);
	for (int i = 0; i < 3; i++) {
		flight_expect(&c, 0, .within_ms = 1000);
		EXPECT_EQ(5, conn_info(&c).ssthresh);
		EXPECT_EQ(1, conn_info(&c).cwnd);
	}
	conn_send(&c, .flags = RST);
}

TEST_F(slowstart, rfc5681_congestion_avoidance)
{
	NOT_ON_STOCK();		/* CUBIC */
	struct peer *p = &self->peer;
	struct conn c;
	int cwnd, n;

	flight_open(p, &c, "reno", .opt = PLAIN);
	to_avoidance(_metadata, &c, &n);
	cwnd = conn_info(&c).cwnd;
	EXPECT_EQ(5, conn_info(&c).ssthresh);
	EXPECT_LE(5, cwnd);
	/* A window acknowledged in full makes it one segment larger, no more. */
	for (int round = 0; round < 4; round++) {
		flight_write(&c, cwnd);
		flight_expect_only(&c, n, n + cwnd - 1);
		for (int i = 1; i <= cwnd; i++) {
			flight_ack(&c, n + i);
			if (i < cwnd)
				EXPECT_GE(cwnd + 1, conn_info(&c).cwnd);
		}
		n += cwnd;
		EXPECT_EQ(cwnd + 1, conn_info(&c).cwnd);
		cwnd++;
	}
}

/*
 * Segments leave in twos, each half a millisecond, and are acknowledged 10 ms later. The last
 * one that the window allows waits for the next ACK, because it is less than a burst. The window
 * is used up all the same, and grows by a segment in a round trip.
 */
TEST_F(slowstart, rfc5681_a_burst_that_waits_fills_the_window)
{
	NOT_ON_STOCK();		/* which takes no threshold from a route */
	enum { RTT_STEPS = 20, CWND = 2 * RTT_STEPS, ROUNDS = 10 };
	const int64_t step_ns = NSEC_PER_MSEC / 2;
	int sent[ROUNDS * RTT_STEPS] = { 0 };
	struct peer *p = &self->peer;
	int64_t start_ns;
	int acked = 0;
	struct conn c;

	/* A burst is two segments at any rate. */
	ASSERT_EQ(0, knob_set("pacing_ca_ratio", 10));
	route_add_metrics(WHERE(_metadata), &p->addr, 32, "tun0",
			  &(struct route_metrics){ .value[RTAX_INITCWND] = CWND,
						   .value[RTAX_SSTHRESH] = CWND,
						   .value[RTAX_LOCK] = 1 << RTAX_SSTHRESH });
	flight_open(p, &c, "reno", .opt = PLAIN, .rtt_ms = 10);
	ASSERT_EQ(CWND, conn_info(&c).cwnd);
	ASSERT_EQ(CWND, conn_info(&c).ssthresh);
	start_ns = now_ns();
	for (int i = 0; i < ROUNDS * RTT_STEPS; i++) {
		sleep_until_ns(start_ns + i * step_ns);
		if (i < RTT_STEPS)
			flight_write(&c, 2);
		else if (i % 10 == 0)
			flight_write(&c, 26);	/* even: the end of an skb is a burst, too */
		if (i >= RTT_STEPS && sent[i - RTT_STEPS]) {
			acked += sent[i - RTT_STEPS];
			flight_ack(&c, acked);
		}
		while (peer_read(p, now_ns() + NSEC_PER_MSEC / 10))
			sent[i]++;
	}
	EXPECT_LE(CWND + ROUNDS - 4, conn_info(&c).cwnd);
	EXPECT_GE(CWND + ROUNDS, conn_info(&c).cwnd);
	conn_send(&c, .flags = RST);
}

TEST_F(slowstart, rfc5681_4_1_restart_after_idle)
{
	struct peer *p = &self->peer;
	struct conn c;
	int next = 0, cwnd;

	/* Grown to 20 and more, then silent for longer than an RTO. */
	flight_open(p, &c, "reno", .opt = PLAIN);
	for (int i = 0; i < 3; i++) {
		cwnd = conn_info(&c).cwnd;
		flight_write(&c, cwnd);
		flight_expect_only(&c, next, next + cwnd - 1);
		next += cwnd;
		flight_ack(&c, next);
	}
	cwnd = conn_info(&c).cwnd;
	ASSERT_LE(40, cwnd);
	sleep_ms(10000);
	flight_write(&c, 30);
	flight_expect_only(&c, next, next + 9);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	EXPECT_EQ(INT32_MAX, conn_info(&c).ssthresh);
	conn_send(&c, .flags = RST);
}

TEST_F(slowstart, rfc5681_4_1_short_pause_keeps_the_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	flight_start(p, &c, 10, .opt = PLAIN);
	flight_ack(&c, 10);
	ASSERT_EQ(20, conn_info(&c).cwnd);
	sleep_ms(150);		/* less than an RTO */
	flight_write(&c, 20);
	flight_expect_only(&c, 10, 29);
	conn_send(&c, .flags = RST);
}

/* A segment that is sent again is data, too: the pause begins with it. */
TEST_F(slowstart, rfc5681_4_1_retransmission_ends_a_pause)
{
	struct peer *p = &self->peer;
	struct conn c;

	flight_start(p, &c, 10, .opt = PLAIN);
	flight_ack(&c, 10);
	flight_write(&c, 1);
	flight_expect(&c, 10);
	peer_mark_last(p);
	flight_expect(&c, 10, .within_ms = 400);	/* it was lost */
	sleep_ms(50);
	flight_ack(&c, 11);
	EXPECT_LE(45, (int)conn_tcp_info(&c).tcpi_last_data_sent);
	EXPECT_GE(60, (int)conn_tcp_info(&c).tcpi_last_data_sent);
	conn_send(&c, .flags = RST);
}

/*
 * A program that keeps sending, but less than the window, keeps the window: as in Linux, where
 * each ACK of new data begins anew the RTO after which it would fall.
 */
TEST_F(slowstart, rfc5681_acks_keep_an_unused_window)
{
	struct conn c;
	int next = 0;

	flight_open(&self->peer, &c, "reno", .opt = PLAIN);
	for (int segs = 10; segs < 40; segs *= 2) {
		flight_write(&c, segs);
		flight_expect_only(&c, next, next + segs - 1);
		next += segs;
		flight_ack(&c, next);
	}
	for (int i = 0; i < 30; i++) {
		sleep_ms(100);
		flight_write(&c, 1);
		flight_expect(&c, next);
		next++;
		flight_ack(&c, next);
	}
	EXPECT_EQ(40, conn_info(&c).cwnd);
	EXPECT_EQ(INT32_MAX, conn_info(&c).ssthresh);
	conn_send(&c, .flags = RST);
}

TEST_HARNESS_MAIN
