// SPDX-License-Identifier: GPL-2.0
/*
 * abort: ends of a connection without an orderly close: unread data, SO_LINGER, RST;
 * and the errors that the program gets. RFC 9293 3.5.3, 3.6.1, 3.9.1.5-6.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

PEER_FIXTURE(abort);

/* close() by a child which holds the last reference. */
static long close_soon(int fd, char *data)
{
	sleep_ms(20);
	return close(fd);
}

static struct sleeper close_in_child(struct __test_metadata *_metadata, struct conn *c)
{
	struct sleeper s = sleeper_start(_metadata, c->fd, close_soon);

	close(c->fd);
	c->fd = -1;
	return s;
}

static void unread_text(struct __test_metadata *_metadata, struct peer *p,
			enum conn_state st)
{
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = PSH | ACK, .data = "unread");
	conn_expect(&c, .flags = ACK, .ack = 7);
	conn_advance(&c, st, false);
	counters_begin(&before);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = conn_kern_nxt(&c), .ack = conn_peer_nxt(&c));
	conn_expect_state(&c, ST_CLOSED);
	if (st == ST_ESTABLISHED || st == ST_CLOSE_WAIT)
		counters_expect(_metadata, &before, "CurrEstab", -1, "EstabResets", 1,
				"OutRsts", 1, "TCPAbortOnClose", 1, NULL);
	else
		counters_expect(_metadata, &before, "OutRsts", 1,
				"TCPAbortOnClose", 1, NULL);
	peer_expect_silence(p, 1000);
}

TEST_F(abort, lc_84_unread_text_is_reset)
{
	unread_text(_metadata, &self->peer, ST_ESTABLISHED);
}

TEST_F(abort, lc_84_unread_text_in_close_wait)
{
	unread_text(_metadata, &self->peer, ST_CLOSE_WAIT);
}

TEST_F(abort, lc_84_unread_text_in_fin_wait_2)
{
	unread_text(_metadata, &self->peer, ST_FIN_WAIT_2);
}

/* Both sides have sent FIN. The peer still learns that data was lost. */
TEST_F(abort, lc_84_unread_text_in_last_ack)
{
	unread_text(_metadata, &self->peer, ST_LAST_ACK);
}

TEST_F(abort, lc_84_unread_text_in_closing)
{
	unread_text(_metadata, &self->peer, ST_CLOSING);
}

TEST_F(abort, rfc9293_shld_03_close_with_unread_text)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The same when a part of it has been read. */
	conn_open(p, &c);
	conn_send(&c, .flags = PSH | ACK, .data = "ab");
	conn_expect(&c, .flags = ACK, .ack = 3);
	ASSERT_EQ(0, socket_receive(c.fd));
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 3);
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(abort, lc_84_all_read_is_a_fin)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* An unread FIN is no data. */
	conn_open(p, &c);
	conn_send(&c, .flags = FIN | PSH | ACK, .data = "read");
	conn_expect(&c, .flags = ACK, .ack = 6, .within_ms = 210);
	program_reads(_metadata, c.fd, "read");
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 6);
	conn_expect_state(&c, ST_LAST_ACK);
}

PAIR_FIXTURE(abort_pair);

TEST_F(abort_pair, lc_84_the_peer_is_told)
{
	struct pair *pr = &self->pair;
	int fd[2];

	pair_connected(pr, 5000, &fd[CLIENT], &fd[SERVER]);
	ASSERT_EQ(0, socket_send(fd[SERVER]));
	sleep_ms(50);
	close(fd[CLIENT]);
	sleep_ms(50);
	EXPECT_EQ(ECONNRESET, socket_receive(fd[SERVER]));
	EXPECT_EQ(EPIPE, socket_send(fd[SERVER]));
	for (int side = CLIENT; side <= SERVER; side++) {
		pair_enter(pr, side);
		EXPECT_EQ(0, proc_rows(pr->family, ROW_TIME_WAIT));
	}
}

TEST_F(abort, lc_86_linger_0)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	program_lingers(c.fd, 0);
	counters_begin(&before);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "CurrEstab", -1, "EstabResets", 1,
			"OutRsts", 1, "TCPAbortOnData", 1, NULL);
	peer_expect_silence(p, 1000);
	EXPECT_EQ(0, proc_rows(p->family, ROW_TIME_WAIT));
}

