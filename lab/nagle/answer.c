// SPDX-License-Identifier: GPL-2.0
/*
 * Exercise 6: Nagle's algorithm meets the delayed ACK.
 *
 * request() writes a head and a body. The body waits for the ACK of the head (Nagle). The server
 * delays this ACK by 40 ms, because it has no answer yet with which the ACK could go. Let a request
 * take one round trip and one segment. prepare() is called once, after connect().
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "frame.h"

void prepare(int fd)
{
	(void)fd;
}

void request(int fd, const char *head, const char *body)
{
	if (write(fd, head, HEAD_BYTES) < 0 || write(fd, body, BODY_BYTES) < 0)
		_exit(1);
}
