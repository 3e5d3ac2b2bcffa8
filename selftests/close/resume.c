// SPDX-License-Identifier: GPL-2.0
/*
 * resume: a SYN may open a connection in TIME-WAIT anew, and TIME-WAIT continues if
 * that SYN turns out to be an old duplicate. RFC 9293 MAY-2, LC-93. The kernel's TCP
 * ends TIME-WAIT with the SYN.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

PEER_FIXTURE(resume);

#define TIME_WAIT_MS	60000
#define ISN_GAP		65537

/* TIME-WAIT on the kernel's side, beside its listener; the mark is at its start. */
static void time_wait(struct conn *c)
{
	conn_to_state(c->peer, c, ST_TIME_WAIT);
	peer_mark_last(c->peer);
}

/* A SYN above all numbers of the old connection; the answer continues from it. */
static uint32_t syn_anew(struct conn *c)
{
	struct peer *p = c->peer;
	uint32_t seq = c->peer_nxt + 1000;

	peer_send(p, .flags = SYN, .seq = seq, .sport = c->pport,
		  .dport = c->kport);
	peer_expect(p, .flags = SYN | ACK, .seq = c->kern_nxt + ISN_GAP,
		    .ack = seq + 1, .dport = c->pport);
	return seq;
}

TEST_F(resume, rfc9293_may_02_resumes_after_rst)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	uint32_t seq;

	time_wait(&c);
	seq = syn_anew(&c);
	conn_expect_state(&c, ST_HALF_OPEN);
	/* Its sender knows no such connection: it was an old duplicate. */
	peer_send(p, .flags = RST, .seq = seq + 1, .sport = c.pport,
		  .dport = c.kport);
	conn_expect_state(&c, ST_TIME_WAIT);
	/* The rest of 2MSL is still left. */
	conn_expect_move(&c, ST_TIME_WAIT, ST_CLOSED, TIME_WAIT_MS);
}

TEST_F(resume, rfc9293_may_02_resumed_record_answers)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	uint32_t seq;

	time_wait(&c);
	seq = syn_anew(&c);
	peer_send(p, .flags = RST, .seq = seq + 1, .sport = c.pport,
		  .dport = c.kport);
	/* The last FIN of the old connection again: acknowledged as before. */
	conn_send(&c, .flags = FIN | ACK, .seq = c.peer_nxt - c.peer_iss - 1);
	conn_expect(&c, .flags = ACK);
}

/* Nothing of the SYN, which was an old one, remains in it. */
TEST_F(resume, rfc9293_may_02_resumed_record_keeps_its_clock)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	uint32_t seq, tsval;

	conn_to_state(p, &c, ST_TIME_WAIT, .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0)));
	tsval = p->last.opt.tsval;
	/* The TSvals of new connections have no offset from now on. */
	ASSERT_EQ(0, knob_set("timestamps", 2));
	sleep_ms(100);
	seq = c.peer_nxt - c.peer_iss + 1000;
	conn_send(&c, .flags = SYN, .seq = seq,
		  .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(c.tsval_base + 5000, 0)));
	peer_expect(p, .flags = SYN | ACK, .seq = c.kern_nxt + ISN_GAP,
		    .ack = c.peer_iss + seq + 1, .ts = 1, .dport = c.pport);
	EXPECT_NE(0, (p->last.opt.tsval - tsval) / 1000);
	conn_send(&c, .flags = RST, .seq = seq + 1,
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(c.tsval_base + 5000, p->last.opt.tsval)));
	conn_expect_state(&c, ST_TIME_WAIT);
	conn_send(&c, .flags = FIN | ACK, .seq = c.peer_nxt - c.peer_iss - 1,
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(c.tsval_base + 5000, tsval)));
	conn_expect(&c, .flags = ACK, .ts = 1);
	EXPECT_LE(100, p->last.opt.tsval - tsval);
	EXPECT_GE(102, p->last.opt.tsval - tsval);
}

TEST_F(resume, rfc9293_may_02_third_ack_ends_it)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	struct counters before;
	uint32_t seq;

	time_wait(&c);
	counters_take(&before);
	seq = syn_anew(&c);
	peer_send(p, .flags = ACK, .seq = seq + 1,
		  .ack = c.kern_nxt + ISN_GAP + 1, .sport = c.pport,
		  .dport = c.kport);
	conn_expect_state(&c, ST_ESTABLISHED);
	counters_expect(_metadata, &before, "PassiveOpens", 1, "CurrEstab", 1,
			"InSegs", 2, "OutSegs", 1, "TCPPureAcks", 1, NULL);
	EXPECT_EQ(1, lifecycle_count("TIME-WAIT", "rcv-SYN", "CLOSED"));
	/* The old record's time passes, and the new connection is unaffected. */
	peer_sleep_until(p, TIME_WAIT_MS + 1000);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(resume, rfc9293_may_02_time_runs_out_meanwhile)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };
	uint32_t seq;

	time_wait(&c);
	peer_sleep_until(p, TIME_WAIT_MS - 500);
	seq = syn_anew(&c);
	peer_sleep_until(p, TIME_WAIT_MS + 200);
	conn_expect_state(&c, ST_HALF_OPEN);
	peer_send(p, .flags = RST, .seq = seq + 1, .sport = c.pport,
		  .dport = c.kport);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(1, lifecycle_count("TIME-WAIT", "TIME-WAIT-TIMEOUT", "CLOSED"));
}

TEST_F(resume, rfc9293_may_02_silence_resumes_nothing_late)
{
	struct peer *p = &self->peer;
	struct conn c = { .peer = p };

	time_wait(&c);
	syn_anew(&c);
	p->leave_unread = true;
	/* The half-open record outlives the rest of TIME-WAIT. */
	peer_sleep_until(p, TIME_WAIT_MS + 1000);
	conn_expect_state(&c, ST_HALF_OPEN);
	peer_sleep_until(p, TIME_WAIT_MS + 5000);
	conn_expect_state(&c, ST_CLOSED);
}

TEST_HARNESS_MAIN
