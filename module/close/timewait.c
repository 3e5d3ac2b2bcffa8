// SPDX-License-Identifier: GPL-2.0
/*
 * timewait.c - TIME-WAIT, and FIN-WAIT-2 without a socket
 *
 * RFC 9293 3.6.1 and 3.10.7.4 for the state TIME-WAIT; RFC 6191 for a SYN
 * that opens the connection anew; RFC 5961 7 for how often we answer.
 *
 * A connection that only waits needs no socket: a record of 96 bytes takes
 * its place in the flow table and stands in a delay line of its netns. An
 * orphan in FIN-WAIT-2 waits for the peer's FIN in the same way.
 *
 * Birth and death of a record
 *  1. xtcp_timewait_enter() makes it with two references, table and delay
 *     line, enters the line and then replaces the socket in the table.
 *  2. It leaves the table by xtcp_timewait_kill(), or because connect() or a
 *     SYN replaces it. Who takes it out has the table's reference and drops it,
 *     and the line's if it could unlink it (timewait_detach()). A half-open
 *     record that replaced it may put it back (xtcp_timewait_resume()).
 *  3. The line's timer takes it out of the line first, then kills it.
 *  4. netns exit closes the lines, then kills what was left in them.
 *
 * Fields change only in softirq, for a segment; two at once for the same
 * record lose nothing that the next segment would not bring again.
 *
 * Context: enter under the socket lock; the rest softirq or process.
 */
#include "close/timewait.h"

#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/route.h>

#include "close/reset.h"
#include "compat.h"
#include "net/family.h"
#include "net/reply.h"
#include "netns.h"
#include "paws.h"
#include "port/port.h"
#include "segment/oow.h"
#include "tcb.h"
#include "timers.h"
#include "user/stats.h"

#define RECYCLE_MIN_MS	1000U	/* xtcp_tw_recycle: least life */
#define SHORT_LIFE_MS	4000U	/* below, Linux counts TWKilled, not TW */

/* RFC 9293 MAY-2: the new incarnation begins well above the old one. */
#define NEW_ISN_GAP	65537U

static_assert(sizeof(struct xtcp_timewait) == 96);
static_assert(offsetof(struct xtcp_timewait6, addrs) == XTCP_RECORD_LEN);
static_assert(sizeof(struct xtcp_timewait6) == 128);

static struct kmem_cache *timewait_cache __ro_after_init;
static struct kmem_cache *timewait6_cache __ro_after_init;

static struct kmem_cache *cache_of(u8 family)
{
	return xtcp_family_is_wide(family) ? timewait6_cache : timewait_cache;
}

static void free_rcu(struct rcu_head *rcu)
{
	struct xtcp_timewait *tw =
		container_of(rcu, struct xtcp_timewait, delay.rcu);

	kmem_cache_free(cache_of(tw->flow.family), tw);
}

/*
 * The last reference has gone. A reader may be looking at it still: its memory
 * stays that of a record, or it goes a grace period later (flow.c).
 */
static void timewait_free(struct xtcp_flow *flow)
{
	struct xtcp_timewait *tw = container_of(flow, struct xtcp_timewait,
						flow);

	xtcp_record_free(cache_of(flow->family), tw, &tw->delay.rcu, free_rcu);
}

static const struct xtcp_flow_ops timewait_ops = {
	.free	= timewait_free,
};

/**
 * xtcp_timewait_init - make the cache
 *
 * Return: 0 or -ENOMEM.
 */
int __init xtcp_timewait_init(void)
{
	xtcp_flow_register(XTCP_KIND_TIMEWAIT, &timewait_ops);
	timewait_cache = xtcp_record_cache("xtcp_timewait",
					   sizeof(struct xtcp_timewait),
					   offsetof(struct xtcp_timewait,
						    delay));
	timewait6_cache = xtcp_record_cache("xtcp_timewait6",
					    sizeof(struct xtcp_timewait6),
					    offsetof(struct xtcp_timewait6,
						     tw.delay));
	if (timewait_cache && timewait6_cache)
		return 0;
	xtcp_timewait_exit();
	return -ENOMEM;
}

/**
 * xtcp_timewait_exit - undo xtcp_timewait_init()
 */
void xtcp_timewait_exit(void)
{
	kmem_cache_destroy(timewait6_cache);
	kmem_cache_destroy(timewait_cache);
}

