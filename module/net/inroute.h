/* SPDX-License-Identifier: GPL-2.0 */
/*
 * inroute.h - per-CPU input route cache
 */
#ifndef XTCP_NET_INROUTE_H
#define XTCP_NET_INROUTE_H

#include <linux/lockdep.h>
#include <linux/percpu.h>
#include <linux/types.h>

#include "netns.h"

struct net;
struct rtable;
struct sk_buff;

/* A host listens on few addresses; adjacent ones have different entries. */
#define XTCP_INROUTE_WAYS	8	/* power of two */

/**
 * struct xtcp_way - cached route of the segments to a local address
 * @rt: route of the last such segment; NULL: none is cached
 * @daddr: the local address
 * @dscp: DSCP of the segment, which can choose a route
 */
struct xtcp_way {
	struct rtable	*rt;
	__be32		daddr;
	u8		dscp;
};

/**
 * struct xtcp_inroute - one CPU's input route cache in a namespace
 * @in: cached input routes, indexed by the last bits of the sum of local address and DSCP
 * @peer: source that was looked up last
 * @missed: the last segment found no route in the cache
 * @back: route to @peer that its next hop caches, or NULL
 */
struct xtcp_inroute {
	struct xtcp_way	in[XTCP_INROUTE_WAYS];
	__be32		peer;
	bool		missed;
	struct rtable	*back;
};

void xtcp_inroute_net_add(struct net *net);
void xtcp_inroute_net_exit(struct net *net);

void xtcp_inroute_route(const struct xtcp_net *xn, struct sk_buff *skb);
bool xtcp_inroute_repeat(const struct xtcp_net *xn, struct sk_buff *skb);
struct rtable *xtcp_inroute_back(struct net *net, __be32 peer);
struct rtable *xtcp_inroute_away(struct net *net, __be32 peer, __be32 *laddr);
void __xtcp_inroute_learn(struct xtcp_inroute *mem, struct net *net,
			  const struct sk_buff *skb);

/**
 * xtcp_inroute_memory - this CPU's input route cache
 * @xn: namespace
 *
 * Context: softirqs off, until the caller has finished with the cache.
 * Return: the cache; NULL if the namespace has none.
 */
static inline struct xtcp_inroute *
xtcp_inroute_memory(const struct xtcp_net *xn)
{
	struct xtcp_inroute __percpu *inroute = READ_ONCE(xn->inroute);

	lockdep_assert_in_softirq();
	return inroute ? this_cpu_ptr(inroute) : NULL;
}

/**
 * xtcp_inroute_learn - cache the route of a segment
 * @xn: namespace
 * @skb: segment, with its route
 *
 * Inline, because it is called for each segment, and most find their route
 * in the cache.
 *
 * Context: RCU, softirqs off: as IP calls a protocol's handler.
 */
static inline void xtcp_inroute_learn(const struct xtcp_net *xn,
				      const struct sk_buff *skb)
{
	struct xtcp_inroute *mem = xtcp_inroute_memory(xn);

	if (mem && unlikely(mem->missed))
		__xtcp_inroute_learn(mem, xn->net, skb);
}

#endif /* XTCP_NET_INROUTE_H */
