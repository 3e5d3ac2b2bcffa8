// SPDX-License-Identifier: GPL-2.0
/*
 * autotune.c - size of the send and receive buffers
 *
 * A buffer that the user has not fixed (SO_SNDBUF, SO_RCVBUF) begins with the
 * default of xtcp_wmem or xtcp_rmem and grows up to their maximum.
 *
 * The send buffer holds two congestion windows: one in flight, and one that
 * waits for the ACK of the first. In slow start it holds three. It grows with
 * the window, not only when a writer needs space, so that a writer that wakes
 * late has not kept the window unused.
 *
 * The receive buffer must not limit the sender. So the amount that the user
 * reads in a round trip is measured ("dynamic right-sizing": Fisk and Feng,
 * 2001). Twice that is kept free, because a lost segment arrives a round trip
 * later. If the amount grows from one round trip to the next, as in slow start,
 * the expected growth of the next two round trips is added: a window takes that
 * long to have its effect. The buffer does not grow while the user reads less
 * than arrives.
 *
 * The receiver's round trip time is that from an ACK to the first payload that
 * echoes its timestamp. An idle sender makes it too long, but an idle sender
 * needs no buffer. Without timestamps, and for times below their resolution,
 * the receiver takes the least time in which a whole window arrived.
 *
 * Payload needs more memory than its length. The ratio is that of the largest
 * segment received.
 *
 * Context: socket lock; softirq or process.
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
#include "transfer/congestion.h"
#include "transfer/window.h"

/* Unit of time: 1024 ns, so that a shift converts; 32 bits are 73 minutes. */
#define TICK_SHIFT	10
#define TICKS_PER_MS	(NSEC_PER_MSEC >> TICK_SHIFT)
/* The longest round trip: a sample has three bits of fraction. Nine minutes. */
#define TICKS_MAX	(U32_MAX >> 3)
#define RTT_MS_MAX	(TICKS_MAX / TICKS_PER_MS)

#define SHARE_UNKNOWN	128		/* half of the memory is payload */

/* Segments that a user may read in a round trip before the buffer grows. */
#define READ_SEGS_MIN	XTCP_INIT_CWND
/* Reserve for the jitter of a round trip, segments. */
#define CUSHION_SEGS	16U

static u32 tick_of(u64 ns)
{
	return ns >> TICK_SHIFT;
}

/**
 * xtcp_autotune_renew - forget all measurements
 * @xs: TCB of a new connection
 */
void xtcp_autotune_renew(struct xtcp_sock *xs)
{
	xs->rcv_share = SHARE_UNKNOWN;
	xs->autotune.rtt = 0;
	xs->autotune.read_per_rtt = 0;
}

/* --- payload and memory ------------------------------------------------- */

/**
 * xtcp_autotune_space_for - memory that a receive buffer needs for some payload
 * @xs: the connection
 * @payload: bytes of payload
 *
 * Return: bytes of memory
 */
int xtcp_autotune_space_for(const struct xtcp_sock *xs, u32 payload)
{
	u64 space = div_u64((u64)payload << XTCP_SHARE_SHIFT,
			    READ_ONCE(xs->rcv_share));

	return min_t(u64, space, INT_MAX);
}

/**
 * xtcp_autotune_segment - measure the memory needed by the largest segment so
 * far
 * @sk: the socket, locked
 * @skb: the segment, header pulled
 */
void xtcp_autotune_segment(struct sock *sk, const struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 share = ((u64)skb->len << XTCP_SHARE_SHIFT) / skb->truesize;

	xtcp_assert_owned(sk);
	WRITE_ONCE(xs->rcv_share, clamp(share, 1U, U8_MAX));
	xs->autotune.read_per_rtt =
		min(xs->autotune.read_per_rtt,
		    xtcp_autotune_payload_in(xs, sk->sk_rcvbuf));
}

/* --- the receiver's round trip ------------------------------------------ */

