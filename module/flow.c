// SPDX-License-Identifier: GPL-2.0
/*
 * flow.c - the flow table: find a connection by its 4-tuple
 *
 * RFC 9293 3.3.1: a connection is identified by its pair of sockets. All flows of
 * a namespace are in one rhashtable, whatever their kind. Readers walk it under
 * RCU and take a reference; writers hold rhashtable's bucket lock.
 *
 * Lifetime of a flow
 *  - The table holds one reference to a record and none to a socket. A socket is
 *    unhashed before its last reference is dropped: by xtcp_close_done(), or when a
 *    TIME-WAIT or FIN-WAIT-2 record replaces it.
 *  - The memory of a socket or record may be reused at once for another one of
 *    the same kind (SLAB_TYPESAFE_BY_RCU): a grace period would cost a short
 *    connection more than its routing does. So after taking a reference a reader
 *    checks that the socket still matches, or that the table still has the
 *    record. Also, the entry that a reader is at may be unhashed and added to
 *    another chain. Each chain ends in its own nulls marker, by which the reader
 *    notices that and starts again. If the entry comes back into the same chain, in
 *    the place of a flow that it replaces, the reader goes on from there, and misses
 *    the flows between. So a reader that finds nothing checks that nothing was
 *    replaced meanwhile (flow_find_surely()). An unhashed socket's next pointer is NULL,
 *    like that of a new one. rhashtable's own readers would dereference it; so
 *    reading without a bucket lock is done here: xtcp_flow_find_rcu() and
 *    xtcp_flow_visit_rcu().
 *  - On kernels before 6.12 records are freed a grace period after their last
 *    reference is dropped (compat.h), so their memory is not reused under RCU.
 *  - xtcp_flow_remove() and xtcp_flow_replace() succeed once for a flow. The
 *    caller for which they do reports the event and drops the table's reference.
 *
 * Listeners have no 4-tuple: lookup.c.
 *
 * Context: lookups in softirq or process context; writers in either, rhashtable
 * disables softirqs.
 */
#include "flow.h"

#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/rhashtable.h>
#include <linux/siphash.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "compat.h"
#include "delayline.h"
#include "net/device.h"
#include "net/family.h"
#include "netns.h"
#include "tcb.h"

/* Random multipliers of the hash, drawn when the module is loaded. */
static u64 hash_secrets[5] __ro_after_init;

/*
 * Multiply-shift over vectors (Dietzfelbinger): multiply by secret 64-bit numbers
 * and use the upper half of the sum. Two keys chosen without knowing the secrets
 * collide as often as two random numbers. A hash table needs no more, and it
 * takes a third of the instructions of a mixing hash.
 *
 * Consecutive ports give sums in arithmetic progression, and the table uses bits
 * from their middle: with one multiplier in a thousand, many would share a chain.
 * So the sum is folded and multiplied once more. If a chain gets long nevertheless,
 * rhashtable draws a new seed. The seed is part of the multipliers, because a seed
 * added to the sum would move whole chains without dividing them. No seed divides
 * flows that differ by their device only, or by IPv6 addresses with one digest; ALIKE_MAX limits
 * their number.
 */
static __always_inline u32 flow_identity_hash(__be32 laddr, __be32 raddr, u32 ports,
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

	return flow_identity_hash(flow->laddr, flow->raddr, flow->ports, flow->wire,
				  seed);
}

static inline u32 flow_key_hash(const void *data, u32 len, u32 seed)
{
	const struct xtcp_key *key = data;

	return flow_identity_hash(key->laddr, key->raddr, key->ports, key->wire,
				  seed);
}

/* Operations of records, by kind. */
static const struct xtcp_flow_ops *kind_ops[XTCP_KINDS] __ro_after_init;

/**
 * xtcp_flow_register - set the operations of a kind of record
 * @kind: kind of record; not XTCP_KIND_SOCKET, sockets are freed by the kernel
 * @ops: operations; must stay valid
 */
void __init xtcp_flow_register(enum xtcp_kind kind,
			       const struct xtcp_flow_ops *ops)
{
	kind_ops[kind] = ops;
}

