// SPDX-License-Identifier: GPL-2.0
/*
 * synchronized.c - handle a received segment from SYN-RECEIVED on
 *
 * RFC 9293 3.10.7.4, the checks in the RFC's order: first the sequence number
 * (with PAWS, RFC 7323 5, before it), second RST, fourth SYN (both with RFC
 * 5961's challenge ACKs), fifth ACK, sixth URG, seventh payload, eighth FIN.
 * Each check is a function that returns true if the segment goes on to the next
 * one. Most segments take the fast path instead: segment/fastpath.c.
 *
 * Context: socket lock; softirq under RCU, or process for the backlog.
 */
#include "segment/synchronized.h"

#include <net/sock.h>

#include "clock.h"
#include "close/close.h"
#include "close/reset.h"
#include "close/stateless.h"
#include "compat.h"
#include "net/demux.h"
#include "net/family.h"
#include "net/reply.h"
#include "net/skb.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/recorder.h"
#include "observe/stats.h"
#include "open/connect.h"
#include "open/echo.h"
#include "open/fastconnect.h"
#include "open/gate.h"
#include "paws.h"
#include "segment/fastpath.h"
#include "segment/oow.h"
#include "segment/output.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/accecn.h"
#include "transfer/ack.h"
#include "transfer/acked.h"
#include "transfer/receive.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/urgent.h"
#include "transfer/window.h"

/* States in which payload is accepted (3.10.7.4 seventh). */
#define PAYLOAD_STATES \
	(XTCP_STATEF(XTCP_ESTABLISHED) | XTCP_STATEF(XTCP_FIN_WAIT_1) | \
	 XTCP_STATEF(XTCP_FIN_WAIT_2))

/* States after the peer's FIN. */
#define PEER_DONE_STATES \
	(XTCP_STATEF(XTCP_CLOSE_WAIT) | XTCP_STATEF(XTCP_CLOSING) | \
	 XTCP_STATEF(XTCP_LAST_ACK))

/**
 * struct outcome - what the checks found out about a segment
 * @why: drop reason, or SKB_NOT_DROPPED_YET if it doesn't count as dropped
 * @ending: what it means for the connection's end
 * @ack_taken: a check drops it, but its SEG.ACK was processed
 */
struct outcome {
	enum skb_drop_reason why;
	enum xtcp_ending ending;
	bool ack_taken;
};

/*
 * The SYN-ACK again, while nothing has followed it: our ACK of it was lost. Any other SYN may
 * be anybody's. A SACK may have taken the place of xs->irs. The SYN is all that was acknowledged;
 * SND.UNA - ISS alone would not tell that after 2 GiB.
 */
static bool is_syn_ack_again(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return (seg->flags & (XTCP_SYN | XTCP_ACK | XTCP_RST)) == (XTCP_SYN | XTCP_ACK) &&
	       !xs->bytes_received && seg->seq == seq_sub(xs->rcv_nxt, 1) &&
	       xs->bytes_acked <= 1 && !seq_after(xs->snd_una, seq_add(xs->iss, 1));
}

static void answer_ack(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (unlikely(is_syn_ack_again(xs, seg) && xtcp_accecn_is_on(xs)))
		xtcp_accecn_answer_syn_ack(xs);
	xtcp_output_ack(sk);
}

/*
 * RFC 5961 7: answer an invalid segment with an ACK, within the rate limit. @skipped counts
 * an answer that exceeds it.
 */
static void answer_invalid(struct sock *sk, const struct xtcp_seg *seg,
			   enum xtcp_mib_item skipped)
{
	struct net *net = sock_net(sk);

	if (xtcp_oow_take_answer(net, &xtcp_sk(sk)->oow_ack_ms, seg))
		answer_ack(sk, seg);
	else
		this_cpu_inc(xtcp_net(net)->mib->item[skipped]);
}

static void answer_challenge(struct sock *sk, const struct xtcp_seg *seg)
{
	if (xtcp_oow_take_challenge(sock_net(sk), &xtcp_sk(sk)->oow_ack_ms))
		answer_ack(sk, seg);
}

/* Answer with a RST whose sequence number is the segment's SEG.ACK. */
static void answer_reset(struct sock *sk, const struct sk_buff *skb,
			 const struct xtcp_seg *seg, enum xtcp_mib_item reason)
{
	struct xtcp_origin origin = xtcp_origin_of(sk);
	struct xtcp_key key __uninitialized;

	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	xtcp_reset_reply(sock_net(sk), skb, &key, &origin, seg, reason);
}

