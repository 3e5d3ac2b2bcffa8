// SPDX-License-Identifier: GPL-2.0
/*
 * ipv6.c - between the engine and IPv6: header, route, checksum, addresses
 *
 * RFC 9293 3.9.2 (what TCP asks of IP), RFC 8200 (IPv6; 8.1 checksum), RFC
 * 6437 (flow labels), RFC 4007 (scopes), RFC 4291 2.5.5.2 (IPv4-mapped
 * addresses). Runs in softirq and in process context. Functions that take a
 * socket want its lock, which also guards the route cached in it; the rest
 * needs none.
 *
 * An AF_INET6 socket whose peer has an IPv4-mapped address has an IPv4
 * connection: its segments never come here, only what its user sees of the
 * addresses does.
 *
 * The flow label of a connection is made of the socket's hash, which begins as
 * one of the ISN, so that SYN-ACKs, which no socket sends, have the same; and
 * which is drawn anew when segments get lost, so that routers that choose by
 * the label choose another way. What else no socket sends has a label made of
 * the addresses and ports.
 */
#include <linux/errno.h>
#include <linux/ipv6.h>
#include <linux/jhash.h>
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/security.h>
#include <linux/siphash.h>
#include <linux/seg6.h>
#include <linux/socket.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/inet_ecn.h>
#include <net/inet_sock.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/protocol.h>
#include <net/tcp.h>
#include <net/transp_v6.h>
#include <uapi/linux/xtcp.h>

#include "compat.h"
#include "net/arrival6.h"
#include "net/family.h"
#include "net/hook.h"
#include "net/icmp_err.h"
#include "net/input.h"
#include "net/ipsec.h"
#include "net/key6.h"
#include "net/reply.h"
#include "net/route6.h"
#include "net/wire.h"
#include "netns.h"
#include "open/isn.h"
#include "tcb.h"

#if IS_ENABLED(CONFIG_IPV6)

/* What IPv4's fields say of a socket that has no IPv4 address. */
#define NO_IPV4_ADDRESS	LOOPBACK4_IPV6

/*
 * Keys of the digest: NH of RFC 4418 5.2, whose 64 bits are the same for two
 * addresses with a probability of 2^-32, then a multiplication that spreads
 * them. Drawn at load.
 */
static struct {
	u32	word[4];
	u64	factor;
	u32	label;
} secret __ro_after_init;

static inline u32 addr_digest(const struct in6_addr *addr)
{
	const __be32 *word = addr->s6_addr32;
	u64 sum;

	if (ipv6_addr_any(addr))
		return 0;
	sum = (u64)((__force u32)word[0] + secret.word[0]) *
	      ((__force u32)word[1] + secret.word[1]);
	sum += (u64)((__force u32)word[2] + secret.word[2]) *
	       ((__force u32)word[3] + secret.word[3]);
	return (u32)(sum * secret.factor >> 32) ?: 1;
}

/**
 * xtcp_ipv6_digest - the addresses of a key, in 32 bits each
 * @key: its wide addresses are set
 */
void xtcp_ipv6_digest(struct xtcp_key *key)
{
	key->laddr = (__force __be32)addr_digest(&key->v6.laddr);
	key->raddr = (__force __be32)addr_digest(&key->v6.raddr);
}

/* IPv6's part of a socket of ours, which is never a record of the kernel's. */
static struct ipv6_pinfo *pinfo_of(const struct sock *sk)
{
	return inet_sk(sk)->pinet6;
}

static u8 ipv6_ttl(const struct sk_buff *skb)
{
	return ipv6_hdr(skb)->hop_limit;
}

static u8 ipv6_ttl_min(const struct sock *sk)
{
	return READ_ONCE(pinfo_of(sk)->min_hopcount);
}

static u8 ipv6_ecn(const struct sk_buff *skb)
{
	return ipv6_get_dsfield(ipv6_hdr(skb)) & INET_ECN_MASK;
}

/* RFC 4007: the same link-local address is another one on another link. */
static int ipv6_device(const struct xtcp_key *key, int bound)
{
	if (__ipv6_addr_needs_scope_id(__ipv6_addr_type(&key->v6.raddr)))
		return key->dif;
	return bound;
}

static u8 ipv6_tos(const struct sock *sk)
{
	return READ_ONCE(pinfo_of(sk)->tclass);
}

