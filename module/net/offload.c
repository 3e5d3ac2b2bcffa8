// SPDX-License-Identifier: GPL-2.0
/*
 * offload.c - GSO and checksums of outgoing segments
 *
 * Bulk data goes through the stack in skbs of up to 64 KiB, with one header for
 * all of their segments (GSO). They are segmented as late as possible: by the
 * device, by offload_segment() below if the device can't do it, or not at all
 * if the receiver is on this host.
 *
 * On the native wire no device may segment or checksum them, because none knows
 * IP protocol 253. Yet some would try: a TSO engine accepts every skb with
 * SKB_GSO_TCPV4 and sends it in one piece; a device that checksums TCP may only
 * look at where the checksum field is. So the skbs have both the TCPV4 and the
 * SCTP flag. A device that claims both is a virtual one (veth, loopback,
 * bridge), which passes them to another device, where the same check is made.
 * All other devices get the segments that offload_segment() makes, with
 * complete checksums.
 *
 * For the same reason the checksum of a single segment is left to a device
 * (CHECKSUM_PARTIAL) only if the skb has both flags, too: without them a device
 * on its way might try to complete it. That is worth it if no device will segment
 * the skb, and if the payload is long enough that not reading it again pays. A
 * segment longer than sk_gso_max_size cannot have the flags. On a loopback device
 * its checksum is left open without them: nothing can go wrong there.
 *
 * On the TCP wire skbs have the flags of the kernel's TCP: every device knows
 * them, and the stack stands in for a device that can't.
 *
 * Context: xtcp_offload_prepare() under the socket lock; offload_segment() in
 * softirq or process, under RCU, where the stack finds that a device can't
 * segment.
 */
#include "net/offload.h"

#include <linux/err.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/preempt.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/dst.h>
#include <net/ip6_checksum.h>
#include <net/protocol.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "compat.h"
#include "net/family.h"
#include "net/ipv4.h"
#include "net/wire.h"
#include "tcb.h"

/* GSO types that only virtual devices claim together; see above. */
#define GSO_NATIVE	(SKB_GSO_TCPV4 | SKB_GSO_SCTP)
#define GSO_NATIVE6	(SKB_GSO_TCPV6 | SKB_GSO_SCTP)

/*
 * A checksum over less payload costs less than the checks that avoid it; bytes.
 */
#define SUM_LATER_MIN	512U

/*
 * GSO type of an skb by its wire. A device that segments TCP has to know of
 * CWR, which only the first segment may have; offload_segment() does.
 */
static unsigned int gso_type(const struct xtcp_family *af, u8 wire,
			     const struct tcphdr *th)
{
	unsigned int tcp = af->family == AF_INET ? SKB_GSO_TCPV4 :
						   SKB_GSO_TCPV6;

	if (wire == XTCP_WIRE_NATIVE)
		return tcp | SKB_GSO_SCTP;
	return th->cwr ? tcp | SKB_GSO_TCP_ECN : tcp;
}

/*
 * Does the route's device accept skbs of this GSO type? Socket lock. The lock
 * keeps the route, but not its device, which may be replaced: preemption is
 * off, so that the grace period that ends the device has to wait.
 */
static bool device_hands_on(const struct sock *sk, unsigned int type)
{
	const struct dst_entry *dst = __sk_dst_get((struct sock *)sk);
	bool does;

	if (!dst || dst->header_len)
		return false;
	preempt_disable();
	does = net_gso_ok(dst_dev(dst)->features, type);
	preempt_enable();
	return does;
}

/* Preemption is off as in device_hands_on(). */
static bool device_is_loopback(const struct dst_entry *dst)
{
	bool is;

	preempt_disable();
	is = dst_dev(dst)->flags & IFF_LOOPBACK;
	preempt_enable();
	return is;
}

/*
 * Is the payload so short that the checksum is computed at once? Most segments
 * of a short connection are.
 */
static bool is_summed_at_once(const struct xtcp_key *key, u32 payload)
{
	return key->wire != XTCP_WIRE_TCP && payload < SUM_LATER_MIN;
}

/*
 * Is the checksum of a single segment of the native wire, not so short, left to the device, with
 * both GSO flags?
 */
