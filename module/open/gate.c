// SPDX-License-Identifier: GPL-2.0
/*
 * gate.c - admission of SYNs, and rate limits of answers without a socket
 *
 * RFC 4987. Every SYN for a listener, on either wire, is checked here before any
 * socket is locked: it gets a half-open record while the SYN queue has space,
 * else a cookie, else it is dropped. The verdict costs a few loads. Memory is
 * allocated for a record, and for the socket of a fast open whose cookie is valid; a SYN
 * cookie's SYN-ACK is built in the SYN's skb if that can be recycled.
 *
 * While many SYNs are dropped, net/prerouting.c calls xtcp_gate_refuses() before
 * IP looks up a route: the same verdict, some thousand instructions earlier. It
 * only drops there; SYNs that are to be answered first pass the firewall's input
 * rules. A work item registers the hook, because that may sleep, and switches
 * early drops on and off.
 *
 * A SYN never ends another half-open connection: if the queue is full, the new
 * SYN is dropped (only the retransmissions of old records get fewer: LC-41 in
 * Documentation/requirements.rst).
 *
 * Context: softirq, RCU read-side section; the listener is not locked. The work
 * item and xtcp_gate_net_*(): process.
 */
#include "open/gate.h"

#include <linux/random.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <net/inet_sock.h>

#include "clock.h"
#include "close/reset.h"
#include "flow.h"
#include "hostcache.h"
#include "listener.h"
#include "lookup.h"
#include "net/hook.h"
#include "net/prerouting.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "observe/trace.h"
#include "open/acceptqueue.h"
#include "open/cookie.h"
#include "open/listen.h"
#include "open/permit.h"
#include "open/source.h"

/*
 * Drops in a second from which on early drops save more than the hook costs: chosen, not measured.
 * bench.rst has what a drop costs without the hook and with it (flood/full_drop,
 * flood/full_drop_early), and what the hook costs other packets (tcpwire/hook_flooded).
 */
#define HOOK_DROPS	64
/* Seconds without a drop after which the hook lets all packets pass; chosen, not measured. */
#define HOOK_QUIET_S	2U

static struct xtcp_gate *gate_of(struct net *net)
{
	return xtcp_net(net)->gate;
}

/*
 * A limit that all connections share is a side channel (CVE-2016-5696): an attacker who can
 * count what is left of it learns how many events others have caused, and so whether a guessed
 * 4-tuple is in use. So a random part of it, up to a quarter, is withheld in each second. That
 * makes the attack slower, not impossible: each guess costs a quarter of the limit. Below 4
 * nothing is withheld.
 */
static int quota_of(const struct xtcp_quota *quota, int limit)
{
	return limit - (int)((u64)(limit / 4 + 1) * READ_ONCE(quota->cut) >> 16);
}

/* Count an event. Returns how many there have been in this second. */
static int gate_quota_count(struct xtcp_quota *quota)
{
	u32 now = xtcp_now_s();

	if (READ_ONCE(quota->second) != now) {
		WRITE_ONCE(quota->second, now);
		WRITE_ONCE(quota->cut, get_random_u16());
		atomic_set(&quota->count, 0);
	}
	return atomic_inc_return(&quota->count);
}

/* Returns true if gate_quota_take() would return false. Does not count. */
static bool gate_quota_is_spent(const struct xtcp_quota *quota, int limit)
{
	return READ_ONCE(quota->second) == xtcp_now_s() &&
	       atomic_read(&quota->count) >= quota_of(quota, limit);
}

/*
 * Take one from the quota. Returns true if the event is among the first of this second, at most
 * @limit.
 */
static bool gate_quota_take(struct xtcp_quota *quota, int limit)
{
	/* Only read: a flood must not make all CPUs write one line. */
	if (gate_quota_is_spent(quota, limit))
		return false;
	return gate_quota_count(quota) <= quota_of(quota, limit);
}

static const char *const verdict_words[] = {
	[XTCP_GATE_QUEUE]		= "queued",
	[XTCP_GATE_COOKIE]		= "cookie",
	[XTCP_GATE_DROP_QUEUE]	= "dropped, SYN queue full",
	[XTCP_GATE_DROP_RESERVED]	= "dropped, rest kept for known peers",
	[XTCP_GATE_DROP_ACCEPT]	= "dropped, accept queue full",
	[XTCP_GATE_DROP_SOURCE]	= "dropped, too many of its source",
	[XTCP_GATE_DROP_POLICY]	= "dropped, security module",
	[XTCP_GATE_DROP_RATE]	= "dropped, rate limit",
};

