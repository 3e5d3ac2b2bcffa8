/* SPDX-License-Identifier: GPL-2.0 */
/* sockopt.h - the part of the TCB that belongs to user/sockopt.c */
#ifndef XTCP_TCB_SOCKOPT_H
#define XTCP_TCB_SOCKOPT_H

#include <linux/types.h>

/**
 * struct xtcp_sockopt - options that the program has set
 * @user_timeout_ms: TCP_USER_TIMEOUT
 * @notsent_lowat: TCP_NOTSENT_LOWAT, bytes
 * @keep_idle_s: TCP_KEEPIDLE, seconds
 * @keep_intvl_s: TCP_KEEPINTVL, seconds
 * @tw_timeout_s: XTCP_TW_TIMEOUT, seconds
 * @user_mss: TCP_MAXSEG, bytes; 0: none
 * @linger2_s: TCP_LINGER2 in seconds; -1: no FIN-WAIT-2 orphan at all
 * @keep_probes: TCP_KEEPCNT
 * @syn_retries: TCP_SYNCNT; of a listener, for SYN-ACKs
 * @defer_accept: TCP_DEFER_ACCEPT: a connection without data stays half-open for
 *	this number of timeouts; 0: off
 * @syncookies: XTCP_SYNCOOKIES + 1
 * @recv_inq: TCP_INQ: recvmsg() returns the number of unread bytes
 *
 * All are 0 in a new socket; that means the knob's value where there is one. They
 * belong to the socket, not to a connection: a child has those of its listener,
 * except for @syncookies, which acceptqueue.c clears.
 */
struct xtcp_sockopt {
	u32	user_timeout_ms;
	u32	notsent_lowat;
	u16	keep_idle_s;
	u16	keep_intvl_s;
	u16	tw_timeout_s;
	u16	user_mss;
	s16	linger2_s;
	u8	keep_probes;
	u8	syn_retries;
	u8	defer_accept;
	u8	syncookies;
	u8	recv_inq:1;
};

#endif /* XTCP_TCB_SOCKOPT_H */
