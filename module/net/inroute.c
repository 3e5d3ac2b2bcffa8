// SPDX-License-Identifier: GPL-2.0
/*
 * inroute.c - per-CPU input route cache
 *
 * IP looks up two addresses of a segment without a connection (a SYN, a third segment, a segment
 * that is answered with a RST): the destination when the segment arrives, and
 * the source when it is answered. The first lookup has the same result for all
 * segments to one local address, so each CPU caches its result. On arrival,
 * routing also checks whether the source may be behind the device of arrival. The route back
 * to the source answers that as well, so the route back is looked up at that
 * time, and cached for the answer.
 *
 * The result is always that of the kernel's routing code, from the same tables.
 * The cache is not used if anything but the addresses may choose the route:
 * policy rules, VRFs (which need a rule), route classes, IPsec; nor for a
 * source that is no unicast address, is local or unreachable, or is behind
 * another device while rp_filter is on. A change of routes or addresses
 * invalidates all routes, also the cached ones.
 *
 * Lifetime: a CPU's cache holds a reference to each cached route. Another route
 * replaces it; the end of the namespace releases the last ones.
 *
 * Context: under RCU. A CPU's cache has no lock: only this CPU uses it, and
 * only with softirqs off. A caller with softirqs on (a task that gives the
 * verdict of a netfilter queue, or that connects) doesn't use the cache.
 * Nothing is cached where softirqs can be preempted. xtcp_inroute_net_*():
 * process.
 */
#include "net/inroute.h"

#include <linux/gfp.h>
#include <linux/inetdevice.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <net/dst.h>
#include <net/inet_dscp.h>
#include <net/ip.h>
#include <net/ip_fib.h>
#include <net/nexthop.h>
#include <net/route.h>

#include "compat.h"
#include "netns.h"

/* Out of line: nearly all segments find their route in the cache. */
static noinline void inroute_replace(struct rtable **place, struct rtable *rt)
{
	struct rtable *old = *place;

	*place = rt && dst_hold_safe(&rt->dst) ? rt : NULL;
	ip_rt_put(old);
}

/* As xtcp_ipv4_route_is_fresh(); no route of the cache has a policy of IPsec. */
static bool is_current(const struct net *net, const struct rtable *rt)
{
	return rt && READ_ONCE(rt->dst.obsolete) == DST_OBSOLETE_FORCE_CHK &&
	       rt->rt_genid == rt_genid_ipv4(net);
}

static u8 dscp_of(const struct iphdr *iph)
{
	return iph->tos & INET_DSCP_MASK;
}

static struct xtcp_way *inroute_way(struct xtcp_inroute *mem,
				    const struct iphdr *iph)
{
	return &mem->in[(ntohl(iph->daddr) + dscp_of(iph) / 4) % XTCP_INROUTE_WAYS];
}

/*
 * Look up @peer in the routing tables; the namespace has no policy rules.
 * Returns true if the route is unicast.
 */
static __always_inline bool find_host(struct net *net, __be32 peer,
				      struct fib_result *res)
{
	struct flowi4 fl4 = {
		.daddr		= peer,
		.flowi4_iif	= LOOPBACK_IFINDEX,
	};

	return !fib_lookup(net, &fl4, res, 0) && res->type == RTN_UNICAST;
}

/*
 * The route that a next hop caches for this CPU. ip_route_output_flow() returns
 * the same one if only the address chooses the route, and the route has one
 * path without exceptions. Returns NULL otherwise.
 */
static __always_inline struct rtable *
inroute_nexthop(const struct net *net, const struct fib_result *res)
{
	const struct fib_nh_common *nhc = res->nhc;
	struct rtable *rt;

	if (fib_info_num_path(res->fi) != 1 ||
	    (!res->prefixlen && res->table->tb_num_default > 1) ||
	    rcu_access_pointer(nhc->nhc_exceptions) || !nhc->nhc_pcpu_rth_output)
		return NULL;
	rt = rcu_dereference(*raw_cpu_ptr(nhc->nhc_pcpu_rth_output));
	return is_current(net, rt) ? rt : NULL;
}

/* The device, or one of the devices, that leads to @peer; NULL: none. */
static __always_inline const struct net_device *
inroute_source_dev(struct net *net, __be32 peer, struct xtcp_inroute *mem)
{
	struct fib_result res __uninitialized;
	struct rtable *back;

	if (mem->peer == peer && is_current(net, mem->back))
		return dst_dev(&mem->back->dst);
	if (!find_host(net, peer, &res))
		return NULL;
	mem->peer = peer;
	back = inroute_nexthop(net, &res);
	if (unlikely(back != mem->back))
		inroute_replace(&mem->back, back);
	return res.nhc->nhc_dev;
}

