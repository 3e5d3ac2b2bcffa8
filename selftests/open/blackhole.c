// SPDX-License-Identifier: GPL-2.0
/*
 * blackhole: a path that does not carry SYNs with data, or what follows them: the client pauses
 * fast open for the whole namespace (xtcp_fastopen_blackhole_timeout_sec). In stock mode the
 * same tests show that the kernel's TCP does the same. fastconnect.c has the rest of the client.
 */
/* vm: wires v6 families */
#include "open/fastconnect.h"

PEER_FIXTURE(blackhole);

#define TWO_TICKS_MS	20	/* of the kernel's slowest clock */

/*
 * A pause counts in ticks, and its first one has begun already. The timer of the kernel's TCP is
 * late by up to 200 ms.
 */
#define PAUSE_SLACK_MS (stock_mode() ? 250 : TWO_TICKS_MS)

/* A plain SYN. */
static void expect_paused(struct __test_metadata *_metadata, struct peer *p)
{
	struct conn c;

	client(p, &c);
	EXPECT_EQ(EINPROGRESS, errno_of(fast_send(p, c.fd, "hello", 5)));
	expect_syn(&c, .len = 0);
	EXPECT_EQ(-1, c.kern_opt.fastopen);
	drop(&c);
}

/* The pause is over within two times two ticks. */
static void expect_pause_end(struct __test_metadata *_metadata, struct peer *p)
{
	struct conn c;

	expect_paused(_metadata, p);
	sleep_ms(2 * TWO_TICKS_MS);
	client(p, &c);
	EXPECT_EQ(5, fast_send(p, c.fd, "hello", 5));
	expect_syn(&c, .data = "hello");
	drop(&c);
}

/* A timer that is due after @ms has expired by then. Linux's are late by an eighth at most. */
static int64_t timer_over_ms(int64_t ms)
{
	return ms + (stock_mode() ? ms / 8 : 0) + 3 + peer_slack_ns() / NSEC_PER_MSEC;
}

/* The third timeout in a row stops fast open for so many seconds, then for twice as many. */
TEST_F_TIMEOUT(blackhole, rfc7413_ctr_TCPFastOpenBlackhole, 4000)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, knob_set("syn_retries", 3));
	ASSERT_EQ(0, knob_set("fastopen_blackhole_timeout_sec", 100));
	cookie_get(_metadata, p, GRANT);
	for (int round = 1; round <= 2; round++) {
		counters_begin(&before);
		client(p, &c);
		EXPECT_EQ(5, fast_send(p, c.fd, "hello", 5));
		peer_mark(p);
		expect_syn(&c, .data = "hello");
		peer_sleep_until(p, 6999);
		EXPECT_EQ(0, counter_moved(&before, "TCPFastOpenBlackhole"));
		peer_sleep_until(p, timer_over_ms(7000));
		EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenBlackhole"));
		EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenActiveFail"));
		peer_drain(p, 10);
		close(c.fd);
		/* The third timeout was after 7 s. */
		peer_sleep_until(p, 7000 + 100000 * round - PAUSE_SLACK_MS);
		expect_paused(_metadata, p);
		peer_sleep_until(p, 7000 + 100000 * round + PAUSE_SLACK_MS);
	}
	/* Over; data of the server shows that all is well. */
	client(p, &c);
	EXPECT_EQ(5, fast_send(p, c.fd, "hello", 5));
	expect_syn(&c, .data = "hello");
	syn_ack(&c, 6, OPT(USUAL));
	conn_expect(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_send(&c, .flags = PSH | ACK, .data = "fine");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = DELAYED_ACK_MS);
	drop(&c);
	/* The next pause is a short one again. */
	client(p, &c);
	EXPECT_EQ(5, fast_send(p, c.fd, "hello", 5));
	peer_mark(p);
	expect_syn(&c, .data = "hello");
	peer_sleep_until(p, 8000);
	peer_drain(p, 10);
	close(c.fd);
	peer_sleep_until(p, 7000 + 100000 + PAUSE_SLACK_MS);
	client(p, &c);
	EXPECT_EQ(5, fast_send(p, c.fd, "hello", 5));
	expect_syn(&c, .data = "hello");
	drop(&c);
	p->leave_unread = true;
}

/*
 * The third timeout of a SYN counts, or its last one if there are less. What follows the third
 * counts no more.
 */