static bool is_worth_marking(const struct sock *sk, const struct xtcp_key *key,
			     u32 payload, unsigned int type)
{
	return key->wire != XTCP_WIRE_TCP && payload <= sk->sk_gso_max_size &&
	       device_hands_on(sk, type);
}

/* May the checksum of a single segment, not so short, be left to the device without GSO flags? */
static bool is_safe_unmarked(const struct sock *sk, const struct xtcp_key *key,
			     u32 payload)
{
	const struct dst_entry *dst = __sk_dst_get((struct sock *)sk);

	return key->wire == XTCP_WIRE_TCP ||
	       (dst && payload > sk->sk_gso_max_size && device_is_loopback(dst));
}

/* Add the pseudo-header to @sum, and fold it. */
static __sum16 segment_sum(const struct xtcp_family *af,
			   const struct xtcp_key *key, u32 len, __wsum sum)
{
	return likely(af == &xtcp_ipv4) ? xtcp_ipv4_csum(key, len, sum) :
					  af->packet->csum(key, len, sum);
}

/*
 * MUST-2: checksum pseudo-header, header and payload. Pages that the user may
 * write to at the same time are copied first, if there is memory.
 */
static void offload_sum_now(struct sk_buff *skb, const struct xtcp_family *af,
			    const struct xtcp_key *key)
{
	struct tcphdr *th;
	__wsum sum;

	if (skb_is_nonlinear(skb) && unlikely(skb_has_shared_frag(skb)))
		__skb_linearize(skb);
	th = tcp_hdr(skb);
	if (skb_is_nonlinear(skb))
		sum = skb_checksum(skb, 0, skb->len, 0);
	else
		sum = csum_partial(th, skb->len, 0);
	th->check = segment_sum(af, key, skb->len, sum);
	skb->ip_summed = CHECKSUM_NONE;
}

/*
 * Checksum the pseudo-header only; the device, offload_segment() or the
 * receiver does the rest.
 */
static void offload_sum_later(struct sk_buff *skb, const struct xtcp_family *af,
			      const struct xtcp_key *key)
{
	struct tcphdr *th = tcp_hdr(skb);

	th->check = ~segment_sum(af, key, skb->len, 0);
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);
	skb->ip_summed = CHECKSUM_PARTIAL;
}

/**
 * xtcp_offload_prepare - set an outgoing segment's GSO fields and checksum
 * @sk: the socket, locked
 * @skb: from the TCP header on, its checksum field 0; no clone of it may use
 *	the GSO fields; its header may move
 * @key: addresses, ports and wire
 * @segs: number of segments that it contains
 * @seg_size: payload bytes in each segment but the last, if there are several
 */
void xtcp_offload_prepare(const struct sock *sk, struct sk_buff *skb,
			  const struct xtcp_key *key, u32 segs, u32 seg_size)
{
	struct skb_shared_info *shinfo = skb_shinfo(skb);
	const struct xtcp_family *af = xtcp_sk(sk)->af;
	u32 payload = skb->len - tcp_hdrlen(skb);
	bool sum_at_once = segs == 1 && is_summed_at_once(key, payload);
	unsigned int type = 0;

	if (!sum_at_once)
		type = gso_type(af, key->wire, tcp_hdr(skb));
	if (sum_at_once ||
	    (segs == 1 && !is_worth_marking(sk, key, payload, type))) {
		shinfo->gso_size = 0;
		shinfo->gso_segs = 0;
		shinfo->gso_type = 0;
		if (!sum_at_once && is_safe_unmarked(sk, key, payload))
			offload_sum_later(skb, af, key);
		else
			offload_sum_now(skb, af, key);
		return;
	}
	shinfo->gso_size = segs > 1 ? seg_size : payload;
	shinfo->gso_segs = segs;
	shinfo->gso_type = type;
	offload_sum_later(skb, af, key);
}

/*
 * Destructor of outgoing segments: one has left the host. It is not sock_wfree()
 * itself, because skb_segment() would give the memory of the whole skb to the last
 * segment, and a receiver on this host would be charged for it twice.
 *
 * The socket has a reference to the module. sock_wfree() may drop it, but unloading
 * waits for a grace period before it frees this code.
 */
