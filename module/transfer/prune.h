/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prune.h - the receive buffer is full: what goes, and what stays
 *
 * All under the socket lock.
 */
#ifndef XTCP_TRANSFER_PRUNE_H
#define XTCP_TRANSFER_PRUNE_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <net/sock.h>

struct sk_buff;
struct xtcp_sock;

void xtcp_prune_init(struct xtcp_sock *xs);

static inline bool xtcp_prune_is_full(const struct sock *sk)
{
	return atomic_read(&sk->sk_rmem_alloc) > READ_ONCE(sk->sk_rcvbuf);
}

bool __xtcp_prune_reserve(struct sock *sk, struct sk_buff *skb);

/**
 * xtcp_prune_reserve - make room in the receive buffer
 * @sk: the socket, locked
 * @skb: segment that has come, trimmed to the window; not charged yet
 *
 * What the user waits for, with nothing there to be read, is always taken:
 * else a machine that is short of memory would never get rid of any.
 *
 * Return: true when @skb may be queued
 */
static inline bool xtcp_prune_reserve(struct sock *sk, struct sk_buff *skb)
{
	return likely(!xtcp_prune_is_full(sk) &&
		      (int)skb->truesize <= sk->sk_forward_alloc) ||
	       __xtcp_prune_reserve(sk, skb);
}

#endif /* XTCP_TRANSFER_PRUNE_H */
