/* SPDX-License-Identifier: GPL-2.0 */
/*
 * recorder.h - the flight recorder: the last events of a connection, its obituary
 *
 * While net.ipv4.xtcp_recorder is not 0, lifecycle.c reports the events of each
 * socket's connection here. A connection that ends gets an obituary, which
 * user/dead.c shows in /proc/net/xtcp_dead.
 */
#ifndef XTCP_OBSERVE_RECORDER_H
#define XTCP_OBSERVE_RECORDER_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/jump_label_ratelimit.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <net/net_debug.h>
#include <net/sock.h>

#include "flow.h"
#include "lifecycle.h"
#include "observe/stats.h"
#include "tcb.h"

struct net;
struct sock;
struct xtcp_net;

/* Values of the knob. */
enum xtcp_recorder_mode {
	XTCP_RECORDER_OFF,
	XTCP_RECORDER_BAD,	/* an obituary unless both ends closed in order */
	XTCP_RECORDER_ALL,	/* an obituary for each connection */
	XTCP_RECORDER_MODES,
	XTCP_RECORDER_NEVER = XTCP_RECORDER_MODES
};

/* Events that make a row although the state stays. */
#define XTCP_RECORDER_RARE \
	(BIT_ULL(XTCP_EV_RCV_SYN) | BIT_ULL(XTCP_EV_RCV_SYN_ACK) | \
	 BIT_ULL(XTCP_EV_RCV_BAD_SYN_ACK) | BIT_ULL(XTCP_EV_RCV_BAD_FLAGS) | \
	 BIT_ULL(XTCP_EV_RCV_ACK_ABOVE) | BIT_ULL(XTCP_EV_RCV_ACK_BELOW) | \
	 BIT_ULL(XTCP_EV_RCV_OUTSIDE) | BIT_ULL(XTCP_EV_RCV_RST_IN_WINDOW) | \
	 BIT_ULL(XTCP_EV_RCV_RST_OUTSIDE) | \
	 BIT_ULL(XTCP_EV_RETRANSMISSION_TIMEOUT) | \
	 BIT_ULL(XTCP_EV_PERSIST_TIMEOUT) | BIT_ULL(XTCP_EV_KEEPALIVE_TIMEOUT) | \
	 BIT_ULL(XTCP_EV_DELAYED_ACK_TIMEOUT) | \
	 BIT_ULL(XTCP_EV_ICMP_HARD) | BIT_ULL(XTCP_EV_ICMP_SOFT) | \
	 BIT_ULL(XTCP_EV_ICMP_SOFT_NOTED) | BIT_ULL(XTCP_EV_ICMP_TOO_BIG) | \
	 BIT_ULL(XTCP_EV_MEMORY_PRESSURE))

static_assert(XTCP_EVENTS_NR <= 64);

/* The connection ends as both ends want it, or a record continues it. */
#define XTCP_RECORDER_IN_ORDER(from, event, to) \
	((to) == XTCP_TIME_WAIT || (to) == XTCP_ORPHAN_FIN_WAIT_2 || \
	 (from) == XTCP_TIME_WAIT || (from) == XTCP_ORPHAN_FIN_WAIT_2 || \
	 ((to) == XTCP_CLOSED && (event) == XTCP_EV_RCV_ACK_OF_FIN))

/*
 * The lowest mode that records a row of the lifecycle table. An orderly end has no reader
 * but in XTCP_RECORDER_ALL; a listener and a socket without a connection have no record.
 */
#define XTCP_RECORDER_FROM_MODE(from, event, to) \
	((from) == XTCP_LISTEN || (to) == XTCP_LISTEN ? XTCP_RECORDER_NEVER : \
	 (from) == (to) ? \
	 ((from) != XTCP_CLOSED && (XTCP_RECORDER_RARE & BIT_ULL(event)) ? \
	  XTCP_RECORDER_BAD : XTCP_RECORDER_NEVER) : \
	 XTCP_RECORDER_IN_ORDER(from, event, to) ? XTCP_RECORDER_ALL : \
	 XTCP_RECORDER_BAD)

#define XTCP_RECORDER_ROWS	16	/* power of two */

/* Bytes of xtcp_recorder_rows_print(), at the most. */
#define XTCP_RECORDER_TEXT	2304

/* Timers whose expiries are counted. */
enum xtcp_recorder_timer {
	XTCP_FIRED_RETRANSMISSION,
	XTCP_FIRED_PERSIST,
	XTCP_FIRED_KEEPALIVE,
	XTCP_FIRED_DELAYED_ACK,
	XTCP_FIRED
};

/**
 * struct xtcp_recorder_row - one event, or the same one several times in a state
 * @ns: when it came, the last time; CLOCK_MONOTONIC
 * @times: how often
 * @event: enum xtcp_event
 * @from: enum xtcp_state before
 * @to: enum xtcp_state after
 * @cause: XTCP_MIB_RESET_* of the RST that was sent or received; 0: none
 */
struct xtcp_recorder_row {
	u64	ns;
	u32	times;
	u8	event;
	u8	from;
	u8	to;
	u8	cause;
};

static_assert(XTCP_MIB_NR <= U8_MAX);
static_assert(sizeof(struct xtcp_recorder_row) <= 24);

