// SPDX-License-Identifier: GPL-2.0
/* vm: short */
/*
 * choose: sockets of which listen() or connect() chooses the stack, call by call.
 *
 * xtcp-preload-choose.c is compiled into this program under other names, as the library's
 * main source into user/preload. Descriptors are real sockets of the kernel's TCP. Those that
 * xtcp_preload_open() returns stand for xtcp's, and this file decides what they refuse.
 * selftests/user/launcher.sh has the real programs.
 */
#include "lib/xtcp_test.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void *fake_next(const char *name);
static int fake_dup3(int from, int to, int flags);
static void *fake_calloc(size_t number, size_t size);
__typeof__(setsockopt) choose_setsockopt;
__typeof__(bind) choose_bind;
__typeof__(epoll_ctl) choose_epoll_ctl;
__typeof__(listen) choose_listen;
__typeof__(connect) choose_connect;

/* As on a machine where some functions have two names. */
#define XTCP_PRELOAD_TIME64	1
#define dlsym(handle, name)	fake_next(name)
#define dup3			fake_dup3
#define calloc			fake_calloc
#define setsockopt		choose_setsockopt
#define __setsockopt64		choose_setsockopt64
#define bind			choose_bind
#define epoll_ctl		choose_epoll_ctl
#define listen			choose_listen
#define connect			choose_connect
#include "../scripts/xtcp-preload-choose.c"
#undef dlsym
#undef dup3
#undef calloc
#undef setsockopt
#undef bind
#undef epoll_ctl
#undef listen
#undef connect

/* What the library's other source defines. */
struct xtcp_preload_next xtcp_preload_next;
int (*xtcp_preload_later)(int family, int type, int protocol);

/* The sockets that stand for xtcp's, and what goes wrong: 0 or the errno. */
static ino_t ours[32];
static size_t our_count;
static int open_errno, dup_errno, bind_errno, option_errno, connect_errno;
static int kernel_bind_errno;

/* What the program's sockets were used for. */
static struct {
	int listen, connect;
} by_kernel, by_xtcp;

/* The options that an xtcp socket got, and the lines for the user. */
static struct option got[OPTIONS];
static size_t got_count;
static int lines;
static char line[256];

static bool is_ours(int fd)
{
	for (size_t i = 0; i < our_count; i++)
		if (ours[i] == inode_of(fd))
			return true;
	return false;
}

static int result(int err)
{
	errno = err;
	return err ? -1 : 0;
}

/* The last one of which the user was told, and how many. */
static int shown_last, shows;

int xtcp_preload_open(int family, int type, int shown)
{
	int fd = open_errno ? -1 : socket(family, type, IPPROTO_TCP);

	if (fd < 0)
		return result(open_errno);
	if (our_count == ARRAY_SIZE(ours))
		abort();
	ours[our_count++] = inode_of(fd);
	return fd;
}

void xtcp_preload_show(int fd)
{
	shown_last = fd;
	shows++;
}

void xtcp_preload_say(const char *fmt, ...)
{
	va_list args;

	lines++;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
}

static int fake_dup3(int from, int to, int flags)
{
	return dup_errno ? result(dup_errno) : dup3(from, to, flags);
}

static bool memory_is_short;

static void *fake_calloc(size_t number, size_t size)
{
	return memory_is_short ? NULL : calloc(number, size);
}

static int fake_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (!is_ours(fd))
		return 0;
	if (option_errno)
		return result(option_errno);
	got[got_count] = (struct option){ .level = level, .name = name, .len = len };
	memcpy(got[got_count++].value, value, len);
	return 0;
}

/* The C library's function by its second name. */
static int second_calls;

static int fake_setsockopt64(int fd, int level, int name, const void *value, socklen_t len)
{
	second_calls++;
	return fake_setsockopt(fd, level, name, value, len);
}

static int fake_bind(int fd, const struct sockaddr *to, socklen_t len)
{
	int err = is_ours(fd) ? bind_errno : kernel_bind_errno;

	return err ? result(err) : bind(fd, to, len);
}

static int fake_listen(int fd, int backlog)
{
	(is_ours(fd) ? &by_xtcp : &by_kernel)->listen++;
	return 0;
}

/* The kernel's own connect() tries, too; and what another thread does before it returns. */
static bool is_real;
static void (*meanwhile)(int fd);

static int fake_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	(is_ours(fd) ? &by_xtcp : &by_kernel)->connect++;
	if (meanwhile)
		meanwhile(fd);
	if (is_real)
		return connect(fd, to, len);
	return result(connect_errno);
}

