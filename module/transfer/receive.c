// SPDX-License-Identifier: GPL-2.0
/*
 * receive.c - reassembly of received payload and FIN
 *
 * RFC 9293 3.10.7.4 seventh and eighth (payload, FIN), RFC 2018 and 2883 (which
 * SACK blocks to report).
 *
 * Data received in order is in sk_receive_queue, ready for the user; data above
 * a hole is in an rbtree by sequence number. Segments in the tree may overlap;
 * a reader of either queue compares sequence numbers to skip what was read
 * before. Both are charged to sk_rmem_alloc by truesize.
 *
 * Context: socket lock; softirq, or process for the backlog and recvmsg().
 */
#include "transfer/receive.h"

#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <net/sock.h>
#include <net/xfrm.h>

#include "compat.h"
#include "net/skb.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "tcb.h"
#include "transfer/ack.h"
#include "transfer/autotune.h"
#include "transfer/ecn.h"
#include "transfer/memory.h"
#include "transfer/prune.h"
#include "transfer/retransmit.h"
#include "transfer/window.h"

/* --- SACK blocks ------------------------------------------------------- */

static bool block_touches(const struct xtcp_sack_block *b, seq_t start,
			  seq_t end)
{
	return seq_after_eq(end, b->start) && seq_before_eq(start, b->end);
}

/* [start, end) was received: its block is reported first (RFC 2018 4). */
static void sack_add(struct sock *sk, seq_t start, seq_t end)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_sack_block kept[XTCP_SACK_MAX];
	unsigned int i, nr = 0;

	for (i = 0; i < xs->nr_sacks; i++) {
		const struct xtcp_sack_block *b = &xs->sacks[i];

		if (!block_touches(b, start, end)) {
			kept[nr++] = *b;
			continue;
		}
		if (seq_before(b->start, start))
			start = b->start;
		end = seq_later(b->end, end);
	}

	xtcp_ack_displacing(sk, nr);
	xs->sacks[0].start = start;
	xs->sacks[0].end = end;
	nr = min_t(unsigned int, nr, XTCP_SACK_MAX - 1);
	memcpy(&xs->sacks[1], kept, nr * sizeof(kept[0]));
	xs->nr_sacks = nr + 1;
}

/* RCV.NXT has advanced: remove the blocks below it. */
static void sack_advance(struct xtcp_sock *xs)
{
	unsigned int i, nr = 0;

	for (i = 0; i < xs->nr_sacks; i++)
		if (seq_after(xs->sacks[i].start, xs->rcv_nxt))
			xs->sacks[nr++] = xs->sacks[i];
	xs->nr_sacks = nr;
}

/* True if all of [start, end) is in the out-of-order queue. */
static bool sack_has(const struct xtcp_sock *xs, seq_t start, seq_t end)
{
	unsigned int i;

	for (i = 0; i < xs->nr_sacks; i++)
		if (seq_after_eq(start, xs->sacks[i].start) &&
		    seq_before_eq(end, xs->sacks[i].end))
			return true;
	return false;
}

/*
 * Can [@start, *@end) be reported as a duplicate? The rest of a segment that begins below RCV.NXT
 * is new, and new data must not be: the peer would take it for received and never send it again.
 */
static bool may_report(struct sock *sk, seq_t start, seq_t *end)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xs->sack_ok || !XTCP_KNOB(sock_net(sk), dsack) || !seq_before(start, *end))
		return false;
	if (!seq_before(start, xs->rcv_nxt))
		return sack_has(xs, start, *end);
	if (seq_after(*end, xs->rcv_nxt))
		*end = xs->rcv_nxt;
	return true;
}

/*
 * The peer has repeated a segment that we had reported as a duplicate: our ACK with that report was
 * lost, too. The path of our ACKs may be dead; another flow label may lead to another one (RFC
 * 6438). A timeout of our own changes the label itself.
 */
static void leave_path(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xtcp_family_is_ipv6(xs->flow.family) || xs->recovery == XTCP_RECOVERY_LOSS ||
	    !xtcp_rethink_txhash(sk))
		return;
	xtcp_retransmit_rehashed(xs);
	XTCP_INC(sock_net(sk), DUPLICATE_DATA_REHASH);
}

/* Old TCPs send the last byte once more as a keepalive probe, until they send a FIN. */
static bool may_be_keepalive(const struct sock *sk, seq_t start)
{
	return seq_add(start, 1) == xtcp_sk(sk)->rcv_nxt &&
	       xtcp_state_in(sk, XTCP_STATEF(XTCP_ESTABLISHED) | XTCP_STATEF(XTCP_FIN_WAIT_1) |
				 XTCP_STATEF(XTCP_FIN_WAIT_2));
}

