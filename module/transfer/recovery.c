// SPDX-License-Identifier: GPL-2.0
/*
 * recovery.c - the phases of loss recovery
 *
 * The phases of a connection, RFC 5681, and what changes them:
 *
 *   none -- something is missing --> disorder -- it is lost --> fast recovery
 *    ^                                                            |   |
 *    +---- all that was in flight then is acknowledged -----------+   |
 *    |                                                  RTO (from any) |
 *    +---- or it turns out that nothing was lost ----- loss recovery <-+
 *
 * Besides there is the reduction without loss, once for each window: for a CE
 * mark (ECN, RFC 3168) or a full queue of the own host. A loss found meanwhile
 * turns it into a fast recovery with the same reduction.
 *
 * rack.c detects losses (RFC 8985). Without bit 0 (value 1) of xtcp_recovery a segment is
 * lost if xs->reordering segments above it, three by default, have arrived (RFC 6675), and
 * without SACK after as many duplicate ACKs and then with each partial ACK (RFC 6582,
 * NewReno). prr.c reduces the window, undo.c restores it.
 *
 * After a timeout F-RTO (RFC 5682) delays the retransmission of the other
 * segments: the oldest segment is sent again, then new ones. If the ACKs show
 * that the rest had arrived, the timeout was spurious.
 *
 * Context: socket lock; softirq, or process for the backlog.
 */
#include "transfer/recovery.h"

#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "deadlines.h"
#include "net/seq.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "observe/tracesock.h"
#include "tcb.h"
#include "transfer/acked.h"
#include "transfer/congestion.h"
#include "transfer/ecn.h"
#include "transfer/lossprobe.h"
#include "transfer/mtuprobe.h"
#include "transfer/pacing.h"
#include "transfer/prr.h"
#include "transfer/rack.h"
#include "transfer/retransmit.h"
#include "transfer/scoreboard.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/smallqueue.h"
#include "transfer/undo.h"

/*
 * Time for a peer that seems to have reneged to correct itself; as in Linux's
 * tcp_check_sack_reneging().
 */
#define RENEGE_WAIT_US	10000U

/* --- what is lost ------------------------------------------------------- */

/*
 * RFC 5681 3.2 and RFC 6582 3.2. A duplicate ACK below what the last recovery
 * covered may be caused by its needless retransmissions (step 1).
 */
static void lose_without_sack(struct sock *sk, const struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool first = xs->recovery < XTCP_RECOVERY_FAST &&
		     xs->sacked_out >= xs->reordering &&
		     (xs->recovery == XTCP_RECOVERY_REDUCTION ||
		      seq_after(xs->snd_una, xs->recover));
	bool next = xs->recovery == XTCP_RECOVERY_FAST && a->advanced;

	if (first || next)
		xtcp_scoreboard_lose_oldest(sk);
}

/*
 * RFC 6675 4 and 5. After a partial ACK the oldest segment is the next one
 * lost, if some above it have arrived: NextSeg() (3).
 */
static void lose_by_count(struct sock *sk, const struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (a->sacked || a->advanced)
		xtcp_scoreboard_lose_holes(sk);
	if (xs->recovery == XTCP_RECOVERY_FAST && a->advanced && a->segs &&
	    xs->sacked_out)
		xtcp_scoreboard_lose_oldest(sk);
}

static void lose_by_time(struct sock *sk, struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 resent = xs->retrans_out;
	u64 wait_ns;

	if (!xs->rack.advanced)
		return;
	wait_ns = xtcp_rack_detect(sk);
	if (wait_ns) {
		xtcp_retransmit_arm_reorder(sk, wait_ns);
		a->arm = 0;
	}
	if (xs->retrans_out < resent)
		a->lost_again = 1;
}

static void find_losses(struct sock *sk, struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xs->in_flight)
		return;
	if (!xs->sack_ok)
		lose_without_sack(sk, a);
	else if (xtcp_rack_is_on(xs))
		lose_by_time(sk, a);
	else
		lose_by_count(sk, a);
}

/* --- no recovery, and disorder ------------------------------------------- */

