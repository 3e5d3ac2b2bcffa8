// SPDX-License-Identifier: GPL-2.0
/*
 * delaywheel.c - timing wheel: a queue by expiry time
 *
 * For sockets and records whose delays differ, e.g. because they are computed from a round
 * trip time: a FIFO for each delay would have one record. This is a hierarchical
 * timing wheel (Varghese and Lauck, 1987). A time is written as a number to base
 * 16. An entry is on the level of the highest digit in which its expiry differs
 * from the wheel's time, in the slot of that digit. When the wheel's time reaches
 * a slot of a higher level, the slot's entries move down; on the lowest level they
 * expire.
 *
 * So an entry is moved once for each digit of its delay, however many others wait,
 * and it is as small as one in a FIFO: removing it is a list_del(). Times are
 * rounded up to ticks of 8.192 us: expiry is at most a tick late, never early.
 *
 * A slot may have a hundred thousand entries. They are moved MOVES_MAX at a time, so
 * that no other CPU waits long for the caller's lock. Entries that are due then are
 * late by the callers' pauses.
 *
 * Context: the caller's lock guards the wheel.
 */
#include "delaywheel.h"

#include <linux/bitops.h>
#include <linux/log2.h>

#include "delayline.h"

/* Entries that one call of xtcp_delaywheel_pop() moves; fuzz/delaywheel.c has fewer. */
#ifndef MOVES_MAX
#define MOVES_MAX	1024
#endif

/**
 * xtcp_delaywheel_init - initialise an empty wheel
 * @wheel: wheel
 * @now_ns: current time, CLOCK_MONOTONIC
 */
void xtcp_delaywheel_init(struct xtcp_delaywheel *wheel, u64 now_ns)
{
	unsigned int level, slot;

	wheel->now = now_ns >> XTCP_WHEEL_TICK;
	INIT_LIST_HEAD(&wheel->moving);
	for (level = 0; level < XTCP_WHEEL_LEVELS; level++) {
		wheel->used[level] = 0;
		for (slot = 0; slot < XTCP_WHEEL_SLOTS; slot++)
			INIT_LIST_HEAD(&wheel->slot[level][slot]);
	}
}

static unsigned int wheel_digit(u64 tick, unsigned int level)
{
	return (tick >> (level * XTCP_WHEEL_BITS)) & (XTCP_WHEEL_SLOTS - 1);
}

/* Expiry in ticks: not before the wheel's time; U64_MAX is not rounded up. */
static u64 wheel_expiry(const struct xtcp_delaywheel *wheel,
			const struct xtcp_delay *delay)
{
	u64 last_ns = BIT_ULL(XTCP_WHEEL_TICK) - 1;
	u64 end_ns = min(delay->expires_ns, U64_MAX - last_ns) + last_ns;

	return max(end_ns >> XTCP_WHEEL_TICK, wheel->now);
}

/**
 * xtcp_delaywheel_add - add an entry
 * @wheel: wheel
 * @delay: entry, not linked, with its expiry set
 *
 * Return: expiry rounded up to a tick, CLOCK_MONOTONIC in ns.
 */
u64 xtcp_delaywheel_add(struct xtcp_delaywheel *wheel, struct xtcp_delay *delay)
{
	u64 when = wheel_expiry(wheel, delay);
	u64 differs = when ^ wheel->now;
	unsigned int level = differs ? ilog2(differs) / XTCP_WHEEL_BITS : 0;
	unsigned int slot = wheel_digit(when, level);

	list_add_tail(&delay->link, &wheel->slot[level][slot]);
	wheel->used[level] |= BIT(slot);
	return when << XTCP_WHEEL_TICK;
}

/*
 * The entry's owner may look without the wheel's lock whether it is linked, and link it in
 * another CPU's wheel at once (timers.h). So the last store makes it look unlinked.
 */
static void wheel_unlink(struct xtcp_delay *delay)
{
	list_del_init_careful(&delay->link);
}

/**
 * xtcp_delaywheel_del - remove an entry
 * @wheel: wheel
 * @delay: entry of this wheel; not linked afterwards
 *
 * This also clears the slot's bit in @used if the entry was the last one, so that
 * xtcp_delaywheel_next_ns() does not return its time.
 */
