/* SPDX-License-Identifier: GPL-2.0 */
/*
 * oow.h - how often an invalid segment is answered
 *
 * RFC 5961 7: answers to segments that are out of window could be bounced
 * between two confused peers for ever. So a connection answers at most one
 * in each interval, whichever rule the segment broke. Text and FIN are answered
 * always: an ACK does not bring them forth, so they make no loop, and their
 * sender waits for the answer.
 */
#ifndef XTCP_SEGMENT_OOW_H
#define XTCP_SEGMENT_OOW_H

#include <linux/types.h>

#include "net/wire.h"
#include "netns.h"
#include "timers.h"

/* xtcp_invalid_ratelimit; 0: each may be answered. */
static inline u32 xtcp_oow_interval_ms(const struct net *net)
{
	return jiffies_to_msecs(max(XTCP_KNOB(net, invalid_ratelimit), 0));
}

static inline bool xtcp_oow_is_exempt(const struct xtcp_seg *seg)
{
	return seg && seg->end != seg->seq && !(seg->flags & XTCP_SYN);
}

/*
 * May the connection whose last such answer is in *@last_ms (0: none yet)
 * answer @seg now (NULL: whatever it is)? Notes it if so.
 */
static inline bool xtcp_oow_may_answer(struct net *net, u32 *last_ms,
				       const struct xtcp_seg *seg)
{
	u32 now = xtcp_now_ms();

	if (xtcp_oow_is_exempt(seg))
		return true;
	if (*last_ms && now - *last_ms < xtcp_oow_interval_ms(net))
		return false;
	*last_ms = now ?: 1;
	return true;
}

#endif /* XTCP_SEGMENT_OOW_H */
