// SPDX-License-Identifier: GPL-2.0
/*
 * congestion: the rules by which the window grows and shrinks. RFC 9438
 * (CUBIC), 9406 (HyStart++), 5681 (Reno, TCP_CONGESTION chooses it).
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>

PEER_FIXTURE(congestion);

#define MSS 1000
#define RTT_MS 100
#define FLIGHT_MAX 60			/* the peer's window has 65 */

static void open_over(struct peer *p, struct conn *c, const char *rule, int rtt_ms)
{
	flight_open(p, c, rule, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .rtt_ms = rtt_ms);
}

static void open_with_rule(struct peer *p, struct conn *c, const char *rule)
{
	open_over(p, c, rule, RTT_MS);
}

/*
 * A full window leaves, from segment @next on; the peer answers after @rtt_ms.
 * Returns the number of segments.
 */
static int window_leaves(struct conn *c, int next, int rtt_ms)
{
	int n = conn_info(c).cwnd;

	if (n > FLIGHT_MAX)
		n = FLIGHT_MAX;
	flight_write(c, n);
	peer_mark(c->peer);
	flight_expect_all(c, next, next + n - 1);
	peer_sleep_until(c->peer, rtt_ms);
	return n;
}

/* A round trip: a full window leaves, and each segment of it is acknowledged. */
static void round_trip(struct conn *c, int *next, int rtt_ms)
{
	int n = window_leaves(c, *next, rtt_ms);

	for (int i = 1; i <= n; i++)
		flight_ack(c, *next + i);
	*next += n;
}

/* Segment @lost of a window is lost, and repaired a round trip later. */
static void lose_nth_over(struct conn *c, int *next, int lost, int rtt_ms)
{
	int n = window_leaves(c, *next, rtt_ms);

	lost += *next;
	*next += n;
	flight_sack(c, lost, { lost + 1, *next });
	flight_expect(c, lost);
	peer_mark_last(c->peer);
	peer_sleep_until(c->peer, rtt_ms);
	flight_ack(c, *next);
}

static void lose_one_over(struct conn *c, int *next, int rtt_ms)
{
	lose_nth_over(c, next, 0, rtt_ms);
}

static void lose_one(struct conn *c, int *next)
{
	lose_one_over(c, next, RTT_MS);
}

TEST_F(congestion, rfc9438_4_6_a_loss_takes_three_tenths)
{
	int next = 0;
	struct conn c;

	open_with_rule(&self->peer, &c, "cubic");
	lose_one(&c, &next);
	EXPECT_EQ(7, conn_info(&c).ssthresh);
	EXPECT_EQ(7, conn_info(&c).cwnd);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	for (int i = 0; i < 2; i++)
		lose_one(&c, &next);
	EXPECT_EQ(2, conn_info(&c).cwnd);
	/* Never below two. */
	flight_write(&c, 2);
	flight_expect_all(&c, next, next + 1);
	/* The probe of the tail is lost, too. */
	flight_expect(&c, next + 1, .within_ms = 500);
	flight_expect(&c, next, .within_ms = 1000);
	EXPECT_EQ(2, conn_info(&c).ssthresh);
	flight_ack(&c, next + 2);
}

TEST_F(congestion, rfc9438_4_6_what_arrived_before_opens_it_first)
{
	int next = 0;
	struct conn c;

	/*
	 * One ACK reports that six have arrived and the seventh is lost: after six
	 * separate ACKs the window would be ten and six.
	 */
	NOT_ON_STOCK();		/* whose window is as it was before the ACK */
	open_with_rule(&self->peer, &c, "cubic");
	lose_nth_over(&c, &next, 6, RTT_MS);
	EXPECT_EQ(11, conn_info(&c).ssthresh);
	EXPECT_EQ(11, conn_info(&c).cwnd);
}

