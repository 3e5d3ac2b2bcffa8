// SPDX-License-Identifier: GPL-2.0
/*
 * synqueue.c - half-open records
 *
 * RFC 9293 3.10.7.4 in state SYN-RECEIVED, for passive opens. A half-open
 * record of 96 bytes is in the flow table and in one of its listener's delay
 * lines. SYN-ACKs are retransmitted after 1, 2, 4, ... seconds (RFC 6298 5.5),
 * xtcp_synack_retries times.
 *
 * Life cycle of a record
 *  1. xtcp_synqueue_insert() creates it with three references: of the flow
 *     table, of the delay line, of the caller. It adds the record to the table
 *     first, then to the line, so that a record in a line can be ended by its
 *     timer. Step 3 says what follows if step 2 comes between the two.
 *  2. It is unhashed once, by xtcp_synqueue_end() or by promotion to a
 *     socket. The CPU that unhashes it sets its state to CLOSED, unlinks it
 *     from its line and drops both references.
 *  3. The timer takes a record out of its line while it works on it. If step 2
 *     happens meanwhile, it finds the record in no line. The timer therefore adds
 *     the record to the next line first, and then reads the state: if that is
 *     CLOSED, the timer unlinks the record again (xtcp_flow_check_line()). So
 *     does step 1. The line's lock orders the two, so exactly one of them unlinks
 *     it.
 *  4. A closing listener closes its lines first, which stops the timer. Then
 *     each remaining record is ended, or replaced in the table by a copy
 *     that belongs to another listener of the group. A reader that still has a
 *     record may read the listener and its queues: they are freed by RCU.
 *  5. The record is freed with its last reference. Lookups may still read it
 *     without a reference (flow.c). So its memory is reused only for records,
 *     or it is freed by RCU, with the rcu_head in place of the line's link.
 *
 * A SYN for a connection in TIME-WAIT creates a half-open record that replaces
 * the TIME-WAIT record in the table. The third segment ends the TIME-WAIT record.
 * If the half-open record ends otherwise, the TIME-WAIT record returns to
 * the table for the rest of its 2MSL (RFC 9293 MAY-2). The half-open record
 * keeps a reference to it until it is freed, because code that has the former
 * may dereference the latter.
 *
 * Most fields are written before the record is visible, in its line or in the
 * table. Later the timer writes @timeouts, or the CPU that ends or promotes the
 * record, and softirqs that process a segment write @acked, @answered_ms and, with Accurate ECN,
 * @tos. The CPU that sends another SYN-ACK may write @rcv_wnd. If two softirqs check the rate
 * limit at the same time, it may allow an answer to both.
 *
 * Context: softirq; the listener is not locked. xtcp_synqueue_stop(): process.
 */
#include "open/synqueue.h"

#include <linux/slab.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "clock.h"
#include "close/reset.h"
#include "close/timewait.h"
#include "compat.h"
#include "listener.h"
#include "lookup.h"
#include "net/family.h"
#include "net/reply.h"
#include "net/skb.h"
#include "netns.h"
#include "observe/stats.h"
#include "open/acceptqueue.h"
#include "open/gate.h"
#include "open/listen.h"
#include "open/source.h"
#include "open/synack.h"
#include "paws.h"
#include "rare.h"
#include "segment/oow.h"
#include "tcb.h"
#include "transfer/rtt.h"

#define SYNACK_DELAY_MS		1000U	/* RFC 6298 2.1 */

static_assert(sizeof(struct xtcp_halfopen) == 96);
static_assert(offsetof(struct xtcp_halfopen6, addrs) == XTCP_RECORD_LEN);
static_assert(sizeof(struct xtcp_halfopen6) == 128);

static struct kmem_cache *halfopen_cache __ro_after_init;
static struct kmem_cache *halfopen6_cache __ro_after_init;

static struct kmem_cache *halfopen_cache_of(u8 family)
{
	return xtcp_family_is_ipv6(family) ? halfopen6_cache : halfopen_cache;
}

static void halfopen_free_rcu(struct rcu_head *rcu)
{
	struct xtcp_halfopen *ho =
		container_of(rcu, struct xtcp_halfopen, delay.rcu);

	kmem_cache_free(halfopen_cache_of(ho->flow.family), ho);
}

/*
 * Free a record that has no references any more. A lookup may still read it: its
 * memory is reused only for records, or freed after a grace period (flow.c).
 */
static void synqueue_free(struct xtcp_flow *flow)
{
	struct xtcp_halfopen *ho = container_of(flow, struct xtcp_halfopen,
						flow);

	if (unlikely(ho->has_predecessor))
		xtcp_flow_put(&xtcp_synqueue_predecessor(ho)->flow);
	if (unlikely(ho->syn_saved))
		xtcp_savedsyn_put(ho->saved);
	xtcp_record_free(halfopen_cache_of(flow->family), ho, &ho->delay.rcu, halfopen_free_rcu);
}

static u64 synqueue_age_ms(const struct xtcp_flow *flow)
{
	return xtcp_synqueue_age_ms(container_of(flow, struct xtcp_halfopen, flow));
}

