// SPDX-License-Identifier: GPL-2.0
/*
 * fastcache.c - cookies that servers have given us, for fast open
 *
 * RFC 7413 4.1.3: the client keeps the cookie and the MSS of each server, by both addresses
 * and the wire, in the host cache (hostcache.c). Only our own connect() to an address makes
 * an entry for it.
 *
 * Context: socket lock; the host cache's lock is held for each access.
 */
#include "open/fastcache.h"

#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <net/sock.h>

#include "fastq.h"
#include "hostcache.h"
#include "netns.h"
#include "tcb.h"

/* Form of the option with which to ask a server for a cookie that has given none; as in Linux. */
enum form {
	FORM_RFC,	/* kind 34 */
	FORM_EXP,	/* kind 34 got no answer: the experimental option, once */
	FORM_RFC_AGAIN,	/* no answer either: kind 34 from now on */
};

static spinlock_t *lock_of(const struct sock *sk)
{
	return &xtcp_net(sock_net(sk))->hostcache->lock;
}

/**
 * xtcp_fastcache_get - look up a server
 * @sk: connection, locked
 * @cookie: its cookie; length 0: none is known, and @cookie->exp says how to ask for one
 *
 * Return: the MSS that it has announced, bytes; 0: unknown.
 */
u16 xtcp_fastcache_get(struct sock *sk, struct xtcp_fastcookie *cookie)
{
	struct xtcp_key key __uninitialized;
	const struct xtcp_host *host;
	u16 mss = 0;

	xtcp_assert_owned(sk);
	*cookie = (struct xtcp_fastcookie){ .len = 0 };
	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	rcu_read_lock();
	host = xtcp_hostcache_find(sock_net(sk), &key, __sk_dst_get(sk));
	if (host) {
		spin_lock_bh(lock_of(sk));
		mss = host->fast_mss;
		*cookie = host->fast_cookie;
		if (!cookie->len)
			cookie->exp = host->fast_form == FORM_EXP;
		spin_unlock_bh(lock_of(sk));
	}
	rcu_read_unlock();
	return mss;
}

/**
 * xtcp_fastcache_set - note a server's answer to a SYN
 * @sk: connection, locked
 * @mss: its MSS option, bytes; 0: none, the old value stays
 * @cookie: the cookie that it gave; of length 0: it did not answer our request for one;
 *	negative: nothing was learned
 *
 * Without memory it is forgotten.
 */
void xtcp_fastcache_set(struct sock *sk, u16 mss, const struct xtcp_fastcookie *cookie)
{
	struct xtcp_key key __uninitialized;
	struct xtcp_host *host;

	xtcp_assert_owned(sk);
	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	rcu_read_lock();
	host = xtcp_hostcache_make(sk, &key, __sk_dst_get(sk));
	if (host) {
		spin_lock_bh(lock_of(sk));
		if (mss)
			host->fast_mss = mss;
		if (cookie->len > 0)
			host->fast_cookie = *cookie;
		else if (!cookie->len && !host->fast_cookie.len &&
			 host->fast_form < FORM_RFC_AGAIN)
			host->fast_form++;
		spin_unlock_bh(lock_of(sk));
	}
	rcu_read_unlock();
}
