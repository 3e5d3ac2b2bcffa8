// SPDX-License-Identifier: GPL-2.0
/*
 * handshake: the opening of a connection, segment by segment and second by second.
 * RFC 9293 3.4, 3.5, 3.10.7.2-4; RFC 6298 (timers), RFC 6528 (ISN).
 */
/* vm: wires v6 mapped */
#include "lib/xtcp_test.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

PEER_FIXTURE(handshake);

#define ALL_OPTIONS OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, \
			OPT_WSCALE(7))

static int accept_errno(int lfd)
{
	int fd = accept(lfd, NULL, NULL);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

TEST_F(handshake, lc_01_connect_sends_syn)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct proc_row row;
	struct conn c;

	counters_take(&before);
	peer_mark(p);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .ack = UNSET, .mss = 1460, .sackok = 1,
		    .ts = 1, .tsecr = 0, .at_ms = 0);
	ASSERT_EQ(0, p->last.ack);
	ASSERT_LE(0, p->last.opt.wscale);
	ASSERT_GE(14, p->last.opt.wscale);
	conn_expect_state(&c, ST_SYN_SENT);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(1, row.timer);
	EXPECT_EQ(1, row.tx);
	EXPECT_EQ(0, row.rx);
	EXPECT_EQ(0, socket_poll(c.fd));
	counters_expect(_metadata, &before, "ActiveOpens", 1, "OutSegs", 1, NULL);
	/* The timer is 1 s; the repeated SYN is the same. */
	conn_expect(&c, .flags = SYN, .seq = 0, .mss = 1460, .at_ms = 1000);
}

TEST_F(handshake, lc_01_connect_twice_is_ealready)
{
	struct sockaddr_storage sa;
	struct conn c;
	socklen_t len;

	conn_to_state(&self->peer, &c, ST_SYN_SENT);
	len = ipaddr_sockaddr(&c.peer_addr, c.pport, &sa);
	ASSERT_EQ(-1, connect(c.fd, (struct sockaddr *)&sa, len));
	EXPECT_EQ(EALREADY, errno);
}

TEST_F(handshake, lc_02_listen_sends_nothing)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct proc_row row;
	int a, b;

	counters_take(&before);
	a = peer_listen(p, 5000, 3);
	b = peer_listen(p, 5001, 5);
	peer_expect_silence(p, 200);
	EXPECT_EQ(2, proc_rows(p->family, ROW_LISTEN));
	ASSERT_TRUE(proc_row_find(&row, p->family, 5000, 0, NULL));
	EXPECT_EQ(ROW_LISTEN, row.st);
	EXPECT_EQ(0, row.rx);
	EXPECT_EQ(0, socket_poll(a));
	EXPECT_EQ(EAGAIN, accept_errno(b));
	counters_expect(_metadata, &before, NULL);
	close(a);
	close(b);
	EXPECT_EQ(0, proc_rows(p->family, 0));
}

/* A listener's SYN-ACK; the mark is at the SYN. */
static void syn_is_answered_now(struct peer *p, struct conn *c, struct counters *before)
{
	conn_start(p, c);
	counters_take(before);
	peer_mark(p);
	conn_send(c, .flags = SYN);
	conn_expect(c, .flags = SYN | ACK, .ack = 1, .at_ms = 0);
}

TEST_F(handshake, lc_03_syn_makes_a_half_open_record)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct proc_row row;
	struct conn c;

	syn_is_answered_now(p, &c, &before);
	EXPECT_EQ(1460, p->last.opt.mss);
	conn_expect_state(&c, ST_HALF_OPEN);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(ROW_SYN_RECEIVED, row.st);
	EXPECT_FALSE(row.full);
	EXPECT_EQ(1, row.timer);
	EXPECT_EQ(0, row.inode);
	/* Nothing for the program yet. */
	EXPECT_EQ(0, socket_poll(c.lfd));
	EXPECT_EQ(EAGAIN, accept_errno(c.lfd));
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, NULL);
}

