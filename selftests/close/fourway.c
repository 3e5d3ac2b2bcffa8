// SPDX-License-Identifier: GPL-2.0
/*
 * fourway: the orderly close of a connection: the four segments, the half-closed
 * time between them, and both sides closing at once. RFC 9293 3.6 (cases 1 to 3),
 * 3.10.4, 3.10.7.4 fifth and eighth.
 */
/* vm: wires v6 mapped */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>
#include <sys/stat.h>

PEER_FIXTURE(fourway);
PAIR_FIXTURE(fourway_pair);

/* The kernel's TCP may delay the ACK of a FIN for data to carry it; xtcp does not. */
#define FIN_ACK_MS (stock_mode() ? 210 : PROMPT_MS)

static void open_counted(struct peer *p, struct conn *c, struct counters *before)
{
	conn_open(p, c);
	counters_begin(before);
}

TEST_F(fourway, lc_70_fin_takes_one_number)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct proc_row row;
	struct conn c;

	open_counted(p, &c, &before);
	/* The second of two equal ACKs is a duplicate, with only the FIN in flight. */
	counters_ignore(&before, "TCPRenoReorder", NULL);
	peer_mark(p);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1, .at_ms = 0);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(1, row.tx);
	EXPECT_EQ(1, row.timer);
	EXPECT_NE(0, row.inode);
	EXPECT_EQ(EPIPE, socket_send(c.fd));
	/* An ACK of all that precedes the FIN does not acknowledge it. */
	conn_send(&c, .flags = ACK, .ack = 1);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	counters_expect(_metadata, &before, "CurrEstab", -1, NULL);
	conn_send(&c, .flags = ACK, .ack = 2);
	conn_expect_state(&c, ST_FIN_WAIT_2);
	peer_expect_silence(p, 3000);
}

TEST_F(fourway, lc_70_queued_text_goes_first)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The window takes a third of the data. */
	conn_open(p, &c, .wnd = 2000);
	conn_write(&c, 6000);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect_state(&c, ST_FIN_WAIT_1);
	EXPECT_EQ(EPIPE, socket_send(c.fd));
	/* The FIN comes with the last data or, beyond the window, after it. */
	do {
		conn_expect(&c, .seq = conn_kern_nxt(&c),
			    .pattern = conn_kern_nxt(&c) - 1, .within_ms = 300);
		conn_send(&c, .flags = ACK);
	} while (!(p->last.flags & FIN));
	EXPECT_EQ(6002, conn_kern_nxt(&c));
	conn_expect_state(&c, ST_FIN_WAIT_2);
}

/* The FIN takes a number of the window, and this one has room for it: one segment. */
TEST_F(fourway, lc_70_fin_fills_the_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .wnd = 5);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	ASSERT_EQ(4, send(c.fd, "last", 4, 0));
	peer_expect_silence(p, 20);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = FIN | PSH | ACK, .seq = 1, .ack = 1, .data = "last");
	conn_send(&c, .flags = ACK, .ack = 6);
	conn_expect_state(&c, ST_FIN_WAIT_2);
}

/*
 * The window ends right before the FIN. If payload and FIN wait together, xtcp sends the payload at
 * once; the kernel's TCP sends nothing until its probe. The FIN itself is not used as a probe.
 */
TEST_F(fourway, lc_70_fin_waits_for_the_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	for (int corked = 0; corked < 2; corked++) {
		peer_note(p, "corked %d", corked);
		conn_open(p, &c, .wnd = 4, .kport = 6000 + corked);
		ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, corked));
		ASSERT_EQ(4, send(c.fd, "last", 4, 0));
		if (corked)
			ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
		conn_expect(&c, .seq = 1, .ack = 1, .data = "last",
			    .within_ms = corked && stock_mode() ? 1300 : PROMPT_MS);
		EXPECT_EQ(0, p->last.flags & FIN);
		if (!corked)
			ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
		conn_expect_state(&c, ST_FIN_WAIT_1);
		peer_expect_silence(p, 100);
		c.wnd = 0;
		conn_send(&c, .flags = ACK, .ack = 5);
		for (int i = 0; i < 2; i++) {
			conn_expect(&c, .flags = ACK, .seq = 4, .within_ms = 1300);
			conn_send(&c, .flags = ACK, .ack = 5);
		}
		c.wnd = 1;
		conn_send(&c, .flags = ACK, .ack = 5);
		conn_expect(&c, .flags = (corked ? FIN | PSH : FIN) | ACK, .seq = 5, .ack = 1);
		conn_send(&c, .flags = ACK, .ack = 6);
		conn_expect_state(&c, ST_FIN_WAIT_2);
	}
}

