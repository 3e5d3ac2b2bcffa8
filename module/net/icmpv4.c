// SPDX-License-Identifier: GPL-2.0
/*
 * icmpv4.c - parse an ICMP error of IPv4
 *
 * RFC 792, RFC 1122 3.2.2 and 4.2.3.9. segment/icmp.c applies it to the
 * connection.
 *
 * Context: softirq, under RCU.
 */
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/route.h>
#include <net/sock.h>

#include "flow.h"
#include "net/device.h"
#include "net/hook.h"
#include "net/icmp_err.h"
#include "net/input.h"

static void unreachable_read(struct xtcp_icmp *ie, u8 code)
{
	bool route = code == ICMP_NET_UNREACH || code == ICMP_HOST_UNREACH;

	if (code == ICMP_FRAG_NEEDED) {
		ie->what = XTCP_ICMP_TOO_BIG;
		return;
	}
	if (code > NR_ICMP_UNREACH)
		return;
	ie->what = XTCP_ICMP_ERROR;
	ie->err = icmp_err_convert[code].errno;
	ie->hard = icmp_err_convert[code].fatal;
	ie->undoes_backoff = route;
	ie->ends_half_open = route;
}

static void soft_read(struct xtcp_icmp *ie, int err)
{
	ie->what = XTCP_ICMP_ERROR;
	ie->err = err;
	ie->ends_half_open = true;
}

/* RFC 4884 4.1: the length is in units of 32 bits. */
static void quote_len_read(struct xtcp_icmp *ie)
{
	ie->quote_len = icmp_hdr(ie->skb)->un.reserved[1] * 4;
}

static void icmpv4_message_read(struct xtcp_icmp *ie)
{
	switch (ie->type) {
	case ICMP_DEST_UNREACH:
		unreachable_read(ie, ie->code);
		quote_len_read(ie);
		break;
	case ICMP_TIME_EXCEEDED:
		soft_read(ie, EHOSTUNREACH);
		quote_len_read(ie);
		break;
	case ICMP_PARAMETERPROB:
		soft_read(ie, EPROTO);
		quote_len_read(ie);
		break;
	case ICMP_REDIRECT:
		ie->what = XTCP_ICMP_REDIRECT;
		break;
	}
}

/* We sent the quoted segment, so its source is our end. */
static void icmpv4_quoted_key(struct xtcp_key *key, const struct xtcp_icmp *ie)
{
	const struct iphdr *iph = (const struct iphdr *)ie->skb->data;

	*key = (struct xtcp_key) {
		.laddr	= iph->saddr,
		.raddr	= iph->daddr,
		.lport	= ie->th->source,
		.rport	= ie->th->dest,
		.family	= AF_INET,
		.wire	= iph->protocol,
	};
	xtcp_key_came_in(key, dev_net(ie->skb->dev), inet_iif(ie->skb),
			 inet_sdif(ie->skb));
}

/**
 * xtcp_icmpv4_err - err_handler of struct net_protocol
 * @skb: ICMP message with a correct checksum; skb->data at the quoted IP
 *	header, of which the caller has made the header and 8 bytes more linear
 * @info: MTU of "fragmentation needed", gateway of a redirect, pointer of a
 *	parameter problem
 *
 * Context: softirq, rcu_read_lock().
 * Return: 0, or -ENOENT when the connection is unknown.
 */
int xtcp_icmpv4_err(struct sk_buff *skb, u32 info)
{
	struct iphdr *iph = (struct iphdr *)skb->data;
	struct net *net = dev_net(skb->dev);
	struct xtcp_icmp ie = {
		.skb	= skb,
		.th	= (const struct tcphdr *)(skb->data + iph->ihl * 4),
		.info	= info,
		.peer_at = offsetof(struct iphdr, daddr),
		.origin	= SO_EE_ORIGIN_ICMP,
		.type	= icmp_hdr(skb)->type,
		.code	= icmp_hdr(skb)->code,
		.ttl	= iph->ttl,
	};
	struct xtcp_key key;
	int err;

	if (xtcp_hookv4_wire(skb) == XTCP_WIRE_TCP)
		xtcp_hookv4_quote_restore(skb);
	ie.seq = seq_get(&ie.th->seq);
	icmpv4_message_read(&ie);
	icmpv4_quoted_key(&key, &ie);
	err = xtcp_input_error(net, &key, &ie);
	if (err)
		__ICMP_INC_STATS(net, ICMP_MIB_INERRORS);
	return err;
}
