/* SPDX-License-Identifier: GPL-2.0 */
/* mtuprobe.h - the part of the TCB that belongs to transfer/mtuprobe.c */
#ifndef XTCP_TCB_MTUPROBE_H
#define XTCP_TCB_MTUPROBE_H

#include <linux/types.h>

#include "net/seq.h"

/**
 * struct xtcp_mtu_search - packetization layer path MTU discovery, RFC 4821
 * @probe_end: after the last byte of the probe in flight
 * @low: largest size known to pass; sizes are bytes of payload and options
 * @high: upper end of the search
 * @probe: size of the probe in flight; 0: none
 * @searched: a search is in progress
 * @fragmented: xtcp_min_snd_mss is more than the path's MTU allows: IP divides a full segment
 */
struct xtcp_mtu_search {
	seq_t	probe_end;
	u16	low;
	u16	high;
	u16	probe;
	u8	searched:1,
		fragmented:1;
};

#endif /* XTCP_TCB_MTUPROBE_H */
