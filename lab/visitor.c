// SPDX-License-Identifier: GPL-2.0
/*
 * A visitor: connects, writes a request, reads to the end of the stream, and prints a
 * line for each visit:
 *
 *	RESULT CONNECT_S TOTAL_S BYTES PORT
 *
 * RESULT is ok, or the error of the call that failed. The times are those of connect() and
 * of the whole visit. PORT is of this end.
 *
 *	visitor [OPTION...] ADDRESS PORT TIMES INTERVAL_MS
 *
 *	-a ADDRESS, -p PORT	of this end
 *	-t MS			give up connecting after that time (900)
 *	-i MS			be idle before the request
 *	-r MS			wait before reading
 *	-b BYTES		size of the receive buffer
 *	-q			say nothing: end the stream without a request
 *	-n			don't end the stream after the request
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/xtcp.h>

#include "socket.h"

static struct sockaddr_in local = { .sin_family = AF_INET };
static int patience_ms = 900, idle_ms, reading_ms, buffer_bytes;
static bool silent, stays;

static void wait_ms(int ms)
{
	if (ms)
		poll(NULL, 0, ms);
}

static int connect_in_time(int fd, const struct sockaddr_in *to)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(errno);
	int error = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (!connect(fd, (struct sockaddr *)to, sizeof(*to)))
		goto connected;
	if (errno != EINPROGRESS)
		return -1;
	if (!poll(&p, 1, patience_ms))
		error = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		errno = error;
		return -1;
	}
connected:
	fcntl(fd, F_SETFL, 0);
	return 0;
}

static ssize_t talk(int fd, unsigned int *bytes)
{
	static char page[65536];
	ssize_t len;

	wait_ms(idle_ms);
	if (!silent && send(fd, "GET\n", 4, MSG_NOSIGNAL) < 0)
		return -1;
	if (!stays)
		shutdown(fd, SHUT_WR);
	wait_ms(reading_ms);
	while ((len = read(fd, page, sizeof(page))) > 0)
		*bytes += len;
	return len;
}

static void visit(const struct sockaddr_in *to)
{
	double start = lab_now_s(), connected;
	struct sockaddr_in name = { 0 };
	socklen_t size = sizeof(name);
	unsigned int bytes = 0;
	int on = 1, fd;
	long rc;

	fd = socket(AF_INET, SOCK_STREAM, IPPROTO_XTCP);
	if (fd < 0)
		err(1, "socket");
	if (buffer_bytes)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if ((local.sin_port || local.sin_addr.s_addr) &&
	    bind(fd, (struct sockaddr *)&local, sizeof(local)))
		err(1, "bind");
	rc = connect_in_time(fd, to);
	connected = lab_now_s();
	getsockname(fd, (struct sockaddr *)&name, &size);
	if (!rc)
		rc = talk(fd, &bytes);
	printf("%s %.3f %.3f %u %u\n", lab_result(rc), connected - start, lab_now_s() - start,
	       bytes, ntohs(name.sin_port));
	close(fd);
}

static void wait_until(struct timespec *when, long after_ms)
{
	when->tv_sec += after_ms / 1000;
	when->tv_nsec += after_ms % 1000 * 1000000;
	when->tv_sec += when->tv_nsec / 1000000000;
	when->tv_nsec %= 1000000000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, when, NULL);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct timespec next;
	int option;

	while ((option = getopt(argc, argv, "a:p:t:i:r:b:qn")) != -1) {
		switch (option) {
		case 'a':
			inet_pton(AF_INET, optarg, &local.sin_addr);
			break;
		case 'p':
			local.sin_port = htons(atoi(optarg));
			break;
		case 't':
			patience_ms = atoi(optarg);
			break;
		case 'i':
			idle_ms = atoi(optarg);
			break;
		case 'r':
			reading_ms = atoi(optarg);
			break;
		case 'b':
			buffer_bytes = atoi(optarg);
			break;
		case 'q':
			silent = true;
			break;
		case 'n':
			stays = true;
			break;
		default:
			return 2;
		}
	}
	if (argc - optind != 4 || inet_pton(AF_INET, argv[optind], &to.sin_addr) != 1)
		errx(2, "usage: visitor [OPTION...] ADDRESS PORT TIMES INTERVAL_MS");
	to.sin_port = htons(atoi(argv[optind + 1]));
	setvbuf(stdout, NULL, _IOLBF, 0);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (int left = atoi(argv[optind + 2]); left; left--) {
		visit(&to);
		if (left > 1)
			wait_until(&next, atoi(argv[optind + 3]));
	}
	return 0;
}
