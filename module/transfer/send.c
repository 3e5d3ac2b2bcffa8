// SPDX-License-Identifier: GPL-2.0
/*
 * send.c - decide what may be sent, and send it
 *
 * RFC 9293 3.8.6 (window), 3.8.6.2.1 (sender's silly window avoidance), 3.7.4
 * (Nagle). sendqueue.c holds the queue.
 *
 * Context: socket lock; process or softirq.
 */
#include "transfer/send.h"

#include <linux/skbuff.h>
#include <net/sock.h>

#include "clock.h"
#include "compat.h"
#include "deadlines.h"
#include "fastq.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "segment/output.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/ack.h"
#include "transfer/burst.h"
#include "transfer/congestion.h"
#include "transfer/ecn.h"
#include "transfer/lossprobe.h"
#include "transfer/meter.h"
#include "transfer/mtuprobe.h"
#include "transfer/pacing.h"
#include "transfer/probe.h"
#include "transfer/recovery.h"
#include "transfer/retransmit.h"
#include "transfer/rtt.h"
#include "transfer/scoreboard.h"
#include "transfer/sendqueue.h"
#include "transfer/smallqueue.h"
#include "transfer/txstamp.h"
#include "transfer/undo.h"
#include "transfer/urgent.h"

/* Enough for a program that is about to write again. */
#define TAIL_WAIT_NS	NSEC_PER_MSEC

/* Bytes of the peer's window beyond SND.NXT. */
static u32 usable_window(const struct xtcp_sock *xs)
{
	s32 usable = seq_dist(xs->snd_nxt, seq_add(xs->snd_una, xs->snd_wnd));

	return max(usable, 0);
}

/*
 * Nagle (RFC 9293 3.7.4, SHLD-7) with Minshall's change: a segment that is not
 * full waits only while another such segment is unacknowledged. (The end of a
 * large write waits for TAIL_WAIT_NS at most.)
 */
static __always_inline bool small_may_go(const struct xtcp_sock *xs, u8 nagle)
{
	if ((nagle & XTCP_NAGLE_PUSH) || xs->urgent.sending)
		return true;
	if (nagle & XTCP_NAGLE_CORK)
		return false;
	if ((nagle & XTCP_NAGLE_OFF) || !xs->in_flight)
		return true;
	return !(seq_after(xs->snd_sml, xs->snd_una) &&
		 seq_before_eq(xs->snd_sml, xs->snd_nxt));
}

/* True if the last segment of @skb, which is not full, may be sent. */
static __always_inline bool tail_may_go(const struct sock *sk,
					const struct sk_buff *skb, u8 nagle)
{
	return (xtcp_cb(skb)->flags & XTCP_FIN) ||
	       !skb_queue_is_last(&sk->sk_write_queue, skb) ||
	       small_may_go(xtcp_sk(sk), nagle);
}

/*
 * True if @skb, the first unsent one, is less than a segment and only Nagle
 * holds it back. Same result as may_send(), without its calculation.
 */
static __always_inline bool nagle_holds(const struct sock *sk,
					const struct sk_buff *skb, u8 nagle)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return skb->len < xs->mss && usable_window(xs) >= xs->mss &&
	       !tail_may_go(sk, skb, nagle);
}

/*
 * How much of @skb, the first unsent one, may be sent now: RFC 9293 3.8.6.2.1
 * (MUST-38). The full segments that the window and @segs_max allow; then the smaller
 * one at the end, if Nagle's algorithm lets it go or with @force. If the window ends
 * within the first segment, a part of that segment, but only if the window is at
 * least half of the largest seen, or with @force. A segment whose time of sending is
 * to be reported goes alone.
 *
 * Returns bytes; negative: nothing may be sent. *@whole is set if that is all of
 * @skb, its FIN and PSH included.
 */
static s32 may_send(const struct sock *sk, const struct sk_buff *skb,
		    u8 nagle, bool force, u32 segs_max, bool *whole)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u32 usable = usable_window(xs);
	u32 full, len, tail;

	if (!usable)
		return -1;
	full = min(skb->len, usable) / xs->mss;
	if (full > 1)
		segs_max = min(segs_max, xtcp_burst_segs(sk));
	full = min(full, segs_max);
	len = full * xs->mss;
	tail = skb->len - len;
	if (tail && tail < xs->mss && tail <= usable - len &&
	    (!full || full < segs_max) &&
	    (force || tail_may_go(sk, skb, nagle)) &&
	    (full != 1 || xtcp_burst_segs(sk) > 1))
		len = skb->len;
	else if (!full && tail > usable &&
		 (force || usable >= xs->snd_wnd_max / 2))
		len = usable;
	if (!len && skb->len)
		return -1;
	if (xtcp_txstamp_is_on(skb) && len > xs->mss)
		len = xtcp_txstamp_bound(sk, skb, len);
	*whole = len == skb->len &&
		 (!(xtcp_cb(skb)->flags & XTCP_FIN) || usable > len);
	return len;
}

