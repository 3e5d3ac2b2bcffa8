// SPDX-License-Identifier: GPL-2.0
/*
 * prune.c - find space in a full receive buffer
 *
 * Acknowledged data always stays; small segments of it are copied together if
 * needed. Data above a hole is dropped, last first: RFC 2018 8 allows to drop
 * what was SACKed, because the peer keeps it until it is acknowledged. A new
 * segment is refused when nothing else helps.
 *
 * Context: socket lock; softirq, or process for the backlog.
 */
#include "transfer/prune.h"

#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "compat.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/memory.h"
#include "observe/stats.h"
#include "tcb.h"
#include "transfer/memory.h"

/*
 * Drop data above a hole, last first, an eighth of the buffer at a time. Stops at data
 * below @for_skb: lower sequence numbers are worth more.
 */
static bool ofo_prune(struct sock *sk, const struct sk_buff *for_skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	int goal = sk->sk_rcvbuf >> 3;
	struct sk_buff *skb;
	bool pruned = false;

	while ((skb = skb_rb_last(&xs->ofo_queue))) {
		if (seq_after(xtcp_cb(for_skb)->seq, xtcp_cb(skb)->seq))
			break;
		goal -= skb->truesize;
		rb_erase(&skb->rbnode, &xs->ofo_queue);
		kfree_skb_reason(skb, SKB_DROP_REASON_TCP_OFO_QUEUE_PRUNE);
		pruned = true;
		if (goal > 0)
			continue;
		if (!xtcp_prune_is_full(sk) && !sk_under_memory_pressure(sk))
			break;
		goal = sk->sk_rcvbuf >> 3;
	}
	if (!pruned)
		return false;
	xtcp_memory_reclaim(sk);
	xs->nr_sacks = 0;
	/* As in Linux: it may report what is no longer here. */
	xs->dsack_pending = 0;
	XTCP_INC(sock_net(sk), OFO_PRUNED);
	return true;
}

/*
 * Small segments may need far more memory than the payload that the window
 * counts. Let the buffer grow unless the user has fixed it, because the peer
 * kept to its window. It grows to what is in use and no further, so that no new space is
 * announced: if the user doesn't read, the window closes (LC-54).
 */
static void buffer_stretch(struct sock *sk)
{
	int most = XTCP_KNOB(sock_net(sk), rmem[2]);

	if ((sk->sk_userlocks & SOCK_RCVBUF_LOCK) ||
	    sk_under_memory_pressure(sk) ||
	    sk_memory_allocated(sk) >= sk_prot_mem_limits(sk, 0))
		return;
	if (sk->sk_rcvbuf < most)
		WRITE_ONCE(sk->sk_rcvbuf,
			   min_t(u32, xtcp_prune_used(sk), most));
}

/* --- copying together --------------------------------------------------- */

#define COLLAPSE_LEN	SKB_WITH_OVERHEAD(PAGE_SIZE)	/* bytes of payload */
#define COLLAPSE_ROOM	1024	/* bytes of tailroom worth filling */

/*
 * Segments are in the receive queue or, above a hole (@ahead), in the tree. The
 * functions below work on either.
 */
static struct sk_buff *first_of(struct sock *sk, bool ahead)
{
	return ahead ? skb_rb_first(&xtcp_sk(sk)->ofo_queue) :
		       skb_peek(&sk->sk_receive_queue);
}

static struct sk_buff *next_of(struct sock *sk, bool ahead, struct sk_buff *skb)
{
	return ahead ? skb_rb_next(skb) :
		       skb_peek_next(skb, &sk->sk_receive_queue);
}

static void put_before(struct sock *sk, bool ahead, struct sk_buff *skb,
		       struct sk_buff *new)
{
	struct rb_node *at, **link;

	if (!ahead) {
		__skb_queue_before(&sk->sk_receive_queue, skb, new);
		return;
	}
	at = &skb->rbnode;
	link = &at->rb_left;
	if (*link) {
		at = rb_prev(at);
		link = &at->rb_right;
	}
	rb_link_node(&new->rbnode, at, link);
	rb_insert_color(&new->rbnode, &xtcp_sk(sk)->ofo_queue);
}

static void queue_unlink(struct sock *sk, bool ahead, struct sk_buff *skb)
{
	if (ahead)
		rb_erase(&skb->rbnode, &xtcp_sk(sk)->ofo_queue);
	else
		__skb_unlink(skb, &sk->sk_receive_queue);
	consume_skb(skb);
}

/* Bytes of payload in @skb from @seq on. */
static u32 payload_from(const struct sk_buff *skb, seq_t seq)
{
	s32 skip = seq_dist(xtcp_cb(skb)->seq, seq);

	return skip < 0 || skip >= (s32)skb->len ? 0 : skb->len - skip;
}

/*
 * True if less than three quarters is payload; a full page is seven eighths. Payload in the
 * memory of a device cannot be copied.
 */
static bool skb_is_wasteful(const struct sk_buff *skb)
{
	return skb_frags_readable(skb) && skb->len <= COLLAPSE_LEN &&
	       skb->len * 4 < skb->truesize * 3;
}

/* True for a page that an earlier run has left partly empty. */
static bool page_has_space(const struct sk_buff *skb)
{
	return !skb_cloned(skb) && skb_tailroom(skb) >= COLLAPSE_ROOM;
}

/* True if @skb continues the payload of @to and fits there. */
static bool page_takes(const struct sk_buff *to, const struct sk_buff *skb)
{
	return skb_is_wasteful(skb) && skb_tailroom(to) >= skb->len &&
	       !seq_after(xtcp_cb(skb)->seq, xtcp_cb(to)->end);
}

