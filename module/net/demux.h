/* SPDX-License-Identifier: GPL-2.0 */
/*
 * demux.h - a segment finds its socket before it is routed
 */
#ifndef XTCP_NET_DEMUX_H
#define XTCP_NET_DEMUX_H

struct net;
struct sk_buff;
struct sock;
struct xtcp_key;

void xtcp_demux_add(struct net *net);
void xtcp_demux_net_exit(struct net *net);

void xtcp_demux_remember(struct sock *sk, const struct sk_buff *skb);
void xtcp_demux_forget(struct sock *sk);
struct sock *xtcp_demux_take(struct sk_buff *skb, const struct xtcp_key *key);

#endif /* XTCP_NET_DEMUX_H */