TEST_F(congestion, rfc9438_4_3_as_fast_as_reno)
{
	struct peer *p = &self->peer;
	int next = 0, start, rounds;
	struct conn c;

	/*
	 * On a short path the curve is slow: W_est decides, 9/17 of a segment a
	 * round trip until the window is what it was, then one.
	 */
	NOT_ON_STOCK();		/* 9/17 all the way: RFC 8312 */
	open_with_rule(p, &c, "cubic");
	lose_one(&c, &next);
	start = conn_info(&c).cwnd;
	for (rounds = 0; conn_info(&c).cwnd < 10; rounds++)
		round_trip(&c, &next, 20);
	EXPECT_LE((10 - start) * 17 / 9 - 1, rounds);
	EXPECT_GE((10 - start) * 17 / 9 + 2, rounds);
	for (rounds = 0; conn_info(&c).cwnd < 14; rounds++)
		round_trip(&c, &next, 20);
	EXPECT_LE(3, rounds);
	EXPECT_GE(5, rounds);
}

TEST_F(congestion, rfc9438_4_2_the_curve)
{
	struct peer *p = &self->peer;
	int next = 0, rtt_ms = 900, cwnd, rounds;
	struct conn c;

	/*
	 * On a long path it is the curve: W_max 10, from 7: K = cbrt(3 / 0.4) = 1.96
	 * s; 10 + 0.4 * (t - K)^3 is 20 after 4.9 s. Reno would take 16 round trips,
	 * 14 s; and it is never half as much again in one.
	 */
	NOT_ON_STOCK();		/* where a full window in flight counts as a pause */
	open_over(p, &c, "cubic", rtt_ms);
	lose_one_over(&c, &next, rtt_ms);
	for (rounds = 0; conn_info(&c).cwnd < 20; rounds++) {
		cwnd = conn_info(&c).cwnd;
		round_trip(&c, &next, rtt_ms);
		EXPECT_GE(cwnd + cwnd / 2 + 1, conn_info(&c).cwnd);
	}
	EXPECT_LE(4, rounds);
	EXPECT_GE(7, rounds);
}

TEST_F(congestion, rfc9438_4_4_whole_segments_above_the_curve)
{
	struct peer *p = &self->peer;
	int next = 0, rtt_ms = 400;
	struct conn c;

	/*
	 * W_max 10, from 7, K = 1.96 s: 8.5 where the first round trip of 400 ms
	 * ends, so 9; 9.4 where the second does, so 10.
	 */
	NOT_ON_STOCK();		/* where a full window in flight counts as a pause */
	open_over(p, &c, "cubic", rtt_ms);
	lose_one_over(&c, &next, rtt_ms);
	EXPECT_EQ(7, conn_info(&c).cwnd);
	for (int cwnd = 9; cwnd <= 10; cwnd++) {
		round_trip(&c, &next, rtt_ms);
		EXPECT_EQ(cwnd, conn_info(&c).cwnd);
	}
}

TEST_F(congestion, rfc9438_4_7_fast_convergence)
{
	struct peer *p = &self->peer;
	int next = 0, rtt_ms = 400;
	struct conn c;

	/*
	 * Losses at 40 and, sooner than the window was back, at 28: the curve aims at
	 * 0.85 * 28 = 23, not at 28. K = cbrt((23 - 19) / 0.4) = 2.15 s: after five round
	 * trips it is flat there. Towards 28 it would be at 28 then.
	 */
	static const int cwnd[] = { 19, 21, 22, 23, 23, 24, 24, 24, 25, 26, 27 };
	NOT_ON_STOCK();		/* where a full window in flight counts as a pause */
	open_over(p, &c, "cubic", rtt_ms);
	for (int i = 0; i < 2; i++)
		round_trip(&c, &next, rtt_ms);
	EXPECT_EQ(40, conn_info(&c).cwnd);
	lose_one_over(&c, &next, rtt_ms);
	EXPECT_EQ(28, conn_info(&c).ssthresh);
	lose_one_over(&c, &next, rtt_ms);
	EXPECT_EQ(19, conn_info(&c).ssthresh);
	for (size_t i = 0; i < ARRAY_SIZE(cwnd); i++) {
		EXPECT_EQ(cwnd[i], (int)conn_info(&c).cwnd);
		round_trip(&c, &next, rtt_ms);
	}
}

enum unused_window {
	USED_UP, PAUSE, PAUSE_ENDED_BY_REQUEST, TRICKLE, UNUSED_WINDOWS
};