/* If slow, it returns some time after it has done its work: others get the CPU meanwhile. */
static bool is_slow;
static atomic_bool is_added;

static int fake_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	int rc = epoll_ctl(epoll, op, fd, event);

	atomic_store(&is_added, true);
	if (is_slow)
		usleep(200000);
	return rc;
}

static void *fake_next(const char *name)
{
	static const struct { const char *name; void *function; } functions[] = {
		{ "socket", socket },
		{ "setsockopt", fake_setsockopt },
		{ "__setsockopt64", fake_setsockopt64 },
		{ "getsockopt", getsockopt },
		{ "bind", fake_bind },
		{ "epoll_ctl", fake_epoll_ctl },
		{ "listen", fake_listen },
		{ "connect", fake_connect },
	};

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		if (!strcmp(name, functions[i].name))
			return functions[i].function;
	abort();
}

/* A socket of a program with these options of xtcp-run. */
static int program_socket(const char *role, const char *list)
{
	setenv("XTCP_RUN_ROLE", role, 1);
	setenv("XTCP_RUN_PORTS", list, 1);
	xtcp_preload_read_choice();
	return xtcp_preload_later ? xtcp_preload_later(AF_INET, SOCK_STREAM, 0) : -1;
}

static int own_address(int fd, struct sockaddr_in *own)
{
	return getsockname(fd, (struct sockaddr *)own, &(socklen_t){ sizeof(*own) });
}

static int connect_to(int fd, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return choose_connect(fd, (struct sockaddr *)&to, sizeof(to));
}

TEST(launcher_choose_by_role_and_port)
{
	EXPECT_EQ(-1, program_socket("", ""));

	EXPECT_EQ(0, choose_listen(program_socket("listen", ""), 1));
	EXPECT_EQ(1, by_xtcp.listen);
	EXPECT_EQ(0, connect_to(program_socket("listen", ""), 80));
	EXPECT_EQ(1, by_kernel.connect);
	EXPECT_EQ(0, connect_to(program_socket("connect", "80,443"), 443));
	EXPECT_EQ(1, by_xtcp.connect);
	EXPECT_EQ(0, connect_to(program_socket("connect", "80,443"), 444));
	EXPECT_EQ(2, by_kernel.connect);
	EXPECT_EQ(0, lines);
}

/* What the library says is wrong with these. */
static const char *wrong_choice(const char *role, const char *list)
{
	const char *wrong;

	setenv("XTCP_RUN_ROLE", role, 1);
	setenv("XTCP_RUN_PORTS", list, 1);
	wrong = xtcp_preload_read_choice();
	return wrong ? wrong : "nothing";
}

