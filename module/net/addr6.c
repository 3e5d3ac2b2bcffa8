// SPDX-License-Identifier: GPL-2.0
/*
 * addr6.c - addresses of an IPv6 socket: connect(), bind(), accept()
 *
 * RFC 9293 3.9.1, RFC 4007 (scopes), RFC 4291 2.5.5.2 (IPv4-mapped addresses),
 * RFC 6437 (flow labels that a user asks for).
 *
 * An AF_INET6 socket whose peer has an IPv4-mapped address has an IPv4
 * connection: net/ipv4.c finds its route, and this file sets the addresses that
 * the user sees.
 *
 * Context: process, socket lock; a child's functions also softirq under RCU.
 */
#include "net/addr6.h"

#include <linux/err.h>
#include <linux/in6.h>
#include <linux/siphash.h>
#include <linux/socket.h>
#include <linux/sockptr.h>
#include <net/addrconf.h>
#include <net/inet_ecn.h>
#include <net/sock.h>
#include <net/transp_v6.h>

#include "compat.h"
#include "net/family.h"
#include "net/key6.h"
#include "net/route6.h"
#include "netns.h"
#include "tcb.h"

#if IS_ENABLED(CONFIG_IPV6)

/* Value of the IPv4 fields of a socket that has no IPv4 address. */
#define NO_IPV4_ADDRESS	LOOPBACK4_IPV6

/*
 * Read the flow label of connect(2) (IPV6_FLOWINFO_SEND). The user must have
 * been allowed to use it.
 */
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

/* RFC 4007 6: a link-local address needs a device. */
static int scope_take(struct sock *sk, const struct sockaddr_in6 *peer,
		      int addr_len)
{
	if (!__ipv6_addr_needs_scope_id(__ipv6_addr_type(&peer->sin6_addr)))
		return 0;
	if (addr_len >= (int)sizeof(*peer) && peer->sin6_scope_id) {
		if (!sk_dev_equal_l3scope(sk, peer->sin6_scope_id))
			return -EINVAL;
		WRITE_ONCE(sk->sk_bound_dev_if, peer->sin6_scope_id);
	}
	return sk->sk_bound_dev_if ? 0 : -EINVAL;
}

/* Show the addresses that IPv4 has chosen as IPv4-mapped ones. */
static void mapped_show(struct sock *sk)
{
	const struct inet_sock *inet = inet_sk(sk);

	ipv6_addr_set_v4mapped(inet->inet_daddr, &sk->sk_v6_daddr);
	ipv6_addr_set_v4mapped(inet->inet_rcv_saddr, &sk->sk_v6_rcv_saddr);
	ipv6_addr_set_v4mapped(inet->inet_saddr, &xtcp_ipv6_pinfo(sk)->saddr);
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
	err = xtcp_ipv4_addr.connect(sk, (struct sockaddr_unsized *)&sin,
				     sizeof(sin), key);
	if (!err)
		mapped_show(sk);
	return err;
}

/* Find the route, and the local address if the user has chosen none. */
static int connect_native(struct sock *sk, const struct sockaddr_in6 *peer,
			  struct xtcp_key *key)
{
	struct ipv6_pinfo *np = xtcp_ipv6_pinfo(sk);
	struct inet_sock *inet = inet_sk(sk);
	int err;

	if (ipv6_addr_v4mapped(&sk->sk_v6_rcv_saddr))
		return -EAFNOSUPPORT;
	*key = (struct xtcp_key) {
		.lport	= inet->inet_sport,
		.rport	= peer->sin6_port,
		.dif	= sk->sk_bound_dev_if,
		.family	= AF_INET6,
		.wire	= xtcp_sk(sk)->flow.wire,
		.v6	= { .raddr = peer->sin6_addr,
			    .laddr = sk->sk_v6_rcv_saddr },
	};
	/* The flow hash may choose the path. Elsewhere it follows from the ISN, which comes later. */
	sk_set_txhash(sk);
	err = xtcp_ipv6_route_first(sk, key);
	if (err)
		return err;
	xtcp_ipv6_digest(key);
	np->saddr = key->v6.laddr;
	sk->sk_v6_rcv_saddr = key->v6.laddr;
	sk->sk_v6_daddr = peer->sin6_addr;
	inet->inet_saddr = NO_IPV4_ADDRESS;
	inet->inet_rcv_saddr = NO_IPV4_ADDRESS;
	inet->inet_daddr = NO_IPV4_ADDRESS;
	inet->inet_dport = peer->sin6_port;
	return 0;
}

