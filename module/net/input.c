// SPDX-License-Identifier: GPL-2.0
/*
 * input.c - dispatch a received segment or ICMP error to its connection
 *
 * RFC 9293 3.10.7, SEGMENT ARRIVES. The protocol handlers call xtcp_input(). It
 * checks the header, looks the segment's connection up and calls the file that
 * handles segments of that kind:
 *
 *	no connection, listener	open/gate.c, open/listen.c
 *	the same, with a token	close/stateless.c
 *	half-open record	open/synqueue.c
 *	TIME-WAIT record	close/timewait.c
 *	socket			segment/synchronized.c, open/connect.c
 *
 * xtcp_input_error() does the same for an ICMP error: segment/icmp.c.
 *
 * In net/, only this dispatch and the early gate in prerouting.c call the
 * layers above IP (Documentation/design.rst).
 *
 * Context: softirq under RCU. Segments of a socket are handled under the socket
 * lock, those of the backlog in process context.
 */
#include "net/input.h"

#include <linux/filter.h>
#include <net/busy_poll.h>
#include <net/inet_sock.h>
#include <net/xfrm.h>
#include <uapi/linux/xtcp.h>

#include "clock.h"
#include "close/close.h"
#include "close/stateless.h"
#include "close/timewait.h"
#include "compat.h"
#include "lookup.h"
#include "net/backlog.h"
#include "net/demux.h"
#include "net/family.h"
#include "net/hook.h"
#include "net/ipv4.h"
#include "net/skb.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "observe/trace.h"
#include "open/acceptqueue.h"
#include "open/connect.h"
#include "open/gate.h"
#include "open/listen.h"
#include "open/synqueue.h"
#include "segment/icmp.h"
#include "segment/synchronized.h"
#include "tcb.h"

/* Act on what a segment meant for the end of its connection. Socket lock. */
static __always_inline void input_end(struct sock *sk, enum xtcp_ending ending)
{
	if (unlikely(ending))
		xtcp_close_end(sk, ending);
}

/* Drop reason of a segment that a TIME-WAIT record has handled. */
static enum skb_drop_reason timewait_reason(const struct xtcp_seg *seg)
{
	if (seg->flags & XTCP_RST)
		return SKB_DROP_REASON_TCP_RESET;
	return seg->len ? SKB_DROP_REASON_TCP_CLOSE : SKB_NOT_DROPPED_YET;
}

/*
 * The connection of the socket has ended, or a record has it, since the segment was looked
 * up: while close() owns the socket, the ACK of our FIN may come and the peer's FIN right
 * behind it. A record gets the segment; no SYN can open a connection here, because the
 * segment was for the old one. Socket lock. Consumes @skb.
 */
static noinline void input_late(struct sock *sk, struct sk_buff *skb,
				const struct xtcp_seg *seg)
{
	struct net *net = sock_net(sk);
	enum skb_drop_reason why = SKB_DROP_REASON_TCP_CLOSE;
	struct xtcp_key key __uninitialized;
	struct xtcp_flow *flow;

	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	local_bh_disable();
	rcu_read_lock();
	flow = xtcp_flow_lookup_rcu(net, &key);
	if (flow && flow->kind == XTCP_KIND_TIMEWAIT &&
	    !xtcp_timewait_rcv(net, container_of(flow, struct xtcp_timewait, flow), skb,
			       &key, seg))
		why = timewait_reason(seg);
	if (flow)
		xtcp_flow_put(flow);
	rcu_read_unlock();
	local_bh_enable();
	xtcp_skb_done(skb, why);
}

/* Handle a segment of a socket in any state. Socket lock. Consumes @skb. */
static __always_inline void input_sk(struct sock *sk, struct sk_buff *skb,
				     struct xtcp_seg *seg)
{
	switch (sk->sk_state) {
	case XTCP_CLOSED:
		input_late(sk, skb, seg);
		break;
	case XTCP_LISTEN:
		/* The connection ended while the segment was in the backlog. */
		kfree_skb_reason(skb, SKB_DROP_REASON_TCP_CLOSE);
		break;
	case XTCP_SYN_SENT:
		xtcp_sk(sk)->last_rcv_ns = xtcp_now_ns();
		xtcp_sk(sk)->segs_in += xtcp_skb_segs(skb);
		input_end(sk, xtcp_connect_rcv(sk, skb, seg));
		break;
	default:
		input_end(sk, xtcp_synchronized_rcv(sk, skb, seg));
	}
}

