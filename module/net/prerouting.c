// SPDX-License-Identifier: GPL-2.0
/*
 * prerouting.c - drop SYNs before routing while there are too many
 *
 * A netfilter hook at PRE_ROUTING, behind all others there but net/demux.c's: the firewall has
 * rewritten or dropped packets before. The hook only drops, and only SYNs that
 * open/gate.c would drop later, so that no packet bypasses the firewall's input
 * rules. IP routes every packet as usual that isn't certainly for xtcp: other
 * protocols, fragments and other extension headers, addresses that aren't
 * local, and all packets if policy rules may route them elsewhere.
 *
 * Each packet of the namespace pays for the hooks. So they are registered when
 * the namespace's listeners first drop more than 64 SYNs in a second, and stay until
 * the namespace ends: nf_unregister_net_hook() drops the packets of all queues
 * to user space (NFQUEUE) in the namespace, and the sender of a flood decides
 * when it begins and ends. Between floods the hooks read one flag
 * (open/gate.c).
 *
 * Context: the hooks run under RCU, mostly in softirq. A packet that has waited
 * in a netfilter queue comes with the task that gives the verdict, and softirqs
 * on: the hook accepts it. Adding and deleting: process.
 */
#include "net/prerouting.h"

#include <linux/inetdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/preempt.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <uapi/linux/xtcp.h>

#include "flow.h"
#include "net/demux.h"
#include "net/family.h"
#include "net/inroute6.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "open/gate.h"

/*
 * IPVS sends connections to a local address elsewhere, at LOCAL_IN. It does so only if there is
 * a virtual service, which hooks_afmask would tell. But that memory is freed without a grace
 * period when ip_vs is unloaded, so only the pointer may be looked at.
 */
static bool ipvs_is_there(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_IP_VS)
	return READ_ONCE(dev_net(skb->dev)->ipvs);
#else
	return false;
#endif
}

/*
 * May the packet be a segment for this host's xtcp? Softirqs have to be off for the lookup of a
 * listener, because a BPF program may choose it. A packet on a slave of a VRF
 * comes here a second time, as the VRF's. One on an ipvlan in mode l3s may be for another
 * namespace, which nobody knows before routing. A socket that the packet has is not
 * found by address: a rule (tproxy) or a BPF program chose it.
 */
static bool is_for_host(const struct sk_buff *skb, u8 protocol)
{
	return (protocol == XTCP_WIRE_NATIVE || protocol == XTCP_WIRE_TCP) &&
	       xtcp_demux_is_for_host(skb) && in_softirq() && !skb->sk &&
	       !netif_is_l3_slave(skb->dev) &&
	       !netif_has_l3_rx_handler(skb->dev) && !ipvs_is_there(skb);
}

/*
 * Few packets have a route here. It has to be one of the packet's own family to this host: a
 * tunnel's metadata in place of the route is of none, and what SRv6 has taken out of a packet
 * still has that packet's, and goes to where SRv6 says.
 */
static bool has_foreign_route(const struct sk_buff *skb, u16 family)
{
	const struct dst_entry *dst = skb_dst(skb);

	return dst && (dst->ops->family != family || dst->lwtstate);
}

static bool is_routed_elsewhere(const struct sk_buff *skb)
{
	return has_foreign_route(skb, AF_INET) ||
	       (skb_dst(skb) && skb_rtable(skb)->rt_type != RTN_LOCAL);
}

/*
 * Is it an unfragmented segment to a local address? Makes its TCP header
 * linear.
 */
static bool prerouting_may_be_ours(struct net *net, struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	return is_for_host(skb, iph->protocol) && !ip_is_fragment(iph) &&
	       !is_routed_elsewhere(skb) && !fib4_has_custom_rules(net) &&
	       __ip_dev_find(net, iph->daddr, false) &&
	       pskb_may_pull(skb, skb_network_header_len(skb) + XTCP_HDR_LEN);
}

static bool prerouting_is_syn(const struct sk_buff *skb)
{
	const u8 *header = skb->data;

	return (header[13] & (XTCP_SYN | XTCP_ACK | XTCP_RST | XTCP_FIN)) ==
	       XTCP_SYN;
}

