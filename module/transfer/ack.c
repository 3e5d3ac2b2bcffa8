// SPDX-License-Identifier: GPL-2.0
/*
 * ack.c - when to acknowledge: at once, delayed, or along with data
 *
 * RFC 9293 3.8.6.3 (delayed ACK), RFC 5681 4.2. Code that finds an ACK due to
 * the peer marks it as pending (xtcp_ack_now(), xtcp_ack_payload_received()).
 * At the end of the segment xtcp_ack_flush() decides whether it is sent now or
 * waits for the user's answer or the timer. Any segment with ACK clears the
 * pending ACK.
 *
 * Between "now" and "delayed" there is an ACK that is sent soon
 * (XTCP_ACK_SOON). After one small pushed segment, or a FIN, the user's next
 * call is usually send() or close(), and the segment that it makes carries the
 * ACK. So a request and its answer, or the closing of both sides (LC-80), save
 * a segment. If that call is a recv() that finds nothing, or if no call comes
 * within a millisecond, the ACK is sent alone. Linux sends such ACKs at once in
 * the beginning of a connection, and delays that of a FIN by 40 ms.
 *
 * Later in a connection, too, a pushed or small segment may be all that the
 * peer can send before it is acknowledged. So when the user has read everything
 * and does not usually answer, it is acknowledged, as in Linux: a delay would
 * cost the peer time, and the ACKs of single segments let it send in smaller
 * bursts. If there were two such segments, the ACK does not wait for an answer
 * either: the peer expects an ACK for two segments sooner than for one, and
 * would send a loss probe (RFC 8985 7.2).
 *
 * A peer that writes a stream in small pieces gets one ACK for two segments
 * (XTCP_ACK_FOR_TWO); RFC 5681 4.2 wants that for full ones. If the reader is
 * quick, an ACK for each piece lets Nagle's algorithm at the peer send the next
 * piece at once, and both programs are woken for each piece. The ACK of a piece
 * waits a millisecond at most. If no second piece came within this time, the peer
 * may have waited for the ACK, and the next attempt is made much later.
 *
 * Context: socket lock; softirq, or process for the backlog.
 */
#include "transfer/ack.h"

#include <linux/minmax.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <net/dst.h>

#include "clock.h"
#include "deadlines.h"
#include "net/seq.h"
#include "net/wire.h"
#include "observe/stats.h"
#include "rare.h"
#include "segment/output.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/autotune.h"
#include "transfer/rtt.h"
#include "transfer/window.h"

/* ACKs sent at once while the peer's window is still opening; Linux: 16. */
#define QUICKACKS_MAX	16U

/*
 * Delay of an ACK that is sent soon: enough for a program that is ready to run,
 * too little to delay a peer whose next segment depends on the ACK.
 */
#define ACK_SOON_US	1000U

/*
 * Small segments without an answer of the user, after which the peer is taken to
 * write a stream. A request is seldom sent in so many pieces. Chosen, not measured.
 */
#define STREAM_SEGS	8U

/* Full segments in one skb after which the peer is taken to make large writes; chosen, too. */
#define STREAM_LARGE	4U

/*
 * After failed waits in a row (struct xtcp_ack::stream_fails), the next one begins
 * at a segment whose number has none of these bits. Chosen, not measured.
 */
static const u16 stream_wait_mask[] = { 0, 64 - 1, 512 - 1, 4096 - 1 };

#define STREAM_FAILS_MAX	3U
static_assert(ARRAY_SIZE(stream_wait_mask) == STREAM_FAILS_MAX + 1);

/* Duplicate ACKs after which every sender assumes a loss; RFC 5681 3.2. */
#define DUPLICATES_ENOUGH	3U

/* Least estimate of the peer's segment size, before one arrives; bytes; Linux's TCP_MIN_MSS. */
#define RCV_MSS_MIN	88U

/* ato_ms of struct xtcp_ack has 8 bits. */
static_assert(XTCP_ATO_MAX_MS <= U8_MAX);

/**
 * xtcp_ack_init - initialize the state of a socket without a connection
 * @sk: the socket
 */