static const struct xtcp_flow_ops synqueue_ops = {
	.free	= synqueue_free,
	.age_ms	= synqueue_age_ms,
};

/**
 * xtcp_synqueue_init - create the slab caches
 *
 * Return: 0 or -ENOMEM.
 */
int __init xtcp_synqueue_init(void)
{
	xtcp_flow_register(XTCP_KIND_HALFOPEN, &synqueue_ops);
	halfopen_cache = xtcp_record_cache("xtcp_halfopen",
					   sizeof(struct xtcp_halfopen),
					   offsetof(struct xtcp_halfopen,
						    delay));
	halfopen6_cache = xtcp_record_cache("xtcp_halfopen6",
					    sizeof(struct xtcp_halfopen6),
					    offsetof(struct xtcp_halfopen6,
						     ho.delay));
	if (halfopen_cache && halfopen6_cache)
		return 0;
	xtcp_synqueue_exit();
	return -ENOMEM;
}

/**
 * xtcp_synqueue_exit - undo xtcp_synqueue_init()
 */
void xtcp_synqueue_exit(void)
{
	kmem_cache_destroy(halfopen6_cache);
	kmem_cache_destroy(halfopen_cache);
}

/**
 * xtcp_synqueue_alloc - allocate a record
 * @family: address family of the connection
 *
 * Context: any.
 * Return: a record of undefined content, or NULL.
 */
struct xtcp_halfopen *xtcp_synqueue_alloc(u8 family)
{
	return kmem_cache_alloc(halfopen_cache_of(family), GFP_ATOMIC | __GFP_NOWARN);
}

/**
 * xtcp_synqueue_delay_ms - time from one SYN-ACK of a half-open record to the next
 * @xs: its listener
 * @timeouts: number of timeouts so far
 *
 * Context: any.
 * Return: milliseconds: 1 s, doubled by each timeout, at most the largest timeout of the
 * listener's sockets (xtcp_rtt_rto_max_us())
 */
u32 xtcp_synqueue_delay_ms(const struct xtcp_sock *xs, unsigned int timeouts)
{
	if (likely(!timeouts))
		return SYNACK_DELAY_MS;
	return min_t(u32, SYNACK_DELAY_MS << min(timeouts, 7U),
		     xtcp_rtt_rto_max_us(xs) / USEC_PER_MSEC);
}

static u32 synack_delay_ms(const struct xtcp_listener *ls, unsigned int timeouts)
{
	return xtcp_synqueue_delay_ms(xtcp_sk(ls->sk), timeouts);
}

/* Count @ho. */
static void synqueue_enter(struct xtcp_listener *ls, struct xtcp_halfopen *ho)
{
	int qlen = atomic_inc_return(&ls->qlen);

	xtcp_source_add(sock_net(ls->sk), &ho->flow);
	if (!ho->timeouts)
		atomic_inc(&ls->young);
	xtcp_peak_raise(&ls->qlen_peak, qlen);
}

/*
 * ls->young counts records that have not had a timeout. The timer and the CPU that ends the record
 * race to decrement ls->young; cmpxchg() lets only one of them do it.
 */
static bool halfopen_end_youth(struct xtcp_halfopen *ho)
{
	return cmpxchg(&ho->timeouts, 0, 1) == 0;
}

static void synqueue_leave(struct xtcp_listener *ls, struct xtcp_halfopen *ho)
{
	atomic_dec(&ls->qlen);
	if (halfopen_end_youth(ho))
		atomic_dec(&ls->young);
	xtcp_source_del(sock_net(ls->sk), &ho->flow);
}

/**
 * xtcp_synqueue_ts_offset - offset of the record's TSval from the clock
 * @ho: record
 *
 * Return: ms
 */
u32 xtcp_synqueue_ts_offset(const struct xtcp_halfopen *ho)
{
	if (unlikely(ho->syn_saved))
		return ho->saved->ts_offset;
	return ho->has_predecessor ? ho->predecessor->ts_offset : ho->ts_offset;
}

/**
 * xtcp_synqueue_mark - fwmark of our segments
 * @ho: record
 *
 * Return: the mark.
 */
u32 xtcp_synqueue_mark(const struct xtcp_halfopen *ho)
{
	if (unlikely(ho->syn_saved))
		return ho->saved->mark;
	return ho->has_predecessor ? ho->predecessor->mark : ho->mark;
}

/**
 * xtcp_synqueue_age_ms - how long a connection has been half-open
 * @ho: record
 *
 * The start is not stored. It follows from the sum of all delays up to now,
 * less what remains of the current one.
 *
 * Return: ms
 */
u32 xtcp_synqueue_age_ms(const struct xtcp_halfopen *ho)
{
	u64 now_ns = xtcp_now_ns(), expires_ns = READ_ONCE(ho->delay.expires_ns);
	u8 timeouts = READ_ONCE(ho->timeouts);
	u32 age_ms = 0;
	unsigned int i;

	for (i = 0; i <= timeouts; i++)
		age_ms += synack_delay_ms(ho->ls, i);
	if (expires_ns > now_ns)
		age_ms -= min_t(u64, age_ms, div_u64(expires_ns - now_ns,
						     NSEC_PER_MSEC));
	return age_ms;
}