static void skb_left(struct sk_buff *skb)
{
	rcu_read_lock();
	sock_wfree(skb);
	rcu_read_unlock();
}

/*
 * Does @skb need skb_left() as its destructor? One that is never segmented does not. On
 * the native wire offload_segment() charges the segments. On the TCP wire the kernel
 * segments, and charges the last segment if the destructor is sock_wfree(), else none. A
 * queueing discipline that segments (cake, tbf) must not empty the account
 * (smallqueue.c), so there only skbs have it that the route's device can't segment: most
 * are segmented behind the queue. The price: behind such a queueing discipline on a
 * device with TSO, a receiver on this host pays for the whole skb with the last segment.
 */
static bool needs_skb_left(const struct sock *sk, const struct sk_buff *skb, u8 wire)
{
	return skb_is_gso(skb) &&
	       (wire != XTCP_WIRE_TCP ||
		!device_hands_on(sk, skb_shinfo(skb)->gso_type));
}

/**
 * xtcp_offload_own - charge an outgoing segment to its socket until it has left
 * the host
 * @skb: without an owner; its memory does not change any more
 * @sk: the socket, locked
 *
 * skb_set_owner_w() for a full socket, after xtcp_offload_prepare().
 */
void xtcp_offload_own(struct sk_buff *skb, struct sock *sk)
{
	skb->sk = sk;
	skb->destructor = needs_skb_left(sk, skb, xtcp_sk(sk)->flow.wire) ?
			  skb_left : sock_wfree;
	skb_set_hash_from_sk(skb, sk);
	/* XPS may choose another transmit queue if no payload is left in the present one. */
	skb->ooo_okay = sk_wmem_alloc_get(sk) < SKB_TRUESIZE(1);
	refcount_add(skb->truesize, &sk->sk_wmem_alloc);
}

/* @skb was segmented and will be freed: charge the segments to its socket. */
static void segments_own(struct sk_buff *segs, struct sk_buff *skb)
{
	struct sock *sk = skb->sk;
	struct sk_buff *seg;
	int more = 0;

	if (skb->destructor != skb_left)
		return;
	for (seg = segs; seg; seg = seg->next) {
		seg->sk = sk;
		seg->destructor = skb_left;
		more += seg->truesize;
	}
	refcount_add(more, &sk->sk_wmem_alloc);
}

/*
 * @skb was a single segment, and @seg is what is sent of it. Only such a one has requests
 * for timestamps (transfer/txstamp.c).
 */
static void stamp_follows(struct sk_buff *seg, const struct sk_buff *skb)
{
	skb_shinfo(seg)->tx_flags |= skb_shinfo(skb)->tx_flags & SKBTX_ANY_TSTAMP;
	skb_shinfo(seg)->tskey = skb_shinfo(skb)->tskey;
}

/* Checksum of the pseudo-header of a segment of @len bytes. */
static __sum16 pseudo_sum(const struct sk_buff *skb, unsigned int len)
{
	const struct iphdr *iph = ip_hdr(skb);

#if IS_ENABLED(CONFIG_IPV6)
	if (iph->version == 6)
		return ~csum_ipv6_magic(&ipv6_hdr(skb)->saddr,
					&ipv6_hdr(skb)->daddr, len,
					IPPROTO_XTCP, 0);
#endif
	return ~csum_tcpudp_magic(iph->saddr, iph->daddr, len, IPPROTO_XTCP,
				  0);
}

/*
 * Finish one of the segments: sequence number, flags, checksum. @rest: sum of the pseudo-header
 * without a length.
 */
static void segment_finish(struct sk_buff *skb, u32 seq, u8 not_flags, __wsum rest)
{
	struct tcphdr *th = tcp_hdr(skb);
	unsigned int len = skb->len - skb_transport_offset(skb);

	th->seq = htonl(seq);
	((u8 *)th)[13] &= ~not_flags;
	th->check = ~csum_fold(csum_add(rest, (__force __wsum)htonl(len)));
	/* With remote checksum offload (GUE, VXLAN) the tunnel's other end completes the sum. */
	if (likely(skb->ip_summed != CHECKSUM_PARTIAL))
		th->check = gso_make_checksum(skb, ~csum_unfold(th->check));
}

