/* SPDX-License-Identifier: GPL-2.0 */
/* meter.h - the parts of the TCB that belong to transfer/meter.c */
#ifndef XTCP_TCB_METER_H
#define XTCP_TCB_METER_H

#include <linux/types.h>

/**
 * struct xtcp_meter - statistics for TCP_INFO that share memory with other fields
 * @spent: time by what limited the sender, in 2^20 ns
 * @rate: last delivery rate, bytes per second: 11 bits of mantissa and, above
 *	them, 5 bits of exponent
 * @round_delivered: xs->delivered at the start of the current round trip, low
 *	16 bits
 */
struct xtcp_meter {
	u32	spent[3];
	u16	rate;
	u16	round_delivered;
};

/**
 * struct xtcp_measured - statistics for TCP_INFO that are always valid
 * @round: start of the current round trip, in 2^10 ns
 * @limited: the program had no more data during the last measurement of the rate
 * @held: enum xtcp_held
 * @since: time up to which xtcp_meter's @spent is complete, in 2^20 ns, low 29 bits
 */
struct xtcp_measured {
	u32	round;
	u32	limited:1,
		held:2,
		since:29;
};

#endif /* XTCP_TCB_METER_H */
