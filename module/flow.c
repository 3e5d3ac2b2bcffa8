// SPDX-License-Identifier: GPL-2.0
/*
 * flow.c - the one lookup table of connections
 *
 * RFC 9293 3.3.1: a connection is found by its pair of sockets. All of a
 * netns stand in one rhashtable, whatever life they are in; readers walk it
 * under RCU and take a reference, writers hold rhashtable's bucket lock.
 *
 * Birth and death of a flow
 *  - The table holds one reference to a record. To a socket it holds none:
 *    a socket leaves the table before its last reference goes
 *    (xtcp_close_destroy()).
 *  - The memory of a socket, or a record, may be another's of its kind at once
 *    (SLAB_TYPESAFE_BY_RCU), for a grace period would cost a short connection
 *    more than its routes do. So a reader looks twice: once it has a reference,
 *    whether the socket is still the one that it looked for, or the record the
 *    one that the table has. And it may be standing on one that leaves, and may
 *    enter another chain: each chain ends in a mark of its own, by which the
 *    reader sees that, and begins its chain again. A socket that is in no table
 *    has no next flow, for new ones have none. rhashtable's own readers would
 *    follow it; so what is done without a bucket lock, xtcp_flow_find_rcu() and
 *    the walk through the table, is done here.
 *  - Kernels before 6.12 free records a grace period after their last reference
 *    has gone (compat.h), so that a record that is found is that one.
 *  - xtcp_flow_remove() and xtcp_flow_replace() succeed once for a flow. Who
 *    wins owns its end: it reports the event and drops the table's reference.
 *
 * Listeners have no 4-tuple: lookup.c.
 *
 * Context: lookups in softirq or process context; writers with softirqs
 * allowed or not, rhashtable sees to that.
 */
#include "flow.h"

#include <linux/mm.h>
#include <linux/rhashtable.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "compat.h"
#include "net/device.h"
#include "net/family.h"
#include "netns.h"
#include "tcb.h"

/* Of the flow hash; drawn at load. */
static u64 hash_secrets[5] __read_mostly;

/*
 * Multiply-shift over vectors (Dietzfelbinger): by secret numbers of 64 bits,
 * of the sum the upper half. Two identities that somebody chose without knowing
 * these are equal as often as two random numbers, which a table needs, and no
 * more is asked of it; and it takes a third of what a mixing hash takes.
 *
 * Ports that follow each other give sums that do, and of these the table takes
 * bits from the middle: one multiplier in a thousand would put many into one
 * chain. So the sum is folded and multiplied once more. Should a chain get long
 * nevertheless, rhashtable draws another seed: that has to be part of the
 * multipliers, for one added to the sum would move all chains and part none.
 */
static __always_inline u32 identity_hash(__be32 laddr, __be32 raddr, u32 ports,
					 u8 wire, u32 seed)
{
	u64 more = (u64)seed << 16;
	u64 sum = hash_secrets[0] * (__force u32)laddr +
		  (hash_secrets[1] + more) * (__force u32)raddr +
		  (hash_secrets[2] + more) * ports + hash_secrets[3] * wire;

	sum ^= sum >> 32;
	return (sum * (hash_secrets[4] | 1)) >> 32;
}

static u32 flow_hash(const void *data, u32 len, u32 seed)
{
	const struct xtcp_flow *flow = data;

	return identity_hash(flow->laddr, flow->raddr, flow->ports, flow->wire,
			     seed);
}

static inline u32 key_hash(const void *data, u32 len, u32 seed)
{
	const struct xtcp_key *key = data;

	return identity_hash(key->laddr, key->raddr, key->ports, key->wire,
			     seed);
}

/* Of records, by kind. */
static const struct xtcp_flow_ops *kind_ops[XTCP_KINDS] __ro_after_init;

/**
 * xtcp_flow_register - the owner of a kind of record tells how it ends
 * @kind: of record; a socket is freed by the kernel
 * @ops: kept
 */
void __init xtcp_flow_register(enum xtcp_kind kind,
			       const struct xtcp_flow_ops *ops)
{
	kind_ops[kind] = ops;
}

/**
 * xtcp_flow_init_hash - draw the secrets; at load, before the first table
 */
void __init xtcp_flow_init_hash(void)
{
	get_random_bytes(hash_secrets, sizeof(hash_secrets));
}

static int flow_differs(struct rhashtable_compare_arg *arg, const void *obj)
{
	return !xtcp_flow_matches(obj, arg->key);
}

