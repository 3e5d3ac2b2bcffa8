/* SPDX-License-Identifier: GPL-2.0 */
/*
 * oow.h - rate limit of answers to invalid segments
 *
 * RFC 5961 7: two confused peers could answer each other's out-of-window
 * segments for ever. So a connection answers at most one in each interval,
 * whichever check failed. Segments with payload or FIN are always answered: no
 * ACK causes them, so they make no loop, and their sender waits for the answer.
 * Challenge ACKs have no such exemption.
 *
 * Context: any. A socket is locked; a record is not, so two CPUs at once may both
 * be allowed an answer.
 */
#ifndef XTCP_SEGMENT_OOW_H
#define XTCP_SEGMENT_OOW_H

#include <linux/types.h>

#include "clock.h"
#include "net/wire.h"
#include "netns.h"

/* xtcp_invalid_ratelimit in ms; 0: no limit. */
static inline u32 xtcp_oow_interval_ms(const struct net *net)
{
	return jiffies_to_msecs(max(XTCP_KNOB(net, invalid_ratelimit), 0));
}

static inline bool xtcp_oow_is_exempt(const struct xtcp_seg *seg)
{
	return seg && seg->end != seg->seq && !(seg->flags & XTCP_SYN);
}

/*
 * Take an answer to @seg from the rate limit. @last_ms is the time of the connection's last
 * such answer, 0 if none. Returns true, and sets @last_ms, if the caller is to answer. @seg NULL:
 * no segment is exempt.
 */
static inline bool xtcp_oow_take_answer(struct net *net, u32 *last_ms,
					const struct xtcp_seg *seg)
{
	u32 now = xtcp_now_ms();
	u32 last;

	if (xtcp_oow_is_exempt(seg))
		return true;
	last = READ_ONCE(*last_ms);
	if (last && now - last < xtcp_oow_interval_ms(net))
		return false;
	WRITE_ONCE(*last_ms, now ?: 1);
	return true;
}

bool xtcp_oow_take_challenge(struct net *net, u32 *last_ms);

#endif /* XTCP_SEGMENT_OOW_H */
