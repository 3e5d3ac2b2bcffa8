/* SPDX-License-Identifier: GPL-2.0 */
/*
 * retransmit.h - the retransmission timer, and when to give up
 */
#ifndef XTCP_TRANSFER_RETRANSMIT_H
#define XTCP_TRANSFER_RETRANSMIT_H

#include <linux/types.h>

#include "ending.h"
#include "net/seq.h"
#include "tcb.h"

struct sock;

/* Delay before a segment is tried again that could not leave this host; Linux. */
#define XTCP_LOCAL_RETRY_NS	(500ULL * NSEC_PER_MSEC)

void xtcp_retransmit_arm(struct sock *sk);
void xtcp_retransmit_later(struct sock *sk);
void xtcp_retransmit_arm_reorder(struct sock *sk, u64 delay_ns);
u64 xtcp_retransmit_left_ns(struct sock *sk, u64 now_ns);
u64 xtcp_retransmit_after_ns(struct sock *sk, u64 now_ns);
u64 xtcp_retransmit_user_timeout_left_ns(const struct xtcp_sock *xs);
u64 xtcp_retransmit_user_timeout_left_since_ns(const struct xtcp_sock *xs, u64 since_ns);
bool xtcp_retransmit_user_timeout_is_over(const struct sock *sk);
u32 xtcp_retransmit_orphan_retries(const struct sock *sk, bool alive);
void xtcp_retransmit_counted(struct sock *sk);
void xtcp_retransmit_settled(struct xtcp_sock *xs);
u32 xtcp_retransmit_settling_ms(const struct xtcp_sock *xs);
enum xtcp_ending xtcp_retransmit_timeout(struct sock *sk);
void xtcp_retransmit_unreachable(struct sock *sk, seq_t seq);

/**
 * xtcp_retransmit_progressed - new data was acknowledged, or a timeout was spurious
 * @xs: the connection, locked
 */
static inline void xtcp_retransmit_progressed(struct xtcp_sock *xs)
{
	WRITE_ONCE(xs->retransmit.in_row, 0);
}

/**
 * xtcp_retransmit_rehashed - the flow hash was changed
 * @xs: the connection, locked
 */
static inline void xtcp_retransmit_rehashed(struct xtcp_sock *xs)
{
	xs->retransmit.rehashes++;
}

#endif /* XTCP_TRANSFER_RETRANSMIT_H */
