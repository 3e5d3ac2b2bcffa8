// SPDX-License-Identifier: GPL-2.0
/*
 * output.c - build and send a segment of a socket
 *
 * RFC 9293 3.1 (header), 3.7.1 (MSS), RFC 7323 (timestamps, window scale), RFC
 * 2018 and 2883 (SACK blocks). A segment is either a clone of an skb in the
 * send queue, or created here and not kept. net/offload.c sets GSO fields and
 * checksum; net/reply.c sends segments without a socket.
 *
 * Context: socket lock, process or softirq.
 */
#include "segment/output.h"

#include <linux/err.h>
#include <linux/minmax.h>
#include <net/dst.h>
#include <net/sock.h>

#include "clock.h"
#include "fastq.h"
#include "isn.h"
#include "net/family.h"
#include "net/header.h"
#include "net/offload.h"
#include "net/reply.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "observe/trace.h"
#include "tcb.h"
#include "transfer/accecn.h"
#include "transfer/ack.h"
#include "transfer/ecn.h"
#include "transfer/mtuprobe.h"
#include "transfer/pacing.h"
#include "transfer/recovery.h"
#include "transfer/sendqueue.h"
#include "transfer/txstamp.h"
#include "transfer/urgent.h"
#include "transfer/window.h"

#define MSS_HALF_MIN	48U	/* bytes, options included: RFC 791's least MTU less a TCP header */
#define PURE_ACK_TRUESIZE 2	/* bytes; skb_is_tcp_pure_ack() of the kernel knows it by this */

static void put_timestamps(const struct xtcp_sock *xs,
			   struct xtcp_options *opt, u64 now_ns)
{
	opt->has_ts = 1;
	opt->tsval = xtcp_tsval_at(xs, now_ns);
	opt->tsecr = xs->ts_recent;
}

/*
 * A SYN offers the options that the knobs allow; the SYN-ACK of a simultaneous
 * open offers only those that the peer's SYN did, too. @accecn: buffer for an option of
 * Accurate ECN, which the first SYN-ACK has; NULL: none.
 */
static void syn_options(const struct sock *sk, u8 flags,
			struct xtcp_options *opt, u8 *accecn, u64 now_ns)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	bool answer = flags & XTCP_ACK;

	opt->mss = xs->advmss;
	if (answer ? xs->wscale_ok : !!XTCP_KNOB(net, window_scaling)) {
		opt->has_wscale = 1;
		opt->wscale = xs->rcv_wscale;
	}
	if (answer ? xs->sack_ok : !!XTCP_KNOB(net, sack))
		opt->sack_perm = 1;
	if (answer ? xs->ts_ok : !!XTCP_KNOB(net, timestamps))
		put_timestamps(xs, opt, now_ns);
	if (xs->fast_sending) {
		opt->has_fastopen = 1;
		opt->fastopen_exp = xs->fast_option->exp;
		opt->fastopen_len = xs->fast_option->len;
		opt->fastopen = xs->fast_option->cookie;
	}
	if (unlikely(xtcp_accecn_is_on(xs)) && answer && accecn &&
	    XTCP_KNOB(net, ecn_option)) {
		opt->accecn_len = xtcp_accecn_first_option(accecn, XTCP_OPT_MAX -
							   xtcp_options_size(opt));
		opt->accecn = accecn;
	}
}

/*
 * A pending D-SACK comes first, and once (RFC 2883 4); then the blocks of the
 * out-of-order queue, latest first (RFC 2018 4).
 */
static void put_sacks(const struct xtcp_sock *xs, struct xtcp_options *opt,
		      unsigned int room)
{
	unsigned int i, max_blocks;

	if (room < XTCP_ROOM_SACK(1))
		return;
	max_blocks = min_t(unsigned int, (room - XTCP_ROOM_SACK(0)) / 8,
			   XTCP_SACK_MAX);
	if (xs->dsack_pending)
		opt->sack[opt->nr_sacks++] = xs->dsack;
	for (i = 0; i < xs->nr_sacks && opt->nr_sacks < max_blocks; i++)
		opt->sack[opt->nr_sacks++] = xs->sacks[i];
}

