/* SPDX-License-Identifier: GPL-2.0 */
/*
 * deadlines.h - which event sets or clears which deadline
 *
 * The stages and the engine report what has happened. Only this file decides which
 * deadline (enum xtcp_timer) is set, moved or cleared. timers.c keeps them; it clears
 * one that has passed, and all of them when the connection ends. timeouts.c says what
 * is done when one has passed. How long a delay is stays with
 * the mechanism that knows (rtt.c, lossprobe.c, rack.c, probe.c, ...): it is an argument.
 *
 * Inline, because most are one store or one call, and each segment needs some of them.
 *
 * Context: socket lock.
 */
#ifndef XTCP_DEADLINES_H
#define XTCP_DEADLINES_H

#include "clock.h"
#include "tcb.h"
#include "timers.h"

/* --- an ACK that we owe: XTCP_TIMER_DELAYED_ACK --------------------------- */

/**
 * xtcp_deadlines_ack_delayed - an ACK is pending and waits
 * @sk: locked
 * @now_ns: CLOCK_MONOTONIC
 * @delay_ns: longest wait, from @now_ns
 *
 * It waits for data that can carry it, for a reader, or for more segments.
 */
static inline void xtcp_deadlines_ack_delayed(struct sock *sk, u64 now_ns,
					      u64 delay_ns)
{
	xtcp_timer_set_from(sk, XTCP_TIMER_DELAYED_ACK, now_ns, delay_ns);
}

/**
 * xtcp_deadlines_ack_failed - there was no memory for an ACK: it is pending again
 * @sk: locked
 * @delay_ns: time to the next attempt, from now
 */
static inline void xtcp_deadlines_ack_failed(struct sock *sk, u64 delay_ns)
{
	xtcp_timer_set(sk, XTCP_TIMER_DELAYED_ACK, delay_ns);
}

/**
 * xtcp_deadlines_ack_sent - a segment with an ACK was sent
 * @sk: locked
 */
static inline void xtcp_deadlines_ack_sent(struct sock *sk)
{
	xtcp_timer_clear(sk, XTCP_TIMER_DELAYED_ACK);
}

/* --- the peer's silence: XTCP_TIMER_KEEPALIVE ------------------------------ */

/**
 * xtcp_deadlines_peer_watched - SO_KEEPALIVE is on: the peer's silence is timed
 * @sk: locked
 * @delay_ns: time until the peer has been silent for too long, from now
 *
 * A segment of the peer does not report here: when the deadline passes, probe.c
 * looks back and calls this function again for the rest of the time.
 */
static inline void xtcp_deadlines_peer_watched(struct sock *sk, u64 delay_ns)
{
	xtcp_timer_set(sk, XTCP_TIMER_KEEPALIVE, delay_ns);
}

/**
 * xtcp_deadlines_peer_silent - the peer was silent and was sent a keepalive probe
 * @sk: locked
 * @delay_ns: time for its answer, from now
 */
static inline void xtcp_deadlines_peer_silent(struct sock *sk, u64 delay_ns)
{
	xtcp_timer_set(sk, XTCP_TIMER_KEEPALIVE, delay_ns);
}

/**
 * xtcp_deadlines_peer_unwatched - SO_KEEPALIVE was switched off
 * @sk: locked
 */
static inline void xtcp_deadlines_peer_unwatched(struct sock *sk)
{
	xtcp_timer_clear(sk, XTCP_TIMER_KEEPALIVE);
}

/* --- the peer's FIN: XTCP_TIMER_FIN_WAIT_2 --------------------------------- */

/**
 * xtcp_deadlines_fin_awaited - the socket is in FIN-WAIT-2: it awaits a FIN
 * @sk: locked
 * @delay_ns: longest wait, from now
 */
static inline void xtcp_deadlines_fin_awaited(struct sock *sk, u64 delay_ns)
{
	xtcp_timer_set(sk, XTCP_TIMER_FIN_WAIT_2, delay_ns);
}

/**
 * xtcp_deadlines_orphaned - the program has closed the socket
 * @sk: locked
 *
 * The limit for sockets that have a program does not apply any more.
 */
static inline void xtcp_deadlines_orphaned(struct sock *sk)
{
	xtcp_timer_clear(sk, XTCP_TIMER_FIN_WAIT_2);
}

/* --- an ACK that the peer owes: XTCP_TIMER_RETRANSMIT ---------------------- */

/**
 * xtcp_deadlines_syn_sent - a SYN was sent, or the timeout sent one again
 * @sk: locked, in SYN-SENT or SYN-RECEIVED (then it sent the SYN-ACK again)
 * @now_ns: CLOCK_MONOTONIC
 * @delay_ns: time for its ACK, from @now_ns
 */
