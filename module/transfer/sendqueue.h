/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sendqueue.h - where text and FIN wait, and where they are while in flight
 *
 * What was never sent stands in sk_write_queue, what is in flight in the
 * rbtree tcp_rtx_queue by sequence number, and what is on its way in
 * xs->sent_order besides. All under the socket lock.
 */
#ifndef XTCP_TRANSFER_SENDQUEUE_H
#define XTCP_TRANSFER_SENDQUEUE_H

#include <linux/types.h>

#include "net/seq.h"
#include "net/wire.h"

struct sk_buff;
struct sock;
struct xtcp_sock;

/*
 * Segments on the wire that an skb of the queue stands for; before it is sent
 * for the first time they are not counted yet.
 */
static inline u32 xtcp_send_segs(const struct sk_buff *skb)
{
	return xtcp_cb(skb)->segs;
}

/* Filling the queue. */
struct sk_buff *xtcp_send_skb_alloc(struct sock *sk, u32 linear, gfp_t gfp);
void xtcp_send_queue(struct sock *sk, struct sk_buff *skb);
void xtcp_send_grown(struct sock *sk, struct sk_buff *skb, u32 octets);
void xtcp_send_drop_empty(struct sock *sk);
void xtcp_send_mark_push(struct sock *sk);
bool xtcp_send_wants_push(const struct xtcp_sock *xs);

/* Looking at it. */
struct sk_buff *xtcp_send_oldest(struct sock *sk);
struct sk_buff *xtcp_send_newest(struct sock *sk);
struct sk_buff *xtcp_send_find(struct sock *sk, seq_t seq);
bool xtcp_send_has_unsent(const struct sock *sk);
bool xtcp_send_is_idle(const struct sock *sk);

/* For those who send, and those who hear of arrivals. */
struct sk_buff *xtcp_sendq_alloc_control(u8 flags);
void xtcp_sendq_charge(struct sock *sk, int octets);
void xtcp_sendq_fly(struct sock *sk, struct sk_buff *skb);
void xtcp_sendq_resent(struct sock *sk, struct sk_buff *skb);
void xtcp_sendq_land(struct sock *sk, struct sk_buff *skb);
void xtcp_sendq_measure(struct sk_buff *skb, u32 mss);
void xtcp_sendq_measure_again(struct sock *sk, struct sk_buff *skb, u32 mss);
struct sk_buff *xtcp_sendq_gather(struct sock *sk, u32 len);
struct sk_buff *xtcp_sendq_split(struct sock *sk, struct sk_buff *skb, u32 len);
bool xtcp_sendq_cut(struct sock *sk, struct sk_buff *skb, u32 len);
u32 xtcp_sendq_trim_head(struct sock *sk, struct sk_buff *skb, seq_t ack);
void xtcp_send_purge(struct sock *sk);

#endif /* XTCP_TRANSFER_SENDQUEUE_H */
