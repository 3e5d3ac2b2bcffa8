/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flow: the two ends of a transfer of stream.h, for stream.c and for streamcontext.c, which
 * sends and receives by other calls.
 */
#ifndef SELFTESTS_LIB_FLOW_H
#define SELFTESTS_LIB_FLOW_H

#include <stdint.h>

#include "check.h"

/* One direction of a transfer. salt keeps two directions apart. */
struct flow {
	int from, to;
	uint64_t sent, got, len, salt;
};

/* By poll from this process, until both .sent and .got of each flow are .len. */
void flows_run_by_poll(struct where at, struct flow *f, int n, int stall_ms);
/* The same by io_uring; @fixed: with registered buffers. */
void flows_run_by_ring(struct where at, struct flow *f, int n, int stall_ms, bool fixed);
/* Another process sends. */
void flows_run_by_fork(struct where at, struct flow *f, int n, int stall_ms);
/* Four threads send on each socket. Every byte says which of them has sent it. */
void flows_run_by_threads(struct where at, struct flow *f, int n, int stall_ms);

#endif
