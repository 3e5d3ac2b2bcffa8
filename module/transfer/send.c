// SPDX-License-Identifier: GPL-2.0
/*
 * send.c - the send queue: text and FIN on their way out
 *
 * RFC 9293 3.8.6 (window), 3.8.6.2.1 (sender's silly window avoidance), 3.7.4
 * (Nagle), 3.10.7.4 fifth (what an ACK does to the send queue).
 *
 * Text lives in page fragments; the linear part of a queued skb is only the
 * room for the headers of its clones. A segment moves once from
 * sk_write_queue to the rbtree of what is in flight, keyed by sequence
 * number, and leaves that when it is acknowledged. A queued skb is charged to
 * sk_wmem_queued by its truesize for as long as it stands in either.
 *
 * Socket lock; process context or softirq.
 */
#include "transfer/send.h"

#include <linux/mm.h>
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
#include "transfer/probe.h"
#include "transfer/recovery.h"
#include "transfer/rtt.h"
#include "user/stats.h"

/* States in which text or FIN may leave. */
#define SENDING_STATES	XTCP_SYNCHRONIZED

/* --- memory ------------------------------------------------------------ */

static void charge(struct sock *sk, int octets)
{
	sk_wmem_queued_add(sk, octets);
	if (octets >= 0)
		sk_mem_charge(sk, octets);
	else
		sk_mem_uncharge(sk, -octets);
}

static void free_queued(struct sock *sk, struct sk_buff *skb)
{
	charge(sk, -(int)skb->truesize);
	consume_skb(skb);
}

static struct sk_buff *alloc_empty(gfp_t gfp)
{
	struct sk_buff *skb = alloc_skb_fclone(XTCP_HEADROOM, gfp);

	if (!skb)
		return NULL;
	skb_reserve(skb, XTCP_HEADROOM);
	/* Whoever copies text in need not sum it: output.c does. */
	skb->ip_summed = CHECKSUM_PARTIAL;
	memset(skb->cb, 0, sizeof(skb->cb));
	xtcp_cb(skb)->flags = XTCP_ACK;
	return skb;
}

/**
 * xtcp_send_skb_alloc - an empty segment for the send queue
 * @sk: the socket, locked
 * @gfp: allocation flags
 *
 * Return: skb whose memory is reserved, not yet charged; NULL when the socket
 * or the machine is short of memory, then the socket's send buffer was cut
 */
struct sk_buff *xtcp_send_skb_alloc(struct sock *sk, gfp_t gfp)
{
	struct sk_buff *skb = alloc_empty(gfp);

	if (skb && sk_wmem_schedule(sk, skb->truesize))
		return skb;
	consume_skb(skb);
	if (!skb)
		sk->sk_prot->enter_memory_pressure(sk);
	sk_stream_moderate_sndbuf(sk);
	return NULL;
}

/*
 * For SYN and FIN, which must not fail. They come from connect(), shutdown()
 * and close(): process context with nothing but the socket lock held. Their
 * memory is charged unasked; the next reservation makes up for it.
 */
static struct sk_buff *alloc_control(u8 flags)
{
	struct sk_buff *skb;

	skb = alloc_empty(in_task() ? GFP_KERNEL | __GFP_NOFAIL : GFP_ATOMIC);
	if (skb)
		xtcp_cb(skb)->flags = flags;
	return skb;
}

/* --- the two queues ---------------------------------------------------- */

/**
 * xtcp_send_oldest - the segment at SND.UNA
 * @sk: the socket, locked
 *
 * Return: oldest segment in flight, NULL if there is none
 */
struct sk_buff *xtcp_send_oldest(struct sock *sk)
{
	return skb_rb_first(&sk->tcp_rtx_queue);
}

/**
 * xtcp_send_has_unsent - does text or FIN wait that was never sent
 * @sk: the socket, locked
 */
bool xtcp_send_has_unsent(const struct sock *sk)
{
	return !skb_queue_empty(&sk->sk_write_queue);
}

/**
 * xtcp_send_is_idle - is everything sent and acknowledged
 * @sk: the socket, locked
 */
bool xtcp_send_is_idle(const struct sock *sk)
{
	return !xtcp_send_has_unsent(sk) &&
	       RB_EMPTY_ROOT(&sk->tcp_rtx_queue);
}

/**
 * xtcp_send_queue - append a segment to what waits to be sent
 * @sk: the socket, locked
 * @skb: from xtcp_send_skb_alloc(), flags set; the queue owns it now
 */
