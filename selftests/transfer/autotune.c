// SPDX-License-Identifier: GPL-2.0
/*
 * autotune: buffers that grow with what a connection needs, and only then. xtcp_rmem,
 * xtcp_wmem, xtcp_moderate_rcvbuf, SO_RCVBUF, SO_SNDBUF. What makes a buffer grow, and
 * what does not, is as on Linux TCP; only xtcp opens windows at once.
 */
/* vm: wires families mem=1G */
#include "lib/xtcp_test.h"
#include "lib/pump.h"

#include <linux/tcp.h>

PEER_FIXTURE(autotune);
PAIR_FIXTURE(path);

#define MSS 1400
#define RTT_MS 100
#define SCALED OPT(OPT_MSS(MSS), OPT_SACKOK, OPT_NOP, OPT_WSCALE(10))
#define STAMPED OPT(OPT_MSS(MSS), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(10))

static int buffer_of(int fd, int option)
{
	socklen_t len = sizeof(int);
	int size = -1;

	return getsockopt(fd, SOL_SOCKET, option, &size, &len) ? -errno : size;
}

static int64_t window(struct conn *c)
{
	return (int64_t)c->peer->last.wnd << c->kern_wscale;
}

/* A flight of @n segments; its last ACK shows the window after it. */
static void flight(struct conn *c, int n)
{
	struct peer *p = c->peer;

	for (int i = 0; i < n; i++)
		conn_send(c, .len = MSS);
	while (p->last.ack != c->peer_nxt)
		if (!peer_read(p, now_ns() + 250 * NSEC_PER_MSEC))
			peer_fail(WHERE(p->test), p, "not acknowledged");
	peer_drain(p, 0);
}

/* Slow start: each round trip twice as much; the program reads all of it or nothing. */
static void slow_start(struct conn *c, int rounds, bool reads)
{
	for (int n = 10; rounds--; n *= 2) {
		peer_mark(c->peer);
		flight(c, n);
		if (reads)
			conn_read_all(c);
		peer_sleep_until(c->peer, RTT_MS);
		/* By then the ACKs show the space that reading made. */
		peer_drain(c->peer, 0);
	}
}

static void grows(struct __test_metadata *_metadata, struct peer *p, struct optbytes opt)
{
	struct conn c;
	int before;

	conn_open(p, &c, .opt = opt, .rtt_ms = RTT_MS);
	before = buffer_of(c.fd, SO_RCVBUF);
	EXPECT_EQ(131072, before);
	slow_start(&c, 5, true);
	/* 320 segments would fit if as many came again, and twice that. */
	EXPECT_LE(640 * MSS, window(&c));
	EXPECT_LT(2 * before, buffer_of(c.fd, SO_RCVBUF));
	conn_send(&c, .flags = RST);
}

/*
 * Twice what the program has read in a round trip and sixteen segments have to fit, and that once
 * more for the growth: twice the part by which it was more than in the round trip before. The
 * formula is Linux's.
 */
TEST_F(autotune, window_for_twice_what_was_read)
{
	struct peer *p = &self->peer;
	int64_t read = 40 * MSS, before, want;
	struct conn c;

	NOT_ON_STOCK();		/* opens the window step by step */
	conn_open(p, &c, .opt = STAMPED, .rtt_ms = RTT_MS);
	before = 10 * c.kern_opt.mss;
	want = 2 * read + 16 * c.kern_opt.mss;
	want += 2 * (want * (read - before) / before);
	peer_mark(p);
	flight(&c, 10);
	EXPECT_EQ(10 * MSS, conn_read_all(&c));
	peer_sleep_until(p, RTT_MS + 5);
	flight(&c, 30);
	EXPECT_EQ(30 * MSS, conn_read_all(&c));
	peer_drain(p, 5);
	/* Rounded down to its unit, as is each of two divisions. */
	EXPECT_GE(want, window(&c));
	EXPECT_LE(want - 2 - (1 << c.kern_wscale), window(&c));
	conn_send(&c, .flags = RST);
}

TEST_F(autotune, receive_buffer_follows_the_reader)
{
	grows(_metadata, &self->peer, STAMPED);
}