/* Accurate ECN: if our ACK was lost for its option, segments have none any more. */
static void note_repeated(struct sock *sk, const struct xtcp_seg *seg)
{
	if (xtcp_accecn_repeated(xtcp_sk(sk), seg))
		xtcp_output_mss_sync(sk, xtcp_sk(sk)->pmtu);
}

/* Note a duplicate: the peer repeats it because our ACK was lost. */
static void note_duplicate(struct sock *sk, const struct xtcp_seg *seg)
{
	bool fin = seg->flags & XTCP_FIN;

	if (!(seg->len || fin) || !seq_before(seg->seq, xtcp_sk(sk)->rcv_nxt))
		return;
	if (unlikely(xtcp_accecn_is_on(xtcp_sk(sk))))
		note_repeated(sk, seg);
	XTCP_INC(sock_net(sk), DELAYED_ACK_LOST);
	xtcp_ack_refused(sk);
	xtcp_receive_duplicate(sk, seg->seq, seg->end);
}

/* RFC 7323 5.2: is the timestamp older than one received before? */
static bool paws_rejects(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return xs->ts_ok &&
	       xtcp_paws_rejects(seg, xs->ts_recent, xs->ts_recent_s);
}

/*
 * Ticks of the peer's clock within which an ACK may have been overtaken: an RTO, for clocks of
 * up to 1,200 Hz; as in Linux.
 */
static u32 overtaken_ticks(const struct xtcp_sock *xs)
{
	return max(xs->rtt.rto_us / (u32)USEC_PER_MSEC * 6 / 5, 1U);
}

/*
 * RFC 7323 5.3 R1: accept a pure ACK that was overtaken on its way. It does no
 * harm, and an answer to it would look like a duplicate ACK. As in Linux's
 * tcp_disordered_ack() one that may change SND.WND is not taken for such an ACK.
 */
static bool is_overtaken_ack(const struct xtcp_sock *xs,
			     const struct xtcp_seg *seg)
{
	return !(seg->flags & (XTCP_SYN | XTCP_FIN | XTCP_RST)) && !seg->len &&
	       seg->seq == xs->rcv_nxt && seg->ack == xs->snd_una &&
	       !xtcp_acked_moves_window(xs, seg) &&
	       xs->ts_recent - seg->opt.tsval <= overtaken_ticks(xs);
}

/*
 * Is the timestamp a single tick older? As Linux, accept that: a peer with several CPUs may read
 * its clock for two segments in another order than they leave. TS.Recent stays.
 */
static bool is_a_tick_older(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return xs->ts_recent - seg->opt.tsval == 1;
}

/*
 * Is it an ACK from before what has arrived since? Such ACKs are late, not harmful, and an answer
 * would look like a duplicate ACK; as in newer kernels there is none.
 */
static bool is_late_ack(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return (seg->flags & (XTCP_SYN | XTCP_FIN | XTCP_RST | XTCP_ACK)) == XTCP_ACK &&
	       !seg->len && seq_before(seg->seq, xs->rcv_nxt);
}

static void challenge_syn(struct sock *sk, const struct xtcp_seg *seg)
{
	/* As in Linux, a SYN counts as an error (InErrs) in ESTABLISHED only. */
	if (sk->sk_state == XTCP_ESTABLISHED)
		XTCP_INC(sock_net(sk), IN_ERRS);
	XTCP_INC(sock_net(sk), SYN_CHALLENGE);
	xtcp_lifecycle_sk(sk, seg->flags & XTCP_ACK &&
			  sk->sk_state != XTCP_SYN_RECEIVED ?
			  XTCP_EV_RCV_SYN_ACK : XTCP_EV_RCV_SYN);
	answer_challenge(sk, seg);
}

