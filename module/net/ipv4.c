// SPDX-License-Identifier: GPL-2.0
/*
 * ipv4.c - IPv4 below the engine: header, route, checksum, addresses
 *
 * RFC 9293 3.9.2 (what TCP asks of IP), RFC 1191 (path MTU), RFC 6864 (IP id).
 *
 * This file builds the IPv4 header itself: ip_queue_xmit() would write the
 * socket's protocol, 253, on both wires, and needs a flow that is stored with
 * the socket.
 *
 * Context: softirq or process. Functions that take a socket need its lock,
 * which also guards the route cached in it; the others need no lock.
 */
#include <linux/errno.h>
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/math64.h>
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/security.h>
#include <linux/siphash.h>
#include <linux/socket.h>
#include <linux/timekeeping.h>
#include <net/dst.h>
#include <net/inet_ecn.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ip_fib.h>
#include <net/route.h>
#include <net/tcp.h>
#include <uapi/linux/xtcp.h>

#include "compat.h"
#include "net/family.h"
#include "net/inroute.h"
#include "net/ipsec.h"
#include "net/ipv4.h"
#include "net/reply.h"
#include "net/wire.h"
#include "netns.h"
#include "tcb.h"

#define MTU_MIN		68U	/* bytes, RFC 791: every router forwards it */

static u8 ipv4_ttl(const struct sk_buff *skb)
{
	return ip_hdr(skb)->ttl;
}

static int ipv4_device(const struct xtcp_key *key, int bound)
{
	return bound ?: key->sdif ? key->dif : 0;
}

static u8 ipv4_tos(const struct sock *sk)
{
	return READ_ONCE(inet_sk(sk)->tos);
}

static void ipv4_tos_set(struct sock *sk, u8 tos)
{
	WRITE_ONCE(inet_sk(sk)->tos, tos);
}

static u8 ipv4_dscp(const struct sk_buff *skb)
{
	return ip_hdr(skb)->tos & ~INET_ECN_MASK;
}

static u32 ipv4_reply_mark(const struct net *net, u32 mark)
{
	return IP4_REPLY_MARK(net, mark);
}

static u8 ipv4_ecn(const struct sk_buff *skb)
{
	return ip_hdr(skb)->tos & INET_ECN_MASK;
}

static u64 ipv4_hash(const struct xtcp_key *key, u32 salt, const void *secret)
{
	u64 ports = (u64)key->ports << 32 | salt << 8 | key->wire;

	return siphash_2u64(key->addrs, ports, secret);
}

static u64 ipv4_source_hash(const struct xtcp_key *key, unsigned int bits,
			    const void *secret)
{
	__be32 prefix = key->raddr & inet_make_mask(bits);

	return siphash_1u64((__force u32)prefix, secret);
}

static u64 ipv4_pair_hash(const struct xtcp_key *key, const void *secret)
{
	__be32 pair[2] __aligned(SIPHASH_ALIGNMENT) = { key->raddr, key->laddr };

	return siphash(pair, sizeof(pair), secret);
}

/*
 * Fill in the key of a route lookup for @sk, or for no socket. Scope and flags
 * follow the socket's options; @flags: more flags.
 */
static void ipv4_flow_init(struct flowi4 *fl4, const struct net *net,
			   const struct sock *sk, const struct xtcp_key *key,
			   int oif, u32 mark, u8 tos, u8 flags)
{
	bool on_link = sk && sock_flag(sk, SOCK_LOCALROUTE);

	flowi4_init_output(fl4, oif, mark, tos & INET_DSCP_MASK,
			   on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
			   key->wire, flags | (sk ? inet_sk_flowi_flags(sk) : 0),
			   key->raddr, key->laddr, key->rport, key->lport,
			   sock_net_uid(net, sk));
}

/*
 * Do only the addresses choose the route? A device, DSCP, policy rules (without
 * which there is no VRF) and IPsec may choose, too.
 */
