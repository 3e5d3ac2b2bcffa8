// SPDX-License-Identifier: GPL-2.0
/*
 * synqueue.c - half-open connections
 *
 * RFC 9293 3.10.7.4 in state SYN-RECEIVED, for a connection that a SYN made:
 * a record of 96 bytes in the flow table and in one of its listener's delay
 * lines. SYN-ACKs go out again 1, 2, 4, ... seconds after the one before
 * (RFC 6298 5.5), until xtcp_synack_retries are used up.
 *
 * Birth and death of a record
 *  1. xtcp_listen_rcv() makes it with three references: table, delay line,
 *     its own. It enters the line first, then the table, so that whoever
 *     finds it finds it waiting.
 *  2. It leaves the table once, by xtcp_synqueue_drop() or by promotion to a
 *     socket. Who takes it out sets its state to CLOSED, unlinks it from its
 *     line and drops both references.
 *  3. The timer may have it in hand just then: not in a line, not finished.
 *     It looks at the state after putting the record into the next line; the
 *     line's lock orders that against step 2, so one of the two unlinks it.
 *  4. When the listener closes, its lines are closed first (no timer runs any
 *     more), then each record left is dropped, or its place in the table taken
 *     by a copy that belongs to another listener of the group. A reader that
 *     still holds one sees the listener and its queues, which are freed by RCU.
 *  5. When the last reference has gone the record is freed. A reader without
 *     one may be looking at it still (flow.c); so it remains a record, or is
 *     freed by RCU, with a head for that where the delay line's link was.
 *
 * A SYN that opens a connection in TIME-WAIT anew makes a record that stands
 * before the time-wait record in the table until the third ACK proves it: then
 * the old connection ends. If it proves nothing, the old one has its place
 * again, and what is left of its 2MSL (RFC 9293 MAY-2). The record holds a
 * reference to it to its own end, for who has the record in hand may look at it.
 *
 * Fields are written before the record is visible. Afterwards @timeouts
 * changes (timer only), and @acked, @resent, @sent_us and @ts_recent, by
 * whatever softirq has a segment: two at once may lose one of two updates,
 * which costs an answer more or an RTT sample less.
 *
 * Context: softirq; the listener is not locked.
 */
#include "open/synqueue.h"

#include <linux/slab.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "close/reset.h"
#include "close/timewait.h"
#include "compat.h"
#include "isn.h"
#include "lookup.h"
#include "net/family.h"
#include "net/reply.h"
#include "net/skb.h"
#include "netns.h"
#include "open/acceptqueue.h"
#include "open/cookie.h"
#include "open/gate.h"
#include "open/listen.h"
#include "open/source.h"
#include "paws.h"
#include "segment/oow.h"
#include "tcb.h"
#include "transfer/window.h"
#include "user/stats.h"

#define SYNACK_DELAY_MS		1000U	/* RFC 6298 2.1 */
#define SYNACK_DELAY_MAX_MS	120000U	/* as long as any RTO of ours */

static_assert(sizeof(struct xtcp_halfopen) == 96);
static_assert(offsetof(struct xtcp_halfopen6, addrs) == XTCP_RECORD_LEN);
static_assert(sizeof(struct xtcp_halfopen6) == 128);

static struct kmem_cache *halfopen_cache __ro_after_init;
static struct kmem_cache *halfopen6_cache __ro_after_init;

static struct kmem_cache *cache_of(u8 family)
{
	return xtcp_family_is_wide(family) ? halfopen6_cache : halfopen_cache;
}

static void free_rcu(struct rcu_head *rcu)
{
	struct xtcp_halfopen *ho =
		container_of(rcu, struct xtcp_halfopen, delay.rcu);

	kmem_cache_free(cache_of(ho->flow.family), ho);
}

/*
 * The last reference has gone. A reader may be looking at it still: its memory
 * stays that of a record, or it goes a grace period later (flow.c).
 */
static void synqueue_free(struct xtcp_flow *flow)
{
	struct xtcp_halfopen *ho = container_of(flow, struct xtcp_halfopen,
						flow);

	if (unlikely(ho->shadows))
		xtcp_flow_put(&ho->shadowed->flow);
	xtcp_record_free(cache_of(flow->family), ho, &ho->delay.rcu, free_rcu);
}

