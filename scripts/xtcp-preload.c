// SPDX-License-Identifier: GPL-2.0
/*
 * The library that xtcp-run preloads into unmodified programs.
 *
 * It stands between a program and the C library in two places:
 *
 *   socket()       an IPv4 or IPv6 stream socket that asks for TCP, by number or
 *                  by leaving the choice open, becomes an xtcp one. Multipath
 *                  TCP fails with EPROTONOSUPPORT: it would fall back to the
 *                  kernel's own TCP by itself, unawares.
 *   getsockopt()   SO_PROTOCOL tells the truth (253) unless the user asked
 *                  for a program's sake that it say IPPROTO_TCP.
 *
 * Everything else passes: datagrams, Unix sockets, socketpair(), and all
 * options, since xtcp takes TCP's at TCP's level. What doesn't come through
 * the C library's entry points is out of reach: raw system calls (Go), io_uring
 * and the C library's own sockets (names asked over TCP).
 *
 * Any thread may call in, also from a fork's child: the only state is set once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/xtcp.h>

/* From Linux 5.6 on; older C libraries don't have the name. */
#define PROTO_MPTCP 262

/* What a call would do if this library were not there: the C library's own
 * function, or that of another library preloaded after this one. The lookup may
 * race with itself; both threads then store the same value.
 */
#define NEXT(name)							\
({									\
	static __typeof__(&name) _Atomic next;				\
	__typeof__(&name) f = atomic_load(&next);			\
									\
	if (!f) {							\
		f = (__typeof__(f))dlsym(RTLD_NEXT, #name);		\
		atomic_store(&next, f);					\
	}								\
	f;								\
})

/* One write, so that lines of several threads don't mix; errno is what the caller
 * is about to report and survives.
 */
static void say(const char *fmt, ...)
{
	int saved = errno;
	char line[256];
	va_list args;
	int used, len;

	used = snprintf(line, sizeof(line), "xtcp-run: %s[%d]: ",
			program_invocation_short_name, (int)getpid());
	if (used < 0 || used >= (int)sizeof(line) - 1)
		used = 0;

	va_start(args, fmt);
	len = vsnprintf(line + used, sizeof(line) - used - 1, fmt, args);
	va_end(args);
	if (len < 0)
		len = 0;
	used += len;
	if (used > (int)sizeof(line) - 2)
		used = sizeof(line) - 2;
	line[used++] = '\n';

	if (write(STDERR_FILENO, line, used) < 0) {
		/* No stderr: the errno of the call still tells the program. */
	}
	errno = saved;
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value && strcmp(value, "0");
}

static bool is_stream(int type)
{
	return (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM;
}

static bool is_tcp(int protocol)
{
	return protocol == 0 || protocol == IPPROTO_TCP;
}

static bool is_internet(int family)
{
	return family == AF_INET || family == AF_INET6;
}

static int refuse_mptcp(void)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		say("Multipath TCP socket refused (EPROTONOSUPPORT)");
	errno = EPROTONOSUPPORT;
	return -1;
}

/* Why there is no xtcp socket, where the user can do something about it. */
static void explain(int err)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (err != EPROTONOSUPPORT && err != EACCES)
		return;
	if (atomic_flag_test_and_set(&said))
		return;
	if (err == EPROTONOSUPPORT)
		say("the kernel knows no protocol %d: is the xtcp module loaded?",
		    IPPROTO_XTCP);
	else
		say("group %u may open no xtcp sockets: see net.ipv4.xtcp_gid_range",
		    (unsigned int)getegid());
}

static int open_xtcp(int family, int type)
{
	int fd = NEXT(socket)(family, type, IPPROTO_XTCP);

	if (fd < 0)
		explain(errno);
	if (fd >= 0 && is_set("XTCP_RUN_VERBOSE"))
		say("socket %d is an xtcp socket", fd);
	return fd;
}

__attribute__((visibility("default")))
int socket(int family, int type, int protocol)
{
	if (!is_stream(type) || !is_internet(family))
		return NEXT(socket)(family, type, protocol);
	if (is_tcp(protocol))
		return open_xtcp(family, type);
	if (protocol == PROTO_MPTCP)
		return refuse_mptcp();
	return NEXT(socket)(family, type, protocol);
}

__attribute__((visibility("default")))
int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int rc = NEXT(getsockopt)(fd, level, name, value, len);
	int protocol;

	if (rc || level != SOL_SOCKET || name != SO_PROTOCOL ||
	    *len < sizeof(protocol) || !is_set("XTCP_RUN_AS_TCP"))
		return rc;

	memcpy(&protocol, value, sizeof(protocol));
	if (protocol == IPPROTO_XTCP) {
		protocol = IPPROTO_TCP;
		memcpy(value, &protocol, sizeof(protocol));
	}
	return rc;
}
