// SPDX-License-Identifier: GPL-2.0
/*
 * sendqueue.c - where text and FIN wait, and where they are while in flight
 *
 * RFC 9293 3.10.2. Text lives in page fragments, and the first of it in the
 * linear part, if it was little, behind the room for the headers of the skb's
 * clones. An skb moves once
 * from sk_write_queue to the rbtree of what is in flight, keyed by sequence
 * number, and leaves that when it is acknowledged. A queued skb is charged to
 * sk_wmem_queued by its truesize for as long as it stands in either.
 *
 * One skb stands for as many segments as a device, or the kernel on its behalf,
 * will cut it into (net/offload.c): up to 64 KiB. How many they are is settled
 * when it is sent, by the MSS of that time (xtcp_sendq_measure()). What befalls
 * only some of them cuts the skb in two, at the edge of a segment: the window,
 * a SACK block, a loss, a smaller MSS. What has arrived out of order is put
 * together again. All sums in the TCB count segments.
 *
 * A SYN, and a FIN that finds the queue empty, is all that is in flight, and most
 * are acknowledged at once. So they are sent without an skb in the queue: the
 * TCB knows their number, and when they left. Whatever else befalls them than an
 * ACK gives them an skb first (xtcp_sendq_bare_to_skb()).
 *
 * Socket lock; process context or softirq.
 */
#include "transfer/sendqueue.h"

#include <linux/mm.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "net/header.h"
#include "net/wire.h"
#include "segment/output.h"
#include "tcb.h"
#include "transfer/ecn.h"
#include "user/stats.h"

/* --- memory ------------------------------------------------------------ */

static void free_queued(struct sock *sk, struct sk_buff *skb)
{
	xtcp_sendq_charge(sk, -(int)skb->truesize);
	/* Nobody has seen it: what leaves are clones. */
	__kfree_skb(skb);
}

/**
 * xtcp_sendq_init - nothing is queued or in flight
 * @xs: a connection that begins
 */
void xtcp_sendq_init(struct xtcp_sock *xs)
{
	xs->fin_queued = 0;
	xs->in_flight = 0;
	xs->bare_out = 0;
}

/**
 * xtcp_sendq_alloc - an empty segment, of nobody's memory yet
 * @linear: octets of text that its linear part shall hold
 * @gfp: allocation flags
 *
 * Any context, no lock.
 *
 * Return: skb, or NULL
 */
struct sk_buff *xtcp_sendq_alloc(u32 linear, gfp_t gfp)
{
	struct sk_buff *skb = alloc_skb_fclone(XTCP_HEADROOM + linear, gfp);

	if (!skb)
		return NULL;
	skb_reserve(skb, XTCP_HEADROOM);
	/* Whoever copies text in need not sum it: segment/output.c does. */
	skb->ip_summed = CHECKSUM_PARTIAL;
	memset(skb->cb, 0, sizeof(skb->cb));
	xtcp_cb(skb)->flags = XTCP_ACK;
	xtcp_cb(skb)->segs = 1;
	/* Whoever rewrites the header of a clone touches nothing of ours. */
	__skb_header_release(skb);
	return skb;
}

/**
 * xtcp_sendq_alloc_reserved - an empty segment for the send queue
 * @sk: the socket, locked
 * @linear: octets of text that its linear part shall hold
 * @gfp: allocation flags
 *
 * Return: skb whose memory is reserved, not yet charged; NULL when the socket
 * or the machine is short of memory, then the socket's send buffer was cut
 */
struct sk_buff *xtcp_sendq_alloc_reserved(struct sock *sk, u32 linear,
					  gfp_t gfp)
{
	struct sk_buff *skb = xtcp_sendq_alloc(linear, gfp);

	if (skb && sk_wmem_schedule(sk, skb->truesize))
		return skb;
	consume_skb(skb);
	if (!skb)
		sk->sk_prot->enter_memory_pressure(sk);
	sk_stream_moderate_sndbuf(sk);
	return NULL;
}

/**
 * xtcp_sendq_alloc_control - a segment for a FIN, which must not fail
 * @flags: XTCP_FIN, XTCP_ACK
 *
 * It comes from shutdown() or close(): process context with nothing but the
 * socket lock held. Its memory is charged unasked; the next reservation makes
 * up for it.
 *
 * Return: skb, not charged; NULL in softirq only
 */