/**
 * xtcp_input_backlog - handle a segment of a socket's backlog
 * @sk: the socket, locked; a task owned it when the segment arrived
 * @skb: segment, at its TCP header; consumed
 *
 * Context: process, softirqs on.
 * Return: 0, for struct proto.backlog_rcv.
 */
int xtcp_input_backlog(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_seg seg __uninitialized;

	xtcp_seg_read(&seg, skb, xtcp_sk(sk)->flow.wire);
	input_sk(sk, skb, &seg);
	return 0;
}

/*
 * Apply the rules of the system between a segment and a socket. A socket filter
 * may trim payload, but not the header; @seg is read again then. Returns false
 * if @skb was dropped.
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
					     af->packet->ttl_min(sk);
	if (unlikely(ttl_min) && af->packet->ttl(skb) < ttl_min) {
		XTCP_INC(sock_net(sk), MIN_TTL_DROP);
		why = SKB_DROP_REASON_TCP_MINTTL;
		goto drop;
	}
	if (!xfrm_policy_check(sk, XFRM_POLICY_IN, skb, af->family)) {
		why = SKB_DROP_REASON_XFRM_POLICY;
		goto drop;
	}
	nf_reset_ct(skb);
	if (xtcp_filter(sk, skb, tcp_hdrlen(skb))) {
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

static void input_socket(struct sock *sk, struct sk_buff *skb,
			 struct xtcp_seg *seg)
{
	if (!sk_may_receive(sk, skb, xtcp_sk(sk)->af, seg))
		return;
	sk_incoming_cpu_update(sk);
	sk_mark_napi_id(sk, skb);
	XTCP_RFS_SAVE(sk, skb);
	skb->dev = NULL;
	bh_lock_sock_nested(sk);
	if (!sock_owned_by_user(sk))
		input_sk(sk, skb, seg);
	else
		xtcp_backlog_add(sk, skb, seg);
	bh_unlock_sock(sk);
}

/* May a segment be answered that no socket gets? IPsec's policies; if not, @skb is freed. */
static bool input_may_answer(struct sk_buff *skb, unsigned short family)
{
	if (xfrm_policy_check(NULL, XFRM_POLICY_IN, skb, family))
		return true;
	kfree_skb_reason(skb, SKB_DROP_REASON_XFRM_POLICY);
	return false;
}

/* RFC 9293 3.10.7.1: handle a segment without a connection. Consumes @skb. */
static void input_closed(struct net *net, struct sk_buff *skb,
			 const struct xtcp_key *key, const struct xtcp_seg *seg)
{
	if (!input_may_answer(skb, key->family))
		return;
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
	xtcp_gate_reset(net, skb, key, seg, NULL);
}

/*
 * Handle the segment as the child's that it has created. The listener, under
 * RCU, is told afterwards.
 */
static void input_child(struct sock *lsk, struct sock *child,
			struct sk_buff *skb, const struct xtcp_seg *seg)
{
	/* accept() may be followed by SO_INCOMING_NAPI_ID. */
	sk_mark_napi_id_set(child, skb);
	XTCP_RFS_SAVE(child, skb);
	/* It may wait in the receive queue for longer than the device lasts. */
	skb->dev = NULL;
	input_end(child, xtcp_synchronized_rcv(child, skb, seg));
	xtcp_acceptqueue_announce(lsk, child);
}

/* input_stolen(): there is no socket. @ho: the record that is there now, or NULL. */
static void input_again(struct net *net, struct xtcp_halfopen *ho, struct sk_buff *skb,
			const struct xtcp_key *key, struct xtcp_seg *seg)
{
	struct sock *lsk = ho ? ho->ls->sk : xtcp_lookup_rcu(net, key, skb);
	struct sock *child;

	if (!lsk) {
		input_closed(net, skb, key, seg);
		return;
	}
	if (!sk_may_receive(lsk, skb, xtcp_family_get(key->family), seg))
		return;
	child = ho ? xtcp_synqueue_rcv(ho, skb, key, seg) : xtcp_listen_rcv(lsk, skb, key, seg);
	/* As if it were lost: another CPU may do this as often as it likes. */
	if (child == XTCP_CHILD_STOLEN)
		kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
	else if (child)
		input_child(lsk, child, skb, seg);
}

