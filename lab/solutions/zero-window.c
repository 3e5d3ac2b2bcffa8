// SPDX-License-Identifier: GPL-2.0
/* Unacknowledged or unsent data may wait for 30 s, whether probes are answered or not. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "frame.h"

void prepare(int fd)
{
	unsigned int timeout_ms = 30000;

	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}