/*
 * Bytes left for options in a segment that has @opt already. The MSS of the peer, as the
 * path MTU and the size that a search for it knows to pass (RFC 4821), bounds payload and
 * options together (RFC 9293 MUST-16, RFC 6691 2).
 */
static unsigned int options_room(const struct xtcp_sock *xs, unsigned int payload,
				 const struct xtcp_options *opt)
{
	unsigned int used = xtcp_options_size(opt);
	unsigned int room = XTCP_OPT_MAX - used;
	unsigned int headers = xs->af->ip_hdr_len + XTCP_HDR_LEN;
	unsigned int most;

	if (!payload)
		return room;
	most = min_t(u32, xs->pmtu > headers ? xs->pmtu - headers : 0, xs->peer_mss);
	/*
	 * Larger packets may end in a black hole. A probe has no SACK blocks; an option of Accurate
	 * ECN that it does not count (xtcp_ecn_option 1) may make it larger than it is taken for.
	 */
	if (unlikely(xs->mtu.searched) && payload <= xs->mss)
		most = min_t(u32, most, xs->mtu.low);
	used += xs->af->packet->options_len(&xs->inet.sk) + payload;
	return min(room, most > used ? most - used : 0);
}

/*
 * Options of any segment but a SYN. The MSS leaves space for those that
 * xtcp_output_option_size() counts: timestamps, a cookie, perhaps Accurate ECN; a payload with a
 * token leaves space itself. SACK blocks and the option of Accurate ECN, in @accecn, are added
 * only as far as payload and options fit into the peer's MSS and the path MTU.
 */
static void later_options(struct xtcp_sock *xs, unsigned int payload,
			  const u8 *token, struct xtcp_options *opt, u8 *accecn,
			  u64 now_ns)
{
	if (xs->ts_ok)
		put_timestamps(xs, opt, now_ns);
	opt->token = token;
	if (unlikely(xs->cookie_held))
		opt->cookie = xs->cookie;
	if (xs->nr_sacks || xs->dsack_pending)
		put_sacks(xs, opt, options_room(xs, payload, opt));
	if (unlikely(xtcp_accecn_is_on(xs)))
		xtcp_accecn_option_put(xs, opt, options_room(xs, payload, opt), accecn,
				       now_ns);
}

/*
 * May a segment have a token? Our FIN may, unless its payload leaves no room. The
 * token promises that all before RCV.NXT has been read. With SACK blocks it would be
 * made in vain: RCV.NXT is going to move. A token that we repeat goes with segments
 * without payload.
 */
static bool token_is_due(const struct xtcp_sock *xs, u8 flags, unsigned int payload)
{
	if (flags & (XTCP_SYN | XTCP_RST))
		return false;
	if (xs->token_role == XTCP_TOKEN_HELD)
		return !payload;
	return xs->token_role == XTCP_TOKEN_OFFERED && (flags & XTCP_FIN) &&
	       xs->inet.sk.sk_state == XTCP_FIN_WAIT_1 && !xs->nr_sacks &&
	       xs->copied_seq == xs->rcv_nxt &&
	       (!payload || payload + XTCP_ROOM_TOKEN <= xs->mss);
}

/* Make the token of our FIN, whose sequence number is @fin. */
static void token_make(const struct xtcp_sock *xs, const struct xtcp_key *key,
		       seq_t fin, u64 now_ns, u8 *token)
{
	const struct sock *sk = &xs->inet.sk;
	struct xtcp_token_facts facts = {
		.identity	= xtcp_isn_identity(sock_net(sk), xs->af, key),
		.snd_nxt	= seq_add(fin, 1),
		.rcv_nxt	= xs->rcv_nxt,
		.ts_offset	= xs->ts_offset,
		.tos		= xs->af->packet->tos(sk),
	};

	xtcp_token_make(sock_net(sk), &facts, div_u64(now_ns, NSEC_PER_MSEC), token);
}

