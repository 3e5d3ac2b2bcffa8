/* SPDX-License-Identifier: GPL-2.0 */
/*
 * scoreboard.h - what is known of the segments in flight
 */
#ifndef XTCP_TRANSFER_SCOREBOARD_H
#define XTCP_TRANSFER_SCOREBOARD_H

#include <linux/types.h>

#include "net/seq.h"
#include "tcb.h"

struct sk_buff;
struct sock;
struct xtcp_acked;
struct xtcp_seg;

void xtcp_scoreboard_init(struct xtcp_sock *xs);
void xtcp_scoreboard_landed(struct sock *sk, const struct xtcp_skb_cb *cb,
			    seq_t seq, u32 segs, struct xtcp_acked *a);
struct sk_buff *xtcp_scoreboard_covered(struct sock *sk, struct sk_buff *skb,
					const struct xtcp_sack_block *b);
void xtcp_scoreboard_swept(struct sock *sk, struct xtcp_acked *a);
void xtcp_scoreboard_sacked(struct sock *sk, const struct xtcp_seg *seg,
			    struct xtcp_acked *a);
void xtcp_scoreboard_duplicate(struct sock *sk, struct xtcp_acked *a);
void xtcp_scoreboard_exclude(struct xtcp_sock *xs);
void xtcp_scoreboard_lose(struct sock *sk, struct sk_buff *skb);
void xtcp_scoreboard_too_big(struct sock *sk, struct sk_buff *skb);
void xtcp_scoreboard_lose_oldest(struct sock *sk);
void xtcp_scoreboard_lose_copies(struct sock *sk, struct sk_buff *skb);
void xtcp_scoreboard_lose_holes(struct sock *sk);
void xtcp_scoreboard_lose_flight(struct sock *sk);
void xtcp_scoreboard_absolve(struct sock *sk);
struct sk_buff *xtcp_scoreboard_next_lost(struct sock *sk);
void xtcp_scoreboard_reordered(struct sock *sk, seq_t low, bool by_timestamp);

/*
 * End of the highest SACKed segment; SND.UNA if there is none. Without SACK, sacked_out
 * counts duplicate ACKs, and @sacked_end is the number of the peer's SYN.
 */
static inline seq_t xtcp_scoreboard_highest(const struct xtcp_sock *xs)
{
	return xs->sacked_out && xs->sack_ok ? xtcp_sacked_end(xs) : xs->snd_una;
}

/**
 * xtcp_scoreboard_block_is_sound - can a SACK block report arrivals
 * @xs: the connection, locked
 * @b: the block
 *
 * It must lie in the window and within what was sent. One that begins at SND.UNA contradicts its
 * own ACK. A start that is 2^31 away from SND.UNA passes seq_after(), and the block may end below
 * SND.NXT: so the start must be below SND.NXT, too.
 *
 * Return: true if it can
 */
static inline bool xtcp_scoreboard_block_is_sound(const struct xtcp_sock *xs,
						  const struct xtcp_sack_block *b)
{
	return seq_before(b->start, b->end) &&
	       seq_before_eq(b->end, xs->snd_nxt) &&
	       seq_before(b->start, xs->snd_nxt) &&
	       seq_after(b->start, xs->snd_una);
}

/**
 * xtcp_scoreboard_begin - nothing from a sequence number on is lost or SACKed
 * @xs: TCB of a new connection
 * @seq: SND.NXT
 */
static inline void xtcp_scoreboard_begin(struct xtcp_sock *xs, seq_t seq)
{
	xs->resend_seq = seq;
	xs->holes_seq = seq;
}

#endif /* XTCP_TRANSFER_SCOREBOARD_H */
