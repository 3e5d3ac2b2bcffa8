/* SPDX-License-Identifier: GPL-2.0 */
/*
 * congestion.h - how much may be in flight, RFC 5681
 */
#ifndef XTCP_TRANSFER_CONGESTION_H
#define XTCP_TRANSFER_CONGESTION_H

#include <linux/types.h>

struct sock;
struct xtcp_sock;

#define XTCP_INIT_CWND	10U	/* segments, RFC 6928 */

void xtcp_congestion_init(struct sock *sk);
void xtcp_congestion_sent(struct sock *sk);
void xtcp_congestion_acked(struct sock *sk, u32 acked_segs, u32 prior_pipe);
u32 xtcp_congestion_ssthresh(const struct sock *sk);
u32 xtcp_congestion_pipe(const struct xtcp_sock *xs);
void xtcp_congestion_idle(struct sock *sk);

#endif /* XTCP_TRANSFER_CONGESTION_H */
