// SPDX-License-Identifier: GPL-2.0
/*
 * hookv6.c - the TCP wire's hook in an IPv6 packet
 *
 * RFC 8200 4 (extension headers), RFC 4443, RFC 4861 8 (redirects); net/hook.c
 * describes the hook. IPv6 calls LOCAL_IN before it has handled the extension
 * headers between its own header and the segment: destination options, a
 * routing header, a fragment header. So the number to rewrite is in the last of
 * these, and IPv6 reads it after it has handled all of them.
 *
 * Fragments arrive here one by one, unless conntrack, say, reassembles packets
 * earlier. The first fragment's header alone names the protocol of the whole
 * packet (RFC 8200 4.5). So it is enough to rewrite that fragment, and
 * reassembly keeps its flag. It has to contain the TCP header (RFC 7112), else
 * IPv6 drops it as a packet of protocol 6.
 *
 * If an option is invalid, IPv6 may answer with an error that quotes the packet
 * as it is then, with the rewritten number. Its sender doesn't recognize the
 * quote, as if the error had been lost.
 *
 * Context: under RCU; as in net/hook.c.
 */
#include "net/hook.h"

#if IS_ENABLED(CONFIG_IPV6)

#include <linux/icmpv6.h>
#include <linux/netfilter_ipv6.h>
#include <net/inet6_hashtables.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/ndisc.h>
#include <net/request_sock.h>
#include <net/sock.h>

#include "compat.h"
#include "flow.h"
#include "net/demux.h"
#include "net/device.h"
#include "net/family.h"
#include "net/inroute6.h"
#include "net/input.h"
#include "net/wire.h"
#include "netns.h"
#include "port/port.h"

/* Bytes of the shortest extension header. */
#define EXT_HEADER_LEN_MIN	8U

/**
 * struct spot - a header in a packet
 * @named_at: offset of the byte that contains its protocol number
 * @offset: offset of the header itself
 * @in_fragment: it is in the first fragment of a packet, or behind the header of an atomic one
 * @cut: further fragments follow
 */
struct spot {
	unsigned int	named_at;
	unsigned int	offset;
	bool		in_fragment;
	bool		cut;
};

/*
 * Length of an extension header in bytes, if a header for us may follow; 0 if
 * none does. IPv6 has handled hop-by-hop options before. A routing header with
 * segments left sends the packet to another host. Or to another address of this one: then it
 * does not come here again, and what follows is the kernel's TCP's (Documentation/wire.rst,
 * "Limitations").
 */
static unsigned int hookv6_header_len(const struct sk_buff *skb, u8 type,
				      struct spot *spot, bool quoted)
{
	const struct ipv6_opt_hdr *opt;
	const struct ipv6_rt_hdr *rt;
	const struct frag_hdr *frag;
	union {
		struct ipv6_opt_hdr	opt;
		struct ipv6_rt_hdr	rt;
		struct frag_hdr		frag;
	} buffer;

	switch (type) {
	case NEXTHDR_HOP:
	case NEXTHDR_AUTH:
		/* Those of the packet itself were handled before. */
		if (!quoted)
			return 0;
		fallthrough;
	case NEXTHDR_DEST:
		opt = skb_header_pointer(skb, spot->offset, sizeof(*opt),
					 &buffer);
		if (!opt)
			return 0;
		return type == NEXTHDR_AUTH ? ipv6_authlen(opt) : ipv6_optlen(opt);
	case NEXTHDR_ROUTING:
		rt = skb_header_pointer(skb, spot->offset, sizeof(*rt),
					&buffer);
		return rt && (quoted || !rt->segments_left) ?
		       ipv6_optlen(rt) : 0;
	case NEXTHDR_FRAGMENT:
		frag = skb_header_pointer(skb, spot->offset, sizeof(*frag),
					  &buffer);
		if (!frag || frag->frag_off & htons(IP6_OFFSET))
			return 0;
		spot->in_fragment = true;
		if (frag->frag_off & htons(IP6_MF))
			spot->cut = true;
		return sizeof(*frag);
	}
	return 0;
}

/*
 * Extension headers, and options of a redirect, that are looked at. Each look at a packet that was
 * reassembled goes through its fragments from the first on: without a limit the work would grow
 * with the product of both numbers.
 */
#define STEPS_MAX	16

/*
 * Move @spot behind the extension headers. Each step goes towards the packet's
 * end.
 *
 * Return: the protocol number of the header at @spot, or of the header that
 * stops the walk.
 */