TEST_F(handshake, lc_04_synack_establishes)
{
	struct peer *p = &self->peer;
	struct sockaddr_storage sa;
	struct counters before;
	struct conn c;
	socklen_t len;

	conn_to_state(p, &c, ST_SYN_SENT);
	counters_take(&before);
	counters_ignore(&before, "TCPPureAcks", "TCPDelivered", NULL);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .opt_len = 0);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	len = ipaddr_sockaddr(&c.peer_addr, c.pport, &sa);
	EXPECT_EQ(0, connect(c.fd, (struct sockaddr *)&sa, len));
	EXPECT_EQ(-1, connect(c.fd, (struct sockaddr *)&sa, len));
	EXPECT_EQ(EISCONN, errno);
	counters_expect(_metadata, &before, "CurrEstab", 1, "InSegs", 1,
			"OutSegs", 1, NULL);
	/* No SYN is repeated. */
	peer_expect_silence(p, 5000);
}

TEST_F(handshake, lc_05_ack_completes)
{
	struct peer *p = &self->peer;
	struct sockaddr_storage sa;
	struct counters before;
	struct proc_row row;
	struct conn c;
	socklen_t len;

	conn_to_state(p, &c, ST_HALF_OPEN);
	counters_take(&before);
	counters_ignore(&before, "TCPPureAcks", "TCPDelivered", NULL);
	conn_send(&c, .flags = ACK);
	/* Before accept() the connection exists already, without an owner. */
	conn_expect_state(&c, ST_ESTABLISHED);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, 0, NULL));
	EXPECT_EQ(1, row.rx);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(0, row.inode);
	EXPECT_EQ(POLLIN, socket_poll(c.lfd));
	counters_expect(_metadata, &before, "PassiveOpens", 1, "CurrEstab", 1,
			"InSegs", 1, NULL);
	conn_accept(&c);
	EXPECT_EQ(0, socket_poll(c.lfd));
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_NE(0, row.inode);
	len = sizeof(sa);
	ASSERT_EQ(0, getpeername(c.fd, (struct sockaddr *)&sa, &len));
	EXPECT_EQ(c.pport, ntohs(((struct sockaddr_in *)&sa)->sin_port));
	len = sizeof(sa);
	ASSERT_EQ(0, getsockname(c.fd, (struct sockaddr *)&sa, &len));
	EXPECT_EQ(c.kport, ntohs(((struct sockaddr_in *)&sa)->sin_port));
	/* The SYN-ACK is not sent again. */
	peer_expect_silence(p, 2000);
}

TEST_F(handshake, lc_06_synack_answers_each_option)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c, .opt = ALL_OPTIONS);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .mss = 1460, .sackok = 1, .ts = 1);
	EXPECT_LE(0, p->last.opt.wscale);
	EXPECT_GE(14, p->last.opt.wscale);
	EXPECT_EQ((uint32_t)c.tsval_base, p->last.opt.tsecr);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	/* Timestamps are on every segment from now on. */
	ASSERT_EQ(5, send(c.fd, "hello", 5, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "hello", .ts = 1);
}

TEST_F(handshake, lc_06_synack_offers_nothing_unasked)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c, .no_opt = true);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .mss = 1460, .sackok = 0,
		    .ts = 0, .wscale = ABSENT, .opt_len = 4);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	ASSERT_EQ(5, send(c.fd, "hello", 5, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "hello",
		    .opt_len = 0);
}

TEST_F(handshake, lc_07_pure_ack_uses_no_number)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true);
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "abc");
}

TEST_F(handshake, lc_08_third_ack_with_text)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK | PSH, .data = "early");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 6, .within_ms = 210);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "early");
}

TEST_F(handshake, lc_09_text_on_syn_is_left_for_later)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c);
	conn_send(&c, .flags = SYN, .seq = 0, .data = "ABCD");
	c.peer_nxt = c.peer_iss + 1;
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_EQ(0, socket_count(c.fd, SIOCINQ));
	/* Other text in its place: that of the SYN was not kept. */
	conn_send(&c, .flags = ACK | PSH, .data = "abcd");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5, .within_ms = 210);
	stream_expect_text(_metadata, c.fd, "abcd");
}

