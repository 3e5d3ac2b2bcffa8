// SPDX-License-Identifier: GPL-2.0
/*
 * timewait.c - TIME-WAIT and FIN-WAIT-2 records
 *
 * RFC 9293 3.6.1 and 3.10.7.4 for the state TIME-WAIT; RFC 6191 for a SYN that
 * reuses the 4-tuple; RFC 5961 7 for the rate limit of answers.
 *
 * A connection that only waits needs no socket: a record of 96 bytes replaces it
 * in the flow table and is linked in a delay line of its namespace. An orphan in
 * FIN-WAIT-2 waits for the peer's FIN in the same way.
 *
 * Life cycle of a record
 *  1. xtcp_timewait_enter() creates it with three references: of the flow table, of
 *     the delay line, and of the caller, who drops it at the end. It adds the record
 *     to the line, which may fail and sets @expires_ns and @since_ms, then replaces the
 *     socket in the table, where both must be known. (A half-open record does it the
 *     other way round, open/synqueue.c.) If the timer expires in between,
 *     xtcp_timewait_placed() ends the record.
 *  2. The record is unhashed by xtcp_timewait_end(), or replaced by connect()
 *     or a SYN. The CPU that does so drops the table's reference, and the
 *     line's if it could unlink the record (timewait_detach()). A half-open
 *     record that has replaced it, or a connect() that fails, may put it back
 *     (xtcp_timewait_placed()).
 *  3. The line's timer unlinks the record from the line first, then ends it.
 *  4. Exit of the namespace closes the lines, then ends the records in them.
 *
 * Fields are written with softirqs off, by segments, those of a former socket's backlog
 * included. If two segments do so at once, an update may be lost; the next segment repeats it.
 *
 * Context: xtcp_timewait_enter*() with the socket lock; the rest softirq or
 * process.
 */
#include "close/timewait.h"

#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/route.h>

#include "clock.h"
#include "close/reset.h"
#include "close/stateless.h"
#include "compat.h"
#include "isn.h"
#include "lockname.h"
#include "net/family.h"
#include "net/reply.h"
#include "netns.h"
#include "observe/stats.h"
#include "paws.h"
#include "port/port.h"
#include "segment/oow.h"
#include "tcb.h"

#define RECYCLE_MIN_MS	1000U	/* xtcp_tw_recycle: shortest TIME-WAIT; chosen, not measured */
#define SHORT_LIFE_MS	4000U	/* up to this, Linux counts TWKilled, not TW */
#define RESTART_MIN_NS	NSEC_PER_MSEC	/* 2MSL restarts at most once in this time */

/* Older is a state of 49 days. A record has 32 bits for the age, enough for 17 hours more. */
#define AGE_TAKEN_MAX_MS	(49ULL * 24 * 3600 * MSEC_PER_SEC)

static_assert(sizeof(struct xtcp_timewait) == 96);
static_assert(offsetof(struct xtcp_timewait6, addrs) == XTCP_RECORD_LEN);
static_assert(sizeof(struct xtcp_timewait6) == 128);

static struct kmem_cache *timewait_cache __ro_after_init;
static struct kmem_cache *timewait6_cache __ro_after_init;

static struct kmem_cache *timewait_cache_of(u8 family)
{
	return xtcp_family_is_ipv6(family) ? timewait6_cache : timewait_cache;
}

static void timewait_free_rcu(struct rcu_head *rcu)
{
	struct xtcp_timewait *tw =
		container_of(rcu, struct xtcp_timewait, delay.rcu);

	kmem_cache_free(timewait_cache_of(tw->flow.family), tw);
}

/*
 * Free a record that has no references any more. A lookup may still read it: its
 * memory is reused only for records, or freed after a grace period (flow.c).
 */
static void timewait_free(struct xtcp_flow *flow)
{
	struct xtcp_timewait *tw = container_of(flow, struct xtcp_timewait,
						flow);

	xtcp_record_free(timewait_cache_of(flow->family), tw, &tw->delay.rcu, timewait_free_rcu);
}

static u64 timewait_age_ms(const struct xtcp_flow *flow)
{
	const struct xtcp_timewait *tw = container_of(flow, struct xtcp_timewait, flow);

	/* Before the clock: a FIN may change the state, and @since_ms, meanwhile. */
	u32 since_ms = READ_ONCE(tw->since_ms);

	return (u32)(xtcp_now_ms() - since_ms);
}

