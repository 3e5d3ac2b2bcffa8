// SPDX-License-Identifier: GPL-2.0
/*
 * ecn.c - congestion that routers tell of
 *
 * RFC 3168, Explicit Congestion Notification. A router that would drop a
 * packet marks it instead (CE), if it may (ECT); the receiver says so in each
 * segment (ECE) until it hears that the sender has slowed down (CWR):
 *
 *	sender   -- text, ECT(0) -->  router  -- text, CE -->  receiver
 *	sender   <------------------ ECE --------------------- receiver
 *	sender   -- new text, CWR -------------------------->  receiver
 *
 * Both must want it: SYN with ECE and CWR, SYN-ACK with ECE alone (6.1.1).
 * Only new text is ECT: what is sent again, a segment without text, SYN and
 * RST are not (6.1.4 to 6.1.6), so that nobody can be harmed by marks on what
 * was never sent. ECT(1) is left alone, as RFC 8311 has it. What ECE means for
 * the window is recovery.c's.
 *
 * Socket lock, but for the listener's part, which is under RCU.
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

/* ACKs sent at once when a mark is seen, as in Linux. */
#define ECN_QUICKACKS	2U

/* --- opening ------------------------------------------------------------ */

/**
 * xtcp_ecn_init - ECN is not agreed on
 * @xs: a connection that begins
 */
void xtcp_ecn_init(struct xtcp_sock *xs)
{
	xs->ecn_ok = 0;
	xs->ecn_cwr = 0;
	xs->ecn_echo = 0;
	xs->ecn_seen = 0;
	xs->delivered_ce = 0;
}

/**
 * xtcp_ecn_route_asks - does the route have "features ecn"
 * @dst: route, or NULL
 */
bool xtcp_ecn_route_asks(const struct dst_entry *dst)
{
	return dst && dst_feature(dst, RTAX_FEATURE_ECN);
}

/**
 * xtcp_ecn_offer - begin an active open
 * @sk: the socket, locked
 *
 * Return: flags that the SYN gets; 0 when neither xtcp_ecn nor the route
 * wants ECN
 */
u8 xtcp_ecn_offer(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xs->ecn_ok = XTCP_KNOB(sock_net(sk), ecn) == 1 ||
		     xtcp_ecn_route_asks(__sk_dst_get(sk));
	return xtcp_ecn_offered(xs);
}

/**
 * xtcp_ecn_offered - what our SYN has offered
 * @xs: the connection, locked, in SYN-SENT
 *
 * Return: flags of the SYN as it was sent first
 */
u8 xtcp_ecn_offered(const struct xtcp_sock *xs)
{
	return xs->ecn_ok ? ECN_SETUP : 0;
}

/**
 * xtcp_ecn_syn_again - what is left of the offer when a SYN goes again
 * @sk: the socket, locked
 * @flags: of the SYN
 *
 * RFC 3168 6.1.1.1: something on the path may drop SYNs that ask for ECN; with
 * xtcp_ecn_fallback the next one does not ask.
 *
 * Return: flags
 */
u8 xtcp_ecn_syn_again(const struct sock *sk, u8 flags)
{
	if ((flags & ECN_SETUP) == ECN_SETUP &&
	    XTCP_KNOB(sock_net(sk), ecn_fallback))
		flags &= ~ECN_SETUP;
	return flags;
}

/**
 * xtcp_ecn_syn_received - the peer's SYN, with ACK or without, answers ours
 * @xs: the connection, locked
 * @seg: what it says
 *
 * A SYN-ACK agrees by ECE alone: one with both bits comes from a host that
 * mirrors what it doesn't know.
 */
void xtcp_ecn_syn_received(struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	u8 agrees = seg->flags & XTCP_ACK ? XTCP_ECE : ECN_SETUP;

	xs->ecn_ok = xs->ecn_ok && ((seg->flags & ECN_SETUP) == agrees ||
				    seg->opt.ecn);
}