TEST_F(handshake, lc_09_text_on_synack_is_left_for_later)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	conn_send(&c, .flags = SYN | ACK, .seq = 0, .data = "WXYZ");
	/* RFC 9293 lets a receiver keep or drop it: it is dropped. */
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	c.peer_nxt = c.peer_iss + 1;
	EXPECT_EQ(0, socket_count(c.fd, SIOCINQ));
	conn_send(&c, .flags = ACK | PSH, .data = "wxyz");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5, .within_ms = 210);
	stream_expect_text(_metadata, c.fd, "wxyz");
}

TEST_F(handshake, lc_10_no_syn_after_setup)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(2, send(c.fd, "hi", 2, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "hi");
	conn_send(&c, .flags = ACK | PSH, .data = "ho");
	conn_expect(&c, .flags = ACK, .seq = 3, .ack = 3, .within_ms = 210);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = FIN | ACK, .seq = 3, .ack = 3);
}

TEST_F(handshake, lc_11_old_syn_is_undone_by_rst)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	counters_take(&before);
	conn_send(&c, .flags = RST, .seq = 1);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(EAGAIN, accept_errno(c.lfd));
	counters_expect(_metadata, &before, "InSegs", 1, "AttemptFails", 1,
			"EmbryonicRsts", 1, NULL);
	peer_expect_silence(p, 2000);
}

TEST_F(handshake, lc_12_old_syn_in_established)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(1, proc_rows(p->family, ROW_ESTABLISHED));
	EXPECT_EQ(0, proc_rows(p->family, ROW_SYN_RECEIVED));
	EXPECT_EQ(EAGAIN, accept_errno(c.lfd));
}

TEST_F(handshake, lc_13_same_syn_again)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct proc_row row;
	struct conn c;
	int rows;

	conn_to_state(p, &c, ST_HALF_OPEN);
	counters_take(&before);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, &rows));
	EXPECT_EQ(1, rows);
	/* An answer, not a timeout; but a retransmission. */
	counters_ignore(&before, "TCPTimeouts", NULL);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1,
			"RetransSegs", 1, "TCPSynRetrans", 1, NULL);
}

TEST_F(handshake, lc_14_wrong_third_ack)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK, .ack = 2);
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK, .ack = 0);
	conn_expect(&c, .flags = RST, .seq = 0);
	conn_expect_state(&c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(handshake, lc_15_synack_gone_at_63s)
{
	static const int at_ms[] = { 1000, 3000, 7000, 15000, 31000 };
	struct peer *p = &self->peer;
	struct counters before;
	struct proc_row row;
	struct conn c;

	syn_is_answered_now(p, &c, &before);
	for (size_t i = 0; i < ARRAY_SIZE(at_ms); i++) {
		conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1,
			    .mss = 1460, .at_ms = at_ms[i]);
		ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
		EXPECT_EQ(i + 1, row.retrnsmt);
		/* The next one is twice as far away. The kernel's TCP rounds up. */
		EXPECT_LE((200UL << i) - 1, row.timer_cs);
		EXPECT_GE(stock_mode() ? 205UL << i : 200UL << i, row.timer_cs);
	}
	conn_expect_move(&c, ST_HALF_OPEN, ST_CLOSED, 63000);
	/* Nothing is sent at the end, nor later. */
	peer_expect_silence_until(p, 130000);
	/* The sixth timeout is the end. */
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 6,
			"RetransSegs", 5, "TCPSynRetrans", 5, "TCPTimeouts", 6, NULL);
}

TEST_F(handshake, lc_15_synack_retries_7_is_247s)
{
	static const int at_ms[] = { 1000, 3000, 7000, 15000, 31000, 63000, 127000 };
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("synack_retries", 7));
	conn_start(p, &c);
	peer_mark(p);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .at_ms = 0);
	for (size_t i = 0; i < ARRAY_SIZE(at_ms); i++)
		conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = at_ms[i]);
	conn_expect_move(&c, ST_HALF_OPEN, ST_CLOSED, 247000);
	peer_expect_silence(p, 130000);
}

TEST_F(handshake, lc_16_text_carries_the_lost_ack)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	peer_mark_last(p);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = 1000);
	conn_send(&c, .flags = ACK | PSH, .data = "data first");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 11, .within_ms = 210);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "data first");
	peer_expect_silence(p, 3000);
}