/*
 * @ticks: length of a round trip. @least: it may include a pause, so that only
 * a new minimum counts.
 */
static void rtt_sample(struct xtcp_autotune *at, u32 ticks, bool least)
{
	u32 sample = min(ticks, TICKS_MAX) << 3;

	if (!at->rtt || sample < at->rtt)
		at->rtt = sample;
	else if (!least)
		at->rtt += (sample >> 3) - (at->rtt >> 3);
}

/**
 * xtcp_autotune_echo - measure the round trip by a timestamp echo
 * @xs: the connection, with timestamps
 * @seg: acceptable segment with payload
 *
 * Only the first segment that echoes a timestamp counts, if it is a full one: a
 * small one may have waited for the peer's user. Nor does an echo of what was sent
 * RTT_MS_MAX ago: the peer was silent meanwhile, and the number of ticks may have wrapped. While
 * there is something to read, the segment may have waited for a slow program, in the backlog.
 */
void xtcp_autotune_echo(struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	u32 ms;

	if (!seg->opt.has_ts || seg->opt.tsecr == xs->autotune.rtt_echo)
		return;
	xs->autotune.rtt_echo = seg->opt.tsecr;
	/* Some peers echo nothing: TSecr 0. */
	if (seg->len < xs->ack.rcv_mss || !seg->opt.tsecr)
		return;
	ms = xtcp_tsval(xs) - seg->opt.tsecr;
	if (ms && ms <= RTT_MS_MAX)
		rtt_sample(&xs->autotune, ms * TICKS_PER_MS,
			   xs->copied_seq != xs->rcv_nxt);
}

/**
 * xtcp_autotune_payload - measure the time in which a window arrives
 * @xs: the connection; RCV.NXT includes the payload just received
 *
 * A window that takes longer than TICKS_MAX is no sample: its ticks may wrap before it ends.
 */
void xtcp_autotune_payload(struct xtcp_sock *xs)
{
	struct xtcp_autotune *at = &xs->autotune;
	u32 now = tick_of(xs->last_rcv_ns);

	if (likely(at->read_per_rtt)) {
		u32 ticks = now - at->rtt_tick;

		if (likely(ticks <= TICKS_MAX)) {
			if (seq_before(xs->rcv_nxt, at->rtt_seq))
				return;
			rtt_sample(at, max(ticks, 1U), true);
		}
	} else {
		at->read_per_rtt = xtcp_autotune_read_per_rtt(xs);
		at->read_seq = xs->copied_seq;
		at->read_tick = now;
	}
	at->rtt_seq = seq_add(xs->rcv_nxt, xs->rcv_wnd);
	at->rtt_tick = now;
}

/**
 * xtcp_autotune_read_per_rtt - what the program reads in a round trip
 * @xs: the connection
 *
 * Return: bytes; before the first payload a guess
 */
u32 xtcp_autotune_read_per_rtt(const struct xtcp_sock *xs)
{
	return xs->autotune.read_per_rtt ?: min(xtcp_window_limit(&xs->inet.sk),
						READ_SEGS_MIN * xs->advmss);
}

/**
 * xtcp_autotune_paused - the peer has sent no payload for a while
 * @xs: the connection
 * @ms: how long
 *
 * After a long pause the measurements begin anew with the next payload, as the ticks may have
 * wrapped.
 */
void xtcp_autotune_paused(struct xtcp_sock *xs, u32 ms)
{
	if (ms > RTT_MS_MAX)
		xs->autotune.read_per_rtt = 0;
}

/**
 * xtcp_autotune_rtt_us - round trip time as the receiver measures it
 * @xs: the connection
 *
 * Return: microseconds; 0 if unknown
 */
u32 xtcp_autotune_rtt_us(const struct xtcp_sock *xs)
{
	u64 ns = (u64)(xs->autotune.rtt >> 3) << TICK_SHIFT;

	return div_u64(ns, NSEC_PER_USEC);
}

