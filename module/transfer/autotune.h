/* SPDX-License-Identifier: GPL-2.0 */
/*
 * autotune.h - size of the send and receive buffers
 *
 * Context: socket lock, unless said otherwise.
 */
#ifndef XTCP_TRANSFER_AUTOTUNE_H
#define XTCP_TRANSFER_AUTOTUNE_H

#include <linux/types.h>

#include "tcb.h"

struct sk_buff;
struct sock;
struct xtcp_seg;
struct xtcp_sock;

void xtcp_autotune_renew(struct xtcp_sock *xs);
void xtcp_autotune_send(struct sock *sk);

/* Payload and memory. Without the socket lock the results are estimates. */
#define XTCP_SHARE_SHIFT	8		/* rcv_share is in 256ths */

/**
 * xtcp_autotune_payload_in - payload that a part of the receive buffer holds
 * @xs: the connection
 * @space: bytes of memory; may be negative
 *
 * Return: bytes of payload
 */
static inline u32 xtcp_autotune_payload_in(const struct xtcp_sock *xs,
					   int space)
{
	if (space <= 0)
		return 0;
	return ((u64)space * READ_ONCE(xs->rcv_share)) >> XTCP_SHARE_SHIFT;
}

int xtcp_autotune_space_for(const struct xtcp_sock *xs, u32 payload);

/* The receiver's measurements. */
void xtcp_autotune_segment(struct sock *sk, const struct sk_buff *skb);
void xtcp_autotune_echo(struct xtcp_sock *xs, const struct xtcp_seg *seg);
void xtcp_autotune_payload(struct xtcp_sock *xs);
u32 xtcp_autotune_read_per_rtt(const struct xtcp_sock *xs);
void xtcp_autotune_paused(struct xtcp_sock *xs, u32 ms);
void xtcp_autotune_read(struct sock *sk);
u32 xtcp_autotune_rtt_us(const struct xtcp_sock *xs);

#endif /* XTCP_TRANSFER_AUTOTUNE_H */
