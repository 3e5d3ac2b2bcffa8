// SPDX-License-Identifier: GPL-2.0
/*
 * blind: an attacker who knows the 4-tuple and guesses the numbers; and a peer that
 * has lost its state. RFC 5961 3 (RST), 4 (SYN), 5 (data), 7 (throttling); RFC 9293
 * 3.5.1, 3.10.7.4.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

PEER_FIXTURE(blind);

/* The states in which a guess may fall into the window. */
static const enum conn_state synchronized[] = {
	ST_ESTABLISHED, ST_FIN_WAIT_1, ST_FIN_WAIT_2, ST_CLOSE_WAIT, ST_CLOSING,
	ST_LAST_ACK,
};

/* A challenge ACK: our current numbers, and nothing else. */
static void expect_challenge(struct conn *c)
{
	conn_expect(c, .flags = ACK, .seq = conn_kern_nxt(c), .ack = conn_peer_nxt(c));
}

TEST_F(blind, rfc5961_rst_at_the_edge_resets)
{
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(synchronized); i++) {
		struct counters before;
		struct conn c;

		conn_to_state(p, &c, synchronized[i], .kport = 6000 + i);
		counters_take(&before);
		conn_send(&c, .flags = RST);
		conn_expect_state(&c, ST_CLOSED);
		if (synchronized[i] == ST_ESTABLISHED || synchronized[i] == ST_CLOSE_WAIT)
			counters_expect(_metadata, &before, "InSegs", 1,
					"EstabResets", 1, "CurrEstab", -1, NULL);
		else
			counters_expect(_metadata, &before, "InSegs", 1, NULL);
	}
	peer_expect_silence(p, 1000);
}

/* Where the peer is that has sent more than arrived. Elsewhere above a hole: challenged. */
TEST_F(blind, rfc5961_rst_behind_what_arrived_out_of_order)
{
	/* The block that arrives last is the first one of the SACK option. */
	static const int64_t blocks[][2] = { { 301, 101 }, { 101, 301 } };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		struct conn c;

		conn_open(p, &c, .kport = 6000 + i, .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
		for (int block = 0; block < 2; block++) {
			conn_send(&c, .flags = ACK, .seq = blocks[i][block], .len = 100);
			conn_expect(&c, .flags = ACK, .ack = 1);
		}
		conn_send(&c, .flags = RST, .seq = 201);
		conn_expect(&c, .flags = ACK, .ack = 1);
		conn_expect_state(&c, ST_ESTABLISHED);
		conn_send(&c, .flags = RST, .seq = 401);
		conn_expect_state(&c, ST_CLOSED);
		EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	}
}

TEST_F(blind, rfc5961_rst_in_window_is_challenged)
{
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(synchronized); i++) {
		struct counters before;
		struct conn c;

		conn_to_state(p, &c, synchronized[i], .kport = 6000 + i);
		/* An earlier odd segment may have used up this state's answer. */
		sleep_ms(700);
		peer_drain(p, 0);
		counters_take(&before);
		conn_send(&c, .flags = RST, .seq = conn_peer_nxt(&c) + 1);
		expect_challenge(&c);
		conn_expect_state(&c, synchronized[i]);
		counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1,
				"TCPChallengeACK", 1, NULL);
		/*
		 * If the peer has lost its state, it answers with a RST of the exact
		 * number.
		 */
		conn_send(&c, .flags = RST);
		conn_expect_state(&c, ST_CLOSED);
		peer_drain(p, 0);
	}
}

TEST_F(blind, rfc5961_rst_outside_is_silence)
{
	static const int64_t where[] = { -1000000, -2, 2000000, 0x80000000LL };
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	counters_take(&before);
	for (size_t i = 0; i < ARRAY_SIZE(where); i++)
		conn_send(&c, .flags = RST, .seq = 1 + where[i]);
	peer_expect_silence(p, 20);
	conn_expect_state(&c, ST_ESTABLISHED);
	counters_expect(_metadata, &before, "InSegs", 4, NULL);
}