/* TCP Small Queues: the limit depends on how much of @skb, the first @len bytes, would be sent. */
static bool host_queue_is_full(struct sock *sk, const struct sk_buff *skb, u32 len)
{
	return xtcp_smallqueue_is_full(sk, min_t(u32, skb->truesize, SKB_TRUESIZE(len)), 0);
}

/* @skb was sent for the first time and is in no queue: put it in flight. */
static void send_launched(struct sock *sk, struct sk_buff *skb, u64 now_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 segs = xtcp_sendq_segs(skb);
	bool first = !xs->in_flight;

	WRITE_ONCE(xs->snd_nxt, xtcp_cb(skb)->end);
	if (skb->len && skb->len < segs * xs->mss)
		xs->snd_sml = xs->snd_nxt;
	if (skb->len)
		xtcp_ack_payload_sent(sk, now_ns);
	xs->last_snd_ns = now_ns;
	XTCP_ADD(sock_net(sk), ORIG_DATA_SENT, segs);

	xtcp_sendq_fly(sk, skb);
	xtcp_congestion_sent(sk, segs, xtcp_cb(skb)->sent_ns);
	if (!first)
		return;
	xs->retrans_stamp_ns = xs->last_snd_ns;
	xtcp_deadlines_flight_began(sk);
}

static void sent_first(struct sock *sk, struct sk_buff *skb, u64 now_ns)
{
	__skb_unlink(skb, &sk->sk_write_queue);
	send_launched(sk, skb, now_ns);
}

/* Send the first @len bytes of @skb, with its FIN if @whole, and PSH with @force. */
static bool push_one(struct sock *sk, struct sk_buff *skb, u32 len, bool whole,
		     bool force, u64 now_ns)
{
	struct sk_buff *rest;

	if (!whole) {
		rest = xtcp_sendq_split(sk, skb, len);
		if (!rest)
			return false;
		__skb_queue_after(&sk->sk_write_queue, skb, rest);
	}
	if (unlikely(force))
		xtcp_cb(skb)->flags |= XTCP_PSH;
	xtcp_sendq_measure(skb, xtcp_sk(sk)->mss);
	if (xtcp_output_queued(sk, skb, now_ns))
		return false;
	sent_first(sk, skb, now_ns);
	xtcp_pacing_sent(sk, skb->len);
	return true;
}

/* The route's MTU may have changed since the last segment. */
static void refresh_mss(struct sock *sk)
{
	struct dst_entry *dst = __sk_dst_get(sk);

	if (dst && dst_mtu(dst) != xtcp_sk(sk)->pmtu)
		xtcp_output_mss_sync(sk, dst_mtu(dst));
}

/* Segments that the congestion window allows. */
static u32 congestion_room(const struct xtcp_sock *xs)
{
	u32 pipe = xtcp_congestion_pipe(xs);

	return xs->cwnd > pipe ? xs->cwnd - pipe : 0;
}

/*
 * @skb waits for the next ACK (burst.c). If cwnd is what keeps it from going, cwnd is used up: the
 * @room that is left goes unused by our own choice.
 */
static void note_waiting_burst(struct xtcp_sock *xs, const struct sk_buff *skb, u32 room)
{
	u64 bytes = (u64)room * xs->mss;

	if (bytes <= skb->len && bytes < usable_window(xs))
		xtcp_congestion_full(xs);
}

/*
 * Send a probe of the path's MTU, if one is due. Negative: unsent data must
 * wait for the probe; 0: it may be sent; 1: a probe was sent. @idle: a pause ends with the
 * next segment; cleared if it has.
 */
static int push_probe(struct sock *sk, u64 now_ns, bool *idle)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;
	bool wait;
	u32 len;

	len = xtcp_mtuprobe_size(sk, &wait);
	if (wait || (len && xtcp_pacing_holds(sk)))
		return -EAGAIN;
	if (!len)
		return 0;
	if (*idle) {
		*idle = false;
		/* The window may have become too small for a probe. */
		if (xtcp_congestion_resumed(sk, now_ns))
			return 0;
	}
	skb = xtcp_sendq_gather(sk, len);
	if (!skb)
		return 0;
	xtcp_sendq_measure(skb, len);
	if (xtcp_output_queued(sk, skb, now_ns))
		return 0;
	sent_first(sk, skb, now_ns);
	xtcp_pacing_sent(sk, len);
	xtcp_mtuprobe_sent(xs, len);
	return 1;
}

