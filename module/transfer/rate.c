// SPDX-License-Identifier: GPL-2.0
/*
 * rate.c - delivery rate of each ACK, for the algorithms that want it
 *
 * draft-ietf-ccwg-bbr 4.1 (before: draft-cheng-iccrg-delivery-rate-estimation): an ACK
 * that reports an arrival measures how much was delivered between the transmission of
 * the segment sent last among those that arrived, P, and now:
 *
 *   rate = (C.delivered - P.delivered) / max(send_elapsed, ack_elapsed)
 *   send_elapsed = P.send_time - P.first_send_time
 *   ack_elapsed = C.delivered_time - P.delivered_time
 *
 * The draft stores P's fields in each packet, for which an skb has no room. They change
 * only when an ACK arrives, so a connection stores them once for all segments that are
 * sent between two ACKs: struct xtcp_rate_snap. P's is the last one that is not younger
 * than P, whose time of transmission the skb has and RACK knows. A snapshot is kept as long
 * as something that was sent at its time may still arrive, or be lost.
 *
 * However many ACKs come in a round trip, some 16 snapshots are taken in it, and one more after an
 * ACK by which losses were found. When there are more than XTCP_RATE_SNAPS in all, every second
 * one is dropped. So some segments measure from a transmission somewhat before their own, over a
 * longer time.
 *
 * The memory belongs to connections whose algorithm has XTCP_CONGESTION_RATES.
 *
 * Context: socket lock; softirq or process.
 */
#include "transfer/rate.h"

#include <linux/list.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <linux/string.h>
#include <linux/xtcp_congestion.h>

#include "net/seq.h"
#include "net/wire.h"
#include "tcb.h"

/* Snapshots in a round trip: XTCP_RATE_SNAPS are two of them. */
#define SNAPS_IN_RTT	(XTCP_RATE_SNAPS / 2)

/*
 * Drop every second snapshot, but not the first. SNAPS_IN_RTT limits how many are taken: if they
 * were thinned out again and again within a round trip, only the first would be left. Then its
 * xs->delivered would serve for all that is in flight, and no round of an algorithm would end.
 */
static void snaps_thin_out(struct xtcp_rate *rate)
{
	unsigned int i;

	for (i = 1; i < XTCP_RATE_SNAPS / 2; i++)
		rate->snap[i] = rate->snap[2 * i];
	rate->count = XTCP_RATE_SNAPS / 2;
}

static void snap_add(struct xtcp_rate *rate, const struct xtcp_sock *xs,
		     u64 sent_ns)
{
	/* The algorithm was chosen while data was in flight: it measures from here. */
	if (!rate->first_ns)
		rate->first_ns = sent_ns;
	if (!rate->delivered_ns)
		rate->delivered_ns = sent_ns;
	if (rate->count == XTCP_RATE_SNAPS)
		snaps_thin_out(rate);
	rate->snap[rate->count++] = (struct xtcp_rate_snap) {
		.sent_ns	= sent_ns,
		.delivered_ns	= rate->delivered_ns,
		.first_ns	= rate->first_ns,
		.delivered	= xs->delivered,
		.delivered_ce	= xs->delivered_ce,
		.lost		= xs->lost,
		.app_limited	= rate->limited,
	};
	rate->stale = false;
}

/*
 * Does the last snapshot serve for what is sent at @sent_ns, too? Not if losses were found since:
 * they are not those of what is sent now.
 */
static bool snap_is_good(const struct xtcp_rate *rate, const struct xtcp_sock *xs, u64 sent_ns)
{
	u64 srtt_ns = (u64)(xs->rtt.srtt_us >> 3) * NSEC_PER_USEC;
	const struct xtcp_rate_snap *last;

	if (!rate->count)
		return false;
	last = &rate->snap[rate->count - 1];
	if (last->app_limited != rate->limited ||
	    (last->lost != xs->lost && rate->count < XTCP_RATE_SNAPS))
		return false;
	return !rate->stale || sent_ns - last->sent_ns < srtt_ns / SNAPS_IN_RTT;
}

/**
 * xtcp_rate_sent - segments were sent
 * @rate: of the connection
 * @xs: the connection, locked
 * @sent_ns: their time of transmission
 * @pipe: segments in the network, with them
 * @first: nothing else is in the network
 */
void xtcp_rate_sent(struct xtcp_rate *rate, const struct xtcp_sock *xs,
		    u64 sent_ns, u32 pipe, bool first)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (first) {
		rate->delivered_ns = sent_ns;
		rate->first_ns = sent_ns;
		rate->count = 0;
	}
	if (!snap_is_good(rate, xs, sent_ns))
		snap_add(rate, xs, sent_ns);
	/* ACKs that came since have shortened the pipe: tx_pipe() takes off only what was sent. */
	if (rate->stale)
		return;
	rate->snap[rate->count - 1].pipe = pipe;
	rate->snap[rate->count - 1].end = xs->snd_nxt;
}

/**
 * xtcp_rate_limited - the program had nothing to send, although the window was open
 * @rate: of the connection
 * @xs: the connection, locked
 * @pipe: segments in the network
 */
void xtcp_rate_limited(struct xtcp_rate *rate, const struct xtcp_sock *xs, u32 pipe)
{
	xtcp_assert_owned(&xs->inet.sk);
	rate->limited_until = xs->delivered + pipe;
	rate->limited = true;
}

/* The snapshot of a segment sent at @sent_ns; NULL: there is none any more. */
static const struct xtcp_rate_snap *snap_find(const struct xtcp_rate *rate, u64 sent_ns)
{
	unsigned int i = rate->count;

	while (i && rate->snap[i - 1].sent_ns > sent_ns)
		i--;
	return i ? &rate->snap[i - 1] : NULL;
}

