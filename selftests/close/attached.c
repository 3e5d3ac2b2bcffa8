// SPDX-License-Identifier: GPL-2.0
/*
 * attached: FIN-WAIT-2 of a program that has called shutdown() and keeps its socket.
 * RFC 9293 3.6 case 1 sets no limit; xtcp sets one if the knob
 * xtcp_attached_fin_timeout does. Linux has no such limit.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

PEER_FIXTURE(attached);

/* To FIN-WAIT-2; the mark is at the peer's last segment. */
static void shut_down(struct peer *p, struct conn *c)
{
	conn_to_state(p, c, ST_FIN_WAIT_1);
	peer_mark(p);
	conn_send(c, .flags = ACK);
	conn_expect_state(c, ST_FIN_WAIT_2);
}

/* The end is an error for the program; no segment is sent. */
static void expect_end(struct __test_metadata *_metadata, struct conn *c,
		       int64_t at_ms)
{
	static struct counters before;

	counters_take(&before);
	conn_expect_move(c, ST_FIN_WAIT_2, ST_CLOSED, at_ms);
	EXPECT_EQ(POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP,
		  socket_poll(c->fd));
	EXPECT_EQ(ETIMEDOUT, socket_receive(c->fd));
	EXPECT_EQ(0, socket_error(c->fd));
	counters_expect(_metadata, &before, "TCPAbortOnTimeout", 1, NULL);
	peer_expect_silence(c->peer, 1000);
	/* A segment of the peer after that is answered with a RST. */
	conn_send(c, .flags = FIN | ACK);
	conn_expect(c, .flags = RST, .seq = 2);
}

static long wait_for_text(int fd, char *data)
{
	return recv(fd, data, 1, 0);
}

TEST_F(attached, knob_attached_fin_timeout)
{
	static const int values_s[] = { 1, 5, 120 };
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	for (size_t i = 0; i < ARRAY_SIZE(values_s); i++) {
		ASSERT_EQ(0, knob_set("attached_fin_timeout", values_s[i]));
		shut_down(p, &c);
		expect_end(_metadata, &c, values_s[i] * 1000LL);
		EXPECT_EQ((int)i + 1, lifecycle_count("FIN-WAIT-2", "USER-TIMEOUT",
						      "CLOSED"));
		close(c.fd);
		close(c.lfd);
	}
}

TEST_F_TIMEOUT(attached, wish_07_no_limit_is_the_default, 4000)
{
	struct peer *p = &self->peer;
	struct conn c;

	shut_down(p, &c);
	peer_expect_silence(p, 3600 * 1000);
	conn_expect_state(&c, ST_FIN_WAIT_2);
	EXPECT_EQ(0, socket_error(c.fd));
	/* After an hour the peer may still send data. */
	conn_send(&c, .flags = FIN | ACK | PSH, .data = "late");
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 6);
	conn_expect_state(&c, ST_TIME_WAIT);
	EXPECT_EQ(0, socket_receive(c.fd));
}

/* A segment that fails the checks of RFC 9293 3.10.7.4 does not count. */
TEST_F(attached, wish_07_junk_does_not_count)
{
	struct peer *p = &self->peer;
	struct conn c, was;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("attached_fin_timeout", 10));
	shut_down(p, &c);
	was = c;
	for (int i = 1; i < 10; i += 2) {
		peer_sleep_until(p, 1000 * i);
		conn_send(&c, .flags = RST, .seq = -100000);
		c = was;
	}
	expect_end(_metadata, &c, 10000);
}

/* A half-close in use is no leak: each segment of the peer restarts the timer. */
TEST_F(attached, wish_07_counts_from_the_peers_last_segment)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("attached_fin_timeout", 10));
	shut_down(p, &c);
	for (int i = 0; i < 5; i++) {
		peer_sleep_until(p, 9000);
		peer_mark(p);
		conn_send(&c, .flags = ACK | PSH, .data = "x");
		conn_expect(&c, .flags = ACK, .ack = 2 + i, .within_ms = 210);
		EXPECT_EQ(0, socket_receive(c.fd));
		conn_expect_state(&c, ST_FIN_WAIT_2);
	}
	peer_sleep_until(p, 9000);
	peer_mark(p);
	conn_send(&c, .flags = ACK);
	expect_end(_metadata, &c, 10000);
}

