/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stream: a byte pattern that shows every loss, copy and shift, and a transfer of it
 * through sockets.
 */
#ifndef SELFTESTS_LIB_STREAM_H
#define SELFTESTS_LIB_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "check.h"

/*
 * The byte at one offset depends on all of the offset, so there is no period under
 * 2^64.
 */
uint8_t pattern_byte(uint64_t offset);
void pattern_fill(void *buf, size_t len, uint64_t offset);
/* Return: -1 if @buf holds the pattern from @offset on, else the first wrong index. */
ssize_t pattern_check(const void *buf, size_t len, uint64_t offset);

void fd_nonblock(int fd);

/* This text is all that can be read from @fd now. */
void stream_expect_text_at(struct where at, int fd, const char *text);
#define stream_expect_text(md, fd, text) stream_expect_text_at(WHERE(md), fd, text)

/*
 * Moves @len bytes of the pattern from one socket to the other, both ends driven by
 * poll from this process, or as the run's context says (context.h), and checks each byte.
 * Fails when nothing has moved for @stall_ms.
 */
void stream_transfer_at(struct where at, int from, int to, uint64_t len,
			int stall_ms);
/* Both directions at once, different patterns. */
void stream_exchange_at(struct where at, int a, int b, uint64_t len,
			int stall_ms);

#define stream_transfer(md, from, to, len, stall_ms) \
	stream_transfer_at(WHERE(md), from, to, len, stall_ms)
#define stream_exchange(md, a, b, len, stall_ms) \
	stream_exchange_at(WHERE(md), a, b, len, stall_ms)

#endif
