// SPDX-License-Identifier: GPL-2.0
/*
 * ecn.c - Explicit Congestion Notification, RFC 3168
 *
 * A router that would otherwise drop a packet marks it (CE), if the packet
 * allows it (ECT). The receiver echoes the mark in each segment (ECE) until the
 * sender says that it has reduced its window (CWR):
 *
 *   sender   -- payload, ECT(0) -->  router  -- payload, CE -->  receiver
 *   sender   <---------------------- ECE ----------------------- receiver
 *   sender   -- new data, CWR -------------------------------->  receiver
 *
 * Both ends must agree: SYN with ECE and CWR, SYN-ACK with ECE alone (6.1.1).
 * Only payload sent for the first time is ECT. Retransmissions, pure ACKs, SYN
 * and RST are not (6.1.4 to 6.1.6), so that marks on forged segments do no
 * harm. ECT(1) is not used (RFC 8311). recovery.c reduces the window for ECE.
 *
 * Context: socket lock; RCU for the listener's part.
 */
#include "transfer/ecn.h"

#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <net/dst.h>
#include <net/inet_ecn.h>
#include <net/sock.h>

#include "net/family.h"
#include "net/wire.h"
#include "netns.h"
#include "tcb.h"
#include "transfer/ack.h"

#define ECN_SETUP	(XTCP_ECE | XTCP_CWR)

/* ACKs sent at once after a CE mark, as in Linux. */
#define ECN_QUICKACKS	2U

/* --- opening ------------------------------------------------------------ */

/**
 * xtcp_ecn_route_asks - check whether the route has "features ecn"
 * @dst: route, or NULL
 *
 * Return: true if the route asks for ECN
 */
bool xtcp_ecn_route_asks(const struct dst_entry *dst)
{
	return dst && dst_feature(dst, RTAX_FEATURE_ECN);
}

/**
 * xtcp_ecn_offer - decide on ECN at the begin of an active open
 * @sk: the socket, locked
 *
 * Return: flags for the SYN; 0 if neither xtcp_ecn nor the route asks for ECN
 */
u8 xtcp_ecn_offer(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	xs->ecn.ok = XTCP_KNOB(sock_net(sk), ecn) == 1 ||
		     xtcp_ecn_route_asks(__sk_dst_get(sk));
	return xtcp_ecn_offered(xs);
}

/**
 * xtcp_ecn_offered - flags of ECN that our SYN was sent with
 * @xs: the connection, locked, in SYN-SENT
 *
 * Return: flags of the first SYN
 */
u8 xtcp_ecn_offered(const struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	return xs->ecn.ok ? ECN_SETUP : 0;
}

/**
 * xtcp_ecn_syn_again - remove the offer from a SYN that is sent again
 * @sk: the socket, locked
 * @flags: flags of the SYN
 *
 * RFC 3168 6.1.1.1: something on the path may drop SYNs that ask for ECN. With
 * xtcp_ecn_fallback the next SYN does not ask.
 *
 * Return: flags
 */
u8 xtcp_ecn_syn_again(const struct sock *sk, u8 flags)
{
	xtcp_assert_owned(sk);
	if ((flags & ECN_SETUP) == ECN_SETUP &&
	    XTCP_KNOB(sock_net(sk), ecn_fallback))
		flags &= ~ECN_SETUP;
	return flags;
}

/**
 * xtcp_ecn_syn_received - process the ECN flags of the peer's SYN or SYN-ACK
 * @xs: the connection, locked
 * @seg: the SYN
 *
 * A SYN-ACK agrees by ECE alone: a SYN-ACK with both bits comes from a host
 * that mirrors reserved bits.
 */
void xtcp_ecn_syn_received(struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	u8 agrees = seg->flags & XTCP_ACK ? XTCP_ECE : ECN_SETUP;

	xtcp_assert_owned(&xs->inet.sk);
	xs->ecn.ok = xs->ecn.ok && ((seg->flags & ECN_SETUP) == agrees ||
				    seg->opt.ecn);
}

/**
 * xtcp_ecn_syn_ack - turn our SYN into a SYN-ACK: simultaneous open
 * @xs: the connection, locked; the peer's SYN was processed
 * @flags: flags of our SYN
 *
 * Return: flags
 */
