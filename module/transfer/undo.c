// SPDX-License-Identifier: GPL-2.0
/*
 * undo.c - detect needless retransmissions, and undo their reduction
 *
 * Two signs show that a reduction of the window was unfounded:
 *
 *   the timestamp echo (RFC 3522, Eifel)
 *	an ACK of a retransmitted segment echoes a time before that: the
 *	first copy has arrived
 *   D-SACK (RFC 2883, RFC 3708)
 *	each segment that was sent again is reported as a duplicate
 *
 * Then the window and ssthresh are restored (RFC 4015). undo.seq, SND.UNA at
 * the beginning of the reduction, tells which segments belong to it;
 * undo.retrans counts those sent again and not reported as duplicates yet, and
 * is -1 until the first.
 *
 * Context: socket lock; softirq, or process for the backlog.
 */
#include "transfer/undo.h"

#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "net/seq.h"
#include "net/wire.h"
#include "observe/stats.h"
#include "segment/output.h"
#include "tcb.h"
#include "transfer/acked.h"
#include "transfer/congestion.h"
#include "transfer/ecn.h"
#include "transfer/scoreboard.h"
#include "transfer/sendqueue.h"

/**
 * xtcp_undo_init - forget the last reduction
 * @xs: the connection, locked or not yet visible
 */
void xtcp_undo_init(struct xtcp_sock *xs)
{
	xs->undo.armed = 0;
	xs->undo.ts_set = 0;
	xs->undo.absolved = 0;
	xs->undo.retrans = 0;
	xs->prior_ssthresh = 0;
}

/**
 * xtcp_undo_prepare - a reduction begins: prepare to undo it
 * @xs: the connection, locked
 *
 * Copies of earlier retransmissions may still be reported as duplicates.
 */
void xtcp_undo_prepare(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	xs->undo.armed = 1;
	xs->undo.seq = xs->snd_una;
	xs->undo.retrans = xs->retrans_out;
	if (xs->probe_out && xs->probe_resent)
		xs->undo.retrans++;
	if (!xs->undo.retrans)
		xs->undo.retrans = -1;
}

/**
 * xtcp_undo_resent - count segments that were sent again
 * @sk: the socket, locked
 * @segs: number of segments
 * @sent_ns: time of their transmission, which their TSval tells
 */
void xtcp_undo_resent(struct sock *sk, u32 segs, u64 sent_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (!xs->undo.ts_set) {
		xs->undo.ts_set = 1;
		xs->undo.ts = xtcp_tsval_at(xs, sent_ns);
	}
	xs->undo.retrans = max_t(s32, xs->undo.retrans, 0) + segs;
}

/**
 * xtcp_undo_any_resent - check whether something in flight was sent again
 * @sk: the socket, locked
 *
 * Return: true if a retransmission is in flight, or the oldest segment was sent again
 */
bool xtcp_undo_any_resent(struct sock *sk)
{
	const struct sk_buff *oldest = xtcp_sendq_oldest(sk);

	xtcp_assert_owned(sk);
	return xtcp_sk(sk)->retrans_out || (oldest && xtcp_cb(oldest)->retrans);
}

/**
 * xtcp_undo_forget_ts - forget when the first retransmission was made, unless one may still arrive
 * @sk: the socket, locked
 *
 * The next one is the first then.
 */
void xtcp_undo_forget_ts(struct sock *sk)
{
	xtcp_assert_owned(sk);
	if (!xtcp_undo_any_resent(sk))
		xtcp_sk(sk)->undo.ts_set = 0;
}

/* --- D-SACK ------------------------------------------------------------- */

/* RFC 2883 4: below SEG.ACK, or part of the second block. */
static bool block_is_dsack(struct sock *sk, const struct xtcp_seg *seg)
{
	const struct xtcp_sack_block *b = seg->opt.sack;

	if (seq_before(b[0].start, seg->ack)) {
		XTCP_INC(sock_net(sk), DSACK_RECV);
		return true;
	}
	if (seg->opt.nr_sacks > 1 && !seq_after(b[0].end, b[1].end) &&
	    !seq_before(b[0].start, b[1].start)) {
		XTCP_INC(sock_net(sk), DSACK_OFO_RECV);
		return true;
	}
	return false;
}

