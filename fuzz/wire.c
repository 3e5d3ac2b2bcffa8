// SPDX-License-Identifier: GPL-2.0
/*
 * wire.c - header and options of an unknown peer, read in user space
 *
 * module/net/wire.c under libFuzzer, ASan and UBSan. The input is a segment, in
 * memory that ends where the segment does. Besides the sanitizers' checks, what was
 * read must be equal after writing and reading it again, and equal to what an oracle
 * reads that was written for clarity, not for speed.
 */
#include "kernel.h"

#include "../module/net/wire.c"

/* RFC 9293 3.2, byte by byte, without the module's optimizations. */
static void oracle(const u8 *p, unsigned int len, bool syn, struct xtcp_options *opt)
{
	unsigned int i = 0;

	memset(opt, 0, sizeof(*opt));
	while (i < len && p[i] != 0) {
		unsigned int size;

		if (p[i] == 1) {
			i++;
			continue;
		}
		if (i + 1 >= len)
			return;
		size = p[i + 1];
		if (size < 2 || i + size > len)
			return;
		if (p[i] == 2 && size == 4 && syn)
			opt->mss = p[i + 2] << 8 | p[i + 3];
		if (p[i] == 3 && size == 3 && syn) {
			opt->has_wscale = 1;
			opt->wscale = p[i + 2] > 14 ? 14 : p[i + 2];
		}
		if (p[i] == 4 && size == 2 && syn)
			opt->sack_perm = 1;
		if (p[i] == 5 && size >= 10 && (size - 2) % 8 == 0 && !syn) {
			opt->nr_sacks = (size - 2) / 8;
			for (unsigned int n = 0; n < opt->nr_sacks; n++) {
				opt->sack[n].start = get_unaligned_be32(p + i + 2 + 8 * n);
				opt->sack[n].end = get_unaligned_be32(p + i + 6 + 8 * n);
			}
		}
		if (p[i] == 8 && size == 10) {
			opt->has_ts = 1;
			opt->tsval = get_unaligned_be32(p + i + 2);
			opt->tsecr = get_unaligned_be32(p + i + 6);
		}
		if (syn && size % 2 == 0 &&
		    (p[i] == 34 || (p[i] == 254 && size >= 4 && p[i + 2] == 0xf9 &&
				    p[i + 3] == 0x89))) {
			opt->fastopen_exp = p[i] == 254;
			opt->fastopen_len = size - (opt->fastopen_exp ? 4 : 2);
			opt->fastopen = p + i + size - opt->fastopen_len;
			opt->has_fastopen = !opt->fastopen_len ||
					    (opt->fastopen_len >= 4 && opt->fastopen_len <= 16);
		}
		if (p[i] == 172 || p[i] == 174) {
			opt->accecn_len = size;
			opt->accecn = p + i;
		}
		if (p[i] == 253 && size == 20 && p[i + 2] == 'X' && p[i + 3] == 'C' && !opt->cookie)
			opt->cookie = p + i + 4;
		if (p[i] == 253 && size == 16 && p[i + 2] == 'X' && p[i + 3] == 'T' &&
		    !syn && !opt->token)
			opt->token = p + i + 4;
		i += size;
	}
}

static void must_be_same(const struct xtcp_options *a, const struct xtcp_options *b)
{
	MUST(a->mss == b->mss);
	MUST(a->has_wscale == b->has_wscale && a->wscale == b->wscale);
	MUST(a->sack_perm == b->sack_perm);
	MUST(a->has_ts == b->has_ts);
	MUST(a->tsval == b->tsval && a->tsecr == b->tsecr);
	MUST(a->nr_sacks == b->nr_sacks);
	MUST(!memcmp(a->sack, b->sack, a->nr_sacks * sizeof(a->sack[0])));
	MUST(a->has_fastopen == b->has_fastopen);
	if (a->has_fastopen) {
		MUST(a->fastopen_exp == b->fastopen_exp);
		MUST(a->fastopen_len == b->fastopen_len);
		MUST(!memcmp(a->fastopen, b->fastopen, a->fastopen_len));
	}
	MUST(a->accecn_len == b->accecn_len);
	if (a->accecn_len)
		MUST(!memcmp(a->accecn, b->accecn, a->accecn_len));
	MUST(!a->cookie == !b->cookie);
	if (a->cookie)
		MUST(!memcmp(a->cookie, b->cookie, XTCP_COOKIE_LEN));
	MUST(!a->token == !b->token);
	if (a->token)
		MUST(!memcmp(a->token, b->token, XTCP_TOKEN_LEN));
}

/* Written into exactly the buffer space that was computed, and read again. */
static void rewrite(const struct xtcp_options *opt, bool syn)
{
	unsigned int size = xtcp_options_size(opt);
	struct xtcp_options again, fits = *opt;
	struct tcphdr *th;

	/* Some combinations that can be read do not fit once words are padded. */
	if (opt_size_fixed(opt) > XTCP_OPT_MAX)
		return;
	MUST(size % 4 == 0 && size <= XTCP_OPT_MAX);
	th = malloc(XTCP_HDR_LEN + size);
	memset(th, 0, XTCP_HDR_LEN);
	th->doff = (XTCP_HDR_LEN + size) / 4;
	th->syn = syn;
	xtcp_options_write((__be32 *)(th + 1), opt);
	xtcp_options_parse(th, &again);
	fits.nr_sacks = opt_sacks(opt, opt_size_fixed(opt));
	must_be_same(&fits, &again);
	free(th);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct xtcp_options want;
	struct xtcp_seg seg;
	struct sk_buff skb;

	skb.data = malloc(len + !len);
	skb.len = len;
	memcpy(skb.data, data, len);
	if (xtcp_wire_pull(&skb)) {
		const struct tcphdr *th = (const struct tcphdr *)skb.data;
		unsigned int header = (skb.data[12] >> 4) * 4;
		bool syn = skb.data[13] & 0x02;

		MUST(header >= XTCP_HDR_LEN && header <= len);
		xtcp_seg_read(&seg, &skb, XTCP_WIRE_NATIVE);
		MUST(seg.len == len - header);
		MUST(seg.flags == skb.data[13]);
		MUST(seg.end == (seq_t)(seg.seq + seg.len + th->syn + th->fin));
		MUST(seg.opt.wscale <= XTCP_WSCALE_MAX);
		MUST(seg.opt.nr_sacks <= XTCP_SACK_MAX);
		oracle(skb.data + XTCP_HDR_LEN, header - XTCP_HDR_LEN, syn, &want);
		must_be_same(&want, &seg.opt);
		rewrite(&seg.opt, syn);
	}
	free(skb.data);
	return 0;
}