/**
 * struct xtcp_timewaits - the records of a namespace
 * @net: the namespace
 * @lines: their delay lines
 */
struct xtcp_timewaits {
	struct net		*net;
	struct xtcp_delayset	lines;
};

static struct xtcp_delayset *lines_of(struct net *net)
{
	return &xtcp_net(net)->timewaits->lines;
}

static struct net *lines_net(struct xtcp_delayset *lines)
{
	return container_of(lines, struct xtcp_timewaits, lines)->net;
}

/* A record that has just left the table. */
static void timewait_detach(struct net *net, struct xtcp_timewait *tw)
{
	xtcp_port_timewait_release(net, tw);
	atomic_dec(&xtcp_net(net)->tw_count);
	if (xtcp_delay_del(lines_of(net), &tw->delay))
		xtcp_flow_put(&tw->flow);
	xtcp_flow_put(&tw->flow);
}

/**
 * xtcp_timewait_kill - a record's wait has ended
 * @net: namespace
 * @tw: referenced by the caller
 * @event: why; leads to CLOSED
 */
void xtcp_timewait_kill(struct net *net, struct xtcp_timewait *tw,
			enum xtcp_event event)
{
	if (!xtcp_flow_remove(net, &tw->flow))
		return;
	xtcp_lifecycle_event(net, &tw->flow, event);
	timewait_detach(net, tw);
}

/**
 * xtcp_timewait_succeeded - a new incarnation has the record's place for good
 * @net: namespace
 * @tw: not in the table any more; the table's reference is the caller's and
 *	goes here
 * @event: how; leads to CLOSED
 */
void xtcp_timewait_succeeded(struct net *net, struct xtcp_timewait *tw,
			     enum xtcp_event event)
{
	xtcp_lifecycle_event(net, &tw->flow, event);
	timewait_detach(net, tw);
}

/**
 * xtcp_timewait_resume - the new incarnation has come to nothing
 * @net: namespace
 * @tw: just put back into the table, which has its reference again
 *
 * Its time may have run out meanwhile, when the timer could not kill it.
 */
void xtcp_timewait_resume(struct net *net, struct xtcp_timewait *tw)
{
	if (!xtcp_delay_is_waiting(lines_of(net), &tw->delay))
		xtcp_timewait_kill(net, tw, XTCP_EV_TIME_WAIT_TIMEOUT);
}

/*
 * Which wait has ended is looked at once it is ours to end: until then a FIN
 * may turn FIN-WAIT-2 into TIME-WAIT.
 */
static void timewait_expire(struct xtcp_delayset *set,
			    struct xtcp_delay *delay)
{
	struct xtcp_timewait *tw =
		container_of(delay, struct xtcp_timewait, delay);
	struct net *net = lines_net(set);

	if (xtcp_flow_remove(net, &tw->flow)) {
		xtcp_lifecycle_event(net, &tw->flow,
				     tw->flow.state == XTCP_TIME_WAIT ?
				     XTCP_EV_TIME_WAIT_TIMEOUT :
				     XTCP_EV_FIN_WAIT_2_TIMEOUT);
		timewait_detach(net, tw);
	}
	xtcp_flow_put(&tw->flow);
}

static void timewait_left(struct xtcp_delayset *set, struct xtcp_delay *delay)
{
	struct xtcp_timewait *tw =
		container_of(delay, struct xtcp_timewait, delay);

	xtcp_timewait_kill(lines_net(set), tw, XTCP_EV_ABORT);
	xtcp_flow_put(&tw->flow);
}

/**
 * xtcp_timewait_net_init - delay lines of a namespace
 * @net: namespace
 *
 * Return: 0 or -ENOMEM.
 */
int xtcp_timewait_net_init(struct net *net)
{
	struct xtcp_timewaits *all = kzalloc(sizeof(*all), GFP_KERNEL_ACCOUNT);

	if (!all)
		return -ENOMEM;
	all->net = net;
	xtcp_delayset_init(&all->lines, timewait_expire);
	xtcp_net(net)->timewaits = all;
	return 0;
}

/**
 * xtcp_timewait_net_exit - kill what still waits
 * @net: namespace; it has no sockets any more
 */
void xtcp_timewait_net_exit(struct net *net)
{
	xtcp_delayset_close(lines_of(net), timewait_left);
	kfree(xtcp_net(net)->timewaits);
}