/**
 * xtcp_flow_age_ms - how long a connection or listener has been in its state
 * @flow: of any kind; need not be locked
 *
 * The age of a socket's state is known in ticks. The state may change meanwhile.
 *
 * Context: any.
 * Return: ms
 */
u64 xtcp_flow_age_ms(const struct xtcp_flow *flow)
{
	const struct xtcp_sock *xs;
	long age;

	if (flow->kind != XTCP_KIND_SOCKET)
		return kind_ops[flow->kind]->age_ms(flow);
	xs = container_of(flow, struct xtcp_sock, flow);
	age = jiffies - READ_ONCE(xs->state_since);
	return jiffies64_to_msecs(max(age, 0L));
}

/* Of xtcp_flow_rank(), drawn when the module is loaded. */
static siphash_key_t rank_key __ro_after_init;

/**
 * xtcp_flow_rank - a number by which a list of flows may be ordered
 * @flow: of any kind; only its address counts
 *
 * Programs without any right see such an order, in /proc and by netlink. If it was that of the
 * addresses, or of a hash without a key, they could learn from it where the kernel's memory is.
 *
 * Context: any.
 * Return: a keyed hash of the address
 */
u64 xtcp_flow_rank(const struct xtcp_flow *flow)
{
	return siphash_1u64((unsigned long)flow, &rank_key);
}

/**
 * xtcp_flow_init_hash - draw the random numbers of hashes; at load, before any table
 */
void __init xtcp_flow_init_hash(void)
{
	get_random_bytes(hash_secrets, sizeof(hash_secrets));
	get_random_bytes(&rank_key, sizeof(rank_key));
}

/* To search many connections: the digests rule out most of them. */
static inline bool flow_matches(const struct xtcp_flow *flow, const struct xtcp_key *key)
{
	/* As in xtcp_flow_is_named(). */
	return data_race(flow->addrs) == key->addrs && xtcp_flow_is_named(flow, key);
}

static int flow_differs(struct rhashtable_compare_arg *arg, const void *obj)
{
	return !flow_matches(obj, arg->key);
}

static const struct rhashtable_params flow_params = {
	.nelem_hint		= 1024,
	.key_len		= sizeof(struct xtcp_key),
	.head_offset		= offsetof(struct xtcp_flow, node),
	.hashfn			= flow_key_hash,
	.obj_hashfn		= flow_hash,
	.obj_cmpfn		= flow_differs,
	.automatic_shrinking	= true,
};

/**
 * xtcp_flow_net_init - create the flow table of a namespace
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
 * @net: namespace; it has no sockets and records any more
 */
void xtcp_flow_net_exit(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	WARN_ON_ONCE(atomic_read(&xn->flows.nelems));
	rhashtable_destroy(&xn->flows);
}

/**
 * xtcp_flow_put - drop a reference
 * @flow: not to be used afterwards
 */
void xtcp_flow_put(struct xtcp_flow *flow)
{
	if (flow->kind == XTCP_KIND_SOCKET)
		sock_put(xtcp_flow_sk(flow));
	else if (refcount_dec_and_test(&flow->ref))
		kind_ops[flow->kind]->free(flow);
}
EXPORT_SYMBOL_GPL(xtcp_flow_put);

/**
 * xtcp_flow_check_line - remove a record from a delay line if it ended before it was added
 * @flow: head of a record that was visible before @delay was added; the caller holds a reference
 *	other than the line's
 * @set: delay lines of the record
 * @delay: its entry, just added
 *
 * The CPU that ended the record could not remove it: it was not in the line yet.
 *
 * Context: any.
 */
void xtcp_flow_check_line(struct xtcp_flow *flow, struct xtcp_delayset *set,
			  struct xtcp_delay *delay)
{
	if (READ_ONCE(flow->state) == XTCP_CLOSED && xtcp_delay_del(set, delay))
		xtcp_flow_put(flow);
}

/*
 * Next entry or the nulls marker; NULL: @node was unhashed, and its memory may have
 * been reused.
 */
static struct rhash_head *flow_next_rcu(const struct rhash_head *node)
{
	return rcu_dereference(node->next);
}

/* Is this the end of the right chain? The walk may have moved to another one. */
static bool flow_is_end_of(const struct rhash_head *pos,
			   struct rhash_lock_head __rcu *const *bucket)
{
	return pos == RHT_NULLS_MARKER(bucket);
}

