// SPDX-License-Identifier: GPL-2.0
/*
 * rack: losses found by time, and how much is sent meanwhile: RFC 8985 (RACK), 6937 (PRR), 2883
 * (D-SACK), 2018 (invalid SACK blocks). The kernel's TCP passes all tests without NOT_ON_STOCK(),
 * but for its coarser clock. lossprobe.c has the loss probe, undo.c losses that were none.
 */
/* vm: wires families */
#include "rack.h"

#include <linux/tcp.h>

PEER_FIXTURE(rack);

/* --- RACK ---------------------------------------------------------------- */

TEST_F(rack, rfc8985_6_2_lost_when_time_is_up)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* One segment above the hole is enough, a little later. */
	fly_rtt(p, &c, WITH_SACK, 3);
	counters_begin_sack(&before);
	peer_mark(p);
	flight_sack(&c, 0, { 1, 2 });
	EXPECT_EQ(1, conn_info(&c).recovery);	/* Disorder */
	flight_expect(&c, 0, .at_ms = WINDOW_MS);
	counters_expect(_metadata, &before, "TCPSackRecovery", 1, "TCPFastRetrans", 1,
			"RetransSegs", 1, NULL);
	EXPECT_EQ(3, conn_info(&c).recovery);
	flight_ack(&c, 3);
	EXPECT_EQ(0, conn_info(&c).recovery);
}

TEST_F(rack, rfc8985_6_2_lost_at_once_when_three_arrived)
{
	struct peer *p = &self->peer;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 5);
	flight_sack(&c, 0, { 1, 4 });
	flight_expect(&c, 0);
	peer_expect_silence(p, 50);
	flight_ack(&c, 5);
}

/*
 * Segments 1 and 2 take 680 ms, so that segment 3, sent 500 ms later, is not lost before 1,180 ms.
 * Its timeout comes first.
 */
TEST_F(rack, rfc8985_6_2_the_timeout_does_not_wait)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int rto_ms;

	ASSERT_EQ(0, knob_set("early_retrans", 0));
	fly(p, &c, OPT(OPT_MSS(MSS + 12), OPT_SACKOK, OPT_TS(1, 0)), 3);
	counters_begin_sack(&before);
	peer_sleep_until(p, 200);
	flight_ack(&c, 1);
	rto_ms = conn_info(&c).rto_us / 1000;
	peer_sleep_until(p, 500);
	flight_write(&c, 1);
	flight_expect(&c, 3);
	flight_expect(&c, 1, .at_ms = 200 + rto_ms);
	peer_sleep_until(p, 680);
	flight_ack(&c, 3);
	EXPECT_EQ(0, conn_info(&c).recovery);
	rto_ms = conn_info(&c).rto_us / 1000;
	flight_expect(&c, 3, .at_ms = 680 + rto_ms);
	EXPECT_EQ(4, conn_info(&c).recovery);
	counters_expect(_metadata, &before, "TCPTimeouts", 2, "TCPSpuriousRTOs", 1, "TCPLossUndo", 1,
			"RetransSegs", 2, NULL);
	flight_ack(&c, 4);
}

TEST_F(rack, rfc8985_6_2_a_lost_retransmission)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/*
	 * A segment sent after the retransmission has arrived, a round trip later:
	 * lost again.
	 */
	fly_rtt(p, &c, WITH_SACK, 20);
	flight_sack(&c, 0, { 1, 10 });
	flight_expect(&c, 0);
	counters_begin_sack(&before);
	peer_mark(p);
	flight_expect(&c, 10);
	peer_drain(p, 5);
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 0, { 1, 11 });
	flight_expect(&c, 0);
	counters_expect(_metadata, &before, "TCPLostRetransmit", 1, "TCPFastRetrans", 1,
			"RetransSegs", 1, NULL);
	peer_drain(p, 5);
	conn_send(&c, .flags = RST);
}

/* What a full queue of this host refused was not sent: what arrives is the first copy. */
TEST_F(rack, rfc8985_6_2_a_refused_retransmission)
{
	struct peer *p = &self->peer;
	struct conn c;

	fly(p, &c, WITH_SACK, 5);
	peer_sleep_until(p, RTT_MS / 2);
	flight_write(&c, 1);
	flight_expect(&c, 5);
	peer_sleep_until(p, RTT_MS);
	peer_jam(p);
	flight_sack(&c, 0, { 2, 5 });
	EXPECT_EQ(2, (int)conn_tcp_info(&c).tcpi_lost);
	peer_unjam(p);
	peer_sleep_until(p, 3 * RTT_MS - LATE_MS);
	flight_sack(&c, 0, { 1, 5 });
	flight_expect(&c, 0);
	EXPECT_EQ(1, (int)conn_tcp_info(&c).tcpi_lost);
	flight_ack(&c, 6);
}