void xtcp_delaywheel_del(struct xtcp_delaywheel *wheel,
			 struct xtcp_delay *delay)
{
	struct list_head *slot = delay->link.next;
	unsigned int i;

	if (delay->link.prev == slot && slot != &wheel->moving) {
		i = slot - &wheel->slot[0][0];
		wheel->used[i / XTCP_WHEEL_SLOTS] &=
			~BIT(i % XTCP_WHEEL_SLOTS);
	}
	wheel_unlink(delay);
}

/*
 * Find the first slot that may have an entry. All slots of a lower level come
 * before those of a higher one, which differ from the wheel's time in a higher
 * digit.
 */
static bool wheel_first_slot(const struct xtcp_delaywheel *wheel,
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

/* The wheel's time has reached a slot of a higher level: its entries are to move. */
static void wheel_empty_slot(struct xtcp_delaywheel *wheel, unsigned int level,
			     unsigned int slot)
{
	wheel->used[level] &= ~BIT(slot);
	list_splice_init(&wheel->slot[level][slot], &wheel->moving);
}

/* Move up to *@moves entries to lower levels. Returns true if none is left to move. */
static bool wheel_move_down(struct xtcp_delaywheel *wheel, unsigned int *moves)
{
	struct xtcp_delay *delay, *next;

	list_for_each_entry_safe(delay, next, &wheel->moving, link) {
		if (!*moves)
			return false;
		(*moves)--;
		list_del(&delay->link);
		xtcp_delaywheel_add(wheel, delay);
	}
	return true;
}

/* Remove an entry of the lowest level. Returns NULL if the slot has none any more. */
static struct xtcp_delay *wheel_take(struct xtcp_delaywheel *wheel,
				     unsigned int slot)
{
	struct xtcp_delay *delay;

	delay = list_first_entry_or_null(&wheel->slot[0][slot],
					 struct xtcp_delay, link);
	if (delay)
		wheel_unlink(delay);
	else
		wheel->used[0] &= ~BIT(slot);
	return delay;
}

/**
 * xtcp_delaywheel_pop - remove an expired entry
 * @wheel: wheel
 * @now_ns: current time, CLOCK_MONOTONIC; U64_MAX: remove any entry, the wheel
 *	must not be used for new ones afterwards
 *
 * Return: an entry, not linked any more; NULL if none has expired, or if many are
 * to be moved: then xtcp_delaywheel_next_ns() is not after @now_ns, and the caller
 * calls again after it has released its lock.
 */
struct xtcp_delay *xtcp_delaywheel_pop(struct xtcp_delaywheel *wheel,
				       u64 now_ns)
{
	unsigned int moves = MOVES_MAX;
	u64 now = now_ns >> XTCP_WHEEL_TICK;
	struct xtcp_delay *delay;
	unsigned int level;
	u64 begins;

	for (;;) {
		if (!wheel_move_down(wheel, &moves))
			return NULL;
		if (!wheel_first_slot(wheel, &level, &begins) || begins > now)
			break;
		wheel->now = max(wheel->now, begins);
		if (level) {
			wheel_empty_slot(wheel, level, wheel_digit(begins, level));
			continue;
		}
		delay = wheel_take(wheel, wheel_digit(begins, 0));
		if (delay)
			return delay;
	}
	if (now_ns != U64_MAX)
		wheel->now = max(wheel->now, now);
	return NULL;
}

/**
 * xtcp_delaywheel_next_ns - time of the first expiry, or earlier
 * @wheel: wheel
 *
 * Return: CLOCK_MONOTONIC in ns; U64_MAX: the wheel is empty.
 */
u64 xtcp_delaywheel_next_ns(const struct xtcp_delaywheel *wheel)
{
	unsigned int level;
	u64 begins;

	if (!list_empty(&wheel->moving))
		return wheel->now << XTCP_WHEEL_TICK;
	if (!wheel_first_slot(wheel, &level, &begins))
		return U64_MAX;
	return begins << XTCP_WHEEL_TICK;
}
