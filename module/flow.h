/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flow.h - the one lookup table of connections
 *
 * A connection lives three lives: a half-open record, a socket, a time-wait
 * record. Each begins with, or holds, a struct xtcp_flow, and all of a netns
 * are found in one RCU hash table by their 4-tuple. Changing the life swaps
 * the table entry in place, so that no segment can fall between two of them.
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
struct xtcp_family;

/* Which life of a connection a flow is. */
enum xtcp_kind {
	XTCP_KIND_SOCKET,
	XTCP_KIND_HALFOPEN,
	XTCP_KIND_TIMEWAIT,
};

#define XTCP_KINDS	(XTCP_KIND_TIMEWAIT + 1)

/**
 * struct xtcp_addrs6 - the two ends of an IPv6 connection
 * @raddr: peer's address
 * @laddr: local address
 *
 * In the order in which struct sock keeps them.
 */
struct xtcp_addrs6 {
	struct in6_addr	raddr;
	struct in6_addr	laddr;
};

/**
 * struct xtcp_flow - common head of half-open, socket and time-wait
 * @node: link in the netns' flow table
 * @laddr: local address, or a digest of it where it is a wide one; 0: any
 * @raddr: peer's address, or a digest of it
 * @addrs: both, for a comparison
 * @lport: local port
 * @rport: peer's port
 * @ports: both
 * @ifindex: device it is bound to, 0 for any; a socket's may change
 *	(SO_BINDTODEVICE)
 * @kind: enum xtcp_kind; constant for the object's life
 * @family: AF_INET, AF_INET6; of a listener for both, AF_UNSPEC
 * @mapped: of a record: an IPv4 connection of an IPv6 socket
 * @source_bits: of a half-open record: as part of a source of so many bits of
 *	the peer's address it is counted by open/source.c; 0: it isn't
 * @state: enum xtcp_state; written by lifecycle.c only
 * @wire: IP protocol number of its segments
 * @ref: references of a record; a socket is counted by sk_refcnt instead
 * @uncopied: has no size. It is constant, so the compiler refuses to assign a flow,
 *	or what holds one, as a whole: the count of one is not another's
 *
 * The words of addresses and ports stand in struct xtcp_key once more. As a
 * structure of their own they would be 16 octets for 12, for they are aligned to
 * eight, and this one 40; and each use would have to name the member.
 *
 * A wide address has no room here. Both stand behind the record, or in the
 * kernel's part of the socket; xtcp_flow_addrs6() says where. The digests are
 * keyed, so that nobody outside can make many connections look alike, and tell
 * two flows apart before the addresses are looked at.
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
				family:5;
	u8			source_bits;
	u8			state;
	u8			wire;
	refcount_t		ref;
	const struct { }	uncopied;
};

static_assert(sizeof(struct xtcp_flow) == 32);

/* Octets of a record, behind which its wide addresses stand. */
#define XTCP_RECORD_LEN		96

/**
 * struct xtcp_key - what a segment or a new connection is looked up by
 * @laddr: local address, or a digest of it where it is a wide one
 * @raddr: peer's address, or a digest of it
 * @addrs: both, for a comparison
 * @lport: local port
 * @rport: peer's port
 * @ports: both
 * @dif: device the segment came in on, or the one a new socket is bound to
 * @sdif: its l3mdev slave device, else 0
 * @bound_only: it came in on a VRF, and is not for who is bound to no device;
 *	net/device.h
 * @family: AF_INET, AF_INET6
 * @wire: IP protocol number
 * @v6: the addresses themselves, where they are wide; else undefined
 *
 * Addresses and ports are written as in struct xtcp_flow, which says why they
 * are written twice.
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
 * xtcp_device_matches - does a socket get segments that came in there
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

/* Do addresses of this family not fit into 32 bits? */
static inline bool xtcp_family_is_wide(u8 family)
{
	return IS_ENABLED(CONFIG_IPV6) && unlikely(family == AF_INET6);
}

/**
 * struct xtcp_flow_ops - what a kind of record does in its own way
 * @free: the last reference has gone
 */
struct xtcp_flow_ops {
	void	(*free)(struct xtcp_flow *flow);
};

void xtcp_flow_register(enum xtcp_kind kind, const struct xtcp_flow_ops *ops);
void xtcp_flow_init_hash(void);
int xtcp_flow_net_init(struct net *net);
void xtcp_flow_net_exit(struct net *net);

/**
 * xtcp_flow_hold_new - a record is ready to be found
 * @flow: its head; all of the record is filled in that is not written under the
 *	locks of those who are about to have it
 * @refs: references, of those who are about to have it
 *
 * Nothing else sets a count. The memory was another record's, at which a reader
 * may still look; he takes no reference while the count is 0, which the other
 * record left. From here on he may take one, until he sees that it is another
 * record: so a count that is set twice, or copied, loses his.
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
bool xtcp_flow_replace(struct net *net, struct xtcp_flow *old,
		       struct xtcp_flow *new);

struct xtcp_flow *xtcp_flow_lookup_rcu(struct net *net,
				       const struct xtcp_key *key);
struct sock *xtcp_flow_lookup_sk_rcu(struct net *net,
				     const struct xtcp_key *key);
void xtcp_flow_put(struct xtcp_flow *flow);

/**
 * struct xtcp_flow_table - a flow table between two changes of its size
 * @seed: of its hash
 * @size: buckets; 0: no table
 *
 * The two tell one table from another.
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
