// SPDX-License-Identifier: GPL-2.0
/*
 * xtcp-preload.c - the library that xtcp-run preloads into unmodified programs
 *
 * It wraps two functions of the C library:
 *
 *   socket()       an IPv4 or IPv6 stream socket with protocol 0 or IPPROTO_TCP
 *                  becomes an xtcp socket. Multipath TCP fails with
 *                  EPROTONOSUPPORT, because it would fall back to the kernel's
 *                  TCP unnoticed.
 *   getsockopt()   SO_PROTOCOL returns 253, or IPPROTO_TCP if XTCP_RUN_AS_TCP
 *                  is set, for programs that expect that.
 *
 * All else is unchanged: datagrams, Unix sockets, socketpair(), and options,
 * because xtcp accepts TCP's at TCP's level. Out of reach are raw system calls
 * (Go), io_uring, and sockets that the C library opens itself (DNS over TCP).
 *
 * Any thread may call these functions, also in a child after fork(): the only
 * state is set once.
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

/* The function that a call would reach without this library: the C library's, or
 * that of a library preloaded after this one. If two threads look it up at once,
 * both store the same value.
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

/* A single write, so that the lines of several threads don't mix. errno is kept for
 * the caller, who is about to report it.
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
		/* No stderr: the program still gets the call's errno. */
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

/* Print why socket() failed, if the user can do something about it. */
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
