// SPDX-License-Identifier: GPL-2.0
/*
 * fastopen.c - fast open at the server: keys, cookies, and the verdict on a SYN
 *
 * RFC 7413 4.1 (cookies), 4.2.2 and 5.1 (the server). A SYN with a cookie of ours comes from
 * an address to which we have sent that cookie once. So its data may be given to the program
 * before the handshake is over: open/acceptqueue.c makes a child at once, in SYN-RECEIVED.
 * Any other SYN opens as usual, its data is ignored, and the SYN-ACK has the cookie that it
 * should have had.
 *
 * A cookie is the SipHash of both addresses under a key of the listener or of its namespace,
 * as in Linux: with the same key both take each other's cookies. So the cookie of another client
 * or of another of our addresses is wrong, and so is that of another namespace unless it has the
 * same key. A cookie does not expire, but is wrong once its key was replaced. A second key, usually
 * the one before, verifies cookies and makes none: the SYN-ACK then brings a cookie of the first
 * key.
 *
 * Context: softirq in an RCU read-side section for a SYN; process for keys and options.
 */
#include "open/fastopen.h"

#include <linux/minmax.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/dst.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "compat.h"
#include "listener.h"
#include "net/family.h"
#include "net/reply.h"
#include "netns.h"
#include "observe/stats.h"
#include "open/synack.h"
#include "open/synqueue.h"
#include "tcb.h"

#define COOKIE_LEN	8	/* bytes of our cookies */

static_assert(COOKIE_LEN >= XTCP_FASTOPEN_MIN && COOKIE_LEN <= XTCP_FASTOPEN_MAX);

/* --- keys --- */

/**
 * xtcp_fastopen_net_exit - free the keys of a namespace
 * @net: namespace without sockets and knobs
 */
void xtcp_fastopen_net_exit(struct net *net)
{
	kfree_sensitive(rcu_dereference_protected(xtcp_net(net)->fast_keys, true));
}

static void keys_free_rcu(struct rcu_head *rcu)
{
	kfree_sensitive(container_of(rcu, struct xtcp_fastkeys, rcu));
}

static struct xtcp_fastkeys *keys_make(const u8 *bytes, unsigned int nr)
{
	struct xtcp_fastkeys *keys = kzalloc(sizeof(*keys), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!keys)
		return NULL;
	keys->nr = nr;
	for (i = 0; i < nr; i++, bytes += XTCP_FASTKEY_LEN) {
		keys->key[i].key[0] = get_unaligned_le64(bytes);
		keys->key[i].key[1] = get_unaligned_le64(bytes + 8);
	}
	return keys;
}

/* Draw the key of a namespace if it has none. Returns 0 or -ENOMEM. */
static int key_once(struct net *net)
{
	struct xtcp_fastkeys __rcu **at = &xtcp_net(net)->fast_keys;
	u8 bytes[XTCP_FASTKEY_LEN];
	struct xtcp_fastkeys *keys;

	if (rcu_access_pointer(*at))
		return 0;
	get_random_bytes(bytes, sizeof(bytes));
	keys = keys_make(bytes, 1);
	memzero_explicit(bytes, sizeof(bytes));
	if (!keys)
		return -ENOMEM;
	/* Another listener may be as fast, or the administrator. */
	if (unrcu_pointer(cmpxchg(at, NULL, RCU_INITIALIZER(keys))))
		kfree_sensitive(keys);
	return 0;
}

/**
 * xtcp_fastopen_keys_set - replace the keys
 * @net: namespace
 * @sk: in CLOSED or LISTEN, locked: set those of its listener; NULL: the namespace's
 * @keys: @nr times XTCP_FASTKEY_LEN bytes; the first makes cookies from now on
 * @nr: 1 or 2
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int xtcp_fastopen_keys_set(struct net *net, struct sock *sk, const u8 *keys,
			   unsigned int nr)
{
	struct xtcp_fastq *q = sk ? xtcp_fastq_of(sk) : NULL;
	struct xtcp_fastkeys *fresh, *old;

	if (sk && !q)
		return -ENOMEM;
	fresh = keys_make(keys, nr);
	if (!fresh)
		return -ENOMEM;
	old = unrcu_pointer(xchg(q ? &q->keys : &xtcp_net(net)->fast_keys,
				 RCU_INITIALIZER(fresh)));
	if (old)
		call_rcu(&old->rcu, keys_free_rcu);
	return 0;
}

/**
 * xtcp_fastopen_keys_get - read the keys
 * @net: namespace
 * @sk: locked: those of its listener alone; NULL: the namespace's
 * @keys: room for XTCP_FASTKEYS times XTCP_FASTKEY_LEN bytes
 *
 * Context: process.
 * Return: number of keys in @keys; 0: none were set or drawn.
 */