/* Bytes of TCP options in each segment with payload. They give way to each other. */
static unsigned int payload_options(const struct xtcp_sock *xs)
{
	unsigned int size = xs->ts_ok ? XTCP_TS_ROOM : 0;

	if (unlikely(xtcp_accecn_fills(xs)))
		size += XTCP_ACCECN_ROOM;
	if (unlikely(xs->cookie_held))
		size += XTCP_ROOM_COOKIE;
	return min_t(unsigned int, size, XTCP_OPT_MAX);
}

/**
 * xtcp_output_option_size - get the option size of a segment with payload
 * @sk: the socket, locked
 *
 * Return: bytes of TCP's and IP's options, which the MSS doesn't count (RFC
 * 6691 2).
 */
unsigned int xtcp_output_option_size(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return payload_options(xs) + xs->af->packet->options_len(sk);
}

/*
 * Window field of a segment. It isn't scaled in a SYN (RFC 7323 2.2); a RST
 * doesn't advertise a new window.
 */
static __always_inline u16 window_field(struct sock *sk, u8 flags)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u32 wnd;

	if (flags & XTCP_SYN)
		return min(xs->rcv_wnd, XTCP_WINDOW_MAX);
	if (flags & XTCP_RST)
		wnd = xtcp_window_left(xs);
	else
		wnd = xtcp_window_select(sk);
	return min(wnd >> xs->rcv_wscale, XTCP_WINDOW_MAX);
}

/*
 * Result of a queue of this host, as 0 or -errno. A queue that is full, or
 * nearly full, is congestion like any other; NET_XMIT_CN: it has accepted the
 * segment. As in Linux the reduction is by cwnd: pacing may have let go only the first
 * segments of what the queue refuses, and a refused ACK says nothing about data.
 */
static int output_result(struct sock *sk, int err)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (likely(err <= 0))
		return err;
	xs->retransmit.refused = err != NET_XMIT_CN;
	if (xtcp_state_in(sk, XTCP_SYNCHRONIZED))
		xtcp_recovery_reduce(sk, max(xs->in_flight, xs->cwnd));
	return net_xmit_errno(err);
}

/* A transmission: one segment, or several in one skb. */
struct departure {
	seq_t	seq;
	u8	flags;
	bool	fresh;		/* has never been sent */
	u16	segs;
	u16	seg_size;	/* payload bytes in each but the last */
	u64	now_ns;		/* xtcp_pacing_departure() */
};

/*
 * Is it a SYN-ACK of a fast-open child? It counts like those of half-open records, as in Linux:
 * each one in OutSegs, and none among the segments that the connection sent.
 */
static bool is_fast_syn_ack(const struct xtcp_sock *xs, u8 flags)
{
	return unlikely(flags & XTCP_SYN) && xs->fast_child;
}

/* Has the segment no options but timestamps? */
static bool options_are_usual(const struct xtcp_sock *xs, u8 flags,
			      unsigned int payload)
{
	return likely(!(flags & XTCP_SYN) && !xs->nr_sacks &&
		      !xs->dsack_pending && !xs->cookie_held) &&
	       (likely(!xs->token_role) || !token_is_due(xs, flags, payload));
}

/*
 * Slow path: options other than timestamps, and Accurate ECN. The ACK counts as sent only if the
 * D-SACK, or else the latest SACK block, fits beside the payload (@told).
 */
