/* SPDX-License-Identifier: GPL-2.0 */
/*
 * demux.h - a segment finds its socket before it is routed
 */
#ifndef XTCP_NET_DEMUX_H
#define XTCP_NET_DEMUX_H

#include <linux/skbuff.h>

struct net;
struct sock;
struct xtcp_key;

void xtcp_demux_add(struct net *net, u8 family);
void xtcp_demux_net_exit(struct net *net);

void xtcp_demux_remember(struct sock *sk, const struct sk_buff *skb);
void xtcp_demux_forget(struct sock *sk);
struct sock *__xtcp_demux_take(struct sk_buff *skb, const struct xtcp_key *key);

/**
 * xtcp_demux_take - the socket that a segment has found early
 * @skb: segment; has no socket afterwards
 * @key: its connection
 *
 * Return: the socket, with a reference for the caller, unless its connection
 * has ended or been handed over meanwhile; NULL: look for it
 */
static inline struct sock *xtcp_demux_take(struct sk_buff *skb,
					   const struct xtcp_key *key)
{
	return skb->sk ? __xtcp_demux_take(skb, key) : NULL;
}

#endif /* XTCP_NET_DEMUX_H */
