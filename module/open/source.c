// SPDX-License-Identifier: GPL-2.0
/*
 * source.c - how many half-open connections a source has
 *
 * For xtcp_syn_per_source_limit. A source is an address, or what agrees in the
 * first xtcp_syn_per_source_prefix bits. A flood names as many sources as it
 * likes, so that none of them may cost memory: they share a count-min sketch, two
 * rows of counters, and each source has one in either row, chosen by a keyed
 * hash. Both count all records of all sources that fall on them; the lower of
 * the two is at least what a source has, and little more as long as the rows
 * are longer than the queue. Nobody outside can know who shares a counter
 * with whom.
 *
 * A record remembers under how many bits it was counted (0: not at all), so that
 * it is discounted where it was counted, whatever the knobs say by then.
 *
 * Context: softirq, no locks; preparing in process context.
 */
#include "open/source.h"

#include <linux/atomic.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "flow.h"
#include "isn.h"
#include "net/family.h"
#include "netns.h"
#include "open/gate.h"
#include "tcb.h"

#define SOURCE_ROWS	2
#define SOURCE_COLUMNS	4096U	/* power of two; 32 KiB in all */

struct xtcp_sources {
	atomic_t	count[SOURCE_ROWS][SOURCE_COLUMNS];
};

/**
 * xtcp_source_net_prepare - sources are to be counted
 * @net: namespace
 *
 * Context: process, under the lock of the knob that asks.
 * Return: 0 or -ENOMEM.
 */
int xtcp_source_net_prepare(struct net *net)
{
	struct xtcp_gate *gate = xtcp_net(net)->gate;
	struct xtcp_sources *sources;

	if (READ_ONCE(gate->sources))
		return 0;
	sources = kvzalloc(sizeof(*sources), GFP_KERNEL_ACCOUNT);
	if (!sources)
		return -ENOMEM;
	/* Two writers of the knob; who sees the pointer sees zeroes. */
	if (cmpxchg(&gate->sources, NULL, sources))
		kvfree(sources);
	return 0;
}

/**
 * xtcp_source_net_exit - undo xtcp_source_net_prepare(), if it ever ran
 * @net: namespace; its records are gone
 */
void xtcp_source_net_exit(struct net *net)
{
	kvfree(xtcp_net(net)->gate->sources);
}

/* One hash has bits enough for either row. */
static atomic_t *counter(struct xtcp_sources *sources, u64 hash,
			 unsigned int row)
{
	return &sources->count[row][hash >> 32 * row & (SOURCE_COLUMNS - 1)];
}

/**
 * xtcp_source_is_over - has the source of a SYN as many as it may?
 * @net: namespace
 * @key: connection that it would open
 *
 * Context: softirq.
 */
bool xtcp_source_is_over(struct net *net, const struct xtcp_key *key)
{
	const struct xtcp_family *af = xtcp_family_get(key->family);
	int limit = XTCP_KNOB(net, syn_per_source_limit);
	struct xtcp_sources *sources;
	unsigned int row;
	u64 hash;

	if (!limit)
		return false;
	sources = READ_ONCE(xtcp_net(net)->gate->sources);
	if (!sources)
		return false;
	hash = xtcp_isn_source(net, af, key, af->source_bits(net));
	for (row = 0; row < SOURCE_ROWS; row++)
		if (atomic_read(counter(sources, hash, row)) < limit)
			return false;
	return true;
}

static void count(struct net *net, const struct xtcp_flow *flow, int n)
{
	struct xtcp_sources *sources = READ_ONCE(xtcp_net(net)->gate->sources);
	struct xtcp_key key __uninitialized;
	unsigned int row;
	u64 hash;

	xtcp_key_from_flow(&key, flow);
	hash = xtcp_isn_source(net, xtcp_family_get(flow->family), &key,
			       flow->source_bits);
	for (row = 0; row < SOURCE_ROWS; row++)
		atomic_add(n, counter(sources, hash, row));
}

/**
 * xtcp_source_add - a half-open record is made
 * @net: namespace
 * @flow: its head, not yet to be seen by others; notes how it was counted
 */
void xtcp_source_add(struct net *net, struct xtcp_flow *flow)
{
	flow->source_bits = 0;
	if (!XTCP_KNOB(net, syn_per_source_limit) ||
	    !READ_ONCE(xtcp_net(net)->gate->sources))
		return;
	flow->source_bits = xtcp_family_get(flow->family)->source_bits(net);
	count(net, flow, 1);
}

/**
 * xtcp_source_del - a half-open record ends
 * @net: namespace
 * @flow: its head; called once for each xtcp_source_add()
 */
void xtcp_source_del(struct net *net, const struct xtcp_flow *flow)
{
	if (flow->source_bits)
		count(net, flow, -1);
}
