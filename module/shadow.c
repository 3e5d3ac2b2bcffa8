// SPDX-License-Identifier: GPL-2.0
/*
 * shadow.c - hold ports of the TCP wire in the kernel's bind table, too
 *
 * On the TCP wire both stacks share one port space. For a port that an xtcp
 * socket has, the kernel's bind table has a shadow. To the kernel's bind(),
 * listen() and connect() a shadow is a TIME-WAIT socket of the kernel's TCP, so
 * the stack that comes second gets EADDRINUSE. A shadow is in no other table, so
 * no segment can find it.
 *
 * A shadow costs 64 bytes (IPv6: 88) beside the two buckets that the kernel
 * allocates for a port. Code that walks the bind table reads only the first
 * fields of a TIME-WAIT socket: addresses, family, state, options, device and
 * links. A shadow has these and ends there (XTCP_BIND_ENTRY_LEN in compat.h: on some
 * kernels the walkers read more).
 *
 * The kernel's functions that take and release a port need a whole socket. Each
 * CPU has one, the proxy. It takes the port by the kernel's rules, then the
 * shadow replaces it in the table. To release the port, the proxy replaces the
 * shadow and is then unbound. Both happen at once and do not sleep, so there is
 * no work left for later.
 *
 * SO_REUSEADDR is copied: it has the same effect between bound sockets of two
 * stacks as between those of one. A shadow has it while all of its buckets do, so
 * that it follows a socket that sets or clears the option later. A listener shares
 * its port with nobody, so its shadow has no SO_REUSEADDR while it listens. For a port that
 * xtcp chooses itself (bind() to port 0) the kernel is asked without SO_REUSEADDR, and the shadow
 * gets the option once it has the port.
 * SO_REUSEPORT is not copied, because listeners of two stacks cannot share segments.
 * Shadows do not conflict with each other: port/conflict.c has judged their owners.
 *
 * A shadow has no reference to its namespace: port buckets hold the shadows, and
 * none is left when the namespace exits.
 *
 * Context: the lock of the port's chain (port/bucket.c), which guards the shadow
 * and turns softirqs off. A local lock guards the CPU's proxy: with PREEMPT_RT softirqs that
 * are off do not exclude other users on this CPU. The locks of the
 * kernel's bind table are taken under both. xtcp_shadow_prepare() and the functions
 * for namespaces: process.
 */
#include "shadow.h"

#include <linux/err.h>
#include <linux/ipv6.h>
#include <linux/local_lock.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/addrconf.h>
#include <net/inet_connection_sock.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/transp_v6.h>

#include "compat.h"
#include "net/hook.h"
#include "netns.h"

/**
 * struct xtcp_shadow - a shadow: the first fields of a TIME-WAIT socket
 * @ref: references of port buckets; in place of the peer's address
 * @laddr: see shadow_sk(), as are all fields without a description of their own
 * @listeners: xtcp sockets that listen on the port; in place of the hash
 * @plain: port buckets without SO_REUSEADDR; at %PLAIN_MAX it is not counted any
 *	more; with @was_shared in place of the peer's port
 * @was_shared: it had SO_REUSEADDR at some time: the kernel's TCP may have the port,
 *	too
 * @num: port
 * @common: the rest of what the two IP versions have in common
 * @bucket: the kernel's bucket for port and address; in place of the peer's IPv6
 *	address
 *
 * Walkers compare none of the fields that we use for ourselves: the entries of a
 * bucket differ in local addresses and options only. A shadow at an IPv6 address
 * is longer, by all up to that address.
 */
struct xtcp_shadow {
	u32			ref;
	__be32			laddr;
	u32			listeners;
	u16			plain:15,
				was_shared:1;
	u16			num;
	u8			common[offsetofend(struct sock_common, skc_net) -
				       offsetofend(struct sock_common,
						   skc_portpair)];
	struct inet_bind2_bucket *bucket;
};

static_assert(offsetof(struct xtcp_shadow, ref) ==
	      offsetof(struct sock_common, skc_daddr));
