// SPDX-License-Identifier: GPL-2.0
/*
 * fastq.c - connections that fast open has opened and whose SYN-ACK is unacknowledged
 *
 * RFC 7413 5.1: a listener limits their number, because their addresses are proved by a
 * cookie only, which somebody else may have seen. setsockopt(TCP_FASTOPEN), or listen() by
 * the knob, makes the queue. It is not a list: a child is in the accept queue like any
 * other, and here it is counted.
 *
 * References are held by the listener's socket until it is freed or connects, by its struct
 * xtcp_listener until two grace periods after it has closed, and by each child until its SYN-ACK
 * is acknowledged or its connection ends. A child may live longer than its listener.
 *
 * Context: any. Functions of a socket: its lock, or it is not visible yet.
 */
#include "fastq.h"

#include <linux/minmax.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "clock.h"
#include "lockname.h"
#include "tcb.h"

/**
 * xtcp_fastq_of - the queue that belongs to a socket's options; a new one at first
 * @sk: in CLOSED or LISTEN, locked
 *
 * Context: process.
 * Return: the queue; NULL without memory.
 */
struct xtcp_fastq *xtcp_fastq_of(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_fastq *q;

	xtcp_assert_owned(sk);
	if (xs->fast_held)
		return xtcp_held_fastq(xs);
	q = kzalloc(sizeof(*q), GFP_KERNEL_ACCOUNT);
	if (!q)
		return NULL;
	refcount_set(&q->ref, 1);
	spin_lock_init(&q->lock);
	xtcp_lock_name(&q->lock, "xtcp_fastq");
	xs->fastq = q;
	xs->fast_held = 1;
	return q;
}

/**
 * xtcp_fastq_put - drop a reference
 * @q: queue; freed with the last one. No reader finds it by its listener then, whose
 *	reference goes two grace periods after the listener has closed
 */
void xtcp_fastq_put(struct xtcp_fastq *q)
{
	if (!refcount_dec_and_test(&q->ref))
		return;
	kfree_sensitive(rcu_dereference_protected(q->keys, true));
	kfree(q);
}

/**
 * xtcp_fastq_forget - a socket gives up the queue that its options have made
 * @sk: with @fast_held, not a child in the queue; locked or not visible any more
 */
void xtcp_fastq_forget(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_fastq *q = xtcp_held_fastq(xs);

	xs->fast_held = 0;
	xtcp_fastq_put(q);
}

/* Uncount the RSTs that are old enough. */
static void fastq_expire(struct xtcp_fastq *q)
{
	u32 now = xtcp_now_s();
	u32 gone = min_t(u32, now - q->reset_s, XTCP_FASTQ_RESET_S);
	u32 *slot;

	for (; gone; gone--) {
		slot = &q->resets[(now - gone + 1) % XTCP_FASTQ_RESET_S];
		q->count -= *slot;
		*slot = 0;
	}
	q->reset_s = now;
}

/**
 * xtcp_fastq_is_full - may no child be added
 * @q: queue
 *
 * Context: softirq.
 * Return: true if there are as many as TCP_FASTOPEN allows.
 */
bool xtcp_fastq_is_full(struct xtcp_fastq *q)
{
	u32 limit = READ_ONCE(q->limit);
	bool full;

	if (likely(READ_ONCE(q->count) < limit))
		return false;
	spin_lock(&q->lock);
	fastq_expire(q);
	full = q->count >= limit;
	spin_unlock(&q->lock);
	return full;
}

/**
 * xtcp_fastq_enter - count a child
 * @sk: new child, locked or not visible yet
 * @q: queue; RCU read-side section, or the listener is locked
 *
 * The limit may be passed by as many children as there are CPUs.
 */
void xtcp_fastq_enter(struct sock *sk, struct xtcp_fastq *q)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	refcount_inc(&q->ref);
	spin_lock_bh(&q->lock);
	WRITE_ONCE(q->count, q->count + 1);
	spin_unlock_bh(&q->lock);
	xs->fastq = q;
	xs->fast_held = 1;
}

/**
 * xtcp_fastq_leave - a child's SYN-ACK is acknowledged, or its connection ends
 * @sk: child with @fast_held, locked
 */
void xtcp_fastq_leave(struct sock *sk)
{
	struct xtcp_fastq *q = xtcp_held_fastq(xtcp_sk(sk));

	xtcp_assert_owned(sk);
	spin_lock_bh(&q->lock);
	WRITE_ONCE(q->count, q->count - 1);
	spin_unlock_bh(&q->lock);
	xtcp_fastq_forget(sk);
}

/**
 * xtcp_fastq_acked - the SYN-ACK of a child is acknowledged
 * @sk: child with @fast_held, locked
 *
 * Only the SYN of connect() counts as an acknowledged byte, as in Linux.
 */
void xtcp_fastq_acked(struct sock *sk)
{
	xtcp_sk(sk)->bytes_acked--;
	xtcp_fastq_leave(sk);
}

/**
 * xtcp_fastq_reset - a RST ends a child whose SYN-ACK was not acknowledged
 * @sk: child with @fast_held, locked
 *
 * While it waits for accept() the backlog limits such children. Afterwards the queue counts
 * it for another minute.
 */
void xtcp_fastq_reset(struct sock *sk)
{
	struct xtcp_fastq *q = xtcp_held_fastq(xtcp_sk(sk));

	xtcp_assert_owned(sk);
	if (!xtcp_awaits_accept(sk)) {
		spin_lock_bh(&q->lock);
		fastq_expire(q);
		q->resets[q->reset_s % XTCP_FASTQ_RESET_S]++;
		WRITE_ONCE(q->count, q->count + 1);
		spin_unlock_bh(&q->lock);
	}
	xtcp_fastq_leave(sk);
}