static const struct xtcp_flow_ops timewait_ops = {
	.free	= timewait_free,
	.age_ms	= timewait_age_ms,
};

/**
 * xtcp_timewait_init - create the slab caches
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
 * struct xtcp_timewaits - TIME-WAIT records of a namespace
 * @net: the namespace
 * @lines: their delay lines
 */
struct xtcp_timewaits {
	struct net		*net;
	struct xtcp_delayset	lines;
};

static struct xtcp_delayset *timewait_lines(struct net *net)
{
	return &xtcp_net(net)->timewaits->lines;
}

static struct net *timewait_lines_net(struct xtcp_delayset *lines)
{
	return container_of(lines, struct xtcp_timewaits, lines)->net;
}

/* Release what an unhashed record holds; it is in no delay line. Drops the table's reference. */
static void timewait_release(struct net *net, struct xtcp_timewait *tw)
{
	xtcp_port_timewait_release(net, tw);
	atomic_dec(&xtcp_net(net)->tw_count);
	xtcp_flow_put(&tw->flow);
}

/* The same for a record that may be in a delay line: unlinks it first. */
static void timewait_detach(struct net *net, struct xtcp_timewait *tw)
{
	if (xtcp_delay_del(timewait_lines(net), &tw->delay))
		xtcp_flow_put(&tw->flow);
	timewait_release(net, tw);
}

/**
 * xtcp_timewait_end - end a record
 * @net: namespace
 * @tw: referenced by the caller
 * @event: reason; leads to CLOSED
 *
 * Return: true if this call ended the record; false if another CPU has unhashed it.
 */
bool xtcp_timewait_end(struct net *net, struct xtcp_timewait *tw,
		       enum xtcp_event event)
{
	if (!xtcp_flow_remove(net, &tw->flow))
		return false;
	xtcp_lifecycle_event(net, &tw->flow, event);
	timewait_detach(net, tw);
	return true;
}

/**
 * xtcp_timewait_replaced - end a record that a new incarnation has replaced
 * @net: namespace
 * @tw: unhashed; the caller's reference, which was the table's, is dropped
 * @event: how it was replaced; leads to CLOSED
 */
void xtcp_timewait_replaced(struct net *net, struct xtcp_timewait *tw,
			    enum xtcp_event event)
{
	xtcp_lifecycle_event(net, &tw->flow, event);
	timewait_detach(net, tw);
}

/*
 * The time of a record is over; the timer has unlinked it. Another CPU may move it from FIN-WAIT-2
 * to TIME-WAIT meanwhile, so the event is chosen by a second look at the state, and the lifecycle
 * table has a row for FIN_WAIT_2_TIMEOUT in TIME-WAIT.
 */
static void timewait_end_expired(struct net *net, struct xtcp_timewait *tw)
{
	if (!xtcp_flow_remove(net, &tw->flow))
		return;
	xtcp_lifecycle_event(net, &tw->flow,
			     READ_ONCE(tw->flow.state) == XTCP_TIME_WAIT ?
			     XTCP_EV_TIME_WAIT_TIMEOUT :
			     XTCP_EV_FIN_WAIT_2_TIMEOUT);
	timewait_release(net, tw);
}

/**
 * xtcp_timewait_placed - a record has just been put into the table, or back into it
 * @net: namespace
 * @tw: record, with the table's reference
 *
 * The record's timer may have expired before the record was in the table. It found nothing there
 * and will not come back, so this function ends the record. That the record is in no delay line
 * does not prove this: another CPU may just have taken it out to restart 2MSL
 * (timewait_restart()). So its time must be over, too: the timer takes out no other records.
 */
void xtcp_timewait_placed(struct net *net, struct xtcp_timewait *tw)
{
	if (unlikely(READ_ONCE(tw->delay.expires_ns) <= xtcp_now_ns()) &&
	    !xtcp_delay_is_waiting(timewait_lines(net), &tw->delay))
		timewait_end_expired(net, tw);
}

/* A record that is not in the table yet is ended by xtcp_timewait_placed(). */
static void timewait_expire(struct xtcp_delayset *set,
			    struct xtcp_delay *delay)
{
	struct xtcp_timewait *tw =
		container_of(delay, struct xtcp_timewait, delay);

	timewait_end_expired(timewait_lines_net(set), tw);
	xtcp_flow_put(&tw->flow);
}

