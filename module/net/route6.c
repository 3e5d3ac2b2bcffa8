// SPDX-License-Identifier: GPL-2.0
/*
 * route6.c - routes of IPv6 segments
 *
 * RFC 9293 3.9.2, RFC 8201 (path MTU), RFC 4007 (scopes). A socket caches its
 * route; a stale one is looked up again (LC-110). If only the addresses choose
 * the route, net/inroute6.c has most routes in its cache.
 *
 * Context: softirq or process. Functions that take a socket need its lock,
 * which also guards the route cached in it; the others need no lock.
 */
#include "net/route6.h"

#include <linux/err.h>
#include <linux/netdevice.h>
#include <linux/security.h>
#include <linux/seg6.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "compat.h"
#include "net/addr6.h"
#include "net/family.h"
#include "isn.h"
#include "net/inroute6.h"
#include "net/ipsec.h"
#include "net/reply.h"
#include "netns.h"
#include "tcb.h"

#if IS_ENABLED(CONFIG_IPV6)

/**
 * xtcp_ipv6_flow_init - fill in the key of a route lookup
 * @fl6: filled, except for its label
 * @net: namespace
 * @sk: socket that sends, or NULL
 * @key: addresses, ports and wire
 * @oif: device to leave by, or 0
 * @mark: fwmark of its packets
 */
void xtcp_ipv6_flow_init(struct flowi6 *fl6, const struct net *net,
			 const struct sock *sk, const struct xtcp_key *key,
			 int oif, u32 mark)
{
	memset(fl6, 0, sizeof(*fl6));
	fl6->flowi6_proto = key->wire;
	fl6->daddr = key->v6.raddr;
	fl6->saddr = key->v6.laddr;
	fl6->flowi6_oif = oif;
	fl6->flowi6_mark = mark;
	fl6->fl6_dport = key->rport;
	fl6->fl6_sport = key->lport;
	fl6->flowi6_uid = sock_net_uid(net, sk);
}

/*
 * Route the flow to the first stop of a routing header, if there is one;
 * @final then has the peer's own address, for IPsec to go by.
 *
 * Return: @final, or NULL.
 */
static struct in6_addr *route6_first_hop(struct flowi6 *fl6,
					 const struct ipv6_txoptions *opt,
					 struct in6_addr *final)
{
	const struct ipv6_sr_hdr *srh;

	if (!opt || !opt->srcrt)
		return NULL;
	*final = fl6->daddr;
	if (opt->srcrt->type == IPV6_SRCRT_TYPE_4) {
		srh = (const struct ipv6_sr_hdr *)opt->srcrt;
		fl6->daddr = srh->segments[srh->segments_left];
	} else {
		fl6->daddr = *((const struct rt0_hdr *)opt->srcrt)->addr;
	}
	return final;
}

/*
 * Does only the peer's address choose the route? A device, policy rules (without which
 * there is no VRF), the source and IPsec may choose, too.
 */
static bool route6_addresses_decide(const struct net *net, const struct sock *sk,
				    int oif)
{
	return !oif && !fib6_has_custom_rules(net) && !fib6_routes_require_src(net) &&
	       xtcp_ipsec_is_silent(net, sk);
}

/*
 * The cached route to the peer, with a reference, or NULL. Without a local
 * address, choose one as IP would.
 */
static struct dst_entry *route6_known(const struct sock *sk, struct flowi6 *fl6)
{
	struct xtcp_addrs6 addrs = { .raddr = fl6->daddr, .laddr = fl6->saddr };
	struct net *net = sock_net(sk);
	struct fib6_info *from;
	struct dst_entry *dst;

	rcu_read_lock();
	dst = xtcp_inroute6_back(xtcp_net(net), &addrs);
	if (dst && ipv6_addr_any(&fl6->saddr)) {
		from = rcu_dereference(((struct rt6_info *)dst)->from);
		if (!from ||
		    xtcp_route6_saddr(net, from, &fl6->daddr,
				      xtcp_ipv6_pinfo(sk)->srcprefs, &fl6->saddr))
			dst = NULL;
	}
	if (dst && !dst_hold_safe(dst))
		dst = NULL;
	rcu_read_unlock();
	return dst;
}

/* Look up the route of a flow without extension headers, and cache it. */
static struct dst_entry *route6_plain_lookup(struct sock *sk, struct flowi6 *fl6)
{
	struct dst_entry *dst = route6_known(sk, fl6);
	struct xtcp_addrs6 addrs;

	if (dst)
		return dst;
	dst = ip6_dst_lookup_flow(sock_net(sk), sk, fl6, NULL);
	if (IS_ERR(dst))
		return dst;
	addrs = (struct xtcp_addrs6) { fl6->daddr, fl6->saddr };
	rcu_read_lock();
	xtcp_inroute6_back_learn(xtcp_net(sock_net(sk)), &addrs, dst);
	rcu_read_unlock();
	return dst;
}

