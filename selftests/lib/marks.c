// SPDX-License-Identifier: GPL-2.0
/* marks: see marks.h. */
#include "marks.h"

#include <string.h>

#include "stream.h"

#define WHERE_MASK 7		/* the part of a position that a byte tells */
#define WHERE_SHIFT 5
#define NOWHERE UINT64_MAX

static uint8_t byte_of(uint8_t pattern, uint64_t at)
{
	return (pattern & ((1 << WHERE_SHIFT) - 1)) | (at & WHERE_MASK) << WHERE_SHIFT;
}

static uint8_t byte_at(const struct marked *m, uint64_t at)
{
	return byte_of(pattern_byte(m->salt + at), at);
}

void marks_fill(const struct marked *m, void *buf, size_t len, uint64_t at)
{
	uint8_t *p = buf;

	pattern_fill(p, len, m->salt + at);
	for (size_t i = 0; i < len; i++)
		p[i] = byte_of(p[i], at + i);
}

static bool is_mark(const struct marked *m, uint64_t at)
{
	int i = m->marks - 1;

	while (i >= 0 && m->mark[i] > at)
		i--;
	return i >= 0 && m->mark[i] == at;
}

/* Were more than WHERE_MASK missing in a row, their number would be unknown. */
bool marks_may_add(const struct marked *m, size_t len)
{
	uint64_t at = m->sent + len - 1;

	if (m->marks == MARKS_MAX)
		return false;
	return m->marks < WHERE_MASK || m->mark[m->marks - WHERE_MASK + 1] + WHERE_MASK < at;
}

void marks_sent(struct marked *m, size_t len, bool urgent)
{
	m->sent += len;
	if (urgent && len)
		m->mark[m->marks++] = m->sent - 1;
}

/*
 * The newest urgent byte was not replaced, and its pointer has come before it or with it.
 */
static uint64_t must_be_out(const struct marked *m, const struct marks_reader *rd)
{
	return m->marks && !rd->inlines ? m->mark[m->marks - 1] : NOWHERE;
}

static bool is_plain(const struct marked *m, const uint8_t *buf, size_t len, uint64_t at)
{
	uint8_t expected[4096];

	for (size_t n; len; buf += n, at += n, len -= n) {
		n = len < sizeof(expected) ? len : sizeof(expected);
		marks_fill(m, expected, n, at);
		if (memcmp(buf, expected, n))
			return false;
	}
	return true;
}

/* Return: the position behind these bytes if they begin at @at, or NOWHERE. */
static uint64_t end_of(const struct marked *m, const struct marks_reader *rd, const uint8_t *buf,
		       size_t len, uint64_t at)
{
	uint64_t out = must_be_out(m, rd);

	if ((out < at || out >= at + len) && at + len <= m->sent && is_plain(m, buf, len, at))
		return at + len;
	for (size_t i = 0; i < len; i++, at++) {
		while (at == out || (rd->skips && byte_at(m, at) != buf[i] && is_mark(m, at)))
			at++;
		if (at >= m->sent || byte_at(m, at) != buf[i])
			return NOWHERE;
	}
	return at;
}

/* @end: from where to where the bytes may end that begin between these positions. */
static bool range_of_end(const struct marked *m, const struct marks_reader *rd, const void *buf,
			 size_t len, uint64_t low, uint64_t high, struct marks_reader *end)
{
	bool found = false;

	for (uint64_t at = low; at <= high; at++) {
		uint64_t behind = end_of(m, rd, buf, len, at);

		if (behind == NOWHERE)
			continue;
		if (!found)
			end->low = behind;
		end->high = behind;
		found = true;
	}
	return found;
}

bool marks_read(const struct marked *m, struct marks_reader *rd, const void *buf, size_t len)
{
	return range_of_end(m, rd, buf, len, rd->low, rd->high, rd);
}

/* The last position at which a reader may be that has passed @len bytes since @low to @high. */
static uint64_t furthest(const struct marked *m, const struct marks_reader *rd, size_t len)
{
	uint64_t high = rd->high + len;

	if (rd->skips)
		for (int i = 0; i < m->marks; i++)
			high += m->mark[i] >= rd->low && m->mark[i] <= high;
	return high < m->sent ? high : m->sent;
}

bool marks_skipped(const struct marked *m, struct marks_reader *rd, size_t len)
{
	rd->high = furthest(m, rd, len);
	rd->low += len;
	return rd->low <= m->sent;
}

bool marks_peeked(const struct marked *m, const struct marks_reader *rd, const void *buf,
		  size_t len, size_t offset)
{
	struct marks_reader end;

	return range_of_end(m, rd, buf, len, rd->low + offset, furthest(m, rd, offset), &end);
}

bool marks_urgent(const struct marked *m, struct marks_reader *rd, uint8_t byte, bool peek)
{
	for (int i = 0; i < m->marks; i++) {
		if (m->mark[i] < rd->urgent || m->mark[i] + 1 < rd->low ||
		    byte_at(m, m->mark[i]) != byte)
			continue;
		if (!peek)
			rd->urgent = m->mark[i] + 1;
		return true;
	}
	return false;
}

bool marks_is_at(const struct marked *m, const struct marks_reader *rd)
{
	for (uint64_t at = rd->low; at <= rd->high; at++)
		if (is_mark(m, at))
			return true;
	return false;
}

bool marks_is_end(const struct marked *m, const struct marks_reader *rd)
{
	uint64_t at = rd->high;

	while (at < m->sent && rd->skips && is_mark(m, at))
		at++;
	return at == m->sent;
}
