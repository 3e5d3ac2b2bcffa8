// SPDX-License-Identifier: GPL-2.0
/*
 * history.c - what a connection takes from the host cache, and what it leaves there
 *
 * RFC 9040 3 (temporal sharing), with the rules of Linux's tcp_metrics: which metrics are
 * saved, how an old and a new value are combined, and what the next connection does with
 * them. A metric that is locked in the route ("ip route ... rtt lock") is neither saved nor
 * taken from the cache.
 *
 *   metric	taken by the next connection	saved
 *   rtt	for its first RTO		the longer at once, the shorter by an eighth
 *   rttvar	no				the larger at once, the smaller by a quarter
 *   ssthresh	yes (1)				once a connection has had to reduce its window (1)
 *   cwnd	no				always
 *   reordering	yes				if more than before, from a recovery
 *
 * (1) unless xtcp_no_ssthresh_metrics_save is set, as it is by default.
 *
 * Context: socket lock, or the connection is not visible yet.
 */
#include "transfer/history.h"

#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/rtnetlink.h>
#include <linux/xtcp_congestion.h>
#include <net/dst.h>
#include <net/sock.h>

#include "hostcache.h"
#include "netns.h"
#include "tcb.h"
#include "transfer/rtt.h"

/* Context: RCU read-side section. */
static void metrics_read(struct xtcp_host_metrics *known, const struct xtcp_host *host,
			 const struct net *net)
{
	known->rtt_us = READ_ONCE(host->metrics.rtt_us);
	if (!XTCP_KNOB(net, no_ssthresh_metrics_save))
		known->threshold = READ_ONCE(host->metrics.threshold);
	known->reordering = READ_ONCE(host->metrics.reordering);
}

/*
 * A metric that the route locks is not taken from the cache. The route's RTT is taken here, its
 * ssthresh and reordering in congestion.c.
 */
static void metrics_lock(struct xtcp_host_metrics *known, const struct dst_entry *dst, u32 locks)
{
	if (locks & (1 << RTAX_RTT))
		known->rtt_us = xtcp_host_route_us(dst, RTAX_RTT);
	if (locks & (1 << RTAX_SSTHRESH))
		known->threshold = 0;
	if (locks & (1 << RTAX_REORDERING))
		known->reordering = 0;
}

/**
 * xtcp_history_get - look up what a new connection may expect
 * @sk: the socket
 * @known: set to the metrics that it begins with; 0: unknown, or none of the cache's
 */
void xtcp_history_get(struct sock *sk, struct xtcp_host_metrics *known)
{
	const struct dst_entry *dst = rcu_dereference_raw(sk->sk_dst_cache);
	struct xtcp_key key __uninitialized;
	const struct xtcp_host *host;
	u32 locks;

	*known = (struct xtcp_host_metrics){ };
	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	rcu_read_lock();
	host = xtcp_hostcache_find(sock_net(sk), &key, dst);
	if (host)
		metrics_read(known, host, sock_net(sk));
	rcu_read_unlock();
	locks = dst ? dst_metric(dst, RTAX_LOCK) : 0;
	if (unlikely(locks))
		metrics_lock(known, dst, locks);
}

/*
 * Overestimating the RTT is better than underestimating it: a longer one counts at once,
 * a shorter one by an eighth. The deviation is that of the connection, or half of the
 * distance of the two RTTs if that is more.
 */
static void save_rtt(struct xtcp_host_metrics *metrics, const struct xtcp_sock *xs, u32 locks)
{
	u32 old_us = READ_ONCE(metrics->rtt_us), new_us = xs->rtt.srtt_us;
	u32 var_us = READ_ONCE(metrics->rttvar_us), dev_us;

	if (!(locks & (1 << RTAX_RTT)))
		WRITE_ONCE(metrics->rtt_us,
			   new_us >= old_us ? new_us : old_us - ((old_us - new_us) >> 3));
	if (locks & (1 << RTAX_RTTVAR))
		return;
	dev_us = max((new_us >= old_us ? new_us - old_us : old_us - new_us) >> 1,
		     xs->rtt.mdev_us);
	WRITE_ONCE(metrics->rttvar_us,
		   dev_us >= var_us ? dev_us : var_us - ((var_us - dev_us) >> 2));
}

