/* SPDX-License-Identifier: GPL-2.0 */
/*
 * token: connections that end without a TIME-WAIT record, for stateless.c,
 * stateless_after.c and stateless_peer.c.
 */
#ifndef SELFTESTS_CLOSE_TOKEN_H
#define SELFTESTS_CLOSE_TOKEN_H

#include "lib/xtcp_test.h"

#define STAMPS OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0))
#define TOKEN_OPT_LEN 28	/* timestamps and token */
#define LIFE_MS 196000
#define UNIT_MS 256		/* of a token's time */

/* A token of the peer's own, when it closes first. */
static const uint8_t foreign[TOKEN_LEN] = "peer's token";

/* The options of a segment sent now, with that token. */
static inline struct optbytes told(struct conn *c, const uint8_t *token)
{
	static const uint8_t head[] = { OPT_EXID(4 + TOKEN_LEN, TOKEN_EXID) };
	struct optbytes o = conn_spec(c).opt;

	memcpy(o.b + o.len, head, sizeof(head));
	memcpy(o.b + o.len + sizeof(head), token, TOKEN_LEN);
	o.len += sizeof(head) + TOKEN_LEN;
	return o;
}

/* The last segment read, a FIN, must have a token. */
static inline void take_token(struct __test_metadata *_metadata, struct peer *p, uint8_t *token)
{
	ASSERT_TRUE(p->last.flags & FIN);
	ASSERT_TRUE(p->last.opt.has_token);
	memcpy(token, p->last.opt.token, TOKEN_LEN);
}

/* A connection that the kernel's program closes first. */
#define closed_first(p, c, st, token, ...) \
	closed_first_by(_metadata, p, c, st, token, \
			(struct conn_setup){ CONN_SETUP_UNSET, ##__VA_ARGS__ })
static inline void closed_first_by(struct __test_metadata *_metadata, struct peer *p,
			    struct conn *c, enum conn_state st, uint8_t *token,
			    struct conn_setup setup)
{
	ASSERT_EQ(0, knob_set("tw_stateless", 1));
	setup.opt = STAMPS;
	conn_to_state_at(WHERE(_metadata), p, c, st, setup);
	take_token(_metadata, p, token);
}

/* It ends; nothing of it is left. */
static inline void ends(struct __test_metadata *_metadata, struct conn *c, const uint8_t *token)
{
	conn_send(c, .flags = FIN | ACK, .opt = told(c, token));
	conn_expect(c, .flags = ACK, .seq = 2, .ack = conn_peer_nxt(c), .token = 0);
	conn_expect_state(c, ST_CLOSED);
}

#define ended(p, c, token, ...) \
	ended_by(_metadata, p, c, token, \
		 (struct conn_setup){ CONN_SETUP_UNSET, ##__VA_ARGS__ })
static inline void ended_by(struct __test_metadata *_metadata, struct peer *p, struct conn *c,
		     uint8_t *token, struct conn_setup setup)
{
	closed_first_by(_metadata, p, c, ST_FIN_WAIT_2, token, setup);
	ends(_metadata, c, token);
}

/* The peer's FIN, a second time. */
static inline void fin_again(struct conn *c, const uint8_t *token)
{
	conn_send(c, .flags = FIN | ACK, .seq = 1, .ack = 2, .opt = told(c, token));
}

#endif /* SELFTESTS_CLOSE_TOKEN_H */
