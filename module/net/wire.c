// SPDX-License-Identifier: GPL-2.0
/*
 * wire.c - the options of the TCP header: the parser, and the writer
 *
 * RFC 9293 3.1 and 3.2, RFC 7323 (window scale, timestamps), RFC 2018 (SACK),
 * RFC 6994 (the ExIDs of the lossless cookie and of the token), RFC 7413 (the cookie of
 * fast open), RFC 9768 (Accurate ECN). Anybody may have sent the input.
 *
 * Context: any, no locks.
 */
#include "net/wire.h"

#include <linux/minmax.h>
#include <uapi/linux/xtcp.h>

#define LEN_MSS		4
#define LEN_WSCALE	3
#define LEN_SACK_PERM	2
#define LEN_SACK_BLOCK	8
#define LEN_COOKIE	XTCP_ROOM_COOKIE	/* no padding */
#define LEN_TOKEN	XTCP_ROOM_TOKEN
#define LEN_FASTOPEN	2	/* and the cookie */
#define LEN_FASTOPEN_EXP 4	/* and the cookie */
#define LEN_SACK(n)	(2 + LEN_SACK_BLOCK * (n))

/* Bytes of options in the header: words of four bytes, padded with NOPs. */
#define ROOM_MSS	4
#define ROOM_WSCALE	4
#define ROOM_SACK_PERM	4

static_assert(sizeof(struct tcphdr) == XTCP_HDR_LEN);
/*
 * MSS, timestamps (with SACK-permitted as their padding), window scale and a lossless cookie fill
 * the options of a SYN-ACK. No option of Accurate ECN or fast open fits beside them.
 */
static_assert(ROOM_MSS + XTCP_TS_ROOM + ROOM_WSCALE + XTCP_ROOM_COOKIE == XTCP_OPT_MAX);
/* The options of a SYN with the longest cookie of fast open fit exactly, too. */
static_assert(ROOM_MSS + XTCP_TS_ROOM + ROOM_WSCALE + LEN_FASTOPEN_EXP +
	      XTCP_FASTOPEN_MAX == XTCP_OPT_MAX);
/* A token, timestamps and a D-SACK fit exactly, too. */
static_assert(XTCP_TS_ROOM + XTCP_ROOM_TOKEN + XTCP_ROOM_SACK(1) == XTCP_OPT_MAX);

/* Four bytes of options in network order. */
static __be32 opt_word(u8 a, u8 b, u8 c, u8 d)
{
	return cpu_to_be32((u32)a << 24 | (u32)b << 16 | (u32)c << 8 | d);
}

static void opt_wscale_get(u8 shift, struct xtcp_options *opt)
{
	opt->has_wscale = 1;
	opt->wscale = min_t(u8, shift, XTCP_WSCALE_MAX);
}

/* @p: first block; @len: bytes of blocks, 8 n */
static void opt_sack_get(const u8 *p, unsigned int len,
			 struct xtcp_options *opt)
{
	unsigned int i;

	opt->nr_sacks = min_t(unsigned int, len / LEN_SACK_BLOCK,
			      XTCP_SACK_MAX);
	for (i = 0; i < opt->nr_sacks; i++, p += LEN_SACK_BLOCK) {
		opt->sack[i].start = seq_get(p);
		opt->sack[i].end = seq_get(p + 4);
	}
}

/* The first cookie and the first token count. */
static void opt_experiment_get(const u8 *p, u8 len, bool syn,
			       struct xtcp_options *opt)
{
	if (len == LEN_COOKIE && !opt->cookie &&
	    get_unaligned_be16(p + 2) == XTCP_EXID_COOKIE)
		opt->cookie = p + 4;
	else if (len == LEN_TOKEN && !opt->token && !syn &&
		 get_unaligned_be16(p + 2) == XTCP_EXID_TOKEN)
		opt->token = p + 4;
}

/*
 * @body: behind kind, length and ExID, @len bytes. As in Linux, an option of odd length is
 * skipped. One whose cookie is too short or too long counts as absent, and so does a good one
 * before it.
 */
static void opt_fastopen_get(const u8 *body, u8 len, bool exp, struct xtcp_options *opt)
{
	if (len & 1)
		return;
	opt->has_fastopen = !len || (len >= XTCP_FASTOPEN_MIN && len <= XTCP_FASTOPEN_MAX);
	opt->fastopen_exp = exp;
	opt->fastopen_len = len;
	opt->fastopen = body;
}

/*
 * Parse one option that lies within the header. An option of the wrong length,
 * or on a segment where it has no meaning, is skipped like an unknown one
 * (MUST-6, MUST-65).
 */
