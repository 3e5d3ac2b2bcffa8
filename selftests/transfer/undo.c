// SPDX-License-Identifier: GPL-2.0
/*
 * undo: reductions of the window that are taken back, because the loss was none: RFC 5682
 * (F-RTO), 3522 and 4015 (Eifel), 2883 and 3708 (D-SACK). All is Linux's behaviour, and the
 * kernel's TCP passes this, too, but for its coarser clock.
 */
/* vm: wires families */
#include "rack.h"

#include <linux/tcp.h>

PEER_FIXTURE(undo);

#define WITH_TS OPT(OPT_MSS(MSS), OPT_SACKOK, OPT_TS(1, 0))

/* Twenty segments to send, no loss probe, and the timeout has resent the first of them. */
static void fly_into_timeout(struct peer *p, struct conn *c)
{
	knob_set("early_retrans", 0);
	fly(p, c, WITH_SACK, 20);
	flight_expect(c, 0, .at_ms = RTO_MS);
}

TEST_F(undo, rfc3522_ctr_TCPFullUndo)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	uint32_t first_ts;

	fly(p, &c, WITH_TS, 5);
	first_ts = c.ts_recent;
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 0, { 1, 5 });
	flight_expect(&c, 0);
	EXPECT_EQ(TCP_CA_Recovery, conn_info(&c).recovery);
	EXPECT_EQ(stock_mode() ? 5 : 2, conn_info(&c).ssthresh);
	counters_begin_sack(&before);
	/* The ACK of it all echoes the first copy. */
	c.ts_recent = first_ts;
	flight_ack(&c, 5);
	counters_expect(_metadata, &before, "TCPFullUndo", 1, NULL);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	EXPECT_LE(10, conn_info(&c).cwnd);
	EXPECT_EQ(INT32_MAX, conn_info(&c).ssthresh);
}

/*
 * Some systems echo nothing, TSecr 0: that is earlier than no timestamp, whatever our
 * clock says (RFC 7323 3.2).
 */
TEST_F(undo, rfc3522_tsecr_zero_undoes_nothing)
{
	struct peer *p = &self->peer;
	struct counters before;
	int early = 0;
	struct conn c;

	/* Until 0 would have been earlier than our clock once, and later once. */
	for (int n = 0; n < 40 && early != 3; n++) {
		fly(p, &c, WITH_TS, 5);
		early |= (int32_t)c.ts_recent > 0 ? 1 : 2;
		peer_sleep_until(p, RTT_MS);
		c.ts_recent = 0;
		flight_sack(&c, 0, { 1, 5 });
		flight_expect(&c, 0);
		EXPECT_EQ(TCP_CA_Recovery, conn_info(&c).recovery);
		counters_begin_sack(&before);
		c.ts_recent = 0;
		flight_ack(&c, 5);
		counters_expect(_metadata, &before, NULL);
		EXPECT_EQ(stock_mode() ? 5 : 2, conn_info(&c).ssthresh);
		EXPECT_GE(7, conn_info(&c).cwnd);
		conn_send(&c, .flags = RST);
		close(c.fd);
		close(c.lfd);
	}
	EXPECT_EQ(3, early);
}

TEST_F(undo, rfc3708_ctr_TCPDSACKUndo)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 5);
	flight_sack(&c, 0, { 1, 5 });
	flight_expect(&c, 0);
	EXPECT_EQ(stock_mode() ? 5 : 2, conn_info(&c).ssthresh);
	flight_ack(&c, 5);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	EXPECT_GE(7, conn_info(&c).cwnd);
	counters_begin_sack(&before);
	/* And then 0 arrived a second time. */
	flight_sack(&c, 5, { 0, 1 });
	counters_expect(_metadata, &before, "TCPDSACKRecv", 1, "TCPDSACKRecvSegs", 1,
			"TCPDSACKUndo", 1, NULL);
	EXPECT_EQ(1, (int)conn_tcp_info(&c).tcpi_dsack_dups);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	EXPECT_EQ(INT32_MAX, conn_info(&c).ssthresh);
}

