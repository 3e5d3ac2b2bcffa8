// SPDX-License-Identifier: GPL-2.0
/*
 * steering: Receive Flow Steering hands segments to the CPU on which their reader runs.
 */
/* vm: wires families smp=2 */
#include "lib/xtcp_test.h"

#include <linux/sockios.h>
#include <sched.h>

#define ROUNDS 20

FIXTURE(steering) {
	int lfd, fd, child;
};

/* By default packets of lo are received by the first CPU; RFS may choose another one. */
FIXTURE_SETUP(steering)
{
	netns_enter_first(WHERE(_metadata));
	link_up(WHERE(_metadata), "lo");
	ASSERT_EQ(0, sysctl_write("/sys/class/net/lo/queues/rx-0/rps_cpus", "1"));
	ASSERT_EQ(0, sysctl_write("/sys/class/net/lo/queues/rx-0/rps_flow_cnt", "256"));
	self->lfd = stream_socket(AF_INET);
	self->fd = stream_socket(AF_INET);
	/* An earlier test may have left a TIME-WAIT of the first namespace. */
	ASSERT_EQ(0, socket_bind(self->lfd, "127.0.0.1", 0));
	ASSERT_EQ(0, listen(self->lfd, 4));
	ASSERT_EQ(0, socket_connect(self->fd, "127.0.0.1", socket_port(self->lfd)));
	self->child = accept(self->lfd, NULL, NULL);
	ASSERT_LE(0, self->child);
}

FIXTURE_TEARDOWN(steering)
{
	sysctl_write("/proc/sys/net/core/rps_sock_flow_entries", "0");
	sysctl_write("/sys/class/net/lo/queues/rx-0/rps_flow_cnt", "0");
	sysctl_write("/sys/class/net/lo/queues/rx-0/rps_cpus", "0");
	socket_abort(self->child);
	socket_abort(self->fd);
	close(self->lfd);
}

static void run_on(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* The CPU that received the last of some segments, read on the second CPU. */
static int receiving_cpu(FIXTURE_DATA(steering) *self, struct __test_metadata *_metadata)
{
	int cpu = -1;
	socklen_t len = sizeof(cpu);
	char b;

	for (int i = 0; i < ROUNDS; i++) {
		run_on(0);
		ASSERT_EQ(1, send(self->fd, "x", 1, 0));
		run_on(1);
		ASSERT_EQ(1, recv(self->child, &b, 1, 0));
	}
	ASSERT_EQ(0, getsockopt(self->child, SOL_SOCKET, SO_INCOMING_CPU, &cpu, &len));
	run_on(0);
	return cpu;
}

TEST_F(steering, segments_follow_their_reader)
{
	/* So many that no other flow of the test has, by chance, the reader's entry. */
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/core/rps_sock_flow_entries", "65536"));
	EXPECT_EQ(1, receiving_cpu(self, _metadata));
}

TEST_F(steering, segments_stay_without_it)
{
	EXPECT_EQ(0, receiving_cpu(self, _metadata));
}

TEST_HARNESS_MAIN