static struct dst_entry *route6_lookup(struct sock *sk, struct flowi6 *fl6)
{
	const struct ipv6_txoptions *opt = xtcp_ipv6_tx_options(sk);
	struct in6_addr final;
	struct in6_addr *last;

	security_sk_classify_flow(sk, flowi6_to_flowi_common(fl6));
	if (!opt && route6_addresses_decide(sock_net(sk), sk, fl6->flowi6_oif))
		return route6_plain_lookup(sk, fl6);
	last = route6_first_hop(fl6, opt, &final);
	return ip6_dst_lookup_flow(sock_net(sk), sk, fl6, last);
}

static u32 route6_cookie(const struct dst_entry *dst)
{
	return rt6_get_cookie(container_of(dst, struct rt6_info, dst));
}

/* Has the route other next hops? Then addresses and ports may have chosen this one. */
static bool route6_is_one_of_several(const struct dst_entry *dst)
{
	const struct rt6_info *rt = (const struct rt6_info *)dst;
	const struct fib6_info *from;
	bool several;

	rcu_read_lock();
	from = rcu_dereference(rt->from);
	several = from && (from->nh || READ_ONCE(from->fib6_nsiblings));
	rcu_read_unlock();
	return several;
}

/**
 * xtcp_ipv6_route_first - find the local address of a connect(), and its route
 * @sk: the socket, locked
 * @key: addresses, ports and wire as far as they are known; gets a local address if it has none
 *
 * A route by which the local address was chosen stays: another path might not carry that address.
 * Else, if the port may choose another route, it is not cached: the caller looks it up once the
 * port is known. Linux keeps it, until it looks up a route again and perhaps finds another.
 *
 * Return: 0, or the error of the lookup.
 */
int xtcp_ipv6_route_first(struct sock *sk, struct xtcp_key *key)
{
	bool bound = !ipv6_addr_any(&key->v6.laddr);
	struct dst_entry *dst;

	dst = xtcp_ipv6_route_find(sk, key, xtcp_ipv6_pinfo(sk)->flow_label);
	if (IS_ERR(dst))
		return PTR_ERR(dst);
	if (bound && route6_is_one_of_several(dst))
		sk_dst_reset(sk);
	return 0;
}

/**
 * xtcp_ipv6_route_find - look up the route of a socket, and cache it there
 * @sk: the socket, locked
 * @key: addresses, ports and wire; gets a local address if it has none
 * @label: flow label and traffic class that the user has set
 *
 * Return: the route, without a reference, or an ERR_PTR().
 */
struct dst_entry *xtcp_ipv6_route_find(struct sock *sk, struct xtcp_key *key,
				       __be32 label)
{
	struct ipv6_pinfo *np = xtcp_ipv6_pinfo(sk);
	struct dst_entry *dst;
	struct flowi6 fl6;

	xtcp_ipv6_flow_init(&fl6, sock_net(sk), sk, key,
			    READ_ONCE(sk->sk_bound_dev_if),
			    READ_ONCE(sk->sk_mark));
	fl6.flowlabel = ip6_make_flowinfo(READ_ONCE(np->tclass), label);
	if (!key->lport)
		fl6.flowi6_flags = XTCP_FLOW_ANY_SPORT;
	xtcp_ipv6_path_by_hash(sock_net(sk), &fl6, sk->sk_txhash);
	dst = route6_lookup(sk, &fl6);
	if (IS_ERR(dst))
		return dst;
	np->dst_cookie = route6_cookie(dst);
	sk_setup_caps(sk, dst);
	key->v6.laddr = fl6.saddr;
	return dst;
}

static struct dst_entry *route6_cached(struct sock *sk)
{
	struct dst_entry *dst = __sk_dst_get(sk);
	u32 cookie = xtcp_ipv6_pinfo(sk)->dst_cookie;
	bool fresh;

	rcu_read_lock();
	fresh = xtcp_ipv6_route_is_fresh(dst, cookie);
	rcu_read_unlock();
	return likely(fresh) ? dst : __sk_dst_check(sk, cookie);
}

/**
 * xtcp_ipv6_route_get - xtcp_route_ops.find of IPv6
 * @sk: the socket, locked
 *
 * Return: the route, without a reference, or an ERR_PTR().
 */
struct dst_entry *xtcp_ipv6_route_get(struct sock *sk)
{
	struct dst_entry *dst = route6_cached(sk);
	struct xtcp_key key;

	if (likely(dst))
		return dst;
	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	return xtcp_ipv6_route_find(sk, &key, xtcp_ipv6_pinfo(sk)->flow_label);
}

/*
 * The device that a reply must leave by: the one that its connection is bound
 * to, the link of a peer whose address has a scope (a VRF is none), else any.
 */
static int route6_reply_oif(const struct xtcp_reply *reply)
{
	const struct xtcp_key *key = &reply->key;

	if ((!reply->oif || reply->oif == key->dif) &&
	    rt6_need_strict(&key->v6.raddr))
		return key->sdif ?: key->dif;
	return reply->oif;
}

