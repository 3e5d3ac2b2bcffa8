// SPDX-License-Identifier: GPL-2.0
/*
 * reassembly: data that arrives out of order, twice, overlapping or damaged, and what
 * the receiver reports of it. RFC 9293 3.10.7.4 (data), 3.4 (sequence numbers), RFC
 * 2018 (SACK blocks), 2883 (D-SACK), 5681 4.2 (duplicate ACKs). LC-51, 52.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/sock_diag.h>
#include <linux/tcp.h>

PEER_FIXTURE(reassembly);

#define WITH_SACK OPT(OPT_MSS(1460), OPT_SACKOK)
#define WITH_TS OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0))

/* The data from byte first to last - 1, relative numbers. */
#define text(c, first, last) \
	conn_send(c, .flags = ACK, .seq = first, .len = (last) - (first))

/* Reads all there is: so many bytes of the pattern, from the beginning. */
static void expect_pattern(struct __test_metadata *_metadata, struct conn *c, int len)
{
	static uint8_t buf[65536];
	int n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	ASSERT_EQ(len, n);
	ASSERT_EQ(-1, pattern_check(buf, n, 0));
	ASSERT_EQ(-1, recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT));
	ASSERT_EQ(EAGAIN, errno);
}

TEST_F(reassembly, lc_52_out_of_order)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	counters_take(&before);
	/* Backwards: the program can read nothing until the first has arrived. */
	text(&c, 201, 301);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	text(&c, 101, 201);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	text(&c, 1, 101);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 301);
	EXPECT_EQ(POLLOUT | POLLIN, socket_poll(c.fd));
	counters_ignore(&before, "TCPRcvCoalesce", NULL);
	counters_expect(_metadata, &before, "TCPOFOQueue", 2, "InSegs", 3,
			"OutSegs", 3, NULL);
	expect_pattern(_metadata, &c, 300);
}

TEST_F(reassembly, lc_52_any_order)
{
	/* All orders of five segments. */
	static const int orders[][5] = {
		{ 4, 3, 2, 1, 0 }, { 1, 2, 3, 4, 0 }, { 2, 0, 4, 1, 3 },
		{ 0, 2, 4, 3, 1 }, { 3, 0, 1, 4, 2 }, { 1, 0, 3, 2, 4 },
		{ 4, 0, 3, 1, 2 }, { 2, 4, 1, 3, 0 }, { 0, 4, 1, 2, 3 },
	};
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		struct conn c;

		peer_note(p, "order %zu", i);
		conn_open(p, &c, .kport = 6000 + i, .opt = i % 2 ? WITH_SACK : WITH_TS);
		for (int k = 0; k < 5; k++) {
			int first = 1 + 700 * orders[i][k];

			text(&c, first, first + 700);
		}
		peer_drain(p, 250);
		EXPECT_EQ((uint32_t)(c.peer_iss + 3501), p->last.ack);
		expect_pattern(_metadata, &c, 3500);
		conn_send(&c, .flags = RST, .seq = 3501);
	}
}

TEST_F(reassembly, lc_52_duplicates_are_acked_again)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	text(&c, 1, 101);
	conn_expect(&c, .flags = ACK, .ack = 101);
	for (int i = 0; i < 3; i++) {
		text(&c, 1, 101);
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 101);
	}
	/* Half of it is new. */
	text(&c, 51, 151);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 151, .within_ms = 60);
	expect_pattern(_metadata, &c, 150);
}

TEST_F(reassembly, lc_52_overlaps)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Each byte comes up to four times, in overlapping pieces. */
	conn_open(p, &c, .opt = WITH_SACK);
	text(&c, 301, 500);
	text(&c, 250, 350);
	text(&c, 450, 600);
	text(&c, 320, 330);
	text(&c, 200, 800);
	text(&c, 790, 1001);
	text(&c, 100, 260);
	text(&c, 1, 120);
	peer_drain(p, 250);
	EXPECT_EQ((uint32_t)(c.peer_iss + 1001), p->last.ack);
	expect_pattern(_metadata, &c, 1000);
	/* The last ACK had a duplicate to report; no hole is left. */
	text(&c, 1001, 1011);
	conn_expect(&c, .flags = ACK, .ack = 1011, .sacks = 0);
}