static bool check_timestamp(struct sock *sk, const struct xtcp_seg *seg,
			    struct outcome *outcome)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (likely(!paws_rejects(xs, seg)) || is_a_tick_older(xs, seg) ||
	    is_overtaken_ack(xs, seg))
		return true;
	/* As in Linux, whatever its timestamp. */
	if ((seg->flags & XTCP_SYN) && sk->sk_state != XTCP_SYN_RECEIVED) {
		challenge_syn(sk, seg);
		outcome->why = SKB_DROP_REASON_TCP_INVALID_SYN;
		return false;
	}
	xtcp_lifecycle_sk(sk, XTCP_EV_RCV_OUTSIDE);
	if (is_late_ack(xs, seg)) {
		XTCP_INC(sock_net(sk), PAWS_OLD_ACK);
		outcome->why = SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK;
		return false;
	}
	XTCP_INC(sock_net(sk), PAWS_ESTAB);
	note_duplicate(sk, seg);
	answer_invalid(sk, seg, XTCP_MIB_ACK_SKIPPED_PAWS);
	outcome->why = SKB_DROP_REASON_TCP_RFC7323_PAWS;
	return false;
}

/*
 * 3.10.7.4 first. A segment that ends where our last ACK did is inside the
 * window: it may carry the newest ACK. If the window is closed, only a segment
 * at RCV.NXT is accepted, for its ACK, RST and URG (MUST-66). A window that was taken
 * back counts in full.
 */
static bool in_window(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return seq_after_eq(seg->end, xs->rcv_wup) &&
	       seq_before_eq(seg->seq, seq_later(xtcp_window_edge(xs), xs->rcv_nxt));
}

/* After its FIN a peer may send a RST with the FIN's sequence number. */
static bool is_reset_of_closed(const struct sock *sk,
			       const struct xtcp_seg *seg)
{
	return (seg->flags & XTCP_RST) &&
	       seg->seq == seq_sub(xtcp_sk(sk)->rcv_nxt, 1) &&
	       xtcp_state_in(sk, PEER_DONE_STATES);
}

/*
 * The SYN of a fast open has come again, without the data that we have taken, or that of a
 * simultaneous open: our SYN-ACK was lost.
 */
static bool is_syn_again(const struct sock *sk, const struct xtcp_seg *seg)
{
	return (xtcp_sk(sk)->fast_held || sk->sk_state == XTCP_SYN_RECEIVED) &&
	       seg->seq == xtcp_irs(xtcp_sk(sk)) && !(seg->flags & XTCP_ACK);
}

/*
 * Answer the repeated SYN, within the limit for duplicates. The address of a fast open may be
 * forged, so its SYN-ACK also counts for xtcp_synack_ratelimit, as that of a half-open record.
 */
static void answer_syn_again(struct sock *sk, const struct xtcp_seg *seg)
{
	struct net *net = sock_net(sk);

	xtcp_lifecycle_sk(sk, XTCP_EV_RCV_SYN);
	if (!xtcp_oow_take_answer(net, &xtcp_sk(sk)->oow_ack_ms, seg)) {
		XTCP_INC(net, ACK_SKIPPED_SYN_RECV);
		return;
	}
	if (xtcp_sk(sk)->fast_held && !xtcp_gate_take_syn_ack(net)) {
		XTCP_INC(net, SYNACK_RATE_DROP);
		return;
	}
	xtcp_send_syn_ack_again(sk);
}

/*
 * Does a segment below our window acknowledge data in flight beyond the peer's right edge? The
 * peer took its window back after it had received that data, and its ACKs were lost. Our ACKs
 * have the number of the edge, so the peer ignores them. If we took our window back as well, the
 * peer's ACKs are below our RCV.NXT for the same reason. Without this check both ends would ignore
 * each other's ACKs until one of them gave up. A window has 16 bits before it is scaled: a segment
 * further below is forged or broken.
 */
static bool is_ack_from_old_edge(const struct sock *sk, const struct xtcp_seg *seg)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u32 below = seq_dist(seg->seq, xs->rcv_nxt);

	return xtcp_output_bare_seq(xs) != xs->snd_nxt && sk->sk_state != XTCP_SYN_RECEIVED &&
	       (seg->flags & (XTCP_SYN | XTCP_ACK)) == XTCP_ACK &&
	       seq_after(seg->ack, xs->snd_una) && !seq_after(seg->ack, xs->snd_nxt) &&
	       below <= min_t(u64, (u32)U16_MAX << xs->rcv_wscale, xs->bytes_received);
}

static void take_ack_from_old_edge(struct sock *sk, const struct xtcp_seg *seg,
				   struct outcome *outcome)
{
	outcome->ack_taken = true;
	if (xtcp_acked_rcv(sk, seg))
		xtcp_close_fin_acked(sk);
}

