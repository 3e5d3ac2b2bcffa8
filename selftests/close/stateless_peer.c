// SPDX-License-Identifier: GPL-2.0
/*
 * stateless_peer: the peer of an end that closes first without a TIME-WAIT record
 * (xtcp_tw_stateless) returns the token of its FIN. RFC 9293 3.6, 3.10.7.4. LC-117.
 */
/* vm: families */
#include "lib/xtcp_test.h"

#include "token.h"

PEER_FIXTURE(stateless_peer);

TEST_F(stateless_peer, lc_117_peer_echoes)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = STAMPS);
	conn_send(&c, .flags = FIN | ACK, .opt = told(&c, foreign));
	conn_expect(&c, .flags = ACK, .ack = 2, .token = 1, .opt_len = TOKEN_OPT_LEN,
		    .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(0, memcmp(p->last.opt.token, foreign, TOKEN_LEN));
	/* Not with payload. */
	conn_write(&c, 10);
	conn_expect(&c, .flags = PSH | ACK, .len = 10, .token = 0);
	conn_send(&c, .flags = ACK);
	/* A challenge ACK. */
	conn_send(&c, .flags = RST, .seq = 3);
	conn_expect(&c, .flags = ACK, .ack = 2, .token = 1);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 11, .ack = 2, .token = 1);
	EXPECT_EQ(0, memcmp(p->last.opt.token, foreign, TOKEN_LEN));
	/* And again, by loss probe or timer. */
	for (int i = 0; i < 3; i++) {
		conn_expect(&c, .flags = FIN | ACK, .seq = 11, .token = 1, .within_ms = 4000);
		EXPECT_EQ(0, memcmp(p->last.opt.token, foreign, TOKEN_LEN));
	}
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(stateless_peer, first_token_is_echoed)
{
	static const uint8_t second[TOKEN_LEN] = "another one!";
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = STAMPS);
	conn_send(&c, .flags = FIN | ACK, .opt = told(&c, foreign));
	conn_expect(&c, .flags = ACK, .ack = 2, .token = 1, .within_ms = DELAYED_ACK_MS);
	conn_send(&c, .flags = FIN | ACK, .seq = 1, .opt = told(&c, second));
	conn_expect(&c, .flags = ACK, .ack = 2, .token = 1);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .token = 1);
	EXPECT_EQ(0, memcmp(p->last.opt.token, foreign, TOKEN_LEN));
}

/* A FIN before accept() as well; a RST never has it. */
TEST_F(stateless_peer, rst_does_not_echo)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = STAMPS);
	conn_send(&c, .flags = FIN | ACK, .opt = told(&c, foreign));
	conn_expect(&c, .flags = ACK, .ack = 2, .token = 1, .within_ms = DELAYED_ACK_MS);
	program_lingers(c.fd, 0);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .token = 0);
}

/* The token lies where SACK blocks did. */
TEST_F(stateless_peer, sacks_are_not_disturbed)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = STAMPS);
	conn_send(&c, .flags = ACK, .seq = 11, .len = 10);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 1, .sack = { { 11, 21 } });
	conn_send(&c, .flags = FIN | ACK, .seq = 31, .opt = told(&c, foreign));
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 2, .token = 0,
		    .sack = { { 31, 32 }, { 11, 21 } });
	conn_send(&c, .flags = ACK, .seq = 1, .len = 10);
	conn_expect(&c, .flags = ACK, .ack = 21, .sacks = 1, .sack = { { 31, 32 } });
	conn_send(&c, .flags = ACK, .seq = 21, .len = 10);
	conn_expect(&c, .flags = ACK, .ack = 32, .sacks = 0, .token = 0);
	conn_expect_state(&c, ST_CLOSE_WAIT);
	/* A duplicate is reported beside a token. */
	conn_open(p, &c, .opt = STAMPS, .lfd = c.lfd);
	conn_send(&c, .flags = FIN | PSH | ACK, .len = 10, .opt = told(&c, foreign));
	conn_expect(&c, .flags = ACK, .ack = 12, .token = 1, .within_ms = DELAYED_ACK_MS);
	conn_send(&c, .flags = PSH | ACK, .seq = 1, .len = 10);
	conn_expect(&c, .flags = ACK, .ack = 12, .token = 1, .sacks = 1,
		    .sack = { { 1, 11 } }, .opt_len = 40);
}

/*
 * The last ACK was lost, and the 4-tuple is used again at once: the SYN meets a peer in
 * LAST-ACK, whose challenge ACK names the old connection. The peer ends cleanly.
 */
TEST_F(stateless_peer, lc_117_peer_is_still_in_last_ack)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn old, c;

	for (int fin = 0; fin < 2; fin++) {
		ended(p, &old, token, .active = true, .kport = 41000 + fin, .pport = 80);
		close(old.fd);
		conn_to_state(p, &c, ST_SYN_SENT, .active = true, .kport = 41000 + fin,
			      .pport = 80, .opt = STAMPS, .peer_iss = old.peer_nxt + 100000);
		peer_mark(p);
		if (fin)
			fin_again(&old, token);
		else
			conn_send(&old, .flags = ACK, .seq = 2, .ack = 2,
				  .opt = told(&old, token));
		conn_expect(&old, .flags = ACK, .seq = 2, .ack = 2);
		/* The SYN again, without the timer's second. */
		peer_expect(p, .flags = SYN, .seq = c.kern_iss, .sport = 41000 + fin,
			    .dport = 80, .at_ms = 8);
		conn_send(&c, .flags = SYN | ACK);
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
		conn_expect_state(&c, ST_ESTABLISHED);
		/* A peer in CLOSE-WAIT still gets its RST. */
		close(c.fd);
		conn_expect(&c, .flags = FIN | ACK);
		conn_send(&c, .flags = RST);
	}
	ended(p, &old, token, .active = true, .kport = 41002, .pport = 80);
	close(old.fd);
	conn_to_state(p, &c, ST_SYN_SENT, .active = true, .kport = 41002, .pport = 80,
		      .opt = STAMPS);
	conn_send(&old, .flags = ACK, .seq = 1, .ack = 2, .opt = told(&old, token));
	conn_expect(&old, .flags = RST, .seq = 2);
	peer_drain(p, 100);
}

TEST_HARNESS_MAIN