TEST_F(reassembly, rfc9293_shld_31_kept)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Only the hole has to be sent again. */
	conn_open(p, &c);
	for (int i = 1; i <= 30; i++) {
		text(&c, 1 + 1000 * i, 1001 + 1000 * i);
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	}
	text(&c, 1, 1001);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 31001);
	expect_pattern(_metadata, &c, 31000);
}

TEST_F(reassembly, rfc9293_may_13_ack_of_out_of_order)
{
	struct peer *p = &self->peer;
	struct conn c;

	/*
	 * At once, also for a program whose ACKs may wait; and always with the same
	 * window, or the peer would not count them (RFC 5681 2).
	 */
	conn_open(p, &c);
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	for (int i = 1; i < 6; i++) {
		text(&c, 1 + 1000 * i, 1001 + 1000 * i);
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .wnd = 64240);
	}
}

TEST_F(reassembly, rfc5681_4_2_ack_when_a_hole_is_filled)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	text(&c, 201, 301);
	conn_expect(&c, .flags = ACK, .ack = 1);
	text(&c, 401, 501);
	conn_expect(&c, .flags = ACK, .ack = 1);
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	/* A part of the first hole, the rest of it, the second. */
	text(&c, 1, 101);
	conn_expect(&c, .flags = ACK, .ack = 101);
	text(&c, 101, 201);
	conn_expect(&c, .flags = ACK, .ack = 301);
	text(&c, 301, 401);
	conn_expect(&c, .flags = ACK, .ack = 501);
	expect_pattern(_metadata, &c, 500);
}

TEST_F(reassembly, sm_es_fin_out_of_order)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* It is kept, and acts when the hole is filled. */
	conn_open(p, &c);
	conn_send(&c, .flags = FIN | ACK, .seq = 101);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	text(&c, 1, 101);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 102);
	conn_expect_state(&c, ST_CLOSE_WAIT);
	EXPECT_EQ(POLLOUT | POLLIN | POLLRDHUP, socket_poll(c.fd));
}

/* With SACK the segment that fills the hole takes the fast path. */
TEST_F(reassembly, sm_es_fin_out_of_order_wakes_the_reader)
{
	struct peer *p = &self->peer;
	uint8_t buf[300];
	struct conn c;

	conn_open(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = FIN | ACK | PSH, .seq = 101, .len = 100);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	text(&c, 1, 101);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 202);
	conn_expect_state(&c, ST_CLOSE_WAIT);
	EXPECT_EQ(POLLOUT | POLLIN | POLLRDHUP, socket_poll(c.fd));
	EXPECT_EQ(200, recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT));
	EXPECT_EQ(-1, pattern_check(buf, 200, 0));
	EXPECT_EQ(0, recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT));
}

TEST_F(reassembly, sm_f2_fin_out_of_order)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_2);
	conn_send(&c, .flags = FIN | ACK | PSH, .seq = 101, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = 1);
	conn_expect_state(&c, ST_FIN_WAIT_2);
	text(&c, 1, 101);
	conn_expect(&c, .flags = ACK, .ack = 202);
	conn_expect_state(&c, ST_TIME_WAIT);
}

TEST_F(reassembly, sm_f1_fin_out_of_order)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_1);
	conn_send(&c, .flags = FIN | ACK, .seq = 101, .ack = 1);
	conn_expect(&c, .flags = ACK, .ack = 1);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = 102);
	conn_expect_state(&c, ST_CLOSING);
	conn_send(&c, .flags = ACK, .seq = 102);
	conn_expect_state(&c, ST_TIME_WAIT);
}

/*
 * A peer ends its stream below data that it has sent already. That data will never be
 * read: its memory is free, and no SACK block reports it.
 */
