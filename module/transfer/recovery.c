// SPDX-License-Identifier: GPL-2.0
/*
 * recovery.c - what to do about loss: fast retransmit and timeouts
 *
 * NewReno (RFC 6582) with the scoreboard of RFC 6675 where SACK was agreed,
 * and the retransmission timeout of RFC 6298 and RFC 9293 3.8.3 (R1, R2).
 *
 * The scoreboard is the marks on the segments in flight and their sums in
 * the TCB. Without SACK each duplicate ACK counts as one segment that has
 * left the network, whichever that was. Sending is bounded by cwnd against
 * xtcp_congestion_pipe(), so limited transmit (RFC 3042) and the window
 * inflation of RFC 6582 come out of the same comparison.
 *
 * Socket lock; softirq, or process context from the backlog.
 */
#include "transfer/recovery.h"

#include <linux/minmax.h>
#include <net/sock.h>

#include "close/close.h"
#include "net/seq.h"
#include "net/wire.h"
#include "netns.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/congestion.h"
#include "transfer/rtt.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "user/stats.h"

#define DUP_THRESH	3U	/* duplicates that mean a loss, RFC 5681 3.2 */
#define ORPHAN_RETRIES	8U	/* what xtcp_orphan_retries = 0 means; Linux */

/* A segment that could not even leave this host is tried again after this. */
#define LOCAL_RETRY_US	500000U

/* First segment in flight whose end lies after @seq. */
static struct sk_buff *first_after(struct sock *sk, seq_t seq)
{
	struct rb_node *node = sk->tcp_rtx_queue.rb_node;
	struct sk_buff *found = NULL;

	while (node) {
		struct sk_buff *skb = rb_to_skb(node);

		if (seq_after(xtcp_cb(skb)->end, seq)) {
			found = skb;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

static void mark_sacked(struct xtcp_sock *xs, struct sk_buff *skb)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);

	if (cb->marks & XTCP_MARK_LOST)
		xs->lost_out--;
	if (cb->marks & XTCP_MARK_RETRANS)
		xs->retrans_out--;
	cb->marks = XTCP_MARK_SACKED;
	xs->sacked_out++;
}

static void mark_lost(struct xtcp_sock *xs, struct sk_buff *skb)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);

	if (cb->marks & (XTCP_MARK_SACKED | XTCP_MARK_LOST))
		return;
	cb->marks |= XTCP_MARK_LOST;
	xs->lost_out++;
}

/**
 * xtcp_recovery_sacked - enter an ACK's SACK blocks into the scoreboard
 * @sk: the socket, locked; the cumulative part of the ACK is done
 * @seg: the segment
 *
 * A block that lies outside what is in flight tells nothing: a D-SACK
 * (RFC 2883) or a stray. A segment counts once all of it is covered.
 *
 * Return: segments that were not known to have arrived
 */
u32 xtcp_recovery_sacked(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 before = xs->sacked_out;
	unsigned int i;

	if (!xs->sack_ok)
		return 0;

	for (i = 0; i < seg->opt.nr_sacks; i++) {
		const struct xtcp_sack_block *b = &seg->opt.sack[i];
		struct sk_buff *skb;

		if (!seq_before(b->start, b->end) ||
		    !seq_after(b->end, xs->snd_una) ||
		    seq_before(b->start, xs->snd_una) ||
		    seq_after(b->end, xs->snd_nxt))
			continue;
		for (skb = first_after(sk, b->start); skb;
		     skb = skb_rb_next(skb)) {
			if (seq_after(xtcp_cb(skb)->end, b->end))
				break;
			if (seq_before(xtcp_cb(skb)->seq, b->start) ||
			    (xtcp_cb(skb)->marks & XTCP_MARK_SACKED))
				continue;
			mark_sacked(xs, skb);
		}
	}
	return xs->sacked_out - before;
}

/* RFC 6675 4, IsLost(): three segments above it have arrived. */
static void mark_holes(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;
	u32 above = 0;

	if (xs->sacked_out < DUP_THRESH)
		return;
	for (skb = skb_rb_last(&sk->tcp_rtx_queue); skb;
	     skb = skb_rb_prev(skb)) {
		if (xtcp_cb(skb)->marks & XTCP_MARK_SACKED)
			above++;
		else if (above >= DUP_THRESH)
			mark_lost(xs, skb);
	}
}

/*
 * Send lost segments again, oldest first, as far as the window allows; with
 * @force the first of them in any case.
 */