TEST_F(autotune, receive_buffer_without_timestamps)
{
	grows(_metadata, &self->peer, SCALED);
}

TEST_F(autotune, steady_reader_needs_no_more)
{
	struct peer *p = &self->peer;
	struct conn c;
	int size = 0;

	/* As much as before in each round trip: the buffer stops growing. */
	conn_open(p, &c, .opt = STAMPED, .rtt_ms = RTT_MS);
	slow_start(&c, 4, true);
	for (int i = 0; i < 30; i++) {
		/* The last doubling of slow start takes some round trips to show. */
		if (i == 10)
			size = buffer_of(c.fd, SO_RCVBUF);
		peer_mark(p);
		flight(&c, 80);
		conn_read_all(&c);
		peer_sleep_until(p, RTT_MS);
		peer_drain(p, 0);
	}
	/* A round trip measured too long has two flights in it, once. */
	EXPECT_GE(2 * size, buffer_of(c.fd, SO_RCVBUF));
	conn_send(&c, .flags = RST);
}

/* What has come counts as read when it is read: 14 segments of 40 are no reason to grow. */
TEST_F(autotune, unread_data_grows_no_buffer)
{
	static char text[14 * MSS];
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = STAMPED, .rtt_ms = RTT_MS);
	peer_mark(p);
	flight(&c, 10);
	EXPECT_EQ(10 * MSS, conn_read_all(&c));
	peer_sleep_until(p, RTT_MS + 5);
	flight(&c, 40);
	EXPECT_EQ((ssize_t)sizeof(text), recv(c.fd, text, sizeof(text), 0));
	EXPECT_EQ(131072, buffer_of(c.fd, SO_RCVBUF));
	EXPECT_EQ(26 * MSS, conn_read_all(&c));
	peer_drain(p, 5);
	conn_send(&c, .flags = RST);
}

/*
 * Of a large segment only the beginning fits the window. The memory of the whole is no measure
 * of what payload needs, or the window would stay at a third for the connection's life.
 */
TEST_F(autotune, a_trimmed_segment_does_not_measure_memory)
{
	enum { SMALL = 500, LARGE = 20 * MSS };
	struct peer *p = &self->peer;
	struct conn c;
	int64_t at;

	NOT_ON_STOCK();		/* takes it whole, and opens the window step by step */
	conn_open(p, &c, .opt = SCALED);
	/* Else the buffer would grow instead. */
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVBUF, 65536));
	/* Until a part of a large one fits; the program reads nothing. */
	do {
		conn_send(&c, .len = SMALL);
		peer_drain(p, 50);
	} while (window(&c) > 4 * MSS);
	ASSERT_LT(MSS, window(&c));
	at = c.peer_nxt;
	conn_send(&c, .len = LARGE);
	peer_drain(p, 250);
	ASSERT_LT(at, p->last.ack);
	ASSERT_GT(at + LARGE / 2, p->last.ack);
	c.peer_nxt = p->last.ack;
	for (int i = 0; i < 4; i++) {
		conn_read_all(&c);
		conn_send(&c, .len = MSS);
		peer_drain(p, 50);
	}
	EXPECT_LE(131072 / 3, window(&c));
	conn_send(&c, .flags = RST);
}

/* The receiver's round-trip time in microseconds; 0: not measured. */
static uint32_t rcv_rtt_us(struct conn *c)
{
	struct tcp_info info = { };
	socklen_t len = sizeof(info);

	getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_rcv_rtt;
}

/* It comes so long after the ACK that it echoes. */
static void echo_after(struct conn *c, int ms, int len)
{
	peer_mark_last(c->peer);
	peer_sleep_until(c->peer, ms);
	conn_send(c, .len = len);
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = 210);
}

TEST_F(autotune, rfc7323_small_segments_are_not_timed)
{
	struct conn c;

	/* The delay may be that of the peer's program. */
	conn_open(&self->peer, &c, .opt = STAMPED, .rtt_ms = RTT_MS);
	echo_after(&c, 1000, 100);
	EXPECT_EQ(0, rcv_rtt_us(&c));
	echo_after(&c, RTT_MS, MSS);
	EXPECT_LE(1000 * (RTT_MS - 2), rcv_rtt_us(&c));
	EXPECT_GE(1000 * (RTT_MS + 2), rcv_rtt_us(&c));
	echo_after(&c, 1000, 100);
	EXPECT_GE(1000 * (RTT_MS + 2), rcv_rtt_us(&c));
	conn_send(&c, .flags = RST);
}

