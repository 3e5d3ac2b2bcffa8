// SPDX-License-Identifier: GPL-2.0
/*
 * congestion.c - the congestion window, independent of the algorithm
 *
 * Only this file and its header change cwnd and ssthresh. Each change has a
 * function, which is called by the file that knows when it is due.
 *
 * The initial and the restart window (RFC 6928, RFC 5681 4.1), the amount in
 * flight ("pipe" of RFC 6675), the check that the window is in use at all, and
 * the part of struct xtcp_congestion_ops that concerns a connection: which algorithm it
 * has (algorithms.c lists those that there are), the algorithm's state, and what it may
 * do to the window. Windows count segments, so that an ACK of part of a segment opens
 * nothing (RFC 5681, ACK division). The scoreboard estimates what is in flight, so that
 * duplicate ACKs need not inflate the window.
 *
 * An algorithm may be a module of somebody else: what it returns is limited to what
 * makes sense.
 *
 * Context: socket lock.
 */
#include "transfer/congestion.h"

#include <linux/align.h>
#include <linux/export.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/rtnetlink.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/dst.h>
#include <net/sock.h>

#include "compat.h"
#include "hostcache.h"
#include "net/seq.h"
#include "net/wire.h"
#include "netns.h"
#include "tcb.h"
#include "transfer/acked.h"
#include "transfer/algorithms.h"
#include "transfer/autotune.h"
#include "transfer/history.h"
#include "transfer/prr.h"
#include "transfer/rack.h"
#include "transfer/rate.h"
#include "transfer/recovery.h"
#include "transfer/rtt.h"
#include "transfer/sendqueue.h"
#include "transfer/undo.h"

/* --- metrics of the route ----------------------------------------------- */

/* Context: socket lock, or the connection is not visible yet. */
static const struct dst_entry *route_of(const struct xtcp_sock *xs)
{
	return rcu_dereference_raw(xs->inet.sk.sk_dst_cache);
}

/* Largest window: "cwnd lock" of the route. */
static u32 window_limit(const struct xtcp_sock *xs)
{
	const struct dst_entry *dst = route_of(xs);

	if (likely(!dst || !dst_metric_locked(dst, RTAX_CWND)))
		return XTCP_CWND_MAX;
	return clamp(dst_metric(dst, RTAX_CWND), 1U, XTCP_CWND_MAX);
}

/* --- a connection's algorithm ------------------------------------------- */

/* State that does not fit in the TCB. */
static size_t memory_size(const struct xtcp_congestion_ops *ops)
{
	if (ops->flags & XTCP_CONGESTION_RATES)
		return ALIGN(ops->state_size, sizeof(u64)) + sizeof(struct xtcp_rate);
	return ops->state_size > sizeof_field(struct xtcp_sock, congestion_state) ?
	       ops->state_size : 0;
}

/* With XTCP_CONGESTION_RATES: the delivery rate, behind the algorithm's own state. */
static struct xtcp_rate *rate_of(const struct xtcp_sock *xs)
{
	return (void *)((u8 *)xs->congestion_memory +
			ALIGN(xs->congestion->state_size, sizeof(u64)));
}

static bool has_state(const struct xtcp_sock *xs)
{
	return xs->congestion_memory || !memory_size(xs->congestion);
}

/* Forget the state. The TCB's part is zero whenever there is none. */
static void rule_end(struct xtcp_sock *xs)
{
	if (memory_size(xs->congestion))
		kfree(xs->congestion_memory);
	memset(xs->congestion_state, 0, sizeof(xs->congestion_state));
}

/* Change to @ops, to whose module the caller has a reference. */
static void rule_replace(struct xtcp_sock *xs,
			 const struct xtcp_congestion_ops *ops)
{
	const struct xtcp_congestion_ops *old = xs->congestion;

	if (unlikely(old->owner || ops->owner))
		rule_end(xs);
	WRITE_ONCE(xs->congestion, ops);
	xtcp_algorithms_put(old);
}

/* Begin with the algorithm's state; @memory, if it needs some, is zeroed. */
static void rule_start(struct xtcp_sock *xs, void *memory)
{
	const struct xtcp_congestion_ops *ops = xs->congestion;

	if (memory)
		xs->congestion_memory = memory;
	if (ops->flags & XTCP_CONGESTION_PACES)
		cmpxchg(&xtcp_to_sk(xs)->sk_pacing_status, SK_PACING_NONE,
			SK_PACING_NEEDED);
	if (ops->init)
		ops->init(xs);
}

