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
 * The two wires have ports of their own. Those of the TCP wire are shared with
 * the kernel's own TCP, which sees each of them through a shadow (shadow.c): a
 * claim has to pass our rules first, then the kernel's.
 *
 * Locks: a chain's lock guards its buckets, their owners and counts, and
 * xs->port and xs->port_listens of the owners. It is taken with softirqs off,
 * under the socket lock, one chain at a time; the flow table is entered under
 * it. What others' sockets say of themselves (address, device, sharing
 * options) is read without their locks: as in stock, a setsockopt() during the
 * check counts or doesn't.
 */
#include "port.h"

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <uapi/linux/xtcp.h>

#include "close/timewait.h"
#include "flow.h"
#include "net/family.h"
#include "netns.h"
#include "open/isn.h"
#include "shadow.h"
#include "tcb.h"
#include "user/stats.h"

/* Which sharing options a socket has, or that of a time-wait record had. */
#define CLASS_REUSE	1
#define CLASS_REUSEPORT	2
/* And its wire; ports of the other one are other ports. */
#define CLASS_TCP_WIRE	4

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
 * struct tcp_port - a port of the TCP wire
 * @port: its head
 * @ifindex: device, 0 for any; part of the name
 * @shadow: what holds it against the kernel's own TCP; NULL while that is
 *	being made. Set once, under the chain lock
 */
struct tcp_port {
	struct xtcp_port	port;
	int			ifindex;
	struct xtcp_shadow	*shadow;
};

/**
 * struct claim - what a socket wants of a port
 * @sk: socket; doesn't conflict with itself
 * @at: local address
 * @ifindex: device, 0 for any
 * @uid: owner
 * @wire: CLASS_TCP_WIRE or 0
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
	u8			wire;
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
static struct kmem_cache *tcp_port_cache __read_mostly;

static struct tcp_port *tcp_port(struct xtcp_port *port)
{
	return port->class & CLASS_TCP_WIRE ?
	       container_of(port, struct tcp_port, port) : NULL;
}

/* @class: which it will have. */
static struct xtcp_port *port_alloc(u8 class, gfp_t gfp)
{
	struct tcp_port *tcp;
	struct xtcp_port *port;

	if (likely(!(class & CLASS_TCP_WIRE))) {
		port = kmem_cache_alloc(port_cache, gfp);
		if (port)
			port->class = class;
		return port;
	}
	tcp = kmem_cache_alloc(tcp_port_cache, gfp);
	if (!tcp)
		return NULL;
	tcp->port.class = class;
	tcp->shadow = NULL;
	return &tcp->port;
}

static void port_free(struct xtcp_port *port)
{
	struct tcp_port *tcp = port ? tcp_port(port) : NULL;

	if (tcp) {
		xtcp_shadow_put(tcp->shadow);
		kmem_cache_free(tcp_port_cache, tcp);
	} else if (port) {
		kmem_cache_free(port_cache, port);
	}
}

/* The shadow of @port, or NULL; chain lock, or an owner's socket lock. */
static struct xtcp_shadow *port_shadow(struct xtcp_port *port)
{
	struct tcp_port *tcp = port ? tcp_port(port) : NULL;

	return tcp ? tcp->shadow : NULL;
}

/*
 * A new bucket takes over the shadow of the one that its owner comes from: a
 * child its listener's, a time-wait record its socket's. Chain lock.
 */
static void port_inherit_shadow(struct xtcp_port *port, struct xtcp_port *from)
{
	struct tcp_port *tcp = tcp_port(port);

	if (tcp && !tcp->shadow)
		tcp->shadow = xtcp_shadow_get(port_shadow(from));
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
				   struct place at, int ifindex, u8 class)
{
	struct xtcp_port *port;

	lockdep_assert_held(&chain->lock);
	for (port = chain->first; port; port = port->next)
		if (port->num == num && port->class == class &&
		    places_are_one(port->at, at) &&
		    (!(class & CLASS_TCP_WIRE) ||
		     tcp_port(port)->ifindex == ifindex))
			return port;
	return NULL;
}

/* Has anyone that number on the TCP wire? */
static bool num_is_held(const struct xtcp_port_chain *chain, u16 num)
{
	const struct xtcp_port *port;

	for (port = chain->first; port; port = port->next)
		if (port->num == num && port->class & CLASS_TCP_WIRE)
			return true;
	return false;
}

