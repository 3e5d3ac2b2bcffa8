/* SPDX-License-Identifier: GPL-2.0 */
/* ecn.h - Explicit Congestion Notification, RFC 3168 and RFC 9768 */
#ifndef XTCP_TRANSFER_ECN_H
#define XTCP_TRANSFER_ECN_H

#include <linux/types.h>

#include "tcb.h"

/*
 * What a SYN offers, xtcp_ecn_offers(): bits above the ECN field of its IP header, which the
 * SYN-ACK reports in Accurate ECN.
 */
#define XTCP_ECN_OFFERS_CLASSIC		0x4	/* RFC 3168 */
#define XTCP_ECN_OFFERS_ACCURATE	0x8	/* RFC 9768 */
#define XTCP_ECN_OFFERS_ECT		0x10	/* RFC 3168, by a SYN that is ECT itself */

struct dst_entry;
struct sk_buff;
struct sock;
struct xtcp_seg;

/* Opening. */
u8 xtcp_ecn_offer(struct sock *sk);
u8 xtcp_ecn_offered(const struct xtcp_sock *xs);
u8 xtcp_ecn_syn_again(struct sock *sk, u8 flags);
u8 xtcp_ecn_syn_ack(const struct xtcp_sock *xs, u8 flags);
void xtcp_ecn_syn_received(struct sock *sk, const struct xtcp_seg *seg, u8 codepoint);
bool xtcp_ecn_route_asks(const struct dst_entry *dst);
bool xtcp_ecn_route_needs(const struct dst_entry *dst);
u8 xtcp_ecn_offers(const struct xtcp_seg *seg, u8 codepoint);

/* Sending. */
u8 xtcp_ecn_send_syn(const struct xtcp_sock *xs, u8 flags);
u8 xtcp_ecn_send(struct xtcp_sock *xs, bool new_data, u8 *flags);
void xtcp_ecn_reduced(struct xtcp_sock *xs);
bool xtcp_ecn_is_echo(const struct xtcp_sock *xs, const struct xtcp_seg *seg);

/* The reduction was undone: the peer need not hear of it. */
static inline void xtcp_ecn_restored(struct xtcp_sock *xs)
{
	xs->ecn.cwr = 0;
}

/* Receiving. */
void xtcp_ecn_cwr_received(struct xtcp_sock *xs, const struct xtcp_seg *seg);
void xtcp_ecn_payload_received(struct sock *sk, const struct sk_buff *skb);

/**
 * xtcp_ecn_adopt - use what a half-open record has negotiated
 * @xs: TCB of a new connection
 * @ok: ECN was negotiated
 * @accurate: it is Accurate ECN: xtcp_accecn_adopt() follows
 */
static inline void xtcp_ecn_adopt(struct xtcp_sock *xs, bool ok, bool accurate)
{
	xs->ecn.ok = ok;
	xs->ecn.accurate = accurate;
}

#endif /* XTCP_TRANSFER_ECN_H */