/*
 * Another CPU has made a socket of the connection, has given its record to another listener, or
 * has ended it, since the segment was looked up. So handle the segment as one that comes now: it
 * may be the client's last one, and a client whose connection is gone must hear so. TIME-WAIT
 * gets nothing: the connection that ended is the one of the segment. Consumes @skb, whose options
 * have been read.
 */
static noinline void input_stolen(struct net *net, struct sk_buff *skb,
				  const struct xtcp_key *key, struct xtcp_seg *seg)
{
	struct xtcp_flow *flow = xtcp_flow_lookup_rcu(net, key);

	if (!flow)
		input_again(net, NULL, skb, key, seg);
	else if (flow->kind == XTCP_KIND_SOCKET)
		input_socket(xtcp_flow_sk(flow), skb, seg);
	else if (flow->kind == XTCP_KIND_HALFOPEN)
		input_again(net, container_of(flow, struct xtcp_halfopen, flow), skb, key, seg);
	else
		kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
	if (flow)
		xtcp_flow_put(flow);
}

/*
 * @child: what a half-open record or a listener has made of the segment: a socket,
 * XTCP_CHILD_STOLEN, or NULL if @skb has been consumed.
 */
static __always_inline void input_made(struct net *net, struct sock *lsk, struct sock *child,
				       struct sk_buff *skb, const struct xtcp_key *key,
				       struct xtcp_seg *seg)
{
	if (unlikely(child == XTCP_CHILD_STOLEN))
		input_stolen(net, skb, key, seg);
	else if (child)
		input_child(lsk, child, skb, seg);
}

/* A segment of no connection has a token of ours. Consumes @skb. */
static void input_with_token(struct net *net, struct sk_buff *skb,
			     const struct xtcp_key *key, const struct xtcp_seg *seg,
			     enum xtcp_token_verdict verdict)
{
	if (!input_may_answer(skb, key->family))
		return;
	if (verdict != XTCP_TOKEN_FIN) {
		/* A RST could reach the peer before its FIN is acknowledged. */
		xtcp_lifecycle_none(net, XTCP_EV_RCV_ACK);
		kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
		return;
	}
	if (!xtcp_gate_take_ack(net)) {
		XTCP_INC(net, TOKEN_RATE_DROP);
		kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
		return;
	}
	xtcp_lifecycle_none(net, XTCP_EV_RCV_FIN);
	xtcp_stateless_answer(net, skb, skb, key, seg);
}

/*
 * A segment of no connection has a token. Returns true if it is one of ours and @skb
 * has been consumed.
 */
static bool input_token(struct net *net, struct sk_buff *skb,
			const struct xtcp_key *key, const struct xtcp_seg *seg)
{
	enum xtcp_token_verdict verdict;

	if (!xtcp_net_is_ready(xtcp_net_rcu(net)))
		return false;	/* no socket has sent a token */
	verdict = xtcp_stateless_judge(net, key, seg);
	if (verdict == XTCP_TOKEN_WRONG) {
		XTCP_INC(net, TOKEN_FAILED);
		return false;
	}
	input_with_token(net, skb, key, seg, verdict);
	return true;
}

/*
 * @lsk: listener of the segment, or NULL. @parsed: the segment's options have been read. Consumes
 * @skb.
 */
static __always_inline void input_listener(struct net *net, struct sock *lsk,
					   struct sk_buff *skb,
					   const struct xtcp_key *key,
					   struct xtcp_seg *seg, bool parsed)
{
	if (!lsk) {
		input_closed(net, skb, key, seg);
	} else if (sk_may_receive(lsk, skb, xtcp_family_get(key->family),
				  seg)) {
		if (!parsed)
			xtcp_seg_read_options(seg, skb, key->wire);
		input_made(net, lsk, xtcp_listen_rcv(lsk, skb, key, seg), skb, key, seg);
	}
}

