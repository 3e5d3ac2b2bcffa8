// SPDX-License-Identifier: GPL-2.0
/*
 * stateless_after: segments that arrive after a connection has ended without a TIME-WAIT
 * record (xtcp_tw_stateless): the answer to a FIN from its token, and what is given up
 * against a record. RFC 9293 3.10.7.1, 3.10.7.4; RFC 1337. LC-117.
 */
/* vm: families */
#include "lib/xtcp_test.h"

#include "token.h"

PEER_FIXTURE(stateless_after);

/* --- segments of no connection ------------------------------------------------ */

TEST_F(stateless_after, lc_117_ctr_XtcpTokenFailed_each_bit_counts)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct counters before;
	struct conn c;

	ended(p, &c, token);
	close(c.lfd);
	counters_begin(&before);
	for (int i = 0; i < TOKEN_LEN * 8; i++) {
		token[i / 8] ^= 1 << i % 8;
		peer_note(p, "bit %d", i);
		fin_again(&c, token);
		conn_expect(&c, .flags = RST, .seq = 2);
		token[i / 8] ^= 1 << i % 8;
	}
	conn_send(&c, .flags = FIN | ACK, .seq = 2, .ack = 2, .opt = told(&c, token));
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_send(&c, .flags = FIN | ACK, .seq = 0, .ack = 2, .opt = told(&c, token));
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_send(&c, .flags = FIN | ACK, .seq = 1, .ack = 3, .opt = told(&c, token));
	conn_expect(&c, .flags = RST, .seq = 3);
	conn_send(&c, .flags = FIN | ACK, .seq = 1, .ack = 2, .opt = told(&c, token),
		  .sport = c.pport + 1);
	conn_expect(&c, .flags = RST, .seq = 2, .dport = c.pport + 1);
	conn_send(&c, .flags = FIN | ACK, .seq = 1, .ack = 2, .opt = told(&c, token),
		  .src = ipaddr("10.0.0.3"));
	conn_expect(&c, .flags = RST, .seq = 2, .dst = ipaddr("10.0.0.3"));
	counters_expect(_metadata, &before, "XtcpTokenFailed", TOKEN_LEN * 8 + 5,
			"XtcpResetSentNoConnection", TOKEN_LEN * 8 + 5,
			"OutRsts", TOKEN_LEN * 8 + 5, NULL);
	fin_again(&c, token);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
}

/* ACKs that the FIN has overtaken must not meet a RST; others do. */
TEST_F(stateless_after, bare_acks)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	ended(p, &c, token);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 2, .opt = told(&c, token));
	conn_send(&c, .flags = ACK, .seq = 2, .ack = 2, .opt = told(&c, token));
	peer_expect_silence(p, 1000);
	/* A probe of a peer that has not closed yet learns that we are gone. */
	conn_send(&c, .flags = ACK, .seq = 0, .ack = 2, .opt = told(&c, token));
	conn_expect(&c, .flags = RST, .seq = 2);
}

TEST_F(stateless_after, token_means_nothing_elsewhere)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	ended(p, &c, token);
	conn_send(&c, .flags = RST, .seq = 1, .opt = told(&c, token));
	conn_send(&c, .flags = RST | ACK, .seq = 1, .ack = 2, .opt = told(&c, token));
	peer_expect_silence(p, 100);
	conn_send(&c, .flags = PSH | ACK, .seq = 1, .ack = 2, .data = "x",
		  .opt = told(&c, token));
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_send(&c, .flags = FIN | PSH | ACK, .seq = 1, .ack = 2, .data = "x",
		  .opt = told(&c, token));
	conn_expect(&c, .flags = RST, .seq = 2);
	/* Without ACK a listener ignores a FIN. */
	conn_send(&c, .flags = FIN, .seq = 1, .opt = told(&c, token));
	peer_expect_silence(p, 100);
	/* Without timestamps it is not of that connection. */
	conn_send(&c, .flags = FIN | ACK, .seq = 1, .ack = 2, .opt =
		  (struct optbytes){ 16, { OPT_EXID(16, TOKEN_EXID), token[0], token[1],
		  token[2], token[3], token[4], token[5], token[6], token[7], token[8],
		  token[9], token[10], token[11] } });
	conn_expect(&c, .flags = RST, .seq = 2);
	peer_send(p, .flags = SYN, .seq = 7, .sport = c.pport, .dport = c.kport,
		  .opt = told(&c, token));
	peer_expect(p, .flags = SYN | ACK, .ack = 8, .sport = c.kport, .dport = c.pport);
}

TEST_F(stateless_after, lc_117_token_lives_196_s)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	ended(p, &c, token);
	close(c.lfd);
	sleep_ms(LIFE_MS - UNIT_MS - 10);
	fin_again(&c, token);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	sleep_ms(2 * UNIT_MS);
	fin_again(&c, token);
	conn_expect(&c, .flags = RST, .seq = 2);
}

