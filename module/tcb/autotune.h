/* SPDX-License-Identifier: GPL-2.0 */
/* autotune.h - the part of the TCB that belongs to transfer/autotune.c */
#ifndef XTCP_TCB_AUTOTUNE_H
#define XTCP_TCB_AUTOTUNE_H

#include <linux/types.h>

#include "net/seq.h"

/**
 * struct xtcp_autotune - what sizes the receive buffer; times in 1024 ns
 * @rtt: the receiver's round trip time, times 8; 0: no sample yet
 * @rtt_seq: RCV.NXT at which the window advertised at @rtt_tick is used
 * @rtt_tick: start of the current measurement
 * @rtt_echo: TSecr of the last measurement by timestamps
 * @read_per_rtt: bytes that the program read in a round trip; 0: none yet
 * @read_seq: sequence number at which counting began
 * @read_tick: time at which it began
 */
struct xtcp_autotune {
	u32	rtt;
	seq_t	rtt_seq;
	u32	rtt_tick;
	u32	rtt_echo;
	u32	read_per_rtt;
	seq_t	read_seq;
	u32	read_tick;
};

#endif /* XTCP_TCB_AUTOTUNE_H */
