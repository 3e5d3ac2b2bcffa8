// SPDX-License-Identifier: GPL-2.0
/*
 * lossless: cookies that lose no option. The SYN-ACK of a listener that keeps no
 * record has an option with all that was agreed, which the client repeats until the
 * server answers. LC-47; the format is in Documentation/wire.rst. cookie.c has peers
 * without the option, forged.c forged and lookalike options, listenercookies.c which
 * listener sends cookies.
 */
/* vm: families */
#include "lossless.h"

#include <linux/tcp.h>
#include <sys/time.h>

PEER_FIXTURE(server);		/* the kernel listens, the client is made by hand */

/* --- what the option says -------------------------------------------------- */

TEST_F(server, lc_47_syn_ack_has_all_options)
{
	struct peer *p = &self->peer;
	struct state s;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	EXPECT_EQ(40, c.kern_opt.len);
	EXPECT_EQ(1, c.kern_opt.sackok);
	EXPECT_EQ(1, c.kern_opt.ts);
	s = state_of(c.kern_opt.cookie);
	EXPECT_EQ(1460, s.mss);
	EXPECT_EQ(7, s.peer_shift);
	EXPECT_EQ(c.kern_opt.wscale, s.own_shift);
	EXPECT_FALSE(s.ecn || s.accecn);
	EXPECT_TRUE(s.sack);
	EXPECT_TRUE(s.ts);
	EXPECT_EQ(c.peer_iss, s.irs);
}

/* What was not offered, or the knobs forbid, is not agreed. */
TEST_F(server, lc_47_state_is_what_was_agreed)
{
	struct peer *p = &self->peer;
	int lfd = cookie_listener(p);
	struct state s;
	struct conn c;

	cookie_get(p, &c, lfd, .no_opt = true);
	EXPECT_EQ(24, c.kern_opt.len);
	s = state_of(c.kern_opt.cookie);
	EXPECT_EQ(mss_default(), s.mss);
	EXPECT_EQ(15, s.peer_shift);
	EXPECT_EQ(15, s.own_shift);
	EXPECT_FALSE(s.sack || s.ts || s.ecn);

	ASSERT_EQ(0, knob_set("sack", 0));
	ASSERT_EQ(0, knob_set("timestamps", 0));
	ASSERT_EQ(0, knob_set("window_scaling", 0));
	cookie_get(p, &c, lfd, .opt = ALL_OPTIONS);
	EXPECT_EQ(24, c.kern_opt.len);
	s = state_of(c.kern_opt.cookie);
	EXPECT_EQ(1460, s.mss);
	EXPECT_EQ(15, s.peer_shift);
	EXPECT_FALSE(s.sack || s.ts || s.ecn);
}

/* A client that can't echo the cookie must not rely on the options. */
TEST_F(server, lc_47_without_timestamps_the_cookie_alone_has_the_rest)
{
	struct peer *p = &self->peer;
	struct state s;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = OPT(OPT_MSS(1460),
		   OPT_SACKOK, OPT_NOP, OPT_WSCALE(9), OPT_NOP));
	EXPECT_EQ(24, c.kern_opt.len);
	EXPECT_EQ(-1, c.kern_opt.wscale);
	EXPECT_FALSE(c.kern_opt.sackok);
	s = state_of(c.kern_opt.cookie);
	EXPECT_EQ(9, s.peer_shift);
	EXPECT_NE(15, s.own_shift);
	EXPECT_TRUE(s.sack);
	EXPECT_FALSE(s.ts);
}

/*
 * Accurate ECN: beside timestamps the SYN-ACK has its flags; without, the cookie alone says
 * it.
 */
