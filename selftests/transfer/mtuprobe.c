// SPDX-License-Identifier: GPL-2.0
/*
 * mtuprobe: the path MTU, found by probing: RFC 4821, for paths without ICMP errors
 * (RFC 2923). The peer is the path as well: it drops too large segments silently.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/rtnetlink.h>
#include <linux/tcp.h>

PEER_FIXTURE(mtuprobe);

#define BASE 1024		/* xtcp_base_mss */
#define MOST 1460
#define WITH_SACK OPT(OPT_MSS(MOST), OPT_SACKOK)
#define RTO_MS 200
/* The first size that is tried: half way between. */
#define FIRST_PROBE ((BASE + MOST) / 2)

static void open_searching_far(struct __test_metadata *_metadata, struct peer *p, struct conn *c,
			       int rtt_ms)
{
	ASSERT_EQ(0, knob_set("mtu_probing", 2));
	ASSERT_EQ(0, knob_set("timestamps", 0));	/* nothing offered, nothing subtracted */
	conn_open(p, c, .opt = WITH_SACK, .active = true, .rtt_ms = rtt_ms);
	ASSERT_EQ(0, setsockopt(c->fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	socket_set(c->fd, SOL_SOCKET, SO_SNDBUF, 1000000);
}

static void open_searching(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	open_searching_far(_metadata, p, c, 0);
}

/*
 * A long write: ten segments fly, and when the first is acknowledged the window allows
 * more. Returns where the next segment begins.
 */
static int64_t ten_fly(struct __test_metadata *_metadata, struct conn *c)
{
	conn_write(c, 58 * BASE);
	for (int i = 0; i < 10; i++)
		conn_expect(c, .seq = 1 + i * BASE, .len = BASE);
	conn_send(c, .flags = ACK, .ack = 1 + BASE);
	return 1 + 10 * BASE;
}

/* The next one is a probe, and some full segments follow. Returns where it begins. */
static int64_t until_probe(struct __test_metadata *_metadata, struct conn *c)
{
	int64_t next = ten_fly(_metadata, c);

	conn_expect(c, .seq = next, .len = FIRST_PROBE, .flags = ACK);
	/* It counts as two segments: 10 + 1 - 1. */
	EXPECT_EQ(10, (int)conn_info(c).cwnd);
	conn_send(c, .flags = ACK, .ack = next);
	for (int i = 0; i < 18; i++)
		conn_expect(c, .seq = next + FIRST_PROBE + i * BASE, .len = BASE);
	EXPECT_EQ(19, (int)conn_info(c).cwnd);
	return next;
}

/* Reads what comes now; the peer expects what follows it. */
static void drain(struct conn *c)
{
	const struct segment *last = &c->peer->last;
	uint32_t end;

	if (!peer_drain(c->peer, 1))
		return;
	end = last->seq + segment_seqlen(last);
	if ((int32_t)(end - c->kern_nxt) > 0)
		c->kern_nxt = end;
}

TEST_F(mtuprobe, knob_mtu_probing_2_begins_small)
{
	struct peer *p = &self->peer;
	struct conn c;

	EXPECT_EQ(0, knob_get("mtu_probing"));
	EXPECT_EQ(BASE, knob_get("base_mss"));
	conn_open(p, &c, .opt = WITH_SACK);
	EXPECT_EQ(MOST, (int)conn_info(&c).snd_mss);
	open_searching(_metadata, p, &c);
	EXPECT_EQ(BASE, (int)conn_info(&c).snd_mss);
	ASSERT_EQ(0, knob_set("base_mss", 800));
	open_searching(_metadata, p, &c);
	EXPECT_EQ(800, (int)conn_info(&c).snd_mss);
	conn_write(&c, 900);
	conn_expect(&c, .seq = 1, .len = 800);
	conn_send(&c, .flags = ACK, .ack = 801);
	conn_expect(&c, .seq = 801, .len = 100);
}

TEST_F(mtuprobe, knob_mtu_probing_above_2)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("mtu_probing", 3));
	conn_open(&self->peer, &c, .opt = WITH_SACK, .active = true);
	EXPECT_EQ(BASE, (int)conn_info(&c).snd_mss);
}

