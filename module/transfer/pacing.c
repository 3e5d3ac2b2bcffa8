// SPDX-License-Identifier: GPL-2.0
/*
 * pacing.c - how fast segments are sent
 *
 * A window sent in one burst needs a queue of that size somewhere on the path.
 * So the socket has a rate: xtcp_pacing_ss_ratio percent of a window per round
 * trip while cwnd is below half of ssthresh, xtcp_pacing_ca_ratio percent later;
 * at most SO_MAX_PACING_RATE. The qdisc fq spaces segments by it, and burst.c
 * sizes skbs by it. If the user sets a rate or the congestion control paces, and
 * there is no fq, xtcp spaces the bursts itself: each is due when the time of the
 * one before is over.
 *
 * Context: socket lock; process or softirq.
 */
#include "transfer/pacing.h"

#include <linux/math64.h>
#include <linux/minmax.h>

#include "clock.h"
#include "deadlines.h"
#include "netns.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/acked.h"
#include "transfer/congestion.h"
#include "transfer/recovery.h"
#include "transfer/send.h"

/*
 * As in sch_fq, a connection may send this many segments at once in the
 * beginning, so that pacing does not delay a short answer.
 */
#define UNPACED_SEGS	10

/*
 * The due time is in ticks of 64 ns: a segment of 1,448 bytes takes 18 of them at 10 Gbit/s. It has
 * 32 bits and wraps in 275 s. A burst takes a minute at most (BURST_MAX), and so does the wait for
 * it; fq holds bursts for 9 s at most (FQ_AHEAD_MAX). If the last sending was 90 s ago, the due
 * time is meaningless.
 */
#define TICK_SHIFT	6
#define TICKS_PER_SEC	((u32)(NSEC_PER_SEC >> TICK_SHIFT))
#define BURST_MAX	(60 * TICKS_PER_SEC)
#define DUE_MAX_NS	(90ULL * NSEC_PER_SEC)

/*
 * fq drops what is due later than in 10 s (its option horizon). If another qdisc has replaced
 * it and nobody paces, the due time runs ahead of the clock, and no further than this.
 */
#define FQ_AHEAD_MAX	(9 * TICKS_PER_SEC)

/*
 * If a burst that was held is late by at most 2 ms (the timer's delay), the next one is earlier by
 * all of it. If it is later, or late because the program had no data or the window no room, the
 * next one is earlier by half of the burst's own duration at most, as in Linux.
 */
#define CREDIT		((s32)(TICKS_PER_SEC / 500))

/* True while pacing has not begun; then there is no due time. */
static bool pacing_is_off(const struct xtcp_sock *xs)
{
	return xs->data_segs_out < UNPACED_SEGS;
}

/*
 * Only what has left counts as sent: after minutes in which this host could not send there is no
 * due time either.
 */
static bool pacing_has_due(const struct xtcp_sock *xs, u64 now_ns)
{
	return xs->paced && now_ns - xs->last_snd_ns <= DUE_MAX_NS;
}

/* Ticks until the next burst is due. */
static u32 pacing_early(struct xtcp_sock *xs, u64 now_ns)
{
	u32 now = now_ns >> TICK_SHIFT;

	if (!pacing_has_due(xs, now_ns) || pacing_is_off(xs))
		xs->pace_due = now;
	return max((s32)(xs->pace_due - now), 0);
}

/**
 * xtcp_pacing_must_wait - check whether it is too early for the next burst
 * @sk: the socket, locked, paced by xtcp
 *
 * Return: true if it is; the timer is set then
 */
bool xtcp_pacing_must_wait(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 early = pacing_early(xs, xtcp_now_ns());

	xtcp_assert_owned(sk);
	if (!early)
		return false;
	xs->nagle |= XTCP_NAGLE_BURST;
	/* The end of a large write may have set a later time (send.c). */
	if (!xtcp_timer_is_set(xs, XTCP_TIMER_PACE) ||
	    (xs->nagle & XTCP_NAGLE_TAIL))
		xtcp_deadlines_burst_held(sk, (u64)early << TICK_SHIFT);
	return true;
}

/**
 * xtcp_pacing_departure_fq - xtcp_pacing_departure() if fq paces
 * @sk: the socket, locked
 * @now_ns: current time
 *
 * Return: time, never before that of an earlier call
 */
