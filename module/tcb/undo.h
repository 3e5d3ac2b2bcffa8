/* SPDX-License-Identifier: GPL-2.0 */
/* undo.h - the part of the TCB that belongs to transfer/undo.c */
#ifndef XTCP_TCB_UNDO_H
#define XTCP_TCB_UNDO_H

#include <linux/types.h>

#include "net/seq.h"

/**
 * struct xtcp_undo - what shows whether a reduction was unfounded
 * @seq: SND.UNA when the reduction began; valid if @armed
 * @retrans: segments retransmitted and not reported as duplicates; -1: none was
 *	retransmitted yet
 * @ts: TSval of the first retransmission, if @ts_set
 * @armed: the reduction may be undone
 * @ts_set: @ts is valid
 * @absolved: a partial ACK has undone the losses of this flight
 */
struct xtcp_undo {
	seq_t	seq;
	s32	retrans:29;
	u32	armed:1,
		ts_set:1,
		absolved:1;
	u32	ts;
};

#endif /* XTCP_TCB_UNDO_H */
