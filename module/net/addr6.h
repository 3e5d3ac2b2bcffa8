/* SPDX-License-Identifier: GPL-2.0 */
/*
 * addr6.h - addresses and IPv6 fields of an IPv6 socket
 */
#ifndef XTCP_NET_ADDR6_H
#define XTCP_NET_ADDR6_H

#include <linux/ipv6.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>

#include "compat.h"

struct sk_buff;
struct sock;
struct xtcp_key;

int xtcp_ipv6_connect_filter(struct sock *sk, struct sockaddr_unsized *uaddr,
			     int addr_len);
int xtcp_ipv6_connect_addr(struct sock *sk, struct sockaddr_unsized *uaddr,
			   int addr_len, struct xtcp_key *key);
void xtcp_ipv6_addr_forget(struct sock *sk);
void xtcp_ipv6_bound(const struct sock *sk, struct xtcp_key *key);
void xtcp_ipv6_child_init(struct sock *sk, const struct sock *lsk,
			  const struct xtcp_key *key,
			  const struct sk_buff *skb);

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
