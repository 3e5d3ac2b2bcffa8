// SPDX-License-Identifier: GPL-2.0
/*
 * sendqueue.c - data and FIN that are unsent or in flight
 *
 * RFC 9293 3.10.2. Payload is in page fragments; the first of it, if it is
 * small, is in the linear part, behind the headroom for the headers of the
 * skb's clones. An skb moves once from sk_write_queue to the rbtree of the
 * flight, which is keyed by sequence number, and leaves that when it is
 * acknowledged. While it is in either, its truesize is charged to
 * sk_wmem_queued.
 *
 * One skb holds as many segments as the device, or the kernel for it, will
 * segment it into (net/offload.c): up to 64 KiB. Their number is determined by
 * the MSS when it is sent (xtcp_sendq_measure()). An event that concerns only
 * some of them (the window, a SACK block, a loss, a smaller MSS) splits the skb
 * at a segment's edge. What has arrived out of order is merged again. All
 * counts in the TCB are segments.
 *
 * A SYN, and a FIN that finds the queue empty, is all that is in flight, and is
 * usually acknowledged at once. So it is sent without an skb in the queue: the
 * TCB knows its number and time of sending. Before anything else than its ACK
 * is processed it gets an skb (xtcp_sendq_bare_to_skb()).
 *
 * Context: socket lock; process or softirq.
 */
#include "transfer/sendqueue.h"

#include <linux/mm.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "compat.h"
#include "net/header.h"
#include "net/wire.h"
#include "observe/memory.h"
#include "observe/stats.h"
#include "tcb.h"
#include "transfer/ecn.h"
#include "transfer/memory.h"
#include "transfer/txstamp.h"

/* --- memory ------------------------------------------------------------ */

static void free_queued(struct sock *sk, struct sk_buff *skb)
{
	xtcp_sendq_charge(sk, -(int)skb->truesize);
	/* No one else refers to it: what was sent were clones. */
	__kfree_skb(skb);
}

/**
 * xtcp_sendq_alloc - allocate an empty segment, without accounting
 * @linear: bytes of payload for its linear part
 * @gfp: allocation flags
 *
 * Context: any, no lock.
 * Return: skb, or NULL
 */
struct sk_buff *xtcp_sendq_alloc(u32 linear, gfp_t gfp)
{
	struct sk_buff *skb = alloc_skb_fclone(XTCP_HEADROOM + linear, gfp);

	if (!skb)
		return NULL;
	skb_reserve(skb, XTCP_HEADROOM);
	/*
	 * Copying data in need not compute the checksum: segment/output.c does.
	 */
	skb->ip_summed = CHECKSUM_PARTIAL;
	memset(skb->cb, 0, sizeof(skb->cb));
	xtcp_cb(skb)->flags = XTCP_ACK;
	xtcp_cb(skb)->segs = 1;
	/*
	 * A clone's header may be rewritten: it is not shared with the
	 * original.
	 */
	__skb_header_release(skb);
	return skb;
}

/*
 * Reserve memory for a segment that is needed, by force as Linux does. Where memory is short, the
 * send buffer stays as it is.
 */
static void reserve_by_force(struct sock *sk, int size)
{
	int sndbuf = sk->sk_sndbuf;
	bool done = sk_wmem_schedule(sk, size);

	/* sk_wmem_schedule() may have halved it, even if it has granted the memory. */
	if (unlikely(sk->sk_sndbuf != sndbuf))
		WRITE_ONCE(sk->sk_sndbuf, sndbuf);
	if (unlikely(!done))
		xtcp_memory_force(sk, size);
}

/**
 * xtcp_sendq_alloc_reserved - allocate an empty segment for the send queue
 * @sk: the socket, locked
 * @linear: bytes of payload for its linear part
 * @gfp: allocation flags
 *
 * If nothing is queued or in flight, no ACK will ever wake the writer. So it gets a
 * segment even if the host's memory for sockets is used up (xtcp_mem): otherwise a program
 * that leaves received data unread could stop all others.
 *
 * Return: skb whose memory is reserved, not yet charged; NULL when the socket
 * or the host is short of memory, and the socket's send buffer was reduced
 */
