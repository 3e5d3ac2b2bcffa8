/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sendqueue.h - data and FIN that are unsent or in flight
 *
 * Unsent skbs are in sk_write_queue; those in flight are in the rbtree
 * tcp_rtx_queue by sequence number, and those in the network in xs->sent_order
 * besides. A SYN or FIN alone may be in flight without an skb (xs->bare_out).
 *
 * Context: socket lock.
 */
#ifndef XTCP_TRANSFER_SENDQUEUE_H
#define XTCP_TRANSFER_SENDQUEUE_H

#include <linux/math.h>
#include <linux/rbtree.h>
#include <linux/skbuff.h>
#include <linux/types.h>
#include <net/sock.h>

#include "net/seq.h"
#include "net/wire.h"
#include "tcb.h"
#include "transfer/memory.h"

struct sk_buff;
struct sock;

/*
 * Number of segments that an skb of the queue holds; not valid before it is
 * sent for the first time.
 */
static inline u32 xtcp_sendq_segs(const struct sk_buff *skb)
{
	return xtcp_cb(skb)->segs;
}

/* Filling the queue. */
struct sk_buff *xtcp_sendq_alloc(u32 linear, gfp_t gfp);
struct sk_buff *xtcp_sendq_alloc_reserved(struct sock *sk, u32 linear,
					  gfp_t gfp);
u32 xtcp_sendq_reserve(struct sock *sk, u32 bytes);
void xtcp_sendq_append(struct sock *sk, struct sk_buff *skb);
void xtcp_sendq_grown(struct sock *sk, struct sk_buff *skb, u32 bytes);
void xtcp_sendq_drop_empty(struct sock *sk);
void xtcp_sendq_mark_push(struct sock *sk);
void xtcp_sendq_mark_eor(struct sock *sk);
bool xtcp_sendq_wants_push(const struct xtcp_sock *xs);

/* Searching it. */
struct sk_buff *xtcp_sendq_newest(struct sock *sk);
struct sk_buff *xtcp_sendq_find(struct sock *sk, seq_t seq);

/* For sending and for processing ACKs. */
struct sk_buff *xtcp_sendq_alloc_control(const struct sock *sk, u8 flags);
void xtcp_sendq_number(struct sock *sk, struct sk_buff *skb);
void xtcp_sendq_fly(struct sock *sk, struct sk_buff *skb);
void xtcp_sendq_resent(struct sock *sk, struct sk_buff *skb);
void xtcp_sendq_land(struct sock *sk, struct sk_buff *skb);
bool xtcp_sendq_bare_is_fin(const struct xtcp_sock *xs);
void xtcp_sendq_fly_bare(struct sock *sk, u64 now_ns);
void xtcp_sendq_land_bare(struct sock *sk);
bool xtcp_sendq_bare_to_skb(struct sock *sk);
struct sk_buff *xtcp_sendq_syn(struct sock *sk);
void xtcp_sendq_measure_again(struct sock *sk, struct sk_buff *skb, u32 mss);
struct sk_buff *xtcp_sendq_gather(struct sock *sk, u32 len);
struct sk_buff *xtcp_sendq_split(struct sock *sk, struct sk_buff *skb, u32 len);
bool xtcp_sendq_split_flight(struct sock *sk, struct sk_buff *skb, u32 len);
bool xtcp_sendq_split_sacked(struct sock *sk, struct sk_buff *skb, u32 len);
bool xtcp_sendq_collapse(struct sock *sk, struct sk_buff *skb, struct sk_buff *next);
bool xtcp_sendq_merge(struct sock *sk, struct sk_buff *skb, struct sk_buff *next);
u32 xtcp_sendq_trim_head(struct sock *sk, struct sk_buff *skb, seq_t ack);
void xtcp_sendq_purge(struct sock *sk);

/**
 * xtcp_sendq_has_unsent - check for data or a FIN that was never sent
 * @sk: the socket, locked
 *
 * Return: true if there is some
 */
static inline bool xtcp_sendq_has_unsent(const struct sock *sk)
{
	return !skb_queue_empty(&sk->sk_write_queue);
}

/**
 * xtcp_sendq_is_idle - check whether everything is sent and acknowledged
 * @sk: the socket, locked
 *
 * Return: true if it is
 */
static inline bool xtcp_sendq_is_idle(const struct sock *sk)
{
	return !xtcp_sendq_has_unsent(sk) && !xtcp_sk(sk)->in_flight;
}

/**
 * xtcp_sendq_has_fin - check for our FIN
 * @xs: the connection, locked
 *
 * Return: true if it is queued or was sent
 */
static inline bool xtcp_sendq_has_fin(const struct xtcp_sock *xs)
{
	return xs->fin_queued;
}

/**
 * xtcp_sendq_only - the segment in flight, if there is only one skb
 * @sk: the socket, locked
 *
 * Return: the skb; NULL if there is none, or another one
 */
static inline struct sk_buff *xtcp_sendq_only(const struct sock *sk)
{
	const struct rb_node *node = sk->tcp_rtx_queue.rb_node;

	return node && !node->rb_left && !node->rb_right ? rb_to_skb(node) : NULL;
}

/**
 * xtcp_sendq_oldest - the segment at SND.UNA
 * @sk: the socket, locked
 *
 * Return: the oldest segment in flight; NULL if there is none, or it has no skb
 */
static inline struct sk_buff *xtcp_sendq_oldest(const struct sock *sk)
{
	return skb_rb_first(&sk->tcp_rtx_queue);
}

/**
 * xtcp_sendq_measure - determine the segments of an skb
 * @skb: not in flight
 * @mss: payload of a full segment, bytes
 */
static inline void xtcp_sendq_measure(struct sk_buff *skb, u32 mss)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);

	cb->seg_size = mss;
	cb->segs = skb->len > mss ? DIV_ROUND_UP(skb->len, mss) : 1;
}

/**
 * xtcp_sendq_charge - account for memory of the send queue
 * @sk: the socket, locked
 * @bytes: change of the truesize; may be negative
 */
static inline void xtcp_sendq_charge(struct sock *sk, int bytes)
{
	sk_wmem_queued_add(sk, bytes);
	if (bytes >= 0)
		sk_mem_charge(sk, bytes);
	else
		xtcp_memory_uncharge(sk, -bytes);
}

#endif /* XTCP_TRANSFER_SENDQUEUE_H */