TEST_F(blind, rfc5961_syn_is_challenged_wherever)
{
	static const int64_t where[] = { -1000000, -1, 0, 100, 2000000, 0x80000000LL };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		struct conn c;

		conn_open(p, &c, .kport = 6000 + i);
		conn_send(&c, .flags = SYN, .seq = conn_peer_nxt(&c) + where[i]);
		c.peer_nxt = c.peer_iss + 1;
		expect_challenge(&c);
		conn_expect_state(&c, ST_ESTABLISHED);
	}
}

/* A closed connection, which waits for the peer's FIN, is as hard to end. */
TEST_F(blind, rfc5961_4_2_syn_is_challenged_after_close)
{
	static const int flags[] = { SYN, SYN | ACK, SYN | FIN };
	struct peer *p = &self->peer;
	struct counters before;

	NOT_ON_STOCK();		/* where it is reset */
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct conn c;

		conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2, .kport = 6000 + i);
		counters_take(&before);
		conn_send(&c, .flags = flags[i], .seq = 1 + 100 * i);
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = 1);
		conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
		counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1,
				"TCPChallengeACK", 1, "TCPSYNChallenge", 1, NULL);
		/* A peer that has forgotten the connection answers so. */
		conn_send(&c, .flags = RST, .seq = 1);
		conn_expect_state(&c, ST_CLOSED);
	}
}

TEST_F(blind, rfc5961_ack_outside_brings_no_text)
{
	/* Older than the largest window, and of what was never sent. */
	static const int64_t acks[] = { -70000, -1000000, 100, 0x7fff0000 };
	struct peer *p = &self->peer;
	char byte;

	for (size_t i = 0; i < ARRAY_SIZE(acks); i++) {
		struct conn c;

		conn_open(p, &c, .kport = 6000 + i);
		conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "poison",
			  .ack = 1 + acks[i]);
		c.peer_nxt = c.peer_iss + 1;
		/* The kernel's TCP does not answer an ACK of what was never sent. */
		if (acks[i] < 0 || !stock_mode())
			expect_challenge(&c);
		EXPECT_EQ(-1, recv(c.fd, &byte, 1, MSG_DONTWAIT));
		EXPECT_EQ(EAGAIN, errno);
		conn_send(&c, .flags = ACK | PSH, .data = "cure");
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 5, .within_ms = 210);
	}
}

TEST_F(blind, rfc5961_old_ack_within_the_window_is_fine)
{
	struct peer *p = &self->peer;
	struct conn c;
	char buf[8];

	conn_open(p, &c);
	ASSERT_EQ(5, send(c.fd, "hello", 5, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "hello");
	conn_send(&c, .flags = ACK);
	/* A late reordered segment: its data counts. */
	conn_send(&c, .flags = ACK | PSH, .data = "late", .ack = 1);
	conn_expect(&c, .flags = ACK, .seq = 6, .ack = 5, .within_ms = 210);
	EXPECT_EQ(4, recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT));
}

/* What was never sent can't be acknowledged, however large the window is. */
TEST_F(blind, rfc5961_ghost_ack_brings_no_text)
{
	struct peer *p = &self->peer;

	for (int active = 0; active < 2; active++) {
		static const int64_t acks[] = { -1, -2, -30000 };
		struct conn c;
		char byte;

		conn_open(p, &c, .active = active);
		ASSERT_EQ(5, send(c.fd, "hello", 5, 0));
		conn_expect(&c, .flags = ACK | PSH, .data = "hello");
		conn_send(&c, .flags = ACK);
		for (size_t i = 0; i < ARRAY_SIZE(acks); i++) {
			conn_send(&c, .flags = ACK | PSH, .data = "ghost", .ack = acks[i]);
			c.peer_nxt -= 5;
			conn_expect(&c, .flags = ACK, .seq = 6, .ack = 1);
			EXPECT_EQ(-1, recv(c.fd, &byte, 1, MSG_DONTWAIT));
			EXPECT_EQ(EAGAIN, errno);
			sleep_ms(1000);
		}
		/* An ACK of anything sent is old, but not impossible. */
		conn_send(&c, .flags = ACK | PSH, .data = "late", .ack = 1);
		conn_expect(&c, .flags = ACK, .seq = 6, .ack = 5, .within_ms = 210);
		program_reads(_metadata, c.fd, "late");
		close(c.fd);
		conn_expect(&c, .flags = FIN | ACK, .seq = 6);
		conn_send(&c, .flags = RST);
	}
}