static bool ipv4_addresses_decide(struct net *net, const struct sock *sk,
				  u8 tos)
{
	return !fib4_has_custom_rules(net) && !tos &&
	       xtcp_ipsec_is_silent(net, sk) &&
	       !(sk && (READ_ONCE(sk->sk_bound_dev_if) ||
			sock_flag(sk, SOCK_LOCALROUTE)));
}

/*
 * The route that the peer's next hop caches, if only the peer's address chooses
 * it; else NULL. The caller has checked that the local address still exists.
 */
static struct rtable *ipv4_nexthop_route(struct net *net, const struct sock *sk,
					 const struct xtcp_key *key, u8 tos)
{
	if (!ipv4_addresses_decide(net, sk, tos) || ipv4_is_loopback(key->laddr))
		return NULL;
	return xtcp_inroute_back(net, key->raddr);
}

/* RCU or the socket lock guards the options. */
static unsigned int ipv4_options_len(const struct sock *sk)
{
	const struct ip_options_rcu *opt;

	opt = rcu_dereference_check(inet_sk(sk)->inet_opt,
				    lockdep_sock_is_held(sk));
	return opt ? opt->opt.optlen : 0;
}

/* First hop of @sk: the first router of its source route, or the peer. */
static __be32 ipv4_first_hop(const struct sock *sk)
{
	const struct ip_options_rcu *opt;

	opt = rcu_dereference(inet_sk(sk)->inet_opt);
	return opt && opt->opt.srr ? opt->opt.faddr : xtcp_sk(sk)->flow.raddr;
}

/*
 * MUST-46, MUST-63: segments are sent to one host. The lookup finds for free whether an address
 * is a subnet's broadcast address. Consumes @rt, a route or an ERR_PTR(), unless it is returned.
 */
static struct rtable *ipv4_to_one_host(struct rtable *rt)
{
	if (IS_ERR(rt) || !(rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)))
		return rt;
	ip_rt_put(rt);
	return ERR_PTR(-EHOSTUNREACH);
}

static struct rtable *ipv4_route_lookup(struct sock *sk)
{
	u8 tos = READ_ONCE(inet_sk(sk)->tos);
	struct net *net = sock_net(sk);
	struct xtcp_key key __uninitialized;
	struct flowi4 fl4;
	struct rtable *rt;

	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	key.raddr = ipv4_first_hop(sk);
	rt = __ip_dev_find(net, key.laddr, false) ?
	     ipv4_nexthop_route(net, sk, &key, tos) : NULL;
	if (rt && dst_hold_safe(&rt->dst))
		return rt;
	ipv4_flow_init(&fl4, net, sk, &key, READ_ONCE(sk->sk_bound_dev_if),
		       READ_ONCE(sk->sk_mark), tos, 0);
	security_sk_classify_flow(sk, flowi4_to_flowi_common(&fl4));
	return ipv4_to_one_host(ip_route_output_flow(net, &fl4, sk));
}

/* Fill in the key of a route lookup for a connect() that has no 4-tuple yet. */
static void ipv4_connect_flow_init(struct sock *sk, struct flowi4 *fl4,
				   const struct sockaddr_in *peer, __be32 first)
{
	const struct inet_sock *inet = inet_sk(sk);
	struct xtcp_key key = {
		.laddr	= inet->inet_saddr,
		.raddr	= first,
		.lport	= inet->inet_sport,
		.rport	= peer->sin_port,
		.wire	= xtcp_sk(sk)->flow.wire,
	};
	u8 flags = key.lport ? 0 : XTCP_FLOW_ANY_SPORT;

	ipv4_flow_init(fl4, sock_net(sk), sk, &key, READ_ONCE(sk->sk_bound_dev_if),
		       READ_ONCE(sk->sk_mark), READ_ONCE(inet->tos), flags);
	security_sk_classify_flow(sk, flowi4_to_flowi_common(fl4));
}