void xtcp_send_queue(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_skb_cb *cb = xtcp_cb(skb);

	cb->seq = xs->write_seq;
	cb->end = seq_add(cb->seq, skb->len +
			  !!(cb->flags & (XTCP_SYN | XTCP_FIN)));
	charge(sk, skb->truesize);
	__skb_queue_tail(&sk->sk_write_queue, skb);
	WRITE_ONCE(xs->write_seq, cb->end);
}

/**
 * xtcp_send_grown - text was added to the last queued segment
 * @sk: the socket, locked
 * @skb: tail of sk_write_queue
 * @octets: added; they are charged already
 */
void xtcp_send_grown(struct sock *sk, struct sk_buff *skb, u32 octets)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_cb(skb)->flags &= ~XTCP_PSH;
	xtcp_cb(skb)->end = seq_add(xtcp_cb(skb)->end, octets);
	WRITE_ONCE(xs->write_seq, seq_add(xs->write_seq, octets));
}

/**
 * xtcp_send_drop_empty - take back a segment that got no text
 * @sk: the socket, locked
 *
 * Before the lock is let go: an empty segment must not be sent.
 */
void xtcp_send_drop_empty(struct sock *sk)
{
	struct sk_buff *skb = skb_peek_tail(&sk->sk_write_queue);

	if (!skb || skb->len || (xtcp_cb(skb)->flags & XTCP_FIN))
		return;
	__skb_unlink(skb, &sk->sk_write_queue);
	free_queued(sk, skb);
}

/**
 * xtcp_send_mark_push - the user's write ends here (RFC 9293 MUST-61)
 * @sk: the socket, locked
 */
void xtcp_send_mark_push(struct sock *sk)
{
	struct sk_buff *skb = skb_peek_tail(&sk->sk_write_queue);
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!skb)
		return;
	xtcp_cb(skb)->flags |= XTCP_PSH;
	xs->pushed_seq = xs->write_seq;
}

/**
 * xtcp_send_wants_push - has half a window been queued since the last PSH
 * @xs: the connection
 *
 * A long write pushes on its way, so that neither side waits for its end.
 */
bool xtcp_send_wants_push(const struct xtcp_sock *xs)
{
	return seq_dist(xs->pushed_seq, xs->write_seq) >
	       (s32)(xs->snd_wnd_max / 2);
}

/* Put @skb into flight after all others, or after a part split from it. */
static void flight_insert(struct sock *sk, struct sk_buff *skb)
{
	struct rb_node **p = &sk->tcp_rtx_queue.rb_node;
	struct rb_node *parent = NULL;
	struct xtcp_sock *xs = xtcp_sk(sk);

	while (*p) {
		parent = *p;
		if (seq_before(xtcp_cb(skb)->seq,
			       xtcp_cb(rb_to_skb(parent))->seq))
			p = &parent->rb_left;
		else
			p = &parent->rb_right;
	}
	rb_link_node(&skb->rbnode, parent, p);
	rb_insert_color(&skb->rbnode, &sk->tcp_rtx_queue);
	WRITE_ONCE(xs->in_flight, xs->in_flight + 1);
}

static void flight_remove(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u8 marks = xtcp_cb(skb)->marks;

	if (marks & XTCP_MARK_SACKED)
		xs->sacked_out--;
	if (marks & XTCP_MARK_LOST)
		xs->lost_out--;
	if (marks & XTCP_MARK_RETRANS)
		xs->retrans_out--;
	rb_erase(&skb->rbnode, &sk->tcp_rtx_queue);
	WRITE_ONCE(xs->in_flight, xs->in_flight - 1);
	free_queued(sk, skb);
}

/* --- cutting segments -------------------------------------------------- */

/* Make the fragment list private: a clone may still be on its way out. */
static int unshare(struct sock *sk, struct sk_buff *skb)
{
	int before = skb->truesize;
	int err;

	if (!skb_cloned(skb))
		return 0;
	err = pskb_expand_head(skb, 0, 0, GFP_ATOMIC);
	charge(sk, (int)skb->truesize - before);
	return err;
}

/*
 * Cut @skb after @len octets of text. The rest, with FIN and PSH, goes into
 * a new skb that the caller puts into the same queue. NULL: no memory.
 */
static struct sk_buff *split(struct sock *sk, struct sk_buff *skb, u32 len)
{
	u32 moved = skb->len - len;
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_skb_cb *rest_cb;
	struct sk_buff *rest;

