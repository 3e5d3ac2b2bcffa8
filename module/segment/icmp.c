// SPDX-License-Identifier: GPL-2.0
/*
 * icmp.c - apply an ICMP error to a connection
 *
 * RFC 9293 3.9.2.2, RFC 1122 4.2.3.9 (what an error may do), RFC 5927 (what a
 * forged error must not do), RFC 1191 (path MTU), RFC 6633 (source quench is
 * obsolete).
 *
 * The quoted sequence number is always checked first: an attacker who didn't
 * see the segment has to guess it. Then, by state:
 *
 *	SYN-SENT, SYN-RECEIVED	the opening fails, as the lifecycle table says
 *	half-open record	removed if the peer's network or host is
 *				unreachable, else kept
 *	synchronized		stored as a soft error, never the end
 *	TIME-WAIT		ignored
 *
 * net/icmpv4.c and net/icmpv6.c have parsed the message before.
 *
 * Context: softirq, under RCU. Functions of a socket run under bh_lock_sock().
 * While a task owns the socket, a new path MTU is deferred to release_cb, and
 * other errors are only stored as a soft error.
 */
#include "segment/icmp.h"

#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/sock.h>

#include "close/close.h"
#include "flow.h"
#include "lifecycle.h"
#include "net/family.h"
#include "net/icmp_err.h"
#include "netns.h"
#include "observe/stats.h"
#include "open/fastconnect.h"
#include "open/listen.h"
#include "open/synqueue.h"
#include "segment/output.h"
#include "tcb.h"
#include "transfer/recovery.h"
#include "transfer/retransmit.h"
#include "transfer/scoreboard.h"
#include "transfer/sendqueue.h"

/**
 * xtcp_icmp_record - count an ICMP error of a record, which it doesn't change
 * @net: namespace
 * @flow: head of a half-open or a TIME-WAIT record, referenced by the caller
 * @ie: the error
 *
 * Context: softirq.
 */
void xtcp_icmp_record(struct net *net, struct xtcp_flow *flow,
		      const struct xtcp_icmp *ie)
{
	if (ie->what == XTCP_ICMP_TOO_BIG)
		xtcp_lifecycle_event(net, flow, XTCP_EV_ICMP_TOO_BIG);
	else if (ie->what != XTCP_ICMP_ERROR)
		return;
	else if (ie->hard)
		xtcp_lifecycle_event(net, flow, XTCP_EV_ICMP_HARD);
	else if (flow->kind == XTCP_KIND_TIMEWAIT)
		xtcp_lifecycle_event(net, flow, XTCP_EV_ICMP_SOFT);
}

/**
 * xtcp_icmp_halfopen - apply an ICMP error to a half-open record
 * @net: namespace
 * @ho: record, referenced by the caller
 * @ie: the error
 *
 * Context: softirq.
 */
void xtcp_icmp_halfopen(struct net *net, struct xtcp_halfopen *ho,
			const struct xtcp_icmp *ie)
{
	if (ie->seq != ho->iss) {
		XTCP_INC(net, OUT_OF_WINDOW_ICMPS);
	} else if (ie->ends_half_open) {
		xtcp_listen_dropped(ho->ls);
		xtcp_synqueue_end(ho, XTCP_EV_ICMP_SOFT);
	} else {
		xtcp_icmp_record(net, &ho->flow, ie);
	}
}

/*
 * Size in bytes of the largest IP packet that may have carried a part of @skb. Its TCP options are
 * not known any more: SACK blocks, a token or Accurate ECN's count come and go.
 */
static unsigned int packet_size(const struct sock *sk,
				const struct sk_buff *skb)
{
	const struct xtcp_family *af = xtcp_sk(sk)->af;
	u32 payload = xtcp_sendq_segs(skb) > 1 ? xtcp_cb(skb)->seg_size :
						 skb->len;

	return af->ip_hdr_len + af->packet->options_len(sk) + XTCP_HDR_MAX + payload;
}

/* Does the error quote our SYN or SYN-ACK? Behind a SYN-ACK a child of a fast open sends data. */
static bool quotes_syn(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return sk->sk_state == XTCP_SYN_SENT ||
	       (sk->sk_state == XTCP_SYN_RECEIVED && xs->mtu_quoted == xs->iss);
}

