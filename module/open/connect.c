// SPDX-License-Identifier: GPL-2.0
/*
 * connect.c - active open
 *
 * RFC 9293 3.10.1 (active OPEN), 3.10.7.3 (SYN-SENT) and 3.5 (figures 6 and
 * 8: three-way handshake, simultaneous open).
 *
 * Context: xtcp_connect() and xtcp_connect_filter() in process context, the
 * others in process context or softirq; all with the socket lock.
 */
#include "open/connect.h"

#include <linux/security.h>
#include <net/inet_sock.h>

#include "clock.h"
#include "close/reset.h"
#include "close/stateless.h"
#include "compat.h"
#include "deadlines.h"
#include "fastq.h"
#include "isn.h"
#include "net/demux.h"
#include "net/family.h"
#include "net/reply.h"
#include "net/skb.h"
#include "netns.h"
#include "observe/stats.h"
#include "open/begin.h"
#include "open/echo.h"
#include "open/fastconnect.h"
#include "open/gate.h"
#include "paws.h"
#include "port/port.h"
#include "segment/output.h"
#include "tcb.h"
#include "transfer/ack.h"
#include "transfer/acked.h"
#include "transfer/congestion.h"
#include "transfer/ecn.h"
#include "transfer/probe.h"
#include "transfer/receive.h"
#include "transfer/retransmit.h"
#include "transfer/rtt.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/urgent.h"
#include "transfer/window.h"

/*
 * An unacceptable ACK comes from a peer that still has an old connection of
 * this 4-tuple. Our RST, or the ACK of its FIN, ends that connection, and the SYN is
 * sent again after this delay. Linux waits two ticks, from the last such ACK; we wait from the
 * first. Like Linux we do so only if the SYN has not been retransmitted yet.
 */
#define BAD_ACK_DELAY_MS	8

/*
 * Choose ISN and timestamp offset, once the ports are known. If the 4-tuple
 * was taken over from a TIME-WAIT record, xs->iss is set already: the new
 * incarnation must begin above the old one's sequence numbers.
 */
static void connect_choose_numbers(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_key key __uninitialized;
	u64 identity;

	xtcp_key_from_flow(&key, &xs->flow);
	identity = xtcp_isn_identity(sock_net(sk), xs->af, &key);
	if (!seq_raw(xs->iss))
		xs->iss = xtcp_isn(identity);
	xs->ts_offset = XTCP_KNOB(sock_net(sk), timestamps) == XTCP_TIMESTAMPS_OFFSET ?
			xtcp_isn_ts_offset(identity) : 0;
	xtcp_begin_send(xs, xs->iss);
	xs->irs = SEQ(0);
	xtcp_begin_receive(xs, SEQ(0));
}

/*
 * @mss: the peer's, or the default; bytes. As in Linux, a TCP_MAXSEG that is set on the open
 * connection is for the next one.
 */
static void connect_take_mss(struct xtcp_sock *xs, u16 mss)
{
	xs->peer_mss = xtcp_maxseg_limit(xs, mss);
}

/* Set up what the SYN offers: MSS, window and its scale. */
static void connect_offer(struct sock *sk)
{
	bool scaling = XTCP_KNOB(sock_net(sk), window_scaling);
	struct xtcp_sock *xs = xtcp_sk(sk);
	u8 wscale;

	connect_take_mss(xs, xs->af->mss_default);
	xtcp_output_mss_sync(sk, 0);
	xtcp_window_route(sk);
	xtcp_window_init(sk, xs->advmss, scaling, &xs->rcv_wnd, &wscale);
	xs->rcv_wnd = xtcp_window_offer(__sk_dst_get(sk), xs->advmss,
					xs->rcv_wnd);
	xs->rcv_wscale = wscale;
	xtcp_rtt_init(xs);
	xtcp_congestion_route(sk);
	xtcp_congestion_init(sk, false);
	xtcp_ack_begin(sk);
}

static void connect_undo(struct sock *sk)
{
	sk_dst_reset(sk);
	sk->sk_route_caps = 0;
	xtcp_family_of(sk)->addr->forget(sk);
}

