// SPDX-License-Identifier: GPL-2.0
/*
 * ack.c - when to acknowledge: at once, delayed, or along with data
 *
 * RFC 9293 3.8.6.3 (delayed ACK), RFC 5681 4.2. Whoever finds that the peer
 * is owed an ACK marks it (xtcp_ack_now(), xtcp_ack_payload_received()); at the
 * end of the segment xtcp_ack_flush() decides whether it goes now or waits
 * for the user's answer or the timer. Any segment with ACK pays the debt.
 *
 * Between the two stands an ACK that goes soon (XTCP_ACK_SOON). What the peer
 * has said in one small segment, pushed, or with its FIN, is for the user to
 * answer: as a rule the next call is send() or close(), and the segment that it
 * makes carries the ACK. So a request and its answer, or the closing of both
 * sides (LC-80), save a segment. When that call is a recv() that finds nothing,
 * or none comes within a millisecond, the ACK goes by itself. Linux sends such
 * ACKs at once in the beginning, and holds that of a FIN back for 40 ms.
 *
 * Later, too, what is pushed or small may be all that the peer can send before
 * it is acknowledged. So when the user has read everything and is not one who
 * answers, that is acknowledged, as in Linux: a delay would cost the peer time,
 * and the ACKs of single segments let it send in smaller bursts.
 *
 * Socket lock; softirq, or process context when the backlog is worked off.
 */
#include "transfer/ack.h"

#include <linux/minmax.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <net/dst.h>

#include "net/seq.h"
#include "net/wire.h"
#include "segment/output.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/autotune.h"
#include "transfer/rtt.h"
#include "transfer/window.h"
#include "user/stats.h"

/* ACKs sent at once while the peer's window is still opening; Linux: 16. */
#define QUICKACKS_MAX	16U

/*
 * How long an ACK that goes soon waits. Enough for a program that is ready to
 * run, too little to delay a peer whose next segment depends on the ACK.
 */
#define ACK_SOON_US	1000U

/* Duplicate ACKs that every sender understands; RFC 5681 3.2. */
#define DUPLICATES_ENOUGH	3U

/* Without any segment of the peer its size is taken for this; octets. */
#define RCV_MSS_MIN	88U

/**
 * xtcp_ack_init - nothing was received yet
 * @sk: the socket
 */
void xtcp_ack_init(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xs->ack = 0;
	xs->quickack = 0;
	xs->pingpong = 0;
	xs->ack_eager = 0;
	xs->ato_ms = 0;
	xs->acks_merged = 0;
	xs->dup_acks = 0;
	xs->rcv_mss = clamp_t(u32, xs->advmss ? xs->advmss : XTCP_MSS_DEFAULT,
			      RCV_MSS_MIN, XTCP_MSS_DEFAULT);
}

/*
 * ACK each of the next segments at once, enough to open the peer's window;
 * but where the user answers (pingpong), the answers do that.
 */
static void quickack_start(struct xtcp_sock *xs)
{
	u32 segs = xs->rcv_wnd / (2U * xs->rcv_mss);

	xs->quickack = clamp(segs, 2U, QUICKACKS_MAX);
}

/**
 * xtcp_ack_quickly - the peer needs ACKs, do not wait for answers to carry them
 * @xs: the connection, locked
 * @segs: so many segments are acknowledged at once
 */
void xtcp_ack_quickly(struct xtcp_sock *xs, u32 segs)
{
	u32 most = xs->rcv_wnd / (2U * xs->rcv_mss);

	segs = min(segs, most ?: 2U);
	xs->quickack = max_t(u32, xs->quickack, segs);
	xs->pingpong = 0;
	xs->ato_ms = XTCP_ATO_MIN_MS;
	xs->ack |= XTCP_ACK_PENDING | XTCP_ACK_NOW;
}

/**
 * xtcp_ack_refused - text came that is here already, or for which no room is
 * @sk: the socket, locked
 *
 * The peer missed an ACK of ours; it is to miss nothing more.
 */
void xtcp_ack_refused(struct sock *sk)
{
	xtcp_ack_quickly(xtcp_sk(sk), QUICKACKS_MAX);
}

/*
 * The largest segment seen tells what a full segment of the peer is. A
 * smaller one without PSH was not cut short by the end of a write, so it is
 * full as well: the path has become narrower.
 */
static void measure_rcv_mss(struct sock *sk, const struct sk_buff *skb)
{
	u32 len = skb_shinfo(skb)->gso_size ?: skb->len;
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xs->advmss)
		len = min_t(u32, len, xs->advmss);
	if (len > xs->rcv_mss) {
		xs->rcv_mss = len;
		xtcp_autotune_segment(sk, skb);
	} else if (len < xs->rcv_mss && len >= XTCP_MSS_DEFAULT &&
		   !(xtcp_cb(skb)->flags & (XTCP_PSH | XTCP_FIN))) {
		xs->rcv_mss = len;
	}
}

