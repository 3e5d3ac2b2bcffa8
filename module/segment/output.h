/* SPDX-License-Identifier: GPL-2.0 */
/*
 * output.h - build and send a segment of a socket
 */
#ifndef XTCP_SEGMENT_OUTPUT_H
#define XTCP_SEGMENT_OUTPUT_H

#include <linux/math64.h>
#include <linux/time64.h>
#include <linux/types.h>

#include "clock.h"
#include "net/seq.h"
#include "tcb.h"

struct sk_buff;
struct sock;

/* Context: socket lock. */
int xtcp_output_queued(struct sock *sk, struct sk_buff *skb, u64 now_ns);
seq_t xtcp_output_bare_seq(const struct xtcp_sock *xs);
int xtcp_output_bare(struct sock *sk, struct sk_buff *spare, seq_t seq,
		     u8 flags, u64 now_ns);
void xtcp_output_ack(struct sock *sk);
void xtcp_output_ack_recycle(struct sock *sk, struct sk_buff *spare);
void xtcp_output_probe(struct sock *sk);
void xtcp_output_reset(struct sock *sk);
void xtcp_output_syn_ack(struct sock *sk, struct sk_buff *syn);
unsigned int xtcp_output_option_size(const struct sock *sk);
int xtcp_output_route_find(struct sock *sk);
void xtcp_output_mss_sync(struct sock *sk, u32 pmtu);

/**
 * xtcp_tsval_at - our timestamp clock at some time (RFC 7323 5.4)
 * @xs: the connection
 * @time_ns: the time, CLOCK_MONOTONIC
 *
 * Return: TSval: milliseconds, with an offset of each connection
 */
static inline u32 xtcp_tsval_at(const struct xtcp_sock *xs, u64 time_ns)
{
	return (u32)div_u64(time_ns, NSEC_PER_MSEC) + xs->ts_offset;
}

/**
 * xtcp_tsval - read our timestamp clock (RFC 7323 5.4)
 * @xs: the connection
 *
 * Return: milliseconds, with an offset of each connection
 */
static inline u32 xtcp_tsval(const struct xtcp_sock *xs)
{
	return xtcp_tsval_at(xs, xtcp_now_ns());
}

#endif /* XTCP_SEGMENT_OUTPUT_H */
