// SPDX-License-Identifier: GPL-2.0
/*
 * lookup.c - find the listener for a SYN
 *
 * RFC 9293 3.10.1: a passive OPEN may specify the local address or leave it open.
 *
 * Listeners are in a growing hash table, under local address, port and wire (the
 * listen key), hashed with random numbers. A SYN needs two lookups at most: under
 * its own address and, if no listener there matches, under the wildcard. So
 * listeners at other addresses of the same port cost it nothing, however many of
 * them an unprivileged user creates. Listeners with the same key differ in device
 * or family, because a SO_REUSEPORT group has one entry, its head. The kernel's array
 * of the group (sk->sk_reuseport_cb) has all members. When the head closes, another
 * member becomes the head. A listener whose device was changed has no entry if its
 * place at the new device is taken and it could not join the group there. A second
 * entry for one place would cost each SYN, and each removal, with interrupts off:
 * they look at all entries of a key.
 *
 * The files of /proc use another table (xn->listeners).
 *
 * Context: xn->listen_lock for writers. Readers use RCU: a listener and its
 * socket are freed two grace periods after they have been unhashed.
 */
#include "lookup.h"

#include <linux/lockdep.h>
#include <linux/random.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/sock_reuseport.h>

#include "compat.h"
#include "isn.h"
#include "listener.h"
#include "lockname.h"
#include "net/family.h"
#include "netns.h"
#include "tcb.h"

/**
 * struct listen_key - key of the listeners' table
 * @laddr: local address, or address digest of an IPv6 one (flow.h), 0 for any
 * @lport: local port
 * @wire: IP protocol number
 */
struct listen_key {
	__be32	laddr;
	__be16	lport;
	u8	wire;
};

static struct listen_key listen_key_of(const struct sock *sk)
{
	const struct xtcp_flow *flow = &xtcp_sk(sk)->flow;

	return (struct listen_key){ flow->laddr, flow->lport, flow->wire };
}

/* Random multipliers of the hash, drawn when the module is loaded. */
static u64 hash_secrets[3] __ro_after_init;

/* Multiply-shift, as for flows: see flow.c. */
static __always_inline u32 listen_key_hash(const struct listen_key *lkey, u32 seed)
{
	u64 more = (u64)seed << 16;
	u64 sum = (hash_secrets[0] + more) * (__force u32)lkey->laddr +
		  (hash_secrets[1] + more) *
		  ((__force u32)lkey->lport << 8 | lkey->wire);

	sum ^= sum >> 32;
	return (sum * (hash_secrets[2] | 1)) >> 32;
}

static inline u32 lookup_key_hash(const void *data, u32 len, u32 seed)
{
	return listen_key_hash(data, seed);
}

static u32 lookup_obj_hash(const void *data, u32 len, u32 seed)
{
	const struct xtcp_listener *ls = data;
	struct listen_key lkey = listen_key_of(ls->sk);

	return listen_key_hash(&lkey, seed);
}

static int lookup_obj_differs(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct xtcp_listener *ls = obj;
	const struct xtcp_flow *flow = &xtcp_sk(ls->sk)->flow;
	const struct listen_key *lkey = arg->key;

	return flow->laddr != lkey->laddr || flow->lport != lkey->lport ||
	       flow->wire != lkey->wire;
}

static const struct rhashtable_params listener_params = {
	.key_len		= sizeof(struct listen_key),
	.head_offset		= offsetof(struct xtcp_listener, link),
	.hashfn			= lookup_key_hash,
	.obj_hashfn		= lookup_obj_hash,
	.obj_cmpfn		= lookup_obj_differs,
	.automatic_shrinking	= true,
};

/**
 * xtcp_lookup_init_hash - draw the hash's multipliers
 *
 * Context: module load, before the first table is created.
 */
void __init xtcp_lookup_init_hash(void)
{
	get_random_bytes(hash_secrets, sizeof(hash_secrets));
}

/**
 * xtcp_lookup_net_init - create the listeners' tables of a namespace
 * @net: namespace
 *
 * Return: 0 or -ENOMEM.
 */
