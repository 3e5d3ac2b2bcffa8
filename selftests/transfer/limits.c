// SPDX-License-Identifier: GPL-2.0
/*
 * limits: a program's and the administrator's limits of timeouts: TCP_THIN_LINEAR_TIMEOUTS,
 * TCP_RTO_MIN_US, TCP_RTO_MAX_MS, TCP_DELACK_MAX_US and their knobs.
 */
/* vm: wires families */
#include "resend.h"
#include "lib/tcpoption.h"

PEER_FIXTURE(limits);

#define LINEAR 6

static void tcp_set(int fd, int option, int value)
{
	setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value));
}

/* Seven timeouts of the same length, and then each is twice as long. */
static void expect_linear(struct __test_metadata *_metadata, struct conn *c)
{
	int64_t rto = send_marked(_metadata, c, "thin");

	for (int i = 0; i <= LINEAR; i++) {
		conn_expect(c, .flags = ACK | PSH, .seq = 1, .data = "thin",
			    .at_ms = rto / 1000);
		peer_mark_last(c->peer);
	}
	rto = expect_resends(c, "thin", 2, 2 * rto);
	EXPECT_LE(8 * RTO_MIN_US, rto);
	conn_send(c, .flags = RST);
}

static void thin(int fd)
{
	tcp_set(fd, TCP_THIN_LINEAR_TIMEOUTS, 1);
}

TEST_F_TIMEOUT(limits, thin_stream_begins_linearly, 100)
{
	struct conn c;

	conn_open(&self->peer, &c, .prepare = thin);
	expect_linear(_metadata, &c);
}

TEST_F_TIMEOUT(limits, thin_linear_timeouts_of_a_namespace, 100)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("thin_linear_timeouts", 1));
	conn_open(&self->peer, &c);
	expect_linear(_metadata, &c);
}

/* The timeout is that of RFC 6298 5.7 while no round trip is measured, and stays so long. */
TEST_F_TIMEOUT(limits, thin_stream_after_a_lost_syn, 100)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .prepare = thin);
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 1000);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	send_marked(_metadata, &c, "thin");
	for (int i = 0; i < 3; i++) {
		conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "thin", .at_ms = 3000);
		peer_mark_last(p);
	}
	conn_send(&c, .flags = RST);
}

/* Four segments in flight could cause duplicate ACKs. */
TEST_F_TIMEOUT(limits, thick_stream_backs_off, 100)
{
	struct peer *p = &self->peer;
	struct conn c;
	int64_t rto;

	ASSERT_EQ(0, knob_set("early_retrans", 0));
	conn_open(p, &c, .prepare = thin, .opt = OPT(OPT_MSS(1000)));
	conn_write(&c, 4000);
	for (int i = 0; i < 4; i++)
		conn_expect(&c, .seq = 1 + i * 1000, .len = 1000);
	peer_mark_last(p);
	rto = rto_us(&c);
	for (int i = 0; i < 3; i++, rto *= 2) {
		conn_expect(&c, .seq = 1, .len = 1000, .at_ms = rto / 1000);
		peer_mark_last(p);
	}
	conn_send(&c, .flags = RST);
}

static void rto_max_1s(int fd)
{
	tcp_set(fd, TCP_RTO_MAX_MS, 1000);
}

/* Doublings up to a second, and R2 is the time that 15 of them take. */
static void expect_give_up(struct __test_metadata *_metadata, struct conn *c)
{
	static const int rto_ms[] = { 200, 400, 800 };
	int64_t start_ms;

	send_marked(_metadata, c, "x");
	start_ms = now_ms();
	for (int i = 0; i < 15; i++) {
		conn_expect(c, .flags = ACK | PSH, .seq = 1, .data = "x",
			    .at_ms = i < 3 ? rto_ms[i] : 1000);
		peer_mark_last(c->peer);
	}
	peer_expect_poll(c->peer, c->fd, POLLERR, 1000);
	EXPECT_LE(14400, now_ms() - start_ms);
	EXPECT_GE(14900, now_ms() - start_ms);
	EXPECT_EQ(ETIMEDOUT, socket_error(c->fd));
}

