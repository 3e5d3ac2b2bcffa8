// SPDX-License-Identifier: GPL-2.0
/*
 * rare.c - options that few sockets set, and saved SYNs
 *
 * The TCB has no room for them: struct xtcp_sockopt_rare (tcb/sockopt.h) is allocated
 * when a program first sets one of its options, or when a connection offers or accepts
 * Accurate ECN (transfer/accecn.c). It is freed with its socket, a
 * grace period after the last segment may have found a listener. A child has a copy.
 *
 * A listener with TCP_SAVE_SYN keeps the headers of each SYN in a struct xtcp_savedsyn.
 * The half-open record refers to it, then the child, until getsockopt() has read it.
 * The SYN queue bounds their number, HEADERS_MAX their size. A SYN answered by a cookie
 * is not kept, as in Linux. In the record the reference takes the place of three other fields
 * (open/synqueue.h), which the struct then holds. If it is made for them alone, it has no headers.
 *
 * Context: options in process; the rest in softirq.
 */
#include "rare.h"

#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/sock.h>

#include "compat.h"
#include "tcb.h"

/*
 * The headers of a usual SYN take 134 bytes at most; IPv6's extension headers may take
 * any number. A longer SYN is not saved. Linux has no limit.
 */
#define HEADERS_MAX	1024U

DEFINE_STATIC_KEY_FALSE(xtcp_rare_limits);

/**
 * xtcp_rare_make - the rare options of a socket, to set one
 * @sk: socket, not necessarily locked
 * @gfp: may the allocation sleep
 *
 * Context: process; any with an atomic @gfp.
 * Return: the options, all 0 if none was set before; NULL without memory.
 */
struct xtcp_sockopt_rare *xtcp_rare_make(struct sock *sk, gfp_t gfp)
{
	struct xtcp_sockopt_rare **place = &xtcp_sk(sk)->sockopt.rare;
	struct xtcp_sockopt_rare *rare = READ_ONCE(*place);

	if (rare)
		return rare;
	rare = kzalloc(sizeof(*rare), gfp);
	if (!rare)
		return NULL;
	/* Another thread may have been faster. Orders the zeroes before the pointer. */
	if (!cmpxchg(place, NULL, rare))
		return rare;
	kfree(rare);
	return READ_ONCE(*place);
}

/**
 * xtcp_rare_of_child - copy a listener's options for a child
 * @lsk: listener, not locked; it may have no rare options
 * @saved: the SYN of the child, or NULL; the copy gets a reference
 *
 * Context: softirq, RCU read-side section.
 * Return: the copy, or NULL without memory.
 */
struct xtcp_sockopt_rare *xtcp_rare_of_child(const struct sock *lsk,
					     struct xtcp_savedsyn *saved)
{
	const struct xtcp_sockopt_rare *rare = READ_ONCE(xtcp_sk(lsk)->sockopt.rare);
	struct mem_cgroup *before = xtcp_memcg_enter(lsk);
	struct xtcp_sockopt_rare *copy;

	copy = kzalloc(sizeof(*copy), GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN);
	xtcp_memcg_leave(before);
	if (!copy)
		return NULL;
	if (rare) {
		/* The listener's program may be setting one. */
		data_race(*copy = *rare);
	}
	/* Not inherited: two options of listeners, and Accurate ECN of one connection. */
	copy->syncookies = 0;
	copy->defer_accept = 0;
	memset(&copy->accecn, 0, sizeof(copy->accecn));
	copy->saved_syn = saved;
	if (saved)
		refcount_inc(&saved->ref);
	return copy;
}

/**
 * xtcp_rare_free - free rare options
 * @rare: of a socket that has no user any more; or NULL
 *
 * A segment that has found a listener may still read them.
 *
 * Context: any.
 */
void xtcp_rare_free(struct xtcp_sockopt_rare *rare)
{
	if (likely(!rare))
		return;
	xtcp_savedsyn_put(rare->saved_syn);
	kfree_rcu(rare, rcu);
}

/**
 * xtcp_rare_disconnected - connect() to AF_UNSPEC: forget what Linux forgets
 * @sk: the socket, locked
 */
void xtcp_rare_disconnected(struct sock *sk)
{
	struct xtcp_sockopt_rare *rare = READ_ONCE(xtcp_sk(sk)->sockopt.rare);

	xtcp_assert_owned(sk);
	if (!rare)
		return;
	WRITE_ONCE(rare->rto_min_us, 0);
	WRITE_ONCE(rare->delack_max_us, 0);
	xtcp_savedsyn_put(rare->saved_syn);
	rare->saved_syn = NULL;
}

static struct xtcp_savedsyn *savedsyn_alloc(u32 len)
{
	struct xtcp_savedsyn *saved;

	saved = kmalloc(struct_size(saved, headers, len), GFP_ATOMIC | __GFP_NOWARN);
	if (!saved)
		return NULL;
	refcount_set(&saved->ref, 1);
	saved->predecessor = NULL;
	saved->len = len;
	return saved;
}

/**
 * xtcp_savedsyn_make - keep the headers of a SYN
 * @skb: the SYN; network and transport header are set
 * @with_link: the link layer's header as well
 *
 * Context: softirq.
 * Return: the headers, with a reference; NULL if they are too long, or without memory.
 */
struct xtcp_savedsyn *xtcp_savedsyn_make(const struct sk_buff *skb, bool with_link)
{
	const u8 *begin = with_link && skb_mac_header_was_set(skb) ?
			  skb_mac_header(skb) : skb_network_header(skb);
	const u8 *end = skb_transport_header(skb) + tcp_hdrlen(skb);
	struct xtcp_savedsyn *saved;
	u32 len = end - begin;

	if (end > skb_tail_pointer(skb) || len > HEADERS_MAX)
		return NULL;
	saved = savedsyn_alloc(len);
	if (saved)
		memcpy(saved->headers, begin, len);
	return saved;
}

/**
 * xtcp_savedsyn_make_empty - a place for the fields of a half-open record alone
 *
 * Context: softirq.
 * Return: one without headers, with a reference; NULL without memory.
 */
struct xtcp_savedsyn *xtcp_savedsyn_make_empty(void)
{
	return savedsyn_alloc(0);
}

/**
 * xtcp_savedsyn_put - drop a reference
 * @saved: headers, or NULL
 */
void xtcp_savedsyn_put(struct xtcp_savedsyn *saved)
{
	if (saved && refcount_dec_and_test(&saved->ref))
		kfree(saved);
}