/* The verdict on a SYN and the facts behind it, for the counters. */
struct gate_verdict {
	enum xtcp_gate_verdict	verdict;
	bool			full;	/* the SYN queue; not set if @known */
	bool			cookie;	/* no record may be created */
};

/*
 * RFC 4987 3.6: a record while the queue has space, then a cookie, else a drop.
 * The SYN queue is checked before the accept queue, as in Linux. @known: the
 * 4-tuple has a TIME-WAIT record, or the SYN has ended a TIME-WAIT of the kernel's
 * TCP. A peer in the host cache may use the reserved part of the queue, too.
 */
static __always_inline struct gate_verdict gate_verdict(struct xtcp_listener *ls,
							const struct xtcp_key *key, bool known)
{
	unsigned int mode = xtcp_cookie_mode(ls->sk);
	struct gate_verdict o = { .verdict = XTCP_GATE_QUEUE };

	if (!known) {
		o.full = xtcp_listener_is_full(ls);
		o.cookie = mode >= 2 || (mode && o.full);
	}
	if (o.full && !o.cookie)
		o.verdict = XTCP_GATE_DROP_QUEUE;
	else if (xtcp_acceptqueue_is_full(ls->sk))
		o.verdict = XTCP_GATE_DROP_ACCEPT;
	else if (!mode && !known && xtcp_listen_is_reserved(ls) &&
		 !xtcp_hostcache_is_known(sock_net(ls->sk), key))
		o.verdict = XTCP_GATE_DROP_RESERVED;
	else if (o.cookie)
		o.verdict = XTCP_GATE_COOKIE;
	else if (xtcp_source_is_over(sock_net(ls->sk), key))
		o.verdict = XTCP_GATE_DROP_SOURCE;
	return o;
}

static bool gate_is_drop(enum xtcp_gate_verdict verdict)
{
	return verdict != XTCP_GATE_QUEUE && verdict != XTCP_GATE_COOKIE;
}

/* Log one line for each listener, however long the flood lasts. */
static void gate_flood_warn(struct xtcp_listener *ls, bool cookies)
{
	if (READ_ONCE(ls->warned) || !xtcp_net_may_log(sock_net(ls->sk)) ||
	    xchg(&ls->warned, true))
		return;
	net_info_ratelimited("xtcp: possible SYN flooding on port %u. %s.\n",
			     inet_sk(ls->sk)->inet_num,
			     cookies ? "Sending cookies" : "Dropping request");
}

/* Count as Linux does: cookies of mode 2 count as those of a full queue, too. */
static __always_inline void gate_count(struct xtcp_listener *ls, const struct gate_verdict *o)
{
	struct net *net = sock_net(ls->sk);

	if (o->full || o->verdict == XTCP_GATE_DROP_RESERVED) {
		XTCP_LISTENER_INC(ls, syn_overflows);
		if (xtcp_cookie_mode(ls->sk) < 2)
			gate_flood_warn(ls, o->cookie);
	}
	if (o->cookie)
		XTCP_INC(net, REQ_Q_FULL_DO_COOKIES);
	if (o->verdict == XTCP_GATE_DROP_QUEUE)
		XTCP_INC(net, REQ_Q_FULL_DROP);
	else if (o->verdict == XTCP_GATE_DROP_ACCEPT)
		xtcp_listen_overflowed(ls);
	else if (o->verdict == XTCP_GATE_DROP_SOURCE)
		XTCP_INC(net, SYN_PER_SOURCE_DROP);
	else if (o->verdict == XTCP_GATE_DROP_RATE)
		XTCP_INC(net, SYNACK_RATE_DROP);
	if (gate_is_drop(o->verdict))
		xtcp_listen_dropped(ls);
}

/* xtcp:xtcp_syn. The arguments cost loads, so first ask if it is enabled. */
static __always_inline void gate_trace(const struct xtcp_listener *ls,
				       const struct xtcp_key *key,
				       enum xtcp_gate_verdict verdict, bool early)
{
	if (!trace_xtcp_syn_enabled())
		return;
	trace_xtcp_syn(key, ls->sk, atomic_read(&ls->qlen),
		       xtcp_listen_syn_limit(ls), verdict_words[verdict],
		       early);
}

/*
 * Count a drop; if there are many, start the work item that drops early. If it can't, it is
 * started again in the next second, not by each drop.
 */
static void gate_note_drop(struct net *net)
{
	struct xtcp_gate *gate = gate_of(net);
	u32 now = xtcp_now_s();

	if (READ_ONCE(gate->dropped_s) != now)
		WRITE_ONCE(gate->dropped_s, now);
	if (!READ_ONCE(gate->early) && gate_quota_count(&gate->drops) == HOOK_DROPS + 1)
		schedule_delayed_work(&gate->watch, 0);
}