/* Nothing else than what the manual page has is taken, for another meaning at that. */
TEST(launcher_choose_refuses_other_words)
{
	static const char *const roles[] = {
		"listen-only", "connect-only", "Listen", "listen ", "both", "-", "1",
	};
	static const char no_list[] =
		"XTCP_RUN_PORTS is not a list of ports from 1 to 65535 with commas between";
	static const char *const lists[] = {
		"http", "80,http", "80;443", "80 443", "80, 443", " 80", "+80", "-1", ",80", "80,",
		"80,,443", ",", "0", "80,0", "65536", "80,65536", "4294967376",
		"18446744073709551696", "0x50", "80-90", "80x",
	};

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		EXPECT_STREQ("XTCP_RUN_ROLE is neither listen nor connect",
			     wrong_choice(roles[i], "80")) TH_LOG("%s", roles[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		EXPECT_STREQ(no_list, wrong_choice("listen", lists[i])) TH_LOG("%s", lists[i]);
	}
	EXPECT_EQ(NULL, xtcp_preload_later);
	EXPECT_STREQ("nothing", wrong_choice("listen", ""));
	EXPECT_STREQ("nothing", wrong_choice("connect", "65535"));
	EXPECT_STREQ("nothing", wrong_choice("", "1,080,65535"));
	EXPECT_STREQ("nothing", wrong_choice("", ""));
}

/* SO_BINDTODEVICE is often given the whole structure. */
TEST(launcher_choose_hands_options_over)
{
	struct ifreq device = { .ifr_name = "lo" };
	int fd = program_socket("listen", ""), one = 1;

	EXPECT_EQ(0, choose_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, &device, sizeof(device)));
	EXPECT_EQ(0, choose_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	EXPECT_EQ(0, choose_listen(fd, 1));
	EXPECT_EQ(1, by_xtcp.listen);
	EXPECT_EQ(fd, shown_last);
	ASSERT_EQ(2, got_count);
	EXPECT_EQ(SO_BINDTODEVICE, got[0].name);
	EXPECT_EQ(sizeof(device), got[0].len);
	EXPECT_EQ(0, memcmp(&device, got[0].value, sizeof(device)));
	EXPECT_EQ(TCP_NODELAY, got[1].name);
	EXPECT_EQ(0, lines);
}

/* As a program of 32 bits calls it whose time_t has 64. */
TEST(launcher_choose_second_name_of_setsockopt)
{
	int fd = program_socket("listen", "");
	char key[216] = "";

	EXPECT_EQ(0, choose_setsockopt64(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, 4));
	EXPECT_EQ(1, second_calls);
	EXPECT_EQ(0, choose_listen(fd, 1));
	ASSERT_EQ(1, got_count);
	EXPECT_EQ(TCP_NODELAY, got[0].name);

	fd = program_socket("listen", "");
	EXPECT_EQ(0, choose_setsockopt64(fd, IPPROTO_TCP, TCP_MD5SIG, key, sizeof(key)));
	EXPECT_EQ(-1, choose_listen(fd, 1));
	EXPECT_EQ(ENOPROTOOPT, errno);
}

/* What is not remembered would never become xtcp's. */
TEST(launcher_choose_without_memory)
{
	int next = dup(STDOUT_FILENO), fd;

	close(next);
	memory_is_short = true;
	EXPECT_EQ(-1, program_socket("", "80"));
	EXPECT_EQ(ENOMEM, errno);
	memory_is_short = false;
	fd = program_socket("", "80");
	EXPECT_EQ(next, fd) TH_LOG("a descriptor is left open");
	EXPECT_EQ(0, connect_to(fd, 80));
	EXPECT_EQ(1, by_xtcp.connect);
}

/* The program tries until it is xtcp's; its options wait for that. */
TEST(launcher_choose_fails_at_each_try)
{
	int listener = program_socket("", "80"), one = 1;
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(80) };
	int client = program_socket("", "80");

	EXPECT_EQ(0, choose_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	ASSERT_EQ(0, choose_bind(listener, (struct sockaddr *)&own, sizeof(own)));
	open_errno = EPROTONOSUPPORT;
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(-1, choose_listen(listener, 1));
		EXPECT_EQ(EPROTONOSUPPORT, errno);
		EXPECT_EQ(-1, connect_to(client, 80));
		EXPECT_EQ(EPROTONOSUPPORT, errno);
	}
	open_errno = 0;
	dup_errno = EBUSY;
	EXPECT_EQ(-1, choose_listen(listener, 1));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, by_kernel.listen + by_xtcp.listen);
	dup_errno = 0;
	got_count = 0;
	EXPECT_EQ(0, choose_listen(listener, 1));
	EXPECT_EQ(1, by_xtcp.listen);
	EXPECT_EQ(1, got_count);
	EXPECT_EQ(0, connect_to(client, 80));
	EXPECT_EQ(1, by_xtcp.connect);
	EXPECT_EQ(0, by_kernel.listen + by_kernel.connect);
}

/* Then it is xtcp's, and each try fails until it has that address: it listens on no other port. */
TEST(launcher_choose_address_in_use)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(80) };
	int fd = program_socket("listen", "80");

	ASSERT_EQ(0, choose_bind(fd, (struct sockaddr *)&own, sizeof(own)));
	bind_errno = EADDRINUSE;
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(-1, choose_listen(fd, 1));
		EXPECT_EQ(EADDRINUSE, errno);
		EXPECT_TRUE(is_ours(fd));
	}
	EXPECT_EQ(1, our_count);
	EXPECT_EQ(0, by_xtcp.listen);
	bind_errno = 0;
	EXPECT_EQ(0, choose_listen(fd, 1));
	EXPECT_EQ(1, by_xtcp.listen);
	EXPECT_EQ(0, own_address(fd, &own));
	EXPECT_EQ(80, ntohs(own.sin_port));
	EXPECT_EQ(NULL, take(fd));
}

/* Or the program binds it itself. */
TEST(launcher_choose_address_in_use_then_another_one)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(80) };
	int fd = program_socket("listen", "80");

	ASSERT_EQ(0, choose_bind(fd, (struct sockaddr *)&own, sizeof(own)));
	bind_errno = EADDRINUSE;
	EXPECT_EQ(-1, choose_listen(fd, 1));
	bind_errno = 0;
	own.sin_port = htons(81);
	ASSERT_EQ(0, choose_bind(fd, (struct sockaddr *)&own, sizeof(own)));
	EXPECT_EQ(0, choose_listen(fd, 1));
	EXPECT_EQ(0, own_address(fd, &own));
	EXPECT_EQ(81, ntohs(own.sin_port));
}

