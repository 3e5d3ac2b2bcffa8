/* SPDX-License-Identifier: GPL-2.0 */
/*
 * token.h - tokens of stateless TIME-WAIT
 */
#ifndef XTCP_TOKEN_H
#define XTCP_TOKEN_H

#include <linux/types.h>

#include "net/seq.h"

struct net;

#define XTCP_TOKEN_2MSL_MS	68000U	/* longest 2MSL of a connection with a token */
#define XTCP_TOKEN_FRESH_MS	60000U	/* for the peer to send its own FIN */

/* From our FIN on. When the peer's comes, twice the longest 2MSL is left at the least. */
#define XTCP_TOKEN_LIFE_MS	(XTCP_TOKEN_FRESH_MS + 2 * XTCP_TOKEN_2MSL_MS)

/* The role of the end of a connection that has seen a token. */
enum xtcp_token_role {
	XTCP_TOKEN_NONE,
	XTCP_TOKEN_OFFERED,	/* our FIN has one: we close first */
	XTCP_TOKEN_HELD,	/* the peer's FIN had one, which we repeat */
	XTCP_TOKEN_ECHOED,	/* the peer's FIN repeats ours: keep no record */
};

/**
 * struct xtcp_token_facts - what a token is made of
 * @identity: xtcp_isn_identity() of the connection
 * @snd_nxt: SND.NXT behind our FIN
 * @rcv_nxt: RCV.NXT when we send it; all before it has been read
 * @ts_offset: offset of our TSval from the clock: xtcp_isn_ts_offset(), or 0
 * @tos: DSCP and ECN byte of our segments
 */
struct xtcp_token_facts {
	u64	identity;
	seq_t	snd_nxt;
	seq_t	rcv_nxt;
	u32	ts_offset;
	u8	tos;
};

void xtcp_token_make(const struct net *net, const struct xtcp_token_facts *facts,
		     u32 now_ms, u8 *token);
bool xtcp_token_is_ours(const struct net *net, u64 identity, seq_t snd_nxt,
			seq_t rcv_nxt, const u8 *token);
u32 xtcp_token_ts_offset(u64 identity, const u8 *token);
u32 xtcp_token_left_ms(u64 identity, u32 now_ms, const u8 *token);
u8 xtcp_token_tos(const u8 *token);

#endif /* XTCP_TOKEN_H */