/*
 * A connection begins; or it goes on with what the SYN-ACK has told. Without memory for the
 * algorithm's state it gets CUBIC.
 */
static void rule_begin(struct xtcp_sock *xs)
{
	const struct xtcp_congestion_ops *ops = xs->congestion;
	void *memory = NULL;

	if (unlikely(ops->owner)) {
		struct mem_cgroup *before = xtcp_memcg_enter(xtcp_to_sk(xs));
		size_t size = memory_size(ops);

		rule_end(xs);
		memory = size ? kzalloc(size, GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN) :
				NULL;
		xtcp_memcg_leave(before);
		if (size && !memory)
			rule_replace(xs, &xtcp_cubic);
	}
	rule_start(xs, memory);
}

/**
 * xtcp_congestion_forget - window and threshold of a socket without a connection
 * @xs: the socket, locked; no route locks its algorithm any more
 */
void xtcp_congestion_forget(struct xtcp_sock *xs)
{
	xs->sockopt.congestion_locked = 0;
	WRITE_ONCE(xs->cwnd, XTCP_INIT_CWND);
	WRITE_ONCE(xs->ssthresh, U32_MAX);
}

/**
 * xtcp_congestion_socket_init - initialize a new socket
 * @xs: TCB, zeroed
 *
 * Window and threshold are for display: xtcp_congestion_init() sets them when a
 * connection opens.
 */
void xtcp_congestion_socket_init(struct xtcp_sock *xs)
{
	xs->congestion = xtcp_algorithms_get_default(sock_net(xtcp_to_sk(xs)));
	xtcp_congestion_forget(xs);
}

/**
 * xtcp_congestion_inherit - give a child its algorithm
 * @xs: a copy of its listener, in the RCU read-side section in which it was made. It
 *	keeps what its listener was given by setsockopt(); otherwise it gets the default
 *	of the namespace
 */
void xtcp_congestion_inherit(struct xtcp_sock *xs)
{
	/* What a former connection of the listener has left there is not the child's. */
	memset(xs->congestion_state, 0, sizeof(xs->congestion_state));
	if (!xs->sockopt.congestion_chosen || !xtcp_algorithms_hold(xs->congestion))
		xs->congestion = xtcp_algorithms_get_default(sock_net(xtcp_to_sk(xs)));
}

/**
 * xtcp_congestion_end - a connection is over
 * @xs: TCB, locked; the algorithm stays, its state goes
 */
void xtcp_congestion_end(struct xtcp_sock *xs)
{
	if (unlikely(xs->congestion->owner))
		rule_end(xs);
}

/**
 * xtcp_congestion_release - a socket is destroyed
 * @xs: TCB. Readers without the lock find CUBIC from now on
 */
void xtcp_congestion_release(struct xtcp_sock *xs)
{
	if (unlikely(xs->congestion->owner))
		rule_replace(xs, &xtcp_cubic);
}

/**
 * xtcp_congestion_name - the name of a socket's algorithm
 * @xs: TCB of a socket that the caller has a reference to; not locked
 * @name: XTCP_CONGESTION_NAME_MAX bytes, filled with the name and zeros
 *
 * Context: any.
 */
void xtcp_congestion_name(const struct xtcp_sock *xs, char *name)
{
	memset(name, 0, XTCP_CONGESTION_NAME_MAX);
	/* The socket may be about to drop its reference. */
	rcu_read_lock();
	strscpy(name, READ_ONCE(xs->congestion)->name, XTCP_CONGESTION_NAME_MAX);
	rcu_read_unlock();
}

/**
 * xtcp_congestion_route - take algorithm and reordering from the route
 * @sk: the socket; its route is known, its window is not set yet
 *
 * "congctl" overrides the user's choice, as in Linux; an algorithm that xtcp
 * doesn't have is ignored. "reordering" counts only if it is locked: otherwise the host
 * cache begins with it (hostcache.c).
 */
void xtcp_congestion_route(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	const struct dst_entry *dst = route_of(xs);
	u32 key = dst ? dst_metric(dst, RTAX_CC_ALGO) : 0;
	const struct xtcp_congestion_ops *ops;

	ops = unlikely(key) ? xtcp_algorithms_get_key(key) : NULL;
	if (ops)
		rule_replace(xs, ops);
	/* The program can make the socket forget its route, so the lock is kept. */
	xs->sockopt.congestion_locked = ops && dst_metric_locked(dst, RTAX_CC_ALGO);
	if (dst && dst_metric_locked(dst, RTAX_REORDERING))
		xs->reordering = clamp_t(u32, dst_metric(dst, RTAX_REORDERING),
					 1, XTCP_KNOB(sock_net(sk),
						      max_reordering));
}

