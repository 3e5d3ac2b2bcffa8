/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flight: full segments of the kernel, counted from 0. The program writes them,
 * the peer reads them, acknowledges them and reports by SACK which have arrived.
 *
 *	flight_start(p, &c, 10, .opt = OPT(OPT_MSS(1000), OPT_SACKOK));
 *	flight_sack(&c, 0, { 1, 4 });		segments 1 to 3 have arrived
 *	flight_expect_only(&c, 0, 0);		segment 0 is sent again
 *	flight_ack(&c, 10);			all ten have arrived
 *
 * The length of a segment is .seg_len of the connection.
 */
#ifndef SELFTESTS_LIB_FLIGHT_H
#define SELFTESTS_LIB_FLIGHT_H

#include "conn.h"

#define FLIGHT_INITIAL 10	/* segments of the initial window */
#define FLIGHT_SNDBUF 1000000	/* room for every flight of these tests */

/* Bytes in flight: sent, not acknowledged. */
int flight_bytes(const struct conn *c);

/* Relative sequence number of the first byte of segment @n. */
static inline int64_t flight_seq(const struct conn *c, int64_t n)
{
	return 1 + n * c->seg_len;
}

/*
 * conn_open() with a send buffer of FLIGHT_SNDBUF and the congestion control @rule.
 * "reno": its window is a whole number of segments, and simple to predict.
 */
#define flight_open(p, c, rule, ...) do { \
		conn_open(p, c, ##__VA_ARGS__); \
		flight_prepare_at(WHERE((p)->test), c, rule); \
	} while (0)
void flight_prepare_at(struct where at, struct conn *c, const char *rule);

/* The program writes @n full segments; the send buffer takes all of them. */
#define flight_write(c, n) conn_write(c, (n) * (c)->seg_len)

/* The next segment is @n, full; further conditions as in conn_expect(). */
#define flight_expect(c, n, ...) \
	conn_expect(c, .seq = flight_seq(c, n), .len = (c)->seg_len, ##__VA_ARGS__)
/* Full segments @first to @last, in order; the conditions hold for each of them. */
#define flight_expect_all(c, first, last, ...) \
	flight_expect_all_at(WHERE((c)->peer->test), c, first, last, \
			     SEGMENT_WANT(__VA_ARGS__))
void flight_expect_all_at(struct where at, struct conn *c, int first, int last,
			  struct segment_want want);
/* Full segments @first to @last, and then nothing for 5 ms. */
#define flight_expect_only(c, first, last) \
	flight_expect_only_at(WHERE((c)->peer->test), c, first, last)
void flight_expect_only_at(struct where at, struct conn *c, int first, int last);

/*
 * The program writes segments 0 to @n - 1, and those of the initial window leave,
 * no others. The mark is at the write.
 */
#define flight_begin(c, n) flight_begin_at(WHERE((c)->peer->test), c, n)
void flight_begin_at(struct where at, struct conn *c, int n);
/* flight_open() with Reno, then flight_begin(). */
#define flight_start(p, c, n, ...) do { \
		flight_open(p, c, "reno", ##__VA_ARGS__); \
		flight_begin(c, n); \
	} while (0)

/* The peer acknowledges segments 0 to @n - 1. */
#define flight_ack(c, n) conn_send(c, .flags = ACK, .ack = flight_seq(c, n))
/*
 * The same, and the SACK blocks report ranges of further segments, { first, the one
 * behind the last }: flight_sack(&c, 0, { 1, 4 }, { 6, 10 }).
 */
#define flight_sack(c, n, ...) \
	flight_sack_at(WHERE((c)->peer->test), c, ACK, n, RANGES(__VA_ARGS__))
/* The same with further flags. */
#define flight_sack_flags(c, flags, n, ...) \
	flight_sack_at(WHERE((c)->peer->test), c, ACK | (flags), n, RANGES(__VA_ARGS__))
void flight_sack_at(struct where at, struct conn *c, int flags, int n,
		    const struct range *ranges, int count);

#endif
