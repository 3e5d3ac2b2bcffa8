// SPDX-License-Identifier: GPL-2.0
/*
 * dctcp: Data Center TCP, RFC 8257, the module xtcp_cc_dctcp. The peer plays the switch
 * as well: it marks its own segments, and echoes marks that nobody made.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"
#include "lib/module.h"

#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h>

#define MODULE "xtcp_cc_dctcp"
#define MSS 1000
#define ALPHA_ONE 1024

/* The ECN field of the IP header. */
enum { NOT_ECT, ECT1, ECT0, CE };

FIXTURE(dctcp)
{
	struct peer peer;
	bool skip;
};

FIXTURE_SETUP(dctcp)
{
	self->skip = stock_mode();
	if (self->skip)
		SKIP(return, "stock DCTCP rounds otherwise, and has no module of this name");
	peer_open_at(WHERE(_metadata), &self->peer, NULL);
	ASSERT_EQ(0, module_load_other(MODULE, ""));
}

FIXTURE_TEARDOWN(dctcp)
{
	if (self->skip)
		return;
	peer_close_at(WHERE(_metadata), &self->peer);
	EXPECT_EQ(0, module_unload_patiently(MODULE));
}

static void rule_set(struct __test_metadata *_metadata, int fd, const char *name)
{
	ASSERT_EQ(0, setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, strlen(name)));
}

static struct tcp_dctcp_info info_of(struct __test_metadata *_metadata, int fd)
{
	union tcp_cc_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	EXPECT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_CC_INFO, &info, &len));
	EXPECT_EQ(sizeof(info.dctcp), len);
	return info.dctcp;
}

/* A child of a listener with the rule; the peer asks for ECN. */
static void open_asked(struct __test_metadata *_metadata, struct peer *p, struct conn *c,
		       const char *rule)
{
	int lfd = peer_listen(p, 6000, 5);

	link_set_single_segments(WHERE(_metadata), "tun0");
	rule_set(_metadata, lfd, rule);
	conn_start(p, c, .lfd = lfd, .kport = 6000,
		   .opt = OPT(OPT_MSS(MSS), OPT_SACKOK));
	conn_send(c, .flags = SYN | ECE | CWR);
	conn_expect(c, .flags = SYN | ACK | ECE, .ack = 1, .tos = ECT0);
	conn_send(c, .flags = ACK);
	conn_accept(c);
	close(lfd);
}

static void abort_conn(struct conn *c)
{
	conn_send(c, .flags = RST);
	close(c->fd);
}

/* It needs ECN: xtcp_ecn = 0 does not count. */
TEST_F(dctcp, rfc8257_3_ecn_is_agreed_whatever_the_knob_says)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("ecn", 0));
	open_asked(_metadata, &self->peer, &c, "dctcp");
	EXPECT_EQ(1, info_of(_metadata, c.fd).dctcp_enabled);
	EXPECT_EQ(ALPHA_ONE, (int)info_of(_metadata, c.fd).dctcp_alpha);
	flight_write(&c, 1);
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .len = MSS, .tos = ECT0);
	conn_send(&c, .flags = ACK);
	abort_conn(&c);
}

TEST_F(dctcp, rfc8257_3_2_each_mark_is_echoed_exactly)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_asked(_metadata, p, &c, "dctcp");
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);	/* ACKs wait */
	conn_send(&c, .flags = ACK, .len = MSS, .tos = ECT0);
	peer_expect_silence(p, 5);
	/* The state changes: what waits is acknowledged without ECE, this with it. */
	conn_send(&c, .flags = ACK, .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1 + MSS);
	conn_expect(&c, .flags = ACK | ECE, .seq = 1, .ack = 1 + 2 * MSS);
	EXPECT_EQ(1, info_of(_metadata, c.fd).dctcp_ce_state);
	/* The state stays, CWR or not: the usual delay. */
	conn_send(&c, .flags = ACK | CWR, .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK | ECE, .seq = 1, .ack = 1 + 3 * MSS);
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	conn_send(&c, .flags = ACK, .len = MSS, .tos = CE);
	peer_expect_silence(p, 5);
	conn_send(&c, .flags = ACK, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK | ECE, .seq = 1, .ack = 1 + 4 * MSS);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1 + 5 * MSS);
	EXPECT_EQ(0, info_of(_metadata, c.fd).dctcp_ce_state);
	abort_conn(&c);
}

