// SPDX-License-Identifier: GPL-2.0
/*
 * tuning: the effect of knobs on segments and their times. Names, ranges and defaults
 * are in knobs.c; knobs of one stage are tested with that stage. RFC 6298 (timeouts),
 * 5482 (user timeout), 5681 4.1, 2883, 5961 7, RFC 9293 3.7.1, 3.8.3, 3.9.2.2.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>
#include <netinet/ip_icmp.h>

PEER_FIXTURE(tuning);

/* Some came to Linux's TCP after 6.1. */
#define NEEDS_KNOB(name) \
	do { \
		if (!knob_exists(name)) \
			SKIP(return, "this kernel's TCP has no " name); \
	} while (0)

static void send_text(struct __test_metadata *_metadata, int fd, const char *text)
{
	ASSERT_EQ((ssize_t)strlen(text), send(fd, text, strlen(text), MSG_NOSIGNAL));
}

/* --- opening ------------------------------------------------------------ */

/* SYNs a second apart, then at doubling distances, then the end. */
static void try_to_connect(struct peer *p, int linear, int retries)
{
	int64_t at_ms = 0, delay_ms = 1000;
	struct conn c;

	peer_note(p, "%d SYNs a second apart, then %d", linear, retries);
	peer_mark(p);
	conn_start(p, &c, .active = true);
	for (int i = 0; i <= linear + retries; i++) {
		conn_expect(&c, .flags = SYN, .mss = 1460, .at_ms = at_ms);
		at_ms += delay_ms;
		if (i >= linear)
			delay_ms *= 2;
	}
	peer_expect_poll(p, c.fd, POLLOUT | POLLERR | POLLHUP,
			 at_ms);
	if (socket_error(c.fd) != ETIMEDOUT)
		peer_fail(WHERE(p->test), p, "it did not time out");
	conn_expect_state(&c, ST_CLOSED);
	close(c.fd);
}

TEST_F_TIMEOUT(tuning, knob_syn_linear_timeouts, 1000)
{
	static const struct { int linear, retries; } cases[] = {
		{ 0, 2 }, { 1, 1 }, { 4, 6 }, { 3, 2 },
	};

	NEEDS_KNOB("syn_linear_timeouts");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, knob_set("syn_linear_timeouts", cases[i].linear));
		ASSERT_EQ(0, knob_set("syn_retries", cases[i].retries));
		try_to_connect(&self->peer, cases[i].linear, cases[i].retries);
	}
}

/* For SYNs only: the SYN-ACK of a simultaneous open backs off at once. */
TEST_F(tuning, knob_syn_linear_timeouts_not_for_syn_acks)
{
	struct peer *p = &self->peer;
	struct conn c;

	NEEDS_KNOB("syn_linear_timeouts");
	ASSERT_EQ(0, knob_set("syn_linear_timeouts", 4));
	ASSERT_EQ(0, knob_set("syn_retries", 2));
	/* From the SYN on, which the SYN-ACK repeats. */
	peer_mark(p);
	conn_to_state(p, &c, ST_SYN_RECEIVED);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1, .at_ms = 1000);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1, .at_ms = 3000);
	peer_expect_poll(p, c.fd, POLLOUT | POLLERR | POLLHUP, 7000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
}

static const struct soft_error {
	int type, code;
} soft_errors[] = {
	{ ICMP_DEST_UNREACH, ICMP_NET_UNREACH },
	{ ICMP_DEST_UNREACH, ICMP_HOST_UNREACH },
	{ ICMP_DEST_UNREACH, ICMP_SR_FAILED },
	{ ICMP_TIME_EXCEEDED, ICMP_EXC_TTL },
	{ ICMP_PARAMETERPROB, 0 },
};

/* As in Linux, one of them ends connect(). */
TEST_F(tuning, knob_icmp_soft_abort)
{
	struct peer *p = &self->peer;
	struct conn c;

	for (size_t i = 0; i < ARRAY_SIZE(soft_errors); i++) {
		const struct soft_error *e = &soft_errors[i];

		peer_note(p, "ICMP %d/%d", e->type, e->code);
		conn_to_state(p, &c, ST_SYN_SENT);
		peer_send_icmp(p, .type = e->type, .code = e->code);
		EXPECT_EQ(icmp_errno(e->type, e->code), socket_error(c.fd));
		conn_expect_state(&c, ST_CLOSED);
		close(c.fd);
	}
	peer_expect_silence(p, 5000);
}