/**
 * xtcp_receive_duplicate - report what was received before as a duplicate
 * @sk: the socket, locked
 * @start: first sequence number of what was received
 * @end: sequence number after its last
 *
 * What was received before, below RCV.NXT or in the out-of-order queue, is
 * reported once, in the next ACK (RFC 2883). If several duplicates arrive before that, it
 * reports the last one (RFC 2883 4: of the most recent segment; as Linux).
 */
void xtcp_receive_duplicate(struct sock *sk, seq_t start, seq_t end)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (!may_report(sk, start, &end))
		return;
	if (seq_before(start, xs->rcv_nxt)) {
		XTCP_INC(sock_net(sk), DSACK_OLD_SENT);
		if (unlikely(start == xs->dsack.start && !xs->dsack_pending) &&
		    !may_be_keepalive(sk, start))
			leave_path(sk);
	} else {
		XTCP_INC(sock_net(sk), DSACK_OFO_SENT);
	}
	xs->dsack.start = start;
	xs->dsack.end = end;
	xs->dsack_pending = 1;
}

/*
 * The segment that just came has brought [@start, @end) a second time, too. If a duplicate is to be
 * reported already, of this segment or of an earlier one, only what is adjacent to it is added.
 */
static void another_duplicate(struct sock *sk, seq_t start, seq_t end)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xs->dsack_pending) {
		xtcp_receive_duplicate(sk, start, end);
		return;
	}
	if (!may_report(sk, start, &end) || !block_touches(&xs->dsack, start, end))
		return;
	if (seq_before(start, xs->dsack.start))
		xs->dsack.start = start;
	if (seq_after(end, xs->dsack.end))
		xs->dsack.end = end;
}

static void ofo_drop(struct sock *sk, struct sk_buff *skb, enum skb_drop_reason why)
{
	rb_erase(&skb->rbnode, &xtcp_sk(sk)->ofo_queue);
	kfree_skb_reason(skb, why);
}

/* --- queues ------------------------------------------------------------ */

/*
 * Append @from to @to if that takes no large copy. Returns true if all of it,
 * its FIN included, is in @to; the rest of @from was freed then.
 */
static bool receive_coalesce(struct sock *sk, struct sk_buff *to,
			     struct sk_buff *from)
{
	bool stolen;
	int delta;

	if (xtcp_cb(to)->end != xtcp_cb(from)->seq ||
	    (xtcp_cb(to)->flags & XTCP_FIN) ||
	    !skb_try_coalesce(to, from, &stolen, &delta))
		return false;
	atomic_add(delta, &sk->sk_rmem_alloc);
	sk_mem_charge(sk, delta);
	xtcp_cb(to)->end = xtcp_cb(from)->end;
	xtcp_cb(to)->flags |= xtcp_cb(from)->flags;
	xtcp_skb_stamp_merged(to, from);
	kfree_skb_partial(from, stolen);
	XTCP_INC(sock_net(sk), RCV_COALESCE);
	return true;
}

/* Queue @skb for the user. It ends above RCV.NXT, may begin below it, and may have a FIN. */
static void take_in_order(struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff *tail = skb_peek_tail(&sk->sk_receive_queue);
	struct xtcp_sock *xs = xtcp_sk(sk);
	seq_t end = xtcp_cb(skb)->end;

	xs->bytes_received += seq_dist(xs->rcv_nxt, end);
	WRITE_ONCE(xs->rcv_nxt, end);
	if (tail && receive_coalesce(sk, tail, skb))
		return;
	__skb_queue_tail(&sk->sk_receive_queue, skb);
}

/*
 * The hole is filled: move what follows to the receive queue. It is charged
 * already. Returns true if the peer's FIN is among it. What the segment that filled the
 * hole brought a second time is a duplicate; what two queued segments share was
 * reported when the second of them arrived (RFC 2883 4: once each).
 */