static bool check_sequence(struct sock *sk, const struct xtcp_seg *seg,
			   struct outcome *outcome)
{
	if (likely(in_window(xtcp_sk(sk), seg)) || is_reset_of_closed(sk, seg))
		return true;
	outcome->why = SKB_DROP_REASON_TCP_INVALID_SEQUENCE;
	if (seg->flags & XTCP_RST) {
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_RST_OUTSIDE);
	} else if ((seg->flags & XTCP_SYN) && is_syn_again(sk, seg)) {
		answer_syn_again(sk, seg);
	} else if ((seg->flags & XTCP_SYN) &&
		   sk->sk_state != XTCP_SYN_RECEIVED) {
		challenge_syn(sk, seg);
	} else {
		/* A SYN, in SYN-RECEIVED, is no data that was received before. */
		if (!(seg->flags & XTCP_SYN))
			note_duplicate(sk, seg);
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_OUTSIDE);
		if (unlikely(is_ack_from_old_edge(sk, seg)))
			take_ack_from_old_edge(sk, seg, outcome);
		answer_invalid(sk, seg, XTCP_MIB_ACK_SKIPPED_SEQ);
	}
	return false;
}

/*
 * True if @seq is behind all that has arrived out of order. A peer that has sent all of
 * it, and lost some, resets there; as in Linux.
 */
static bool is_end_of_arrived(const struct xtcp_sock *xs, seq_t seq)
{
	seq_t end = xs->rcv_nxt;
	unsigned int i;

	for (i = 0; i < xs->nr_sacks; i++)
		if (seq_after(xs->sacks[i].end, end))
			end = xs->sacks[i].end;
	return seq == end;
}

/*
 * 3.10.7.4 second; RFC 5961 3.2: reset at RCV.NXT exactly, or at the end of what arrived
 * out of order, else challenge.
 */
static bool check_rst(struct sock *sk, const struct xtcp_seg *seg,
		      struct outcome *outcome)
{
	if (likely(!(seg->flags & XTCP_RST)))
		return true;
	outcome->why = SKB_DROP_REASON_TCP_RESET;
	if (seg->seq == xtcp_sk(sk)->rcv_nxt || is_end_of_arrived(xtcp_sk(sk), seg->seq) ||
	    is_reset_of_closed(sk, seg)) {
		outcome->ending = XTCP_ENDING_RESET;
	} else {
		if (unlikely(xtcp_sk(sk)->fast_tried) && !xtcp_sk(sk)->data_segs_in &&
		    sk->sk_state == XTCP_ESTABLISHED)
			xtcp_fastconnect_blocked(sk);
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_RST_IN_WINDOW);
		answer_challenge(sk, seg);
	}
	return false;
}

/* Does SEG.ACK acknowledge our SYN, and perhaps data behind it? */
static bool acks_our_syn(const struct xtcp_sock *xs, seq_t ack)
{
	return seq_after(ack, xs->snd_una) && seq_before_eq(ack, xs->snd_nxt);
}

/*
 * Is it the SYN-ACK that answers our SYN in a simultaneous open? It must be no more than a
 * SYN-ACK: payload and FIN behind a SYN are refused, as in Linux, and the peer sends them
 * again. The payload of a fast open's SYN is behind this SYN already.
 */
static bool is_crossing_syn_ack(const struct sock *sk,
				const struct xtcp_seg *seg)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return sk->sk_state == XTCP_SYN_RECEIVED &&
	       (seg->flags & (XTCP_SYN | XTCP_ACK)) == (XTCP_SYN | XTCP_ACK) &&
	       seg->seq == xtcp_irs(xs) && seg->end == seq_add(seg->seq, 1) &&
	       seg->end == xs->rcv_nxt && acks_our_syn(xs, seg->ack);
}

static bool check_syn(struct sock *sk, const struct xtcp_seg *seg,
		      struct outcome *outcome)
{
	if (likely(!(seg->flags & XTCP_SYN)) || is_crossing_syn_ack(sk, seg))
		return true;
	if (is_syn_again(sk, seg)) {
		answer_syn_again(sk, seg);
		return false;
	}
	outcome->why = SKB_DROP_REASON_TCP_INVALID_SYN;
	challenge_syn(sk, seg);
	return false;
}

static void take_timestamp(struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	if (xs->ts_ok && seg->opt.has_ts && !paws_rejects(xs, seg))
		xtcp_paws_take(xs, seg);
}

