/* SPDX-License-Identifier: GPL-2.0 */
/* congestion.h - the congestion window, RFC 5681, and its algorithms */
#ifndef XTCP_TRANSFER_CONGESTION_H
#define XTCP_TRANSFER_CONGESTION_H

#include <linux/minmax.h>
#include <linux/types.h>

#include "tcb.h"

struct sock;
struct xtcp_sock;

#define XTCP_INIT_CWND	10U		/* segments, RFC 6928 */
#define XTCP_CWND_MAX	(1U << 20)	/* segments; keeps sums in u32 */

#define XTCP_CONGESTION_NAME_MAX	16	/* with the final 0; Linux */
#define XTCP_CONGESTION_LIST_MAX	128	/* all names in one line */

/**
 * struct xtcp_congestion_ops - an algorithm that moves the congestion window
 * @name: its name for TCP_CONGESTION and xtcp_congestion_control
 * @init: initialize xs->congestion_state, which another algorithm may have
 *	used; NULL if there is nothing to do
 * @grow: @segs segments were delivered while the window was in use
 * @ssthresh: a loss was found: return the new window in segments, at least 2.
 *	Called once for each reduction. @flight: segments in flight when the
 *	lost segment was sent, or when the ACK arrived that reports it
 * @rtt: a round trip was measured, in microseconds; NULL if not needed
 * @resumed: segments are sent again after @idle_ns with nothing in flight; NULL
 *	if not needed
 * @timed_out: a retransmission timeout has reduced ssthresh; NULL if not
 *	needed
 *
 * Context: socket lock; softirq or process. An algorithm's state of a
 * connection is in xs->congestion_state. recovery.c spreads a reduction over a
 * round trip, and may undo it.
 *
 * Documentation/congestion.rst says how to add one.
 */
struct xtcp_congestion_ops {
	const char	*name;
	void		(*init)(struct xtcp_sock *xs);
	void		(*grow)(struct xtcp_sock *xs, u32 segs);
	u32		(*ssthresh)(struct xtcp_sock *xs, u32 flight);
	void		(*rtt)(struct xtcp_sock *xs, u32 rtt_us);
	void		(*resumed)(struct xtcp_sock *xs, u64 idle_ns);
	void		(*timed_out)(struct xtcp_sock *xs);
};

extern const struct xtcp_congestion_ops xtcp_reno;
extern const struct xtcp_congestion_ops xtcp_cubic;

/* The algorithms. */
const struct xtcp_congestion_ops *xtcp_congestion_find(const char *name);
bool xtcp_congestion_is_allowed(const struct xtcp_congestion_ops *ops);
void xtcp_congestion_allow(const struct xtcp_congestion_ops *ops);
int xtcp_congestion_allow_only(char *names);
void xtcp_congestion_list(char *line, bool allowed_only);

/* A connection's algorithm. */
void xtcp_congestion_socket_init(struct xtcp_sock *xs);
void xtcp_congestion_assign(struct xtcp_sock *xs);
void xtcp_congestion_route(struct sock *sk);
int xtcp_congestion_set(struct sock *sk, const char *name);

/* A connection's window. */
void xtcp_congestion_init(struct sock *sk);
void xtcp_congestion_sent(struct sock *sk, u32 segs);
void xtcp_congestion_acked(struct sock *sk, u32 acked_segs, u32 prior_pipe);
void xtcp_congestion_rtt(struct xtcp_sock *xs, u32 rtt_us);
void xtcp_congestion_resumed(struct sock *sk, u64 now_ns);

/* Its changes by loss recovery. */
u32 xtcp_congestion_ssthresh_now(const struct xtcp_sock *xs);
void xtcp_congestion_keep_ssthresh(struct xtcp_sock *xs);
void xtcp_congestion_reduce(struct xtcp_sock *xs, u32 flight);
void xtcp_congestion_spread(struct xtcp_sock *xs, u32 pipe, u32 count);
void xtcp_congestion_reduced(struct xtcp_sock *xs);
void xtcp_congestion_timed_out(struct xtcp_sock *xs);
void xtcp_congestion_lost_all(struct xtcp_sock *xs);
void xtcp_congestion_restore(struct xtcp_sock *xs);

/* Its changes by the search for the path's MTU. */
void xtcp_congestion_probe_sent(struct xtcp_sock *xs);
void xtcp_congestion_probe_failed(struct xtcp_sock *xs);
void xtcp_congestion_resize(struct xtcp_sock *xs, u32 before, u32 after);

/* For the algorithms. */
u32 xtcp_congestion_slow_start(struct xtcp_sock *xs, u32 segs);
void xtcp_congestion_avoidance(struct xtcp_sock *xs, u32 per_segment, u32 segs);

/**
 * xtcp_congestion_open_to - open the window to a size
 * @xs: the connection, locked
 * @cwnd: segments, at least the window
 */
static inline void xtcp_congestion_open_to(struct xtcp_sock *xs, u32 cwnd)
{
	WRITE_ONCE(xs->cwnd, min(cwnd, XTCP_CWND_MAX));
}

/**
 * xtcp_congestion_end_slow_start - slow start has found the path's capacity
 * @xs: the connection, locked
 *
 * Inlined: as a call it would make each RTT sample of slow start save registers.
 */
static inline void xtcp_congestion_end_slow_start(struct xtcp_sock *xs)
{
	WRITE_ONCE(xs->ssthresh, xs->cwnd);
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
