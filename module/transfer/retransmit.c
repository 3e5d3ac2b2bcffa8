// SPDX-License-Identifier: GPL-2.0
/*
 * retransmit.c - the retransmission timer, and when to give up
 *
 * RFC 6298 5 and RFC 9293 3.8.3 (R1, R2), RFC 5482 (user timeout), RFC 6069
 * (unreachable). While something is in flight the timer waits for the first of
 * four events (enum xtcp_wait): the timeout, the user timeout or the loss probe before it, or
 * the end of RACK's reordering window. They share a deadline,
 * XTCP_TIMER_RETRANSMIT.
 *
 * Context: socket lock; softirq, or process for the backlog.
 */
#include "transfer/retransmit.h"

#include <linux/log2.h>
#include <linux/minmax.h>
#include <net/sock.h>

#include "clock.h"
#include "compat.h"
#include "deadlines.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "tcb.h"
#include "transfer/mtuprobe.h"
#include "transfer/orphans.h"
#include "transfer/recovery.h"
#include "transfer/rtt.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"

#define ORPHAN_RETRIES	8U	/* for xtcp_orphan_retries = 0; Linux */

/* TCP_THIN_LINEAR_TIMEOUTS, as in Linux: what is thin, and timeouts without backoff. */
#define THIN_SEGS		4U
#define THIN_LINEAR_TIMEOUTS	6U

/* RACK's timer: losses this close together are found in one go. */
#define REORDER_SLACK_NS	(2 * NSEC_PER_MSEC)

/*
 * When the oldest segment in flight left this host, or will. A peer that has reneged on it counts
 * as silent at once.
 */
static u64 oldest_sent_ns(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	const struct xtcp_skb_cb *cb;

	if (xs->bare_out)
		return xs->retrans_stamp_ns;
	cb = xtcp_cb(xtcp_sendq_oldest(sk));
	return unlikely(cb->marks & XTCP_MARK_SACKED) ? 0 : cb->sent_ns;
}

/* True if fq paces, and the oldest segment in flight was sent once. */
static bool oldest_is_held(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return unlikely(READ_ONCE(sk->sk_pacing_status) == SK_PACING_FQ) &&
	       xs->in_flight && !xs->bare_out &&
	       !xtcp_cb(xtcp_sendq_oldest(sk))->retrans;
}

/*
 * Nanoseconds for which the peer has not answered. Negative: the time until fq sends the segment
 * that the peer has to answer.
 */
static s64 unanswered_ns(const struct sock *sk)
{
	u64 since_ns = xtcp_sk(sk)->retrans_stamp_ns;

	if (!since_ns)
		return 0;
	if (oldest_is_held(sk))
		since_ns = max(since_ns, oldest_sent_ns(sk));
	return xtcp_now_ns() - since_ns;
}

/**
 * xtcp_retransmit_user_timeout_left_ns - time until TCP_USER_TIMEOUT
 * @xs: the connection, locked; it has a user timeout
 *
 * Return: nanoseconds, at least 1
 */
u64 xtcp_retransmit_user_timeout_left_ns(const struct xtcp_sock *xs)
{
	s64 user_ns = (s64)xtcp_user_timeout_ms(xs) * NSEC_PER_MSEC;

	xtcp_assert_owned(&xs->inet.sk);
	return max(user_ns - unanswered_ns(&xs->inet.sk), 1LL);
}

/**
 * xtcp_retransmit_user_timeout_left_since_ns - the same for a wait without data in flight
 * @xs: the connection, locked
 * @since_ns: when the wait began
 *
 * Return: nanoseconds; 0 if the timeout has passed, U64_MAX if there is none
 */
u64 xtcp_retransmit_user_timeout_left_since_ns(const struct xtcp_sock *xs, u64 since_ns)
{
	u64 limit_ns = (u64)xtcp_user_timeout_ms(xs) * NSEC_PER_MSEC;
	u64 waited_ns = xtcp_now_ns() - since_ns;

	xtcp_assert_owned(&xs->inet.sk);
	if (!limit_ns)
		return U64_MAX;
	return limit_ns > waited_ns ? limit_ns - waited_ns : 0;
}

/**
 * xtcp_retransmit_left_ns - time until the oldest segment in flight times out
 * @sk: the socket, locked, with something in flight
 * @now_ns: current time
 *
 * Return: nanoseconds from now; 0 if it has timed out
 */
