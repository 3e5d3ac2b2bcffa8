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

/* What happens at each deadline, with the socket locked; deadlines.c. */
extern void (*const xtcp_timer_handlers[XTCP_TIMERS])(struct sock *sk);

int xtcp_timers_load(void);
void xtcp_timers_unload(void);

void xtcp_timers_init(struct sock *sk);
void xtcp_timer_set(struct sock *sk, enum xtcp_timer which, u64 delay_ns);
void xtcp_timers_arm(struct sock *sk, u64 deadline_ns);
void xtcp_timers_clear_all(struct sock *sk);
void xtcp_timers_run(struct sock *sk);

/**
 * xtcp_timer_clear - there is nothing to wait for any more
 * @sk: locked
 * @which: what for
 */
static inline void xtcp_timer_clear(struct sock *sk,
				    enum xtcp_timer which)
{
	WRITE_ONCE(xtcp_sk(sk)->deadline_ns[which], 0);
}

static inline bool xtcp_timer_is_set(const struct xtcp_sock *xs,
				     enum xtcp_timer which)
{
	return READ_ONCE(xs->deadline_ns[which]) != 0;
}

/*
 * Has it a place in a wheel? Without the wheel's lock it may just be leaving:
 * then its turn comes, and looks at all deadlines that are set meanwhile.
 */
static inline bool xtcp_timers_turn_is_set(const struct xtcp_sock *xs)
{
	/* See above: a stale answer is followed by the turn itself. */
	return data_race(!list_empty(&xs->turn.link));
}

/* Is its turn no later than that? */
static inline bool xtcp_timers_cover(const struct xtcp_sock *xs,
				     u64 deadline_ns)
{
	return xtcp_timers_turn_is_set(xs) &&
	       xs->turn.expires_ns <= deadline_ns;
}

/**
 * xtcp_timer_set_from - the same, for who has just looked at the clock
 * @sk: locked
 * @which: what for
 * @now_ns: when that was
 * @delay_ns: from then
 */
static inline void xtcp_timer_set_from(struct sock *sk, enum xtcp_timer which,
				       u64 now_ns, u64 delay_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 deadline = now_ns + delay_ns;

	WRITE_ONCE(xs->deadline_ns[which], deadline);
	if (!xtcp_timers_cover(xs, deadline))
		xtcp_timers_arm(sk, deadline);
}

/* Its turn is near if it comes so long after the last segment. */
#define XTCP_TURN_NEAR_NS	NSEC_PER_SEC

/**
 * xtcp_timers_turn_is_near - will its deadlines be looked at soon in any case
 * @xs: connection, locked
 */
static inline bool xtcp_timers_turn_is_near(const struct xtcp_sock *xs)
{
	return xtcp_timers_turn_is_set(xs) &&
	       (s64)(xs->turn.expires_ns - xs->last_rcv_ns) <
	       (s64)XTCP_TURN_NEAR_NS;
}

#endif /* XTCP_TIMERS_H */
