// SPDX-License-Identifier: GPL-2.0
/*
 * delayline.c - delay lines: a FIFO for each delay, not a timer for each record
 *
 * A delay line is a FIFO of records with the same delay, with one hrtimer. The
 * clock is read and the record appended under the set's lock, so the FIFO is in
 * order of expiry. Removing a record never changes the timer: it fires early once,
 * no record has expired, and it is set to the new head.
 *
 * A record with a delay of its own, computed from a round trip time or set by a
 * program, gets no line, because there may be any number of such delays. These
 * records share a timing wheel (delaywheel.c) with an hrtimer, and are removed in
 * the same way. A set has at most eight lines. An empty line may be used for
 * another delay; a ninth delay in use waits in the wheel. So a knob that is
 * changed again and again costs no memory.
 *
 * xtcp_delay_del() and the timer both unlink a record under the lock, so exactly
 * one of them gets the record and the line's reference.
 *
 * Context: the timers run in softirq (HRTIMER_MODE_ABS_SOFT), where a segment
 * may be sent. @lock is innermost; @expire runs without it.
 */
#include "delayline.h"

#include <linux/slab.h>

#include "clock.h"
#include "compat.h"

/*
 * Records handled in one run of a timer, and the pause before the next run. So
 * other softirqs can run, and 1,000 records in a millisecond suffice for any
 * flood. There is a pause after a short run, too: records of a flood, microseconds
 * apart, share an interrupt, which costs as much as a SYN-ACK. A single record is
 * never late.
 */
#define EXPIRE_BATCH	256
#define EXPIRE_PAUSE_NS	(256 * NSEC_PER_USEC)

/*
 * Lines of a set. A listener needs one for each delay between its SYN-ACKs, a
 * namespace one for each of its two knobs and for their previous values.
 */
#define LINES_MAX	8

/**
 * xtcp_delayset_init - initialise an empty set of delay lines
 * @set: set
 * @expire: called for each expired record; see struct xtcp_delayset
 */
void xtcp_delayset_init(struct xtcp_delayset *set,
			void (*expire)(struct xtcp_delayset *set,
				       struct xtcp_delay *delay))
{
	spin_lock_init(&set->lock);
	set->lines = NULL;
	set->nr_lines = 0;
	set->queue = NULL;
	set->expire = expire;
	set->dead = false;
}

/**
 * xtcp_delay_init - initialise a record's entry
 * @delay: entry; not waiting afterwards
 */
void xtcp_delay_init(struct xtcp_delay *delay)
{
	INIT_LIST_HEAD(&delay->link);
	delay->expires_ns = 0;
}

static struct xtcp_delay *line_head(struct xtcp_delayline *line)
{
	return list_first_entry_or_null(&line->fifo, struct xtcp_delay, link);
}

static void line_start(struct xtcp_delayline *line, u64 expires_ns)
{
	line->armed = true;
	hrtimer_start(&line->timer, ns_to_ktime(expires_ns),
		      HRTIMER_MODE_ABS_SOFT);
}

/* Unlink the head if it has expired. */
static struct xtcp_delay *line_pop(struct xtcp_delayline *line, u64 now)
{
	struct xtcp_delayset *set = line->set;
	struct xtcp_delay *head;

	spin_lock_bh(&set->lock);
	head = line_head(line);
	if (head && head->expires_ns <= now)
		list_del_init(&head->link);
	else
		head = NULL;
	spin_unlock_bh(&set->lock);
	return head;
}

static void line_restart(struct xtcp_delayline *line, u64 earliest_ns)
{
	struct xtcp_delayset *set = line->set;
	struct xtcp_delay *head;

	spin_lock_bh(&set->lock);
	line->armed = false;
	head = line_head(line);
	if (head && !set->dead)
		line_start(line, max(head->expires_ns, earliest_ns));
	spin_unlock_bh(&set->lock);
}

static enum hrtimer_restart line_timer(struct hrtimer *timer)
{
	struct xtcp_delayline *line =
		container_of(timer, struct xtcp_delayline, timer);
	struct xtcp_delay *delay;
	u64 now = xtcp_now_ns();
	unsigned int n = 0;

	while (n < EXPIRE_BATCH && (delay = line_pop(line, now))) {
		line->set->expire(line->set, delay);
		n++;
	}
	line_restart(line, n ? now + EXPIRE_PAUSE_NS : 0);
	return HRTIMER_NORESTART;
}

/*
 * True if no record waits in a line. Its timer may still be set, up to an hour
 * ahead, for a record that has left; a timer that is running sees the line itself.
 */
static bool line_is_idle(struct xtcp_delayline *line)
{
	if (!list_empty(&line->fifo))
		return false;
	if (line->armed && hrtimer_try_to_cancel(&line->timer) > 0)
		line->armed = false;
	return !line->armed;
}

