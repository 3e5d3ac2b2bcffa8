/* SPDX-License-Identifier: GPL-2.0 */
/*
 * family.h - tables of what differs between IPv4 and IPv6
 *
 * The layers above IP call through tables. A family has four, each in the file
 * that implements it: ipv4.c and hookv4.c have those of IPv4; addr6.c,
 * route6.c, ipv6.c and hookv6.c those of IPv6. Outside of net/, code asks for
 * the family only where IPv6 addresses need memory, a hash or a comparison of
 * their own (tcb.h, flow.c, hostcache.c, lookup.c, port/bind.c, port/connect.c,
 * the slab caches of open/synqueue.c and close/timewait.c), where a program,
 * a trace or the kernel's TCP sees an address (user/, observe/traceaddr.h,
 * shadow.c), and in transfer/receive.c, because only IPv6 has a flow label that
 * may lead to another path.
 *
 * A socket of AF_INET6 may have an IPv4 connection, so there are two families.
 * The socket's family decides what its user sees and sets (addresses, options):
 * xtcp_family_of(). The connection's family decides what is on the wire:
 * xs->af.
 */
#ifndef XTCP_NET_FAMILY_H
#define XTCP_NET_FAMILY_H

#include <linux/indirect_call_wrapper.h>
#include <linux/socket.h>
#include <linux/sockptr.h>
#include <linux/types.h>
#include <net/sock.h>

#include "compat.h"
#include "flow.h"
#include "net/seq.h"
#include "net/wire.h"

struct dst_entry;
struct inet_request_sock;
struct net;
struct sk_buff;
struct xtcp_reply;

/**
 * struct xtcp_addr_ops - addresses of a socket and of a connection
 *
 * By the socket's family:
 * @connect_filter: call the cgroup's BPF programs for connect(2), which may
 *	change @uaddr or bind the socket; -errno if they refuse. Socket lock.
 * @connect: take the peer's address from connect(2), find a route and, if the
 *	socket isn't bound, the local address. Fills in the socket's addresses
 *	and remote port and @key, and drops an older route. -errno as connect(2)
 *	returns it. Socket lock.
 * @forget: clear the peer's address, and the local address unless the user has
 *	chosen it. Socket lock.
 * @bound: set family and local address in @key to those that the socket is
 *	bound to, the IPv6 address included; AF_UNSPEC: both families. Any
 *	context.
 * @child_init: turn the copy of a listener into the child of connection @key:
 *	set its addresses, and reset what it must not share with the
 *	listener. @skb: the segment that created it, at its TCP header. Lock of
 *	the creator.
 * @first_segment: by the connection's family: keep what getsockopt() reports of @skb, the SYN or
 *	SYN-ACK that answers an active open. NULL: nothing. Socket lock.
 * @setsockopt: setsockopt(2) of the levels that belong to IP
 * @getsockopt: getsockopt(2) of the levels that belong to IP
 *
 * By the connection's family:
 * @device: device to which a connection is bound if a listener bound to @bound,
 *	0 for none, receives a segment with @key
 * @is_loopback: does this connection stay inside the host
 * @hash: 64-bit siphash of the connection's 4-tuple and the lower 24 bits of
 *	@salt under the key @secret
 * @source_hash: siphash of the first @bits of the peer's address
 * @pair_hash: siphash of both addresses, the peer's first, under the key @secret
 * @source_bits: prefix length of a source (xtcp_syn_per_source_prefix)
 */
struct xtcp_addr_ops {
	int	(*connect_filter)(struct sock *sk,
				  struct sockaddr_unsized *uaddr,
				  int addr_len);
	int	(*connect)(struct sock *sk, struct sockaddr_unsized *uaddr,
			   int addr_len, struct xtcp_key *key);
	void	(*forget)(struct sock *sk);
	void	(*bound)(const struct sock *sk, struct xtcp_key *key);
	void	(*child_init)(struct sock *sk, const struct sock *lsk,
			      const struct xtcp_key *key,
			      const struct sk_buff *skb);
	void	(*first_segment)(struct sock *sk, const struct sk_buff *skb);
	int	(*setsockopt)(struct sock *sk, int level, int optname,
			      sockptr_t optval, unsigned int optlen);
	int	(*getsockopt)(struct sock *sk, int level, int optname,
			      char __user *optval, int __user *optlen);

	int	(*device)(const struct xtcp_key *key, int bound);
	bool	(*is_loopback)(const struct xtcp_flow *flow);
	u64	(*hash)(const struct xtcp_key *key, u32 salt,
			const void *secret);
	u64	(*source_hash)(const struct xtcp_key *key, unsigned int bits,
			       const void *secret);
	u64	(*pair_hash)(const struct xtcp_key *key, const void *secret);
	unsigned int (*source_bits)(const struct net *net);
};

