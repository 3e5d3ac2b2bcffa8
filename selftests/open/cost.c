// SPDX-License-Identifier: GPL-2.0
/*
 * cost: what thousands of sockets cost those who have nothing to do with them: a SYN, a
 * connection, listen() and bind() take as long as before. The clock counts instructions.
 */
/* vm: wires families machine mem=1G */
#include "lib/xtcp_test.h"

#include <sys/resource.h>

PEER_FIXTURE(cost);

static void files_allow(struct __test_metadata *_metadata, int n)
{
	struct rlimit many = { n, n };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &many));
}

/* What began then and took no time was not measured: a clock stood still. */
static int64_t since(struct __test_metadata *_metadata, int64_t began_ns)
{
	int64_t took_ns = now_ns() - began_ns;

	EXPECT_LT(0, took_ns) TH_LOG("no time passes on this clock");
	return took_ns;
}

/* --- listeners */

#define MANY 6000
#define ROUNDS 100

/*
 * Twice as much, or on a clock that others advance as well, much more. A walk of
 * all listeners costs the second half of them three times what it costs the
 * first half. And there is a step: when the kernel's first chunk of per-CPU
 * memory is full, which depends on what ran before, each listen() costs 8 us
 * more, so that a listener costs 1.6 times as much.
 */
static int64_t at_most(int64_t before)
{
	return peer_real_time() ? 100 * before : 2 * before;
}

static int listener(struct __test_metadata *_metadata, const char *addr, int port, int options)
{
	int fd = socket_new(-1);

	socket_share(fd, options);
	ASSERT_EQ(0, socket_bind(fd, addr, port));
	ASSERT_EQ(0, socket_listen(fd, 200)) TH_LOG("at %s, port %d", addr, port);
	return fd;
}

/* ns for a connection that is made, accepted and reset. */
static int64_t connection_ns(struct peer *p, int lfd)
{
	struct __test_metadata *_metadata = p->test;
	int64_t began = now_ns();

	for (int i = 0; i < ROUNDS; i++) {
		int fd;

		peer_send(p, .flags = SYN, .seq = 1, .sport = ++p->port);
		peer_expect(p, .flags = SYN | ACK, .ack = 2);
		peer_send(p, .flags = ACK, .seq = 2, .ack = p->last.seq + 1);
		fd = accept(lfd, NULL, NULL);
		ASSERT_LE(0, fd);
		/* It ends before the next is tried. */
		peer_send(p, .flags = RST, .seq = 2);
		close(fd);
	}
	return since(p->test, began) / ROUNDS;
}

/* ns for a SYN that is answered, and a RST. */
static int64_t syn_ns(struct peer *p)
{
	int64_t began = now_ns();

	for (int i = 0; i < ROUNDS; i++) {
		peer_send(p, .flags = SYN, .seq = 1, .sport = 1000 + i);
		peer_expect(p, .flags = SYN | ACK, .ack = 2, .dport = 1000 + i);
		peer_send(p, .flags = RST, .seq = 2, .sport = 1000 + i);
	}
	return since(p->test, began) / ROUNDS;
}

/* MANY listeners, each at an address of its own, or all at one. Returns ns. */
static int64_t half_of_many(struct __test_metadata *_metadata, int from, bool at_one)
{
	int64_t began = now_ns();
	char addr[32];

	for (int i = from; i < from + MANY / 2; i++) {
		snprintf(addr, sizeof(addr), "20.0.%d.%d", i / 250, i % 250);
		listener(_metadata, at_one ? "10.0.0.1" : addr, KERNEL_PORT, REUSEPORT);
	}
	return since(_metadata, began);
}

/* The same port at other addresses: binding there takes no privilege. */
TEST_F(cost, listeners_elsewhere_cost_nothing)
{
	struct peer *p = &self->peer;
	int fd = listener(_metadata, "10.0.0.1", KERNEL_PORT, REUSEADDR);
	int64_t before, first, second;

	files_allow(_metadata, MANY + 100);
	ASSERT_EQ(0, nonlocal_bind_allow());
	connection_ns(p, fd);
	before = connection_ns(p, fd);
	first = half_of_many(_metadata, 0, false);
	second = half_of_many(_metadata, MANY / 2, false);
	EXPECT_GE(at_most(before), connection_ns(p, fd));
	EXPECT_GE(at_most(first), second);
}

/* The same address, other ports. */
TEST_F(cost, listeners_at_other_ports_cost_nothing)
{
	struct peer *p = &self->peer;
	int fd = listener(_metadata, "10.0.0.1", KERNEL_PORT, REUSEADDR);
	int64_t before;

	files_allow(_metadata, MANY + 100);
	connection_ns(p, fd);
	before = connection_ns(p, fd);
	for (int i = 0; i < MANY; i++)
		listener(_metadata, "10.0.0.1", 6000 + i, 0);
	EXPECT_GE(at_most(before), connection_ns(p, fd));
}

TEST_F(cost, reuseport_group_costs_no_more_when_it_is_large)
{
	struct peer *p = &self->peer;
	int64_t before, first, second;

	listener(_metadata, "10.0.0.1", KERNEL_PORT, REUSEPORT);
	listener(_metadata, "10.0.0.1", KERNEL_PORT, REUSEPORT);
	files_allow(_metadata, MANY + 100);
	syn_ns(p);
	before = syn_ns(p);
	first = half_of_many(_metadata, 0, true);
	second = half_of_many(_metadata, MANY / 2, true);
	EXPECT_GE(at_most(before), syn_ns(p));
	EXPECT_GE(at_most(first), second);
}

