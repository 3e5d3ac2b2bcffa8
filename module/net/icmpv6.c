// SPDX-License-Identifier: GPL-2.0
/*
 * icmpv6.c - what an ICMPv6 error says, and how a program reads it
 *
 * RFC 4443, RFC 8201 (path MTU). What it means for a connection is
 * net/icmp.c's. Context: softirq, under RCU.
 */
#include <linux/errqueue.h>
#include <linux/icmpv6.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <net/addrconf.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/ndisc.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "flow.h"
#include "net/family.h"
#include "net/hook.h"
#include "net/icmp_err.h"

#if IS_ENABLED(CONFIG_IPV6)

/**
 * xtcp_icmpv6_queue - keep an error for recvmsg(MSG_ERRQUEUE)
 * @sk: socket, its spinlock held
 * @ie: the error; what is left of the quoted segment goes along as its data
 *
 * ipv6_icmp_error() does this and more, but 6.1 keeps it to itself.
 */
void xtcp_icmpv6_queue(struct sock *sk, const struct xtcp_icmp *ie)
{
	struct sk_buff *skb = skb_clone(ie->skb, GFP_ATOMIC);
	const struct ipv6hdr *quoted;
	struct sock_exterr_skb *serr;

	if (!skb)
		return;
	skb->protocol = htons(ETH_P_IPV6);
	quoted = (const struct ipv6hdr *)skb->data;
	serr = SKB_EXT_ERR(skb);
	memset(serr, 0, sizeof(*serr));
	serr->ee.ee_errno = ie->err;
	serr->ee.ee_origin = SO_EE_ORIGIN_ICMP6;
	serr->ee.ee_type = icmp6_hdr(skb)->icmp6_type;
	serr->ee.ee_code = icmp6_hdr(skb)->icmp6_code;
	serr->ee.ee_info = ie->info;
	serr->addr_offset = (const u8 *)&quoted->daddr -
			    skb_network_header(skb);
	serr->port = ie->th->dest;
	if (skb_pull(skb, (const u8 *)ie->th - skb->data)) {
		skb_reset_transport_header(skb);
		if (!sock_queue_err_skb(sk, skb))
			return;
	}
	kfree_skb(skb);
}

/* RFC 8201 4: less than any IPv6 link carries was not said by a router. */
static void too_big_read(struct xtcp_icmp *ie)
{
	if (ie->info >= IPV6_MIN_MTU)
		ie->what = XTCP_ICMP_TOO_BIG;
}

/*
 * For want of a path, as over IPv4. Linux gives a record of IPv6's up for what
 * is final instead, a closed port say, and keeps it where there is no route:
 * one lifecycle serves both here.
 */
static bool is_no_way(u8 type, u8 code)
{
	return type != ICMPV6_DEST_UNREACH || code == ICMPV6_NOROUTE ||
	       code == ICMPV6_ADDR_UNREACH;
}

static void error_read(struct xtcp_icmp *ie, u8 type, u8 code)
{
	ie->hard = icmpv6_err_convert(type, code, &ie->err);
	ie->what = XTCP_ICMP_ERROR;
	ie->no_path = type == ICMPV6_DEST_UNREACH && code == ICMPV6_NOROUTE;
	ie->no_way = is_no_way(type, code);
}

static void message_read(struct xtcp_icmp *ie, u8 type, u8 code)
{
	switch (type) {
	case ICMPV6_PKT_TOOBIG:
		too_big_read(ie);
		break;
	case NDISC_REDIRECT:
		ie->what = XTCP_ICMP_REDIRECT;
		break;
	default:
		error_read(ie, type, code);
	}
}

/* The quoted segment went out, so its source is our end. */
static void quoted_key(struct xtcp_key *key, const struct xtcp_icmp *ie,
		       u8 wire)
{
	const struct ipv6hdr *iph = (const struct ipv6hdr *)ie->skb->data;

	*key = (struct xtcp_key) {
		.lport	= ie->th->source,
		.rport	= ie->th->dest,
		.dif	= ie->skb->dev->ifindex,
		.sdif	= inet6_sdif(ie->skb),
		.family	= AF_INET6,
		.wire	= wire,
		.v6	= { .laddr = iph->saddr, .raddr = iph->daddr },
	};
	xtcp_ipv6_digest(key);
}

/**
 * xtcp_icmpv6_err - err_handler of struct inet6_protocol
 * @skb: ICMPv6 message that passed its checksum; skb->data at the quoted IP
 *	header
 * @opt: of the message
 * @type: ICMPv6 type
 * @code: ICMPv6 code
 * @offset: of the quoted TCP header, of which the caller made 8 octets linear
 * @info: MTU of "packet too big", pointer of a parameter problem
 *
 * Context: softirq, rcu_read_lock().
 * Return: 0, or -ENOENT when the connection is unknown.
 */
int xtcp_icmpv6_err(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type,
		    u8 code, int offset, __be32 info)
{
	struct net *net = dev_net(skb->dev);
	struct xtcp_icmp ie = {
		.skb	= skb,
		.th	= (const struct tcphdr *)(skb->data + offset),
		.info	= ntohl(info),
		.ttl	= ipv6_hdr(skb)->hop_limit,
	};
	u8 wire = xtcp_hookv6_wire(skb);
	struct xtcp_key key;
	int err;

	if (wire == XTCP_WIRE_TCP)
		xtcp_hookv6_quote_restore(skb);
	ie.seq = seq_get(&ie.th->seq);
	message_read(&ie, type, code);
	quoted_key(&key, &ie, wire);
	err = xtcp_icmp_error(net, &key, &ie);
	if (err)
		__ICMP6_INC_STATS(net, __in6_dev_get(skb->dev),
				  ICMP6_MIB_INERRORS);
	return err;
}

#endif /* CONFIG_IPV6 */