/**
 * xtcp_recovery_passed - SND.UNA has advanced on a connection without SACK
 * @xs: the connection, locked; SND.UNA is up to date
 *
 * Beyond the last recovery xs->recover follows SND.UNA. Left behind for 2^31
 * bytes it would seem to lie ahead, and duplicate ACKs would be taken for
 * consequences of that recovery (see lose_without_sack()).
 */
void xtcp_recovery_passed(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (xs->recovery <= XTCP_RECOVERY_DISORDER &&
	    seq_after(xs->snd_una, xs->recover))
		xs->recover = seq_sub(xs->snd_una, 1);
}

/**
 * xtcp_recovery_settle - leave a recovery for none, or for disorder
 * @sk: the socket, locked
 */
void xtcp_recovery_settle(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	xs->recovery = xs->sacked_out || xs->lost_out ||
		       xtcp_undo_any_resent(sk) ?
		       XTCP_RECOVERY_DISORDER : XTCP_RECOVERY_NONE;
}

static void settle_without_loss(struct sock *sk)
{
	xtcp_undo_forget_ts(sk);
	if (xtcp_sk(sk)->recovery != XTCP_RECOVERY_REDUCTION)
		xtcp_recovery_settle(sk);
}

/* Segments in flight before the ACK, including those it covers. */
static u32 flight_before(const struct xtcp_sock *xs, const struct xtcp_acked *a)
{
	return xs->in_flight + a->segs;
}

/*
 * RFC 5681 3.2, steps 2 and 3; RFC 6675 5, step 4. If the ACK also echoes a CE
 * mark, the reduction can't be undone.
 */
static void fast_recovery_enter(struct sock *sk, const struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_undo_forget_ts(sk);
	if (xs->sack_ok)
		XTCP_INC(sock_net(sk), SACK_RECOVERY);
	else
		XTCP_INC(sock_net(sk), RENO_RECOVERY);
	xtcp_undo_prepare(xs);
	if (xtcp_recovery_reduces(xs)) {
		xs->prior_ssthresh = 0;
		xtcp_congestion_lost_marked(xs, flight_before(xs, a));
	} else {
		xs->prior_ssthresh = a->ece ? 0 : xtcp_congestion_ssthresh_now(xs);
		xtcp_prr_begin(xs, flight_before(xs, a));
	}
	xs->recovery = XTCP_RECOVERY_FAST;
}

/*
 * A lost probe of the path's MTU is no congestion: RFC 4821 7.6.2.
 *
 * The segments acknowledged had arrived before the loss was found, so they open
 * the window first. Otherwise a receiver that combines its ACKs would lose half
 * a round of slow start. An ACK that echoes a mark opens nothing: RFC 3168 6.1.2.
 */
static void loss_found(struct sock *sk, const struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xtcp_mtuprobe_is_lost(xs)) {
		xtcp_mtuprobe_failed(sk);
		xtcp_recovery_path_shrank(sk);
		return;
	}
	if (a->segs && !a->ece && xs->recovery <= XTCP_RECOVERY_DISORDER)
		xtcp_congestion_acked(sk, a->segs, a->prior_pipe);
	fast_recovery_enter(sk, a);
}

/**
 * xtcp_recovery_reduce - reduce the window without a loss
 * @sk: the socket, locked
 * @flight: segments that were in flight before
 *
 * RFC 3168 6.1.2: as for a lost segment, and once for each window.
 */
void xtcp_recovery_reduce(struct sock *sk, u32 flight)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	xs->prior_ssthresh = 0;
	if (xs->recovery > XTCP_RECOVERY_DISORDER)
		return;
	xs->undo.armed = 0;
	xtcp_prr_begin(xs, flight);
	xs->recovery = XTCP_RECOVERY_REDUCTION;
}

/* D-SACKs report all retransmissions as duplicates: undo the reduction. */
static bool undo_by_dsack(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xtcp_undo_all_duplicate(xs))
		return false;
	xs->rack.persist = min_t(u32, xs->rack.persist + 1U, XTCP_RACK_PERSIST);
	xtcp_undo_restore(sk, false);
	XTCP_INC(sock_net(sk), DSACK_UNDO);
	return true;
}

static bool ack_is_duplicate(const struct xtcp_acked *a)
{
	return !a->advanced && !a->no_duplicate && !a->dsack;
}