/* What is Not-ECT could not be marked: the echo stays as it is. */
TEST_F(dctcp, rfc8257_3_2_a_segment_that_cannot_be_marked_tells_nothing)
{
	struct conn c;

	open_asked(_metadata, &self->peer, &c, "dctcp");
	conn_send(&c, .flags = ACK, .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK | ECE, .seq = 1, .ack = 1 + MSS);
	conn_send(&c, .flags = ACK, .len = MSS, .tos = NOT_ECT);
	conn_expect(&c, .flags = ACK | ECE, .seq = 1, .ack = 1 + 2 * MSS);
	EXPECT_EQ(1, info_of(_metadata, c.fd).dctcp_ce_state);
	conn_send(&c, .flags = ACK, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1 + 3 * MSS);
	abort_conn(&c);
}

/* As Linux's: all that a connection sends is ECT, and a SYN that is ECT asks for ECN. */
TEST_F(dctcp, rfc8257_3_6_all_segments_are_ect)
{
	struct peer *p = &self->peer;
	int lfd = peer_listen(p, 6000, 5);
	struct conn c;

	rule_set(_metadata, lfd, "dctcp");
	conn_start(p, &c, .lfd = lfd, .kport = 6000, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK));
	conn_send(&c, .flags = SYN | ECE | CWR, .tos = ECT0);
	conn_expect(&c, .flags = SYN | ACK | ECE, .ack = 1, .tos = ECT0);
	conn_send(&c, .flags = ACK, .tos = ECT0);
	conn_accept(&c);
	close(lfd);
	/* A pure ACK, payload, and the same again after a timeout. */
	conn_send(&c, .flags = ACK, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1 + MSS, .tos = ECT0);
	flight_write(&c, 1);
	flight_expect(&c, 0, .tos = ECT0);
	flight_expect(&c, 0, .tos = ECT0, .within_ms = 500);
	flight_ack(&c, 1);
	abort_conn(&c);
	/* Another listener does not believe such a SYN: the path may set the bits of all. */
	conn_start(p, &c, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK));
	conn_send(&c, .flags = SYN | ECE | CWR, .tos = ECT0);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .tos = NOT_ECT);
	conn_send(&c, .flags = RST, .seq = 1);
}

static void connect_by_rule(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "dctcp", 5);
}

/* The SYN, too; without an answer the next one asks for nothing, and is Not-ECT. */
TEST_F(dctcp, rfc8257_3_6_the_syn_is_ect)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c, .active = true, .prepare = connect_by_rule);
	conn_expect(&c, .flags = SYN | ECE | CWR, .tos = ECT0);
	conn_expect(&c, .flags = SYN, .tos = NOT_ECT, .within_ms = 1100);
	conn_send(&c, .flags = SYN | ACK | ECE);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .tos = ECT0);
	conn_write(&c, 100);
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .len = 100, .tos = ECT0);
	conn_send(&c, .flags = ACK, .ack = 101);
	abort_conn(&c);
	/* A peer that does not agree gets nothing that is ECT. */
	conn_start(p, &c, .active = true, .prepare = connect_by_rule);
	conn_expect(&c, .flags = SYN | ECE | CWR, .tos = ECT0);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .tos = NOT_ECT);
	conn_write(&c, 100);
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .len = 100, .tos = NOT_ECT);
	conn_send(&c, .flags = ACK, .ack = 101);
	abort_conn(&c);
}

/* Another rule on the same connection: RFC 3168 again, ECE until CWR. */
TEST_F(dctcp, the_echo_is_the_rules)
{
	struct conn c;

	open_asked(_metadata, &self->peer, &c, "dctcp");
	rule_set(_metadata, c.fd, "reno");
	conn_send(&c, .flags = ACK, .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK | ECE, .seq = 1, .ack = 1 + MSS);
	conn_send(&c, .flags = ACK, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK | ECE, .seq = 1, .ack = 1 + 2 * MSS);
	conn_send(&c, .flags = ACK | CWR, .len = MSS, .tos = ECT0);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1 + 3 * MSS);
	abort_conn(&c);
}

