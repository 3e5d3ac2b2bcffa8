// SPDX-License-Identifier: GPL-2.0
/*
 * window: the window that the receiver offers, and the sender's use of the peer's
 * window. RFC 9293 3.8.6 (MUST-1, 39, 66; SHLD-14; REC-1), RFC 7323 2 (scale). LC-53,
 * LC-54. shrink.c has windows that are taken back.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <sys/ioctl.h>

#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>

PEER_FIXTURE(window);

#define MSS 1000
#define SCALED OPT(OPT_MSS(1460), OPT_SACKOK, OPT_NOP, OPT_WSCALE(7))

static void small_buffer(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVBUF, 8192);
}

static void medium_buffer(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVBUF, 16384);
}

/* Fills the window until it is closed; returns the bytes that went in. */
static int64_t fill_window(struct __test_metadata *_metadata, struct conn *c)
{
	struct peer *p = c->peer;
	int64_t last_edge = 0, room;

	conn_send(c, .len = 100);
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = 210);
	while ((room = conn_edge(c) - conn_peer_nxt(c)) > 0) {
		/* SHLD-14: the edge never moves to the left. */
		ASSERT_LE(last_edge, conn_edge(c));
		last_edge = conn_edge(c);
		conn_send(c, .len = room < MSS ? room : MSS);
		conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = 210);
	}
	EXPECT_EQ(0, p->last.wnd);
	return conn_peer_nxt(c) - 1;
}

/* A connection with a small buffer, which the peer has filled: its window is closed. */
static int64_t open_full(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	conn_open(p, c, .prepare = small_buffer);
	return fill_window(_metadata, c);
}

TEST_F(window, lc_54_closes_and_opens)
{
	struct peer *p = &self->peer;
	struct counters before;
	int64_t in;
	struct conn c;

	conn_open(p, &c, .prepare = small_buffer);
	counters_begin(&before);
	counters_ignore(&before, "TCPWantZeroWindowAdv", "TCPRcvCollapsed", "PruneCalled", NULL);
	in = fill_window(_metadata, &c);
	counters_expect(_metadata, &before, "TCPToZeroWindowAdv", 1, NULL);
	EXPECT_LT(2000, in);
	/* All of it is there, and when it is read a window update comes at once. */
	EXPECT_EQ(in, conn_read_all(&c));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = conn_peer_nxt(&c));
	EXPECT_LE(MSS, p->last.wnd);
	counters_expect(_metadata, &before, "TCPToZeroWindowAdv", 1,
			"TCPFromZeroWindowAdv", 1, NULL);
	peer_expect_silence(p, 1000);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 210);
}

TEST_F(window, lc_53_never_more_than_the_buffer)
{
	struct peer *p = &self->peer;
	struct counters before;
	int64_t in;
	struct conn c;

	/* A peer that ignores the window: nothing beyond it is accepted. */
	in = open_full(_metadata, p, &c);
	counters_take(&before);
	counters_ignore(&before, "InSegs", "OutSegs", "TCPACKSkippedSeq", NULL);
	for (int i = 0; i < 20; i++)
		conn_send(&c, .seq = in + 1 + i * MSS, .len = MSS);
	peer_drain(p, 300);
	EXPECT_EQ(0, p->last.wnd);
	EXPECT_EQ(in, conn_read_all(&c));
	EXPECT_EQ((uint32_t)(c.peer_iss + 1 + in), p->last.ack);
	peer_drain(p, 20);
}

TEST_F(window, lc_53_sender_stays_inside)
{
	static const int wnds[] = { 1000, 2500, 5000, 65535 };
	struct peer *p = &self->peer;
	static uint8_t text[20000];

	for (size_t i = 0; i < ARRAY_SIZE(wnds); i++) {
		const struct segment *s;
		uint32_t end;
		struct conn c;

		peer_note(p, "window %d", wnds[i]);
		conn_open(p, &c, .kport = 6000 + i, .wnd = wnds[i], .opt = OPT(OPT_MSS(500)));
		ASSERT_LT(0, send(c.fd, text, sizeof(text), 0));
		end = c.kern_iss + 1;
		while ((s = peer_read(p, now_ns() + 20 * NSEC_PER_MSEC)))
			end = s->seq + s->len;
		EXPECT_EQ(wnds[i] < 5000 ? wnds[i] : 5000, end - c.kern_iss - 1);
		conn_send(&c, .flags = RST);
	}
}

