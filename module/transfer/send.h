/* SPDX-License-Identifier: GPL-2.0 */
/*
 * send.h - decide what may be sent, and send it
 *
 * Context: socket lock.
 */
#ifndef XTCP_TRANSFER_SEND_H
#define XTCP_TRANSFER_SEND_H

#include <linux/types.h>

#include "net/seq.h"
#include "observe/tracesock.h"
#include "tcb.h"

struct sk_buff;
struct sock;
struct xtcp_fastcookie;

void xtcp_send_syn(struct sock *sk);
bool xtcp_send_syn_data(struct sock *sk, struct sk_buff *skb,
			const struct xtcp_fastcookie *alone);
bool xtcp_send_syn_prepare(struct sock *sk);
void xtcp_send_syn_ack(struct sock *sk, const struct xtcp_fastcookie *option);
void xtcp_send_syn_ack_crossing(struct sock *sk);
void xtcp_send_syn_ack_again(struct sock *sk);
void xtcp_send_push(struct sock *sk, u8 nagle);
bool xtcp_send_waits_for_more(const struct sock *sk, u8 nagle);
bool xtcp_send_may_go_alone(const struct sock *sk, u32 bytes);
void xtcp_send_alone(struct sock *sk, struct sk_buff *skb);
void xtcp_send_override(struct sock *sk);
void xtcp_send_fin(struct sock *sk, struct sk_buff *spare);
bool xtcp_send_has_room(struct sock *sk);
bool xtcp_send_beyond_cwnd(struct sock *sk);
int xtcp_send_again(struct sock *sk, struct sk_buff *skb, u32 segs_max,
		    enum xtcp_resent why);
int xtcp_send_retransmit(struct sock *sk, struct sk_buff *skb, u32 segs_max,
			 enum xtcp_resent why);

/**
 * xtcp_send_begin - nothing before a sequence number was sent small or with PSH
 * @xs: TCB of a new connection
 * @seq: SND.NXT
 */
static inline void xtcp_send_begin(struct xtcp_sock *xs, seq_t seq)
{
	xs->snd_sml = seq;
	xs->pushed_seq = seq;
}

#endif /* XTCP_TRANSFER_SEND_H */
