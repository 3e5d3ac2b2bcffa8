// SPDX-License-Identifier: GPL-2.0
/*
 * demux.c - a segment finds its socket before it is routed
 *
 * Routing a segment to us costs a fifth of what its whole way costs, and for
 * one of an open connection the answer is known: that of the one before. The
 * kernel asks its own TCP and UDP at that point, and nobody else
 * (net.ipv4.ip_early_demux and tcp_early_demux). So this is a netfilter hook at PRE_ROUTING, behind
 * all others there, which gives the segment its socket's route. Where it can't,
 * because the route went stale or the device is another one, the segment goes
 * its normal way. The socket goes along, so that it need not be looked up
 * again. Where there is no such socket, net/arrival.c and
 * net/arrival6.c may know the route.
 *
 * Each IPv4 packet of the namespace pays for the hook. So it is there only
 * where a program has had a connection, or listens on the native wire, and then
 * for the namespace's life.
 *
 * The packet holds a reference to the socket, which goes to whoever takes the
 * socket from it, or with the packet.
 *
 * Context: the hooks run under RCU, mostly in softirq. A packet that has waited in
 * a netfilter queue comes with the task that gives the verdict, and softirqs on:
 * nothing of a CPU's own is used then. xtcp_demux_add(): process.
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
#include "net/arrival.h"
#include "net/arrival6.h"
#include "net/family.h"
#include "net/ipv4.h"
#include "net/key6.h"
#include "net/route6.h"
#include "net/wire.h"
#include "netns.h"
#include "port/port.h"
#include "tcb.h"

static noinline bool port_may_be_ours(struct net *net,
				      const struct sk_buff *skb,
				      unsigned int ip_len)
{
	__be16 *ports, buffer[2];

	ports = skb_header_pointer(skb, ip_len, sizeof(buffer), buffer);
	return ports && xtcp_port_is_held(net, ntohs(ports[1]));
}

static bool protocol_may_be_ours(struct net *net, const struct sk_buff *skb,
				 u8 protocol, unsigned int ip_len)
{
	return protocol == XTCP_WIRE_NATIVE ||
	       (protocol == XTCP_WIRE_TCP &&
		port_may_be_ours(net, skb, ip_len));
}

/*
 * In one piece, for us alone, its header linear, and nobody's yet? What comes in
 * on a slave of a VRF comes here once more, as the VRF's.
 */
static bool may_be_ours(struct net *net, struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	return protocol_may_be_ours(net, skb, iph->protocol, ip_hdrlen(skb)) &&
	       !ip_is_fragment(iph) &&
	       pskb_may_pull(skb, ip_hdrlen(skb) + XTCP_HDR_LEN) &&
	       skb->pkt_type == PACKET_HOST && !skb_dst(skb) && !skb->sk &&
	       !netif_is_l3_slave(skb->dev);
}

/*
 * A SYN is for a listener, and the few others can wait: that is seen before
 * anything is looked up, for a flood of them passes here, too.
 */
static bool is_syn(const struct sk_buff *skb, unsigned int ip_len)
{
	return skb->data[ip_len + 13] & XTCP_SYN;
}

/* With a reference. */
static __always_inline struct sock *
find_socket(struct net *net, struct sk_buff *skb, const struct xtcp_family *af,
	    unsigned int ip_len, u8 wire)
{
	struct xtcp_key key __uninitialized;

	if (is_syn(skb, ip_len))
		return NULL;
	skb_set_transport_header(skb, ip_len);
	if (af == &xtcp_ipv4)
		xtcp_ipv4_key_read(skb, wire, &key);
	else
		xtcp_ipv6_key_read(skb, wire, &key);
	xtcp_key_digest(&key);
	return xtcp_flow_lookup_sk_rcu(net, &key);
}

static __always_inline struct dst_entry *route_of(const struct sock *sk,
						  const struct sk_buff *skb)
{
	struct dst_entry *dst = rcu_dereference(sk->sk_rx_dst);

	if (unlikely(!dst) || READ_ONCE(sk->sk_rx_dst_ifindex) != skb->skb_iif)
		return NULL;
	if (skb->protocol == htons(ETH_P_IP) ?
	    xtcp_ipv4_route_is_fresh(sock_net(sk), dst) :
	    xtcp_ipv6_route_is_fresh(dst, sk->sk_rx_dst_cookie))
		return dst;
	return dst_check(dst, sk->sk_rx_dst_cookie);
}

/*
 * On the TCP wire net/hook.c brings the socket along, unless it is gone by
 * then: here the kernel's own TCP would take it for one of its own.
 */
static void attach(struct sk_buff *skb, struct sock *sk, u8 wire)
{
	if (skb_dst(skb) && wire == XTCP_WIRE_NATIVE) {
		skb->sk = sk;
		skb->destructor = sock_edemux;
	} else {
		sock_put(sk);
	}
}

/* As for the kernel's TCP, IP's switch and ours have to be on; IPv6 has IPv4's. */
static bool is_wanted(const struct net *net, const struct xtcp_net *xn)
{
	return READ_ONCE(xn->knobs.early_demux) &&
	       READ_ONCE(net->ipv4.sysctl_ip_early_demux);
}