static void opt_get(const u8 *p, u8 len, bool syn, struct xtcp_options *opt)
{
	switch (p[0]) {
	case XTCP_OPT_MSS:
		if (len == LEN_MSS && syn)
			opt->mss = get_unaligned_be16(p + 2);
		break;
	case XTCP_OPT_WSCALE:
		if (len == LEN_WSCALE && syn)
			opt_wscale_get(p[2], opt);
		break;
	case XTCP_OPT_SACK_PERM:
		if (len == LEN_SACK_PERM && syn)
			opt->sack_perm = 1;
		break;
	case XTCP_OPT_SACK:
		if (len >= LEN_SACK(1) && len % LEN_SACK_BLOCK == 2 && !syn)
			opt_sack_get(p + 2, len - 2, opt);
		break;
	case XTCP_OPT_TS:
		if (len == XTCP_TS_LEN)
			xtcp_options_read_ts(opt, p + 2);
		break;
	case XTCP_OPT_ACCECN0:
	case XTCP_OPT_ACCECN1:
		/* Any length: a receiver reads the fields that are complete. */
		opt->accecn = p;
		opt->accecn_len = len;
		break;
	case XTCP_OPT_EXPERIMENT:
		opt_experiment_get(p, len, syn, opt);
		break;
	case XTCP_OPT_FASTOPEN:
		if (syn)
			opt_fastopen_get(p + LEN_FASTOPEN, len - LEN_FASTOPEN, false, opt);
		break;
	case XTCP_OPT_EXPERIMENT2:
		if (syn && len >= LEN_FASTOPEN_EXP &&
		    get_unaligned_be16(p + 2) == XTCP_EXID_FASTOPEN)
			opt_fastopen_get(p + LEN_FASTOPEN_EXP, len - LEN_FASTOPEN_EXP,
					 true, opt);
		break;
	}
}

/*
 * Has a SYN all the options that Linux and similar stacks send, in their order?
 * Most SYNs have, those of floods, too.
 */
static bool opt_is_usual_syn(const struct tcphdr *th)
{
	const __be32 *p = (const __be32 *)(th + 1);

	return th->doff * 4 == XTCP_HDR_LEN + ROOM_MSS + XTCP_TS_ROOM + ROOM_WSCALE &&
	       th->syn &&
	       (get_unaligned(p) & htonl(0xffff0000)) ==
			opt_word(XTCP_OPT_MSS, LEN_MSS, 0, 0) &&
	       get_unaligned(p + 1) ==
			opt_word(XTCP_OPT_SACK_PERM, LEN_SACK_PERM,
				 XTCP_OPT_TS, XTCP_TS_LEN) &&
	       (get_unaligned(p + 4) & htonl(0xffffff00)) ==
			opt_word(XTCP_OPT_NOP, XTCP_OPT_WSCALE, LEN_WSCALE, 0);
}

static void opt_usual_syn_get(const u8 *p, struct xtcp_options *opt)
{
	opt->mss = get_unaligned_be16(p + 2);
	opt->sack_perm = 1;
	xtcp_options_read_ts(opt, p + 8);
	opt_wscale_get(p[19], opt);
}

/**
 * xtcp_options_parse - parse the options of a segment
 * @th: header, linear with all of its data offset, which is at least 5
 * @opt: filled; an option that the segment doesn't have is 0
 *
 * RFC 9293 3.1: options of any alignment (MUST-64), in any segment (MUST-5). A
 * length below 2 or beyond the end of the header ends the parsing; the options
 * before it count (MUST-7).
 */
void xtcp_options_parse(const struct tcphdr *th, struct xtcp_options *opt)
{
	const u8 *p = (const u8 *)(th + 1);
	const u8 *end = (const u8 *)th + th->doff * 4;

	xtcp_options_clear(opt);
	if (opt_is_usual_syn(th)) {
		opt_usual_syn_get(p, opt);
		return;
	}
	while (p < end && *p != XTCP_OPT_EOL) {
		if (*p == XTCP_OPT_NOP) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return;
		opt_get(p, p[1], th->syn, opt);
		p += p[1];
	}
}

/* Number of SACK blocks that fit beside the other options. */
static unsigned int opt_sacks(const struct xtcp_options *opt, unsigned int used)
{
	unsigned int n = min_t(unsigned int, opt->nr_sacks, XTCP_SACK_MAX);

	while (n && used + XTCP_ROOM_SACK(n) > XTCP_OPT_MAX)
		n--;
	return n;
}

/* Bytes of the option of fast open, without padding. */
static u8 opt_fastopen_len(const struct xtcp_options *opt)
{
	return opt->fastopen_len + (opt->fastopen_exp ? LEN_FASTOPEN_EXP : LEN_FASTOPEN);
}

/* Bytes of all options but SACK. */
static inline unsigned int opt_size_fixed(const struct xtcp_options *opt)
{
	unsigned int size = 0;

	if (opt->mss)
		size += ROOM_MSS;
	if (opt->has_ts)
		size += XTCP_TS_ROOM;
	else if (opt->sack_perm)
		size += ROOM_SACK_PERM;
	if (opt->has_wscale)
		size += ROOM_WSCALE;
	if (opt->cookie)
		size += XTCP_ROOM_COOKIE;
	if (opt->token)
		size += XTCP_ROOM_TOKEN;
	if (unlikely(opt->has_fastopen))
		size += ALIGN(opt_fastopen_len(opt), 4);
	size += ALIGN(opt->accecn_len, 4);
	return size;
}

