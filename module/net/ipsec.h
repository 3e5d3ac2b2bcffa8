/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ipsec.h - does IPsec have policies that may change a route
 */
#ifndef XTCP_NET_IPSEC_H
#define XTCP_NET_IPSEC_H

#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/xfrm.h>

/**
 * xtcp_ipsec_is_silent - is there no outbound policy to look up
 * @net: namespace
 * @sk: socket that sends; NULL: none
 *
 * Context: any.
 * Return: true if the lookup of a policy would change nothing.
 */
static inline bool xtcp_ipsec_is_silent(const struct net *net,
					const struct sock *sk)
{
#ifdef CONFIG_XFRM
	return !net->xfrm.policy_count[XFRM_POLICY_OUT] &&
	       net->xfrm.policy_default[XFRM_POLICY_OUT] !=
							XFRM_USERPOLICY_BLOCK &&
	       !(sk && rcu_access_pointer(sk->sk_policy[XFRM_POLICY_OUT]));
#else
	return true;
#endif
}

#endif /* XTCP_NET_IPSEC_H */