/* Addresses that no host has, or that must not be in a packet on a link. */
static bool is_martian(__be32 saddr)
{
	return ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr) ||
	       ipv4_is_zeronet(saddr) || ipv4_is_loopback(saddr);
}

/*
 * The checks of fib_validate_source(), and stricter ones: with a reverse path
 * filter, strict or loose, the source has to be behind the device.
 */
static __always_inline bool source_is_sane(struct net *net,
					   const struct sk_buff *skb,
					   struct xtcp_inroute *mem)
{
	struct in_device *in_dev = __in_dev_get_rcu(skb->dev);
	const struct iphdr *iph = ip_hdr(skb);
	const struct net_device *dev;

	if (!in_dev || IN_DEV_ORCONF(in_dev, NOPOLICY) || secpath_exists(skb) ||
	    fib_num_tclassid_users(net) || is_martian(iph->saddr))
		return false;
	dev = inroute_source_dev(net, iph->saddr, mem);
	if (!dev)
		return false;
	return !IN_DEV_RPFILTER(in_dev) || (dev == skb->dev && !dscp_of(iph));
}

/* The cached route of a segment's address; NULL: none. */
static __always_inline struct rtable *inroute_way_in(struct net *net,
						     struct xtcp_inroute *mem,
						     const struct iphdr *iph)
{
	const struct xtcp_way *way = inroute_way(mem, iph);

	return way->daddr == iph->daddr && way->dscp == dscp_of(iph) &&
	       is_current(net, way->rt) ? way->rt : NULL;
}

/**
 * xtcp_inroute_route - route a segment from the cache
 * @xn: namespace
 * @skb: unfragmented segment, addressed to this host, without a route; gets one
 *	if the CPU's cache has it
 *
 * Context: RCU; any. With softirqs on, IP routes the segment itself.
 */
void xtcp_inroute_route(const struct xtcp_net *xn, struct sk_buff *skb)
{
	struct net *net = xn->net;
	struct xtcp_inroute *mem;
	struct rtable *rt;

	if (unlikely(!in_softirq()))
		return;
	mem = xtcp_inroute_memory(xn);
	if (!mem || fib4_has_custom_rules(net))
		return;
	rt = inroute_way_in(net, mem, ip_hdr(skb));
	mem->missed = !rt;
	if (rt && source_is_sane(net, skb, mem))
		skb_dst_set_noref(skb, &rt->dst);
}

/**
 * xtcp_inroute_repeat - route a segment from the cache if its peer is that of the last one
 * @xn: namespace
 * @skb: as for xtcp_inroute_route()
 *
 * No source has to be looked up then, nor a socket.
 *
 * Context: as xtcp_inroute_route().
 * Return: true if it has a route now
 */
bool xtcp_inroute_repeat(const struct xtcp_net *xn, struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct net *net = xn->net;
	struct xtcp_inroute *mem;
	struct rtable *rt;

	if (unlikely(!in_softirq()))
		return false;
	mem = xtcp_inroute_memory(xn);
	if (!mem)
		return false;
	/* A segment that a rule has dropped may have left it set. */
	mem->missed = false;
	if (mem->peer != iph->saddr || !is_current(net, mem->back) ||
	    fib4_has_custom_rules(net))
		return false;
	rt = inroute_way_in(net, mem, iph);
	if (!rt || !source_is_sane(net, skb, mem))
		return false;
	skb_dst_set_noref(skb, &rt->dst);
	return true;
}

/*
 * Does only the cache's key choose this route? A route to a loopback address
 * also depends on the device, which may refuse it from outside.
 */
static bool inroute_may_be_learnt(struct net *net, const struct rtable *rt,
				  __be32 daddr)
{
	return rt_is_input_route(rt) && rt->rt_type == RTN_LOCAL &&
	       is_current(net, rt) && !rt->dst.lwtstate &&
	       !ipv4_is_loopback(daddr) && !fib4_has_custom_rules(net) &&
	       !fib_num_tclassid_users(net);
}

/**
 * __xtcp_inroute_learn - slow part of xtcp_inroute_learn()
 * @mem: this CPU's cache
 * @net: its namespace
 * @skb: segment, with the route that IP has found
 *
 * Caches that route if it may be used for other segments, too.
 *
 * Context: RCU, softirqs off.
 */
