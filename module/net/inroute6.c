// SPDX-License-Identifier: GPL-2.0
/*
 * inroute6.c - per-CPU input route cache of IPv6
 *
 * What net/inroute.c is for IPv4. It is simpler here: IPv6 does not check on
 * arrival whether the source can be behind the device, and without policy rules
 * the route to a local address is the same for all sources. So the cache is
 * indexed by destination and device alone.
 *
 * A change of routes or addresses invalidates all routes, also the cached ones;
 * the cookie of a cached route shows it.
 *
 * In a flood each source is different, so a cache of single addresses would not
 * help. But a route lookup descends a tree, and finds the same route for all
 * addresses that take the same branches: for half of all addresses if the default
 * route is the only one. So a route back is cached together with the range of
 * addresses for which it holds.
 *
 * That is correct while nothing but the destination chooses the route (the caller
 * checks that), and the route has one path and no exceptions. Three changes end the
 * use of a cached route. A new route inside the range invalidates it, because the
 * tree node of the cached one is above the new one. A new address of this host
 * changes the serial number of the local table, which is cached, too. A gateway
 * that stops answering changes nothing that could be checked; therefore a cached
 * route is used for one second only.
 *
 * Lifetime: a namespace gets its caches with its first IPv6 socket, or with the
 * first answer. A CPU's cache holds a reference to each cached route. Another
 * route replaces it; the end of the namespace releases the last ones.
 *
 * Context: under RCU. A CPU's cache has no lock: only this CPU uses it, and
 * only with softirqs off. Nothing is cached where softirqs can be preempted.
 * xtcp_inroute6_net_*(): process.
 */
#include "net/inroute6.h"

#include <linux/bottom_half.h>
#include <linux/gfp.h>
#include <linux/ipv6.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <net/dst.h>
#include <net/if_inet6.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "flow.h"
#include "net/route6.h"
#include "netns.h"

#if IS_ENABLED(CONFIG_IPV6)

/* A host listens on few addresses; adjacent ones have different entries. */
#define WAYS	4	/* power of two */

/*
 * Entries for routes back. Of random sources, half differ from our address in the
 * first bit, a quarter in the second, an eighth in the third, ...: eight entries
 * serve all but a few.
 */
#define WAYS_BACK	8	/* power of two */

/**
 * struct xtcp_inroute6 - one CPU's input route cache in a namespace
 * @in: cached input routes, indexed by the last bits of the local address
 * @in.dst: route of the last segment; NULL: none is cached
 * @in.cookie: cookie for dst_check() of @in.dst
 * @in.iif: device on which the segment arrived
 * @in.daddr: the local address
 * @missed: the last segment found no route in the cache
 * @back: cached routes back, indexed by the number of leading bits that the peer's address has
 *	in common with ours. If that is 64 or more, or we have no address yet, the index is the
 *	last bits of the peer's address
 * @back.dst: route; NULL: none is cached
 * @back.cookie: cookie for dst_check() of @back.dst
 * @back.locals: serial number of the table of local addresses
 * @back.until: jiffies; looked up again from then on
 * @back.bits: length of the prefix, in bits
 * @back.prefix: an address of the range, whose first @back.bits make the range
 */
struct xtcp_inroute6 {
	struct {
		struct dst_entry	*dst;
		u32			cookie;
		int			iif;
		struct in6_addr		daddr;
	} in[WAYS];
	bool missed;
	struct {
		struct dst_entry	*dst;
		u32			cookie;
		u32			locals;
		unsigned long		until;
		u8			bits;
		struct in6_addr		prefix;
	} back[WAYS_BACK];
};

/*
 * This CPU's cache; NULL if the namespace has none. Softirqs are off until the
 * caller has finished with it.
 */
static struct xtcp_inroute6 *inroute6_memory(const struct xtcp_net *xn)
{
	struct xtcp_inroute6 __percpu *inroute = READ_ONCE(xn->inroute6);

	lockdep_assert_in_softirq();
	return inroute ? this_cpu_ptr(inroute) : NULL;
}

