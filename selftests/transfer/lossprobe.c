// SPDX-License-Identifier: GPL-2.0
/*
 * lossprobe: the loss probe, RFC 8985 7 (TLP), and the D-SACKs that tell what it was (RFC 2883). The
 * kernel's TCP passes this, too, but for its coarser clock.
 */
/* vm: wires families */
#include "rack.h"

#include <netinet/tcp.h>

PEER_FIXTURE(lossprobe);

/* Three segments, none acknowledged: the loss probe sends the last one again; counters begin. */
static void fly_into_probe(struct peer *p, struct conn *c, struct counters *before)
{
	fly(p, c, WITH_SACK, 3);
	flight_expect(c, 2, .at_ms = PTO_MS);
	counters_begin_sack(before);
}

/* One more segment behind the three, and its ACK. */
static void fourth_arrives(struct conn *c)
{
	flight_write(c, 1);
	flight_expect(c, 3);
	flight_ack(c, 4);
}

TEST_F(lossprobe, rfc8985_7_probe_is_the_last_segment)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly(p, &c, WITH_SACK, 3);
	counters_begin_sack(&before);
	flight_expect(&c, 2, .at_ms = PTO_MS);
	counters_expect(_metadata, &before, "TCPLossProbes", 1, "RetransSegs", 1, NULL);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	EXPECT_EQ(0, conn_info(&c).recovery);
	/* One probe; then the timeout counts from it. */
	peer_mark_last(p);
	flight_expect(&c, 0, .at_ms = RTO_MS);
	conn_send(&c, .flags = RST);
}

/* A round trip later: what was sent before the probe should have arrived by then. */
TEST_F(lossprobe, rfc8985_7_probe_that_arrives_shows_the_loss_before_it)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_into_probe(p, &c, &before);
	peer_mark_last(p);
	peer_sleep_until(p, RTT_MS + 1);
	flight_sack(&c, 0, { 2, 3 });
	flight_expect(&c, 0, .at_ms = RTT_MS + 1);
	flight_ack(&c, 3);
}

TEST_F(lossprobe, rfc8985_7_ctr_TCPLossProbes_of_new_data)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* cwnd is full: the probe goes beyond it. */
	fly(p, &c, WITH_SACK, 15);
	counters_begin_sack(&before);
	flight_expect(&c, 10, .at_ms = PTO_MS);
	counters_expect(_metadata, &before, "TCPLossProbes", 1, NULL);
	conn_send(&c, .flags = RST);
}

TEST_F(lossprobe, rfc8985_7_probe_of_one_segment_waits_for_a_delayed_ack)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/*
	 * 2 * SRTT and the least RTO would exceed the RTO, so the probe is due at the
	 * RTO.
	 */
	fly(p, &c, WITH_SACK, 1);
	counters_begin_sack(&before);
	flight_expect(&c, 0, .at_ms = RTO_MS);
	counters_expect(_metadata, &before, "TCPLossProbes", 1, "RetransSegs", 1, NULL);
	peer_mark_last(p);
	flight_expect(&c, 0, .at_ms = RTO_MS);
	counters_expect(_metadata, &before, "TCPLossProbes", 1, "RetransSegs", 2,
			"TCPTimeouts", 1, NULL);
	conn_send(&c, .flags = RST);
}

#define WRITE_GAP_MS 45

/*
 * The program writes a byte each WRITE_GAP_MS, from @from_ms to before @until_ms after the mark,
 * and each leaves at once. @n were written before. Returns how many are then.
 */
static int write_each_gap(struct __test_metadata *_metadata, struct conn *c, int n, int from_ms,
			  int until_ms)
{
	for (int at_ms = from_ms; at_ms < until_ms; at_ms += WRITE_GAP_MS, n++) {
		peer_sleep_until(c->peer, at_ms);
		ASSERT_EQ(1, send(c->fd, "x", 1, 0));
		conn_expect(c, .seq = flight_seq(c, 10) + n, .len = 1);
	}
	return n;
}

/*
 * The path dies, and the program goes on writing: the writes after the probe do not put off the
 * timeout, which counts from the probe.
 */
