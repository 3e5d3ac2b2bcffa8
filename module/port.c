// SPDX-License-Identifier: GPL-2.0
/*
 * port.c - who holds which local port
 *
 * RFC 9293 3.9.1.1 (local socket), RFC 6056 (ephemeral ports), and stock's
 * rules for bind(), listen() and connect(), which users know by their
 * EADDRINUSE.
 *
 * A struct xtcp_port stands for a local port in use at one local address. It
 * lists the sockets there, whatever gave them the port (bind, listen, connect,
 * or the listener that they are children of), and counts the time-wait
 * records that their connections left behind. It goes when both are gone. A
 * record of a client keeps one alive for itself alone, as a rule; so it is
 * small, and ports whose records had other sharing options have one for each
 * of these classes.
 *
 *  - bind() and listen() must not overlap in address and device with anyone
 *    who doesn't want to share. SO_REUSEADDR on both sides shares unless the
 *    other listens; SO_REUSEPORT on both sides shares between sockets of one
 *    user; for a time-wait record its socket's options go on counting.
 *  - connect() without a port takes one that nobody asked for by number, and
 *    shares it with other connects: only the 4-tuple has to be new. Stock's
 *    parity is kept: connect() begins with ports of the range's first parity,
 *    bind() to port 0 with the others, so that they seldom meet.
 *
 * Locks: a chain's lock guards its buckets, their owners and counts, and
 * xs->port and xs->port_listens of the owners. It is taken with softirqs off,
 * under the socket lock, one chain at a time; the flow table is entered under
 * it. What others' sockets say of themselves (address, device, sharing
 * options) is read without their locks: as in stock, a setsockopt() during the
 * check counts or doesn't.
 */
#include "port.h"

#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/ip.h>

#include "close/timewait.h"
#include "flow.h"
#include "net/family.h"
#include "netns.h"
#include "open/isn.h"
#include "tcb.h"
#include "user/stats.h"

/* Which sharing options a socket has, or that of a time-wait record had. */
#define CLASS_REUSE	1
#define CLASS_REUSEPORT	2

/**
 * struct place - where a port is used
 * @laddr: local address, or a digest of it (flow.h), 0 for any
 * @family: of @laddr; AF_UNSPEC: any address of either
 *
 * Two addresses with one digest are one to bind(): of two thousand million
 * pairs, one is.
 */
struct place {
	__be32			laddr;
	u8			family;
};

/**
 * struct xtcp_port - a port in use at one local address
 * @next: in its chain
 * @owners: sockets, by sk_bind_node; of @class when they came
 * @at: local address
 * @tw: time-wait records of @class
 * @num: port
 * @class: CLASS_*
 * @shared: nobody asked for it by number, so that connect() may take it too
 */
struct xtcp_port {
	struct xtcp_port	*next;
	struct hlist_head	owners;
	struct place		at;
	u32			tw;
	u16			num;
	u8			class;
	bool			shared;
};

#if BITS_PER_LONG == 64
/* With the time-wait record that keeps it alive: 128. */
static_assert(sizeof(struct xtcp_port) == 32);
#endif

/**
 * struct claim - what a socket wants of a port
 * @sk: socket; doesn't conflict with itself
 * @at: local address
 * @ifindex: device, 0 for any
 * @uid: owner
 * @reuse: SO_REUSEADDR
 * @reuseport: SO_REUSEPORT
 * @by_number: a certain port is wanted, so that SO_REUSEPORT may share it
 * @crowd: SO_REUSEADDR may share it
 */
struct claim {
	const struct sock	*sk;
	struct place		at;
	int			ifindex;
	kuid_t			uid;
	bool			reuse;
	bool			reuseport;
	bool			by_number;
	bool			crowd;
};

/**
 * struct port_range - ports in the order in which they are tried
 * @low: first of the range
 * @count: how many
 * @start: offset to begin at, even
 * @odd: offsets that are odd come first
 */
struct port_range {
	u32	low;
	u32	count;
	u32	start;
	bool	odd;
};

static struct kmem_cache *port_cache __read_mostly;

static struct xtcp_port *port_alloc(gfp_t gfp)
{
	return kmem_cache_alloc(port_cache, gfp);
}

static void port_free(struct xtcp_port *port)
{
	if (port)
		kmem_cache_free(port_cache, port);
}

static struct xtcp_port_chain *chain_of(const struct net *net, u16 num)
{
	return &xtcp_net(net)->ports[num & (XTCP_PORT_BUCKETS - 1)];
}