/* Send what may be sent. Returns true if something was. */
static bool push_all(struct sock *sk, u8 nagle, bool force, u64 now_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;
	bool idle = !xs->in_flight;
	int probe = force ? 0 : push_probe(sk, now_ns, &idle);
	bool pushed = probe > 0;

	if (probe < 0)
		return false;
	/* A SYN in flight without an skb (simultaneous open, now FIN-WAIT-1) must get one first. */
	if (unlikely(xs->bare_out) && !xtcp_sendq_bare_to_skb(sk))
		return pushed;
	while ((skb = skb_peek(&sk->sk_write_queue))) {
		u32 room = congestion_room(xs);
		bool whole;
		s32 len;

		if (!room)
			break;
		if (!force && nagle_holds(sk, skb, nagle))
			break;
		if (xtcp_pacing_holds(sk))
			break;
		if (!force && xs->in_flight &&
		    xtcp_burst_waits(sk, skb, room, now_ns)) {
			note_waiting_burst(xs, skb, room);
			break;
		}
		/*
		 * The override applies to one segment. As in Linux an skb holds at most
		 * half of cwnd, so that there are two bursts in a round trip.
		 */
		len = may_send(sk, skb, nagle, force,
			       force ? 1 : min(room, max(xs->cwnd / 2, 1U)), &whole);
		if (len < 0 || host_queue_is_full(sk, skb, len))
			break;
		if (idle) {
			idle = false;
			if (unlikely(xtcp_congestion_resumed(sk, now_ns)))
				continue;
		}
		if (!push_one(sk, skb, len, whole, force, now_ns))
			break;
		force = false;
		pushed = true;
	}
	return pushed;
}

/*
 * The first segment in flight starts the timeout; each may postpone the loss
 * probe.
 */
static void pushed_timer(struct sock *sk, u64 now_ns, bool was_idle)
{
	if (!xtcp_lossprobe_schedule(sk, now_ns, was_idle) &&
	    (was_idle || xtcp_sk(sk)->retransmit.waiting == XTCP_WAIT_LOSS_PROBE))
		xtcp_retransmit_arm(sk);
}

/*
 * The end of a large write is held back by a small segment in flight. A program that
 * goes on writing fills the segment within microseconds. Otherwise the peer usually
 * needs this end before it can go on, and is not kept waiting for a round trip.
 */
static bool tail_is_held(const struct sock *sk, const struct sk_buff *skb,
			 u8 nagle)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return (nagle & XTCP_NAGLE_LARGE) && !(nagle & XTCP_NAGLE_CORK) &&
	       skb->len < xs->mss && skb->len <= usable_window(xs) &&
	       !tail_may_go(sk, skb, nagle);
}

/* After a push: begin to wait, or forget that the end of a write has waited. */
static void tail_wait(struct sock *sk, u8 nagle, u64 now_ns)
{
	const struct sk_buff *skb = skb_peek(&sk->sk_write_queue);
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!skb) {
		xs->nagle &= ~XTCP_NAGLE_TAIL;
	} else if (!(xs->nagle & XTCP_NAGLE_TAIL) &&
		   tail_is_held(sk, skb, nagle)) {
		xs->nagle |= XTCP_NAGLE_TAIL;
		if (!xtcp_timer_is_set(xs, XTCP_TIMER_PACE))
			xtcp_deadlines_tail_held(sk, now_ns, TAIL_WAIT_NS);
	}
}

/* The end of a large write has waited long enough: Nagle holds nothing any more. */
static bool tail_has_waited(const struct xtcp_sock *xs, u8 nagle)
{
	return (nagle & XTCP_NAGLE_TAIL) &&
	       !xtcp_timer_is_set(xs, XTCP_TIMER_PACE);
}

