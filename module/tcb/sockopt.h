/* SPDX-License-Identifier: GPL-2.0 */
/* sockopt.h - the part of the TCB that belongs to user/sockopt.c */
#ifndef XTCP_TCB_SOCKOPT_H
#define XTCP_TCB_SOCKOPT_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "tcb/accecn.h"

struct xtcp_savedsyn;

/**
 * struct xtcp_sockopt_rare - options that few sockets set, and state that few connections
 * have, rare.c
 * @tx_delay_us: TCP_TX_DELAY, microseconds
 * @rto_min_us: TCP_RTO_MIN_US, microseconds
 * @rto_max_ms: TCP_RTO_MAX_MS, milliseconds
 * @delack_max_us: TCP_DELACK_MAX_US, microseconds
 * @tw_timeout_s: XTCP_TW_TIMEOUT, seconds
 * @linger2_s: TCP_LINGER2 in seconds; -1: no FIN-WAIT-2 orphan at all
 * @syn_retries: TCP_SYNCNT; of a listener, for SYN-ACKs
 * @defer_accept: TCP_DEFER_ACCEPT: a connection without data stays half-open for
 *	this number of timeouts; 0: off
 * @syncookies: XTCP_SYNCOOKIES + 1
 * @saved_syn: TCP_SAVED_SYN: the peer's SYN, or NULL; socket lock
 * @accecn: Accurate ECN of a connection that has offered or negotiated it; socket lock
 * @rcu: to free it
 *
 * All are 0 in a new socket; that means the knob's value where there is one. They
 * belong to the socket, not to a connection: a child has a copy of its listener's,
 * except for @syncookies, @defer_accept, @saved_syn and @accecn.
 */
struct xtcp_sockopt_rare {
	u32	tx_delay_us;
	u32	rto_min_us;
	u32	rto_max_ms;
	u32	delack_max_us;
	u16	tw_timeout_s;
	s16	linger2_s;
	u8	syn_retries;
	u8	defer_accept;
	u8	syncookies;
	struct xtcp_savedsyn *saved_syn;
	struct xtcp_accecn accecn;
	struct rcu_head rcu;
};

/**
 * struct xtcp_sockopt - options that the program has set, or may not set
 * @rare: options that few sockets set; NULL: none. It is set once
 * @user_timeout_ms: TCP_USER_TIMEOUT
 * @notsent_lowat: TCP_NOTSENT_LOWAT, bytes
 * @keep_idle_s: TCP_KEEPIDLE, seconds
 * @keep_intvl_s: TCP_KEEPINTVL, seconds
 * @user_mss: TCP_MAXSEG, bytes; 0: none
 * @keep_probes: TCP_KEEPCNT
 * @recv_inq: TCP_INQ: recvmsg() returns the number of unread bytes
 * @thin_linear: TCP_THIN_LINEAR_TIMEOUTS
 * @save_syn: TCP_SAVE_SYN of a listener: 0 off, 1 from IP's header on, 2 with the link
 *	layer's header
 * @fastopen_connect: TCP_FASTOPEN_CONNECT: connect() lets the first write send the SYN
 * @fastopen_no_cookie: TCP_FASTOPEN_NO_COOKIE
 * @congestion_chosen: TCP_CONGESTION has set xs->congestion, which is not the knob's
 * @congestion_locked: the route has chosen xs->congestion when the connection began, and has
 *	"congctl lock": TCP_CONGESTION is refused
 *
 * As struct xtcp_sockopt_rare.
 */
struct xtcp_sockopt {
	struct xtcp_sockopt_rare *rare;
	u32	user_timeout_ms;
	u32	notsent_lowat;
	u16	keep_idle_s;
	u16	keep_intvl_s;
	u16	user_mss;
	u8	keep_probes;
	u8	recv_inq:1,
		thin_linear:1,
		save_syn:2,
		fastopen_connect:1,
		fastopen_no_cookie:1,
		congestion_chosen:1,
		congestion_locked:1;
};

/* A field of a connection's rare options; 0: not set. The socket need not be locked. */
#define XTCP_SOCKOPT_RARE(xs, field) ({					\
	const struct xtcp_sockopt_rare *__rare =			\
		READ_ONCE((xs)->sockopt.rare);				\
									\
	unlikely(__rare) ? READ_ONCE((*__rare).field) : 0;		\
})

#endif /* XTCP_TCB_SOCKOPT_H */
