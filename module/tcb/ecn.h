/* SPDX-License-Identifier: GPL-2.0 */
/* ecn.h - the part of the TCB that belongs to transfer/ecn.c */
#ifndef XTCP_TCB_ECN_H
#define XTCP_TCB_ECN_H

#include <linux/types.h>

/**
 * struct xtcp_ecn - Explicit Congestion Notification, RFC 3168 and RFC 9768
 * @ok: negotiated; in SYN-SENT: offered
 * @cwr: the window was reduced: send CWR with new data
 * @echo: send ECE: CE was received, and no CWR since; if the congestion control has
 *	XTCP_CONGESTION_ECN, the last payload was marked (RFC 8257 3.2)
 * @seen: payload with ECT has arrived; with @accurate: any segment
 * @accurate: it is Accurate ECN; in SYN-SENT: that was offered. @ok is set, too, but @cwr
 *	and @echo are not used. transfer/accecn.c has the state
 */
struct xtcp_ecn {
	u8	ok:1,
		cwr:1,
		echo:1,
		seen:1,
		accurate:1;
};

#endif /* XTCP_TCB_ECN_H */