/**
 * xtcp_synqueue_created_ns - when the first SYN-ACK was sent
 * @ho: record
 *
 * Return: xtcp_now_ns() of then; valid until the first timeout
 */
u64 xtcp_synqueue_created_ns(const struct xtcp_halfopen *ho)
{
	return READ_ONCE(ho->delay.expires_ns) - (u64)SYNACK_DELAY_MS * NSEC_PER_MSEC;
}

/**
 * xtcp_synqueue_rtt_us - measure the round trip from the SYN-ACK to its ACK
 * @ho: record
 * @acked_ns: when the third segment arrived, xtcp_now_ns()
 *
 * Karn's algorithm (RFC 6298 3): nothing is measured if more than one segment may
 * have caused the ACK.
 *
 * Return: us, at least 1; 0: unknown.
 */
u32 xtcp_synqueue_rtt_us(const struct xtcp_halfopen *ho, u64 acked_ns)
{
	u64 created_ns;

	if (READ_ONCE(ho->answered_ms))
		return 0;
	created_ns = xtcp_synqueue_created_ns(ho);
	/*
	 * Pairs with the cmpxchg() of halfopen_end_youth(): the timer sets @timeouts
	 * before the new expiry.
	 */
	smp_rmb();
	if (READ_ONCE(ho->timeouts))
		return 0;
	return max_t(u64, 1, div_u64(acked_ns - created_ns, NSEC_PER_USEC));
}

static void halfopen_save(struct xtcp_halfopen *ho, struct xtcp_savedsyn *saved)
{
	saved->ts_offset = ho->ts_offset;
	saved->mark = ho->mark;
	ho->saved = saved;
	ho->syn_saved = 1;
}

/*
 * Let @ho be the successor of @tw. The pointer to it takes the place of two fields, which
 * usually are those of @tw as well. If not, because a knob or the way of the SYN has changed,
 * they go elsewhere: nothing of an unproven SYN may remain in @tw. Returns false without memory.
 */
static bool halfopen_set_predecessor(struct xtcp_halfopen *ho, struct xtcp_timewait *tw)
{
	struct xtcp_savedsyn *saved;

	if (!ho->syn_saved && (tw->ts_offset != ho->ts_offset || tw->mark != ho->mark)) {
		saved = xtcp_savedsyn_make_empty();
		if (!saved)
			return false;
		halfopen_save(ho, saved);
	}
	refcount_inc(&tw->flow.ref);
	ho->has_predecessor = 1;
	if (unlikely(ho->syn_saved))
		ho->saved->predecessor = tw;
	else
		ho->predecessor = tw;
	return true;
}

/*
 * Add @ho to the flow table, in place of its predecessor @tw if not NULL. Counts a SYN that
 * is lost; but not if another CPU was faster with the same one.
 */
static bool halfopen_hash(struct xtcp_halfopen *ho, struct xtcp_timewait *tw)
{
	struct net *net = sock_net(ho->ls->sk);
	int err;

	if (tw)
		return xtcp_flow_replace(net, &tw->flow, &ho->flow);
	err = xtcp_flow_insert(net, &ho->flow, NULL);
	if (unlikely(err) && err != -EEXIST)
		xtcp_listen_dropped(ho->ls);
	return !err;
}

/**
 * xtcp_synqueue_save_syn - TCP_SAVE_SYN: keep the headers of a record's SYN
 * @ho: new record, not yet visible, all but its predecessor filled in
 * @skb: the SYN
 * @with_link: the link layer's header as well
 *
 * Without memory the SYN is not kept, as in Linux.
 */
void xtcp_synqueue_save_syn(struct xtcp_halfopen *ho, const struct sk_buff *skb,
			    bool with_link)
{
	struct xtcp_savedsyn *saved = xtcp_savedsyn_make(skb, with_link);

	if (!saved)
		return;
	halfopen_save(ho, saved);
}

/*
 * End a record that no line takes. It is lost for want of memory, which is counted, unless the
 * listener closes.
 */
static void halfopen_end_untimed(struct xtcp_halfopen *ho)
{
	if (xtcp_synqueue_end(ho, XTCP_EV_CLOSE) && !READ_ONCE(ho->ls->lines.dead))
		xtcp_listen_dropped(ho->ls);
}

/**
 * xtcp_synqueue_insert - add a new record to the SYN queue and the flow table
 * @ls: its listener's queues
 * @ho: all fields but references and delay filled in, state
 *	SYN-RECEIVED
 * @tw: predecessor, referenced by the caller; or NULL
 *
 * Context: softirq, RCU read-side section.
 * Return: true if the record was added: the caller gets a reference and sends
 * the SYN-ACK. False if another SYN of the same connection was faster, the
 * listener has closed, or memory is short: @ho is freed.
 */
