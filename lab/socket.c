// SPDX-License-Identifier: GPL-2.0
/* Sockets of xtcp for the programs of the lab. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/xtcp.h>

#include "socket.h"

/**
 * lab_listen() - open a listener on all addresses
 * @port: its port
 * @backlog: of listen()
 *
 * Return: the socket.
 */
int lab_listen(const char *port, const char *backlog)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_port = htons(atoi(port)),
	};
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_XTCP);
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, atoi(backlog)))
		err(1, "listening on port %s", port);
	return fd;
}

/**
 * lab_accept() - accept a connection
 * @listener: the listening socket
 *
 * A program without free file descriptors gets EMFILE; it tries again each second.
 *
 * Return: the socket.
 */
int lab_accept(int listener)
{
	int fd;

	while ((fd = accept(listener, NULL, NULL)) < 0) {
		if (errno != EMFILE)
			err(1, "accept");
		sleep(1);
	}
	return fd;
}

/**
 * lab_serve() - accept connections for ever, and attend to each in a process of its own
 * @port: of the listener
 * @attend: gets the socket, which its process's end closes
 */
void lab_serve(const char *port, void (*attend)(int fd))
{
	int listener = lab_listen(port, "64");

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = lab_accept(listener);

		if (!fork()) {
			close(listener);
			attend(fd);
			exit(0);
		}
		close(fd);
	}
}

/**
 * lab_write() - write all bytes
 * @fd: socket
 * @data: the bytes
 * @bytes: their number
 */
void lab_write(int fd, const void *data, size_t bytes)
{
	while (bytes) {
		ssize_t len = send(fd, data, bytes, MSG_NOSIGNAL);

		if (len < 0)
			err(1, "write");
		data = (const char *)data + len;
		bytes -= len;
	}
}

/**
 * lab_now_s() - the clock
 *
 * Return: seconds.
 */
double lab_now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/**
 * lab_result() - the result of a system call as a word
 * @rc: what it returned; errno is set if that is negative
 *
 * Return: "ok", or the name of the error.
 */
const char *lab_result(long rc)
{
	return rc < 0 ? strerrorname_np(errno) : "ok";
}