/*
 * May the local port change the route? Policy rules, the choice among several
 * paths and IPsec may depend on it.
 */
static bool ipv4_ports_decide(struct net *net, const struct sock *sk)
{
#ifdef CONFIG_IP_ROUTE_MULTIPATH
	if (READ_ONCE(net->ipv4.sysctl_fib_multipath_hash_policy))
		return true;
#endif
	return fib4_has_custom_rules(net) || !xtcp_ipsec_is_silent(net, sk);
}

/*
 * Find the route to a peer, and the local address if the user has chosen none. A lookup
 * for 0.0.0.0 finds an address of this host, whatever device the socket is bound to. As in
 * Linux, a second one finds out whether that device leads to the address. The local address
 * is part of what chooses among several paths. So if the first lookup has chosen it, a second one
 * includes it, as the connection's later lookups do: they find the same path.
 */
static struct rtable *ipv4_connect_lookup(struct sock *sk, struct flowi4 *fl4)
{
	bool again = !fl4->daddr && fl4->flowi4_oif;
	struct net *net = sock_net(sk);
	int oif = fl4->flowi4_oif;
	struct rtable *rt = NULL;
	__be32 laddr;

	rcu_read_lock();
	if (!fl4->saddr &&
	    ipv4_addresses_decide(net, sk, READ_ONCE(inet_sk(sk)->tos)))
		rt = xtcp_inroute_away(net, fl4->daddr, &laddr);
	if (rt && dst_hold_safe(&rt->dst))
		fl4->saddr = laddr;
	else
		rt = NULL;
	rcu_read_unlock();
	if (!rt) {
		again |= !fl4->saddr && !ipv4_ports_decide(net, sk);
		rt = ip_route_output_flow(net, fl4, sk);
	}
	if (likely(!again) || IS_ERR(rt))
		return rt;
	ip_rt_put(rt);
	fl4->flowi4_oif = oif;
	return ip_route_output_flow(net, fl4, sk);
}

/*
 * A BPF program may read a complete address, so a shorter one is refused
 * before.
 */
static int ipv4_connect_filter(struct sock *sk, struct sockaddr_unsized *uaddr,
			       int addr_len)
{
	if (addr_len < (int)sizeof(struct sockaddr_in))
		return -EINVAL;
	return XTCP_CGROUP_CONNECT4(sk, uaddr, &addr_len);
}

/*
 * Set the peer's address and the local one, which IP chooses if the user has
 * not (MUST-44). 0.0.0.0 means this host. The route is cached in the socket if
 * the local port can't change it.
 */
static int ipv4_connect(struct sock *sk, struct sockaddr_unsized *uaddr,
			int addr_len, struct xtcp_key *key)
{
	const struct sockaddr_in *peer = (const struct sockaddr_in *)uaddr;
	const struct ip_options_rcu *opt;
	struct inet_sock *inet = inet_sk(sk);
	struct rtable *rt;
	struct flowi4 fl4;
	__be32 daddr;

	if (addr_len < (int)sizeof(*peer))
		return -EINVAL;
	if (peer->sin_family != AF_INET)
		return -EAFNOSUPPORT;
	daddr = peer->sin_addr.s_addr;
	opt = rcu_dereference_protected(inet->inet_opt,
					lockdep_sock_is_held(sk));
	if (opt && opt->opt.srr && !daddr)
		return -EINVAL;
	ipv4_connect_flow_init(sk, &fl4, peer,
			       opt && opt->opt.srr ? opt->opt.faddr : daddr);
	rt = ipv4_connect_lookup(sk, &fl4);
	if (IS_ERR(rt)) {
		if (PTR_ERR(rt) == -ENETUNREACH)
			IP_INC_STATS(sock_net(sk), IPSTATS_MIB_OUTNOROUTES);
		return PTR_ERR(rt);
	}
	if (rt->rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST)) {
		ip_rt_put(rt);
		return -ENETUNREACH;	/* MUST-46 */
	}
	if (!inet->inet_saddr)
		inet->inet_saddr = fl4.saddr;
	sk_rcv_saddr_set(sk, inet->inet_saddr);
	sk_daddr_set(sk, opt && opt->opt.srr ? daddr : fl4.daddr);
	inet->inet_dport = peer->sin_port;
	/* The addresses tell an IPv6 socket's limits of IPv4 from those of IPv6. */
	if (ipv4_ports_decide(sock_net(sk), sk)) {
		ip_rt_put(rt);
		sk_dst_reset(sk);
	} else {
		sk_setup_caps(sk, &rt->dst);
	}
	*key = (struct xtcp_key) {
		.laddr	= inet->inet_saddr,
		.raddr	= inet->inet_daddr,
		.lport	= inet->inet_sport,
		.rport	= inet->inet_dport,
		.dif	= sk->sk_bound_dev_if,
		.family	= AF_INET,
		.wire	= xtcp_sk(sk)->flow.wire,
	};
	return 0;
}

