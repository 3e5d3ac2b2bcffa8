// SPDX-License-Identifier: GPL-2.0
/*
 * scoreboard.c - what is known of the segments in flight
 *
 * RFC 2018 (SACK), 2883 (D-SACK), 6675 (the scoreboard). Each segment in flight
 * has scoreboard flags, and the TCB their counts:
 *
 *   (none)		in the network
 *   SACKED		received by the peer
 *   LOST			assumed lost, to be sent again
 *   LOST RETRANS		sent again, in the network
 *   RETRANS		sent again, and then the loss was undone: two copies
 *			are in the network (with SACKED: one has arrived)
 *
 * Segments in the network are also in xs->sent_order, by the time of their last
 * transmission, for RACK.
 *
 * No ACK may cost a walk over the flight; but xtcp_scoreboard_lose_holes(), which runs only
 * without RACK, may walk over it. Each skb of a run of SACKed segments
 * stores how far the run is known to reach (run_end), so that a block that
 * grows from ACK to ACK is entered at its new end. Searches descend the tree,
 * and resend_seq is a lower bound of the next lost segment. The rest is O(log
 * n) for each block, and a step for each segment whose flags change. An undo does walk over
 * the flight, but a peer's partial ACKs cause one in a flight only (undo_partial()). If a copy is
 * lost again, the search for the next lost segment walks from there over those that were sent again
 * already, as in Linux.
 *
 * Segments that were sent once and have arrived are merged into the skb of the
 * segments before them (join_run()), so that they need little memory beyond
 * their payload.
 *
 * Without SACK a duplicate ACK stands for the arrival of one unknown segment:
 * sacked_out counts them, and no segment is flagged.
 *
 * Context: socket lock; softirq, or process for the backlog.
 */
#include "transfer/scoreboard.h"

#include <linux/list.h>
#include <linux/list_sort.h>
#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "transfer/acked.h"
#include "transfer/congestion.h"
#include "transfer/rack.h"
#include "transfer/sendqueue.h"
#include "transfer/undo.h"

/**
 * xtcp_scoreboard_init - initialize the scoreboard of a new connection
 * @xs: TCB of the connection
 */
void xtcp_scoreboard_init(struct xtcp_sock *xs)
{
	INIT_LIST_HEAD(&xs->sent_order);
	xs->reordering = XTCP_KNOB(sock_net(xtcp_to_sk(xs)), reordering);
}

/* --- reordering --------------------------------------------------------- */

/**
 * xtcp_scoreboard_reordered - a segment arrived after later ones
 * @sk: the socket, locked
 * @low: its first sequence number
 * @by_timestamp: found by the timestamp echo, not by a SACK block
 *
 * From now on their distance replaces xtcp_reordering, up to
 * xtcp_max_reordering: that many segments above a hole don't prove a loss.
 */
void xtcp_scoreboard_reordered(struct sock *sk, seq_t low, bool by_timestamp)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	seq_t high = xtcp_scoreboard_highest(xs);
	u32 distance;

	xtcp_assert_owned(sk);
	if (!seq_before(low, high))
		return;
	distance = DIV_ROUND_UP((u32)seq_dist(low, high), max(xs->mss, 1U));
	if (distance > xs->reordering)
		xs->reordering = min_t(u32, distance,
				       XTCP_KNOB(sock_net(sk), max_reordering));
	xs->reord_seen = 1;
	if (by_timestamp)
		XTCP_INC(sock_net(sk), TS_REORDER);
	else
		XTCP_INC(sock_net(sk), SACK_REORDER);
}

/* Returns false if there are no more duplicate ACKs than segments that can have arrived. */
static bool limit_arrived(struct xtcp_sock *xs)
{
	u32 holes = clamp(xs->lost_out, 1U, max(xs->in_flight, 1U));

	if (xs->sacked_out + holes <= xs->in_flight || !xs->sacked_out)
		return false;
	xs->sacked_out = xs->in_flight > holes ? xs->in_flight - holes : 0;
	return true;
}

/**
 * xtcp_scoreboard_exclude - fewer segments in flight can have arrived than before
 * @xs: the connection, locked
 *
 * Some were marked as lost, or two became one. Without SACK a duplicate ACK does not say which
 * segment has arrived. One that counts for a segment that is now taken for lost, or is none any
 * more, is no sign of reordering.
 */