/* RFC 9293 MUST-56: the error is noted, and no more. */
static void soft_error_is_noted(struct __test_metadata *_metadata, struct peer *p)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("icmp_soft_abort", 0));
	for (size_t i = 0; i < ARRAY_SIZE(soft_errors); i++) {
		const struct soft_error *e = &soft_errors[i];

		/* A wrong header is a final error over IPv6. */
		if (icmp_is_final(e->type, e->code))
			continue;
		peer_note(p, "ICMP %d/%d", e->type, e->code);
		peer_mark(p);
		conn_to_state(p, &c, ST_SYN_SENT);
		peer_send_icmp(p, .type = e->type, .code = e->code);
		EXPECT_EQ(0, socket_poll(c.fd));
		conn_expect_state(&c, ST_SYN_SENT);
		conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 1000);
		conn_send(&c, .flags = SYN | ACK);
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
		EXPECT_EQ(POLLOUT, socket_poll(c.fd));
		EXPECT_EQ(0, socket_error(c.fd));
		conn_expect_state(&c, ST_ESTABLISHED);
	}
}

TEST_F(tuning, knob_icmp_soft_abort_off)
{
	NOT_ON_STOCK();
	soft_error_is_noted(_metadata, &self->peer);
}

TEST_F(tuning, rfc9293_must_56_soft_error_does_not_end_connect)
{
	NOT_ON_STOCK();
	soft_error_is_noted(_metadata, &self->peer);
}

/* The noted error is reported if no answer ever comes. */
TEST_F(tuning, knob_icmp_soft_abort_off_reports_in_the_end)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("icmp_soft_abort", 0));
	ASSERT_EQ(0, knob_set("syn_retries", 1));
	peer_mark(p);
	conn_to_state(p, &c, ST_SYN_SENT);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH);
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 1000);
	peer_expect_poll(p, c.fd, POLLOUT | POLLERR | POLLHUP, 3000);
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
}

/*
 * A noted error belongs to its connection: the next one of the same socket, whose peer is silent,
 * does not report it.
 */
TEST_F(tuning, knob_icmp_soft_abort_off_reports_nothing_after_a_disconnect)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("icmp_soft_abort", 0));
	conn_to_state(p, &c, ST_SYN_SENT);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH);
	ASSERT_EQ(0, socket_disconnect(c.fd));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_SYNCNT, 1));
	peer_mark(p);
	ASSERT_EQ(EINPROGRESS, socket_connect(c.fd, "10.0.0.2", 80));
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 80, .at_ms = 0);
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 80, .at_ms = 1000);
	peer_expect_poll(p, c.fd, POLLOUT | POLLERR | POLLHUP, 3000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	close(c.fd);
}

/* A hard error ends it whatever the knob says. */
TEST_F(tuning, knob_icmp_soft_abort_off_spares_no_hard_error)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("icmp_soft_abort", 0));
	conn_to_state(p, &c, ST_SYN_SENT);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH);
	EXPECT_EQ(ECONNREFUSED, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	peer_expect_silence(p, 5000);
}

/* Before the connection is established a hard error ends it; afterwards never. */
TEST_F(tuning, rfc9293_shld_26_hard_errors_end_an_opening)
{
	static const int hard[] = { ICMP_PROT_UNREACH, ICMP_PORT_UNREACH };
	struct peer *p = &self->peer;
	struct conn c;

	for (size_t i = 0; i < ARRAY_SIZE(hard); i++) {
		peer_note(p, "code %d", hard[i]);
		conn_to_state(p, &c, ST_SYN_SENT);
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = hard[i]);
		EXPECT_EQ(icmp_errno(ICMP_DEST_UNREACH, hard[i]), socket_error(c.fd));
		conn_expect_state(&c, ST_CLOSED);
		conn_to_state(p, &c, ST_SYN_RECEIVED);
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = hard[i]);
		EXPECT_EQ(icmp_errno(ICMP_DEST_UNREACH, hard[i]), socket_error(c.fd));
		conn_expect_state(&c, ST_CLOSED);
		conn_open(p, &c, .kport = 6000 + i);
		send_text(_metadata, c.fd, "text");
		conn_expect(&c, .flags = ACK | PSH, .data = "text");
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = hard[i]);
		conn_send(&c, .flags = ACK);
		conn_expect_state(&c, ST_ESTABLISHED);
		EXPECT_EQ(0, socket_error(c.fd));
	}
}