/* Linux begins them with full segments until the peer's window has grown. */
TEST_F(mtuprobe, knob_mtu_probing_2_passive)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("mtu_probing", 2));
	conn_open(p, &c, .opt = WITH_SACK);
	EXPECT_EQ(BASE, (int)conn_info(&c).snd_mss);
}

TEST_F(mtuprobe, rfc4821_7_3_ctr_TCPMTUPSuccess_half_way_between)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int64_t next;

	open_searching(_metadata, p, &c);
	ASSERT_EQ(0, knob_set("probe_threshold", 300));	/* one probe */
	counters_take(&before);
	next = until_probe(_metadata, &c);
	conn_send(&c, .flags = ACK, .ack = next + FIRST_PROBE);
	EXPECT_EQ(1, counter_moved(&before, "TCPMTUPSuccess"));
	EXPECT_EQ(0, counter_moved(&before, "TCPMTUPFail"));
	EXPECT_EQ(FIRST_PROBE, (int)conn_info(&c).snd_mss);
	/* The window is as many bytes as before, and one more segment. */
	EXPECT_EQ(19 * (BASE + 40) / (FIRST_PROBE + 40) + 1, (int)conn_info(&c).cwnd);
	EXPECT_EQ(mtu_of(1500), (int)conn_info(&c).pmtu);
	next += FIRST_PROBE + 18 * BASE;
	conn_send(&c, .flags = ACK, .ack = next);
	/* All following segments have the new size at once. */
	conn_expect(&c, .seq = next, .len = FIRST_PROBE);
	conn_expect(&c, .seq = next + FIRST_PROBE, .len = FIRST_PROBE);
	p->leave_unread = true;
}

/* Here ssthresh comes from the route. It stays as many bytes, too. */
TEST_F(mtuprobe, rfc4821_7_6_1_ssthresh_keeps_its_bytes)
{
	static const struct route_metrics metrics = {
		.value[RTAX_SSTHRESH] = 40, .value[RTAX_LOCK] = 1 << RTAX_SSTHRESH,
	};
	struct peer *p = &self->peer;
	struct conn c;
	int64_t next;

	NOT_ON_STOCK();		/* its ssthresh stays as many segments */
	route_add_metrics(WHERE(_metadata), &p->addr, 32, "tun0", &metrics);
	open_searching(_metadata, p, &c);
	ASSERT_EQ(0, knob_set("probe_threshold", 300));	/* one probe */
	next = until_probe(_metadata, &c);
	EXPECT_EQ(40, (int)conn_info(&c).ssthresh);
	conn_send(&c, .flags = ACK, .ack = next + FIRST_PROBE);
	EXPECT_EQ(FIRST_PROBE, (int)conn_info(&c).snd_mss);
	EXPECT_EQ(40 * (BASE + 40) / (FIRST_PROBE + 40), (int)conn_info(&c).ssthresh);
	p->leave_unread = true;
}

/* 7.6.2: the loss of a probe is no congestion, and its size is known not to pass. */
TEST_F(mtuprobe, rfc4821_7_5_ctr_TCPMTUPFail_is_no_congestion)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int64_t next;

	open_searching(_metadata, p, &c);
	counters_take(&before);
	next = until_probe(_metadata, &c);
	/* At once: where segments leave within microseconds, RACK would wait after the first. */
	conn_send_sack(&c, next, { next + FIRST_PROBE, next + FIRST_PROBE + 4 * BASE });
	conn_expect(&c, .seq = next, .len = BASE);
	conn_expect(&c, .seq = next + BASE, .len = FIRST_PROBE - BASE);
	EXPECT_EQ(1, counter_moved(&before, "TCPMTUPFail"));
	EXPECT_EQ(0, counter_moved(&before, "TCPMTUPSuccess"));
	EXPECT_EQ(0, counter_moved(&before, "TCPSackRecovery"));
	EXPECT_EQ(BASE, (int)conn_info(&c).snd_mss);
	EXPECT_LE(20, (int)conn_info(&c).cwnd);
	drain(&c);
	next = conn_kern_nxt(&c);
	conn_send(&c, .flags = ACK, .ack = next);
	EXPECT_LE(20, (int)conn_info(&c).cwnd);
	/* The next size is between the one that passed and the one that did not. */
	conn_expect(&c, .seq = next, .len = (BASE + FIRST_PROBE - 1) / 2);
	drain(&c);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(1, counter_moved(&before, "TCPMTUPSuccess"));
	p->leave_unread = true;
}

