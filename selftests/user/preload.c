// SPDX-License-Identifier: GPL-2.0
/* vm: short */
/*
 * preload: the decisions of xtcp-run's library, call by call.
 *
 * The library's main source is compiled into this program under other names, and this
 * file supplies what the library takes for functions of the C library: they record
 * the calls and return what the test wants. No socket is opened, so neither the
 * module nor the network matters. selftests/user/launcher.sh has the real programs.
 */
#include "lib/xtcp_test.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/uio.h>
#include <sys/wait.h>

static void *fake_next(const char *name);
static ssize_t fake_read(int fd, void *buf, size_t size);
__typeof__(socket) preload_socket;
__typeof__(getsockopt) preload_getsockopt;
__typeof__(send) preload_send;
__typeof__(sendto) preload_sendto;
__typeof__(sendmsg) preload_sendmsg;
__typeof__(sendmmsg) preload_sendmmsg;
__typeof__(write) preload_write;
__typeof__(writev) preload_writev;

/* As on a machine where some functions have two names. */
#define XTCP_PRELOAD_TIME64	1
#define dlsym(handle, name)	fake_next(name)
#define socket			preload_socket
#define getsockopt		preload_getsockopt
#define send			preload_send
#define sendto			preload_sendto
#define sendmsg			preload_sendmsg
#define sendmmsg		preload_sendmmsg
#define __getsockopt64		preload_getsockopt64
#define __sendmsg64		preload_sendmsg64
#define __sendmmsg64		preload_sendmmsg64
#define __setsockopt64		preload_setsockopt64
#define write			preload_write
#define writev			preload_writev
#define read			fake_read
#include "../scripts/xtcp-preload.c"
#undef dlsym
#undef socket
#undef getsockopt
#undef send
#undef sendto
#undef sendmsg
#undef sendmmsg
#undef write
#undef writev
#undef read

/* What xtcp-preload-choose.c defines (user/choose). */
static int later_calls;

static int open_later(int family, int type, int protocol)
{
	later_calls++;
	return 8;
}

const char *xtcp_preload_read_choice(void)
{
	const char *role = getenv("XTCP_RUN_ROLE");

	if (role && !strcmp(role, "wrong"))
		return "the role is wrong";
	xtcp_preload_later = role ? open_later : NULL;
	return NULL;
}

/* The library's last calls, and the results that it gets. */
static struct {
	int calls, family, type, protocol;
	int errno_then;		/* not 0: fail with it */
} asked;
static int kernel_protocol, kernel_domain = AF_INET;
static bool stderr_is_a_socket;

/* The last message that was sent. */
static struct {
	int calls, errno_then;
	size_t len;
	char buf[1024];
} sent;

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
	if (fd == STDERR_FILENO && !stderr_is_a_socket) {
		errno = ENOTSOCK;
		return -1;
	}
	memcpy(value, name == SO_DOMAIN ? &kernel_domain : &kernel_protocol,
	       *len < sizeof(int) ? *len : sizeof(int));
	return 0;
}

static ssize_t fake_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	sent.calls++;
	sent.len = 0;
	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		memcpy(sent.buf + sent.len, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len);
		sent.len += msg->msg_iov[i].iov_len;
	}
	errno = sent.errno_then;
	return sent.errno_then ? -1 : (ssize_t)sent.len;
}

/* Also of the library's own lines, and of its own question to the kernel. */
static ssize_t fake_write(int fd, const void *data, size_t len)
{
	return fd == 2 ? write(fd, data, len) : (ssize_t)len;
}

static ssize_t fake_read(int fd, void *buf, size_t size)
{
	struct { struct nlmsghdr nlh; int err; } done = { { 20, NLMSG_DONE, 2, 1, 0 }, 0 };

	memcpy(buf, &done, sizeof(done));
	return sizeof(done);
}

/* The C library's functions by their second names. */
static int second_calls;

static int fake_getsockopt64(int fd, int level, int name, void *value, socklen_t *len)
{
	second_calls++;
	return fake_getsockopt(fd, level, name, value, len);
}