/*
 * Routing rules and IPsec policies may depend on the local port, which is known only now. Over
 * IPv6, as in Linux, the only one that leads to the peer stays, which was found without it.
 */
static int connect_route(struct sock *sk)
{
	return PTR_ERR_OR_ZERO(xtcp_sk(sk)->af->route->find(sk));
}

/**
 * xtcp_connect_filter - connect(2): run the cgroup's BPF programs
 * @sk: in CLOSED, locked
 * @uaddr: the peer's address; a program may change it
 * @addr_len: length of @uaddr in bytes
 *
 * For pre_connect of struct proto. The programs run in an RCU read-side
 * section, where nothing may sleep, but may bind the socket (bpf_bind()). So
 * the part of binding that sleeps is done before.
 *
 * Context: process.
 * Return: 0; -EPERM, or the program's errno, if a program refuses; -EINVAL if
 * the address is too short; -ENOMEM.
 */
int xtcp_connect_filter(struct sock *sk, struct sockaddr_unsized *uaddr,
			int addr_len)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	int err;

	xtcp_assert_owned(sk);
	err = xtcp_port_prepare(sk);
	if (err)
		return err;
	xs->filtering = 1;
	err = xtcp_family_of(sk)->addr->connect_filter(sk, uaddr, addr_len);
	xs->filtering = 0;
	return err;
}

/* No connection begins. A port that the program has not chosen is free again. */
static void connect_fail(struct sock *sk)
{
	connect_undo(sk);
	if (!(sk->sk_userlocks & SOCK_BINDPORT_LOCK)) {
		xtcp_port_release(sk);
		/* The next connect() must not ask for a route of this port. */
		inet_sk(sk)->inet_sport = 0;
		xtcp_sk(sk)->flow.lport = 0;
	}
	xtcp_port_disconnect(sk);
}

/**
 * xtcp_connect - connect(2): send a SYN
 * @sk: in CLOSED, locked
 * @uaddr: the peer's address
 * @addr_len: length of @uaddr in bytes
 *
 * Does not wait for the answer.
 *
 * Context: process.
 * Return: 0; -EADDRNOTAVAIL if there is no free local port or the 4-tuple is
 * in use; -EINVAL, -EAFNOSUPPORT, -ENETUNREACH or -EHOSTUNREACH because of the
 * address; the error of a route or an IPsec policy for the ports.
 */
int xtcp_connect(struct sock *sk, struct sockaddr_unsized *uaddr, int addr_len)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_fastconnect *fast = xs->fast_sending ? xs->fast_request : NULL;
	struct xtcp_key key __uninitialized;
	bool held = xs->fast_held;
	struct xtcp_timewait *tw;
	int err;

	xtcp_assert_owned(sk);
	inet_clear_bit(DEFER_CONNECT, sk);
	err = xtcp_family_of(sk)->addr->connect(sk, uaddr, addr_len, &key);
	if (err)
		return err;
	xs->af = xtcp_family_get(key.family);
	xtcp_begin(xs);
	/* A socket that fails to connect may listen, with the queue of TCP_FASTOPEN. */
	xs->fast_held = held;
	xtcp_demux_forget(sk);
	xs->iss = SEQ(0);
	xtcp_flow_init(&xs->flow, XTCP_KIND_SOCKET, &key);
	err = xtcp_port_connect(sk, &tw);
	if (err) {
		connect_fail(sk);
		return err;
	}
	err = connect_route(sk);
	if (unlikely(err)) {
		xtcp_port_connect_undo(sk, tw);
		connect_fail(sk);
		return err;
	}
	xtcp_port_connected(sock_net(sk), tw);
	if (unlikely(held))
		xtcp_fastq_forget(sk);
	connect_choose_numbers(sk);
	xtcp_isn_flow_hash(sk);
	connect_offer(sk);
	sk->sk_err = 0;
	sock_reset_flag(sk, SOCK_DONE);
	xtcp_lifecycle_sk(sk, XTCP_EV_ACTIVE_OPEN);
	if (unlikely(fast || xs->sockopt.fastopen_connect))
		xtcp_fastconnect_start(sk, fast);
	else
		xtcp_send_syn(sk);
	xtcp_demux_add(sock_net(sk), sk->sk_family);
	return 0;
}

