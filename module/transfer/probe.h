/* SPDX-License-Identifier: GPL-2.0 */
/* probe.h - probes of a silent peer: zero window and keepalive */
#ifndef XTCP_TRANSFER_PROBE_H
#define XTCP_TRANSFER_PROBE_H

#include <linux/types.h>

#include "ending.h"
#include "tcb.h"

struct sock;

void xtcp_probe_window_check(struct sock *sk);
enum xtcp_ending xtcp_probe_window_timeout(struct sock *sk);
void xtcp_probe_keepalive_set(struct sock *sk, int on);
void xtcp_probe_keepalive_start(struct sock *sk);
void xtcp_probe_keepalive_changed(struct sock *sk);
enum xtcp_ending xtcp_probe_keepalive_timeout(struct sock *sk);

/**
 * xtcp_probe_answered - the peer sent an ACK that is not older than the last
 * one
 * @sk: the socket, locked
 */
static inline void xtcp_probe_answered(struct sock *sk)
{
	WRITE_ONCE(xtcp_sk(sk)->probe.out, 0);
}

#endif /* XTCP_TRANSFER_PROBE_H */
