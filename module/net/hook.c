// SPDX-License-Identifier: GPL-2.0
/*
 * hook.c - segments of the TCP wire come in by a netfilter hook
 *
 * IP hands protocol 6 to the kernel's own TCP. This hook stands at LOCAL_IN,
 * behind all the rules there: what the firewall drops never comes here, and NAT
 * has been done. Behind it comes only conntrack's confirmation, which packets
 * that are stolen would miss. So a segment that is xtcp's isn't stolen: its IP
 * header gets the native wire's protocol number, by which IP finds ipv4.c,
 * which puts the 6 back first. Nobody looks at the header in between.
 *
 *	wire -> ip_rcv -> PRE_ROUTING -> LOCAL_IN: rules, [hook], confirm
 *	     -> IP's table of protocols: 253 -> xtcp_input: 6 again
 *
 * An ICMP error that quotes a segment of ours goes the same way: the quoted
 * protocol number is rewritten, and the message's checksum with it, so that a
 * wrong one stays wrong.
 *
 * Whose is a segment? A connection of ours, or a SYN for a listener of ours:
 * ours. Else, if a socket of the kernel's TCP wants it: not ours. Else nobody
 * wants it; on a port that xtcp holds, xtcp says so.
 *
 * Each IPv4 packet to this host pays for the hook, so that it is there only
 * while xtcp holds a port of the TCP wire (shadow.c), and a bit for each port
 * is looked at before anything else.
 *
 * Context: the hook softirq under RCU; adding and deleting process.
 */
#include "net/hook.h"

#include <linux/icmp.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>

#include "compat.h"
#include "flow.h"
#include "net/family.h"
#include "net/wire.h"
#include "port.h"
#include "user/socket.h"

/* Where SYN proxies sit, too: all others have had their say. */
#define HOOK_PRIORITY	(NF_IP_PRI_CONNTRACK_CONFIRM - 1)

/* The module is going: nobody is there any more to bring a segment to. */
static bool closed __read_mostly;

/* Early demultiplexing knows the socket of many segments already. */
static bool found_by_stock(const struct sk_buff *skb)
{
	return skb->sk && !xtcp_socket_is_ours(skb->sk) &&
	       skb->sk->sk_state != TCP_TIME_WAIT;
}

/* Behind the lookups of ours: does the kernel's own TCP know the segment? */
static bool stock_wants(struct net *net, struct sk_buff *skb,
			const struct xtcp_key *key)
{
	struct sock *sk;

	sk = xtcp_stock_established(net, key->raddr, key->rport, key->laddr,
				    ntohs(key->lport), key->dif, key->sdif);
	if (sk) {
		sock_gen_put(sk);
		return true;
	}
	return xtcp_stock_listener(net, skb,
				   ip_hdrlen(skb) + __tcp_hdrlen(tcp_hdr(skb)),
				   key->raddr, key->rport, key->laddr,
				   ntohs(key->lport), key->dif, key->sdif);
}

static bool is_opening(const struct tcphdr *th)
{
	return th->syn && !th->ack && !th->rst;
}

/* The socket goes along with its reference, as in net/demux.c. */
static void attach(struct sk_buff *skb, struct xtcp_flow *flow)
{
	if (flow->kind != XTCP_KIND_SOCKET || skb->sk) {
		xtcp_flow_put(flow);
		return;
	}
	skb->sk = xtcp_flow_sk(flow);
	skb->destructor = sock_edemux;
}

/* One too short to be judged is for whoever holds the port. */
static bool segment_is_ours(struct net *net, struct sk_buff *skb)
{
	struct xtcp_flow *flow;
	struct xtcp_key key;

	if (skb->sk && xtcp_socket_is_ours(skb->sk))
		return true;
	if (!pskb_may_pull(skb, ip_hdrlen(skb) + XTCP_HDR_LEN))
		return true;
	if (found_by_stock(skb))
		return false;
	xtcp_ipv4.key_read(skb, &key);
	flow = xtcp_flow_lookup_rcu(net, &key);
	if (flow) {
		attach(skb, flow);
		return true;
	}
	if (is_opening(tcp_hdr(skb)) &&
	    xtcp_listener_lookup_rcu(net, &key, NULL))
		return true;
	return !stock_wants(net, skb, &key);
}

static unsigned int segment_in(struct net *net, struct sk_buff *skb)
{
	__be16 *ports, buffer[2];

	/* What is not for us alone both stacks drop. */
	if (skb->pkt_type != PACKET_HOST)
		return NF_ACCEPT;
	ports = skb_header_pointer(skb, ip_hdrlen(skb), sizeof(buffer), buffer);
	if (!ports || !xtcp_port_is_held(net, ntohs(ports[1])) ||
	    !segment_is_ours(net, skb))
		return NF_ACCEPT;
	/* A packet socket may look at the same header. */
	if (skb_ensure_writable(skb, sizeof(struct iphdr)))
		return NF_DROP;
	ip_hdr(skb)->protocol = XTCP_WIRE_NATIVE;
	IPCB(skb)->flags |= XTCP_IPSKB_BROUGHT;
	return NF_ACCEPT;
}

