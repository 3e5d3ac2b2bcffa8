/* SPDX-License-Identifier: GPL-2.0 */
/* rtt.h - the part of the TCB that belongs to transfer/rtt.c */
#ifndef XTCP_TCB_RTT_H
#define XTCP_TCB_RTT_H

#include <linux/types.h>

#include "net/seq.h"

/**
 * struct xtcp_rtt - round trip time and timeout, RFC 6298; microseconds
 * @srtt_us: smoothed, times 8; 0: no sample yet
 * @mdev_us: mean deviation of the samples, times 4
 * @mdev_max_us: largest @mdev_us of this round trip, at least the knob rto_min_us
 * @rttvar_us: variance, times 4 (so that RTO = SRTT + this): follows @mdev_max_us up
 *	at once, and down by a quarter of the difference each round trip
 * @round_end: SND.NXT at the end of the last round trip; the current one ends when
 *	an ACK is above it
 * @rto_us: timeout in force, backed off
 * @min_us: minimum RTT since @min_ms; U32_MAX: none
 * @min_last_us: minimum RTT in the period before; U32_MAX: none
 * @min_ms: start of the period of @min_us, low 32 bits of CLOCK_MONOTONIC in ms
 */
struct xtcp_rtt {
	u32	srtt_us;
	u32	mdev_us;
	u32	mdev_max_us;
	u32	rttvar_us;
	seq_t	round_end;
	u32	rto_us;
	u32	min_us;
	u32	min_last_us;
	u32	min_ms;
};

#endif /* XTCP_TCB_RTT_H */