TEST_F(lossprobe, rfc8985_7_2_writes_do_not_put_off_the_timeout)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int n = 0;

	NOT_ON_STOCK();		/* each write puts it off */
	fly_rtt(p, &c, WITH_SACK, 10);
	flight_ack(&c, 10);
	ASSERT_LE(20, (int)conn_info(&c).cwnd);
	ASSERT_EQ(RTO_MS, (int)conn_info(&c).rto_us / 1000);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1));
	counters_begin_sack(&before);
	peer_mark(p);
	/* Each puts off the probe, up to the RTO of the first one. */
	n = write_each_gap(_metadata, &c, n, 0, RTO_MS);
	conn_expect(&c, .seq = flight_seq(&c, 10) + n - 1, .len = 1, .at_ms = RTO_MS);
	EXPECT_EQ(1, counter_moved(&before, "TCPLossProbes"));
	EXPECT_EQ(0, counter_moved(&before, "TCPTimeouts"));
	peer_mark_last(p);
	n = write_each_gap(_metadata, &c, n, WRITE_GAP_MS / 3, RTO_MS);
	conn_expect(&c, .seq = flight_seq(&c, 10), .at_ms = RTO_MS);
	EXPECT_EQ(1, counter_moved(&before, "TCPLossProbes"));
	EXPECT_EQ(1, counter_moved(&before, "TCPTimeouts"));
	conn_send(&c, .flags = RST);
}

TEST_F(lossprobe, rfc8985_7_4_ctr_TCPLossProbeRecovery)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* The last of three is lost; only the probe can show it. */
	fly_into_probe(p, &c, &before);
	flight_ack(&c, 3);
	fourth_arrives(&c);
	counters_expect(_metadata, &before, "TCPLossProbeRecovery", 1, NULL);
	EXPECT_GT(10, conn_info(&c).cwnd);
}

TEST_F(lossprobe, rfc8985_7_4_ctr_TCPDSACKRecv_both_copies_arrived)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_into_probe(p, &c, &before);
	flight_ack(&c, 3);
	flight_sack(&c, 3, { 2, 3 });
	fourth_arrives(&c);
	counters_expect(_metadata, &before, "TCPDSACKRecv", 1, "TCPDSACKRecvSegs", 1,
			NULL);
	EXPECT_LE(10, conn_info(&c).cwnd);
}

/* No window was reduced for the probe: nothing is undone. */
TEST_F(lossprobe, ctr_TCPDSACKIgnoredNoUndo)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_into_probe(p, &c, &before);
	flight_ack(&c, 3);
	/* The counter moves only while something is in flight. */
	flight_write(&c, 1);
	flight_expect(&c, 3);
	flight_sack(&c, 3, { 2, 3 });
	counters_expect(_metadata, &before, "TCPDSACKRecv", 1, "TCPDSACKRecvSegs", 1,
			"TCPDSACKIgnoredNoUndo", 1, NULL);
	flight_ack(&c, 4);
}

/* The ACK of the last segment in flight brings it. */
TEST_F(lossprobe, ctr_TCPDSACKIgnoredNoUndo_with_the_last_ack)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_into_probe(p, &c, &before);
	flight_sack(&c, 3, { 2, 3 });
	counters_expect(_metadata, &before, "TCPDSACKRecv", 1, "TCPDSACKRecvSegs", 1,
			"TCPDSACKIgnoredNoUndo", 1, NULL);
}

/* The reduction that the first loss caused is past when the second begins another. */
TEST_F(lossprobe, ctr_TCPDSACKIgnoredOld)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 10);
	flight_sack(&c, 0, { 1, 10 });
	flight_expect(&c, 0);
	flight_ack(&c, 10);
	flight_write(&c, 5);
	peer_mark(p);
	flight_expect_only(&c, 10, 14);
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 10, { 11, 15 });
	flight_expect(&c, 10);
	EXPECT_EQ(3, conn_info(&c).recovery);
	counters_begin_sack(&before);
	flight_sack(&c, 10, { 0, 1 }, { 11, 15 });
	counters_expect(_metadata, &before, "TCPDSACKRecv", 1, "TCPDSACKRecvSegs", 1,
			"TCPDSACKIgnoredOld", 1, NULL);
	EXPECT_EQ(3, conn_info(&c).recovery);
	flight_ack(&c, 15);
}

/*
 * Half of all numbers away from a flight of one segment: a block begins above SND.UNA, ends below
 * SND.NXT, and is below the SEG.ACK of an overtaken ACK.
 */
