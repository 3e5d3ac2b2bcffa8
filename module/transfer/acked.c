// SPDX-License-Identifier: GPL-2.0
/*
 * acked.c - what an ACK does to the send queue
 *
 * RFC 9293 3.10.7.4 fifth: SND.WND is updated, SND.UNA advances, and the segments
 * below it leave the flight. RFC 6298 3 (Karn) and RFC 7323 4 for the round
 * trip that an ACK measures, RFC 5681 2 for what a duplicate is. What an ACK
 * says is gathered in struct xtcp_acked and evaluated at its end.
 *
 * Context: socket lock; softirq, or process for the backlog.
 */
#include "transfer/acked.h"

#include <linux/skbuff.h>
#include <net/net_debug.h>
#include <net/sock.h>

#include "deadlines.h"
#include "fastq.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "observe/tracesock.h"
#include "segment/output.h"
#include "tcb.h"
#include "transfer/accecn.h"
#include "transfer/autotune.h"
#include "transfer/congestion.h"
#include "transfer/ecn.h"
#include "transfer/lossprobe.h"
#include "transfer/meter.h"
#include "transfer/mtuprobe.h"
#include "transfer/pacing.h"
#include "transfer/probe.h"
#include "transfer/prr.h"
#include "transfer/rack.h"
#include "transfer/recovery.h"
#include "transfer/retransmit.h"
#include "transfer/rtt.h"
#include "transfer/scoreboard.h"
#include "transfer/sendqueue.h"
#include "transfer/txstamp.h"
#include "transfer/undo.h"
#include "transfer/urgent.h"
#include "transfer/window.h"

/* SEG.ACK lies within @skb: its segments below leave the flight. */
static void part_acked(struct sock *sk, struct sk_buff *skb,
		       struct xtcp_acked *a)
{
	seq_t seq = xtcp_cb(skb)->seq;
	u32 segs;

	if (xtcp_txstamp_is_on(skb))
		xtcp_txstamp_acked(sk, skb);
	segs = xtcp_sendq_trim_head(sk, skb, xtcp_sk(sk)->snd_una);
	if (!segs)
		return;
	xtcp_scoreboard_landed(sk, xtcp_cb(skb), seq, segs, a);
	a->segs += segs;
}

/*
 * Our SYN, or SYN-ACK, leaves the flight. If the peer echoes the timestamp of its first copy,
 * that copy arrived, and the timeouts show a slow path and no loss. The clock was read twice,
 * for the timestamp and for the time of sending, so the two may differ by a tick.
 */
static void syn_acked(const struct xtcp_sock *xs, struct xtcp_acked *a, u8 retrans)
{
	u32 first = xtcp_tsval_at(xs, xs->retrans_stamp_ns);

	a->syn = 1;
	a->lossy = retrans > 1;
	a->first_syn = a->has_tsecr && a->tsecr - first <= 1;
}

/* Our SYN or FIN, sent without an skb, leaves the flight. */
static void bare_acked(struct sock *sk, struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_skb_cb cb __uninitialized;

	cb.seq = seq_sub(xs->snd_una, 1);
	cb.end = xs->snd_una;
	cb.sent_ns = xs->retrans_stamp_ns;
	cb.retrans = 0;
	cb.marks = 0;
	xtcp_scoreboard_landed(sk, &cb, cb.seq, 1, a);
	if (xtcp_sendq_bare_is_fin(xs))
		a->segs = 1;
	else
		syn_acked(xs, a, 0);
	xtcp_sendq_land_bare(sk);
}

