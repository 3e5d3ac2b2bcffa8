// SPDX-License-Identifier: GPL-2.0
/*
 * ipv6.c - IPv6 below the engine: header, checksum, flow label
 *
 * RFC 9293 3.9.2 (what TCP asks of IP), RFC 8200 (IPv6; 8.1 checksum), RFC 6437
 * (flow labels). net/addr6.c has a socket's addresses, net/route6.c its route.
 *
 * The flow label of a connection is derived from the socket's hash. That hash
 * is first derived from the ISN, so that SYN-ACKs, which no socket sends, have
 * the same label. It is drawn anew when segments get lost, so that routers that
 * choose paths by the label choose another one. Other segments without a socket
 * have a label derived from addresses and ports.
 *
 * Context: softirq or process. Functions that take a socket need its lock; the
 * others need no lock.
 */
#include <linux/errno.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/socket.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/inet_ecn.h>
#include <net/inet_sock.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/tcp.h>
#include <net/transp_v6.h>
#include <uapi/linux/xtcp.h>

#include "compat.h"
#include "isn.h"
#include "net/addr6.h"
#include "net/family.h"
#include "net/inroute6.h"
#include "net/key6.h"
#include "net/reply.h"
#include "net/route6.h"
#include "net/wire.h"
#include "tcb.h"

#if IS_ENABLED(CONFIG_IPV6)

/*
 * Key of the address digest, drawn at load. A user can see whether two addresses have the same
 * digest: bind() says so, and the order of rows in /proc. Therefore the digest is a pseudorandom
 * function: pairs that are known do not help to find others. Connections whose addresses have
 * equal digests are in one chain of the flow table, whatever the table's seed.
 */
static hsiphash_key_t digest_key __ro_after_init;

static inline u32 addr_digest(const struct in6_addr *addr)
{
	const __be32 *word = addr->s6_addr32;

	if (ipv6_addr_any(addr))
		return 0;
	return hsiphash_4u32((__force u32)word[0], (__force u32)word[1], (__force u32)word[2],
			     (__force u32)word[3], &digest_key) ?: 1;
}

/**
 * xtcp_ipv6_addr_digest - compute the 32-bit digest of an address
 * @addr: address
 *
 * Context: any.
 * Return: the digest; 0 for "::" only.
 */
u32 xtcp_ipv6_addr_digest(const struct in6_addr *addr)
{
	return addr_digest(addr);
}

/* An address and its digest. At first "::" and its digest: all zeros. */
struct digest_memory {
	struct in6_addr	addr;
	u32		digest;
};

/* Of the last segment's local and remote address: a server's segments have few of the former. */
static DEFINE_PER_CPU(struct digest_memory [2], digest_last);

static __always_inline u32 digest_by(struct digest_memory *last, const struct in6_addr *addr)
{
	if (!ipv6_addr_equal(&last->addr, addr)) {
		last->digest = addr_digest(addr);
		last->addr = *addr;
	}
	return last->digest;
}

/**
 * xtcp_ipv6_digest - set both address digests of a key
 * @key: its IPv6 addresses are set
 *
 * Segments often have an address of the one before, which each CPU keeps. Where softirqs can be
 * preempted, two of them could mix an address and a digest.
 *
 * Context: any.
 */
void xtcp_ipv6_digest(struct xtcp_key *key)
{
	struct digest_memory *last;

	if (IS_ENABLED(CONFIG_PREEMPT_RT) || unlikely(!in_softirq())) {
		key->laddr = (__force __be32)addr_digest(&key->v6.laddr);
		key->raddr = (__force __be32)addr_digest(&key->v6.raddr);
		return;
	}
	last = *this_cpu_ptr(&digest_last);
	key->laddr = (__force __be32)digest_by(&last[0], &key->v6.laddr);
	key->raddr = (__force __be32)digest_by(&last[1], &key->v6.raddr);
}

static u8 ipv6_ttl(const struct sk_buff *skb)
{
	return ipv6_hdr(skb)->hop_limit;
}

static u8 ipv6_ttl_min(const struct sock *sk)
{
	return READ_ONCE(xtcp_ipv6_pinfo(sk)->min_hopcount);
}

static u8 ipv6_ecn(const struct sk_buff *skb)
{
	return ipv6_get_dsfield(ipv6_hdr(skb)) & INET_ECN_MASK;
}

static u8 ipv6_tos(const struct sock *sk)
{
	return READ_ONCE(xtcp_ipv6_pinfo(sk)->tclass);
}

