/* SPDX-License-Identifier: GPL-2.0 */
/*
 * burst.h - how many segments one skb may hold
 *
 * Context: socket lock.
 */
#ifndef XTCP_TRANSFER_BURST_H
#define XTCP_TRANSFER_BURST_H

#include <linux/types.h>

struct sk_buff;
struct sock;

u32 xtcp_burst_goal(const struct sock *sk);
u32 xtcp_burst_segs(const struct sock *sk);
bool xtcp_burst_waits(struct sock *sk, const struct sk_buff *skb,
		      u32 segs_max, u64 now_ns);

#endif /* XTCP_TRANSFER_BURST_H */
