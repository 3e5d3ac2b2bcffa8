// SPDX-License-Identifier: GPL-2.0
/*
 * timers.c - the deadlines of sockets
 *
 * A connection has deadlines (enum xtcp_timer), not timers: setting one writes a
 * number. The socket has one entry in a timing wheel (delaywheel.c), which
 * expires at the earliest deadline or before. The entry is not changed when a
 * deadline moves later or is cleared, as each ACK does with the retransmission
 * timeout: it then expires too early once, no deadline has passed, and it is set
 * to the next one. Only the entry of a client's SYN is removed when the connection
 * is open, because it may be idle from then on.
 *
 * Each CPU has a wheel with one hrtimer; a socket's entry is in the wheel of the
 * CPU that set its deadline. So a short connection, which ends before any of its
 * deadlines, seldom programs a timer: only if the hrtimer is not set for an earlier
 * expiry.
 *
 * A wheel entry holds a reference to its socket. It is changed under the wheel's lock
 * only; the socket lock's holder may read it without (timers.h). The CPU that unlinks
 * it gets the reference: timer_cancel(), or the hrtimer, which drops it after the
 * deadlines have been handled. An entry that is already linked is moved and keeps the
 * reference. Deadlines are guarded by the
 * socket lock; if the socket has an owner, an expiry becomes deferred work
 * (XTCP_DEFER_TIMERS), which release_sock() does.
 *
 * deadlines.h decides which event sets or clears which deadline; timeouts.c has the
 * handlers.
 *
 * Context: softirq (HRTIMER_MODE_ABS_PINNED_SOFT).
 */
#include "timers.h"

#include <linux/hrtimer.h>
#include <linux/percpu.h>
#include <linux/smp.h>

#include "clock.h"
#include "compat.h"
#include "lockname.h"
#include "observe/memory.h"
#include "observe/stats.h"

/*
 * Expiries in one run of the hrtimer, and the pause before the next run if some are due
 * already, so that other softirqs can run.
 */
#define EXPIRIES_MAX	256
#define PAUSE_NS	(256 * NSEC_PER_USEC)

/*
 * The entries that wait when a run ends get their next run after this time at the earliest, so that
 * several share an interrupt. Otherwise a server of many active connections would have one for each
 * entry. An entry that is set later may bring the run forward.
 */
#define REST_NS		(100 * NSEC_PER_USEC)

/**
 * struct timer_base - the timing wheel of a CPU's sockets
 * @lock: guards all fields and the entries in @wheel; taken under the socket
 *	lock; innermost
 * @wheel: holds struct xtcp_sock::wheel_entry
 * @timer: expires with the first entry or before
 * @armed_ns: expiry of @timer, CLOCK_MONOTONIC; in the past while it runs;
 *	U64_MAX: not set
 */
struct timer_base {
	spinlock_t		lock;	/* see above */
	struct xtcp_delaywheel	wheel;
	struct hrtimer		timer;
	u64			armed_ns;
};

static struct timer_base __percpu *bases __ro_after_init;

static u64 earliest_deadline(const struct xtcp_sock *xs)
{
	u64 earliest = U64_MAX;
	int i;

	for (i = 0; i < XTCP_TIMERS; i++)
		if (xs->deadline_ns[i])
			earliest = min(earliest, xs->deadline_ns[i]);
	return earliest;
}

/* Unlink a wheel entry. Returns true if it was linked: the caller gets its reference. */
static bool timers_unlink(struct timer_base *base, struct xtcp_sock *xs)
{
	lockdep_assert_held(&base->lock);
	if (list_empty(&xs->wheel_entry.link))
		return false;
	xtcp_delaywheel_del(&base->wheel, &xs->wheel_entry);
	return true;
}

static bool timer_cancel(struct xtcp_sock *xs)
{
	struct timer_base *base;
	bool stood;

	if (!xtcp_timers_entry_is_set(xs))
		return false;
	base = per_cpu_ptr(bases, xs->wheel_cpu);
	spin_lock_bh(&base->lock);
	stood = timers_unlink(base, xs);
	spin_unlock_bh(&base->lock);
	return stood;
}

static void base_start(struct timer_base *base, u64 due_ns)
{
	if (due_ns >= base->armed_ns)
		return;
	base->armed_ns = due_ns;
	hrtimer_start(&base->timer, ns_to_ktime(due_ns),
		      HRTIMER_MODE_ABS_PINNED_SOFT);
}

/**
 * xtcp_timers_arm - set the expiry of the socket's wheel entry
 * @sk: locked
 * @deadline_ns: CLOCK_MONOTONIC
 */
void xtcp_timers_arm(struct sock *sk, u64 deadline_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct timer_base *base;
	bool held = false;

	xtcp_assert_owned(sk);
	local_bh_disable();
	if (xs->wheel_cpu != smp_processor_id())
		held = timer_cancel(xs);
	xs->wheel_cpu = smp_processor_id();
	base = this_cpu_ptr(bases);
	spin_lock(&base->lock);
	held = timers_unlink(base, xs) || held;
	xs->wheel_entry.expires_ns = deadline_ns;
	if (!held)
		sock_hold(sk);
	base_start(base, xtcp_delaywheel_add(&base->wheel, &xs->wheel_entry));
	spin_unlock(&base->lock);
	local_bh_enable();
}

/**
 * xtcp_timers_run - call the handlers of all deadlines that have passed
 * @sk: locked and without an owner, or in release_sock(); the caller holds a
 *	reference, because the connection may end here
 */
