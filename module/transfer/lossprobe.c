// SPDX-License-Identifier: GPL-2.0
/*
 * lossprobe.c - ask for an ACK before the timeout
 *
 * RFC 8985 7, TLP: when the last segments of a flight are lost nothing comes
 * back that could tell, and only the retransmission timeout would, which also
 * empties the window. So after two round trips of silence one segment more is
 * sent, a new one or the last one again. Its ACK lets RACK find the losses.
 *
 *	PTO = 2 * SRTT, and
 *	      the least RTO when one segment is in flight: its ACK may be delayed
 *	      two clock ticks otherwise, 2 ms at the least
 *	    = 1 s without an RTT; never beyond the RTO
 *
 * One probe at a time, and only outside of a recovery. If it repairs the loss
 * by itself, that is noticed here, and the window comes down as for any other.
 *
 * Socket lock; softirq, process context, or the timer.
 */
#include "transfer/lossprobe.h"

#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "net/seq.h"
#include "net/wire.h"
#include "netns.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/acked.h"
#include "transfer/prr.h"
#include "transfer/recovery.h"
#include "transfer/retransmit.h"
#include "transfer/rtt.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/smallqueue.h"
#include "user/stats.h"

/*
 * What an ACK may take beyond the round trips seen so far: the peer's CPU, or
 * ours, was busy. Linux waits for two ticks of its timer wheel. Ours is exact,
 * and would probe a clean path of 100 us for every pause of 2 ms.
 */
#define PTO_SLACK_US	max_t(u32, 2000, 2 * USEC_PER_SEC / HZ)

/* Values of xtcp_early_retrans that mean TLP; the others are history. */
static bool lossprobe_is_on(const struct xtcp_knobs *knobs)
{
	u8 early = READ_ONCE(knobs->early_retrans);

	return early == 3 || early == 4;
}

static u64 pto_ns(const struct xtcp_sock *xs, const struct xtcp_knobs *knobs)
{
	u32 us = XTCP_RTO_INIT_US;

	if (xs->srtt_us)
		us = (xs->srtt_us >> 2) +
		     (xs->in_flight == 1 ? xtcp_rtt_rto_min_by(xs, knobs) :
					   PTO_SLACK_US);
	return (u64)us * NSEC_PER_USEC;
}

static bool nothing_is_missing(const struct xtcp_sock *xs)
{
	return xs->recovery == XTCP_RECOVERY_NONE ||
	       xs->recovery == XTCP_RECOVERY_REDUCTION;
}

/**
 * xtcp_lossprobe_init - no loss probe is in flight
 * @xs: a connection that begins
 */
void xtcp_lossprobe_init(struct xtcp_sock *xs)
{
	xs->probe_out = 0;
}

/**
 * xtcp_lossprobe_schedule - let the timer send a probe, if one is called for
 * @sk: the socket, locked
 * @now_ns: what the clock says
 * @from_now: the timeout, too, counts from now, not from the oldest segment
 *
 * Return: false when it is not, or a timeout comes first
 */
bool xtcp_lossprobe_schedule(struct sock *sk, u64 now_ns, bool from_now)
{
	const struct xtcp_knobs *knobs = &xtcp_net(sock_net(sk))->knobs;
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 probe_ns, rto_ns;

	if (!xs->in_flight || !xs->sack_ok || !nothing_is_missing(xs) ||
	    !lossprobe_is_on(knobs))
		return false;
	probe_ns = pto_ns(xs, knobs);
	rto_ns = from_now ? (u64)xs->rto_us * NSEC_PER_USEC :
			    xtcp_retransmit_left_ns(sk, now_ns);
	if (rto_ns)
		probe_ns = min(probe_ns, rto_ns);
	if (unlikely(xs->user_timeout_ms ?: READ_ONCE(knobs->user_timeout)) &&
	    xtcp_retransmit_user_left_ns(xs) <= probe_ns)
		return false;
	xs->waiting = XTCP_WAIT_LOSS_PROBE;
	xtcp_timer_set_from(sk, XTCP_TIMER_RETRANSMIT, now_ns, probe_ns);
	return true;
}

/* Of an skb in flight the last segment, as an skb of its own. */
static struct sk_buff *last_segment(struct sock *sk, struct sk_buff *skb)
{
	u32 segs = xtcp_sendq_segs(skb);

	if (segs == 1)
		return skb;
	if (!xtcp_sendq_split_flight(sk, skb,
				     (segs - 1) * xtcp_cb(skb)->seg_size))
		return NULL;
	return skb_rb_next(skb);
}

/* RFC 8985 7.3: a new segment if there is one and the window takes it. */
static bool probe_send(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *newest;

	xs->probe_resent = 0;
	if (xtcp_send_has_room(sk))
		return xtcp_send_beyond_cwnd(sk);
	if (!xtcp_sendq_bare_to_skb(sk))
		return false;
	newest = xtcp_sendq_newest(sk);
	/* The peer holds it; and the time of sending would be taken for run_end. */
	if (xtcp_cb(newest)->marks & XTCP_MARK_SACKED)
		return false;
	if (xtcp_smallqueue_holds_copy(sk, newest))
		return false;
	newest = last_segment(sk, newest);
	if (!newest || xtcp_send_again(sk, newest, 1))
		return false;
	xs->probe_resent = 1;
	return true;
}

/**
 * xtcp_lossprobe_timeout - nothing was heard for as long as a probe waits
 * @sk: the socket, locked; softirq or release_cb
 *
 * A SACK since then may have shown that something is missing: then there is
 * nothing to ask for, and the timeout is what remains.
 */
void xtcp_lossprobe_timeout(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xs->in_flight)
		return;
	if (!xs->probe_out && nothing_is_missing(xs) && probe_send(sk)) {
		xs->probe_out = 1;
		xs->probe_seq = xs->snd_nxt;
		XTCP_INC(sock_net(sk), LOSS_PROBES);
		/* The timeout counts from the probe. */
		xs->waiting = XTCP_WAIT_TIMEOUT;
	}
	xtcp_retransmit_arm(sk);
}

/* The probe's ACK says nothing of a second arrival: the first was lost. */
static void probe_has_repaired(struct sock *sk, const struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xs->undo_armed = 0;
	xtcp_prr_begin(xs, xs->in_flight + a->segs);
	WRITE_ONCE(xs->cwnd, xs->ssthresh);
	xtcp_recovery_settle(sk);
	XTCP_INC(sock_net(sk), LOSS_PROBE_RECOVERY);
}

/**
 * xtcp_lossprobe_acked - what an ACK says about the probe on its way
 * @sk: the socket, locked, with a probe out
 * @a: what the ACK says
 *
 * RFC 8985 7.4.2: if the probe was the last segment again, and both copies
 * arrived, a duplicate ACK or a D-SACK tells; an ACK beyond it without either
 * means that one was lost.
 */
void xtcp_lossprobe_acked(struct sock *sk, const struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (seq_before(xs->snd_una, xs->probe_seq))
		return;
	if (!xs->probe_resent || a->dsack_of_probe)
		xs->probe_out = 0;
	else if (seq_after(xs->snd_una, xs->probe_seq))
		probe_has_repaired(sk, a);
	else if (!a->advanced && !a->new_data && !a->sacked)
		xs->probe_out = 0;
}
