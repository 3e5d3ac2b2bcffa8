/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reset.h - send RSTs, act on received ones, count both
 */
#ifndef XTCP_CLOSE_RESET_H
#define XTCP_CLOSE_RESET_H

#include <linux/types.h>

#include "observe/stats.h"

struct net;
struct sk_buff;
struct sock;
struct xtcp_key;
struct xtcp_flow;
struct xtcp_origin;
struct xtcp_seg;

void xtcp_reset_reply(struct net *net, const struct sk_buff *skb,
		      const struct xtcp_key *key, const struct xtcp_origin *origin,
		      const struct xtcp_seg *seg, enum xtcp_mib_item reason);
void xtcp_reset_recycle(struct net *net, struct sk_buff *skb,
			const struct xtcp_key *key, const struct sock *lsk,
			const struct xtcp_seg *seg, enum xtcp_mib_item reason);
void xtcp_reset_send(struct sock *sk, enum xtcp_mib_item reason);
void xtcp_reset_taken(struct net *net, const struct xtcp_flow *flow, u8 state);

#endif /* XTCP_CLOSE_RESET_H */