static void ipv4_forget(struct sock *sk)
{
	struct inet_sock *inet = inet_sk(sk);

	inet->inet_dport = 0;
	inet->inet_daddr = 0;
	sk->sk_txhash = 0;
	if (!(sk->sk_userlocks & SOCK_BINDADDR_LOCK)) {
		inet->inet_saddr = 0;
		/*
		 * A bind() to our port may read it at the same time:
		 * ipv4_bound().
		 */
		WRITE_ONCE(inet->inet_rcv_saddr, 0);
	}
}

static void ipv4_bound(const struct sock *sk, struct xtcp_key *key)
{
	key->family = AF_INET;
	key->laddr = READ_ONCE(inet_sk(sk)->inet_rcv_saddr);
}

static void ipv4_child_init(struct sock *sk, const struct sock *lsk,
			    const struct xtcp_key *key,
			    const struct sk_buff *skb)
{
	struct inet_sock *inet = inet_sk(sk);

	RCU_INIT_POINTER(inet->inet_opt, NULL);
	inet->mc_list = NULL;
	sk_daddr_set(sk, key->raddr);
	sk_rcv_saddr_set(sk, key->laddr);
	inet->inet_saddr = key->laddr;
	sk->sk_bound_dev_if = key->dif;
	/* For getsockopt(IP_PKTOPTIONS). */
	if (key->family == AF_INET) {
		inet->mc_index = inet_iif(skb);
		inet->mc_ttl = ip_hdr(skb)->ttl;
		inet->rcv_tos = ip_hdr(skb)->tos;
	}
}

/* LC-110: a stale cached route is looked up again. */
static struct dst_entry *ipv4_route(struct sock *sk)
{
	struct dst_entry *dst = __sk_dst_get(sk);
	struct rtable *rt;

	if (likely(xtcp_ipv4_route_is_fresh(sock_net(sk), dst)))
		return dst;
	dst = __sk_dst_check(sk, 0);
	if (dst)
		return dst;
	rcu_read_lock();
	rt = ipv4_route_lookup(sk);
	rcu_read_unlock();
	if (IS_ERR(rt)) {
		IP_INC_STATS(sock_net(sk), IPSTATS_MIB_OUTNOROUTES);
		return ERR_CAST(rt);
	}
	sk_setup_caps(sk, &rt->dst);
	return &rt->dst;
}

/*
 * TTL of a segment: the one that the user has set, else the route's hop limit,
 * else net.ipv4.ip_default_ttl. @sk may be NULL. Like ip4_dst_hoplimit(), but
 * without its RCU section, because the namespace is known to exist.
 */
