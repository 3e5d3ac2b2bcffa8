// SPDX-License-Identifier: GPL-2.0
/*
 * origdst.c - SO_ORIGINAL_DST: where a redirected connection was going
 *
 * A transparent proxy asks for the address that a rule of netfilter (REDIRECT, DNAT) has
 * replaced. Connection tracking answers, and looks for a connection of the socket's own
 * protocol, which must be TCP or SCTP. The protocol of an xtcp socket is 253 on both
 * wires, though on the TCP wire connection tracking has seen TCP. So the question
 * is put by a socket of the kernel's TCP that has the names of ours. It is in no table,
 * sends nothing, and exists for this call only.
 *
 * On the native wire the kernel answers (ENOPROTOOPT): no ports are translated.
 *
 * Context: process.
 */
#include "user/origdst.h"

#include <linux/in.h>
#include <linux/net.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "tcb.h"

/**
 * xtcp_origdst_is_asked - is an option one that connection tracking answers
 * @sk: socket
 * @level: level of the option
 * @optname: option
 *
 * Return: true if xtcp_origdst_get() must ask for @sk.
 */
bool xtcp_origdst_is_asked(const struct sock *sk, int level, int optname)
{
	if (READ_ONCE(xtcp_sk(sk)->flow.wire) != XTCP_WIRE_TCP)
		return false;
	return (level == SOL_IP && optname == SO_ORIGINAL_DST) ||
	       (level == SOL_IPV6 && optname == IP6T_SO_ORIGINAL_DST);
}

/* Give @proxy the addresses and ports of @sk. */
static void proxy_name(struct sock *proxy, struct sock *sk)
{
	struct inet_sock *to = inet_sk(proxy), *from = inet_sk(sk);

	lock_sock(sk);
	to->inet_rcv_saddr = from->inet_rcv_saddr;
	to->inet_daddr = from->inet_daddr;
	to->inet_sport = from->inet_sport;
	to->inet_dport = from->inet_dport;
	proxy->sk_bound_dev_if = sk->sk_bound_dev_if;
#if IS_ENABLED(CONFIG_IPV6)
	proxy->sk_v6_rcv_saddr = sk->sk_v6_rcv_saddr;
	proxy->sk_v6_daddr = sk->sk_v6_daddr;
#endif
	release_sock(sk);
}

/**
 * xtcp_origdst_get - getsockopt(SO_ORIGINAL_DST) on the TCP wire
 * @sk: socket, not locked
 * @level: SOL_IP or SOL_IPV6
 * @optname: option
 * @optval: a struct sockaddr_in or sockaddr_in6
 * @optlen: its size
 *
 * Return: 0; -ENOENT if connection tracking does not know the connection, -ENOPROTOOPT
 * if it is not loaded, -EINVAL, -EFAULT, -ENOMEM.
 */
int xtcp_origdst_get(struct sock *sk, int level, int optname, char __user *optval,
		     int __user *optlen)
{
	struct socket *proxy;
	int err;

	err = sock_create_kern(sock_net(sk), sk->sk_family, SOCK_STREAM, IPPROTO_TCP, &proxy);
	if (err)
		return err;
	proxy_name(proxy->sk, sk);
	err = sock_common_getsockopt(proxy, level, optname, optval, optlen);
	/* It was never bound. */
	inet_sk(proxy->sk)->inet_sport = 0;
	sock_release(proxy);
	return err;
}
