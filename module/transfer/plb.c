// SPDX-License-Identifier: GPL-2.0
/*
 * plb.c - Protective Load Balancing: leave a congested path
 *
 * PLB (Qureshi and others, SIGCOMM 2022). Switches choose one of several paths by a hash of
 * the packet's header, which over IPv6 includes the flow label. A connection that meets
 * congestion round after round takes another flow hash, and with it perhaps another path:
 *
 *   a round is congested if the marked part of its segments is plb_cong_thresh or more
 *   M congested rounds in a row	rehash when nothing is in flight, which reorders nothing
 *   N in a row			rehash at once
 *   a timeout			has changed the hash itself (retransmit.c); no further change
 *				for one to two times plb_suspend_rto_sec, lest the
 *				connection returns to a path that does not work
 *
 * A congestion control calls the functions, and keeps the struct xtcp_plb. As in Linux, and
 * the knobs are Linux's.
 *
 * Context: socket lock.
 */
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/xtcp_congestion.h>
#include <net/sock.h>

#include "compat.h"
#include "netns.h"
#include "observe/stats.h"
#include "tcb.h"
#include "transfer/retransmit.h"

/* Has the pause ended, or is its end so far away that the clock must have wrapped? */
static bool pause_is_over(const struct xtcp_plb *plb, const struct xtcp_knobs *knobs)
{
	u32 left = plb->pause_until - (u32)jiffies;
	u32 longest = 2 * READ_ONCE(knobs->plb_suspend_rto_sec) * HZ;

	return (s32)left <= 0 || left > longest;
}

/**
 * xtcp_plb_try - change the flow hash if there was congestion for long enough
 * @xs: the connection, locked
 * @plb: its state
 *
 * For xtcp_congestion_ops.resumed(), when nothing is in flight, and after xtcp_plb_round().
 */
void xtcp_plb_try(struct xtcp_sock *xs, struct xtcp_plb *plb)
{
	struct sock *sk = xtcp_to_sk(xs);
	const struct xtcp_knobs *knobs = &xtcp_net(sock_net(sk))->knobs;
	u8 idle_rounds = READ_ONCE(knobs->plb_idle_rehash_rounds);
	bool idle;

	xtcp_assert_owned(sk);
	if (!READ_ONCE(knobs->plb_enabled))
		return;
	idle = idle_rounds && !xs->in_flight && plb->congested >= idle_rounds;
	if (!idle && plb->congested < READ_ONCE(knobs->plb_rehash_rounds))
		return;
	if (plb->paused && pause_is_over(plb, knobs))
		plb->paused = false;
	if (plb->paused)
		return;
	xtcp_rethink_txhash(sk);
	plb->congested = 0;
	xtcp_retransmit_rehashed(xs);
	XTCP_INC(sock_net(sk), PLB_REHASH);
}
EXPORT_SYMBOL_GPL(xtcp_plb_try);

/**
 * xtcp_plb_round - a round trip has ended
 * @xs: the connection, locked
 * @plb: its state
 * @delivered: segments delivered in it, not 0
 * @marked: of them, with a sign of congestion
 */
void xtcp_plb_round(struct xtcp_sock *xs, struct xtcp_plb *plb, u32 delivered, u32 marked)
{
	const struct xtcp_knobs *knobs = &xtcp_net(sock_net(xtcp_to_sk(xs)))->knobs;

	xtcp_assert_owned(xtcp_to_sk(xs));
	if (!READ_ONCE(knobs->plb_enabled) || !delivered)
		return;
	if ((u64)marked * XTCP_PLB_ONE / delivered < (u32)READ_ONCE(knobs->plb_cong_thresh))
		plb->congested = 0;
	else if (plb->congested < READ_ONCE(knobs->plb_rehash_rounds))
		plb->congested++;
	xtcp_plb_try(xs, plb);
}
EXPORT_SYMBOL_GPL(xtcp_plb_round);

/**
 * xtcp_plb_timed_out - a retransmission timeout has changed the flow hash
 * @xs: the connection, locked
 * @plb: its state
 */
void xtcp_plb_timed_out(struct xtcp_sock *xs, struct xtcp_plb *plb)
{
	const struct xtcp_knobs *knobs = &xtcp_net(sock_net(xtcp_to_sk(xs)))->knobs;
	u32 pause = READ_ONCE(knobs->plb_suspend_rto_sec) * HZ;

	xtcp_assert_owned(xtcp_to_sk(xs));
	if (!READ_ONCE(knobs->plb_enabled))
		return;
	plb->congested = 0;
	plb->paused = pause;
	/* At random, lest many connections move at once. */
	if (pause)
		plb->pause_until = (u32)jiffies + pause + get_random_u32_below(pause);
}
EXPORT_SYMBOL_GPL(xtcp_plb_timed_out);