static int bind_to(int fd, int port)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(port) };

	return choose_bind(fd, (struct sockaddr *)&own, sizeof(own));
}

/* A further listener of a SO_REUSEPORT group: only xtcp knows that the first has the option. */
TEST(launcher_choose_second_listener_of_a_group)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct sockaddr_in own = { };
	int one = 1;

	for (int i = 0; i < 2; i++) {
		int fd = program_socket(i ? "listen" : "", i ? "" : "80,443");
		int epoll = epoll_create1(0);

		got_count = 0;
		ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
		ASSERT_EQ(0, choose_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
		ASSERT_EQ(0, choose_epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
		kernel_bind_errno = EADDRINUSE;
		EXPECT_EQ(0, bind_to(fd, i ? 444 : 443));
		EXPECT_TRUE(is_ours(fd));
		EXPECT_EQ(0, own_address(fd, &own));
		EXPECT_EQ(i ? 444 : 443, ntohs(own.sin_port));
		EXPECT_EQ(fd, shown_last);
		EXPECT_EQ(i + 1, shows);
		EXPECT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event));
		ASSERT_EQ(1, got_count);
		EXPECT_EQ(SO_REUSEPORT, got[0].name);
		/* bind() may come once, as of each socket. */
		kernel_bind_errno = 0;
		EXPECT_EQ(-1, bind_to(fd, 80));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(0, choose_listen(fd, 1));
		EXPECT_EQ(i + 1, by_xtcp.listen);
		EXPECT_EQ(i + 1, (int)our_count);
		EXPECT_EQ(NULL, take(fd));
	}
}

static int sharing_socket(const char *role, const char *list)
{
	int fd = program_socket(role, list), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	return fd;
}

/* Without the option: the address may be that of a socket that has yet to listen. */
TEST(launcher_choose_in_use_and_not_shared)
{
	int fd = program_socket("", "443");

	kernel_bind_errno = EADDRINUSE;
	EXPECT_EQ(-1, bind_to(fd, 443));
	EXPECT_EQ(EADDRINUSE, errno);
	EXPECT_FALSE(is_ours(fd));
	EXPECT_EQ(0, our_count);
}

/* If xtcp refuses it, too, the program sees the kernel's error and has the kernel's socket. */
TEST(launcher_choose_in_use_in_both_stacks)
{
	struct sockaddr_in own = { };
	int fd = sharing_socket("", "443"), mark = 77, next;

	ASSERT_EQ(0, choose_setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)));
	next = dup(fd);
	close(next);
	kernel_bind_errno = EADDRINUSE;
	for (int i = 0; i < 4; i++) {
		open_errno = i == 0 ? EPROTONOSUPPORT : 0;
		option_errno = i == 1 ? EPERM : 0;
		bind_errno = i == 2 ? EADDRNOTAVAIL : 0;
		dup_errno = i == 3 ? EBUSY : 0;
		EXPECT_EQ(-1, bind_to(fd, 443));
		EXPECT_EQ(EADDRINUSE, errno);
		EXPECT_FALSE(is_ours(fd));
	}
	EXPECT_EQ(0, shows);
	EXPECT_EQ(next, dup(fd)) TH_LOG("a descriptor is left open");
	close(next);
	dup_errno = kernel_bind_errno = 0;
	ASSERT_EQ(0, bind_to(fd, 443));
	EXPECT_FALSE(is_ours(fd));
	EXPECT_EQ(0, choose_listen(fd, 1));
	EXPECT_TRUE(is_ours(fd));
	EXPECT_EQ(1, shows);
	EXPECT_EQ(0, own_address(fd, &own));
	EXPECT_EQ(443, ntohs(own.sin_port));
}

/* Only for what a listener of xtcp may have, and only for this error. */
TEST(launcher_choose_in_use_and_not_for_xtcp)
{
	int fd = sharing_socket("", "443");

	kernel_bind_errno = EADDRINUSE;
	EXPECT_EQ(-1, bind_to(fd, 444));
	/* Any port: clients ask for it. */
	fd = sharing_socket("listen", "");
	EXPECT_EQ(-1, bind_to(fd, 0));
	EXPECT_EQ(EADDRINUSE, errno);
	kernel_bind_errno = EACCES;
	EXPECT_EQ(-1, bind_to(fd, 443));
	EXPECT_EQ(EACCES, errno);
	kernel_bind_errno = EADDRINUSE;
	fd = sharing_socket("connect", "");
	EXPECT_EQ(-1, bind_to(fd, 443));
	EXPECT_EQ(EADDRINUSE, errno);
	EXPECT_EQ(0, our_count);
}

