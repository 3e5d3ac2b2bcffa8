// SPDX-License-Identifier: GPL-2.0
/*
 * recovery: the sender's reaction to duplicate ACKs and SACK blocks, and how much it
 * has in flight meanwhile. RFC 5681 3.2 (fast retransmit), 6582 (NewReno), 3042
 * (limited transmit), 6675 (losses by SACK), 2018 8 (reneging).
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <sys/epoll.h>

PEER_FIXTURE(recovery);

#define MSS 1000
#define PLAIN OPT(OPT_MSS(MSS))
#define WITH_SACK OPT(OPT_MSS(MSS), OPT_SACKOK)

/* Losses are found by count, not by time; no loss probes. */
static void open_by_count(struct peer *p, struct conn *c)
{
	knob_set("recovery", 0);
	knob_set("early_retrans", 0);
	flight_open(p, c, "reno", .opt = WITH_SACK);
}

/* --- without SACK: NewReno ----------------------------------------------- */

TEST_F(recovery, rfc5681_3_2_three_duplicates)
{
	NOT_ON_STOCK();		/* CUBIC's ssthresh is 0.7 of the window */
	struct peer *p = &self->peer;
	struct counters before;
	struct socket_info info;
	struct conn c;

	/* Large bursts, though the first handshake of a guest may take milliseconds. */
	knob_set("tso_rtt_log", 31);
	/* Segment 0 is lost; each duplicate stands for one that arrived. */
	flight_start(p, &c, 30, .opt = PLAIN);
	/* RFC 3042: the first two let new segments go. */
	flight_ack(&c, 0);
	flight_expect_only(&c, 10, 10);
	flight_ack(&c, 0);
	flight_expect_only(&c, 11, 11);
	counters_take(&before);
	flight_ack(&c, 0);
	flight_expect_only(&c, 0, 0);
	counters_expect(_metadata, &before, "TCPRenoRecovery", 1, "TCPFastRetrans", 1,
			"RetransSegs", 1, "InSegs", 1, "TCPPureAcks", 1,
			"TCPDelivered", 1, NULL);
	info = conn_info(&c);
	EXPECT_EQ(TCP_CA_Recovery, info.recovery);
	EXPECT_EQ(5, info.ssthresh);
	/*
	 * PRR: the window was 10 and is to be 5, so every second segment that
	 * arrives lets one go.
	 */
	for (int i = 0; i < 2; i++) {
		flight_ack(&c, 0);
		peer_expect_silence(p, 5);
		flight_ack(&c, 0);
		flight_expect_only(&c, 12 + i, 12 + i);
	}
	/* A full ACK ends it: cwnd is at ssthresh, and grows by that ACK. */
	flight_ack(&c, 12);
	info = conn_info(&c);
	EXPECT_EQ(TCP_CA_Open, info.recovery);
	EXPECT_EQ(6, info.cwnd);
	/* Half of cwnd in one burst; the last one waits for the next ACK. */
	flight_expect_only(&c, 14, 16);
	conn_send(&c, .flags = RST);
}

/* The ACK at the end of a recovery delivers only what no duplicate has reported. */
TEST_F(recovery, ctr_TCPDelivered_once_without_sack)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	flight_start(p, &c, 10, .opt = PLAIN);
	counters_take(&before);
	for (int i = 0; i < 9; i++)
		flight_ack(&c, 0);
	flight_expect(&c, 0);
	flight_ack(&c, 10);
	EXPECT_EQ(10, counter_moved(&before, "TCPDelivered"));
	conn_send(&c, .flags = RST);
}

TEST_F(recovery, rfc6582_partial_ack)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* Segments 0 and 4 are lost. */
	flight_start(p, &c, 10, .opt = PLAIN);
	for (int i = 0; i < 3; i++)
		flight_ack(&c, 0);
	flight_expect_only(&c, 0, 0);
	for (int i = 0; i < 5; i++)
		flight_ack(&c, 0);
	peer_expect_silence(p, 5);
	counters_begin(&before);
	/* Up to 4: less than all that was in flight, so 4 is lost as well. */
	flight_ack(&c, 4);
	flight_expect_only(&c, 4, 4);
	EXPECT_EQ(TCP_CA_Recovery, conn_info(&c).recovery);
	counters_expect(_metadata, &before, "TCPFastRetrans", 1, "RetransSegs", 1, NULL);
	flight_ack(&c, 10);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	EXPECT_EQ(5, conn_info(&c).ssthresh);
	peer_expect_silence(p, 2000);
}