void xtcp_scoreboard_exclude(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (!xs->sack_ok)
		limit_arrived(xs);
}

/*
 * Without SACK: at least one segment is missing, so if there are more duplicate
 * ACKs than other segments, the missing ones were only late.
 */
static void limit_duplicates(struct sock *sk, u32 acked_segs)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!limit_arrived(xs))
		return;
	xs->reordering = min_t(u32, xs->in_flight + acked_segs,
			       XTCP_KNOB(sock_net(sk), max_reordering));
	xs->reord_seen = 1;
	XTCP_INC(sock_net(sk), RENO_REORDER);
}

/* --- cumulative acknowledgements ---------------------------------------- */

/**
 * xtcp_scoreboard_landed - segments are acknowledged cumulatively
 * @sk: the socket, locked
 * @cb: control block of an skb about to leave the flight, or whose first
 *	segments have left it
 * @seq: first sequence number of these segments
 * @segs: number of these segments
 * @a: what the ACK says
 */
void xtcp_scoreboard_landed(struct sock *sk, const struct xtcp_skb_cb *cb,
			    seq_t seq, u32 segs, struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool known = cb->marks & XTCP_MARK_SACKED;

	xtcp_assert_owned(sk);
	if (cb->retrans) {
		a->resent = 1;
	} else if (!known) {
		if (!a->sent_ns) {
			a->sent_ns = cb->sent_ns;
			a->late_seq = seq;
		}
		a->last_sent_ns = cb->sent_ns;
		if (seq_before_eq(cb->end, xs->recover))
			a->original = 1;
	}
	if (!known && xs->sack_ok) {
		a->delivered += segs;
		if (!xtcp_undo_is_echo_of_earlier(xs, a, cb))
			xtcp_rack_delivered(xs, cb, a->now_ns);
	}
}

/**
 * xtcp_scoreboard_swept - all that an ACK acknowledges cumulatively has left
 * @sk: the socket, locked; SND.UNA is up to date
 * @a: what the ACK says
 *
 * With SACK: a segment that was sent once and is acknowledged only now, below
 * others that were SACKed before, arrived late. Without SACK: one of the
 * segments filled the hole, and the duplicate ACKs stood for the others.
 */
void xtcp_scoreboard_swept(struct sock *sk, struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (xs->sack_ok) {
		if (a->sent_ns && seq_before(a->late_seq, a->prior_highest))
			xtcp_scoreboard_reordered(sk, a->late_seq, false);
		return;
	}
	/* The SYN is not in a->segs. */
	a->delivered += a->syn;
	a->delivered += a->segs > xs->sacked_out ? a->segs - xs->sacked_out :
						   !!a->segs;
	xs->sacked_out -= min(xs->sacked_out, a->segs ? a->segs - 1 : 0);
	limit_duplicates(sk, a->segs);
	/* It is unknown which copy arrived. */
	if (a->resent)
		a->original = 0;
}

/**
 * xtcp_scoreboard_duplicate - process a duplicate ACK without SACK
 * @sk: the socket, locked
 * @a: what the ACK says
 */
void xtcp_scoreboard_duplicate(struct sock *sk, struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 before = xs->sacked_out;

	xtcp_assert_owned(sk);
	xs->sacked_out++;
	limit_duplicates(sk, 0);
	if (xs->sacked_out > before)
		a->delivered += xs->sacked_out - before;
}

/* --- SACK --------------------------------------------------------------- */

/* @skb is now known to have arrived. */
static void segment_arrived(struct sock *sk, struct sk_buff *skb,
			    struct xtcp_acked *a)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 segs = xtcp_sendq_segs(skb);

	xtcp_rack_delivered(xs, cb, a->now_ns);
	if (!cb->retrans) {
		if (seq_before(cb->seq, a->prior_highest) &&
		    (!a->sack_late || seq_before(cb->seq, a->sack_late_seq))) {
			a->sack_late = 1;
			a->sack_late_seq = cb->seq;
		}
		if (seq_before_eq(cb->end, xs->recover))
			a->original = 1;
		/* The blocks are in the order of arrival, and need not be in that of sending. */
		if (!a->sack_sent_ns || cb->sent_ns < a->sack_sent_ns)
			a->sack_sent_ns = cb->sent_ns;
	}
	if (cb->marks & XTCP_MARK_LOST) {
		xs->lost_out -= segs;
		if (cb->marks & XTCP_MARK_RETRANS)
			xs->retrans_out -= segs;
		else
			xs->to_resend -= segs;
		cb->marks &= ~(XTCP_MARK_LOST | XTCP_MARK_RETRANS);
	}
	/* holes_seq may date from before a wrap of the sequence numbers. */
	if (!xs->sacked_out)
		xs->holes_seq = xs->snd_una;
	if (!xs->sacked_out || seq_after(cb->end, xtcp_sacked_end(xs)))
		xs->sacked_end = cb->end;
	cb->marks |= XTCP_MARK_SACKED;
	xs->sacked_out += segs;
	list_del_init(&skb->tcp_tsorted_anchor);
	a->delivered += segs;
	a->sacked = 1;
}

