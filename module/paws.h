/* SPDX-License-Identifier: GPL-2.0 */
/*
 * paws.h - protection against wrapped sequences: is a timestamp too old
 *
 * RFC 7323 5: a segment whose timestamp is older than one that came before is
 * of another lap of the sequence space. A RST is exempt (5.2). A timestamp that was
 * taken long ago proves nothing, because the peer's clock may have wrapped since: after 24
 * days if it ticks once in a millisecond (5.5), but after 36 minutes if once in a
 * microsecond, as Linux's does with the route option tcp_usec_ts. The peer does not say
 * which. Nor does 0 prove anything: some systems send it in their SYN, and their clock's
 * time afterwards.
 */
#ifndef XTCP_PAWS_H
#define XTCP_PAWS_H

#include <linux/limits.h>
#include <linux/time64.h>
#include <linux/types.h>

#include "clock.h"
#include "net/seq.h"
#include "net/wire.h"
#include "tcb.h"

/* 2^31 ticks of a microsecond. */
#define XTCP_PAWS_MAX_AGE_S	((u32)(INT_MAX / USEC_PER_SEC))

/* Is @seg's timestamp older than @ts_recent, TS.Recent of its connection? */
static inline bool xtcp_paws_is_older(const struct xtcp_seg *seg, u32 ts_recent)
{
	return seg->opt.has_ts && !(seg->flags & XTCP_RST) &&
	       (s32)(seg->opt.tsval - ts_recent) < 0 && ts_recent;
}

/* The same, when TS.Recent was taken at @ts_recent_s (s of CLOCK_MONOTONIC). */
static inline bool xtcp_paws_rejects(const struct xtcp_seg *seg, u32 ts_recent,
				     u32 ts_recent_s)
{
	return xtcp_paws_is_older(seg, ts_recent) &&
	       xtcp_now_s() - ts_recent_s < XTCP_PAWS_MAX_AGE_S;
}

/* @seg's timestamp is TS.Recent from now on. */
static inline void xtcp_paws_note(struct xtcp_sock *xs,
				  const struct xtcp_seg *seg)
{
	xs->ts_recent = seg->opt.tsval;
	xs->ts_recent_s = xtcp_now_s();
}

/*
 * Take the timestamp to echo from @seg, which has one that PAWS accepts. RFC 7323 4.3: only if
 * @seg begins at or before the sequence number that we have acknowledged last.
 */
static inline void xtcp_paws_take(struct xtcp_sock *xs,
				  const struct xtcp_seg *seg)
{
	if (seq_before_eq(seg->seq, xs->rcv_wup))
		xtcp_paws_note(xs, seg);
}

#endif /* XTCP_PAWS_H */
