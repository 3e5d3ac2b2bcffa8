// SPDX-License-Identifier: GPL-2.0
/*
 * timers.c - the deadlines of sockets
 *
 * What a connection waits for (enum xtcp_timer) is a deadline, not a timer:
 * setting one writes a number. The socket has one place in a timing wheel
 * (delaywheel.c), at or before the earliest of them, and is left alone when a
 * deadline moves later or goes away, as the retransmission timeout does with
 * each ACK: its turn then comes once too early, finds nothing due, and it
 * waits again until the next deadline.
 *
 * Each CPU has a wheel, with one hrtimer; a socket waits in that of the CPU
 * that set its deadline. So a short connection, which ends before any of its
 * deadlines, costs no timer of the kernel's at all: the hrtimer is set for
 * the first that waits, and those after it are later.
 *
 * Birth and death of a wait: a socket that stands in a wheel is referenced.
 * Its place is found and changed under the wheel's lock only, so whoever takes
 * it out has the reference: timer_cancel(), or the hrtimer, which drops it
 * when the deadlines have been looked at. Standing there already, the socket
 * is moved, and the reference serves again. Deadlines are guarded by the
 * socket lock; a turn that finds the socket in its user's hands leaves a note
 * (XTCP_DEFER_TIMERS) that release_sock() acts upon.
 *
 * What happens at a deadline is deadlines.c's.
 *
 * Context: softirq (HRTIMER_MODE_ABS_PINNED_SOFT).
 */
#include "timers.h"

#include <linux/hrtimer.h>
#include <linux/percpu.h>
#include <linux/smp.h>

#include "compat.h"
#include "user/stats.h"

/* Sockets looked at in one run; other softirqs get their turn then. */
#define TURNS_MAX	256

/**
 * struct timer_base - the sockets that wait for a deadline set on one CPU
 * @lock: guards the rest, and who stands in @wheel; taken under the socket
 *	lock; nothing is taken under it
 * @wheel: of struct xtcp_sock::turn
 * @timer: due when the first of them is, or earlier
 * @armed_ns: when that is, CLOCK_MONOTONIC; in the past while it runs;
 *	U64_MAX: it is not set
 */
struct timer_base {
	spinlock_t		lock;	/* see above */
	struct xtcp_delaywheel	wheel;
	struct hrtimer		timer;
	u64			armed_ns;
};

static struct timer_base __percpu *bases;

static u64 earliest_deadline(const struct xtcp_sock *xs)
{
	u64 earliest = U64_MAX;
	int i;

	for (i = 0; i < XTCP_TIMERS; i++)
		if (xs->deadline_ns[i])
			earliest = min(earliest, xs->deadline_ns[i]);
	return earliest;
}

/* Return: true when it stood there: the reference is the caller's. */
static bool turn_take_back(struct timer_base *base, struct xtcp_sock *xs)
{
	lockdep_assert_held(&base->lock);
	if (list_empty(&xs->turn.link))
		return false;
	xtcp_delaywheel_del(&base->wheel, &xs->turn);
	return true;
}

