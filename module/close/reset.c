// SPDX-License-Identifier: GPL-2.0
/*
 * reset.c - send and judge RST
 *
 * RFC 9293 3.5.2 and 3.10.7.1: a segment that belongs to no connection is
 * answered with a RST that its sender must find acceptable. RFC 5961 3: one
 * that arrives must hit RCV.NXT exactly.
 *
 * Whoever sends one says why, and who takes one is told apart by the state it
 * ends: a counter and the tracepoint xtcp:xtcp_reset answer the question that
 * comes after each "connection reset by peer".
 *
 * Context: xtcp_reset_reply(), _turn() and _taken() softirq; the others with
 * the socket lock.
 */
#include "close/reset.h"

#include "net/family.h"
#include "net/reply.h"
#include "segment/output.h"
#include "tcb.h"
#include "user/stats.h"
#include "user/trace.h"

static void reset_note(struct net *net, const struct xtcp_key *key, bool sent,
		       enum xtcp_mib_item reason)
{
	this_cpu_inc(xtcp_net(net)->mib->item[reason]);
	trace_xtcp_reset(net, key, sent, xtcp_stats_name(reason));
}

static void reset_reply(struct net *net, const struct sk_buff *skb,
			struct sk_buff *spare, const struct xtcp_key *key,
			int bound, const struct xtcp_seg *seg,
			enum xtcp_mib_item reason)
{
	struct xtcp_bare bare = { .flags = XTCP_RST };
	struct xtcp_reply reply;

	if (seg->flags & XTCP_RST) {
		kfree_skb_reason(spare, SKB_DROP_REASON_NO_SOCKET);
		return;
	}
	if (seg->flags & XTCP_ACK) {
		bare.seq = seg->ack;
	} else {
		bare.ack = seg->end;
		bare.flags |= XTCP_ACK;
	}
	reset_note(net, key, true, reason);
	xtcp_reply_init(net, &reply, skb, key, bound);
	reply.spare = spare;
	xtcp_reply_send(net, &reply, &bare);
}

/**
 * xtcp_reset_reply - tell the sender of a segment that there is no connection
 * @net: namespace
 * @skb: the segment
 * @key: its connection, as seen from here
 * @bound: device that the connection is bound to, 0 for any
 * @seg: what it says; a RST is never answered
 * @reason: XTCP_MIB_RESET_SENT_*
 *
 * RFC 9293 3.10.7.1: the RST takes the sequence number that the segment
 * acknowledges; where it acknowledges nothing, 0, and then itself
 * acknowledges all of the segment.
 */
void xtcp_reset_reply(struct net *net, const struct sk_buff *skb,
		      const struct xtcp_key *key, int bound,
		      const struct xtcp_seg *seg, enum xtcp_mib_item reason)
{
	reset_reply(net, skb, NULL, key, bound, seg, reason);
}

/**
 * xtcp_reset_turn - the same without a connection; nobody wants the segment
 * @net: namespace
 * @skb: the segment; eaten: the RST is made of it where it may be
 * @key: its connection, as seen from here
 * @seg: what it says
 * @reason: XTCP_MIB_RESET_SENT_*
 */
void xtcp_reset_turn(struct net *net, struct sk_buff *skb,
		     const struct xtcp_key *key, const struct xtcp_seg *seg,
		     enum xtcp_mib_item reason)
{
	reset_reply(net, skb, skb, key, 0, seg, reason);
}

/**
 * xtcp_reset_send - cut a connection off from our side
 * @sk: in a state whose peer must be told, locked
 * @reason: XTCP_MIB_RESET_SENT_*
 */
void xtcp_reset_send(struct sock *sk, enum xtcp_mib_item reason)
{
	struct xtcp_key key;

	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	reset_note(sock_net(sk), &key, true, reason);
	xtcp_output_reset(sk);
}

static enum xtcp_mib_item taken_in(u8 state)
{
	switch (state) {
	case XTCP_SYN_SENT:
	case XTCP_SYN_RECEIVED:
	case XTCP_HALF_OPEN:
		return XTCP_MIB_RESET_RECV_OPENING;
	case XTCP_ESTABLISHED:
	case XTCP_CLOSE_WAIT:
		return XTCP_MIB_RESET_RECV_OPEN;
	case XTCP_TIME_WAIT:
		return XTCP_MIB_RESET_RECV_TIME_WAIT;
	default:
		return XTCP_MIB_RESET_RECV_CLOSING;
	}
}

/**
 * xtcp_reset_taken - a RST that is believed is about to end a connection
 * @net: namespace
 * @flow: connection, still in the state that the RST ends
 */
void xtcp_reset_taken(struct net *net, const struct xtcp_flow *flow)
{
	struct xtcp_key key;

	xtcp_key_from_flow(&key, flow);
	reset_note(net, &key, false, taken_in(flow->state));
}
