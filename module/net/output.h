/* SPDX-License-Identifier: GPL-2.0 */
/*
 * output.h - a segment leaves: header, options, checksum, route
 */
#ifndef XTCP_NET_OUTPUT_H
#define XTCP_NET_OUTPUT_H

#include "net/family.h"
#include "net/wire.h"

struct sock;
struct xtcp_sock;

/* Room that every outgoing skb keeps in front of its text. */
#define XTCP_HEADROOM	ALIGN(MAX_HEADER + sizeof(struct iphdr) + 40 + \
			      XTCP_HDR_MAX, 8)

/* Of a socket; socket lock. */
int xtcp_output_queued(struct sock *sk, struct sk_buff *skb, u64 now_ns);
void xtcp_output_ack(struct sock *sk);
void xtcp_output_ack_turn(struct sock *sk, struct sk_buff *spare);
void xtcp_output_probe(struct sock *sk);
void xtcp_output_reset(struct sock *sk);
void xtcp_output_syn_ack(struct sock *sk);
unsigned int xtcp_output_option_size(const struct sock *sk);
void xtcp_output_mss_sync(struct sock *sk, u32 pmtu);
u32 xtcp_tsval(const struct xtcp_sock *xs);

struct tcphdr *xtcp_output_header_push(struct sk_buff *skb,
				       const struct xtcp_key *key,
				       unsigned int len,
				       const struct xtcp_options *opt,
				       seq_t seq, seq_t ack, u8 flags, u16 wnd);

#endif /* XTCP_NET_OUTPUT_H */