/*
 * Split off what lies before @start, in whole segments. Returns the skb that
 * begins with the first segment completely inside.
 */
static struct sk_buff *split_before(struct sock *sk, struct sk_buff *skb,
				    seq_t start)
{
	const struct xtcp_skb_cb *cb = xtcp_cb(skb);
	u32 outside = roundup((u32)seq_dist(cb->seq, start), cb->seg_size);

	if (outside < skb->len && !xtcp_sendq_split_sacked(sk, skb, outside))
		return NULL;
	return skb_rb_next(skb);
}

/* Split off the segments that reach beyond @end; false if none is inside. */
static bool split_after(struct sock *sk, struct sk_buff *skb, seq_t end)
{
	const struct xtcp_skb_cb *cb = xtcp_cb(skb);
	/* If the FIN alone is missing, its segment is. */
	u32 inside = min((u32)seq_dist(cb->seq, end), skb->len - 1);

	inside = rounddown(inside, cb->seg_size);
	return inside && xtcp_sendq_split_sacked(sk, skb, inside);
}

/**
 * xtcp_scoreboard_covered - find the part of the flight that a SACK block
 * covers
 * @sk: the socket, locked
 * @skb: in flight; first xtcp_sendq_find() of the block's start
 * @b: the block; not checked
 *
 * A segment counts when all of it is covered. An skb of which only some
 * segments are newly covered is split.
 *
 * Return: the first skb, from @skb on, that is covered; NULL if there is none,
 * or without memory for a split
 */
struct sk_buff *xtcp_scoreboard_covered(struct sock *sk, struct sk_buff *skb,
					const struct xtcp_sack_block *b)
{
	xtcp_assert_owned(sk);
	while (skb && seq_before(xtcp_cb(skb)->seq, b->start)) {
		if (xtcp_sendq_segs(skb) > 1 &&
		    !(xtcp_cb(skb)->marks & XTCP_MARK_SACKED) &&
		    seq_after(xtcp_cb(skb)->end, b->start))
			skb = split_before(sk, skb, b->start);
		else
			skb = skb_rb_next(skb);
	}
	if (!skb || !seq_before(xtcp_cb(skb)->seq, b->end))
		return NULL;
	if (!seq_after(xtcp_cb(skb)->end, b->end))
		return skb;
	if (xtcp_sendq_segs(skb) > 1 &&
	    !(xtcp_cb(skb)->marks & XTCP_MARK_SACKED) &&
	    split_after(sk, skb, b->end))
		return skb;
	return NULL;
}

/* True if only the arrival of @skb matters: no flag besides, and sent once. */
static bool is_plain_arrival(const struct sk_buff *skb)
{
	const struct xtcp_skb_cb *cb = xtcp_cb(skb);

	return cb->marks == XTCP_MARK_SACKED && !cb->retrans;
}

/*
 * Merge @skb, which has just arrived, into the run of arrivals before it. Not
 * if it was sent again, because a D-SACK may report it alone.
 */
static struct sk_buff *join_run(struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff *prev = skb_rb_prev(skb);
	seq_t run_end = xtcp_cb(skb)->run_end;

	if (!prev || !is_plain_arrival(skb) || !is_plain_arrival(prev) ||
	    !xtcp_sendq_merge(sk, prev, skb))
		return skb;
	xtcp_cb(prev)->run_end = seq_later(xtcp_cb(prev)->run_end, run_end);
	return prev;
}

/* Flag the segments that a block covers. */
static void block_arrived(struct sock *sk, const struct xtcp_sack_block *b,
			  struct xtcp_acked *a)
{
	struct sk_buff *skb = xtcp_sendq_find(sk, b->start);

