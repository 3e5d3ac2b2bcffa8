// SPDX-License-Identifier: GPL-2.0
/*
 * crumbs: a peer that sends its window byte by byte, with a hole between any two
 * bytes. Each byte costs a segment's memory, and a search. The receiver keeps within
 * its buffer in any case, a segment costs no more because many are queued, and the
 * program gets all that is in order.
 */
/* vm: wires families mem=1G short */
#include "lib/xtcp_test.h"

#include <linux/sock_diag.h>
#include <linux/tcp.h>

PEER_FIXTURE(crumbs);

#define SCALED OPT(OPT_MSS(1460), OPT_SACKOK, OPT_NOP, OPT_WSCALE(7))
#define RCVBUF (256 << 10)
/* One segment may be arriving while another has just filled the buffer. */
#define SLACK 4096
#define CRUMBS 6000

static void fix_buffer(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, RCVBUF / 2);
}

static void expect_within(struct __test_metadata *_metadata, struct conn *c)
{
	ASSERT_GE(socket_meminfo(c->fd, SK_MEMINFO_RCVBUF) + SLACK,
		  socket_meminfo(c->fd, SK_MEMINFO_RMEM_ALLOC));
}

enum order { UPWARDS, DOWNWARDS, SCATTERED };

/* The n-th byte to send; odd ones are never sent, nor is the first. */
static int64_t byte(enum order order, int n)
{
	switch (order) {
	case UPWARDS:
		return 3 + 2 * n;
	case DOWNWARDS:
		return 3 + 2 * (CRUMBS - 1 - n);
	default:
		/* 7919 is prime, so that each byte comes once. */
		return 3 + 2 * (int64_t)((n * 7919LL) % CRUMBS);
	}
}

/* Nanoseconds that bytes @from to @to take; 0 on User-mode Linux. */
static int64_t crumble(struct __test_metadata *_metadata, struct conn *c, enum order order,
		       int from, int to)
{
	int64_t begin = now_ns();

	for (int n = from; n < to; n++) {
		conn_send(c, .flags = ACK, .seq = byte(order, n), .ack = 1, .len = 1);
		if (n % 64 == 0) {
			expect_within(_metadata, c);
			peer_drain(c->peer, 0);
		}
	}
	peer_drain(c->peer, 0);
	return now_ns() - begin;
}

static void crumbs_come(struct __test_metadata *_metadata, struct peer *p, enum order order,
			void (*prepare)(int fd))
{
	int64_t first, last;
	struct conn c;
	char buf[16];

	conn_open(p, &c, .opt = SCALED, .prepare = prepare);
	first = crumble(_metadata, &c, order, 0, CRUMBS / 20);
	crumble(_metadata, &c, order, CRUMBS / 20, CRUMBS - CRUMBS / 20);
	last = crumble(_metadata, &c, order, CRUMBS - CRUMBS / 20, CRUMBS);
	/*
	 * The tree is deeper, and segments are dropped: less than ten times the cost.
	 */
	EXPECT_GE(3 * first, last);
	TH_LOG("a segment: %lld ns at first, %lld at last",
	       (long long)first * 20 / CRUMBS, (long long)last * 20 / CRUMBS);
	/* The byte that is missing in front is still accepted. */
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1, .data = "ab");
	peer_drain(p, 5);
	EXPECT_LE(2, recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT));
	conn_send(&c, .flags = RST, .seq = p->last.ack - c.peer_iss);
	peer_drain(p, 5);
}

TEST_F(crumbs, upwards)
{
	crumbs_come(_metadata, &self->peer, UPWARDS, fix_buffer);
}

TEST_F(crumbs, downwards)
{
	crumbs_come(_metadata, &self->peer, DOWNWARDS, fix_buffer);
}

TEST_F(crumbs, scattered)
{
	crumbs_come(_metadata, &self->peer, SCATTERED, fix_buffer);
}

TEST_F(crumbs, buffer_that_may_grow)
{
	/* As far as xtcp_rmem allows. */
	ASSERT_EQ(0, knob_set_text("rmem", "4096 131072 500000"));
	crumbs_come(_metadata, &self->peer, SCATTERED, NULL);
}

TEST_F(crumbs, in_order_and_unread)
{
	struct peer *p = &self->peer;
	int64_t got = 0, acked;
	static char buf[CRUMBS];
	struct conn c;

	/* What was acknowledged is kept, copied together. */
	conn_open(p, &c, .opt = SCALED, .prepare = fix_buffer);
	for (int n = 0; n < CRUMBS; n++) {
		conn_send(&c, .len = 1);
		if (n % 64 == 0) {
			expect_within(_metadata, &c);
			peer_drain(p, 0);
		}
	}
	peer_drain(p, 250);
	acked = (uint32_t)(p->last.ack - c.peer_iss) - 1;
	EXPECT_EQ(CRUMBS, acked);
	while (got < acked) {
		ssize_t n = recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT);

		ASSERT_LT(0, n);
		ASSERT_EQ(-1, pattern_check(buf, n, got));
		got += n;
	}
	peer_drain(p, 5);
	conn_send(&c, .flags = RST);
}

/*
 * The program reads each byte as it comes, which makes the receiver compute its buffer
 * space anew. That must not cost more when more waits behind the hole. @memory: the
 * buffer's size in bytes. Return: nanoseconds of a round.
 */
static int64_t read_one_by_one(struct __test_metadata *_metadata, struct peer *p, int size)
{
	int64_t begin, ahead = 1001, next = 1;
	int crumbs = size / 700, rounds = 300;
	char byte[8];
	struct conn c;

	ASSERT_EQ(0, knob_set_text("rmem", "4096 131072 33554432"));
	conn_open(p, &c, .opt = SCALED, .kport = KERNEL_PORT + size % 1000);
	socket_set(c.fd, SOL_SOCKET, SO_RCVBUFFORCE, size / 2);
	for (int n = 0; n < crumbs; n++, ahead += 2) {
		conn_send(&c, .flags = ACK, .seq = ahead, .ack = 1, .len = 1);
		if (n % 64 == 0)
			peer_drain(p, 0);
	}
	peer_drain(p, 0);
	EXPECT_LT(size - size / 8, socket_meminfo(c.fd, SK_MEMINFO_RMEM_ALLOC));
	begin = now_ns();
	for (int n = 0; n < rounds; n++) {
		conn_send(&c, .flags = ACK | PSH, .seq = next++, .ack = 1, .len = 1);
		ASSERT_EQ(1, recv(c.fd, byte, sizeof(byte), MSG_DONTWAIT));
		conn_send(&c, .flags = ACK, .seq = ahead + 2 * n, .ack = 1, .len = 1);
		if (n % 64 == 0)
			peer_drain(p, 0);
	}
	peer_drain(p, 0);
	begin = now_ns() - begin;
	socket_abort(c.fd);
	peer_drain(p, 5);
	return begin / rounds;
}

TEST_F(crumbs, read_one_by_one)
{
	int64_t small, large;

	small = read_one_by_one(_metadata, &self->peer, 64 << 10);
	large = read_one_by_one(_metadata, &self->peer, 4 << 20);
	TH_LOG("a round: %lld ns with 64 KiB, %lld with 4 MiB", (long long)small, (long long)large);
	EXPECT_GE(2 * small, large);
	self->peer.leave_unread = true;
}

TEST_HARNESS_MAIN