/* Also after an earlier reduction: cwnd at the time of this loss counts. */
TEST_F(undo, rfc4015_undo_keeps_three_quarters_of_the_window)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int n = 10;

	fly_rtt(p, &c, WITH_SACK, n);
	flight_sack(&c, 0, { 1, n });
	flight_expect(&c, 0);
	flight_ack(&c, n);
	EXPECT_EQ(5, conn_info(&c).ssthresh);
	/* Congestion avoidance, up to eight. */
	for (int cwnd; (cwnd = conn_info(&c).cwnd) < 8; n += cwnd) {
		flight_write(&c, cwnd);
		peer_mark(p);
		flight_expect_only(&c, n, n + cwnd - 1);
		peer_sleep_until(p, RTT_MS);
		flight_ack(&c, n + cwnd);
	}
	EXPECT_EQ(8, conn_info(&c).cwnd);
	flight_write(&c, 8);
	peer_mark(p);
	flight_expect_only(&c, n, n + 7);
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, n, { n + 1, n + 8 });
	flight_expect(&c, n);
	flight_ack(&c, n + 8);
	EXPECT_EQ(4, conn_info(&c).ssthresh);
	counters_begin_sack(&before);
	flight_sack(&c, n + 8, { n, n + 1 });
	counters_expect(_metadata, &before, "TCPDSACKRecv", 1, "TCPDSACKRecvSegs", 1,
			"TCPDSACKUndo", 1, NULL);
	EXPECT_EQ(8, conn_info(&c).cwnd);
	EXPECT_EQ(6, conn_info(&c).ssthresh);
}

/* Arrivals share an skb, but a D-SACK reports each retransmission by itself. */
TEST_F(undo, rfc3708_ctr_TCPDSACKOfoRecv_ctr_TCPDSACKRecvSegs_in_a_run)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* 0 and 2 are late, and are sent again. */
	fly_rtt(p, &c, WITH_SACK, 10);
	flight_sack(&c, 0, { 3, 10 }, { 1, 2 });
	flight_expect(&c, 0);
	flight_expect(&c, 2);
	peer_expect_silence(p, 5);
	counters_begin_sack(&before);
	/* 2 arrives twice while 0 is missing; then 0, twice as well. */
	flight_sack(&c, 0, { 1, 10 });
	flight_sack(&c, 0, { 2, 3 }, { 1, 10 });
	flight_ack(&c, 10);
	EXPECT_EQ(5, conn_info(&c).ssthresh);
	flight_sack(&c, 10, { 0, 1 });
	counters_expect(_metadata, &before, "TCPDSACKOfoRecv", 1, "TCPDSACKRecv", 1,
			"TCPDSACKRecvSegs", 2, "TCPSACKReorder", 1,
			"TCPDSACKUndo", 1, NULL);
	EXPECT_EQ(2, (int)conn_tcp_info(&c).tcpi_dsack_dups);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	EXPECT_EQ(INT32_MAX, conn_info(&c).ssthresh);
}

/*
 * 0 arrived twice, but that says nothing about 3: it stays lost, and is sent again at once.
 */
TEST_F(undo, rfc3708_other_losses_stay)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	fly_rtt(p, &c, WITH_SACK, 10);
	/* Two are lost; the window allows one of them. */
	flight_sack(&c, 0, { 1, 3 }, { 4, 5 });
	flight_expect_only(&c, 0, 0);
	EXPECT_EQ(2, (int)conn_tcp_info(&c).tcpi_lost);
	counters_begin_sack(&before);
	flight_sack(&c, 3, { 0, 1 }, { 4, 5 });
	flight_expect(&c, 3);
	counters_expect(_metadata, &before, "TCPDSACKRecv", 1, "TCPDSACKRecvSegs", 1,
			"TCPDSACKUndo", 1, "TCPSackRecovery", 1, "TCPFastRetrans", 1,
			"RetransSegs", 1, NULL);
	flight_ack(&c, 10);
}

