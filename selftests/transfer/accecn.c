// SPDX-License-Identifier: GPL-2.0
/*
 * accecn: Accurate ECN, RFC 9768: the opening, the field ACE, and the option. The peer plays the
 * path as well: it marks its own segments, and reports marks that nobody made.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>

PEER_FIXTURE(accecn);
PAIR_FIXTURE(path);		/* xtcp at both ends, and a router between them */

#define MSS 1000
#define WITH_SACK OPT(OPT_MSS(MSS), OPT_SACKOK)
#define WITH_TS OPT(OPT_MSS(MSS), OPT_SACKOK, OPT_TS(1, 0))

/* The ECN field of the IP header. */
enum { NOT_ECT, ECT1, ECT0, CE };

/* Values of the field ACE. */
#define ACE(n) (((n) & 4 ? AE : 0) | ((n) & 2 ? CWR : 0) | ((n) & 1 ? ECE : 0))
#define OFFER (SYN | ACE(7))
#define FIRST 5
/* How the opening reports a codepoint: table 2. */
static const int reflected[] = { [NOT_ECT] = 2, [ECT1] = 3, [ECT0] = 4, [CE] = 6 };

/* The end of struct tcp_info as Linux 7.2 has it; this program's header may be older. */
struct info_end {
	unsigned char before[248];
	uint32_t received_ce;
	uint32_t delivered_e1, delivered_e0, delivered_ce;
	uint32_t received_e1, received_e0, received_ce_bytes;
	uint32_t mode:2, seen:2, fail:4, rest:24;
};

enum { MODE_NONE, MODE_CLASSIC, MODE_ACCURATE, MODE_PENDING };
enum { FAIL_ACE_SEND = 1, FAIL_ACE_RECV = 2, FAIL_OPT_SEND = 4, FAIL_OPT_RECV = 8 };

static struct info_end info_end_of(int fd)
{
	struct info_end info = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info;
}

static struct info_end info_end(struct conn *c)
{
	return info_end_of(c->fd);
}

static int info_mode(struct conn *c)
{
	return info_end(c).mode;
}

static int info_fail(struct conn *c)
{
	return info_end(c).fail;
}

/* The peer connects and offers it; it has no option, so that none comes. */
static void open_asked(struct peer *p, struct conn *c)
{
	check(!knob_set("ecn", 3), WHERE(p->test), "knob ecn");
	conn_start(p, c, .opt = WITH_SACK);
	conn_send(c, .flags = OFFER);
	conn_expect(c, .flags = SYN | ACK | ACE(2), .ack = 1, .tos = NOT_ECT);
	conn_send(c, .flags = ACK | ACE(2), .tos = ECT0);
	conn_accept(c);
}

/* --- opening ------------------------------------------------------------- */

TEST_F(accecn, rfc9768_3_1_1_syn_acks)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	for (int ace = 0; ace < 8; ace++) {
		int mode = ace == 0 || ace == 7 ? MODE_NONE :
			   ace == 1 ? MODE_CLASSIC : MODE_ACCURATE;
		/* Our SYN was Not-ECT: if the peer saw anything else, marks mean nothing. */
		bool changed = ace == 3 || ace == 4 || ace == 6;

		conn_start(p, &c, .active = true);
		conn_expect(&c, .flags = OFFER, .tos = NOT_ECT, .accecn = ABSENT);
		EXPECT_EQ(MODE_PENDING, info_mode(&c));
		conn_send(&c, .flags = SYN | ACK | ACE(ace));
		conn_expect(&c, .flags = ACK | (mode == MODE_ACCURATE ? ACE(2) : 0),
			    .tos = mode == MODE_ACCURATE && !changed ? ECT0 : NOT_ECT);
		EXPECT_EQ(mode, info_mode(&c));
		EXPECT_EQ(changed ? FAIL_ACE_RECV : 0, info_fail(&c));
		conn_write(&c, 100);
		conn_expect(&c, .flags = PSH | ACK | (mode == MODE_ACCURATE ? ACE(FIRST) : 0),
			    .len = 100, .tos = mode == MODE_NONE || changed ? NOT_ECT : ECT0);
		conn_send(&c, .flags = RST);
		close(c.fd);
	}
}

TEST_F(accecn, rfc9768_3_1_2_syns)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	for (int ace = 0; ace < 8; ace++) {
		int answer = ace == 0 ? 0 : ace == 3 ? 1 : 2;

		conn_start(p, &c, .opt = WITH_SACK);
		conn_send(&c, .flags = SYN | ACE(ace));
		conn_expect(&c, .flags = SYN | ACK | ACE(answer), .tos = NOT_ECT,
			    .accecn = answer == 2 ? 3 : ABSENT);
		conn_send(&c, .flags = RST | ACK);
		close(c.lfd);
	}
}

