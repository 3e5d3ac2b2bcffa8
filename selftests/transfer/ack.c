// SPDX-License-Identifier: GPL-2.0
/*
 * ack: when the receiver acknowledges: at once, after every second segment, after a
 * delay, or along with data of its own. RFC 9293 3.8.6.3, RFC 5681 4.2, RFC 1122
 * 4.2.3.2.
 */
/* vm: wires v6 mapped */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>

PEER_FIXTURE(ack);

#define ATO_MIN_MS 40
#define ATO_MAX_MS 200
#define MSS 1000

/* A connection whose program has set a mode in which ACKs may wait for an answer. */
static void open_patient(struct peer *p, struct conn *c)
{
	conn_open(p, c);
	socket_set(c->fd, IPPROTO_TCP, TCP_QUICKACK, 0);
}

static void reads(struct conn *c)
{
	char buf[65536];

	while (recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

/* The program does not read less than this: ACKs need not wait for it. */
static void wants_much(struct conn *c)
{
	socket_set(c->fd, SOL_SOCKET, SO_RCVLOWAT, 30000);
}

/* Exactly so many bytes: it does not read in vain. */
static void reads_some(struct conn *c, int bytes)
{
	char buf[64];

	check(recv(c->fd, buf, bytes, MSG_DONTWAIT) == bytes, WHERE(c->peer->test),
	      "recv: %s", strerror(errno));
}

TEST_F(ack, rfc9293_shld_18_delayed)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	open_patient(p, &c);
	counters_take(&before);
	peer_mark(p);
	conn_send(&c, .flags = ACK | PSH, .data = "word");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5, .at_ms = ATO_MIN_MS);
	peer_expect_silence(p, 1000);
	counters_expect(_metadata, &before, "DelayedACKs", 1, "InSegs", 1,
			"OutSegs", 1, NULL);
}

TEST_F(ack, rfc9293_must_40_never_half_a_second)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Whatever the spacing of segments: always less than 500 ms. */
	open_patient(p, &c);
	for (int gap = 1; gap < 600; gap += 37) {
		socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
		conn_send(&c, .flags = ACK | PSH, .len = 10);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c),
			    .within_ms = ATO_MAX_MS + 2 + 20 * stock_mode());
		sleep_ms(gap);
		reads(&c);
	}
}

TEST_F(ack, rfc9293_shld_19_every_second_segment)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_patient(p, &c);
	wants_much(&c);
	/* The first one shows the size of the peer's segments. */
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + MSS, .within_ms = 300);
	reads(&c);
	for (int i = 0; i < 5; i++) {
		int64_t ack = 1 + MSS + (2 * i + 2) * MSS;

		socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
		conn_send(&c, .len = MSS);
		peer_expect_silence(p, 20);
		conn_send(&c, .len = MSS);
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = ack);
		peer_expect_silence(p, 300);
		reads(&c);
	}
}

/* An ACK with a smaller window waits for the program to read. */
TEST_F(ack, second_segment_waits_for_the_reader)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_patient(p, &c);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + MSS, .within_ms = 300);
	reads(&c);
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	conn_send(&c, .len = MSS);
	conn_send(&c, .len = MSS);
	peer_expect_silence(p, 20);
	reads(&c);
	conn_expect(&c, .flags = ACK, .ack = 1 + 3 * MSS);
	/* But no longer than the delay. */
	peer_mark(p);
	for (int i = 0; i < 4; i++)
		conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + 7 * MSS, .at_ms = ATO_MIN_MS);
	peer_expect_silence(p, 300);
}

/*
 * A program may only look at the data, until a record is complete whose end the peer sends
 * after our ACK. So to look is enough.
 */
