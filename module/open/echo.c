// SPDX-License-Identifier: GPL-2.0
/*
 * echo.c - a lossless cookie goes back to the server that sent it
 *
 * The client's part of open/cookie.c. A server that answered with a cookie
 * knows nothing of us: until one segment of ours has come through, our own
 * ESTABLISHED is a belief. So each segment carries the cookie, and an ACK with
 * it is repeated while nothing else is in flight whose timer would repeat it,
 * until a segment of the server shows that it knows us.
 *
 * The cookie lies where listeners and their children have their queue's links:
 * a socket that connected is neither.
 *
 * Socket lock; process context or softirq.
 */
#include "open/echo.h"

#include "open/cookie.h"
#include "segment/output.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/meter.h"
#include "transfer/rtt.h"
#include "user/stats.h"

/*
 * The ACK goes again after 1, 2, 4, 8 and 16 s, as often as a server without
 * cookies would have sent its SYN-ACK again, and within the 60 s that any
 * cookie lives. Whatever else we send takes the cookie along later, too.
 */
#define ECHOES_MAX	5

static void echo_arm(struct sock *sk)
{
	u8 echoes = xtcp_sk(sk)->echoes;
	u64 delay_us = (u64)XTCP_RTO_INIT_US << echoes;

	if (echoes >= ECHOES_MAX)
		return;
	xtcp_timer_set(sk, XTCP_TIMER_RETRANSMIT, delay_us * NSEC_PER_USEC);
}

/**
 * xtcp_echo_init - no cookie to repeat
 * @xs: a connection that begins
 */
void xtcp_echo_init(struct xtcp_sock *xs)
{
	xs->cookie_held = 0;
}

/**
 * xtcp_echo_keep - a SYN-ACK has a cookie
 * @sk: in SYN-SENT, locked
 * @opt: options of the SYN-ACK; what only the cookie says is added
 */
void xtcp_echo_keep(struct sock *sk, struct xtcp_options *opt)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	memcpy(xs->cookie, opt->cookie, sizeof(xs->cookie));
	xs->cookie_held = 1;
	xs->echoes = 0;
	xtcp_cookie_read(opt);
}

/**
 * xtcp_echo_start - the cookie has gone back for the first time
 * @sk: ESTABLISHED since just now, with @cookie_held and nothing in flight;
 *	locked
 */
void xtcp_echo_start(struct sock *sk)
{
	echo_arm(sk);
}

/**
 * xtcp_echo_heard - the server knows us
 * @sk: locked, with @cookie_held; an acceptable segment has come
 *
 * The room of the cookie is free for text again.
 */
void xtcp_echo_heard(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xs->cookie_held = 0;
	xtcp_meter_init(xs);
	if (!xs->in_flight)
		xtcp_timer_clear(sk, XTCP_TIMER_RETRANSMIT);
	xtcp_output_mss_sync(sk, xs->pmtu);
}

/**
 * xtcp_echo_timeout - the server has not been heard
 * @sk: locked, with @cookie_held and nothing in flight
 */
void xtcp_echo_timeout(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	XTCP_INC(sock_net(sk), TIMEOUTS);
	xtcp_lifecycle_sk(sk, XTCP_EV_RETRANSMISSION_TIMEOUT);
	xtcp_output_ack(sk);
	xs->echoes++;
	echo_arm(sk);
}
