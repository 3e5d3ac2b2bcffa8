/* SPDX-License-Identifier: GPL-2.0 */
/*
 * timers.h - the deadlines of sockets
 */
#ifndef XTCP_TIMERS_H
#define XTCP_TIMERS_H

#include <linux/ktime.h>
#include <linux/timekeeping.h>

#include "tcb.h"

static inline u64 xtcp_now_ns(void)
{
	return ktime_get_ns();
}

/* The low 32 bits, for spans of less than an hour. */
static inline u32 xtcp_now_us(void)
{
	return div_u64(ktime_get_ns(), NSEC_PER_USEC);
}

static inline u32 xtcp_now_ms(void)
{
	return div_u64(ktime_get_ns(), NSEC_PER_MSEC);
}

int xtcp_timers_load(void);
void xtcp_timers_unload(void);

void xtcp_timers_init(struct sock *sk);
void xtcp_timer_set(struct sock *sk, enum xtcp_timer which, u64 delay_ns);
void xtcp_timer_set_from(struct sock *sk, enum xtcp_timer which, u64 now_ns,
			 u64 delay_ns);
void xtcp_timer_clear(struct sock *sk, enum xtcp_timer which);
void xtcp_timers_clear_all(struct sock *sk);
void xtcp_timers_run(struct sock *sk);

static inline bool xtcp_timer_is_set(const struct xtcp_sock *xs,
				     enum xtcp_timer which)
{
	return READ_ONCE(xs->deadline_ns[which]) != 0;
}

#endif /* XTCP_TIMERS_H */
