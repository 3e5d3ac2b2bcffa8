// SPDX-License-Identifier: GPL-2.0
/* vm: short */
/*
 * preload: the decisions of xtcp-run's library, call by call.
 *
 * The library's source is compiled into this program under other names, and this
 * file supplies what the library takes for functions of the C library: they record
 * the calls and return what the test wants. No socket is opened, so neither the
 * module nor the network matters. selftests/user/launcher.sh has the real programs.
 */
#include "lib/xtcp_test.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>

static void *fake_next(const char *name);
__typeof__(socket) preload_socket;
__typeof__(getsockopt) preload_getsockopt;

#define dlsym(handle, name)	fake_next(name)
#define socket			preload_socket
#define getsockopt		preload_getsockopt
#include "../scripts/xtcp-preload.c"
#undef dlsym
#undef socket
#undef getsockopt

/* The library's last calls, and the results that it gets. */
static struct {
	int calls, family, type, protocol;
	int errno_then;		/* not 0: fail with it */
} asked;
static int kernel_protocol;

static int fake_socket(int family, int type, int protocol)
{
	asked.calls++;
	asked.family = family;
	asked.type = type;
	asked.protocol = protocol;
	errno = asked.errno_then;
	return asked.errno_then ? -1 : 7;
}

static int fake_getsockopt(int fd, int level, int name, void *value,
			   socklen_t *len)
{
	memcpy(value, &kernel_protocol, *len < sizeof(int) ? *len : sizeof(int));
	return 0;
}

static void *fake_next(const char *name)
{
	if (!strcmp(name, "socket"))
		return fake_socket;
	return fake_getsockopt;
}

/* Calls socket() and collects what it writes to stderr meanwhile. */
static int socket_says(int family, int type, int protocol, char *said,
		       size_t size)
{
	int pipefd[2], saved = dup(2), rc, saved_errno;
	ssize_t len;

	if (saved < 0 || pipe2(pipefd, O_NONBLOCK) || dup2(pipefd[1], 2) < 0)
		abort();
	rc = preload_socket(family, type, protocol);
	saved_errno = errno;
	dup2(saved, 2);
	len = read(pipefd[0], said, size - 1);
	said[len < 0 ? 0 : len] = '\0';
	close(pipefd[0]);
	close(pipefd[1]);
	close(saved);
	errno = saved_errno;
	return rc;
}