/* Remove what lies below SEG.ACK from the flight. */
static void flight_acked(struct sock *sk, struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	if (xs->bare_out)
		bare_acked(sk, a);
	while ((skb = xtcp_sendq_oldest(sk))) {
		struct xtcp_skb_cb *cb = xtcp_cb(skb);

		if (seq_after(cb->end, xs->snd_una)) {
			if (seq_after(xs->snd_una, cb->seq))
				part_acked(sk, skb, a);
			break;
		}
		xtcp_scoreboard_landed(sk, cb, cb->seq, xtcp_sendq_segs(skb),
				       a);
		if (cb->flags & XTCP_SYN)
			syn_acked(xs, a, cb->retrans);
		else
			a->segs += xtcp_sendq_segs(skb);
		if (xtcp_txstamp_is_on(skb))
			xtcp_txstamp_acked(sk, skb);
		xtcp_sendq_land(sk, skb);
	}
	/* Before sacked_out ends: without SACK, duplicate ACKs have counted some of these. */
	xtcp_scoreboard_swept(sk, a);
	if (!xs->in_flight)
		xs->sacked_out = 0;
	/* As in Linux, an ACK of a part of a segment does not restart the timer (RFC 6298 5.3). */
	if (a->syn || a->segs) {
		a->no_duplicate = 1;
		a->arm = 1;
	}
}

/* RTT by the echoed timestamp, in whole milliseconds; 0 if it can't be measured. */
static u32 echo_rtt_us(const struct xtcp_sock *xs, u32 tsecr)
{
	s32 ms = (s32)(xtcp_tsval(xs) - tsecr);

	if (!tsecr || ms < 0 || ms > XTCP_RTO_MAX_US / USEC_PER_MSEC)
		return 0;
	return max(ms, 1) * USEC_PER_MSEC;
}

/**
 * xtcp_acked_echo_rtt_us - RTT by the timestamp that an ACK echoes
 * @xs: the connection
 * @a: what the ACK says
 *
 * Return: microseconds, in whole milliseconds; 0 if it can't be measured
 */
u32 xtcp_acked_echo_rtt_us(const struct xtcp_sock *xs, const struct xtcp_acked *a)
{
	return a->has_tsecr ? echo_rtt_us(xs, a->tsecr) : 0;
}

/*
 * Pass an RTT measurement to the timeout, the minimum and congestion control.
 * @last_us is 0 if the segment was SACKed; congestion control does not get this RTT.
 */
static void rtt_measured(struct sock *sk, u32 first_us, u32 last_us, u64 now_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_rtt_sample(sk, first_us);
	if (!last_us) {
		xtcp_rtt_min_guess(xs, first_us, now_ns);
		return;
	}
	xtcp_rtt_min_sample(xs, last_us, now_ns);
	xtcp_congestion_rtt(xs, last_us);
}

/*
 * RFC 6298 3: measure the RTT by a segment that was sent once and is now
 * acknowledged cumulatively or else by SACK. Otherwise the timestamps option
 * tells which copy was acknowledged (RFC 7323 4). The minimum and congestion
 * control get the RTT of the segment sent last, but not of a SACKed one: it may
 * have overtaken others, and its ACK, too. A SYN that was sent again and can't
 * be measured makes the first RTO 3 s (RFC 6298 5.7).
 */
static bool take_rtt(struct sock *sk, const struct xtcp_acked *a)
{
	u64 first_ns = a->resent ? 0 : a->sent_ns;
	u64 last_ns = a->resent ? 0 : a->last_sent_ns;
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 rtt_us, last_us;

	if (!first_ns)
		first_ns = a->sack_sent_ns;
	if (unlikely(first_ns > a->now_ns))
		first_ns = 0;
	if (unlikely(last_ns > a->now_ns))
		last_ns = 0;
	if (first_ns) {
		rtt_us = xtcp_rtt_us_between(first_ns, a->now_ns);
		last_us = last_ns ? max(xtcp_rtt_us_between(last_ns, a->now_ns), 1U) : 0;
	} else {
		rtt_us = a->has_tsecr && (a->syn || a->segs) ? echo_rtt_us(xs, a->tsecr) : 0;
		/* In whole milliseconds, and perhaps of the first copy. */
		last_us = xs->rack.min_guessed && xtcp_rtt_min_us(xs) < rtt_us ?
			  0 : rtt_us;
	}
	if (!first_ns && !rtt_us) {
		if (a->syn && a->resent)
			xtcp_rtt_fall_back(xs);
		return false;
	}
	rtt_measured(sk, rtt_us, last_us, a->now_ns);
	return true;
}

