// SPDX-License-Identifier: GPL-2.0
/*
 * cookie.c - SYN cookies: a half-open connection that nobody stores
 *
 * RFC 4987 3.6. The sequence number of the SYN-ACK is the record; the third
 * ACK brings it back. Laid out as Linux's:
 *
 *	cookie = H1 + irs + (minute << 24) + (H2 + mss index) mod 2^24
 *
 *	 31          24 23                                0
 *	+--------------+-----------------------------------+
 *	| minute mod   |  H2(connection, minute)           |  + H1(connection)
 *	|     256      |            + mss index            |  + irs
 *	+--------------+-----------------------------------+
 *
 * H1 hides both fields from who doesn't know its secret, H2 is a MAC that
 * changes with the minute. Two minutes of 256 and four indexes of 2^24 are
 * good, so one guess in 2^29 is.
 *
 * What the MSS index can't hold rides in the low bits of the SYN-ACK's
 * timestamp, when the client sends timestamps at all:
 *
 *	  5     4     3      0
 *	+-----+------+--------+
 *	| ECN | SACK | wscale |	wscale 15: the client doesn't scale
 *	+-----+------+--------+
 *
 * Any context, no locks.
 */
#include "open/cookie.h"

#include <linux/kernel.h>
#include <linux/timekeeping.h>

#include "net/family.h"
#include "net/wire.h"
#include "netns.h"
#include "open/isn.h"

#define COOKIE_MINUTE_SHIFT	24
#define COOKIE_MAC_MASK		((1U << COOKIE_MINUTE_SHIFT) - 1)

/*
 * Ticks of the minute that a cookie lives: 60 to 120 s. A client that answers
 * later than two minutes has given up, see xtcp_syn_retries.
 */
#define COOKIE_MINUTES_MAX	2

#define COOKIE_TS_WSCALE	0x0f
#define COOKIE_TS_NO_WSCALE	0x0f	/* one more than the largest shift */
#define COOKIE_TS_SACK		0x10
#define COOKIE_TS_MASK		0x3f

/*
 * The MSS a client may have announced, rounded down to the next: the default
 * that all can take, then what Linux chose by a measurement of 2011: 1300
 * below tunnels, 1440 for PPPoE, 1460 for Ethernet.
 */
static const u16 mss_table[] = { 536, 1300, 1440, 1460 };

static u32 cookie_minute(void)
{
	return (u32)ktime_get_seconds() / 60;
}

static u32 cookie_mac(u64 identity, u32 minute)
{
	return xtcp_isn_hash_number(identity, minute, XTCP_SECRET_COOKIE_TIME);
}

static unsigned int mss_index(u16 mss)
{
	unsigned int i = ARRAY_SIZE(mss_table) - 1;

	while (i && mss < mss_table[i])
		i--;
	return i;
}

/**
 * xtcp_cookie_make - the sequence number of a SYN-ACK that nobody remembers
 * @net: namespace
 * @af: address family
 * @key: connection
 * @irs: sequence number of the SYN
 * @mss: octets the client announced; lowered to what the cookie can say
 */
seq_t xtcp_cookie_make(struct net *net, const struct xtcp_family *af,
		       const struct xtcp_key *key, seq_t irs, u16 *mss)
{
	u64 identity = xtcp_isn_hash(af, key, XTCP_SECRET_COOKIE);
	unsigned int index = mss_index(*mss);
	u32 minute = cookie_minute();
	u32 mac = cookie_mac(identity, minute) + index;

	*mss = mss_table[index];
	return seq_add(irs, (u32)identity + (minute << COOKIE_MINUTE_SHIFT) +
			    (mac & COOKIE_MAC_MASK));
}

/**
 * xtcp_cookie_check - was this sequence number a cookie of ours
 * @net: namespace
 * @af: address family
 * @key: connection
 * @irs: sequence number of the SYN: that of the ACK less one
 * @cookie: acknowledgment number of the ACK less one
 *
 * Return: MSS of the client, octets; 0 when it is forged or too old.
 */
int xtcp_cookie_check(struct net *net, const struct xtcp_family *af,
		      const struct xtcp_key *key, seq_t irs, seq_t cookie)
{
	u64 identity = xtcp_isn_hash(af, key, XTCP_SECRET_COOKIE);
	u32 fields = seq_raw(cookie) - seq_raw(irs) - (u32)identity;
	u32 minute = cookie_minute();
	u8 age = minute - (fields >> COOKIE_MINUTE_SHIFT);
	u32 index;

	if (age >= COOKIE_MINUTES_MAX)
		return 0;
	index = (fields - cookie_mac(identity, minute - age)) &
		COOKIE_MAC_MASK;
	return index < ARRAY_SIZE(mss_table) ? mss_table[index] : 0;
}

/**
 * xtcp_cookie_ts_encode - hide the agreed options in a SYN-ACK's TSval
 * @tsval: clock, with or without the connection's offset
 * @opt: what was agreed: @opt->wscale of the client, @opt->sack_perm
 *
 * Return: at most @tsval and at most 127 ticks less, so that the connection's
 * timestamps never seem to run backwards.
 */
u32 xtcp_cookie_ts_encode(u32 tsval, const struct xtcp_options *opt)
{
	u32 bits = opt->has_wscale ? opt->wscale : COOKIE_TS_NO_WSCALE;
	u32 ts;

	if (opt->sack_perm)
		bits |= COOKIE_TS_SACK;
	ts = (tsval & ~COOKIE_TS_MASK) | bits;
	if ((s32)(ts - tsval) > 0)
		ts -= COOKIE_TS_MASK + 1;
	return ts;
}

/**
 * xtcp_cookie_ts_decode - find the agreed options in an ACK's TSecr
 * @net: namespace
 * @tsecr: what xtcp_cookie_ts_encode() returned
 * @opt: has_wscale, wscale and sack_perm are set
 *
 * Return: false when it names what the knobs forbid, so that no SYN-ACK of
 * ours can have said it: not a cookie.
 */
bool xtcp_cookie_ts_decode(struct net *net, u32 tsecr,
			   struct xtcp_options *opt)
{
	u8 wscale = tsecr & COOKIE_TS_WSCALE;

	opt->sack_perm = !!(tsecr & COOKIE_TS_SACK);
	opt->has_wscale = wscale != COOKIE_TS_NO_WSCALE;
	opt->wscale = opt->has_wscale ? wscale : 0;
	return XTCP_KNOB(net, timestamps) &&
	       (!opt->sack_perm || XTCP_KNOB(net, sack)) &&
	       (!opt->has_wscale || XTCP_KNOB(net, window_scaling));
}
