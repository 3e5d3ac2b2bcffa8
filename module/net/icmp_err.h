/* SPDX-License-Identifier: GPL-2.0 */
/*
 * icmp_err.h - an ICMP error quotes one of our segments
 *
 * Not icmp.h: the kernel has a net/icmp.h, and its folders are searched first.
 */
#ifndef XTCP_NET_ICMP_ERR_H
#define XTCP_NET_ICMP_ERR_H

#include <linux/types.h>

struct sk_buff;
struct sock;

int xtcp_icmp_err_ipv4(struct sk_buff *skb, u32 info);
void xtcp_icmp_mtu_apply(struct sock *sk);

#endif /* XTCP_NET_ICMP_ERR_H */
