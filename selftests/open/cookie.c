// SPDX-License-Identifier: GPL-2.0
/*
 * cookie: classic SYN cookies, with which a listener answers when its queue is full.
 * RFC 4987 3.6; the layout is Linux's: sequence number, and with timestamps six bits
 * of the clock.
 */
/* vm: wires families */
#include "cookies.h"

PEER_FIXTURE(cookie);

#define ALL_OPTIONS OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, \
			OPT_WSCALE(7))

/* A listener whose SYN queue is full for the next two minutes. */
static int full_listener(struct peer *p)
{
	int lfd = peer_listen(p, KERNEL_PORT, 2);
	struct conn c;

	for (int i = 0; i < 3; i++)
		conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	return lfd;
}

/* The same; @before is counted from then on. */
static int full_listener_counted(struct peer *p, struct counters *before)
{
	int lfd = full_listener(p);

	counters_take(before);
	return lfd;
}

/* Retransmissions to those three may be left unread. */
static void forget_half_open(struct peer *p)
{
	p->leave_unread = true;
}

#define cookie_get(p, c, lfd, ...) cookie_get_as(UNSET, p, c, lfd, ##__VA_ARGS__)

static void cookie_redeem(struct conn *c)
{
	conn_send(c, .flags = ACK);
	conn_expect_state(c, ST_ESTABLISHED);
	conn_accept(c);
}

TEST_F(cookie, lc_35_full_queue_sends_cookies)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd = full_listener_counted(p, &before);
	struct conn c;

	cookie_get(p, &c, lfd);
	EXPECT_EQ(1460, p->last.opt.mss);
	EXPECT_EQ(3, proc_rows(p->family, ROW_SYN_RECEIVED));
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1,
			"TCPReqQFullDoCookies", 1, "SyncookiesSent", 1, NULL);
	forget_half_open(p);
}

TEST_F(cookie, lc_35_cookie_is_not_sent_again)
{
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p));
	peer_expect_silence(p, 200000);
}

#define FLOOD_LINE "ossible SYN flooding on port"
/* The kernel's TCP writes the port in other ways, some with an address. */
#define FLOOD_TEXT(what) \
	(stock_mode() ? ". " what "." : \
	 "xtcp: possible SYN flooding on port 5000. " what ".\n")

TEST_F(cookie, lc_35_one_line_a_listener)
{
	struct peer *p = &self->peer;
	int log, lfd;
	struct conn c;

	sleep_ms(KLOG_QUIET_MS);
	log = klog_open(_metadata);
	lfd = full_listener(p);
	EXPECT_EQ(0, klog_lines(log, FLOOD_LINE));
	for (int i = 0; i < 5; i++)
		cookie_get(p, &c, lfd);
	EXPECT_EQ(1, klog_lines(log, FLOOD_TEXT("Sending cookies")));
	peer_drain(p, 70000);
	for (int i = 0; i < 3; i++)
		conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	cookie_get(p, &c, lfd);
	EXPECT_EQ(0, klog_lines(log, FLOOD_LINE));
	forget_half_open(p);
}

/* A user may own the namespace, and could fill the machine's log. */
TEST_F(cookie, lc_35_no_line_in_a_user_namespace)
{
	NOT_ON_STOCK();		/* logs it */
	struct peer inner;
	struct conn c;
	int log, lfd;

	sleep_ms(KLOG_QUIET_MS);
	log = klog_open(_metadata);	/* afterwards it may not read the log */
	user_namespace_enter(WHERE(_metadata));
	peer_open_at(WHERE(_metadata), &inner, NULL);
	lfd = full_listener(&inner);
	cookie_get(&inner, &c, lfd);
	EXPECT_EQ(0, klog_lines(log, FLOOD_LINE));
	forget_half_open(&inner);
	peer_close_at(WHERE(_metadata), &inner);
}

TEST_F(cookie, lc_36_off_means_drop)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd = full_listener_counted(p, &before);
	struct conn c;

	ASSERT_EQ(0, knob_set("syncookies", 0));
	conn_start(p, &c, .lfd = lfd);
	conn_send(&c, .flags = SYN);
	peer_expect_silence(p, 500);
	EXPECT_EQ(3, proc_rows(p->family, ROW_SYN_RECEIVED));
	counters_expect(_metadata, &before, "InSegs", 1, "TCPReqQFullDrop", 1,
			"ListenDrops", 1, NULL);
	forget_half_open(p);
}

