/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rtt.h - round trip time and retransmission timeout, RFC 6298
 */
#ifndef XTCP_TRANSFER_RTT_H
#define XTCP_TRANSFER_RTT_H

#include <linux/types.h>

struct sock;
struct xtcp_sock;

#define XTCP_RTO_INIT_US	1000000U	/* RFC 6298 2.1 */
#define XTCP_RTO_MIN_US		200000U		/* xtcp_rto_min_us; RFC: 1 s */
#define XTCP_RTO_MAX_US		120000000U	/* Linux; the RFC says >= 60 s */
#define XTCP_RTO_FALLBACK_US	3000000U	/* RFC 6298 5.7 */

u32 xtcp_rtt_us_between(u64 then_ns, u64 now_ns);
void xtcp_rtt_init(struct xtcp_sock *xs);
void xtcp_rtt_route(struct sock *sk);
void xtcp_rtt_sample(struct sock *sk, u32 rtt_us);
u32 xtcp_rtt_rto_min_us(const struct xtcp_sock *xs);
u32 xtcp_rtt_rto_us(const struct xtcp_sock *xs);
u32 xtcp_rtt_min_us(const struct xtcp_sock *xs);
void xtcp_rtt_min_sample(struct xtcp_sock *xs, u32 rtt_us, u64 now_ns);
void xtcp_rtt_backoff(struct xtcp_sock *xs);

#endif /* XTCP_TRANSFER_RTT_H */