/**
 * xtcp_timewait_patience_ms - how long the end of a connection may at least take
 * @xs: the connection
 *
 * Linux's measure: a FIN sent twice more before the peer's next timeout.
 *
 * Return: ms, three and a half retransmission timeouts.
 */
u32 xtcp_timewait_patience_ms(const struct xtcp_sock *xs)
{
	return DIV_ROUND_UP(READ_ONCE(xs->rto_us) / 2 * 7, USEC_PER_MSEC);
}

/**
 * xtcp_timewait_fin_timeout_ms - xtcp_fin_timeout
 * @net: namespace
 *
 * The knob takes up to 99 days; jiffies_to_msecs() comes round after 49.
 *
 * Return: ms, U32_MAX at most
 */
u32 xtcp_timewait_fin_timeout_ms(const struct net *net)
{
	u64 jiffies_ms = (u64)max(XTCP_KNOB(net, fin_timeout), 0) * MSEC_PER_SEC;

	return min_t(u64, div_u64(jiffies_ms, HZ), U32_MAX);
}

/*
 * 2MSL. LC-91: where both sides sent timestamps, these tell a segment of the
 * old connection from one of the next, for the offset of ours is the same
 * for each connection of this 4-tuple. The record has then no more to do than
 * to acknowledge the peer's FIN once more, and to that end xtcp_tw_recycle
 * keeps it for three and a half RTOs. Nothing is remembered of the host, and
 * no SYN is refused for a timestamp that this connection did not see.
 */
static u32 time_wait_ms(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	const struct net *net = sock_net(sk);
	u32 ms = (READ_ONCE(xs->tw_timeout_s) ?: XTCP_KNOB(net, tw_timeout)) *
		 MSEC_PER_SEC;

	if (!xs->ts_ok || !XTCP_KNOB(net, tw_recycle))
		return ms;
	return min(ms, max(xtcp_timewait_patience_ms(xs), RECYCLE_MIN_MS));
}

static void timewait_fill(struct xtcp_timewait *tw, const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_key key __uninitialized;

	xtcp_key_from_flow(&key, &xs->flow);
	xtcp_flow_init(&tw->flow, XTCP_KIND_TIMEWAIT, &key);
	tw->flow.mapped = sk->sk_family != key.family;
	xtcp_delay_init(&tw->delay);
	xtcp_lifecycle_born(&tw->flow, xs->flow.state);
	tw->rcv_nxt = xs->rcv_nxt;
	tw->snd_nxt = xs->snd_nxt;
	tw->wnd = min(xs->rcv_wnd >> xs->rcv_wscale, XTCP_WINDOW_MAX);
	tw->ts_recent = xs->ts_recent;
	tw->ts_recent_s = xs->ts_recent_s;
	tw->ts_offset = xs->ts_offset;
	tw->ts_ok = xs->ts_ok;
	tw->oow_ack_ms = 0;
	tw->mark = sk->sk_mark;
	tw->wait_ms = time_wait_ms(sk);
	tw->tos = xs->af->tos(sk);
	tw->rcv_wscale = xs->rcv_wscale;
	tw->reuse = sk->sk_reuse;
	tw->port_held = 0;
	xtcp_flow_hold_new(&tw->flow, 2);
}

/* Is there room for one more? Counts it if so. */
static bool bucket_take(struct xtcp_net *xn)
{
	int max = max(READ_ONCE(xn->knobs.max_tw_buckets), 0);

	if (atomic_inc_return(&xn->tw_count) <= max)
		return true;
	atomic_dec(&xn->tw_count);
	return false;
}

/* Do the knobs of the namespace say so? Programs may say what they like. */
static bool is_common(const struct net *net, u32 delay_ms)
{
	return delay_ms == XTCP_KNOB(net, tw_timeout) * MSEC_PER_SEC ||
	       delay_ms == xtcp_timewait_fin_timeout_ms(net);
}

static bool wait(struct net *net, struct xtcp_timewait *tw, u32 delay_ms)
{
	struct xtcp_delayset *set = lines_of(net);

	if (is_common(net, delay_ms))
		return xtcp_delay_add(set, &tw->delay, delay_ms);
	return xtcp_delay_add_until(set, &tw->delay, xtcp_now_ns() +
				    (u64)delay_ms * NSEC_PER_MSEC);
}

