// SPDX-License-Identifier: GPL-2.0
/*
 * token.c - tokens of stateless TIME-WAIT, made and checked in user space
 *
 * module/token.c under libFuzzer, ASan and UBSan. The input is a connection, a time of
 * any uptime, and what is changed afterwards. A token must be accepted for 196 s to
 * 256 ms, also when a clock wraps, and give what it was made of; changed in any bit, or
 * with other numbers, it must not be accepted.
 */
#include "kernel.h"

#include "../module/token.c"

unsigned int xtcp_net_id;

static u64 mix(u64 x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* No SipHash, but like it a function of all of its input. */
u64 siphash_3u64(u64 a, u64 b, u64 c, const siphash_key_t *key)
{
	return mix(mix(mix(a ^ key->key[0]) ^ b) ^ c ^ key->key[1]);
}

u32 xtcp_isn_ts_offset(u64 identity)
{
	return identity >> 32;
}

static struct xtcp_net xn;
static struct net_generic generic = { { &xn } };
static struct net net = { .gen = &generic };

struct input {
	u64	identity;
	u32	snd_nxt;
	u32	rcv_nxt;
	u32	now_ms;
	u32	age_ms;
	u8	tos;
	u8	plain;
	u8	flip;
	u8	delta;
} __packed;

static void check_life(const struct input *in, const u8 *token)
{
	u32 left = xtcp_token_left_ms(in->identity, in->now_ms + in->age_ms, token);

	if (in->age_ms <= XTCP_TOKEN_LIFE_MS - 256) {
		MUST(left + in->age_ms + 256 > XTCP_TOKEN_LIFE_MS);
		MUST(left + in->age_ms < XTCP_TOKEN_LIFE_MS + 256);
	} else if (in->age_ms >= XTCP_TOKEN_LIFE_MS + 256 && in->age_ms < -1024U) {
		MUST(!left);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct xtcp_token_facts facts;
	u8 token[XTCP_TOKEN_LEN];
	struct input in;

	if (len < sizeof(in))
		return 0;
	memcpy(&in, data, sizeof(in));
	if (in.plain & 1)
		in.age_ms %= 2 * XTCP_TOKEN_LIFE_MS;
	facts = (struct xtcp_token_facts){
		.identity = in.identity,
		.snd_nxt = in.snd_nxt,
		.rcv_nxt = in.rcv_nxt,
		.ts_offset = in.plain & 2 ? 0 : xtcp_isn_ts_offset(in.identity),
		.tos = in.tos,
	};
	xtcp_token_make(&net, &facts, in.now_ms, token);
	MUST(xtcp_token_is_ours(&net, in.identity, in.snd_nxt, in.rcv_nxt, token));
	MUST(xtcp_token_tos(token) == (in.tos & 0xfc));
	MUST(xtcp_token_ts_offset(in.identity, token) == facts.ts_offset);
	check_life(&in, token);
	if (in.delta) {
		MUST(!xtcp_token_is_ours(&net, in.identity, in.snd_nxt + in.delta,
					 in.rcv_nxt, token));
		MUST(!xtcp_token_is_ours(&net, in.identity, in.snd_nxt,
					 in.rcv_nxt + in.delta, token));
		MUST(!xtcp_token_is_ours(&net, in.identity + in.delta, in.snd_nxt,
					 in.rcv_nxt, token));
	}
	token[in.flip / 8 % XTCP_TOKEN_LEN] ^= 1 << in.flip % 8;
	MUST(!xtcp_token_is_ours(&net, in.identity, in.snd_nxt, in.rcv_nxt, token));
	return 0;
}
