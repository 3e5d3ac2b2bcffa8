/* SPDX-License-Identifier: GPL-2.0 */
/*
 * clock: the one clock of the tests, CLOCK_MONOTONIC.
 *
 * In a guest with virtual time an idle machine jumps to its next timer, so a sleep
 * of an hour costs nothing and is still exact.
 */
#ifndef SELFTESTS_LIB_CLOCK_H
#define SELFTESTS_LIB_CLOCK_H

#include <errno.h>
#include <stdint.h>
#include <time.h>

#define NSEC_PER_MSEC 1000000LL
#define NSEC_PER_SEC 1000000000LL

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static inline int64_t now_ms(void)
{
	return now_ns() / NSEC_PER_MSEC;
}

static inline void sleep_until_ns(int64_t when_ns)
{
	struct timespec ts = {
		.tv_sec = when_ns / NSEC_PER_SEC,
		.tv_nsec = when_ns % NSEC_PER_SEC,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static inline void sleep_ms(int64_t ms)
{
	sleep_until_ns(now_ns() + ms * NSEC_PER_MSEC);
}

/* For what the kernel counts by the second: returns when a second has just begun. */
static inline void second_begin(void)
{
	sleep_until_ns((now_ns() / NSEC_PER_SEC + 1) * NSEC_PER_SEC +
		       20 * NSEC_PER_MSEC);
}

#endif