static u8 hookv6_walk(const struct sk_buff *skb, struct spot *spot, bool quoted)
{
	unsigned int len, steps;
	u8 *type, buffer;

	for (steps = 0; steps < STEPS_MAX; steps++) {
		type = skb_header_pointer(skb, spot->named_at, sizeof(buffer),
					  &buffer);
		if (!type)
			return NEXTHDR_NONE;
		len = hookv6_header_len(skb, *type, spot, quoted);
		if (!len)
			return *type;
		spot->named_at = spot->offset;
		spot->offset += len;
	}
	return NEXTHDR_NONE;
}

/* The header that follows the IPv6 header at @offset. */
static struct spot behind_header(unsigned int offset)
{
	return (struct spot) {
		.named_at = offset + offsetof(struct ipv6hdr, nexthdr),
		.offset	  = offset + sizeof(struct ipv6hdr),
	};
}

/* The header that IPv6 handles next. */
static struct spot behind_hops(const struct sk_buff *skb)
{
	return (struct spot) {
		.named_at = IP6CB(skb)->nhoff,
		.offset	  = skb_transport_offset(skb),
	};
}

/*
 * Rewrite the protocol number at an even offset, and update the device's
 * checksum.
 */
static void rename_at(struct sk_buff *skb, unsigned int offset)
{
	u8 *name = skb->data + offset;

	skb_postpull_rcsum(skb, name, sizeof(__be16));
	*name = XTCP_WIRE_NATIVE;
	skb_postpush_rcsum(skb, name, sizeof(__be16));
	IP6CB(skb)->flags |= XTCP_IPSKB_BROUGHT;
}

static struct sock *hookv6_connection(struct net *net,
				      const struct xtcp_key *key)
{
	return xtcp_kernel_tcp6_established(net, &key->v6.raddr, key->rport,
					    &key->v6.laddr, ntohs(key->lport),
					    key->dif, key->sdif);
}

/* As hookv4_wants(). */
static bool hookv6_wants(struct net *net, const struct xtcp_key *key)
{
	return xtcp_hook_kernel_tcp_keeps(net, key) ||
	       xtcp_kernel_tcp6_listener(net, NULL, 0, &key->v6.raddr,
					 key->rport, &key->v6.laddr,
					 ntohs(key->lport), key->dif, key->sdif);
}

/* As hookv4_steered(). */
static bool hookv6_steered(struct net *net, const struct xtcp_key *key)
{
	struct sock *sk;

	bpf_sk_lookup_run_v6(net, IPPROTO_TCP, &key->v6.raddr, key->rport, &key->v6.laddr,
			     ntohs(key->lport), key->dif, &sk);
	return sk;
}

static const struct request_sock_ops hookv6_request_ops = { .family = PF_INET6 };

/* As tcp_v6_init_req(). */
static void hookv6_request_fill(struct inet_request_sock *ireq, const struct xtcp_key *key)
{
	ireq->req.rsk_ops = &hookv6_request_ops;
	ireq->ir_v6_loc_addr = key->v6.laddr;
	ireq->ir_v6_rmt_addr = key->v6.raddr;
}

/* CALIPSO charges its options to the listener; the kernel's TCP forgets to give that back. */
static void hookv6_request_free(struct inet_request_sock *ireq, struct sock *lsk)
{
	if (ireq->ipv6_opt)
		sock_kfree_s(lsk, ireq->ipv6_opt, ireq->ipv6_opt->tot_len);
}

const struct xtcp_kernel_tcp_ops xtcp_ipv6_kernel_tcp = {
	.steered	= hookv6_steered,
	.request_fill	= hookv6_request_fill,
	.request_free	= hookv6_request_free,
	.connection	= hookv6_connection,
	.wants		= hookv6_wants,
};

/*
 * Set the transport header for xtcp_hook_owns() only: IPv6 continues at the one
 * it has set.
 */
static bool hookv6_owns(struct net *net, struct sk_buff *skb,
			const struct spot *spot, struct xtcp_found *found)
{
	unsigned int offset = skb_transport_offset(skb);
	bool ours;

	skb_set_transport_header(skb, spot->offset);
	ours = xtcp_hook_owns(net, skb, &xtcp_ipv6, spot->offset, spot->cut, found);
	skb_set_transport_header(skb, offset);
	return ours;
}

/* Does the packet, or its first fragment, contain the TCP header? */
static bool has_header(const struct sk_buff *skb, const struct spot *spot)
{
	return !spot->in_fragment || skb->len >= spot->offset + XTCP_HDR_LEN;
}

static unsigned int hookv6_local_in(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state);

