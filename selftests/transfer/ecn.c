// SPDX-License-Identifier: GPL-2.0
/*
 * ecn: routers report congestion. RFC 3168 (which packets may be marked, and the
 * reaction), RFC 9293 SHLD-8. The peer plays the router as well: it marks its own
 * segments, and echoes marks that nobody made.
 */
/* vm: wires families short */
/* vm: still=rfc8985_7_3_no_probe_of_what_has_arrived */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>

PEER_FIXTURE(ecn);

#define MSS 1000
#define WITH_SACK OPT(OPT_MSS(MSS), OPT_SACKOK)
#define ALL_OPTIONS OPT(OPT_MSS(MSS), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(7))

/* The ECN field of the IP header. */
enum { NOT_ECT, ECT1, ECT0, CE };

#define SETUP (SYN | ECE | CWR)

static bool ecn_is_agreed(struct conn *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_options & TCPI_OPT_ECN;
}

/* The peer connects and asks for ECN; skbs have many segments. */
static void open_whole(struct peer *p, struct conn *c)
{
	conn_start(p, c, .opt = WITH_SACK);
	conn_send(c, .flags = SETUP);
	conn_expect(c, .flags = SYN | ACK | ECE, .ack = 1, .tos = NOT_ECT);
	conn_send(c, .flags = ACK);
	conn_accept(c);
}

/* The same, and each segment is an skb of its own. */
static void open_asked(struct peer *p, struct conn *c)
{
	link_set_single_segments(WHERE(p->test), "tun0");
	open_whole(p, c);
}

/* --- opening ------------------------------------------------------------- */

TEST_F(ecn, rfc9293_shld_08_agrees_when_asked)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* xtcp_ecn = 2, the default. */
	EXPECT_EQ(2, knob_get("ecn"));
	open_asked(p, &c);
	EXPECT_TRUE(ecn_is_agreed(&c));
	flight_write(&c, 1);
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .len = MSS, .tos = ECT0);
}

TEST_F(ecn, knob_ecn_2_does_not_ask)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .tos = NOT_ECT);
	/* Nor does it accept what it did not ask for. */
	conn_send(&c, .flags = SYN | ACK | ECE);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_FALSE(ecn_is_agreed(&c));
	conn_write(&c, MSS);
	conn_expect(&c, .flags = PSH | ACK, .len = MSS, .tos = NOT_ECT);
}

TEST_F(ecn, knob_ecn_1_asks)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("ecn", 1));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SETUP, .tos = NOT_ECT);
	conn_send(&c, .flags = SYN | ACK | ECE);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .tos = NOT_ECT);
	EXPECT_TRUE(ecn_is_agreed(&c));
	conn_write(&c, MSS);
	conn_expect(&c, .flags = PSH | ACK, .len = MSS, .tos = ECT0);
}

/* 6.1.1: ECE alone agrees; both bits mirror those of the SYN. */
TEST_F(ecn, rfc3168_6_1_1_mirrored_bits_agree_to_nothing)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("ecn", 1));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SETUP);
	conn_send(&c, .flags = SYN | ACK | ECE | CWR);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_FALSE(ecn_is_agreed(&c));
	conn_write(&c, MSS);
	conn_expect(&c, .flags = PSH | ACK, .len = MSS, .tos = NOT_ECT);
}

TEST_F(ecn, rfc3168_6_1_1_a_peer_that_cannot)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("ecn", 1));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SETUP);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_FALSE(ecn_is_agreed(&c));
}

TEST_F(ecn, rfc3168_6_1_1_both_connect)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("ecn", 1));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SETUP);
	conn_send(&c, .flags = SETUP);
	conn_expect(&c, .flags = SYN | ACK | ECE, .seq = 0, .ack = 1);
	conn_send(&c, .flags = ACK);
	EXPECT_TRUE(ecn_is_agreed(&c));
}