struct sk_buff *xtcp_sendq_alloc_control(u8 flags)
{
	struct sk_buff *skb;

	skb = xtcp_sendq_alloc(0, in_task() ? GFP_KERNEL | __GFP_NOFAIL : GFP_ATOMIC);
	if (skb)
		xtcp_cb(skb)->flags = flags;
	return skb;
}

/* --- the two queues ---------------------------------------------------- */

/**
 * xtcp_sendq_newest - the segment that ends at SND.NXT
 * @sk: the socket, locked, with something in flight
 *
 * Return: the segment in flight with the highest number
 */
struct sk_buff *xtcp_sendq_newest(struct sock *sk)
{
	return skb_rb_last(&sk->tcp_rtx_queue);
}

/**
 * xtcp_sendq_find - the segment in flight that has an octet
 * @sk: the socket, locked
 * @seq: number of the octet
 *
 * Return: the segment, or the first after it; NULL: all end before
 */
struct sk_buff *xtcp_sendq_find(struct sock *sk, seq_t seq)
{
	struct rb_node *node = sk->tcp_rtx_queue.rb_node;
	struct sk_buff *found = NULL;

	while (node) {
		struct sk_buff *skb = rb_to_skb(node);

		if (seq_after(xtcp_cb(skb)->end, seq)) {
			found = skb;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/**
 * xtcp_sendq_number - a segment gets its numbers, behind all that was written
 * @sk: the socket, locked
 * @skb: from xtcp_sendq_alloc_reserved(), flags set; charged to the socket now
 */
void xtcp_sendq_number(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_skb_cb *cb = xtcp_cb(skb);

	cb->seq = xs->write_seq;
	cb->end = seq_add(cb->seq, skb->len +
			  !!(cb->flags & (XTCP_SYN | XTCP_FIN)));
	WRITE_ONCE(xs->write_seq, cb->end);
	xtcp_sendq_charge(sk, skb->truesize);
}

/**
 * xtcp_sendq_append - append a segment to what waits to be sent
 * @sk: the socket, locked
 * @skb: from xtcp_sendq_alloc_reserved(), flags set; the queue owns it now
 */
void xtcp_sendq_append(struct sock *sk, struct sk_buff *skb)
{
	xtcp_sendq_number(sk, skb);
	__skb_queue_tail(&sk->sk_write_queue, skb);
}

/**
 * xtcp_sendq_grown - text was added to the last queued segment
 * @sk: the socket, locked
 * @skb: tail of sk_write_queue
 * @octets: added; they are charged already
 */
void xtcp_sendq_grown(struct sock *sk, struct sk_buff *skb, u32 bytes)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_cb(skb)->flags &= ~XTCP_PSH;
	xtcp_cb(skb)->end = seq_add(xtcp_cb(skb)->end, bytes);
	WRITE_ONCE(xs->write_seq, seq_add(xs->write_seq, bytes));
}

/**
 * xtcp_sendq_drop_empty - take back a segment that got no text
 * @sk: the socket, locked
 *
 * Before the lock is let go: an empty segment must not be sent.
 */
void xtcp_sendq_drop_empty(struct sock *sk)
{
	struct sk_buff *skb = skb_peek_tail(&sk->sk_write_queue);

	if (!skb || skb->len || (xtcp_cb(skb)->flags & XTCP_FIN))
		return;
	__skb_unlink(skb, &sk->sk_write_queue);
	free_queued(sk, skb);
}

/**
 * xtcp_sendq_mark_push - the user's write ends here (RFC 9293 MUST-61)
 * @sk: the socket, locked
 */
void xtcp_sendq_mark_push(struct sock *sk)
{
	struct sk_buff *skb = skb_peek_tail(&sk->sk_write_queue);
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!skb)
		return;
	xtcp_cb(skb)->flags |= XTCP_PSH;
	xs->pushed_seq = xs->write_seq;
}

/**
 * xtcp_sendq_wants_push - has half a window been queued since the last PSH
 * @xs: the connection
 *
 * A long write pushes on its way, so that neither side waits for its end.
 */
bool xtcp_sendq_wants_push(const struct xtcp_sock *xs)
{
	return seq_dist(xs->pushed_seq, xs->write_seq) >
	       (s32)(xs->snd_wnd_max / 2);
}

/*
 * Segments of an skb with these marks join the flight; negative: leave it.
 * Without SACK none is marked SACKED, and sacked_out is a count of ACKs.
 */
static void sendq_recount(struct xtcp_sock *xs, u8 marks, int segs)
{
	if (!segs)
		return;
	WRITE_ONCE(xs->in_flight, xs->in_flight + segs);
	if (marks & XTCP_MARK_SACKED)
		xs->sacked_out += segs;
	if (marks & XTCP_MARK_LOST)
		xs->lost_out += segs;
	if (marks & XTCP_MARK_RETRANS)
		xs->retrans_out += segs;
}

/* Into the tree of what is in flight, by number. */
static void tree_add(struct sock *sk, struct sk_buff *skb)
{
	struct rb_node **p = &sk->tcp_rtx_queue.rb_node;
	struct rb_node *parent = NULL;

	while (*p) {
		parent = *p;
		if (seq_before(xtcp_cb(skb)->seq,
			       xtcp_cb(rb_to_skb(parent))->seq))
			p = &parent->rb_left;
		else
			p = &parent->rb_right;
	}
	rb_link_node(&skb->rbnode, parent, p);
	rb_insert_color(&skb->rbnode, &sk->tcp_rtx_queue);
}

/**
 * xtcp_sendq_fly - put segments among those in flight
 * @sk: the socket, locked
 * @skb: in no queue, just sent, measured
 */
void xtcp_sendq_fly(struct sock *sk, struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	tree_add(sk, skb);
	list_add_tail(&skb->tcp_tsorted_anchor, &xs->sent_order);
	sendq_recount(xs, 0, xtcp_sendq_segs(skb));
}

/**
 * xtcp_sendq_resent - a segment in flight was sent again
 * @sk: the socket, locked
 * @skb: it is now the one that was sent last
 */
void xtcp_sendq_resent(struct sock *sk, struct sk_buff *skb)
{
	list_move_tail(&skb->tcp_tsorted_anchor, &xtcp_sk(sk)->sent_order);
}

/* It has left the tree, and the order of sending. */
static void free_landed(struct sock *sk, struct sk_buff *skb)
{
	/* The links share their place with these, which kfree_skb() looks at. */
	skb->_skb_refdst = 0;
	skb->destructor = NULL;
	free_queued(sk, skb);
}

/**
 * xtcp_sendq_land - a segment in flight is done with
 * @sk: the socket, locked
 * @skb: freed
 */
void xtcp_sendq_land(struct sock *sk, struct sk_buff *skb)
{
	sendq_recount(xtcp_sk(sk), xtcp_cb(skb)->marks, -(int)xtcp_sendq_segs(skb));
	rb_erase(&skb->rbnode, &sk->tcp_rtx_queue);
	list_del(&skb->tcp_tsorted_anchor);
	free_landed(sk, skb);
}

/* --- a SYN or FIN by itself -------------------------------------------- */

/**
 * xtcp_sendq_fly_bare - a SYN or FIN leaves, and nothing else is in flight
 * @sk: the socket, locked; the segment's number is SND.UNA
 * @now_ns: what the clock said when it was sent
 */
void xtcp_sendq_fly_bare(struct sock *sk, u64 now_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xs->bare_out = 1;
	xs->retrans_stamp_ns = now_ns;
	WRITE_ONCE(xs->in_flight, 1);
}

/**
 * xtcp_sendq_land_bare - it is done with
 * @sk: the socket, locked, with @bare_out
 */
void xtcp_sendq_land_bare(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xs->bare_out = 0;
	WRITE_ONCE(xs->in_flight, 0);
}

/**
 * xtcp_sendq_bare_is_fin - is it our FIN, and not our SYN
 * @xs: the connection, locked, with @bare_out
 *
 * Behind a SYN a FIN may wait already.
 */
bool xtcp_sendq_bare_is_fin(const struct xtcp_sock *xs)
{
	return xs->fin_queued && xs->snd_nxt == xs->write_seq;
}

/* As it was sent; but a SYN that the peer's has crossed is a SYN-ACK now. */
static u8 bare_flags(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (xtcp_sendq_bare_is_fin(xs))
		return XTCP_FIN | XTCP_ACK;
	if (sk->sk_state == XTCP_SYN_SENT)
		return XTCP_SYN | xtcp_ecn_offered(xs);
	return xtcp_ecn_syn_ack(xs, XTCP_SYN);
}

/**
 * xtcp_sendq_bare_to_skb - see that there is an skb for all that is in flight
 * @sk: the socket, locked
 *
 * For those who are about to look at it, mark it or send it again.
 *
 * Return: false without memory, then nothing has changed
 */
bool xtcp_sendq_bare_to_skb(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	if (likely(!xs->bare_out))
		return true;
	skb = xtcp_sendq_alloc(0, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return false;
	xtcp_cb(skb)->flags = bare_flags(sk);
	xtcp_cb(skb)->seq = xs->snd_una;
	xtcp_cb(skb)->end = xs->snd_nxt;
	xtcp_cb(skb)->sent_ns = xs->retrans_stamp_ns;
	xtcp_sendq_charge(sk, skb->truesize);
	xtcp_sendq_land_bare(sk);
	xtcp_sendq_fly(sk, skb);
	return true;
}

/* --- cutting segments -------------------------------------------------- */

/**
 * xtcp_sendq_measure_again - the MSS is another one, or the text has changed
 * @sk: the socket, locked
 * @skb: in flight; the sums follow
 * @mss: octets of text in a full segment
 */
void xtcp_sendq_measure_again(struct sock *sk, struct sk_buff *skb, u32 mss)
{
	int before = xtcp_sendq_segs(skb);

	xtcp_sendq_measure(skb, mss);
	sendq_recount(xtcp_sk(sk), xtcp_cb(skb)->marks,
		      (int)xtcp_sendq_segs(skb) - before);
}

/*
 * Make the fragment list private, because a clone may still be on its way out,
 * and let each fragment hold a reference to its page: io_uring's registered
 * pages have one for all of the skb instead.
 */
static int sendq_unshare(struct sock *sk, struct sk_buff *skb)
{
	int before = skb->truesize;
	int err;

	skb_zcopy_downgrade_managed(skb);
	if (!skb_cloned(skb))
		return 0;
	err = pskb_expand_head(skb, 0, 0, GFP_ATOMIC);
	xtcp_sendq_charge(sk, (int)skb->truesize - before);
	return err;
}

/* Does @skb stand at an end of what is in flight? */
static bool skb_is_at_an_end(struct sock *sk, const struct sk_buff *skb)
{
	return skb == xtcp_sendq_oldest(sk) || skb == xtcp_sendq_newest(sk);
}

/*
 * The second part of a cut: an empty skb with a reservation. Without a
 * reservation only where the connection could not go on otherwise (@must); the
 * next reservation makes up for it.
 */
static struct sk_buff *rest_alloc(struct sock *sk, u32 linear, bool must)
{
	struct sk_buff *rest = xtcp_sendq_alloc(linear, GFP_ATOMIC);

	if (!rest || sk_wmem_schedule(sk, rest->truesize) || must)
		return rest;
	consume_skb(rest);
	return NULL;
}

/* xtcp_sendq_split(); @must as for rest_alloc(). */
static struct sk_buff *sendq_split(struct sock *sk, struct sk_buff *skb, u32 len,
				   bool must)
{
	u32 linear = skb_headlen(skb) > len ? skb_headlen(skb) - len : 0;
	u32 moved = skb->len - len - linear;
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_skb_cb *rest_cb;
	struct sk_buff *rest;

	if (sendq_unshare(sk, skb))
		return NULL;
	rest = rest_alloc(sk, linear, must);
	if (!rest)
		return NULL;

	rest_cb = xtcp_cb(rest);
	*rest_cb = *cb;
	rest_cb->seq = seq_add(cb->seq, len);
	cb->end = rest_cb->seq;
	cb->flags &= ~(XTCP_FIN | XTCP_PSH);

	xtcp_sendq_charge(sk, rest->truesize);
	skb_split(skb, rest, len);
	/* Of pages alone: each keeps its linear part. */
	skb->truesize -= moved;
	rest->truesize += moved;
	return rest;
}

/**
 * xtcp_sendq_split - cut an skb in two
 * @sk: the socket, locked
 * @skb: of the send queue; keeps the first part
 * @len: bytes of payload that stay in it
 *
 * Neither is measured anew.
 *
 * Return: the rest, with FIN and PSH, charged, for the caller to put into the
 * same queue; NULL without memory
 */
struct sk_buff *xtcp_sendq_split(struct sock *sk, struct sk_buff *skb, u32 len)
{
	return sendq_split(sk, skb, len, true);
}

/*
 * A peer with a small MSS that reports every second segment (CVE-2019-11478)
 * makes an skb of each: many times the memory of the payload. As in Linux the
 * queue may grow to twice the send buffer and what a write can overshoot; then
 * only its ends are cut, so that the connection goes on.
 */
static bool queue_is_too_big(const struct sock *sk)
{
	long limit = READ_ONCE(sk->sk_sndbuf) +
		     2L * SKB_TRUESIZE(GSO_LEGACY_MAX_SIZE);

	return unlikely(sk->sk_wmem_queued >> 1 > limit);
}

/**
 * xtcp_sendq_split_flight - cut an skb in flight in two
 * @sk: the socket, locked
 * @skb: in flight; keeps the first part
 * @len: bytes of payload that stay in it; where they end a segment ends from
 *	now on
 *
 * The rest follows it in the flight, with the same marks.
 *
 * Return: false without memory, or if the send queue has too much of it
 * already; then nothing has changed
 */
bool xtcp_sendq_split_flight(struct sock *sk, struct sk_buff *skb, u32 len)
{
	u32 size = xtcp_cb(skb)->seg_size;
	bool must = skb_is_at_an_end(sk, skb);
	struct sk_buff *rest;

	if (queue_is_too_big(sk) && !must) {
		XTCP_INC(sock_net(sk), WQUEUE_TOO_BIG);
		return false;
	}
	rest = sendq_split(sk, skb, len, must);
	if (!rest)
		return false;
	xtcp_sendq_measure_again(sk, skb, size);
	xtcp_sendq_measure(rest, size);
	sendq_recount(xtcp_sk(sk), xtcp_cb(rest)->marks, xtcp_sendq_segs(rest));
	tree_add(sk, rest);
	if (list_empty(&skb->tcp_tsorted_anchor))
		INIT_LIST_HEAD(&rest->tcp_tsorted_anchor);
	else
		list_add(&rest->tcp_tsorted_anchor, &skb->tcp_tsorted_anchor);
	return true;
}

/* Move the text of what follows @skb into it; @next is to be unlinked and freed. */
static bool take_payload(struct sock *sk, struct sk_buff *skb,
			 struct sk_buff *next)
{
	bool stolen;
	int delta;

	/* Heads come from kmalloc(): none is ever stolen. */
	if ((xtcp_cb(next)->flags & XTCP_FIN) ||
	    !skb_try_coalesce(skb, next, &stolen, &delta))
		return false;
	xtcp_sendq_charge(sk, delta);
	xtcp_cb(skb)->end = xtcp_cb(next)->end;
	xtcp_cb(skb)->flags |= xtcp_cb(next)->flags;
	return true;
}

/**
 * xtcp_sendq_merge - one skb for two in flight
 * @sk: the socket, locked
 * @skb: in flight, in no order of sending (SACKed)
 * @next: likewise; in sequence and marks it goes on where @skb ends
 *
 * A window of single segments costs half as much again in skbs as it has text. Of
 * what has arrived none needs one of its own, and the writer gets the room.
 *
 * Return: true: @next is gone, @skb stands for both; false: they don't fit together
 */
bool xtcp_sendq_merge(struct sock *sk, struct sk_buff *skb, struct sk_buff *next)
{
	const struct xtcp_skb_cb *more = xtcp_cb(next);
	struct xtcp_skb_cb *cb = xtcp_cb(skb);

	/*
	 * Its segments must be countable, and cuttable at the same edges. Pages
	 * of the user's stay as they are: to make them private is to copy them.
	 */
	if (cb->end != more->seq || cb->seg_size != more->seg_size ||
	    !cb->seg_size || skb->len % cb->seg_size ||
	    skb->len + next->len > GSO_LEGACY_MAX_SIZE ||
	    skb_shinfo(skb)->nr_frags + skb_shinfo(next)->nr_frags > MAX_SKB_FRAGS ||
	    skb_zcopy(skb) || skb_zcopy(next) ||
	    sendq_unshare(sk, skb) || !take_payload(sk, skb, next))
		return false;
	cb->segs += more->segs;
	rb_erase(&next->rbnode, &sk->tcp_rtx_queue);
	free_landed(sk, next);
	return true;
}

/* Move the text of what follows @skb into it. */
static bool gather_next(struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff *next = skb_queue_next(&sk->sk_write_queue, skb);

	if (!take_payload(sk, skb, next))
		return false;
	__skb_unlink(next, &sk->sk_write_queue);
	free_queued(sk, next);
	return true;
}

/**
 * xtcp_sendq_gather - make the first segment that waits so large
 * @sk: the socket, locked, with more than @len octets in sk_write_queue
 * @len: octets of text
 *
 * Return: it, first of the queue still; NULL: it can't be made of what is there
 */
struct sk_buff *xtcp_sendq_gather(struct sock *sk, u32 len)
{
	struct sk_buff *skb = skb_peek(&sk->sk_write_queue);
	struct sk_buff *rest;

	while (skb->len < len) {
		if (skb_queue_is_last(&sk->sk_write_queue, skb) ||
		    !gather_next(sk, skb))
			return NULL;
	}
	if (skb->len > len) {
		rest = xtcp_sendq_split(sk, skb, len);
		if (!rest)
			return NULL;
		__skb_queue_after(&sk->sk_write_queue, skb, rest);
	}
	return skb;
}

/* Drop the first @eat bytes of the fragments, after sendq_unshare(). */
static void consume_frags(struct sk_buff *skb, u32 bytes)
{
	struct skb_shared_info *shinfo = skb_shinfo(skb);
	int from, to = 0;

	skb->len -= bytes;
	skb->data_len -= bytes;
	skb->truesize -= bytes;
	for (from = 0; from < shinfo->nr_frags; from++) {
		skb_frag_t *frag = &shinfo->frags[from];
		u32 size = skb_frag_size(frag);

		if (size <= bytes) {
			put_page(skb_frag_page(frag));
			bytes -= size;
			continue;
		}
		skb_frag_off_add(frag, bytes);
		skb_frag_size_sub(frag, bytes);
		bytes = 0;
		shinfo->frags[to++] = *frag;
	}
	shinfo->nr_frags = to;
}

/**
 * xtcp_sendq_trim_head - cut off what was acknowledged
 * @sk: the socket, locked
 * @skb: in flight
 * @ack: inside it; if memory is short all of it is just sent again
 *
 * Return: segments that are not in flight any more
 */
u32 xtcp_sendq_trim_head(struct sock *sk, struct sk_buff *skb, seq_t ack)
{
	u32 bytes = seq_dist(xtcp_cb(skb)->seq, ack);
	u32 segs = xtcp_sendq_segs(skb);
	u32 linear;

	if (bytes > skb->len || sendq_unshare(sk, skb))
		return 0;
	linear = min(bytes, skb_headlen(skb));
	__skb_pull(skb, linear);
	consume_frags(skb, bytes - linear);
	xtcp_sendq_charge(sk, -(int)(bytes - linear));
	xtcp_cb(skb)->seq = ack;
	xtcp_sendq_measure_again(sk, skb, xtcp_cb(skb)->seg_size);
	return segs - xtcp_sendq_segs(skb);
}

/**
 * xtcp_sendq_purge - forget all that was not acknowledged
 * @sk: the socket, locked or no longer visible
 */
void xtcp_sendq_purge(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(&sk->sk_write_queue)))
		free_queued(sk, skb);
	while ((skb = xtcp_sendq_oldest(sk)))
		xtcp_sendq_land(sk, skb);
	if (xs->bare_out)
		xtcp_sendq_land_bare(sk);
	xs->sacked_out = 0;
	sk_mem_reclaim(sk);
}