static void timewait_net_closed(struct xtcp_delayset *set, struct xtcp_delay *delay)
{
	struct xtcp_timewait *tw =
		container_of(delay, struct xtcp_timewait, delay);

	xtcp_timewait_end(timewait_lines_net(set), tw, XTCP_EV_ABORT);
	xtcp_flow_put(&tw->flow);
}

/**
 * xtcp_timewait_net_init - create the delay lines of a namespace
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
	xtcp_lock_name(&all->lines.lock, "xtcp_delays_timewait");
	xtcp_net(net)->timewaits = all;
	return 0;
}

/**
 * xtcp_timewait_net_exit - end all records of a namespace
 * @net: namespace; it has no sockets any more
 */
void xtcp_timewait_net_exit(struct net *net)
{
	xtcp_delayset_close(timewait_lines(net), timewait_net_closed);
	kfree(xtcp_net(net)->timewaits);
}

/**
 * xtcp_timewait_min_ms - shortest time to wait for the peer's FIN
 * @xs: the connection
 *
 * As in Linux: enough for two retransmissions of a FIN.
 *
 * Return: 3.5 RTO in ms.
 */
u32 xtcp_timewait_min_ms(const struct xtcp_sock *xs)
{
	return DIV_ROUND_UP(READ_ONCE(xs->rtt.rto_us) / 2 * 7, USEC_PER_MSEC);
}

/**
 * xtcp_timewait_fin_timeout_ms - the knob xtcp_fin_timeout in ms
 * @net: namespace
 *
 * The knob allows 99 days; jiffies_to_msecs() would wrap after 49.
 *
 * Return: ms, U32_MAX at most.
 */
u32 xtcp_timewait_fin_timeout_ms(const struct net *net)
{
	u64 ticks = max(XTCP_KNOB(net, fin_timeout), 0);

	return min_t(u64, div_u64(ticks * MSEC_PER_SEC, HZ), U32_MAX);
}

/*
 * Length of TIME-WAIT: 2MSL. LC-91: if both ends send timestamps, these tell old
 * segments from those of the next incarnation, because the offset of ours is the
 * same for all connections of a 4-tuple. Then the record is needed only to
 * acknowledge a retransmitted FIN; for that, xtcp_tw_recycle keeps it for 3.5 RTO, but not
 * for less than RECYCLE_MIN_MS or more than 2MSL. The record of a connection that a segment
 * with a cookie has opened always stays for 2MSL (xtcp_2msl_stops_copies()).
 * No state is kept by host, and no SYN is refused because of a timestamp of
 * another connection.
 */
static u32 timewait_length_ms(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	const struct net *net = sock_net(sk);
	u32 ms = xtcp_2msl_ms(xs);

	if (!xs->ts_ok || !XTCP_KNOB(net, tw_recycle) || xtcp_2msl_stops_copies(xs))
		return ms;
	return min(ms, max(xtcp_timewait_min_ms(xs), RECYCLE_MIN_MS));
}

static void timewait_fill(struct xtcp_timewait *tw, const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_key key __uninitialized;

	xtcp_key_from_flow(&key, &xs->flow);
	xtcp_flow_init(&tw->flow, XTCP_KIND_TIMEWAIT, &key);
	tw->flow.mapped = sk->sk_family != key.family;
	tw->flow.transparent = inet_test_bit(TRANSPARENT, sk);
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
	tw->wait_ms = timewait_length_ms(sk);
	tw->tos = xs->af->packet->tos(sk);
	tw->rcv_wscale = xs->rcv_wscale;
	tw->port_held = 0;
	/* The line's, the table's and the caller's. */
	xtcp_flow_hold_new(&tw->flow, 3);
}

/* Count a new record. Returns false if there are xtcp_max_tw_buckets already. */
static bool timewait_count(struct xtcp_net *xn)
{
	int max = max(READ_ONCE(xn->knobs.max_tw_buckets), 0);
	int count;

	/* At the limit only read: a write would move the counter's cache line between CPUs. */
	if (atomic_read(&xn->tw_count) >= max)
		return false;
	count = atomic_inc_return(&xn->tw_count);
	if (count <= max) {
		xtcp_peak_raise(&xn->tw_peak, count);
		return true;
	}
	atomic_dec(&xn->tw_count);
	return false;
}