/* Without cookies the line says so, and there is one as well. */
TEST_F(cookie, lc_36_one_line_a_listener)
{
	struct peer *p = &self->peer;
	int log, lfd;
	struct conn c;

	sleep_ms(KLOG_QUIET_MS);
	ASSERT_EQ(0, knob_set("syncookies", 0));
	log = klog_open(_metadata);
	lfd = full_listener(p);
	EXPECT_EQ(0, klog_lines(log, FLOOD_LINE));
	conn_start(p, &c, .lfd = lfd);
	conn_send(&c, .flags = SYN);
	EXPECT_EQ(1, klog_lines(log, FLOOD_TEXT("Dropping request")));
	for (int i = 0; i < 5; i++) {
		conn_start(p, &c, .lfd = lfd);
		conn_send(&c, .flags = SYN);
	}
	peer_expect_silence(p, 500);
	EXPECT_EQ(0, klog_lines(log, FLOOD_LINE));
	forget_half_open(p);
}

TEST_F(cookie, lc_37_always)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd, log;
	struct conn c;

	sleep_ms(KLOG_QUIET_MS);
	log = klog_open(_metadata);
	lfd = cookie_listener(p);
	counters_take(&before);
	for (int i = 0; i < 3; i++)
		cookie_get(p, &c, lfd);
	EXPECT_EQ(0, proc_rows(p->family, ROW_SYN_RECEIVED));
	EXPECT_EQ(0, klog_lines(log, FLOOD_LINE));
	/* As Linux counts, though no queue is full. */
	counters_expect(_metadata, &before, "InSegs", 3, "OutSegs", 3,
			"TCPReqQFullDoCookies", 3, "SyncookiesSent", 3, NULL);
	cookie_redeem(&c);
}

TEST_F(cookie, lc_38_valid_cookie_makes_a_socket)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd;

	lfd = full_listener(p);
	cookie_get(p, &c, lfd);
	counters_take(&before);
	counters_ignore(&before, "TCPPureAcks", "TCPDelivered", NULL);
	cookie_redeem(&c);
	counters_expect(_metadata, &before, "InSegs", 1, "SyncookiesRecv", 1,
			"PassiveOpens", 1, "CurrEstab", 1, NULL);
	/* The connection has all that a handshake agrees on. */
	ASSERT_EQ(5, send(c.fd, "hello", 5, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "hello");
	conn_send(&c, .flags = ACK | PSH, .data = "there");
	conn_expect(&c, .flags = ACK, .seq = 6, .ack = 6, .within_ms = 210);
	forget_half_open(p);
}

/* How often the SYN-ACK was sent is not known, so the first timeout is the longer one (5.7). */
TEST_F(cookie, rfc6298_3s_without_timestamps)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("syncookies", 2));
	conn_open(p, &c);
	conn_write(&c, 1);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .len = 1);
	peer_mark_last(p);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .len = 1, .at_ms = 3000);
}

TEST_F(cookie, lc_38_third_ack_with_text)
{
	struct peer *p = &self->peer;
	char buf[8];
	struct conn c;

	cookie_get(p, &c, cookie_listener(p));
	conn_send(&c, .flags = ACK | PSH, .data = "early");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 6, .within_ms = 210);
	conn_accept(&c);
	EXPECT_EQ(5, recv(c.fd, buf, sizeof(buf), 0));
}

/* The same ACK twice makes one connection. */
TEST_F(cookie, lc_38_redeemed_once)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	lfd = cookie_listener(p);
	cookie_get(p, &c, lfd);
	cookie_redeem(&c);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
}

