/* SPDX-License-Identifier: GPL-2.0 */
/*
 * connect.h - active open
 */
#ifndef XTCP_OPEN_CONNECT_H
#define XTCP_OPEN_CONNECT_H

#include <linux/types.h>

struct sk_buff;
struct sock;
struct sockaddr;
struct xtcp_seg;

int xtcp_connect_ipv4(struct sock *sk, struct sockaddr *uaddr, int addr_len);
void xtcp_connect_rcv(struct sock *sk, struct sk_buff *skb,
		      const struct xtcp_seg *seg);
void xtcp_connect_done(struct sock *sk, const struct xtcp_seg *seg);
void xtcp_connect_timeout(struct sock *sk);

#endif /* XTCP_OPEN_CONNECT_H */
