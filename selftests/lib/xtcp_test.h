/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xtcp_test: the header of lib/ that each test program includes, once; it includes most others.
 *
 *	#include "lib/xtcp_test.h"
 *
 *	PEER_FIXTURE(opening);
 *
 *	TEST_F(opening, lc_03_syn_is_answered)
 *	{
 *		struct peer *p = &self->peer;
 *
 *		peer_listen(p, KERNEL_PORT, 16);
 *		peer_send(p, .flags = SYN, .seq = 1000, .opt = OPT(OPT_MSS(1460)));
 *		peer_expect(p, .flags = SYN | ACK, .ack = 1001);
 *	}
 *
 *	TEST_HARNESS_MAIN
 *
 * selftests/README has the rest.
 */
#ifndef SELFTESTS_LIB_XTCP_TEST_H
#define SELFTESTS_LIB_XTCP_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

/*
 * The harness forks between setjmp and longjmp, compares integers of different signs
 * and has unused parameters.
 */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wclobbered"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-parameter"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/socket.h>

#include "kselftest_harness.h"

/*
 * The harness's alarm runs in the guest's time, where waiting for the end of TIME-WAIT
 * is normal and costs nothing. TEST_F_TIMEOUT for hours.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 600

#include "alone.h"
#include "check.h"
#include "clock.h"
#include "conn.h"
#include "context.h"
#include "coverage.h"
#include "crowd.h"
#include "exthdr.h"
#include "flight.h"
#include "holder.h"
#include "klog.h"
#include "module.h"
#include "netns.h"
#include "nfqueue.h"
#include "pair.h"
#include "peer.h"
#include "play.h"
#include "poison.h"
#include "proc.h"
#include "program.h"
#include "ring.h"
#include "segment.h"
#include "sleeper.h"
#include "socket.h"
#include "stream.h"

void check_fail(struct where at, const char *fmt, ...)
{
	va_list ap;

	fprintf(TH_LOG_STREAM, "# %s:%d:%s:", at.file, at.line, at.test->name);
	va_start(ap, fmt);
	vfprintf(TH_LOG_STREAM, fmt, ap);
	va_end(ap);
	fputc('\n', TH_LOG_STREAM);
	at.test->exit_code = KSFT_FAIL;
	__bail(1, at.test);
	abort();
}

bool check_is_over(struct __test_metadata *test)
{
	return test->exit_code != KSFT_PASS;
}

/* A fixture with a struct @member, self->@member, made by @member_open_at(). */
#define FIXTURE_WITH(name, member) \
	FIXTURE(name) { \
		struct member member; \
	}; \
	FIXTURE_VARIANT(name) { \
		struct peer_setup setup; \
	}; \
	FIXTURE_SETUP(name) \
	{ \
		member##_open_at(WHERE(_metadata), &self->member, \
				 variant ? &variant->setup : NULL); \
	} \
	FIXTURE_TEARDOWN(name) \
	{ \
		member##_close_at(WHERE(_metadata), &self->member); \
	}

/* A fixture with a raw peer: self->peer. Variants may be added; .setup. */
#define PEER_FIXTURE(name) FIXTURE_WITH(name, peer)
/* A fixture with two namespaces: self->pair. */
#define PAIR_FIXTURE(name) FIXTURE_WITH(name, pair)

/* Runs @run in a child process; the test fails if an assertion of @run does. */
static inline void child_run(struct __test_metadata *_metadata,
			     void (*run)(struct __test_metadata *_metadata))
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		run(_metadata);
		_exit(_metadata->exit_code != KSFT_PASS);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
}

/* For a test of what the kernel's TCP does not have or do. */
#define NOT_ON_STOCK() \
	do { \
		if (stock_mode()) \
			SKIP(return, "not what stock TCP does"); \
	} while (0)

#endif
