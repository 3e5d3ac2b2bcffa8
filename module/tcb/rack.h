/* SPDX-License-Identifier: GPL-2.0 */
/* rack.h - the part of the TCB that belongs to transfer/rack.c */
#ifndef XTCP_TCB_RACK_H
#define XTCP_TCB_RACK_H

#include <linux/types.h>

#include "net/seq.h"

/* Recoveries for which RACK's wider reordering window lasts, RFC 8985 6.2. */
#define XTCP_RACK_PERSIST	16U

/**
 * struct xtcp_rack - loss detection by time, RFC 8985
 * @sent_ns: RACK.xmit_ts; 0: nothing was delivered yet
 * @end: RACK.end_seq
 * @round: SND.NXT when the reordering window was last widened; then SND.UNA
 * @rtt_us: RACK.rtt; of a flight that has shown delays (undo.absolved) the longest one
 * @steps: size of that window in quarters of the minimum RTT
 * @persist: number of recoveries for which it keeps that size
 * @advanced: data was delivered since the last search for losses
 * @dsack: a D-SACK requests a wider window
 * @min_guessed: the minimum RTT is that of a SACKed segment
 */
struct xtcp_rack {
	u64	sent_ns;
	seq_t	end;
	seq_t	round;
	u32	rtt_us;
	u8	steps;
	u8	persist;
	u8	advanced:1,
		dsack:1,
		min_guessed:1;
};

#endif /* XTCP_TCB_RACK_H */