/**
 * struct xtcp_recorder - the last events of a connection; socket lock
 * @born_ns: when the record began, CLOCK_MONOTONIC
 * @comm: program that called connect() or listen(); empty: recording began later
 * @rows: number of the row that is next, counted from 0
 * @fired: expiries by enum xtcp_recorder_timer; stop at the maximum
 * @cause: as in struct xtcp_recorder_row, of the latest RST
 * @row: the last ones; the first @rows of them are valid, row @rows modulo their
 *	number is next
 */
struct xtcp_recorder {
	u64	born_ns;
	char	comm[TASK_COMM_LEN];
	u32	rows;
	u16	fired[XTCP_FIRED];
	u8	cause;
	struct xtcp_recorder_row row[XTCP_RECORDER_ROWS];
};

/**
 * struct xtcp_obituary - what is told of a connection that has ended
 * @number: from 1, in the order of the ends
 * @ended_ns: CLOCK_REALTIME
 * @age_ns: since its first event that was recorded
 * @acked: bytes acknowledged by the peer, as in TCP_INFO
 * @received: bytes received in order, as in TCP_INFO
 * @key: both ends and the wire
 * @uid: owner
 * @comm: program that opened it; empty: not known
 * @unacked: bytes that the program wrote and the peer did not acknowledge
 * @srtt_us: smoothed round trip time, us; 0: no sample
 * @cwnd_segs: congestion window, segments
 * @retrans: segments retransmitted
 * @err: positive errno that the program got; 0: none
 * @nr_rows: valid entries of @record.row, oldest first
 * @record: the rows in order, the timers, the reason of a RST
 */
struct xtcp_obituary {
	u64	number;
	u64	ended_ns;
	u64	age_ns;
	u64	acked;
	u64	received;
	struct xtcp_key key;
	kuid_t	uid;
	u32	unacked;
	u32	srtt_us;
	u32	cwnd_segs;
	u32	retrans;
	int	err;
	unsigned int nr_rows;
	struct xtcp_recorder record;
};

/* Counts the namespaces that record. */
extern struct static_key_false_deferred xtcp_recorder_key;

int xtcp_recorder_init(void);
void xtcp_recorder_exit(void);
void xtcp_recorder_net_exit(struct net *net);
int xtcp_recorder_set(struct net *net, u8 mode);

void xtcp_recorder_take(const struct xtcp_net *xn, struct xtcp_flow *flow,
			u8 from, enum xtcp_event event, u8 to);
void xtcp_recorder_take_reset(struct sock *sk, u8 cause);
void xtcp_recorder_stop(struct sock *sk, int err);

bool xtcp_recorder_read(struct net *net, u64 number, struct xtcp_obituary *o);
void xtcp_recorder_clear(struct net *net);
int xtcp_recorder_rows_print(const struct xtcp_obituary *o, char *buf, size_t size);

/**
 * xtcp_obituary_last - the event that ended a connection
 * @o: obituary
 *
 * Return: the last row.
 */
static inline const struct xtcp_recorder_row *
xtcp_obituary_last(const struct xtcp_obituary *o)
{
	return &o->record.row[o->nr_rows - 1];
}

/**
 * xtcp_obituary_reset - name of the reason of a RST
 * @cause: XTCP_MIB_RESET_*; 0: none
 *
 * Return: name of the counter of that reason, or "-".
 */
static inline const char *xtcp_obituary_reset(u8 cause)
{
	return cause ? xtcp_stats_name(cause) : "-";
}

/**
 * xtcp_recorder_event - a connection received an event
 * @xn: its namespace
 * @flow: connection; a socket's is locked
 * @from: state before
 * @event: event
 * @to: state after
 * @mode: the lowest that records this, XTCP_RECORDER_FROM_MODE()
 *
 * No instruction but a no-op while no namespace records.
 */
static __always_inline void xtcp_recorder_event(const struct xtcp_net *xn,
						struct xtcp_flow *flow, u8 from,
						enum xtcp_event event, u8 to,
						u8 mode)
{
	if (static_branch_unlikely(&xtcp_recorder_key.key) &&
	    READ_ONCE(xn->knobs.recorder) >= mode &&
	    flow->kind == XTCP_KIND_SOCKET)
		xtcp_recorder_take(xn, flow, from, event, to);
}

/**
 * xtcp_recorder_reset - a RST for a connection was sent or accepted
 * @sk: socket, locked; not a listener
 * @cause: XTCP_MIB_RESET_*
 */
static inline void xtcp_recorder_reset(struct sock *sk, u8 cause)
{
	if (static_branch_unlikely(&xtcp_recorder_key.key))
		xtcp_recorder_take_reset(sk, cause);
}

/* The last events, or NULL; the queues of a listener, and of a former one, are not these. */
static inline struct xtcp_recorder *xtcp_recorder_of(const struct xtcp_sock *xs)
{
	DEBUG_NET_WARN_ON_ONCE(xs->recorder && sock_flag(&xs->inet.sk, SOCK_RCU_FREE));
	return xs->recorder;
}

/**
 * xtcp_recorder_end - a connection has ended, or goes on as a record
 * @sk: socket, locked, no longer a listener
 * @err: positive errno for the program; 0: none
 */
static inline void xtcp_recorder_end(struct sock *sk, int err)
{
	if (unlikely(xtcp_recorder_of(xtcp_sk(sk))))
		xtcp_recorder_stop(sk, err);
}

#endif /* XTCP_OBSERVE_RECORDER_H */