TEST_F(lossprobe, ctr_TCPDSACKIgnoredOld_half_of_all_numbers_away)
{
	struct peer *p = &self->peer;
	struct counters before;
	uint32_t far;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 10);
	flight_sack(&c, 0, { 2, 10 });
	flight_expect_only(&c, 0, 1);
	flight_ack(&c, 9);
	counters_begin_sack(&before);
	far = c.kern_iss + 1 + 9 * 1000 + (1u << 31) - 1;
	conn_send(&c, .flags = ACK, .ack = 1 + 8 * 1000,
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_SACK1(far, far + 1000 + 100)));
	counters_expect(_metadata, &before, "TCPDSACKRecv", 1, "TCPDSACKRecvSegs", 2,
			"TCPDSACKIgnoredOld", 1, NULL);
	conn_send(&c, .flags = RST);
}

/* What lies on both sides of SND.UNA says nothing of what is in flight. */
TEST_F(lossprobe, rfc2883_4_a_dsack_across_snd_una)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 10);
	flight_sack(&c, 1, { 3, 10 });
	flight_expect_only(&c, 1, 2);
	EXPECT_EQ(3, conn_info(&c).recovery);
	counters_begin_sack(&before);
	flight_sack(&c, 1, { 0, 2 }, { 3, 10 });
	counters_expect(_metadata, &before, "TCPDSACKRecv", 1, "TCPDSACKRecvSegs", 2,
			"TCPDSACKIgnoredOld", 1, NULL);
	EXPECT_EQ(3, conn_info(&c).recovery);
	flight_ack(&c, 10);
}

/*
 * The first block reports a segment that counts as lost as a duplicate. The second one begins at
 * SND.UNA, which contradicts its ACK, so it is ignored, and the segment has not arrived. It is not
 * sent again: each such ACK would cost a walk over the flight.
 */
TEST_F(lossprobe, rfc2883_4_a_duplicate_that_has_not_arrived)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* whose reduction sends one of the three at once */
	link_set_single_segments(WHERE(_metadata), "tun0");
	fly_rtt(p, &c, WITH_SACK, 10);
	flight_sack(&c, 1, { 4, 10 });
	flight_expect_only(&c, 1, 3);
	for (int i = 0; i < 3; i++)
		flight_sack(&c, 1, { 2, 3 }, { 1, 3 });
	peer_expect_silence(p, 20);
	flight_ack(&c, 10);
}

/* A peer without D-SACK repeats its ACK. */
TEST_F(lossprobe, rfc8985_7_4_both_copies_arrived_without_dsack)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_into_probe(p, &c, &before);
	flight_ack(&c, 3);
	flight_ack(&c, 3);
	fourth_arrives(&c);
	counters_expect(_metadata, &before, NULL);
	EXPECT_LE(10, conn_info(&c).cwnd);
}

TEST_F(lossprobe, knob_early_retrans_is_off)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, knob_set("early_retrans", 0));
	fly(p, &c, WITH_SACK, 3);
	counters_begin_sack(&before);
	flight_expect(&c, 0, .at_ms = RTO_MS);
	counters_expect(_metadata, &before, "TCPTimeouts", 1, "RetransSegs", 1, NULL);
	conn_send(&c, .flags = RST);
}

TEST_F(lossprobe, rfc8985_7_without_sack_there_is_no_probe)
{
	struct peer *p = &self->peer;
	struct conn c;

	fly(p, &c, OPT(OPT_MSS(MSS)), 3);
	flight_expect(&c, 0, .at_ms = RTO_MS);
	conn_send(&c, .flags = RST);
}

/* The answer to a probe of new data brings payload: the probe is over, and another may come. */
TEST_F(lossprobe, rfc8985_7_4_an_answer_with_payload_ends_the_probe)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly(p, &c, WITH_SACK, 11);
	flight_expect(&c, 10, .at_ms = PTO_MS);
	flight_ack(&c, 10);
	conn_send(&c, .flags = ACK | PSH, .data = "answer", .ack = flight_seq(&c, 11));
	conn_expect(&c, .flags = ACK, .ack = 7, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(0, (int)conn_info(&c).unacked);
	counters_begin_sack(&before);
	flight_write(&c, 3);
	flight_expect_all(&c, 11, 13);
	/* The last one, by a probe; a timeout would send the first one. */
	flight_expect(&c, 13, .within_ms = 1000);
	EXPECT_EQ(1, counter_moved(&before, "TCPLossProbes"));
	EXPECT_EQ(0, counter_moved(&before, "TCPTimeouts"));
	conn_send(&c, .flags = RST);
}

TEST_HARNESS_MAIN
