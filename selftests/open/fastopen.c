// SPDX-License-Identifier: GPL-2.0
/*
 * fastopen: fast open at the server, RFC 7413: connections whose SYN has data that the program
 * reads before the handshake is over, their limit, and what ends them. In stock mode the same
 * tests show that the kernel's TCP does the same. fastcookie.c has the cookie, fastconnect.c the
 * client.
 */
/* vm: wires v6 families */
#include "lib/xtcp_test.h"
#include "fastopen.h"

#include <linux/icmp.h>
#include <poll.h>

PEER_FIXTURE(fastopen);

/* linux/tcp.h, newer kernels */
#ifndef TCPI_OPT_TFO_CHILD
#define TCPI_OPT_TFO_CHILD	128
#endif

/* True also of an older kernel's TCP, which does not tell. */
static bool is_fast_child(const struct tcp_info *info)
{
	return info->tcpi_options & TCPI_OPT_TFO_CHILD ||
	       (stock_mode() && !kernel_is_since(7, 3));
}

/* --- a connection that was opened at once --- */

/* Read, and answered before the handshake is over. */
TEST_F(fastopen, rfc7413_data_before_the_third_ack)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct counters before;
	struct tcp_info info;
	struct conn c;

	counters_begin(&before);
	open_fast(_metadata, p, &c, lfd);
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenPassive"));
	EXPECT_EQ(1, counter_moved(&before, "PassiveOpens"));
	conn_expect_state(&c, ST_SYN_RECEIVED);
	EXPECT_TRUE(socket_poll(lfd) & POLLIN);
	conn_accept(&c);
	EXPECT_TRUE(socket_poll(c.fd) & POLLIN);
	EXPECT_TRUE(socket_poll(c.fd) & POLLOUT);
	stream_expect_text(_metadata, c.fd, "hello");
	EXPECT_EQ(EAGAIN, socket_receive(c.fd));
	ASSERT_EQ(6, send(c.fd, "answer", 6, 0));
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "answer");
	conn_expect_state(&c, ST_SYN_RECEIVED);
	info = conn_tcp_info(&c);
	EXPECT_EQ(ROW_SYN_RECEIVED, info.tcpi_state);
	EXPECT_TRUE(info.tcpi_options & TCPI_OPT_SYN_DATA);
	EXPECT_TRUE(is_fast_child(&info));
	EXPECT_EQ(5, info.tcpi_bytes_received);
	EXPECT_EQ(1, info.tcpi_segs_in);
	/* The third segment acknowledges both. */
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 7);
	conn_expect_state(&c, ST_ESTABLISHED);
	info = conn_tcp_info(&c);
	EXPECT_EQ(6, info.tcpi_bytes_acked);
	EXPECT_EQ(0, info.tcpi_unacked);
	EXPECT_TRUE(info.tcpi_options & TCPI_OPT_SYN_DATA);
	EXPECT_TRUE(is_fast_child(&info));
	/* And it goes on like any other. */
	conn_send(&c, .flags = PSH | ACK, .data = "more");
	conn_expect(&c, .flags = ACK, .seq = 7, .ack = 10, .within_ms = DELAYED_ACK_MS);
	stream_expect_text(_metadata, c.fd, "more");
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 11, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(0, recv(c.fd, &info, 1, 0));
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 7, .ack = 11);
	conn_send(&c, .flags = ACK);
}

/* TCP_CORK and Nagle hold data back before the third segment, too, and release it. */
TEST_F(fastopen, rfc7413_held_back_before_the_third_ack)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	ASSERT_EQ(3, send(c.fd, "one", 3, 0));
	peer_expect_silence(p, 20);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 0));
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "one");
	ASSERT_EQ(3, send(c.fd, "two", 3, 0));
	peer_expect_silence(p, 20);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1));
	conn_expect(&c, .flags = PSH | ACK, .seq = 4, .ack = 6, .data = "two");
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = RST, .seq = 6);
	p->leave_unread = true;
}