static const struct xtcp_flow_ops synqueue_ops = {
	.free	= synqueue_free,
};

/**
 * xtcp_synqueue_init - make the caches
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
 * xtcp_synqueue_alloc - memory for a record
 * @family: of its addresses
 *
 * Context: any.
 * Return: a record of undefined content, or NULL.
 */
struct xtcp_halfopen *xtcp_synqueue_alloc(u8 family)
{
	return kmem_cache_alloc(cache_of(family), GFP_ATOMIC | __GFP_NOWARN);
}

static struct net *halfopen_net(const struct xtcp_halfopen *ho)
{
	return sock_net(ho->ls->sk);
}

/* The wait after so many timeouts. */
static u32 delay_ms(unsigned int timeouts)
{
	if (timeouts >= 7)
		return SYNACK_DELAY_MAX_MS;
	return min(SYNACK_DELAY_MS << timeouts, SYNACK_DELAY_MAX_MS);
}

/* The highest mark is written while the queue grows beyond it, and then not. */
static void enter_queue(struct xtcp_listener *ls, struct xtcp_halfopen *ho)
{
	int qlen = atomic_inc_return(&ls->qlen);
	int peak = atomic_read(&ls->qlen_peak);

	xtcp_source_add(sock_net(ls->sk), &ho->flow);
	if (!ho->timeouts)
		atomic_inc(&ls->young);
	while (unlikely(qlen > peak) &&
	       !atomic_try_cmpxchg(&ls->qlen_peak, &peak, qlen))
		;
}

/*
 * A record is young until its first timeout or its end, whichever comes first;
 * the timer and who ends it may meet here. One of the two gets true.
 */
static bool grows_up(struct xtcp_halfopen *ho)
{
	return cmpxchg(&ho->timeouts, 0, 1) == 0;
}

static void leave_queue(struct xtcp_listener *ls, struct xtcp_halfopen *ho)
{
	atomic_dec(&ls->qlen);
	if (grows_up(ho))
		atomic_dec(&ls->young);
	xtcp_source_del(sock_net(ls->sk), &ho->flow);
}

/**
 * xtcp_synqueue_ts_offset - what is added to the clock in TSval
 * @ho: record
 *
 * Return: ms
 */
u32 xtcp_synqueue_ts_offset(const struct xtcp_halfopen *ho)
{
	return ho->shadows ? ho->shadowed->ts_offset : ho->ts_offset;
}

/**
 * xtcp_synqueue_mark - mark of our segments
 * @ho: record
 *
 * Return: mark
 */
u32 xtcp_synqueue_mark(const struct xtcp_halfopen *ho)
{
	return ho->shadows ? ho->shadowed->mark : ho->mark;
}

/**
 * xtcp_synqueue_age_ms - how long a connection has been half-open
 * @ho: record
 *
 * The time is not kept; but the waits until now are known, and what is left
 * of the present one.
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
		age_ms += delay_ms(i);
	if (expires_ns > now_ns)
		age_ms -= min_t(u64, age_ms, div_u64(expires_ns - now_ns,
						     NSEC_PER_MSEC));
	return age_ms;
}

/* The table takes @ho, in place of @tw if there is one. */
static bool enter_table(struct xtcp_halfopen *ho, struct xtcp_timewait *tw)
{
	struct net *net = halfopen_net(ho);

	if (!tw)
		return !xtcp_flow_insert(net, &ho->flow, NULL);
	refcount_inc(&tw->flow.ref);
	tw->ts_offset = ho->ts_offset;
	tw->mark = ho->mark;
	ho->shadowed = tw;
	ho->shadows = 1;
	return xtcp_flow_replace(net, &tw->flow, &ho->flow);
}

/* When a record began its first wait. */
static u64 born_ns(const struct xtcp_halfopen *ho)
{
	return ho->delay.expires_ns - (u64)SYNACK_DELAY_MS * NSEC_PER_MSEC;
}