static u8 ttl_select(const struct net *net, const struct sock *sk,
		     const struct dst_entry *dst)
{
	int ttl = sk ? READ_ONCE(inet_sk(sk)->uc_ttl) : -1;

	if (ttl < 0)
		ttl = dst_metric_raw(dst, RTAX_HOPLIMIT) ?:
		      READ_ONCE(net->ipv4.sysctl_ip_default_ttl);
	return ttl;
}

/*
 * Push an IP header without id and fragmentation. Each segment has headroom for
 * it.
 */
static inline struct iphdr *ipv4_header_push(struct sk_buff *skb,
					     const struct xtcp_key *key, u8 tos,
					     u8 ttl)
{
	struct iphdr *iph = __skb_push(skb, sizeof(*iph));

	skb_reset_network_header(skb);
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = tos;
	iph->frag_off = 0;
	iph->id = 0;
	iph->ttl = ttl;
	iph->protocol = key->wire;
	iph->saddr = key->laddr;
	iph->daddr = key->raddr;
	return iph;
}

/* RFC 791 3.1, Internet Timestamp: milliseconds since midnight UT. */
static __be32 ms_of_day(void)
{
	u32 ms;

	div_u64_rem(ktime_get_real_ns() / NSEC_PER_MSEC,
		    24 * 60 * 60 * MSEC_PER_SEC, &ms);
	return htonl(ms);
}

/*
 * Write the socket's IP options (RFC 791 3.1), with our address or time where
 * an option asks for it. With a source route the header's destination is the
 * first hop, and the last address of the route the peer's.
 */
static void ipv4_options_write(struct sk_buff *skb, const struct ip_options *opt,
			       __be32 peer)
{
	u8 *start = skb_network_header(skb);
	__be32 saddr = ip_hdr(skb)->saddr;
	__be32 now;

	IPCB(skb)->opt = *opt;
	memcpy(ip_hdr(skb) + 1, opt->__data, opt->optlen);
	/*
	 * An option's pointer counts from 1 and points behind what has been
	 * filled in.
	 */
	if (opt->srr)
		memcpy(start + opt->srr + start[opt->srr + 1] - 4, &peer, 4);
	if (opt->rr_needaddr)
		memcpy(start + opt->rr + start[opt->rr + 2] - 5, &saddr, 4);
	if (opt->ts_needaddr)
		memcpy(start + opt->ts + start[opt->ts + 2] - 9, &saddr, 4);
	if (opt->ts_needtime) {
		now = ms_of_day();
		memcpy(start + opt->ts + start[opt->ts + 2] - 5, &now, 4);
	}
}

/*
 * Number the segments of a connection consecutively, as the kernel's TCP does,
 * because GRO joins no others. ip_select_ident_segs() does that for protocol 6
 * only; for others it adds before it reads, so that an skb of two segments
 * after one of eight would reuse their numbers. The socket lock guards the
 * counter.
 */
static __always_inline void ident_select(struct sock *sk, struct iphdr *iph,
					 u32 segs)
{
	atomic_t *ident = &inet_sk(sk)->inet_id;
	int first = atomic_read(ident);

	atomic_set(ident, first + segs);
	iph->id = htons(first);
}

static __always_inline int ipv4_xmit(struct sock *sk, struct sk_buff *skb,
				     const struct dst_entry *dst,
				     const struct ip_options *opt, u8 ecn)
{
	struct net *net = sock_net(sk);
	struct xtcp_key key __uninitialized;
	struct iphdr *iph;

	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	if (opt)
		skb_push(skb, opt->optlen);
	iph = ipv4_header_push(skb, &key, READ_ONCE(inet_sk(sk)->tos) | ecn,
			       ttl_select(net, sk, dst));
	if (opt) {
		iph->ihl += opt->optlen / 4;
		iph->daddr = ipv4_first_hop(sk);
		ipv4_options_write(skb, opt, key.raddr);
	}
	if (ip_dont_fragment(sk, dst) && !skb->ignore_df)
		iph->frag_off = htons(IP_DF);
	ident_select(sk, iph, skb_shinfo(skb)->gso_segs ?: 1);
	skb->priority = READ_ONCE(sk->sk_priority);
	skb->mark = READ_ONCE(sk->sk_mark);
	return ip_local_out(net, sk, skb);
}

