/* SPDX-License-Identifier: GPL-2.0 */
/*
 * faults: allocations of this task that fail, by the kernel's fault injection. One run
 * for each allocation that the tested code makes.
 */
#ifndef SELFTESTS_HOSTILE_FAULTS_H
#define SELFTESTS_HOSTILE_FAULTS_H

#include "lib/xtcp_test.h"

#include <sys/mman.h>

#define FAULTS "/sys/kernel/debug/"

static int fail_nth = -1;
static int faults_nr;

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ksft_exit_fail_msg("%s: %s\n", path, strerror(errno));
	close(fd);
}

/* Sleeping allocations as well, and single pages; nothing in the log. */
static void faults_prepare(void)
{
	write_to(FAULTS "failslab/ignore-gfp-wait", "N");
	write_to(FAULTS "failslab/verbose", "0");
	write_to(FAULTS "fail_page_alloc/ignore-gfp-wait", "N");
	write_to(FAULTS "fail_page_alloc/min-order", "0");
	write_to(FAULTS "fail_page_alloc/verbose", "0");
	/* Allocate our own pages before. */
	mlockall(MCL_CURRENT | MCL_FUTURE);
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
	if (fail_nth < 0)
		ksft_exit_fail_msg("fail-nth: %s\n", strerror(errno));
}

static void faults_arm(int n)
{
	char text[16];
	int len = sprintf(text, "%d", n);

	if (fail_nth < 0)
		faults_prepare();
	if (pwrite(fail_nth, text, len, 0) != len)
		ksft_exit_fail_msg("fail-nth: %s\n", strerror(errno));
}

/* Return: true if an allocation has failed since. */
static bool faults_disarm(void)
{
	char text[16] = "";
	int saved = errno;

	if (pread(fail_nth, text, sizeof(text) - 1, 0) < 1)
		ksft_exit_fail_msg("fail-nth: %s\n", strerror(errno));
	if (pwrite(fail_nth, "0", 1, 0) != 1)
		ksft_exit_fail_msg("fail-nth: %s\n", strerror(errno));
	errno = saved;
	return atoi(text) == 0;
}

/*
 * The body runs with its n-th allocation failing, for n = 1, 2, ..., and once more
 * without a fault. It has to arm the fault and to set more.
 */
#define EACH_FAULT(n, more) \
	for (int n = faults_nr = 1, more = true; more; n = ++faults_nr)

/*
 * Afterwards: @least allocations failed, or more, one after the other. That is some three quarters
 * of what is counted, so that a test notices if the code under test runs before the fault is armed.
 */
#define EXPECT_FAULTS(what, least) do { \
	TH_LOG("%s: %d allocations failed in turn", what, faults_nr - 2); \
	EXPECT_LE(least, faults_nr - 2); \
} while (0)

#endif
