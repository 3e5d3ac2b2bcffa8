// SPDX-License-Identifier: GPL-2.0
/* vm: wires smp=2 */
/*
 * lossy_smp: transfers on two CPUs that really run side by side, over a path
 * that loses and reorders: softirq of one against system calls of the other.
 * LC-100. In real time: nothing here is about when.
 */
#include "lib/xtcp_test.h"
#include "lib/program.h"

#include <sys/wait.h>

PAIR_FIXTURE(lossy_smp);

#define PORT 7000
#define STALL_MS 60000
#define LINGER_S 20

/* One process a connection; each fails with its own message. */
static void exchange_all(struct __test_metadata *_metadata, struct pair *pr,
			 const struct netem *netem, int n, uint64_t octets)
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
			stream_exchange(_metadata, fd[i][0], fd[i][1], octets, STALL_MS);
			_exit(0);
		}
	}
	for (int i = 0; i < n; i++) {
		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
	}
	/* Until the FINs are acknowledged: an orphan would hold the module. */
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

TEST_HARNESS_MAIN