static_assert(offsetof(struct xtcp_shadow, laddr) ==
	      offsetof(struct sock_common, skc_rcv_saddr));
static_assert(offsetof(struct xtcp_shadow, listeners) ==
	      offsetof(struct sock_common, skc_hash));
static_assert(offsetof(struct xtcp_shadow, num) ==
	      offsetof(struct sock_common, skc_num));
static_assert(offsetof(struct xtcp_shadow, bucket) ==
	      offsetofend(struct sock_common, skc_net));

#define PLAIN_MAX	((1 << 15) - 1)

/**
 * struct xtcp_proxy - the socket of a CPU that binds and unbinds for shadows
 * @lock: guards @tp; a real lock with PREEMPT_RT only, elsewhere softirqs are off
 * @tp: never a socket of a program
 */
struct xtcp_proxy {
	local_lock_t	lock;
	struct tcp_sock	tp;
};

static struct xtcp_proxy __percpu *proxies __ro_after_init;

static struct kmem_cache *shadow_cache __ro_after_init;
static struct kmem_cache *shadow6_cache __ro_after_init;

/* Marks shadows and proxies in the bind table. Has nothing, not even a hash table. */
static struct proto shadow_prot = {
	.name	= "XTCP-PORT",
};

/* A shadow as the kernel's TCP sees it: only the fields that it has exist. */
static struct sock *shadow_sk(const struct xtcp_shadow *shadow)
{
	return (struct sock *)shadow;
}

/* Do all of its buckets have SO_REUSEADDR? */
static bool shadow_is_shared(const struct xtcp_shadow *shadow)
{
	return shadow->was_shared && !shadow->plain;
}

static struct net *shadow_net(const struct xtcp_shadow *shadow)
{
	return sock_net(shadow_sk(shadow));
}

#define SHADOW_LEN							\
	max_t(size_t, XTCP_BIND_ENTRY_LEN, sizeof(struct xtcp_shadow))

#if IS_ENABLED(CONFIG_IPV6)
static_assert(offsetofend(struct xtcp_shadow, bucket) <=
	      offsetof(struct sock_common, skc_v6_rcv_saddr));
#define SHADOW6_LEN							\
	max_t(size_t, XTCP_BIND_ENTRY_LEN,				\
	      offsetofend(struct sock_common, skc_v6_rcv_saddr))

/* An IPv6 socket at any address conflicts with IPv4, unless it is IPv6 only. */
static void sk_place6(struct sock *sk, const struct xtcp_shadow_place *place)
{
	sk->sk_family = AF_INET6;
	sk->sk_ipv6only = place->family == AF_INET6;
	sk->sk_v6_rcv_saddr = sk->sk_ipv6only ? place->laddr6 : in6addr_any;
	sk->sk_rcv_saddr = ipv6_addr_any(&sk->sk_v6_rcv_saddr) ?
			   0 : LOOPBACK4_IPV6;
}

static bool shadow_is_at6(const struct sock *sk, const struct in6_addr *laddr)
{
	return sk->sk_family != AF_INET6 || ipv6_addr_any(&sk->sk_v6_rcv_saddr) ||
	       ipv6_addr_equal(&sk->sk_v6_rcv_saddr, laddr);
}

/* Addresses of @to become those of @from. */
static void sk_copy_place(struct sock *to, const struct sock *from)
{
	to->sk_family = from->sk_family;
	to->sk_rcv_saddr = from->sk_rcv_saddr;
	to->sk_ipv6only = from->sk_ipv6only;
	if (from->sk_family == AF_INET6)
		to->sk_v6_rcv_saddr = from->sk_v6_rcv_saddr;
}
#else
#define SHADOW6_LEN	SHADOW_LEN

static void sk_place6(struct sock *sk, const struct xtcp_shadow_place *place)
{
	sk->sk_family = AF_INET;
	sk->sk_rcv_saddr = 0;
}

static bool shadow_is_at6(const struct sock *sk, const struct in6_addr *laddr)
{
	return true;
}