/* A window of @n leaves and is acknowledged by one ACK. */
static void window(struct conn *c, int *next, int n, int flags)
{
	flight_write(c, n);
	flight_expect_all(c, *next, *next + n - 1);
	*next += n;
	conn_send(c, .flags = ACK | flags, .ack = flight_seq(c, *next));
}

TEST_F(dctcp, rfc8257_3_3_the_window_follows_the_marks)
{
	struct conn c;
	int next = 0;

	open_asked(_metadata, &self->peer, &c, "dctcp");
	/* Alpha is 1 at first: the first mark halves the window. */
	window(&c, &next, 10, ECE);
	EXPECT_EQ(5, conn_info(&c).cwnd);
	EXPECT_EQ(ALPHA_ONE, (int)info_of(_metadata, c.fd).dctcp_alpha);
	/* Nothing marked: alpha loses a sixteenth; and a segment more. */
	window(&c, &next, 5, 0);
	EXPECT_EQ(6, conn_info(&c).cwnd);
	EXPECT_EQ(960, info_of(_metadata, c.fd).dctcp_alpha);
	/* 6 - 6 * 960 / 1024 / 2; then alpha is 15/16 of it and 1/16. */
	window(&c, &next, 6, ECE);
	EXPECT_EQ(4, conn_info(&c).cwnd);
	EXPECT_EQ(964, info_of(_metadata, c.fd).dctcp_alpha);
	abort_conn(&c);
}

/* With Accurate ECN one ACK tells how many of its segments were marked: three of six. */
TEST_F(dctcp, rfc9768_3_2_2_the_window_follows_the_count)
{
	struct peer *p = &self->peer;
	struct conn c;
	int next = 0;
	int lfd;

	ASSERT_EQ(0, knob_set("ecn", 3));
	link_set_single_segments(WHERE(_metadata), "tun0");
	lfd = peer_listen(p, 6000, 5);
	rule_set(_metadata, lfd, "dctcp");
	conn_start(p, &c, .lfd = lfd, .kport = 6000,
		   .opt = OPT(OPT_MSS(MSS), OPT_SACKOK));
	conn_send(&c, .flags = SYN | AE | CWR | ECE);
	conn_expect(&c, .flags = SYN | ACK | CWR, .ack = 1, .tos = NOT_ECT);
	conn_send(&c, .flags = ACK | CWR);
	conn_accept(&c);
	close(lfd);
	/* ACE is 5 at first, and 8 mod 8 after three marks. */
	window(&c, &next, 6, 0);
	EXPECT_EQ(3, conn_tcp_info(&c).tcpi_delivered_ce);
	/* 10 - 10 * 992 / 1024 / 2. */
	EXPECT_EQ(6, conn_info(&c).ssthresh);
	EXPECT_EQ(ALPHA_ONE - 64 + 32, (int)info_of(_metadata, c.fd).dctcp_alpha);
	window(&c, &next, 5, 0);
	EXPECT_EQ(992 - 62, (int)info_of(_metadata, c.fd).dctcp_alpha);
	/* The receiver counts, too, and does not echo. */
	conn_send(&c, .flags = ACK, .len = MSS, .tos = CE);
	conn_expect(&c, .flags = ACK | AE | CWR, .ack = 1 + MSS);
	abort_conn(&c);
}

TEST_F(dctcp, rfc8257_3_3_alpha_reaches_zero)
{
	struct conn c;
	int next = 0, rounds;

	open_asked(_metadata, &self->peer, &c, "dctcp");
	window(&c, &next, 10, 0);
	window(&c, &next, 20, 0);
	EXPECT_EQ(40, conn_info(&c).cwnd);
	for (rounds = 0; info_of(_metadata, c.fd).dctcp_alpha && rounds < 200; rounds++)
		window(&c, &next, 2, 0);
	EXPECT_LE(70, rounds);
	EXPECT_GE(90, rounds);
	/* Step 7 is before the reduction: 40 - 40 * 64 / 1024 / 2. */
	window(&c, &next, 2, ECE);
	EXPECT_EQ(39, conn_info(&c).ssthresh);
	EXPECT_EQ(64, info_of(_metadata, c.fd).dctcp_alpha);
	abort_conn(&c);
}

