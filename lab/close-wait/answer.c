// SPDX-License-Identifier: GPL-2.0
/*
 * Exercise 3: a service forgets close().
 *
 * The service calls serve() for each visitor, one after the other. Visitors who leave without
 * a word stay in CLOSE-WAIT at the server, until the program may open no more files. Find the
 * mistake and mend it.
 */
#include <string.h>
#include <unistd.h>

#include "frame.h"

void serve(int fd)
{
	static const char page[] = "<h1>lab</h1>\n";
	char request[64];

	if (read(fd, request, sizeof(request)) <= 0)
		return;
	if (write(fd, page, strlen(page)) < 0)
		return;
	close(fd);
}
