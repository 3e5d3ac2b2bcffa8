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
struct xtcp_key;
struct xtcp_listener;
struct xtcp_seg;
struct xtcp_sources;

/* What becomes of a SYN. */
enum xtcp_gate_verdict {
	XTCP_GATE_QUEUE,		/* a half-open record, a SYN-ACK */
	XTCP_GATE_COOKIE,		/* a SYN-ACK that carries the record */
	XTCP_GATE_DROP_QUEUE,		/* the SYN queue is full, no cookies */
	XTCP_GATE_DROP_RESERVED,	/* what is left is for known peers */
	XTCP_GATE_DROP_ACCEPT,		/* the accept queue is full */
	XTCP_GATE_DROP_SOURCE,		/* its source has too many records */
	XTCP_GATE_DROP_RATE,		/* SYN-ACKs enough for this second */
};

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

enum xtcp_gate_verdict xtcp_gate_syn(struct xtcp_listener *ls,
				     const struct xtcp_key *key, bool proven);
bool xtcp_gate_refuses(struct net *net, const struct xtcp_key *key,
		       struct sk_buff *skb);
bool xtcp_gate_drops_early(struct net *net);
bool xtcp_gate_may_syn_ack(struct net *net);
void xtcp_gate_reset(struct net *net, struct sk_buff *skb,
		     const struct xtcp_key *key, const struct xtcp_seg *seg,
		     bool listening);

#endif /* XTCP_OPEN_GATE_H */
