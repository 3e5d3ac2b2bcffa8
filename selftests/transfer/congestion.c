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
#define WITH_SACK OPT(OPT_MSS(MSS), OPT_SACKOK)

static int64_t seg(int n)
{
	return 1 + (int64_t)n * MSS;
}

static struct socket_info info_of(struct conn *c)
{
	struct socket_info info;

	socket_info(c, &info);
	return info;
}

static void open_over(struct __test_metadata *_metadata, struct peer *p, struct conn *c,
		      const char *rule, int rtt_ms)
{
	conn_open(p, c, .opt = WITH_SACK, .rtt_ms = rtt_ms);
	socket_set(c->fd, SOL_SOCKET, SO_SNDBUF, 1000000);
	ASSERT_EQ(0, setsockopt(c->fd, IPPROTO_TCP, TCP_CONGESTION, rule, strlen(rule)));
}

static void open_with_rule(struct __test_metadata *_metadata, struct peer *p, struct conn *c,
			   const char *rule)
{
	open_over(_metadata, p, c, rule, RTT_MS);
}

/*
 * A round trip: a full window leaves, and after rtt_ms each segment of it is
 * acknowledged. Segments up to *next were sent before.
 */
static void round_trip(struct __test_metadata *_metadata, struct conn *c, int *next, int rtt_ms)
{
	static uint8_t text[FLIGHT_MAX * MSS];
	int n = info_of(c).cwnd;

	if (n > FLIGHT_MAX)
		n = FLIGHT_MAX;
	ASSERT_EQ(n * MSS, send(c->fd, text, n * MSS, 0));
	peer_mark(c->peer);
	for (int i = 0; i < n; i++)
		conn_expect(c, .seq = seg(*next + i), .len = MSS);
	peer_sleep_until(c->peer, rtt_ms);
	for (int i = 0; i < n; i++)
		conn_send(c, .flags = ACK, .ack = seg(*next + i + 1));
	*next += n;
}

/* One of a window of ten is lost; all is well again afterwards. */
static void lose_nth_over(struct __test_metadata *_metadata, struct conn *c, int *next,
			  int lost, int rtt_ms)
{
	static uint8_t text[FLIGHT_MAX * MSS];
	int n = info_of(c).cwnd;
	uint32_t s = c->kern_iss;

	ASSERT_EQ(n * MSS, send(c->fd, text, n * MSS, 0));
	peer_mark(c->peer);
	for (int i = 0; i < n; i++)
		conn_expect(c, .seq = seg(*next + i), .len = MSS);
	peer_sleep_until(c->peer, rtt_ms);
	lost += *next;
	conn_send(c, .flags = ACK, .ack = seg(lost),
		  .opt = OPT(OPT_NOP, OPT_NOP,
			     OPT_SACK1(s + (uint32_t)seg(lost + 1), s + (uint32_t)seg(*next + n))));
	conn_expect(c, .seq = seg(lost), .len = MSS);
	peer_mark_last(c->peer);
	peer_sleep_until(c->peer, rtt_ms);
	*next += n;
	conn_send(c, .flags = ACK, .ack = seg(*next));
}

static void lose_one_over(struct __test_metadata *_metadata, struct conn *c, int *next, int rtt_ms)
{
	lose_nth_over(_metadata, c, next, 0, rtt_ms);
}

static void lose_one(struct __test_metadata *_metadata, struct conn *c, int *next)
{
	lose_one_over(_metadata, c, next, RTT_MS);
}

TEST_F(congestion, rfc9438_4_6_a_loss_takes_three_tenths)
{
	int next = 0;
	struct conn c;

	open_with_rule(_metadata, &self->peer, &c, "cubic");
	lose_one(_metadata, &c, &next);
	EXPECT_EQ(7, info_of(&c).ssthresh);
	EXPECT_EQ(7, info_of(&c).cwnd);
	EXPECT_EQ(0, info_of(&c).recovery);
	/* Never below two. */
	for (int i = 0; i < 2; i++)
		lose_one(_metadata, &c, &next);
	EXPECT_EQ(2, info_of(&c).ssthresh);
}

