/* SPDX-License-Identifier: GPL-2.0 */
/* pacing.h - how fast segments are sent */
#ifndef XTCP_TRANSFER_PACING_H
#define XTCP_TRANSFER_PACING_H

#include <net/sock.h>

#include "tcb.h"

bool xtcp_pacing_must_wait(struct sock *sk);
void xtcp_pacing_stamp_fq(struct sock *sk, struct sk_buff *skb, u64 now_ns,
			  unsigned int payload);
void xtcp_pacing_account(struct sock *sk, u32 bytes);
void xtcp_pacing_update(struct sock *sk);
void xtcp_pacing_timeout(struct sock *sk);

/* True if xtcp paces: SO_MAX_PACING_RATE is set, and no qdisc does it. */
static inline bool xtcp_pacing_is_ours(const struct sock *sk)
{
	return unlikely(READ_ONCE(sk->sk_pacing_status) == SK_PACING_NEEDED);
}

/**
 * xtcp_pacing_holds - check whether a segment must wait until it is due
 * @sk: the socket, locked
 *
 * Return: true if it must; the timer sends it then
 */
static inline bool xtcp_pacing_holds(struct sock *sk)
{
	return xtcp_pacing_is_ours(sk) && xtcp_pacing_must_wait(sk);
}

/**
 * xtcp_pacing_sent - payload was sent
 * @sk: the socket, locked
 * @bytes: number of bytes
 */
static inline void xtcp_pacing_sent(struct sock *sk, u32 bytes)
{
	if (unlikely(READ_ONCE(sk->sk_pacing_status) != SK_PACING_NONE))
		xtcp_pacing_account(sk, bytes);
}

/**
 * xtcp_pacing_stamp - tell fq when a segment is due
 * @sk: the socket, locked
 * @skb: about to be sent
 * @now_ns: current time
 * @payload: bytes of payload; only these are paced
 *
 * Since 6.7 fq, while it is empty, delays segments by this stamp only.
 */
static inline void xtcp_pacing_stamp(struct sock *sk, struct sk_buff *skb,
				     u64 now_ns, unsigned int payload)
{
	if (unlikely(READ_ONCE(sk->sk_pacing_status) == SK_PACING_FQ))
		xtcp_pacing_stamp_fq(sk, skb, now_ns, payload);
}

/**
 * xtcp_pacing_init - begin without a due time
 * @xs: TCB of a new connection
 */
static inline void xtcp_pacing_init(struct xtcp_sock *xs)
{
	xs->pace_us = 0;
	xs->paced = 0;
}

#endif /* XTCP_TRANSFER_PACING_H */