int xtcp_lookup_net_init(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);
	int err;

	spin_lock_init(&xn->listen_lock);
	xtcp_lock_name(&xn->listen_lock, "xtcp_listen");
	/* Zeroes are empty lists. */
	xn->listeners = kcalloc(XTCP_LISTEN_BUCKETS, sizeof(*xn->listeners),
				GFP_KERNEL_ACCOUNT);
	if (!xn->listeners)
		return -ENOMEM;
	err = rhltable_init(&xn->listen_table, &listener_params);
	if (err)
		kfree(xn->listeners);
	return err;
}

/**
 * xtcp_lookup_net_exit - undo xtcp_lookup_net_init()
 * @net: namespace; it has no sockets any more
 */
void xtcp_lookup_net_exit(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	WARN_ON_ONCE(atomic_read(&xn->listen_table.ht.nelems));
	rhltable_destroy(&xn->listen_table);
	kfree(xn->listeners);
}

/* Is a listener bound to exactly the local address of @key? */
static bool laddr_matches(const struct xtcp_flow *flow,
			  const struct xtcp_key *key)
{
	return flow->laddr == key->laddr &&
	       (!flow->laddr || !xtcp_family_is_ipv6(flow->family) ||
		ipv6_addr_equal(&xtcp_flow_addrs6(flow)->laddr,
				&key->v6.laddr));
}

/* Do two listeners have the same address, family, port and wire? */
static bool listen_keys_match(const struct sock *sk, const struct sock *other)
{
	const struct xtcp_flow *flow = &xtcp_sk(sk)->flow;
	struct xtcp_key key __uninitialized;

	xtcp_key_from_flow(&key, &xtcp_sk(other)->flow);
	return laddr_matches(flow, &key) && flow->lport == key.lport &&
	       flow->family == key.family && flow->wire == key.wire;
}

/*
 * Has @other the same address, family and device as @sk? As in Linux an IPv6 socket at a mapped
 * address has another family than IPv4 ones.
 */
static bool same_place(const struct sock *sk, const struct xtcp_listener *other)
{
	return listen_keys_match(sk, other->sk) && sk->sk_family == other->sk->sk_family &&
	       READ_ONCE(sk->sk_bound_dev_if) == READ_ONCE(other->ifindex);
}

/*
 * Does listener @other belong to the SO_REUSEPORT group of @sk? They must be the same user's.
 * @other counts even if its option was cleared after it got its group.
 */
static bool shares_port(const struct sock *sk, const struct xtcp_listener *other)
{
	bool joins = other->sk->sk_reuseport ||
		     rcu_access_pointer(other->sk->sk_reuseport_cb);

	return joins && same_place(sk, other) && uid_eq(sk_uid(sk), sk_uid(other->sk));
}

/* The first other listener in the table that @fits @sk, at its address; or NULL. */
static __always_inline struct sock *
other_listener(struct xtcp_net *xn, const struct sock *sk,
	       bool (*fits)(const struct sock *sk, const struct xtcp_listener *other))
{
	struct listen_key lkey = listen_key_of(sk);
	struct rhlist_head *list, *pos;
	struct xtcp_listener *ls;

	list = rhltable_lookup(&xn->listen_table, &lkey, listener_params);
	rhl_for_each_entry_rcu(ls, pos, list, link)
		if (ls->sk != sk && fits(sk, ls))
			return ls->sk;
	return NULL;
}

/* The head of the group that @sk, which shares its port, belongs to; or NULL. */
static struct sock *group_head(struct xtcp_net *xn, const struct sock *sk)
{
	return other_listener(xn, sk, shares_port);
}

/*
 * Add @sk to the kernel's data of its group, sk->sk_reuseport_cb, where
 * setsockopt() also stores the BPF program that chooses a member. Without a head it begins a
 * group if it @shares its port.
 */
