/* SPDX-License-Identifier: GPL-2.0 */
/*
 * header.h - a TCP header before the payload
 */
#ifndef XTCP_NET_HEADER_H
#define XTCP_NET_HEADER_H

#include <linux/ip.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>

#include "flow.h"
#include "net/wire.h"

/* Room that every outgoing skb keeps in front of its text. */
#define XTCP_HEADROOM	ALIGN(MAX_HEADER + sizeof(struct iphdr) + 40 + \
			      XTCP_HDR_MAX, 8)

/**
 * xtcp_header_push - put a header before the text
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
