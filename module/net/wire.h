/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wire.h - format of a segment: header and options
 *
 * RFC 9293 3.1 (header), 3.2 (options), RFC 7323 (window scale, timestamps),
 * RFC 2018 (SACK), RFC 7413 (fast open), RFC 9768 (Accurate ECN). Both wires have this header;
 * they differ in the IP protocol number, which is also in the pseudo-header.
 */
#ifndef XTCP_NET_WIRE_H
#define XTCP_NET_WIRE_H

#include <linux/skbuff.h>
#include <linux/stddef.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <uapi/linux/xtcp.h>

#include "seq.h"


#define XTCP_HDR_LEN		20	/* bytes, RFC 9293 3.1 */
#define XTCP_HDR_MAX		60	/* bytes, data offset 15 */
#define XTCP_OPT_MAX		(XTCP_HDR_MAX - XTCP_HDR_LEN)
#define XTCP_WINDOW_MAX		65535U	/* window field, unscaled */
#define XTCP_WSCALE_MAX		14	/* RFC 7323 2.3 */
#define XTCP_SACK_MAX		4	/* blocks that fit, RFC 2018 3 */
#define XTCP_SACK_TS_MAX	3	/* the same beside timestamps */
#define XTCP_MSS_DEFAULT	536U	/* bytes, RFC 9293 MUST-15, IPv4 */
#define XTCP_MSS_MOST		65495U	/* bytes, largest payload of an IPv4 packet */
#define XTCP_MSS_MIN		88U	/* bytes, least of TCP_MAXSEG; Linux's TCP_MIN_MSS */

/* Flag bits, as in byte 13 of the header (RFC 9293 3.1). */
#define XTCP_FIN	0x01
#define XTCP_SYN	0x02
#define XTCP_RST	0x04
#define XTCP_PSH	0x08
#define XTCP_ACK	0x10
#define XTCP_URG	0x20
#define XTCP_ECE	0x40
#define XTCP_CWR	0x80

/* Bits of byte 12, below the data offset; AE is RFC 9768's. */
#define XTCP_OFFSET_AE		0x01
#define XTCP_OFFSET_RESERVED	0x0f

/* Option kinds; others are skipped by their length (MUST-6). */
#define XTCP_OPT_EOL		0
#define XTCP_OPT_NOP		1
#define XTCP_OPT_MSS		2	/* length 4 */
#define XTCP_OPT_WSCALE		3	/* length 3 */
#define XTCP_OPT_SACK_PERM	4	/* length 2 */
#define XTCP_OPT_SACK		5	/* length 2 + 8 n */
#define XTCP_OPT_TS		8
#define XTCP_TS_LEN		10	/* bytes of the option */
#define XTCP_TS_ROOM		12	/* bytes with the padding in front */
#define XTCP_OPT_FASTOPEN	34	/* length 2: request; 2 + even 4..16: cookie */
#define XTCP_OPT_ACCECN0	172	/* length 2 + 3 n: fields EE0B, ECEB, EE1B */
#define XTCP_OPT_ACCECN1	174	/* likewise: EE1B, ECEB, EE0B */
#define XTCP_OPT_EXPERIMENT	253	/* RFC 6994: a 16-bit ExID follows */
#define XTCP_OPT_EXPERIMENT2	254	/* likewise */

/*
 * A cookie of fast open, RFC 7413 2: in SYNs and SYN-ACKs. Before the RFC it was an
 * experimental option, which Linux still tries if nobody answers the other.
 */
#define XTCP_EXID_FASTOPEN	0xf989
#define XTCP_FASTOPEN_MIN	4	/* bytes of a cookie */
#define XTCP_FASTOPEN_MAX	16

/*
 * The lossless cookie (open/cookie.c), ExID "XC": length 20, in SYN-ACKs and
 * the segments that echo it. open/cookie.c creates and checks the bytes behind
 * the ExID.
 */
#define XTCP_EXID_COOKIE	0x5843
#define XTCP_COOKIE_LEN		16	/* bytes behind the ExID */
#define XTCP_COOKIE_MSS		4	/* MSS values of a classic cookie */
#define XTCP_ROOM_COOKIE	(4 + XTCP_COOKIE_LEN)	/* bytes in a header */

