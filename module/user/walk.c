// SPDX-License-Identifier: GPL-2.0
/*
 * walk.c - walk through all listeners and connections, for /proc and sock_diag
 *
 * The walk visits the flow table bucket by bucket, and holds references to a
 * batch of flows at a time, while connections come and go and the table changes
 * its size.
 *
 * Context: process, may sleep; the caller owns the walk.
 */
#include "user/walk.h"

#include <linux/err.h>
#include <linux/export.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <net/sock.h>

#include "lookup.h"
#include "netns.h"
#include "tcb.h"

/* Buckets visited in one RCU section. */
#define WALK_STEP	64U

enum walk_part { WALK_LISTENERS, WALK_TABLE, WALK_END };

/*
 * Within a bucket flows are ordered by hash and by rank: see xtcp_flow_rank(). Of two that have
 * both in common the addresses decide.
 */
static u64 order_of(u32 hash, const struct xtcp_flow *flow)
{
	return (u64)hash << 32 | lower_32_bits(xtcp_flow_rank(flow));
}

static bool is_behind(const struct xtcp_walk_mark *mark, u64 order,
		      const struct xtcp_flow *flow)
{
	return order != mark->order ? order > mark->order : flow > mark->flow;
}

/* Returns true if the walk has shown the flow in an earlier table. */
static bool was_passed(const struct xtcp_walk *walk,
		       const struct xtcp_key *key, const struct xtcp_flow *flow)
{
	const struct xtcp_walk_mark *old;
	unsigned int i;
	u32 hash, bucket;

	for (i = 0; i < walk->nr_old; i++) {
		old = &walk->old[i];
		hash = xtcp_flow_hash(key, &old->table);
		bucket = hash & (old->table.size - 1);
		if (bucket < old->bucket ||
		    (bucket == old->bucket && !is_behind(old, order_of(hash, flow), flow)))
			return true;
	}
	return false;
}

/*
 * Insert a flow that is behind the mark, in order; flows that don't fit are
 * read again later. Consumes the caller's reference.
 */
static void batch_add(struct xtcp_walk *walk, struct xtcp_flow *flow,
		      u64 order)
{
	struct xtcp_walk_mark here = { .order = order, .flow = flow };
	unsigned int i = walk->nr;

	if (!is_behind(&walk->mark, order, flow))
		goto drop;
	while (i && is_behind(&here, walk->batch[i - 1].order,
			      walk->batch[i - 1].flow))
		i--;
	/* A chain that is read again contains the flow a second time. */
	if (i && walk->batch[i - 1].flow == flow)
		goto drop;
	if (walk->nr == XTCP_WALK_BATCH) {
		walk->full = true;
		if (i == XTCP_WALK_BATCH)
			goto drop;
		xtcp_flow_put(walk->batch[--walk->nr].flow);
	}
	memmove(&walk->batch[i + 1], &walk->batch[i],
		(walk->nr - i) * sizeof(walk->batch[0]));
	walk->batch[i].flow = flow;
	walk->batch[i].order = order;
	walk->nr++;
	return;
drop:
	xtcp_flow_put(flow);
}

/* @flow may have been unhashed and reused, or be in another bucket by now. */
static void batch_add_found(struct xtcp_flow *flow, void *arg)
{
	struct xtcp_walk *walk = arg;
	struct xtcp_key key __uninitialized;
	u64 order;
	u32 hash;

	if (!xtcp_flow_get(flow))
		return;
	xtcp_key_from_flow(&key, flow);
	/* Don't find a flow of the same 4-tuple that is bound to no device. */
	key.bound_only = key.dif != 0;
	hash = xtcp_flow_hash(&key, &walk->mark.table);
	order = order_of(hash, flow);
	/* The flow's own lookup is last: it goes along the chain. */
	if ((hash & (walk->mark.table.size - 1)) == walk->mark.bucket &&
	    is_behind(&walk->mark, order, flow) &&
	    xtcp_flow_is_hashed_rcu(walk->net, flow, &key) &&
	    !was_passed(walk, &key, flow))
		batch_add(walk, flow, order);
	else
		xtcp_flow_put(flow);
}

static void batch_drop(struct xtcp_walk *walk)
{
	while (walk->at < walk->nr)
		xtcp_flow_put(walk->batch[walk->at++].flow);
	walk->nr = 0;
	walk->at = 0;
	walk->full = false;
}

static void next_bucket(struct xtcp_walk *walk)
{
	walk->mark.bucket++;
	walk->mark.order = 0;
	walk->mark.flow = NULL;
}

static void next_part(struct xtcp_walk *walk)
{
	walk->part = walk->part == WALK_LISTENERS && !walk->listeners_only ?
		     WALK_TABLE : WALK_END;
	walk->mark = (struct xtcp_walk_mark){};
}

