// SPDX-License-Identifier: GPL-2.0
/*
 * delaywheel.c - a queue by time for delays that differ from record to record
 *
 * A delay that is computed from a round trip time is hardly ever met twice, so
 * that a FIFO for each such delay would hold one record. These records stand
 * in a hierarchical timing wheel (Varghese and Lauck, 1987): a time is written
 * as a number of base 16, and a record stands on the level of the highest digit
 * in which its expiry differs from the wheel's own time, in the slot of that
 * digit. When the wheel's time comes to a slot of a higher level, the slot's
 * records move down; on the lowest they are due.
 *
 * So a record is touched once for each digit of its delay however many others
 * wait, and its place takes no more room than one in a FIFO: it leaves as it
 * would leave a list. Time is in ticks of 8.192 us, rounded up: at most one
 * late, never early.
 *
 * Context: the caller's lock guards the wheel.
 */
#include "delaywheel.h"

#include <linux/bitops.h>
#include <linux/log2.h>

#include "delayline.h"

/**
 * xtcp_delaywheel_init - an empty wheel
 * @wheel: to be set up
 * @now_ns: CLOCK_MONOTONIC
 */
void xtcp_delaywheel_init(struct xtcp_delaywheel *wheel, u64 now_ns)
{
	unsigned int level, slot;

	wheel->now = now_ns >> XTCP_WHEEL_TICK;
	for (level = 0; level < XTCP_WHEEL_LEVELS; level++) {
		wheel->used[level] = 0;
		for (slot = 0; slot < XTCP_WHEEL_SLOTS; slot++)
			INIT_LIST_HEAD(&wheel->slot[level][slot]);
	}
}

static unsigned int digit(u64 tick, unsigned int level)
{
	return (tick >> (level * XTCP_WHEEL_BITS)) & (XTCP_WHEEL_SLOTS - 1);
}

/* What lies in the past is due now; the last tick of all is not rounded up. */
static u64 expiry(const struct xtcp_delaywheel *wheel,
		  const struct xtcp_delay *delay)
{
	u64 last_ns = BIT_ULL(XTCP_WHEEL_TICK) - 1;
	u64 end_ns = min(delay->expires_ns, U64_MAX - last_ns) + last_ns;

	return max(end_ns >> XTCP_WHEEL_TICK, wheel->now);
}

/**
 * xtcp_delaywheel_add - a record begins to wait
 * @wheel: wheel
 * @delay: its place, linked to nothing, with its expiry set
 *
 * Return: when it is due, CLOCK_MONOTONIC
 */
u64 xtcp_delaywheel_add(struct xtcp_delaywheel *wheel, struct xtcp_delay *delay)
{
	u64 when = expiry(wheel, delay);
	u64 differs = when ^ wheel->now;
	unsigned int level = differs ? ilog2(differs) / XTCP_WHEEL_BITS : 0;
	unsigned int slot = digit(when, level);

	list_add_tail(&delay->link, &wheel->slot[level][slot]);
	wheel->used[level] |= BIT(slot);
	return when << XTCP_WHEEL_TICK;
}

/**
 * xtcp_delaywheel_del - a record waits no longer
 * @wheel: wheel
 * @delay: its place, in this wheel; linked to nothing afterwards
 *
 * A record may leave as it would leave a list. This also lets the wheel know
 * when it was the last of its slot, so that nobody looks there for it.
 */
void xtcp_delaywheel_del(struct xtcp_delaywheel *wheel,
			 struct xtcp_delay *delay)
{
	struct list_head *slot = delay->link.next;
	unsigned int i;

	if (delay->link.prev == slot) {
		i = slot - &wheel->slot[0][0];
		wheel->used[i / XTCP_WHEEL_SLOTS] &=
			~BIT(i % XTCP_WHEEL_SLOTS);
	}
	list_del_init(&delay->link);
}

/*
 * The first slot that may hold a record: all of a lower level come before all
 * of a higher, for these differ from the wheel's time in a higher digit.
 */
static bool first_slot(const struct xtcp_delaywheel *wheel,
		       unsigned int *level, u64 *begins)
{
	unsigned int shift;
	u64 above;

	for (*level = 0; *level < XTCP_WHEEL_LEVELS; (*level)++) {
		if (!wheel->used[*level])
			continue;
		shift = *level * XTCP_WHEEL_BITS;
		above = wheel->now >> (shift + XTCP_WHEEL_BITS);
		*begins = (above << XTCP_WHEEL_BITS |
			      __ffs(wheel->used[*level])) << shift;
		return true;
	}
	return false;
}

/* The wheel's time has come to a slot: its records go where they belong now. */
static void move_down(struct xtcp_delaywheel *wheel, struct list_head *slot)
{
	LIST_HEAD(records);
	struct xtcp_delay *delay, *next;

	list_splice_init(slot, &records);
	list_for_each_entry_safe(delay, next, &records, link) {
		list_del(&delay->link);
		xtcp_delaywheel_add(wheel, delay);
	}
}

/**
 * xtcp_delaywheel_pop - take a record out that is due
 * @wheel: wheel
 * @now_ns: CLOCK_MONOTONIC; U64_MAX empties the wheel, and it is not to be
 *	used again
 *
 * Return: its place, linked to nothing; NULL when none is due.
 */
struct xtcp_delay *xtcp_delaywheel_pop(struct xtcp_delaywheel *wheel,
				       u64 now_ns)
{
	u64 now = now_ns >> XTCP_WHEEL_TICK;
	struct xtcp_delay *delay;
	struct list_head *slot;
	unsigned int level;
	u64 begins;

	while (first_slot(wheel, &level, &begins) && begins <= now) {
		wheel->now = max(wheel->now, begins);
		slot = &wheel->slot[level][digit(begins, level)];
		if (level) {
			wheel->used[level] &= ~BIT(digit(begins, level));
			move_down(wheel, slot);
			continue;
		}
		delay = list_first_entry_or_null(slot, struct xtcp_delay, link);
		if (delay) {
			list_del_init(&delay->link);
			return delay;
		}
		wheel->used[0] &= ~BIT(digit(begins, 0));
	}
	if (now_ns != U64_MAX)
		wheel->now = max(wheel->now, now);
	return NULL;
}

/**
 * xtcp_delaywheel_next_ns - when to look again
 * @wheel: wheel
 *
 * Return: CLOCK_MONOTONIC, no later than the first record expires; U64_MAX:
 * none waits.
 */
u64 xtcp_delaywheel_next_ns(const struct xtcp_delaywheel *wheel)
{
	unsigned int level;
	u64 begins;

	if (!first_slot(wheel, &level, &begins))
		return U64_MAX;
	return begins << XTCP_WHEEL_TICK;
}