static void retransmit_lost(struct sock *sk, bool force)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	skb = xtcp_send_oldest(sk);
	for (; skb && xs->lost_out > 0; skb = skb_rb_next(skb)) {
		u8 marks = xtcp_cb(skb)->marks;

		if (!(marks & XTCP_MARK_LOST) || (marks & XTCP_MARK_RETRANS))
			continue;
		if (!force && xtcp_congestion_pipe(xs) >= xs->cwnd)
			break;
		if (xtcp_send_retransmit(sk, skb))
			break;
		force = false;
		if (xs->recovery == XTCP_LOSS_RECOVERY)
			XTCP_INC(sock_net(sk), SLOW_START_RETRANS);
		else
			XTCP_INC(sock_net(sk), FAST_RETRANS);
		/* The oldest was sent anew: time it from here. */
		if (skb == xtcp_send_oldest(sk))
			xtcp_recovery_arm(sk);
	}
}

/*
 * Enough duplicates? With SACK three segments above a hole. Without it three
 * duplicate ACKs, unless they may be echoes of what the last recovery sent
 * again needlessly (RFC 6582 3.2, step 1).
 */
static bool loss_is_seen(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xs->sack_ok) {
		mark_holes(sk);
		return xs->lost_out > 0;
	}
	return xs->dupacks >= DUP_THRESH && seq_after(xs->snd_una, xs->recover);
}

/* RFC 5681 3.2, steps 2 and 3; RFC 6675 5, step 4. */
static void fast_recovery_enter(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	WRITE_ONCE(xs->ssthresh, xs->congestion->ssthresh(xs));
	WRITE_ONCE(xs->cwnd, xs->ssthresh);
	xs->cwnd_cnt = 0;
	xs->recover = xs->snd_nxt;
	xs->recovery = XTCP_FAST_RECOVERY;
	if (xs->sack_ok) {
		XTCP_INC(sock_net(sk), SACK_RECOVERY);
	} else {
		mark_lost(xs, xtcp_send_oldest(sk));
		XTCP_INC(sock_net(sk), RENO_RECOVERY);
	}
	retransmit_lost(sk, true);
}

/* The recovery point was passed: all that was in flight then has arrived. */
static void recovery_leave(struct xtcp_sock *xs)
{
	/* RFC 6582 3.2, step 3: no burst when little is in flight. */
	if (xs->recovery == XTCP_FAST_RECOVERY)
		WRITE_ONCE(xs->cwnd, min(xs->ssthresh,
					 max(xs->in_flight, 1U) + 1));
	xs->recovery = XTCP_OPEN;
	xs->cwnd_cnt = 0;
}

/**
 * xtcp_recovery_dupack - an ACK said that something arrived out of order
 * @sk: the socket, locked, with segments in flight
 * @sacked_segs: segments that its SACK blocks newly reported
 */
void xtcp_recovery_dupack(struct sock *sk, u32 sacked_segs)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xs->dupacks < U8_MAX)
		xs->dupacks++;
	/* After a timeout everything counts as lost already. */
	if (!xs->sack_ok && xs->recovery != XTCP_LOSS_RECOVERY &&
	    xs->sacked_out + 1 < xs->in_flight)
		xs->sacked_out++;

	switch (xs->recovery) {
	case XTCP_OPEN:
		if (loss_is_seen(sk))
			fast_recovery_enter(sk);
		break;
	case XTCP_FAST_RECOVERY:
		if (sacked_segs)
			mark_holes(sk);
		fallthrough;
	case XTCP_LOSS_RECOVERY:
		retransmit_lost(sk, false);
		break;
	}
}

/*
 * RFC 6582 3.2, step 3, partial ACK: the segment at SND.UNA is the next that
 * was lost. Without SACK the other acknowledged ones are those that the
 * duplicates had told of. With it, RFC 6675 4, NextSeg() (3): only if some
 * above it have arrived; else it may still be on its way.
 */
static void partial_ack(struct sock *sk, u32 acked_segs)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xs->sack_ok)
		xs->sacked_out -= min(xs->sacked_out, acked_segs - 1);
	else
		mark_holes(sk);
	if (!xs->sack_ok || xs->sacked_out)
		mark_lost(xs, xtcp_send_oldest(sk));
	retransmit_lost(sk, !xs->retrans_out);
}

/**
 * xtcp_recovery_acked - new data was acknowledged
 * @sk: the socket, locked; SND.UNA and the scoreboard are up to date
 * @acked_segs: segments newly acknowledged, SYN not counted
 * @prior_pipe: segments in flight before this ACK
 */
void xtcp_recovery_acked(struct sock *sk, u32 acked_segs, u32 prior_pipe)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xs->dupacks = 0;
	if (xs->recovery != XTCP_OPEN &&
	    seq_before(xs->snd_una, xs->recover)) {
		if (xs->recovery == XTCP_LOSS_RECOVERY) {
			xtcp_congestion_acked(sk, acked_segs, prior_pipe);
			retransmit_lost(sk, false);
		} else if (acked_segs) {
			partial_ack(sk, acked_segs);
		}
		return;
	}

	if (!xs->sack_ok)
		xs->sacked_out = 0;
	if (xs->recovery != XTCP_FAST_RECOVERY)
		xtcp_congestion_acked(sk, acked_segs, prior_pipe);
	if (xs->recovery != XTCP_OPEN)
		recovery_leave(xs);
	if (xs->in_flight && loss_is_seen(sk))
		fast_recovery_enter(sk);
}