	while ((skb = xtcp_scoreboard_covered(sk, skb, b))) {
		struct xtcp_skb_cb *cb = xtcp_cb(skb);
		bool is_new = !(cb->marks & XTCP_MARK_SACKED);
		seq_t end = cb->end;
		seq_t known = end;

		if (is_new)
			segment_arrived(sk, skb, a);
		else
			known = seq_later(known, cb->run_end);
		/*
		 * Everything from here to the block's end will be flagged.
		 * Without memory to split the last skb it counts as flagged,
		 * and may be sent again needlessly.
		 */
		cb->run_end = seq_later(known, b->end);
		if (is_new)
			skb = join_run(sk, skb);
		skb = known == end ? skb_rb_next(skb) : xtcp_sendq_find(sk, known);
	}
}

static void block_discarded(struct sock *sk, const struct xtcp_seg *seg,
			    const struct xtcp_sack_block *b)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	/* An overtaken ACK may report what is acknowledged by now. */
	if (seg->ack != xs->snd_una && seq_before_eq(b->end, xs->snd_una))
		return;
	XTCP_INC(sock_net(sk), SACK_DISCARD);
}

/**
 * xtcp_scoreboard_sacked - process the SACK blocks of an ACK
 * @sk: the socket, locked; the cumulative part of the ACK is processed
 * @seg: the segment
 * @a: what the ACK says
 *
 * The first block may be a D-SACK (RFC 2883), which undo.c handles. Invalid
 * blocks are ignored. Our SYN is acknowledged: until then @sacked_end shares its place with
 * the number of the peer's SYN.
 */
void xtcp_scoreboard_sacked(struct sock *sk, const struct xtcp_seg *seg,
			    struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	unsigned int i = 0;

	xtcp_assert_owned(sk);
	if (!xs->sack_ok || !seg->opt.nr_sacks)
		return;
	if (xtcp_undo_dsack_received(sk, seg, a))
		i = 1;
	/* As in Linux no block is looked at then, nor counted as discarded. */
	if (!xtcp_acked_had_flight(xs, a))
		return;
	for (; i < seg->opt.nr_sacks; i++) {
		const struct xtcp_sack_block *b = &seg->opt.sack[i];

		if (xtcp_scoreboard_block_is_sound(xs, b))
			block_arrived(sk, b, a);
		else
			block_discarded(sk, seg, b);
	}
	if (a->sack_late &&
	    (xs->recovery != XTCP_RECOVERY_LOSS || xs->undo.armed))
		xtcp_scoreboard_reordered(sk, a->sack_late_seq, false);
}

/* --- losses ------------------------------------------------------------- */

/* The retransmitted copy is lost, too. */
static void lose_resent(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 segs = xtcp_sendq_segs(skb);

	xtcp_cb(skb)->marks &= ~XTCP_MARK_RETRANS;
	xs->retrans_out -= segs;
	/* After an undo it may not be lost; xtcp_scoreboard_lose() counts it then. */
	if (xtcp_cb(skb)->marks & XTCP_MARK_LOST)
		xs->to_resend += segs;
	xs->lost += segs;
	XTCP_ADD(sock_net(sk), LOST_RETRANSMIT, segs);
}

/* Returns true if a transmission counts as lost that did not before. */
static bool mark_lost(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 segs = xtcp_sendq_segs(skb);
	u32 lost = xs->lost;
	bool first = !xs->lost_out;

	if (cb->marks & XTCP_MARK_SACKED)
		return false;
	if (!(cb->marks & XTCP_MARK_LOST)) {
		cb->marks |= XTCP_MARK_LOST;
		xs->lost_out += segs;
		if (!(cb->marks & XTCP_MARK_RETRANS))
			xs->to_resend += segs;
		xs->lost += segs;
	} else if (cb->marks & XTCP_MARK_RETRANS) {
		lose_resent(sk, skb);
	}
	/* After 2 GiB without a loss it is too old to be compared. */
	if (first || seq_before(cb->seq, xs->resend_seq))
		xs->resend_seq = cb->seq;
	/* A copy sent before an undo is still in the network, and timed. */
	if (!(cb->marks & XTCP_MARK_RETRANS))
		list_del_init(&skb->tcp_tsorted_anchor);
	return xs->lost != lost;
}

