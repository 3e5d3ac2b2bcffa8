/* SPDX-License-Identifier: GPL-2.0 */
/*
 * timers.h - the deadlines of sockets
 *
 * Only deadlines.h calls xtcp_timer_set(), xtcp_timer_set_from(), xtcp_timer_clear()
 * and xtcp_timers_rest(): the stages report events to it.
 */
#ifndef XTCP_TIMERS_H
#define XTCP_TIMERS_H

#include "tcb.h"

/* Handler of each deadline, called with the socket locked; timeouts.c. */
extern void (*const xtcp_timer_handlers[XTCP_TIMERS])(struct sock *sk);

int xtcp_timers_load(void);
void xtcp_timers_unload(void);

void xtcp_timers_init(struct sock *sk);
void xtcp_timer_set(struct sock *sk, enum xtcp_timer which, u64 delay_ns);
void xtcp_timers_arm(struct sock *sk, u64 deadline_ns);
void xtcp_timers_rest(struct sock *sk);
void xtcp_timers_clear_all(struct sock *sk);
void xtcp_timers_run(struct sock *sk);

/**
 * xtcp_timer_clear - clear a deadline
 * @sk: locked
 * @which: deadline
 */
static inline void xtcp_timer_clear(struct sock *sk,
				    enum xtcp_timer which)
{
	xtcp_assert_owned(sk);
	WRITE_ONCE(xtcp_sk(sk)->deadline_ns[which], 0);
}

static inline bool xtcp_timer_is_set(const struct xtcp_sock *xs,
				     enum xtcp_timer which)
{
	return READ_ONCE(xs->deadline_ns[which]) != 0;
}

/*
 * Is the socket's entry in a timing wheel? Without the wheel's lock, the entry may
 * just be expiring; then the expiry checks all deadlines set until then.
 */
static inline bool xtcp_timers_entry_is_set(const struct xtcp_sock *xs)
{
	/*
	 * If the entry looks unlinked, the CPU that unlinked it has finished with it: the caller
	 * may link it. If it looks linked but has just been unlinked, its expiry is still to come.
	 * While a wheel moves the entry to a lower level, the entry never points to itself, so it
	 * does not look unlinked meanwhile.
	 */
	return !data_race(list_empty_careful(&xs->wheel_entry.link));
}

/* Does the wheel entry expire at @deadline_ns or before? */
static inline bool xtcp_timers_cover(const struct xtcp_sock *xs,
				     u64 deadline_ns)
{
	return xtcp_timers_entry_is_set(xs) &&
	       xs->wheel_entry.expires_ns <= deadline_ns;
}

/**
 * xtcp_timer_set_from - like xtcp_timer_set(), with the caller's timestamp
 * @sk: locked
 * @which: deadline
 * @now_ns: current time, CLOCK_MONOTONIC
 * @delay_ns: time from @now_ns to the deadline
 */
static inline void xtcp_timer_set_from(struct sock *sk, enum xtcp_timer which,
				       u64 now_ns, u64 delay_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 deadline = now_ns + delay_ns;

	xtcp_assert_owned(sk);
	WRITE_ONCE(xs->deadline_ns[which], deadline);
	if (!xtcp_timers_cover(xs, deadline))
		xtcp_timers_arm(sk, deadline);
}

/* An expiry is near if it is at most this long after the last segment. */
#define XTCP_EXPIRY_NEAR_NS	NSEC_PER_SEC

/**
 * xtcp_timers_expiry_is_near - will the wheel entry expire soon
 * @xs: connection, locked
 *
 * Return: true if the deadlines will be checked soon in any case.
 */
static inline bool xtcp_timers_expiry_is_near(const struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	return xtcp_timers_entry_is_set(xs) &&
	       (s64)(xs->wheel_entry.expires_ns - xs->last_rcv_ns) <
	       (s64)XTCP_EXPIRY_NEAR_NS;
}

#endif /* XTCP_TIMERS_H */
