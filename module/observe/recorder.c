// SPDX-License-Identifier: GPL-2.0
/*
 * recorder.c - the flight recorder: the last events of a connection, its obituary
 *
 * The record of a connection is allocated at the first event and hangs from its socket.
 * It keeps the last XTCP_RECORDER_ROWS events that change the state or are rare:
 * timeouts (except that of the delayed ACK), RSTs, ICMP errors, segments that the checks refuse.
 * Payload and plain ACKs are no rows. An event that repeats in a state counts in its row,
 * so that a few invalid segments, over and over, do not push out the rest.
 *
 * When the socket's connection ends, the record becomes part of an obituary in the
 * namespace's ring, if the knob asks for it, and is freed. With no memory for a record
 * there is no obituary; that is counted (XtcpObituariesMissed).
 *
 * Half-open and TIME-WAIT records, which have no socket, are not recorded: a SYN
 * flood would push out every obituary. A socket that a TIME-WAIT or FIN-WAIT-2 record
 * replaces has ended in order.
 *
 * Context: the socket lock guards a record. The ring has its own lock, and is allocated
 * when the knob is first set.
 */
#include "observe/recorder.h"

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "clock.h"
#include "compat.h"
#include "lockname.h"
#include "netns.h"
#include "observe/trace.h"

#define OBITUARIES	256	/* power of two; in a namespace's ring */

/* Users could make the kernel patch its code all the time: switch off late. */
DEFINE_STATIC_KEY_DEFERRED_FALSE(xtcp_recorder_key, HZ);

/* Serialises writers of the knob of all namespaces. */
static DEFINE_MUTEX(mode_lock);

static struct kmem_cache *recorder_cache __ro_after_init;

/**
 * struct xtcp_obituaries - the last obituaries of a namespace
 * @lock: guards all fields
 * @next: number of the next obituary
 * @oldest: smallest number that is shown
 * @text: rows for the tracepoint
 * @ring: obituary N is entry N modulo its size
 */
struct xtcp_obituaries {
	spinlock_t		lock;	/* softirqs off */
	u64			next;
	u64			oldest;
	char			text[XTCP_RECORDER_TEXT];
	struct xtcp_obituary	ring[OBITUARIES];
};

/* Events of a segment, or of connect(): last_rcv_ns is their time. */
#define TIMED_EVENTS \
	(BIT_ULL(XTCP_EV_ACTIVE_OPEN) | BIT_ULL(XTCP_EV_RCV_SYN_ACK) | \
	 BIT_ULL(XTCP_EV_RCV_ACK_OF_SYN) | BIT_ULL(XTCP_EV_RCV_ACK_OF_FIN) | \
	 BIT_ULL(XTCP_EV_RCV_FIN))

static void count_timer(struct xtcp_recorder *record, enum xtcp_recorder_timer timer)
{
	if (record->fired[timer] < U16_MAX)
		record->fired[timer]++;
}

static void count_timers(struct xtcp_recorder *record, enum xtcp_event event)
{
	switch (event) {
	case XTCP_EV_RETRANSMISSION_TIMEOUT:
	case XTCP_EV_RETRANSMISSION_GIVE_UP:
		count_timer(record, XTCP_FIRED_RETRANSMISSION);
		break;
	case XTCP_EV_PERSIST_TIMEOUT:
		count_timer(record, XTCP_FIRED_PERSIST);
		break;
	case XTCP_EV_KEEPALIVE_TIMEOUT:
	case XTCP_EV_KEEPALIVE_GIVE_UP:
		count_timer(record, XTCP_FIRED_KEEPALIVE);
		break;
	case XTCP_EV_DELAYED_ACK_TIMEOUT:
		count_timer(record, XTCP_FIRED_DELAYED_ACK);
		break;
	default:
		break;
	}
}

/*
 * The program: of connect() the caller; of a child the caller of listen(), whose name is
 * in the listener's socket and so in its copy.
 */