/**
 * xtcp_scoreboard_lose - mark a segment as lost
 * @sk: the socket, locked
 * @skb: in flight; if its first copy is lost already, the retransmitted copy is
 *	marked
 */
void xtcp_scoreboard_lose(struct sock *sk, struct sk_buff *skb)
{
	xtcp_assert_owned(sk);
	if (mark_lost(sk, skb))
		xtcp_congestion_lost(xtcp_sk(sk), skb);
}

/**
 * xtcp_scoreboard_too_big - a router has dropped a segment because of its size
 * @sk: the socket, locked
 * @skb: in flight
 *
 * As xtcp_scoreboard_lose(), but the algorithm is not told: this is no congestion (RFC 1191 6.4).
 */
void xtcp_scoreboard_too_big(struct sock *sk, struct sk_buff *skb)
{
	xtcp_assert_owned(sk);
	mark_lost(sk, skb);
}

/**
 * xtcp_scoreboard_lose_oldest - mark the segment at SND.UNA as lost
 * @sk: the socket, locked, with something in flight
 *
 * Marks one segment only; the others of its skb are split off. Without memory for that all of
 * them are marked. If it is marked as lost already it may have been sent again, and nothing is
 * known of that copy.
 */
void xtcp_scoreboard_lose_oldest(struct sock *sk)
{
	struct sk_buff *skb = xtcp_sendq_oldest(sk);

	xtcp_assert_owned(sk);
	if (xtcp_cb(skb)->marks & XTCP_MARK_LOST)
		return;
	if (xtcp_sendq_segs(skb) > 1)
		xtcp_sendq_split_flight(sk, skb, xtcp_cb(skb)->seg_size);
	xtcp_scoreboard_lose(sk, skb);
}

/**
 * xtcp_scoreboard_lose_copies - mark all copies of a segment as lost
 * @sk: the socket, locked
 * @skb: in flight
 *
 * For detection by the time of the last transmission. After an undo two copies
 * may be in the network. Counting the arrivals above concerns the first copy
 * only, the time concerns both.
 */
void xtcp_scoreboard_lose_copies(struct sock *sk, struct sk_buff *skb)
{
	u8 marks = xtcp_cb(skb)->marks;

	xtcp_assert_owned(sk);
	if ((marks & XTCP_MARK_RETRANS) &&
	    !(marks & (XTCP_MARK_SACKED | XTCP_MARK_LOST))) {
		lose_resent(sk, skb);
		xtcp_congestion_lost(xtcp_sk(sk), skb);
	}
	xtcp_scoreboard_lose(sk, skb);
}

/**
 * xtcp_scoreboard_lose_holes - RFC 6675 4, IsLost(): mark holes as lost
 * @sk: the socket, locked
 *
 * A segment is lost when xs->reordering segments above it have arrived: three by default, more
 * once reordering was seen. The walk descends from the highest arrival to the place where the last
 * walk had counted that many: holes below it are marked already. So each segment is passed once,
 * and again only as long as fewer than xs->reordering segments above that place have arrived.
 */
void xtcp_scoreboard_lose_holes(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;
	bool enough = false;
	u32 above = 0;
	seq_t checked;

	xtcp_assert_owned(sk);
	/* It is of an earlier flight: nothing was checked in this one. */
	if (!seq_between(xs->holes_seq, xs->snd_una, xs->snd_nxt))
		xs->holes_seq = xs->snd_una;
	checked = xs->holes_seq;
	if (xs->sacked_out < xs->reordering)
		return;
	skb = xtcp_sendq_find(sk, seq_sub(xtcp_sacked_end(xs), 1));
	for (; skb && !seq_before(xtcp_cb(skb)->seq, checked);
	     skb = skb_rb_prev(skb)) {
		u8 marks = xtcp_cb(skb)->marks;

		if (marks & XTCP_MARK_SACKED)
			above += xtcp_sendq_segs(skb);
		else if (enough && !(marks & XTCP_MARK_LOST))
			xtcp_scoreboard_lose(sk, skb);
		if (!enough && above >= xs->reordering) {
			enough = true;
			xs->holes_seq = xtcp_cb(skb)->seq;
		}
	}
}

/*
 * The peer has dropped @cb. Its time of sending was overwritten by run_end; so
 * it must not be timed, as if it had been sent again.
 */
