// SPDX-License-Identifier: GPL-2.0
/*
 * tsc-khz: prints the frequency of the time stamp counter in kHz. An emulated
 * x86 guest in real time needs it: it sees the host's counter, but if it
 * measures the frequency at boot, by emulated timers on a busy host, the result
 * can be wrong by any factor.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct moment {
	uint64_t ticks;
	int64_t ns;
};

/* Read both clocks; of 1000 readings, take the least disturbed one. */
static struct moment look(void)
{
	struct moment best = { 0 };
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 1000; i++) {
		struct timespec ts;
		uint64_t before, after;

		before = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
		after = __rdtsc();
		if (after - before >= least)
			continue;
		least = after - before;
		best.ticks = before + least / 2;
		best.ns = ts.tv_sec * 1000000000LL + ts.tv_nsec;
	}
	return best;
}

int main(void)
{
	struct moment from = look(), to;

	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	to = look();
	printf("%.0f\n", (to.ticks - from.ticks) * 1e6 / (to.ns - from.ns));
	return 0;
}
