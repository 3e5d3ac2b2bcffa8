// SPDX-License-Identifier: GPL-2.0
/*
 * hostcache.c - the host cache: what former connections have learned of each peer
 *
 * RFC 9040 3 (temporal sharing). An entry belongs to a pair of addresses and a wire, as
 * an entry of Linux's tcp_metrics does, but for the wire. It has the path's metrics
 * (transfer/history.c uses and saves them) and the peer's cookie of fast open
 * (open/fastcache.c). /proc/net/xtcp_hostcache shows and flushes it (user/hosts.c).
 *
 * The memory is bounded, whatever peers do: in a full chain a new entry replaces the entry
 * that was saved the longest time ago. The hash is keyed, so that nobody can choose which
 * entry is replaced. Only a connection that has ended in order, or our own connect() with
 * fast open, makes an entry.
 *
 * Life cycle of an entry: xtcp_hostcache_make() adds it to its chain; it leaves the chain
 * under the lock, by replacement, xtcp_hostcache_flush() or with the namespace, and is
 * freed after a grace period. Readers are in an RCU read-side section and take no lock.
 *
 * Context: any.
 */
#include "hostcache.h"

#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/rtnetlink.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/dst.h>
#include <net/sock.h>

#include "compat.h"
#include "lockname.h"
#include "net/family.h"
#include "netns.h"

/* Entries in a chain, at most. */
#define CHAIN_MAX	6

/* Metrics that were not saved for so long are not used; as in Linux. */
#define TIMEOUT		(60 * 60 * HZ)

static_assert(sizeof(struct xtcp_host) <= 128);

static bool host_is_expired(const struct xtcp_host *host)
{
	return time_after(jiffies, READ_ONCE(host->saved) + TIMEOUT);
}

/**
 * xtcp_hostcache_net_init - create the table of a namespace
 * @net: namespace
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int xtcp_hostcache_net_init(struct net *net)
{
	struct xtcp_hostcache *cache = kvzalloc(sizeof(*cache), GFP_KERNEL_ACCOUNT);

	if (!cache)
		return -ENOMEM;
	spin_lock_init(&cache->lock);
	xtcp_lock_name(&cache->lock, "xtcp_hostcache");
	get_random_bytes(cache->multipliers, sizeof(cache->multipliers));
	xtcp_net(net)->hostcache = cache;
	return 0;
}

/* Context: @cache->lock. */
static void host_drop(struct xtcp_host *host)
{
	hlist_del_rcu(&host->node);
	kfree_rcu(host, rcu);
}

/**
 * xtcp_hostcache_net_exit - free the table of a namespace
 * @net: namespace without sockets
 */
void xtcp_hostcache_net_exit(struct net *net)
{
	xtcp_hostcache_flush(net, NULL);
	kvfree(xtcp_net(net)->hostcache);
}

static bool host_is(const struct xtcp_host *host, const struct xtcp_key *key)
{
	if (host->family != key->family || host->wire != key->wire)
		return false;
	if (!xtcp_family_is_ipv6(key->family))
		return host->addrs4 == key->addrs;
	return ipv6_addr_equal(&host->addrs.raddr, &key->v6.raddr) &&
	       ipv6_addr_equal(&host->addrs.laddr, &key->v6.laddr);
}

static bool host_is_remote(const struct xtcp_host *host, const struct xtcp_key *key)
{
	struct xtcp_key own = { .addrs = host->addrs4 };

	if (host->family != key->family)
		return false;
	if (!xtcp_family_is_ipv6(key->family))
		return own.raddr == key->raddr;
	return ipv6_addr_equal(&host->addrs.raddr, &key->v6.raddr);
}

/*
 * Multiply-shift: two pairs of addresses collide as often as two random numbers. Digests
 * of IPv6 addresses have a key of their own.
 */
static struct hlist_head *chain_of(struct xtcp_hostcache *cache, const struct xtcp_key *key)
{
	u64 sum = cache->multipliers[0] * (__force u32)key->laddr +
		  cache->multipliers[1] * (__force u32)key->raddr;

	return &cache->chains[sum >> (64 - XTCP_HOSTCACHE_BITS)];
}

/* Context: RCU read-side section. */
static struct xtcp_host *chain_find(struct hlist_head *chain, const struct xtcp_key *key)
{
	struct xtcp_host *host;

	hlist_for_each_entry_rcu(host, chain, node)
		if (host_is(host, key))
			return host;
	return NULL;
}

/*
 * Begin with what the administrator has written into the route, "ip route ... rtt", which
 * is in milliseconds; as in Linux.
 */
static void metrics_begin(struct xtcp_host *host, const struct dst_entry *dst)
{
	struct xtcp_host_metrics *metrics = &host->metrics;

	WRITE_ONCE(host->saved, jiffies);
	WRITE_ONCE(metrics->rtt_us, dst ? xtcp_host_route_us(dst, RTAX_RTT) : 0);
	WRITE_ONCE(metrics->rttvar_us, dst ? xtcp_host_route_us(dst, RTAX_RTTVAR) : 0);
	WRITE_ONCE(metrics->threshold, dst ? dst_metric_raw(dst, RTAX_SSTHRESH) : 0);
	WRITE_ONCE(metrics->window, dst ? dst_metric_raw(dst, RTAX_CWND) : 0);
	WRITE_ONCE(metrics->reordering, dst ? dst_metric_raw(dst, RTAX_REORDERING) : 0);
}