/**
 * xtcp_gate_syn - decide what to do with a SYN for a listener
 * @ls: queues of the listener
 * @skb: the SYN, at its TCP header
 * @key: the SYN's connection
 * @known: the 4-tuple has a TIME-WAIT record, or the SYN has ended a TIME-WAIT of the
 *	kernel's TCP: it is from a known peer
 *
 * Counts and traces the verdict; the caller acts on it.
 *
 * Context: softirq, RCU read-side section.
 * Return: XTCP_GATE_QUEUE, XTCP_GATE_COOKIE, or the reason to drop the SYN.
 */
enum xtcp_gate_verdict xtcp_gate_syn(struct xtcp_listener *ls, struct sk_buff *skb,
				     const struct xtcp_key *key, bool known)
{
	struct net *net = sock_net(ls->sk);
	struct gate_verdict o = gate_verdict(ls, key, known);

	if (!gate_is_drop(o.verdict)) {
		/* First, so that a peer that is refused takes nothing from the quota. */
		if (unlikely(!xtcp_permit_request(ls->sk, skb, key)))
			o.verdict = XTCP_GATE_DROP_POLICY;
		else if (!xtcp_gate_take_syn_ack(net))
			o.verdict = XTCP_GATE_DROP_RATE;
	}
	gate_count(ls, &o);
	gate_trace(ls, key, o.verdict, false);
	if (gate_is_drop(o.verdict))
		gate_note_drop(net);
	return o.verdict;
}

static bool gate_syn_acks_are_spent(struct net *net)
{
	int limit = XTCP_KNOB(net, synack_ratelimit);

	return limit && gate_quota_is_spent(&gate_of(net)->syn_acks, limit);
}

/*
 * Does the kernel's TCP have the connection, or does a BPF program give it the SYN? Then
 * net/hook.c may pass the SYN on.
 */
static bool gate_is_for_kernel_tcp(struct net *net, const struct xtcp_key *key)
{
	return key->wire == XTCP_WIRE_TCP &&
	       (xtcp_hook_kernel_tcp_connected(net, key) ||
		xtcp_hook_is_steered(net, key));
}

/* Would the listener drop a SYN of no connection? If so, the drop is counted. */
static bool gate_listener_refuses(struct xtcp_listener *ls,
				  const struct xtcp_key *key)
{
	struct gate_verdict o = gate_verdict(ls, key, false);

	if (!gate_is_drop(o.verdict) && gate_syn_acks_are_spent(sock_net(ls->sk)))
		o.verdict = XTCP_GATE_DROP_RATE;
	if (!gate_is_drop(o.verdict) || gate_is_for_kernel_tcp(sock_net(ls->sk), key))
		return false;
	gate_count(ls, &o);
	gate_trace(ls, key, o.verdict, true);
	gate_note_drop(sock_net(ls->sk));
	return true;
}

/**
 * xtcp_gate_refuses - decide whether to drop a SYN before it is routed
 * @net: namespace
 * @key: connection; its local address is one of ours
 * @skb: segment, at its TCP header, otherwise unchecked
 *
 * SYNs of existing connections, even in TIME-WAIT, are not dropped; on the TCP
 * wire, neither are those of connections of the kernel's TCP.
 *
 * Context: softirq, RCU read-side section.
 * Return: true if the caller must drop it; the drop has been counted.
 */
bool xtcp_gate_refuses(struct net *net, const struct xtcp_key *key,
		       struct sk_buff *skb)
{
	struct xtcp_listener *ls;
	struct sock *lsk;

	if (!xtcp_net_is_ready(xtcp_net_rcu(net)) || xtcp_flow_find_rcu(net, key))
		return false;
	lsk = xtcp_lookup_rcu(net, key, skb);
	ls = lsk ? xtcp_listener_of(lsk) : NULL;
	return ls && gate_listener_refuses(ls, key);
}

/**
 * xtcp_gate_drops_early - are SYNs dropped before they are routed
 * @net: namespace
 *
 * Context: RCU read-side section.
 * Return: true during a flood and for one to three seconds after it.
 */
bool xtcp_gate_drops_early(struct net *net)
{
	return READ_ONCE(xtcp_net_rcu(net)->gate->early);
}

/**
 * xtcp_gate_take_syn_ack - the rate limit of SYN-ACKs
 * @net: namespace
 *
 * xtcp_synack_ratelimit, for answers to SYNs; retransmissions by the timer are
 * not limited.
 *
 * Context: softirq.
 * Return: true if a SYN-ACK may be sent; it has been counted.
 */
