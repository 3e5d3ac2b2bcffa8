// SPDX-License-Identifier: GPL-2.0
/* poison: see poison.h. */
#define _GNU_SOURCE
#include "poison.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* POISON_FREE, and what gcc's -ftrivial-auto-var-init=pattern writes. */
#define SLAB 0x6b
#define STACK 0xfe
#define RUN 4

static _Atomic int found;
static bool counts;

static bool is_on(void)
{
	static int on = -1;

	if (on < 0)
		on = !strcmp(getenv("XTCP_TEST_CONTEXT") ?: "", "poison");
	return on || counts;
}

static void tell(const char *call, const char *what, size_t at, size_t len)
{
	char line[160];
	int fd, n;

	found++;
	if (counts)
		return;
	n = snprintf(line, sizeof(line),
		     "<3>BUG: poison: %s() returned memory that nobody wrote: %s at byte %zu of %zu\n",
		     call, what, at, len);
	fprintf(stderr, "# %s", line + 3);
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	/* Without privileges. */
	if (fd < 0 || write(fd, line, n) != n)
		abort();
	close(fd);
}

static void look_at_bytes(const char *call, const void *data, size_t len)
{
	const uint8_t *p = data;

	/* A run contains one of these places. */
	for (size_t i = RUN - 1; i < len; i += RUN) {
		size_t first = i, end = i + 1;

		if (p[i] != SLAB && p[i] != STACK)
			continue;
		while (first && p[first - 1] == p[i])
			first--;
		while (end < len && p[end] == p[i])
			end++;
		if (end - first < RUN)
			continue;
		tell(call, p[i] == SLAB ? "a slab's" : "a stack's", first, len);
		return;
	}
}

static void look_at_text(const char *call, const void *text, size_t len)
{
	/* As hexadecimal and decimal numbers of 32 bits, and decimal ones of 64. */
	static const char *const numbers[] = {
		"6b6b6b6b", "6B6B6B6B", "1802201963", "7740398493674204011",
		"fefefefe", "FEFEFEFE", "4278124286", "-16843010", "18374403900871474942",
	};

	look_at_bytes(call, text, len);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const char *at = memmem(text, len, numbers[i], strlen(numbers[i]));

		if (at)
			tell(call, "a number", at - (const char *)text, len);
	}
}

static void look_at_vector(const char *call, const struct iovec *iov, size_t n, size_t len)
{
	for (size_t i = 0; i < n && len; i++) {
		size_t part = iov[i].iov_len < len ? iov[i].iov_len : len;

		look_at_bytes(call, iov[i].iov_base, part);
		len -= part;
	}
}

static void look_at_message(const char *call, const struct msghdr *msg, ssize_t n, int flags)
{
	/* With MSG_TRUNC, @n may be more than was copied. */
	if (!((flags | msg->msg_flags) & MSG_TRUNC))
		look_at_vector(call, msg->msg_iov, msg->msg_iovlen, n);
	if (msg->msg_control)
		look_at_bytes(call, msg->msg_control, msg->msg_controllen);
	if (msg->msg_name)
		look_at_bytes(call, msg->msg_name, msg->msg_namelen);
}

/* --- the calls ------------------------------------------------------------------ */

ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len)
{
	ssize_t n = __real_read(fd, buf, len);

	if (n > 0 && is_on())
		look_at_text("read", buf, n);
	return n;
}

ssize_t __real_pread(int fd, void *buf, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t at)
{
	ssize_t n = __real_pread(fd, buf, len, at);

	if (n > 0 && is_on())
		look_at_text("pread", buf, n);
	return n;
}

ssize_t __real_readv(int fd, const struct iovec *iov, int count);
ssize_t __wrap_readv(int fd, const struct iovec *iov, int count)
{
	ssize_t n = __real_readv(fd, iov, count);

	if (n > 0 && is_on())
		look_at_vector("readv", iov, count, n);
	return n;
}

char *__real_fgets(char *line, int size, FILE *f);
char *__wrap_fgets(char *line, int size, FILE *f)
{
	char *got = __real_fgets(line, size, f);

	if (got && is_on())
		look_at_text("fgets", line, strlen(line));
	return got;
}

ssize_t __real_getdelim(char **line, size_t *size, int delimiter, FILE *f);
ssize_t __wrap_getdelim(char **line, size_t *size, int delimiter, FILE *f)
{
	ssize_t n = __real_getdelim(line, size, delimiter, f);

	if (n > 0 && is_on())
		look_at_text("getdelim", *line, n);
	return n;
}

ssize_t __real_recv(int fd, void *buf, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
	ssize_t n = __real_recv(fd, buf, len, flags);

	if (n > 0 && !(flags & MSG_TRUNC) && is_on())
		look_at_bytes("recv", buf, n);
	return n;
}

ssize_t __real_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
			socklen_t *addrlen);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
			socklen_t *addrlen)
{
	ssize_t n = __real_recvfrom(fd, buf, len, flags, addr, addrlen);

	if (n > 0 && !(flags & MSG_TRUNC) && is_on())
		look_at_bytes("recvfrom", buf, n);
	if (n >= 0 && addr && addrlen && is_on())
		look_at_bytes("recvfrom", addr, *addrlen);
	return n;
}

ssize_t __real_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = __real_recvmsg(fd, msg, flags);

	if (n >= 0 && is_on())
		look_at_message("recvmsg", msg, n, flags);
	return n;
}

int __real_recvmmsg(int fd, struct mmsghdr *msgs, unsigned int count, int flags,
		    struct timespec *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *msgs, unsigned int count, int flags,
		    struct timespec *timeout)
{
	int n = __real_recvmmsg(fd, msgs, count, flags, timeout);

	for (int i = 0; i < n && is_on(); i++)
		look_at_message("recvmmsg", &msgs[i].msg_hdr, msgs[i].msg_len, flags);
	return n;
}

/* Some tests pass bad addresses of the first page. */
static socklen_t room_of(const socklen_t *len)
{
	return is_on() && (uintptr_t)len >= 4096 ? *len : 0;
}

/* A result that was cut off has the length that it would have had. */
static socklen_t smaller(socklen_t len, socklen_t room)
{
	return len < room ? len : room;
}

int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	socklen_t room = room_of(len);
	int err = __real_getsockopt(fd, level, option, value, len);

	if (!err && value && is_on())
		look_at_bytes("getsockopt", value, smaller(*len, room));
	return err;
}

int __real_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int __wrap_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	socklen_t room = room_of(len);
	int err = __real_getsockname(fd, addr, len);

	if (!err && is_on())
		look_at_bytes("getsockname", addr, smaller(*len, room));
	return err;
}

int __real_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
int __wrap_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	socklen_t room = room_of(len);
	int err = __real_getpeername(fd, addr, len);

	if (!err && is_on())
		look_at_bytes("getpeername", addr, smaller(*len, room));
	return err;
}

int __real_accept(int fd, struct sockaddr *addr, socklen_t *len);
int __wrap_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	socklen_t room = room_of(len);
	int new = __real_accept(fd, addr, len);

	if (new >= 0 && addr && is_on())
		look_at_bytes("accept", addr, smaller(*len, room));
	return new;
}

int __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	socklen_t room = room_of(len);
	int new = __real_accept4(fd, addr, len, flags);

	if (new >= 0 && addr && is_on())
		look_at_bytes("accept4", addr, smaller(*len, room));
	return new;
}

int poison_found(void)
{
	counts = true;
	return atomic_exchange(&found, 0);
}
