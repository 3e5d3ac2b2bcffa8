/* SPDX-License-Identifier: GPL-2.0 */
/* rack.h - loss detection by time: RFC 8985, RACK */
#ifndef XTCP_TRANSFER_RACK_H
#define XTCP_TRANSFER_RACK_H

#include <linux/types.h>

#include "net/seq.h"
#include "tcb.h"

struct sk_buff;
struct sock;
struct xtcp_skb_cb;

void xtcp_rack_init(struct xtcp_sock *xs);
bool xtcp_rack_is_on(const struct xtcp_sock *xs);
u32 xtcp_rack_delivered(struct xtcp_sock *xs, const struct xtcp_skb_cb *cb,
			u64 now_ns);
void xtcp_rack_rtt_raise(struct xtcp_sock *xs, u32 rtt_us);
void xtcp_rack_window_adapt(struct xtcp_sock *xs);
u64 xtcp_rack_detect(struct sock *sk);
bool xtcp_rack_is_recent(const struct sock *sk, const struct sk_buff *skb);

/**
 * xtcp_rack_sent_after - order of transmissions: by time, then by sequence number
 * @a_ns: time of the first
 * @a_end: end of the segment
 * @b_ns: time of the second
 * @b_end: end of the segment
 *
 * RFC 8985 6.2, RACK_sent_after().
 *
 * Return: true if the first one was sent later than the second one
 */
static inline bool xtcp_rack_sent_after(u64 a_ns, seq_t a_end, u64 b_ns, seq_t b_end)
{
	return a_ns > b_ns || (a_ns == b_ns && seq_after(a_end, b_end));
}

/*
 * @round follows SND.UNA once that has passed it. Numbers are compared modulo 2^32: a @round more
 * than 2^31 below SND.UNA would seem to be above it, and the window would not widen any more.
 */
static inline void xtcp_rack_una_advanced(struct xtcp_sock *xs)
{
	if (seq_after(xs->snd_una, xs->rack.round))
		xs->rack.round = xs->snd_una;
}

/* True if xtcp_rack_window_adapt() would change nothing. */
static inline bool xtcp_rack_window_is_settled(const struct xtcp_sock *xs)
{
	return !xs->rack.dsack && (xs->rack.persist || xs->rack.steps == 1);
}

#endif /* XTCP_TRANSFER_RACK_H */