/**
 * xtcp_congestion_set - set a socket's algorithm (TCP_CONGESTION)
 * @sk: the socket, locked
 * @name: name of the algorithm
 *
 * An open connection keeps its window.
 *
 * Context: process, may sleep.
 * Return: 0; -EPERM when the route had "congctl lock" as the connection began, or the
 * algorithm is not in xtcp_allowed_congestion_control and the user has no CAP_NET_ADMIN;
 * -ENOENT when there is no such algorithm; -EBUSY when its module is being unloaded; -ENOMEM
 */
int xtcp_congestion_set(struct sock *sk, const char *name)
{
	const struct xtcp_congestion_ops *ops = NULL;
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool controlled = xtcp_congestion_controls(xs);
	void *memory = NULL;
	bool open;
	int err;

	xtcp_assert_owned(sk);
	if (xs->sockopt.congestion_locked)
		return -EPERM;
	err = xtcp_algorithms_get(name, xs->congestion,
				  ns_capable(sock_net(sk)->user_ns, CAP_NET_ADMIN),
				  &ops);
	if (err)
		return err;
	if (ops != xs->congestion) {
		open = !xtcp_state_in(sk, XTCP_UNCONNECTED);
		if (open && memory_size(ops)) {
			memory = kzalloc(memory_size(ops), GFP_KERNEL_ACCOUNT);
			if (!memory) {
				xtcp_algorithms_put(ops);
				return -ENOMEM;
			}
		}
		rule_replace(xs, ops);
		if (open)
			rule_start(xs, memory);
		/* The old algorithm has let this reduction reduce nothing. */
		if (open && controlled && !xtcp_congestion_controls(xs) &&
		    xtcp_recovery_reduces(xs))
			xtcp_prr_restart(xs, xs->in_flight);
	}
	xs->sockopt.congestion_chosen = 1;
	return 0;
}

/**
 * xtcp_congestion_info - what an algorithm tells of a connection (TCP_CC_INFO)
 * @sk: the socket, locked
 * @info: filled
 * @attr: set to its attribute of sock_diag
 *
 * Return: bytes of @info; 0: nothing
 */
size_t xtcp_congestion_info(struct sock *sk, union tcp_cc_info *info, int *attr)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (!xs->congestion->info || !has_state(xs))
		return 0;
	memset(info, 0, sizeof(*info));
	return min(xs->congestion->info(xs, info, attr), sizeof(*info));
}

/* --- for the algorithms ------------------------------------------------- */

static_assert((int)XTCP_CONGESTION_OPEN == XTCP_RECOVERY_NONE);
static_assert((int)XTCP_CONGESTION_DISORDER == XTCP_RECOVERY_DISORDER);
static_assert((int)XTCP_CONGESTION_REDUCTION == XTCP_RECOVERY_REDUCTION);
static_assert((int)XTCP_CONGESTION_FAST == XTCP_RECOVERY_FAST);
static_assert((int)XTCP_CONGESTION_LOSS == XTCP_RECOVERY_LOSS);
static_assert(sizeof_field(struct xtcp_sock, congestion_state) ==
	      XTCP_CONGESTION_STATE_INLINE);

/**
 * xtcp_congestion_state - an algorithm's state of a connection
 * @xs: the connection, locked, for which a function of the ops was called
 *
 * Return: state_size bytes, zeroed before init()
 */
void *xtcp_congestion_state(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	return memory_size(xs->congestion) ? xs->congestion_memory :
					     xs->congestion_state;
}
EXPORT_SYMBOL_GPL(xtcp_congestion_state);

/**
 * xtcp_congestion_rule - the ops that a connection uses
 * @xs: the connection, locked, for which a function of the ops was called
 *
 * For a module that registers several ops with the same functions.
 *
 * Return: what was registered
 */
const struct xtcp_congestion_ops *xtcp_congestion_rule(const struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	return xs->congestion;
}
EXPORT_SYMBOL_GPL(xtcp_congestion_rule);

/**
 * xtcp_congestion_look - what an algorithm may know of a connection
 * @xs: the connection, locked
 * @view: filled
 */