TEST_F(window, rfc9293_must_39_silly_window)
{
	struct peer *p = &self->peer;
	int64_t in, step, last;
	char buf[64];
	struct conn c;

	/*
	 * The program reads 50 bytes at a time: no update before a segment or
	 * half of the buffer is free.
	 */
	in = open_full(_metadata, p, &c);
	last = conn_edge(&c);
	for (int64_t got = 0; got < in; got += 50) {
		const struct segment *s;

		recv(c.fd, buf, 50, 0);
		s = peer_read(p, now_ns());
		if (!s)
			continue;
		step = conn_edge(&c) - last;
		last = conn_edge(&c);
		EXPECT_LE(MSS, step);
	}
	EXPECT_LE(in + 1 + MSS, last);
}

/* An edge that can move by just a segment does. */
TEST_F(window, rfc9293_must_39_one_segment_is_enough)
{
	enum { FULL = 1460 };
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c);
	ASSERT_EQ(0, socket_set(c.lfd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 3 * FULL));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .wnd = 3 * FULL);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	for (int i = 0; i < 10; i++) {
		conn_send(&c, .len = FULL);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .wnd = 3 * FULL,
			    .within_ms = 210);
		EXPECT_EQ(FULL, conn_read_all(&c));
	}
}

TEST_F(window, rfc9293_shld_14_edge_never_moves_left)
{
	struct peer *p = &self->peer;
	int64_t before;
	struct conn c;

	/* Not even when the program wants a smaller buffer. */
	conn_open(p, &c);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + MSS);
	before = conn_edge(&c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVBUF, 4096));
	for (int i = 0; i < 20; i++) {
		conn_send(&c, .len = MSS);
		conn_expect(&c, .flags = ACK, .within_ms = 210);
		EXPECT_LE(before, conn_edge(&c));
		conn_read_all(&c);
		while (peer_read(p, now_ns()))
			;
	}
}

TEST_F(window, rfc9293_shld_14_edge_of_a_scaled_window)
{
	struct peer *p = &self->peer;
	int64_t before;
	struct conn c;

	/* The remainder of the window is no multiple of the scale. */
	conn_open(p, &c, .opt = SCALED);
	ASSERT_LT(0, c.kern_wscale);
	for (int i = 0; i < 20; i++) {
		before = i ? conn_edge(&c) : 0;
		conn_send(&c, .len = 37);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 210);
		EXPECT_LE(before, conn_edge(&c));
	}
}

TEST_F(window, rfc5681_2_window_stays_behind_a_hole)
{
	struct peer *p = &self->peer;
	int64_t at, before;
	struct conn c;

	/* With another window it would be no duplicate ACK: the reader has to wait. */
	conn_open(p, &c);
	for (int i = 0; i < 20; i++) {
		conn_send(&c, .len = MSS);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 210);
	}
	at = conn_peer_nxt(&c);
	conn_send(&c, .seq = at + MSS, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = at);
	before = conn_edge(&c);
	EXPECT_EQ(20 * MSS, conn_read_all(&c));
	peer_expect_silence(p, 5);
	conn_send(&c, .seq = at + 2 * MSS, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = at);
	EXPECT_EQ(before, conn_edge(&c));
	/* The hole is filled. */
	conn_send(&c, .seq = at, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = at + 3 * MSS, .within_ms = 210);
	EXPECT_LT(before, conn_edge(&c));
}

TEST_F(window, rfc5681_4_2_quick_acks_end_where_room_does)
{
	struct peer *p = &self->peer;
	struct conn c;
	int n = 1;

	/* A small segment first: by its size there are 14 ACKs without delay. */
	conn_open(p, &c, .prepare = medium_buffer);
	conn_send(&c, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	for (; conn_edge(&c) - conn_peer_nxt(&c) > 6000; n++) {
		conn_send(&c, .len = 1460);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 210);
	}
	/* Less than half of the buffer, and not 14 segments yet. */
	EXPECT_GE(12, n);
	peer_mark(p);
	conn_send(&c, .len = 1460);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .at_ms = 40);
}

