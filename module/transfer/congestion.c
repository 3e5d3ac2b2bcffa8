// SPDX-License-Identifier: GPL-2.0
/*
 * congestion.c - the congestion window, independent of the algorithm
 *
 * Only this file and its header change cwnd and ssthresh. Each change has a
 * function, which is called by the file that knows when it is due.
 *
 * The initial and the restart window (RFC 6928, RFC 5681 4.1), the amount in
 * flight ("pipe" of RFC 6675), the check that the window is in use at all, and
 * the list of algorithms: struct xtcp_congestion_ops, a file each. Windows
 * count segments, so that an ACK of part of a segment opens nothing (RFC 5681,
 * ACK division). The scoreboard estimates what is in flight, so that duplicate
 * ACKs need not inflate the window.
 *
 * Context: socket lock, except for the list of allowed algorithms: privileged
 * processes write that word, and it is read in any context.
 */
#include "transfer/congestion.h"

#include <linux/bits.h>
#include <linux/jhash.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/rtnetlink.h>
#include <linux/string.h>
#include <net/dst.h>
#include <net/sock.h>

#include "net/seq.h"
#include "netns.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/autotune.h"
#include "transfer/rack.h"
#include "transfer/recovery.h"
#include "transfer/undo.h"

/* --- the algorithms ----------------------------------------------------- */

/* In the order of xtcp_available_congestion_control. */
static const struct xtcp_congestion_ops * const algorithms[] = {
	&xtcp_reno,
	&xtcp_cubic,
};

/* Algorithms that an unprivileged user may choose: a bit for each of @algorithms. */
static unsigned long allowed = BIT(ARRAY_SIZE(algorithms)) - 1;

static unsigned int index_of(const struct xtcp_congestion_ops *ops)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(algorithms) - 1; i++)
		if (algorithms[i] == ops)
			break;
	return i;
}

/**
 * xtcp_congestion_find - find an algorithm by its name
 * @name: such as "cubic"
 *
 * Context: any.
 * Return: the algorithm, or NULL.
 */
const struct xtcp_congestion_ops *xtcp_congestion_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (!strcmp(algorithms[i]->name, name))
			return algorithms[i];
	return NULL;
}

/**
 * xtcp_congestion_is_allowed - check whether an unprivileged user may choose it
 * @ops: the algorithm
 *
 * Return: true if an unprivileged user may choose @ops
 */
bool xtcp_congestion_is_allowed(const struct xtcp_congestion_ops *ops)
{
	return READ_ONCE(allowed) & BIT(index_of(ops));
}

/**
 * xtcp_congestion_allow - let unprivileged users choose an algorithm
 * @ops: the algorithm. As in Linux, the default of the system becomes allowed
 */
void xtcp_congestion_allow(const struct xtcp_congestion_ops *ops)
{
	WRITE_ONCE(allowed, allowed | BIT(index_of(ops)));
}

/**
 * xtcp_congestion_allow_only - write xtcp_allowed_congestion_control
 * @names: separated by single blanks, modified; as in Linux an empty name ends
 *	the list
 *
 * Return: 0; -ENOENT when a name is unknown, and nothing has changed
 */
int xtcp_congestion_allow_only(char *names)
{
	const struct xtcp_congestion_ops *ops;
	unsigned long mask = 0;
	char *name;

	while ((name = strsep(&names, " ")) && *name) {
		ops = xtcp_congestion_find(name);
		if (!ops)
			return -ENOENT;
		mask |= BIT(index_of(ops));
	}
	WRITE_ONCE(allowed, mask);
	return 0;
}

/**
 * xtcp_congestion_list - write the names of the algorithms in one line
 * @line: XTCP_CONGESTION_LIST_MAX bytes, filled
 * @allowed_only: only those that unprivileged users may choose
 */
void xtcp_congestion_list(char *line, bool allowed_only)
{
	size_t at = 0;
	unsigned int i;

	*line = 0;
	for (i = 0; i < ARRAY_SIZE(algorithms); i++) {
		if (allowed_only && !xtcp_congestion_is_allowed(algorithms[i]))
			continue;
		at += scnprintf(line + at, XTCP_CONGESTION_LIST_MAX - at,
				"%s%s", at ? " " : "", algorithms[i]->name);
	}
}

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

/* Key of an algorithm in the route's metric "congctl": a hash of the name. */
static u32 rule_key(const struct xtcp_congestion_ops *ops)
{
	char name[XTCP_CONGESTION_NAME_MAX] = { };

	strscpy(name, ops->name, sizeof(name));
	return jhash(name, sizeof(name), strlen(name));
}

