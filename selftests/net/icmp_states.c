// SPDX-License-Identifier: GPL-2.0
/*
 * icmp_states: an error about a connection that is open or closing ends it in no
 * state. RFC 5927 5.2, RFC 9293 MUST-56; a smaller MTU counts in each (RFC 1191).
 * States x errors.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <netinet/ip_icmp.h>

PEER_FIXTURE(icmp_states);

#define TEXT	1460
#define MTU	1300

/*
 * To the state, with data in flight where possible: a quote must be of something in
 * flight, and too large for the router that complains.
 */
static void to_state(struct __test_metadata *_metadata, struct peer *p,
		     struct conn *c, enum conn_state st)
{

	conn_open(p, c);
	if (st == ST_CLOSE_WAIT || st == ST_LAST_ACK) {
		conn_send(c, .flags = FIN | ACK);
		conn_expect(c, .flags = ACK, .ack = 2);
	}
	if (st != ST_FIN_WAIT_2) {
		conn_write(c, TEXT);
		conn_expect(c, .len = TEXT);
	}
	if (st != ST_ESTABLISHED && st != ST_CLOSE_WAIT) {
		ASSERT_EQ(0, shutdown(c->fd, SHUT_WR));
		conn_expect(c, .flags = FIN | ACK);
	}
	if (st == ST_FIN_WAIT_2)
		conn_send(c, .flags = ACK);
	if (st == ST_CLOSING) {
		conn_send(c, .flags = FIN | ACK, .ack = 1);
		conn_expect(c, .flags = ACK, .ack = 2);
	}
	conn_expect_state(c, st);
}

static void error_changes_nothing(struct __test_metadata *_metadata,
				  struct peer *p, enum conn_state st,
				  const char *name, int code, const char *event)
{
	struct conn c;

	to_state(_metadata, p, &c, st);
	p->leave_unread = true;
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = code, .rest = MTU,
		       .quote_seq = c.kern_iss + (st == ST_FIN_WAIT_2 ? 2 : 1));
	conn_expect_state(&c, st);
	EXPECT_EQ(1, lifecycle_count(name, event, name));
	conn_send(&c, .flags = RST);
}

#define STATE(st, name)							\
TEST_F(icmp_states, sm_##st##_icmp_hard)				\
{									\
	error_changes_nothing(_metadata, &self->peer, ST_##name,	\
			      conn_state_name(ST_##name), ICMP_PORT_UNREACH,	\
			      "ICMP-hard-error");			\
}									\
TEST_F(icmp_states, sm_##st##_icmp_soft)				\
{									\
	error_changes_nothing(_metadata, &self->peer, ST_##name,	\
			      conn_state_name(ST_##name), ICMP_HOST_UNREACH,	\
			      "ICMP-soft-error");			\
}

#define STATE_WITH_FLIGHT(st, name)					\
STATE(st, name)								\
TEST_F(icmp_states, sm_##st##_icmp_too_big)				\
{									\
	error_changes_nothing(_metadata, &self->peer, ST_##name,	\
			      conn_state_name(ST_##name), ICMP_FRAG_NEEDED,	\
			      "ICMP-too-big");				\
}

STATE_WITH_FLIGHT(es, ESTABLISHED)
STATE_WITH_FLIGHT(f1, FIN_WAIT_1)
STATE(f2, FIN_WAIT_2)
STATE_WITH_FLIGHT(cw, CLOSE_WAIT)
STATE_WITH_FLIGHT(cg, CLOSING)
STATE_WITH_FLIGHT(la, LAST_ACK)

/* Nothing is in flight, so no router can have found it too big. */
TEST_F(icmp_states, sm_f2_icmp_too_big)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	to_state(_metadata, p, &c, ST_FIN_WAIT_2);
	counters_take(&before);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED,
		       .rest = MTU, .quote_seq = c.kern_iss + 2);
	conn_expect_state(&c, ST_FIN_WAIT_2);
	counters_expect(_metadata, &before, "OutOfWindowIcmps", 1, NULL);
	conn_send(&c, .flags = RST);
}

/* Of an orphan in FIN-WAIT-2 there is a record, which is told nothing. */
TEST_F(icmp_states, sm_f2_record_icmp)
{
	static const struct {
		int code;
		const char *event;
	} error[] = {
		{ ICMP_PORT_UNREACH, "ICMP-hard-error" },
		{ ICMP_HOST_UNREACH, "ICMP-soft-error" },
		{ ICMP_FRAG_NEEDED, "ICMP-too-big" },
	};
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2);
	for (int i = 0; i < 3; i++) {
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = error[i].code,
			       .rest = MTU);
		conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
		EXPECT_EQ(1, lifecycle_count("FIN-WAIT-2", error[i].event, "FIN-WAIT-2"));
	}
	conn_send(&c, .flags = RST);
}

TEST_F(icmp_states, sm_tw_icmp_too_big)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED,
		       .rest = MTU);
	conn_expect_state(&c, ST_TIME_WAIT);
	EXPECT_EQ(1, lifecycle_count("TIME-WAIT", "ICMP-too-big", "TIME-WAIT"));
}

TEST_HARNESS_MAIN