static void record_program(struct xtcp_recorder *record, const struct xtcp_sock *xs,
			   u8 from, enum xtcp_event event)
{
	static_assert(sizeof(record->comm) == sizeof(xs->opener));

	if (event == XTCP_EV_ACTIVE_OPEN)
		memcpy(record->comm, current->comm, sizeof(record->comm));
	else if (from == XTCP_HALF_OPEN &&
		 (event == XTCP_EV_RCV_ACK_OF_SYN || event == XTCP_EV_RCV_FAST_OPEN))
		memcpy(record->comm, xs->opener, sizeof(record->comm));
	else
		memset(record->comm, 0, sizeof(record->comm));
	/* A listener that has ended meanwhile may have other bytes there. */
	record->comm[sizeof(record->comm) - 1] = 0;
}

/*
 * Begin a record. NULL: no memory, or the socket was a listener. A reader may still use
 * the queues of a former listener, and their pointer is where the record's would be
 * (xtcp_listener_of()).
 */
static struct xtcp_recorder *
record_start(const struct xtcp_net *xn, struct xtcp_sock *xs, u8 from,
	     enum xtcp_event event, u8 to, u64 now_ns)
{
	struct mem_cgroup *before = xtcp_memcg_enter(xtcp_to_sk(xs));
	struct xtcp_recorder *record = NULL;

	if (likely(!sock_flag(xtcp_to_sk(xs), SOCK_RCU_FREE)))
		record = kmem_cache_alloc(recorder_cache, GFP_ATOMIC | __GFP_NOWARN);
	xtcp_memcg_leave(before);
	if (unlikely(!record)) {
		if (to == XTCP_CLOSED)
			this_cpu_inc(xn->mib->item[XTCP_MIB_OBITUARIES_MISSED]);
		return NULL;
	}
	record->born_ns = now_ns;
	record_program(record, xs, from, event);
	record->rows = 0;
	memset(record->fired, 0, sizeof(record->fired));
	record->cause = 0;
	xs->recorder = record;
	return record;
}

/* Row @number, counted from 0; only the last XTCP_RECORDER_ROWS exist. */
static struct xtcp_recorder_row *row_of(struct xtcp_recorder *record, u32 number)
{
	return &record->row[number % XTCP_RECORDER_ROWS];
}

static __always_inline void record_row(struct xtcp_recorder *record, u64 now_ns, u8 from,
				       enum xtcp_event event, u8 to)
{
	struct xtcp_recorder_row *row = row_of(record, record->rows++);

	row->ns = now_ns;
	row->times = 1;
	row->event = event;
	row->from = from;
	row->to = to;
	row->cause = record->cause;
}

/*
 * Remove the row of an event since the last change of state. Returns how often the event
 * came; 0 if it has no row.
 */
static u32 record_remove(struct xtcp_recorder *record, u8 state, enum xtcp_event event)
{
	u32 oldest = max_t(u32, record->rows, XTCP_RECORDER_ROWS) - XTCP_RECORDER_ROWS;
	const struct xtcp_recorder_row *row;
	u32 times, i = record->rows;

	do {
		if (i-- == oldest)
			return 0;
		row = row_of(record, i);
		if (row->from != state || row->to != state)
			return 0;
	} while (row->event != event);

	times = row->times;
	for (record->rows--; i < record->rows; i++)
		*row_of(record, i) = *row_of(record, i + 1);
	return times;
}

/*
 * An event that keeps the state. The same one again counts in its row, which becomes the
 * last, because rows are in the order of their times.
 */
static void record_stay(struct xtcp_recorder *record, u64 now_ns, u8 state,
			enum xtcp_event event)
{
	u32 times;

	count_timers(record, event);
	if (event == XTCP_EV_DELAYED_ACK_TIMEOUT)
		return;
	times = record_remove(record, state, event);
	record_row(record, now_ns, state, event, state);
	row_of(record, record->rows - 1)->times += times;
}

