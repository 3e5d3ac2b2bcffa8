// SPDX-License-Identifier: GPL-2.0
/*
 * tally: counters of ends and of answers, each provoked once; no other counter moves.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"
#include "lib/program.h"

#include <netinet/tcp.h>

PEER_FIXTURE(tally);

TEST_F(tally, ctr_TCPAbortOnClose)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "unread");
	conn_expect(&c, .flags = ACK, .within_ms = 210);
	counters_take(&before);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK);
	counters_expect(_metadata, &before, "TCPAbortOnClose", 1, "EstabResets", 1,
			"CurrEstab", -1, "OutRsts", 1, "OutSegs", 1, NULL);
}

TEST_F(tally, ctr_TCPAbortOnData)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	program_lingers(c.fd, 0);
	counters_take(&before);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK);
	counters_expect(_metadata, &before, "TCPAbortOnData", 1, "EstabResets", 1,
			"CurrEstab", -1, "OutRsts", 1, "OutSegs", 1, NULL);
}

TEST_F(tally, ctr_TCPAbortOnLinger)
{
	struct peer *p = &self->peer;
	struct counters before;
	int never = -1;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_2);
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_TCP, TCP_LINGER2, &never,
				sizeof(never)));
	counters_take(&before);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK);
	counters_expect(_metadata, &before, "TCPAbortOnLinger", 1, "OutRsts", 1,
			"OutSegs", 1, NULL);
}

TEST_F(tally, ctr_TW)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_2);
	counters_take(&before);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	counters_expect(_metadata, &before, "TW", 1, "InSegs", 1, "OutSegs", 1,
			NULL);
}

TEST_F(tally, ctr_TCPTimeWaitOverflow)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, knob_set("max_tw_buckets", 0));
	conn_to_state(p, &c, ST_FIN_WAIT_2);
	counters_take(&before);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "TCPTimeWaitOverflow", 1, "InSegs", 1,
			"OutSegs", 1, NULL);
}

TEST_F(tally, ctr_TCPACKSkippedSynRecv)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	/* The first repetition is answered, another one right after it is not. */
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK);
	counters_take(&before);
	conn_send(&c, .flags = SYN, .seq = 0);
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "TCPACKSkippedSynRecv", 1, "InSegs", 1,
			NULL);
}

TEST_F(tally, ctr_TCPChallengeACK)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	counters_take(&before);
	conn_send(&c, .flags = RST, .seq = 2);
	conn_expect(&c, .flags = ACK);
	counters_expect(_metadata, &before, "TCPChallengeACK", 1, "InSegs", 1,
			"OutSegs", 1, NULL);
}

TEST_F(tally, ctr_TCPSYNChallenge)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	counters_take(&before);
	conn_send(&c, .flags = SYN, .seq = 1000);
	conn_expect(&c, .flags = ACK);
	/* Linux and xtcp call it an error on an ESTABLISHED connection. */
	counters_expect(_metadata, &before, "TCPSYNChallenge", 1,
			"TCPChallengeACK", 1, "InErrs", 1, "InSegs", 1,
			"OutSegs", 1, NULL);
}

TEST_HARNESS_MAIN