TEST_F(handshake, lc_17_late_ack_meets_rst)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, knob_set("synack_retries", 0));
	conn_start(p, &c);
	peer_mark(p);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_expect_move(&c, ST_HALF_OPEN, ST_CLOSED, 1000);
	counters_take(&before);
	/* Nothing overflowed, so no cookie is checked; but 6.1 counts it. */
	if (stock_mode())
		counters_ignore(&before, "SyncookiesFailed", NULL);
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = RST, .seq = 1);
	conn_send(&c, .flags = ACK | PSH, .data = "late");
	conn_expect(&c, .flags = RST, .seq = 1);
	EXPECT_EQ(EAGAIN, accept_errno(c.lfd));
	counters_expect(_metadata, &before, "InSegs", 2, "OutSegs", 2, "OutRsts", 2, NULL);
}

TEST_F(handshake, lc_18_rst_after_connect_succeeded)
{
	struct peer *p = &self->peer;
	struct conn c;
	char buf[4];

	conn_open(p, &c, .active = true);
	conn_send(&c, .flags = RST | ACK);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(-1, recv(c.fd, buf, sizeof(buf), 0));
	EXPECT_EQ(ECONNRESET, errno);
	EXPECT_EQ(0, recv(c.fd, buf, sizeof(buf), 0));
	EXPECT_EQ(-1, send(c.fd, "x", 1, MSG_NOSIGNAL));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(handshake, lc_19_syn_gives_up_at_127s)
{
	static const int at_ms[] = { 0, 1000, 3000, 7000, 15000, 31000, 63000 };
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	counters_take(&before);
	peer_mark(p);
	conn_start(p, &c, .active = true);
	for (size_t i = 0; i < ARRAY_SIZE(at_ms); i++)
		conn_expect(&c, .flags = SYN, .mss = 1460, .sackok = 1,
			    .at_ms = at_ms[i]);
	EXPECT_EQ(c.kern_iss, p->last.seq);
	peer_expect_poll(p, c.fd, POLLOUT | POLLERR | POLLHUP, 127000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	peer_expect_silence_until(p, 300000);
	/* A SYN needs no loss bookkeeping, though the kernel's TCP does it. */
	counters_ignore(&before, "TCPLostRetransmit", NULL);
	counters_expect(_metadata, &before, "ActiveOpens", 1, "AttemptFails", 1,
			"OutSegs", 1, "RetransSegs", 6, "TCPSynRetrans", 6,
			"TCPTimeouts", 7, "TCPAbortOnTimeout", 1, NULL);
}

TEST_F(handshake, lc_20_one_retry_is_3s)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("syn_retries", 1));
	peer_mark(p);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .at_ms = 0);
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 1000);
	peer_expect_poll(p, c.fd, POLLOUT | POLLERR | POLLHUP, 3000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	peer_expect_silence_until(p, 20000);
}

TEST_F(handshake, lc_21_rst_refuses)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	counters_take(&before);
	conn_send(&c, .flags = RST | ACK, .seq = 0);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(ECONNREFUSED, socket_error(c.fd));
	EXPECT_EQ(0, socket_error(c.fd));
	counters_expect(_metadata, &before, "InSegs", 1, "AttemptFails", 1, NULL);
	peer_expect_silence(p, 2000);
}

TEST_F(handshake, lc_21_rst_of_wrong_ack_is_ignored)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	conn_send(&c, .flags = RST | ACK, .seq = 0, .ack = 2);
	conn_expect_state(&c, ST_SYN_SENT);
	conn_send(&c, .flags = RST, .seq = 0);
	conn_expect_state(&c, ST_SYN_SENT);
	/* After a wrong ACK the SYN follows at once: an old connection of the peer has ended. */
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 8);
	peer_expect_silence(p, 500);
}