void xtcp_ack_init(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_ack *ack = &xs->ack;

	ack->pending = 0;
	ack->quickack = 0;
	ack->pingpong = 0;
	ack->answers = 0;
	ack->eager = 0;
	ack->small_segs = 0;
	ack->stream_fails = 0;
	ack->ato_ms = 0;
	ack->merged = 0;
	ack->dups = 0;
	ack->rcv_mss = clamp_t(u32, xs->advmss ? xs->advmss : XTCP_MSS_DEFAULT,
			       RCV_MSS_MIN, XTCP_MSS_DEFAULT);
}

/**
 * xtcp_ack_begin - xtcp_ack_init() where a connection begins
 * @sk: the socket
 *
 * TCP_QUICKACK 0 that the program has set before, or on the listener, is for this connection.
 */
void xtcp_ack_begin(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool pingpong = xs->ack.pingpong;

	xtcp_ack_init(sk);
	xs->ack.pingpong = pingpong;
}

static void pingpong_end(struct xtcp_ack *ack)
{
	ack->pingpong = 0;
	ack->answers = 0;
}

/* ACKs that open a peer's window as large as ours; as in Linux. */
static u32 quickacks_of_window(const struct xtcp_sock *xs)
{
	return xs->rcv_wnd / (2U * xs->ack.rcv_mss) ?: 2U;
}

/*
 * Acknowledge each of the next segments at once, enough of them to open the
 * peer's window. Has no effect while the user's answers carry the ACKs
 * (pingpong).
 */
static void quickack_start(struct xtcp_sock *xs)
{
	xs->ack.quickack = min(quickacks_of_window(xs), QUICKACKS_MAX);
}

/**
 * xtcp_ack_quickly - acknowledge at once, without waiting for an answer
 * @xs: the connection, locked
 * @segs: number of segments to acknowledge at once
 */
void xtcp_ack_quickly(struct xtcp_sock *xs, u32 segs)
{
	xtcp_assert_owned(&xs->inet.sk);
	segs = min(segs, quickacks_of_window(xs));
	xs->ack.quickack = max_t(u32, xs->ack.quickack, segs);
	pingpong_end(&xs->ack);
	xs->ack.ato_ms = XTCP_ATO_MIN_MS;
	xs->ack.pending |= XTCP_ACK_PENDING | XTCP_ACK_NOW;
}

/**
 * xtcp_ack_refused - acknowledge duplicate data, or data without buffer space
 * @sk: the socket, locked
 *
 * The peer gets this ACK and the next ones at once: it has missed an ACK, or must learn
 * that its data was refused.
 */
void xtcp_ack_refused(struct sock *sk)
{
	xtcp_assert_owned(sk);
	xtcp_ack_quickly(xtcp_sk(sk), QUICKACKS_MAX);
}

/*
 * The largest segment seen is taken for a full segment of the peer. A smaller
 * one without PSH does not end a write, so it is full as well: the path's MTU
 * has shrunk.
 */
static void measure_rcv_mss(struct sock *sk, const struct sk_buff *skb)
{
	u32 len = skb_shinfo(skb)->gso_size ?: skb->len;
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xs->advmss)
		len = min_t(u32, len, xs->advmss);
	if (len > xs->ack.rcv_mss) {
		xs->ack.rcv_mss = len;
		xtcp_autotune_segment(sk, skb);
	} else if (len < xs->ack.rcv_mss && len >= XTCP_MSS_DEFAULT &&
		   !(xtcp_cb(skb)->flags & (XTCP_PSH | XTCP_FIN))) {
		xs->ack.rcv_mss = len;
	}
}

/*
 * The delay follows the spacing of the peer's segments, between XTCP_ATO_MIN_MS
 * and XTCP_ATO_MAX_MS and not longer than an RTO, so that the peer never
 * retransmits because of it.
 */
