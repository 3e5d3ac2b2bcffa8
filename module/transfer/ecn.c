// SPDX-License-Identifier: GPL-2.0
/*
 * ecn.c - Explicit Congestion Notification, RFC 3168; and which kind is used
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
 * For a congestion control with XTCP_CONGESTION_ECN (DCTCP) the receiver echoes the mark of
 * each segment exactly instead (RFC 8257 3.2), and ECN is asked for whatever xtcp_ecn says;
 * with XTCP_CONGESTION_ECT1 besides, Accurate ECN.
 *
 * Accurate ECN (RFC 9768) is offered with a third flag, AE. What it does otherwise is in
 * accecn.c; a peer that does not know it answers as by RFC 3168, and that is used then.
 *
 * By RFC 3168 only payload sent for the first time is ECT. Retransmissions, pure ACKs, SYN
 * and RST are not (6.1.4 to 6.1.6), so that marks on forged segments do no
 * harm. recovery.c reduces the window for ECE, or for marks that Accurate ECN reports.
 * With XTCP_CONGESTION_ECN all segments of a socket are ECT (RFC 8257 3.6, and Linux): where
 * routers mark early, a queue drops what it may not mark.
 *
 * ECT(1) asks routers for the queue of L4S (RFC 9331 4.1). It is used for a congestion control
 * with XTCP_CONGESTION_ECT1, and only with Accurate ECN: the feedback of RFC 3168 does not tell
 * how many segments were marked (4.2).
 *
 * Context: socket lock; RCU for the listener's part.
 */
#include "transfer/ecn.h"

#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <net/dst.h>
#include <net/inet_ecn.h>
#include <net/sock.h>

#include "compat.h"
#include "net/family.h"
#include "net/wire.h"
#include "netns.h"
#include "segment/output.h"
#include "tcb.h"
#include "transfer/accecn.h"
#include "transfer/ack.h"
#include "transfer/congestion.h"

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
 * xtcp_ecn_route_needs - check whether the route's congestion control needs ECN
 * @dst: route, or NULL
 *
 * The kernel marks such a route when it is added, if it knows the algorithm ("congctl dctcp").
 *
 * Return: true if it does
 */
bool xtcp_ecn_route_needs(const struct dst_entry *dst)
{
	return dst && dst_feature(dst, DST_FEATURE_ECN_CA);
}

/**
 * xtcp_ecn_offer - decide on ECN at the begin of an active open
 * @sk: the socket, locked
 *
 * Without memory for Accurate ECN, RFC 3168 is offered.
 *
 * Return: flags for the SYN; 0 if neither xtcp_ecn nor the route nor the congestion
 * control asks for ECN. xtcp_accecn_mark() adds AE
 */
u8 xtcp_ecn_offer(struct sock *sk)
{
	u8 knob = XTCP_KNOB(sock_net(sk), ecn);
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	xs->ecn.accurate = (knob == XTCP_ECN_ACCURATE ||
			    xtcp_congestion_wants_accurate_ecn(xs)) &&
			   xtcp_accecn_offer(sk);
	xs->ecn.ok = xs->ecn.accurate || knob == XTCP_ECN_ASK || knob == XTCP_ECN_ACCURATE ||
		     knob == XTCP_ECN_ACCURATE_ASK_CLASSIC ||
		     xtcp_ecn_route_asks(__sk_dst_get(sk)) ||
		     xtcp_congestion_wants_ecn(xs);
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
 * xtcp_ecn_fallback the next SYN does not ask. One that offers Accurate ECN is tried twice
 * (RFC 9768 3.1.4.1, as Linux 7.2). The SYN-ACK of a fast open likewise, whatever
 * xtcp_ecn_fallback says.
 *
 * Return: flags
 */
u8 xtcp_ecn_syn_again(struct sock *sk, u8 flags)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (xs->ecn.accurate && xs->retransmit.in_row <= 1)
		return flags;
	if (xs->ecn.accurate && (flags & XTCP_ACK)) {
		xtcp_accecn_of(xs)->fail_mode |= TCP_ACCECN_ACE_FAIL_SEND;
		return flags & ~ECN_SETUP;
	}
	if ((flags & ECN_SETUP) == ECN_SETUP &&
	    XTCP_KNOB(sock_net(sk), ecn_fallback))
		flags &= ~ECN_SETUP;
	return flags;
}

/*
 * RFC 9768 table 2: does the peer accept Accurate ECN? In a simultaneous open its SYN must
 * offer it. A cookie that names the flags comes without them (cookie.c).
 */
static bool syn_agrees_accurately(const struct xtcp_seg *seg)
{
	u8 ace = xtcp_seg_ace(seg);

	if (!(seg->flags & XTCP_ACK))
		return ace && ace != XTCP_ACE_CLASSIC_SYN;
	return (ace && ace != XTCP_ACE_CLASSIC && ace != XTCP_ACE_MASK) ||
	       seg->opt.accecn_ok;
}

/**
 * xtcp_ecn_syn_received - process the ECN flags of the peer's SYN or SYN-ACK
 * @sk: the socket, locked
 * @seg: the SYN
 * @codepoint: ECN field of its IP header
 *
 * A SYN-ACK agrees to RFC 3168 by ECE alone: a SYN-ACK with all bits of the SYN comes from a
 * host that mirrors reserved bits.
 */
