// SPDX-License-Identifier: GPL-2.0
/*
 * input.c - a segment arrives
 *
 * RFC 9293 3.10.7, SEGMENT ARRIVES. xtcp_input() is what IP calls: it checks
 * the header, finds whose segment it is and hands it to that stage:
 *
 *	nobody, a listener	open/gate.c, open/listen.c
 *	a half-open record	open/synqueue.c
 *	a time-wait record	close/timewait.c
 *	a socket		xtcp_input_synchronized(), open/connect.c
 *
 * xtcp_input_synchronized() walks the checks of 3.10.7.4 in the RFC's order:
 * first the sequence number (with PAWS, RFC 7323 5, before it), second RST,
 * fourth SYN (both with RFC 5961's challenges), fifth ACK, sixth URG, seventh
 * text, eighth FIN. Each check is a function, which says whether the segment
 * goes on to the next. Most segments need none of them: transfer/fastpath.c.
 *
 * Context: softirq under RCU; a socket's part with the socket lock, also in
 * process context for the backlog.
 */
#include "net/input.h"

#include <linux/filter.h>
#include <net/busy_poll.h>
#include <net/inet_sock.h>
#include <net/xfrm.h>
#include <uapi/linux/xtcp.h>

#include "close/close.h"
#include "close/reset.h"
#include "close/timewait.h"
#include "compat.h"
#include "net/demux.h"
#include "net/family.h"
#include "net/ipv4.h"
#include "net/oow.h"
#include "net/output.h"
#include "net/paws.h"
#include "net/wire.h"
#include "netns.h"
#include "open/connect.h"
#include "open/echo.h"
#include "open/gate.h"
#include "open/listen.h"
#include "open/lookup.h"
#include "open/synqueue.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/ack.h"
#include "transfer/acked.h"
#include "transfer/fastpath.h"
#include "transfer/receive.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/urgent.h"
#include "transfer/window.h"
#include "user/stats.h"
#include "user/trace.h"

/* States that still take text (3.10.7.4 seventh). */
#define TEXT_STATES \
	(XTCP_STATEF(XTCP_ESTABLISHED) | XTCP_STATEF(XTCP_FIN_WAIT_1) | \
	 XTCP_STATEF(XTCP_FIN_WAIT_2))

/* States in which the peer's FIN has come. */
#define PEER_DONE_STATES \
	(XTCP_STATEF(XTCP_CLOSE_WAIT) | XTCP_STATEF(XTCP_CLOSING) | \
	 XTCP_STATEF(XTCP_LAST_ACK))

/* Why an invalid segment is answered; says which counter a silence moves. */
enum answer { ANSWER_PAWS, ANSWER_SEQ, ANSWER_CHALLENGE };

/*
 * xtcp_challenge_ack_limit: so many a second in the netns. Each second's share
 * is drawn at random around that, or an attacker who counts the challenges
 * that his own connection gets learns how many another one has caused.
 */
static bool challenge_is_allowed(struct net *net)
{
	int limit = XTCP_KNOB(net, challenge_ack_limit);
	struct xtcp_net *xn = xtcp_net(net);
	u32 now = ktime_get_seconds();
	u32 left;

	if (limit == INT_MAX)
		return true;
	if (READ_ONCE(xn->challenge_s) != now) {
		limit = max(limit, 0);
		WRITE_ONCE(xn->challenge_s, now);
		WRITE_ONCE(xn->challenges,
			   limit / 2 + get_random_u32_below(limit + 1));
	}
	left = READ_ONCE(xn->challenges);
	if (!left)
		return false;
	WRITE_ONCE(xn->challenges, left - 1);
	return true;
}

/* RFC 5961 7: an ACK that says where we are, unless one has just gone out. */
static void answer_invalid(struct sock *sk, const struct xtcp_seg *seg,
			   enum answer why)
{
	struct net *net = sock_net(sk);

