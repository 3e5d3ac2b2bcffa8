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
int xtcp_output_bare(struct sock *sk, struct sk_buff *spare, seq_t seq,
		     u8 flags, u64 now_ns);
void xtcp_output_ack(struct sock *sk);
void xtcp_output_ack_turn(struct sock *sk, struct sk_buff *spare);
void xtcp_output_probe(struct sock *sk);
void xtcp_output_reset(struct sock *sk);
void xtcp_output_syn_ack(struct sock *sk);
unsigned int xtcp_output_option_size(const struct sock *sk);
void xtcp_output_mss_sync(struct sock *sk, u32 pmtu);
u32 xtcp_tsval(const struct xtcp_sock *xs);

/**
 * xtcp_output_header_push - put a header before the text
 * @skb: text, with room for the header
 * @key: between whom
 * @len: octets of the header, with its options
 * @seq: SEG.SEQ
 * @ack: SEG.ACK, looked at with XTCP_ACK
 * @flags: XTCP_FIN .. XTCP_CWR
 * @wnd: window field
 *
 * Inline, for seven arguments are dear to pass, and each segment has them.
 *
 * Return: the header; its checksum, and the options behind it, are still to be
 * filled in
 */
static inline struct tcphdr *
xtcp_output_header_push(struct sk_buff *skb, const struct xtcp_key *key,
			unsigned int len, seq_t seq, seq_t ack, u8 flags,
			u16 wnd)
{
	struct tcphdr *th = __skb_push(skb, len);

	skb_reset_transport_header(skb);
	th->source = key->lport;
	th->dest = key->rport;
	th->seq = seq_net(seq);
	th->ack_seq = (flags & XTCP_ACK) ? seq_net(ack) : 0;
	((u8 *)th)[12] = (len / 4) << 4;
	((u8 *)th)[13] = flags;
	th->window = htons(wnd);
	th->check = 0;
	th->urg_ptr = 0;
	return th;
}

#endif /* XTCP_NET_OUTPUT_H */