TEST_F(abort, lc_86_linger_0_forgets_queued_text)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* RST at SND.NXT: the end of what was sent, not of what was written. */
	conn_open(p, &c, .wnd = 4);
	ASSERT_EQ(8, send(c.fd, "sentkept", 8, 0));
	conn_expect(&c, .seq = 1, .data = "sent", .within_ms = 300);
	program_lingers(c.fd, 0);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 5, .ack = 1);
	peer_expect_silence(p, 10000);
}

/* close() with a long linger time; its FIN has been read. */
static struct sleeper linger_in_child(struct __test_metadata *_metadata, struct conn *c)
{
	struct sleeper s;

	program_lingers(c->fd, 30);
	s = close_in_child(_metadata, c);
	conn_expect(c, .flags = FIN | ACK, .seq = 1, .within_ms = 30);
	return s;
}

/* close() returns with the last ACK, however long a time the program allows. */
TEST_F(abort, linger_returns_with_the_last_ack)
{
	struct peer *p = &self->peer;
	struct sleeper s;
	struct conn c;

	conn_open(p, &c);
	s = linger_in_child(_metadata, &c);
	sleeper_expect_asleep(&s, 2000);
	peer_drain(p, 0);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(0, sleeper_expect_done(&s, 20).ret);
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
}

TEST_F(abort, linger_gives_up_waiting)
{
	struct peer *p = &self->peer;
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_open(p, &c);
	program_lingers(c.fd, 3);
	s = close_in_child(_metadata, &c);
	sleeper_expect_asleep(&s, 2900);
	r = sleeper_expect_done(&s, 500);
	EXPECT_EQ(0, r.ret);
	EXPECT_LE(3000, r.ms);
	/*
	 * A sleep of the socket layer, whose timer the kernel rounds up by an eighth.
	 */
	EXPECT_GE(3400, r.ms);
	/* The connection continues without the program. */
	peer_drain(p, 0);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	conn_send(&c, .flags = ACK, .ack = 2);
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
}

TEST_F(abort, linger_in_last_ack)
{
	struct peer *p = &self->peer;
	struct sleeper s;
	struct conn c;

	conn_to_state(p, &c, ST_CLOSE_WAIT);
	s = linger_in_child(_metadata, &c);
	sleeper_expect_asleep(&s, 100);
	conn_send(&c, .flags = ACK);
	sleeper_expect_done(&s, 20);
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(abort, linger_ends_with_a_rst)
{
	struct peer *p = &self->peer;
	struct sleeper s;
	struct conn c;

	conn_open(p, &c);
	s = linger_in_child(_metadata, &c);
	sleeper_expect_asleep(&s, 100);
	conn_send(&c, .flags = RST);
	sleeper_expect_done(&s, 20);
	conn_expect_state(&c, ST_CLOSED);
}

/* A program that is killed does not linger. */
TEST_F(abort, linger_is_not_for_the_dead)
{
	struct peer *p = &self->peer;
	int64_t start = now_ms();
	struct conn c;
	pid_t pid;

	conn_open(p, &c);
	program_lingers(c.fd, 30);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		sleep_ms(20);
		_exit(0);
	}
	close(c.fd);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_GE(100, now_ms() - start);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1);
	conn_expect_state(&c, ST_FIN_WAIT_1);
}

TEST_F(abort, linger_without_need)
{
	struct peer *p = &self->peer;
	int64_t start;
	struct conn c;

	/* The FIN had been acknowledged. */
	conn_to_state(p, &c, ST_FIN_WAIT_2);
	program_lingers(c.fd, 30);
	start = now_ms();
	close(c.fd);
	EXPECT_GE(5, now_ms() - start);
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
}

TEST_F(abort, rfc9293_must_12_reset_is_reported_once)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	counters_begin(&before);
	conn_send(&c, .flags = RST);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP, socket_poll(c.fd));
	counters_expect(_metadata, &before, "CurrEstab", -1, "EstabResets", 1, NULL);
	EXPECT_EQ(ECONNRESET, socket_send(c.fd));
	EXPECT_EQ(EPIPE, socket_send(c.fd));
	EXPECT_TRUE(program_is_signalled(c.fd));
	program_reads_end(_metadata, c.fd);
	EXPECT_EQ(POLLIN | POLLOUT | POLLHUP | POLLRDHUP, socket_poll(c.fd));
}

