/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fastq.h - connections that fast open has opened and whose SYN-ACK is unacknowledged
 */
#ifndef XTCP_FASTQ_H
#define XTCP_FASTQ_H

#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/siphash.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "net/wire.h"

struct sock;

#define XTCP_FASTKEYS	2	/* the key in use, and the one before */

/*
 * A child that a RST has ended after accept() is counted for so long (RFC 7413 5.1): a sender
 * that forges source addresses causes such RSTs.
 */
#define XTCP_FASTQ_RESET_S	60

/**
 * struct xtcp_fastkeys - keys of the cookies of fast open
 * @key: the first makes cookies, each verifies them
 * @nr: number of keys
 * @rcu: frees it; a new set replaces it as a whole
 */
struct xtcp_fastkeys {
	siphash_key_t	key[XTCP_FASTKEYS];
	u8		nr;
	struct rcu_head	rcu;
};

/**
 * struct xtcp_fastcookie - option of fast open, as received or to be sent
 * @len: bytes in @cookie; 0: asks for a cookie; negative: no option
 * @exp: in its experimental form
 * @shown: the SYN had this very cookie: the SYN-ACK of a child leaves it out, that of an
 *	ordinary opening has it
 * @cookie: cookie
 */
struct xtcp_fastcookie {
	s8	len;
	bool	exp;
	bool	shown;
	u8	cookie[XTCP_FASTOPEN_MAX];
};

/**
 * struct xtcp_fastq - queue of a listener's fast-open children, RFC 7413 5.1
 * @ref: of the listener's socket, of its struct xtcp_listener, of each child counted
 * @lock: guards @count, @reset_s and @resets; softirqs off
 * @limit: largest @count; TCP_FASTOPEN. 0: fast open is off
 * @count: children whose SYN-ACK is not acknowledged, and those of @resets
 * @reset_s: second of CLOCK_MONOTONIC up to which @resets was cleared
 * @resets: accepted children that a RST has ended, by second modulo XTCP_FASTQ_RESET_S
 * @keys: TCP_FASTOPEN_KEY; NULL: those of the namespace
 */
struct xtcp_fastq {
	refcount_t	ref;
	spinlock_t	lock;	/* softirqs off */
	u32		limit;
	u32		count;
	u32		reset_s;
	u32		resets[XTCP_FASTQ_RESET_S];
	struct xtcp_fastkeys __rcu *keys;
};

struct xtcp_fastq *xtcp_fastq_of(struct sock *sk);
void xtcp_fastq_put(struct xtcp_fastq *q);
void xtcp_fastq_forget(struct sock *sk);
bool xtcp_fastq_is_full(struct xtcp_fastq *q);
void xtcp_fastq_enter(struct sock *sk, struct xtcp_fastq *q);
void xtcp_fastq_leave(struct sock *sk);
void xtcp_fastq_acked(struct sock *sk);
void xtcp_fastq_reset(struct sock *sk);

#endif /* XTCP_FASTQ_H */