static void delay_follow(struct xtcp_sock *xs)
{
	u32 now_ms = div_u64(xs->last_rcv_ns, NSEC_PER_MSEC);
	u32 gap_ms = now_ms - xs->ack.last_payload_ms;
	u32 ato_ms = xs->ack.ato_ms;

	xs->ack.last_payload_ms = now_ms;
	if (!ato_ms) {
		quickack_start(xs);
		xs->ack.ato_ms = XTCP_ATO_MIN_MS;
		return;
	}

	if (gap_ms <= XTCP_ATO_MIN_MS / 2) {
		ato_ms = ato_ms / 2 + XTCP_ATO_MIN_MS / 2;
	} else if (gap_ms < ato_ms) {
		ato_ms = ato_ms / 2 + gap_ms;
	} else if (gap_ms > xs->rtt.rto_us / USEC_PER_MSEC) {
		quickack_start(xs);	/* a pause: slow start again */
		xtcp_autotune_paused(xs, gap_ms);
	}
	xs->ack.ato_ms = clamp(ato_ms, XTCP_ATO_MIN_MS, XTCP_ATO_MAX_MS);
}

static bool is_small(const struct xtcp_sock *xs, const struct sk_buff *skb)
{
	return skb->len < min(xs->ack.rcv_mss, xs->peer_mss);
}

/*
 * Count a small segment. Returns true if it is a piece of a stream, and its ACK
 * can wait for the next one.
 */
static bool stream_count(struct xtcp_sock *xs)
{
	struct xtcp_ack *ack = &xs->ack;

	if (ack->small_segs == STREAM_SEGS)
		return !ack->pingpong && !ack->eager;
	if (ack->small_segs < STREAM_SEGS - 1 ||
	    !(xs->data_segs_in & stream_wait_mask[ack->stream_fails]))
		ack->small_segs++;
	return false;
}

/*
 * A large write ends in a small segment, too: full ones make up for it. But a peer whose
 * ACKs wait gathers its small writes into full segments.
 */
static void stream_count_full(struct xtcp_ack *ack, const struct sk_buff *skb)
{
	if (!ack->small_segs)
		return;
	if (skb->len >= STREAM_LARGE * ack->rcv_mss)
		ack->small_segs = 0;
	else if (ack->small_segs < STREAM_SEGS)
		ack->small_segs--;
}

/* No second segment came in time. */
static void stream_failed(struct xtcp_ack *ack)
{
	ack->small_segs = 0;
	if (ack->stream_fails < STREAM_FAILS_MAX)
		ack->stream_fails++;
}

/*
 * True if the ACK would be sent at once, although the user may be about to
 * answer. After a small pushed segment the peer usually has nothing more to
 * send, so its window need not be opened.
 */
static bool answer_is_likely(const struct xtcp_sock *xs,
			     const struct sk_buff *skb)
{
	return xs->ack.quickack && !xs->ack.pingpong && !xs->ack.eager &&
	       (xtcp_cb(skb)->flags & XTCP_PSH) && is_small(xs, skb);
}

/*
 * With a short xtcp_rto_min_us the peer's timeout is taken to be as short: the
 * ACK is sent a millisecond before it. (Linux: a clock tick.)
 */
static u32 ack_most_us(const struct xtcp_sock *xs)
{
	u32 rto_min_us = xtcp_rtt_rto_min_us(xs);

	return rto_min_us > 2 * USEC_PER_MSEC ? rto_min_us - USEC_PER_MSEC : rto_min_us / 2;
}

/**
 * xtcp_ack_ato_us - what TCP_INFO says of the delay of ACKs
 * @xs: a connection, locked
 *
 * Return: us, without the bounds of the round trip time and TCP_DELACK_MAX_US
 */
u32 xtcp_ack_ato_us(const struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	return min_t(u32, xs->ack.ato_ms * USEC_PER_MSEC, ack_most_us(xs));
}

/*
 * An ACK waits no longer than a round trip, if that is known, as in Linux, or than
 * TCP_DELACK_MAX_US.
 */
static u64 ack_delay_ns(const struct xtcp_sock *xs)
{
	u32 most_us = ack_most_us(xs);
	u32 delay_us = xs->ack.pending & XTCP_ACK_BRIEF ? ACK_SOON_US :
		       xs->ack.ato_ms * USEC_PER_MSEC;
	u32 own_us;

	if (xs->rtt.srtt_us)
		most_us = min(most_us, max_t(u32, xs->rtt.srtt_us >> 3,
					     XTCP_ATO_MIN_MS * USEC_PER_MSEC));
	if (static_branch_unlikely(&xtcp_rare_limits)) {
		own_us = XTCP_SOCKOPT_RARE(xs, delack_max_us);
		most_us = min_not_zero(own_us, most_us);
	}
	return (u64)min(delay_us, most_us) * NSEC_PER_USEC;
}

