/* SPDX-License-Identifier: GPL-2.0 */
/*
 * row.h - fields of a socket that several of procfs, sock_diag and xtcp_kill use
 */
#ifndef XTCP_USER_ROW_H
#define XTCP_USER_ROW_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct sock;
struct xtcp_flow;
struct xtcp_sock;

/* The timer of a row: column "tr" of /proc/net/xtcp, idiag_timer of a message. */
#define XTCP_TR_NONE		0
#define XTCP_TR_RETRANSMIT	1	/* also SYN-ACKs of a half-open record */
#define XTCP_TR_KEEPALIVE	2	/* also an orphan socket in FIN-WAIT-2 */
#define XTCP_TR_RECORD		3	/* lifetime of a TIME-WAIT record */
#define XTCP_TR_PERSIST		4
#define XTCP_TR_DELAYED_ACK	5	/* idiag_timer only, if no other timer runs */

/* Both wires: a request that names none means a connection on either. */
#define XTCP_ROW_WIRES		2
extern const u8 xtcp_row_wires[XTCP_ROW_WIRES];

kuid_t xtcp_row_owner(const struct sock *sk);
u8 xtcp_row_family(const struct xtcp_flow *flow);
int xtcp_row_timer(const struct xtcp_sock *xs, u64 *deadline_ns);
u32 xtcp_row_ms_left(u64 deadline_ns);
void xtcp_row_queues(const struct xtcp_sock *xs, u32 *tx, u32 *rx);

#endif /* XTCP_USER_ROW_H */