void xtcp_timers_run(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 earliest, now = xtcp_now_ns();
	int i;

	xtcp_assert_owned(sk);
	for (i = 0; i < XTCP_TIMERS; i++) {
		if (!xs->deadline_ns[i] || xs->deadline_ns[i] > now)
			continue;
		WRITE_ONCE(xs->deadline_ns[i], 0);
		xtcp_timer_handlers[i](sk);
	}
	if (sk->sk_state == XTCP_CLOSED)
		return;
	xtcp_memory_reclaim(sk);	/* memory that transfer/memory.h has kept */
	earliest = earliest_deadline(xs);
	if (earliest != U64_MAX && !xtcp_timers_cover(xs, earliest))
		xtcp_timers_arm(sk, earliest);
}

/* The socket has an owner: defer the work. A delayed ACK will be late: count it. */
static void timer_deferred(struct xtcp_sock *xs)
{
	u64 due_ns = READ_ONCE(xs->deadline_ns[XTCP_TIMER_DELAYED_ACK]);

	if (due_ns && due_ns <= xtcp_now_ns())
		XTCP_INC(sock_net(xtcp_to_sk(xs)), DELAYED_ACK_LOCKED);
	set_bit(XTCP_DEFER_TIMERS, &xs->deferred);
}

/* A wheel entry has expired. Drops the entry's reference. */
static void timers_expire(struct sock *sk)
{
	bh_lock_sock(sk);
	if (!sock_owned_by_user(sk))
		xtcp_timers_run(sk);
	else
		timer_deferred(xtcp_sk(sk));
	bh_unlock_sock(sk);
	sock_put(sk);
}

static struct sock *base_pop(struct timer_base *base, u64 now)
{
	struct xtcp_delay *entry;

	spin_lock(&base->lock);
	entry = xtcp_delaywheel_pop(&base->wheel, now);
	spin_unlock(&base->lock);
	if (!entry)
		return NULL;
	return xtcp_to_sk(container_of(entry, struct xtcp_sock, wheel_entry));
}

static enum hrtimer_restart base_fired(struct hrtimer *timer)
{
	struct timer_base *base = container_of(timer, struct timer_base, timer);
	u64 next, now = xtcp_now_ns();
	unsigned int n = 0;
	struct sock *sk;

	while (n < EXPIRIES_MAX && (sk = base_pop(base, now))) {
		timers_expire(sk);
		n++;
	}
	spin_lock(&base->lock);
	base->armed_ns = U64_MAX;
	next = xtcp_delaywheel_next_ns(&base->wheel);
	base_start(base, max(next, xtcp_now_ns() + (next > now ? REST_NS : PAUSE_NS)));
	spin_unlock(&base->lock);
	return HRTIMER_NORESTART;
}

/**
 * xtcp_timers_load - create a timing wheel for each CPU
 *
 * Return: 0 or -ENOMEM.
 */
int __init xtcp_timers_load(void)
{
	struct timer_base *base;
	int cpu;

	bases = alloc_percpu(struct timer_base);
	if (!bases)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		base = per_cpu_ptr(bases, cpu);
		spin_lock_init(&base->lock);
		xtcp_lock_name(&base->lock, "xtcp_timer");
		xtcp_delaywheel_init(&base->wheel, xtcp_now_ns());
		hrtimer_setup(&base->timer, base_fired, CLOCK_MONOTONIC,
			      HRTIMER_MODE_ABS_PINNED_SOFT);
		base->armed_ns = U64_MAX;
	}
	return 0;
}

/**
 * xtcp_timers_unload - undo xtcp_timers_load(); there are no sockets any more
 */
void xtcp_timers_unload(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		hrtimer_cancel(&per_cpu_ptr(bases, cpu)->timer);
	free_percpu(bases);
}

/**
 * xtcp_timers_init - initialise a socket's deadlines and wheel entry
 * @sk: new socket, or a clone that is not visible yet
 */
void xtcp_timers_init(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_delay_init(&xs->wheel_entry);
	xs->wheel_cpu = 0;
	memset(xs->deadline_ns, 0, sizeof(xs->deadline_ns));
	xs->retransmit.waiting = XTCP_WAIT_TIMEOUT;
	xs->deferred = 0;
}

/**
 * xtcp_timer_set - set or move a deadline
 * @sk: locked
 * @which: deadline
 * @delay_ns: time from now
 */
void xtcp_timer_set(struct sock *sk, enum xtcp_timer which, u64 delay_ns)
{
	xtcp_assert_owned(sk);
	xtcp_timer_set_from(sk, which, xtcp_now_ns(), delay_ns);
}

/**
 * xtcp_timers_rest - remove the wheel entry of a socket that has no deadline
 * @sk: locked
 *
 * For a connection that may stay idle. An entry that expires for nothing costs more
 * than removing it, and those of a crowd would expire in bursts.
 */
void xtcp_timers_rest(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (earliest_deadline(xs) != U64_MAX || !timer_cancel(xs))
		return;
	xtcp_memory_reclaim(sk);	/* memory that the expiry would have released */
	__sock_put(sk);
}

/**
 * xtcp_timers_clear_all - clear all deadlines of a connection that has ended
 * @sk: locked
 *
 * If the wheel entry is just expiring on another CPU, that CPU finds no deadline.
 */
void xtcp_timers_clear_all(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	memset(xs->deadline_ns, 0, sizeof(xs->deadline_ns));
	xs->retransmit.waiting = XTCP_WAIT_TIMEOUT;
	clear_bit(XTCP_DEFER_TIMERS, &xs->deferred);
	if (timer_cancel(xs))
		__sock_put(sk);
	xtcp_memory_reclaim(sk);	/* memory that an expiry would have released */
}
