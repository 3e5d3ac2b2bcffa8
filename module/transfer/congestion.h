/* SPDX-License-Identifier: GPL-2.0 */
/*
 * congestion.h - how much may be in flight, RFC 5681, and by which rule
 */
#ifndef XTCP_TRANSFER_CONGESTION_H
#define XTCP_TRANSFER_CONGESTION_H

#include <linux/minmax.h>
#include <linux/types.h>

#include "tcb.h"

struct sock;
struct xtcp_sock;

#define XTCP_INIT_CWND	10U		/* segments, RFC 6928 */
#define XTCP_CWND_MAX	(1U << 20)	/* segments; keeps sums in u32 */

#define XTCP_CONGESTION_NAME_MAX	16	/* with the final 0, as Linux */
#define XTCP_CONGESTION_LIST_MAX	128	/* all names in one line */

/**
 * struct xtcp_congestion_ops - a rule by which the congestion window moves
 * @name: what TCP_CONGESTION and xtcp_congestion_control call it
 * @init: begin with xs->congestion_state, of an earlier rule or zero; NULL:
 *	there is none
 * @grow: so many segments were newly delivered while the window was in use
 * @ssthresh: a loss was found: the window to come down to, in segments, 2 at
 *	least; called once for each reduction. So many segments were in flight
 *	when the segment left, or came, that tells of it
 * @rtt: a round trip was measured, in microseconds; NULL: not of interest
 * @resumed: segments leave again after @idle_ns of nothing in flight; NULL:
 *	not of interest
 * @timed_out: a retransmission timeout has reduced the window; NULL: not of
 *	interest
 *
 * All under the socket lock, in softirq or process context. What a rule keeps
 * for a connection stands in xs->congestion_state. How a reduction is spread
 * over a round trip, and whether it is taken back, is recovery's.
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

/* The rules there are. */
const struct xtcp_congestion_ops *xtcp_congestion_find(const char *name);
bool xtcp_congestion_is_allowed(const struct xtcp_congestion_ops *ops);
void xtcp_congestion_allow(const struct xtcp_congestion_ops *ops);
int xtcp_congestion_allow_only(char *names);
void xtcp_congestion_list(char *line, bool allowed_only);

/* A connection's rule. */
void xtcp_congestion_assign(struct xtcp_sock *xs);
void xtcp_congestion_route(struct sock *sk);
int xtcp_congestion_set(struct sock *sk, const char *name);

/* A connection's window. */
void xtcp_congestion_init(struct sock *sk);
void xtcp_congestion_sent(struct sock *sk, u32 segs);
void xtcp_congestion_acked(struct sock *sk, u32 acked_segs, u32 prior_pipe);
void xtcp_congestion_rtt(struct xtcp_sock *xs, u32 rtt_us);
void xtcp_congestion_resumed(struct sock *sk, u64 now_ns);

/* For the rules. */
u32 xtcp_congestion_slow_start(struct xtcp_sock *xs, u32 segs);
void xtcp_congestion_avoidance(struct xtcp_sock *xs, u32 per_segment, u32 segs);

/**
 * xtcp_congestion_pipe - segments that are believed to be in the network
 * @xs: the connection
 *
 * RFC 6675 4, SetPipe(): sent, neither SACKed nor lost, and what was sent
 * again since.
 *
 * Return: segments
 */
static inline u32 xtcp_congestion_pipe(const struct xtcp_sock *xs)
{
	return xs->in_flight + xs->retrans_out -
	       min(xs->in_flight, xs->sacked_out + xs->lost_out);
}

#endif /* XTCP_TRANSFER_CONGESTION_H */
