// SPDX-License-Identifier: GPL-2.0
/*
 * memcg: socket memory is charged to the memory cgroup of the process that made the
 * socket, accepted ones included, and is uncharged when data is read.
 */
/* vm: wires families mem=1G short */
#include "lib/xtcp_test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

PAIR_FIXTURE(memcg);

#define MOUNT "/tmp/memcg"
#define GROUP MOUNT "/xtcp"
#define TEXT (200 << 10)

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n < 0 ? errno : 0;
}

/* Bytes of that kind in the group. */
static long charged_as(struct __test_metadata *_metadata, const char *kind)
{
	FILE *f = fopen(GROUP "/memory.stat", "r");
	long bytes = -1;
	char name[64];

	ASSERT_NE(NULL, f);
	while (bytes < 0 && fscanf(f, "%63s %ld", name, &bytes) == 2)
		if (strcmp(name, kind))
			bytes = -1;
	fclose(f);
	return bytes;
}

/* Of socket memory. */
static long charged(struct __test_metadata *_metadata)
{
	return charged_as(_metadata, "sock");
}

static void enter_group(struct __test_metadata *_metadata)
{
	mkdir(MOUNT, 0755);
	if (mount("none", MOUNT, "cgroup2", 0, NULL))
		SKIP(exit(KSFT_SKIP), "no cgroup2: %s", strerror(errno));
	if (write_file(MOUNT "/cgroup.subtree_control", "+memory"))
		SKIP(exit(KSFT_SKIP), "no memory controller in cgroup2");
	mkdir(GROUP, 0755);
	ASSERT_EQ(0, write_file(GROUP "/cgroup.procs", "0"));
}

static void leave_group(struct __test_metadata *_metadata)
{
	/* Charges are taken back in batches, later. */
	for (int i = 0; charged(_metadata) && i < 100; i++)
		sleep_ms(100);
	EXPECT_EQ(0, charged(_metadata));
	ASSERT_EQ(0, write_file(MOUNT "/cgroup.procs", "0"));
	EXPECT_EQ(0, rmdir(GROUP));
	umount(MOUNT);
}

static void fill(struct __test_metadata *_metadata, int from, int to)
{
	static char buf[TEXT];
	int queued = 0;

	socket_set(from, SOL_SOCKET, SO_SNDBUF, 1 << 20);
	ASSERT_EQ(TEXT, send(from, buf, TEXT, MSG_DONTWAIT));
	for (int i = 0; queued < TEXT && i < 100; i++) {
		sleep_ms(10);
		ioctl(to, FIONREAD, &queued);
	}
	ASSERT_EQ(TEXT, queued);
}

static void empty(struct __test_metadata *_metadata, int fd)
{
	static char buf[TEXT];

	for (int got = 0; got < TEXT; ) {
		int n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		ASSERT_LT(0, n);
		got += n;
	}
}

static void big_buffer(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20);
}

static void one_way(struct __test_metadata *_metadata, struct pair *pr, bool to_accepted)
{
	int client, server, from, to;

	enter_group(_metadata);
	pair_connected(pr, 5000, &client, &server);
	from = to_accepted ? client : server;
	to = to_accepted ? server : client;
	big_buffer(to);
	EXPECT_GT(TEXT / 2, charged(_metadata));
	fill(_metadata, from, to);
	/* Whatever the overhead, it is more than the data. */
	EXPECT_LE(TEXT, charged(_metadata));
	empty(_metadata, to);
	sleep_ms(50);
	EXPECT_GT(TEXT / 2, charged(_metadata));
	close(client);
	close(server);
	leave_group(_metadata);
}

/*
 * The per-CPU counters of a namespace: a process that makes many namespaces pays for
 * them.
 */
#define COUNTERS_MIN 4000

TEST_F(memcg, counters_of_a_namespace)
{
	long before, after;

	NOT_ON_STOCK();
	enter_group(_metadata);
	/* The kernel sums its statistics up every two seconds. */
	sleep_ms(3000);
	before = charged_as(_metadata, "percpu");
	ASSERT_LE(0, before);
	netns_new(WHERE(_metadata));
	sleep_ms(3000);
	after = charged_as(_metadata, "percpu");
	EXPECT_LE(COUNTERS_MIN, after - before);
	pair_enter(&self->pair, CLIENT);
	leave_group(_metadata);
}

TEST_F(memcg, what_the_accepted_holds)
{
	one_way(_metadata, &self->pair, true);
}

TEST_F(memcg, what_the_connected_holds)
{
	one_way(_metadata, &self->pair, false);
}

TEST_F(memcg, unread_when_it_is_closed)
{
	int client, server;

	enter_group(_metadata);
	pair_connected(&self->pair, 5000, &client, &server);
	big_buffer(server);
	fill(_metadata, client, server);
	close(server);
	close(client);
	leave_group(_metadata);
}

TEST_HARNESS_MAIN