	if (why == ANSWER_CHALLENGE)
		seg = NULL;	/* RFC 5961 7 knows no exemption */
	if (xtcp_oow_may_answer(net, &xtcp_sk(sk)->oow_ack_ms, seg)) {
		if (why == ANSWER_CHALLENGE) {
			if (!challenge_is_allowed(net))
				return;
			XTCP_INC(net, CHALLENGE_ACK);
		}
		xtcp_output_ack(sk);
		return;
	}
	switch (why) {
	case ANSWER_PAWS:
		XTCP_INC(net, ACK_SKIPPED_PAWS);
		break;
	case ANSWER_SEQ:
		XTCP_INC(net, ACK_SKIPPED_SEQ);
		break;
	case ANSWER_CHALLENGE:
		XTCP_INC(net, ACK_SKIPPED_CHALLENGE);
		break;
	}
}

/* Answer with a RST that takes its number from the segment. */
static void answer_reset(struct sock *sk, const struct sk_buff *skb,
			 const struct xtcp_seg *seg, enum xtcp_mib_item reason)
{
	struct xtcp_key key __uninitialized;

	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	xtcp_reset_reply(sock_net(sk), skb, &key, sk->sk_bound_dev_if, seg,
			 reason);
}

/* What was here before comes again: our ACK of it was lost. */
static void note_duplicate(struct sock *sk, const struct xtcp_seg *seg)
{
	bool fin = seg->flags & XTCP_FIN;

	if (!(seg->len || fin) || !seq_before(seg->seq, xtcp_sk(sk)->rcv_nxt))
		return;
	XTCP_INC(sock_net(sk), DELAYED_ACK_LOST);
	xtcp_ack_refused(sk);
	xtcp_receive_duplicate(sk, seg->seq, seg->end);
}

/* RFC 7323 5.2: is the timestamp older than one that came before? */
static bool paws_rejects(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return xs->ts_ok &&
	       xtcp_paws_rejects(seg, xs->ts_recent, xs->ts_recent_s);
}

/*
 * A pure ACK that was overtaken on its way is no threat, and answering it
 * would look like a duplicate ACK: RFC 7323 5.3 R1 lets it pass.
 */
static bool is_overtaken_ack(const struct xtcp_sock *xs,
			     const struct xtcp_seg *seg)
{
	u32 rto_ms = max(xs->rto_us / (u32)USEC_PER_MSEC, 1U);

	return !(seg->flags & (XTCP_SYN | XTCP_FIN | XTCP_RST)) && !seg->len &&
	       seg->seq == xs->rcv_nxt && seg->ack == xs->snd_una &&
	       (u32)seg->wnd << xs->snd_wscale == xs->snd_wnd &&
	       xs->ts_recent - seg->opt.tsval <= rto_ms;
}

static bool check_timestamp(struct sock *sk, const struct xtcp_seg *seg,
			    enum skb_drop_reason *why)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (likely(!paws_rejects(xs, seg)) || is_overtaken_ack(xs, seg))
		return true;
	XTCP_INC(sock_net(sk), PAWS_ESTAB);
	note_duplicate(sk, seg);
	xtcp_lifecycle_sk(sk, XTCP_EV_RCV_OUTSIDE);
	answer_invalid(sk, seg, ANSWER_PAWS);
	*why = SKB_DROP_REASON_TCP_RFC7323_PAWS;
	return false;
}

/*
 * 3.10.7.4 first. A segment that ends at what we last acknowledged counts as
 * inside: it may carry the newest ACK. Behind a closed window only a segment
 * at RCV.NXT is looked at, for its ACK, RST and URG (MUST-66).
 */
static bool in_window(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return seq_after_eq(seg->end, xs->rcv_wup) &&
	       seq_before_eq(seg->seq, seq_add(xs->rcv_nxt,
					       xtcp_window_left(xs)));
}

/* A peer that has sent its FIN may reset from one before it. */
static bool is_reset_of_closed(const struct sock *sk,
			       const struct xtcp_seg *seg)
{
	return (seg->flags & XTCP_RST) &&
	       seg->seq == seq_sub(xtcp_sk(sk)->rcv_nxt, 1) &&
	       xtcp_state_in(sk, PEER_DONE_STATES);
}

/* A SYN on an open connection counts as an error; Linux: in this state only. */
static void count_syn_challenge(const struct sock *sk)
{
	if (sk->sk_state == XTCP_ESTABLISHED)
		XTCP_INC(sock_net(sk), IN_ERRS);
	XTCP_INC(sock_net(sk), SYN_CHALLENGE);
}

