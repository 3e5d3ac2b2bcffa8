// SPDX-License-Identifier: GPL-2.0
/*
 * nagle: how the program's writes become segments, and which of them wait. RFC 9293
 * 3.7.1 (MSS), 3.7.4 (Nagle), 3.8.6.2.1 (the sender's side of silly windows), 3.9.1.2
 * (PSH). LC-50.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>

PEER_FIXTURE(nagle);

#define MSS 1000
#define SMALL_MSS OPT(OPT_MSS(MSS))

/* A segment of so many bytes at relative seq, promptly. */
#define expect_text(c, at, n, ...) \
	conn_expect(c, .seq = at, .len = n, ##__VA_ARGS__)

TEST_F(nagle, lc_50_boundaries_are_not_kept)
{
	struct peer *p = &self->peer;
	static uint8_t text[2500];
	struct conn c;

	conn_open(p, &c, .opt = SMALL_MSS);
	pattern_fill(text, sizeof(text), 0);
	/* Five writes of 500 behind an unacknowledged small one. */
	ASSERT_EQ(10, send(c.fd, text, 10, 0));
	expect_text(&c, 1, 10, .pattern = 0);
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(500, send(c.fd, text + 10 + 500 * i, 500, 0));
	/* Full segments are sent, and 1000 bytes of two writes make one. */
	expect_text(&c, 11, MSS, .pattern = 10);
	expect_text(&c, 1011, MSS, .pattern = 1010);
	ASSERT_EQ(490, send(c.fd, text + 2010, 490, 0));
	peer_expect_silence(p, 50);
	conn_send(&c, .flags = ACK, .ack = 2011);
	expect_text(&c, 2011, 490, .pattern = 2010);
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, lc_50_segments_up_to_the_mss)
{
	static const int sizes[] = { 48, 100, 536, 1000, 1459, 1460 };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int mss = sizes[i];
		struct conn c;

		peer_note(p, "MSS %d", mss);
		conn_open(p, &c, .kport = 6000 + i, .opt = OPT(OPT_MSS(mss)));
		conn_write(&c, 2 * mss + 7);
		expect_text(&c, 1, mss, .pattern = 0);
		expect_text(&c, 1 + mss, mss, .pattern = mss);
		/* Not full, but nothing small is in flight (Minshall). */
		expect_text(&c, 1 + 2 * mss, 7, .pattern = 2 * mss);
		conn_send(&c, .flags = ACK);
	}
}

TEST_F(nagle, rfc9293_must_16_effective_mss)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The smaller of the peer's MSS and the path's, less the options. */
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK, OPT_TS(1, 0)));
	conn_write(&c, MSS);
	expect_text(&c, 1, MSS - 12, .opt_len = 12);
	expect_text(&c, MSS - 11, 12);
	conn_send(&c, .flags = ACK);
	close(c.fd);
	peer_drain(p, 10);
	conn_send(&c, .flags = RST);

	link_set_mtu(WHERE(_metadata), "tun0", 1300);
	conn_open(p, &c, .kport = 6001, .opt = OPT(OPT_MSS(1460)));
	conn_write(&c, 2000);
	expect_text(&c, 1, 1260);
	expect_text(&c, 1261, 740);
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, rfc9293_must_15_default_mss)
{
	struct peer *p = &self->peer;
	static uint8_t text[2000];
	struct conn c;

	conn_open(p, &c, .no_opt = true);
	ASSERT_EQ(mss_default() + 464, send(c.fd, text, mss_default() + 464, 0));
	expect_text(&c, 1, mss_default());
	expect_text(&c, 1 + mss_default(), 464);
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, tcp_maxseg_bounds_segments)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c);
	ASSERT_EQ(0, socket_set(c.lfd, IPPROTO_TCP, TCP_MAXSEG, 400));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .mss = 400);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	conn_write(&c, 1000);
	expect_text(&c, 1, 400);
	expect_text(&c, 401, 400);
	expect_text(&c, 801, 200);
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, rfc9293_shld_28_full_segments)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* A hundred writes of 100 bytes while something is unacknowledged. */
	conn_open(p, &c, .opt = SMALL_MSS);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	expect_text(&c, 1, 1);
	counters_take(&before);
	for (int i = 0; i < 80; i++)
		ASSERT_EQ(100, send(c.fd, "0123456789012345678901234567890123456789"
				    "0123456789012345678901234567890123456789"
				    "01234567890123456789", 100, 0));
	for (int i = 0; i < 8; i++)
		expect_text(&c, 2 + i * MSS, MSS);
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "OutSegs", 8, "TCPOrigDataSent", 8, NULL);
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, rfc9293_shld_27_and_may_16_collect)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = SMALL_MSS);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	expect_text(&c, 1, 1);
	/* Three writes, each of which ends with a push, become one segment. */
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(4, send(c.fd, "part", 4, 0));
	peer_expect_silence(p, 20);
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = ACK | PSH, .seq = 2, .data = "partpartpart");
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, rfc9293_shld_07_nagle)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(3, send(c.fd, "one", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "one");
	/* The second small one waits for the ACK of the first. */
	ASSERT_EQ(3, send(c.fd, "two", 3, 0));
	peer_expect_silence(p, 150);
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = ACK | PSH, .seq = 4, .data = "two");
	conn_send(&c, .flags = ACK);
}

