/* SPDX-License-Identifier: GPL-2.0 */
/* accecn.h - Accurate ECN, RFC 9768 */
#ifndef XTCP_TRANSFER_ACCECN_H
#define XTCP_TRANSFER_ACCECN_H

#include <linux/types.h>
#include <net/inet_ecn.h>

#include "net/wire.h"
#include "tcb.h"

struct sk_buff;
struct sock;
struct tcphdr;

/* Values of the ACE field, AE CWR ECE. */
#define XTCP_ACE_MASK		0x7U
#define XTCP_ACE_CLASSIC_SYN	0x3U	/* a SYN that offers RFC 3168 */
#define XTCP_ACE_CLASSIC	0x1U	/* a SYN-ACK that accepts it */

/* First value of s.cep and r.cep, RFC 9768 3.2.1. */
#define XTCP_ACE_FIRST		5U

/* Longest option: kind, length and three fields of three bytes. */
#define XTCP_ACCECN_OPTION_MAX	(2 + 3 * XTCP_ACCECN_COUNTS)
/* Bytes of it in a header. */
#define XTCP_ACCECN_ROOM	ALIGN(XTCP_ACCECN_OPTION_MAX, 4)

/* Values of the knob xtcp_ecn. */
enum xtcp_ecn_knob {
	XTCP_ECN_OFF,
	XTCP_ECN_ASK,
	XTCP_ECN_ANSWER,
	XTCP_ECN_ACCURATE,		/* answer and ask accurately */
	XTCP_ECN_ACCURATE_ASK_CLASSIC,	/* answer so, ask as by RFC 3168 */
	XTCP_ECN_ACCURATE_ANSWER,	/* answer only */
	XTCP_ECN_KNOBS
};

/* Values of the knob xtcp_ecn_option. */
enum xtcp_ecn_option_knob {
	XTCP_ECN_OPTION_NEVER,
	XTCP_ECN_OPTION_SPARING,	/* when demanded, and as a beacon */
	XTCP_ECN_OPTION_ALWAYS,		/* wherever it fits */
	XTCP_ECN_OPTION_PERSIST,	/* even if the path seems to drop it */
	XTCP_ECN_OPTION_KNOBS
};

/**
 * struct xtcp_accecn_ack - what an ACK has acknowledged
 * @segs: segments not known to have arrived before
 * @bytes: their bytes
 * @progress: it acknowledges something new, so that no later ACK has overtaken it
 * @syn: our SYN
 */
struct xtcp_accecn_ack {
	u32	segs;
	u32	bytes;
	bool	progress;
	bool	syn;
};

/**
 * xtcp_seg_ace - get the ACE field of a segment
 * @seg: segment
 *
 * Return: AE, CWR and ECE as a number, 0..7
 */
static inline u8 xtcp_seg_ace(const struct xtcp_seg *seg)
{
	return (seg->offset & XTCP_OFFSET_AE) << 2 | seg->flags >> 6;
}

/* Has the connection offered or negotiated it? */
static inline bool xtcp_accecn_is_on(const struct xtcp_sock *xs)
{
	return xs->ecn.accurate;
}

/* State of a connection for which xtcp_accecn_is_on(). */
static inline struct xtcp_accecn *xtcp_accecn_of(const struct xtcp_sock *xs)
{
	return &xs->sockopt.rare->accecn;
}

/* Opening. */
u8 xtcp_accecn_reflect(u8 codepoint);
u8 xtcp_accecn_first_option(u8 *option, unsigned int room);
bool xtcp_accecn_offer(struct sock *sk);
void xtcp_accecn_syn_received(struct sock *sk, const struct xtcp_seg *seg, u8 codepoint);
void xtcp_accecn_adopt(struct xtcp_sock *xs, const struct xtcp_seg *seg, u8 codepoint,
		       bool bare_again);
void xtcp_accecn_third_ack(struct xtcp_sock *xs, const struct xtcp_seg *seg);
void xtcp_accecn_answer_syn_ack(struct xtcp_sock *xs);
void xtcp_accecn_syn_ack_again(struct xtcp_sock *xs, u8 codepoint);

/* Sending. */
bool xtcp_accecn_may_mark(const struct xtcp_sock *xs);
bool xtcp_accecn_fills(const struct xtcp_sock *xs);
bool xtcp_accecn_needs_cwr(const struct xtcp_sock *xs);
void xtcp_accecn_mark(struct xtcp_sock *xs, struct tcphdr *th, bool payload);
void xtcp_accecn_option_put(struct xtcp_sock *xs, struct xtcp_options *opt,
			    unsigned int room, u8 *option, u64 now_ns);

/* Receiving. */
bool xtcp_accecn_repeated(const struct xtcp_sock *xs, const struct xtcp_seg *seg);
bool xtcp_accecn_received(struct sock *sk, const struct sk_buff *skb,
			  const struct xtcp_seg *seg);
u32 xtcp_accecn_acked(struct sock *sk, const struct xtcp_seg *seg,
		      const struct xtcp_accecn_ack *ack);

#endif /* XTCP_TRANSFER_ACCECN_H */
