/* SPDX-License-Identifier: GPL-2.0 */
/*
 * deadlines.h - which event sets or clears which deadline
 *
 * The stages of a connection report what has happened. Only this file decides which
 * deadline (enum xtcp_timer) is set, moved or cleared; timers.c keeps them, and
 * timeouts.c says what is done when one has passed. How long a delay is stays with
 * the mechanism that knows (rtt.c, lossprobe.c, rack.c, probe.c, ...): it is an argument.
 *
 * Inline, because most are one store or one call, and each segment needs some of them.
 *
 * Context: socket lock.
 */
#ifndef XTCP_DEADLINES_H
#define XTCP_DEADLINES_H

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

#endif /* XTCP_DEADLINES_H */
