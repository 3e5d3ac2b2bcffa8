// SPDX-License-Identifier: GPL-2.0
/*
 * receive.c - text and FIN on their way in: window, reassembly
 *
 * RFC 9293 3.8.6 (window), 3.8.6.2.2 (receiver's silly window avoidance),
 * 3.10.7.4 seventh and eighth (text, FIN), RFC 2018 and 2883 (what SACK
 * blocks are to report).
 *
 * What came in order stands in sk_receive_queue, ready for the user; what
 * came ahead of a hole in an rbtree by sequence number. Segments in the tree
 * may overlap; whoever takes from either queue skips what was taken before by
 * comparing sequence numbers. Both are charged to sk_rmem_alloc by truesize.
 *
 * Socket lock; softirq, or process context from the backlog and recvmsg().
 */
#include "transfer/receive.h"

#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "close/close.h"
#include "compat.h"
#include "net/output.h"
#include "net/wire.h"
#include "netns.h"
#include "tcb.h"
#include "transfer/ack.h"
#include "transfer/ecn.h"
#include "user/stats.h"

/* --- window ------------------------------------------------------------ */

/*
 * Of the receive buffer, which counts what skbs really occupy, one half is
 * offered as window: a segment of Ethernet size costs twice its text at most.
 * Linux starts from the same share.
 */
static u32 window_of_space(int space)
{
	return space > 0 ? space / 2 : 0;
}

static u32 window_limit(const struct sock *sk)
{
	u32 limit = window_of_space(READ_ONCE(sk->sk_rcvbuf));
	u32 clamp = xtcp_sk(sk)->window_clamp;

	return clamp ? min(limit, clamp) : limit;
}

static u32 window_space(const struct sock *sk)
{
	int space = READ_ONCE(sk->sk_rcvbuf) -
		    READ_ONCE(sk->sk_backlog.len) -
		    atomic_read(&sk->sk_rmem_alloc);

	return min(window_of_space(space), window_limit(sk));
}

/**
 * xtcp_receive_window - RCV.WND: what the peer may still send
 * @xs: the connection; a reader without the lock gets an estimate
 *
 * Return: octets from RCV.NXT to the edge that was announced last
 */
u32 xtcp_receive_window(const struct xtcp_sock *xs)
{
	s32 left = seq_dist(READ_ONCE(xs->rcv_nxt),
			    seq_add(READ_ONCE(xs->rcv_wup),
				    READ_ONCE(xs->rcv_wnd)));

	return max(left, 0);
}

/* How far the edge must move to be worth telling: MUST-39. */
static u32 window_step(const struct sock *sk)
{
	return max(min_t(u32, xtcp_sk(sk)->rcv_mss, window_limit(sk) / 2), 1U);
}

/*
 * Some peers take the field for a signed number; where xtcp_workaround_...
 * says so, one that is not scaled stays positive for them.
 */
static u32 window_field_max(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xs->rcv_wscale &&
	    XTCP_KNOB(sock_net(sk), workaround_signed_windows))
		return S16_MAX;
	return XTCP_WINDOW_MAX << xs->rcv_wscale;
}

/*
 * What to announce when the window ends @left octets from RCV.NXT: the edge
 * moves by a step or not at all. SHLD-14: never to the left, so what is left
 * is rounded up to the scale, what is new down. Behind a hole it stays, for
 * an ACK with another window is no duplicate ACK to the peer (RFC 5681 2),
 * unless there is little left.
 */
static u32 window_next(const struct sock *sk, u32 left)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u32 unit = 1U << xs->rcv_wscale;
	u32 space = min(window_space(sk), window_field_max(sk));

	left = round_up(left, unit);
	space = round_down(space, unit);
	if (!RB_EMPTY_ROOT(&xs->ofo_queue) && left > window_limit(sk) / 2)
		return left;
	return space >= left + window_step(sk) ? space : left;
}

/**
 * xtcp_receive_window_select - choose the window of a segment that leaves
 * @sk: the socket, locked
 *
 * Return: octets from RCV.NXT, a multiple of the scale; it is recorded as
 * announced
 */