/* Visits the flows of a chain; @pos is its end afterwards, for flow_is_end_of(). */
#define flow_for_each_rcu(flow, pos, bucket)				\
	for ((pos) = rht_ptr_rcu(bucket);				\
	     (pos) && !rht_is_a_nulls(pos) &&				\
	     ((flow) = container_of(pos, struct xtcp_flow, node), true);	\
	     (pos) = flow_next_rcu(pos))

/* @passed is set if the chain had other flows. */
static __always_inline struct xtcp_flow *
flow_chain_find(struct rhash_lock_head __rcu *const *bucket,
		const struct xtcp_key *key, bool *passed)
{
	struct xtcp_flow *flow;
	struct rhash_head *pos;

	do {
		flow_for_each_rcu(flow, pos, bucket) {
			if (flow_matches(flow, key))
				return flow;
			*passed = true;
		}
	} while (unlikely(!flow_is_end_of(pos, bucket)));
	return NULL;
}

static __always_inline struct xtcp_flow *
flow_tables_find(struct net *net, const struct xtcp_key *key, bool *passed)
{
	struct rhashtable *flows = &xtcp_net_rcu(net)->flows;
	struct xtcp_flow *flow;
	struct bucket_table *tbl;
	u32 hash;

	tbl = rht_dereference_rcu(flows->tbl, flows);
	do {
		hash = flow_key_hash(key, 0, tbl->hash_rnd);
		flow = flow_chain_find(rht_bucket(tbl, rht_bucket_index(tbl, hash)),
				       key, passed);
		if (flow)
			return flow;
		/* Entries moved before we read the old table are in the new one. */
		smp_rmb();
		tbl = rht_dereference_rcu(tbl->future_tbl, flows);
	} while (unlikely(tbl));
	return NULL;
}

#define WALKS_MAX	8U

/*
 * A walk that finds nothing may have missed the flow: the entry at which it stood ended, and its
 * memory was used again for a flow that replaces one further down the same chain. rhashtable puts
 * a replacement at the place of the old flow, not at the head of the chain, and the walk goes on
 * from there. So walk again until no replacement began meanwhile. One that began before the walk
 * does no harm: its memory had left the chain by then. Replacements all over the namespace count,
 * so the number of walks is limited, because a lookup must end. In practice at least one of
 * WALKS_MAX walks meets no such memory in its own chain.
 */
static noinline struct xtcp_flow *flow_find_surely(struct net *net, const struct xtcp_key *key)
{
	const struct xtcp_net *xn = xtcp_net_rcu(net);
	struct xtcp_flow *flow;
	unsigned int walks = 0;
	bool passed;
	int begun;

	do {
		begun = atomic_read_acquire(&xn->replaces);
		flow = flow_tables_find(net, key, &passed);
		/* Pairs with the barrier of xtcp_flow_replace(). */
		smp_rmb();
	} while (!flow && ++walks < WALKS_MAX &&
		 unlikely(atomic_read(&xn->replaces) != begun));
	return flow;
}

static __always_inline struct xtcp_flow *
flow_find(struct net *net, const struct xtcp_key *key)
{
	struct xtcp_flow *flow;
	bool passed = false;

	flow = flow_tables_find(net, key, &passed);
	return likely(flow || !passed) ? flow : flow_find_surely(net, key);
}

/**
 * xtcp_flow_find_rcu - find a connection without taking a reference
 * @net: namespace that has had a socket
 * @key: connection
 *
 * Context: rcu_read_lock(), which guarantees that the memory stays a flow.
 * Return: the flow or NULL. It may just be being unhashed, and its memory may have
 * been reused for another one of its kind.
 */
struct xtcp_flow *xtcp_flow_find_rcu(struct net *net,
				     const struct xtcp_key *key)
{
	return flow_find(net, key);
}

/*
 * A socket in the table has a next entry or a nulls marker. It is hashed and
 * unhashed under its own lock, so that the result is final for the lock's holder.
 * A record's result would not be final: when a half-open record ends, the TIME-WAIT
 * record that it replaced returns to the table, on any CPU.
 */
static bool flow_may_be_hashed(const struct xtcp_flow *flow)
{
	return flow->kind != XTCP_KIND_SOCKET ||
	       rcu_access_pointer(flow->node.next);
}

