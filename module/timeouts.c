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
#include "tcb.h"
#include "transfer/ack.h"
#include "transfer/lossprobe.h"
#include "transfer/pacing.h"
#include "transfer/probe.h"
#include "transfer/recovery.h"
#include "transfer/retransmit.h"

/* No ACK of data, or of a FIN. */
static void timeout_data(struct sock *sk)
{
	switch ((enum xtcp_wait)xtcp_sk(sk)->waiting) {
	case XTCP_WAIT_TIMEOUT:
		xtcp_retransmit_timeout(sk);
		break;
	case XTCP_WAIT_LOSS_PROBE:
		xtcp_lossprobe_timeout(sk);
		break;
	case XTCP_WAIT_REORDER:
		xtcp_recovery_reorder_timeout(sk);
		break;
	}
}

/* No ACK of a SYN, of a cookie that we echo, or of data. */
static void timeout_retransmit(struct sock *sk)
{
	if (xtcp_state_in(sk, XTCP_STATEF(XTCP_SYN_SENT) |
			      XTCP_STATEF(XTCP_SYN_RECEIVED)))
		xtcp_connect_timeout(sk);
	else if (xtcp_sk(sk)->cookie_held && !xtcp_sk(sk)->in_flight)
		xtcp_echo_timeout(sk);
	else
		timeout_data(sk);
}

void (*const xtcp_timer_handlers[XTCP_TIMERS])(struct sock *sk) = {
	[XTCP_TIMER_RETRANSMIT]		= timeout_retransmit,
	[XTCP_TIMER_PERSIST]		= xtcp_probe_window_timeout,
	[XTCP_TIMER_DELAYED_ACK]	= xtcp_ack_timeout,
	[XTCP_TIMER_KEEPALIVE]		= xtcp_probe_keepalive_timeout,
	[XTCP_TIMER_FIN_WAIT_2]		= xtcp_close_fin_wait_2_timeout,
	[XTCP_TIMER_PACE]		= xtcp_pacing_timeout,
};