/* The knob counts as it is when the time is over: longer, or none. */
TEST_F(attached, knob_attached_fin_timeout_changes_under_way)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("attached_fin_timeout", 10));
	shut_down(p, &c);
	peer_sleep_until(p, 5000);
	ASSERT_EQ(0, knob_set("attached_fin_timeout", 20));
	expect_end(_metadata, &c, 20000);
	ASSERT_EQ(0, knob_set("attached_fin_timeout", 10));
	conn_to_state(p, &c, ST_FIN_WAIT_2, .kport = 6000);
	peer_expect_silence(p, 5000);
	ASSERT_EQ(0, knob_set("attached_fin_timeout", 0));
	peer_expect_silence(p, 100000);
	conn_expect_state(&c, ST_FIN_WAIT_2);
}

/* A FIN in time: TIME-WAIT as usual, which the knob does not shorten. */
TEST_F(attached, wish_07_fin_in_time_is_a_normal_close)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("attached_fin_timeout", 10));
	shut_down(p, &c);
	peer_sleep_until(p, 9900);
	peer_mark(p);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	EXPECT_EQ(0, socket_error(c.fd));
	conn_expect_move(&c, ST_TIME_WAIT, ST_CLOSED, 60000);
	EXPECT_EQ(0, socket_error(c.fd));
}

/* Once the program has closed, xtcp_fin_timeout counts, from then on. */
TEST_F(attached, wish_07_orphan_has_a_knob_of_its_own)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("attached_fin_timeout", 10));
	ASSERT_EQ(0, knob_set("fin_timeout", 20));
	shut_down(p, &c);
	peer_sleep_until(p, 7000);
	peer_mark(p);
	close(c.fd);
	c.fd = -1;
	conn_expect_move(&c, ST_ORPHAN_FIN_WAIT_2, ST_CLOSED, 20000);

	/* A socket that was never attached in FIN-WAIT-2. */
	conn_to_state(p, &c, ST_FIN_WAIT_1, .orphan = true, .kport = 6000);
	peer_mark(p);
	conn_send(&c, .flags = ACK);
	conn_expect_move(&c, ST_ORPHAN_FIN_WAIT_2, ST_CLOSED, 20000);
}

/* A wait longer than TIME-WAIT: the orphan first waits as a socket. */
TEST_F(attached, wish_07_orphan_of_a_long_fin_timeout)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("attached_fin_timeout", 5));
	ASSERT_EQ(0, knob_set("fin_timeout", 100));
	shut_down(p, &c);
	peer_sleep_until(p, 4000);
	peer_mark(p);
	close(c.fd);
	c.fd = -1;
	peer_expect_silence_until(p, 39000);
	EXPECT_EQ(1, proc_rows(p->family, ROW_FIN_WAIT_2));
	conn_expect_move(&c, ST_ORPHAN_FIN_WAIT_2, ST_CLOSED, 100000);
}

/* A sleeping recv() is woken and returns the error. */
TEST_F(attached, wish_07_sleeping_reader_gets_the_error)
{
	struct peer *p = &self->peer;
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("attached_fin_timeout", 3));
	shut_down(p, &c);
	s = sleeper_start(_metadata, c.fd, wait_for_text);
	sleeper_expect_asleep(&s, 2900);
	r = sleeper_expect_done(&s, 200);
	EXPECT_EQ(-1, r.ret);
	EXPECT_EQ(ETIMEDOUT, r.err);
}

/* The other states have timers of their own. */
TEST_F(attached, wish_07_only_fin_wait_2)
{
	static const enum conn_state others[] = {
		ST_ESTABLISHED, ST_CLOSE_WAIT,
	};
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("attached_fin_timeout", 1));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		conn_to_state(p, &c, others[i], .kport = 6000 + i);
		peer_expect_silence(p, 100000);
		conn_expect_state(&c, others[i]);
		EXPECT_EQ(0, socket_error(c.fd));
	}
}

TEST_HARNESS_MAIN