struct sk_buff *xtcp_sendq_alloc_reserved(struct sock *sk, u32 linear,
					  gfp_t gfp)
{
	struct sk_buff *skb = xtcp_sendq_alloc(linear, gfp);

	xtcp_assert_owned(sk);
	if (!skb) {
		if (!xtcp_bypasses_memory_limit(sk))
			sk->sk_prot->enter_memory_pressure(sk);
		sk_stream_moderate_sndbuf(sk);
		return NULL;
	}
	if (!sk->sk_wmem_queued) {
		reserve_by_force(sk, skb->truesize);
		return skb;
	}
	if (sk_wmem_schedule(sk, skb->truesize))
		return skb;
	consume_skb(skb);
	sk_stream_moderate_sndbuf(sk);
	return NULL;
}

/**
 * xtcp_sendq_reserve - reserve memory for payload of the last segment
 * @sk: the socket, locked
 * @bytes: how much is wanted
 *
 * As Linux, when the host's memory for sockets is used up: a send queue of less than
 * xtcp_wmem's first value may grow to it, and what is reserved already is used.
 *
 * Return: bytes that may be added, at most @bytes; 0: none
 */
u32 xtcp_sendq_reserve(struct sock *sk, u32 bytes)
{
	int least, spare;

	xtcp_assert_owned(sk);
	if (likely(sk_wmem_schedule(sk, bytes)))
		return bytes;
	least = XTCP_KNOB(sock_net(sk), wmem[0]) - sk->sk_wmem_queued;
	least = clamp_t(int, least, 0, bytes);
	if (least)
		xtcp_memory_force(sk, least);
	spare = min_t(int, sk->sk_forward_alloc, bytes);
	return max(spare, least);
}

/**
 * xtcp_sendq_alloc_control - allocate a segment for a FIN
 * @sk: the socket, locked
 * @flags: XTCP_FIN, XTCP_ACK
 *
 * For shutdown() and close() it must not fail: they own the socket, in process context. If
 * shutdown() came before connect(), the segment that opens the connection sends the FIN, with
 * softirqs off. Its memory is charged without a reservation; the next reservation includes it.
 *
 * Return: skb, not charged; NULL with softirqs off only
 */
struct sk_buff *xtcp_sendq_alloc_control(const struct sock *sk, u8 flags)
{
	/* A block device whose driver owns the socket must not wait for itself. */
	gfp_t gfp = GFP_KERNEL & (sk->sk_allocation | ~(__GFP_IO | __GFP_FS));
	struct sk_buff *skb;

	xtcp_assert_owned(sk);
	skb = xtcp_sendq_alloc(0, in_softirq() ? GFP_ATOMIC : gfp | __GFP_NOFAIL);
	if (skb)
		xtcp_cb(skb)->flags = flags;
	return skb;
}

/* --- the two queues ---------------------------------------------------- */

/**
 * xtcp_sendq_newest - the segment that ends at SND.NXT
 * @sk: the socket, locked, with something in flight
 *
 * Return: the segment in flight with the highest sequence number
 */
struct sk_buff *xtcp_sendq_newest(struct sock *sk)
{
	xtcp_assert_owned(sk);
	return skb_rb_last(&sk->tcp_rtx_queue);
}

/**
 * xtcp_sendq_find - find the segment in flight that contains a byte
 * @sk: the socket, locked
 * @seq: sequence number of the byte
 *
 * Return: the segment, or the first one after it; NULL if all end before
 */
struct sk_buff *xtcp_sendq_find(struct sock *sk, seq_t seq)
{
	struct rb_node *node = sk->tcp_rtx_queue.rb_node;
	struct sk_buff *found = NULL;

