/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rack: what the tests of losses, and of losses that were none, share: segments in flight on a
 * path of 100 ms.
 */
#ifndef SELFTESTS_TRANSFER_RACK_H
#define SELFTESTS_TRANSFER_RACK_H

#include "lib/xtcp_test.h"

#define MSS 1000
#define RTT_MS 100
#define RTO_MS (RTT_MS + 200)
#define WINDOW_MS (RTT_MS / 4 + 2)	/* for reordering, and the timer's slack */
#define LATE_MS 5	/* what flight_expect_only() waits */
#define WITH_SACK OPT(OPT_MSS(MSS), OPT_SACKOK)

#define PTO_MS (2 * RTT_MS + slack_ms())	/* several segments in flight */

/* Two ticks of the kernel's clock, 2 ms at the least; the kernel's timer adds them. */
static inline int slack_ms(void)
{
	struct timespec tick;
	int ms;

	if (stock_mode() || clock_getres(CLOCK_MONOTONIC_COARSE, &tick))
		return 2;
	ms = 2 * tick.tv_nsec / NSEC_PER_MSEC;
	return ms > 2 ? ms : 2;
}

/* A connection with @n segments in flight, just sent. */
static inline void fly(struct peer *p, struct conn *c, struct optbytes opt, int n)
{
	flight_start(p, c, n, .opt = opt, .rtt_ms = RTT_MS);
}

/* The same, a round trip later. */
static inline void fly_rtt(struct peer *p, struct conn *c, struct optbytes opt, int n)
{
	fly(p, c, opt, n);
	peer_sleep_until(p, RTT_MS);
}

/*
 * counters_begin(), without the counters of how the scoreboard is kept: the kernel's
 * TCP has its own.
 */
static inline void counters_begin_sack(struct counters *before)
{
	counters_begin(before);
	if (stock_mode())
		counters_ignore(before, "TCPSackShifted", "TCPSackMerged",
				"TCPSackShiftFallback", NULL);
}

#endif