/**
 * xtcp_acked_syn_ack - take the first RTT of a passive connection
 * @sk: its new socket
 * @seg: the third segment
 * @rtt_us: from the SYN-ACK to it; 0 if the SYN-ACK was sent again, so that only the
 *	echoed timestamp tells the RTT (RFC 7323 4)
 *
 * Context: softirq; nobody else has the socket.
 * Return: false if it can't be measured
 */
bool xtcp_acked_syn_ack(struct sock *sk, const struct xtcp_seg *seg, u32 rtt_us)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!rtt_us && xs->ts_ok && seg->opt.has_ts && !(seg->flags & XTCP_SYN))
		rtt_us = echo_rtt_us(xs, seg->opt.tsecr);
	if (!rtt_us)
		return false;
	xtcp_rtt_sample(sk, rtt_us);
	xtcp_rtt_min_sample(xs, rtt_us, xs->last_rcv_ns);
	return true;
}

/*
 * We took our window back while segments of the peer were on their way. These segments set
 * SND.WL1. The peer's later ACKs without payload have the number of our right edge. It is below
 * SND.WL1, although these ACKs are newer. A segment with payload beyond the edge is one of those
 * on their way.
 */
static bool comes_from_the_edge(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return unlikely(xs->rcv_taken_back) && seg->seq == seg->end &&
	       !seq_before(seg->seq, seq_add(xs->rcv_nxt, xtcp_window_left(xs)));
}

/*
 * RFC 9293 3.10.7.4, fifth: SND.WND follows the latest segment. SND.UNA, which
 * has not advanced yet, serves as SND.WL2, because SEG.ACK is not below it
 * here. The order of two pure ACKs with the same numbers is unknown, so the
 * larger window counts, and a closed one always does; as in Linux.
 */
static bool window_is_new(const struct xtcp_sock *xs,
			  const struct xtcp_seg *seg, u32 wnd)
{
	if (seg->ack != xs->snd_una || seq_after(seg->seq, xs->snd_wl1))
		return true;
	return (seg->seq == xs->snd_wl1 || comes_from_the_edge(xs, seg)) &&
	       (wnd > xs->snd_wnd || !wnd);
}

/**
 * xtcp_acked_moves_window - does a segment set SND.WND to another value
 * @xs: TCB, locked; SND.WND, SND.WL1 and SND.UNA as before the segment
 * @seg: segment with ACK, whose SEG.ACK is not below SND.UNA
 *
 * Return: true if it does
 */
bool xtcp_acked_moves_window(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	u32 wnd = xtcp_acked_window(xs, seg);

	return wnd != xs->snd_wnd && window_is_new(xs, seg, wnd);
}

/* Returns true if SND.WND has changed. */
static bool update_window(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool moves = xtcp_acked_moves_window(xs, seg);
	u32 wnd = xtcp_acked_window(xs, seg);
	bool bound;

	/* The number of an ACK from the edge is below SND.WL1, which stays. */
	if (seg->ack != xs->snd_una || seq_after(seg->seq, xs->snd_wl1))
		xs->snd_wl1 = seg->seq;
	if (!moves)
		return false;
	WRITE_ONCE(xs->snd_wnd, wnd);
	if (wnd > xs->snd_wnd_max) {
		/* The old window may have limited the MSS to half of it. */
		bound = xs->mss >= xs->snd_wnd_max / 2;
		xs->snd_wnd_max = wnd;
		if (bound)
			xtcp_output_mss_sync(sk, xs->pmtu);
	}
	return true;
}

/**
 * xtcp_acked_wake_writer - wake a writer that waits for buffer space
 * @sk: the socket, locked
 *
 * Called when memory was freed, or less is unsent than before (TCP_NOTSENT_LOWAT).
 */