/* An ACK within a segment: what the duplicates have reported is still all that has arrived. */
TEST_F(recovery, rfc6582_ack_within_a_segment)
{
	struct peer *p = &self->peer;
	struct conn c;

	flight_start(p, &c, 10, .opt = PLAIN);
	for (int i = 0; i < 3; i++)
		flight_ack(&c, 0);
	flight_expect_only(&c, 0, 0);
	EXPECT_EQ(3, (int)conn_tcp_info(&c).tcpi_sacked);
	conn_send(&c, .flags = ACK, .ack = 1 + MSS / 2);
	peer_expect_silence(p, 5);
	EXPECT_EQ(TCP_CA_Recovery, conn_info(&c).recovery);
	EXPECT_EQ(3, (int)conn_tcp_info(&c).tcpi_sacked);
	conn_send(&c, .flags = RST);
}

TEST_F(recovery, rfc6582_old_duplicates_start_nothing)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	/* After a recovery, duplicates below its end are no new loss. */
	flight_start(p, &c, 10, .opt = PLAIN);
	for (int i = 0; i < 3; i++)
		flight_ack(&c, 0);
	flight_expect_only(&c, 0, 0);
	flight_ack(&c, 10);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	flight_write(&c, 2);
	flight_expect_only(&c, 10, 11);
	for (int i = 0; i < 3; i++)
		flight_ack(&c, 10);
	peer_expect_silence(p, 100);
	EXPECT_GT(TCP_CA_Recovery, conn_info(&c).recovery);
	flight_ack(&c, 12);
}

TEST_F(recovery, rfc5681_not_every_ack_is_a_duplicate)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* With data, or with a window that opens, it says something else. */
	flight_start(p, &c, 5, .opt = PLAIN);
	conn_send(&c, .flags = ACK, .ack = flight_seq(&c, 1), .wnd = 50000);
	for (int i = 1; i < 5; i++) {
		conn_send(&c, .flags = ACK, .ack = flight_seq(&c, 1), .wnd = 50000 + i);
		conn_send(&c, .flags = ACK | PSH, .ack = flight_seq(&c, 1), .wnd = 50000 + i,
			  .len = 10);
	}
	for (int i = 0; i < 20; i++) {
		const struct segment *s = peer_read(p, now_ns() + 3 * NSEC_PER_MSEC);

		if (s)
			ASSERT_EQ(0, s->len);
	}
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	flight_ack(&c, 5);
}

TEST_F(recovery, rfc5681_two_duplicates_are_not_enough)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* Reordering by two places costs nothing. */
	flight_start(p, &c, 10, .opt = PLAIN);
	counters_begin(&before);
	flight_ack(&c, 0);
	flight_ack(&c, 0);
	flight_ack(&c, 3);
	peer_expect_silence(p, 50);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	flight_ack(&c, 10);
	/* Each segment that arrived counts once, when SND.UNA moves. */
	EXPECT_EQ(18, conn_info(&c).cwnd);
	counters_expect(_metadata, &before, NULL);
}

/* --- with SACK ----------------------------------------------------------- */

TEST_F(recovery, rfc6675_three_sacked_above)
{
	NOT_ON_STOCK();		/* CUBIC, RACK */
	struct peer *p = &self->peer;
	struct counters before;
	struct socket_info info;
	struct conn c;

	open_by_count(p, &c);
	flight_begin(&c, 10);
	flight_sack(&c, 0, { 1, 2 });
	peer_expect_silence(p, 5);
	flight_sack(&c, 0, { 1, 3 });
	peer_expect_silence(p, 5);
	counters_take(&before);
	flight_sack(&c, 0, { 1, 4 });
	flight_expect_only(&c, 0, 0);
	counters_expect(_metadata, &before, "TCPSackRecovery", 1, "TCPFastRetrans", 1,
			"RetransSegs", 1, "TCPDelivered", 1, "InSegs", 1,
			"TCPPureAcks", 1, NULL);
	info = conn_info(&c);
	EXPECT_EQ(TCP_CA_Recovery, info.recovery);
	EXPECT_EQ(5, info.ssthresh);
	/* PRR: six in the network, of ten; half of what arrives may go. */
	EXPECT_EQ(7, info.cwnd);
	flight_ack(&c, 10);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	peer_expect_silence(p, 1000);
}