/**
 * xtcp_synqueue_insert - a SYN has made a connection
 * @ls: its listener's queues
 * @ho: all fields but references, delay and @sent_us filled, state
 *	SYN-RECEIVED
 * @tw: connection that this one would follow, referenced by the caller; or
 *	NULL
 *
 * Return: true: the caller holds a reference and sends the SYN-ACK.
 * False: another SYN of the same connection was faster, the listener has
 * closed, or memory is short; @ho is freed.
 */
bool xtcp_synqueue_insert(struct xtcp_listener *ls, struct xtcp_halfopen *ho,
			  struct xtcp_timewait *tw)
{
	ho->timeouts = 0;
	ho->acked = 0;
	ho->resent = 0;
	ho->shadows = 0;
	xtcp_delay_init(&ho->delay);
	enter_queue(ls, ho);
	xtcp_flow_hold_new(&ho->flow, 3);
	if (!xtcp_delay_add(&ls->lines, &ho->delay,
			    delay_ms(ho->timeouts)))
		goto no_line;
	/* The clock has just been read, and the SYN-ACK leaves next. */
	ho->sent_us = div_u64(born_ns(ho), NSEC_PER_USEC);
	if (!enter_table(ho, tw))
		goto leave_line;
	/*
	 * A listener that closes drops what stands in its lines. One that came
	 * between the two steps above did not find the record in the table;
	 * but it had closed the lines before it looked.
	 */
	if (unlikely(xtcp_delayset_is_closed(&ls->lines))) {
		xtcp_synqueue_drop(ho, XTCP_EV_CLOSE);
		xtcp_flow_put(&ho->flow);
		return false;
	}
	return true;

leave_line:
	/* A closing listener may have taken it out, and hold it still. */
	if (xtcp_delay_del(&ls->lines, &ho->delay))
		xtcp_flow_put(&ho->flow);
	leave_queue(ls, ho);
	xtcp_flow_put(&ho->flow);	/* the table's */
	xtcp_flow_put(&ho->flow);
	return false;
no_line:
	leave_queue(ls, ho);
	xtcp_flow_put(&ho->flow);	/* the line's */
	xtcp_flow_put(&ho->flow);	/* the table's */
	xtcp_flow_put(&ho->flow);
	return false;
}

/**
 * xtcp_synqueue_detach - end a record that has left the table
 * @ho: the caller has just won its removal or replacement, has set its state
 *	to CLOSED, and holds a reference of its own
 */
void xtcp_synqueue_detach(struct xtcp_halfopen *ho)
{
	struct xtcp_listener *ls = ho->ls;

	leave_queue(ls, ho);
	if (xtcp_delay_del(&ls->lines, &ho->delay))
		xtcp_flow_put(&ho->flow);
	xtcp_flow_put(&ho->flow);
}

/**
 * xtcp_synqueue_drop - a half-open connection comes to nothing
 * @ho: the caller holds a reference
 * @event: why; leads to CLOSED
 */
void xtcp_synqueue_drop(struct xtcp_halfopen *ho, enum xtcp_event event)
{
	struct xtcp_timewait *tw = ho->shadows ? ho->shadowed : NULL;
	struct net *net = halfopen_net(ho);

	if (tw ? !xtcp_flow_replace(net, &ho->flow, &tw->flow) :
		 !xtcp_flow_remove(net, &ho->flow))
		return;
	xtcp_lifecycle_event(net, &ho->flow, event);
	xtcp_synqueue_detach(ho);
	if (tw)
		xtcp_timewait_resume(net, tw);
}

/*
 * All of a record but its count and its place in the table. A reader may be looking
 * at what the copy's memory was, and will take a reference as soon as there is a
 * count.
 */
static void copy_fill(struct xtcp_halfopen *copy, const struct xtcp_halfopen *ho,
		      const struct xtcp_key *key, struct xtcp_listener *heir)
{
	unsigned int head = sizeof(ho->flow);

	xtcp_flow_init(&copy->flow, XTCP_KIND_HALFOPEN, key);
	copy->flow.mapped = ho->flow.mapped;
	xtcp_lifecycle_born(&copy->flow, READ_ONCE(ho->flow.state));
	memcpy((void *)copy + head, (const void *)ho + head, sizeof(*ho) - head);
	copy->ls = heir;
	if (copy->shadows)
		refcount_inc(&copy->shadowed->flow.ref);
	xtcp_delay_init(&copy->delay);
}

