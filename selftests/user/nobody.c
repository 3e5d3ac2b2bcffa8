// SPDX-License-Identifier: GPL-2.0
/*
 * nobody: what a user without privileges may set of a socket and of the knobs. A child
 * process that is "nobody" asks the stack under test and, beside it, the kernel's TCP: both
 * must give the expected answer. The sockets are root's, for only root may open one of xtcp.
 */
#include "lib/xtcp_test.h"
#include "lib/module.h"
#include "lib/tcpoption.h"

#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/wait.h>

#define NOBODY	65534
#define BROKEN	255		/* the child itself failed */

/* A call, and an answer to it: 0 or an errno. */
struct request {
	const char *name;
	int level, option;
	const char *text;		/* the value; NULL: @value */
	int value;
	bool nowhere;			/* the value is at no address */
	int answer;
};

/* Linux's options that need a capability, and neighbours that need none. */
static const struct request requests[] = {
	{ "IP_TRANSPARENT", SOL_IP, IP_TRANSPARENT, .value = 1, .answer = EPERM },
	{ "IP_TRANSPARENT off", SOL_IP, IP_TRANSPARENT, .value = 0 },
	{ "IP_FREEBIND", SOL_IP, IP_FREEBIND, .value = 1 },
	{ "SO_MARK", SOL_SOCKET, SO_MARK, .value = 7, .answer = EPERM },
	{ "SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, .value = 6 },
	{ "SO_PRIORITY 7", SOL_SOCKET, SO_PRIORITY, .value = 7, .answer = EPERM },
	{ "SO_DEBUG", SOL_SOCKET, SO_DEBUG, .value = 1, .answer = EACCES },
	{ "SO_RCVBUFFORCE", SOL_SOCKET, SO_RCVBUFFORCE, .value = 65536, .answer = EPERM },
	{ "SO_SNDBUFFORCE", SOL_SOCKET, SO_SNDBUFFORCE, .value = 65536, .answer = EPERM },
	/* Refused before it looks at more of the value than an int. */
	{ "SO_ATTACH_FILTER", SOL_SOCKET, SO_ATTACH_FILTER, .value = 1, .answer = EPERM },
	{ "SO_ATTACH_FILTER short", SOL_SOCKET, SO_ATTACH_FILTER, "abc", .answer = EINVAL },
	{ "SO_ATTACH_FILTER nowhere", SOL_SOCKET, SO_ATTACH_FILTER, .nowhere = true,
	  .answer = EFAULT },
	{ "TCP_REPAIR", SOL_TCP, TCP_REPAIR, .value = 1, .answer = EPERM },
	{ "TCP_FASTOPEN", SOL_TCP, TCP_FASTOPEN, .value = 5 },
	{ "TCP_FASTOPEN_KEY", SOL_TCP, TCP_FASTOPEN_KEY, "0123456789abcdef" },
	{ "TCP_CONGESTION allowed", SOL_TCP, TCP_CONGESTION, "reno" },
	{ "TCP_CONGESTION unknown", SOL_TCP, TCP_CONGESTION, "nonesuch", .answer = ENOENT },
	/* A socket without a device may get one; then it is the administrator's. */
	{ "SO_BINDTODEVICE", SOL_SOCKET, SO_BINDTODEVICE, "lo" },
	{ "SO_BINDTODEVICE again", SOL_SOCKET, SO_BINDTODEVICE, "tun0", .answer = EPERM },
	{ "SO_BINDTODEVICE off", SOL_SOCKET, SO_BINDTODEVICE, "", .answer = EPERM },
};

/* xtcp's own need none, but for a TIME-WAIT longer than xtcp_tw_timeout, which is 60 s. */
static const struct request ours[] = {
	{ "XTCP_WIRE", IPPROTO_XTCP, XTCP_WIRE, .value = XTCP_WIRE_TCP },
	{ "XTCP_SYNCOOKIES", IPPROTO_XTCP, XTCP_SYNCOOKIES, .value = 2 },
	{ "XTCP_TW_TIMEOUT", IPPROTO_XTCP, XTCP_TW_TIMEOUT, .value = 60 },
	{ "XTCP_TW_TIMEOUT longer", IPPROTO_XTCP, XTCP_TW_TIMEOUT, .value = 61, .answer = EPERM },
	{ "XTCP_TW_TIMEOUT too long", IPPROTO_XTCP, XTCP_TW_TIMEOUT, .value = 601, .answer = EINVAL },
};

PEER_FIXTURE(nobody);

static bool be_nobody(void)
{
	return !setgroups(0, NULL) && !setgid(NOBODY) && !setuid(NOBODY);
}

/* What @call(@what, @fd) returns in a child that is nobody: 0 or an errno. */
static int as_nobody(struct __test_metadata *_metadata, int (*call)(const void *what, int fd),
		     const void *what, int fd)
{
	pid_t pid = fork();
	int status;

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(be_nobody() ? call(what, fd) : BROKEN);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_NE(BROKEN, WEXITSTATUS(status));
	return WEXITSTATUS(status);
}

static int set(const void *what, int fd)
{
	const struct request *r = what;
	const void *value = r->text ? (const void *)r->text : &r->value;
	socklen_t len = r->text ? strlen(r->text) : sizeof(r->value);

	if (r->nowhere)
		value = NULL;
	return errno_of(setsockopt(fd, r->level, r->option, value, len));
}

TEST_F(nobody, policy_options_need_what_they_need_on_linux)
{
	const int protocols[] = { stream_proto(), IPPROTO_TCP };

	self->peer.stock_may_speak = true;
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		int fd = socket(AF_INET, SOCK_STREAM, protocols[i]);

		ASSERT_LE(0, fd);
		for (size_t k = 0; k < ARRAY_SIZE(requests); k++) {
			/* Older kernels don't let a protocol have a say in SOL_SOCKET. */
			if (requests[k].option == SO_ATTACH_FILTER &&
			    requests[k].level == SOL_SOCKET && !kernel_is_since(6, 8) &&
			    protocols[i] != IPPROTO_TCP)
				continue;
			EXPECT_EQ(requests[k].answer, as_nobody(_metadata, set, &requests[k], fd))
				TH_LOG("%s, protocol %d", requests[k].name, protocols[i]);
		}
		/* Root may, with the same socket. */
		EXPECT_EQ(0, socket_set(fd, SOL_IP, IP_TRANSPARENT, 1));
		EXPECT_EQ(0, socket_set(fd, SOL_SOCKET, SO_MARK, 7));
		close(fd);
	}
}

