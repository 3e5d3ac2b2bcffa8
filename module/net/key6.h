/* SPDX-License-Identifier: GPL-2.0 */
/*
 * key6.h - read the key of a received IPv6 segment
 */
#ifndef XTCP_NET_KEY6_H
#define XTCP_NET_KEY6_H

#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <net/ipv6.h>

#include "flow.h"
#include "net/device.h"

u32 xtcp_ipv6_addr_digest(const struct in6_addr *addr);

/**
 * xtcp_ipv6_key_read - xtcp_packet_ops.key_read of IPv6
 * @skb: segment, its TCP header linear and set
 * @wire: IP protocol on which it arrived
 * @key: filled, except for the address digests
 *
 * Context: RCU.
 */
static inline void xtcp_ipv6_key_read(const struct sk_buff *skb, u8 wire,
				      struct xtcp_key *key)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	const struct tcphdr *th = tcp_hdr(skb);

	key->v6.laddr = iph->daddr;
	key->v6.raddr = iph->saddr;
	key->lport = th->dest;
	key->rport = th->source;
	key->family = AF_INET6;
	key->wire = wire;
	xtcp_key_came_in(key, dev_net(skb->dev), inet6_iif(skb),
			 inet6_sdif(skb));
}

#endif /* XTCP_NET_KEY6_H */