/*
 * The delays of xtcp_tw_timeout and xtcp_fin_timeout have a delay line each. All others share the
 * wheel: those that programs have set, and those that follow from the RTO.
 */
static bool timewait_is_common_delay(const struct net *net, u32 delay_ms)
{
	return delay_ms == XTCP_KNOB(net, tw_timeout) * MSEC_PER_SEC ||
	       delay_ms == xtcp_timewait_fin_timeout_ms(net);
}

static bool timewait_arm(struct net *net, struct xtcp_timewait *tw, u32 delay_ms)
{
	struct xtcp_delayset *set = timewait_lines(net);

	if (timewait_is_common_delay(net, delay_ms))
		return xtcp_delay_add(set, &tw->delay, delay_ms);
	return xtcp_delay_add_until(set, &tw->delay, xtcp_now_ns() +
				    (u64)delay_ms * NSEC_PER_MSEC);
}

/*
 * When the state of a new record began: TIME-WAIT when its delay was added, a moment ago. The time
 * in FIN-WAIT-2 goes on, in which a program may have left the socket open for months.
 */
static u32 timewait_since_ms(const struct xtcp_timewait *tw, const struct xtcp_flow *socket,
			     u32 delay_ms)
{
	u64 since_ms = div_u64(tw->delay.expires_ns - (u64)delay_ms * NSEC_PER_MSEC,
			       NSEC_PER_MSEC);

	if (tw->flow.state == XTCP_ORPHAN_FIN_WAIT_2)
		since_ms -= min(xtcp_flow_age_ms(socket), AGE_TAKEN_MAX_MS);
	return since_ms;
}

/*
 * Replace a socket by @tw in the flow table. Returns false if that failed; the references of the
 * line and of the table are dropped then.
 */
static bool timewait_take_over(struct sock *sk, struct xtcp_timewait *tw,
			       u32 delay_ms)
{
	struct net *net = sock_net(sk);

	if (!timewait_arm(net, tw, delay_ms)) {
		xtcp_flow_put(&tw->flow);	/* the line's */
		goto table;
	}
	tw->since_ms = timewait_since_ms(tw, &xtcp_sk(sk)->flow, delay_ms);
	xtcp_port_to_timewait(sk, tw);
	if (xtcp_flow_replace(net, &xtcp_sk(sk)->flow, &tw->flow)) {
		/* The record represents the connection now. */
		xtcp_lifecycle_gone(&xtcp_sk(sk)->flow);
		xtcp_timewait_placed(net, tw);
		return true;
	}
	/* The socket was not in the table: nothing to wait for. */
	xtcp_port_timewait_release(net, tw);
	/* Else a timer was faster, and has dropped it. */
	if (xtcp_delay_del(timewait_lines(net), &tw->delay))
		xtcp_flow_put(&tw->flow);	/* the line's */
table:
	xtcp_flow_put(&tw->flow);
	return false;
}

static void timewait_count_length(struct net *net, u32 delay_ms)
{
	if (delay_ms > SHORT_LIFE_MS)
		XTCP_INC(net, TW);
	else
		XTCP_INC(net, TW_KILLED);
}

/* @fin_wait_2_ms: how long an orphan waits for the peer's FIN; 0: TIME-WAIT */
static void timewait_enter(struct sock *sk, u32 fin_wait_2_ms)
{
	struct net *net = sock_net(sk);
	struct xtcp_net *xn = xtcp_net(net);
	struct xtcp_timewait *tw = NULL;
	u32 delay_ms;

	if (!timewait_count(xn))
		goto full;
	tw = kmem_cache_alloc(timewait_cache_of(xtcp_sk(sk)->flow.family),
			      GFP_ATOMIC | __GFP_NOWARN);
	if (!tw)
		goto give_back;
	timewait_fill(tw, sk);
	delay_ms = fin_wait_2_ms ?: tw->wait_ms;
	if (!timewait_take_over(sk, tw, delay_ms))
		goto give_back;
	xtcp_flow_put(&tw->flow);
	timewait_count_length(net, delay_ms);
	return;

give_back:
	if (tw)
		xtcp_flow_put(&tw->flow);
	atomic_dec(&xn->tw_count);
full:
	XTCP_INC(net, TIME_WAIT_OVERFLOW);
	if (xtcp_net_may_log(net))
		net_info_ratelimited("xtcp: no room for TIME-WAIT (xtcp_max_tw_buckets)\n");
	xtcp_lifecycle_sk(sk, XTCP_EV_TIME_WAIT_FULL);
}

