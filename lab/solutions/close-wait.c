// SPDX-License-Identifier: GPL-2.0
/* Each way out of the function closes the connection. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"

void serve(int fd)
{
	static const char page[] = "<h1>lab</h1>\n";
	char request[64];

	if (read(fd, request, sizeof(request)) > 0 && write(fd, page, strlen(page)) < 0)
		perror("write");
	close(fd);
}
