/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lossless: what the tests of lossless cookies share: a client made by hand that
 * gets one and brings it back. The format is Documentation/wire.rst's.
 */
#ifndef SELFTESTS_OPEN_LOSSLESS_H
#define SELFTESTS_OPEN_LOSSLESS_H

#include "cookies.h"

#define ALL_OPTIONS OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, \
			OPT_WSCALE(7))
#define COOKIE_HEAD OPT_EXID(4 + COOKIE_LEN, COOKIE_EXID)

/* What a cookie's first two words say. */
struct state {
	int mss, peer_shift, own_shift, minute;
	bool accecn, ecn, sack, ts;
	uint32_t irs;
};

static inline struct state state_of(const uint8_t *b)
{
	return (struct state){
		.mss = b[0] << 8 | b[1], .peer_shift = b[2] >> 4,
		.own_shift = b[2] & 15, .minute = b[3] >> 4, .accecn = b[3] & 8,
		.ecn = b[3] & 4, .sack = b[3] & 2, .ts = b[3] & 1,
		.irs = (uint32_t)b[4] << 24 | b[5] << 16 | b[6] << 8 | b[7],
	};
}

/* A cookie in the option of the SYN-ACK. */
#define cookie_get(p, c, lfd, ...) cookie_get_as(1, p, c, lfd, ##__VA_ARGS__)

static inline void option_add(struct optbytes *o, const uint8_t *b, int len)
{
	memcpy(o->b + o->len, b, len);
	o->len += len;
}

/* The options of a segment sent now, with that cookie. */
static inline struct optbytes with(struct conn *c, const uint8_t *cookie)
{
	static const uint8_t head[] = { COOKIE_HEAD };
	struct optbytes o = conn_spec(c).opt;

	option_add(&o, head, sizeof(head));
	option_add(&o, cookie, COOKIE_LEN);
	return o;
}

/* With the one that the kernel sent. */
static inline struct optbytes echo(struct conn *c)
{
	return with(c, c->kern_opt.cookie);
}

/* The client's third segment, and the server's answer, which comes at once. */
static inline void redeem(struct conn *c)
{
	conn_send(c, .flags = ACK, .opt = echo(c));
	conn_expect(c, .flags = ACK, .seq = 1, .ack = 1, .cookie = 0);
	conn_expect_state(c, ST_ESTABLISHED);
	conn_accept(c);
}

#endif