/* Does IPv6 pass the segment to its protocols next? */
static bool hookv6_is_last(const struct net *net, const struct sk_buff *skb,
			   const struct spot *spot)
{
	return spot->named_at == IP6CB(skb)->nhoff && !spot->in_fragment &&
	       !ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr) &&
	       xtcp_hook_is_last(rcu_dereference(net->nf.hooks_ipv6[NF_INET_LOCAL_IN]),
				 hookv6_local_in);
}

/* As IPv6 delivers a packet behind its hooks. Consumes @skb. */
static unsigned int hookv6_deliver(struct net *net, struct sk_buff *skb,
				   const struct xtcp_found *found)
{
	struct xtcp_net *xn = xtcp_net_rcu(net);

	skb_clear_delivery_time(skb);
	__skb_pull(skb, skb_transport_offset(skb));
	skb_postpull_rcsum(skb, skb_network_header(skb),
			   skb_network_header_len(skb));
	__IP6_INC_STATS(net, ip6_dst_idev(skb_dst(skb)), IPSTATS_MIB_INDELIVERS);
	if (!found->flow)
		xtcp_demux_ask(xn, true);
	xtcp_inroute6_learn(xn, skb);
	xtcp_input(skb, &xtcp_ipv6, XTCP_WIRE_TCP, found);
	return NF_STOLEN;
}

/* Is the segment for xtcp? Both stacks drop one that isn't to this host alone. */
static bool hookv6_segment_is_ours(struct net *net, struct sk_buff *skb,
				   const struct spot *spot,
				   struct xtcp_found *found)
{
	return skb->pkt_type == PACKET_HOST && xtcp_port_is_held_skb(net, skb, spot->offset) &&
	       has_header(skb, spot) && hookv6_owns(net, skb, spot, found);
}

static unsigned int hookv6_segment_in(struct net *net, struct sk_buff *skb,
				      const struct spot *spot)
{
	struct xtcp_found found __uninitialized;

	if (!hookv6_segment_is_ours(net, skb, spot, &found))
		return NF_ACCEPT;
	/* Newer kernels copy pages that the sender still owns behind the hooks. */
	if (found.complete && !skb_zcopy(skb) && hookv6_is_last(net, skb, spot))
		return hookv6_deliver(net, skb, &found);
	if (found.flow)
		xtcp_flow_put(found.flow);
	/* Copy the header if a packet socket has a clone. */
	if (skb_ensure_writable(skb, spot->named_at + sizeof(__be16)))
		return NF_DROP;
	rename_at(skb, spot->named_at);
	return NF_ACCEPT;
}

static bool hookv6_is_error(u8 type)
{
	return !(type & ICMPV6_INFOMSG_MASK) || type == NDISC_REDIRECT;
}

/*
 * Find the quoted packet in a redirect's options.
 *
 * Return: offset of the quoted IPv6 header; 0: none.
 */
static unsigned int hookv6_redirect_quote(const struct sk_buff *skb,
					  unsigned int offset)
{
	struct nd_opt_hdr *opt, buffer;
	unsigned int steps;

	/* RFC 4861 8.1: IPv6 drops it. */
	if (ipv6_hdr(skb)->hop_limit != 255)
		return 0;
	offset += sizeof(struct rd_msg);
	for (steps = 0; steps < STEPS_MAX; steps++) {
		opt = skb_header_pointer(skb, offset, sizeof(buffer), &buffer);
		if (!opt || !opt->nd_opt_len)
			return 0;
		if (opt->nd_opt_type == ND_OPT_REDIRECT_HDR)
			return offset + 8;	/* RFC 4861 4.6.3: the packet begins there */
		offset += opt->nd_opt_len * 8;
	}
	return 0;
}

/* We sent the quoted segment, so its source is our end. */
static bool hookv6_quoted_is_ours(struct net *net, const struct sk_buff *skb,
				  unsigned int offset, const struct spot *spot)
{
	struct ipv6hdr *quoted, header;
	__be16 *ports, buffer[2];
	struct xtcp_key key;

	quoted = skb_header_pointer(skb, offset, sizeof(header), &header);
	ports = skb_header_pointer(skb, spot->offset, sizeof(buffer), buffer);
	if (!quoted || !ports)
		return false;
	key = (struct xtcp_key) {
		.lport	= ports[0],
		.rport	= ports[1],
		.family	= AF_INET6,
		.wire	= XTCP_WIRE_TCP,
		.v6	= { .laddr = quoted->saddr, .raddr = quoted->daddr },
	};
	xtcp_key_came_in(&key, net, inet6_iif(skb), inet6_sdif(skb));
	xtcp_ipv6_digest(&key);
	return xtcp_hook_owns_quoted(net, &key);
}