static void send_push(struct sock *sk, u8 nagle, bool force)
{
	bool was_idle = !xtcp_sk(sk)->in_flight;
	u64 now_ns;

	if (!xtcp_sendq_has_unsent(sk) || !xtcp_state_in(sk, XTCP_SENDING_STATES)) {
		xtcp_probe_window_check(sk);
		return;
	}
	refresh_mss(sk);
	now_ns = xtcp_now_ns();
	if (unlikely(tail_has_waited(xtcp_sk(sk), nagle)))
		nagle |= XTCP_NAGLE_OFF;
	if (push_all(sk, nagle, force, now_ns))
		pushed_timer(sk, now_ns, was_idle);
	if (nagle & (XTCP_NAGLE_LARGE | XTCP_NAGLE_TAIL))
		tail_wait(sk, nagle, now_ns);
	xtcp_meter_pushed(sk, now_ns, was_idle);
	xtcp_probe_window_check(sk);
}

/**
 * xtcp_send_has_room - check whether the window allows a new segment
 * @sk: the socket, locked
 *
 * Return: true if there is unsent data, and the window allows a segment of it
 */
bool xtcp_send_has_room(struct sock *sk)
{
	const struct sk_buff *skb = skb_peek(&sk->sk_write_queue);
	const struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	return skb && min(skb->len, xs->mss) <= usable_window(xs) &&
	       usable_window(xs) > 0;
}

/**
 * xtcp_send_beyond_cwnd - send one new segment, regardless of cwnd
 * @sk: the socket, locked, with something in flight
 *
 * For the loss probe, whose timer the caller sets. It waits for pacing and for
 * the host's own queue, as in Linux.
 *
 * Return: true if it was sent
 */
bool xtcp_send_beyond_cwnd(struct sock *sk)
{
	struct sk_buff *skb = skb_peek(&sk->sk_write_queue);
	bool whole;
	s32 len;

	xtcp_assert_owned(sk);
	if (xtcp_pacing_holds(sk))
		return false;
	refresh_mss(sk);
	len = may_send(sk, skb, XTCP_NAGLE_OFF, false, 1, &whole);
	return len >= 0 && !host_queue_is_full(sk, skb, len) &&
	       push_one(sk, skb, len, whole, false, xtcp_now_ns());
}

/**
 * xtcp_send_push - send what the windows, cwnd and Nagle allow
 * @sk: the socket, locked
 * @nagle: XTCP_NAGLE_* to be added to the socket's for this call
 *
 * If nothing is in flight afterwards and data is unsent, the persist timer
 * runs.
 */
void xtcp_send_push(struct sock *sk, u8 nagle)
{
	xtcp_assert_owned(sk);
	send_push(sk, xtcp_sk(sk)->nagle | nagle, false);
}

/**
 * xtcp_send_waits_for_more - check whether Nagle still holds back all unsent
 * data
 * @sk: the socket, locked; data was just added
 * @nagle: as for xtcp_send_push()
 *
 * Fast path: less than a segment is unsent, as it was at the last check.
 *
 * Return: true if xtcp_send_push() would send nothing
 */
bool xtcp_send_waits_for_more(const struct sock *sk, u8 nagle)
{
	const struct sk_buff *skb = skb_peek(&sk->sk_write_queue);
	const struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	return xs->in_flight && xs->measured.held == XTCP_HELD_PATH && skb &&
	       nagle_holds(sk, skb, xs->nagle | nagle);
}

/**
 * xtcp_send_may_go_alone - check whether a small segment would be sent at once
 * @sk: the socket, locked, in ESTABLISHED
 * @bytes: bytes of its payload
 *
 * Fast path: nothing is unsent, in flight or still in this host, and only the
 * windows could hold it back.
 *
 * Return: true if xtcp_send_push() would send it as one segment
 */
bool xtcp_send_may_go_alone(const struct sock *sk, u32 bytes)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	return !xtcp_sendq_has_unsent(sk) && !xs->in_flight &&
	       bytes <= min(xs->mss, usable_window(xs)) && xs->cwnd &&
	       xtcp_recovery_is_idle(xs) &&
	       !(xs->nagle & XTCP_NAGLE_CORK) &&
	       !xtcp_mtuprobe_is_searching(xs) && !xtcp_urgent_is_sending(xs) &&
	       refcount_read(&sk->sk_wmem_alloc) == 1 &&
	       READ_ONCE(sk->sk_pacing_status) == SK_PACING_NONE &&
	       xtcp_notsent_lowat(xs);
}

/**
 * xtcp_send_alone - send a segment for which xtcp_send_may_go_alone() is true
 * @sk: the socket, locked
 * @skb: from xtcp_sendq_alloc_reserved(), with its payload; the send queue owns
 *	it now
 *
 * Such a segment is small: it nearly always fits the route's MTU, and IP reports it if not. If
 * it can't be sent it is queued as usual.
 */
