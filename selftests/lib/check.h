/* SPDX-License-Identifier: GPL-2.0 */
/*
 * check: how a library function fails the test.
 *
 * The kselftest harness is in a header that a program may include only once, in the
 * test itself (through xtcp_test.h). The library's own files see the test as an
 * opaque pointer plus the line that called them, and end it with check_fail(), which
 * xtcp_test.h defines.
 */
#ifndef SELFTESTS_LIB_CHECK_H
#define SELFTESTS_LIB_CHECK_H

#include <stdbool.h>

struct __test_metadata;

struct where {
	struct __test_metadata *test;
	const char *file;
	int line;
};

#define WHERE(test) ((struct where){ (test), __FILE__, __LINE__ })

/* Prints "# file:line:test: message" and leaves the test, teardown included. */
__attribute__((noreturn, format(printf, 2, 3)))
void check_fail(struct where at, const char *fmt, ...);

/* Return: true once the test has failed or been skipped; it must not complain again. */
bool check_is_over(struct __test_metadata *test);

#define check(cond, at, ...) \
	do { if (!(cond)) check_fail((at), __VA_ARGS__); } while (0)

#endif