TEST_F(fourway, lc_71_fin_ends_what_is_read)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct proc_row row;
	struct conn c;

	open_counted(p, &c, &before);
	conn_send(&c, .flags = FIN | PSH | ACK, .data = "last words");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 12, .within_ms = FIN_ACK_MS);
	conn_expect_state(&c, ST_CLOSE_WAIT);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(11, row.rx);
	EXPECT_EQ(0, row.timer);
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP, socket_poll(c.fd));
	program_reads(_metadata, c.fd, "last words");
	program_reads_end(_metadata, c.fd);
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP, socket_poll(c.fd));
	EXPECT_EQ(0, socket_error(c.fd));
	/* The connection is still open, and nothing is armed that would end it. */
	counters_expect(_metadata, &before, NULL);
	peer_expect_silence(p, 200000);
	conn_expect_state(&c, ST_CLOSE_WAIT);
}

/* Duplicates are acknowledged, for the ACK may be lost; what would follow the FIN is not. */
TEST_F(fourway, text_after_the_fin_is_dropped)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = FIN | PSH | ACK, .data = "last words");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 12, .within_ms = FIN_ACK_MS);
	conn_send(&c, .flags = PSH | ACK, .seq = 12, .data = "more");
	conn_send(&c, .flags = FIN | ACK, .seq = 100);
	peer_expect_silence(p, 1000);
	conn_send(&c, .flags = FIN | PSH | ACK, .seq = 1, .data = "last words");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 12, .within_ms = FIN_ACK_MS);
	program_reads(_metadata, c.fd, "last words");
	program_reads_end(_metadata, c.fd);
	conn_expect_state(&c, ST_CLOSE_WAIT);
}

/* After a timeout one segment may be in flight, and that is the one sent again. */
TEST_F(fourway, fin_waits_for_the_congestion_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	conn_write(&c, 1000);
	conn_expect(&c, .seq = 1, .len = 1000, .pattern = 0);
	conn_expect(&c, .seq = 1, .len = 1000, .pattern = 0, .within_ms = 1300);
	if (conn_info(&c).cwnd > 1)	/* a loss probe */
		conn_expect(&c, .seq = 1, .len = 1000, .pattern = 0, .within_ms = 1300);
	EXPECT_EQ(1, conn_info(&c).cwnd);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	peer_expect_silence(p, 100);
	conn_send(&c, .flags = ACK, .ack = 1001);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1001, .ack = 1);
	conn_send(&c, .flags = ACK, .ack = 1002);
	conn_expect_state(&c, ST_FIN_WAIT_2);
}

TEST_F(fourway, lc_72_ack_of_fin)
{
	struct peer *p = &self->peer;
	struct proc_row row;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_1);
	conn_send(&c, .flags = ACK, .ack = 2);
	conn_expect_state(&c, ST_FIN_WAIT_2);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_TRUE(row.full);
	EXPECT_EQ(0, row.tx);
	EXPECT_EQ(0, row.timer);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	peer_expect_silence(p, 100000);
	conn_expect_state(&c, ST_FIN_WAIT_2);
}

TEST_F(fourway, lc_73_half_closed_side_goes_on_reading)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_2);
	for (int i = 0; i < 5; i++) {
		peer_expect_silence(p, 50000);
		conn_send(&c, .flags = PSH | ACK, .data = "more");
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = conn_peer_nxt(&c),
			    .within_ms = 210);
		program_reads(_metadata, c.fd, "more");
		conn_expect_state(&c, ST_FIN_WAIT_2);
	}
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 22);
	program_reads_end(_metadata, c.fd);
	conn_expect_state(&c, ST_TIME_WAIT);
}

TEST_F(fourway, lc_73_half_closed_side_goes_on_writing)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_CLOSE_WAIT);
	for (int i = 0; i < 5; i++) {
		peer_expect_silence(p, 50000);
		ASSERT_EQ(4, send(c.fd, "more", 4, 0));
		conn_expect(&c, .flags = PSH | ACK, .seq = 1 + 4 * i, .ack = 2,
			    .data = "more");
		conn_send(&c, .flags = ACK);
		conn_expect_state(&c, ST_CLOSE_WAIT);
	}
}

