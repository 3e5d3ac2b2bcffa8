// SPDX-License-Identifier: GPL-2.0
/*
 * kill.c - the administrator ends connections
 *
 * RFC 9293 3.10.5 (ABORT), called by the administrator instead of the user: `ss
 * -K` asks for it by netlink (user/sockdiag.c), and a line written to
 * /proc/net/xtcp_kill (user/killfile.c). Also called for what is left when a namespace ends.
 *
 * Context: process, sleeps on socket locks.
 */
#include "user/kill.h"

#include <linux/export.h>
#include <linux/sched/signal.h>
#include <net/sock.h>

#include "close/close.h"
#include "close/timewait.h"
#include "flow.h"
#include "lifecycle.h"
#include "lookup.h"
#include "net/family.h"
#include "open/synqueue.h"
#include "tcb.h"
#include "user/walk.h"

/* Both are chosen, not measured. */
#define LISTENERS_MAX	65536U	/* closed by one call */
#define KILL_TRIES	8	/* lookups of a connection that changes its form meanwhile */

/* Drops the caller's reference. */
static int listener_kill(struct sock *sk)
{
	int err = -ENOENT;

	lock_sock(sk);
	if (sk->sk_state == XTCP_LISTEN) {
		xtcp_close_kill(sk);
		err = 0;
	}
	release_sock(sk);
	sock_put(sk);
	return err;
}

/*
 * Takes the socket lock, against system calls of the user and a listener that closes,
 * and the spinlock as well, against segments and timers. The socket may have got
 * another connection meanwhile. Its inode changes under the socket lock: accept(), close().
 * Drops the caller's reference. Returns -EAGAIN if this is not the connection's socket any more,
 * -ENOENT if it has another inode.
 */
static int sock_kill(struct sock *sk, const struct xtcp_key *key,
		     const unsigned long *inode)
{
	int err = -EAGAIN;

	lock_sock(sk);
	local_bh_disable();
	bh_lock_sock(sk);
	if (!xtcp_state_in(sk, XTCP_UNCONNECTED) &&
	    xtcp_flow_is_named(&xtcp_sk(sk)->flow, key)) {
		err = inode && *inode != sock_i_ino(sk) ? -ENOENT : 0;
		if (!err)
			xtcp_close_kill(sk);
	}
	bh_unlock_sock(sk);
	local_bh_enable();
	release_sock(sk);
	sock_put(sk);
	return err;
}

/*
 * Close all listeners with that key (SO_REUSEPORT). Their owner may add new ones for ever: more
 * than LISTENERS_MAX are -EAGAIN.
 */
static int listeners_kill(struct net *net, const struct xtcp_key *key)
{
	unsigned int found;
	int err = -ENOENT;
	struct sock *sk;

	for (found = 0; (sk = xtcp_lookup_get(net, key)); found++) {
		if (found == LISTENERS_MAX || signal_pending(current)) {
			sock_put(sk);
			return found == LISTENERS_MAX ? -EAGAIN : -ERESTARTSYS;
		}
		if (!listener_kill(sk))
			err = 0;
		cond_resched();
	}
	return err;
}

/*
 * A half-open record refers to its listener: while the record is found alive
 * within an RCU section, the listener is valid. Drops the caller's reference.
 * Returns -EAGAIN if the record has ended.
 */
static int record_kill(struct net *net, struct xtcp_flow *flow)
{
	bool killed;

	rcu_read_lock();
	if (flow->kind == XTCP_KIND_HALFOPEN)
		killed = READ_ONCE(flow->state) != XTCP_CLOSED &&
			 xtcp_synqueue_end(container_of(flow, struct xtcp_halfopen, flow),
					   XTCP_EV_KILL);
	else
		killed = xtcp_timewait_end(net, container_of(flow, struct xtcp_timewait,
							     flow), XTCP_EV_KILL);
	rcu_read_unlock();
	xtcp_flow_put(flow);
	return killed ? 0 : -EAGAIN;
}

