/* SPDX-License-Identifier: GPL-2.0 */
/*
 * send.h - the send queue: text and FIN on their way out
 *
 * What was never sent stands in sk_write_queue, what is in flight in the
 * rbtree tcp_rtx_queue by sequence number. All under the socket lock.
 */
#ifndef XTCP_TRANSFER_SEND_H
#define XTCP_TRANSFER_SEND_H

#include <linux/types.h>

#include "net/seq.h"

struct sk_buff;
struct sock;
struct xtcp_seg;
struct xtcp_sock;

/* Filling the queue. */
struct sk_buff *xtcp_send_skb_alloc(struct sock *sk, gfp_t gfp);
void xtcp_send_queue(struct sock *sk, struct sk_buff *skb);
void xtcp_send_grown(struct sock *sk, struct sk_buff *skb, u32 octets);
void xtcp_send_drop_empty(struct sock *sk);
void xtcp_send_mark_push(struct sock *sk);
bool xtcp_send_wants_push(const struct xtcp_sock *xs);

/* Sending. */
void xtcp_send_syn(struct sock *sk);
void xtcp_send_push(struct sock *sk, u8 nagle);
void xtcp_send_override(struct sock *sk);
void xtcp_send_fin(struct sock *sk);
int xtcp_send_retransmit(struct sock *sk, struct sk_buff *skb);

/* Acknowledged. */
bool xtcp_send_acked(struct sock *sk, const struct xtcp_seg *seg);
void xtcp_send_buffer_grow(struct sock *sk);

struct sk_buff *xtcp_send_oldest(struct sock *sk);
bool xtcp_send_has_unsent(const struct sock *sk);
bool xtcp_send_is_idle(const struct sock *sk);
void xtcp_send_purge(struct sock *sk);

#endif /* XTCP_TRANSFER_SEND_H */
