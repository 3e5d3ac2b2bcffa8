/* SPDX-License-Identifier: GPL-2.0 */
/* urgent.h - the part of the TCB that belongs to transfer/urgent.c */
#ifndef XTCP_TCB_URGENT_H
#define XTCP_TCB_URGENT_H

#include <linux/types.h>

#include "net/seq.h"

/* The peer's urgent byte. */
enum xtcp_urgent_state {
	XTCP_URGENT_NONE,	/* none, or the program has read beyond it */
	XTCP_URGENT_AWAITED,	/* the pointer has arrived, the byte has not */
	XTCP_URGENT_HERE,	/* may be read with MSG_OOB */
	XTCP_URGENT_READ,	/* read, but the stream is read only before it */
};

/**
 * struct xtcp_urgent - urgent data, RFC 9293 3.8.5
 * @snd_up: SND.UP: after our urgent byte, if @sending
 * @seq: sequence number of the peer's urgent byte, if @state; RCV.UP - 1
 * @state: enum xtcp_urgent_state
 * @byte: the peer's urgent byte, once it has arrived
 * @sending: our urgent byte is not acknowledged yet
 */
struct xtcp_urgent {
	seq_t	snd_up;
	seq_t	seq;
	u8	state;
	u8	byte;
	u8	sending:1;
};

#endif /* XTCP_TCB_URGENT_H */
