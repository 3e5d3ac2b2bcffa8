/* SPDX-License-Identifier: GPL-2.0 */
/* ecn.h - Explicit Congestion Notification, RFC 3168 */
#ifndef XTCP_TRANSFER_ECN_H
#define XTCP_TRANSFER_ECN_H

#include <linux/types.h>

#include "tcb.h"

struct dst_entry;
struct net;
struct sk_buff;
struct sock;
struct xtcp_seg;

/* Opening. */
u8 xtcp_ecn_offer(struct sock *sk);
u8 xtcp_ecn_offered(const struct xtcp_sock *xs);
u8 xtcp_ecn_syn_again(const struct sock *sk, u8 flags);
u8 xtcp_ecn_syn_ack(const struct xtcp_sock *xs, u8 flags);
void xtcp_ecn_syn_received(struct xtcp_sock *xs, const struct xtcp_seg *seg);
bool xtcp_ecn_route_asks(const struct dst_entry *dst);
bool xtcp_ecn_is_offered(const struct sk_buff *skb, const struct xtcp_seg *seg,
			 u8 codepoint);

/* Sending. */
u8 xtcp_ecn_send(struct xtcp_sock *xs, bool new_data, u8 *flags);
void xtcp_ecn_reduced(struct xtcp_sock *xs);
bool xtcp_ecn_is_echo(const struct xtcp_sock *xs, const struct xtcp_seg *seg);

/* Receiving. */
void xtcp_ecn_cwr_received(struct xtcp_sock *xs, const struct xtcp_seg *seg);
void xtcp_ecn_payload_received(struct sock *sk, const struct sk_buff *skb);

/**
 * xtcp_ecn_init - begin without ECN
 * @xs: TCB of a new connection
 */
static inline void xtcp_ecn_init(struct xtcp_sock *xs)
{
	xs->ecn_ok = 0;
	xs->ecn_cwr = 0;
	xs->ecn_echo = 0;
	xs->ecn_seen = 0;
	xs->delivered_ce = 0;
}

#endif /* XTCP_TRANSFER_ECN_H */
