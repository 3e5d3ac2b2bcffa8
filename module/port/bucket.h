/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bucket.h - the table of port buckets
 *
 * For the files of this directory only; the rest of the module uses port.h.
 */
#ifndef XTCP_PORT_BUCKET_H
#define XTCP_PORT_BUCKET_H

#include <linux/container_of.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "flow.h"
#include "net/family.h"
#include "netns.h"
#include "tcb.h"

struct xtcp_port_crowd;
struct xtcp_shadow;

/*
 * Each port below PROT_SOCK, which users cannot bind by default, has a chain of its own: a user who
 * binds other ports all the time could keep the lock of a shared one. The other ports share
 * XTCP_PORT_SHARED chains, a power of two.
 */
#define XTCP_PORT_SHARED	4096
#define XTCP_PORT_CHAINS	(PROT_SOCK + XTCP_PORT_SHARED)

/* Sharing options of the sockets, also of those of TIME-WAIT records. */
#define XTCP_PORT_REUSE		1
#define XTCP_PORT_REUSEPORT	2
/* The wire. The two wires have separate ports. */
#define XTCP_PORT_TCP_WIRE	4

/**
 * struct xtcp_bind_addr - address and family of a port bucket
 * @laddr: local address, or its digest (flow.h); 0 for any
 * @family: family of @laddr; AF_UNSPEC for any address of either family
 *
 * bind() takes two IPv6 addresses with the same digest for the same address. Of
 * four thousand million pairs, one has the same digest.
 */
struct xtcp_bind_addr {
	__be32			laddr;
	u8			family;
};

/**
 * struct xtcp_port - port bucket: a port in use at one local address
 * @next: next bucket in the list
 * @owners: sockets, by sk_bind_node, of class @class; see xtcp_port_options_changed()
 * @laddr: local address, as in struct xtcp_bind_addr
 * @tw: number of TIME-WAIT records
 * @listeners: owners that listen (xs->port_listens)
 * @tw_cleared: the socket of a TIME-WAIT record had cleared SO_REUSEPORT, which @class has
 * @cleared: an owner that is bound to @laddr may have cleared SO_REUSEPORT, which @class has
 * @stray: an owner may have other options than @class: no other bucket could take it, or it
 *	has cleared SO_REUSEPORT and listens. Each owner is checked by itself
 * @shared: no socket bound the port explicitly; connect() may take it, too
 * @mixed: the owners belong to several users
 * @num: port
 * @family: family of @laddr, as in struct xtcp_bind_addr
 * @class: XTCP_PORT_*
 */
struct xtcp_port {
	struct xtcp_port	*next;
	struct hlist_head	owners;
	__be32			laddr;
	u32			tw;
	u32			listeners:27,
				tw_cleared:1,
				cleared:1,
				stray:1,
				shared:1,
				mixed:1;
	u16			num;
	u8			family;
	u8			class;
};

/* With the TIME-WAIT record that keeps it alive: 128 bytes. */
static_assert(sizeof(struct xtcp_port) == 32);

/**
 * struct xtcp_large_port - port bucket of the TCP wire, or of SO_REUSEPORT
 * @port: bucket
 * @ifindex: of the TCP wire: device, 0 for any; part of the key
 * @uid: with XTCP_PORT_REUSEPORT: user of the first owner when it was added, or of the first
 *	TIME-WAIT record with @port.tw_cleared. accept() changes the user of a child, which
 *	is an owner, too
 * @shadow: of the TCP wire: holds the port in the kernel's bind table; NULL
 *	until it is open. Set once, under the chain lock
 */
struct xtcp_large_port {
	struct xtcp_port	port;
	int			ifindex;
	kuid_t			uid;
	struct xtcp_shadow	*shadow;
};

/**
 * xtcp_tcp_port - the TCP wire's part of a port bucket
 * @port: bucket
 *
 * Return: that part, or NULL for a bucket of the native wire.
 */
static inline struct xtcp_large_port *xtcp_tcp_port(struct xtcp_port *port)
{
	return port->class & XTCP_PORT_TCP_WIRE ?
	       container_of(port, struct xtcp_large_port, port) : NULL;
}

/**
 * xtcp_port_ifindex - the device in the key of a port bucket
 * @port: bucket
 *
 * Return: the device that its shadow covers at least; 0: any, or the native wire.
 */
static inline int xtcp_port_ifindex(struct xtcp_port *port)
{
	const struct xtcp_large_port *tcp = xtcp_tcp_port(port);

	return tcp ? tcp->ifindex : 0;
}

/**
 * xtcp_port_uid - the user whose sockets share a port bucket by SO_REUSEPORT
 * @port: bucket with XTCP_PORT_REUSEPORT that has owners, or @tw_cleared
 *
 * Context: chain lock.
 * Return: the user of its first owner. With @port->mixed there are others.
 */
static inline kuid_t xtcp_port_uid(const struct xtcp_port *port)
{
	return container_of(port, struct xtcp_large_port, port)->uid;
}

