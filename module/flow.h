/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flow.h - the flow table: find a connection by its 4-tuple
 *
 * A connection is represented by a half-open record (if the peer opens it), a
 * socket and, unless a token makes it needless, a TIME-WAIT record, one after the
 * other. Each contains a struct xtcp_flow. One RCU hash table for each namespace
 * finds them by their 4-tuple. One kind replaces another in place, so that a segment
 * always finds exactly one of them.
 *
 * Listeners have no 4-tuple: lookup.h.
 */
#ifndef XTCP_FLOW_H
#define XTCP_FLOW_H

#include <linux/in6.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/socket.h>
#include <linux/types.h>

struct net;
struct sock;
struct xtcp_delay;
struct xtcp_delayset;

/* What kind of object a flow is the head of. */
enum xtcp_kind {
	XTCP_KIND_SOCKET,
	XTCP_KIND_HALFOPEN,
	XTCP_KIND_TIMEWAIT,
};

#define XTCP_KINDS	(XTCP_KIND_TIMEWAIT + 1)

/**
 * struct xtcp_addrs6 - the two addresses of an IPv6 connection
 * @raddr: peer's address
 * @laddr: local address
 *
 * In the order of struct sock.
 */
struct xtcp_addrs6 {
	struct in6_addr	raddr;
	struct in6_addr	laddr;
};

/**
 * struct xtcp_flow - common head of sockets, half-open and TIME-WAIT records
 * @node: link in the namespace's flow table
 * @laddr: local IPv4 address, or address digest of an IPv6 one; 0: any
 * @raddr: peer's IPv4 address, or address digest of an IPv6 one
 * @addrs: both, to compare them at once
 * @lport: local port
 * @rport: peer's port
 * @ports: both
 * @ifindex: device it is bound to, 0 for any; a socket's may change
 *	(SO_BINDTODEVICE)
 * @kind: enum xtcp_kind; never changes
 * @family: AF_INET, AF_INET6; AF_UNSPEC: a listener for both
 * @mapped: record of an IPv4 connection of an IPv6 socket
 * @transparent: TIME-WAIT record: the socket had IP_TRANSPARENT, so the local address need
 *	not be one of this host
 * @source_bits: half-open record: prefix length with which open/source.c has
 *	counted it; 0: not counted
 * @state: enum xtcp_state; written by lifecycle.c only
 * @wire: IP protocol number of its segments
 * @ref: references to a record; a socket has sk_refcnt instead
 * @uncopied: empty and constant, so that the compiler refuses to assign a flow,
 *	or a structure with one, as a whole: the reference count must not be
 *	copied
 *
 * Addresses and ports are declared again in struct xtcp_key. A common structure
 * for them would have 16 bytes instead of 12, because of its alignment of eight,
 * and this one 40; and each use would have to name the member.
 *
 * IPv6 addresses are stored behind the record, or in the kernel's part of the
 * socket (see xtcp_flow_addrs6()). Their digests distinguish most flows before
 * the addresses are compared. They are keyed, so that an attacker cannot create
 * many connections with the same digests.
 */
struct xtcp_flow {
	struct rhash_head	node;
	union {
		struct {
			__be32	laddr;
			__be32	raddr;
		};
		u64		addrs;
	};
	union {
		struct {
			__be16	lport;
			__be16	rport;
		};
		u32		ports;
	};
	int			ifindex;
	u8			kind:2,
				mapped:1,
				transparent:1,
				family:4;
	u8			source_bits;
	u8			state;
	u8			wire;
	refcount_t		ref;
	const struct { }	uncopied;
};

static_assert(sizeof(struct xtcp_flow) == 32);

/* Size of a record in bytes; its IPv6 addresses follow. */
#define XTCP_RECORD_LEN		96

/**
 * struct xtcp_key - key for lookups of a segment or a new connection
 * @laddr: local IPv4 address, or address digest of an IPv6 one
 * @raddr: peer's IPv4 address, or address digest of an IPv6 one
 * @addrs: both, to compare them at once
 * @lport: local port
 * @rport: peer's port
 * @ports: both
 * @dif: device on which the segment arrived, or that a new socket is bound to
 * @sdif: its l3mdev slave device, else 0
 * @bound_only: the segment arrived on a VRF and is only for sockets that are
 *	bound to a device; net/device.h
 * @family: AF_INET, AF_INET6
 * @wire: IP protocol number
 * @v6: the IPv6 addresses; undefined for IPv4
 *
 * struct xtcp_flow explains why it declares addresses and ports again.
 */