static const struct rhashtable_params flow_params = {
	.nelem_hint		= 1024,
	.key_len		= sizeof(struct xtcp_key),
	.head_offset		= offsetof(struct xtcp_flow, node),
	.hashfn			= key_hash,
	.obj_hashfn		= flow_hash,
	.obj_cmpfn		= flow_differs,
	.automatic_shrinking	= true,
};

/**
 * xtcp_flow_net_init - flow table of a namespace
 * @net: namespace
 *
 * Return: 0 or -ENOMEM.
 */
int xtcp_flow_net_init(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	return rhashtable_init(&xn->flows, &flow_params);
}

/**
 * xtcp_flow_net_exit - undo xtcp_flow_net_init()
 * @net: namespace; its sockets and records are gone
 */
void xtcp_flow_net_exit(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	WARN_ON_ONCE(atomic_read(&xn->flows.nelems));
	rhashtable_destroy(&xn->flows);
}

/**
 * xtcp_flow_put - drop a reference
 * @flow: not to be touched afterwards
 */
void xtcp_flow_put(struct xtcp_flow *flow)
{
	if (flow->kind == XTCP_KIND_SOCKET)
		sock_put(xtcp_flow_sk(flow));
	else if (refcount_dec_and_test(&flow->ref))
		kind_ops[flow->kind]->free(flow);
}

/*
 * The one behind a flow, or the end of the chain; NULL: the flow has left, and
 * may have been another one since.
 */
static struct rhash_head *next_rcu(const struct rhash_head *node)
{
	return rcu_dereference(node->next);
}

/* A chain ends in a mark that only it has: the end of another may be met. */
static bool is_end_of(const struct rhash_head *pos,
		      struct rhash_lock_head __rcu *const *bucket)
{
	return pos == RHT_NULLS_MARKER(bucket);
}

static __always_inline struct xtcp_flow *
chain_find(struct rhash_lock_head __rcu *const *bucket,
	   const struct xtcp_key *key)
{
	struct xtcp_flow *flow;
	struct rhash_head *pos;

	do {
		for (pos = rht_ptr_rcu(bucket); pos && !rht_is_a_nulls(pos);
		     pos = next_rcu(pos)) {
			flow = container_of(pos, struct xtcp_flow, node);
			if (xtcp_flow_matches(flow, key))
				return flow;
		}
	} while (unlikely(!is_end_of(pos, bucket)));
	return NULL;
}

static __always_inline struct xtcp_flow *
flow_find(struct net *net, const struct xtcp_key *key)
{
	struct rhashtable *flows = &xtcp_net_rcu(net)->flows;
	struct xtcp_flow *flow;
	struct bucket_table *tbl;
	u32 hash;

	tbl = rht_dereference_rcu(flows->tbl, flows);
	do {
		hash = key_hash(key, 0, tbl->hash_rnd);
		flow = chain_find(rht_bucket(tbl, rht_bucket_index(tbl, hash)),
				  key);
		if (flow)
			return flow;
		/* Who was moved to a new table before we came is found there. */
		smp_rmb();
		tbl = rht_dereference_rcu(tbl->future_tbl, flows);
	} while (unlikely(tbl));
	return NULL;
}

/**
 * xtcp_flow_find_rcu - find a connection, if only to look at it
 * @net: namespace
 * @key: whose
 *
 * Context: rcu_read_lock(), which keeps it a flow; no reference is taken.
 * Return: the flow, which may be on its way out, and if a socket then even
 * another one's by now; or NULL.
 */
struct xtcp_flow *xtcp_flow_find_rcu(struct net *net,
				     const struct xtcp_key *key)
{
	return flow_find(net, key);
}

/*
 * A socket that is in the table has a next flow, or the end of its chain. It
 * comes and goes under its own lock, so that the answer is final for who has
 * that. Of a record nothing is said: where it comes back (a time-wait record
 * whose next incarnation came to nothing), another CPU brings it.
 */
static bool may_be_in_table(const struct xtcp_flow *flow)
{
	return flow->kind != XTCP_KIND_SOCKET ||
	       rcu_access_pointer(flow->node.next);
}

static void has_left(struct xtcp_flow *flow)
{
	if (flow->kind == XTCP_KIND_SOCKET)
		RCU_INIT_POINTER(flow->node.next, NULL);
}

/*
 * Has the table that record? Who has a reference keeps it from being another
 * one, but not from having become it before.
 */
static noinline bool record_is_still(struct net *net,
				     const struct xtcp_flow *flow,
				     const struct xtcp_key *key)
{
	return flow_find(net, key) == flow;
}