void xtcp_congestion_look(const struct xtcp_sock *xs,
			  struct xtcp_congestion_view *view)
{
	xtcp_assert_owned(&xs->inet.sk);
	*view = (struct xtcp_congestion_view) {
		.cwnd		= xs->cwnd,
		.cwnd_max	= window_limit(xs),
		.ssthresh	= xs->ssthresh,
		.pipe		= xtcp_congestion_pipe(xs),
		.lost_out	= xs->lost_out,
		.mss		= xs->mss,
		.srtt_us	= xs->rtt.srtt_us >> 3,
		.min_rtt_us	= xtcp_rtt_min_us(xs),
		.delivered	= xs->delivered,
		.delivered_ce	= xs->delivered_ce,
		.lost		= xs->lost,
		.snd_una	= seq_raw(xs->snd_una),
		.snd_nxt	= seq_raw(xs->snd_nxt),
		.phase		= (enum xtcp_congestion_phase)xs->recovery,
		.sack_ok	= xs->sack_ok,
		.echoing_ce	= xs->ecn.echo,
		.ecn_ok		= xs->ecn.ok,
		.ecn_accurate	= xs->ecn.accurate,
	};
}
EXPORT_SYMBOL_GPL(xtcp_congestion_look);

/**
 * xtcp_congestion_slow_start - open the window by the segments acknowledged
 * @xs: the connection, locked
 * @segs: segments acknowledged
 *
 * RFC 5681 3.1: up to ssthresh.
 *
 * Return: segments that remain beyond ssthresh
 */
u32 xtcp_congestion_slow_start(struct xtcp_sock *xs, u32 segs)
{
	u32 limit = min(xs->ssthresh, window_limit(xs));
	u32 room = limit > xs->cwnd ? min(segs, limit - xs->cwnd) : 0;

	xtcp_assert_owned(&xs->inet.sk);
	WRITE_ONCE(xs->cwnd, xs->cwnd + room);
	return xs->cwnd < xs->ssthresh ? 0 : segs - room;
}
EXPORT_SYMBOL_GPL(xtcp_congestion_slow_start);

/**
 * xtcp_congestion_avoidance - open the window by one for a number of segments
 * @xs: the connection, locked
 * @per_segment: acknowledged segments that open it by one; 0 counts as 1
 * @segs: segments acknowledged
 *
 * Segments that were counted while @per_segment was larger open the window by one only:
 * otherwise an algorithm that waits, and then hurries, would send all of them as one burst.
 */
void xtcp_congestion_avoidance(struct xtcp_sock *xs, u32 per_segment, u32 segs)
{
	u32 more = 0;

	xtcp_assert_owned(&xs->inet.sk);
	per_segment = max(per_segment, 1U);
	if (unlikely(xs->cwnd_cnt >= per_segment)) {
		xs->cwnd_cnt = 0;
		more = 1;
	}
	xs->cwnd_cnt += segs;
	if (xs->cwnd_cnt >= per_segment) {
		more += xs->cwnd_cnt / per_segment;
		xs->cwnd_cnt %= per_segment;
	}
	if (!more)
		return;
	WRITE_ONCE(xs->cwnd, min(xs->cwnd + more,
				 max(xs->cwnd, window_limit(xs))));
}
EXPORT_SYMBOL_GPL(xtcp_congestion_avoidance);

/**
 * xtcp_congestion_open_to - open the window to a size
 * @xs: the connection, locked
 * @cwnd: segments; less than the window, or more than the largest one, has no effect
 *	beyond these
 */
void xtcp_congestion_open_to(struct xtcp_sock *xs, u32 cwnd)
{
	xtcp_assert_owned(&xs->inet.sk);
	WRITE_ONCE(xs->cwnd, max(xs->cwnd, min(cwnd, window_limit(xs))));
}
EXPORT_SYMBOL_GPL(xtcp_congestion_open_to);

/**
 * xtcp_congestion_end_slow_start - slow start has found the path's capacity
 * @xs: the connection, locked
 */
void xtcp_congestion_end_slow_start(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	__xtcp_congestion_end_slow_start(xs);
}
EXPORT_SYMBOL_GPL(xtcp_congestion_end_slow_start);

/**
 * xtcp_congestion_set_window - set the window, as XTCP_CONGESTION_CONTROLS allows
 * @xs: the connection, locked
 * @cwnd: segments; limited to 1 and the largest window
 */
void xtcp_congestion_set_window(struct xtcp_sock *xs, u32 cwnd)
{
	bool grows = cwnd > xs->cwnd;

	xtcp_assert_owned(&xs->inet.sk);
	if (!(xs->congestion->flags & XTCP_CONGESTION_CONTROLS))
		return;
	WRITE_ONCE(xs->cwnd, clamp(cwnd, 1U, window_limit(xs)));
	if (grows)
		xtcp_autotune_send(xtcp_to_sk(xs));
}
EXPORT_SYMBOL_GPL(xtcp_congestion_set_window);

