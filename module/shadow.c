// SPDX-License-Identifier: GPL-2.0
/*
 * shadow.c - a port of the TCP wire is held in the kernel's own books, too
 *
 * On the TCP wire there is one port space for two stacks. A shadow stands in the
 * kernel's table of ports, where its own TCP's sockets stand, for a port that a
 * socket of xtcp has, and says that it listens while that one does. It is a
 * socket to that table alone: no segment can find it. But the kernel's rules for
 * bind(), listen() and connect() now see the port, and their EADDRINUSE is the
 * answer to whichever side came second.
 *
 * SO_REUSEADDR is mirrored: between a bound socket of one stack and a bound one
 * of the other it counts as between two of one stack. SO_REUSEPORT isn't, for
 * listeners of two stacks cannot share what arrives. It shares ports between
 * sockets of one owner; so shadows, which have it for each other's sake, belong
 * to nobody.
 *
 * Birth and death of a shadow. bind(), listen() and connect() make it, since
 * that takes a process. Buckets of port/ hold it, one reference each; the last
 * one may go in softirq, with a time-wait record. Then the shadow waits in
 * @idle for somebody who may sleep: the work item, or close(), so that a
 * program which has closed its socket finds the port free.
 *
 * It does not hold its namespace: what is left is released in its exit.
 *
 * Context: process; xtcp_shadow_get() and _put() any.
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
 * struct xtcp_shadow - a port held
 * @net: namespace; not held
 * @sk: what stands in the kernel's table
 * @idle: place among those without owners
 * @ref: buckets, and who is just making one
 * @listeners: sockets of ours that listen there, under xtcp_shadows.lock
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
 * One more shadow. The first one of a namespace registers the hook, which stays
 * until the namespace ends: to unregister a hook empties the namespace's queues
 * to user space (NFQUEUE), and an unprivileged bind() and close() led to that.
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
 * Whoever walks the kernel's table of ports finds an ordinary socket that is
 * bound, and as large as those that he is used to. It needs no inode, no
 * timers and no queues: it is in no other table. A module reference would be
 * one for each time-wait record.
 */
static struct proto shadow_prot = {
	.name		= "XTCP-PORT",
	.obj_size	= sizeof(struct tcp_sock),
};

/* Older kernels take a socket's owner from here. */
static struct socket_alloc nobody;

#if IS_ENABLED(CONFIG_IPV6)
static struct proto shadow6_prot = {
	.name		= "XTCP-PORT6",
	.obj_size	= sizeof(struct tcp6_sock),
};

/* One at no address at all is in IPv4's way, too, unless told otherwise. */
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

/* What the kernel's bind() and listen() ask: once more for who listens. */
static int shadow_claim(struct sock *sk, u16 num)
{
	int err = tcp_prot.get_port(sk, num);

	return !err || err == -ENOMEM ? err : -EADDRINUSE;
}

/* Undoes shadow_count() and what came after it. */
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
 * xtcp_shadow_open - hold a port against the kernel's own TCP
 * @net: namespace
 * @place: what is to be held
 *
 * Context: process; a socket of ours may be locked.
 * Return: a shadow with one reference; ERR_PTR: -EADDRINUSE when the kernel's
 * rules forbid it, -ENOMEM.
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
 * xtcp_shadow_get - one more bucket holds the port
 * @shadow: held by the caller, or NULL
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
 * xtcp_shadow_put - a bucket no longer holds the port
 * @shadow: not to be touched afterwards; may be NULL
 *
 * The port is free for the kernel's own TCP when xtcp_shadow_reap() has run,
 * which it does soon.
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
 * xtcp_shadow_reap - give back the ports that nobody holds any more
 * @net: namespace
 *
 * Context: process; no socket of ours may be spinlocked.
 */
void xtcp_shadow_reap(struct net *net)
{
	struct xtcp_shadows *all = shadows_of(net);
	struct xtcp_shadow *shadow, *next;
	struct llist_node *idle;

	/* Who has taken the caller's from the list holds the lock until done. */
	if (llist_empty(&all->idle) && !mutex_is_locked(&all->lock))
		return;
	mutex_lock(&all->lock);
	idle = llist_del_all(&all->idle);
	llist_for_each_entry_safe(shadow, next, idle, idle)
		shadow_free(all, shadow);
	mutex_unlock(&all->lock);
}

static void reap(struct work_struct *work)
{
	struct xtcp_shadows *all =
		container_of(work, struct xtcp_shadows, reap);

	xtcp_shadow_reap(all->net);
}

/**
 * xtcp_shadow_listen - one of ours is about to listen there
 * @shadow: held by the caller
 *
 * Return: 0; -EADDRINUSE when the kernel's rules forbid it.
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
 * @shadow: held by the caller; keeps its port
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
 * xtcp_shadow_init - at load
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
 * xtcp_shadow_exit - at unload; no namespace is left
 */
void xtcp_shadow_exit(void)
{
	shadow6_exit();
	proto_unregister(&shadow_prot);
}

/**
 * xtcp_shadow_net_init - a namespace without shadows
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
	INIT_WORK(&all->reap, reap);
	xtcp_net(net)->shadows = all;
	return 0;
}

/**
 * xtcp_shadow_net_quiesce - no segment of protocol 6 is looked at any more
 * @net: namespace; it has no sockets any more, and makes none
 *
 * A grace period is to pass before its tables go.
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
 * @net: namespace; its ports have been given back
 */
void xtcp_shadow_net_exit(struct net *net)
{
	struct xtcp_shadows *all = shadows_of(net);

	cancel_work_sync(&all->reap);
	xtcp_shadow_reap(net);
	WARN_ON_ONCE(all->nr);
	kfree(all);
}
