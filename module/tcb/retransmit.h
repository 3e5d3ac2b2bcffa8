/* SPDX-License-Identifier: GPL-2.0 */
/* retransmit.h - the part of the TCB that belongs to transfer/retransmit.c */
#ifndef XTCP_TCB_RETRANSMIT_H
#define XTCP_TCB_RETRANSMIT_H

#include <linux/types.h>

/* What is done when XTCP_TIMER_RETRANSMIT passes; deadlines.h. */
enum xtcp_wait {
	XTCP_WAIT_TIMEOUT,	/* RFC 6298 */
	XTCP_WAIT_USER,		/* TCP_USER_TIMEOUT, before that timeout */
	XTCP_WAIT_LOSS_PROBE,	/* RFC 8985 7 */
	XTCP_WAIT_REORDER,	/* RFC 8985 6.2, step 5 */
};

/**
 * struct xtcp_retransmit - retransmission timeouts
 * @rto_ms: total time of recoveries by timeout in ms; while @rto_timed, less the
 *	clock's value when the current one began
 * @timeouts: number of retransmission timeouts
 * @timeout_runs: of them, first ones of a series
 * @rehashes: changes of the flow hash by timeouts and load balancing
 * @in_row: timeouts in a row without progress
 * @waiting: enum xtcp_wait; set by deadlines.h, and by timers.c where a connection
 *	begins or ends
 * @rto_timed: a recovery by timeout is in progress
 * @refused: a queue of this host has dropped a segment since the timer of a probe expired
 * @probed: the window was closed when that timer expired last
 * @attempted: that timer has expired since the wait for a window began
 * @brief: the deadline of XTCP_TIMER_RETRANSMIT is perhaps not an RTO after the last attempt, but
 *	sooner
 */
struct xtcp_retransmit {
	u32	rto_ms;
	u16	timeouts;
	u16	timeout_runs;
	u16	rehashes;
	u8	in_row;
	u8	waiting:2,
		rto_timed:1,
		refused:1,
		probed:1,
		attempted:1,
		brief:1;
};

#endif /* XTCP_TCB_RETRANSMIT_H */