TEST_F_TIMEOUT(limits, rto_max_of_a_socket, 100)
{
	struct conn c;

	NOT_ON_STOCK();
	conn_open(&self->peer, &c, .prepare = rto_max_1s);
	expect_give_up(_metadata, &c);
}

TEST_F_TIMEOUT(limits, rto_max_of_a_namespace, 100)
{
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("rto_max_ms", 1000));
	conn_open(&self->peer, &c);
	expect_give_up(_metadata, &c);
}

TEST_F_TIMEOUT(limits, rto_max_of_a_syn, 100)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_SYN_SENT, .prepare = rto_max_1s);
	peer_mark_last(p);
	for (int i = 1; i <= 6; i++)
		conn_expect(&c, .flags = SYN, .at_ms = i * 1000);
	peer_expect_poll(p, c.fd, POLLERR | POLLHUP, 7000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
}

TEST_F_TIMEOUT(limits, rto_max_of_a_syn_ack, 100)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_HALF_OPEN, .prepare = rto_max_1s);
	peer_mark_last(p);
	for (int i = 1; i <= 5; i++)
		conn_expect(&c, .flags = SYN | ACK, .at_ms = i * 1000);
	peer_expect_silence(p, 3000);
}

static void rto_min_50ms(int fd)
{
	tcp_set(fd, TCP_RTO_MIN_US, 50000);
}

TEST_F(limits, rto_min_of_a_socket)
{
	struct conn c;

	NOT_ON_STOCK();
	conn_open(&self->peer, &c, .prepare = rto_min_50ms);
	EXPECT_LE(50000, rto_us(&c));
	EXPECT_GE(62000, rto_us(&c));
	send_marked(_metadata, &c, "x");
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "x", .at_ms = rto_us(&c) / 1000);
	conn_send(&c, .flags = ACK);
}

static void delack_20ms(int fd)
{
	tcp_set(fd, TCP_DELACK_MAX_US, 20000);
}

TEST_F(limits, delayed_ack_of_a_socket)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .prepare = delack_20ms);
	tcp_set(c.fd, TCP_QUICKACK, 0);
	peer_mark(p);
	conn_send(&c, .flags = ACK, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = 101, .at_ms = 20);
	p->leave_unread = true;
}

/* A write that is acknowledged after so many ms. Returns the minimum RTT in us. */
static uint32_t min_rtt_after(struct __test_metadata *_metadata, struct conn *c, int rtt_ms)
{
	send_marked(_metadata, c, "x");
	sleep_ms(rtt_ms);
	conn_send(c, .flags = ACK, .ack = c->peer->last.seq - c->kern_iss + 1);
	return conn_tcp_info(c).tcpi_min_rtt;
}

/* The path has become longer: the old minimum counts for one period, at most for two. */
TEST_F(limits, knob_min_rtt_wlen_acts)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("min_rtt_wlen", 10));
	conn_open(&self->peer, &c);
	EXPECT_GT(25000, min_rtt_after(_metadata, &c, 20));
	sleep_ms(8000);
	EXPECT_GT(25000, min_rtt_after(_metadata, &c, 50));
	sleep_ms(11000);
	EXPECT_GT(25000, min_rtt_after(_metadata, &c, 50));
	sleep_ms(11000);
	EXPECT_LE(49000, min_rtt_after(_metadata, &c, 50));
	/* After a pause at once. */
	sleep_ms(25000);
	EXPECT_LE(99000, min_rtt_after(_metadata, &c, 100));
}

/* Each measurement replaces the one before it. */
TEST_F(limits, knob_min_rtt_wlen_0)
{
	static const int rtts_ms[] = { 20, 50, 40, 90, 60 };
	struct conn c;

	ASSERT_EQ(0, knob_set("min_rtt_wlen", 0));
	conn_open(&self->peer, &c);
	for (size_t i = 0; i < ARRAY_SIZE(rtts_ms); i++) {
		int us = min_rtt_after(_metadata, &c, rtts_ms[i]);

		EXPECT_LE(rtts_ms[i] * 1000, us);
		EXPECT_GE(rtts_ms[i] * 1000 + 3000, us);
	}
}

TEST_HARNESS_MAIN