/* Finds the bucket or makes it from @spare, which is NULL then. */
static struct xtcp_port *port_get(struct net *net,
				  struct xtcp_port_chain *chain, u16 num,
				  struct place at, int ifindex, u8 class,
				  struct xtcp_port **spare)
{
	struct xtcp_port *port = port_find(chain, num, at, ifindex, class);

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
	if (class & CLASS_TCP_WIRE) {
		tcp_port(port)->ifindex = ifindex;
		set_bit(num, xtcp_net(net)->tcp_ports);
	}
	return port;
}

/* Somebody has gone: the last one takes the bucket along. */
static void port_put(struct net *net, struct xtcp_port_chain *chain,
		     struct xtcp_port *port)
{
	struct xtcp_port **link = &chain->first;

	lockdep_assert_held(&chain->lock);
	if (!hlist_empty(&port->owners) || port->tw)
		return;
	while (*link != port)
		link = &(*link)->next;
	*link = port->next;
	if (port->class & CLASS_TCP_WIRE && !num_is_held(chain, port->num))
		clear_bit(port->num, xtcp_net(net)->tcp_ports);
	port_free(port);
}

static u8 wire_class(u8 wire)
{
	return wire == XTCP_WIRE_TCP ? CLASS_TCP_WIRE : 0;
}

static u8 class_of(const struct sock *sk)
{
	return (sk->sk_reuse ? CLASS_REUSE : 0) |
	       (sk->sk_reuseport ? CLASS_REUSEPORT : 0) |
	       wire_class(xtcp_sk(sk)->flow.wire);
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
	port_put(sock_net(sk), chain, port);
}

static void claim_init(struct claim *claim, const struct sock *sk)
{
	*claim = (struct claim) {
		.sk		= sk,
		.at		= place_of_sk(sk),
		.ifindex	= READ_ONCE(sk->sk_bound_dev_if),
		.uid		= sk_uid(sk),
		.wire		= wire_class(xtcp_sk(sk)->flow.wire),
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
		if (port->num != num ||
		    (port->class & CLASS_TCP_WIRE) != claim->wire)
			continue;
		if (claim_meets_timewait(claim, port))
			return true;
		sk_for_each_bound(other, &port->owners)
			if (claim_meets_owner(claim, other))
				return true;
	}
	return false;
}