u64 xtcp_retransmit_left_ns(struct sock *sk, u64 now_ns)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u64 rto_ns = xtcp_rtt_rto_ns(xs);

	xtcp_assert_owned(sk);
	return max((s64)(oldest_sent_ns(sk) + rto_ns - now_ns), 0LL);
}

/**
 * xtcp_retransmit_after_ns - time until the oldest segment in flight times out that counts from now
 * @sk: the socket, locked, with something in flight
 * @now_ns: current time
 *
 * While fq holds the segment, the timeout counts from its departure.
 *
 * Return: nanoseconds from now
 */
u64 xtcp_retransmit_after_ns(struct sock *sk, u64 now_ns)
{
	u64 rto_ns = xtcp_rtt_rto_ns(xtcp_sk(sk));

	xtcp_assert_owned(sk);
	if (likely(READ_ONCE(sk->sk_pacing_status) != SK_PACING_FQ))
		return rto_ns;
	return rto_ns + max((s64)(oldest_sent_ns(sk) - now_ns), 0LL);
}

/* What to wait for: @wait, or a user timeout that ends sooner and then shortens @delay_ns. */
static enum xtcp_wait user_first(const struct xtcp_sock *xs, u64 *delay_ns, enum xtcp_wait wait)
{
	u64 user_ns;

	if (!xtcp_user_timeout_ms(xs))
		return wait;
	user_ns = xtcp_retransmit_user_timeout_left_ns(xs);
	if (user_ns > *delay_ns)
		return wait;
	*delay_ns = user_ns;
	return XTCP_WAIT_USER;
}

/* Set the timer to @delay_ns after @now_ns, or to a user timeout before that. */
static void arm_within(struct sock *sk, u64 now_ns, u64 delay_ns)
{
	enum xtcp_wait wait = user_first(xtcp_sk(sk), &delay_ns, XTCP_WAIT_TIMEOUT);

	xtcp_deadlines_flight_changed(sk, wait, now_ns, delay_ns);
}

/**
 * xtcp_retransmit_arm - restart the retransmission timer (RFC 6298 5.1-5.3)
 * @sk: the socket, locked
 *
 * Stops it when nothing is in flight. The timeout counts from now; but after a
 * loss probe or RACK's timer from the last transmission of the oldest segment.
 * A user timeout that ends before the RTO brings the timer forward, so that it
 * is kept to the millisecond.
 */
void xtcp_retransmit_arm(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 now_ns, delay_ns;

	xtcp_assert_owned(sk);
	if (!xs->in_flight) {
		xtcp_deadlines_all_acked(sk);
		return;
	}
	now_ns = xtcp_now_ns();
	if (xs->retransmit.waiting > XTCP_WAIT_USER)
		delay_ns = max(xtcp_retransmit_left_ns(sk, now_ns), 1ULL);
	else
		delay_ns = xtcp_retransmit_after_ns(sk, now_ns);
	arm_within(sk, now_ns, delay_ns);
}

/**
 * xtcp_retransmit_later - a retransmission finds no memory, or a full queue of this host
 * @sk: the socket, locked
 *
 * The network has not seen the segment, and room is expected soon, so there is no backoff.
 */
void xtcp_retransmit_later(struct sock *sk)
{
	u64 rto_ns = xtcp_rtt_rto_ns(xtcp_sk(sk));

	xtcp_assert_owned(sk);
	/* A very short RTO must not keep the CPU busy. */
	xtcp_deadlines_send_failed(sk, clamp_t(u64, rto_ns, TICK_NSEC, XTCP_LOCAL_RETRY_NS));
}

/**
 * xtcp_retransmit_arm_reorder - set the timer for the end of RACK's window
 * @sk: the socket, locked, with something in flight
 * @delay_ns: time until then, from now
 *
 * It replaces the timeout, so it waits at most an RTO. A user timeout that ends
 * sooner takes precedence.
 */
void xtcp_retransmit_arm_reorder(struct sock *sk, u64 delay_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	enum xtcp_wait wait;

	xtcp_assert_owned(sk);
	delay_ns = min(delay_ns + REORDER_SLACK_NS, xtcp_rtt_rto_ns(xs));
	wait = user_first(xs, &delay_ns, XTCP_WAIT_REORDER);
	xtcp_deadlines_loss_suspected(sk, wait, delay_ns);
}