u32 xtcp_receive_window_select(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	u32 left = xtcp_receive_window(xs);
	u32 wnd = window_next(sk, left);

	if (!wnd && xs->rcv_wnd)
		XTCP_INC(net, TO_ZERO_WINDOW_ADV);
	else if (wnd && !xs->rcv_wnd)
		XTCP_INC(net, FROM_ZERO_WINDOW_ADV);
	else if (wnd && window_space(sk) < window_step(sk))
		XTCP_INC(net, WANT_ZERO_WINDOW_ADV);
	if (wnd < window_limit(sk) / 2)
		xs->quickack = 0;

	WRITE_ONCE(xs->rcv_wup, xs->rcv_nxt);
	WRITE_ONCE(xs->rcv_wnd, wnd);
	return wnd;
}

/**
 * xtcp_receive_window_init - window and scale of a SYN or SYN-ACK
 * @sk: the socket, or the listener; need not be locked
 * @mss: octets, the MSS we announce
 * @scaling: window scaling is offered or was agreed
 * @wnd: octets; the header can hold 65535 of them, a SYN is not scaled
 * @wscale: shift of later windows, RFC 7323 2
 *
 * The scale fits the largest buffer that the socket may grow to.
 */
void xtcp_receive_window_init(const struct sock *sk, u32 mss, bool scaling,
			      u32 *wnd, u8 *wscale)
{
	u32 clamp = xtcp_sk(sk)->window_clamp;
	u32 space = window_limit(sk);
	u32 most = XTCP_WINDOW_MAX << XTCP_WSCALE_MAX;

	if (mss && space > mss)
		space = rounddown(space, mss);
	*wnd = min(space, XTCP_KNOB(sock_net(sk), workaround_signed_windows) ?
			  S16_MAX : XTCP_WINDOW_MAX);
	*wscale = 0;
	if (!scaling)
		return;

	if (!(sk->sk_userlocks & SOCK_RCVBUF_LOCK)) {
		space = max_t(u32, space,
			      max(XTCP_KNOB(sock_net(sk), rmem[2]), 0));
		space = max_t(u32, space, READ_ONCE(sysctl_rmem_max));
	}
	space = min(space, clamp ? min(clamp, most) : most);
	*wscale = clamp_t(int, ilog2(max(space, 1U)) - 15, 0, XTCP_WSCALE_MAX);
}

/* --- SACK blocks ------------------------------------------------------- */

static bool block_touches(const struct xtcp_sack_block *b, seq_t start,
			  seq_t end)
{
	return seq_after_eq(end, b->start) && seq_before_eq(start, b->end);
}

/* [start, end) came: its block is the first to be reported (RFC 2018 4). */
static void sack_add(struct xtcp_sock *xs, seq_t start, seq_t end)
{
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

	xs->sacks[0].start = start;
	xs->sacks[0].end = end;
	nr = min_t(unsigned int, nr, XTCP_SACK_MAX - 1);
	memcpy(&xs->sacks[1], kept, nr * sizeof(kept[0]));
	xs->nr_sacks = nr + 1;
}

/* RCV.NXT moved: what lies below it is acknowledged, not reported. */
static void sack_advance(struct xtcp_sock *xs)
{
	unsigned int i, nr = 0;

	for (i = 0; i < xs->nr_sacks; i++)
		if (seq_after(xs->sacks[i].start, xs->rcv_nxt))
			xs->sacks[nr++] = xs->sacks[i];
	xs->nr_sacks = nr;
}

/* Is all of [start, end) in the out-of-order queue? */
static bool sack_has(const struct xtcp_sock *xs, seq_t start, seq_t end)
{
	unsigned int i;

	for (i = 0; i < xs->nr_sacks; i++)
		if (seq_after_eq(start, xs->sacks[i].start) &&
		    seq_before_eq(end, xs->sacks[i].end))
			return true;
	return false;
}

/**
 * xtcp_receive_duplicate - something came that may have been there already
 * @sk: the socket, locked
 * @start: its first octet
 * @end: after its last
 *
 * What was there, below RCV.NXT or in the out-of-order queue, is reported
 * once, in the next ACK (RFC 2883). The rest is not: a peer would take it for
 * received and never send it again.
 */