/* Once in a namespace's life; another CPU may do it at the same time. */
static void inroute6_memory_make(struct xtcp_net *xn, gfp_t gfp)
{
	struct xtcp_inroute6 __percpu *inroute;

	if (IS_ENABLED(CONFIG_PREEMPT_RT) || READ_ONCE(xn->inroute6))
		return;
	inroute = alloc_percpu_gfp(struct xtcp_inroute6, gfp | __GFP_NOWARN);
	if (inroute && cmpxchg(&xn->inroute6, NULL, inroute))
		free_percpu(inroute);
}

static unsigned int inroute6_way(const struct in6_addr *daddr)
{
	return ntohl(daddr->s6_addr32[3]) % WAYS;
}

/* The cached route of a segment by its address and device; NULL: none. */
static struct dst_entry *inroute6_way_in(const struct xtcp_inroute6 *mem,
					 const struct sk_buff *skb)
{
	const struct in6_addr *daddr = &ipv6_hdr(skb)->daddr;
	unsigned int i = inroute6_way(daddr);
	struct dst_entry *dst = mem->in[i].dst;

	return mem->in[i].iif == skb->skb_iif &&
	       ipv6_addr_equal(&mem->in[i].daddr, daddr) &&
	       xtcp_ipv6_route_is_fresh(dst, mem->in[i].cookie) ? dst : NULL;
}

/**
 * xtcp_inroute6_is_known - is a segment to a local address, by the cache
 * @xn: namespace without policy rules
 * @skb: unfragmented segment
 *
 * Context: RCU, softirqs off.
 * Return: true if the cache has a route for it; false: the caller has to look
 * the address up.
 */
bool xtcp_inroute6_is_known(const struct xtcp_net *xn,
			    const struct sk_buff *skb)
{
	const struct xtcp_inroute6 *mem = inroute6_memory(xn);

	return mem && inroute6_way_in(mem, skb);
}

/* Do rules, or routes with a source prefix, choose routes by more than the destination? */
static bool inroute6_source_decides(const struct net *net)
{
	return fib6_has_custom_rules(net) || fib6_routes_require_src(net);
}

/**
 * xtcp_inroute6_route - route a segment from the cache
 * @xn: namespace
 * @skb: unfragmented segment, addressed to this host, without a route; gets one
 *	if the CPU's cache has it
 *
 * Context: RCU; any. With softirqs on, IP routes the segment itself.
 * Return: true if it has a route now
 */
bool xtcp_inroute6_route(const struct xtcp_net *xn, struct sk_buff *skb)
{
	struct xtcp_inroute6 *mem;
	struct dst_entry *dst;

	if (unlikely(!in_softirq()))
		return false;
	mem = inroute6_memory(xn);
	if (!mem || inroute6_source_decides(xn->net))
		return false;
	dst = inroute6_way_in(mem, skb);
	mem->missed = !dst;
	if (dst)
		skb_dst_set_noref(skb, dst);
	return dst;
}

/* Is it the route to a local address, and did only the tables choose it? */
static bool inroute6_may_be_learnt(const struct net *net,
				   const struct rt6_info *rt)
{
	return rt->rt6i_flags & RTF_LOCAL && !rt->dst.lwtstate &&
	       !inroute6_source_decides(net);
}

/**
 * xtcp_inroute6_learn - cache the route of a segment
 * @xn: namespace
 * @skb: segment, with its route
 *
 * Context: RCU, softirqs off: as IP calls a protocol's handler.
 */
void xtcp_inroute6_learn(const struct xtcp_net *xn, const struct sk_buff *skb)
{
	struct xtcp_inroute6 *mem = inroute6_memory(xn);
	struct dst_entry *dst = skb_dst(skb), *old;
	const struct rt6_info *rt;
	unsigned int i;

	if (likely(!mem || !mem->missed))
		return;
	mem->missed = false;
	rt = container_of(dst, struct rt6_info, dst);
	if (!dst || !inroute6_may_be_learnt(xn->net, rt) || !dst_hold_safe(dst))
		return;
	i = inroute6_way(&ipv6_hdr(skb)->daddr);
	old = mem->in[i].dst;
	mem->in[i].dst = dst;
	mem->in[i].cookie = rt6_get_cookie(rt);
	mem->in[i].iif = skb->skb_iif;
	mem->in[i].daddr = ipv6_hdr(skb)->daddr;
	dst_release(old);
}