/**
 * xtcp_ipv4_queue_xmit - xtcp_packet_ops.queue_xmit of IPv4
 * @sk: the socket, locked
 * @skb: segment; consumed
 * @ecn: ECN field of its header
 *
 * Context: socket lock, or softirq.
 * Return: 0, NET_XMIT_*, or -errno of the route.
 */
int xtcp_ipv4_queue_xmit(struct sock *sk, struct sk_buff *skb, u8 ecn)
{
	const struct ip_options_rcu *opt;
	struct dst_entry *dst;
	bool hops;
	int err;

	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	rcu_read_lock();
	opt = rcu_dereference(inet_sk(sk)->inet_opt);
	/*
	 * The header names the first hop. As the program may set and remove the source route at any
	 * time, the cached route may be the one to the peer, and none to a hop stays in the cache.
	 */
	hops = opt && opt->opt.srr;
	if (unlikely(hops))
		sk_dst_reset(sk);
	dst = ipv4_route(sk);
	if (IS_ERR(dst)) {
		rcu_read_unlock();
		kfree_skb_reason(skb, SKB_DROP_REASON_IP_OUTNOROUTES);
		return -EHOSTUNREACH;
	}
	skb_dst_set_noref(skb, dst);
	skb_set_dst_pending_confirm(skb, READ_ONCE(sk->sk_dst_pending_confirm));
	if (likely(!opt || !opt->opt.optlen)) {
		err = ipv4_xmit(sk, skb, dst, NULL, ecn);
	} else if (opt->opt.is_strictroute && skb_rtable(skb)->rt_uses_gateway) {
		/* RFC 791: a strict route has no router between its hops. */
		kfree_skb_reason(skb, SKB_DROP_REASON_IP_OUTNOROUTES);
		err = -EHOSTUNREACH;
	} else {
		err = ipv4_xmit(sk, skb, dst, &opt->opt, ecn);
	}
	if (unlikely(hops))
		sk_dst_reset(sk);
	rcu_read_unlock();
	return err;
}

/*
 * Whether the sender of a segment was a subnet's broadcast address turns out here; on arrival that
 * check would cost a lookup.
 *
 * Return: the route with a reference, or an ERR_PTR().
 */
static struct rtable *ipv4_reply_lookup(struct net *net,
					const struct xtcp_reply *reply)
{
	struct flowi4 fl4;
	struct rtable *rt;

	ipv4_flow_init(&fl4, net, reply->sk, &reply->key, reply->oif,
		       reply->mark, reply->tos,
		       reply->transparent ? FLOWI_FLAG_ANYSRC : 0);
	if (reply->sk)
		security_sk_classify_flow((struct sock *)reply->sk,
					  flowi4_to_flowi_common(&fl4));
	rt = ip_route_output_flow(net, &fl4, reply->sk);
	if (IS_ERR(rt))
		IP_INC_STATS(net, IPSTATS_MIB_OUTNOROUTES);
	return ipv4_to_one_host(rt);
}

/*
 * Is the source of the answer a local address? The input route of the segment
 * that is answered says so without a lookup.
 */
static bool reply_src_is_local(struct net *net, const struct xtcp_reply *reply)
{
	const struct rtable *rt = reply->spare ? skb_rtable(reply->spare) : NULL;

	return (rt && rt->rt_type == RTN_LOCAL) ||
	       __ip_dev_find(net, reply->key.laddr, false);
}

