/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memory.h - reserve a socket's memory by force, and return it to the host's budget
 *
 * The socket layer accounts in pages: a socket reserves whole pages from the
 * host's budget (xtcp_mem), and a page that becomes free is returned at once. A
 * request and its answer would then reserve and return a page four times in a
 * round trip. So a connection whose wheel entry expires soon keeps a little
 * memory until then: xtcp_timers_run() returns what is not in use. An idle
 * socket keeps nothing.
 *
 * Context: socket lock.
 */
#ifndef XTCP_TRANSFER_MEMORY_H
#define XTCP_TRANSFER_MEMORY_H

#include <net/sock.h>

#include "observe/memory.h"
#include "tcb.h"
#include "timers.h"

/* Free memory that a busy connection may keep stays below this; bytes. */
#define XTCP_MEMORY_KEPT	(2 * (int)PAGE_SIZE)

/**
 * xtcp_memory_force - reserve memory although the host's budget is used up
 * @sk: the socket, locked; as a rule its reservation was refused
 * @size: bytes that must be had
 *
 * For what lets a connection go on, like sk_forced_mem_schedule(), which is not exported.
 * __sk_mem_schedule() grants everything to a sender whose queued bytes fill its send buffer, and
 * charges its memory cgroup even beyond the limit. So sk_wmem_queued is twice sk_sndbuf during
 * the call: with that, sk_stream_moderate_sndbuf(), which the call runs, leaves sk_sndbuf as it
 * is. A smaller sk_sndbuf, or one locked for the call, would be seen: getsockopt() reads SO_SNDBUF
 * and SO_BUF_LOCK without the socket lock. poll() may read the raised sk_wmem_queued and wait for
 * space, so it is woken afterwards.
 */
static inline void xtcp_memory_force(struct sock *sk, int size)
{
	int queued = sk->sk_wmem_queued, sndbuf = sk->sk_sndbuf;
	int full = min_t(s64, 2LL * sndbuf, INT_MAX / 2);

	if (size <= sk->sk_forward_alloc)
		return;
	WRITE_ONCE(sk->sk_wmem_queued, max(queued, full));
	__sk_mem_schedule(sk, size - sk->sk_forward_alloc, SK_MEM_SEND);
	WRITE_ONCE(sk->sk_wmem_queued, queued);
	/* A buffer below SOCK_MIN_SNDBUF, or of more than 512 MiB, was changed all the same. */
	if (unlikely(sk->sk_sndbuf != sndbuf))
		WRITE_ONCE(sk->sk_sndbuf, sndbuf);
	/* Pairs with the barrier of poll() between SOCK_NOSPACE and its second look. */
	smp_mb();
	if (sk->sk_socket && test_bit(SOCK_NOSPACE, &sk->sk_socket->flags))
		sk->sk_write_space(sk);
}

/**
 * xtcp_memory_uncharge - memory of a queue was freed
 * @sk: the socket, locked
 * @bytes: truesize of what was freed
 */
static inline void xtcp_memory_uncharge(struct sock *sk, int bytes)
{
	WRITE_ONCE(sk->sk_forward_alloc, sk->sk_forward_alloc + bytes);
	if (sk->sk_forward_alloc < (int)PAGE_SIZE)
		return;
	if (sk->sk_forward_alloc >= XTCP_MEMORY_KEPT ||
	    !xtcp_timers_expiry_is_near(xtcp_sk(sk)))
		xtcp_memory_reclaim(sk);
}

/**
 * xtcp_memory_free_read - free a segment that the user has read
 * @sk: the socket, locked
 * @skb: was charged by skb_set_owner_r(); in no queue any more
 */
static inline void xtcp_memory_free_read(struct sock *sk, struct sk_buff *skb)
{
	skb->destructor = NULL;
	skb->sk = NULL;
	atomic_sub(skb->truesize, &sk->sk_rmem_alloc);
	xtcp_memory_uncharge(sk, skb->truesize);
	/* IP passes on no skb with further references. */
	__kfree_skb(skb);
}

#endif /* XTCP_TRANSFER_MEMORY_H */