static unsigned int way_back_of(const struct xtcp_addrs6 *addrs)
{
	unsigned int common = ipv6_addr_diff(&addrs->raddr, &addrs->laddr);

	/*
	 * Peers of the same network have different entries, and so have peers
	 * that we connect to without a local address.
	 */
	if (common >= 64 || ipv6_addr_any(&addrs->laddr))
		common = ntohl(addrs->raddr.s6_addr32[3]);
	return common % WAYS_BACK;
}

/* Serial number of a table, which each addition changes at the table's root. */
static u32 table_serial(const struct fib6_table *table)
{
	return READ_ONCE(table->tb6_root.fn_sernum);
}

static struct fib6_table *local_table(const struct net *net)
{
#ifdef CONFIG_IPV6_MULTIPLE_TABLES
	return net->ipv6.fib6_local_tbl;
#else
	return net->ipv6.fib6_main_tbl;
#endif
}

/*
 * May a neighbour whose link-layer address isn't known have to be reached
 * through a router (RFC 4429)?
 */
static bool is_optimistic(const struct net *net, const struct dst_entry *dst)
{
#ifdef CONFIG_IPV6_OPTIMISTIC_DAD
	const struct inet6_dev *idev = ip6_dst_idev((struct dst_entry *)dst);

	return !idev || READ_ONCE(idev->cnf.optimistic_dad) ||
	       READ_ONCE(net->ipv6.devconf_all->optimistic_dad);
#else
	return false;
#endif
}

/**
 * xtcp_inroute6_back - find the cached route to a host
 * @xn: namespace without policy rules
 * @addrs: peer's address, and the local one, which may be the any address
 *
 * Context: RCU, which keeps the route; any.
 * Return: the route, without a reference; NULL if a full lookup is needed.
 */
struct dst_entry *xtcp_inroute6_back(const struct xtcp_net *xn,
				     const struct xtcp_addrs6 *addrs)
{
	const struct xtcp_inroute6 *mem;
	struct dst_entry *dst = NULL;
	unsigned int i;

	if (!READ_ONCE(xn->inroute6))
		return NULL;
	i = way_back_of(addrs);
	local_bh_disable();
	mem = inroute6_memory(xn);
	if (mem->back[i].dst &&
	    ipv6_prefix_equal(&mem->back[i].prefix, &addrs->raddr,
			      mem->back[i].bits) &&
	    mem->back[i].locals == table_serial(local_table(xn->net)) &&
	    time_before(jiffies, mem->back[i].until) &&
	    xtcp_ipv6_route_is_fresh(mem->back[i].dst, mem->back[i].cookie) &&
	    !is_optimistic(xn->net, mem->back[i].dst))
		dst = mem->back[i].dst;
	local_bh_enable();
	return dst;
}

static bool bit_of(const struct in6_addr *addr, unsigned int i)
{
	return addr->s6_addr[i / 8] & 0x80 >> i % 8;
}

/*
 * Descend a table's tree as a lookup of @addr does, and compare the result with
 * @found, or with no route if that is NULL. @bits grows so that each address
 * with the same first @bits as @addr has the same result. Returns false if the
 * result is not @found, or a source prefix may decide.
 */
static bool inroute6_range_grow(const struct net *net,
				const struct fib6_table *table,
				const struct in6_addr *addr,
				const struct fib6_info *found,
				unsigned int *bits)
{
	const struct fib6_node *fn = &table->tb6_root;
	const struct fib6_info *leaf, *best = NULL;
	unsigned int common = 0;

	for (;;) {
#ifdef CONFIG_IPV6_SUBTREES
		if (rcu_access_pointer(fn->subtree))
			return false;
#endif
		leaf = fn->fn_flags & RTN_RTINFO ? rcu_dereference(fn->leaf) :
						   NULL;
		if (leaf && leaf != net->ipv6.fib6_null_entry) {
			common = ipv6_addr_diff(&leaf->fib6_dst.addr, addr);
			if (common < leaf->fib6_dst.plen)
				break;
			best = leaf;
		}
		common = fn->fn_bit;
		if (common >= 128)
			break;
		fn = bit_of(addr, common) ? rcu_dereference(fn->right) :
					    rcu_dereference(fn->left);
		if (!fn)
			break;
	}
	*bits = max(*bits, min(common + 1, 128U));
	return best == found;
}