/**
 * xtcp_ack_payload_received - payload arrived in order: mark an ACK as pending
 * @sk: the socket, locked
 * @skb: the segment, header pulled
 * @whole: it was not trimmed to the window. What is left of another one tells neither how large
 *	the peer's segments are nor how much memory their payload needs
 */
void xtcp_ack_payload_received(struct sock *sk, const struct sk_buff *skb, bool whole)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool owed = xs->ack.pending & XTCP_ACK_PENDING;
	bool small;

	xtcp_assert_owned(sk);
	if (likely(whole))
		measure_rcv_mss(sk, skb);
	delay_follow(xs);
	small = is_small(xs, skb);
	if (!small)
		stream_count_full(&xs->ack, skb);
	if (xs->ack.pending & XTCP_ACK_FOR_TWO)
		xs->ack.stream_fails = 0;
	if (small && stream_count(xs) && !owed)
		xs->ack.pending |= XTCP_ACK_FOR_TWO;
	else if ((xtcp_cb(skb)->flags & XTCP_PSH) || skb->len < xs->ack.rcv_mss)
		xs->ack.pending |= XTCP_ACK_WHEN_READ |
				   (xs->ack.pending & XTCP_ACK_WHEN_READ ?
				    XTCP_ACK_ALSO_PINGPONG : 0);
	if (owed || !answer_is_likely(xs, skb))
		xs->ack.pending &= ~XTCP_ACK_SOON;
	else
		xs->ack.pending |= XTCP_ACK_SOON;
	xs->ack.pending |= XTCP_ACK_PENDING;
}

/**
 * xtcp_ack_fin_received - the peer's FIN arrived in order: mark an ACK as
 * pending
 * @sk: the socket, locked, in CLOSE-WAIT; the user may be closing it just now
 */
void xtcp_ack_fin_received(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	/* The user's next segment answers everything. */
	xs->ack.pingpong = 1;
	xs->ack.pending |= XTCP_ACK_PENDING;
	if (xs->ack.eager) {
		xs->ack.pending |= XTCP_ACK_NOW;
		return;
	}
	/*
	 * The payload before the FIN may have begun a wait. It begins anew, for
	 * the user's close(); no other segment follows that could prolong it.
	 */
	xs->ack.pending |= XTCP_ACK_SOON;
	if (xtcp_timer_is_set(xs, XTCP_TIMER_DELAYED_ACK))
		xtcp_deadlines_ack_delayed(sk, xs->last_rcv_ns, ack_delay_ns(xs));
}

/**
 * xtcp_ack_payload_sent - note that the user may be answering
 * @sk: the socket, locked
 * @now_ns: time of sending
 *
 * Payload sent within the delay after the peer's carries its ACK. The next one
 * may do so, too; so the next ACK waits for it.
 */
void xtcp_ack_payload_sent(struct sock *sk, u64 now_ns)
{
	struct xtcp_ack *ack = &xtcp_sk(sk)->ack;
	u32 now_ms = div_u64(now_ns, NSEC_PER_MSEC);

	xtcp_assert_owned(sk);
	ack->small_segs = 0;
	if (ack->pingpong || now_ms - ack->last_payload_ms >= ack->ato_ms)
		return;
	if (++ack->answers >= XTCP_KNOB(sock_net(sk), pingpong_thresh))
		ack->pingpong = 1;
}

/**
 * xtcp_ack_now - mark an ACK as pending that must not wait
 * @sk: the socket, locked
 *
 * xtcp_ack_flush() sends it at the end of the segment.
 */
void xtcp_ack_now(struct sock *sk)
{
	xtcp_assert_owned(sk);
	xtcp_sk(sk)->ack.pending |= XTCP_ACK_PENDING | XTCP_ACK_NOW;
}

/**
 * xtcp_ack_no_space - payload in order was refused: mark an ACK with a window of 0 as pending
 * @sk: the socket, locked
 *
 * Otherwise the peer would take the refusal for a loss, and give up in the end. With a window of 0
 * it probes for as long as the program does not read.
 */