TEST_F(rack, knob_recovery_by_count)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Two above it are never enough; the timeout remains. */
	ASSERT_EQ(0, knob_set("recovery", 0));
	ASSERT_EQ(0, knob_set("early_retrans", 0));
	fly(p, &c, WITH_SACK, 3);
	flight_sack(&c, 0, { 1, 3 });
	peer_expect_silence_until(p, RTT_MS + 50);
	flight_expect(&c, 0, .within_ms = RTO_MS);
	conn_send(&c, .flags = RST);
}

TEST_F(rack, knob_recovery_4_keeps_the_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("recovery", 5));
	fly_rtt(p, &c, WITH_SACK, 5);
	peer_mark(p);
	flight_sack(&c, 0, { 1, 5 });
	flight_expect(&c, 0, .at_ms = WINDOW_MS);
	flight_ack(&c, 5);
}

TEST_F(rack, rfc8985_6_2_ctr_TCPSACKReorder_is_allowed_for)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* 0 arrives after 1 to 4, and was sent once: it was reordered. */
	fly_rtt(p, &c, WITH_SACK, 5);
	counters_begin_sack(&before);
	flight_sack(&c, 0, { 1, 3 });
	flight_ack(&c, 5);
	counters_expect(_metadata, &before, "TCPSACKReorder", 1, NULL);
	EXPECT_EQ(1, (int)conn_tcp_info(&c).tcpi_reord_seen);
	/* From now on three above a hole prove nothing before the time is up. */
	flight_write(&c, 6);
	peer_mark(p);
	flight_expect_only(&c, 5, 10);
	peer_sleep_until(p, RTT_MS);
	peer_mark(p);
	flight_sack(&c, 5, { 6, 11 });
	flight_expect(&c, 5, .at_ms = WINDOW_MS);
	flight_ack(&c, 11);
}

/* So many above a hole prove a loss; fewer wait for RACK's time. */
TEST_F(rack, knob_reordering)
{
	static const struct { int above; int64_t at_ms; } cases[] = {
		{ 3, WINDOW_MS }, { 5, 0 },
	};
	struct peer *p = &self->peer;

	ASSERT_EQ(0, knob_set("reordering", 5));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct conn c;

		peer_note(p, "%d above the hole", cases[i].above);
		fly_rtt(p, &c, WITH_SACK, 8);
		EXPECT_EQ(5, (int)conn_tcp_info(&c).tcpi_reordering);
		peer_mark(p);
		flight_sack(&c, 0, { 1, 1 + cases[i].above });
		flight_expect(&c, 0, .at_ms = cases[i].at_ms);
		flight_ack(&c, 8);
		peer_drain(p, 5);
		conn_send(&c, .flags = RST);
		close(c.fd);
		close(c.lfd);
	}
}

/* How far apart segments arrive is believed up to here: found by SACK. */
TEST_F(rack, knob_max_reordering)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("max_reordering", 5));
	fly_rtt(p, &c, WITH_SACK, 10);
	flight_sack(&c, 0, { 9, 10 });
	/* The first is nine segments late. */
	flight_ack(&c, 10);
	EXPECT_EQ(5, (int)conn_tcp_info(&c).tcpi_reordering);
}

/* Without SACK more duplicates than segments that can have arrived show it. */
TEST_F(rack, knob_max_reordering_without_sack)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("max_reordering", 5));
	fly(p, &c, OPT(OPT_MSS(MSS)), 8);
	for (int i = 0; i < 8; i++)
		flight_ack(&c, 0);
	peer_drain(p, 5);
	EXPECT_EQ(5, (int)conn_tcp_info(&c).tcpi_reordering);
	flight_ack(&c, 8);
}

/*
 * A segment and its ACK that overtake others measure less than the path. The reordering
 * window is a part of the minimum RTT, so such a SACK must not lower it.
 */
TEST_F(rack, rfc8985_6_2_min_rtt_is_not_of_what_overtook)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 5);
	flight_ack(&c, 5);
	EXPECT_LE(RTT_MS * 1000 - 1000, (int)conn_tcp_info(&c).tcpi_min_rtt);
	flight_write(&c, 3);
	flight_expect_only(&c, 5, 7);
	flight_sack(&c, 5, { 6, 7 });
	EXPECT_LE(RTT_MS * 1000 - 1000, (int)conn_tcp_info(&c).tcpi_min_rtt);
	flight_ack(&c, 8);
}

