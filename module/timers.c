// SPDX-License-Identifier: GPL-2.0
/*
 * timers.c - the deadlines of a socket, behind one hrtimer
 *
 * What a connection waits for (enum xtcp_timer) is a deadline, not a timer:
 * setting one writes a number. The one hrtimer is armed at or before the
 * earliest of them and is left alone when a deadline moves later or goes
 * away, as the retransmission timeout does with each ACK: it then fires once
 * too early, finds nothing due and goes to sleep until the next deadline.
 *
 * An armed hrtimer holds a reference to the socket. Deadlines and arming are
 * guarded by the socket lock; when the timer finds the socket in its user's
 * hands it leaves a note (XTCP_DEFER_TIMERS) that release_sock() acts upon.
 *
 * Context: softirq (HRTIMER_MODE_ABS_SOFT).
 */
#include "timers.h"

#include "close/close.h"
#include "compat.h"
#include "open/connect.h"
#include "open/echo.h"
#include "transfer/ack.h"
#include "transfer/probe.h"
#include "transfer/retransmit.h"
#include "user/stats.h"

/* Armed for then, no deadline is early enough to arm it anew. */
#define LONG_PAST_NS	1ULL

static u64 earliest_deadline(const struct xtcp_sock *xs)
{
	u64 earliest = U64_MAX;
	int i;

	for (i = 0; i < XTCP_TIMERS; i++)
		if (xs->deadline_ns[i])
			earliest = min(earliest, xs->deadline_ns[i]);
	return earliest;
}

static void timer_arm(struct sock *sk, u64 deadline_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	/* One that was queued has a reference, which serves again. */
	if (hrtimer_try_to_cancel(&xs->timer) != 1)
		sock_hold(sk);
	xs->timer_armed_ns = deadline_ns;
	hrtimer_start(&xs->timer, ns_to_ktime(deadline_ns),
		      HRTIMER_MODE_ABS_PINNED_SOFT);
}

static void timer_dispatch(struct sock *sk, enum xtcp_timer which)
{
	switch (which) {
	case XTCP_TIMER_RETRANSMIT:
		if (xtcp_state_in(sk, XTCP_STATEF(XTCP_SYN_SENT) |
				      XTCP_STATEF(XTCP_SYN_RECEIVED)))
			xtcp_connect_timeout(sk);
		else if (xtcp_sk(sk)->cookie_held && !xtcp_sk(sk)->in_flight)
			xtcp_echo_timeout(sk);
		else
			xtcp_retransmit_timeout(sk);
		break;
	case XTCP_TIMER_PERSIST:
		xtcp_probe_window_timeout(sk);
		break;
	case XTCP_TIMER_DELAYED_ACK:
		xtcp_ack_timeout(sk);
		break;
	case XTCP_TIMER_KEEPALIVE:
		xtcp_probe_keepalive_timeout(sk);
		break;
	case XTCP_TIMER_FIN_WAIT_2:
		xtcp_close_fin_wait_2_timeout(sk);
		break;
	case XTCP_TIMERS:
		break;
	}
}

/**
 * xtcp_timers_run - act on the deadlines that have passed
 * @sk: locked, not in its user's hands; the caller holds a reference, for the
 *	connection may end here
 */
void xtcp_timers_run(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 armed_ns, earliest, now = xtcp_now_ns();
	int i;

	armed_ns = hrtimer_is_queued(&xs->timer) ? xs->timer_armed_ns : 0;
	/*
	 * What is set meanwhile is armed at the end, once: armed twice within
	 * its own callback, where it can't be cancelled, the timer would take
	 * two references.
	 */
	xs->timer_armed_ns = LONG_PAST_NS;
	for (i = 0; i < XTCP_TIMERS; i++) {
		if (!xs->deadline_ns[i] || xs->deadline_ns[i] > now)
			continue;
		WRITE_ONCE(xs->deadline_ns[i], 0);
		timer_dispatch(sk, i);
	}
	if (sk->sk_state == XTCP_CLOSED)
		return;
	xs->timer_armed_ns = armed_ns;
	earliest = earliest_deadline(xs);
	if (earliest != U64_MAX &&
	    (!xs->timer_armed_ns || earliest < xs->timer_armed_ns))
		timer_arm(sk, earliest);
}

/* The user holds the socket: an ACK whose delay is over goes out late. */
static void timer_deferred(struct xtcp_sock *xs)
{
	u64 due_ns = READ_ONCE(xs->deadline_ns[XTCP_TIMER_DELAYED_ACK]);

	if (due_ns && due_ns <= xtcp_now_ns())
		XTCP_INC(sock_net(xtcp_to_sk(xs)), DELAYED_ACK_LOCKED);
	set_bit(XTCP_DEFER_TIMERS, &xs->deferred);
}

static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	struct xtcp_sock *xs = container_of(timer, struct xtcp_sock, timer);
	struct sock *sk = xtcp_to_sk(xs);

	bh_lock_sock(sk);
	if (!sock_owned_by_user(sk))
		xtcp_timers_run(sk);
	else
		timer_deferred(xs);
	bh_unlock_sock(sk);
	sock_put(sk);
	return HRTIMER_NORESTART;
}

/**
 * xtcp_timers_init - no deadlines
 * @sk: new socket, or a clone that nobody has seen yet
 */
void xtcp_timers_init(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	hrtimer_setup(&xs->timer, timer_fired, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_PINNED_SOFT);
	xs->timer_armed_ns = 0;
	memset(xs->deadline_ns, 0, sizeof(xs->deadline_ns));
	xs->deferred = 0;
}

/**
 * xtcp_timer_set - set a deadline, in place of the one it had
 * @sk: locked
 * @which: what for
 * @delay_ns: from now
 */
void xtcp_timer_set(struct sock *sk, enum xtcp_timer which, u64 delay_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 deadline = xtcp_now_ns() + delay_ns;

	WRITE_ONCE(xs->deadline_ns[which], deadline);
	if (!xs->timer_armed_ns || deadline < xs->timer_armed_ns)
		timer_arm(sk, deadline);
}

/**
 * xtcp_timer_clear - there is nothing to wait for any more
 * @sk: locked
 * @which: what for
 */
void xtcp_timer_clear(struct sock *sk, enum xtcp_timer which)
{
	WRITE_ONCE(xtcp_sk(sk)->deadline_ns[which], 0);
}

/**
 * xtcp_timers_clear_all - the connection has ended
 * @sk: locked
 *
 * A timer that is running on another CPU finds no deadline.
 */
void xtcp_timers_clear_all(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	memset(xs->deadline_ns, 0, sizeof(xs->deadline_ns));
	clear_bit(XTCP_DEFER_TIMERS, &xs->deferred);
	if (!xs->timer_armed_ns)
		return;
	xs->timer_armed_ns = 0;
	if (hrtimer_try_to_cancel(&xs->timer) == 1)
		__sock_put(sk);
}
