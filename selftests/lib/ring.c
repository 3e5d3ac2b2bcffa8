// SPDX-License-Identifier: GPL-2.0
/* ring: see ring.h. */
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/io_uring.h>
#include <linux/time_types.h>

#include "clock.h"
#include "stream.h"

#define ENTRIES 16
#define TAKE_S 5

static void *ring_map(struct where at, int fd, size_t size, off_t what)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			 fd, what);

	check(map != MAP_FAILED, at, "mmap of a ring: %s", strerror(errno));
	return map;
}

void ring_open_at(struct where at, struct ring *r)
{
	struct io_uring_params p = { 0 };
	struct iovec iov = { .iov_len = RING_BUFFER };
	uint8_t *sq, *cq;

	memset(r, 0, sizeof(*r));
	r->test = at.test;
	r->fd = syscall(__NR_io_uring_setup, ENTRIES, &p);
	check(r->fd >= 0, at, "io_uring_setup: %s", strerror(errno));
	r->ring_bytes[0] = p.sq_off.array + p.sq_entries * sizeof(*r->sq_array);
	r->ring_bytes[1] = p.cq_off.cqes + p.cq_entries * sizeof(*r->cqes);
	r->sqes_bytes = p.sq_entries * sizeof(*r->sqes);
	sq = ring_map(at, r->fd, r->ring_bytes[0], IORING_OFF_SQ_RING);
	cq = ring_map(at, r->fd, r->ring_bytes[1], IORING_OFF_CQ_RING);
	r->rings[0] = sq;
	r->rings[1] = cq;
	r->sqes = ring_map(at, r->fd, r->sqes_bytes, IORING_OFF_SQES);
	r->sq_tail = (unsigned int *)(sq + p.sq_off.tail);
	r->sq_mask = (unsigned int *)(sq + p.sq_off.ring_mask);
	r->sq_array = (unsigned int *)(sq + p.sq_off.array);
	r->cq_head = (unsigned int *)(cq + p.cq_off.head);
	r->cq_tail = (unsigned int *)(cq + p.cq_off.tail);
	r->cq_mask = (unsigned int *)(cq + p.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);

	r->buffer = mmap(NULL, RING_BUFFER, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(r->buffer != MAP_FAILED, at, "mmap: %s", strerror(errno));
	madvise(r->buffer, RING_BUFFER, MADV_NOHUGEPAGE);
	pattern_fill(r->buffer, RING_BUFFER, 0);
	iov.iov_base = r->buffer;
	check(!syscall(__NR_io_uring_register, r->fd, IORING_REGISTER_BUFFERS, &iov, 1), at,
	      "IORING_REGISTER_BUFFERS: %s", strerror(errno));
}

void ring_close_at(struct where at, struct ring *r)
{
	ssize_t wrong;

	check(!syscall(__NR_io_uring_register, r->fd, IORING_UNREGISTER_BUFFERS, NULL, 0), at,
	      "IORING_UNREGISTER_BUFFERS: %s", strerror(errno));
	munmap(r->sqes, r->sqes_bytes);
	for (int i = 0; i < 2; i++)
		munmap(r->rings[i], r->ring_bytes[i]);
	close(r->fd);
	/* A work item of io_uring releases the pages. */
	sleep_ms(200);
	wrong = pattern_check(r->buffer, RING_BUFFER, 0);
	check(wrong < 0, at, "byte %zd of the buffer has changed", wrong);
	munmap(r->buffer, RING_BUFFER);
}

void ring_queue_at(struct where at, struct ring *r, const struct io_uring_sqe *call)
{
	unsigned int tail = *r->sq_tail;
	unsigned int slot = tail & *r->sq_mask;

	r->sqes[slot] = *call;
	r->sq_array[slot] = slot;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	check(syscall(__NR_io_uring_enter, r->fd, 1, 0, 0, NULL, 0) == 1, at,
	      "io_uring_enter: %s", strerror(errno));
}

static bool ring_is_empty(const struct ring *r)
{
	return *r->cq_head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE);
}