/* Its window cannot be scaled, so that it is far smaller than the buffer. */
static void large_buffer(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVBUF, 200000);
}

TEST_F(window, rfc5681_4_2_quick_acks_with_an_unscaled_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .prepare = large_buffer);
	for (int i = 0; i < 10; i++) {
		conn_send(&c, .flags = ACK, .len = 1460);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	}
}

TEST_F(window, rfc5681_2_unscaled_window_stays_behind_a_hole)
{
	NOT_ON_STOCK();		/* whose buffer has other segments in it */
	struct peer *p = &self->peer;
	int64_t at, before;
	struct conn c;

	conn_open(p, &c, .prepare = large_buffer);
	/* More than the buffer takes beside the largest window. */
	for (int i = 0; i < 180; i++) {
		conn_send(&c, .len = 1460);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 210);
		if (conn_edge(&c) - conn_peer_nxt(&c) < 50000)
			break;
	}
	at = conn_peer_nxt(&c);
	before = conn_edge(&c);
	ASSERT_LE(at + 40000, before);
	ASSERT_GE(at + 50000, before);
	conn_send(&c, .seq = at + 1460, .len = 1460);
	conn_expect(&c, .flags = ACK, .ack = at);
	EXPECT_EQ(before, conn_edge(&c));
	EXPECT_LE(1460, conn_read_all(&c));
	peer_drain(p, 5);
	conn_send(&c, .seq = at + 2 * 1460, .len = 1460);
	conn_expect(&c, .flags = ACK, .ack = at);
	EXPECT_EQ(before, conn_edge(&c));
}

/*
 * Bare ACKs of the same numbers may overtake each other, and only the larger window is
 * believed, or a closed one. A segment with a higher number is later.
 */
TEST_F(window, rfc9293_overtaken_ack_takes_no_window_back)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)), .wnd = 2000);
	conn_send(&c, .flags = ACK, .wnd = 60000);
	conn_send(&c, .flags = ACK, .wnd = MSS / 2);
	conn_write(&c, 2 * MSS);
	conn_expect(&c, .seq = 1, .len = MSS);
	conn_expect(&c, .seq = 1 + MSS, .len = MSS);
	/* So is a segment with more data, in either direction. */
	conn_send(&c, .flags = ACK, .ack = 1 + 2 * MSS, .wnd = MSS / 2);
	conn_write(&c, MSS);
	conn_expect(&c, .seq = 1 + 2 * MSS, .len = MSS / 2, .within_ms = 300);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1 + 2 * MSS + MSS / 2, .wnd = 60000);
	conn_expect(&c, .len = MSS / 2);
	conn_send(&c, .flags = ACK | PSH, .data = "x", .ack = 1 + 3 * MSS, .wnd = 10);
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = 210);
	/* Older data that arrives late does not change the window. */
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "x", .ack = 1 + 3 * MSS, .wnd = 60000);
	conn_expect(&c, .flags = ACK, .ack = 2);
	/* A closed window is believed though nothing else has changed. */
	conn_send(&c, .flags = ACK, .ack = 1 + 3 * MSS, .wnd = 0);
	conn_write(&c, 5);
	peer_expect_silence(p, 150);
	conn_send(&c, .flags = ACK, .ack = 1 + 3 * MSS, .wnd = 60000);
	conn_expect(&c, .seq = 1 + 3 * MSS, .len = 5);
	conn_send(&c, .flags = ACK);
}

/* Rounding loses less than a unit of the scaled window: SND.NXT is no less valid by that. */
TEST_F(window, rfc7323_2_4_ack_beyond_a_rounded_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = SCALED);
	conn_write(&c, 127);
	conn_expect(&c, .seq = 1, .len = 127);
	conn_send(&c, .flags = ACK, .ack = 1, .wnd = 0);
	conn_send(&c, .flags = ACK | PSH, .data = "a", .ack = 1, .wnd = 0);
	conn_expect(&c, .flags = ACK, .seq = 128, .ack = 2, .within_ms = 60);
	conn_send(&c, .flags = ACK, .ack = 128, .wnd = 512);
	conn_write(&c, 128);
	conn_expect(&c, .seq = 128, .len = 128);
	/* A whole unit is missing. */
	conn_send(&c, .flags = ACK, .ack = 128, .wnd = 0);
	conn_send(&c, .flags = ACK | PSH, .data = "b", .ack = 128, .wnd = 0);
	conn_expect(&c, .flags = ACK, .seq = 128, .ack = 3, .within_ms = 60);
	conn_send(&c, .flags = RST);
}