TEST_F(ecn, knob_ecn_0_neither_asks_nor_answers)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("ecn", 0));
	conn_start(p, &c);
	conn_send(&c, .flags = SETUP);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_FALSE(ecn_is_agreed(&c));
	EXPECT_EQ(EINVAL, knob_set("ecn", 6));
	EXPECT_EQ(0, knob_get("ecn"));
}

/* Some device sets the bits of all packets, also of those that may not have them. */
TEST_F(ecn, rfc3168_6_1_1_an_ect_syn_agrees_to_nothing)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c);
	conn_send(&c, .flags = SETUP, .tos = ECT0);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = RST, .seq = 1);

	/* An ECT SYN that tries an extension is accepted. */
	conn_start(p, &c, .lfd = c.lfd);
	conn_send(&c, .flags = SETUP, .tos = ECT0, .reserved = 1);
	conn_expect(&c, .flags = SYN | ACK | ECE, .ack = 1);
	conn_send(&c, .flags = RST, .seq = 1);
}

/* One of the two bits alone does not ask. */
TEST_F(ecn, rfc3168_6_1_1_half_a_question)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c);
	conn_send(&c, .flags = SYN | ECE);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = RST, .seq = 1);
	conn_start(p, &c, .lfd = c.lfd);
	conn_send(&c, .flags = SYN | CWR);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = RST, .seq = 1);
}

/* 6.1.1.1: a path that drops such SYNs must not be cut off. */
TEST_F(ecn, knob_ecn_fallback)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("ecn", 1));
	EXPECT_EQ(1, knob_get("ecn_fallback"));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SETUP);
	peer_mark_last(p);
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 1000);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_FALSE(ecn_is_agreed(&c));
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1);
	conn_send(&c, .flags = RST | ACK, .seq = 1);

	ASSERT_EQ(0, knob_set("ecn_fallback", 0));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SETUP);
	peer_mark_last(p);
	conn_expect(&c, .flags = SETUP, .seq = 0, .at_ms = 1000);
	conn_send(&c, .flags = SYN | ACK | ECE);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_TRUE(ecn_is_agreed(&c));
}

/* A half-open record keeps the agreement; a repeated SYN-ACK carries it again. */
TEST_F(ecn, rfc3168_6_1_1_the_syn_ack_is_repeated)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = SETUP);
	conn_expect(&c, .flags = SYN | ACK | ECE, .ack = 1);
	peer_mark_last(p);
	conn_expect(&c, .flags = SYN | ACK | ECE, .seq = 0, .ack = 1, .at_ms = 1000);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_TRUE(ecn_is_agreed(&c));
}

TEST_F(ecn, lc_47_a_classic_cookie_keeps_it)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("syncookies", 2));
	ASSERT_EQ(0, knob_set("timestamps", 2));	/* TSval without an offset */
	conn_start(p, &c, .opt = ALL_OPTIONS);
	conn_send(&c, .flags = SETUP);
	conn_expect(&c, .flags = SYN | ACK | ECE, .ack = 1);
	EXPECT_TRUE(p->last.opt.tsval & 0x20);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_TRUE(ecn_is_agreed(&c));

	/* What was not asked for is not in the cookie. */
	conn_start(p, &c, .opt = ALL_OPTIONS, .lfd = c.lfd);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	EXPECT_FALSE(p->last.opt.tsval & 0x20);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_FALSE(ecn_is_agreed(&c));
}

/*
 * Without timestamps the agreement is in the option alone: a client that does not know
 * the option would not be believed later.
 */