TEST_F(recovery, rfc6675_one_ack_may_report_all)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	/*
	 * 0, 4 and 5 are lost; one ACK reports 1 to 3 and 6 to 9. 0 lies under
	 * seven, 4 and 5 under four. Three in the network, five allowed.
	 */
	open_by_count(p, &c);
	flight_begin(&c, 10);
	flight_sack(&c, 0, { 6, 10 }, { 1, 4 });
	flight_expect(&c, 0);
	flight_expect(&c, 4);
	flight_expect(&c, 5);
	peer_expect_silence(p, 20);
	/* Nothing that was SACKed goes again. */
	flight_ack(&c, 10);
	peer_expect_silence(p, 1000);
}

TEST_F(recovery, rfc6675_hole_below_is_found_later)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	/* 0, 1 and 2 are lost; four are in the network and five are allowed. */
	open_by_count(p, &c);
	flight_begin(&c, 10);
	flight_sack(&c, 0, { 3, 6 });
	flight_expect_only(&c, 0, 0);
	/* Each arrival allows the next. */
	flight_sack(&c, 1, { 3, 6 });
	flight_expect_only(&c, 1, 1);
	flight_sack(&c, 2, { 3, 6 });
	flight_expect_only(&c, 2, 2);
	flight_ack(&c, 6);
	peer_expect_silence(p, 5);
	EXPECT_EQ(TCP_CA_Recovery, conn_info(&c).recovery);
	flight_ack(&c, 10);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
}

TEST_F(recovery, rfc6675_partial_ack_sends_nothing_twice)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* 0, 1 and 2 are lost, and all three go again at once. */
	open_by_count(p, &c);
	flight_begin(&c, 10);
	counters_take(&before);
	flight_sack(&c, 0, { 3, 10 });
	flight_expect_only(&c, 0, 2);
	/* The arrival of 0 tells nothing about 1 and 2. */
	flight_sack(&c, 1, { 3, 10 });
	flight_sack(&c, 2, { 3, 10 });
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "TCPSackRecovery", 1, "TCPFastRetrans", 3,
			"RetransSegs", 3, "TCPDelivered", 9, "InSegs", 3,
			"TCPPureAcks", 3, NULL);
	flight_ack(&c, 10);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	peer_expect_silence(p, 1000);
}

TEST_F(recovery, rfc5681_3_1_half_of_what_was_in_flight)
{
	NOT_ON_STOCK();		/* RACK */
	struct peer *p = &self->peer;
	struct conn c;

	/* One ACK reports that six have arrived, and that the seventh is lost. */
	open_by_count(p, &c);
	flight_begin(&c, 10);
	flight_sack(&c, 6, { 7, 10 });
	flight_expect_only(&c, 6, 6);
	EXPECT_EQ(TCP_CA_Recovery, conn_info(&c).recovery);
	EXPECT_EQ(5, conn_info(&c).ssthresh);
	flight_ack(&c, 10);
	EXPECT_EQ(5, conn_info(&c).cwnd);
}

/*
 * RFC 6937: the share is that of what was in flight, not of a window that was not used: with
 * a threshold of half, each second arrival lets one segment go.
 */
TEST_F(recovery, rfc6937_3_half_of_a_small_flight)
{
	struct peer *p = &self->peer;
	int next = 0, sent;
	struct conn c;

	NOT_ON_STOCK();		/* Reno halves cwnd, not the flight */
	open_by_count(p, &c);
	for (int segs = 10; segs <= 20; segs *= 2) {
		flight_write(&c, segs);
		flight_expect_only(&c, next, next + segs - 1);
		next += segs;
		flight_ack(&c, next);
	}
	ASSERT_EQ(40, conn_info(&c).cwnd);
	flight_write(&c, 20);
	flight_expect_only(&c, next, next + 19);
	flight_write(&c, 20);
	flight_expect_only(&c, next + 20, next + 39);
	flight_ack(&c, next + 20);
	next += 20;
	ASSERT_LE(40, conn_info(&c).cwnd);
	/* 20 are in flight, and there is more to send than is allowed. */
	flight_sack(&c, next, { next + 1, next + 4 });
	flight_expect(&c, next);
	EXPECT_EQ(10, conn_info(&c).ssthresh);
	flight_write(&c, 30);
	sent = 0;
	for (int i = 5; i <= 12; i++) {
		flight_sack(&c, next, { next + 1, next + i });
		while (peer_read(p, now_ns() + 2 * NSEC_PER_MSEC))
			sent++;
	}
	/* 11 have arrived in all: 6 may be sent, of which one was. */
	EXPECT_EQ(5, sent);
	conn_send(&c, .flags = RST);
}