static noinline struct tcphdr *
unusual_header_push(struct sock *sk, struct sk_buff *skb,
		    const struct xtcp_key *key, const struct departure *go,
		    u8 flags, bool *told)
{
	unsigned int payload = go->segs > 1 ? go->seg_size : skb->len;
	struct xtcp_sock *xs = xtcp_sk(sk);
	/* Only its first nr_sacks SACK blocks are read. */
	struct xtcp_options opt __uninitialized;
	u8 accecn[XTCP_ACCECN_OPTION_MAX] __uninitialized;
	u8 own[XTCP_TOKEN_LEN] __uninitialized;
	const u8 *token = NULL;
	struct tcphdr *th;

	memset(&opt, 0, offsetof(struct xtcp_options, sack));
	if (token_is_due(xs, flags, skb->len)) {
		token = xs->token_role == XTCP_TOKEN_HELD ? xs->token : own;
		if (token == own)
			token_make(xs, key, seq_add(go->seq, payload), go->now_ns, own);
	}
	if (flags & XTCP_SYN)
		syn_options(sk, flags, &opt, go->fresh ? accecn : NULL, go->now_ns);
	else
		later_options(xs, payload, token, &opt, accecn, go->now_ns);
	*told = opt.nr_sacks || !(xs->nr_sacks || xs->dsack_pending);
	th = xtcp_header_push(skb, key, XTCP_HDR_LEN + xtcp_options_size(&opt),
			      go->seq, xs->rcv_nxt, flags,
			      window_field(sk, flags));
	xtcp_options_write((__be32 *)(th + 1), &opt);
	if (unlikely(xtcp_accecn_is_on(xs)))
		xtcp_accecn_mark(xs, th, payload);
	return th;
}

static __always_inline struct tcphdr *
usual_header_push(struct sock *sk, struct sk_buff *skb,
		  const struct xtcp_key *key, const struct departure *go,
		  u8 flags)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 room = xs->ts_ok ? XTCP_TS_ROOM : 0;
	struct tcphdr *th;

	th = xtcp_header_push(skb, key, XTCP_HDR_LEN + room, go->seq,
			      xs->rcv_nxt, flags, window_field(sk, flags));
	if (xs->ts_ok)
		xtcp_options_write_ts((__be32 *)(th + 1),
				      xtcp_tsval_at(xs, go->now_ns),
				      xs->ts_recent);
	return th;
}

/*
 * Push a header in front of the payload, and send the segment now. Consumes
 * @skb.
 */
static __always_inline int output_transmit(struct sock *sk, struct sk_buff *skb,
					   const struct departure *go)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	unsigned int payload = skb->len;
	struct xtcp_key key __uninitialized;
	u8 flags = go->flags;
	struct tcphdr *th;
	bool accurate = false;
	bool told = true;
	u8 ecn = 0;

	if (xs->ecn.ok && !(flags & XTCP_SYN)) {
		ecn = xtcp_ecn_send(xs, go->fresh && payload, &flags);
		accurate = xtcp_accecn_is_on(xs);
	} else if (xs->ecn.ok) {
		ecn = xtcp_ecn_send_syn(xs, flags);
	}
	xtcp_key_from_flow(&key, &xs->flow);
	th = !accurate && options_are_usual(xs, flags, payload) ?
	     usual_header_push(sk, skb, &key, go, flags) :
	     unusual_header_push(sk, skb, &key, go, flags, &told);
	if (unlikely(xs->urgent.sending))
		xtcp_urgent_point(xs, th, go->seq);
	xtcp_offload_prepare(sk, skb, &key, go->segs, go->seg_size);
	xtcp_offload_own(skb, sk);
	/* A receiver on this host would drop each segment from the emergency reserve of memory. */
	skb->pfmemalloc = 0;
	xtcp_pacing_stamp(sk, skb, go->now_ns);

	if ((flags & XTCP_ACK) && told) {
		xs->dsack_pending = 0;
		xtcp_ack_sent(sk);
	}
	if (!is_fast_syn_ack(xs, flags))
		WRITE_ONCE(xs->segs_out, xs->segs_out + go->segs);
	if (payload)
		xs->data_segs_out += go->segs;
	trace_xtcp_send(sock_net(sk), &key, tcp_hdr(skb), payload);
	return output_result(sk, xtcp_family_queue_xmit(xs->af, sk, skb, ecn));
}

