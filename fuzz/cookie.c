// SPDX-License-Identifier: GPL-2.0
/*
 * cookie.c - SYN cookies, made and verified in user space
 *
 * module/open/cookie.c under libFuzzer, ASan and UBSan. The input is a program: what
 * a SYN agreed on, how much time passes, and how the client's answer was changed. An
 * unchanged cookie must be accepted for one minute at least and two at most, and
 * give what was agreed; a lossless cookie with a flipped bit must never be accepted.
 */
#include "kernel.h"

#include "../module/open/cookie.c"

unsigned int xtcp_net_id;

static s64 now_s;
static u64 chance;

s64 ktime_get_seconds(void)
{
	return now_s;
}

static u64 mix(u64 x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

void get_random_bytes(void *p, size_t len)
{
	u8 *byte = p;

	while (len--)
		*byte++ = mix(++chance);
}

/* SipHash-2-4 of words and perhaps half a one (@rest), as its authors write it down. */
static u64 siphash(const u64 *word, unsigned int words, unsigned int len, u32 rest,
		   const siphash_key_t *key)
{
	u64 v[4] = {
		key->key[0] ^ SIPHASH_CONST_0, key->key[1] ^ SIPHASH_CONST_1,
		key->key[0] ^ SIPHASH_CONST_2, key->key[1] ^ SIPHASH_CONST_3,
	};

	for (unsigned int i = 0; i <= words; i++) {
		u64 m = i < words ? word[i] : (u64)len << 56 | rest;

		v[3] ^= m;
		for (int round = 0; round < 2; round++)
			SIPHASH_PERMUTATION(v[0], v[1], v[2], v[3]);
		v[0] ^= m;
	}
	v[2] ^= 0xff;
	for (int round = 0; round < 4; round++)
		SIPHASH_PERMUTATION(v[0], v[1], v[2], v[3]);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

u64 siphash_3u32(u32 a, u32 b, u32 c, const siphash_key_t *key)
{
	u64 word = (u64)b << 32 | a;

	return siphash(&word, 1, 12, c, key);
}

u64 siphash_2u64(u64 a, u64 b, const siphash_key_t *key)
{
	return siphash((u64[]){ a, b }, 2, 16, 0, key);
}

static struct xtcp_net xn;
static struct net_generic generic = { { &xn } };
static struct net net = { .net_cookie = 7, .gen = &generic };

struct input {
	u64	identity;
	u32	irs;
	u32	start_s;
	u16	mss;
	u8	wscales;
	u8	agreed;
	u8	seconds;
	u8	bit;
	u32	ack;
	u8	option[XTCP_COOKIE_LEN];
};

static const u16 mss_table[XTCP_COOKIE_MSS] = { 536, 1300, 1440, 1460 };

/* The largest MSS of the table that is not larger than @mss, or the smallest. */
static u16 rounded(u16 mss)
{
	return mss >= 1460 ? 1460 : mss >= 1440 ? 1440 : mss >= 1300 ? 1300 : 536;
}

static void agree(struct xtcp_halfopen *ho, const struct input *in)
{
	memset(ho, 0, sizeof(*ho));
	ho->flow.wire = XTCP_WIRE_NATIVE;
	ho->irs = SEQ(in->irs);
	ho->mss = in->mss;
	ho->wscale_ok = in->agreed & 1;
	ho->sack_ok = !!(in->agreed & 2);
	ho->ts_ok = !!(in->agreed & 4);
	if (ho->wscale_ok) {
		ho->snd_wscale = min(in->wscales & 0xf, XTCP_WSCALE_MAX);
		ho->rcv_wscale = min(in->wscales >> 4, XTCP_WSCALE_MAX);
	}
}

static void must_be_what_was_agreed(const struct xtcp_halfopen *a, const struct xtcp_halfopen *b)
{
	MUST(a->irs == b->irs && a->iss == b->iss && a->mss == b->mss);
	MUST(a->wscale_ok == b->wscale_ok && a->snd_wscale == b->snd_wscale);
	MUST(a->rcv_wscale == b->rcv_wscale);
	MUST(a->sack_ok == b->sack_ok && a->ts_ok == b->ts_ok);
}

/* The client's view of what was agreed equals the server's. */
static void must_tell_the_client(const struct xtcp_halfopen *ho, const struct xtcp_cookie *cookie)
{
	struct xtcp_options opt = { .cookie = cookie->option };

	xtcp_cookie_read(&opt);
	MUST(opt.has_wscale == ho->wscale_ok && opt.wscale == ho->rcv_wscale);
	MUST(opt.sack_perm == ho->sack_ok);
	MUST(xtcp_cookie_ts_decode(&net, cookie->tsval, &opt));
	MUST(opt.has_wscale == ho->wscale_ok && opt.wscale == ho->snd_wscale);
	MUST(opt.sack_perm == ho->sack_ok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct xtcp_halfopen ho, back;
	struct xtcp_cookie cookie;
	struct input in;
	bool good;
	u32 age;

	if (len < sizeof(in))
		return 0;
	memcpy(&in, data, sizeof(in));
	xn.knobs.timestamps = 1;
	xn.knobs.sack = 1;
	xn.knobs.window_scaling = 1;
	/* Time only advances; the module is loaded anew for each input. */
	secrets[0].minute = NO_MINUTE;
	secrets[1].minute = NO_MINUTE;
	now_s = in.start_s;
	agree(&ho, &in);
	xtcp_cookie_make(&net, in.identity, mss_table, 1000, &ho, &cookie);
	must_tell_the_client(&ho, &cookie);

	age = cookie_minute();
	now_s += in.seconds;
	age = cookie_minute() - age;
	good = age < COOKIE_MINUTES_MAX;
	MUST(xtcp_cookie_check(&net, in.identity, mss_table, ho.irs, ho.iss) ==
	     (good ? rounded(in.mss) : 0));
	memset(&back, 0, sizeof(back));
	MUST(xtcp_cookie_check_option(&net, in.identity, mss_table, cookie.option, ho.iss,
				      &back) == good);
	if (good)
		must_be_what_was_agreed(&ho, &back);

	cookie.option[in.bit / 8 % XTCP_COOKIE_LEN] ^= 1 << in.bit % 8;
	MUST(!xtcp_cookie_check_option(&net, in.identity, mss_table, cookie.option, ho.iss, &back));
	/* No input may cause a report. */
	xtcp_cookie_check(&net, in.identity, mss_table, SEQ(in.irs), SEQ(in.ack));
	xtcp_cookie_check_option(&net, in.identity, mss_table, in.option, SEQ(in.ack), &back);
	return 0;
}