/* It was a client: if its connection is not xtcp's, its address is in use. */
TEST(launcher_choose_in_use_and_connected)
{
	int fd = sharing_socket("", "80,1022");

	kernel_bind_errno = EADDRINUSE;
	EXPECT_EQ(0, bind_to(fd, 1022));
	EXPECT_EQ(-1, connect_to(fd, 81));
	EXPECT_EQ(EADDRINUSE, errno);
	EXPECT_EQ(0, by_kernel.connect + by_xtcp.connect);
	EXPECT_EQ(0, connect_to(fd, 80));
	EXPECT_EQ(1, by_xtcp.connect);

	fd = sharing_socket("listen", "");
	EXPECT_EQ(0, bind_to(fd, 1023));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(-1, connect_to(fd, 80));
		EXPECT_EQ(EADDRINUSE, errno);
	}
	EXPECT_EQ(0, choose_listen(fd, 1));
	EXPECT_EQ(1, by_xtcp.listen);
	EXPECT_EQ(1, by_xtcp.connect);
}

/* Not only the library's bind() binds: here another descriptor's does, and that of a child. */
TEST(launcher_choose_address_that_others_gave)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(80),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = program_socket("", "80,81"), other = dup(fd), status = -1;

	ASSERT_EQ(0, bind(other, (struct sockaddr *)&own, sizeof(own)));
	close(other);
	EXPECT_EQ(0, choose_listen(fd, 1));
	EXPECT_EQ(1, by_xtcp.listen);
	EXPECT_EQ(0, own_address(fd, &own));
	EXPECT_EQ(80, ntohs(own.sin_port));
	EXPECT_EQ(INADDR_LOOPBACK, ntohl(own.sin_addr.s_addr));

	/* Also if the kernel's TCP tries to connect it first. */
	fd = program_socket("", "80,81");
	own.sin_port = htons(90);
	if (!fork())
		_exit(bind(fd, (struct sockaddr *)&own, sizeof(own)));
	wait(&status);
	ASSERT_EQ(0, status);
	connect_errno = ECONNREFUSED;
	EXPECT_EQ(-1, connect_to(fd, 82));
	connect_errno = 0;
	EXPECT_EQ(0, connect_to(fd, 81));
	EXPECT_TRUE(is_ours(fd));
	EXPECT_EQ(0, own_address(fd, &own));
	EXPECT_EQ(90, ntohs(own.sin_port));

	/* An address without a port. */
	fd = program_socket("", "80,81");
	own.sin_port = 0;
	ASSERT_EQ(0, setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, 4));
	ASSERT_EQ(0, bind(fd, (struct sockaddr *)&own, sizeof(own)));
	EXPECT_EQ(0, connect_to(fd, 81));
	EXPECT_EQ(0, own_address(fd, &own));
	EXPECT_EQ(INADDR_LOOPBACK, ntohl(own.sin_addr.s_addr));
}

/* After a refused connection the kernel still names the port that it had chosen. */
TEST(launcher_choose_no_port_of_a_failed_connection)
{
	int fd = program_socket("connect", "443");
	struct sockaddr_in own = { };

	is_real = true;
	EXPECT_EQ(-1, connect_to(fd, 80));
	EXPECT_EQ(ECONNREFUSED, errno);
	EXPECT_EQ(0, own_address(fd, &own));
	EXPECT_NE(0, own.sin_port);
	is_real = false;
	EXPECT_EQ(0, connect_to(fd, 443));
	EXPECT_TRUE(is_ours(fd));
	EXPECT_EQ(0, own_address(fd, &own));
	EXPECT_EQ(0, own.sin_port);
}

/* A refused connection leaves the choice to the next one. An open one does not. */
TEST(launcher_choose_connects_again)
{
	int fd = program_socket("connect", "443");

	connect_errno = ECONNREFUSED;
	EXPECT_EQ(-1, connect_to(fd, 80));
	EXPECT_EQ(ECONNREFUSED, errno);
	connect_errno = 0;
	EXPECT_EQ(0, connect_to(fd, 443));
	EXPECT_EQ(1, by_kernel.connect);
	EXPECT_EQ(1, by_xtcp.connect);

	fd = program_socket("connect", "443");
	EXPECT_EQ(0, connect_to(fd, 80));
	EXPECT_EQ(0, connect_to(fd, 443));
	EXPECT_EQ(3, by_kernel.connect);
	EXPECT_EQ(1, by_xtcp.connect);
}

