/* SPDX-License-Identifier: GPL-2.0 */
/*
 * listener.h - queues and counters of a listener
 *
 * open/listen.c allocates and frees them, lookup.c finds them.
 */
#ifndef XTCP_LISTENER_H
#define XTCP_LISTENER_H

#include <linux/build_bug.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <net/sock.h>

#include "delayline.h"
#include "tcb.h"

struct xtcp_fastq;
struct xtcp_histogram;

/**
 * struct xtcp_listener_counts - counters of a listener, on one CPU
 * @syn_overflows: SYNs that found the SYN queue full
 * @accept_overflows: SYNs and third segments that found the accept queue full;
 *	its part of ListenOverflows
 * @drops: SYNs and third segments dropped for any reason; its part of ListenDrops
 * @cookies_sent: SYN-ACKs with a cookie
 * @cookies_accepted: ACKs with a valid cookie
 * @cookies_failed: ACKs with a cookie that was forged or too old
 *
 * Per CPU, because every SYN of a flood is counted. /proc/net/xtcp_listen shows
 * the sums.
 */
struct xtcp_listener_counts {
	unsigned long		syn_overflows;
	unsigned long		accept_overflows;
	unsigned long		drops;
	unsigned long		cookies_sent;
	unsigned long		cookies_accepted;
	unsigned long		cookies_failed;
};

#define XTCP_LISTENER_INC(ls, field)	this_cpu_inc((ls)->counts->field)

/**
 * struct xtcp_listener - queues of a socket in LISTEN
 * @sk: the listening socket
 * @link: link in the table in which SYNs find listeners; lookup.c
 * @counts: counters
 * @ifindex: device whose SYNs it gets, 0: any; sk->sk_bound_dev_if as of the last
 *	xtcp_lookup_add() or xtcp_lookup_rehash(). Written under xn->listen_lock
 * @cookie_s: second of CLOCK_MONOTONIC in which the listener last sent a cookie, 0: never;
 *	cookies are accepted for two minutes after it. Not used in a SO_REUSEPORT group, which
 *	has a common one
 * @warned: the line about a SYN flood was logged
 * @open: children may still be queued; written under @accept_lock
 * @is_linked: @link is linked; guarded by xn->listen_lock
 * @left_group: it was in a SO_REUSEPORT group when it last left the table, because it
 *	closed or changed its device; the option may have been cleared before. Guarded by
 *	xn->listen_lock
 * @accept_peak: highest number of children ever in @accept_queue
 * @rcu: frees the structure two grace periods after the listener has closed
 * @lines: delay lines of the SYN queue
 * @qlen: half-open records in the SYN queue
 * @young: those of @qlen that have not had a timeout
 * @qlen_peak: highest @qlen ever
 * @accept_lock: guards @accept_queue, @accept_peak and sk->sk_ack_backlog;
 *	after the child's socket lock
 * @accept_queue: children that wait for accept(), oldest first: ESTABLISHED; of a fast open,
 *	SYN-RECEIVED; CLOSED if they have ended
 * @waits: how long accepted children were in @accept_queue; NULL until the first of them
 *	with xtcp_histograms set. Written with the listener's socket locked
 * @fastq: counts fast-open children; NULL: TCP_FASTOPEN was never set. Written once
 *
 * The first cache line is read by the lookup of each SYN, also of one for another listener
 * of a SO_REUSEPORT group, and rarely written. The second is written for each connection.
 * The third is used only while xtcp_histograms is set, and by SYNs with data or the option of
 * fast open.
 */
struct xtcp_listener {
	struct sock		*sk;
	struct rhlist_head	link;
	struct xtcp_listener_counts __percpu *counts;
	int			ifindex;
	u32			cookie_s;
	bool			warned;
	bool			open;
	bool			is_linked;
	bool			left_group;
	u32			accept_peak;
	struct rcu_head		rcu;

	struct xtcp_delayset	lines;
	atomic_t		qlen;
	atomic_t		young;
	atomic_t		qlen_peak;
	spinlock_t		accept_lock;	/* softirqs off */
	struct list_head	accept_queue;
	struct xtcp_histogram	*waits;
	struct xtcp_fastq	*fastq;
};

/*
 * Its kmalloc() cache, of 192 bytes, aligns it to cache lines. With lock debugging it is
 * larger.
 */
static_assert(sizeof(spinlock_t) > 4 ||
	      (offsetof(struct xtcp_listener, lines) == 64 &&
	       offsetof(struct xtcp_listener, waits) == 128));

/**
 * xtcp_listener_of - queues of a listener
 * @sk: socket
 *
 * Context: socket lock, or RCU read-side section.
 * Return: the queues, or NULL if the socket does not listen.
 */
static inline struct xtcp_listener *
xtcp_listener_of(const struct sock *sk)
{
	/* Pairs with state_set() of lifecycle.c: LISTEN is set after the queues. */
	if (smp_load_acquire(&sk->sk_state) != XTCP_LISTEN)
		return NULL;
	return READ_ONCE(xtcp_sk(sk)->listener);
}

/**
 * xtcp_listener_is_full - is the SYN queue full
 * @ls: queues of a listener
 *
 * Return: true if no more half-open records may be added.
 */
static inline bool xtcp_listener_is_full(const struct xtcp_listener *ls)
{
	return atomic_read(&ls->qlen) > READ_ONCE(ls->sk->sk_max_ack_backlog);
}

#endif /* XTCP_LISTENER_H */