/* The client's MSS, rounded down to what two bits can say. */
TEST_F(cookie, lc_38_mss_survives)
{
	/* The device's MTU makes 1460 of what is 8940. */
	static const struct {
		int announced, used;
	} cases[2][9] = {
		{ { 100, 536 }, { 536, 536 }, { 1299, 536 }, { 1300, 1300 }, { 1439, 1300 },
		  { 1440, 1440 }, { 1459, 1440 }, { 1460, 1460 }, { 8960, 1460 } },
		{ { 100, 1220 }, { 1220, 1220 }, { 1419, 1220 }, { 1420, 1420 }, { 1439, 1420 },
		  { 1440, 1440 }, { 1460, 1440 }, { 8939, 1440 }, { 8940, 1460 } },
	};
	bool v6 = test_family() == AF_INET6;
	struct peer *p = &self->peer;
	int lfd;

	lfd = cookie_listener(p);
	for (size_t i = 0; i < ARRAY_SIZE(cases[0]); i++) {
		struct conn c;

		peer_note(p, "MSS %d", cases[v6][i].announced);
		cookie_get(p, &c, lfd, .opt = OPT(OPT_MSS(cases[v6][i].announced)));
		cookie_redeem(&c);
		conn_write(&c, 1460);
		/* An MSS of 100 that a cookie turned into the smallest one, too. */
		conn_expect(&c, .seq = 1, .len = cases[v6][i].used);
		peer_drain(p, 5);
		conn_send(&c, .flags = RST | ACK, .ack = 1461);
		close(c.fd);
	}
}

TEST_F(cookie, lc_38_no_mss_is_the_default)
{
	int least = test_family() == AF_INET6 ? 1220 : 536;
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .no_opt = true);
	cookie_redeem(&c);
	conn_write(&c, least + 64);
	conn_expect(&c, .seq = 1, .len = least);
	conn_expect(&c, .len = 64);
}

/* Which options were kept: shown by the connection's segments. */
static void options_survive(struct __test_metadata *_metadata, struct peer *p,
			    struct optbytes opt, bool wscale, bool sack)
{
	struct conn c;
	int sent = 0;

	cookie_get(p, &c, cookie_listener(p), .opt = opt, .wnd = 600);
	EXPECT_EQ(sack, p->last.opt.sackok);
	EXPECT_EQ(wscale, p->last.opt.wscale >= 0);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	/* A window of 600 bytes, or of 600 << 7. */
	ASSERT_EQ(1000, send(c.fd, (char[1000]){ 0 }, 1000, MSG_DONTWAIT));
	while (peer_read(p, now_ns() + 5 * NSEC_PER_MSEC))
		sent += p->last.len;
	EXPECT_EQ(wscale ? 1000 : 600, sent);
	conn_send(&c, .flags = ACK | PSH, .seq = 101, .data = "ahead");
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = sack,
		    .sack = { { 101, 106 } });
	p->leave_unread = true;
}

TEST_F(cookie, lc_38_options_ride_on_timestamps)
{
	options_survive(_metadata, &self->peer, ALL_OPTIONS, true, true);
}

TEST_F(cookie, lc_38_scale_alone)
{
	options_survive(_metadata, &self->peer,
			OPT(OPT_MSS(1460), OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(7)),
			true, false);
}

TEST_F(cookie, lc_38_sack_alone)
{
	options_survive(_metadata, &self->peer,
			OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0)), false, true);
}

TEST_F(cookie, lc_38_without_timestamps_there_is_no_room)
{
	options_survive(_metadata, &self->peer,
			OPT(OPT_MSS(1460), OPT_SACKOK, OPT_NOP, OPT_WSCALE(7), OPT_NOP),
			false, false);
}

/* The low six bits: scale 7, SACK. The others have clock and offset. */
TEST_F(cookie, rfc4987_timestamp_bits)
{
	struct peer *p = &self->peer;
	uint32_t first;
	struct conn c;
	int lfd;

	ASSERT_EQ(0, knob_set("timestamps", 2));
	lfd = cookie_listener(p);
	cookie_get(p, &c, lfd, .opt = ALL_OPTIONS);
	EXPECT_EQ(0x17, p->last.opt.tsval & 0x3f);
	first = p->last.opt.tsval;
	sleep_ms(1000);
	cookie_get(p, &c, lfd, .opt = OPT(OPT_MSS(1460), OPT_TS(1, 0)));
	EXPECT_EQ(0x0f, p->last.opt.tsval & 0x3f);
	/* Rounded down to such low bits, each: 64 * 15 or 16, and 0x0f - 0x17. */
	if (p->last.opt.tsval - first != 64 * 15 - 8)
		EXPECT_EQ(64 * 16 - 8, p->last.opt.tsval - first);
}

