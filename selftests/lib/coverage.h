/* SPDX-License-Identifier: GPL-2.0 */
/*
 * coverage: which functions of xtcp this thread has entered, by KCOV. It sees what
 * runs in the context of the thread, such as a segment that it writes to a tun device;
 * not timers, nor what a softirq takes up. The module has to be built with
 * KCOV_INSTRUMENT=y (scripts/coverage does).
 */
#ifndef SELFTESTS_LIB_COVERAGE_H
#define SELFTESTS_LIB_COVERAGE_H

/* Only with XTCP_COVERAGE in the environment; else these functions do nothing. */
void coverage_begin(void);
/* To be called before a million steps have gone by. */
void coverage_gather(void);
/* "# entered NAME" or "# not entered NAME" for each function. */
void coverage_report(void);

#endif
