// SPDX-License-Identifier: GPL-2.0
/*
 * connect.c - connect() takes a port and enters the flow table
 *
 * RFC 6056 (ephemeral ports). The socket gets its port number and enters the
 * flow table under one hold of the chain lock, so that no bind() comes in
 * between. If the 4-tuple is in use, the next candidate is tried. On the TCP
 * wire a shadow is opened first. Where SO_REUSEADDR lets both stacks bind to one
 * port, the connections of the kernel's TCP are checked as well.
 *
 * Context: socket lock, process.
 */
#include "port/bucket.h"

#include <linux/err.h>
#include <linux/sched.h>
#include <net/inet_sock.h>
#include <net/ip.h>

#include "close/timewait.h"
#include "net/device.h"
#include "net/hook.h"
#include "observe/stats.h"
#include "port/ephemeral.h"
#include "port/port.h"
#include "shadow.h"

static const struct xtcp_timewait *timewait_of(const struct xtcp_flow *flow)
{
	return container_of(flow, struct xtcp_timewait, flow);
}

/* LC-90: a new connection replaces one in TIME-WAIT. */
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

/* The connection that @sk is to have, with the local port of its flow. */
static void key_of_sk(const struct sock *sk, struct xtcp_key *key)
{
	xtcp_key_from_flow(key, &xtcp_sk(sk)->flow);
	if (unlikely(key->dif))
		xtcp_key_set_bound(key, sock_net(sk), key->dif);
}

/*
 * A 4-tuple may belong to one of the two stacks only. A connection of the
 * kernel's TCP in TIME-WAIT counts, too, whatever its age: only the kernel's
 * TCP knows how it ended.
 */
static bool kernel_tcp_is_there(const struct sock *sk,
				const struct xtcp_shadow *shadow)
{
	struct xtcp_key key __uninitialized;
	bool there;

	if (xtcp_sk(sk)->flow.wire != XTCP_WIRE_TCP ||
	    (shadow && xtcp_shadow_excludes(shadow)))
		return false;
	key_of_sk(sk, &key);
	rcu_read_lock();
	there = xtcp_hook_kernel_tcp_connected(sock_net(sk), &key);
	rcu_read_unlock();
	return there;
}

/*
 * Enter @sk into the flow table. @bound: the port is an explicit bind. @shadow is
 * that of the port, or NULL. @tw is set to the TIME-WAIT record that was replaced,
 * with the references of the lookup and of the table.
 */
static int flow_claim(struct sock *sk, bool bound,
		      const struct xtcp_shadow *shadow,
		      struct xtcp_timewait **tw)
{
	struct xtcp_flow *clash;
	int err;

	if (kernel_tcp_is_there(sk, shadow))
		return -EADDRNOTAVAIL;
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

/* Does the device of the socket's bucket include that of its connection? */
static bool connect_may_move(const struct xtcp_sock *xs)
{
	int ifindex = xtcp_port_ifindex(xs->port);

	return !ifindex || ifindex == READ_ONCE(xs->flow.ifindex);
}

/*
 * connect() of a socket that has a port. If it was bound to the wildcard, it
 * moves to the bucket of the connection's address, where its TIME-WAIT record
 * will be counted. Without memory for that bucket it stays. It also stays if the
 * bucket has a shadow of its own, because the socket may disconnect and then
 * listen at the wildcard. And it stays on the TCP wire if
 * SO_BINDTODEVICE has taken away or changed the device of bind(): the shadow holds the
 * port on that device alone, and the bucket's device has to say so (bind_bucket()).
 */
static int connect_bound(struct sock *sk, u8 class, struct xtcp_timewait **tw,
			 struct xtcp_port **spare)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u16 num = inet_sk(sk)->inet_num;
	struct xtcp_port_chain *chain;
	struct xtcp_port *port;
	int err;

	chain = xtcp_port_chain_lock(sock_net(sk), num);
	xtcp_port_number(sk, num);
	err = flow_claim(sk, true, NULL, tw);
	if (!err && xs->port && connect_may_move(xs) &&
	    !xtcp_bind_addrs_equal(xtcp_port_bind_addr(xs->port),
				   xtcp_bind_addr_of_flow(&xs->flow))) {
		port = xtcp_port_get_flow(sock_net(sk), chain, &xs->flow, class, spare);
		if (xtcp_port_may_move(xs->port, port))
			xtcp_port_owner_move(chain, sk, port);
	}
	xtcp_port_chain_unlock(chain);
	return err;
}