/*
 * While data waits for the program, a segment may have waited for it, too. A longer time is not
 * that of the path then; a shorter one is.
 */
TEST_F(autotune, unread_data_lengthens_no_round_trip)
{
	struct conn c;

	if (stock_mode() && !kernel_is_since(7, 3))
		SKIP(return, "not in older kernels");
	conn_open(&self->peer, &c, .opt = STAMPED, .rtt_ms = RTT_MS);
	echo_after(&c, 2 * RTT_MS, MSS);
	EXPECT_LE(2000 * (RTT_MS - 2), rcv_rtt_us(&c));
	echo_after(&c, RTT_MS, MSS);
	EXPECT_LE(1000 * (RTT_MS - 2), rcv_rtt_us(&c));
	EXPECT_GE(1000 * (RTT_MS + 2), rcv_rtt_us(&c));
	for (int i = 0; i < 4; i++)
		echo_after(&c, 500, MSS);
	EXPECT_GE(1000 * (RTT_MS + 2), rcv_rtt_us(&c));
	EXPECT_EQ(6 * MSS, conn_read_all(&c));
	echo_after(&c, 500, MSS);
	EXPECT_LE(1000 * (RTT_MS + 40), rcv_rtt_us(&c));
	conn_send(&c, .flags = RST);
}

TEST_F_TIMEOUT(autotune, rfc7323_echo_after_an_hour_is_not_timed, 5000)
{
	struct conn c;

	conn_open(&self->peer, &c, .opt = STAMPED, .rtt_ms = RTT_MS);
	echo_after(&c, RTT_MS, MSS);
	EXPECT_LE(1000 * (RTT_MS - 2), rcv_rtt_us(&c));
	/* 2^32 times 1024 ns, and 0.75 ms. */
	echo_after(&c, 4400582, MSS);
	EXPECT_LE(1000 * (RTT_MS - 2), rcv_rtt_us(&c));
	EXPECT_GE(1000 * (RTT_MS + 2), rcv_rtt_us(&c));
	conn_send(&c, .flags = RST);
}

static void small_buffer(int fd)
{
	int bytes = 8192;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

/* Without timestamps the time in which a window arrives is the round-trip time, or more. */
static void window_of_an_hour(struct __test_metadata *_metadata, struct peer *p, bool silent)
{
	char text[MSS];
	struct conn c;
	int wnd;

	NOT_ON_STOCK();		/* which takes the hour for a round trip */
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)), .prepare = small_buffer);
	conn_send(&c, .len = 100);
	peer_mark(p);
	peer_drain(p, 300);
	wnd = window(&c);
	if (!silent) {
		peer_sleep_until(p, 2400000);
		conn_send(&c, .len = 100);
		peer_drain(p, 300);
	}
	/* 2^32 times 1024 ns, and a few ms. */
	peer_sleep_until(p, 4398050);
	for (int sent = 100; sent < wnd; sent += MSS) {
		conn_send(&c, .len = MSS);
		while (recv(c.fd, text, sizeof(text), MSG_DONTWAIT) > 0)
			;
	}
	peer_drain(p, 300);
	EXPECT_EQ(0, rcv_rtt_us(&c));
	conn_send(&c, .flags = RST);
}

TEST_F_TIMEOUT(autotune, window_of_an_hour_is_not_timed, 5000)
{
	window_of_an_hour(_metadata, &self->peer, false);
}

TEST_F_TIMEOUT(autotune, window_after_a_silent_hour_is_not_timed, 5000)
{
	window_of_an_hour(_metadata, &self->peer, true);
}

TEST_F(autotune, rmem_is_the_limit)
{
	struct conn c;

	ASSERT_EQ(0, knob_set_text("rmem", "4096 131072 300000"));
	conn_open(&self->peer, &c, .opt = STAMPED, .rtt_ms = RTT_MS);
	slow_start(&c, 4, true);
	EXPECT_EQ(300000, buffer_of(c.fd, SO_RCVBUF));
	EXPECT_GT(300000, window(&c));
	conn_send(&c, .flags = RST);
}

