// SPDX-License-Identifier: GPL-2.0
/*
 * rtt.c - round trip time and retransmission timeout
 *
 * RFC 6298 with Linux's two deviations: the minimum of 200 ms (knob
 * xtcp_rto_min_us) applies to the variance term, so that RTO = SRTT + max(200
 * ms, 4 * RTTVAR), and the variance follows the largest deviation within a
 * round trip upwards at once and downwards slowly. All in microseconds.
 *
 * Context: socket lock.
 */
#include "transfer/rtt.h"

#include <linux/minmax.h>
#include <linux/rtnetlink.h>
#include <net/dst.h>

#include "net/seq.h"
#include "netns.h"
#include "tcb.h"
#include "timers.h"

/* RTO after a SYN was retransmitted and no RTT was measured, RFC 6298 5.7. */
#define RTO_FALLBACK_US		3000000U

/* Time for which the minimum RTT is kept; Linux's default. */
#define MIN_RTT_WINDOW_MS	(300U * MSEC_PER_SEC)

/**
 * xtcp_rtt_init - reset all samples (RFC 6298 2.1)
 * @xs: the connection, locked or not yet visible
 */
void xtcp_rtt_init(struct xtcp_sock *xs)
{
	struct xtcp_rtt *rtt = &xs->rtt;

	rtt->srtt_us = 0;
	rtt->mdev_us = XTCP_RTO_INIT_US;
	rtt->mdev_max_us = xtcp_rtt_rto_min_us(xs);
	rtt->rttvar_us = XTCP_RTO_INIT_US;
	rtt->round_end = xs->snd_nxt;
	WRITE_ONCE(rtt->rto_us, XTCP_RTO_INIT_US);
	rtt->min_us = U32_MAX;
	rtt->min_last_us = U32_MAX;
}

/**
 * xtcp_rtt_route - use the route's RTT for a new connection
 * @sk: the socket, locked or not yet visible
 *
 * Metric "rtt lock", scaled by 8. A longer RTT than measured determines the
 * timeout until the next sample.
 */
void xtcp_rtt_route(struct sock *sk)
{
	const struct dst_entry *dst = rcu_dereference_raw(sk->sk_dst_cache);
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 rtt_us;

	if (likely(!dst || !dst_metric_locked(dst, RTAX_RTT)))
		return;
	rtt_us = min_t(u64, (u64)dst_metric(dst, RTAX_RTT) * USEC_PER_MSEC / 8,
		       XTCP_RTO_MAX_US);
	if (rtt_us > xs->rtt.srtt_us >> 3)
		WRITE_ONCE(xs->rtt.rto_us,
			   min_t(u64, rtt_us + max_t(u64, 2 * rtt_us,
						     xtcp_rtt_rto_min_us(xs)),
				 XTCP_RTO_MAX_US));
}

/* RFC 6298 2.2; the deviation of one sample counts as half of it. */
static void first_sample(struct xtcp_sock *xs, u32 rtt_us)
{
	struct xtcp_rtt *rtt = &xs->rtt;

	rtt->srtt_us = rtt_us << 3;
	rtt->mdev_us = rtt_us << 1;
	rtt->mdev_max_us = max(rtt->mdev_us, xtcp_rtt_rto_min_us(xs));
	rtt->rttvar_us = rtt->mdev_max_us;
	rtt->round_end = xs->snd_nxt;
}

/*
 * RFC 6298 2.3 in scaled integers: SRTT is scaled by 8, the mean deviation by
 * 4. A sample below SRTT by more than the deviation raises the deviation by an
 * eighth of the usual amount only, because a shorter RTT is no reason for a
 * longer timeout.
 */
static void next_sample(struct xtcp_sock *xs, u32 rtt_us)
{
	struct xtcp_rtt *rtt = &xs->rtt;
	s32 err = (s32)(rtt_us - (rtt->srtt_us >> 3));
	s32 dev;

	rtt->srtt_us = max_t(s32, (s32)rtt->srtt_us + err, 1);
	dev = abs(err) - (s32)(rtt->mdev_us >> 2);
	if (err < 0 && dev > 0)
		dev >>= 3;
	rtt->mdev_us = (u32)max_t(s32, (s32)rtt->mdev_us + dev, 0);

	rtt->mdev_max_us = max(rtt->mdev_max_us, rtt->mdev_us);
	rtt->rttvar_us = max(rtt->rttvar_us, rtt->mdev_max_us);
	if (!seq_after(xs->snd_una, rtt->round_end))
		return;

	/*
	 * A round trip has passed: lower the variance by a quarter of the
	 * excess.
	 */
	rtt->rttvar_us -= (rtt->rttvar_us - rtt->mdev_max_us) >> 2;
	rtt->round_end = xs->snd_nxt;
	rtt->mdev_max_us = xtcp_rtt_rto_min_us(xs);
}