TEST_F_TIMEOUT(blackhole, rfc7413_black_hole_of_a_few_syns, 200)
{
	static const struct { int retries, counted_ms, over_ms; } cases[] = {
		{ 1, 3000, 3000 }, { 2, 7000, 7000 }, { 3, 7000, 15000 }, { 4, 7000, 31000 },
	};
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	cookie_get(_metadata, p, GRANT);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		peer_note(p, "%d retransmissions", cases[i].retries);
		ASSERT_EQ(0, knob_set("syn_retries", cases[i].retries));
		ASSERT_EQ(0, knob_set("fastopen_blackhole_timeout_sec", 1000));
		counters_begin(&before);
		client(p, &c);
		EXPECT_EQ(5, fast_send(p, c.fd, "hello", 5));
		peer_mark(p);
		expect_syn(&c, .data = "hello");
		peer_sleep_until(p, cases[i].counted_ms - 1);
		EXPECT_EQ(0, counter_moved(&before, "TCPFastOpenBlackhole"));
		peer_sleep_until(p, timer_over_ms(cases[i].counted_ms));
		EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenBlackhole"));
		peer_sleep_until(p, timer_over_ms(cases[i].over_ms));
		EXPECT_EQ(cases[i].retries, peer_drain(p, 0));
		EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
		EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenBlackhole"));
		EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenActiveFail"));
		close(c.fd);
		client(p, &c);
		EXPECT_EQ(EINPROGRESS, errno_of(fast_send(p, c.fd, "hello", 5)));
		expect_syn(&c, .len = 0);
		EXPECT_EQ(-1, c.kern_opt.fastopen);
		drop(&c);
	}
}

/* After the handshake the third timeout of a segment counts. */
TEST_F(blackhole, rfc7413_black_hole_of_what_follows)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int64_t ms;

	ASSERT_EQ(0, knob_set("early_retrans", 0));
	ASSERT_EQ(0, knob_set("fastopen_blackhole_timeout_sec", 1000));
	cookie_get(_metadata, p, GRANT);
	client(p, &c);
	EXPECT_EQ(5, fast_send(p, c.fd, "hello", 5));
	expect_syn(&c, .data = "hello");
	syn_ack(&c, 6, OPT(USUAL));
	conn_expect(&c, .flags = ACK, .seq = 6, .ack = 1);
	counters_begin(&before);
	ASSERT_EQ(5, send(c.fd, "there", 5, 0));
	peer_mark(p);
	conn_expect(&c, .flags = PSH | ACK, .seq = 6, .ack = 1, .data = "there");
	ms = conn_info(&c).rto_us / 1000;
	for (int i = 0; i < 3; i++, ms *= 2) {
		EXPECT_EQ(0, counter_moved(&before, "TCPFastOpenBlackhole"));
		conn_expect(&c, .flags = PSH | ACK, .seq = 6, .ack = 1, .data = "there",
			    .at_ms = ms);
		peer_mark_last(p);
	}
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenBlackhole"));
	conn_expect(&c, .flags = PSH | ACK, .seq = 6, .ack = 1, .data = "there", .at_ms = ms);
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenBlackhole"));
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenActiveFail"));
	drop(&c);
}

/* A FIN or a RST above data that never came, and each write of the knob forgets it. */
TEST_F(blackhole, rfc7413_black_hole_after_the_handshake)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, knob_set("fastopen_blackhole_timeout_sec", 1000));
	cookie_get(_metadata, p, GRANT);
	for (int by_rst = 0; by_rst < 2; by_rst++) {
		counters_begin(&before);
		client(p, &c);
		EXPECT_EQ(5, fast_send(p, c.fd, "hello", 5));
		expect_syn(&c, .data = "hello");
		syn_ack(&c, 6, OPT(USUAL));
		conn_expect(&c, .flags = ACK, .seq = 6, .ack = 1);
		if (by_rst)
			conn_send(&c, .flags = RST, .seq = 501);
		else
			conn_send(&c, .flags = FIN | ACK, .seq = 501, .ack = 6);
		conn_expect(&c, .flags = ACK, .seq = 6, .ack = 1);
		/* A connection counts once; on the kernel's TCP each RST does. */
		for (int i = 0; by_rst && i < 3; i++) {
			sleep_ms(1000);
			conn_send(&c, .flags = RST, .seq = 501 + i);
			conn_expect(&c, .flags = ACK, .seq = 6, .ack = 1);
		}
		socket_abort(c.fd);
		conn_expect(&c, .flags = RST | ACK, .seq = 6);
		sleep_ms(5);
		EXPECT_EQ(by_rst && stock_mode() ? 4 : 1,
			  counter_moved(&before, "TCPFastOpenBlackhole"));
		client(p, &c);
		EXPECT_EQ(EINPROGRESS, errno_of(fast_send(p, c.fd, "hello", 5)));
		expect_syn(&c, .len = 0);
		EXPECT_EQ(-1, c.kern_opt.fastopen);
		drop(&c);
		ASSERT_EQ(0, knob_set("fastopen_blackhole_timeout_sec", 1000));
	}
}

