// SPDX-License-Identifier: GPL-2.0
/* script: see script.h. The system calls of a script. */
#define _GNU_SOURCE
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "netns.h"
#include "stream.h"

/* The most bytes that a script writes or reads at once. */
#define BUFFER_MAX (1 << 20)

struct calling {
	const struct script_call *call;
	struct script_fds *fds;
	const struct peer *peer;
	char *why;
	size_t why_size;
};

static int64_t arg(const struct calling *c, int i)
{
	return i < c->call->n ? c->call->arg[i].number : 0;
}

static int live(const struct calling *c, int64_t fd)
{
	return fd >= 0 && fd < SCRIPT_FDS ? c->fds->live[fd] : -1;
}

/* The fd in the script is the number that the call is to return. */
static long keep(struct calling *c, int fd)
{
	int64_t name = c->call->result;

	if (fd < 0)
		return -1;
	if (name < 0 || name >= SCRIPT_FDS || c->fds->live[name] >= 0) {
		close(fd);
		snprintf(c->why, c->why_size, "a descriptor came, not %lld", (long long)name);
		return -1;
	}
	c->fds->live[name] = c->fds->last = fd;
	return name;
}

static long call_socket(struct calling *c)
{
	int fd = stream_socket(socket_family(AF_INET));

	if (fd >= 0 && arg(c, 1) & SOCK_NONBLOCK)
		fd_nonblock(fd);
	return keep(c, fd);
}

static long call_bind(struct calling *c)
{
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_sockaddr(&c->peer->kernel, c->peer->kport, &ss);

	return bind(live(c, arg(c, 0)), (struct sockaddr *)&ss, len);
}

static long call_listen(struct calling *c)
{
	return listen(live(c, arg(c, 0)), arg(c, 1));
}

static long call_accept(struct calling *c)
{
	return keep(c, accept(live(c, arg(c, 0)), NULL, NULL));
}

static long call_connect(struct calling *c)
{
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_sockaddr(&c->peer->addr, c->peer->port, &ss);

	return connect(live(c, arg(c, 0)), (struct sockaddr *)&ss, len);
}

static long call_fcntl(struct calling *c)
{
	return fcntl(live(c, arg(c, 0)), arg(c, 1), arg(c, 2));
}

static long call_close(struct calling *c)
{
	int fd = live(c, arg(c, 0));

	if (fd < 0) {
		errno = EBADF;
		return -1;
	}
	c->fds->live[arg(c, 0)] = -1;
	if (c->fds->last == fd)
		c->fds->last = -1;
	return close(fd);
}

static long call_shutdown(struct calling *c)
{
	return shutdown(live(c, arg(c, 0)), arg(c, 1));
}

static long call_send(struct calling *c)
{
	static uint8_t buf[BUFFER_MAX];

	if (arg(c, 2) > BUFFER_MAX) {
		errno = E2BIG;
		return -1;
	}
	return send(live(c, arg(c, 0)), buf, arg(c, 2), arg(c, 3) | MSG_NOSIGNAL);
}

static long call_recv(struct calling *c)
{
	static uint8_t buf[BUFFER_MAX];

	if (arg(c, 2) > BUFFER_MAX) {
		errno = E2BIG;
		return -1;
	}
	return recv(live(c, arg(c, 0)), buf, arg(c, 2), arg(c, 3));
}