void xtcp_receive_duplicate(struct sock *sk, seq_t start, seq_t end)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xs->sack_ok || !XTCP_KNOB(sock_net(sk), dsack) ||
	    !seq_before(start, end))
		return;
	if (seq_before(start, xs->rcv_nxt)) {
		if (seq_after(end, xs->rcv_nxt))
			end = xs->rcv_nxt;
		XTCP_INC(sock_net(sk), DSACK_OLD_SENT);
	} else if (sack_has(xs, start, end)) {
		XTCP_INC(sock_net(sk), DSACK_OFO_SENT);
	} else {
		return;
	}
	xs->dsack.start = start;
	xs->dsack.end = end;
	xs->dsack_pending = 1;
}

/* --- memory ------------------------------------------------------------ */

static void ofo_drop(struct sock *sk, struct sk_buff *skb)
{
	rb_erase(&skb->rbnode, &xtcp_sk(sk)->ofo_queue);
	consume_skb(skb);
}

/*
 * Give up what came out of order, last first, until the buffer is below
 * seven eighths. RFC 2018 8 allows to drop what was SACKed: the peer keeps it
 * until it is acknowledged.
 */
static bool ofo_prune(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	if (RB_EMPTY_ROOT(&xs->ofo_queue))
		return false;
	while ((skb = skb_rb_last(&xs->ofo_queue))) {
		ofo_drop(sk, skb);
		if (atomic_read(&sk->sk_rmem_alloc) <=
		    sk->sk_rcvbuf - (sk->sk_rcvbuf >> 3))
			break;
	}
	sk_mem_reclaim(sk);
	xs->nr_sacks = 0;
	XTCP_INC(sock_net(sk), OFO_PRUNED);
	return true;
}

static bool buffer_is_full(const struct sock *sk)
{
	return atomic_read(&sk->sk_rmem_alloc) > sk->sk_rcvbuf;
}

/*
 * Small segments may cost far more than the text that the window counts. Let
 * the buffer grow where the user has not fixed it: the peer only used what it
 * was given. It grows to what is in use and no further, so that there is no
 * space to announce: a user who doesn't read closes the window (LC-54).
 */
static void buffer_stretch(struct sock *sk)
{
	int most = XTCP_KNOB(sock_net(sk), rmem[2]);

	if ((sk->sk_userlocks & SOCK_RCVBUF_LOCK) ||
	    sk_under_memory_pressure(sk))
		return;
	if (sk->sk_rcvbuf < most)
		WRITE_ONCE(sk->sk_rcvbuf,
			   min(atomic_read(&sk->sk_rmem_alloc), most));
}

/* Octets of text in @skb, which stands in a queue: FIN has none. */
static u32 text_from(const struct sk_buff *skb, seq_t seq)
{
	s32 skip = seq_dist(xtcp_cb(skb)->seq, seq);

	return skip < 0 || skip >= (s32)skb->len ? 0 : skb->len - skip;
}

/* Move the text of @from behind that of @to, which is linear and has room. */
static void collapse_one(struct sock *sk, struct sk_buff *to,
			 struct sk_buff *from)
{
	struct xtcp_skb_cb *cb = xtcp_cb(to);
	u32 len = text_from(from, cb->end);
	u32 skip = from->len - len;

	if (len && !skb_copy_bits(from, skip, skb_put(to, len), len))
		cb->end = seq_add(cb->end, len);
	__skb_unlink(from, &sk->sk_receive_queue);
	consume_skb(from);
	XTCP_INC(sock_net(sk), RCV_COLLAPSED);
}

#define COLLAPSE_LEN	SKB_WITH_OVERHEAD(PAGE_SIZE)	/* octets of text */
#define COLLAPSE_ROOM	1024	/* octets of tailroom worth filling */

/* Less than three quarters of it is text; of a full page seven eighths are. */
static bool is_wasteful(const struct sk_buff *skb)
{
	return skb->len <= COLLAPSE_LEN && skb->len * 4 < skb->truesize * 3;
}