/*
 * A timeout while a probe is in flight may be the probe's: F-RTO would learn nothing from the
 * ACKs of what is smaller. So all of it is sent again.
 */
TEST_F(mtuprobe, no_frto_with_a_probe_in_flight)
{
	struct peer *p = &self->peer;
	struct conn c;
	int64_t next;

	ASSERT_EQ(0, knob_set("early_retrans", 0));
	open_searching(_metadata, p, &c);
	next = until_probe(_metadata, &c);
	conn_expect(&c, .seq = next, .len = BASE, .within_ms = 1000);
	conn_send(&c, .flags = ACK, .ack = next + BASE);
	conn_expect(&c, .seq = next + BASE);
	conn_send(&c, .flags = RST, .seq = 1);
	p->leave_unread = true;
}

/* A larger packet would be lost in the black hole that the search has found, each time. */
TEST_F(mtuprobe, rfc4821_7_2_no_sack_block_beyond_the_size_that_passes)
{
	struct peer *p = &self->peer;
	struct conn c, was;

	open_searching(_metadata, p, &c);
	was = c;
	conn_send(&c, .flags = ACK, .ack = 1, .seq = 100, .data = "ten bytes.");
	peer_drain(p, 1);
	EXPECT_EQ(1, p->last.opt.sacks);
	c.peer_nxt = was.peer_nxt;
	/* The kernel's TCP takes the block's bytes from the payload. */
	if (stock_mode()) {
		conn_write(&c, BASE - 12);
		conn_expect(&c, .len = BASE - 12);
		EXPECT_EQ(1, p->last.opt.sacks);
		EXPECT_EQ(mtu_of(BASE + 40), p->last.packet_len);
		return;
	}
	conn_write(&c, BASE);
	conn_expect(&c, .len = BASE);
	EXPECT_EQ(0, p->last.opt.sacks);
	EXPECT_EQ(mtu_of(BASE + 40), p->last.packet_len);
	/* There is room for a block in this one. */
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	conn_write(&c, BASE - 12);
	conn_expect(&c, .len = BASE - 12);
	EXPECT_EQ(1, p->last.opt.sacks);
	EXPECT_EQ(mtu_of(BASE + 40), p->last.packet_len);
}

/* No probe while there is a hole in what has arrived: SACK blocks would make it larger. */
TEST_F(mtuprobe, no_probe_while_sack_is_sent)
{
	struct peer *p = &self->peer;
	struct conn c, was;

	open_searching(_metadata, p, &c);
	conn_write(&c, 58 * BASE);
	for (int i = 0; i < 10; i++)
		conn_expect(&c, .seq = 1 + i * BASE, .len = BASE);
	was = c;
	conn_send(&c, .flags = ACK, .ack = 1, .seq = 100, .data = "ten bytes.");
	peer_drain(p, 1);
	EXPECT_EQ(1, p->last.opt.sacks);
	c.peer_nxt = was.peer_nxt;
	c.kern_nxt = was.kern_nxt;
	conn_send(&c, .flags = ACK, .ack = 1 + BASE);
	conn_expect(&c, .seq = 1 + 10 * BASE, .len = stock_mode() ? BASE - 12 : BASE);
	p->leave_unread = true;
}

/* A size below 0 is none: the search begins with the smallest segments. */
TEST_F(mtuprobe, knob_base_mss_below_0)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("base_mss", -1));
	open_searching(_metadata, &self->peer, &c);
	EXPECT_EQ(knob_get("min_snd_mss"), (int)conn_info(&c).snd_mss);
}

