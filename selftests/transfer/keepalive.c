// SPDX-License-Identifier: GPL-2.0
/*
 * keepalive: probing a peer that has been silent for long. RFC 9293 3.8.4
 * (MUST-24..29, SHLD-12, MAY-5, MAY-6). LC-58.
 */
/* vm: wires v6 families */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>
#include <netinet/ip_icmp.h>

PEER_FIXTURE(keepalive);

#define IDLE_S 100
#define INTVL_S 10
#define PROBES 3

static void keepalive_on(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

/* Short times, so that a test is not a day long. */
static void keepalive_short(int fd)
{
	socket_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, IDLE_S);
	socket_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, INTVL_S);
	socket_set(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
	keepalive_on(fd);
}

/* Mark at the last segment of the peer: idle time counts from it. */
static void speak(struct conn *c)
{
	peer_mark(c->peer);
	conn_send(c, .flags = ACK);
}

/* SHLD-12, MAY-6: no byte in it; seq below what the peer expects. */
static void expect_probe(struct conn *c, int64_t at_ms)
{
	conn_expect(c, .flags = ACK, .seq = conn_kern_nxt(c) - 1,
		    .ack = conn_peer_nxt(c), .at_ms = at_ms);
}

TEST_F_TIMEOUT(keepalive, lc_58_default_times, 20000)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct proc_row row;
	struct conn c;

	conn_open(p, &c, .prepare = keepalive_on);
	speak(&c);
	counters_take(&before);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(2, row.timer);
	/* 2 h, then nine probes 75 s apart, and at 7875 s the end. */
	for (int i = 0; i < 9; i++) {
		expect_probe(&c, 7200000 + 75000 * i);
		ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
		EXPECT_EQ(2, row.timer);
		EXPECT_EQ(i + 1, row.timeout);
	}
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1, .at_ms = 7875000);
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP, socket_poll(c.fd));
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "TCPKeepAlive", 9, "OutSegs", 10,
			"OutRsts", 1, "TCPAbortOnTimeout", 1, "EstabResets", 1,
			"CurrEstab", -1, NULL);
}

TEST_F(keepalive, lc_58_one_lost_probe_never_kills)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Two of three are unanswered, again and again. */
	conn_open(p, &c, .prepare = keepalive_short);
	for (int i = 0; i < 3; i++) {
		speak(&c);
		expect_probe(&c, 1000 * IDLE_S);
		expect_probe(&c, 1000 * (IDLE_S + INTVL_S));
		peer_sleep_until(p, 1000 * (IDLE_S + INTVL_S) + 5000);
	}
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(0, socket_error(c.fd));
	conn_send(&c, .flags = ACK | PSH, .data = "here");
	conn_expect(&c, .flags = ACK, .ack = 5);
}

/* A queue of this host drops them: the peer has nothing to answer. Every 500 ms, as in Linux. */
TEST_F(keepalive, lc_58_a_refused_probe_is_not_unanswered)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c, .prepare = keepalive_short);
	speak(&c);
	counters_take(&before);
	shaper_set(WHERE(_metadata), "tun0", 100 << 20, 1);
	peer_sleep_until(p, 1000 * IDLE_S + 2250);
	/* Ticks of the kernel's timer are not exact. */
	EXPECT_LE(4, counter_moved(&before, "TCPKeepAlive"));
	EXPECT_GE(5, counter_moved(&before, "TCPKeepAlive"));
	EXPECT_EQ(0, conn_info(&c).probes);
	shaper_set(WHERE(_metadata), "tun0", 100 << 20, 100 << 20);
	conn_expect(&c, .flags = ACK, .seq = 0, .ack = 1, .within_ms = 550);
	peer_mark_last(p);
	for (int i = 1; i < PROBES; i++)
		expect_probe(&c, 1000 * INTVL_S * i);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1, .at_ms = 1000 * INTVL_S * PROBES);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
}

/* Set once more, the option changes nothing: the time that the peer was silent counts. */
TEST_F(keepalive, rfc9293_must_24_on_once_more)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .prepare = keepalive_short);
	speak(&c);
	peer_sleep_until(p, 1000 * IDLE_S / 2);
	keepalive_on(c.fd);
	expect_probe(&c, 1000 * IDLE_S);
	speak(&c);
}