bool xtcp_synqueue_insert(struct xtcp_listener *ls, struct xtcp_halfopen *ho,
			  struct xtcp_timewait *tw)
{
	u32 delay_ms = synack_delay_ms(ls, ho->timeouts);

	/* Before @ho is in a line: a closing listener copies records, with their predecessors. */
	if (tw && !halfopen_set_predecessor(ho, tw)) {
		xtcp_listen_dropped(ls);
		xtcp_flow_hold_new(&ho->flow, 1);
		xtcp_flow_put(&ho->flow);
		return false;
	}
	xtcp_delay_init(&ho->delay);
	/* Set it now: the third segment measures by it, and may arrive before @ho is in a line. */
	ho->delay.expires_ns = xtcp_now_ns() + (u64)delay_ms * NSEC_PER_MSEC;
	synqueue_enter(ls, ho);
	xtcp_flow_hold_new(&ho->flow, 3);
	if (!halfopen_hash(ho, tw)) {
		synqueue_leave(ls, ho);
		xtcp_flow_put(&ho->flow);	/* the line's */
		xtcp_flow_put(&ho->flow);	/* the table's */
		xtcp_flow_put(&ho->flow);
		return false;
	}
	/*
	 * The table first: the timer of a line could not end a record that is not in the table
	 * yet, and would not come back. Another CPU may end the record between the two steps. If
	 * the listener has closed its lines by now, it could not end a record that was in none.
	 */
	if (!xtcp_delay_add(&ls->lines, &ho->delay, delay_ms)) {
		halfopen_end_untimed(ho);
		xtcp_flow_put(&ho->flow);	/* the line's */
		xtcp_flow_put(&ho->flow);
		return false;
	}
	xtcp_flow_check_line(&ho->flow, &ls->lines, &ho->delay);
	return true;
}

/**
 * xtcp_synqueue_detach - remove an unhashed record from its listener
 * @ho: the caller has just unhashed or replaced it, has set its state to
 *	CLOSED, and holds a reference of its own
 *
 * Drops the table's and the line's reference.
 */
void xtcp_synqueue_detach(struct xtcp_halfopen *ho)
{
	struct xtcp_listener *ls = ho->ls;

	synqueue_leave(ls, ho);
	if (xtcp_delay_del(&ls->lines, &ho->delay))
		xtcp_flow_put(&ho->flow);
	xtcp_flow_put(&ho->flow);
}

/**
 * xtcp_synqueue_end - end a half-open connection
 * @ho: the caller holds a reference
 * @event: reason; leads to CLOSED
 *
 * If @ho has a predecessor, the predecessor returns to the table.
 *
 * Return: false if another CPU has unhashed the record; nothing has changed then.
 */
bool xtcp_synqueue_end(struct xtcp_halfopen *ho, enum xtcp_event event)
{
	struct xtcp_timewait *tw = xtcp_synqueue_predecessor(ho);
	struct net *net = sock_net(ho->ls->sk);

	if (tw ? !xtcp_flow_replace(net, &ho->flow, &tw->flow) :
		 !xtcp_flow_remove(net, &ho->flow))
		return false;
	xtcp_lifecycle_event(net, &ho->flow, event);
	xtcp_synqueue_detach(ho);
	if (tw)
		xtcp_timewait_placed(net, tw);
	return true;
}

/*
 * Copy all but the reference count and the table's link. A lookup may still read
 * the copy's memory as the record that it was before, and takes a reference as
 * soon as the count is not 0; so the count is set last, by the caller.
 */
static void halfopen_copy(struct xtcp_halfopen *copy, const struct xtcp_halfopen *ho,
			  const struct xtcp_key *key, struct xtcp_listener *successor)
{
	unsigned int head = sizeof(ho->flow);

	xtcp_flow_init(&copy->flow, XTCP_KIND_HALFOPEN, key);
	copy->flow.mapped = ho->flow.mapped;
	xtcp_lifecycle_born(&copy->flow, READ_ONCE(ho->flow.state));
	memcpy((u8 *)copy + head, (const u8 *)ho + head, sizeof(*ho) - head);
	copy->ls = successor;
	if (copy->has_predecessor)
		refcount_inc(&xtcp_synqueue_predecessor(copy)->flow.ref);
	if (copy->syn_saved)
		refcount_inc(&copy->saved->ref);
	xtcp_delay_init(&copy->delay);
	/* The third segment may arrive before the copy is in a line. */
	copy->delay.expires_ns = READ_ONCE(ho->delay.expires_ns);
}

/*
 * Replace a record by a copy that belongs to another listener. A copy, because
 * readers rely on a record's listener never changing. The copy is added to the
 * table before the line; like a record that the timer has, it may be ended in
 * between.
 */
static bool halfopen_move_to(struct xtcp_halfopen *ho, const struct xtcp_key *key,
			     struct xtcp_listener *successor)
{
	struct net *net = sock_net(ho->ls->sk);
	struct xtcp_halfopen *copy = xtcp_synqueue_alloc(ho->flow.family);

