/* SPDX-License-Identifier: GPL-2.0 */
/*
 * seq.h - sequence number arithmetic
 *
 * RFC 9293 3.4: the sequence space is a ring of 2^32, so two numbers can be
 * compared only if they are less than half of it apart. Sequence numbers have
 * their own type, which sparse keeps apart from lengths and windows; all
 * arithmetic on them is done by the helpers below.
 *
 * Context: any.
 */
#ifndef XTCP_NET_SEQ_H
#define XTCP_NET_SEQ_H

#include <linux/types.h>

#include "compat.h"

typedef __u32 __bitwise seq_t;

#define SEQ(n)		((__force seq_t)(__u32)(n))

/* The plain number, for hashing, printing and the wire. */
static inline u32 seq_raw(seq_t s)
{
	return (__force u32)s;
}

static inline seq_t seq_add(seq_t s, u32 n)
{
	return SEQ(seq_raw(s) + n);
}

static inline seq_t seq_sub(seq_t s, u32 n)
{
	return SEQ(seq_raw(s) - n);
}

/* Distance in bytes from @from to @to; negative if @to is before @from. */
static inline s32 seq_dist(seq_t from, seq_t to)
{
	return (s32)(seq_raw(to) - seq_raw(from));
}

static inline bool seq_before(seq_t a, seq_t b)
{
	return seq_dist(b, a) < 0;
}

static inline bool seq_after(seq_t a, seq_t b)
{
	return seq_before(b, a);
}

/* a =< b in the notation of RFC 9293 */
static inline bool seq_before_eq(seq_t a, seq_t b)
{
	return !seq_after(a, b);
}

static inline bool seq_after_eq(seq_t a, seq_t b)
{
	return !seq_before(a, b);
}

/* low =< s =< high */
static inline bool seq_between(seq_t s, seq_t low, seq_t high)
{
	return seq_raw(high) - seq_raw(low) >= seq_raw(s) - seq_raw(low);
}

static inline seq_t seq_later(seq_t a, seq_t b)
{
	return seq_after(a, b) ? a : b;
}

static inline seq_t seq_get(const void *p)
{
	return SEQ(get_unaligned_be32(p));
}

static inline __be32 seq_net(seq_t s)
{
	return cpu_to_be32(seq_raw(s));
}

#endif /* XTCP_NET_SEQ_H */
