/* SPDX-License-Identifier: GPL-2.0 */
/*
 * connect.h - active open
 */
#ifndef XTCP_OPEN_CONNECT_H
#define XTCP_OPEN_CONNECT_H

#include <linux/types.h>

#include "compat.h"
#include "ending.h"

struct sk_buff;
struct sock;
struct xtcp_seg;

int xtcp_connect_filter(struct sock *sk, struct sockaddr_unsized *uaddr,
			int addr_len);
int xtcp_connect(struct sock *sk, struct sockaddr_unsized *uaddr,
		 int addr_len);
enum xtcp_ending xtcp_connect_rcv(struct sock *sk, struct sk_buff *skb,
				  struct xtcp_seg *seg);
void xtcp_connect_done(struct sock *sk);
enum xtcp_ending xtcp_connect_timeout(struct sock *sk);

#endif /* XTCP_OPEN_CONNECT_H */
