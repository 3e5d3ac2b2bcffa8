/* SPDX-License-Identifier: GPL-2.0 */
/*
 * route6.h - routes of IPv6 segments: lookup, and checks of cached ones
 */
#ifndef XTCP_NET_ROUTE6_H
#define XTCP_NET_ROUTE6_H

#include <net/dst.h>
#include <net/ip6_fib.h>

struct flowi6;
struct ipv6_txoptions;
struct net;
struct sock;
struct xtcp_key;
struct xtcp_reply;

void xtcp_ipv6_flow_init(struct flowi6 *fl6, const struct net *net,
			 const struct sock *sk, const struct xtcp_key *key,
			 int oif, u32 mark);
struct dst_entry *xtcp_ipv6_route_find(struct sock *sk, struct xtcp_key *key,
				       __be32 label);
int xtcp_ipv6_route_first(struct sock *sk, struct xtcp_key *key);
struct dst_entry *xtcp_ipv6_route_get(struct sock *sk);
const struct ipv6_txoptions *xtcp_ipv6_reply_options(const struct xtcp_reply *reply);

/**
 * xtcp_ipv6_route_is_fresh - may a cached route be used without dst_check()
 * @dst: route of IPv6, or NULL
 * @cookie: its cookie for dst_check()
 *
 * Gives the result of dst_check() for nearly all routes, inline.
 *
 * Context: RCU.
 * Return: true if the route is valid; false: call dst_check().
 */
static inline bool xtcp_ipv6_route_is_fresh(const struct dst_entry *dst,
					    u32 cookie)
{
	const struct rt6_info *rt = (const struct rt6_info *)dst;
	const struct fib6_info *from;
	u32 now;

	static_assert(offsetof(struct rt6_info, dst) == 0);

	if (!dst || READ_ONCE(dst->obsolete) != DST_OBSOLETE_FORCE_CHK ||
	    dst_xfrm(dst) || rt->sernum || rt->rt6i_flags & RTF_EXPIRES)
		return false;
	from = rcu_dereference(rt->from);
	return from && fib6_get_cookie_safe(from, &now) && now == cookie &&
	       !fib6_check_expired(from);
}

#endif /* XTCP_NET_ROUTE6_H */