TEST_F(handshake, lc_22_simultaneous_open)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	counters_begin(&before);
	conn_to_state(p, &c, ST_SYN_RECEIVED);
	/* The peer's own SYN-ACK, in answer to the first SYN. */
	conn_send(&c, .flags = SYN | ACK, .seq = 0);
	conn_expect_state(&c, ST_ESTABLISHED);
	/* Its SYN was answered already, so it is answered by an ACK (RFC 9293 3.10.7.4). */
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(1, proc_rows(p->family, 0));
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	ASSERT_EQ(2, send(c.fd, "me", 2, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "me");
	conn_send(&c, .flags = ACK | PSH, .data = "you");
	conn_expect(&c, .flags = ACK, .seq = 3, .ack = 4, .within_ms = 210);
	stream_expect_text(_metadata, c.fd, "you");
	/* The repeated SYN counts as text that came twice. */
	counters_expect(_metadata, &before, "ActiveOpens", 1, "CurrEstab", 1, "DelayedACKLost", 1,
			NULL);
}

/* A listener's client may answer by a SYN-ACK: what we send begins behind our SYN. */
TEST_F(handshake, lc_22_syn_ack_for_a_half_open_connection)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_HALF_OPEN, .opt = OPT(OPT_MSS(1460), OPT_NOP, OPT_WSCALE(7)));
	/* Its window is not scaled. */
	conn_send(&c, .flags = SYN | ACK, .seq = 0, .wnd = 4);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_accept(&c);
	conn_expect_state(&c, ST_ESTABLISHED);
	ASSERT_EQ(6, send(c.fd, "abcdef", 6, 0));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .data = "abcd", .within_ms = 1100);
	conn_send(&c, .flags = RST, .seq = 1);
	p->leave_unread = true;
}

/* Its payload is refused, and comes again without the SYN: no byte moves. */
TEST_F(handshake, lc_22_payload_of_a_crossing_syn_ack)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_RECEIVED);
	counters_begin(&before);
	conn_send(&c, .flags = SYN | ACK | PSH, .seq = 0, .data = "abcd");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	EXPECT_EQ(1, counter_moved(&before, "TCPSYNChallenge"));
	EXPECT_EQ(1, counter_moved(&before, "TCPChallengeACK"));
	EXPECT_EQ(0, socket_poll(c.fd));
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "abcd");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5, .within_ms = DELAYED_ACK_MS);
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = ACK | PSH, .seq = 5, .data = "efgh");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 9, .within_ms = DELAYED_ACK_MS);
	stream_expect_text(_metadata, c.fd, "abcdefgh");
	EXPECT_EQ(EAGAIN, socket_receive(c.fd));
}

TEST_F(handshake, lc_22_fin_of_a_crossing_syn_ack)
{
	struct peer *p = &self->peer;
	struct conn c;
	char byte;

	conn_to_state(p, &c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = SYN | ACK | FIN, .seq = 0);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = ACK | FIN, .seq = 1);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 2, .within_ms = DELAYED_ACK_MS);
	conn_expect_state(&c, ST_CLOSE_WAIT);
	EXPECT_EQ(0, recv(c.fd, &byte, 1, 0));
}

/* It is answered, but not reported as data that has come before (RFC 2883 4). */
TEST_F(handshake, lc_22_syn_and_fin_of_old_numbers)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_RECEIVED,
		      .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_NOP, OPT_NOP));
	counters_begin(&before);
	conn_send(&c, .flags = SYN | FIN, .seq = -500);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .sacks = 0);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	EXPECT_EQ(0, counter_moved(&before, "TCPDSACKOldSent"));
}

TEST_F(handshake, lc_22_simultaneous_open_ended_by_ack)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	peer_expect_silence(p, 3000);
}

/* Opens and aborts from a fixed port; returns the ISN. */
static uint32_t isn_of(struct peer *p, int pport, int kport)
{
	struct linger off = { .l_onoff = 1, .l_linger = 0 };
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .pport = pport, .kport = kport);
	setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	close(c.fd);
	return c.kern_iss;
}

TEST_F(handshake, lc_23_isn_grows_for_one_4tuple)
{
	struct peer *p = &self->peer;
	uint32_t last = isn_of(p, 2000, 3000), isn;

	for (int i = 0; i < 4; i++) {
		sleep_ms(1000);
		isn = isn_of(p, 2000, 3000);
		/* At least RFC 9293's step of one each 4 us, at most 1/8 lap. */
		EXPECT_LE(250000, isn - last);
		EXPECT_GE(1U << 29, isn - last);
		last = isn;
	}
}

