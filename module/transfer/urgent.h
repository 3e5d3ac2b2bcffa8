/* SPDX-License-Identifier: GPL-2.0 */
/*
 * urgent.h - urgent data, sent and received
 *
 * Context: socket lock, unless said otherwise.
 */
#ifndef XTCP_TRANSFER_URGENT_H
#define XTCP_TRANSFER_URGENT_H

#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/types.h>

#include "net/seq.h"
#include "tcb.h"

struct msghdr;
struct sk_buff;
struct sock;
struct tcphdr;
struct xtcp_seg;

/* Receiving. */
void xtcp_urgent_received(struct sock *sk, const struct sk_buff *skb,
			  const struct xtcp_seg *seg);
int xtcp_urgent_read(struct sock *sk, struct msghdr *msg, size_t len,
		     int flags);
u32 xtcp_urgent_readable(const struct sock *sk, seq_t seq, u32 len, bool *skip);
void xtcp_urgent_passed(struct xtcp_sock *xs);

/* Sending. */
void xtcp_urgent_mark(struct xtcp_sock *xs);
void xtcp_urgent_point(const struct xtcp_sock *xs, struct tcphdr *th,
		       seq_t seq);
void xtcp_urgent_acked(struct xtcp_sock *xs);

/* True if the segment has URG, or may have the urgent byte. */
static inline bool xtcp_urgent_concerns(const struct xtcp_sock *xs,
					const struct xtcp_seg *seg)
{
	return unlikely((seg->flags & XTCP_URG) ||
			xs->urgent.state == XTCP_URGENT_AWAITED);
}

/* True if the urgent byte that we send is not acknowledged yet. */
static inline bool xtcp_urgent_is_sending(const struct xtcp_sock *xs)
{
	return xs->urgent.sending;
}

/* True if a window probe tells of the urgent byte: if its pointer reaches so far, as in Linux. */
static inline bool xtcp_urgent_is_probed(const struct xtcp_sock *xs)
{
	return unlikely(xs->urgent.sending) &&
	       seq_dist(xs->snd_una, xs->urgent.snd_up) <= U16_MAX;
}

/* True if the reader is at the mark. Without the socket lock: an estimate. */
static inline bool xtcp_urgent_is_at(const struct xtcp_sock *xs, seq_t seq)
{
	return unlikely(READ_ONCE(xs->urgent.state)) &&
	       READ_ONCE(xs->urgent.seq) == seq;
}

/* True if recv(MSG_OOB) finds a byte. Without the lock: an estimate. */
static inline bool xtcp_urgent_is_here(const struct xtcp_sock *xs)
{
	return READ_ONCE(xs->urgent.state) == XTCP_URGENT_HERE;
}

#endif /* XTCP_TRANSFER_URGENT_H */