TEST_F(recovery, rfc6675_invalid_blocks_are_ignored)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	open_by_count(p, &c);
	flight_begin(&c, 10);
	flight_ack(&c, 5);
	counters_take(&before);
	counters_ignore(&before, "InSegs", "TCPPureAcks", "TCPDSACKRecv",
			"TCPDSACKIgnoredOld", "TCPDSACKIgnoredNoUndo",
			"TCPDSACKRecvSegs", "TCPSACKDiscard", "TCPDSACKIgnoredDubious",
			NULL);
	/* Below SND.UNA, above SND.NXT, empty, reversed. */
	for (int i = 0; i < 4; i++) {
		flight_sack(&c, 5, { 1, 2 });
		flight_sack(&c, 5, { 9, 12 });
		flight_sack(&c, 5, { 7, 7 });
		flight_sack(&c, 5, { 8, 7 });
	}
	peer_expect_silence(p, 50);
	counters_expect(_metadata, &before, NULL);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	flight_ack(&c, 10);
}

/* Bytes of memory that the send queue is charged with. */
static int queued(const struct conn *c)
{
	return socket_meminfo(c->fd, SK_MEMINFO_WMEM_QUEUED);
}

TEST_F(recovery, rfc2018_a_run_of_arrivals_takes_little_room)
{
	struct peer *p = &self->peer;
	struct conn c;
	int before;

	/*
	 * Reported one by one, the segments are split off the skb that they were
	 * written in. None keeps a header of its own.
	 */
	open_by_count(p, &c);
	flight_begin(&c, 10);
	before = queued(&c);
	for (int i = 2; i <= 10; i++) {
		flight_sack(&c, 0, { 1, i });
		if (i == 4)
			flight_expect(&c, 0);
	}
	EXPECT_EQ(10, conn_info(&c).unacked);
	EXPECT_GT(before + 2 * MSS, queued(&c));
	/* The acknowledged part of the range is freed; the rest is still reported. */
	flight_ack(&c, 4);
	EXPECT_EQ(6, conn_info(&c).unacked);
	EXPECT_GT(before - 2 * MSS, queued(&c));
	flight_ack(&c, 10);
	EXPECT_EQ(0, queued(&c));
	peer_expect_silence(p, 1000);
}

/* A flight of at least so many bytes that the peer does not read. */
static void fly_unseen(struct __test_metadata *_metadata, struct conn *c, int bytes)
{
	static uint8_t text[1 << 16];

	for (int i = 0; i < 60; i++) {
		int n;

		while (send(c->fd, text, sizeof(text), MSG_DONTWAIT) > 0)
			;
		n = flight_bytes(c);
		if (n >= bytes)
			return;
		for (int acks = 8; acks; acks--) {
			c->kern_nxt += n / acks;
			n -= n / acks;
			conn_send(c, .flags = ACK);
		}
	}
	peer_fail(WHERE(_metadata), c->peer, "only %d bytes are in flight", flight_bytes(c));
}

/* Segments that have arrived need less memory. The writer is told, though the oldest is missing. */
TEST_F(recovery, sacked_segments_make_room_for_the_writer)
{
	struct epoll_event woken = { .events = EPOLLOUT | EPOLLET };
	int n = 0, ep = epoll_create1(EPOLL_CLOEXEC);
	struct peer *p = &self->peer;
	static uint8_t text[300];
	struct conn c;

	knob_set("early_retrans", 0);
	link_set_single_segments(WHERE(_metadata), "tun0");
	/* Small ones: most of their memory is not payload. */
	flight_open(p, &c, "reno", .opt = OPT(OPT_MSS(300), OPT_SACKOK));
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 4000);
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	while (send(c.fd, text, sizeof(text), 0) == sizeof(text))
		n++;
	ASSERT_EQ(EAGAIN, errno);
	ASSERT_LE(5, n);
	ASSERT_GE(FLIGHT_INITIAL, n);
	flight_expect_only(&c, 0, n - 1);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, c.fd, &woken));
	ASSERT_EQ(0, epoll_wait(ep, &woken, 1, 0));
	flight_sack(&c, 0, { 1, n });
	EXPECT_EQ(1, epoll_wait(ep, &woken, 1, 0));
	close(ep);
	conn_send(&c, .flags = RST);
	p->leave_unread = true;
}