/**
 * xtcp_output_queued - send a segment of the send queue
 * @sk: the socket, locked
 * @skb: skb of the send queue, where it stays; a clone of it is sent
 * @now_ns: current time
 *
 * While an earlier clone has not been freed, the new header must not overwrite
 * that clone's: the linear part is copied then.
 *
 * Return: 0, also if a queue of this host is nearly full; -ENOBUFS without memory or if a queue
 * is full; -EHOSTUNREACH without a route; -EPERM, or what the rule says, if a rule of OUTPUT drops
 * the segment.
 */
int xtcp_output_queued(struct sock *sk, struct sk_buff *skb, u64 now_ns)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_sock *xs = xtcp_sk(sk);
	gfp_t gfp = GFP_ATOMIC | __GFP_NOWARN;
	struct sk_buff *clone;
	struct list_head links;
	struct departure go;

	/*
	 * In an skb in flight this memory links xs->sent_order. A clone would use
	 * it as its route and destructor, so it is cleared for the moment.
	 */
	links = skb->tcp_tsorted_anchor;
	skb->_skb_refdst = 0;
	skb->destructor = NULL;
	if (xtcp_txstamp_is_on(skb))
		clone = xtcp_txstamp_clone(sk, skb, gfp);
	else
		clone = skb_cloned(skb) ? pskb_copy(skb, gfp) : skb_clone(skb, gfp);
	skb->tcp_tsorted_anchor = links;
	if (!clone)
		return -ENOBUFS;
	/* The device shares memory with a link of the retransmission tree. */
	clone->dev = NULL;

	cb->sent_ns = xtcp_pacing_departure(sk, now_ns);
	/* As in Linux, OutSegs doesn't count retransmissions. */
	go = (struct departure) {
		.seq = cb->seq,
		/* A receiver's GRO delivers at PSH; single segments may wait there. */
		.flags = cb->segs > 1 ? cb->flags | XTCP_PSH : cb->flags,
		.fresh = seq_after(cb->end, xs->snd_nxt),
		.segs = cb->segs,
		.seg_size = cb->seg_size,
		.now_ns = cb->sent_ns,
	};
	if (go.fresh || is_fast_syn_ack(xs, go.flags))
		XTCP_ADD(sock_net(sk), OUT_SEGS, go.segs);
	return output_transmit(sk, clone, &go);
}

/*
 * An empty skb: @spare recycled, or a new one. Consumes @spare, which may be
 * NULL.
 */
static struct sk_buff *alloc_bare(struct sk_buff *spare)
{
	struct sk_buff *skb = spare;

	if (!xtcp_reply_recycle(spare, XTCP_HEADROOM)) {
		consume_skb(spare);
		skb = alloc_skb(XTCP_HEADROOM, GFP_ATOMIC | __GFP_NOWARN);
	}
	if (skb)
		skb_reserve(skb, XTCP_HEADROOM);
	return skb;
}

/**
 * xtcp_output_bare_seq - sequence number of a segment without payload
 * @xs: the socket, locked
 *
 * SND.NXT, or the right edge of the window if the peer has shrunk it, because the
 * peer would ignore an ACK beyond it. Less than one unit of a scaled window may
 * be lost by rounding (RFC 7323 2.4), so that is no shrinking; as in Linux.
 *
 * Return: the sequence number
 */
seq_t xtcp_output_bare_seq(const struct xtcp_sock *xs)
{
	seq_t edge = seq_add(xs->snd_una, xs->snd_wnd);

	return seq_dist(edge, xs->snd_nxt) >= 1 << xs->snd_wscale ? edge : xs->snd_nxt;
}

