/* SPDX-License-Identifier: GPL-2.0 */
/* accecn.h - the part of a connection that belongs to transfer/accecn.c */
#ifndef XTCP_TCB_ACCECN_H
#define XTCP_TCB_ACCECN_H

#include <linux/types.h>

/* Number of ECN codepoints with a counter of bytes: ECT(1), ECT(0), CE. */
#define XTCP_ACCECN_COUNTS	3

/**
 * struct xtcp_accecn - Accurate ECN, RFC 9768
 * @option_ns: when an option was last sent, CLOCK_MONOTONIC; 0: never
 * @received_ce: segments with CE that have arrived (r.cep less its first value)
 * @received_bytes: bytes of payload that have arrived, by codepoint less one
 * @delivered_bytes: the same at the peer, as its options say
 * @acked_mean: mean number of segments that an ACK newly acknowledges, 64ths; 0: none
 * @unsent: of @received_ce, not reported yet; saturating
 * @fail_mode: TCP_ACCECN_ACE_FAIL_SEND and so on, what does not pass the path
 * @option_seen: TCP_ACCECN_OPT_NOT_SEEN and so on
 * @syn_received: codepoint with which the peer's SYN or SYN-ACK arrived
 * @last: codepoint of the last segment
 * @mostly: codepoint whose bytes alone the last option has changed; 0: unclear. ACKs
 *	without an option are taken to count such bytes
 * @demand: segments that are to carry an option
 * @changed: number of fields that the next option must have, so that none of the
 *	counters that have changed is left out
 * @with_dsack: the last segment had an option and a D-SACK
 * @reflect: the next pure ACK answers a SYN-ACK: it reports @syn_received
 * @ts_newer: the segment that is being processed has a newer timestamp
 *
 * Guarded by the socket lock. Only connections that have offered or negotiated Accurate
 * ECN have one, in their rare options.
 */
struct xtcp_accecn {
	u64	option_ns;
	u32	received_ce;
	u32	received_bytes[XTCP_ACCECN_COUNTS];
	u32	delivered_bytes[XTCP_ACCECN_COUNTS];
	u16	acked_mean;
	u8	unsent;
	u8	fail_mode:4,
		option_seen:2,
		syn_received:2;
	u8	last:2,
		mostly:2,
		demand:2,
		changed:2;
	u8	with_dsack:1,
		reflect:1,
		ts_newer:1;
};

#endif /* XTCP_TCB_ACCECN_H */