	xtcp_assert_owned(sk);
	while (node) {
		struct sk_buff *skb = rb_to_skb(node);

		if (seq_after(xtcp_cb(skb)->end, seq)) {
			found = skb;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/**
 * xtcp_sendq_number - assign the next sequence numbers to a segment
 * @sk: the socket, locked
 * @skb: from xtcp_sendq_alloc_reserved(), flags set; charged to the socket now
 */
void xtcp_sendq_number(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_skb_cb *cb = xtcp_cb(skb);

	xtcp_assert_owned(sk);
	cb->seq = xs->write_seq;
	cb->end = seq_add(cb->seq, skb->len +
			  !!(cb->flags & (XTCP_SYN | XTCP_FIN)));
	WRITE_ONCE(xs->write_seq, cb->end);
	/* TCP_NODELAY has pushed what is before it. */
	if (unlikely(xs->nagle & XTCP_NAGLE_PUSH))
		xs->nagle &= ~XTCP_NAGLE_PUSH;
	xtcp_sendq_charge(sk, skb->truesize);
}

/**
 * xtcp_sendq_append - append a segment to the unsent data
 * @sk: the socket, locked
 * @skb: from xtcp_sendq_alloc_reserved(), flags set; the queue owns it now
 */
void xtcp_sendq_append(struct sock *sk, struct sk_buff *skb)
{
	xtcp_assert_owned(sk);
	xtcp_sendq_number(sk, skb);
	__skb_queue_tail(&sk->sk_write_queue, skb);
}

/**
 * xtcp_sendq_grown - payload was added to the last unsent segment
 * @sk: the socket, locked
 * @skb: tail of sk_write_queue
 * @bytes: bytes added; charged already
 */
void xtcp_sendq_grown(struct sock *sk, struct sk_buff *skb, u32 bytes)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	xtcp_cb(skb)->flags &= ~XTCP_PSH;
	xtcp_cb(skb)->end = seq_add(xtcp_cb(skb)->end, bytes);
	WRITE_ONCE(xs->write_seq, seq_add(xs->write_seq, bytes));
}

/**
 * xtcp_sendq_drop_empty - remove a segment that got no payload
 * @sk: the socket, locked
 *
 * Called before the lock is released, because an empty segment must not be
 * sent.
 */
void xtcp_sendq_drop_empty(struct sock *sk)
{
	struct sk_buff *skb = skb_peek_tail(&sk->sk_write_queue);

	xtcp_assert_owned(sk);
	if (!skb || skb->len || (xtcp_cb(skb)->flags & XTCP_FIN))
		return;
	__skb_unlink(skb, &sk->sk_write_queue);
	free_queued(sk, skb);
}

/**
 * xtcp_sendq_mark_push - set PSH at the end of the user's write (RFC 9293
 * MUST-61)
 * @sk: the socket, locked
 */
void xtcp_sendq_mark_push(struct sock *sk)
{
	struct sk_buff *skb = skb_peek_tail(&sk->sk_write_queue);
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (!skb)
		return;
	xtcp_cb(skb)->flags |= XTCP_PSH;
	xs->pushed_seq = xs->write_seq;
}

/**
 * xtcp_sendq_mark_eor - end a record (MSG_EOR): no later write shares its last skb
 * @sk: the socket, locked
 */
void xtcp_sendq_mark_eor(struct sock *sk)
{
	struct sk_buff *skb = skb_peek_tail(&sk->sk_write_queue);

	xtcp_assert_owned(sk);
	if (skb && skb->len)
		xtcp_cb(skb)->marks |= XTCP_MARK_EOR;
}

/**
 * xtcp_sendq_wants_push - check whether a long write needs a PSH meanwhile
 * @xs: the connection, locked
 *
 * So that neither side waits for its end.
 *
 * Return: true if half a window was queued since the last PSH
 */
bool xtcp_sendq_wants_push(const struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	return seq_dist(xs->pushed_seq, xs->write_seq) >
	       (s32)(xs->snd_wnd_max / 2);
}

/*
 * Count @segs segments with these flags into the flight, or out if negative.
 * Without SACK none is flagged SACKED, and sacked_out counts ACKs.
 */
static void sendq_recount(struct xtcp_sock *xs, u8 marks, int segs)
{
	if (!segs)
		return;
	WRITE_ONCE(xs->in_flight, xs->in_flight + segs);
	if (marks & XTCP_MARK_SACKED)
		xs->sacked_out += segs;
	if (marks & XTCP_MARK_LOST)
		xs->lost_out += segs;
	if (marks & XTCP_MARK_RETRANS)
		xs->retrans_out += segs;
	else if (marks & XTCP_MARK_LOST)
		xs->to_resend += segs;
}

/* Insert into the tree of the flight, by sequence number. */
static void tree_add(struct sock *sk, struct sk_buff *skb)
{
	struct rb_node **p = &sk->tcp_rtx_queue.rb_node;
	struct rb_node *parent = NULL;

	while (*p) {
		parent = *p;
		if (seq_before(xtcp_cb(skb)->seq,
			       xtcp_cb(rb_to_skb(parent))->seq))
			p = &parent->rb_left;
		else
			p = &parent->rb_right;
	}
	rb_link_node(&skb->rbnode, parent, p);
	rb_insert_color(&skb->rbnode, &sk->tcp_rtx_queue);
}

/**
 * xtcp_sendq_fly - add segments to the flight
 * @sk: the socket, locked
 * @skb: in no queue, just sent, measured
 */
void xtcp_sendq_fly(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	tree_add(sk, skb);
	list_add_tail(&skb->tcp_tsorted_anchor, &xs->sent_order);
	sendq_recount(xs, 0, xtcp_sendq_segs(skb));
}

/**
 * xtcp_sendq_resent - a segment in flight was sent again
 * @sk: the socket, locked
 * @skb: the segment, now the last one in the order of sending
 */
void xtcp_sendq_resent(struct sock *sk, struct sk_buff *skb)
{
	xtcp_assert_owned(sk);
	list_move_tail(&skb->tcp_tsorted_anchor, &xtcp_sk(sk)->sent_order);
}

/* @skb is in neither the tree nor the order of sending. */
static void free_landed(struct sock *sk, struct sk_buff *skb)
{
	/* Their memory was used for the links, and kfree_skb() reads them. */
	skb->_skb_refdst = 0;
	skb->destructor = NULL;
	free_queued(sk, skb);
}

/**
 * xtcp_sendq_land - remove a segment from the flight
 * @sk: the socket, locked
 * @skb: freed
 */
void xtcp_sendq_land(struct sock *sk, struct sk_buff *skb)
{
	sendq_recount(xtcp_sk(sk), xtcp_cb(skb)->marks, -(int)xtcp_sendq_segs(skb));
	rb_erase(&skb->rbnode, &sk->tcp_rtx_queue);
	list_del(&skb->tcp_tsorted_anchor);
	free_landed(sk, skb);
}

/* --- a SYN or FIN without an skb ---------------------------------------- */

/**
 * xtcp_sendq_fly_bare - add a SYN or FIN without an skb to the empty flight
 * @sk: the socket, locked; the sequence number is SND.UNA
 * @now_ns: time of sending
 */
void xtcp_sendq_fly_bare(struct sock *sk, u64 now_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	xs->bare_out = 1;
	xs->retrans_stamp_ns = now_ns;
	WRITE_ONCE(xs->in_flight, 1);
}

/**
 * xtcp_sendq_land_bare - remove a SYN or FIN without an skb from the flight
 * @sk: the socket, locked, with @bare_out
 */
void xtcp_sendq_land_bare(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xs->bare_out = 0;
	WRITE_ONCE(xs->in_flight, 0);
}

/**
 * xtcp_sendq_bare_is_fin - tell our FIN from our SYN
 * @xs: the connection, locked, with @bare_out
 *
 * A FIN may already be queued behind a SYN.
 *
 * Return: true if the FIN is in flight
 */
bool xtcp_sendq_bare_is_fin(const struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	return xs->fin_queued && xs->snd_nxt == xs->write_seq;
}

/* Flags as sent; but after a crossing SYN, ours is a SYN-ACK. */
static u8 bare_flags(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (xtcp_sendq_bare_is_fin(xs))
		return XTCP_FIN | XTCP_ACK;
	if (sk->sk_state == XTCP_SYN_SENT)
		return XTCP_SYN | xtcp_ecn_offered(xs);
	return xtcp_ecn_syn_ack(xs, XTCP_SYN);
}

/**
 * xtcp_sendq_bare_to_skb - make sure that all that is in flight has an skb
 * @sk: the socket, locked
 *
 * Called before the flight is searched, flagged or sent again.
 *
 * Return: false without memory; nothing has changed then
 */
bool xtcp_sendq_bare_to_skb(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	xtcp_assert_owned(sk);
	if (likely(!xs->bare_out))
		return true;
	skb = xtcp_sendq_alloc(0, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return false;
	xtcp_cb(skb)->flags = bare_flags(sk);
	xtcp_cb(skb)->seq = xs->snd_una;
	xtcp_cb(skb)->end = xs->snd_nxt;
	xtcp_cb(skb)->sent_ns = xs->retrans_stamp_ns;
	xtcp_sendq_charge(sk, skb->truesize);
	xtcp_sendq_land_bare(sk);
	xtcp_sendq_fly(sk, skb);
	return true;
}

/**
 * xtcp_sendq_syn - our SYN, or SYN-ACK, in flight
 * @sk: the socket, locked
 *
 * Return: its skb; NULL if it is acknowledged, or there is no memory for the skb
 */
struct sk_buff *xtcp_sendq_syn(struct sock *sk)
{
	struct sk_buff *skb;

	if (!xtcp_sendq_bare_to_skb(sk))
		return NULL;
	skb = xtcp_sendq_oldest(sk);
	return skb && (xtcp_cb(skb)->flags & XTCP_SYN) ? skb : NULL;
}

/* --- splitting and merging ---------------------------------------------- */

/**
 * xtcp_sendq_measure_again - the MSS or the payload of a segment has changed
 * @sk: the socket, locked
 * @skb: in flight; the counts follow
 * @mss: payload of a full segment, bytes
 */
void xtcp_sendq_measure_again(struct sock *sk, struct sk_buff *skb, u32 mss)
{
	int before = xtcp_sendq_segs(skb);

	xtcp_assert_owned(sk);
	xtcp_sendq_measure(skb, mss);
	sendq_recount(xtcp_sk(sk), xtcp_cb(skb)->marks,
		      (int)xtcp_sendq_segs(skb) - before);
}

/*
 * Make the fragment list private, because a clone may still be queued in this
 * host, and let each fragment hold a reference to its page: registered pages of
 * io_uring have one reference for the whole skb instead.
 */
static int sendq_unshare(struct sock *sk, struct sk_buff *skb)
{
	int before = skb->truesize;
	int err;

	skb_zcopy_downgrade_managed(skb);
	if (!skb_cloned(skb))
		return 0;
	err = pskb_expand_head(skb, 0, 0, GFP_ATOMIC);
	xtcp_sendq_charge(sk, (int)skb->truesize - before);
	return err;
}

/* True if @skb is the first or the last in flight. */
static bool skb_is_at_an_end(struct sock *sk, const struct sk_buff *skb)
{
	return skb == xtcp_sendq_oldest(sk) || skb == xtcp_sendq_newest(sk);
}

/* Allocate an empty skb for the second part of a split, with a reservation. */
static struct sk_buff *rest_alloc(struct sock *sk, u32 linear)
{
	struct sk_buff *rest = xtcp_sendq_alloc(linear, GFP_ATOMIC);

	if (rest)
		reserve_by_force(sk, rest->truesize);
	return rest;
}

/**
 * xtcp_sendq_split - split an skb in two
 * @sk: the socket, locked
 * @skb: of the send queue; keeps the first part
 * @len: bytes of payload that stay in it
 *
 * Neither is measured anew.
 *
 * Return: the rest, with FIN and PSH, charged, for the caller to put into the
 * same queue; NULL without memory
 */
struct sk_buff *xtcp_sendq_split(struct sock *sk, struct sk_buff *skb, u32 len)
{
	u32 linear = skb_headlen(skb) > len ? skb_headlen(skb) - len : 0;
	u32 moved = skb->len - len - linear;
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_skb_cb *rest_cb;
	struct sk_buff *rest;

	xtcp_assert_owned(sk);
	if (sendq_unshare(sk, skb))
		return NULL;
	rest = rest_alloc(sk, linear);
	if (!rest)
		return NULL;

	rest_cb = xtcp_cb(rest);
	*rest_cb = *cb;
	rest_cb->seq = seq_add(cb->seq, len);
	cb->end = rest_cb->seq;
	cb->flags &= ~(XTCP_FIN | XTCP_PSH);
	cb->marks &= ~XTCP_MARK_EOR;

	xtcp_sendq_charge(sk, rest->truesize);
	skb_split(skb, rest, len);
	/* Of the pages only: each skb keeps its linear part. */
	skb->truesize -= moved;
	rest->truesize += moved;
	if (xtcp_txstamp_is_on(skb))
		xtcp_txstamp_split(skb, rest);
	return rest;
}

/*
 * A peer with a small MSS that SACKs every second segment (CVE-2019-11478)
 * causes an skb for each: many times the memory of the payload. As in Linux the
 * queue may grow to twice the send buffer plus the excess of a write.
 */
static bool queue_is_too_big(const struct sock *sk)
{
	long limit = READ_ONCE(sk->sk_sndbuf) +
		     2L * SKB_TRUESIZE(GSO_LEGACY_MAX_SIZE);

	return unlikely(sk->sk_wmem_queued >> 1 > limit);
}

/* xtcp_sendq_split_flight() without its limit. */
static bool split_flight(struct sock *sk, struct sk_buff *skb, u32 len)
{
	u32 size = xtcp_cb(skb)->seg_size;
	struct sk_buff *rest;

	/*
	 * There was no memory to trim it. A part below SND.UNA would stay the oldest one for ever,
	 * and nobody answers it.
	 */
	if (unlikely(seq_before(xtcp_cb(skb)->seq, xtcp_sk(sk)->snd_una)))
		return false;
	rest = xtcp_sendq_split(sk, skb, len);
	if (!rest)
		return false;
	xtcp_sendq_measure_again(sk, skb, size);
	xtcp_sendq_measure(rest, size);
	sendq_recount(xtcp_sk(sk), xtcp_cb(rest)->marks, xtcp_sendq_segs(rest));
	tree_add(sk, rest);
	if (list_empty(&skb->tcp_tsorted_anchor))
		INIT_LIST_HEAD(&rest->tcp_tsorted_anchor);
	else
		list_add(&rest->tcp_tsorted_anchor, &skb->tcp_tsorted_anchor);
	return true;
}

/**
 * xtcp_sendq_split_flight - split an skb in flight, to send a part of it again
 * @sk: the socket, locked
 * @skb: in flight; keeps the first part
 * @len: bytes of payload that stay in it; a segment ends there from now on
 *
 * The rest follows it in the flight, with the same flags. The oldest and the
 * newest skb are split however large the send queue is: retransmissions and loss
 * probes need them.
 *
 * Return: false without memory, or if the send queue is too big; nothing has
 * changed then
 */
bool xtcp_sendq_split_flight(struct sock *sk, struct sk_buff *skb, u32 len)
{
	xtcp_assert_owned(sk);
	if (queue_is_too_big(sk) && !skb_is_at_an_end(sk, skb)) {
		XTCP_INC(sock_net(sk), WQUEUE_TOO_BIG);
		return false;
	}
	return split_flight(sk, skb, len);
}

/**
 * xtcp_sendq_split_sacked - split an skb in flight where a SACK block ends
 * @sk: the socket, locked
 * @skb: in flight; keeps the first part
 * @len: bytes of payload that stay in it
 *
 * As xtcp_sendq_split_flight(), but the limit holds for the oldest and newest skb,
 * too (Linux exempts them): the peer chooses where to split, and could split the
 * newest skb into single segments. At worst a segment that is not recorded as
 * SACKed is sent again.
 *
 * Return: as xtcp_sendq_split_flight()
 */
bool xtcp_sendq_split_sacked(struct sock *sk, struct sk_buff *skb, u32 len)
{
	xtcp_assert_owned(sk);
	if (queue_is_too_big(sk)) {
		XTCP_INC(sock_net(sk), WQUEUE_TOO_BIG);
		return false;
	}
	return split_flight(sk, skb, len);
}

/*
 * Append the payload of @next to @skb; the caller unlinks and frees @next. Not if
 * both have a byte whose times are asked for, because an skb can report one, nor
 * behind MSG_EOR.
 */
static bool take_payload(struct sock *sk, struct sk_buff *skb,
			 struct sk_buff *next)
{
	bool stolen;
	int delta;

	/* Heads are from kmalloc(), so none is stolen. */
	if ((xtcp_cb(skb)->marks & XTCP_MARK_EOR) ||
	    (xtcp_txstamp_is_on(skb) && xtcp_txstamp_is_on(next)) ||
	    !skb_try_coalesce(skb, next, &stolen, &delta))
		return false;
	xtcp_sendq_charge(sk, delta);
	/* skb_try_coalesce() may lose it, and IPsec would encrypt in place what others read. */
	skb_shinfo(skb)->flags |= skb_shinfo(next)->flags & SKBFL_SHARED_FRAG;
	xtcp_cb(skb)->end = xtcp_cb(next)->end;
	xtcp_cb(skb)->flags |= xtcp_cb(next)->flags;
	xtcp_cb(skb)->marks |= xtcp_cb(next)->marks & XTCP_MARK_EOR;
	if (xtcp_txstamp_is_on(next))
		xtcp_txstamp_move(next, skb);
	return true;
}

/**
 * xtcp_sendq_merge - merge two skbs in flight into one
 * @sk: the socket, locked
 * @skb: in flight, not in the order of sending (SACKed)
 * @next: likewise; its sequence numbers and flags continue those of @skb
 *
 * In a window of single segments the skbs take half as much memory as the
 * payload. Arrived segments need no skb of their own, and the writer gets the
 * space.
 *
 * Return: true if @next was merged and freed; false if they don't fit together
 */
bool xtcp_sendq_merge(struct sock *sk, struct sk_buff *skb, struct sk_buff *next)
{
	const struct xtcp_skb_cb *more = xtcp_cb(next);
	struct xtcp_skb_cb *cb = xtcp_cb(skb);

	xtcp_assert_owned(sk);
	/*
	 * The segments must be countable, and splittable at the same edges. The
	 * user's own pages are left alone, because making them private copies
	 * them.
	 */
	if (cb->end != more->seq || cb->seg_size != more->seg_size ||
	    !cb->seg_size || skb->len % cb->seg_size ||
	    skb->len + next->len > GSO_LEGACY_MAX_SIZE ||
	    skb_shinfo(skb)->nr_frags + skb_shinfo(next)->nr_frags > MAX_SKB_FRAGS ||
	    (more->flags & XTCP_FIN) || skb_zcopy(skb) || skb_zcopy(next) ||
	    sendq_unshare(sk, skb) || !take_payload(sk, skb, next))
		return false;
	cb->segs += more->segs;
	rb_erase(&next->rbnode, &sk->tcp_rtx_queue);
	free_landed(sk, next);
	return true;
}

/*
 * Make the fragment list private, and room for @bytes more in the linear part. Fragments
 * would be in front of them, so their payload is copied into the linear part first.
 */
static bool make_tailroom(struct sock *sk, struct sk_buff *skb, int bytes)
{
	int room = skb_end_pointer(skb) - skb_tail_pointer(skb);
	int more = skb->data_len + bytes - room;
	int before = skb->truesize;

	if (!bytes || (!skb_is_nonlinear(skb) && more <= 0))
		return !sendq_unshare(sk, skb);
	if (pskb_expand_head(skb, 0, max(more, 0), GFP_ATOMIC))
		return false;
	xtcp_sendq_charge(sk, (int)skb->truesize - before);
	return !skb_linearize(skb);
}

/**
 * xtcp_sendq_collapse - make one segment of two that will be sent again
 * @sk: the socket, locked
 * @skb: in flight, a single segment, not SACKed
 * @next: the one behind it, likewise
 *
 * Each small segment costs a header and a transmission; their payload fits into fewer segments.
 * Fewer of them can have arrived then: the caller calls xtcp_scoreboard_exclude().
 *
 * Return: true if @next was appended and freed; false if they don't fit together, and
 * without memory
 */
bool xtcp_sendq_collapse(struct sock *sk, struct sk_buff *skb, struct sk_buff *next)
{
	const struct xtcp_skb_cb *more = xtcp_cb(next);
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	int copied = skb_headlen(next) ? next->len : 0;

	xtcp_assert_owned(sk);
	/*
	 * The user's own pages are left alone, as in xtcp_sendq_merge(). Payload in linear
	 * parts is copied: not into more than a page, which is always to be had.
	 */
	if (skb_zcopy(skb) || skb_zcopy(next) || (cb->marks & XTCP_MARK_EOR) ||
	    (xtcp_txstamp_is_on(skb) && xtcp_txstamp_is_on(next)) ||
	    (copied && skb->len + copied > SKB_MAX_HEAD(XTCP_HEADROOM)) ||
	    !make_tailroom(sk, skb, copied) || !take_payload(sk, skb, next))
		return false;
	cb->retrans = max(cb->retrans, more->retrans);
	sendq_recount(xtcp_sk(sk), more->marks, -(int)xtcp_sendq_segs(next));
	rb_erase(&next->rbnode, &sk->tcp_rtx_queue);
	list_del(&next->tcp_tsorted_anchor);
	free_landed(sk, next);
	return true;
}

/* Append the payload of the next unsent skb to @skb. */
static bool gather_next(struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff *next = skb_queue_next(&sk->sk_write_queue, skb);

	if ((xtcp_cb(next)->flags & XTCP_FIN) || !take_payload(sk, skb, next))
		return false;
	__skb_unlink(next, &sk->sk_write_queue);
	free_queued(sk, next);
	return true;
}

/**
 * xtcp_sendq_gather - make the first unsent segment hold a number of bytes
 * @sk: the socket, locked, with more than @len bytes in sk_write_queue
 * @len: bytes of payload
 *
 * Return: the segment, still first of the queue; NULL if that was not possible
 */
struct sk_buff *xtcp_sendq_gather(struct sock *sk, u32 len)
{
	struct sk_buff *skb = skb_peek(&sk->sk_write_queue);
	struct sk_buff *rest;

	xtcp_assert_owned(sk);
	while (skb->len < len) {
		if (skb_queue_is_last(&sk->sk_write_queue, skb) ||
		    !gather_next(sk, skb))
			return NULL;
	}
	if (skb->len > len) {
		rest = xtcp_sendq_split(sk, skb, len);
		if (!rest)
			return NULL;
		__skb_queue_after(&sk->sk_write_queue, skb, rest);
	}
	return skb;
}

/* Drop the first @bytes of the fragments; sendq_unshare() was called. */
static void consume_frags(struct sk_buff *skb, u32 bytes)
{
	struct skb_shared_info *shinfo = skb_shinfo(skb);
	int from, to = 0;

	skb->len -= bytes;
	skb->data_len -= bytes;
	skb->truesize -= bytes;
	for (from = 0; from < shinfo->nr_frags; from++) {
		skb_frag_t *frag = &shinfo->frags[from];
		u32 size = skb_frag_size(frag);

		if (size <= bytes) {
			put_page(skb_frag_page(frag));
			bytes -= size;
			continue;
		}
		skb_frag_off_add(frag, bytes);
		skb_frag_size_sub(frag, bytes);
		bytes = 0;
		shinfo->frags[to++] = *frag;
	}
	shinfo->nr_frags = to;
}

/**
 * xtcp_sendq_trim_head - remove acknowledged payload from a segment
 * @sk: the socket, locked
 * @skb: in flight
 * @ack: sequence number inside it; without memory nothing is removed
 *
 * Return: number of segments that left the flight
 */
u32 xtcp_sendq_trim_head(struct sock *sk, struct sk_buff *skb, seq_t ack)
{
	u32 bytes = seq_dist(xtcp_cb(skb)->seq, ack);
	u32 segs = xtcp_sendq_segs(skb);
	u32 linear;

	xtcp_assert_owned(sk);
	if (bytes > skb->len || sendq_unshare(sk, skb))
		return 0;
	linear = min(bytes, skb_headlen(skb));
	__skb_pull(skb, linear);
	consume_frags(skb, bytes - linear);
	xtcp_sendq_charge(sk, -(int)(bytes - linear));
	xtcp_cb(skb)->seq = ack;
	xtcp_sendq_measure_again(sk, skb, xtcp_cb(skb)->seg_size);
	return segs - xtcp_sendq_segs(skb);
}

/**
 * xtcp_sendq_purge - free all unsent and unacknowledged segments
 * @sk: the socket, locked or no longer visible
 */
void xtcp_sendq_purge(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(&sk->sk_write_queue)))
		free_queued(sk, skb);
	while ((skb = xtcp_sendq_oldest(sk)))
		xtcp_sendq_land(sk, skb);
	if (xs->bare_out)
		xtcp_sendq_land_bare(sk);
	xs->sacked_out = 0;
	xtcp_memory_reclaim(sk);
}