/*
 * A record goes on in a copy that belongs to another listener: as a record's
 * listener never changes, nobody who holds the old one need look twice. The
 * copy enters the table before its line, like a record in the timer's hands.
 */
static bool move_to(struct xtcp_halfopen *ho, const struct xtcp_key *key,
		    struct xtcp_listener *heir)
{
	struct net *net = halfopen_net(ho);
	struct xtcp_halfopen *copy = xtcp_synqueue_alloc(ho->flow.family);

	if (!copy)
		return false;
	copy_fill(copy, ho, key, heir);
	enter_queue(heir, copy);
	xtcp_flow_hold_new(&copy->flow, 3);
	if (!xtcp_flow_replace(net, &ho->flow, &copy->flow)) {
		/* Its peer, or another CPU, has just ended it. */
		leave_queue(heir, copy);
		xtcp_flow_put(&copy->flow);	/* the line's */
		xtcp_flow_put(&copy->flow);	/* the table's */
		xtcp_flow_put(&copy->flow);
		return false;
	}
	/* The copy has its state; it may have changed already. */
	xtcp_lifecycle_gone(&ho->flow);
	xtcp_synqueue_detach(ho);
	if (!xtcp_delay_add_until(&heir->lines, &copy->delay,
				  ho->delay.expires_ns)) {
		xtcp_synqueue_drop(copy, XTCP_EV_CLOSE);
		xtcp_flow_put(&copy->flow);
	} else if (READ_ONCE(copy->flow.state) == XTCP_CLOSED &&
		   xtcp_delay_del(&heir->lines, &copy->delay)) {
		xtcp_flow_put(&copy->flow);
	}
	xtcp_flow_put(&copy->flow);
	return true;
}

/* xtcp_migrate_req: to whom else of the group this one would have come. */
static bool migrate(struct xtcp_halfopen *ho)
{
	const struct sock *lsk = ho->ls->sk;
	struct net *net = halfopen_net(ho);
	struct xtcp_listener *ls;
	bool moved = false;
	struct xtcp_key key __uninitialized;
	struct sock *heir;

	if (!XTCP_KNOB(net, migrate_req) || !lsk->sk_reuseport)
		return false;
	xtcp_key_from_flow(&key, &ho->flow);
	rcu_read_lock();
	heir = xtcp_listener_heir_rcu(lsk, &key);
	ls = heir ? xtcp_listener_of(heir) : NULL;
	if (ls)
		moved = move_to(ho, &key, ls);
	rcu_read_unlock();
	if (moved)
		XTCP_INC(net, MIGRATE_REQ_SUCCESS);
	else
		XTCP_INC(net, MIGRATE_REQ_FAILURE);
	return moved;
}

/*
 * The listener closes. @ho's line or timer leaves its reference to us. RCU for
 * the TIME-WAIT that it may have stood before.
 */
static void leave_listener(struct xtcp_halfopen *ho)
{
	rcu_read_lock();
	if (!migrate(ho))
		xtcp_synqueue_drop(ho, XTCP_EV_CLOSE);
	xtcp_flow_put(&ho->flow);
	rcu_read_unlock();
}

static void left(struct xtcp_delayset *set, struct xtcp_delay *delay)
{
	leave_listener(container_of(delay, struct xtcp_halfopen, delay));
}

/**
 * xtcp_synqueue_stop - the listener closes: all its records go, or move on
 * @ls: no SYN finds it any more
 *
 * Context: process.
 */
void xtcp_synqueue_stop(struct xtcp_listener *ls)
{
	xtcp_delayset_close(&ls->lines, left);
}

static __always_inline void reply_fill(const struct xtcp_halfopen *ho,
				       struct xtcp_reply *reply)
{
	xtcp_key_from_flow(&reply->key, &ho->flow);
	reply->sk = ho->ls->sk;
	reply->spare = NULL;
	reply->dst = NULL;
	reply->dst_held = false;
	reply->owned = false;
	reply->oif = ho->flow.ifindex;
	reply->mark = xtcp_synqueue_mark(ho);
	reply->tos = ho->tos;
}

