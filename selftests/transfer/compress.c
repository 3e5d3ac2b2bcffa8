// SPDX-License-Identifier: GPL-2.0
/*
 * compress: duplicate ACKs that are left out because a later one reports the same. RFC
 * 5681 4.2, RFC 2018; xtcp_comp_sack_nr, xtcp_comp_sack_delay_ns. As on Linux TCP, but
 * for the slack of its timer.
 */
/* vm: wires families short */
/* vm: still=ctr_TCPAckCompressed */
/* vm: still=a_twentieth_of_the_round_trip */
/* vm: still=knob_comp_sack_nr_acts */
/* vm: still=no_block_is_dropped_unreported */
/* vm: still=each_block_is_reported_beside_timestamps */
/* vm: still=each_block_is_reported_beside_a_duplicate */
#include "lib/xtcp_test.h"

PEER_FIXTURE(compress);

#define SEG 1000
#define WITH_SACK OPT(OPT_MSS(SEG), OPT_SACKOK)
#define WITH_STAMPS OPT(OPT_MSS(SEG), OPT_SACKOK, OPT_TS(1, 0))

/* In the beginning each segment is acknowledged at once: that is over then. */
#define BEFORE 20

/* Segment 0 is the last of these, segment 1 the one that will be missing. */
static int64_t seg(int n)
{
	return 1 + (int64_t)(n + BEFORE - 1) * SEG;
}

static void open_over(struct __test_metadata *_metadata, struct peer *p, struct conn *c,
		      struct optbytes opt, int rtt_ms)
{
	conn_open(p, c, .active = true, .opt = opt, .rtt_ms = rtt_ms);
	for (int i = 0; i < BEFORE; i++)
		conn_send(c, .len = SEG);
	while (p->last.ack != c->peer_nxt)
		ASSERT_NE(NULL, peer_read(p, now_ns() + 210 * NSEC_PER_MSEC));
	peer_drain(p, 0);
}

/* Segments @from to @to, above the missing one. */
static void behind_the_hole(struct conn *c, int from, int to)
{
	for (int i = from; i <= to; i++)
		conn_send(c, .flags = ACK, .seq = seg(i), .ack = 1, .len = SEG);
}

static void three_go_alone(struct conn *c)
{
	for (int i = 2; i < 5; i++) {
		behind_the_hole(c, i, i);
		conn_expect(c, .flags = ACK, .ack = seg(1), .sacks = 1,
			    .sack = {{ seg(2), seg(i + 1) }});
	}
}

TEST_F(compress, ctr_TCPAckCompressed)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* 40 ms: a twentieth would be two, but one is the maximum. */
	open_over(_metadata, p, &c, WITH_SACK, 40);
	three_go_alone(&c);
	counters_begin(&before);
	counters_ignore(&before, "TCPOFOQueue", "TCPRcvCoalesce", NULL);
	peer_mark(p);
	behind_the_hole(&c, 5, 9);
	conn_expect(&c, .flags = ACK, .ack = seg(1), .at_ms = 1, .sacks = 1,
		    .sack = {{ seg(2), seg(10) }});
	counters_expect(_metadata, &before, "TCPAckCompressed", 4, NULL);
	peer_expect_silence(p, 300);
	/*
	 * The hole is filled: acknowledged at once, though there is another hole now.
	 */
	behind_the_hole(&c, 11, 11);
	conn_expect(&c, .flags = ACK, .ack = seg(1), .within_ms = 2);
	conn_send(&c, .len = SEG);
	conn_expect(&c, .flags = ACK, .ack = seg(10), .sacks = 1,
		    .sack = {{ seg(11), seg(12) }}, .within_ms = 0);
}

TEST_F(compress, a_twentieth_of_the_round_trip)
{
	struct peer *p = &self->peer;
	const struct segment *s;
	int64_t begin;
	struct conn c;

	NOT_ON_STOCK();		/* whose timer has a slack of 100 us */
	open_over(_metadata, p, &c, WITH_SACK, 10);
	three_go_alone(&c);
	begin = now_ns();
	behind_the_hole(&c, 5, 6);
	s = peer_read(p, begin + 2 * NSEC_PER_MSEC);
	ASSERT_NE(NULL, s);
	EXPECT_LE(500000, now_ns() - begin);
	EXPECT_GE(650000, now_ns() - begin);
}

TEST_F(compress, knob_comp_sack_delay_ns_acts)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("comp_sack_delay_ns", 20000000));
	open_over(_metadata, p, &c, WITH_SACK, 100);
	three_go_alone(&c);
	peer_mark(p);
	behind_the_hole(&c, 5, 6);
	conn_expect(&c, .flags = ACK, .at_ms = 5, .sacks = 1, .sack = {{ seg(2), seg(7) }});
}

TEST_F(compress, knob_comp_sack_rtt_percent_acts)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* newer than Linux 6.12 */
	ASSERT_EQ(0, knob_set("comp_sack_delay_ns", 20000000));
	ASSERT_EQ(0, knob_set("comp_sack_rtt_percent", 10));
	open_over(_metadata, p, &c, WITH_SACK, 100);
	three_go_alone(&c);
	peer_mark(p);
	behind_the_hole(&c, 5, 6);
	conn_expect(&c, .flags = ACK, .at_ms = 10, .sacks = 1, .sack = {{ seg(2), seg(7) }});
}