TEST_F(ecn, lc_47_a_lossless_cookie_keeps_it)
{
	struct peer *p = &self->peer;
	static const uint8_t head[] = { OPT_EXID(4 + COOKIE_LEN, COOKIE_EXID) };
	struct optbytes echo = { .len = sizeof(head) + COOKIE_LEN };
	struct conn c;

	NOT_ON_STOCK();		/* it has no such option */
	peer_go_native(p);
	ASSERT_EQ(0, knob_set("syncookies", 2));
	conn_start(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = SETUP);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .cookie = 1);
	EXPECT_TRUE(c.kern_opt.cookie[3] & 4);
	memcpy(echo.b, head, sizeof(head));
	memcpy(echo.b + sizeof(head), c.kern_opt.cookie, COOKIE_LEN);
	conn_send(&c, .flags = ACK, .opt = echo);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_accept(&c);
	EXPECT_TRUE(ecn_is_agreed(&c));
}

/* --- what may be marked -------------------------------------------------- */

TEST_F(ecn, rfc3168_6_1_5_no_ect_on_retransmissions)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	flight_write(&c, 1);
	conn_expect(&c, .len = MSS, .seq = 1, .tos = ECT0);
	peer_mark_last(p);
	/* The loss probe, and the timeout. */
	conn_expect(&c, .len = MSS, .seq = 1, .tos = NOT_ECT, .within_ms = 300);
	conn_expect(&c, .len = MSS, .seq = 1, .tos = NOT_ECT, .within_ms = 600);
	conn_send(&c, .flags = ACK);
	flight_write(&c, 1);
	flight_expect(&c, 1, .tos = ECT0);
}

TEST_F(ecn, rfc3168_6_1_4_no_ect_without_text)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	for (int i = 0; i < 2; i++)
		conn_send(&c, .flags = ACK, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK, .seq = 1, .tos = NOT_ECT);
	if (conn_peer_nxt(&c) != (int64_t)(p->last.ack - c.peer_iss))
		conn_expect(&c, .flags = ACK, .seq = 1, .tos = NOT_ECT);
	close(c.fd);		/* unread text: a reset */
	conn_expect(&c, .flags = RST | ACK, .tos = NOT_ECT);
}

TEST_F(ecn, rfc3168_6_1_4_no_ect_on_a_bare_fin)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	shutdown(c.fd, SHUT_WR);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .tos = NOT_ECT);
	conn_send(&c, .flags = ACK);
}

/* The program's bits are those above. */
TEST_F(ecn, rfc3168_5_ip_tos_is_the_user_s)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	EXPECT_EQ(0, socket_set_ip(c.fd, IP_TOS, 0x10 | CE));
	flight_write(&c, 1);
	conn_expect(&c, .len = MSS, .tos = 0x10 | ECT0);
	conn_send(&c, .flags = ACK, .len = MSS);
	conn_expect(&c, .flags = ACK, .tos = 0x10, .within_ms = 210);
}

/* --- receiver ------------------------------------------------------------ */

TEST_F(ecn, rfc3168_6_1_3_ce_is_echoed_until_cwr)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	open_asked(p, &c);
	counters_begin(&before);
	conn_send(&c, .flags = ACK, .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 1), .tos = NOT_ECT);
	/* All segments carry ECE, data as well. */
	flight_write(&c, 1);
	conn_expect(&c, .flags = PSH | ACK | ECE, .ack = flight_seq(&c, 1), .len = MSS,
		    .tos = ECT0);
	conn_send(&c, .flags = ACK);
	conn_send(&c, .flags = ACK, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 2), .within_ms = 210);
	/* Until the peer has reduced its window: that segment's ACK is sent at once. */
	conn_send(&c, .flags = ACK | CWR, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK, .ack = flight_seq(&c, 3));
	conn_send(&c, .flags = ACK | PSH, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK, .ack = flight_seq(&c, 4), .within_ms = 210);
	/* CE along with CWR is a new mark. */
	conn_send(&c, .flags = ACK | CWR, .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 5));
	counters_expect(_metadata, &before, NULL);
}

/* In the beginning each segment is acknowledged at once, but not after 16 of them. */
static void past_quick_acks(struct conn *c, int tos)
{
	for (int i = 0; i < 20; i++) {
		conn_send(c, .flags = ACK, .len = MSS, .tos = tos);
		conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = 210);
	}
}

