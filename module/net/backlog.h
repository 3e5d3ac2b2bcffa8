/* SPDX-License-Identifier: GPL-2.0 */
/*
 * backlog.h - segments that wait until a program has released its socket
 */
#ifndef XTCP_NET_BACKLOG_H
#define XTCP_NET_BACKLOG_H

struct sk_buff;
struct sock;
struct xtcp_seg;

void xtcp_backlog_add(struct sock *sk, struct sk_buff *skb,
		      const struct xtcp_seg *seg);

#endif /* XTCP_NET_BACKLOG_H */
