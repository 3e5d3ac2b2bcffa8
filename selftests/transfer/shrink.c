// SPDX-License-Identifier: GPL-2.0
/*
 * shrink: a window that is taken back, by us (xtcp_shrink_window, SO_RCVBUF, a segment that is
 * refused) or by the peer. RFC 9293 3.8.6 (MUST-34, SHLD-14..16, MAY-7), RFC 7323 2.4.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

PEER_FIXTURE(shrink);

#define MSS 1000
#define SCALED OPT(OPT_MSS(1460), OPT_SACKOK, OPT_NOP, OPT_WSCALE(7))

/* --- ours --- */

/*
 * Asks for a smaller buffer; the next ACK is that of a segment of 100 bytes. Twice that size is
 * more than 10 * MSS bytes use: up to 17,000 on Linux 6.1, 13,000 on 6.12.
 */
static int64_t edge_of_a_smaller_buffer(struct conn *c)
{
	socket_set(c->fd, SOL_SOCKET, SO_RCVBUF, 12000);
	conn_send(c, .len = 100);
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = 210);
	return conn_edge(c);
}

TEST_F(shrink, rfc7323_2_4_knob_shrink_window_acts)
{
	struct peer *p = &self->peer;
	struct counters before;
	int64_t offered, left, at;
	struct conn c;
	int len;

	ASSERT_EQ(0, knob_set("shrink_window", 1));
	conn_open(p, &c, .opt = SCALED);
	ASSERT_LT(0, c.kern_wscale);
	conn_send(&c, .len = 10 * MSS);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	offered = conn_edge(&c);
	left = edge_of_a_smaller_buffer(&c);
	EXPECT_LE(conn_peer_nxt(&c) + MSS, left);
	EXPECT_GT(offered - 20 * MSS, left);
	/* What was never offered is refused. */
	conn_send(&c, .seq = offered + 1, .len = 10);
	conn_expect(&c, .flags = ACK, .ack = 1 + 10 * MSS + 100);
	EXPECT_EQ(left, conn_edge(&c));
	/* What was offered is accepted, though it ends behind the new edge: there is space. */
	len = left - (1 + 10 * MSS + 100) + MSS;
	conn_send(&c, .seq = 1 + 10 * MSS + 100, .len = len);
	conn_expect(&c, .flags = ACK, .ack = left + MSS, .within_ms = 210);
	/* Until there is none. */
	for (int i = 0; i < 20 && conn_edge(&c) > conn_peer_nxt(&c); i++) {
		conn_send(&c, .len = MSS);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 210);
	}
	at = conn_peer_nxt(&c);
	ASSERT_EQ(at, conn_edge(&c));
	counters_begin(&before);
	counters_ignore(&before, "InSegs", "OutSegs", NULL);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = at, .wnd = 0);
	counters_expect(_metadata, &before, "TCPZeroWindowDrop", 1, NULL);
	EXPECT_EQ(at - 1, conn_read_all(&c));
	conn_expect(&c, .flags = ACK, .ack = at);
	EXPECT_LE(at + MSS, conn_edge(&c));
	conn_send(&c, .seq = at, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = at + MSS, .within_ms = 210);
}

/* What is above a hole takes space, and is no reason to take a window back. */
TEST_F(shrink, rfc5681_2_knob_shrink_window_behind_a_hole)
{
	struct peer *p = &self->peer;
	int64_t at, offered;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("shrink_window", 1));
	conn_open(p, &c, .opt = SCALED);
	/* Until little is offered: the sooner, the more memory a large segment uses. */
	for (int i = 0; i < 6; i++) {
		conn_send(&c, .len = 10 * MSS);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 210);
		if (conn_edge(&c) < conn_peer_nxt(&c) + 31 * MSS)
			break;
	}
	at = conn_peer_nxt(&c);
	offered = conn_edge(&c);
	ASSERT_LT(at + 21 * MSS, offered);
	for (int i = 0; i < 2; i++) {
		conn_send(&c, .seq = at + MSS + i * 10 * MSS, .len = 10 * MSS);
		conn_expect(&c, .flags = ACK, .ack = at);
		EXPECT_EQ(offered, conn_edge(&c));
	}
	conn_send(&c, .seq = at, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = at + 21 * MSS);
	EXPECT_EQ(at - 1 + 21 * MSS, conn_read_all(&c));
	peer_drain(p, 50);
}

