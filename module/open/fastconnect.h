/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fastconnect.h - fast open at the client: a SYN with data
 */
#ifndef XTCP_OPEN_FASTCONNECT_H
#define XTCP_OPEN_FASTCONNECT_H

#include <linux/types.h>
#include <net/sock.h>

#include "compat.h"
#include "tcb.h"

struct msghdr;
struct xtcp_seg;

/**
 * struct xtcp_fastconnect - a write that opens its connection
 * @msg: its data, of which a part goes with the SYN; NULL: none of it may
 * @copied: bytes that went with the SYN
 *
 * On the stack of the program's call. xtcp_connect() uses it before the socket is unlocked.
 */
struct xtcp_fastconnect {
	struct msghdr	*msg;
	int		copied;
};

/**
 * xtcp_fastconnect_is_deferred - does a connection wait for its first write to send the SYN
 * @sk: socket
 *
 * TCP_FASTOPEN_CONNECT. Such a socket is in SYN-SENT, and has sent nothing.
 *
 * Context: any; without the socket lock the answer may be stale.
 * Return: true if it does.
 */
static inline bool xtcp_fastconnect_is_deferred(const struct sock *sk)
{
	return READ_ONCE(sk->sk_state) == XTCP_SYN_SENT && inet_test_bit(DEFER_CONNECT, sk);
}

void xtcp_fastconnect_start(struct sock *sk, struct xtcp_fastconnect *fast);
void xtcp_fastconnect_go(struct sock *sk, struct xtcp_fastconnect *fast);
void xtcp_fastconnect_too_big(struct sock *sk);
bool xtcp_fastconnect_answered(struct sock *sk, const struct xtcp_seg *seg, bool syn_data);
bool xtcp_fastconnect_resend(struct sock *sk);
void xtcp_fastconnect_blocked(struct sock *sk);
void xtcp_fastconnect_timed_out(struct sock *sk, unsigned int before, bool over);
void xtcp_fastconnect_ends(struct sock *sk);

#endif /* XTCP_OPEN_FASTCONNECT_H */