static void ipv6_tos_set(struct sock *sk, u8 tos)
{
	WRITE_ONCE(pinfo_of(sk)->tclass, tos);
}

static u8 ipv6_dscp(const struct sk_buff *skb)
{
	return ipv6_get_dsfield(ipv6_hdr(skb)) & ~INET_ECN_MASK;
}

static u32 ipv6_reply_mark(const struct net *net, u32 mark)
{
	return IP6_REPLY_MARK(net, mark);
}

/*
 * MUST-63, RFC 4291: a sender that has no address yet, that is a group, or
 * that has one of IPv4's, which nobody may have on the wire. MUST-57: what was
 * sent to a group or to any of several hosts.
 */
static bool ipv6_src_valid(const struct sk_buff *skb)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);

	if (ipv6_addr_any(&iph->saddr) || ipv6_addr_is_multicast(&iph->saddr) ||
	    ipv6_addr_v4mapped(&iph->saddr) ||
	    ipv6_addr_v4mapped(&iph->daddr) ||
	    ipv6_addr_is_multicast(&iph->daddr))
		return false;
	return !skb_dst(skb) || ipv6_unicast_destination(skb);
}

static __sum16 ipv6_csum(const struct xtcp_key *key, unsigned int len,
			 __wsum sum)
{
	return csum_ipv6_magic(&key->v6.laddr, &key->v6.raddr, len, key->wire,
			       sum);
}

static u64 ipv6_hash(const struct xtcp_key *key, const void *key_of)
{
	struct {
		struct xtcp_addrs6	addrs;
		u64			ports;
	} __aligned(SIPHASH_ALIGNMENT) name = {
		.addrs	= key->v6,
		.ports	= (u64)(__force u16)key->lport << 32 |
			  (u64)(__force u16)key->rport << 16 | key->wire,
	};

	return siphash(&name, sizeof(name), key_of);
}

static u64 ipv6_source_hash(const struct xtcp_key *key, unsigned int bits,
			    const void *key_of)
{
	struct in6_addr prefix __aligned(SIPHASH_ALIGNMENT);

	ipv6_addr_prefix(&prefix, &key->v6.raddr, bits);
	return siphash(&prefix, sizeof(prefix), key_of);
}

static unsigned int ipv6_source_bits(const struct net *net)
{
	return XTCP_KNOB(net, syn_per_source_prefix6);
}

static u32 label_hash(const struct xtcp_key *key)
{
	return jhash_3words((__force u32)key->laddr, (__force u32)key->raddr,
			    (__force u32)key->lport << 16 |
			    (__force u32)key->rport, secret.label) ?: 1;
}

/* A SYN-ACK's is that of the socket which it leads to. */
static u32 reply_hash(const struct xtcp_reply *reply, const struct sk_buff *skb)
{
	const struct tcphdr *th = tcp_hdr(skb);

	return th->syn ? xtcp_isn_path_hash(seq_get(&th->seq)) :
			 label_hash(&reply->key);
}

/* What the socket's user set, or else what xtcp and the knobs make of @hash. */
static inline __be32 flow_label(struct net *net, struct sk_buff *skb,
				const struct sock *sk, __be32 chosen, u32 hash)
{
	bool automatic = ip6_default_np_autolabel(net);

	if (sk && sk->sk_family == AF_INET6 &&
	    inet6_test_bit(AUTOFLOWLABEL_SET, sk))
		automatic = inet6_test_bit(AUTOFLOWLABEL, sk);
	__skb_set_sw_hash(skb, hash, true);
	return ip6_make_flowlabel(net, skb, chosen, automatic, NULL);
}