/* Take port @num for a socket that has none. A new bucket takes over @shadow. */
static int connect_claim(struct sock *sk, struct xtcp_port_chain *chain,
			 u16 num, struct xtcp_timewait **tw,
			 struct xtcp_port **spare, struct xtcp_shadow **shadow)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	int err;

	xtcp_port_number(sk, num);
	err = flow_claim(sk, false, *shadow, tw);
	if (err) {
		xtcp_port_number(sk, 0);
		return err;
	}
	xtcp_port_owner_add(sk, xtcp_port_get_flow(sock_net(sk), chain,
						   &xs->flow,
						   xtcp_port_class(sk), spare));
	xtcp_port_give_shadow(xs->port, shadow);
	return 0;
}

static struct xtcp_shadow *shadow_in(struct net *net, struct xtcp_port *port,
				     u16 num, u8 reuse,
				     const struct xtcp_flow *flow)
{
	int ifindex;

	for (; port; port = port->next) {
		if (port->num != num || !xtcp_port_shadow(port) ||
		    (port->class & XTCP_PORT_REUSE) != reuse)
			continue;
		ifindex = xtcp_tcp_port(port)->ifindex;
		if (xtcp_bind_addr_covers(xtcp_port_bind_addr(port),
					  xtcp_bind_addr_of_flow(flow)) &&
		    (!ifindex || ifindex == flow->ifindex) &&
		    (!xtcp_family_is_ipv6(flow->family) ||
		     xtcp_shadow_covers6(xtcp_port_shadow(port),
					 &xtcp_flow_addrs6(flow)->laddr)) &&
		    xtcp_device_overlaps(net, flow->wire, ifindex, flow->ifindex))
			return xtcp_port_shadow(port);
	}
	return NULL;
}

/*
 * Find an open shadow of the port at the flow's address or at the wildcard that
 * has the socket's SO_REUSEADDR, and take a reference. NULL if there is none.
 */
static struct xtcp_shadow *shadow_over(const struct sock *sk,
				       const struct xtcp_port_chain *chain,
				       u16 num)
{
	const struct xtcp_flow *flow = &xtcp_sk(sk)->flow;
	u8 reuse = xtcp_port_class(sk) & XTCP_PORT_REUSE;
	struct net *net = sock_net(sk);
	struct xtcp_shadow *shadow;

	lockdep_assert_held(&chain->lock);
	shadow = shadow_in(net, xtcp_port_list_at(chain, num, flow->laddr), num,
			   reuse, flow);
	if (!shadow)
		shadow = shadow_in(net, xtcp_port_list_at(chain, num, 0), num,
				   reuse, flow);
	return xtcp_shadow_get(shadow);
}

/*
 * Get a shadow for a port that connect() may take, whatever sharing options
 * other connecting sockets there have.
 */
static struct xtcp_shadow *connect_hold(const struct sock *sk,
					const struct xtcp_port_chain *chain,
					u16 num)
{
	const struct xtcp_flow *flow = &xtcp_sk(sk)->flow;
	struct xtcp_shadow_place place = {
		.family		= flow->family,
		.laddr		= flow->laddr,
		.ifindex	= flow->ifindex,
		.num		= num,
		.reuse		= sk->sk_reuse,
		.alone		= true,
	};
	struct xtcp_shadow *shadow;

	shadow = shadow_over(sk, chain, num);
	if (shadow)
		return shadow;
	if (xtcp_family_is_ipv6(flow->family))
		place.laddr6 = xtcp_flow_addrs6(flow)->laddr;
	return xtcp_shadow_open(sock_net(sk), &place);
}

static int connect_take(struct sock *sk, struct xtcp_port_chain *chain, u16 num,
			struct xtcp_timewait **tw, struct xtcp_port **spare)
{
	struct xtcp_shadow *shadow = NULL;
	int err;

