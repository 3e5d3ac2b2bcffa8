/* SPDX-License-Identifier: GPL-2.0 */
/* ack.h - the part of the TCB that belongs to transfer/ack.c */
#ifndef XTCP_TCB_ACK_H
#define XTCP_TCB_ACK_H

#include <linux/types.h>

#include "net/seq.h"

/* Pending ACK. */
#define XTCP_ACK_PENDING	0x01	/* there is one */
#define XTCP_ACK_NOW		0x02	/* it must be sent at once */
#define XTCP_ACK_SOON		0x04	/* it waits for the program's next call */
#define XTCP_ACK_WHEN_READ	0x08	/* it waits until all data has been read */
#define XTCP_ACK_ALSO_PINGPONG	0x10	/* the same, though the program answers */

/**
 * struct xtcp_ack - when to acknowledge, RFC 9293 3.8.6.3
 * @pending: XTCP_ACK_*
 * @quickack: number of ACKs still to be sent at once
 * @ato_ms: delayed ACK timeout; 0: no payload has arrived yet
 * @merged: duplicate ACKs that the next one will replace
 * @rcv_mss: largest segment received recently, payload bytes
 * @dups: duplicate ACKs sent separately while RCV.NXT was @dup_seq
 * @pingpong: the program answers: ACKs are sent with data
 * @eager: TCP_QUICKACK is on: ACKs don't wait for the program
 * @dup_seq: RCV.NXT to which @dups applies
 * @last_payload_ms: arrival of the last payload, low 32 bits of ms; valid if
 *	@ato_ms is not 0
 */
struct xtcp_ack {
	u8	pending;
	u8	quickack;
	u8	ato_ms;
	u8	merged;
	u16	rcv_mss;
	u8	dups;
	u8	pingpong:1,
		eager:1;
	seq_t	dup_seq;
	u32	last_payload_ms;
};

#endif /* XTCP_TCB_ACK_H */