/* The socket's connection goes on in @tw; false: it could not. */
static bool timewait_take_over(struct sock *sk, struct xtcp_timewait *tw,
			       u32 delay_ms)
{
	struct net *net = sock_net(sk);

	if (!wait(net, tw, delay_ms))
		return false;
	/* The clock has just been read. */
	tw->since_ms = div_u64(tw->delay.expires_ns -
			       (u64)delay_ms * NSEC_PER_MSEC, NSEC_PER_MSEC);
	xtcp_port_to_timewait(sk, tw);
	if (xtcp_flow_replace(net, &xtcp_sk(sk)->flow, &tw->flow)) {
		/* The record is in charge, and may have changed by now. */
		xtcp_lifecycle_gone(&xtcp_sk(sk)->flow);
		return true;
	}
	/* A socket that was never in the table: nothing to wait for. */
	xtcp_port_timewait_release(net, tw);
	WARN_ON_ONCE(!xtcp_delay_del(lines_of(net), &tw->delay));
	return false;
}

static void count_life(struct net *net, u32 delay_ms)
{
	if (delay_ms > SHORT_LIFE_MS)
		XTCP_INC(net, TW);
	else
		XTCP_INC(net, TW_KILLED);
}

/* @fin_wait_2_ms: how long an orphan waits for the peer's FIN; 0: TIME-WAIT */
static void enter(struct sock *sk, u32 fin_wait_2_ms)
{
	struct net *net = sock_net(sk);
	struct xtcp_net *xn = xtcp_net(net);
	struct xtcp_timewait *tw = NULL;
	u32 delay_ms;

	if (!bucket_take(xn))
		goto full;
	tw = kmem_cache_alloc(cache_of(xtcp_sk(sk)->flow.family), GFP_ATOMIC | __GFP_NOWARN);
	if (!tw)
		goto give_back;
	timewait_fill(tw, sk);
	delay_ms = fin_wait_2_ms ?: tw->wait_ms;
	if (!timewait_take_over(sk, tw, delay_ms))
		goto give_back;
	count_life(net, delay_ms);
	return;

give_back:
	if (tw) {
		xtcp_flow_put(&tw->flow);	/* the line's */
		xtcp_flow_put(&tw->flow);	/* the table's */
	}
	atomic_dec(&xn->tw_count);
full:
	XTCP_INC(net, TIME_WAIT_OVERFLOW);
	net_info_ratelimited("xtcp: no room for TIME-WAIT (xtcp_max_tw_buckets)\n");
	xtcp_lifecycle_sk(sk, XTCP_EV_TIME_WAIT_FULL);
}

/**
 * xtcp_timewait_enter - a record takes TIME-WAIT over from a socket
 * @sk: in TIME-WAIT, locked; in CLOSED afterwards, and the caller's to end
 *	(xtcp_close_done())
 *
 * How long it lasts is settled here: XTCP_TW_TIMEOUT, xtcp_tw_timeout,
 * xtcp_tw_recycle. Where xtcp_max_tw_buckets or memory leaves no room the
 * connection is closed at once, as in Linux.
 */
void xtcp_timewait_enter(struct sock *sk)
{
	enter(sk, 0);
}

/**
 * xtcp_timewait_enter_fin_wait_2 - a record waits in an orphan's place
 * @sk: an orphan whose FIN-WAIT-2 becomes a record's; otherwise as in
 *	xtcp_timewait_enter()
 * @wait_ms: how long the peer's FIN may take from now on
 */
void xtcp_timewait_enter_fin_wait_2(struct sock *sk, u32 wait_ms)
{
	enter(sk, wait_ms);
}

static bool paws_rejects(const struct xtcp_timewait *tw,
			 const struct xtcp_seg *seg)
{
	return tw->ts_ok &&
	       xtcp_paws_rejects(seg, tw->ts_recent, tw->ts_recent_s);
}

/* RFC 9293 3.10.7.4 first: what ends at RCV.NXT was all here before. */
static bool in_window(const struct xtcp_timewait *tw,
		      const struct xtcp_seg *seg)
{
	seq_t edge = seq_add(tw->rcv_nxt, (u32)tw->wnd << tw->rcv_wscale);

	if (seg->seq == tw->rcv_nxt)
		return true;
	if (seg->seq == seg->end)
		return seq_after(seg->seq, tw->rcv_nxt) &&
		       seq_before_eq(seg->seq, edge);
	return seq_after(seg->end, tw->rcv_nxt) && seq_before(seg->seq, edge);
}