/* Data flows one way for two hours; then the other side closes as well. */
TEST_F_TIMEOUT(fourway_pair, lc_73_half_closed_for_hours, 8000)
{
	struct pair *pr = &self->pair;
	int fd[2];

	pair_connected(pr, 5000, &fd[CLIENT], &fd[SERVER]);
	ASSERT_EQ(0, shutdown(fd[CLIENT], SHUT_WR));
	sleep_ms(10);
	program_reads_end(_metadata, fd[SERVER]);
	for (int i = 0; i < 12; i++) {
		sleep_ms(600000);
		stream_transfer(_metadata, fd[SERVER], fd[CLIENT], 20000, 5000);
	}
	pair_enter(pr, CLIENT);
	EXPECT_EQ(1, proc_rows(pr->family, ROW_FIN_WAIT_2));
	pair_enter(pr, SERVER);
	EXPECT_EQ(1, proc_rows(pr->family, ROW_CLOSE_WAIT));
	EXPECT_EQ(EPIPE, socket_send(fd[CLIENT]));
	close(fd[SERVER]);
	sleep_ms(10);
	EXPECT_EQ(0, proc_rows(pr->family, ROW_LAST_ACK));
	program_reads_end(_metadata, fd[CLIENT]);
	pair_enter(pr, CLIENT);
	EXPECT_EQ(1, proc_rows(pr->family, ROW_TIME_WAIT));
}

TEST_F(fourway, lc_74_close_in_close_wait)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct proc_row row;
	struct conn c;

	conn_to_state(p, &c, ST_CLOSE_WAIT);
	counters_begin(&before);
	peer_mark(p);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 2, .at_ms = 0);
	conn_expect_state(&c, ST_LAST_ACK);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(1, row.tx);
	EXPECT_EQ(1, row.timer);
	EXPECT_EQ(0, row.inode);
	counters_expect(_metadata, &before, "CurrEstab", -1, NULL);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(fourway, lc_75_fin_in_fin_wait_2)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct proc_row row;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_2);
	counters_begin(&before);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_state(&c, ST_TIME_WAIT);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_FALSE(row.full);
	EXPECT_EQ(3, row.timer);
	EXPECT_LE(5990, row.timer_cs);
	EXPECT_GE(6000, row.timer_cs);
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP | POLLHUP, socket_poll(c.fd));
	program_reads_end(_metadata, c.fd);
	counters_expect(_metadata, &before, "TW", 1, NULL);
}

TEST_F(fourway, lc_75_last_ack_ends_in_silence)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_LAST_ACK);
	counters_begin(&before);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP | POLLHUP, socket_poll(c.fd));
	EXPECT_EQ(0, socket_error(c.fd));
	peer_expect_silence(p, 61000);
	counters_expect(_metadata, &before, NULL);
}

TEST_F(fourway, lc_80_three_segments)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The peer acknowledges our FIN and sends its own in one segment. */
	conn_to_state(p, &c, ST_FIN_WAIT_1);
	conn_send(&c, .flags = FIN | ACK, .ack = 2);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_state(&c, ST_TIME_WAIT);
	if (!stock_mode()) {
		EXPECT_EQ(1, lifecycle_count("FIN-WAIT-1", "rcv-ACK-of-FIN", "FIN-WAIT-2"));
		EXPECT_EQ(1, lifecycle_count("FIN-WAIT-2", "rcv-FIN", "TIME-WAIT"));
	}
}

TEST_F(fourway, lc_81_both_close_at_once)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_1);
	counters_begin(&before);
	conn_send(&c, .flags = FIN | ACK, .ack = 1);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_state(&c, ST_CLOSING);
	program_reads_end(_metadata, c.fd);
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP | POLLHUP, socket_poll(c.fd));
	peer_mark(p);
	conn_send(&c, .flags = ACK, .ack = 2);
	conn_expect_state(&c, ST_TIME_WAIT);
	counters_expect(_metadata, &before, "TW", 1, NULL);
	conn_expect_move(&c, ST_TIME_WAIT, ST_CLOSED, 60000);
}

TEST_F(fourway_pair, lc_81_both_ends_pass_closing)
{
	struct pair *pr = &self->pair;
	int fd[2];

	pair_netem(pr, CLIENT, &(struct netem){ .delay_ms = 20 });
	pair_netem(pr, SERVER, &(struct netem){ .delay_ms = 20 });
	pair_connected(pr, 5000, &fd[CLIENT], &fd[SERVER]);
	sleep_ms(100);
	close(fd[CLIENT]);
	close(fd[SERVER]);
	sleep_ms(200);
	for (int side = CLIENT; side <= SERVER; side++) {
		pair_enter(pr, side);
		EXPECT_EQ(1, proc_rows(pr->family, ROW_TIME_WAIT));
		if (stock_mode())
			continue;
		EXPECT_EQ(1, lifecycle_count("FIN-WAIT-1", "rcv-FIN", "CLOSING"));
		EXPECT_EQ(1, lifecycle_count("CLOSING", "rcv-ACK-of-FIN", "TIME-WAIT"));
	}
}

