// SPDX-License-Identifier: GPL-2.0
/*
 * txstamp.c - timestamps of sent data: SO_TIMESTAMPING with SOF_TIMESTAMPING_TX_*
 *
 * A program asks for the time at which the last byte of a write enters the queue of
 * a device (TX_SCHED), is given to the device (TX_SOFTWARE, TX_HARDWARE), and is
 * acknowledged (TX_ACK). Each time is a record in the socket's error queue. The
 * kernel makes the first two when it finds the flags in a sent skb's shared info;
 * this file sets the flags, and makes the third.
 *
 * A record names its byte by a key: the distance from the byte with key 0, the base.
 * For the kernel's TCP an skb has the byte's sequence number, and the kernel
 * subtracts the base, sk_tskey, when it makes a record. For other protocols it
 * copies the skb's number, so the key is computed here whenever an skb is sent, or
 * its acknowledgment reported. Without SOF_TIMESTAMPING_OPT_ID records have no key.
 *
 * As in Linux one byte of an skb can be asked for: a later write that is added to an
 * unsent skb replaces the byte of an earlier one. When an skb is split, the request
 * follows its byte. The segment with the byte is sent in an skb of its own, because
 * the kernel's segmentation of the TCP wire (tcp_gso_segment()) would search for the
 * byte by its sequence number.
 *
 * Context: socket lock; process or softirq.
 */
#include "transfer/txstamp.h"

#include <linux/errqueue.h>
#include <linux/skbuff.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "compat.h"
#include "tcb.h"

/*
 * The byte with key 0. The kernel zeroes sk_tskey when SOF_TIMESTAMPING_OPT_ID is set. The
 * base is chosen then, or by the first that needs it if the kernel does not show
 * SO_TIMESTAMPING to xtcp. (A base that happens to be 0 is chosen once more.)
 */
static seq_t key_base(struct sock *sk)
{
	u32 flags = READ_ONCE(sk->sk_tsflags);
	const struct xtcp_sock *xs = xtcp_sk(sk);
	bool oldest = XTCP_SEES_TIMESTAMPING && !(flags & SOF_TIMESTAMPING_OPT_ID_TCP);

	if (!(flags & SOF_TIMESTAMPING_OPT_ID))
		return SEQ(0);
	if (!atomic_read(&sk->sk_tskey))
		atomic_set(&sk->sk_tskey, seq_raw(oldest ? xs->snd_una : xs->write_seq));
	return SEQ(atomic_read(&sk->sk_tskey));
}

/* The key by which the kernel's next record of @skb names its byte. */
static void key_set(struct sock *sk, struct sk_buff *skb)
{
	/* A clone of @skb may be in a device, which reads it. */
	WRITE_ONCE(skb_shinfo(skb)->tskey,
		   seq_dist(key_base(sk), xtcp_cb(skb)->stamp_seq));
}

/* Offset of the byte from the first one of @skb. */
static u32 stamp_at(const struct sk_buff *skb)
{
	return seq_dist(xtcp_cb(skb)->seq, xtcp_cb(skb)->stamp_seq);
}

/**
 * xtcp_txstamp_is_allowed - check flags of SO_TIMESTAMPING against the state
 * @sk: the socket
 * @flags: SOF_TIMESTAMPING_*, to be set
 *
 * Keys are counted from a byte, and there is none before connect().
 *
 * Return: false if setsockopt() is EINVAL, as in Linux
 */
bool xtcp_txstamp_is_allowed(const struct sock *sk, u32 flags)
{
	return !(flags & ~READ_ONCE(sk->sk_tsflags) & SOF_TIMESTAMPING_OPT_ID) ||
	       !xtcp_state_in(sk, XTCP_UNCONNECTED);
}

/**
 * xtcp_txstamp_begin - SO_TIMESTAMPING was set, or a call of send() begins
 * @sk: the socket, locked
 *
 * With SOF_TIMESTAMPING_OPT_ID_TCP key 0 is the next byte that is written; without it,
 * the next one to be acknowledged. If the kernel does not show SO_TIMESTAMPING to xtcp,
 * it is the first byte that is written afterwards.
 */
void xtcp_txstamp_begin(struct sock *sk)
{
	xtcp_assert_owned(sk);
	key_base(sk);
}

/**
 * xtcp_txstamp_request - ask for the times of the last byte that was written
 * @sk: the socket, locked; bytes were just written
 * @flags: SOF_TIMESTAMPING_TX_*, of the socket or a control message
 *
 * If the byte was sent on the way and has left this host, it is too late for all but its
 * acknowledgment and times of a retransmission; as in Linux.
 */
void xtcp_txstamp_request(struct sock *sk, u32 flags)
{
	struct sk_buff *skb = skb_peek_tail(&sk->sk_write_queue);
	struct xtcp_skb_cb *cb;

	xtcp_assert_owned(sk);
	if (!skb)
		skb = skb_rb_last(&sk->tcp_rtx_queue);
	/* It may be acknowledged already, or a FIN have followed it. */
	if (!skb || !skb->len)
		return;
	cb = xtcp_cb(skb);
	cb->stamp_seq = seq_add(cb->seq, skb->len - 1);
	/* Before the flags: a queue of this host may still have a clone. */
	key_set(sk, skb);
	__sock_tx_timestamp(flags, &skb_shinfo(skb)->tx_flags);
	cb->marks |= XTCP_MARK_STAMP;
	if (flags & SOF_TIMESTAMPING_TX_ACK)
		cb->marks |= XTCP_MARK_STAMP_ACK;
}