/**
 * xtcp_synqueue_reply - how segments of a record leave
 * @ho: record
 * @reply: filled
 */
void xtcp_synqueue_reply(const struct xtcp_halfopen *ho,
			 struct xtcp_reply *reply)
{
	reply_fill(ho, reply);
}

static void fill_ts(const struct xtcp_halfopen *ho, struct xtcp_options *opt,
		    u64 now_ns)
{
	opt->has_ts = ho->ts_ok;
	opt->tsval = (u32)div_u64(now_ns, NSEC_PER_MSEC) +
		     xtcp_synqueue_ts_offset(ho);
	opt->tsecr = ho->ts_recent;
}

static void put_cookie(const struct xtcp_halfopen *ho,
		       const struct xtcp_cookie *cookie,
		       struct xtcp_options *opt)
{
	/* No option of our own for other TCPs to wonder about. */
	if (ho->flow.wire == XTCP_WIRE_NATIVE)
		opt->cookie = cookie->option;
	opt->has_ts = ho->ts_ok;
	opt->tsval = cookie->tsval;
	opt->tsecr = ho->ts_recent;
	if (!opt->has_ts) {
		opt->has_wscale = 0;
		opt->sack_perm = 0;
	}
}

/**
 * xtcp_synqueue_send_syn_ack - answer the SYN
 * @ho: record, or one on the stack that stands for a cookie
 * @cookie: to go along with the latter; NULL: there is none
 * @spare: the SYN, if it has just come; eaten
 *
 * Beside a cookie without timestamps, window scale, SACK and ECN are in the cookie
 * alone: of a client that doesn't know it we would not hear of them again.
 *
 * Context: RCU.
 * Return: 0 or -errno, such as -EHOSTUNREACH when there is no route.
 */
int xtcp_synqueue_send_syn_ack(const struct xtcp_halfopen *ho,
			       const struct xtcp_cookie *cookie,
			       struct sk_buff *spare)
{
	const struct xtcp_family *af = xtcp_family_get(ho->flow.family);
	u16 user_mss = READ_ONCE(xtcp_sk(ho->ls->sk)->user_mss);
	struct xtcp_bare bare = {
		.seq	= ho->iss,
		.ack	= seq_add(ho->irs, 1),
		.flags	= XTCP_SYN | XTCP_ACK,
	};
	struct xtcp_reply reply;
	u16 advmss;

	reply_fill(ho, &reply);
	reply.spare = spare;
	/* As in Linux: in a flood of cookies CPUs would fight for the count. */
	reply.owned = !cookie;
	if (af->reply_route(halfopen_net(ho), &reply)) {
		kfree_skb_reason(spare, SKB_DROP_REASON_IP_OUTNOROUTES);
		return -EHOSTUNREACH;
	}
	advmss = min_t(u32, dst_metric_advmss(reply.dst), U16_MAX);
	bare.opt.mss = user_mss ? min(user_mss, advmss) : advmss;
	bare.wnd = xtcp_window_syn_ack(ho->ls->sk, reply.dst, bare.opt.mss,
				       ho->ts_ok, ho->rcv_wnd);
	bare.opt.has_wscale = ho->wscale_ok;
	bare.opt.wscale = ho->rcv_wscale;
	bare.opt.sack_perm = ho->sack_ok;
	if (cookie)
		put_cookie(ho, cookie, &bare.opt);
	else
		fill_ts(ho, &bare.opt, spare ? born_ns(ho) : xtcp_now_ns());
	if (ho->ecn_ok && (!cookie || ho->ts_ok))
		bare.flags |= XTCP_ECE;
	return xtcp_reply_send(halfopen_net(ho), &reply, &bare);
}

static void send_again(struct xtcp_halfopen *ho)
{
	if (xtcp_synqueue_send_syn_ack(ho, NULL, NULL))
		return;
	XTCP_INC(halfopen_net(ho), RETRANS_SEGS);
	XTCP_INC(halfopen_net(ho), SYN_RETRANS);
}