/* Table 2: the SYN-ACK reports how the SYN has arrived, the third segment how the SYN-ACK has. */
TEST_F(accecn, rfc9768_3_1_1_codepoints_are_reported)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	for (int tos = NOT_ECT; tos <= CE; tos++) {
		conn_start(p, &c, .opt = WITH_SACK);
		conn_send(&c, .flags = OFFER, .tos = tos);
		conn_expect(&c, .flags = SYN | ACK | ACE(reflected[tos]), .tos = NOT_ECT,
			    .accecn = 3, .e1b = 1, .ceb = 0, .e0b = 1);
		conn_send(&c, .flags = RST | ACK);
		close(c.lfd);

		conn_start(p, &c, .active = true);
		conn_expect(&c, .flags = OFFER);
		conn_send(&c, .flags = SYN | ACK | ACE(2), .tos = tos);
		conn_expect(&c, .flags = ACK | ACE(reflected[tos]), .tos = ECT0);
		EXPECT_EQ(tos == CE, info_end(&c).received_ce);
		/* It comes again: the ACK was lost. */
		conn_send(&c, .flags = SYN | ACK | ACE(2), .seq = 0, .tos = tos);
		conn_expect(&c, .flags = ACK | ACE(reflected[tos]), .tos = ECT0);
		conn_send(&c, .flags = RST);
		close(c.fd);
	}
}

/* Anybody can send a SYN: its answer counts as any other ACK, and reports no handshake. */
TEST_F(accecn, rfc9768_3_2_2_3_spoofed_syns)
{
	static const struct { int flags, seq; } syns[] = {
		{ SYN, 0 }, { SYN, 500 }, { SYN, 200000 }, { SYN, -70000 },
		{ SYN | ACK, 500 }, { SYN | ACK, -70000 },
	};
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	open_asked(p, &c);
	for (size_t i = 0; i < sizeof(syns) / sizeof(syns[0]); i++) {
		sleep_ms(600);
		conn_send(&c, .flags = syns[i].flags, .seq = (uint32_t)syns[i].seq, .ack = 1,
			  .tos = CE);
		conn_expect(&c, .flags = ACK | ACE(FIRST), .ack = 1);
	}
	EXPECT_EQ(0, info_end(&c).received_ce);
}

/* For each value of xtcp_ecn: what our SYN asks for, and what a SYN with all three flags gets. */
TEST_F(accecn, knob_ecn)
{
	static const int asks[] = { 0, 3, 0, 7, 3, 0 };
	static const int answers[] = { 0, 1, 1, 2, 2, 2 };
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	EXPECT_EQ(2, knob_get("ecn"));
	EXPECT_EQ(EINVAL, knob_set("ecn", 6));
	for (int knob = 0; knob < 6; knob++) {
		ASSERT_EQ(0, knob_set("ecn", knob));
		conn_start(p, &c, .active = true);
		conn_expect(&c, .flags = SYN | ACE(asks[knob]));
		conn_send(&c, .flags = RST | ACK, .ack = 1);
		close(c.fd);
		conn_start(p, &c);
		conn_send(&c, .flags = OFFER);
		conn_expect(&c, .flags = SYN | ACK | ACE(answers[knob]));
		conn_send(&c, .flags = RST | ACK);
		close(c.lfd);
	}
}

/* 3.1.4.1: two SYNs offer it, later ones nothing; the answer to the first still counts. */
TEST_F(accecn, rfc9768_3_1_4_1_syns_again)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = OFFER);
	peer_mark_last(p);
	conn_expect(&c, .flags = OFFER, .seq = 0, .at_ms = 1000);
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 3000);
	conn_send(&c, .flags = SYN | ACK | ACE(2));
	conn_expect(&c, .flags = ACK | ACE(2), .tos = ECT0);
	EXPECT_EQ(MODE_ACCURATE, info_mode(&c));
}

/* 3.1.4.2: likewise SYN-ACKs; then what we send is not ECT. */
TEST_F(accecn, rfc9768_3_1_4_2_syn_acks_again)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	conn_start(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = OFFER);
	conn_expect(&c, .flags = SYN | ACK | ACE(2), .accecn = 3);
	peer_mark_last(p);
	conn_expect(&c, .flags = SYN | ACK | ACE(2), .seq = 0, .accecn = ABSENT,
		    .at_ms = 1000);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .accecn = ABSENT, .at_ms = 3000);
	conn_send(&c, .flags = ACK | ACE(2));
	conn_accept(&c);
	EXPECT_EQ(FAIL_ACE_SEND, info_fail(&c));
	conn_write(&c, 100);
	conn_expect(&c, .flags = PSH | ACK | ACE(FIRST), .len = 100, .tos = NOT_ECT);
}