/* Only the side that sends the first FIN enters TIME-WAIT. */
static void expect_waiter(struct __test_metadata *_metadata, struct pair *pr,
			  enum side first)
{
	int fd[2];

	pair_connected(pr, 5000 + first, &fd[CLIENT], &fd[SERVER]);
	close(fd[first]);
	sleep_ms(50);
	close(fd[!first]);
	sleep_ms(50);
	for (int side = CLIENT; side <= SERVER; side++) {
		pair_enter(pr, side);
		EXPECT_EQ(side == first, proc_rows(pr->family, ROW_TIME_WAIT));
	}
}

TEST_F(fourway_pair, lc_87_the_client_waits)
{
	expect_waiter(_metadata, &self->pair, CLIENT);
}

TEST_F(fourway_pair, lc_87_the_server_waits)
{
	expect_waiter(_metadata, &self->pair, SERVER);
}

/* A whole connection as in RFC 9293 figure 5, each lifecycle row counted. */
struct step {
	const char *from, *event, *to;
};

static void expect_steps(struct __test_metadata *_metadata,
			 const struct step *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		EXPECT_EQ(1, lifecycle_count(s[i].from, s[i].event, s[i].to)) {
			TH_LOG("%s, %s, %s", s[i].from, s[i].event, s[i].to);
		}
	}
}

TEST_F(fourway_pair, lc_95_histories)
{
	static const struct step client[] = {
		{ "CLOSED", "active-OPEN", "SYN-SENT" },
		{ "SYN-SENT", "rcv-SYN,ACK", "ESTABLISHED" },
		{ "ESTABLISHED", "CLOSE", "FIN-WAIT-1" },
		{ "FIN-WAIT-1", "rcv-ACK-of-FIN", "FIN-WAIT-2" },
		{ "FIN-WAIT-2", "rcv-FIN", "TIME-WAIT" },
		{ "TIME-WAIT", "TIME-WAIT-TIMEOUT", "CLOSED" },
	};
	static const struct step server[] = {
		{ "CLOSED", "passive-OPEN", "LISTEN" },
		{ "LISTEN", "rcv-SYN", "SYN-RECEIVED" },
		{ "SYN-RECEIVED", "rcv-ACK-of-SYN", "ESTABLISHED" },
		{ "ESTABLISHED", "rcv-FIN", "CLOSE-WAIT" },
		{ "CLOSE-WAIT", "CLOSE", "LAST-ACK" },
		{ "LAST-ACK", "rcv-ACK-of-FIN", "CLOSED" },
	};
	struct pair *pr = &self->pair;
	int fd[2];

	NOT_ON_STOCK();
	pair_connected(pr, 5000, &fd[CLIENT], &fd[SERVER]);
	sleep_ms(10);
	close(fd[CLIENT]);
	sleep_ms(50);
	close(fd[SERVER]);
	sleep_ms(60100);
	pair_enter(pr, CLIENT);
	expect_steps(_metadata, client, ARRAY_SIZE(client));
	EXPECT_EQ(0, proc_rows(pr->family, 0));
	pair_enter(pr, SERVER);
	expect_steps(_metadata, server, ARRAY_SIZE(server));
}

/* connect() from a port that is bound already, to the peer's port. */
static int connect_errno(const struct conn *c, int pport, int *fd)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&c->peer->kernel, c->kport, &sa);

	*fd = stream_socket(c->peer->family);
	fd_nonblock(*fd);
	socket_set(*fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(*fd, (struct sockaddr *)&sa, len))
		return -errno;
	len = ipaddr_sockaddr(&c->peer_addr, pport, &sa);
	return connect(*fd, (struct sockaddr *)&sa, len) ? errno : 0;
}

TEST_F(fourway, lc_95_a_live_4tuple_is_taken)
{
	static const enum conn_state states[] = {
		ST_ESTABLISHED, ST_FIN_WAIT_1, ST_FIN_WAIT_2, ST_CLOSE_WAIT,
		ST_CLOSING, ST_LAST_ACK, ST_TIME_WAIT, ST_ORPHAN_FIN_WAIT_2,
	};
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		conn_to_state(p, &c, states[i], .active = true, .kport = 6000 + i,
			      .prepare = program_reuses);
		EXPECT_EQ(EADDRNOTAVAIL, connect_errno(&c, c.pport, &fd)) {
			TH_LOG("in %s", conn_state_name(states[i]));
		}
		close(fd);
		conn_expect_state(&c, states[i]);
	}
	/* Another port of the peer is another connection. */
	EXPECT_EQ(EINPROGRESS, connect_errno(&c, 1234, &fd));
	peer_expect(p, .flags = SYN, .sport = c.kport, .dport = 1234);
}