	if (xtcp_sk(sk)->flow.wire == XTCP_WIRE_TCP) {
		shadow = connect_hold(sk, chain, num);
		if (IS_ERR(shadow))
			return shadow == ERR_PTR(-ENOMEM) ? -ENOMEM :
							    -EADDRNOTAVAIL;
	}
	err = connect_claim(sk, chain, num, tw, spare, &shadow);
	xtcp_shadow_put(shadow);
	return err;
}

static int connect_try(struct sock *sk, u16 num, struct xtcp_timewait **tw,
		       struct xtcp_port **spare)
{
	struct xtcp_port_chain *chain = xtcp_port_chain_lock(sock_net(sk), num);
	int err = -EADDRNOTAVAIL;

	if (!xtcp_port_is_private(chain, num, xtcp_port_class(sk)))
		err = connect_take(sk, chain, num, tw, spare);
	xtcp_port_chain_unlock(chain);
	return err;
}

/* Ports that are skipped in one RCU section. */
#define SKIP_MAX	256U

/**
 * struct search - search for the port of a connection
 * @range: the ports, in the order in which they are tried
 * @key: the connection, with the local port that is tried
 * @tw_taken: no TIME-WAIT record may be taken over
 */
struct search {
	struct xtcp_port_range	range;
	struct xtcp_key		key;
	bool			tw_taken;
};

/* Is the 4-tuple in use? Asked before a shadow is opened, which costs ten times as much. */
static bool tuple_is_taken_rcu(struct net *net, struct search *search, u16 num)
{
	const struct xtcp_flow *flow;

	search->key.lport = htons(num);
	flow = xtcp_flow_find_rcu(net, &search->key);
	if (!flow)
		return search->key.wire == XTCP_WIRE_TCP &&
		       xtcp_hook_kernel_tcp_connected(net, &search->key);
	return xtcp_flow_kind_rcu(flow) != XTCP_KIND_TIMEWAIT || search->tw_taken ||
	       !xtcp_timewait_may_reuse(net, timewait_of(flow), false);
}

/*
 * Skip ports whose 4-tuple is in use, from step @i of the search on, but no more
 * than SKIP_MAX. Without locks, because a search may meet thousands of them; for
 * the others connect_try() decides. Returns the step to go on with.
 */
static u32 skip_taken(struct net *net, struct search *search, u32 i)
{
	u32 end = min(i + SKIP_MAX, search->range.count);

	rcu_read_lock();
	while (i < end &&
	       tuple_is_taken_rcu(net, search,
				  xtcp_port_range_nth(&search->range, i)))
		i++;
	rcu_read_unlock();
	return i;
}

static void search_begin(struct search *search, const struct sock *sk)
{
	key_of_sk(sk, &search->key);
	search->tw_taken = !xtcp_timewait_reuse_is_allowed(sock_net(sk),
							   &xtcp_sk(sk)->flow);
	xtcp_port_range_connect(&search->range, sk);
}

/* Most searches end with their first port, which needs no look beforehand. */
static int connect_any(struct sock *sk, struct xtcp_timewait **tw,
		       struct xtcp_port **spare)
{
	struct search search __uninitialized;
	struct net *net = sock_net(sk);
	int err = -EADDRNOTAVAIL;
	u32 i = 0;
	u16 num;

	search_begin(&search, sk);
	while (err == -EADDRNOTAVAIL && i <= search.range.count) {
		if (i) {
			i = skip_taken(net, &search, i);
			cond_resched();
		}
		num = xtcp_port_range_nth(&search.range, i++);
		if (!inet_is_local_reserved_port(net, num))
			err = connect_try(sk, num, tw, spare);
	}
	if (!err)
		xtcp_port_range_found(&search.range, i);
	else if (err == -EADDRNOTAVAIL)
		XTCP_INC(net, NO_PORT_LEFT);
	return err;
}

/**
 * xtcp_port_connect - take a port and enter the flow table, for connect(2)
 * @sk: socket; its flow is complete but for the local port, if it has none
 * @tw: set to the TIME-WAIT record that it has replaced in the table, or NULL. If 0 is
 *	returned the caller calls xtcp_port_connected() or xtcp_port_connect_undo()
 *
 * When a TIME-WAIT record is replaced, xs->iss is set to the ISN to use and
 * TS.Recent is taken over. Otherwise neither is changed.
 *
 * Context: socket lock, process.
 * Return: 0 with the local port set everywhere; -EADDRNOTAVAIL when the 4-tuple
 * is in use or no port is left; -ENOMEM.
 */