TEST_F(server, rfc9768_5_1_lossless_cookies)
{
	struct peer *p = &self->peer;
	int lfd = cookie_listener(p);
	struct tcp_info info;
	struct conn c;

	ASSERT_EQ(0, knob_set("ecn", 3));
	for (int ts = 0; ts < 2; ts++) {
		conn_start(p, &c, .lfd = lfd,
			   .opt = ts ? ALL_OPTIONS : OPT(OPT_MSS(1460), OPT_SACKOK));
		conn_send(&c, .flags = SYN | AE | CWR | ECE);
		conn_expect(&c, .flags = SYN | ACK | (ts ? CWR : 0), .cookie = 1);
		EXPECT_TRUE(state_of(c.kern_opt.cookie).accecn);
		EXPECT_TRUE(state_of(c.kern_opt.cookie).ecn);
		/* Not the third segment, and ACE is not one of an opening. */
		conn_send(&c, .flags = ACK | AE | ECE, .len = 10, .opt = echo(&c));
		conn_expect(&c, .flags = ACK | AE | ECE, .seq = 1, .ack = 11);
		conn_accept(&c);
		info = conn_tcp_info(&c);
		EXPECT_TRUE(info.tcpi_options & TCPI_OPT_ECN);
		conn_send(&c, .flags = RST);
	}
}

/* Minutes since boot, modulo 16; the MAC differs even where all else is equal. */
TEST_F_TIMEOUT(server, lc_47_minute_and_mac, 4000)
{
	struct peer *p = &self->peer;
	int lfd = cookie_listener(p);
	uint8_t first[COOKIE_LEN];
	struct conn c;

	/* All of it in one minute. */
	sleep_ms(60100 - now_ms() % 60000);
	cookie_get(p, &c, lfd, .peer_iss = 5000, .pport = 41000);
	memcpy(first, c.kern_opt.cookie, COOKIE_LEN);
	cookie_get(p, &c, lfd, .peer_iss = 5000, .pport = 41000);
	EXPECT_EQ(0, memcmp(first, c.kern_opt.cookie, COOKIE_LEN));
	cookie_get(p, &c, lfd, .peer_iss = 5000, .pport = 41001);
	EXPECT_EQ(0, memcmp(first, c.kern_opt.cookie, 8));
	EXPECT_NE(0, memcmp(first + 8, c.kern_opt.cookie + 8, 8));
	sleep_ms(60000);
	cookie_get(p, &c, lfd, .peer_iss = 5000, .pport = 41000);
	EXPECT_EQ((state_of(first).minute + 1) % 16,
		  state_of(c.kern_opt.cookie).minute);
	EXPECT_NE(0, memcmp(first + 8, c.kern_opt.cookie + 8, 8));
	/* After 16 minutes the number of the minute is the same, the key is not. */
	sleep_ms(15 * 60000);
	cookie_get(p, &c, lfd, .peer_iss = 5000, .pport = 41000);
	EXPECT_EQ(0, memcmp(first, c.kern_opt.cookie, 8));
	EXPECT_NE(0, memcmp(first + 8, c.kern_opt.cookie + 8, 8));
}

/* --- a cookie comes back --------------------------------------------------- */

TEST_F(server, lc_47_third_ack)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	counters_take(&before);
	counters_ignore(&before, "TCPPureAcks", "TCPDelivered", NULL);
	redeem(&c);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1,
			"SyncookiesRecv", 1, "PassiveOpens", 1, "CurrEstab", 1,
			NULL);
	ASSERT_EQ(5, send(c.fd, "hello", 5, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "hello",
		    .cookie = 0);
	conn_send(&c, .flags = ACK | PSH, .data = "there");
	conn_expect(&c, .flags = ACK, .seq = 6, .ack = 6, .within_ms = 210);
	stream_expect_text(_metadata, c.fd, "there");
}