/**
 * xtcp_congestion_set_pacing - set the rate, as XTCP_CONGESTION_PACES allows
 * @xs: the connection, locked
 * @bytes_per_s: payload bytes per second; at least a segment, at most
 *	SO_MAX_PACING_RATE
 */
void xtcp_congestion_set_pacing(struct xtcp_sock *xs, u64 bytes_per_s)
{
	struct sock *sk = xtcp_to_sk(xs);

	xtcp_assert_owned(sk);
	if (!(xs->congestion->flags & XTCP_CONGESTION_PACES))
		return;
	bytes_per_s = max_t(u64, bytes_per_s, xs->mss);
	WRITE_ONCE(sk->sk_pacing_rate,
		   min_t(u64, bytes_per_s, READ_ONCE(sk->sk_max_pacing_rate)));
}
EXPORT_SYMBOL_GPL(xtcp_congestion_set_pacing);

/* --- the window --------------------------------------------------------- */

/* RFC 5681 3.1: unlimited, unless the route has "ssthresh lock". */
static u32 initial_threshold(const struct xtcp_sock *xs)
{
	const struct dst_entry *dst = route_of(xs);

	if (!dst || !dst_metric_locked(dst, RTAX_SSTHRESH))
		return U32_MAX;
	return clamp(dst_metric(dst, RTAX_SSTHRESH), 2U, max(window_limit(xs), 2U));
}

/*
 * RFC 6928 2: min(10 * MSS, max(2 * MSS, 14600)) bytes, in segments. A route's
 * initcwnd overrides that.
 */
static u32 restart_window(const struct xtcp_sock *xs)
{
	const struct dst_entry *dst = route_of(xs);
	u32 asked = dst ? dst_metric(dst, RTAX_INITCWND) : 0;
	u32 mss = max(xs->mss, 1U);

	if (asked)
		return min(asked, window_limit(xs));
	return min3(XTCP_INIT_CWND, max(2U, 14600U / mss), window_limit(xs));
}

/**
 * xtcp_congestion_init - initialize the window of a new connection
 * @sk: the socket; its MSS and sequence numbers are set
 * @lossy: the handshake has lost more than one SYN or SYN-ACK: begin with one segment
 *	(RFC 5681 3.1)
 */
void xtcp_congestion_init(struct sock *sk, bool lossy)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	WRITE_ONCE(xs->cwnd, lossy ? 1 : restart_window(xs));
	WRITE_ONCE(xs->ssthresh, initial_threshold(xs));
	xs->cwnd_cnt = 0;
	rule_begin(xs);
	xs->cwnd_full = seq_sub(xs->snd_una, 1);
	xs->recovery = XTCP_RECOVERY_NONE;
	/* Nothing was ever lost: the first loss may be repaired fast. */
	xs->recover = seq_sub(xs->snd_una, 1);
	xtcp_undo_init(xs);
	xtcp_rack_init(xs);
}

/**
 * xtcp_congestion_expect - begin with what former connections to the peer have learned
 * @sk: new connection; after xtcp_congestion_init() and the first sample of the RTT
 */
void xtcp_congestion_expect(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_host_metrics known;

	xtcp_history_get(sk, &known);
	xtcp_rtt_expect(xs, known.rtt_us);
	if (known.threshold && !xtcp_congestion_controls(xs))
		WRITE_ONCE(xs->ssthresh, clamp(known.threshold, 2U, max(window_limit(xs), 2U)));
	if (known.reordering)
		xs->reordering = min_t(u32, known.reordering,
				       XTCP_KNOB(sock_net(sk), max_reordering));
}

/**
 * xtcp_congestion_sent - account for new segments that were sent
 * @sk: the socket, locked
 * @segs: number of segments
 * @sent_ns: time of transmission
 */
void xtcp_congestion_sent(struct sock *sk, u32 segs, u64 sent_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (xtcp_recovery_reduces(xs))
		xs->prr.out += segs;
	if (xtcp_congestion_pipe(xs) >= xs->cwnd)
		xs->cwnd_full = xs->snd_nxt;
	if (xtcp_congestion_measures(xs))
		xtcp_rate_sent(rate_of(xs), xs, sent_ns,
			       xtcp_congestion_pipe(xs), xs->in_flight <= segs);
}

