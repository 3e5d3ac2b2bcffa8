// SPDX-License-Identifier: GPL-2.0
/*
 * uring: io_uring's sends without copies, from registered buffers. An skb holds no
 * reference of its own to such a page, and the peer, or the next call, may split the
 * skb. 6.8 and later; before, io_uring refuses (EOPNOTSUPP).
 *
 * A device that hands an skb on takes references to its pages first, tun and veth
 * among them: so netem drops all that the kernel sends, and the peer acknowledges it
 * unread.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/io_uring.h>
#include <linux/tcp.h>

PEER_FIXTURE(uring);

/* TAINT_BAD_PAGE: a page was freed that is still mapped. */
#define BAD_PAGE (1L << 5)
/* Calls that add to registered pages; each would lose a page of 4 KiB or a part. */
#define CALLS 4000
#define LOST_KB_MAX 1024

/* Sends the first @bytes of the buffer. Returns the call's result. */
static int send_pages(struct ring *r, int fd, unsigned int bytes)
{
	return ring_call(r, .opcode = IORING_OP_SEND_ZC, .fd = fd,
			 .addr = (unsigned long)r->buffer, .len = bytes,
			 .ioprio = IORING_RECVSEND_FIXED_BUF);
}

static long number_of(const char *path, const char *name)
{
	FILE *f = fopen(path, "r");
	char line[128], *value;
	long n = -1;

	while (f && n < 0 && fgets(line, sizeof(line), f)) {
		value = line + strlen(name);
		if (!strncmp(line, name, strlen(name)))
			n = strtol(value, NULL, 10);
	}
	if (f)
		fclose(f);
	return n;
}

static long taint(void)
{
	return number_of("/proc/sys/kernel/tainted", "");
}

static long free_kb(void)
{
	return number_of("/proc/meminfo", "MemFree:");
}

/* A connection whose segments the peer does not read. */
static void open_unseen(struct peer *p, struct conn *c, int wnd)
{
	struct netem netem = { .loss = 100 };

	conn_open(p, c, .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_NOP, OPT_WSCALE(7)));
	socket_set(c->fd, IPPROTO_TCP, TCP_NODELAY, 1);
	c->wnd = wnd;
	conn_send(c, .flags = ACK);
	netem_set(WHERE(p->test), "tun0", &netem);
}

/* The peer acknowledges what it did not read; relative to all so far. */
static void acknowledge(struct conn *c, unsigned int bytes)
{
	c->kern_nxt += bytes;
	conn_send(c, .flags = ACK);
}

/* Returns false where the stack under test refuses: then the test is over. */
static bool open_ring(struct __test_metadata *_metadata, struct peer *p, struct conn *c,
		      struct ring *r)
{
	open_unseen(p, c, 4000);
	ring_open(_metadata, r);
	if (kernel_sends_pages())
		return true;
	EXPECT_EQ(-EOPNOTSUPP, send_pages(r, c->fd, 1000));
	EXPECT_EQ(0, socket_error(c->fd));
	ring_close(r);
	return false;
}

/* Parts of an skb are acknowledged, at the edge of a page, of a segment and of none. */
TEST_F(uring, send_zc_partial_ack)
{
	static const unsigned int part[] = { 4096, 2920, 1000, 4272 };
	struct peer *p = &self->peer;
	long before = taint();
	struct ring r;
	struct conn c;

	if (!open_ring(_metadata, p, &c, &r)) {
		TH_LOG("not tested: the kernel has no io_uring that sends without a copy");
		return;
	}
	ASSERT_EQ(12288, send_pages(&r, c.fd, 12288));
	for (unsigned int i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		acknowledge(&c, part[i]);
	ring_notice(&r);
	ring_close(&r);
	EXPECT_EQ(before & BAD_PAGE, taint() & BAD_PAGE);
}

/* Copied data joins such pages in one skb. */
TEST_F(uring, send_zc_then_send)
{
	struct peer *p = &self->peer;
	long before = taint(), before_kb = 0;
	struct ring r;
	struct conn c;

	if (!open_ring(_metadata, p, &c, &r)) {
		TH_LOG("not tested: the kernel has no io_uring that sends without a copy");
		return;
	}
	for (int i = 0; i < CALLS + 100; i++) {
		/* One-time allocations are done by now. */
		if (i == 100)
			before_kb = free_kb();
		socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1);
		ASSERT_EQ(100, send_pages(&r, c.fd, 100));
		ASSERT_EQ(1300, send(c.fd, r.buffer, 1300, 0));
		socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 0);
		acknowledge(&c, 1400);
		ring_notice(&r);
	}
	/* KASAN keeps freed memory for a while: four MiB of it here. */
	if (!kernel_is_debug())
		EXPECT_LT(before_kb - free_kb(), LOST_KB_MAX);
	ring_close(&r);
	EXPECT_EQ(before & BAD_PAGE, taint() & BAD_PAGE);
}

TEST_HARNESS_MAIN