TEST_F(ack, second_segment_waits_for_a_look)
{
	struct peer *p = &self->peer;
	struct conn c;
	char b;

	open_patient(p, &c);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + MSS, .within_ms = 300);
	reads(&c);
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	/* One segment is not enough to be acknowledged then. */
	conn_send(&c, .len = MSS);
	EXPECT_EQ(1, recv(c.fd, &b, 1, MSG_PEEK | MSG_DONTWAIT));
	peer_expect_silence(p, 10);
	conn_send(&c, .len = MSS);
	peer_expect_silence(p, 10);
	EXPECT_EQ(1, recv(c.fd, &b, 1, MSG_PEEK | MSG_DONTWAIT));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1 + 3 * MSS);
	peer_expect_silence(p, 300);
	reads(&c);
}

#define LARGE_BUFFER 300000

static void large_buffer(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, LARGE_BUFFER / 2);
}

/*
 * Before a large buffer has received much the peer is in slow start, and needs ACKs:
 * every second segment gets one, though the program does not read. At most half of the
 * buffer is for data.
 */
TEST_F(ack, slow_start_waits_for_no_reader)
{
	struct peer *p = &self->peer;
	int bytes = MSS;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_NOP, OPT_WSCALE(7)),
		  .prepare = large_buffer);
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + MSS, .within_ms = 300);
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	do {
		peer_mark(p);
		conn_send(&c, .len = MSS);
		conn_send(&c, .len = MSS);
		bytes += 2 * MSS;
		conn_expect(&c, .flags = ACK, .ack = 1 + bytes, .within_ms = 300);
	} while (peer_elapsed_ms(p) < ATO_MIN_MS / 2);
	EXPECT_LE(LARGE_BUFFER / 5, bytes);
	EXPECT_GT(LARGE_BUFFER / 2 - UINT16_MAX + 3 * MSS, bytes);
}

/* Full segments until they are not acknowledged at once any more. */
static void use_up_quickacks(struct __test_metadata *_metadata, struct conn *c)
{
	int quick = 0;

	for (;;) {
		peer_mark(c->peer);
		conn_send(c, .len = MSS);
		conn_expect(c, .flags = ACK, .within_ms = 300);
		if (peer_elapsed_ms(c->peer) >= ATO_MIN_MS / 2)
			break;
		ASSERT_GE(16, ++quick);
	}
	reads(c);
	conn_send(c, .len = MSS);
	conn_expect(c, .flags = ACK, .within_ms = 300);
	reads(c);
}

/* A pushed segment's ACK may wait: it is sent when all of it has been read. */
TEST_F(ack, pushed_text_is_acknowledged_when_read)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	use_up_quickacks(_metadata, &c);
	/* A full segment. */
	conn_send(&c, .flags = ACK | PSH, .len = MSS);
	peer_expect_silence(p, 20);
	reads(&c);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	/* A small one, though it is not pushed; and not before the rest is read. */
	conn_send(&c, .len = 20);
	reads_some(&c, 10);
	peer_expect_silence(p, 20);
	reads_some(&c, 10);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	/* A full one that is not pushed: more will come. */
	peer_mark(p);
	conn_send(&c, .len = MSS);
	reads(&c);
	conn_expect(&c, .flags = ACK, .at_ms = ATO_MIN_MS, .ack = conn_peer_nxt(&c));
	/* A program that answers is given the time to. */
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	peer_mark(p);
	conn_send(&c, .flags = ACK | PSH, .len = 20);
	reads(&c);
	conn_expect(&c, .flags = ACK, .at_ms = ATO_MIN_MS, .ack = conn_peer_nxt(&c));
}

/*
 * For two segments in flight the peer's loss probe leaves after two round trips, with no
 * time for a delayed ACK (RFC 8985 7.2). So a program that has read both is given no time
 * to answer.
 */
TEST_F(ack, two_pushed_segments_wait_for_no_answer)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	use_up_quickacks(_metadata, &c);
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	conn_send(&c, .flags = ACK | PSH, .len = 1);
	conn_send(&c, .flags = ACK | PSH, .len = 1);
	reads_some(&c, 1);
	peer_expect_silence(p, 5);
	reads_some(&c, 1);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	/* Each pair anew. */
	peer_mark(p);
	conn_send(&c, .flags = ACK | PSH, .len = 1);
	reads(&c);
	conn_expect(&c, .flags = ACK, .at_ms = ATO_MIN_MS, .ack = conn_peer_nxt(&c));
	peer_expect_silence(p, 300);
}