/* With Accurate ECN; before the timestamp is taken. */
static void take_ecn_field(struct sock *sk, const struct sk_buff *skb,
			   const struct xtcp_seg *seg)
{
	note_repeated(sk, seg);
	if (xtcp_accecn_received(sk, skb, seg))
		xtcp_ack_hasten(xtcp_sk(sk));
}

/* 3.10.7.4 fifth, SYN-RECEIVED: is our SYN acknowledged? */
static bool ack_of_syn(struct sock *sk, const struct sk_buff *skb,
		       const struct xtcp_seg *seg, struct outcome *outcome)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool crossing = seg->flags & XTCP_SYN;

	if (!acks_our_syn(xs, seg->ack)) {
		outcome->why = SKB_DROP_REASON_TCP_OLD_ACK;
		xtcp_lifecycle_sk(sk, seq_after(seg->ack, xs->snd_nxt) ?
				  XTCP_EV_RCV_ACK_ABOVE :
				  XTCP_EV_RCV_ACK_BELOW);
		if (xtcp_gate_take_reset(sock_net(sk)))
			answer_reset(sk, skb, seg, XTCP_MIB_RESET_SENT_BAD_ACK);
		return false;
	}
	if (unlikely(xtcp_accecn_is_on(xs))) {
		take_ecn_field(sk, skb, seg);
		xtcp_accecn_third_ack(xs, seg);
	}
	take_timestamp(xs, seg);
	xtcp_lifecycle_sk(sk, crossing ? XTCP_EV_RCV_SYN_ACK :
					 XTCP_EV_RCV_ACK_OF_SYN);
	xtcp_acked_rcv(sk, seg);
	xtcp_acked_first_window(xs, seg);
	xtcp_connect_done(sk);
	if (crossing) {
		/* The SYN of this SYN-ACK is a duplicate; the peer waits for our ACK of it. */
		XTCP_INC(sock_net(sk), DELAYED_ACK_LOST);
		xtcp_receive_duplicate(sk, seg->seq, seq_add(seg->seq, 1));
		xtcp_ack_refused(sk);
	}
	/* shutdown() before connect(). Before listen(): accept() does it. */
	if (unlikely(sk->sk_shutdown & SEND_SHUTDOWN) && !xtcp_awaits_accept(sk))
		xtcp_close_shutdown(sk, SEND_SHUTDOWN);
	return true;
}

/*
 * RFC 5961 5.2: is @ack invalid? It is if it is more than a window below SND.UNA, because no
 * segment of that age can still be in flight, or if it does not acknowledge our SYN. After a
 * close() before the third segment, SND.UNA is still the number of the SYN.
 */
static bool is_ack_too_old(const struct xtcp_sock *xs, seq_t ack)
{
	u32 span = min_t(u64, xs->snd_wnd_max, xs->bytes_acked);

	if (unlikely(!xs->bytes_acked) && ack == xs->iss)
		return true;
	return seq_before(ack, seq_sub(xs->snd_una, span));
}

/* 3.10.7.4 fifth, synchronized states; RFC 5961 5.2 for the lower bound. */
static bool ack_in_range(struct sock *sk, const struct xtcp_seg *seg,
			 struct outcome *outcome)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (seq_after(seg->ack, xs->snd_nxt)) {
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_ACK_ABOVE);
		answer_invalid(sk, seg, XTCP_MIB_ACK_SKIPPED_SEQ);
		outcome->why = SKB_DROP_REASON_TCP_ACK_UNSENT_DATA;
		return false;
	}
	if (seq_before_eq(seg->ack, xs->snd_una) && is_ack_too_old(xs, seg->ack)) {
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_ACK_BELOW);
		answer_challenge(sk, seg);
		outcome->why = SKB_DROP_REASON_TCP_TOO_OLD_ACK;
		return false;
	}
	return true;
}

