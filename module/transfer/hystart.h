/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hystart.h - leave slow start before it overruns the path, RFC 9406
 */
#ifndef XTCP_TRANSFER_HYSTART_H
#define XTCP_TRANSFER_HYSTART_H

#include <linux/types.h>

#include "net/seq.h"

struct xtcp_sock;

/**
 * struct xtcp_hystart - the rounds of a slow start
 * @round_end: SND.NXT when the round began: it ends when that is acknowledged
 * @min_us: smallest RTT of this round, @last_min_us of the one before; U32_MAX:
 *	none
 * @css_base_us: RTT that made the start conservative; a smaller one undoes that
 * @samples: RTTs measured in this round, saturating
 * @css_round: rounds of conservative slow start begun; 0: not in it
 * @growth: segments acknowledged in it that have not yet opened the window
 */
struct xtcp_hystart {
	seq_t	round_end;
	u32	min_us;
	u32	last_min_us;
	u32	css_base_us;
	u8	samples;
	u8	css_round;
	u8	growth;
};

void xtcp_hystart_init(struct xtcp_hystart *hs, const struct xtcp_sock *xs);
void xtcp_hystart_rtt(struct xtcp_hystart *hs, struct xtcp_sock *xs, u32 rtt_us);
u32 xtcp_hystart_growth(struct xtcp_hystart *hs, u32 segs);

#endif /* XTCP_TRANSFER_HYSTART_H */