static void take_timestamp(struct xtcp_timewait *tw, const struct xtcp_seg *seg)
{
	if (!tw->ts_ok || !seg->opt.has_ts)
		return;
	tw->ts_recent = seg->opt.tsval;
	tw->ts_recent_s = ktime_get_seconds();
}

/* Where we are; said again to a peer that seems not to know. */
static void send_ack(struct net *net, struct xtcp_timewait *tw)
{
	struct xtcp_bare bare = {
		.seq	= tw->snd_nxt,
		.ack	= tw->rcv_nxt,
		.wnd	= tw->wnd,
		.flags	= XTCP_ACK,
		.opt	= {
			.has_ts	= tw->ts_ok,
			.tsval	= xtcp_now_ms() + tw->ts_offset,
			.tsecr	= tw->ts_recent,
		},
	};
	struct xtcp_reply reply = {
		.oif	= tw->flow.ifindex,
		.mark	= tw->mark,
		.tos	= tw->tos,
	};

	xtcp_key_from_flow(&reply.key, &tw->flow);
	xtcp_reply_send(net, &reply, &bare);
}

/**
 * xtcp_timewait_answer - say where the connection ended, not too often
 * @net: namespace
 * @tw: record, referenced by the caller
 * @seg: what is answered
 */
void xtcp_timewait_answer(struct net *net, struct xtcp_timewait *tw,
			  const struct xtcp_seg *seg)
{
	if (xtcp_oow_may_answer(net, &tw->oow_ack_ms, seg))
		send_ack(net, tw);
	else if (tw->flow.state == XTCP_TIME_WAIT)
		XTCP_INC(net, ACK_SKIPPED_TIME_WAIT);
	else
		XTCP_INC(net, ACK_SKIPPED_FIN_WAIT_2);
}

/* RFC 9293 3.10.7.4 fifth: it acknowledges what was never sent. */
static bool answer_ack_above(struct net *net, struct xtcp_timewait *tw,
			     const struct xtcp_seg *seg)
{
	if (!seq_after(seg->ack, tw->snd_nxt))
		return false;
	xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_ACK_ABOVE);
	xtcp_timewait_answer(net, tw, seg);
	return true;
}

/* 2MSL begins anew. Whoever is ending the record just now goes on with it. */
static void restart(struct net *net, struct xtcp_timewait *tw)
{
	struct xtcp_delayset *set = lines_of(net);

	if (!xtcp_delay_del(set, &tw->delay))
		return;
	if (!wait(net, tw, tw->wait_ms)) {
		xtcp_timewait_kill(net, tw, XTCP_EV_TIME_WAIT_FULL);
		xtcp_flow_put(&tw->flow);
		return;
	}
	/* Killed in between, when it was in no line to be taken from? */
	if (READ_ONCE(tw->flow.state) == XTCP_CLOSED &&
	    xtcp_delay_del(set, &tw->delay))
		xtcp_flow_put(&tw->flow);
}

/* RFC 9293 3.6.1: nobody is left to read this. */
static void refuse(struct net *net, struct xtcp_timewait *tw,
		   const struct sk_buff *skb, const struct xtcp_key *key,
		   const struct xtcp_seg *seg, enum xtcp_event event)
{
	xtcp_reset_reply(net, skb, key, tw->flow.ifindex, seg,
			 event == XTCP_EV_RCV_SYN ?
			 XTCP_MIB_RESET_SENT_SYN_IN_WINDOW :
			 XTCP_MIB_RESET_SENT_TEXT_AFTER_CLOSE);
	xtcp_timewait_kill(net, tw, event);
}

/* RFC 5961 3.2: in the window, but not at its edge. */
static void challenge(struct net *net, struct xtcp_timewait *tw,
		      const struct xtcp_seg *seg)
{
	if (xtcp_oow_may_answer(net, &tw->oow_ack_ms, seg)) {
		XTCP_INC(net, CHALLENGE_ACK);
		send_ack(net, tw);
	} else {
		XTCP_INC(net, ACK_SKIPPED_CHALLENGE);
	}
}

static void rcv_rst(struct net *net, struct xtcp_timewait *tw,
		    const struct xtcp_seg *seg)
{
	if (seg->seq != tw->rcv_nxt) {
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_RST_NEAR);
		challenge(net, tw, seg);
		return;
	}
	xtcp_reset_taken(net, &tw->flow);
	xtcp_timewait_kill(net, tw, XTCP_EV_RCV_RST);
}