static inline void xtcp_deadlines_syn_sent(struct sock *sk, u64 now_ns,
					   u64 delay_ns)
{
	/* @delay_ns may be what is left of a user timeout, and so less than the RTO. */
	xtcp_sk(sk)->retransmit.brief = 1;
	xtcp_timer_set_from(sk, XTCP_TIMER_RETRANSMIT, now_ns, delay_ns);
}

/**
 * xtcp_deadlines_connected - the SYN was acknowledged, nothing was sent since
 * @sk: locked
 *
 * The connection may be idle from now on.
 */
static inline void xtcp_deadlines_connected(struct sock *sk)
{
	xtcp_timers_rest(sk);
}

/**
 * xtcp_deadlines_bad_syn_ack - the answer to our SYN belongs to an old connection of the peer
 * @sk: locked, in SYN-SENT
 * @delay_ns: time until our RST has ended that connection, from now; an earlier deadline stays, so
 *	that a host that sends such answers without end puts off neither the SYN nor the end of
 *	connect()
 */
static inline void xtcp_deadlines_bad_syn_ack(struct sock *sk, u64 delay_ns)
{
	u64 now_ns = xtcp_now_ns();

	if (xtcp_sk(sk)->deadline_ns[XTCP_TIMER_RETRANSMIT] > now_ns + delay_ns)
		xtcp_timer_set_from(sk, XTCP_TIMER_RETRANSMIT, now_ns, delay_ns);
}

/**
 * xtcp_deadlines_cookie_sent - an ACK with the server's cookie was sent
 * @sk: locked, with nothing in flight
 * @delay_ns: time for any answer, from now
 */
static inline void xtcp_deadlines_cookie_sent(struct sock *sk, u64 delay_ns)
{
	xtcp_timer_set(sk, XTCP_TIMER_RETRANSMIT, delay_ns);
}

/**
 * xtcp_deadlines_cookie_accepted - the server has answered an ACK with a cookie
 * @sk: locked
 *
 * With something in flight, the deadline is already that of its ACK.
 */
static inline void xtcp_deadlines_cookie_accepted(struct sock *sk)
{
	if (!xtcp_sk(sk)->in_flight)
		xtcp_timer_clear(sk, XTCP_TIMER_RETRANSMIT);
}

/**
 * xtcp_deadlines_flight_began - data or a FIN was sent, nothing was in flight
 * @sk: locked
 *
 * Its ACK will tell the window: no probe is needed. xtcp_deadlines_flight_changed() follows.
 */
static inline void xtcp_deadlines_flight_began(struct sock *sk)
{
	xtcp_timer_clear(sk, XTCP_TIMER_PERSIST);
	xtcp_sk(sk)->retransmit.waiting = XTCP_WAIT_TIMEOUT;
}

/**
 * xtcp_deadlines_flight_changed - segments were sent, sent again or acknowledged, or an ICMP error
 *	has shortened the RTO (RFC 6069)
 * @sk: locked, with something in flight
 * @wait: what comes first if no ACK does: a loss probe, the timeout, or the user timeout
 * @now_ns: CLOCK_MONOTONIC
 * @delay_ns: time for an ACK, from @now_ns
 */
static inline void xtcp_deadlines_flight_changed(struct sock *sk,
						 enum xtcp_wait wait,
						 u64 now_ns, u64 delay_ns)
{
	xtcp_sk(sk)->retransmit.waiting = wait;
	xtcp_sk(sk)->retransmit.brief = 0;
	xtcp_timer_set_from(sk, XTCP_TIMER_RETRANSMIT, now_ns, delay_ns);
}

/**
 * xtcp_deadlines_all_acked - nothing is in flight any more
 * @sk: locked
 */
static inline void xtcp_deadlines_all_acked(struct sock *sk)
{
	xtcp_timer_clear(sk, XTCP_TIMER_RETRANSMIT);
}

/**
 * xtcp_deadlines_resent - the oldest segment or a loss probe was sent
 * @sk: locked, with something in flight
 *
 * The timeout that xtcp_retransmit_arm() sets next counts from now.
 */
static inline void xtcp_deadlines_resent(struct sock *sk)
{
	xtcp_sk(sk)->retransmit.waiting = XTCP_WAIT_TIMEOUT;
}

/**
 * xtcp_deadlines_send_failed - a segment could not leave this host
 * @sk: locked, with something in flight
 * @delay_ns: time to the next attempt, from now
 */
static inline void xtcp_deadlines_send_failed(struct sock *sk, u64 delay_ns)
{
	xtcp_sk(sk)->retransmit.brief = 1;
	xtcp_timer_set(sk, XTCP_TIMER_RETRANSMIT, delay_ns);
}