/* Two runs of arrivals, the later one listed first: the RTO needs the longest round trip. */
TEST_F(rack, rfc6298_3_rtt_of_what_was_sent_first)
{
	struct peer *p = &self->peer;
	struct conn c;

	fly(p, &c, WITH_SACK, 3);
	sleep_ms(RTT_MS);
	flight_write(&c, 1);
	flight_expect(&c, 3);
	sleep_ms(RTT_MS / 10);
	flight_sack(&c, 0, { 3, 4 }, { 1, 2 });
	/* 100 ms, and an eighth of the 10 ms above it; by segment 3 it would be 89 ms. */
	EXPECT_LE(RTT_MS * 1000, (int)conn_info(&c).srtt_us);
}

/* Without another sample it serves, until there is one. A repeated SYN-ACK gives none. */
TEST_F(rack, rfc8985_6_2_min_rtt_is_guessed_by_the_first_sack)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN, .opt = WITH_SACK);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .within_ms = 1200);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	flight_prepare_at(WHERE(_metadata), &c, "reno");
	flight_begin(&c, 5);
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 0, { 1, 2 });
	EXPECT_LE(RTT_MS * 1000 - 1000, (int)conn_tcp_info(&c).tcpi_min_rtt);
	EXPECT_GT(RTT_MS * 1000 + 2000, (int)conn_tcp_info(&c).tcpi_min_rtt);
	sleep_ms(5);
	flight_ack(&c, 5);
	EXPECT_LE((RTT_MS + 5) * 1000, (int)conn_tcp_info(&c).tcpi_min_rtt);
}

/* A longer round trip by an echoed timestamp, in whole milliseconds, does not replace the guess. */
TEST_F(rack, rfc8985_6_2_min_rtt_stays_a_guess)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK, OPT_TS(1, 0)));
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .within_ms = 1200);
	/* An echo of 0 measures nothing. */
	c.ts_recent = 0;
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	flight_prepare_at(WHERE(_metadata), &c, "reno");
	flight_begin(&c, 4);
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 0, { 1, 4 });
	flight_expect(&c, 0);
	sleep_ms(RTT_MS + 20);
	flight_ack(&c, 4);
	EXPECT_LE(RTT_MS * 1000 - 1000, (int)conn_tcp_info(&c).tcpi_min_rtt);
	EXPECT_GT(RTT_MS * 1000 + 2000, (int)conn_tcp_info(&c).tcpi_min_rtt);
}

/* --- RACK's window: RFC 8985 6.2, step 4 --------------------------------- */

/* Five segments, of which the first one arrives last. */
static void reorder(struct conn *c, int n)
{
	flight_sack(c, n, { n + 1, n + 3 });
	flight_ack(c, n + 5);
}

/*
 * Two segments from @n on. A round trip later the second one has arrived, and the first one is
 * sent again when @steps quarters of the least round trip are over, or a smoothed round trip.
 * @twice: the peer reports that the first one arrived twice.
 */
static void round_trip(struct conn *c, int n, int64_t rtt_ms, int steps, bool twice)
{
	struct peer *p = c->peer;
	int64_t window_us = steps * RTT_MS * 1000 / 4;
	int64_t srtt_us;

	flight_write(c, 2);
	peer_mark(p);
	flight_expect_all(c, n, n + 1);
	peer_sleep_until(p, rtt_ms);
	peer_mark(p);
	flight_sack(c, n, { n + 1, n + 2 });
	srtt_us = conn_info(c).srtt_us;
	if (window_us > srtt_us)
		window_us = srtt_us;
	flight_expect(c, n, .at_ms = window_us / 1000 + WINDOW_MS - RTT_MS / 4);
	if (twice)
		flight_sack(c, n + 2, { n, n + 1 });
	else
		flight_ack(c, n + 2);
}