TEST_F(recovery, cve_2019_11478_ctr_TCPWqueueTooBig_every_second_segment)
{
	struct netem netem = { .loss = 100 };
	/* What a write can overshoot by: two skbs of 64 KiB and their headers. */
	const int overshoot = 2 * (65536 + 2048);
	const int mss = 48;
	struct peer *p = &self->peer;
	struct counters before, after;
	int limit, queued_max = 0, free_min = INT_MAX;
	int64_t at, end;
	struct conn c;

	/*
	 * Each report makes two skbs of one. They are charged like others, and their
	 * number is limited.
	 */
	knob_set("early_retrans", 0);
	conn_open(p, &c, .opt = OPT(OPT_MSS(mss), OPT_SACKOK, OPT_NOP, OPT_WSCALE(14)));
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 100000);
	limit = 2 * (socket_meminfo(c.fd, SK_MEMINFO_SNDBUF) + overshoot);
	c.wnd = 60000;
	conn_send(&c, .flags = ACK);
	netem_set(WHERE(_metadata), "tun0", &netem);
	fly_unseen(_metadata, &c, 100000);
	counters_take(&before);

	at = conn_kern_nxt(&c) + mss;
	end = conn_kern_nxt(&c) + flight_bytes(&c) - 4 * mss;
	for (; at < end; at += 4 * mss) {
		conn_send_sack(&c, conn_kern_nxt(&c), { at + 2 * mss, at + 3 * mss },
			       { at, at + mss });
		if (queued(&c) > queued_max)
			queued_max = queued(&c);
		if (socket_meminfo(c.fd, SK_MEMINFO_FWD_ALLOC) < free_min)
			free_min = socket_meminfo(c.fd, SK_MEMINFO_FWD_ALLOC);
	}
	EXPECT_GT(limit + 16384, queued_max);
	EXPECT_LT(limit - 16384, queued_max);
	/* Memory that is not reserved shows as a negative number. */
	EXPECT_LE(0, free_min);
	counters_take(&after);
	EXPECT_LT(counter_get(&before, "TCPWqueueTooBig"),
		  counter_get(&after, "TCPWqueueTooBig"));
	/* Segments at the ends can still be split: it goes on. */
	netem.loss = 0;
	netem_set(WHERE(_metadata), "tun0", &netem);
	conn_send(&c, .flags = ACK, .ack = conn_kern_nxt(&c) + 10);
	conn_expect(&c, .seq = conn_kern_nxt(&c) + 10, .within_ms = 3000);
	p->leave_unread = true;
	socket_abort(c.fd);
}

/* Four SACK blocks split the flight while xtcp_mem allows nothing. */
static void split_without_memory(struct __test_metadata *_metadata, struct peer *p, bool fixed)
{
	struct tcp_info info = { };
	socklen_t len = sizeof(info);
	int sndbuf, free_min;
	char limit[64];
	struct conn c;

	knob_set("recovery", 0);
	knob_set("early_retrans", 0);
	conn_open(p, &c, .kport = 6000 + fixed, .opt = OPT(OPT_MSS(1000), OPT_SACKOK));
	c.seg_len = 1000;
	if (fixed)
		socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 400000);
	flight_begin(&c, 10);
	sndbuf = socket_meminfo(c.fd, SK_MEMINFO_SNDBUF);
	knob_mem_set(WHERE(_metadata), "1 1 1", limit);
	for (int i = 1; i < 9; i += 2)
		flight_sack(&c, 0, { i, i + 1 });
	peer_drain(p, 20);
	free_min = socket_meminfo(c.fd, SK_MEMINFO_FWD_ALLOC);
	knob_mem_set(WHERE(_metadata), limit, NULL);
	EXPECT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(4, info.tcpi_sacked);
	EXPECT_EQ(sndbuf, socket_meminfo(c.fd, SK_MEMINFO_SNDBUF));
	/* Memory without a reservation shows as less than nothing. */
	EXPECT_LE(0, free_min);
	socket_abort(c.fd);
	peer_drain(p, 20);
}

