// SPDX-License-Identifier: GPL-2.0
/*
 * burst.c - how many segments one skb may hold
 *
 * Large skbs are cheap (net/offload.c), but the segments of one leave the host
 * back to back. So with pacing an skb holds what may be sent in about a
 * millisecond, and more on paths with a short RTT, where bursts do no harm.
 * Where the windows allow only little, the skb waits for the next ACK to allow
 * more: otherwise the ACKs of small skbs would keep making small skbs.
 *
 * Context: socket lock; process or softirq.
 */
#include "transfer/burst.h"

#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "net/wire.h"
#include "netns.h"
#include "tcb.h"
#include "transfer/accecn.h"
#include "transfer/congestion.h"
#include "transfer/rtt.h"
#include "transfer/sendqueue.h"

/* With xtcp_tso_win_divisor = 0, nothing waits if the windows allow more segments than these. */
#define WAITING_SEGS_MAX	3U

/* Data written this long after the last sending is not part of a burst. */
#define BURST_GAP_NS		NSEC_PER_MSEC

/* Wait only if the ACK is expected within this time; as in Linux. */
#define BURST_WAIT_MAX_US	((u32)USEC_PER_MSEC)

/*
 * Segments that the route's device takes in one skb. Data with an urgent
 * pointer is not segmented, because the pointer is relative to each segment's
 * number; nor is a segment with CWR in Accurate ECN. If IP fragments each segment, a queue may
 * drop some segments of an skb and pass others: sending returns an error, although a part has left.
 */
static u32 device_segs(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u32 segs = sk->sk_gso_max_size / xs->mss;

	if (unlikely(xs->urgent.sending || xs->mtu.fragmented) || xtcp_accecn_needs_cwr(xs))
		return 1;
	return clamp_t(u32, segs, 1, max_t(u32, sk->sk_gso_max_segs, 1));
}

/**
 * xtcp_burst_goal - size to which skbs of new data are filled
 * @sk: the socket, locked
 *
 * Full segments, as many as may ever be sent at once, but at most half of the
 * largest window seen, so that something can be sent while the rest is in
 * flight.
 *
 * Return: bytes of payload, at least one MSS
 */
u32 xtcp_burst_goal(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u32 most = max(sk->sk_gso_max_size, xs->mss);
	u32 half = xs->snd_wnd_max / 2;

	xtcp_assert_owned(sk);
	if (sk->sk_gso_max_segs <= 1)
		return xs->mss;
	if (half)
		most = min(most, max(half, xs->mss));
	return min_t(u32, most / xs->mss, sk->sk_gso_max_segs) * xs->mss;
}

/* Bytes that may be sent in the time that pacing allots to one burst. */
static u32 paced_bytes(const struct sock *sk, unsigned long rate)
{
	u32 min_rtt_us = xtcp_rtt_min_us(xtcp_sk(sk));
	unsigned long bytes = rate >> READ_ONCE(sk->sk_pacing_shift);
	u32 log = XTCP_KNOB(sock_net(sk), tso_rtt_log);
	u32 halvings = min_rtt_us >> min(log, 31U);

	if (halvings < BITS_PER_TYPE(sk->sk_gso_max_size))
		bytes += sk->sk_gso_max_size >> halvings;
	return min_t(unsigned long, bytes, sk->sk_gso_max_size);
}

/**
 * xtcp_burst_segs - segments that one skb may hold now
 * @sk: the socket, locked
 *
 * At most what the device takes. At most what pacing allows at once, but no
 * less than xtcp_min_tso_segs.
 *
 * Return: at least 1
 */
u32 xtcp_burst_segs(const struct sock *sk)
{
	unsigned long rate = READ_ONCE(sk->sk_pacing_rate);
	u32 most = device_segs(sk);
	u32 segs;

	xtcp_assert_owned(sk);
	if (rate == ~0UL || most == 1)
		return most;
	segs = paced_bytes(sk, rate) / xtcp_sk(sk)->mss;
	segs = max_t(u32, segs, XTCP_KNOB(sock_net(sk), min_tso_segs));
	return clamp(segs, 1U, most);
}

/* True if the windows allow so much that waiting for more is not worth it. */
static bool burst_is_enough(const struct sock *sk, const struct sk_buff *skb,
			    u32 limit)
{
	u32 divisor = XTCP_KNOB(sock_net(sk), tso_win_divisor);
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u64 window;

	/*
	 * Nothing more will be put into @skb, and the windows allow all of it. As in Linux they
	 * must allow even more than the last skb of the queue.
	 */
	if (limit >= skb->len && !skb_queue_is_last(&sk->sk_write_queue, skb))
		return true;
	if (limit > skb->len && ((xtcp_cb(skb)->marks & XTCP_MARK_EOR) ||
				 (xtcp_cb(skb)->flags & XTCP_FIN)))
		return true;
	if (!divisor)
		return limit > WAITING_SEGS_MAX * xs->mss;
	window = min_t(u64, xs->snd_wnd, (u64)xs->cwnd * xs->mss);
	return (u64)limit * divisor >= window;
}

/**
 * xtcp_burst_waits - decide whether to wait for the next ACK and send more then
 * @sk: the socket, locked, with something in flight
 * @skb: next skb to send
 * @segs_max: segments that cwnd allows
 * @now_ns: current time
 *
 * Only within a burst, and only if the ACK is expected within half a round
 * trip, and within a millisecond. Only outside of a recovery: the segments that duplicate ACKs
 * allow (RFC 3042) may be few.
 *
 * Return: true if nothing should be sent now
 */
bool xtcp_burst_waits(struct sock *sk, const struct sk_buff *skb,
		      u32 segs_max, u64 now_ns)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	const struct sk_buff *oldest;
	u32 rtt_us, wait_us;
	s32 window;
	u32 limit;

	xtcp_assert_owned(sk);
	if (skb->len <= xs->mss || xs->recovery != XTCP_RECOVERY_NONE ||
	    now_ns - xs->last_snd_ns > BURST_GAP_NS)
		return false;
	window = seq_dist(xs->snd_nxt, seq_add(xs->snd_una, xs->snd_wnd));
	limit = min_t(u64, max(window, 0), (u64)segs_max * xs->mss);
	if (burst_is_enough(sk, skb, limit))
		return false;
	oldest = xtcp_sendq_oldest(sk);
	rtt_us = xs->rtt.srtt_us >> 3;
	wait_us = min(rtt_us / 2, BURST_WAIT_MAX_US);
	return oldest && !(xtcp_cb(oldest)->marks & XTCP_MARK_SACKED) &&
	       (s64)(now_ns - xtcp_cb(oldest)->sent_ns) >=
	       (s64)(rtt_us - wait_us) * NSEC_PER_USEC &&
	       limit < xtcp_burst_segs(sk) * xs->mss;
}
