/* SPDX-License-Identifier: GPL-2.0 */
/*
 * arrival.h - a stranger's segment is routed by what the one before was
 */
#ifndef XTCP_NET_ARRIVAL_H
#define XTCP_NET_ARRIVAL_H

#include <linux/types.h>

struct net;
struct rtable;
struct sk_buff;
struct xtcp_net;

void xtcp_arrival_net_add(struct net *net);
void xtcp_arrival_net_exit(struct net *net);

void xtcp_arrival_route(const struct xtcp_net *xn, struct sk_buff *skb);
void xtcp_arrival_learn(const struct xtcp_net *xn, const struct sk_buff *skb);
struct rtable *xtcp_arrival_back(struct net *net, __be32 peer);

#endif /* XTCP_NET_ARRIVAL_H */