static void challenge_syn(struct sock *sk, const struct xtcp_seg *seg)
{
	count_syn_challenge(sk);
	xtcp_lifecycle_sk(sk, seg->flags & XTCP_ACK ? XTCP_EV_RCV_SYN_ACK :
						      XTCP_EV_RCV_SYN);
	answer_invalid(sk, seg, ANSWER_CHALLENGE);
}

static bool check_sequence(struct sock *sk, const struct xtcp_seg *seg,
			   enum skb_drop_reason *why)
{
	if (likely(in_window(xtcp_sk(sk), seg)) || is_reset_of_closed(sk, seg))
		return true;
	*why = SKB_DROP_REASON_TCP_INVALID_SEQUENCE;
	if (seg->flags & XTCP_RST) {
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_RST_OUTSIDE);
	} else if ((seg->flags & XTCP_SYN) &&
		   sk->sk_state != XTCP_SYN_RECEIVED) {
		challenge_syn(sk, seg);
	} else {
		note_duplicate(sk, seg);
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_OUTSIDE);
		answer_invalid(sk, seg, ANSWER_SEQ);
	}
	return false;
}

/* 3.10.7.4 second; RFC 5961 3.2: exact, or a challenge. */
static bool check_rst(struct sock *sk, const struct xtcp_seg *seg,
		      enum skb_drop_reason *why)
{
	if (likely(!(seg->flags & XTCP_RST)))
		return true;
	*why = SKB_DROP_REASON_TCP_RESET;
	if (seg->seq == xtcp_sk(sk)->rcv_nxt || is_reset_of_closed(sk, seg)) {
		xtcp_reset_received(sk);
	} else {
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_RST_NEAR);
		answer_invalid(sk, seg, ANSWER_CHALLENGE);
	}
	return false;
}

/* The SYN-ACK that answers ours when both sides opened at once. */
static bool is_crossing_syn_ack(const struct sock *sk,
				const struct xtcp_seg *seg)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return sk->sk_state == XTCP_SYN_RECEIVED &&
	       (seg->flags & (XTCP_SYN | XTCP_ACK)) == (XTCP_SYN | XTCP_ACK) &&
	       seg->seq == xs->irs && seg->ack == xs->snd_nxt;
}

static bool check_syn(struct sock *sk, const struct xtcp_seg *seg,
		      enum skb_drop_reason *why)
{
	if (likely(!(seg->flags & XTCP_SYN)) || is_crossing_syn_ack(sk, seg))
		return true;
	if (sk->sk_state == XTCP_SYN_RECEIVED &&
	    !(seg->flags & XTCP_ACK) && seg->seq == xtcp_sk(sk)->irs) {
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_SYN);
		xtcp_output_syn_ack(sk);
		return false;
	}
	*why = SKB_DROP_REASON_TCP_INVALID_SYN;
	count_syn_challenge(sk);
	xtcp_lifecycle_sk(sk, seg->flags & XTCP_ACK &&
			  sk->sk_state != XTCP_SYN_RECEIVED ?
			  XTCP_EV_RCV_SYN_ACK : XTCP_EV_RCV_SYN);
	answer_invalid(sk, seg, ANSWER_CHALLENGE);
	return false;
}

/*
 * RFC 7323 4.3: the timestamp to echo is that of the segment that last
 * advanced the left edge, so only one that spans it is taken.
 */
static void take_timestamp(struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	if (!xs->ts_ok || !seg->opt.has_ts ||
	    seq_after(seg->seq, xs->rcv_wup) || paws_rejects(xs, seg))
		return;
	xtcp_paws_note(xs, seg);
}

