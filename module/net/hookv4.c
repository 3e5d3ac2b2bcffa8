// SPDX-License-Identifier: GPL-2.0
/*
 * hookv4.c - the TCP wire's hook in an IPv4 packet
 *
 * RFC 791, RFC 792; net/hook.c describes the hook. Packets are complete here:
 * IP has reassembled fragments.
 *
 * Context: under RCU; as in net/hook.c.
 */
#include "net/hook.h"

#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <net/inet_hashtables.h>
#include <net/request_sock.h>
#include <net/sock.h>

#include "compat.h"
#include "flow.h"
#include "net/demux.h"
#include "net/device.h"
#include "net/family.h"
#include "net/inroute.h"
#include "net/input.h"
#include "netns.h"
#include "port/port.h"

static struct sock *hookv4_connection(struct net *net,
				      const struct xtcp_key *key)
{
	return xtcp_kernel_tcp_established(net, key->raddr, key->rport,
					   key->laddr, ntohs(key->lport),
					   key->dif, key->sdif);
}

/*
 * Is there a listener? Without a segment no program of its SO_REUSEPORT group is asked which
 * one: the kernel's TCP asks it, once, with the segment at its TCP header.
 */
static bool hookv4_wants(struct net *net, const struct xtcp_key *key)
{
	return xtcp_hook_kernel_tcp_keeps(net, key) ||
	       xtcp_kernel_tcp_listener(net, NULL, 0, key->raddr, key->rport,
					key->laddr, ntohs(key->lport), key->dif,
					key->sdif);
}

/* An error in place of a socket means that a program refuses the segment. */
static bool hookv4_steered(struct net *net, const struct xtcp_key *key)
{
	struct sock *sk;

	bpf_sk_lookup_run_v4(net, IPPROTO_TCP, key->raddr, key->rport, key->laddr,
			     ntohs(key->lport), key->dif, &sk);
	return sk;
}

/* Of a request that security modules see only the family is read. */
static const struct request_sock_ops hookv4_request_ops = { .family = PF_INET };

/* As tcp_v4_init_req(): of a listener for both families the addresses are mapped, too. */
static void hookv4_request_fill(struct inet_request_sock *ireq, const struct xtcp_key *key)
{
	ireq->req.rsk_ops = &hookv4_request_ops;
	sk_rcv_saddr_set(req_to_sk(&ireq->req), key->laddr);
	sk_daddr_set(req_to_sk(&ireq->req), key->raddr);
}

static void hookv4_request_free(struct inet_request_sock *ireq, struct sock *lsk)
{
	kfree(rcu_dereference_protected(ireq->ireq_opt, 1));
}

const struct xtcp_kernel_tcp_ops xtcp_ipv4_kernel_tcp = {
	.connection	= hookv4_connection,
	.wants		= hookv4_wants,
	.steered	= hookv4_steered,
	.request_fill	= hookv4_request_fill,
	.request_free	= hookv4_request_free,
};

static unsigned int hookv4_local_in(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state);

static bool hookv4_is_last(const struct net *net)
{
	return xtcp_hook_is_last(rcu_dereference(net->nf.hooks_ipv4[NF_INET_LOCAL_IN]),
				 hookv4_local_in);
}

/* As IP delivers a packet behind its hooks. Consumes @skb. */
static unsigned int hookv4_deliver(struct net *net, struct sk_buff *skb,
				   const struct xtcp_found *found)
{
	struct xtcp_net *xn = xtcp_net_rcu(net);

	skb_clear_delivery_time(skb);
	__skb_pull(skb, skb_network_header_len(skb));
	__IP_INC_STATS(net, IPSTATS_MIB_INDELIVERS);
	if (!found->flow)
		xtcp_demux_ask(xn, false);
	xtcp_inroute_learn(xn, skb);
	xtcp_input(skb, &xtcp_ipv4, XTCP_WIRE_TCP, found);
	return NF_STOLEN;
}

/* Is the segment for xtcp? Both stacks drop one that isn't to this host alone. */
static bool hookv4_segment_is_ours(struct net *net, struct sk_buff *skb,
				   struct xtcp_found *found)
{
	/* As IP does: a rule may have changed the header's field of its length. */
	unsigned int offset = skb_network_header_len(skb);

	return skb->pkt_type == PACKET_HOST && xtcp_port_is_held_skb(net, skb, offset) &&
	       xtcp_hook_owns(net, skb, &xtcp_ipv4, offset, false, found);
}

static unsigned int hookv4_segment_in(struct net *net, struct sk_buff *skb)
{
	struct xtcp_found found __uninitialized;

	if (!hookv4_segment_is_ours(net, skb, &found))
		return NF_ACCEPT;
	/* Newer kernels copy pages that the sender still owns behind the hooks. */
	if (found.complete && !skb_zcopy(skb) && hookv4_is_last(net))
		return hookv4_deliver(net, skb, &found);
	if (found.flow)
		xtcp_flow_put(found.flow);
	/* Copy the header if a packet socket has a clone. */
	if (skb_ensure_writable(skb, sizeof(struct iphdr)))
		return NF_DROP;
	ip_hdr(skb)->protocol = XTCP_WIRE_NATIVE;
	IPCB(skb)->flags |= XTCP_IPSKB_BROUGHT;
	return NF_ACCEPT;
}