static void connect_take_options(struct sock *sk, const struct xtcp_options *opt)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);

	xs->wscale_ok = opt->has_wscale && XTCP_KNOB(net, window_scaling);
	xs->snd_wscale = xs->wscale_ok ? opt->wscale : 0;
	if (!xs->wscale_ok) {
		xs->rcv_wscale = 0;
		WRITE_ONCE(xs->window_clamp, min(xs->window_clamp, XTCP_WINDOW_MAX));
		xs->rcv_wnd = min(xs->rcv_wnd, XTCP_WINDOW_MAX);
	}
	xs->sack_ok = opt->sack_perm && XTCP_KNOB(net, sack);
	xs->ts_ok = opt->has_ts && XTCP_KNOB(net, timestamps);
	if (xs->ts_ok) {
		xs->ts_recent = opt->tsval;
		xs->ts_recent_s = xtcp_now_s();
	}
	connect_take_mss(xs, opt->mss ?: xs->af->mss_default);
	xtcp_output_mss_sync(sk, xs->pmtu);
}

/* In SYN-SENT: store what the peer's SYN or SYN-ACK says. */
static void connect_take_syn(struct sock *sk, const struct sk_buff *skb,
			     const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xs->af->addr->first_segment)
		xs->af->addr->first_segment(sk, skb);
	xtcp_ecn_syn_received(sk, seg, xs->af->packet->ecn(skb));
	/* Before the options: the MSS is at most half of the window. */
	xtcp_acked_first_window(xs, seg);
	connect_take_options(sk, &seg->opt);
	xs->irs = seg->seq;
	xtcp_begin_receive(xs, seq_add(seg->seq, 1));
}

/**
 * xtcp_connect_done - an active open has reached ESTABLISHED
 * @sk: just became ESTABLISHED by a segment that arrived at last_rcv_ns; locked
 *
 * Starts the keepalive timer and wakes the program.
 */
void xtcp_connect_done(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	xs->last_snd_ns = xs->last_rcv_ns;
	xtcp_probe_keepalive_start(sk);
	xtcp_deadlines_connected(sk);
	if (!sock_flag(sk, SOCK_DEAD)) {
		sk->sk_state_change(sk);
		sk_wake_async(sk, SOCK_WAKE_IO, POLL_OUT);
	}
}

/*
 * Take payload of a SYN-ACK, which a server may send that knows fast open. Consumes @skb. Returns
 * true: the third segment leaves at once.
 */
static bool connect_take_payload(struct sock *sk, struct sk_buff *skb,
				 const struct xtcp_seg *syn_ack)
{
	struct xtcp_seg seg = *syn_ack;

	seg.seq = seq_add(seg.seq, 1);
	seg.flags &= ~(XTCP_SYN | XTCP_FIN);
	xtcp_sk(sk)->data_segs_in++;
	/* Nothing is behind a hole: no FIN can be reached. */
	return !xtcp_receive_payload(sk, &skb, &seg);
}

/*
 * Send the third segment, in @skb, which is consumed. @resend: data of the SYN goes with it.
 * Payload with an urgent byte is not taken: the peer sends it again, and only then the byte has a
 * place.
 */
static void connect_send_ack(struct sock *sk, struct sk_buff *skb,
			     const struct xtcp_seg *seg, bool resend)
{
	bool taken = false;

	if (unlikely(seg->len && xtcp_sk(sk)->fast_tried && !(seg->flags & XTCP_URG))) {
		taken = connect_take_payload(sk, skb, seg);
		skb = NULL;
	}
	if (unlikely(resend) && xtcp_fastconnect_resend(sk)) {
		consume_skb(skb);
	} else if (unlikely(taken)) {
		xtcp_output_ack(sk);
	} else if (XTCP_SOCKOPT_RARE(xtcp_sk(sk), defer_accept) || xtcp_sk(sk)->ack.pingpong) {
		/* TCP_DEFER_ACCEPT, or TCP_QUICKACK 0: the third segment leaves with data. */
		consume_skb(skb);
		xtcp_sk(sk)->ack.pingpong = 0;
		xtcp_ack_await_data(sk);
	} else {
		xtcp_output_ack_recycle(sk, skb);
	}
}

