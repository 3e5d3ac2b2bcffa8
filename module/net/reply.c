// SPDX-License-Identifier: GPL-2.0
/*
 * reply.c - send segments without a socket
 *
 * SYN-ACKs and ACKs of half-open records and cookies, ACKs of TIME-WAIT
 * records and of tokens, RSTs. Under a flood each segment is answered, so this path counts
 * instructions: it does one route lookup, and recycles the segment that it
 * answers if nothing else refers to it.
 *
 * RFC 9293 3.1 (header).
 *
 * Context: softirq, or process with softirqs on (a socket's backlog); no locks.
 */
#include "net/reply.h"

#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/l3mdev.h>

#include "compat.h"
#include "net/family.h"
#include "net/header.h"
#include "net/ipsec.h"
#include "observe/stats.h"
#include "observe/trace.h"

/*
 * May a received skb be recycled? Not a clone, which a packet socket reads,
 * too; not one with fragments, a GSO size or the user's own pages, which isn't
 * ours to write to; not memory of the emergency reserve, which is freed at
 * once.
 */
static __always_inline bool spare_may_be_recycled(struct sk_buff *skb,
						  unsigned int space)
{
	return !skb_cloned(skb) && !skb_shared(skb) &&
	       !skb_is_nonlinear(skb) && !skb_is_gso(skb) && !skb_zcopy(skb) &&
	       !skb_pfmemalloc(skb) && skb_end_offset(skb) >= space;
}

/*
 * Recycle a received skb: reset it to the state that alloc_skb() returns, but for skb->cb. That
 * drops its device, route, conntrack entry, security path, time stamp and socket; and all that
 * a clone would have a copy of: marks, the hash, what tc and a sender on this host have noted in
 * it. skb->headers is cleared as a whole, whatever fields this kernel has in it, but for alloc_cpu,
 * which tells where to free the skb.
 */
static __always_inline void spare_reset(struct sk_buff *skb)
{
	u16 alloc_cpu = skb->alloc_cpu;

	skb_orphan(skb);
	/* POSTROUTING takes it for the device by which a forwarded packet has come in. */
	skb->dev = NULL;
	skb_scrub_packet(skb, true);
	memset(&skb->headers, 0, sizeof(skb->headers));
	skb->alloc_cpu = alloc_cpu;
	skb->mac_header = (typeof(skb->mac_header))~0U;
	skb->mac_len = 0;
	skb->hdr_len = 0;
	skb->tstamp = 0;
	skb_set_queue_mapping(skb, 0);
	memset(skb_shinfo(skb), 0, offsetof(struct skb_shared_info, dataref));
	skb->data = skb->head;
	skb_reset_tail_pointer(skb);
	skb->len = 0;
	/* That of a pure ACK of this host is less (segment/output.c). */
	skb->truesize = SKB_TRUESIZE(skb_end_offset(skb));
}

static __always_inline bool reply_recycle(struct sk_buff *spare, unsigned int space)
{
	if (!spare || !spare_may_be_recycled(spare, space))
		return false;
	spare_reset(spare);
	return true;
}

/**
 * xtcp_reply_recycle - recycle a received skb
 * @spare: segment that has been handled and is not needed any more, or NULL
 * @space: bytes of buffer space that the answer needs
 *
 * Context: any; the caller owns @spare.
 * Return: true if @spare is an empty skb now; false: it is unchanged.
 */
bool xtcp_reply_recycle(struct sk_buff *spare, unsigned int space)
{
	return reply_recycle(spare, space);
}

/*
 * An empty skb with headroom for @len bytes of TCP header, or NULL. Consumes
 * the spare skb.
 */
static struct sk_buff *reply_skb(const struct xtcp_reply *reply,
				 unsigned int ip_hdr_len, unsigned int len)
{
	const struct dst_entry *dst = reply->dst;
	const struct net_device *dev = dst_dev(dst);
	struct sk_buff *skb = reply->spare;
	unsigned int room, tail;

	room = LL_RESERVED_SPACE(dev) + dst->header_len + ip_hdr_len + len;
	tail = dev->needed_tailroom + dst->trailer_len;
	if (!reply_recycle(skb, room + tail)) {
		consume_skb(skb);
		skb = alloc_skb(room + tail, GFP_ATOMIC | __GFP_NOWARN);
		if (!skb)
			return NULL;
	}
	/* A receiver on this host would drop a segment from the emergency reserve of memory. */
	skb->pfmemalloc = 0;
	skb_reserve(skb, room);
	return skb;
}

/*
 * Attach the socket with a reference, as the receive path does; the skb isn't
 * accounted to the socket. ESP accounts its padding to the owner of a packet, and relies on
 * the destructor to take that back. A packet may reach ESP by its route, by an xfrm or vti
 * interface, or by a rule of OUTPUT, so it is accounted where IPsec has a policy. (It is not if
 * the policy is another namespace's, as of a vti device that was moved.)
 */
static void reply_own(struct sk_buff *skb, struct sock *sk, const struct dst_entry *dst)
{
	if (!refcount_inc_not_zero(&sk->sk_refcnt))
		return;
	if (unlikely(dst_xfrm(dst) || !xtcp_ipsec_is_silent(sock_net(sk), sk))) {
		skb_set_owner_w(skb, sk);
		sock_put(sk);
		return;
	}
	skb->sk = sk;
	skb->destructor = sock_efree;
}