/**
 * xtcp_output_bare - send a segment without payload and without an skb in the queue
 * @sk: the socket, locked
 * @spare: received skb to recycle, or NULL; consumed
 * @seq: SEG.SEQ
 * @flags: XTCP_SYN .. XTCP_CWR; XTCP_ACK alone: a pure ACK
 * @now_ns: current time
 *
 * Return: 0, also if a queue of this host is nearly full; -ENOBUFS without memory or if a queue
 * is full; -EHOSTUNREACH without a route; -EPERM, or what the rule says, if a rule of OUTPUT drops
 * the segment.
 */
int xtcp_output_bare(struct sock *sk, struct sk_buff *spare, seq_t seq,
		     u8 flags, u64 now_ns)
{
	struct departure go = {
		.seq = seq,
		.flags = flags,
		.segs = 1,
		.now_ns = xtcp_pacing_departure(sk, now_ns),
	};
	struct sk_buff *skb = alloc_bare(spare);

	if (!skb)
		return -ENOBUFS;
	/* As in Linux, ACKs do not count as the connection's data in this host's queues. */
	if (flags == XTCP_ACK)
		skb->truesize = PURE_ACK_TRUESIZE;
	XTCP_INC(sock_net(sk), OUT_SEGS);
	return output_transmit(sk, skb, &go);
}

static int send_bare(struct sock *sk, struct sk_buff *spare, seq_t seq,
		     u8 flags)
{
	return xtcp_output_bare(sk, spare, seq, flags, xtcp_now_ns());
}

/*
 * Send an ACK. Without memory it stays pending, and a timer sends it before the
 * peer retransmits.
 */
static void output_ack_at(struct sock *sk, struct sk_buff *spare, u64 now_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (xtcp_state_in(sk, XTCP_UNCONNECTED)) {
		consume_skb(spare);
		return;
	}
	if (xtcp_output_bare(sk, spare, xtcp_output_bare_seq(xs), XTCP_ACK, now_ns) != -ENOBUFS)
		return;
	xtcp_ack_failed(sk);
}

/**
 * xtcp_output_ack_recycle - send an ACK in the skb that it answers
 * @sk: the socket, locked; a segment that arrived at last_rcv_ns is being
 *	handled
 * @spare: that segment if it is not needed any more, or NULL; consumed
 *
 * Otherwise as xtcp_output_ack().
 */
void xtcp_output_ack_recycle(struct sock *sk, struct sk_buff *spare)
{
	output_ack_at(sk, spare, xtcp_sk(sk)->last_rcv_ns);
}

/**
 * xtcp_output_ack - send an ACK without payload now
 * @sk: the socket, locked
 *
 * Without memory the ACK stays pending, and a timer sends it before the peer
 * retransmits.
 */
void xtcp_output_ack(struct sock *sk)
{
	output_ack_at(sk, NULL, xtcp_now_ns());
}

/**
 * xtcp_output_probe - ask the peer for an ACK
 * @sk: the socket, locked
 *
 * SEG.SEQ = SND.UNA-1 is outside the peer's window, so the peer answers; the
 * segment has no payload (SHLD-12). For the same reason the peer ignores its
 * other fields, so an urgent pointer needs a segment of its own (MUST-66), unless the urgent
 * byte is too far away for it.
 */
void xtcp_output_probe(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (xtcp_urgent_is_probed(xs))
		send_bare(sk, NULL, xs->snd_una, XTCP_ACK);
	send_bare(sk, NULL, seq_sub(xs->snd_una, 1), XTCP_ACK);
}

/**
 * xtcp_output_reset - send a RST
 * @sk: the socket, locked; its state may be CLOSED already
 *
 * RFC 9293 3.10.5: <SEQ=SND.NXT><CTL=RST>. With ACK, as Linux does.
 */
