// SPDX-License-Identifier: GPL-2.0
/*
 * A service that waits for requests, in a process for each visitor:  service PORT
 *
 * Prints a line at the end of each connection: the visitor's port, the result of the last read(),
 * and the seconds since accept().
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "socket.h"

static void attend(int fd)
{
	struct sockaddr_in sin;
	socklen_t size = sizeof(sin);
	double start = lab_now_s();
	char request[64];
	ssize_t len;

	getpeername(fd, (struct sockaddr *)&sin, &size);
	prepare(fd);
	while ((len = read(fd, request, sizeof(request))) > 0)
		lab_write(fd, "page\n", 5);
	printf("%d %s %.3f\n", ntohs(sin.sin_port), lab_result(len), lab_now_s() - start);
}

int main(int argc, char **argv)
{
	lab_serve(argv[argc - 1], attend);
}