static int group_join(struct sock *sk, struct sock *head, bool shares)
{
	bool any = !xtcp_sk(sk)->flow.laddr;

	if (!head && !shares)
		return 0;
	return head ? reuseport_add_sock(sk, head, any) :
		      reuseport_alloc(sk, any);
}

/* Counter of the entries at addresses, or of those at the wildcard. */
static u32 *lookup_count(struct xtcp_net *xn, const struct xtcp_listener *ls)
{
	return xtcp_sk(ls->sk)->flow.laddr ? &xn->listen_at : &xn->listen_any;
}

static int lookup_insert(struct xtcp_net *xn, struct xtcp_listener *ls)
{
	struct listen_key lkey = listen_key_of(ls->sk);
	u32 *count = lookup_count(xn, ls);
	int err;

	lockdep_assert_held(&xn->listen_lock);
	err = rhltable_insert_key(&xn->listen_table, &lkey, &ls->link,
				  listener_params);
	ls->is_linked = !err;
	if (err)
		return -ENOMEM;
	WRITE_ONCE(*count, *count + 1);
	return 0;
}

static void lookup_remove(struct xtcp_net *xn, struct xtcp_listener *ls)
{
	u32 *count = lookup_count(xn, ls);

	lockdep_assert_held(&xn->listen_lock);
	rhltable_remove(&xn->listen_table, &ls->link, listener_params);
	WRITE_ONCE(*count, *count - 1);
	ls->is_linked = false;
}

/* Join the SO_REUSEPORT group of @head if @shares; without one, get an entry in the table. */
static int listener_join(struct xtcp_net *xn, struct sock *sk, struct sock *head, bool shares)
{
	int err = group_join(sk, head, shares);

	lockdep_assert_held(&xn->listen_lock);
	if (err || head)
		return err;
	return lookup_insert(xn, xtcp_sk(sk)->listener);
}

/*
 * Evenly filled buckets, whatever ports users choose, because readers of /proc pause between
 * buckets.
 */
static struct hlist_head *lookup_list(struct xtcp_net *xn, const struct sock *sk)
{
	return &xn->listeners[xtcp_flow_rank(&xtcp_sk(sk)->flow) % XTCP_LISTEN_BUCKETS];
}

/**
 * xtcp_lookup_add - make a listener visible to SYNs
 * @sk: in LISTEN, bound, locked
 *
 * After an error, too, xtcp_lookup_del() must be called.
 *
 * Return: 0; -ENOMEM; -EBUSY if it could not join its SO_REUSEPORT group.
 */
int xtcp_lookup_add(struct sock *sk)
{
	struct xtcp_net *xn = xtcp_net(sock_net(sk));
	struct sock *head = NULL;
	int err;

	xtcp_assert_owned(sk);
	spin_lock_bh(&xn->listen_lock);
	rcu_read_lock();
	WRITE_ONCE(xtcp_sk(sk)->listener->ifindex, READ_ONCE(sk->sk_bound_dev_if));
	if (sk->sk_reuseport)
		head = group_head(xn, sk);
	err = listener_join(xn, sk, head, sk->sk_reuseport);
	rcu_read_unlock();
	if (!err)
		sk_add_node_rcu(sk, lookup_list(xn, sk));
	spin_unlock_bh(&xn->listen_lock);
	return err;
}

/* Returns another member of the group that @sk has left, or NULL. */
static struct sock *group_leave(struct sock *sk)
{
	struct sock_reuseport *reuse = rcu_dereference(sk->sk_reuseport_cb);

	if (!reuse)
		return NULL;
	reuseport_detach_sock(sk);
	return READ_ONCE(reuse->num_socks) ? READ_ONCE(reuse->socks[0]) : NULL;
}

/* The new head is added before the old one is removed: SYNs always find one. */
static void listener_leave(struct xtcp_net *xn, struct sock *sk)
{
	struct xtcp_listener *ls = xtcp_sk(sk)->listener;
	struct sock *successor;

	ls->left_group = rcu_access_pointer(sk->sk_reuseport_cb);
	successor = group_leave(sk);
	lockdep_assert_held(&xn->listen_lock);
	if (!ls->is_linked)
		return;
	/* Cannot fail: the table has the key already, so nothing is allocated. */
	if (successor)
		WARN_ON_ONCE(lookup_insert(xn, xtcp_sk(successor)->listener));
	lookup_remove(xn, ls);
}