TEST_F(abort, reset_in_close_wait_is_epipe)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The peer's data had all arrived: only what we send is lost. */
	conn_to_state(p, &c, ST_CLOSE_WAIT);
	conn_send(&c, .flags = RST);
	EXPECT_EQ(EPIPE, socket_error(c.fd));
	EXPECT_EQ(EPIPE, socket_send(c.fd));
	program_reads_end(_metadata, c.fd);
}

TEST_F(abort, reset_leaves_what_was_received)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = PSH | ACK, .data = "before");
	conn_expect(&c, .flags = ACK, .ack = 7);
	conn_send(&c, .flags = RST);
	program_reads(_metadata, c.fd, "before");
	EXPECT_EQ(ECONNRESET, socket_receive(c.fd));
	program_reads_end(_metadata, c.fd);
}

TEST_F(abort, rfc9293_shld_02_rst_may_say_why)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = RST | ACK, .data = "out of paper");
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(ECONNRESET, socket_receive(c.fd));
	/* No program reads what it said. */
	program_reads_end(_metadata, c.fd);
}

/* --- shutdown() --------------------------------------------------------- */

TEST_F(abort, shutdown_rd_still_acknowledges)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	counters_begin(&before);
	EXPECT_EQ(0, socket_shutdown(c.fd, SHUT_RD));
	program_reads_end(_metadata, c.fd);
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP, socket_poll(c.fd));
	peer_expect_silence(p, 100);
	conn_send(&c, .flags = PSH | ACK, .data = "anyway");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 7);
	conn_expect_state(&c, ST_ESTABLISHED);
	/* The other direction is unchanged. */
	EXPECT_EQ(0, socket_send(c.fd));
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 7, .data = "x");
	conn_send(&c, .flags = ACK);
	counters_expect(_metadata, &before, NULL);
}

TEST_F(abort, shutdown_both_is_a_fin)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	EXPECT_EQ(0, socket_shutdown(c.fd, SHUT_RDWR));
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP | POLLHUP, socket_poll(c.fd));
	EXPECT_EQ(EPIPE, socket_send(c.fd));
	program_reads_end(_metadata, c.fd);
	/* Both directions are shut and the data is unread: RST. */
	conn_send(&c, .flags = PSH | ACK, .data = "anybody?");
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(abort, shutdown_twice_and_wrong)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	conn_open(p, &c);
	EXPECT_EQ(EINVAL, socket_shutdown(c.fd, 3));
	EXPECT_EQ(0, socket_shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = FIN | ACK, .seq = 1);
	EXPECT_EQ(0, socket_shutdown(c.fd, SHUT_WR));
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	EXPECT_EQ(EPIPE, socket_send(c.fd));
	EXPECT_TRUE(program_is_signalled(c.fd));
	fd = socket_new(-1);
	EXPECT_EQ(ENOTCONN, socket_shutdown(fd, SHUT_WR));
	EXPECT_EQ(ENOTCONN, socket_shutdown(fd, SHUT_RD));
	/*
	 * A listener: shutdown() of the sending half does nothing, of the receiving
	 * half ends it.
	 */
	EXPECT_EQ(0, socket_shutdown(c.lfd, SHUT_WR));
	EXPECT_EQ(1, proc_rows(p->family, ROW_LISTEN));
	EXPECT_EQ(0, socket_shutdown(c.lfd, SHUT_RD));
	EXPECT_EQ(0, proc_rows(p->family, ROW_LISTEN));
	EXPECT_EQ(EINVAL, socket_accept(c.lfd));
}

TEST_F(abort, shutdown_wr_in_syn_sent)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	EXPECT_EQ(0, socket_shutdown(c.fd, SHUT_WR));
	conn_expect_state(&c, ST_CLOSED);
	peer_expect_silence(p, 5000);
}