/* Ten seconds in which the window is not used up. With TRICKLE something is always in flight. */
static void leave_window_unused(struct conn *c, int *next, int rtt_ms, enum unused_window how)
{
	if (how == PAUSE || how == PAUSE_ENDED_BY_REQUEST)
		sleep_ms(10000);
	if (how == PAUSE_ENDED_BY_REQUEST)
		conn_send(c, .flags = ACK | PSH, .len = 100, .ack = flight_seq(c, *next));
	for (int i = 0; how == TRICKLE && i < 50; i++) {
		flight_write(c, 1);
		flight_expect(c, *next);
		sleep_ms(rtt_ms / 2);
		if (i)
			flight_ack(c, *next);
		++*next;
	}
	if (how == TRICKLE) {
		sleep_ms(rtt_ms / 2);
		flight_ack(c, *next);
	}
}

TEST_F(congestion, rfc9438_5_8_a_pause_is_not_on_the_curve)
{
	static const int cwnd[] = { 7, 9, 10, 10, 10, 11, 11, 11, 11, 12, 14, 18 };
	struct peer *p = &self->peer;
	int next = 0, rtt_ms = 400;
	struct conn c;

	/*
	 * W_max 10, from 7, K = 1.96 s. Ten seconds in which the window is not used up, after two
	 * round trips, move the curve: the window grows as without them. It would be half as
	 * much again after each round trip if they counted.
	 */
	NOT_ON_STOCK();		/* where a full window in flight counts as a pause, too */
	ASSERT_EQ(0, knob_set("slow_start_after_idle", 0));
	for (int how = 0; how < UNUSED_WINDOWS; how++) {
		next = 0;
		open_over(p, &c, "cubic", rtt_ms);
		lose_one_over(&c, &next, rtt_ms);
		for (size_t i = 0; i < ARRAY_SIZE(cwnd); i++) {
			EXPECT_EQ(cwnd[i], (int)conn_info(&c).cwnd) TH_LOG("%d, %zu", how, i);
			if (i == 2)
				leave_window_unused(&c, &next, rtt_ms, how);
			round_trip(&c, &next, rtt_ms);
		}
		conn_send(&c, .flags = RST);
		close(c.lfd);
	}
}

/*
 * The window and W_est are 30 before a pause that halves the window once. Slow start takes it to
 * three quarters, 22, and Reno's estimate goes on from there, not from 30.
 */
TEST_F(congestion, rfc9438_4_3_the_estimate_shrinks_with_the_window)
{
	struct peer *p = &self->peer;
	int next = 0, before;
	struct conn c;

	NOT_ON_STOCK();		/* which has W_est as a rate of growth only */
	open_with_rule(p, &c, "cubic");
	lose_one(&c, &next);
	while (conn_info(&c).cwnd < 30)
		round_trip(&c, &next, 20);
	EXPECT_EQ(30, (int)conn_info(&c).cwnd);
	sleep_ms(300);
	flight_write(&c, 1);
	flight_expect(&c, next);
	EXPECT_EQ(15, (int)conn_info(&c).cwnd);
	flight_ack(&c, ++next);
	while ((before = conn_info(&c).cwnd) < 30) {
		round_trip(&c, &next, 20);
		EXPECT_GE(before < 22 ? 23 : before + 1, (int)conn_info(&c).cwnd);
	}
}

#define REGROWTH 10

/* The window after each round trip from ssthresh on. The kernel's TCP has the same ones. */
static void expect_regrowth(struct __test_metadata *_metadata, struct conn *c, int next,
			    int rtt_ms, const int *cwnd)
{
	while (conn_info(c).cwnd < conn_info(c).ssthresh)
		round_trip(c, &next, rtt_ms);
	for (int i = 0; i < REGROWTH; i++) {
		EXPECT_EQ(cwnd[i], (int)conn_info(c).cwnd);
		round_trip(c, &next, rtt_ms);
	}
}

/* A window of 40 is in flight. Returns the segment behind it. */
static int fill_window(struct __test_metadata *_metadata, struct conn *c, int rtt_ms)
{
	int next = 0;

	for (int i = 0; i < 2; i++)
		round_trip(c, &next, rtt_ms);
	ASSERT_EQ(40, (int)conn_info(c).cwnd);
	flight_write(c, 40);
	flight_expect_all(c, next, next + 39);
	return next + 40;
}

/*
 * After a timeout the curve begins where slow start ends, and knows no window to return to.
 * It would be slower than Linux's, by a segment each second at first: 5 per cent a round trip.
 */
