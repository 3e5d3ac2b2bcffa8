// SPDX-License-Identifier: GPL-2.0
/*
 * defer: TCP_DEFER_ACCEPT: a listener that accepts no connection before its first
 * data, and a client that holds back its third segment. RFC 9293 3.10.7.4 fifth: a server
 * may treat an ACK as lost.
 */
/* vm: wires v6 families */
#include "lib/xtcp_test.h"

#include <netinet/tcp.h>

PEER_FIXTURE(defer);

static void five_seconds(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &(int){ 5 }, sizeof(int));
}

static int deferral(int fd)
{
	socklen_t len = sizeof(int);
	int seconds = -1;

	getsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, &len);
	return seconds;
}

/* Half-open, its third segment ignored. */
static void silent_client(struct peer *p, struct conn *c, int lfd)
{
	conn_to_state(p, c, ST_HALF_OPEN, .lfd = lfd);
	conn_send(c, .flags = ACK);
	peer_expect_silence(p, 20);
	conn_expect_state(c, ST_HALF_OPEN);
}

static int deferring_listener(struct peer *p)
{
	int lfd = peer_listen(p, KERNEL_PORT, 16);

	five_seconds(lfd);
	return lfd;
}

TEST_F(defer, ctr_TCPDeferAcceptDrop)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd = deferring_listener(p);

	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	counters_take(&before);
	conn_send(&c, .flags = ACK);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "InSegs", 2, "TCPDeferAcceptDrop", 2, NULL);
	conn_expect_state(&c, ST_HALF_OPEN);
	EXPECT_EQ(0, socket_poll(lfd));
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
}

TEST_F(defer, defer_accept_text_completes)
{
	struct peer *p = &self->peer;
	struct conn c;
	char buf[8];
	int lfd = deferring_listener(p);

	silent_client(p, &c, lfd);
	peer_expect_silence(p, 2000);
	conn_send(&c, .flags = ACK | PSH, .data = "text");
	conn_accept(&c);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5, .within_ms = 210);
	EXPECT_EQ(4, recv(c.fd, buf, sizeof(buf), 0));
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* The peer has acknowledged the SYN-ACK at once; its program has waited. */
TEST_F(defer, rfc7323_4_1_waiting_is_no_round_trip_time)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd = deferring_listener(p);

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd,
		      .opt = OPT(OPT_MSS(1460), OPT_NOP, OPT_NOP, OPT_TS(1, 0)));
	conn_send(&c, .flags = ACK);
	sleep_ms(2500);
	conn_send(&c, .flags = ACK | PSH, .data = "text");
	conn_accept(&c);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5, .within_ms = 210);
	EXPECT_GT(1000000, conn_info(&c).srtt_us);
	EXPECT_GE(3000000, conn_info(&c).rto_us);
}

/* A client that asks at once is measured. */
TEST_F(defer, rfc6298_2_2_prompt_text_is_measured)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd = deferring_listener(p);

	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	sleep_ms(50);
	conn_send(&c, .flags = ACK);
	conn_send(&c, .flags = ACK | PSH, .data = "text");
	conn_accept(&c);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5, .within_ms = 210);
	EXPECT_LE(50000, conn_info(&c).srtt_us);
	EXPECT_GE(60000, conn_info(&c).srtt_us);
}

/* A FIN can be read, too. */
TEST_F(defer, defer_accept_fin_completes)
{
	struct peer *p = &self->peer;
	struct conn c;
	char b;
	int lfd = deferring_listener(p);

	silent_client(p, &c, lfd);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 2, .within_ms = 210);
	conn_accept(&c);
	EXPECT_EQ(0, recv(c.fd, &b, 1, 0));
	conn_expect_state(&c, ST_CLOSE_WAIT);
}

/* 5 s are three timeouts, at 1, 3 and 7 s; only the last one repeats the SYN-ACK. */
TEST_F(defer, defer_accept_ends_after_the_last_retry)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd = deferring_listener(p);

	peer_mark(p);
	silent_client(p, &c, lfd);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1, .at_ms = 7000);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(defer, defer_accept_last_retries_unanswered)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd = deferring_listener(p);

	peer_mark(p);
	silent_client(p, &c, lfd);
	for (int s = 7; s <= 31; s = 2 * s + 1)
		conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = 1000 * s);
	conn_expect_move(&c, ST_HALF_OPEN, ST_CLOSED, 63000);
	peer_expect_silence(p, 100000);
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
}

/* A client that has not completed the handshake gets the SYN-ACK again as usual. */
TEST_F(defer, defer_accept_does_not_wait_for_the_ack)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd = deferring_listener(p);

	peer_mark(p);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = 1000);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = 3000);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 20);
	conn_expect_state(&c, ST_HALF_OPEN);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = 7000);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
}

