/* SPDX-License-Identifier: GPL-2.0 */
/*
 * delayline.h - delay lines: a FIFO for each delay, not a timer for each record
 *
 * Records with the same delay expire in the order in which they were added. So
 * one FIFO with one hrtimer serves any number of them: O(1) to add, remove and
 * expire, 24 bytes in the record.
 *
 * Each delay set by a knob or an RFC has a delay line. Records with a delay of
 * their own share one timing wheel.
 */
#ifndef XTCP_DELAYLINE_H
#define XTCP_DELAYLINE_H

#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "delaywheel.h"

/**
 * struct xtcp_delay - entry in a delay line or timing wheel
 * @link: in the line's FIFO or in a slot of the wheel; empty: not waiting
 * @rcu: for the owner, to free a record without references
 * @expires_ns: expiry, CLOCK_MONOTONIC
 */
struct xtcp_delay {
	union {
		struct list_head	link;
		struct rcu_head		rcu;
	};
	u64				expires_ns;
};

struct xtcp_delayset;

/**
 * struct xtcp_delayline - all records with the same delay
 * @set: set that the line belongs to
 * @next: next line of the set
 * @delay_ms: the delay
 * @fifo: of struct xtcp_delay, earliest expiry first
 * @timer: expires with the head of @fifo or before
 * @armed: @timer is set, or runs and will check @fifo once more
 */
struct xtcp_delayline {
	struct xtcp_delayset	*set;
	struct xtcp_delayline	*next;
	u32			delay_ms;
	struct list_head	fifo;
	struct hrtimer		timer;
	bool			armed;
};

/**
 * struct xtcp_delayqueue - records with delays of their own
 * @set: set that the queue belongs to
 * @wheel: of struct xtcp_delay
 * @timer: expires with the first record or before
 * @armed_ns: expiry of @timer; U64_MAX: not set
 */
struct xtcp_delayqueue {
	struct xtcp_delayset	*set;
	struct xtcp_delaywheel	wheel;
	struct hrtimer		timer;
	u64			armed_ns;
};

/**
 * struct xtcp_delayset - the delay lines of a listener or namespace
 * @lock: guards all lines; innermost, softirq-safe
 * @dead: no more records may be added
 * @nr_lines: number of @lines
 * @lines: a line for each delay in use, freed with the set
 * @queue: for records with delays of their own; allocated for the first of
 *	them, freed with the set
 * @expire: called without @lock, in softirq, for each expired record, which is
 *	in no line any more; it gets the line's reference
 */
struct xtcp_delayset {
	spinlock_t		lock;	/* innermost */
	bool			dead;
	u8			nr_lines;
	struct xtcp_delayline	*lines;
	struct xtcp_delayqueue	*queue;
	void			(*expire)(struct xtcp_delayset *set,
					  struct xtcp_delay *delay);
};

void xtcp_delayset_init(struct xtcp_delayset *set,
			void (*expire)(struct xtcp_delayset *set,
				       struct xtcp_delay *delay));
void xtcp_delayset_close(struct xtcp_delayset *set,
			 void (*left)(struct xtcp_delayset *set,
				      struct xtcp_delay *delay));

void xtcp_delay_init(struct xtcp_delay *delay);
bool xtcp_delay_add(struct xtcp_delayset *set, struct xtcp_delay *delay,
		    u32 delay_ms);
bool xtcp_delay_add_until(struct xtcp_delayset *set, struct xtcp_delay *delay,
			  u64 expires_ns);
bool xtcp_delay_is_waiting(struct xtcp_delayset *set,
			   struct xtcp_delay *delay);
bool xtcp_delay_del(struct xtcp_delayset *set, struct xtcp_delay *delay);

#endif /* XTCP_DELAYLINE_H */