/**
 * xtcp_rtt_sample - process a measured round trip
 * @sk: the socket, locked
 * @rtt_us: microseconds, of a segment that was sent once (Karn), or by the
 *	timestamps option
 *
 * Ends the backoff of the timeout (RFC 6298 5, last paragraph).
 */
void xtcp_rtt_sample(struct sock *sk, u32 rtt_us)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	/* Larger samples have no further effect, and SRTT * 8 must fit. */
	rtt_us = clamp(rtt_us, 1U, XTCP_RTO_MAX_US);
	if (!xs->rtt.srtt_us)
		first_sample(xs, rtt_us);
	else
		next_sample(xs, rtt_us);
	WRITE_ONCE(xs->rtt.rto_us, xtcp_rtt_rto_us(xs));
}

/**
 * xtcp_rtt_min_us - the minimum RTT of the last minutes
 * @xs: the connection, locked
 *
 * Return: microseconds; U32_MAX if there is none
 */
u32 xtcp_rtt_min_us(const struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	return min(xs->rtt.min_us, xs->rtt.min_last_us);
}

/**
 * xtcp_rtt_min_sample - update the minimum RTT
 * @xs: the connection, locked
 * @rtt_us: microseconds
 * @now_ns: time of the measurement
 *
 * The minimum is that of the current and the last period of five minutes: a
 * sample counts for at least five and at most ten minutes, and then a longer
 * path is accepted.
 */
void xtcp_rtt_min_sample(struct xtcp_sock *xs, u32 rtt_us, u64 now_ns)
{
	struct xtcp_rtt *rtt = &xs->rtt;
	u32 now_ms = div_u64(now_ns, NSEC_PER_MSEC);

	xtcp_assert_owned(&xs->inet.sk);
	rtt_us = max(rtt_us, 1U);
	if (rtt->min_us == U32_MAX) {
		rtt->min_ms = now_ms;
	} else if (now_ms - rtt->min_ms > MIN_RTT_WINDOW_MS) {
		rtt->min_last_us = rtt->min_us;
		rtt->min_us = rtt_us;
		rtt->min_ms = now_ms;
	}
	rtt->min_us = min(rtt->min_us, rtt_us);
}

/**
 * xtcp_rtt_rto_us - retransmission timeout without backoff
 * @xs: the connection
 *
 * Return: microseconds, between xtcp_rto_min_us and XTCP_RTO_MAX_US
 */
u32 xtcp_rtt_rto_us(const struct xtcp_sock *xs)
{
	if (!xs->rtt.srtt_us)
		return XTCP_RTO_INIT_US;
	return min((xs->rtt.srtt_us >> 3) + xs->rtt.rttvar_us, XTCP_RTO_MAX_US);
}

/**
 * xtcp_rtt_backoff - double the current timeout (RFC 6298 5.5)
 * @xs: the connection, locked
 */
void xtcp_rtt_backoff(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	WRITE_ONCE(xs->rtt.rto_us, min(xs->rtt.rto_us << 1, XTCP_RTO_MAX_US));
}

/**
 * xtcp_rtt_backoff_undo - undo one doubling of the current timeout
 * @xs: the connection, locked
 *
 * Return: true if the timeout was backed off
 */
bool xtcp_rtt_backoff_undo(struct xtcp_sock *xs)
{
	u32 base_us = xtcp_rtt_rto_us(xs);

	xtcp_assert_owned(&xs->inet.sk);
	if (xs->rtt.rto_us <= base_us)
		return false;
	WRITE_ONCE(xs->rtt.rto_us, max(xs->rtt.rto_us / 2, base_us));
	return true;
}

/**
 * xtcp_rtt_fall_back - begin with a longer timeout (RFC 6298 5.7)
 * @xs: a new connection, locked or not yet visible; its SYN or SYN-ACK was
 *	retransmitted, so that no RTT could be measured
 */
void xtcp_rtt_fall_back(struct xtcp_sock *xs)
{
	WRITE_ONCE(xs->rtt.rto_us, RTO_FALLBACK_US);
}
