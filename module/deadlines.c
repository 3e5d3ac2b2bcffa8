// SPDX-License-Identifier: GPL-2.0
/*
 * deadlines.c - the handler of each deadline
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
#include "transfer/pacing.h"
#include "transfer/probe.h"
#include "transfer/retransmit.h"

/* No ACK of a SYN, of a cookie that we echo, or of data. */
static void deadline_retransmit(struct sock *sk)
{
	if (xtcp_state_in(sk, XTCP_STATEF(XTCP_SYN_SENT) |
			      XTCP_STATEF(XTCP_SYN_RECEIVED)))
		xtcp_connect_timeout(sk);
	else if (xtcp_sk(sk)->cookie_held && !xtcp_sk(sk)->in_flight)
		xtcp_echo_timeout(sk);
	else
		xtcp_retransmit_timeout(sk);
}

void (*const xtcp_timer_handlers[XTCP_TIMERS])(struct sock *sk) = {
	[XTCP_TIMER_RETRANSMIT]		= deadline_retransmit,
	[XTCP_TIMER_PERSIST]		= xtcp_probe_window_timeout,
	[XTCP_TIMER_DELAYED_ACK]	= xtcp_ack_timeout,
	[XTCP_TIMER_KEEPALIVE]		= xtcp_probe_keepalive_timeout,
	[XTCP_TIMER_FIN_WAIT_2]		= xtcp_close_fin_wait_2_timeout,
	[XTCP_TIMER_PACE]		= xtcp_pacing_timeout,
};
