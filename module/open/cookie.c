// SPDX-License-Identifier: GPL-2.0
/*
 * cookie.c - SYN cookies: answer a SYN without storing a half-open record
 *
 * RFC 4987 3.6. A SYN-ACK can carry two encodings. The classic cookie works
 * with any client: it is the SYN-ACK's sequence number, which the third segment
 * acknowledges. Its layout resembles Linux's:
 *
 *	cookie = A + irs + (minute << 24) + (B + mss index * S) mod 2^24
 *
 *	 31          24 23                                0
 *	+--------------+-----------------------------------+
 *	| minute mod   |  B(connection, irs, minute)       |  + A(connection)
 *	|     256      |            + mss index * S        |  + irs
 *	+--------------+-----------------------------------+
 *
 * A hides both fields. B and S, which is odd, are two parts of a MAC that changes
 * with the minute. The check accepts 2 of 256 minutes and 4 of 2^24 values of the
 * lower field, so one guess in 2^29 succeeds.
 *
 * Unlike Linux's, B covers irs, and the indexes are a secret S apart, not 1. A later
 * ACK of the connection has SEQ = irs + 1 + (bytes sent by the client) and
 * ACK = cookie + 1 + (bytes received by it). With a plain sum only the
 * difference of the two would be checked; if it were 1 to 3, it would be read
 * as another MSS index, and the child would begin in the middle of the stream. Any
 * other fixed step would do the same to a server that has sent that many bytes.
 *
 * If the client sends timestamps, the SYN-ACK's TSval holds in its low bits
 * the options for which the sequence number has no space:
 *
 *	  5     4     3      0
 *	+-----+------+--------+
 *	| ECN | SACK | wscale |	wscale 15: the client doesn't scale
 *	+-----+------+--------+
 *
 * The lossless cookie is an option (RFC 6994). An xtcp client echoes it on
 * each of its segments until it receives another segment from us:
 *
 *	 0                   1                   2                   3
 *	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *	+---------------+---------------+-------------------------------+
 *	|   kind 253    |   length 20   |           ExID "XC"           |
 *	+---------------+---------------+-------+-------+-------+-+-+-+-+
 *	|        the client's MSS       | its   | our   | minute|A|E|S|T|
 *	|                               | shift | shift | mod 16|E|C|A|S|
 *	+-------------------------------+-------+-------+-------+-+-+-+-+
 *	|            sequence number of the client's SYN                |
 *	+---------------------------------------------------------------+
 *	|                              MAC                              |
 *	+                 (connection, minute, the above)               +
 *	|                                                               |
 *	+---------------------------------------------------------------+
 *
 * Shift 15: no window scaling. EC: ECN; AE: it is Accurate ECN. The options that the cookie
 * names are in use, even if the SYN-ACK did not carry them itself. Beside a classic cookie
 * without timestamps it does not carry them, because a client that ignores the
 * lossless cookie would use them and we would not know. The cookie holds the
 * client's sequence number because the segment that echoes it need not be the
 * third segment. The MAC does not cover our own sequence number: that is the
 * classic cookie, which follows from the other fields and is compared.
 *
 * The keys of B and MAC are drawn anew each minute; only the last two are
 * kept. Documentation/synflood.rst has the full argument.
 *
 * Context: softirq. secret_lock is held only to draw a key.
 */
#include "open/cookie.h"

#include <linux/kernel.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/spinlock.h>
#include <net/net_namespace.h>

#include "clock.h"
#include "compat.h"
#include "net/wire.h"
#include "netns.h"
#include "open/synqueue.h"

#define COOKIE_MINUTE_SHIFT	24
#define COOKIE_MAC_MASK		((1U << COOKIE_MINUTE_SHIFT) - 1)

/*
 * A cookie is accepted in the minute in which it was made and in the next one:
 * for 60 to 120 s. A client gives up about then, see xtcp_syn_retries.
 */
#define COOKIE_MINUTES_MAX	2

