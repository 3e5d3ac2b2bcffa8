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

/* RTO after a SYN was retransmitted and no RTT was measured, RFC 6298 5.7. */
#define RTO_FALLBACK_US		3000000U

/* A timeout, but at least the shortest and at most the largest one; microseconds. */
static inline u32 rto_bound(const struct xtcp_sock *xs, u64 rto_us)
{
	if (likely(rto_us <= XTCP_RTO_MAX_MIN_US))
		return max_t(u32, rto_us, XTCP_RTO_SHORTEST_US);
	return min_t(u64, rto_us, xtcp_rtt_rto_max_us(xs));
}

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
	xs->rack.min_guessed = 0;
	rtt->min_last_us = U32_MAX;
}

/**
 * xtcp_rtt_expect - use another RTT than measured for a new connection
 * @xs: the connection, locked or not yet visible
 * @srtt_us: RTT of the route or of former connections, times 8; 0: unknown
 *
 * SYNs are small, so data may take longer. A longer RTT than measured determines the
 * timeout until the next sample; the estimators stay as they are, but without a measured RTT
 * they are not those of a repeated SYN (xtcp_rtt_fall_back()).
 */
void xtcp_rtt_expect(struct xtcp_sock *xs, u32 srtt_us)
{
	u32 rtt_us = min(srtt_us >> 3, XTCP_RTO_MAX_US);

	if (srtt_us <= xs->rtt.srtt_us)
		return;
	if (!xs->rtt.srtt_us) {
		xs->rtt.mdev_us = XTCP_RTO_INIT_US;
		xs->rtt.rttvar_us = xtcp_rtt_rto_min_us(xs);
	}
	WRITE_ONCE(xs->rtt.rto_us,
		   rto_bound(xs, (u64)rtt_us + max(2 * rtt_us, xtcp_rtt_rto_min_us(xs))));
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
 * xtcp_rtt_min_us - the minimum RTT of the last xtcp_min_rtt_wlen seconds and more
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
 * The minimum is that of the current and the last period of xtcp_min_rtt_wlen seconds: a
 * sample counts for one period at least and for two at most, and then a longer path is
 * accepted. After a pause the current period may have ended more than a period ago.
 */
void xtcp_rtt_min_sample(struct xtcp_sock *xs, u32 rtt_us, u64 now_ns)
{
	struct xtcp_rtt *rtt = &xs->rtt;
	u32 window_ms = XTCP_KNOB(sock_net(&xs->inet.sk), min_rtt_wlen) * MSEC_PER_SEC;
	u32 now_ms = div_u64(now_ns, NSEC_PER_MSEC);

	xtcp_assert_owned(&xs->inet.sk);
	rtt_us = max(rtt_us, 1U);
	if (unlikely(xs->rack.min_guessed)) {
		xs->rack.min_guessed = 0;
		rtt->min_us = U32_MAX;
	}
	if (rtt->min_us == U32_MAX) {
		rtt->min_ms = now_ms;
	} else if (now_ms - rtt->min_ms > window_ms) {
		rtt->min_last_us = now_ms - rtt->min_ms > 2 * window_ms ? U32_MAX : rtt->min_us;
		rtt->min_us = rtt_us;
		rtt->min_ms = now_ms;
	}
	rtt->min_us = min(rtt->min_us, rtt_us);
}

/**
 * xtcp_rtt_min_guess - use a SACKed segment's RTT while there is no other minimum
 * @xs: the connection, locked
 * @rtt_us: microseconds
 * @now_ns: time of the measurement
 *
 * The next xtcp_rtt_min_sample() replaces it. A SACKed segment may have overtaken
 * others, and so may its ACK; their RTT is then shorter than that of the path.
 */
void xtcp_rtt_min_guess(struct xtcp_sock *xs, u32 rtt_us, u64 now_ns)
{
	if (xtcp_rtt_min_us(xs) != U32_MAX)
		return;
	xtcp_rtt_min_sample(xs, rtt_us, now_ns);
	xs->rack.min_guessed = 1;
}

/**
 * xtcp_rtt_shift - the program has made the path longer or shorter
 * @xs: the connection, locked
 * @us: by so many microseconds; negative: shorter
 *
 * The timeout is that of the new path at once, without backoff, and the minimum is that of the
 * samples to come.
 */
void xtcp_rtt_shift(struct xtcp_sock *xs, s32 us)
{
	s64 srtt_us = xs->rtt.srtt_us + 8LL * us;

	xtcp_assert_owned(&xs->inet.sk);
	xs->rtt.srtt_us = clamp_t(s64, srtt_us, 1, 8LL * XTCP_RTO_MAX_US);
	WRITE_ONCE(xs->rtt.rto_us, xtcp_rtt_rto_us(xs));
	xs->rtt.min_us = U32_MAX;
	xs->rtt.min_last_us = U32_MAX;
	xs->rack.min_guessed = 0;
}

/* The timeout by the estimators, also before the first sample. */
static u32 estimated_rto_us(const struct xtcp_sock *xs)
{
	return rto_bound(xs, (xs->rtt.srtt_us >> 3) + xs->rtt.rttvar_us);
}

/**
 * xtcp_rtt_rto_us - retransmission timeout without backoff
 * @xs: the connection
 *
 * Return: microseconds, at most xtcp_rtt_rto_max_us()
 */
u32 xtcp_rtt_rto_us(const struct xtcp_sock *xs)
{
	return xs->rtt.srtt_us ? estimated_rto_us(xs) : XTCP_RTO_INIT_US;
}

/**
 * xtcp_rtt_backoff - double the current timeout (RFC 6298 5.5)
 * @xs: the connection, locked
 */
void xtcp_rtt_backoff(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	WRITE_ONCE(xs->rtt.rto_us, rto_bound(xs, (u64)xs->rtt.rto_us << 1));
}

/**
 * xtcp_rtt_no_backoff - the next timeout is no longer than without backoff
 * @xs: the connection, locked
 *
 * For TCP_THIN_LINEAR_TIMEOUTS.
 */
void xtcp_rtt_no_backoff(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	WRITE_ONCE(xs->rtt.rto_us, estimated_rto_us(xs));
}

/**
 * xtcp_rtt_backoff_undo - undo one doubling of the current timeout
 * @xs: the connection, locked
 *
 * Return: true if the timeout was backed off
 */
bool xtcp_rtt_backoff_undo(struct xtcp_sock *xs)
{
	u32 base_us = estimated_rto_us(xs);

	xtcp_assert_owned(&xs->inet.sk);
	if (xs->rtt.rto_us <= base_us)
		return false;
	WRITE_ONCE(xs->rtt.rto_us, max(xs->rtt.rto_us / 2, base_us));
	return true;
}

/**
 * xtcp_rtt_fall_back - begin with a longer timeout (RFC 6298 5.7)
 * @xs: a new connection, locked or not yet visible; its SYN or SYN-ACK was
 *	sent again, or may have been, so that no RTT could be measured
 */
void xtcp_rtt_fall_back(struct xtcp_sock *xs)
{
	xs->rtt.mdev_us = RTO_FALLBACK_US;
	xs->rtt.rttvar_us = RTO_FALLBACK_US;
	WRITE_ONCE(xs->rtt.rto_us, rto_bound(xs, RTO_FALLBACK_US));
}