/*
 * The token of stateless TIME-WAIT, ExID "XT": length 16, on the FIN of the end that
 * closes first and on segments of its peer, which echo it. token.c creates and
 * checks the bytes behind the ExID.
 */
#define XTCP_EXID_TOKEN		0x5854
#define XTCP_TOKEN_LEN		12	/* bytes behind the ExID */
#define XTCP_ROOM_TOKEN		(4 + XTCP_TOKEN_LEN)	/* bytes in a header */

#define XTCP_ROOM_SACK(n)	(4 + 8 * (n))	/* bytes in a header, with padding */

/* A range of received bytes: [start, end). */
struct xtcp_sack_block {
	seq_t	start;
	seq_t	end;
};

/**
 * struct xtcp_options - the options of one segment, parsed or to be written
 * @mss: MSS in bytes; 0: no such option
 * @has_wscale: window scale option present (SYN segments only)
 * @wscale: shift, 0..14; larger ones are received as 14 (RFC 7323 2.3)
 * @sack_perm: SACK-permitted present (SYN segments only)
 * @has_ts: timestamps option present
 * @ecn: ECN was negotiated; set from a cookie, because no option carries it
 * @accecn_ok: the same for Accurate ECN
 * @tsval: TSval, ticks of its sender
 * @tsecr: TSecr
 * @has_fastopen: option of fast open present (SYN segments only)
 * @fastopen_exp: in its experimental form
 * @fastopen_len: bytes of its cookie, even, 4..16; 0: it asks for one. Valid with
 *	@has_fastopen, as @fastopen
 * @nr_sacks: blocks in @sack; a D-SACK comes first (RFC 2883)
 * @accecn_len: bytes of an option of Accurate ECN; 0: no such option
 * @accecn: that option from its kind on; valid with @accecn_len
 * @cookie: XTCP_COOKIE_LEN bytes of a lossless cookie, in the segment or in
 *	other memory; NULL: no such option
 * @token: XTCP_TOKEN_LEN bytes of a token, likewise
 * @fastopen: @fastopen_len bytes of a cookie of fast open, likewise
 * @sack: SACK blocks, host order
 */
struct xtcp_options {
	struct_group(zero,
		u16		mss;
		u8		has_wscale:1,
				sack_perm:1,
				has_ts:1,
				ecn:1,
				has_fastopen:1,
				fastopen_exp:1,
				accecn_ok:1;
		u8		wscale;
		u8		nr_sacks;
		u8		accecn_len;
		u8		fastopen_len;
		u32		tsval;
		u32		tsecr;
		const u8	*cookie;
		const u8	*token;
	);
	const u8		*fastopen;
	const u8		*accecn;
	struct xtcp_sack_block	sack[XTCP_SACK_MAX];
};

/**
 * struct xtcp_seg - a received segment, in the terms of RFC 9293 3.3.1
 * @seq: SEG.SEQ
 * @end: SEG.SEQ + SEG.LEN; SYN and FIN count one each
 * @ack: SEG.ACK, valid when @flags has XTCP_ACK
 * @len: payload bytes, SYN and FIN not counted
 * @wnd: SEG.WND as in the header: unscaled
 * @up: SEG.UP, offset from @seq
 * @flags: XTCP_FIN .. XTCP_CWR
 * @offset: the data offset's byte: XTCP_OFFSET_*
 * @opt: options
 *
 * It is on the stack of the function that handles the segment; the payload
 * stays in the skb.
 */
struct xtcp_seg {
	seq_t			seq;
	seq_t			end;
	seq_t			ack;
	u32			len;
	u16			wnd;
	u16			up;
	u8			flags;
	u8			offset;
	struct xtcp_options	opt;
};

