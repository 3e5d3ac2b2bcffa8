/* SPDX-License-Identifier: GPL-2.0 */
/*
 * icmp.h - apply an ICMP error to a connection
 */
#ifndef XTCP_SEGMENT_ICMP_H
#define XTCP_SEGMENT_ICMP_H

struct net;
struct sock;
struct xtcp_flow;
struct xtcp_halfopen;
struct xtcp_icmp;

void xtcp_icmp_socket(struct sock *sk, const struct xtcp_icmp *ie);
void xtcp_icmp_halfopen(struct net *net, struct xtcp_halfopen *ho,
			const struct xtcp_icmp *ie);
void xtcp_icmp_record(struct net *net, struct xtcp_flow *flow,
		      const struct xtcp_icmp *ie);
void xtcp_icmp_mtu_apply(struct sock *sk);

#endif /* XTCP_SEGMENT_ICMP_H */
