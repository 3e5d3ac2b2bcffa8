/* SPDX-License-Identifier: GPL-2.0 */
/*
 * input.h - a segment arrives
 */
#ifndef XTCP_NET_INPUT_H
#define XTCP_NET_INPUT_H

#include <linux/skbuff.h>
#include <linux/types.h>

struct sock;
struct xtcp_family;
struct xtcp_seg;

void xtcp_input(struct sk_buff *skb, const struct xtcp_family *af, u8 wire);
void xtcp_input_synchronized(struct sock *sk, struct sk_buff *skb,
			     const struct xtcp_seg *seg);
void xtcp_input_third_ack(struct sock *sk, struct sk_buff *skb,
			  const struct xtcp_seg *seg);
int xtcp_input_backlog(struct sock *sk, struct sk_buff *skb);

/**
 * xtcp_input_done - a segment is not needed any more
 * @skb: segment, or NULL; consumed
 * @why: SKB_NOT_DROPPED_YET: it was accepted, and drop monitors shall not
 *	hear of it
 */
static inline void xtcp_input_done(struct sk_buff *skb,
				   enum skb_drop_reason why)
{
	if (unlikely(why))
		kfree_skb_reason(skb, why);
	else
		consume_skb(skb);
}

#endif /* XTCP_NET_INPUT_H */
