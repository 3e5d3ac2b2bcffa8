/* SPDX-License-Identifier: GPL-2.0 */
/*
 * holder: a system call that holds a socket's lock for as long as a test likes, so
 * that segments and timers find the socket owned by its user.
 *
 * It is a recv() with MSG_PEEK into a page that is missing, or a send() from memory whose last
 * page is missing: the copy faults under the lock, and userfaultfd keeps it waiting. For recv()
 * the socket must have data to read.
 */
#ifndef SELFTESTS_LIB_HOLDER_H
#define SELFTESTS_LIB_HOLDER_H

#include <pthread.h>

#include "check.h"

struct holder {
	struct __test_metadata *test;
	int fd, uffd;
	size_t size;	/* of the memory, in bytes */
	void *memory;
	pthread_t thread;
};

/* Returns when the lock is held. */
#define holder_hold(md, h, fd) holder_hold_at(WHERE(md), h, fd)
void holder_hold_at(struct where at, struct holder *h, int fd);
/* The same with a send() of so many bytes; all but those of the last page have been copied. */
#define holder_send(md, h, fd, bytes) holder_send_at(WHERE(md), h, fd, bytes)
void holder_send_at(struct where at, struct holder *h, int fd, size_t bytes);
/* Returns when the call has returned, and the deferred work has been done. */
void holder_release(struct holder *h);

#endif