static void flow_left(struct xtcp_flow *flow)
{
	if (flow->kind == XTCP_KIND_SOCKET)
		RCU_INIT_POINTER(flow->node.next, NULL);
}

/*
 * Is the record still hashed under @key? The caller's reference prevents its
 * memory from being reused from now on, not before it was taken.
 */
static noinline bool flow_record_is_still(struct net *net,
					  const struct xtcp_flow *flow,
					  const struct xtcp_key *key)
{
	return flow_find(net, key) == flow;
}

/* A socket's memory may be reused for another socket, also of another namespace. */
static inline bool flow_socket_is_still(const struct net *net,
					const struct xtcp_flow *flow,
					const struct xtcp_key *key)
{
	return xtcp_flow_is_named(flow, key) && net_eq(sock_net(xtcp_flow_sk(flow)), net);
}

/* Is @flow, found by @key and referenced since then, still the same flow? */
static __always_inline bool flow_is_still(struct net *net,
					  const struct xtcp_flow *flow,
					  const struct xtcp_key *key)
{
	return xtcp_flow_kind_rcu(flow) == XTCP_KIND_SOCKET ?
	       likely(flow_socket_is_still(net, flow, key)) :
	       flow_record_is_still(net, flow, key);
}

/**
 * xtcp_flow_lookup_rcu - find a connection and take a reference
 * @net: namespace
 * @key: connection
 *
 * Context: rcu_read_lock().
 * Return: the flow with a reference for the caller, or NULL.
 */
struct xtcp_flow *xtcp_flow_lookup_rcu(struct net *net,
				       const struct xtcp_key *key)
{
	struct xtcp_flow *flow;

	if (unlikely(!xtcp_net_is_ready(xtcp_net_rcu(net))))
		return NULL;
	for (;;) {
		flow = flow_find(net, key);
		if (!flow)
			return NULL;
		/* It is being freed, but may have a successor: search again. */
		if (!xtcp_flow_get(flow))
			continue;
		if (flow_is_still(net, flow, key))
			return flow;
		xtcp_flow_put(flow);
	}
}

/**
 * xtcp_flow_lookup - find a connection and take a reference
 * @net: namespace
 * @key: connection
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

/* Reference the flow that has the 4-tuple; NULL: it was unhashed meanwhile. */
static struct xtcp_flow *flow_clash_get(struct net *net, struct xtcp_flow *flow,
					const struct xtcp_key *key)
{
	if (!xtcp_flow_get(flow))
		return NULL;
	if (flow_is_still(net, flow, key))
		return flow;
	xtcp_flow_put(flow);
	return NULL;
}

/*
 * Flows that differ by their device only are in one chain: the device is not hashed, because
 * a socket's may change. When a chain of 16 gets one more, rhashtable moves the whole table, and
 * no seed divides such a group. With twelve flows in a group, two groups in one chain are enough,
 * and one group in 25 shares its chain. With four in a group, five groups would have to meet.
 *
 * A new flow without a device counts as well: older ones with its addresses and ports may have
 * been bound to a device after they were opened (SO_BINDTODEVICE). Few namespaces have such flows.
 */
#define ALIKE_MAX	4

static unsigned int flow_chain_alike(struct rhash_lock_head __rcu *const *bucket,
				     const struct xtcp_key *key)
{
	const struct xtcp_flow *flow;
	struct rhash_head *pos;
	unsigned int n;

	do {
		n = 0;
		flow_for_each_rcu(flow, pos, bucket) {
			/* As in xtcp_flow_is_named(). */
			n += data_race(flow->addrs == key->addrs && flow->ports == key->ports &&
				       flow->wire == key->wire);
		}
	} while (unlikely(!flow_is_end_of(pos, bucket)));
	return n;
}

/* Are there as many flows like @key as there may be, whatever their devices? */
static noinline bool flow_has_enough_alike(struct net *net, const struct xtcp_key *key)
{
	struct rhashtable *flows = &xtcp_net_rcu(net)->flows;
	struct bucket_table *tbl;
	unsigned int n = 0;
	u32 hash;

	tbl = rht_dereference_rcu(flows->tbl, flows);
	do {
		hash = flow_key_hash(key, 0, tbl->hash_rnd);
		n += flow_chain_alike(rht_bucket(tbl, rht_bucket_index(tbl, hash)), key);
		/* While the flows move, some are in the next table; as in flow_tables_find(). */
		smp_rmb();
		tbl = rht_dereference_rcu(tbl->future_tbl, flows);
	} while (unlikely(tbl));
	return n >= ALIKE_MAX;
}