static ssize_t fake_sendmsg64(int fd, const struct msghdr *msg, int flags)
{
	second_calls++;
	return fake_sendmsg(fd, msg, flags);
}

static int fake_sendmmsg64(int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	second_calls++;
	return n;
}

static void *fake_next(const char *name)
{
	static const struct { const char *name; void *function; } functions[] = {
		{ "__getsockopt64", fake_getsockopt64 },
		{ "__sendmsg64", fake_sendmsg64 },
		{ "__sendmmsg64", fake_sendmmsg64 },
		{ "socket", fake_socket },
		{ "getsockopt", fake_getsockopt },
		{ "sendmsg", fake_sendmsg },
		{ "write", fake_write },
	};

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		if (!strcmp(name, functions[i].name))
			return functions[i].function;
	/* The library looks up all before the program starts. A call would end the test. */
	return NULL;
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

/* inetd gives a connection as stderr, whose peer does not expect the launcher's lines. */
TEST(launcher_socket_says_nothing_to_a_peer)
{
	char said[512];

	stderr_is_a_socket = true;
	EXPECT_EQ(-1, socket_says(AF_INET, SOCK_STREAM, 262, said, sizeof(said)));
	EXPECT_EQ(EPROTONOSUPPORT, errno);
	EXPECT_STREQ("", said);
}

/* A Unix socket leads to a program of this machine, such as the journal. */
TEST(launcher_socket_speaks_to_the_journal)
{
	char said[512];

	stderr_is_a_socket = true;
	kernel_domain = AF_UNIX;
	EXPECT_EQ(-1, socket_says(AF_INET, SOCK_STREAM, 262, said, sizeof(said)));
	EXPECT_EQ(1, lines_in(said));
}

static void load(void)
{
	atomic_store(&told.is_read, false);
	look_up();
}

/* What a line to @fd as stderr adds there, in bytes. @at_start: it was stderr already when the
 * library was loaded.
 */
static long said_to(int fd, int reader, bool at_start)
{
	int saved = dup(2);
	char said[512];
	ssize_t len;

	if (!at_start)
		load();
	if (saved < 0 || dup2(fd, 2) < 0)
		abort();
	if (at_start)
		load();
	xtcp_preload_say("a line");
	dup2(saved, 2);
	close(saved);
	len = read(reader, said, sizeof(said));
	return len < 0 ? 0 : len;
}

static long said_to_file(int flags, bool at_start)
{
	char path[] = "/tmp/preload.XXXXXX";
	int reader = mkstemp(path), fd = open(path, O_WRONLY | flags);
	long len;

	if (reader < 0 || fd < 0)
		abort();
	len = said_to(fd, reader, at_start);
	unlink(path);
	close(reader);
	close(fd);
	return len;
}

static long said_to_socket(bool at_start)
{
	int ends[2];
	long len;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends))
		abort();
	stderr_is_a_socket = true;
	kernel_domain = AF_UNIX;
	len = said_to(ends[0], ends[1], at_start);
	close(ends[0]);
	close(ends[1]);
	return len;
}

static bool says_to_device(const char *path, bool at_start)
{
	int saved = dup(2), fd = open(path, O_RDWR | O_NOCTTY);
	bool says;

	if (saved < 0 || fd < 0)
		abort();
	if (!at_start)
		load();
	dup2(fd, 2);
	if (at_start)
		load();
	says = !is_of_program();
	dup2(saved, 2);
	close(saved);
	close(fd);
	return says;
}

/* The program has closed stderr, and its next file or socket has got the number. */
TEST(launcher_socket_says_nothing_to_the_programs_file)
{
	EXPECT_EQ(0, said_to_file(0, false));
	EXPECT_LT(0, said_to_file(0, true));
	EXPECT_LT(0, said_to_file(O_APPEND, false));
	EXPECT_EQ(0, said_to_socket(false));
	EXPECT_LT(0, said_to_socket(true));
}