/*
 * RFC 5927 7.1: is the segment in flight that the error quotes larger than @mtu? If it
 * is not, no router has found it too large. For a SYN the quoted sequence number alone has
 * to do. Larger ones than xs->pmtu may be in flight from before, but no error about
 * them reduces it. A probe of the MTU is not larger than xs->pmtu.
 */
static bool too_big_is_credible(struct sock *sk, unsigned int mtu)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	const struct sk_buff *skb;

	if (quotes_syn(sk))
		return true;
	if (mtu >= xs->pmtu)
		return false;
	skb = xtcp_sendq_find(sk, xs->mtu_quoted);
	return skb && packet_size(sk, skb) > mtu;
}

/*
 * LC-106: the router has dropped all segments in flight that were too large.
 * Mark all of them lost before any is sent again in segments of the new size,
 * so that the recovery has the others if a retransmission fails. The loss was
 * no congestion, so cwnd doesn't change (RFC 1191 6.4).
 */
static void resend_too_big(struct sock *sk, unsigned int mtu)
{
	struct sk_buff *skb;

	for (skb = xtcp_sendq_oldest(sk); skb; skb = skb_rb_next(skb))
		if (packet_size(sk, skb) > mtu)
			xtcp_scoreboard_too_big(sk, skb);
	xtcp_recovery_path_shrank(sk);
	xtcp_recovery_resend(sk, XTCP_RESEND_LOST);
}

/**
 * xtcp_icmp_mtu_apply - apply the path MTU in xs->mtu_pending
 * @sk: socket
 *
 * Context: socket lock, softirqs off; from the error handler, or from
 * release_cb if a task owned the socket then.
 */
void xtcp_icmp_mtu_apply(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	unsigned int mtu, pmtu;

	if (xtcp_state_in(sk, XTCP_UNCONNECTED))
		return;
	mtu = max_t(unsigned int, READ_ONCE(xs->mtu_pending), xs->af->mtu_min);
	/* A router says so for each packet that it has dropped. */
	if (mtu == xs->pmtu && xtcp_state_in(sk, XTCP_SENDING_STATES))
		return;
	if (!too_big_is_credible(sk, mtu)) {
		XTCP_INC(sock_net(sk), OUT_OF_WINDOW_ICMPS);
		return;
	}
	xtcp_lifecycle_sk(sk, XTCP_EV_ICMP_TOO_BIG);
	pmtu = xs->af->route->mtu_reduced(sk, mtu);
	if (!pmtu)
		return;
	/* The route keeps a larger MTU, so routers will drop packets again. */
	if (mtu < pmtu && xs->af->route->pmtu_bound(sk))
		WRITE_ONCE(sk->sk_err_soft, EMSGSIZE);
	if (!xs->af->route->pmtu_believed(sk) || pmtu >= xs->pmtu)
		return;
	xtcp_output_mss_sync(sk, pmtu);
	if (xtcp_state_in(sk, XTCP_SENDING_STATES))
		resend_too_big(sk, pmtu);
	else if (unlikely(xs->fast_tried) && sk->sk_state == XTCP_SYN_SENT)
		xtcp_fastconnect_too_big(sk);
}

/*
 * If a task owns the socket, release_cb sees the deferred bit under the same
 * spinlock, so the bit needs no reference.
 */
static void icmp_too_big(struct sock *sk, const struct xtcp_icmp *ie)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	/* If another error waits for the owner of the socket, the smaller MTU of the two counts. */
	if (test_bit(XTCP_DEFER_MTU, &xs->deferred) && xs->mtu_pending <= ie->info)
		return;
	xs->mtu_quoted = ie->seq;
	/* No packet of ours is larger than that. */
	WRITE_ONCE(xs->mtu_pending, min_t(u32, ie->info, U16_MAX));
	if (sock_owned_by_user(sk))
		set_bit(XTCP_DEFER_MTU, &xs->deferred);
	else
		xtcp_icmp_mtu_apply(sk);
}

/* LC-104: update the route of the socket. */
static void icmp_redirect_route(struct sock *sk, const struct xtcp_icmp *ie)
{
	struct dst_entry *dst;

	if (sock_owned_by_user(sk))
		return;
	dst = xtcp_sk(sk)->af->route->cached(sk);
	if (dst)
		dst->ops->redirect(dst, sk, ie->skb);
}

/*
 * A fast-open child that the program has: to it the connection is open, and as in any open
 * one an error is no more than a hint. As in Linux.
 */