/**
 * xtcp_congestion_route - take algorithm and reordering from the route
 * @sk: the socket; its route is known, its window is not set yet
 *
 * "congctl" overrides the user's choice, as in Linux; an algorithm that xtcp
 * doesn't have is ignored. "reordering" counts only if it is locked: otherwise
 * it is what Linux caches of earlier connections, which xtcp does not use.
 */
void xtcp_congestion_route(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	const struct dst_entry *dst = route_of(xs);
	u32 key = dst ? dst_metric(dst, RTAX_CC_ALGO) : 0;
	unsigned int i;

	for (i = 0; key && i < ARRAY_SIZE(algorithms); i++)
		if (rule_key(algorithms[i]) == key)
			WRITE_ONCE(xs->congestion, algorithms[i]);
	if (dst && dst_metric_locked(dst, RTAX_REORDERING))
		xs->reordering = clamp_t(u32, dst_metric(dst, RTAX_REORDERING),
					 1, XTCP_KNOB(sock_net(sk),
						      max_reordering));
}

/* --- a connection's algorithm ------------------------------------------- */

static void rule_begin(struct xtcp_sock *xs)
{
	if (xs->congestion->init)
		xs->congestion->init(xs);
}

/**
 * xtcp_congestion_assign - give a socket the default algorithm of its namespace
 * @xs: new socket, or a child that is not visible yet; if it or its listener
 *	was given an algorithm by setsockopt(), it keeps that
 */
void xtcp_congestion_assign(struct xtcp_sock *xs)
{
	if (!xs->congestion_chosen)
		xs->congestion = XTCP_KNOB(sock_net(xtcp_to_sk(xs)),
					   congestion_control);
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
	xtcp_congestion_assign(xs);
	xs->cwnd = XTCP_INIT_CWND;
	xs->ssthresh = U32_MAX;
}

/**
 * xtcp_congestion_set - set a socket's algorithm (TCP_CONGESTION)
 * @sk: the socket, locked
 * @name: name of the algorithm
 *
 * An open connection keeps its window.
 *
 * Return: 0; -ENOENT when there is no such algorithm; -EPERM when it is not in
 * xtcp_allowed_congestion_control and the user has no CAP_NET_ADMIN, or when
 * the route has "congctl lock"
 */
int xtcp_congestion_set(struct sock *sk, const char *name)
{
	const struct xtcp_congestion_ops *ops = xtcp_congestion_find(name);
	struct xtcp_sock *xs = xtcp_sk(sk);
	const struct dst_entry *dst;

	xtcp_assert_owned(sk);
	if (!ops)
		return -ENOENT;
	dst = route_of(xs);
	if (dst && dst_metric(dst, RTAX_CC_ALGO) &&
	    dst_metric_locked(dst, RTAX_CC_ALGO))
		return -EPERM;
	if (ops != xs->congestion) {
		if (!xtcp_congestion_is_allowed(ops) &&
		    !ns_capable(sock_net(sk)->user_ns, CAP_NET_ADMIN))
			return -EPERM;
		WRITE_ONCE(xs->congestion, ops);
		rule_begin(xs);
	}
	xs->congestion_chosen = 1;
	return 0;
}

/* --- the window --------------------------------------------------------- */

/* RFC 5681 3.1: unlimited, unless the route has "ssthresh lock". */
static u32 initial_threshold(const struct xtcp_sock *xs)
{
	const struct dst_entry *dst = route_of(xs);

	if (!dst || !dst_metric_locked(dst, RTAX_SSTHRESH))
		return U32_MAX;
	return clamp(dst_metric(dst, RTAX_SSTHRESH), 2U, window_limit(xs));
}

/*
 * RFC 6928 2: min(10 * MSS, max(2 * MSS, 14600)) bytes, in segments; one
 * segment when the handshake lost more than one SYN (RFC 5681 3.1). A route's
 * initcwnd overrides both.
 */
static u32 initial_window(const struct xtcp_sock *xs)
{
	const struct dst_entry *dst = route_of(xs);
	u32 asked = dst ? dst_metric(dst, RTAX_INITCWND) : 0;
	u32 mss = max(xs->mss, 1U);

	if (xs->total_retrans > 1)
		return 1;
	if (asked)
		return min(asked, window_limit(xs));
	return min3(XTCP_INIT_CWND, max(2U, 14600U / mss), window_limit(xs));
}

/**
 * xtcp_congestion_init - initialize the window of a new connection
 * @sk: the socket; its MSS and sequence numbers are set
 */
void xtcp_congestion_init(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	WRITE_ONCE(xs->cwnd, initial_window(xs));
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
 * xtcp_congestion_sent - account for new segments that were sent
 * @sk: the socket, locked
 * @segs: number of segments
 */
void xtcp_congestion_sent(struct sock *sk, u32 segs)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (xtcp_recovery_reduces(xs))
		xs->prr.out += segs;
	if (xtcp_congestion_pipe(xs) >= xs->cwnd)
		xs->cwnd_full = xs->snd_nxt;
}