/* 3.2.2.4: a third segment with ACE 0: something clears the field. */
TEST_F(accecn, rfc9768_3_2_2_4_cleared_ace)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	conn_start(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = OFFER);
	conn_expect(&c, .flags = SYN | ACK | ACE(2));
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_EQ(FAIL_ACE_RECV | FAIL_OPT_RECV, info_fail(&c));
	conn_write(&c, 100);
	conn_expect(&c, .flags = PSH | ACK | ACE(FIRST), .len = 100, .tos = NOT_ECT);
	/* Nor is it believed later. */
	conn_send(&c, .flags = ACK | ACE(FIRST + 2), .ack = 101);
	EXPECT_EQ(0, conn_tcp_info(&c).tcpi_delivered_ce);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
}

/* The timeouts of TCP_DEFER_ACCEPT are no loss: the client has answered the SYN-ACK. */
TEST_F(accecn, rfc9768_3_1_4_2_deferred_is_marked)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	conn_start(p, &c, .opt = WITH_SACK);
	socket_set(c.lfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
	conn_send(&c, .flags = OFFER);
	conn_expect(&c, .flags = SYN | ACK | ACE(2));
	conn_send(&c, .flags = ACK | ACE(2));
	/* Two timeouts, at 1 and 3 s. */
	peer_expect_silence(p, 5000);
	conn_send(&c, .flags = ACK | ACE(FIRST), .len = 100);
	conn_accept(&c);
	conn_expect(&c, .flags = ACK | ACE(FIRST), .ack = 101, .within_ms = 210);
	EXPECT_EQ(0, info_fail(&c));
	conn_write(&c, 100);
	conn_expect(&c, .flags = PSH | ACK | ACE(FIRST), .len = 100, .tos = ECT0);
}

TEST_F(accecn, rfc9768_3_2_2_1_syn_ack_with_ce)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn_fallback", 0));
	ASSERT_EQ(0, knob_set("ecn", 3));
	conn_start(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = OFFER);
	conn_expect(&c, .flags = SYN | ACK | ACE(2));
	conn_send(&c, .flags = ACK | ACE(6));
	conn_accept(&c);
	EXPECT_EQ(1, conn_tcp_info(&c).tcpi_delivered_ce);
	EXPECT_EQ(0, info_fail(&c));
}

TEST_F(accecn, rfc9768_3_1_1_both_connect)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = OFFER);
	conn_send(&c, .flags = OFFER, .tos = ECT0);
	conn_expect(&c, .flags = SYN | ACK | ACE(4), .seq = 0, .ack = 1);
	conn_send(&c, .flags = ACK | ACE(2));
	EXPECT_EQ(MODE_ACCURATE, info_mode(&c));
	conn_write(&c, 100);
	conn_expect(&c, .flags = PSH | ACK | ACE(FIRST), .len = 100, .tos = ECT0);
}

/* A SYN-ACK that was late: a SACK came first. The answer still reports its ECN field. */
TEST_F(accecn, rfc9768_3_2_2_1_syn_ack_again_after_a_sack)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = OFFER);
	conn_send(&c, .flags = SYN | ACK | ACE(2), .opt = WITH_SACK);
	conn_expect(&c, .flags = ACK | ACE(2));
	conn_write(&c, 2000);
	conn_expect(&c, .flags = ACK | ACE(FIRST), .len = 1000);
	conn_expect(&c, .flags = PSH | ACK | ACE(FIRST), .seq = 1001, .len = 1000);
	conn_send_sack(&c, 1, { 1001, 2001 });
	conn_expect(&c, .seq = 1, .len = 1000);
	conn_send(&c, .flags = SYN | ACK | ACE(2), .seq = 0, .ack = 1, .opt = WITH_SACK,
		  .tos = CE);
	conn_expect(&c, .flags = ACK | ACE(6), .len = 0, .seq = 2001);
}

/* --- the receiver -------------------------------------------------------- */

TEST_F(accecn, rfc9768_3_2_1_ace_counts_and_wraps)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	open_asked(p, &c);
	for (int i = 1; i <= 12; i++) {
		conn_send(&c, .flags = ACK | ACE(FIRST), .len = MSS, .tos = CE);
		conn_expect(&c, .flags = ACK | ACE(FIRST + i), .ack = flight_seq(&c, i),
			    .tos = ECT0, .accecn = ABSENT);
	}
	/* A pure ACK counts, too, and is not answered. */
	conn_send(&c, .flags = ACK | ACE(FIRST), .tos = CE);
	peer_expect_silence(p, 300);
	EXPECT_EQ(13, info_end(&c).received_ce);
	EXPECT_EQ(12 * MSS, info_end(&c).received_ce_bytes);
	conn_write(&c, 100);
	conn_expect(&c, .flags = PSH | ACK | ACE(FIRST + 13), .len = 100, .tos = ECT0);
}