/* A small segment, which the program reads. */
static void crumb(struct conn *c, int bytes)
{
	conn_send(c, .flags = ACK | PSH, .len = bytes);
	reads_some(c, bytes);
}

/* The same, with an ACK at once. */
#define crumb_is_acked(c) do { \
	peer_mark((c)->peer); \
	crumb(c, 20); \
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c)); \
	EXPECT_EQ(0, peer_elapsed_ms((c)->peer)); \
} while (0)

/*
 * A peer that writes a stream in small pieces gets an ACK for every two, so that Nagle's
 * algorithm can gather more; a piece without a second one gets its ACK after 1 ms.
 */
TEST_F(ack, a_stream_of_small_segments_gets_an_ack_for_two)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	use_up_quickacks(_metadata, &c);
	for (int i = 0; i < 8; i++)
		crumb_is_acked(&c);
	for (int i = 0; i < 4; i++) {
		crumb(&c, 20);
		peer_expect_silence(p, 0);
		crumb(&c, 20);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	}
	/* The second one may be full. */
	crumb(&c, 20);
	peer_expect_silence(p, 0);
	conn_send(&c, .flags = ACK | PSH, .len = MSS);
	reads(&c);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	/* The last one of a stream. Then each one gets its ACK again. */
	peer_mark(p);
	crumb(&c, 20);
	conn_expect(&c, .flags = ACK, .at_ms = 1, .ack = conn_peer_nxt(&c));
	for (int i = 0; i < 8; i++)
		crumb_is_acked(&c);
}

/* Of the stream that a socket received before it listened its connections know nothing. */
TEST_F(ack, a_connection_begins_without_a_stream)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c, child;

	conn_open(p, &c, .active = true);
	use_up_quickacks(_metadata, &c);
	for (int i = 0; i < 8; i++)
		crumb_is_acked(&c);
	ASSERT_EQ(0, socket_disconnect(c.fd));
	conn_expect(&c, .flags = RST | ACK);
	ASSERT_EQ(0, socket_bind(c.fd, "10.0.0.1", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(c.fd, 1));
	conn_open(p, &child, .lfd = c.fd);
	use_up_quickacks(_metadata, &child);
	for (int i = 0; i < 8; i++)
		crumb_is_acked(&child);
	crumb(&child, 20);
	peer_expect_silence(p, 0);
	crumb(&child, 20);
	conn_expect(&child, .flags = ACK, .ack = conn_peer_nxt(&child));
}

/* The reader stops, and the pieces go on: their ACK is not put off by each (MUST-40). */
TEST_F(ack, rfc9293_must_40_stream_without_a_reader)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	int64_t begin;
	struct conn c;

	conn_open(p, &c);
	use_up_quickacks(_metadata, &c);
	for (int i = 0; i < 8; i++)
		crumb_is_acked(&c);
	begin = conn_peer_nxt(&c);
	/*
	 * The wait for a second piece ends after a millisecond, by a timer that may be late by some
	 * us: far from each third piece.
	 */
	for (int i = 0; i < 20; i++) {
		conn_send(&c, .flags = ACK | PSH, .len = 20);
		sleep_until_ns(now_ns() + 700000);
	}
	for (int i = 1; i <= 5; i++)
		conn_expect(&c, .flags = ACK, .ack = begin + i * 40);
	p->leave_unread = true;
}

/* The number of small segments, of @n, whose ACK waits. */
static int waits_of(struct conn *c, int n)
{
	int waits = 0;

	for (int i = 0; i < n; i++) {
		peer_mark(c->peer);
		crumb(c, 20);
		conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c));
		waits += !!peer_elapsed_ms(c->peer);
	}
	return waits;
}