static struct sk_buff *reply_make(struct net *net,
				  const struct xtcp_reply *reply,
				  const struct xtcp_bare *bare,
				  const struct xtcp_family *af)
{
	unsigned int len = XTCP_HDR_LEN + xtcp_options_size(&bare->opt);
	struct sk_buff *skb = reply_skb(reply, af->ip_hdr_len, len);
	struct tcphdr *th;

	if (!skb)
		return NULL;
	th = xtcp_header_push(skb, &reply->key, len, bare->seq, bare->ack,
			      bare->flags, bare->wnd);
	((u8 *)th)[12] |= bare->offset;
	xtcp_options_write((__be32 *)(th + 1), &bare->opt);
	/* MUST-2: checksum pseudo-header and header. */
	th->check = af->packet->csum(&reply->key, len, csum_partial(th, len, 0));
	trace_xtcp_send(net, &reply->key, th, 0);
	if (reply->owned)
		reply_own(skb, (struct sock *)reply->sk, reply->dst);
	return skb;
}

static inline void reply_count(struct net *net, u8 flags)
{
	XTCP_INC(net, OUT_SEGS);
	if (flags & XTCP_RST)
		XTCP_INC(net, OUT_RSTS);
}

/**
 * xtcp_reply_send - send a segment without a socket
 * @net: network namespace
 * @reply: addresses and route; its route and spare skb are consumed
 * @bare: its header
 *
 * As in Linux, a segment without a route counts as sent, and so does a RST without memory: its
 * reason has been counted.
 *
 * Context: softirq, or process with softirqs on; no locks.
 * Return: 0, -ENOBUFS without memory, or the error of the route.
 */
int xtcp_reply_send(struct net *net, struct xtcp_reply *reply,
		    const struct xtcp_bare *bare)
{
	const struct xtcp_family *af = xtcp_family_get(reply->key.family);
	struct sk_buff *skb;
	int err = 0;

	rcu_read_lock();
	if (!reply->dst)
		err = af->route->reply(net, reply);
	if (err) {
		reply_count(net, bare->flags);
		kfree_skb_reason(reply->spare, SKB_DROP_REASON_IP_OUTNOROUTES);
		goto unlock;
	}
	skb = reply_make(net, reply, bare, af);
	if (likely(skb) || (bare->flags & XTCP_RST))
		reply_count(net, bare->flags);
	if (skb) {
		err = af->packet->reply_xmit(net, reply, skb);
	} else {
		if (reply->dst_held)
			dst_release(reply->dst);
		err = -ENOBUFS;
	}
unlock:
	rcu_read_unlock();
	return err;
}

/**
 * xtcp_origin_of - the origin of a socket or listener
 * @sk: socket; it may change its options meanwhile
 *
 * Context: any.
 * Return: the origin.
 */
struct xtcp_origin xtcp_origin_of(const struct sock *sk)
{
	return (struct xtcp_origin) {
		.sk	= sk,
		.bound	= READ_ONCE(sk->sk_bound_dev_if),
		.mark	= READ_ONCE(sk->sk_mark),
	};
}

/**
 * xtcp_reply_init - prepare the answer to a received segment
 * @net: network namespace; in a socket's backlog @skb has no device
 * @reply: filled, without route and spare skb
 * @skb: the segment; not yet spare
 * @key: its key, as seen from this host
 * @origin: for whom it is answered, or NULL
 *
 * If @origin is bound to no device, a segment that arrived on a VRF is answered there. The
 * fwmark is the segment's if fwmark_reflect of its family says so, else the origin's. The DSCP
 * is the segment's, as in Linux, because its sender wants that treatment.
 *
 * Context: RCU; any.
 */
void xtcp_reply_init(struct net *net, struct xtcp_reply *reply,
		     const struct sk_buff *skb, const struct xtcp_key *key,
		     const struct xtcp_origin *origin)
{
	const struct xtcp_family *af = xtcp_family_get(key->family);

	reply->key = *key;
	reply->sk = NULL;
	reply->spare = NULL;
	reply->dst = NULL;
	reply->dst_held = false;
	reply->formed = false;
	reply->owned = false;
	reply->transparent = false;
	reply->extended = false;
	reply->has_iss = false;
	reply->oif = 0;
	reply->mark = af->packet->reply_mark(net, skb->mark);
	reply->tos = af->packet->dscp(skb);
	if (origin) {
		reply->sk = origin->sk;
		reply->transparent = origin->transparent;
		reply->oif = origin->bound;
		reply->mark = reply->mark ?: origin->mark;
	}
	if (!reply->oif && netif_index_is_l3_master(net, skb->skb_iif))
		reply->oif = skb->skb_iif;
}

/**
 * xtcp_reply_reflect_mark - give a record's answer the fwmark of the segment it answers
 * @net: network namespace
 * @reply: with key and the record's own fwmark
 * @skb: the segment
 *
 * Does nothing unless fwmark_reflect of the family says so and the segment has a fwmark.
 *
 * Context: any.
 */
void xtcp_reply_reflect_mark(const struct net *net, struct xtcp_reply *reply,
			     const struct sk_buff *skb)
{
	const struct xtcp_family *af = xtcp_family_get(reply->key.family);

	reply->mark = af->packet->reply_mark(net, skb->mark) ?: reply->mark;
}