static bool is_accepted_early(const struct sock *sk)
{
	return sk->sk_state == XTCP_SYN_RECEIVED && xtcp_sk(sk)->fast_held &&
	       !xtcp_awaits_accept(sk);
}

/*
 * Lifecycle event of an error. With xtcp_icmp_soft_abort=0 a soft error doesn't
 * end SYN-SENT (MUST-56).
 */
static enum xtcp_event icmp_event(const struct sock *sk,
				  const struct xtcp_icmp *ie)
{
	if (unlikely(is_accepted_early(sk)))
		return XTCP_EV_ICMP_SOFT_NOTED;
	if (ie->hard)
		return XTCP_EV_ICMP_HARD;
	if (sk->sk_state == XTCP_SYN_SENT &&
	    !XTCP_KNOB(sock_net(sk), icmp_soft_abort))
		return XTCP_EV_ICMP_SOFT_NOTED;
	return XTCP_EV_ICMP_SOFT;
}

#define ICMP_HEADER_LEN		8	/* in both families */
#define QUOTE_LEN_MIN		128	/* RFC 4884 3: of a packet with an extension behind it */
#define EXTENSION_VERSION	2
/* Each look at an object goes through the fragments of the error from the first on. */
#define OBJECTS_MAX		16

/*
 * RFC 4884 7: checksum, and objects up to the end; more than OBJECTS_MAX are wrong, too. Of another
 * version nothing is known, so that it is not wrong. @at: offset of the extension.
 */
static bool extension_is_valid(const struct sk_buff *skb, unsigned int at)
{
	const struct icmp_ext_hdr *ext;
	const struct icmp_extobj_hdr *object;
	struct icmp_extobj_hdr object_buffer;
	struct icmp_ext_hdr buffer;
	unsigned int len, objects = 0;

	ext = skb_header_pointer(skb, at, sizeof(buffer), &buffer);
	if (!ext)
		return false;
	if (ext->version != EXTENSION_VERSION)
		return true;
	if (ext->checksum && csum_fold(skb_checksum(skb, at, skb->len - at, 0)))
		return false;
	for (at += sizeof(buffer); at < skb->len; at += len) {
		object = skb_header_pointer(skb, at, sizeof(object_buffer), &object_buffer);
		if (!object || ++objects > OBJECTS_MAX)
			return false;
		len = ntohs(object->length);
		if (len < sizeof(*object) || len > skb->len - at)
			return false;
	}
	return true;
}

/*
 * Tell the program where the extension is. ip_icmp_error_rfc4884() does it, but modules cannot
 * call it from Linux 7.3 on. @skb: at the quoted TCP header, the transport header at ICMP's;
 * @quote_len: bytes of the quoted packet.
 */
static void extension_find(const struct sk_buff *skb, unsigned int quote_len,
			   struct sock_ee_data_rfc4884 *out)
{
	unsigned int headers = -skb_transport_offset(skb) - ICMP_HEADER_LEN;

	if (quote_len < QUOTE_LEN_MIN || quote_len < headers)
		return;
	quote_len -= headers;
	if (quote_len + sizeof(struct icmp_ext_hdr) > skb->len)
		return;
	out->len = quote_len;
	if (!extension_is_valid(skb, quote_len))
		out->flags |= SO_EE_RFC4884_FLAG_INVALID;
}

/*
 * Queue an error for recvmsg(MSG_ERRQUEUE), with the rest of the quoted segment
 * as its data. ip_icmp_error() and ipv6_icmp_error() do more than that, but 6.1
 * doesn't export them. Socket spinlock.
 */
static void error_queue(struct sock *sk, const struct xtcp_icmp *ie)
{
	struct sk_buff *skb = skb_clone(ie->skb, GFP_ATOMIC);
	struct sock_exterr_skb *serr;

	if (!skb)
		return;
	serr = SKB_EXT_ERR(skb);
	/* IP's control block says by which device the error came. */
	memset_after(serr, 0, header);
	serr->ee.ee_errno = ie->err;
	serr->ee.ee_origin = ie->origin;
	serr->ee.ee_type = ie->type;
	serr->ee.ee_code = ie->code;
	serr->ee.ee_info = ie->info;
	serr->addr_offset = skb->data + ie->peer_at - skb_network_header(skb);
	serr->port = ie->th->dest;
	if (skb_pull(skb, (const u8 *)ie->th - skb->data)) {
		if (xtcp_sk(sk)->af->route->error_extended(sk))
			extension_find(skb, ie->quote_len, &serr->ee.ee_rfc4884);
		skb_reset_transport_header(skb);
		if (!sock_queue_err_skb(sk, skb))
			return;
	}
	kfree_skb(skb);
}