/*
 * May there be flows that only their devices tell from @key, or IPv6 addresses with the same
 * digest? Not by chance, but somebody may search for such addresses.
 */
static bool flow_may_have_alike(const struct net *net, const struct xtcp_key *key)
{
	return key->dif || xtcp_family_is_ipv6(key->family) ||
	       READ_ONCE(xtcp_net_rcu(net)->rebound);
}

/**
 * xtcp_flow_insert - add a new connection to the flow table
 * @net: namespace
 * @flow: flow; of a record, one of its references passes to the table on success
 * @clash: if not NULL, set on -EEXIST: the flow that has the 4-tuple, with a
 *	reference; NULL if it was unhashed meanwhile
 *
 * Context: any.
 * Return: 0; -EEXIST; -EADDRNOTAVAIL if four connections have these addresses and ports on
 * other devices, or addresses with the same digests; -ENOMEM, also while the table is rehashed
 * because of a long chain.
 */
int xtcp_flow_insert(struct net *net, struct xtcp_flow *flow,
		     struct xtcp_flow **clash)
{
	struct xtcp_flow *old;
	struct xtcp_key key __uninitialized;
	int err = 0;

	xtcp_key_from_flow(&key, flow);
	if (unlikely(key.dif))
		xtcp_key_set_bound(&key, net, key.dif);
	rcu_read_lock();
	/* Not because of a flow with this key: that becomes @clash, and may be replaced. */
	if (unlikely(flow_may_have_alike(net, &key)) && flow_has_enough_alike(net, &key) &&
	    !flow_find(net, &key)) {
		rcu_read_unlock();
		return -EADDRNOTAVAIL;
	}
	old = rhashtable_lookup_get_insert_key(&xtcp_net_rcu(net)->flows, &key,
					       &flow->node, flow_params);
	if (IS_ERR(old)) {
		err = -ENOMEM;
	} else if (old) {
		err = -EEXIST;
		if (clash)
			*clash = flow_clash_get(net, old, &key);
	}
	rcu_read_unlock();
	return err;
}

/**
 * xtcp_flow_rebind - a connection has got another device
 * @net: namespace
 * @flow: of a socket, locked; it stays in its chain
 * @ifindex: device, 0 for any
 *
 * From now on a connection with the same 4-tuple may be opened beside it.
 */
void xtcp_flow_rebind(struct net *net, struct xtcp_flow *flow, int ifindex)
{
	if (flow->ifindex == ifindex)
		return;
	/* A CPU that opens a connection just now may miss this: then ALIKE_MAX + 1 are alike. */
	WRITE_ONCE(xtcp_net(net)->rebound, true);
	WRITE_ONCE(flow->ifindex, ifindex);
}

/**
 * xtcp_flow_remove - unhash a connection
 * @net: namespace
 * @flow: referenced by the caller
 *
 * Context: any.
 * Return: true for exactly one caller, which gets the table's reference to a
 * record.
 */
bool xtcp_flow_remove(struct net *net, struct xtcp_flow *flow)
{
	if (!flow_may_be_hashed(flow) ||
	    rhashtable_remove_fast(&xtcp_net(net)->flows, &flow->node,
				   flow_params))
		return false;
	flow_left(flow);
	return true;
}

/**
 * xtcp_flow_replace - replace a flow in the table by another one of the same connection
 * @net: namespace
 * @old: referenced by the caller
 * @new: same 4-tuple and wire, in no table
 *
 * Atomic for the table: one of the two is always in it. A lookup that stands at a flow whose memory
 * is used again may miss both, and repeats itself: flow_find_surely().
 *
 * Context: any.
 * Return: true for exactly one caller, as xtcp_flow_remove().
 */
bool xtcp_flow_replace(struct net *net, struct xtcp_flow *old,
		       struct xtcp_flow *new)
{
	struct xtcp_net *xn = xtcp_net(net);

