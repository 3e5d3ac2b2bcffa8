/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ack.h - when to acknowledge: at once, delayed, or along with data
 */
#ifndef XTCP_TRANSFER_ACK_H
#define XTCP_TRANSFER_ACK_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "tcb.h"

struct sk_buff;
struct sock;

#define XTCP_ATO_MIN_MS	40U	/* delayed ACK; RFC 9293 MUST-40: < 500 */
#define XTCP_ATO_MAX_MS	200U

void xtcp_ack_init(struct sock *sk);
void xtcp_ack_begin(struct sock *sk);
u32 xtcp_ack_ato_us(const struct xtcp_sock *xs);
void xtcp_ack_payload_received(struct sock *sk, const struct sk_buff *skb, bool whole);
void xtcp_ack_fin_received(struct sock *sk);
void xtcp_ack_payload_sent(struct sock *sk, u64 now_ns);
void xtcp_ack_now(struct sock *sk);
void xtcp_ack_ahead(struct sock *sk);
void xtcp_ack_displacing(struct sock *sk, unsigned int others);
void xtcp_ack_quickly(struct xtcp_sock *xs, u32 segs);
void xtcp_ack_refused(struct sock *sk);
void xtcp_ack_no_space(struct sock *sk);
void xtcp_ack_await_data(struct sock *sk);
void xtcp_ack_failed(struct sock *sk);
void xtcp_ack_option(struct sock *sk, int val);
void xtcp_ack_send_pending(struct sock *sk);
void xtcp_ack_flush(struct sock *sk);
void xtcp_ack_deferred(struct sock *sk);
bool xtcp_ack_is_due_by_read(const struct sock *sk);
void xtcp_ack_reader_waits(struct sock *sk);
void xtcp_ack_sent(struct sock *sk);
void xtcp_ack_timeout(struct sock *sk);

/* The pending ACK, if there is one, must not wait. */
static inline void xtcp_ack_hasten(struct xtcp_sock *xs)
{
	xs->ack.pending |= XTCP_ACK_NOW;
}

/*
 * Must the next segment announce a window of 0, because payload in order was refused? Returns true
 * once for each refusal: the caller announces 0, or knows of new space.
 */
static inline bool xtcp_ack_take_no_space(struct xtcp_sock *xs)
{
	if (likely(!(xs->ack.pending & XTCP_ACK_NO_SPACE)))
		return false;
	xs->ack.pending &= ~XTCP_ACK_NO_SPACE;
	return true;
}

/* From now on ACKs may wait: the peer's window need not be opened. */
static inline void xtcp_ack_quickly_end(struct xtcp_sock *xs)
{
	xs->ack.quickack = 0;
}

#endif /* XTCP_TRANSFER_ACK_H */