u8 xtcp_ecn_syn_ack(const struct xtcp_sock *xs, u8 flags)
{
	xtcp_assert_owned(&xs->inet.sk);
	flags &= ~ECN_SETUP;
	return flags | XTCP_ACK | (xs->ecn.ok ? XTCP_ECE : 0);
}

/**
 * xtcp_ecn_is_offered - check whether a received SYN offers ECN
 * @skb: the SYN, at its header
 * @seg: its parsed header
 * @codepoint: ECN field of its IP header
 *
 * Something on the path that sets the ECN bits of all packets has changed a SYN
 * that is ECT itself, so its marks mean nothing. A SYN with reserved bits is
 * accepted all the same: it tries an extension that may use ECT on SYNs.
 *
 * Return: true if it does
 */
bool xtcp_ecn_is_offered(const struct sk_buff *skb, const struct xtcp_seg *seg,
			 u8 codepoint)
{
	/* The data offset's byte; kernels name its other bits differently. */
	u8 reserved = skb->data[12] & 0x0f;

	return (seg->flags & ECN_SETUP) == ECN_SETUP &&
	       (codepoint == INET_ECN_NOT_ECT || reserved);
}

/* --- sending ------------------------------------------------------------ */

/**
 * xtcp_ecn_send - set the ECN bits of a segment
 * @xs: the connection, locked, ECN agreed
 * @new_data: it has payload that was never sent before
 * @flags: flags of the segment, not a SYN; ECE and CWR are added
 *
 * Return: ECN field of its IP header
 */
u8 xtcp_ecn_send(struct xtcp_sock *xs, bool new_data, u8 *flags)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (xs->ecn.echo)
		*flags |= XTCP_ECE;
	if (!new_data)
		return INET_ECN_NOT_ECT;
	if (xs->ecn.cwr)
		*flags |= XTCP_CWR;
	xs->ecn.cwr = 0;
	return INET_ECN_ECT_0;
}

/**
 * xtcp_ecn_reduced - the window is reduced, for any reason
 * @xs: the connection, locked
 *
 * RFC 3168 6.1.2: the next new data carries CWR.
 */
void xtcp_ecn_reduced(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	xs->ecn.cwr = xs->ecn.ok;
}

/**
 * xtcp_ecn_is_echo - check whether an ACK echoes a CE mark
 * @xs: the connection
 * @seg: the ACK
 *
 * Return: true if it does
 */
bool xtcp_ecn_is_echo(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return xs->ecn.ok &&
	       (seg->flags & (XTCP_ECE | XTCP_SYN)) == XTCP_ECE;
}

/* --- receiving ---------------------------------------------------------- */

/**
 * xtcp_ecn_cwr_received - process CWR
 * @xs: the connection, locked, ECN agreed
 * @seg: segment with CWR
 *
 * CWR belongs to payload, but is accepted without it as well, because some
 * peers send it so. The ACK of the first window after the reduction must not
 * wait: it may be a single segment.
 */
void xtcp_ecn_cwr_received(struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	xtcp_assert_owned(&xs->inet.sk);
	xs->ecn.echo = 0;
	if (seg->seq != seg->end)
		xtcp_ack_hasten(xs);
}

/**
 * xtcp_ecn_payload_received - process the ECN field of new payload
 * @sk: the socket, locked, ECN agreed
 * @skb: segment
 *
 * When the peer uses ECT, payload that is not ECT is a retransmission: the peer
 * has had a loss and its window is small, so it needs ACKs at once.
 */
void xtcp_ecn_payload_received(struct sock *sk, const struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	switch (xs->af->packet->ecn(skb)) {
	case INET_ECN_NOT_ECT:
		if (xs->ecn.seen)
			xtcp_ack_quickly(xs, ECN_QUICKACKS);
		return;
	case INET_ECN_CE:
		if (!xs->ecn.echo)
			xtcp_ack_quickly(xs, ECN_QUICKACKS);
		xs->ecn.echo = 1;
		break;
	}
	xs->ecn.seen = 1;
}
