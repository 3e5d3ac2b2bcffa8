/* SPDX-License-Identifier: GPL-2.0 */
/*
 * family.h - what differs between address families, behind one table
 *
 * open/, transfer/ and close/ never ask for the family: they call through a
 * table. ipv4.c fills one, ipv6.c the other.
 *
 * Which one? A socket of AF_INET6 may have an IPv4 connection. What its user
 * sees and sets, addresses and options, goes by the socket's family,
 * xtcp_family_of(); what happens on the wire by the connection's, xs->af.
 */
#ifndef XTCP_NET_FAMILY_H
#define XTCP_NET_FAMILY_H

#include <linux/socket.h>
#include <linux/sockptr.h>
#include <linux/types.h>
#include <net/sock.h>

#include "compat.h"
#include "flow.h"
#include "net/seq.h"
#include "net/wire.h"

struct dst_entry;
struct net;
struct sk_buff;
struct xtcp_reply;

/**
 * struct xtcp_family - address family operations
 * @family: AF_INET
 * @ip_hdr_len: octets of IP header without options
 * @mss_default: octets, when the peer sends no MSS option (MUST-15)
 * @mtu_min: octets, least path MTU believed
 * @cookie_mss: octets, what a client's MSS is rounded down to by a classic cookie,
 *	which has two bits for it; rising, the first one all can take
 *
 * By the socket's family:
 * @connect_filter: ask the cgroup's BPF programs for connect(2), which may
 *	change @uaddr or bind the socket; -errno: they refuse. Socket lock.
 * @connect_addr: take the peer's address from connect(2), find a route and,
 *	if it is not bound, the local address; fills the socket's addresses and
 *	remote port, and @key, and forgets an older route. -errno as connect(2)
 *	returns it. Socket lock.
 * @addr_forget: the socket has no peer any more, nor a local address that its
 *	user did not choose. Socket lock.
 * @bound: family and local address that the socket is bound to, for the
 *	fields of @key of those names, the wide one included; AF_UNSPEC: both
 *	families. Any context.
 * @child_init: a listener's copy becomes the connection @key: addresses, and
 *	what must not be shared with the listener. @skb: the segment that made
 *	it, at its TCP header. Its maker's lock.
 * @setsockopt, @getsockopt: of the levels that belong to IP
 *
 * By the connection's family:
 * @key_read: addresses, ports and devices of a segment received on @wire; the
 *	TCP header must be in the linear part. Whoever looks for a connection
 *	calls xtcp_key_digest() next
 * @stock_connection: what the kernel's own TCP has for a connection @key: a
 *	socket, half-open or time-wait record, to be released with
 *	sock_gen_put(); or NULL. RCU.
 * @stock_wants: does the kernel's own TCP have a socket for a segment with
 *	@key? @offset: from @skb->data to behind its TCP header. Softirq, RCU.
 * @src_valid: may the sender of this segment be answered at all (MUST-63)
 * @ttl: hops left in a received segment
 * @ttl_min: least that the socket takes (IP_MINTTL)
 * @device: interface that a connection is bound to when a listener bound to
 *	@bound, 0 for none, gets a segment with @key
 * @options_len: octets that the socket's own IP options, or extension headers,
 *	take in each packet. Socket lock, or RCU.
 * @tos: DSCP and ECN octet of a socket's segments
 * @tos_set: make it that of all later ones. Its maker's lock.
 * @dscp: that octet of a received segment, less ECN
 * @reply_mark: mark of an answer to a segment with @mark
 * @ecn: ECN field of a received segment, INET_ECN_*
 * @is_loopback: does this connection stay inside the machine
 * @csum: checksum field for @len octets of segment whose sum is @sum
 * @csum_pseudo: sum of the pseudo-header of a received segment, as long as @skb
 * @route: the route for a segment of @sk; looked up again when the cached
 *	one went stale; returned without a reference, cached in the socket.
 *	ERR_PTR on failure. Socket lock.
 * @route_cached: that one, if it is still good; else NULL. Socket lock.
 * @route_cookie: what dst_check() of a route wants to hear
 * @queue_xmit: put an IP header on a segment of @sk, with @ecn for ECN field,
 *	and send it; eats @skb; 0, -errno, or NET_XMIT_* above 0 from a queue
 *	of ours. Socket lock, or softirq.
 * @reply_route: find the route of a segment without a socket, for @reply->dst;
 *	0 or -errno. RCU, until the segment has been sent.
 * @reply_xmit: put an IP header on it and send it by @reply->dst; eats @skb
 *	and the route; 0 or -errno. RCU.
 * @hash: 64-bit siphash of the connection's identity and the lower 24 bits
 *	of @salt under the key @secret
 * @source_hash: the same of the first @bits of the peer's address alone
 * @source_bits: how many make a source (xtcp_syn_per_source_prefix)
 * @mtu_reduced: a router said that @mtu octets is the most; tell the route
 *	of @sk and return the path MTU now in force; 0: as before. Socket lock.
 * @pmtu_believed: does the socket follow what routers say of the MTU at all
 * @pmtu_bound: are its segments lost, not cut, where they are too big
 * @errors_wanted: does the user want to see each ICMP error (IP_RECVERR)
 */
struct xtcp_family {
	u8	family;
	u16	ip_hdr_len;
	u16	mss_default;
	u16	mtu_min;
	u16	cookie_mss[XTCP_COOKIE_MSS];