/* Find a line without records, and cancel its timer. */
static struct xtcp_delayline *line_idle(struct xtcp_delayset *set)
{
	struct xtcp_delayline *line;

	for (line = set->lines; line; line = line->next)
		if (line_is_idle(line))
			return line;
	return NULL;
}

static struct xtcp_delayline *line_new(struct xtcp_delayset *set)
{
	struct xtcp_delayline *line;

	if (set->nr_lines >= LINES_MAX)
		return NULL;
	line = kmalloc(sizeof(*line), GFP_ATOMIC | __GFP_NOWARN);
	if (!line)
		return NULL;
	line->set = set;
	line->armed = false;
	INIT_LIST_HEAD(&line->fifo);
	hrtimer_setup(&line->timer, line_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_SOFT);
	line->next = set->lines;
	set->lines = line;
	set->nr_lines++;
	return line;
}

/* Find or create the line of a delay; NULL: all are in use, or memory is short. */
static struct xtcp_delayline *line_find(struct xtcp_delayset *set,
					u32 delay_ms)
{
	struct xtcp_delayline *line;

	lockdep_assert_held(&set->lock);
	for (line = set->lines; line; line = line->next)
		if (line->delay_ms == delay_ms)
			return line;
	line = line_idle(set) ?: line_new(set);
	if (line)
		line->delay_ms = delay_ms;
	return line;
}

static struct xtcp_delay *queue_pop(struct xtcp_delayqueue *queue, u64 now)
{
	struct xtcp_delayset *set = queue->set;
	struct xtcp_delay *first;

	spin_lock_bh(&set->lock);
	first = xtcp_delaywheel_pop(&queue->wheel, now);
	spin_unlock_bh(&set->lock);
	return first;
}

/*
 * Remove any record: *@first. NULL: so far, some were moved within the wheel. False: none is
 * left.
 */
static bool queue_drain(struct xtcp_delayqueue *queue, struct xtcp_delay **first)
{
	struct xtcp_delayset *set = queue->set;
	bool any;

	spin_lock_bh(&set->lock);
	*first = xtcp_delaywheel_pop(&queue->wheel, U64_MAX);
	any = *first || xtcp_delaywheel_next_ns(&queue->wheel) != U64_MAX;
	spin_unlock_bh(&set->lock);
	return any;
}

/* Set the timer so that it fires when the first record expires, or before. */
static void queue_arm(struct xtcp_delayqueue *queue, u64 earliest_ns)
{
	u64 next_ns = xtcp_delaywheel_next_ns(&queue->wheel);

	lockdep_assert_held(&queue->set->lock);
	if (next_ns >= queue->armed_ns)
		return;
	queue->armed_ns = max(next_ns, earliest_ns);
	hrtimer_start(&queue->timer, ns_to_ktime(queue->armed_ns),
		      HRTIMER_MODE_ABS_SOFT);
}

static enum hrtimer_restart queue_timer(struct hrtimer *timer)
{
	struct xtcp_delayqueue *queue =
		container_of(timer, struct xtcp_delayqueue, timer);
	struct xtcp_delayset *set = queue->set;
	struct xtcp_delay *delay;
	u64 now = xtcp_now_ns();
	unsigned int n = 0;
	bool pause;

	while (n < EXPIRE_BATCH && (delay = queue_pop(queue, now))) {
		set->expire(set, delay);
		n++;
	}
	spin_lock_bh(&set->lock);
	queue->armed_ns = U64_MAX;
	/* Due already: entries are left to expire or to be moved. */
	pause = n == EXPIRE_BATCH ||
		xtcp_delaywheel_next_ns(&queue->wheel) <= now;
	if (!set->dead)
		queue_arm(queue, pause ? xtcp_now_ns() + EXPIRE_PAUSE_NS : 0);
	spin_unlock_bh(&set->lock);
	return HRTIMER_NORESTART;
}

static struct xtcp_delayqueue *queue_find(struct xtcp_delayset *set)
{
	struct xtcp_delayqueue *queue = set->queue;

	lockdep_assert_held(&set->lock);
	if (queue)
		return queue;
	queue = kmalloc(sizeof(*queue), GFP_ATOMIC | __GFP_NOWARN);
	if (!queue)
		return NULL;
	queue->set = set;
	queue->armed_ns = U64_MAX;
	xtcp_delaywheel_init(&queue->wheel, xtcp_now_ns());
	hrtimer_setup(&queue->timer, queue_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_SOFT);
	set->queue = queue;
	return queue;
}