/* 3.10.7.4 fifth, SYN-RECEIVED: is our SYN acknowledged? */
static bool ack_of_syn(struct sock *sk, const struct sk_buff *skb,
		       const struct xtcp_seg *seg, enum skb_drop_reason *why)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool crossing = seg->flags & XTCP_SYN;

	if (seg->ack != xs->snd_nxt) {
		*why = SKB_DROP_REASON_TCP_OLD_ACK;
		xtcp_lifecycle_sk(sk, seq_after(seg->ack, xs->snd_nxt) ?
				  XTCP_EV_RCV_ACK_ABOVE :
				  XTCP_EV_RCV_ACK_BELOW);
		answer_reset(sk, skb, seg, XTCP_MIB_RESET_SENT_BAD_ACK);
		return false;
	}
	xtcp_lifecycle_sk(sk, crossing ? XTCP_EV_RCV_SYN_ACK :
					 XTCP_EV_RCV_ACK_OF_SYN);
	xtcp_send_acked(sk, seg);
	xs->snd_wnd = (u32)seg->wnd << (crossing ? 0 : xs->snd_wscale);
	xs->snd_wnd_max = max(xs->snd_wnd_max, xs->snd_wnd);
	xs->snd_wl1 = seg->seq;
	xtcp_connect_done(sk);
	return true;
}

/*
 * RFC 5961 5.2: @ack lies before SND.UNA. No segment of that age can still be on
 * its way when it lies a window below, and none ever was when it lies below what
 * we have sent at all.
 */
static bool is_ack_too_old(const struct xtcp_sock *xs, seq_t ack)
{
	u32 span = min_t(u64, xs->snd_wnd_max, xs->bytes_acked);

	return seq_before(ack, seq_sub(xs->snd_una, span));
}

/* 3.10.7.4 fifth, synchronized states; RFC 5961 5.2 for the lower bound. */
static bool ack_in_range(struct sock *sk, const struct xtcp_seg *seg,
			 enum skb_drop_reason *why)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (seq_after(seg->ack, xs->snd_nxt)) {
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_ACK_ABOVE);
		answer_invalid(sk, seg, ANSWER_SEQ);
		*why = SKB_DROP_REASON_TCP_ACK_UNSENT_DATA;
		return false;
	}
	if (seq_before(seg->ack, xs->snd_una) && is_ack_too_old(xs, seg->ack)) {
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_ACK_BELOW);
		answer_invalid(sk, seg, ANSWER_CHALLENGE);
		*why = SKB_DROP_REASON_TCP_TOO_OLD_ACK;
		return false;
	}
	return true;
}

static bool check_ack(struct sock *sk, const struct sk_buff *skb,
		      const struct xtcp_seg *seg, enum skb_drop_reason *why)
{
	seq_t una = xtcp_sk(sk)->snd_una;

	if (unlikely(!(seg->flags & XTCP_ACK))) {
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_BAD_FLAGS);
		*why = SKB_DROP_REASON_TCP_FLAGS;
		return false;
	}
	if (unlikely(sk->sk_state == XTCP_SYN_RECEIVED))
		return ack_of_syn(sk, skb, seg, why);
	if (!ack_in_range(sk, seg, why))
		return false;
	if (unlikely(xtcp_sk(sk)->cookie_held))
		xtcp_echo_heard(sk);
	if (xtcp_send_acked(sk, seg))
		xtcp_close_fin_acked(sk);
	else
		xtcp_lifecycle_usual(sk, XTCP_EV_RCV_ACK);
	if (xtcp_sk(sk)->snd_una != una)
		sk_dst_confirm(sk);	/* the neighbour is alive */
	return sk->sk_state != XTCP_CLOSED;
}

/*
 * RFC 9293 3.6.1 SHLD-3: text for a user who has closed is lost, and the peer
 * must know.
 */
static bool check_reader(struct sock *sk, const struct sk_buff *skb,
			 const struct xtcp_seg *seg, enum skb_drop_reason *why)
{
	seq_t text_end = seq_add(seg->seq, seg->len);

	if (!(sk->sk_shutdown & RCV_SHUTDOWN) || !seg->len ||
	    !xtcp_state_in(sk, XTCP_STATEF(XTCP_FIN_WAIT_1) |
			       XTCP_STATEF(XTCP_FIN_WAIT_2)) ||
	    !seq_after(text_end, xtcp_sk(sk)->rcv_nxt))
		return true;
	XTCP_INC(sock_net(sk), ABORT_ON_DATA);
	answer_reset(sk, skb, seg, XTCP_MIB_RESET_SENT_TEXT_AFTER_CLOSE);
	xtcp_lifecycle_sk(sk, XTCP_EV_RCV_TEXT_CLOSED);
	xtcp_close_error(sk, ECONNRESET);
	*why = SKB_DROP_REASON_TCP_ABORT_ON_DATA;
	return false;
}

