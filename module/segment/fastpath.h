/* SPDX-License-Identifier: GPL-2.0 */
/* fastpath.h - fast path for the segment that is next in order */
#ifndef XTCP_SEGMENT_FASTPATH_H
#define XTCP_SEGMENT_FASTPATH_H

#include <linux/types.h>

struct sk_buff;
struct sock;
struct xtcp_seg;

bool xtcp_fastpath_rcv(struct sock *sk, struct sk_buff *skb,
		       const struct xtcp_seg *seg);

#endif /* XTCP_SEGMENT_FASTPATH_H */