	if (!copy)
		return false;
	halfopen_copy(copy, ho, key, successor);
	synqueue_enter(successor, copy);
	xtcp_flow_hold_new(&copy->flow, 3);
	if (!xtcp_flow_replace(net, &ho->flow, &copy->flow)) {
		/* A segment of the peer has just ended it on another CPU. */
		synqueue_leave(successor, copy);
		xtcp_flow_put(&copy->flow);	/* the line's */
		xtcp_flow_put(&copy->flow);	/* the table's */
		xtcp_flow_put(&copy->flow);
		return false;
	}
	/* The copy has taken over the connection's state. */
	xtcp_lifecycle_gone(&ho->flow);
	xtcp_synqueue_detach(ho);
	if (!xtcp_delay_add_until(&successor->lines, &copy->delay,
				  copy->delay.expires_ns)) {
		halfopen_end_untimed(copy);
		xtcp_flow_put(&copy->flow);
	} else {
		xtcp_flow_check_line(&copy->flow, &successor->lines, &copy->delay);
	}
	xtcp_flow_put(&copy->flow);
	return true;
}

/*
 * xtcp_migrate_req: move the record to the listener of the group that would get
 * its SYN now. Returns true if it was moved.
 */
static bool halfopen_migrate(struct xtcp_halfopen *ho)
{
	const struct sock *lsk = ho->ls->sk;
	struct net *net = sock_net(ho->ls->sk);
	struct xtcp_listener *ls;
	bool moved = false;
	struct xtcp_key key __uninitialized;
	struct sock *successor;

	if (!XTCP_KNOB(net, migrate_req) || !ho->ls->left_group)
		return false;
	xtcp_key_from_flow(&key, &ho->flow);
	rcu_read_lock();
	successor = xtcp_lookup_successor_rcu(lsk, &key);
	ls = successor ? xtcp_listener_of(successor) : NULL;
	if (ls)
		moved = halfopen_move_to(ho, &key, ls);
	rcu_read_unlock();
	if (moved)
		XTCP_INC(net, MIGRATE_REQ_SUCCESS);
	else
		XTCP_INC(net, MIGRATE_REQ_FAILURE);
	return moved;
}

/*
 * The listener closes, or no memory: migrate or end @ho. Drops the line's reference,
 * which the caller has taken over. RCU protects the predecessor.
 */
static void halfopen_leave_listener(struct xtcp_halfopen *ho)
{
	rcu_read_lock();
	if (!halfopen_migrate(ho))
		halfopen_end_untimed(ho);
	xtcp_flow_put(&ho->flow);
	rcu_read_unlock();
}

static void halfopen_listener_closed(struct xtcp_delayset *set, struct xtcp_delay *delay)
{
	halfopen_leave_listener(container_of(delay, struct xtcp_halfopen, delay));
}

/**
 * xtcp_synqueue_stop - the listener closes: migrate or end all its records
 * @ls: SYNs do not find it any more
 *
 * Context: process.
 */
void xtcp_synqueue_stop(struct xtcp_listener *ls)
{
	xtcp_delayset_close(&ls->lines, halfopen_listener_closed);
}

/*
 * How often a SYN-ACK is retransmitted. When the queue is more than half full,
 * old records get fewer retransmissions, so that new ones find space. A record is
 * young until its first timeout. If young records are not the majority, the
 * limit is lowered by the number of doublings after which they would be, but not
 * below two.
 */
static unsigned int synack_retries_max(const struct xtcp_listener *ls)
{
	unsigned int retries = XTCP_SOCKOPT_RARE(xtcp_sk(ls->sk), syn_retries) ?:
			       XTCP_KNOB(sock_net(ls->sk), synack_retries);
	unsigned int backlog = READ_ONCE(ls->sk->sk_max_ack_backlog);
	unsigned int qlen = atomic_read(&ls->qlen);
	unsigned int young = 2 * atomic_read(&ls->young);

	if (2 * qlen <= max(8U, backlog))
		return retries;
	for (; retries > 2 && qlen >= young; young *= 2)
		retries--;
	return retries;
}

static void halfopen_set_acked(struct xtcp_halfopen *ho)
{
	/* Two CPUs write the same byte. */
	data_race((bool)(ho->acked = 1));
}

/*
 * TCP_DEFER_ACCEPT: the peer has completed the handshake, but has sent no data.
 * No SYN-ACK is sent before the deferral is over, because the peer knows that
 * it is connected. The answer to the SYN-ACK sent then, with data or without,
 * is accepted.
 */
static bool halfopen_is_deferred(const struct xtcp_halfopen *ho, unsigned int timeouts)
{
	return xtcp_synqueue_was_acked(ho) &&
	       timeouts < XTCP_SOCKOPT_RARE(xtcp_sk(ho->ls->sk), defer_accept);
}

/**
 * xtcp_synqueue_is_deferred - whether a record waits for data (TCP_DEFER_ACCEPT)
 * @ho: record that has not left its listener; RCU read-side section
 *
 * Return: true if its ACK has come, and the connection waits for the first payload
 */
bool xtcp_synqueue_is_deferred(const struct xtcp_halfopen *ho)
{
	return halfopen_is_deferred(ho, READ_ONCE(ho->timeouts));
}