void xtcp_ack_no_space(struct sock *sk)
{
	xtcp_assert_owned(sk);
	xtcp_sk(sk)->ack.pending |= XTCP_ACK_PENDING | XTCP_ACK_NOW |
				    XTCP_ACK_NO_SPACE;
}

/**
 * xtcp_ack_ahead - payload arrived above a hole: mark a duplicate ACK as
 * pending
 * @sk: the socket, locked
 */
void xtcp_ack_ahead(struct sock *sk)
{
	xtcp_assert_owned(sk);
	xtcp_sk(sk)->ack.pending |= XTCP_ACK_PENDING;
}

/**
 * xtcp_ack_await_data - mark an ACK as pending; the user is about to send data
 * @sk: the socket, locked
 *
 * The data carries the ACK, if it is sent within XTCP_ATO_MAX_MS.
 */
void xtcp_ack_await_data(struct sock *sk)
{
	xtcp_assert_owned(sk);
	xtcp_sk(sk)->ack.pending |= XTCP_ACK_PENDING;
	xtcp_deadlines_ack_delayed(sk, xtcp_now_ns(),
				   XTCP_ATO_MAX_MS * NSEC_PER_MSEC);
}

/* True if the route has "quickack": no ACK is delayed. */
static bool route_wants_acks(const struct sock *sk)
{
	const struct dst_entry *dst = rcu_dereference_raw(sk->sk_dst_cache);

	return unlikely(dst && dst_metric(dst, RTAX_QUICKACK));
}

/*
 * RFC 5681 4.2: acknowledge at least every second full segment. But an ACK that
 * would shrink the window, because the user has not read yet, waits for the
 * user or the timer: the next recv() then sends one ACK instead of many, with a
 * larger window. It doesn't wait while the buffer is far larger than all that
 * has arrived: then the peer is in slow start, and each missing ACK is a
 * segment less in its window. Linux does the same.
 */
static bool more_than_a_segment_is_owed(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (seq_dist(xs->rcv_wup, xs->rcv_nxt) <= (s32)xs->ack.rcv_mss)
		return false;
	return seq_dist(xs->copied_seq, xs->rcv_nxt) < sk->sk_rcvlowat ||
	       xtcp_window_holds(sk) ||
	       xs->bytes_received + XTCP_WINDOW_MAX <
	       xtcp_window_limit(sk);
}

/* RFC 5681 4.2. */
static bool ack_is_due(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if ((xs->ack.pending & XTCP_ACK_NOW) || route_wants_acks(sk))
		return true;
	if (xs->ack.quickack && !xs->ack.pingpong &&
	    !(xs->ack.pending & XTCP_ACK_SOON))
		return true;
	return more_than_a_segment_is_owed(sk);
}

/*
 * A running timer keeps its deadline (MUST-40), unless a brief wait ends earlier.
 */
static void ack_timer_start(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u64 running_ns = xs->deadline_ns[XTCP_TIMER_DELAYED_ACK];
	u64 delay_ns;

	if (running_ns && !(xs->ack.pending & XTCP_ACK_BRIEF))
		return;
	delay_ns = ack_delay_ns(xs);
	if (!running_ns || xs->last_rcv_ns + delay_ns < running_ns)
		xtcp_deadlines_ack_delayed(sk, xs->last_rcv_ns, delay_ns);
}

/*
 * Segments are missing, and each one above the hole calls for a duplicate ACK
 * (RFC 5681 4.2). The peer needs three to detect a loss. Later ones may share
 * an ACK, because its SACK blocks report all of them; it follows within
 * xtcp_comp_sack_rtt_percent of a round trip, to keep the peer's ACK clock
 * running. Returns false if the ACK must be sent now.
 */