/* A new page in front of @skb in the receive queue, for text from there on. */
static struct sk_buff *collapse_start(struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff *to;

	to = alloc_skb(COLLAPSE_LEN, GFP_ATOMIC | __GFP_NOWARN);
	if (!to)
		return NULL;
	memcpy(to->cb, skb->cb, sizeof(to->cb));
	xtcp_cb(to)->end = xtcp_cb(to)->seq;
	__skb_queue_before(&sk->sk_receive_queue, skb, to);
	skb_set_owner_r(to, sk);
	return to;
}

/*
 * Copy runs of small segments in the receive queue into one page each: text
 * that was acknowledged must be kept, whatever it cost to bring it. A page of
 * an earlier run is filled up first.
 */
static void receive_collapse(struct sock *sk)
{
	struct sk_buff *skb, *next, *to = NULL;

	skb_queue_walk_safe(&sk->sk_receive_queue, skb, next) {
		if (xtcp_cb(skb)->flags & XTCP_FIN)
			return;
		if (!is_wasteful(skb) || !to || skb_tailroom(to) < skb->len) {
			to = NULL;
			if (!skb_cloned(skb) &&
			    skb_tailroom(skb) >= COLLAPSE_ROOM) {
				to = skb;
				continue;
			}
			/* One that nothing follows would only be copied. */
			if (!is_wasteful(skb) ||
			    skb_queue_is_last(&sk->sk_receive_queue, skb))
				continue;
			to = collapse_start(sk, skb);
			if (!to)
				return;
		}
		collapse_one(sk, to, skb);
	}
}

/*
 * Make room for @skb: what came out of order goes first, then the new text
 * is refused; what was acknowledged stays. True when there is room.
 */
static bool reserve(struct sock *sk, struct sk_buff *skb)
{
	if (!buffer_is_full(sk) && sk_rmem_schedule(sk, skb, skb->truesize))
		return true;

	XTCP_INC(sock_net(sk), PRUNE_CALLED);
	if (buffer_is_full(sk))
		buffer_stretch(sk);
	if (buffer_is_full(sk))
		receive_collapse(sk);
	if (buffer_is_full(sk))
		ofo_prune(sk);
	if (buffer_is_full(sk)) {
		XTCP_INC(sock_net(sk), RCV_PRUNED);
		return false;
	}
	return sk_rmem_schedule(sk, skb, skb->truesize) ||
	       (ofo_prune(sk) && sk_rmem_schedule(sk, skb, skb->truesize));
}

/* --- queues ------------------------------------------------------------ */

/*
 * Append @from to @to where memory allows it without copying much. True: all
 * of it, its FIN included, is in @to, and the rest of it was freed.
 */
static bool coalesce(struct sock *sk, struct sk_buff *to, struct sk_buff *from)
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
	kfree_skb_partial(from, stolen);
	XTCP_INC(sock_net(sk), RCV_COALESCE);
	return true;
}

/* @skb is next for the user; its FIN and SEG.SEQ may lie before RCV.NXT. */
static void take_in_order(struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff *tail = skb_peek_tail(&sk->sk_receive_queue);
	struct xtcp_sock *xs = xtcp_sk(sk);
	seq_t end = xtcp_cb(skb)->end;

	xs->bytes_received += seq_dist(xs->rcv_nxt, end);
	WRITE_ONCE(xs->rcv_nxt, end);
	if (tail && coalesce(sk, tail, skb))
		return;
	__skb_queue_tail(&sk->sk_receive_queue, skb);
}

/*
 * The hole is filled: what lay behind it follows. @skb is charged already.
 * True when the peer's FIN was among it.
 */