/**
 * xtcp_options_size - get the size of the options in the header
 * @opt: options to be written
 *
 * Return: bytes, a multiple of four, XTCP_OPT_MAX at most; exactly as many as
 * xtcp_options_write() writes.
 */
unsigned int xtcp_options_size(const struct xtcp_options *opt)
{
	unsigned int size = opt_size_fixed(opt);
	unsigned int sacks = opt_sacks(opt, size);

	return sacks ? size + XTCP_ROOM_SACK(sacks) : size;
}

/*
 * @len: bytes of the option, a multiple of four; its last len - 4 are @body. Inlined:
 * a copy of a constant length is a few instructions, in each cookie's SYN-ACK.
 */
static __always_inline __be32 *opt_experiment_put(__be32 *p, u8 len, u16 exid,
						  const u8 *body)
{
	*p++ = opt_word(XTCP_OPT_EXPERIMENT, len, exid >> 8, exid & 0xff);
	memcpy(p, body, len - 4);
	return p + (len - 4) / sizeof(*p);
}

/* Padded behind with NOPs, as Linux does. */
static noinline __be32 *opt_fastopen_put(__be32 *at, const struct xtcp_options *opt)
{
	u8 len = opt_fastopen_len(opt);
	u8 *p = (u8 *)at;

	*p++ = opt->fastopen_exp ? XTCP_OPT_EXPERIMENT2 : XTCP_OPT_FASTOPEN;
	*p++ = len;
	if (opt->fastopen_exp) {
		put_unaligned_be16(XTCP_EXID_FASTOPEN, p);
		p += sizeof(u16);
	}
	memcpy(p, opt->fastopen, opt->fastopen_len);
	p += opt->fastopen_len;
	if (len % 4) {
		*p++ = XTCP_OPT_NOP;
		*p++ = XTCP_OPT_NOP;
	}
	return (__be32 *)p;
}

/* Pads with NOPs, as opt_fastopen_put() does. */
static noinline __be32 *opt_accecn_put(__be32 *at, const struct xtcp_options *opt)
{
	u8 padded = ALIGN(opt->accecn_len, 4);
	u8 *p = (u8 *)at;

	memcpy(p, opt->accecn, opt->accecn_len);
	memset(p + opt->accecn_len, XTCP_OPT_NOP, padded - opt->accecn_len);
	return (__be32 *)(p + padded);
}

static __be32 *opt_sack_put(__be32 *p, const struct xtcp_options *opt,
			    unsigned int sacks)
{
	unsigned int i;

	*p++ = opt_word(XTCP_OPT_NOP, XTCP_OPT_NOP, XTCP_OPT_SACK,
			LEN_SACK(sacks));
	for (i = 0; i < sacks; i++) {
		*p++ = seq_net(opt->sack[i].start);
		*p++ = seq_net(opt->sack[i].end);
	}
	return p;
}

/**
 * xtcp_options_write - write the options behind a header
 * @p: buffer of xtcp_options_size() bytes, aligned to four bytes
 * @opt: options; SACK blocks that don't fit are left out
 *
 * The order is Linux's, for which other stacks are tuned: MSS, SACK-permitted
 * in the two bytes in front of the timestamps, Accurate ECN, window scale, SACK; a cookie, a
 * token or fast open's cookie before SACK. The options fill all words, so there is no end-of-list
 * byte (MUST-69).
 */
void xtcp_options_write(__be32 *p, const struct xtcp_options *opt)
{
	unsigned int sacks = 0;

	if (opt->nr_sacks)
		sacks = opt_sacks(opt, opt_size_fixed(opt));
	if (opt->mss)
		*p++ = opt_word(XTCP_OPT_MSS, LEN_MSS, opt->mss >> 8,
				opt->mss & 0xff);
	if (opt->has_ts) {
		if (opt->sack_perm)
			*p++ = opt_word(XTCP_OPT_SACK_PERM, LEN_SACK_PERM,
					XTCP_OPT_TS, XTCP_TS_LEN);
		else
			*p++ = XTCP_OPT_TS_WORD;
		*p++ = cpu_to_be32(opt->tsval);
		*p++ = cpu_to_be32(opt->tsecr);
	}
	if (unlikely(opt->accecn_len))
		p = opt_accecn_put(p, opt);
	if (opt->sack_perm && !opt->has_ts)
		*p++ = opt_word(XTCP_OPT_NOP, XTCP_OPT_NOP,
				XTCP_OPT_SACK_PERM, LEN_SACK_PERM);
	if (opt->has_wscale)
		*p++ = opt_word(XTCP_OPT_NOP, XTCP_OPT_WSCALE, LEN_WSCALE,
				opt->wscale);
	if (opt->cookie)
		p = opt_experiment_put(p, LEN_COOKIE, XTCP_EXID_COOKIE, opt->cookie);
	if (opt->token)
		p = opt_experiment_put(p, LEN_TOKEN, XTCP_EXID_TOKEN, opt->token);
	if (unlikely(opt->has_fastopen))
		p = opt_fastopen_put(p, opt);
	if (sacks)
		opt_sack_put(p, opt, sacks);
}