unsigned int xtcp_fastopen_keys_get(struct net *net, const struct sock *sk, u8 *keys)
{
	const struct xtcp_fastkeys *from = NULL;
	unsigned int i, nr = 0;

	rcu_read_lock();
	if (!sk)
		from = rcu_dereference(xtcp_net(net)->fast_keys);
	else if (xtcp_state_in(sk, XTCP_UNCONNECTED) && xtcp_sk(sk)->fast_held)
		from = rcu_dereference(xtcp_held_fastq(xtcp_sk(sk))->keys);
	if (from)
		nr = from->nr;
	for (i = 0; i < nr; i++, keys += XTCP_FASTKEY_LEN) {
		put_unaligned_le64(from->key[i].key[0], keys);
		put_unaligned_le64(from->key[i].key[1], keys + 8);
	}
	rcu_read_unlock();
	return nr;
}

/* --- the listener --- */

/* Let SYNs find the queue of a listener. Its socket is locked. */
static void queue_publish(struct sock *sk, struct xtcp_fastq *q)
{
	struct xtcp_listener *ls = xtcp_sk(sk)->listener;

	if (sk->sk_state != XTCP_LISTEN || ls->fastq)
		return;
	refcount_inc(&q->ref);
	/* Pairs with xtcp_fastopen_judge(): the queue is complete. */
	smp_store_release(&ls->fastq, q);
}

/**
 * xtcp_fastopen_limit_set - limit the number of fast-open children, TCP_FASTOPEN
 * @sk: in CLOSED or LISTEN, locked
 * @limit: children; net.core.somaxconn bounds it. 0: no fast open
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int xtcp_fastopen_limit_set(struct sock *sk, u32 limit)
{
	u32 most = READ_ONCE(sock_net(sk)->core.sysctl_somaxconn);
	struct xtcp_fastq *q = xtcp_fastq_of(sk);

	if (!q || key_once(sock_net(sk)))
		return -ENOMEM;
	WRITE_ONCE(q->limit, min(limit, most));
	queue_publish(sk, q);
	return 0;
}

/**
 * xtcp_fastopen_limit - the limit of a listener
 * @sk: socket, perhaps not locked
 *
 * Context: any.
 * Return: children; 0 for a socket that does not listen, too.
 */
u32 xtcp_fastopen_limit(const struct sock *sk)
{
	const struct xtcp_listener *ls;
	const struct xtcp_fastq *q;
	u32 limit;

	rcu_read_lock();
	ls = xtcp_listener_of(sk);
	/* Pairs with queue_publish(). */
	q = ls ? smp_load_acquire(&ls->fastq) : NULL;
	limit = q ? READ_ONCE(q->limit) : 0;
	rcu_read_unlock();
	return limit;
}

/**
 * xtcp_fastopen_listen - listen(): the queue that the program or the knob wants
 * @sk: locked, about to enter LISTEN
 * @ls: its queues, not visible yet
 * @backlog: of listen()
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int xtcp_fastopen_listen(struct sock *sk, struct xtcp_listener *ls, int backlog)
{
	int all = TFO_SERVER_ENABLE | TFO_SERVER_WO_SOCKOPT1;
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (unlikely((XTCP_KNOB(sock_net(sk), fastopen) & all) == all) &&
	    (!xs->fast_held || !xtcp_held_fastq(xs)->limit) &&
	    xtcp_fastopen_limit_set(sk, backlog))
		return -ENOMEM;
	if (xs->fast_held) {
		ls->fastq = xtcp_held_fastq(xs);
		refcount_inc(&ls->fastq->ref);
	}
	return 0;
}

/* --- a SYN --- */