/**
 * struct xtcp_skb_cb - the engine's data in skb->cb
 * @ip: the IP layer's data (route options, iif); first, because IP reads it on
 *	arrival and when the segment is sent; 0 in the send queue, unless @stamp_seq is there
 * @stamp_seq: byte whose times are to be reported (send queue, with XTCP_MARK_STAMP)
 * @seq: sequence number of the first byte (or of SYN)
 * @end: sequence number behind the last byte (or behind FIN)
 * @sent_ns: time of the last transmission, CLOCK_MONOTONIC in ns (send queue
 *	only); in the future while fq holds the segment
 * @run_end: of a SACKed segment instead: all bytes from @seq to there have
 *	arrived
 * @flags: header flags
 * @retrans: number of retransmissions, saturating (send queue only)
 * @marks: XTCP_MARK_*: scoreboard flags, and what is to be reported (send queue
 *	only)
 * @segs: number of segments sent (send queue, once it was sent)
 * @seg_size: payload bytes in each of these segments but the last
 * @iss: of a SYN that arrives, with XTCP_IPSKB_SUCCESSOR: the ISN of the answer
 */
struct xtcp_skb_cb {
	union {
		union {
			struct inet_skb_parm	h4;
#if IS_ENABLED(CONFIG_IPV6)
			struct inet6_skb_parm	h6;
#endif
		} ip;
		seq_t	stamp_seq;
	};
	seq_t	seq;
	seq_t	end;
	union {
		u64	sent_ns;
		seq_t	run_end;
	};
	u8	flags;
	u8	retrans;
	u8	marks;
	union {
		struct {
			u16	segs;
			u16	seg_size;
		};
		seq_t	iss;
	};
} __packed __aligned(4);

#define XTCP_MARK_SACKED	0x01	/* the peer has received it, RFC 2018 */
#define XTCP_MARK_LOST		0x02	/* lost, to be sent again */
#define XTCP_MARK_RETRANS	0x04	/* sent again and still in flight */
#define XTCP_MARK_STAMP		0x08	/* report when a byte is sent: txstamp.c */
#define XTCP_MARK_STAMP_ACK	0x10	/* and when it is acknowledged */
#define XTCP_MARK_EOR		0x20	/* MSG_EOR: nothing may be added behind it */
#define XTCP_MARK_STAMPS	(XTCP_MARK_STAMP | XTCP_MARK_STAMP_ACK)

static inline struct xtcp_skb_cb *xtcp_cb(const struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct xtcp_skb_cb) >
		     sizeof_field(struct sk_buff, cb));
	return (struct xtcp_skb_cb *)skb->cb;
}

/*
 * Options are parsed in place: @th must be linear with all of its data offset.
 * The options of a SYN are accepted only if @th has SYN.
 */
void xtcp_options_parse(const struct tcphdr *th, struct xtcp_options *opt);
unsigned int xtcp_options_size(const struct xtcp_options *opt);
void xtcp_options_write(__be32 *p, const struct xtcp_options *opt);

/* First word of the timestamps option as nearly every segment has it. */
#define XTCP_OPT_TS_WORD \
	htonl(XTCP_OPT_NOP << 24 | XTCP_OPT_NOP << 16 | XTCP_OPT_TS << 8 | XTCP_TS_LEN)

/**
 * xtcp_options_write_ts - write the timestamps option only
 * @p: buffer of XTCP_TS_ROOM bytes, aligned to four bytes
 * @tsval: TSval
 * @tsecr: TSecr
 */
static inline void xtcp_options_write_ts(__be32 *p, u32 tsval, u32 tsecr)
{
	p[0] = XTCP_OPT_TS_WORD;
	p[1] = htonl(tsval);
	p[2] = htonl(tsecr);
}

/* @fastopen, @accecn and @sack are valid only if a field of the group says so. */
static inline void xtcp_options_clear(struct xtcp_options *opt)
{
	opt->zero = (typeof(opt->zero)){};
}

/*
 * Is the timestamps option the only one, as xtcp_options_write_ts() writes it?
 */
static inline bool xtcp_options_are_ts_alone(const struct tcphdr *th)
{
	return th->doff * 4 == XTCP_HDR_LEN + XTCP_TS_ROOM &&
	       get_unaligned((const __be32 *)(th + 1)) == XTCP_OPT_TS_WORD;
}