/* A cookie without data: the program may write at once, and TCP_INFO has a bit of its own. */
TEST_F(fastopen, rfc7413_cookie_without_data)
{
	struct peer *p = &self->peer;
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int lfd = fast_listener(p);
	struct tcp_info info;
	uint8_t cookie[16];
	struct conn c;

	cookie_ask(_metadata, p, lfd, cookie);
	syn(p, &c, lfd, with_cookie(cookie, 8, false), NULL);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_accept(&c);
	info = conn_tcp_info(&c);
	EXPECT_TRUE(is_fast_child(&info));
	EXPECT_FALSE(info.tcpi_options & TCPI_OPT_SYN_DATA);
	EXPECT_FALSE(socket_poll(c.fd) & POLLIN);
	ASSERT_EQ(2, send(c.fd, "hi", 2, 0));
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 1, .data = "hi");
	conn_send(&c, .flags = PSH | ACK, .data = "yes", .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	stream_expect_text(_metadata, c.fd, "yes");
	info = conn_tcp_info(&c);
	EXPECT_TRUE(is_fast_child(&info));
	conn_send(&c, .flags = RST, .seq = 4);
	/* The bit ends with the connection. */
	if (!stock_mode()) {
		EXPECT_EQ(ECONNRESET, socket_error(c.fd));
		ASSERT_EQ(0, connect(c.fd, &nobody, sizeof(nobody)));
		info = conn_tcp_info(&c);
		EXPECT_FALSE(info.tcpi_options & TCPI_OPT_TFO_CHILD);
	}
	p->leave_unread = true;
}

/* And a child of a listener with fast open that was opened by three segments has none. */
TEST_F(fastopen, info_of_a_child_without_a_cookie)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct tcp_info info;
	struct conn c;

	syn(p, &c, lfd, OPT(USUAL), NULL);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK, .ack = 1);
	conn_accept(&c);
	info = conn_tcp_info(&c);
	EXPECT_FALSE(info.tcpi_options & (TCPI_OPT_TFO_CHILD | TCPI_OPT_SYN_DATA));
	conn_send(&c, .flags = RST);
}

/* The SYN-ACK is lost: it comes again after 1, 3, 7 ... s, once more than the knob says. */
TEST_F_TIMEOUT(fastopen, rfc7413_syn_ack_is_lost, 1000)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, knob_set("synack_retries", 2));
	open_fast(_metadata, p, &c, lfd);
	peer_mark_last(p);
	conn_accept(&c);
	EXPECT_EQ(0, conn_tcp_info(&c).tcpi_segs_out);
	counters_take(&before);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6, .at_ms = 1000);
	/* It counts as a listener's does. */
	counters_expect(_metadata, &before, "OutSegs", 1, "RetransSegs", 1, "TCPSynRetrans", 1,
			"TCPTimeouts", 1, NULL);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6, .at_ms = 3000);
	/* The client's own timer: its SYN again, without data. */
	peer_sleep_until(p, 3500);
	c.peer_opt = OPT(USUAL);
	counters_take(&before);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, "RetransSegs", 1,
			"TCPSynRetrans", 1, NULL);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	EXPECT_EQ(3, (int)conn_tcp_info(&c).tcpi_total_retrans);
	EXPECT_EQ(0, conn_tcp_info(&c).tcpi_segs_out);
	p->leave_unread = true;
	peer_sleep_until(p, 20000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
}

/* An answer in SYN-RECEIVED that the device refuses is sent a little later, like a delayed ACK. */
TEST_F(fastopen, rfc7413_answer_finds_no_room)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	NOT_ON_STOCK();		/* the answer is lost */
	lfd = fast_listener(p);
	open_fast(_metadata, p, &c, lfd);
	peer_jam(p);
	conn_send(&c, .flags = ACK, .seq = -1000, .ack = 1);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	peer_unjam(p);
	conn_expect(&c, .flags = ACK, .ack = 6, .within_ms = 210);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = RST, .seq = 6);
}

/*
 * What was written before is lost with it. The ACK of a SYN-ACK that left later shows that; the
 * kernel's TCP waits for a timeout.
 */
TEST_F(fastopen, rfc7413_answer_is_lost_too)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	peer_mark_last(p);
	conn_accept(&c);
	ASSERT_EQ(6, send(c.fd, "answer", 6, 0));
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .data = "answer");
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6, .at_ms = 1000);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .data = "answer",
		    .at_ms = stock_mode() ? 1200 : 1000);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 7);
	peer_expect_silence(p, 5000);
}