/* Answer a segment that is not what we wait for: where we are. */
static void send_ack(const struct xtcp_halfopen *ho)
{
	struct xtcp_bare bare = {
		.seq	= seq_add(ho->iss, 1),
		.ack	= seq_add(ho->irs, 1),
		.wnd	= ho->rcv_wnd >> (ho->wscale_ok ? ho->rcv_wscale : 0),
		.flags	= XTCP_ACK,
	};
	struct xtcp_reply reply;

	fill_ts(ho, &bare.opt, xtcp_now_ns());
	xtcp_synqueue_reply(ho, &reply);
	xtcp_reply_send(halfopen_net(ho), &reply, &bare);
}

/*
 * How often a SYN-ACK is sent again. A queue that is half full of old records
 * spends fewer on them, so that young ones find room: one less, not below
 * two, each time that the young would have to double to be the majority.
 */
static unsigned int retries_max(const struct xtcp_listener *ls)
{
	unsigned int retries = READ_ONCE(xtcp_sk(ls->sk)->syn_retries) ?:
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

/*
 * TCP_DEFER_ACCEPT: the peer has completed the handshake, and is silent. It
 * knows that it is connected, so no SYN-ACK goes out until the deferral is
 * nearly over; the last one lets its answer, text or not, through.
 */
static bool is_deferred(const struct xtcp_halfopen *ho, unsigned int timeouts)
{
	return ho->acked &&
	       timeouts < READ_ONCE(xtcp_sk(ho->ls->sk)->defer_accept);
}

/* The record lives as long as its deferral, if that is the longer one. */
static bool is_given_up(const struct xtcp_halfopen *ho)
{
	u8 timeouts = READ_ONCE(ho->timeouts);

	return timeouts >= retries_max(ho->ls) && !is_deferred(ho, timeouts);
}

/**
 * xtcp_synqueue_expire - a record's wait is over
 * @set: its listener's lines
 * @delay: its place in them; the line's reference is ours
 *
 * Context: softirq, from the delay line's timer.
 */
void xtcp_synqueue_expire(struct xtcp_delayset *set, struct xtcp_delay *delay)
{
	struct xtcp_halfopen *ho =
		container_of(delay, struct xtcp_halfopen, delay);
	struct net *net = halfopen_net(ho);

	rcu_read_lock();
	/* It ended after the timer had taken it. */
	if (unlikely(READ_ONCE(ho->flow.state) == XTCP_CLOSED))
		goto put;
	XTCP_INC(net, TIMEOUTS);
	if (is_given_up(ho)) {
		xtcp_synqueue_drop(ho, XTCP_EV_RETRANSMISSION_GIVE_UP);
		goto put;
	}
	xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RETRANSMISSION_TIMEOUT);
	if (grows_up(ho))
		atomic_dec(&ho->ls->young);
	else
		WRITE_ONCE(ho->timeouts, ho->timeouts + 1);
	if (!is_deferred(ho, ho->timeouts))
		send_again(ho);
	if (!xtcp_delay_add(set, delay, delay_ms(ho->timeouts))) {
		WRITE_ONCE(delay->expires_ns, xtcp_now_ns() +
			   delay_ms(ho->timeouts) * NSEC_PER_MSEC);
		leave_listener(ho);
		goto out;
	}
	/* Gone meanwhile? Then it was not in a line to be taken from. */
	if (READ_ONCE(ho->flow.state) != XTCP_CLOSED ||
	    !xtcp_delay_del(set, delay))
		goto out;
put:
	xtcp_flow_put(&ho->flow);
out:
	rcu_read_unlock();
}

static bool paws_rejects(const struct xtcp_halfopen *ho,
			 const struct xtcp_seg *seg)
{
	return ho->ts_ok && xtcp_paws_is_older(seg, ho->ts_recent);
}

/* RFC 9293 3.10.7.4 first: SEG.SEQ .. lies in RCV.NXT .. + RCV.WND. */
static bool in_window(const struct xtcp_halfopen *ho,
		      const struct xtcp_seg *seg)
{
	seq_t rcv_nxt = seq_add(ho->irs, 1);

	return seq_after_eq(seg->end, rcv_nxt) &&
	       seq_before_eq(seg->seq, seq_add(rcv_nxt, ho->rcv_wnd));
}

