/* SPDX-License-Identifier: GPL-2.0 */
/*
 * icmp.h - an ICMP error quotes one of our segments
 */
#ifndef XTCP_NET_ICMP_H
#define XTCP_NET_ICMP_H

#include <linux/types.h>

struct sk_buff;
struct sock;

int xtcp_icmp_err_ipv4(struct sk_buff *skb, u32 info);
void xtcp_icmp_mtu_apply(struct sock *sk);

#endif /* XTCP_NET_ICMP_H */
