// SPDX-License-Identifier: GPL-2.0
/*
 * delayline.c - a FIFO for each delay instead of a timer for each record
 *
 * A line is a FIFO of records that all wait the same time, with one hrtimer.
 * Under the set's lock the clock is read and the record appended, so the
 * FIFO is in order of expiry and only its head matters. Taking a record out
 * never touches the timer: it fires early once, finds nothing due and is set
 * to the new head.
 *
 * A delay of a record's own, computed from a round trip time or set by a
 * program, gets no line, for there may be as many of them as somebody likes:
 * such records wait in a wheel (delaywheel.c), with one hrtimer of their own.
 * They leave it in the same way. A set has eight lines at most. A line that is
 * empty takes another delay; a ninth delay in use waits in the wheel. So a knob
 * that is changed again and again costs no memory.
 *
 * Who may end a record's wait: xtcp_delay_del() and the timer both unlink it
 * under the lock, so exactly one of them gets it, and the reference that the
 * line held along with it.
 *
 * Context: the timers run in softirq (HRTIMER_MODE_ABS_SOFT), where a segment
 * may be sent. @lock is innermost; @expire runs without it.
 */
#include "delayline.h"

#include <linux/slab.h>

#include "compat.h"

/*
 * Records handled in one run of a timer, and the pause before the next run.
 * Other softirqs get their turn, and 1,000 records/ms still beat any flood.
 * The pause is kept after a short run as well: records that a flood has left
 * microseconds apart share an interrupt, which costs as much as a SYN-ACK,
 * and one that is alone is never late.
 */
#define EXPIRE_BATCH	256
#define EXPIRE_PAUSE_NS	(256 * NSEC_PER_USEC)

/*
 * Lines of a set. A listener needs one for each delay between its SYN-ACKs, a
 * namespace one for each of its two knobs, and for what these were before.
 */
#define LINES_MAX	8

/**
 * xtcp_delayset_init - an owner's empty set of lines
 * @set: to be set up
 * @expire: called for each record that was due; see struct xtcp_delayset
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
 * xtcp_delay_init - a record that waits for nothing
 * @delay: its place
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

/* Take the head off if it is due. */
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
	u64 now = ktime_get_ns();
	unsigned int n = 0;

	while (n < EXPIRE_BATCH && (delay = line_pop(line, now))) {
		line->set->expire(line->set, delay);
		n++;
	}
	line_restart(line, n ? now + EXPIRE_PAUSE_NS : 0);
	return HRTIMER_NORESTART;
}

/* A line that no record waits in, and whose timer does not look at it again. */
static struct xtcp_delayline *line_idle(struct xtcp_delayset *set)
{
	struct xtcp_delayline *line;

	for (line = set->lines; line; line = line->next)
		if (!line->armed && list_empty(&line->fifo))
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

/* The line of a delay, or one that gets it; NULL: all are in use. */
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

/* The timer runs no later than the first of them expires. */
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
	u64 now = ktime_get_ns();
	unsigned int n = 0;

	while (n < EXPIRE_BATCH && (delay = queue_pop(queue, now))) {
		set->expire(set, delay);
		n++;
	}
	spin_lock_bh(&set->lock);
	queue->armed_ns = U64_MAX;
	if (!set->dead)
		queue_arm(queue, n < EXPIRE_BATCH ? 0 : now + EXPIRE_PAUSE_NS);
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
	xtcp_delaywheel_init(&queue->wheel, ktime_get_ns());
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
	/* It may be set for a record that has left: then it is early, once. */
	if (!line->armed)
		line_start(line, delay->expires_ns);
	list_add_tail(&delay->link, &line->fifo);
	return true;
}

/**
 * xtcp_delay_add - let a record wait as many do
 * @set: its owner's set
 * @delay: in no line; the caller's reference to the record passes to the line
 * @delay_ms: how long, from now; one of few: where many differ, some wait in
 *	the wheel
 *
 * Context: any.
 * Return: false when the set is closed or memory is short: the reference is
 * still the caller's.
 */
bool xtcp_delay_add(struct xtcp_delayset *set, struct xtcp_delay *delay,
		    u32 delay_ms)
{
	bool waits = false;

	spin_lock_bh(&set->lock);
	if (!set->dead) {
		WRITE_ONCE(delay->expires_ns, ktime_get_ns() +
			   (u64)delay_ms * NSEC_PER_MSEC);
		waits = line_add(set, delay, delay_ms) ||
			queue_add(set, delay);
	}
	spin_unlock_bh(&set->lock);
	return waits;
}

/**
 * xtcp_delay_add_until - let a record wait as no other does
 * @set: its owner's set
 * @delay: in no line; the caller's reference to the record passes to the set
 * @expires_ns: when its wait is over, CLOCK_MONOTONIC; may be past
 *
 * For what was computed for it, what its socket's program has set, and what is
 * left of its wait in another set.
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
 * xtcp_delay_del - end a record's wait
 * @set: its owner's set
 * @delay: its place
 *
 * Context: any.
 * Return: true when it was waiting: the line's reference is the caller's now.
 * False when it waited for nothing, or is in the hands of a timer.
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
 * xtcp_delay_is_waiting - is a record in a line
 * @set: its owner's set
 * @delay: its place
 *
 * Context: any.
 * Return: false also when it is in the hands of a timer just now.
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
 * xtcp_delayset_is_closed - has the set's owner ended all waiting
 * @set: its owner's set
 *
 * Context: any.
 */
bool xtcp_delayset_is_closed(const struct xtcp_delayset *set)
{
	return READ_ONCE(set->dead);
}

/**
 * xtcp_delayset_close - end all waiting
 * @set: takes no more records; its timers have stopped on return
 * @left: called without the lock for each record that was still waiting; the
 *	line's reference passes to it
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
	while ((delay = queue_pop(queue, U64_MAX))) {
		left(set, delay);
		cond_resched();
	}
	kfree(queue);
}