	if (!flow_may_be_hashed(old))
		return false;
	atomic_inc(&xn->replaces);
	/* A walk that goes on from @new sees the number. */
	smp_mb__after_atomic();
	if (rhashtable_replace_fast(&xn->flows, &old->node, &new->node, flow_params))
		return false;
	flow_left(old);
	return true;
}

/* --- walking the whole table ------------------------------------------------ */

/**
 * xtcp_flow_hash - hash of a connection
 * @key: connection
 * @table: table of its namespace
 *
 * Return: 32 bits; the lowest are the number of its bucket.
 */
u32 xtcp_flow_hash(const struct xtcp_key *key,
		   const struct xtcp_flow_table *table)
{
	return flow_key_hash(key, 0, table->seed);
}

/**
 * xtcp_flow_is_hashed_rcu - is a flow still in the table
 * @net: namespace
 * @flow: referenced by the caller
 * @key: its connection
 *
 * Context: rcu_read_lock().
 * Return: true if it is; false if it was unhashed, or its memory was reused for
 * another connection.
 */
bool xtcp_flow_is_hashed_rcu(struct net *net, const struct xtcp_flow *flow,
			     const struct xtcp_key *key)
{
	return flow_may_be_hashed(flow) && flow_is_still(net, flow, key);
}

/**
 * xtcp_flow_table_rcu - identify the table of a namespace
 * @net: namespace
 * @table: filled in
 *
 * Context: rcu_read_lock().
 * Return: true if all flows are in one table, of no buckets before the first
 * socket; false during a resize, which xtcp_flow_await_table() waits for.
 */
bool xtcp_flow_table_rcu(struct net *net, struct xtcp_flow_table *table)
{
	struct rhashtable *flows = &xtcp_net_rcu(net)->flows;
	struct bucket_table *tbl;

	*table = (struct xtcp_flow_table){};
	if (!xtcp_net_is_ready(xtcp_net_rcu(net)))
		return true;
	tbl = rht_dereference_rcu(flows->tbl, flows);
	if (rcu_access_pointer(tbl->future_tbl))
		return false;
	table->seed = tbl->hash_rnd;
	table->size = tbl->size;
	return true;
}

/**
 * xtcp_flow_visit_rcu - call a function for each flow of a bucket
 * @net: namespace
 * @table: from xtcp_flow_table_rcu()
 * @bucket: less than @table->size
 * @visit: called for each flow without a reference; the flow may just be being
 *	unhashed, and may be visited twice
 * @arg: for @visit
 *
 * Context: rcu_read_lock().
 * Return: true if all flows of the bucket were visited; false if the namespace has
 * another table than @table by now, so that some may have been missed. One may be missed
 * in the same way as by a lookup, flow_find_surely(); this is not worth a second visit of all.
 */
bool xtcp_flow_visit_rcu(struct net *net, const struct xtcp_flow_table *table,
			 u32 bucket,
			 void (*visit)(struct xtcp_flow *flow, void *arg),
			 void *arg)
{
	struct rhashtable *flows = &xtcp_net_rcu(net)->flows;
	struct bucket_table *tbl = rht_dereference_rcu(flows->tbl, flows);
	struct rhash_lock_head __rcu *const *head;
	struct xtcp_flow *flow;
	struct rhash_head *pos;

	if (tbl->hash_rnd != table->seed || tbl->size != table->size)
		return false;
	head = rht_bucket(tbl, bucket);
	/* Read the chain again if the walk ended in another one. */
	do {
		flow_for_each_rcu(flow, pos, head)
			visit(flow, arg);
	} while (unlikely(!flow_is_end_of(pos, head)));
	/* If an entry had moved, its new table is visible now. */
	smp_rmb();
	return !rcu_access_pointer(tbl->future_tbl);
}

/**
 * xtcp_flow_await_table - wait for the end of a resize
 * @net: namespace
 *
 * Sleeps for a tick if the work item that moves the flows is idle: not queued yet, or
 * finished.
 *
 * Context: process, may sleep.
 */
void xtcp_flow_await_table(struct net *net)
{
	if (!flush_work(&xtcp_net(net)->flows.run_work))
		schedule_timeout_killable(1);
}