/* With CWR in ACE each segment has it: none is segmented by a device that clears it. */
TEST_F(accecn, rfc9768_3_2_2_ace_in_each_segment)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	open_asked(p, &c);
	conn_send(&c, .flags = ACK | ACE(FIRST), .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK | ACE(6), .ack = flight_seq(&c, 1));
	conn_write(&c, 6 * MSS);
	for (int i = 0; i < 6; i++)
		conn_expect(&c, .flags = ACK | ACE(6) | (i == 5 ? PSH : 0),
			    .seq = flight_seq(&c, i), .len = MSS, .tos = ECT0);
}

/* The peer connects, and its option shows that it understands ours. */
static void open_options(struct peer *p, struct conn *c)
{
	check(!knob_set("ecn", 3), WHERE(p->test), "knob ecn");
	conn_start(p, c, .opt = WITH_SACK);
	conn_send(c, .flags = OFFER);
	conn_expect(c, .flags = SYN | ACK | ACE(2), .accecn = 3, .e1b = 1, .ceb = 0, .e0b = 1);
	conn_send(c, .flags = ACK | ACE(2), .tos = ECT0, .opt = OPT(OPT_ACCECN0(1, 0, 1)));
	conn_accept(c);
}

/* As tcp_accecn_ecn_field_updates_opt.pkt of Linux 7.2: each change is reported at once. */
TEST_F(accecn, rfc9768_3_2_3_counters_of_bytes)
{
	static const struct {
		int tos, ace, e1b, ceb, e0b;
	} steps[] = {
		{ CE, 6, 1, 1000, 1 }, { ECT0, 6, 1, 1000, 1001 }, { CE, 7, 1, 2000, 1001 },
		{ ECT1, 7, 1001, 2000, 1001 }, { CE, 0, 1001, 3000, 1001 },
	};
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	open_options(p, &c);
	for (int i = 0; i < 5; i++) {
		conn_send(&c, .flags = ACK | ACE(FIRST), .len = MSS, .tos = steps[i].tos,
			  .opt = OPT(OPT_ACCECN1(1, 0, 1)));
		conn_expect(&c, .flags = ACK | ACE(steps[i].ace),
			    .ack = flight_seq(&c, i + 1), .accecn = 3, .e1b = steps[i].e1b,
			    .ceb = steps[i].ceb, .e0b = steps[i].e0b);
	}
}

/* 3.2.3.3: the option beside SACK blocks; the MSS leaves room for it. */
TEST_F(accecn, rfc9768_3_2_3_3_options_and_room)
{
	struct peer *p = &self->peer;
	const struct segment *seg;
	struct conn c;

	NOT_ON_STOCK();
	open_options(p, &c);
	EXPECT_EQ(MSS - 12, conn_info(&c).snd_mss);
	conn_write(&c, 3 * MSS);
	conn_expect(&c, .len = MSS - 12, .accecn = 3, .tos = ECT0);
	conn_expect(&c, .len = MSS - 12, .accecn = 3);
	conn_expect(&c, .len = MSS - 12, .accecn = 3);
	conn_expect(&c, .len = 36, .accecn = 3);
	conn_send(&c, .flags = ACK | ACE(FIRST), .tos = ECT0);
	/* A fourth block would leave no room for the counters that have changed. */
	for (int i = 1; i < 5; i++) {
		conn_send(&c, .flags = ACK | ACE(FIRST), .seq = 1 + 2 * i * 10, .len = 10,
			  .tos = ECT0);
		seg = conn_expect(&c, .flags = ACK | ACE(FIRST), .ack = 1, .accecn = 3,
				  .e0b = 1 + i * 10);
		EXPECT_EQ(i < 4 ? i : 3, seg->opt.sacks);
	}
}

/*
 * Beside timestamps and two blocks the counter that has changed has no room, and no other one is
 * sent.
 */
TEST_F(accecn, rfc9768_3_2_3_3_options_and_timestamps)
{
	struct peer *p = &self->peer;
	const struct segment *seg;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	conn_start(p, &c, .opt = WITH_TS);
	conn_send(&c, .flags = OFFER);
	seg = conn_expect(&c, .flags = SYN | ACK | ACE(2), .accecn = 3);
	conn_send(&c, .flags = ACK | ACE(2), .tos = ECT0,
		  .opt = OPT(OPT_TS(conn_tsval(&c), seg->opt.tsval), OPT_ACCECN0(1, 0, 1)));
	conn_accept(&c);
	for (int i = 1; i < 3; i++) {
		conn_send(&c, .flags = ACK | ACE(FIRST), .seq = 1 + 2 * i * 10, .len = 10,
			  .tos = ECT0);
		seg = conn_expect(&c, .flags = ACK | ACE(FIRST), .ack = 1,
				  .accecn = i == 1 ? 3 : ABSENT);
		EXPECT_EQ(i, seg->opt.sacks);
	}
	conn_send(&c, .flags = RST);
}

