// SPDX-License-Identifier: GPL-2.0
/*
 * rack.c - loss detection by time
 *
 * RFC 8985 6.2, RACK: a segment is lost when a segment that was sent later has
 * been delivered and a round trip plus the reordering window have passed since
 * it was sent. That holds for retransmissions, too, and for the last segments
 * of a flight, which no three others can follow:
 *
 *   sent             1 . . . . . . . 2 . 3
 *                                        |<-- RTT of 3 -->| ACK of 3
 *   deadline of 1    |<-- RTT of 3 -->|reo_wnd|
 *   deadline of 2                    |<-- RTT of 3 -->|reo_wnd|
 *
 * Here 1 is lost when the ACK of 3 arrives, and 2 a little later, by the timer.
 *
 * xs->sent_order lists the segments in flight by the time of their last
 * transmission, so that the ones to check come first.
 *
 * The reordering window is 0 until reordering has been seen, if enough segments
 * above a hole or a recovery suggest a loss. Otherwise it is a quarter of the
 * minimum RTT, and one more quarter for each round trip in which a D-SACK showed
 * that this was too little, up to the smoothed RTT. After 16 recoveries without
 * such a D-SACK it is a quarter again.
 *
 * Context: socket lock; softirq, or process for the backlog.
 */
#include "transfer/rack.h"

#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "clock.h"
#include "net/seq.h"
#include "net/wire.h"
#include "netns.h"
#include "tcb.h"
#include "transfer/rtt.h"
#include "transfer/scoreboard.h"

/* Bits of xtcp_recovery. */
#define RECOVERY_RACK		0x1	/* RACK rather than RFC 6675 */
#define RECOVERY_STATIC_WINDOW	0x2	/* D-SACKs don't widen the window */
#define RECOVERY_NO_DUPTHRESH	0x4	/* xs->reordering arrivals don't set the window to 0 */

#define WINDOW_STEPS_MAX	255U

/**
 * xtcp_rack_init - initialize the state of a new connection
 * @xs: TCB of the connection
 */
void xtcp_rack_init(struct xtcp_sock *xs)
{
	xs->rack.sent_ns = 0;
	xs->rack.rtt_us = 0;
	xs->rack.steps = 1;
	xs->rack.persist = 0;
	xs->rack.advanced = 0;
	xs->rack.dsack = 0;
	xs->rack.round = xs->snd_una;
}

/**
 * xtcp_rack_is_on - check whether xtcp_recovery selects RACK
 * @xs: the connection
 *
 * Return: true if it does
 */
bool xtcp_rack_is_on(const struct xtcp_sock *xs)
{
	return XTCP_KNOB(sock_net(&xs->inet.sk), recovery) & RECOVERY_RACK;
}

/* Was the segment that RACK goes by sent later than this one? */
static bool rack_is_later(const struct xtcp_sock *xs,
			  const struct xtcp_skb_cb *cb)
{
	return xtcp_rack_sent_after(xs->rack.sent_ns, xs->rack.end, cb->sent_ns, cb->end);
}

/**
 * xtcp_rack_delivered - a segment has arrived
 * @xs: the connection, locked
 * @cb: the segment
 * @now_ns: time when its ACK arrived
 *
 * Steps 1 and 2 of 6.2. If a segment was sent again and its ACK arrives in less
 * than the minimum RTT, the ACK is that of the first copy and gives no sample.
 * Neither does a segment that the peer had SACKed and then dropped, because its
 * time of sending is no longer known.
 *
 * Return: microseconds from its last transmission to the ACK
 */
u32 xtcp_rack_delivered(struct xtcp_sock *xs, const struct xtcp_skb_cb *cb,
			u64 now_ns)
{
	u32 rtt_us = xtcp_rtt_us_between(cb->sent_ns, now_ns);

	xtcp_assert_owned(&xs->inet.sk);
	if (!cb->sent_ns)
		return rtt_us;
	if (cb->retrans && rtt_us < xtcp_rtt_min_us(xs))
		return rtt_us;
	xs->rack.advanced = 1;
	/*
	 * In a flight that has shown delays the time only grows (xtcp_rack_rtt_raise()): a segment
	 * that took the short way says nothing of those that took the long one.
	 */
	if (!xs->undo.absolved || !seq_before(xs->snd_una, xs->recover) ||
	    rtt_us > xs->rack.rtt_us)
		xs->rack.rtt_us = rtt_us;
	if (!xs->rack.sent_ns || !rack_is_later(xs, cb)) {
		xs->rack.sent_ns = cb->sent_ns;
		xs->rack.end = cb->end;
	}
	return rtt_us;
}

