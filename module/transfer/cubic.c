// SPDX-License-Identifier: GPL-2.0
/*
 * cubic.c - the congestion window of RFC 9438, CUBIC
 *
 * After a loss the window grows along a cubic curve of the time t since then:
 * fast at first, slowly around the window W_max at which the loss happened, and
 * fast again beyond it, independent of the round trip time:
 *
 *   W_cubic(t) = C * (t - K)^3 + W_max	C = 0.4
 *   K = cbrt((W_max - cwnd_epoch) / C)	where the curve reaches W_max
 *   loss:	ssthresh = 0.7 * cwnd
 *
 * Where Reno would be faster, on short or slow paths, the window follows an
 * estimate W_est of Reno's window instead (4.3). Slow start is HyStart++.
 *
 * The curve is computed in fractions of a segment (UNIT) and in milliseconds.
 *
 * Context: socket lock.
 */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "clock.h"
#include "tcb.h"
#include "transfer/congestion.h"
#include "transfer/hystart.h"

#define UNIT		256U		/* parts of a segment */

/* RFC 9438 4.6: beta 0.7; 4.3: alpha 3 * (1 - beta) / (1 + beta) = 9 / 17. */
#define BETA_NUM	7U
#define BETA_DEN	10U
#define ALPHA_NUM	9U
#define ALPHA_DEN	17U

/* Keeps the cube within u64. So far from K the curve is 400,000 segments from its origin. */
#define SPAN_MAX_MS	100000

/**
 * struct cubic_curve - one epoch of congestion avoidance
 * @gain: remainder of the last division: growth that was less than a segment, in UNITs times
 *	segments acknowledged; less than the window in UNITs
 * @epoch_ms: beginning of the epoch, moved on by the time in which the window was not used up
 * @last_ms: when the window was last used up
 * @k_ms: K
 * @origin: segments, W_max of this epoch, where the curve is flat
 * @w_est: segments, estimate of Reno's window
 * @est_cnt: segments acknowledged since @w_est grew, times alpha
 */
struct cubic_curve {
	u32	gain;
	u32	epoch_ms;
	u32	last_ms;
	u32	k_ms;
	u32	origin;
	u32	w_est;
	u32	est_cnt;
};

/**
 * struct cubic - CUBIC's state of a connection
 * @hystart: valid unless @in_epoch
 * @curve: valid if @in_epoch
 * @w_max: segments, window at the last reduction, lowered by fast convergence;
 *	0 if there was none, or a timeout since
 * @prior: segments, the window before the reduction
 * @in_epoch: congestion avoidance has begun since the last reduction
 */
struct cubic {
	union {
		struct xtcp_hystart	hystart;
		struct cubic_curve	curve;
	};
	u32	w_max;
	u32	prior;
	bool	in_epoch;
};

static struct cubic *cubic_of(struct xtcp_sock *xs)
{
	BUILD_BUG_ON(sizeof(struct cubic) > sizeof(xs->congestion_state));
	return (struct cubic *)xs->congestion_state;
}

static void cubic_init(struct xtcp_sock *xs)
{
	struct cubic *c = cubic_of(xs);

	memset(c, 0, sizeof(*c));
	xtcp_hystart_init(&c->hystart, xs);
}

/* Cube root, rounded down, a bit at a time; once an epoch. */
static u32 cube_root(u64 n)
{
	u32 root = 0;
	int bit;

	/* 2^21 cubed is 2^63. */
	for (bit = 20; bit >= 0; bit--) {
		u64 try = root | 1U << bit;

		if (try * try * try <= n)
			root = try;
	}
	return root;
}

/* (4.2): K in milliseconds: the cube root of @segs / 0.4, in seconds. */
static u32 k_of(u32 segs)
{
	return cube_root(segs * 2500000000ULL);
}

/* RFC 9438 4.2: begin a curve at the current window. */
static void epoch_begin(struct cubic *c, const struct xtcp_sock *xs)
{
	struct cubic_curve *curve = &c->curve;

	c->in_epoch = true;
	curve->gain = 0;
	curve->epoch_ms = xtcp_now_ms();
	curve->last_ms = curve->epoch_ms;
	curve->w_est = xs->cwnd;
	curve->est_cnt = 0;
	if (xs->cwnd < c->w_max) {
		curve->k_ms = k_of(c->w_max - xs->cwnd);
		curve->origin = c->w_max;
	} else {
		curve->k_ms = 0;
		curve->origin = xs->cwnd;
	}
}

/*
 * 4.2, 5.8: t, milliseconds in which the window was used up. ACKs of full windows come a round
 * trip apart at most. In a longer gap (of two, because paths vary) the program or the peer's
 * window limited what was sent, or nothing was sent: only a round trip of it counts.
 */
static u32 epoch_age(struct cubic_curve *c, u32 rtt_ms)
{
	u32 now_ms = xtcp_now_ms();
	u32 gap_ms = now_ms - c->last_ms;

	if (gap_ms > 2 * rtt_ms + 1)
		c->epoch_ms += gap_ms - rtt_ms;
	c->last_ms = now_ms;
	return now_ms - c->epoch_ms;
}

/* W_cubic in UNITs, @t_ms after the epoch began. */
static u32 w_cubic(const struct cubic_curve *c, u32 t_ms)
{
	s64 span = clamp_t(s64, (s64)t_ms - c->k_ms, -SPAN_MAX_MS, SPAN_MAX_MS);
	u64 cube = (u64)abs(span) * abs(span) * abs(span);
	/* 0.4 segments per cubic second */
	u64 delta = div64_u64(cube * 4 * UNIT, 10000000000ULL);
	u64 origin = (u64)c->origin * UNIT;

	if (span < 0)
		return origin > delta ? origin - delta : 0;
	return min_t(u64, origin + delta, XTCP_CWND_MAX * UNIT);
}