/* What was sent before @sent_ns has arrived, or was lost: forget its snapshots. */
static void snaps_forget(struct xtcp_rate *rate, u64 sent_ns)
{
	const struct xtcp_rate_snap *oldest = snap_find(rate, sent_ns);

	if (!oldest || oldest == rate->snap)
		return;
	rate->count -= oldest - rate->snap;
	memmove(rate->snap, oldest, rate->count * sizeof(rate->snap[0]));
}

/* Transmission of the oldest segment in the network, or @sent_ns if that is older. */
static u64 oldest_sent_ns(const struct xtcp_sock *xs, u64 sent_ns)
{
	/* Older kernels' macro takes no pointer to const. */
	struct list_head *order = (struct list_head *)&xs->sent_order;
	const struct sk_buff *skb = list_first_entry_or_null(order, struct sk_buff,
							     tcp_tsorted_anchor);

	return skb ? min(xtcp_cb(skb)->sent_ns, sent_ns) : sent_ns;
}

/* Transmission of the segment sent last among those that have just arrived; 0: none. */
static u64 newest_sent_ns(struct xtcp_rate *rate, const struct xtcp_sock *xs,
			  u64 last_sent_ns)
{
	if (!xs->sack_ok)
		return last_sent_ns;
	if (rate->newest_ns == xs->rack.sent_ns && rate->newest_end == xs->rack.end)
		return 0;
	rate->newest_ns = xs->rack.sent_ns;
	rate->newest_end = xs->rack.end;
	return rate->newest_ns;
}

/**
 * xtcp_rate_acked - measure the delivery rate
 * @rate: of the connection
 * @xs: the connection, locked; its counts have those of this ACK
 * @last_sent_ns: without SACK: transmission of the last segment that was sent once and
 *	is acknowledged; 0: none
 * @min_rtt_us: least round trip time
 * @sample: of this ACK; its part from @rtt_us on is filled; it was zeroed
 */
void xtcp_rate_acked(struct xtcp_rate *rate, const struct xtcp_sock *xs,
		     u64 last_sent_ns, u32 min_rtt_us,
		     struct xtcp_congestion_sample *sample)
{
	const struct xtcp_rate_snap *snap;
	u64 sent_ns, span_ns;

	xtcp_assert_owned(&xs->inet.sk);
	if (!sample->delivered)
		return;
	rate->delivered_ns = sample->now_ns;
	rate->stale = true;
	if (rate->limited && (s32)(xs->delivered - rate->limited_until) > 0)
		rate->limited = false;
	sent_ns = newest_sent_ns(rate, xs, last_sent_ns);
	/* Acknowledged before its departure: no qdisc has held it back. */
	if (unlikely(sent_ns > sample->now_ns))
		return;
	snap = sent_ns ? snap_find(rate, sent_ns) : NULL;
	if (!snap)
		return;
	rate->first_ns = sent_ns;
	span_ns = max(sent_ns - min(snap->first_ns, sent_ns),
		      sample->now_ns - min(snap->delivered_ns, sample->now_ns));
	sample->rtt_us = max_t(u64, div_u64(sample->now_ns - min(sent_ns, sample->now_ns),
					    NSEC_PER_USEC), 1);
	sample->rate_delivered = xs->delivered - snap->delivered;
	/* Marks on pure ACKs are not of segments that were delivered. */
	sample->rate_marked = min(xs->delivered_ce - snap->delivered_ce,
				  sample->rate_delivered);
	sample->rate_lost = xs->lost - snap->lost;
	sample->prior_delivered = snap->delivered;
	sample->tx_pipe = snap->pipe;
	sample->app_limited = snap->app_limited;
	sample->interval_us = min_t(u64, div_u64(span_ns, NSEC_PER_USEC), U32_MAX);
	/* Less than a round trip: the ACKs were compressed, 4.1.2.3. */
	if (sample->interval_us < min_rtt_us)
		sample->interval_us = 0;
	snaps_forget(rate, oldest_sent_ns(xs, sent_ns));
}

/*
 * Segments in the network right after @cb was sent: @snap->pipe without the new data that was sent
 * directly behind @cb. @snap is the snapshot of @cb.
 */
static u32 tx_pipe(const struct xtcp_rate_snap *snap, const struct xtcp_sock *xs,
		   const struct xtcp_skb_cb *cb, u32 segs)
{
	u32 after = 0;

	if (!cb->retrans && seq_before(cb->end, snap->end))
		after = (u32)seq_dist(cb->end, snap->end) / max(xs->mss, 1U);
	return max(snap->pipe - min_t(u32, after, snap->pipe), segs);
}

/**
 * xtcp_rate_lost - what is known of a segment that is lost
 * @rate: of the connection
 * @xs: the connection, locked; xs->lost has it
 * @cb: of the segment, or of several that were sent together
 * @loss: its @segs is set; its part from @tx_pipe on is filled, and was zeroed
 */
void xtcp_rate_lost(const struct xtcp_rate *rate, const struct xtcp_sock *xs,
		    const struct xtcp_skb_cb *cb, struct xtcp_congestion_loss *loss)
{
	const struct xtcp_rate_snap *snap = snap_find(rate, cb->sent_ns);

	xtcp_assert_owned(&xs->inet.sk);
	if (!snap)
		return;
	loss->tx_pipe = tx_pipe(snap, xs, cb, loss->segs);
	loss->lost = xs->lost - snap->lost;
	loss->marked = min(xs->delivered_ce - snap->delivered_ce,
			   xs->delivered - snap->delivered);
	loss->app_limited = snap->app_limited;
}