static void replace_by_another(int fd)
{
	close(fd);
	if (program_socket("", "80") != fd)
		abort();
}

/* What a connect() that returns late has connected is not what has the descriptor by then. */
TEST(launcher_choose_connects_while_the_descriptor_is_reused)
{
	static const int results[] = { 0, EINTR, EINPROGRESS };

	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		int fd = program_socket("", "80");

		meanwhile = replace_by_another;
		connect_errno = results[i];
		EXPECT_EQ(results[i] ? -1 : 0, connect_to(fd, 81));
		if (results[i])
			EXPECT_EQ(results[i], errno);
		meanwhile = NULL;
		connect_errno = 0;
		EXPECT_EQ(0, connect_to(fd, 80));
		EXPECT_TRUE(is_ours(fd));
		EXPECT_EQ((int)i + 1, by_xtcp.connect);
	}
}

/* Whoever gets SIGIO gets it from the new socket, too. */
TEST(launcher_choose_hands_flags_over)
{
	int fd = program_socket("listen", "");
	struct f_owner_ex owner = { .type = F_OWNER_TID, .pid = getpid() };

	ASSERT_EQ(0, fcntl(fd, F_SETOWN_EX, &owner));
	ASSERT_EQ(0, fcntl(fd, F_SETSIG, SIGUSR1));
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK));
	EXPECT_EQ(0, choose_listen(fd, 1));
	EXPECT_TRUE(is_ours(fd));
	EXPECT_EQ(O_RDWR | O_ASYNC | O_NONBLOCK, fcntl(fd, F_GETFL));
	EXPECT_EQ(SIGUSR1, fcntl(fd, F_GETSIG));
	memset(&owner, 0, sizeof(owner));
	EXPECT_EQ(0, fcntl(fd, F_GETOWN_EX, &owner));
	EXPECT_EQ(F_OWNER_TID, owner.type);
	EXPECT_EQ(getpid(), owner.pid);
	ASSERT_EQ(0, fcntl(fd, F_SETFL, 0));
}

/* An option that xtcp refuses, one that is too long, one too many, and a filter. */
TEST(launcher_choose_says_once_what_is_lost)
{
	int fd = program_socket("listen", ""), one = 1;
	char longer[OPTION_LEN + 1] = "";

	EXPECT_EQ(0, choose_setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3));
	option_errno = ENOPROTOOPT;
	EXPECT_EQ(0, choose_listen(fd, 1));
	EXPECT_EQ(1, lines);
	EXPECT_STREQ("option 31 of level 6 was not taken over: Protocol not available", line);
	option_errno = 0;

	for (int i = 0; i < 3; i++) {
		fd = program_socket("listen", "");
		for (int n = 0; i == 0 && n <= OPTIONS; n++)
			choose_setsockopt(fd, IPPROTO_TCP, TCP_CORK, &one, sizeof(one));
		if (i == 1)
			choose_setsockopt(fd, IPPROTO_IP, IP_MSFILTER, longer, sizeof(longer));
		if (i == 2)
			choose_setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, longer, 16);
		EXPECT_TRUE(table[fd]->has_dropped);
		EXPECT_EQ(0, choose_listen(fd, 1));
	}
	EXPECT_EQ(4, by_xtcp.listen);
	EXPECT_EQ(1, lines);
}