/* More than 255 unanswered probes are not counted; the user timeout ends the connection. */
TEST_F(keepalive, rfc5482_user_timeout_after_255_probes)
{
	struct peer *p = &self->peer;
	int64_t spoken_ns;
	struct conn c;

	NOT_ON_STOCK();		/* whose count begins again at 0 */
	conn_open(p, &c, .prepare = keepalive_short);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPINTVL, 1));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000 * (IDLE_S + 256)));
	speak(&c);
	spoken_ns = p->mark_ns;
	expect_probe(&c, 1000 * IDLE_S);
	/* Each from the one before: the delays of 256 timers are more than one of them may have. */
	for (int i = 1; i < 256; i++) {
		peer_mark_last(p);
		expect_probe(&c, 1000);
	}
	/* TCP_USER_TIMEOUT counts from the last segment of the peer. */
	p->mark_ns = spoken_ns;
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1, .at_ms = 1000 * (IDLE_S + 256));
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
}

TEST_F(keepalive, rfc9293_must_29_lost_probes)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* All but the last one lost. */
	conn_open(p, &c, .prepare = keepalive_short);
	speak(&c);
	for (int i = 0; i < PROBES; i++)
		expect_probe(&c, 1000 * (IDLE_S + INTVL_S * i));
	speak(&c);
	expect_probe(&c, 1000 * IDLE_S);
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = ACK);
}

TEST_F(keepalive, lc_58_any_segment_restarts)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .prepare = keepalive_short);
	speak(&c);
	peer_expect_silence_until(p, 90000);
	peer_mark(p);
	conn_send(&c, .flags = ACK | PSH, .data = "text");
	conn_expect(&c, .flags = ACK, .ack = 5);
	peer_expect_silence_until(p, 99900);
	expect_probe(&c, 100000);
	conn_send(&c, .flags = ACK);
}

TEST_F(keepalive, rfc9293_must_24_per_connection)
{
	struct peer *p = &self->peer;
	struct conn on, off;

	conn_open(p, &on, .kport = 6001, .prepare = keepalive_short);
	conn_open(p, &off, .kport = 6002);
	speak(&on);
	expect_probe(&on, 1000 * IDLE_S);
	/* Switched off again: no more probes. */
	ASSERT_EQ(0, socket_set(on.fd, SOL_SOCKET, SO_KEEPALIVE, 0));
	peer_expect_silence(p, 300 * 1000);
	conn_expect_state(&on, ST_ESTABLISHED);
	conn_expect_state(&off, ST_ESTABLISHED);
}

TEST_F(keepalive, rfc9293_must_25_off_by_default)
{
	struct conn c;
	int val = -1;
	socklen_t len = sizeof(val);

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, getsockopt(c.fd, SOL_SOCKET, SO_KEEPALIVE, &val, &len));
	EXPECT_EQ(0, val);
	ASSERT_EQ(0, knob_set("keepalive_time", 10));
	peer_expect_silence(&self->peer, 100000);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(keepalive, rfc9293_must_26_only_when_idle)
{
	struct peer *p = &self->peer;
	struct counters before, now;
	struct conn c;

	/* Data in flight is sent again; that probes the peer as well. */
	conn_open(p, &c, .prepare = keepalive_short);
	speak(&c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "text");
	counters_take(&before);
	for (;;) {
		const struct segment *s = peer_read(p, now_ns() + 120 * NSEC_PER_SEC);

		ASSERT_NE(NULL, s);
		ASSERT_EQ(4, s->len);
		if (peer_elapsed_ms(p) > 200000)
			break;
	}
	counters_take(&now);
	EXPECT_EQ(counter_get(&before, "TCPKeepAlive"), counter_get(&now, "TCPKeepAlive"));
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(keepalive, rfc9293_must_27_configurable)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .prepare = keepalive_on);
	speak(&c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPIDLE, 7));
	expect_probe(&c, 7000);
	conn_send(&c, .flags = ACK);
}

TEST_F(keepalive, rfc9293_must_28_two_hours)
{
	EXPECT_EQ(7200, knob_get("keepalive_time"));
}

