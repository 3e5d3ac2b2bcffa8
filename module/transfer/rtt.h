/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rtt.h - round trip time and retransmission timeout, RFC 6298
 */
#ifndef XTCP_TRANSFER_RTT_H
#define XTCP_TRANSFER_RTT_H

#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/rtnetlink.h>
#include <linux/types.h>
#include <net/dst.h>

#include "netns.h"
#include "rare.h"
#include "tcb.h"

#define XTCP_RTO_INIT_US	1000000U	/* RFC 6298 2.1 */
#define XTCP_RTO_MIN_US		200000U		/* xtcp_rto_min_us; RFC: 1 s */
#define XTCP_RTO_MAX_US		120000000U	/* Linux; the RFC: >= 60 s */
#define XTCP_RTO_SHORTEST_US	1000U		/* of any RTO; Linux: a jiffy */
#define XTCP_RTO_MAX_MIN_US	1000000U	/* least of xtcp_rto_max_ms */

/**
 * xtcp_rtt_us_between - microseconds between two times
 * @then_ns: beginning
 * @now_ns: end
 *
 * A peer may acknowledge a segment whose departure fq still put off: @then_ns is
 * in the future.
 *
 * Return: microseconds, at most U32_MAX; 0 if @then_ns is in the future
 */
static inline u32 xtcp_rtt_us_between(u64 then_ns, u64 now_ns)
{
	if (unlikely((s64)(now_ns - then_ns) < 0))
		return 0;
	return min_t(u64, div_u64(now_ns - then_ns, NSEC_PER_USEC), U32_MAX);
}

static inline u64 xtcp_rtt_rto_ns(const struct xtcp_sock *xs)
{
	return (u64)xs->rtt.rto_us * NSEC_PER_USEC;
}

/* Like xtcp_rtt_rto_min_us(), for callers that have the knobs. */
static inline u32 xtcp_rtt_rto_min_by(const struct xtcp_sock *xs,
				      const struct xtcp_knobs *knobs)
{
	const struct dst_entry *dst;
	u32 own_us;

	dst = rcu_dereference_raw(xs->inet.sk.sk_dst_cache);
	if (unlikely(dst && dst_metric_locked(dst, RTAX_RTO_MIN)))
		return min_t(u64, (u64)dst_metric(dst, RTAX_RTO_MIN) *
				  USEC_PER_MSEC, XTCP_RTO_MAX_US);
	if (static_branch_unlikely(&xtcp_rare_limits)) {
		own_us = XTCP_SOCKOPT_RARE(xs, rto_min_us);
		if (own_us)
			return own_us;
	}
	return min_t(u32, READ_ONCE(knobs->rto_min_us), XTCP_RTO_MAX_US);
}

/**
 * xtcp_rtt_rto_min_us - minimum of the RTO's variance term
 * @xs: the connection
 *
 * The route's rto_min, else TCP_RTO_MIN_US, else xtcp_rto_min_us.
 *
 * Return: microseconds
 */
static inline u32 xtcp_rtt_rto_min_us(const struct xtcp_sock *xs)
{
	return xtcp_rtt_rto_min_by(xs,
				   &xtcp_net(sock_net(&xs->inet.sk))->knobs);
}

/**
 * xtcp_rtt_rto_max_us - largest timeout, after doublings
 * @xs: the connection, or a listener, whose SYN-ACKs it limits
 *
 * TCP_RTO_MAX_MS, else xtcp_rto_max_ms.
 *
 * Return: microseconds, between XTCP_RTO_MAX_MIN_US and XTCP_RTO_MAX_US
 */
static inline u32 xtcp_rtt_rto_max_us(const struct xtcp_sock *xs)
{
	u32 own_ms = XTCP_SOCKOPT_RARE(xs, rto_max_ms);

	return (own_ms ?: XTCP_KNOB(sock_net(&xs->inet.sk), rto_max_ms)) *
	       USEC_PER_MSEC;
}

void xtcp_rtt_init(struct xtcp_sock *xs);
void xtcp_rtt_expect(struct xtcp_sock *xs, u32 srtt_us);
void xtcp_rtt_sample(struct sock *sk, u32 rtt_us);
void xtcp_rtt_shift(struct xtcp_sock *xs, s32 us);
u32 xtcp_rtt_rto_us(const struct xtcp_sock *xs);
u32 xtcp_rtt_min_us(const struct xtcp_sock *xs);
void xtcp_rtt_min_sample(struct xtcp_sock *xs, u32 rtt_us, u64 now_ns);
void xtcp_rtt_min_guess(struct xtcp_sock *xs, u32 rtt_us, u64 now_ns);
void xtcp_rtt_backoff(struct xtcp_sock *xs);
void xtcp_rtt_no_backoff(struct xtcp_sock *xs);
bool xtcp_rtt_backoff_undo(struct xtcp_sock *xs);
void xtcp_rtt_fall_back(struct xtcp_sock *xs);

#endif /* XTCP_TRANSFER_RTT_H */