static void sk_copy_place(struct sock *to, const struct sock *from)
{
	to->sk_family = from->sk_family;
	to->sk_rcv_saddr = from->sk_rcv_saddr;
}
#endif

static struct kmem_cache *shadow_cache_of(u16 family)
{
	return family == AF_INET ? shadow_cache : shadow6_cache;
}

static struct xtcp_shadow *shadow_alloc(struct net *net,
					const struct xtcp_shadow_place *place)
{
	bool shared = place->reuse && !place->alone;
	struct xtcp_shadow *shadow;
	struct sock *sk;

	shadow = kmem_cache_zalloc(shadow_cache_of(place->family),
				   GFP_ATOMIC | __GFP_NOWARN);
	if (!shadow)
		return NULL;
	shadow->ref = 1;
	shadow->was_shared = shared;
	shadow->num = place->num;
	sk = shadow_sk(shadow);
	sock_net_set(sk, net);
	sk->sk_prot = &shadow_prot;
	sk->sk_state = TCP_TIME_WAIT;
	sk->sk_reuse = shared ? SK_CAN_REUSE : SK_NO_REUSE;
	sk->sk_bound_dev_if = place->ifindex;
	if (place->family == AF_INET) {
		sk->sk_family = AF_INET;
		sk->sk_rcv_saddr = place->laddr;
	} else {
		sk_place6(sk, place);
	}
	return shadow;
}

static void shadow_free(struct xtcp_shadow *shadow)
{
	kmem_cache_free(shadow_cache_of(shadow_sk(shadow)->sk_family), shadow);
}

/*
 * Get this CPU's proxy, with the address, device and options of a shadow. Walkers
 * see it in the table for a moment. Its state is not CLOSE, because dumps show sockets in
 * CLOSE. Ends with proxy_put().
 */
static struct sock *proxy_get(const struct xtcp_shadow *shadow)
{
	const struct sock *from = shadow_sk(shadow);
	struct sock *sk;

	local_lock_nested_bh(&proxies->lock);
	sk = (struct sock *)this_cpu_ptr(&proxies->tp);

	sock_net_set(sk, shadow_net(shadow));
	sk_copy_place(sk, from);
	sk->sk_reuse = from->sk_reuse;
	sk->sk_bound_dev_if = from->sk_bound_dev_if;
	return sk;
}

static void proxy_put(void)
{
	local_unlock_nested_bh(&proxies->lock);
}

/* The two chains of the kernel's bind table that a shadow is in: by port; by address and port. */
static struct inet_bind_hashbucket *bind_chain(const struct xtcp_shadow *shadow)
{
	struct net *net = shadow_net(shadow);
	struct inet_hashinfo *table = net->ipv4.tcp_death_row.hashinfo;

	return &table->bhash[inet_bhashfn(net, shadow->num, table->bhash_size)];
}

static struct inet_bind_hashbucket *
bind_chain_addr(const struct xtcp_shadow *shadow)
{
	struct net *net = shadow_net(shadow);

	return inet_bhashfn_portaddr(net->ipv4.tcp_death_row.hashinfo,
				     shadow_sk(shadow), net, shadow->num);
}

/* The chain of the second table with those that are bound to any address, of either family. */
static struct inet_bind_hashbucket *bind_chain_any(const struct xtcp_shadow *shadow)
{
	struct net *net = shadow_net(shadow);
	struct inet_hashinfo *table = net->ipv4.tcp_death_row.hashinfo;

	return &table->bhash2[ipv4_portaddr_hash(net, 0, shadow->num) &
			      (table->bhash_size - 1)];
}

/* The kernel's bucket of a port; NULL if there is none. @chain is locked. */
static struct inet_bind_bucket *
shadow_bind_bucket(struct inet_bind_hashbucket *chain,
		   const struct xtcp_shadow *shadow, int l3mdev)
{
	struct inet_bind_bucket *tb;

	inet_bind_bucket_for_each(tb, &chain->chain)
		if (tb->port == shadow->num && tb->l3mdev == l3mdev &&
		    net_eq(ib_net(tb), shadow_net(shadow)))
			return tb;
	return NULL;
}

