// SPDX-License-Identifier: GPL-2.0
/*
 * xtcp_cc_scalable.c - Scalable TCP (T. Kelly, 2003) as a module for xtcp
 *
 * A window of any size recovers from a loss in the same number of round trips:
 *
 *   ACK	cwnd += 1 for each 100 segments, or for each window if that is less
 *   loss	cwnd -= cwnd / 8
 */
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/xtcp_congestion.h>

#define PER_SEGMENT	100U	/* acknowledged segments that open the window by one */

/* State of a connection: what TCP_CC_INFO shows. */
struct scalable {
	u32	reductions;
	u32	last_rtt_us;
};

static void scalable_grow(struct xtcp_sock *xs, u32 segs)
{
	struct xtcp_congestion_view view;

	segs = xtcp_congestion_slow_start(xs, segs);
	xtcp_congestion_look(xs, &view);
	if (segs)
		xtcp_congestion_avoidance(xs, min(view.cwnd, PER_SEGMENT), segs);
}

static u32 scalable_ssthresh(struct xtcp_sock *xs, u32 flight)
{
	struct scalable *s = xtcp_congestion_state(xs);
	struct xtcp_congestion_view view;

	s->reductions++;
	xtcp_congestion_look(xs, &view);
	return max(view.cwnd - view.cwnd / 8, 2U);
}

static void scalable_rtt(struct xtcp_sock *xs, u32 rtt_us)
{
	struct scalable *s = xtcp_congestion_state(xs);

	s->last_rtt_us = rtt_us;
}

static size_t scalable_info(struct xtcp_sock *xs, union tcp_cc_info *info, int *attr)
{
	const struct scalable *s = xtcp_congestion_state(xs);

	info->vegas.tcpv_enabled = 1;
	info->vegas.tcpv_rttcnt = s->reductions;
	info->vegas.tcpv_rtt = s->last_rtt_us;
	*attr = INET_DIAG_VEGASINFO;
	return sizeof(info->vegas);
}

static const struct xtcp_congestion_ops scalable = {
	.abi		= XTCP_CONGESTION_ABI,
	.name		= "scalable",
	.owner		= THIS_MODULE,
	.state_size	= sizeof(struct scalable),
	.grow		= scalable_grow,
	.ssthresh	= scalable_ssthresh,
	.rtt		= scalable_rtt,
	.info		= scalable_info,
};

static int __init scalable_load(void)
{
	return xtcp_congestion_register(&scalable);
}

static void __exit scalable_unload(void)
{
	xtcp_congestion_unregister(&scalable);
}

module_init(scalable_load);
module_exit(scalable_unload);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("xtcp: Scalable TCP");
