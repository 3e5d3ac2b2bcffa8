/* SPDX-License-Identifier: GPL-2.0 */
/* mtuprobe.h - find the path's MTU by probing: RFC 4821 */
#ifndef XTCP_TRANSFER_MTUPROBE_H
#define XTCP_TRANSFER_MTUPROBE_H

#include <linux/types.h>

#include "tcb.h"

struct sock;

void xtcp_mtuprobe_init(struct sock *sk);
u32 xtcp_mtuprobe_bound(struct xtcp_sock *xs, u32 most);
void xtcp_mtuprobe_black_hole(struct sock *sk);
u32 xtcp_mtuprobe_size(struct sock *sk, bool *wait);
void xtcp_mtuprobe_sent(struct xtcp_sock *xs, u32 payload_len);
void xtcp_mtuprobe_acked(struct sock *sk);
bool xtcp_mtuprobe_is_lost(const struct xtcp_sock *xs);
void xtcp_mtuprobe_failed(struct sock *sk);

/* True if a probe for the path's MTU is in flight. */
static inline bool xtcp_mtuprobe_is_out(const struct xtcp_sock *xs)
{
	return xs->mtu.probe;
}

/* True if the next segment may have to be a probe. */
static inline bool xtcp_mtuprobe_is_searching(const struct xtcp_sock *xs)
{
	return xs->mtu.searched;
}

#endif /* XTCP_TRANSFER_MTUPROBE_H */