static bool hookv4_is_error(u8 type)
{
	switch (type) {
	case ICMP_DEST_UNREACH:
	case ICMP_SOURCE_QUENCH:
	case ICMP_REDIRECT:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
		return true;
	default:
		return false;
	}
}

/* We sent the quoted segment, so its source is our end. */
static bool hookv4_quoted_is_ours(struct net *net, const struct sk_buff *skb,
				  const struct iphdr *quoted,
				  const __be16 *ports)
{
	struct xtcp_key key = {
		.laddr	= quoted->saddr,
		.raddr	= quoted->daddr,
		.lport	= ports[0],
		.rport	= ports[1],
		.family	= AF_INET,
		.wire	= XTCP_WIRE_TCP,
	};

	xtcp_key_came_in(&key, net, inet_iif(skb), inet_sdif(skb));
	return xtcp_hook_owns_quoted(net, &key);
}

/* The protocol number shares a word of the checksum with the TTL. */
static void hookv4_quoted_protocol_set(struct iphdr *quoted, u8 protocol,
				       struct icmphdr *icmph)
{
	__be16 *word = (__be16 *)&quoted->ttl, old = *word;

	quoted->protocol = protocol;
	csum_replace2(&icmph->checksum, old, *word);
}

/**
 * xtcp_hookv4_quote_restore - restore the protocol number of a quoted segment
 * @skb: ICMP error that the hook has rewritten, skb->data at the quoted IP header
 *
 * A raw socket of the program may have a clone, which shares the bytes.
 *
 * Context: softirq, under RCU.
 */
void xtcp_hookv4_quote_restore(struct sk_buff *skb)
{
	hookv4_quoted_protocol_set((struct iphdr *)skb->data, XTCP_WIRE_TCP,
				   icmp_hdr(skb));
}

/*
 * Rewrite the protocol number of the quoted header, @offset bytes into the
 * packet.
 */
static unsigned int hookv4_quoted_bring(struct sk_buff *skb, unsigned int offset)
{
	if (skb_ensure_writable(skb, offset + sizeof(struct iphdr)))
		return NF_DROP;
	hookv4_quoted_protocol_set((struct iphdr *)(skb->data + offset), XTCP_WIRE_NATIVE,
				   (struct icmphdr *)(skb->data + skb_network_header_len(skb)));
	IPCB(skb)->flags |= XTCP_IPSKB_BROUGHT;
	return NF_ACCEPT;
}

static unsigned int hookv4_icmp_in(struct net *net, struct sk_buff *skb)
{
	unsigned int ip_len = skb_network_header_len(skb);
	unsigned int offset = ip_len + sizeof(struct icmphdr);
	struct iphdr *quoted, ip_buffer;
	struct icmphdr *icmph, buffer;
	__be16 *ports, ports_buffer[2];

	icmph = skb_header_pointer(skb, ip_len, sizeof(buffer),
				   &buffer);
	if (!icmph || !hookv4_is_error(icmph->type))
		return NF_ACCEPT;
	quoted = skb_header_pointer(skb, offset, sizeof(ip_buffer),
				    &ip_buffer);
	if (!quoted || quoted->protocol != IPPROTO_TCP || quoted->ihl < 5)
		return NF_ACCEPT;
	ports = skb_header_pointer(skb, offset + quoted->ihl * 4,
				   sizeof(ports_buffer), ports_buffer);
	if (!ports || !hookv4_quoted_is_ours(net, skb, quoted, ports))
		return NF_ACCEPT;
	return hookv4_quoted_bring(skb, offset);
}

static unsigned int hookv4_packet_in(struct net *net, struct sk_buff *skb)
{
	u8 protocol = ip_hdr(skb)->protocol;

	if (protocol == IPPROTO_TCP && xtcp_hook_is_open())
		return hookv4_segment_in(net, skb);
	if (protocol == IPPROTO_ICMP && xtcp_hook_is_open())
		return hookv4_icmp_in(net, skb);
	return NF_ACCEPT;
}

static unsigned int hookv4_local_in(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	return xtcp_hook_run(hookv4_packet_in, state->net, skb);
}

/*
 * Behind SYN proxies, which have to see TCP: of hooks with equal priority, the one
 * that is registered later comes first. So with the priority of conntrack's
 * confirmation ours may be in front of it or behind it, and both are right.
 */
const struct nf_hook_ops xtcp_hookv4_ops = {
	.hook		= hookv4_local_in,
	.pf		= NFPROTO_IPV4,
	.hooknum	= NF_INET_LOCAL_IN,
	.priority	= NF_IP_PRI_CONNTRACK_CONFIRM,
};
