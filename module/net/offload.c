// SPDX-License-Identifier: GPL-2.0
/*
 * offload.c - several segments in one skb, and who sums them
 *
 * Bulk text travels through the stack in skbs of up to 64 KiB, with one header
 * for all of their segments (GSO). They are cut as late as can be: by the
 * function here, when a device can't take them whole, or not at all, if the
 * receiver is on this machine.
 *
 * On the native wire no device may cut or sum them: it knows nothing of IP
 * protocol 253. Yet some would try. A TSO engine takes whatever is marked
 * SKB_GSO_TCPV4, and sends it out in one piece; a device that sums TCP may look
 * at no more than where the sum belongs. So the skbs are marked TCPV4 and SCTP at
 * once: a device that claims both is one of software (veth, loopback, a bridge),
 * which hands them on to somebody who is asked the same question again. All
 * others are given what segment() makes: segments that are summed already.
 *
 * For the same reason a single segment is left unsummed (CHECKSUM_PARTIAL)
 * only if it is marked like that, too: else some device on its way might
 * promise to sum it. Marking pays where nobody is going to cut it, and for text
 * that is worth not being read twice. One too long to be marked, as a loopback
 * device has them, is left unsummed there without.
 *
 * On the TCP wire all this is TCP's own: every device knows what to do, and the
 * stack stands in for one that can't.
 *
 * Context: the marking under the socket lock; segment() softirq or process,
 * under RCU, wherever the stack finds that a device can't do it.
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

/* What only devices of software have together; see above. */
#define GSO_NATIVE	(SKB_GSO_TCPV4 | SKB_GSO_SCTP)
#define GSO_NATIVE6	(SKB_GSO_TCPV6 | SKB_GSO_SCTP)

/* Summing less than this costs less than what avoids it; octets of text. */
#define SUM_AT_ONCE_MAX	512U

/*
 * The marks of an skb by the wire that it takes. A device that cuts TCP has to be
 * told of CWR, which only the first segment may have; segment() knows.
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
 * Does the route's device hand on what is marked so? Socket lock. That keeps the
 * route, but not its device: another one may take its place, and a section without
 * preemption holds up the grace period that it lives on for.
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

/* As above. */
static bool device_is_loopback(const struct dst_entry *dst)
{
	bool is;

	preempt_disable();
	is = dst_dev(dst)->flags & IFF_LOOPBACK;
	preempt_enable();
	return is;
}

/* So little that nobody is to be asked: as most segments of a short connection. */
static bool is_summed_at_once(const struct xtcp_key *key, u32 text_len)
{
	return key->wire != XTCP_WIRE_TCP && text_len < SUM_AT_ONCE_MAX;
}

/* Is a single segment of the native wire left unsummed, and marked for that? */
static bool is_worth_marking(const struct sock *sk, const struct xtcp_key *key,
			     u32 text_len, unsigned int type)
{
	return key->wire != XTCP_WIRE_TCP && text_len >= SUM_AT_ONCE_MAX &&
	       text_len <= sk->sk_gso_max_size && device_hands_on(sk, type);
}

/* Can nobody misread one that is unsummed and not marked? */
static bool is_safe_unmarked(const struct sock *sk, const struct xtcp_key *key,
			     u32 text_len)
{
	const struct dst_entry *dst = __sk_dst_get((struct sock *)sk);

	return key->wire == XTCP_WIRE_TCP ||
	       (text_len > SUM_AT_ONCE_MAX && dst &&
		text_len > sk->sk_gso_max_size &&
		device_is_loopback(dst));
}

/* @sum and that of the pseudo-header, folded. */
static __sum16 segment_sum(const struct xtcp_family *af,
			   const struct xtcp_key *key, u32 len, __wsum sum)
{
	return likely(af == &xtcp_ipv4) ? xtcp_ipv4_csum(key, len, sum) :
					  af->csum(key, len, sum);
}

/*
 * MUST-2: over pseudo-header, header and text. Pages that may be written to
 * meanwhile are copied first, as far as memory allows.
 */
static void sum_now(struct sk_buff *skb, const struct xtcp_family *af,
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

/* The pseudo-header alone; whoever cuts or receives it knows the rest. */
static void sum_later(struct sk_buff *skb, const struct xtcp_family *af,
		      const struct xtcp_key *key)
{
	struct tcphdr *th = tcp_hdr(skb);

	th->check = ~segment_sum(af, key, skb->len, 0);
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);
	skb->ip_summed = CHECKSUM_PARTIAL;
}