/* Both the retransmissions and the deferral are over. */
static bool halfopen_is_given_up(const struct xtcp_halfopen *ho)
{
	u8 timeouts = READ_ONCE(ho->timeouts);

	return timeouts >= synack_retries_max(ho->ls) && !halfopen_is_deferred(ho, timeouts);
}

/**
 * xtcp_synqueue_expire - a record's timeout: retransmit the SYN-ACK or give up
 * @set: its listener's delay lines
 * @delay: its entry, just taken from a line; we get the line's reference
 *
 * Context: softirq, from the delay line's timer.
 */
void xtcp_synqueue_expire(struct xtcp_delayset *set, struct xtcp_delay *delay)
{
	struct xtcp_halfopen *ho =
		container_of(delay, struct xtcp_halfopen, delay);
	struct net *net = sock_net(ho->ls->sk);
	u8 timeouts;

	rcu_read_lock();
	/* Ended after the timer had taken it from its line? */
	if (unlikely(READ_ONCE(ho->flow.state) == XTCP_CLOSED))
		goto put;
	XTCP_INC(net, TIMEOUTS);
	if (halfopen_is_given_up(ho)) {
		xtcp_synqueue_end(ho, XTCP_EV_RETRANSMISSION_GIVE_UP);
		goto put;
	}
	xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RETRANSMISSION_TIMEOUT);
	if (halfopen_end_youth(ho))
		atomic_dec(&ho->ls->young);
	else
		WRITE_ONCE(ho->timeouts, ho->timeouts + 1);
	timeouts = READ_ONCE(ho->timeouts);
	if (!halfopen_is_deferred(ho, timeouts))
		xtcp_synack_resend(ho);
	/*
	 * The line takes our reference, and another CPU may end the record as soon as it is in
	 * the line. So keep another one: RCU does not, because a record without references is
	 * freed at once, and the allocator then writes over @delay's link (xtcp_record_cache()).
	 */
	refcount_inc(&ho->flow.ref);
	if (!xtcp_delay_add(set, delay, synack_delay_ms(ho->ls, timeouts))) {
		/* The listener closes, or no memory. A copy gets this expiry (halfopen_copy()). */
		WRITE_ONCE(delay->expires_ns, xtcp_now_ns() +
			   (u64)synack_delay_ms(ho->ls, timeouts) * NSEC_PER_MSEC);
		halfopen_leave_listener(ho);
	} else {
		xtcp_flow_check_line(&ho->flow, set, delay);
	}
put:
	xtcp_flow_put(&ho->flow);
	rcu_read_unlock();
}

static bool halfopen_paws_rejects(const struct xtcp_halfopen *ho,
				  const struct xtcp_seg *seg)
{
	return ho->ts_ok && xtcp_paws_is_older(seg, ho->ts_recent);
}

/*
 * RFC 9293 3.10.7.4 first: does the segment overlap the receive window, or is it empty and at one
 * of its edges? A segment with a SYN (the SYN again, or a SYN-ACK) may end at RCV.NXT, too.
 */
static bool halfopen_in_window(const struct xtcp_halfopen *ho,
			       const struct xtcp_seg *seg)
{
	seq_t rcv_nxt = seq_add(ho->irs, 1);
	seq_t edge = seq_add(rcv_nxt, READ_ONCE(ho->rcv_wnd));

	if (seg->end == rcv_nxt && seg->seq != rcv_nxt && !(seg->flags & XTCP_SYN))
		return false;
	if (seg->seq == edge)
		return seg->end == edge;
	return seq_after_eq(seg->end, rcv_nxt) && seq_before(seg->seq, edge);
}

static bool halfopen_take_answer(struct xtcp_halfopen *ho, const struct xtcp_seg *seg)
{
	return xtcp_oow_take_answer(sock_net(ho->ls->sk), &ho->answered_ms, seg);
}

static void halfopen_answer_outside(struct xtcp_halfopen *ho, const struct sk_buff *skb,
				    const struct xtcp_seg *seg, bool old_timestamp)
{
	struct net *net = sock_net(ho->ls->sk);
	bool rst = seg->flags & XTCP_RST;

	if (old_timestamp)
		XTCP_INC(net, PAWS_ESTAB);
	xtcp_lifecycle_event(net, &ho->flow,
			     rst ? XTCP_EV_RCV_RST_OUTSIDE : XTCP_EV_RCV_OUTSIDE);
	if (rst)
		return;
	if (halfopen_take_answer(ho, seg))
		xtcp_synack_send_ack(ho, skb);
	else
		XTCP_INC(net, ACK_SKIPPED_SYN_RECV);
}

/* Returns false if another CPU has promoted or ended the record: the RST is not for it. */
static bool halfopen_rcv_rst(struct xtcp_halfopen *ho, const struct sk_buff *skb,
			     const struct xtcp_seg *seg)
{
	struct net *net = sock_net(ho->ls->sk);

	if (seg->seq == seq_add(ho->irs, 1)) {
		if (!xtcp_synqueue_end(ho, XTCP_EV_RCV_RST))
			return false;
		XTCP_INC(net, EMBRYONIC_RSTS);
		xtcp_reset_taken(net, &ho->flow, XTCP_HALF_OPEN);
		return true;
	}
	xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RCV_RST_IN_WINDOW);
	if (xtcp_oow_take_challenge(net, &ho->answered_ms))
		xtcp_synack_send_ack(ho, skb);
	return true;
}