/* "::" means this host, in the family that the socket is bound in. */
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

/*
 * A BPF program may read a complete address, so a shorter one is refused before.
 * For the programs an IPv4-mapped address is one of IPv6, as on Linux.
 */
static int addr6_connect_filter(struct sock *sk,
				struct sockaddr_unsized *uaddr, int addr_len)
{
	if (addr_len < SIN6_LEN_RFC2133)
		return -EINVAL;
	return XTCP_CGROUP_CONNECT6(sk, uaddr, &addr_len);
}

static int addr6_connect(struct sock *sk, struct sockaddr_unsized *uaddr,
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
	xtcp_ipv6_pinfo(sk)->flow_label = flowinfo;	/* getpeername() shows it */
	if (ipv6_addr_v4mapped(&peer->sin6_addr))
		return connect_mapped(sk, peer, key);
	return connect_native(sk, peer, key);
}

static void addr6_forget(struct sock *sk)
{
	xtcp_ipv4_addr.forget(sk);
	if (sk->sk_userlocks & SOCK_BINDADDR_LOCK)
		return;
	xtcp_ipv6_pinfo(sk)->saddr = in6addr_any;
	sk->sk_v6_rcv_saddr = in6addr_any;
}

/*
 * The socket is bound to an IPv4-mapped address, to the any address in both
 * families, or to an IPv6 address.
 */
static void addr6_bound(const struct sock *sk, struct xtcp_key *key)
{
	const struct in6_addr *addr = &sk->sk_v6_rcv_saddr;

	key->v6.laddr = *addr;
	key->laddr = (__force __be32)xtcp_ipv6_addr_digest(addr);
	key->family = AF_INET6;
	if (ipv6_addr_v4mapped(addr))
		xtcp_ipv4_addr.bound(sk, key);
	else if (ipv6_addr_any(addr) && !ipv6_only_sock(sk))
		key->family = AF_UNSPEC;
}

/*
 * Store fields of the segment that opens the connection, for getsockopt(IPV6_2292PKTOPTIONS) and
 * IPV6_FL_F_REFLECT. IPV6_MULTICAST_IF and IPV6_MULTICAST_HOPS have the same fields, so a client's
 * change only if the program has asked to see them (@if_asked).
 */
static void store_first_segment(struct sock *sk, const struct sk_buff *skb, bool if_asked)
{
	struct ipv6_pinfo *np = xtcp_ipv6_pinfo(sk);

	if (!if_asked || np->rxopt.bits.rxinfo || np->rxopt.bits.rxoinfo)
		np->mcast_oif = inet6_iif(skb);
	if (!if_asked || np->rxopt.bits.rxhlim || np->rxopt.bits.rxohlim)
		np->mcast_hops = ipv6_hdr(skb)->hop_limit;
	if (!if_asked || np->rxopt.bits.rxflow || np->rxopt.bits.rxtclass)
		np->rcv_flowinfo = ip6_flowinfo(ipv6_hdr(skb));
	if (inet6_test_bit(REPFLOW, sk))
		np->flow_label = ip6_flowlabel(ipv6_hdr(skb));
}

static void addr6_first_segment(struct sock *sk, const struct sk_buff *skb)
{
	store_first_segment(sk, skb, true);
}

/* Copy the listener's options. Without memory the child has none. */
static void child_options(struct sock *sk, const struct sock *lsk)
{
	struct ipv6_txoptions *opt;

	opt = rcu_dereference(xtcp_ipv6_pinfo(lsk)->opt);
	if (opt)
		opt = ipv6_dup_options(sk, opt);
	RCU_INIT_POINTER(xtcp_ipv6_pinfo(sk)->opt, opt);
}

static void addr6_child_init(struct sock *sk, const struct sock *lsk,
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
	xtcp_ipv4_addr.child_init(sk, lsk, key, skb);
	if (key->family != AF_INET6) {
		mapped_show(sk);
		np->mcast_oif = inet->mc_index;
		np->mcast_hops = inet->mc_ttl;
		np->rcv_flowinfo = 0;
		if (inet6_test_bit(REPFLOW, sk))
			np->flow_label = 0;
		return;
	}
	inet->inet_saddr = NO_IPV4_ADDRESS;
	inet->inet_rcv_saddr = NO_IPV4_ADDRESS;
	inet->inet_daddr = NO_IPV4_ADDRESS;
	sk->sk_v6_daddr = key->v6.raddr;
	sk->sk_v6_rcv_saddr = key->v6.laddr;
	np->saddr = key->v6.laddr;
	sk->sk_bound_dev_if = key->dif;
	store_first_segment(sk, skb, false);
	child_options(sk, lsk);
}

