// SPDX-License-Identifier: GPL-2.0
/*
 * gate.c - what becomes of a SYN for a listener
 *
 * RFC 4987. Every SYN for a listener comes through here, whatever wire it took,
 * and before any socket's lock: into the SYN queue while there is room, else
 * answered with a cookie, else dropped. The verdict costs a few loads; memory is
 * taken only for a record, and a cookie's answer is made of the SYN itself.
 *
 * While SYNs are being dropped by the dozen, net/prerouting.c asks
 * xtcp_gate_refuses() before IP has looked for a route: the same verdict, some
 * thousand instructions earlier. It is never asked for more than a drop, so
 * that an answer always has the firewall's input rules behind it. A work item
 * registers the hook, which may sleep, and says when it drops.
 *
 * No SYN ever ends another's half-open connection: with a full queue it is the
 * new one that has to go without (LC-41 only shortens the wait of old ones).
 *
 * Context: softirq under RCU; the listener is not locked. The work item and
 * xtcp_gate_net_*(): process.
 */
#include "open/gate.h"

#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <net/inet_sock.h>

#include "close/reset.h"
#include "flow.h"
#include "listener.h"
#include "lookup.h"
#include "net/hook.h"
#include "net/prerouting.h"
#include "net/wire.h"
#include "netns.h"
#include "open/acceptqueue.h"
#include "open/cookie.h"
#include "open/listen.h"
#include "open/source.h"
#include "user/stats.h"
#include "user/trace.h"

/* So many drops in a second are worth what each packet pays in the hook. */
#define HOOK_DROPS	64
/* Without a drop for as long, the hook lets all pass again. */
#define HOOK_CALM_S	2U

static struct xtcp_gate *gate_of(struct net *net)
{
	return xtcp_net(net)->gate;
}

/* Count one more; was it among the first @limit of this second? */
static bool rate_allows(struct xtcp_rate *rate, int limit)
{
	u32 now = ktime_get_seconds();

	if (READ_ONCE(rate->second) != now) {
		WRITE_ONCE(rate->second, now);
		atomic_set(&rate->count, 0);
	}
	return atomic_inc_return(&rate->count) <= limit;
}

/* Would rate_allows() say no? Counts nothing. */
static bool rate_is_spent(const struct xtcp_rate *rate, int limit)
{
	return READ_ONCE(rate->second) == (u32)ktime_get_seconds() &&
	       atomic_read(&rate->count) >= limit;
}

static const char *const verdict_words[] = {
	[XTCP_GATE_QUEUE]		= "queued",
	[XTCP_GATE_COOKIE]		= "cookie",
	[XTCP_GATE_DROP_QUEUE]	= "dropped, SYN queue full",
	[XTCP_GATE_DROP_RESERVED]	= "dropped, rest kept for known peers",
	[XTCP_GATE_DROP_ACCEPT]	= "dropped, accept queue full",
	[XTCP_GATE_DROP_SOURCE]	= "dropped, too many of its source",
	[XTCP_GATE_DROP_RATE]	= "dropped, rate limit",
};

/* What the gate thinks of a SYN, before anything is counted. */
struct opinion {
	enum xtcp_gate_verdict	verdict;
	bool			full;	/* the SYN queue; not asked if proven */
	bool			cookie;	/* no record may be made */
};

/*
 * RFC 4987 3.6: the queue while there is room, then a cookie, else nothing.
 * Linux's order: the SYN queue before the accept queue. @proven: the peer has
 * had a connection to us.
 */
static __always_inline struct opinion judge(struct xtcp_listener *ls,
					    const struct xtcp_key *key, bool proven)
{
	unsigned int mode = xtcp_cookie_mode(ls->sk);
	struct opinion o = { .verdict = XTCP_GATE_QUEUE };

	if (!proven) {
		o.full = xtcp_listener_is_full(ls);
		o.cookie = mode >= 2 || (mode && o.full);
	}
	if (o.full && !o.cookie)
		o.verdict = XTCP_GATE_DROP_QUEUE;
	else if (xtcp_acceptqueue_is_full(ls->sk))
		o.verdict = XTCP_GATE_DROP_ACCEPT;
	else if (!mode && !proven && xtcp_listener_is_reserved(ls))
		o.verdict = XTCP_GATE_DROP_RESERVED;
	else if (o.cookie)
		o.verdict = XTCP_GATE_COOKIE;
	else if (xtcp_source_is_over(sock_net(ls->sk), key))
		o.verdict = XTCP_GATE_DROP_SOURCE;
	return o;
}