/* The ACK of the next segment comes after @ms, if nothing calls for it earlier. */
static void acked_after(struct conn *c, int flags, int tos, int ms)
{
	peer_mark(c->peer);
	conn_send(c, .flags = ACK | flags, .len = MSS, .tos = tos);
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .at_ms = ms);
}

#define DELAYED_MS 40

/* Two segments may be all that the sender's window still has. */
TEST_F(ecn, rfc3168_6_1_3_cwr_is_acknowledged_at_once)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	past_quick_acks(&c, ECT0);
	acked_after(&c, 0, ECT0, DELAYED_MS);
	acked_after(&c, CWR, ECT0, 0);
	acked_after(&c, 0, ECT0, DELAYED_MS);
	/* CWR without data is accepted as well, but calls for no ACK. */
	conn_send(&c, .flags = ACK, .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK | ECE, .ack = conn_peer_nxt(&c));
	conn_send(&c, .flags = ACK | CWR);
	peer_expect_silence(p, 100);
	conn_send(&c, .flags = ACK, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c), .within_ms = 60);
}

/* A segment without ECT among ECT ones is a retransmission: two ACKs without delay. */
TEST_F(ecn, rfc3168_6_1_5_retransmissions_are_acknowledged_at_once)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	past_quick_acks(&c, NOT_ECT);
	/* No segment was ECT so far: it means nothing. */
	acked_after(&c, 0, NOT_ECT, DELAYED_MS);
	acked_after(&c, 0, ECT0, DELAYED_MS);
	acked_after(&c, 0, NOT_ECT, 0);
	acked_after(&c, 0, ECT0, 0);
	acked_after(&c, 0, ECT0, DELAYED_MS);
}

/* A mark above a hole counts as well. */
TEST_F(ecn, rfc3168_6_1_3_ce_out_of_order)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	conn_send(&c, .flags = ACK, .seq = flight_seq(&c, 1), .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK | ECE, .ack = 1, .sacks = 1,
		    .sack = {{ flight_seq(&c, 1), flight_seq(&c, 2) }});
}

/* That of a FIN alone does, too, as in Linux. */
TEST_F(ecn, rfc3168_6_1_3_ce_of_a_fin_above_a_hole)
{
	struct conn c;

	open_asked(&self->peer, &c);
	conn_send(&c, .flags = FIN | ACK, .seq = 1 + MSS, .tos = CE);
	conn_expect(&c, .flags = ACK | ECE, .ack = 1, .sacks = 1, .sack = {{ 1 + MSS, 2 + MSS }});
}

/* Marks on old data do not count: RFC 3168 6.1.5. */
TEST_F(ecn, rfc3168_6_1_5_ce_on_a_duplicate_is_ignored)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	conn_send(&c, .flags = ACK, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK, .ack = flight_seq(&c, 1), .within_ms = 210);
	conn_send(&c, .flags = ACK, .seq = 1, .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK, .ack = flight_seq(&c, 1));
}

TEST_F(ecn, rfc3168_6_1_ce_means_nothing_where_it_was_not_agreed)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = ACK, .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK, .ack = flight_seq(&c, 1), .within_ms = 210);
	flight_write(&c, 10);
	flight_expect_all(&c, 0, 9, .tos = NOT_ECT);
	conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 10));
	EXPECT_LE(10, conn_info(&c).cwnd);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
}

/* --- sender -------------------------------------------------------------- */

/* Ten in flight, and the peer echoes a mark. */
static void ten_marked(struct __test_metadata *_metadata, struct conn *c)
{
	socket_set(c->fd, SOL_SOCKET, SO_SNDBUF, 1000000);
	flight_write(c, 40);
	flight_expect_all(c, 0, 9, .tos = ECT0);
	conn_send(c, .flags = ACK | ECE, .ack = flight_seq(c, 1));
}

