// SPDX-License-Identifier: GPL-2.0
/*
 * uring: io_uring's sends without copies, from registered buffers. An skb holds no
 * reference of its own to such a page, and the peer, or the next call, may split the
 * skb. 6.12 and later; before, io_uring refuses (EOPNOTSUPP).
 *
 * A device that hands an skb on takes references to its pages first, tun and veth
 * among them: so netem drops all that the kernel sends, and the peer acknowledges it
 * unread.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/io_uring.h>
#include <linux/tcp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

PEER_FIXTURE(uring);

#define BUFFER 65536
#define ENTRIES 8
/* TAINT_BAD_PAGE: a page was freed that is still mapped. */
#define BAD_PAGE (1L << 5)
/* Calls that add to registered pages; each would lose a page of 4 KiB or a part. */
#define CALLS 4000
#define LOST_KB_MAX 1024

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	uint8_t *buffer;		/* registered, of single pages */
};

static void *ring_map(int fd, size_t size, off_t what)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		    fd, what);
}

static void ring_open(struct __test_metadata *_metadata, struct ring *r)
{
	struct io_uring_params p = { 0 };
	struct iovec iov = { .iov_len = BUFFER };
	uint8_t *sq, *cq;

	r->fd = syscall(__NR_io_uring_setup, ENTRIES, &p);
	ASSERT_LE(0, r->fd);
	sq = ring_map(r->fd, p.sq_off.array + p.sq_entries * sizeof(*r->sq_array),
		      IORING_OFF_SQ_RING);
	cq = ring_map(r->fd, p.cq_off.cqes + p.cq_entries * sizeof(*r->cqes),
		      IORING_OFF_CQ_RING);
	r->sqes = ring_map(r->fd, p.sq_entries * sizeof(*r->sqes), IORING_OFF_SQES);
	ASSERT_NE(MAP_FAILED, (void *)sq);
	ASSERT_NE(MAP_FAILED, (void *)cq);
	ASSERT_NE(MAP_FAILED, (void *)r->sqes);
	r->sq_tail = (unsigned int *)(sq + p.sq_off.tail);
	r->sq_mask = (unsigned int *)(sq + p.sq_off.ring_mask);
	r->sq_array = (unsigned int *)(sq + p.sq_off.array);
	r->cq_head = (unsigned int *)(cq + p.cq_off.head);
	r->cq_tail = (unsigned int *)(cq + p.cq_off.tail);
	r->cq_mask = (unsigned int *)(cq + p.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);

	r->buffer = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)r->buffer);
	madvise(r->buffer, BUFFER, MADV_NOHUGEPAGE);
	pattern_fill(r->buffer, BUFFER, 0);
	iov.iov_base = r->buffer;
	ASSERT_EQ(0, syscall(__NR_io_uring_register, r->fd,
			     IORING_REGISTER_BUFFERS, &iov, 1));
}

/* Takes a completion: its result; F_MORE and F_NOTIF in *flags. */
static int ring_take(struct __test_metadata *_metadata, struct ring *r,
		     unsigned int *flags)
{
	unsigned int head = *r->cq_head;
	const struct io_uring_cqe *cqe = &r->cqes[head & *r->cq_mask];
	int res;

	if (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
		ASSERT_EQ(0, syscall(__NR_io_uring_enter, r->fd, 0, 1,
				     IORING_ENTER_GETEVENTS, NULL, 0));
	res = cqe->res;
	*flags = cqe->flags;
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return res;
}

/* Sends the first @bytes of the buffer. Returns the call's result. */
static int ring_send(struct __test_metadata *_metadata, struct ring *r, int fd,
		     unsigned int bytes)
{
	unsigned int tail = *r->sq_tail;
	unsigned int at = tail & *r->sq_mask;
	unsigned int flags;
	int res;

	r->sqes[at] = (struct io_uring_sqe){
		.opcode = IORING_OP_SEND_ZC,
		.fd = fd,
		.addr = (unsigned long)r->buffer,
		.len = bytes,
		.ioprio = IORING_RECVSEND_FIXED_BUF,
	};
	r->sq_array[at] = at;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	ASSERT_EQ(1, syscall(__NR_io_uring_enter, r->fd, 1, 1,
			     IORING_ENTER_GETEVENTS, NULL, 0));
	res = ring_take(_metadata, r, &flags);
	/* Without the flag there will be no notice. */
	if (res > 0)
		EXPECT_TRUE(flags & IORING_CQE_F_MORE);
	return res;
}

/* The kernel no longer uses the pages. */
static void ring_notice(struct __test_metadata *_metadata, struct ring *r)
{
	unsigned int flags;

	ring_take(_metadata, r, &flags);
	EXPECT_TRUE(flags & IORING_CQE_F_NOTIF);
}

/* Gives the pages back; all of them are still ours. */
static void ring_close(struct __test_metadata *_metadata, struct ring *r)
{
	EXPECT_EQ(0, syscall(__NR_io_uring_register, r->fd,
			     IORING_UNREGISTER_BUFFERS, NULL, 0));
	close(r->fd);
	/* A work item of io_uring releases them. */
	sleep_ms(200);
	EXPECT_GT(0, pattern_check(r->buffer, BUFFER, 0));
	munmap(r->buffer, BUFFER);
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
	EXPECT_EQ(-EOPNOTSUPP, ring_send(_metadata, r, c->fd, 1000));
	EXPECT_EQ(0, socket_error(c->fd));
	ring_close(_metadata, r);
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

	if (!open_ring(_metadata, p, &c, &r))
		return;
	ASSERT_EQ(12288, ring_send(_metadata, &r, c.fd, 12288));
	for (unsigned int i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		acknowledge(&c, part[i]);
	ring_notice(_metadata, &r);
	ring_close(_metadata, &r);
	EXPECT_EQ(before & BAD_PAGE, taint() & BAD_PAGE);
}

/* Copied data joins such pages in one skb. */
TEST_F(uring, send_zc_then_send)
{
	struct peer *p = &self->peer;
	long before = taint(), before_kb = 0;
	struct ring r;
	struct conn c;

	if (!open_ring(_metadata, p, &c, &r))
		return;
	for (int i = 0; i < CALLS + 100; i++) {
		/* One-time allocations are done by now. */
		if (i == 100)
			before_kb = free_kb();
		socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1);
		ASSERT_EQ(100, ring_send(_metadata, &r, c.fd, 100));
		ASSERT_EQ(1300, send(c.fd, r.buffer, 1300, 0));
		socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 0);
		acknowledge(&c, 1400);
		ring_notice(_metadata, &r);
	}
	/* KASAN keeps freed memory for a while: four MiB of it here. */
	if (!kernel_is_debug())
		EXPECT_LT(before_kb - free_kb(), LOST_KB_MAX);
	ring_close(_metadata, &r);
	EXPECT_EQ(before & BAD_PAGE, taint() & BAD_PAGE);
}

TEST_HARNESS_MAIN