TEST_F(congestion, rfc9438_4_6_what_arrived_before_opens_it_first)
{
	int next = 0;
	struct conn c;

	/*
	 * One ACK tells that six have arrived and the seventh is lost: had the six
	 * ACKs come apart, the window would be ten and six.
	 */
	NOT_ON_STOCK();		/* whose window is as it was before the ACK */
	open_with_rule(_metadata, &self->peer, &c, "cubic");
	lose_nth_over(_metadata, &c, &next, 6, RTT_MS);
	EXPECT_EQ(11, info_of(&c).ssthresh);
	EXPECT_EQ(11, info_of(&c).cwnd);
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
	open_with_rule(_metadata, p, &c, "cubic");
	lose_one(_metadata, &c, &next);
	start = info_of(&c).cwnd;
	for (rounds = 0; info_of(&c).cwnd < 10; rounds++)
		round_trip(_metadata, &c, &next, 20);
	EXPECT_LE((10 - start) * 17 / 9 - 1, rounds);
	EXPECT_GE((10 - start) * 17 / 9 + 2, rounds);
	for (rounds = 0; info_of(&c).cwnd < 14; rounds++)
		round_trip(_metadata, &c, &next, 20);
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
	open_over(_metadata, p, &c, "cubic", rtt_ms);
	lose_one_over(_metadata, &c, &next, rtt_ms);
	for (rounds = 0; info_of(&c).cwnd < 20; rounds++) {
		cwnd = info_of(&c).cwnd;
		round_trip(_metadata, &c, &next, rtt_ms);
		EXPECT_GE(cwnd + cwnd / 2 + 1, info_of(&c).cwnd);
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
	open_over(_metadata, p, &c, "cubic", rtt_ms);
	lose_one_over(_metadata, &c, &next, rtt_ms);
	EXPECT_EQ(7, info_of(&c).cwnd);
	for (int cwnd = 9; cwnd <= 10; cwnd++) {
		round_trip(_metadata, &c, &next, rtt_ms);
		EXPECT_EQ(cwnd, info_of(&c).cwnd);
	}
}

TEST_F(congestion, rfc9438_4_7_fast_convergence)
{
	struct peer *p = &self->peer;
	int next = 0, rounds;
	struct conn c;

	/* Two losses in a row: the curve aims at 0.85 * 7, not at 10. */
	NOT_ON_STOCK();		/* where the Reno estimate is another */
	open_with_rule(_metadata, p, &c, "cubic");
	lose_one(_metadata, &c, &next);
	lose_one(_metadata, &c, &next);
	EXPECT_EQ(4, info_of(&c).ssthresh);
	for (rounds = 0; rounds < 2; rounds++)
		round_trip(_metadata, &c, &next, 200);
	EXPECT_GE(6, info_of(&c).cwnd);
	EXPECT_LE(4, info_of(&c).cwnd);
}

TEST_F(congestion, rfc9293_may_18_reno_halves)
{
	int next = 0, cwnd;
	struct conn c;

	open_with_rule(_metadata, &self->peer, &c, "reno");
	round_trip(_metadata, &c, &next, RTT_MS);
	EXPECT_EQ(20, info_of(&c).cwnd);
	lose_one(_metadata, &c, &next);
	EXPECT_EQ(10, info_of(&c).ssthresh);
	cwnd = info_of(&c).cwnd;
	for (int i = 1; i <= 3; i++) {
		round_trip(_metadata, &c, &next, RTT_MS);
		EXPECT_EQ(cwnd + i, info_of(&c).cwnd);
	}
}

TEST_F(congestion, a_change_keeps_the_window)
{
	int next = 0;
	struct conn c;

	open_with_rule(_metadata, &self->peer, &c, "reno");
	round_trip(_metadata, &c, &next, RTT_MS);
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5));
	EXPECT_EQ(20, info_of(&c).cwnd);
	round_trip(_metadata, &c, &next, RTT_MS);
	EXPECT_EQ(40, info_of(&c).cwnd);
}

TEST_F(congestion, rfc9406_a_longer_round_trip_slows_the_start)
{
	struct peer *p = &self->peer;
	int next = 0, cwnd;
	struct conn c;

	/*
	 * 100 ms, and then 120: a queue builds up. The threshold is an eighth of
	 * the RTT, 12.5 ms; growth is a quarter from the eighth sample on.
	 */
	NOT_ON_STOCK();		/* whose HyStart ends slow start for good */
	open_with_rule(_metadata, p, &c, "cubic");
	round_trip(_metadata, &c, &next, RTT_MS);
	cwnd = info_of(&c).cwnd;
	EXPECT_EQ(20, cwnd);
	round_trip(_metadata, &c, &next, RTT_MS + 20);
	EXPECT_GT(2 * cwnd, info_of(&c).cwnd);
	EXPECT_LT(cwnd + cwnd / 4, info_of(&c).cwnd);
	EXPECT_EQ(INT32_MAX, info_of(&c).ssthresh);
	cwnd = info_of(&c).cwnd;
	/* It was nothing: the next is short again, and the start goes on. */
	round_trip(_metadata, &c, &next, RTT_MS);
	EXPECT_LT(cwnd + cwnd / 2, info_of(&c).cwnd);
	EXPECT_EQ(INT32_MAX, info_of(&c).ssthresh);
}

TEST_F(congestion, rfc9406_five_rounds_end_it)
{
	struct peer *p = &self->peer;
	int next = 0, rounds;
	struct conn c;

	NOT_ON_STOCK();
	/* A receive window of 20 segments keeps it small. */
	open_with_rule(_metadata, p, &c, "cubic");
	round_trip(_metadata, &c, &next, RTT_MS);
	/* Longer and longer: by a microsecond shorter, and the start goes on. */
	for (rounds = 0; info_of(&c).ssthresh == INT32_MAX && rounds < 8; rounds++)
		round_trip(_metadata, &c, &next, RTT_MS + 20 + rounds);
	EXPECT_LE(5, rounds);
	EXPECT_GE(7, rounds);
}

TEST_HARNESS_MAIN
