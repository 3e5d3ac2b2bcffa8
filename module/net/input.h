/* SPDX-License-Identifier: GPL-2.0 */
/*
 * input.h - a segment arrives
 */
#ifndef XTCP_NET_INPUT_H
#define XTCP_NET_INPUT_H

#include <linux/types.h>

struct sk_buff;
struct sock;

int xtcp_input(struct sk_buff *skb);
int xtcp_input_sk(struct sock *sk, struct sk_buff *skb);

#endif /* XTCP_NET_INPUT_H */
