// SPDX-License-Identifier: GPL-2.0
/*
 * Exercise 5: a reader who stops reading.
 *
 * The service calls prepare() with each new connection, then sends 200,000 bytes. The window of a
 * visitor who doesn't read closes, and he answers window probes, so the connection would stay
 * for ever, with its buffers and its process. Let it end within two minutes. A visitor who pauses
 * for 10 s shall get all bytes.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "frame.h"

void prepare(int fd)
{
	(void)fd;
}