static bool queue_add(struct xtcp_delayset *set, struct xtcp_delay *delay)
{
	struct xtcp_delayqueue *queue = queue_find(set);

	if (!queue)
		return false;
	xtcp_delaywheel_add(&queue->wheel, delay);
	queue_arm(queue, 0);
	return true;
}

static bool line_add(struct xtcp_delayset *set, struct xtcp_delay *delay,
		     u32 delay_ms)
{
	struct xtcp_delayline *line = line_find(set, delay_ms);

	if (!line)
		return false;
	/* An armed timer may be set for a removed record: it is early then. */
	if (!line->armed)
		line_start(line, delay->expires_ns);
	list_add_tail(&delay->link, &line->fifo);
	return true;
}

/**
 * xtcp_delay_add - add a record with one of a few delays
 * @set: its owner's set
 * @delay: entry, in no line; the caller's reference to the record passes to the
 *	set
 * @delay_ms: delay from now. For a delay of its own, a record should use
 *	xtcp_delay_add_until()
 *
 * Context: any.
 * Return: true; false if the set is closed or memory is short: the caller keeps
 * the reference.
 */
bool xtcp_delay_add(struct xtcp_delayset *set, struct xtcp_delay *delay,
		    u32 delay_ms)
{
	bool waits = false;

	spin_lock_bh(&set->lock);
	if (!set->dead) {
		WRITE_ONCE(delay->expires_ns, xtcp_now_ns() +
			   (u64)delay_ms * NSEC_PER_MSEC);
		waits = line_add(set, delay, delay_ms) ||
			queue_add(set, delay);
	}
	spin_unlock_bh(&set->lock);
	return waits;
}

/**
 * xtcp_delay_add_until - add a record with an expiry of its own
 * @set: its owner's set
 * @delay: entry, in no line; the caller's reference to the record passes to the
 *	set
 * @expires_ns: expiry, CLOCK_MONOTONIC; may be past
 *
 * For computed delays, delays set by a program, and the rest of a delay in another
 * set.
 *
 * Context: any.
 * Return: as xtcp_delay_add().
 */
bool xtcp_delay_add_until(struct xtcp_delayset *set, struct xtcp_delay *delay,
			  u64 expires_ns)
{
	bool waits = false;

	spin_lock_bh(&set->lock);
	if (!set->dead) {
		WRITE_ONCE(delay->expires_ns, expires_ns);
		waits = queue_add(set, delay);
	}
	spin_unlock_bh(&set->lock);
	return waits;
}

/**
 * xtcp_delay_del - remove a record
 * @set: its owner's set
 * @delay: entry
 *
 * Context: any.
 * Return: true if it was linked: the caller gets the line's reference. False if it
 * was not waiting, or a timer is just handling it.
 */
bool xtcp_delay_del(struct xtcp_delayset *set, struct xtcp_delay *delay)
{
	bool waiting;

	spin_lock_bh(&set->lock);
	waiting = !list_empty(&delay->link);
	list_del_init(&delay->link);
	spin_unlock_bh(&set->lock);
	return waiting;
}

/**
 * xtcp_delay_is_waiting - is a record in a line or wheel
 * @set: its owner's set
 * @delay: entry
 *
 * Context: any.
 * Return: true if it is; false also if a timer is just handling it.
 */
bool xtcp_delay_is_waiting(struct xtcp_delayset *set, struct xtcp_delay *delay)
{
	bool waiting;

	spin_lock_bh(&set->lock);
	waiting = !list_empty(&delay->link);
	spin_unlock_bh(&set->lock);
	return waiting;
}

/**
 * xtcp_delayset_close - remove all records, and accept no more
 * @set: set; its timers have stopped on return
 * @left: called without the lock for each record that was waiting; it gets the
 *	line's reference
 *
 * Context: process; may wait for a running timer.
 */
void xtcp_delayset_close(struct xtcp_delayset *set,
			 void (*left)(struct xtcp_delayset *set,
				      struct xtcp_delay *delay))
{
	struct xtcp_delayline *line, *next;
	struct xtcp_delayqueue *queue;
	struct xtcp_delay *delay;

	spin_lock_bh(&set->lock);
	WRITE_ONCE(set->dead, true);
	line = set->lines;
	set->lines = NULL;
	queue = set->queue;
	set->queue = NULL;
	spin_unlock_bh(&set->lock);

	for (; line; line = next) {
		next = line->next;
		hrtimer_cancel(&line->timer);
		while ((delay = line_pop(line, U64_MAX))) {
			left(set, delay);
			cond_resched();
		}
		kfree(line);
	}
	if (!queue)
		return;
	hrtimer_cancel(&queue->timer);
	while (queue_drain(queue, &delay)) {
		if (delay)
			left(set, delay);
		cond_resched();
	}
	kfree(queue);
}
