// SPDX-License-Identifier: GPL-2.0
/*
 * prerouting.c - drop SYNs before they are routed, while there are too many
 *
 * A netfilter hook at PRE_ROUTING, behind all others there: what the firewall
 * rewrites or drops, it has done by then. It only drops, and only what
 * open/gate.c says that it would drop anyway, so that nothing can pass by the
 * firewall's input rules here. What is not surely ours goes its normal way:
 * other protocols, fragments, addresses that are not local, and everything
 * where policy rules may lead a packet elsewhere.
 *
 * Each IPv4 packet of the namespace pays for the hook. So it is there only
 * while a listener drops more than a few SYNs, by reference of one namespace.
 *
 * Context: the hook softirq under RCU; adding and deleting process.
 */
#include "net/prerouting.h"

#include <linux/inetdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <net/dst_metadata.h>
#include <net/ip.h>
#include <net/ip_fib.h>
#include <net/route.h>
#include <uapi/linux/xtcp.h>

#include "flow.h"
#include "net/family.h"
#include "net/wire.h"
#include "open/gate.h"
#include "user/stats.h"

/*
 * A SYN to a local address in one piece, and its first 20 octets linear? What a
 * tunnel has left in the route's place is no route.
 */
static bool may_be_ours(struct net *net, struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	return (iph->protocol == XTCP_WIRE_NATIVE ||
		iph->protocol == XTCP_WIRE_TCP) &&
	       skb->pkt_type == PACKET_HOST && !ip_is_fragment(iph) &&
	       !fib4_has_custom_rules(net) &&
	       (!skb_dst(skb) || skb_valid_dst(skb)) &&
	       __ip_dev_find(net, iph->daddr, false) &&
	       pskb_may_pull(skb, ip_hdrlen(skb) + XTCP_HDR_LEN);
}

static bool is_opening(const struct sk_buff *skb)
{
	const u8 *header = skb->data;

	return (header[13] & (XTCP_SYN | XTCP_ACK | XTCP_RST | XTCP_FIN)) ==
	       XTCP_SYN;
}

/* @skb: at its TCP header, as the handler would see it. */
static bool segment_is_refused(struct net *net, struct sk_buff *skb)
{
	const struct xtcp_family *af = &xtcp_ipv4;
	struct xtcp_key key;

	if (!is_opening(skb) || !xtcp_wire_pull(skb) || !af->src_valid(skb))
		return false;
	af->key_read(skb, &key);
	return xtcp_gate_refuses(net, &key, skb);
}

static unsigned int prerouting(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	struct net *net = state->net;
	unsigned int ip_len;
	bool refused;

	if (!may_be_ours(net, skb))
		return NF_ACCEPT;
	ip_len = ip_hdrlen(skb);
	__skb_pull(skb, ip_len);
	refused = segment_is_refused(net, skb);
	__skb_push(skb, ip_len);
	if (!refused)
		return NF_ACCEPT;
	XTCP_INC(net, IN_SEGS);
	XTCP_INC(net, SYN_EARLY_DROP);
	return NF_DROP;
}

static const struct nf_hook_ops prerouting_ops = {
	.hook		= prerouting,
	.pf		= NFPROTO_IPV4,
	.hooknum	= NF_INET_PRE_ROUTING,
	.priority	= NF_IP_PRI_LAST - 1,	/* before net/demux.c looks */
};

/**
 * xtcp_prerouting_add - drop early from now on
 * @net: namespace, where this isn't done yet
 *
 * Return: 0 or -errno.
 */
int xtcp_prerouting_add(struct net *net)
{
	return nf_register_net_hook(net, &prerouting_ops);
}

/**
 * xtcp_prerouting_del - undo xtcp_prerouting_add()
 * @net: namespace; the hook may run for a grace period yet
 */
void xtcp_prerouting_del(struct net *net)
{
	nf_unregister_net_hook(net, &prerouting_ops);
}
