// SPDX-License-Identifier: GPL-2.0
/*
 * send.c - text and FIN on their way out: what may go now
 *
 * RFC 9293 3.8.6 (window), 3.8.6.2.1 (sender's silly window avoidance), 3.7.4
 * (Nagle). The queue that it works off is sendqueue.c's.
 *
 * Socket lock; process context or softirq.
 */
#include "transfer/send.h"

#include <linux/skbuff.h>
#include <net/sock.h>

#include "compat.h"
#include "net/output.h"
#include "net/wire.h"
#include "netns.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/ack.h"
#include "transfer/congestion.h"
#include "transfer/ecn.h"
#include "transfer/lossprobe.h"
#include "transfer/probe.h"
#include "transfer/retransmit.h"
#include "transfer/sendqueue.h"
#include "transfer/undo.h"
#include "user/stats.h"

/* States in which text or FIN may leave. */
#define SENDING_STATES	XTCP_SYNCHRONIZED

/* Octets that the peer's window still takes after SND.NXT. */
static u32 usable_window(const struct xtcp_sock *xs)
{
	s32 usable = seq_dist(xs->snd_nxt, seq_add(xs->snd_una, xs->snd_wnd));

	return max(usable, 0);
}

/*
 * Nagle (RFC 9293 3.7.4, SHLD-7) with Minshall's change: a segment that is
 * not full waits while another such is unacknowledged, not while anything is.
 */
static bool small_may_go(const struct xtcp_sock *xs, u8 nagle)
{
	if (nagle & XTCP_NAGLE_PUSH)
		return true;
	if (nagle & XTCP_NAGLE_CORK)
		return false;
	if ((nagle & XTCP_NAGLE_OFF) || !xs->in_flight || xs->snd_urgent)
		return true;
	return !(seq_after(xs->snd_sml, xs->snd_una) &&
		 seq_before_eq(xs->snd_sml, xs->snd_nxt));
}

/*
 * How many octets of @skb, the first that waits, may go now: RFC 9293
 * 3.8.6.2.1 (MUST-38). @whole says if FIN and PSH go with them. Negative:
 * nothing may. A part of a segment goes only when the window ends in it and
 * is at least half of the largest seen, or when @force.
 */
static s32 may_send(const struct sock *sk, const struct sk_buff *skb,
		    u8 nagle, bool force, bool *whole)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u8 flags = xtcp_cb(skb)->flags;
	u32 usable = usable_window(xs);
	u32 len = min(skb->len, xs->mss);

	if (!usable)
		return -1;
	if (len > usable) {
		len = usable;
		if (!force && len < xs->snd_wnd_max / 2)
			return -1;
	}

	*whole = len == skb->len && (!(flags & XTCP_FIN) || usable > len);
	if (!force && *whole && len < xs->mss && !(flags & XTCP_FIN) &&
	    skb_queue_is_last(&sk->sk_write_queue, skb) &&
	    !small_may_go(xs, nagle))
		return -1;
	return len;
}

/* A segment that never left before left: it is in flight now. */
static void sent_first(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	__skb_unlink(skb, &sk->sk_write_queue);
	WRITE_ONCE(xs->snd_nxt, xtcp_cb(skb)->end);
	if (skb->len && skb->len < xs->mss)
		xs->snd_sml = xs->snd_nxt;
	if (skb->len)
		xtcp_ack_text_sent(sk);
	xs->last_snd_ns = xtcp_cb(skb)->sent_ns;
	XTCP_INC(sock_net(sk), ORIG_DATA_SENT);

	xtcp_sendq_fly(sk, skb);
	xtcp_congestion_sent(sk);
	if (xs->in_flight > 1)
		return;
	xs->retrans_stamp_ns = xs->last_snd_ns;
	xtcp_timer_clear(sk, XTCP_TIMER_PERSIST);
	xs->waiting = XTCP_WAIT_TIMEOUT;
}

/* Send the first @len octets of @skb, with its FIN if @whole. */
static bool push_one(struct sock *sk, struct sk_buff *skb, u32 len, bool whole)
{
	struct sk_buff *rest;

	if (!whole) {
		rest = xtcp_sendq_split(sk, skb, len);
		if (!rest)
			return false;
		__skb_queue_after(&sk->sk_write_queue, skb, rest);
	}
	if (xtcp_output_queued(sk, skb))
		return false;
	sent_first(sk, skb);
	return true;
}