static void forget_arrival(struct xtcp_skb_cb *cb)
{
	if (!(cb->marks & XTCP_MARK_SACKED))
		return;
	cb->marks &= ~XTCP_MARK_SACKED;
	cb->sent_ns = 0;
	if (!cb->retrans)
		cb->retrans = 1;
}

/**
 * xtcp_scoreboard_lose_flight - the retransmission timer has expired
 * @sk: the socket, locked, with something in flight
 *
 * RFC 5681 3.1: all that was sent and not SACKed counts as lost; with RACK
 * except for what was sent too recently (RFC 8985 6.3). If the oldest segment
 * is SACKed, the peer has dropped what it had reported (RFC 2018 8): all SACKs
 * are cleared, and everything is lost.
 */
void xtcp_scoreboard_lose_flight(struct sock *sk)
{
	struct sk_buff *oldest = xtcp_sendq_oldest(sk);
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;
	bool reneged = xtcp_cb(oldest)->marks & XTCP_MARK_SACKED;

	xtcp_assert_owned(sk);
	if (reneged)
		XTCP_INC(sock_net(sk), SACK_RENEGING);
	if (reneged || !xs->sack_ok)
		xs->sacked_out = 0;
	for (skb = oldest; skb; skb = skb_rb_next(skb)) {
		if (reneged)
			forget_arrival(xtcp_cb(skb));
		else if (skb != oldest && xtcp_rack_is_recent(sk, skb))
			continue;
		xtcp_scoreboard_lose_copies(sk, skb);
	}
}

/* Order of xs->sent_order. */
static int sent_order_cmp(void *priv, const struct list_head *a, const struct list_head *b)
{
	const struct xtcp_skb_cb *first =
		xtcp_cb(list_entry(a, struct sk_buff, tcp_tsorted_anchor));
	const struct xtcp_skb_cb *second =
		xtcp_cb(list_entry(b, struct sk_buff, tcp_tsorted_anchor));

	return xtcp_rack_sent_after(first->sent_ns, first->end, second->sent_ns, second->end);
}

/**
 * xtcp_scoreboard_absolve - clear all losses: nothing was lost after all
 * @sk: the socket, locked
 *
 * Lost segments return to the front of xs->sent_order, because nearly always they were sent
 * before all that is in it. All are sorted if one was not: its copy was lost, too, or it was
 * sent after the copy of another.
 */
void xtcp_scoreboard_absolve(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool again = false;
	struct sk_buff *skb;

	xtcp_assert_owned(sk);
	if (!xs->lost_out)
		return;
	for (skb = skb_rb_last(&sk->tcp_rtx_queue); skb;
	     skb = skb_rb_prev(skb)) {
		struct xtcp_skb_cb *cb = xtcp_cb(skb);

		if (!(cb->marks & XTCP_MARK_LOST))
			continue;
		cb->marks &= ~XTCP_MARK_LOST;
		if (list_empty(&skb->tcp_tsorted_anchor)) {
			struct list_head *first = xs->sent_order.next;

			again |= first != &xs->sent_order &&
				 sent_order_cmp(NULL, &skb->tcp_tsorted_anchor, first) > 0;
			list_add(&skb->tcp_tsorted_anchor, &xs->sent_order);
		}
	}
	if (unlikely(again))
		list_sort(NULL, &xs->sent_order, sent_order_cmp);
	xs->lost_out = 0;
	xs->to_resend = 0;
	xs->holes_seq = xs->snd_una;
}

/**
 * xtcp_scoreboard_next_lost - find the next segment to be sent again
 * @sk: the socket, locked
 *
 * Return: the first segment that is lost and was not sent again since; NULL if
 * there is none
 */
struct sk_buff *xtcp_scoreboard_next_lost(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	xtcp_assert_owned(sk);
	/* No walk over a flight of segments that were all sent again. */
	if (!xs->to_resend)
		return NULL;
	for (skb = xtcp_sendq_find(sk, xs->resend_seq); skb;
	     skb = skb_rb_next(skb)) {
		u8 marks = xtcp_cb(skb)->marks;

		if ((marks & XTCP_MARK_LOST) && !(marks & XTCP_MARK_RETRANS))
			break;
	}
	xs->resend_seq = skb ? xtcp_cb(skb)->seq : xs->snd_nxt;
	return skb;
}