/* Of the window that has begun with the last ACK: bytes acknowledged, and with ECE. */
TEST_F(dctcp, tcp_cc_info_counts_marked_bytes)
{
	struct tcp_dctcp_info info;
	struct conn c;
	int next = 0;

	open_asked(_metadata, &self->peer, &c, "dctcp");
	window(&c, &next, 2, 0);
	flight_write(&c, 10);
	flight_expect_all(&c, next, next + 9);
	flight_ack(&c, next + 2);
	info = info_of(_metadata, c.fd);
	EXPECT_EQ(0, (int)info.dctcp_ab_tot);
	flight_ack(&c, next + 5);
	conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, next + 7));
	info = info_of(_metadata, c.fd);
	EXPECT_EQ(5 * MSS, (int)info.dctcp_ab_tot);
	EXPECT_EQ(2 * MSS, (int)info.dctcp_ab_ecn);
	abort_conn(&c);
}

TEST_F(dctcp, rfc8257_3_5_a_loss_halves_it)
{
	struct conn c;
	int next = 0;

	open_asked(_metadata, &self->peer, &c, "dctcp");
	for (int i = 0; i < 20; i++)
		window(&c, &next, 2, 0);
	EXPECT_GE(320, (int)info_of(_metadata, c.fd).dctcp_alpha);
	EXPECT_EQ(10, conn_info(&c).cwnd);
	flight_write(&c, 10);
	flight_expect_all(&c, next, next + 9);
	flight_sack(&c, next, { next + 1, next + 10 });
	flight_expect(&c, next);
	EXPECT_EQ(5, conn_info(&c).ssthresh);
	flight_ack(&c, next + 10);
	EXPECT_EQ(5, conn_info(&c).cwnd);
	abort_conn(&c);
}

/* The attribute of a message of sock_diag; NULL: no connection has it. */
static const struct tcp_dctcp_info *diag_info(struct __test_metadata *_metadata)
{
	static uint8_t buf[8192];
	int fd = open("/proc/thread-self/net/xtcp_diag", O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, buf, sizeof(buf));
	struct nlmsghdr *nlh = (void *)buf;

	ASSERT_LT(0, len);
	close(fd);
	for (; NLMSG_OK(nlh, len); nlh = NLMSG_NEXT(nlh, len)) {
		int left = nlh->nlmsg_len - NLMSG_LENGTH(sizeof(struct inet_diag_msg));
		struct rtattr *attr = (void *)((uint8_t *)NLMSG_DATA(nlh) +
					       NLMSG_ALIGN(sizeof(struct inet_diag_msg)));

		for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
			if (attr->rta_type == INET_DIAG_DCTCPINFO &&
			    RTA_PAYLOAD(attr) == sizeof(struct tcp_dctcp_info))
				return RTA_DATA(attr);
	}
	return NULL;
}

TEST_F(dctcp, sock_diag_tells_it)
{
	const struct tcp_dctcp_info *info;
	struct conn c;
	int next = 0;

	open_asked(_metadata, &self->peer, &c, "dctcp");
	flight_write(&c, 2);
	flight_expect_all(&c, 0, 1);
	flight_ack(&c, 2);
	next = 2;
	info = diag_info(_metadata);
	ASSERT_NE(NULL, info);
	EXPECT_EQ(1, info->dctcp_enabled);
	EXPECT_EQ(960, info->dctcp_alpha);
	rule_set(_metadata, c.fd, "cubic");
	EXPECT_EQ(NULL, diag_info(_metadata));
	flight_write(&c, 1);
	flight_expect(&c, next);
	abort_conn(&c);
}

/* --- Protective Load Balancing ------------------------------------------- */

/* @n windows of two segments, all of them marked, or none. */
static void rounds(struct conn *c, int *next, int n, bool marked)
{
	while (n--)
		window(c, next, 2, marked ? ECE : 0);
}