/**
 * xtcp_congestion_full - all that the window allows was sent, but for less than a burst
 * @xs: the connection, locked
 *
 * Otherwise a window that is no multiple of the burst would never be full, and stop growing.
 */
void xtcp_congestion_full(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	xs->cwnd_full = xs->snd_nxt;
}

/**
 * __xtcp_congestion_resent - a segment was sent again
 * @xs: the connection, locked; its algorithm has XTCP_CONGESTION_RATES
 * @sent_ns: time of transmission
 */
void __xtcp_congestion_resent(struct xtcp_sock *xs, u64 sent_ns)
{
	xtcp_assert_owned(&xs->inet.sk);
	xtcp_rate_sent(rate_of(xs), xs, sent_ns, xtcp_congestion_pipe(xs), false);
}

/**
 * __xtcp_congestion_wrote - the program is about to write
 * @sk: the socket, locked; its algorithm has XTCP_CONGESTION_RATES
 *
 * If all it wrote before was sent, but for less than a segment, and the window was not used up,
 * the rate was the program's.
 */
void __xtcp_congestion_wrote(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (seq_dist(xs->snd_nxt, xs->write_seq) < (s32)xs->mss &&
	    sk_wmem_alloc_get(sk) < SKB_TRUESIZE(1) &&
	    xtcp_congestion_pipe(xs) < xs->cwnd && !xs->to_resend)
		xtcp_rate_limited(rate_of(xs), xs, xtcp_congestion_pipe(xs));
}

/*
 * Make cwnd_full follow SND.UNA, so that it never falls so far behind that it seems to lie ahead.
 *
 * Returns true if the segments that end at SND.UNA were in flight together with a full
 * window. Their arrival shows that the path takes this window, even if the
 * sender has had no data to fill it since.
 */
static bool update_cwnd_full(struct xtcp_sock *xs)
{
	if (!seq_before(xs->cwnd_full, xs->snd_una))
		return true;
	xs->cwnd_full = seq_sub(xs->snd_una, 1);
	return false;
}

/**
 * xtcp_congestion_acked - open the window on an ACK of new data
 * @sk: the socket, locked
 * @acked_segs: segments newly delivered
 * @prior_pipe: segments in flight before this ACK
 *
 * A window that was not used up stays as it is, because nothing shows that the
 * path takes it. In slow start it is enough that half of it was used, because
 * the first ACKs of a burst arrive while the rest is still being sent. The send
 * buffer grows with the window.
 */
void xtcp_congestion_acked(struct sock *sk, u32 acked_segs, u32 prior_pipe)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool full = update_cwnd_full(xs);
	u32 cwnd = xs->cwnd;

	xtcp_assert_owned(sk);
	if (xtcp_congestion_controls(xs))
		return;
	if (!full && (xs->cwnd >= xs->ssthresh || xs->cwnd >= 2 * prior_pipe))
		return;
	if (!acked_segs)
		return;
	xs->congestion->grow(xs, acked_segs);
	if (xs->cwnd > cwnd)
		xtcp_autotune_send(sk);
}

/**
 * __xtcp_congestion_inform - tell the algorithm what an ACK says
 * @sk: the socket, locked; its algorithm has acked()
 * @a: what the ACK says; the connection's counts are up to date
 */
void __xtcp_congestion_inform(struct sock *sk, const struct xtcp_acked *a)
{
	struct xtcp_congestion_sample sample = {
		.now_ns		= a->now_ns,
		.delivered	= a->delivered,
		.marked		= xtcp_acked_marked(a),
		.lost		= a->lost,
		.prior_pipe	= a->prior_pipe,
	};
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (!a->delivered && !a->lost)
		return;
	if (xs->congestion->flags & XTCP_CONGESTION_CONTROLS)
		sample.window_full = update_cwnd_full(xs);
	if (xs->congestion->flags & XTCP_CONGESTION_RATES)
		xtcp_rate_acked(rate_of(xs), xs, a->last_sent_ns,
				xtcp_rtt_min_us(xs), &sample);
	xs->congestion->acked(xs, &sample);
}

/**
 * __xtcp_congestion_lost - tell the algorithm of a loss
 * @xs: the connection, locked; its algorithm has lost()
 * @skb: in flight, with the time of the transmission that is lost
 */
