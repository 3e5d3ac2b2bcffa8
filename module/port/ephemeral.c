// SPDX-License-Identifier: GPL-2.0
/*
 * ephemeral.c - which port is tried next, when none was asked for
 *
 * RFC 6056. The range is ip_local_port_range's or the socket's own
 * (IP_LOCAL_PORT_RANGE). Stock's parity is kept: connect() begins with ports of
 * the range's first parity, bind() to port 0 with the others, so that they
 * seldom meet.
 *
 * A destination has a counter by its hash, and others may have the same one.
 * Whoever sees several destinations' ports can tell which ones share a counter,
 * and these pairs would name the machine: so there are many counters, and the
 * hash is another one every 10 s and in each namespace (isn.c).
 *
 * Process context. The counters are read and written without a lock, because a
 * lost step does no harm.
 */
#include "port/ephemeral.h"

#include <linux/cache.h>
#include <linux/init.h>
#include <linux/random.h>
#include <net/ip.h>

#include "flow.h"
#include "isn.h"
#include "tcb.h"

static u32 perturb[XTCP_PERTURB_SLOTS] __read_mostly;

/**
 * xtcp_port_range_init - set the counters at random
 *
 * Context: at load, before the first socket.
 */
void __init xtcp_port_range_init(void)
{
	get_random_bytes(perturb, sizeof(perturb));
}

/* @where: any number, evenly spread. */
static void range_init(struct xtcp_port_range *range, const struct sock *sk,
		       u32 where, bool odd)
{
	int low, high;

	inet_sk_get_local_port_range(sk, &low, &high);
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
	range->counter = NULL;
	range_init(range, sk, get_random_u32(), true);
}

/**
 * xtcp_port_range_connect - begin a search for connect()
 * @range: filled in
 * @sk: socket, locked; its flow names both addresses and the peer's port
 *
 * RFC 6056 3.3.4, algorithm 4: the keyed hash gives each peer a place of its
 * own to begin at, and a counter moves it on.
 */
void xtcp_port_range_connect(struct xtcp_port_range *range,
			     const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_key key __uninitialized;
	u64 offset;

	xtcp_key_from_flow(&key, &xs->flow);
	offset = xtcp_isn_port_offset(sock_net(sk), xs->af, &key);
	range->counter = &perturb[offset & (XTCP_PERTURB_SLOTS - 1)];
	range_init(range, sk,
		   READ_ONCE(*range->counter) + (u32)(offset >> 32), false);
}

/**
 * xtcp_port_range_nth - a port to try
 * @range: where
 * @i: which; those below @range->count + 1 name each port at least once
 *
 * Return: the port.
 */
u16 xtcp_port_range_nth(const struct xtcp_port_range *range, u32 i)
{
	u32 half = (range->count + 1) / 2;
	bool second = i >= half;
	u32 step = second ? i - half : i;

	return range->low + (range->start + 2 * step +
			     (range->odd ^ second)) % range->count;
}

/**
 * xtcp_port_range_found - the next search of connect() begins behind this one
 * @range: where a port was found
 * @tries: after how many
 *
 * A random step now and then keeps the next port from being known.
 */
void xtcp_port_range_found(const struct xtcp_port_range *range, u32 tries)
{
	u32 step = max_t(u32, tries, get_random_u8() % 8 + 1);

	WRITE_ONCE(*range->counter, READ_ONCE(*range->counter) + 2 * step);
}