/* Is @flow, referenced since it was found by @key, still what it was? */
static __always_inline bool flow_is_still(struct net *net,
					  const struct xtcp_flow *flow,
					  const struct xtcp_key *key)
{
	return flow->kind == XTCP_KIND_SOCKET ?
	       likely(xtcp_flow_is_still(net, flow, key)) :
	       record_is_still(net, flow, key);
}

/* @sockets: a record is nothing to the caller. */
static __always_inline struct xtcp_flow *
flow_lookup(struct net *net, const struct xtcp_key *key, bool sockets)
{
	struct xtcp_flow *flow;

	for (;;) {
		flow = flow_find(net, key);
		if (!flow || (sockets && flow->kind != XTCP_KIND_SOCKET))
			return NULL;
		/* One on its way out may have a successor: look again. */
		if (!xtcp_flow_get(flow))
			continue;
		if (flow_is_still(net, flow, key))
			return flow;
		xtcp_flow_put(flow);
	}
}

/**
 * xtcp_flow_lookup_rcu - find a connection, to do something with it
 * @net: namespace
 * @key: whose
 *
 * Context: rcu_read_lock().
 * Return: the flow with a reference for the caller, or NULL.
 */
struct xtcp_flow *xtcp_flow_lookup_rcu(struct net *net,
				       const struct xtcp_key *key)
{
	return flow_lookup(net, key, false);
}

/**
 * xtcp_flow_lookup_sk_rcu - find a connection that is a socket
 * @net: namespace
 * @key: whose
 *
 * Context: rcu_read_lock().
 * Return: the socket with a reference for the caller; NULL if there is none, or
 * only a record
 */
struct sock *xtcp_flow_lookup_sk_rcu(struct net *net,
				     const struct xtcp_key *key)
{
	struct xtcp_flow *flow = flow_lookup(net, key, true);

	return flow ? xtcp_flow_sk(flow) : NULL;
}

/**
 * xtcp_flow_lookup - find a connection
 * @net: namespace
 * @key: whose
 *
 * Context: any.
 * Return: the flow with a reference for the caller, or NULL.
 */
struct xtcp_flow *xtcp_flow_lookup(struct net *net, const struct xtcp_key *key)
{
	struct xtcp_flow *flow;

	rcu_read_lock();
	flow = xtcp_flow_lookup_rcu(net, key);
	rcu_read_unlock();
	return flow;
}

/* Who was in the way, with a reference; NULL: it has gone since. */
static struct xtcp_flow *clash_get(struct net *net, struct xtcp_flow *flow,
				   const struct xtcp_key *key)
{
	if (!xtcp_flow_get(flow))
		return NULL;
	if (flow_is_still(net, flow, key))
		return flow;
	xtcp_flow_put(flow);
	return NULL;
}

/**
 * xtcp_flow_insert - make a new connection visible
 * @net: namespace
 * @flow: with its references counted; a record's table reference passes to
 *	the table on success
 * @clash: set on -EEXIST, when not NULL: who holds the 4-tuple, referenced;
 *	NULL if that one has just gone
 *
 * Return: 0; -EEXIST; -ENOMEM, which is also said while a table with a chain too
 * long is made anew
 */
int xtcp_flow_insert(struct net *net, struct xtcp_flow *flow,
		     struct xtcp_flow **clash)
{
	struct xtcp_flow *old;
	struct xtcp_key key __uninitialized;
	int err = 0;

	xtcp_key_from_flow(&key, flow);
	if (unlikely(key.dif))
		xtcp_key_is_bound(&key, net, key.dif);
	rcu_read_lock();
	old = rhashtable_lookup_get_insert_key(&xtcp_net_rcu(net)->flows, &key,
					       &flow->node, flow_params);
	if (IS_ERR(old)) {
		err = -ENOMEM;
	} else if (old) {
		err = -EEXIST;
		if (clash)
			*clash = clash_get(net, old, &key);
	}
	rcu_read_unlock();
	return err;
}

/**
 * xtcp_flow_remove - take a connection out of the table
 * @net: namespace
 * @flow: referenced by the caller
 *
 * Return: true for the one caller that did it. A record's table reference is
 * then the caller's.
 */
bool xtcp_flow_remove(struct net *net, struct xtcp_flow *flow)
{
	if (!may_be_in_table(flow) ||
	    rhashtable_remove_fast(&xtcp_net(net)->flows, &flow->node,
				   flow_params))
		return false;
	has_left(flow);
	return true;
}

/**
 * xtcp_flow_replace - a connection goes on in another body
 * @net: namespace
 * @old: in the table, referenced by the caller
 * @new: same 4-tuple and wire, in no table
 *
 * No lookup in between finds neither or both.
 *
 * Return: true for the one caller that did it, as in xtcp_flow_remove().
 */
