/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lifecycle.h - the lifecycle table: all changes of a connection's state
 *
 * All code reports events of a connection here; the table in lifecycle.c gives the
 * next state. See Documentation/lifecycle.rst.
 */
#ifndef XTCP_LIFECYCLE_H
#define XTCP_LIFECYCLE_H

#include <linux/types.h>
#include <net/tcp_states.h>

struct net;
struct sock;
struct xtcp_flow;

/*
 * RFC 9293 3.3.2. Numbers are the kernel's own, so that sk->sk_state, /proc
 * and the inet_sock_set_state tracepoint read as they do for TCP.
 */
enum xtcp_state {
	XTCP_ESTABLISHED	= TCP_ESTABLISHED,
	XTCP_SYN_SENT		= TCP_SYN_SENT,
	XTCP_SYN_RECEIVED	= TCP_SYN_RECV,		/* a socket */
	XTCP_FIN_WAIT_1		= TCP_FIN_WAIT1,
	XTCP_FIN_WAIT_2		= TCP_FIN_WAIT2,
	XTCP_TIME_WAIT		= TCP_TIME_WAIT,
	XTCP_CLOSED		= TCP_CLOSE,
	XTCP_CLOSE_WAIT		= TCP_CLOSE_WAIT,
	XTCP_LAST_ACK		= TCP_LAST_ACK,
	XTCP_LISTEN		= TCP_LISTEN,
	XTCP_CLOSING		= TCP_CLOSING,
	XTCP_HALF_OPEN		= TCP_NEW_SYN_RECV,	/* SYN-RECEIVED, a record */
	XTCP_ORPHAN_FIN_WAIT_2	= 14,			/* FIN-WAIT-2, a record */
	XTCP_STATES
};

#define XTCP_STATEF(state)	(1U << (state))

#define XTCP_UNCONNECTED	(XTCP_STATEF(XTCP_CLOSED) | XTCP_STATEF(XTCP_LISTEN))

/* A socket whose SYN, or SYN-ACK, is not acknowledged yet. */
#define XTCP_OPENING		(XTCP_STATEF(XTCP_SYN_SENT) | XTCP_STATEF(XTCP_SYN_RECEIVED))

/* Synchronized states in the sense of RFC 9293 3.10.7.4. */
#define XTCP_SYNCHRONIZED \
	(XTCP_STATEF(XTCP_ESTABLISHED) | XTCP_STATEF(XTCP_FIN_WAIT_1) | \
	 XTCP_STATEF(XTCP_FIN_WAIT_2) | XTCP_STATEF(XTCP_CLOSE_WAIT) | \
	 XTCP_STATEF(XTCP_CLOSING) | XTCP_STATEF(XTCP_LAST_ACK))

/*
 * States in which payload or FIN may be sent. In SYN-RECEIVED only the child of a fast open
 * can have some.
 */
#define XTCP_SENDING_STATES	(XTCP_SYNCHRONIZED | XTCP_STATEF(XTCP_SYN_RECEIVED))

/*
 * User calls (RFC 9293 3.9.1), arriving segments (3.10.7) as the checks there
 * tell them apart, and timeouts (3.10.8). X(symbol, spelling in /proc).
 */