TEST_F(ecn, rfc3168_6_1_2_ece_reduces_once_a_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	ten_marked(_metadata, &c);
	/* One segment for the first delivered: with CWR, and no other has it. */
	flight_expect(&c, 10, .flags = ACK | CWR, .tos = ECT0);
	EXPECT_EQ(7, conn_info(&c).ssthresh);
	EXPECT_EQ(TCP_CA_CWR, conn_info(&c).recovery);
	/* More echoes of the same window: no effect. PRR: seven for ten, then seven. */
	for (int i = 2, next = 11; i <= 10; i++) {
		int pipe = next - i;

		conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, i));
		if (pipe > 7 ? (7 * i + 9) / 10 > next - 10 : pipe < 7) {
			flight_expect(&c, next, .flags = ACK, .tos = ECT0);
			next++;
		}
	}
	EXPECT_EQ(7, conn_info(&c).ssthresh);
	EXPECT_EQ(TCP_CA_CWR, conn_info(&c).recovery);
	/*
	 * An ACK above what was in flight then shows that CWR has arrived: the
	 * reduction ends.
	 */
	flight_ack(&c, 11);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	EXPECT_EQ(7, conn_info(&c).ssthresh);
	EXPECT_LE(7, conn_info(&c).cwnd);
	p->leave_unread = true;
}

/*
 * Several segments in one skb: only the first has CWR, because a later one would
 * cancel a mark made meanwhile; each has ECE and ECT(0).
 */
TEST_F(ecn, rfc3168_6_1_2_cwr_on_the_first_of_many)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* which sends them in smaller skbs */
	open_whole(p, &c);
	flight_write(&c, 10);
	flight_expect_all(&c, 0, 9, .tos = ECT0);
	conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 10));
	conn_send(&c, .flags = ACK, .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 1));
	/* The window is 7 now, so the first skb takes three, with PSH in the last. */
	flight_write(&c, 4);
	for (int i = 10; i < 14; i++)
		conn_expect(&c, .flags = ACK | ECE | (i == 10 ? CWR : 0) | (i >= 12 ? PSH : 0),
			    .seq = flight_seq(&c, i), .ack = flight_seq(&c, 1),
			    .len = MSS, .tos = ECT0);
	conn_send(&c, .flags = ACK | CWR, .ack = flight_seq(&c, 14));
	flight_write(&c, 2);
	flight_expect(&c, 14, .flags = ACK, .tos = ECT0);
	flight_expect(&c, 15, .flags = ACK | PSH, .tos = ECT0);
}

/* One ACK echoes a mark for a whole flight, and leaves none of it. */
TEST_F(ecn, rfc5681_3_1_half_of_what_was_in_flight)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	flight_write(&c, 10);
	flight_expect_all(&c, 0, 9, .tos = ECT0);
	conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 10));
	peer_expect_silence(p, 5);
	EXPECT_EQ(TCP_CA_CWR, conn_info(&c).recovery);
	EXPECT_EQ(5, conn_info(&c).ssthresh);
}

/* The next window may be reduced again. */
TEST_F(ecn, rfc3168_6_1_2_the_next_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	ten_marked(_metadata, &c);
	flight_expect(&c, 10, .flags = ACK | CWR);
	flight_ack(&c, 10);
	peer_drain(p, 1);
	conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 11));
	EXPECT_EQ(TCP_CA_CWR, conn_info(&c).recovery);
	EXPECT_EQ(4, conn_info(&c).ssthresh);
	p->leave_unread = true;
}

/*
 * A mark of the last window, echoed by an ACK that a later one has overtaken. It reports again that
 * a segment has arrived, and its reduction is over.
 */