void __xtcp_congestion_lost(struct xtcp_sock *xs, const struct sk_buff *skb)
{
	const struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct xtcp_congestion_loss loss = {
		.seq	= seq_raw(cb->seq),
		.end	= seq_raw(cb->end),
		.segs	= xtcp_sendq_segs(skb),
	};

	xtcp_assert_owned(&xs->inet.sk);
	/* A lost probe of the path's MTU is no congestion: RFC 4821 7.6.2. */
	if (xs->mtu.probe && cb->end == xs->mtu.probe_end)
		return;
	xtcp_rate_lost(rate_of(xs), xs, cb, &loss);
	xs->congestion->lost(xs, &loss);
}

/**
 * xtcp_congestion_rtt - give the algorithm a measured round trip
 * @xs: the connection, locked
 * @rtt_us: microseconds, of the segment sent last among those acknowledged
 */
void xtcp_congestion_rtt(struct xtcp_sock *xs, u32 rtt_us)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (xs->congestion->rtt)
		xs->congestion->rtt(xs, rtt_us);
}

/*
 * RFC 5681 4.1: an idle connection restarts with the initial window at most. As
 * in Linux the window is halved once for each idle RTO, down to that, and
 * ssthresh becomes at least three quarters of the old window.
 */
static void congestion_restart(struct xtcp_sock *xs, u64 idle_ns)
{
	u64 rto_ns = xtcp_rtt_rto_ns(xs);
	u32 floor = min(restart_window(xs), xs->cwnd);
	u32 cwnd = xs->cwnd;

	xtcp_congestion_keep_ssthresh(xs);
	while (idle_ns > rto_ns && cwnd > floor) {
		cwnd >>= 1;
		idle_ns -= rto_ns;
	}
	WRITE_ONCE(xs->cwnd, max(cwnd, floor));
	xs->cwnd_cnt = 0;
}

/**
 * xtcp_congestion_resumed - adjust the window before sending after a pause
 * @sk: the socket, locked, with nothing in flight; a segment is about to be sent, so that the
 *	pause ends
 * @now_ns: current time
 *
 * Return: true if the window has become smaller
 */
bool xtcp_congestion_resumed(struct sock *sk, u64 now_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 before = xs->cwnd;
	u64 idle_ns;

	xtcp_assert_owned(sk);
	if (!xs->last_snd_ns)
		return false;
	/*
	 * RFC 5681 counts from the last sending, even if that was in flight
	 * meanwhile.
	 */
	idle_ns = now_ns - xs->last_snd_ns;
	if (xs->congestion->resumed)
		xs->congestion->resumed(xs, idle_ns);
	if (idle_ns > xtcp_rtt_rto_ns(xs) &&
	    !xtcp_congestion_controls(xs) &&
	    XTCP_KNOB(sock_net(sk), slow_start_after_idle))
		congestion_restart(xs, idle_ns);
	return xs->cwnd < before;
}

/* --- loss recovery ------------------------------------------------------ */

/**
 * xtcp_congestion_ssthresh_now - threshold to restore if nothing was lost
 * @xs: the connection, locked
 *
 * Return: segments; outside of a reduction at least three quarters of the
 * window, as in Linux
 */
u32 xtcp_congestion_ssthresh_now(const struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (xtcp_recovery_reduces(xs))
		return xs->ssthresh;
	return max(xs->ssthresh, (xs->cwnd >> 1) + (xs->cwnd >> 2));
}

/**
 * xtcp_congestion_keep_ssthresh - segments are sent again without congestion
 * @xs: the connection, locked
 */
void xtcp_congestion_keep_ssthresh(struct xtcp_sock *xs)
{
	WRITE_ONCE(xs->ssthresh, xtcp_congestion_ssthresh_now(xs));
}

/**
 * xtcp_congestion_reduce - reduce ssthresh for a loss or a CE mark
 * @xs: the connection, locked
 * @flight: segments that were in flight before
 *
 * RFC 5681 3.1, equation 4. xs->prior_cwnd keeps the window for
 * xtcp_congestion_restore(). The caller decides how fast cwnd follows.
 */
void xtcp_congestion_reduce(struct xtcp_sock *xs, u32 flight)
{
	xtcp_assert_owned(&xs->inet.sk);
	xs->cwnd_cnt = 0;
	xs->prior_cwnd = xs->cwnd;
	if (xtcp_congestion_controls(xs))
		return;
	WRITE_ONCE(xs->ssthresh, clamp(xs->congestion->ssthresh(xs, flight), 2U,
				       max(xs->cwnd, 2U)));
}

