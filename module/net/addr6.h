/* SPDX-License-Identifier: GPL-2.0 */
/*
 * addr6.h - IPv6 fields of an IPv6 socket
 */
#ifndef XTCP_NET_ADDR6_H
#define XTCP_NET_ADDR6_H

#include <linux/ipv6.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>

struct sock;

#if IS_ENABLED(CONFIG_IPV6)
/*
 * The IPv6 fields of an xtcp socket. It is a full socket, so no check is
 * needed.
 */
static inline struct ipv6_pinfo *xtcp_ipv6_pinfo(const struct sock *sk)
{
	return inet_sk(sk)->pinet6;
}

/* The socket's extension headers, or NULL. Context: RCU or the socket lock. */
static inline const struct ipv6_txoptions *
xtcp_ipv6_tx_options(const struct sock *sk)
{
	return rcu_dereference_check(xtcp_ipv6_pinfo(sk)->opt,
				     lockdep_sock_is_held(sk));
}
#endif /* CONFIG_IPV6 */

#endif /* XTCP_NET_ADDR6_H */