TEST_F(handshake, lc_23_isn_is_not_a_mere_clock)
{
	struct peer *p = &self->peer;
	uint32_t first = isn_of(p, 2000, 3000);
	int far = 0;

	/*
	 * Of 32 other 4-tuples within milliseconds all but a few must start further
	 * away than a clock moves in that time (2^22 64 ns units: 0.27 s). By chance 1 in
	 * 512 is near.
	 */
	for (int i = 1; i <= 32; i++) {
		uint32_t d = isn_of(p, 2000 + i, 3000) - first;

		far += d > 1U << 22 && d < -(1U << 22);
	}
	EXPECT_LE(28, far);
}

TEST_F(handshake, lc_23_isn_of_a_listener_too)
{
	struct peer *p = &self->peer;
	uint32_t first = 0, isn;
	int far = 0;

	peer_listen(p, KERNEL_PORT, 64);
	for (int i = 0; i <= 32; i++) {
		peer_send(p, .flags = SYN, .seq = 7, .sport = 6000 + i);
		isn = peer_expect(p, .flags = SYN | ACK, .ack = 8,
				  .dport = 6000 + i)->seq;
		if (!i)
			first = isn;
		else
			far += isn - first > 1U << 22 && isn - first < -(1U << 22);
	}
	EXPECT_LE(28, far);
}