static struct xtcp_port_chain *chain_lock(const struct net *net, u16 num)
	__acquires(chain)
{
	struct xtcp_port_chain *chain = chain_of(net, num);

	spin_lock_bh(&chain->lock);
	return chain;
}

static void chain_unlock(struct xtcp_port_chain *chain)
	__releases(chain)
{
	spin_unlock_bh(&chain->lock);
}

static struct place place_of_flow(const struct xtcp_flow *flow)
{
	return (struct place){ .laddr = flow->laddr, .family = flow->family };
}

/* Where a socket is bound. */
static struct place place_of_sk(const struct sock *sk)
{
	struct xtcp_key key;

	xtcp_family_of(sk)->bound(sk, &key);
	return (struct place){ .laddr = key.laddr, .family = key.family };
}

static bool places_are_one(struct place a, struct place b)
{
	return a.laddr == b.laddr && a.family == b.family;
}

static bool places_overlap(struct place a, struct place b)
{
	return (a.family == b.family || !a.family || !b.family) &&
	       (a.laddr == b.laddr || !a.laddr || !b.laddr);
}

static struct xtcp_port *port_find(const struct xtcp_port_chain *chain, u16 num,
				   struct place at, u8 class)
{
	struct xtcp_port *port;

	lockdep_assert_held(&chain->lock);
	for (port = chain->first; port; port = port->next)
		if (port->num == num && places_are_one(port->at, at) &&
		    port->class == class)
			return port;
	return NULL;
}

/* Finds the bucket or makes it from @spare, which is NULL then. */
static struct xtcp_port *port_get(struct xtcp_port_chain *chain, u16 num,
				  struct place at, u8 class,
				  struct xtcp_port **spare)
{
	struct xtcp_port *port = port_find(chain, num, at, class);

	if (port || !*spare)
		return port;
	port = *spare;
	*spare = NULL;
	*port = (struct xtcp_port) {
		.next	= chain->first,
		.at	= at,
		.num	= num,
		.class	= class,
		.shared	= true,
	};
	chain->first = port;
	return port;
}

/* Somebody has gone: the last one takes the bucket along. */
static void port_put(struct xtcp_port_chain *chain, struct xtcp_port *port)
{
	struct xtcp_port **link = &chain->first;

	lockdep_assert_held(&chain->lock);
	if (!hlist_empty(&port->owners) || port->tw)
		return;
	while (*link != port)
		link = &(*link)->next;
	*link = port->next;
	port_free(port);
}

static u8 class_of(const struct sock *sk)
{
	return (sk->sk_reuse ? CLASS_REUSE : 0) |
	       (sk->sk_reuseport ? CLASS_REUSEPORT : 0);
}

static void owner_add(struct sock *sk, struct xtcp_port *port)
{
	sk_add_bind_node(sk, &port->owners);
	xtcp_sk(sk)->port = port;
}

static void owner_del(struct xtcp_port_chain *chain, struct sock *sk)
{
	struct xtcp_port *port = xtcp_sk(sk)->port;

	__sk_del_bind_node(sk);
	xtcp_sk(sk)->port = NULL;
	port_put(chain, port);
}

static void claim_init(struct claim *claim, const struct sock *sk)
{
	*claim = (struct claim) {
		.sk		= sk,
		.at		= place_of_sk(sk),
		.ifindex	= READ_ONCE(sk->sk_bound_dev_if),
		.uid		= sk_uid(sk),
		.reuse		= sk->sk_reuse,
		.reuseport	= sk->sk_reuseport,
	};
}

/* @port_too: both have SO_REUSEPORT, and the user is the same. */
static bool claim_may_share(const struct claim *claim, bool reuse,
			    bool listens, bool port_too)
{
	if (claim->reuse && reuse && !listens)
		return claim->crowd && (claim->by_number || !port_too);
	return claim->by_number && port_too;
}

static bool devices_overlap(int a, int b)
{
	return a == b || !a || !b;
}

static bool claim_meets_owner(const struct claim *claim, struct sock *other)
{
	bool port_too;

	if (other == claim->sk ||
	    !places_overlap(claim->at, place_of_sk(other)) ||
	    !devices_overlap(claim->ifindex, READ_ONCE(other->sk_bound_dev_if)))
		return false;
	port_too = claim->reuseport && other->sk_reuseport &&
		   uid_eq(claim->uid, sk_uid(other));
	return !claim_may_share(claim, other->sk_reuse,
				xtcp_sk(other)->port_listens, port_too);
}

