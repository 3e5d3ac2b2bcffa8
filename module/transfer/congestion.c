// SPDX-License-Identifier: GPL-2.0
/*
 * congestion.c - how much may be in flight
 *
 * Slow start, congestion avoidance and the restart window of RFC 5681 with
 * the initial window of RFC 6928. Windows count segments. What is in flight
 * is estimated by the scoreboard ("pipe" of RFC 6675), so that the window
 * needs no inflating by duplicate ACKs. All under the socket lock.
 */
#include "transfer/congestion.h"

#include <linux/minmax.h>

#include "net/seq.h"
#include "netns.h"
#include "tcb.h"
#include "timers.h"

#define CWND_MAX	(1U << 20)	/* segments; keeps sums of windows in u32 */

/*
 * RFC 6928 2: min(10 * MSS, max(2 * MSS, 14600)) octets, in segments; one
 * segment when the handshake lost more than one SYN (RFC 5681 3.1).
 */
static u32 initial_window(const struct xtcp_sock *xs)
{
	u32 mss = max(xs->mss, 1U);

	if (xs->total_retrans > 1)
		return 1;
	return min(XTCP_INIT_CWND, max(2U, 14600U / mss));
}

/**
 * xtcp_congestion_init - start of a connection
 * @sk: the socket; its MSS and sequence numbers are set
 */
void xtcp_congestion_init(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	WRITE_ONCE(xs->cwnd, initial_window(xs));
	WRITE_ONCE(xs->ssthresh, U32_MAX);
	xs->cwnd_cnt = 0;
	xs->cwnd_full = seq_sub(xs->snd_una, 1);
	xs->dupacks = 0;
	xs->recovery = XTCP_OPEN;
	/* Nothing was ever lost: the first loss may be repaired fast. */
	xs->recover = seq_sub(xs->snd_una, 1);
	if (xs->in_flight)
		return;
	xs->sacked_out = 0;
	xs->lost_out = 0;
	xs->retrans_out = 0;
}

/**
 * xtcp_congestion_pipe - segments that are believed to be in the network
 * @xs: the connection
 *
 * RFC 6675 4, SetPipe(): sent, neither SACKed nor lost, and what was sent
 * again since.
 *
 * Return: segments
 */
u32 xtcp_congestion_pipe(const struct xtcp_sock *xs)
{
	return xs->in_flight + xs->retrans_out -
	       min(xs->in_flight, xs->sacked_out + xs->lost_out);
}

/**
 * xtcp_congestion_sent - a new segment has left
 * @sk: the socket, locked
 */
void xtcp_congestion_sent(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xtcp_congestion_pipe(xs) >= xs->cwnd)
		xs->cwnd_full = xs->snd_nxt;
}

/*
 * Were the segments that end at SND.UNA in flight together with a full
 * window? Then their arrival proves it, though the sender may have had no
 * more to add meanwhile. The mark is moved along, lest it comes to lie ahead.
 */
static bool window_was_full(struct xtcp_sock *xs)
{
	if (!seq_before(xs->cwnd_full, xs->snd_una))
		return true;
	xs->cwnd_full = seq_sub(xs->snd_una, 1);
	return false;
}

/**
 * xtcp_congestion_acked - open the window on an ACK of new data
 * @sk: the socket, locked
 * @acked_segs: segments newly acknowledged
 * @prior_pipe: segments in flight before this ACK
 *
 * RFC 5681 3.1. A window that was not used up has not been proven and stays
 * as it is; slow start needs only half of it in use, because ACKs of a burst
 * come back while the rest of it is still leaving.
 */
void xtcp_congestion_acked(struct sock *sk, u32 acked_segs, u32 prior_pipe)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool full = window_was_full(xs);
	u32 cwnd = xs->cwnd;
	u32 room;

	if (cwnd < xs->ssthresh) {
		if (!full && cwnd >= 2 * prior_pipe)
			return;
		room = min(acked_segs, xs->ssthresh - cwnd);
		cwnd += room;
		acked_segs -= room;
	} else if (!full) {
		return;
	}

	/* One segment a round trip: one for each window acknowledged. */
	if (cwnd >= xs->ssthresh) {
		xs->cwnd_cnt += acked_segs;
		if (xs->cwnd_cnt >= cwnd) {
			xs->cwnd_cnt -= cwnd;
			cwnd++;
		}
	}
	WRITE_ONCE(xs->cwnd, min(cwnd, CWND_MAX));
}

/**
 * xtcp_congestion_ssthresh - threshold after a loss
 * @sk: the socket, locked
 *
 * RFC 5681 (4): half of what is in flight, never below two segments. Linux
 * halves cwnd instead; they differ when the application leaves cwnd unused.
 *
 * Return: segments
 */
u32 xtcp_congestion_ssthresh(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return max(min(xs->in_flight, xs->cwnd) / 2, 2U);
}

/**
 * xtcp_congestion_idle - before sending after a pause
 * @sk: the socket, locked, with nothing in flight
 *
 * RFC 5681 4.1: an idle connection restarts with the initial window at most;
 * as Linux does, the window is halved once for each RTO of idleness, down to
 * that, and ssthresh keeps three quarters of what was reached.
 */
void xtcp_congestion_idle(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 rto_ns = (u64)xs->rto_us * NSEC_PER_USEC;
	u32 floor = min(XTCP_INIT_CWND, xs->cwnd);
	u32 cwnd = xs->cwnd;
	u64 idle_ns;

	if (!xs->last_snd_ns ||
	    !XTCP_KNOB(sock_net(sk), slow_start_after_idle))
		return;
	idle_ns = xtcp_now_ns() - xs->last_snd_ns;
	if (idle_ns <= rto_ns)
		return;

	if (xs->ssthresh != U32_MAX)
		WRITE_ONCE(xs->ssthresh, max(xs->ssthresh, cwnd / 4 * 3));
	while (idle_ns > rto_ns && cwnd > floor) {
		cwnd >>= 1;
		idle_ns -= rto_ns;
	}
	WRITE_ONCE(xs->cwnd, max(cwnd, floor));
	xs->cwnd_cnt = 0;
}
