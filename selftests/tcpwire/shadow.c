// SPDX-License-Identifier: GPL-2.0
/*
 * shadow: the memory with which xtcp keeps its ports in the table of the kernel's TCP.
 */
/* vm: v6 mapped */
#include "lib/module.h"
#include "lib/xtcp_test.h"

#define PORT_RANGE "/proc/sys/net/ipv4/ip_local_port_range"

PEER_FIXTURE(shadow);
FIXTURE_VARIANT_ADD(shadow, tcp) { .setup = { .wire = XTCP_WIRE_TCP } };

/* Shadows of both kinds. */
static long shadows(void)
{
	return cache_objects("xtcp_shadow") + cache_objects("xtcp_shadow6");
}

/*
 * One small object beside the kernel's own buckets for each port, and none is left.
 * Kernels before 6.8 read more of it, later ones than 6.12 may.
 */
TEST_F(shadow, a_port_needs_one_small_object)
{
	bool small = kernel_is_since(6, 8) && !kernel_is_since(6, 13);
	int fd[100];
	long before;

	NOT_ON_STOCK();
	EXPECT_GE(small ? 64 : 256, cache_object_size("xtcp_shadow"));
	EXPECT_GE(small ? 96 : 256, cache_object_size("xtcp_shadow6"));
	EXPECT_EQ(48, cache_object_size("xtcp_large_port"));
	before = shadows();
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = socket_of_stack(OURS, i & 3);
		ASSERT_EQ(0, socket_bind(fd[i], i & 4 ? "" : "10.0.0.1", 7100 + i));
		if (i & 8)
			ASSERT_EQ(0, socket_listen(fd[i], 4));
	}
	EXPECT_EQ(before + (long)ARRAY_SIZE(fd), shadows());
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	EXPECT_EQ(before, shadows());
}

/* Nor does each connection need one of its own. */
TEST_F(shadow, connections_from_one_port_share_an_object)
{
	struct peer *p = &self->peer;
	long before;
	int fd[8];

	NOT_ON_STOCK();
	p->leave_unread = true;
	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "41000 41000"));
	before = shadows();
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		char addr[16];

		snprintf(addr, sizeof(addr), "10.0.0.%zu", i + 2);
		fd[i] = socket_of_stack(OURS, 0);
		ASSERT_EQ(EINPROGRESS, socket_connect(fd[i], addr, 80));
	}
	EXPECT_EQ(before + 1, shadows());
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	EXPECT_EQ(before, shadows());
}

/* So many that xtcp finds them by a hash of the address. */
#define ADDRESSES 80

/* A connection from port 41000 of each address. */
static void connect_from_each(struct __test_metadata *_metadata, int *fd, int options,
			      const char *to)
{
	for (int i = 0; i < ADDRESSES; i++) {
		char addr[16];

		snprintf(addr, sizeof(addr), "10.0.1.%d", i + 1);
		fd[i] = socket_of_stack(OURS, options);
		socket_set(fd[i], IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, 1);
		ASSERT_EQ(0, socket_bind(fd[i], addr, 0));
		ASSERT_EQ(EINPROGRESS, socket_connect(fd[i], to, 80));
		ASSERT_EQ(41000, socket_port(fd[i]));
	}
}

/* Whether they share it with each other by SO_REUSEPORT or without does not matter. */
TEST_F(shadow, connections_from_one_port_share_an_object_at_each_address)
{
	int fd[2][ADDRESSES];
	long before;

	NOT_ON_STOCK();
	self->peer.leave_unread = true;
	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "41000 41000"));
	for (int i = 0; i < ADDRESSES; i++) {
		struct ipaddr own;
		char addr[16];

		snprintf(addr, sizeof(addr), "10.0.1.%d", i + 1);
		own = ipaddr(addr);
		address_add(WHERE(_metadata), "tun0", &own, 24);
	}
	before = shadows();
	connect_from_each(_metadata, fd[0], 0, "10.0.0.2");
	EXPECT_EQ(before + ADDRESSES, shadows());
	connect_from_each(_metadata, fd[1], REUSEPORT, "10.0.0.3");
	EXPECT_EQ(before + ADDRESSES, shadows());
	for (int i = 0; i < ADDRESSES; i++) {
		close(fd[0][i]);
		close(fd[1][i]);
	}
	EXPECT_EQ(before, shadows());
}

TEST_HARNESS_MAIN