/**
 * xtcp_lookup_del - hide a listener from SYNs
 * @sk: locked, still has its queues; RCU readers may still use it
 */
void xtcp_lookup_del(struct sock *sk)
{
	struct xtcp_net *xn = xtcp_net(sock_net(sk));

	xtcp_assert_owned(sk);
	spin_lock_bh(&xn->listen_lock);
	sk_del_node_init_rcu(sk);
	rcu_read_lock();
	listener_leave(xn, sk);
	rcu_read_unlock();
	spin_unlock_bh(&xn->listen_lock);
}

/*
 * Does a listener stay where it is in the table when its device changes, and no other one has
 * its place there? Yes if it is in the table and alone.
 */
static bool listener_stays(struct sock *sk)
{
	struct sock_reuseport *reuse = rcu_dereference(sk->sk_reuseport_cb);

	return xtcp_sk(sk)->listener->is_linked &&
	       (!reuse || READ_ONCE(reuse->num_socks) == 1);
}

/*
 * Move @sk to its new device: to the SO_REUSEPORT group there, even if its option was cleared
 * after it got its group. If another listener has its place there, and @sk may not or cannot join
 * it, @sk gets no SYNs. (A group has room for 32,768 members, and growing it can fail, because
 * this cannot sleep.) A second entry would not help, because one of the two gets all SYNs, and a
 * user could make any number of entries.
 */
static void listener_regroup(struct xtcp_net *xn, struct sock *sk, int ifindex)
{
	bool joins = sk->sk_reuseport || rcu_access_pointer(sk->sk_reuseport_cb);
	struct sock *head = joins ? group_head(xn, sk) : NULL;
	bool taken = other_listener(xn, sk, same_place);

	lockdep_assert_held(&xn->listen_lock);
	if (!taken && listener_stays(sk)) {
		WRITE_ONCE(xtcp_sk(sk)->listener->ifindex, ifindex);
		return;
	}
	listener_leave(xn, sk);
	/* Before the entry is inserted: else SYNs of the old device would find it. */
	WRITE_ONCE(xtcp_sk(sk)->listener->ifindex, ifindex);
	if (((taken && !head) || listener_join(xn, sk, head, joins)) &&
	    xtcp_net_may_log(sock_net(sk)))
		net_warn_ratelimited("xtcp: a listener on port %u gets no SYNs of its new device\n",
				     inet_sk(sk)->inet_num);
}

/* Does no SYN find @sk, neither by an entry of its own nor by that of its group? */
static bool listener_is_hidden(struct sock *sk)
{
	return !xtcp_sk(sk)->listener->is_linked && !rcu_access_pointer(sk->sk_reuseport_cb);
}

/**
 * xtcp_lookup_rehash - a listener has got another device
 * @sk: in LISTEN, locked; sk->sk_bound_dev_if is the new device, or the same
 *
 * SYNs then find it as if it had been bound to the device before listen(): by the
 * head of the new device's group. The group that it leaves gets another head. See
 * listener_regroup() for a device at which another listener has its place; if it has
 * the same device again, it is tried once more.
 */
void xtcp_lookup_rehash(struct sock *sk)
{
	struct xtcp_listener *ls = xtcp_sk(sk)->listener;
	struct xtcp_net *xn = xtcp_net(sock_net(sk));
	int ifindex = READ_ONCE(sk->sk_bound_dev_if);

	xtcp_assert_owned(sk);
	spin_lock_bh(&xn->listen_lock);
	rcu_read_lock();
	if (ls->ifindex != ifindex || listener_is_hidden(sk))
		listener_regroup(xn, sk, ifindex);
	rcu_read_unlock();
	spin_unlock_bh(&xn->listen_lock);
}