TEST_F(congestion, rfc9438_4_8_after_a_timeout)
{
	static const int cwnd[REGROWTH] = { 28, 30, 31, 33, 34, 36, 38, 40, 42, 44 };
	struct peer *p = &self->peer;
	int next, rtt_ms = 180;
	struct conn c;

	ASSERT_EQ(0, knob_set("frto", 0));
	open_over(p, &c, "cubic", rtt_ms);
	next = fill_window(_metadata, &c, rtt_ms);
	while (conn_info(&c).cwnd != 1)
		peer_drain(p, 20);
	EXPECT_EQ(28, conn_info(&c).ssthresh);
	flight_ack(&c, next);
	expect_regrowth(_metadata, &c, next, rtt_ms, cwnd);
}

/* The same if fast recovery has reduced the window before: the retransmission is lost. */
TEST_F(congestion, rfc9438_4_8_a_timeout_in_fast_recovery)
{
	static const int cwnd[REGROWTH] = { 28, 29, 31, 32, 34, 35, 37, 39, 41, 43 };
	struct peer *p = &self->peer;
	int next, rtt_ms = 180;
	struct conn c;

	ASSERT_EQ(0, knob_set("frto", 0));
	open_over(p, &c, "cubic", rtt_ms);
	next = fill_window(_metadata, &c, rtt_ms);
	flight_sack(&c, next - 40, { next - 39, next });
	flight_expect(&c, next - 40);
	EXPECT_EQ(28, conn_info(&c).ssthresh);
	while (conn_info(&c).cwnd != 1)
		peer_drain(p, 20);
	EXPECT_EQ(28, conn_info(&c).ssthresh);
	flight_ack(&c, next);
	expect_regrowth(_metadata, &c, next, rtt_ms, cwnd);
}

TEST_F(congestion, rfc9293_may_18_reno_halves)
{
	int next = 0, cwnd;
	struct conn c;

	open_with_rule(&self->peer, &c, "reno");
	round_trip(&c, &next, RTT_MS);
	EXPECT_EQ(20, conn_info(&c).cwnd);
	lose_one(&c, &next);
	EXPECT_EQ(10, conn_info(&c).ssthresh);
	cwnd = conn_info(&c).cwnd;
	for (int i = 1; i <= 3; i++) {
		round_trip(&c, &next, RTT_MS);
		EXPECT_EQ(cwnd + i, conn_info(&c).cwnd);
	}
}

/* The queue of this host takes nothing more, or again all. */
static void host_queue_takes(struct __test_metadata *_metadata, bool all)
{
	shaper_set(WHERE(_metadata), "tun0", 100 << 20, all ? 100 << 20 : 1);
}

static void refused_beside(struct __test_metadata *_metadata, struct peer *p, int in_flight)
{
	struct conn c;

	open_over(p, &c, "reno", 0);
	ASSERT_EQ(100, conn_info(&c).cwnd);
	if (in_flight) {
		flight_write(&c, in_flight);
		flight_expect_all(&c, 0, in_flight - 1);
	}
	host_queue_takes(_metadata, false);
	flight_write(&c, 10);
	EXPECT_EQ(in_flight, conn_info(&c).unacked);
	EXPECT_EQ(50, conn_info(&c).ssthresh);
	host_queue_takes(_metadata, true);
	conn_send(&c, .flags = RST);
	close(c.lfd);
}

/* A burst of ten segments is refused by the queue of this host: half of cwnd, as in Linux. */
TEST_F(congestion, rfc5681_3_1_a_refused_burst_halves_cwnd)
{
	struct peer *p = &self->peer;

	route_add_metrics(WHERE(_metadata), &p->addr, 32, "tun0",
			  &(struct route_metrics){ .value[RTAX_INITCWND] = 100 });
	refused_beside(_metadata, p, 0);
	refused_beside(_metadata, p, 20);
}

/* A receiver whose ACK is refused has not sent too much: as in Linux, half of cwnd. */
TEST_F(congestion, rfc5681_3_1_a_refused_ack_halves_cwnd)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_with_rule(p, &c, "reno");
	host_queue_takes(_metadata, false);
	conn_send(&c, .flags = ACK, .len = MSS);
	peer_expect_silence(p, 250);
	EXPECT_EQ(5, conn_info(&c).ssthresh);
	conn_send(&c, .flags = RST);
}