TEST_F(window, rfc9293_must_66_closed_window_processes_rst_urg_and_ack)
{
	struct peer *p = &self->peer;
	struct counters before;
	int64_t in;
	struct conn c;
	char b;

	in = open_full(_metadata, p, &c);
	/* The ACK field of a segment whose data is refused counts. */
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "text");
	counters_begin(&before);
	conn_send(&c, .flags = ACK, .seq = in + 1, .ack = 5, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = in + 1, .wnd = 0);
	counters_expect(_metadata, &before, "TCPZeroWindowDrop", 1, NULL);
	peer_expect_silence(p, 1000);
	/* So does the urgent pointer: an urgent byte is expected. */
	EXPECT_EQ(-1, recv(c.fd, &b, 1, MSG_OOB));
	EXPECT_EQ(EINVAL, errno);
	conn_send(&c, .flags = ACK | URG, .seq = in + 1, .ack = 5, .urg = 1);
	EXPECT_EQ(-1, recv(c.fd, &b, 1, MSG_OOB));
	EXPECT_EQ(EAGAIN, errno);
	/* And a RST. */
	conn_send(&c, .flags = RST, .seq = in + 1);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
}

TEST_F(window, rfc9293_must_01_unsigned)
{
	struct peer *p = &self->peer;
	static uint8_t text[40000];
	int64_t in_flight = 0;
	struct conn c;

	/* 40000 is negative in signed 16 bits. */
	conn_open(p, &c, .wnd = 40000);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 400000);
	ASSERT_EQ((ssize_t)sizeof(text), send(c.fd, text, sizeof(text), 0));
	while (in_flight < 14600) {
		conn_expect(&c, .seq = 1 + in_flight, .len = 1460);
		in_flight += 1460;
	}
	conn_send(&c, .flags = ACK, .wnd = 40000);
	while (conn_kern_nxt(&c) < (int64_t)sizeof(text) + 1)
		conn_expect(&c, .seq = conn_kern_nxt(&c), .len =
			    sizeof(text) + 1 - conn_kern_nxt(&c) < 1460 ?
			    (int64_t)sizeof(text) + 1 - conn_kern_nxt(&c) : 1460);
	conn_send(&c, .flags = ACK);
}

TEST_F(window, rfc9293_rec_01_windows_of_32_bits)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* 65535 << 14: a gigabyte, kept in full. */
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS), OPT_NOP, OPT_WSCALE(14)));
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 400000);
	conn_send(&c, .flags = ACK, .wnd = 65535);
	conn_write(&c, 30000);
	flight_expect_all(&c, 0, 9);
	conn_send(&c, .flags = ACK, .wnd = 1);
	EXPECT_EQ(1 << 14, (int)conn_tcp_info(&c).tcpi_snd_wnd);
	/* One unit of the scale is 16384 bytes. */
	for (int i = 10; i < 26; i++)
		conn_expect(&c, .seq = 1 + i * MSS, .len = MSS);
	peer_expect_silence(p, 20);
	conn_send(&c, .flags = ACK, .wnd = 65535);
	EXPECT_EQ(65535 << 14, (int)conn_tcp_info(&c).tcpi_snd_wnd);
	for (int i = 26; i < 30; i++)
		conn_expect(&c, .seq = 1 + i * MSS, .len = MSS);
	conn_send(&c, .flags = ACK);
}

TEST_F(window, knob_window_scaling)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(1, knob_get("window_scaling"));
	conn_start(p, &c, .kport = 6001, .opt = SCALED);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	EXPECT_LE(0, p->last.opt.wscale);
	ASSERT_EQ(0, knob_set("window_scaling", 0));
	conn_start(p, &c, .kport = 6002, .opt = SCALED);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .wscale = ABSENT);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .wscale = ABSENT);
	EXPECT_EQ(EINVAL, knob_set("window_scaling", 256));
	EXPECT_EQ(0, knob_get("window_scaling"));
	close(c.fd);
	p->leave_unread = true;
}