static bool check_ack(struct sock *sk, const struct sk_buff *skb,
		      const struct xtcp_seg *seg, struct outcome *outcome)
{
	seq_t una = xtcp_sk(sk)->snd_una;

	if (unlikely(!(seg->flags & XTCP_ACK))) {
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_BAD_FLAGS);
		outcome->why = SKB_DROP_REASON_TCP_FLAGS;
		return false;
	}
	if (unlikely(sk->sk_state == XTCP_SYN_RECEIVED))
		return ack_of_syn(sk, skb, seg, outcome);
	if (!ack_in_range(sk, seg, outcome))
		return false;
	if (unlikely(xtcp_accecn_is_on(xtcp_sk(sk))))
		take_ecn_field(sk, skb, seg);
	take_timestamp(xtcp_sk(sk), seg);
	if (unlikely(xtcp_echo_is_active(xtcp_sk(sk))))
		xtcp_echo_heard(sk);
	if (xtcp_acked_rcv(sk, seg))
		xtcp_close_fin_acked(sk);
	else
		xtcp_lifecycle_usual(sk, XTCP_EV_RCV_ACK);
	if (xtcp_sk(sk)->snd_una != una)
		sk_dst_confirm(sk);	/* the neighbour is alive */
	return sk->sk_state != XTCP_CLOSED;
}

/*
 * RFC 9293 3.6.1 SHLD-3: after close() received payload is lost, so tell the
 * peer with a RST. A FIN beyond RCV.NXT shows that there is some before it.
 */
static bool check_reader(struct sock *sk, const struct sk_buff *skb,
			 const struct xtcp_seg *seg, struct outcome *outcome)
{
	seq_t payload_end = seq_add(seg->seq, seg->len);

	if (!(sk->sk_shutdown & RCV_SHUTDOWN) || seg->seq == seg->end ||
	    !xtcp_state_in(sk, XTCP_STATEF(XTCP_FIN_WAIT_1) |
			       XTCP_STATEF(XTCP_FIN_WAIT_2)) ||
	    !seq_after(payload_end, xtcp_sk(sk)->rcv_nxt))
		return true;
	/* As in Linux: of an orphan, whose FIN is acknowledged. */
	if (unlikely(xtcp_sk(sk)->fast_tried) && (seg->flags & XTCP_FIN) &&
	    sock_flag(sk, SOCK_DEAD) && sk->sk_state == XTCP_FIN_WAIT_2)
		xtcp_fastconnect_blocked(sk);
	XTCP_INC(sock_net(sk), ABORT_ON_DATA);
	answer_reset(sk, skb, seg, XTCP_MIB_RESET_SENT_TEXT_AFTER_CLOSE);
	xtcp_recorder_reset(sk, XTCP_MIB_RESET_SENT_TEXT_AFTER_CLOSE);
	outcome->why = SKB_DROP_REASON_TCP_ABORT_ON_DATA;
	outcome->ending = XTCP_ENDING_DATA_AFTER_CLOSE;
	return false;
}

/*
 * After the peer's FIN, payload and FIN that begin below RCV.NXT are duplicates:
 * acknowledge them. There is nothing behind the FIN, so the rest is dropped without an
 * answer, as in Linux.
 */
static void payload_ignored(struct sock *sk, const struct xtcp_seg *seg)
{
	note_duplicate(sk, seg);
	if (seg->len)
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_TEXT);
	if (seg->flags & XTCP_FIN)
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_FIN);
	if (seq_before(seg->seq, xtcp_sk(sk)->rcv_nxt) &&
	    (seg->len || (seg->flags & XTCP_FIN)))
		xtcp_ack_now(sk);
}

/*
 * A FIN with a token: its peer closes first, or repeats ours. Returns what
 * xtcp_receive_payload() left of @skb, which may be NULL.
 */
static noinline struct sk_buff *fin_with_token(struct sock *sk, struct sk_buff *skb,
					       const struct xtcp_seg *seg)
{
	bool forget = xtcp_stateless_may_forget(sk, seg);
	u8 token[XTCP_TOKEN_LEN];

	memcpy(token, seg->opt.token, sizeof(token));
	if (!xtcp_receive_payload(sk, &skb, seg))
		return skb;
	if (forget)
		xtcp_sk(sk)->token_role = XTCP_TOKEN_ECHOED;
	xtcp_close_fin_received(sk, skb);
	if (sk->sk_state == XTCP_CLOSE_WAIT)
		xtcp_stateless_keep(sk, token);
	return NULL;
}

/*
 * Run the checks in order. Returns true if all pass; @outcome is set only if not.
 */