/* Everything of TCP_INFO that does not depend on time. */
static void info_compare(struct __test_metadata *_metadata, int fd, int fd2)
{
	struct tcp_info a = { 0 }, b = { 0 };
	socklen_t len = sizeof(a);

	ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_INFO, &a, &len));
	ASSERT_EQ(0, getsockopt(fd2, IPPROTO_TCP, TCP_INFO, &b, &len));
	EXPECT_EQ(a.tcpi_state, b.tcpi_state);
	EXPECT_EQ(a.tcpi_options, b.tcpi_options);
	EXPECT_EQ(a.tcpi_snd_wscale + 0, b.tcpi_snd_wscale + 0);
	EXPECT_EQ(a.tcpi_rcv_wscale + 0, b.tcpi_rcv_wscale + 0);
	EXPECT_EQ(a.tcpi_snd_mss, b.tcpi_snd_mss);
	EXPECT_EQ(a.tcpi_rcv_mss, b.tcpi_rcv_mss);
	EXPECT_EQ(a.tcpi_advmss, b.tcpi_advmss);
	EXPECT_EQ(a.tcpi_pmtu, b.tcpi_pmtu);
	EXPECT_EQ(a.tcpi_snd_cwnd, b.tcpi_snd_cwnd);
	EXPECT_EQ(a.tcpi_snd_ssthresh, b.tcpi_snd_ssthresh);
	EXPECT_EQ(a.tcpi_ca_state, b.tcpi_ca_state);
	EXPECT_EQ(a.tcpi_unacked, b.tcpi_unacked);
	EXPECT_EQ(a.tcpi_rcv_space, b.tcpi_rcv_space);
}

static void rows_compare(struct __test_metadata *_metadata, const struct conn *a,
			 const struct conn *b)
{
	struct proc_row ra, rb;

	ASSERT_TRUE(proc_row_find(&ra, AF_INET, a->kport, a->pport, NULL));
	ASSERT_TRUE(proc_row_find(&rb, AF_INET, b->kport, b->pport, NULL));
	EXPECT_EQ(ra.st, rb.st);
	EXPECT_EQ(ra.tx, rb.tx);
	EXPECT_EQ(ra.rx, rb.rx);
	EXPECT_EQ(ra.timer, rb.timer);
	EXPECT_EQ(ra.retrnsmt, rb.retrnsmt);
	EXPECT_EQ(ra.uid, rb.uid);
	EXPECT_EQ(ra.timeout, rb.timeout);
	EXPECT_EQ(ra.ref, rb.ref);
	EXPECT_TRUE(ra.full && rb.full);
	EXPECT_EQ(ra.cwnd, rb.cwnd);
	EXPECT_EQ(ra.ssthresh, rb.ssthresh);
}

/* The connection's behaviour shows what was agreed. */
struct deeds {
	int segments, first_len, options_len, sacks, wnd;
};

static struct deeds deeds_of(struct __test_metadata *_metadata, struct conn *c)
{
	struct deeds d = { 0 };

	/* A window of 600 bytes, or of 600 shifted; segments of the MSS. */
	/* In small segments the send buffer takes fewer bytes. */
	ASSERT_LE(1000, send(c->fd, (char[1500]){ 0 }, 1500, MSG_DONTWAIT));
	while (peer_read(c->peer, now_ns() + 5 * NSEC_PER_MSEC)) {
		d.segments++;
		if (d.segments == 1)
			d.first_len = c->peer->last.len;
		d.options_len = c->peer->last.opt.len;
	}
	conn_send(c, .flags = ACK | PSH, .seq = 1001, .ack = 1, .data = "ahead");
	conn_expect(c, .flags = ACK, .ack = 1);
	d.sacks = c->peer->last.opt.sacks;
	d.wnd = c->peer->last.wnd;
	return d;
}

static void close_both(struct conn *a, struct conn *b)
{
	a->peer->leave_unread = true;
	socket_abort(a->fd);
	socket_abort(b->fd);
	close(a->fd);
	close(b->fd);
	peer_drain(a->peer, 5);
}