TEST_F(keepalive, rfc9293_shld_12_no_data)
{
	struct conn c;

	conn_open(&self->peer, &c, .prepare = keepalive_short);
	speak(&c);
	conn_expect(&c, .flags = ACK, .seq = 0, .len = 0, .at_ms = 1000 * IDLE_S);
	conn_send(&c, .flags = ACK);
}

TEST_F(keepalive, idle_time_set_later_counts_what_passed)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .prepare = keepalive_on);
	speak(&c);
	peer_sleep_until(p, 30000);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPIDLE, 50));
	expect_probe(&c, 50000);
	conn_send(&c, .flags = ACK);
}

/* The mark is at the last segment of the peer. */
static void open_short_counted(struct peer *p, struct conn *c, struct counters *before)
{
	conn_open(p, c, .prepare = keepalive_short);
	speak(c);
	counters_begin(before);
}

/* A peer that crashed and rebooted has no connection, and resets at once. */
TEST_F(keepalive, lc_61_rebooted_peer_meets_a_probe)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	open_short_counted(p, &c, &before);
	expect_probe(&c, 100000);
	conn_send(&c, .flags = RST, .seq = conn_peer_nxt(&c));
	EXPECT_EQ(POLLERR | POLLHUP, socket_poll(c.fd) & (POLLERR | POLLHUP));
	EXPECT_EQ(ECONNRESET, socket_receive(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	peer_expect_silence(p, 100000);
	counters_expect(_metadata, &before, "TCPKeepAlive", 1, "EstabResets", 1,
			"CurrEstab", -1, NULL);
}

/*
 * A router reports with each probe that the host is unreachable. The probe's number
 * was acknowledged long ago, so the error counts as forged (RFC 5927 4): the end is
 * the same as with silence.
 */
TEST_F(keepalive, lc_58_unreachable_peer)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	open_short_counted(p, &c, &before);
	for (int i = 0; i < PROBES; i++) {
		expect_probe(&c, 100000 + 10000 * i);
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH);
	}
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1, .at_ms = 130000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	counters_expect(_metadata, &before, "TCPKeepAlive", PROBES, "EstabResets", 1,
			"CurrEstab", -1, "OutRsts", 1, "TCPAbortOnTimeout", 1,
			"OutOfWindowIcmps", PROBES, NULL);
}

/*
 * An error about data in flight is accepted, and the program reads EHOSTUNREACH in the
 * end.
 */
TEST_F(keepalive, rfc5482_unreachable_peer_of_unacknowledged_text)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* a loss probe comes first there */
	conn_open(p, &c, .prepare = keepalive_short);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000));
	peer_mark(p);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .seq = 1, .data = "text");
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH);
	p->leave_unread = true;
	peer_expect_poll(p, c.fd, POLLERR, 5000);
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
}

/* A peer that answers is probed for ever. */
TEST_F_TIMEOUT(keepalive, lc_58_living_peer, 3000)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	open_short_counted(p, &c, &before);
	for (int i = 0; i < 20; i++) {
		expect_probe(&c, 100000);
		peer_mark_last(p);
		conn_send(&c, .flags = ACK);
	}
	conn_expect_state(&c, ST_ESTABLISHED);
	counters_expect(_metadata, &before, "TCPKeepAlive", 20, NULL);
}

TEST_F(keepalive, rfc5482_user_timeout_ends_it)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* which looks only when a probe is due */
	/* Instead of the number of probes, counted from the last segment. */
	conn_open(p, &c, .prepare = keepalive_short);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 115000));
	speak(&c);
	expect_probe(&c, 100000);
	expect_probe(&c, 110000);
	conn_expect(&c, .flags = RST | ACK, .at_ms = 115000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
}

TEST_F(keepalive, rfc5482_user_timeout_shorter_than_idle_time)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The peer was silent for longer; but no probe has been sent yet. */
	conn_open(p, &c, .prepare = keepalive_short);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 50000));
	speak(&c);
	expect_probe(&c, 1000 * IDLE_S);
	speak(&c);
	conn_expect_state(&c, ST_ESTABLISHED);
	/* The next probe stays unanswered for the full time. */
	expect_probe(&c, 1000 * IDLE_S);
	conn_expect(&c, .flags = RST | ACK, .at_ms = 1000 * (IDLE_S + INTVL_S));
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
}

