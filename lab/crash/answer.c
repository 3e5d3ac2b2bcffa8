// SPDX-License-Identifier: GPL-2.0
/*
 * Exercise 4: the other end has crashed.
 *
 * The service calls prepare() with each new connection, then waits in read(). A visitor whose
 * machine has crashed sends no FIN and no RST, so the connection stays for ever. Let it end within
 * two minutes. A visitor who is only idle shall stay: he may be silent for five minutes.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "frame.h"

void prepare(int fd)
{
	(void)fd;
}