/* With 1 GiB of memory a 128th is more than either may be. */
TEST_F(autotune, knob_rmem_and_wmem_most)
{
	char text[64];

	ASSERT_EQ(0, knob_get_text("rmem", text, sizeof(text)));
	EXPECT_STREQ("4096\t131072\t6291456", text);
	ASSERT_EQ(0, knob_get_text("wmem", text, sizeof(text)));
	EXPECT_STREQ("4096\t16384\t4194304", text);
}

TEST_F(autotune, knob_moderate_rcvbuf_off)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("moderate_rcvbuf", 0));
	conn_open(&self->peer, &c, .opt = STAMPED, .rtt_ms = RTT_MS);
	slow_start(&c, 3, true);
	EXPECT_EQ(131072, buffer_of(c.fd, SO_RCVBUF));
	EXPECT_GT(131072, window(&c));
	conn_send(&c, .flags = RST);
}

static void fix_buffers(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVBUF, 60000);
	socket_set(fd, SOL_SOCKET, SO_SNDBUF, 10000);
}

TEST_F(autotune, so_rcvbuf_is_kept)
{
	struct conn c;

	conn_open(&self->peer, &c, .prepare = fix_buffers, .opt = STAMPED, .rtt_ms = RTT_MS);
	slow_start(&c, 3, true);
	EXPECT_EQ(120000, buffer_of(c.fd, SO_RCVBUF));
	EXPECT_GT(120000, window(&c));
	conn_send(&c, .flags = RST);
}

static uint8_t text[8 << 20];

/* A round trip later all data is acknowledged, segment by segment. */
static void acknowledged(struct conn *c)
{
	struct peer *p = c->peer;

	peer_mark(p);
	peer_drain(p, 0);
	peer_sleep_until(p, RTT_MS);
	while (conn_kern_nxt(c) != (uint32_t)(p->last.seq + p->last.len - c->kern_iss)) {
		c->kern_nxt += MSS;
		conn_send(c, .flags = ACK, .wnd = 60000);
	}
}

/* As much as the buffer takes. */
static int64_t send_round(struct conn *c)
{
	int64_t n, all = 0;

	while ((n = send(c->fd, text, sizeof(text), MSG_DONTWAIT)) > 0)
		all += n;
	acknowledged(c);
	return all;
}

static void sends(struct __test_metadata *_metadata, struct conn *c, int rounds)
{
	for (int i = 0; i < rounds; i++)
		send_round(c);
	peer_drain(c->peer, 1);
	conn_send(c, .flags = RST);
}

TEST_F(autotune, send_buffer_follows_cwnd)
{
	struct conn c;
	int before;

	/* Space for two initial windows, from the beginning. */
	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(MSS), OPT_NOP, OPT_WSCALE(10)),
		  .rtt_ms = RTT_MS);
	before = buffer_of(c.fd, SO_SNDBUF);
	EXPECT_LE(2 * 10 * MSS, before);
	sends(_metadata, &c, 3);
	EXPECT_LT(3 * before, buffer_of(c.fd, SO_SNDBUF));
}

/*
 * The buffer is never full, and yet it grows: in slow start it holds three windows.
 * Linux waits until a program finds it full.
 */
TEST_F(autotune, send_buffer_grows_before_it_is_full)
{
	struct conn c;

	NOT_ON_STOCK();
	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(MSS), OPT_NOP, OPT_WSCALE(10)),
		  .rtt_ms = RTT_MS);
	for (int segs = 10; segs <= 40; segs *= 2) {
		ASSERT_EQ(segs * MSS, send(c.fd, text, segs * MSS, MSG_DONTWAIT));
		acknowledged(&c);
	}
	EXPECT_LE(3 * 80 * MSS, buffer_of(c.fd, SO_SNDBUF));
	peer_drain(&self->peer, 1);
	conn_send(&c, .flags = RST);
}