bool xtcp_flow_replace(struct net *net, struct xtcp_flow *old,
		       struct xtcp_flow *new)
{
	if (!may_be_in_table(old) ||
	    rhashtable_replace_fast(&xtcp_net(net)->flows, &old->node,
				    &new->node, flow_params))
		return false;
	has_left(old);
	return true;
}

/* --- walking through all of them ------------------------------------------- */

/* Buckets that are looked at in one RCU section. */
#define WALK_STEP	64U

enum walk_part { WALK_LISTENERS, WALK_TABLE, WALK_END };

/* Within a bucket flows stand by hash, those of one hash by address. */
static bool is_behind(const struct xtcp_flow_mark *mark, u32 hash,
		      const struct xtcp_flow *flow)
{
	return hash != mark->hash ? hash > mark->hash : flow > mark->flow;
}

/* Of a connection that is in the table now: was it there before, and passed? */
static bool was_passed(const struct xtcp_flow_walk *walk,
		       const struct xtcp_key *key, const struct xtcp_flow *flow)
{
	const struct xtcp_flow_mark *old;
	unsigned int i;
	u32 hash, bucket;

	for (i = 0; i < walk->nr_old; i++) {
		old = &walk->old[i];
		hash = key_hash(key, 0, old->seed);
		bucket = hash & (old->size - 1);	/* rht_bucket_index() */
		if (bucket < old->bucket ||
		    (bucket == old->bucket && !is_behind(old, hash, flow)))
			return true;
	}
	return false;
}

/*
 * The first ones behind the mark, in order; what has no room comes again. Takes the
 * caller's reference.
 */
static void batch_add(struct xtcp_flow_walk *walk, struct xtcp_flow *flow,
		      u32 hash)
{
	struct xtcp_flow_mark here = { .hash = hash, .flow = flow };
	unsigned int i = walk->nr;

	if (!is_behind(&walk->mark, hash, flow))
		goto drop;
	while (i && is_behind(&here, walk->batch[i - 1].hash,
			      walk->batch[i - 1].flow))
		i--;
	/* A chain that is read again has it once more. */
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
	walk->batch[i].hash = hash;
	walk->nr++;
	return;
drop:
	xtcp_flow_put(flow);
}

/* It may have left, and be another's by now, or stand in another bucket. */
static void batch_add_found(struct xtcp_flow_walk *walk, struct xtcp_flow *flow)
{
	struct xtcp_key key __uninitialized;
	u32 hash;

	if (!xtcp_flow_get(flow))
		return;
	xtcp_key_from_flow(&key, flow);
	/* Not one with the same ends that is bound to no device. */
	key.bound_only = key.dif != 0;
	hash = key_hash(&key, 0, walk->mark.seed);
	if ((hash & (walk->mark.size - 1)) == walk->mark.bucket &&
	    may_be_in_table(flow) && flow_is_still(walk->net, flow, &key) &&
	    !was_passed(walk, &key, flow))
		batch_add(walk, flow, hash);
	else
		xtcp_flow_put(flow);
}

/* A chain that moves while it is read is read again. */
static void batch_add_chain(struct xtcp_flow_walk *walk,
			    struct rhash_lock_head __rcu *const *bucket)
{
	struct rhash_head *pos;

	do {
		for (pos = rht_ptr_rcu(bucket); pos && !rht_is_a_nulls(pos);
		     pos = next_rcu(pos))
			batch_add_found(walk, container_of(pos, struct xtcp_flow,
							   node));
	} while (unlikely(!is_end_of(pos, bucket)));
}

static void batch_drop(struct xtcp_flow_walk *walk)
{
	while (walk->at < walk->nr)
		xtcp_flow_put(walk->batch[walk->at++].flow);
	walk->nr = 0;
	walk->at = 0;
	walk->full = false;
}

static void next_bucket(struct xtcp_flow_walk *walk)
{
	walk->mark.bucket++;
	walk->mark.hash = 0;
	walk->mark.flow = NULL;
}

static void next_part(struct xtcp_flow_walk *walk)
{
	walk->part = walk->part == WALK_LISTENERS && !walk->listeners_only ?
		     WALK_TABLE : WALK_END;
	walk->mark = (struct xtcp_flow_mark){};
}