/* How long the peer has owed an answer. */
static u64 waited_ns(const struct xtcp_sock *xs)
{
	return xs->retrans_stamp_ns ? xtcp_now_ns() - xs->retrans_stamp_ns : 0;
}

/**
 * xtcp_recovery_arm - start the retransmission timer anew (RFC 6298 5.1-5.3)
 * @sk: the socket, locked
 *
 * Off when nothing is in flight. A user timeout that ends sooner than the
 * RTO brings the timer forward, so that it is kept to the millisecond.
 */
void xtcp_recovery_arm(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 delay_ns = (u64)xs->rto_us * NSEC_PER_USEC;
	u64 user_ns = (u64)xtcp_user_timeout_ms(xs) * NSEC_PER_MSEC;

	if (!xs->in_flight) {
		xtcp_timer_clear(sk, XTCP_TIMER_RETRANSMIT);
		return;
	}
	if (user_ns) {
		u64 waited = waited_ns(xs);

		delay_ns = min(delay_ns, user_ns > waited ? user_ns - waited : 1);
	}
	xtcp_timer_set(sk, XTCP_TIMER_RETRANSMIT, delay_ns);
}

/**
 * xtcp_recovery_gives_up - has the peer been silent for @retries timeouts
 * @sk: the socket, locked
 * @retries: retransmissions; the time is what they would take at the least
 *	RTO, doubled up to the largest: 924.6 s for 15
 *
 * As in Linux R1 and R2 (RFC 9293 3.8.3) are times, so that a connection
 * with a long RTO doesn't live hours; but one retransmission is made in any
 * case. A peer that keeps its window at zero and answers is alive (SHLD-17):
 * then it must not have been heard for two of the longest timeouts.
 */
bool xtcp_recovery_gives_up(const struct sock *sk, u32 retries)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	const u32 doublings = ilog2(XTCP_RTO_MAX_US / XTCP_RTO_MIN_US);
	u64 since_ns = xs->retrans_stamp_ns;
	u64 limit_us;

	if (!xs->retransmits)
		return false;
	limit_us = (u64)((2U << min(retries, doublings)) - 1) * XTCP_RTO_MIN_US;
	if (retries > doublings)
		limit_us += (u64)(retries - doublings) * XTCP_RTO_MAX_US;
	if (!xs->snd_wnd && !sock_flag(sk, SOCK_DEAD)) {
		since_ns = max(since_ns, xs->last_rcv_ns);
		limit_us = 2ULL * XTCP_RTO_MAX_US;
	}
	return xtcp_now_ns() - since_ns >= limit_us * NSEC_PER_USEC;
}

/**
 * xtcp_recovery_user_timeout - has TCP_USER_TIMEOUT passed without an answer
 * @sk: the socket, locked
 */
bool xtcp_recovery_user_timeout(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return xtcp_user_timeout_ms(xs) &&
	       waited_ns(xs) >= (u64)xtcp_user_timeout_ms(xs) * NSEC_PER_MSEC;
}

/**
 * xtcp_recovery_orphan_retries - R2 of a connection that no user waits for
 * @sk: the socket, locked
 *
 * A router that reports the path broken ends the patience at once, as in
 * Linux: nobody is left whom it would hurt.
 *
 * Return: retransmissions
 */
u32 xtcp_recovery_orphan_retries(const struct sock *sk)
{
	u32 retries = XTCP_KNOB(sock_net(sk), orphan_retries);

	if (READ_ONCE(sk->sk_err_soft))
		return 0;
	return retries ? retries : ORPHAN_RETRIES;
}

/* R2, by whatever bounds this connection. */
static bool r2_is_reached(struct sock *sk)
{
	if (sock_flag(sk, SOCK_DEAD))
		return xtcp_recovery_gives_up(sk,
					      xtcp_recovery_orphan_retries(sk));
	return xtcp_recovery_gives_up(sk, XTCP_KNOB(sock_net(sk), retries2));
}

/* What the timeout interrupted, under Linux's names. */
static void count_failure(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);

	if (xs->recovery == XTCP_LOSS_RECOVERY)
		XTCP_INC(net, LOSS_FAILURES);
	else if (xs->recovery == XTCP_FAST_RECOVERY && xs->sack_ok)
		XTCP_INC(net, SACK_RECOVERY_FAIL);
	else if (xs->recovery == XTCP_FAST_RECOVERY)
		XTCP_INC(net, RENO_RECOVERY_FAIL);
	else if (xs->sacked_out && xs->sack_ok)
		XTCP_INC(net, SACK_FAILURES);
	else if (xs->sacked_out)
		XTCP_INC(net, RENO_FAILURES);
}