TEST_F(congestion, a_change_keeps_the_window)
{
	int next = 0;
	struct conn c;

	open_with_rule(&self->peer, &c, "reno");
	round_trip(&c, &next, RTT_MS);
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5));
	EXPECT_EQ(20, conn_info(&c).cwnd);
	round_trip(&c, &next, RTT_MS);
	EXPECT_EQ(40, conn_info(&c).cwnd);
}

/*
 * Windows of ten and twenty segments, the second with a longer round trip. Returns the window
 * behind them.
 */
static int second_window(struct __test_metadata *_metadata, struct conn *c, int *next, int rtt_ms,
			 int longer_ms)
{
	*next = 0;
	open_over(c->peer, c, "cubic", rtt_ms);
	round_trip(c, next, rtt_ms);
	EXPECT_EQ(20, (int)conn_info(c).cwnd);
	round_trip(c, next, longer_ms);
	EXPECT_EQ(INT32_MAX, conn_info(c).ssthresh);
	return conn_info(c).cwnd;
}

TEST_F(congestion, rfc9406_a_longer_round_trip_slows_the_start)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	int next;

	/*
	 * 100 ms, and then 120: a queue builds up. Growth is a quarter from the eighth sample
	 * on: seven segments, and three for the other thirteen.
	 */
	NOT_ON_STOCK();		/* whose HyStart ends slow start for good */
	EXPECT_EQ(20 + 7 + 3, second_window(_metadata, &c, &next, RTT_MS, RTT_MS + 20));
	/*
	 * The queue is gone: the next round trip is short again, and slow start continues from
	 * the eighth sample on. The first seven and the one that was left over are two segments.
	 */
	round_trip(&c, &next, RTT_MS);
	EXPECT_EQ(30 + 2 + 23, (int)conn_info(&c).cwnd);
	EXPECT_EQ(INT32_MAX, conn_info(&c).ssthresh);
}

/* The threshold is an eighth of the RTT, but at least 4 ms and at most 16. */
TEST_F(congestion, rfc9406_4_2_how_much_longer)
{
	static const struct { int rtt_ms, below_ms, above_ms; } cases[] = {
		{ 100, 112, 113 }, { 20, 23, 25 }, { 200, 215, 217 },
	};
	struct peer *p = &self->peer;

	NOT_ON_STOCK();		/* whose HyStart ends slow start for good */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int rtt_ms = cases[i].rtt_ms, next;
		struct conn c = { .peer = p };

		peer_note(p, "%d ms", rtt_ms);
		EXPECT_EQ(40, second_window(_metadata, &c, &next, rtt_ms, cases[i].below_ms));
		conn_send(&c, .flags = RST);
		close(c.lfd);
		EXPECT_EQ(30, second_window(_metadata, &c, &next, rtt_ms, cases[i].above_ms));
		conn_send(&c, .flags = RST);
		close(c.lfd);
	}
}

TEST_F(congestion, rfc9406_ctr_TCPHystartDelayDetect_ctr_TCPHystartDelayCwnd_five_rounds)
{
	static const int cwnd[8] = { 20, 30, 37, 47, 58, 73 };
	struct peer *p = &self->peer;
	struct counters before;
	int next = 0, rounds;
	struct conn c;

	NOT_ON_STOCK();
	counters_take(&before);
	open_with_rule(p, &c, "cubic");
	round_trip(&c, &next, RTT_MS);
	/*
	 * Each round trip longer; one shorter by a microsecond would continue slow
	 * start. The first shows it, then there are five of slower growth.
	 */
	for (rounds = 0; conn_info(&c).ssthresh == INT32_MAX && rounds < 8; rounds++) {
		EXPECT_EQ(cwnd[rounds], (int)conn_info(&c).cwnd);
		round_trip(&c, &next, RTT_MS + 20 + rounds);
	}
	EXPECT_EQ(6, rounds);
	EXPECT_EQ(1, counter_moved(&before, "TCPHystartDelayDetect"));
	EXPECT_EQ(conn_info(&c).ssthresh, counter_moved(&before, "TCPHystartDelayCwnd"));
	/* Only once for a connection. */
	round_trip(&c, &next, RTT_MS);
	EXPECT_EQ(1, counter_moved(&before, "TCPHystartDelayDetect"));
}

TEST_HARNESS_MAIN