static void input_timewait(struct net *net, struct xtcp_timewait *tw,
			   struct sk_buff *skb, const struct xtcp_key *key,
			   struct xtcp_seg *seg)
{
	struct sock *lsk;

	if (!input_may_answer(skb, key->family))
		return;
	if (!xtcp_timewait_rcv(net, tw, skb, key, seg)) {
		xtcp_skb_done(skb, timewait_reason(seg));
		return;
	}
	/* As for any other SYN, a program decides before a listener does. */
	lsk = key->wire == XTCP_WIRE_TCP && xtcp_hook_is_steered(net, key) ?
	      NULL : xtcp_lookup_rcu(net, key, skb);
	if (!lsk) {
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_SYN_IN_WINDOW);
		xtcp_timewait_answer(net, tw, skb, seg);
		kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
	} else if (sk_may_receive(lsk, skb, xtcp_family_get(key->family),
				  seg)) {
		xtcp_listen_syn(lsk, skb, key, seg, tw);
	}
}

static void input_halfopen(struct net *net, struct xtcp_halfopen *ho, struct sk_buff *skb,
			   const struct xtcp_key *key, struct xtcp_seg *seg)
{
	struct sock *lsk = ho->ls->sk;

	if (!sk_may_receive(lsk, skb, xtcp_family_get(ho->flow.family), seg))
		return;
	input_made(net, lsk, xtcp_synqueue_rcv(ho, skb, key, seg), skb, key, seg);
}

static void input_flow(struct net *net, struct xtcp_flow *flow,
		       struct sk_buff *skb, const struct xtcp_key *key,
		       struct xtcp_seg *seg)
{
	switch ((enum xtcp_kind)flow->kind) {
	case XTCP_KIND_SOCKET:
		input_socket(xtcp_flow_sk(flow), skb, seg);
		break;
	case XTCP_KIND_HALFOPEN:
		input_halfopen(net, container_of(flow, struct xtcp_halfopen, flow), skb,
			       key, seg);
		break;
	case XTCP_KIND_TIMEWAIT:
		input_timewait(net, container_of(flow, struct xtcp_timewait,
						 flow), skb, key, seg);
		break;
	}
}

/*
 * Verify the checksum: here for a linear segment that no device or offload has
 * checked, as most are; else the kernel's helper evaluates their result. GRO has
 * checked each segment of a list (rx-gro-list), and neither the header's sum nor the
 * device's is that of all of them.
 */
static bool csum_is_right(struct sk_buff *skb, const struct xtcp_family *af,
			  u8 wire)
{
	__wsum pseudo;

	if (unlikely(skb->ip_summed == CHECKSUM_COMPLETE) && skb_is_gso(skb) &&
	    skb_shinfo(skb)->gso_type & SKB_GSO_FRAGLIST)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	if (skb->ip_summed != CHECKSUM_NONE || skb_is_nonlinear(skb) ||
	    skb->csum_valid)
		return !skb_checksum_validate(skb, wire, af->packet->csum_pseudo);
	pseudo = af->packet->csum_pseudo(skb, wire);
	skb->csum_valid = !csum_fold(csum_partial(skb->data, skb->len, pseudo));
	return skb->csum_valid;
}

/*
 * Check header and checksum, and count errors. Returns why the segment has to
 * be dropped, or SKB_NOT_DROPPED_YET.
 */
