// SPDX-License-Identifier: GPL-2.0
/*
 * forged: lossless cookies that must be refused: wrong ones, old ones, those of
 * others, used ones; and options that only look like one. LC-47;
 * Documentation/synflood.rst says why they can't be forged.
 */
/* vm: families */
#include "lossless.h"

PEER_FIXTURE(server);		/* the kernel listens, the client is made by hand */

/* Each bit counts; and with the option the sequence number alone proves nothing. */
TEST_F(server, lc_47_each_bit_counts)
{
	struct peer *p = &self->peer;
	uint8_t cookie[COOKIE_LEN];
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	for (int bit = 0; bit < 8 * COOKIE_LEN; bit++) {
		peer_note(p, "bit %d", bit);
		memcpy(cookie, c.kern_opt.cookie, COOKIE_LEN);
		cookie[bit / 8] ^= 0x80 >> bit % 8;
		refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .opt = with(&c, cookie)), 1);
	}
	redeem(&c);
}

TEST_F(server, lc_47_wrong_isn)
{
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	for (int bit = 0; bit < 32; bit++)
		refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .ack = 1 + (1LL << bit),
						    .opt = echo(&c)), 1);
	redeem(&c);
}

TEST_F(server, lc_47_other_connection)
{
	struct ipaddr other = ipaddr("10.0.0.3");
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	peer_listen(p, KERNEL_PORT + 1, 16);
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .sport = c.pport + 100,
					    .opt = echo(&c)), 1);
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .dport = KERNEL_PORT + 1,
					    .opt = echo(&c)), 1);
	p->addr = other;
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .src = other,
					    .opt = echo(&c)), 1);
	p->addr = c.peer_addr;
	redeem(&c);
}

/* Two namespaces with the same addresses are two hosts. */
TEST_F(server, lc_47_other_namespace)
{
	struct peer *p = &self->peer, other;
	struct conn c, d;

	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	peer_open_at(WHERE(_metadata), &other, NULL);
	d = c;
	d.peer = &other;
	d.lfd = cookie_listener(&other);
	refused(_metadata, &d, SEGMENT_SPEC(.seq = 1, .opt = echo(&c)), 1);
	refused(_metadata, &d, SEGMENT_SPEC(.seq = 1), 1);
	peer_close_at(WHERE(_metadata), &other);
}

/* The minute counts from boot; a cookie of its first second lives longest. */
TEST_F(server, lc_47_lives_60s_to_120s)
{
	struct peer *p = &self->peer;
	struct conn early, late, old;
	int lfd;

	/* A tick past it: the second that the kernel reads comes with the tick. */
	sleep_ms(60010 - now_ms() % 60000);
	lfd = cookie_listener(p);
	peer_mark(p);
	cookie_get(p, &early, lfd, .opt = ALL_OPTIONS);
	cookie_get(p, &old, lfd, .opt = ALL_OPTIONS);
	peer_sleep_until(p, 59500);
	cookie_get(p, &late, lfd, .opt = ALL_OPTIONS);
	/* In the next minute each is good, ... */
	peer_sleep_until(p, 119000);
	redeem(&early);
	redeem(&late);
	socket_abort(early.fd);
	conn_expect(&early, .flags = RST | ACK);
	socket_abort(late.fd);
	conn_expect(&late, .flags = RST | ACK);
	/* ... in the one after that none is, whether or not its key is there. */
	peer_sleep_until(p, 120500);
	refused(_metadata, &old, SEGMENT_SPEC(.seq = 1, .opt = echo(&old)), 1);
	refused(_metadata, &late, SEGMENT_SPEC(.seq = 1, .opt = echo(&late)), 1);
	cookie_get(p, &early, lfd);
	refused(_metadata, &old, SEGMENT_SPEC(.seq = 1, .opt = echo(&old)), 1);
}