static int lines_in(const char *text)
{
	int lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

#define expect_asked(f, t, p) \
	do { \
		EXPECT_EQ(1, asked.calls); \
		EXPECT_EQ(f, asked.family); \
		EXPECT_EQ(t, asked.type); \
		EXPECT_EQ(p, asked.protocol); \
	} while (0)

TEST(launcher_socket_protocol_0)
{
	EXPECT_EQ(7, preload_socket(AF_INET, SOCK_STREAM, 0));
	expect_asked(AF_INET, SOCK_STREAM, IPPROTO_XTCP);
}

TEST(launcher_socket_protocol_tcp_keeps_flags)
{
	int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

	EXPECT_EQ(7, preload_socket(AF_INET, type, IPPROTO_TCP));
	expect_asked(AF_INET, type, IPPROTO_XTCP);
}

TEST(launcher_socket_ipv6_too)
{
	EXPECT_EQ(7, preload_socket(AF_INET6, SOCK_STREAM, 0));
	expect_asked(AF_INET6, SOCK_STREAM, IPPROTO_XTCP);
	asked.calls = 0;
	EXPECT_EQ(7, preload_socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
	expect_asked(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_XTCP);
}

/*
 * On a machine without IPv6 a program gets that error, and not that there is no xtcp.
 */
TEST(launcher_socket_no_ipv6_here)
{
	char said[512];

	asked.errno_then = EAFNOSUPPORT;
	EXPECT_EQ(-1, socket_says(AF_INET6, SOCK_STREAM, 0, said, sizeof(said)));
	EXPECT_EQ(EAFNOSUPPORT, errno);
	EXPECT_STREQ("", said);
}

/* Families x types x protocols that the launcher does not change. */
TEST(launcher_socket_others_untouched)
{
	static const struct { int family, type, protocol; } other[] = {
		{ AF_INET, SOCK_DGRAM, 0 },
		{ AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP },
		{ AF_INET, SOCK_RAW, IPPROTO_TCP },
		{ AF_INET, SOCK_STREAM, IPPROTO_SCTP },
		{ AF_INET, SOCK_STREAM, IPPROTO_XTCP },
		{ AF_INET6, SOCK_DGRAM, 0 },
		{ AF_INET6, SOCK_RAW, IPPROTO_TCP },
		{ AF_INET6, SOCK_STREAM, IPPROTO_XTCP },
		{ AF_UNIX, SOCK_STREAM, 0 },
		{ AF_NETLINK, SOCK_RAW, 0 },
	};

	for (unsigned int i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		memset(&asked, 0, sizeof(asked));
		EXPECT_EQ(7, preload_socket(other[i].family, other[i].type,
					    other[i].protocol));
		expect_asked(other[i].family, other[i].type, other[i].protocol);
	}
}

TEST(launcher_socket_mptcp_refused_and_said_once)
{
	char said[512];

	EXPECT_EQ(-1, socket_says(AF_INET, SOCK_STREAM, 262, said, sizeof(said)));
	EXPECT_EQ(EPROTONOSUPPORT, errno);
	EXPECT_EQ(1, lines_in(said));
	EXPECT_EQ(-1, socket_says(AF_INET6, SOCK_STREAM, 262, said, sizeof(said)));
	EXPECT_EQ(EPROTONOSUPPORT, errno);
	EXPECT_STREQ("", said);
	EXPECT_EQ(0, asked.calls);
}

TEST(launcher_socket_without_module_says_so_once)
{
	char said[512];

	asked.errno_then = EPROTONOSUPPORT;
	EXPECT_EQ(-1, socket_says(AF_INET, SOCK_STREAM, 0, said, sizeof(said)));
	EXPECT_EQ(EPROTONOSUPPORT, errno);
	EXPECT_EQ(1, lines_in(said));
	EXPECT_NE(NULL, strstr(said, "is the xtcp module loaded?"));
	EXPECT_EQ(-1, socket_says(AF_INET, SOCK_STREAM, 0, said, sizeof(said)));
	EXPECT_EQ(EPROTONOSUPPORT, errno);
	EXPECT_STREQ("", said);
}

/* Any other failure is left to the program. */
TEST(launcher_socket_other_errors_pass)
{
	char said[512];

	asked.errno_then = EMFILE;
	EXPECT_EQ(-1, socket_says(AF_INET, SOCK_STREAM, 0, said, sizeof(said)));
	EXPECT_EQ(EMFILE, errno);
	EXPECT_STREQ("", said);
}

TEST(launcher_socket_verbose)
{
	char said[512];

	setenv("XTCP_RUN_VERBOSE", "1", 1);
	EXPECT_EQ(7, socket_says(AF_INET, SOCK_STREAM, 0, said, sizeof(said)));
	EXPECT_NE(NULL, strstr(said, "socket 7 is an xtcp socket"));
	setenv("XTCP_RUN_VERBOSE", "0", 1);
	EXPECT_EQ(7, socket_says(AF_INET, SOCK_STREAM, 0, said, sizeof(said)));
	EXPECT_STREQ("", said);
}

TEST(launcher_so_protocol_is_the_truth)
{
	int value = 0;
	socklen_t len = sizeof(value);

	kernel_protocol = IPPROTO_XTCP;
	EXPECT_EQ(0, preload_getsockopt(7, SOL_SOCKET, SO_PROTOCOL, &value, &len));
	EXPECT_EQ(IPPROTO_XTCP, value);
}

TEST(launcher_so_protocol_as_tcp)
{
	socklen_t len = sizeof(int);
	int value = 0;

	setenv("XTCP_RUN_AS_TCP", "1", 1);
	kernel_protocol = IPPROTO_XTCP;
	EXPECT_EQ(0, preload_getsockopt(7, SOL_SOCKET, SO_PROTOCOL, &value, &len));
	EXPECT_EQ(IPPROTO_TCP, value);

	/* other options and other protocols have their own values */
	EXPECT_EQ(0, preload_getsockopt(7, SOL_SOCKET, SO_SNDBUF, &value, &len));
	EXPECT_EQ(IPPROTO_XTCP, value);
	EXPECT_EQ(0, preload_getsockopt(7, IPPROTO_IP, SO_PROTOCOL, &value, &len));
	EXPECT_EQ(IPPROTO_XTCP, value);
	kernel_protocol = IPPROTO_UDP;
	EXPECT_EQ(0, preload_getsockopt(7, SOL_SOCKET, SO_PROTOCOL, &value, &len));
	EXPECT_EQ(IPPROTO_UDP, value);

	/* a buffer of one byte is not written past */
	kernel_protocol = IPPROTO_XTCP;
	value = -1;
	len = 1;
	EXPECT_EQ(0, preload_getsockopt(7, SOL_SOCKET, SO_PROTOCOL, &value, &len));
	EXPECT_EQ(0xfffffffd, (unsigned int)value);
}

TEST_HARNESS_MAIN