static bool duplicate_defer(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	u64 delay_ns;
	u32 rtt_us;

	if (!xs->sack_ok || xs->ack.merged >= XTCP_KNOB(net, comp_sack_nr))
		return false;
	if (xs->ack.dup_seq != xs->rcv_nxt) {
		xs->ack.dup_seq = xs->rcv_nxt;
		xs->ack.dups = 0;
	}
	if (xs->ack.dups < DUPLICATES_ENOUGH) {
		xs->ack.dups++;
		return false;
	}
	if (xs->ack.merged++)
		return true;

	rtt_us = min_not_zero(xtcp_autotune_rtt_us(xs), xs->rtt.srtt_us >> 3);
	delay_ns = min((u64)rtt_us * NSEC_PER_USEC / 100 *
		       XTCP_KNOB(net, comp_sack_rtt_percent),
		       (u64)XTCP_KNOB(net, comp_sack_delay_ns));
	xtcp_deadlines_ack_delayed(sk, xtcp_now_ns(), delay_ns);
	return true;
}

/**
 * xtcp_ack_displacing - another SACK block is about to come before all others
 * @sk: the socket, locked
 * @others: number of the others
 *
 * If the last of them that the next ACK has space for was never sent, send an ACK now.
 */
void xtcp_ack_displacing(struct sock *sk, unsigned int others)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	unsigned int fit = (xs->ts_ok ? XTCP_SACK_TS_MAX : XTCP_SACK_MAX) - xs->dsack_pending;

	xtcp_assert_owned(sk);
	if (others < fit || xs->ack.merged < fit)
		return;
	xs->ack.merged--;
	xtcp_output_ack(sk);
	/* The segment that displaces the block still needs an ACK. */
	xs->ack.pending |= XTCP_ACK_PENDING;
}

/**
 * xtcp_ack_failed - no memory for an ACK: send it later
 * @sk: the socket, locked
 */
void xtcp_ack_failed(struct sock *sk)
{
	xtcp_assert_owned(sk);
	xtcp_sk(sk)->ack.pending |= XTCP_ACK_PENDING;
	xtcp_deadlines_ack_failed(sk, XTCP_ATO_MAX_MS * NSEC_PER_MSEC);
}

/**
 * xtcp_ack_option - TCP_QUICKACK
 * @sk: the socket, locked
 * @val: 0 lets ACKs wait for data; with an odd value they are sent at once from now
 *	on; with an even value the pending ACK is sent, the next may wait
 */
void xtcp_ack_option(struct sock *sk, int val)
{
	struct xtcp_ack *ack = &xtcp_sk(sk)->ack;

	xtcp_assert_owned(sk);
	pingpong_end(ack);
	ack->pingpong = !val;
	ack->eager = val & 1;
	if (!val || !(ack->pending & XTCP_ACK_PENDING) ||
	    !xtcp_state_in(sk, XTCP_STATEF(XTCP_ESTABLISHED) |
			       XTCP_STATEF(XTCP_CLOSE_WAIT)))
		return;
	xtcp_ack_now(sk);
	xtcp_ack_flush(sk);
	if (!(val & 1))
		ack->pingpong = 1;
}

/**
 * xtcp_ack_send_pending - send the ACK that waits for its timer, if there is one
 * @sk: the socket, locked
 */
void xtcp_ack_send_pending(struct sock *sk)
{
	xtcp_assert_owned(sk);
	if (unlikely(xtcp_sk(sk)->ack.pending & XTCP_ACK_PENDING))
		xtcp_output_ack(sk);
}

/**
 * xtcp_ack_flush - end of a segment: send the pending ACK, or start its timer
 * @sk: the socket, locked
 *
 * While release_sock() processes the backlog, one ACK answers all of it (RFC
 * 9293 MUST-59).
 */
void xtcp_ack_flush(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (!(xs->ack.pending & XTCP_ACK_PENDING))
		return;
	if (!ack_is_due(sk)) {
		if (RB_EMPTY_ROOT(&xs->ofo_queue))
			ack_timer_start(sk);
		else if (!duplicate_defer(sk))
			xtcp_output_ack(sk);
	} else if (sock_owned_by_user_nocheck(sk) && !RB_EMPTY_ROOT(&xs->ofo_queue)) {
		/* Each segment behind a hole is a duplicate ACK: RFC 5681. */
		xtcp_output_ack(sk);
	} else if (sock_owned_by_user_nocheck(sk)) {
		xs->ack.pending |= XTCP_ACK_NOW;
		set_bit(XTCP_DEFER_ACK, &xs->deferred);
	} else {
		xtcp_output_ack(sk);
	}
}