static int ipv4_reply_route(struct net *net, struct xtcp_reply *reply)
{
	struct rtable *rt = NULL;

	if (!reply->oif && reply_src_is_local(net, reply))
		rt = ipv4_nexthop_route(net, reply->sk, &reply->key, reply->tos);
	reply->dst_held = !rt;
	if (!rt) {
		rt = ipv4_reply_lookup(net, reply);
		if (IS_ERR(rt))
			return PTR_ERR(rt);
	}
	reply->dst = &rt->dst;
	return 0;
}

/*
 * RFC 6864: a datagram that can't be fragmented needs no id. No router
 * fragments a packet up to the least MTU, so only answers for a listener that
 * allows fragmentation get one.
 */
static bool reply_is_atomic(const struct xtcp_reply *reply,
			    const struct sk_buff *skb,
			    const struct dst_entry *dst)
{
	const struct sock *sk = xtcp_reply_former(reply);

	return !sk || skb->len <= MTU_MIN || ip_dont_fragment(sk, dst);
}

static int ipv4_reply_xmit(struct net *net, struct xtcp_reply *reply,
			   struct sk_buff *skb)
{
	struct dst_entry *dst = reply->dst;
	struct iphdr *iph;
	int err;

	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	if (reply->dst_held)
		skb_dst_set(skb, dst);
	else
		skb_dst_set_noref(skb, dst);
	iph = ipv4_header_push(skb, &reply->key, reply->tos,
			       ttl_select(net, xtcp_reply_former(reply), dst));
	if (reply_is_atomic(reply, skb, dst))
		iph->frag_off = htons(IP_DF);
	else
		/* Not of the counters that connections share: they would tell who is connected. */
		iph->id = htons(get_random_u16());
	skb->priority = reply->sk ? READ_ONCE(reply->sk->sk_priority) : 0;
	skb->mark = reply->mark;
	err = ip_local_out(net, skb->sk, skb);
	return err > 0 ? net_xmit_errno(err) : err;
}

/*
 * Given a socket, the kernel looks up the route by the protocol of the socket. On the TCP wire its
 * packets have another one, and "ip rule ... ipproto" may send them to another table. So pass a
 * packet of the connection.
 */
static noinline void ipv4_mtu_reduced_by_rules(struct sock *sk, struct dst_entry *dst,
					       unsigned int mtu)
{
	struct iphdr iph = {
		.protocol = xtcp_sk(sk)->flow.wire,
		.tos	  = inet_sk(sk)->tos,
		.saddr	  = xtcp_sk(sk)->flow.laddr,
	};
	struct sk_buff skb = {
		.head = (u8 *)&iph,
		.data = (u8 *)&iph,
		.mark = READ_ONCE(sk->sk_mark),
	};

	rcu_read_lock();
	iph.daddr = ipv4_first_hop(sk);
	skb.dev = dst_dev(dst);
	dst->ops->update_pmtu(dst, NULL, &skb, mtu, true);
	rcu_read_unlock();
}

/*
 * The update adds an exception for the peer and invalidates the cached route.
 * The second lookup finds the new MTU, or the one in force if the administrator
 * has locked it or the new one is below net.ipv4.route.min_pmtu.
 */
static unsigned int ipv4_mtu_reduced(struct sock *sk, unsigned int mtu)
{
	struct dst_entry *dst = ipv4_route(sk);

	if (IS_ERR(dst))
		return 0;
	mtu = max(mtu, MTU_MIN);
	dst->ops->update_pmtu(dst, sk, NULL, mtu, true);
	dst = ipv4_route(sk);
	if (!IS_ERR(dst) && dst_mtu(dst) > mtu && xtcp_sk(sk)->flow.wire != sk->sk_protocol) {
		ipv4_mtu_reduced_by_rules(sk, dst, mtu);
		dst = ipv4_route(sk);
	}
	return IS_ERR(dst) ? 0 : dst_mtu(dst);
}

static unsigned int ipv4_source_bits(const struct net *net)
{
	return XTCP_KNOB(net, syn_per_source_prefix);
}