/* Full segments from @at on. Return: the number behind them. */
static int expect_full(struct conn *c, int at, int n)
{
	for (int i = 0; i < n; i++, at += MSS)
		expect_text(c, at, MSS);
	return at;
}

/* Slow start has opened the window for ten segments and more. Return: the number behind them. */
static int window_opened(struct peer *p, struct conn *c)
{
	int at = 1;

	conn_open(p, c, .opt = SMALL_MSS);
	for (int i = 0; i < 10; i++) {
		conn_write(c, MSS);
		at = expect_full(c, at, 1);
	}
	conn_send(c, .flags = ACK, .ack = at);
	return at;
}

/* One small segment in flight, and window for many others. Return: the number behind it. */
static int small_in_flight(struct peer *p, struct conn *c)
{
	int at = window_opened(p, c);

	conn_write(c, 1);
	expect_text(c, at, 1);
	return at + 1;
}

/* Ten full segments and @end bytes, in one call. */
static void large_write(struct __test_metadata *_metadata, struct conn *c, int end, int flags)
{
	static uint8_t text[11 * MSS];

	peer_mark(c->peer);
	ASSERT_EQ(10 * MSS + end, send(c->fd, text, 10 * MSS + end, flags));
}

/* Behind a small segment, the end of a large write waits a millisecond. */
TEST_F(nagle, the_end_of_a_large_write_waits_a_millisecond)
{
	struct peer *p = &self->peer;
	struct conn c;
	int at;

	NOT_ON_STOCK();		/* where it waits for the ACK */
	at = small_in_flight(p, &c);
	large_write(_metadata, &c, 100, 0);
	at = expect_full(&c, at, 10);
	expect_text(&c, at, 100, .flags = ACK | PSH, .at_ms = 1);
	/* It is a small segment, for which others wait. */
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	peer_expect_silence(p, 10);
	conn_send(&c, .flags = ACK, .ack = at);
	peer_expect_silence(p, 10);
	conn_send(&c, .flags = ACK, .ack = at + 100);
	expect_text(&c, at + 100, 1);
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, the_end_of_a_large_write_joins_the_next_write)
{
	struct peer *p = &self->peer;
	struct conn c;
	int at = small_in_flight(p, &c);

	large_write(_metadata, &c, 40, 0);
	conn_write(&c, MSS - 40);
	at = expect_full(&c, at, 11);
	peer_expect_silence(p, 10);
	conn_send(&c, .flags = ACK, .ack = at);
}