/* The records' devices are not kept: any device meets them. */
static bool claim_meets_timewait(const struct claim *claim,
				 const struct xtcp_port *port)
{
	return port->tw && places_overlap(claim->at, port->at) &&
	       !claim_may_share(claim, port->class & CLASS_REUSE, false,
				claim->reuseport &&
				port->class & CLASS_REUSEPORT);
}

static bool claim_conflicts(const struct claim *claim,
			    const struct xtcp_port_chain *chain, u16 num)
{
	struct xtcp_port *port;
	struct sock *other;

	lockdep_assert_held(&chain->lock);
	for (port = chain->first; port; port = port->next) {
		if (port->num != num)
			continue;
		if (claim_meets_timewait(claim, port))
			return true;
		sk_for_each_bound(other, &port->owners)
			if (claim_meets_owner(claim, other))
				return true;
	}
	return false;
}

/* bind() at one port; listen() comes here again for a socket that holds it. */
static int bind_try(struct sock *sk, const struct claim *claim, u16 num,
		    bool listens, struct xtcp_port **spare)
{
	struct xtcp_port_chain *chain = chain_lock(sock_net(sk), num);
	struct xtcp_port *port;
	int err = -EADDRINUSE;

	if (claim_conflicts(claim, chain, num))
		goto unlock;
	if (!xtcp_sk(sk)->port) {
		err = -ENOMEM;
		port = port_get(chain, num, claim->at, class_of(sk), spare);
		if (!port)
			goto unlock;
		owner_add(sk, port);
	}
	xtcp_sk(sk)->port->shared = false;
	xtcp_sk(sk)->port_listens = listens;
	inet_sk(sk)->inet_num = num;
	err = 0;
unlock:
	chain_unlock(chain);
	return err;
}

/* The @i-th port to try; @i below @range->count + 1 names each at least once. */
static u16 range_port(const struct port_range *range, u32 i)
{
	u32 half = (range->count + 1) / 2;
	bool second = i >= half;
	u32 step = second ? i - half : i;

	return range->low + (range->start + 2 * step +
			     (range->odd ^ second)) % range->count;
}

/* @where: any number, evenly spread. */
static void range_init(struct port_range *range, const struct sock *sk,
		       u32 where, bool odd)
{
	int low, high;

	inet_sk_get_local_port_range(sk, &low, &high);
	range->low = low;
	range->count = high - low + 1;
	range->start = (where % range->count) & ~1U;
	range->odd = odd;
}

static int bind_scan(struct sock *sk, const struct claim *claim,
		     bool listens, struct xtcp_port **spare)
{
	struct port_range range;
	int err = -EADDRINUSE;
	u32 i;
	u16 num;

	range_init(&range, sk, get_random_u32(), true);
	for (i = 0; i <= range.count && err == -EADDRINUSE; i++) {
		num = range_port(&range, i);
		if (!inet_is_local_reserved_port(sock_net(sk), num))
			err = bind_try(sk, claim, num, listens, spare);
		cond_resched();
	}
	return err;
}

/*
 * Any port: one that is all ours; if there is none left and
 * net.ipv4.ip_autobind_reuse allows it, one that SO_REUSEADDR shares.
 */
static int bind_any(struct sock *sk, struct claim *claim, bool listens,
		    struct xtcp_port **spare)
{
	int err = bind_scan(sk, claim, listens, spare);

	if (err != -EADDRINUSE ||
	    !READ_ONCE(sock_net(sk)->ipv4.sysctl_ip_autobind_reuse))
		return err;
	claim->crowd = true;
	return bind_scan(sk, claim, listens, spare);
}

static int bind_port(struct sock *sk, u16 num, bool listens)
{
	struct xtcp_port *spare = port_alloc(GFP_KERNEL);
	struct claim claim;
	int err;

	claim_init(&claim, sk);
	if (num) {
		claim.by_number = true;
		claim.crowd = true;
		err = bind_try(sk, &claim, num, listens, &spare);
	} else {
		err = bind_any(sk, &claim, listens, &spare);
	}
	port_free(spare);
	return err;
}

/**
 * xtcp_port_bind - get_port of struct proto: bind(2)
 * @sk: socket; inet_rcv_saddr is the address it wants
 * @port: port, or 0 for any
 *
 * Context: socket lock, process.
 * Return: 0 with inet_num set; -EADDRINUSE; -ENOMEM.
 */
int xtcp_port_bind(struct sock *sk, unsigned short port)
{
	return bind_port(sk, port, false);
}