/* After the peer's FIN there is no text: what comes is a repetition. */
static void text_ignored(struct sock *sk, const struct xtcp_seg *seg)
{
	note_duplicate(sk, seg);
	if (seg->len)
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_TEXT);
	if (seg->flags & XTCP_FIN)
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_FIN);
	if (seg->len || (seg->flags & XTCP_FIN))
		xtcp_ack_now(sk);
}

/* @why is left alone where a segment does all that it is for. */
static bool checks_pass(struct sock *sk, const struct sk_buff *skb,
			const struct xtcp_seg *seg, enum skb_drop_reason *why)
{
	if (!check_timestamp(sk, seg, why) || !check_sequence(sk, seg, why) ||
	    !check_rst(sk, seg, why) || !check_syn(sk, seg, why))
		return false;
	take_timestamp(xtcp_sk(sk), seg);
	return check_ack(sk, skb, seg, why) && check_reader(sk, skb, seg, why);
}

/* Is @seg, which passed the checks, an ACK of before the last one, and no more? */
static bool is_old_news(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return seq_before(seg->ack, xs->snd_una) && seg->seq == seg->end;
}

/* What comes from this machine, or from a hypervisor, may not have been cut. */
static u32 segments_of(const struct sk_buff *skb)
{
	return max_t(u32, skb_shinfo(skb)->gso_segs, 1);
}

/**
 * xtcp_input_synchronized - a segment arrives for an open connection
 * @sk: locked, not in its user's hands, its SYN acknowledged or crossing the
 *	peer's; the caller holds a reference or RCU, for the connection may end
 *	here
 * @skb: segment, at its TCP header; eaten
 * @seg: what the header says
 *
 * RFC 9293 3.10.7.4. last_rcv_ns is the time of the segment while it is handled.
 * Anybody can send a segment that the checks drop, so it is no sign that the peer
 * lives: last_rcv_ns is set back then.
 */
void xtcp_input_synchronized(struct sock *sk, struct sk_buff *skb,
			     const struct xtcp_seg *seg)
{
	enum skb_drop_reason why = SKB_NOT_DROPPED_YET;
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 heard_ns = xs->last_rcv_ns;
	u32 segs = segments_of(skb);

	xs->segs_in += segs;
	if (seg->len)
		xs->data_segs_in += segs;
	xs->last_rcv_ns = xtcp_now_ns();
	xtcp_demux_remember(sk, skb);
	if (xtcp_fastpath_rcv(sk, skb, seg)) {
		skb = NULL;
		goto taken;
	}
	if (!checks_pass(sk, skb, seg, &why)) {
		xs->last_rcv_ns = heard_ns;
		goto done;
	}
	if (unlikely(is_old_news(xs, seg)))
		xs->last_rcv_ns = heard_ns;
	if (xtcp_urgent_concerns(xs, seg) && xtcp_state_in(sk, TEXT_STATES))
		xtcp_urgent_received(sk, skb, seg);
	if (!xtcp_state_in(sk, TEXT_STATES)) {
		text_ignored(sk, seg);
		if (seg->len)
			why = SKB_DROP_REASON_TCP_OLD_DATA;
	} else if (seg->len || (seg->flags & XTCP_FIN)) {
		xtcp_receive_text(sk, skb, seg);
		skb = NULL;
	} else if (unlikely(seg->opt.cookie)) {
		/* It has not heard our answer to its cookie. */
		xtcp_ack_now(sk);
	}
	if (sk->sk_state == XTCP_CLOSED)
		goto done;
taken:
	if (xtcp_send_has_unsent(sk) ||
	    xtcp_timer_is_set(xs, XTCP_TIMER_PERSIST))
		xtcp_send_push(sk, 0);
	if (unlikely(xtcp_notsent_lowat(xs) != U32_MAX))
		xtcp_send_wake_writer(sk);
	xtcp_ack_flush(sk);
	if (unlikely(sk->sk_state == XTCP_FIN_WAIT_2))
		xtcp_close_settle(sk);
done:
	xtcp_input_done(skb, why);
}