/*
 * 0 was late, and the loss of 1 is undone along with it; that ACK reports no arrival
 * by which 1 could be found lost again, and yet 1 must not wait for the timeout.
 */
TEST_F(undo, rfc3522_ctr_TCPTSReorder_ctr_TCPPartialUndo_judges_anew)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	uint32_t first_ts;

	NOT_ON_STOCK();	/* waits for the timeout */
	fly(p, &c, WITH_TS, 10);
	first_ts = c.ts_recent;
	peer_sleep_until(p, RTT_MS);
	/* Two are lost; the window allows one of them. */
	flight_sack(&c, 0, { 2, 5 });
	flight_expect_only(&c, 0, 0);
	EXPECT_EQ(TCP_CA_Recovery, conn_info(&c).recovery);
	counters_begin_sack(&before);
	c.ts_recent = first_ts;
	flight_ack(&c, 1);
	EXPECT_EQ(TCP_CA_Disorder, conn_info(&c).recovery);
	EXPECT_LE(10, conn_info(&c).cwnd);
	EXPECT_EQ(INT32_MAX, conn_info(&c).ssthresh);
	/* As late as 0 was, and the window for reordering. */
	peer_expect_silence(p, RTT_MS / 4);
	flight_expect(&c, 1, .within_ms = WINDOW_MS - RTT_MS / 4 + LATE_MS);
	counters_expect(_metadata, &before, "TCPTSReorder", 1, "TCPPartialUndo", 1,
			"TCPSackRecovery", 1, "TCPFastRetrans", 1, "RetransSegs", 1, NULL);
	flight_ack(&c, 10);
}

/* A peer that says so again and again makes nobody look at the whole flight with each ACK. */
TEST_F(undo, rfc3522_once_in_a_flight)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();	/* marks nothing as lost again */
	fly(p, &c, WITH_TS, 10);
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 0, { 9, 10 });
	sleep_ms(WINDOW_MS);
	counters_begin_sack(&before);
	for (int i = 0; i < 5; i++) {
		flight_expect(&c, i);
		/* Each is said to have been late by 1 ms: the next ones are lost at once. */
		sleep_ms(2);
		c.ts_recent = p->last.opt.tsval - 1;
		flight_ack(&c, i + 1);
	}
	EXPECT_EQ(1, counter_moved(&before, "TCPPartialUndo"));
	p->leave_unread = true;
}

/*
 * 0 and 1 are late by more than the reordering window. When the copy of 0 turns out to have
 * been needless, 1 gets as much time as 0 took, and is not sent again.
 */
TEST_F(undo, rfc3522_late_segments_are_not_lost_again)
{
	struct peer *p = &self->peer;
	struct conn c;
	uint32_t first_ts;

	fly(p, &c, WITH_TS, 10);
	first_ts = c.ts_recent;
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 0, { 2, 5 });
	flight_expect_only(&c, 0, 0);
	peer_sleep_until(p, RTT_MS + 40);
	c.ts_recent = first_ts;
	flight_ack(&c, 1);
	EXPECT_EQ(TCP_CA_Disorder, conn_info(&c).recovery);
	peer_expect_silence(p, 20);
	flight_ack(&c, 10);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	peer_expect_silence(p, 1000);
	EXPECT_EQ(1, (int)conn_tcp_info(&c).tcpi_total_retrans);
}

/*
 * As above; then segment 11 takes a shorter path than the segments of the flight before. Segment
 * 10, which was sent before 11, gets as much time as those took, and is not lost.
 */