/* By our own rules. */
static int bind_claim(struct sock *sk, const struct claim *claim, u16 num,
		      bool listens, struct xtcp_port **spare)
{
	struct xtcp_port_chain *chain = chain_lock(sock_net(sk), num);
	struct xtcp_port *port;
	int err = -EADDRINUSE;

	if (claim_conflicts(claim, chain, num))
		goto unlock;
	if (!xtcp_sk(sk)->port) {
		err = -ENOMEM;
		port = port_get(sock_net(sk), chain, num, claim->at,
				claim->ifindex, class_of(sk), spare);
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

/* One bucket, one shadow, even if several sockets are just coming to it. */
static DEFINE_MUTEX(shadow_mutex);

/* By the kernel's rules: @tcp gets its shadow, if it has none. */
static int port_hold(struct net *net, struct tcp_port *tcp)
{
	const struct xtcp_port *port = &tcp->port;
	struct xtcp_shadow_place place = {
		.laddr		= port->at.laddr,
		.ifindex	= tcp->ifindex,
		.num		= port->num,
		.reuse		= port->class & CLASS_REUSE,
		.reuseport	= port->class & CLASS_REUSEPORT,
	};
	struct xtcp_port_chain *chain;
	struct xtcp_shadow *shadow;

	lockdep_assert_held(&shadow_mutex);
	if (tcp->shadow)
		return 0;
	shadow = xtcp_shadow_open(net, &place);
	if (IS_ERR(shadow))
		return PTR_ERR(shadow);
	chain = chain_lock(net, port->num);
	tcp->shadow = shadow;
	chain_unlock(chain);
	return 0;
}

static int bind_hold(struct sock *sk, bool listens)
{
	struct xtcp_port *port = xtcp_sk(sk)->port;
	int err;

	mutex_lock(&shadow_mutex);
	err = port_hold(sock_net(sk), tcp_port(port));
	mutex_unlock(&shadow_mutex);
	if (!err && listens)
		err = xtcp_shadow_listen(port_shadow(port));
	return err;
}

/* bind() at one port; listen() comes here again for a socket that holds it. */
static int bind_try(struct sock *sk, const struct claim *claim, u16 num,
		    bool listens, struct xtcp_port **spare)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool had_port = xs->port;
	struct xtcp_port_chain *chain;
	int err;

	err = bind_claim(sk, claim, num, listens, spare);
	if (err || !claim->wire)
		return err;
	err = bind_hold(sk, listens);
	if (!err)
		return 0;
	chain = chain_lock(sock_net(sk), num);
	xs->port_listens = false;
	if (!had_port) {
		owner_del(chain, sk);
		inet_sk(sk)->inet_num = 0;
	}
	chain_unlock(chain);
	if (!*spare)
		*spare = port_alloc(class_of(sk), GFP_KERNEL);
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
	struct xtcp_port *spare = port_alloc(class_of(sk), GFP_KERNEL);
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
 * Context: socket lock, process.
 */
void xtcp_port_unlisten(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_shadow *shadow = NULL;
	struct xtcp_port_chain *chain;

	if (!inet_sk(sk)->inet_num)
		return;
	chain = chain_lock(sock_net(sk), inet_sk(sk)->inet_num);
	if (xs->port_listens)
		shadow = port_shadow(xs->port);
	xs->port_listens = false;
	chain_unlock(chain);
	if (shadow)
		xtcp_shadow_unlisten(shadow);
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
		port = port_get(sock_net(sk), chain, num,
				place_of_flow(&xs->flow), xs->flow.ifindex,
				class_of(sk), spare);
		if (port) {
			port_inherit_shadow(port, xs->port);
			port->shared = port->shared && xs->port->shared;
			owner_del(chain, sk);
			owner_add(sk, port);
		}
	}
	chain_unlock(chain);
	return err;
}

/* Did somebody ask for this port by number, at whatever address? */
static bool port_is_private(const struct xtcp_port_chain *chain, u16 num,
			    u8 class)
{
	const struct xtcp_port *port;

	for (port = chain->first; port; port = port->next)
		if (port->num == num && !port->shared &&
		    !((port->class ^ class) & CLASS_TCP_WIRE))
			return true;
	return false;
}

/* By our own rules; @shadow comes along, in case that the bucket needs one. */
static int connect_claim(struct sock *sk, u16 num, struct xtcp_timewait **tw,
			 struct xtcp_port **spare, struct xtcp_shadow **shadow)
{
	struct xtcp_port_chain *chain = chain_lock(sock_net(sk), num);
	struct xtcp_sock *xs = xtcp_sk(sk);
	int err = -EADDRNOTAVAIL;
	u8 class = class_of(sk);
	struct tcp_port *tcp;

	if (port_is_private(chain, num, class))
		goto unlock;
	local_port_set(sk, num);
	err = flow_claim(sk, false, tw);
	if (err) {
		local_port_set(sk, 0);
		goto unlock;
	}
	owner_add(sk, port_get(sock_net(sk), chain, num,
			       place_of_flow(&xs->flow), xs->flow.ifindex,
			       class, spare));
	tcp = tcp_port(xs->port);
	if (tcp && !tcp->shadow)
		swap(tcp->shadow, *shadow);
unlock:
	chain_unlock(chain);
	return err;
}

/* What holds the port there already, referenced; or NULL. */
static struct xtcp_shadow *shadow_over(const struct xtcp_port_chain *chain,
				       u16 num, const struct xtcp_flow *flow)
{
	struct xtcp_port *port;
	int ifindex;

	lockdep_assert_held(&chain->lock);
	for (port = chain->first; port; port = port->next) {
		if (port->num != num || !port_shadow(port))
			continue;
		ifindex = tcp_port(port)->ifindex;
		if ((!port->at.laddr || port->at.laddr == flow->laddr) &&
		    (!ifindex || ifindex == flow->ifindex))
			return xtcp_shadow_get(port_shadow(port));
	}
	return NULL;
}

/*
 * By the kernel's rules: a shadow for a port that connect() may take, whatever
 * the sharing options of others who connect from there. Comes first, for
 * it may sleep and fail.
 */
static struct xtcp_shadow *connect_hold(const struct sock *sk, u16 num)
{
	const struct xtcp_flow *flow = &xtcp_sk(sk)->flow;
	struct xtcp_shadow_place place = {
		.laddr		= flow->laddr,
		.ifindex	= flow->ifindex,
		.num		= num,
		.reuse		= sk->sk_reuse,
		.reuseport	= sk->sk_reuseport,
	};
	struct xtcp_shadow *shadow = ERR_PTR(-EADDRNOTAVAIL);
	struct xtcp_port_chain *chain;

	chain = chain_lock(sock_net(sk), num);
	if (!port_is_private(chain, num, CLASS_TCP_WIRE))
		shadow = shadow_over(chain, num, flow);
	chain_unlock(chain);
	return shadow ?: xtcp_shadow_open(sock_net(sk), &place);
}

static int connect_try(struct sock *sk, u16 num, struct xtcp_timewait **tw,
		       struct xtcp_port **spare)
{
	struct xtcp_shadow *shadow = NULL;
	int err;

	if (xtcp_sk(sk)->flow.wire == XTCP_WIRE_TCP) {
		shadow = connect_hold(sk, num);
		if (IS_ERR(shadow))
			return shadow == ERR_PTR(-ENOMEM) ? -ENOMEM :
							    -EADDRNOTAVAIL;
	}
	err = connect_claim(sk, num, tw, spare, &shadow);
	xtcp_shadow_put(shadow);
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
	struct xtcp_port *spare = port_alloc(class_of(sk), GFP_KERNEL);
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
	struct net *net = sock_net(child);
	struct xtcp_sock *xs = xtcp_sk(child);
	u16 num = ntohs(xs->flow.lport);
	u8 class = class_of(child);
	struct xtcp_port_chain *chain;
	struct xtcp_port *spare = NULL;
	struct xtcp_port *port;

	xs->port = NULL;
	xs->port_listens = false;
	local_port_set(child, num);
	chain = chain_lock(net, num);
	port = port_find(chain, num, place_of_flow(&xs->flow),
			 xs->flow.ifindex, class);
	if (!port) {
		spare = port_alloc(class, GFP_ATOMIC);
		port = port_get(net, chain, num, place_of_flow(&xs->flow),
				xs->flow.ifindex, class, &spare);
	}
	/* A listener gives this port back under this lock only. */
	if (inet_sk(listener)->inet_num == num) {
		if (port)
			port_inherit_shadow(port, xtcp_sk(listener)->port);
		else
			port = xtcp_sk(listener)->port;
	}
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
	       (tw->reuseport ? CLASS_REUSEPORT : 0) |
	       wire_class(tw->flow.wire);
}

static struct xtcp_port *timewait_port(const struct xtcp_port_chain *chain,
				       const struct xtcp_timewait *tw)
{
	return port_find(chain, ntohs(tw->flow.lport),
			 place_of_flow(&tw->flow), tw->flow.ifindex,
			 timewait_class(tw));
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
	port = timewait_port(chain, tw);
	if (!port) {
		spare = port_alloc(timewait_class(tw), GFP_ATOMIC);
		port = port_get(sock_net(sk), chain, num,
				place_of_flow(&tw->flow), tw->flow.ifindex,
				timewait_class(tw), &spare);
		if (port && xtcp_sk(sk)->port) {
			port_inherit_shadow(port, xtcp_sk(sk)->port);
			port->shared = xtcp_sk(sk)->port->shared;
		}
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
		port = timewait_port(chain, tw);
		if (!WARN_ON_ONCE(!port)) {
			port->tw--;
			port_put(net, chain, port);
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
	tcp_port_cache = kmem_cache_create("xtcp_tcp_port",
					   sizeof(struct tcp_port), 0,
					   SLAB_ACCOUNT | SLAB_NO_MERGE, NULL);
	if (port_cache && tcp_port_cache)
		return 0;
	xtcp_port_exit();
	return -ENOMEM;
}

/**
 * xtcp_port_exit - at unload; no namespace is left
 */
void xtcp_port_exit(void)
{
	kmem_cache_destroy(tcp_port_cache);
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
	xn->tcp_ports = bitmap_zalloc(U16_MAX + 1, GFP_KERNEL_ACCOUNT);
	if (!xn->ports || !xn->perturb || !xn->tcp_ports) {
		kvfree(xn->ports);
		kfree(xn->perturb);
		bitmap_free(xn->tcp_ports);
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
	bitmap_free(xn->tcp_ports);
}
