// SPDX-License-Identifier: GPL-2.0
/*
 * shadow.c - hold ports of the TCP wire in the kernel's bind table, too
 *
 * On the TCP wire both stacks share one port space. A shadow is an unused socket
 * of the kernel. It is in the kernel's bind table, like the sockets of the
 * kernel's TCP, for a port that an xtcp socket has, and is in LISTEN while that
 * socket is. It is in no other table, so no segment can find it. But the kernel's
 * bind(), listen() and connect() see the port, and the stack that comes second
 * gets EADDRINUSE.
 *
 * SO_REUSEADDR is copied: it has the same effect between bound sockets of two
 * stacks as between those of one. SO_REUSEPORT is not, because listeners of two
 * stacks cannot share segments. Shadows have it to share ports with each other;
 * as it works between sockets of the same user only, they belong to an invalid
 * one.
 *
 * Life cycle of a shadow. bind(), listen() and connect() create it, because that
 * needs process context. Port buckets hold references to it. The last one may be
 * dropped in softirq, with a TIME-WAIT record. Then the shadow is in @idle until
 * the work item or close() frees it; close() does, so that a program that has
 * closed its socket finds the port free.
 *
 * A shadow has no reference to its namespace: the namespace's exit frees those
 * that are left.
 *
 * Context: process; xtcp_shadow_get() and xtcp_shadow_put() any.
 */
#include "shadow.h"

#include <linux/ipv6.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/transp_v6.h>

#include "net/hook.h"
#include "netns.h"

/**
 * struct xtcp_shadow - a shadow
 * @net: namespace, without a reference
 * @sk: the socket in the kernel's bind table
 * @idle: link in xtcp_shadows.idle
 * @ref: references of port buckets, and of a bind() that is creating one
 * @listeners: xtcp sockets that listen on the port; under xtcp_shadows.lock
 */
struct xtcp_shadow {
	struct net		*net;
	struct sock		*sk;
	struct llist_node	idle;
	refcount_t		ref;
	unsigned int		listeners;
};

static struct xtcp_shadows *shadows_of(struct net *net)
{
	return xtcp_net(net)->shadows;
}

/*
 * Count a new shadow. The first one of a namespace registers the hook, which stays
 * until the namespace ends: unregistering a hook flushes the namespace's queues to
 * user space (NFQUEUE), and unprivileged programs could cause that by bind() and
 * close().
 */
static int shadow_count(struct net *net)
{
	struct xtcp_shadows *all = shadows_of(net);
	int err = 0;

	mutex_lock(&all->lock);
	if (!all->hooked)
		err = xtcp_hook_add(net);
	if (!err) {
		all->hooked = true;
		all->nr++;
	}
	mutex_unlock(&all->lock);
	return err;
}

static void shadow_uncount(struct xtcp_shadows *all)
{
	lockdep_assert_held(&all->lock);
	all->nr--;
}

/*
 * Walkers of the kernel's bind table may assume a tcp_sock, so allocate one that
 * large. The socket needs no inode, timers or queues, because it is in no other
 * table. It has no module reference: TIME-WAIT records would then block unloading.
 */
static struct proto shadow_prot = {
	.name		= "XTCP-PORT",
	.obj_size	= sizeof(struct tcp_sock),
};

/* Older kernels read a socket's owner from its inode. */
static struct socket_alloc nobody;

#if IS_ENABLED(CONFIG_IPV6)
static struct proto shadow6_prot = {
	.name		= "XTCP-PORT6",
	.obj_size	= sizeof(struct tcp6_sock),
};

/* An IPv6 socket at any address conflicts with IPv4, unless it is IPv6 only. */
static void shadow_name6(struct sock *sk, const struct xtcp_shadow_place *place)
{
	inet_sk(sk)->pinet6 = &((struct tcp6_sock *)sk)->inet6;
	sk->sk_ipv6only = place->family == AF_INET6;
	if (!sk->sk_ipv6only)
		return;
	sk->sk_v6_rcv_saddr = place->laddr6;
	inet6_sk(sk)->saddr = place->laddr6;
	if (!ipv6_addr_any(&place->laddr6))
		inet_sk(sk)->inet_rcv_saddr = LOOPBACK4_IPV6;
}

static int shadow6_init(void)
{
	return proto_register(&shadow6_prot, 1);
}