static bool timer_cancel(struct xtcp_sock *xs)
{
	struct timer_base *base;
	bool stood;

	if (!xtcp_timers_turn_is_set(xs))
		return false;
	base = per_cpu_ptr(bases, xs->turn_cpu);
	spin_lock_bh(&base->lock);
	stood = turn_take_back(base, xs);
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
 * xtcp_timers_arm - give the socket a turn by then
 * @sk: locked
 * @deadline_ns: CLOCK_MONOTONIC
 */
void xtcp_timers_arm(struct sock *sk, u64 deadline_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct timer_base *base;
	bool held = false;

	local_bh_disable();
	if (xs->turn_cpu != smp_processor_id())
		held = timer_cancel(xs);
	xs->turn_cpu = smp_processor_id();
	base = this_cpu_ptr(bases);
	spin_lock(&base->lock);
	held = turn_take_back(base, xs) || held;
	xs->turn.expires_ns = deadline_ns;
	if (!held)
		sock_hold(sk);
	base_start(base, xtcp_delaywheel_add(&base->wheel, &xs->turn));
	spin_unlock(&base->lock);
	local_bh_enable();
}

/**
 * xtcp_timers_run - act on the deadlines that have passed
 * @sk: locked, not in its user's hands; the caller holds a reference, for the
 *	connection may end here
 */
void xtcp_timers_run(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 earliest, now = xtcp_now_ns();
	int i;

	for (i = 0; i < XTCP_TIMERS; i++) {
		if (!xs->deadline_ns[i] || xs->deadline_ns[i] > now)
			continue;
		WRITE_ONCE(xs->deadline_ns[i], 0);
		xtcp_timer_handlers[i](sk);
	}
	if (sk->sk_state == XTCP_CLOSED)
		return;
	sk_mem_reclaim(sk);	/* what transfer/memory.h has kept */
	earliest = earliest_deadline(xs);
	if (earliest != U64_MAX && !xtcp_timers_cover(xs, earliest))
		xtcp_timers_arm(sk, earliest);
}

/* The user holds the socket: an ACK whose delay is over goes out late. */
static void timer_deferred(struct xtcp_sock *xs)
{
	u64 due_ns = READ_ONCE(xs->deadline_ns[XTCP_TIMER_DELAYED_ACK]);

	if (due_ns && due_ns <= xtcp_now_ns())
		XTCP_INC(sock_net(xtcp_to_sk(xs)), DELAYED_ACK_LOCKED);
	set_bit(XTCP_DEFER_TIMERS, &xs->deferred);
}

/* Its turn has come; the wheel's reference goes. */
static void turn_comes(struct sock *sk)
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
	struct xtcp_delay *turn;

	spin_lock(&base->lock);
	turn = xtcp_delaywheel_pop(&base->wheel, now);
	spin_unlock(&base->lock);
	if (!turn)
		return NULL;
	return xtcp_to_sk(container_of(turn, struct xtcp_sock, turn));
}

static enum hrtimer_restart base_fired(struct hrtimer *timer)
{
	struct timer_base *base = container_of(timer, struct timer_base, timer);
	u64 now = ktime_get_ns();
	unsigned int n = 0;
	struct sock *sk;

	while (n < TURNS_MAX && (sk = base_pop(base, now))) {
		turn_comes(sk);
		n++;
	}
	spin_lock(&base->lock);
	base->armed_ns = U64_MAX;
	base_start(base, xtcp_delaywheel_next_ns(&base->wheel));
	spin_unlock(&base->lock);
	return HRTIMER_NORESTART;
}

/**
 * xtcp_timers_load - a wheel for each CPU
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
		xtcp_delaywheel_init(&base->wheel, ktime_get_ns());
		hrtimer_setup(&base->timer, base_fired, CLOCK_MONOTONIC,
			      HRTIMER_MODE_ABS_PINNED_SOFT);
		base->armed_ns = U64_MAX;
	}
	return 0;
}

/**
 * xtcp_timers_unload - undo xtcp_timers_load(); no socket is left
 */
void xtcp_timers_unload(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		hrtimer_cancel(&per_cpu_ptr(bases, cpu)->timer);
	free_percpu(bases);
}

/**
 * xtcp_timers_init - no deadlines
 * @sk: new socket, or a clone that nobody has seen yet
 */
void xtcp_timers_init(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_delay_init(&xs->turn);
	xs->turn_cpu = 0;
	memset(xs->deadline_ns, 0, sizeof(xs->deadline_ns));
	xs->deferred = 0;
}

/**
 * xtcp_timer_set - set a deadline, in place of the one it had
 * @sk: locked
 * @which: what for
 * @delay_ns: from now
 */
void xtcp_timer_set(struct sock *sk, enum xtcp_timer which, u64 delay_ns)
{
	xtcp_timer_set_from(sk, which, xtcp_now_ns(), delay_ns);
}

/**
 * xtcp_timers_clear_all - the connection has ended
 * @sk: locked
 *
 * If its turn has come on another CPU, that finds no deadline.
 */
void xtcp_timers_clear_all(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	memset(xs->deadline_ns, 0, sizeof(xs->deadline_ns));
	clear_bit(XTCP_DEFER_TIMERS, &xs->deferred);
	if (timer_cancel(xs))
		__sock_put(sk);
	sk_mem_reclaim(sk);	/* what waited for its turn */
}