/*
 * As in Linux an error of an open connection is not queued: until the program reads
 * its queue, which it need not do, poll() would report POLLERR, and the packet would
 * take memory from the receive buffer. SO_ERROR has the last of them.
 */
static bool may_queue_error(const struct sock *sk)
{
	return sk->sk_state == XTCP_SYN_SENT ||
	       (sk->sk_state == XTCP_SYN_RECEIVED && !is_accepted_early(sk));
}

static bool error_ends_opening(const struct sock *sk, enum xtcp_event event)
{
	return sk->sk_state == XTCP_SYN_SENT ? event != XTCP_EV_ICMP_SOFT_NOTED :
	       sk->sk_state == XTCP_SYN_RECEIVED && event == XTCP_EV_ICMP_HARD;
}

/*
 * Apply a hard or soft error. An opening ends by a hard error (SHLD-26); Linux
 * deviates from MUST-56 in that a soft error ends SYN-SENT, too.
 */
static void icmp_sk_error(struct sock *sk, const struct xtcp_icmp *ie)
{
	const struct xtcp_family *af = xtcp_sk(sk)->af;
	enum xtcp_event event = icmp_event(sk, ie);

	if (may_queue_error(sk) &&
	    af->route->error_queued(sk, error_ends_opening(sk, event)))
		error_queue(sk, ie);
	if (sock_owned_by_user(sk)) {
		WRITE_ONCE(sk->sk_err_soft, ie->err);
		return;
	}
	if (xtcp_lifecycle_sk(sk, event) == XTCP_CLOSED) {
		xtcp_close_error(sk, ie->err);
		return;
	}
	if (ie->undoes_backoff && xtcp_state_in(sk, XTCP_SYNCHRONIZED))
		xtcp_retransmit_unreachable(sk, ie->seq);
	if (af->route->error_queued(sk, false) &&
	    (event != XTCP_EV_ICMP_SOFT_NOTED || is_accepted_early(sk))) {
		WRITE_ONCE(sk->sk_err, ie->err);
		sk_error_report(sk);
	} else {
		WRITE_ONCE(sk->sk_err_soft, ie->err);
	}
}

/*
 * RFC 5927 4.1: accept an error only if it quotes data in flight. Socket
 * spinlock.
 */
static void icmp_sk_locked(struct sock *sk, const struct xtcp_icmp *ie)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);

	if (sock_owned_by_user(sk) && ie->what != XTCP_ICMP_TOO_BIG)
		XTCP_INC(net, LOCK_DROPPED_ICMPS);
	if (xtcp_state_in(sk, XTCP_UNCONNECTED))
		return;
	/* Nothing was sent that this could be about, and SND.UNA is not chosen yet. */
	if (unlikely(xtcp_fastconnect_is_deferred(sk)))
		return;
	if (ie->ttl < xs->af->packet->ttl_min(sk)) {
		XTCP_INC(net, MIN_TTL_DROP);
		return;
	}
	if (!seq_between(ie->seq, READ_ONCE(xs->snd_una),
			 READ_ONCE(xs->snd_nxt))) {
		XTCP_INC(net, OUT_OF_WINDOW_ICMPS);
		return;
	}
	switch (ie->what) {
	case XTCP_ICMP_REDIRECT:
		icmp_redirect_route(sk, ie);
		break;
	case XTCP_ICMP_TOO_BIG:
		icmp_too_big(sk, ie);
		break;
	case XTCP_ICMP_ERROR:
		icmp_sk_error(sk, ie);
		break;
	case XTCP_ICMP_NONE:
		break;
	}
}

/**
 * xtcp_icmp_socket - apply an ICMP error that quotes a segment of a socket
 * @sk: socket, referenced by the caller
 * @ie: the error
 *
 * Context: softirq.
 */
void xtcp_icmp_socket(struct sock *sk, const struct xtcp_icmp *ie)
{
	bh_lock_sock(sk);
	icmp_sk_locked(sk, ie);
	bh_unlock_sock(sk);
}
