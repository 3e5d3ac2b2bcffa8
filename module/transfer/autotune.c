// SPDX-License-Identifier: GPL-2.0
/*
 * autotune.c - how large the buffers of a connection grow
 *
 * A buffer that the user has not fixed (SO_SNDBUF, SO_RCVBUF) begins with the
 * default of xtcp_wmem or xtcp_rmem and grows as far as their maximum.
 *
 * The send buffer holds two congestion windows: one in flight, one that waits
 * for the ACK of the first; in slow start three, and it grows along with the
 * window, not only when a writer asks: who is woken late shall find that there
 * was enough to send.
 *
 * The receive buffer should never be what holds the sender back. So it is
 * watched how much the user reads in a round trip ("dynamic right-sizing": Fisk
 * and Feng, 2001). Twice that is kept free, since a lost segment takes a round
 * trip more to come; and where the amount grew from one round trip to the next,
 * as in slow start, as much more as it would have grown by the time that the
 * window does its work, two round trips later. A user who reads less than comes
 * makes nothing grow.
 *
 * The receiver's round trip time is that from an ACK to the first text that
 * echoes its timestamp; a sender that has nothing to say makes it too long, but
 * then the buffer is not what it lacks. Without timestamps, and for less than
 * their clock shows, it is the time that a whole window took to come, the
 * least of these.
 *
 * Text costs more memory than its octets. What share it is of the memory
 * is taken from the largest segment that came.
 *
 * Socket lock; softirq, or process context.
 */
#include "transfer/autotune.h"

#include <linux/cache.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "compat.h"
#include "net/wire.h"
#include "netns.h"
#include "segment/output.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/congestion.h"

/*
 * Time is kept in units of 1024 ns, which a shift makes of the clock; 32 bits
 * of it are 73 minutes.
 */
#define TICK_SHIFT	10
#define TICKS_PER_MS	(NSEC_PER_MSEC >> TICK_SHIFT)

#define SHARE_UNKNOWN	128		/* half of the memory is text */

/* Segments that a reader may have in a round trip before anything grows. */
#define READ_SEGS_MIN	XTCP_INIT_CWND
/* Room for the jitter of a round trip, segments. */
#define CUSHION_SEGS	16U

static u32 tick_of(u64 ns)
{
	return ns >> TICK_SHIFT;
}

/**
 * xtcp_autotune_renew - nothing was measured yet
 * @xs: connection record of a new connection
 */
void xtcp_autotune_renew(struct xtcp_sock *xs)
{
	xs->rcv_share = SHARE_UNKNOWN;
	xs->rcv_rtt = 0;
	xs->read_per_rtt = 0;
}

/* --- text and memory ---------------------------------------------------- */

/**
 * xtcp_autotune_space_for - how large a receive buffer holds some text
 * @xs: the connection
 * @text: octets of text
 *
 * Return: octets of memory
 */
int xtcp_autotune_space_for(const struct xtcp_sock *xs, u32 payload)
{
	u64 space = div_u64((u64)payload << XTCP_SHARE_SHIFT,
			    READ_ONCE(xs->rcv_share));

	return min_t(u64, space, INT_MAX);
}

/**
 * xtcp_autotune_segment - the largest segment so far came: what did it cost
 * @sk: the socket, locked
 * @skb: the segment, header pulled
 */
void xtcp_autotune_segment(struct sock *sk, const struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 share = ((u64)skb->len << XTCP_SHARE_SHIFT) / skb->truesize;

	WRITE_ONCE(xs->rcv_share, clamp(share, 1U, U8_MAX));
	xs->read_per_rtt = min(xs->read_per_rtt,
			       xtcp_autotune_payload_in(xs, sk->sk_rcvbuf));
}

/* --- the receiver's round trip ------------------------------------------ */

/* @ticks of one round trip; @least: it may have been a pause as well. */
static void rtt_sample(struct xtcp_sock *xs, u32 ticks, bool least)
{
	u32 sample = min(ticks, U32_MAX >> 3) << 3;

	if (!xs->rcv_rtt || sample < xs->rcv_rtt)
		xs->rcv_rtt = sample;
	else if (!least)
		xs->rcv_rtt += (sample >> 3) - (xs->rcv_rtt >> 3);
}

/**
 * xtcp_autotune_echo - a segment came with a timestamp of ours
 * @xs: the connection, which has timestamps
 * @seg: acceptable, with text
 *
 * The first that echoes it, if it is a full one: a small one may have waited
 * for the peer's user.
 */
void xtcp_autotune_echo(struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	s32 ms;

	if (!seg->opt.has_ts || seg->opt.tsecr == xs->rcv_rtt_echo)
		return;
	xs->rcv_rtt_echo = seg->opt.tsecr;
	/* Some peers echo nothing: TSecr 0. */
	if (seg->len < xs->rcv_mss || !seg->opt.tsecr)
		return;
	ms = (s32)(xtcp_tsval(xs) - seg->opt.tsecr);
	if (ms > 0)
		rtt_sample(xs, ms * TICKS_PER_MS, false);
}

