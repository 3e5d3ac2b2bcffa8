// SPDX-License-Identifier: GPL-2.0
/*
 * echo.c - the client's part of lossless cookies (open/cookie.c)
 *
 * A server that answered with a cookie has no record of the connection until
 * one of our segments with the cookie arrives. So each segment carries the
 * cookie, until a segment of the server shows that it has a socket. While
 * nothing is in flight that the retransmission timer would send again, an ACK
 * with the cookie is repeated.
 *
 * xs->cookie shares its memory with the accept queue's fields, which only
 * listeners and their children use, and with meter.c's, which count from the time
 * at which the cookie is forgotten.
 *
 * Context: socket lock; process or softirq.
 */
#include "open/echo.h"

#include "deadlines.h"
#include "observe/stats.h"
#include "open/cookie.h"
#include "segment/output.h"
#include "tcb.h"
#include "transfer/meter.h"
#include "transfer/rtt.h"

/*
 * The ACK is sent again after 1, 2, 4, 8 and 16 s: as often as a server
 * without cookies would retransmit its SYN-ACK, and within the 60 s for which
 * each cookie is accepted. Later segments still carry the cookie.
 */
#define ECHOES_MAX	5

static void echo_arm(struct sock *sk)
{
	u8 echoes = xtcp_sk(sk)->echoes;
	u64 delay_us = (u64)XTCP_RTO_INIT_US << echoes;

	if (echoes >= ECHOES_MAX)
		return;
	xtcp_deadlines_cookie_sent(sk, delay_us * NSEC_PER_USEC);
}

/**
 * xtcp_echo_keep - store a SYN-ACK's cookie
 * @sk: in SYN-SENT, locked
 * @opt: options of the SYN-ACK; options that only the cookie names are added
 */
void xtcp_echo_keep(struct sock *sk, struct xtcp_options *opt)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	memcpy(xs->cookie, opt->cookie, sizeof(xs->cookie));
	xs->cookie_held = 1;
	xs->echoes = 0;
	xtcp_cookie_read(opt);
}

/**
 * xtcp_echo_start - start to repeat the ACK with the cookie
 * @sk: just became ESTABLISHED, has @cookie_held and nothing in flight; has
 *	sent the cookie once; locked
 */
void xtcp_echo_start(struct sock *sk)
{
	xtcp_assert_owned(sk);
	echo_arm(sk);
}

/**
 * xtcp_echo_heard - the server has a socket: stop sending the cookie
 * @sk: locked, with @cookie_held; an acceptable segment has arrived
 *
 * Segments may again be longer by the length of the option.
 */
void xtcp_echo_heard(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	xs->cookie_held = 0;
	xtcp_meter_init(xs);
	xtcp_deadlines_cookie_accepted(sk);
	xtcp_output_mss_sync(sk, xs->pmtu);
}

/**
 * xtcp_echo_timeout - no segment of the server has arrived: repeat the ACK
 * @sk: locked, with @cookie_held and nothing in flight
 */
void xtcp_echo_timeout(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	XTCP_INC(sock_net(sk), TIMEOUTS);
	xtcp_lifecycle_sk(sk, XTCP_EV_RETRANSMISSION_TIMEOUT);
	xtcp_output_ack(sk);
	xs->echoes++;
	echo_arm(sk);
}