/*
 * Would the gate drop the SYN? @skb is at its TCP header, as for the handler.
 */
static bool segment_is_refused(struct net *net, struct sk_buff *skb,
			       const struct xtcp_family *af, u8 protocol)
{
	struct xtcp_key key;

	if (!prerouting_is_syn(skb) || !xtcp_wire_pull(skb) ||
	    !af->packet->src_valid(skb))
		return false;
	af->packet->key_read(skb, protocol, &key);
	xtcp_key_digest(&key);
	return xtcp_gate_refuses(net, &key, skb);
}

/* Verdict on a packet; @skb is at its IP header, which says @protocol. */
static unsigned int prerouting_check(struct net *net, struct sk_buff *skb,
				     const struct xtcp_family *af, u8 protocol)
{
	unsigned int ip_len = skb_network_header_len(skb);
	bool refused;

	__skb_pull(skb, ip_len);
	refused = segment_is_refused(net, skb, af, protocol);
	__skb_push(skb, ip_len);
	if (!refused)
		return NF_ACCEPT;
	XTCP_INC(net, IN_SEGS);
	XTCP_INC(net, SYN_EARLY_DROP);
	return NF_DROP;
}

static unsigned int prerouting_ipv4(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	if (!xtcp_gate_drops_early(state->net) ||
	    !prerouting_may_be_ours(state->net, skb))
		return NF_ACCEPT;
	return prerouting_check(state->net, skb, &xtcp_ipv4, ip_hdr(skb)->protocol);
}

#if IS_ENABLED(CONFIG_IPV6)
static bool is_routed_elsewhere6(const struct sk_buff *skb)
{
	return has_foreign_route(skb, AF_INET6) ||
	       (skb_dst(skb) && !ipv6_unicast_destination(skb));
}

/* Most segments are to one address, which the cache has: try it first. */
static bool is_local6(struct net *net, const struct sk_buff *skb)
{
	return xtcp_inroute6_is_known(xtcp_net(net), skb) ||
	       ipv6_chk_addr(net, &ipv6_hdr(skb)->daddr, skb->dev, 0);
}

/*
 * As prerouting_may_be_ours(). A link-local address is local on its own link
 * only.
 */
static bool prerouting_may_be_ours6(struct net *net, struct sk_buff *skb)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);

	return is_for_host(skb, iph->nexthdr) && !is_routed_elsewhere6(skb) &&
	       !fib6_has_custom_rules(net) && is_local6(net, skb) &&
	       pskb_may_pull(skb, skb_network_header_len(skb) + XTCP_HDR_LEN);
}

static unsigned int prerouting_ipv6(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	if (!xtcp_gate_drops_early(state->net) ||
	    !prerouting_may_be_ours6(state->net, skb))
		return NF_ACCEPT;
	return prerouting_check(state->net, skb, &xtcp_ipv6, ipv6_hdr(skb)->nexthdr);
}
#endif

static const struct nf_hook_ops prerouting_ops[] = {
	{
		.hook		= prerouting_ipv4,
		.pf		= NFPROTO_IPV4,
		.hooknum	= NF_INET_PRE_ROUTING,
		.priority	= NF_IP_PRI_LAST - 1,	/* before net/demux.c */
	},
#if IS_ENABLED(CONFIG_IPV6)
	{
		.hook		= prerouting_ipv6,
		.pf		= NFPROTO_IPV6,
		.hooknum	= NF_INET_PRE_ROUTING,
		.priority	= NF_IP6_PRI_LAST - 1,
	},
#endif
};

/**
 * xtcp_prerouting_add - register the hooks in a namespace
 * @net: namespace in which they are not registered
 *
 * Context: process, may sleep.
 * Return: 0 or -errno.
 */
int xtcp_prerouting_add(struct net *net)
{
	return nf_register_net_hooks(net, prerouting_ops,
				     ARRAY_SIZE(prerouting_ops));
}

/**
 * xtcp_prerouting_del - undo xtcp_prerouting_add()
 * @net: namespace; the hooks may still run for a grace period
 *
 * Context: process, may sleep.
 */
void xtcp_prerouting_del(struct net *net)
{
	nf_unregister_net_hooks(net, prerouting_ops,
				ARRAY_SIZE(prerouting_ops));
}