void xtcp_acked_wake_writer(struct sock *sk)
{
	xtcp_assert_owned(sk);
	/* Pairs with the writer, which sets SOCK_NOSPACE and looks again. */
	smp_mb();
	if (!sk->sk_socket || !test_bit(SOCK_NOSPACE, &sk->sk_socket->flags))
		return;
	xtcp_autotune_send(sk);
	/* The small queue takes each call for an skb that has left the host, and tries to send. */
	if (__sk_stream_is_writeable(sk, 1))
		sk->sk_write_space(sk);
}

/*
 * A SACK block acknowledged a segment that was sent before the last transmission of the
 * oldest one: restart the timer for the oldest. Not for one sent after that; otherwise
 * recovery would postpone the timeout again and again.
 */
static bool sack_extends_timeout(struct sock *sk, const struct xtcp_acked *a)
{
	const struct sk_buff *oldest = xtcp_sendq_oldest(sk);

	/* One that was SACKed has no time of sending any more. */
	return a->sack_sent_ns && oldest && !(xtcp_cb(oldest)->marks & XTCP_MARK_SACKED) &&
	       a->sack_sent_ns < xtcp_cb(oldest)->sent_ns;
}

/* True if the ACK may concern recovery: RFC 5681 2; RFC 6675 2 for SACK. */
static bool ack_concerns_recovery(const struct xtcp_sock *xs,
				  const struct xtcp_acked *a)
{
	return !a->no_duplicate || a->sacked || a->dsack || a->ece ||
	       !xtcp_recovery_is_idle(xs);
}

/*
 * Where far reordering is known, all arrivals open the window; otherwise only
 * cumulative acknowledgment does.
 */
static bool opens_window(struct sock *sk, const struct xtcp_acked *a)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (xs->reordering > XTCP_KNOB(sock_net(sk), reordering))
		return a->segs || a->sacked;
	return a->segs;
}

/* @ece: a mark that is not counted yet; accecn.c counts its own. */
static void count_delivered(struct sock *sk, u32 segs, bool ece)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xs->delivered += segs;
	XTCP_ADD(sock_net(sk), DELIVERED, segs);
	if (ece) {
		xs->delivered_ce += segs;
		XTCP_ADD(sock_net(sk), DELIVERED_CE, segs);
	}
}

/* The scoreboard is up to date: recover, set the timer and the window. */
static void acked_evaluate(struct sock *sk, struct xtcp_acked *a)
{
	enum xtcp_resend resend = XTCP_RESEND_NONE;
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool ece = a->ece && !a->marks;
	u32 counted = a->delivered;
	u32 lost = xs->lost;

	/* First: a congestion control that is told of a loss sees what this ACK delivers. */
	count_delivered(sk, counted, ece);
	xtcp_rack_window_adapt(xs);
	if (xtcp_lossprobe_is_out(xs))
		xtcp_lossprobe_acked(sk, a);
	if (ack_concerns_recovery(xs, a))
		resend = xtcp_recovery_acked(sk, a);
	if (unlikely(xs->retransmit.rto_timed) && xs->recovery != XTCP_RECOVERY_LOSS)
		xtcp_retransmit_settled(xs);
	if (a->arm && !xtcp_lossprobe_schedule(sk, a->now_ns, true))
		xtcp_retransmit_arm(sk);

	/* Without SACK, recovery takes a duplicate ACK for a segment that has arrived. */
	if (unlikely(a->delivered != counted))
		count_delivered(sk, a->delivered - counted, ece);
	a->lost = xs->lost - lost;
	if (xtcp_congestion_is_informed(xs))
		__xtcp_congestion_inform(sk, a);
	if (xtcp_recovery_reduces(xs))
		xtcp_prr_acked(xs, a);
	else if (opens_window(sk, a))
		xtcp_congestion_acked(sk, a->delivered, a->prior_pipe);
	xtcp_pacing_update(sk);
	xtcp_recovery_resend(sk, resend);
}