/* A peer that sends the next piece after the ACK is seldom kept waiting. */
TEST_F(ack, a_stream_with_an_ack_for_each_segment_waits_seldom)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	use_up_quickacks(_metadata, &c);
	EXPECT_EQ(0, waits_of(&c, 8));
	EXPECT_EQ(1, waits_of(&c, 1));
	EXPECT_EQ(1, waits_of(&c, 100));
	EXPECT_EQ(1, waits_of(&c, 600));
	EXPECT_GE(1, waits_of(&c, 3000));
}

TEST_F(ack, payload_between_small_segments_makes_them_no_stream)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	use_up_quickacks(_metadata, &c);
	for (int i = 0; i < 20; i++) {
		crumb_is_acked(&c);
		if (i % 7)
			continue;
		/* Too late for an answer, too early for a pause. */
		sleep_ms(190);
		ASSERT_EQ(1, send(c.fd, "x", 1, 0));
		conn_expect(&c, .flags = ACK | PSH, .data = "x");
		conn_send(&c, .flags = ACK);
	}
}

/* A large write ends in a small segment. Many of them are no stream of small pieces. */
TEST_F(ack, ends_of_large_writes_make_no_stream)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	use_up_quickacks(_metadata, &c);
	for (int i = 0; i < 20; i++) {
		conn_send(&c, .flags = ACK, .len = MSS);
		conn_send(&c, .flags = ACK, .len = MSS);
		reads(&c);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
		crumb_is_acked(&c);
	}
}

TEST_F(ack, quickack_option_in_a_stream_of_small_segments)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	use_up_quickacks(_metadata, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 1));
	for (int i = 0; i < 20; i++)
		crumb_is_acked(&c);
}

TEST_F(ack, rfc9293_must_58_aggregates)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* Forty segments in pairs: twenty ACKs, and no delay expires. */
	open_patient(p, &c);
	wants_much(&c);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .within_ms = 300);
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	reads(&c);
	counters_take(&before);
	counters_ignore(&before, "TCPRcvCoalesce", NULL);
	for (int i = 0; i < 20; i++) {
		conn_send(&c, .len = MSS);
		conn_send(&c, .len = MSS);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
		reads(&c);
	}
	peer_expect_silence(p, 300);
	counters_expect(_metadata, &before, "InSegs", 40, "OutSegs", 20, NULL);
}

TEST_F(ack, rfc9293_must_59_batch_before_ack)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct holder h;
	struct conn c;

	/* Ten segments come while the program owns the socket: one ACK. */
	conn_open(p, &c);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + MSS);
	counters_take(&before);
	counters_ignore(&before, "TCPRcvCoalesce", "TCPBacklogCoalesce", NULL);
	holder_hold(_metadata, &h, c.fd);
	for (int i = 0; i < 10; i++)
		conn_send(&c, .len = MSS);
	peer_expect_silence(p, 20);
	holder_release(&h);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1 + 11 * MSS);
	peer_expect_silence(p, 300);
	counters_expect(_metadata, &before, "InSegs", 10, "OutSegs", 1, NULL);
}

TEST_F(ack, rfc5681_4_2_quick_at_the_start)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The peer's window is still small: it needs every ACK. */
	conn_open(p, &c);
	for (int i = 1; i <= 8; i++) {
		conn_send(&c, .len = MSS);
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1 + i * MSS);
	}
}

#define SMALL_WINDOW (3 * MSS)

static void small_window(int fd)
{
	socket_set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, SMALL_WINDOW);
}

/* A window of less than four segments is open after one ACK: only the first is quick. */
TEST_F(ack, one_quick_ack_opens_a_small_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .prepare = small_window);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + MSS);
	reads(&c);
	/* Linux has forgotten it, and ACKs of a window that grows are quick. */
	small_window(c.fd);
	peer_mark(p);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + 2 * MSS, .at_ms = ATO_MIN_MS);
	peer_expect_silence(p, 300);
}

TEST_F(ack, lc_55_rides_on_an_answer)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	open_patient(p, &c);
	counters_begin(&before);
	for (int i = 0; i < 5; i++) {
		conn_send(&c, .flags = ACK | PSH, .data = "question");
		sleep_ms(10);
		ASSERT_EQ(6, send(c.fd, "answer", 6, 0));
		conn_expect(&c, .flags = ACK | PSH, .seq = 1 + 6 * i,
			    .ack = 1 + 8 * (i + 1), .data = "answer");
		reads(&c);
	}
	peer_expect_silence(p, 150);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 300);
}

