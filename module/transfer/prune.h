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

static inline bool xtcp_prune_is_full(const struct sock *sk)
{
	return atomic_read(&sk->sk_rmem_alloc) > READ_ONCE(sk->sk_rcvbuf);
}

bool xtcp_prune_reserve(struct sock *sk, struct sk_buff *skb);

#endif /* XTCP_TRANSFER_PRUNE_H */
