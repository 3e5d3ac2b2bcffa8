/* SPDX-License-Identifier: GPL-2.0 */
/*
 * input.h - dispatch a received segment or ICMP error to its connection
 */
#ifndef XTCP_NET_INPUT_H
#define XTCP_NET_INPUT_H

#include <linux/types.h>

#include "flow.h"

struct net;
struct sk_buff;
struct sock;
struct xtcp_family;
struct xtcp_icmp;

/**
 * struct xtcp_found - what net/hook.c has found for a segment of the TCP wire
 * @key: its connection, with digests; undefined unless @complete
 * @flow: the connection, with a reference, or NULL
 * @listener: listener of a SYN without connection, of a SO_REUSEPORT group any;
 *	under RCU, without a reference; or NULL
 * @complete: the segment has a header; without one, nothing was looked up
 */
struct xtcp_found {
	struct xtcp_key		key;
	struct xtcp_flow	*flow;
	struct sock		*listener;
	bool			complete;
};

void xtcp_input(struct sk_buff *skb, const struct xtcp_family *af, u8 wire,
		const struct xtcp_found *found);
int xtcp_input_error(struct net *net, const struct xtcp_key *key,
		     const struct xtcp_icmp *ie);
int xtcp_input_backlog(struct sock *sk, struct sk_buff *skb);

#endif /* XTCP_NET_INPUT_H */
