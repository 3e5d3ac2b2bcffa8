// SPDX-License-Identifier: GPL-2.0
/*
 * ephemeral.c - the order in which ephemeral ports are tried
 *
 * RFC 6056. The range is ip_local_port_range or the socket's own
 * (IP_LOCAL_PORT_RANGE). As in the kernel's TCP, connect() begins with the
 * ports of the parity of the range's first port and bind() to port 0 with the
 * others, so that the two seldom compete.
 *
 * A destination's hash selects a counter, which other destinations may share.
 * An observer of several destinations' ports could learn which of them share a
 * counter and recognize the host by these pairs. So there are many counters,
 * and the hash changes every 10 s and differs between namespaces (isn.c).
 *
 * Context: process. The counters are read and written without a lock, because a
 * lost step does no harm.
 */
#include "port/ephemeral.h"

#include <linux/cache.h>
#include <linux/init.h>
#include <linux/random.h>
#include <net/ip.h>

#include "compat.h"
#include "flow.h"
#include "isn.h"
#include "tcb.h"

/* Counters of the host, as many as in Linux; RFC 6056 3.3.4. */
#define PERTURB_SLOTS	65536	/* power of two */

/* Each connect() without a port writes to it. */
static u32 perturb[PERTURB_SLOTS];

/**
 * xtcp_port_range_init - set the counters to random values
 *
 * Context: module load, before the first socket.
 */
void __init xtcp_port_range_init(void)
{
	get_random_bytes(perturb, sizeof(perturb));
}

/* @where: random number that selects the first port. */
static void range_init(struct xtcp_port_range *range, const struct sock *sk,
		       u32 where, bool odd)
{
	int low, high;

	xtcp_sk_port_range(sk, &low, &high);
	range->low = low;
	range->count = high - low + 1;
	range->start = (where % range->count) & ~1U;
	range->odd = odd;
}

/**
 * xtcp_port_range_bind - begin a search for bind()
 * @range: filled in
 * @sk: socket, locked
 */
void xtcp_port_range_bind(struct xtcp_port_range *range, const struct sock *sk)
{
	xtcp_assert_owned(sk);
	range->counter = NULL;
	range_init(range, sk, get_random_u32(), true);
}

/**
 * xtcp_port_range_connect - begin a search for connect()
 * @range: filled in
 * @sk: socket, locked; its flow has both addresses and the peer's port
 *
 * RFC 6056 3.3.4, algorithm 4: a keyed hash of the peer selects where to begin,
 * and a counter advances it. It advances by a random amount, so that the next port
 * cannot be predicted, and at once: a connect() to the same peer on another CPU would
 * otherwise try the same ports, and wait for the locks of their chains.
 */
void xtcp_port_range_connect(struct xtcp_port_range *range,
			     const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_key key __uninitialized;
	u64 offset;
	u32 count;

	xtcp_assert_owned(sk);
	xtcp_key_from_flow(&key, &xs->flow);
	offset = xtcp_isn_port_offset(sock_net(sk), xs->af, &key);
	range->counter = &perturb[offset & (PERTURB_SLOTS - 1)];
	range->reserved = get_random_u8() % 8 + 1;
	count = READ_ONCE(*range->counter);
	WRITE_ONCE(*range->counter, count + 2 * range->reserved);
	range_init(range, sk, count + (u32)(offset >> 32), false);
}

/**
 * xtcp_port_range_found - let the next search of connect() begin after this
 * port
 * @range: the search
 * @tries: steps that it took
 */
void xtcp_port_range_found(const struct xtcp_port_range *range, u32 tries)
{
	u32 beyond = tries - min(tries, range->reserved);

	if (unlikely(beyond))
		WRITE_ONCE(*range->counter, READ_ONCE(*range->counter) + 2 * beyond);
}