/*
 * The SYN-ACK with the cookie is late. The client has repeated its SYN, for which there is a
 * record by now, and goes by the number that arrives first. Linux drops its ACKs while the
 * record lives.
 */
TEST_F(cookie, lc_38_the_cookie_is_slower_than_the_record)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	uint32_t cookie;
	int lfd;

	/* The records that make the queue full are gone after 3 s, and the cookie is still good. */
	ASSERT_EQ(0, knob_set("synack_retries", 1));
	lfd = full_listener(p);
	cookie_get(p, &c, lfd);
	cookie = p->last.seq;
	peer_drain(p, 5000);
	counters_take(&before);
	conn_send(&c, .flags = SYN, .seq = 0);
	EXPECT_NE(cookie, peer_expect(p, .flags = SYN | ACK, .dport = c.pport,
				      .ack = c.peer_iss + 1)->seq);
	EXPECT_EQ(1, proc_rows(p->family, ROW_SYN_RECEIVED));
	if (!stock_mode()) {
		cookie_redeem(&c);
		EXPECT_EQ(0, proc_rows(p->family, ROW_SYN_RECEIVED));
		counters_expect(_metadata, &before, "InSegs", 2, "OutSegs", 1, "SyncookiesRecv", 1,
				"PassiveOpens", 1, "CurrEstab", 1, "TCPPureAcks", 1, NULL);
	} else {
		conn_send(&c, .flags = ACK);
	}
	peer_expect_silence(p, 500);
	forget_half_open(p);
}

/* The listener cannot take the ACK, because its accept queue is full by now: the record stays. */
TEST_F(cookie, lc_38_a_record_stays_while_the_accept_queue_is_full)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c, other;
	int lfd;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("synack_retries", 1));
	lfd = full_listener(p);
	cookie_get(p, &c, lfd);
	peer_drain(p, 5000);
	conn_send(&c, .flags = SYN, .seq = 0);
	peer_expect(p, .flags = SYN | ACK, .dport = c.pport, .ack = c.peer_iss + 1);
	for (int i = 0; i < 3; i++) {
		conn_to_state(p, &other, ST_HALF_OPEN, .lfd = lfd);
		conn_send(&other, .flags = ACK);
	}
	EXPECT_EQ(1, proc_rows(p->family, ROW_SYN_RECEIVED));
	counters_take(&before);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 20);
	EXPECT_EQ(1, proc_rows(p->family, ROW_SYN_RECEIVED));
	EXPECT_EQ(0, counter_moved(&before, "SyncookiesRecv"));
	EXPECT_EQ(0, counter_moved(&before, "PassiveOpens"));
	forget_half_open(p);
}

TEST_F(cookie, lc_39_forged)
{
	struct ipaddr other = ipaddr("10.0.0.3");
	struct peer *p = &self->peer;
	int lfd, lfd2;
	struct conn c;

	lfd = cookie_listener(p);
	lfd2 = peer_listen(p, KERNEL_PORT + 1, 16);
	cookie_get(p, &c, lfd2, .kport = KERNEL_PORT + 1);
	cookie_get(p, &c, lfd);
	/* Each part that the cookie covers: itself, the ISN, the 4-tuple. */
	refused(_metadata, &c, SEGMENT_SPEC(.ack = 17), 1);
	refused(_metadata, &c, SEGMENT_SPEC(.ack = 1 + (1 << 24)), 1);
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 17), 1);
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .sport = c.pport + 100), 1);
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .dport = KERNEL_PORT + 1), 1);
	p->addr = other;
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .src = other), 1);
	/* The true one is still good. */
	conn_send(&c, .flags = ACK, .seq = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/*
 * A connection that the server has lost, and its client not, must not be opened again
 * in its middle: earlier data would be missing. With the numbers of both sides the
 * sums of Linux's cookie move as well, by the difference of what both have sent, and
 * few bytes look like another MSS.
 */
TEST_F(cookie, lc_39_later_bytes_bring_no_cookie)
{
	static const int mss[] = { 536, 1300, 1440, 1460, 8940 };
	struct peer *p = &self->peer;
	int lfd;

	NOT_ON_STOCK();
	lfd = cookie_listener(p);
	for (size_t i = 0; i < ARRAY_SIZE(mss); i++) {
		struct conn c;

		cookie_get(p, &c, lfd, .opt = OPT(OPT_MSS(mss[i])));
		for (int said = 0; said <= 4; said++) {
			for (int heard = 0; heard <= 4; heard++) {
				if (!said && !heard)
					continue;
				peer_note(p, "MSS %d, said %d, heard %d", mss[i], said, heard);
				refused(_metadata, &c, SEGMENT_SPEC(.seq = 1 + said,
								    .ack = 1 + heard), 1);
			}
		}
		/* Question and answer of one length. */
		refused(_metadata, &c, SEGMENT_SPEC(.seq = 1001, .ack = 1001), 1);
		/* An answer of some MiB. */
		for (int mib = 4; mib <= 12; mib += 4)
			refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .ack = 1 + (mib << 20)), 1);
		/* A keepalive probe of a client that has sent nothing. */
		refused(_metadata, &c, SEGMENT_SPEC(.seq = 0, .ack = 1), 1);
		conn_send(&c, .flags = ACK, .seq = 1);
		conn_expect_state(&c, ST_ESTABLISHED);
		conn_accept(&c);
		socket_abort(c.fd);
		conn_expect(&c, .flags = RST | ACK);
	}
}