/* Each round trip with a D-SACK adds a quarter. A smoothed round trip is the most. */
TEST_F_TIMEOUT(rack, rfc8985_6_2_window_widens, 300)
{
	struct peer *p = &self->peer;
	struct conn c;
	int n = 5;

	fly_rtt(p, &c, WITH_SACK, n);
	reorder(&c, 0);
	for (int steps = 1; steps <= 6; steps++, n += 2)
		round_trip(&c, n, RTT_MS, steps, true);
	/* The path gets longer: the smoothed round trip grows, the least one does not. */
	for (int steps = 7; steps <= 12; steps++, n += 2)
		round_trip(&c, n, RTT_MS + 40, steps, true);
	EXPECT_LE((RTT_MS + 20) * 1000, (int)conn_info(&c).srtt_us);
	/* It stays wide: the number of quarters has 8 bits, and does not wrap. */
	for (int steps = 13; steps <= 260; steps++, n += 2)
		round_trip(&c, n, RTT_MS, steps, true);
}

/* Several D-SACKs in a round trip count as one. */
TEST_F(rack, rfc8985_6_2_window_widens_once_a_round_trip)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 5);
	reorder(&c, 0);
	flight_write(&c, 10);
	peer_mark(p);
	flight_expect_only(&c, 5, 14);
	peer_sleep_until(p, RTT_MS);
	peer_mark(p);
	flight_sack(&c, 5, { 7, 9 }, { 10, 14 });
	/* Perhaps some us sooner: it was sent before those that the SACK block reports. */
	peer_expect_silence_until(p, WINDOW_MS - 1);
	flight_expect(&c, 5, .at_ms = WINDOW_MS - 1);
	flight_sack(&c, 5, { 7, 9 }, { 10, 15 });
	flight_expect(&c, 6);
	/* Both were late, and not lost. */
	counters_begin_sack(&before);
	flight_sack(&c, 6, { 5, 6 }, { 7, 9 }, { 10, 15 });
	flight_expect(&c, 9);
	flight_sack(&c, 9, { 6, 7 }, { 10, 15 });
	EXPECT_EQ(2, counter_moved(&before, "TCPDSACKRecv"));
	flight_ack(&c, 15);
	round_trip(&c, 15, RTT_MS, 2, false);
}

/* A window that grows while RACK waits: it waits for the rest, not for a timeout. */
TEST_F(rack, rfc8985_6_2_window_widens_while_rack_waits)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();		/* it widens with the next ACK that brings more than a D-SACK */
	ASSERT_EQ(0, knob_set("early_retrans", 0));
	fly_rtt(p, &c, WITH_SACK, 5);
	reorder(&c, 0);
	flight_write(&c, 4);
	peer_mark(p);
	flight_expect_only(&c, 5, 8);
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 5, { 7, 9 });
	flight_expect(&c, 5, .at_ms = RTT_MS + WINDOW_MS);
	flight_sack(&c, 6, { 7, 9 });
	flight_expect(&c, 6);
	flight_ack(&c, 9);
	counters_begin_sack(&before);
	flight_write(&c, 2);
	peer_mark(p);
	flight_expect_only(&c, 9, 10);
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 9, { 10, 11 });
	peer_sleep_until(p, RTT_MS + 10);
	flight_sack(&c, 9, { 5, 6 }, { 10, 11 });
	flight_expect(&c, 9, .at_ms = RTT_MS + 2 * RTT_MS / 4 + 2);
	EXPECT_EQ(0, counter_moved(&before, "TCPTimeouts"));
	EXPECT_EQ(1, counter_moved(&before, "TCPSackRecovery"));
	flight_ack(&c, 11);
}

/* Sixteen recoveries without a D-SACK keep the wide window. The next one finds a quarter again. */
TEST_F_TIMEOUT(rack, rfc8985_6_2_window_narrows, 100)
{
	struct peer *p = &self->peer;
	struct conn c;
	int n = 5;

	fly_rtt(p, &c, WITH_SACK, n);
	reorder(&c, 0);
	round_trip(&c, n, RTT_MS, 1, true);
	n += 2;
	round_trip(&c, n, RTT_MS, 2, true);
	n += 2;
	for (int i = 0; i < 16; i++, n += 2)
		round_trip(&c, n, RTT_MS, 3, false);
	round_trip(&c, n, RTT_MS, 1, true);
	round_trip(&c, n + 2, RTT_MS, 2, false);
}

/* A D-SACK counts only if reordering has been seen before. */
TEST_F(rack, rfc8985_6_2_window_stays_without_reordering)
{
	struct peer *p = &self->peer;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 2);
	flight_ack(&c, 2);
	round_trip(&c, 2, RTT_MS, 1, true);
	EXPECT_EQ(0, (int)conn_tcp_info(&c).tcpi_reord_seen);
	flight_write(&c, 5);
	peer_mark(p);
	flight_expect_only(&c, 4, 8);
	peer_sleep_until(p, RTT_MS);
	reorder(&c, 4);
	round_trip(&c, 9, RTT_MS, 1, false);
}