TEST_F(undo, rfc3522_a_short_way_does_not_make_others_lost)
{
	struct peer *p = &self->peer;
	struct conn c;
	uint32_t first_ts;

	NOT_ON_STOCK();	/* sends them in another order */
	fly(p, &c, WITH_TS, 10);
	first_ts = c.ts_recent;
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 0, { 2, 5 });
	flight_expect_only(&c, 0, 0);
	peer_sleep_until(p, RTT_MS + 60);
	c.ts_recent = first_ts;
	flight_ack(&c, 1);
	EXPECT_EQ(TCP_CA_Disorder, conn_info(&c).recovery);
	flight_ack(&c, 9);
	conn_write(&c, c.seg_len);
	flight_expect(&c, 10);
	peer_mark(p);
	peer_sleep_until(p, 50);
	conn_write(&c, c.seg_len);
	peer_drain(p, 5);
	peer_sleep_until(p, RTT_MS + 50);
	flight_sack(&c, 9, { 11, 12 });
	/* 9 has waited for twice that time. */
	flight_expect_only(&c, 9, 9);
	EXPECT_EQ(1, (int)conn_tcp_info(&c).tcpi_lost);
	p->leave_unread = true;
}

/*
 * A reduction is undone without SACK: the number of the peer's SYN, which lies anywhere, is
 * no segment that arrived early. So three duplicates repair the next loss, too.
 */
TEST_F(undo, rfc3522_without_sack_the_reordering_stays)
{
	struct peer *p = &self->peer;

	for (int i = 0; i < 8; i++) {
		uint32_t first_ts;
		struct conn c;

		flight_start(p, &c, 10, .opt = OPT(OPT_MSS(MSS), OPT_TS(1, 0)), .rtt_ms = RTT_MS,
			     .kport = 5000 + i);
		first_ts = c.ts_recent;
		peer_sleep_until(p, RTT_MS);
		for (int n = 0; n < 5; n++)
			flight_ack(&c, 0);
		flight_expect_only(&c, 0, 0);
		c.ts_recent = first_ts;
		flight_ack(&c, 1);
		peer_drain(p, 5);
		EXPECT_EQ(3, (int)conn_tcp_info(&c).tcpi_reordering);
		conn_send(&c, .flags = RST);
		peer_drain(p, 5);
	}
}

TEST_F(undo, rfc5682_ctr_TCPSpuriousRTOs_ctr_TCPLossUndo)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* All segments were delayed; the ACKs come after the timeout, one by one. */
	fly_into_timeout(p, &c);
	EXPECT_EQ(1, conn_info(&c).cwnd);
	counters_begin_sack(&before);
	flight_ack(&c, 1);
	/* Two new segments, not those that seem lost. */
	flight_expect_only(&c, 10, 11);
	EXPECT_EQ(TCP_CA_Loss, conn_info(&c).recovery);
	flight_ack(&c, 2);
	counters_expect(_metadata, &before, "TCPSpuriousRTOs", 1, "TCPLossUndo", 1, NULL);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	EXPECT_LE(10, conn_info(&c).cwnd);
	EXPECT_EQ(INT32_MAX, conn_info(&c).ssthresh);
	peer_drain(p, 5);
	conn_send(&c, .flags = RST);
}

TEST_F(undo, rfc5682_real_timeout)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* New segments arrive above the hole: it was a loss. */
	fly_into_timeout(p, &c);
	flight_ack(&c, 1);
	flight_expect_only(&c, 10, 11);
	counters_begin_sack(&before);
	flight_sack(&c, 1, { 10, 11 });
	flight_expect(&c, 1);
	peer_drain(p, 5);
	counters_expect(_metadata, &before, "TCPSlowStartRetrans", MOVED,
			"RetransSegs", MOVED, NULL);
	EXPECT_EQ(TCP_CA_Loss, conn_info(&c).recovery);
	/* What was sent once before the timeout and arrives now does not change that. */
	flight_sack(&c, 1, { 5, 6 }, { 10, 11 });
	peer_drain(p, 5);
	EXPECT_EQ(0, counter_moved(&before, "TCPSpuriousRTOs"));
	EXPECT_EQ(TCP_CA_Loss, conn_info(&c).recovery);
	conn_send(&c, .flags = RST);
}