/* Neither a future minute nor one of half an hour ago. */
TEST_F_TIMEOUT(server, lc_47_other_minutes, 4000)
{
	struct peer *p = &self->peer;
	uint8_t cookie[COOKIE_LEN];
	struct conn c;
	int lfd;

	lfd = cookie_listener(p);
	cookie_get(p, &c, lfd);
	memcpy(cookie, c.kern_opt.cookie, COOKIE_LEN);
	for (int i = 1; i < 32; i++) {
		cookie[3] = c.kern_opt.cookie[3] + (i << 3);
		refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .opt = with(&c, cookie)), 1);
	}
	sleep_ms(32 * 60000);
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .opt = echo(&c)), 1);
}

/*
 * Used cookies are not remembered. One that is used again after its connection's end
 * makes another connection, which the client's host refuses because of the immediate
 * ACK.
 */
TEST_F(server, lc_47_replay_after_the_end)
{
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	redeem(&c);
	conn_send(&c, .flags = RST | ACK, .seq = 1);
	conn_expect_state(&c, ST_CLOSED);
	close(c.fd);
	conn_send(&c, .flags = ACK, .seq = 1, .opt = echo(&c));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = RST, .seq = 1);
	conn_expect_state(&c, ST_CLOSED);
	/* It stays in the accept queue, with its error. */
	conn_accept(&c);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
}

TEST_F(server, lc_47_replay_in_time_wait)
{
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	redeem(&c);
	conn_advance(&c, ST_TIME_WAIT, true);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1, .opt = echo(&c));
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_state(&c, ST_TIME_WAIT);
	EXPECT_EQ(EAGAIN, socket_accept(c.lfd));
}

/* A shorter record would let it open another one. */
TEST_F(server, lc_47_replay_with_tw_recycle)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("tw_recycle", 1));
	cookie_get(p, &c, cookie_listener(p), .opt = ALL_OPTIONS);
	redeem(&c);
	conn_advance(&c, ST_TIME_WAIT, true);
	sleep_ms(5000);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1, .opt = echo(&c));
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_state(&c, ST_TIME_WAIT);
	EXPECT_EQ(EAGAIN, socket_accept(c.lfd));
}

/* The server would keep no record (xtcp_tw_stateless), but for the cookie. */
static void replay_after_a_stateless_end(struct __test_metadata *_metadata, struct conn *c,
					 struct optbytes first)
{
	conn_expect(c, .flags = FIN | ACK, .seq = 1, .token = 0);
	conn_send(c, .flags = FIN | ACK, .seq = 5, .ack = 2);
	conn_expect(c, .flags = ACK, .seq = 2, .ack = 6);
	conn_send(c, .flags = PSH | ACK, .seq = 1, .ack = 1, .data = "text", .opt = first);
	conn_expect(c, .flags = ACK, .seq = 2, .ack = 6);
	conn_expect_state(c, ST_TIME_WAIT);
	EXPECT_EQ(EAGAIN, socket_accept(c->lfd));
}

TEST_F(server, lc_47_replay_after_a_stateless_end)
{
	struct peer *p = &self->peer;
	struct optbytes first;
	struct conn c;

	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	for (int lossless = 1; lossless >= 0; lossless--) {
		cookie_get_as(1, p, &c, lossless ? cookie_listener(p) : c.lfd,
			      .opt = ALL_OPTIONS);
		first = lossless ? echo(&c) : conn_spec(&c).opt;
		conn_send(&c, .flags = PSH | ACK, .data = "text", .opt = first);
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5,
			    .within_ms = DELAYED_ACK_MS);
		conn_accept(&c);
		program_reads(_metadata, c.fd, "text");
		close(c.fd);
		replay_after_a_stateless_end(_metadata, &c, first);
	}
}

/* --- options that are no cookie --------------------------------------------- */

/* Skipped like any unknown option: the sequence number is the proof then. */
static void skipped(struct __test_metadata *_metadata, struct peer *p, int lfd,
		    struct optbytes opt)
{
	struct counters before;
	struct conn c;

	cookie_get(p, &c, lfd);
	counters_take(&before);
	counters_ignore(&before, "TCPPureAcks", "TCPDelivered", NULL);
	conn_send(&c, .flags = ACK, .opt = opt);
	peer_expect_silence(p, 100);
	conn_expect_state(&c, ST_ESTABLISHED);
	counters_expect(_metadata, &before, "InSegs", 1, "SyncookiesRecv", 1,
			"PassiveOpens", 1, "CurrEstab", 1, NULL);
	conn_accept(&c);
	conn_send(&c, .flags = RST | ACK);
	close(c.fd);
}