/*
 * 4.3: alpha_cubic segments per window, so that the mean is Reno's although the
 * window falls to 0.7 only; one segment per window above the window of the last
 * loss.
 */
static void w_est_grow(struct cubic_curve *c, u32 prior, u32 cwnd, u32 segs)
{
	u32 per_segment = cwnd * ALPHA_DEN;

	c->est_cnt += segs * (c->w_est < prior ? ALPHA_NUM : ALPHA_DEN);
	if (c->est_cnt < per_segment)
		return;
	c->est_cnt -= per_segment;
	c->w_est = min(c->w_est + 1, XTCP_CWND_MAX);
}

/*
 * 4.4, 4.5: grow towards the curve's value at @t_ms, one round trip from now, by at most
 * half of the window per round trip. Rounded up as in Linux: rounded down, a
 * flow that loses a segment now and then would stay behind its competitors. As in
 * Linux by a twentieth at least while no loss has shown what the path takes (@unknown).
 *
 * Return: segments by which the window grows
 */
static u32 cubic_step(struct cubic_curve *c, u32 cwnd, u32 t_ms, u32 segs, bool unknown)
{
	/* The window is whole segments; the curve is not. */
	u32 target = roundup(w_cubic(c, t_ms), UNIT);
	u64 gain;

	cwnd *= UNIT;
	if (unknown)
		target = max(target, cwnd + cwnd / 20);
	target = clamp(target, cwnd, cwnd + cwnd / 2);
	gain = c->gain + (u64)(target - cwnd) * segs;
	if (gain < cwnd) {
		c->gain = gain;
		return 0;
	}
	return div_u64_rem(gain, cwnd, &c->gain);
}

static void cubic_avoid(struct xtcp_sock *xs, u32 segs)
{
	struct cubic *c = cubic_of(xs);
	struct cubic_curve *curve = &c->curve;
	u32 rtt_ms = (xs->rtt.srtt_us >> 3) / USEC_PER_MSEC;
	u32 t_ms, cwnd = xs->cwnd;
	bool as_reno;

	if (!c->in_epoch)
		epoch_begin(c, xs);
	segs = min(segs, cwnd);
	t_ms = epoch_age(curve, rtt_ms);
	/* The window may be smaller than it was, in segments: after a pause, or of another size. */
	curve->w_est = min(curve->w_est, cwnd);
	w_est_grow(curve, c->prior, cwnd, segs);

	as_reno = w_cubic(curve, t_ms) < curve->w_est * UNIT;
	if (!as_reno || !c->w_max)
		cwnd += cubic_step(curve, cwnd, t_ms + rtt_ms, segs, !c->w_max);
	if (as_reno)
		cwnd = max(cwnd, curve->w_est);
	xtcp_congestion_open_to(xs, cwnd);
}

static void epoch_end(struct cubic *c, const struct xtcp_sock *xs)
{
	if (!c->in_epoch)
		return;
	c->in_epoch = false;
	xtcp_hystart_init(&c->hystart, xs);
}

/* After an undone reduction ssthresh may be unlimited again. */
static struct xtcp_hystart *hystart_of(struct cubic *c,
				       const struct xtcp_sock *xs)
{
	epoch_end(c, xs);
	return &c->hystart;
}

static void cubic_grow(struct xtcp_sock *xs, u32 segs)
{
	struct cubic *c = cubic_of(xs);

	if (xs->ssthresh == U32_MAX)
		segs = xtcp_hystart_growth(hystart_of(c, xs), segs);
	segs = xtcp_congestion_slow_start(xs, segs);
	if (segs)
		cubic_avoid(xs, segs);
}

/*
 * 4.6 and 4.7, fast convergence: a flow whose window shrinks from loss to loss
 * aims lower than its last window, to leave capacity to new flows.
 */
static u32 cubic_ssthresh(struct xtcp_sock *xs, u32 flight)
{
	struct cubic *c = cubic_of(xs);
	u32 cwnd = xs->cwnd;

	if (cwnd < c->w_max)
		c->w_max = cwnd * (BETA_DEN + BETA_NUM) / (2 * BETA_DEN);
	else
		c->w_max = cwnd;
	c->prior = cwnd;
	epoch_end(c, xs);
	return max(cwnd * BETA_NUM / BETA_DEN, 2U);
}

static void cubic_rtt(struct xtcp_sock *xs, u32 rtt_us)
{
	if (xs->ssthresh == U32_MAX)
		xtcp_hystart_rtt(hystart_of(cubic_of(xs), xs), xs, rtt_us);
}

/*
 * 4.8: slow start follows a timeout, then an epoch that begins at W_max: the old one says
 * nothing of the path any more.
 */
static void cubic_timed_out(struct xtcp_sock *xs)
{
	struct cubic *c = cubic_of(xs);

	epoch_end(c, xs);
	c->w_max = 0;
}

const struct xtcp_congestion_ops xtcp_cubic = {
	.abi		= XTCP_CONGESTION_ABI,
	.name		= "cubic",
	.init		= cubic_init,
	.grow		= cubic_grow,
	.ssthresh	= cubic_ssthresh,
	.rtt		= cubic_rtt,
	.timed_out	= cubic_timed_out,
};