/*
 * Did @retries timeouts go unanswered? The number stands for the time that they take at least
 * with a doubling RTO: 924.6 s for 15.
 *
 * As in Linux R1 and R2 (RFC 9293 3.8.3) are times, so that a connection with a
 * long RTO does not live for hours; but at least one retransmission is made. A
 * peer that keeps its window at zero and answers is alive (SHLD-17): it must
 * have been silent for two of the longest timeouts.
 */
static bool timeouts_reached(const struct sock *sk, u32 retries)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	const u32 rto_max_us = xtcp_rtt_rto_max_us(xs);
	const u32 doublings = ilog2(rto_max_us / XTCP_RTO_MIN_US);
	u64 since_ns = xs->retrans_stamp_ns;
	u64 limit_us;

	if (!xs->retransmit.in_row)
		return false;
	limit_us = (u64)((2U << min(retries, doublings)) - 1) * XTCP_RTO_MIN_US;
	if (retries > doublings)
		limit_us += (u64)(retries - doublings) * rto_max_us;
	if (!xs->snd_wnd && !sock_flag(sk, SOCK_DEAD)) {
		since_ns = max(since_ns, xs->last_rcv_ns);
		limit_us = 2ULL * rto_max_us;
	}
	return xtcp_now_ns() - since_ns >= limit_us * NSEC_PER_USEC;
}

/**
 * xtcp_retransmit_user_timeout_is_over - check whether TCP_USER_TIMEOUT has passed
 * @sk: the socket, locked
 *
 * Return: true if it has, without an answer
 */
bool xtcp_retransmit_user_timeout_is_over(const struct sock *sk)
{
	/* Read once: a program may clear it at any time, and 0 would be over. */
	s64 user_ns = (s64)xtcp_user_timeout_ms(xtcp_sk(sk)) * NSEC_PER_MSEC;

	xtcp_assert_owned(sk);
	return user_ns && unanswered_ns(sk) >= user_ns;
}

/**
 * xtcp_retransmit_orphan_retries - R2 of an orphan
 * @sk: the socket, locked
 * @alive: the backoff has not reached its maximum yet
 *
 * As in Linux. Once the backoff is at its maximum, the default is to give up,
 * and so is any value if an ICMP error has reported the path broken. Before
 * that an ICMP error has no effect: it may be forged, or true for a second
 * only.
 *
 * Return: retransmissions
 */
u32 xtcp_retransmit_orphan_retries(const struct sock *sk, bool alive)
{
	u32 retries = XTCP_KNOB(sock_net(sk), orphan_retries);

	xtcp_assert_owned(sk);
	if (alive)
		return retries ? retries : ORPHAN_RETRIES;
	return READ_ONCE(sk->sk_err_soft) ? 0 : retries;
}

/*
 * True if R2 is reached, of an orphan or of a socket in use. A user timeout, which is not over,
 * takes the place of R2 (RFC 5482), and may be longer; not while the window is closed.
 */
static bool r2_is_reached(struct sock *sk)
{
	bool alive = xtcp_sk(sk)->rtt.rto_us < xtcp_rtt_rto_max_us(xtcp_sk(sk));
	u32 retries;

	if (xtcp_user_timeout_ms(xtcp_sk(sk)) &&
	    (xtcp_sk(sk)->snd_wnd || sock_flag(sk, SOCK_DEAD)))
		return false;
	retries = sock_flag(sk, SOCK_DEAD) ? xtcp_retransmit_orphan_retries(sk, alive) :
					     XTCP_KNOB(sock_net(sk), retries2);
	return timeouts_reached(sk, retries);
}

/*
 * The timer was set to a user timeout that was raised or removed since: wait for the rest of the
 * RTO. Returns false if the timer has expired for another reason.
 */
static bool user_timeout_was_raised(struct sock *sk)
{
	u64 now_ns;

	if (likely(xtcp_sk(sk)->retransmit.waiting != XTCP_WAIT_USER) ||
	    xtcp_retransmit_user_timeout_is_over(sk))
		return false;
	now_ns = xtcp_now_ns();
	arm_within(sk, now_ns, max(xtcp_retransmit_left_ns(sk, now_ns), 1ULL));
	return true;
}

static void count_in_row(struct xtcp_sock *xs)
{
	if (xs->retransmit.in_row < U8_MAX)
		WRITE_ONCE(xs->retransmit.in_row, xs->retransmit.in_row + 1);
}