/* A record has no inode. Drops the caller's reference. */
static int flow_kill(struct net *net, struct xtcp_flow *flow,
		     const struct xtcp_key *key, const unsigned long *inode)
{
	if (flow->kind == XTCP_KIND_SOCKET)
		return sock_kill(xtcp_flow_sk(flow), key, inode);
	if (inode && *inode) {
		xtcp_flow_put(flow);
		return -ENOENT;
	}
	return record_kill(net, flow);
}

/*
 * A record may become a socket, or a socket a record, after the lookup: then the
 * connection is killed in its next form: a half-open record, a socket, or a record of its end.
 * It may as well be the next connection with these ends, which only @inode can tell.
 */
static int connection_kill(struct net *net, const struct xtcp_key *key,
			   const unsigned long *inode)
{
	struct xtcp_flow *flow;
	unsigned int i;
	int err;

	for (i = 0; i < KILL_TRIES; i++) {
		flow = xtcp_flow_lookup(net, key);
		if (!flow)
			break;
		err = flow_kill(net, flow, key, inode);
		if (err != -EAGAIN)
			return err;
	}
	return -ENOENT;
}

/**
 * xtcp_kill_flow - end a connection or close a listener (sock_diag)
 * @net: namespace
 * @flow: its head; the caller's reference is dropped
 * @only: end nothing but this socket or record, as Linux does. Else also what the
 *	connection has become meanwhile
 *
 * The caller has checked CAP_NET_ADMIN.
 *
 * Context: process, sleeps on the socket lock.
 * Return: 0, or -ENOENT if it has ended by itself.
 */
int xtcp_kill_flow(struct net *net, struct xtcp_flow *flow, bool only)
{
	struct xtcp_key key = { };
	int err;

	if (flow->kind == XTCP_KIND_SOCKET &&
	    READ_ONCE(xtcp_flow_sk(flow)->sk_state) == XTCP_LISTEN)
		return listener_kill(xtcp_flow_sk(flow));
	xtcp_key_from_flow(&key, flow);
	key.bound_only = key.dif != 0;
	err = flow_kill(net, flow, &key, NULL);
	if (err != -EAGAIN)
		return err;
	return only ? -ENOENT : connection_kill(net, &key, NULL);
}
EXPORT_SYMBOL_GPL(xtcp_kill_flow);

/**
 * xtcp_kill_key - end the connection, or close the listeners, with these ends
 * @net: namespace
 * @key: with its digest; a listener has no remote port. With @bound_only only
 *	a connection that is bound to the device.
 * @inode: only a connection whose socket has this inode; 0: that has none, as a record, an
 *	orphan and a child before accept(). NULL: any. Ignored for a listener
 *
 * The caller has checked CAP_NET_ADMIN.
 *
 * Context: process, sleeps on the socket lock.
 * Return: 0; -ENOENT if there is none; of listeners, of which some may have been closed: -EAGAIN
 * if their owner opens ever more, -ERESTARTSYS because of a signal.
 */
int xtcp_kill_key(struct net *net, const struct xtcp_key *key,
		  const unsigned long *inode)
{
	return key->rport ? connection_kill(net, key, inode) :
			    listeners_kill(net, key);
}

/**
 * xtcp_kill_sockets - end what is left when a namespace ends
 * @net: namespace, which no program has any more
 *
 * A socket of a program keeps its namespace. One that a kernel module has opened
 * (sock_create_kern()) doesn't, and may be an orphan with timers. In the end no timer of such a
 * socket runs, neither of those that the walk has found nor of one that has just left the table.
 *
 * Context: process, sleeps on socket locks.
 */
void xtcp_kill_sockets(struct net *net)
{
	struct xtcp_flow *flow;
	struct xtcp_walk walk;

	if (!READ_ONCE(xtcp_net(net)->borrowed))
		return;
	xtcp_walk_begin(&walk, net, false);
	for (flow = xtcp_walk_current(&walk); !IS_ERR_OR_NULL(flow); flow = xtcp_walk_next(&walk)) {
		if (flow->kind != XTCP_KIND_SOCKET)
			continue;
		sock_hold(xtcp_flow_sk(flow));
		xtcp_kill_flow(net, flow, false);
	}
	xtcp_walk_pause(&walk);
	synchronize_rcu();
}