/*
 * IPV6_FL_F_REFLECT: our segments get the flow label of the segment that opens the connection. The
 * kernel has this option for protocol 6 only.
 */
static int reflect_set(struct sock *sk, bool reflect)
{
	int err = 0;

	if (reflect && sock_net(sk)->ipv6.sysctl.flowlabel_consistency)
		return -EPERM;
	lock_sock(sk);
	if (!reflect) {
		if (inet6_test_bit(REPFLOW, sk))
			xtcp_ipv6_pinfo(sk)->flow_label = 0;
		else
			err = -ESRCH;
	}
	inet6_assign_bit(REPFLOW, sk, reflect);
	release_sock(sk);
	return err;
}

static int addr6_setsockopt(struct sock *sk, int level, int optname, sockptr_t optval,
			    unsigned int optlen)
{
	struct in6_flowlabel_req req;

	if (level == SOL_IPV6 && optname == IPV6_FLOWLABEL_MGR && optlen >= sizeof(req)) {
		if (copy_from_sockptr(&req, optval, sizeof(req)))
			return -EFAULT;
		if (req.flr_flags & IPV6_FL_F_REFLECT && req.flr_action <= IPV6_FL_A_PUT)
			return reflect_set(sk, req.flr_action == IPV6_FL_A_GET);
	}
	return ipv6_setsockopt(sk, level, optname, optval, optlen);
}

/*
 * Returns the device of a connection; 0: any. RFC 4007: a link-local address belongs to another
 * host on another link, so the device counts. A VRF is no link: its slave is.
 */
static int addr6_device(const struct xtcp_key *key, int bound)
{
	if (__ipv6_addr_needs_scope_id(__ipv6_addr_type(&key->v6.raddr)))
		return key->sdif ?: key->dif;
	return bound ?: key->sdif ? key->dif : 0;
}

static bool addr6_is_loopback(const struct xtcp_flow *flow)
{
	const struct xtcp_addrs6 *addrs = xtcp_flow_addrs6(flow);

	return ipv6_addr_loopback(&addrs->laddr) ||
	       ipv6_addr_loopback(&addrs->raddr) ||
	       flow->ifindex == LOOPBACK_IFINDEX;
}

static u64 addr6_hash(const struct xtcp_key *key, u32 salt, const void *secret)
{
	struct {
		struct xtcp_addrs6	addrs;
		u64			ports;
	} __aligned(SIPHASH_ALIGNMENT) name = {
		.addrs	= key->v6,
		.ports	= (u64)key->ports << 32 | salt << 8 | key->wire,
	};

	return siphash(&name, sizeof(name), secret);
}

static u64 addr6_source_hash(const struct xtcp_key *key, unsigned int bits,
			     const void *secret)
{
	struct in6_addr prefix __aligned(SIPHASH_ALIGNMENT);

	ipv6_addr_prefix(&prefix, &key->v6.raddr, bits);
	return siphash(&prefix, sizeof(prefix), secret);
}

static u64 addr6_pair_hash(const struct xtcp_key *key, const void *secret)
{
	struct xtcp_addrs6 pair __aligned(SIPHASH_ALIGNMENT) = key->v6;

	return siphash(&pair, sizeof(pair), secret);
}

static unsigned int addr6_source_bits(const struct net *net)
{
	return XTCP_KNOB(net, syn_per_source_prefix6);
}

const struct xtcp_addr_ops xtcp_ipv6_addr = {
	.connect_filter	= addr6_connect_filter,
	.connect	= addr6_connect,
	.forget		= addr6_forget,
	.bound		= addr6_bound,
	.child_init	= addr6_child_init,
	.first_segment	= addr6_first_segment,
	.setsockopt	= addr6_setsockopt,
	.getsockopt	= ipv6_getsockopt,
	.device		= addr6_device,
	.is_loopback	= addr6_is_loopback,
	.hash		= addr6_hash,
	.source_hash	= addr6_source_hash,
	.pair_hash	= addr6_pair_hash,
	.source_bits	= addr6_source_bits,
};

#endif /* CONFIG_IPV6 */
