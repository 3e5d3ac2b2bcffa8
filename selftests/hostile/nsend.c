// SPDX-License-Identifier: GPL-2.0
/*
 * nsend: a network namespace ends with thirty thousand records in TIME-WAIT, or
 * with a program that had as many connections. The objects of the caches below come
 * back, soon, and no other program has to wait for the CPU long, neither while the kernel
 * closes the program's sockets nor later. (A socket that a program still holds keeps its
 * namespace, so records and orphans are all that a namespace can end with.)
 */
/* vm: wires mem=3G timeout=900 heavy */
#include "lib/xtcp_test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PORT 5000
#define MANY 30000
/* Where each connection costs ten times as much. */
#define MANY_DEBUG 3000
/* Of the server, so that there are enough ports. */
#define ADDRESSES 200
/* Slabs are shrunk this often, and may keep a few objects meanwhile. */
#define POLL_MS 20
#define GONE_MS 3000
/* Until the kernel has closed all sockets of the program. */
#define EXIT_MS 60000
/* Of which another program gets nothing of the CPU. */
#define GAP_MS 20

static const char *const xtcp_caches[] = {
	"net_namespace", "xtcp_timewait", "xtcp_port", "xtcp_large_port", "xtcp_shadow", "XTCP",
};
static const char *const stock_caches[] = {
	"net_namespace", "tw_sock_TCP", "TCP",
};

#define CACHES_MAX ARRAY_SIZE(xtcp_caches)

static const char *cache_name(size_t i)
{
	if (!stock_mode())
		return xtcp_caches[i];
	return i < ARRAY_SIZE(stock_caches) ? stock_caches[i] : NULL;
}

struct memory {
	long objects[CACHES_MAX];
};

static struct memory memory_now(void)
{
	struct memory m = {};

	for (size_t i = 0; i < CACHES_MAX; i++) {
		if (!cache_name(i))
			continue;
		m.objects[i] = cache_objects(cache_name(i));
		if (m.objects[i] < 0) {
			fprintf(stderr, "no cache %s\n", cache_name(i));
			abort();
		}
	}
	return m;
}

static bool memory_is_back(const struct memory *before)
{
	struct memory now = memory_now();

	for (size_t i = 0; i < CACHES_MAX; i++)
		if (now.objects[i] > before->objects[i])
			return false;
	return true;
}

static void memory_fail(struct __test_metadata *_metadata, const struct memory *before)
{
	struct memory now = memory_now();

	for (size_t i = 0; i < CACHES_MAX; i++)
		if (now.objects[i] > before->objects[i])
			TH_LOG("%s: %ld objects, before %ld", cache_name(i), now.objects[i],
			       before->objects[i]);
	ASSERT_TRUE(false);
}

static int many(void)
{
	return kernel_is_debug() ? MANY_DEBUG : MANY;
}

FIXTURE(nsend) {
	int home;
};

FIXTURE_SETUP(nsend)
{
	self->home = netns_new(WHERE(_metadata));
}

FIXTURE_TEARDOWN(nsend)
{
	close(self->home);
}

/* --- in the namespace that ends ---------------------------------------------- */

static struct sockaddr_in address(uint32_t host)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(host),
	};
}

static int listener(struct __test_metadata *_metadata)
{
	struct sockaddr_in any = address(INADDR_ANY);
	int fd = stream_socket(AF_INET);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bind(fd, (struct sockaddr *)&any, sizeof(any)));
	ASSERT_EQ(0, listen(fd, 128));
	return fd;
}

static void connect_once(struct __test_metadata *_metadata, int lfd, int n, int fd[2])
{
	struct sockaddr_in to = address(0x7f000100 + n % ADDRESSES);

	fd[0] = stream_socket(AF_INET);
	ASSERT_LE(0, fd[0]);
	ASSERT_EQ(0, connect(fd[0], (struct sockaddr *)&to, sizeof(to)));
	fd[1] = accept(lfd, NULL, NULL);
	ASSERT_LE(0, fd[1]);
}