/**
 * struct xtcp_route_ops - routes, path MTU and what ICMP says of them
 *
 * By the connection's family:
 * @find: find the route of a segment of @sk; looked up again if the cached one
 *	is stale. Cached in the socket, returned without a reference. ERR_PTR()
 *	on failure. Socket lock.
 * @cached: the cached route if it is valid, else NULL. Socket lock.
 * @cookie: cookie for dst_check() of a route
 * @reply: find the route of a segment without a socket, for @reply->dst; 0 or
 *	-errno. RCU, until the segment has been sent.
 * @mtu_reduced: update the route of @sk after a router has reported the MTU
 *	@mtu, in bytes; returns the path MTU now in force; 0: unchanged. Socket
 *	lock.
 * @pmtu_believed: does the socket believe what routers say of the MTU
 * @pmtu_bound: are too large segments lost, as opposed to fragmented
 * @error_queued: does an ICMP error of an opening, which perhaps ends it, go to the
 *	error queue; every one does if the user asks for it (IP_RECVERR, IPV6_RECVERR)
 * @error_extended: does the user want to know where RFC 4884's extension of a queued
 *	error is (IP_RECVERR_RFC4884, IPV6_RECVERR_RFC4884)
 */
struct xtcp_route_ops {
	struct dst_entry *(*find)(struct sock *sk);
	struct dst_entry *(*cached)(struct sock *sk);
	u32	(*cookie)(const struct dst_entry *dst);
	int	(*reply)(struct net *net, struct xtcp_reply *reply);
	unsigned int (*mtu_reduced)(struct sock *sk, unsigned int mtu);
	bool	(*pmtu_believed)(const struct sock *sk);
	bool	(*pmtu_bound)(struct sock *sk);
	bool	(*error_queued)(const struct sock *sk, bool ends_opening);
	bool	(*error_extended)(const struct sock *sk);
};

/**
 * struct xtcp_packet_ops - IP headers of received and of sent segments
 *
 * By the connection's family. Received:
 * @key_read: read addresses, ports and devices of a segment received on @wire;
 *	the TCP header must be linear. To look up a connection, call
 *	xtcp_key_digest() next.
 * @src_valid: may the sender of this segment be answered at all (MUST-63)
 * @csum_pseudo: sum of the pseudo-header of a received segment as long as @skb
 * @ttl: TTL or hop limit of a received segment
 * @ttl_min: least TTL or hop limit that the socket accepts (IP_MINTTL)
 * @ecn: ECN field of a received segment, INET_ECN_*
 * @dscp: DSCP and ECN byte of a received segment, without ECN
 *
 * Sent:
 * @queue_xmit: push an IP header with @ecn as its ECN field onto a segment of
 *	@sk and send it; consumes @skb. 0, -errno, or NET_XMIT_* above 0 from a
 *	queue of this host. Socket lock, or softirq.
 * @reply_xmit: push an IP header and send the segment on @reply->dst; consumes
 *	@skb and the route; 0 or -errno. RCU.
 * @reply_mark: fwmark of an answer to a segment with @mark
 * @csum: checksum field of a segment of @len bytes whose sum is @sum
 * @options_len: bytes of the socket's own IP options or extension headers in
 *	each packet. Socket lock, or RCU.
 * @tos: DSCP and ECN byte of a socket's segments
 * @tos_set: set that byte for all later segments. Lock of the creator.
 */
struct xtcp_packet_ops {
	void	(*key_read)(const struct sk_buff *skb, u8 wire,
			    struct xtcp_key *key);
	bool	(*src_valid)(const struct sk_buff *skb);
	__wsum	(*csum_pseudo)(struct sk_buff *skb, int wire);
	u8	(*ttl)(const struct sk_buff *skb);
	u8	(*ttl_min)(const struct sock *sk);
	u8	(*ecn)(const struct sk_buff *skb);
	u8	(*dscp)(const struct sk_buff *skb);

	int	(*queue_xmit)(struct sock *sk, struct sk_buff *skb, u8 ecn);
	int	(*reply_xmit)(struct net *net, struct xtcp_reply *reply,
			      struct sk_buff *skb);
	u32	(*reply_mark)(const struct net *net, u32 mark);
	__sum16	(*csum)(const struct xtcp_key *key, unsigned int len,
			__wsum sum);
	unsigned int (*options_len)(const struct sock *sk);
	u8	(*tos)(const struct sock *sk);
	void	(*tos_set)(struct sock *sk, u8 tos);
};

/**
 * struct xtcp_kernel_tcp_ops - what the kernel's TCP has in its tables
 *
 * By the connection's family:
 * @connection: find the socket, half-open or TIME-WAIT record that the kernel's
 *	TCP has for a connection @key; release it with sock_gen_put(); or
 *	NULL. RCU.
 * @wants: has the kernel's TCP a connection or listener for a segment with
 *	@key, for which xtcp has none? Softirq, RCU.
 * @steered: has a BPF program of type sk_lookup chosen a socket for a segment with @key, or
 *	refused it? Softirq, RCU. Call xtcp_hook_is_steered().
 * @request_fill: put addresses and operations into a request of the kernel's TCP;
 *	@request_free: free what a security module has added. For open/permit.c; softirq.
 */