static enum xtcp_resend unrecovered_acked(struct sock *sk, struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xs->sack_ok && a->advanced)
		xs->sacked_out = 0;
	if (!xs->sack_ok && ack_is_duplicate(a))
		xtcp_scoreboard_duplicate(sk, a);
	if (xs->recovery <= XTCP_RECOVERY_DISORDER)
		undo_by_dsack(sk);
	find_losses(sk, a);
	if (!xs->lost_out) {
		if (a->ece)
			xtcp_recovery_reduce(sk, flight_before(xs, a));
		settle_without_loss(sk);
		return XTCP_RESEND_NONE;
	}
	loss_found(sk, a);
	return XTCP_RESEND_LOST;
}

/* --- fast recovery ------------------------------------------------------ */

/*
 * All that was in flight when the recovery began is acknowledged. If nothing
 * was lost the window is restored.
 */
static void recovery_leave(struct sock *sk, const struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xtcp_undo_is_due(xs, a)) {
		xtcp_undo_restore(sk, false);
		if (xs->recovery == XTCP_RECOVERY_LOSS)
			XTCP_INC(sock_net(sk), LOSS_UNDO);
		else
			XTCP_INC(sock_net(sk), FULL_UNDO);
	} else if (xs->rack.persist) {
		xs->rack.persist--;
	}
	xs->recovery = XTCP_RECOVERY_NONE;
}

/*
 * A partial ACK shows that the first copy filled the hole: it was only late.
 * While retransmissions are in flight it is too early to decide.
 *
 * Once in a flight: the undo looks at all of it, and RACK may mark all of it as lost again. A peer
 * could have both done by each ACK. So a second delay in one flight reduces the window, although
 * nothing was lost; it counts as reordering all the same.
 *
 * Return: true if nothing else should be marked as lost for now
 */
static bool undo_partial(struct sock *sk, struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xs->undo.armed || !xtcp_undo_was_delayed(xs, a))
		return false;
	xtcp_scoreboard_reordered(sk, a->prior_una, true);
	if (xs->undo.absolved)
		return false;
	if (xs->retrans_out)
		return true;
	xtcp_undo_forget_ts(sk);
	/* The next segments may be as late as this one, and are not lost yet. */
	xtcp_rack_rtt_raise(xs, xtcp_acked_echo_rtt_us(xs, a));
	xtcp_undo_restore(sk, true);
	xs->undo.absolved = 1;
	XTCP_INC(sock_net(sk), PARTIAL_UNDO);
	xtcp_recovery_settle(sk);
	return false;
}

static enum xtcp_resend fast_recovery_acked(struct sock *sk,
					    struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (a->advanced) {
		if (undo_partial(sk, a))
			return XTCP_RESEND_NONE;
	} else if (!xs->sack_ok && ack_is_duplicate(a)) {
		xtcp_scoreboard_duplicate(sk, a);
	}
	if (undo_by_dsack(sk))
		settle_without_loss(sk);
	find_losses(sk, a);
	if (xs->recovery != XTCP_RECOVERY_FAST) {
		if (!xs->lost_out)
			return XTCP_RESEND_NONE;
		/* The old loss was reordering, but there is a new loss. */
		fast_recovery_enter(sk, a);
	}
	return XTCP_RESEND_LOST;
}

/* --- loss recovery ------------------------------------------------------ */

/* Undo a timeout found spurious by F-RTO, timestamp or D-SACK. */
static bool undo_timeout(struct sock *sk, const struct xtcp_acked *a,
			 bool by_frto)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!by_frto && !xtcp_undo_is_due(xs, a))
		return false;
	xtcp_undo_restore(sk, true);
	XTCP_INC(sock_net(sk), LOSS_UNDO);
	if (by_frto)
		XTCP_INC(sock_net(sk), SPURIOUS_RTOS);
	xtcp_retransmit_progressed(xs);
	if (by_frto || xs->sack_ok)
		xs->recovery = XTCP_RECOVERY_NONE;
	return true;
}

/*
 * RFC 5682 2.1 and 3.1, the steps after the retransmission of the oldest.
 *
 * Return: true if that is all to do for this ACK, with *@what set
 */