/* Devices of two sockets of one bucket: they are in one VRF, or in none. */
static bool devices_overlap(const struct sock *a, const struct sock *b)
{
	int dev_a = a->sk_bound_dev_if;
	int dev_b = READ_ONCE(b->sk_bound_dev_if);

	return !dev_a || !dev_b || dev_a == dev_b;
}

/* Is @other bound to an address that the shadow is not at? */
static bool sock_is_elsewhere(const struct sock *other, const void *arg)
{
	const struct sock *sk = shadow_sk(arg);

	if (other->sk_family != sk->sk_family)
		return false;
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6)
		return !ipv6_addr_any(&sk->sk_v6_rcv_saddr) &&
		       !ipv6_addr_any(&other->sk_v6_rcv_saddr) &&
		       !ipv6_addr_equal(&sk->sk_v6_rcv_saddr,
					&other->sk_v6_rcv_saddr);
#endif
	return sk->sk_rcv_saddr && other->sk_rcv_saddr &&
	       sk->sk_rcv_saddr != other->sk_rcv_saddr;
}

/*
 * Does @other conflict with the shadow, by the kernel's rules? Other shadows never do, nor
 * does a socket of the kernel's TCP that shares its port with it.
 */
static bool sock_conflicts(const struct sock *other, const void *arg)
{
	const struct xtcp_shadow *shadow = arg;
	const struct sock *sk = shadow_sk(shadow);

	if (other->sk_prot == &shadow_prot ||
	    (shadow_is_shared(shadow) && other->sk_reuse &&
	     other->sk_state != TCP_LISTEN))
		return false;
	return devices_overlap(sk, other) &&
	       xtcp_kernel_saddr_equal(sk, other);
}

/*
 * The same for any socket of a port; its chain is locked. As in the kernel, a shadow at one
 * address does not look at those at others, of which there may be any number.
 */
static bool bucket_conflicts(const struct inet_bind_bucket *tb,
			     const struct xtcp_shadow *shadow)
{
	struct inet_bind_hashbucket *at[] = {
		bind_chain_addr(shadow), bind_chain_any(shadow),
	};
	bool is_anywhere = !shadow_sk(shadow)->sk_rcv_saddr;

	return xtcp_bind_any(tb, is_anywhere ? NULL : at, sock_is_elsewhere, sock_conflicts,
			     shadow);
}

static bool shadow_conflicts(const struct xtcp_shadow *shadow, int l3mdev)
{
	struct inet_bind_hashbucket *chain = bind_chain(shadow);
	struct inet_bind_bucket *tb;
	bool conflicts;

	spin_lock(&chain->lock);
	tb = shadow_bind_bucket(chain, shadow, l3mdev);
	conflicts = tb && bucket_conflicts(tb, shadow);
	spin_unlock(&chain->lock);
	return conflicts;
}

/*
 * Bind the proxy. If the kernel refuses, that may be because of other shadows
 * only. Then the port is taken by force; *@forced is set, as a socket of the
 * kernel's TCP may have come in between.
 */
static int proxy_bind(struct sock *proxy, const struct xtcp_shadow *shadow,
		      bool *forced)
{
	if (likely(!inet_csk_get_port(proxy, shadow->num)))
		return 0;
	if (shadow_conflicts(shadow, inet_sk_bound_l3mdev(proxy)))
		return -EADDRINUSE;
	*forced = true;
	proxy->sk_reuse = SK_FORCE_REUSE;
	return inet_csk_get_port(proxy, shadow->num) ? -ENOMEM : 0;
}