TEST_F(handshake, lc_24_old_incarnation_is_not_delivered)
{
	struct peer *p = &self->peer;
	struct conn c;
	char buf[16];

	conn_open(p, &c, .peer_iss = 1000000);
	/* Below the window, and beyond it. */
	conn_send(&c, .flags = ACK | PSH, .seq = -500000, .data = "old");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	sleep_ms(600);
	conn_send(&c, .flags = ACK | PSH, .seq = 5000000, .data = "far");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(-1, recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* RFC 9293 3.4: behind the window an empty segment is acceptable, one with payload is not. */
TEST_F(handshake, sm_half_open_text_at_the_edge)
{
	struct peer *p = &self->peer;
	int lfd = peer_listen(p, KERNEL_PORT, 16);
	uint32_t edge, ack;

	peer_send(p, .flags = SYN, .seq = 1000);
	peer_expect(p, .flags = SYN | ACK, .ack = 1001);
	edge = 1001 + p->last.wnd;
	ack = p->last.seq + 1;
	peer_send(p, .flags = ACK | PSH, .seq = edge, .ack = ack, .data = "text");
	peer_expect(p, .flags = ACK, .seq = ack, .ack = 1001);
	EXPECT_EQ(0, socket_poll(lfd));
	peer_send(p, .flags = ACK, .seq = edge, .ack = ack);
	EXPECT_EQ(POLLIN, socket_poll(lfd));
	peer_drain(p, 1);
}

TEST_F(handshake, lc_25_peer_sequence_wraps)
{
	struct peer *p = &self->peer;
	uint8_t buf[4000];
	struct conn c;

	conn_open(p, &c, .peer_iss = UINT32_MAX - 1000);
	for (int i = 0; i < 4; i++)
		conn_send(&c, .flags = ACK | PSH, .len = 1000);
	while (c.peer_nxt != p->last.ack)
		conn_expect(&c, .flags = ACK, .seq = 1, .within_ms = 210);
	ASSERT_EQ(4000, recv(c.fd, buf, sizeof(buf), 0));
	EXPECT_EQ(-1, pattern_check(buf, 4000, 0));
}

TEST_F(handshake, sm_listen_stray_segments)
{
	struct peer *p = &self->peer;
	struct counters before;

	peer_listen(p, KERNEL_PORT, 16);
	counters_take(&before);
	if (stock_mode())
		counters_ignore(&before, "SyncookiesFailed", NULL);
	/* RST: no answer. ACK or SYN-ACK: RST of its ACK's number. */
	peer_send(p, .flags = RST, .seq = 1000);
	peer_send(p, .flags = RST | ACK, .seq = 1000, .ack = 5);
	peer_expect_silence(p, 20);
	peer_send(p, .flags = ACK, .seq = 1000, .ack = 7777);
	peer_expect(p, .flags = RST, .seq = 7777);
	peer_send(p, .flags = SYN | ACK, .seq = 1000, .ack = 8888);
	peer_expect(p, .flags = RST, .seq = 8888);
	/* Neither SYN nor ACK: dropped. */
	peer_send(p, .flags = FIN, .seq = 1000);
	peer_send(p, .flags = 0, .seq = 1000);
	peer_expect_silence(p, 20);
	EXPECT_EQ(1, proc_rows(p->family, 0));
	counters_expect(_metadata, &before, "InSegs", 6, "OutSegs", 2, "OutRsts", 2, NULL);
}

TEST_F(handshake, sm_closed_answers_rst)
{
	struct peer *p = &self->peer;
	struct counters before;

	peer_hold(p, KERNEL_PORT);
	counters_take(&before);
	peer_send(p, .flags = SYN, .seq = 1000);
	peer_expect(p, .flags = RST | ACK, .seq = 0, .ack = 1001);
	peer_send(p, .flags = SYN, .seq = 1000, .len = 10);
	peer_expect(p, .flags = RST | ACK, .seq = 0, .ack = 1011);
	peer_send(p, .flags = FIN, .seq = 1000, .len = 5);
	peer_expect(p, .flags = RST | ACK, .seq = 0, .ack = 1006);
	peer_send(p, .flags = 0, .seq = 1000);
	peer_expect(p, .flags = RST | ACK, .seq = 0, .ack = 1000);
	peer_send(p, .flags = ACK, .seq = 1000, .ack = 4242);
	peer_expect(p, .flags = RST, .seq = 4242);
	peer_send(p, .flags = RST, .seq = 1000);
	peer_send(p, .flags = RST | ACK, .seq = 1000, .ack = 4242);
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "InSegs", 7, "OutSegs", 5, "OutRsts", 5, NULL);
}

TEST_F(handshake, sm_syn_sent_bad_synack)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	conn_send(&c, .flags = SYN | ACK, .seq = 0, .ack = 2);
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&c, ST_SYN_SENT);
	conn_send(&c, .flags = SYN | ACK, .seq = 0, .ack = 0);
	conn_expect(&c, .flags = RST, .seq = 0);
	conn_expect_state(&c, ST_SYN_SENT);
	/* The correct one still connects. */
	c.peer_nxt = c.peer_iss;
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(handshake, sm_half_open_rst_not_exact)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* RFC 5961 3.2: in the window but not at its edge. */
	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = RST, .seq = 100);
	if (!stock_mode())
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	else
		peer_drain(p, 20);
	/* Outside: nothing. */
	if (!stock_mode()) {
		conn_expect_state(&c, ST_HALF_OPEN);
		conn_send(&c, .flags = RST, .seq = 10000000);
		peer_expect_silence(p, 20);
		conn_expect_state(&c, ST_HALF_OPEN);
	}
}

TEST_F(handshake, sm_each_state_is_reached_passive)
{
	for (int st = ST_CLOSED; st < ST_COUNT; st++) {
		struct conn c;

		if (st == ST_SYN_SENT || st == ST_SYN_RECEIVED)
			continue;
		conn_to_state(&self->peer, &c, st, .kport = 6000 + st);
		conn_expect_state(&c, st);
	}
}

TEST_F(handshake, sm_each_state_is_reached_active)
{
	for (int st = ST_SYN_SENT; st < ST_COUNT; st++) {
		struct conn c;

		if (st == ST_HALF_OPEN)
			continue;
		conn_to_state(&self->peer, &c, st, .active = true,
			      .opt = ALL_OPTIONS);
		conn_expect_state(&c, st);
	}
}

TEST_F(handshake, sm_each_closing_state_is_reached_by_an_orphan)
{
	static const enum conn_state states[] = {
		ST_FIN_WAIT_1, ST_CLOSING, ST_LAST_ACK, ST_TIME_WAIT,
		ST_ORPHAN_FIN_WAIT_2,
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct conn c;

		conn_to_state(&self->peer, &c, states[i], .active = true, .orphan = true);
		conn_expect_state(&c, states[i]);
	}
}

TEST_HARNESS_MAIN