/*
 * The whole case, which Linux's cookies allow: a question and an answer of one length,
 * the server loses the connection, its RST is lost, and the client continues. The
 * listener takes that for the ACK of a cookie, and a program reads the middle of a
 * stream as if it were the beginning.
 */
TEST_F(cookie, lc_39_a_forgotten_stream_begins_nowhere)
{
	struct peer *p = &self->peer;
	char buf[100];
	struct conn c;
	int lfd;

	lfd = cookie_listener(p);
	cookie_get(p, &c, lfd);
	cookie_redeem(&c);
	conn_send(&c, .flags = ACK | PSH, .len = 39);
	conn_expect(&c, .flags = ACK, .ack = 40, .within_ms = 210);
	ASSERT_EQ(39, recv(c.fd, buf, sizeof(buf), 0));
	ASSERT_EQ(39, send(c.fd, buf, 39, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 40, .len = 39);
	conn_send(&c, .flags = ACK);
	socket_abort(c.fd);
	peer_drain(p, 5);

	conn_send(&c, .flags = ACK | PSH, .seq = 40, .ack = 40, .len = 39, .pattern = 39);
	if (stock_mode()) {
		c.fd = conn_accept(&c);
		ASSERT_EQ(39, recv(c.fd, buf, sizeof(buf), 0));
		EXPECT_EQ(-1, pattern_check(buf, 39, 39));
		p->leave_unread = true;
		return;
	}
	conn_expect(&c, .flags = RST, .seq = 40);
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
}

TEST_F(cookie, lc_39_guesses_fail)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	lfd = cookie_listener(p);
	cookie_get(p, &c, lfd);
	/* One in 2^29 is good by chance. */
	for (int i = 0; i < 300; i++)
		refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .ack = 1 + 40503 * (i + 1)), 1);
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
}

/*
 * The lossless cookie is an option of the native wire. Another TCP may use the same ExID for
 * something else.
 */
TEST_F(cookie, lc_39_private_option_on_either_wire)
{
	struct optbytes other = OPT(OPT_EXID(4 + COOKIE_LEN, COOKIE_EXID), 1, 2, 3, 4, 5, 6, 7, 8,
				    9, 10, 11, 12, 13, 14, 15, 16);
	bool native = stream_wire() == XTCP_WIRE_NATIVE;
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get_as(native, p, &c, cookie_listener(p));
	if (native)
		refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .opt = other), 1);
	else
		conn_send(&c, .flags = ACK, .seq = 1, .opt = other);
	conn_expect_state(&c, native ? ST_CLOSED : ST_ESTABLISHED);
}

/*
 * Each bit of the cookie, of the peer's ISN, and of both together: a number that differs by a power
 * of two is refused.
 */