/* @p: the option behind its kind and length. */
static inline void xtcp_options_read_ts(struct xtcp_options *opt, const u8 *p)
{
	opt->has_ts = 1;
	opt->tsval = get_unaligned_be32(p);
	opt->tsecr = get_unaligned_be32(p + 4);
}

/*
 * Can a segment carry a token, by the length of its header? Most segments of a flood have
 * shorter headers: their options need not be parsed. A returned lossless cookie is as long, so
 * true does not mean a token.
 */
static inline bool xtcp_wire_may_have_token(const struct tcphdr *th)
{
	return th->doff * 4 >= XTCP_HDR_LEN + XTCP_TS_ROOM + XTCP_ROOM_TOKEN &&
	       th->ack && !th->syn && !th->rst;
}

/**
 * xtcp_wire_pull - make the header with its options linear
 * @skb: segment; skb->data at the header
 *
 * Return: true if the header is complete; false if it is truncated, or its data
 * offset is below 5 or beyond the segment (RFC 9293 3.1). Pointers into @skb
 * are stale afterwards.
 */
static inline bool xtcp_wire_pull(struct sk_buff *skb)
{
	unsigned int len;

	if (!pskb_may_pull(skb, XTCP_HDR_LEN))
		return false;
	len = ((const struct tcphdr *)skb->data)->doff * 4;
	return len >= XTCP_HDR_LEN && pskb_may_pull(skb, len);
}

/**
 * xtcp_seg_read_header - read a segment's header without its options
 * @seg: filled, except for the options
 * @skb: segment; skb->data at the header, after xtcp_wire_pull()
 *
 * Sets the sequence numbers and flags of @skb's control block as well.
 */
static inline void xtcp_seg_read_header(struct xtcp_seg *seg,
					const struct sk_buff *skb)
{
	const struct tcphdr *th = (const struct tcphdr *)skb->data;
	struct xtcp_skb_cb *cb = xtcp_cb(skb);

	seg->seq = seq_get(&th->seq);
	seg->ack = seq_get(&th->ack_seq);
	seg->len = skb->len - th->doff * 4;
	seg->end = seq_add(seg->seq, seg->len + th->syn + th->fin);
	seg->wnd = get_unaligned_be16(&th->window);
	seg->up = get_unaligned_be16(&th->urg_ptr);
	seg->flags = skb->data[13];
	/* Kernels name the bits below the data offset differently. */
	seg->offset = skb->data[12];

	cb->seq = seg->seq;
	cb->end = seg->end;
	cb->sent_ns = 0;
	cb->flags = seg->flags;
	cb->retrans = 0;
	cb->marks = 0;
}

/**
 * xtcp_seg_read_options - read a segment's options
 * @seg: its options are filled
 * @skb: segment, as for xtcp_seg_read_header()
 * @wire: IP protocol on which it arrived; xtcp's own options are ignored on the
 *	TCP wire, because another TCP may use the same ExID
 */
static inline void xtcp_seg_read_options(struct xtcp_seg *seg,
					 const struct sk_buff *skb, u8 wire)
{
	const struct tcphdr *th = (const struct tcphdr *)skb->data;

	if (likely(xtcp_options_are_ts_alone(th))) {
		xtcp_options_clear(&seg->opt);
		xtcp_options_read_ts(&seg->opt, (const u8 *)(th + 1) + 4);
		return;
	}
	xtcp_options_parse(th, &seg->opt);
	if (wire == XTCP_WIRE_TCP) {
		seg->opt.cookie = NULL;
		seg->opt.token = NULL;
	}
}

/**
 * xtcp_seg_read - read a segment's header and options
 * @seg: filled
 * @skb: segment, as for xtcp_seg_read_header()
 * @wire: as for xtcp_seg_read_options()
 */
static inline void xtcp_seg_read(struct xtcp_seg *seg,
				 const struct sk_buff *skb, u8 wire)
{
	xtcp_seg_read_header(seg, skb);
	xtcp_seg_read_options(seg, skb, wire);
}

#endif /* XTCP_NET_WIRE_H */