/*
 * Segments that a D-SACK reports; 0 if that is impossible: more than a window,
 * or more duplicates than were ever sent again.
 */
static u32 dsack_segs(struct xtcp_sock *xs, const struct xtcp_sack_block *b,
		      struct xtcp_acked *a)
{
	u32 mss = max(xs->mss, 1U);
	u32 len, segs = 1;

	if (!seq_before(b->start, b->end))
		return 0;
	len = seq_dist(b->start, b->end);
	if (len > xs->snd_wnd_max)
		return 0;
	if (len > mss)
		segs = DIV_ROUND_UP(len, mss);
	else if (xs->probe_out && xs->probe_seq == b->end)
		a->dsack_of_probe = 1;
	/* It must not wrap: a peer can report as many as it likes. */
	xs->dsack_segs = min_t(u64, (u64)xs->dsack_segs + segs, U32_MAX);
	return xs->dsack_segs > xs->total_retrans ? 0 : segs;
}

static void undo_discount(struct xtcp_sock *xs, seq_t end, u32 segs)
{
	if (xs->undo.armed && xs->undo.retrans > 0 &&
	    seq_after(end, xs->undo.seq))
		xs->undo.retrans = max_t(s32, xs->undo.retrans - (s32)segs, 0);
}

/* A duplicate of something in flight: its second copy has arrived. */
static void duplicate_in_flight(struct sock *sk, struct sk_buff *skb,
				struct xtcp_acked *a)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 segs = xtcp_sendq_segs(skb);

	undo_discount(xs, cb->end, segs);
	if ((cb->marks & XTCP_MARK_SACKED) &&
	    (!a->sack_late || seq_before(cb->seq, a->sack_late_seq))) {
		a->sack_late = 1;
		a->sack_late_seq = cb->seq;
	}
	/*
	 * A segment that is marked lost keeps XTCP_MARK_RETRANS: the second SACK block reports its
	 * arrival, or the ACK contradicts itself.
	 */
	if ((cb->marks & (XTCP_MARK_RETRANS | XTCP_MARK_LOST)) == XTCP_MARK_RETRANS) {
		cb->marks &= ~XTCP_MARK_RETRANS;
		xs->retrans_out -= segs;
	}
}

/*
 * Only segments that were sent again can have arrived twice; the part of a
 * block beyond them is ignored. dsack_segs() limits the number of blocks, by that of
 * retransmissions.
 */
static void block_duplicate(struct sock *sk, const struct xtcp_sack_block *b,
			    struct xtcp_acked *a)
{
	struct sk_buff *skb = xtcp_sendq_find(sk, b->start);

	while (skb && xtcp_cb(skb)->retrans) {
		skb = xtcp_scoreboard_covered(sk, skb, b);
		if (!skb || !xtcp_cb(skb)->retrans)
			break;
		duplicate_in_flight(sk, skb, a);
		skb = skb_rb_next(skb);
	}
}

/*
 * Count a D-SACK that is wrong, or concerns no current reduction. As in Linux only if
 * something was in flight, which this ACK may have acknowledged.
 */
static void dsack_in_vain(struct sock *sk, const struct xtcp_acked *a)
{
	if (!xtcp_acked_had_flight(xtcp_sk(sk), a))
		return;
	if (xtcp_sk(sk)->undo.armed)
		XTCP_INC(sock_net(sk), DSACK_IGNORED_OLD);
	else
		XTCP_INC(sock_net(sk), DSACK_IGNORED_NO_UNDO);
}

/**
 * xtcp_undo_dsack_received - process the first SACK block if it is a D-SACK
 * @sk: the socket, locked; the cumulative part of the ACK is processed
 * @seg: segment with SACK blocks
 * @a: what the ACK says
 *
 * Return: true if it is a D-SACK, and so reports no arrival; false for an
 * impossible one, which the caller discards
 */
