// SPDX-License-Identifier: GPL-2.0
/*
 * hystart.c - leave slow start before it overruns the path
 *
 * RFC 9406, HyStart++. The queue at the bottleneck shows in the round trip time
 * before it overflows. So the smallest RTT of each round of a slow start is
 * compared with that of the round before:
 *
 *   slow start ---- RTT grew ----> conservative slow start (CSS)
 *       ^                            |                |
 *       +------ RTT fell again ------+     five rounds: ssthresh = cwnd
 *
 * In CSS the window grows a quarter as fast, so that a wrong guess costs
 * little. Linux ends slow start at the first sign instead; that is its HyStart,
 * without the two pluses.
 *
 * The RFC lets one ACK add eight segments at most, unless they are paced. As in
 * Linux there is no such limit: many receivers acknowledge dozens of segments
 * at once, and an ACK never opens the window by more than one window.
 *
 * Only while ssthresh is unlimited (4.3): in the first slow start, and again if
 * the reduction that ended it is undone.
 *
 * Context: socket lock.
 */
#include "transfer/hystart.h"

#include <linux/minmax.h>
#include <linux/time64.h>

#include "observe/stats.h"
#include "tcb.h"
#include "transfer/congestion.h"

/* RFC 9406 4.3, recommended values. */
#define MIN_RTT_THRESH_US	(4U * USEC_PER_MSEC)
#define MAX_RTT_THRESH_US	(16U * USEC_PER_MSEC)
#define MIN_RTT_DIVISOR		8U
#define N_RTT_SAMPLE		8U
#define CSS_GROWTH_DIVISOR	4U
#define CSS_ROUNDS		5U

/**
 * xtcp_hystart_init - begin a slow start
 * @hs: state, initialized
 * @xs: the connection
 */
void xtcp_hystart_init(struct xtcp_hystart *hs, const struct xtcp_sock *xs)
{
	hs->round_end = xs->snd_nxt;
	hs->min_us = U32_MAX;
	hs->last_min_us = U32_MAX;
	hs->css_base_us = U32_MAX;
	hs->samples = 0;
	hs->css_round = 0;
	hs->growth = 0;
}

/* All that was in flight when the round began is acknowledged. */
static void next_round(struct xtcp_hystart *hs, struct xtcp_sock *xs)
{
	hs->round_end = xs->snd_nxt;
	hs->last_min_us = hs->min_us;
	hs->min_us = U32_MAX;
	hs->samples = 0;
	if (hs->css_round && hs->css_round++ == CSS_ROUNDS) {
		XTCP_INC(sock_net(xtcp_to_sk(xs)), HYSTART_DELAY_DETECT);
		XTCP_ADD(sock_net(xtcp_to_sk(xs)), HYSTART_DELAY_CWND, xs->cwnd);
		__xtcp_congestion_end_slow_start(xs);
	}
}

static bool rtt_has_grown(const struct xtcp_hystart *hs)
{
	u32 thresh_us = clamp(hs->last_min_us / MIN_RTT_DIVISOR,
			      MIN_RTT_THRESH_US, MAX_RTT_THRESH_US);

	return hs->min_us >= hs->last_min_us &&
	       hs->min_us - hs->last_min_us >= thresh_us;
}

/**
 * xtcp_hystart_rtt - process a round trip measured in slow start
 * @hs: state
 * @xs: the connection; SND.UNA is up to date
 * @rtt_us: microseconds
 */
void xtcp_hystart_rtt(struct xtcp_hystart *hs, struct xtcp_sock *xs, u32 rtt_us)
{
	if (seq_after(xs->snd_una, hs->round_end))
		next_round(hs, xs);
	hs->min_us = min(hs->min_us, rtt_us);
	if (hs->samples < N_RTT_SAMPLE)
		hs->samples++;
	if (hs->samples < N_RTT_SAMPLE)
		return;

	if (hs->css_round) {
		if (hs->min_us < hs->css_base_us)
			hs->css_round = 0;
	} else if (hs->last_min_us != U32_MAX && rtt_has_grown(hs)) {
		hs->css_base_us = hs->min_us;
		hs->css_round = 1;
		hs->growth = 0;
	}
}

/**
 * xtcp_hystart_growth - segments by which an ACK opens the window in slow start
 * @hs: state
 * @segs: segments acknowledged
 *
 * Return: segments
 */
u32 xtcp_hystart_growth(struct xtcp_hystart *hs, u32 segs)
{
	if (!hs->css_round)
		return segs;
	segs += hs->growth;
	hs->growth = segs % CSS_GROWTH_DIVISOR;
	return segs / CSS_GROWTH_DIVISOR;
}
