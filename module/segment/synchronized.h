/* SPDX-License-Identifier: GPL-2.0 */
/*
 * synchronized.h - a segment arrives for an open connection
 */
#ifndef XTCP_SEGMENT_SYNCHRONIZED_H
#define XTCP_SEGMENT_SYNCHRONIZED_H

#include <linux/types.h>

struct sk_buff;
struct sock;
struct xtcp_seg;
struct xtcp_sock;

void xtcp_synchronized_init(struct xtcp_sock *xs, u64 now_ns);
void xtcp_synchronized_rcv(struct sock *sk, struct sk_buff *skb,
			   const struct xtcp_seg *seg);
void xtcp_synchronized_third_ack(struct sock *sk, struct sk_buff *skb,
				 const struct xtcp_seg *seg);

#endif /* XTCP_SEGMENT_SYNCHRONIZED_H */