/**
 * xtcp_port_shadow - a port bucket's shadow
 * @port: bucket; may be NULL
 *
 * Context: chain lock.
 * Return: the shadow, or NULL.
 */
static inline struct xtcp_shadow *xtcp_port_shadow(struct xtcp_port *port)
{
	struct xtcp_large_port *tcp = port ? xtcp_tcp_port(port) : NULL;

	return tcp ? tcp->shadow : NULL;
}

/**
 * xtcp_port_may_move - may an owner change to another bucket of its number
 * @from: its bucket
 * @to: the other one; NULL: there was no memory for it
 *
 * Not if @to has a shadow of its own: that may hold the port at one address only, and have no
 * listener.
 *
 * Context: chain lock.
 * Return: true if it may; xtcp_port_owner_move() does it.
 */
static inline bool xtcp_port_may_move(struct xtcp_port *from, struct xtcp_port *to)
{
	return to && (!xtcp_port_shadow(to) || xtcp_port_shadow(to) == xtcp_port_shadow(from));
}

/**
 * xtcp_port_bind_addr - a port bucket's bind address
 * @port: bucket
 *
 * Return: the address and family.
 */
static inline struct xtcp_bind_addr
xtcp_port_bind_addr(const struct xtcp_port *port)
{
	return (struct xtcp_bind_addr){
		.laddr = port->laddr, .family = port->family,
	};
}

/**
 * struct xtcp_port_chain - port buckets whose numbers hash to the same chain
 * @lock: guards the chain and its buckets; softirqs off
 * @nr: number of buckets
 * @crowded: there are many buckets, hashed by number and address in @crowd
 * @first: list of all buckets, if there are few
 * @crowd: hash table of the buckets, if there are many; port/bucket.c
 */
struct xtcp_port_chain {
	spinlock_t			lock;	/* softirqs off */
	u32				nr:31,
					crowded:1;
	union {
		struct xtcp_port	*first;
		struct xtcp_port_crowd	*crowd;
	};
};

/**
 * xtcp_port_chain_lock - lock the chain of a port
 * @net: namespace
 * @num: port
 *
 * Context: any, without another chain's lock.
 * Return: the chain.
 */
static inline struct xtcp_port_chain *
xtcp_port_chain_lock(const struct net *net, u16 num)
	__acquires(chain)
{
	u32 index = num < PROT_SOCK ? num : PROT_SOCK + (num & (XTCP_PORT_SHARED - 1));
	struct xtcp_port_chain *chain = &xtcp_net(net)->ports[index];

	spin_lock_bh(&chain->lock);
	return chain;
}

/**
 * xtcp_port_chain_unlock - undo xtcp_port_chain_lock()
 * @chain: what it returned
 */
static inline void xtcp_port_chain_unlock(struct xtcp_port_chain *chain)
	__releases(chain)
{
	spin_unlock_bh(&chain->lock);
}

/**
 * xtcp_bind_addr_of_flow - bind address of a connection
 * @flow: flow of the connection
 *
 * Return: its local address and family.
 */
static inline struct xtcp_bind_addr
xtcp_bind_addr_of_flow(const struct xtcp_flow *flow)
{
	return (struct xtcp_bind_addr){
		.laddr = flow->laddr, .family = flow->family,
	};
}

/**
 * xtcp_bind_addr_of_sk - bind address of a socket
 * @sk: socket; need not be locked
 *
 * Return: the address and family that it is bound to.
 */
static inline struct xtcp_bind_addr
xtcp_bind_addr_of_sk(const struct sock *sk)
{
	struct xtcp_key key;

	xtcp_family_of(sk)->addr->bound(sk, &key);
	return (struct xtcp_bind_addr){
		.laddr = key.laddr, .family = key.family,
	};
}

/**
 * xtcp_bind_addrs_equal - compare two bind addresses
 * @a: an address
 * @b: another address
 *
 * Return: true if @a and @b are the same address.
 */
static inline bool xtcp_bind_addrs_equal(struct xtcp_bind_addr a,
					 struct xtcp_bind_addr b)
{
	return a.laddr == b.laddr && a.family == b.family;
}

/**
 * xtcp_bind_addr_covers - check whether an address includes another one
 * @a: the address that may be a wildcard
 * @b: the other address
 *
 * Return: true if every connection at @b is also at @a.
 */
static inline bool xtcp_bind_addr_covers(struct xtcp_bind_addr a,
					 struct xtcp_bind_addr b)
{
	return (a.family == b.family || !a.family) &&
	       (a.laddr == b.laddr || !a.laddr);
}

/**
 * xtcp_bind_addrs_overlap - check whether two addresses have one in common
 * @a: an address
 * @b: another address
 *
 * Return: true if @a and @b are the same address, or one of them is a wildcard
 * that includes the other.
 */
static inline bool xtcp_bind_addrs_overlap(struct xtcp_bind_addr a,
					   struct xtcp_bind_addr b)
{
	return (a.family == b.family || !a.family || !b.family) &&
	       (a.laddr == b.laddr || !a.laddr || !b.laddr);
}