/* As for them: a packet, or bytes to what is at the other end. A terminal is for people. */
TEST(launcher_socket_says_nothing_to_the_programs_device)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);

	EXPECT_FALSE(says_to_device("/dev/full", false));
	EXPECT_TRUE(says_to_device("/dev/full", true));
	ASSERT_LE(0, terminal);
	ASSERT_EQ(0, unlockpt(terminal));
	EXPECT_TRUE(says_to_device(ptsname(terminal), false));
}

/* As programs do that write a title over their arguments. */
TEST(launcher_socket_name_at_the_start)
{
	char name[80] = "a\x1b[2J\xc2\x9b\xc3\xa4", expected[128], said[512];

	program_invocation_short_name = name;
	load();
	strcpy(name, "title");
	EXPECT_EQ(-1, socket_says(AF_INET, SOCK_STREAM, 262, said, sizeof(said)));
	snprintf(expected, sizeof(expected), "xtcp-run: a?[2J\xc2?\xc3\xa4[%d]: Multipath",
		 getpid());
	EXPECT_EQ(0, strncmp(expected, said, strlen(expected)));
	/* A longer one is cut. */
	memset(name, 'b', sizeof(name) - 1);
	load();
	EXPECT_EQ(63, strlen(program));
}

/* In a child whose stderr is a pipe; its status, of wait(). */
static int status_of_line(bool is_read, bool is_full, bool is_pending)
{
	char much[4096] = "";
	sigset_t pipe_signal, pending;
	int ends[2], status;

	if (pipe2(ends, O_NONBLOCK))
		abort();
	if (!is_read)
		close(ends[0]);
	if (!fork()) {
		signal(SIGPIPE, SIG_DFL);
		while (is_full && write(ends[1], much, sizeof(much)) > 0)
			;
		fcntl(ends[1], F_SETFL, 0);
		dup2(ends[1], 2);
		sigemptyset(&pipe_signal);
		sigaddset(&pipe_signal, SIGPIPE);
		if (is_pending) {
			sigprocmask(SIG_BLOCK, &pipe_signal, NULL);
			raise(SIGPIPE);
		}
		alarm(5);
		errno = EMFILE;
		xtcp_preload_say("a line");
		if (errno != EMFILE)
			_exit(1);
		sigpending(&pending);
		_exit(sigismember(&pending, SIGPIPE) == is_pending ? 0 : 2);
	}
	wait(&status);
	if (is_read)
		close(ends[0]);
	close(ends[1]);
	return status;
}

/* A line neither ends the program nor blocks it. */
TEST(launcher_socket_line_that_nobody_reads)
{
	EXPECT_EQ(0, status_of_line(true, false, false));
	EXPECT_EQ(0, status_of_line(false, false, false));
	EXPECT_EQ(0, status_of_line(false, false, true));
	EXPECT_EQ(0, status_of_line(true, true, false));
}

/* The library reads its options when it is loaded. */
static void load_with(const char *variable, const char *value)
{
	setenv(variable, value, 1);
	load();
	unsetenv(variable);
}

/* A constructor that runs before the library's opens a socket. */
static void not_loaded(const char *variable, const char *value)
{
	memset(&told, 0, sizeof(told));
	setenv(variable, value, 1);
}

TEST(launcher_socket_before_the_library_is_loaded)
{
	socklen_t len = sizeof(int);
	char said[512];
	int value;

	not_loaded("XTCP_RUN_VERBOSE", "1");
	EXPECT_EQ(7, socket_says(AF_INET, SOCK_STREAM, 0, said, sizeof(said)));
	EXPECT_NE(NULL, strstr(said, "socket 7 is an xtcp socket"));
	not_loaded("XTCP_RUN_ROLE", "listen");
	EXPECT_EQ(8, preload_socket(AF_INET, SOCK_STREAM, 0));
	EXPECT_EQ(1, later_calls);
	/* Once: what the program does to its environment does not matter. */
	unsetenv("XTCP_RUN_ROLE");
	look_up();
	EXPECT_EQ(8, preload_socket(AF_INET, SOCK_STREAM, 0));
	not_loaded("XTCP_RUN_AS_TCP", "1");
	kernel_protocol = IPPROTO_XTCP;
	EXPECT_EQ(0, preload_getsockopt(7, SOL_SOCKET, SO_PROTOCOL, &value, &len));
	EXPECT_EQ(IPPROTO_TCP, value);
}