static void una_advance(struct xtcp_sock *xs, seq_t ack)
{
	xs->bytes_acked += seq_dist(xs->snd_una, ack);
	WRITE_ONCE(xs->snd_una, ack);
	xtcp_rack_una_advanced(xs);
	xtcp_undo_una_advanced(xs);
	xtcp_retransmit_progressed(xs);
}

/*
 * Bytes that an ACK newly acknowledges. Exact without SACK blocks; else estimated by full
 * segments.
 */
static u32 delivered_bytes(const struct xtcp_sock *xs, const struct xtcp_acked *a)
{
	if (a->advanced && a->segs == a->delivered)
		return seq_dist(a->prior_una, xs->snd_una);
	return (a->delivered - a->syn) * xs->mss;
}

/* Accurate ECN: the marks that the ACK reports. The scoreboard is up to date. */
static void take_marks(struct sock *sk, const struct xtcp_seg *seg, struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_accecn_ack ack;
	bool filled;

	if (likely(!xtcp_accecn_is_on(xs)) || a->old)
		return;
	filled = xtcp_accecn_fills(xs);
	ack.segs = a->delivered;
	ack.bytes = delivered_bytes(xs, a);
	ack.progress = a->segs || a->syn || a->sacked;
	ack.syn = a->syn;
	a->marks = xtcp_accecn_acked(sk, seg, &ack);
	a->ece = !!a->marks;
	if (xtcp_accecn_fills(xs) != filled)
		xtcp_output_mss_sync(sk, xs->pmtu);
}

/* Our SYN, or SYN-ACK, is acknowledged: what had to wait for the peer's answer. */
static void syn_landed(struct sock *sk, const struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (unlikely(xs->fast_held))
		xtcp_fastq_acked(sk);
	if (unlikely(xs->retransmit.rto_timed))
		xtcp_retransmit_settled(xs);
	/* The peer's MSS is known now. */
	xtcp_mtuprobe_init(sk);
	/* Of a fast open, data may have been sent again, too: that is no reason for one segment. */
	xtcp_congestion_init(sk, a->lossy && !a->first_syn);
	if (unlikely(xs->lost_out))
		xtcp_recovery_go_on(sk);
	xtcp_autotune_send(sk);
	xtcp_congestion_expect(sk);
	xtcp_pacing_update(sk);
	xtcp_retransmit_arm(sk);
	count_delivered(sk, a->delivered, a->ece);
}

/* SND.UNA advances to SEG.ACK. */
static void new_ack(struct sock *sk, const struct xtcp_seg *seg,
		    struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	una_advance(xs, seg->ack);
	a->advanced = 1;
	flight_acked(sk, a);
	xs->retrans_stamp_ns = xs->in_flight ? a->now_ns : 0;
	if (unlikely(xtcp_urgent_is_sending(xs)))
		xtcp_urgent_acked(xs);
	if (xtcp_recovery_follows_una(xs))
		xtcp_recovery_passed(xs);
	xtcp_scoreboard_sacked(sk, seg, a);
	take_rtt(sk, a);
	take_marks(sk, seg, a);
	if (unlikely(xtcp_mtuprobe_is_out(xs)))
		xtcp_mtuprobe_acked(sk);
	if (a->syn) {
		syn_landed(sk, a);
	} else {
		acked_evaluate(sk, a);
		xtcp_meter_acked(sk, a->now_ns, a->prior_pipe);
	}
	xtcp_acked_wake_writer(sk);
}

/*
 * SND.UNA does not advance, but SACK blocks may report arrivals, or the ACK is
 * a duplicate.
 */
static void same_ack(struct sock *sk, const struct xtcp_seg *seg,
		     struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xtcp_sendq_bare_to_skb(sk))
		return;
	xtcp_scoreboard_sacked(sk, seg, a);
	take_marks(sk, seg, a);
	if (!xs->in_flight && !a->dsack) {
		if (xtcp_lossprobe_is_out(xs))
			xtcp_lossprobe_acked(sk, a);
		return;
	}
	if (a->sack_sent_ns && take_rtt(sk, a) && sack_extends_timeout(sk, a))
		a->arm = 1;
	acked_evaluate(sk, a);
	/* Segments that have arrived were merged, and need less memory. */
	if (a->sacked)
		xtcp_acked_wake_writer(sk);
}