/* The SYN a second time, as a duplicate of the network: one connection, one answer. */
TEST_F(fastopen, rfc7413_syn_comes_twice)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	uint8_t cookie[16];
	struct conn c;

	cookie_ask(_metadata, p, lfd, cookie);
	syn(p, &c, lfd, with_cookie(cookie, 8, false), "hello");
	conn_send(&c, .flags = SYN, .seq = 0, .data = "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6);
	/* Twice in half a second is the limit. Then: its number, but no SYN. */
	sleep_ms(600);
	conn_send(&c, .flags = PSH, .seq = 0);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 6);
	conn_accept(&c);
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
	stream_expect_text(_metadata, c.fd, "hello");
	EXPECT_EQ(EAGAIN, socket_receive(c.fd));
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/*
 * A copy of the SYN that comes late. TIME-WAIT still knows the connection: the program sees
 * nothing of the copy. Minutes later nobody does, and the program reads the request again: RFC 7413
 * 6.1 leaves that to it.
 */
TEST_F_TIMEOUT(fastopen, rfc7413_syn_comes_again_minutes_later, 1000)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn first, copy;
	uint8_t cookie[16];

	cookie_ask(_metadata, p, lfd, cookie);
	syn(p, &first, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&first, .flags = SYN | ACK, .ack = 6);
	conn_accept(&first);
	stream_expect_text(_metadata, first.fd, "hello");
	conn_send(&first, .flags = ACK, .seq = 6, .ack = 1);
	close(first.fd);
	conn_expect(&first, .flags = FIN | ACK, .seq = 1, .ack = 6);
	conn_send(&first, .flags = FIN | ACK, .seq = 6, .ack = 2);
	conn_expect(&first, .flags = ACK, .seq = 2, .ack = 7);
	conn_expect_state(&first, ST_TIME_WAIT);
	sleep_ms(30000);
	/* The same timestamp, too. */
	first.tsval_start_ns = now_ns();
	conn_send(&first, .flags = SYN, .seq = 0, .data = "hello");
	conn_expect(&first, .flags = ACK, .seq = 2, .ack = 7);
	conn_expect_state(&first, ST_TIME_WAIT);
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
	sleep_ms(270000);
	conn_expect_state(&first, ST_CLOSED);
	conn_start(p, &copy, .lfd = lfd, .pport = first.pport, .peer_iss = first.peer_iss,
		   .opt = with_cookie(cookie, 8, false));
	copy.tsval_base = first.tsval_base;
	conn_send(&copy, .flags = SYN, .seq = 0, .data = "hello");
	conn_expect(&copy, .flags = SYN | ACK, .ack = 6);
	conn_accept(&copy);
	stream_expect_text(_metadata, copy.fd, "hello");
	conn_send(&copy, .flags = RST, .seq = 6);
}

/* The record of TIME-WAIT keeps the copy out, so no knob ends it early or does without it. */
TEST_F(fastopen, lc_47_syn_comes_again_whatever_shortens_time_wait)
{
	static const char *const knobs[] = { "tw_recycle", "tw_stateless" };
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	NOT_ON_STOCK();		/* has no such knobs */
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++) {
		peer_note(p, "%s", knobs[i]);
		ASSERT_EQ(0, knob_set(knobs[i], 1));
		open_fast(_metadata, p, &c, lfd);
		conn_accept(&c);
		stream_expect_text(_metadata, c.fd, "hello");
		conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
		close(c.fd);
		conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 6, .token = 0);
		conn_send(&c, .flags = FIN | ACK, .seq = 6, .ack = 2);
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = 7);
		sleep_ms(5000);
		c.tsval_start_ns = now_ns();
		conn_send(&c, .flags = SYN, .seq = 0, .data = "hello");
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = 7);
		conn_expect_state(&c, ST_TIME_WAIT);
		EXPECT_EQ(EAGAIN, socket_accept(lfd));
		ASSERT_EQ(0, knob_set(knobs[i], 0));
	}
}

/* A SYN-ACK is no third segment: its payload is behind a SYN that counts as well. */
TEST_F(fastopen, rfc7413_syn_ack_with_payload_as_third_ack)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	conn_send(&c, .flags = SYN | ACK | PSH, .seq = 0, .ack = 1, .data = "hello world");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 6);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = ACK | PSH, .seq = 6, .ack = 1, .data = " there");
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 12, .within_ms = DELAYED_ACK_MS);
	stream_expect_text(_metadata, c.fd, "hello there");
	EXPECT_EQ(EAGAIN, socket_receive(c.fd));
}