void xtcp_send_alone(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 now_ns = xtcp_now_ns();

	xtcp_assert_owned(sk);
	xtcp_cb(skb)->flags |= XTCP_PSH;
	xs->nagle &= ~XTCP_NAGLE_LARGE;
	xtcp_sendq_number(sk, skb);
	xs->pushed_seq = xs->write_seq;
	xtcp_sendq_measure(skb, xs->mss);
	xtcp_congestion_resumed(sk, now_ns);
	if (likely(!xtcp_output_queued(sk, skb, now_ns))) {
		send_launched(sk, skb, now_ns);
		pushed_timer(sk, now_ns, true);
		xtcp_meter_started(xs, now_ns);
	} else {
		__skb_queue_tail(&sk->sk_write_queue, skb);
		xtcp_probe_window_check(sk);
	}
}

/**
 * xtcp_send_override - send a small segment although it was held back
 * @sk: the socket, locked, with nothing in flight
 *
 * RFC 9293 3.8.6.2.1, (4): the override timeout has passed. Also ends
 * TCP_CORK's delay.
 */
void xtcp_send_override(struct sock *sk)
{
	xtcp_assert_owned(sk);
	send_push(sk, XTCP_NAGLE_PUSH, true);
}

/**
 * xtcp_send_syn - send the SYN of an active open (RFC 9293 3.10.1)
 * @sk: the socket, locked, in SYN-SENT with @iss chosen; its TCB was just
 *	renewed
 *
 * The retransmission timer runs afterwards, even if the SYN could not be sent.
 */
void xtcp_send_syn(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u8 flags = XTCP_SYN | xtcp_ecn_offer(sk);
	/* Start of connect(); the SYN's timestamp echo is compared with it. */
	u64 now_ns = xs->last_snd_ns;

	xtcp_assert_owned(sk);
	WRITE_ONCE(xs->snd_una, xs->iss);
	WRITE_ONCE(xs->snd_nxt, xs->iss);
	xs->snd_sml = xs->iss;
	WRITE_ONCE(xs->write_seq, seq_add(xs->iss, 1));
	xs->pushed_seq = xs->write_seq;
	xtcp_sendq_fly_bare(sk, now_ns);
	xtcp_output_bare(sk, NULL, xs->iss, flags, now_ns);
	WRITE_ONCE(xs->snd_nxt, xs->write_seq);
	xtcp_deadlines_syn_sent(sk, now_ns, xtcp_rtt_rto_ns(xs));
}

/**
 * xtcp_send_syn_prepare - let the SYN of a connection be in flight as an skb
 * @sk: the socket, locked or not visible yet; SND.NXT is its ISS, nothing was sent
 *
 * For a SYN behind which data may be in flight before it is acknowledged.
 *
 * Return: false without memory; nothing has changed then
 */
bool xtcp_send_syn_prepare(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_sendq_fly_bare(sk, xtcp_now_ns());
	WRITE_ONCE(xs->snd_nxt, seq_add(xs->iss, 1));
	if (!xtcp_sendq_bare_to_skb(sk)) {
		xtcp_sendq_land_bare(sk);
		WRITE_ONCE(xs->snd_nxt, xs->iss);
		return false;
	}
	WRITE_ONCE(xs->write_seq, xs->snd_nxt);
	xs->pushed_seq = xs->write_seq;
	return true;
}

/**
 * xtcp_send_syn_data - send the SYN of an active open with data (RFC 7413 4.2.1)
 * @sk: as for xtcp_send_syn()
 * @skb: from xtcp_sendq_alloc_reserved(), with payload that fits beside the SYN's options;
 *	the send queue owns it now
 *
 * @alone: option of fast open for a SYN without data
 *
 * One segment leaves. In flight are two, of which the first is the SYN alone: a timeout sends
 * that again. If the segment cannot leave this host, which may have a rule against data in a
 * SYN, the SYN leaves alone at once, and the data waits for the end of the handshake.
 *
 * Return: false without memory: @skb is freed, and nothing has changed
 */
