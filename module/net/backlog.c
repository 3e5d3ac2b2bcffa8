// SPDX-License-Identifier: GPL-2.0
/*
 * backlog.c - segments that wait until a program has released its socket
 *
 * While a program owns its socket, the segments that arrive are put into the
 * kernel's backlog of that socket, and are handled when the program releases it
 * (net/input.c). A reader that copies 64 KiB owns the socket long enough for many
 * segments. Without GRO each would be handled by itself, so a segment is merged
 * with the last one of the backlog if its payload continues it and its header
 * differs only in that.
 *
 * Context: softirq, bh_lock_sock().
 */
#include "net/backlog.h"

#include <linux/minmax.h>
#include <linux/sizes.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/sock.h>

#include "net/family.h"
#include "net/seq.h"
#include "net/skb.h"
#include "net/wire.h"
#include "observe/stats.h"
#include "tcb.h"

/*
 * Limit of the backlog in bytes of memory, as in Linux 6.12. A window of segments
 * that no offload has merged may take far more memory than the receive buffer
 * allows for it. Each buffer may be as large as an int can say.
 */
static unsigned int backlog_limit(const struct sock *sk)
{
	return min_t(u64, 2 * (u64)READ_ONCE(sk->sk_rcvbuf) +
			  READ_ONCE(sk->sk_sndbuf) / 2 + SZ_64K, UINT_MAX);
}

static const struct tcphdr *header_of(const struct sk_buff *skb)
{
	return (const struct tcphdr *)skb->data;
}

/* Do two headers differ in nothing but sequence number, checksum and PSH? */
static bool headers_agree(const struct tcphdr *a, const struct tcphdr *b)
{
	__be32 differ = tcp_flag_word(a) ^ tcp_flag_word(b);

	return !(differ & ~TCP_FLAG_PSH) &&
	       a->ack_seq == b->ack_seq &&
	       !memcmp(a + 1, b + 1, __tcp_hdrlen(a) - sizeof(*a));
}

/* Is @skb the continuation of @tail? Each has its header in the linear part. */
static bool backlog_continues(const struct sock *sk, const struct sk_buff *tail,
			      const struct sk_buff *skb,
			      const struct xtcp_seg *seg)
{
	const struct xtcp_packet_ops *packet = xtcp_sk(sk)->af->packet;
	const struct tcphdr *th = header_of(tail);
	u32 len = tail->len - __tcp_hdrlen(th);

	return len && seq_add(seq_get(&th->seq), len) == seg->seq &&
	       headers_agree(th, header_of(skb)) &&
	       packet->ecn(tail) == packet->ecn(skb);
}

/* Payload of each segment of @skb, which has @len bytes. */
static u32 segment_size(const struct sk_buff *skb, u32 len)
{
	return skb_shinfo(skb)->gso_size ?: len;
}

/* Append @skb to the last segment of the backlog. Returns true if @skb was freed. */
static bool backlog_merge(struct sock *sk, struct sk_buff *skb,
			  const struct xtcp_seg *seg)
{
	struct sk_buff *tail = sk->sk_backlog.tail;
	u32 size, segs, header_len;
	bool stolen;
	int delta;

	/* The usual flags of a segment with payload. */
	if (!tail || !seg->len || (seg->flags | XTCP_PSH) != (XTCP_ACK | XTCP_PSH) ||
	    !backlog_continues(sk, tail, skb, seg))
		return false;
	header_len = __tcp_hdrlen(header_of(skb));
	size = max(segment_size(tail, tail->len - header_len),
		   segment_size(skb, seg->len));
	segs = xtcp_skb_segs(tail) + xtcp_skb_segs(skb);
	__skb_pull(skb, header_len);
	if (!skb_try_coalesce(tail, skb, &stolen, &delta)) {
		__skb_push(skb, header_len);
		return false;
	}
	/* Nobody else has the header: skb_try_coalesce() checks that. */
	((struct tcphdr *)tail->data)->psh |= !!(seg->flags & XTCP_PSH);
	skb_shinfo(tail)->gso_size = size;
	skb_shinfo(tail)->gso_segs = min(segs, U16_MAX);
	xtcp_skb_stamp_merged(tail, skb);
	sk->sk_backlog.len += delta;
	kfree_skb_partial(skb, stolen);
	XTCP_INC(sock_net(sk), BACKLOG_COALESCE);
	return true;
}

/**
 * xtcp_backlog_add - let a segment wait until the socket is released
 * @sk: the socket, owned by a program
 * @skb: segment, at its TCP header; consumed
 * @seg: the same segment
 *
 * It is dropped if the backlog has reached its limit.
 */
void xtcp_backlog_add(struct sock *sk, struct sk_buff *skb,
		      const struct xtcp_seg *seg)
{
	unsigned int limit = backlog_limit(sk);

	if (!sk_rcvqueues_full(sk, limit) && backlog_merge(sk, skb, seg))
		return;
	/* A pure ACK of this host has a truesize of 2 (segment/output.c): charge its real size. */
	if (!seg->len)
		skb->truesize = SKB_TRUESIZE(skb_end_offset(skb));
	if (sk_add_backlog(sk, skb, limit)) {
		XTCP_INC(sock_net(sk), BACKLOG_DROP);
		kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_BACKLOG);
	}
}