/**
 * xtcp_port_listen - listen(2) begins
 * @sk: socket; takes any port when it has none
 *
 * Two sockets with SO_REUSEADDR may be bound alike, but only one of them may
 * listen, so that the check is made again, as if in LISTEN.
 *
 * Context: socket lock, process.
 * Return: 0 with inet_num and inet_sport set; -EADDRINUSE; -ENOMEM.
 */
int xtcp_port_listen(struct sock *sk)
{
	struct inet_sock *inet = inet_sk(sk);
	int err = bind_port(sk, inet->inet_num, true);

	if (!err)
		inet->inet_sport = htons(inet->inet_num);
	return err;
}

/**
 * xtcp_port_unlisten - the socket listens no longer, but may keep its port
 * @sk: socket
 *
 * Context: socket lock.
 */
void xtcp_port_unlisten(struct sock *sk)
{
	struct xtcp_port_chain *chain;

	if (!inet_sk(sk)->inet_num)
		return;
	chain = chain_lock(sock_net(sk), inet_sk(sk)->inet_num);
	xtcp_sk(sk)->port_listens = false;
	chain_unlock(chain);
}

/* LC-90: a connection in TIME-WAIT makes room for its next incarnation. */
static bool timewait_replace(struct sock *sk, struct xtcp_timewait *tw,
			     bool bound)
{
	struct net *net = sock_net(sk);

	if (!xtcp_timewait_may_reuse(net, tw, bound) ||
	    !xtcp_flow_replace(net, &tw->flow, &xtcp_sk(sk)->flow))
		return false;
	xtcp_timewait_hand_over(tw, sk);
	return true;
}

/*
 * Enters @sk into the flow table. @bound: its user chose the port. @tw:
 * time-wait record that gave way, with the reference of the lookup; it is to
 * end once the chain lock is gone.
 */
static int flow_claim(struct sock *sk, bool bound, struct xtcp_timewait **tw)
{
	struct xtcp_flow *clash;
	int err;

	do {
		clash = NULL;
		err = xtcp_flow_insert(sock_net(sk), &xtcp_sk(sk)->flow,
				       &clash);
	} while (err == -EEXIST && !clash);
	if (err != -EEXIST)
		return err;
	if (clash->kind == XTCP_KIND_TIMEWAIT) {
		*tw = container_of(clash, struct xtcp_timewait, flow);
		if (timewait_replace(sk, *tw, bound))
			return 0;
		*tw = NULL;
	}
	xtcp_flow_put(clash);
	return -EADDRNOTAVAIL;
}

static void timewait_end(struct net *net, struct xtcp_timewait *tw)
{
	if (!tw)
		return;
	XTCP_INC(net, TW_RECYCLED);
	xtcp_timewait_succeeded(net, tw, XTCP_EV_TIME_WAIT_REUSE);
	xtcp_flow_put(&tw->flow);
}

static void local_port_set(struct sock *sk, u16 num)
{
	inet_sk(sk)->inet_num = num;
	inet_sk(sk)->inet_sport = htons(num);
	xtcp_sk(sk)->flow.lport = htons(num);
}

/*
 * The socket has a port. If it was bound to any address, it moves to the
 * bucket of the one that its connection has now, where its time-wait record
 * will be counted; without memory for that it stays.
 */
static int connect_bound(struct sock *sk, struct xtcp_timewait **tw,
			 struct xtcp_port **spare)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u16 num = inet_sk(sk)->inet_num;
	struct xtcp_port_chain *chain;
	struct xtcp_port *port;
	int err;

	chain = chain_lock(sock_net(sk), num);
	local_port_set(sk, num);
	err = flow_claim(sk, true, tw);
	if (!err && xs->port &&
	    !places_are_one(xs->port->at, place_of_flow(&xs->flow))) {
		port = port_get(chain, num, place_of_flow(&xs->flow),
				class_of(sk), spare);
		if (port) {
			port->shared = port->shared && xs->port->shared;
			owner_del(chain, sk);
			owner_add(sk, port);
		}
	}
	chain_unlock(chain);
	return err;
}

/* Did somebody ask for this port by number, at whatever address? */
static bool port_is_private(const struct xtcp_port_chain *chain, u16 num)
{
	const struct xtcp_port *port;

	for (port = chain->first; port; port = port->next)
		if (port->num == num && !port->shared)
			return true;
	return false;
}

static int connect_try(struct sock *sk, u16 num, struct xtcp_timewait **tw,
		       struct xtcp_port **spare)
{
	struct xtcp_port_chain *chain = chain_lock(sock_net(sk), num);
	int err = -EADDRNOTAVAIL;