/**
 * xtcp_deadlines_loss_suspected - segments are missing, and may only be late
 * @sk: locked, with something in flight
 * @wait: what comes first: the end of the reordering window or the user timeout
 * @delay_ns: time to it, from now
 */
static inline void xtcp_deadlines_loss_suspected(struct sock *sk,
						 enum xtcp_wait wait,
						 u64 delay_ns)
{
	xtcp_sk(sk)->retransmit.waiting = wait;
	xtcp_timer_set(sk, XTCP_TIMER_RETRANSMIT, delay_ns);
}

/**
 * xtcp_deadlines_reneging_suspected - the oldest segment is SACKed, not acknowledged
 * @sk: locked, with something in flight
 * @delay_ns: time for its ACK, from now
 */
static inline void xtcp_deadlines_reneging_suspected(struct sock *sk,
						     u64 delay_ns)
{
	xtcp_sk(sk)->retransmit.waiting = XTCP_WAIT_TIMEOUT;
	xtcp_sk(sk)->retransmit.brief = 1;
	xtcp_timer_set(sk, XTCP_TIMER_RETRANSMIT, delay_ns);
}

/**
 * xtcp_deadlines_flight_left_ns - time until the deadline of what is in flight
 * @xs: the connection, locked
 * @now_ns: CLOCK_MONOTONIC
 *
 * Return: nanoseconds, negative if it has passed; 0 if there is none
 */
static inline s64 xtcp_deadlines_flight_left_ns(const struct xtcp_sock *xs, u64 now_ns)
{
	u64 deadline_ns = xs->deadline_ns[XTCP_TIMER_RETRANSMIT];

	return deadline_ns ? (s64)(deadline_ns - now_ns) : 0;
}

/* --- unsent data: XTCP_TIMER_PERSIST, XTCP_TIMER_PACE ---------------------- */

/**
 * xtcp_deadlines_send_blocked - unsent data waits for the peer's window
 * @sk: locked, with nothing in flight
 * @delay_ns: time to the first window probe, from now
 */
static inline void xtcp_deadlines_send_blocked(struct sock *sk, u64 delay_ns)
{
	xtcp_timer_set(sk, XTCP_TIMER_PERSIST, delay_ns);
}

/**
 * xtcp_deadlines_window_probed - the window is probed, and may stay as it is
 * @sk: locked, with nothing in flight
 * @delay_ns: time to the next window probe, from now
 */
static inline void xtcp_deadlines_window_probed(struct sock *sk, u64 delay_ns)
{
	xtcp_timer_set(sk, XTCP_TIMER_PERSIST, delay_ns);
}

/**
 * xtcp_deadlines_window_opened - the window has opened, but not enough to send
 * @sk: locked, with nothing in flight; the persist timer is set
 * @delay_ns: time until what fits is sent, from now; an earlier deadline stays
 */
static inline void xtcp_deadlines_window_opened(struct sock *sk, u64 delay_ns)
{
	u64 now_ns = xtcp_now_ns();

	if (xtcp_sk(sk)->deadline_ns[XTCP_TIMER_PERSIST] > now_ns + delay_ns)
		xtcp_timer_set_from(sk, XTCP_TIMER_PERSIST, now_ns, delay_ns);
}

/**
 * xtcp_deadlines_send_unblocked - nothing waits for the peer's window alone
 * @sk: locked
 *
 * Something is in flight, or nothing is unsent, or only pacing holds it back.
 */
static inline void xtcp_deadlines_send_unblocked(struct sock *sk)
{
	xtcp_timer_clear(sk, XTCP_TIMER_PERSIST);
}

/**
 * xtcp_deadlines_burst_held - it is too early for the next burst
 * @sk: locked, with no burst held already; a later time that the end of a large
 *	write has set is replaced
 * @delay_ns: time until it is due, from now
 */
static inline void xtcp_deadlines_burst_held(struct sock *sk, u64 delay_ns)
{
	xtcp_timer_set(sk, XTCP_TIMER_PACE, delay_ns);
}

/**
 * xtcp_deadlines_tail_held - the end of a large write waits for the next write
 * @sk: locked, with no burst held
 * @now_ns: CLOCK_MONOTONIC
 * @delay_ns: longest wait, from @now_ns
 */
static inline void xtcp_deadlines_tail_held(struct sock *sk, u64 now_ns,
					    u64 delay_ns)
{
	xtcp_timer_set_from(sk, XTCP_TIMER_PACE, now_ns, delay_ns);
}

#endif /* XTCP_DEADLINES_H */