/* A lack of memory prevents no split, and a split does not shrink the send buffer. */
TEST_F(recovery, skbs_are_split_where_memory_is_short)
{
	struct conn hog;

	NOT_ON_STOCK();
	conn_hoard(&self->peer, &hog);
	split_without_memory(_metadata, &self->peer, false);
	split_without_memory(_metadata, &self->peer, true);
	self->peer.leave_unread = true;
	socket_abort(hog.fd);
}

TEST_F(recovery, rfc2018_8_ctr_TCPSACKReneging)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/*
	 * SACKed segments are kept until they are acknowledged. At the timeout only
	 * the holes count as lost; when SND.UNA then is at a SACKed segment, the peer
	 * has dropped its data: after 10 ms without another ACK all is sent again.
	 */
	open_by_count(p, &c);
	flight_begin(&c, 4);
	flight_sack(&c, 0, { 1, 3 });
	flight_expect(&c, 0, .within_ms = 300);
	counters_begin(&before);
	peer_mark(p);
	flight_ack(&c, 1);
	flight_expect(&c, 1, .at_ms = 10);
	counters_expect(_metadata, &before, "TCPTimeouts", 1, "RetransSegs", 1,
			"TCPSACKReneging", 1, "TCPLossFailures", 1, NULL);
	flight_ack(&c, 2);
	flight_expect(&c, 2);
	flight_expect(&c, 3);
	flight_ack(&c, 4);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	peer_expect_silence(p, 1000);
}

/*
 * The same, and meanwhile an ACK reports that another segment has arrived, which was sent before
 * the oldest. That does not postpone the 10 ms to a timeout.
 */
TEST_F(recovery, rfc2018_8_reneging_is_not_postponed)
{
	static const int64_t round_ns = 1LL << 32;
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();		/* which postpones it */
	knob_set("frto", 0);
	open_by_count(p, &c);
	/* Of its time of sending, a segment that has arrived keeps the upper 32 bits. */
	sleep_until_ns((now_ns() / round_ns + 1) * round_ns - 50 * NSEC_PER_MSEC);
	flight_begin(&c, 10);
	flight_expect(&c, 0, .within_ms = 300);
	flight_ack(&c, 1);
	flight_expect_only(&c, 1, 2);
	flight_sack(&c, 1, { 2, 3 });
	flight_expect_only(&c, 3, 3);
	counters_take(&before);
	peer_mark(p);
	flight_ack(&c, 2);
	flight_sack(&c, 2, { 5, 6 });
	flight_expect(&c, 4);
	flight_expect(&c, 6);
	flight_expect(&c, 2, .at_ms = 10);
	EXPECT_EQ(1, counter_moved(&before, "TCPSACKReneging"));
	conn_send(&c, .flags = RST);
}

/* --- counters ------------------------------------------------------------ */

/* Ten segments in flight, the first of them lost, and n later ones reported. */
static void lose_first(struct __test_metadata *_metadata, struct peer *p,
		       struct conn *c, int n, bool with_sack)
{
	if (with_sack)
		open_by_count(p, c);
	else
		flight_open(p, c, "reno", .opt = PLAIN);
	flight_begin(c, 10);
	for (int i = 1; i <= n; i++) {
		if (with_sack)
			flight_sack(c, 0, { 1, 1 + i });
		else
			flight_ack(c, 0);
	}
	if (n >= 3)
		flight_expect_only(c, 0, 0);
}

/* The counters of a timeout in the middle of it. */
static void timeout_counts(struct __test_metadata *_metadata, struct conn *c,
			   const char *name, int lost_again)
{
	struct counters before;

	counters_take(&before);
	flight_expect(c, 0, .within_ms = 500);
	counters_expect(_metadata, &before, "TCPTimeouts", 1, "RetransSegs", 1,
			name, 1, "TCPLostRetransmit", lost_again, NULL);
	conn_send(c, .flags = RST);
}

TEST_F(recovery, ctr_TCPRenoRecoveryFail)
{
	NOT_ON_STOCK();
	struct conn c;

	lose_first(_metadata, &self->peer, &c, 3, false);
	timeout_counts(_metadata, &c, "TCPRenoRecoveryFail", 1);
}

TEST_F(recovery, ctr_TCPSackRecoveryFail)
{
	NOT_ON_STOCK();
	struct conn c;

	lose_first(_metadata, &self->peer, &c, 3, true);
	timeout_counts(_metadata, &c, "TCPSackRecoveryFail", 1);
}