/* --- timeouts ----------------------------------------------------------- */

/* SRTT is nearly zero here, so the RTO is the knob's. */
static void resends_after(struct __test_metadata *_metadata, struct peer *p,
			  int min_us, int kport)
{
	struct socket_info info;
	int64_t rto_us;
	struct conn c;

	peer_note(p, "rto_min_us %d", min_us);
	ASSERT_EQ(0, knob_set("rto_min_us", min_us));
	conn_open(p, &c, .kport = kport);
	send_text(_metadata, c.fd, "text");
	conn_expect(&c, .flags = ACK | PSH, .data = "text");
	peer_mark_last(p);
	info = conn_info(&c);
	EXPECT_LE(min_us > 1000 ? min_us : 1000, info.rto_us);
	EXPECT_GE(min_us + (stock_mode() ? 8000 : 1000), info.rto_us);
	rto_us = info.rto_us;
	for (int i = 0; i < 4; i++) {
		conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
			    .at_ms = rto_us / 1000);
		peer_mark_last(p);
		rto_us *= 2;
	}
	conn_send(&c, .flags = RST);
}

TEST_F(tuning, knob_rto_min_us)
{
	static const int values_us[] = { 200000, 50000, 1000000 };

	NEEDS_KNOB("rto_min_us");
	for (size_t i = 0; i < ARRAY_SIZE(values_us); i++)
		resends_after(_metadata, &self->peer, values_us[i], 6000 + i);
}

/* To the millisecond: the deadline does not depend on clock ticks. It is never shorter. */
TEST_F(tuning, wish_09_rto_of_milliseconds)
{
	static const int values_us[] = { 1, 1000, 2000, 5000, 10000 };

	NOT_ON_STOCK();
	for (size_t i = 0; i < ARRAY_SIZE(values_us); i++)
		resends_after(_metadata, &self->peer, values_us[i], 6000 + i);
}

/* A conversation: from now on the kernel lets its ACKs wait for data. */
static void make_interactive(struct __test_metadata *_metadata, struct conn *c)
{
	conn_send(c, .flags = ACK | PSH, .data = "ask");
	conn_expect(c, .flags = ACK, .ack = 4, .within_ms = 210);
	send_text(_metadata, c->fd, "reply");
	conn_expect(c, .flags = ACK | PSH, .data = "reply");
	conn_send(c, .flags = ACK);
}

/* Its own ACKs do not wait longer than such a peer's timer. */
TEST_F(tuning, knob_rto_min_us_bounds_the_delayed_ack)
{
	static const struct { int min_us, delay_ms; } cases[] = {
		{ 200000, 40 }, { 1000000, 40 }, { 21000, 20 }, { 5000, 4 },
		{ 1000, 0 },
	};
	struct peer *p = &self->peer;
	struct conn c;

	NEEDS_KNOB("rto_min_us");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		peer_note(p, "rto_min_us %d", cases[i].min_us);
		ASSERT_EQ(0, knob_set("rto_min_us", cases[i].min_us));
		conn_open(p, &c, .kport = 6000 + i);
		make_interactive(_metadata, &c);
		peer_mark(p);
		conn_send(&c, .flags = ACK | PSH, .data = "again");
		if (stock_mode())
			conn_expect(&c, .flags = ACK, .ack = 9,
				    .within_ms = cases[i].delay_ms + 9);
		else
			conn_expect(&c, .flags = ACK, .ack = 9,
				    .at_ms = cases[i].delay_ms);
	}
}

/* --- the user timeout of everybody --------------------------------------- */

/* Sends data that is never acknowledged: the end comes so long after. */
static void text_times_out(struct __test_metadata *_metadata, struct conn *c,
			   int64_t at_ms)
{
	struct peer *p = c->peer;

	peer_note(p, "user timeout %lld ms", (long long)at_ms);
	send_text(_metadata, c->fd, "text");
	conn_expect(c, .flags = ACK | PSH, .data = "text");
	peer_mark_last(p);
	peer_expect_poll(p, c->fd, POLLERR, at_ms);
	EXPECT_EQ(ETIMEDOUT, socket_error(c->fd));
	conn_expect_state(c, ST_CLOSED);
	EXPECT_LT(0, peer_drain(p, 0));
}