/**
 * xtcp_ack_deferred - end of the backlog: send the ACK that is still pending
 * @sk: the socket, locked; from release_cb, for XTCP_DEFER_ACK
 */
void xtcp_ack_deferred(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if ((xs->ack.pending & XTCP_ACK_NOW) && xtcp_state_in(sk, XTCP_SYNCHRONIZED))
		xtcp_output_ack(sk);
}

/**
 * xtcp_ack_is_due_by_read - check whether the user's recv() makes the pending ACK due
 * @sk: the socket, locked, with an ACK pending
 *
 * Return: true if more than a segment is unacknowledged, or if an ACK was
 * waiting for the user to read everything: of one small or pushed segment, if the
 * user does not usually answer; of two, in any case.
 */
bool xtcp_ack_is_due_by_read(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (seq_dist(xs->rcv_wup, xs->rcv_nxt) > (s32)xs->ack.rcv_mss)
		return true;
	if (xs->copied_seq != xs->rcv_nxt)
		return false;
	return (xs->ack.pending & XTCP_ACK_ALSO_PINGPONG) ||
	       ((xs->ack.pending & (XTCP_ACK_WHEN_READ | XTCP_ACK_SOON)) ==
		XTCP_ACK_WHEN_READ && !xs->ack.pingpong);
}

/**
 * xtcp_ack_reader_waits - the user wants to read, and there is no data
 * @sk: the socket, locked
 *
 * There will be no answer to carry the ACK yet.
 */
void xtcp_ack_reader_waits(struct sock *sk)
{
	xtcp_assert_owned(sk);
	if (xtcp_sk(sk)->ack.pending & XTCP_ACK_SOON)
		xtcp_output_ack(sk);
}

/**
 * xtcp_ack_sent - a segment with ACK is about to be passed to IP
 * @sk: the socket, locked
 *
 * It has at least the first of the blocks to be reported. If IP refuses the segment, the ACK is
 * not pending again.
 */
void xtcp_ack_sent(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if ((xs->ack.pending & XTCP_ACK_PENDING) && xs->ack.quickack) {
		xs->ack.quickack--;
		if (!xs->ack.quickack)
			xs->ack.ato_ms = XTCP_ATO_MIN_MS;
	}
	if (unlikely(xs->ack.merged)) {
		XTCP_ADD(sock_net(sk), ACK_COMPRESSED, xs->ack.merged);
		xs->ack.merged = 0;
	}
	xs->ack.pending = 0;
	xtcp_deadlines_ack_sent(sk);
}

/**
 * xtcp_ack_timeout - the timer of the delayed ACK has expired
 * @sk: the socket, locked; softirq
 */
void xtcp_ack_timeout(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (!(xs->ack.pending & XTCP_ACK_PENDING) || xtcp_state_in(sk, XTCP_UNCONNECTED))
		return;

	if (xs->ack.merged) {
		/* One of the merged ACKs is sent. */
		xs->ack.merged--;
		xtcp_output_ack(sk);
		return;
	}
	if (xs->ack.pending & XTCP_ACK_BRIEF) {
		if (xs->ack.pending & XTCP_ACK_FOR_TWO &&
		    !(xs->ack.pending & XTCP_ACK_WHEN_READ))
			stream_failed(&xs->ack);
		xtcp_output_ack(sk);
		return;
	}
	/*
	 * In interactive traffic no answer came to carry the ACK: don't wait
	 * for one next time. Otherwise the peer's segments are further apart
	 * than assumed.
	 */
	if (xs->ack.pingpong) {
		pingpong_end(&xs->ack);
		xs->ack.ato_ms = XTCP_ATO_MIN_MS;
	} else {
		xs->ack.ato_ms = min_t(u32, xs->ack.ato_ms * 2U, XTCP_ATO_MAX_MS);
	}
	xtcp_lifecycle_sk(sk, XTCP_EV_DELAYED_ACK_TIMEOUT);
	xtcp_output_ack(sk);
	XTCP_INC(sock_net(sk), DELAYED_ACKS);
}