struct xtcp_kernel_tcp_ops {
	struct sock *(*connection)(struct net *net, const struct xtcp_key *key);
	bool	(*wants)(struct net *net, const struct xtcp_key *key);
	bool	(*steered)(struct net *net, const struct xtcp_key *key);
	void	(*request_fill)(struct inet_request_sock *ireq, const struct xtcp_key *key);
	void	(*request_free)(struct inet_request_sock *ireq, struct sock *lsk);
};

/**
 * struct xtcp_family - an address family: its numbers, and its four tables
 * @family: AF_INET, AF_INET6
 * @ip_hdr_len: length of the IP header without options, in bytes
 * @mss_default: MSS in bytes if the peer sends no MSS option (MUST-15)
 * @mtu_min: least path MTU in bytes; a smaller one is not believed
 * @cookie_mss: MSS values in bytes, ascending, to which a classic cookie rounds
 *	a client's MSS down; the cookie has two bits for it, and the first value
 *	is one that every host accepts
 * @addr: for open/, close/, port/ and user/, and for the hashes of isn.c
 * @route: for the MSS, for ICMP errors and for answers without a socket
 * @packet: for all that reads or builds a segment
 * @kernel_tcp: for net/hook.c
 */
struct xtcp_family {
	u8	family;
	u16	ip_hdr_len;
	u16	mss_default;
	u16	mtu_min;
	u16	cookie_mss[XTCP_COOKIE_MSS];

	const struct xtcp_addr_ops		*addr;
	const struct xtcp_route_ops		*route;
	const struct xtcp_packet_ops		*packet;
	const struct xtcp_kernel_tcp_ops	*kernel_tcp;
};

extern const struct xtcp_family xtcp_ipv4;
extern const struct xtcp_addr_ops xtcp_ipv4_addr;
extern const struct xtcp_kernel_tcp_ops xtcp_ipv4_kernel_tcp;

int xtcp_ipv4_queue_xmit(struct sock *sk, struct sk_buff *skb, u8 ecn);

#if IS_ENABLED(CONFIG_IPV6)
extern const struct xtcp_family xtcp_ipv6;
extern const struct xtcp_addr_ops xtcp_ipv6_addr;
extern const struct xtcp_route_ops xtcp_ipv6_route;
extern const struct xtcp_kernel_tcp_ops xtcp_ipv6_kernel_tcp;

int xtcp_ipv6_queue_xmit(struct sock *sk, struct sk_buff *skb, u8 ecn);
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
 * xtcp_key_digest - set the address digests of a key
 * @key: complete, except for the digests of IPv6 addresses
 *
 * Context: any.
 */
static inline void xtcp_key_digest(struct xtcp_key *key)
{
	if (xtcp_family_is_ipv6(key->family))
		xtcp_ipv6_digest(key);
}

/**
 * xtcp_ipv4_route_is_fresh - may a cached route be used without dst_check()
 * @net: namespace; the route's device, which also has it, may be going away
 * @dst: route of IPv4, or NULL
 *
 * Gives the result of dst_check(), which takes four times as long because of
 * two indirect calls.
 *
 * Context: RCU, or the socket lock for the route of a socket.
 * Return: true if the route is valid; false: call dst_check().
 */
static inline bool xtcp_ipv4_route_is_fresh(const struct net *net,
					    const struct dst_entry *dst)
{
	static_assert(offsetof(struct rtable, dst) == 0);

	return dst && READ_ONCE(dst->obsolete) == DST_OBSOLETE_FORCE_CHK &&
	       !dst_xfrm(dst) &&
	       ((const struct rtable *)dst)->rt_genid == rt_genid_ipv4(net);
}

/**
 * xtcp_family_get - get the operations of an address family
 * @family: AF_INET, AF_INET6
 *
 * Context: any.
 * Return: the table; NULL for a family that xtcp doesn't support.
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

/**
 * xtcp_family_queue_xmit - send a segment of a socket, by a direct call if possible
 * @af: family of the connection
 * @sk: the socket, locked
 * @skb: the segment, without an IP header; consumed
 * @ecn: ECN field of its IP header
 *
 * With retpolines an indirect call is dear, and each segment that leaves needs one.
 *
 * Return: result of xtcp_packet_ops.queue_xmit
 */
static inline int xtcp_family_queue_xmit(const struct xtcp_family *af,
					 struct sock *sk, struct sk_buff *skb,
					 u8 ecn)
{
	return INDIRECT_CALL_INET(af->packet->queue_xmit, xtcp_ipv6_queue_xmit,
				  xtcp_ipv4_queue_xmit, sk, skb, ecn);
}

/* The operations of a socket's own family; never NULL. */
static inline const struct xtcp_family *xtcp_family_of(const struct sock *sk)
{
	return xtcp_family_get(sk->sk_family);
}

#endif /* XTCP_NET_FAMILY_H */
