/* SPDX-License-Identifier: GPL-2.0 */
/*
 * urgent.h - the urgent octet of either direction
 *
 * All under the socket lock but for the two that say so.
 */
#ifndef XTCP_TRANSFER_URGENT_H
#define XTCP_TRANSFER_URGENT_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "net/seq.h"
#include "tcb.h"

struct msghdr;
struct sk_buff;
struct sock;
struct tcphdr;
struct xtcp_seg;

void xtcp_urgent_init(struct xtcp_sock *xs);

/* Inwards. */
void xtcp_urgent_received(struct sock *sk, const struct sk_buff *skb,
			  const struct xtcp_seg *seg);
int xtcp_urgent_read(struct sock *sk, struct msghdr *msg, size_t len,
		     int flags);
u32 xtcp_urgent_readable(const struct sock *sk, seq_t seq, u32 len, bool *skip);
void xtcp_urgent_passed(struct xtcp_sock *xs);

/* Outwards. */
void xtcp_urgent_mark(struct xtcp_sock *xs);
void xtcp_urgent_point(const struct xtcp_sock *xs, struct tcphdr *th,
		       seq_t seq);
void xtcp_urgent_acked(struct xtcp_sock *xs);

/* Has the segment to do with it? Most have not. */
static inline bool xtcp_urgent_concerns(const struct xtcp_sock *xs,
					const struct xtcp_seg *seg)
{
	return unlikely((seg->flags & XTCP_URG) ||
			xs->urg_state == XTCP_URGENT_AWAITED);
}

/* Does the reader stand at the mark? Without the lock: an estimate. */
static inline bool xtcp_urgent_is_at(const struct xtcp_sock *xs, seq_t seq)
{
	return unlikely(READ_ONCE(xs->urg_state)) &&
	       READ_ONCE(xs->urg_seq) == seq;
}

/* Waits an urgent octet for recv(MSG_OOB)? Without the lock: an estimate. */
static inline bool xtcp_urgent_is_here(const struct xtcp_sock *xs)
{
	return READ_ONCE(xs->urg_state) == XTCP_URGENT_HERE;
}

#endif /* XTCP_TRANSFER_URGENT_H */
