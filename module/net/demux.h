/* SPDX-License-Identifier: GPL-2.0 */
/*
 * demux.h - early demux: find the socket of a segment before IP routes it
 */
#ifndef XTCP_NET_DEMUX_H
#define XTCP_NET_DEMUX_H

#include <linux/if_packet.h>
#include <linux/netfilter_bridge.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "flow.h"
#include "net/family.h"
#include "netns.h"
#include "proto.h"
#include "tcb.h"

struct net;
struct sock;
struct xtcp_key;

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
 * xtcp_demux_ask - start early demux soon, for segments without a connection
 * @xn: namespace in which such a segment has arrived on the TCP wire
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
 * xtcp_demux_take - take the socket that early demux has attached
 * @net: namespace that has received the segment
 * @skb: segment; has no socket afterwards
 * @key: its connection
 *
 * A device may pass a segment to another namespace after early demux (ipvlan in mode l3s).
 *
 * Return: the socket, with a reference for the caller, unless its connection
 * has ended or has another 4-tuple by now, or is another namespace's; NULL: look it up.
 */
static inline struct sock *xtcp_demux_take(const struct net *net, struct sk_buff *skb,
					   const struct xtcp_key *key)
{
	struct sock *sk = skb->sk;

	if (!sk || skb->destructor != sock_edemux || !xtcp_socket_is_ours(sk))
		return NULL;
	skb->destructor = NULL;
	skb->sk = NULL;
	if (likely(net_eq(sock_net(sk), net) &&
		   READ_ONCE(xtcp_sk(sk)->flow.state) != XTCP_CLOSED &&
		   xtcp_flow_is_named(&xtcp_sk(sk)->flow, key)))
		return sk;
	sock_put(sk);
	return NULL;
}

/**
 * xtcp_demux_find_flow - find the flow of a segment that has not been looked up
 * @net: namespace that has received the segment
 * @skb: segment; has no socket afterwards
 * @key: its connection; gets its digest, unless early demux has found the socket
 *
 * Context: RCU.
 * Return: the flow, with a reference for the caller: the socket that early demux has attached, or
 * any flow; NULL if there is none.
 */
static __always_inline struct xtcp_flow *
xtcp_demux_find_flow(struct net *net, struct sk_buff *skb, struct xtcp_key *key)
{
	struct sock *sk = xtcp_demux_take(net, skb, key);

	if (likely(sk))
		return &xtcp_sk(sk)->flow;
	xtcp_key_digest(key);
	return xtcp_flow_lookup_rcu(net, key);
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
