/* SPDX-License-Identifier: GPL-2.0 */
/*
 * listen.h - passive open: what a listener owns, and its answer to a SYN
 */
#ifndef XTCP_OPEN_LISTEN_H
#define XTCP_OPEN_LISTEN_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "delayline.h"

struct sk_buff;
struct sock;
struct socket;
struct xtcp_key;
struct xtcp_seg;
struct xtcp_timewait;

/**
 * struct xtcp_listener - queues of a socket in LISTEN
 * @sk: the listening socket
 * @lines: delay lines of the SYN queue
 * @qlen: half-open records
 * @young: of these, never retransmitted
 * @accept_lock: guards @accept_queue and sk->sk_ack_backlog; after the
 *	child's socket lock
 * @accept_queue: established children, oldest first
 * @overflow_s: seconds of CLOCK_MONOTONIC when the SYN queue last overflowed,
 *	0: never; cookies are believed for two minutes after
 * @warned: the SYN flood line was logged
 * @open: children may still be queued; written under @accept_lock
 * @rcu: freed a grace period after the listener closed
 */
struct xtcp_listener {
	struct sock		*sk;
	struct xtcp_delayset	lines;
	atomic_t		qlen;
	atomic_t		young;
	spinlock_t		accept_lock;
	struct list_head	accept_queue;
	u32			overflow_s;
	bool			warned;
	bool			open;
	struct rcu_head		rcu;
};

struct xtcp_listener *xtcp_listener_of(const struct sock *sk);

int xtcp_listen(struct socket *sock, int backlog);
void xtcp_listen_stop(struct sock *sk);
void xtcp_listen_syn(struct sock *lsk, const struct sk_buff *skb,
		     const struct xtcp_key *key, const struct xtcp_seg *seg,
		     struct xtcp_timewait *tw);
void xtcp_listen_rcv(struct sock *sk, struct sk_buff *skb,
		     const struct xtcp_key *key, const struct xtcp_seg *seg);

#endif /* XTCP_OPEN_LISTEN_H */