/* Out of line: xtcp_recorder_take(), which handles the frequent events, then saves no registers. */
static noinline void record_event(const struct xtcp_net *xn, struct xtcp_sock *xs, u8 from,
				  enum xtcp_event event, u8 to)
{
	struct xtcp_recorder *record = xtcp_recorder_of(xs);
	u64 now_ns;

	now_ns = TIMED_EVENTS & BIT_ULL(event) ? xs->last_rcv_ns : xtcp_now_ns();
	if (!record) {
		record = record_start(xn, xs, from, event, to, now_ns);
		if (unlikely(!record))
			return;
	}
	if (from == to) {
		record_stay(record, now_ns, from, event);
		return;
	}
	if (to == XTCP_CLOSED)
		count_timers(record, event);
	record_row(record, now_ns, from, event, to);
}

/**
 * xtcp_recorder_take - record an event; see xtcp_recorder_event()
 * @xn: namespace of the connection
 * @flow: of a socket, which is locked
 * @from: state before
 * @event: event
 * @to: state after
 */
void xtcp_recorder_take(const struct xtcp_net *xn, struct xtcp_flow *flow,
			u8 from, enum xtcp_event event, u8 to)
{
	struct xtcp_sock *xs = xtcp_sk(xtcp_flow_sk(flow));
	struct xtcp_recorder *record = xtcp_recorder_of(xs);

	if (likely(record) && (TIMED_EVENTS & BIT_ULL(event)) && from != to &&
	    to != XTCP_CLOSED)
		record_row(record, xs->last_rcv_ns, from, event, to);
	else
		record_event(xn, xs, from, event, to);
}

/**
 * xtcp_recorder_take_reset - record why a RST was sent; see xtcp_recorder_reset()
 * @sk: socket, locked; not a listener
 * @cause: XTCP_MIB_RESET_*
 */
void xtcp_recorder_take_reset(struct sock *sk, u8 cause)
{
	const struct xtcp_net *xn = xtcp_net(sock_net(sk));
	struct xtcp_recorder *record = xtcp_recorder_of(xtcp_sk(sk));

	if (!READ_ONCE(xn->knobs.recorder))
		return;
	if (!record)
		record = record_start(xn, xtcp_sk(sk), sk->sk_state, XTCP_EV_ABORT,
				      sk->sk_state, xtcp_now_ns());
	if (record)
		record->cause = cause;
}

/* Bytes written and not acknowledged; neither SYN nor FIN counts. */
static u32 bytes_unacked(const struct xtcp_sock *xs, u8 from)
{
	s32 bytes = seq_dist(xs->snd_una, xs->write_seq) - xs->fin_queued;

	if (XTCP_STATEF(from) & (XTCP_OPENING | XTCP_STATEF(XTCP_HALF_OPEN)))
		return 0;
	return max(bytes, 0);
}

/* Copy the rows in order, oldest first. */
static void obituary_rows(struct xtcp_obituary *o, const struct xtcp_recorder *record)
{
	u32 first = 0, i;

	o->nr_rows = min_t(u32, record->rows, XTCP_RECORDER_ROWS);
	if (record->rows > XTCP_RECORDER_ROWS)
		first = record->rows;
	for (i = 0; i < o->nr_rows; i++)
		o->record.row[i] = record->row[(first + i) % XTCP_RECORDER_ROWS];
}

static void obituary_fill(struct xtcp_obituary *o, struct sock *sk,
			  const struct xtcp_recorder *record, int err)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	const struct xtcp_recorder_row *last;

	o->ended_ns = ktime_get_real_ns();
	o->age_ns = xtcp_now_ns() - record->born_ns;
	o->acked = xs->bytes_acked;
	o->received = xs->bytes_received;
	xtcp_key_from_flow(&o->key, &xs->flow);
	o->uid = sk_uid(sk);
	o->srtt_us = xs->rtt.srtt_us >> 3;
	o->cwnd_segs = xs->cwnd;
	o->retrans = xs->total_retrans;
	o->err = err;
	memcpy(&o->record, record, offsetof(struct xtcp_recorder, row));
	obituary_rows(o, record);
	last = xtcp_obituary_last(o);
	o->unacked = bytes_unacked(xs, last->from);
}