u64 xtcp_pacing_departure_fq(struct sock *sk, u64 now_ns)
{
	u32 early = pacing_early(xtcp_sk(sk), now_ns);

	xtcp_assert_owned(sk);
	if (!early)
		return now_ns;
	/* A burst that xtcp paced itself may have been longer. */
	return ((now_ns >> TICK_SHIFT) + min(early, FQ_AHEAD_MAX)) << TICK_SHIFT;
}

/**
 * xtcp_pacing_stamp_fq - tell fq when a segment is due: xtcp_pacing_stamp()
 * @sk: the socket, locked
 * @skb: about to be sent
 * @due_ns: xtcp_pacing_departure()
 *
 * TCP_TX_DELAY delays each segment, as in Linux; the RTT includes it.
 */
void xtcp_pacing_stamp_fq(struct sock *sk, struct sk_buff *skb, u64 due_ns)
{
	u32 delay_us = XTCP_SOCKOPT_RARE(xtcp_sk(sk), tx_delay_us);

	xtcp_assert_owned(sk);
	skb_set_delivery_time(skb, due_ns + (u64)delay_us * NSEC_PER_USEC, 1);
}

/**
 * xtcp_pacing_account - a burst was sent: compute when the next one is due
 * @sk: the socket, locked, paced by xtcp or fq
 * @bytes: payload of the burst
 *
 * xtcp_pacing_holds() or xtcp_pacing_departure() was called before the burst was sent, or
 * last_snd_ns still is the time of the one before.
 */
void xtcp_pacing_account(struct sock *sk, u32 bytes)
{
	unsigned long rate = READ_ONCE(sk->sk_pacing_rate);
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 now_ns = xtcp_now_ns();
	u32 now = now_ns >> TICK_SHIFT;
	s32 late, burst, credit, ahead_max;

	xtcp_assert_owned(sk);
	if (!pacing_has_due(xs, now_ns))
		xs->pace_due = now;
	xs->paced = 1;
	credit = (xs->nagle & XTCP_NAGLE_BURST) ? CREDIT : 0;
	xs->nagle &= ~XTCP_NAGLE_BURST;
	late = now - xs->pace_due;
	if (rate == ~0UL || !rate || pacing_is_off(xs)) {
		/* fq may hold segments until the time that was set before. */
		xs->pace_due += max(late, 0);
		return;
	}
	burst = min_t(u64, div64_ul((u64)bytes * TICKS_PER_SEC, rate), BURST_MAX);
	if (late > credit)
		xs->pace_due = now - min(late, burst / 2);
	xs->pace_due += burst;
	ahead_max = READ_ONCE(sk->sk_pacing_status) == SK_PACING_FQ ? FQ_AHEAD_MAX : BURST_MAX;
	if ((s32)(xs->pace_due - now) > ahead_max)
		xs->pace_due = now + ahead_max;
}

/**
 * xtcp_pacing_update - compute the rate from the window and the RTT
 * @sk: the socket, locked
 *
 * SRTT is scaled by 8.
 */
void xtcp_pacing_update(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool starts = xs->cwnd < xs->ssthresh / 2;
	u64 rate = (u64)xs->mss * (USEC_PER_SEC / 100 << 3);

	xtcp_assert_owned(sk);
	if (xtcp_congestion_paces(xs))
		return;
	rate *= starts ? XTCP_KNOB(sock_net(sk), pacing_ss_ratio) :
			 XTCP_KNOB(sock_net(sk), pacing_ca_ratio);
	rate *= max(xs->cwnd, xs->in_flight);
	if (xs->rtt.srtt_us)
		rate = div_u64(rate, xs->rtt.srtt_us);
	WRITE_ONCE(sk->sk_pacing_rate,
		   min_t(u64, rate, READ_ONCE(sk->sk_max_pacing_rate)));
}

/**
 * xtcp_pacing_timeout - the next burst, or the end of a large write, is due
 * @sk: the socket, locked; softirq or release_cb
 */
void xtcp_pacing_timeout(struct sock *sk)
{
	xtcp_assert_owned(sk);
	if (!xtcp_state_in(sk, XTCP_SENDING_STATES))
		return;
	xtcp_recovery_resume(sk);
	xtcp_send_push(sk, 0);
	if (xtcp_notsent_lowat(xtcp_sk(sk)) != U32_MAX)
		xtcp_acked_wake_writer(sk);
}