/* Sizes that differ by less are not worth a probe. */
TEST_F(mtuprobe, knob_probe_threshold)
{
	struct peer *p = &self->peer;
	struct conn c;
	int64_t next;

	EXPECT_EQ(8, knob_get("probe_threshold"));
	ASSERT_EQ(0, knob_set("probe_threshold", MOST - BASE + 1));
	link_set_single_segments(WHERE(_metadata), "tun0");	/* none waits for another */
	open_searching(_metadata, p, &c);
	next = ten_fly(_metadata, &c);
	conn_expect(&c, .seq = next, .len = BASE);
	conn_expect(&c, .seq = next + BASE, .len = BASE);
	ASSERT_EQ(0, knob_set("probe_threshold", MOST - BASE));
	conn_send(&c, .flags = ACK, .ack = 1 + 2 * BASE);
	conn_expect(&c, .seq = next + 2 * BASE, .len = (MOST + BASE) / 2);
	conn_send(&c, .flags = RST);
	p->leave_unread = true;
}

/* Data that waits for the probe does not put off the loss probe of what is in flight. */
TEST_F(mtuprobe, rfc8985_7_loss_probe_while_a_probe_waits)
{
	enum { RTT_MS = 50 };
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("probe_threshold", MOST - BASE + 1));
	link_set_single_segments(WHERE(_metadata), "tun0");
	open_searching_far(_metadata, p, &c, RTT_MS);
	conn_write(&c, 58 * BASE);
	for (int i = 0; i < 10; i++)
		conn_expect(&c, .seq = 1 + i * BASE, .len = BASE);
	sleep_ms(RTT_MS);
	conn_send(&c, .flags = ACK, .ack = 1 + BASE);
	conn_expect(&c, .seq = 1 + 10 * BASE, .len = BASE);
	conn_expect(&c, .seq = 1 + 11 * BASE, .len = BASE);
	peer_mark_last(p);
	/* From now on one is wanted, for which cwnd has no room. */
	ASSERT_EQ(0, knob_set("probe_threshold", MOST - BASE));
	peer_sleep_until(p, 40);
	conn_write(&c, BASE);
	/* Two round trips and at most 20 ms after the last segment. */
	conn_expect(&c, .seq = 1 + 12 * BASE, .len = BASE, .within_ms = 2 * RTT_MS - 10);
	conn_send(&c, .flags = RST);
	p->leave_unread = true;
}

/* Reads and acknowledges segments until all data has come. */
static void take_all(struct conn *c, int64_t end)
{
	while (conn_kern_nxt(c) < end) {
		drain(c);
		conn_send(c, .flags = ACK);
	}
}

/* More than the peer's window takes, so that some of it waits. */
static void give_two_windows(struct __test_metadata *_metadata, struct conn *c)
{
	conn_write(c, 60 * BASE);
	conn_write(c, 60 * BASE);
}

/* Paths change: after a while the whole range is searched again. */
TEST_F(mtuprobe, knob_probe_interval)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int64_t next;

	EXPECT_EQ(600, knob_get("probe_interval"));
	ASSERT_EQ(0, knob_set("probe_interval", 30));
	ASSERT_EQ(0, knob_set("slow_start_after_idle", 0));
	counters_take(&before);
	open_searching(_metadata, p, &c);
	peer_mark(p);
	ASSERT_EQ(0, knob_set("probe_threshold", 300));
	next = until_probe(_metadata, &c);
	conn_send_sack(&c, next, { next + FIRST_PROBE, next + FIRST_PROBE + 4 * BASE });
	take_all(&c, 1 + 58 * BASE);
	EXPECT_EQ(1, counter_moved(&before, "TCPMTUPFail"));
	/* The remaining range is too narrow. */
	peer_sleep_until(p, 28000);
	give_two_windows(_metadata, &c);
	take_all(&c, 1 + 178 * BASE);
	EXPECT_EQ(0, counter_moved(&before, "TCPMTUPSuccess"));
	peer_sleep_until(p, 31500);
	give_two_windows(_metadata, &c);
	take_all(&c, 1 + 298 * BASE);
	EXPECT_EQ(1, counter_moved(&before, "TCPMTUPSuccess"));
	EXPECT_EQ(1, counter_moved(&before, "TCPMTUPFail"));
	EXPECT_EQ(FIRST_PROBE, (int)conn_info(&c).snd_mss);
}