/**
 * xtcp_retransmit_counted - count a retransmission by timeout
 * @sk: the socket, locked
 *
 * Updates the counts in struct xtcp_retransmit, and begins to time the recovery (@rto_ms) unless
 * a recovery from a timeout is in progress. A new flow hash, and flow label, may lead to another
 * path (RFC 6438).
 */
void xtcp_retransmit_counted(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	count_in_row(xs);
	/* As in Linux the SYN-ACK of a fast open has a new hash each time, which nothing counts. */
	if (xtcp_rethink_txhash(sk) && !xs->fast_held) {
		xtcp_retransmit_rehashed(xs);
		XTCP_INC(sock_net(sk), TIMEOUT_REHASH);
	}
	xs->retransmit.timeouts++;
	if (xs->retransmit.in_row == 1 || !xs->retransmit.rto_timed)
		xs->retransmit.timeout_runs++;
	if (!xs->retransmit.rto_timed) {
		xs->retransmit.rto_timed = 1;
		xs->retransmit.rto_ms -= xtcp_now_ms();
	}
}

/**
 * xtcp_retransmit_settled - recovery from a timeout is over
 * @xs: the connection, locked, with xs->retransmit.rto_timed
 */
void xtcp_retransmit_settled(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	xs->retransmit.rto_timed = 0;
	xs->retransmit.rto_ms += xtcp_now_ms();
}

/**
 * xtcp_retransmit_settling_ms - total time of recoveries from timeouts
 * @xs: the connection, locked
 *
 * Return: milliseconds, including the current recovery up to now
 */
u32 xtcp_retransmit_settling_ms(const struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	return xs->retransmit.rto_ms +
	       (xs->retransmit.rto_timed ? xtcp_now_ms() : 0);
}

/* Count the phase that the timeout interrupted, under Linux's names. */
static void count_failure(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);

	if (xs->recovery == XTCP_RECOVERY_LOSS)
		XTCP_INC(net, LOSS_FAILURES);
	else if (xs->recovery == XTCP_RECOVERY_FAST && xs->sack_ok)
		XTCP_INC(net, SACK_RECOVERY_FAIL);
	else if (xs->recovery == XTCP_RECOVERY_FAST)
		XTCP_INC(net, RENO_RECOVERY_FAIL);
	else if (xs->recovery != XTCP_RECOVERY_DISORDER && !xs->sacked_out)
		return;
	else if (xs->sack_ok)
		XTCP_INC(net, SACK_FAILURES);
	else
		XTCP_INC(net, RENO_FAILURES);
}

/*
 * TCP_THIN_LINEAR_TIMEOUTS: a stream that seldom has four segments in flight gets no
 * duplicate ACKs, so timeouts alone repair its losses; the first of them don't double.
 * A connection in its first slow start is not thin, only young; as in Linux.
 */
static bool stays_linear(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return unlikely(xs->sockopt.thin_linear ||
			XTCP_KNOB(sock_net(sk), thin_linear_timeouts)) &&
	       sk->sk_state == XTCP_ESTABLISHED &&
	       xs->in_flight < THIN_SEGS && xs->ssthresh != U32_MAX &&
	       xs->retransmit.in_row <= THIN_LINEAR_TIMEOUTS;
}

/*
 * RFC 9293 3.8.6.1: the peer has taken its window back, so the segment in flight probes it, and
 * no path is to blame. As in Linux an orphan is not that patient.
 */
static bool probes_closed_window(const struct sock *sk)
{
	return !xtcp_sk(sk)->snd_wnd && !sock_flag(sk, SOCK_DEAD) &&
	       xtcp_state_in(sk, XTCP_SYNCHRONIZED);
}

/* Why the connection ends at this timeout, if it does. Changes nothing. */
static enum xtcp_ending timeout_ending(struct sock *sk)
{
	if (sock_flag(sk, SOCK_DEAD) && xtcp_orphans_must_end(sk))
		return XTCP_ENDING_NO_MEMORY;
	if (xtcp_retransmit_user_timeout_is_over(sk))
		return XTCP_ENDING_USER_TIMEOUT;
	return r2_is_reached(sk) ? XTCP_ENDING_GIVE_UP : XTCP_ENDING_NONE;
}

/* Begin the recovery, or its next round, and send the oldest segment again. */
static int timeout_send(struct sock *sk, bool window_closed)
{
	if (!xtcp_sk(sk)->retransmit.in_row && !window_closed)
		count_failure(sk);
	xtcp_recovery_timed_out(sk);
	if (window_closed)
		count_in_row(xtcp_sk(sk));
	else
		xtcp_retransmit_counted(sk);
	return xtcp_send_retransmit(sk, xtcp_sendq_oldest(sk), 1, XTCP_RESENT_RTO);
}

