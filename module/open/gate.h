/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gate.h - decide what to do with a SYN for a listener
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
struct xtcp_listener;
struct xtcp_seg;
struct xtcp_sources;

/* What to do with a SYN. */
enum xtcp_gate_verdict {
	XTCP_GATE_QUEUE,		/* create a half-open record */
	XTCP_GATE_COOKIE,		/* answer with a cookie, store nothing */
	XTCP_GATE_DROP_QUEUE,		/* drop: SYN queue full, no cookies */
	XTCP_GATE_DROP_RESERVED,	/* drop: rest kept for known peers */
	XTCP_GATE_DROP_ACCEPT,		/* drop: accept queue full */
	XTCP_GATE_DROP_SOURCE,		/* drop: source at its limit */
	XTCP_GATE_DROP_POLICY,		/* drop: a security module refuses it */
	XTCP_GATE_DROP_RATE,		/* drop: rate limit of SYN-ACKs */
};

/**
 * struct xtcp_quota - counter of a rate limit
 * @second: the second of CLOCK_MONOTONIC that @count belongs to
 * @count: events in @second. If two CPUs begin a second at once, the count of
 *	one may be lost, and that many more events pass
 * @cut: drawn for each second: so many 65536ths of a quarter of the limit are missing
 */
struct xtcp_quota {
	u32		second;
	atomic_t	count;
	u16		cut;
};

/**
 * struct xtcp_gate - the gate of a namespace
 * @net: the namespace
 * @syn_acks: SYN-ACKs in answer to SYNs, for xtcp_synack_ratelimit
 * @resets: RSTs to segments of no connection, for xtcp_rst_ratelimit
 * @token_acks: ACKs of FINs with a token, for the same knob
 * @drops: SYNs dropped, counted while @early is not set
 * @dropped_s: second of CLOCK_MONOTONIC in which a SYN was last dropped
 * @early: SYNs are dropped in PRE_ROUTING already; written by @watch
 * @hooked: the hook that drops them there is registered; written by @watch, and
 *	set until the namespace ends
 * @closed: the namespace ends; no hook any more
 * @watch: work item that registers the hook, and sets and clears @early
 * @sources: counters of half-open records by source; NULL: never needed yet
 */
struct xtcp_gate {
	struct net		*net;
	struct xtcp_quota	syn_acks;
	struct xtcp_quota	resets;
	struct xtcp_quota	token_acks;
	struct xtcp_quota	drops;
	u32			dropped_s;
	bool			early;
	bool			hooked;
	bool			closed;
	struct delayed_work	watch;
	struct xtcp_sources	*sources;
};

int xtcp_gate_net_init(struct net *net);
void xtcp_gate_net_quiesce(struct net *net);
void xtcp_gate_net_exit(struct net *net);

enum xtcp_gate_verdict xtcp_gate_syn(struct xtcp_listener *ls, struct sk_buff *skb,
				     const struct xtcp_key *key, bool known);
bool xtcp_gate_refuses(struct net *net, const struct xtcp_key *key,
		       struct sk_buff *skb);
bool xtcp_gate_drops_early(struct net *net);
bool xtcp_gate_take_syn_ack(struct net *net);
bool xtcp_gate_take_ack(struct net *net);
bool xtcp_gate_take_reset(struct net *net);
void xtcp_gate_reset(struct net *net, struct sk_buff *skb,
		     const struct xtcp_key *key, const struct xtcp_seg *seg,
		     const struct sock *lsk);

#endif /* XTCP_OPEN_GATE_H */