/*
 * RFC 9293 3.10.7.3 ends with the sixth step of 3.10.7.4: the urgent pointer of a SYN-ACK. The
 * urgent byte comes later: payload with it is sent again.
 */
static void connect_take_urgent(struct sock *sk, const struct xtcp_seg *syn_ack)
{
	struct xtcp_seg seg = *syn_ack;

	seg.len = 0;
	xtcp_urgent_received(sk, NULL, &seg);
}

/* RFC 9293 3.10.7.3 fourth, with an ACK of our SYN. Consumes @skb. */
static void connect_rcv_syn_ack(struct sock *sk, struct sk_buff *skb,
				struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool syn_data = seq_dist(xs->iss, xs->snd_nxt) > 1;
	bool resend = false;

	if (seg->opt.cookie)
		xtcp_echo_keep(sk, &seg->opt);
	xtcp_demux_remember(sk, skb);
	connect_take_syn(sk, skb, seg);
	xtcp_acked_rcv(sk, seg);
	if (unlikely(xs->fast_tried))
		resend = xtcp_fastconnect_answered(sk, seg, syn_data);
	xtcp_lifecycle_sk(sk, XTCP_EV_RCV_SYN_ACK);
	security_inet_conn_established(sk, skb);
	xtcp_connect_done(sk);
	connect_send_ack(sk, skb, seg, resend);
	if (unlikely(seg->flags & XTCP_URG))
		connect_take_urgent(sk, seg);
	/* Data of the SYN that was sent again carries the cookie, and has its own timer. */
	if (xs->cookie_held && !xs->in_flight)
		xtcp_echo_start(sk);
	xtcp_send_push(sk, 0);
}

/* RFC 9293 figure 8: simultaneous open. */
static void connect_rcv_syn(struct sock *sk, const struct sk_buff *skb,
			    const struct xtcp_seg *seg)
{
	connect_take_syn(sk, skb, seg);
	xtcp_lifecycle_sk(sk, XTCP_EV_RCV_SYN);
	xtcp_send_syn_ack_crossing(sk);
}

/*
 * RFC 7323 5.2: was TSecr sent between our first SYN and now? If our SYN offered no timestamps, the
 * peer's option is ignored (RFC 7323 3.2).
 */
static bool connect_echo_is_ours(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	u32 first = xtcp_tsval_at(xs, xs->retrans_stamp_ns);
	u32 now = xtcp_tsval(xs);

	if (!seg->opt.has_ts || !seg->opt.tsecr || !xs->retrans_stamp_ns ||
	    !XTCP_KNOB(sock_net(&xs->inet.sk), timestamps))
		return true;
	return (s32)(seg->opt.tsecr - first) >= 0 && (s32)(now - seg->opt.tsecr) >= 0;
}

/*
 * The peer of an old connection, of which we kept no record, waits in LAST-ACK for the
 * ACK of its FIN; it sends the FIN again, or a challenge ACK for our SYN. Returns true
 * if its token says so and the ACK has been sent.
 */
static bool connect_finish_old(struct net *net, const struct sk_buff *skb,
			       const struct xtcp_key *key, const struct xtcp_seg *seg)
{
	enum xtcp_token_verdict verdict;

	if (!seg->opt.token || (seg->flags & (XTCP_SYN | XTCP_RST)))
		return false;
	verdict = xtcp_stateless_judge(net, key, seg);
	if (verdict != XTCP_TOKEN_FIN && verdict != XTCP_TOKEN_AFTER_FIN)
		return false;
	xtcp_stateless_answer(net, skb, NULL, key, seg);
	return true;
}