static int buffer_of(int fd, int option)
{
	int val = -1;
	socklen_t len = sizeof(val);

	getsockopt(fd, SOL_SOCKET, option, &val, &len);
	return val;
}

TEST_F(window, knob_rmem)
{
	struct peer *p = &self->peer;
	char text[64];
	struct conn c;

	/* min, default, largest: the default sizes a new socket's window. */
	ASSERT_EQ(0, knob_get_text("rmem", text, sizeof(text)));
	EXPECT_EQ(0, strncmp(text, "4096\t131072\t", 12));
	ASSERT_EQ(0, knob_set_text("rmem", "4096 40000 60000"));
	conn_start(p, &c, .kport = 6001);
	EXPECT_EQ(40000, buffer_of(c.lfd, SO_RCVBUF));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK);
	EXPECT_GE(20000 + 1460, p->last.wnd);
	EXPECT_LE(20000 - 1460, p->last.wnd);
	conn_send(&c, .flags = ACK);
	/* The largest decides the scale that is offered. */
	EXPECT_EQ(EINVAL, knob_set_text("rmem", "0 1 2"));
	ASSERT_EQ(0, knob_get_text("rmem", text, sizeof(text)));
	EXPECT_EQ(0, strcmp(text, "4096\t40000\t60000"));
}

/* The scale must suffice for the largest buffer that the program may ask for later. */
TEST_F(window, rfc7323_2_scale_is_that_of_rmem_max)
{
	struct peer *p = &self->peer;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), scale = 0;
	struct conn c;

	socket_set(fd, SOL_SOCKET, SO_RCVBUF, 1 << 29);
	while (buffer_of(fd, SO_RCVBUF) / 2 >> scale >= 1 << 16)
		scale++;
	close(fd);
	ASSERT_LT(0, scale);
	ASSERT_EQ(0, knob_set_text("rmem", "4096 40000 60000"));
	conn_start(p, &c, .kport = 6001, .opt = SCALED);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .wscale = scale);
	/* A program that has set a size gets no larger buffer. */
	conn_start(p, &c, .kport = 6002, .opt = SCALED, .prepare = medium_buffer);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .wscale = 0);
	p->leave_unread = true;
}