/* Rather none than a connection by another device or route, or one without encryption. */
TEST(launcher_choose_fails_without_a_vital_option)
{
	static const struct { int level, name; socklen_t len; int refused, answer; } vital[] = {
		{ SOL_SOCKET, SO_BINDTODEVICE, 2, EPERM, EPERM },
		{ SOL_SOCKET, SO_BINDTODEVICE, 100, 0, ENOPROTOOPT },
		{ SOL_SOCKET, SO_BINDTOIFINDEX, 4, ENODEV, ENODEV },
		{ SOL_SOCKET, SO_MARK, 4, EPERM, EPERM },
		{ IPPROTO_IP, IP_XFRM_POLICY, 168, 0, ENOPROTOOPT },
		{ IPPROTO_IP, IP_IPSEC_POLICY, 168, 0, ENOPROTOOPT },
		{ IPPROTO_IPV6, IPV6_XFRM_POLICY, 168, 0, ENOPROTOOPT },
		{ IPPROTO_IPV6, IPV6_IPSEC_POLICY, 168, 0, ENOPROTOOPT },
		{ IPPROTO_TCP, TCP_MD5SIG, 216, 0, ENOPROTOOPT },
		{ IPPROTO_TCP, TCP_MD5SIG_EXT, 216, 0, ENOPROTOOPT },
		{ IPPROTO_TCP, 38, 288, 0, ENOPROTOOPT },
		{ IPPROTO_TCP, 40, 16, EINVAL, EINVAL },
	};
	char value[288] = "lo";

	for (size_t i = 0; i < ARRAY_SIZE(vital); i++) {
		int fd = program_socket("", "80");

		EXPECT_EQ(0, choose_setsockopt(fd, vital[i].level, vital[i].name, value,
					       vital[i].len));
		/* A filter that is lost, too, does not hide it. */
		EXPECT_EQ(0, choose_setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, value, 16));
		option_errno = vital[i].refused;
		for (int tries = 0; tries < 2; tries++) {
			EXPECT_EQ(-1, connect_to(fd, 80));
			EXPECT_EQ(vital[i].answer, errno);
		}
		option_errno = 0;
		/* The same socket on the kernel's TCP. */
		EXPECT_EQ(0, connect_to(fd, 81));
	}
	EXPECT_EQ(0, by_xtcp.connect);
	EXPECT_EQ(ARRAY_SIZE(vital), by_kernel.connect);
	/* One for the filter of the first of them. */
	EXPECT_EQ(2, lines);
	EXPECT_NE(NULL, strstr(line, "so the call fails"));
}

/* The program opens the socket in one network namespace and uses it in another one. */
TEST(launcher_choose_fails_in_another_network_namespace)
{
	struct sockaddr_in own = { };
	int listener, client, sharing, home = open("/proc/thread-self/ns/net", O_RDONLY);

	ASSERT_LE(0, home);
	listener = program_socket("", "80");
	client = program_socket("", "80");
	sharing = sharing_socket("", "80");
	ASSERT_EQ(0, bind_to(listener, 80));
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(-1, choose_listen(listener, 1));
		EXPECT_EQ(EXDEV, errno);
		EXPECT_EQ(-1, connect_to(client, 80));
		EXPECT_EQ(EXDEV, errno);
	}
	kernel_bind_errno = EADDRINUSE;
	EXPECT_EQ(-1, bind_to(sharing, 80));
	EXPECT_EQ(EADDRINUSE, errno);
	EXPECT_FALSE(is_ours(listener) || is_ours(client) || is_ours(sharing));
	EXPECT_EQ(0, by_kernel.listen + by_kernel.connect + by_xtcp.listen + by_xtcp.connect);
	EXPECT_EQ(1, lines);
	EXPECT_NE(NULL, strstr(line, "is of another network namespace than the call"));
	/* The kernel's, wherever the thread is. */
	EXPECT_EQ(0, connect_to(client, 81));
	EXPECT_EQ(1, by_kernel.connect);
	ASSERT_EQ(0, setns(home, CLONE_NEWNET));
	EXPECT_EQ(0, choose_listen(listener, 1));
	EXPECT_EQ(1, by_xtcp.listen);
	EXPECT_EQ(0, own_address(listener, &own));
	EXPECT_EQ(80, ntohs(own.sin_port));
}

static uid_t owner_of(int fd)
{
	struct stat st = { .st_uid = -1 };

	return fstat(fd, &st) ? (uid_t)-1 : st.st_uid;
}

/* The user who called socket() owns it, not the one who connects it. */
TEST(launcher_choose_keeps_the_owner)
{
	int root = program_socket("", "80"), user;

	ASSERT_EQ(0, seteuid(12345));
	user = program_socket("", "80");
	ASSERT_EQ(12345, owner_of(user));
	/* A user can't give root a socket: rather none than one that other rules see. */
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(-1, connect_to(root, 80));
		EXPECT_EQ(EPERM, errno);
	}
	EXPECT_FALSE(is_ours(root));
	EXPECT_EQ(1, lines);
	EXPECT_NE(NULL, strstr(line, "was not taken over, so the call fails: Operation not permitted"));
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(0, connect_to(user, 80));
	EXPECT_TRUE(is_ours(user));
	EXPECT_EQ(12345, owner_of(user));
	EXPECT_EQ(0, connect_to(root, 80));
	EXPECT_EQ(0, owner_of(root));
	EXPECT_EQ(2, by_xtcp.connect);
	EXPECT_EQ(1, lines);
}

