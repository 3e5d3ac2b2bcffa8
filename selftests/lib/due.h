/* SPDX-License-Identifier: GPL-2.0 */
/* due: what timers cost, and how much memory is left. For selftests/bench. */
#ifndef SELFTESTS_LIB_DUE_H
#define SELFTESTS_LIB_DUE_H

#include "bench.h"

/*
 * The cost of each of @records records that expire at @due_ns or within DUE_WINDOW_MS
 * after it, while nothing else is due, less the tick's part. Waits until then, and
 * must be called DUE_EARLY_MS before.
 */
#define DUE_WINDOW_MS 60
#define DUE_EARLY_MS 200
double due_cost(int64_t due_ns, int records);

/*
 * How much of the time until then others took: softirqs, work items, the tick. This
 * process does nothing but read the clock; a gap between two readings is theirs.
 */
double due_taken_ns(int64_t until_ns);

/* Bytes of kernel slabs and tables, whole pages of them. */
double memory_used(void);

#endif