/**
 * xtcp_input_third_ack - the segment that has just made a child
 * @sk: the child, locked, ESTABLISHED since the segment came
 * @skb: segment, at its TCP header; eaten
 * @seg: what the header says
 *
 * Whoever made the child has judged its number, timestamp and ACK, and taken its
 * window (3.10.7.4 first to fifth): only what it brings besides is news.
 */
void xtcp_input_third_ack(struct sock *sk, struct sk_buff *skb,
			  const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (seg->flags != XTCP_ACK || seg->len || seg->opt.nr_sacks ||
	    seg->opt.cookie || xs->ack) {
		xtcp_input_synchronized(sk, skb, seg);
		return;
	}
	xs->segs_in++;
	XTCP_INC(sock_net(sk), PURE_ACKS);
	xtcp_lifecycle_usual(sk, XTCP_EV_RCV_ACK);
	xtcp_demux_remember(sk, skb);
	consume_skb(skb);
}

/* A segment, in whatever state. */
static __always_inline void rcv_sk(struct sock *sk, struct sk_buff *skb, struct xtcp_seg *seg)
{
	switch (sk->sk_state) {
	case XTCP_CLOSED:
	case XTCP_LISTEN:
		/* It ended while the segment waited in the backlog. */
		kfree_skb_reason(skb, SKB_DROP_REASON_TCP_CLOSE);
		break;
	case XTCP_SYN_SENT:
		xtcp_sk(sk)->last_rcv_ns = xtcp_now_ns();
		xtcp_sk(sk)->segs_in += segments_of(skb);
		xtcp_connect_rcv(sk, skb, seg);
		break;
	default:
		xtcp_input_synchronized(sk, skb, seg);
	}
}

/**
 * xtcp_input_backlog - a segment that came while the user held the socket
 * @sk: locked; released by its user just now
 * @skb: segment, at its TCP header; eaten
 *
 * Return: 0, for struct proto.backlog_rcv.
 */
int xtcp_input_backlog(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_seg seg __uninitialized;

	xtcp_seg_read(&seg, skb, xtcp_sk(sk)->flow.wire);
	rcv_sk(sk, skb, &seg);
	return 0;
}

/*
 * Rules of the system that stand between a segment and a socket. A filter may
 * cut text off, but not the header: @seg follows. False: @skb was dropped.
 */
static __always_inline bool sk_may_receive(struct sock *sk,
					   struct sk_buff *skb,
					   const struct xtcp_family *af,
					   struct xtcp_seg *seg)
{
	enum skb_drop_reason why;
	unsigned int len = skb->len;
	u8 ttl_min;

	ttl_min = likely(af == &xtcp_ipv4) ? xtcp_ipv4_ttl_min(sk) :
					     af->ttl_min(sk);
	if (unlikely(ttl_min) && af->ttl(skb) < ttl_min) {
		XTCP_INC(sock_net(sk), MIN_TTL_DROP);
		why = SKB_DROP_REASON_TCP_MINTTL;
		goto drop;
	}
	if (!xfrm_policy_check(sk, XFRM_POLICY_IN, skb, af->family)) {
		why = SKB_DROP_REASON_XFRM_POLICY;
		goto drop;
	}
	nf_reset_ct(skb);
	if (sk_filter_trim_cap(sk, skb, tcp_hdrlen(skb))) {
		why = SKB_DROP_REASON_SOCKET_FILTER;
		goto drop;
	}
	if (unlikely(skb->len != len))
		xtcp_seg_read(seg, skb, xtcp_sk(sk)->flow.wire);
	return true;
drop:
	kfree_skb_reason(skb, why);
	return false;
}

/*
 * How many octets of memory may wait for a user who holds the socket. Each buffer
 * may be as large as an int can say.
 */
static unsigned int backlog_limit(const struct sock *sk)
{
	return min_t(u64, (u64)READ_ONCE(sk->sk_rcvbuf) +
			  READ_ONCE(sk->sk_sndbuf) + SZ_64K, UINT_MAX);
}