static bool ofo_drain(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	seq_t filled = xs->rcv_nxt;
	struct sk_buff *skb;
	bool fin = false;

	while ((skb = skb_rb_first(&xs->ofo_queue))) {
		seq_t seq = xtcp_cb(skb)->seq;
		seq_t end = xtcp_cb(skb)->end;

		if (seq_after(seq, xs->rcv_nxt))
			break;
		xs->ofo_collapsed = 0;
		if (seq_before(seq, filled))
			another_duplicate(sk, seq, seq_before(end, filled) ? end : filled);
		if (!seq_after(end, xs->rcv_nxt)) {
			ofo_drop(sk, skb, SKB_DROP_REASON_TCP_OFO_DROP);
			continue;
		}
		rb_erase(&skb->rbnode, &xs->ofo_queue);
		fin = xtcp_cb(skb)->flags & XTCP_FIN;
		take_in_order(sk, skb);
		if (fin)
			break;
	}
	if (xs->nr_sacks)
		sack_advance(xs);
	return fin;
}

static void wake_reader(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	s32 unread = seq_dist(xs->copied_seq, xs->rcv_nxt);

	if (unread >= sock_rcvlowat(sk, 0, INT_MAX) || xtcp_prune_is_nearly_full(sk))
		sk->sk_data_ready(sk);
}

/*
 * A FIN without payload needs no buffer space, so it is taken with a full buffer and without
 * memory, as in Linux. It is charged all the same: a program may keep many such sockets.
 */
static bool reserve_in_order(struct sock *sk, struct sk_buff *skb)
{
	if (skb->len)
		return xtcp_prune_reserve(sk, skb);
	if (!sk_rmem_schedule(sk, skb, skb->truesize))
		xtcp_memory_force(sk, skb->truesize);
	return true;
}

/*
 * @whole: @skb has all of its segment. Returns true if the data now ends with the peer's FIN.
 * Consumes @skb.
 */
static bool receive_in_order(struct sock *sk, struct sk_buff *skb, bool whole)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool payload = skb->len > 0;
	bool had_hole = !RB_EMPTY_ROOT(&xs->ofo_queue);
	bool fin;

	if (!reserve_in_order(sk, skb)) {
		XTCP_INC(sock_net(sk), RCV_Q_DROP);
		xtcp_lifecycle_sk(sk, XTCP_EV_MEMORY_PRESSURE);
		sk->sk_data_ready(sk);
		xtcp_ack_no_space(sk);
		kfree_skb_reason(skb, SKB_DROP_REASON_PROTO_MEM);
		return false;
	}

	if (payload) {
		xtcp_lifecycle_usual(sk, XTCP_EV_RCV_TEXT);
		xtcp_ack_payload_received(sk, skb, whole);
		if (xs->ecn.ok)
			xtcp_ecn_payload_received(sk, skb);
	}
	fin = xtcp_cb(skb)->flags & XTCP_FIN;
	skb_set_owner_r(skb, sk);
	take_in_order(sk, skb);
	if (payload)
		xtcp_autotune_payload(xs);

	if (had_hole) {
		/* RFC 5681 4.2: at once when it fills all or part of a hole. */
		xtcp_ack_now(sk);
		if (!fin)
			fin = ofo_drain(sk);
	}
	/* With a FIN, xtcp_close_fin_received() wakes the reader. */
	if (!fin && !sock_flag(sk, SOCK_DEAD))
		wake_reader(sk);
	return fin;
}

/*
 * Put @skb into the tree, or free it, because its data was there already or was appended to its
 * neighbour. Records duplicates for D-SACK.
 */
static void ofo_insert(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct rb_node **p = &xs->ofo_queue.rb_node;
	seq_t seq = xtcp_cb(skb)->seq;
	seq_t end = xtcp_cb(skb)->end;
	struct sk_buff *other = NULL;
	struct rb_node *parent = NULL;

	while (*p) {
		parent = *p;
		other = rb_to_skb(parent);
		/* Before one that begins there, too, and is shorter: it is freed below. */
		if (seq_before(seq, xtcp_cb(other)->seq) ||
		    (seq == xtcp_cb(other)->seq && seq_after(end, xtcp_cb(other)->end))) {
			p = &parent->rb_left;
			continue;
		}
		if (!seq_after(end, xtcp_cb(other)->end)) {
			XTCP_INC(sock_net(sk), OFO_MERGE);
			xtcp_receive_duplicate(sk, seq, end);
			kfree_skb_reason(skb, SKB_DROP_REASON_TCP_OFOMERGE);
			return;
		}
		if (seq_before(seq, xtcp_cb(other)->end))
			xtcp_receive_duplicate(sk, seq, xtcp_cb(other)->end);
		else if (receive_coalesce(sk, other, skb))
			goto joined;
		p = &parent->rb_right;
	}
	rb_link_node(&skb->rbnode, parent, p);
	rb_insert_color(&skb->rbnode, &xs->ofo_queue);
	skb_set_owner_r(skb, sk);
	xs->ofo_collapsed = 0;

	/* Free the following segments whose data @skb contains. */
	while ((other = skb_rb_next(skb)) &&
	       !seq_after(xtcp_cb(other)->end, end)) {
		XTCP_INC(sock_net(sk), OFO_MERGE);
		another_duplicate(sk, xtcp_cb(other)->seq, xtcp_cb(other)->end);
		ofo_drop(sk, other, SKB_DROP_REASON_TCP_OFOMERGE);
	}
	if (other && seq_before(xtcp_cb(other)->seq, end))
		another_duplicate(sk, xtcp_cb(other)->seq, end);
	return;
joined:
	/* It may have closed the hole to the next one, or overlap it. */
	xs->ofo_collapsed = 0;
	other = skb_rb_next(other);
	if (other && seq_before(xtcp_cb(other)->seq, end)) {
		seq_t other_end = xtcp_cb(other)->end;

		another_duplicate(sk, seq_later(seq, xtcp_cb(other)->seq),
				  seq_before(end, other_end) ? end : other_end);
	}
}