/* @skb has no request any more; in the send queue the IP layer's data is 0. */
static void request_drop(struct sk_buff *skb)
{
	xtcp_cb(skb)->stamp_seq = SEQ(0);
	xtcp_cb(skb)->marks &= ~XTCP_MARK_STAMPS;
}

/**
 * xtcp_txstamp_move - move a request to another skb
 * @from: skb with a request
 * @to: skb that holds the byte from now on; a request of its own is replaced
 */
void xtcp_txstamp_move(struct sk_buff *from, struct sk_buff *to)
{
	skb_shinfo(to)->tx_flags |= skb_shinfo(from)->tx_flags & SKBTX_ANY_TSTAMP;
	skb_shinfo(from)->tx_flags &= ~SKBTX_ANY_TSTAMP;
	xtcp_cb(to)->stamp_seq = xtcp_cb(from)->stamp_seq;
	xtcp_cb(to)->marks |= xtcp_cb(from)->marks & XTCP_MARK_STAMPS;
	request_drop(from);
}

/**
 * xtcp_txstamp_split - an skb with a request was split
 * @skb: first part
 * @rest: second part, with a copy of the first one's control block
 */
void xtcp_txstamp_split(struct sk_buff *skb, struct sk_buff *rest)
{
	if (stamp_at(skb) < skb->len)
		request_drop(rest);
	else
		xtcp_txstamp_move(skb, rest);
}

/**
 * xtcp_txstamp_clone - make a clone that is sent
 * @sk: the socket, locked
 * @skb: of the send queue, with a request; without the links in the sent order
 * @gfp: of the allocation
 *
 * Return: a clone, or a copy while a clone exists; NULL without memory
 */
struct sk_buff *xtcp_txstamp_clone(struct sock *sk, struct sk_buff *skb, gfp_t gfp)
{
	struct sk_buff *clone;

	xtcp_assert_owned(sk);
	key_set(sk, skb);
	clone = skb_cloned(skb) ? pskb_copy(skb, gfp) : skb_clone(skb, gfp);
	if (clone)
		request_drop(clone);
	return clone;
}

/**
 * xtcp_txstamp_bound - limit a transmission, so that the segment with the byte is
 * sent alone
 * @sk: the socket, locked
 * @skb: skb with a request
 * @len: bytes of it that are to be sent, more than a segment
 *
 * Return: @len or less: the segments before that of the byte, or that one
 */
u32 xtcp_txstamp_bound(const struct sock *sk, const struct sk_buff *skb,
		       u32 len)
{
	u32 at = min(stamp_at(skb), skb->len - 1);
	u32 mss = xtcp_sk(sk)->mss;

	return min(len, at < mss ? mss : at - at % mss);
}

/*
 * Of an skb that stays in flight a copy is reported: until the program reads its error queue a
 * clone would look as if the last transmission had not left this host, and the rest would not be
 * sent again (xtcp_smallqueue_holds_copy()).
 */
static struct sk_buff *report_copy(struct sk_buff *skb)
{
	struct sk_buff *copy = pskb_copy(skb, GFP_ATOMIC | __GFP_NOWARN);

	if (copy) {
		skb_shinfo(copy)->tskey = skb_shinfo(skb)->tskey;
		skb_shinfo(copy)->tx_flags |= skb_shinfo(skb)->tx_flags & SKBTX_ANY_TSTAMP;
	}
	return copy;
}

/*
 * A record of the acknowledgment, with the data of @skb if the program wants it. @stays: @skb is
 * acknowledged in part only; it may be all but its FIN.
 */
static void report_ack(struct sock *sk, struct sk_buff *skb, bool stays)
{
	struct list_head links = skb->tcp_tsorted_anchor;
	struct xtcp_skb_cb cb = *xtcp_cb(skb);
	struct sk_buff *told = skb;

	key_set(sk, skb);
	/*
	 * As in xtcp_output_queued(): a clone would use the links as its route.
	 * @skb is the oldest one in flight. Thus it has no left child in the tree,
	 * and the clone no device.
	 */
	skb->_skb_refdst = 0;
	skb->destructor = NULL;
	XTCP_CB_ASK_STAMP_ACK(skb);
	if (unlikely(stays) && !(READ_ONCE(sk->sk_tsflags) & SOF_TIMESTAMPING_OPT_TSONLY))
		told = report_copy(skb);
	if (told)
		__skb_tstamp_tx(told, NULL, NULL, sk, SCM_TSTAMP_ACK);
	if (told != skb)
		consume_skb(told);
	*xtcp_cb(skb) = cb;
	skb->tcp_tsorted_anchor = links;
}

/**
 * xtcp_txstamp_acked - report that a byte was acknowledged
 * @sk: the socket, locked; SND.UNA has advanced
 * @skb: oldest skb in flight, with a request; acknowledged in full or in part
 *
 * The flags for the kernel stay, because a device may still have a clone. If a part of
 * @skb is sent again, that is reported, as in Linux, with the key of its last record.
 */
void xtcp_txstamp_acked(struct sock *sk, struct sk_buff *skb)
{
	u32 acked = seq_dist(xtcp_cb(skb)->seq, xtcp_sk(sk)->snd_una);

	xtcp_assert_owned(sk);
	if (stamp_at(skb) >= acked && acked < skb->len)
		return;
	if (xtcp_cb(skb)->marks & XTCP_MARK_STAMP_ACK)
		report_ack(sk, skb, seq_after(xtcp_cb(skb)->end, xtcp_sk(sk)->snd_una));
	request_drop(skb);
}