/* --- the receive buffer ------------------------------------------------- */

/* @read: bytes read in a round trip; autotune.read_per_rtt in the one before. */
static void receive_grow(struct sock *sk, u32 read)
{
	struct net *net = sock_net(sk);
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 payload = 2ULL * read + CUSHION_SEGS * xs->advmss;
	int space, most = XTCP_KNOB(net, rmem[2]);

	if (!XTCP_KNOB(net, moderate_rcvbuf) ||
	    (sk->sk_userlocks & SOCK_RCVBUF_LOCK))
		return;
	payload += 2 * div_u64(payload * (read - xs->autotune.read_per_rtt),
			       xs->autotune.read_per_rtt);
	space = xtcp_autotune_space_for(xs, min_t(u64, payload, INT_MAX));
	space = min(space, most);
	if (space > sk->sk_rcvbuf)
		WRITE_ONCE(sk->sk_rcvbuf, space);
}

/**
 * xtcp_autotune_read - the user has read: grow the buffer if that was more than
 * before
 * @sk: the socket, locked
 *
 * Compared once a round trip, by the arrival time of the last segment.
 */
void xtcp_autotune_read(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_autotune *at = &xs->autotune;
	u32 now = tick_of(xs->last_rcv_ns);
	s32 read;

	xtcp_assert_owned(sk);
	if (!at->rtt || !at->read_per_rtt || now - at->read_tick < at->rtt >> 3)
		return;
	/* Data left unread calls for no more buffer space. */
	read = seq_dist(at->read_seq, xs->copied_seq) -
	       seq_dist(xs->copied_seq, xs->rcv_nxt);
	if (read > (s32)at->read_per_rtt) {
		receive_grow(sk, read);
		at->read_per_rtt = read;
	}
	at->read_seq = xs->copied_seq;
	at->read_tick = now;
}

/* --- the send buffer ---------------------------------------------------- */

/* Most memory of a segment: heads are allocated in powers of two. */
static u32 segment_cost(const struct xtcp_sock *xs)
{
	u32 payload = max_t(u32, xs->mss, xs->peer_mss);
	u32 header = L1_CACHE_ALIGN(128 + MAX_HEADER);	/* MAX_TCP_HEADER of net/tcp.h */
	u32 shared = SKB_DATA_ALIGN(sizeof(struct skb_shared_info));

	return roundup_pow_of_two(payload + header + shared) +
	       SKB_DATA_ALIGN(sizeof(struct sk_buff));
}

/*
 * Space for the flight and for the data that follows. The writer is woken when
 * a third of the space is free, and may run only after a whole window of ACKs
 * was processed, each of which lets twice its amount be sent in slow start.
 */
static u64 send_space(const struct xtcp_sock *xs)
{
	u32 segs = max3(xs->cwnd, XTCP_INIT_CWND, xs->reordering + 1);
	bool doubles = xs->cwnd > XTCP_INIT_CWND && xs->cwnd < xs->ssthresh;

	return (doubles ? 3ULL : 2ULL) * segs * segment_cost(xs);
}

/**
 * xtcp_autotune_send - let the send buffer follow the congestion window
 * @sk: the socket, locked; called when the connection opens, when the window
 *	has grown, or when the writer finds no space
 *
 * The buffer doesn't grow under memory pressure, nor above the first number of xtcp_mem.
 */
void xtcp_autotune_send(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 want;

	xtcp_assert_owned(sk);
	if ((sk->sk_userlocks & SOCK_SNDBUF_LOCK) ||
	    sk_under_memory_pressure(sk) ||
	    sk_memory_allocated(sk) >= sk_prot_mem_limits(sk, 0))
		return;
	want = min_t(u64, send_space(xs),
		     max(XTCP_KNOB(sock_net(sk), wmem[2]), 0));
	if (want > sk->sk_sndbuf)
		WRITE_ONCE(sk->sk_sndbuf, (int)want);
}