static bool ofo_drain(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;
	bool fin = false;

	while ((skb = skb_rb_first(&xs->ofo_queue))) {
		seq_t seq = xtcp_cb(skb)->seq;
		seq_t end = xtcp_cb(skb)->end;

		if (seq_after(seq, xs->rcv_nxt))
			break;
		if (seq_before(seq, xs->rcv_nxt))
			xtcp_receive_duplicate(sk, seq, end);
		if (!seq_after(end, xs->rcv_nxt)) {
			ofo_drop(sk, skb);
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

	if (unread >= sock_rcvlowat(sk, 0, INT_MAX) || buffer_is_full(sk) ||
	    xtcp_receive_window(xs) <= xs->rcv_mss ||
	    sk_under_memory_pressure(sk) || sock_flag(sk, SOCK_DONE))
		sk->sk_data_ready(sk);
}

static void receive_in_order(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool text = skb->len > 0;
	bool had_hole = !RB_EMPTY_ROOT(&xs->ofo_queue);
	bool fin;

	if (skb->len && !reserve(sk, skb)) {
		XTCP_INC(sock_net(sk), RCV_Q_DROP);
		xtcp_lifecycle_sk(sk, XTCP_EV_MEMORY_PRESSURE);
		sk->sk_data_ready(sk);
		xtcp_ack_now(sk);
		kfree_skb(skb);
		return;
	}

	if (text) {
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_TEXT);
		xtcp_ack_text_received(sk, skb);
		if (xs->ecn_ok)
			xtcp_ecn_text_received(sk, skb);
	}
	fin = xtcp_cb(skb)->flags & XTCP_FIN;
	skb_set_owner_r(skb, sk);
	take_in_order(sk, skb);

	if (had_hole) {
		/* RFC 5681 4.2: at once when it fills all or part of a hole. */
		xtcp_ack_now(sk);
		if (!fin)
			fin = ofo_drain(sk);
	}
	if (fin) {
		xtcp_close_fin_received(sk);
		return;
	}
	if (!sock_flag(sk, SOCK_DEAD))
		wake_reader(sk);
}

/*
 * Put @skb into the tree. False: others there hold all of it already, or it
 * was joined to its neighbour; it is freed then. Duplicates are remembered
 * for D-SACK.
 */
static bool ofo_insert(struct sock *sk, struct sk_buff *skb)
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
		if (seq_before(seq, xtcp_cb(other)->seq)) {
			p = &parent->rb_left;
			continue;
		}
		if (!seq_after(end, xtcp_cb(other)->end)) {
			XTCP_INC(sock_net(sk), OFO_MERGE);
			xtcp_receive_duplicate(sk, seq, end);
			consume_skb(skb);
			return false;
		}
		if (seq_before(seq, xtcp_cb(other)->end))
			xtcp_receive_duplicate(sk, seq, xtcp_cb(other)->end);
		else if (coalesce(sk, other, skb))
			return false;
		p = &parent->rb_right;
	}
	rb_link_node(&skb->rbnode, parent, p);
	rb_insert_color(&skb->rbnode, &xs->ofo_queue);
	skb_set_owner_r(skb, sk);

	/* Those behind it that hold nothing it doesn't are of no more use. */
	while ((other = skb_rb_next(skb)) &&
	       !seq_after(xtcp_cb(other)->end, end)) {
		XTCP_INC(sock_net(sk), OFO_MERGE);
		xtcp_receive_duplicate(sk, xtcp_cb(other)->seq,
				       xtcp_cb(other)->end);
		ofo_drop(sk, other);
	}
	return true;
}

/* SHLD-31: keep it; MAY-13, RFC 5681 4.2: tell the peer at once. */
static void receive_ahead(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	seq_t seq = xtcp_cb(skb)->seq;
	seq_t end = xtcp_cb(skb)->end;

	if (skb->len)
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_TEXT_AHEAD);
	if (xtcp_cb(skb)->flags & XTCP_FIN)
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_FIN_AHEAD);
	xtcp_ack_now(sk);
	if (xs->ecn_ok && skb->len)
		xtcp_ecn_text_received(sk, skb);
	if (!reserve(sk, skb)) {
		XTCP_INC(sock_net(sk), OFO_DROP);
		xtcp_lifecycle_sk(sk, XTCP_EV_MEMORY_PRESSURE);
		kfree_skb(skb);
		return;
	}
	XTCP_INC(sock_net(sk), OFO_QUEUE);
	ofo_insert(sk, skb);
	if (xs->sack_ok)
		sack_add(xs, seq, end);
}

/*
 * Cut off what lies beyond the window, FIN included. A bare FIN needs no room
 * and passes a closed window, as in Linux: some peers send it there. False
 * when nothing is left, or memory is short.
 */
