// SPDX-License-Identifier: GPL-2.0
/*
 * The library that xtcp-run preloads into unmodified programs.
 *
 * It stands between a program and the C library in three places:
 *
 *   socket()       an IPv4 stream socket that asks for TCP, by number or by
 *                  leaving the choice open, becomes an xtcp one. An IPv6
 *                  one fails with EAFNOSUPPORT, as on a machine without IPv6,
 *                  so that a program falls back to IPv4 or stops; it never
 *                  gets the kernel's own TCP unawares. So does Multipath TCP,
 *                  which would fall back to the kernel's TCP by itself.
 *   getaddrinfo()  where a name has IPv4 addresses, its IPv6 stream
 *                  addresses are left out: programs don't try what must fail.
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
#include <netdb.h>
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

static int refuse_ipv6(void)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		say("IPv6 stream socket refused (EAFNOSUPPORT): xtcp speaks only IPv4 so far");
	errno = EAFNOSUPPORT;
	return -1;
}

static int refuse_mptcp(void)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		say("Multipath TCP socket refused (EPROTONOSUPPORT)");
	errno = EPROTONOSUPPORT;
	return -1;
}

static int open_xtcp(int type)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;
	int fd = NEXT(socket)(AF_INET, type, IPPROTO_XTCP);

	if (fd < 0 && errno == EPROTONOSUPPORT &&
	    !atomic_flag_test_and_set(&said))
		say("the kernel knows no protocol %d: is the xtcp module loaded?",
		    IPPROTO_XTCP);
	if (fd >= 0 && is_set("XTCP_RUN_VERBOSE"))
		say("socket %d is an xtcp socket", fd);
	return fd;
}

__attribute__((visibility("default")))
int socket(int family, int type, int protocol)
{
	if (!is_stream(type))
		return NEXT(socket)(family, type, protocol);
	if (family == AF_INET && is_tcp(protocol))
		return open_xtcp(type);
	if (family == AF_INET6 && is_tcp(protocol))
		return refuse_ipv6();
	if ((family == AF_INET || family == AF_INET6) &&
	    protocol == PROTO_MPTCP)
		return refuse_mptcp();
	return NEXT(socket)(family, type, protocol);
}

static bool is_stream_address(const struct addrinfo *ai, int family)
{
	return ai->ai_family == family && ai->ai_socktype == SOCK_STREAM &&
	       is_tcp(ai->ai_protocol);
}

static bool has_stream_address(const struct addrinfo *ai, int family)
{
	for (; ai; ai = ai->ai_next)
		if (is_stream_address(ai, family))
			return true;
	return false;
}

/* Takes the IPv6 stream addresses out of the list. POSIX lets freeaddrinfo() have
 * any part of a list. The canonical name hangs on the first entry, whichever
 * that is, and moves with the honour.
 */
static struct addrinfo *leave_ipv4(struct addrinfo *list)
{
	struct addrinfo **link = &list, *ai;
	char *canonname = list->ai_canonname;

	list->ai_canonname = NULL;
	while ((ai = *link)) {
		if (!is_stream_address(ai, AF_INET6)) {
			link = &ai->ai_next;
			continue;
		}
		*link = ai->ai_next;
		ai->ai_next = NULL;
		freeaddrinfo(ai);
	}
	list->ai_canonname = canonname;
	return list;
}

__attribute__((visibility("default")))
int getaddrinfo(const char *node, const char *service,
		const struct addrinfo *hints, struct addrinfo **res)
{
	int rc = NEXT(getaddrinfo)(node, service, hints, res);

	/* A name that has only IPv6 addresses keeps them: socket() will then say
	 * what is wrong, which an empty answer would not.
	 */
	if (!rc && has_stream_address(*res, AF_INET) &&
	    has_stream_address(*res, AF_INET6))
		*res = leave_ipv4(*res);
	return rc;
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