/* Let the shadow replace the proxy in the table. From now on @reuse is its SO_REUSEADDR. */
static int shadow_link(struct xtcp_shadow *shadow, struct sock *proxy,
		       bool check, bool reuse)
{
	struct inet_bind_hashbucket *chain2 = bind_chain_addr(shadow);
	struct inet_bind_hashbucket *chain = bind_chain(shadow);
	struct inet_connection_sock *icsk = inet_csk(proxy);
	struct inet_bind_bucket *tb = icsk->icsk_bind_hash;

	spin_lock(&chain->lock);
	if (unlikely(check && bucket_conflicts(tb, shadow))) {
		spin_unlock(&chain->lock);
		xtcp_kernel_put_port(proxy);
		return -EADDRINUSE;
	}
	shadow->bucket = icsk->icsk_bind2_hash;
	spin_lock(&chain2->lock);
	xtcp_bind_sock_del(proxy);
	xtcp_bind_timewait_add(shadow_sk(shadow), tb, shadow->bucket);
	spin_unlock(&chain2->lock);
	/* The kernel's bind() does this, but not for a socket with SK_FORCE_REUSE. */
	if (!shadow->was_shared)
		tb->fastreuse = 0;
	if (reuse) {
		shadow->was_shared = 1;
		shadow_sk(shadow)->sk_reuse = SK_CAN_REUSE;
	}
	spin_unlock(&chain->lock);
	icsk->icsk_bind_hash = NULL;
	icsk->icsk_bind2_hash = NULL;
	return 0;
}

/* Let the proxy replace the shadow, and unbind it. */
static void shadow_unlink(struct xtcp_shadow *shadow)
{
	struct inet_bind_hashbucket *chain2 = bind_chain_addr(shadow);
	struct inet_bind_hashbucket *chain = bind_chain(shadow);
	struct inet_bind2_bucket *tb2 = shadow->bucket;
	struct sock *proxy = proxy_get(shadow);
	struct inet_bind_bucket *tb;

	spin_lock(&chain->lock);
	tb = shadow_bind_bucket(chain, shadow, tb2->l3mdev);
	spin_lock(&chain2->lock);
	xtcp_bind_timewait_del(shadow_sk(shadow));
	xtcp_bind_sock_add(proxy, tb, tb2);
	spin_unlock(&chain2->lock);
	spin_unlock(&chain->lock);
	inet_csk(proxy)->icsk_bind_hash = tb;
	inet_csk(proxy)->icsk_bind2_hash = tb2;
	inet_sk(proxy)->inet_num = shadow->num;
	xtcp_kernel_put_port(proxy);
	proxy_put();
}

/**
 * xtcp_shadow_prepare - make a namespace ready for its first shadow
 * @net: namespace
 *
 * The first one needs the hook, which stays until the namespace ends:
 * unregistering a hook flushes the namespace's queues to user space (NFQUEUE), and
 * unprivileged programs could cause that by bind() and close().
 *
 * Context: process, may sleep.
 * Return: 0 or -errno.
 */
int xtcp_shadow_prepare(struct net *net)
{
	struct xtcp_shadows *all = xtcp_net(net)->shadows;
	int err = 0;

	if (likely(READ_ONCE(all->hooked)))
		return 0;
	mutex_lock(&all->lock);
	if (all->closed)
		err = -ENETDOWN;
	else if (!all->hooked)
		err = xtcp_hook_add(net);
	if (!err)
		WRITE_ONCE(all->hooked, true);
	mutex_unlock(&all->lock);
	return err;
}

/**
 * xtcp_shadow_open - create a shadow
 * @net: namespace, prepared
 * @place: bind-table entry
 *
 * Context: chain lock of the port.
 * Return: a shadow with one reference; ERR_PTR: -EADDRINUSE if the kernel's rules
 * forbid it, -ENOMEM.
 */
struct xtcp_shadow *xtcp_shadow_open(struct net *net,
				     const struct xtcp_shadow_place *place)
{
	struct xtcp_shadow *shadow = shadow_alloc(net, place);
	bool forced = false;
	struct sock *proxy;
	int err;

	if (!shadow)
		return ERR_PTR(-ENOMEM);
	proxy = proxy_get(shadow);
	err = proxy_bind(proxy, shadow, &forced);
	if (!err)
		err = shadow_link(shadow, proxy, forced, place->reuse);
	proxy_put();
	if (!err)
		return shadow;
	shadow_free(shadow);
	return ERR_PTR(err);
}