static void shadow6_exit(void)
{
	proto_unregister(&shadow6_prot);
}

static struct sock *shadow_alloc(struct net *net, u8 family)
{
	if (family == AF_INET)
		return sk_alloc(net, PF_INET, GFP_KERNEL, &shadow_prot, 1);
	return sk_alloc(net, PF_INET6, GFP_KERNEL, &shadow6_prot, 1);
}
#else
static void shadow_name6(struct sock *sk, const struct xtcp_shadow_place *place)
{
}

static int shadow6_init(void)
{
	return 0;
}

static void shadow6_exit(void)
{
}

static struct sock *shadow_alloc(struct net *net, u8 family)
{
	return sk_alloc(net, PF_INET, GFP_KERNEL, &shadow_prot, 1);
}
#endif

static struct sock *shadow_make(struct net *net,
				const struct xtcp_shadow_place *place)
{
	struct sock *sk = shadow_alloc(net, place->family);

	if (!sk)
		return NULL;
	sock_init_data(NULL, sk);
	sk->sk_protocol = IPPROTO_TCP;
	sk->sk_uid = INVALID_UID;
	sk->sk_socket = &nobody.socket;
	sk->sk_reuse = place->reuse ? SK_CAN_REUSE : SK_NO_REUSE;
	sk->sk_reuseport = place->reuseport;
	sk->sk_bound_dev_if = place->ifindex;
	if (place->family == AF_INET) {
		inet_sk(sk)->inet_saddr = place->laddr;
		sk_rcv_saddr_set(sk, place->laddr);
	} else {
		shadow_name6(sk, place);
	}
	return sk;
}

/* Check for conflicts as the kernel's bind() and listen() do. */
static int shadow_claim(struct sock *sk, u16 num)
{
	int err = tcp_prot.get_port(sk, num);

	return !err || err == -ENOMEM ? err : -EADDRINUSE;
}

/* Undo shadow_count() and all that follows it in xtcp_shadow_open(). */
static void shadow_free(struct xtcp_shadows *all, struct xtcp_shadow *shadow)
{
	lockdep_assert_held(&all->lock);
	if (shadow->sk) {
		if (inet_csk(shadow->sk)->icsk_bind_hash)
			tcp_prot.put_port(shadow->sk);
		sock_put(shadow->sk);
	}
	shadow_uncount(all);
	kfree(shadow);
}

/**
 * xtcp_shadow_open - create a shadow
 * @net: namespace
 * @place: bind-table entry
 *
 * Context: process, may sleep; an xtcp socket may be locked.
 * Return: a shadow with one reference; ERR_PTR: -EADDRINUSE if the kernel's rules
 * forbid it, -ENOMEM.
 */
struct xtcp_shadow *xtcp_shadow_open(struct net *net,
				     const struct xtcp_shadow_place *place)
{
	struct xtcp_shadow *shadow = kzalloc(sizeof(*shadow),
					     GFP_KERNEL_ACCOUNT);
	struct xtcp_shadows *all = shadows_of(net);
	int err;

	if (!shadow)
		return ERR_PTR(-ENOMEM);
	err = shadow_count(net);
	if (err) {
		kfree(shadow);
		return ERR_PTR(err);
	}
	shadow->net = net;
	refcount_set(&shadow->ref, 1);
	shadow->sk = shadow_make(net, place);
	err = shadow->sk ? shadow_claim(shadow->sk, place->num) : -ENOMEM;
	if (!err)
		return shadow;
	mutex_lock(&all->lock);
	shadow_free(all, shadow);
	mutex_unlock(&all->lock);
	return ERR_PTR(err);
}

/**
 * xtcp_shadow_get - take a reference for a port bucket
 * @shadow: referenced by the caller, or NULL
 *
 * Return: @shadow.
 */
struct xtcp_shadow *xtcp_shadow_get(struct xtcp_shadow *shadow)
{
	if (shadow)
		refcount_inc(&shadow->ref);
	return shadow;
}

/**
 * xtcp_shadow_put - drop a port bucket's reference
 * @shadow: not to be used afterwards; may be NULL
 *
 * After the last reference, xtcp_shadow_reap() is scheduled; it frees the port for
 * the kernel's TCP.
 *
 * Context: any.
 */
