/* SPDX-License-Identifier: GPL-2.0 */
/*
 * recovery.h - what to do about loss: fast retransmit and timeouts
 */
#ifndef XTCP_TRANSFER_RECOVERY_H
#define XTCP_TRANSFER_RECOVERY_H

#include <linux/types.h>

#include "net/seq.h"

struct sock;
struct xtcp_seg;
struct xtcp_sock;

u32 xtcp_recovery_sacked(struct sock *sk, const struct xtcp_seg *seg);
void xtcp_recovery_dupack(struct sock *sk, u32 sacked_segs);
void xtcp_recovery_acked(struct sock *sk, u32 acked_segs, u32 prior_pipe);
void xtcp_recovery_arm(struct sock *sk);
bool xtcp_recovery_gives_up(const struct sock *sk, u32 retries);
bool xtcp_recovery_user_timeout(const struct sock *sk);
u32 xtcp_recovery_orphan_retries(const struct sock *sk);
void xtcp_recovery_timeout(struct sock *sk);
void xtcp_recovery_unreachable(struct sock *sk, seq_t seq);

#endif /* XTCP_TRANSFER_RECOVERY_H */