/* A RST, before and after accept(). */
TEST_F(fastopen, rfc7413_reset)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct counters before;
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	counters_begin(&before);
	conn_send(&c, .flags = RST, .seq = 6);
	conn_expect_state(&c, ST_CLOSED);
	/* The kernel's TCP counts it as half-open and as a child. */
	EXPECT_EQ(stock_mode() ? 2 : 1, counter_moved(&before, "AttemptFails"));
	conn_accept(&c);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	close(c.fd);
	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	conn_send(&c, .flags = RST, .seq = 6);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	close(c.fd);
	/* An ACK of what was never sent. */
	open_fast(_metadata, p, &c, lfd);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 2);
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = RST, .seq = 6);
}

/* close() before the third segment. */
TEST_F(fastopen, rfc7413_closed_before_the_third_ack)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	ASSERT_EQ(3, send(c.fd, "bye", 3, 0));
	close(c.fd);
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "bye");
	conn_expect(&c, .flags = FIN | ACK, .seq = 4, .ack = 6);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 5);
	conn_send(&c, .flags = FIN | ACK, .seq = 6, .ack = 5);
	conn_expect(&c, .flags = ACK, .seq = 5, .ack = 7);
	/* With data that nobody has read. */
	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 6);
	conn_expect_state(&c, ST_CLOSED);
}

/* Data that the client reports before it has acknowledged the SYN-ACK. */
TEST_F(fastopen, rfc7413_sack_before_the_third_ack)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	ASSERT_EQ(3, send(c.fd, "bye", 3, 0));
	close(c.fd);
	c.fd = -1;
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "bye");
	conn_expect(&c, .flags = FIN | ACK, .seq = 4, .ack = 6);
	conn_send_sack(&c, 0, { 1, 4 });
	/* It acknowledges less than was ever sent. */
	conn_expect(&c, .flags = ACK, .seq = 5, .ack = 6);
	peer_drain(p, 20);
	/* Answers have a limit. */
	sleep_ms(600);
	/* The SYN is still known as that of this connection. */
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 5);
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
	conn_send(&c, .flags = FIN | ACK, .seq = 6, .ack = 5);
	conn_expect(&c, .flags = ACK, .seq = 5, .ack = 7);
}

/* Nor does a FIN count that acknowledges less than the SYN-ACK. */
TEST_F(fastopen, rfc7413_closed_and_the_syn_ack_is_not_acknowledged)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct counters before;
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	close(c.fd);
	c.fd = -1;
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 6);
	counters_begin(&before);
	conn_send(&c, .flags = FIN | ACK, .seq = 6, .ack = 0);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 6);
	EXPECT_EQ(1, counter_moved(&before, "TCPChallengeACK"));
	conn_expect_state(&c, ST_FIN_WAIT_1);
	conn_send(&c, .flags = FIN | ACK, .seq = 6, .ack = 2);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 7);
	conn_expect_state(&c, ST_TIME_WAIT);
}

/*
 * close() before a third segment that never comes: the SYN-ACK is repeated, the answer and the FIN
 * are not, for the address has proved nothing. The end makes room for others.
 */
TEST_F_TIMEOUT(fastopen, rfc7413_closed_and_never_acknowledged, 1000)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	ASSERT_EQ(0, knob_set("synack_retries", 2));
	/* An end without a RST makes room at once. */
	lfd = fast_listener_at(_metadata, p, 1);
	open_fast(_metadata, p, &c, lfd);
	peer_mark_last(p);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	ASSERT_EQ(3, send(c.fd, "bye", 3, 0));
	close(c.fd);
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "bye");
	conn_expect(&c, .flags = FIN | ACK, .seq = 4, .ack = 6);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6, .at_ms = 1000);
	/* The client's SYN again is answered. */
	peer_sleep_until(p, 2000);
	c.peer_opt = OPT(USUAL);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6, .at_ms = 3000);
	/* Once more than the knob says, as in Linux. */
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6, .at_ms = 7000);
	peer_expect_silence(p, 13000);
	conn_expect_state(&c, ST_CLOSED);
	open_fast(_metadata, p, &c, lfd);
	conn_send(&c, .flags = RST, .seq = 6);
}

