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

struct sk_buff *xtcp_send_skb_alloc(struct sock *sk, gfp_t gfp);
void xtcp_send_queue(struct sock *sk, struct sk_buff *skb);
void xtcp_send_syn(struct sock *sk);
void xtcp_send_push(struct sock *sk, u8 nagle);
void xtcp_send_fin(struct sock *sk);
bool xtcp_send_acked(struct sock *sk, const struct xtcp_seg *seg);
void xtcp_send_retransmit(struct sock *sk, struct sk_buff *skb);
struct sk_buff *xtcp_send_oldest(struct sock *sk);
bool xtcp_send_has_unsent(const struct sock *sk);
bool xtcp_send_is_idle(const struct sock *sk);
void xtcp_send_purge(struct sock *sk);

#endif /* XTCP_TRANSFER_SEND_H */