TEST_F(shrink, rfc7323_2_4_knob_shrink_window_off)
{
	struct peer *p = &self->peer;
	int64_t offered;
	struct conn c;

	ASSERT_EQ(0, knob_get("shrink_window"));
	conn_open(p, &c, .opt = SCALED);
	conn_send(&c, .len = 10 * MSS);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	offered = conn_edge(&c);
	EXPECT_LE(offered, edge_of_a_smaller_buffer(&c));
	/* Nor does a window without scale shrink. */
	ASSERT_EQ(0, knob_set("shrink_window", 1));
	conn_send(&c, .flags = RST);
	conn_open(p, &c, .kport = 6001);
	conn_send(&c, .len = 10 * MSS);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	offered = conn_edge(&c);
	EXPECT_LE(offered, edge_of_a_smaller_buffer(&c));
}

/*
 * A refused segment took the window back. What is above a hole of the new window was once
 * offered, and takes all of the buffer. Returns where the hole begins.
 */
static int64_t stuff_above_hole(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	int64_t got, end;

	ASSERT_EQ(0, socket_set(c->fd, SOL_SOCKET, SO_RCVBUF, 5000));
	for (int i = 0; i < 30 && p->last.wnd; i++) {
		conn_send(c, .flags = ACK | PSH, .len = MSS);
		peer_drain(p, 50);
	}
	ASSERT_EQ(0, p->last.wnd);
	got = conn_read_all(c);
	conn_expect(c, .flags = ACK, .ack = got + 1);
	end = conn_edge(c) + 2000;
	ASSERT_LT(got + 1, conn_edge(c));
	for (int i = 0; i < 12; i++, end += MSS)
		conn_send(c, .flags = ACK | PSH, .seq = end, .len = MSS);
	peer_drain(p, 50);
	return got + 1;
}

/*
 * The program reads each segment of the hole; the window must not close for ever before the hole
 * is filled.
 */
static void fill_hole(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	int64_t at = stuff_above_hole(_metadata, p, c);

	for (int i = 0; i < 8; i++) {
		conn_send(c, .flags = ACK | PSH, .seq = at, .len = MSS);
		peer_drain(p, 50);
		at += conn_read_all(c);
		peer_drain(p, 50);
		EXPECT_EQ(at, (uint32_t)(p->last.ack - c->peer_iss));
		EXPECT_LE(MSS / 4, p->last.wnd);
	}
	/* All is there but what did not fit, and the window is open. */
	EXPECT_LE(2 * MSS, p->last.wnd);
	EXPECT_EQ(0, socket_count(c->fd, SIOCINQ));
}

TEST_F(shrink, shld_14_a_hole_and_a_window_that_was_taken_back)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true, .opt = OPT(OPT_MSS(1460)));
	fill_hole(_metadata, p, &c);
}

TEST_F(shrink, shld_14_a_hole_and_a_window_that_was_taken_back_with_sack)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true, .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
	fill_hole(_metadata, p, &c);
}

/* The program does not take the bytes, but waits for a record of 3000. */
TEST_F(shrink, shld_14_a_hole_and_a_program_that_peeks)
{
	static char buf[3000];
	struct peer *p = &self->peer;
	struct conn c;
	int64_t at;

	conn_open(p, &c, .active = true, .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
	at = stuff_above_hole(_metadata, p, &c);
	for (int i = 0; i < 5; i++) {
		conn_send(&c, .flags = ACK | PSH, .seq = at, .len = MSS);
		peer_drain(p, 300);
		at += conn_read_all(&c);
		peer_drain(p, 300);
	}
	for (int i = 0; i < 12 && recv(c.fd, buf, 3000, MSG_PEEK | MSG_DONTWAIT) < 3000; i++) {
		conn_send(&c, .flags = ACK | PSH, .seq = at, .len = MSS);
		peer_drain(p, 300);
		at = (uint32_t)(p->last.ack - c.peer_iss);
	}
	EXPECT_EQ(3000, recv(c.fd, buf, 3000, MSG_PEEK | MSG_DONTWAIT));
}

/*
 * The window was taken back while segments were in flight. A window update of the peer has the
 * number of the right edge then, below those of the segments.
 */
TEST_F(shrink, rfc9293_3_10_7_4_update_from_the_edge)
{
	static char data[1000];
	struct peer *p = &self->peer;
	struct conn c;
	int64_t at;

	conn_open(p, &c, .active = true, .opt = OPT(OPT_MSS(1460)));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVBUF, 5000));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1));
	for (int i = 0; i < 30 && p->last.wnd; i++) {
		conn_send(&c, .flags = ACK | PSH, .len = MSS, .wnd = 0);
		peer_drain(p, 50);
	}
	ASSERT_EQ(0, p->last.wnd);
	at = (uint32_t)(p->last.ack - c.peer_iss);
	for (int i = 0; i < 3; i++)
		conn_send(&c, .flags = ACK | PSH, .len = MSS, .wnd = 0);
	peer_drain(p, 50);
	ASSERT_EQ(1000, send(c.fd, data, 1000, 0));
	peer_expect_silence(p, 100);
	conn_send(&c, .flags = ACK, .seq = at, .wnd = 60000);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .len = 1000);
	/* One of those segments comes late: its window is old. */
	conn_send(&c, .flags = ACK | PSH, .seq = at, .ack = 1, .len = MSS, .wnd = 0);
	peer_drain(p, 20);
	ASSERT_EQ(1000, send(c.fd, data, 1000, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1001, .len = 1000);
	conn_send(&c, .flags = ACK, .seq = at, .ack = 2001, .wnd = 60000);
}