/* The rate limit of segment/oow.h, out of two fields that are there anyway. */
static bool may_answer(struct xtcp_halfopen *ho, const struct xtcp_seg *seg)
{
	u32 now = xtcp_now_us();
	u32 interval_ms;

	if (xtcp_oow_is_exempt(seg))
		return true;
	/* Longer than the clock's lap: as long as can be told. */
	interval_ms = min(xtcp_oow_interval_ms(halfopen_net(ho)),
			  U32_MAX / (u32)USEC_PER_MSEC);
	if (ho->resent && now - ho->sent_us < interval_ms * USEC_PER_MSEC)
		return false;
	ho->resent = 1;
	ho->sent_us = now;
	return true;
}

static void answer_outside(struct xtcp_halfopen *ho, const struct xtcp_seg *seg,
			   bool old_timestamp)
{
	struct net *net = halfopen_net(ho);
	bool rst = seg->flags & XTCP_RST;

	if (old_timestamp)
		XTCP_INC(net, PAWS_ESTAB);
	xtcp_lifecycle_event(net, &ho->flow,
			     rst ? XTCP_EV_RCV_RST_OUTSIDE : XTCP_EV_RCV_OUTSIDE);
	if (rst)
		return;
	if (may_answer(ho, seg))
		send_ack(ho);
	else
		XTCP_INC(net, ACK_SKIPPED_SYN_RECV);
}

static void rcv_rst(struct xtcp_halfopen *ho, const struct xtcp_seg *seg)
{
	struct net *net = halfopen_net(ho);

	if (seg->seq == seq_add(ho->irs, 1)) {
		XTCP_INC(net, EMBRYONIC_RSTS);
		xtcp_reset_taken(net, &ho->flow);
		xtcp_synqueue_drop(ho, XTCP_EV_RCV_RST);
		return;
	}
	xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RCV_RST_NEAR);
	if (may_answer(ho, seg)) {
		XTCP_INC(net, CHALLENGE_ACK);
		send_ack(ho);
	} else {
		XTCP_INC(net, ACK_SKIPPED_CHALLENGE);
	}
}

/* The very SYN that made the record: our SYN-ACK was lost, or is late. */
static bool is_same_syn(const struct xtcp_halfopen *ho,
			const struct xtcp_seg *seg)
{
	return seg->seq == ho->irs && (seg->flags & XTCP_SYN) &&
	       !(seg->flags & (XTCP_ACK | XTCP_RST | XTCP_FIN)) &&
	       !paws_rejects(ho, seg);
}

static void rcv_same_syn(struct xtcp_halfopen *ho, const struct xtcp_seg *seg)
{
	struct net *net = halfopen_net(ho);

	xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RCV_SYN);
	if (!may_answer(ho, seg))
		XTCP_INC(net, ACK_SKIPPED_SYN_RECV);
	else if (!xtcp_gate_may_syn_ack(net))
		XTCP_INC(net, SYNACK_RATE_DROP);
	else
		send_again(ho);
}

static bool ack_is_ours(struct xtcp_halfopen *ho, const struct sk_buff *skb,
			const struct xtcp_seg *seg)
{
	seq_t expected = seq_add(ho->iss, 1);
	struct net *net = halfopen_net(ho);
	struct xtcp_key key __uninitialized;

	if (seg->ack == expected)
		return true;
	xtcp_lifecycle_event(net, &ho->flow, seq_after(seg->ack, expected) ?
			     XTCP_EV_RCV_ACK_ABOVE : XTCP_EV_RCV_ACK_BELOW);
	xtcp_key_from_flow(&key, &ho->flow);
	xtcp_reset_reply(net, skb, &key, ho->flow.ifindex, seg,
			 XTCP_MIB_RESET_SENT_BAD_ACK);
	return false;
}

/* TCP_DEFER_ACCEPT: a bare ACK makes no socket yet. */
static bool may_defer(const struct xtcp_halfopen *ho)
{
	return READ_ONCE(ho->timeouts) <
	       READ_ONCE(xtcp_sk(ho->ls->sk)->defer_accept);
}

