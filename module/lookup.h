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

#define XTCP_LISTEN_BUCKETS	256	/* power of two */

void xtcp_lookup_init_hash(void);
int xtcp_lookup_net_init(struct net *net);
void xtcp_lookup_net_exit(struct net *net);

int xtcp_lookup_add(struct sock *sk);
void xtcp_lookup_del(struct sock *sk);
void xtcp_lookup_rehash(struct sock *sk);
struct sock *xtcp_lookup_get(struct net *net, const struct xtcp_key *key);
struct sock *xtcp_lookup_rcu(struct net *net,
			     const struct xtcp_key *key,
			     struct sk_buff *skb);
struct sock *xtcp_lookup_choice(struct sock *best, const struct xtcp_key *key,
				struct sk_buff *skb);
struct sock *xtcp_lookup_successor_rcu(const struct sock *sk,
				       const struct xtcp_key *key);

#endif /* XTCP_LOOKUP_H */
