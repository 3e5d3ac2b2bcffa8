/* SPDX-License-Identifier: GPL-2.0 */
/*
 * skb.h - a received segment's skb
 */
#ifndef XTCP_NET_SKB_H
#define XTCP_NET_SKB_H

#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <linux/types.h>

/**
 * xtcp_skb_segs - how many segments an skb holds
 * @skb: received
 *
 * What comes from this machine, or from a hypervisor, may not have been cut.
 *
 * Return: segments, at least 1.
 */
static inline u32 xtcp_skb_segs(const struct sk_buff *skb)
{
	return max_t(u32, skb_shinfo(skb)->gso_segs, 1);
}

/**
 * xtcp_skb_done - a segment is not needed any more
 * @skb: segment, or NULL; consumed
 * @why: SKB_NOT_DROPPED_YET: it was accepted, and drop monitors shall not
 *	hear of it
 */
static inline void xtcp_skb_done(struct sk_buff *skb, enum skb_drop_reason why)
{
	if (unlikely(why))
		kfree_skb_reason(skb, why);
	else
		consume_skb(skb);
}

#endif /* XTCP_NET_SKB_H */