bool xtcp_send_syn_data(struct sock *sk, struct sk_buff *skb,
			const struct xtcp_fastcookie *alone)
{
	u8 flags = XTCP_SYN | xtcp_ecn_offer(sk);
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 now_ns = xs->last_snd_ns;
	int err;

	xtcp_assert_owned(sk);
	if (!xtcp_send_syn_prepare(sk)) {
		consume_skb(skb);
		return false;
	}
	xtcp_cb(xtcp_sendq_oldest(sk))->sent_ns = now_ns;
	xtcp_sendq_number(sk, skb);
	xtcp_sendq_measure(skb, skb->len);
	cb->seq = xs->iss;
	cb->flags = flags;
	WRITE_ONCE(xs->snd_nxt, xs->iss);	/* not a retransmission */
	err = xtcp_output_queued(sk, skb, now_ns);
	cb->seq = seq_add(xs->iss, 1);
	cb->flags = XTCP_ACK | XTCP_PSH;
	if (err) {
		__skb_queue_tail(&sk->sk_write_queue, skb);
		xs->fast_option = alone;
		xs->fast_sending = alone->len >= 0;
		xtcp_output_queued(sk, xtcp_sendq_oldest(sk), now_ns);
		WRITE_ONCE(xs->snd_nxt, cb->seq);
	} else {
		cb->sent_ns = now_ns;
		WRITE_ONCE(xs->snd_nxt, xs->write_seq);
		xtcp_sendq_fly(sk, skb);
		XTCP_INC(sock_net(sk), ORIG_DATA_SENT);
	}
	xs->snd_sml = xs->iss;
	xs->pushed_seq = xs->write_seq;
	xs->retrans_stamp_ns = now_ns;
	xtcp_deadlines_syn_sent(sk, now_ns, xtcp_rtt_rto_ns(xs));
	return true;
}

/**
 * xtcp_send_syn_ack - send the first SYN-ACK of a fast-open child (RFC 7413 4.2.2)
 * @sk: in SYN-RECEIVED, locked; after xtcp_send_syn_prepare()
 * @option: option of fast open, or NULL
 *
 * The retransmission timer runs afterwards, even if the SYN-ACK could not be sent.
 */
void xtcp_send_syn_ack(struct sock *sk, const struct xtcp_fastcookie *option)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 now_ns = xs->last_rcv_ns;

	xtcp_assert_owned(sk);
	WRITE_ONCE(xs->snd_nxt, xs->iss);	/* not a retransmission */
	xs->fast_option = option;
	xs->fast_sending = !!option;
	xtcp_output_queued(sk, xtcp_sendq_oldest(sk), now_ns);
	xs->fast_sending = 0;
	WRITE_ONCE(xs->snd_nxt, xs->write_seq);
	xs->retrans_stamp_ns = now_ns;
	xtcp_deadlines_syn_sent(sk, now_ns, xtcp_rtt_rto_ns(xs));
}

/*
 * True if a FIN may be sent at once; the queue is empty. One that fq holds needs an skb, which
 * knows its departure.
 */
static bool fin_may_go_bare(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	return !xs->in_flight && usable_window(xs) &&
	       xtcp_state_in(sk, XTCP_SENDING_STATES) && !xtcp_pacing_holds(sk) &&
	       READ_ONCE(sk->sk_pacing_status) != SK_PACING_FQ;
}

/* Built in @spare, which is consumed. False if it was not sent. */
static bool fin_send_bare(struct sock *sk, struct sk_buff *spare)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 now_ns = xtcp_now_ns();

	if (xtcp_output_bare(sk, spare, xs->snd_nxt, XTCP_FIN | XTCP_ACK,
			     now_ns))
		return false;
	WRITE_ONCE(xs->write_seq, seq_add(xs->write_seq, 1));
	WRITE_ONCE(xs->snd_nxt, xs->write_seq);
	xs->last_snd_ns = now_ns;
	XTCP_INC(sock_net(sk), ORIG_DATA_SENT);
	xtcp_sendq_fly_bare(sk, now_ns);
	xtcp_congestion_sent(sk, 1, now_ns);
	xtcp_deadlines_flight_began(sk);
	pushed_timer(sk, now_ns, true);
	return true;
}

/**
 * xtcp_send_fin - send our FIN after all data (RFC 9293 3.10.4)
 * @sk: the socket, locked
 * @spare: spare skb or NULL; consumed
 */
void xtcp_send_fin(struct sock *sk, struct sk_buff *spare)
{
	struct sk_buff *skb = skb_peek_tail(&sk->sk_write_queue);
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool alone = !skb && fin_may_go_bare(sk);

	xtcp_assert_owned(sk);
	if (xs->fin_queued) {
		consume_skb(spare);
		return;
	}
	if (!alone) {
		consume_skb(spare);
	} else if (fin_send_bare(sk, spare)) {
		xs->fin_queued = 1;
		return;
	}
	if (skb) {
		xtcp_cb(skb)->flags |= XTCP_FIN;
		xtcp_cb(skb)->end = seq_add(xtcp_cb(skb)->end, 1);
		WRITE_ONCE(xs->write_seq, xtcp_cb(skb)->end);
	} else {
		skb = xtcp_sendq_alloc_control(sk, XTCP_FIN | XTCP_ACK);
		if (!skb)
			return;
		xtcp_sendq_append(sk, skb);
	}
	xs->fin_queued = 1;
	/* A timer tries again what could not be sent. */
	if (alone)
		xtcp_probe_window_check(sk);
	else
		xtcp_send_push(sk, XTCP_NAGLE_OFF);
}