/**
 * xtcp_offload_prepare - say how a segment is to be cut, and sum it
 * @sk: the socket, locked
 * @skb: from the header on, its checksum field 0; nobody else may have the
 *	marks of its clones in use; its header may move
 * @key: between whom
 * @segs: segments that it stands for
 * @seg_size: octets of text in each but the last, if there are several
 */
void xtcp_offload_prepare(const struct sock *sk, struct sk_buff *skb,
			  const struct xtcp_key *key, u32 segs, u32 seg_size)
{
	struct skb_shared_info *shinfo = skb_shinfo(skb);
	const struct xtcp_family *af = xtcp_sk(sk)->af;
	u32 text_len = skb->len - tcp_hdrlen(skb);
	bool sum_at_once = segs == 1 && is_summed_at_once(key, text_len);
	unsigned int type = 0;

	if (!sum_at_once)
		type = gso_type(af, key->wire, tcp_hdr(skb));
	if (sum_at_once ||
	    (segs == 1 && !is_worth_marking(sk, key, text_len, type))) {
		shinfo->gso_size = 0;
		shinfo->gso_segs = 0;
		shinfo->gso_type = 0;
		if (!sum_at_once && is_safe_unmarked(sk, key, text_len))
			sum_later(skb, af, key);
		else
			sum_now(skb, af, key);
		return;
	}
	shinfo->gso_size = segs > 1 ? seg_size : text_len;
	shinfo->gso_segs = segs;
	shinfo->gso_type = type;
	sum_later(skb, af, key);
}

/* Of the pseudo-header; @len octets of segment. */
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

/* One of the segments: its number, its flags, its sum. */
static void segment_finish(struct sk_buff *skb, u32 seq, u8 not_flags)
{
	struct tcphdr *th = tcp_hdr(skb);
	unsigned int len = skb->len - skb_transport_offset(skb);

	th->seq = htonl(seq);
	((u8 *)th)[13] &= ~not_flags;
	th->check = pseudo_sum(skb, len);
	th->check = gso_make_checksum(skb, ~csum_unfold(th->check));
}

/*
 * net_offload.gso_segment: cut @skb. The features speak of a device that knows
 * nothing of us: it is left nothing to sum. FIN and PSH belong to the last
 * segment, CWR to the first (RFC 3168 6.1.2).
 */
static struct sk_buff *segment(struct sk_buff *skb, unsigned int type,
			       netdev_features_t features)
{
	u32 mss = skb_shinfo(skb)->gso_size;
	unsigned int header_len;
	struct sk_buff *segs, *seg;
	u32 seq;

	/* Not ours: somebody forges packets, on a tun device perhaps. */
	if ((skb_shinfo(skb)->gso_type & (type | SKB_GSO_DODGY)) != type)
		return ERR_PTR(-EINVAL);
	if (!pskb_may_pull(skb, sizeof(struct tcphdr)))
		return ERR_PTR(-EINVAL);
	header_len = tcp_hdrlen(skb);
	if (header_len < sizeof(struct tcphdr) ||
	    !pskb_may_pull(skb, header_len))
		return ERR_PTR(-EINVAL);

	seq = ntohl(tcp_hdr(skb)->seq);
	__skb_pull(skb, header_len);
	segs = skb_segment(skb, features & ~NETIF_F_CSUM_MASK);
	if (IS_ERR(segs))
		return segs;
	for (seg = segs; seg; seg = seg->next, seq += mss)
		segment_finish(seg, seq,
			       (seg->next ? XTCP_FIN | XTCP_PSH : 0) |
			       (seg != segs ? XTCP_CWR : 0));
	return segs;
}

static struct sk_buff *segment4(struct sk_buff *skb, netdev_features_t features)
{
	return segment(skb, GSO_NATIVE, features);
}

static const struct net_offload native_offload = {
	.callbacks = {
		.gso_segment	= segment4,
	},
};

#if IS_ENABLED(CONFIG_IPV6)
static struct sk_buff *segment6(struct sk_buff *skb, netdev_features_t features)
{
	return segment(skb, GSO_NATIVE6, features);
}

static const struct net_offload native6_offload = {
	.callbacks = {
		.gso_segment	= segment6,
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
 * xtcp_offload_init - from now on our skbs can be cut by whoever needs to
 *
 * Return: 0; -EPERM when somebody has registered for our protocol number
 */
int xtcp_offload_init(void)
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
 * Waits for those who are just cutting. What still stands in a device's queue
 * is dropped there, if it has to be cut.
 */
void xtcp_offload_exit(void)
{
	offload6_exit();
	inet_del_offload(&native_offload, IPPROTO_XTCP);
}
