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
 *    xtcp_flow_visit_rcu(), is done here.
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

/* --- looking at all of them ------------------------------------------------- */

/**
 * xtcp_flow_hash - where a connection stands
 * @key: the connection
 * @table: of its namespace
 *
 * Return: 32 bits; the lowest are the bucket's number.
 */
u32 xtcp_flow_hash(const struct xtcp_key *key,
		   const struct xtcp_flow_table *table)
{
	return key_hash(key, 0, table->seed);
}

/**
 * xtcp_flow_is_hashed_rcu - does the table still have a flow
 * @net: namespace
 * @flow: referenced by the caller
 * @key: its connection
 *
 * Context: rcu_read_lock().
 * Return: false if it has left, or become another connection's.
 */
bool xtcp_flow_is_hashed_rcu(struct net *net, const struct xtcp_flow *flow,
			     const struct xtcp_key *key)
{
	return may_be_in_table(flow) && flow_is_still(net, flow, key);
}

/**
 * xtcp_flow_table_rcu - the table of a namespace
 * @net: namespace
 * @table: filled
 *
 * Context: rcu_read_lock().
 * Return: false while flows move to a table of another size: some stand in it
 * and some do not yet. xtcp_flow_await_table() waits until they have.
 */
bool xtcp_flow_table_rcu(struct net *net, struct xtcp_flow_table *table)
{
	struct rhashtable *flows = &xtcp_net_rcu(net)->flows;
	struct bucket_table *tbl = rht_dereference_rcu(flows->tbl, flows);

	if (rcu_access_pointer(tbl->future_tbl))
		return false;
	table->seed = tbl->hash_rnd;
	table->size = tbl->size;
	return true;
}

/**
 * xtcp_flow_visit_rcu - look at each flow of a bucket
 * @net: namespace
 * @table: from xtcp_flow_table_rcu()
 * @bucket: less than @table->size
 * @visit: called for each; it has no reference, may be on its way out, and may
 *	come twice
 * @arg: for @visit
 *
 * Context: rcu_read_lock().
 * Return: false if @table is not the namespace's any more, or ceased to be
 * meanwhile: flows of the bucket may have been missed.
 */
bool xtcp_flow_visit_rcu(struct net *net, const struct xtcp_flow_table *table,
			 u32 bucket,
			 void (*visit)(struct xtcp_flow *flow, void *arg),
			 void *arg)
{
	struct rhashtable *flows = &xtcp_net_rcu(net)->flows;
	struct bucket_table *tbl = rht_dereference_rcu(flows->tbl, flows);
	struct rhash_lock_head __rcu *const *head;
	struct rhash_head *pos;

	if (tbl->hash_rnd != table->seed || tbl->size != table->size)
		return false;
	head = rht_bucket(tbl, bucket);
	/* A chain that moves while it is read is read again. */
	do {
		for (pos = rht_ptr_rcu(head); pos && !rht_is_a_nulls(pos);
		     pos = next_rcu(pos))
			visit(container_of(pos, struct xtcp_flow, node), arg);
	} while (unlikely(!is_end_of(pos, head)));
	/* Who saw one that had moved sees the table that it moved to. */
	smp_rmb();
	return !rcu_access_pointer(tbl->future_tbl);
}

/**
 * xtcp_flow_await_table - wait until the flows are in the new table
 * @net: namespace
 *
 * Before the work begins that moves them, for a tick.
 *
 * Context: process, may sleep.
 */
void xtcp_flow_await_table(struct net *net)
{
	if (!flush_work(&xtcp_net(net)->flows.run_work))
		schedule_timeout_killable(1);
}
