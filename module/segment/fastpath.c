// SPDX-License-Identifier: GPL-2.0
/*
 * fastpath.c - fast path for the segment that is next in order
 *
 * On an open connection most segments bring the payload that is next, and
 * acknowledge either nothing new or all that is in flight, which is one skb
 * that was sent once. For these, few of the steps of RFC 9293 3.10.7.4,
 * recovery and the scoreboard have any effect ("header prediction": Jacobson,
 * 1990). So this case is tested first. The fast path calls the slow path's own
 * functions and leaves out only steps without effect; all other segments take
 * the slow path (segment/synchronized.c).
 *
 * Context: socket lock; softirq, or process for the backlog.
 */
#include "segment/fastpath.h"

#include <linux/skbuff.h>
#include <net/sock.h>

#include "close/close.h"
#include "net/wire.h"
#include "open/echo.h"
#include "paws.h"
#include "tcb.h"
#include "transfer/accecn.h"
#include "transfer/acked.h"
#include "transfer/lossprobe.h"
#include "transfer/mtuprobe.h"
#include "transfer/rack.h"
#include "transfer/receive.h"
#include "transfer/recovery.h"
#include "transfer/sendqueue.h"
#include "transfer/urgent.h"

/*
 * True for payload that is next in order, within the window, with the usual
 * options only, and without Accurate ECN, whose field is in each segment.
 */
static bool payload_is_expected(const struct xtcp_sock *xs,
				const struct xtcp_seg *seg)
{
	seq_t edge = seq_add(xs->rcv_wup, xs->rcv_wnd);

	return (seg->flags | XTCP_PSH) == (XTCP_ACK | XTCP_PSH) &&
	       seg->len && seg->seq == xs->rcv_nxt &&
	       seq_before_eq(seg->end, edge) &&
	       seg->opt.has_ts == xs->ts_ok && !seg->opt.nr_sacks &&
	       !seg->opt.cookie && !xtcp_urgent_concerns(xs, seg) &&
	       !xtcp_accecn_is_on(xs) &&
	       (!xs->ts_ok || !xtcp_paws_rejects(seg, xs->ts_recent,
						 xs->ts_recent_s));
}

/* True if no mechanism has to hear of an ACK of all that is in flight. */
static bool flight_is_plain(const struct xtcp_sock *xs)
{
	return xtcp_recovery_is_idle(xs) && !xtcp_recovery_follows_una(xs) &&
	       !xtcp_lossprobe_is_out(xs) && xtcp_rack_window_is_settled(xs) &&
	       !xtcp_mtuprobe_is_out(xs) && !xtcp_urgent_is_sending(xs) &&
	       !xtcp_sendq_has_fin(xs) && !xtcp_echo_is_active(xs);
}

/* The only skb in flight, if it was sent once and ends at SEG.ACK; or NULL. */
static struct sk_buff *acked_alone(const struct sock *sk,
				   const struct xtcp_seg *seg)
{
	struct sk_buff *skb = xtcp_sendq_only(sk);

	if (!skb || xtcp_cb(skb)->end != seg->ack || xtcp_cb(skb)->retrans ||
	    xtcp_cb(skb)->marks ||
	    unlikely(xtcp_cb(skb)->sent_ns > xtcp_sk(sk)->last_rcv_ns))
		return NULL;
	return skb;
}

/**
 * xtcp_fastpath_rcv - process a segment if it is the expected one
 * @sk: the socket, locked
 * @skb: segment, at its TCP header
 * @seg: its parsed header; received at last_rcv_ns
 *
 * All of RFC 9293 3.10.7.4 for this case. The caller sends what may be sent now
 * and the pending ACK, as for any other segment.
 *
 * Return: true if @skb was consumed; false if nothing was changed
 */
bool xtcp_fastpath_rcv(struct sock *sk, struct sk_buff *skb,
		       const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *acked = NULL;

	xtcp_assert_owned(sk);
	if (sk->sk_state != XTCP_ESTABLISHED || !payload_is_expected(xs, seg) ||
	    !flight_is_plain(xs))
		return false;
	if (xs->in_flight) {
		acked = acked_alone(sk, seg);
		if (!acked)
			return false;
	} else if (seg->ack != xs->snd_una) {
		return false;
	}

	if (xs->ts_ok)
		xtcp_paws_take(xs, seg);
	xtcp_acked_rcv_alone(sk, acked, seg);
	xtcp_lifecycle_usual(sk, XTCP_EV_RCV_ACK);
	if (unlikely(xtcp_receive_expected(sk, skb, seg)))
		xtcp_close_fin_received(sk, NULL);
	return true;
}
