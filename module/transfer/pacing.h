/* SPDX-License-Identifier: GPL-2.0 */
/* pacing.h - how fast segments are sent */
#ifndef XTCP_TRANSFER_PACING_H
#define XTCP_TRANSFER_PACING_H

#include <net/sock.h>

#include "tcb.h"

bool xtcp_pacing_must_wait(struct sock *sk);
u64 xtcp_pacing_departure_fq(struct sock *sk, u64 now_ns);
void xtcp_pacing_stamp_fq(struct sock *sk, struct sk_buff *skb, u64 due_ns);
void xtcp_pacing_account(struct sock *sk, u32 bytes);
void xtcp_pacing_update(struct sock *sk);
void xtcp_pacing_timeout(struct sock *sk);

/* True if xtcp paces: a set rate or the congestion control asks for it, and no qdisc does it. */
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
 * xtcp_pacing_departure - when a segment that is sent now leaves this host
 * @sk: the socket, locked
 * @now_ns: current time
 *
 * That is its time for the RTT, RACK and TSval, so that they don't contain what
 * fq holds back. As in Linux, all segments are in one order: one without payload
 * does not overtake payload that fq holds, or PAWS would drop the latter.
 *
 * Return: time; later than @now_ns while fq holds the segment
 */
static inline u64 xtcp_pacing_departure(struct sock *sk, u64 now_ns)
{
	if (unlikely(READ_ONCE(sk->sk_pacing_status) == SK_PACING_FQ))
		return xtcp_pacing_departure_fq(sk, now_ns);
	return now_ns;
}

/**
 * xtcp_pacing_stamp - tell fq when a segment is due
 * @sk: the socket, locked
 * @skb: about to be sent
 * @due_ns: xtcp_pacing_departure()
 *
 * fq does not delay a segment with a stamp by the rate, too.
 */
static inline void xtcp_pacing_stamp(struct sock *sk, struct sk_buff *skb,
				     u64 due_ns)
{
	if (unlikely(READ_ONCE(sk->sk_pacing_status) == SK_PACING_FQ))
		xtcp_pacing_stamp_fq(sk, skb, due_ns);
}

#endif /* XTCP_TRANSFER_PACING_H */