/* The D-SACK of a loss probe does not count: the timer sent it, not RACK. */
TEST_F(rack, rfc8985_6_2_window_stays_after_a_probe)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 5);
	reorder(&c, 0);
	flight_write(&c, 2);
	peer_mark(p);
	flight_expect_only(&c, 5, 6);
	flight_expect(&c, 6, .at_ms = PTO_MS);
	counters_begin_sack(&before);
	flight_ack(&c, 7);
	flight_sack(&c, 7, { 6, 7 });
	EXPECT_EQ(1, counter_moved(&before, "TCPDSACKRecv"));
	round_trip(&c, 7, RTT_MS, 1, false);
}

/* With value 2 of the knob D-SACKs do not widen the window. */
TEST_F(rack, knob_recovery_2_keeps_the_window_narrow)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("recovery", 3));
	fly_rtt(p, &c, WITH_SACK, 5);
	reorder(&c, 0);
	for (int n = 5; n < 11; n += 2)
		round_trip(&c, n, RTT_MS, 1, true);
}

/* --- PRR ----------------------------------------------------------------- */

/* More is lost than the window had to come down by: it grows up to ssthresh. */
TEST_F(rack, rfc6937_one_more_where_snd_una_moves)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Nothing is in the network, and five are allowed: as many as arrived. */
	fly_rtt(p, &c, WITH_SACK, 10);
	flight_sack(&c, 0, { 7, 10 });
	flight_expect_only(&c, 0, 2);
	EXPECT_EQ(5, conn_info(&c).ssthresh);
	/* One has arrived, and nothing else is lost: one for it, and one more. */
	flight_sack(&c, 1, { 7, 10 });
	flight_expect_only(&c, 3, 4);
	flight_sack(&c, 2, { 7, 10 });
	flight_expect_only(&c, 5, 6);
	flight_ack(&c, 10);
	EXPECT_EQ(0, conn_info(&c).recovery);
}

TEST_F(rack, rfc6937_none_more_where_a_loss_shows)
{
	struct peer *p = &self->peer;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 10);
	flight_ack(&c, 10);
	flight_write(&c, 20);
	peer_mark(p);
	flight_expect_only(&c, 10, 29);
	peer_sleep_until(p, RTT_MS);
	/* Ten are lost, seven in the network, ten allowed: as many as arrived. */
	flight_sack(&c, 10, { 20, 23 });
	flight_expect_only(&c, 10, 12);
	EXPECT_EQ(10, conn_info(&c).ssthresh);
	/* Four arrived, and 23 is lost as well: five in the network. */
	flight_sack(&c, 11, { 24, 27 }, { 20, 23 });
	flight_expect_only(&c, 13, 16);
	conn_send(&c, .flags = RST);
}

/* --- what can't be ------------------------------------------------------- */

TEST_F(rack, rfc2018_ctr_TCPSACKDiscard_blocks_that_cannot_be)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 5);
	counters_begin_sack(&before);
	/* Blocks of what was never sent, reversed, empty, from SND.UNA on, far away. */
	flight_sack(&c, 0, { 5, 9 });
	flight_sack(&c, 0, { 4, 2 });
	flight_sack(&c, 0, { 2, 2 });
	flight_sack(&c, 0, { 0, 3 });
	flight_sack(&c, 0, { 1, 2000000 });
	counters_expect(_metadata, &before, "TCPSACKDiscard", 5, NULL);
	EXPECT_EQ(0, conn_info(&c).recovery);
	/* Overlapping and repeated: each segment counts once. */
	flight_sack(&c, 0, { 2, 4 });
	flight_sack(&c, 0, { 1, 3 });
	peer_mark(p);
	flight_sack(&c, 0, { 1, 4 });
	/* 1 arrived after 3, that is reordering. */
	flight_expect(&c, 0, .within_ms = WINDOW_MS + 10);
	flight_ack(&c, 5);
}

/* Blocks are compared with what was in flight when they came, if anything was. */
TEST_F(rack, rfc2018_ctr_TCPSACKDiscard_at_the_end_of_a_flight)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 5);
	counters_begin_sack(&before);
	flight_sack(&c, 5, { 7, 9 });
	counters_expect(_metadata, &before, "TCPSACKDiscard", 1, NULL);
	flight_sack(&c, 5, { 7, 9 });
	flight_sack(&c, 4, { 7, 9 });
	counters_expect(_metadata, &before, "TCPSACKDiscard", 1, NULL);
}