/**
 * xtcp_timewait_enter - replace a socket in TIME-WAIT by a record
 * @sk: in TIME-WAIT, locked; in CLOSED afterwards: the caller must end it
 *	(xtcp_close_done())
 *
 * The length is set here: XTCP_TW_TIMEOUT, xtcp_tw_timeout, xtcp_tw_recycle. If
 * there are xtcp_max_tw_buckets records or memory is short, the connection is
 * closed at once, as in Linux; so is it if the peer's FIN has our token, from which a
 * repeated FIN will be answered.
 */
void xtcp_timewait_enter(struct sock *sk)
{
	xtcp_assert_owned(sk);
	if (unlikely(xtcp_sk(sk)->token_role == XTCP_TOKEN_ECHOED)) {
		XTCP_INC(sock_net(sk), TOKEN_TW);
		xtcp_lifecycle_sk(sk, XTCP_EV_TIME_WAIT_TOKEN);
		return;
	}
	timewait_enter(sk, 0);
}

/**
 * xtcp_timewait_enter_fin_wait_2 - replace an orphan in FIN-WAIT-2 by a record
 * @sk: orphan, locked; otherwise as in xtcp_timewait_enter()
 * @wait_ms: how long to wait for the peer's FIN
 */
void xtcp_timewait_enter_fin_wait_2(struct sock *sk, u32 wait_ms)
{
	xtcp_assert_owned(sk);
	timewait_enter(sk, wait_ms);
}

static bool timewait_paws_rejects(const struct xtcp_timewait *tw,
				  const struct xtcp_seg *seg)
{
	return tw->ts_ok &&
	       xtcp_paws_rejects(seg, tw->ts_recent, tw->ts_recent_s);
}

/* RFC 9293 3.10.7.4 first: has the segment something within the window? */
static bool timewait_in_window(const struct xtcp_timewait *tw,
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

static void timewait_take_timestamp(struct xtcp_timewait *tw, const struct xtcp_seg *seg)
{
	if (!tw->ts_ok || !seg->opt.has_ts)
		return;
	tw->ts_recent = seg->opt.tsval;
	tw->ts_recent_s = xtcp_now_s();
}

/* Acknowledge all up to RCV.NXT once more, in answer to @skb. */
static void timewait_send_ack(struct net *net, struct xtcp_timewait *tw,
			      const struct sk_buff *skb)
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
		.transparent	= tw->flow.transparent,
		.oif		= tw->flow.ifindex,
		.mark		= tw->mark,
		.tos		= tw->tos,
	};

	xtcp_key_from_flow(&reply.key, &tw->flow);
	xtcp_reply_reflect_mark(net, &reply, skb);
	xtcp_reply_send(net, &reply, &bare);
}

/**
 * xtcp_timewait_answer - send an ACK, subject to the rate limit
 * @net: namespace
 * @tw: record, referenced by the caller
 * @skb: the segment that is answered
 * @seg: its parsed header
 *
 * Context: softirq.
 */
void xtcp_timewait_answer(struct net *net, struct xtcp_timewait *tw,
			  const struct sk_buff *skb, const struct xtcp_seg *seg)
{
	if (xtcp_oow_take_answer(net, &tw->oow_ack_ms, seg))
		timewait_send_ack(net, tw, skb);
	else if (tw->flow.state == XTCP_TIME_WAIT)
		XTCP_INC(net, ACK_SKIPPED_TIME_WAIT);
	else
		XTCP_INC(net, ACK_SKIPPED_FIN_WAIT_2);
}

/*
 * RFC 9293 3.10.7.4 fifth: answer an ACK of something that was never sent. Returns
 * true if it was one.
 */
static bool timewait_answer_ack_above(struct net *net, struct xtcp_timewait *tw,
				      const struct sk_buff *skb, const struct xtcp_seg *seg)
{
	if (!seq_after(seg->ack, tw->snd_nxt))
		return false;
	xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_ACK_ABOVE);
	xtcp_timewait_answer(net, tw, skb, seg);
	return true;
}

/*
 * Restart 2MSL. Does nothing if another CPU is ending the record, or if the record would wait less
 * than RESTART_MIN_NS longer: the lines have one lock, for which a peer that repeats its last ACK
 * could make all CPUs wait.
 */
