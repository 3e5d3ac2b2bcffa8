/* SPDX-License-Identifier: GPL-2.0 */
/*
 * synchronized.h - handle a received segment from SYN-RECEIVED on
 */
#ifndef XTCP_SEGMENT_SYNCHRONIZED_H
#define XTCP_SEGMENT_SYNCHRONIZED_H

#include <linux/types.h>

#include "ending.h"

struct sk_buff;
struct sock;
struct xtcp_seg;

enum xtcp_ending xtcp_synchronized_rcv(struct sock *sk, struct sk_buff *skb,
				       const struct xtcp_seg *seg);

#endif /* XTCP_SEGMENT_SYNCHRONIZED_H */