static unsigned int demux(void *priv, struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	u8 wire = ip_hdr(skb)->protocol;
	const struct xtcp_net *xn;
	struct dst_entry *dst;
	struct sock *sk;

	if (!may_be_ours(state->net, skb))
		return NF_ACCEPT;
	xn = xtcp_net(state->net);
	if (!is_wanted(state->net, xn))
		return NF_ACCEPT;
	sk = find_socket(state->net, skb, &xtcp_ipv4, ip_hdrlen(skb), wire);
	dst = sk ? route_of(sk, skb) : NULL;
	if (dst)
		skb_dst_set_noref(skb, dst);
	else
		xtcp_arrival_route(xn, skb);
	if (sk)
		attach(skb, sk, wire);
	return NF_ACCEPT;
}

static const struct nf_hook_ops demux_ops = {
	.hook		= demux,
	.pf		= NFPROTO_IPV4,
	.hooknum	= NF_INET_PRE_ROUTING,
	.priority	= NF_IP_PRI_LAST,
};

#if IS_ENABLED(CONFIG_IPV6)
/* As above; extension headers are a rarity that can wait. */
static bool may_be_ours6(struct net *net, struct sk_buff *skb)
{
	unsigned int ip_len = sizeof(struct ipv6hdr);

	return protocol_may_be_ours(net, skb, ipv6_hdr(skb)->nexthdr, ip_len) &&
	       pskb_may_pull(skb, ip_len + XTCP_HDR_LEN) &&
	       skb->pkt_type == PACKET_HOST && !skb_dst(skb) && !skb->sk &&
	       !netif_is_l3_slave(skb->dev);
}

static unsigned int demux6(void *priv, struct sk_buff *skb,
			   const struct nf_hook_state *state)
{
	u8 wire = ipv6_hdr(skb)->nexthdr;
	struct dst_entry *dst;
	struct sock *sk;

	if (!may_be_ours6(state->net, skb) ||
	    !is_wanted(state->net, xtcp_net(state->net)))
		return NF_ACCEPT;
	sk = find_socket(state->net, skb, &xtcp_ipv6, sizeof(struct ipv6hdr),
			 wire);
	dst = sk ? route_of(sk, skb) : NULL;
	if (dst)
		skb_dst_set_noref(skb, dst);
	else
		xtcp_arrival6_route(xtcp_net(state->net), skb);
	if (sk)
		attach(skb, sk, wire);
	return NF_ACCEPT;
}

static const struct nf_hook_ops demux6_ops = {
	.hook		= demux6,
	.pf		= NFPROTO_IPV6,
	.hooknum	= NF_INET_PRE_ROUTING,
	.priority	= NF_IP6_PRI_LAST,
};

/* IPv6 packets pay only where there are IPv6 sockets. */
static void demux6_add(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	if (smp_load_acquire(&xn->demux6))	/* as in xtcp_demux_add() */
		return;
	mutex_lock(&xn->demux_lock);
	xtcp_arrival6_net_add(net);
	if (!xn->demux6 && !nf_register_net_hook(net, &demux6_ops))
		smp_store_release(&xn->demux6, true);	/* see there */
	mutex_unlock(&xn->demux_lock);
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
 * xtcp_demux_add - segments find their sockets early from now on
 * @net: namespace; nothing happens where they do already
 * @family: of a socket that may get them
 *
 * Without memory they don't, which costs time alone.
 */
void xtcp_demux_add(struct net *net, u8 family)
{
	struct xtcp_net *xn = xtcp_net(net);

	if (xtcp_family_is_ipv6(family))
		demux6_add(net);
	/* Pairs with the store below: who sees it, need not wait for the mutex. */
	if (smp_load_acquire(&xn->demux))
		return;
	mutex_lock(&xn->demux_lock);
	xtcp_arrival_net_add(net);
	if (!xn->demux && !nf_register_net_hook(net, &demux_ops))
		smp_store_release(&xn->demux, true);	/* see above */
	mutex_unlock(&xn->demux_lock);
}

/**
 * xtcp_demux_net_init - segments do not find their sockets early yet
 * @net: new namespace
 */
void xtcp_demux_net_init(struct net *net)
{
	mutex_init(&xtcp_net(net)->demux_lock);
}

/**
 * xtcp_demux_net_exit - undo xtcp_demux_add()
 * @net: namespace; it has no sockets any more
 */
void xtcp_demux_net_exit(struct net *net)
{
	demux6_del(net);
	if (xtcp_net(net)->demux)
		nf_unregister_net_hook(net, &demux_ops);
}

/* xtcp_demux_remember(), where it is another one. */
void __xtcp_demux_remember(struct sock *sk, const struct sk_buff *skb)
{
	struct dst_entry *dst = skb_dst(skb);
	struct dst_entry *old;

	old = rcu_dereference_protected(sk->sk_rx_dst,
					lockdep_sock_is_held(sk));
	if (!dst || !dst_hold_safe(dst))
		return;
	rcu_assign_pointer(sk->sk_rx_dst, dst);
	sk->sk_rx_dst_cookie = xtcp_sk(sk)->af->route_cookie(dst);
	WRITE_ONCE(sk->sk_rx_dst_ifindex, skb->skb_iif);
	dst_release(old);
}

/**
 * xtcp_demux_forget - the socket is about to have another peer
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