/* A paced answer does not wait for the third segment. */
TEST_F(fastopen, rfc7413_answer_is_paced)
{
	static uint8_t answer[5 * 1448];
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	pattern_fill(answer, sizeof(answer), 0);
	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, 14480));
	ASSERT_EQ(sizeof(answer), send(c.fd, answer, sizeof(answer), 0));
	for (uint32_t i = 0; i < 5; i++)
		conn_expect(&c, .seq = 1 + i * 1448, .ack = 6, .len = 1448,
			    .pattern = i * 1448, .within_ms = 250);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1 + sizeof(answer));
	conn_expect_state(&c, ST_ESTABLISHED);
	p->leave_unread = true;
}

/* An ICMP error ends an opening, but not a connection that the program has. */
TEST_F(fastopen, rfc7413_icmp_before_and_after_accept)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote = &p->last);
	conn_accept(&c);
	EXPECT_EQ(ECONNREFUSED, socket_error(c.fd));
	close(c.fd);
	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote = &p->last);
	/* A hint, which SO_ERROR tells. */
	EXPECT_EQ(ECONNREFUSED, socket_error(c.fd));
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	stream_expect_text(_metadata, c.fd, "hello");
}

/* A router's error about a segment: its packets may have @mtu bytes. */
static void too_big(struct peer *p, const struct segment *quote, int mtu)
{
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED,
		       .quote = quote, .rest = mtu);
}

/*
 * An answer that is too big for a router goes again at once, all of it for the first error: what
 * the router says of the other segments is nothing new.
 */
TEST_F(fastopen, rfc1191_rfc7413_lc_106_answer_is_too_big)
{
	static uint8_t answer[3 * 1448];
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct segment sent[3];
	struct counters before;
	struct tcp_info info;
	struct conn c;

	pattern_fill(answer, sizeof(answer), 0);
	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	ASSERT_EQ(sizeof(answer), send(c.fd, answer, sizeof(answer), 0));
	for (int i = 0; i < 3; i++)
		sent[i] = *conn_expect(&c, .seq = 1 + i * 1448, .ack = 6, .len = 1448,
				       .pattern = i * 1448);
	counters_begin(&before);
	too_big(p, &sent[0], 1300);
	for (int i = 0; i < 3; i++)
		conn_expect(&c, .flags = ACK, .seq = 1 + i * 1248, .ack = 6, .len = 1248,
			    .pattern = i * 1248);
	conn_expect(&c, .flags = PSH | ACK, .seq = 1 + 3 * 1248, .ack = 6, .len = 600,
		    .pattern = 3 * 1248);
	too_big(p, &sent[1], 1300);
	too_big(p, &sent[2], 1300);
	peer_expect_silence(p, 20);
	EXPECT_EQ(0, counter_moved(&before, "TCPTimeouts"));
	conn_expect_state(&c, ST_SYN_RECEIVED);
	/* No sign of congestion, and the end of the handshake is that of any other. */
	info = conn_tcp_info(&c);
	EXPECT_EQ(10, info.tcpi_snd_cwnd);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1 + sizeof(answer));
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(0, (int)conn_tcp_info(&c).tcpi_unacked);
	peer_expect_silence(p, 3000);
}

/* Part of the answer from @sent on, in a segment that is small enough. Returns where it ends. */
static size_t resent(struct __test_metadata *_metadata, struct conn *c, size_t sent)
{
	const struct segment *s;

	s = conn_expect(c, .seq = 1 + sent, .ack = 6, .pattern = sent);
	EXPECT_GE(1248, s->len);
	return sent + s->len;
}

/*
 * More than a window: the third segment does not end the recovery, so the next one lets the rest
 * go.
 */
TEST_F(fastopen, rfc1191_rfc7413_lc_106_answer_is_too_big_and_long)
{
	static uint8_t answer[9 * 1448];
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct counters before;
	struct segment first;
	size_t sent = 0;
	struct conn c;

	pattern_fill(answer, sizeof(answer), 0);
	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	ASSERT_EQ(sizeof(answer), send(c.fd, answer, sizeof(answer), 0));
	for (int i = 0; i < 9; i++) {
		conn_expect(&c, .seq = 1 + i * 1448, .ack = 6, .len = 1448, .pattern = i * 1448);
		if (!i)
			first = p->last;
	}
	counters_begin(&before);
	too_big(p, &first, 1300);
	/* Eleven segments now. The SYN-ACK is in flight, too. */
	for (int i = 0; i < 9; i++)
		sent = resent(_metadata, &c, sent);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(10, (int)conn_tcp_info(&c).tcpi_snd_cwnd);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1 + 2 * 1248);
	while (sent < sizeof(answer))
		sent = resent(_metadata, &c, sent);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1 + sizeof(answer));
	EXPECT_EQ(0, (int)conn_tcp_info(&c).tcpi_unacked);
	peer_expect_silence(p, 3000);
	EXPECT_EQ(11, counter_moved(&before, "RetransSegs"));
	EXPECT_EQ(0, counter_moved(&before, "TCPTimeouts"));
	EXPECT_EQ(0, counter_moved(&before, "TCPLossProbes"));
}