TEST_F(keepalive, knob_keepalive_time)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("keepalive_time", 20));
	conn_open(&self->peer, &c, .prepare = keepalive_on);
	speak(&c);
	expect_probe(&c, 20000);
	conn_send(&c, .flags = ACK);
}

/* No time, or less, is one clock tick: 1 to 10 ms. */
#define TICK_MAX_MS 10

TEST_F(keepalive, knob_keepalive_time_0_and_less)
{
	static const int times_s[] = { 0, -1, -60 };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < (stock_mode() ? 1 : ARRAY_SIZE(times_s)); i++) {
		struct conn c;

		peer_note(p, "%d s", times_s[i]);
		ASSERT_EQ(0, knob_set("keepalive_time", times_s[i]));
		ASSERT_EQ(0, knob_set("keepalive_intvl", 3));
		conn_open(p, &c, .prepare = keepalive_on, .kport = 6000 + i);
		speak(&c);
		conn_expect(&c, .flags = ACK, .seq = conn_kern_nxt(&c) - 1,
			    .within_ms = TICK_MAX_MS + 2);
		if (!stock_mode())
			EXPECT_LE(1, peer_elapsed_ms(p));
		peer_mark_last(p);
		expect_probe(&c, 3000);
		expect_probe(&c, 6000);
		conn_send(&c, .flags = RST);
	}
}

TEST_F(keepalive, knob_keepalive_intvl_0_and_less)
{
	static const int times_s[] = { 0, -1, -60 };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < (stock_mode() ? 1 : ARRAY_SIZE(times_s)); i++) {
		struct conn c;

		peer_note(p, "%d s", times_s[i]);
		ASSERT_EQ(0, knob_set("keepalive_time", 20));
		ASSERT_EQ(0, knob_set("keepalive_intvl", times_s[i]));
		conn_open(p, &c, .prepare = keepalive_on, .kport = 6000 + i);
		speak(&c);
		expect_probe(&c, 20000);
		peer_mark_last(p);
		for (int k = 1; k < 9; k++)
			conn_expect(&c, .flags = ACK, .seq = conn_kern_nxt(&c) - 1,
				    .within_ms = TICK_MAX_MS + 2);
		conn_expect(&c, .flags = RST | ACK, .within_ms = TICK_MAX_MS + 2);
		EXPECT_LE(9, peer_elapsed_ms(p));
		EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	}
}

TEST_F(keepalive, knob_keepalive_intvl)
{
	struct conn c;

	ASSERT_EQ(75, knob_get("keepalive_intvl"));
	ASSERT_EQ(0, knob_set("keepalive_time", 20));
	ASSERT_EQ(0, knob_set("keepalive_intvl", 3));
	conn_open(&self->peer, &c, .prepare = keepalive_on);
	speak(&c);
	for (int i = 0; i < 5; i++)
		expect_probe(&c, 20000 + 3000 * i);
	conn_send(&c, .flags = ACK);
}

TEST_F(keepalive, knob_keepalive_probes)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(9, knob_get("keepalive_probes"));
	ASSERT_EQ(0, knob_set("keepalive_time", 20));
	ASSERT_EQ(0, knob_set("keepalive_intvl", 3));
	ASSERT_EQ(0, knob_set("keepalive_probes", 2));
	conn_open(p, &c, .prepare = keepalive_on);
	speak(&c);
	expect_probe(&c, 20000);
	expect_probe(&c, 23000);
	conn_expect(&c, .flags = RST | ACK, .at_ms = 26000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	EXPECT_EQ(EINVAL, knob_set("keepalive_probes", 256));
	EXPECT_EQ(2, knob_get("keepalive_probes"));
}

/* The end comes when the first probe would. */
TEST_F(keepalive, knob_keepalive_probes_0)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("keepalive_time", 20));
	ASSERT_EQ(0, knob_set("keepalive_intvl", 3));
	ASSERT_EQ(0, knob_set("keepalive_probes", 0));
	conn_open(&self->peer, &c, .prepare = keepalive_on);
	speak(&c);
	conn_expect(&c, .flags = RST | ACK, .at_ms = 20000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
}

/* --- who does not count as the peer --------------------------------------- */

#define TS_SYN OPT(OPT_MSS(1460), OPT_NOP, OPT_NOP, OPT_TS(1, 0))