TEST_F(abort, sm_sr_shutdown_wr)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* As in Linux the FIN waits until the handshake is complete. */
	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_SYN_RECEIVED);
	EXPECT_EQ(0, socket_shutdown(c.fd, SHUT_WR));
	conn_expect_state(&c, ST_FIN_WAIT_1);
	if (!peer_read(p, now_ns() + 10 * NSEC_PER_MSEC)) {
		conn_send(&c, .flags = ACK, .ack = 1);
		conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1);
	} else {
		EXPECT_EQ(FIN | ACK, p->last.flags);
		EXPECT_EQ(c.kern_iss + 1, p->last.seq);
		c.kern_nxt = c.kern_iss + 2;
	}
	conn_send(&c, .flags = ACK, .ack = 2);
	conn_expect_state(&c, ST_FIN_WAIT_2);
}

TEST_F(abort, sm_sr_close)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_RECEIVED);
	close(c.fd);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	peer_drain(p, 10);
	conn_send(&c, .flags = ACK, .ack = 1);
	peer_drain(p, 10);
	conn_send(&c, .flags = ACK, .ack = 2);
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
}

TEST_F(abort, sm_sr_abort)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_RECEIVED);
	socket_abort(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_CLOSED);
	peer_expect_silence(p, 5000);
}

/* The socket of a reset connection can connect again. */
TEST_F(abort, disconnected_socket_connects_again)
{
	struct peer *p = &self->peer;
	struct conn c, again;

	conn_open(p, &c, .active = true);
	EXPECT_EQ(0, socket_disconnect(c.fd));
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	EXPECT_EQ(ENOTCONN, socket_receive(c.fd));
	EXPECT_EQ(EPIPE, socket_send(c.fd));
	EXPECT_EQ(EINPROGRESS, socket_connect(c.fd, "10.0.0.2", 4242));
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 4242);
	conn_open(p, &again, .kport = 6000);
	conn_expect_state(&again, ST_ESTABLISHED);
}

static int asked(int fd, unsigned long request)
{
	int n = -1;

	return ioctl(fd, request, &n) ? -errno : n;
}

/* No error of the old connection is left. */
TEST_F(abort, disconnected_socket_has_nothing)
{
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(5, send(c.fd, "hello", 5, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "hello");
	conn_send(&c, .flags = ACK | URG, .urg = 1, .data = "u", .ack = 1);
	sleep_ms(5);
	EXPECT_EQ(POLLPRI, socket_poll(c.fd) & POLLPRI);
	EXPECT_EQ(0, socket_disconnect(c.fd));
	EXPECT_EQ(0, socket_poll(c.fd) & POLLPRI);
	if (!stock_mode()) {
		/* An ACK and a sequence number that belong to neither connection. */
		EXPECT_EQ(0, asked(c.fd, SIOCOUTQNSD));
		EXPECT_EQ(0, asked(c.fd, SIOCOUTQ));
	}
	EXPECT_EQ(0, asked(c.fd, SIOCINQ));
	self->peer.leave_unread = true;
}

/*
 * Data that LAST-ACK had queued is lost then, and the peer is told; a FIN alone is
 * not.
 */
static void disconnect_in_last_ack(struct __test_metadata *_metadata, struct peer *p, int wnd)
{
	struct conn c;

	conn_to_state(p, &c, ST_CLOSE_WAIT);
	conn_send(&c, .flags = ACK, .wnd = wnd);
	p->leave_unread = true;
	ASSERT_EQ(5, send(c.fd, "hello", 5, 0));
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect_state(&c, ST_LAST_ACK);
	peer_drain(p, 5);
	EXPECT_EQ(0, socket_disconnect(c.fd));
	EXPECT_EQ(wnd ? 0 : ECONNRESET, socket_error(c.fd));
	peer_drain(p, 5);
	EXPECT_EQ(wnd ? 0 : RST, p->last.flags & RST);
}

TEST_F(abort, disconnect_in_last_ack_with_unsent_text)
{
	disconnect_in_last_ack(_metadata, &self->peer, 0);
}

TEST_F(abort, disconnect_in_last_ack)
{
	disconnect_in_last_ack(_metadata, &self->peer, 10000);
}

TEST_HARNESS_MAIN