TEST_F(cookie, lc_39_each_bit_counts)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	cookie_get(p, &c, cookie_listener(p));
	for (int i = 0; i < 64; i++) {
		int64_t step = (i & 1 ? -1LL : 1LL) << i / 2;

		refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .ack = 1 + step), 1);
		refused(_metadata, &c, SEGMENT_SPEC(.seq = 1 + step, .ack = 1), 1);
		refused(_metadata, &c, SEGMENT_SPEC(.seq = 1 + step, .ack = 1 + step), 1);
	}
	conn_send(&c, .flags = ACK, .seq = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* The minute counts from boot; a cookie of its first second lives longest. */
TEST_F(cookie, lc_39_lives_60s_to_120s)
{
	struct peer *p = &self->peer;
	struct conn early, late, old;
	int lfd;

	lfd = cookie_listener(p);
	peer_mark(p);
	cookie_get(p, &early, lfd);
	cookie_get(p, &old, lfd);
	peer_sleep_until(p, 30000);
	cookie_get(p, &late, lfd);
	/* Within a minute each is good, ... */
	peer_sleep_until(p, 59500);
	cookie_redeem(&early);
	peer_sleep_until(p, 89500);
	cookie_redeem(&late);
	socket_abort(early.fd);
	conn_expect(&early, .flags = RST | ACK);
	socket_abort(late.fd);
	conn_expect(&late, .flags = RST | ACK);
	/* ... after two minutes none is. */
	peer_sleep_until(p, 120500);
	refused(_metadata, &old, SEGMENT_SPEC(.ack = UNSET), 1);
}

TEST_F(cookie, lc_39_no_overflow_no_belief)
{
	struct peer *p = &self->peer;
	struct conn c;

	/*
	 * A cookie by mode 2; then mode 1, which believes cookies after overflows
	 * only.
	 */
	cookie_get(p, &c, cookie_listener(p));
	peer_listen(p, KERNEL_PORT + 1, 16);
	ASSERT_EQ(0, knob_set("syncookies", 0));
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 1), 0);
	ASSERT_EQ(0, knob_set("syncookies", 1));
	/* 6.1 counts a failure even where it does not check. */
	if (!stock_mode())
		refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .dport = KERNEL_PORT + 1), 0);
	/* The overflow of this listener was a moment ago. */
	conn_send(&c, .flags = ACK, .seq = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(cookie, lc_39_belief_ends_after_two_minutes)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	NOT_ON_STOCK();
	lfd = full_listener(p);
	cookie_get(p, &c, lfd);
	peer_drain(p, 121000);
	/* Not even checked: no failure is counted. */
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 1), 0);
}

TEST_F(cookie, lc_39_full_accept_queue)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c, first;

	two_cookies_for_one(p, &first, &c, UNSET);
	conn_send(&first, .flags = ACK);
	conn_expect_state(&first, ST_ESTABLISHED);
	counters_take(&before);
	conn_send(&c, .flags = ACK, .seq = 1);
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "InSegs", 1, "SyncookiesRecv", 1,
			"ListenOverflows", 1, "ListenDrops", 1, NULL);
	/* With room in the queue the same ACK connects. */
	conn_accept(&first);
	conn_send(&c, .flags = ACK, .seq = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(cookie, lc_39_rst_and_syn_are_no_proof)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	lfd = cookie_listener(p);
	cookie_get(p, &c, lfd);
	conn_send(&c, .flags = RST | ACK, .seq = 1);
	peer_expect_silence(p, 20);
	conn_send(&c, .flags = SYN | ACK, .seq = 1);
	conn_expect(&c, .flags = RST, .seq = 1);
	EXPECT_EQ(0, proc_rows(AF_INET, ROW_ESTABLISHED));
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
}

TEST_F(cookie, lc_40_real_client_in_a_flood)
{
	struct ipaddr from = ipaddr("192.0.2.0");
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 8);
	counters_take(&before);
	for (int i = 0; i < 1000; i++) {
		from.v4.s_addr = htonl(0xc6120000 + i);
		peer_send(p, .flags = SYN, .seq = i, .src = from, .sport = 1024 + i);
		peer_expect(p, .flags = SYN | ACK, .ack = i + 1, .dst = from,
			    .dport = 1024 + i);
	}
	cookie_get(p, &c, lfd, .opt = ALL_OPTIONS);
	cookie_redeem(&c);
	EXPECT_EQ(9, proc_rows(AF_INET, ROW_SYN_RECEIVED));
	EXPECT_EQ(992, counter_moved(&before, "SyncookiesSent"));
	forget_half_open(p);
}

