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
 * @round_end: SND.NXT when the round began; its acknowledgment ends the round
 * @min_us: smallest RTT of this round; U32_MAX if there is none
 * @last_min_us: smallest RTT of the round before; U32_MAX if there is none
 * @css_base_us: RTT at which CSS began; a smaller RTT ends CSS
 * @samples: RTTs measured in this round, saturating
 * @css_round: rounds of CSS begun; 0 outside of CSS
 * @growth: segments acknowledged in CSS that have not opened the window yet
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