/*
 * The deferral may last longer than the retries; but only for clients that have sent
 * their ACK.
 */
TEST_F(defer, defer_accept_outlives_the_retries)
{
	struct peer *p = &self->peer;
	struct conn acked, mute;
	int lfd;

	ASSERT_EQ(0, knob_set("synack_retries", 1));
	lfd = deferring_listener(p);
	peer_mark(p);
	silent_client(p, &acked, lfd);
	peer_sleep_until(p, 400);
	conn_to_state(p, &mute, ST_HALF_OPEN, .lfd = lfd);
	conn_expect(&mute, .flags = SYN | ACK, .seq = 0, .at_ms = 1400);
	conn_expect_move(&mute, ST_HALF_OPEN, ST_CLOSED, 3400);
	conn_expect(&acked, .flags = SYN | ACK, .seq = 0, .at_ms = 7000);
	conn_expect_move(&acked, ST_HALF_OPEN, ST_CLOSED, 15000);
	peer_expect_silence(p, 70000);
}

/*
 * Once the option is taken off, clients that wait already are not deferred any longer.
 */
TEST_F(defer, defer_accept_taken_off)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd = deferring_listener(p);

	peer_mark(p);
	silent_client(p, &c, lfd);
	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0));
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = 1000);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
}

/* The option is the listener's alone. */
TEST_F(defer, opt_defer_accept_is_not_inherited)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd = deferring_listener(p);

	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	conn_send(&c, .flags = ACK | PSH, .data = "text");
	conn_accept(&c);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5, .within_ms = 210);
	EXPECT_EQ(7, deferral(lfd));
	EXPECT_EQ(0, deferral(c.fd));
}

/* With timeouts of 2 s at most, 30 s are 16 of them: one of 1 s and fifteen of 2 s. */
TEST_F(defer, knob_rto_max_ms_limits_each_timeout_of_a_deferral)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	NOT_ON_STOCK();		/* newer than Linux 6.12 */
	ASSERT_EQ(0, knob_set("rto_max_ms", 2000));
	lfd = peer_listen(p, KERNEL_PORT, 16);
	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 60));
	EXPECT_EQ(61, deferral(lfd));
	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 30));
	EXPECT_EQ(31, deferral(lfd));
	peer_mark(p);
	silent_client(p, &c, lfd);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1, .at_ms = 31000);
	conn_expect_move(&c, ST_HALF_OPEN, ST_CLOSED, 33000);
	peer_expect_silence(p, 70000);
}

/* A cookie has no record that could wait. */
TEST_F(defer, defer_accept_not_with_cookies)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	ASSERT_EQ(0, knob_set("syncookies", 2));
	lfd = deferring_listener(p);
	conn_start(p, &c, .lfd = lfd);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* A client with SYN-ACK received, its third segment not sent yet. */
static void client_with(struct peer *p, struct conn *c, void (*option)(int fd))
{
	conn_start(p, c, .active = true, .prepare = option);
	conn_expect(c, .flags = SYN);
	conn_send(c, .flags = SYN | ACK, .opt = OPT(OPT_MSS(1460)));
}

static void client(struct peer *p, struct conn *c)
{
	client_with(p, c, five_seconds);
}

static void no_quickack(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &(int){ 0 }, sizeof(int));
}

/* TCP_QUICKACK 0 before connect() does the same. */
TEST_F(defer, quickack_0_third_ack_rides_on_text)
{
	struct peer *p = &self->peer;
	struct conn c;

	client_with(p, &c, no_quickack);
	peer_expect_silence(p, 150);
	conn_expect_state(&c, ST_ESTABLISHED);
	ASSERT_EQ(2, send(c.fd, "in", 2, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "in");
	peer_expect_silence(p, 100);
}

TEST_F(defer, quickack_0_third_ack_waits_200ms)
{
	struct peer *p = &self->peer;
	struct conn c;

	peer_mark(p);
	client_with(p, &c, no_quickack);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .at_ms = 200);
	conn_expect_state(&c, ST_ESTABLISHED);
	peer_expect_silence(p, 1000);
}

TEST_F(defer, defer_accept_third_ack_rides_on_text)
{
	struct peer *p = &self->peer;
	struct conn c;

	client(p, &c);
	peer_expect_silence(p, 150);
	conn_expect_state(&c, ST_ESTABLISHED);
	ASSERT_EQ(2, send(c.fd, "in", 2, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "in");
	peer_expect_silence(p, 100);
}

TEST_F(defer, defer_accept_third_ack_waits_200ms)
{
	struct peer *p = &self->peer;
	struct conn c;

	peer_mark(p);
	client(p, &c);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .at_ms = 200);
	conn_expect_state(&c, ST_ESTABLISHED);
	peer_expect_silence(p, 1000);
}

TEST_HARNESS_MAIN