/* Of a struct msghdr with one vector, the length is the last number but its flags. */
static long call_sendmsg(struct calling *c)
{
	static uint8_t buf[BUFFER_MAX];
	const struct script_arg *a = &c->call->arg[1];
	struct iovec iov = { .iov_base = buf, .iov_len = a->n > 2 ? a->list[2] : 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (iov.iov_len > BUFFER_MAX) {
		errno = E2BIG;
		return -1;
	}
	if (!strcmp(c->call->name, "sendmsg"))
		return sendmsg(live(c, arg(c, 0)), &msg, arg(c, 2) | MSG_NOSIGNAL);
	return recvmsg(live(c, arg(c, 0)), &msg, arg(c, 2));
}

/* Numbers as the kernel's int fields; a text as itself. */
static int option_value(const struct script_arg *a, int *value)
{
	if (a->kind == ARG_NUMBER) {
		value[0] = a->number;
		return sizeof(int);
	}
	for (int i = 0; i < a->n; i++)
		value[i] = a->list[i];
	return a->n * sizeof(int);
}

static long call_setsockopt(struct calling *c)
{
	const struct script_arg *a = &c->call->arg[3];
	int value[SCRIPT_LIST];

	if (a->kind == ARG_TEXT)
		return setsockopt(live(c, arg(c, 0)), arg(c, 1), arg(c, 2), a->text,
				  strlen(a->text));
	return setsockopt(live(c, arg(c, 0)), arg(c, 1), arg(c, 2), value,
			  option_value(a, value));
}

static long call_getsockopt(struct calling *c)
{
	const struct script_arg *a = &c->call->arg[3];
	int value[SCRIPT_LIST], want[SCRIPT_LIST];
	socklen_t len = sizeof(value);
	long result = getsockopt(live(c, arg(c, 0)), arg(c, 1), arg(c, 2), value, &len);
	int want_len;

	if (result || a->kind == ARG_ANY)
		return result;
	if (a->kind == ARG_TEXT) {
		if (strncmp((char *)value, a->text, len))
			snprintf(c->why, c->why_size, "it says \"%.*s\"", (int)len, (char *)value);
		return result;
	}
	want_len = option_value(a, want);
	if (memcmp(value, want, want_len))
		snprintf(c->why, c->why_size, "it says %d (expected %d)", value[0], want[0]);
	return result;
}

static long call_poll(struct calling *c)
{
	const struct script_arg *a = &c->call->arg[0];
	struct pollfd pfd = { .fd = live(c, a->list[0]), .events = a->list[1] };
	long result = poll(&pfd, 1, arg(c, 2));

	if (pfd.revents != a->list[2])
		snprintf(c->why, c->why_size, "revents %#x (expected %#x)", pfd.revents,
			 (int)a->list[2]);
	return result;
}

static long call_ioctl(struct calling *c)
{
	const struct script_arg *a = &c->call->arg[2];
	int value = -1;
	long result = ioctl(live(c, arg(c, 0)), arg(c, 1), &value);

	if (a->kind == ARG_LIST && value != a->list[0])
		snprintf(c->why, c->why_size, "it says %d (expected %d)", value,
			 (int)a->list[0]);
	return result;
}

static const struct {
	const char *name;
	int args;
	long (*make)(struct calling *c);
} calls[] = {
	{ "socket", 3, call_socket }, { "bind", 3, call_bind },
	{ "listen", 2, call_listen }, { "accept", 3, call_accept },
	{ "connect", 3, call_connect }, { "fcntl", 2, call_fcntl },
	{ "close", 1, call_close }, { "shutdown", 2, call_shutdown },
	{ "write", 3, call_send }, { "send", 4, call_send }, { "sendto", 6, call_send },
	{ "read", 3, call_recv }, { "recv", 4, call_recv }, { "recvfrom", 6, call_recv },
	{ "setsockopt", 5, call_setsockopt }, { "getsockopt", 5, call_getsockopt },
	{ "sendmsg", 3, call_sendmsg }, { "recvmsg", 3, call_sendmsg },
	{ "poll", 3, call_poll }, { "ioctl", 3, call_ioctl },
};

long script_call(const struct script_call *call, struct script_fds *fds,
		 const struct peer *p, char *why, size_t size)
{
	struct calling c = { call, fds, p, why, size };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(calls[i].name, call->name) && call->n >= calls[i].args)
			return calls[i].make(&c);
	snprintf(why, size, "no such call, or too few arguments");
	errno = ENOSYS;
	return -1;
}