/**
 * xtcp_shadow_get - take a reference for a port bucket
 * @shadow: referenced by the caller, or NULL
 *
 * Context: chain lock of the port.
 * Return: @shadow.
 */
struct xtcp_shadow *xtcp_shadow_get(struct xtcp_shadow *shadow)
{
	if (shadow)
		shadow->ref++;
	return shadow;
}

/**
 * xtcp_shadow_put - drop a port bucket's reference
 * @shadow: not to be used afterwards; may be NULL
 *
 * The last one frees the port for the kernel's TCP.
 *
 * Context: chain lock of the port.
 */
void xtcp_shadow_put(struct xtcp_shadow *shadow)
{
	if (!shadow || --shadow->ref)
		return;
	shadow_unlink(shadow);
	shadow_free(shadow);
}

/**
 * xtcp_shadow_covers6 - does a shadow hold its port at an IPv6 address
 * @shadow: of a bucket that was found by the digest of this address
 * @laddr: the address
 *
 * The digest may be that of another address, which somebody has searched for.
 *
 * Return: true if it is the shadow's address, or if the shadow is at the wildcard.
 */
bool xtcp_shadow_covers6(const struct xtcp_shadow *shadow, const struct in6_addr *laddr)
{
	return shadow_is_at6(shadow_sk(shadow), laddr);
}

/**
 * xtcp_shadow_excludes - can't the kernel's TCP have connections at the port
 * @shadow: referenced by the caller
 *
 * Return: true if no socket of the kernel's TCP can share the port at the
 * shadow's address, nor could before.
 */
bool xtcp_shadow_excludes(const struct xtcp_shadow *shadow)
{
	return !shadow->was_shared && !shadow_sk(shadow)->sk_bound_dev_if;
}

/*
 * Copy SO_REUSEADDR to the table. Without it, bind() and listen() of the kernel's TCP
 * must look at each entry. The port's chain of the kernel is locked.
 */
static void shadow_show(struct xtcp_shadow *shadow, struct inet_bind_bucket *tb)
{
	if (shadow_is_shared(shadow) && !shadow->listeners) {
		shadow_sk(shadow)->sk_reuse = SK_CAN_REUSE;
		return;
	}
	shadow_sk(shadow)->sk_reuse = SK_NO_REUSE;
	tb->fastreuse = 0;
	tb->fastreuseport = 0;
}

static void shadow_changed(struct xtcp_shadow *shadow)
{
	struct inet_bind_hashbucket *chain = bind_chain(shadow);

	spin_lock(&chain->lock);
	shadow_show(shadow, shadow_bind_bucket(chain, shadow, shadow->bucket->l3mdev));
	spin_unlock(&chain->lock);
}

/**
 * xtcp_shadow_hold - a port bucket has got a shadow
 * @shadow: shadow; the reference is the bucket's
 * @reuse: the bucket's sockets have SO_REUSEADDR
 *
 * Context: chain lock of the port.
 */
void xtcp_shadow_hold(struct xtcp_shadow *shadow, bool reuse)
{
	if (reuse || shadow->plain == PLAIN_MAX)
		return;
	if (!shadow->plain++ && shadow->was_shared)
		shadow_changed(shadow);
}

/**
 * xtcp_shadow_drop - undo xtcp_shadow_hold(), and drop the bucket's reference
 * @shadow: not to be used afterwards; may be NULL
 * @reuse: as it was for xtcp_shadow_hold()
 *
 * If all buckets that are left have SO_REUSEADDR, so has the shadow.
 *
 * Context: chain lock of the port.
 */
void xtcp_shadow_drop(struct xtcp_shadow *shadow, bool reuse)
{
	if (shadow && !reuse && shadow->plain != PLAIN_MAX &&
	    !--shadow->plain && shadow->ref > 1) {
		shadow->was_shared = 1;
		shadow_changed(shadow);
	}
	xtcp_shadow_put(shadow);
}

/**
 * xtcp_shadow_listen - a socket of xtcp begins to listen at a shadow's port
 * @shadow: referenced by the caller
 *
 * Context: chain lock of the port.
 * Return: 0; -EADDRINUSE if the kernel's rules forbid it.
 */