struct ring_result ring_take_at(struct where at, struct ring *r)
{
	return ring_take_within_at(at, r, TAKE_S * 1000);
}

struct ring_result ring_take_within_at(struct where at, struct ring *r, int ms)
{
	struct __kernel_timespec limit = {
		.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * NSEC_PER_MSEC,
	};
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&limit };
	unsigned int head = *r->cq_head;
	const struct io_uring_cqe *cqe;
	struct ring_result done;

	if (ring_is_empty(r))
		check(!syscall(__NR_io_uring_enter, r->fd, 0, 1,
			       IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg)),
		      at, "no completion: %s", strerror(errno));
	cqe = &r->cqes[head & *r->cq_mask];
	done = (struct ring_result){ .call = cqe->user_data, .res = cqe->res, .flags = cqe->flags };
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return done;
}

void ring_expect_none_at(struct where at, struct ring *r)
{
	/* Completions that wait for this thread to enter the kernel. */
	syscall(__NR_io_uring_enter, r->fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
	check(ring_is_empty(r), at, "a completion: result %d",
	      r->cqes[*r->cq_head & *r->cq_mask].res);
}

int ring_call_at(struct where at, struct ring *r, const struct io_uring_sqe *call)
{
	bool zc = call->opcode == IORING_OP_SEND_ZC || call->opcode == IORING_OP_SENDMSG_ZC;
	struct ring_result one;

	ring_queue_at(at, r, call);
	one = ring_take_at(at, r);
	check(!(one.flags & IORING_CQE_F_NOTIF), at, "a notice before the result");
	/* Without the flag there will be no notice. */
	check(!zc || one.res <= 0 || one.flags & IORING_CQE_F_MORE, at,
	      "no notice is to come");
	r->notices += zc && one.flags & IORING_CQE_F_MORE;
	return one.res;
}

void ring_notice_at(struct where at, struct ring *r)
{
	struct ring_result one = ring_take_at(at, r);

	check(one.flags & IORING_CQE_F_NOTIF, at, "no notice, but result %d", one.res);
	r->notices--;
}

/* A call that finds nothing to do must wait, not return EAGAIN. */
static void fd_block(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

void ring_transfer_at(struct where at, struct ring *r, int how, int from, int to,
		      int rounds)
{
	enum { SENT, RECEIVED, NOTICED };
	static uint8_t got[RING_BUFFER];
	bool zc = how == IORING_OP_SEND_ZC;

	fd_block(from);
	fd_block(to);
	for (int round = 0; round < rounds; round++) {
		bool done[] = { [SENT] = false, [RECEIVED] = false, [NOTICED] = !zc };

		memset(got, 0, sizeof(got));
		ring_queue_at(at, r, &(struct io_uring_sqe){
			.opcode = IORING_OP_RECV, .fd = to, .addr = (uintptr_t)got,
			.len = RING_BUFFER, .msg_flags = MSG_WAITALL, .user_data = RECEIVED,
		});
		ring_queue_at(at, r, &(struct io_uring_sqe){
			.opcode = how, .fd = from, .addr = (uintptr_t)r->buffer,
			.len = RING_BUFFER, .msg_flags = MSG_WAITALL, .user_data = SENT,
			.ioprio = zc ? IORING_RECVSEND_FIXED_BUF : 0,
		});
		while (!done[SENT] || !done[RECEIVED] || !done[NOTICED]) {
			struct ring_result one = ring_take_at(at, r);
			int what = one.flags & IORING_CQE_F_NOTIF ? NOTICED : one.call;

			check(!done[what], at, "%s twice",
			      what == SENT ? "sent" : what == RECEIVED ? "received" : "noticed");
			check(what == NOTICED || one.res == RING_BUFFER, at,
			      "round %d: %s: %d", round, what == SENT ? "send" : "receive", one.res);
			done[what] = true;
		}
		check(pattern_check(got, sizeof(got), 0) < 0, at, "round %d: wrong bytes", round);
	}
}