/* A window that shrinks to nothing brings no more bytes: the reader gets what there is. */
TEST_F(shrink, knob_shrink_window_wakes_a_reader)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct peer *p = &self->peer;
	int ep = epoll_create1(0);
	struct conn c;

	ASSERT_EQ(0, knob_set("shrink_window", 1));
	conn_open(p, &c, .opt = SCALED);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVBUF, 4096));
	conn_send(&c, .flags = ACK | PSH, .len = 1448);
	peer_drain(p, 300);
	EXPECT_EQ(1448, conn_read_all(&c));
	peer_drain(p, 300);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVLOWAT, 2500));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, c.fd, &ev));
	ASSERT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	for (int i = 0; i < 60 && p->last.wnd; i++) {
		conn_send(&c, .flags = ACK | PSH, .len = 60);
		peer_drain(p, 300);
	}
	EXPECT_EQ(0, p->last.wnd);
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	close(ep);
}

/* --- the peer's --- */

TEST_F(shrink, rfc9293_must_34_survives_shrinking)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* SHLD-15: no new data is sent; SHLD-16: data inside is sent again. */
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)));
	conn_write(&c, 3 * MSS);
	flight_expect_all(&c, 0, 2);
	conn_send(&c, .flags = ACK, .ack = 1 + MSS / 2, .wnd = 1500);
	conn_write(&c, MSS);
	/* The first fits, and is resent by the timer. */
	conn_expect(&c, .seq = 1 + MSS / 2, .len = MSS, .within_ms = 300);
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = ACK, .ack = 1 + MSS, .wnd = 65535);
	peer_drain(p, 50);
	conn_send(&c, .flags = ACK, .ack = 1 + 3 * MSS, .wnd = 65535);
	peer_drain(p, 50);
	EXPECT_EQ((uint32_t)(c.kern_iss + 1 + 4 * MSS), p->last.seq + p->last.len);
	conn_send(&c, .flags = ACK, .ack = 1 + 4 * MSS, .wnd = 65535);
}

/*
 * The peer took its window back while two segments were in flight, received them all the same,
 * and its ACKs of them were lost. The same happened in the other direction: its ACKs have the
 * number of an old right edge. If each end ignored such an ACK of the other, both would repeat
 * their numbers for ever.
 */