TEST_F(accecn, knob_ecn_option)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	EXPECT_EQ(2, knob_get("ecn_option"));
	EXPECT_EQ(3, knob_get("ecn_option_beacon"));
	EXPECT_EQ(EINVAL, knob_set("ecn_option", 4));
	EXPECT_EQ(EINVAL, knob_set("ecn_option_beacon", 4));
	ASSERT_EQ(0, knob_set("ecn", 3));
	/* 0: never. */
	ASSERT_EQ(0, knob_set("ecn_option", 0));
	conn_start(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = OFFER);
	conn_expect(&c, .flags = SYN | ACK | ACE(2), .accecn = ABSENT);
	conn_send(&c, .flags = ACK | ACE(2), .opt = OPT(OPT_ACCECN0(1, 0, 1)));
	conn_accept(&c);
	conn_write(&c, 100);
	conn_expect(&c, .len = 100, .accecn = ABSENT);
	conn_send(&c, .flags = RST);
	close(c.lfd);
	/* 1: after a change, twice; no beacon. */
	ASSERT_EQ(0, knob_set("ecn_option", 1));
	ASSERT_EQ(0, knob_set("ecn_option_beacon", 0));
	open_options(p, &c);
	for (int i = 0; i < 4; i++) {
		conn_send(&c, .flags = ACK | ACE(FIRST), .len = 10, .tos = ECT0);
		conn_expect(&c, .flags = ACK | ACE(FIRST), .accecn = i < 2 ? 3 : ABSENT,
			    .within_ms = 210);
	}
}

/*
 * Over 90 ms, while nothing changes: as many options in a round trip as xtcp_ecn_option_beacon
 * says, so with 3 one that is 30 ms old is repeated, and with 0 none.
 */
static void expect_beacons(struct __test_metadata *_metadata, struct peer *p, int beacon)
{
	static const int at_ms[] = { 20, 35, 55, 70 };
	struct conn c;

	ASSERT_EQ(0, knob_set("ecn", 3));
	ASSERT_EQ(0, knob_set("ecn_option", 1));
	ASSERT_EQ(0, knob_set("ecn_option_beacon", beacon));
	conn_start(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = OFFER);
	conn_expect(&c, .flags = SYN | ACK | ACE(2), .accecn = 3);
	sleep_ms(90);
	conn_send(&c, .flags = ACK | ACE(2), .tos = ECT0, .opt = OPT(OPT_ACCECN0(1, 0, 1)));
	conn_accept(&c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1));
	/* What the handshake has changed is told twice. */
	for (int i = 0; i < 2; i++) {
		conn_write(&c, 100);
		conn_expect(&c, .len = 100, .accecn = 3);
	}
	peer_mark(p);
	for (size_t i = 0; i < ARRAY_SIZE(at_ms); i++) {
		peer_sleep_until(p, at_ms[i]);
		conn_write(&c, 100);
		conn_expect(&c, .len = 100, .accecn = beacon && i % 2 ? 3 : ABSENT);
	}
	conn_send(&c, .flags = RST);
}

TEST_F(accecn, knob_ecn_option_beacon)
{
	NOT_ON_STOCK();
	expect_beacons(_metadata, &self->peer, 3);
}

TEST_F(accecn, knob_ecn_option_beacon_0)
{
	NOT_ON_STOCK();
	expect_beacons(_metadata, &self->peer, 0);
}

/* --- the sender ---------------------------------------------------------- */

/* 3.2.2.5.2: ten segments acknowledged at once, with ACE @ace. */
static uint32_t ten_acked(struct peer *p, struct conn *c, int ace)
{
	open_asked(p, c);
	flight_write(c, 10);
	flight_expect_all(c, 0, 9, .tos = ECT0);
	conn_send(c, .flags = ACK | ACE(ace), .ack = flight_seq(c, 10), .tos = ECT0);
	return conn_tcp_info(c).tcpi_delivered_ce;
}