int xtcp_port_connect(struct sock *sk, struct xtcp_timewait **tw)
{
	int err = xtcp_port_prepare(sk);
	struct xtcp_port *spare;
	u8 class;

	*tw = NULL;
	if (err)
		return err;
	/*
	 * Without the chain lock: a listen() of another owner may change the class before we have
	 * the lock. That listen() then counts as later than this connect(). The spare bucket must
	 * be allocated for the class with which it is used.
	 */
	class = data_race(xtcp_port_class_of_next(sk, xtcp_sk(sk)->port));
	spare = xtcp_port_alloc(class, GFP_KERNEL);
	if (!spare)
		return -ENOMEM;
	if (inet_sk(sk)->inet_num)
		err = connect_bound(sk, class, tw, &spare);
	else
		err = connect_any(sk, tw, &spare);
	xtcp_port_free(spare);
	return err;
}

/**
 * xtcp_port_connected - the connection begins: end the TIME-WAIT that it has replaced
 * @net: namespace
 * @tw: of xtcp_port_connect()
 */
void xtcp_port_connected(struct net *net, struct xtcp_timewait *tw)
{
	if (likely(!tw))
		return;
	XTCP_INC(net, TW_RECYCLED);
	xtcp_timewait_replaced(net, tw, XTCP_EV_TIME_WAIT_REUSE);
	xtcp_flow_put(&tw->flow);
}

/**
 * xtcp_port_connect_undo - no connection begins: leave the flow table
 * @sk: socket; keeps its port
 * @tw: of xtcp_port_connect(); returns to the table for the rest of its time
 *
 * Context: socket lock, process.
 */
void xtcp_port_connect_undo(struct sock *sk, struct xtcp_timewait *tw)
{
	struct xtcp_flow *flow = &xtcp_sk(sk)->flow;
	struct net *net = sock_net(sk);

	if (likely(!tw)) {
		xtcp_flow_remove(net, flow);
		return;
	}
	if (WARN_ON_ONCE(!xtcp_flow_replace(net, flow, &tw->flow))) {
		xtcp_port_connected(net, tw);
		return;
	}
	xtcp_timewait_placed(net, tw);
	xtcp_flow_put(&tw->flow);
}

/*
 * Back to where @sk is bound; without memory it stays where it is. The device is that of
 * its bucket: if SO_BINDTODEVICE has changed it since, listen() moves the socket, after it has
 * asked the kernel's TCP.
 */
static void move_back(struct sock *sk, struct xtcp_port_chain *chain,
		      struct xtcp_port **spare)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_port *port;

	port = xtcp_port_get(sock_net(sk), chain, xs->port->num,
			     xtcp_bind_addr_of_sk(sk), xtcp_port_ifindex(xs->port),
			     xs->port->class, spare);
	if (port && port != xs->port)
		xtcp_port_owner_move(chain, sk, port);
}

/**
 * xtcp_port_disconnect - a bound socket has lost its connection's address
 * @sk: socket; may hold no port
 *
 * connect() has moved it to the bucket of that address. If the socket is bound
 * to any address, it moves back: others look for it at the wildcard.
 *
 * Context: socket lock, process.
 */
void xtcp_port_disconnect(struct sock *sk)
{
	struct xtcp_port *old = xtcp_sk(sk)->port;
	struct xtcp_port_chain *chain;
	struct xtcp_port *spare;

	xtcp_assert_owned(sk);
	if (!old || xtcp_bind_addrs_equal(xtcp_port_bind_addr(old),
					  xtcp_bind_addr_of_sk(sk)))
		return;
	spare = xtcp_port_alloc(old->class, GFP_KERNEL);
	chain = xtcp_port_chain_lock(sock_net(sk), old->num);
	move_back(sk, chain, &spare);
	xtcp_port_chain_unlock(chain);
	xtcp_port_free(spare);
}
