// SPDX-License-Identifier: GPL-2.0
/*
 * fastpath.c - the segment that was expected
 *
 * On an open connection nearly each segment brings the text that is next, and
 * acknowledges either nothing new or all that is in flight, which is one skb
 * that was sent once. Of what RFC 9293 3.10.7.4 asks, and of what recovery and
 * the scoreboard would find out, little is left then ("header prediction":
 * Jacobson, 1990). So this is looked at first. Nothing here is another way of
 * doing things: what a segment does is done by those who always do it, and
 * whatever is not as expected goes through all of the checks
 * (segment/synchronized.c).
 *
 * Socket lock; softirq, or process context from the backlog.
 */
#include "transfer/fastpath.h"

#include <linux/skbuff.h>
#include <net/sock.h>

#include "net/wire.h"
#include "paws.h"
#include "tcb.h"
#include "transfer/acked.h"
#include "transfer/receive.h"
#include "transfer/sendqueue.h"
#include "transfer/urgent.h"
#include "user/stats.h"

/* Text, next in order, within the window, with the options of all others? */
static bool payload_is_expected(const struct xtcp_sock *xs,
				const struct xtcp_seg *seg)
{
	seq_t edge = seq_add(xs->rcv_wup, xs->rcv_wnd);

	return (seg->flags | XTCP_PSH) == (XTCP_ACK | XTCP_PSH) &&
	       seg->len && seg->seq == xs->rcv_nxt &&
	       seq_before_eq(seg->end, edge) &&
	       seg->opt.has_ts == xs->ts_ok && !seg->opt.nr_sacks &&
	       !seg->opt.cookie && xs->urg_state != XTCP_URGENT_AWAITED &&
	       (!xs->ts_ok || !xtcp_paws_rejects(seg, xs->ts_recent,
						 xs->ts_recent_s));
}

/* Has nothing of ours to be repaired, tried, or told besides text? */
static bool flight_is_plain(const struct xtcp_sock *xs)
{
	return xs->recovery == XTCP_RECOVERY_NONE && xs->sack_ok &&
	       !xs->probe_out && !xs->rack_dsack &&
	       (xs->rack_persist || xs->rack_steps == 1) &&
	       !xs->mtu_probe && !xs->snd_urgent && !xs->fin_queued &&
	       !xs->cookie_held;
}

/* The one skb in flight, if it was sent once and ends where SEG.ACK is. */
static struct sk_buff *acked_alone(const struct sock *sk,
				   const struct xtcp_seg *seg)
{
	const struct rb_node *node = sk->tcp_rtx_queue.rb_node;
	struct sk_buff *skb;

	if (!node || node->rb_left || node->rb_right)
		return NULL;
	skb = rb_to_skb(node);
	if (xtcp_cb(skb)->end != seg->ack || xtcp_cb(skb)->retrans ||
	    xtcp_cb(skb)->marks)
		return NULL;
	return skb;
}

/**
 * xtcp_fastpath_rcv - take a segment that is what was expected
 * @sk: the socket, locked
 * @skb: segment, at its TCP header
 * @seg: what the header says; it came at last_rcv_ns
 *
 * RFC 9293 3.10.7.4, all of it, for this one case. What may be sent now, and
 * the ACK that is owed, are the caller's as for any other segment.
 *
 * Return: true when @skb was taken; false: nothing has happened
 */
bool xtcp_fastpath_rcv(struct sock *sk, struct sk_buff *skb,
		       const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *acked = NULL;

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

	if (xs->ts_ok && seq_before_eq(seg->seq, xs->rcv_wup))
		xtcp_paws_note(xs, seg);
	xtcp_acked_rcv_alone(sk, acked, seg);
	xtcp_lifecycle_usual(sk, XTCP_EV_RCV_ACK);
	xtcp_receive_expected(sk, skb, seg);
	return true;
}