static bool trim_to_window(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	u32 window = xtcp_receive_window(xs);
	seq_t edge = seq_add(xs->rcv_nxt, window);
	s32 room = seq_dist(cb->seq, edge);

	if (!seq_after(cb->end, edge))
		return true;
	if (!skb->len)
		return cb->seq == xs->rcv_nxt;
	if (!window)
		XTCP_INC(sock_net(sk), ZERO_WINDOW_DROP);
	if (room <= 0 || pskb_trim(skb, min_t(u32, room, skb->len)))
		return false;
	cb->end = seq_add(cb->seq, skb->len);
	cb->flags &= ~(XTCP_FIN | XTCP_PSH);
	return true;
}

/**
 * xtcp_receive_text - text and FIN of an acceptable segment
 * @sk: the socket, locked, in ESTABLISHED, FIN-WAIT-1 or FIN-WAIT-2
 * @skb: the segment; eaten
 * @seg: its header
 *
 * RFC 9293 3.10.7.4, seventh and eighth. After a FIN in order the state has
 * changed, and the socket may be an orphan's last.
 */
void xtcp_receive_text(struct sock *sk, struct sk_buff *skb,
		       const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_skb_cb *cb = xtcp_cb(skb);

	if (skb->len > seg->len)
		__skb_pull(skb, skb->len - seg->len);
	skb_dst_drop(skb);
	cb->seq = seg->seq;
	cb->end = seq_add(seg->seq, seg->len + !!(seg->flags & XTCP_FIN));
	cb->flags = seg->flags;

	if (!seq_after(cb->end, xs->rcv_nxt)) {
		/* All of it was here before: our ACK got lost (LC-24, 52). */
		XTCP_INC(sock_net(sk), DELAYED_ACK_LOST);
		xtcp_receive_duplicate(sk, cb->seq, cb->end);
		goto refuse;
	}
	if (!trim_to_window(sk, skb))
		goto refuse;

	if (seq_after(cb->seq, xs->rcv_nxt)) {
		receive_ahead(sk, skb);
		return;
	}
	if (seq_before(cb->seq, xs->rcv_nxt))
		xtcp_receive_duplicate(sk, cb->seq, cb->end);
	receive_in_order(sk, skb);
	return;

refuse:
	xtcp_ack_now(sk);
	kfree_skb(skb);
}

/**
 * xtcp_receive_consumed - the user took text out of the queue
 * @sk: the socket, locked, process context
 * @copied: octets
 *
 * Sends the window update that the peer may wait for (LC-54): when the window
 * can at least double and moves by a segment or half of the buffer. A larger
 * window is told by the ACKs of what comes in anyway. Also sends an ACK that
 * is owed for more than a segment.
 */
void xtcp_receive_consumed(struct sock *sk, u32 copied)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 left = xtcp_receive_window(xs);
	u32 next;

	if (!xtcp_state_in(sk, XTCP_STATEF(XTCP_ESTABLISHED) |
			       XTCP_STATEF(XTCP_FIN_WAIT_1) |
			       XTCP_STATEF(XTCP_FIN_WAIT_2)))
		return;
	if ((xs->ack & XTCP_ACK_PENDING) &&
	    seq_dist(xs->rcv_wup, xs->rcv_nxt) > (s32)xs->rcv_mss) {
		xtcp_output_ack(sk);
		return;
	}
	if (!copied || (sk->sk_shutdown & RCV_SHUTDOWN) || left > window_limit(sk) / 2)
		return;

	next = window_next(sk, left);
	if (next >= 2 * left && next >= left + window_step(sk))
		xtcp_output_ack(sk);
}

/**
 * xtcp_receive_purge - forget what came out of order
 * @sk: the socket, locked or no longer visible
 *
 * After a FIN, or when nobody will fill the hole. What is in order and unread
 * stays the user's.
 */
void xtcp_receive_purge(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	while ((skb = skb_rb_first(&xs->ofo_queue)))
		ofo_drop(sk, skb);
	xs->nr_sacks = 0;
	xs->dsack_pending = 0;
}