static void rcv_socket(struct sock *sk, struct sk_buff *skb,
		       struct xtcp_seg *seg)
{
	if (!sk_may_receive(sk, skb, xtcp_sk(sk)->af, seg))
		return;
	sk_incoming_cpu_update(sk);
	sk_mark_napi_id(sk, skb);
	skb->dev = NULL;
	bh_lock_sock_nested(sk);
	if (!sock_owned_by_user(sk)) {
		rcv_sk(sk, skb, seg);
	} else if (sk_add_backlog(sk, skb, backlog_limit(sk))) {
		XTCP_INC(sock_net(sk), BACKLOG_DROP);
		kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_BACKLOG);
	}
	bh_unlock_sock(sk);
}

/* RFC 9293 3.10.7.1: there is no such connection. */
static void rcv_closed(struct net *net, struct sk_buff *skb,
		       const struct xtcp_key *key, const struct xtcp_seg *seg)
{
	if (!xfrm_policy_check(NULL, XFRM_POLICY_IN, skb, key->family)) {
		kfree_skb_reason(skb, SKB_DROP_REASON_XFRM_POLICY);
		return;
	}
	if (seg->flags & XTCP_RST)
		xtcp_lifecycle_none(net, XTCP_EV_RCV_RST_OUTSIDE);
	else if (seg->flags & XTCP_SYN)
		xtcp_lifecycle_none(net, seg->flags & XTCP_ACK ?
					 XTCP_EV_RCV_SYN_ACK :
					 XTCP_EV_RCV_SYN);
	else
		xtcp_lifecycle_none(net, seg->flags & XTCP_ACK ?
					 XTCP_EV_RCV_ACK :
					 XTCP_EV_RCV_BAD_FLAGS);
	xtcp_gate_reset(net, skb, key, seg, false);
}

static void rcv_listener(struct net *net, struct sk_buff *skb,
			 const struct xtcp_key *key, struct xtcp_seg *seg)
{
	struct sock *lsk = xtcp_listener_lookup_rcu(net, key, skb);

	if (!lsk) {
		rcv_closed(net, skb, key, seg);
	} else if (sk_may_receive(lsk, skb, xtcp_family_get(key->family),
				  seg)) {
		xtcp_seg_read_options(seg, skb, key->wire);
		xtcp_listen_rcv(lsk, skb, key, seg);
	}
}

/* Of a segment that a time-wait record has dealt with. */
static enum skb_drop_reason timewait_reason(const struct xtcp_seg *seg)
{
	if (seg->flags & XTCP_RST)
		return SKB_DROP_REASON_TCP_RESET;
	return seg->len ? SKB_DROP_REASON_TCP_CLOSE : SKB_NOT_DROPPED_YET;
}

static void rcv_timewait(struct net *net, struct xtcp_timewait *tw,
			 struct sk_buff *skb, const struct xtcp_key *key,
			 struct xtcp_seg *seg)
{
	struct sock *lsk;

	if (!xfrm_policy_check(NULL, XFRM_POLICY_IN, skb, key->family)) {
		kfree_skb_reason(skb, SKB_DROP_REASON_XFRM_POLICY);
		return;
	}
	if (!xtcp_timewait_rcv(net, tw, skb, key, seg)) {
		xtcp_input_done(skb, timewait_reason(seg));
		return;
	}
	lsk = xtcp_listener_lookup_rcu(net, key, skb);
	if (!lsk) {
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_SYN_OTHER);
		xtcp_timewait_answer(net, tw, seg);
		kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
	} else if (sk_may_receive(lsk, skb, xtcp_family_get(key->family),
				  seg)) {
		xtcp_gate_syn(lsk, skb, key, seg, tw);
	}
}

static void rcv_halfopen(struct xtcp_halfopen *ho, struct sk_buff *skb,
			 struct xtcp_seg *seg)
{
	if (sk_may_receive(ho->ls->sk, skb,
			   xtcp_family_get(ho->flow.family), seg))
		xtcp_synqueue_rcv(ho, skb, seg);
}