/*
 * A later ACK overtook this one. It is no duplicate, and its window and echo are old; but its SACK
 * blocks may still be new, and count as those of any ACK. In Linux they show losses only, and let a
 * reduction send nothing.
 */
static void old_ack(struct sock *sk, const struct xtcp_seg *seg,
		    struct xtcp_acked *a)
{
	if (!xtcp_sk(sk)->sack_ok || !seg->opt.nr_sacks)
		return;
	a->no_duplicate = 1;
	a->old = 1;
	/* If the mark is new, the later ACK has echoed it, too. */
	a->ece = 0;
	same_ack(sk, seg, a);
}

static void acked_begin(const struct xtcp_sock *xs, const struct xtcp_seg *seg,
			struct xtcp_acked *a)
{
	memset(a, 0, sizeof(*a));
	a->now_ns = xs->last_rcv_ns;
	a->prior_una = xs->snd_una;
	a->prior_highest = xtcp_scoreboard_highest(xs);
	a->prior_pipe = xtcp_congestion_pipe(xs);
	a->has_tsecr = seg->opt.has_ts && (xs->ts_ok || seg->flags & XTCP_SYN);
	a->tsecr = seg->opt.tsecr;
	a->no_duplicate = seg->seq != seg->end;
	a->ece = xtcp_ecn_is_echo(xs, seg);
}

/*
 * An ACK that is not older than the last one: the peer is alive, so probes are answered, and a soft
 * error is over.
 */
static void peer_heard(struct sock *sk)
{
	xtcp_probe_answered(sk);
	WRITE_ONCE(sk->sk_err_soft, 0);
}

/*
 * Process what any ACK says that is not older than the last one, besides SEG.ACK and SACK blocks.
 * Returns true if it changed the window.
 */
static bool take_header(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	peer_heard(sk);
	if (xs->ecn.ok && (seg->flags & XTCP_CWR))
		xtcp_ecn_cwr_received(xs, seg);
	if (seg->seq == seg->end)
		XTCP_INC(sock_net(sk), PURE_ACKS);
	return update_window(sk, seg);
}

/*
 * True if nothing new is acknowledged, nothing is in flight, no D-SACK came, no marks are
 * counted, and no duplicate ACK is awaited for a loss probe (RFC 8985 7.4.2).
 */
static bool ack_is_empty(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return seg->ack == xs->snd_una && !xs->in_flight && !seg->opt.nr_sacks &&
	       !xtcp_accecn_is_on(xs) && !xtcp_lossprobe_is_out(xs);
}

/*
 * True if our FIN was all that was in flight, is acknowledged now and nothing
 * is unusual. It was sent once, because a FIN sent again has an skb.
 */
static bool ack_is_last(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return xs->bare_out && seg->ack == xs->snd_nxt &&
	       xtcp_sendq_bare_is_fin(xs) && xtcp_recovery_is_idle(xs) &&
	       !xtcp_lossprobe_is_out(xs) && !seg->opt.nr_sacks &&
	       !xtcp_ecn_is_echo(xs, seg) && !xtcp_accecn_is_on(xs);
}

/*
 * Fast path for the ACK of our FIN. Nothing will be sent after it, so no window
 * is opened; but the round trip determines the length of TIME-WAIT.
 */
static void last_acked(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 rtt_us = xtcp_rtt_us_between(xs->retrans_stamp_ns, xs->last_rcv_ns);

	una_advance(xs, seg->ack);
	xtcp_sendq_land_bare(sk);
	xs->retrans_stamp_ns = 0;
	xtcp_rtt_sample(sk, rtt_us);
	xtcp_deadlines_all_acked(sk);
	count_delivered(sk, 1, false);
}