/*
 * net_offload.gso_segment: segment @skb. The features are those of a device
 * that doesn't know the native wire, so each checksum is computed here. FIN and
 * PSH belong to the last segment, CWR to the first (RFC 3168 6.1.2).
 */
static struct sk_buff *offload_segment(struct sk_buff *skb, unsigned int type,
				       netdev_features_t features)
{
	u32 mss = skb_shinfo(skb)->gso_size;
	unsigned int header_len;
	struct sk_buff *segs, *seg;
	bool ooo_okay;
	__wsum rest;
	u32 seq;

	/*
	 * Not our GSO type: a forged packet. A tun device can't set it. SKB_GSO_DODGY may be
	 * there: BPF programs that encapsulate mark our own skbs so.
	 */
	if ((skb_shinfo(skb)->gso_type & type) != type)
		return ERR_PTR(-EINVAL);
	if (!pskb_may_pull(skb, sizeof(struct tcphdr)))
		return ERR_PTR(-EINVAL);
	header_len = tcp_hdrlen(skb);
	if (header_len < sizeof(struct tcphdr) ||
	    !pskb_may_pull(skb, header_len))
		return ERR_PTR(-EINVAL);

	seq = ntohl(tcp_hdr(skb)->seq);
	/*
	 * With a source route the IP header has the next hop's address, and the checksum the last
	 * one's: take the sum that the sender has stored in the TCP header.
	 */
	rest = csum_sub(csum_unfold(skb->ip_summed == CHECKSUM_PARTIAL ?
				    tcp_hdr(skb)->check : pseudo_sum(skb, skb->len)),
			(__force __wsum)htonl(skb->len));
	__skb_pull(skb, header_len);
	/* Only the first one may change to another queue of the device: the rest follows it. */
	ooo_okay = skb->ooo_okay;
	skb->ooo_okay = 0;
	segs = skb_segment(skb, features & ~NETIF_F_CSUM_MASK);
	if (IS_ERR(segs))
		return segs;
	segs->ooo_okay = ooo_okay;
	for (seg = segs; seg; seg = seg->next, seq += mss)
		segment_finish(seg, seq,
			       (seg->next ? XTCP_FIN | XTCP_PSH : 0) |
			       (seg != segs ? XTCP_CWR : 0), rest);
	segments_own(segs, skb);
	if (!segs->next)
		stamp_follows(segs, skb);
	return segs;
}

static struct sk_buff *offload_segment4(struct sk_buff *skb,
					netdev_features_t features)
{
	return offload_segment(skb, GSO_NATIVE, features);
}

static const struct net_offload native_offload = {
	.callbacks = {
		.gso_segment	= offload_segment4,
	},
};

#if IS_ENABLED(CONFIG_IPV6)
static struct sk_buff *offload_segment6(struct sk_buff *skb,
					netdev_features_t features)
{
	return offload_segment(skb, GSO_NATIVE6, features);
}

static const struct net_offload native6_offload = {
	.callbacks = {
		.gso_segment	= offload_segment6,
	},
};

static int offload6_init(void)
{
	return inet6_add_offload(&native6_offload, IPPROTO_XTCP);
}

static void offload6_exit(void)
{
	inet6_del_offload(&native6_offload, IPPROTO_XTCP);
}
#else
static int offload6_init(void)
{
	return 0;
}

static void offload6_exit(void)
{
}
#endif

/**
 * xtcp_offload_init - register segmentation of the native wire
 *
 * Context: process, at load.
 * Return: 0; -EPERM if the protocol number has been registered already.
 */
int __init xtcp_offload_init(void)
{
	int err = inet_add_offload(&native_offload, IPPROTO_XTCP);

	if (err)
		return err;
	err = offload6_init();
	if (err)
		inet_del_offload(&native_offload, IPPROTO_XTCP);
	return err;
}

/**
 * xtcp_offload_exit - undo xtcp_offload_init()
 *
 * Waits until no segmentation runs. An skb that is in a device's queue is
 * dropped there if it has to be segmented.
 *
 * Context: process, may sleep.
 */
void xtcp_offload_exit(void)
{
	offload6_exit();
	inet_del_offload(&native_offload, IPPROTO_XTCP);
}
