/* SPDX-License-Identifier: GPL-2.0 */
/*
 * input.h - a segment arrives
 */
#ifndef XTCP_NET_INPUT_H
#define XTCP_NET_INPUT_H

#include <linux/types.h>

struct sk_buff;
struct sock;
struct xtcp_family;
struct xtcp_seg;

void xtcp_input(struct sk_buff *skb, const struct xtcp_family *af, u8 wire);
void xtcp_input_synchronized(struct sock *sk, struct sk_buff *skb,
			     const struct xtcp_seg *seg);
void xtcp_input_third_ack(struct sock *sk, struct sk_buff *skb,
			  const struct xtcp_seg *seg);
int xtcp_input_backlog(struct sock *sk, struct sk_buff *skb);

#endif /* XTCP_NET_INPUT_H */