/**
 * xtcp_port_wire_class - the wire's bit of a class
 * @wire: XTCP_WIRE_*
 *
 * Return: XTCP_PORT_TCP_WIRE or 0.
 */
static inline u8 xtcp_port_wire_class(u8 wire)
{
	return wire == XTCP_WIRE_TCP ? XTCP_PORT_TCP_WIRE : 0;
}

/**
 * xtcp_port_class - class of the bucket that a socket belongs to
 * @sk: socket
 *
 * Return: XTCP_PORT_* flags.
 */
static inline u8 xtcp_port_class(const struct sock *sk)
{
	return (sk->sk_reuse ? XTCP_PORT_REUSE : 0) |
	       (sk->sk_reuseport ? XTCP_PORT_REUSEPORT : 0) |
	       xtcp_port_wire_class(xtcp_sk(sk)->flow.wire);
}

/**
 * xtcp_port_class_of_next - class of the next bucket of a socket, or of its child
 * @sk: the new owner
 * @port: bucket of the same number that it, or its listener, has; may be NULL
 *
 * As in the kernel's TCP, sockets that have shared a port by SO_REUSEPORT go on to do so when one
 * of them clears the option, until it listens (bind_try()).
 *
 * Return: XTCP_PORT_* flags.
 */
static inline u8 xtcp_port_class_of_next(const struct sock *sk, const struct xtcp_port *port)
{
	return xtcp_port_class(sk) |
	       (port && !port->stray ? port->class & XTCP_PORT_REUSEPORT : 0);
}

struct xtcp_port *xtcp_port_alloc(u8 class, gfp_t gfp);
void xtcp_port_free(struct xtcp_port *port);
void xtcp_port_set_stray(struct xtcp_port *port);
void xtcp_port_give_shadow(struct xtcp_port *port, struct xtcp_shadow **shadow);
void xtcp_port_inherit_shadow(struct xtcp_port *port, struct xtcp_port *from);
unsigned int xtcp_port_lists(const struct xtcp_port_chain *chain, u16 num);
struct xtcp_port *xtcp_port_list(const struct xtcp_port_chain *chain, u16 num,
				 unsigned int i);
struct xtcp_port *xtcp_port_list_at(const struct xtcp_port_chain *chain,
				    u16 num, __be32 laddr);
bool xtcp_port_is_private(const struct xtcp_port_chain *chain, u16 num,
			  u8 class);
void xtcp_port_set_shared(struct xtcp_port_chain *chain, struct xtcp_port *port,
			  bool shared);
struct xtcp_port *xtcp_port_find(const struct xtcp_port_chain *chain, u16 num,
				 struct xtcp_bind_addr at, int ifindex, u8 class);
struct xtcp_port *xtcp_port_get(struct net *net, struct xtcp_port_chain *chain,
				u16 num, struct xtcp_bind_addr at, int ifindex,
				u8 class, struct xtcp_port **spare);

/**
 * xtcp_port_find_flow - find the bucket of a connection
 * @chain: chain of its local port, locked
 * @flow: flow of the connection
 * @class: XTCP_PORT_*
 *
 * Return: the bucket, or NULL.
 */
static inline struct xtcp_port *
xtcp_port_find_flow(const struct xtcp_port_chain *chain,
		    const struct xtcp_flow *flow, u8 class)
{
	return xtcp_port_find(chain, ntohs(flow->lport),
			      xtcp_bind_addr_of_flow(flow), flow->ifindex, class);
}

/**
 * xtcp_port_get_flow - find the bucket of a connection, or create it
 * @net: namespace
 * @chain: chain of its local port, locked
 * @flow: flow of the connection
 * @class: XTCP_PORT_*
 * @spare: as for xtcp_port_get()
 *
 * Return: the bucket; NULL if there is none and no spare one.
 */
static inline struct xtcp_port *
xtcp_port_get_flow(struct net *net, struct xtcp_port_chain *chain,
		   const struct xtcp_flow *flow, u8 class,
		   struct xtcp_port **spare)
{
	return xtcp_port_get(net, chain, ntohs(flow->lport),
			     xtcp_bind_addr_of_flow(flow), flow->ifindex, class,
			     spare);
}

void xtcp_port_put(struct net *net, struct xtcp_port_chain *chain,
		   struct xtcp_port *port);
void xtcp_port_note_cleared(struct xtcp_port *port, const struct sock *sk);
void xtcp_port_owner_add(struct sock *sk, struct xtcp_port *port);
void xtcp_port_owner_del(struct xtcp_port_chain *chain, struct sock *sk);
void xtcp_port_owner_move(struct xtcp_port_chain *chain, struct sock *sk,
			  struct xtcp_port *port);
void xtcp_port_set_listens(struct sock *sk, bool listens);
void xtcp_port_number(struct sock *sk, u16 num);

#endif /* XTCP_PORT_BUCKET_H */
