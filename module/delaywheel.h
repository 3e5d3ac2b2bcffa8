/* SPDX-License-Identifier: GPL-2.0 */
/*
 * delaywheel.h - timing wheel: a queue by expiry time
 */
#ifndef XTCP_DELAYWHEEL_H
#define XTCP_DELAYWHEEL_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/math.h>
#include <linux/types.h>

struct xtcp_delay;

#define XTCP_WHEEL_BITS		4	/* bits of the time for each level */
#define XTCP_WHEEL_SLOTS	BIT(XTCP_WHEEL_BITS)
#define XTCP_WHEEL_TICK		13	/* log2 of a tick in ns: 8.192 us */

/*
 * One level for each digit of a time in ticks, so that there is a level for any
 * expiry: a knob allows 68 years, in addition to the uptime.
 */
#define XTCP_WHEEL_LEVELS \
	DIV_ROUND_UP(64 - XTCP_WHEEL_TICK, XTCP_WHEEL_BITS)

/**
 * struct xtcp_delaywheel - a timing wheel
 * @now: tick of CLOCK_MONOTONIC up to which the wheel has advanced
 * @used: by level, a bit for each slot that may have an entry
 * @slot: entries, by level and by that level's digit of the expiry
 * @moving: entries of a slot that @now has reached, until they are moved down
 */
struct xtcp_delaywheel {
	u64			now;
	u16			used[XTCP_WHEEL_LEVELS];
	struct list_head	slot[XTCP_WHEEL_LEVELS][XTCP_WHEEL_SLOTS];
	struct list_head	moving;
};

static_assert(sizeof_field(struct xtcp_delaywheel, used[0]) * 8 ==
	      XTCP_WHEEL_SLOTS);
static_assert(XTCP_WHEEL_TICK + XTCP_WHEEL_LEVELS * XTCP_WHEEL_BITS >= 64);

void xtcp_delaywheel_init(struct xtcp_delaywheel *wheel, u64 now_ns);
u64 xtcp_delaywheel_add(struct xtcp_delaywheel *wheel,
			struct xtcp_delay *delay);
void xtcp_delaywheel_del(struct xtcp_delaywheel *wheel,
			 struct xtcp_delay *delay);
struct xtcp_delay *xtcp_delaywheel_pop(struct xtcp_delaywheel *wheel,
				       u64 now_ns);
u64 xtcp_delaywheel_next_ns(const struct xtcp_delaywheel *wheel);

#endif /* XTCP_DELAYWHEEL_H */