TEST_F(shrink, rfc9293_must_34_ack_from_an_old_edge)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)));
	conn_send(&c, .len = 2 * MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + 2 * MSS);
	conn_write(&c, 4 * MSS);
	flight_expect_all(&c, 0, 3);
	/* All is well: such an ACK is old, and answered. */
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1 + MSS, .wnd = 65535);
	conn_expect(&c, .flags = ACK, .seq = 1 + 4 * MSS, .ack = 1 + 2 * MSS);
	EXPECT_EQ(4, conn_tcp_info(&c).tcpi_unacked);
	conn_send(&c, .flags = ACK, .seq = 1 + 2 * MSS, .ack = 1 + MSS, .wnd = 0);
	EXPECT_EQ(3, conn_tcp_info(&c).tcpi_unacked);
	/*
	 * Our ACKs have the number of the edge. An ACK of what is not in flight says nothing, nor
	 * does one from below the connection's first number.
	 */
	sleep_ms(600);
	peer_drain(p, 0);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1 + 4 * MSS + 1, .wnd = 65535);
	conn_expect(&c, .flags = ACK, .seq = 1 + MSS, .ack = 1 + 2 * MSS);
	sleep_ms(600);
	peer_drain(p, 0);
	conn_send(&c, .flags = ACK, .seq = -MSS, .ack = 1 + 3 * MSS, .wnd = 65535);
	conn_expect(&c, .flags = ACK, .seq = 1 + MSS, .ack = 1 + 2 * MSS);
	EXPECT_EQ(3, conn_tcp_info(&c).tcpi_unacked);
	sleep_ms(600);
	peer_drain(p, 0);
	/* This one counts, with its window. */
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1 + 3 * MSS, .wnd = 65535);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1 + 3 * MSS, .len = MSS);
	conn_expect(&c, .flags = ACK, .seq = 1 + 4 * MSS, .ack = 1 + 2 * MSS);
	EXPECT_EQ(1, conn_tcp_info(&c).tcpi_unacked);
	/* From here on our numbers are those that the peer waits for. */
	conn_send(&c, .flags = ACK, .ack = 1 + 4 * MSS, .wnd = 65535);
	conn_write(&c, MSS);
	conn_expect(&c, .seq = 1 + 4 * MSS, .len = MSS);
	/* So with a FIN. */
	shutdown(c.fd, SHUT_WR);
	conn_expect(&c, .flags = ACK | FIN, .seq = 1 + 5 * MSS);
	conn_send(&c, .flags = ACK, .ack = 1 + 4 * MSS, .wnd = 0);
	sleep_ms(600);
	peer_drain(p, 0);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1 + 5 * MSS + 1, .wnd = 65535);
	conn_expect(&c, .flags = ACK, .seq = 1 + 5 * MSS + 1, .ack = 1 + 2 * MSS);
	conn_expect_state(&c, ST_FIN_WAIT_2);
}

TEST_F(shrink, rfc9293_shld_15_16_may_07_shrunk_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* whose loss probe comes first */
	/* MAY-7 is not done: beyond the new edge nothing is resent. */
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)));
	conn_write(&c, 4 * MSS);
	flight_expect_all(&c, 0, 3);
	conn_send(&c, .flags = ACK, .ack = 1 + MSS, .wnd = 2 * MSS);
	conn_write(&c, MSS);
	peer_expect_silence(p, 100);
	conn_expect(&c, .seq = 1 + MSS, .len = MSS, .within_ms = 300);
	conn_send(&c, .flags = ACK, .ack = 1 + 2 * MSS, .wnd = MSS);
	/* Two would be allowed by cwnd, but only one lies inside. */
	conn_expect(&c, .seq = 1 + 2 * MSS, .len = MSS);
	peer_expect_silence(p, 100);
	conn_send(&c, .flags = ACK, .ack = 1 + 4 * MSS, .wnd = 65535);
	conn_expect(&c, .seq = 1 + 4 * MSS, .len = MSS);
	conn_send(&c, .flags = ACK);
}

/*
 * The peer takes back all of its window and answers each retransmission: that is a probe,
 * and no timeout.
 */
TEST_F(shrink, rfc9293_3_8_6_1_ctr_TCPTimeouts_not_of_a_closed_window)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	knob_set("early_retrans", 0);
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)));
	conn_write(&c, 3 * MSS);
	flight_expect_all(&c, 0, 2);
	conn_send(&c, .flags = ACK, .ack = 1 + MSS, .wnd = 0);
	counters_take(&before);
	for (int i = 0; i < 3; i++) {
		conn_expect(&c, .seq = 1 + MSS, .len = MSS, .within_ms = 4000);
		conn_send(&c, .flags = ACK, .ack = 1 + MSS, .wnd = 0);
	}
	EXPECT_EQ(3, counter_moved(&before, "RetransSegs"));
	EXPECT_EQ(0, counter_moved(&before, "TCPTimeouts"));
	EXPECT_EQ(0, counter_moved(&before, "TcpTimeoutRehash"));
	conn_send(&c, .flags = ACK, .ack = 1 + MSS, .wnd = 65535);
	conn_expect(&c, .seq = 1 + MSS, .len = MSS, .within_ms = 8000);
	conn_send(&c, .flags = ACK, .ack = 1 + 3 * MSS, .wnd = 65535);
}

TEST_HARNESS_MAIN
