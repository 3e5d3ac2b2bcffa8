/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ring: an io_uring with a registered buffer, by system calls. One thread uses it: a call
 * is queued, and its completions are taken later. A test that uses it includes
 * <linux/io_uring.h>.
 */
#ifndef SELFTESTS_LIB_RING_H
#define SELFTESTS_LIB_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"

#define RING_BUFFER 65536

struct io_uring_sqe;
struct io_uring_cqe;

struct ring {
	struct __test_metadata *test;
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	uint8_t *buffer;		/* registered, of single pages, with the pattern */
	int notices;			/* that calls by ring_call() still have to come */
	void *rings[2];			/* the two mappings, and their sizes */
	size_t ring_bytes[2], sqes_bytes;
};

/* A completion. */
struct ring_result {
	uint64_t call;			/* its user_data */
	int res;
	unsigned int flags;
};

#define ring_open(md, r) ring_open_at(WHERE(md), r)
void ring_open_at(struct where at, struct ring *r);
/* Gives the buffer back, which must be unchanged. */
#define ring_close(r) ring_close_at(WHERE((r)->test), r)
void ring_close_at(struct where at, struct ring *r);

/* Queues a call: ring_queue(&r, .opcode = IORING_OP_RECV, .fd = fd, ...). */
#define ring_queue(r, ...) \
	ring_queue_at(WHERE((r)->test), r, &(struct io_uring_sqe){ __VA_ARGS__ })
void ring_queue_at(struct where at, struct ring *r, const struct io_uring_sqe *call);
/* The next completion, which must come within 5 s. */
#define ring_take(r) ring_take_at(WHERE((r)->test), r)
struct ring_result ring_take_at(struct where at, struct ring *r);
/* Which must come within @ms. */
struct ring_result ring_take_within_at(struct where at, struct ring *r, int ms);
/* No completion has come. */
#define ring_expect_none(r) ring_expect_none_at(WHERE((r)->test), r)
void ring_expect_none_at(struct where at, struct ring *r);

/*
 * A call alone. Return: its result. If .notices has grown, the notice is still to come, as after
 * each IORING_OP_SEND_ZC that sent something. Whether one that failed has a notice depends on the
 * kernel.
 */
#define ring_call(r, ...) \
	ring_call_at(WHERE((r)->test), r, &(struct io_uring_sqe){ __VA_ARGS__ })
int ring_call_at(struct where at, struct ring *r, const struct io_uring_sqe *call);
/* The notice of such a call: the kernel no longer uses the pages. */
#define ring_notice(r) ring_notice_at(WHERE((r)->test), r)
void ring_notice_at(struct where at, struct ring *r);

/*
 * Moves the registered buffer so many times from one socket to the other by two calls at
 * a time, and checks each byte: @how is IORING_OP_SEND, or IORING_OP_SEND_ZC, of which each
 * notice must come before the next call.
 */
#define ring_transfer(r, how, from, to, rounds) \
	ring_transfer_at(WHERE((r)->test), r, how, from, to, rounds)
void ring_transfer_at(struct where at, struct ring *r, int how, int from, int to,
		      int rounds);

#endif
