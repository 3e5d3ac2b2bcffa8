// SPDX-License-Identifier: GPL-2.0
/*
 * handler.c - protocol and error handlers of IP protocol 253
 *
 * IPv4 and IPv6 pass segments and ICMP errors of protocol 253 to these
 * handlers. They also pass segments of the TCP wire, to which net/hook.c has
 * given this protocol number and a flag.
 *
 * Context: softirq under RCU.
 */
#include "net/handler.h"

#include <linux/tcp.h>
#include <net/addrconf.h>
#include <net/ipv6.h>
#include <net/protocol.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "compat.h"
#include "net/demux.h"
#include "net/family.h"
#include "net/hook.h"
#include "net/icmp_err.h"
#include "net/input.h"
#include "net/inroute.h"
#include "net/inroute6.h"
#include "netns.h"

/*
 * net_protocol.handler. Returns -IPPROTO_TCP if the segment of the TCP wire is
 * for the kernel's TCP after all, else 0.
 */
static int ipv4_rcv(struct sk_buff *skb)
{
	struct xtcp_net *xn = xtcp_net_rcu(dev_net(skb->dev));
	u8 wire = xtcp_hookv4_wire(skb);

	if (wire == XTCP_WIRE_TCP) {
		ip_hdr(skb)->protocol = IPPROTO_TCP;
		if (!xtcp_hook_holds(dev_net(skb->dev), skb)) {
			skb_orphan(skb);
			return -IPPROTO_TCP;
		}
	}
	if (wire == XTCP_WIRE_TCP)
		xtcp_demux_ask(xn, false);
	xtcp_inroute_learn(xn, skb);
	xtcp_input(skb, &xtcp_ipv4, wire, NULL);
	return 0;
}

static const struct net_protocol ipv4_protocol = {
	.handler	= ipv4_rcv,
	.err_handler	= xtcp_icmpv4_err,
	.no_policy	= 1,	/* checked once the socket is known */
	/* segment/icmp.c looks at the quoted number, as ip_no_pmtu_disc=3 demands. */
	.icmp_strict_tag_validation = 1,
};

#if IS_ENABLED(CONFIG_IPV6)
/*
 * IPv6 gives the firewall each fragment alone, unless connection tracking is there. RFC 7112
 * demands that the first one has the whole header, and the kernel looks at those of TCP and
 * UDP. Of protocol 253 it accepts eight bytes, in which no rule finds the flags. So
 * the first fragment of a SYN is dropped, which is enough: without it IP reassembles nothing.
 * No honest SYN is larger than a packet. Behind a further extension header, which may be cut, no
 * rule finds even the protocol, and over IPv6 nobody fragments xtcp's own segments. An atomic
 * fragment (RFC 6946) is a whole packet, whose fragment header is still there, unless connection
 * tracking has removed the header: then the packet is treated like a first fragment.
 */
static bool ipv6_hides_header(struct sk_buff *skb)
{
	const struct tcphdr *th;
	unsigned int offset = 0;
	struct tcphdr copy;

	if (likely(!(IP6CB(skb)->flags & IP6SKB_FRAGMENTED)) ||
	    ipv6_find_hdr(skb, &offset, NEXTHDR_FRAGMENT, NULL, NULL) >= 0)
		return false;
	if (skb_network_header_len(skb) > sizeof(struct ipv6hdr))
		return true;
	th = skb_header_pointer(skb, skb_transport_offset(skb), sizeof(copy), &copy);
	return !th || th->syn;
}

/*
 * inet6_protocol.handler. Returns IPPROTO_TCP if the segment of the TCP wire is
 * for the kernel's TCP after all, else 0.
 */
static int ipv6_segment(struct sk_buff *skb)
{
	struct xtcp_net *xn = xtcp_net_rcu(dev_net(skb->dev));
	u8 wire = xtcp_hookv6_wire(skb);

	if (wire == XTCP_WIRE_TCP) {
		skb_network_header(skb)[IP6CB(skb)->nhoff] = IPPROTO_TCP;
		if (!xtcp_hook_holds(dev_net(skb->dev), skb)) {
			skb_orphan(skb);
			return IPPROTO_TCP;
		}
	} else if (unlikely(ipv6_hides_header(skb))) {
		__IP6_INC_STATS(dev_net(skb->dev), __in6_dev_get(skb->dev),
				IPSTATS_MIB_INHDRERRORS);
		kfree_skb_reason(skb, SKB_DROP_REASON_IP_INHDR);
		return 0;
	}
	if (wire == XTCP_WIRE_TCP)
		xtcp_demux_ask(xn, true);
	xtcp_inroute6_learn(xn, skb);
	xtcp_input(skb, &xtcp_ipv6, wire, NULL);
	return 0;
}

static const struct inet6_protocol ipv6_protocol = {
	.handler	= ipv6_segment,
	.err_handler	= xtcp_icmpv6_err,
	/* Policy is checked once the socket is known. */
	.flags		= INET6_PROTO_NOPOLICY | INET6_PROTO_FINAL,
};

/* On a kernel that was booted with ipv6.disable=1, IPv6 never calls it. */
static int ipv6_protocol_add(void)
{
	return inet6_add_protocol(&ipv6_protocol, IPPROTO_XTCP);
}

static void ipv6_protocol_del(void)
{
	inet6_del_protocol(&ipv6_protocol, IPPROTO_XTCP);
}
#else
static int ipv6_protocol_add(void)
{
	return 0;
}

static void ipv6_protocol_del(void)
{
}
#endif

/**
 * xtcp_handler_init - register the handlers of both families
 *
 * Context: process, at load.
 * Return: 0 or -errno.
 */
int __init xtcp_handler_init(void)
{
	int err = inet_add_protocol(&ipv4_protocol, IPPROTO_XTCP);

	if (err)
		return err;
	err = ipv6_protocol_add();
	if (err)
		inet_del_protocol(&ipv4_protocol, IPPROTO_XTCP);
	return err;
}

/**
 * xtcp_handler_exit - unregister the handlers
 *
 * Context: process, may sleep: waits until no handler runs.
 */
void xtcp_handler_exit(void)
{
	ipv6_protocol_del();
	inet_del_protocol(&ipv4_protocol, IPPROTO_XTCP);
}
