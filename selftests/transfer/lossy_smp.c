// SPDX-License-Identifier: GPL-2.0
/* vm: wires families smp=2 */
/*
 * lossy_smp: transfers on two CPUs in parallel, over a path that loses and reorders:
 * the softirq of one CPU against system calls of the other. LC-100. In real time: no
 * test depends on times. XTCP_TEST_LARGE is the number of bytes of the largest
 * transfer (4 MiB).
 */
#include "lib/xtcp_test.h"
#include "lib/program.h"

#include <linux/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>

PAIR_FIXTURE(lossy_smp);

#define PORT 7000
#define STALL_MS 60000
#define LINGER_S 20

/* One process per connection; each fails with its own message. */
static void exchange_all(struct __test_metadata *_metadata, struct pair *pr,
			 const struct netem *netem, int n, uint64_t bytes)
{
	int fd[8][2], status;

	ASSERT_GE(8, n);
	for (int i = 0; i < n; i++)
		pair_connected(pr, PORT + i, &fd[i][0], &fd[i][1]);
	pair_netem(pr, CLIENT, netem);
	pair_netem(pr, SERVER, netem);
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			stream_exchange(_metadata, fd[i][0], fd[i][1], bytes, STALL_MS);
			_exit(0);
		}
	}
	for (int i = 0; i < n; i++) {
		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
	}
	/* Returns when the FINs are acknowledged: an orphan would hold the module. */
	for (int i = 0; i < n; i++) {
		program_lingers(fd[i][0], LINGER_S);
		program_lingers(fd[i][1], LINGER_S);
		close(fd[i][0]);
		close(fd[i][1]);
	}
}

TEST_F(lossy_smp, lc_100_smp_plain)
{
	exchange_all(_metadata, &self->pair, &(struct netem){ .delay_ms = 0 }, 4, 2 << 20);
}

TEST_F(lossy_smp, lc_100_smp_loss)
{
	exchange_all(_metadata, &self->pair,
		     &(struct netem){ .loss = 3, .delay_ms = 2 }, 6, 100000);
}

TEST_F(lossy_smp, lc_100_smp_all_of_it)
{
	exchange_all(_metadata, &self->pair,
		     &(struct netem){ .loss = 2, .duplicate = 3, .reorder = 25,
				      .delay_ms = 5 }, 6, 100000);
}

/* Returns when it can be done, or nothing moves any more. */
static void wait_for(struct __test_metadata *_metadata, int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	ASSERT_EQ(1, poll(&pfd, 1, STALL_MS));
}

static void send_pattern(struct __test_metadata *_metadata, int fd, uint64_t bytes)
{
	static uint8_t buf[65536];
	uint64_t at = 0;

	while (at < bytes) {
		size_t len = bytes - at < sizeof(buf) ? bytes - at : sizeof(buf);
		ssize_t n;

		pattern_fill(buf, len, at);
		for (size_t done = 0; done < len; done += n > 0 ? n : 0) {
			n = send(fd, buf + done, len - done, MSG_NOSIGNAL);
			if (n < 0) {
				ASSERT_EQ(EAGAIN, errno);
				wait_for(_metadata, fd, POLLOUT);
			}
		}
		at += len;
	}
	ASSERT_EQ(0, shutdown(fd, SHUT_WR));
}

/* To the end of the stream; each byte must be the one that was sent there. */
static uint64_t receive_pattern(struct __test_metadata *_metadata, int fd)
{
	static uint8_t buf[65536];
	uint64_t at = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0))) {
		if (n < 0) {
			ASSERT_EQ(EAGAIN, errno);
			wait_for(_metadata, fd, POLLIN);
			continue;
		}
		ASSERT_EQ(-1, pattern_check(buf, n, at));
		at += n;
	}
	return at;
}

/*
 * A long one, segment by segment, sender and receiver each on a CPU: 1 % of the
 * segments are lost, 1 % come twice, 5 % overtake others.
 */
TEST_F_TIMEOUT(lossy_smp, lc_100_smp_many_bytes, 36000)
{
	const char *large = getenv("XTCP_TEST_LARGE");
	uint64_t bytes = large ? strtoull(large, NULL, 10) : 4 << 20;
	const struct netem netem = { .loss = 1, .duplicate = 1, .reorder = 5, .delay_ms = 1,
				     .limit = 10000 };
	struct pair *pr = &self->pair;
	int client, server, status;
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int64_t begin_ms;
	pid_t pid;

	pair_enter(pr, SERVER);
	link_set_single_segments(WHERE(_metadata), "veth1");
	pair_enter(pr, CLIENT);
	link_set_single_segments(WHERE(_metadata), "veth0");
	pair_connected(pr, PORT, &client, &server);
	pair_netem(pr, CLIENT, &netem);
	pair_netem(pr, SERVER, &netem);
	begin_ms = now_ms();
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		send_pattern(_metadata, client, bytes);
		_exit(0);
	}
	EXPECT_EQ(bytes, receive_pattern(_metadata, server));
	ASSERT_EQ(pid, wait(&status));
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &len));
	TH_LOG("%llu bytes in %lld ms, %u segments of %u sent again",
	       (unsigned long long)bytes, (long long)(now_ms() - begin_ms),
	       info.tcpi_total_retrans, info.tcpi_data_segs_out);
	EXPECT_LT(0, (int)info.tcpi_total_retrans);
	program_lingers(server, LINGER_S);
	close(server);
	program_lingers(client, LINGER_S);
	close(client);
}

TEST_HARNESS_MAIN
