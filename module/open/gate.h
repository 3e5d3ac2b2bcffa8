/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gate.h - what becomes of a SYN for a listener
 */
#ifndef XTCP_OPEN_GATE_H
#define XTCP_OPEN_GATE_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct net;
struct sk_buff;
struct sock;
struct xtcp_key;
struct xtcp_seg;
struct xtcp_sources;
struct xtcp_timewait;

/**
 * struct xtcp_rate - events in the current second
 * @second: of CLOCK_MONOTONIC
 * @count: in it; when a second begins on two CPUs at once, what one of them
 *	has counted may be lost, and so many more pass
 */
struct xtcp_rate {
	u32		second;
	atomic_t	count;
};

/**
 * struct xtcp_gate - the gate of a namespace
 * @net: the namespace
 * @syn_acks: SYN-ACKs in answer to SYNs, with xtcp_synack_ratelimit
 * @resets: RSTs to nobody's segments, with xtcp_rst_ratelimit
 * @drops: SYNs dropped, while @early isn't set
 * @dropped_s: second of CLOCK_MONOTONIC in which one was last
 * @early: PRE_ROUTING drops already; written by @watch
 * @hooked: the hook that does so is registered; of @watch, and set until the
 *	namespace ends
 * @watch: registers that hook, and sets and clears @early
 * @sources: half-open records of each source, or NULL: never asked for
 */
struct xtcp_gate {
	struct net		*net;
	struct xtcp_rate	syn_acks;
	struct xtcp_rate	resets;
	struct xtcp_rate	drops;
	u32			dropped_s;
	bool			early;
	bool			hooked;
	struct delayed_work	watch;
	struct xtcp_sources	*sources;
};

int xtcp_gate_net_init(struct net *net);
void xtcp_gate_net_exit(struct net *net);

void xtcp_gate_syn(struct sock *lsk, struct sk_buff *skb,
		   const struct xtcp_key *key, const struct xtcp_seg *seg,
		   struct xtcp_timewait *tw);
bool xtcp_gate_refuses(struct net *net, const struct xtcp_key *key,
		       struct sk_buff *skb);
bool xtcp_gate_drops_early(struct net *net);
bool xtcp_gate_may_syn_ack(struct net *net);
void xtcp_gate_reset(struct net *net, struct sk_buff *skb,
		     const struct xtcp_key *key, const struct xtcp_seg *seg,
		     bool listening);

#endif /* XTCP_OPEN_GATE_H */