/* SHLD-31: queue it; MAY-13, RFC 5681 4.2: acknowledge at once. */
static void receive_ahead(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	seq_t seq = xtcp_cb(skb)->seq;
	seq_t end = xtcp_cb(skb)->end;

	if (skb->len)
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_TEXT_OUT_OF_ORDER);
	if (xtcp_cb(skb)->flags & XTCP_FIN)
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_FIN_OUT_OF_ORDER);
	xtcp_ack_ahead(sk);
	/* Also of a FIN alone, as in Linux. */
	if (xs->ecn.ok)
		xtcp_ecn_payload_received(sk, skb);
	/* A fast-open child that was closed early: the space of @sacks is in use. */
	if (unlikely(xs->fast_held) || !xtcp_prune_reserve(sk, skb)) {
		XTCP_INC(sock_net(sk), OFO_DROP);
		xtcp_lifecycle_sk(sk, XTCP_EV_MEMORY_PRESSURE);
		kfree_skb_reason(skb, SKB_DROP_REASON_PROTO_MEM);
		/* Reading frees memory: wake the reader, also below SO_RCVLOWAT, as poll() does. */
		if (!sock_flag(sk, SOCK_DEAD))
			sk->sk_data_ready(sk);
		return;
	}
	XTCP_INC(sock_net(sk), OFO_QUEUE);
	xs->rcv_ooo += xtcp_skb_segs(skb);
	ofo_insert(sk, skb);
	if (xs->sack_ok)
		sack_add(sk, seq, end);
}

/*
 * Trim @skb to the window, FIN included. Returns false if no new data is left, or without
 * memory to trim.
 *  - A FIN needs no buffer space. Behind payload that fits it is kept. A bare one is accepted at
 *    RCV.NXT even with a closed window, as in Linux, because some peers send it then.
 *  - A segment that finds the receive queue empty is not trimmed: the program can read all of
 *    it, and its sender need not send the end again. (Linux accepts it, too; since 7.2 only then.)
 *  - With a closed window no payload is accepted: it would use the memory that the window waits
 *    for. A window that was taken back altogether is closed; of one that was taken back in part,
 *    what was once offered is accepted.
 */
static bool trim_to_window(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	u32 window = xtcp_window_left(xs);
	seq_t edge = seq_later(xtcp_window_edge(xs), xs->rcv_nxt);
	s32 room = seq_dist(cb->seq, edge);

	/* A FIN needs no space, and a peer may not count it. */
	if (window && !seq_after(seq_add(cb->seq, skb->len), edge) &&
	    (skb->len || !seq_after(cb->end, edge)))
		return true;
	if (!skb->len)
		return cb->seq == xs->rcv_nxt;
	if (!window) {
		XTCP_INC(sock_net(sk), ZERO_WINDOW_DROP);
		xtcp_receive_duplicate(sk, cb->seq, xs->rcv_nxt);
		return false;
	}
	if (room > 0 && skb_queue_empty(&sk->sk_receive_queue))
		return true;
	if (room <= 0 || pskb_trim(skb, min_t(u32, room, skb->len)))
		return false;
	cb->end = seq_add(cb->seq, skb->len);
	cb->flags &= ~(XTCP_FIN | XTCP_PSH);
	return true;
}

/*
 * True for a FIN without payload for an orphan: nobody will read it from the
 * queue, and the skb may be recycled for its ACK.
 */