bool xtcp_gate_take_syn_ack(struct net *net)
{
	int limit = XTCP_KNOB(net, synack_ratelimit);

	return !limit || gate_quota_take(&gate_of(net)->syn_acks, limit);
}

/**
 * xtcp_gate_take_ack - the rate limit of ACKs from tokens
 * @net: namespace
 *
 * xtcp_rst_ratelimit, with a count of its own: a flood of segments that get a RST
 * must not keep peers from ending their connections.
 *
 * Context: softirq.
 * Return: true if an ACK may be sent; it has been counted.
 */
bool xtcp_gate_take_ack(struct net *net)
{
	int limit = XTCP_KNOB(net, rst_ratelimit);

	return !limit || gate_quota_take(&gate_of(net)->token_acks, limit);
}

/**
 * xtcp_gate_take_reset - the rate limit of RSTs that end no connection
 * @net: namespace
 *
 * xtcp_rst_ratelimit. A sender with a forged source address gets such a RST sent to that
 * address: for a segment of no connection, or for an ACK that does not acknowledge our SYN-ACK.
 *
 * Context: softirq; process for a segment that has waited in a socket's backlog.
 * Return: true if a RST may be sent; it has been counted. false: the drop has been counted.
 */
bool xtcp_gate_take_reset(struct net *net)
{
	int limit = XTCP_KNOB(net, rst_ratelimit);

	if (!limit || gate_quota_take(&gate_of(net)->resets, limit))
		return true;
	XTCP_INC(net, RST_RATE_DROP);
	return false;
}

/**
 * xtcp_gate_reset - answer a segment that belongs to no connection with a RST
 * @net: namespace
 * @skb: segment; consumed
 * @key: its connection
 * @seg: its parsed header
 * @lsk: the listener of its port, which cannot use it, or NULL
 *
 * Limited by xtcp_rst_ratelimit; RSTs that end a connection are not.
 *
 * Context: softirq.
 */
void xtcp_gate_reset(struct net *net, struct sk_buff *skb,
		     const struct xtcp_key *key, const struct xtcp_seg *seg,
		     const struct sock *lsk)
{
	if (!(seg->flags & XTCP_RST) && !xtcp_gate_take_reset(net)) {
		kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
		return;
	}
	xtcp_reset_recycle(net, skb, key, lsk, seg,
			   lsk ? XTCP_MIB_RESET_SENT_NO_HANDSHAKE :
				 XTCP_MIB_RESET_SENT_NO_CONNECTION);
}

/* Work item: runs once when drops begin, then each second until they end. */
static void gate_watch(struct work_struct *work)
{
	struct xtcp_gate *gate =
		container_of(work, struct xtcp_gate, watch.work);
	bool quiet = xtcp_now_s() - READ_ONCE(gate->dropped_s) >=
		     HOOK_QUIET_S;

	if (READ_ONCE(gate->closed))
		return;
	if (!quiet && !gate->hooked)
		gate->hooked = !xtcp_prerouting_add(gate->net);
	WRITE_ONCE(gate->early, !quiet && gate->hooked);
	if (gate->early)
		schedule_delayed_work(&gate->watch, HZ);
}

/**
 * xtcp_gate_net_init - create the gate of a namespace
 * @net: namespace
 *
 * Return: 0 or -ENOMEM.
 */
int xtcp_gate_net_init(struct net *net)
{
	struct xtcp_gate *gate = kzalloc(sizeof(*gate), GFP_KERNEL_ACCOUNT);

	if (!gate)
		return -ENOMEM;
	gate->net = net;
	INIT_DELAYED_WORK(&gate->watch, gate_watch);
	xtcp_net(net)->gate = gate;
	return 0;
}

/**
 * xtcp_gate_net_quiesce - remove the hook of a namespace
 * @net: namespace; after this a grace period passes before xtcp_gate_net_exit()
 *
 * Many namespaces that end together share that grace period.
 */
void xtcp_gate_net_quiesce(struct net *net)
{
	struct xtcp_gate *gate = gate_of(net);

	WRITE_ONCE(gate->closed, true);
	cancel_delayed_work_sync(&gate->watch);
	WRITE_ONCE(gate->early, false);
	if (gate->hooked)
		xtcp_prerouting_del(net);
}

/**
 * xtcp_gate_net_exit - undo xtcp_gate_net_init()
 * @net: namespace; it has no listeners any more, and no SYN reaches it
 */
void xtcp_gate_net_exit(struct net *net)
{
	struct xtcp_gate *gate = gate_of(net);

	/* A drop since xtcp_gate_net_quiesce() may have started it once more. */
	cancel_delayed_work_sync(&gate->watch);
	xtcp_source_net_exit(net);
	kfree(gate);
}
