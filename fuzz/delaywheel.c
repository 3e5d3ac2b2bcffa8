// SPDX-License-Identifier: GPL-2.0
/*
 * delaywheel.c - records that wait, any delay, at any uptime
 *
 * module/delaywheel.c under libFuzzer, ASan and UBSan. The input is a program: the
 * uptime, and then records that come, leave, or are due. The oracle is a table of
 * all of them. No record may leave early, or more than a tick late; the time at
 * which the wheel asks to be looked at next is no later than the first expiry.
 */
#include "kernel.h"

#define U64_MAX			UINT64_MAX
#define UINT_MAX		(~0U)

static inline unsigned int ilog2(u64 n)
{
	return 63 - __builtin_clzll(n);
}

static inline unsigned int __ffs(unsigned long n)
{
	return __builtin_ctzl(n);
}

static inline void list_del(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
}

static inline void list_splice_init(struct list_head *from, struct list_head *to)
{
	if (list_empty(from))
		return;
	from->next->prev = to;
	from->prev->next = to->next;
	to->next->prev = from->prev;
	to->next = from->next;
	INIT_LIST_HEAD(from);
}

#define LIST_HEAD(name)	struct list_head name = { &name, &name }
#define list_first_entry_or_null(list, type, member) \
	(list_empty(list) ? NULL : list_entry((list)->next, type, member))
#define list_for_each_entry_safe(pos, tmp, list, member)			\
	for (pos = list_entry((list)->next, __typeof__(*pos), member),		\
	     tmp = list_entry(pos->member.next, __typeof__(*pos), member);	\
	     &pos->member != (list);						\
	     pos = tmp, tmp = list_entry(tmp->member.next, __typeof__(*pos), member))

/* Few, so that more than that are often to be moved. */
#define MOVES_MAX 3
#include "../module/delaywheel.c"

#define RECORDS	64
#define TICK	BIT_ULL(XTCP_WHEEL_TICK)

static struct xtcp_delaywheel wheel;
static struct xtcp_delay record[RECORDS];
static u64 now;

static const u8 *input, *input_end;

static u64 draw(unsigned int bytes)
{
	u64 x = 0;

	while (bytes-- && input < input_end)
		x = x << 8 | *input++;
	return x;
}

/* A number with a random count of bits. */
static u64 draw_span(void)
{
	unsigned int bits = draw(1) % 65;

	return bits ? draw(8) >> (64 - bits) : 0;
}

static void add(struct xtcp_delay *r)
{
	u64 span = draw_span();
	u64 due;

	if (!list_empty(&r->link))
		return;
	r->expires_ns = span > U64_MAX - now ? U64_MAX : now + span;
	due = xtcp_delaywheel_add(&wheel, r);
	MUST(due >= r->expires_ns || due == (U64_MAX >> XTCP_WHEEL_TICK) << XTCP_WHEEL_TICK);
	MUST(due - r->expires_ns < TICK || r->expires_ns > U64_MAX - TICK);
}

/* The clock advances; entries that are due leave, or some of them. */
static void run(void)
{
	u64 span = draw_span(), first = U64_MAX;
	struct xtcp_delay *r;

	now = span > U64_MAX - 1 - now ? U64_MAX - 1 : now + span;
	for (;;) {
		r = xtcp_delaywheel_pop(&wheel, now);
		if (!r && xtcp_delaywheel_next_ns(&wheel) > now)
			break;
		/* Entries are still to be moved: others may be added or leave first. */
		if (!r && draw(1) & 1)
			return;
		if (!r)
			continue;
		MUST(r >= record && r < record + RECORDS && list_empty(&r->link));
		MUST(r->expires_ns <= now || r->expires_ns > U64_MAX - TICK);
	}
	for (int i = 0; i < RECORDS; i++) {
		if (list_empty(&record[i].link))
			continue;
		MUST(record[i].expires_ns + TICK > now || record[i].expires_ns > U64_MAX - TICK);
		first = min(first, record[i].expires_ns);
	}
	if (first < U64_MAX - TICK)
		MUST(xtcp_delaywheel_next_ns(&wheel) < first + TICK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	input = data;
	input_end = data + len;
	now = draw_span() >> 1;
	xtcp_delaywheel_init(&wheel, now);
	for (int i = 0; i < RECORDS; i++)
		INIT_LIST_HEAD(&record[i].link);
	while (input < input_end) {
		unsigned int act = draw(1);
		struct xtcp_delay *r = &record[act % RECORDS];

		if (act < 2 * RECORDS)
			add(r);
		else if (act < 3 * RECORDS)
			run();
		else if (!list_empty(&r->link))
			xtcp_delaywheel_del(&wheel, r);
	}
	while (xtcp_delaywheel_pop(&wheel, U64_MAX) ||
	       xtcp_delaywheel_next_ns(&wheel) != U64_MAX)
		;
	for (int i = 0; i < RECORDS; i++)
		MUST(list_empty(&record[i].link));
	return 0;
}
