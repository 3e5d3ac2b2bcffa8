// SPDX-License-Identifier: GPL-2.0
/*
 * arrival6.c - a stranger's segment of IPv6 is routed by what the one before was
 *
 * What net/arrival.c is for IPv4. It is simpler here: routing what comes in, IPv6
 * never asks whether its source can be behind the device, and what leads to an
 * address of ours is the same for all sources while there are no policy rules. So
 * a CPU remembers the route by destination and device alone.
 *
 * Changed tables and addresses make all routes stale, ours too: its cookie says so.
 *
 * Birth and death: what a CPU remembers it holds a reference to. Another one
 * replaces it, and the namespace's end drops the last.
 *
 * Context: softirq under RCU, of the one CPU whose memory it is: no locks. Where
 * softirqs can be preempted nothing is remembered. xtcp_arrival6_net_*():
 * process.
 */
#include "net/arrival6.h"

#include <linux/ipv6.h>
#include <linux/percpu.h>
#include <net/dst.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>

#include "netns.h"

#if IS_ENABLED(CONFIG_IPV6)

/* One listens at an address or two; neighbours have a place of their own. */
#define WAYS	4	/* power of two */

/**
 * struct xtcp_arrival6 - what one CPU remembers in a namespace
 * @in: ways in, by the address's last bits
 * @in.dst: route of the last one; NULL: none came
 * @in.cookie: what dst_check() of it wants to hear
 * @in.iif: device
 * @in.daddr: address
 * @is_news: the last segment had to be routed
 */
struct xtcp_arrival6 {
	struct {
		struct dst_entry	*dst;
		u32			cookie;
		int			iif;
		struct in6_addr		daddr;
	} in[WAYS];
	bool is_news;
};

/* NULL: nothing, and never will. */
static struct xtcp_arrival6 *memory_of(const struct xtcp_net *xn)
{
	struct xtcp_arrival6 __percpu *arrival = READ_ONCE(xn->arrival6);

	return arrival ? this_cpu_ptr(arrival) : NULL;
}

static unsigned int way_of(const struct in6_addr *daddr)
{
	return ntohl(daddr->s6_addr32[3]) % WAYS;
}

/**
 * xtcp_arrival6_route - route a stranger's segment
 * @xn: namespace
 * @skb: segment in one piece, addressed to this host, without a route; gets
 *	one if what the CPU remembers allows it
 */
void xtcp_arrival6_route(const struct xtcp_net *xn, struct sk_buff *skb)
{
	const struct in6_addr *daddr = &ipv6_hdr(skb)->daddr;
	struct xtcp_arrival6 *mem = memory_of(xn);
	struct dst_entry *dst;
	unsigned int i;

	if (!mem || fib6_has_custom_rules(xn->net))
		return;
	i = way_of(daddr);
	mem->is_news = true;
	if (!mem->in[i].dst || mem->in[i].iif != skb->skb_iif ||
	    !ipv6_addr_equal(&mem->in[i].daddr, daddr))
		return;
	dst = dst_check(mem->in[i].dst, mem->in[i].cookie);
	if (!dst)
		return;
	mem->is_news = false;
	skb_dst_set_noref(skb, dst);
}

/* An address of this host's own, found by the tables alone? */
static bool may_be_learnt(const struct net *net, const struct rt6_info *rt)
{
	return rt->rt6i_flags & RTF_LOCAL && !rt->dst.lwtstate &&
	       !fib6_has_custom_rules(net);
}

/**
 * xtcp_arrival6_learn - remember how a segment was routed to us
 * @xn: namespace
 * @skb: a stranger's segment, with its route, in the softirq in which it came
 */
void xtcp_arrival6_learn(const struct xtcp_net *xn, const struct sk_buff *skb)
{
	struct xtcp_arrival6 *mem = memory_of(xn);
	struct dst_entry *dst = skb_dst(skb), *old;
	const struct rt6_info *rt;
	unsigned int i;

	if (likely(!mem || !mem->is_news))
		return;
	mem->is_news = false;
	rt = container_of(dst, struct rt6_info, dst);
	if (!dst || !may_be_learnt(xn->net, rt) || !dst_hold_safe(dst))
		return;
	i = way_of(&ipv6_hdr(skb)->daddr);
	old = mem->in[i].dst;
	mem->in[i].dst = dst;
	mem->in[i].cookie = rt6_get_cookie(rt);
	mem->in[i].iif = skb->skb_iif;
	mem->in[i].daddr = ipv6_hdr(skb)->daddr;
	dst_release(old);
}

/**
 * xtcp_arrival6_net_add - remember from now on
 * @net: namespace, where this isn't done yet
 *
 * Without memory, or where one softirq may interrupt another, every segment is
 * routed.
 */
void xtcp_arrival6_net_add(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	if (!IS_ENABLED(CONFIG_PREEMPT_RT) && !xn->arrival6)
		WRITE_ONCE(xn->arrival6, alloc_percpu(struct xtcp_arrival6));
}

/**
 * xtcp_arrival6_net_exit - undo xtcp_arrival6_net_add()
 * @net: namespace; no segment comes any more
 */
void xtcp_arrival6_net_exit(struct net *net)
{
	struct xtcp_arrival6 __percpu *arrival = xtcp_net(net)->arrival6;
	unsigned int i;
	int cpu;

	if (!arrival)
		return;
	for_each_possible_cpu(cpu)
		for (i = 0; i < WAYS; i++)
			dst_release(per_cpu_ptr(arrival, cpu)->in[i].dst);
	free_percpu(arrival);
}

#endif /* CONFIG_IPV6 */
