// SPDX-License-Identifier: GPL-2.0
/* program: see program.h. */
#include "program.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

void program_lingers(int fd, int seconds)
{
	struct linger l = { .l_onoff = 1, .l_linger = seconds };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

void program_reuses(int fd)
{
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
}

void program_reads_at(struct where at, int fd, const char *text)
{
	ssize_t want = strlen(text), n;
	char buf[512];

	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	check(n >= 0, at, "recv: %s; expected \"%s\"", strerror(errno), text);
	check(n == want && !memcmp(buf, text, n), at,
	      "read \"%.*s\"; expected \"%s\"", (int)n, buf, text);
}

void program_reads_end_at(struct where at, int fd)
{
	char byte;

	for (int i = 0; i < 2; i++) {
		ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

		check(n >= 0, at, "recv: %s; expected the end", strerror(errno));
		check(n == 0, at, "read \"%c\"; expected the end", byte);
	}
}

static volatile sig_atomic_t pipe_signals;

static void count_pipe_signal(int sig)
{
	(void)sig;
	pipe_signals++;
}

bool program_is_signalled(int fd)
{
	struct sigaction ours = { .sa_handler = count_pipe_signal }, old;

	pipe_signals = 0;
	sigaction(SIGPIPE, &ours, &old);
	send(fd, "x", 1, MSG_DONTWAIT);
	sigaction(SIGPIPE, &old, NULL);
	return pipe_signals == 1;
}