static bool frto_acked(struct sock *sk, const struct xtcp_acked *a,
		       enum xtcp_resend *what)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	*what = XTCP_RESEND_NONE;
	/* 3.b: a segment sent once, before the timeout, has arrived. */
	if (a->original && undo_timeout(sk, a, true))
		return true;
	if (seq_after(xs->snd_nxt, xs->recover)) {
		/* 3.a: new segments arrive above a hole: it is a loss. */
		if (a->sacked || ack_is_duplicate(a))
			xs->frto = 0;
	} else if (a->advanced && seq_before(xs->snd_una, xs->recover)) {
		/* 2.b: send new segments as a test, if there are any. */
		xs->recover = xs->snd_nxt;
		if (xtcp_send_has_room(sk)) {
			*what = XTCP_RESEND_NEW;
			return true;
		}
		xs->frto = 0;
	}
	return false;
}

static enum xtcp_resend loss_recovery_acked(struct sock *sk,
					    struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool recovered = seq_after_eq(xs->snd_una, xs->recover);
	enum xtcp_resend what;

	if (a->advanced && undo_timeout(sk, a, false))
		return XTCP_RESEND_NONE;
	if (xs->frto && frto_acked(sk, a, &what))
		return what;
	if (recovered) {
		recovery_leave(sk, a);
		return XTCP_RESEND_NONE;
	}
	if (!xs->sack_ok) {
		/* New segments of F-RTO arrive and leave space for others. */
		if (seq_after(xs->snd_nxt, xs->recover) && ack_is_duplicate(a))
			xtcp_scoreboard_duplicate(sk, a);
		else if (a->advanced)
			xs->sacked_out = 0;
	}
	return XTCP_RESEND_LOST;
}

/* --- an ACK ------------------------------------------------------------- */

/*
 * If the oldest segment was SACKed, the peer has dropped it, or its ACKs were
 * reordered. It gets a short time to acknowledge it; then the timeout clears
 * all SACKs (RFC 2018 8). Returns true in that case.
 */
static bool suspect_reneging(struct sock *sk, struct xtcp_acked *a)
{
	const struct sk_buff *oldest = xtcp_sendq_oldest(sk);
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!a->advanced || !oldest ||
	    !(xtcp_cb(oldest)->marks & XTCP_MARK_SACKED))
		return false;
	xtcp_deadlines_reneging_suspected(sk, NSEC_PER_USEC *
					  (u64)max(xs->rtt.srtt_us >> 4,
						   RENEGE_WAIT_US));
	a->arm = 0;
	return true;
}

/**
 * xtcp_recovery_acked - detect losses and change the phase after an ACK
 * @sk: the socket, locked; SND.UNA and the scoreboard are up to date
 * @a: what the ACK says; losses are added
 *
 * Sends nothing: that follows at the end of the ACK (xtcp_recovery_resend()). Until then the
 * window may be reduced or restored, but does not grow (prr.c, congestion.c).
 *
 * Return: what may be sent then
 */
enum xtcp_resend xtcp_recovery_acked(struct sock *sk, struct xtcp_acked *a)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	enum xtcp_resend what;

	xtcp_assert_owned(sk);
	/* A reduction for CE marks stands, even if losses are undone. */
	if (a->ece)
		xs->prior_ssthresh = 0;
	if (suspect_reneging(sk, a))
		return XTCP_RESEND_NONE;
	if (xs->recovery == XTCP_RECOVERY_NONE) {
		xs->undo.ts_set = 0;
	} else if (xs->recovery == XTCP_RECOVERY_REDUCTION &&
		   seq_after(xs->snd_una, xs->recover)) {
		/* Only above xs->recover: then CWR has reached the peer. */
		xtcp_prr_end(xs);
		xs->recovery = XTCP_RECOVERY_NONE;
	} else if (xs->recovery == XTCP_RECOVERY_FAST &&
		   seq_after_eq(xs->snd_una, xs->recover)) {
		if (!xs->sack_ok)
			xs->sacked_out = 0;
		recovery_leave(sk, a);
		xtcp_prr_end(xs);
	}

	switch ((enum xtcp_recovery)xs->recovery) {
	case XTCP_RECOVERY_FAST:
		return fast_recovery_acked(sk, a);
	case XTCP_RECOVERY_LOSS:
		what = loss_recovery_acked(sk, a);
		find_losses(sk, a);
		/*
		 * Recovery is over; or retransmissions were lost, which is a
		 * new loss.
		 */
		if (xs->recovery != XTCP_RECOVERY_NONE && !a->lost_again)
			return what;
		fallthrough;
	case XTCP_RECOVERY_NONE:
	case XTCP_RECOVERY_DISORDER:
	case XTCP_RECOVERY_REDUCTION:
		return unrecovered_acked(sk, a);
	}
	return XTCP_RESEND_NONE;
}