TEST_F(nobody, policy_own_options_need_nothing_but_one)
{
	socklen_t len = sizeof(int);
	int fd, seconds;

	NOT_ON_STOCK();
	fd = socket_new(-1);
	for (size_t k = 0; k < ARRAY_SIZE(ours); k++) {
		EXPECT_EQ(ours[k].answer, as_nobody(_metadata, set, &ours[k], fd))
			TH_LOG("%s", ours[k].name);
	}
	ASSERT_EQ(0, getsockopt(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT, &seconds, &len));
	EXPECT_EQ(60, seconds);
	/* Root may. */
	EXPECT_EQ(0, socket_set(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT, 61));
	close(fd);
}

/* A kernel may have the rule built in, and then it is there without a module. */
static bool kernel_has(const char *rule)
{
	char text[256];

	return !sysctl_read("/proc/sys/net/ipv4/tcp_available_congestion_control", text,
			    sizeof(text)) && strstr(text, rule);
}

/*
 * Rules that are modules. Nobody loads one; once it is there, everybody may choose bbr, but dctcp
 * is for networks whose administrator wants it.
 */
static void rule_of_a_module(struct __test_metadata *_metadata, const char *rule, int answer)
{
	const struct request choose = { rule, SOL_TCP, TCP_CONGESTION, rule };
	int fd = socket_new(-1), stock = socket_new(IPPROTO_TCP);
	char ours[32], command[64];

	snprintf(ours, sizeof(ours), "xtcp_cc_%s", rule);
	if (!kernel_has(rule))
		EXPECT_EQ(ENOENT, as_nobody(_metadata, set, &choose, stock)) TH_LOG("%s", rule);
	snprintf(command, sizeof(command), "modprobe -q tcp_%s", rule);
	if (!system(command))
		EXPECT_EQ(answer, as_nobody(_metadata, set, &choose, stock)) TH_LOG("%s", rule);
	if (!stock_mode()) {
		EXPECT_EQ(ENOENT, as_nobody(_metadata, set, &choose, fd)) TH_LOG("%s", rule);
		ASSERT_EQ(0, module_load_other(ours, ""));
		EXPECT_EQ(answer, as_nobody(_metadata, set, &choose, fd)) TH_LOG("%s", rule);
		EXPECT_EQ(0, set(&choose, fd));
	}
	close(stock);
	close(fd);
	if (!stock_mode())
		EXPECT_EQ(0, module_unload_other(ours));
	snprintf(command, sizeof(command), "modprobe -qr tcp_%s", rule);
	if (system(command))
		TH_LOG("tcp_%s stays", rule);
}

TEST_F(nobody, policy_rules_of_modules)
{
	self->peer.stock_may_speak = true;
	rule_of_a_module(_metadata, "bbr", 0);
	rule_of_a_module(_metadata, "dctcp", EPERM);
}

static int read_or_write(const void *path, int flags)
{
	int fd = open(path, flags);

	return fd < 0 ? errno : 0;
}

/*
 * Each knob is everybody's to read and root's to write. The keys of cookies are not even to be
 * read: who has them can forge cookies.
 */
TEST_F(nobody, policy_knobs_are_roots)
{
	static const char *const of_both[] = {
		"fastopen_key", "fastopen", "syncookies", "wmem", "rmem", "tw_reuse",
		"congestion_control", "max_tw_buckets",
	};
	static const char *const only_ours[] = {
		"wire", "gid_range", "recorder", "tw_recycle", "synack_ratelimit",
	};
	char path[96];

	for (size_t i = 0; i < ARRAY_SIZE(of_both); i++) {
		int may_read = strcmp(of_both[i], "fastopen_key") ? 0 : EACCES;

		for (int k = 0; k < (stock_mode() ? 1 : 2); k++) {
			snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s_%s",
				 k ? "xtcp" : "tcp", of_both[i]);
			EXPECT_EQ(EACCES, as_nobody(_metadata, read_or_write, path, O_WRONLY))
				TH_LOG("%s", path);
			EXPECT_EQ(may_read, as_nobody(_metadata, read_or_write, path, O_RDONLY))
				TH_LOG("%s", path);
		}
	}
	for (size_t i = 0; !stock_mode() && i < ARRAY_SIZE(only_ours); i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/xtcp_%s", only_ours[i]);
		EXPECT_EQ(EACCES, as_nobody(_metadata, read_or_write, path, O_WRONLY))
			TH_LOG("%s", path);
		EXPECT_EQ(0, as_nobody(_metadata, read_or_write, path, O_RDONLY))
			TH_LOG("%s", path);
	}
}

TEST_HARNESS_MAIN
