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

TEST_HARNESS_MAIN