/*
 * The delay follows the spacing of the peer's segments, between
 * XTCP_ATO_MIN_MS and XTCP_ATO_MAX_MS and no longer than an RTO, so that it
 * is never the ACK that the peer's timer waits for.
 */
static void delay_follow(struct xtcp_sock *xs)
{
	u32 now_ms = div_u64(xs->last_rcv_ns, NSEC_PER_MSEC);
	u32 gap_ms = now_ms - xs->last_payload_ms;

	xs->last_payload_ms = now_ms;
	if (!xs->ato_ms) {
		quickack_start(xs);
		xs->ato_ms = XTCP_ATO_MIN_MS;
		return;
	}

	if (gap_ms <= XTCP_ATO_MIN_MS / 2)
		xs->ato_ms = xs->ato_ms / 2 + XTCP_ATO_MIN_MS / 2;
	else if (gap_ms < xs->ato_ms)
		xs->ato_ms = xs->ato_ms / 2 + gap_ms;
	else if (gap_ms > xs->rto_us / USEC_PER_MSEC)
		quickack_start(xs);	/* a pause: the peer starts slowly */
	xs->ato_ms = clamp_t(u32, xs->ato_ms, XTCP_ATO_MIN_MS,
			     XTCP_ATO_MAX_MS);
}

/*
 * Would this text's ACK go at once, though the user may be about to answer?
 * A peer that sent a small segment, pushed, has no more to say as a rule, so
 * that its window need not be opened.
 */
static bool answer_is_likely(const struct xtcp_sock *xs,
			     const struct sk_buff *skb)
{
	return xs->quickack && !xs->pingpong && !xs->ack_eager &&
	       (xtcp_cb(skb)->flags & XTCP_PSH) &&
	       skb->len < min(xs->rcv_mss, xs->peer_mss);
}

/**
 * xtcp_ack_payload_received - text came in order: an ACK is owed
 * @sk: the socket, locked
 * @skb: the text, header pulled
 */
void xtcp_ack_payload_received(struct sock *sk, const struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool owed = xs->ack & XTCP_ACK_PENDING;

	measure_rcv_mss(sk, skb);
	delay_follow(xs);
	if ((xtcp_cb(skb)->flags & XTCP_PSH) || skb->len < xs->rcv_mss)
		xs->ack |= XTCP_ACK_WHEN_READ;
	if (owed || !answer_is_likely(xs, skb))
		xs->ack &= ~XTCP_ACK_SOON;
	else
		xs->ack |= XTCP_ACK_SOON;
	xs->ack |= XTCP_ACK_PENDING;
}

/**
 * xtcp_ack_fin_received - the peer's FIN came in order: an ACK is owed
 * @sk: the socket, locked, in CLOSE-WAIT: the user may close it just now
 */
void xtcp_ack_fin_received(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	/* Whatever the user says next is the answer to all. */
	xs->pingpong = 1;
	xs->ack |= XTCP_ACK_PENDING;
	xs->ack |= xs->ack_eager ? XTCP_ACK_NOW : XTCP_ACK_SOON;
}

/**
 * xtcp_ack_payload_sent - the user answers what came in
 * @sk: the socket, locked
 * @now_ns: when
 *
 * Text that follows the peer's within the delay carries its ACK, and so may
 * the next one: leave it time to.
 */
void xtcp_ack_payload_sent(struct sock *sk, u64 now_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if ((u32)div_u64(now_ns, NSEC_PER_MSEC) - xs->last_payload_ms < xs->ato_ms)
		xs->pingpong = 1;
}

/**
 * xtcp_ack_now - an ACK is owed and must not wait
 * @sk: the socket, locked
 *
 * It is sent by xtcp_ack_flush() at the end of the segment.
 */
void xtcp_ack_now(struct sock *sk)
{
	xtcp_sk(sk)->ack |= XTCP_ACK_PENDING | XTCP_ACK_NOW;
}

/**
 * xtcp_ack_ahead - text came behind a hole: a duplicate ACK is owed
 * @sk: the socket, locked
 */
void xtcp_ack_ahead(struct sock *sk)
{
	xtcp_sk(sk)->ack |= XTCP_ACK_PENDING;
}

/**
 * xtcp_ack_wait - an ACK is owed, and the user is about to send text
 * @sk: the socket, locked
 *
 * The text carries it, if it comes within XTCP_ATO_MAX_MS.
 */