/* Does the window tell of a recent loss? Linux saves reordering only then. */
static bool is_reduced(const struct xtcp_sock *xs)
{
	return xs->ssthresh != U32_MAX &&
	       (xs->cwnd < xs->ssthresh || xs->recovery != XTCP_RECOVERY_NONE);
}

/*
 * What is known of the window depends on the phase. In slow start that no loss has ended
 * yet, the path takes at least half of cwnd. In congestion avoidance cwnd is what the path
 * takes. In between cwnd says nothing, and ssthresh may be too small.
 */
static void save_window(struct xtcp_host_metrics *metrics, const struct xtcp_sock *xs, u32 locks)
{
	u32 threshold = READ_ONCE(metrics->threshold), window = READ_ONCE(metrics->window);
	u32 before = threshold;

	if (xs->ssthresh == U32_MAX) {
		if (threshold)
			threshold = max(threshold, xs->cwnd >> 1);
		window = max(window, xs->cwnd);
	} else if (!is_reduced(xs)) {
		threshold = max(xs->cwnd >> 1, xs->ssthresh);
		window = (window + xs->cwnd) >> 1;
	} else {
		if (threshold)
			threshold = max(threshold, xs->ssthresh);
		window = (window + xs->ssthresh) >> 1;
	}
	if (!(locks & (1 << RTAX_CWND)))
		WRITE_ONCE(metrics->window, window);
	if (threshold != before && !(locks & (1 << RTAX_SSTHRESH)) &&
	    !XTCP_KNOB(sock_net(&xs->inet.sk), no_ssthresh_metrics_save))
		WRITE_ONCE(metrics->threshold, threshold);
}

static void save_reordering(struct xtcp_host_metrics *metrics, const struct xtcp_sock *xs,
			    u32 locks)
{
	if (READ_ONCE(metrics->reordering) < xs->reordering &&
	    xs->reordering != XTCP_KNOB(sock_net(&xs->inet.sk), reordering) &&
	    !(locks & (1 << RTAX_REORDERING)))
		WRITE_ONCE(metrics->reordering, xs->reordering);
}

/* Is there an RTT, and one that is newer than the last timeout? */
static bool has_measured(const struct xtcp_sock *xs)
{
	return xs->rtt.srtt_us && xs->rtt.rto_us <= xtcp_rtt_rto_us(xs);
}

/**
 * xtcp_history_save - a connection ends in order: keep its metrics
 * @sk: the socket, locked, which enters TIME-WAIT, becomes a FIN-WAIT-2 record, or leaves
 *	LAST-ACK
 */
void xtcp_history_save(struct sock *sk)
{
	const struct dst_entry *dst = rcu_dereference_raw(sk->sk_dst_cache);
	struct xtcp_key key __uninitialized;
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_host *host;
	u32 locks;

	xtcp_assert_owned(sk);
	/* A delay that the program asks for is in its RTT, but not in that of others. */
	if (XTCP_KNOB(sock_net(sk), no_metrics_save) || !dst ||
	    XTCP_SOCKOPT_RARE(xs, tx_delay_us))
		return;
	locks = dst_metric(dst, RTAX_LOCK);
	xtcp_key_from_flow(&key, &xs->flow);
	rcu_read_lock();
	if (unlikely(!has_measured(xs))) {
		/* Perhaps because nothing came back in time: the old RTT is of no use. */
		host = xtcp_hostcache_find(sock_net(sk), &key, dst);
		if (host && !(locks & (1 << RTAX_RTT)))
			WRITE_ONCE(host->metrics.rtt_us, 0);
	} else {
		host = xtcp_hostcache_make(sk, &key, dst);
		if (host) {
			save_rtt(&host->metrics, xs, locks);
			save_window(&host->metrics, xs, locks);
			if (is_reduced(xs))
				save_reordering(&host->metrics, xs, locks);
			WRITE_ONCE(host->saved, jiffies);
		}
	}
	rcu_read_unlock();
}
