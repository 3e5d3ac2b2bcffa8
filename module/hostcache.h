/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hostcache.h - what former connections have learned of each peer, RFC 9040
 */
#ifndef XTCP_HOSTCACHE_H
#define XTCP_HOSTCACHE_H

#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/time64.h>
#include <linux/types.h>
#include <net/dst.h>

#include "fastq.h"
#include "flow.h"

struct net;
struct sock;

/* Chains of a namespace's table. */
#define XTCP_HOSTCACHE_BITS	10
#define XTCP_HOSTCACHE_CHAINS	BIT(XTCP_HOSTCACHE_BITS)

/**
 * struct xtcp_host_metrics - metrics of the path to a peer; 0: unknown
 * @rtt_us: smoothed RTT, microseconds, times 8
 * @rttvar_us: its mean deviation, microseconds, times 4
 * @threshold: slow start threshold, segments
 * @window: congestion window, segments; for display
 * @reordering: reordering metric, segments
 *
 * Read with READ_ONCE() and written with WRITE_ONCE(): two connections that end at once
 * may mix their values, as in Linux.
 */
struct xtcp_host_metrics {
	u32	rtt_us;
	u32	rttvar_us;
	u32	threshold;
	u32	window;
	u32	reordering;
};

/**
 * struct xtcp_host - a peer
 * @node: link in its chain, RCU
 * @rcu: to free it
 * @addrs: both addresses, IPv6
 * @addrs4: both addresses, IPv4
 * @saved: when @metrics were saved last, jiffies
 * @metrics: of the path to it
 * @family: address family
 * @wire: IP protocol number: the peer may have another TCP on the other wire
 * @fast_form: how to ask it for a cookie of fast open; open/fastcache.c
 * @fast_mss: MSS option of its SYN-ACK, bytes; 0: unknown
 * @fast_cookie: cookie of fast open that it gave; length 0: none
 *
 * Addresses, family and wire never change. @fast_* are guarded by the table's lock.
 */
struct xtcp_host {
	struct hlist_node		node;
	struct rcu_head			rcu;
	union {
		struct xtcp_addrs6	addrs;
		u64			addrs4;
	};
	unsigned long			saved;
	struct xtcp_host_metrics	metrics;
	u8				family;
	u8				wire;
	u8				fast_form;
	u16				fast_mss;
	struct xtcp_fastcookie		fast_cookie;
};

/**
 * struct xtcp_hostcache - table of a namespace
 * @multipliers: of the hash, random
 * @chains: entries, RCU
 * @lock: guards writers of @chains, and xtcp_host.fast_*; softirqs off
 */
struct xtcp_hostcache {
	u64			multipliers[2];
	struct hlist_head	chains[XTCP_HOSTCACHE_CHAINS];
	spinlock_t		lock;	/* softirqs off */
};

int xtcp_hostcache_net_init(struct net *net);
void xtcp_hostcache_net_exit(struct net *net);
struct xtcp_host *xtcp_hostcache_find(const struct net *net, const struct xtcp_key *key,
				      const struct dst_entry *dst);
struct xtcp_host *xtcp_hostcache_make(const struct sock *sk, const struct xtcp_key *key,
				      const struct dst_entry *dst);
bool xtcp_hostcache_is_known(const struct net *net, const struct xtcp_key *key);
bool xtcp_hostcache_flush(struct net *net, const struct xtcp_key *remote);

/* A time among a route's metrics, which is in milliseconds: microseconds, at most U32_MAX. */
static inline u32 xtcp_host_route_us(const struct dst_entry *dst, int metric)
{
	return min_t(u64, (u64)dst_metric_raw(dst, metric) * USEC_PER_MSEC, U32_MAX);
}

#endif /* XTCP_HOSTCACHE_H */