/*
 * True if the segments that end at SND.UNA were in flight together with a full
 * window. Their arrival shows that the path takes this window, even if the
 * sender has had no data to fill it since. cwnd_full follows SND.UNA, so that
 * it never falls so far behind that it seems to lie ahead.
 */
static bool window_was_full(struct xtcp_sock *xs)
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
	bool full = window_was_full(xs);
	u32 cwnd = xs->cwnd;

	xtcp_assert_owned(sk);
	if (!full && (xs->cwnd >= xs->ssthresh || xs->cwnd >= 2 * prior_pipe))
		return;
	if (!acked_segs)
		return;
	xs->congestion->grow(xs, acked_segs);
	if (xs->cwnd > cwnd)
		xtcp_autotune_send(sk);
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

/**
 * xtcp_congestion_avoidance - open the window by one for a number of segments
 * @xs: the connection, locked
 * @per_segment: acknowledged segments that open it by one
 * @segs: segments acknowledged
 */
void xtcp_congestion_avoidance(struct xtcp_sock *xs, u32 per_segment, u32 segs)
{
	u32 more;

	xtcp_assert_owned(&xs->inet.sk);
	xs->cwnd_cnt += segs;
	if (xs->cwnd_cnt < per_segment)
		return;
	more = xs->cwnd_cnt / per_segment;
	xs->cwnd_cnt -= more * per_segment;
	WRITE_ONCE(xs->cwnd, min(xs->cwnd + more,
				 max(xs->cwnd, window_limit(xs))));
}

/*
 * RFC 5681 4.1: an idle connection restarts with the initial window at most. As
 * in Linux the window is halved once for each idle RTO, down to that, and
 * ssthresh keeps at least three quarters of the old window.
 */
static void congestion_restart(struct xtcp_sock *xs, u64 idle_ns)
{
	u64 rto_ns = (u64)xs->rtt.rto_us * NSEC_PER_USEC;
	u32 floor = min(XTCP_INIT_CWND, xs->cwnd);
	u32 cwnd = xs->cwnd;

	if (xs->ssthresh != U32_MAX)
		WRITE_ONCE(xs->ssthresh, max(xs->ssthresh, cwnd / 4 * 3));
	while (idle_ns > rto_ns && cwnd > floor) {
		cwnd >>= 1;
		idle_ns -= rto_ns;
	}
	WRITE_ONCE(xs->cwnd, max(cwnd, floor));
	xs->cwnd_cnt = 0;
}

/**
 * xtcp_congestion_resumed - adjust the window before sending after a pause
 * @sk: the socket, locked, with nothing in flight
 * @now_ns: current time
 */
void xtcp_congestion_resumed(struct sock *sk, u64 now_ns)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 idle_ns, quiet_ns;

	xtcp_assert_owned(sk);
	if (!xs->last_snd_ns)
		return;
	/*
	 * RFC 5681 counts from the last sending, even if that was in flight
	 * meanwhile.
	 */
	idle_ns = now_ns - xs->last_snd_ns;
	quiet_ns = now_ns - xs->last_rcv_ns;
	if (xs->congestion->resumed)
		xs->congestion->resumed(xs, min(idle_ns, quiet_ns));
	if (idle_ns > (u64)xs->rtt.rto_us * NSEC_PER_USEC &&
	    XTCP_KNOB(sock_net(sk), slow_start_after_idle))
		congestion_restart(xs, idle_ns);
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
	WRITE_ONCE(xs->ssthresh, xs->congestion->ssthresh(xs, flight));
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
	WRITE_ONCE(xs->cwnd, xs->ssthresh);
}

/**
 * xtcp_congestion_timed_out - reduce ssthresh for a retransmission timeout
 * @xs: the connection, locked
 */
void xtcp_congestion_timed_out(struct xtcp_sock *xs)
{
	xtcp_congestion_reduce(xs, xs->in_flight);
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

/**
 * xtcp_congestion_resize - count the window in segments of another size
 * @xs: the connection, locked
 * @before: size of a segment up to now, bytes with headers
 * @after: size of a segment from now on
 *
 * The window keeps its bytes.
 */
void xtcp_congestion_resize(struct xtcp_sock *xs, u32 before, u32 after)
{
	u64 bytes = (u64)xs->cwnd * before;

	xtcp_assert_owned(&xs->inet.sk);
	WRITE_ONCE(xs->cwnd, max_t(u32, div_u64(bytes, after), 1));
	xs->cwnd_cnt = 0;
	xtcp_congestion_keep_ssthresh(xs);
}