/* A call that writes nothing, or little, does not make it wait longer. */
TEST_F(nagle, the_end_of_a_large_write_goes_with_what_follows)
{
	struct peer *p = &self->peer;
	struct conn c;
	int at;

	NOT_ON_STOCK();		/* where it waits for the ACK */
	at = small_in_flight(p, &c);
	large_write(_metadata, &c, 40, 0);
	conn_write(&c, 0);
	conn_write(&c, 8);
	at = expect_full(&c, at, 10);
	expect_text(&c, at, 48, .flags = ACK | PSH, .at_ms = 1);
	/* Nagle's algorithm applies again. */
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	peer_expect_silence(p, 10);
	conn_send(&c, .flags = ACK, .ack = at + 48);
	expect_text(&c, at + 48, 1);
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, the_end_of_a_large_write_with_msg_more_waits)
{
	struct peer *p = &self->peer;
	struct conn c;
	int at = small_in_flight(p, &c);

	large_write(_metadata, &c, 40, MSG_MORE);
	at = expect_full(&c, at, 10);
	peer_expect_silence(p, 10);
	conn_send(&c, .flags = ACK, .ack = at);
	expect_text(&c, at, 40);
	conn_send(&c, .flags = ACK);
}

/* Without a small segment in flight it does not wait. */
TEST_F(nagle, the_end_of_a_large_write_goes)
{
	struct peer *p = &self->peer;
	struct conn c;
	int at = window_opened(p, &c);

	large_write(_metadata, &c, 100, 0);
	at = expect_full(&c, at, 10);
	expect_text(&c, at, 100, .flags = ACK | PSH, .at_ms = 0);
	conn_send(&c, .flags = ACK, .ack = at + 100);
}

TEST_F(nagle, the_end_of_a_lesser_write_waits)
{
	struct peer *p = &self->peer;
	struct conn c;
	int at = small_in_flight(p, &c), small = at;

	conn_write(&c, 9 * MSS + 100);
	at = expect_full(&c, at, 9);
	peer_expect_silence(p, 10);
	conn_send(&c, .flags = ACK, .ack = small);
	expect_text(&c, at, 100);
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, rfc9293_must_17_nodelay)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
		conn_expect(&c, .flags = ACK | PSH, .seq = 1 + 3 * i, .data = "abc");
	}
	/* Off again: the next waits. On: it is sent at once. */
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 0));
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	peer_expect_silence(p, 100);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1));
	conn_expect(&c, .flags = ACK | PSH, .seq = 16, .data = "abc");
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, fin_does_not_wait)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(3, send(c.fd, "one", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "one");
	ASSERT_EQ(3, send(c.fd, "two", 3, 0));
	peer_expect_silence(p, 50);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = FIN | ACK | PSH, .seq = 4, .data = "two");
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_FIN_WAIT_2);
}

TEST_F(nagle, tcp_cork)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = SMALL_MSS);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	ASSERT_EQ(4, send(c.fd, "head", 4, 0));
	peer_expect_silence(p, 100);
	/* What makes a full segment is sent, the rest still waits. */
	conn_write(&c, MSS);
	expect_text(&c, 1, MSS);
	peer_expect_silence(p, 100);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 0));
	expect_text(&c, 1 + MSS, 4);
	conn_send(&c, .flags = ACK);
}

/*
 * TCP_NODELAY sends what TCP_CORK holds back: the window may allow that only later. It does not
 * concern what is written then.
 */