/**
 * xtcp_retransmit_timeout - the oldest segment was not acknowledged for an RTO
 * @sk: the socket, locked; softirq or release_cb
 *
 * RFC 6298 5.4-5.6, RFC 9293 3.10.8 and 3.8.3: send the oldest segment again
 * and double the RTO (but see stays_linear()); report to the route at R1, end the connection at R2.
 *
 * Return: why the connection ends, for xtcp_close_end()
 */
enum xtcp_ending xtcp_retransmit_timeout(struct sock *sk)
{
	u32 retries1 = XTCP_KNOB(sock_net(sk), retries1);
	enum xtcp_ending ending;
	bool window_closed;
	int err;

	xtcp_assert_owned(sk);
	if (!xtcp_sk(sk)->in_flight || user_timeout_was_raised(sk))
		return XTCP_ENDING_NONE;
	window_closed = probes_closed_window(sk);
	/* As in Linux the timeout that ends the connection counts, too. */
	if (!window_closed)
		XTCP_INC(sock_net(sk), TIMEOUTS);
	ending = timeout_ending(sk);
	if (ending != XTCP_ENDING_NONE)
		return ending;
	if (!xtcp_sendq_bare_to_skb(sk)) {
		xtcp_retransmit_later(sk);
		return XTCP_ENDING_NONE;
	}

	xtcp_lifecycle_sk(sk, XTCP_EV_RETRANSMISSION_TIMEOUT);
	if (timeouts_reached(sk, retries1)) {
		xtcp_mtuprobe_black_hole(sk);
		__dst_negative_advice(sk);
	}
	err = timeout_send(sk, window_closed);
	/*
	 * What else can fail lasts longer, and there is no hurry: no route, a rule of OUTPUT,
	 * a window that was taken back, a copy that is still in this host. Back off, as in
	 * Linux.
	 */
	if (err == -ENOBUFS || err == -ENOMEM) {
		xtcp_retransmit_later(sk);
		return XTCP_ENDING_NONE;
	}
	if (stays_linear(sk))
		xtcp_rtt_no_backoff(xtcp_sk(sk));
	else
		xtcp_rtt_backoff(xtcp_sk(sk));
	xtcp_retransmit_arm(sk);
	/* As in Linux: the next attempt looks for another route. */
	if (timeouts_reached(sk, retries1 + 1))
		__sk_dst_reset(sk);
	return XTCP_ENDING_NONE;
}

/**
 * xtcp_retransmit_unreachable - an ICMP error reports that there is no route
 * @sk: the socket, locked and not owned by the user
 * @seq: sequence number of the segment that the ICMP error quotes
 *
 * RFC 6069: the path is broken, not congested, so the backoff is needless. Each such error about
 * the oldest segment undoes one doubling, and the timer is set to what remains of the shorter
 * timeout. As in Linux not between two probes of a closed window: the peer causes that wait, not
 * the path. The timeout counts from the last attempt, which this host may have refused: were it
 * from the last copy sent, a rule of OUTPUT that answers with such an error would make the next
 * attempt at once, and so on without a pause. Another deadline does not tell when the last
 * attempt was: it stays if it is sooner than an RTO from now.
 */
void xtcp_retransmit_unreachable(struct sock *sk, seq_t seq)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 backed_off_ns = xtcp_rtt_rto_ns(xs);
	u64 now_ns, rto_ns;
	s64 left_ns;

	xtcp_assert_owned(sk);
	/* Probes of a closed window count in a row, too, but do not begin a recovery by timeout. */
	if (seq != xs->snd_una || !xs->retransmit.in_row || !xs->retransmit.rto_timed ||
	    !xs->in_flight || !xtcp_rtt_backoff_undo(xs))
		return;
	now_ns = xtcp_now_ns();
	rto_ns = xtcp_rtt_rto_ns(xs);
	left_ns = xtcp_deadlines_flight_left_ns(xs, now_ns);
	if (xs->retransmit.waiting == XTCP_WAIT_TIMEOUT && !xs->retransmit.brief) {
		left_ns -= backed_off_ns - rto_ns;
	} else {
		if (left_ns <= (s64)rto_ns)
			return;
		left_ns = rto_ns;
	}
	arm_within(sk, now_ns, max(left_ns, 1LL));
}