/* The new search ends at the route's MTU, not at the peer's MSS. */
TEST_F(mtuprobe, knob_probe_interval_within_the_route)
{
	struct peer *p = &self->peer;
	struct counters before;
	int64_t end = 1;
	struct conn c;

	NOT_ON_STOCK();	/* goes up to the peer's MSS, and never sends such a probe */
	ASSERT_EQ(0, knob_set("probe_interval", 30));
	ASSERT_EQ(0, knob_set("probe_threshold", 300));
	ASSERT_EQ(0, knob_set("slow_start_after_idle", 0));
	route_add_metrics(WHERE(_metadata), &p->addr, 32, "tun0",
			  &(struct route_metrics){ .value[RTAX_MTU] = mtu_of(1240) });
	open_searching(_metadata, p, &c);
	counters_take(&before);
	peer_mark(p);
	/* The second time the search begins again, in a range that is too narrow. */
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			ASSERT_EQ(0, knob_set("probe_threshold", 100));
		conn_write(&c, 58 * BASE);
		end += 58 * BASE;
		take_all(&c, end);
		if (i < 2)
			EXPECT_EQ(BASE, (int)conn_info(&c).snd_mss);
		peer_sleep_until(p, 31500 * (i + 1));
	}
	EXPECT_EQ(1, counter_moved(&before, "TCPMTUPSuccess"));
	EXPECT_EQ(0, counter_moved(&before, "TCPMTUPFail"));
	EXPECT_EQ((BASE + 1200) / 2, (int)conn_info(&c).snd_mss);
}

/*
 * RFC 2923 2.1: full segments are lost. From R1 on the search begins: from 3 s after
 * the first transmission, as R1 counts, each timeout halves the size.
 */
static void black_hole(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	conn_open(p, c, .opt = WITH_SACK);
	conn_write(c, MOST);
	conn_expect(c, .seq = 1, .len = MOST);
	peer_mark_last(p);
	peer_drain(p, 2000);
}

TEST_F(mtuprobe, knob_mtu_probing_1_in_a_black_hole)
{
	static const int tried[] = { BASE, BASE / 2, BASE / 4 };
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("mtu_probing", 1));
	black_hole(_metadata, p, &c);
	EXPECT_EQ(MOST, (int)conn_info(&c).snd_mss);
	for (int i = 0; i < 3; i++) {
		conn_expect(&c, .seq = 1, .len = tried[i], .within_ms = 60000);
		EXPECT_EQ(tried[i], (int)conn_info(&c).snd_mss);
	}
	/* That one passes, and the rest is sent in such segments. */
	conn_send(&c, .flags = ACK, .ack = 1 + tried[2]);
	conn_expect(&c, .seq = 1 + tried[2], .len = tried[2]);
	peer_drain(p, 50);
	conn_send(&c, .flags = RST, .seq = 1);
}

/* A peer whose segments are smaller than xtcp_base_mss: theirs is the size that is halved. */
TEST_F(mtuprobe, knob_mtu_probing_1_below_base_mss)
{
	enum { SMALL = 600 };
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("mtu_probing", 1));
	conn_open(p, &c, .opt = OPT(OPT_MSS(SMALL), OPT_SACKOK));
	conn_write(&c, SMALL);
	conn_expect(&c, .seq = 1, .len = SMALL);
	peer_mark_last(p);
	peer_drain(p, 2000);
	/* Here the search begins. */
	conn_expect(&c, .seq = 1, .len = SMALL, .within_ms = 60000);
	conn_expect(&c, .seq = 1, .len = SMALL / 2, .within_ms = 60000);
	conn_expect(&c, .seq = 1, .len = SMALL / 4, .within_ms = 60000);
	conn_send(&c, .flags = RST, .seq = 1);
}

/* The program has closed; its data still has to arrive. */
TEST_F(mtuprobe, black_hole_of_an_orphan)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("mtu_probing", 1));
	black_hole(_metadata, p, &c);
	close(c.fd);
	c.fd = -1;
	conn_expect(&c, .seq = 1, .len = BASE, .within_ms = 60000);
	conn_expect(&c, .seq = 1, .len = BASE / 2, .within_ms = 60000);
	conn_send(&c, .flags = RST, .seq = 1);
}