/* Above the second number of xtcp_mem no window is moved beyond four segments. */
TEST_F(window, knob_mem_pressure_means_windows_of_four_segments)
{
	struct peer *p = &self->peer;
	struct conn hog, c;
	char limit[64];

	NOT_ON_STOCK();
	conn_hoard(p, &hog);
	knob_mem_set(WHERE(_metadata), "1 1 1000000", limit);
	conn_open(p, &c);
	/* The SYN-ACK has offered 64 KiB. */
	for (int i = 0; i < 60; i++) {
		conn_send(&c, .len = MSS);
		conn_read_all(&c);
		peer_drain(p, 0);
	}
	peer_drain(p, 50);
	knob_mem_set(WHERE(_metadata), limit, NULL);
	/* A duplicate is answered at once. */
	conn_send(&c, .seq = 1, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	EXPECT_GE(4 * c.kern_opt.mss, p->last.wnd);
	EXPECT_LE(3 * c.kern_opt.mss, p->last.wnd);
	p->leave_unread = true;
	conn_send(&c, .flags = RST);
	socket_abort(hog.fd);
}

/* What a send queue may hold while xtcp_mem has nothing left. */
static int queued_without_memory(struct __test_metadata *_metadata, struct peer *p, int port)
{
	static uint8_t text[1000];
	char limit[64];
	struct conn c;

	conn_open(p, &c, .kport = port, .wnd = 0);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1 << 20);
	knob_mem_set(WHERE(_metadata), "1 1 1", limit);
	while (send(c.fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
	EXPECT_EQ(EAGAIN, errno);
	knob_mem_set(WHERE(_metadata), limit, NULL);
	return socket_count(c.fd, SIOCOUTQ);
}

TEST_F(window, knob_wmem_least)
{
	struct peer *p = &self->peer;
	struct conn hog;
	int queued;

	NOT_ON_STOCK();
	p->leave_unread = true;
	conn_hoard(p, &hog);
	queued = queued_without_memory(_metadata, p, 6010);
	EXPECT_LT(0, queued);
	EXPECT_GE(4096, queued);
	ASSERT_EQ(0, knob_set_text("wmem", "20000 20000 20000"));
	queued = queued_without_memory(_metadata, p, 6011);
	EXPECT_LT(10000, queued);
	EXPECT_GE(20000, queued);
	socket_abort(hog.fd);
}

TEST_F(window, knob_wmem)
{
	struct peer *p = &self->peer;
	static uint8_t text[100000];
	char values[64];
	struct conn c;
	ssize_t n;

	ASSERT_EQ(0, knob_get_text("wmem", values, sizeof(values)));
	EXPECT_EQ(0, strncmp(values, "4096\t16384\t", 11));
	ASSERT_EQ(0, knob_set_text("wmem", "4096 8000 8000"));
	conn_open(p, &c, .wnd = 1000);
	EXPECT_EQ(8000, buffer_of(c.fd, SO_SNDBUF));
	/* No more than that waits, whatever the program writes. */
	n = send(c.fd, text, sizeof(text), 0);
	EXPECT_LT(1000, n);
	EXPECT_GT(20000, n);
	EXPECT_EQ(-1, send(c.fd, text, sizeof(text), 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_FALSE(socket_poll(c.fd) & POLLOUT);
	EXPECT_EQ(EINVAL, knob_set_text("wmem", "0 1 2"));
	peer_drain(p, 20);
	conn_send(&c, .flags = RST);
}

TEST_F(window, tcp_window_clamp)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c);
	ASSERT_EQ(0, socket_set(c.lfd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK);
	EXPECT_GE(5000, p->last.wnd);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	for (int i = 0; i < 10; i++) {
		conn_send(&c, .len = 500);
		conn_expect(&c, .flags = ACK, .within_ms = 210);
		EXPECT_GE(5000, p->last.wnd);
		conn_read_all(&c);
		while (peer_read(p, now_ns()))
			EXPECT_GE(5000, p->last.wnd);
	}
}

static int window_clamp(int fd)
{
	socklen_t len = sizeof(int);
	int clamp = -1;

	getsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, &len);
	return clamp;
}

/* What SO_RCVLOWAT waits for would never fit into a smaller window. */
TEST_F(window, opt_so_rcvlowat_raises_the_clamp)
{
	struct conn c;

	ASSERT_EQ(0, knob_set_text("rmem", "4096 131072 6291456"));
	conn_open(&self->peer, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000));
	/* It fits into the buffer. */
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVLOWAT, 6000));
	EXPECT_EQ(5000, window_clamp(c.fd));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVLOWAT, 300000));
	EXPECT_EQ(300000, window_clamp(c.fd));
	/* A larger one stays. */
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 900000));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVLOWAT, 800000));
	EXPECT_EQ(900000, window_clamp(c.fd));
}

/* One unit of a large scale may be more than the buffer: it is announced when all is read. */
TEST_F(window, rfc7323_2_unit_larger_than_the_buffer)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set_text("rmem", "4096 131072 67108864"));
	conn_open(p, &c, .opt = SCALED);
	EXPECT_LE(11, c.kern_wscale);
	EXPECT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 1));
	/* The window of a SYN-ACK is not scaled. */
	conn_send(&c, .len = 1);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 210);
	/* Each announcement is rounded up to a unit, so the last segment fills all of it. */
	for (int i = 0; i < 100 && p->last.wnd; i++) {
		int64_t room = conn_edge(&c) - conn_peer_nxt(&c);

		conn_send(&c, .len = room < 60000 ? room : 60000);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 210);
	}
	ASSERT_EQ(0, p->last.wnd);
	EXPECT_LT(0, conn_read_all(&c));
	/* A window update, or the answer to a probe. */
	if (!peer_read(p, now_ns() + 20 * NSEC_PER_MSEC) || !p->last.wnd) {
		conn_send(&c, .flags = ACK, .seq = conn_peer_nxt(&c) - 1);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	}
	EXPECT_LT(0, p->last.wnd);
}

/* --- counters ------------------------------------------------------------ */

