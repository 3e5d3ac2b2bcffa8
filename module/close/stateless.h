/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stateless.h - TIME-WAIT without a record
 */
#ifndef XTCP_CLOSE_STATELESS_H
#define XTCP_CLOSE_STATELESS_H

#include <linux/types.h>

#include "net/seq.h"

struct net;
struct sk_buff;
struct sock;
struct xtcp_flow;
struct xtcp_key;
struct xtcp_seg;

/* What the token of a segment says. */
enum xtcp_token_verdict {
	XTCP_TOKEN_WRONG,	/* not ours, of other numbers, or too old */
	XTCP_TOKEN_FIN,		/* on the peer's FIN: to be acknowledged */
	XTCP_TOKEN_AFTER_FIN,	/* on an ACK that the peer has sent after its FIN */
	XTCP_TOKEN_BEFORE_FIN,	/* on an ACK that the peer has sent before it */
};

void xtcp_stateless_closing(struct sock *sk);
bool xtcp_stateless_may_forget(const struct sock *sk, const struct xtcp_seg *seg);
void xtcp_stateless_keep(struct sock *sk, const u8 *token);
bool xtcp_stateless_is_told(const struct net *net, const struct xtcp_flow *flow,
			    u32 mark, seq_t snd_nxt, const struct xtcp_seg *seg);
enum xtcp_token_verdict xtcp_stateless_judge(const struct net *net,
					     const struct xtcp_key *key,
					     const struct xtcp_seg *seg);
void xtcp_stateless_answer(struct net *net, const struct sk_buff *skb,
			   struct sk_buff *spare, const struct xtcp_key *key,
			   const struct xtcp_seg *seg);

#endif /* XTCP_CLOSE_STATELESS_H */