static void batch_add_listeners(struct xtcp_walk *walk)
{
	struct xtcp_net *xn = xtcp_net(walk->net);
	struct xtcp_flow *flow;
	struct sock *sk;
	u64 order;

	if (!xtcp_net_is_ready(xn)) {
		next_part(walk);
		return;
	}
	rcu_read_lock();
	while (!walk->nr && walk->mark.bucket < XTCP_LISTEN_BUCKETS) {
		sk_for_each_rcu(sk, &xn->listeners[walk->mark.bucket]) {
			flow = &xtcp_sk(sk)->flow;
			order = order_of(0, flow);
			/*
			 * A long chain is walked once for each batch: skip
			 * flows up to the mark.
			 */
			if (is_behind(&walk->mark, order, flow) && xtcp_flow_get(flow))
				batch_add(walk, flow, order);
		}
		if (!walk->nr)
			next_bucket(walk);
	}
	rcu_read_unlock();
	if (!walk->nr)
		next_part(walk);
}

/* The position in the old table tells which flows of the new one were shown. */
static void walk_enter_table(struct xtcp_walk *walk,
			     const struct xtcp_flow_table *table)
{
	if (walk->mark.table.seed == table->seed &&
	    walk->mark.table.size == table->size)
		return;
	if (walk->mark.bucket || walk->mark.flow) {
		if (walk->nr_old == XTCP_WALK_TABLES)
			memmove(&walk->old[0], &walk->old[1],
				--walk->nr_old * sizeof(walk->old[0]));
		walk->old[walk->nr_old++] = walk->mark;
	}
	walk->mark = (struct xtcp_walk_mark){ .table = *table };
}

/*
 * While flows move to a new table, some are in it and others are not yet.
 * Returns false then; the caller waits for the end of the move.
 */
static bool batch_add_buckets(struct xtcp_walk *walk)
{
	struct xtcp_flow_table table;
	unsigned int i;

	if (!xtcp_flow_table_rcu(walk->net, &table))
		return false;
	walk_enter_table(walk, &table);
	for (i = 0; i < WALK_STEP && walk->mark.bucket < table.size; i++) {
		if (!xtcp_flow_visit_rcu(walk->net, &table, walk->mark.bucket,
					 batch_add_found, walk)) {
			batch_drop(walk);
			return false;
		}
		if (walk->nr)
			return true;
		next_bucket(walk);
	}
	if (walk->mark.bucket == table.size)
		next_part(walk);
	return true;
}

static int await_table(struct xtcp_walk *walk)
{
	xtcp_flow_await_table(walk->net);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static int batch_fill(struct xtcp_walk *walk)
{
	bool settled;

	if (walk->nr && !walk->full)
		next_bucket(walk);
	batch_drop(walk);
	if (walk->part == WALK_LISTENERS) {
		batch_add_listeners(walk);
		cond_resched();
		return fatal_signal_pending(current) ? -EINTR : 0;
	}
	rcu_read_lock();
	settled = batch_add_buckets(walk);
	rcu_read_unlock();
	cond_resched();
	if (!settled)
		return await_table(walk);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/**
 * xtcp_walk_begin - walk through all listeners and connections
 * @walk: to be filled; holds no references yet
 * @net: namespace
 * @listeners_only: leave out connections
 *
 * Context: process.
 */
void xtcp_walk_begin(struct xtcp_walk *walk, struct net *net,
		     bool listeners_only)
{
	memset(walk, 0, sizeof(*walk));
	walk->net = net;
	walk->listeners_only = listeners_only;
	walk->part = WALK_LISTENERS;
}
EXPORT_SYMBOL_GPL(xtcp_walk_begin);

/**
 * xtcp_walk_current - the flow at which the walk is
 * @walk: begun
 *
 * Listeners come first. A flow that exists the whole time is returned exactly
 * once; a flow that is added or removed meanwhile, at most once. That also
 * holds if the table is resized, up to XTCP_WALK_TABLES times; after more, some
 * flows are returned again.
 *
 * Context: process, may sleep.
 * Return: the flow, referenced until the walk goes on or pauses; NULL at the
 * end; or -EINTR as an ERR_PTR(), and the walk can go on later.
 */
struct xtcp_flow *xtcp_walk_current(struct xtcp_walk *walk)
{
	int err;

	while (walk->at == walk->nr) {
		if (walk->part == WALK_END)
			return NULL;
		err = batch_fill(walk);
		if (err)
			return ERR_PTR(err);
	}
	return walk->batch[walk->at].flow;
}
EXPORT_SYMBOL_GPL(xtcp_walk_current);

/**
 * xtcp_walk_next - go on to the next flow
 * @walk: at a flow, without a pause since
 *
 * Context: process, may sleep.
 * Return: as xtcp_walk_current().
 */
struct xtcp_flow *xtcp_walk_next(struct xtcp_walk *walk)
{
	struct xtcp_flow *flow = walk->batch[walk->at].flow;

	walk->mark.order = walk->batch[walk->at].order;
	walk->mark.flow = flow;
	walk->at++;
	xtcp_flow_put(flow);
	return xtcp_walk_current(walk);
}
EXPORT_SYMBOL_GPL(xtcp_walk_next);

/**
 * xtcp_walk_pause - hold no references until the walk goes on
 * @walk: begun; xtcp_walk_current() continues it at the same flow or, if that
 *	was unhashed, behind it
 *
 * Context: process.
 */
void xtcp_walk_pause(struct xtcp_walk *walk)
{
	batch_drop(walk);
}
EXPORT_SYMBOL_GPL(xtcp_walk_pause);