void xtcp_output_reset(struct sock *sk)
{
	struct net *net = sock_net(sk);

	XTCP_INC(net, OUT_RSTS);
	if (send_bare(sk, NULL, xtcp_output_bare_seq(xtcp_sk(sk)), XTCP_RST | XTCP_ACK))
		XTCP_INC(net, ABORT_FAILED);
}

/**
 * xtcp_output_syn_ack - answer the peer's SYN by our SYN in flight
 * @sk: the socket, locked, in SYN-RECEIVED or the child of a fast open
 * @syn: our SYN, or the SYN-ACK that it has become; in flight
 *
 * It becomes a SYN-ACK; its retransmissions are SYN-ACKs, too.
 */
void xtcp_output_syn_ack(struct sock *sk, struct sk_buff *syn)
{
	xtcp_cb(syn)->flags = xtcp_ecn_syn_ack(xtcp_sk(sk), xtcp_cb(syn)->flags);
	xtcp_output_queued(sk, syn, xtcp_now_ns());
}

/*
 * Our MSS option: the largest segment that we can receive (MUST-67), or
 * TCP_MAXSEG.
 */
static u16 announced_mss(const struct xtcp_sock *xs, const struct dst_entry *dst)
{
	return xtcp_maxseg_limit(xs, min_t(u32, dst_metric_advmss(dst), U16_MAX));
}

/**
 * xtcp_output_route_find - find the route of what is sent next
 * @sk: the socket, locked
 *
 * If there is none, the connection ends with the error of the route when it gives up.
 *
 * Return: 0, or -EHOSTUNREACH if there is none
 */
int xtcp_output_route_find(struct sock *sk)
{
	const struct dst_entry *dst = xtcp_sk(sk)->af->route->find(sk);

	if (!IS_ERR(dst))
		return 0;
	/* As in Linux not for a server of fast open whose handshake has not ended. */
	if (!xtcp_sk(sk)->fast_held)
		WRITE_ONCE(sk->sk_err_soft, -PTR_ERR(dst));
	return -EHOSTUNREACH;
}

/**
 * xtcp_output_mss_sync - recompute the MSS
 * @sk: the socket, locked
 * @pmtu: path MTU in bytes; 0: take it from the route, and our MSS option, too
 *
 * RFC 9293 3.7.1: the MSS is the least of the peer's MSS option, the path's and
 * TCP_MAXSEG as of the opening, less the options of each segment, IP's included
 * (MUST-16, RFC 6691 2). xtcp_min_snd_mss limits it before TCP's options are subtracted. It
 * is at most half of the largest window that the peer has advertised, so that a
 * small buffer can hold two segments, but no less than MSS_HALF_MIN, as in Linux.
 * Queued skbs are split when they are sent.
 */
void xtcp_output_mss_sync(struct sock *sk, u32 pmtu)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 header = xs->af->ip_hdr_len + XTCP_HDR_LEN;
	u32 least = XTCP_KNOB(sock_net(sk), min_snd_mss);
	u32 options = payload_options(xs);
	u32 half = xs->snd_wnd_max;
	struct dst_entry *dst;
	u32 mss;

	if (!pmtu) {
		dst = xs->af->route->find(sk);
		if (IS_ERR_OR_NULL(dst))
			return;
		pmtu = dst_mtu(dst);
		xs->advmss = announced_mss(xs, dst);
	}

	mss = pmtu > header ? pmtu - header : 0;
	xs->mtu.fragmented = mss < least + xs->af->packet->options_len(sk);
	mss = xtcp_mtuprobe_bound(xs, min(mss, XTCP_MSS_MOST));
	mss = min_t(u32, mss, xs->peer_mss);
	mss -= min(mss, xs->af->packet->options_len(sk));
	mss = max(mss, least) - options;

	if (half > XTCP_MSS_DEFAULT)
		half /= 2;
	if (half)
		mss = min(mss, max(half, MSS_HALF_MIN - options));

	WRITE_ONCE(xs->pmtu, pmtu);
	WRITE_ONCE(xs->mss, mss);
}
