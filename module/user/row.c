// SPDX-License-Identifier: GPL-2.0
/*
 * row.c - fields of a socket that several of procfs, sock_diag and xtcp_kill use
 *
 * Context: process; a socket is read without its lock, so that two fields may be
 * one segment apart.
 */
#include "user/row.h"

#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/uidgid.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "clock.h"
#include "compat.h"
#include "flow.h"
#include "net/seq.h"
#include "tcb.h"

const u8 xtcp_row_wires[XTCP_ROW_WIRES] = { XTCP_WIRE_NATIVE, XTCP_WIRE_TCP };

/**
 * xtcp_row_ms_left - time until a timer fires
 * @deadline_ns: xtcp_now_ns() when it fires
 *
 * Return: ms, 0 if the time has passed; U32_MAX for 50 days and longer.
 */
u32 xtcp_row_ms_left(u64 deadline_ns)
{
	u64 now_ns = xtcp_now_ns();

	if (deadline_ns <= now_ns)
		return 0;
	return min_t(u64, div_u64(deadline_ns - now_ns, NSEC_PER_MSEC), U32_MAX);
}

/**
 * xtcp_row_owner - owner of a socket
 * @sk: socket
 *
 * Return: owner; of an orphan the last one, of a child that was not accepted yet that of its
 * listener. As in newer kernels: an admin can see whose orphans fill the table.
 */
kuid_t xtcp_row_owner(const struct sock *sk)
{
	return sk_uid(sk);
}

/**
 * xtcp_row_family - address family of the socket that a connection belongs to
 * @flow: referenced
 *
 * Return: AF_INET or AF_INET6.
 */
u8 xtcp_row_family(const struct xtcp_flow *flow)
{
	if (flow->kind == XTCP_KIND_SOCKET)
		return xtcp_flow_sk(flow)->sk_family;
	return flow->mapped ? AF_INET6 : flow->family;
}

/**
 * xtcp_row_timer - the timer that a socket's row shows
 * @xs: TCB
 * @deadline_ns: set to its deadline, xtcp_now_ns()
 *
 * Return: XTCP_TR_*; XTCP_TR_NONE if no timer is running.
 */
int xtcp_row_timer(const struct xtcp_sock *xs, u64 *deadline_ns)
{
	static const struct {
		u8	timer;
		u8	tr;
	} order[] = {
		{ XTCP_TIMER_RETRANSMIT,	XTCP_TR_RETRANSMIT },
		{ XTCP_TIMER_PERSIST,		XTCP_TR_PERSIST },
		{ XTCP_TIMER_FIN_WAIT_2,	XTCP_TR_KEEPALIVE },
		{ XTCP_TIMER_KEEPALIVE,		XTCP_TR_KEEPALIVE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(order); i++) {
		*deadline_ns = READ_ONCE(xs->deadline_ns[order[i].timer]);
		if (*deadline_ns)
			return order[i].tr;
	}
	return XTCP_TR_NONE;
}

/**
 * xtcp_row_queues - how much waits in a socket that does not listen
 * @xs: TCB
 * @tx: set to bytes that the peer has not acknowledged yet
 * @rx: set to bytes that the program has not read yet
 */
void xtcp_row_queues(const struct xtcp_sock *xs, u32 *tx, u32 *rx)
{
	*tx = max(seq_dist(READ_ONCE(xs->snd_una), READ_ONCE(xs->write_seq)), 0);
	*rx = max(seq_dist(READ_ONCE(xs->copied_seq), READ_ONCE(xs->rcv_nxt)),
		  0);
}