/**
 * xtcp_hostcache_find - look up a peer
 * @net: namespace that has had a socket
 * @key: connection
 * @dst: route; the metrics of an entry that has expired begin anew with the route's. NULL:
 *	there is none
 *
 * Context: RCU read-side section.
 * Return: the entry, or NULL.
 */
struct xtcp_host *xtcp_hostcache_find(const struct net *net, const struct xtcp_key *key,
				      const struct dst_entry *dst)
{
	struct xtcp_hostcache *cache = xtcp_net_rcu(net)->hostcache;
	struct xtcp_host *host = chain_find(chain_of(cache, key), key);

	if (host && unlikely(host_is_expired(host)))
		metrics_begin(host, dst);
	return host;
}

/* The entry belongs to the memory cgroup of the socket, whoever runs in this softirq. */
static struct xtcp_host *host_new(const struct sock *sk, const struct xtcp_key *key,
				  const struct dst_entry *dst)
{
	struct mem_cgroup *before = xtcp_memcg_enter(sk);
	struct xtcp_host *host;

	host = kzalloc(sizeof(*host), GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN);
	xtcp_memcg_leave(before);
	if (!host)
		return NULL;
	host->family = key->family;
	host->wire = key->wire;
	if (xtcp_family_is_ipv6(key->family))
		host->addrs = key->v6;
	else
		host->addrs4 = key->addrs;
	metrics_begin(host, dst);
	return host;
}

/*
 * Keep a chain short. The youngest entry is its first one: of those that were saved in the same
 * tick the last one goes. Context: lock of its table.
 */
static void chain_make_room(struct hlist_head *chain)
{
	struct xtcp_host *host, *oldest = NULL;
	unsigned int nr = 0;

	hlist_for_each_entry(host, chain, node) {
		nr++;
		if (!oldest || !time_after(READ_ONCE(host->saved), READ_ONCE(oldest->saved)))
			oldest = host;
	}
	if (nr >= CHAIN_MAX)
		host_drop(oldest);
}

/**
 * xtcp_hostcache_make - look up a peer, or add it
 * @sk: the socket, locked
 * @key: its connection
 * @dst: as in xtcp_hostcache_find()
 *
 * Context: RCU read-side section.
 * Return: the entry; NULL: there is no memory.
 */
struct xtcp_host *xtcp_hostcache_make(const struct sock *sk, const struct xtcp_key *key,
				      const struct dst_entry *dst)
{
	struct net *net = sock_net(sk);
	struct xtcp_hostcache *cache = xtcp_net_rcu(net)->hostcache;
	struct xtcp_host *host = xtcp_hostcache_find(net, key, dst), *new;
	struct hlist_head *chain;

	if (likely(host))
		return host;
	new = host_new(sk, key, dst);
	if (!new)
		return NULL;
	chain = chain_of(cache, key);
	spin_lock_bh(&cache->lock);
	/* Another connection may have added it. */
	host = chain_find(chain, key);
	if (!host) {
		chain_make_room(chain);
		hlist_add_head_rcu(&new->node, chain);
	}
	spin_unlock_bh(&cache->lock);
	if (host)
		kfree(new);
	return host ?: new;
}

/**
 * xtcp_hostcache_is_known - is the RTT of an earlier connection with a peer known
 * @net: namespace that has had a socket
 * @key: connection
 *
 * Context: RCU read-side section.
 * Return: true if its RTT is known.
 */
bool xtcp_hostcache_is_known(const struct net *net, const struct xtcp_key *key)
{
	const struct xtcp_host *host = chain_find(chain_of(xtcp_net_rcu(net)->hostcache, key),
						  key);

	return host && !host_is_expired(host) && READ_ONCE(host->metrics.rtt_us);
}

/**
 * xtcp_hostcache_flush - forget peers
 * @net: namespace that has had a socket
 * @remote: the peer, on both wires and for all local addresses: only family and remote
 *	address are read; NULL: all
 *
 * Return: true if there was one.
 */
bool xtcp_hostcache_flush(struct net *net, const struct xtcp_key *remote)
{
	struct xtcp_hostcache *cache = xtcp_net(net)->hostcache;
	struct hlist_node *next;
	struct xtcp_host *host;
	bool found = false;
	unsigned int i;

	for (i = 0; i < XTCP_HOSTCACHE_CHAINS; i++) {
		if (hlist_empty(&cache->chains[i]))
			continue;
		spin_lock_bh(&cache->lock);
		hlist_for_each_entry_safe(host, next, &cache->chains[i], node) {
			if (remote && !host_is_remote(host, remote))
				continue;
			host_drop(host);
			found = true;
		}
		spin_unlock_bh(&cache->lock);
	}
	return found;
}