void xtcp_shadow_put(struct xtcp_shadow *shadow)
{
	struct xtcp_shadows *all;

	if (!shadow || !refcount_dec_and_test(&shadow->ref))
		return;
	all = shadows_of(shadow->net);
	if (llist_add(&shadow->idle, &all->idle))
		schedule_work(&all->reap);
}

/**
 * xtcp_shadow_reap - free all shadows without references
 * @net: namespace
 *
 * Context: process, may sleep; an xtcp socket may be owned.
 */
void xtcp_shadow_reap(struct net *net)
{
	struct xtcp_shadows *all = shadows_of(net);
	struct xtcp_shadow *shadow, *next;
	struct llist_node *idle;

	/* A CPU that has taken the caller's shadow holds the lock until it is freed. */
	if (llist_empty(&all->idle) && !mutex_is_locked(&all->lock))
		return;
	mutex_lock(&all->lock);
	idle = llist_del_all(&all->idle);
	llist_for_each_entry_safe(shadow, next, idle, idle)
		shadow_free(all, shadow);
	mutex_unlock(&all->lock);
}

static void shadow_reap_work(struct work_struct *work)
{
	struct xtcp_shadows *all =
		container_of(work, struct xtcp_shadows, reap);

	xtcp_shadow_reap(all->net);
}

/**
 * xtcp_shadow_listen - put a shadow into LISTEN for an xtcp listener
 * @shadow: referenced by the caller
 *
 * Context: process, may sleep.
 * Return: 0; -EADDRINUSE if the kernel's rules forbid it.
 */
int xtcp_shadow_listen(struct xtcp_shadow *shadow)
{
	struct xtcp_shadows *all = shadows_of(shadow->net);
	int err = 0;

	mutex_lock(&all->lock);
	if (!shadow->listeners) {
		/* As inet_csk_listen_start() does, for readers without a lock. */
		smp_store_release(&shadow->sk->sk_state, TCP_LISTEN);
		err = shadow_claim(shadow->sk, inet_sk(shadow->sk)->inet_num);
	}
	if (!err)
		shadow->listeners++;
	else
		/* As above. */
		smp_store_release(&shadow->sk->sk_state, TCP_CLOSE);
	mutex_unlock(&all->lock);
	return err;
}

/**
 * xtcp_shadow_unlisten - undo xtcp_shadow_listen()
 * @shadow: referenced by the caller; keeps its port
 *
 * Context: process, may sleep.
 */
void xtcp_shadow_unlisten(struct xtcp_shadow *shadow)
{
	struct xtcp_shadows *all = shadows_of(shadow->net);

	mutex_lock(&all->lock);
	if (!--shadow->listeners)
		/* As in xtcp_shadow_listen(). */
		smp_store_release(&shadow->sk->sk_state, TCP_CLOSE);
	mutex_unlock(&all->lock);
}

/**
 * xtcp_shadow_init - register the protocols of shadows
 *
 * Return: 0 or -errno.
 */
int xtcp_shadow_init(void)
{
	int err;

	nobody.vfs_inode.i_uid = INVALID_UID;
	err = proto_register(&shadow_prot, 1);
	if (err)
		return err;
	err = shadow6_init();
	if (err)
		proto_unregister(&shadow_prot);
	return err;
}

/**
 * xtcp_shadow_exit - undo xtcp_shadow_init(); there are no namespaces any more
 */
void xtcp_shadow_exit(void)
{
	shadow6_exit();
	proto_unregister(&shadow_prot);
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
	all->net = net;
	mutex_init(&all->making);
	mutex_init(&all->lock);
	init_llist_head(&all->idle);
	INIT_WORK(&all->reap, shadow_reap_work);
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
	struct xtcp_shadows *all = shadows_of(net);

	mutex_lock(&all->lock);
	if (all->hooked)
		xtcp_hook_del(net);
	all->hooked = false;
	mutex_unlock(&all->lock);
}

/**
 * xtcp_shadow_net_exit - undo xtcp_shadow_net_init()
 * @net: namespace; all its ports have been released
 */
void xtcp_shadow_net_exit(struct net *net)
{
	struct xtcp_shadows *all = shadows_of(net);

	cancel_work_sync(&all->reap);
	xtcp_shadow_reap(net);
	WARN_ON_ONCE(all->nr);
	kfree(all);
}
