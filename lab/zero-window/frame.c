// SPDX-License-Identifier: GPL-2.0
/*
 * A service that sends 200,000 bytes to each visitor, in a process for each:  service PORT
 *
 * Prints a line at the end of each connection: the visitor's port, the result of the last write(),
 * and the seconds since accept().
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "socket.h"

#define PAGE_BYTES 200000

static void attend(int fd)
{
	static char page[PAGE_BYTES];
	struct sockaddr_in sin;
	socklen_t size = sizeof(sin);
	double start = lab_now_s();
	int buffer_bytes = 16384, sent = 0;
	char request[64];
	ssize_t len;

	getpeername(fd, (struct sockaddr *)&sin, &size);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
	prepare(fd);
	len = read(fd, request, sizeof(request));
	while (len > 0 && sent < PAGE_BYTES) {
		len = send(fd, page + sent, PAGE_BYTES - sent, MSG_NOSIGNAL);
		sent += len;
	}
	printf("%d %s %.3f\n", ntohs(sin.sin_port), lab_result(len), lab_now_s() - start);
}

int main(int argc, char **argv)
{
	lab_serve(argv[argc - 1], attend);
}
