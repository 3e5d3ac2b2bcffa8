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
#define XTCP_ACK_FOR_TWO	0x20	/* it waits for another segment, briefly */
#define XTCP_ACK_NO_SPACE	0x40	/* payload was refused: it announces a window of 0 */
#define XTCP_ACK_BRIEF		(XTCP_ACK_SOON | XTCP_ACK_FOR_TWO)

/**
 * struct xtcp_ack - when to acknowledge, RFC 9293 3.8.6.3
 * @pending: XTCP_ACK_*
 * @quickack: number of ACKs still to be sent at once
 * @dups: duplicate ACKs sent separately while RCV.NXT was @dup_seq, at most 3
 * @ato_ms: delayed ACK timeout; 0: no payload has arrived yet
 * @merged: duplicate ACKs that the next one will replace
 * @rcv_mss: largest segment received recently, payload bytes
 * @answers: the program's answers within the delay, until @pingpong
 * @pingpong: the program answers: ACKs are sent with data
 * @eager: TCP_QUICKACK is on: ACKs don't wait for the program
 * @small_segs: small segments, less full ones, since the program last sent payload, since
 *	the last large write of the peer, or since a wait for a second one failed; stays at
 *	its largest value, 8
 * @stream_fails: such failures in a row; stays at its largest value
 * @dup_seq: RCV.NXT to which @dups applies
 * @last_payload_ms: arrival of the last payload, low 32 bits of ms; while @ato_ms is 0,
 *	none has come, and the time at which the connection began, or 0
 */
struct xtcp_ack {
	u8	pending;
	u8	quickack:6,
		dups:2;
	u8	ato_ms;
	u8	merged;
	u16	rcv_mss;
	u8	answers;
	u8	pingpong:1,
		eager:1,
		small_segs:4,
		stream_fails:2;
	seq_t	dup_seq;
	u32	last_payload_ms;
};

#endif /* XTCP_TCB_ACK_H */