	if (unshare(sk, skb))
		return NULL;
	rest = alloc_empty(GFP_ATOMIC);
	if (!rest)
		return NULL;

	rest_cb = xtcp_cb(rest);
	*rest_cb = *cb;
	rest_cb->seq = seq_add(cb->seq, len);
	cb->end = rest_cb->seq;
	cb->flags &= ~(XTCP_FIN | XTCP_PSH);

	charge(sk, rest->truesize);
	skb_split(skb, rest, len);
	skb->truesize -= moved;
	rest->truesize += moved;
	return rest;
}

/* Drop the first @eat octets of the fragments, which are private. */
static void eat_frags(struct sk_buff *skb, u32 eat)
{
	struct skb_shared_info *shinfo = skb_shinfo(skb);
	int from, to = 0;

	skb->len -= eat;
	skb->data_len -= eat;
	skb->truesize -= eat;
	for (from = 0; from < shinfo->nr_frags; from++) {
		skb_frag_t *frag = &shinfo->frags[from];
		u32 size = skb_frag_size(frag);

		if (size <= eat) {
			put_page(skb_frag_page(frag));
			eat -= size;
			continue;
		}
		skb_frag_off_add(frag, eat);
		skb_frag_size_sub(frag, eat);
		eat = 0;
		shinfo->frags[to++] = *frag;
	}
	shinfo->nr_frags = to;
}

/* Cut off what lies before @ack; if memory is short it is just sent again. */
static void trim_head(struct sock *sk, struct sk_buff *skb, seq_t ack)
{
	u32 eat = seq_dist(xtcp_cb(skb)->seq, ack);

	if (eat > skb->data_len || unshare(sk, skb))
		return;
	eat_frags(skb, eat);
	charge(sk, -(int)eat);
	xtcp_cb(skb)->seq = ack;
}

/* --- sending ----------------------------------------------------------- */

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
	if ((nagle & XTCP_NAGLE_OFF) || !xs->in_flight)
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

	flight_insert(sk, skb);
	xtcp_congestion_sent(sk);
	if (xs->in_flight > 1)
		return;
	xs->retrans_stamp_ns = xs->last_snd_ns;
	xtcp_timer_clear(sk, XTCP_TIMER_PERSIST);
	xtcp_recovery_arm(sk);
}