TEST_F(nagle, nodelay_sends_what_is_corked)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = SMALL_MSS);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	conn_write(&c, 10 * MSS + 4);
	for (int i = 0; i < 10; i++)
		expect_text(&c, 1 + i * MSS, MSS);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1));
	peer_expect_silence(p, 5);
	conn_send(&c, .flags = ACK);
	expect_text(&c, 1 + 10 * MSS, 4);
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(4, send(c.fd, "tail", 4, 0));
	peer_expect_silence(p, 100);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 0));
	expect_text(&c, 5 + 10 * MSS, 4);
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, tcp_cork_for_200ms)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Corked data does not wait longer than that. */
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	peer_mark(p);
	ASSERT_EQ(4, send(c.fd, "head", 4, 0));
	conn_expect(&c, .seq = 1, .data = "head", .at_ms = 200);
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, msg_more)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "head", 4, MSG_MORE));
	peer_expect_silence(p, 100);
	ASSERT_EQ(4, send(c.fd, "tail", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "headtail");
	conn_send(&c, .flags = ACK);
}

/* --- PSH ----------------------------------------------------------------- */

TEST_F(nagle, rfc9293_must_60_never_waits_for_ever)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The interface has no PUSH: each write is pushed by itself. */
	conn_open(p, &c);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(1, send(c.fd, "x", 1, 0));
		conn_expect(&c, .flags = ACK | PSH, .seq = 1 + i, .data = "x");
		conn_send(&c, .flags = ACK);
	}
	/* Even a write with MSG_MORE does not wait for ever. */
	ASSERT_EQ(1, send(c.fd, "y", 1, MSG_MORE));
	conn_expect(&c, .seq = 4, .data = "y", .within_ms = 400);
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, rfc9293_must_61_psh_on_the_last)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = SMALL_MSS);
	conn_write(&c, 3 * MSS + 5);
	for (int i = 0; i < 3; i++)
		expect_text(&c, 1 + i * MSS, MSS, .flags = ACK);
	expect_text(&c, 1 + 3 * MSS, 5, .flags = ACK | PSH);
	conn_send(&c, .flags = ACK);
	/* Also when the last one is full. */
	conn_write(&c, 2 * MSS);
	expect_text(&c, 6 + 3 * MSS, MSS, .flags = ACK);
	expect_text(&c, 6 + 4 * MSS, MSS, .flags = ACK | PSH);
	conn_send(&c, .flags = ACK);
}

/* --- the sender and silly windows ---------------------------------------- */

TEST_F(nagle, rfc9293_must_38_small_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	/*
	 * The window opens by a little: nothing is sent until it allows a segment, or
	 * half of the largest window seen.
	 */
	conn_open(p, &c, .opt = SMALL_MSS, .wnd = 4000);
	conn_write(&c, 8000);
	for (int i = 0; i < 4; i++)
		expect_text(&c, 1 + i * MSS, MSS);
	c.wnd = 0;
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 50);
	conn_send(&c, .flags = ACK, .wnd = 300);
	peer_expect_silence(p, 50);
	conn_send(&c, .flags = ACK, .wnd = 999);
	peer_expect_silence(p, 50);
	conn_send(&c, .flags = ACK, .wnd = 1000);
	expect_text(&c, 1 + 4 * MSS, MSS);
	conn_send(&c, .flags = ACK, .wnd = 4000);
	for (int i = 5; i < 8; i++)
		expect_text(&c, 1 + i * MSS, MSS);
	conn_send(&c, .flags = ACK);
}

/*
 * The segments of a peer with a small buffer: as large as all of it if it has no more than 536
 * bytes, else half of it. A segment and its TCP header have no less than 68 bytes, RFC 791's least
 * MTU.
 */
TEST_F(nagle, rfc9293_must_38_segments_of_small_windows)
{
	static const struct {
		int wnd, mss;
	} rows[] = {
		{ 1, 48 }, { 20, 48 }, { 28, 48 }, { 47, 48 }, { 48, 48 }, { 49, 49 },
		{ 535, 535 }, { 536, 536 }, { 537, 268 }, { 538, 269 }, { 2919, 1459 },
		{ 2920, 1460 }, { 2922, 1460 },
	};
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct conn c;

		peer_note(p, "window %d", rows[i].wnd);
		conn_open(p, &c, .wnd = rows[i].wnd, .kport = 6000 + i);
		EXPECT_EQ(rows[i].mss, conn_info(&c).snd_mss);
	}
}