TEST_F(rack, rfc2018_8_reneged_segments_are_not_timed)
{
	NOT_ON_STOCK();	/* takes their ACK for that of first copies */
	struct peer *p = &self->peer;
	struct conn c;

	/* The machine is older than any timeout: a time of 0 would show. */
	peer_mark(p);
	peer_sleep_until(p, 30000);
	fly_rtt(p, &c, WITH_SACK, 6);
	flight_sack(&c, 0, { 1, 6 });
	flight_expect(&c, 0);
	peer_sleep_until(p, 2 * RTT_MS);
	/* The peer has dropped 1 to 5: half a round trip later all is sent again. */
	peer_mark(p);
	flight_ack(&c, 1);
	flight_write(&c, 4);
	flight_expect(&c, 6);
	peer_drain(p, 5);
	flight_expect(&c, 1, .at_ms = RTT_MS / 2);
	peer_mark_last(p);
	peer_sleep_until(p, RTT_MS);
	/* 2 to 5 have not been sent again; 6 and what follows it is lost, too. */
	flight_ack(&c, 6);
	flight_expect(&c, 6);
	peer_mark_last(p);
	peer_drain(p, 5);
	/* The RTO had doubled, and nothing was timed. */
	flight_expect(&c, 6, .at_ms = 2 * RTO_MS);
	conn_send(&c, .flags = RST);
}

TEST_F(rack, rfc2883_ctr_TCPDSACKIgnoredDubious_more_than_were_sent)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* Nothing was sent twice: the peer lies, or the network duplicated it. */
	fly(p, &c, WITH_SACK, 5);
	counters_begin_sack(&before);
	/* An ACK at once would leave no time for reordering. */
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 3, { 0, 2 });
	counters_expect(_metadata, &before, "TCPDSACKRecv", 1,
			"TCPDSACKIgnoredDubious", 1, "TCPSACKDiscard", 1, NULL);
	flight_sack(&c, 3, { 4, 5 }, { 4, 5 });
	counters_expect(_metadata, &before, "TCPDSACKRecv", 1, "TCPDSACKOfoRecv", 1,
			"TCPDSACKIgnoredDubious", 2, "TCPSACKDiscard", 1, NULL);
	peer_drain(p, 40);
	flight_ack(&c, 5);
}

TEST_F(rack, rfc5681_split_acks_open_nothing)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Ten ACKs for a tenth of a segment each are one segment. */
	fly_rtt(p, &c, WITH_SACK, 30);
	for (int i = 1; i < 10; i++)
		conn_send(&c, .flags = ACK, .ack = 1 + i * MSS / 10);
	peer_expect_silence(p, 20);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	flight_ack(&c, 1);
	flight_expect_only(&c, 10, 11);
	EXPECT_EQ(11, conn_info(&c).cwnd);
	conn_send(&c, .flags = RST);
}

/* A D-SACK of @segs segments that nobody has sent again; an ACK up to segment @n. */
static void report_duplicates(struct conn *c, int n, uint32_t segs)
{
	uint32_t end = c->kern_iss + 1;

	conn_send(c, .flags = ACK, .ack = flight_seq(c, n),
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_SACK1(end - segs * MSS, end)));
}

/* Each may report a window, which is a GiB here. Their sum is 2^32 in the end. */
TEST_F(rack, rfc2883_reports_of_duplicates_open_nothing)
{
	static const uint32_t most = 0x3fffc000 / MSS;
	struct peer *p = &self->peer;
	struct conn c;

	fly_rtt(p, &c, OPT(OPT_MSS(MSS), OPT_SACKOK, OPT_NOP, OPT_WSCALE(14)), 30);
	for (uint32_t n = UINT32_MAX / most; n; n--)
		report_duplicates(&c, 0, most);
	report_duplicates(&c, 1, UINT32_MAX % most + 1);
	flight_expect_only(&c, 10, 11);
	EXPECT_EQ(11, conn_info(&c).cwnd);
	conn_send(&c, .flags = RST);
}

TEST_F(rack, rfc5681_optimistic_acks_open_nothing)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* An ACK of what was not sent: not even the part that was sent counts. */
	fly_rtt(p, &c, WITH_SACK, 10);
	flight_ack(&c, 12);
	peer_drain(p, 5);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	EXPECT_EQ(10, conn_info(&c).unacked);
	flight_ack(&c, 10);
}

TEST_HARNESS_MAIN