TEST_F(ecn, rfc3168_6_1_2_an_overtaken_echo_reduces_nothing)
{
	struct peer *p = &self->peer;
	struct socket_info before;
	struct conn c;

	open_asked(p, &c);
	ten_marked(_metadata, &c);
	flight_expect(&c, 10, .flags = ACK | CWR);
	flight_ack(&c, 11);
	peer_drain(p, 1);
	before = conn_info(&c);
	EXPECT_EQ(TCP_CA_Open, before.recovery);
	EXPECT_EQ(7, before.ssthresh);
	EXPECT_LT(0, before.unacked);
	flight_sack_flags(&c, ECE, 5, { 6, 7 });
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	EXPECT_EQ(7, conn_info(&c).ssthresh);
	EXPECT_EQ(before.cwnd, conn_info(&c).cwnd);
	/* Neither when all of that is acknowledged. */
	flight_ack(&c, 11 + before.unacked);
	EXPECT_LE(before.cwnd, conn_info(&c).cwnd);
	p->leave_unread = true;
}

/* An ACK shows a loss and echoes a mark: what it acknowledges does not open the window first. */
TEST_F(ecn, rfc3168_6_1_2_an_echo_with_a_loss_opens_nothing)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	flight_write(&c, 10);
	flight_expect_all(&c, 0, 9, .tos = ECT0);
	flight_sack_flags(&c, ECE, 5, { 6, 10 });
	EXPECT_EQ(TCP_CA_Recovery, conn_info(&c).recovery);
	EXPECT_EQ(7, conn_info(&c).ssthresh);
	p->leave_unread = true;
}

TEST_F(ecn, ctr_TCPDeliveredCE)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	open_asked(p, &c);
	counters_take(&before);
	ten_marked(_metadata, &c);
	flight_expect(&c, 10, .flags = ACK | CWR);
	conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 5));
	peer_drain(p, 1);
	flight_ack(&c, 10);
	peer_drain(p, 1);
	EXPECT_EQ(10, counter_moved(&before, "TCPDelivered"));
	EXPECT_EQ(5, counter_moved(&before, "TCPDeliveredCE"));
	p->leave_unread = true;
}

/* A loss in the window of a mark: one reduction for both. */
TEST_F(ecn, rfc3168_6_1_2_a_loss_meanwhile)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	ten_marked(_metadata, &c);
	flight_expect(&c, 10, .flags = ACK | CWR);
	EXPECT_EQ(7, conn_info(&c).ssthresh);
	flight_sack(&c, 1, { 2, 6 });
	flight_expect(&c, 1, .tos = NOT_ECT);
	EXPECT_EQ(TCP_CA_Recovery, conn_info(&c).recovery);
	EXPECT_EQ(7, conn_info(&c).ssthresh);
	p->leave_unread = true;
}

/* CWR also follows a loss: 6.1.2, last paragraph. */
TEST_F(ecn, rfc3168_6_1_2_cwr_after_a_loss)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(p, &c);
	flight_write(&c, 10);
	flight_expect_all(&c, 0, 9);
	flight_sack(&c, 0, { 1, 10 });
	flight_expect(&c, 0, .flags = ACK, .tos = NOT_ECT);
	flight_ack(&c, 10);
	flight_write(&c, 2);
	flight_expect(&c, 10, .flags = ACK | CWR, .tos = ECT0);
	flight_expect(&c, 11, .flags = PSH | ACK, .tos = ECT0);
}

/* Ten in flight, the first of which seems lost, and is sent again. */
static void first_of_ten_late(struct __test_metadata *_metadata, struct conn *c, int flags)
{
	flight_write(c, 10);
	flight_expect_all(c, 0, 9, .tos = ECT0);
	flight_sack_flags(c, flags, 0, { 1, 10 });
	flight_expect(c, 0, .flags = ACK, .tos = NOT_ECT);
	EXPECT_EQ(7, conn_info(c).ssthresh);
	flight_ack(c, 10);
	/* Both copies arrived: nothing was lost. */
	flight_sack(c, 10, { 0, 1 });
}

