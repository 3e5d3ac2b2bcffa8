// SPDX-License-Identifier: GPL-2.0
/*
 * reset.c - send RSTs, act on received ones, count both
 *
 * RFC 9293 3.5.2 and 3.10.7.1: a segment that belongs to no connection is
 * answered with a RST that its sender accepts. The callers check received RSTs
 * (RFC 5961 3: SEG.SEQ must equal RCV.NXT).
 *
 * Each RST has a counter, by reason if sent and by the state that it ends if
 * received, and the tracepoint xtcp:xtcp_reset. They explain a "connection
 * reset by peer".
 *
 * Context: xtcp_reset_reply(), xtcp_reset_recycle() and xtcp_reset_taken()
 * softirq, or process for segments of the backlog; the others with the socket lock.
 */
#include "close/reset.h"

#include "net/family.h"
#include "net/reply.h"
#include "observe/recorder.h"
#include "observe/stats.h"
#include "observe/trace.h"
#include "segment/output.h"
#include "tcb.h"

static void reset_note(struct net *net, const struct xtcp_key *key, bool sent,
		       enum xtcp_mib_item reason)
{
	this_cpu_inc(xtcp_net(net)->mib->item[reason]);
	trace_xtcp_reset(net, key, sent, xtcp_stats_name(reason));
}

/* Consumes @spare, which is @skb or NULL. */
static void reset_answer(struct net *net, const struct sk_buff *skb,
			 struct sk_buff *spare, const struct xtcp_key *key,
			 const struct xtcp_origin *origin,
			 const struct xtcp_seg *seg, enum xtcp_mib_item reason)
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
	xtcp_reply_init(net, &reply, skb, key, origin);
	reply.spare = spare;
	xtcp_reply_send(net, &reply, &bare);
}

/**
 * xtcp_reset_reply - answer a segment with a RST
 * @net: namespace
 * @skb: the segment; stays the caller's
 * @key: its connection, as seen from here
 * @origin: its socket, the listener of a half-open one, or what its record keeps
 * @seg: its parsed header; a RST is never answered
 * @reason: XTCP_MIB_RESET_SENT_*
 *
 * RFC 9293 3.10.7.1: if the segment has an ACK, the RST's sequence number is
 * SEG.ACK; otherwise it is 0 and the RST acknowledges the segment.
 *
 * Context: softirq; process for a segment of the backlog.
 */
void xtcp_reset_reply(struct net *net, const struct sk_buff *skb,
		      const struct xtcp_key *key, const struct xtcp_origin *origin,
		      const struct xtcp_seg *seg, enum xtcp_mib_item reason)
{
	reset_answer(net, skb, NULL, key, origin, seg, reason);
}

/**
 * xtcp_reset_recycle - answer a segment of no connection, recycle its skb
 * @net: namespace
 * @skb: the segment; consumed: the RST is built in it if possible
 * @key: its connection, as seen from here
 * @lsk: the listener of its port, which cannot use it, or NULL
 * @seg: its parsed header; a RST is never answered
 * @reason: XTCP_MIB_RESET_SENT_*
 *
 * Context: softirq.
 */
void xtcp_reset_recycle(struct net *net, struct sk_buff *skb,
			const struct xtcp_key *key, const struct sock *lsk,
			const struct xtcp_seg *seg, enum xtcp_mib_item reason)
{
	struct xtcp_origin origin = lsk ? xtcp_origin_of(lsk) : (struct xtcp_origin) { };

	reset_answer(net, skb, skb, key, &origin, seg, reason);
}

/**
 * xtcp_reset_send - send a RST for a connection
 * @sk: in a state whose peer must be told, locked; the state stays
 * @reason: XTCP_MIB_RESET_SENT_*
 */
void xtcp_reset_send(struct sock *sk, enum xtcp_mib_item reason)
{
	struct xtcp_key key;

	xtcp_assert_owned(sk);
	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	reset_note(sock_net(sk), &key, true, reason);
	xtcp_recorder_reset(sk, reason);
	xtcp_output_reset(sk);
}

static enum xtcp_mib_item reset_recv_reason(u8 state)
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
 * xtcp_reset_taken - count and trace a received RST that ends a connection
 * @net: namespace
 * @flow: connection
 * @state: the state that the RST ends or has ended
 *
 * Context: softirq; process for a segment of the backlog.
 */
void xtcp_reset_taken(struct net *net, const struct xtcp_flow *flow, u8 state)
{
	enum xtcp_mib_item reason = reset_recv_reason(state);
	struct xtcp_key key;

	xtcp_key_from_flow(&key, flow);
	reset_note(net, &key, false, reason);
	if (flow->kind == XTCP_KIND_SOCKET)
		xtcp_recorder_reset(xtcp_flow_sk(flow), reason);
}
