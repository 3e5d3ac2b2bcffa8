// SPDX-License-Identifier: GPL-2.0
/*
 * A service: waits for a request, answers with a page, waits for the end of the
 * stream and closes. It serves one visitor after the other.
 *
 *	service PORT BACKLOG BYTES	the length of the page
 */
#include <err.h>
#include <stdlib.h>
#include <unistd.h>

#include "socket.h"

int main(int argc, char **argv)
{
	char request[64], *page;
	size_t bytes;
	int listener;

	if (argc != 4)
		errx(2, "usage: service PORT BACKLOG BYTES");
	bytes = atoi(argv[3]);
	page = calloc(1, bytes);
	if (!page)
		err(1, "page");
	listener = lab_listen(argv[1], argv[2]);
	for (;;) {
		int fd = lab_accept(listener);

		if (read(fd, request, sizeof(request)) > 0)
			lab_write(fd, page, bytes);
		while (read(fd, request, sizeof(request)) > 0)
			;
		close(fd);
	}
}
