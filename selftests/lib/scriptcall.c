// SPDX-License-Identifier: GPL-2.0
/* script: see script.h. The system calls of a script. */
#define _GNU_SOURCE
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
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

/*
 * The fd in the script is the number that the call is to return. A number that is taken
 * means the new one from now on; the old one stays open.
 */
static long keep(struct calling *c, int fd)
{
	int64_t name = c->call->result;

	if (fd < 0)
		return -1;
	if (name < 0 || name >= SCRIPT_FDS) {
		close(fd);
		snprintf(c->why, c->why_size, "a descriptor came, not %lld", (long long)name);
		return -1;
	}
	c->fds->live[name] = fd;
	return name;
}

/* Assertions are about the last socket. */
static long keep_socket(struct calling *c, int fd)
{
	long name = keep(c, fd);

	if (name >= 0)
		c->fds->last = fd;
	return name;
}

static socklen_t peer_address(const struct calling *c, struct sockaddr_storage *ss)
{
	return ipaddr_sockaddr(&c->peer->addr, c->peer->port, ss);
}

static long call_socket(struct calling *c)
{
	int fd = stream_socket(socket_family(AF_INET));

	if (fd >= 0 && arg(c, 1) & SOCK_NONBLOCK)
		fd_nonblock(fd);
	return keep_socket(c, fd);
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
	return keep_socket(c, accept(live(c, arg(c, 0)), NULL, NULL));
}

static long call_connect(struct calling *c)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	bool dissolves = c->call->arg[1].kind == ARG_NUMBER && arg(c, 1) == AF_UNSPEC;
	socklen_t len = dissolves ? sizeof(ss) : peer_address(c, &ss);

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

/* The call's buffer, or NULL if the script says so. */
static void *buffer(const struct calling *c, uint8_t *buf)
{
	return c->call->arg[1].kind == ARG_NULL ? NULL : buf;
}

static long call_send(struct calling *c)
{
	static uint8_t buf[BUFFER_MAX];
	struct sockaddr_storage ss;
	int flags = arg(c, 3);
	socklen_t len = 0;

	if (arg(c, 2) > BUFFER_MAX) {
		errno = E2BIG;
		return -1;
	}
	if (flags & MSG_FASTOPEN)
		len = peer_address(c, &ss);
	return sendto(live(c, arg(c, 0)), buffer(c, buf), arg(c, 2), flags | MSG_NOSIGNAL,
		      len ? (struct sockaddr *)&ss : NULL, len);
}

static long call_recv(struct calling *c)
{
	static uint8_t buf[BUFFER_MAX];

	if (arg(c, 2) > BUFFER_MAX) {
		errno = E2BIG;
		return -1;
	}
	return recv(live(c, arg(c, 0)), buffer(c, buf), arg(c, 2), arg(c, 3));
}

/* The fields of an extended error, as a script names them. */
static bool error_agrees(const struct script_cmsg *want, const struct sock_extended_err *ee)
{
	const int64_t got[] = { ee->ee_errno, ee->ee_origin, ee->ee_type, ee->ee_code,
				ee->ee_info, ee->ee_data };

	return want->fields == 6 && !memcmp(want->field, got, sizeof(got));
}

/* A script's timestamps count from its beginning; the kernel's are the time of day. */
static bool time_agrees(struct calling *c, const struct script_cmsg *want,
			const struct timespec *stamp)
{
	struct timespec ts;
	int64_t ns, due_ns;

	clock_gettime(CLOCK_REALTIME, &ts);
	ns = (stamp->tv_sec - ts.tv_sec) * NSEC_PER_SEC + stamp->tv_nsec - ts.tv_nsec +
	     now_ns() - c->fds->start_ns;
	due_ns = want->field[0] * NSEC_PER_SEC + want->field[1];
	if (llabs(ns - due_ns) <= c->fds->tolerance_ns)
		return true;
	snprintf(c->why, c->why_size, "a timestamp at %.3f ms (expected %.3f)", ns / 1e6,
		 due_ns / 1e6);
	return false;
}

static bool cmsg_agrees(struct calling *c, const struct script_cmsg *want,
			const struct cmsghdr *got)
{
	int n;

	if (got->cmsg_level != want->level || got->cmsg_type != want->type)
		return false;
	if (want->level == SOL_SOCKET)
		return want->fields == 2 &&
		       time_agrees(c, want, (const struct timespec *)CMSG_DATA(got));
	if (want->fields > 1)
		return error_agrees(want, (const struct sock_extended_err *)CMSG_DATA(got));
	memcpy(&n, CMSG_DATA(got), sizeof(n));
	return n == want->field[0];
}