static void ipv6_tos_set(struct sock *sk, u8 tos)
{
	WRITE_ONCE(xtcp_ipv6_pinfo(sk)->tclass, tos);
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
 * MUST-63, RFC 4291: don't answer a source that is the any address, a group, or
 * an IPv4-mapped address, which must not be in a packet. MUST-57: don't answer
 * a segment to a group or an anycast address.
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

/*
 * Of the addresses, not of their digests: a peer that sees which of its addresses have equal
 * labels would learn which have equal digests, whose connections are in one hash chain.
 */
static u32 label_hash(const struct net *net, const struct xtcp_key *key)
{
	return (u32)xtcp_isn_hash(net, &xtcp_ipv6, key, XTCP_SECRET_PATH) ?: 1;
}

/* A SYN-ACK has the hash of the socket that it leads to. */
static u32 reply_hash(const struct net *net, const struct xtcp_reply *reply,
		      const struct sk_buff *skb)
{
	const struct tcphdr *th = tcp_hdr(skb);

	return th->syn ? xtcp_isn_path_hash(net, seq_get(&th->seq)) :
			 label_hash(net, &reply->key);
}

/*
 * The flow label that the user has set (@chosen), or else one that is derived
 * from @hash as the knobs say.
 */
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

static unsigned int ipv6_options_len(const struct sock *sk)
{
	const struct ipv6_txoptions *opt = xtcp_ipv6_tx_options(sk);

	return opt ? opt->opt_flen + opt->opt_nflen : 0;
}

/*
 * Hop limit of a segment: the one that the user has set, else the route's, else
 * the device's. @sk may be NULL. Like ip6_dst_hoplimit(), but without its RCU
 * section, because the caller has one.
 */
static inline u8 hop_limit(const struct sock *sk, const struct dst_entry *dst)
{
	int hops = sk ? xtcp_ipv6_pinfo(sk)->hop_limit : -1;
	const struct net_device *dev;
	const struct inet6_dev *idev;

	if (hops >= 0)
		return hops;
	hops = dst_metric_raw(dst, RTAX_HOPLIMIT);
	if (hops)
		return hops;
	dev = dst_dev(dst);
	idev = __in6_dev_get(dev);
	return idev ? READ_ONCE(idev->cnf.hop_limit) :
		      READ_ONCE(dev_net(dev)->ipv6.devconf_all->hop_limit);
}

/* Each segment has headroom for it. */
static inline void ipv6_header_push(struct sk_buff *skb,
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

/* Result of IP's output, as 0 or -errno. */
static int ipv6_xmit_result(int err)
{
	return err > 0 ? net_xmit_errno(err) : err;
}

static int ipv6_xmit(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	XTCP_IP6_COUNT_OUT(net, ip6_dst_idev(skb_dst(skb)), skb->len);
	return ip6_local_out(net, sk, skb);
}

/* Send a segment with extension headers, which IP writes. */
static int ipv6_xmit_with_options(struct sock *sk, struct sk_buff *skb,
				  const struct ipv6_txoptions *opt, u8 tclass)
{
	struct xtcp_key key;
	struct flowi6 fl6;

	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	xtcp_ipv6_flow_init(&fl6, sock_net(sk), sk, &key,
			    READ_ONCE(sk->sk_bound_dev_if),
			    READ_ONCE(sk->sk_mark));
	fl6.flowlabel = xtcp_ipv6_pinfo(sk)->flow_label;
	skb_set_hash_from_sk(skb, sk);
	return ip6_xmit(sk, skb, &fl6, READ_ONCE(sk->sk_mark),
			(struct ipv6_txoptions *)opt, tclass,
			READ_ONCE(sk->sk_priority));
}

static int ipv6_xmit_plain(struct sock *sk, struct sk_buff *skb,
			   const struct dst_entry *dst, u8 tclass)
{
	const struct xtcp_flow *flow = &xtcp_sk(sk)->flow;
	struct net *net = sock_net(sk);
	__be32 label;

	label = flow_label(net, skb, sk, xtcp_ipv6_pinfo(sk)->flow_label,
			   READ_ONCE(sk->sk_txhash));
	ipv6_header_push(skb, xtcp_flow_addrs6(flow), flow->wire, tclass, label,
			 hop_limit(sk, dst));
	skb->priority = READ_ONCE(sk->sk_priority);
	skb->mark = READ_ONCE(sk->sk_mark);
	return ipv6_xmit(net, sk, skb);
}

/**
 * xtcp_ipv6_queue_xmit - xtcp_packet_ops.queue_xmit of IPv6
 * @sk: the socket, locked
 * @skb: segment; consumed
 * @ecn: ECN field of its header
 *
 * Context: socket lock, or softirq.
 * Return: 0, NET_XMIT_*, or -errno of the route.
 */
int xtcp_ipv6_queue_xmit(struct sock *sk, struct sk_buff *skb, u8 ecn)
{
	u8 tclass = (ipv6_tos(sk) & ~INET_ECN_MASK) | ecn;
	const struct ipv6_txoptions *opt;
	struct dst_entry *dst = __sk_dst_get(sk);
	int err;

	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	rcu_read_lock();
	if (unlikely(!xtcp_ipv6_route_is_fresh(dst, xtcp_ipv6_pinfo(sk)->dst_cookie)))
		dst = xtcp_ipv6_route_get(sk);
	if (IS_ERR(dst)) {
		/* As in Linux, only IPv6 reports it to the program if nothing is in flight. */
		WRITE_ONCE(sk->sk_err_soft, -PTR_ERR(dst));
		rcu_read_unlock();
		kfree_skb_reason(skb, SKB_DROP_REASON_IP_OUTNOROUTES);
		return -EHOSTUNREACH;
	}
	skb_dst_set_noref(skb, dst);
	skb_set_dst_pending_confirm(skb, READ_ONCE(sk->sk_dst_pending_confirm));
	opt = xtcp_ipv6_tx_options(sk);
	if (opt)
		err = ipv6_xmit_with_options(sk, skb, opt, tclass);
	else
		err = ipv6_xmit_plain(sk, skb, dst, tclass);
	rcu_read_unlock();
	return err;
}

static int ipv6_reply_extended(struct net *net, const struct xtcp_reply *reply,
			       struct sk_buff *skb,
			       const struct ipv6_txoptions *opt)
{
	struct flowi6 fl6;

	xtcp_ipv6_flow_init(&fl6, net, reply->sk, &reply->key, reply->oif,
			    reply->mark);
	__skb_set_sw_hash(skb, reply_hash(net, reply, skb), true);
	return ipv6_xmit_result(ip6_xmit(reply->sk, skb, &fl6, reply->mark,
					 (struct ipv6_txoptions *)opt, reply->tos,
					 READ_ONCE(reply->sk->sk_priority)));
}

static int ipv6_reply_xmit(struct net *net, struct xtcp_reply *reply,
			   struct sk_buff *skb)
{
	const struct ipv6_txoptions *opt = xtcp_ipv6_reply_options(reply);
	struct dst_entry *dst = reply->dst;
	__be32 label;

	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	if (reply->dst_held)
		skb_dst_set(skb, dst);
	else
		skb_dst_set_noref(skb, dst);
	if (unlikely(opt))
		return ipv6_reply_extended(net, reply, skb, opt);
	label = flow_label(net, skb, xtcp_reply_former(reply), 0,
			   reply_hash(net, reply, skb));
	ipv6_header_push(skb, &reply->key.v6, reply->key.wire, reply->tos, label,
			 hop_limit(xtcp_reply_former(reply), dst));
	skb->priority = reply->sk ? READ_ONCE(reply->sk->sk_priority) : 0;
	skb->mark = reply->mark;
	return ipv6_xmit_result(ipv6_xmit(net, skb->sk, skb));
}

static const struct xtcp_packet_ops ipv6_packet_ops = {
	.key_read	= xtcp_ipv6_key_read,
	.src_valid	= ipv6_src_valid,
	.csum_pseudo	= ip6_compute_pseudo,
	.ttl		= ipv6_ttl,
	.ttl_min	= ipv6_ttl_min,
	.ecn		= ipv6_ecn,
	.dscp		= ipv6_dscp,
	.queue_xmit	= xtcp_ipv6_queue_xmit,
	.reply_xmit	= ipv6_reply_xmit,
	.reply_mark	= ipv6_reply_mark,
	.csum		= ipv6_csum,
	.options_len	= ipv6_options_len,
	.tos		= ipv6_tos,
	.tos_set	= ipv6_tos_set,
};

const struct xtcp_family xtcp_ipv6 = {
	.family		= AF_INET6,
	.ip_hdr_len	= sizeof(struct ipv6hdr),
	.mss_default	= IPV6_MIN_MTU - sizeof(struct ipv6hdr) - XTCP_HDR_LEN,
	.mtu_min	= IPV6_MIN_MTU,
	/* As Linux: least MTU, tunnel in IPv4, Ethernet, jumbo frames. */
	.cookie_mss	= { 1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60 },
	.addr		= &xtcp_ipv6_addr,
	.route		= &xtcp_ipv6_route,
	.packet		= &ipv6_packet_ops,
	.kernel_tcp	= &xtcp_ipv6_kernel_tcp,
};

/**
 * xtcp_ipv6_init_digest - draw the key of the address digest
 *
 * Context: process, at load.
 */
void __init xtcp_ipv6_init_digest(void)
{
	get_random_bytes(&digest_key, sizeof(digest_key));
}

#endif /* CONFIG_IPV6 */