/*
 * The peer is dead, but segments of unknown origin arrive that fail the checks of RFC
 * 9293 3.10.7.4: the end is the same as with silence.
 */
static void ends_in_spite_of(struct conn *c, struct segment_spec junk)
{
	static const int at_ms[] = { 50000, 95000, 105000, 115000, 125000 };
	struct peer *p = c->peer;
	int probe_ms = 1000 * IDLE_S;
	struct conn was = *c;

	for (size_t i = 0; i < ARRAY_SIZE(at_ms); i++) {
		for (; probe_ms < at_ms[i]; probe_ms += 1000 * INTVL_S)
			expect_probe(c, probe_ms);
		peer_sleep_until(p, at_ms[i]);
		conn_send_at(WHERE(p->test), c, junk);
		*c = was;
		/* The segment that answers it is no probe. */
		peer_drain(p, 20);
	}
	conn_expect(c, .flags = RST | ACK, .seq = conn_kern_nxt(c), .at_ms = 130000);
	if (socket_error(c->fd) != ETIMEDOUT)
		peer_fail(WHERE(p->test), p, "not ETIMEDOUT");
	conn_expect_state(c, ST_CLOSED);
}

#define JUNK(name, ...)								\
TEST_F(keepalive, name)								\
{										\
	struct peer *p = &self->peer;						\
	struct conn c;								\
										\
	conn_open(p, &c, .prepare = keepalive_short, .opt = TS_SYN);		\
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));					\
	conn_expect(&c, .flags = ACK | PSH, .data = "text");			\
	speak(&c);								\
	ends_in_spite_of(&c, SEGMENT_SPEC(__VA_ARGS__));			\
}

JUNK(rfc9293_3_10_7_4_rst_outside_is_not_the_peer, .flags = RST, .seq = -100000)
JUNK(rfc9293_3_10_7_4_ack_outside_is_not_the_peer, .flags = ACK, .seq = -100000)
JUNK(rfc9293_3_10_7_4_text_outside_is_not_the_peer, .flags = ACK, .seq = 100000, .data = "?")
JUNK(rfc9293_3_10_7_4_syn_is_not_the_peer, .flags = SYN, .seq = 1000)
JUNK(rfc9293_3_10_7_4_rst_in_window_is_not_the_peer, .flags = RST, .seq = 1000)
JUNK(rfc9293_3_10_7_4_ack_of_the_future_is_not_the_peer, .flags = ACK, .ack = 100000)
JUNK(rfc9293_3_10_7_4_ack_long_ago_is_not_the_peer, .flags = ACK, .ack = -100000)
JUNK(rfc9293_3_10_7_4_ack_overtaken_is_not_the_peer, .flags = ACK, .ack = 3)
JUNK(rfc9293_3_10_7_4_no_ack_is_not_the_peer, .flags = 0)

TEST_F(keepalive, rfc7323_old_timestamp_is_not_the_peer)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .prepare = keepalive_short, .opt = TS_SYN);
	speak(&c);
	ends_in_spite_of(&c, SEGMENT_SPEC(.flags = ACK,
					  .opt = OPT(OPT_NOP, OPT_NOP,
						     OPT_TS(c.tsval_base - 1000000, 0))));
}

TEST_F(keepalive, tcp_info_last_ack_recv_is_of_the_peer)
{
	struct peer *p = &self->peer;
	struct conn c, was;
	struct tcp_info info;
	socklen_t len = sizeof(info);

	conn_open(p, &c);
	speak(&c);
	was = c;
	peer_sleep_until(p, 5000);
	conn_send(&c, .flags = RST, .seq = -100000);
	c = was;
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	EXPECT_LE(4990, info.tcpi_last_ack_recv);
	speak(&c);
	len = sizeof(info);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	EXPECT_GE(100, info.tcpi_last_ack_recv);
}

/* --- state by state ------------------------------------------------------ */

static void probes_in(struct __test_metadata *_metadata, struct peer *p,
		      enum conn_state st, bool gives_up)
{
	const char *name = conn_state_name(st);
	bool open = st == ST_ESTABLISHED || st == ST_CLOSE_WAIT;
	long long rows, ends;
	struct conn c;