/**
 * xtcp_ipv6_reply_options - extension headers of a segment without a socket
 * @reply: the segment's addresses, and the socket whose headers it may have
 *
 * Context: RCU.
 * Return: the headers, or NULL.
 */
const struct ipv6_txoptions *xtcp_ipv6_reply_options(const struct xtcp_reply *reply)
{
	return unlikely(reply->extended) ?
	       rcu_dereference(xtcp_ipv6_pinfo(reply->sk)->opt) : NULL;
}

/* Returns the route with a reference, or an ERR_PTR(). */
static struct dst_entry *route6_reply_lookup(struct net *net,
					     const struct xtcp_reply *reply, int oif)
{
	struct in6_addr *last, final;
	struct dst_entry *dst;
	struct flowi6 fl6;
	int err;

	xtcp_ipv6_flow_init(&fl6, net, reply->sk, &reply->key, oif,
			    reply->mark);
	fl6.flowlabel = ip6_make_flowinfo(reply->tos, 0);
	if (reply->has_iss)
		xtcp_ipv6_path_by_hash(net, &fl6, xtcp_isn_path_hash(net, reply->iss));
	if (reply->sk)
		security_sk_classify_flow((struct sock *)reply->sk,
					  flowi6_to_flowi_common(&fl6));
	if (!oif || reply->sk) {
		rcu_read_lock();
		last = route6_first_hop(&fl6, xtcp_ipv6_reply_options(reply),
					&final);
		rcu_read_unlock();
		return ip6_dst_lookup_flow(net, reply->sk, &fl6, last);
	}
	/*
	 * Without a socket that is bound to it, IPv6 merely prefers the device.
	 */
	dst = ip6_route_output_flags(net, NULL, &fl6, RT6_LOOKUP_F_IFACE);
	if (dst->error) {
		err = dst->error;
		dst_release(dst);
		return ERR_PTR(err);
	}
	return xfrm_lookup_route(net, dst, flowi6_to_flowi(&fl6), NULL, 0);
}

static int route6_reply(struct net *net, struct xtcp_reply *reply)
{
	const struct xtcp_addrs6 *addrs = &reply->key.v6;
	struct xtcp_net *xn = xtcp_net(net);
	int oif = route6_reply_oif(reply);
	struct dst_entry *dst;
	bool plain;

	rcu_read_lock();
	plain = !xtcp_ipv6_reply_options(reply) &&
		route6_addresses_decide(net, reply->sk, oif);
	rcu_read_unlock();
	reply->dst = plain ? xtcp_inroute6_back(xn, addrs) : NULL;
	reply->dst_held = !reply->dst;
	if (reply->dst)
		return 0;
	dst = route6_reply_lookup(net, reply, oif);
	if (IS_ERR(dst))
		return PTR_ERR(dst);
	if (plain)
		xtcp_inroute6_back_learn(xn, addrs, dst);
	reply->dst = dst;
	return 0;
}

/*
 * As for IPv4, the second lookup finds the new MTU, or the one in force. If the
 * user has told the socket not to believe routers, the route isn't updated
 * either, because other sockets use it.
 */
static unsigned int route6_mtu_reduced(struct sock *sk, unsigned int mtu)
{
	struct dst_entry *dst;

	if (!ip6_sk_accept_pmtu(sk))
		return 0;
	dst = xtcp_ipv6_route_get(sk);
	if (IS_ERR(dst))
		return 0;
	dst->ops->update_pmtu(dst, sk, NULL, max_t(u32, mtu, IPV6_MIN_MTU),
			      true);
	dst = xtcp_ipv6_route_get(sk);
	return IS_ERR(dst) ? 0 : dst_mtu(dst);
}

static bool route6_pmtu_believed(const struct sock *sk)
{
	return ip6_sk_accept_pmtu(sk);
}

/* No router fragments an IPv6 packet. */
static bool route6_pmtu_bound(struct sock *sk)
{
	return true;
}

/* Linux looks at the option in every state over IPv6. */
static bool route6_error_queued(const struct sock *sk, bool ends_opening)
{
	return inet6_test_bit(RECVERR6, sk);
}

static bool route6_error_extended(const struct sock *sk)
{
	return inet6_test_bit(RECVERR6_RFC4884, sk);
}

const struct xtcp_route_ops xtcp_ipv6_route = {
	.find		= xtcp_ipv6_route_get,
	.cached		= route6_cached,
	.cookie		= route6_cookie,
	.reply		= route6_reply,
	.mtu_reduced	= route6_mtu_reduced,
	.pmtu_believed	= route6_pmtu_believed,
	.pmtu_bound	= route6_pmtu_bound,
	.error_queued	= route6_error_queued,
	.error_extended	= route6_error_extended,
};

#endif /* CONFIG_IPV6 */