/* Is a connection with the addresses and the port of @key a listener's? */
static __always_inline bool listener_serves(const struct xtcp_flow *flow,
					    const struct xtcp_key *key)
{
	return flow->lport == key->lport && flow->wire == key->wire &&
	       (flow->family == AF_UNSPEC || flow->family == key->family) &&
	       (!flow->laddr || laddr_matches(flow, key));
}

/*
 * How well a listener at the right address matches; 0: not at all. A matching
 * device outweighs the family. An IPv4 socket goes before an IPv6 one at a mapped address.
 */
static __always_inline unsigned int
listener_score(const struct xtcp_listener *ls, const struct xtcp_key *key)
{
	const struct xtcp_flow *flow = &xtcp_sk(ls->sk)->flow;
	int bound = READ_ONCE(ls->ifindex);
	unsigned int score = 1;

	/* The socket of an RCU reader's entry may listen elsewhere by now. */
	if (!listener_serves(flow, key) || !xtcp_device_matches(bound, key))
		return 0;
	if (flow->family != AF_UNSPEC)
		score += 1 + (ls->sk->sk_family == AF_INET);
	if (bound)
		score += 3;
	return score;
}

/* The best match of the listeners at @laddr, the SYN's own address or 0; or NULL. */
static __always_inline struct sock *lookup_at(struct xtcp_net *xn,
					      const struct xtcp_key *key,
					      __be32 laddr)
{
	struct listen_key lkey = { laddr, key->lport, key->wire };
	struct rhlist_head *list, *pos;
	unsigned int score, most = 0;
	struct xtcp_listener *ls;
	struct sock *best = NULL;

	list = rhltable_lookup(&xn->listen_table, &lkey, listener_params);
	rhl_for_each_entry_rcu(ls, pos, list, link) {
		score = listener_score(ls, key);
		if (score > most) {
			most = score;
			best = ls->sk;
		}
	}
	return best;
}

/*
 * Choose a member of a SO_REUSEPORT group. A program attached by
 * SO_ATTACH_REUSEPORT_CBPF or _EBPF decides first: it sees the segment without its
 * TCP header and returns a member's number. If the number is too high, or without
 * a program, SO_INCOMING_CPU decides, then a keyed hash of the connection. So the
 * members get equal shares, peers cannot choose, and a third segment finds the
 * member that sent its cookie.
 */
static struct sock *group_choice(struct sock *head, const struct xtcp_key *key,
				 struct sk_buff *skb)
{
	struct sock *chosen;
	u32 lot;

	lot = xtcp_isn_hash(sock_net(head), xtcp_family_get(key->family), key,
			    XTCP_SECRET_LISTENER);
	chosen = reuseport_select_sock(head, lot, skb,
				       skb ? tcp_hdrlen(skb) : 0);
	/* Members are in the group before and after they are in LISTEN. */
	if (IS_ERR_OR_NULL(chosen) || READ_ONCE(chosen->sk_state) != XTCP_LISTEN)
		return head;
	return chosen;
}

/**
 * xtcp_lookup_successor_rcu - successor of a closing listener
 * @sk: closing listener, unhashed already
 * @key: connection in one of its queues
 *
 * Context: rcu_read_lock(), which protects the result; no reference is taken.
 * Return: a listener of the SO_REUSEPORT group that it was in; NULL if there is none.
 */
struct sock *xtcp_lookup_successor_rcu(const struct sock *sk,
				       const struct xtcp_key *key)
{
	struct sock *head = group_head(xtcp_net_rcu(sock_net(sk)), sk);

	/* @sk itself may be bound to another address by now, and the group is found by that. */
	if (!head || !listener_serves(&xtcp_sk(head)->flow, key))
		return NULL;
	return group_choice(head, key, NULL);
}

/**
 * xtcp_lookup_choice - choose the listener for a segment in a SO_REUSEPORT group
 * @best: result of xtcp_lookup_rcu() without a segment, not NULL
 * @key: of the segment
 * @skb: the segment, at its TCP header
 *
 * Context: softirqs off; rcu_read_lock(), which protects the result; no reference
 * is taken.
 * Return: the chosen member of the group; @best if it is in no group.
 */
