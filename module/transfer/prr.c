// SPDX-License-Identifier: GPL-2.0
/*
 * prr.c - how a reduction of the window is spread over a round trip
 *
 * RFC 6937, Proportional Rate Reduction: the reduction for a loss is spread
 * over the round trip of the recovery, so that sending neither stops nor
 * bursts. For the segments delivered, so many are sent:
 *
 *   pipe > ssthresh	prr.out = prr.delivered * ssthresh / RecoverFS
 *   otherwise		as much as was delivered; and one more, slow start
 *			up to ssthresh, when the ACK advanced SND.UNA and
 *			showed no further loss (PRR-SSRB)
 *
 * RecoverFS is what was in flight when the reduction began. Reno's threshold is half of that
 * (RFC 5681), so RecoverFS is twice the threshold. Others take their share of cwnd, as all
 * do in Linux; for them RecoverFS is cwnd.
 *
 * cwnd is set to the segments in flight plus these, so that the sending code
 * need not know about it.
 *
 * Context: socket lock.
 */
#include "transfer/prr.h"

#include <linux/math64.h>
#include <linux/minmax.h>

#include "tcb.h"
#include "transfer/acked.h"
#include "transfer/congestion.h"
#include "transfer/ecn.h"
#include "transfer/lossprobe.h"
#include "transfer/recovery.h"

/**
 * xtcp_prr_restart - reduce, and count what is delivered and sent from now on
 * @xs: the connection, locked
 * @flight: segments that were in flight before
 *
 * At the beginning of a reduction, or in the middle of one if the congestion control algorithm
 * that has controlled the window until now is replaced by one that does not.
 */
void xtcp_prr_restart(struct xtcp_sock *xs, u32 flight)
{
	xtcp_assert_owned(&xs->inet.sk);
	xs->prr.delivered = 0;
	xs->prr.out = 0;
	xtcp_congestion_reduce(xs, flight);
	xs->prr.of_flight = xs->ssthresh == max(flight / 2, 2U);
}

/**
 * xtcp_prr_begin - begin a reduction: a loss was found, or a CE mark echoed
 * @xs: the connection, locked
 * @flight: segments that were in flight before
 *
 * A loss probe in flight is no longer needed.
 */
void xtcp_prr_begin(struct xtcp_sock *xs, u32 flight)
{
	xtcp_assert_owned(&xs->inet.sk);
	xs->recover = xs->snd_nxt;
	xtcp_lossprobe_forget(xs);
	xtcp_prr_restart(xs, flight);
	xtcp_ecn_reduced(xs);
}

/**
 * xtcp_prr_acked - set how much may be sent after this ACK
 * @xs: the connection, locked, in a reduction
 * @a: what the ACK says
 */
void xtcp_prr_acked(struct xtcp_sock *xs, const struct xtcp_acked *a)
{
	u32 pipe = xtcp_congestion_pipe(xs);
	s32 room = xs->ssthresh - pipe;
	s32 count;

	xtcp_assert_owned(&xs->inet.sk);
	if (!a->delivered || !xs->prior_cwnd || xtcp_congestion_controls(xs))
		return;
	xs->prr.delivered += a->delivered;
	if (room < 0) {
		u32 recover_fs = xs->prr.of_flight ? 2 * xs->ssthresh : xs->prior_cwnd;
		u64 share = (u64)xs->ssthresh * xs->prr.delivered + recover_fs - 1;

		count = (s32)div_u64(share, recover_fs) - (s32)xs->prr.out;
	} else {
		count = max_t(s32, xs->prr.delivered - xs->prr.out,
			      a->delivered);
		if (a->advanced && !a->lost)
			count++;
		count = min(room, count);
	}
	/* The first segment is always sent: it is the fast retransmission. */
	count = max(count, xs->prr.out ? 0 : 1);
	xtcp_congestion_spread(xs, pipe, count);
}

/**
 * xtcp_prr_end - end a reduction
 * @xs: the connection, locked. The window stays if the reduction was undone. A
 *	reduction for a CE mark is never undone
 */
void xtcp_prr_end(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (xs->ssthresh != U32_MAX &&
	    (xs->undo.armed || xs->recovery == XTCP_RECOVERY_REDUCTION))
		xtcp_congestion_reduced(xs);
}