static void fin_wait_2_fin(struct net *net, struct xtcp_timewait *tw,
			   const struct xtcp_seg *seg)
{
	tw->rcv_nxt = seg->end;
	take_timestamp(tw, seg);
	WRITE_ONCE(tw->since_ms, xtcp_now_ms());
	xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_FIN);
	restart(net, tw);
	send_ack(net, tw);
}

/* RFC 9293 3.10.7.4 in FIN-WAIT-2, when the user is gone. */
static void fin_wait_2_rcv(struct net *net, struct xtcp_timewait *tw,
			   const struct sk_buff *skb,
			   const struct xtcp_key *key,
			   const struct xtcp_seg *seg)
{
	bool old_timestamp = paws_rejects(tw, seg);
	bool fin = seg->flags & XTCP_FIN;

	if (old_timestamp || !in_window(tw, seg)) {
		bool rst = seg->flags & XTCP_RST;

		if (old_timestamp)
			XTCP_INC(net, PAWS_ESTAB);
		xtcp_lifecycle_event(net, &tw->flow,
				     rst ? XTCP_EV_RCV_RST_OUTSIDE :
					   XTCP_EV_RCV_OUTSIDE);
		if (!rst)
			xtcp_timewait_answer(net, tw, seg);
	} else if (seg->flags & XTCP_RST) {
		rcv_rst(net, tw, seg);
	} else if (seg->flags & XTCP_SYN) {
		refuse(net, tw, skb, key, seg, XTCP_EV_RCV_SYN);
	} else if (!(seg->flags & XTCP_ACK)) {
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_BAD_FLAGS);
	} else if (answer_ack_above(net, tw, seg)) {
		return;
	} else if (!seq_after(seg->end, tw->rcv_nxt) || seg->end == seg->seq) {
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_ACK);
	} else if (fin && seg->end == seq_add(tw->rcv_nxt, 1)) {
		fin_wait_2_fin(net, tw, seg);
	} else {
		refuse(net, tw, skb, key, seg, XTCP_EV_RCV_TEXT_CLOSED);
	}
}

/* RFC 6191: may this SYN open the connection anew? */
static bool syn_is_new(struct net *net, const struct xtcp_timewait *tw,
		       const struct xtcp_seg *seg)
{
	if ((seg->flags & (XTCP_SYN | XTCP_ACK | XTCP_RST | XTCP_FIN)) !=
	    XTCP_SYN ||
	    paws_rejects(tw, seg))
		return false;
	if (seq_after(seg->seq, tw->rcv_nxt))
		return true;
	if (!seg->opt.has_ts)
		return false;
	/* None before: the new incarnation's own tell it from the old one. */
	if (!tw->ts_ok)
		return XTCP_KNOB(net, timestamps);
	return (s32)(seg->opt.tsval - tw->ts_recent) > 0;
}

/**
 * xtcp_timewait_next_isn - where a new incarnation begins
 * @tw: the old one
 *
 * Return: our initial sequence number, above all that the old one has sent.
 */
seq_t xtcp_timewait_next_isn(const struct xtcp_timewait *tw)
{
	seq_t iss = seq_add(tw->snd_nxt, NEW_ISN_GAP);

	return seq_raw(iss) ? iss : SEQ(1);
}

/* Is there nothing in this segment that we had not acknowledged? */
static bool is_in_sequence(const struct xtcp_timewait *tw,
			   const struct xtcp_seg *seg)
{
	return seg->seq == tw->rcv_nxt &&
	       (seg->seq == seg->end || (seg->flags & XTCP_RST));
}

static enum xtcp_event time_wait_event(const struct xtcp_timewait *tw,
				       const struct xtcp_seg *seg)
{
	if (seg->flags & XTCP_RST)
		return XTCP_EV_RCV_RST_OUTSIDE;
	if (seg->flags & XTCP_SYN)
		return seg->flags & XTCP_ACK ? XTCP_EV_RCV_SYN_ACK :
					       XTCP_EV_RCV_SYN_OTHER;
	if (seg->flags & XTCP_FIN)
		return XTCP_EV_RCV_FIN;
	return seg->len ? XTCP_EV_RCV_TEXT : XTCP_EV_RCV_OUTSIDE;
}

/*
 * A RST at RCV.NXT. RFC 1337 shows how an old duplicate of one can cut
 * TIME-WAIT short, and wants it ignored: xtcp_rfc1337.
 */
