// SPDX-License-Identifier: GPL-2.0
/*
 * demux.c - early demux: find the route of a segment before IP does
 *
 * Routing an incoming segment costs a fifth of its whole way through the stack,
 * and the segments of one open connection have the same route. The kernel has
 * an early demux (net.ipv4.ip_early_demux and tcp_early_demux), but only for
 * its own TCP and UDP. So this file registers a netfilter hook at PRE_ROUTING,
 * behind all others there, which gives a segment the route of the segment before, if that came
 * from the same peer (net/inroute.c; over IPv6 from any peer, net/inroute6.c), or else the route
 * that its socket has cached. If that route is stale, or the device is another one, IP routes the
 * segment as usual. Over IPv4 a segment without a connection gets the cached route of its local
 * address, if a lookup finds its source.
 *
 * The hook does not attach the socket to the segment (skb->sk), as the kernel's early demux does,
 * although that would save a second lookup. The kernel's TCP and UDP use an attached socket without
 * a look at its protocol. No hook of ours could take it off in time: a program that gives a
 * netfilter queue's verdict may skip the hooks behind the queue (NF_STOP), or change the protocol.
 *
 * Each packet of the namespace pays for the hook. So it is registered at the first connect() on
 * either wire, at the first listen() on the native wire, or, by a work item, when a segment without
 * a connection (such as a listener's first SYN) arrives for a port of the TCP wire. It stays until
 * the namespace ends.
 *
 * Context: the hooks run under RCU, mostly in softirq. A packet that has waited
 * in a netfilter queue comes with the task that gives the verdict, and softirqs
 * on: no per-CPU cache is used then. xtcp_demux_add(): process.
 */
#include "net/demux.h"

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "flow.h"
#include "net/family.h"
#include "net/inroute.h"
#include "net/inroute6.h"
#include "net/ipv4.h"
#include "net/key6.h"
#include "net/route6.h"
#include "net/wire.h"
#include "netns.h"
#include "port/port.h"
#include "tcb.h"

static noinline bool demux_port_may_be_ours(struct net *net,
					    const struct sk_buff *skb,
					    unsigned int ip_len)
{
	return xtcp_port_is_held_skb(net, skb, ip_len);
}

static bool protocol_may_be_ours(struct net *net, const struct sk_buff *skb,
				 u8 protocol, unsigned int ip_len)
{
	return protocol == XTCP_WIRE_NATIVE ||
	       (protocol == XTCP_WIRE_TCP &&
		demux_port_may_be_ours(net, skb, ip_len));
}

/*
 * Is it an unfragmented segment to this host with a linear header, and without
 * a socket or route? A segment on a slave of a VRF comes here a second time, as
 * the VRF's.
 */
static bool demux_may_be_ours(struct net *net, struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	return protocol_may_be_ours(net, skb, iph->protocol, ip_hdrlen(skb)) &&
	       !ip_is_fragment(iph) &&
	       pskb_may_pull(skb, ip_hdrlen(skb) + XTCP_HDR_LEN) &&
	       xtcp_demux_is_for_host(skb) && !skb_dst(skb) && !skb->sk &&
	       !netif_is_l3_slave(skb->dev);
}

/*
 * Most SYNs are for a listener, which the flow table doesn't have. Skip them
 * before any lookup, because a flood of SYNs passes here, too.
 */
static bool is_syn(const struct sk_buff *skb, unsigned int ip_len)
{
	return skb->data[ip_len + 13] & XTCP_SYN;
}

/* The route that an open connection has cached, if it is good for @skb; or NULL. */
static __always_inline struct dst_entry *socket_route(const struct net *net,
						      const struct sock *sk,
						      const struct sk_buff *skb)
{
	struct dst_entry *dst = rcu_dereference(sk->sk_rx_dst);
	bool ipv4 = skb->protocol == htons(ETH_P_IP);

	if (unlikely(!dst) || READ_ONCE(sk->sk_rx_dst_ifindex) != skb->skb_iif)
		return NULL;
	/* An IPv6 socket may just be connecting to an IPv4 address, or the reverse. */
	if (unlikely(dst->ops->family != (ipv4 ? AF_INET : AF_INET6)))
		return NULL;
	if (ipv4 ?
	    xtcp_ipv4_route_is_fresh(net, dst) :
	    xtcp_ipv6_route_is_fresh(dst, sk->sk_rx_dst_cookie))
		return dst;
	return dst_check(dst, sk->sk_rx_dst_cookie);
}