/* After close(), that FIN counts only with the ACK of ours; after shutdown() it does not. */
static void fin_ahead(struct __test_metadata *_metadata, struct peer *p, bool orphan, int ack,
		      int pauses)
{
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, knob_set("fastopen_blackhole_timeout_sec", 1000));
	counters_begin(&before);
	client(p, &c);
	EXPECT_EQ(5, fast_send(p, c.fd, "hello", 5));
	expect_syn(&c, .data = "hello");
	syn_ack(&c, 6, OPT(USUAL));
	conn_expect(&c, .flags = ACK, .seq = 6, .ack = 1);
	if (orphan)
		close(c.fd);
	else
		shutdown(c.fd, SHUT_RDWR);
	conn_expect(&c, .flags = FIN | ACK, .seq = 6, .ack = 1);
	conn_send(&c, .flags = FIN | ACK, .seq = 501, .ack = ack);
	conn_expect(&c, .flags = RST, .seq = ack);
	sleep_ms(5);
	EXPECT_EQ(pauses, counter_moved(&before, "TCPFastOpenBlackhole"));
	if (!orphan)
		close(c.fd);
}

TEST_F(blackhole, rfc7413_black_hole_after_close)
{
	struct peer *p = &self->peer;

	cookie_get(_metadata, p, GRANT);
	fin_ahead(_metadata, p, false, 7, 0);
	fin_ahead(_metadata, p, true, 6, 0);
	fin_ahead(_metadata, p, true, 7, 1);
}

/* An open connection by fast open, and a RST in the window that is not accepted. */
static void open_beside_rst(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	client(p, c);
	EXPECT_EQ(5, fast_send(p, c->fd, "hello", 5));
	expect_syn(c, .data = "hello");
	syn_ack(c, 6, OPT(USUAL));
	conn_expect(c, .flags = ACK, .seq = 6, .ack = 1);
	conn_send(c, .flags = RST, .seq = 501);
	conn_expect(c, .flags = ACK, .seq = 6, .ack = 1);
}

static void abort_connection(struct conn *c)
{
	socket_abort(c->fd);
	conn_expect(c, .flags = RST | ACK, .seq = 6);
}

/* Each pause is twice as long as the one before it; the seventh and all later ones are 64 times. */
TEST_F_TIMEOUT(blackhole, rfc7413_black_hole_pauses_double_six_times, 40000)
{
	static const int times[] = { 1, 2, 4, 8, 16, 32, 64, 64, 64 };
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("fastopen_blackhole_timeout_sec", 10));
	cookie_get(_metadata, p, GRANT);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		open_beside_rst(_metadata, p, &c);
		peer_mark_last(p);
		abort_connection(&c);
		peer_sleep_until(p, 10000 * times[i] - PAUSE_SLACK_MS);
		expect_paused(_metadata, p);
		peer_sleep_until(p, 10000 * times[i] + PAUSE_SLACK_MS);
	}
	ASSERT_EQ(0, knob_set("fastopen_blackhole_timeout_sec", 0));
}

/* A RST that was not accepted does not hide that a later connection shows a good path. */
TEST_F(blackhole, rfc7413_black_hole_ends_beside_a_stray_rst)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("fastopen_blackhole_timeout_sec", 100));
	cookie_get(_metadata, p, GRANT);
	/* The first pause begins; after it data arrives. */
	open_beside_rst(_metadata, p, &c);
	abort_connection(&c);
	sleep_ms(200000);
	open_beside_rst(_metadata, p, &c);
	conn_send(&c, .flags = PSH | ACK, .ack = 6, .data = "fine");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = DELAYED_ACK_MS);
	abort_connection(&c);
	sleep_ms(200000);
	/* No pause is left, nor its length: the next one is of 100 s. */
	open_beside_rst(_metadata, p, &c);
	abort_connection(&c);
	sleep_ms(100000 - TWO_TICKS_MS);
	expect_pause_end(_metadata, p);
}

/* A connection of this host to itself: the server's data arrives, and both ends close. */
static void data_over_loopback(struct __test_metadata *_metadata, struct peer *p)
{
	int lfd = peer_listen(p, PORT, 1), fd, server;
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&p->kernel, PORT, &sa);

	fd = stream_socket(socket_family(p->family));
	EXPECT_EQ(5, sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&sa, len));
	server = accept(lfd, NULL, NULL);
	ASSERT_LE(0, server);
	EXPECT_EQ(4, send(server, "fine", 4, 0));
	fd_nonblock(fd);
	stream_expect_text(_metadata, fd, "fine");
	close(fd);
	close(server);
	close(lfd);
}

/* Data of this host says nothing about the path: the next pause is twice as long all the same. */
TEST_F_TIMEOUT(blackhole, rfc7413_black_hole_stays_beside_loopback, 1000)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("fastopen_blackhole_timeout_sec", 100));
	cookie_get(_metadata, p, GRANT);
	open_beside_rst(_metadata, p, &c);
	abort_connection(&c);
	sleep_ms(101000);
	data_over_loopback(_metadata, p);
	open_beside_rst(_metadata, p, &c);
	abort_connection(&c);
	sleep_ms(200000 - TWO_TICKS_MS);
	expect_pause_end(_metadata, p);
}

TEST_HARNESS_MAIN
