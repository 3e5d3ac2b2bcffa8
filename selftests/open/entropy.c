// SPDX-License-Identifier: GPL-2.0
/*
 * entropy: the kernel has no random numbers yet when xtcp is loaded. No key may be
 * drawn before it has. RFC 6528 3, RFC 4086.
 */
/* vm: append=random.trust_cpu=off append=random.trust_bootloader=off machine */
#include "lib/xtcp_test.h"

#include <string.h>
#include <sys/klog.h>

#define SYSLOG_ACTION_READ_ALL 3

static char kernel_log[1 << 18];

/* The guest loads xtcp first and runs programs then, as its log says. */
TEST(rfc6528_key_is_not_drawn_before_it_is_random)
{
	const char *ready, *loaded, *begin;
	int len;

	NOT_ON_STOCK();
	len = klogctl(SYSLOG_ACTION_READ_ALL, kernel_log, sizeof(kernel_log) - 1);
	ASSERT_LT(0, len);
	loaded = strstr(kernel_log, "xtcp: loading out-of-tree module");
	ready = strstr(kernel_log, "random: crng init done");
	begin = strstr(kernel_log, "xtcp-vm: begin");
	ASSERT_NE(NULL, loaded);
	ASSERT_NE(NULL, begin);
	ASSERT_NE(NULL, ready);
	/* Otherwise it had no need to wait, and the test proves nothing. */
	EXPECT_LT(loaded, ready);
	EXPECT_LT(ready, begin);
}

TEST_HARNESS_MAIN