/*
 * Before the third segment, too, an error has to quote a segment that was too big. Of the SYN-ACK
 * the number alone has to do.
 */
TEST_F(fastopen, rfc5927_7_1_too_big_before_the_third_ack)
{
	static uint8_t answer[1448];
	struct peer *p = &self->peer;
	struct segment syn_ack, small;
	struct counters before;
	struct conn c;
	int lfd;

	NOT_ON_STOCK();		/* believes every error */
	lfd = fast_listener(p);
	pattern_fill(answer, sizeof(answer), 0);
	open_fast(_metadata, p, &c, lfd);
	syn_ack = p->last;
	conn_accept(&c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1));
	ASSERT_EQ(6, send(c.fd, "answer", 6, 0));
	small = *conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "answer");
	counters_begin(&before);
	too_big(p, &small, 1300);
	EXPECT_EQ(1, counter_moved(&before, "OutOfWindowIcmps"));
	ASSERT_EQ(sizeof(answer), send(c.fd, answer, sizeof(answer), 0));
	conn_expect(&c, .flags = PSH | ACK, .seq = 7, .ack = 6, .len = 1448, .pattern = 0);
	/* Bigger than that is none of them. */
	too_big(p, &p->last, 1500);
	peer_expect_silence(p, 20);
	too_big(p, &syn_ack, 1300);
	conn_expect(&c, .seq = 7, .ack = 6, .len = 1248, .pattern = 0);
	conn_expect(&c, .flags = PSH | ACK, .seq = 1255, .ack = 6, .len = 200, .pattern = 1248);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1455);
	conn_expect_state(&c, ST_ESTABLISHED);
	peer_expect_silence(p, 3000);
}

/* The listener closes: the child in its queue is reset. */
TEST_F(fastopen, rfc7413_listener_closes)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c, accepted;

	open_fast(_metadata, p, &accepted, lfd);
	conn_accept(&accepted);
	open_fast(_metadata, p, &c, lfd);
	close(lfd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 6);
	conn_expect_state(&c, ST_CLOSED);
	/* One that was accepted does not need its listener. */
	conn_send(&accepted, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&accepted, ST_ESTABLISHED);
	stream_expect_text(_metadata, accepted.fd, "hello");
}

/* --- the limit --- */

TEST_F_TIMEOUT(fastopen, rfc7413_ctr_TCPFastOpenListenOverflow, 1000)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c[2], d;
	uint8_t cookie[16];
	int lfd;

	lfd = fast_listener_at(_metadata, p, 2);
	cookie_ask(_metadata, p, lfd, cookie);
	for (int i = 0; i < 2; i++) {
		syn(p, &c[i], lfd, with_cookie(cookie, 8, false), "hello");
		conn_expect(&c[i], .flags = SYN | ACK, .ack = 6);
		conn_accept(&c[i]);
	}
	counters_begin(&before);
	syn(p, &d, lfd, with_cookie(cookie, 8, false), "hello");
	expect_declined(_metadata, &d, lfd);
	EXPECT_EQ(-1, d.kern_opt.fastopen);
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenListenOverflow"));
	/* A third segment makes room. */
	conn_send(&c[0], .flags = ACK, .seq = 6, .ack = 1);
	syn(p, &d, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&d, .flags = SYN | ACK, .ack = 6);
	conn_accept(&d);
	conn_send(&d, .flags = ACK, .seq = 6, .ack = 1);
	/* A RST after accept() does not, for a minute. */
	conn_send(&c[1], .flags = RST, .seq = 6);
	EXPECT_EQ(ECONNRESET, socket_error(c[1].fd));
	syn(p, &d, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&d, .flags = SYN | ACK, .ack = 6);
	conn_accept(&d);
	syn(p, &c[0], lfd, with_cookie(cookie, 8, false), "hello");
	expect_declined(_metadata, &c[0], lfd);
	conn_send(&d, .flags = RST, .seq = 6);
	sleep_ms(62000);
	for (int i = 0; i < 2; i++) {
		syn(p, &c[i], lfd, with_cookie(cookie, 8, false), "hello");
		conn_expect(&c[i], .flags = SYN | ACK, .ack = 6);
	}
	for (int i = 0; i < 2; i++) {
		conn_accept(&c[i]);
		conn_send(&c[i], .flags = ACK, .seq = 6, .ack = 1);
	}
	/* The minute begins with the RST, however long ago the queue was full. */
	sleep_ms(62000);
	syn(p, &d, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&d, .flags = SYN | ACK, .ack = 6);
	conn_accept(&d);
	conn_send(&d, .flags = RST, .seq = 6);
	EXPECT_EQ(ECONNRESET, socket_error(d.fd));
	syn(p, &d, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&d, .flags = SYN | ACK, .ack = 6);
	conn_accept(&d);
	syn(p, &c[0], lfd, with_cookie(cookie, 8, false), "hello");
	expect_declined(_metadata, &c[0], lfd);
	conn_send(&d, .flags = RST, .seq = 6);
}

