/* SPDX-License-Identifier: GPL-2.0 */
/*
 * arrival.h - a stranger's segment is routed by what the one before was
 */
#ifndef XTCP_NET_ARRIVAL_H
#define XTCP_NET_ARRIVAL_H

#include <linux/lockdep.h>
#include <linux/percpu.h>
#include <linux/types.h>

#include "netns.h"

struct net;
struct rtable;
struct sk_buff;

/* One listens at an address or two; neighbours have a place of their own. */
#define XTCP_ARRIVAL_WAYS	8	/* power of two */

/**
 * struct xtcp_way - how segments come to an address of ours
 * @rt: route of the last one; NULL: none came
 * @daddr: address
 * @dscp: of the segment; it can choose a route
 */
struct xtcp_way {
	struct rtable	*rt;
	__be32		daddr;
	u8		dscp;
};

/**
 * struct xtcp_arrival - what one CPU remembers in a namespace
 * @in: ways in, by the address's last bits
 * @peer: who was looked up last
 * @is_news: the last segment had to be routed
 * @back: the route to @peer that its next hop keeps for all, or NULL
 */
struct xtcp_arrival {
	struct xtcp_way	in[XTCP_ARRIVAL_WAYS];
	__be32		peer;
	bool		is_news;
	struct rtable	*back;
};

void xtcp_arrival_net_add(struct net *net);
void xtcp_arrival_net_exit(struct net *net);

void xtcp_arrival_route(const struct xtcp_net *xn, struct sk_buff *skb);
struct rtable *xtcp_arrival_back(struct net *net, __be32 peer);
struct rtable *xtcp_arrival_away(struct net *net, __be32 peer, __be32 *laddr);
void __xtcp_arrival_learn(struct xtcp_arrival *mem, struct net *net,
			  const struct sk_buff *skb);

/**
 * xtcp_arrival_memory - what this CPU remembers
 * @xn: namespace
 *
 * Context: softirqs off, until the caller is done with it.
 * Return: NULL: nothing, and never will.
 */
static inline struct xtcp_arrival *
xtcp_arrival_memory(const struct xtcp_net *xn)
{
	struct xtcp_arrival __percpu *arrival = READ_ONCE(xn->arrival);

	lockdep_assert_in_softirq();
	return arrival ? this_cpu_ptr(arrival) : NULL;
}

/**
 * xtcp_arrival_learn - remember how a segment was routed to us
 * @xn: namespace
 * @skb: a stranger's segment, with its route
 *
 * Context: RCU, softirqs off: as IP calls a protocol's handler.
 *
 * Called for each, so it is here that most have nothing new to tell.
 */
static inline void xtcp_arrival_learn(const struct xtcp_net *xn,
				      const struct sk_buff *skb)
{
	struct xtcp_arrival *mem = xtcp_arrival_memory(xn);

	if (mem && unlikely(mem->is_news))
		__xtcp_arrival_learn(mem, xn->net, skb);
}

#endif /* XTCP_NET_ARRIVAL_H */