TEST_F(tuning, knob_user_timeout)
{
	static const int values_ms[] = { 333, 5000, 61234 };
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int val = -1;

	NOT_ON_STOCK();
	for (size_t i = 0; i < ARRAY_SIZE(values_ms); i++) {
		/* For existing connections, too. */
		conn_open(p, &c, .kport = 6000 + i);
		ASSERT_EQ(0, knob_set("user_timeout", values_ms[i]));
		ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &val,
					&(socklen_t){ sizeof(val) }));
		EXPECT_EQ(0, val);
		/* Idle time does not count. */
		sleep_ms(100);
		counters_begin(&before);
		counters_ignore(&before, "TCPTimeouts", "RetransSegs",
				"TCPLostRetransmit", NULL);
		text_times_out(_metadata, &c, values_ms[i]);
		counters_expect(_metadata, &before, "TCPAbortOnTimeout", 1,
				"EstabResets", 1, "CurrEstab", -1, NULL);
		EXPECT_EQ(i + 1, lifecycle_count("ESTABLISHED", "USER-TIMEOUT",
						 "CLOSED"));
	}
}

/* The socket's own value counts, be it shorter or longer. */
TEST_F(tuning, knob_user_timeout_yields_to_the_option)
{
	static const int values_ms[] = { 500, 4000 };
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("user_timeout", 2000));
	for (size_t i = 0; i < ARRAY_SIZE(values_ms); i++) {
		conn_open(p, &c, .kport = 6000 + i);
		ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
					values_ms[i]));
		text_times_out(_metadata, &c, values_ms[i]);
	}
}

TEST_F(tuning, wish_08_default_user_timeout_of_connect)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("user_timeout", 4321));
	peer_mark(p);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .at_ms = 0);
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 1000);
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 3000);
	peer_expect_poll(p, c.fd, POLLOUT | POLLERR | POLLHUP, 4321);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	peer_expect_silence(p, 10000);
}

TEST_F(tuning, wish_08_default_user_timeout_of_keepalive)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("user_timeout", 3333));
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPIDLE, 1));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPINTVL, 1));
	/* The time ends it, not the number of probes. */
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_KEEPCNT, 1));
	peer_mark(p);
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_KEEPALIVE, 1));
	for (int i = 1; i <= 3; i++)
		conn_expect(&c, .flags = ACK, .seq = 0, .at_ms = 1000 * i);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .at_ms = 3333);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(tuning, wish_08_default_user_timeout_of_a_closed_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("user_timeout", 2222));
	conn_open(p, &c, .wnd = 0);
	peer_mark(p);
	send_text(_metadata, c.fd, "text");
	peer_expect_poll(p, c.fd, POLLERR, 2222);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	/* Probes at 0.2, 0.6 and 1.4 s. */
	EXPECT_EQ(3, peer_drain(p, 0));
}

/* --- sending ------------------------------------------------------------ */

static void fill_window(struct __test_metadata *_metadata, struct conn *c,
			int segs)
{

	conn_write(c, segs * 1000);
	for (int i = 0; i < segs; i++)
		conn_expect(c, .len = 1000);
	peer_expect_silence(c->peer, 5);
	conn_send(c, .flags = ACK);
}

/* From 10 to 40 segments in flight, and all of them acknowledged. */
static void grow(struct __test_metadata *_metadata, struct conn *c)
{
	struct socket_info info;

	socket_set(c->fd, SOL_SOCKET, SO_SNDBUF, 400000);
	for (int segs = 10; segs < 40; segs *= 2)
		fill_window(_metadata, c, segs);
	info = conn_info(c);
	ASSERT_EQ(40, info.cwnd);
}

static void grow_and_pause(struct __test_metadata *_metadata, struct conn *c)
{
	grow(_metadata, c);
	sleep_ms(10000);
}