struct xtcp_key {
	union {
		struct {
			__be32	laddr;
			__be32	raddr;
		};
		u64	addrs;
	};
	union {
		struct {
			__be16	lport;
			__be16	rport;
		};
		u32	ports;
	};
	int	dif;
	int	sdif;
	u8	family;
	u8	wire;
	bool	bound_only;
	struct xtcp_addrs6 v6;
};

/**
 * xtcp_device_matches - does a socket get segments of a device
 * @bound: device that it is bound to, or 0
 * @key: of a segment
 *
 * Return: true if the devices of @key allow it.
 */
static inline bool xtcp_device_matches(int bound, const struct xtcp_key *key)
{
	if (likely(!bound))
		return !key->bound_only;
	return bound == key->dif || bound == key->sdif;
}

/* Kind of a flow that was found under RCU: reused memory keeps its kind. */
static inline enum xtcp_kind xtcp_flow_kind_rcu(const struct xtcp_flow *flow)
{
	static_assert(XTCP_KIND_SOCKET == 0);
	/* A record's is written again with the same value; a reused socket's is 0. */
	return data_race((enum xtcp_kind)flow->kind);
}

/* Returns true for IPv6, whose addresses do not fit into struct xtcp_flow. */
static inline bool xtcp_family_is_ipv6(u8 family)
{
	return IS_ENABLED(CONFIG_IPV6) && unlikely(family == AF_INET6);
}

/**
 * struct xtcp_flow_ops - operations of a kind of record
 * @free: free the record, which has no references any more
 * @age_ms: how long it has been in its state; at any time
 */
struct xtcp_flow_ops {
	void	(*free)(struct xtcp_flow *flow);
	u64	(*age_ms)(const struct xtcp_flow *flow);
};

void xtcp_flow_register(enum xtcp_kind kind, const struct xtcp_flow_ops *ops);
u64 xtcp_flow_age_ms(const struct xtcp_flow *flow);
u64 xtcp_flow_rank(const struct xtcp_flow *flow);
void xtcp_flow_init_hash(void);
int xtcp_flow_net_init(struct net *net);
void xtcp_flow_net_exit(struct net *net);

/**
 * xtcp_flow_hold_new - set the reference count of a new record
 * @flow: its head; the record is complete but for the fields that are guarded by
 *	the locks of the structures that it is added to next
 * @refs: number of references to begin with
 *
 * Only this function sets a count. The memory may have been another record, which
 * an RCU reader may still have found. The reader takes no reference while the
 * count is 0, as the old record left it. Afterwards it may take one, and drops it
 * when it sees that the record is another one. So a count that is set twice, or
 * copied, would lose that reader's reference.
 */
static inline void xtcp_flow_hold_new(struct xtcp_flow *flow, int refs)
{
	smp_wmb();	/* pairs with xtcp_flow_get() */
	refcount_set(&flow->ref, refs);
}

struct xtcp_flow *xtcp_flow_find_rcu(struct net *net,
				     const struct xtcp_key *key);
struct xtcp_flow *xtcp_flow_lookup(struct net *net,
				   const struct xtcp_key *key);
int xtcp_flow_insert(struct net *net, struct xtcp_flow *flow,
		     struct xtcp_flow **clash);
bool xtcp_flow_remove(struct net *net, struct xtcp_flow *flow);
void xtcp_flow_rebind(struct net *net, struct xtcp_flow *flow, int ifindex);
bool xtcp_flow_replace(struct net *net, struct xtcp_flow *old,
		       struct xtcp_flow *new);

struct xtcp_flow *xtcp_flow_lookup_rcu(struct net *net,
				       const struct xtcp_key *key);
void xtcp_flow_put(struct xtcp_flow *flow);
void xtcp_flow_check_line(struct xtcp_flow *flow, struct xtcp_delayset *set,
			  struct xtcp_delay *delay);

/**
 * struct xtcp_flow_table - identifies a flow table between two resizes
 * @seed: seed of its hash
 * @size: number of buckets; 0: no table
 */
struct xtcp_flow_table {
	u32	seed;
	u32	size;
};

u32 xtcp_flow_hash(const struct xtcp_key *key,
		   const struct xtcp_flow_table *table);
bool xtcp_flow_is_hashed_rcu(struct net *net, const struct xtcp_flow *flow,
			     const struct xtcp_key *key);
bool xtcp_flow_table_rcu(struct net *net, struct xtcp_flow_table *table);
bool xtcp_flow_visit_rcu(struct net *net, const struct xtcp_flow_table *table,
			 u32 bucket,
			 void (*visit)(struct xtcp_flow *flow, void *arg),
			 void *arg);
void xtcp_flow_await_table(struct net *net);

#endif /* XTCP_FLOW_H */