/* A retransmission of the SYN: our SYN-ACK was lost or is late. */
static bool halfopen_is_same_syn(const struct xtcp_halfopen *ho,
				 const struct xtcp_seg *seg)
{
	return seg->seq == ho->irs && (seg->flags & XTCP_SYN) &&
	       !(seg->flags & (XTCP_ACK | XTCP_RST | XTCP_FIN)) &&
	       !halfopen_paws_rejects(ho, seg);
}

static void halfopen_rcv_same_syn(struct xtcp_halfopen *ho, const struct sk_buff *skb,
				  const struct xtcp_seg *seg)
{
	struct net *net = sock_net(ho->ls->sk);

	if (unlikely(ho->accecn_ok))
		xtcp_synqueue_set_codepoint(ho, xtcp_family_get(ho->flow.family)->packet->ecn(skb));
	xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RCV_SYN);
	if (!halfopen_take_answer(ho, seg))
		XTCP_INC(net, ACK_SKIPPED_SYN_RECV);
	else if (!xtcp_gate_take_syn_ack(net))
		XTCP_INC(net, SYNACK_RATE_DROP);
	else
		xtcp_synack_resend(ho);
}

/* Reset the peer, on behalf of the listener. Whether the record stays is decided by the caller. */
static void halfopen_reset(const struct xtcp_halfopen *ho, const struct sk_buff *skb,
			   const struct xtcp_seg *seg, enum xtcp_mib_item reason)
{
	const struct sock *lsk = ho->ls->sk;
	struct xtcp_origin origin = xtcp_origin_of(lsk);
	struct xtcp_key key __uninitialized;

	origin.bound = ho->flow.ifindex;
	xtcp_key_from_flow(&key, &ho->flow);
	xtcp_reset_reply(sock_net(lsk), skb, &key, &origin, seg, reason);
}

/*
 * End the connection and reset the peer. Returns false if another CPU has promoted, moved or
 * ended the record: then nothing is sent, because the connection may go on.
 */
static bool halfopen_abort(struct xtcp_halfopen *ho, const struct sk_buff *skb,
			   const struct xtcp_seg *seg, enum xtcp_event event,
			   enum xtcp_mib_item reason)
{
	if (!xtcp_synqueue_end(ho, event))
		return false;
	XTCP_INC(sock_net(ho->ls->sk), EMBRYONIC_RSTS);
	halfopen_reset(ho, skb, seg, reason);
	return true;
}

/*
 * A SYN that came while the queue was full was answered by a cookie, and its repetition by this
 * record. The client goes by the SYN-ACK that arrives first: if its ACK returns the cookie, the
 * record gives way, and the listener takes the ACK. If that is not possible, the ACK is dropped,
 * and not reset, because its sender has done nothing wrong. Returns as xtcp_synqueue_rcv().
 */
static struct sock *halfopen_take_cookie(struct xtcp_halfopen *ho, struct sk_buff *skb,
					 const struct xtcp_key *key,
					 const struct xtcp_seg *seg)
{
	struct sock *lsk = ho->ls->sk;

	if (!ho->has_predecessor && !xtcp_acceptqueue_is_full(lsk) &&
	    xtcp_synqueue_end(ho, XTCP_EV_ABORT))
		return xtcp_listen_rcv(lsk, skb, key, seg);
	kfree_skb_reason(skb, SKB_DROP_REASON_TCP_OLD_ACK);
	return NULL;
}

/*
 * Returns false if @seg does not acknowledge our SYN-ACK: then it is counted, and answered with a
 * RST within xtcp_rst_ratelimit.
 */
static bool halfopen_check_ack(struct xtcp_halfopen *ho, const struct sk_buff *skb,
			       const struct xtcp_seg *seg)
{
	seq_t expected = seq_add(ho->iss, 1);
	struct net *net = sock_net(ho->ls->sk);

	if (seg->ack == expected)
		return true;
	xtcp_lifecycle_event(net, &ho->flow, seq_after(seg->ack, expected) ?
			     XTCP_EV_RCV_ACK_ABOVE : XTCP_EV_RCV_ACK_BELOW);
	if (xtcp_gate_take_reset(net))
		halfopen_reset(ho, skb, seg, XTCP_MIB_RESET_SENT_BAD_ACK);
	return false;
}

/* TCP_DEFER_ACCEPT: an ACK without data creates no socket yet. */
static bool halfopen_may_defer(const struct xtcp_halfopen *ho)
{
	return READ_ONCE(ho->timeouts) <
	       XTCP_SOCKOPT_RARE(xtcp_sk(ho->ls->sk), defer_accept);
}