static struct dst_entry *ipv4_route_cached(struct sock *sk)
{
	return __sk_dst_check(sk, 0);
}

static u32 ipv4_route_cookie(const struct dst_entry *dst)
{
	return 0;
}

/* As in Linux, so that a program may trace a route with SYNs without the option. */
static bool ipv4_error_queued(const struct sock *sk, bool ends_opening)
{
	return ends_opening || inet_test_bit(RECVERR, sk);
}

static bool ipv4_error_extended(const struct sock *sk)
{
	return inet_test_bit(RECVERR_RFC4884, sk);
}

static bool ipv4_pmtu_believed(const struct sock *sk)
{
	return inet_sk(sk)->pmtudisc != IP_PMTUDISC_DONT &&
	       ip_sk_accept_pmtu(sk);
}

static bool ipv4_pmtu_bound(struct sock *sk)
{
	return ip_dont_fragment(sk, __sk_dst_get(sk));
}

static bool ipv4_flow_is_loopback(const struct xtcp_flow *flow)
{
	return ipv4_is_loopback(flow->laddr) ||
	       ipv4_is_loopback(flow->raddr) ||
	       flow->ifindex == LOOPBACK_IFINDEX;
}

const struct xtcp_addr_ops xtcp_ipv4_addr = {
	.connect_filter	= ipv4_connect_filter,
	.connect	= ipv4_connect,
	.forget		= ipv4_forget,
	.bound		= ipv4_bound,
	.child_init	= ipv4_child_init,
	.setsockopt	= ip_setsockopt,
	.getsockopt	= ip_getsockopt,
	.device		= ipv4_device,
	.is_loopback	= ipv4_flow_is_loopback,
	.hash		= ipv4_hash,
	.source_hash	= ipv4_source_hash,
	.pair_hash	= ipv4_pair_hash,
	.source_bits	= ipv4_source_bits,
};

static const struct xtcp_route_ops ipv4_route_ops = {
	.find		= ipv4_route,
	.cached		= ipv4_route_cached,
	.cookie		= ipv4_route_cookie,
	.reply		= ipv4_reply_route,
	.mtu_reduced	= ipv4_mtu_reduced,
	.pmtu_believed	= ipv4_pmtu_believed,
	.pmtu_bound	= ipv4_pmtu_bound,
	.error_queued	= ipv4_error_queued,
	.error_extended	= ipv4_error_extended,
};

static const struct xtcp_packet_ops ipv4_packet_ops = {
	.key_read	= xtcp_ipv4_key_read,
	.src_valid	= xtcp_ipv4_src_valid,
	.csum_pseudo	= inet_compute_pseudo,
	.ttl		= ipv4_ttl,
	.ttl_min	= xtcp_ipv4_ttl_min,
	.ecn		= ipv4_ecn,
	.dscp		= ipv4_dscp,
	.queue_xmit	= xtcp_ipv4_queue_xmit,
	.reply_xmit	= ipv4_reply_xmit,
	.reply_mark	= ipv4_reply_mark,
	.csum		= xtcp_ipv4_csum,
	.options_len	= ipv4_options_len,
	.tos		= ipv4_tos,
	.tos_set	= ipv4_tos_set,
};

const struct xtcp_family xtcp_ipv4 = {
	.family		= AF_INET,
	.ip_hdr_len	= sizeof(struct iphdr),
	.mss_default	= XTCP_MSS_DEFAULT,
	.mtu_min	= MTU_MIN,
	/*
	 * Linux's values, from a measurement of 2011: 1300 below tunnels, 1440
	 * for PPPoE, 1460 for Ethernet.
	 */
	.cookie_mss	= { 536, 1300, 1440, 1460 },
	.addr		= &xtcp_ipv4_addr,
	.route		= &ipv4_route_ops,
	.packet		= &ipv4_packet_ops,
	.kernel_tcp	= &xtcp_ipv4_kernel_tcp,
};