/*
 * No reference to the socket is taken, so its memory may become another connection's meanwhile,
 * with a route to another peer, or of another namespace. So the 4-tuple and the namespace are
 * compared again after the route was read. Meanwhile it may also be a socket that is just being
 * made, all zeros: its namespace must not be followed.
 */
static __always_inline struct dst_entry *
demux_route(struct net *net, struct sk_buff *skb, const struct xtcp_family *af,
	    unsigned int ip_len, u8 wire)
{
	struct xtcp_key key __uninitialized;
	const struct xtcp_flow *flow;
	struct dst_entry *dst;

	if (is_syn(skb, ip_len) || !xtcp_net_is_ready(xtcp_net_rcu(net)))
		return NULL;
	skb_set_transport_header(skb, ip_len);
	if (af == &xtcp_ipv4)
		xtcp_ipv4_key_read(skb, wire, &key);
	else
		xtcp_ipv6_key_read(skb, wire, &key);
	xtcp_key_digest(&key);
	flow = xtcp_flow_find_rcu(net, &key);
	if (!flow || xtcp_flow_kind_rcu(flow) != XTCP_KIND_SOCKET)
		return NULL;
	dst = socket_route(net, xtcp_flow_sk(flow), skb);
	/* The route before the 4-tuple; a new connection has its 4-tuple before it has a route. */
	smp_rmb();
	return xtcp_flow_is_named(flow, &key) && net_eq(sock_net(xtcp_flow_sk(flow)), net) ?
	       dst : NULL;
}

/*
 * Two knobs have to be on, IP's and ours, as for the kernel's TCP. IPv6 uses
 * IPv4's knob.
 */
static bool demux_is_wanted(const struct net *net, const struct xtcp_net *xn)
{
	return READ_ONCE(xn->knobs.early_demux) &&
	       READ_ONCE(net->ipv4.sysctl_ip_early_demux);
}

static unsigned int demux_ipv4(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	u8 wire = ip_hdr(skb)->protocol;
	const struct xtcp_net *xn;
	struct dst_entry *dst;

	if (!demux_may_be_ours(state->net, skb))
		return NF_ACCEPT;
	xn = xtcp_net(state->net);
	if (!demux_is_wanted(state->net, xn))
		return NF_ACCEPT;
	if (xtcp_inroute_repeat(xn, skb))
		return NF_ACCEPT;
	dst = demux_route(state->net, skb, &xtcp_ipv4, ip_hdrlen(skb), wire);
	if (dst)
		skb_dst_set_noref(skb, dst);
	else
		xtcp_inroute_route(xn, skb);
	return NF_ACCEPT;
}

static const struct nf_hook_ops demux_ops = {
	.hook		= demux_ipv4,
	.pf		= NFPROTO_IPV4,
	.hooknum	= NF_INET_PRE_ROUTING,
	.priority	= NF_IP_PRI_LAST,
};

/* Start early demux of a family: @on says whether it has started, @cache_add makes its cache. */
static void demux_start(struct net *net, bool *on, const struct nf_hook_ops *ops,
			void (*cache_add)(struct net *net))
{
	struct xtcp_net *xn = xtcp_net(net);

	/* Pairs with smp_store_release() below: once it is on, skip the mutex. */
	if (smp_load_acquire(on))
		return;
	mutex_lock(&xn->demux_lock);
	cache_add(net);
	if (!*on && !xn->demux_closed && !nf_register_net_hook(net, ops))
		smp_store_release(on, true);	/* see above */
	mutex_unlock(&xn->demux_lock);
}

#if IS_ENABLED(CONFIG_IPV6)
/*
 * As demux_may_be_ours(). Segments behind extension headers are rare: IP routes
 * them as usual.
 */
static bool demux_may_be_ours6(struct net *net, struct sk_buff *skb)
{
	unsigned int ip_len = sizeof(struct ipv6hdr);

	return protocol_may_be_ours(net, skb, ipv6_hdr(skb)->nexthdr, ip_len) &&
	       pskb_may_pull(skb, ip_len + XTCP_HDR_LEN) &&
	       xtcp_demux_is_for_host(skb) && !skb_dst(skb) && !skb->sk &&
	       !netif_is_l3_slave(skb->dev);
}

static unsigned int demux_ipv6(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	u8 wire = ipv6_hdr(skb)->nexthdr;
	struct dst_entry *dst;

	if (!demux_may_be_ours6(state->net, skb) ||
	    !demux_is_wanted(state->net, xtcp_net(state->net)) ||
	    xtcp_inroute6_route(xtcp_net(state->net), skb))
		return NF_ACCEPT;
	dst = demux_route(state->net, skb, &xtcp_ipv6, sizeof(struct ipv6hdr), wire);
	if (dst)
		skb_dst_set_noref(skb, dst);
	return NF_ACCEPT;
}

