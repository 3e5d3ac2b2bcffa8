/* SPDX-License-Identifier: GPL-2.0 */
/*
 * acceptqueue.h - children: from the third segment to accept()
 */
#ifndef XTCP_OPEN_ACCEPTQUEUE_H
#define XTCP_OPEN_ACCEPTQUEUE_H

#include <linux/types.h>
#include <net/sock.h>

struct sk_buff;
struct xtcp_fastcookie;
struct xtcp_fastq;
struct xtcp_halfopen;
struct xtcp_listener;
struct xtcp_seg;

/**
 * xtcp_acceptqueue_is_full - is the accept queue full
 * @lsk: listener
 *
 * The queue holds one child more than the backlog, as in Linux.
 *
 * Return: true if no more children may be queued.
 */
static inline bool xtcp_acceptqueue_is_full(const struct sock *lsk)
{
	return sk_acceptq_is_full(lsk);
}

/*
 * Instead of a child: another CPU has changed the connection since the segment's flow was found,
 * or the listener has closed. The segment is to be looked up again, because its connection may be
 * a socket now, or another listener may take it.
 */
#define XTCP_CHILD_STOLEN	((struct sock *)ERR_PTR(-EAGAIN))

struct sock *xtcp_acceptqueue_promote(struct xtcp_halfopen *ho,
				      struct sk_buff *skb,
				      const struct xtcp_seg *seg);
struct sock *xtcp_acceptqueue_promote_cookie(struct xtcp_halfopen *ho,
					     struct sk_buff *skb,
					     const struct xtcp_seg *seg);
bool xtcp_acceptqueue_open(struct xtcp_halfopen *ho, struct sk_buff *skb,
			   const struct xtcp_seg *seg, struct xtcp_fastq *q,
			   const struct xtcp_fastcookie *answer);
struct sock *xtcp_acceptqueue_accept(struct sock *lsk, int flags, int *err, int *is_empty);
void xtcp_acceptqueue_stop(struct xtcp_listener *ls);

/*
 * Drop the lock that sk_clone_lock() took, and the reference of the child's
 * creator. sparse does not see that lock being taken.
 */
static inline void xtcp_acceptqueue_release(struct sock *sk)
{
	__acquire(&sk->sk_lock.slock);
	bh_unlock_sock(sk);
	sock_put(sk);
}

/**
 * xtcp_acceptqueue_announce - unlock a new child and wake accept()
 * @lsk: its listener
 * @sk: child that xtcp_acceptqueue_promote() has returned, and that has
 *	processed its first segment; not to be used afterwards
 *
 * Context: softirq, RCU read-side section.
 */
static inline void xtcp_acceptqueue_announce(struct sock *lsk, struct sock *sk)
{
	lsk->sk_data_ready(lsk);
	xtcp_acceptqueue_release(sk);
}

#endif /* XTCP_OPEN_ACCEPTQUEUE_H */
