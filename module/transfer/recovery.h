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

void xtcp_recovery_dupack(struct sock *sk, const struct xtcp_seg *seg);
void xtcp_recovery_acked(struct sock *sk, seq_t prior_una, u32 acked_segs);
void xtcp_recovery_timeout(struct sock *sk);

#endif /* XTCP_TRANSFER_RECOVERY_H */