TEST_F(tuning, knob_slow_start_after_idle)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1000)));
	grow_and_pause(_metadata, &c);
	fill_window(_metadata, &c, 10);
	info = conn_info(&c);
	/* Ten more were acknowledged. */
	EXPECT_EQ(20, info.cwnd);

	ASSERT_EQ(0, knob_set("slow_start_after_idle", 0));
	conn_open(p, &c, .kport = 6000, .opt = OPT(OPT_MSS(1000)));
	grow_and_pause(_metadata, &c);
	fill_window(_metadata, &c, 40);
	p->leave_unread = true;
}

/*
 * A pause of one and a half RTO halves the window once, however often the program gives
 * bytes that must wait for more.
 */
TEST_F(tuning, rfc5681_4_1_one_pause_halves_the_window_once)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1000)));
	grow(_metadata, &c);
	usleep(conn_tcp_info(&c).tcpi_rto * 3 / 2);
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(1, send(c.fd, "x", 1, MSG_MORE));
	conn_write(&c, 30 * 1000);
	EXPECT_EQ(20, peer_drain(p, 5));
	EXPECT_EQ(20, (int)conn_info(&c).cwnd);
	p->leave_unread = true;
}

/* The payload of a segment, to a peer with that MSS option. */
static void expect_segment_size(struct __test_metadata *_metadata, struct peer *p,
				int mss, bool ts, int len)
{
	static int kport = 6000;
	struct conn c;

	peer_note(p, "MSS option %d%s", mss, ts ? ", timestamps" : "");
	if (ts)
		conn_open(p, &c, .kport = kport++,
			  .opt = OPT(OPT_MSS(mss), OPT_SACKOK, OPT_TS(1, 0)));
	else
		conn_open(p, &c, .kport = kport++, .opt = OPT(OPT_MSS(mss)));
	conn_write(&c, 2 * len);
	conn_expect(&c, .len = len);
	conn_expect(&c, .len = len);
	conn_send(&c, .flags = RST);
}

TEST_F(tuning, knob_min_snd_mss)
{
	struct peer *p = &self->peer;

	/* Timestamps take 12 bytes of each segment. */
	expect_segment_size(_metadata, p, 100, false, 100);
	expect_segment_size(_metadata, p, 1, false, 48);
	expect_segment_size(_metadata, p, 47, true, 36);
	expect_segment_size(_metadata, p, 49, true, 37);
	ASSERT_EQ(0, knob_set("min_snd_mss", 500));
	expect_segment_size(_metadata, p, 100, false, 500);
	expect_segment_size(_metadata, p, 100, true, 488);
	expect_segment_size(_metadata, p, 501, false, 501);
}

/* --- receiving ---------------------------------------------------------- */

TEST_F(tuning, knob_workaround_signed_windows)
{
	static const struct optbytes scaled = OPT(OPT_MSS(1460), OPT_NOP, OPT_WSCALE(7));
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	EXPECT_LT(32767, p->last.wnd);
	conn_open(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = 210);
	EXPECT_LT(32767, p->last.wnd);

	ASSERT_EQ(0, knob_set("workaround_signed_windows", 1));
	conn_to_state(p, &c, ST_SYN_SENT);
	EXPECT_EQ(32767, p->last.wnd);
	conn_to_state(p, &c, ST_HALF_OPEN, .kport = 6000);
	EXPECT_EQ(32767, p->last.wnd);
	conn_open(p, &c, .kport = 6001);
	conn_send(&c, .flags = ACK | PSH, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = 210);
	EXPECT_GE(32767, p->last.wnd);
	EXPECT_LT(32000, p->last.wnd);

	/* A window that is scaled is never a number large enough to mislead. */
	conn_open(p, &c, .kport = 6002, .opt = scaled);
	conn_send(&c, .flags = ACK | PSH, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = 210);
	EXPECT_LT(100, p->last.wnd);
	EXPECT_LT(32767 - 1460, p->last.wnd << c.kern_wscale);
	p->leave_unread = true;
}

/* The same data twice: below RCV.NXT, and above it over a hole. */
static void send_twice(struct conn *c, int blocks)
{
	conn_send(c, .flags = ACK | PSH, .seq = 1, .data = "text");
	conn_expect(c, .flags = ACK, .ack = 5, .sacks = 0, .within_ms = 210);
	conn_send(c, .flags = ACK | PSH, .seq = 1, .data = "text");
	conn_expect(c, .flags = ACK, .ack = 5, .sacks = blocks, .sack = {{ 1, 5 }});
	conn_send(c, .flags = ACK | PSH, .seq = 100, .data = "more");
	conn_expect(c, .flags = ACK, .ack = 5, .sacks = 1, .sack = {{ 100, 104 }});
	conn_send(c, .flags = ACK | PSH, .seq = 100, .data = "more");
	conn_expect(c, .flags = ACK, .ack = 5, .sacks = 1 + blocks,
		    .sack = {{ 100, 104 }, { 100, 104 }});
}

