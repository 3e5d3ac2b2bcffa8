/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sleeper: a system call that may block, made by a child process, while the test acts
 * as the peer, or the other end, that the call waits for.
 */
#ifndef SELFTESTS_LIB_SLEEPER_H
#define SELFTESTS_LIB_SLEEPER_H

#include <stdint.h>
#include <sys/types.h>

#include "check.h"

/* The call's return value and errno, and its duration in milliseconds. */
struct sleeper_result {
	long ret;
	int err;
	int64_t ms;
	char data[512];			/* output of the call */
};

/* The call; @data is struct sleeper_result's, for what it reads. */
typedef long (*sleeper_call)(int fd, char *data);

struct sleeper {
	struct __test_metadata *test;
	pid_t pid;
	int pipe;
};

/* The child inherits every descriptor; fd is made blocking first. */
#define sleeper_start(md, fd, call) sleeper_start_at(WHERE(md), fd, call, -1, 0)
/* SIGALRM comes after so many ms; sa_flags: SA_RESTART or 0. */
#define sleeper_start_alarm(md, fd, call, alarm_ms, sa_flags) \
	sleeper_start_at(WHERE(md), fd, call, alarm_ms, sa_flags)
struct sleeper sleeper_start_at(struct where at, int fd, sleeper_call call,
				int alarm_ms, int sa_flags);
/* It still sleeps after so many ms. */
#define sleeper_expect_asleep(s, ms) \
	sleeper_expect_asleep_at(WHERE((s)->test), s, ms)
void sleeper_expect_asleep_at(struct where at, struct sleeper *s, int ms);
/* It returns within so many ms. */
#define sleeper_expect_done(s, ms) \
	sleeper_expect_done_at(WHERE((s)->test), s, ms)
struct sleeper_result sleeper_expect_done_at(struct where at, struct sleeper *s,
					     int ms);
/* The duration of a call that waits by the socket layer's timers, which are coarse. */
void sleeper_expect_ms(struct where at, int64_t ms, int64_t want_ms);

#endif
