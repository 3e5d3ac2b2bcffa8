// SPDX-License-Identifier: GPL-2.0
/*
 * collapse: small segments that were lost are sent again as one, xtcp_retrans_collapse. In
 * stock mode the same tests show that the kernel's TCP does the same.
 */
/* vm: wires families */
#include "resend.h"

#include <linux/sock_diag.h>
#include <linux/tcp.h>

PEER_FIXTURE(collapse);

#define MSS 1000

static void nodelay(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

/* @n writes of @len bytes, each of which leaves as a segment; the last one begins the clock. */
static void writes(struct __test_metadata *_metadata, struct conn *c, int n, int len, int flags)
{
	static uint8_t text[2000];

	/* The timeout, not a probe for the last one, sends again. */
	ASSERT_EQ(0, knob_set("early_retrans", 0));
	conn_open(c->peer, c, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .prepare = nodelay);
	for (int i = 0; i < n; i++) {
		pattern_fill(text, len, i * len);
		ASSERT_EQ(len, send(c->fd, text, len, flags));
		conn_expect(c, .seq = 1 + i * len, .len = len, .pattern = i * len);
	}
	peer_mark_last(c->peer);
}

/* After the timeout, @len bytes from @from on. */
#define expect_again(c, from, len_, ...) \
	conn_expect(c, .flags = ACK | PSH, .seq = 1 + (from), .len = len_, .pattern = from, \
		    .within_ms = 400, ##__VA_ARGS__)

TEST_F(collapse, knob_retrans_collapse_acts)
{
	struct conn c = { .peer = &self->peer };
	struct counters before;

	writes(_metadata, &c, 5, 100, 0);
	counters_begin(&before);
	expect_again(&c, 0, 500);
	EXPECT_EQ(1, counter_moved(&before, "RetransSegs"));
	counters_ignore_traffic(&before);
	conn_send(&c, .flags = ACK, .ack = 501);
	EXPECT_EQ(0, (int)conn_tcp_info(&c).tcpi_unacked);
	peer_expect_silence(c.peer, 2000);
}

TEST_F(collapse, knob_retrans_collapse_off)
{
	struct conn c = { .peer = &self->peer };

	ASSERT_EQ(0, knob_set("retrans_collapse", 0));
	writes(_metadata, &c, 5, 100, 0);
	expect_again(&c, 0, 100);
	conn_send(&c, .flags = ACK, .ack = 501);
}

/* As many as fit into a segment, from the pages of longer writes, too. */
TEST_F(collapse, segments_are_full_at_the_most)
{
	struct conn c = { .peer = &self->peer };

	writes(_metadata, &c, 5, 300, 0);
	expect_again(&c, 0, 900);
	conn_send(&c, .flags = ACK, .ack = 901);
	expect_again(&c, 900, 600);
	conn_send(&c, .flags = ACK, .ack = 1501);
	peer_expect_silence(c.peer, 2000);
}

/* Likewise of short writes, for which the first segment's own memory is too small. */
TEST_F(collapse, short_writes_fill_a_segment)
{
	struct conn c = { .peer = &self->peer };

	writes(_metadata, &c, 6, 200, 0);
	expect_again(&c, 0, 1000);
	conn_send(&c, .flags = ACK, .ack = 1001);
	expect_again(&c, 1000, 200);
	conn_send(&c, .flags = ACK, .ack = 1201);
	EXPECT_EQ(0, socket_meminfo(c.fd, SK_MEMINFO_WMEM_QUEUED));
	peer_expect_silence(c.peer, 2000);
}

/* Short and longer writes are stored differently. */
TEST_F(collapse, short_and_longer_writes_join)
{
	static const int len[] = { 400, 100, 50, 300 };
	struct conn c = { .peer = &self->peer };
	static uint8_t text[400];
	int sent = 0;

	ASSERT_EQ(0, knob_set("early_retrans", 0));
	conn_open(c.peer, &c, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .prepare = nodelay);
	for (int i = 0; i < ARRAY_SIZE(len); i++) {
		pattern_fill(text, len[i], sent);
		ASSERT_EQ(len[i], send(c.fd, text, len[i], 0));
		conn_expect(&c, .seq = 1 + sent, .len = len[i], .pattern = sent);
		sent += len[i];
	}
	peer_mark_last(c.peer);
	expect_again(&c, 0, 850);
	conn_send(&c, .flags = ACK, .ack = 851);
	EXPECT_EQ(0, socket_meminfo(c.fd, SK_MEMINFO_WMEM_QUEUED));
	peer_expect_silence(c.peer, 2000);
}

/* What has arrived stays what it is. */
TEST_F(collapse, sacked_segments_are_left_alone)
{
	struct conn c = { .peer = &self->peer };

	writes(_metadata, &c, 5, 100, 0);
	conn_send_sack(&c, 1, { 201, 301 });
	expect_again(&c, 0, 200);
	conn_send(&c, .flags = ACK, .ack = 301);
	expect_again(&c, 300, 200);
	conn_send(&c, .flags = ACK, .ack = 501);
}

/* MSG_EOR keeps apart what the program wants apart. */
TEST_F(collapse, ends_of_records_stay)
{
	struct conn c = { .peer = &self->peer };

	writes(_metadata, &c, 3, 100, MSG_EOR);
	expect_again(&c, 0, 100);
	conn_send(&c, .flags = ACK, .ack = 301);
}

/* The window has become smaller meanwhile. */
TEST_F(collapse, window_limits_it)
{
	struct conn c = { .peer = &self->peer };

	writes(_metadata, &c, 5, 100, 0);
	c.wnd = 250;
	conn_send(&c, .flags = ACK, .ack = 101);
	expect_again(&c, 100, 200);
	c.wnd = 65535;
	conn_send(&c, .flags = ACK, .ack = 501);
	peer_expect_silence(c.peer, 2000);
}

/* The last data and the FIN go together. */
TEST_F(collapse, fin_goes_along)
{
	struct conn c = { .peer = &self->peer };

	writes(_metadata, &c, 2, 100, 0);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = FIN | ACK, .seq = 201);
	conn_expect(&c, .flags = FIN | ACK | PSH, .seq = 1, .len = 200, .pattern = 0,
		    .within_ms = 400);
	conn_send(&c, .flags = ACK, .ack = 202);
	conn_expect_state(&c, ST_FIN_WAIT_2);
}

/* The first ACK covers a part of what was joined: its segments came late. */
TEST_F(collapse, parts_are_acknowledged)
{
	struct conn c = { .peer = &self->peer };

	writes(_metadata, &c, 5, 100, 0);
	expect_again(&c, 0, 500);
	conn_send(&c, .flags = ACK, .ack = 301);
	EXPECT_EQ(1, (int)conn_tcp_info(&c).tcpi_unacked);
	peer_drain(c.peer, 0);
	expect_again(&c, 300, 200, .within_ms = 1000);
	conn_send(&c, .flags = ACK, .ack = 501);
	EXPECT_EQ(0, (int)conn_tcp_info(&c).tcpi_unacked);
}

/*
 * The segments were sent with a small MSS, which a small window demands. What is joined is
 * counted by the MSS of now; the ACK of a part must not count as many.
 */
TEST_F(collapse, mss_has_grown)
{
	static uint8_t text[300];
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;

	ASSERT_EQ(0, knob_set("early_retrans", 0));
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .prepare = nodelay, .wnd = 300);
	for (int i = 0; i < 3; i++) {
		pattern_fill(text, 300, i * 300);
		ASSERT_EQ(300, send(c.fd, text, 300, 0));
		conn_expect(&c, .seq = 1 + i * 300, .len = 300, .pattern = i * 300);
		c.wnd += 300;
		conn_send(&c, .flags = ACK, .ack = 1);
	}
	c.wnd = 65535;
	conn_send(&c, .flags = ACK, .ack = 1);
	expect_again(&c, 0, 900);
	conn_send(&c, .flags = ACK, .ack = 2);
	info = conn_tcp_info(&c);
	EXPECT_GE(12, (int)info.tcpi_snd_cwnd);
	EXPECT_GE(2, (int)info.tcpi_delivered);
	EXPECT_EQ(1, (int)info.tcpi_unacked);
	conn_send(&c, .flags = ACK, .ack = 901);
	EXPECT_EQ(0, (int)conn_tcp_info(&c).tcpi_unacked);
	EXPECT_GE(20, (int)conn_tcp_info(&c).tcpi_snd_cwnd);
	p->leave_unread = true;
}

/*
 * The first has left this host, and the others wait in its device: they will be sent, so
 * nothing is appended to the first.
 */
TEST_F(collapse, segments_in_this_host_are_left_alone)
{
	struct conn c = { .peer = &self->peer };
	static uint8_t text[100];

	ASSERT_EQ(0, knob_set("early_retrans", 0));
	conn_open(c.peer, &c, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .prepare = nodelay);
	for (int i = 0; i < 5; i++) {
		pattern_fill(text, sizeof(text), i * 100);
		ASSERT_EQ(100, send(c.fd, text, 100, 0));
	}
	conn_expect(&c, .seq = 1, .len = 100, .pattern = 0);
	/* A timeout, and not two. */
	sleep_ms(350);
	for (int i = 1; i < 5; i++)
		conn_expect(&c, .seq = 1 + i * 100, .len = 100, .pattern = i * 100);
	expect_again(&c, 0, 100);
	/* Now they have left. */
	expect_again(&c, 0, 500, .within_ms = 1000);
	conn_send(&c, .flags = ACK, .ack = 501);
	peer_expect_silence(c.peer, 2000);
}

TEST_HARNESS_MAIN
