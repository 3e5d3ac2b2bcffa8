/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pump: keeps connections full, for tests of rates and shares. The bytes are not looked at;
 * stream.h does that.
 */
#ifndef SELFTESTS_LIB_PUMP_H
#define SELFTESTS_LIB_PUMP_H

#include <stddef.h>
#include <stdint.h>

#define PUMPS_MAX 4

struct pump {
	int from, to;
	size_t bytes;			/* read from @to so far */
};

/*
 * Writes and reads as much as both ends of each take, until now_ms() is @until_ms.
 * @pumps: PUMPS_MAX at most.
 */
void pump_run(struct pump *pump, int pumps, int64_t until_ms);

#endif
