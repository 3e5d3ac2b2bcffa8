/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ipv4.h - operations of IPv4 that net/ calls inline for each segment
 *
 * All other code calls through the tables of net/family.h.
 */
#ifndef XTCP_NET_IPV4_H
#define XTCP_NET_IPV4_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/route.h>

#include "flow.h"
#include "net/device.h"
#include "net/family.h"

/**
 * xtcp_ipv4_key_read - xtcp_packet_ops.key_read of IPv4
 * @skb: segment, its TCP header linear and set
 * @wire: IP protocol on which it arrived
 * @key: filled
 */
static inline void xtcp_ipv4_key_read(const struct sk_buff *skb, u8 wire,
				      struct xtcp_key *key)
{
	const struct iphdr *iph = ip_hdr(skb);
	const struct tcphdr *th = tcp_hdr(skb);

	key->laddr = iph->daddr;
	key->raddr = iph->saddr;
	key->lport = th->dest;
	key->rport = th->source;
	key->family = AF_INET;
	key->wire = wire;
	xtcp_key_came_in(key, dev_net(skb->dev), inet_iif(skb), inet_sdif(skb));
}

/* xtcp_packet_ops.key_read of @af; that of IPv4 without an indirect call. */
static __always_inline void xtcp_packet_key_read(const struct xtcp_family *af,
						 const struct sk_buff *skb, u8 wire,
						 struct xtcp_key *key)
{
	if (likely(af == &xtcp_ipv4))
		xtcp_ipv4_key_read(skb, wire, key);
	else
		af->packet->key_read(skb, wire, key);
}

/* xtcp_packet_ops.ttl_min of IPv4 */
static inline u8 xtcp_ipv4_ttl_min(const struct sock *sk)
{
	return READ_ONCE(inet_sk(sk)->min_ttl);
}

/* 0/8, RFC 1122 3.2.1.3. ipv4_is_zeronet() has meant 0.0.0.0 alone since 5.3. */
static inline bool xtcp_ipv4_is_this_network(__be32 addr)
{
	return !(addr & htonl(IN_CLASSA_NET));
}

/*
 * xtcp_packet_ops.src_valid of IPv4. MUST-63: don't answer a source that can't be a
 * host's address. MUST-57: don't answer a segment to a group or broadcast
 * address. Routing refuses a subnet's broadcast address as source only with
 * rp_filter; without, the route of the answer or of the child (ipv4_to_one_host()) finds it.
 */
static inline bool xtcp_ipv4_src_valid(const struct sk_buff *skb)
{
	const struct rtable *rt = skb_rtable(skb);
	__be32 saddr = ip_hdr(skb)->saddr;

	if (xtcp_ipv4_is_this_network(saddr) || ipv4_is_multicast(saddr) ||
	    ipv4_is_lbcast(saddr))
		return false;
	return !rt || !(rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST));
}

/* xtcp_packet_ops.csum of IPv4 */
static inline __sum16 xtcp_ipv4_csum(const struct xtcp_key *key,
				     unsigned int len, __wsum sum)
{
	return csum_tcpudp_magic(key->laddr, key->raddr, len, key->wire, sum);
}

#endif /* XTCP_NET_IPV4_H */