static bool is_drop(enum xtcp_gate_verdict verdict)
{
	return verdict != XTCP_GATE_QUEUE && verdict != XTCP_GATE_COOKIE;
}

/* One line a listener, however long the flood lasts. */
static void flood_warn(struct xtcp_listener *ls, bool cookies)
{
	if (READ_ONCE(ls->warned))
		return;
	WRITE_ONCE(ls->warned, true);
	net_info_ratelimited("xtcp: possible SYN flooding on port %u. %s.\n",
			     inet_sk(ls->sk)->inet_num,
			     cookies ? "Sending cookies" : "Dropping request");
}

/* As Linux counts: a cookie that mode 2 makes is one of a full queue, too. */
static __always_inline void count(struct xtcp_listener *ls, const struct opinion *o)
{
	struct net *net = sock_net(ls->sk);

	if (o->full) {
		XTCP_LISTENER_INC(ls, syn_overflows);
		if (xtcp_cookie_mode(ls->sk) < 2)
			flood_warn(ls, o->cookie);
	}
	if (o->cookie)
		XTCP_INC(net, REQ_Q_FULL_DO_COOKIES);
	if (o->verdict == XTCP_GATE_DROP_QUEUE)
		XTCP_INC(net, REQ_Q_FULL_DROP);
	else if (o->verdict == XTCP_GATE_DROP_ACCEPT)
		xtcp_listener_overflowed(ls);
	else if (o->verdict == XTCP_GATE_DROP_SOURCE)
		XTCP_INC(net, SYN_PER_SOURCE_DROP);
	else if (o->verdict == XTCP_GATE_DROP_RATE)
		XTCP_INC(net, SYNACK_RATE_DROP);
	if (is_drop(o->verdict))
		xtcp_listener_dropped(ls);
}

/* xtcp:xtcp_syn; the arguments cost loads, so only if it is enabled. */
static __always_inline void trace_verdict(const struct xtcp_listener *ls,
					  const struct xtcp_key *key,
					  enum xtcp_gate_verdict verdict, bool early)
{
	if (!trace_xtcp_syn_enabled())
		return;
	trace_xtcp_syn(key, ls->sk, atomic_read(&ls->qlen),
		       xtcp_listener_syn_limit(ls), verdict_words[verdict],
		       early);
}

/* A drop: are there so many that the hook pays? */
static void note_drop(struct net *net)
{
	struct xtcp_gate *gate = gate_of(net);
	u32 now = ktime_get_seconds();

	if (READ_ONCE(gate->dropped_s) != now)
		WRITE_ONCE(gate->dropped_s, now);
	if (!READ_ONCE(gate->early) && !rate_allows(&gate->drops, HOOK_DROPS))
		schedule_delayed_work(&gate->watch, 0);
}

static inline bool may_syn_ack(struct net *net)
{
	int limit = XTCP_KNOB(net, synack_ratelimit);

	return !limit || rate_allows(&gate_of(net)->syn_acks, limit);
}

/**
 * xtcp_gate_syn - a SYN arrives for a listener: what becomes of it
 * @ls: queues of the listener
 * @key: the SYN's connection
 * @proven: it may end a TIME-WAIT, so that the peer is known to be there
 *
 * The verdict is counted and traced; the caller acts on it.
 *
 * Return: XTCP_GATE_QUEUE, XTCP_GATE_COOKIE, or why the SYN is to be dropped.
 */
enum xtcp_gate_verdict xtcp_gate_syn(struct xtcp_listener *ls,
				     const struct xtcp_key *key, bool proven)
{
	struct net *net = sock_net(ls->sk);
	struct opinion o = judge(ls, key, proven);

	if (!is_drop(o.verdict) && !may_syn_ack(net))
		o.verdict = XTCP_GATE_DROP_RATE;
	count(ls, &o);
	trace_verdict(ls, key, o.verdict, false);
	if (is_drop(o.verdict))
		note_drop(net);
	return o.verdict;
}

static bool syn_acks_are_spent(struct net *net)
{
	int limit = XTCP_KNOB(net, synack_ratelimit);

	return limit && rate_is_spent(&gate_of(net)->syn_acks, limit);
}

/* Has the kernel's own TCP that connection? net/hook.c gives it the SYN then. */
static bool is_for_stock(struct net *net, const struct xtcp_key *key)
{
	return key->wire == XTCP_WIRE_TCP && xtcp_hook_stock_connected(net, key);
}