/*
 * RFC 5681 3.1: all that is in flight counts as lost, slow start from one
 * segment; ssthresh falls once, however often the timer fires (RFC 5681 3.1,
 * "not been retransmitted"). SACKed segments stay so, unless the oldest is
 * among them: the peer has then dropped what it had reported (RFC 2018 8).
 */
static void loss_recovery_enter(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb = xtcp_send_oldest(sk);
	bool reneged = xtcp_cb(skb)->marks & XTCP_MARK_SACKED;

	if (xs->recovery != XTCP_LOSS_RECOVERY || !xs->retransmits)
		WRITE_ONCE(xs->ssthresh, xs->congestion->ssthresh(xs));
	WRITE_ONCE(xs->cwnd, 1);
	xs->cwnd_cnt = 0;
	if (xs->congestion->timed_out)
		xs->congestion->timed_out(xs);
	xs->dupacks = 0;
	xs->recover = xs->snd_nxt;
	xs->recovery = XTCP_LOSS_RECOVERY;

	if (reneged || !xs->sack_ok)
		xs->sacked_out = 0;
	xs->lost_out = 0;
	xs->retrans_out = 0;
	for (; skb; skb = skb_rb_next(skb)) {
		u8 *marks = &xtcp_cb(skb)->marks;

		if (reneged || !(*marks & XTCP_MARK_SACKED)) {
			if (*marks & XTCP_MARK_RETRANS)
				XTCP_INC(sock_net(sk), LOST_RETRANSMIT);
			*marks = XTCP_MARK_LOST;
			xs->lost_out++;
		}
	}
}

/**
 * xtcp_recovery_timeout - the retransmission timer fired
 * @sk: the socket, locked; softirq or release_cb
 *
 * RFC 6298 5.4-5.6, RFC 9293 3.10.8 and 3.8.3: the oldest segment goes
 * again, the RTO doubles; at R1 the route is told, at R2 the connection ends.
 */
void xtcp_recovery_timeout(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);

	if (!xs->in_flight)
		return;
	/* As in Linux the one that ends the connection counts, too. */
	XTCP_INC(net, TIMEOUTS);
	if (sock_flag(sk, SOCK_DEAD) && xtcp_close_out_of_resources(sk))
		return;
	if (xtcp_recovery_user_timeout(sk)) {
		xtcp_close_timed_out(sk, XTCP_EV_USER_TIMEOUT);
		return;
	}
	if (r2_is_reached(sk)) {
		xtcp_close_timed_out(sk, XTCP_EV_RETRANSMISSION_GIVE_UP);
		return;
	}

	xtcp_lifecycle_sk(sk, XTCP_EV_RETRANSMISSION_TIMEOUT);
	if (!sock_flag(sk, SOCK_DEAD) &&
	    xtcp_recovery_gives_up(sk, XTCP_KNOB(net, retries1)))
		__dst_negative_advice(sk);
	if (!xs->retransmits)
		count_failure(sk);
	loss_recovery_enter(sk);
	if (xs->retransmits < U8_MAX)
		WRITE_ONCE(xs->retransmits, xs->retransmits + 1);

	if (xtcp_send_retransmit(sk, xtcp_send_oldest(sk))) {
		/* The network has not seen it: no reason to back off. */
		xtcp_timer_set(sk, XTCP_TIMER_RETRANSMIT,
			       (u64)min(xs->rto_us, LOCAL_RETRY_US) *
			       NSEC_PER_USEC);
		return;
	}
	xtcp_rtt_backoff(xs);
	xtcp_recovery_arm(sk);
}

/**
 * xtcp_recovery_unreachable - a router has no way for our retransmission
 * @sk: the socket, locked and not in its user's hands
 * @seq: sequence number of the segment that the ICMP error quotes
 *
 * RFC 6069: that the path is broken, not congested, is no reason to wait ever
 * longer. One doubling is taken back for each such error about the oldest
 * segment, and the timer set to what remains of the shorter wait.
 */
void xtcp_recovery_unreachable(struct sock *sk, seq_t seq)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 base_us = xtcp_rtt_rto_us(xs);
	u64 waited_ns, rto_ns;

	if (seq != xs->snd_una || !xs->retransmits || !xs->in_flight ||
	    xs->rto_us <= base_us)
		return;
	WRITE_ONCE(xs->rto_us, max(xs->rto_us / 2, base_us));
	rto_ns = (u64)xs->rto_us * NSEC_PER_USEC;
	waited_ns = xtcp_now_ns() - xtcp_cb(xtcp_send_oldest(sk))->sent_ns;
	xtcp_timer_set(sk, XTCP_TIMER_RETRANSMIT,
		       rto_ns - min(rto_ns, waited_ns));
}
