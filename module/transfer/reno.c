// SPDX-License-Identifier: GPL-2.0
/*
 * reno.c - the congestion window of RFC 5681
 *
 * Slow start doubles the window with each round trip, congestion avoidance adds
 * one segment per round trip, a loss halves it:
 *
 *   cwnd < ssthresh	cwnd += segments acknowledged
 *   otherwise		cwnd += 1 for each cwnd acknowledged
 *   loss			ssthresh = half of what is in flight
 *
 * Context: socket lock.
 */
#include <linux/minmax.h>

#include "tcb.h"
#include "transfer/congestion.h"

static void reno_grow(struct xtcp_sock *xs, u32 segs)
{
	segs = xtcp_congestion_slow_start(xs, segs);
	if (segs)
		xtcp_congestion_avoidance(xs, xs->cwnd, segs);
}

/*
 * RFC 5681 (4): half of what is in flight, but at least two segments. Linux
 * halves cwnd instead; the results differ when the application does not use up
 * cwnd.
 */
static u32 reno_ssthresh(struct xtcp_sock *xs, u32 flight)
{
	return max(min(flight, xs->cwnd) / 2, 2U);
}

const struct xtcp_congestion_ops xtcp_reno = {
	.abi		= XTCP_CONGESTION_ABI,
	.name		= "reno",
	.grow		= reno_grow,
	.ssthresh	= reno_ssthresh,
};