/* The route may have learned another MTU since the last segment. */
static void refresh_mss(struct sock *sk)
{
	struct dst_entry *dst = __sk_dst_get(sk);

	if (dst && dst_mtu(dst) != xtcp_sk(sk)->pmtu)
		xtcp_output_mss_sync(sk, dst_mtu(dst));
}

/* Send what may go; Return: segments that went. */
static u32 push_all(struct sock *sk, u8 nagle, bool force)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;
	u32 pushed = 0;

	while ((skb = skb_peek(&sk->sk_write_queue))) {
		bool whole;
		s32 len;

		/* A bare FIN is too little to congest anything. */
		if (xtcp_congestion_pipe(xs) >= xs->cwnd && skb->len)
			break;
		len = may_send(sk, skb, nagle, force, &whole);
		if (len < 0 || !push_one(sk, skb, len, whole))
			break;
		/* The override is for one segment. */
		force = false;
		pushed++;
	}
	return pushed;
}

/* The first in flight starts the timeout; each may put the probe off. */
static void pushed_timer(struct sock *sk, bool was_idle)
{
	if (!xtcp_lossprobe_schedule(sk, false) &&
	    (was_idle || xtcp_sk(sk)->waiting == XTCP_WAIT_LOSS_PROBE))
		xtcp_retransmit_arm(sk);
}

static void push(struct sock *sk, u8 nagle, bool force)
{
	bool was_idle = !xtcp_sk(sk)->in_flight;

	if (!xtcp_send_has_unsent(sk) || !xtcp_state_in(sk, SENDING_STATES)) {
		xtcp_probe_window_check(sk);
		return;
	}
	refresh_mss(sk);
	if (was_idle)
		xtcp_congestion_resumed(sk);
	if (push_all(sk, nagle, force))
		pushed_timer(sk, was_idle);
	xtcp_probe_window_check(sk);
}

/**
 * xtcp_send_has_room - is there something new, and does the window take it
 * @sk: the socket, locked
 */
bool xtcp_send_has_room(struct sock *sk)
{
	const struct sk_buff *skb = skb_peek(&sk->sk_write_queue);
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return skb && min(skb->len, xs->mss) <= usable_window(xs) &&
	       usable_window(xs) > 0;
}

/**
 * xtcp_send_beyond_cwnd - send one new segment, cwnd or not
 * @sk: the socket, locked, with something in flight
 *
 * For the loss probe, whose timer the caller sets.
 *
 * Return: true when it left
 */
bool xtcp_send_beyond_cwnd(struct sock *sk)
{
	struct sk_buff *skb = skb_peek(&sk->sk_write_queue);
	bool whole;
	s32 len;

	refresh_mss(sk);
	len = may_send(sk, skb, XTCP_NAGLE_OFF, false, &whole);
	return len >= 0 && push_one(sk, skb, len, whole);
}

/**
 * xtcp_send_push - send what the windows, cwnd and Nagle let go
 * @sk: the socket, locked
 * @nagle: XTCP_NAGLE_* to be added to the socket's for this call
 *
 * If nothing is in flight afterwards and something waits, the persist timer
 * runs.
 */
void xtcp_send_push(struct sock *sk, u8 nagle)
{
	push(sk, xtcp_sk(sk)->nagle | nagle, false);
}

/**
 * xtcp_send_override - send a small segment after all
 * @sk: the socket, locked, with nothing in flight
 *
 * RFC 9293 3.8.6.2.1, (4): the override timeout has passed. Also the end of
 * the patience with TCP_CORK.
 */
void xtcp_send_override(struct sock *sk)
{
	push(sk, XTCP_NAGLE_PUSH, true);
}

/**
 * xtcp_send_syn - send the SYN of an active open (RFC 9293 3.10.1)
 * @sk: the socket, locked, in SYN-SENT with @iss chosen
 *
 * The retransmission timer runs afterwards, whether or not the SYN left.
 */