/*
 * Bytes of @skb that may be sent again: not beyond the window, which may have
 * shrunk (SHLD-16, MAY-7), but the oldest segment always: with a closed window
 * it is the probe (MUST-35). 0 for none.
 */
static u32 retransmit_room(const struct xtcp_sock *xs,
			   const struct sk_buff *skb, u32 segs_max)
{
	seq_t edge = seq_add(xs->snd_una, xs->snd_wnd);
	s32 room = seq_dist(xtcp_cb(skb)->seq, edge);

	if (room <= 0 && xtcp_cb(skb)->seq != xs->snd_una)
		return 0;
	return room <= 0 ? xs->mss : min_t(u32, room, segs_max * xs->mss);
}

/*
 * Append the small segments behind @skb that fit into one and into the window: a probe of a
 * closed one stays as it is.
 */
static void retransmit_collapse(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	seq_t edge = seq_add(xs->snd_una, xs->snd_wnd);
	struct sk_buff *next;

	if (!XTCP_KNOB(sock_net(sk), retrans_collapse))
		return;
	/* A clone of @next may still be in this host: it will be sent. */
	while ((next = skb_rb_next(skb)) && skb->len + next->len <= xs->mss &&
	       !skb_cloned(next) && !seq_after(xtcp_cb(next)->end, edge) &&
	       !(xtcp_cb(next)->marks & XTCP_MARK_SACKED)) {
		if (!xtcp_sendq_collapse(sk, skb, next))
			return;
		xtcp_scoreboard_exclude(xs);
	}
}

/*
 * Split @skb to what may be sent again, in segments of the current MSS.
 *
 * Return: 0; -EAGAIN, -ENOMEM.
 */
static int retransmit_fit(struct sock *sk, struct sk_buff *skb, u32 segs_max)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 room;

	if (seq_before(xtcp_cb(skb)->seq, xs->snd_una)) {
		xtcp_sendq_trim_head(sk, skb, xs->snd_una);
		if (seq_before(xtcp_cb(skb)->seq, xs->snd_una))
			return -ENOMEM;
	}
	if (segs_max > 1)
		segs_max = min(segs_max, xtcp_burst_segs(sk));
	room = retransmit_room(xs, skb, segs_max);
	if (!room)
		return -EAGAIN;
	if (xtcp_txstamp_is_on(skb) && min(room, skb->len) > xs->mss)
		room = xtcp_txstamp_bound(sk, skb, room);
	if (skb->len > room && !xtcp_sendq_split_flight(sk, skb, room))
		return -ENOMEM;
	/* A small one, too: what is appended is counted by the current MSS. */
	if (xtcp_cb(skb)->seg_size != xs->mss) {
		xtcp_sendq_measure_again(sk, skb, xs->mss);
		/* Without memory for a split it may be fewer segments than before. */
		xtcp_scoreboard_exclude(xs);
	}
	if (skb->len < xs->mss)
		retransmit_collapse(sk, skb);
	return 0;
}

/* Count a retransmission. A round trip can't be measured any more then: Karn. */
static void count_again(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 segs = xtcp_sendq_segs(skb);

	if (xtcp_cb(skb)->retrans < U8_MAX)
		xtcp_cb(skb)->retrans++;
	WRITE_ONCE(xs->total_retrans, xs->total_retrans + segs);
	XTCP_ADD(sock_net(sk), RETRANS_SEGS, segs);
	xs->bytes_retrans += skb->len;
	if (xtcp_cb(skb)->flags & XTCP_SYN)
		XTCP_INC(sock_net(sk), SYN_RETRANS);
}

/**
 * xtcp_send_syn_ack_crossing - answer the peer's SYN in a simultaneous open
 * @sk: the socket, locked, in SYN-RECEIVED
 *
 * RFC 9293 figure 8. Without memory nothing is sent: the timer sends the SYN-ACK.
 */
void xtcp_send_syn_ack_crossing(struct sock *sk)
{
	struct sk_buff *syn = xtcp_sendq_syn(sk);

	xtcp_assert_owned(sk);
	if (syn)
		xtcp_output_syn_ack(sk, syn);
}