void xtcp_ack_wait(struct sock *sk)
{
	xtcp_sk(sk)->ack |= XTCP_ACK_PENDING;
	xtcp_timer_set(sk, XTCP_TIMER_DELAYED_ACK,
		       XTCP_ATO_MAX_MS * NSEC_PER_MSEC);
}

/* A route with "quickack" has no ACK delayed. */
static bool route_wants_acks(const struct sock *sk)
{
	const struct dst_entry *dst = rcu_dereference_raw(sk->sk_dst_cache);

	return unlikely(dst && dst_metric(dst, RTAX_QUICKACK));
}

/*
 * RFC 5681 4.2: at least every second full segment. But where an ACK would tell
 * of a window that has shrunk, because the user has not read yet, it waits for
 * him, or for the timer: the next recv() makes one ACK of many, and one that
 * opens the window. Not yet, though, if the buffer is far larger than what has
 * come: then the peer is in slow start, where each ACK that is missing is a
 * segment less in its window. As Linux does, whose window opens in such steps.
 */
static bool more_than_a_segment_is_owed(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (seq_dist(xs->rcv_wup, xs->rcv_nxt) <= (s32)xs->rcv_mss)
		return false;
	return seq_dist(xs->copied_seq, xs->rcv_nxt) < sk->sk_rcvlowat ||
	       xtcp_window_holds(sk) ||
	       xs->bytes_received + XTCP_WINDOW_MAX <
	       xtcp_window_limit(sk);
}

/* RFC 5681 4.2: at once when there is a hole. */
static bool ack_is_due(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if ((xs->ack & XTCP_ACK_NOW) || route_wants_acks(sk))
		return true;
	if (xs->quickack && !xs->pingpong && !(xs->ack & XTCP_ACK_SOON))
		return true;
	return more_than_a_segment_is_owed(sk);
}

/*
 * Where xtcp_rto_min_us makes timeouts short, the peer has it so too: the ACK
 * leaves a millisecond before its timer may fire. Linux: a clock tick. Nor does
 * it wait longer than a round trip, if that is known: as in Linux.
 */
static u64 ack_delay_ns(const struct xtcp_sock *xs)
{
	u32 rto_min_us = xtcp_rtt_rto_min_us(xs);
	u32 most_us = rto_min_us > 2 * USEC_PER_MSEC ?
		      rto_min_us - USEC_PER_MSEC : rto_min_us / 2;
	u32 delay_us = xs->ack & XTCP_ACK_SOON ? ACK_SOON_US :
		       xs->ato_ms * USEC_PER_MSEC;

	if (xs->srtt_us)
		most_us = min(most_us, max_t(u32, xs->srtt_us >> 3,
					     XTCP_ATO_MIN_MS * USEC_PER_MSEC));
	return (u64)min(delay_us, most_us) * NSEC_PER_USEC;
}

/* A running timer keeps its deadline (MUST-40), unless it is to go sooner. */
static void ack_wait(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xtcp_timer_is_set(xs, XTCP_TIMER_DELAYED_ACK) ||
	    (xs->ack & XTCP_ACK_SOON))
		xtcp_timer_set_from(sk, XTCP_TIMER_DELAYED_ACK, xs->last_rcv_ns,
				    ack_delay_ns(xs));
}

/*
 * Something is missing, and each segment behind it is worth a duplicate ACK
 * (RFC 5681 4.2). The peer needs three to believe in a loss. What comes after
 * these may share an ACK, whose SACK blocks tell of all of it: within a
 * twentieth of a round trip, so that the peer's clock of ACKs goes on. False:
 * the ACK goes now.
 */
static bool duplicate_waits(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	u64 delay_ns;
	u32 rtt_us;

	if (!xs->sack_ok || xs->acks_merged >= XTCP_KNOB(net, comp_sack_nr))
		return false;
	if (xs->dup_ack_seq != xs->rcv_nxt) {
		xs->dup_ack_seq = xs->rcv_nxt;
		xs->dup_acks = 0;
	}
	if (xs->dup_acks < DUPLICATES_ENOUGH) {
		xs->dup_acks++;
		return false;
	}
	if (xs->acks_merged++)
		return true;

	rtt_us = min_not_zero(xtcp_autotune_rtt_us(xs), xs->srtt_us >> 3);
	delay_ns = min((u64)rtt_us * NSEC_PER_USEC / 20,
		       (u64)XTCP_KNOB(net, comp_sack_delay_ns));
	xtcp_timer_set(sk, XTCP_TIMER_DELAYED_ACK, delay_ns);
	return true;
}

/**
 * xtcp_ack_forgetting - a block is about to be forgotten that no ACK told of
 * @sk: the socket, locked; more was received ahead than SACK blocks can say
 */