/**
 * xtcp_rack_rtt_raise - wait at least as long as for a late segment
 * @xs: the connection, locked
 * @rtt_us: microseconds from its first transmission to the ACK
 *
 * The ACK shows that a segment which counted as lost was only late, and its recovery has been
 * undone (undo.absolved). Until this flight is acknowledged, RACK.rtt does not become shorter
 * than @rtt_us. xtcp_rack_delivered() cannot measure it: it times the retransmission.
 */
void xtcp_rack_rtt_raise(struct xtcp_sock *xs, u32 rtt_us)
{
	xtcp_assert_owned(&xs->inet.sk);
	xs->rack.rtt_us = max(xs->rack.rtt_us, rtt_us);
}

/**
 * xtcp_rack_window_adapt - adapt the reordering window
 * @xs: the connection, locked; after the cumulative part of an ACK
 *
 * Step 4 of 6.2: at most one step a round trip.
 */
void xtcp_rack_window_adapt(struct xtcp_sock *xs)
{
	u8 recovery = XTCP_KNOB(sock_net(xtcp_to_sk(xs)), recovery);

	xtcp_assert_owned(&xs->inet.sk);
	if (recovery & RECOVERY_STATIC_WINDOW)
		return;
	if (xs->rack.dsack && !seq_before(xs->snd_una, xs->rack.round)) {
		xs->rack.steps = min(xs->rack.steps + 1U, WINDOW_STEPS_MAX);
		xs->rack.persist = XTCP_RACK_PERSIST;
		xs->rack.round = xs->snd_nxt;
	} else if (!xs->rack.persist) {
		xs->rack.steps = 1;
	}
	xs->rack.dsack = 0;
}

static u32 rack_window_us(const struct xtcp_sock *xs)
{
	u8 recovery = XTCP_KNOB(sock_net(&xs->inet.sk), recovery);

	if (!xs->reord_seen) {
		if (xs->recovery >= XTCP_RECOVERY_FAST)
			return 0;
		if (xs->sacked_out >= xs->reordering &&
		    !(recovery & RECOVERY_NO_DUPTHRESH))
			return 0;
	}
	return min_t(u64, (u64)(xtcp_rtt_min_us(xs) >> 2) * xs->rack.steps,
		     xs->rtt.srtt_us >> 3);
}

/* Time after which @skb is lost; lost already if 0 or less. */
static s64 rack_left_ns(const struct xtcp_sock *xs, const struct sk_buff *skb,
			u32 wnd_us, u64 now_ns)
{
	u64 allowed_ns = ((u64)xs->rack.rtt_us + wnd_us) * NSEC_PER_USEC;
	s64 gone_ns = now_ns - xtcp_cb(skb)->sent_ns;

	/*
	 * @skb's time of departure is in the future: fq should hold @skb still. If a segment that
	 * leaves even later has arrived already, fq was replaced, and these times say nothing: @skb
	 * is lost.
	 */
	if (unlikely(gone_ns < 0))
		return xs->rack.sent_ns > now_ns ? 0 : allowed_ns;
	return (s64)allowed_ns - gone_ns;
}

/**
 * xtcp_rack_detect - mark segments as lost that have taken too long
 * @sk: the socket, locked
 *
 * Step 5 of 6.2. The RFC, and Linux, set the timer for the last of the segments
 * that may still arrive; xtcp sets it for the first, because that is free to
 * find. The timer's slack combines it with those that follow closely.
 *
 * Return: nanoseconds until the next segment would be lost; 0 if there is none
 */
u64 xtcp_rack_detect(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 wnd_us = rack_window_us(xs);
	u64 now_ns = xtcp_now_ns();
	struct sk_buff *skb, *next;

	xtcp_assert_owned(sk);
	xs->rack.advanced = 0;
	list_for_each_entry_safe(skb, next, &xs->sent_order,
				 tcp_tsorted_anchor) {
		s64 left_ns;

		if (!rack_is_later(xs, xtcp_cb(skb)))
			break;
		left_ns = rack_left_ns(xs, skb, wnd_us, now_ns);
		if (left_ns > 0)
			return left_ns;
		xtcp_scoreboard_lose_copies(sk, skb);
	}
	return 0;
}

/**
 * xtcp_rack_is_recent - check whether a segment was sent less than an RTT ago
 * @sk: the socket, locked
 * @skb: in flight
 *
 * RFC 8985 6.3: such a segment has not timed out when another one has.
 *
 * Return: true if it was
 */
bool xtcp_rack_is_recent(const struct sock *sk, const struct sk_buff *skb)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	return xtcp_rack_is_on(xs) &&
	       !(xtcp_cb(skb)->marks & XTCP_MARK_SACKED) &&
	       rack_left_ns(xs, skb, 0, xtcp_now_ns()) > 0;
}
