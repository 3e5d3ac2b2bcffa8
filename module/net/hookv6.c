// SPDX-License-Identifier: GPL-2.0
/*
 * hookv6.c - what the TCP wire's hook looks at and rewrites in an IPv6 packet
 *
 * RFC 8200 4 (extension headers), RFC 4443, RFC 4861 8 (redirects); net/hook.c
 * says why. IPv6 comes to LOCAL_IN before it has looked at what stands between
 * its own header and the segment: destination options, a routing header, a
 * fragment header. So the number to rewrite is in the last of these, and IPv6
 * comes upon it when it has gone through all of them.
 *
 * Fragments meet here in pieces, unless somebody (conntrack) puts packets together
 * earlier. What the whole is, the first one's header alone says (RFC 8200 4.5):
 * rewriting that one is enough, and the flag goes along with it. It is to have the
 * TCP header in it (RFC 7112), else IPv6 refuses it as one of protocol 6.
 *
 * A wrong option may make IPv6 answer with an error that quotes the packet as
 * it stands then, with the other number in it. The sender will not know it for
 * his, as if it had got lost.
 *
 * Context: under RCU; as in net/hook.c.
 */
#include "net/hook.h"

#if IS_ENABLED(CONFIG_IPV6)

#include <linux/icmpv6.h>
#include <linux/netfilter_ipv6.h>
#include <net/inet6_hashtables.h>
#include <net/ipv6.h>
#include <net/ndisc.h>
#include <net/sock.h>

#include "compat.h"
#include "flow.h"
#include "net/device.h"
#include "net/family.h"
#include "net/wire.h"
#include "port/port.h"

/**
 * struct spot - a header in a packet
 * @named_at: offset of the octet that says what it is
 * @offset: of the header itself
 * @in_fragment: it begins a packet whose rest comes later
 */
struct spot {
	unsigned int	named_at;
	unsigned int	offset;
	bool		in_fragment;
};

/*
 * Octets of an extension header behind which more may stand for us; 0: there
 * doesn't. IPv6 has gone through hop-by-hop options before. With segments left
 * the packet goes elsewhere, or comes again.
 */
static unsigned int skip(const struct sk_buff *skb, u8 type, struct spot *spot,
			 bool quoted)
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
	case NEXTHDR_DEST:
		opt = skb_header_pointer(skb, spot->offset, sizeof(*opt),
					 &buffer);
		return opt ? ipv6_optlen(opt) : 0;
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
		return sizeof(*frag);
	}
	return 0;
}

/*
 * What is it that the packet bears, behind @spot, which moves there? Each step
 * leads towards the packet's end.
 *
 * Return: its protocol number, or whatever stops the walk.
 */
static u8 walk(const struct sk_buff *skb, struct spot *spot, bool quoted)
{
	unsigned int len;
	u8 *type, buffer;

	for (;;) {
		type = skb_header_pointer(skb, spot->named_at, sizeof(buffer),
					  &buffer);
		if (!type)
			return NEXTHDR_NONE;
		len = skip(skb, *type, spot, quoted);
		if (!len)
			return *type;
		spot->named_at = spot->offset;
		spot->offset += len;
	}
}

/* What stands behind IPv6's own header at @offset. */
static struct spot behind_header(unsigned int offset)
{
	return (struct spot) {
		.named_at = offset + offsetof(struct ipv6hdr, nexthdr),
		.offset	  = offset + sizeof(struct ipv6hdr),
	};
}

/* Where IPv6 itself goes on. */
static struct spot behind_hops(const struct sk_buff *skb)
{
	return (struct spot) {
		.named_at = IP6CB(skb)->nhoff,
		.offset	  = skb_transport_offset(skb),
	};
}

/* The octet at an even offset, and the device's sum with it. */
static void rename_at(struct sk_buff *skb, unsigned int offset)
{
	u8 *name = skb->data + offset;

	skb_postpull_rcsum(skb, name, sizeof(__be16));
	*name = XTCP_WIRE_NATIVE;
	skb_postpush_rcsum(skb, name, sizeof(__be16));
	IP6CB(skb)->flags |= XTCP_IPSKB_BROUGHT;
}

/**
 * xtcp_hookv6_stock_connection - what the kernel's own TCP has for a connection
 * @net: namespace
 * @key: as seen from this end
 *
 * Context: RCU.
 * Return: a socket, half-open or time-wait record, to be released with
 * sock_gen_put(); or NULL.
 */
struct sock *xtcp_hookv6_stock_connection(struct net *net,
					  const struct xtcp_key *key)
{
	return xtcp_stock6_established(net, &key->v6.raddr, key->rport,
				       &key->v6.laddr, ntohs(key->lport),
				       key->dif, key->sdif);
}

/**
 * xtcp_hookv6_stock_wants - has the kernel's own TCP a socket for a segment
 * @net: namespace
 * @skb: packet
 * @offset: from @skb->data to behind the TCP header
 * @key: of the segment; nobody of ours wants it
 */
bool xtcp_hookv6_stock_wants(struct net *net, struct sk_buff *skb,
			     unsigned int offset, const struct xtcp_key *key)
{
	return xtcp_hook_stock_connected(net, key) ||
	       xtcp_stock6_listener(net, skb, offset, &key->v6.raddr,
				    key->rport, &key->v6.laddr,
				    ntohs(key->lport), key->dif, key->sdif);
}