/*
 * The protocol number, @at bytes behind skb->data, shares a word of the checksum with the byte
 * behind it. The device's checksum of the whole message stays valid, because both words change
 * together.
 */
static void hookv6_quoted_protocol_set(struct sk_buff *skb, unsigned int at, u8 protocol,
				       struct icmp6hdr *icmph)
{
	__be16 *word = (__be16 *)(skb->data + at), old = *word;

	*(u8 *)word = protocol;
	csum_replace2(&icmph->icmp6_cksum, old, *word);
}

static unsigned int hookv6_icmp_in(struct net *net, struct sk_buff *skb,
				   unsigned int offset)
{
	struct icmp6hdr *icmph, buffer;
	unsigned int quote;
	struct spot spot;

	icmph = skb_header_pointer(skb, offset, sizeof(buffer), &buffer);
	if (!icmph || !hookv6_is_error(icmph->icmp6_type))
		return NF_ACCEPT;
	quote = icmph->icmp6_type == NDISC_REDIRECT ?
		hookv6_redirect_quote(skb, offset) : offset + sizeof(*icmph);
	spot = behind_header(quote);
	if (!quote || hookv6_walk(skb, &spot, true) != IPPROTO_TCP ||
	    !hookv6_quoted_is_ours(net, skb, quote, &spot))
		return NF_ACCEPT;
	if (skb_ensure_writable(skb, spot.named_at + sizeof(__be16)))
		return NF_DROP;
	hookv6_quoted_protocol_set(skb, spot.named_at, XTCP_WIRE_NATIVE,
				   (struct icmp6hdr *)(skb->data + offset));
	IP6CB(skb)->flags |= XTCP_IPSKB_BROUGHT;
	return NF_ACCEPT;
}

/**
 * xtcp_hookv6_quote_restore - restore the protocol number of a quoted segment
 * @skb: ICMPv6 error that the hook has rewritten, skb->data at the quoted IP
 *	header
 *
 * A raw socket of the program may have a clone, which shares the bytes.
 *
 * Context: softirq, under RCU.
 */
void xtcp_hookv6_quote_restore(struct sk_buff *skb)
{
	struct spot spot = behind_header(0);

	if (hookv6_walk(skb, &spot, true) == XTCP_WIRE_NATIVE &&
	    spot.named_at + sizeof(__be16) <= skb_headlen(skb))
		hookv6_quoted_protocol_set(skb, spot.named_at, XTCP_WIRE_TCP,
					   icmp6_hdr(skb));
}

/*
 * RFC 7112: does the header chain go on behind the first fragment? Then nobody knows before the
 * reassembly whether it leads to a segment for xtcp. The kernel refuses only a first fragment that
 * ends within the header of TCP, UDP or ICMPv6.
 */
static bool is_chain_cut(const struct sk_buff *skb, const struct spot *spot, u8 type)
{
	return spot->in_fragment && ipv6_ext_hdr(type) && type != NEXTHDR_NONE &&
	       skb->len < spot->offset + EXT_HEADER_LEN_MIN;
}

static unsigned int hookv6_packet_in(struct net *net, struct sk_buff *skb)
{
	struct spot spot = behind_hops(skb);
	u8 type;

	if (!xtcp_hook_is_open())
		return NF_ACCEPT;
	/*
	 * Packets to a group, and those that SRv6 passes on to another host
	 * (net.netfilter.nf_hooks_lwtunnel): their route tells.
	 */
	if (unlikely(!ipv6_unicast_destination(skb)))
		return NF_ACCEPT;
	type = hookv6_walk(skb, &spot, false);
	switch (type) {
	case IPPROTO_TCP:
		return hookv6_segment_in(net, skb, &spot);
	case IPPROTO_ICMPV6:
		return hookv6_icmp_in(net, skb, spot.offset);
	}
	return unlikely(is_chain_cut(skb, &spot, type)) ? NF_DROP : NF_ACCEPT;
}

static unsigned int hookv6_local_in(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	return xtcp_hook_run(hookv6_packet_in, state->net, skb);
}

/*
 * Behind SYN proxies, as hookv4.c's; and always behind conntrack's confirmation, which has
 * NF_IP6_PRI_LAST - 1 here.
 */
const struct nf_hook_ops xtcp_hookv6_ops = {
	.hook		= hookv6_local_in,
	.pf		= NFPROTO_IPV6,
	.hooknum	= NF_INET_LOCAL_IN,
	.priority	= NF_IP6_PRI_LAST,
};

#endif /* CONFIG_IPV6 */