/*
 * Without SACK an ACK that covers 0, which was sent twice, and others tells of no copy. An ACK
 * of segments that were sent once does.
 */
TEST_F(undo, rfc5682_2_1_an_ack_of_a_resent_segment_and_others)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	knob_set("early_retrans", 0);
	fly(p, &c, OPT(OPT_MSS(MSS)), 20);
	flight_expect(&c, 0, .at_ms = RTO_MS);
	counters_begin_sack(&before);
	flight_ack(&c, 3);
	flight_expect_only(&c, 10, 13);
	EXPECT_EQ(0, counter_moved(&before, "TCPSpuriousRTOs"));
	EXPECT_EQ(TCP_CA_Loss, conn_info(&c).recovery);
	flight_ack(&c, 4);
	counters_expect(_metadata, &before, "TCPSpuriousRTOs", 1, "TCPLossUndo", 1, NULL);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	peer_drain(p, 5);
	conn_send(&c, .flags = RST);
}

/* What the program holds back is new data, too, and answers the question at once. */
TEST_F(undo, rfc5682_new_data_in_spite_of_cork)
{
	struct peer *p = &self->peer;
	struct conn c;

	knob_set("early_retrans", 0);
	fly(p, &c, WITH_SACK, 3);
	socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1);
	conn_write(&c, 100);
	flight_expect(&c, 0, .at_ms = RTO_MS);
	flight_ack(&c, 1);
	conn_expect(&c, .seq = flight_seq(&c, 3), .len = 100);
	peer_expect_silence(p, 5);
	conn_send(&c, .flags = RST);
}

TEST_F(undo, knob_frto_is_off)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("frto", 0));
	fly_into_timeout(p, &c);
	flight_ack(&c, 1);
	flight_expect_only(&c, 1, 2);
	conn_send(&c, .flags = RST);
}

TEST_F(undo, ctr_TCPRenoReorder)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* More duplicates than segments that can have arrived: reordering. */
	fly(p, &c, OPT(OPT_MSS(MSS)), 3);
	counters_begin_sack(&before);
	for (int i = 0; i < 3; i++)
		flight_ack(&c, 0);
	peer_drain(p, 5);
	counters_expect(_metadata, &before, "TCPRenoReorder", 1, NULL);
	flight_ack(&c, 3);
}

/*
 * 0 was only late, which shows after a timeout that has found the copy of 4 lost, too. 4 was then
 * sent after 8, so when 9 arrives, 8 is lost and 4 is not.
 */
TEST_F(undo, rfc8985_6_2_order_of_sending_after_an_undo)
{
	struct peer *p = &self->peer;
	struct conn c;
	uint32_t first_ts;

	ASSERT_EQ(0, knob_set("early_retrans", 0));
	fly(p, &c, WITH_TS, 8);
	first_ts = c.ts_recent;
	peer_sleep_until(p, RTT_MS / 2);
	flight_write(&c, 1);
	flight_expect(&c, 8);
	peer_sleep_until(p, RTT_MS / 2 + 10);
	flight_write(&c, 1);
	flight_expect(&c, 9);
	peer_sleep_until(p, RTT_MS);
	flight_sack(&c, 0, { 1, 4 }, { 5, 8 });
	flight_expect(&c, 0);
	flight_expect(&c, 4);
	/* The timeout. */
	flight_expect(&c, 0, .within_ms = 2 * RTO_MS);
	/* The ACK of the first copy. */
	c.ts_recent = first_ts;
	flight_sack(&c, 4, { 5, 8 });
	peer_expect_silence(p, 5);
	flight_sack(&c, 4, { 9, 10 }, { 5, 8 });
	flight_expect_only(&c, 8, 8);
	flight_ack(&c, 10);
}

TEST_HARNESS_MAIN