static void timewait_restart(struct net *net, struct xtcp_timewait *tw)
{
	struct xtcp_delayset *set = timewait_lines(net);
	u64 gain_ns = xtcp_now_ns() + (u64)tw->wait_ms * NSEC_PER_MSEC -
		      READ_ONCE(tw->delay.expires_ns);

	if (gain_ns < RESTART_MIN_NS || !xtcp_delay_del(set, &tw->delay))
		return;
	if (!timewait_arm(net, tw, tw->wait_ms)) {
		/*
		 * If @tw is the predecessor of a half-open record, it is not in the table now:
		 * xtcp_timewait_placed() ends it when it returns there.
		 */
		WRITE_ONCE(tw->delay.expires_ns, 0);
		xtcp_timewait_end(net, tw, XTCP_EV_TIME_WAIT_FULL);
		xtcp_flow_put(&tw->flow);
		return;
	}
	xtcp_flow_check_line(&tw->flow, set, &tw->delay);
}

/* RFC 9293 3.6.1: reset the peer, which sends data to a closed socket. */
static void fin_wait_2_refuse(struct net *net, struct xtcp_timewait *tw,
			      const struct sk_buff *skb, const struct xtcp_key *key,
			      const struct xtcp_seg *seg)
{
	const struct xtcp_origin origin = {
		.transparent	= tw->flow.transparent,
		.bound		= tw->flow.ifindex,
		.mark		= tw->mark,
	};

	xtcp_reset_reply(net, skb, key, &origin, seg, XTCP_MIB_RESET_SENT_TEXT_AFTER_CLOSE);
	xtcp_timewait_end(net, tw, XTCP_EV_RCV_TEXT_AFTER_CLOSE);
}

static void timewait_reset(struct net *net, struct xtcp_timewait *tw)
{
	xtcp_reset_taken(net, &tw->flow, tw->flow.state);
	xtcp_timewait_end(net, tw, XTCP_EV_RCV_RST);
}

/* RFC 5961 3.2: challenge ACK for a RST in the window, but not at RCV.NXT. */
static void fin_wait_2_rst(struct net *net, struct xtcp_timewait *tw,
			   const struct sk_buff *skb, const struct xtcp_seg *seg)
{
	if (seg->seq == tw->rcv_nxt) {
		timewait_reset(net, tw);
		return;
	}
	xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_RST_IN_WINDOW);
	if (xtcp_oow_take_challenge(net, &tw->oow_ack_ms))
		timewait_send_ack(net, tw, skb);
}

/*
 * RFC 5961 4.2: challenge ACK for a SYN. A peer that has forgotten the connection answers by a
 * RST at RCV.NXT, and its next SYN opens. As in Linux the flag does not count in a segment that
 * begins below RCV.NXT.
 */
static void fin_wait_2_syn(struct net *net, struct xtcp_timewait *tw,
			   const struct sk_buff *skb)
{
	/* RCV_SYN would end a record that another CPU has just moved to TIME-WAIT. */
	xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_SYN_IN_WINDOW);
	XTCP_INC(net, SYN_CHALLENGE);
	if (xtcp_oow_take_challenge(net, &tw->oow_ack_ms))
		timewait_send_ack(net, tw, skb);
}

static void fin_wait_2_fin(struct net *net, struct xtcp_timewait *tw,
			   const struct sk_buff *skb, const struct xtcp_seg *seg)
{
	tw->rcv_nxt = seg->end;
	timewait_take_timestamp(tw, seg);
	if (xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_FIN) != XTCP_TIME_WAIT)
		return;	/* another CPU has just ended it */
	/*
	 * After the event, which reads @since_ms for the histogram of FIN-WAIT-2. For a moment the
	 * state is TIME-WAIT and @since_ms still that of FIN-WAIT-2, so a connect() on another CPU
	 * may find the record old enough to reuse.
	 */
	WRITE_ONCE(tw->since_ms, xtcp_now_ms());
	if (xtcp_stateless_is_told(net, &tw->flow, tw->mark, tw->snd_nxt, seg)) {
		timewait_send_ack(net, tw, skb);
		if (xtcp_timewait_end(net, tw, XTCP_EV_TIME_WAIT_TOKEN))
			XTCP_INC(net, TOKEN_TW);
		return;
	}
	timewait_restart(net, tw);
	timewait_send_ack(net, tw, skb);
}