static enum skb_drop_reason segment_check(struct net *net, struct sk_buff *skb,
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

static bool src_is_valid(const struct sk_buff *skb,
			 const struct xtcp_family *af)
{
	return likely(af == &xtcp_ipv4) ? xtcp_ipv4_src_valid(skb) :
					  af->packet->src_valid(skb);
}

/* Count and check a segment. Returns false if it has been dropped. */
static __always_inline bool input_accepts(struct net *net, struct sk_buff *skb,
					  const struct xtcp_family *af, u8 wire)
{
	enum skb_drop_reason why = SKB_DROP_REASON_OTHERHOST;

	lockdep_assert_in_softirq();
	/* MUST-57: ignore segments that aren't addressed to this host alone. */
	if (skb->pkt_type != PACKET_HOST)
		goto drop;
	XTCP_INC(net, IN_SEGS);
	why = segment_check(net, skb, af, wire);
	if (why)
		goto drop;
	why = SKB_DROP_REASON_NOT_SPECIFIED;
	if (src_is_valid(skb, af))
		return true;
drop:
	kfree_skb_reason(skb, why);
	return false;
}

/* The listener of a segment without a flow; the hook looks for SYNs only. */
static struct sock *input_find_listener(struct net *net, struct sk_buff *skb,
					const struct xtcp_key *key,
					const struct xtcp_found *found)
{
	if (found && found->listener)
		return xtcp_lookup_choice(found->listener, key, skb);
	return xtcp_lookup_rcu(net, key, skb);
}

/* A segment without a flow that may have a token: read its options, then check the token. */
static noinline void input_maybe_token(struct net *net, struct sk_buff *skb,
				       const struct xtcp_key *key,
				       const struct xtcp_found *found, struct xtcp_seg *seg)
{
	xtcp_seg_read_options(seg, skb, key->wire);
	if (seg->opt.token && input_token(net, skb, key, seg))
		return;
	input_listener(net, input_find_listener(net, skb, key, found), skb, key, seg,
		       true);
}

/**
 * xtcp_input - handle a segment
 * @skb: segment, at its TCP header; consumed
 * @af: its family
 * @wire: IP protocol on which it arrived
 * @found: what the caller has found for it in this RCU section; the reference to
 *	its flow is dropped. NULL: it has not been looked up
 *
 * Context: softirqs off, under RCU.
 */
void xtcp_input(struct sk_buff *skb, const struct xtcp_family *af, u8 wire,
		const struct xtcp_found *found)
{
	struct xtcp_flow *flow = found ? found->flow : NULL;
	struct net *net = dev_net(skb->dev);
	/*
	 * Both are filled below; kernels that zero the stack would do it twice.
	 */
	struct xtcp_key own_key __uninitialized;
	struct xtcp_seg seg __uninitialized;
	const struct xtcp_key *key;

	if (!input_accepts(net, skb, af, wire)) {
		if (flow)
			xtcp_flow_put(flow);
		return;
	}
	key = found ? &found->key : &own_key;
	if (!found)
		xtcp_packet_key_read(af, skb, wire, &own_key);
	xtcp_seg_read_header(&seg, skb);
	trace_xtcp_rcv(net, key, &seg);
	if (!found) {
		xtcp_key_digest(&own_key);
		flow = xtcp_flow_lookup_rcu(net, &own_key);
	}
	/*
	 * Without a flow the options are read only if there may be a token, or by
	 * input_listener(), if there is a listener.
	 */
	if (flow) {
		xtcp_seg_read_options(&seg, skb, wire);
		input_flow(net, flow, skb, key, &seg);
		xtcp_flow_put(flow);
	} else if (likely(!xtcp_wire_may_have_token((struct tcphdr *)skb->data))) {
		input_listener(net, input_find_listener(net, skb, key, found),
			       skb, key, &seg, false);
	} else {
		input_maybe_token(net, skb, key, found, &seg);
	}
}

/**
 * xtcp_input_error - handle an ICMP error that quotes one of our segments
 * @net: namespace
 * @key: the connection
 * @ie: the error
 *
 * Context: softirq, rcu_read_lock().
 * Return: 0, or -ENOENT when the connection is unknown.
 */
int xtcp_input_error(struct net *net, const struct xtcp_key *key,
		     const struct xtcp_icmp *ie)
{
	struct xtcp_flow *flow = xtcp_flow_lookup(net, key);

	if (!flow)
		return -ENOENT;
	switch ((enum xtcp_kind)flow->kind) {
	case XTCP_KIND_SOCKET:
		xtcp_icmp_socket(xtcp_flow_sk(flow), ie);
		break;
	case XTCP_KIND_HALFOPEN:
		xtcp_icmp_halfopen(net, container_of(flow, struct xtcp_halfopen,
						     flow), ie);
		break;
	case XTCP_KIND_TIMEWAIT:
		xtcp_icmp_record(net, flow, ie);
		break;
	}
	xtcp_flow_put(flow);
	return 0;
}
