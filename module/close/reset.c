// SPDX-License-Identifier: GPL-2.0
/*
 * reset.c - send and judge RST
 *
 * RFC 9293 3.5.2 and 3.10.7.1: a segment that belongs to no connection is
 * answered with a RST that its sender must find acceptable. RFC 5961 3: one
 * that arrives must hit RCV.NXT exactly.
 *
 * Context: xtcp_reset_reply() softirq; xtcp_reset_received() with the socket
 * lock.
 */
#include "close/reset.h"

#include "close/close.h"
#include "net/family.h"
#include "net/output.h"
#include "tcb.h"
#include "user/stats.h"
#include "user/trace.h"

/**
 * xtcp_reset_reply - tell the sender of a segment that there is no connection
 * @net: namespace
 * @skb: the segment
 * @key: its connection, as seen from here
 * @seg: what it says; a RST is never answered
 *
 * RFC 9293 3.10.7.1: the RST takes the sequence number that the segment
 * acknowledges; where it acknowledges nothing, 0, and then itself
 * acknowledges all of the segment.
 */
void xtcp_reset_reply(struct net *net, const struct sk_buff *skb,
		      const struct xtcp_key *key, const struct xtcp_seg *seg)
{
	struct xtcp_bare bare = { .flags = XTCP_RST };
	struct xtcp_reply reply;

	if (seg->flags & XTCP_RST)
		return;
	if (seg->flags & XTCP_ACK) {
		bare.seq = seg->ack;
	} else {
		bare.ack = seg->end;
		bare.flags |= XTCP_ACK;
	}
	xtcp_reply_init(net, &reply, skb, key);
	xtcp_output_bare(net, &reply, &bare);
}

static int reset_errno(u8 state)
{
	switch (state) {
	case XTCP_SYN_SENT:
	case XTCP_SYN_RECEIVED:
		return ECONNREFUSED;
	case XTCP_CLOSE_WAIT:
		return EPIPE;
	default:
		return ECONNRESET;
	}
}

/**
 * xtcp_reset_received - the peer has ended the connection
 * @sk: locked
 * @event: XTCP_EV_RCV_RST; an acceptable one
 */
void xtcp_reset_received(struct sock *sk, enum xtcp_event event)
{
	int err = reset_errno(sk->sk_state);

	xtcp_sk(sk)->reset_by_peer = 1;
	xtcp_lifecycle_sk(sk, event);
	xtcp_close_error(sk, err);
}