/* RFC 9293 3.10.7.4 in FIN-WAIT-2 of an orphan. */
static void fin_wait_2_rcv(struct net *net, struct xtcp_timewait *tw,
			   const struct sk_buff *skb,
			   const struct xtcp_key *key,
			   const struct xtcp_seg *seg)
{
	bool old_timestamp = timewait_paws_rejects(tw, seg);
	bool fin = seg->flags & XTCP_FIN;

	if (old_timestamp || !timewait_in_window(tw, seg)) {
		bool rst = seg->flags & XTCP_RST;

		xtcp_lifecycle_event(net, &tw->flow,
				     rst ? XTCP_EV_RCV_RST_OUTSIDE :
					   XTCP_EV_RCV_OUTSIDE);
		if (!rst)
			xtcp_timewait_answer(net, tw, skb, seg);
	} else if (seg->flags & XTCP_RST) {
		fin_wait_2_rst(net, tw, skb, seg);
	} else if ((seg->flags & XTCP_SYN) && !seq_before(seg->seq, tw->rcv_nxt)) {
		fin_wait_2_syn(net, tw, skb);
	} else if (!(seg->flags & XTCP_ACK)) {
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_BAD_FLAGS);
	} else if (timewait_answer_ack_above(net, tw, skb, seg)) {
		return;
	} else if (!seq_after(seg->end, tw->rcv_nxt) || seg->end == seg->seq) {
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_ACK);
	} else if (fin && seg->end == seq_add(tw->rcv_nxt, 1)) {
		fin_wait_2_fin(net, tw, skb, seg);
	} else {
		fin_wait_2_refuse(net, tw, skb, key, seg);
	}
}

/* RFC 6191: may this SYN begin a new incarnation? */
static bool timewait_syn_is_new(struct net *net, const struct xtcp_timewait *tw,
				const struct xtcp_seg *seg)
{
	if ((seg->flags & (XTCP_SYN | XTCP_ACK | XTCP_RST | XTCP_FIN)) !=
	    XTCP_SYN ||
	    timewait_paws_rejects(tw, seg))
		return false;
	if (seq_after(seg->seq, tw->rcv_nxt))
		return true;
	if (!seg->opt.has_ts)
		return false;
	/* The old incarnation had no timestamps: a segment with one is of the new incarnation. */
	if (!tw->ts_ok)
		return XTCP_KNOB(net, timestamps);
	return (s32)(seg->opt.tsval - tw->ts_recent) > 0;
}

/* Does the segment begin at RCV.NXT and have nothing new? */
static bool timewait_is_in_sequence(const struct xtcp_timewait *tw,
				    const struct xtcp_seg *seg)
{
	return seg->seq == tw->rcv_nxt &&
	       (seg->seq == seg->end || (seg->flags & XTCP_RST));
}

static enum xtcp_event time_wait_event(const struct xtcp_seg *seg)
{
	if (seg->flags & XTCP_RST)
		return XTCP_EV_RCV_RST_OUTSIDE;
	if (seg->flags & XTCP_SYN)
		return seg->flags & XTCP_ACK ? XTCP_EV_RCV_SYN_ACK :
					       XTCP_EV_RCV_SYN_IN_WINDOW;
	if (seg->flags & XTCP_FIN)
		return XTCP_EV_RCV_FIN;
	return seg->len ? XTCP_EV_RCV_TEXT : XTCP_EV_RCV_OUTSIDE;
}

/*
 * A RST at RCV.NXT ends TIME-WAIT, unless xtcp_rfc1337 is set: RFC 1337 shows how
 * an old duplicate RST can end it too early.
 */
static void time_wait_rst(struct net *net, struct xtcp_timewait *tw)
{
	if (XTCP_KNOB(net, rfc1337)) {
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_RST_IGNORED);
		return;
	}
	timewait_reset(net, tw);
}

