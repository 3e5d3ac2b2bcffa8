/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lookup.h - find the listener for a SYN
 */
#ifndef XTCP_LOOKUP_H
#define XTCP_LOOKUP_H

#include <linux/init.h>

struct net;
struct sk_buff;
struct sock;
struct xtcp_key;

void xtcp_listener_init_hash(void);
int xtcp_listener_net_init(struct net *net);
void xtcp_listener_net_exit(struct net *net);

int xtcp_listener_add(struct sock *sk);
void xtcp_listener_del(struct sock *sk);
struct sock *xtcp_listener_get(struct net *net, const struct xtcp_key *key);
struct sock *xtcp_listener_lookup_rcu(struct net *net,
				      const struct xtcp_key *key,
				      struct sk_buff *skb);
struct sock *xtcp_listener_heir_rcu(const struct sock *sk,
				    const struct xtcp_key *key);

#endif /* XTCP_LOOKUP_H */
