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
 * The way back is looked up by who is answered, and of a flood each is another
 * one. But where a table's tree ends, the answer is the same for all addresses
 * that would have gone down the same branches: for half of the world, where a
 * default route is all there is. So what a lookup has found is remembered with the
 * range of addresses for which it would find the same. That is so while nothing but
 * the destination chooses (the caller sees to that), over one path, without
 * exceptions; whoever adds a route inside the range marks the range's own route
 * stale, for it stands above; and an address of this host's would stand in the
 * local table, whose serial number is remembered, too. Whether a gateway answers,
 * which can choose between routes as well, is asked again each second.
 *
 * Birth and death: a namespace gets its memory with its first socket of IPv6, or
 * the first answer. What a CPU remembers it holds a reference to. Another one
 * replaces it, and the namespace's end drops the last.
 *
 * Context: under RCU. A CPU's memory has no lock: only this CPU uses it, and only
 * with softirqs off. Where softirqs can be preempted nothing is remembered.
 * xtcp_arrival6_net_*(): process.
 */
#include "net/arrival6.h"

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

/* One listens at an address or two; neighbours have a place of their own. */
#define WAYS	4	/* power of two */

/* Ranges of a random source: a half of the rest, a quarter, an eighth... */
#define WAYS_BACK	8	/* power of two */

/**
 * struct xtcp_arrival6 - what one CPU remembers in a namespace
 * @in: ways in, by the address's last bits
 * @in.dst: route of the last one; NULL: none came
 * @in.cookie: what dst_check() of it wants to hear
 * @in.iif: device
 * @in.daddr: address
 * @is_news: the last segment had to be routed
 * @back: ways back, by how much of our address the peer's shares
 * @back.dst: route; NULL: none is known
 * @back.cookie: what its check wants to hear
 * @back.locals: serial number of the table of local addresses
 * @back.until: jiffies; asked again then
 * @back.bits: so many of @back.prefix make the range
 * @back.prefix: the first of the addresses to which it leads
 */
struct xtcp_arrival6 {
	struct {
		struct dst_entry	*dst;
		u32			cookie;
		int			iif;
		struct in6_addr		daddr;
	} in[WAYS];
	bool is_news;
	struct {
		struct dst_entry	*dst;
		u32			cookie;
		u32			locals;
		unsigned long		until;
		u8			bits;
		struct in6_addr		prefix;
	} back[WAYS_BACK];
};

/* NULL: nothing, and never will. Softirqs are off until the caller is done. */
static struct xtcp_arrival6 *memory_of(const struct xtcp_net *xn)
{
	struct xtcp_arrival6 __percpu *arrival = READ_ONCE(xn->arrival6);

	lockdep_assert_in_softirq();
	return arrival ? this_cpu_ptr(arrival) : NULL;
}

/* Once in a namespace's life; another CPU may do the same. */
static void memory_make(struct xtcp_net *xn, gfp_t gfp)
{
	struct xtcp_arrival6 __percpu *arrival;

	if (IS_ENABLED(CONFIG_PREEMPT_RT) || READ_ONCE(xn->arrival6))
		return;
	arrival = alloc_percpu_gfp(struct xtcp_arrival6, gfp | __GFP_NOWARN);
	if (arrival && cmpxchg(&xn->arrival6, NULL, arrival))
		free_percpu(arrival);
}

static unsigned int way_of(const struct in6_addr *daddr)
{
	return ntohl(daddr->s6_addr32[3]) % WAYS;
}

/* By which a segment to that address came by that device; NULL: none is known. */
static struct dst_entry *way_in(const struct xtcp_arrival6 *mem,
				const struct sk_buff *skb)
{
	const struct in6_addr *daddr = &ipv6_hdr(skb)->daddr;
	unsigned int i = way_of(daddr);
	struct dst_entry *dst = mem->in[i].dst;

	return mem->in[i].iif == skb->skb_iif &&
	       ipv6_addr_equal(&mem->in[i].daddr, daddr) &&
	       xtcp_ipv6_route_is_fresh(dst, mem->in[i].cookie) ? dst : NULL;
}

/**
 * xtcp_arrival6_is_known - is a segment for an address of this host's
 * @xn: namespace without policy rules
 * @skb: segment in one piece, addressed to this host
 *
 * Context: RCU, softirqs off.
 * Return: false where somebody else has to be asked.
 */
bool xtcp_arrival6_is_known(const struct xtcp_net *xn,
			    const struct sk_buff *skb)
{
	const struct xtcp_arrival6 *mem = memory_of(xn);

	return mem && way_in(mem, skb);
}

/**
 * xtcp_arrival6_route - route a stranger's segment
 * @xn: namespace
 * @skb: segment in one piece, addressed to this host, without a route; gets
 *	one if what the CPU remembers allows it
 *
 * Context: RCU; any. With softirqs on, the routing code routes it.
 */
