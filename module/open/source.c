// SPDX-License-Identifier: GPL-2.0
/*
 * source.c - count the half-open connections of each source
 *
 * For xtcp_syn_per_source_limit. A source is a prefix of the peer's address,
 * xtcp_syn_per_source_prefix bits long. A flood can use any number of sources,
 * so none of them may cost memory: all share a count-min sketch. It has two
 * rows of counters, and a keyed hash chooses one of each row for a source. A
 * counter counts the records of all sources that hash to it. The lower of a
 * source's two counters is never below its number of records, and only a
 * little above it while the rows are longer than the SYN queue. An attacker
 * cannot find out which sources share a counter.
 *
 * A record stores the prefix length with which it was counted (0: it was not
 * counted), so that the same counters are decremented even if the knobs have
 * changed since.
 *
 * Context: softirq, no locks; records of a listener that closes leave in process context.
 * xtcp_source_net_prepare(): process.
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
 * xtcp_source_net_prepare - allocate the counters
 * @net: namespace
 *
 * Called at each write of the knob; the first call allocates.
 *
 * Context: process, may sleep.
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
	/*
	 * The knob may have two writers at once. cmpxchg() also orders the
	 * zeroes before the pointer.
	 */
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

/* Each row uses its own half of @hash. */
static atomic_t *source_counter(struct xtcp_sources *sources, u64 hash,
				unsigned int row)
{
	return &sources->count[row][hash >> 32 * row & (SOURCE_COLUMNS - 1)];
}

/**
 * xtcp_source_is_over - has a SYN's source reached its limit
 * @net: namespace
 * @key: connection that the SYN would open
 *
 * Context: softirq.
 * Return: true if it has xtcp_syn_per_source_limit records or more.
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
	hash = xtcp_isn_source(net, af, key, af->addr->source_bits(net));
	for (row = 0; row < SOURCE_ROWS; row++)
		if (atomic_read(source_counter(sources, hash, row)) < limit)
			return false;
	return true;
}

static void source_count(struct net *net, const struct xtcp_flow *flow, int n)
{
	struct xtcp_sources *sources = READ_ONCE(xtcp_net(net)->gate->sources);
	struct xtcp_key key __uninitialized;
	unsigned int row;
	u64 hash;

	xtcp_key_from_flow(&key, flow);
	hash = xtcp_isn_source(net, xtcp_family_get(flow->family), &key,
			       flow->source_bits);
	for (row = 0; row < SOURCE_ROWS; row++)
		atomic_add(n, source_counter(sources, hash, row));
}

/**
 * xtcp_source_add - count a new half-open record
 * @net: namespace
 * @flow: its head, not visible to others yet; gets its @source_bits
 */
void xtcp_source_add(struct net *net, struct xtcp_flow *flow)
{
	flow->source_bits = 0;
	if (!XTCP_KNOB(net, syn_per_source_limit) ||
	    !READ_ONCE(xtcp_net(net)->gate->sources))
		return;
	flow->source_bits = xtcp_family_get(flow->family)->addr->source_bits(net);
	source_count(net, flow, 1);
}

/**
 * xtcp_source_del - stop counting a half-open record
 * @net: namespace
 * @flow: its head; called once for each xtcp_source_add()
 */
void xtcp_source_del(struct net *net, const struct xtcp_flow *flow)
{
	if (flow->source_bits)
		source_count(net, flow, -1);
}