static void to_device(struct __test_metadata *_metadata, int fd, const char *dev)
{
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, strlen(dev)));
}

/*
 * The same address, port and device: only the first one gets SYNs, so the others have no place
 * where a SYN would look at them. On the TCP wire the kernel's TCP refuses the second one, whose
 * first device is still that of the first one for it.
 */
TEST_F(cost, listeners_that_move_to_a_device_cost_nothing)
{
	struct peer *p = &self->peer;
	int64_t before;

	if (stream_wire() == XTCP_WIRE_TCP || stock_mode())
		return;
	to_device(_metadata, listener(_metadata, "10.0.0.1", KERNEL_PORT, 0), "tun0");
	files_allow(_metadata, MANY + 100);
	syn_ns(p);
	before = syn_ns(p);
	for (int i = 0; i < MANY; i++) {
		int fd = socket_new(-1);

		to_device(_metadata, fd, "lo");
		ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", KERNEL_PORT));
		ASSERT_EQ(0, socket_listen(fd, 1));
		to_device(_metadata, fd, "tun0");
	}
	EXPECT_GE(at_most(before), syn_ns(p));
}

/* A group of SO_REUSEPORT has no room for more, which is as many as the kernel allows. */
#define FULL 32768

TEST_F(cost, listeners_that_find_a_group_full_cost_nothing)
{
	struct peer *p = &self->peer;
	int64_t before;

	if (stock_mode())
		return;
	files_allow(_metadata, FULL + MANY + 100);
	for (int i = 0; i < FULL; i++) {
		int fd = socket_new(-1);

		socket_share(fd, REUSEPORT);
		to_device(_metadata, fd, "tun0");
		ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", KERNEL_PORT));
		ASSERT_EQ(0, socket_listen(fd, 1)) TH_LOG("the member %d", i);
	}
	syn_ns(p);
	before = syn_ns(p);
	for (int i = 0; i < MANY; i++) {
		int fd = listener(_metadata, "10.0.0.1", KERNEL_PORT, REUSEPORT);

		/* They would be a group of their own. */
		ASSERT_EQ(0, socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 0));
		to_device(_metadata, fd, "tun0");
	}
	EXPECT_GE(at_most(before), syn_ns(p));
}

/* --- bind() */

static int64_t bind_ns(struct __test_metadata *_metadata, const char *addr, int port)
{
	int fd = socket_new(-1);
	int64_t began = now_ns(), took;

	ASSERT_EQ(0, socket_bind(fd, addr, port));
	took = since(_metadata, began);
	close(fd);
	return took;
}

/* The least of some calls: an interrupt may be part of one. */
static int64_t least_bind_ns(struct __test_metadata *_metadata, const char *addr, int port)
{
	int64_t least = INT64_MAX;

	for (int i = 0; i < 5; i++) {
		int64_t took = bind_ns(_metadata, addr, port);

		if (took < least)
			least = took;
	}
	return least;
}

/*
 * A port that is bound at many addresses: a hash table finds the one. On the TCP wire most of the
 * time would be that of the kernel's TCP, which is asked as well: nothing is measured there.
 */
TEST_F(cost, bind_beside_many_addresses)
{
	enum { MANY_ADDRESSES = 4000 };
	int64_t alone_ns, beside_ns;
	char text[32];

	if (stream_wire() == XTCP_WIRE_TCP)
		return;
	files_allow(_metadata, MANY_ADDRESSES + 100);
	ASSERT_EQ(0, nonlocal_bind_allow());
	alone_ns = least_bind_ns(_metadata, "10.0.0.1", 7000);
	for (int i = 0; i < MANY_ADDRESSES; i++) {
		snprintf(text, sizeof(text), "127.0.%d.%d", 1 + i / 250, 1 + i % 250);
		ASSERT_EQ(0, socket_bind(socket_new(-1), text, 7000));
	}
	beside_ns = least_bind_ns(_metadata, "10.0.0.1", 7000);
	/* A look at each takes 5 ns or more, three times: at all 60 us. */
	EXPECT_GE(alone_ns + 20000, beside_ns);
}

/* Whoever shares a port at another address needs no look. */
TEST_F(cost, bind_beside_many_at_another_address)
{
	enum { MANY_SOCKETS = 4000 };
	int64_t alone_ns = 0, beside_ns;

	files_allow(_metadata, MANY_SOCKETS + 100);
	for (int i = 0; i < MANY_SOCKETS; i++) {
		int fd = socket_new(-1);

		socket_share(fd, REUSEPORT);
		ASSERT_EQ(0, socket_bind(fd, "127.0.0.1", 7000));
		if (!i)
			alone_ns = least_bind_ns(_metadata, "10.0.0.1", 7000);
	}
	beside_ns = least_bind_ns(_metadata, "10.0.0.1", 7000);
	/* A look at each takes 100 ns, at all 400 us. */
	EXPECT_GE(alone_ns + NSEC_PER_MSEC / 10, beside_ns);
}

TEST_HARNESS_MAIN