TEST_F(reassembly, fin_ends_what_came_ahead_of_it)
{
	uint32_t info[SK_MEMINFO_VARS] = { 1 };
	socklen_t len = sizeof(info);
	struct conn c;

	conn_open(&self->peer, &c, .opt = WITH_SACK);
	for (int i = 0; i < 3; i++) {
		text(&c, 1000 * (i + 1), 1000 * (i + 1) + 500);
		conn_expect(&c, .flags = ACK, .ack = 1);
	}
	conn_send(&c, .flags = ACK | FIN, .seq = 1);
	conn_expect(&c, .flags = ACK, .ack = 2, .sacks = 0, .within_ms = 210);
	conn_expect_state(&c, ST_CLOSE_WAIT);
	ASSERT_EQ(0, getsockopt(c.fd, SOL_SOCKET, SO_MEMINFO, info, &len));
	/* The FIN may wait there for the reader. */
	EXPECT_GE(1000, info[SK_MEMINFO_RMEM_ALLOC]);
	ASSERT_EQ(4, send(c.fd, "last", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .ack = 2, .sacks = 0, .data = "last");
	EXPECT_EQ(0, recv(c.fd, info, sizeof(info), MSG_DONTWAIT));
}

TEST_F(reassembly, sm_es_text_outside)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* Far above the window: dropped, and answered with our numbers. */
	conn_open(p, &c);
	counters_take(&before);
	conn_send(&c, .flags = ACK | PSH, .seq = 1000000, .len = 10);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, NULL);
}

/* --- LC-51: the checksum ------------------------------------------------- */

TEST_F(reassembly, lc_51_bad_checksum)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	counters_take(&before);
	conn_send(&c, .flags = ACK | PSH, .data = "damaged", .bad_csum = true);
	conn_send(&c, .flags = RST, .bad_csum = true);
	conn_send(&c, .flags = FIN | ACK, .bad_csum = true);
	peer_expect_silence(p, 500);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	counters_expect(_metadata, &before, "InSegs", 3, "InErrs", 3,
			"InCsumErrors", 3, NULL);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "whole");
	conn_expect(&c, .flags = ACK, .ack = 6);
}

TEST_F(reassembly, lc_51_every_bit_counts)
{
	struct peer *p = &self->peer;
	struct segment_spec spec;
	uint8_t packet[256];
	struct counters before;
	struct conn c;
	int ip = self->peer.family == AF_INET6 ? 40 : 20;
	int len, bits = 0;

	/* Each bit of header, data and the pseudo header's addresses, one at a time. */
	conn_open(p, &c);
	spec = conn_spec(&c, .flags = ACK | PSH, .data = "abc");
	len = segment_build(&spec, packet);
	counters_take(&before);
	for (int bit = ip * 8; bit < len * 8; bit++) {
		/* Ports and data offset are used before the checksum is verified. */
		if (bit < (ip + 4) * 8 || bit / 8 == ip + 12)
			continue;
		packet[bit / 8] ^= 1 << bit % 8;
		peer_send_raw(p, packet, len);
		packet[bit / 8] ^= 1 << bit % 8;
		bits++;
	}
	peer_expect_silence(p, 300);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	conn_expect_state(&c, ST_ESTABLISHED);
	counters_expect(_metadata, &before, "InSegs", bits, "InErrs", bits,
			"InCsumErrors", bits, NULL);
	peer_send_raw(p, packet, len);
	conn_expect(&c, .flags = ACK, .ack = 4);
}

TEST_F(reassembly, rfc9293_must_03_receiver_checks)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Not on an open connection only: a listener ignores a damaged SYN. */
	conn_start(p, &c);
	conn_send(&c, .flags = SYN, .bad_csum = true);
	peer_expect_silence(p, 100);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
}

/* --- RFC 2018: SACK blocks ----------------------------------------------- */