/* --- retransmission ----------------------------------------------------- */

static enum xtcp_resent why_lost(const struct xtcp_sock *xs)
{
	if (xs->recovery == XTCP_RECOVERY_LOSS)
		return XTCP_RESENT_SLOW_START;
	return xs->sack_ok && xtcp_rack_is_on(xs) ? XTCP_RESENT_RACK :
						    XTCP_RESENT_DUPLICATE_ACKS;
}

/* Send lost segments again, oldest first, as far as the window allows. */
static void resend_lost(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool oldest_went = false;
	struct sk_buff *skb;
	u32 pipe;

	while ((pipe = xtcp_congestion_pipe(xs)) < xs->cwnd &&
	       !xtcp_pacing_holds(sk)) {
		skb = xtcp_scoreboard_next_lost(sk);
		if (!skb || xtcp_smallqueue_is_full(sk, skb->truesize, 1) ||
		    xtcp_send_retransmit(sk, skb, xs->cwnd - pipe, why_lost(xs)))
			break;
		if (xs->recovery == XTCP_RECOVERY_LOSS)
			XTCP_ADD(sock_net(sk), SLOW_START_RETRANS,
				 xtcp_sendq_segs(skb));
		else
			XTCP_ADD(sock_net(sk), FAST_RETRANS,
				 xtcp_sendq_segs(skb));
		if (xs->recovery == XTCP_RECOVERY_FAST)
			xs->prr.out += xtcp_sendq_segs(skb);
		if (skb == xtcp_sendq_oldest(sk))
			oldest_went = true;
	}
	/* The oldest was sent again: restart its timer. */
	if (oldest_went && xs->retransmit.waiting != XTCP_WAIT_REORDER) {
		xtcp_deadlines_resent(sk);
		xtcp_retransmit_arm(sk);
	}
}

/**
 * xtcp_recovery_resend - send what an ACK, or RACK's timer, allows
 * @sk: the socket, locked; the window is up to date
 * @what: from xtcp_recovery_acked()
 */
void xtcp_recovery_resend(struct sock *sk, enum xtcp_resend what)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (what == XTCP_RESEND_NEW) {
		/* What F-RTO needs for its test waits for nothing, not even with TCP_CORK. */
		xtcp_send_push(sk, XTCP_NAGLE_PUSH);
		if (seq_after(xs->snd_nxt, xs->recover))
			return;
		xs->frto = 0;
	}
	if (what != XTCP_RESEND_NONE)
		resend_lost(sk);
}

/**
 * xtcp_recovery_resume - continue retransmissions that were held back
 * @sk: the socket, locked
 *
 * Held back by pacing, or by skbs that had not left this host.
 */
void xtcp_recovery_resume(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (xs->recovery >= XTCP_RECOVERY_FAST && xs->to_resend)
		xtcp_recovery_resend(sk, XTCP_RESEND_LOST);
}

/* --- timers ------------------------------------------------------------- */

/* True if the window was already reduced for what is in flight now. */
static bool window_is_reduced(const struct xtcp_sock *xs)
{
	if (xs->recovery <= XTCP_RECOVERY_DISORDER ||
	    !seq_after(xs->recover, xs->snd_una))
		return false;
	return xs->recovery != XTCP_RECOVERY_LOSS || xs->retransmit.in_row;
}

/**
 * xtcp_recovery_timed_out - the retransmission timeout has passed
 * @sk: the socket, locked, with something in flight
 *
 * RFC 5681 3.1: all segments count as lost, slow start begins with one segment;
 * ssthresh is reduced once, however often the timer expires. F-RTO is used
 * unless a fast recovery was under way, or the recovery of an earlier timeout had made
 * progress (RFC 5682 2.1, step 1), or a probe of the path's MTU is in flight, whose loss would
 * look like a spurious timeout.
 */