	int	(*connect_filter)(struct sock *sk,
				  struct sockaddr_unsized *uaddr,
				  int addr_len);
	int	(*connect_addr)(struct sock *sk, struct sockaddr_unsized *uaddr,
				int addr_len, struct xtcp_key *key);
	void	(*addr_forget)(struct sock *sk);
	void	(*bound)(const struct sock *sk, struct xtcp_key *key);
	void	(*child_init)(struct sock *sk, const struct sock *lsk,
			      const struct xtcp_key *key,
			      const struct sk_buff *skb);
	int	(*setsockopt)(struct sock *sk, int level, int optname,
			      sockptr_t optval, unsigned int optlen);
	int	(*getsockopt)(struct sock *sk, int level, int optname,
			      char __user *optval, int __user *optlen);

	void	(*key_read)(const struct sk_buff *skb, u8 wire,
			    struct xtcp_key *key);
	struct sock *(*stock_connection)(struct net *net,
					 const struct xtcp_key *key);
	bool	(*stock_wants)(struct net *net, struct sk_buff *skb,
			       unsigned int offset,
			       const struct xtcp_key *key);
	bool	(*src_valid)(const struct sk_buff *skb);
	u8	(*ttl)(const struct sk_buff *skb);
	u8	(*ttl_min)(const struct sock *sk);
	int	(*device)(const struct xtcp_key *key, int bound);
	unsigned int (*options_len)(const struct sock *sk);
	u8	(*tos)(const struct sock *sk);
	void	(*tos_set)(struct sock *sk, u8 tos);
	u8	(*dscp)(const struct sk_buff *skb);
	u32	(*reply_mark)(const struct net *net, u32 mark);
	u8	(*ecn)(const struct sk_buff *skb);
	bool	(*is_loopback)(const struct xtcp_flow *flow);
	__sum16	(*csum)(const struct xtcp_key *key, unsigned int len,
			__wsum sum);
	__wsum	(*csum_pseudo)(struct sk_buff *skb, int wire);
	struct dst_entry *(*route)(struct sock *sk);
	struct dst_entry *(*route_cached)(struct sock *sk);
	u32	(*route_cookie)(const struct dst_entry *dst);
	int	(*queue_xmit)(struct sock *sk, struct sk_buff *skb, u8 ecn);
	int	(*reply_route)(struct net *net, struct xtcp_reply *reply);
	int	(*reply_xmit)(struct net *net, struct xtcp_reply *reply,
			      struct sk_buff *skb);
	u64	(*hash)(const struct xtcp_key *key, u32 salt,
			const void *secret);
	u64	(*source_hash)(const struct xtcp_key *key, unsigned int bits,
			       const void *secret);
	unsigned int (*source_bits)(const struct net *net);
	unsigned int (*mtu_reduced)(struct sock *sk, unsigned int mtu);
	bool	(*pmtu_believed)(const struct sock *sk);
	bool	(*pmtu_bound)(struct sock *sk);
	bool	(*errors_wanted)(const struct sock *sk);
};

extern const struct xtcp_family xtcp_ipv4;

int xtcp_ipv4_queue_xmit(struct sock *sk, struct sk_buff *skb, u8 ecn);

#if IS_ENABLED(CONFIG_IPV6)
extern const struct xtcp_family xtcp_ipv6;

void xtcp_ipv6_digest(struct xtcp_key *key);
void xtcp_ipv6_init_digest(void);
#else
static inline void xtcp_ipv6_digest(struct xtcp_key *key)
{
}

static inline void xtcp_ipv6_init_digest(void)
{
}
#endif

/**
 * xtcp_key_digest - what wide addresses are looked up by
 * @key: complete, but for the digests of its addresses
 */
static inline void xtcp_key_digest(struct xtcp_key *key)
{
	if (xtcp_family_is_ipv6(key->family))
		xtcp_ipv6_digest(key);
}

/**
 * xtcp_ipv4_route_is_fresh - may a cached route be used without a further look
 * @net: namespace; the route's device, which knows it, may be going
 * @dst: of IPv4, or NULL
 *
 * What the kernel's check of it would say, which takes four times as long by
 * two calls through pointers.
 *
 * Return: false when dst_check() has to be asked.
 */
static inline bool xtcp_ipv4_route_is_fresh(const struct net *net,
					    const struct dst_entry *dst)
{
	return dst && READ_ONCE(dst->obsolete) == DST_OBSOLETE_FORCE_CHK &&
	       !dst_xfrm(dst) &&
	       ((const struct rtable *)dst)->rt_genid == rt_genid_ipv4(net);
}

/**
 * xtcp_family_get - operations of an address family
 * @family: AF_INET, AF_INET6
 *
 * Any context. Return: NULL for a family that xtcp doesn't speak.
 */
static inline const struct xtcp_family *xtcp_family_get(u8 family)
{
	if (likely(family == AF_INET))
		return &xtcp_ipv4;
#if IS_ENABLED(CONFIG_IPV6)
	if (family == AF_INET6)
		return &xtcp_ipv6;
#endif
	return NULL;
}

/* Operations of a socket's own family; not NULL. */
static inline const struct xtcp_family *xtcp_family_of(const struct sock *sk)
{
	return xtcp_family_get(sk->sk_family);
}

#endif /* XTCP_NET_FAMILY_H */