/* IPv6 counts on the transport header to be where it goes on. */
static bool segment_is_ours(struct net *net, struct sk_buff *skb,
			    const struct spot *spot)
{
	unsigned int offset = skb_transport_offset(skb);
	bool ours;

	skb_set_transport_header(skb, spot->offset);
	ours = xtcp_hook_owns(net, skb, &xtcp_ipv6, spot->offset);
	skb_set_transport_header(skb, offset);
	/* Who gathers fragments has no use for their socket. */
	if (spot->in_fragment)
		skb_orphan(skb);
	return ours;
}

/* A first fragment, too? */
static bool has_header(const struct sk_buff *skb, const struct spot *spot)
{
	return !spot->in_fragment || skb->len >= spot->offset + XTCP_HDR_LEN;
}

static unsigned int segment_in(struct net *net, struct sk_buff *skb,
			       const struct spot *spot)
{
	__be16 *ports, buffer[2];

	/* What is not for us alone both stacks drop. */
	if (skb->pkt_type != PACKET_HOST)
		return NF_ACCEPT;
	ports = skb_header_pointer(skb, spot->offset, sizeof(buffer), buffer);
	if (!ports || !xtcp_port_is_held(net, ntohs(ports[1])) ||
	    !has_header(skb, spot) || !segment_is_ours(net, skb, spot))
		return NF_ACCEPT;
	/* A packet socket may look at the same header. */
	if (skb_ensure_writable(skb, spot->named_at + sizeof(__be16)))
		return NF_DROP;
	rename_at(skb, spot->named_at);
	return NF_ACCEPT;
}

static bool is_error(u8 type)
{
	return !(type & ICMPV6_INFOMSG_MASK) || type == NDISC_REDIRECT;
}

/*
 * A redirect quotes in one of its options.
 *
 * Return: offset of the quoted packet's header; 0: none.
 */
static unsigned int redirect_quote(const struct sk_buff *skb,
				   unsigned int offset)
{
	struct nd_opt_hdr *opt, buffer;

	offset += sizeof(struct rd_msg);
	for (;;) {
		opt = skb_header_pointer(skb, offset, sizeof(buffer), &buffer);
		if (!opt || !opt->nd_opt_len)
			return 0;
		if (opt->nd_opt_type == ND_OPT_REDIRECT_HDR)
			return offset + 8;
		offset += opt->nd_opt_len * 8;
	}
}

/* The quoted segment went out, so its source is our end. */
static bool quoted_is_ours(struct net *net, const struct sk_buff *skb,
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

static unsigned int icmp_in(struct net *net, struct sk_buff *skb,
			    unsigned int offset)
{
	struct icmp6hdr *icmph, buffer;
	unsigned int quote;
	struct spot spot;
	__be16 *word, old;

	icmph = skb_header_pointer(skb, offset, sizeof(buffer), &buffer);
	if (!icmph || !is_error(icmph->icmp6_type))
		return NF_ACCEPT;
	quote = icmph->icmp6_type == NDISC_REDIRECT ?
		redirect_quote(skb, offset) : offset + sizeof(*icmph);
	spot = behind_header(quote);
	if (!quote || walk(skb, &spot, true) != IPPROTO_TCP ||
	    !quoted_is_ours(net, skb, quote, &spot))
		return NF_ACCEPT;
	if (skb_ensure_writable(skb, spot.named_at + sizeof(*word)))
		return NF_DROP;
	icmph = (struct icmp6hdr *)(skb->data + offset);
	word = (__be16 *)(skb->data + spot.named_at);
	old = *word;
	*(u8 *)word = XTCP_WIRE_NATIVE;
	/* What a device has summed up stays the same, both words together. */
	csum_replace2(&icmph->icmp6_cksum, old, *word);
	IP6CB(skb)->flags |= XTCP_IPSKB_BROUGHT;
	return NF_ACCEPT;
}

/**
 * xtcp_hookv6_quote_restore - undo what the hook did to a quoted segment
 * @skb: ICMPv6 error that it has brought, skb->data at the quoted IP header
 */
void xtcp_hookv6_quote_restore(struct sk_buff *skb)
{
	struct spot spot = behind_header(0);

	if (walk(skb, &spot, true) == XTCP_WIRE_NATIVE &&
	    spot.named_at < skb_headlen(skb))
		skb->data[spot.named_at] = IPPROTO_TCP;
}

static unsigned int packet_in(struct net *net, struct sk_buff *skb)
{
	struct spot spot = behind_hops(skb);

	if (!xtcp_hook_is_open())
		return NF_ACCEPT;
	switch (walk(skb, &spot, false)) {
	case IPPROTO_TCP:
		return segment_in(net, skb, &spot);
	case IPPROTO_ICMPV6:
		return icmp_in(net, skb, spot.offset);
	}
	return NF_ACCEPT;
}

static unsigned int hookv6_local_in(void *priv, struct sk_buff *skb,
				    const struct nf_hook_state *state)
{
	return xtcp_hook_run(packet_in, state->net, skb);
}

/* Where SYN proxies sit, too: all others have had their say. */
const struct nf_hook_ops xtcp_hookv6_ops = {
	.hook		= hookv6_local_in,
	.pf		= NFPROTO_IPV6,
	.hooknum	= NF_INET_LOCAL_IN,
	.priority	= NF_IP6_PRI_LAST - 1,
};

#endif /* CONFIG_IPV6 */