/* @held: the program has all connections open when it ends. */
static void program(struct __test_metadata *_metadata, bool held)
{
	struct rlimit limit = { 2 * MANY + 100, 2 * MANY + 100 };
	int lfd, fd[2];

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(0, knob_set("max_tw_buckets", 2 * MANY));
	ASSERT_EQ(0, knob_set("tw_reuse", 0));
	lfd = listener(_metadata);
	for (int n = 0; n < many(); n++) {
		connect_once(_metadata, lfd, n, fd);
		if (held)
			continue;
		close(fd[0]);
		close(fd[1]);
	}
	if (!held)
		ASSERT_LE(many(), cache_objects(stock_mode() ? "tw_sock_TCP" : "xtcp_timewait"));
}

/* --- the test ------------------------------------------------------------------ */

/*
 * Runs program(), unless @held is NULL, in a namespace of its own. Returns when the
 * program is about to exit.
 */
static pid_t program_start(struct __test_metadata *_metadata, const bool *held)
{
	int pipefd[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(pipefd));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		netns_new(WHERE(_metadata));
		if (held)
			program(_metadata, *held);
		_exit(write(pipefd[1], "", 1) != 1);
	}
	close(pipefd[1]);
	ASSERT_EQ(1, read(pipefd[0], &(char){ 0 }, 1));
	close(pipefd[0]);
	return pid;
}

/* Sleeps for a millisecond. Returns by how many ns that was too long. */
static int64_t nap(void)
{
	int64_t late = -now_ns() - NSEC_PER_MSEC;

	sleep_ms(1);
	return late + now_ns();
}

/* Returns how long the CPU was elsewhere at most, until the program has exited. */
static int64_t await_exit(struct __test_metadata *_metadata, pid_t pid)
{
	int64_t start = now_ns(), gap = 0;
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		int64_t late = nap();

		gap = late > gap ? late : gap;
		ASSERT_GT(EXIT_MS * NSEC_PER_MSEC, now_ns() - start);
	}
	ASSERT_EQ(0, status);
	TH_LOG("exited after %lld ms, longest gap %lld us",
	       (long long)((now_ns() - start) / NSEC_PER_MSEC), (long long)(gap / 1000));
	return gap;
}

/* The same, until all memory is back. */
static int64_t await_memory(struct __test_metadata *_metadata, const struct memory *before)
{
	int64_t start = now_ns(), gap = 0;

	while (!memory_is_back(before)) {
		if (now_ns() - start > GONE_MS * NSEC_PER_MSEC)
			memory_fail(_metadata, before);
		for (int i = 0; i < POLL_MS; i++) {
			int64_t late = nap();

			gap = late > gap ? late : gap;
		}
	}
	TH_LOG("gone after %lld ms, longest gap %lld us",
	       (long long)((now_ns() - start) / NSEC_PER_MSEC), (long long)(gap / 1000));
	return gap;
}

static void end_with(struct __test_metadata *_metadata, bool held)
{
	struct memory before;
	int64_t closing, later;

	/* Linux frees the struct net of a namespace when the next one ends. */
	await_exit(_metadata, program_start(_metadata, NULL));
	sleep_ms(1000);
	before = memory_now();
	closing = await_exit(_metadata, program_start(_metadata, &held));
	later = await_memory(_metadata, &before);
	if (kernel_is_debug())
		return;
	EXPECT_GT(GAP_MS * NSEC_PER_MSEC, closing);
	EXPECT_GT(GAP_MS * NSEC_PER_MSEC, later);
}

TEST_F_TIMEOUT(nsend, amid_time_wait, 600)
{
	end_with(_metadata, false);
}

TEST_F_TIMEOUT(nsend, amid_connections, 600)
{
	end_with(_metadata, true);
}

TEST_HARNESS_MAIN