TEST_F(accecn, rfc9768_a_2_safest_likely_case)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();
	counters_take(&before);
	/* The next that agrees with ACE would be 15. */
	EXPECT_EQ(7, ten_acked(p, &c, FIRST + 7));
	EXPECT_EQ(7, counter_moved(&before, "TCPDeliveredCE"));
	EXPECT_EQ(TCP_CA_CWR, conn_info(&c).recovery);
	EXPECT_EQ(7, conn_info(&c).ssthresh);
	conn_send(&c, .flags = RST);
	close(c.lfd);
	/* Two or ten: the path seems to thin out ACKs, so that the fewest are likely. */
	EXPECT_EQ(2, ten_acked(p, &c, FIRST + 2));
	conn_send(&c, .flags = RST);
	close(c.lfd);
	/* None or eight: ACKs for one segment were usual, and others may be lost. */
	open_asked(p, &c);
	flight_write(&c, 10);
	flight_expect_all(&c, 0, 9, .tos = ECT0);
	conn_send(&c, .flags = ACK | ACE(FIRST), .ack = flight_seq(&c, 1), .tos = ECT0);
	EXPECT_EQ(0, conn_tcp_info(&c).tcpi_delivered_ce);
	conn_send(&c, .flags = ACK | ACE(FIRST), .ack = flight_seq(&c, 10), .tos = ECT0);
	EXPECT_EQ(8, conn_tcp_info(&c).tcpi_delivered_ce);
}

/* The marks of one round trip reduce the window once. */
TEST_F(accecn, rfc9768_3_2_2_marks_reduce_once_a_round)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	open_asked(p, &c);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1000000);
	flight_write(&c, 40);
	flight_expect_all(&c, 0, 9, .flags = UNSET, .tos = ECT0);
	for (int i = 1; i <= 4; i++)
		conn_send(&c, .flags = ACK | ACE(FIRST + i), .ack = flight_seq(&c, i));
	peer_drain(p, 5);
	EXPECT_EQ(4, conn_tcp_info(&c).tcpi_delivered_ce);
	EXPECT_EQ(TCP_CA_CWR, conn_info(&c).recovery);
	EXPECT_EQ(7, conn_info(&c).ssthresh);
	p->leave_unread = true;
}

/* An ACK that may have been overtaken counts only if its timestamp is newer. */
TEST_F(accecn, rfc9768_3_2_2_5_2_old_acks)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	open_asked(p, &c);
	conn_write(&c, MSS);
	conn_expect(&c, .len = MSS);
	conn_send(&c, .flags = ACK | ACE(6), .ack = 1);
	EXPECT_EQ(0, conn_tcp_info(&c).tcpi_delivered_ce);
	conn_send(&c, .flags = ACK | ACE(6), .ack = flight_seq(&c, 1));
	EXPECT_EQ(1, conn_tcp_info(&c).tcpi_delivered_ce);
	/* Nothing is in flight, and no timestamp tells. */
	conn_send(&c, .flags = ACK | ACE(7), .ack = flight_seq(&c, 1));
	EXPECT_EQ(1, conn_tcp_info(&c).tcpi_delivered_ce);
	conn_send(&c, .flags = RST);
	close(c.lfd);

	conn_start(p, &c, .opt = WITH_TS);
	conn_send(&c, .flags = OFFER);
	conn_expect(&c, .flags = SYN | ACK | ACE(2));
	conn_send(&c, .flags = ACK | ACE(2));
	conn_accept(&c);
	conn_write(&c, 100);
	conn_expect(&c, .len = 100);
	conn_send(&c, .flags = ACK | ACE(FIRST), .ack = 101);
	sleep_ms(5);
	conn_send(&c, .flags = ACK | ACE(6), .ack = 101);
	EXPECT_EQ(1, conn_tcp_info(&c).tcpi_delivered_ce);
}

TEST_F(accecn, rfc9768_3_2_3_delivered_bytes)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	open_options(p, &c);
	conn_write(&c, 3 * (MSS - 12));
	for (int i = 0; i < 3; i++)
		conn_expect(&c, .len = MSS - 12);
	conn_send(&c, .flags = ACK | ACE(FIRST), .ack = 1 + (MSS - 12),
		  .opt = OPT(OPT_ACCECN1(1, 0, 1 + MSS - 12)));
	EXPECT_EQ(MSS - 12, info_end(&c).delivered_e0);
	/* Without an option: the same codepoint again. */
	conn_send(&c, .flags = ACK | ACE(FIRST), .ack = 1 + 2 * (MSS - 12));
	EXPECT_EQ(2 * (MSS - 12), info_end(&c).delivered_e0);
	conn_send(&c, .flags = ACK | ACE(6), .ack = 1 + 3 * (MSS - 12),
		  .opt = OPT(OPT_ACCECN0(1 + 2 * (MSS - 12), MSS - 12, 1)));
	EXPECT_EQ(2 * (MSS - 12), info_end(&c).delivered_e0);
	EXPECT_EQ(MSS - 12, info_end(&c).delivered_ce);
	EXPECT_EQ(1, conn_tcp_info(&c).tcpi_delivered_ce);
	EXPECT_EQ(0, info_end(&c).delivered_e1);
}