/* The same client twice: through the SYN queue, and through a cookie. */
static void same_as_queued(struct __test_metadata *_metadata, struct peer *p,
			   int lfd, struct optbytes opt)
{
	struct deeds want, got;
	struct conn queued, c;

	/* Only one of them has timed its handshake, and would probe so soon. */
	ASSERT_EQ(0, knob_set("early_retrans", 0));
	ASSERT_EQ(0, knob_set("syncookies", 0));
	conn_open(p, &queued, .lfd = lfd, .opt = opt, .no_opt = !opt.len, .wnd = 600);
	ASSERT_EQ(0, knob_set("syncookies", 2));
	cookie_get(p, &c, lfd, .opt = opt, .no_opt = !opt.len, .wnd = 600);
	redeem(&c);
	info_compare(_metadata, queued.fd, c.fd);
	rows_compare(_metadata, &queued, &c);
	want = deeds_of(_metadata, &queued);
	got = deeds_of(_metadata, &c);
	EXPECT_EQ(want.segments, got.segments);
	EXPECT_EQ(want.first_len, got.first_len);
	EXPECT_EQ(want.options_len, got.options_len);
	EXPECT_EQ(want.sacks, got.sacks);
	EXPECT_EQ(want.wnd, got.wnd);
	close_both(&queued, &c);
}

TEST_F(server, lc_47_everything_offered_is_in_force)
{
	const struct optbytes offers[] = {
		ALL_OPTIONS,
		{ .len = 0 },
		OPT(OPT_MSS(1460)),
		OPT(OPT_MSS(1460), OPT_SACKOK),
		OPT(OPT_MSS(1460), OPT_NOP, OPT_WSCALE(7)),
		OPT(OPT_MSS(1460), OPT_NOP, OPT_WSCALE(0)),
		OPT(OPT_MSS(1460), OPT_NOP, OPT_WSCALE(14)),
		OPT(OPT_MSS(1460), OPT_SACKOK, OPT_NOP, OPT_WSCALE(7), OPT_NOP),
		OPT(OPT_MSS(1460), OPT_NOP, OPT_NOP, OPT_TS(1, 0)),
		OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0)),
		OPT(OPT_MSS(1460), OPT_NOP, OPT_NOP, OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(3)),
		OPT(OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(7)),
	};
	struct peer *p = &self->peer;
	int lfd = peer_listen(p, KERNEL_PORT, 16);

	for (size_t i = 0; i < ARRAY_SIZE(offers); i++) {
		peer_note(p, "offer %zu", i);
		same_as_queued(_metadata, p, lfd, offers[i]);
	}
}

/* Not rounded to what two bits can say. */
TEST_F(server, lc_47_mss_is_exact)
{
	static const int mss[] = { 100, 535, 537, 1299, 1301, 1439, 1459, 9000, 65535 };
	struct peer *p = &self->peer;
	int lfd = peer_listen(p, KERNEL_PORT, 16);

	for (size_t i = 0; i < ARRAY_SIZE(mss); i++) {
		peer_note(p, "MSS %d", mss[i]);
		same_as_queued(_metadata, p, lfd, OPT(OPT_MSS(mss[i])));
	}
}

/* TCP_MAXSEG of the listener bounds it as without cookies. */
TEST_F(server, lc_47_maxseg_of_the_listener)
{
	struct peer *p = &self->peer;
	int lfd = peer_listen(p, KERNEL_PORT, 16);

	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_MAXSEG, 777));
	same_as_queued(_metadata, p, lfd, ALL_OPTIONS);
}

/* A small receive buffer: another window, another shift. */
TEST_F(server, lc_47_small_receive_buffer)
{
	struct peer *p = &self->peer;
	int lfd = peer_listen(p, KERNEL_PORT, 16);

	ASSERT_EQ(0, socket_set(lfd, SOL_SOCKET, SO_RCVBUF, 8192));
	same_as_queued(_metadata, p, lfd, ALL_OPTIONS);
}

/* What the SYN-ACK agreed to counts, whatever the knobs say by then. */
TEST_F(server, lc_47_agreed_is_agreed)
{
	struct peer *p = &self->peer;
	struct tcp_info ti = { 0 };
	socklen_t len = sizeof(ti);
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	ASSERT_EQ(0, knob_set("sack", 0));
	ASSERT_EQ(0, knob_set("window_scaling", 0));
	ASSERT_EQ(0, socket_set(c.lfd, SOL_SOCKET, SO_RCVBUF, 4096));
	redeem(&c);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_INFO, &ti, &len));
	EXPECT_EQ(TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE,
		  ti.tcpi_options);
	EXPECT_EQ(7, ti.tcpi_snd_wscale + 0);
	EXPECT_EQ(c.kern_opt.wscale, ti.tcpi_rcv_wscale + 0);
}

