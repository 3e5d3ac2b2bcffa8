// SPDX-License-Identifier: GPL-2.0
/*
 * agent: a shell for each connection to a port.
 *
 *   agent PORT NAMESPACE
 *
 * The port is in the network namespace of this process, the shells in NAMESPACE, a file of /proc.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd, ns, on = 1;

	if (argc != 3)
		return 2;
	at.sin_port = htons(atoi(argv[1]));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ns = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 8) ||
	    setns(ns, CLONE_NEWNET)) {
		perror("agent");
		return 1;
	}
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (one < 0)
			continue;
		if (!fork()) {
			signal(SIGCHLD, SIG_DFL);
			for (int i = 0; i < 3; i++)
				dup2(one, i);
			execl("/bin/bash", "bash", "--norc", NULL);
			_exit(127);
		}
		close(one);
	}
}