void xtcp_arrival6_route(const struct xtcp_net *xn, struct sk_buff *skb)
{
	struct xtcp_arrival6 *mem;
	struct dst_entry *dst;

	if (unlikely(!in_softirq()))
		return;
	mem = memory_of(xn);
	if (!mem || fib6_has_custom_rules(xn->net))
		return;
	dst = way_in(mem, skb);
	mem->is_news = !dst;
	if (dst)
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
 * @skb: a stranger's segment, with its route
 *
 * Context: RCU, softirqs off: as IP calls a protocol's handler.
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

static unsigned int way_back_of(const struct xtcp_addrs6 *addrs)
{
	unsigned int common = ipv6_addr_diff(&addrs->raddr, &addrs->laddr);

	/* Neighbours have a place each, and so has who is connected to. */
	if (common >= 64 || ipv6_addr_any(&addrs->laddr))
		common = ntohl(addrs->raddr.s6_addr32[3]);
	return common % WAYS_BACK;
}

/* Serial number of a table, which whoever adds to it changes at its root. */
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

/* Is a neighbour that is not known perhaps to be reached by a router (RFC 4429)? */
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
 * xtcp_arrival6_back - the route to a host, as it was for one like it
 * @xn: namespace without policy rules
 * @addrs: who is sent to, and from where (maybe any address)
 *
 * Context: RCU, as long as which the route lives; any.
 * Return: no reference is taken; NULL where it has to be looked up.
 */
struct dst_entry *xtcp_arrival6_back(const struct xtcp_net *xn,
				     const struct xtcp_addrs6 *addrs)
{
	const struct xtcp_arrival6 *mem;
	struct dst_entry *dst = NULL;
	unsigned int i;

	if (!READ_ONCE(xn->arrival6))
		return NULL;
	i = way_back_of(addrs);
	local_bh_disable();
	mem = memory_of(xn);
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
 * Down the tree of a table as a lookup of @addr would go, which ends with
 * @found, or nothing where that is NULL. @bits grows to how many bits of it all
 * have in common that end there. False: the lookup has thought of more.
 */
static bool range_grow(const struct net *net, const struct fib6_table *table,
		       const struct in6_addr *addr,
		       const struct fib6_info *found, unsigned int *bits)
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

/* One path for all, whose route of this CPU it is, and nothing is an exception. */
static bool is_plain(const struct rt6_info *rt, const struct fib6_info *from)
{
	return from && rt->rt6i_flags & RTF_PCPU && !rt->sernum &&
	       !dst_xfrm(&rt->dst) && !from->nh && !from->fib6_nsiblings &&
	       !rcu_access_pointer(from->fib6_next) &&
	       !rcu_access_pointer(from->fib6_nh->rt6i_exception_bucket);
}

/**
 * xtcp_arrival6_back_learn - remember what a lookup has found
 * @xn: namespace without policy rules
 * @addrs: who was to be sent to, and from where
 * @dst: by this route
 *
 * Context: RCU; any.
 */
void xtcp_arrival6_back_learn(struct xtcp_net *xn,
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
	struct xtcp_arrival6 *mem;
	struct dst_entry *old;

	/*
	 * The serial numbers first, the trees then: what is added from here on
	 * makes it stale. Pairs with the barrier before fib6_add() changes them.
	 */
	smp_rmb();
	if (!is_plain(rt, from) ||
	    from->fib6_table != net->ipv6.fib6_main_tbl ||
	    !range_grow(net, from->fib6_table, &addrs->raddr, from, &bits))
		return;
	if (locals != from->fib6_table &&
	    !range_grow(net, locals, &addrs->raddr, NULL, &bits))
		return;
	memory_make(xn, GFP_NOWAIT | __GFP_ACCOUNT);
	local_bh_disable();
	mem = memory_of(xn);
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
 * xtcp_arrival6_net_add - remember from now on how segments come in
 * @net: namespace
 *
 * Without memory, or where one softirq may interrupt another, every segment is
 * routed. Context: process.
 */
void xtcp_arrival6_net_add(struct net *net)
{
	memory_make(xtcp_net(net), GFP_KERNEL_ACCOUNT);
}

/**
 * xtcp_arrival6_net_exit - undo xtcp_arrival6_net_add()
 * @net: namespace; no segment comes any more
 */
void xtcp_arrival6_net_exit(struct net *net)
{
	struct xtcp_arrival6 __percpu *arrival = xtcp_net(net)->arrival6;
	struct xtcp_arrival6 *mem;
	unsigned int i;
	int cpu;

	if (!arrival)
		return;
	for_each_possible_cpu(cpu) {
		mem = per_cpu_ptr(arrival, cpu);
		for (i = 0; i < WAYS; i++)
			dst_release(mem->in[i].dst);
		for (i = 0; i < WAYS_BACK; i++)
			dst_release(mem->back[i].dst);
	}
	free_percpu(arrival);
}

#endif /* CONFIG_IPV6 */