#define SIXTEEN 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16

TEST_F(server, lc_47_no_cookie_at_all)
{
	const struct optbytes opts[] = {
		OPT(OPT_EXID(20, 0x4358), SIXTEEN),		/* another's ExID */
		OPT(OPT_EXID(20, 0xf989), SIXTEEN),
		OPT(OPT_EXID(19, COOKIE_EXID), SIXTEEN),	/* wrong lengths */
		OPT(OPT_EXID(21, COOKIE_EXID), SIXTEEN, 17),
		OPT(OPT_EXID(4, COOKIE_EXID)),
		OPT(253, 3, 0x58),
		OPT(253, 2),
		OPT(253, 1),
		OPT(253, 0),
		OPT(253),
		OPT(OPT_EXID(20, COOKIE_EXID), 1, 2, 3, 4),	/* cut off */
		OPT(254, 20, OPT_BE16(COOKIE_EXID), SIXTEEN),	/* another kind */
		OPT(254, 4, OPT_BE16(COOKIE_EXID)),
		OPT(34, 2),					/* fast open */
		OPT(34, 18, SIXTEEN),
	};
	struct peer *p = &self->peer;
	int lfd = cookie_listener(p);

	for (size_t i = 0; i < ARRAY_SIZE(opts); i++) {
		peer_note(p, "option %zu", i);
		skipped(_metadata, p, lfd, opts[i]);
	}
}

/* The same on a SYN: only the SYN counts. */
TEST_F(server, lc_47_syn_with_such_options)
{
	const struct optbytes opts[] = {
		OPT(OPT_MSS(1400), OPT_EXID(20, COOKIE_EXID), SIXTEEN),
		OPT(OPT_MSS(1400), OPT_EXID(4, COOKIE_EXID)),
		OPT(OPT_MSS(1400), OPT_EXID(4, 0xf989)),
		OPT(OPT_MSS(1400), 254, 4, 1, 2),
		OPT(OPT_MSS(1400), 34, 2, OPT_NOP, OPT_NOP),
	};
	struct peer *p = &self->peer;
	int lfd = cookie_listener(p);
	struct conn c;

	for (size_t i = 0; i < ARRAY_SIZE(opts); i++) {
		cookie_get(p, &c, lfd, .opt = opts[i]);
		EXPECT_EQ(1400, state_of(c.kern_opt.cookie).mss);
		EXPECT_EQ(c.peer_iss, state_of(c.kern_opt.cookie).irs);
		redeem(&c);
		conn_send(&c, .flags = RST | ACK);
		close(c.fd);
	}
}

/* Two of them fill the header; the first one counts. */
TEST_F(server, lc_47_twice)
{
	static const uint8_t bad[] = { COOKIE_HEAD, SIXTEEN };
	static const uint8_t head[] = { COOKIE_HEAD };
	struct optbytes good_first = { 0 }, bad_first = { 0 };
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p));
	option_add(&bad_first, bad, sizeof(bad));
	option_add(&bad_first, head, sizeof(head));
	option_add(&bad_first, c.kern_opt.cookie, COOKIE_LEN);
	refused(_metadata, &c, SEGMENT_SPEC(.seq = 1, .opt = bad_first), 1);
	option_add(&good_first, head, sizeof(head));
	option_add(&good_first, c.kern_opt.cookie, COOKIE_LEN);
	option_add(&good_first, bad, sizeof(bad));
	conn_send(&c, .flags = ACK, .opt = good_first);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* Anywhere among the options, behind padding, too (MUST-64). */
TEST_F(server, lc_47_unaligned)
{
	static const uint8_t head[] = { OPT_NOP, OPT_SACK1(7, 9), COOKIE_HEAD };
	struct optbytes o = { 0 };
	struct peer *p = &self->peer;
	struct conn c;

	cookie_get(p, &c, cookie_listener(p));
	option_add(&o, head, sizeof(head));
	option_add(&o, c.kern_opt.cookie, COOKIE_LEN);
	conn_send(&c, .flags = ACK, .opt = o);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_HARNESS_MAIN