static void rcv_flow(struct net *net, struct xtcp_flow *flow,
		     struct sk_buff *skb, const struct xtcp_key *key,
		     struct xtcp_seg *seg)
{
	switch ((enum xtcp_kind)flow->kind) {
	case XTCP_KIND_SOCKET:
		rcv_socket(xtcp_flow_sk(flow), skb, seg);
		break;
	case XTCP_KIND_HALFOPEN:
		rcv_halfopen(container_of(flow, struct xtcp_halfopen, flow),
			     skb, seg);
		break;
	case XTCP_KIND_TIMEWAIT:
		rcv_timewait(net, container_of(flow, struct xtcp_timewait,
					       flow), skb, key, seg);
		break;
	}
}

/*
 * In one piece, as most are, and nobody has looked at it: just add it up. What a
 * device or an offload has found out is IP's to judge.
 */
static bool csum_is_right(struct sk_buff *skb, const struct xtcp_family *af,
			  u8 wire)
{
	if (skb->ip_summed != CHECKSUM_NONE || skb_is_nonlinear(skb) ||
	    skb->csum_valid)
		return !skb_checksum_validate(skb, wire, af->csum_pseudo);
	skb->csum_valid = !csum_fold(csum_partial(skb->data, skb->len,
						  af->csum_pseudo(skb, wire)));
	return skb->csum_valid;
}

/* Header and checksum. Else it was counted, and is to be dropped: why. */
static enum skb_drop_reason segment_judge(struct net *net, struct sk_buff *skb,
					  const struct xtcp_family *af, u8 wire)
{
	if (!xtcp_wire_pull(skb)) {
		XTCP_INC(net, IN_ERRS);
		return SKB_DROP_REASON_PKT_TOO_SMALL;
	}
	if (!csum_is_right(skb, af, wire)) {
		XTCP_INC(net, IN_CSUM_ERRORS);
		XTCP_INC(net, IN_ERRS);
		return SKB_DROP_REASON_TCP_CSUM;
	}
	return SKB_NOT_DROPPED_YET;
}

static inline bool src_is_valid(const struct sk_buff *skb,
				const struct xtcp_family *af)
{
	return likely(af == &xtcp_ipv4) ? xtcp_ipv4_src_valid(skb) :
					  af->src_valid(skb);
}

/**
 * xtcp_input - IP has a segment for us
 * @skb: at its TCP header; eaten
 * @af: which IP
 * @wire: which IP protocol
 *
 * Context: softirqs off, under RCU.
 */
void xtcp_input(struct sk_buff *skb, const struct xtcp_family *af, u8 wire)
{
	struct net *net = dev_net(skb->dev);
	struct xtcp_flow *flow;
	/* Each is filled below; kernels that zero the stack would do it twice. */
	struct xtcp_key key __uninitialized;
	struct xtcp_seg seg __uninitialized;
	enum skb_drop_reason why;
	struct sock *sk;

	lockdep_assert_in_softirq();
	/* MUST-57: not to us alone, so not an opening. Nor anything else. */
	why = SKB_DROP_REASON_OTHERHOST;
	if (skb->pkt_type != PACKET_HOST)
		goto drop;
	XTCP_INC(net, IN_SEGS);
	why = segment_judge(net, skb, af, wire);
	if (why)
		goto drop;
	why = SKB_DROP_REASON_NOT_SPECIFIED;
	if (!src_is_valid(skb, af))
		goto drop;
	if (likely(af == &xtcp_ipv4))
		xtcp_ipv4_key_read(skb, wire, &key);
	else
		af->key_read(skb, wire, &key);
	xtcp_seg_read_header(&seg, skb);
	trace_xtcp_rcv(net, &key, &seg);

	sk = xtcp_demux_take(skb, &key);
	if (sk) {
		xtcp_seg_read_options(&seg, skb, wire);
		rcv_socket(sk, skb, &seg);
		sock_put(sk);
		return;
	}
	xtcp_key_digest(&key);
	/* Nobody reads the options of a segment to nobody. */
	flow = xtcp_flow_lookup_rcu(net, &key);
	if (flow) {
		xtcp_seg_read_options(&seg, skb, wire);
		rcv_flow(net, flow, skb, &key, &seg);
		xtcp_flow_put(flow);
	} else {
		rcv_listener(net, skb, &key, &seg);
	}
	return;
drop:
	kfree_skb_reason(skb, why);
}