TEST_F(autotune, wmem_is_the_limit)
{
	struct conn c;

	ASSERT_EQ(0, knob_set_text("wmem", "4096 16384 100000"));
	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(MSS), OPT_NOP, OPT_WSCALE(10)),
		  .rtt_ms = RTT_MS);
	sends(_metadata, &c, 3);
	EXPECT_EQ(100000, buffer_of(c.fd, SO_SNDBUF));
}

TEST_F(autotune, so_sndbuf_is_kept)
{
	struct conn c;

	conn_open(&self->peer, &c, .prepare = fix_buffers,
		  .opt = OPT(OPT_MSS(MSS), OPT_NOP, OPT_WSCALE(10)), .rtt_ms = RTT_MS);
	sends(_metadata, &c, 3);
	EXPECT_EQ(20000, buffer_of(c.fd, SO_SNDBUF));
}

/* Above the first number of xtcp_mem, and far below the second. */
#define ABOVE_LOW "1 1000000 1000000"

TEST_F(autotune, knob_mem_low_stops_send_buffers)
{
	struct peer *p = &self->peer;
	struct conn hog, c;
	char limit[64];
	int before;

	NOT_ON_STOCK();
	p->leave_unread = true;
	conn_hoard(p, &hog);
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS), OPT_NOP, OPT_WSCALE(10)), .rtt_ms = RTT_MS);
	before = buffer_of(c.fd, SO_SNDBUF);
	knob_mem_set(WHERE(_metadata), ABOVE_LOW, limit);
	for (int i = 0; i < 2; i++)
		send_round(&c);
	EXPECT_LT(20, (int)conn_info(&c).cwnd);
	EXPECT_EQ(before, buffer_of(c.fd, SO_SNDBUF));
	knob_mem_set(WHERE(_metadata), limit, NULL);
	send_round(&c);
	EXPECT_LT(2 * before, buffer_of(c.fd, SO_SNDBUF));
	conn_send(&c, .flags = RST);
	socket_abort(hog.fd);
}

/* Segments of a byte above holes, which need more memory than the buffer has. */
static void crumbs(struct conn *c, int first)
{
	for (int i = 0; i < 400; i++) {
		conn_send(c, .seq = first + 2 * i, .len = 1);
		peer_drain(c->peer, 0);
	}
}

TEST_F(autotune, knob_mem_low_stops_receive_buffers)
{
	struct peer *p = &self->peer;
	struct conn hog, c;
	char limit[64];

	NOT_ON_STOCK();
	p->leave_unread = true;
	conn_hoard(p, &hog);
	conn_open(p, &c, .opt = SCALED);
	knob_mem_set(WHERE(_metadata), ABOVE_LOW, limit);
	crumbs(&c, 2);
	EXPECT_EQ(131072, buffer_of(c.fd, SO_RCVBUF));
	knob_mem_set(WHERE(_metadata), limit, NULL);
	crumbs(&c, 1002);
	EXPECT_LT(131072, buffer_of(c.fd, SO_RCVBUF));
	conn_send(&c, .flags = RST);
	socket_abort(hog.fd);
}

TEST_F(path, long_fat_path_is_filled)
{
	struct pair *pr = &self->pair;
	struct netem netem = { .delay_ms = 100, .rate_mbit = 100, .limit = 10000 };
	struct pump flow = { 0 };

	/* 100 Mbit/s and 200 ms: 2.5 MB in flight, with default knobs. */
	pair_connected(pr, 5000, &flow.from, &flow.to);
	pair_netem(pr, CLIENT, &netem);
	pair_netem(pr, SERVER, &netem);
	pump_run(&flow, 1, now_ms() + 4000);
	flow.bytes = 0;
	pump_run(&flow, 1, now_ms() + 4000);
	/* 1448 bytes of payload for each 1514 of the link. */
	EXPECT_LE(0.95 * 100e6 / 8 * 4 * 1448 / 1514, flow.bytes);
	TH_LOG("%zu bytes in 4 s, %.1f %% of the path", flow.bytes,
	       flow.bytes / (100e6 / 8 * 4 * 1448 / 1514) * 100);
	close(flow.from);
	close(flow.to);
}

TEST_HARNESS_MAIN
