/* SPDX-License-Identifier: GPL-2.0 */
/*
 * inroute6.h - per-CPU input route cache of IPv6
 */
#ifndef XTCP_NET_INROUTE6_H
#define XTCP_NET_INROUTE6_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct dst_entry;
struct net;
struct sk_buff;
struct xtcp_addrs6;
struct xtcp_net;

#if IS_ENABLED(CONFIG_IPV6)
void xtcp_inroute6_net_add(struct net *net);
void xtcp_inroute6_net_exit(struct net *net);

bool xtcp_inroute6_is_known(const struct xtcp_net *xn,
			    const struct sk_buff *skb);
bool xtcp_inroute6_route(const struct xtcp_net *xn, struct sk_buff *skb);
void xtcp_inroute6_learn(const struct xtcp_net *xn, const struct sk_buff *skb);
struct dst_entry *xtcp_inroute6_back(const struct xtcp_net *xn,
				     const struct xtcp_addrs6 *addrs);
void xtcp_inroute6_back_learn(struct xtcp_net *xn,
			      const struct xtcp_addrs6 *addrs,
			      struct dst_entry *dst);
#else
static inline void xtcp_inroute6_net_exit(struct net *net)
{
}
#endif

#endif /* XTCP_NET_INROUTE6_H */