bool xtcp_undo_dsack_received(struct sock *sk, const struct xtcp_seg *seg,
			      struct xtcp_acked *a)
{
	const struct xtcp_sack_block *b = &seg->opt.sack[0];
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	u32 segs;

	xtcp_assert_owned(sk);
	if (!block_is_dsack(sk, seg))
		return false;
	segs = dsack_segs(xs, b, a);
	if (!segs) {
		XTCP_INC(net, DSACK_IGNORED_DUBIOUS);
		return false;
	}
	XTCP_ADD(net, DSACK_RECV_SEGS, segs);
	a->dsack = 1;
	a->delivered += segs;
	/* RACK's window was too short, unless the duplicate is a probe's. */
	if (xs->reord_seen && !a->dsack_of_probe)
		xs->rack.dsack = 1;

	/*
	 * Part of a duplicate can't have been acknowledged before: one that begins at SND.UNA or
	 * below must end there, too.
	 */
	if (xtcp_scoreboard_block_is_sound(xs, b))
		block_duplicate(sk, b, a);
	else if (!xs->undo.armed || !seq_after(b->end, xs->undo.seq) ||
		 seq_after(b->end, xs->snd_una))
		dsack_in_vain(sk, a);
	else
		undo_discount(xs, b->end, segs);
	return true;
}

/* --- timestamps --------------------------------------------------------- */

/* Some peers echo TSecr 0, which stands for no time. */
static bool echo_is_before(const struct xtcp_acked *a, u32 tsval)
{
	return a->has_tsecr && a->tsecr && (s32)(a->tsecr - tsval) < 0;
}

/**
 * xtcp_undo_is_echo_of_earlier - check whether an ACK answers an earlier copy
 * @xs: the connection
 * @a: what the ACK says
 * @cb: a segment that it acknowledges
 *
 * Return: true if its echo is older than the last transmission of @cb
 */
bool xtcp_undo_is_echo_of_earlier(const struct xtcp_sock *xs,
				  const struct xtcp_acked *a,
				  const struct xtcp_skb_cb *cb)
{
	return cb->retrans && echo_is_before(a, xtcp_tsval_at(xs, cb->sent_ns));
}

/**
 * xtcp_undo_was_delayed - check whether the segment acknowledged was only late
 * @xs: the connection, locked
 * @a: what the ACK says
 *
 * Return: true if the echo is older than the first retransmission, or nothing
 * was sent again at all. Without SACK the latter is unknown once all of the
 * recovery is acknowledged
 */
bool xtcp_undo_was_delayed(const struct xtcp_sock *xs,
			   const struct xtcp_acked *a)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (xs->undo.ts_set)
		return echo_is_before(a, xs->undo.ts);
	return xs->sack_ok || seq_before(xs->snd_una, xs->recover);
}

/**
 * xtcp_undo_all_duplicate - check whether all retransmissions were duplicates
 * @xs: the connection, locked
 *
 * Return: true if D-SACKs have reported all of them
 */
bool xtcp_undo_all_duplicate(const struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	return xs->undo.armed && !xs->undo.retrans;
}

/**
 * xtcp_undo_is_due - check whether the reduction was unfounded
 * @xs: the connection, locked
 * @a: what the ACK says
 *
 * Return: true if it was
 */
bool xtcp_undo_is_due(const struct xtcp_sock *xs, const struct xtcp_acked *a)
{
	xtcp_assert_owned(&xs->inet.sk);
	return xs->undo.armed &&
	       (!xs->undo.retrans || xtcp_undo_was_delayed(xs, a));
}

/**
 * xtcp_undo_restore - undo the reduction
 * @sk: the socket, locked
 * @absolve: clear all losses, too
 */
void xtcp_undo_restore(struct sock *sk, bool absolve)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (absolve)
		xtcp_scoreboard_absolve(sk);
	if (xs->prior_ssthresh) {
		xtcp_congestion_restore(xs);
		xtcp_ecn_restored(xs);
	}
	xs->undo.armed = 0;
	/* Let RACK check the late segments again. */
	xs->rack.advanced = 1;
}