	if (port_is_private(chain, num))
		goto unlock;
	local_port_set(sk, num);
	err = flow_claim(sk, false, tw);
	if (err)
		local_port_set(sk, 0);
	else
		owner_add(sk, port_get(chain, num,
				       place_of_flow(&xtcp_sk(sk)->flow),
				       class_of(sk), spare));
unlock:
	chain_unlock(chain);
	return err;
}

/*
 * RFC 6056 3.3.4, algorithm 4: the keyed hash gives each peer a place of its
 * own to begin at, a counter moves it on, and a random step now and then
 * keeps the next port from being known.
 */
static int connect_any(struct sock *sk, struct xtcp_timewait **tw,
		       struct xtcp_port **spare)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	int err = -EADDRNOTAVAIL;
	struct port_range range;
	struct xtcp_key key;
	u32 *counter, i;
	u64 offset;
	u16 num;

	xtcp_key_from_flow(&key, &xs->flow);
	offset = xtcp_isn_port_offset(xs->af, &key);
	counter = &xtcp_net(net)->perturb[offset & (XTCP_PERTURB_SLOTS - 1)];
	range_init(&range, sk, READ_ONCE(*counter) + (u32)(offset >> 32),
		   false);
	for (i = 0; i <= range.count && err == -EADDRNOTAVAIL; i++) {
		num = range_port(&range, i);
		if (!inet_is_local_reserved_port(net, num))
			err = connect_try(sk, num, tw, spare);
		cond_resched();
	}
	if (!err) {
		i = max(i, get_random_u32() % 8 + 1);
		WRITE_ONCE(*counter, READ_ONCE(*counter) + 2 * i);
	} else if (err == -EADDRNOTAVAIL) {
		XTCP_INC(net, NO_PORT_LEFT);
	}
	return err;
}

/**
 * xtcp_port_connect - connect(2) enters the flow table
 * @sk: socket; its flow is named but for the local port, if it has none
 *
 * When a time-wait record gave way, xs->iss is the ISN to use and TS.Recent is
 * set; neither is touched otherwise.
 *
 * Context: socket lock, process.
 * Return: 0 with the local port set everywhere; -EADDRNOTAVAIL when the
 * 4-tuple is in use or no port is left; -ENOMEM.
 */
int xtcp_port_connect(struct sock *sk)
{
	struct xtcp_port *spare = port_alloc(GFP_KERNEL);
	struct xtcp_timewait *tw = NULL;
	int err;

	if (!spare)
		return -ENOMEM;
	if (inet_sk(sk)->inet_num)
		err = connect_bound(sk, &tw, &spare);
	else
		err = connect_any(sk, &tw, &spare);
	timewait_end(sock_net(sk), tw);
	port_free(spare);
	return err;
}

/**
 * xtcp_port_inherit - a child holds its listener's port too
 * @child: new socket, a clone, not yet visible
 * @listener: where it came from
 *
 * Without memory the child goes on without: a bind() may then miss it.
 *
 * Context: softirq or process.
 */
void xtcp_port_inherit(struct sock *child, struct sock *listener)
{
	struct xtcp_sock *xs = xtcp_sk(child);
	u16 num = ntohs(xs->flow.lport);
	struct xtcp_port_chain *chain;
	struct xtcp_port *spare = NULL;
	struct xtcp_port *port;

	xs->port = NULL;
	xs->port_listens = false;
	local_port_set(child, num);
	chain = chain_lock(sock_net(child), num);
	port = port_find(chain, num, place_of_flow(&xs->flow),
			 class_of(child));
	if (!port) {
		spare = port_alloc(GFP_ATOMIC);
		port = port_get(chain, num, place_of_flow(&xs->flow),
				class_of(child), &spare);
	}
	/* A listener gives this port back under this lock only. */
	if (!port && inet_sk(listener)->inet_num == num)
		port = xtcp_sk(listener)->port;
	if (port) {
		port->shared = false;
		owner_add(child, port);
	}
	chain_unlock(chain);
}

/**
 * xtcp_port_release - put_port of struct proto: give the port back
 * @sk: socket; may hold none
 *
 * Context: socket lock, or the last reference.
 */
void xtcp_port_release(struct sock *sk)
{
	struct xtcp_port_chain *chain;

	if (!inet_sk(sk)->inet_num)
		return;
	chain = chain_lock(sock_net(sk), inet_sk(sk)->inet_num);
	if (xtcp_sk(sk)->port)
		owner_del(chain, sk);
	xtcp_sk(sk)->port_listens = false;
	inet_sk(sk)->inet_num = 0;
	chain_unlock(chain);
}

