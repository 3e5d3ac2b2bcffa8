/* SPDX-License-Identifier: GPL-2.0 */
/*
 * header.h - build a TCP header in front of the payload
 */
#ifndef XTCP_NET_HEADER_H
#define XTCP_NET_HEADER_H

#include <linux/ip.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>

#include "flow.h"
#include "net/wire.h"

/* Headroom of every outgoing skb, in bytes. */
#define XTCP_HEADROOM	ALIGN(MAX_HEADER + sizeof(struct iphdr) + 40 + \
			      XTCP_HDR_MAX, 8)

/**
 * xtcp_header_push - push a TCP header in front of the payload
 * @skb: payload, with headroom for the header
 * @key: addresses, ports and wire
 * @len: length of the header with its options, in bytes
 * @seq: SEG.SEQ
 * @ack: SEG.ACK, used with XTCP_ACK only
 * @flags: XTCP_FIN .. XTCP_CWR
 * @wnd: window field, as in the header
 *
 * Inline, because it is called for each segment, and a call with seven
 * arguments is expensive.
 *
 * Context: any.
 * Return: the header; the caller fills in the checksum and the options.
 */
static inline struct tcphdr *
xtcp_header_push(struct sk_buff *skb, const struct xtcp_key *key,
		 unsigned int len, seq_t seq, seq_t ack, u8 flags, u16 wnd)
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

#endif /* XTCP_NET_HEADER_H */