/* Compares what recvmsg() has left in the message. */
static void message_check(struct calling *c, const struct script_msg *want, struct msghdr *got)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(got);

	if (want->flags != UNSET && want->flags != got->msg_flags)
		snprintf(c->why, c->why_size, "msg_flags %#x", got->msg_flags);
	for (int i = 0; i < want->cmsgs; i++, cm = CMSG_NXTHDR(got, cm)) {
		if (cm && cmsg_agrees(c, &want->cmsg[i], cm))
			continue;
		if (!c->why[0])
			snprintf(c->why, c->why_size, "control message %d is another one, or none",
				 i + 1);
		return;
	}
	if (!want->any_control && cm)
		snprintf(c->why, c->why_size, "more control messages");
}

static long call_sendmsg(struct calling *c)
{
	static uint8_t buf[BUFFER_MAX];
	const struct script_msg *m = &c->call->arg[1].msg;
	_Alignas(struct cmsghdr) char control[256];
	struct iovec iov[SCRIPT_IOVECS];
	struct msghdr msg = { .msg_iov = iov };
	long result;

	if (c->call->arg[1].kind != ARG_MSG) {
		errno = EINVAL;
		return -1;
	}
	for (int i = 0; i < m->iovecs; i++) {
		if (m->iov_len[i] > BUFFER_MAX) {
			errno = E2BIG;
			return -1;
		}
		iov[msg.msg_iovlen].iov_base = buf;
		iov[msg.msg_iovlen++].iov_len = m->iov_len[i];
	}
	if (!strcmp(c->call->name, "sendmsg"))
		return sendmsg(live(c, arg(c, 0)), &msg, arg(c, 2) | MSG_NOSIGNAL);
	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	result = recvmsg(live(c, arg(c, 0)), &msg, arg(c, 2));
	if (result >= 0)
		message_check(c, m, &msg);
	return result;
}

static long call_open(struct calling *c)
{
	return keep(c, open(c->call->arg[0].text, arg(c, 1)));
}

static long call_epoll_create(struct calling *c)
{
	return keep(c, epoll_create(arg(c, 0)));
}

/* {events=E, fd=N}: two numbers. */
static long call_epoll_ctl(struct calling *c)
{
	const struct script_arg *a = &c->call->arg[3];
	struct epoll_event event = { .events = a->list[0], .data.u64 = a->list[1] };

	return epoll_ctl(live(c, arg(c, 0)), arg(c, 1), live(c, arg(c, 2)), &event);
}

static long call_epoll_wait(struct calling *c)
{
	const struct script_arg *a = &c->call->arg[1];
	struct epoll_event event = { 0 };
	long result = epoll_wait(live(c, arg(c, 0)), &event, 1, arg(c, 3));

	if (event.events != (uint32_t)a->list[0] || event.data.u64 != (uint64_t)a->list[1])
		snprintf(c->why, c->why_size, "events %#x of %d (expected %#x of %d)", event.events,
			 event.data.fd, (int)a->list[0], (int)a->list[1]);
	return result;
}

static long call_pipe(struct calling *c)
{
	const struct script_arg *a = &c->call->arg[0];
	int fd[2];

	for (int i = 0; i < 2; i++) {
		if (a->n != 2 || a->list[i] < 0 || a->list[i] >= SCRIPT_FDS ||
		    c->fds->live[a->list[i]] >= 0) {
			errno = EBADF;
			return -1;
		}
	}
	if (pipe(fd))
		return -1;
	c->fds->live[a->list[0]] = fd[0];
	c->fds->live[a->list[1]] = fd[1];
	return 0;
}

/* Without offsets. */
static long call_splice(struct calling *c)
{
	return splice(live(c, arg(c, 0)), NULL, live(c, arg(c, 2)), NULL, arg(c, 4), arg(c, 5));
}

static long call_sendfile(struct calling *c)
{
	off_t offset = c->call->arg[2].list[0];

	return sendfile(live(c, arg(c, 0)), live(c, arg(c, 1)), &offset, arg(c, 3));
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
				  c->call->arg[4].kind == ARG_NUMBER &&
				  arg(c, 4) <= (int)sizeof(a->text) ? arg(c, 4) : a->n);
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
	{ "open", 2, call_open }, { "sendfile", 4, call_sendfile },
	{ "poll", 3, call_poll }, { "ioctl", 3, call_ioctl },
	{ "epoll_create", 1, call_epoll_create }, { "epoll_ctl", 4, call_epoll_ctl },
	{ "epoll_wait", 4, call_epoll_wait },
	{ "pipe", 1, call_pipe }, { "splice", 6, call_splice },
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
