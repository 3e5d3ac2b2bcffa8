/* SPDX-License-Identifier: GPL-2.0 */
/*
 * oow.h - how often an invalid segment is answered
 *
 * RFC 5961 7: answers to segments that are out of window could be bounced
 * between two confused peers for ever. So a connection answers at most one
 * in each interval, whichever rule the segment broke.
 */
#ifndef XTCP_NET_OOW_H
#define XTCP_NET_OOW_H

#include <linux/types.h>

#include "timers.h"

#define XTCP_OOW_INTERVAL_MS	500U	/* Linux: tcp_invalid_ratelimit */

/*
 * May the connection whose last such answer is in *@last_ms (0: none yet)
 * answer now? Notes it if so.
 */
static inline bool xtcp_oow_may_answer(u32 *last_ms)
{
	u32 now = xtcp_now_ms();

	if (*last_ms && now - *last_ms < XTCP_OOW_INTERVAL_MS)
		return false;
	*last_ms = now ?: 1;
	return true;
}

#endif /* XTCP_NET_OOW_H */
