/* SPDX-License-Identifier: GPL-2.0 */
/* congestion.h - the congestion window, RFC 5681, and what its algorithm does */
#ifndef XTCP_TRANSFER_CONGESTION_H
#define XTCP_TRANSFER_CONGESTION_H

#include <linux/minmax.h>
#include <linux/types.h>
#include <linux/xtcp_congestion.h>

#include "tcb.h"
#include "transfer/algorithms.h"

struct sk_buff;
struct sock;
struct xtcp_acked;
struct xtcp_sock;

#define XTCP_INIT_CWND	10U		/* segments, RFC 6928 */
#define XTCP_CWND_MAX	(1U << 20)	/* segments; keeps sums in u32 */

/* A connection's algorithm. */
void xtcp_congestion_forget(struct xtcp_sock *xs);
void xtcp_congestion_socket_init(struct xtcp_sock *xs);
void xtcp_congestion_inherit(struct xtcp_sock *xs);
void xtcp_congestion_route(struct sock *sk);
int xtcp_congestion_set(struct sock *sk, const char *name);
void xtcp_congestion_name(const struct xtcp_sock *xs, char *name);
size_t xtcp_congestion_info(struct sock *sk, union tcp_cc_info *info, int *attr);
void xtcp_congestion_end(struct xtcp_sock *xs);
void xtcp_congestion_release(struct xtcp_sock *xs);

/* A connection's window. */
void xtcp_congestion_init(struct sock *sk, bool lossy);
void xtcp_congestion_expect(struct sock *sk);
void xtcp_congestion_sent(struct sock *sk, u32 segs, u64 sent_ns);
void xtcp_congestion_full(struct xtcp_sock *xs);
void xtcp_congestion_acked(struct sock *sk, u32 acked_segs, u32 prior_pipe);
void xtcp_congestion_rtt(struct xtcp_sock *xs, u32 rtt_us);
bool xtcp_congestion_resumed(struct sock *sk, u64 now_ns);

/* Its changes by loss recovery. */
u32 xtcp_congestion_ssthresh_now(const struct xtcp_sock *xs);
void xtcp_congestion_keep_ssthresh(struct xtcp_sock *xs);
void xtcp_congestion_reduce(struct xtcp_sock *xs, u32 flight);
void xtcp_congestion_lost_marked(struct xtcp_sock *xs, u32 flight);
void xtcp_congestion_spread(struct xtcp_sock *xs, u32 pipe, u32 count);
void xtcp_congestion_reduced(struct xtcp_sock *xs);
void xtcp_congestion_timed_out(struct xtcp_sock *xs);
void xtcp_congestion_lost_all(struct xtcp_sock *xs);
void xtcp_congestion_restore(struct xtcp_sock *xs);

/* Its changes by the search for the path's MTU. */
void xtcp_congestion_probe_sent(struct xtcp_sock *xs);
void xtcp_congestion_probe_failed(struct xtcp_sock *xs);
void xtcp_congestion_resize(struct xtcp_sock *xs, u32 before, u32 after);

void __xtcp_congestion_inform(struct sock *sk, const struct xtcp_acked *a);
void __xtcp_congestion_lost(struct xtcp_sock *xs, const struct sk_buff *skb);
void __xtcp_congestion_resent(struct xtcp_sock *xs, u64 sent_ns);
void __xtcp_congestion_wrote(struct sock *sk);

/* Has the connection's algorithm all of these XTCP_CONGESTION_* flags? */
static inline bool xtcp_congestion_has(const struct xtcp_sock *xs, u32 flags)
{
	return static_branch_unlikely(&xtcp_algorithms_extended) &&
	       (READ_ONCE(xs->congestion)->flags & flags) == flags;
}

/* True if the algorithm sets the window itself, in recovery, too. */
static inline bool xtcp_congestion_controls(const struct xtcp_sock *xs)
{
	return xtcp_congestion_has(xs, XTCP_CONGESTION_CONTROLS);
}

/* True if the algorithm sets the pacing rate. */
static inline bool xtcp_congestion_paces(const struct xtcp_sock *xs)
{
	return xtcp_congestion_has(xs, XTCP_CONGESTION_PACES);
}

/*
 * True if the connection uses ECN for its algorithm's sake, which sees each mark. Of a
 * listener: without its lock, in an RCU read-side section.
 */
static inline bool xtcp_congestion_wants_ecn(const struct xtcp_sock *xs)
{
	return xtcp_congestion_has(xs, XTCP_CONGESTION_ECN);
}

/* The same for Accurate ECN. */
static inline bool xtcp_congestion_wants_accurate_ecn(const struct xtcp_sock *xs)
{
	return xtcp_congestion_has(xs, XTCP_CONGESTION_ECN | XTCP_CONGESTION_ECT1);
}

/* True if the algorithm wants delivery rates, and the connection has begun. */
static inline bool xtcp_congestion_measures(const struct xtcp_sock *xs)
{
	return xtcp_congestion_has(xs, XTCP_CONGESTION_RATES) &&
	       xs->congestion_memory;
}

/* True if the algorithm wants to know what each ACK says. */
static inline bool xtcp_congestion_is_informed(const struct xtcp_sock *xs)
{
	return static_branch_unlikely(&xtcp_algorithms_extended) &&
	       xs->congestion->acked;
}

/**
 * xtcp_congestion_lost - a segment, or its retransmission, is believed lost
 * @xs: the connection, locked; xs->lost has it
 * @skb: in flight, with the time of this transmission
 */
static inline void xtcp_congestion_lost(struct xtcp_sock *xs, const struct sk_buff *skb)
{
	if (xtcp_congestion_measures(xs) && xs->congestion->lost)
		__xtcp_congestion_lost(xs, skb);
}

/*
 * xtcp_congestion_end_slow_start(), inlined: as a call it would make each RTT sample of
 * slow start save registers.
 */
static inline void __xtcp_congestion_end_slow_start(struct xtcp_sock *xs)
{
	WRITE_ONCE(xs->ssthresh, xs->cwnd);
}

/**
 * xtcp_congestion_resent - a segment was sent again
 * @xs: the connection, locked
 * @sent_ns: time of transmission
 */
static inline void xtcp_congestion_resent(struct xtcp_sock *xs, u64 sent_ns)
{
	if (xtcp_congestion_measures(xs))
		__xtcp_congestion_resent(xs, sent_ns);
}

/**
 * xtcp_congestion_wrote - the program is about to write
 * @sk: the socket, locked
 */
static inline void xtcp_congestion_wrote(struct sock *sk)
{
	if (xtcp_congestion_measures(xtcp_sk(sk)))
		__xtcp_congestion_wrote(sk);
}

/**
 * xtcp_congestion_pipe - estimate the segments that are in the network
 * @xs: the connection
 *
 * RFC 6675 4, SetPipe(): segments sent that are neither SACKed nor lost, and
 * retransmissions in flight.
 *
 * Return: segments
 */
static inline u32 xtcp_congestion_pipe(const struct xtcp_sock *xs)
{
	return xs->in_flight + xs->retrans_out -
	       min(xs->in_flight, xs->sacked_out + xs->lost_out);
}

#endif /* XTCP_TRANSFER_CONGESTION_H */