static void time_wait_rst(struct net *net, struct xtcp_timewait *tw)
{
	if (XTCP_KNOB(net, rfc1337)) {
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_RST_IGNORED);
		return;
	}
	xtcp_reset_taken(net, &tw->flow);
	xtcp_timewait_kill(net, tw, XTCP_EV_RCV_RST);
}

/* RFC 9293 3.10.7.4 in TIME-WAIT, for what does not open anew. */
static void time_wait_rcv(struct net *net, struct xtcp_timewait *tw,
			  const struct xtcp_seg *seg)
{
	bool old_timestamp = paws_rejects(tw, seg);

	if (!old_timestamp && seg->seq == tw->rcv_nxt &&
	    !(seg->flags & (XTCP_RST | XTCP_SYN | XTCP_ACK))) {
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_BAD_FLAGS);
		return;
	}
	if (!old_timestamp &&
	    (seg->flags & (XTCP_RST | XTCP_SYN | XTCP_ACK)) == XTCP_ACK &&
	    answer_ack_above(net, tw, seg))
		return;
	if (!old_timestamp && is_in_sequence(tw, seg)) {
		if (seg->flags & XTCP_RST) {
			time_wait_rst(net, tw);
			return;
		}
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_ACK);
		take_timestamp(tw, seg);
		restart(net, tw);
		return;
	}
	if (old_timestamp)
		XTCP_INC(net, PAWS_ESTAB);
	xtcp_lifecycle_event(net, &tw->flow, time_wait_event(tw, seg));
	if (seg->flags & XTCP_RST)
		return;
	if (old_timestamp || (seg->flags & XTCP_ACK))
		restart(net, tw);
	xtcp_timewait_answer(net, tw, seg);
}

/**
 * xtcp_timewait_rcv - a segment arrives for a connection that only waits
 * @net: namespace
 * @tw: record, referenced by the caller
 * @skb: segment; stays the caller's
 * @key: its connection
 * @seg: what it says
 *
 * Return: true when the segment is a SYN that may open the connection anew,
 * if somebody listens.
 */
bool xtcp_timewait_rcv(struct net *net, struct xtcp_timewait *tw,
		       struct sk_buff *skb, const struct xtcp_key *key,
		       const struct xtcp_seg *seg)
{
	if (READ_ONCE(tw->flow.state) == XTCP_ORPHAN_FIN_WAIT_2) {
		fin_wait_2_rcv(net, tw, skb, key, seg);
		return false;
	}
	if (!syn_is_new(net, tw, seg)) {
		time_wait_rcv(net, tw, seg);
		return false;
	}
	return true;
}

/* xtcp_tw_reuse: 0 never, 1 any destination, 2 loopback only. */
static bool reuse_is_allowed(struct net *net, const struct xtcp_timewait *tw)
{
	unsigned int mode = XTCP_KNOB(net, tw_reuse);

	return mode == 1 ||
	       (mode && xtcp_family_get(tw->flow.family)->is_loopback(&tw->flow));
}

/**
 * xtcp_timewait_may_reuse - may connect() take this record's 4-tuple
 * @net: namespace
 * @tw: record, referenced by the caller
 * @bound: the user asked for this port by number
 *
 * The old connection must have had timestamps, so that the new one's larger
 * ones tell the two apart (RFC 6191). For a port that the kernel picks, the
 * knob xtcp_tw_reuse must allow it, and xtcp_tw_reuse_delay have passed; a
 * user who bound the port knows what they want, as in Linux.
 *
 * Return: true when it may.
 */
bool xtcp_timewait_may_reuse(struct net *net, const struct xtcp_timewait *tw,
			     bool bound)
{
	u32 delay_ms = XTCP_KNOB(net, tw_reuse_delay);
	u32 age_ms = xtcp_now_ms() - READ_ONCE(tw->since_ms);

	if (tw->flow.state != XTCP_TIME_WAIT || !tw->ts_ok)
		return false;
	return bound || (age_ms > delay_ms && reuse_is_allowed(net, tw));
}

/**
 * xtcp_timewait_hand_over - what a new incarnation takes from the old one
 * @tw: record that is being reused
 * @sk: socket that connects, locked
 */
void xtcp_timewait_hand_over(const struct xtcp_timewait *tw, struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xs->iss = xtcp_timewait_next_isn(tw);
	xs->ts_recent = tw->ts_recent;
	xs->ts_recent_s = tw->ts_recent_s;
}