TEST_F(reassembly, rfc2018_first_block_is_the_latest)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = WITH_SACK);
	text(&c, 101, 201);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 1, .sack = {{ 101, 201 }});
	text(&c, 301, 401);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2,
		    .sack = {{ 301, 401 }, { 101, 201 }});
	text(&c, 501, 601);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 3,
		    .sack = {{ 501, 601 }, { 301, 401 }, { 101, 201 }});
	/* It reports the segment that came, grown to its whole contiguous range. */
	text(&c, 401, 501);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2,
		    .sack = {{ 301, 601 }, { 101, 201 }});
	text(&c, 201, 221);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2,
		    .sack = {{ 101, 221 }, { 301, 601 }});
	/* A hole is filled: data below RCV.NXT is not reported. */
	text(&c, 1, 101);
	conn_expect(&c, .flags = ACK, .ack = 221, .sacks = 1, .sack = {{ 301, 601 }});
	text(&c, 221, 301);
	conn_expect(&c, .flags = ACK, .ack = 601, .sacks = 0);
	expect_pattern(_metadata, &c, 600);
}

TEST_F(reassembly, rfc2018_four_blocks_at_most)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = WITH_SACK);
	for (int i = 0; i < 4; i++) {
		text(&c, 101 + 200 * i, 201 + 200 * i);
		conn_expect(&c, .flags = ACK, .ack = 1);
		EXPECT_EQ(i + 1, p->last.opt.sacks);
	}
	text(&c, 901, 1001);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 4,
		    .sack = {{ 901, 1001 }, { 701, 801 }, { 501, 601 }, { 301, 401 }});
}

TEST_F(reassembly, rfc2018_three_blocks_beside_timestamps)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = WITH_TS);
	for (int i = 0; i < 4; i++)
		text(&c, 101 + 200 * i, 201 + 200 * i);
	for (int i = 0; i < 3; i++)
		conn_expect(&c, .flags = ACK, .ack = 1, .ts = 1);
	conn_expect(&c, .flags = ACK, .ack = 1, .ts = 1, .sacks = 3,
		    .sack = {{ 701, 801 }, { 501, 601 }, { 301, 401 }});
}

TEST_F(reassembly, rfc2018_only_if_agreed)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	text(&c, 101, 201);
	conn_expect(&c, .flags = ACK, .ack = 1, .opt_len = 0);
}

TEST_F(reassembly, knob_sack)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(1, knob_get("sack"));
	ASSERT_EQ(0, knob_set("sack", 0));
	conn_start(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .sackok = 0);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	text(&c, 101, 201);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 0, .opt_len = 0);
	/* Nor is it offered. */
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .sackok = 0);
	EXPECT_EQ(0, knob_set("sack", 1));
	close(c.fd);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .sackok = 1);
	EXPECT_EQ(EINVAL, knob_set("sack", 256));
	EXPECT_EQ(1, knob_get("sack"));
}

TEST_F(reassembly, rfc2018_rides_on_text)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Small data segments carry blocks as well. */
	conn_open(p, &c, .opt = WITH_SACK);
	text(&c, 101, 201);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 1, .sack = {{ 101, 201 }});
	ASSERT_EQ(5, send(c.fd, "reply", 5, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "reply", .ack = 1, .sacks = 1,
		    .sack = {{ 101, 201 }});
	conn_send(&c, .flags = ACK);
}

/* --- RFC 2883: D-SACK ---------------------------------------------------- */

TEST_F(reassembly, rfc2883_below_the_ack)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = WITH_SACK);
	text(&c, 1, 201);
	conn_expect(&c, .flags = ACK, .ack = 201);
	/* All of it, a part of it, and with a hole above (section 4.1). */
	text(&c, 1, 201);
	conn_expect(&c, .flags = ACK, .ack = 201, .sacks = 1, .sack = {{ 1, 201 }});
	text(&c, 51, 101);
	conn_expect(&c, .flags = ACK, .ack = 201, .sacks = 1, .sack = {{ 51, 101 }});
	text(&c, 301, 401);
	conn_expect(&c, .flags = ACK, .ack = 201, .sacks = 1, .sack = {{ 301, 401 }});
	text(&c, 101, 201);
	conn_expect(&c, .flags = ACK, .ack = 201, .sacks = 2,
		    .sack = {{ 101, 201 }, { 301, 401 }});
	/* Reported once. */
	text(&c, 401, 501);
	conn_expect(&c, .flags = ACK, .ack = 201, .sacks = 1, .sack = {{ 301, 501 }});
}