struct sock *xtcp_lookup_choice(struct sock *best, const struct xtcp_key *key,
				struct sk_buff *skb)
{
	if (likely(!rcu_access_pointer(best->sk_reuseport_cb)))
		return best;
	return group_choice(best, key, skb);
}

/**
 * xtcp_lookup_rcu - find the listener for a SYN
 * @net: namespace
 * @key: of the segment
 * @skb: the segment, at its TCP header; NULL: any of the best matches will do
 *
 * Context: softirqs off; rcu_read_lock(), which protects the result; no reference
 * is taken.
 * Return: the listener that matches best, or NULL.
 */
struct sock *xtcp_lookup_rcu(struct net *net,
			     const struct xtcp_key *key,
			     struct sk_buff *skb)
{
	struct xtcp_net *xn = xtcp_net_rcu(net);
	struct sock *best = NULL;

	lockdep_assert_in_softirq();
	if (unlikely(!xtcp_net_is_ready(xn)))
		return NULL;
	/* A lookup is a tenth of the cost of dropping a SYN: skip empty ones. */
	if (READ_ONCE(xn->listen_at))
		best = lookup_at(xn, key, key->laddr);
	if (!best && READ_ONCE(xn->listen_any))
		best = lookup_at(xn, key, 0);
	return best && skb ? xtcp_lookup_choice(best, key, skb) : best;
}

/* /proc shows a listener for both families as IPv6. */
static u8 lookup_family_shown(const struct sock *sk)
{
	return xtcp_sk(sk)->flow.family ?: sk->sk_family;
}

static bool lookup_is_exact(const struct xtcp_listener *ls,
			    const struct xtcp_key *key)
{
	return listener_score(ls, key) &&
	       lookup_family_shown(ls->sk) == key->family &&
	       laddr_matches(&xtcp_sk(ls->sk)->flow, key) &&
	       READ_ONCE(ls->ifindex) == key->dif;
}

/* A listener without an entry in the table: another one has its place, see listener_regroup(). */
static struct sock *hidden_get(const struct xtcp_net *xn, const struct xtcp_key *key)
{
	const struct xtcp_listener *ls;
	struct sock *sk;

	for (int i = 0; i < XTCP_LISTEN_BUCKETS; i++)
		sk_for_each_rcu(sk, &xn->listeners[i]) {
			const struct xtcp_flow *flow = &xtcp_sk(sk)->flow;

			ls = xtcp_listener_of(sk);
			if (ls && flow->lport == key->lport && flow->wire == key->wire &&
			    lookup_is_exact(ls, key) && refcount_inc_not_zero(&sk->sk_refcnt))
				return sk;
		}
	return NULL;
}

/**
 * xtcp_lookup_get - find a listener by exactly what it is bound to
 * @net: namespace
 * @key: local address, port and device as bound, 0 for any; the peer's address
 *	and port are ignored
 *
 * Context: any.
 * Return: a listener with a reference for the caller (any member of a
 * SO_REUSEPORT group), or NULL.
 */
struct sock *xtcp_lookup_get(struct net *net, const struct xtcp_key *key)
{
	struct listen_key lkey = { key->laddr, key->lport, key->wire };
	struct xtcp_net *xn = xtcp_net(net);
	struct rhlist_head *list, *pos;
	struct xtcp_listener *ls;
	struct sock *sk = NULL;

	if (!xtcp_net_is_ready(xn))
		return NULL;
	rcu_read_lock();
	list = rhltable_lookup(&xn->listen_table, &lkey, listener_params);
	rhl_for_each_entry_rcu(ls, pos, list, link) {
		if (!lookup_is_exact(ls, key) ||
		    !refcount_inc_not_zero(&ls->sk->sk_refcnt))
			continue;
		sk = ls->sk;
		break;
	}
	if (!sk)
		sk = hidden_get(xn, key);
	rcu_read_unlock();
	return sk;
}