void xtcp_send_syn(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u8 flags = XTCP_SYN | xtcp_ecn_offer(sk);
	struct sk_buff *skb = xtcp_sendq_alloc_control(flags);

	xs->snd_una = xs->iss;
	xs->snd_nxt = xs->iss;
	xs->snd_sml = xs->iss;
	WRITE_ONCE(xs->write_seq, seq_add(xs->iss, 1));
	xs->pushed_seq = xs->write_seq;
	/* Before the SYN reads the clock: its echo is held against this. */
	xs->retrans_stamp_ns = xtcp_now_ns();
	if (skb) {
		xtcp_cb(skb)->seq = xs->iss;
		xtcp_cb(skb)->end = xs->write_seq;
		xtcp_sendq_charge(sk, skb->truesize);
		xtcp_sendq_fly(sk, skb);
		xtcp_output_queued(sk, skb);
	}
	WRITE_ONCE(xs->snd_nxt, xs->write_seq);
	xtcp_timer_set(sk, XTCP_TIMER_RETRANSMIT,
		       (u64)xs->rto_us * NSEC_PER_USEC);
}

/**
 * xtcp_send_fin - queue our FIN behind all text (RFC 9293 3.10.4)
 * @sk: the socket, locked
 */
void xtcp_send_fin(struct sock *sk)
{
	struct sk_buff *skb = skb_peek_tail(&sk->sk_write_queue);
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xs->fin_queued)
		return;
	if (skb) {
		xtcp_cb(skb)->flags |= XTCP_FIN;
		xtcp_cb(skb)->end = seq_add(xtcp_cb(skb)->end, 1);
		WRITE_ONCE(xs->write_seq, xtcp_cb(skb)->end);
	} else {
		skb = xtcp_sendq_alloc_control(XTCP_FIN | XTCP_ACK);
		if (!skb)
			return;
		xtcp_send_queue(sk, skb);
	}
	xs->fin_queued = 1;
	xtcp_send_push(sk, XTCP_NAGLE_OFF);
}

/*
 * Octets of @skb that may be sent again: never beyond the window, which may
 * have shrunk (SHLD-16, MAY-7), except that the oldest always goes: with a
 * closed window it is the probe (MUST-35). 0: none.
 */
static u32 retransmit_room(const struct xtcp_sock *xs,
			   const struct sk_buff *skb)
{
	seq_t edge = seq_add(xs->snd_una, xs->snd_wnd);
	s32 room = seq_dist(xtcp_cb(skb)->seq, edge);

	if (room <= 0 && xtcp_cb(skb)->seq != xs->snd_una)
		return 0;
	return room <= 0 ? xs->mss : min_t(u32, room, xs->mss);
}

/**
 * xtcp_send_again - send a segment in flight once more
 * @sk: the socket, locked
 * @skb: in flight; cut to the MSS and the window of today
 *
 * The scoreboard is not told: the loss probe doesn't mean that it is lost.
 *
 * Return: 0 when it left, -EAGAIN when it lies beyond the window, -ENOMEM or
 * an error of the route
 */
int xtcp_send_again(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	u32 room;
	int err;

	refresh_mss(sk);
	if (!(cb->flags & XTCP_SYN)) {
		if (seq_before(cb->seq, xs->snd_una))
			xtcp_sendq_trim_head(sk, skb, xs->snd_una);
		room = retransmit_room(xs, skb);
		if (!room)
			return -EAGAIN;
		if (skb->len > room) {
			struct sk_buff *rest = xtcp_sendq_split(sk, skb, room);

			if (!rest)
				return -ENOMEM;
			xtcp_sendq_fly_rest(sk, skb, rest);
		}
	}

	if (cb->retrans < U8_MAX)
		cb->retrans++;
	WRITE_ONCE(xs->total_retrans, xs->total_retrans + 1);
	XTCP_INC(net, RETRANS_SEGS);
	if (cb->flags & XTCP_SYN) {
		XTCP_INC(net, SYN_RETRANS);
		cb->flags = xtcp_ecn_syn_again(sk, cb->flags);
	}

	err = xtcp_output_queued(sk, skb);
	if (err) {
		XTCP_INC(net, RETRANS_FAIL);
		return err;
	}
	xtcp_sendq_resent(sk, skb);
	return 0;
}

/**
 * xtcp_send_retransmit - send a lost segment again
 * @sk: the socket, locked
 * @skb: in flight; see xtcp_send_again()
 *
 * Return: 0 when it left, or an error of xtcp_send_again()
 */
int xtcp_send_retransmit(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 segs = xtcp_send_segs(skb);
	int err = xtcp_send_again(sk, skb);

	if (err)
		return err;
	if (!(cb->marks & XTCP_MARK_RETRANS)) {
		cb->marks |= XTCP_MARK_RETRANS;
		xs->retrans_out += segs;
	}
	xtcp_undo_resent(sk, segs);
	return 0;
}