#define COOKIE_TS_WSCALE	0x0f
#define COOKIE_NO_WSCALE	0x0f	/* one more than the largest shift */
#define COOKIE_TS_SACK		0x10
#define COOKIE_TS_ECN		0x20
#define COOKIE_TS_MASK		0x3f

/* Layout of the first two words of the option, as one number. */
#define STATE_MSS_SHIFT		48
#define STATE_SND_WSCALE_SHIFT	44
#define STATE_RCV_WSCALE_SHIFT	40
#define STATE_MINUTE_SHIFT	36
#define STATE_MINUTE_MASK	0xf
#define STATE_ACCECN		BIT_ULL(35)
#define STATE_ECN		BIT_ULL(34)
#define STATE_SACK		BIT_ULL(33)
#define STATE_TS		BIT_ULL(32)

/**
 * struct cookie_secret - the key of one minute
 * @minute: minute of CLOCK_MONOTONIC; written after @key
 * @key: key of both MACs
 *
 * A minute's key overwrites that of two minutes ago. A reader of the old key
 * may see a mixture of both, but accepts no cookie by it: cookies of that
 * minute are too old.
 */
struct cookie_secret {
	u32		minute;
	siphash_key_t	key;
};

#define NO_MINUTE	U32_MAX		/* 8,000 years after boot */

static struct cookie_secret secrets[COOKIE_MINUTES_MAX] = {
	{ .minute = NO_MINUTE }, { .minute = NO_MINUTE },
};

static DEFINE_SPINLOCK(secret_lock);

static u32 cookie_minute(void)
{
	return xtcp_now_s() / 60;
}

static struct cookie_secret *cookie_secret_slot(u32 minute)
{
	return &secrets[minute % COOKIE_MINUTES_MAX];
}

static noinline void cookie_secret_draw(struct cookie_secret *secret, u32 minute)
{
	spin_lock_bh(&secret_lock);
	if (secret->minute != minute) {
		get_random_bytes(&secret->key, sizeof(secret->key));
		/* A reader that sees @minute sees its key. */
		smp_store_release(&secret->minute, minute);
	}
	spin_unlock_bh(&secret_lock);
}

/* Key for new cookies. The first cookie of each minute draws it. */
static const siphash_key_t *cookie_secret_of_now(u32 minute)
{
	struct cookie_secret *secret = cookie_secret_slot(minute);

	/* Pairs with cookie_secret_draw(). */
	if (unlikely(smp_load_acquire(&secret->minute) != minute))
		cookie_secret_draw(secret, minute);
	return &secret->key;
}

/* Key to check cookies of @minute; NULL if no cookie was made in it. */
static const siphash_key_t *cookie_secret_of_then(u32 minute)
{
	const struct cookie_secret *secret = cookie_secret_slot(minute);

	/* Minute -1, asked for during minute 0: the slots' initial value. */
	if (minute == NO_MINUTE)
		return NULL;
	/* Pairs with cookie_secret_draw(): the key is that minute's. */
	if (smp_load_acquire(&secret->minute) != minute)
		return NULL;
	return &secret->key;
}

/*
 * What the MACs identify a connection by, with its namespace. IRS, which the client chooses, is
 * hashed behind it: mixed into it, it would let a client choose half of the MAC's input.
 */
static u64 cookie_name(const struct net *net, u64 identity)
{
	return identity ^ net->net_cookie;
}

/*
 * State of a SipHash-2-4, with the same initialisation and end as in
 * <linux/siphash.h>, whose functions hash only complete inputs.
 */
struct sip {
	u64	v0, v1, v2, v3;
};

static __always_inline struct sip sip_begin(const siphash_key_t *key)
{
	return (struct sip){
		.v0 = key->key[0] ^ SIPHASH_CONST_0,
		.v1 = key->key[1] ^ SIPHASH_CONST_1,
		.v2 = key->key[0] ^ SIPHASH_CONST_2,
		.v3 = key->key[1] ^ SIPHASH_CONST_3,
	};
}