#define XTCP_EVENTS(X) \
	X(PASSIVE_OPEN,		"passive-OPEN") \
	X(ACTIVE_OPEN,		"active-OPEN") \
	X(SEND,			"SEND") \
	X(RECEIVE,		"RECEIVE") \
	X(SHUTDOWN_SEND,	"SHUTDOWN-SEND") \
	X(SHUTDOWN_RECEIVE,	"SHUTDOWN-RECEIVE") \
	X(CLOSE,		"CLOSE") \
	X(ABORT,		"ABORT") \
	X(KILL,			"KILL") \
	X(RCV_SYN,		"rcv-SYN") \
	X(RCV_SYN_IN_WINDOW,	"rcv-SYN-in-window") \
	X(RCV_FAST_OPEN,	"rcv-fast-open") \
	X(RCV_BAD_FLAGS,	"rcv-bad-flags") \
	X(RCV_SYN_ACK,		"rcv-SYN,ACK") \
	X(RCV_BAD_SYN_ACK,	"rcv-bad-SYN,ACK") \
	X(RCV_ACK,		"rcv-ACK") \
	X(RCV_ACK_OF_SYN,	"rcv-ACK-of-SYN") \
	X(RCV_ACK_OF_FIN,	"rcv-ACK-of-FIN") \
	X(RCV_ACK_ABOVE,	"rcv-ACK-above-SND.NXT") \
	X(RCV_ACK_BELOW,	"rcv-ACK-below-window") \
	X(RCV_TEXT,		"rcv-text") \
	X(RCV_TEXT_OUT_OF_ORDER, "rcv-text-out-of-order") \
	X(RCV_OUTSIDE,		"rcv-outside-window") \
	X(RCV_TEXT_AFTER_CLOSE,	"rcv-text-after-CLOSE") \
	X(RCV_FIN,		"rcv-FIN") \
	X(RCV_FIN_OUT_OF_ORDER,	"rcv-FIN-out-of-order") \
	X(RCV_RST,		"rcv-RST") \
	X(RCV_RST_IN_WINDOW,	"rcv-RST-in-window") \
	X(RCV_RST_IGNORED,	"rcv-RST-ignored") \
	X(RCV_RST_OUTSIDE,	"rcv-RST-outside-window") \
	X(RETRANSMISSION_TIMEOUT, "RETRANSMISSION-TIMEOUT") \
	X(RETRANSMISSION_GIVE_UP, "RETRANSMISSION-GIVE-UP") \
	X(PERSIST_TIMEOUT,	"PERSIST-TIMEOUT") \
	X(KEEPALIVE_TIMEOUT,	"KEEPALIVE-TIMEOUT") \
	X(KEEPALIVE_GIVE_UP,	"KEEPALIVE-GIVE-UP") \
	X(FIN_WAIT_2_TIMEOUT,	"FIN-WAIT-2-TIMEOUT") \
	X(ORPHAN_RECORD,	"ORPHAN-RECORD") \
	X(TIME_WAIT_TIMEOUT,	"TIME-WAIT-TIMEOUT") \
	X(DELAYED_ACK_TIMEOUT,	"DELAYED-ACK-TIMEOUT") \
	X(USER_TIMEOUT,		"USER-TIMEOUT") \
	X(ICMP_HARD,		"ICMP-hard-error") \
	X(ICMP_SOFT,		"ICMP-soft-error") \
	X(ICMP_SOFT_NOTED,	"ICMP-soft-error-noted") \
	X(ICMP_TOO_BIG,		"ICMP-too-big") \
	X(MEMORY_PRESSURE,	"MEMORY-PRESSURE") \
	X(NO_MEMORY,		"NO-MEMORY") \
	X(TIME_WAIT_FULL,	"TIME-WAIT-FULL") \
	X(TIME_WAIT_TOKEN,	"TIME-WAIT-TOKEN") \
	X(TIME_WAIT_REUSE,	"TIME-WAIT-REUSE")

enum xtcp_event {
#define X(symbol, name) XTCP_EV_##symbol,
	XTCP_EVENTS(X)
#undef X
	XTCP_EVENTS_NR
};

extern u16 xtcp_lifecycle_histograms;
extern u16 xtcp_lifecycle_stays[XTCP_STATES][XTCP_EVENTS_NR];

int xtcp_lifecycle_init(void);
int xtcp_lifecycle_net_init(struct net *net);
void xtcp_lifecycle_net_exit(struct net *net);

void xtcp_lifecycle_born(struct xtcp_flow *flow, enum xtcp_state state);
void xtcp_lifecycle_gone(struct xtcp_flow *flow);
enum xtcp_state xtcp_lifecycle_event(struct net *net, struct xtcp_flow *flow,
				     enum xtcp_event event);
enum xtcp_state xtcp_lifecycle_sk(struct sock *sk, enum xtcp_event event);
void xtcp_lifecycle_none(struct net *net, enum xtcp_event event);
void xtcp_lifecycle_listener(struct net *net, enum xtcp_event event);
void xtcp_lifecycle_move(struct xtcp_flow *to, struct xtcp_flow *from);

/**
 * struct xtcp_lifecycle_row - one row of the table as /proc shows it
 * @from: state before; NULL: the row is shown under another one
 * @event: event
 * @to: state after
 * @count: how often it was taken
 * @dwelt: number of its histogram; 0: none
 * @secret: shown to CAP_NET_ADMIN only, because the count tells a sender of forged segments
 *	whether their numbers are too high or too low
 */
struct xtcp_lifecycle_row {
	const char	*from;
	const char	*event;
	const char	*to;
	u64		count;
	unsigned int	dwelt;
	bool		secret;
};

unsigned int xtcp_lifecycle_rows(void);
s64 xtcp_lifecycle_population(const struct net *net, enum xtcp_state state);
bool xtcp_lifecycle_row_get(struct net *net, unsigned int i,
			    struct xtcp_lifecycle_row *row);
const char *xtcp_state_name(enum xtcp_state state);
const char *xtcp_event_name(enum xtcp_event event);

#endif /* XTCP_LIFECYCLE_H */