/* As listen() and connect() do for a descriptor of the program, or would if all went well. */
static bool it_moves;

static int open_as_5(int family, int type, int protocol)
{
	int fd = xtcp_preload_open(family, type, 5);

	if (it_moves)
		xtcp_preload_show(5);
	return fd;
}

TEST(launcher_socket_verbose)
{
	char said[512];

	load_with("XTCP_RUN_VERBOSE", "1");
	EXPECT_EQ(7, socket_says(AF_INET, SOCK_STREAM, 0, said, sizeof(said)));
	EXPECT_NE(NULL, strstr(said, "socket 7 is an xtcp socket"));
	xtcp_preload_later = open_as_5;
	EXPECT_EQ(7, socket_says(AF_INET, SOCK_STREAM, 0, said, sizeof(said)));
	EXPECT_STREQ("", said);
	it_moves = true;
	EXPECT_EQ(7, socket_says(AF_INET, SOCK_STREAM, 0, said, sizeof(said)));
	EXPECT_NE(NULL, strstr(said, "socket 5 is an xtcp socket"));
	load_with("XTCP_RUN_VERBOSE", "0");
	EXPECT_EQ(7, socket_says(AF_INET, SOCK_STREAM, 0, said, sizeof(said)));
	EXPECT_STREQ("", said);
}

/* socket() fails, and the reason is told once; what is not TCP is opened. */
TEST(launcher_socket_options_that_are_wrong)
{
	static const struct { const char *variable, *value, *line; } wrong[] = {
		{ "XTCP_RUN_WIRE", "tpc",
		  ": XTCP_RUN_WIRE is neither tcp nor native: no socket is opened\n" },
		{ "XTCP_RUN_WIRE", "TCP", "" },
		{ "XTCP_RUN_WIRE", "6", "" },
		{ "XTCP_RUN_WIRE", "native ", "" },
		{ "XTCP_RUN_ROLE", "wrong", "" },
	};
	char said[512];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		load_with(wrong[i].variable, wrong[i].value);
		EXPECT_EQ(-1, socket_says(AF_INET, SOCK_STREAM, 0, said, sizeof(said)));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(*wrong[i].line ? 1 : 0, lines_in(said));
		EXPECT_NE(NULL, strstr(said, wrong[i].line));
		EXPECT_EQ(0, asked.calls);
		EXPECT_EQ(7, preload_socket(AF_INET, SOCK_DGRAM, 0));
		asked.calls = 0;
	}
	load_with("XTCP_RUN_WIRE", "");
	EXPECT_EQ(7, preload_socket(AF_INET, SOCK_STREAM, 0));
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

	load_with("XTCP_RUN_AS_TCP", "1");
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

/* --- sock_diag -------------------------------------------------------------- */

struct ask {
	struct nlmsghdr nlh;
	struct inet_diag_req_v2 req;
	struct nlattr attribute;	/* unless nlh.nlmsg_len leaves it out */
	__u32 protocol;
};

#define ASK_LEN offsetof(struct ask, attribute)

static struct ask ask(int type, int family, int protocol, __u32 attribute)
{
	return (struct ask){
		.nlh = { attribute ? sizeof(struct ask) : ASK_LEN, type, NLM_F_REQUEST, 1, 0 },
		.req = { .sdiag_family = family, .sdiag_protocol = protocol,
			 .idiag_states = 0x5a5a },
		.attribute = { 8, INET_DIAG_REQ_PROTOCOL },
		.protocol = attribute,
	};
}

/* A program's socket of sock_diag. */
static int diag_socket(void)
{
	kernel_domain = AF_NETLINK;
	kernel_protocol = NETLINK_SOCK_DIAG;
	return preload_socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
}

#define expect_sent(expected, length) \
	do { \
		ASSERT_EQ(length, sent.len); \
		EXPECT_EQ(0, memcmp(sent.buf, expected, length)); \
	} while (0)