/* --- cookies ------------------------------------------------------------- */

/* With timestamps a cookie carries it; without, it falls back to none. */
TEST_F(accecn, rfc9768_5_1_syn_cookies)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	ASSERT_EQ(0, knob_set("syncookies", 2));
	conn_start(p, &c, .opt = WITH_TS);
	conn_send(&c, .flags = OFFER, .tos = ECT0);
	conn_expect(&c, .flags = SYN | ACK | ACE(4));
	conn_send(&c, .flags = ACK | ACE(2));
	conn_accept(&c);
	EXPECT_EQ(MODE_ACCURATE, info_mode(&c));
	conn_write(&c, 100);
	conn_expect(&c, .flags = PSH | ACK | ACE(FIRST), .len = 100, .tos = ECT0);
	conn_send(&c, .flags = RST);
	close(c.lfd);

	conn_start(p, &c, .opt = WITH_TS);
	conn_send(&c, .flags = SYN | ACE(3));
	conn_expect(&c, .flags = SYN | ACK | ACE(1));
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_EQ(MODE_CLASSIC, info_mode(&c));
	conn_send(&c, .flags = RST);
	close(c.lfd);

	conn_start(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = OFFER);
	conn_expect(&c, .flags = SYN | ACK);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_EQ(MODE_NONE, info_mode(&c));
}

/*
 * The peer repeats a segment after the ACK that has reported it as a duplicate: the path may drop
 * ACKs with options. None is sent any more, and payload may use their space, unless the knob wants
 * one even then.
 */
static void lose_an_option(struct __test_metadata *_metadata, struct peer *p, bool even_then)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("ecn_option", even_then ? 3 : 2));
	open_options(p, &c);
	for (int i = 0; i < 2; i++)
		conn_send(&c, .flags = ACK | ACE(FIRST), .len = MSS, .tos = ECT0);
	peer_drain(p, 50);
	conn_send(&c, .flags = ACK | ACE(FIRST), .seq = 1, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK | ACE(FIRST), .ack = 1 + 2 * MSS, .accecn = 3);
	EXPECT_EQ(1, p->last.opt.sacks);
	EXPECT_EQ(0, info_fail(&c));
	EXPECT_EQ(MSS - 12, conn_info(&c).snd_mss);
	conn_send(&c, .flags = ACK | ACE(FIRST), .seq = 1, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK | ACE(FIRST), .ack = 1 + 2 * MSS,
		    .accecn = even_then ? 3 : ABSENT);
	EXPECT_EQ(FAIL_OPT_SEND, info_fail(&c));
	EXPECT_EQ(even_then ? MSS - 12 : MSS, conn_info(&c).snd_mss);
}

TEST_F(accecn, rfc9768_3_2_3_2_2_an_option_that_is_lost)
{
	NOT_ON_STOCK();
	lose_an_option(_metadata, &self->peer, false);
}

TEST_F(accecn, knob_ecn_option_3)
{
	NOT_ON_STOCK();
	lose_an_option(_metadata, &self->peer, true);
}

/* Our SYN-ACK came twice, the second time with CE: no mark of what we have sent since. */
TEST_F(accecn, rfc9768_3_2_2_1_a_second_third_ack)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	conn_start(p, &c, .opt = WITH_TS);
	conn_send(&c, .flags = OFFER);
	conn_expect(&c, .flags = SYN | ACK | ACE(2), .ack = 1);
	conn_send(&c, .flags = ACK | ACE(2));
	conn_accept(&c);
	conn_write(&c, MSS);
	peer_drain(p, 5);
	conn_send(&c, .flags = ACK | ACE(6), .ack = 1);
	EXPECT_EQ(0, conn_tcp_info(&c).tcpi_delivered_ce);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	EXPECT_EQ(TCP_CA_Open, conn_info(&c).recovery);
	conn_send(&c, .flags = ACK | ACE(FIRST), .ack = 1 + conn_info(&c).snd_mss);
	EXPECT_EQ(0, conn_tcp_info(&c).tcpi_delivered_ce);
}

/* --- bad input ----------------------------------------------------------- */