static bool is_bare_fin_of_orphan(const struct sock *sk,
				  const struct sk_buff *skb)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return !skb->len && sock_flag(sk, SOCK_DEAD) &&
	       xtcp_cb(skb)->seq == xs->rcv_nxt &&
	       RB_EMPTY_ROOT(&xs->ofo_queue);
}

static void take_bare_fin(struct xtcp_sock *xs, const struct sk_buff *skb)
{
	xs->bytes_received++;
	WRITE_ONCE(xs->rcv_nxt, xtcp_cb(skb)->end);
}

/* Prepare @skb for the queues; it begins with its payload then. */
static void receive_prepare(struct sock *sk, struct sk_buff *skb,
			    const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (skb->len > seg->len)
		__skb_pull(skb, skb->len - seg->len);
	/* Unread payload must not keep a route or the keys of an IPsec association alive. */
	skb_dst_drop(skb);
	secpath_reset(skb);
	xtcp_cb(skb)->seq = seg->seq;
	xtcp_cb(skb)->end = seq_add(seg->seq, seg->len +
				    !!(seg->flags & XTCP_FIN));
	xtcp_cb(skb)->flags = seg->flags;
	if (xs->ts_ok)
		xtcp_autotune_echo(xs, seg);
}

/**
 * xtcp_receive_expected - receive payload that is next in order and in the
 * window
 * @sk: the socket, locked, in ESTABLISHED
 * @skb: the segment; consumed
 * @seg: its header, without FIN
 *
 * Return: true if all data up to the peer's FIN has arrived, because the payload
 * has filled the hole before it: the caller calls xtcp_close_fin_received()
 */
bool xtcp_receive_expected(struct sock *sk, struct sk_buff *skb,
			   const struct xtcp_seg *seg)
{
	xtcp_assert_owned(sk);
	receive_prepare(sk, skb, seg);
	return receive_in_order(sk, skb, true);
}

/**
 * xtcp_receive_payload - receive payload and FIN of an acceptable segment
 * @sk: the socket, locked, in ESTABLISHED, FIN-WAIT-1 or FIN-WAIT-2
 * @pskb: the segment; consumed and set to NULL, except for the FIN of an orphan
 * @seg: its header
 *
 * RFC 9293 3.10.7.4 seventh.
 *
 * Return: true if all data up to the peer's FIN has arrived: the caller calls
 * xtcp_close_fin_received() with what is in @pskb
 */
bool xtcp_receive_payload(struct sock *sk, struct sk_buff **pskb,
			  const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb = *pskb;
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	enum skb_drop_reason why;

	xtcp_assert_owned(sk);
	receive_prepare(sk, skb, seg);
	if (!seq_after(cb->end, xs->rcv_nxt)) {
		/* All of it was received before: our ACK was lost (LC-24, 52). */
		XTCP_INC(sock_net(sk), DELAYED_ACK_LOST);
		xtcp_receive_duplicate(sk, cb->seq, cb->end);
		why = SKB_DROP_REASON_TCP_OLD_DATA;
		goto refuse;
	}
	if (!trim_to_window(sk, skb)) {
		why = xtcp_window_left(xs) ? SKB_DROP_REASON_TCP_OVERWINDOW :
					     SKB_DROP_REASON_TCP_ZEROWINDOW;
		goto refuse;
	}

	if (is_bare_fin_of_orphan(sk, skb)) {
		take_bare_fin(xs, skb);
		return true;
	}
	*pskb = NULL;
	if (seq_after(cb->seq, xs->rcv_nxt)) {
		receive_ahead(sk, skb);
		return false;
	}
	if (seq_before(cb->seq, xs->rcv_nxt))
		xtcp_receive_duplicate(sk, cb->seq, cb->end);
	return receive_in_order(sk, skb, skb->len == seg->len);

refuse:
	xtcp_ack_refused(sk);
	kfree_skb_reason(skb, why);
	*pskb = NULL;
	return false;
}

/**
 * xtcp_receive_purge - free the out-of-order queue
 * @sk: the socket, locked or no longer visible
 *
 * Called after a FIN, or when the hole can't be filled any more. Unread data in
 * order stays.
 */
void xtcp_receive_purge(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	while ((skb = skb_rb_first(&xs->ofo_queue)))
		ofo_drop(sk, skb, SKB_DROP_REASON_NOT_SPECIFIED);
	xs->nr_sacks = 0;
	xs->dsack_pending = 0;
}