/* --- the third segment is lost --------------------------------------------- */

TEST_F(server, lc_47_text_brings_it)
{
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	conn_send(&c, .flags = ACK | PSH, .data = "early", .opt = echo(&c));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 6, .cookie = 0);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "early");
}

/* And the first segment of the data: a later one connects and waits. */
static void later_text_brings_it(struct __test_metadata *_metadata,
				 struct peer *p, struct optbytes opt)
{
	struct optbytes before, after;
	char buf[1010];
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = opt);
	/* The first has the older timestamp: no reason to refuse it. */
	before = echo(&c);
	sleep_ms(20);
	after = echo(&c);
	conn_send(&c, .flags = ACK | PSH, .seq = 1001, .len = 10, .opt = after);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .cookie = 0,
		    .sacks = opt.len > 4, .sack = { { 1001, 1011 } });
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = ACK, .seq = 1, .len = 1000, .opt = before);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1011);
	conn_accept(&c);
	ASSERT_EQ(1010, recv(c.fd, buf, sizeof(buf), 0));
	EXPECT_EQ(-1, pattern_check(buf, sizeof(buf), 0));
}

TEST_F(server, lc_47_later_text_brings_it)
{
	later_text_brings_it(_metadata, &self->peer, ALL_OPTIONS);
}

TEST_F(server, lc_47_later_text_brings_it_without_options)
{
	later_text_brings_it(_metadata, &self->peer, OPT(OPT_MSS(1460)));
}

/* A deferring listener lets this ACK wait no longer than others. */
TEST_F(server, lc_47_text_is_answered_at_once)
{
	struct peer *p = &self->peer;
	int lfd = cookie_listener(p);
	struct conn c;

	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_QUICKACK, 0));
	cookie_get(p, &c, lfd);
	conn_send(&c, .flags = ACK | PSH, .data = "early", .opt = echo(&c));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 6, .cookie = 0);
}

TEST_F(server, lc_47_fin_brings_it)
{
	struct peer *p = &self->peer;
	struct conn c;
	char buf[4];

	cookie_get(p, &c, cookie_listener(p));
	conn_send(&c, .flags = FIN | ACK, .opt = echo(&c));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 2, .cookie = 0);
	conn_expect_state(&c, ST_CLOSE_WAIT);
	conn_accept(&c);
	EXPECT_EQ(0, recv(c.fd, buf, sizeof(buf), 0));
}

/* A probe is one number below the window; its answer says so. */
TEST_F(server, lc_47_probe_brings_it)
{
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p));
	conn_send(&c, .flags = ACK, .seq = 0, .opt = echo(&c));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .cookie = 0);
	conn_expect_state(&c, ST_ESTABLISHED);
	peer_expect_silence(p, 1000);
}

/* Our answer was lost: the client repeats, and is answered again. */
TEST_F(server, lc_47_repeated_cookie_is_answered)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	redeem(&c);
	for (int i = 0; i < 5; i++) {
		sleep_ms(1000);
		counters_take(&before);
		counters_ignore(&before, "TCPPureAcks", NULL);
		conn_send(&c, .flags = ACK, .seq = 1, .opt = echo(&c));
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .cookie = 0);
		counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, NULL);
	}
	EXPECT_EQ(EAGAIN, socket_accept(c.lfd));
	/* A segment without the cookie ends the repetition. */
	conn_send(&c, .flags = ACK, .seq = 1);
	peer_expect_silence(p, 1000);
}

TEST_F(server, lc_47_server_speaks_first)
{
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	/* The third segment was lost; a second later it is repeated. */
	sleep_ms(1000);
	redeem(&c);
	ASSERT_EQ(6, send(c.fd, "banner", 6, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "banner");
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 5000);
}