/* Each request of a message, however many pieces that has. */
TEST(launcher_diag_each_request)
{
	struct ask asks[3] = {
		ask(SOCK_DIAG_BY_FAMILY, AF_INET, IPPROTO_TCP, IPPROTO_TCP),
		ask(SOCK_DIAG_BY_FAMILY, AF_INET, IPPROTO_UDP, IPPROTO_UDP),
		ask(SOCK_DESTROY, AF_INET6, IPPROTO_TCP, IPPROTO_TCP),
	}, as_sent[3];
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct iovec iov[sizeof(asks) / 8];
	struct msghdr msg = { &to, sizeof(to), iov, ARRAY_SIZE(iov), NULL, 0, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(iov); i++)
		iov[i] = (struct iovec){ (char *)asks + 8 * i, 8 };
	memcpy(as_sent, asks, sizeof(asks));
	as_sent[0].req.sdiag_protocol = IPPROTO_XTCP;
	as_sent[0].protocol = IPPROTO_XTCP;
	as_sent[2].req.sdiag_protocol = IPPROTO_XTCP;
	as_sent[2].protocol = IPPROTO_XTCP;
	ASSERT_EQ(sizeof(asks), preload_sendmsg(diag_socket(), &msg, 0));
	expect_sent(as_sent, sizeof(as_sent));
	/* The program's own copy is as it was. */
	EXPECT_EQ(IPPROTO_TCP, asks[0].req.sdiag_protocol);
}

/* As a program of 32 bits calls the functions whose time_t has 64. */
TEST(launcher_second_names)
{
	struct ask a = ask(SOCK_DIAG_BY_FAMILY, AF_INET, IPPROTO_TCP, 0), as_sent = a;
	struct iovec iov = { &a, ASK_LEN };
	struct mmsghdr msg = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	socklen_t len = sizeof(int);
	int value = 0;

	load_with("XTCP_RUN_AS_TCP", "1");
	kernel_protocol = IPPROTO_XTCP;
	EXPECT_EQ(0, preload_getsockopt64(7, SOL_SOCKET, SO_PROTOCOL, &value, &len));
	EXPECT_EQ(IPPROTO_TCP, value);
	EXPECT_EQ(1, second_calls);
	EXPECT_EQ(ASK_LEN, preload_sendmsg64(7, &msg.msg_hdr, 0));
	expect_sent(&a, ASK_LEN);
	EXPECT_EQ(1, preload_sendmmsg64(7, &msg, 1, 0));
	EXPECT_EQ(3, second_calls);

	as_sent.req.sdiag_protocol = IPPROTO_XTCP;
	for (int fd = diag_socket(), i = 0; i < 2; i++) {
		memset(&sent, 0, sizeof(sent));
		EXPECT_EQ(i ? 1 : (int)ASK_LEN, i ? preload_sendmmsg64(fd, &msg, 1, 0) :
						    preload_sendmsg64(fd, &msg.msg_hdr, 0));
		expect_sent(&as_sent, ASK_LEN);
	}
}

/* 262, Multipath TCP, is 6 in the field of 8 bits. */
TEST(launcher_diag_attribute_counts)
{
	struct ask a = ask(SOCK_DIAG_BY_FAMILY, AF_INET, IPPROTO_TCP, 262);

	ASSERT_EQ(sizeof(a), preload_send(diag_socket(), &a, sizeof(a), 0));
	expect_sent(&a, sizeof(a));
	a.protocol = IPPROTO_TCP;
	a.req.sdiag_protocol = 0;
	ASSERT_EQ(sizeof(a), preload_send(7, &a, sizeof(a), 0));
	a.protocol = IPPROTO_XTCP;
	a.req.sdiag_protocol = IPPROTO_XTCP;
	expect_sent(&a, sizeof(a));
}