static void batch_add_listeners(struct xtcp_flow_walk *walk)
{
	struct xtcp_net *xn = xtcp_net(walk->net);
	struct sock *sk;

	rcu_read_lock();
	while (!walk->nr && walk->mark.bucket < XTCP_LISTEN_BUCKETS) {
		sk_for_each_rcu(sk, &xn->listeners[walk->mark.bucket])
			if (xtcp_flow_get(&xtcp_sk(sk)->flow))
				batch_add(walk, &xtcp_sk(sk)->flow, 0);
		if (!walk->nr)
			next_bucket(walk);
	}
	rcu_read_unlock();
	if (!walk->nr)
		next_part(walk);
}

/* How far the one table was walked says whom not to show again from the next. */
static void enter_table(struct xtcp_flow_walk *walk,
			const struct bucket_table *tbl)
{
	if (walk->mark.seed == tbl->hash_rnd && walk->mark.size == tbl->size)
		return;
	if (walk->mark.bucket || walk->mark.flow) {
		if (walk->nr_old == XTCP_WALK_TABLES)
			memmove(&walk->old[0], &walk->old[1],
				--walk->nr_old * sizeof(walk->old[0]));
		walk->old[walk->nr_old++] = walk->mark;
	}
	walk->mark = (struct xtcp_flow_mark){
		.seed = tbl->hash_rnd, .size = tbl->size,
	};
}

/*
 * While flows are on their way to a new table, some stand in it and some do not yet:
 * such a time passes by itself. Return: false then.
 */
static bool batch_add_buckets(struct xtcp_flow_walk *walk)
{
	struct rhashtable *flows = &xtcp_net_rcu(walk->net)->flows;
	struct bucket_table *tbl = rht_dereference_rcu(flows->tbl, flows);
	unsigned int i;

	if (rcu_access_pointer(tbl->future_tbl))
		return false;
	enter_table(walk, tbl);
	for (i = 0; i < WALK_STEP && walk->mark.bucket < tbl->size; i++) {
		batch_add_chain(walk, rht_bucket(tbl, walk->mark.bucket));
		/* Who saw one that had moved sees the table that it moved to. */
		smp_rmb();
		if (rcu_access_pointer(tbl->future_tbl)) {
			batch_drop(walk);
			return false;
		}
		if (walk->nr)
			return true;
		next_bucket(walk);
	}
	if (walk->mark.bucket == tbl->size)
		next_part(walk);
	return true;
}

/* Until the flows are in the new table; before the work begins, a tick. */
static int await_table(struct xtcp_flow_walk *walk)
{
	if (!flush_work(&xtcp_net(walk->net)->flows.run_work))
		schedule_timeout_killable(1);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static int batch_fill(struct xtcp_flow_walk *walk)
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
	return settled ? 0 : await_table(walk);
}

/**
 * xtcp_flow_walk_begin - walk through all listeners and connections
 * @walk: to be filled; holds no references yet
 * @net: namespace
 * @listeners_only: leave out connections
 */
void xtcp_flow_walk_begin(struct xtcp_flow_walk *walk, struct net *net,
			  bool listeners_only)
{
	memset(walk, 0, sizeof(*walk));
	walk->net = net;
	walk->listeners_only = listeners_only;
	walk->part = WALK_LISTENERS;
}

/**
 * xtcp_flow_walk_current - the one at which the walk has arrived
 * @walk: begun
 *
 * Listeners come first. One that stays the whole time comes exactly once; one that
 * comes or goes meanwhile, at most once. That holds as well if the table is made
 * anew, up to XTCP_WALK_TABLES times; after more, some come again.
 *
 * Context: process, may sleep.
 * Return: the flow, referenced until the walk goes on or pauses; NULL at the end;
 * or -EINTR as an ERR_PTR(), and the walk can go on later.
 */
struct xtcp_flow *xtcp_flow_walk_current(struct xtcp_flow_walk *walk)
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

/**
 * xtcp_flow_walk_next - go on to the next one
 * @walk: arrived at one, with no pause since
 *
 * Context: process, may sleep.
 * Return: as xtcp_flow_walk_current().
 */
struct xtcp_flow *xtcp_flow_walk_next(struct xtcp_flow_walk *walk)
{
	struct xtcp_flow *flow = walk->batch[walk->at].flow;

	walk->mark.hash = walk->batch[walk->at].hash;
	walk->mark.flow = flow;
	walk->at++;
	xtcp_flow_put(flow);
	return xtcp_flow_walk_current(walk);
}

/**
 * xtcp_flow_walk_pause - hold no references until the walk goes on
 * @walk: begun; it goes on with xtcp_flow_walk_current(), at the same one or, if that
 *	has left, behind it
 */
void xtcp_flow_walk_pause(struct xtcp_flow_walk *walk)
{
	batch_drop(walk);
}
