// SPDX-License-Identifier: GPL-2.0
/* due: see due.h. */
#include "due.h"

#define BEFORE_MS 5
/* A reading of the clock takes less, an interrupt more. */
#define INTERRUPTION_NS 400

double due_taken_ns(int64_t until_ns)
{
	int64_t last = now_ns(), taken = 0;

	while (last < until_ns) {
		int64_t now = now_ns();

		if (now - last > INTERRUPTION_NS)
			taken += now - last;
		last = now;
	}
	return taken;
}

double due_cost(int64_t due_ns, int records)
{
	int64_t from = due_ns - BEFORE_MS * NSEC_PER_MSEC;
	double ticks, work;

	must(now_ns() <= due_ns - DUE_EARLY_MS * NSEC_PER_MSEC, "too late for what is due");
	sleep_until_ns(from - 2 * DUE_WINDOW_MS * NSEC_PER_MSEC);
	ticks = due_taken_ns(now_ns() + DUE_WINDOW_MS * NSEC_PER_MSEC);
	sleep_until_ns(from);
	bench_profile_begin();
	work = due_taken_ns(from + DUE_WINDOW_MS * NSEC_PER_MSEC);
	bench_profile_end(records);
	return (work - ticks) / records;
}

double memory_used(void)
{
	long long kib, sum = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	must(f, "/proc/meminfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %lld", &kib) == 1 ||
		    sscanf(line, "VmallocUsed: %lld", &kib) == 1)
			sum += kib;
	fclose(f);
	return sum * 1024.0;
}