TEST(launcher_diag_by_any_call)
{
	struct ask a = ask(SOCK_DIAG_BY_FAMILY, AF_INET, IPPROTO_TCP, 0), as_sent = a;
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct iovec iov = { &a, ASK_LEN };
	struct mmsghdr msgs[2] = {
		{ .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } },
	};
	int fd = diag_socket();

	as_sent.req.sdiag_protocol = IPPROTO_XTCP;
	ASSERT_EQ(ASK_LEN, preload_send(fd, &a, ASK_LEN, 0));
	expect_sent(&as_sent, ASK_LEN);
	ASSERT_EQ(ASK_LEN, preload_sendto(fd, &a, ASK_LEN, 0, (void *)&to, sizeof(to)));
	expect_sent(&as_sent, ASK_LEN);
	ASSERT_EQ(ASK_LEN, preload_write(fd, &a, ASK_LEN));
	expect_sent(&as_sent, ASK_LEN);
	ASSERT_EQ(ASK_LEN, preload_writev(fd, &iov, 1));
	expect_sent(&as_sent, ASK_LEN);
	ASSERT_EQ(2, preload_sendmmsg(fd, msgs, 2, 0));
	expect_sent(&as_sent, ASK_LEN);
	EXPECT_EQ(6, sent.calls);
	EXPECT_EQ(ASK_LEN, msgs[1].msg_len);
	/* Another socket. */
	kernel_domain = AF_UNIX;
	ASSERT_EQ(ASK_LEN, preload_write(fd, &a, ASK_LEN));
	EXPECT_EQ(6, sent.calls);
}

/* `ss` ends with status 1 and one line. */
static void ends(struct __test_metadata *_metadata, int type, int socket_errno, int send_errno,
		 const char *line)
{
	struct ask a = ask(type, AF_INET, IPPROTO_TCP, 0);
	char said[512] = "";
	int pipefd[2], status;

	ASSERT_EQ(0, pipe(pipefd));
	if (!fork()) {
		program_invocation_short_name = "ss";
		load();
		dup2(pipefd[1], 2);
		asked.errno_then = socket_errno;
		sent.errno_then = send_errno;
		preload_send(diag_socket(), &a, ASK_LEN, 0);
		_exit(7);
	}
	close(pipefd[1]);
	wait(&status);
	EXPECT_EQ(1, WEXITSTATUS(status));
	EXPECT_LT(0, read(pipefd[0], said, sizeof(said) - 1));
	EXPECT_EQ(1, lines_in(said));
	EXPECT_NE(NULL, strstr(said, line));
	close(pipefd[0]);
}

TEST(launcher_diag_ends_ss_without_answers)
{
	ends(_metadata, TCPDIAG_GETSOCK, 0, 0, "only the kernel's TCP could answer");
	ends(_metadata, SOCK_DIAG_BY_FAMILY, EMFILE, 0, "no socket for sock_diag: Too many open");
	ends(_metadata, SOCK_DIAG_BY_FAMILY, 0, EPERM, "was not sent: Operation not permitted");
}

/* Other programs get an error, and no request leaves. */
TEST(launcher_diag_errors_of_other_programs)
{
	struct ask old = ask(TCPDIAG_GETSOCK, AF_INET, IPPROTO_TCP, 0);
	struct ask a = ask(SOCK_DIAG_BY_FAMILY, AF_UNIX, 0, 0);
	struct iovec much[2] = { { &a, sizeof(a) }, { &a, SIZE_MAX } };
	int fd = diag_socket();

	EXPECT_EQ(-1, preload_send(fd, &old, ASK_LEN, 0));
	EXPECT_EQ(EPROTONOSUPPORT, errno);
	EXPECT_EQ(-1, preload_writev(fd, much, 2));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(0, sent.calls);
	sent.errno_then = ENOBUFS;
	EXPECT_EQ(-1, preload_send(fd, &a, ASK_LEN, 0));
	EXPECT_EQ(ENOBUFS, errno);
	EXPECT_EQ(1, sent.calls);
	asked.errno_then = EMFILE;
	EXPECT_EQ(-1, diag_socket());
	EXPECT_EQ(EMFILE, errno);
}

TEST_HARNESS_MAIN