/**
 * xtcp_ecn_syn_ack - our SYN becomes a SYN-ACK: both sides connect
 * @xs: the connection, locked; the peer's SYN was judged
 * @flags: of our SYN
 *
 * Return: flags
 */
u8 xtcp_ecn_syn_ack(const struct xtcp_sock *xs, u8 flags)
{
	flags &= ~ECN_SETUP;
	return flags | XTCP_ACK | (xs->ecn_ok ? XTCP_ECE : 0);
}

/**
 * xtcp_ecn_is_offered - does a SYN that came in offer ECN
 * @skb: the SYN, at its header
 * @seg: what it says
 * @codepoint: ECN field of its IP header
 *
 * A SYN that is ECT itself was made so by something that sets the bits of all
 * packets: its marks would mean nothing. But for one with reserved bits, which
 * tries an extension that may mark SYNs, too.
 */
bool xtcp_ecn_is_offered(const struct sk_buff *skb, const struct xtcp_seg *seg,
			 u8 codepoint)
{
	/* The octet of the data offset: kernels name its other bits differently. */
	u8 reserved = skb->data[12] & 0x0f;

	return (seg->flags & ECN_SETUP) == ECN_SETUP &&
	       (codepoint == INET_ECN_NOT_ECT || reserved);
}

/* --- sending ------------------------------------------------------------ */

/**
 * xtcp_ecn_send - a segment leaves
 * @xs: the connection, locked, ECN agreed
 * @new_text: it has text that was never sent before
 * @flags: of the segment, not a SYN; ECE and CWR are added
 *
 * Return: ECN field of its IP header
 */
u8 xtcp_ecn_send(struct xtcp_sock *xs, bool new_data, u8 *flags)
{
	if (xs->ecn_echo)
		*flags |= XTCP_ECE;
	if (!new_data)
		return INET_ECN_NOT_ECT;
	if (xs->ecn_cwr)
		*flags |= XTCP_CWR;
	xs->ecn_cwr = 0;
	return INET_ECN_ECT_0;
}

/**
 * xtcp_ecn_reduced - the window comes down, for whatever reason
 * @xs: the connection, locked
 *
 * RFC 3168 6.1.2: the next new text says so.
 */
void xtcp_ecn_reduced(struct xtcp_sock *xs)
{
	xs->ecn_cwr = xs->ecn_ok;
}

/**
 * xtcp_ecn_is_echo - does an ACK tell of a mark
 * @xs: the connection
 * @seg: what it says
 */
bool xtcp_ecn_is_echo(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return xs->ecn_ok &&
	       (seg->flags & (XTCP_ECE | XTCP_SYN)) == XTCP_ECE;
}

/* --- receiving ---------------------------------------------------------- */

/**
 * xtcp_ecn_cwr_received - a segment with CWR
 * @xs: the connection, locked, ECN agreed
 * @seg: what it says
 *
 * CWR belongs to text, but counts without it as well: some peers send it so.
 * The ACK of the sender's first window after the reduction must not wait: it
 * may be a single segment.
 */
void xtcp_ecn_cwr_received(struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	xs->ecn_echo = 0;
	if (seg->seq != seg->end)
		xs->ack |= XTCP_ACK_NOW;
}

/**
 * xtcp_ecn_payload_received - text that is new to us has come
 * @sk: the socket, locked, ECN agreed
 * @skb: segment
 *
 * Where marks were seen before, text that is not ECT is a retransmission: the
 * peer has had a loss, and its window is small.
 */
void xtcp_ecn_payload_received(struct sock *sk, const struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	switch (xs->af->ecn(skb)) {
	case INET_ECN_NOT_ECT:
		if (xs->ecn_seen)
			xtcp_ack_quickly(xs, ECN_QUICKACKS);
		return;
	case INET_ECN_CE:
		if (!xs->ecn_echo)
			xtcp_ack_quickly(xs, ECN_QUICKACKS);
		xs->ecn_echo = 1;
		break;
	}
	xs->ecn_seen = 1;
}