	conn_to_state(p, &c, st, .prepare = keepalive_short);
	speak(&c);
	rows = lifecycle_count(name, "KEEPALIVE-TIMEOUT", name);
	ends = lifecycle_count(name, "KEEPALIVE-GIVE-UP", "CLOSED");
	for (int i = 0; i < PROBES; i++)
		expect_probe(&c, 1000 * (IDLE_S + INTVL_S * i));
	if (!stock_mode())
		EXPECT_EQ(rows + PROBES, lifecycle_count(name, "KEEPALIVE-TIMEOUT", name));
	conn_expect_state(&c, st);
	if (!gives_up) {
		conn_send(&c, .flags = ACK);
		return;
	}
	conn_expect(&c, .flags = RST | ACK, .at_ms = 1000 * (IDLE_S + INTVL_S * PROBES));
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	if (!stock_mode())
		EXPECT_EQ(ends + 1, lifecycle_count(name, "KEEPALIVE-GIVE-UP", "CLOSED"));
	EXPECT_TRUE(open || st == ST_FIN_WAIT_2);
}

TEST_F(keepalive, sm_es_keepalive)
{
	probes_in(_metadata, &self->peer, ST_ESTABLISHED, false);
}

TEST_F(keepalive, sm_es_keepalive_gives_up)
{
	probes_in(_metadata, &self->peer, ST_ESTABLISHED, true);
}

TEST_F(keepalive, sm_cw_keepalive)
{
	probes_in(_metadata, &self->peer, ST_CLOSE_WAIT, false);
}

TEST_F(keepalive, sm_cw_keepalive_gives_up)
{
	probes_in(_metadata, &self->peer, ST_CLOSE_WAIT, true);
}

TEST_F(keepalive, sm_f2_keepalive)
{
	probes_in(_metadata, &self->peer, ST_FIN_WAIT_2, false);
}

TEST_F(keepalive, sm_f2_keepalive_gives_up)
{
	probes_in(_metadata, &self->peer, ST_FIN_WAIT_2, true);
}

TEST_F(keepalive, sm_f1_waits_for_its_fin)
{
	struct peer *p = &self->peer;
	struct counters before, now;
	struct conn c;

	/* In FIN-WAIT-1 something is always unacknowledged (MUST-26). */
	conn_open(p, &c, .prepare = keepalive_short);
	conn_advance(&c, ST_FIN_WAIT_1, false);
	counters_take(&before);
	peer_drain(p, 150000);
	counters_take(&now);
	EXPECT_EQ(counter_get(&before, "TCPKeepAlive"), counter_get(&now, "TCPKeepAlive"));
	conn_expect_state(&c, ST_FIN_WAIT_1);
	conn_send(&c, .flags = ACK);
}

TEST_F(keepalive, ctr_TCPKeepAlive)
{
	struct counters before;
	struct conn c;

	conn_open(&self->peer, &c, .prepare = keepalive_short);
	speak(&c);
	counters_take(&before);
	expect_probe(&c, 1000 * IDLE_S);
	counters_expect(_metadata, &before, "TCPKeepAlive", 1, "OutSegs", 1, NULL);
	conn_send(&c, .flags = ACK);
}

/* The timer waits for a user timeout that is shorter than the RTO; then there is none any more. */
static void user_timeout_is_raised(struct __test_metadata *_metadata, struct peer *p, int ms)
{
	struct counters before;
	struct conn c;
	int rto_ms;

	conn_open(p, &c);
	socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 100);
	conn_write(&c, 100);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .len = 100);
	peer_mark_last(p);
	counters_take(&before);
	rto_ms = conn_info(&c).rto_us / 1000;
	peer_sleep_until(p, 20);
	socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ms);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .len = 100, .at_ms = rto_ms);
	EXPECT_EQ(1, counter_moved(&before, "TCPTimeouts"));
	EXPECT_EQ(0, socket_error(c.fd));
	conn_send(&c, .flags = RST, .seq = 1);
	close(c.fd);
	close(c.lfd);
}

TEST_F(keepalive, rfc5482_raised_before_the_timeout)
{
	NOT_ON_STOCK();		/* where the RTO has been shortened, and stays so */
	user_timeout_is_raised(_metadata, &self->peer, 60000);
	user_timeout_is_raised(_metadata, &self->peer, 0);
}

TEST_HARNESS_MAIN