/*
 * RFC 9293 3.10.7.3 first: answer an ACK of something that we never sent.
 * Returns true if the segment had one and is dealt with.
 */
static bool connect_rcv_bad_ack(struct sock *sk, const struct sk_buff *skb,
				const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_key key __uninitialized;
	struct xtcp_origin origin;
	bool acks_syn;

	if (!(seg->flags & XTCP_ACK))
		return false;
	acks_syn = seq_after(seg->ack, xs->iss) && seq_before_eq(seg->ack, xs->snd_nxt);
	if (acks_syn) {
		if (connect_echo_is_ours(xs, seg))
			return false;
		XTCP_INC(sock_net(sk), PAWS_ACTIVE);
	}
	xtcp_lifecycle_sk(sk, XTCP_EV_RCV_BAD_SYN_ACK);
	xtcp_key_from_flow(&key, &xs->flow);
	origin = xtcp_origin_of(sk);
	if (!(seg->flags & XTCP_RST) &&
	    !connect_finish_old(sock_net(sk), skb, &key, seg) &&
	    xtcp_gate_take_reset(sock_net(sk)))
		xtcp_reset_reply(sock_net(sk), skb, &key, &origin, seg,
				 XTCP_MIB_RESET_SENT_BAD_ACK);
	/*
	 * Our answer or the peer's RST ends the peer's old connection: send the SYN again early,
	 * once. If the segment acknowledges our SYN, but echoes a timestamp that we did not send,
	 * it is of no old connection, and the timer stays as it is.
	 */
	if (!acks_syn && !xs->retransmit.in_row)
		xtcp_deadlines_bad_syn_ack(sk,
					   BAD_ACK_DELAY_MS * NSEC_PER_MSEC);
	return true;
}

/**
 * xtcp_connect_rcv - process a segment in SYN-SENT
 * @sk: locked
 * @skb: segment; consumed. A FIN beside a SYN is dropped: the peer sends it again. So is
 *	payload, as in Linux, unless our SYN has tried fast open
 * @seg: its parsed header; options that only the lossless cookie holds are
 *	added
 *
 * RFC 9293 3.10.7.3, steps in the RFC's order.
 *
 * Return: what the segment means for the connection's end, for xtcp_close_end()
 */
enum xtcp_ending xtcp_connect_rcv(struct sock *sk, struct sk_buff *skb,
				  struct xtcp_seg *seg)
{
	enum xtcp_ending ending = XTCP_ENDING_NONE;
	enum skb_drop_reason why = SKB_DROP_REASON_TCP_FLAGS;
	const struct xtcp_sock *xs = xtcp_sk(sk);
	bool ack = seg->flags & XTCP_ACK;

	xtcp_assert_owned(sk);
	/* Our SYN waits for the first write: the segment can't be an answer to it. */
	if (unlikely(xtcp_fastconnect_is_deferred(sk))) {
		why = SKB_DROP_REASON_TCP_CLOSE;
		goto done;
	}
	if (connect_rcv_bad_ack(sk, skb, seg)) {
		why = SKB_DROP_REASON_TCP_OLD_ACK;
		goto done;
	}
	if (seg->flags & XTCP_RST) {
		why = SKB_DROP_REASON_TCP_RESET;
		if (ack)
			ending = XTCP_ENDING_RESET;
		else
			xtcp_lifecycle_sk(sk, XTCP_EV_RCV_RST_OUTSIDE);
	} else if (!(seg->flags & XTCP_SYN)) {
		xtcp_lifecycle_sk(sk, ack ? XTCP_EV_RCV_ACK :
					    XTCP_EV_RCV_BAD_FLAGS);
	} else if (ack) {
		connect_rcv_syn_ack(sk, skb, seg);
		return XTCP_ENDING_NONE;
	} else if (unlikely(xtcp_paws_rejects(seg, xs->ts_recent, xs->ts_recent_s))) {
		/* An old SYN: the TIME-WAIT record that we replaced had a newer timestamp. */
		why = SKB_DROP_REASON_TCP_RFC7323_PAWS;
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_OUTSIDE);
	} else {
		why = SKB_NOT_DROPPED_YET;
		connect_rcv_syn(sk, skb, seg);
	}