/**
 * xtcp_acked_rcv - process SEG.ACK, SEG.WND and the SACK blocks
 * @sk: the socket, locked, synchronized (or its SYN is being acknowledged)
 * @seg: segment with ACK, received at last_rcv_ns. Its SEG.ACK is at most
 *	SND.NXT, and below SND.UNA by the largest window at most
 *
 * RFC 9293 3.10.7.4, fifth. Lost segments may be sent again here; new ones are
 * not: the caller pushes at the end of the segment.
 *
 * Return: true if this ACK is the first that covers our FIN
 */
bool xtcp_acked_rcv(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_acked a __uninitialized;

	xtcp_assert_owned(sk);
	DEBUG_NET_WARN_ON_ONCE(seq_after(seg->ack, xs->snd_nxt));
	if (ack_is_empty(xs, seg)) {
		take_header(sk, seg);
		xtcp_trace_ack(sk, seg->ack);
		return false;
	}
	if (ack_is_last(xs, seg)) {
		take_header(sk, seg);
		last_acked(sk, seg);
		xtcp_trace_ack(sk, seg->ack);
		return true;
	}
	acked_begin(xs, seg, &a);
	if (seq_before(seg->ack, xs->snd_una)) {
		old_ack(sk, seg, &a);
		xtcp_trace_ack(sk, seg->ack);
		return false;
	}

	if (take_header(sk, seg))
		a.no_duplicate = 1;
	if (seg->ack == xs->snd_una)
		same_ack(sk, seg, &a);
	else
		new_ack(sk, seg, &a);
	xtcp_trace_ack(sk, seg->ack);
	return a.advanced && xs->fin_queued && seg->ack == xs->write_seq;
}

/* Inform a congestion control of an ACK that took the fast path. RACK has recorded the segment. */
static noinline void alone_inform(struct sock *sk, u32 segs)
{
	const struct xtcp_acked a = {
		.now_ns		= xtcp_sk(sk)->last_rcv_ns,
		.delivered	= segs,
		.prior_pipe	= segs,
		.last_sent_ns	= xtcp_sk(sk)->rack.sent_ns,
	};

	__xtcp_congestion_inform(sk, &a);
}

/* The only skb in flight is acknowledged in full, and was sent once. */
static void alone_acked(struct sock *sk, struct sk_buff *skb)
{
	const struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 segs = xtcp_sendq_segs(skb);
	u32 rtt_us;

	una_advance(xs, cb->end);
	xs->retrans_stamp_ns = 0;
	rtt_us = max(xtcp_rack_delivered(xs, cb, xs->last_rcv_ns), 1U);
	xtcp_sendq_land(sk, skb);
	rtt_measured(sk, rtt_us, rtt_us, xs->last_rcv_ns);
	xtcp_deadlines_all_acked(sk);
	count_delivered(sk, segs, false);
	if (xtcp_congestion_is_informed(xs))
		alone_inform(sk, segs);
	xtcp_congestion_acked(sk, segs, segs);
	xtcp_pacing_update(sk);
	xtcp_meter_acked(sk, xs->last_rcv_ns, segs);
	xtcp_acked_wake_writer(sk);
	sk_dst_confirm(sk);
}

/**
 * xtcp_acked_rcv_alone - fast path of xtcp_acked_rcv()
 * @sk: the socket, locked, ESTABLISHED; no recovery, and only payload in flight
 * @skb: the only skb in flight, sent once, which the segment acknowledges; NULL
 *	if nothing is in flight and the segment acknowledges nothing new
 * @seg: segment with payload that is next in order, received at last_rcv_ns
 */
void xtcp_acked_rcv_alone(struct sock *sk, struct sk_buff *skb,
			  const struct xtcp_seg *seg)
{
	xtcp_assert_owned(sk);
	peer_heard(sk);
	update_window(sk, seg);
	if (skb)
		alone_acked(sk, skb);
	xtcp_trace_ack(sk, seg->ack);
}