/* The oldest obituary makes room for the new one. */
static void obituary_write(struct sock *sk, const struct xtcp_recorder *record, int err)
{
	const struct xtcp_net *xn = xtcp_net(sock_net(sk));
	struct xtcp_obituaries *dead = READ_ONCE(xn->obituaries);
	struct xtcp_obituary *o;

	/* The knob, read before, may be newer than the ring that this CPU sees. */
	if (unlikely(!dead))
		return;
	spin_lock_bh(&dead->lock);
	o = &dead->ring[dead->next % OBITUARIES];
	obituary_fill(o, sk, record, err);
	o->number = dead->next++;
	if (dead->next - dead->oldest > OBITUARIES) {
		dead->oldest++;
		this_cpu_inc(xn->mib->item[XTCP_MIB_OBITUARIES_MISSED]);
	}
	this_cpu_inc(xn->mib->item[XTCP_MIB_OBITUARIES]);
	if (trace_xtcp_dead_enabled()) {
		xtcp_recorder_rows_print(o, dead->text, sizeof(dead->text));
		trace_xtcp_dead(xn->net, o, dead->text);
	}
	spin_unlock_bh(&dead->lock);
}

/* Does a finished record get an obituary? */
static bool is_wanted(const struct xtcp_recorder *record, u8 mode)
{
	const struct xtcp_recorder_row *last;

	if (mode != XTCP_RECORDER_BAD)
		return mode == XTCP_RECORDER_ALL;
	last = &record->row[(record->rows - 1) % XTCP_RECORDER_ROWS];
	return last->to == XTCP_CLOSED &&
	       !XTCP_RECORDER_IN_ORDER(last->from, last->event, last->to);
}

/**
 * xtcp_recorder_stop - free a record; see xtcp_recorder_end()
 * @sk: socket with a record, locked
 * @err: positive errno for the program; 0: none
 */
void xtcp_recorder_stop(struct sock *sk, int err)
{
	u8 mode = XTCP_KNOB(sock_net(sk), recorder);
	struct xtcp_recorder *record = xtcp_recorder_of(xtcp_sk(sk));

	xtcp_sk(sk)->recorder = NULL;
	if (record->rows && is_wanted(record, mode))
		obituary_write(sk, record, err);
	kmem_cache_free(recorder_cache, record);
}

static int row_print(const struct xtcp_obituary *o, const struct xtcp_recorder_row *row,
		     char *buf, size_t size)
{
	u64 us = div_u64(row->ns - min(row->ns, o->record.born_ns), NSEC_PER_USEC);
	u32 rest;

	us = div_u64_rem(us, USEC_PER_SEC, &rest);
	return scnprintf(buf, size, "%llu.%06u/%s/%s/%s/%u/%s", us, rest,
			 xtcp_event_name(row->event), xtcp_state_name(row->from),
			 xtcp_state_name(row->to), row->times,
			 xtcp_obituary_reset(row->cause));
}

/**
 * xtcp_recorder_rows_print - the rows of an obituary as a word
 * @o: obituary
 * @buf: gets "SECONDS/EVENT/FROM/TO/TIMES/RESET;...", oldest first
 * @size: its size, best XTCP_RECORDER_TEXT
 *
 * Return: bytes without the final 0.
 */
int xtcp_recorder_rows_print(const struct xtcp_obituary *o, char *buf, size_t size)
{
	int len = 0;
	unsigned int i;

	for (i = 0; i < o->nr_rows; i++) {
		if (i)
			len += scnprintf(buf + len, size - len, ";");
		len += row_print(o, &o->record.row[i], buf + len, size - len);
	}
	return len;
}