/* Four of six congested rounds in a row: rehash at the third, not at the first two. */
TEST_F(dctcp, knob_plb_rehash_rounds_ctr_TCPPLBRehash)
{
	struct counters before;
	uint32_t label;
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, knob_set("plb_enabled", 1));
	ASSERT_EQ(0, knob_set("plb_rehash_rounds", 3));
	ASSERT_EQ(0, knob_set("plb_idle_rehash_rounds", 0));
	counters_take(&before);
	open_asked(_metadata, &self->peer, &c, "dctcp");
	rounds(&c, &next, 2, true);
	label = self->peer.last.label;
	/* A round without marks: from the beginning. */
	rounds(&c, &next, 1, false);
	rounds(&c, &next, 2, true);
	EXPECT_EQ(0, counter_moved(&before, "TCPPLBRehash"));
	EXPECT_EQ(label, self->peer.last.label);
	if (!stock_mode())
		EXPECT_EQ(0, conn_rehashes(&c));
	rounds(&c, &next, 1, true);
	EXPECT_EQ(1, counter_moved(&before, "TCPPLBRehash"));
	if (!stock_mode())
		EXPECT_EQ(1, conn_rehashes(&c));
	rounds(&c, &next, 1, true);
	if (self->peer.family == AF_INET6)
		EXPECT_NE(label, self->peer.last.label);
	EXPECT_EQ(0, counter_moved(&before, "TcpTimeoutRehash"));
	abort_conn(&c);
}

/* Marks of half a round's segments are enough, by default. */
TEST_F(dctcp, knob_plb_cong_thresh)
{
	struct counters before;
	struct conn c;
	int next = 0;

	EXPECT_EQ(128, knob_get("plb_cong_thresh"));
	ASSERT_EQ(0, knob_set("plb_enabled", 1));
	ASSERT_EQ(0, knob_set("plb_rehash_rounds", 1));
	ASSERT_EQ(0, knob_set("plb_cong_thresh", 129));
	open_asked(_metadata, &self->peer, &c, "dctcp");
	for (int i = 0; i < 2; i++) {
		counters_take(&before);
		flight_write(&c, 2);
		flight_expect_all(&c, next, next + 1);
		next += 2;
		flight_ack(&c, next - 1);
		conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, next));
		/* The first ACK has begun the round that this one ends. */
		window(&c, &next, 1, 0);
		EXPECT_EQ(i, counter_moved(&before, "TCPPLBRehash"));
		ASSERT_EQ(0, knob_set("plb_cong_thresh", 128));
	}
	abort_conn(&c);
}

/* Nothing in flight is an occasion; the knob is off by default. */
TEST_F(dctcp, knob_plb_enabled)
{
	struct counters before;
	struct conn c;
	int next = 0;

	EXPECT_EQ(0, knob_get("plb_enabled"));
	EXPECT_EQ(3, knob_get("plb_idle_rehash_rounds"));
	counters_take(&before);
	open_asked(_metadata, &self->peer, &c, "dctcp");
	rounds(&c, &next, 20, true);
	EXPECT_EQ(0, counter_moved(&before, "TCPPLBRehash"));
	ASSERT_EQ(0, knob_set("plb_enabled", 1));
	rounds(&c, &next, 2, true);
	EXPECT_EQ(0, counter_moved(&before, "TCPPLBRehash"));
	rounds(&c, &next, 1, true);
	EXPECT_EQ(1, counter_moved(&before, "TCPPLBRehash"));
	abort_conn(&c);
}

/* No congested round is needed, nor is any segment of a round to be marked. */
TEST_F(dctcp, knob_plb_rehash_rounds_0_and_plb_cong_thresh_0)
{
	struct counters before;
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, knob_set("plb_enabled", 1));
	ASSERT_EQ(0, knob_set("plb_idle_rehash_rounds", 0));
	open_asked(_metadata, &self->peer, &c, "dctcp");
	counters_take(&before);
	rounds(&c, &next, 4, false);
	EXPECT_EQ(0, counter_moved(&before, "TCPPLBRehash"));
	ASSERT_EQ(0, knob_set("plb_rehash_rounds", 0));
	rounds(&c, &next, 4, false);
	/* At the end of each round, and when the next begins. */
	EXPECT_EQ(8, counter_moved(&before, "TCPPLBRehash"));
	ASSERT_EQ(0, knob_set("plb_rehash_rounds", 2));
	ASSERT_EQ(0, knob_set("plb_cong_thresh", 0));
	counters_take(&before);
	rounds(&c, &next, 4, false);
	EXPECT_EQ(2, counter_moved(&before, "TCPPLBRehash"));
	abort_conn(&c);
}

