/* SPDX-License-Identifier: GPL-2.0 */
/*
 * synchronized.h - handle a received segment from SYN-RECEIVED on
 */
#ifndef XTCP_SEGMENT_SYNCHRONIZED_H
#define XTCP_SEGMENT_SYNCHRONIZED_H

#include <linux/types.h>

#include "ending.h"
#include "tcb.h"

struct net;
struct sk_buff;
struct sock;
struct xtcp_seg;

enum xtcp_ending xtcp_synchronized_rcv(struct sock *sk, struct sk_buff *skb,
				       const struct xtcp_seg *seg);
bool xtcp_synchronized_may_challenge(struct net *net);

/**
 * xtcp_synchronized_init - set the fields of this file: no segment has arrived
 * @xs: TCB of a new connection
 * @now_ns: current time
 */
static inline void xtcp_synchronized_init(struct xtcp_sock *xs, u64 now_ns)
{
	xs->oow_ack_ms = 0;
	xs->segs_in = 0;
	xs->data_segs_in = 0;
	xs->ts_recent = 0;
	xs->ts_recent_s = 0;
	xs->last_rcv_ns = now_ns;
}

#endif /* XTCP_SEGMENT_SYNCHRONIZED_H */