void xtcp_recovery_timed_out(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	u32 reordering = XTCP_KNOB(net, reordering);
	bool first = xs->recovery < XTCP_RECOVERY_FAST;
	bool unknown = xs->recovery <= XTCP_RECOVERY_DISORDER;

	xtcp_assert_owned(sk);
	xtcp_scoreboard_lose_flight(sk);
	if (!window_is_reduced(xs)) {
		xs->prior_ssthresh = xtcp_congestion_ssthresh_now(xs);
		xtcp_congestion_reduce(xs, xs->in_flight);
		xtcp_undo_prepare(xs);
	}
	xtcp_congestion_timed_out(xs);
	xtcp_congestion_lost_all(xs);

	/*
	 * So many duplicates without recovery: the reordering was
	 * overestimated.
	 */
	if (unknown && xs->sacked_out >= reordering)
		xs->reordering = min(xs->reordering, reordering);
	xs->recovery = XTCP_RECOVERY_LOSS;
	xs->recover = xs->snd_nxt;
	xs->undo.absolved = 0;
	xtcp_lossprobe_forget(xs);
	xtcp_ecn_reduced(xs);
	xs->frto = XTCP_KNOB(net, frto) && (first || xs->retransmit.in_row) &&
		   !xtcp_mtuprobe_is_out(xs);
}

/**
 * xtcp_recovery_reorder_timeout - RACK's reordering window has passed
 * @sk: the socket, locked; softirq or release_cb
 */
void xtcp_recovery_reorder_timeout(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 pipe = xtcp_congestion_pipe(xs);
	struct xtcp_acked a = { .delivered = 1 };
	u32 lost = xs->lost;
	u64 wait_ns;

	xtcp_assert_owned(sk);
	if (!xs->in_flight)
		return;
	wait_ns = xtcp_rack_detect(sk);
	/*
	 * Nothing is lost yet if the window is longer than an RTO: then a timeout follows. Or the
	 * window has grown meanwhile.
	 */
	if (wait_ns && xtcp_congestion_pipe(xs) == pipe &&
	    !xtcp_retransmit_left_ns(sk, xtcp_now_ns()))
		wait_ns = 0;
	if (wait_ns)
		xtcp_retransmit_arm_reorder(sk, wait_ns);
	if (xtcp_congestion_pipe(xs) != pipe) {
		if (xs->recovery != XTCP_RECOVERY_FAST) {
			loss_found(sk, &a);
			a.lost = xs->lost - lost;
			if (xs->recovery == XTCP_RECOVERY_FAST)
				xtcp_prr_acked(xs, &a);
		}
		resend_lost(sk);
	}
	if (!wait_ns)
		xtcp_retransmit_arm(sk);
}

/**
 * xtcp_recovery_path_shrank - segments were lost, but not because of congestion
 * @sk: the socket, locked; they are marked as lost
 *
 * They were too big for the path (RFC 1191 6.4; a probe of the MTU: RFC 4821 7.6.2), or they are
 * data of a SYN that the server has not acknowledged (RFC 7413). They are sent again like others,
 * and cwnd stays as it is.
 */
void xtcp_recovery_path_shrank(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (!xs->lost_out)
		return;
	xtcp_scoreboard_exclude(xs);
	if (xs->recovery == XTCP_RECOVERY_LOSS)
		return;
	/* Before the phase changes: a reduction that is under way stands. */
	xtcp_congestion_keep_ssthresh(xs);
	xtcp_recovery_go_on(sk);
	xtcp_undo_init(xs);
}

/**
 * xtcp_recovery_go_on - begin to repair losses, without reducing the window
 * @sk: the socket, locked, with segments marked as lost
 *
 * Called by xtcp_recovery_path_shrank(), and at the end of the handshake of a fast open: segments
 * may have been marked as lost before, and the end of the handshake has initialized the window.
 */
void xtcp_recovery_go_on(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	xs->recovery = XTCP_RECOVERY_LOSS;
	xs->recover = xs->snd_nxt;
	xs->frto = 0;
}