TEST_F(recovery, ctr_TCPRenoFailures)
{
	NOT_ON_STOCK();
	struct conn c;

	lose_first(_metadata, &self->peer, &c, 2, false);
	timeout_counts(_metadata, &c, "TCPRenoFailures", 0);
}

TEST_F(recovery, ctr_TCPSackFailures)
{
	NOT_ON_STOCK();
	struct conn c;

	lose_first(_metadata, &self->peer, &c, 2, true);
	timeout_counts(_metadata, &c, "TCPSackFailures", 0);
}

/* The probe was a duplicate, and the peer says so without SACK blocks: nothing is SACKed. */
TEST_F(recovery, ctr_TCPSackFailures_behind_a_probe)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	flight_open(p, &c, "reno", .opt = WITH_SACK);
	counters_take(&before);
	flight_write(&c, 1);
	flight_expect(&c, 0);
	flight_expect(&c, 0, .within_ms = 500);
	EXPECT_EQ(1, counter_moved(&before, "TCPLossProbes"));
	flight_ack(&c, 0);
	flight_expect(&c, 0, .within_ms = 500);
	EXPECT_EQ(1, counter_moved(&before, "TCPTimeouts"));
	EXPECT_EQ(1, counter_moved(&before, "TCPSackFailures"));
	flight_ack(&c, 1);
}

TEST_F(recovery, ctr_TCPLossFailures)
{
	NOT_ON_STOCK();
	struct counters before;
	struct conn c;

	/* A timeout, some progress, and the next one before it is over. */
	lose_first(_metadata, &self->peer, &c, 0, false);
	flight_expect(&c, 0, .within_ms = 500);
	flight_ack(&c, 1);
	flight_expect_only(&c, 1, 2);
	counters_take(&before);
	flight_expect(&c, 1, .within_ms = 500);
	counters_expect(_metadata, &before, "TCPTimeouts", 1, "RetransSegs", 1,
			"TCPLossFailures", 1, "TCPLostRetransmit", 2, NULL);
	conn_send(&c, .flags = RST);
}

TEST_F(recovery, ctr_TCPFastRetrans)
{
	struct counters before;
	struct conn c;

	lose_first(_metadata, &self->peer, &c, 2, false);
	counters_take(&before);
	flight_ack(&c, 0);
	flight_expect(&c, 0);
	counters_expect(_metadata, &before, "TCPFastRetrans", 1, "RetransSegs", 1,
			"TCPRenoRecovery", 1, "InSegs", 1, "TCPPureAcks", 1,
			"TCPDelivered", 1, NULL);
	peer_drain(&self->peer, 5);
	conn_send(&c, .flags = RST);
}

TEST_F(recovery, ctr_TCPSlowStartRetrans)
{
	NOT_ON_STOCK();
	struct counters before;
	struct conn c;

	lose_first(_metadata, &self->peer, &c, 0, false);
	flight_expect(&c, 0, .within_ms = 500);
	counters_take(&before);
	flight_ack(&c, 1);
	flight_expect_only(&c, 1, 2);
	counters_expect(_metadata, &before, "TCPSlowStartRetrans", 2,
			"RetransSegs", 2, "InSegs", 1, "TCPPureAcks", 1,
			"TCPDelivered", 1, NULL);
	conn_send(&c, .flags = RST);
}

TEST_F(recovery, ctr_TCPRenoRecovery)
{
	struct counters before;
	struct conn c;

	lose_first(_metadata, &self->peer, &c, 2, false);
	counters_take(&before);
	counters_ignore(&before, "TCPFastRetrans", "RetransSegs", "InSegs",
			"TCPPureAcks", "TCPDelivered", NULL);
	flight_ack(&c, 0);
	peer_drain(&self->peer, 5);
	counters_expect(_metadata, &before, "TCPRenoRecovery", 1, NULL);
	conn_send(&c, .flags = RST);
}

TEST_F(recovery, ctr_TCPSackRecovery)
{
	struct counters before;
	struct conn c;

	lose_first(_metadata, &self->peer, &c, 2, true);
	counters_take(&before);
	counters_ignore(&before, "TCPFastRetrans", "RetransSegs", "InSegs",
			"TCPPureAcks", "TCPDelivered", NULL);
	flight_sack(&c, 0, { 1, 4 });
	peer_drain(&self->peer, 5);
	counters_expect(_metadata, &before, "TCPSackRecovery", 1, NULL);
	conn_send(&c, .flags = RST);
}

TEST_HARNESS_MAIN