void __xtcp_inroute_learn(struct xtcp_inroute *mem, struct net *net,
			  const struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct rtable *rt = skb_rtable(skb);
	struct xtcp_way *way = inroute_way(mem, iph);

	mem->missed = false;
	if (!rt || !inroute_may_be_learnt(net, rt, iph->daddr))
		return;
	if (way->rt != rt)
		inroute_replace(&way->rt, rt);
	way->daddr = iph->daddr;
	way->dscp = dscp_of(iph);
}

static noinline struct rtable *inroute_look_up_back(struct net *net,
						    __be32 peer)
{
	struct fib_result res __uninitialized;

	return find_host(net, peer, &res) ? inroute_nexthop(net, &res) : NULL;
}

/**
 * xtcp_inroute_back - find the route to a host that its next hop caches
 * @net: namespace without policy rules
 * @peer: host
 *
 * Costs a third of a full lookup, and nothing for the source of the segment
 * that was routed last.
 *
 * Context: RCU, which keeps the route; any.
 * Return: the route, without a reference; NULL if a full lookup is needed.
 */
struct rtable *xtcp_inroute_back(struct net *net, __be32 peer)
{
	const struct xtcp_inroute *mem;

	/* In process context a softirq may change the cache at any moment. */
	mem = in_softirq() ? xtcp_inroute_memory(xtcp_net(net)) : NULL;
	if (mem && mem->peer == peer && is_current(net, mem->back))
		return mem->back;
	return inroute_look_up_back(net, peer);
}

/*
 * The source address that IP chooses for segments on this route, unless the
 * user has chosen one; 0: a full lookup is needed.
 */
static __be32 preferred_source(const struct net *net,
			       const struct fib_result *res)
{
	const struct fib_nh *nh;

	if (res->fi->fib_prefsrc)
		return res->fi->fib_prefsrc;
	if (res->nhc->nhc_family != AF_INET)
		return 0;
	nh = container_of(res->nhc, const struct fib_nh, nh_common);
	if (nh->nh_saddr_genid != atomic_read(&net->ipv4.dev_addr_genid))
		return 0;
	return nh->nh_saddr;
}

/**
 * xtcp_inroute_away - find the route and the source address of an active open
 * @net: namespace without policy rules
 * @peer: address to connect to
 * @laddr: set to the local address that IP would choose
 *
 * Context: process, under RCU.
 * Return: the route, without a reference; NULL if a full lookup is needed.
 */
struct rtable *xtcp_inroute_away(struct net *net, __be32 peer, __be32 *laddr)
{
	struct fib_result res __uninitialized;

	if (is_martian(peer) || !find_host(net, peer, &res))
		return NULL;
	*laddr = preferred_source(net, &res);
	if (!*laddr || ipv4_is_loopback(*laddr))
		return NULL;
	return inroute_nexthop(net, &res);
}

/**
 * xtcp_inroute_net_add - start to cache routes in a namespace
 * @net: namespace; nothing happens if it has a cache
 *
 * Without memory, or where one softirq may interrupt another, IP routes every
 * segment.
 *
 * Context: process, under demux_lock of struct xtcp_net.
 */
void xtcp_inroute_net_add(struct net *net)
{
	struct xtcp_inroute __percpu *inroute;
	struct xtcp_net *xn = xtcp_net(net);

	if (IS_ENABLED(CONFIG_PREEMPT_RT) || xn->inroute)
		return;
	inroute = alloc_percpu_gfp(struct xtcp_inroute, GFP_KERNEL_ACCOUNT);
	/* Softirqs of other CPUs may read it at once: it is zeroed before they can see it. */
	smp_store_release(&xn->inroute, inroute);
}

/**
 * xtcp_inroute_net_exit - undo xtcp_inroute_net_add()
 * @net: namespace; no segment arrives any more
 *
 * Context: process.
 */
void xtcp_inroute_net_exit(struct net *net)
{
	struct xtcp_inroute __percpu *inroute = xtcp_net(net)->inroute;
	struct xtcp_inroute *mem;
	unsigned int i;
	int cpu;

	if (!inroute)
		return;
	for_each_possible_cpu(cpu) {
		mem = per_cpu_ptr(inroute, cpu);
		inroute_replace(&mem->back, NULL);
		for (i = 0; i < XTCP_INROUTE_WAYS; i++)
			inroute_replace(&mem->in[i].rt, NULL);
	}
	free_percpu(inroute);
}
