/* SPDX-License-Identifier: GPL-2.0 */
/*
 * input.h - dispatch a received segment or ICMP error to its connection
 */
#ifndef XTCP_NET_INPUT_H
#define XTCP_NET_INPUT_H

#include <linux/types.h>

struct net;
struct sk_buff;
struct sock;
struct xtcp_family;
struct xtcp_icmp;
struct xtcp_key;

void xtcp_input(struct sk_buff *skb, const struct xtcp_family *af, u8 wire);
int xtcp_input_error(struct net *net, const struct xtcp_key *key,
		     const struct xtcp_icmp *ie);
int xtcp_input_backlog(struct sock *sk, struct sk_buff *skb);

#endif /* XTCP_NET_INPUT_H */