TEST_F(tuning, knob_dsack)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	for (int on = 1; on >= 0; on--) {
		ASSERT_EQ(0, knob_set("dsack", on));
		conn_open(p, &c, .kport = 6000 + on, .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
		counters_begin(&before);
		send_twice(&c, on);
		counters_expect(_metadata, &before, "DelayedACKLost", 1, "TCPOFOQueue", 2,
				"TCPOFOMerge", 1,
				"TCPDSACKOldSent", on, "TCPDSACKOfoSent", on, NULL);
	}
}

/* --- answers to what is invalid ------------------------------------------ */

/*
 * An ACK outside the window after an answered one: for how long are others silently
 * dropped?
 */
static void expect_interval(struct conn *c, int interval_ms)
{
	struct peer *p = c->peer;

	peer_note(p, "an answer each %d ms", interval_ms);
	peer_mark(p);
	conn_send(c, .flags = ACK, .seq = 1000000);
	conn_expect(c, .flags = ACK, .seq = 1, .ack = 1);
	if (interval_ms) {
		conn_send(c, .flags = ACK, .seq = 1000000);
		peer_expect_silence(p, 5);
		peer_sleep_until(p, interval_ms - 10);
		conn_send(c, .flags = ACK, .seq = 1000000);
		peer_expect_silence(p, 5);
		peer_sleep_until(p, interval_ms + 10);
	}
	conn_send(c, .flags = ACK, .seq = 1000000);
	conn_expect(c, .flags = ACK, .seq = 1, .ack = 1);
}

TEST_F(tuning, knob_invalid_ratelimit)
{
	static const int values_ms[] = { 500, 0, 2000 };
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	for (size_t i = 0; i < ARRAY_SIZE(values_ms); i++) {
		ASSERT_EQ(0, knob_set("invalid_ratelimit", values_ms[i]));
		conn_open(p, &c, .kport = 6000 + i);
		counters_begin(&before);
		expect_interval(&c, values_ms[i]);
		counters_expect(_metadata, &before, "TCPACKSkippedSeq",
				values_ms[i] ? 2 : 0, NULL);
	}
}

/* For a half-open record: how soon a repeated SYN is answered. */
TEST_F(tuning, knob_invalid_ratelimit_of_a_record)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	counters_begin(&before);
	counters_ignore(&before, "RetransSegs", "TCPSynRetrans", NULL);
	for (int i = 0; i < 3; i++)
		conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0);
	counters_expect(_metadata, &before, "TCPACKSkippedSynRecv", 2, NULL);
	ASSERT_EQ(0, knob_set("invalid_ratelimit", 0));
	counters_begin(&before);
	counters_ignore(&before, "RetransSegs", "TCPSynRetrans", NULL);
	for (int i = 0; i < 3; i++) {
		conn_send(&c, .flags = SYN, .seq = 0);
		conn_expect(&c, .flags = SYN | ACK, .seq = 0);
	}
	counters_expect(_metadata, &before, NULL);
}

/* Thirty RSTs near the mark for each of two connections; the answers of both. */
static int challenges_of_a_burst(struct conn *c)
{
	int answers = 0;

	for (int i = 0; i < 60; i++) {
		conn_send(&c[i & 1], .flags = RST, .seq = 100);
		answers += peer_drain(c->peer, 0);
	}
	return answers + peer_drain(c->peer, 5);
}

/* In the second third of a second: no clock ticks over in a burst. */
static void wait_for_the_next_second(void)
{
	sleep_ms(1300 - now_ms() % 1000);
}

