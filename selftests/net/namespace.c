// SPDX-License-Identifier: GPL-2.0
/*
 * namespace: a namespace gets its large tables with its first socket. Before, segments
 * are answered as those to a closed port, and its files are empty.
 */
/* vm: families short */
#include "lib/xtcp_test.h"

#include <sys/wait.h>

#define CALLERS 16

PEER_FIXTURE(namespace);

TEST_F(namespace, segments_before_the_first_socket)
{
	struct peer *p = &self->peer;

	peer_send(p, .flags = SYN, .sport = 1000, .dport = 1, .seq = 1);
	peer_expect(p, .flags = RST | ACK, .sport = 1, .dport = 1000, .ack = 2);
	peer_send(p, .flags = ACK, .sport = 1000, .dport = 1, .ack = 7);
	peer_expect(p, .flags = RST, .sport = 1, .dport = 1000, .seq = 7);
	peer_send(p, .flags = RST, .sport = 1000, .dport = 1);
	peer_expect_silence(p, 10);
	EXPECT_EQ(0, proc_rows(AF_INET, 0x0a));
	EXPECT_EQ(0, proc_rows(AF_INET, 0x01));
}

static void call_socket(int start)
{
	char c;
	int fd;

	if (read(start, &c, 1) != 1)
		_exit(2);
	fd = socket_new(-1);
	_exit(fd < 0 || socket_listen(fd, 1) ? 1 : 0);
}

/* Whoever comes first creates the tables; all others use them. */
TEST_F(namespace, first_sockets_at_once)
{
	int ends[2], status;

	ASSERT_EQ(0, pipe(ends));
	for (int i = 0; i < CALLERS; i++)
		if (!fork())
			call_socket(ends[0]);
	ASSERT_EQ(CALLERS, write(ends[1], "1234567890123456", CALLERS));
	for (int i = 0; i < CALLERS; i++) {
		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
	}
	close(ends[0]);
	close(ends[1]);
}

/* Kilobytes of memory that each CPU has its own part of. */
static long percpu_kb(struct __test_metadata *_metadata)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	long kb = -1;

	ASSERT_NE(NULL, f);
	while (kb < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "Percpu: %ld", &kb) != 1)
			kb = -1;
	fclose(f);
	ASSERT_LT(0, kb);
	return kb;
}

/* A hundred namespaces begin and end, each with the histograms of xtcp_histograms. */
static void come_and_go(struct __test_metadata *_metadata, int home)
{
	for (int i = 0; i < 100; i++) {
		int ns = netns_new(WHERE(_metadata));

		ASSERT_EQ(0, knob_set("histograms", 1));
		netns_enter(WHERE(_metadata), home);
		close(ns);
	}
	/* The kernel frees them a little later. */
	sleep_ms(1000);
}

/*
 * The histograms have kilobytes for each CPU. How many namespaces wait for their end at once is up
 * to the kernel, and the pages of the most remain with it for a while: a leak takes more in each
 * round.
 */
TEST_F(namespace, histograms_end_with_it)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	bool grows = true;
	long before;

	NOT_ON_STOCK();
	come_and_go(_metadata, home);
	for (int round = 0; round < 5 && grows; round++) {
		before = percpu_kb(_metadata);
		come_and_go(_metadata, home);
		for (int i = 0; i < 100 && percpu_kb(_metadata) > before + 300; i++)
			sleep_ms(100);
		grows = percpu_kb(_metadata) > before + 300;
	}
	EXPECT_FALSE(grows);
	close(home);
}

TEST_HARNESS_MAIN