/* For a SYN of no connection: would its listener drop it? Counts if so. */
static bool listener_refuses(struct xtcp_listener *ls,
			     const struct xtcp_key *key)
{
	struct opinion o = judge(ls, key, false);

	if (!is_drop(o.verdict) && syn_acks_are_spent(sock_net(ls->sk)))
		o.verdict = XTCP_GATE_DROP_RATE;
	if (!is_drop(o.verdict) || is_for_stock(sock_net(ls->sk), key))
		return false;
	count(ls, &o);
	trace_verdict(ls, key, o.verdict, true);
	note_drop(sock_net(ls->sk));
	return true;
}

/**
 * xtcp_gate_refuses - would a SYN be dropped, once it has come up to us?
 * @net: namespace
 * @key: connection; its local address is one of ours
 * @skb: segment, at its TCP header; not checked further
 *
 * A SYN of a connection that there is, even in TIME-WAIT, is let through; on the
 * TCP wire that of one of the kernel's own TCP, too.
 *
 * Context: softirq under RCU.
 * Return: true: it was counted as dropped, and is to be.
 */
bool xtcp_gate_refuses(struct net *net, const struct xtcp_key *key,
		       struct sk_buff *skb)
{
	struct xtcp_flow *flow = xtcp_flow_find_rcu(net, key);
	struct xtcp_listener *ls;
	struct sock *lsk;

	if (flow)
		return false;
	lsk = xtcp_listener_lookup_rcu(net, key, skb);
	ls = lsk ? xtcp_listener_of(lsk) : NULL;
	return ls && listener_refuses(ls, key);
}

/**
 * xtcp_gate_drops_early - are SYNs dropped before they are routed
 * @net: namespace
 *
 * Context: RCU. Return: true while a flood lasts, and two to three seconds more.
 */
bool xtcp_gate_drops_early(struct net *net)
{
	return READ_ONCE(xtcp_net_rcu(net)->gate->early);
}

/**
 * xtcp_gate_may_syn_ack - may one more SYN-ACK answer a SYN in this second?
 * @net: namespace
 *
 * xtcp_synack_ratelimit. Those that a timer sends again are not asked for.
 */
bool xtcp_gate_may_syn_ack(struct net *net)
{
	return may_syn_ack(net);
}

/**
 * xtcp_gate_reset - answer a segment that belongs to no connection with a RST
 * @net: namespace
 * @skb: segment; eaten
 * @key: its connection
 * @seg: what it says
 * @listening: there is a listener, that can do nothing with it
 *
 * xtcp_rst_ratelimit; the RSTs that end a connection are not counted by it.
 */
void xtcp_gate_reset(struct net *net, struct sk_buff *skb,
		     const struct xtcp_key *key, const struct xtcp_seg *seg,
		     bool listening)
{
	int limit = XTCP_KNOB(net, rst_ratelimit);

	if (limit && !(seg->flags & XTCP_RST) &&
	    !rate_allows(&gate_of(net)->resets, limit)) {
		XTCP_INC(net, RST_RATE_DROP);
		kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
		return;
	}
	xtcp_reset_turn(net, skb, key, seg,
			listening ? XTCP_MIB_RESET_SENT_NO_HANDSHAKE :
				    XTCP_MIB_RESET_SENT_NO_CONNECTION);
}

/* Runs once when drops begin, then each second until they have ended. */
static void watch(struct work_struct *work)
{
	struct xtcp_gate *gate =
		container_of(work, struct xtcp_gate, watch.work);
	bool calm = (u32)ktime_get_seconds() - READ_ONCE(gate->dropped_s) >=
		    HOOK_CALM_S;

	if (!calm && !gate->hooked)
		gate->hooked = !xtcp_prerouting_add(gate->net);
	WRITE_ONCE(gate->early, !calm && gate->hooked);
	if (gate->early)
		schedule_delayed_work(&gate->watch, HZ);
}

/**
 * xtcp_gate_net_init - the gate of a new namespace
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
	INIT_DELAYED_WORK(&gate->watch, watch);
	xtcp_net(net)->gate = gate;
	return 0;
}

/**
 * xtcp_gate_net_exit - undo xtcp_gate_net_init()
 * @net: namespace; its listeners are gone, and no SYN comes up any more
 *
 * Returns when the hook has seen its last packet.
 */
void xtcp_gate_net_exit(struct net *net)
{
	struct xtcp_gate *gate = gate_of(net);

	cancel_delayed_work_sync(&gate->watch);
	if (gate->hooked) {
		xtcp_prerouting_del(net);
		synchronize_net();
	}
	xtcp_source_net_exit(net);
	kfree(gate);
}