/* The SYN-ACK was lost: the SYN is repeated and gets another good cookie. */
TEST_F(server, lc_47_syn_ack_is_lost)
{
	struct peer *p = &self->peer;
	int lfd = cookie_listener(p);
	struct counters before;
	struct conn c;

	counters_take(&before);
	cookie_get(p, &c, lfd, .opt = ALL_OPTIONS);
	sleep_ms(1000);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1, .cookie = 1);
	counters_expect(_metadata, &before, "InSegs", 2, "OutSegs", 2,
			"TCPReqQFullDoCookies", 2, "SyncookiesSent", 2, NULL);
	redeem(&c);
	/* The other cookie is of the same connection: it makes no new one. */
	conn_send(&c, .flags = ACK, .seq = 1,
		  .opt = with(&c, p->last.opt.has_cookie ? p->last.opt.cookie :
							   c.kern_opt.cookie));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
}

TEST_F(server, lc_47_client_resets)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p));
	counters_take(&before);
	conn_send(&c, .flags = RST | ACK, .seq = 1, .opt = echo(&c));
	peer_expect_silence(p, 1000);
	EXPECT_EQ(EAGAIN, socket_accept(c.lfd));
	counters_expect(_metadata, &before, "InSegs", 1, NULL);
	/* A cookie does not record a FIN; the connection ends by the next RST. */
	redeem(&c);
	conn_send(&c, .flags = RST | ACK, .seq = 1);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
}

TEST_F(server, lc_47_syn_is_no_proof)
{
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p));
	conn_send(&c, .flags = SYN | ACK, .seq = 1, .opt = echo(&c));
	conn_expect(&c, .flags = RST, .seq = 1);
	conn_send(&c, .flags = SYN, .seq = 0, .opt = echo(&c));
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .cookie = 1);
	EXPECT_EQ(0, proc_rows(AF_INET, ROW_ESTABLISHED));
}

TEST_F(server, lc_47_accept_queue_is_full)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c, first;

	two_cookies_for_one(p, &first, &c, 1);
	conn_send(&first, .flags = ACK, .opt = echo(&first));
	conn_expect(&first, .flags = ACK, .seq = 1, .ack = 1);
	counters_take(&before);
	conn_send(&c, .flags = ACK, .opt = echo(&c));
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "InSegs", 1, "SyncookiesRecv", 1,
			"ListenOverflows", 1, "ListenDrops", 1, NULL);
	/* With room the client's next repetition connects. */
	conn_accept(&first);
	redeem(&c);
}

/* Mode 1: only while the queue is full, and for two minutes after. */
TEST_F(server, lc_47_full_queue)
{
	struct peer *p = &self->peer;
	struct conn c, queued[3];
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 2);
	for (int i = 0; i < 3; i++) {
		conn_start(p, &queued[i], .lfd = lfd, .opt = ALL_OPTIONS);
		conn_send(&queued[i], .flags = SYN);
		conn_expect(&queued[i], .flags = SYN | ACK, .cookie = 0);
	}
	cookie_get(p, &c, lfd, .opt = ALL_OPTIONS);
	redeem(&c);
	EXPECT_EQ(3, proc_rows(AF_INET, ROW_SYN_RECEIVED));
	/* The queued ones are unaffected. */
	conn_send(&queued[0], .flags = ACK);
	conn_expect_state(&queued[0], ST_ESTABLISHED);
	p->leave_unread = true;
}

TEST_F(server, lc_47_no_overflow_no_belief)
{
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p));
	peer_listen(p, KERNEL_PORT + 1, 16);
	ASSERT_EQ(0, knob_set("syncookies", 0));
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .opt = echo(&c)), 0);
	ASSERT_EQ(0, knob_set("syncookies", 1));
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .dport = KERNEL_PORT + 1,
					    .opt = echo(&c)), 0);
	redeem(&c);
}

TEST_HARNESS_MAIN