/* Cookies of one moment are spread: none predicts the next. */
TEST_F(cookie, rfc4987_cookies_are_not_guessable)
{
	uint32_t first = 0, near = 0, same_mac = 0, d;
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	lfd = cookie_listener(p);
	for (int i = 0; i <= 64; i++) {
		cookie_get(p, &c, lfd, .peer_iss = 5000);
		d = c.kern_iss - first;
		if (!i)
			first = c.kern_iss;
		else if (d < 1U << 20 || d > -(1U << 20))
			near++;
		if (i && !((d + 2) & 0xfffffc))
			same_mac++;
	}
	/* By chance 1 in 2048, and 1 in 2^22. */
	EXPECT_GE(4, near);
	EXPECT_EQ(0, same_mac);
}

/*
 * Each minute has a key of its own: the next cookie of the same SYN is not the
 * last one, a minute on.
 */
TEST_F(cookie, rfc4987_key_is_drawn_each_minute)
{
	struct peer *p = &self->peer;
	uint32_t first;
	struct conn c;
	int lfd;

	lfd = cookie_listener(p);
	cookie_get(p, &c, lfd, .peer_iss = 5000, .pport = 7000);
	first = c.kern_iss;
	sleep_ms(60 * 1000);
	cookie_get(p, &c, lfd, .peer_iss = 5000, .pport = 7000);
	/* By chance one in 2^24. */
	EXPECT_NE(0, (c.kern_iss - first) & 0xffffff);
}

TEST_F(cookie, knob_syncookies)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	EXPECT_EQ(1, knob_get("syncookies"));
	lfd = peer_listen(p, KERNEL_PORT, 16);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	/* Values beyond the documented range mean 2 (in the kernel's TCP: 1). */
	ASSERT_EQ(0, knob_set("syncookies", stock_mode() ? 2 : 3));
	cookie_get(p, &c, lfd);
	cookie_redeem(&c);
	ASSERT_EQ(0, knob_set("syncookies", 0));
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	forget_half_open(p);
}

TEST_F(cookie, ctr_SyncookiesSent)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd = full_listener_counted(p, &before);
	struct conn c;

	for (int i = 0; i < 7; i++)
		cookie_get(p, &c, lfd);
	counters_expect(_metadata, &before, "InSegs", 7, "OutSegs", 7,
			"TCPReqQFullDoCookies", 7, "SyncookiesSent", 7, NULL);
	forget_half_open(p);
}

TEST_F(cookie, ctr_SyncookiesRecv)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p));
	counters_take(&before);
	counters_ignore(&before, "TCPPureAcks", "TCPDelivered", NULL);
	conn_send(&c, .flags = ACK);
	counters_expect(_metadata, &before, "InSegs", 1, "SyncookiesRecv", 1,
			"PassiveOpens", 1, "CurrEstab", 1, NULL);
}

TEST_F(cookie, ctr_SyncookiesFailed)
{
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p));
	/* Up to four more would be the same cookie for a larger MSS. */
	refused(_metadata, &c, SEGMENT_SPEC(.ack = 5), 1);
}

TEST_F(cookie, ctr_TCPReqQFullDrop)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd = full_listener_counted(p, &before);
	struct conn c;

	ASSERT_EQ(0, knob_set("syncookies", 0));
	for (int i = 0; i < 4; i++) {
		conn_start(p, &c, .lfd = lfd);
		conn_send(&c, .flags = SYN);
	}
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "InSegs", 4, "TCPReqQFullDrop", 4,
			"ListenDrops", 4, NULL);
	forget_half_open(p);
}

TEST_F(cookie, ctr_TCPReqQFullDoCookies)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd = full_listener_counted(p, &before);
	struct conn c;

	cookie_get(p, &c, lfd);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1,
			"TCPReqQFullDoCookies", 1, "SyncookiesSent", 1, NULL);
	forget_half_open(p);
}

TEST_HARNESS_MAIN