int xtcp_shadow_listen(struct xtcp_shadow *shadow)
{
	struct inet_bind_hashbucket *chain = bind_chain(shadow);
	struct inet_bind_bucket *tb;
	int err = 0;

	if (shadow->listeners++ || !shadow->was_shared)
		return 0;
	spin_lock(&chain->lock);
	tb = shadow_bind_bucket(chain, shadow, shadow->bucket->l3mdev);
	if (bucket_conflicts(tb, shadow)) {
		shadow->listeners--;
		err = -EADDRINUSE;
	} else {
		shadow_show(shadow, tb);
	}
	spin_unlock(&chain->lock);
	return err;
}

/**
 * xtcp_shadow_unlisten - undo xtcp_shadow_listen()
 * @shadow: referenced by the caller; keeps its port
 *
 * Context: chain lock of the port.
 */
void xtcp_shadow_unlisten(struct xtcp_shadow *shadow)
{
	if (!--shadow->listeners && shadow->was_shared)
		shadow_changed(shadow);
}

static struct kmem_cache *shadow_cache_create(const char *name, size_t size)
{
	return kmem_cache_create(name, size, 0, SLAB_ACCOUNT | SLAB_NO_MERGE,
				 NULL);
}

/* No more than bind() and its like need: nothing else is done with the proxy. */
static void proxy_init(struct xtcp_proxy *proxy)
{
	struct sock *sk = (struct sock *)&proxy->tp;

	local_lock_init(&proxy->lock);
	rwlock_init(&sk->sk_callback_lock);
	sk->sk_prot = &shadow_prot;
	sk->sk_state = TCP_SYN_SENT;
}

/**
 * xtcp_shadow_init - create the proxies and the caches of shadows
 *
 * Return: 0 or -ENOMEM.
 */
int __init xtcp_shadow_init(void)
{
	int cpu;

	proxies = alloc_percpu(struct xtcp_proxy);
	shadow_cache = shadow_cache_create("xtcp_shadow",
					   SHADOW_LEN);
	shadow6_cache = shadow_cache_create("xtcp_shadow6", SHADOW6_LEN);
	if (!proxies || !shadow_cache || !shadow6_cache) {
		xtcp_shadow_exit();
		return -ENOMEM;
	}
	for_each_possible_cpu(cpu)
		proxy_init(per_cpu_ptr(proxies, cpu));
	return 0;
}

/**
 * xtcp_shadow_exit - undo xtcp_shadow_init(); there are no namespaces any more
 */
void xtcp_shadow_exit(void)
{
	kmem_cache_destroy(shadow6_cache);
	kmem_cache_destroy(shadow_cache);
	free_percpu(proxies);
}

/**
 * xtcp_shadow_net_init - initialise a namespace without shadows
 * @net: namespace
 *
 * Return: 0 or -ENOMEM.
 */
int xtcp_shadow_net_init(struct net *net)
{
	struct xtcp_shadows *all = kzalloc(sizeof(*all), GFP_KERNEL_ACCOUNT);

	if (!all)
		return -ENOMEM;
	mutex_init(&all->lock);
	xtcp_net(net)->shadows = all;
	return 0;
}

/**
 * xtcp_shadow_net_quiesce - unregister the hook for protocol 6
 * @net: namespace; it has no sockets any more and gets no new ones
 *
 * The caller waits for a grace period before it frees the tables.
 */
void xtcp_shadow_net_quiesce(struct net *net)
{
	struct xtcp_shadows *all = xtcp_net(net)->shadows;

	mutex_lock(&all->lock);
	if (all->hooked)
		xtcp_hook_del(net);
	WRITE_ONCE(all->hooked, false);
	all->closed = true;
	mutex_unlock(&all->lock);
}

/**
 * xtcp_shadow_net_exit - undo xtcp_shadow_net_init()
 * @net: namespace; all its ports have been released
 */
void xtcp_shadow_net_exit(struct net *net)
{
	kfree(xtcp_net(net)->shadows);
}