/*
 * True if a page for @skb and those that follow is worth it: what can be moved there takes more
 * memory. A few tiny segments take less than a page.
 */
static bool run_is_wasteful(struct sock *sk, bool ahead, struct sk_buff *skb)
{
	seq_t end = xtcp_cb(skb)->seq;
	u32 len = 0, memory = 0;

	for (; skb; skb = next_of(sk, ahead, skb)) {
		len += skb->len;
		if (!skb_is_wasteful(skb) || (xtcp_cb(skb)->flags & XTCP_FIN) ||
		    len > COLLAPSE_LEN || seq_after(xtcp_cb(skb)->seq, end))
			return false;
		memory += skb->truesize;
		if (memory > SKB_TRUESIZE(COLLAPSE_LEN))
			return true;
		end = seq_later(xtcp_cb(skb)->end, end);
	}
	return false;
}

/* Insert an empty page before @skb. */
static struct sk_buff *page_before(struct sock *sk, bool ahead,
				   struct sk_buff *skb)
{
	struct sk_buff *to;

	to = alloc_skb(COLLAPSE_LEN, GFP_ATOMIC | __GFP_NOWARN);
	if (!to)
		return NULL;
	memcpy(to->cb, skb->cb, sizeof(to->cb));
	xtcp_cb(to)->end = xtcp_cb(to)->seq;
	put_before(sk, ahead, skb, to);
	skb_set_owner_r(to, sk);
	return to;
}

/*
 * Append the payload of @from to @to and free @from. skb_copy_bits() can't fail: all of @from
 * is there. If it did, both would stay as they are, because it is acknowledged.
 */
static void move_payload(struct sock *sk, bool ahead, struct sk_buff *to,
			 struct sk_buff *from)
{
	struct xtcp_skb_cb *cb = xtcp_cb(to);
	u32 len = payload_from(from, cb->end);
	u32 skip = from->len - len;

	if (len && WARN_ON_ONCE(skb_copy_bits(from, skip, skb_put(to, len), len))) {
		skb_trim(to, to->len - len);
		return;
	}
	cb->end = seq_add(cb->end, len);
	queue_unlink(sk, ahead, from);
	XTCP_INC(sock_net(sk), RCV_COLLAPSED);
}

/*
 * Copy runs of small segments into one page each. Above a hole most segments
 * may be alone. There the walk ends when an eighth of the buffer, as in Linux,
 * has yielded nothing, so that the cost of an arrival does not grow with the
 * buffer. Another walk would end at the same place.
 *
 * Returns false if the walk ended for lack of memory.
 */
static bool prune_collapse(struct sock *sk, bool ahead)
{
	struct sk_buff *skb, *next, *to = NULL;
	int credit = sk->sk_rcvbuf >> 3;

	for (skb = first_of(sk, ahead); skb; skb = next) {
		next = next_of(sk, ahead, skb);
		if (xtcp_cb(skb)->flags & XTCP_FIN)
			return true;
		if (to && page_takes(to, skb)) {
			move_payload(sk, ahead, to, skb);
			continue;
		}
		to = page_has_space(skb) ? skb : NULL;
		if (to || !run_is_wasteful(sk, ahead, skb)) {
			credit -= skb->truesize;
			if (ahead && credit < 0)
				return true;
			continue;
		}
		to = page_before(sk, ahead, skb);
		if (!to)
			return false;
		move_payload(sk, ahead, to, skb);
	}
	return true;
}

/*
 * Each queue once: the receive queue again after the program has read, the
 * out-of-order queue again after it has changed.
 */
static void prune_collapse_all(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xs->ofo_collapsed)
		xs->ofo_collapsed = prune_collapse(sk, true);
	if (!xs->rcv_collapsed)
		prune_collapse(sk, false);
}

/* --- space for one more ------------------------------------------------- */

/*
 * The buffer is full: try to free space for @skb. Returns true if there is
 * some.
 */
static bool prune_make_space(struct sock *sk, const struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	buffer_stretch(sk);
	if (!xtcp_prune_is_full(sk))
		return true;
	prune_collapse_all(sk);
	if (!xtcp_prune_is_full(sk))
		return true;
	if (ofo_prune(sk, skb) && !xtcp_prune_is_full(sk))
		return true;
	xs->rcv_collapsed = 1;
	XTCP_INC(sock_net(sk), RCV_PRUNED);
	return false;
}

/**
 * __xtcp_prune_reserve - slow path of xtcp_prune_reserve()
 * @sk: the socket, locked
 * @skb: segment, trimmed to the window; not charged yet
 *
 * If the buffer is full, small segments in it are copied together. If that is not enough, or
 * the memory that all sockets share is short, segments above a hole are dropped.
 *
 * Return: true if @skb may be queued
 */
bool __xtcp_prune_reserve(struct sock *sk, struct sk_buff *skb)
{
	if (!xtcp_prune_is_full(sk) && sk_rmem_schedule(sk, skb, skb->truesize))
		return true;
	if (skb_queue_empty(&sk->sk_receive_queue) &&
	    !seq_after(xtcp_cb(skb)->seq, xtcp_sk(sk)->rcv_nxt)) {
		/* It counts all the same, so that others are refused instead. */
		if (!sk_rmem_schedule(sk, skb, skb->truesize))
			xtcp_memory_force(sk, skb->truesize);
		return true;
	}

	XTCP_INC(sock_net(sk), PRUNE_CALLED);
	if (xtcp_prune_is_full(sk) && !prune_make_space(sk, skb))
		return false;
	while (!sk_rmem_schedule(sk, skb, skb->truesize))
		if (!ofo_prune(sk, skb))
			return false;
	return true;
}