static __always_inline struct sip sip_word(struct sip s, u64 word)
{
	s.v3 ^= word;
	SIPHASH_PERMUTATION(s.v0, s.v1, s.v2, s.v3);
	SIPHASH_PERMUTATION(s.v0, s.v1, s.v2, s.v3);
	s.v0 ^= word;
	return s;
}

/* @rest: the last bytes of an input of @len bytes that fill no word */
static __always_inline u64 sip_end(struct sip s, unsigned int len, u32 rest)
{
	s = sip_word(s, (u64)len << 56 | rest);
	s.v2 ^= 0xff;
	SIPHASH_PERMUTATION(s.v0, s.v1, s.v2, s.v3);
	SIPHASH_PERMUTATION(s.v0, s.v1, s.v2, s.v3);
	SIPHASH_PERMUTATION(s.v0, s.v1, s.v2, s.v3);
	SIPHASH_PERMUTATION(s.v0, s.v1, s.v2, s.v3);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/*
 * Compute both MACs of a new cookie. They share the state after @name, which
 * is half of the work. cookie_classic_mac() and cookie_option_mac() give the same
 * results.
 */
static void cookie_macs(u64 name, seq_t irs, u64 state, const siphash_key_t *key,
			u64 *classic, u64 *option)
{
	struct sip named = sip_word(sip_begin(key), name);

	*classic = sip_end(named, sizeof(name) + sizeof(irs), seq_raw(irs));
	*option = sip_end(sip_word(named, state), sizeof(name) + sizeof(state), 0);
}

static u64 cookie_classic_mac(u64 name, seq_t irs, const siphash_key_t *key)
{
	return siphash_3u32(lower_32_bits(name), upper_32_bits(name), seq_raw(irs), key);
}

/* The input's length is hashed, so this never equals a cookie_classic_mac(). */
static u64 cookie_option_mac(u64 name, u64 state, const siphash_key_t *key)
{
	return siphash_2u64(name, state, key);
}

/* Index of the largest table entry that is not above the client's MSS. */
static unsigned int cookie_mss_index(const u16 *mss_table, u16 mss)
{
	unsigned int i = XTCP_COOKIE_MSS - 1;

	while (i && mss < mss_table[i])
		i--;
	return i;
}

/* The lower field for an MSS index: its B and S are the halves of @mac. */
static u32 cookie_lower(u64 mac, u32 index)
{
	u32 step = upper_32_bits(mac) | 1;

	return (lower_32_bits(mac) + index * step) & COOKIE_MAC_MASK;
}

static seq_t cookie_classic_encode(u64 identity, seq_t irs, u32 minute, u64 mac,
				   u32 index)
{
	return seq_add(irs, (u32)identity + (minute << COOKIE_MINUTE_SHIFT) +
			    cookie_lower(mac, index));
}

static u64 cookie_state_encode(const struct xtcp_halfopen *ho, u32 minute)
{
	u8 snd_wscale = ho->wscale_ok ? ho->snd_wscale : COOKIE_NO_WSCALE;
	u8 rcv_wscale = ho->wscale_ok ? ho->rcv_wscale : COOKIE_NO_WSCALE;

	return (u64)ho->mss << STATE_MSS_SHIFT |
	       (u64)snd_wscale << STATE_SND_WSCALE_SHIFT |
	       (u64)rcv_wscale << STATE_RCV_WSCALE_SHIFT |
	       (u64)(minute & STATE_MINUTE_MASK) << STATE_MINUTE_SHIFT |
	       (ho->accecn_ok ? STATE_ACCECN : 0) |
	       (ho->ecn_ok ? STATE_ECN : 0) | (ho->sack_ok ? STATE_SACK : 0) |
	       (ho->ts_ok ? STATE_TS : 0) |
	       seq_raw(ho->irs);
}

static void cookie_state_decode(u64 state, struct xtcp_halfopen *ho)
{
	ho->mss = state >> STATE_MSS_SHIFT;
	ho->snd_wscale = (state >> STATE_SND_WSCALE_SHIFT) & 0xf;
	ho->rcv_wscale = (state >> STATE_RCV_WSCALE_SHIFT) & 0xf;
	ho->wscale_ok = ho->snd_wscale != COOKIE_NO_WSCALE;
	if (!ho->wscale_ok) {
		ho->snd_wscale = 0;
		ho->rcv_wscale = 0;
	}
	ho->ecn_ok = !!(state & STATE_ECN);
	ho->accecn_ok = !!(state & STATE_ACCECN);
	ho->sack_ok = !!(state & STATE_SACK);
	ho->ts_ok = !!(state & STATE_TS);
	ho->irs = SEQ((u32)state);
}

/*
 * Encode the options in the low bits of a SYN-ACK's TSval. The result is never
 * later than the clock and at most 63 ticks earlier, so the connection's next
 * timestamp is not below it.
 */
static u32 cookie_ts_encode(u32 tsval, const struct xtcp_halfopen *ho)
{
	u32 bits = ho->wscale_ok ? ho->snd_wscale : COOKIE_NO_WSCALE;
	u32 ts;

	if (ho->sack_ok)
		bits |= COOKIE_TS_SACK;
	if (ho->ecn_ok)
		bits |= COOKIE_TS_ECN;
	ts = (tsval & ~COOKIE_TS_MASK) | bits;
	if ((s32)(ts - tsval) > 0)
		ts -= COOKIE_TS_MASK + 1;
	return ts;
}

/*
 * Make the lossless cookie, and return the MAC of the classic one. Not on the TCP
 * wire, where only the classic one is sent.
 */
static u64 cookie_make_option(u64 name, const struct xtcp_halfopen *ho, u32 minute,
			      const siphash_key_t *key, u8 *option)
{
	u64 state = cookie_state_encode(ho, minute);
	u64 classic, mac;

	cookie_macs(name, ho->irs, state, key, &classic, &mac);
	put_unaligned_be64(state, option);
	put_unaligned_be64(mac, option + 8);
	return classic;
}

/**
 * xtcp_cookie_make - make the cookies for a SYN-ACK
 * @net: namespace
 * @identity: xtcp_isn_identity() of the connection
 * @mss_table: cookie_mss of the connection's family
 * @now_ms: timestamp clock in ms, without the connection's offset
 * @ho: a record on the stack with the negotiated options; its @iss is set to
 *	the classic cookie
 * @cookie: filled in; on the TCP wire without the option
 *
 * Context: softirq.
 */
void xtcp_cookie_make(const struct net *net, u64 identity,
		      const u16 *mss_table, u32 now_ms,
		      struct xtcp_halfopen *ho, struct xtcp_cookie *cookie)
{
	u64 name = cookie_name(net, identity);
	u32 minute = cookie_minute();
	const siphash_key_t *key = cookie_secret_of_now(minute);
	u64 classic;

	if (ho->flow.wire == XTCP_WIRE_NATIVE)
		classic = cookie_make_option(name, ho, minute, key, cookie->option);
	else
		classic = cookie_classic_mac(name, ho->irs, key);
	ho->iss = cookie_classic_encode(identity, ho->irs, minute, classic,
					cookie_mss_index(mss_table, ho->mss));
	cookie->tsval = cookie_ts_encode(now_ms, ho) + ho->ts_offset;
}

/**
 * xtcp_cookie_check - check a classic cookie
 * @net: namespace
 * @identity: xtcp_isn_identity() of the connection
 * @mss_table: cookie_mss of the connection's family
 * @irs: sequence number of the ACK, less one: that of the SYN
 * @cookie: acknowledgment number of the ACK, less one
 *
 * Return: the client's MSS in bytes; 0 if the cookie is forged or too old.
 */
int xtcp_cookie_check(const struct net *net, u64 identity,
		      const u16 *mss_table, seq_t irs, seq_t cookie)
{
	u32 fields = seq_raw(cookie) - seq_raw(irs) - (u32)identity;
	u32 minute = cookie_minute();
	u8 age = minute - (fields >> COOKIE_MINUTE_SHIFT);
	const siphash_key_t *key;
	u64 mac;

	if (age >= COOKIE_MINUTES_MAX)
		return 0;
	key = cookie_secret_of_then(minute - age);
	if (!key)
		return 0;
	mac = cookie_classic_mac(cookie_name(net, identity), irs, key);
	for (u32 index = 0; index < XTCP_COOKIE_MSS; index++)
		if (cookie_lower(mac, index) == (fields & COOKIE_MAC_MASK))
			return mss_table[index];
	return 0;
}

/**
 * xtcp_cookie_check_option - check a lossless cookie
 * @net: namespace
 * @identity: xtcp_isn_identity() of the connection
 * @mss_table: cookie_mss of the connection's family
 * @option: XTCP_COOKIE_LEN bytes
 * @iss: our initial sequence number according to the segment
 * @ho: gets the negotiated options and @iss, also by a cookie that has the
 *	right MAC but another @iss
 *
 * Return: true if it is a cookie of ours; false if forged or too old.
 */
bool xtcp_cookie_check_option(const struct net *net, u64 identity,
			      const u16 *mss_table, const u8 *option,
			      seq_t iss, struct xtcp_halfopen *ho)
{
	u64 state = get_unaligned_be64(option);
	u64 name = cookie_name(net, identity);
	u32 minute = cookie_minute();
	u32 age = (minute - (u32)(state >> STATE_MINUTE_SHIFT)) &
		  STATE_MINUTE_MASK;
	const siphash_key_t *key;

	if (age >= COOKIE_MINUTES_MAX)
		return false;
	key = cookie_secret_of_then(minute - age);
	if (!key ||
	    cookie_option_mac(name, state, key) != get_unaligned_be64(option + 8))
		return false;
	cookie_state_decode(state, ho);
	ho->iss = cookie_classic_encode(identity, ho->irs, minute - age,
					cookie_classic_mac(name, ho->irs, key),
					cookie_mss_index(mss_table, ho->mss));
	return ho->iss == iss;
}

/**
 * xtcp_cookie_ts_decode - decode the negotiated options from an ACK's TSecr
 * @net: namespace
 * @tsecr: the SYN-ACK's TSval, without the connection's offset
 * @opt: has_wscale, wscale, sack_perm and ecn are set
 *
 * Return: true if the knobs allow all of them; false if no SYN-ACK of ours can
 * have had this TSval: it is no cookie.
 */
bool xtcp_cookie_ts_decode(struct net *net, u32 tsecr,
			   struct xtcp_options *opt)
{
	u8 wscale = tsecr & COOKIE_TS_WSCALE;

	opt->ecn = !!(tsecr & COOKIE_TS_ECN);
	opt->sack_perm = !!(tsecr & COOKIE_TS_SACK);
	opt->has_wscale = wscale != COOKIE_NO_WSCALE;
	opt->wscale = opt->has_wscale ? wscale : 0;
	return XTCP_KNOB(net, timestamps) &&
	       (!opt->sack_perm || XTCP_KNOB(net, sack)) &&
	       (!opt->has_wscale || XTCP_KNOB(net, window_scaling));
}

/**
 * xtcp_cookie_read - the client: read the options in a lossless cookie
 * @opt: the SYN-ACK's options, with a cookie; window scale, SACK and ECN of either kind are
 *	added if the cookie names them
 *
 * The client can't check the MAC and need not: an attacker that can forge the
 * cookie can forge the rest of the SYN-ACK as well.
 */
void xtcp_cookie_read(struct xtcp_options *opt)
{
	u64 state = get_unaligned_be64(opt->cookie);
	u8 wscale = (state >> STATE_RCV_WSCALE_SHIFT) & 0xf;

	if (wscale != COOKIE_NO_WSCALE) {
		opt->has_wscale = 1;
		opt->wscale = wscale;
	}
	if (state & STATE_SACK)
		opt->sack_perm = 1;
	if (state & STATE_ECN)
		opt->ecn = 1;
	if (state & STATE_ACCECN)
		opt->accecn_ok = 1;
}