/* Send the first @len octets of @skb, with its FIN if @whole. */
static bool push_one(struct sock *sk, struct sk_buff *skb, u32 len, bool whole)
{
	struct sk_buff *rest;

	if (!whole) {
		rest = split(sk, skb, len);
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

static void push(struct sock *sk, u8 nagle, bool force)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	if (!xtcp_send_has_unsent(sk) || !xtcp_state_in(sk, SENDING_STATES)) {
		xtcp_probe_window_check(sk);
		return;
	}
	refresh_mss(sk);
	if (!xs->in_flight)
		xtcp_congestion_idle(sk);

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
	}
	xtcp_probe_window_check(sk);
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
	struct sk_buff *skb = alloc_control(XTCP_SYN);

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
		charge(sk, skb->truesize);
		flight_insert(sk, skb);
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
		skb = alloc_control(XTCP_FIN | XTCP_ACK);
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
 * xtcp_send_retransmit - send a segment in flight again
 * @sk: the socket, locked
 * @skb: in flight; cut to the MSS and the window of today
 *
 * Return: 0 when it left, -EAGAIN when it lies beyond the window, -ENOMEM or
 * an error of the route
 */
int xtcp_send_retransmit(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	u32 room;
	int err;

	refresh_mss(sk);
	if (!(cb->flags & XTCP_SYN)) {
		if (seq_before(cb->seq, xs->snd_una))
			trim_head(sk, skb, xs->snd_una);
		room = retransmit_room(xs, skb);
		if (!room)
			return -EAGAIN;
		if (skb->len > room) {
			struct sk_buff *rest = split(sk, skb, room);

			if (!rest)
				return -ENOMEM;
			xs->sacked_out += !!(cb->marks & XTCP_MARK_SACKED);
			xs->lost_out += !!(cb->marks & XTCP_MARK_LOST);
			xs->retrans_out += !!(cb->marks & XTCP_MARK_RETRANS);
			flight_insert(sk, rest);
		}
	}

	if (cb->retrans < U8_MAX)
		cb->retrans++;
	WRITE_ONCE(xs->total_retrans, xs->total_retrans + 1);
	XTCP_INC(net, RETRANS_SEGS);
	if (cb->flags & XTCP_SYN)
		XTCP_INC(net, SYN_RETRANS);

	err = xtcp_output_queued(sk, skb);
	if (err) {
		XTCP_INC(net, RETRANS_FAIL);
		return err;
	}
	if (!(cb->marks & XTCP_MARK_RETRANS)) {
		cb->marks |= XTCP_MARK_RETRANS;
		xs->retrans_out++;
	}
	return 0;
}

/* --- acknowledged ------------------------------------------------------ */

/*
 * What one ACK took out of the flight. @segs: segments with text or FIN.
 * @delivered: segments not known to have arrived before. @sent_ns: first
 * send of the oldest of them that can be timed. @resent: some was sent more
 * than once, so that none can be timed (Karn). @syn: our SYN is among them.
 */
struct acked {
	u32	segs;
	u32	delivered;
	u64	sent_ns;
	bool	resent;
	bool	syn;
};

static void flight_acked(struct sock *sk, seq_t ack, struct acked *acked)
{
	struct sk_buff *skb;

	while ((skb = xtcp_send_oldest(sk))) {
		struct xtcp_skb_cb *cb = xtcp_cb(skb);

		if (seq_after(cb->end, ack)) {
			if (seq_after(ack, cb->seq))
				trim_head(sk, skb, ack);
			break;
		}
		if (cb->retrans)
			acked->resent = true;
		if (!(cb->marks & XTCP_MARK_SACKED)) {
			acked->delivered++;
			if (!cb->retrans && !acked->sent_ns)
				acked->sent_ns = cb->sent_ns;
		}
		if (cb->flags & XTCP_SYN)
			acked->syn = true;
		else
			acked->segs++;
		flight_remove(sk, skb);
	}
	if (!xtcp_sk(sk)->in_flight)
		xtcp_sk(sk)->sacked_out = 0;
}

/*
 * RFC 6298 3: time a segment that was sent once; else the timestamps option
 * tells which of the copies was acknowledged (RFC 7323 4). A SYN that had to
 * be sent again and can't be timed makes the first RTO 3 s (RFC 6298 5.7).
 */
static void take_rtt(struct sock *sk, const struct xtcp_seg *seg,
		     const struct acked *acked)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool has_ts = seg->opt.has_ts && (xs->ts_ok || acked->syn);
	u64 rtt_us;
	s32 ms;

	if (acked->sent_ns && !acked->resent) {
		rtt_us = div_u64(xtcp_now_ns() - acked->sent_ns, NSEC_PER_USEC);
		xtcp_rtt_sample(sk, min_t(u64, rtt_us, U32_MAX));
		return;
	}
	if (has_ts && seg->opt.tsecr) {
		ms = (s32)(xtcp_tsval(xs) - seg->opt.tsecr);
		if (ms >= 0 && ms <= XTCP_RTO_MAX_US / USEC_PER_MSEC) {
			xtcp_rtt_sample(sk, max(ms, 1) * USEC_PER_MSEC);
			return;
		}
	}
	if (acked->syn && acked->resent)
		WRITE_ONCE(xs->rto_us, XTCP_RTO_FALLBACK_US);
}

/*
 * RFC 9293 3.10.7.4, fifth: SND.WND follows the latest segment. SND.UNA
 * stands in for SND.WL2: whoever gets here has SEG.ACK at or above it. A
 * SYN's window is not scaled (RFC 7323 2.2).
 */
static bool update_window(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u8 shift = (seg->flags & XTCP_SYN) ? 0 : xs->snd_wscale;
	u32 wnd = (u32)seg->wnd << shift;
	bool changed = wnd != xs->snd_wnd;

	if (seq_before(seg->seq, xs->snd_wl1) && seg->ack == xs->snd_una)
		return false;
	xs->snd_wl1 = seg->seq;
	if (!changed)
		return false;
	WRITE_ONCE(xs->snd_wnd, wnd);
	if (wnd > xs->snd_wnd_max) {
		xs->snd_wnd_max = wnd;
		/* The MSS is bounded by half of it. */
		xtcp_output_mss_sync(sk, xs->pmtu);
	}
	return true;
}

/**
 * xtcp_send_buffer_grow - let the send buffer follow the congestion window
 * @sk: the socket, locked
 *
 * Twice the window, so that the user can refill it while it is in flight;
 * up to xtcp_wmem[2], and not where SO_SNDBUF has spoken.
 */
