// SPDX-License-Identifier: GPL-2.0
/*
 * One system call for both parts is one segment, and nothing is left for Nagle's algorithm to hold
 * back. TCP_NODELAY alone would save the wait but send two segments.
 */
#include <sys/uio.h>
#include <unistd.h>

#include "frame.h"

void prepare(int fd)
{
	(void)fd;
}

void request(int fd, const char *head, const char *body)
{
	struct iovec parts[] = {
		{ .iov_base = (char *)head, .iov_len = HEAD_BYTES },
		{ .iov_base = (char *)body, .iov_len = BODY_BYTES },
	};

	if (writev(fd, parts, 2) < 0)
		_exit(1);
}