static u8 timewait_class(const struct xtcp_timewait *tw)
{
	return (tw->reuse ? CLASS_REUSE : 0) |
	       (tw->reuseport ? CLASS_REUSEPORT : 0);
}

/**
 * xtcp_port_to_timewait - count a time-wait record at its socket's port
 * @sk: socket; keeps the port until xtcp_port_release()
 * @tw: its record, not yet visible, its flow named
 *
 * Without memory, which takes a bucket at another address or of another
 * class than the connection's, the record is not counted and @tw->port_held stays 0.
 *
 * Context: socket lock, softirq or process.
 */
void xtcp_port_to_timewait(struct sock *sk, struct xtcp_timewait *tw)
{
	u16 num = ntohs(tw->flow.lport);
	struct xtcp_port_chain *chain;
	struct xtcp_port *spare = NULL;
	struct xtcp_port *port;

	tw->reuse = !!sk->sk_reuse;
	tw->reuseport = !!sk->sk_reuseport;
	tw->port_held = 0;
	chain = chain_lock(sock_net(sk), num);
	port = port_find(chain, num, place_of_flow(&tw->flow),
			 timewait_class(tw));
	if (!port) {
		spare = port_alloc(GFP_ATOMIC);
		port = port_get(chain, num, place_of_flow(&tw->flow),
				timewait_class(tw), &spare);
		if (port && xtcp_sk(sk)->port)
			port->shared = xtcp_sk(sk)->port->shared;
	}
	if (port) {
		port->tw++;
		tw->port_held = 1;
	}
	chain_unlock(chain);
}

/**
 * xtcp_port_timewait_release - a time-wait record ends
 * @net: namespace
 * @tw: record; a second call does nothing
 *
 * Context: any, without a chain lock.
 */
void xtcp_port_timewait_release(struct net *net, struct xtcp_timewait *tw)
{
	u16 num = ntohs(tw->flow.lport);
	struct xtcp_port_chain *chain;
	struct xtcp_port *port;

	chain = chain_lock(net, num);
	if (tw->port_held) {
		tw->port_held = 0;
		port = port_find(chain, num, place_of_flow(&tw->flow),
				 timewait_class(tw));
		if (!WARN_ON_ONCE(!port)) {
			port->tw--;
			port_put(chain, port);
		}
	}
	chain_unlock(chain);
}

/**
 * xtcp_port_init - at load
 *
 * Return: 0 or -ENOMEM.
 */
int xtcp_port_init(void)
{
	port_cache = kmem_cache_create("xtcp_port", sizeof(struct xtcp_port),
				       0, SLAB_ACCOUNT | SLAB_NO_MERGE, NULL);
	return port_cache ? 0 : -ENOMEM;
}

/**
 * xtcp_port_exit - at unload; no namespace is left
 */
void xtcp_port_exit(void)
{
	kmem_cache_destroy(port_cache);
}

/**
 * xtcp_port_net_init - chains and counters of a namespace
 * @net: namespace
 *
 * Return: 0 or -ENOMEM.
 */
int xtcp_port_net_init(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);
	unsigned int i;

	xn->ports = kvmalloc_array(XTCP_PORT_BUCKETS, sizeof(*xn->ports),
				   GFP_KERNEL_ACCOUNT);
	xn->perturb = kmalloc_array(XTCP_PERTURB_SLOTS, sizeof(*xn->perturb),
				    GFP_KERNEL_ACCOUNT);
	if (!xn->ports || !xn->perturb) {
		kvfree(xn->ports);
		kfree(xn->perturb);
		return -ENOMEM;
	}
	for (i = 0; i < XTCP_PORT_BUCKETS; i++) {
		spin_lock_init(&xn->ports[i].lock);
		xn->ports[i].first = NULL;
	}
	get_random_bytes(xn->perturb, XTCP_PERTURB_SLOTS * sizeof(u32));
	return 0;
}

/**
 * xtcp_port_net_exit - undo xtcp_port_net_init()
 * @net: namespace; its sockets and records are gone
 */
void xtcp_port_net_exit(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);
	unsigned int i;

	for (i = 0; i < XTCP_PORT_BUCKETS; i++)
		WARN_ON_ONCE(xn->ports[i].first);
	kvfree(xn->ports);
	kfree(xn->perturb);
}