TEST_F(window, ctr_TCPToZeroWindowAdv)
{
	struct counters before;
	struct conn c;

	counters_take(&before);
	open_full(_metadata, &self->peer, &c);
	EXPECT_EQ(1, counter_moved(&before, "TCPToZeroWindowAdv"));
	EXPECT_EQ(0, counter_moved(&before, "TCPFromZeroWindowAdv"));
}

TEST_F(window, ctr_TCPFromZeroWindowAdv)
{
	struct counters before;
	struct conn c;

	open_full(_metadata, &self->peer, &c);
	counters_take(&before);
	conn_read_all(&c);
	conn_expect(&c, .flags = ACK);
	counters_expect(_metadata, &before, "TCPFromZeroWindowAdv", 1, "OutSegs", 1, NULL);
}

TEST_F(window, ctr_TCPWantZeroWindowAdv)
{
	struct counters before;
	struct conn c;

	/* The buffer is full of small segments before the window is used up. */
	counters_take(&before);
	open_full(_metadata, &self->peer, &c);
	EXPECT_EQ(3, counter_moved(&before, "TCPWantZeroWindowAdv"));
}

/*
 * A segment that begins below a closed window and extends beyond it brings only data
 * without space. Kept all the same, it would fill a buffer of a fixed size, and the
 * window would stay closed though all is read.
 */
TEST_F(window, lc_54_straddling_a_closed_window)
{
	uint32_t info[SK_MEMINFO_VARS] = { 1 };
	socklen_t len = sizeof(info);
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int64_t in;

	conn_open(p, &c, .prepare = small_buffer, .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
	in = fill_window(_metadata, &c);
	counters_begin(&before);
	counters_ignore(&before, "TCPDSACKOldSent", "TCPRcvCollapsed", "PruneCalled", "RcvPruned",
			"TCPRcvQDrop", NULL);
	for (int i = 0; i < 16; i++)
		conn_send(&c, .flags = ACK | PSH, .seq = in - 49, .len = 1400);
	counters_expect(_metadata, &before, "TCPZeroWindowDrop", 16, NULL);
	peer_drain(p, 5);
	EXPECT_EQ(in, conn_read_all(&c));
	ASSERT_EQ(0, getsockopt(c.fd, SOL_SOCKET, SO_MEMINFO, info, &len));
	EXPECT_EQ(0, info[SK_MEMINFO_RMEM_ALLOC]);
	/* The window opens. */
	peer_drain(p, 5);
	EXPECT_LT(MSS, p->last.wnd);
	EXPECT_EQ(in + 1, (uint32_t)(p->last.ack - c.peer_iss));
	conn_send(&c, .flags = ACK | PSH, .seq = in + 1, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = in + 101, .within_ms = 210);
	EXPECT_EQ(100, conn_read_all(&c));
}

/*
 * The payload fills the window, and a FIN comes with it: it needs no space, so it is taken,
 * though unread data is before it.
 */
TEST_F(window, rfc9293_3_10_7_4_fin_at_the_edge)
{
	struct peer *p = &self->peer;
	struct conn c;
	int64_t room;
	char b;

	conn_open(p, &c, .prepare = small_buffer);
	conn_send(&c, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = 101, .within_ms = 210);
	while ((room = conn_edge(&c) - conn_peer_nxt(&c)) > MSS) {
		conn_send(&c, .len = MSS);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 210);
	}
	ASSERT_LT(0, room);
	conn_send(&c, .flags = FIN | PSH | ACK, .len = room);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 210);
	conn_expect_state(&c, ST_CLOSE_WAIT);
	EXPECT_EQ(conn_peer_nxt(&c) - 2, conn_read_all(&c));
	EXPECT_EQ(0, recv(c.fd, &b, 1, MSG_DONTWAIT));
	peer_drain(p, 5);
}

TEST_F(window, ctr_TCPZeroWindowDrop)
{
	struct counters before;
	int64_t in;
	struct conn c;

	conn_open(&self->peer, &c, .prepare = small_buffer);
	in = fill_window(_metadata, &c);
	counters_take(&before);
	conn_send(&c, .flags = ACK, .seq = in + 1, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = in + 1, .wnd = 0);
	counters_expect(_metadata, &before, "TCPZeroWindowDrop", 1, "InSegs", 1,
			"OutSegs", 1, NULL);
}

TEST_HARNESS_MAIN