/* A timeout changes the hash itself; then nothing does for one to two pauses. */
TEST_F(dctcp, knob_plb_suspend_rto_sec)
{
	struct counters before;
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, knob_set("plb_enabled", 1));
	ASSERT_EQ(0, knob_set("plb_rehash_rounds", 1));
	ASSERT_EQ(0, knob_set("plb_suspend_rto_sec", 10));
	open_asked(_metadata, &self->peer, &c, "dctcp");
	counters_take(&before);
	flight_write(&c, 2);
	flight_expect_all(&c, 0, 1);
	while (!counter_moved(&before, "TCPTimeouts"))
		peer_drain(&self->peer, 100);
	EXPECT_EQ(1, counter_moved(&before, "TcpTimeoutRehash"));
	next = 2;
	flight_ack(&c, next);
	sleep_ms(8000);
	rounds(&c, &next, 3, true);
	EXPECT_EQ(0, counter_moved(&before, "TCPPLBRehash"));
	sleep_ms(12100);
	rounds(&c, &next, 1, true);
	EXPECT_LE(1, counter_moved(&before, "TCPPLBRehash"));
	abort_conn(&c);
}

/*
 * The pause after a timeout is random: ten seconds at least, and less than twenty. By chance all of
 * six end in the same second once in 100,000 runs.
 */
TEST_F(dctcp, plb_pause_is_random)
{
	struct peer *p = &self->peer;
	struct counters before;
	int first_s = 0, others = 0;

	ASSERT_EQ(0, knob_set("early_retrans", 0));
	ASSERT_EQ(0, knob_set("plb_enabled", 1));
	ASSERT_EQ(0, knob_set("plb_rehash_rounds", 1));
	ASSERT_EQ(0, knob_set("plb_suspend_rto_sec", 10));
	for (int i = 0; i < 6; i++) {
		struct conn c;
		int next, s;

		open_asked(_metadata, p, &c, "dctcp");
		flight_write(&c, 2);
		flight_expect_all(&c, 0, 1);
		flight_expect(&c, 0, .within_ms = 1000);
		peer_mark_last(p);
		next = 2;
		flight_ack(&c, next);
		counters_take(&before);
		peer_sleep_until(p, 9950);
		rounds(&c, &next, 2, true);
		EXPECT_EQ(0, counter_moved(&before, "TCPPLBRehash"));
		for (s = 11; s <= 20 && !counter_moved(&before, "TCPPLBRehash"); s++) {
			peer_sleep_until(p, 1000 * s + 50);
			rounds(&c, &next, 2, true);
		}
		EXPECT_LE(1, counter_moved(&before, "TCPPLBRehash"));
		first_s = first_s ?: s;
		others += s != first_s;
		abort_conn(&c);
	}
	EXPECT_LT(0, others);
}

/* The program may forbid another hash, as in Linux; it is counted all the same. */
TEST_F(dctcp, plb_and_SO_TXREHASH)
{
	struct counters before;
	uint32_t label;
	struct conn c;
	int next = 0;

	ASSERT_EQ(0, knob_set("plb_enabled", 1));
	ASSERT_EQ(0, knob_set("plb_rehash_rounds", 1));
	open_asked(_metadata, &self->peer, &c, "dctcp");
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_TXREHASH, 0));
	counters_take(&before);
	rounds(&c, &next, 1, true);
	label = self->peer.last.label;
	rounds(&c, &next, 1, true);
	EXPECT_EQ(2, counter_moved(&before, "TCPPLBRehash"));
	EXPECT_EQ(label, self->peer.last.label);
	abort_conn(&c);
}

/* Users may not choose it: it would starve them, or others. */
TEST_F(dctcp, only_the_administrator_chooses_it)
{
	int fd = stream_socket(AF_INET);

	ASSERT_EQ(0, setresuid(-1, 1000, 0));
	EXPECT_EQ(-1, setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "dctcp", 5));
	EXPECT_EQ(EPERM, errno);
	ASSERT_EQ(0, setresuid(-1, 0, 0));
	close(fd);
}

TEST_HARNESS_MAIN