TEST_F(compress, knob_comp_sack_nr_acts)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* Every third ACK is sent at once. */
	ASSERT_EQ(0, knob_set("comp_sack_nr", 2));
	open_over(_metadata, p, &c, WITH_SACK, 40);
	three_go_alone(&c);
	counters_take(&before);
	behind_the_hole(&c, 5, 7);
	conn_expect(&c, .flags = ACK, .sacks = 1, .sack = {{ seg(2), seg(8) }}, .within_ms = 0);
	behind_the_hole(&c, 8, 10);
	conn_expect(&c, .flags = ACK, .sacks = 1, .sack = {{ seg(2), seg(11) }}, .within_ms = 0);
	EXPECT_EQ(4, counter_moved(&before, "TCPAckCompressed"));
	/* 0: none is left out. */
	ASSERT_EQ(0, knob_set("comp_sack_nr", 0));
	for (int i = 11; i < 14; i++) {
		behind_the_hole(&c, i, i);
		conn_expect(&c, .flags = ACK, .sacks = 1, .sack = {{ seg(2), seg(i + 1) }},
			    .within_ms = 0);
	}
}

TEST_F(compress, without_sack_each_counts)
{
	struct conn c;

	open_over(_metadata, &self->peer, &c, OPT(OPT_MSS(SEG)), 40);
	for (int i = 2; i < 10; i++) {
		behind_the_hole(&c, i, i);
		conn_expect(&c, .flags = ACK, .ack = seg(1), .within_ms = 0);
	}
}

TEST_F(compress, no_block_is_dropped_unreported)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The fifth hole pushes out a block that no ACK has reported. */
	open_over(_metadata, p, &c, WITH_SACK, 40);
	three_go_alone(&c);
	behind_the_hole(&c, 5, 6);
	for (int i = 8; i <= 14; i += 2)
		behind_the_hole(&c, i, i);
	conn_expect(&c, .flags = ACK, .ack = seg(1), .within_ms = 0, .sacks = 4,
		    .sack = {{ seg(12), seg(13) }, { seg(10), seg(11) }, { seg(8), seg(9) },
			     { seg(2), seg(7) }});
	conn_expect(&c, .flags = ACK, .ack = seg(1), .within_ms = 2, .sacks = 4,
		    .sack = {{ seg(14), seg(15) }, { seg(12), seg(13) }, { seg(10), seg(11) },
			     { seg(8), seg(9) }});
}

/*
 * Let an ACK wait for a millisecond, however short the round trip time looks where it takes time
 * to send a segment.
 */
static void wait_whatever_rtt(struct __test_metadata *_metadata)
{
	if (!stock_mode())
		ASSERT_EQ(0, knob_set("comp_sack_rtt_percent", 1000));
}

/* The blocks of the ACKs that come within 20 ms: bit n is set if one has segment n. */
static uint64_t reported(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	int64_t end = now_ns() + 20 * NSEC_PER_MSEC;
	uint64_t blocks = 0;

	while (peer_read(p, end)) {
		const struct segment_options *opt = &p->last.opt;

		EXPECT_EQ(seg(1), (uint32_t)(p->last.ack - c->peer_iss));
		for (int i = 0; i < opt->sacks; i++) {
			int64_t left = (uint32_t)(opt->sack[i].left - c->peer_iss);

			for (int n = 2; n < 64; n++)
				if (left == seg(n))
					blocks |= 1ULL << n;
		}
	}
	return blocks;
}

/*
 * Every second segment of a burst is lost. An ACK has space for three blocks beside
 * timestamps, and each of the twelve is in one of the ACKs.
 */
TEST_F(compress, each_block_is_reported_beside_timestamps)
{
	struct peer *p = &self->peer;
	struct counters before;
	uint64_t sent = 0;
	struct conn c;

	wait_whatever_rtt(_metadata);
	open_over(_metadata, p, &c, WITH_STAMPS, 40);
	counters_take(&before);
	for (int n = 2; n <= 24; n += 2) {
		behind_the_hole(&c, n, n);
		sent |= 1ULL << n;
	}
	EXPECT_EQ(sent, reported(_metadata, p, &c));
	if (!stock_mode())
		EXPECT_EQ(6, counter_moved(&before, "TCPAckCompressed"));
}

/*
 * A duplicate takes the first place of the three. (Linux leaves the ACK out that the segment
 * needs whose block displaces another one.)
 */
TEST_F(compress, each_block_is_reported_beside_a_duplicate)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	wait_whatever_rtt(_metadata);
	open_over(_metadata, p, &c, WITH_STAMPS, 40);
	for (int n = 2; n <= 6; n += 2) {
		behind_the_hole(&c, n, n);
		conn_expect(&c, .flags = ACK, .ack = seg(1), .within_ms = 0);
	}
	behind_the_hole(&c, 8, 8);
	behind_the_hole(&c, 10, 10);
	behind_the_hole(&c, 10, 10);
	for (int n = 12; n <= 18; n += 2)
		behind_the_hole(&c, n, n);
	conn_expect(&c, .flags = ACK, .ack = seg(1), .within_ms = 0, .sacks = 3,
		    .sack = {{ seg(10), seg(11) }, { seg(10), seg(11) }, { seg(8), seg(9) }});
	conn_expect(&c, .flags = ACK, .ack = seg(1), .within_ms = 0, .sacks = 3,
		    .sack = {{ seg(14), seg(15) }, { seg(12), seg(13) }, { seg(10), seg(11) }});
	conn_expect(&c, .flags = ACK, .ack = seg(1), .within_ms = 2, .sacks = 3,
		    .sack = {{ seg(18), seg(19) }, { seg(16), seg(17) }, { seg(14), seg(15) }});
}

TEST_HARNESS_MAIN