/**
 * xtcp_send_syn_ack_again - the peer's SYN has come again: send our SYN-ACK again
 * @sk: the socket, locked, in SYN-RECEIVED or the child of a fast open
 *
 * A client that repeats its SYN must not put off the retransmission timer, which goes on to count
 * from the transmission before. Without memory nothing is sent.
 */
void xtcp_send_syn_ack_again(struct sock *sk)
{
	struct sk_buff *syn = xtcp_sendq_syn(sk);
	u64 sent_ns;

	xtcp_assert_owned(sk);
	if (!syn)
		return;
	count_again(sk, syn);
	sent_ns = xtcp_cb(syn)->sent_ns;
	xtcp_output_syn_ack(sk, syn);
	xtcp_trace_retransmit(sk, xtcp_cb(syn)->seq, 0, xtcp_cb(syn)->retrans,
			      xtcp_cb(syn)->sent_ns - sent_ns, XTCP_RESENT_SYN_ACK);
	xtcp_cb(syn)->sent_ns = sent_ns;
}

/**
 * xtcp_send_again - send a segment in flight once more
 * @sk: the socket, locked
 * @skb: in flight; split by the current MSS and window
 * @segs_max: segments of it that may be sent; the rest stays in flight
 * @why: for the tracepoint
 *
 * Does not change the scoreboard, because for the loss probe it is not lost.
 *
 * Return: 0 when it was sent, -EAGAIN when it lies beyond the window, -EBUSY
 * when its last copy has not left this host, -ENOMEM if it cannot be split, an error of
 * xtcp_output_route_find(), or one of xtcp_output_queued()
 */
int xtcp_send_again(struct sock *sk, struct sk_buff *skb, u32 segs_max,
		    enum xtcp_resent why)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	u64 sent_ns, now_ns;
	u32 segs;
	int err;

	xtcp_assert_owned(sk);
	if (xtcp_smallqueue_holds_copy(sk, skb))
		return -EBUSY;
	err = xtcp_output_route_find(sk);
	if (err)
		return err;	/* it is no retransmission */
	refresh_mss(sk);
	if (!(cb->flags & XTCP_SYN)) {
		err = retransmit_fit(sk, skb, segs_max);
		if (err)
			return err;
	}

	segs = xtcp_sendq_segs(skb);
	/* As in Linux any retransmission makes a probe of the path's MTU inconclusive. */
	xs->mtu.probe = 0;
	count_again(sk, skb);
	if (cb->flags & XTCP_SYN)
		cb->flags = xtcp_ecn_syn_again(sk, cb->flags);

	sent_ns = cb->sent_ns;
	now_ns = xtcp_now_ns();
	err = xtcp_output_queued(sk, skb, now_ns);
	if (err) {
		/* RACK goes on to time the copy that was sent before. */
		cb->sent_ns = sent_ns;
		XTCP_ADD(net, RETRANS_FAIL, segs);
		return err;
	}
	xtcp_trace_retransmit(sk, cb->seq, skb->len, cb->retrans,
			      cb->sent_ns - sent_ns, why);
	xtcp_pacing_sent(sk, skb->len);
	/* RFC 5681 4.1: retransmissions are data, too. Not @sent_ns, when a qdisc lets it go. */
	if (skb->len)
		xs->last_snd_ns = now_ns;
	xtcp_sendq_resent(sk, skb);
	xtcp_congestion_resent(xs, cb->sent_ns);
	return 0;
}

/**
 * xtcp_send_retransmit - send a lost segment again
 * @sk: the socket, locked
 * @skb: in flight; see xtcp_send_again()
 * @segs_max: segments of it that may be sent
 * @why: for the tracepoint
 *
 * Return: 0 when it was sent, or an error of xtcp_send_again()
 */
int xtcp_send_retransmit(struct sock *sk, struct sk_buff *skb, u32 segs_max,
			 enum xtcp_resent why)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_sock *xs = xtcp_sk(sk);
	int err = xtcp_send_again(sk, skb, segs_max, why);
	u32 segs = xtcp_sendq_segs(skb);

	xtcp_assert_owned(sk);
	if (err)
		return err;
	if (!(cb->marks & XTCP_MARK_RETRANS)) {
		cb->marks |= XTCP_MARK_RETRANS;
		xs->retrans_out += segs;
		if (cb->marks & XTCP_MARK_LOST)
			xs->to_resend -= segs;
	}
	xtcp_undo_resent(sk, segs, cb->sent_ns);
	return 0;
}