static void cookie_make(const struct xtcp_key *key, const siphash_key_t *secret, u8 *cookie)
{
	u64 hash = xtcp_family_get(key->family)->addr->pair_hash(key, secret);

	put_unaligned_le64(hash, cookie);
}

/*
 * Check the cookie of a SYN, and make the one that it should have. Returns 0 if it is wrong,
 * or the number of its key, from 1 on.
 */
static unsigned int cookie_check(const struct xtcp_fastkeys *keys, const struct xtcp_key *key,
				 const struct xtcp_options *opt, struct xtcp_fastcookie *right)
{
	u8 cookie[COOKIE_LEN];
	unsigned int i;

	cookie_make(key, &keys->key[0], right->cookie);
	right->len = COOKIE_LEN;
	if (opt->fastopen_len != COOKIE_LEN)
		return 0;
	if (!memcmp(opt->fastopen, right->cookie, COOKIE_LEN))
		return 1;
	for (i = 1; i < keys->nr; i++) {
		cookie_make(key, &keys->key[i], cookie);
		if (!memcmp(opt->fastopen, cookie, COOKIE_LEN))
			return i + 1;
	}
	return 0;
}

/* Does the route to the client say fastopen_no_cookie? */
static bool route_needs_no_cookie(const struct xtcp_halfopen *ho)
{
	const struct xtcp_family *af = xtcp_family_get(ho->flow.family);
	struct xtcp_reply reply;
	bool needs_none;

	xtcp_synack_reply(ho, &reply);
	reply.has_iss = false;	/* not chosen yet */
	if (af->route->reply(sock_net(ho->ls->sk), &reply))
		return false;
	needs_none = dst_metric(reply.dst, RTAX_FASTOPEN_NO_COOKIE);
	if (reply.dst_held)
		dst_release(reply.dst);
	return needs_none;
}

/**
 * xtcp_fastopen_judge - may a SYN open its connection at once
 * @ho: record on the caller's stack, with the fields that follow from the SYN
 * @key: its connection
 * @seg: SYN with payload or with the option of fast open
 * @answer: option for the SYN-ACK
 *
 * The queue is asked before the cookie, as in Linux: while it is full, fast open is off.
 *
 * Context: softirq, RCU read-side section.
 * Return: the queue that counts the child; NULL: open as usual, without the payload.
 */
struct xtcp_fastq *xtcp_fastopen_judge(const struct xtcp_halfopen *ho,
				       const struct xtcp_key *key,
				       const struct xtcp_seg *seg,
				       struct xtcp_fastcookie *answer)
{
	/* Pairs with queue_publish(). */
	struct xtcp_fastq *q = smp_load_acquire(&ho->ls->fastq);
	const struct xtcp_options *opt = &seg->opt;
	struct net *net = sock_net(ho->ls->sk);
	int knob = XTCP_KNOB(net, fastopen);
	const struct xtcp_fastkeys *keys;
	unsigned int key_nr = 0;

	answer->len = -1;
	answer->exp = opt->fastopen_exp;
	answer->shown = false;
	if (opt->has_fastopen && !opt->fastopen_len)
		XTCP_INC(net, FAST_OPEN_COOKIE_REQD);
	if (!(knob & TFO_SERVER_ENABLE) || !q || !READ_ONCE(q->limit))
		return NULL;
	if (xtcp_fastq_is_full(q)) {
		XTCP_INC(net, FAST_OPEN_LISTEN_OVERFLOW);
		return NULL;
	}
	if ((knob & TFO_SERVER_COOKIE_NOT_REQD) ||
	    xtcp_sk(ho->ls->sk)->sockopt.fastopen_no_cookie)
		return q;
	keys = rcu_dereference(q->keys) ?: rcu_dereference(xtcp_net_rcu(net)->fast_keys);
	if (opt->has_fastopen && keys)
		key_nr = cookie_check(keys, key, opt, answer);
	answer->shown = key_nr == 1;
	if (answer->shown)
		return q;
	if (route_needs_no_cookie(ho)) {
		answer->len = -1;
		return q;
	}
	/* The cookie is of an older key: the SYN-ACK brings a new one. */
	if (key_nr)
		return q;
	if (opt->has_fastopen && opt->fastopen_len)
		XTCP_INC(net, FAST_OPEN_PASSIVE_FAIL);
	return NULL;
}
