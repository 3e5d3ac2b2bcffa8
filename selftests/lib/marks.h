/* SPDX-License-Identifier: GPL-2.0 */
/*
 * marks: a stream in which some bytes are urgent, and what its reader may see of it.
 *
 * An urgent byte is read with MSG_OOB, or is part of the stream, or both: it becomes part of
 * the stream if a later one replaces it before it is read, and with SO_OOBINLINE. Each byte
 * tells its position modulo 8, so that the reader notices whether one is missing.
 */
#ifndef SELFTESTS_LIB_MARKS_H
#define SELFTESTS_LIB_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MARKS_MAX 2000

/* What was written. */
struct marked {
	uint64_t salt;			/* another one for each stream */
	uint64_t sent;			/* bytes */
	uint64_t mark[MARKS_MAX];	/* positions of urgent bytes */
	int marks;
};

/*
 * Where the next byte is: from @low to @high. They differ after bytes were skipped unseen
 * among which an urgent one may have been.
 */
struct marks_reader {
	uint64_t low, high;
	uint64_t urgent;		/* the next one that MSG_OOB may give */
	bool skips;			/* SO_OOBINLINE was off at some time */
	bool inlines;			/* it was on at some time */
};

/* The @len bytes at position @at. */
void marks_fill(const struct marked *m, void *buf, size_t len, uint64_t at);
/* May the last of @len more bytes be urgent? */
bool marks_may_add(const struct marked *m, size_t len);
void marks_sent(struct marked *m, size_t len, bool urgent);

/* Each function returns false if the reader may not see that. */
bool marks_read(const struct marked *m, struct marks_reader *rd, const void *buf, size_t len);
/* The reader has skipped that many bytes of the stream. */
bool marks_skipped(const struct marked *m, struct marks_reader *rd, size_t len);
/* A peek that begins @offset bytes of the stream behind the next byte. */
bool marks_peeked(const struct marked *m, const struct marks_reader *rd, const void *buf,
		  size_t len, size_t offset);
/* MSG_OOB has given @byte, and gives it no more unless it was a peek. */
bool marks_urgent(const struct marked *m, struct marks_reader *rd, uint8_t byte, bool peek);
/* The reader is at an urgent byte (SIOCATMARK). */
bool marks_is_at(const struct marked *m, const struct marks_reader *rd);
bool marks_is_end(const struct marked *m, const struct marks_reader *rd);

#endif
