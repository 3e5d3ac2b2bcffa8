// SPDX-License-Identifier: GPL-2.0
/*
 * icmpv6.c - parse an ICMP error of IPv6
 *
 * RFC 4443, RFC 8201 (path MTU). segment/icmp.c applies it to the connection.
 *
 * Context: softirq, under RCU.
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
#include "net/device.h"
#include "net/family.h"
#include "net/hook.h"
#include "net/icmp_err.h"
#include "net/input.h"

#if IS_ENABLED(CONFIG_IPV6)

/*
 * RFC 8201 4: ignore an MTU below the least one of IPv6, which no router sends.
 */
static void too_big_read(struct xtcp_icmp *ie)
{
	if (ie->info >= IPV6_MIN_MTU)
		ie->what = XTCP_ICMP_TOO_BIG;
}

/*
 * Does the error mean that no path leads to the peer? The rule is that of IPv4.
 * Linux instead removes a half-open record of IPv6 for permanent errors, such
 * as a closed port, and keeps it if there is no route. Here both families have
 * one lifecycle.
 */
static bool is_no_way(u8 type, u8 code)
{
	return type == ICMPV6_DEST_UNREACH ?
	       code == ICMPV6_NOROUTE || code == ICMPV6_ADDR_UNREACH :
	       type == ICMPV6_TIME_EXCEED || type == ICMPV6_PARAMPROB;
}

static void error_read(struct xtcp_icmp *ie)
{
	ie->hard = icmpv6_err_convert(ie->type, ie->code, &ie->err);
	ie->what = XTCP_ICMP_ERROR;
	ie->undoes_backoff = ie->type == ICMPV6_DEST_UNREACH &&
			     ie->code == ICMPV6_NOROUTE;
	ie->ends_half_open = is_no_way(ie->type, ie->code);
	/* RFC 4884 4.2: in units of 64 bits. */
	if (ie->type == ICMPV6_DEST_UNREACH || ie->type == ICMPV6_TIME_EXCEED)
		ie->quote_len = icmp6_hdr(ie->skb)->icmp6_datagram_len * 8;
}

static void icmpv6_message_read(struct xtcp_icmp *ie)
{
	switch (ie->type) {
	case ICMPV6_PKT_TOOBIG:
		too_big_read(ie);
		break;
	case NDISC_REDIRECT:
		ie->what = XTCP_ICMP_REDIRECT;
		break;
	default:
		error_read(ie);
	}
}

/* We sent the quoted segment, so its source is our end. */
static void icmpv6_quoted_key(struct xtcp_key *key, const struct xtcp_icmp *ie,
			      u8 wire)
{
	const struct ipv6hdr *iph = (const struct ipv6hdr *)ie->skb->data;

	*key = (struct xtcp_key) {
		.lport	= ie->th->source,
		.rport	= ie->th->dest,
		.family	= AF_INET6,
		.wire	= wire,
		.v6	= { .laddr = iph->saddr, .raddr = iph->daddr },
	};
	xtcp_key_came_in(key, dev_net(ie->skb->dev), ie->skb->dev->ifindex,
			 inet6_sdif(ie->skb));
	xtcp_ipv6_digest(key);
}

/**
 * xtcp_icmpv6_err - err_handler of struct inet6_protocol
 * @skb: ICMPv6 message with a correct checksum; skb->data at the quoted IP
 *	header
 * @opt: control block of the message
 * @type: ICMPv6 type
 * @code: ICMPv6 code
 * @offset: offset of the quoted TCP header, of which the caller has made 8
 *	bytes linear
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
		.peer_at = offsetof(struct ipv6hdr, daddr),
		.origin	= SO_EE_ORIGIN_ICMP6,
		.type	= type,
		.code	= code,
		.ttl	= ipv6_hdr(skb)->hop_limit,
	};
	u8 wire = xtcp_hookv6_wire(skb);
	struct xtcp_key key;
	int err;

	if (wire == XTCP_WIRE_TCP)
		xtcp_hookv6_quote_restore(skb);
	ie.seq = seq_get(&ie.th->seq);
	icmpv6_message_read(&ie);
	icmpv6_quoted_key(&key, &ie, wire);
	err = xtcp_input_error(net, &key, &ie);
	if (err)
		__ICMP6_INC_STATS(net, __in6_dev_get(skb->dev),
				  ICMP6_MIB_INERRORS);
	return err;
}

#endif /* CONFIG_IPV6 */