TEST_F(stateless_after, knob_off_meanwhile)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	closed_first(p, &c, ST_FIN_WAIT_2, token);
	ASSERT_EQ(0, knob_set("tw_stateless", 0));
	ends(_metadata, &c, token);
	fin_again(&c, token);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
}

TEST_F(stateless_after, fin_wait_2_timed_out_then_fin)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	ASSERT_EQ(0, knob_set("fin_timeout", 5));
	closed_first(p, &c, ST_ORPHAN_FIN_WAIT_2, token);
	sleep_ms(5100);
	conn_expect_state(&c, ST_CLOSED);
	conn_send(&c, .flags = FIN | ACK, .opt = told(&c, token));
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
}

/* The ACK would be a lie: the program never read the text. */
TEST_F(stateless_after, aborted_unread_then_fin)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	closed_first(p, &c, ST_FIN_WAIT_2, token);
	conn_send(&c, .flags = PSH | ACK, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 2);
	close(c.lfd);
	conn_send(&c, .flags = FIN | ACK, .opt = told(&c, token));
	conn_expect(&c, .flags = RST, .seq = 2);
}

TEST_F(stateless_after, ctr_XtcpTokenRateDrop)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct counters before;
	struct conn c;

	ended(p, &c, token);
	close(c.lfd);
	ASSERT_EQ(0, knob_set("rst_ratelimit", 3));
	second_begin();
	counters_begin(&before);
	for (int i = 0; i < 5; i++) {
		conn_send(&c, .flags = ACK, .seq = 100, .ack = 7);
		if (i < 3)
			conn_expect(&c, .flags = RST, .seq = 7);
	}
	/* RSTs do not use up the ACKs. */
	for (int i = 0; i < 5; i++) {
		fin_again(&c, token);
		if (i < 3)
			conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	}
	peer_expect_silence(p, 1000);
	fin_again(&c, token);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	counters_ignore(&before, "OutRsts", "XtcpResetSentNoConnection", NULL);
	counters_expect(_metadata, &before, "XtcpTokenAck", 4, "XtcpTokenRateDrop", 2,
			"XtcpRstRateDrop", 2, NULL);
	/* An event that nothing was done about does not count. */
	EXPECT_EQ(4, lifecycle_count("CLOSED", "rcv-FIN", "CLOSED"));
}

/* --- what is given up ---------------------------------------------------------- */

/* With the key of a namespace go its tokens, as its records do. */
TEST_F(stateless_after, key_is_gone)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct counters before;
	struct peer anew;
	struct conn c, other;

	ended(p, &c, token);
	peer_open_at(WHERE(_metadata), &anew, NULL);
	counters_begin(&before);
	c.peer = &anew;
	/* Before the first socket there is no key at all. */
	fin_again(&c, token);
	conn_expect(&c, .flags = RST, .seq = 2);
	EXPECT_EQ(0, counter_moved(&before, "XtcpTokenFailed"));
	conn_open(&anew, &other, .kport = c.kport + 1);
	fin_again(&c, token);
	conn_expect(&c, .flags = RST, .seq = 2);
	EXPECT_EQ(1, counter_moved(&before, "XtcpTokenFailed"));
	peer_close_at(WHERE(_metadata), &anew);
}

struct duplicate {
	const char *what;
	int flags;
	int64_t seq, ack;
	int len;
	int answer;	/* 0: none; RST: with SEG.ACK as its number */
};

/* The peer sent SYN at 0, ten bytes from 1 and FIN at 11; we SYN at 0, FIN at 1. */
static const struct duplicate duplicates[] = {
	{ "its text", PSH | ACK, 1, 1, 10, RST },
	{ "text from before it", PSH | ACK, -5000, 1, 100, RST },
	{ "text ahead", PSH | ACK, 12, 2, 100, RST },
	{ "text and FIN", FIN | PSH | ACK, 1, 2, 10, RST },
	{ "the FIN, by an option-stripping box", FIN | ACK, 11, 2, 0, RST },
	{ "an ACK", ACK, 11, 1, 0, RST },
	{ "SYN and ACK", SYN | ACK, 0, 1, 0, RST },
	{ "a RST", RST, 11, 0, 0, 0 },
	{ "RST and ACK", RST | ACK, 1, 1, 0, 0 },
	{ "nothing at all", 0, 12, 0, 0, 0 },
};

TEST_F(stateless_after, lc_117_duplicates_after_the_end)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	conn_open(p, &c, .opt = STAMPS);
	conn_send(&c, .flags = PSH | ACK, .data = "0123456789");
	conn_expect(&c, .flags = ACK, .ack = 11, .within_ms = DELAYED_ACK_MS);
	program_reads(_metadata, c.fd, "0123456789");
	conn_advance(&c, ST_FIN_WAIT_2, false);
	take_token(_metadata, p, token);
	ends(_metadata, &c, token);
	for (size_t i = 0; i < ARRAY_SIZE(duplicates); i++) {
		const struct duplicate *d = &duplicates[i];

		peer_note(p, "%s", d->what);
		if (d->flags & ACK)
			conn_send(&c, .flags = d->flags, .seq = d->seq, .ack = d->ack,
				  .len = d->len);
		else
			conn_send(&c, .flags = d->flags, .seq = d->seq, .len = d->len);
		if (d->answer)
			conn_expect(&c, .flags = RST, .seq = d->ack);
		peer_expect_silence(p, 5);
		conn_expect_state(&c, ST_CLOSED);
	}
	program_reads_end(_metadata, c.fd);
}