/**
 * xtcp_congestion_lost_marked - a loss was found during the reduction for a CE mark
 * @xs: the connection, locked
 * @flight: segments that were in flight before
 *
 * One reduction a round trip is enough where a mark halves the window. DCTCP reduces less
 * for a mark, so a loss still halves (RFC 8257 3.5).
 */
void xtcp_congestion_lost_marked(struct xtcp_sock *xs, u32 flight)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (xtcp_congestion_controls(xs) || !xtcp_congestion_wants_ecn(xs))
		return;
	WRITE_ONCE(xs->ssthresh, clamp(xs->congestion->ssthresh(xs, flight), 2U,
				       max(xs->ssthresh, 2U)));
}

/**
 * xtcp_congestion_spread - set the window during a reduction
 * @xs: the connection, locked
 * @pipe: segments in flight
 * @count: segments that may be sent now
 */
void xtcp_congestion_spread(struct xtcp_sock *xs, u32 pipe, u32 count)
{
	WRITE_ONCE(xs->cwnd, min(pipe + count, XTCP_CWND_MAX));
}

/**
 * xtcp_congestion_reduced - the reduction is complete
 * @xs: the connection, locked
 */
void xtcp_congestion_reduced(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (!xtcp_congestion_controls(xs))
		WRITE_ONCE(xs->cwnd, xs->ssthresh);
}

/**
 * xtcp_congestion_timed_out - tell the algorithm of a retransmission timeout
 * @xs: the connection, locked; ssthresh is reduced
 */
void xtcp_congestion_timed_out(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (xs->congestion->timed_out)
		xs->congestion->timed_out(xs);
}

/**
 * xtcp_congestion_lost_all - set the loss window of RFC 5681 3.1
 * @xs: the connection, locked; segments believed lost are marked
 *
 * One segment may be sent, even if some are still in flight.
 */
void xtcp_congestion_lost_all(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	WRITE_ONCE(xs->cwnd, xtcp_congestion_pipe(xs) + 1);
	xs->cwnd_cnt = 0;
}

/**
 * xtcp_congestion_restore - a reduction was unfounded (RFC 4015)
 * @xs: the connection, locked; prior_cwnd and prior_ssthresh are valid
 */
void xtcp_congestion_restore(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	WRITE_ONCE(xs->cwnd, max(xs->cwnd, xs->prior_cwnd));
	WRITE_ONCE(xs->ssthresh, max(xs->ssthresh, xs->prior_ssthresh));
	if (xs->congestion->restored)
		xs->congestion->restored(xs, xs->prior_cwnd);
}

/* --- the path's MTU ----------------------------------------------------- */

/**
 * xtcp_congestion_probe_sent - a probe of the path's MTU was sent
 * @xs: the connection, locked
 *
 * The probe is one segment of the flight and counts as two.
 */
void xtcp_congestion_probe_sent(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	WRITE_ONCE(xs->cwnd, xs->cwnd - 1);
}

/**
 * xtcp_congestion_probe_failed - give back what the probe took
 * @xs: the connection, locked
 */
void xtcp_congestion_probe_failed(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	WRITE_ONCE(xs->cwnd, xs->cwnd + 1);
}

static u32 resized(u32 segs, u32 before, u32 after, u32 least)
{
	return clamp_t(u64, div_u64((u64)segs * before, after), least, XTCP_CWND_MAX);
}

/* 0 and U32_MAX, none and unlimited, stay. A threshold is two segments at least: RFC 5681 (4). */
static u32 threshold_resized(u32 segs, u32 before, u32 after)
{
	return !segs || segs == U32_MAX ? segs : resized(segs, before, after, 2);
}

/**
 * xtcp_congestion_resize - count the window in segments of another size
 * @xs: the connection, locked
 * @before: size of a segment up to now, bytes with headers
 * @after: size of a segment from now on
 *
 * The window and ssthresh keep their bytes, and so do those of before a reduction. Algorithms go on
 * with their own numbers, as in Linux.
 */
void xtcp_congestion_resize(struct xtcp_sock *xs, u32 before, u32 after)
{
	xtcp_assert_owned(&xs->inet.sk);
	WRITE_ONCE(xs->cwnd, min(resized(xs->cwnd, before, after, 1), window_limit(xs)));
	xs->cwnd_cnt = 0;
	WRITE_ONCE(xs->ssthresh, threshold_resized(xs->ssthresh, before, after));
	xs->prior_cwnd = resized(xs->prior_cwnd, before, after, 1);
	xs->prior_ssthresh = threshold_resized(xs->prior_ssthresh, before, after);
	xtcp_congestion_keep_ssthresh(xs);
}