/* Timestamps are a part of the header. */
TEST_F(nagle, rfc9293_must_38_timestamps_beside_small_windows)
{
	static const struct {
		int wnd, mss;
	} rows[] = { { 1, 36 }, { 35, 36 }, { 36, 36 }, { 37, 37 }, { 536, 536 }, { 538, 269 } };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct conn c;

		peer_note(p, "window %d", rows[i].wnd);
		conn_open(p, &c, .wnd = rows[i].wnd, .kport = 6000 + i,
			  .opt = OPT(OPT_MSS(1460), OPT_NOP, OPT_NOP, OPT_TS(1, 0)));
		EXPECT_EQ(rows[i].mss, conn_info(&c).snd_mss);
	}
}

TEST_F(nagle, rfc9293_must_38_half_of_the_largest)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct conn c;

	/* A peer whose whole buffer is smaller than a segment. */
	conn_open(p, &c, .wnd = 600);
	info = conn_info(&c);
	EXPECT_EQ(300, info.snd_mss);
	conn_write(&c, 2000);
	expect_text(&c, 1, 300);
	expect_text(&c, 301, 300);
	peer_expect_silence(p, 20);
	conn_send(&c, .flags = ACK, .wnd = 299);
	peer_expect_silence(p, 20);
	conn_send(&c, .flags = ACK, .wnd = 300);
	expect_text(&c, 601, 300);
	conn_send(&c, .flags = RST);
}

TEST_F(nagle, rfc9293_must_38_half_of_a_server_s_first)
{
	struct conn c;

	/* The window of a SYN-ACK counts from the first segment on. */
	conn_open(&self->peer, &c, .active = true, .wnd = 2048);
	EXPECT_EQ(1024, conn_info(&c).snd_mss);
	conn_write(&c, 2048);
	expect_text(&c, 1, 1024);
	expect_text(&c, 1025, 1024);
	conn_send(&c, .flags = ACK);
}

TEST_F(nagle, rfc9293_must_38_override)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct conn c;

	/* The window stays small: after a timeout of 0.1 to 1 s it is used. */
	conn_open(p, &c, .opt = SMALL_MSS, .wnd = 2000);
	conn_write(&c, 4000);
	expect_text(&c, 1, MSS);
	expect_text(&c, 1 + MSS, MSS);
	info = conn_info(&c);
	peer_mark(p);
	conn_send(&c, .flags = ACK, .wnd = 300);
	expect_text(&c, 1 + 2 * MSS, 300, .at_ms = info.rto_us / 1000);
	conn_send(&c, .flags = RST);
}

/* The window was closed for long: the next probe is due in seconds, the override is not. */
TEST_F(nagle, rfc9293_must_38_override_behind_probes)
{
	struct peer *p = &self->peer;
	int rto_us, next_us = 0;
	struct conn c;

	NOT_ON_STOCK();		/* which waits for the next probe */
	conn_open(p, &c, .opt = SMALL_MSS, .wnd = 2000);
	conn_write(&c, 4000);
	expect_text(&c, 1, MSS);
	expect_text(&c, 1 + MSS, MSS);
	peer_mark(p);
	conn_send(&c, .flags = ACK, .wnd = 0);
	/* With the round trip time of this ACK. */
	rto_us = conn_info(&c).rto_us;
	for (int i = 0; i < 5; i++) {
		next_us += rto_us << i;
		conn_expect(&c, .seq = 2 * MSS, .at_ms = next_us / 1000);
		conn_send(&c, .flags = ACK, .wnd = 0);
	}
	sleep_ms(100);
	peer_mark(p);
	conn_send(&c, .flags = ACK, .wnd = 300);
	expect_text(&c, 1 + 2 * MSS, 300, .at_ms = rto_us / 1000);
	conn_send(&c, .flags = RST);
}

TEST_HARNESS_MAIN