/* RFC 9293 3.10.7.4 in TIME-WAIT, except for a SYN of a new incarnation. */
static void time_wait_rcv(struct net *net, struct xtcp_timewait *tw,
			  const struct sk_buff *skb, const struct xtcp_seg *seg)
{
	bool old_timestamp = timewait_paws_rejects(tw, seg);

	if (!old_timestamp && seg->seq == tw->rcv_nxt &&
	    !(seg->flags & (XTCP_RST | XTCP_SYN | XTCP_ACK))) {
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_BAD_FLAGS);
		return;
	}
	if (!old_timestamp &&
	    (seg->flags & (XTCP_RST | XTCP_SYN | XTCP_ACK)) == XTCP_ACK &&
	    timewait_answer_ack_above(net, tw, skb, seg))
		return;
	if (!old_timestamp && timewait_is_in_sequence(tw, seg)) {
		if (seg->flags & XTCP_RST) {
			time_wait_rst(net, tw);
			return;
		}
		xtcp_lifecycle_event(net, &tw->flow, XTCP_EV_RCV_ACK);
		timewait_take_timestamp(tw, seg);
		timewait_restart(net, tw);
		return;
	}
	if (old_timestamp)
		XTCP_INC(net, PAWS_ESTAB);
	xtcp_lifecycle_event(net, &tw->flow, time_wait_event(seg));
	if (seg->flags & XTCP_RST)
		return;
	if (old_timestamp || (seg->flags & XTCP_ACK))
		timewait_restart(net, tw);
	xtcp_timewait_answer(net, tw, skb, seg);
}

/**
 * xtcp_timewait_rcv - process a segment for a TIME-WAIT or FIN-WAIT-2 record
 * @net: namespace
 * @tw: record, referenced by the caller
 * @skb: segment; stays the caller's
 * @key: its connection
 * @seg: its parsed header
 *
 * Context: softirqs off, RCU read-side section.
 * Return: true if the segment is a SYN that may begin a new incarnation, if
 * its port has a listener.
 */
bool xtcp_timewait_rcv(struct net *net, struct xtcp_timewait *tw,
		       struct sk_buff *skb, const struct xtcp_key *key,
		       const struct xtcp_seg *seg)
{
	if (READ_ONCE(tw->flow.state) == XTCP_ORPHAN_FIN_WAIT_2) {
		fin_wait_2_rcv(net, tw, skb, key, seg);
		return false;
	}
	if (!timewait_syn_is_new(net, tw, seg)) {
		time_wait_rcv(net, tw, skb, seg);
		return false;
	}
	return true;
}

/**
 * xtcp_timewait_reuse_is_allowed - may TIME-WAIT records of a connection be reused
 * @net: namespace
 * @flow: flow of a record or of a new connection
 *
 * Return: true if the knob xtcp_tw_reuse (0: never, 1: any destination, 2: loopback)
 * allows it.
 */
bool xtcp_timewait_reuse_is_allowed(struct net *net, const struct xtcp_flow *flow)
{
	unsigned int mode = XTCP_KNOB(net, tw_reuse);

	return mode == 1 ||
	       (mode && xtcp_family_get(flow->family)->addr->is_loopback(flow));
}

static bool timewait_is_old_enough(struct net *net, const struct xtcp_timewait *tw)
{
	u32 age_ms = xtcp_now_ms() - READ_ONCE(tw->since_ms);

	return age_ms > XTCP_KNOB(net, tw_reuse_delay);
}

/**
 * xtcp_timewait_may_reuse - may connect() take over this record's 4-tuple
 * @net: namespace
 * @tw: record, referenced by the caller, or found under RCU: then the result may be
 *	that of another record
 * @bound: the port was bound explicitly
 *
 * The old connection must have had timestamps, and the new one must offer them, so that
 * its larger ones tell the two apart (RFC 6191). For an ephemeral port, the knob
 * xtcp_tw_reuse must allow it, and xtcp_tw_reuse_delay must be over; as in Linux,
 * neither is needed for an explicit bind.
 *
 * Return: true if it may.
 */
bool xtcp_timewait_may_reuse(struct net *net, const struct xtcp_timewait *tw,
			     bool bound)
{
	if (READ_ONCE(tw->flow.state) != XTCP_TIME_WAIT || !tw->ts_ok ||
	    !XTCP_KNOB(net, timestamps))
		return false;
	return bound || (xtcp_timewait_reuse_is_allowed(net, &tw->flow) &&
			 timewait_is_old_enough(net, tw));
}

/**
 * xtcp_timewait_hand_over - set ISN and TS.Recent of a new incarnation
 * @tw: record of the old incarnation
 * @sk: socket that connects, locked
 */
void xtcp_timewait_hand_over(const struct xtcp_timewait *tw, struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	xs->iss = xtcp_isn_above(tw->snd_nxt);
	xs->ts_recent = tw->ts_recent;
	xs->ts_recent_s = tw->ts_recent_s;
}
