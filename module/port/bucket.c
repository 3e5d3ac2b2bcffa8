// SPDX-License-Identifier: GPL-2.0
/*
 * bucket.c - the table of local ports in use
 *
 * A struct xtcp_port stands for a local port in use at one local address. It
 * lists the sockets there, whatever gave them the port (bind, listen, connect,
 * or the listener that they are children of), and counts the time-wait
 * records that their connections left behind. It goes when both are gone. A
 * record of a client keeps one alive for itself alone, as a rule; so it is
 * small, and ports whose records had other sharing options have one for each
 * of these classes.
 *
 * The two wires have ports of their own. Those of the TCP wire are shared with
 * the kernel's own TCP, which sees each of them through a shadow (shadow.c).
 *
 * Locks: a chain's lock guards its buckets, their owners and counts, and
 * xs->port and xs->port_listens of the owners. It is taken with softirqs off,
 * under the socket lock, one chain at a time; the flow table is entered under
 * it.
 */
#include "port/bucket.h"

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <net/inet_sock.h>

#include "port/port.h"
#include "shadow.h"

static struct kmem_cache *port_cache __read_mostly;
static struct kmem_cache *tcp_port_cache __read_mostly;

/**
 * xtcp_port_alloc - a bucket for xtcp_port_get()
 * @class: which it will have
 * @gfp: how to allocate
 *
 * Return: the bucket, or NULL.
 */
struct xtcp_port *xtcp_port_alloc(u8 class, gfp_t gfp)
{
	struct xtcp_tcp_port *tcp;
	struct xtcp_port *port;

	if (likely(!(class & XTCP_PORT_TCP_WIRE))) {
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

/**
 * xtcp_port_free - undo xtcp_port_alloc(), and give the shadow back
 * @port: bucket that is in no chain; may be NULL
 */
void xtcp_port_free(struct xtcp_port *port)
{
	struct xtcp_tcp_port *tcp = port ? xtcp_tcp_port(port) : NULL;

	if (tcp) {
		xtcp_shadow_put(tcp->shadow);
		kmem_cache_free(tcp_port_cache, tcp);
	} else if (port) {
		kmem_cache_free(port_cache, port);
	}
}

/**
 * xtcp_port_inherit_shadow - a new bucket holds what an older one holds
 * @port: bucket
 * @from: the one that its owner comes from: a child its listener's, a
 *	time-wait record its socket's; may be NULL
 *
 * Context: chain lock.
 */
void xtcp_port_inherit_shadow(struct xtcp_port *port, struct xtcp_port *from)
{
	struct xtcp_tcp_port *tcp = xtcp_tcp_port(port);

	if (tcp && !tcp->shadow)
		tcp->shadow = xtcp_shadow_get(xtcp_port_shadow(from));
}

/**
 * xtcp_port_find - the bucket of a port, place and class
 * @chain: its chain, locked
 * @num: port
 * @at: local address
 * @ifindex: device, 0 for any; counts on the TCP wire only
 * @class: XTCP_PORT_*
 *
 * Return: the bucket, or NULL.
 */
struct xtcp_port *xtcp_port_find(const struct xtcp_port_chain *chain, u16 num,
				 struct xtcp_place at, int ifindex, u8 class)
{
	struct xtcp_port *port;

	lockdep_assert_held(&chain->lock);
	for (port = chain->first; port; port = port->next)
		if (port->num == num && port->class == class &&
		    xtcp_places_are_one(port->at, at) &&
		    (!(class & XTCP_PORT_TCP_WIRE) ||
		     xtcp_tcp_port(port)->ifindex == ifindex))
			return port;
	return NULL;
}

/* Has anyone that number on the TCP wire? */
static bool num_is_held(const struct xtcp_port_chain *chain, u16 num)
{
	const struct xtcp_port *port;

	for (port = chain->first; port; port = port->next)
		if (port->num == num && port->class & XTCP_PORT_TCP_WIRE)
			return true;
	return false;
}

/**
 * xtcp_port_get - find the bucket, or make it
 * @net: namespace
 * @chain: its chain, locked
 * @num: port
 * @at: local address
 * @ifindex: device, 0 for any; counts on the TCP wire only
 * @class: XTCP_PORT_*
 * @spare: what to make it of, of that class; *@spare is NULL then
 *
 * Return: the bucket; NULL if there is neither.
 */
struct xtcp_port *xtcp_port_get(struct net *net, struct xtcp_port_chain *chain,
				u16 num, struct xtcp_place at, int ifindex,
				u8 class, struct xtcp_port **spare)
{
	struct xtcp_port *port = xtcp_port_find(chain, num, at, ifindex, class);

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
	if (class & XTCP_PORT_TCP_WIRE) {
		xtcp_tcp_port(port)->ifindex = ifindex;
		set_bit(num, xtcp_net(net)->tcp_ports);
	}
	return port;
}

/**
 * xtcp_port_put - somebody has gone: the last one takes the bucket along
 * @net: namespace
 * @chain: its chain, locked
 * @port: bucket
 */
void xtcp_port_put(struct net *net, struct xtcp_port_chain *chain,
		   struct xtcp_port *port)
{
	struct xtcp_port **link = &chain->first;

	lockdep_assert_held(&chain->lock);
	if (!hlist_empty(&port->owners) || port->tw)
		return;
	while (*link != port)
		link = &(*link)->next;
	*link = port->next;
	if (port->class & XTCP_PORT_TCP_WIRE && !num_is_held(chain, port->num))
		clear_bit(port->num, xtcp_net(net)->tcp_ports);
	xtcp_port_free(port);
}

/**
 * xtcp_port_owner_add - a socket has a port
 * @sk: socket without one
 * @port: bucket, its chain locked
 */
void xtcp_port_owner_add(struct sock *sk, struct xtcp_port *port)
{
	sk_add_bind_node(sk, &port->owners);
	xtcp_sk(sk)->port = port;
}

/**
 * xtcp_port_owner_del - a socket has it no longer
 * @chain: of the port, locked
 * @sk: socket
 */
void xtcp_port_owner_del(struct xtcp_port_chain *chain, struct sock *sk)
{
	struct xtcp_port *port = xtcp_sk(sk)->port;

	__sk_del_bind_node(sk);
	xtcp_sk(sk)->port = NULL;
	xtcp_port_put(sock_net(sk), chain, port);
}

/**
 * xtcp_port_number - a connection's local port, wherever it is noted
 * @sk: socket
 * @num: port, or 0
 */
void xtcp_port_number(struct sock *sk, u16 num)
{
	inet_sk(sk)->inet_num = num;
	inet_sk(sk)->inet_sport = htons(num);
	xtcp_sk(sk)->flow.lport = htons(num);
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
					   sizeof(struct xtcp_tcp_port), 0,
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
 * xtcp_port_net_init - chains of a namespace
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
	xn->tcp_ports = bitmap_zalloc(U16_MAX + 1, GFP_KERNEL_ACCOUNT);
	if (!xn->ports || !xn->tcp_ports) {
		kvfree(xn->ports);
		bitmap_free(xn->tcp_ports);
		return -ENOMEM;
	}
	for (i = 0; i < XTCP_PORT_BUCKETS; i++) {
		spin_lock_init(&xn->ports[i].lock);
		xn->ports[i].first = NULL;
	}
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
	bitmap_free(xn->tcp_ports);
}