static void halfopen_defer(struct xtcp_halfopen *ho)
{
	struct net *net = sock_net(ho->ls->sk);

	halfopen_set_acked(ho);
	XTCP_INC(net, DEFER_ACCEPT_DROP);
	xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RCV_ACK);
}

/**
 * xtcp_synqueue_no_child - the third segment makes no child (LC-33, LC-34)
 * @ho: record, referenced by the caller
 * @skb: the third segment; stays the caller's
 * @seg: its parsed header
 * @event: why, if the record stays
 * @reason: why, if the peer gets a RST
 *
 * The peer is in ESTABLISHED, but our accept queue is full (XTCP_MIB_RESET_SENT_OVERFLOW), or
 * memory is short, or no route leads to the peer (XTCP_MIB_RESET_SENT_NO_MEMORY). Wait for a
 * retransmission or, with xtcp_abort_on_overflow, send a RST; as in Linux.
 *
 * Context: softirq, RCU read-side section.
 */
void xtcp_synqueue_no_child(struct xtcp_halfopen *ho, const struct sk_buff *skb,
			    const struct xtcp_seg *seg, enum xtcp_event event,
			    enum xtcp_mib_item reason)
{
	struct net *net = sock_net(ho->ls->sk);

	xtcp_listen_dropped(ho->ls);
	if (!XTCP_KNOB(net, abort_on_overflow)) {
		halfopen_set_acked(ho);
		xtcp_lifecycle_event(net, &ho->flow, event);
		return;
	}
	halfopen_abort(ho, skb, seg, XTCP_EV_ABORT, reason);
}

/**
 * xtcp_synqueue_rcv - process a segment of a half-open connection
 * @ho: record, referenced by the caller
 * @skb: segment; consumed if NULL is returned
 * @key: its connection, with the device by which it came
 * @seg: its parsed header
 *
 * RFC 9293 3.10.7.4, steps first to fifth, in state SYN-RECEIVED. An acceptable
 * third segment creates a child.
 *
 * Context: softirq, RCU read-side section.
 * Return: the child (see xtcp_acceptqueue_promote()), NULL, or XTCP_CHILD_STOLEN.
 */
struct sock *xtcp_synqueue_rcv(struct xtcp_halfopen *ho, struct sk_buff *skb,
			       const struct xtcp_key *key,
			       const struct xtcp_seg *seg)
{
	struct net *net = sock_net(ho->ls->sk);
	enum skb_drop_reason why = SKB_NOT_DROPPED_YET;
	bool old_timestamp;

	if (halfopen_is_same_syn(ho, seg)) {
		halfopen_rcv_same_syn(ho, skb, seg);
		goto done;
	}
	old_timestamp = halfopen_paws_rejects(ho, seg);
	if (old_timestamp || !halfopen_in_window(ho, seg)) {
		halfopen_answer_outside(ho, skb, seg, old_timestamp);
		why = old_timestamp ? SKB_DROP_REASON_TCP_RFC7323_PAWS :
				      SKB_DROP_REASON_TCP_INVALID_SEQUENCE;
		goto done;
	}
	if (seg->flags & XTCP_RST) {
		if (!halfopen_rcv_rst(ho, skb, seg))
			return XTCP_CHILD_STOLEN;
		why = SKB_DROP_REASON_TCP_RESET;
		goto done;
	}
	/* A SYN whose SEG.SEQ is IRS belongs to the same handshake (3.5). */
	if ((seg->flags & XTCP_SYN) && seg->seq != ho->irs) {
		if (!halfopen_abort(ho, skb, seg, XTCP_EV_RCV_SYN_IN_WINDOW,
				    XTCP_MIB_RESET_SENT_SYN_IN_WINDOW))
			return XTCP_CHILD_STOLEN;
		why = SKB_DROP_REASON_TCP_INVALID_SYN;
		goto done;
	}
	if (!(seg->flags & XTCP_ACK)) {
		xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RCV_BAD_FLAGS);
		why = SKB_DROP_REASON_TCP_FLAGS;
		goto done;
	}
	if (unlikely(seg->ack != seq_add(ho->iss, 1)) &&
	    xtcp_listen_sent_cookie(ho->ls->sk, skb, key, seg))
		return halfopen_take_cookie(ho, skb, key, seg);
	if (!halfopen_check_ack(ho, skb, seg)) {
		why = SKB_DROP_REASON_TCP_OLD_ACK;
		goto done;
	}
	if (seg->end == seq_add(ho->irs, 1) && halfopen_may_defer(ho)) {
		halfopen_defer(ho);
		goto done;
	}
	if (xtcp_acceptqueue_is_full(ho->ls->sk)) {
		xtcp_listen_overflowed(ho->ls);
		xtcp_synqueue_no_child(ho, skb, seg, XTCP_EV_RCV_ACK,
				       XTCP_MIB_RESET_SENT_OVERFLOW);
		why = SKB_DROP_REASON_NOT_SPECIFIED;
		goto done;
	}
	return xtcp_acceptqueue_promote(ho, skb, seg);
done:
	xtcp_skb_done(skb, why);
	return NULL;
}