void xtcp_send_buffer_grow(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 segs = max(xs->cwnd, XTCP_INIT_CWND);
	u64 want;

	if ((sk->sk_userlocks & SOCK_SNDBUF_LOCK) ||
	    sk_under_memory_pressure(sk))
		return;
	want = 2ULL * segs * (xs->mss + SKB_TRUESIZE(XTCP_HEADROOM));
	want = min_t(u64, want, max(XTCP_KNOB(sock_net(sk), wmem[2]), 0));
	if (want > sk->sk_sndbuf)
		WRITE_ONCE(sk->sk_sndbuf, (int)want);
}

/* Memory came back: tell a writer who found none. */
static void wake_writer(struct sock *sk)
{
	xtcp_send_buffer_grow(sk);
	/* Either the writer sees the room, or we see that it waits. */
	smp_mb();
	if (sk->sk_socket && test_bit(SOCK_NOSPACE, &sk->sk_socket->flags))
		sk->sk_write_space(sk);
}

/* SND.UNA moves up to SEG.ACK. */
static void new_ack(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 prior_pipe = xtcp_congestion_pipe(xs);
	struct acked acked = { };
	u32 sacked;

	xs->bytes_acked += seq_dist(xs->snd_una, seg->ack);
	WRITE_ONCE(xs->snd_una, seg->ack);
	WRITE_ONCE(xs->retransmits, 0);
	flight_acked(sk, seg->ack, &acked);
	xs->retrans_stamp_ns = xs->in_flight ? xtcp_now_ns() : 0;

	take_rtt(sk, seg, &acked);
	xtcp_recovery_arm(sk);
	sacked = xtcp_recovery_sacked(sk, seg);
	XTCP_ADD(sock_net(sk), DELIVERED, acked.delivered + sacked);
	if (acked.syn)
		xtcp_congestion_init(sk);	/* the peer's MSS is known now */
	else
		xtcp_recovery_acked(sk, acked.segs, prior_pipe);
	wake_writer(sk);
}

/*
 * Nothing new. RFC 5681 2: a duplicate ACK has no text, no SYN or FIN and
 * the same window, while something is in flight. With SACK, RFC 6675 2: one
 * that tells of an arrival.
 */
static void old_ack(struct sock *sk, const struct xtcp_seg *seg,
		    bool wnd_changed)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 sacked;

	if (!xs->in_flight)
		return;
	sacked = xtcp_recovery_sacked(sk, seg);
	XTCP_ADD(sock_net(sk), DELIVERED, sacked);
	if (sacked || (!xs->sack_ok && seg->ack == xs->snd_una &&
		       seg->seq == seg->end && !wnd_changed))
		xtcp_recovery_dupack(sk, sacked);
}

/**
 * xtcp_send_acked - what SEG.ACK, SEG.WND and SACK say about the send queue
 * @sk: the socket, locked, synchronized (or its SYN is being acknowledged)
 * @seg: with ACK in [SND.UNA - largest window, SND.NXT]
 *
 * RFC 9293 3.10.7.4, fifth. Nothing new is sent: the caller pushes at the end
 * of the segment.
 *
 * Return: true when this ACK is the first that covers our FIN
 */
bool xtcp_send_acked(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool wnd_changed;

	if (seq_after(seg->ack, xs->snd_nxt))
		return false;
	xtcp_probe_answered(sk);
	if (seq_before(seg->ack, xs->snd_una)) {
		old_ack(sk, seg, false);
		return false;
	}

	WRITE_ONCE(sk->sk_err_soft, 0);
	if (seg->seq == seg->end)
		XTCP_INC(sock_net(sk), PURE_ACKS);
	wnd_changed = update_window(sk, seg);
	if (seg->ack == xs->snd_una) {
		old_ack(sk, seg, wnd_changed);
		return false;
	}
	new_ack(sk, seg);
	return xs->fin_queued && seg->ack == xs->write_seq;
}

/**
 * xtcp_send_purge - forget all that was not acknowledged
 * @sk: the socket, locked or no longer visible
 */
void xtcp_send_purge(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(&sk->sk_write_queue)))
		free_queued(sk, skb);
	while ((skb = xtcp_send_oldest(sk)))
		flight_remove(sk, skb);
	xs->sacked_out = 0;
	sk_mem_reclaim(sk);
}
