/* SPDX-License-Identifier: GPL-2.0 */
/*
 * send.h - decide what may be sent, and send it
 *
 * Context: socket lock.
 */
#ifndef XTCP_TRANSFER_SEND_H
#define XTCP_TRANSFER_SEND_H

#include <linux/types.h>

struct sk_buff;
struct sock;
struct xtcp_sock;

void xtcp_send_init(struct xtcp_sock *xs, u64 now_ns);
void xtcp_send_syn(struct sock *sk);
void xtcp_send_push(struct sock *sk, u8 nagle);
bool xtcp_send_waits_for_more(const struct sock *sk, u8 nagle);
bool xtcp_send_may_go_alone(const struct sock *sk, u32 bytes);
void xtcp_send_alone(struct sock *sk, struct sk_buff *skb);
void xtcp_send_override(struct sock *sk);
void xtcp_send_fin(struct sock *sk, struct sk_buff *spare);
bool xtcp_send_has_room(struct sock *sk);
bool xtcp_send_beyond_cwnd(struct sock *sk);
int xtcp_send_again(struct sock *sk, struct sk_buff *skb, u32 segs_max);
int xtcp_send_retransmit(struct sock *sk, struct sk_buff *skb, u32 segs_max);

#endif /* XTCP_TRANSFER_SEND_H */
