// SPDX-License-Identifier: GPL-2.0
/*
 * exchange: two programs on two machines send each other bytes at the same time, and each
 * checks every byte that it reads.
 *
 *   exchange serve PROTOCOL FAMILY PORT BYTES RESULT
 *   exchange ask   PROTOCOL FAMILY PORT BYTES ADDRESS
 *
 * PROTOCOL is xtcp or tcp, FAMILY 4 or 6. The server returns when it listens; one connection
 * later it writes "good", or what went wrong, to the file RESULT. The client prints the same.
 */
#define _GNU_SOURCE
#include "lib/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/xtcp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK 65536
/* For two emulated machines on a busy host. */
#define STALL_MS 60000
/* The two directions have different bytes. */
#define SALT (1ULL << 40)

static FILE *result;

static void tell(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(result, fmt, args);
	va_end(args);
	fputc('\n', result);
	fflush(result);
}

#define must(cond, ...) \
	do { if (!(cond)) { tell(__VA_ARGS__); exit(1); } } while (0)

/* For the library. */
void check_fail(struct where at, const char *fmt, ...)
{
	va_list args;

	(void)at;
	va_start(args, fmt);
	vfprintf(result, fmt, args);
	va_end(args);
	exit(1);
}

struct exchange {
	int fd;
	uint64_t len, sent, got;
	uint64_t send_salt, got_salt;
};

static void exchange_send(struct exchange *x)
{
	static uint8_t buf[BLOCK];
	uint64_t n = x->len - x->sent;
	ssize_t r;

	if (n > sizeof(buf))
		n = sizeof(buf);
	pattern_fill(buf, n, x->sent + x->send_salt);
	r = send(x->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r < 0 && errno == EAGAIN)
		return;
	must(r > 0, "send after %llu bytes: %s", (unsigned long long)x->sent, strerror(errno));
	x->sent += r;
	if (x->sent == x->len)
		must(!shutdown(x->fd, SHUT_WR), "shutdown: %s", strerror(errno));
}

/* Return: false at the end of what the other side sends. */
static bool exchange_receive(struct exchange *x)
{
	static uint8_t buf[BLOCK];
	ssize_t r, wrong;

	r = recv(x->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (r < 0 && errno == EAGAIN)
		return true;
	must(r >= 0, "recv after %llu bytes: %s", (unsigned long long)x->got, strerror(errno));
	if (!r)
		return false;
	wrong = pattern_check(buf, r, x->got + x->got_salt);
	must(wrong < 0, "byte %llu is wrong", (unsigned long long)(x->got + wrong));
	x->got += r;
	return true;
}

static void exchange_run(struct exchange *x)
{
	bool open = true;

	while (open || x->sent < x->len) {
		struct pollfd p = {
			.fd = x->fd,
			.events = (open ? POLLIN : 0) | (x->sent < x->len ? POLLOUT : 0),
		};
		int n = poll(&p, 1, STALL_MS);

		must(n > 0, "nothing has moved for a minute: %llu bytes sent, %llu read",
		     (unsigned long long)x->sent, (unsigned long long)x->got);
		if (p.revents & POLLOUT && x->sent < x->len)
			exchange_send(x);
		if (p.revents & (POLLIN | POLLHUP | POLLERR) && open)
			open = exchange_receive(x);
	}
	must(x->got == x->len, "%llu bytes came of %llu", (unsigned long long)x->got,
	     (unsigned long long)x->len);
	close(x->fd);
	tell("good");
}

static socklen_t address_of(struct sockaddr_storage *to, int family, const char *text, int port)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;
	struct sockaddr_in *four = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	to->ss_family = family;
	if (family == AF_INET) {
		four->sin_port = htons(port);
		if (text)
			must(inet_pton(AF_INET, text, &four->sin_addr) == 1, "%s?", text);
		return sizeof(*four);
	}
	six->sin6_port = htons(port);
	if (text)
		must(inet_pton(AF_INET6, text, &six->sin6_addr) == 1, "%s?", text);
	return sizeof(*six);
}

int main(int argc, char **argv)
{
	struct sockaddr_storage to;
	struct exchange x = { 0 };
	int family, fd, on = 1;
	socklen_t len;
	bool serve;

	/* Whoever waits for the caller's end would wait for the server's, too. */
	close_range(3, ~0U, 0);
	result = stdout;
	must(argc == 7, "usage: exchange serve|ask xtcp|tcp 4|6 PORT BYTES RESULT|ADDRESS");
	serve = !strcmp(argv[1], "serve");
	family = *argv[3] == '6' ? AF_INET6 : AF_INET;
	x.len = strtoull(argv[5], NULL, 10);
	x.send_salt = serve ? SALT : 0;
	x.got_salt = serve ? 0 : SALT;
	fd = socket(family, SOCK_STREAM, strcmp(argv[2], "xtcp") ? IPPROTO_TCP : IPPROTO_XTCP);
	must(fd >= 0, "socket: %s", strerror(errno));
	len = address_of(&to, family, serve ? NULL : argv[6], atoi(argv[4]));
	if (!serve) {
		must(!connect(fd, (struct sockaddr *)&to, len), "connect: %s", strerror(errno));
		x.fd = fd;
		exchange_run(&x);
		return 0;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	must(!bind(fd, (struct sockaddr *)&to, len), "bind: %s", strerror(errno));
	must(!listen(fd, 1), "listen: %s", strerror(errno));
	/* The caller waits for the end of this process, and for that of its output. */
	if (fork())
		return 0;
	if (!freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout) ||
	    !freopen("/dev/null", "w", stderr))
		return 1;
	result = fopen(argv[6], "w");
	if (!result)
		return 1;
	alarm(5 * STALL_MS / 1000);
	x.fd = accept(fd, NULL, NULL);
	must(x.fd >= 0, "accept: %s", strerror(errno));
	close(fd);
	exchange_run(&x);
	return 0;
}
