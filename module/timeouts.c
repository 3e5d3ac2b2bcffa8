// SPDX-License-Identifier: GPL-2.0
/*
 * timeouts.c - what is done when a deadline has passed
 *
 * RFC 9293 3.10.8 (TIMEOUTS). timers.c decides when a handler is called.
 *
 * Context: socket lock, softirq or release_sock().
 */
#include "timers.h"

#include "close/close.h"
#include "open/connect.h"
#include "open/echo.h"
#include "open/fastconnect.h"
#include "tcb.h"
#include "transfer/ack.h"
#include "transfer/lossprobe.h"
#include "transfer/pacing.h"
#include "transfer/probe.h"
#include "transfer/recovery.h"
#include "transfer/retransmit.h"

/* No ACK of data, or of a FIN. */
static enum xtcp_ending timeout_data(struct sock *sk)
{
	switch ((enum xtcp_wait)xtcp_sk(sk)->retransmit.waiting) {
	case XTCP_WAIT_TIMEOUT:
	case XTCP_WAIT_USER:
		return xtcp_retransmit_timeout(sk);
	case XTCP_WAIT_LOSS_PROBE:
		xtcp_lossprobe_timeout(sk);
		break;
	case XTCP_WAIT_REORDER:
		xtcp_recovery_reorder_timeout(sk);
		break;
	}
	return XTCP_ENDING_NONE;
}

/* No ACK of a SYN, of a cookie that we echo, or of data. */
static void timeout_retransmit(struct sock *sk)
{
	enum xtcp_ending ending = XTCP_ENDING_NONE;
	struct xtcp_sock *xs = xtcp_sk(sk);
	u8 before = xs->retransmit.in_row;

	/* The child of a fast open may be closed before the third segment. */
	if (xtcp_state_in(sk, XTCP_OPENING) || unlikely(xs->fast_held))
		ending = xtcp_connect_timeout(sk);
	else if (xs->cookie_held && !xs->in_flight)
		xtcp_echo_timeout(sk);
	else
		ending = timeout_data(sk);
	if (unlikely(xs->fast_tried) && (ending || xs->retransmit.in_row != before))
		xtcp_fastconnect_timed_out(sk, before, ending);
	xtcp_close_end(sk, ending);
}

/* The peer's window is closed, or too small. */
static void timeout_persist(struct sock *sk)
{
	xtcp_close_end(sk, xtcp_probe_window_timeout(sk));
}

/* The connection is idle. */
static void timeout_keepalive(struct sock *sk)
{
	xtcp_close_end(sk, xtcp_probe_keepalive_timeout(sk));
}

void (*const xtcp_timer_handlers[XTCP_TIMERS])(struct sock *sk) = {
	[XTCP_TIMER_RETRANSMIT]		= timeout_retransmit,
	[XTCP_TIMER_PERSIST]		= timeout_persist,
	[XTCP_TIMER_DELAYED_ACK]	= xtcp_ack_timeout,
	[XTCP_TIMER_KEEPALIVE]		= timeout_keepalive,
	[XTCP_TIMER_FIN_WAIT_2]		= xtcp_close_fin_wait_2_timeout,
	[XTCP_TIMER_PACE]		= xtcp_pacing_timeout,
};
