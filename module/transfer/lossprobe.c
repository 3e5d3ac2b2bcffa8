// SPDX-License-Identifier: GPL-2.0
/*
 * lossprobe.c - tail loss probe, RFC 8985 7
 *
 * When the last segments of a flight are lost, no ACK reports it. Only the
 * retransmission timeout would, which also empties the window. So after two
 * round trips of silence one more segment is sent, a new one or the last one
 * again. Its ACK lets RACK find the losses.
 *
 * The probe timeout (PTO) is
 *	1 s while no round trip has been measured;
 *	2 * SRTT + the least RTO if one segment is in flight, because the peer may
 *	delay its ACK;
 *	2 * SRTT + two clock ticks, at least 2 ms, if several are;
 * and never later than the RTO.
 *
 * There is one probe at a time, and only outside of a recovery. If the probe
 * itself repairs the loss, xtcp_lossprobe_acked() notices that and the window
 * is reduced as for any other loss.
 *
 * Context: socket lock; softirq, process or timer.
 */
#include "transfer/lossprobe.h"

#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "deadlines.h"
#include "net/seq.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "tcb.h"
#include "transfer/acked.h"
#include "transfer/congestion.h"
#include "transfer/pacing.h"
#include "transfer/prr.h"
#include "transfer/recovery.h"
#include "transfer/retransmit.h"
#include "transfer/rtt.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/smallqueue.h"

/*
 * Time that an ACK may take beyond the RTT, because a CPU on either side is
 * busy. Linux waits for two ticks of its timer wheel. xtcp's timers are finer,
 * and without this slack every pause of 2 ms on a clean path of 100 us would
 * cause a probe.
 */
#define PTO_SLACK_US	max_t(u32, 2000, 2 * USEC_PER_SEC / HZ)

/* xtcp_early_retrans: 3 and 4 mean TLP, 0 to 2 none. */
static bool lossprobe_is_on(const struct xtcp_knobs *knobs)
{
	u8 early = READ_ONCE(knobs->early_retrans);

	return early == 3 || early == 4;
}

static u64 pto_ns(const struct xtcp_sock *xs, const struct xtcp_knobs *knobs)
{
	u32 us = XTCP_RTO_INIT_US;

	if (xs->rtt.srtt_us)
		us = (xs->rtt.srtt_us >> 2) +
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
 * xtcp_lossprobe_schedule - set the timer for a probe, if one should be sent
 * @sk: the socket, locked
 * @now_ns: current time
 * @from_now: the RTO counts from now, not from the oldest segment
 *
 * Once the oldest segment has waited for an RTO, the deadline stays as it is, for a probe or the
 * timeout behind it. A program that goes on writing would put it off each time.
 *
 * Return: false if no probe should be sent, or the user timeout comes first
 */
bool xtcp_lossprobe_schedule(struct sock *sk, u64 now_ns, bool from_now)
{
	const struct xtcp_knobs *knobs = &xtcp_net(sock_net(sk))->knobs;
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 probe_ns, rto_ns;

	xtcp_assert_owned(sk);
	if (!xs->in_flight || !xs->sack_ok || !nothing_is_missing(xs) ||
	    !lossprobe_is_on(knobs))
		return false;
	rto_ns = from_now ? xtcp_retransmit_after_ns(sk, now_ns) :
			    xtcp_retransmit_left_ns(sk, now_ns);
	if (!rto_ns)
		return true;
	/* The PTO counts from the departure of the last segment, which fq may hold. */
	probe_ns = pto_ns(xs, knobs) + xtcp_pacing_departure(sk, now_ns) - now_ns;
	probe_ns = min(probe_ns, rto_ns);
	if (unlikely(READ_ONCE(xs->sockopt.user_timeout_ms) ?:
		     READ_ONCE(knobs->user_timeout)) &&
	    xtcp_retransmit_user_timeout_left_ns(xs) <= probe_ns)
		return false;
	xtcp_deadlines_flight_changed(sk, XTCP_WAIT_LOSS_PROBE, now_ns,
				      probe_ns);
	return true;
}

/* Split the last segment off an skb in flight; NULL without memory. */
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

/* RFC 8985 7.3: send a new segment if there is one and the window allows it. */
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
	/*
	 * The peer has it. Besides, a SACKed segment has run_end in place of its time of
	 * sending, which a retransmission would overwrite.
	 */
	if (xtcp_cb(newest)->marks & XTCP_MARK_SACKED)
		return false;
	if (xtcp_smallqueue_holds_copy(sk, newest))
		return false;
	newest = last_segment(sk, newest);
	if (!newest || xtcp_send_again(sk, newest, 1, XTCP_RESENT_LOSS_PROBE))
		return false;
	xs->probe_resent = 1;
	return true;
}

/**
 * xtcp_lossprobe_timeout - the probe's timer has expired
 * @sk: the socket, locked; softirq or release_cb
 *
 * If a SACK block has shown a loss since it was set, no probe is sent and the timeout
 * follows.
 */
void xtcp_lossprobe_timeout(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (!xs->in_flight)
		return;
	if (!xs->probe_out && nothing_is_missing(xs) && probe_send(sk)) {
		xs->probe_out = 1;
		xs->probe_seq = xs->snd_nxt;
		XTCP_INC(sock_net(sk), LOSS_PROBES);
		/* The RTO counts from the probe. */
		xtcp_deadlines_resent(sk);
	}
	xtcp_retransmit_arm(sk);
}

/* No duplicate was reported for the probe, so the original was lost. */
static void probe_has_repaired(struct sock *sk, const struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xs->undo.armed = 0;
	xtcp_prr_begin(xs, xs->in_flight + a->segs);
	xtcp_congestion_reduced(xs);
	xtcp_recovery_settle(sk);
	XTCP_INC(sock_net(sk), LOSS_PROBE_RECOVERY);
}

/**
 * xtcp_lossprobe_acked - process an ACK while a probe is in flight
 * @sk: the socket, locked, with a probe in flight
 * @a: what the ACK says
 *
 * RFC 8985 7.4.2: if the probe was a retransmission of the last segment and
 * both copies arrived, a duplicate ACK or a D-SACK reports that. An ACK beyond
 * the probe without either means that the original was lost.
 */
void xtcp_lossprobe_acked(struct sock *sk, const struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (seq_before(xs->snd_una, xs->probe_seq))
		return;
	if (!xs->probe_resent || a->dsack_of_probe)
		xs->probe_out = 0;
	else if (seq_after(xs->snd_una, xs->probe_seq))
		probe_has_repaired(sk, a);
	else if (!a->advanced && !a->no_duplicate && !a->sacked)
		xs->probe_out = 0;
}