/* So many answers in a row, and the ACK of the next question waits for another. */
TEST_F(ack, knob_pingpong_thresh_acts)
{
	struct peer *p = &self->peer;
	struct conn c;

	for (int thresh = 1; thresh <= 3; thresh += 2) {
		ASSERT_EQ(0, knob_set("pingpong_thresh", thresh));
		conn_open(p, &c, .kport = KERNEL_PORT + thresh);
		for (int i = 1; i <= thresh; i++) {
			conn_send(&c, .flags = ACK | PSH, .data = "question");
			reads(&c);
			ASSERT_EQ(6, send(c.fd, "answer", 6, 0));
			/* The kernel's TCP acknowledges the first ones twice. */
			while (!conn_expect(&c)->len)
				;
			conn_send(&c, .flags = ACK, .ack = 1 + 6 * i);
			peer_mark(p);
			conn_send(&c, .flags = ACK | PSH, .data = "word");
			conn_expect(&c, .flags = ACK, .within_ms = ATO_MIN_MS + 10);
			EXPECT_EQ(i == thresh, peer_elapsed_ms(p) >= ATO_MIN_MS);
			reads(&c);
		}
		conn_send(&c, .flags = RST);
	}
}

TEST_F(ack, rfc1122_no_ack_of_an_ack)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	for (int i = 0; i < 5; i++)
		conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 1000);
}

TEST_F(ack, lc_60_delay_in_between)
{
	struct peer *p = &self->peer;
	int64_t first;
	struct conn c;

	/* For a peer that sends every 100 ms the delay is longer, up to 200 ms. */
	open_patient(p, &c);
	for (int i = 0; i < 12; i++) {
		socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
		peer_mark(p);
		conn_send(&c, .flags = ACK | PSH, .len = 10);
		conn_expect(&c, .flags = ACK, .within_ms = ATO_MAX_MS + 20);
		first = peer_elapsed_ms(p);
		EXPECT_LE(ATO_MIN_MS - 4 * stock_mode(), first);
		EXPECT_GE(ATO_MAX_MS + 2 + 8 * stock_mode(), first);
		sleep_ms(100);
		reads(&c);
	}
}

/* It follows the gaps between segments, and soon forgets them. */
TEST_F(ack, lc_60_delay_follows_the_gaps)
{
	static const int gaps_ms[] = { 0, 35, 50, 70, 90, 10, 10, 10, 10, 10, 10 };
	static const int delays_ms[] = { 40, 55, 77, 108, 144, 92, 66, 53, 46, 43, 41 };
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* in whole ticks there */
	open_patient(p, &c);
	p->leave_unread = true;
	for (size_t i = 0; i < ARRAY_SIZE(gaps_ms); i++) {
		sleep_ms(gaps_ms[i]);
		conn_send(&c, .flags = ACK | PSH, .len = 10);
		EXPECT_LE(delays_ms[i] - 2, (int)conn_tcp_info(&c).tcpi_ato / 1000);
		EXPECT_GE(delays_ms[i] + 2, (int)conn_tcp_info(&c).tcpi_ato / 1000);
		/* The answer takes the ACK along. */
		reads(&c);
		ASSERT_EQ(1, send(c.fd, "y", 1, 0));
		conn_expect(&c, .len = 1);
		conn_send(&c, .flags = ACK);
	}
}

TEST_F(ack, rfc5681_pause_makes_quick)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* After a pause longer than the RTO the peer starts slowly again. */
	open_patient(p, &c);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .within_ms = 300);
	reads(&c);
	sleep_ms(5000);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + 2 * MSS, .within_ms = stock_mode() ? 60 : 10);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + 3 * MSS);
	reads(&c);
}