void xtcp_ack_forgetting(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xs->acks_merged <= DUPLICATES_ENOUGH)
		return;
	xs->acks_merged--;
	xtcp_output_ack(sk);
	/* For the segment that pushes it out an ACK is still owed. */
	xs->ack |= XTCP_ACK_PENDING;
}

/**
 * xtcp_ack_flush - end of a segment: send the ACK that is owed, or wait
 * @sk: the socket, locked
 *
 * While release_sock() works off what came in behind the user's back, the
 * whole batch is taken in before one ACK answers it (RFC 9293 MUST-59).
 */
void xtcp_ack_flush(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!(xs->ack & XTCP_ACK_PENDING))
		return;
	if (!ack_is_due(sk)) {
		if (RB_EMPTY_ROOT(&xs->ofo_queue))
			ack_wait(sk);
		else if (!duplicate_waits(sk))
			xtcp_output_ack(sk);
	} else if (sock_owned_by_user_nocheck(sk) && !RB_EMPTY_ROOT(&xs->ofo_queue)) {
		/* Each segment behind a hole is a duplicate ACK: RFC 5681. */
		xtcp_output_ack(sk);
	} else if (sock_owned_by_user_nocheck(sk)) {
		xs->ack |= XTCP_ACK_NOW;
		set_bit(XTCP_DEFER_ACK, &xs->deferred);
	} else {
		xtcp_output_ack(sk);
	}
}

/**
 * xtcp_ack_deferred - the backlog is worked off: pay what is still owed
 * @sk: the socket, locked; from release_cb, for XTCP_DEFER_ACK
 */
void xtcp_ack_deferred(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if ((xs->ack & XTCP_ACK_NOW) && xtcp_state_in(sk, XTCP_SYNCHRONIZED))
		xtcp_output_ack(sk);
}

/**
 * xtcp_ack_is_read - the user has read: was an ACK waiting for that
 * @sk: the socket, locked, with an ACK pending
 *
 * More than a segment is owed, or all of it was read.
 */
bool xtcp_ack_is_read(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (seq_dist(xs->rcv_wup, xs->rcv_nxt) > (s32)xs->rcv_mss)
		return true;
	return (xs->ack & (XTCP_ACK_WHEN_READ | XTCP_ACK_SOON)) ==
	       XTCP_ACK_WHEN_READ && !xs->pingpong &&
	       xs->copied_seq == xs->rcv_nxt;
}

/**
 * xtcp_ack_reader_waits - the user asks for more, and there is none
 * @sk: the socket, locked
 *
 * So there will be no answer yet for the ACK to ride on.
 */
void xtcp_ack_reader_waits(struct sock *sk)
{
	if (xtcp_sk(sk)->ack & XTCP_ACK_SOON)
		xtcp_output_ack(sk);
}

/**
 * xtcp_ack_sent - a segment with ACK left and told all there is to tell
 * @sk: the socket, locked
 */
void xtcp_ack_sent(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if ((xs->ack & XTCP_ACK_PENDING) && xs->quickack) {
		xs->quickack--;
		if (!xs->quickack)
			xs->ato_ms = XTCP_ATO_MIN_MS;
	}
	if (unlikely(xs->acks_merged)) {
		XTCP_ADD(sock_net(sk), ACK_COMPRESSED, xs->acks_merged);
		xs->acks_merged = 0;
	}
	xs->ack = 0;
	xtcp_timer_clear(sk, XTCP_TIMER_DELAYED_ACK);
}

/**
 * xtcp_ack_timeout - the delayed ACK must wait no longer
 * @sk: the socket, locked; softirq
 */
void xtcp_ack_timeout(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!(xs->ack & XTCP_ACK_PENDING) ||
	    xtcp_state_in(sk, XTCP_STATEF(XTCP_CLOSED) |
			      XTCP_STATEF(XTCP_LISTEN)))
		return;

	if (xs->acks_merged) {
		/* One of them is sent. */
		xs->acks_merged--;
		xtcp_output_ack(sk);
		return;
	}
	if (xs->ack & XTCP_ACK_SOON) {
		xtcp_output_ack(sk);
		return;
	}
	/*
	 * Interactive traffic, but no answer came to carry the ACK: next time
	 * don't wait for one. Else the peer is slower than thought.
	 */
	if (xs->pingpong) {
		xs->pingpong = 0;
		xs->ato_ms = XTCP_ATO_MIN_MS;
	} else {
		xs->ato_ms = min_t(u32, xs->ato_ms * 2U, XTCP_ATO_MAX_MS);
	}
	xtcp_lifecycle_sk(sk, XTCP_EV_DELAYED_ACK_TIMEOUT);
	xtcp_output_ack(sk);
	XTCP_INC(sock_net(sk), DELAYED_ACKS);
}