TEST_F(blind, rfc5961_challenges_are_throttled)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c, other;

	conn_open(p, &c);
	conn_open(p, &other, .kport = 6000);
	counters_take(&before);
	conn_send(&c, .flags = RST, .seq = 100);
	expect_challenge(&c);
	for (int i = 0; i < 9; i++)
		conn_send(&c, .flags = RST, .seq = 100);
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "InSegs", 10, "OutSegs", 1,
			"TCPChallengeACK", 1, "TCPACKSkippedChallenge", 9, NULL);
	/* Another connection has a rate limit of its own: no side channel. */
	conn_send(&other, .flags = RST, .seq = 100);
	expect_challenge(&other);
	/* Half a second later this connection answers again. */
	sleep_ms(510);
	conn_send(&c, .flags = RST, .seq = 100);
	expect_challenge(&c);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(blind, lc_26_a_scan_of_the_window_does_not_reset)
{
	struct peer *p = &self->peer;
	struct conn c;
	char byte;

	/* Every 1000th number of the whole window, except the exact one. */
	conn_open(p, &c);
	for (int64_t seq = 2; seq < 70000; seq += 1000)
		conn_send(&c, .flags = RST, .seq = seq);
	for (int64_t seq = 2; seq < 70000; seq += 1000)
		conn_send(&c, .flags = SYN, .seq = seq);
	peer_drain(p, 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(-1, recv(c.fd, &byte, 1, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	conn_send(&c, .flags = ACK | PSH, .data = "x");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 2, .within_ms = 210);
}

TEST_F(blind, lc_62_rebooted_peer_calls_again)
{
	struct peer *p = &self->peer;
	struct conn c, again;
	char byte;

	conn_open(p, &c, .peer_iss = 5000000);
	/* The peer has lost the old connection and takes a new number. */
	peer_send(p, .flags = SYN, .seq = 77, .sport = c.pport);
	expect_challenge(&c);
	/* The peer, in SYN-SENT, does not expect such an ACK and must send RST. */
	peer_send(p, .flags = RST, .seq = c.peer_nxt, .sport = c.pport);
	EXPECT_EQ(-1, recv(c.fd, &byte, 1, MSG_DONTWAIT));
	EXPECT_EQ(ECONNRESET, errno);
	conn_expect_state(&c, ST_CLOSED);
	/* Its repeated SYN now connects. */
	conn_open(p, &again, .lfd = c.lfd, .pport = c.pport, .peer_iss = 77);
	conn_expect_state(&again, ST_ESTABLISHED);
}

TEST_F(blind, lc_61_rebooted_peer_meets_our_text)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "ping", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "ping");
	/* No connection there: RST with the number of our ACK. */
	conn_send(&c, .flags = RST);
	EXPECT_EQ(POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP, socket_poll(c.fd));
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	peer_expect_silence(p, 2000);
}

TEST_F(blind, rfc9293_must_66_rst_with_zero_window)
{
	struct peer *p = &self->peer;
	struct conn c;
	int64_t got;

	/* Fill the receive buffer until the kernel's window is closed. */
	conn_open(p, &c, .opt = OPT(OPT_MSS(1460)));
	do {
		conn_send(&c, .flags = ACK | PSH, .len = 1000);
		peer_drain(p, 50);
		/* Nobody reads, so no more than the buffer's 128 KiB may arrive. */
		ASSERT_GE(131072, conn_peer_nxt(&c));
	} while (p->last.wnd > 1000);
	while (p->last.wnd) {
		conn_send(&c, .flags = ACK | PSH, .len = p->last.wnd);
		peer_drain(p, 50);
	}
	got = (uint32_t)(p->last.ack - c.peer_iss);
	ASSERT_EQ(0, p->last.wnd);
	c.peer_nxt = c.peer_iss + got;
	/* Data is refused and answered; a RST with the exact number is accepted. */
	sleep_ms(600);
	conn_send(&c, .flags = ACK | PSH, .seq = got, .len = 10);
	c.peer_nxt = c.peer_iss + got;
	conn_expect(&c, .flags = ACK, .ack = got, .wnd = 0);
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = RST);
	conn_expect_state(&c, ST_CLOSED);
}

TEST_HARNESS_MAIN
