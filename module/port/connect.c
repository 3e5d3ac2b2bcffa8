// SPDX-License-Identifier: GPL-2.0
/*
 * connect.c - connect() takes a port and enters the flow table
 *
 * RFC 6056 (ephemeral ports). Under the chain's lock the socket gets the number
 * and enters the flow table, so that no bind() slips in between; if the 4-tuple
 * is there already, the next candidate comes. On the TCP wire a shadow comes
 * first, and the kernel's own connections are in the way, too: SO_REUSEADDR
 * lets both stacks bind to one port.
 *
 * Socket lock, process context.
 */
#include "port/bucket.h"

#include <linux/err.h>
#include <linux/sched.h>
#include <net/inet_sock.h>
#include <net/ip.h>

#include "close/timewait.h"
#include "net/device.h"
#include "net/hook.h"
#include "port/conflict.h"
#include "port/ephemeral.h"
#include "port/port.h"
#include "shadow.h"
#include "user/stats.h"

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
 * One 4-tuple, one connection. What is in TIME-WAIT there stays, whatever its
 * age: only its own stack knows how it ended.
 */
static bool kernel_tcp_is_there(const struct sock *sk)
{
	const struct xtcp_flow *flow = &xtcp_sk(sk)->flow;
	struct xtcp_key key __uninitialized;
	bool there;

	if (flow->wire != XTCP_WIRE_TCP)
		return false;
	xtcp_key_from_flow(&key, flow);
	if (key.dif)
		xtcp_key_is_bound(&key, sock_net(sk), key.dif);
	rcu_read_lock();
	there = xtcp_hook_stock_connected(sock_net(sk), &key);
	rcu_read_unlock();
	return there;
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

	if (kernel_tcp_is_there(sk))
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

static void timewait_end(struct net *net, struct xtcp_timewait *tw)
{
	if (!tw)
		return;
	XTCP_INC(net, TW_RECYCLED);
	xtcp_timewait_succeeded(net, tw, XTCP_EV_TIME_WAIT_REUSE);
	xtcp_flow_put(&tw->flow);
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

	chain = xtcp_port_chain_lock(sock_net(sk), num);
	xtcp_port_number(sk, num);
	err = flow_claim(sk, true, tw);
	if (!err && xs->port &&
	    !xtcp_bind_addrs_equal(xtcp_port_bind_addr(xs->port),
				   xtcp_bind_addr_of_flow(&xs->flow))) {
		port = xtcp_port_get_flow(sock_net(sk), chain, &xs->flow,
					  xtcp_port_class(sk), spare);
		if (port) {
			xtcp_port_inherit_shadow(port, xs->port);
			xtcp_port_set_shared(chain, port,
					     port->shared && xs->port->shared);
			xtcp_port_owner_del(chain, sk);
			xtcp_port_owner_add(sk, port);
		}
	}
	xtcp_port_chain_unlock(chain);
	return err;
}

/* By our own rules; @shadow comes along, in case that the bucket needs one. */
static int connect_claim(struct sock *sk, u16 num, struct xtcp_timewait **tw,
			 struct xtcp_port **spare, struct xtcp_shadow **shadow)
{
	struct xtcp_port_chain *chain = xtcp_port_chain_lock(sock_net(sk), num);
	struct xtcp_sock *xs = xtcp_sk(sk);
	int err = -EADDRNOTAVAIL;
	u8 class = xtcp_port_class(sk);
	struct xtcp_tcp_port *tcp;

	if (xtcp_port_is_private(chain, num, class))
		goto unlock;
	xtcp_port_number(sk, num);
	err = flow_claim(sk, false, tw);
	if (err) {
		xtcp_port_number(sk, 0);
		goto unlock;
	}
	xtcp_port_owner_add(sk, xtcp_port_get_flow(sock_net(sk), chain,
						   &xs->flow, class, spare));
	tcp = xtcp_tcp_port(xs->port);
	if (tcp && !tcp->shadow)
		swap(tcp->shadow, *shadow);
unlock:
	xtcp_port_chain_unlock(chain);
	return err;
}

static struct xtcp_shadow *shadow_in(struct net *net, struct xtcp_port *port,
				     u16 num, const struct xtcp_flow *flow)
{
	int ifindex;

	for (; port; port = port->next) {
		if (port->num != num || !xtcp_port_shadow(port))
			continue;
		ifindex = xtcp_tcp_port(port)->ifindex;
		if (xtcp_bind_addr_covers(xtcp_port_bind_addr(port),
					  xtcp_bind_addr_of_flow(flow)) &&
		    (!ifindex || ifindex == flow->ifindex) &&
		    xtcp_device_overlaps(net, ifindex, flow->ifindex))
			return xtcp_port_shadow(port);
	}
	return NULL;
}

/*
 * What holds the port there already, at the flow's address or at the wildcard,
 * referenced; or NULL.
 */
static struct xtcp_shadow *shadow_over(struct net *net,
				       const struct xtcp_port_chain *chain,
				       u16 num, const struct xtcp_flow *flow)
{
	struct xtcp_shadow *shadow;

	lockdep_assert_held(&chain->lock);
	shadow = shadow_in(net, xtcp_port_list_at(chain, num, flow->laddr), num,
			   flow);
	if (!shadow)
		shadow = shadow_in(net, xtcp_port_list_at(chain, num, 0), num,
				   flow);
	return xtcp_shadow_get(shadow);
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
		.family		= flow->family,
		.laddr		= flow->laddr,
		.ifindex	= flow->ifindex,
		.num		= num,
		.reuse		= sk->sk_reuse,
		.reuseport	= sk->sk_reuseport,
	};
	struct xtcp_shadow *shadow = ERR_PTR(-EADDRNOTAVAIL);
	struct xtcp_port_chain *chain;

	if (xtcp_family_is_wide(flow->family))
		place.laddr6 = xtcp_flow_addrs6(flow)->laddr;
	chain = xtcp_port_chain_lock(sock_net(sk), num);
	if (!xtcp_port_is_private(chain, num, XTCP_PORT_TCP_WIRE))
		shadow = shadow_over(sock_net(sk), chain, num, flow);
	xtcp_port_chain_unlock(chain);
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

static int connect_any(struct sock *sk, struct xtcp_timewait **tw,
		       struct xtcp_port **spare)
{
	struct net *net = sock_net(sk);
	struct xtcp_port_range range;
	int err = -EADDRNOTAVAIL;
	u16 num;
	u32 i;

	xtcp_port_range_connect(&range, sk);
	for (i = 0; i <= range.count && err == -EADDRNOTAVAIL; i++) {
		num = xtcp_port_range_nth(&range, i);
		if (!inet_is_local_reserved_port(net, num))
			err = connect_try(sk, num, tw, spare);
		cond_resched();
	}
	if (!err)
		xtcp_port_range_found(&range, i);
	else if (err == -EADDRNOTAVAIL)
		XTCP_INC(net, NO_PORT_LEFT);
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
	struct xtcp_port *spare = xtcp_port_alloc(xtcp_port_class(sk), GFP_KERNEL);
	struct xtcp_timewait *tw = NULL;
	int err;

	if (!spare)
		return -ENOMEM;
	if (inet_sk(sk)->inet_num)
		err = connect_bound(sk, &tw, &spare);
	else
		err = connect_any(sk, &tw, &spare);
	timewait_end(sock_net(sk), tw);
	xtcp_port_free(spare);
	return err;
}
