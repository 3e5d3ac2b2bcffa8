/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pacing.h - how fast segments leave
 */
#ifndef XTCP_TRANSFER_PACING_H
#define XTCP_TRANSFER_PACING_H

#include <net/sock.h>

bool xtcp_pacing_must_wait(struct sock *sk);
void xtcp_pacing_account(struct sock *sk, u32 octets);
void xtcp_pacing_update(struct sock *sk);
void xtcp_pacing_timeout(struct sock *sk);

/* Is it we who pace: SO_MAX_PACING_RATE, and no qdisc that does. */
static inline bool xtcp_pacing_is_ours(const struct sock *sk)
{
	return unlikely(READ_ONCE(sk->sk_pacing_status) == SK_PACING_NEEDED);
}

/**
 * xtcp_pacing_holds - has a segment to wait for its turn
 * @sk: the socket, locked; if so the timer sends it
 */
static inline bool xtcp_pacing_holds(struct sock *sk)
{
	return xtcp_pacing_is_ours(sk) && xtcp_pacing_must_wait(sk);
}

/**
 * xtcp_pacing_sent - text has left
 * @sk: the socket, locked
 * @octets: of text
 */
static inline void xtcp_pacing_sent(struct sock *sk, u32 octets)
{
	if (xtcp_pacing_is_ours(sk))
		xtcp_pacing_account(sk, octets);
}

#endif /* XTCP_TRANSFER_PACING_H */
