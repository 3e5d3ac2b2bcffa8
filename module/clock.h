/* SPDX-License-Identifier: GPL-2.0 */
/*
 * clock.h - CLOCK_MONOTONIC, in three units
 */
#ifndef XTCP_CLOCK_H
#define XTCP_CLOCK_H

#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/timekeeping.h>
#include <linux/types.h>

static inline u64 xtcp_now_ns(void)
{
	return ktime_get_ns();
}

static inline u32 xtcp_now_ms(void)
{
	return div_u64(ktime_get_ns(), NSEC_PER_MSEC);
}

/* Of a coarse clock: it may lag by a tick. */
static inline u32 xtcp_now_s(void)
{
	return ktime_get_seconds();
}

#endif /* XTCP_CLOCK_H */