TEST_F(mtuprobe, knob_mtu_probing_0_stays)
{
	struct peer *p = &self->peer;
	struct conn c;

	black_hole(_metadata, p, &c);
	for (int i = 0; i < 3; i++)
		conn_expect(&c, .seq = 1, .len = MOST, .within_ms = 60000);
	conn_send(&c, .flags = RST, .seq = 1);
}

TEST_F(mtuprobe, knob_mtu_probe_floor)
{
	struct peer *p = &self->peer;
	struct conn c;

	EXPECT_EQ(48, knob_get("mtu_probe_floor"));
	ASSERT_EQ(0, knob_set("mtu_probing", 1));
	ASSERT_EQ(0, knob_set("mtu_probe_floor", 400));
	black_hole(_metadata, p, &c);
	conn_expect(&c, .seq = 1, .len = BASE, .within_ms = 60000);
	conn_expect(&c, .seq = 1, .len = 512, .within_ms = 60000);
	for (int i = 0; i < 2; i++)
		conn_expect(&c, .seq = 1, .len = 400, .within_ms = 60000);
	conn_send(&c, .flags = RST, .seq = 1);
}

/*
 * With a large xtcp_min_snd_mss the MSS is above what the search is about: a probe would be a
 * small segment, whose arrival makes the window, in segments, hundreds of times as large. 2^24
 * segments were a division by zero in CUBIC.
 */
TEST_F(mtuprobe, knob_min_snd_mss_above_the_search)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* does so; its cubic divides otherwise */
	ASSERT_EQ(0, knob_set("timestamps", 0));
	ASSERT_EQ(0, knob_set("mtu_probing", 2));
	ASSERT_EQ(0, knob_set("base_mss", 0));
	ASSERT_EQ(0, knob_set("probe_threshold", 1));
	ASSERT_EQ(0, knob_set("min_snd_mss", 1000));
	ASSERT_EQ(0, knob_set("early_retrans", 0));
	conn_open(p, &c, .opt = OPT(OPT_MSS(40)), .active = true);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1000000);
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	conn_write(&c, 60000);
	for (int i = 0; i < 10 && conn_info(&c).cwnd < 40; i++) {
		peer_drain(p, 5);
		conn_send(&c, .flags = ACK, .ack = 1 + (int64_t)(p->last.seq + p->last.len -
								c.kern_iss - 1));
	}
	EXPECT_GE(60, conn_info(&c).cwnd);
	conn_send(&c, .flags = RST);
	p->leave_unread = true;
}

/* A router's MTU takes precedence: no probe is larger. */
TEST_F(mtuprobe, rfc4821_7_2_too_big_bounds_the_search)
{
	struct peer *p = &self->peer;
	struct segment first;
	struct conn c;
	int64_t next;

	open_searching(_metadata, p, &c);
	next = 1;
	conn_write(&c, BASE);
	first = *conn_expect(&c, .seq = next, .len = BASE);
	if (p->family == AF_INET6) {
		/* Every link takes more: no router can have said that. */
		peer_send_icmp(p, .type = 3, .code = 4, .quote = &first, .rest = 1260);
		peer_expect_silence(p, 20);
		EXPECT_EQ(BASE, (int)conn_info(&c).snd_mss);
		conn_send(&c, .flags = ACK);
		return;
	}
	peer_send_icmp(p, .type = 3, .code = 4, .quote = &first, .rest = 1000);
	conn_expect(&c, .seq = next, .len = 960);
	conn_expect(&c, .seq = next + 960, .len = BASE - 960);
	EXPECT_EQ(960, (int)conn_info(&c).snd_mss);
	next += BASE;
	conn_send(&c, .flags = ACK, .ack = next);
	/* Enough for a window in which a probe would fit. */
	for (int n = 10; n <= 20; n *= 2) {
		conn_write(&c, n * 960);
		for (int i = 0; i < n; i++)
			conn_expect(&c, .seq = next + i * 960, .len = 960);
		next += n * 960;
		conn_send(&c, .flags = ACK, .ack = next);
	}
}

TEST_HARNESS_MAIN