/* Is it this CPU's route of a single path without exceptions? */
static bool is_plain(const struct rt6_info *rt, const struct fib6_info *from)
{
	return from && rt->rt6i_flags & RTF_PCPU && !rt->sernum &&
	       !dst_xfrm(&rt->dst) && !from->nh && !from->fib6_nsiblings &&
	       !rcu_access_pointer(from->fib6_next) &&
	       !rcu_access_pointer(from->fib6_nh->rt6i_exception_bucket);
}

/**
 * xtcp_inroute6_back_learn - cache the result of a lookup
 * @xn: namespace without policy rules
 * @addrs: peer's address, and the local one
 * @dst: the route that was found
 *
 * Context: RCU; any.
 */
void xtcp_inroute6_back_learn(struct xtcp_net *xn,
			      const struct xtcp_addrs6 *addrs,
			      struct dst_entry *dst)
{
	const struct rt6_info *rt = container_of(dst, struct rt6_info, dst);
	const struct fib6_info *from = rcu_dereference(rt->from);
	const struct net *net = xn->net;
	const struct fib6_table *locals = local_table(net);
	unsigned int i = way_back_of(addrs), bits = 0;
	u32 serial = table_serial(locals);
	u32 cookie = rt6_get_cookie(rt);
	struct xtcp_inroute6 *mem;
	struct dst_entry *old;

	/*
	 * Read the serial numbers before the trees: what is added from here on
	 * invalidates the result. Pairs with the barrier before fib6_add()
	 * changes them.
	 */
	smp_rmb();
	if (!is_plain(rt, from) ||
	    from->fib6_table != net->ipv6.fib6_main_tbl ||
	    !inroute6_range_grow(net, from->fib6_table, &addrs->raddr, from,
				 &bits))
		return;
	if (locals != from->fib6_table &&
	    !inroute6_range_grow(net, locals, &addrs->raddr, NULL, &bits))
		return;
	inroute6_memory_make(xn, GFP_NOWAIT | __GFP_ACCOUNT);
	local_bh_disable();
	mem = inroute6_memory(xn);
	if (mem && dst_hold_safe(dst)) {
		old = mem->back[i].dst;
		mem->back[i].dst = dst;
		mem->back[i].cookie = cookie;
		mem->back[i].locals = serial;
		mem->back[i].until = jiffies + HZ;
		mem->back[i].bits = bits;
		mem->back[i].prefix = addrs->raddr;
		dst_release(old);
	}
	local_bh_enable();
}

/**
 * xtcp_inroute6_net_add - start to cache input routes in a namespace
 * @net: namespace
 *
 * Without memory, or where one softirq may interrupt another, IP routes every
 * segment.
 *
 * Context: process.
 */
void xtcp_inroute6_net_add(struct net *net)
{
	inroute6_memory_make(xtcp_net(net), GFP_KERNEL_ACCOUNT);
}

/**
 * xtcp_inroute6_net_exit - undo xtcp_inroute6_net_add()
 * @net: namespace; no segment arrives any more
 *
 * Context: process.
 */
void xtcp_inroute6_net_exit(struct net *net)
{
	struct xtcp_inroute6 __percpu *inroute = xtcp_net(net)->inroute6;
	struct xtcp_inroute6 *mem;
	unsigned int i;
	int cpu;

	if (!inroute)
		return;
	for_each_possible_cpu(cpu) {
		mem = per_cpu_ptr(inroute, cpu);
		for (i = 0; i < WAYS; i++)
			dst_release(mem->in[i].dst);
		for (i = 0; i < WAYS_BACK; i++)
			dst_release(mem->back[i].dst);
	}
	free_percpu(inroute);
}

#endif /* CONFIG_IPV6 */