static bool checks_pass(struct sock *sk, const struct sk_buff *skb,
			const struct xtcp_seg *seg, struct outcome *outcome)
{
	if (unlikely(seg->flags & XTCP_SYN && xtcp_accecn_is_on(xtcp_sk(sk)) &&
		     is_syn_ack_again(xtcp_sk(sk), seg)))
		xtcp_accecn_syn_ack_again(xtcp_sk(sk), xtcp_sk(sk)->af->packet->ecn(skb));
	if (!check_timestamp(sk, seg, outcome) || !check_sequence(sk, seg, outcome) ||
	    !check_rst(sk, seg, outcome) || !check_syn(sk, seg, outcome))
		return false;
	return check_ack(sk, skb, seg, outcome) && check_reader(sk, skb, seg, outcome);
}

/*
 * Is @seg, which has passed the checks, a pure ACK older than the newest one?
 */
static bool is_old_ack(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return seq_before(seg->ack, xs->snd_una) && seg->seq == seg->end;
}

/**
 * xtcp_synchronized_rcv - handle a segment in SYN-RECEIVED or a later state
 * @sk: the socket, locked: in softirq by its spinlock, while no task owns it; for the backlog by
 *	the task that owns it. Its SYN is acknowledged, crosses the peer's, or is the SYN-ACK of
 *	a fast open. The caller has a reference or RCU, because the connection may end here
 * @skb: segment, at its TCP header; consumed
 * @seg: its parsed header
 *
 * RFC 9293 3.10.7.4. While the segment is handled, last_rcv_ns is the time at which its handling
 * began: later than its arrival if it has waited in the backlog. Anybody can send a segment
 * that the checks drop, so it doesn't prove that the peer is alive: last_rcv_ns is reset then.
 *
 * Context: softirq under RCU, or process for the backlog.
 * Return: what the segment means for the connection's end, for xtcp_close_end()
 */
enum xtcp_ending xtcp_synchronized_rcv(struct sock *sk, struct sk_buff *skb,
				       const struct xtcp_seg *seg)
{
	struct outcome outcome = { .why = SKB_NOT_DROPPED_YET, .ending = XTCP_ENDING_NONE };
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 heard_ns = xs->last_rcv_ns;
	u32 segs = xtcp_skb_segs(skb);

	xs->segs_in += segs;
	if (seg->len)
		xs->data_segs_in += segs;
	xs->last_rcv_ns = xtcp_now_ns();
	xtcp_demux_remember(sk, skb);
	if (xtcp_fastpath_rcv(sk, skb, seg)) {
		skb = NULL;
		goto taken;
	}
	if (!checks_pass(sk, skb, seg, &outcome)) {
		if (outcome.ack_taken && sk->sk_state != XTCP_CLOSED)
			goto taken;
		xs->last_rcv_ns = heard_ns;
		goto done;
	}
	if (unlikely(is_old_ack(xs, seg)))
		xs->last_rcv_ns = heard_ns;
	if (xtcp_urgent_concerns(xs, seg) && xtcp_state_in(sk, PAYLOAD_STATES))
		xtcp_urgent_received(sk, skb, seg);
	if (!xtcp_state_in(sk, PAYLOAD_STATES)) {
		payload_ignored(sk, seg);
		if (seg->len)
			outcome.why = SKB_DROP_REASON_TCP_OLD_DATA;
	} else if (unlikely(seg->opt.token) && (seg->flags & XTCP_FIN)) {
		skb = fin_with_token(sk, skb, seg);
	} else if (seg->len || (seg->flags & XTCP_FIN)) {
		if (xtcp_receive_payload(sk, &skb, seg)) {
			xtcp_close_fin_received(sk, skb);
			skb = NULL;
		}
	} else if (unlikely(seg->opt.cookie)) {
		/* The peer repeats its cookie because our ACK was lost. */
		xtcp_ack_now(sk);
	}
	if (sk->sk_state == XTCP_CLOSED)
		goto done;
taken:
	if (xtcp_sendq_has_unsent(sk) ||
	    xtcp_timer_is_set(xs, XTCP_TIMER_PERSIST))
		xtcp_send_push(sk, 0);
	if (unlikely(xtcp_notsent_lowat(xs) != U32_MAX))
		xtcp_acked_wake_writer(sk);
	xtcp_ack_flush(sk);
	if (unlikely(sk->sk_state == XTCP_FIN_WAIT_2))
		outcome.ending = XTCP_ENDING_FIN_WAIT_2;
done:
	xtcp_skb_done(skb, outcome.why);
	return outcome.ending;
}