/* A reduction that was undone is not reported; one for a mark stands. */
TEST_F(ecn, rfc3168_6_1_2_no_cwr_where_nothing_was_lost)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	open_asked(p, &c);
	counters_begin(&before);
	first_of_ten_late(_metadata, &c, 0);
	counters_expect(_metadata, &before, "TCPSackRecovery", 1, "TCPFastRetrans", 1,
			"RetransSegs", 1, "TCPDSACKRecv", 1, "TCPDSACKRecvSegs", 1,
			"TCPDSACKUndo", 1, NULL);
	EXPECT_EQ(INT32_MAX, conn_info(&c).ssthresh);
	flight_write(&c, 2);
	flight_expect(&c, 10, .flags = ACK, .tos = ECT0);
	flight_expect(&c, 11, .flags = PSH | ACK, .tos = ECT0);
	conn_send(&c, .flags = RST);
	close(c.lfd);

	open_whole(p, &c);
	first_of_ten_late(_metadata, &c, ECE);
	EXPECT_EQ(7, conn_info(&c).ssthresh);
	flight_write(&c, 1);
	flight_expect(&c, 10, .flags = PSH | ACK | CWR, .tos = ECT0);
	conn_send(&c, .flags = RST);
}

/*
 * During a reduction for a mark probes may be sent. The probe is the last segment, but
 * not one that the peer has reported.
 */
TEST_F(ecn, rfc8985_7_3_no_probe_of_what_has_arrived)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();		/* sends it again all the same */
	/* By time a hole below it would be lost before a probe is due. */
	ASSERT_EQ(0, knob_set("recovery", 0));
	open_asked(p, &c);
	flight_write(&c, 10);
	flight_expect_all(&c, 0, 9, .tos = ECT0);
	conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 1));
	EXPECT_EQ(TCP_CA_CWR, conn_info(&c).recovery);
	/* Two ticks (20 ms on User-mode Linux) and two round trips, or an RTO (200 ms). */
	flight_expect(&c, 9, .tos = NOT_ECT, .within_ms = 30);
	conn_send(&c, .flags = RST);
	close(c.lfd);

	open_whole(p, &c);
	peer_mark(p);
	flight_write(&c, 10);
	flight_expect_all(&c, 0, 9, .tos = ECT0);
	counters_take(&before);
	conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 1));
	flight_sack(&c, 1, { 8, 10 });
	EXPECT_EQ(TCP_CA_CWR, conn_info(&c).recovery);
	flight_expect(&c, 1, .tos = NOT_ECT,
		    .at_ms = conn_info(&c).rto_us / 1000);
	EXPECT_EQ(0, counter_moved(&before, "TCPLossProbes"));
	EXPECT_EQ(1, counter_moved(&before, "TCPTimeouts"));
	conn_send(&c, .flags = RST);
}

/* RFC 3168 6.1.2: with one segment the sender does not wait longer than necessary. */
TEST_F(ecn, ece_never_below_two)
{
	struct peer *p = &self->peer;
	struct conn c;
	int next = 0;

	open_asked(p, &c);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1000000);
	for (int i = 0; i < 8; i++) {
		flight_write(&c, 2);
		flight_expect_all(&c, next, next + 1);
		next += 2;
		conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, next));
	}
	EXPECT_EQ(2, conn_info(&c).ssthresh);
	EXPECT_LE(1, conn_info(&c).cwnd);
}

/* --- routes -------------------------------------------------------------- */

TEST_F(ecn, route_feature_ecn_asks_and_answers)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("ecn", 0));
	route_add_metrics(WHERE(_metadata), &p->addr, 32, "tun0",
			  &(struct route_metrics){ .value[RTAX_FEATURES] = RTAX_FEATURE_ECN });
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SETUP);
	conn_send(&c, .flags = SYN | ACK | ECE);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_TRUE(ecn_is_agreed(&c));

	conn_start(p, &c);
	conn_send(&c, .flags = SETUP);
	conn_expect(&c, .flags = SYN | ACK | ECE, .ack = 1);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_TRUE(ecn_is_agreed(&c));
}

TEST_HARNESS_MAIN