/* The program has set it by another descriptor of the same socket. */
TEST(launcher_choose_hands_over_what_it_has_not_seen)
{
	int fd = program_socket("connect", ""), mark = 77;

	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)));
	option_errno = EPERM;
	EXPECT_EQ(-1, connect_to(fd, 80));
	EXPECT_EQ(EPERM, errno);
	option_errno = 0;
	EXPECT_EQ(0, connect_to(fd, 80));
	EXPECT_EQ(1, by_xtcp.connect);
	ASSERT_EQ(1, got_count);
	EXPECT_EQ(SO_MARK, got[0].name);
	EXPECT_EQ(0, memcmp(&mark, got[0].value, sizeof(mark)));
}

static int add_place(int epoll, int fd, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return choose_epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* 0, or the errno of the kernel: ENOENT if it is not there. */
static int has_place(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) ? errno : 0;
}

/* The set was closed, and another one has its number: it must not get the place's data. */
TEST(launcher_choose_not_into_another_epoll_set)
{
	int fd = program_socket("listen", ""), closed = epoll_create1(0), kept = epoll_create1(0);

	ASSERT_EQ(0, add_place(closed, fd, EPOLLIN));
	ASSERT_EQ(0, add_place(kept, fd, EPOLLIN));
	close(closed);
	ASSERT_EQ(closed, epoll_create1(0));
	EXPECT_EQ(0, choose_listen(fd, 1));
	EXPECT_TRUE(is_ours(fd));
	EXPECT_EQ(ENOENT, has_place(closed, fd));
	EXPECT_EQ(0, has_place(kept, fd));
	EXPECT_EQ(1, lines);
}

/* The program would wait there for ever. */
TEST(launcher_choose_says_which_place_in_epoll_is_lost)
{
	char expected[100];

	for (int i = 0; i < 2; i++) {
		int fd = program_socket("listen", ""), epoll = epoll_create1(0);

		ASSERT_EQ(0, add_place(epoll, fd, EPOLLIN));
		ASSERT_LE(100, fcntl(epoll, F_DUPFD, 100));
		close(epoll);
		EXPECT_EQ(0, choose_listen(fd, 1));
		EXPECT_TRUE(is_ours(fd));
		EXPECT_EQ(1, lines);
		if (i == 0)
			snprintf(expected, sizeof(expected), "the place of socket %d in epoll set "
				 "%d was not taken over: Bad file descriptor", fd, epoll);
	}
	EXPECT_STREQ(expected, line);
}

/* An exclusive place cannot be changed, only made anew. */
TEST(launcher_choose_keeps_places_in_epoll)
{
	int fd = program_socket("listen", ""), plain = epoll_create1(0), one = epoll_create1(0);

	ASSERT_EQ(0, add_place(plain, fd, EPOLLIN));
	ASSERT_EQ(0, add_place(one, fd, EPOLLIN | EPOLLEXCLUSIVE));
	dup_errno = EBUSY;
	EXPECT_EQ(-1, choose_listen(fd, 1));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, has_place(plain, fd));
	EXPECT_EQ(EINVAL, has_place(one, fd));
	dup_errno = 0;
	EXPECT_EQ(0, choose_listen(fd, 1));
	EXPECT_TRUE(is_ours(fd));
	EXPECT_EQ(0, has_place(plain, fd));
	EXPECT_EQ(EINVAL, has_place(one, fd));
	EXPECT_EQ(0, lines);
}

struct addition {
	int epoll, fd;
};

static void *add(void *arg)
{
	const struct addition *a = arg;
	struct epoll_event event = { .events = EPOLLOUT };

	return (void *)(intptr_t)choose_epoll_ctl(a->epoll, EPOLL_CTL_ADD, a->fd, &event);
}

/* One thread has put the socket into an epoll set and not yet returned; another one connects
 * it. In a child after fork() the first one has gone, and nobody waits for it.
 */
TEST(launcher_choose_waits_for_another_thread)
{
	struct addition a = { epoll_create1(0), program_socket("connect", "") };
	struct epoll_event event = { .events = EPOLLIN };
	pthread_t thread;
	void *rc;
	int status;
	pid_t child;

	is_slow = true;
	ASSERT_EQ(0, pthread_create(&thread, NULL, add, &a));
	while (!atomic_load(&is_added))
		usleep(1000);
	child = fork();
	if (!child) {
		alarm(10);
		_exit(connect_to(a.fd, 80));
	}
	EXPECT_EQ(0, connect_to(a.fd, 80));
	EXPECT_EQ(1, by_xtcp.connect);
	pthread_join(thread, &rc);
	EXPECT_EQ(NULL, rc);
	EXPECT_EQ(0, epoll_ctl(a.epoll, EPOLL_CTL_MOD, a.fd, &event));
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
