/* SPDX-License-Identifier: GPL-2.0 */
/*
 * skb.h - helpers for received skbs
 */
#ifndef XTCP_NET_SKB_H
#define XTCP_NET_SKB_H

#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <linux/types.h>

/**
 * xtcp_skb_segs - get the number of segments of an skb
 * @skb: received skb
 *
 * An skb from this host, or from a hypervisor, may not have been segmented.
 *
 * Return: number of segments, at least 1.
 */
static inline u32 xtcp_skb_segs(const struct sk_buff *skb)
{
	return max_t(u32, skb_shinfo(skb)->gso_segs, 1);
}

/**
 * xtcp_skb_is_stamped - has the device or the kernel noted when a segment arrived
 * @skb: received skb
 *
 * Return: true if it has.
 */
static inline bool xtcp_skb_is_stamped(struct sk_buff *skb)
{
	return skb->tstamp || skb_hwtstamps(skb)->hwtstamp;
}

/**
 * xtcp_skb_stamp_merged - arrival time of two segments in one skb (SO_TIMESTAMP, SO_TIMESTAMPING)
 * @to: received skb, whose time becomes that of the last segment that has one
 * @from: the segment whose payload follows in @to
 */
static inline void xtcp_skb_stamp_merged(struct sk_buff *to, struct sk_buff *from)
{
	if (!xtcp_skb_is_stamped(from))
		return;
	to->tstamp = from->tstamp;
	skb_hwtstamps(to)->hwtstamp = skb_hwtstamps(from)->hwtstamp;
}

/**
 * xtcp_skb_done - free a segment that is not needed any more
 * @skb: segment, or NULL; consumed
 * @why: drop reason; SKB_NOT_DROPPED_YET if it was accepted, so that drop
 *	monitors ignore it
 */
static inline void xtcp_skb_done(struct sk_buff *skb, enum skb_drop_reason why)
{
	if (unlikely(why))
		kfree_skb_reason(skb, why);
	else
		consume_skb(skb);
}

#endif /* XTCP_NET_SKB_H */
