/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prune.h - find space in a full receive buffer
 *
 * Context: socket lock.
 */
#ifndef XTCP_TRANSFER_PRUNE_H
#define XTCP_TRANSFER_PRUNE_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <net/sock.h>

#include "tcb.h"
#include "transfer/window.h"

struct sk_buff;

/*
 * Memory of what has arrived. A buffer may have 2 GiB (SO_RCVBUFFORCE), and the segment that
 * overfills it makes the int negative.
 */
static inline u32 xtcp_prune_used(const struct sock *sk)
{
	return atomic_read(&sk->sk_rmem_alloc);
}

static inline bool xtcp_prune_is_full(const struct sock *sk)
{
	return xtcp_prune_used(sk) > (u32)READ_ONCE(sk->sk_rcvbuf);
}

/**
 * xtcp_prune_is_nearly_full - can little more arrive before the program reads
 * @sk: the socket; without the lock the result is an estimate
 *
 * A reader that waits for SO_RCVLOWAT wakes then, as in Linux.
 *
 * Return: true if the buffer is full but for an eighth, the window is less than a segment, or
 * memory is short
 */
static inline bool xtcp_prune_is_nearly_full(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u32 most = READ_ONCE(sk->sk_rcvbuf);

	return xtcp_prune_used(sk) > most - (most >> 3) ||
	       xtcp_window_left(xs) <= xs->ack.rcv_mss || sk_under_memory_pressure(sk);
}

bool __xtcp_prune_reserve(struct sock *sk, struct sk_buff *skb);

/**
 * xtcp_prune_reserve - reserve buffer space for a received segment
 * @sk: the socket, locked
 * @skb: segment, trimmed to the window; not charged yet
 *
 * The segment that the user waits for is always accepted when there is nothing
 * to read: otherwise a host that is short of memory could never free any.
 *
 * Return: true if @skb may be queued
 */
static inline bool xtcp_prune_reserve(struct sock *sk, struct sk_buff *skb)
{
	return likely(!xtcp_prune_is_full(sk) &&
		      (int)skb->truesize <= sk->sk_forward_alloc) ||
	       __xtcp_prune_reserve(sk, skb);
}

#endif /* XTCP_TRANSFER_PRUNE_H */