static const struct nf_hook_ops demux6_ops = {
	.hook		= demux_ipv6,
	.pf		= NFPROTO_IPV6,
	.hooknum	= NF_INET_PRE_ROUTING,
	.priority	= NF_IP6_PRI_LAST,
};

/*
 * Registered for the first IPv6 socket, because each IPv6 packet pays for it.
 */
static void demux6_add(struct net *net)
{
	demux_start(net, &xtcp_net(net)->demux6, &demux6_ops, xtcp_inroute6_net_add);
}

static void demux6_del(struct net *net)
{
	if (xtcp_net(net)->demux6)
		nf_unregister_net_hook(net, &demux6_ops);
}
#else
static void demux6_add(struct net *net)
{
}

static void demux6_del(struct net *net)
{
}
#endif

/**
 * xtcp_demux_add - start early demux in a namespace
 * @net: namespace; nothing happens if it has been started
 * @family: family of a socket that may receive segments
 *
 * Without memory early demux stays off, which costs time only.
 *
 * Context: process, may sleep.
 */
void xtcp_demux_add(struct net *net, u8 family)
{
	if (xtcp_family_is_ipv6(family))
		demux6_add(net);
	demux_start(net, &xtcp_net(net)->demux, &demux_ops, xtcp_inroute_net_add);
}

static void demux_work(struct work_struct *work)
{
	struct xtcp_net *xn = container_of(work, struct xtcp_net, demux_work);

	xtcp_demux_add(xn->net, READ_ONCE(xn->demux_asked[true]) ? AF_INET6 : AF_INET);
}

/**
 * __xtcp_demux_ask - slow part of xtcp_demux_ask(): the first such segment
 * @xn: namespace in which it has arrived
 * @ipv6: its family is IPv6
 *
 * Early demux is added by a work item, because that may sleep.
 *
 * Context: any.
 */
void __xtcp_demux_ask(struct xtcp_net *xn, bool ipv6)
{
	WRITE_ONCE(xn->demux_asked[ipv6], true);
	schedule_work(&xn->demux_work);
}

/**
 * xtcp_demux_net_init - set up a namespace, without early demux yet
 * @net: new namespace
 */
void xtcp_demux_net_init(struct net *net)
{
	mutex_init(&xtcp_net(net)->demux_lock);
	INIT_WORK(&xtcp_net(net)->demux_work, demux_work);
}

/**
 * xtcp_demux_net_quiesce - undo xtcp_demux_add(), for ever
 * @net: namespace; it has no sockets any more
 */
void xtcp_demux_net_quiesce(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	mutex_lock(&xn->demux_lock);
	xn->demux_closed = true;
	demux6_del(net);
	if (xn->demux)
		nf_unregister_net_hook(net, &demux_ops);
	mutex_unlock(&xn->demux_lock);
}

/**
 * xtcp_demux_net_exit - undo xtcp_demux_net_init()
 * @net: namespace; no segment arrives any more
 */
void xtcp_demux_net_exit(struct net *net)
{
	cancel_work_sync(&xtcp_net(net)->demux_work);
}

/**
 * __xtcp_demux_remember - slow part of xtcp_demux_remember()
 * @sk: the socket, locked
 * @skb: segment of its connection, with another route than the cached one, or none
 */
void __xtcp_demux_remember(struct sock *sk, const struct sk_buff *skb)
{
	struct dst_entry *dst = skb_dst(skb);
	struct dst_entry *old;

	old = rcu_dereference_protected(sk->sk_rx_dst,
					lockdep_sock_is_held(sk));
	if (!dst || !dst_hold_safe(dst))
		return;
	rcu_assign_pointer(sk->sk_rx_dst, dst);
	sk->sk_rx_dst_cookie = xtcp_sk(sk)->af->route->cookie(dst);
	WRITE_ONCE(sk->sk_rx_dst_ifindex, skb->skb_iif);
	dst_release(old);
}

/**
 * xtcp_demux_forget - drop the cached input route before the peer changes
 * @sk: the socket, locked
 */
void xtcp_demux_forget(struct sock *sk)
{
	struct dst_entry *old;

	old = rcu_dereference_protected(sk->sk_rx_dst,
					lockdep_sock_is_held(sk));
	RCU_INIT_POINTER(sk->sk_rx_dst, NULL);
	dst_release(old);
}
