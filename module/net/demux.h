/* SPDX-License-Identifier: GPL-2.0 */
/*
 * demux.h - early demux: find the route of a segment before IP does
 */
#ifndef XTCP_NET_DEMUX_H
#define XTCP_NET_DEMUX_H

#include <linux/if_packet.h>
#include <linux/netfilter_bridge.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "netns.h"

struct net;

void xtcp_demux_add(struct net *net, u8 family);
void xtcp_demux_net_init(struct net *net);
void xtcp_demux_net_quiesce(struct net *net);
void xtcp_demux_net_exit(struct net *net);
void __xtcp_demux_ask(struct xtcp_net *xn, bool ipv6);

void __xtcp_demux_remember(struct sock *sk, const struct sk_buff *skb);
void xtcp_demux_forget(struct sock *sk);

/**
 * xtcp_demux_is_for_host - check in PRE_ROUTING whether a packet came for this host
 * @skb: the packet
 *
 * br_netfilter shows each frame that a bridge receives to these hooks, as a packet for this
 * host, even if the bridge passes it on to another one. It is not known yet which it is,
 * so those for this host have no early demux, either.
 *
 * Return: true if it did
 */
static inline bool xtcp_demux_is_for_host(const struct sk_buff *skb)
{
	return skb->pkt_type == PACKET_HOST && !nf_bridge_in_prerouting(skb);
}

/**
 * xtcp_demux_ask - start early demux soon, if it is not there yet
 * @xn: namespace in which a segment has arrived on the TCP wire
 * @ipv6: its family is IPv6
 *
 * Context: any.
 */
static inline void xtcp_demux_ask(struct xtcp_net *xn, bool ipv6)
{
	if (unlikely(!READ_ONCE(xn->demux_asked[ipv6])))
		__xtcp_demux_ask(xn, ipv6);
}

/**
 * xtcp_demux_remember - cache a segment's route in its socket
 * @sk: the socket, locked
 * @skb: segment of its connection, still with its route
 *
 * The next segment gets this route from early demux.
 */
static inline void xtcp_demux_remember(struct sock *sk,
				       const struct sk_buff *skb)
{
	if (unlikely(skb_dst(skb) != rcu_access_pointer(sk->sk_rx_dst)))
		__xtcp_demux_remember(sk, skb);
}

#endif /* XTCP_NET_DEMUX_H */