TEST_F(ack, quickack_option)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Switched on, it sends the pending ACK and those that follow. */
	open_patient(p, &c);
	conn_send(&c, .len = 100);
	peer_expect_silence(p, 20);
	reads(&c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 1));
	conn_expect(&c, .flags = ACK, .ack = 101);
	conn_send(&c, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = 201);
	/* 2: the pending ACK, but no other. */
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0));
	conn_send(&c, .len = 100);
	peer_expect_silence(p, 20);
	reads(&c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 2));
	conn_expect(&c, .flags = ACK, .ack = 301);
	conn_send(&c, .len = 100);
	peer_expect_silence(p, 20);
	conn_expect(&c, .flags = ACK, .ack = 401, .within_ms = 210);
}

/* --- soon: an ACK that waits for the program's next call ------------------ */

TEST_F(ack, lc_55_first_answer_carries_it)
{
	NOT_ON_STOCK();		/* which acknowledges the first at once */
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "question");
	reads_some(&c, 8);
	ASSERT_EQ(6, send(c.fd, "answer", 6, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 9, .data = "answer");
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 1000);
}

TEST_F(ack, lc_55_soon_is_a_millisecond)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct counters before;
	int64_t ns;
	struct conn c;

	conn_open(p, &c);
	counters_take(&before);
	ns = now_ns();
	conn_send(&c, .flags = ACK | PSH, .data = "word");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5, .within_ms = 2);
	ns = now_ns() - ns;
	EXPECT_LE(1000000, ns);
	EXPECT_GT(2000000, ns);
	/* An ACK after 1 ms does not count as delayed. */
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, NULL);
	peer_expect_silence(p, 1000);
}

/* A new connection, and the time in ns. */
static int64_t open_now(struct peer *p, struct conn *c)
{
	conn_open(p, c);
	return now_ns();
}

TEST_F(ack, lc_55_reader_asks_for_more)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	int64_t ns;
	struct conn c;

	/* Nothing waits to be read: the program won't answer before more has come. */
	ns = open_now(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "half a quest");
	reads(&c);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 13);
	EXPECT_GT(1000000, now_ns() - ns);
	peer_expect_silence(p, 300);
}

TEST_F(ack, lc_55_second_segment_is_not_waited_with)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	int64_t ns;
	struct conn c;

	ns = open_now(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "one");
	conn_send(&c, .flags = ACK | PSH, .data = "two");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 7);
	EXPECT_GT(1000000, now_ns() - ns);
	peer_expect_silence(p, 300);
}

TEST_F(ack, rfc5681_4_2_unpushed_is_quick)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	int64_t ns;
	struct conn c;

	/*
	 * No PSH, or a full segment: more will come, and the peer's window must open.
	 */
	ns = open_now(p, &c);
	conn_send(&c, .len = 100);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 101);
	conn_send(&c, .flags = ACK | PSH, .len = MSS);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 101 + MSS);
	EXPECT_GT(1000000, now_ns() - ns);
	peer_expect_silence(p, 300);
}

TEST_F(ack, quickack_option_waits_for_no_answer)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	int64_t ns;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 1));
	ns = now_ns();
	conn_send(&c, .flags = ACK | PSH, .data = "word");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 6);
	EXPECT_GT(1000000, now_ns() - ns);
}

TEST_F(ack, lc_80_close_carries_the_ack_of_a_fin)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Three segments close both sides. */
	conn_open(p, &c);
	conn_send(&c, .flags = FIN | ACK);
	close(c.fd);
	c.fd = -1;
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 2);
	conn_expect_state(&c, ST_LAST_ACK);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 1000);
	conn_expect_state(&c, ST_CLOSED);
}

/* The wait for close() begins with the FIN, not with the payload before it. */
TEST_F(ack, lc_80_close_has_a_millisecond_from_the_fin)
{
	NOT_ON_STOCK();		/* which acknowledges the first payload at once */
	struct peer *p = &self->peer;
	struct conn c;
	int64_t ns;

	conn_open(p, &c);
	ns = now_ns();
	conn_send(&c, .flags = ACK | PSH, .data = "done");
	sleep_until_ns(ns + 600000);
	conn_send(&c, .flags = FIN | ACK);
	sleep_until_ns(ns + 1200000);
	peer_expect_silence(p, 0);
	shutdown(c.fd, SHUT_WR);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 6);
	conn_send(&c, .flags = ACK);
	p->leave_unread = true;
}