static void defer(struct xtcp_halfopen *ho)
{
	struct net *net = halfopen_net(ho);

	ho->acked = 1;
	XTCP_INC(net, DEFER_ACCEPT_DROP);
	xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RCV_ACK);
}

/* LC-33, LC-34: established on the peer's side, but no room on ours. */
static void accept_overflow(struct xtcp_halfopen *ho,
			    const struct sk_buff *skb,
			    const struct xtcp_seg *seg)
{
	struct net *net = halfopen_net(ho);
	struct xtcp_key key __uninitialized;

	xtcp_listener_overflowed(ho->ls);
	xtcp_listener_dropped(ho->ls);
	if (!XTCP_KNOB(net, abort_on_overflow)) {
		ho->acked = 1;
		xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RCV_ACK);
		return;
	}
	xtcp_key_from_flow(&key, &ho->flow);
	xtcp_reset_reply(net, skb, &key, ho->flow.ifindex, seg,
			 XTCP_MIB_RESET_SENT_OVERFLOW);
	XTCP_INC(net, EMBRYONIC_RSTS);
	xtcp_synqueue_drop(ho, XTCP_EV_ABORT);
}

/**
 * xtcp_synqueue_rcv - a segment arrives for a half-open connection
 * @ho: record, referenced by the caller
 * @skb: segment; eaten, unless a child is returned
 * @seg: what it says
 *
 * RFC 9293 3.10.7.4, steps first to fifth, in state SYN-RECEIVED. From there
 * on a socket takes over.
 *
 * Return: the child that the segment made (xtcp_acceptqueue_promote()), or NULL.
 */
struct sock *xtcp_synqueue_rcv(struct xtcp_halfopen *ho, struct sk_buff *skb,
			       const struct xtcp_seg *seg)
{
	struct net *net = halfopen_net(ho);
	enum skb_drop_reason why = SKB_NOT_DROPPED_YET;
	struct xtcp_key key __uninitialized;
	bool old_timestamp;

	if (is_same_syn(ho, seg)) {
		rcv_same_syn(ho, seg);
		goto done;
	}
	old_timestamp = paws_rejects(ho, seg);
	if (old_timestamp || !in_window(ho, seg)) {
		answer_outside(ho, seg, old_timestamp);
		why = old_timestamp ? SKB_DROP_REASON_TCP_RFC7323_PAWS :
				      SKB_DROP_REASON_TCP_INVALID_SEQUENCE;
		goto done;
	}
	if (seg->flags & XTCP_RST) {
		rcv_rst(ho, seg);
		why = SKB_DROP_REASON_TCP_RESET;
		goto done;
	}
	/* A SYN in front of the window belongs to the same opening. */
	if ((seg->flags & XTCP_SYN) && seg->seq != ho->irs) {
		XTCP_INC(net, EMBRYONIC_RSTS);
		xtcp_key_from_flow(&key, &ho->flow);
		xtcp_reset_reply(net, skb, &key, ho->flow.ifindex, seg,
				 XTCP_MIB_RESET_SENT_SYN_IN_WINDOW);
		xtcp_synqueue_drop(ho, XTCP_EV_RCV_SYN_OTHER);
		why = SKB_DROP_REASON_TCP_INVALID_SYN;
		goto done;
	}
	if (!(seg->flags & XTCP_ACK)) {
		xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RCV_BAD_FLAGS);
		why = SKB_DROP_REASON_TCP_FLAGS;
		goto done;
	}
	if (!ack_is_ours(ho, skb, seg)) {
		why = SKB_DROP_REASON_TCP_OLD_ACK;
		goto done;
	}
	if (seg->end == seq_add(ho->irs, 1) && may_defer(ho)) {
		defer(ho);
		goto done;
	}
	if (seg->opt.has_ts && seq_before_eq(seg->seq, seq_add(ho->irs, 1)))
		ho->ts_recent = seg->opt.tsval;
	if (xtcp_acceptqueue_is_full(ho->ls->sk)) {
		accept_overflow(ho, skb, seg);
		why = SKB_DROP_REASON_NOT_SPECIFIED;
		goto done;
	}
	return xtcp_acceptqueue_promote(ho, skb, seg);
done:
	xtcp_skb_done(skb, why);
	return NULL;
}