TEST_F(fourway, lc_95_a_live_port_is_not_bound)
{
	struct peer *p = &self->peer;
	struct sockaddr_storage sa;
	struct conn c;
	int fd;

	conn_open(p, &c, .active = true, .kport = 6000);
	fd = stream_socket(p->family);
	ASSERT_EQ(-1, bind(fd, (struct sockaddr *)&sa,
			   ipaddr_sockaddr(&p->kernel, 6000, &sa)));
	EXPECT_EQ(EADDRINUSE, errno);
}

TEST_F(fourway, lc_94_close_wait_never_times_out)
{
	struct peer *p = &self->peer;
	struct proc_row row;
	struct stat st;
	struct conn c;

	conn_to_state(p, &c, ST_CLOSE_WAIT);
	/* The test's own timeout is the limit; no timer is armed. */
	peer_expect_silence(p, 500000);
	conn_expect_state(&c, ST_CLOSE_WAIT);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(ROW_CLOSE_WAIT, row.st);
	EXPECT_EQ(0, row.timer);
	ASSERT_EQ(0, fstat(c.fd, &st));
	EXPECT_EQ(st.st_ino, row.inode);
	EXPECT_EQ(st.st_uid, row.uid);
}

TEST_F(fourway, lc_24_nothing_of_the_old_incarnation_is_read)
{
	struct peer *p = &self->peer;
	struct conn old, c;

	/* A FIN, data and an ACK of the old connection reach the new one. */
	conn_to_state(p, &old, ST_TIME_WAIT, .peer_iss = 1000);
	conn_open(p, &c, .lfd = old.lfd, .pport = old.pport, .peer_iss = 500000);
	EXPECT_EQ(old.kern_nxt + 65537, c.kern_iss);
	conn_send(&c, .flags = PSH | ACK, .seq = 1 - 499000, .data = "old");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	sleep_ms(600);
	conn_send(&c, .flags = FIN | ACK, .seq = 2 - 499000, .ack = -65536);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(EAGAIN, socket_receive(c.fd));
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(fourway, rfc9293_must_12_normal_close_differs_from_abort)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_CLOSE_WAIT);
	EXPECT_EQ(0, socket_error(c.fd));
	program_reads_end(_metadata, c.fd);

	conn_open(p, &c, .kport = 6000);
	conn_send(&c, .flags = RST);
	EXPECT_EQ(ECONNRESET, socket_receive(c.fd));
	program_reads_end(_metadata, c.fd);
}

TEST_F(fourway, rfc9293_may_01_close_without_reading_on)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Half-duplex close: a closed socket cannot read; data gets a RST. */
	conn_to_state(p, &c, ST_FIN_WAIT_1, .orphan = true);
	conn_send(&c, .flags = PSH | ACK, .data = "for nobody", .ack = 2);
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&c, ST_CLOSED);
}

/*
 * The peer's FIN and what follows it wait in the backlog of a call. The first ends the
 * connection; the record has it then, and answers. No SYN opens a connection from there.
 */
TEST_F(fourway, lc_77_fin_again_in_the_backlog)
{
	struct peer *p = &self->peer;
	struct holder h;
	struct conn c;

	NOT_ON_STOCK();		/* whose closed socket drops it */
	conn_open(p, &c);
	conn_send(&c, .flags = PSH | ACK, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	conn_advance(&c, ST_FIN_WAIT_1, false);
	holder_hold(_metadata, &h, c.fd);
	conn_send(&c, .flags = FIN | ACK);
	conn_send(&c, .flags = FIN | ACK, .seq = 2);
	conn_send(&c, .flags = SYN, .seq = 100000);
	peer_expect_silence(p, 20);
	holder_release(&h);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 3);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 3);
	peer_expect_silence(p, 20);
	conn_expect_state(&c, ST_TIME_WAIT);
	EXPECT_EQ(1, lifecycle_count("TIME-WAIT", "rcv-FIN", "TIME-WAIT"));
	program_reads(_metadata, c.fd, "x");
}

TEST_HARNESS_MAIN
