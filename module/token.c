// SPDX-License-Identifier: GPL-2.0
/*
 * token.c - tokens of stateless TIME-WAIT: make and check them
 *
 * The end that closes first puts a token on its FIN, and its peer repeats the token.
 * A FIN of the peer that arrives later, when nothing of the connection is left, can
 * be acknowledged from the token alone: close/stateless.c.
 *
 * A token has 12 bytes behind the ExID, in network order:
 *
 *	24 bits	time of its end, in units of 256 ms of our TSval clock
 *	 6 bits	DSCP of our segments
 *	 1 bit	0
 *	 1 bit	our timestamps have no offset (xtcp_timestamps=2)
 *	64 bits	MAC: SipHash of these 32 bits, the connection, SND.NXT behind our FIN and
 *		RCV.NXT, under a key of the namespace
 *
 * The key never changes: a token lets nobody create state, and its time is under the
 * MAC. The time tells the peer nothing that TSval beside it does not. It wraps after
 * 49.7 days, so the same token is valid once more then, for as long; it acknowledges
 * what was received, whenever that is.
 *
 * Context: any, no locks.
 */
#include "token.h"

#include <linux/siphash.h>
#include <net/inet_dscp.h>

#include "compat.h"
#include "isn.h"
#include "net/wire.h"
#include "netns.h"

#define UNIT_SHIFT	8		/* 256 ms */
#define UNITS_MASK	0xffffffU	/* 24 bits */
#define EXPIRES_SHIFT	8		/* in the first word */
#define PLAIN		1U		/* bit of the first word: no offset */

static u64 token_mac(const struct net *net, u64 identity, seq_t snd_nxt,
		     seq_t rcv_nxt, u32 state)
{
	return siphash_3u64(identity, (u64)state << 32 | seq_raw(snd_nxt),
			    seq_raw(rcv_nxt),
			    &xtcp_net(net)->secrets[XTCP_SECRET_TOKEN]);
}

static u32 token_state(const u8 *token)
{
	return get_unaligned_be32(token);
}

/**
 * xtcp_token_make - make the token of a FIN
 * @net: namespace, with keys
 * @facts: the connection
 * @now_ms: low 32 bits of CLOCK_MONOTONIC in ms
 * @token: filled, XTCP_TOKEN_LEN bytes
 */
void xtcp_token_make(const struct net *net, const struct xtcp_token_facts *facts,
		     u32 now_ms, u8 *token)
{
	u32 expires = now_ms + facts->ts_offset + XTCP_TOKEN_LIFE_MS;
	u32 state = expires >> UNIT_SHIFT << EXPIRES_SHIFT |
		    (facts->tos & INET_DSCP_MASK);

	if (facts->ts_offset != xtcp_isn_ts_offset(facts->identity))
		state |= PLAIN;
	put_unaligned_be32(state, token);
	put_unaligned_be64(token_mac(net, facts->identity, facts->snd_nxt,
				     facts->rcv_nxt, state), token + 4);
}

/**
 * xtcp_token_is_ours - verify the MAC of a token
 * @net: namespace, with keys
 * @identity: xtcp_isn_identity() of the connection
 * @snd_nxt: SND.NXT behind our FIN
 * @rcv_nxt: RCV.NXT when we sent it
 * @token: XTCP_TOKEN_LEN bytes; its time may be over
 *
 * Return: true if this namespace made it for this connection and these numbers.
 */
bool xtcp_token_is_ours(const struct net *net, u64 identity, seq_t snd_nxt,
			seq_t rcv_nxt, const u8 *token)
{
	return get_unaligned_be64(token + 4) ==
	       token_mac(net, identity, snd_nxt, rcv_nxt, token_state(token));
}

/**
 * xtcp_token_ts_offset - offset of our TSval when a token was made
 * @identity: xtcp_isn_identity() of the connection
 * @token: one of ours
 *
 * Return: ticks of the timestamp clock.
 */
u32 xtcp_token_ts_offset(u64 identity, const u8 *token)
{
	return token_state(token) & PLAIN ? 0 : xtcp_isn_ts_offset(identity);
}

/**
 * xtcp_token_left_ms - get the rest of a token's life
 * @identity: xtcp_isn_identity() of the connection
 * @now_ms: low 32 bits of CLOCK_MONOTONIC in ms
 * @token: one of ours
 *
 * Return: ms, rounded to 256 ms; 0: the token is too old.
 */
u32 xtcp_token_left_ms(u64 identity, u32 now_ms, const u8 *token)
{
	u32 clock = now_ms + xtcp_token_ts_offset(identity, token);
	u32 left = ((token_state(token) >> EXPIRES_SHIFT) - (clock >> UNIT_SHIFT)) &
		   UNITS_MASK;

	return left <= DIV_ROUND_UP(XTCP_TOKEN_LIFE_MS, 1U << UNIT_SHIFT) ?
	       left << UNIT_SHIFT : 0;
}

/**
 * xtcp_token_tos - DSCP and ECN byte of the answer to a FIN
 * @token: one of ours
 *
 * Return: the byte, without ECN.
 */
u8 xtcp_token_tos(const u8 *token)
{
	return token_state(token) & INET_DSCP_MASK;
}