/* --- beside other mechanisms --- */

/* SYN cookies always: a valid cookie of fast open proves as much. */
TEST_F(fastopen, rfc7413_during_a_flood)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	uint8_t cookie[16];
	struct conn c;

	NOT_ON_STOCK();
	cookie_ask(_metadata, p, lfd, cookie);
	ASSERT_EQ(0, knob_set("syncookies", 2));
	syn(p, &c, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6, .cookie = 0);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	/* None is granted with a SYN cookie. */
	cookie[0] ^= 1;
	syn(p, &c, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	EXPECT_EQ(-1, c.kern_opt.fastopen);
}

/* The SYN of a child that comes again counts among the SYNs that are answered in a second. */
TEST_F(fastopen, knob_synack_ratelimit_of_a_syn_that_comes_again)
{
	struct peer *p = &self->peer;
	struct counters before;
	uint8_t cookie[16];
	struct conn c;
	int lfd;

	NOT_ON_STOCK();
	lfd = fast_listener(p);
	cookie_ask(_metadata, p, lfd, cookie);
	ASSERT_EQ(0, knob_set("invalid_ratelimit", 0));
	ASSERT_EQ(0, knob_set("synack_ratelimit", 3));
	second_begin();
	counters_begin(&before);
	syn(p, &c, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	for (int i = 0; i < 2; i++) {
		conn_send(&c, .flags = SYN, .seq = 0, .data = "hello");
		conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6);
	}
	EXPECT_EQ(0, counter_moved(&before, "XtcpSynAckRateDrop"));
	conn_send(&c, .flags = SYN, .seq = 0, .data = "hello");
	peer_expect_silence(p, 20);
	EXPECT_EQ(1, counter_moved(&before, "XtcpSynAckRateDrop"));
	EXPECT_EQ(2, counter_moved(&before, "TCPSynRetrans"));
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/*
 * Who needs no cookie is not answered at a subnet's broadcast address, either: that would be an
 * answer to all hosts of the subnet.
 */
TEST_F(fastopen, rfc9293_must_63_no_child_of_a_broadcast_address)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd;

	NOT_ON_STOCK();		/* answers it */
	if (p->family == AF_INET6)
		return;
	lfd = fast_listener(p);
	ASSERT_EQ(0, knob_set("fastopen", 0x203));
	counters_begin(&before);
	conn_start(p, &c, .lfd = lfd, .peer_addr = ipaddr("10.0.0.255"), .opt = OPT(USUAL));
	conn_send(&c, .flags = SYN, .seq = 0, .data = "hello");
	peer_expect_silence(p, 1200);
	EXPECT_EQ(0, counter_moved(&before, "TCPFastOpenPassive"));
	EXPECT_EQ(0, counter_moved(&before, "OutSegs"));
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
	/* Any other address is. */
	conn_start(p, &c, .lfd = lfd, .peer_addr = ipaddr("10.0.0.254"), .opt = OPT(USUAL));
	conn_send(&c, .flags = SYN, .seq = 0, .data = "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	conn_accept(&c);
	conn_send(&c, .flags = RST, .seq = 6);
}

/* Half-open connections of other addresses, one more than the backlog: the queue is full. */
#define BACKLOG	16

static void queue_fill(struct peer *p, int lfd)
{
	struct conn c;

	for (int i = 0; i <= BACKLOG; i++) {
		char text[16];

		snprintf(text, sizeof(text), "10.0.0.%d", 100 + i);
		conn_start(p, &c, .lfd = lfd, .peer_addr = ipaddr(text));
		conn_send(&c, .flags = SYN, .seq = 0);
		conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	}
}

/* For so long, the kernel sends nothing but SYN-ACKs without payload. Returns their number. */
static int syn_acks_alone(struct __test_metadata *_metadata, struct peer *p, int ms)
{
	int64_t until_ns = now_ns() + ms * NSEC_PER_MSEC;
	const struct segment *seg;
	int n = 0;

	while ((seg = peer_read(p, until_ns))) {
		EXPECT_EQ(SYN | ACK, seg->flags);
		EXPECT_EQ(0, seg->len);
		n++;
	}
	return n;
}

/*
 * A full queue: who shows his cookie is served. Any other SYN with data gets a SYN-ACK that
 * acknowledges none of it, and no data leaves for its address.
 */
TEST_F_TIMEOUT(fastopen, rfc7413_full_queue, 1000)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	uint8_t cookie[16];
	struct counters before;
	struct conn c, d;

	NOT_ON_STOCK();
	cookie_ask(_metadata, p, lfd, cookie);
	queue_fill(p, lfd);
	counters_begin(&before);
	syn(p, &c, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6, .cookie = 0);
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenPassive"));
	/* Found the queue full, and needed no SYN cookie. */
	EXPECT_EQ(1, counter_moved(&before, "TCPReqQFullDoCookies"));
	EXPECT_EQ(0, counter_moved(&before, "SyncookiesSent"));
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	ASSERT_EQ(6, send(c.fd, "answer", 6, 0));
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "answer");
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 7);
	conn_expect_state(&c, ST_ESTABLISHED);

	/* Without the option, with an empty one, with the cookie of the first. */
	for (int i = 0; i < 3; i++) {
		counters_begin(&before);
		conn_start(p, &d, .lfd = lfd, .peer_addr = ipaddr("10.0.0.77"),
			   .opt = i ? with_cookie(cookie, i > 1 ? 8 : 0, false) : OPT(USUAL));
		conn_send(&d, .flags = SYN, .seq = 0, .data = "hello");
		conn_expect(&d, .flags = SYN | ACK, .ack = 1, .len = 0);
		EXPECT_EQ(-1, d.kern_opt.fastopen);
		EXPECT_EQ(1, counter_moved(&before, "SyncookiesSent"));
		EXPECT_EQ(0, counter_moved(&before, "TCPFastOpenPassive"));
		EXPECT_EQ(EAGAIN, socket_accept(lfd));
	}
	/* Those of the half-open records again, after 1 and 3 s; a cookie's is sent once. */
	EXPECT_EQ(2 * (BACKLOG + 1), syn_acks_alone(_metadata, p, 5000));
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
	p->leave_unread = true;
}

/* A child that waits for its third segment goes to another listener of the group. */
TEST_F(fastopen, rfc7413_migrates)
{
	struct peer *p = &self->peer;
	uint8_t cookie[16];
	struct conn c;
	int fd[2];

	ASSERT_EQ(0, knob_set("fastopen", 3));
	ASSERT_EQ(0, knob_set("migrate_req", 1));
	for (int i = 0; i < 2; i++) {
		fd[i] = socket_new(-1);
		ASSERT_EQ(0, socket_set(fd[i], SOL_SOCKET, SO_REUSEPORT, 1));
		ASSERT_EQ(0, socket_set(fd[i], IPPROTO_TCP, TCP_FASTOPEN, 3));
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", KERNEL_PORT));
	}
	ASSERT_EQ(0, socket_listen(fd[0], 16));
	cookie_ask(_metadata, p, fd[0], cookie);
	syn(p, &c, fd[0], with_cookie(cookie, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	ASSERT_EQ(0, socket_listen(fd[1], 16));
	close(fd[0]);
	c.lfd = fd[1];
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_HARNESS_MAIN