/**
 * xtcp_recorder_read - copy an obituary
 * @net: namespace
 * @number: number of the obituary
 * @o: set to that one, or to the next one that the ring has
 *
 * Context: process.
 * Return: true; false if there is none from @number on.
 */
bool xtcp_recorder_read(struct net *net, u64 number, struct xtcp_obituary *o)
{
	struct xtcp_obituaries *dead = READ_ONCE(xtcp_net(net)->obituaries);
	bool found;

	if (!dead)
		return false;
	spin_lock_bh(&dead->lock);
	number = max(number, dead->oldest);
	found = number < dead->next;
	if (found)
		*o = dead->ring[number % OBITUARIES];
	spin_unlock_bh(&dead->lock);
	return found;
}

/**
 * xtcp_recorder_clear - forget all obituaries of a namespace
 * @net: namespace
 *
 * Context: process.
 */
void xtcp_recorder_clear(struct net *net)
{
	struct xtcp_obituaries *dead = READ_ONCE(xtcp_net(net)->obituaries);

	if (!dead)
		return;
	spin_lock_bh(&dead->lock);
	dead->oldest = dead->next;
	spin_unlock_bh(&dead->lock);
}

/*
 * Kept until the namespace ends: the file shows it when the knob is 0 again. Without
 * @mode_lock, because an allocation that a memory cgroup holds up must not hold up others.
 */
static int obituaries_prepare(struct xtcp_net *xn)
{
	struct xtcp_obituaries *dead;

	if (READ_ONCE(xn->obituaries))
		return 0;
	dead = kvzalloc(sizeof(*dead), GFP_KERNEL_ACCOUNT);
	if (!dead)
		return -ENOMEM;
	spin_lock_init(&dead->lock);
	xtcp_lock_name(&dead->lock, "xtcp_obituaries");
	dead->next = 1;
	dead->oldest = 1;
	if (cmpxchg(&xn->obituaries, NULL, dead))
		kvfree(dead);
	return 0;
}

/**
 * xtcp_recorder_set - set the knob of a namespace
 * @net: namespace
 * @mode: enum xtcp_recorder_mode
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int xtcp_recorder_set(struct net *net, u8 mode)
{
	struct xtcp_net *xn = xtcp_net(net);
	int err = mode ? obituaries_prepare(xn) : 0;
	u8 old;

	if (err)
		return err;
	mutex_lock(&mode_lock);
	old = xn->knobs.recorder;
	WRITE_ONCE(xn->knobs.recorder, mode);
	if (mode && !old)
		static_branch_deferred_inc(&xtcp_recorder_key);
	else if (!mode && old)
		static_branch_slow_dec_deferred(&xtcp_recorder_key);
	mutex_unlock(&mode_lock);
	return 0;
}

/**
 * xtcp_recorder_net_exit - free the obituaries of a namespace
 * @net: the namespace; has no socket, knob or file any more
 */
void xtcp_recorder_net_exit(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	if (xn->knobs.recorder)
		static_branch_slow_dec_deferred(&xtcp_recorder_key);
	kvfree(xn->obituaries);
}

/*
 * A cache with a constructor is exempt from init_on_alloc, which would clear each new
 * record. That is safe: only fields that were written are shown.
 */
static void record_construct(void *object)
{
	memset(object, 0, sizeof(struct xtcp_recorder));
}

/**
 * xtcp_recorder_init - create the cache of records
 *
 * Return: 0 or -ENOMEM.
 */
int __init xtcp_recorder_init(void)
{
	recorder_cache = kmem_cache_create("xtcp_recorder", sizeof(struct xtcp_recorder),
					   0, SLAB_ACCOUNT, record_construct);
	return recorder_cache ? 0 : -ENOMEM;
}

/**
 * xtcp_recorder_exit - undo xtcp_recorder_init()
 *
 * No socket and no namespace is left.
 */
void xtcp_recorder_exit(void)
{
	static_key_deferred_flush(&xtcp_recorder_key);
	kmem_cache_destroy(recorder_cache);
}
