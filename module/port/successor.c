// SPDX-License-Identifier: GPL-2.0
/*
 * successor.c - ports of children and of TIME-WAIT records, and the release of ports
 *
 * A child shares its listener's port, a TIME-WAIT record its socket's. The last
 * holder releases the port.
 *
 * Context: softirq or process. Each function takes the lock of the port's chain, so the caller
 * holds no chain lock.
 */
#include "port/bucket.h"

#include <net/inet_sock.h>

#include "close/timewait.h"
#include "port/port.h"

/**
 * xtcp_port_inherit - let a child hold its listener's port
 * @child: new socket, a clone, not yet visible
 * @listener: its listener
 *
 * Without memory the child holds no bucket, and a bind() may miss it.
 *
 * Context: softirq or process.
 */
void xtcp_port_inherit(struct sock *child, struct sock *listener)
{
	struct net *net = sock_net(child);
	struct xtcp_sock *xs = xtcp_sk(child);
	u16 num = ntohs(xs->flow.lport);
	struct xtcp_port_chain *chain;
	struct xtcp_port *spare = NULL;
	struct xtcp_port *port = NULL;
	u8 class;

	xs->port = NULL;
	xs->port_listens = false;
	xtcp_port_number(child, num);
	chain = xtcp_port_chain_lock(net, num);
	if (inet_sk(listener)->inet_num == num)
		port = xtcp_sk(listener)->port;
	class = xtcp_port_class_of_next(child, port);
	port = xtcp_port_find_flow(chain, &xs->flow, class);
	if (!port) {
		spare = xtcp_port_alloc(class, GFP_ATOMIC);
		port = xtcp_port_get_flow(net, chain, &xs->flow, class, &spare);
	}
	/* The listener's bucket can't change: that needs this chain lock. */
	if (inet_sk(listener)->inet_num == num) {
		if (port)
			xtcp_port_inherit_shadow(port, xtcp_sk(listener)->port);
		else
			port = xtcp_sk(listener)->port;
	}
	if (port) {
		xtcp_port_set_shared(chain, port, false);
		xtcp_port_owner_add(child, port);
	}
	xtcp_port_chain_unlock(chain);
}

/**
 * xtcp_port_release - put_port of struct proto: release the port
 * @sk: socket; may hold none
 *
 * Context: socket lock, or the last reference.
 */
void xtcp_port_release(struct sock *sk)
{
	struct xtcp_port_chain *chain;

	if (!inet_sk(sk)->inet_num)
		return;
	chain = xtcp_port_chain_lock(sock_net(sk), inet_sk(sk)->inet_num);
	if (xtcp_sk(sk)->port)
		xtcp_port_owner_del(chain, sk);
	xtcp_port_set_listens(sk, false);
	inet_sk(sk)->inet_num = 0;
	xtcp_port_chain_unlock(chain);
}

static u8 timewait_class(const struct xtcp_timewait *tw)
{
	return (tw->reuse ? XTCP_PORT_REUSE : 0) |
	       (tw->reuseport ? XTCP_PORT_REUSEPORT : 0) |
	       xtcp_port_wire_class(tw->flow.wire);
}

static struct xtcp_port *timewait_port(const struct xtcp_port_chain *chain,
				       const struct xtcp_timewait *tw)
{
	return xtcp_port_find_flow(chain, &tw->flow, timewait_class(tw));
}

/**
 * xtcp_port_to_timewait - let a TIME-WAIT record hold its socket's port
 * @sk: socket; keeps the port until xtcp_port_release()
 * @tw: its record, not yet visible, its flow complete
 *
 * The record needs a new bucket if the socket's has another address or class.
 * Without memory for it the record holds no port and @tw->port_held stays 0.
 *
 * Context: socket lock; softirq or process.
 */
void xtcp_port_to_timewait(struct sock *sk, struct xtcp_timewait *tw)
{
	u16 num = ntohs(tw->flow.lport);
	struct xtcp_port_chain *chain;
	struct xtcp_port *spare = NULL;
	struct xtcp_port *port;

	tw->reuse = !!sk->sk_reuse;
	tw->port_held = 0;
	chain = xtcp_port_chain_lock(sock_net(sk), num);
	tw->reuseport = !!(xtcp_port_class_of_next(sk, xtcp_sk(sk)->port) & XTCP_PORT_REUSEPORT);
	port = timewait_port(chain, tw);
	if (!port) {
		spare = xtcp_port_alloc(timewait_class(tw), GFP_ATOMIC);
		port = xtcp_port_get_flow(sock_net(sk), chain, &tw->flow,
					  timewait_class(tw), &spare);
		if (port && xtcp_sk(sk)->port) {
			xtcp_port_inherit_shadow(port, xtcp_sk(sk)->port);
			xtcp_port_set_shared(chain, port,
					     xtcp_sk(sk)->port->shared);
		}
	}
	if (port) {
		if (tw->reuseport && !sk->sk_reuseport)
			xtcp_port_note_cleared(port, sk);
		port->tw++;
		tw->port_held = 1;
	}
	xtcp_port_chain_unlock(chain);
}

/**
 * xtcp_port_timewait_release - release a TIME-WAIT record's port
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

	chain = xtcp_port_chain_lock(net, num);
	if (tw->port_held) {
		tw->port_held = 0;
		port = timewait_port(chain, tw);
		if (!WARN_ON_ONCE(!port)) {
			if (!--port->tw)
				port->tw_cleared = false;
			xtcp_port_put(net, chain, port);
		}
	}
	xtcp_port_chain_unlock(chain);
}