TEST_F(reassembly, rfc2883_above_the_ack)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Section 4.2: the duplicate first, then the block that holds it. */
	conn_open(p, &c, .opt = WITH_SACK);
	text(&c, 101, 401);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 1, .sack = {{ 101, 401 }});
	text(&c, 201, 301);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2,
		    .sack = {{ 201, 301 }, { 101, 401 }});
	text(&c, 101, 401);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2,
		    .sack = {{ 101, 401 }, { 101, 401 }});
}

/* Above the ACK, and only the end of the segment, or its beginning, had arrived. */
TEST_F(reassembly, rfc2883_partly_new_above_the_ack)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = WITH_SACK);
	text(&c, 301, 501);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 1, .sack = {{ 301, 501 }});
	text(&c, 201, 401);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2,
		    .sack = {{ 301, 401 }, { 201, 501 }});
	text(&c, 451, 601);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2,
		    .sack = {{ 451, 501 }, { 201, 601 }});
	/* What the segments in the queue share was reported, once each. */
	text(&c, 1, 201);
	conn_expect(&c, .flags = ACK, .ack = 601, .sacks = 0);
}

/* What joins a queued segment and overlaps the next one brings that beginning again. */
TEST_F(reassembly, rfc2883_joined_and_partly_there)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .opt = WITH_SACK);
	text(&c, 301, 401);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 1, .sack = {{ 301, 401 }});
	text(&c, 451, 551);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2,
		    .sack = {{ 451, 551 }, { 301, 401 }});
	text(&c, 401, 501);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2,
		    .sack = {{ 451, 501 }, { 301, 551 }});
}

/* SACK blocks beside payload count for the MSS, as all options. */
TEST_F(reassembly, rfc9293_must_16_sack_beside_payload)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1000), OPT_SACKOK));
	text(&c, 301, 501);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 1, .sack = {{ 301, 501 }});
	conn_write(&c, 2000);
	for (int sent = 0; sent < 2000; ) {
		conn_expect(&c, .seq = 1 + sent, .pattern = sent);
		EXPECT_GE(1000, p->last.len + p->last.opt.len);
		sent += p->last.len;
	}
	/* A small one has room for them. */
	conn_write(&c, 500);
	conn_expect(&c, .seq = 2001, .pattern = 0, .len = 500, .sacks = 1,
		    .sack = {{ 301, 501 }});
	/* One that is nearly full has not. */
	conn_send(&c, .flags = ACK);
	conn_write(&c, 990);
	for (int sent = 0; sent < 990; sent += p->last.len) {
		conn_expect(&c, .seq = 2501 + sent, .pattern = sent);
		EXPECT_GE(1000, p->last.len + p->last.opt.len);
	}
}

TEST_F(reassembly, rfc2883_partly_new)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Only what had arrived before is a duplicate. */
	conn_open(p, &c, .opt = WITH_SACK);
	text(&c, 1, 101);
	conn_expect(&c, .flags = ACK, .ack = 101);
	text(&c, 51, 201);
	conn_expect(&c, .flags = ACK, .ack = 201, .within_ms = 60);
	EXPECT_EQ(1, p->last.opt.sacks);
	EXPECT_EQ((uint32_t)(c.peer_iss + 51), p->last.opt.sack[0].left);
	EXPECT_EQ((uint32_t)(c.peer_iss + 101), p->last.opt.sack[0].right);
}

