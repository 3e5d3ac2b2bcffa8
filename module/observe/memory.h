/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memory.h - how much memory the queues of all sockets have had
 *
 * Pages are returned here, so that their peak is known: a sum is highest before it
 * falls. Reserving them costs nothing more. Like the kernel's sum, the peak does not
 * count what the kernel keeps for each CPU.
 *
 * Context: socket lock.
 */
#ifndef XTCP_OBSERVE_MEMORY_H
#define XTCP_OBSERVE_MEMORY_H

#include <net/sock.h>

#include "observe/stats.h"

/* The most pages that all sockets together had when one of them returned some. */
extern atomic_t xtcp_memory_peak;

/**
 * xtcp_memory_peak_note - call it before memory of a socket is returned
 * @sk: the socket
 *
 * Any context.
 */
static inline void xtcp_memory_peak_note(const struct sock *sk)
{
	xtcp_peak_raise(&xtcp_memory_peak,
			(int)atomic_long_read(sk->sk_prot->memory_allocated));
}

/**
 * xtcp_memory_reclaim - return the pages that a socket does not use
 * @sk: the socket, locked
 */
static inline void xtcp_memory_reclaim(struct sock *sk)
{
	if (sk->sk_forward_alloc < (int)PAGE_SIZE)
		return;
	xtcp_memory_peak_note(sk);
	sk_mem_reclaim(sk);
}

#endif /* XTCP_OBSERVE_MEMORY_H */
