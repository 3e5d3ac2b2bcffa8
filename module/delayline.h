/* SPDX-License-Identifier: GPL-2.0 */
/*
 * delayline.h - a FIFO for each delay instead of a timer for each record
 *
 * Records that wait the same delay expire in the order in which they came.
 * So one FIFO with one hrtimer at its head serves any number of them: O(1) to
 * arm, cancel and expire, 24 bytes in the record.
 *
 * What knobs and RFCs set is the same for all, and each such delay has its
 * line. What is a record's own waits in one wheel.
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
 * struct xtcp_delay - a record's place in a line
 * @link: in the line's FIFO or a slot of the wheel; empty while the record waits for nothing
 * @rcu: for the owner, to free the record with once nobody refers to it
 * @expires_ns: CLOCK_MONOTONIC
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
 * struct xtcp_delayline - those that wait one delay
 * @set: the set it belongs to
 * @next: next line of the set
 * @delay_ms: the delay
 * @fifo: of struct xtcp_delay, soonest first
 * @timer: due at the head of @fifo, or earlier
 * @armed: @timer is set, or runs and will look at @fifo once more
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
 * struct xtcp_delayqueue - those whose delay no other has
 * @set: the set it belongs to
 * @wheel: of struct xtcp_delay
 * @timer: due when the first of them expires, or earlier
 * @armed_ns: when that is; U64_MAX: it does not run
 */
struct xtcp_delayqueue {
	struct xtcp_delayset	*set;
	struct xtcp_delaywheel	wheel;
	struct hrtimer		timer;
	u64			armed_ns;
};

/**
 * struct xtcp_delayset - the lines of one owner (a listener, a netns)
 * @lock: guards all lines; innermost, softirq-safe
 * @lines: a line for each delay in use, freed with the set
 * @nr_lines: how many there are
 * @queue: for delays of a record's own; made when the first comes, freed with
 *	the set
 * @expire: called without @lock, in softirq, for each record that was due
 *	and that has left its line; the line's reference passes to it
 * @dead: no more records are taken
 */
struct xtcp_delayset {
	spinlock_t		lock;	/* innermost */
	struct xtcp_delayline	*lines;
	struct xtcp_delayqueue	*queue;
	void			(*expire)(struct xtcp_delayset *set,
					  struct xtcp_delay *delay);
	bool			dead;
	u8			nr_lines;
};

void xtcp_delayset_init(struct xtcp_delayset *set,
			void (*expire)(struct xtcp_delayset *set,
				       struct xtcp_delay *delay));
bool xtcp_delayset_is_closed(const struct xtcp_delayset *set);
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