/* RFC 9293 MAY-2 needs a record; the client's host ends the half-open one. */
TEST_F(stateless_after, old_syn_opens_nothing)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	ended(p, &c, token);
	peer_send(p, .flags = SYN, .seq = c.peer_iss, .sport = c.pport, .dport = c.kport,
		  .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(c.tsval_base, 0)));
	peer_expect(p, .flags = SYN | ACK, .ack = c.peer_iss + 1, .sport = c.kport,
		    .dport = c.pport);
	/* An old third segment acknowledges another number. */
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect(&c, .flags = RST, .seq = 1);
	EXPECT_EQ(0, proc_rows(p->family, ROW_ESTABLISHED));
	peer_send(p, .flags = RST, .seq = c.peer_iss + 1, .sport = c.pport,
		  .dport = c.kport);
	EXPECT_EQ(0, proc_rows(p->family, ROW_SYN_RECEIVED));
}

/*
 * The peer's host has rebooted: lower ISN, older timestamps. Its SYN is taken at once;
 * a record challenges it first.
 */
TEST_F(stateless_after, peer_reboots)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	for (int knob = 0; knob < 2; knob++) {
		ASSERT_EQ(0, knob_set("tw_stateless", knob));
		conn_to_state(p, &c, ST_FIN_WAIT_2, .opt = STAMPS, .lfd = knob ? c.lfd : -1);
		memcpy(token, p->last.opt.token, TOKEN_LEN);
		conn_send(&c, .flags = FIN | ACK, .opt = told(&c, token));
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
		peer_send(p, .flags = SYN, .seq = c.peer_iss - 100000, .sport = c.pport,
			  .dport = c.kport,
			  .opt = OPT(OPT_MSS(1460), OPT_SACKOK,
				     OPT_TS(c.tsval_base - 100000, 0)));
		if (knob)
			peer_expect(p, .flags = SYN | ACK, .ack = c.peer_iss - 99999,
				    .sport = c.kport, .dport = c.pport);
		else
			conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	}
}

/*
 * The next connection of the 4-tuple, right after the end: its numbers and timestamps
 * are above the old ones.
 */
TEST_F(stateless_after, lc_117_duplicates_into_the_next_one)
{
	static const int flags[] = { ACK, PSH | ACK, FIN | ACK, SYN, SYN | ACK };
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn old, c;

	ASSERT_EQ(0, knob_set("tw_reuse", 0));
	ended(p, &old, token, .active = true, .kport = 41000, .pport = 80);
	close(old.fd);
	sleep_ms(2);
	conn_to_state(p, &c, ST_SYN_SENT, .active = true, .kport = 41000, .pport = 80,
		      .opt = STAMPS, .peer_iss = old.peer_nxt + 100000);
	/* Above all old numbers, by the clock; so is the timestamp. */
	EXPECT_LT(0, (int32_t)(c.kern_iss - old.kern_nxt));
	EXPECT_LT(0, (int32_t)(p->last.opt.tsval - old.ts_recent));
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		int len = flags[i] & PSH ? 10 : 0;

		sleep_ms(1000);
		conn_send(&old, .flags = flags[i], .seq = 1, .len = len, .ack = 1,
			  .opt = OPT(OPT_NOP, OPT_NOP,
				     OPT_TS(old.tsval_base, old.ts_recent)));
		/* Timestamps of a connection begin anywhere. An ACK with an older one is late. */
		if (flags[i] == ACK && (int32_t)(old.tsval_base - c.tsval_base) < 0)
			peer_expect_silence(p, 100);
		else
			conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
		sleep_ms(1000);
		/* In the window: only the timestamp tells. */
		conn_send(&c, .flags = flags[i], .seq = 1 + !len, .len = len, .ack = 1,
			  .opt = OPT(OPT_NOP, OPT_NOP,
				     OPT_TS(c.tsval_base - 2, c.ts_recent)));
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
		conn_expect_state(&c, ST_ESTABLISHED);
	}
	conn_send(&c, .flags = PSH | ACK, .seq = 1, .data = "new");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = DELAYED_ACK_MS);
	program_reads(_metadata, c.fd, "new");
}

/* RFC 1337: there is nothing that a RST could end too early. */
TEST_F(stateless_after, rfc1337_rst_changes_nothing)
{
	struct peer *p = &self->peer;
	uint8_t token[TOKEN_LEN];
	struct conn c;

	ended(p, &c, token);
	conn_send(&c, .flags = RST, .seq = 2);
	fin_again(&c, token);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
}

TEST_HARNESS_MAIN