done:
	xtcp_skb_done(skb, why);
	return ending;
}

/* Retransmissions of a SYN, or of the SYN-ACK of a fast-open child. */
static unsigned int connect_retries(const struct xtcp_sock *xs)
{
	unsigned int chosen = XTCP_SOCKOPT_RARE(xs, syn_retries);
	const struct net *net = sock_net(&xs->inet.sk);

	if (chosen)
		return chosen;
	/* U8_MAX: xs->retransmit.in_row, which is compared with the result, is a u8. */
	return xs->fast_held ? min(XTCP_KNOB(net, synack_retries) + 1, U8_MAX) :
			       XTCP_KNOB(net, syn_retries);
}

/**
 * xtcp_connect_timeout - retransmit an unanswered SYN, or give up
 * @sk: in SYN-SENT, or in SYN-RECEIVED by a simultaneous or a fast open; locked
 *
 * RFC 6298 5.5: the timeout doubles each time. LC-19: the first
 * xtcp_syn_linear_timeouts retransmissions are one second apart, then
 * xtcp_syn_retries more follow. A child of a fast open retransmits its SYN-ACK, once more
 * than xtcp_synack_retries says, as in Linux.
 *
 * Return: why the connection ends, for xtcp_close_end()
 */
enum xtcp_ending xtcp_connect_timeout(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	/* The knob applies to SYNs, not to a simultaneous open's SYN-ACK. */
	unsigned int linear = sk->sk_state == XTCP_SYN_SENT ?
			      XTCP_KNOB(net, syn_linear_timeouts) : 0;
	unsigned int retries = linear + connect_retries(xs);
	u64 delay_ns;
	int err;

	xtcp_assert_owned(sk);
	/* Data behind a SYN-ACK has brought the timer forward, for a loss probe. */
	if (unlikely(xs->retransmit.waiting > XTCP_WAIT_USER) &&
	    xtcp_retransmit_left_ns(sk, xtcp_now_ns()) > NSEC_PER_MSEC) {
		xtcp_retransmit_arm(sk);
		return XTCP_ENDING_NONE;
	}
	XTCP_INC(net, TIMEOUTS);
	if (!xtcp_retransmit_user_timeout_left_since_ns(xs, xs->retrans_stamp_ns))
		return XTCP_ENDING_USER_TIMEOUT;
	if (xs->retransmit.in_row >= retries)
		return XTCP_ENDING_GIVE_UP;
	if (!xtcp_sendq_bare_to_skb(sk)) {
		xtcp_retransmit_later(sk);
		return XTCP_ENDING_NONE;
	}
	xtcp_lifecycle_sk(sk, XTCP_EV_RETRANSMISSION_TIMEOUT);
	/* MUST-20 for a SYN: the second timeout makes IP check the route. */
	if (xs->retransmit.in_row)
		__dst_negative_advice(sk);
	xtcp_retransmit_counted(sk);
	err = xtcp_send_retransmit(sk, xtcp_sendq_oldest(sk), 1,
				   sk->sk_state == XTCP_SYN_SENT ? XTCP_RESENT_SYN :
								   XTCP_RESENT_SYN_ACK);
	/* As for data. Of a child of a fast open Linux doesn't ask either. */
	if (!xs->fast_held && (err == -ENOBUFS || err == -ENOMEM)) {
		xtcp_retransmit_later(sk);
		return XTCP_ENDING_NONE;
	}
	if (xs->retransmit.in_row > linear)
		xtcp_rtt_backoff(xs);
	delay_ns = min(xtcp_rtt_rto_ns(xs),
		       xtcp_retransmit_user_timeout_left_since_ns(xs, xs->retrans_stamp_ns));
	xtcp_deadlines_syn_sent(sk, xtcp_now_ns(), delay_ns);
	return XTCP_ENDING_NONE;
}