/* Two segments are new in part, and one ACK reports what the second has repeated. */
TEST_F(reassembly, rfc2883_4_the_last_of_two_duplicates)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c, .opt = WITH_SACK);
	text(&c, 1, 201);
	conn_expect(&c, .flags = ACK, .ack = 201);
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	counters_take(&before);
	text(&c, 101, 301);
	text(&c, 251, 401);
	conn_expect(&c, .flags = ACK, .ack = 401, .sacks = 1, .sack = {{ 251, 301 }},
		    .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(2, counter_moved(&before, "TCPDSACKOldSent"));
}

/* --- counters ------------------------------------------------------------ */

TEST_F(reassembly, ctr_TCPOFOQueue)
{
	struct counters before;
	struct conn c;

	conn_open(&self->peer, &c);
	counters_take(&before);
	text(&c, 101, 201);
	conn_expect(&c, .flags = ACK, .ack = 1);
	counters_expect(_metadata, &before, "TCPOFOQueue", 1, "InSegs", 1,
			"OutSegs", 1, NULL);
}

TEST_F(reassembly, ctr_TCPOFOMerge)
{
	struct counters before;
	struct conn c;

	conn_open(&self->peer, &c, .opt = WITH_SACK);
	text(&c, 101, 401);
	conn_expect(&c, .flags = ACK, .ack = 1);
	counters_take(&before);
	text(&c, 201, 301);
	conn_expect(&c, .flags = ACK, .ack = 1);
	counters_expect(_metadata, &before, "TCPOFOQueue", 1, "TCPOFOMerge", 1,
			"TCPDSACKOfoSent", 1, "InSegs", 1, "OutSegs", 1, NULL);
}

TEST_F(reassembly, longer_segment_replaces_one_that_begins_with_it)
{
	struct counters before;
	struct conn c;

	conn_open(&self->peer, &c, .opt = WITH_SACK);
	text(&c, 101, 201);
	conn_expect(&c, .flags = ACK, .ack = 1);
	counters_take(&before);
	text(&c, 101, 301);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2,
		    .sack = {{ 101, 201 }, { 101, 301 }});
	counters_expect(_metadata, &before, "TCPOFOQueue", 1, "TCPOFOMerge", 1,
			"TCPDSACKOfoSent", 1, "InSegs", 1, "OutSegs", 1, NULL);
}

TEST_F(reassembly, ctr_TCPDSACKOldSent)
{
	struct counters before;
	struct conn c;

	conn_open(&self->peer, &c, .opt = WITH_SACK);
	text(&c, 1, 201);
	conn_expect(&c, .flags = ACK, .ack = 201);
	counters_take(&before);
	text(&c, 1, 201);
	conn_expect(&c, .flags = ACK, .ack = 201, .sacks = 1, .sack = {{ 1, 201 }});
	counters_expect(_metadata, &before, "TCPDSACKOldSent", 1, "DelayedACKLost", 1,
			"InSegs", 1, "OutSegs", 1, NULL);
}

TEST_F(reassembly, ctr_TCPDSACKOfoSent)
{
	struct counters before;
	struct conn c;

	conn_open(&self->peer, &c, .opt = WITH_SACK);
	text(&c, 101, 201);
	conn_expect(&c, .flags = ACK, .ack = 1);
	counters_take(&before);
	counters_ignore(&before, "TCPOFOQueue", "TCPOFOMerge", NULL);
	text(&c, 101, 201);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2,
		    .sack = {{ 101, 201 }, { 101, 201 }});
	counters_expect(_metadata, &before, "TCPDSACKOfoSent", 1, "InSegs", 1,
			"OutSegs", 1, NULL);
}

TEST_F(reassembly, ctr_TCPRcvCoalesce)
{
	struct counters before;
	struct conn c;

	conn_open(&self->peer, &c);
	text(&c, 1, 101);
	conn_expect(&c, .flags = ACK, .ack = 101);
	counters_take(&before);
	/* So little that it fits behind the first, whatever skb it came in. */
	text(&c, 101, 131);
	conn_expect(&c, .flags = ACK, .ack = 131);
	counters_expect(_metadata, &before, "TCPRcvCoalesce", 1, "InSegs", 1,
			"OutSegs", 1, NULL);
}

TEST_HARNESS_MAIN