/* --- state by state ------------------------------------------------------ */

static void delayed_in(struct __test_metadata *_metadata, struct peer *p,
		       enum conn_state st)
{
	const char *name = conn_state_name(st);
	long long rows;
	struct conn c;

	open_patient(p, &c);
	conn_advance(&c, st, false);
	rows = lifecycle_count(name, "DELAYED-ACK-TIMEOUT", name);
	peer_mark(p);
	conn_send(&c, .flags = ACK | PSH, .data = "word",
		  .ack = st == ST_FIN_WAIT_1 ? 1 : UNSET);
	conn_expect(&c, .flags = ACK, .ack = 5, .at_ms = ATO_MIN_MS);
	conn_expect_state(&c, st);
	if (!stock_mode())
		EXPECT_EQ(rows + 1, lifecycle_count(name, "DELAYED-ACK-TIMEOUT", name));
	conn_send(&c, .flags = ACK);
}

TEST_F(ack, sm_es_delayed_ack)
{
	delayed_in(_metadata, &self->peer, ST_ESTABLISHED);
}

TEST_F(ack, sm_f1_delayed_ack)
{
	delayed_in(_metadata, &self->peer, ST_FIN_WAIT_1);
}

TEST_F(ack, sm_f2_delayed_ack)
{
	delayed_in(_metadata, &self->peer, ST_FIN_WAIT_2);
}

TEST_F(ack, sm_cw_fin_is_acked_soon)
{
	NOT_ON_STOCK();		/* which lets that ACK wait for 40 ms */
	struct peer *p = &self->peer;
	struct conn c;

	/* No ACK is long delayed after the peer's FIN. */
	open_patient(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "last");
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 6, .within_ms = 2);
	peer_expect_silence(p, 1000);
	conn_expect_state(&c, ST_CLOSE_WAIT);
}

/* --- counters ------------------------------------------------------------ */

TEST_F(ack, ctr_DelayedACKs)
{
	struct counters before;
	struct conn c;

	open_patient(&self->peer, &c);
	counters_take(&before);
	conn_send(&c, .flags = ACK | PSH, .data = "word");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 60);
	counters_expect(_metadata, &before, "DelayedACKs", 1, "InSegs", 1,
			"OutSegs", 1, NULL);
}

TEST_F(ack, ctr_DelayedACKLocked)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct holder h;
	struct conn c;

	open_patient(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "word");
	counters_take(&before);
	holder_hold(_metadata, &h, c.fd);
	peer_expect_silence(p, 100);
	counters_expect(_metadata, &before, "DelayedACKLocked", 1, NULL);
	holder_release(&h);
	conn_expect(&c, .flags = ACK, .ack = 5);
	counters_expect(_metadata, &before, "DelayedACKLocked", 1, "DelayedACKs", 1,
			"OutSegs", 1, NULL);
}

TEST_F(ack, ctr_DelayedACKLost)
{
	struct counters before;
	struct conn c;

	conn_open(&self->peer, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "word");
	conn_expect(&c, .flags = ACK, .ack = 5);
	counters_take(&before);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "word");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5);
	counters_expect(_metadata, &before, "DelayedACKLost", 1, "InSegs", 1,
			"OutSegs", 1, NULL);
}

/* The peer missed an ACK: for a while it gets each one at once. */
TEST_F(ack, a_repetition_makes_acks_quick)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	use_up_quickacks(_metadata, &c);
	conn_send(&c, .seq = conn_peer_nxt(&c) - MSS, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c));
	for (int i = 0; i < 5; i++) {
		peer_mark(p);
		conn_send(&c, .len = MSS);
		conn_expect(&c, .flags = ACK, .at_ms = 0, .ack = conn_peer_nxt(&c));
	}
}

TEST_HARNESS_MAIN