/**
 * xtcp_autotune_payload - text came in order
 * @xs: the connection; RCV.NXT is behind it
 */
void xtcp_autotune_payload(struct xtcp_sock *xs)
{
	u32 now = tick_of(xs->last_rcv_ns);

	if (likely(xs->read_per_rtt)) {
		if (seq_before(xs->rcv_nxt, xs->rcv_rtt_seq))
			return;
		rtt_sample(xs, max(now - xs->rcv_rtt_tick, 1U), true);
	} else {
		xs->read_per_rtt = min(xs->rcv_wnd, READ_SEGS_MIN * xs->advmss);
		xs->read_seq = xs->copied_seq;
		xs->read_tick = now;
	}
	xs->rcv_rtt_seq = seq_add(xs->rcv_nxt, xs->rcv_wnd);
	xs->rcv_rtt_tick = now;
}

/**
 * xtcp_autotune_rtt_us - the round trip that the receiver sees
 * @xs: the connection
 *
 * Return: microseconds; 0: not known
 */
u32 xtcp_autotune_rtt_us(const struct xtcp_sock *xs)
{
	u64 ns = (u64)(xs->rcv_rtt >> 3) << TICK_SHIFT;

	return div_u64(ns, NSEC_PER_USEC);
}

/* --- the receive buffer ------------------------------------------------- */

/* @read octets in a round trip, where it was xs->read_per_rtt before. */
static void receive_grow(struct sock *sk, u32 read)
{
	struct net *net = sock_net(sk);
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 payload = 2ULL * read + CUSHION_SEGS * xs->advmss;
	int space, most = XTCP_KNOB(net, rmem[2]);

	if (!XTCP_KNOB(net, moderate_rcvbuf) ||
	    (sk->sk_userlocks & SOCK_RCVBUF_LOCK))
		return;
	payload += 2 * div_u64(payload * (read - xs->read_per_rtt),
			       xs->read_per_rtt);
	space = xtcp_autotune_space_for(xs, min_t(u64, payload, INT_MAX));
	space = min(space, most);
	if (space > sk->sk_rcvbuf)
		WRITE_ONCE(sk->sk_rcvbuf, space);
}

/**
 * xtcp_autotune_read - the user has read: was it more than before
 * @sk: the socket, locked
 *
 * Judged once a round trip. The clock is that of the last segment that came.
 */
void xtcp_autotune_read(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 now = tick_of(xs->last_rcv_ns);
	s32 read;

	if (!xs->rcv_rtt || !xs->read_per_rtt ||
	    now - xs->read_tick < xs->rcv_rtt >> 3)
		return;
	/* What is left unread is no reason to make room for more. */
	read = seq_dist(xs->read_seq, xs->copied_seq) -
	       seq_dist(xs->copied_seq, xs->rcv_nxt);
	if (read > (s32)xs->read_per_rtt) {
		receive_grow(sk, read);
		xs->read_per_rtt = read;
	}
	xs->read_seq = xs->copied_seq;
	xs->read_tick = now;
}

/* --- the send buffer ---------------------------------------------------- */

/* Memory of a segment at worst: its head is allocated in powers of two. */
static u32 segment_cost(const struct xtcp_sock *xs)
{
	u32 payload = max_t(u32, xs->mss, xs->peer_mss);
	u32 header = L1_CACHE_ALIGN(128 + MAX_HEADER);

	u32 shared = SKB_DATA_ALIGN(sizeof(struct skb_shared_info));

	return roundup_pow_of_two(payload + header + shared) +
	       SKB_DATA_ALIGN(sizeof(struct sk_buff));
}

/*
 * Room for the flight and for what follows it. The writer is woken when a third
 * of the room is free, and may run only after a whole window of ACKs has been
 * worked off: in slow start each of them lets go twice what it acknowledges.
 */
static u64 send_space(const struct xtcp_sock *xs)
{
	u32 segs = max3(xs->cwnd, XTCP_INIT_CWND, xs->reordering + 1);
	bool doubles = xs->cwnd > XTCP_INIT_CWND && xs->cwnd < xs->ssthresh;

	return (doubles ? 3ULL : 2ULL) * segs * segment_cost(xs);
}

/**
 * xtcp_autotune_send - let the send buffer follow the congestion window
 * @sk: the socket, locked; the connection begins, its window has grown, or its
 *	user has no room
 *
 * Not where the memory of all sockets is short.
 */
void xtcp_autotune_send(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 want;

	if ((sk->sk_userlocks & SOCK_SNDBUF_LOCK) ||
	    sk_under_memory_pressure(sk) ||
	    sk_memory_allocated(sk) >= sk_prot_mem_limits(sk, 0))
		return;
	want = min_t(u64, send_space(xs),
		     max(XTCP_KNOB(sock_net(sk), wmem[2]), 0));
	if (want > sk->sk_sndbuf)
		WRITE_ONCE(sk->sk_sndbuf, (int)want);
}