/* A flow of @sk, or of nobody, but for the label. */
static void flow_init(struct flowi6 *fl6, const struct net *net,
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
static struct in6_addr *first_hop(struct flowi6 *fl6,
				  const struct ipv6_txoptions *opt,
				  struct in6_addr *final)
{
	const struct ipv6_sr_hdr *srh;

	if (!opt || !opt->srcrt)
		return NULL;
	*final = fl6->daddr;
	if (opt->srcrt->type == IPV6_SRCRT_TYPE_4) {
		srh = (const struct ipv6_sr_hdr *)opt->srcrt;
		fl6->daddr = srh->segments[srh->first_segment];
	} else {
		fl6->daddr = *((const struct rt0_hdr *)opt->srcrt)->addr;
	}
	return final;
}

/* RCU or the socket lock keeps the options. */
static const struct ipv6_txoptions *tx_options(const struct sock *sk)
{
	return rcu_dereference_check(pinfo_of(sk)->opt,
				     lockdep_sock_is_held(sk));
}

static unsigned int ipv6_options_len(const struct sock *sk)
{
	const struct ipv6_txoptions *opt = tx_options(sk);

	return opt ? opt->opt_flen + opt->opt_nflen : 0;
}

/*
 * Does nothing but the addresses choose the route? There may be a device,
 * policy rules (without which there is no VRF either), IPsec.
 */
static bool addresses_decide(const struct net *net, const struct sock *sk,
			     int oif)
{
	return !oif && !fib6_has_custom_rules(net) &&
	       xtcp_ipsec_is_silent(net, sk);
}

/* What is known of the way already; the local address is chosen as IP would. */
static struct dst_entry *known_route(const struct sock *sk, struct flowi6 *fl6)
{
	struct xtcp_addrs6 addrs = { .raddr = fl6->daddr, .laddr = fl6->saddr };
	struct net *net = sock_net(sk);
	struct fib6_info *from;
	struct dst_entry *dst;

	rcu_read_lock();
	dst = xtcp_arrival6_back(xtcp_net(net), &addrs);
	if (dst && ipv6_addr_any(&fl6->saddr)) {
		from = rcu_dereference(((struct rt6_info *)dst)->from);
		if (!from || ip6_route_get_saddr(net, from, &fl6->daddr,
						 pinfo_of(sk)->srcprefs, 0,
						 &fl6->saddr))
			dst = NULL;
	}
	if (dst && !dst_hold_safe(dst))
		dst = NULL;
	rcu_read_unlock();
	return dst;
}

/* The route of a flow without extension headers, which is remembered. */
static struct dst_entry *plain_lookup(struct sock *sk, struct flowi6 *fl6)
{
	struct dst_entry *dst = known_route(sk, fl6);
	struct xtcp_addrs6 addrs;

	if (dst)
		return dst;
	dst = ip6_dst_lookup_flow(sock_net(sk), sk, fl6, NULL);
	if (IS_ERR(dst))
		return dst;
	addrs = (struct xtcp_addrs6) { fl6->daddr, fl6->saddr };
	rcu_read_lock();
	xtcp_arrival6_back_learn(xtcp_net(sock_net(sk)), &addrs, dst);
	rcu_read_unlock();
	return dst;
}

static struct dst_entry *route_lookup(struct sock *sk, struct flowi6 *fl6)
{
	const struct ipv6_txoptions *opt = tx_options(sk);
	struct in6_addr final;
	struct in6_addr *last;

	security_sk_classify_flow(sk, flowi6_to_flowi_common(fl6));
	if (!opt && addresses_decide(sock_net(sk), sk, fl6->flowi6_oif))
		return plain_lookup(sk, fl6);
	last = first_hop(fl6, opt, &final);
	return ip6_dst_lookup_flow(sock_net(sk), sk, fl6, last);
}

static u32 ipv6_route_cookie(const struct dst_entry *dst)
{
	return rt6_get_cookie(container_of(dst, struct rt6_info, dst));
}

static void route_keep(struct sock *sk, struct dst_entry *dst)
{
	pinfo_of(sk)->dst_cookie = ipv6_route_cookie(dst);
	sk_setup_caps(sk, dst);
}

static struct dst_entry *ipv6_route_cached(struct sock *sk)
{
	struct dst_entry *dst = __sk_dst_get(sk);
	u32 cookie = pinfo_of(sk)->dst_cookie;
	bool fresh;

	rcu_read_lock();
	fresh = xtcp_ipv6_route_is_fresh(dst, cookie);
	rcu_read_unlock();
	return likely(fresh) ? dst : __sk_dst_check(sk, cookie);
}

/* LC-110: a cached route that went stale is looked up again. */
static struct dst_entry *ipv6_route(struct sock *sk)
{
	struct dst_entry *dst = ipv6_route_cached(sk);
	struct xtcp_key key;
	struct flowi6 fl6;

	if (likely(dst))
		return dst;
	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	flow_init(&fl6, sock_net(sk), sk, &key, READ_ONCE(sk->sk_bound_dev_if),
		  READ_ONCE(sk->sk_mark));
	fl6.flowlabel = ip6_make_flowinfo(ipv6_tos(sk),
					  pinfo_of(sk)->flow_label);
	dst = route_lookup(sk, &fl6);
	if (!IS_ERR(dst))
		route_keep(sk, dst);
	return dst;
}

/* The label of IPV6_FLOWINFO_SEND must be one that the user may use. */
static int label_take(struct sock *sk, const struct sockaddr_in6 *peer,
		      __be32 *flowinfo)
{
	struct ip6_flowlabel *label;

	*flowinfo = 0;
	if (!inet6_test_bit(SNDFLOW, sk))
		return 0;
	*flowinfo = peer->sin6_flowinfo & IPV6_FLOWINFO_MASK;
	IP6_ECN_flow_init(*flowinfo);
	if (!(*flowinfo & IPV6_FLOWLABEL_MASK))
		return 0;
	label = fl6_sock_lookup(sk, *flowinfo);
	if (IS_ERR(label))
		return -EINVAL;
	fl6_sock_release(label);
	return 0;
}

/* RFC 4007 6: a link-local address means nothing without its link. */
static int scope_take(struct sock *sk, const struct sockaddr_in6 *peer,
		      int addr_len)
{
	if (!__ipv6_addr_needs_scope_id(__ipv6_addr_type(&peer->sin6_addr)))
		return 0;
	if (addr_len >= (int)sizeof(*peer) && peer->sin6_scope_id) {
		if (!sk_dev_equal_l3scope(sk, peer->sin6_scope_id))
			return -EINVAL;
		sk->sk_bound_dev_if = peer->sin6_scope_id;
	}
	return sk->sk_bound_dev_if ? 0 : -EINVAL;
}

/* What IPv4 has chosen, as the socket's user wants to see it. */
static void mapped_show(struct sock *sk)
{
	const struct inet_sock *inet = inet_sk(sk);

	ipv6_addr_set_v4mapped(inet->inet_daddr, &sk->sk_v6_daddr);
	ipv6_addr_set_v4mapped(inet->inet_rcv_saddr, &sk->sk_v6_rcv_saddr);
	ipv6_addr_set_v4mapped(inet->inet_saddr, &pinfo_of(sk)->saddr);
}

static int connect_mapped(struct sock *sk, const struct sockaddr_in6 *peer,
			  struct xtcp_key *key)
{
	struct sockaddr_in sin = {
		.sin_family	= AF_INET,
		.sin_port	= peer->sin6_port,
		.sin_addr	= { peer->sin6_addr.s6_addr32[3] },
	};
	int err;

	if (ipv6_only_sock(sk))
		return -ENETUNREACH;
	err = xtcp_ipv4.connect_addr(sk, (struct sockaddr_unsized *)&sin,
				     sizeof(sin), key);
	if (!err)
		mapped_show(sk);
	return err;
}

/* Find the route, and with it our own address, if the user chose none. */
static int connect_native(struct sock *sk, const struct sockaddr_in6 *peer,
			  __be32 flowinfo, struct xtcp_key *key)
{
	struct ipv6_pinfo *np = pinfo_of(sk);
	struct inet_sock *inet = inet_sk(sk);
	struct dst_entry *dst;
	struct flowi6 fl6;

	*key = (struct xtcp_key) {
		.lport	= inet->inet_sport,
		.rport	= peer->sin6_port,
		.dif	= sk->sk_bound_dev_if,
		.family	= AF_INET6,
		.wire	= xtcp_sk(sk)->flow.wire,
		.v6	= { .raddr = peer->sin6_addr,
			    .laddr = sk->sk_v6_rcv_saddr },
	};
	flow_init(&fl6, sock_net(sk), sk, key, sk->sk_bound_dev_if,
		  READ_ONCE(sk->sk_mark));
	fl6.flowlabel = ip6_make_flowinfo(ipv6_tos(sk), flowinfo);
	dst = route_lookup(sk, &fl6);
	if (IS_ERR(dst))
		return PTR_ERR(dst);
	route_keep(sk, dst);
	key->v6.laddr = fl6.saddr;
	xtcp_ipv6_digest(key);
	np->flow_label = flowinfo;
	np->saddr = fl6.saddr;
	sk->sk_v6_rcv_saddr = fl6.saddr;
	sk->sk_v6_daddr = peer->sin6_addr;
	inet->inet_saddr = NO_IPV4_ADDRESS;
	inet->inet_rcv_saddr = NO_IPV4_ADDRESS;
	inet->inet_daddr = NO_IPV4_ADDRESS;
	inet->inet_dport = peer->sin6_port;
	return 0;
}

/* "::" is this host, in the family that the socket is bound in. */
static void any_is_loopback(const struct sock *sk, struct sockaddr_in6 *peer)
{
	if (!ipv6_addr_any(&peer->sin6_addr))
		return;
	if (ipv6_addr_v4mapped(&sk->sk_v6_rcv_saddr))
		ipv6_addr_set_v4mapped(htonl(INADDR_LOOPBACK),
				       &peer->sin6_addr);
	else
		peer->sin6_addr = in6addr_loopback;
}

static int ipv6_connect_addr(struct sock *sk, struct sockaddr_unsized *uaddr,
			     int addr_len, struct xtcp_key *key)
{
	struct sockaddr_in6 *peer = (struct sockaddr_in6 *)uaddr;
	__be32 flowinfo;
	int err;

	if (addr_len < SIN6_LEN_RFC2133)
		return -EINVAL;
	if (peer->sin6_family != AF_INET6)
		return -EAFNOSUPPORT;
	err = label_take(sk, peer, &flowinfo);
	if (err)
		return err;
	any_is_loopback(sk, peer);
	if (ipv6_addr_is_multicast(&peer->sin6_addr))
		return -ENETUNREACH;	/* MUST-46 */
	err = scope_take(sk, peer, addr_len);
	if (err)
		return err;
	if (ipv6_addr_v4mapped(&peer->sin6_addr))
		return connect_mapped(sk, peer, key);
	return connect_native(sk, peer, flowinfo, key);
}

static void ipv6_addr_forget(struct sock *sk)
{
	xtcp_ipv4.addr_forget(sk);
	if (sk->sk_userlocks & SOCK_BINDADDR_LOCK)
		return;
	pinfo_of(sk)->saddr = in6addr_any;
	sk->sk_v6_rcv_saddr = in6addr_any;
}

/* Three kinds: to an IPv4 address, to nothing in both families, or to ours. */
static void ipv6_bound(const struct sock *sk, struct xtcp_key *key)
{
	const struct in6_addr *addr = &sk->sk_v6_rcv_saddr;

	key->v6.laddr = *addr;
	key->laddr = (__force __be32)addr_digest(addr);
	key->family = AF_INET6;
	if (ipv6_addr_v4mapped(addr))
		xtcp_ipv4.bound(sk, key);
	else if (ipv6_addr_any(addr) && !ipv6_only_sock(sk))
		key->family = AF_UNSPEC;
}

/* What the segment that made it tells of the peer, for getsockopt(). */
static void child_segment(struct sock *sk, const struct sk_buff *skb)
{
	struct ipv6_pinfo *np = pinfo_of(sk);

	np->mcast_oif = inet6_iif(skb);
	np->mcast_hops = ipv6_hdr(skb)->hop_limit;
	np->rcv_flowinfo = ip6_flowinfo(ipv6_hdr(skb));
	if (inet6_test_bit(REPFLOW, sk))
		np->flow_label = ip6_flowlabel(ipv6_hdr(skb));
}

/* A child without memory for its listener's options goes on without them. */
static void child_options(struct sock *sk, const struct sock *lsk)
{
	struct ipv6_txoptions *opt;

	opt = rcu_dereference(pinfo_of(lsk)->opt);
	if (opt)
		opt = ipv6_dup_options(sk, opt);
	RCU_INIT_POINTER(pinfo_of(sk)->opt, opt);
}

static void ipv6_child_init(struct sock *sk, const struct sock *lsk,
			    const struct xtcp_key *key,
			    const struct sk_buff *skb)
{
	struct inet_sock *inet = inet_sk(sk);
	struct ipv6_pinfo *np;

	inet->pinet6 = &((struct xtcp_sock6 *)sk)->pinfo;
	np = inet->pinet6;
	xtcp_ipv6_fl_list_clear(sk);
	np->ipv6_mc_list = NULL;
	np->ipv6_ac_list = NULL;
	np->pktoptions = NULL;
	np->rxpmtu = NULL;
	RCU_INIT_POINTER(np->opt, NULL);
	xtcp_ipv4.child_init(sk, lsk, key, skb);
	if (key->family != AF_INET6) {
		mapped_show(sk);
		return;
	}
	inet->inet_saddr = NO_IPV4_ADDRESS;
	inet->inet_rcv_saddr = NO_IPV4_ADDRESS;
	inet->inet_daddr = NO_IPV4_ADDRESS;
	sk->sk_v6_daddr = key->v6.raddr;
	sk->sk_v6_rcv_saddr = key->v6.laddr;
	np->saddr = key->v6.laddr;
	sk->sk_bound_dev_if = key->dif;
	child_segment(sk, skb);
	child_options(sk, lsk);
}

/*
 * sk NULL: the route's own, or the device's. That is ip6_dst_hoplimit(), less
 * the lock that the caller has.
 */
static inline u8 hop_limit(const struct sock *sk, const struct dst_entry *dst)
{
	int hops = sk ? pinfo_of(sk)->hop_limit : -1;
	const struct inet6_dev *idev;

	if (hops >= 0)
		return hops;
	hops = dst_metric_raw(dst, RTAX_HOPLIMIT);
	if (hops)
		return hops;
	idev = __in6_dev_get(dst->dev);
	return idev ? READ_ONCE(idev->cnf.hop_limit) :
		      READ_ONCE(dev_net(dst->dev)->ipv6.devconf_all->hop_limit);
}

/* There is room: a segment is made with it. */
static inline void header_push(struct sk_buff *skb,
			       const struct xtcp_addrs6 *addrs, u8 wire,
			       u8 tclass, __be32 label, u8 hops)
{
	struct ipv6hdr *iph = __skb_push(skb, sizeof(*iph));

	skb_reset_network_header(skb);
	ip6_flow_hdr(iph, tclass, label);
	iph->nexthdr = wire;
	iph->hop_limit = hops;
	iph->saddr = addrs->laddr;
	iph->daddr = addrs->raddr;
}

/* What IP's output answers, as 0 or -errno. */
static int xmit_result(int err)
{
	return err > 0 ? net_xmit_errno(err) : err;
}

static int xmit(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	XTCP_IP6_COUNT_OUT(net, ip6_dst_idev(skb_dst(skb)), skb->len);
	return ip6_local_out(net, sk, skb);
}

/* With extension headers, which are IP's to lay out. */
static int xmit_with_options(struct sock *sk, struct sk_buff *skb,
			     const struct ipv6_txoptions *opt, u8 tclass)
{
	struct xtcp_key key;
	struct flowi6 fl6;

	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	flow_init(&fl6, sock_net(sk), sk, &key, READ_ONCE(sk->sk_bound_dev_if),
		  READ_ONCE(sk->sk_mark));
	fl6.flowlabel = pinfo_of(sk)->flow_label;
	skb_set_hash_from_sk(skb, sk);
	return ip6_xmit(sk, skb, &fl6, READ_ONCE(sk->sk_mark),
			(struct ipv6_txoptions *)opt, tclass,
			READ_ONCE(sk->sk_priority));
}

static int xmit_plain(struct sock *sk, struct sk_buff *skb,
		      const struct dst_entry *dst, u8 tclass)
{
	const struct xtcp_flow *flow = &xtcp_sk(sk)->flow;
	struct net *net = sock_net(sk);
	__be32 label;

	label = flow_label(net, skb, sk, pinfo_of(sk)->flow_label,
			   READ_ONCE(sk->sk_txhash));
	header_push(skb, xtcp_flow_addrs6(flow), flow->wire, tclass, label,
		    hop_limit(sk, dst));
	skb->priority = READ_ONCE(sk->sk_priority);
	skb->mark = READ_ONCE(sk->sk_mark);
	return xmit(net, sk, skb);
}

static int ipv6_queue_xmit(struct sock *sk, struct sk_buff *skb, u8 ecn)
{
	u8 tclass = (ipv6_tos(sk) & ~INET_ECN_MASK) | ecn;
	const struct ipv6_txoptions *opt;
	struct dst_entry *dst = __sk_dst_get(sk);
	int err;

	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	rcu_read_lock();
	if (unlikely(!xtcp_ipv6_route_is_fresh(dst, pinfo_of(sk)->dst_cookie)))
		dst = ipv6_route(sk);
	if (IS_ERR(dst)) {
		rcu_read_unlock();
		kfree_skb_reason(skb, SKB_DROP_REASON_IP_OUTNOROUTES);
		return -EHOSTUNREACH;
	}
	skb_dst_set_noref(skb, dst);
	skb_set_dst_pending_confirm(skb, READ_ONCE(sk->sk_dst_pending_confirm));
	opt = tx_options(sk);
	if (opt)
		err = xmit_with_options(sk, skb, opt, tclass);
	else
		err = xmit_plain(sk, skb, dst, tclass);
	rcu_read_unlock();
	return xmit_result(err);
}

/*
 * The device that a reply must leave by: the link of a peer whose address has
 * a scope, the one its listener is bound to, the L3 master (VRF) that the
 * segment came in on, else any.
 */
static int reply_oif(struct net *net, const struct xtcp_reply *reply)
{
	int oif = reply->sk ? READ_ONCE(reply->sk->sk_bound_dev_if) : 0;

	if (!oif && reply->key.dif &&
	    (rt6_need_strict(&reply->key.v6.raddr) ||
	     netif_index_is_l3_master(net, reply->key.dif)))
		oif = reply->key.dif;
	return oif;
}

/* With a reference, or ERR_PTR. */
static struct dst_entry *reply_lookup(struct net *net,
				      const struct xtcp_reply *reply, int oif)
{
	struct flowi6 fl6;

	flow_init(&fl6, net, reply->sk, &reply->key, oif, reply->mark);
	fl6.flowlabel = ip6_make_flowinfo(reply->tos, 0);
	if (reply->sk)
		security_sk_classify_flow((struct sock *)reply->sk,
					  flowi6_to_flowi_common(&fl6));
	return ip6_dst_lookup_flow(net, reply->sk, &fl6, NULL);
}

static int ipv6_reply_route(struct net *net, struct xtcp_reply *reply)
{
	const struct xtcp_addrs6 *addrs = &reply->key.v6;
	struct xtcp_net *xn = xtcp_net(net);
	int oif = reply_oif(net, reply);
	bool plain = addresses_decide(net, reply->sk, oif);
	struct dst_entry *dst;

	reply->dst = plain ? xtcp_arrival6_back(xn, addrs) : NULL;
	reply->dst_held = !reply->dst;
	if (reply->dst)
		return 0;
	dst = reply_lookup(net, reply, oif);
	if (IS_ERR(dst))
		return PTR_ERR(dst);
	if (plain)
		xtcp_arrival6_back_learn(xn, addrs, dst);
	reply->dst = dst;
	return 0;
}

static int ipv6_reply_xmit(struct net *net, struct xtcp_reply *reply,
			   struct sk_buff *skb)
{
	struct dst_entry *dst = reply->dst;
	__be32 label;

	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	if (reply->dst_held)
		skb_dst_set(skb, dst);
	else
		skb_dst_set_noref(skb, dst);
	label = flow_label(net, skb, reply->sk, 0, reply_hash(reply, skb));
	header_push(skb, &reply->key.v6, reply->key.wire, reply->tos, label,
		    hop_limit(reply->sk, dst));
	skb->priority = reply->sk ? READ_ONCE(reply->sk->sk_priority) : 0;
	skb->mark = reply->mark;
	return xmit_result(xmit(net, skb->sk, skb));
}

/*
 * As IPv4's: the second look finds the new MTU, or the one in force. A user who
 * does not listen to routers has not the route listen either: others use it.
 */
static unsigned int ipv6_mtu_reduced(struct sock *sk, unsigned int mtu)
{
	struct dst_entry *dst;

	if (!ip6_sk_accept_pmtu(sk))
		return 0;
	dst = ipv6_route(sk);
	if (IS_ERR(dst))
		return 0;
	dst->ops->update_pmtu(dst, sk, NULL, max_t(u32, mtu, IPV6_MIN_MTU),
			      true);
	dst = ipv6_route(sk);
	return IS_ERR(dst) ? 0 : dst_mtu(dst);
}

static bool ipv6_pmtu_believed(const struct sock *sk)
{
	return ip6_sk_accept_pmtu(sk);
}

/* No router cuts an IPv6 packet. */
static bool ipv6_pmtu_bound(struct sock *sk)
{
	return true;
}

static bool ipv6_errors_wanted(const struct sock *sk)
{
	return inet6_test_bit(RECVERR6, sk);
}

static bool ipv6_flow_is_loopback(const struct xtcp_flow *flow)
{
	const struct xtcp_addrs6 *addrs = xtcp_flow_addrs6(flow);

	return ipv6_addr_loopback(&addrs->laddr) ||
	       ipv6_addr_loopback(&addrs->raddr) ||
	       flow->ifindex == LOOPBACK_IFINDEX;
}

const struct xtcp_family xtcp_ipv6 = {
	.family		= AF_INET6,
	.ip_hdr_len	= sizeof(struct ipv6hdr),
	.mss_default	= IPV6_MIN_MTU - sizeof(struct ipv6hdr) - XTCP_HDR_LEN,
	.mtu_min	= IPV6_MIN_MTU,
	/* As Linux: the least MTU, a tunnel in IPv4, Ethernet, jumbo frames. */
	.cookie_mss	= { 1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60 },
	.connect_addr	= ipv6_connect_addr,
	.addr_forget	= ipv6_addr_forget,
	.bound		= ipv6_bound,
	.child_init	= ipv6_child_init,
	.setsockopt	= ipv6_setsockopt,
	.getsockopt	= ipv6_getsockopt,
	.key_read	= xtcp_ipv6_key_read,
	.stock_connected = xtcp_hookv6_stock_connected,
	.stock_wants	= xtcp_hookv6_stock_wants,
	.ttl		= ipv6_ttl,
	.ttl_min	= ipv6_ttl_min,
	.ecn		= ipv6_ecn,
	.device		= ipv6_device,
	.options_len	= ipv6_options_len,
	.tos		= ipv6_tos,
	.tos_set	= ipv6_tos_set,
	.dscp		= ipv6_dscp,
	.reply_mark	= ipv6_reply_mark,
	.is_loopback	= ipv6_flow_is_loopback,
	.src_valid	= ipv6_src_valid,
	.csum		= ipv6_csum,
	.csum_pseudo	= ip6_compute_pseudo,
	.route		= ipv6_route,
	.route_cached	= ipv6_route_cached,
	.route_cookie	= ipv6_route_cookie,
	.queue_xmit	= ipv6_queue_xmit,
	.reply_route	= ipv6_reply_route,
	.reply_xmit	= ipv6_reply_xmit,
	.hash		= ipv6_hash,
	.source_hash	= ipv6_source_hash,
	.source_bits	= ipv6_source_bits,
	.mtu_reduced	= ipv6_mtu_reduced,
	.pmtu_believed	= ipv6_pmtu_believed,
	.pmtu_bound	= ipv6_pmtu_bound,
	.errors_wanted	= ipv6_errors_wanted,
};

/* Positive: what net/hook.c has brought is the kernel's after all. */
static int ipv6_segment(struct sk_buff *skb)
{
	u8 wire = xtcp_hookv6_wire(skb);

	if (wire == XTCP_WIRE_TCP) {
		skb_network_header(skb)[IP6CB(skb)->nhoff] = IPPROTO_TCP;
		if (!xtcp_hook_holds(dev_net(skb->dev), skb)) {
			skb_orphan(skb);
			return IPPROTO_TCP;
		}
	}
	if (!skb->sk)
		xtcp_arrival6_learn(xtcp_net(dev_net(skb->dev)), skb);
	xtcp_input(skb, &xtcp_ipv6, wire);
	return 0;
}

static const struct inet6_protocol ipv6_protocol = {
	.handler	= ipv6_segment,
	.err_handler	= xtcp_icmpv6_err,
	/* Policy is checked once the socket is known. */
	.flags		= INET6_PROTO_NOPOLICY | INET6_PROTO_FINAL,
};

/**
 * xtcp_ipv6_init - IPv6 hands us segments from now on
 *
 * On a kernel booted with ipv6.disable=1 it never does, and no harm is done.
 *
 * Return: 0 or -errno.
 */
int __init xtcp_ipv6_init(void)
{
	get_random_bytes(&secret, sizeof(secret));
	secret.factor |= 1;
	return inet6_add_protocol(&ipv6_protocol, IPPROTO_XTCP);
}

/**
 * xtcp_ipv6_exit - no more; waits for those that are being handled
 */
void xtcp_ipv6_exit(void)
{
	inet6_del_protocol(&ipv6_protocol, IPPROTO_XTCP);
}

#endif /* CONFIG_IPV6 */