void xtcp_ecn_syn_received(struct sock *sk, const struct xtcp_seg *seg, u8 codepoint)
{
	u8 agrees = seg->flags & XTCP_ACK ? XTCP_ECE : ECN_SETUP;
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (xs->ecn.accurate && syn_agrees_accurately(seg)) {
		xtcp_accecn_syn_received(sk, seg, codepoint);
		return;
	}
	xs->ecn.accurate = 0;
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
 * xtcp_ecn_offers - find out what ECN a received SYN offers
 * @seg: the SYN's parsed header
 * @codepoint: ECN field of its IP header
 *
 * RFC 3168: something on the path that sets the ECN bits of all packets may have changed a SYN
 * that is ECT itself, so that its marks mean nothing. Only a listener whose own SYNs are ECT
 * accepts it (DCTCP). A SYN with reserved bits is
 * accepted all the same: it tries an extension that may use ECT on SYNs. One of them is AE:
 * RFC 9768 3.1.2 takes all flags but those of RFC 3168 for an offer.
 *
 * Return: XTCP_ECN_OFFERS_* and @codepoint; 0 if it offers none
 */
u8 xtcp_ecn_offers(const struct xtcp_seg *seg, u8 codepoint)
{
	u8 ace = xtcp_seg_ace(seg);
	u8 offers = 0;

	if (likely(!ace))
		return 0;
	if (ace != XTCP_ACE_CLASSIC_SYN)
		offers |= XTCP_ECN_OFFERS_ACCURATE;
	if ((seg->flags & ECN_SETUP) == ECN_SETUP) {
		if (codepoint == INET_ECN_NOT_ECT || (seg->offset & XTCP_OFFSET_RESERVED))
			offers |= XTCP_ECN_OFFERS_CLASSIC;
		else
			offers |= XTCP_ECN_OFFERS_ECT;
	}
	return offers ? offers | codepoint : 0;
}

/* --- sending ------------------------------------------------------------ */

/* With Accurate ECN. */
static u8 accurate_ect_of(const struct xtcp_sock *xs)
{
	return xtcp_congestion_has(xs, XTCP_CONGESTION_ECT1) ? INET_ECN_ECT_1 :
							       INET_ECN_ECT_0;
}

/**
 * xtcp_ecn_send_syn - get the ECN field of a SYN, or of the SYN-ACK of a simultaneous open
 * @xs: the connection, locked, in SYN-SENT or SYN-RECEIVED
 * @flags: flags of the SYN
 *
 * Accurate ECN compares the field with what the peer reports, and sends Not-ECT.
 *
 * Return: ECN field of its IP header
 */
u8 xtcp_ecn_send_syn(const struct xtcp_sock *xs, u8 flags)
{
	xtcp_assert_owned(&xs->inet.sk);
	return (flags & XTCP_ECE) && !xs->ecn.accurate && xtcp_congestion_wants_ecn(xs) ?
	       INET_ECN_ECT_0 : INET_ECN_NOT_ECT;
}

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
	if (unlikely(xs->ecn.accurate))
		return xtcp_accecn_may_mark(xs) ? accurate_ect_of(xs) :
						  INET_ECN_NOT_ECT;
	if (xs->ecn.echo)
		*flags |= XTCP_ECE;
	if (!new_data)
		return xtcp_congestion_wants_ecn(xs) ? INET_ECN_ECT_0 : INET_ECN_NOT_ECT;
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
	xs->ecn.cwr = xs->ecn.ok && !xs->ecn.accurate;
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
	return xs->ecn.ok && !xs->ecn.accurate &&
	       (seg->flags & (XTCP_ECE | XTCP_SYN)) == XTCP_ECE;
}

/* --- receiving ---------------------------------------------------------- */

/**
 * xtcp_ecn_cwr_received - process CWR
 * @xs: the connection, locked, ECN agreed
 * @seg: segment with CWR, which may also be a bit of ACE
 *
 * CWR belongs to payload, but is accepted without it as well, because some
 * peers send it so. The ACK of the first window after the reduction must not
 * wait: it may be a single segment.
 */
void xtcp_ecn_cwr_received(struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (xs->ecn.accurate)
		return;
	/* Where each mark is echoed exactly, CWR means nothing. */
	if (!xtcp_congestion_wants_ecn(xs))
		xs->ecn.echo = 0;
	if (seg->seq != seg->end)
		xtcp_ack_hasten(xs);
}

/*
 * RFC 8257 3.2: ECE says whether the payload that an ACK newly acknowledges was marked.
 * When that changes, what is not acknowledged yet is, at once and with the old ECE. As in
 * Linux the segment that changes it is acknowledged at once, too.
 */
static void echo_exactly(struct sock *sk, bool marked)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xs->ecn.echo == marked)
		return;
	/* RCV.NXT does not have the new segment yet. */
	if (xs->rcv_nxt != xs->rcv_wup)
		xtcp_output_ack(sk);
	xs->ecn.echo = marked;
	xtcp_ack_now(sk);
}

/**
 * xtcp_ecn_payload_received - process the ECN field of new payload
 * @sk: the socket, locked, ECN agreed
 * @skb: segment
 *
 * When the peer uses ECT, payload that is not ECT is a retransmission: the peer
 * has had a loss and its window is small, so it needs ACKs at once. It can't be marked, so
 * it tells nothing of the path.
 */
void xtcp_ecn_payload_received(struct sock *sk, const struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u8 codepoint = xs->af->packet->ecn(skb);

	xtcp_assert_owned(sk);
	if (unlikely(xs->ecn.accurate)) {
		if (codepoint == INET_ECN_NOT_ECT && xs->ecn.seen)
			xtcp_ack_quickly(xs, ECN_QUICKACKS);
		return;
	}
	if (xtcp_congestion_wants_ecn(xs) && codepoint != INET_ECN_NOT_ECT) {
		echo_exactly(sk, codepoint == INET_ECN_CE);
		xs->ecn.seen = 1;
		return;
	}
	switch (codepoint) {
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
