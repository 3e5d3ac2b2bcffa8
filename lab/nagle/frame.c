// SPDX-License-Identifier: GPL-2.0
/*
 * Both ends of the exercise:
 *
 *	frame serve PORT		answers each 104 bytes with 4
 *	frame ask ADDRESS PORT TIMES	prints the milliseconds of each request
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/xtcp.h>

#include "frame.h"
#include "socket.h"

#define REPLY_BYTES 4

static char buffer[HEAD_BYTES + BODY_BYTES];

static void serve(int fd)
{
	while (recv(fd, buffer, sizeof(buffer), MSG_WAITALL) == (ssize_t)sizeof(buffer))
		lab_write(fd, buffer, REPLY_BYTES);
}

static void ask(const char *address, const char *port, int times)
{
	struct sockaddr_in from = {
		.sin_family = AF_INET, .sin_port = htons(40000),
	}, to = {
		.sin_family = AF_INET, .sin_port = htons(atoi(port)),
	};
	char body[BODY_BYTES] = "";
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_XTCP);

	inet_pton(AF_INET, address, &to.sin_addr);
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		err(1, "connect");
	prepare(fd);
	while (times--) {
		double start = lab_now_s();

		request(fd, "head", body);
		if (recv(fd, buffer, REPLY_BYTES, MSG_WAITALL) != REPLY_BYTES)
			err(1, "no reply");
		printf("%.1f\n", (lab_now_s() - start) * 1000);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve")) {
		serve(lab_accept(lab_listen(argv[2], "4")));
		return 0;
	}
	if (argc != 5)
		errx(2, "usage: serve PORT, or ask ADDRESS PORT TIMES");
	ask(argv[2], argv[3], atoi(argv[4]));
	return 0;
}
