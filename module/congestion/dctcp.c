// SPDX-License-Identifier: GPL-2.0
/*
 * dctcp.c - module xtcp_cc_dctcp: Data Center TCP, RFC 8257
 *
 * Switches mark packets (CE) when a short queue is exceeded. The receiver echoes each
 * mark exactly (3.2, done by transfer/ecn.c), so the sender knows which part of a window
 * was marked, and reduces its window in proportion (3.3):
 *
 *   M	 = segments acknowledged with ECE / segments acknowledged, in a window
 *   alpha = alpha * (1 - g) + g * M, once a window		g = 1/16
 *   CE	 cwnd = cwnd * (1 - alpha / 2), once a window
 *   loss	 cwnd = cwnd / 2, as any other TCP (3.5)
 *
 * RFC 8257 counts bytes; xtcp counts segments, as RFC 3168's reaction is once a window
 * in either case.
 *
 * A loss that a probe has repaired counts as a mark, as in Linux.
 *
 * Without ECN (the peer refuses it) no mark is ever reported, and this is Reno.
 *
 * Where switches spread connections over several paths, transfer/plb.c moves this one away
 * from marks that last.
 *
 * For data centers only: beside other TCPs on one queue it starves them or itself.
 *
 * Context: socket lock.
 */
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/stringify.h>
#include <linux/xtcp_congestion.h>

#define ALPHA_SHIFT	10			/* alpha 1.0 is 1024, as in TCP_CC_INFO */
#define ALPHA_ONE	1024U			/* 1 << ALPHA_SHIFT */
#define G_SHIFT		4U			/* g is 1/16, 4.2 */

/**
 * struct dctcp - DCTCP's state of a connection
 * @alpha: part of the segments that is marked, times ALPHA_ONE
 * @window_end: DCTCP.WindowEnd: the window over which is counted ends there
 * @delivered: segments delivered when it began
 * @delivered_ce: of them, with ECE
 * @plb: Protective Load Balancing
 */
struct dctcp {
	u32	alpha;
	u32	window_end;
	u32	delivered;
	u32	delivered_ce;
	struct xtcp_plb plb;
};

static void window_begin(struct dctcp *d, const struct xtcp_congestion_view *view)
{
	d->window_end = view->snd_nxt;
	d->delivered = view->delivered;
	d->delivered_ce = view->delivered_ce;
}

/* 3.3: alpha begins with 1, so that the first mark halves the window. */
static void dctcp_init(struct xtcp_sock *xs)
{
	struct dctcp *d = xtcp_congestion_state(xs);
	struct xtcp_congestion_view view;

	xtcp_congestion_look(xs, &view);
	d->alpha = ALPHA_ONE;
	window_begin(d, &view);
}

/*
 * Steps 4 to 7 of 3.3. Rounded so that alpha reaches 0: where g would take nothing of it (alpha is
 * below 16), it falls by 1.
 */
static void alpha_update(struct dctcp *d, u32 acked, u32 marked)
{
	u32 part = marked ? (u32)(((u64)marked << (ALPHA_SHIFT - G_SHIFT)) / acked) : 0;

	d->alpha -= max(d->alpha >> G_SHIFT, min(d->alpha, 1U));
	d->alpha = min(d->alpha + part, ALPHA_ONE);
}

/* Is the window acknowledged? Then take its marks into account, and begin the next. */
static void window_try_end(struct xtcp_sock *xs, const struct xtcp_congestion_view *view)
{
	struct dctcp *d = xtcp_congestion_state(xs);
	u32 acked, marked;

	if ((s32)(view->snd_una - d->window_end) <= 0)
		return;
	acked = view->delivered - d->delivered;
	if (acked) {
		marked = min(view->delivered_ce - d->delivered_ce, acked);
		/* alpha is slow; load balancing looks at this window alone. */
		xtcp_plb_round(xs, &d->plb, acked, marked);
		alpha_update(d, acked, marked);
	}
	window_begin(d, view);
}

static void dctcp_acked(struct xtcp_sock *xs,
			const struct xtcp_congestion_sample *sample)
{
	struct xtcp_congestion_view view;

	xtcp_congestion_look(xs, &view);
	window_try_end(xs, &view);
}

static void dctcp_resumed(struct xtcp_sock *xs, u64 idle_ns)
{
	struct dctcp *d = xtcp_congestion_state(xs);

	xtcp_plb_try(xs, &d->plb);
}

static void dctcp_timed_out(struct xtcp_sock *xs)
{
	struct dctcp *d = xtcp_congestion_state(xs);

	xtcp_plb_timed_out(xs, &d->plb);
}

static void dctcp_grow(struct xtcp_sock *xs, u32 segs)
{
	struct xtcp_congestion_view view;

	segs = xtcp_congestion_slow_start(xs, segs);
	if (!segs)
		return;
	xtcp_congestion_look(xs, &view);
	xtcp_congestion_avoidance(xs, view.cwnd, segs);
}

static u32 dctcp_ssthresh(struct xtcp_sock *xs, u32 flight)
{
	const struct dctcp *d = xtcp_congestion_state(xs);
	struct xtcp_congestion_view view;

	xtcp_congestion_look(xs, &view);
	/* Recovery asks before dctcp_acked() is called; alpha has to count this ACK (3.3). */
	window_try_end(xs, &view);
	/* Without ECN each reduction is for a loss, also one that a probe has repaired. */
	if (view.lost_out || !view.ecn_ok)
		return max(view.cwnd / 2, 2U);
	return max(view.cwnd - (u32)(((u64)view.cwnd * d->alpha) >> (ALPHA_SHIFT + 1)),
		   2U);
}

static size_t dctcp_info(struct xtcp_sock *xs, union tcp_cc_info *info, int *attr)
{
	const struct dctcp *d = xtcp_congestion_state(xs);
	struct xtcp_congestion_view view;

	xtcp_congestion_look(xs, &view);
	if (view.ecn_ok) {
		info->dctcp.dctcp_enabled = 1;
		info->dctcp.dctcp_ce_state = view.echoing_ce;
		info->dctcp.dctcp_alpha = d->alpha;
		info->dctcp.dctcp_ab_ecn = (view.delivered_ce - d->delivered_ce) * view.mss;
		info->dctcp.dctcp_ab_tot = (view.delivered - d->delivered) * view.mss;
	}
	*attr = INET_DIAG_DCTCPINFO;
	return sizeof(info->dctcp);
}

static const struct xtcp_congestion_ops dctcp = {
	.abi		= XTCP_CONGESTION_ABI,
	.flags		= XTCP_CONGESTION_ECN,
	.name		= "dctcp",
	.owner		= THIS_MODULE,
	.state_size	= sizeof(struct dctcp),
	.init		= dctcp_init,
	.grow		= dctcp_grow,
	.ssthresh	= dctcp_ssthresh,
	.acked		= dctcp_acked,
	.resumed	= dctcp_resumed,
	.timed_out	= dctcp_timed_out,
	.info		= dctcp_info,
};

static_assert(sizeof(struct dctcp) <= XTCP_CONGESTION_STATE_INLINE);

static int __init dctcp_load(void)
{
	return xtcp_congestion_register(&dctcp);
}

static void __exit dctcp_unload(void)
{
	xtcp_congestion_unregister(&dctcp);
}

module_init(dctcp_load);
module_exit(dctcp_unload);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("xtcp: Data Center TCP (RFC 8257)");
MODULE_VERSION(__stringify(XTCP_VERSION));