TEST_F(accecn, rfc9768_3_2_3_bad_options)
{
	static const struct optbytes bad[] = {
		{ .len = 4, .b = { 174, 2, 1, 1 } },
		{ .len = 4, .b = { 174, 3, 9, 1 } },
		{ .len = 4, .b = { 172, 4, 9, 9 } },
		{ .len = 4, .b = { 174, 11, 0, 0 } },	/* cut off */
		{ .len = 4, .b = { 174, 0, 0, 0 } },
		{ .len = 4, .b = { 1, 1, 1, 174 } },
		{ .len = 16, .b = { 174, 14, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 5, 1, 1 } },
	};
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	open_asked(p, &c);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		conn_write(&c, 10);
		conn_expect(&c, .flags = PSH | ACK | ACE(FIRST), .len = 10);
		conn_send(&c, .flags = ACK | ACE(FIRST), .opt = bad[i]);
	}
	EXPECT_EQ(0, info_fail(&c));
	EXPECT_EQ(0, info_end(&c).delivered_e0);
	EXPECT_EQ(0, info_end(&c).delivered_ce);
}

/* 3.2.3.2.4: fields that begin at 0 have been zeroed on the way. */
TEST_F(accecn, rfc9768_3_2_3_2_4_zeroed_option)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("ecn", 3));
	conn_start(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = OFFER);
	conn_expect(&c, .flags = SYN | ACK | ACE(2));
	conn_send(&c, .flags = ACK | ACE(2), .opt = OPT(OPT_ACCECN0(0, 0, 0)));
	conn_accept(&c);
	EXPECT_EQ(FAIL_OPT_RECV, info_fail(&c));
	conn_write(&c, 100);
	conn_expect(&c, .len = 100);
	conn_send(&c, .flags = ACK | ACE(6), .ack = 101,
		  .opt = OPT(OPT_ACCECN0(1, 100, 1)));
	/* ACE still counts. */
	EXPECT_EQ(1, conn_tcp_info(&c).tcpi_delivered_ce);
	EXPECT_EQ(0, info_end(&c).delivered_ce);
	conn_send(&c, .flags = RST);
	close(c.lfd);
	/* An option of one field. */
	conn_start(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = OFFER);
	conn_expect(&c, .flags = SYN | ACK | ACE(2));
	conn_send(&c, .flags = ACK | ACE(2), .opt = OPT(172, 5, 0, 0, 0));
	conn_accept(&c);
	EXPECT_EQ(FAIL_OPT_RECV, info_fail(&c));
	/* Only the last field has been. */
	conn_start(p, &c, .kport = 6001, .opt = WITH_SACK);
	conn_send(&c, .flags = OFFER);
	conn_expect(&c, .flags = SYN | ACK | ACE(2));
	conn_send(&c, .flags = ACK | ACE(2), .opt = OPT(OPT_ACCECN0(1, 0, 0)));
	conn_accept(&c);
	EXPECT_EQ(FAIL_OPT_RECV, info_fail(&c));
}

/* --- both ends ----------------------------------------------------------- */

/* A router marks a quarter: both ends count the same, and nothing is lost. */
TEST_F(path, rfc9768_3_2_both_ends_count_the_same)
{
	static const struct netem marks = {
		.delay_ms = 5, .loss = 25, .ecn = true, .limit = 10000,
	};
	struct pair *pr = &self->pair;
	struct info_end sent, got;
	int client, server;

	NOT_ON_STOCK();
	for (enum side side = CLIENT; side <= SERVER; side++) {
		pair_enter(pr, side);
		ASSERT_EQ(0, knob_set("ecn", 3));
	}
	/*
	 * One in four of some 350 segments; of ten large ones none might be marked. Before
	 * connect(): a connection keeps what its device could do.
	 */
	pair_enter(pr, CLIENT);
	link_set_single_segments(WHERE(_metadata), "veth0");
	pair_connected(pr, 5001, &client, &server);
	pair_netem(pr, CLIENT, &marks);
	stream_transfer(_metadata, client, server, 500000, 20000);
	/* The last ACK may be delayed. */
	sleep_ms(500);
	sent = info_end_of(client);
	got = info_end_of(server);
	EXPECT_EQ(MODE_ACCURATE, (int)sent.mode);
	EXPECT_EQ(MODE_ACCURATE, (int)got.mode);
	EXPECT_EQ(0, (int)(sent.fail | got.fail));
	EXPECT_LT(10000, got.received_ce_bytes);
	EXPECT_EQ(got.received_ce_bytes, sent.delivered_ce);
	EXPECT_EQ(got.received_e0, sent.delivered_e0);
	EXPECT_EQ(500000, got.received_ce_bytes + got.received_e0);
	EXPECT_EQ(0, socket_tcp_info(_metadata, client).tcpi_total_retrans);
	EXPECT_EQ(got.received_ce & 7, socket_tcp_info(_metadata, client).tcpi_delivered_ce & 7);
	close(client);
	close(server);
}

TEST_HARNESS_MAIN