static bool is_error(u8 type)
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

/* The quoted segment went out, so its source is our end. */
static bool quoted_is_ours(struct net *net, const struct sk_buff *skb,
			   const struct iphdr *quoted, const __be16 *ports)
{
	struct xtcp_key key = {
		.laddr	= quoted->saddr,
		.raddr	= quoted->daddr,
		.lport	= ports[0],
		.rport	= ports[1],
		.dif	= inet_iif(skb),
		.sdif	= inet_sdif(skb),
		.family	= AF_INET,
		.wire	= XTCP_WIRE_TCP,
	};

	return xtcp_port_is_held(net, ntohs(ports[0])) &&
	       xtcp_flow_find_rcu(net, &key);
}

/* Rewrites what lies @offset octets into the packet. */
static unsigned int quoted_bring(struct sk_buff *skb, unsigned int offset)
{
	struct iphdr *quoted;
	struct icmphdr *icmph;
	__be16 *word, old;

	if (skb_ensure_writable(skb, offset + sizeof(*quoted)))
		return NF_DROP;
	icmph = (struct icmphdr *)(skb->data + ip_hdrlen(skb));
	quoted = (struct iphdr *)(skb->data + offset);
	/* Protocol and TTL are one word of the sum. */
	word = (__be16 *)&quoted->ttl;
	old = *word;
	quoted->protocol = XTCP_WIRE_NATIVE;
	csum_replace2(&icmph->checksum, old, *word);
	IPCB(skb)->flags |= XTCP_IPSKB_BROUGHT;
	return NF_ACCEPT;
}

static unsigned int icmp_in(struct net *net, struct sk_buff *skb)
{
	unsigned int offset = ip_hdrlen(skb) + sizeof(struct icmphdr);
	struct iphdr *quoted, ip_buffer;
	struct icmphdr *icmph, buffer;
	__be16 *ports, ports_buffer[2];

	icmph = skb_header_pointer(skb, ip_hdrlen(skb), sizeof(buffer),
				   &buffer);
	if (!icmph || !is_error(icmph->type))
		return NF_ACCEPT;
	quoted = skb_header_pointer(skb, offset, sizeof(ip_buffer),
				    &ip_buffer);
	if (!quoted || quoted->protocol != IPPROTO_TCP || quoted->ihl < 5)
		return NF_ACCEPT;
	ports = skb_header_pointer(skb, offset + quoted->ihl * 4,
				   sizeof(ports_buffer), ports_buffer);
	if (!ports || !quoted_is_ours(net, skb, quoted, ports))
		return NF_ACCEPT;
	return quoted_bring(skb, offset);
}

static unsigned int local_in(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	u8 protocol = ip_hdr(skb)->protocol;

	if (protocol == IPPROTO_TCP && !READ_ONCE(closed))
		return segment_in(state->net, skb);
	if (protocol == IPPROTO_ICMP && !READ_ONCE(closed))
		return icmp_in(state->net, skb);
	return NF_ACCEPT;
}

static const struct nf_hook_ops local_in_ops = {
	.hook		= local_in,
	.pf		= NFPROTO_IPV4,
	.hooknum	= NF_INET_LOCAL_IN,
	.priority	= HOOK_PRIORITY,
};

/**
 * xtcp_hook_add - segments of the TCP wire come in from now on
 * @net: namespace, where they don't yet
 *
 * Return: 0 or -errno.
 */
int xtcp_hook_add(struct net *net)
{
	return nf_register_net_hook(net, &local_in_ops);
}

/**
 * xtcp_hook_del - undo xtcp_hook_add()
 * @net: namespace; the hook may run for a grace period yet
 */
void xtcp_hook_del(struct net *net)
{
	nf_unregister_net_hook(net, &local_in_ops);
}

/**
 * xtcp_hook_holds - is a segment still for one of xtcp's ports
 * @net: namespace
 * @skb: segment, at its TCP header, that the hook has brought
 *
 * A packet may have waited in a netfilter queue behind the hook.
 */
bool xtcp_hook_holds(struct net *net, const struct sk_buff *skb)
{
	__be16 *ports, buffer[2];

	ports = skb_header_pointer(skb, 0, sizeof(buffer), buffer);
	return ports && xtcp_port_is_held(net, ntohs(ports[1]));
}

/**
 * xtcp_hook_close - the module goes: all segments are the kernel's again
 *
 * When it returns, no packet is on its way from the hook to xtcp_input(), so
 * that this may be taken from IP's table.
 */
void xtcp_hook_close(void)
{
	WRITE_ONCE(closed, true);
	synchronize_net();
}