TEST_F(tuning, knob_challenge_ack_limit)
{
	enum { LIMIT = 20 };
	struct peer *p = &self->peer;
	int sent, least = INT_MAX, most = 0, sum = 0;
	struct counters before;
	struct conn c[2];

	ASSERT_EQ(0, knob_set("invalid_ratelimit", 0));
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		conn_open(p, &c[i], .kport = 6000 + i);
	/* No limit is the default. */
	wait_for_the_next_second();
	EXPECT_EQ(60, challenges_of_a_burst(c));
	counters_take(&before);
	ASSERT_EQ(0, knob_set("challenge_ack_limit", LIMIT));
	for (int i = 0; i < 30; i++) {
		wait_for_the_next_second();
		sent = challenges_of_a_burst(c);
		EXPECT_LE(LIMIT / 2, sent);
		EXPECT_GE(LIMIT / 2 + LIMIT, sent);
		least = sent < least ? sent : least;
		most = sent > most ? sent : most;
		sum += sent;
		/* That was this second's share. */
		EXPECT_EQ(0, challenges_of_a_burst(c));
	}
	/* No attacker can rely on a number: the share is drawn each time. */
	EXPECT_LT(least + LIMIT / 2, most);
	EXPECT_EQ(sum, counter_moved(&before, "TCPChallengeACK"));
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		conn_expect_state(&c[i], ST_ESTABLISHED);
}

/* The share is that of the whole namespace: records, which are no sockets, take from it. */
static void records_share_the_limit(struct __test_metadata *_metadata, struct peer *p,
				    enum conn_state st)
{
	enum { LIMIT = 20 };
	struct counters before;
	struct conn c[2];
	int answers, sent;

	ASSERT_EQ(0, knob_set("invalid_ratelimit", 0));
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		conn_to_state(p, &c[i], st, .kport = 6000 + i);
	wait_for_the_next_second();
	/* Counted by the counter: the SYN-ACK of a half-open connection may come again, too. */
	p->leave_unread = true;
	ASSERT_EQ(0, knob_set("challenge_ack_limit", LIMIT));
	counters_take(&before);
	answers = challenges_of_a_burst(c);
	sent = counter_moved(&before, "TCPChallengeACK");
	EXPECT_LE(sent, answers);
	EXPECT_LE(LIMIT / 2, sent);
	EXPECT_GE(LIMIT / 2 + LIMIT, sent);
	/* That was this second's share. */
	challenges_of_a_burst(c);
	EXPECT_EQ(sent, counter_moved(&before, "TCPChallengeACK"));
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		conn_expect_state(&c[i], st);
}

TEST_F(tuning, knob_challenge_ack_limit_half_open)
{
	NOT_ON_STOCK();		/* a RST in the window is no RST near the mark there */
	records_share_the_limit(_metadata, &self->peer, ST_HALF_OPEN);
}

TEST_F(tuning, knob_challenge_ack_limit_orphan)
{
	NOT_ON_STOCK();		/* where such a RST ends it: wire.rst */
	records_share_the_limit(_metadata, &self->peer, ST_ORPHAN_FIN_WAIT_2);
}

/* Half of it, rounded up, is sent in any case. */
TEST_F(tuning, knob_challenge_ack_limit_of_1_is_one)
{
	struct peer *p = &self->peer;
	struct conn c[2];

	ASSERT_EQ(0, knob_set("invalid_ratelimit", 0));
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		conn_open(p, &c[i], .kport = 6000 + i);
	ASSERT_EQ(0, knob_set("challenge_ack_limit", 1));
	for (int i = 0; i < 10; i++) {
		wait_for_the_next_second();
		EXPECT_EQ(1, challenges_of_a_burst(c));
	}
}

TEST_F(tuning, knob_challenge_ack_limit_of_0_is_none)
{
	struct peer *p = &self->peer;
	struct conn c[2];

	NOT_ON_STOCK();		/* which divides by it on some kernels */
	ASSERT_EQ(0, knob_set("invalid_ratelimit", 0));
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		conn_open(p, &c[i], .kport = 6000 + i);
	/* Less than none is none, too. */
	for (int limit = 0; limit > -3; limit--) {
		ASSERT_EQ(0, knob_set("challenge_ack_limit", limit));
		wait_for_the_next_second();
		EXPECT_EQ(0, challenges_of_a_burst(c));
	}
	/* Other answers are no challenges. */
	conn_send(&c[0], .flags = ACK, .seq = 1000000);
	conn_expect(&c[0], .flags = ACK, .seq = 1, .ack = 1);
}

TEST_HARNESS_MAIN
