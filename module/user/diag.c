// SPDX-License-Identifier: GPL-2.0
/*
 * diag.c - listeners and connections as messages of sock_diag
 *
 * A message is a struct inet_diag_msg and attributes, as `ss` reads them of the
 * kernel's TCP. Attribute INET_DIAG_PROTOCOL has the IP protocol number of the
 * connection's segments: 253 on the native wire, 6 on the TCP wire. The module
 * xtcp_diag (user/sockdiag.c) answers requests by netlink with these messages;
 * /proc/net/xtcp_diag (user/diagfile.c) is a stream of them, also on a machine
 * without that module.
 *
 * When a socket ends, and xtcp_diag is loaded, programs that have joined a multicast
 * group get its last message (`ss -E`).
 *
 * Context: process, may sleep; a socket is locked for TCP_INFO only, so that
 * other fields of a message may be one segment apart. The last message is made under
 * the socket lock, in process context or softirq, and sent by a work item.
 */
#include "user/diag.h"

#include <linux/cgroup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/once.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/skbuff.h>
#include <linux/sock_diag.h>
#include <linux/workqueue.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/netlink.h>
#include <net/sock.h>

#include "close/timewait.h"
#include "compat.h"
#include "flow.h"
#include "lifecycle.h"
#include "net/family.h"
#include "netns.h"
#include "open/synqueue.h"
#include "tcb.h"
#include "transfer/congestion.h"
#include "user/info.h"
#include "user/row.h"
#include "user/walk.h"

static void id_set_v4(struct inet_diag_sockid *id, __be32 src, __be32 dst)
{
	id->idiag_src[0] = src;
	id->idiag_dst[0] = dst;
}

static void id_set_v6(struct inet_diag_sockid *id, const struct in6_addr *src,
		      const struct in6_addr *dst)
{
	memcpy(id->idiag_src, src, sizeof(*src));
	memcpy(id->idiag_dst, dst, sizeof(*dst));
}

static void id_from_sk(struct inet_diag_sockid *id, const struct sock *sk)
{
	const struct inet_sock *inet = inet_sk(sk);

	id->idiag_sport = inet->inet_sport;
	id->idiag_dport = inet->inet_dport;
	id->idiag_if = READ_ONCE(sk->sk_bound_dev_if);
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		id_set_v6(id, &sk->sk_v6_rcv_saddr,
			  id->idiag_dport ? &sk->sk_v6_daddr : &in6addr_any);
		return;
	}
#endif
	id_set_v4(id, inet->inet_rcv_saddr,
		  id->idiag_dport ? inet->inet_daddr : 0);
}

static void id_from_record(struct inet_diag_sockid *id, u8 family,
			   const struct xtcp_flow *flow)
{
	struct xtcp_key key;

	xtcp_key_from_flow(&key, flow);
	id->idiag_sport = key.lport;
	id->idiag_dport = key.rport;
	id->idiag_if = key.dif;
	if (family == AF_INET) {
		id_set_v4(id, key.laddr, key.raddr);
		return;
	}
	if (key.family == AF_INET) {
		ipv6_addr_set_v4mapped(key.laddr, &key.v6.laddr);
		ipv6_addr_set_v4mapped(key.raddr, &key.v6.raddr);
	}
	id_set_v6(id, &key.v6.laddr, &key.v6.raddr);
}

/* As xtcp_row_timer(), where the kernel's own sockets show it with a delayed ACK. */
static int timer_or_ack(const struct xtcp_sock *xs, u64 *deadline_ns)
{
	int tr = xtcp_row_timer(xs, deadline_ns);

	if (tr || !XTCP_DIAG_SHOWS_DELAYED_ACK)
		return tr;
	*deadline_ns = READ_ONCE(xs->deadline_ns[XTCP_TIMER_DELAYED_ACK]);
	return *deadline_ns ? XTCP_TR_DELAYED_ACK : XTCP_TR_NONE;
}

static bool sk_row(struct sock *sk, struct user_namespace *user_ns,
		   struct xtcp_diag_row *row)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct inet_diag_msg *msg = &row->msg;
	u64 deadline_ns;

	/* Pairs with state_set() of lifecycle.c. */
	msg->idiag_state = smp_load_acquire(&sk->sk_state);
	if (msg->idiag_state == XTCP_CLOSED)
		return false;
	msg->idiag_family = sk->sk_family;
	id_from_sk(&msg->id, sk);
	msg->idiag_timer = timer_or_ack(xs, &deadline_ns);
	if (msg->idiag_timer)
		msg->idiag_expires = xtcp_row_ms_left(deadline_ns);
	if (msg->idiag_timer && msg->idiag_timer != XTCP_TR_DELAYED_ACK)
		msg->idiag_retrans = msg->idiag_timer == XTCP_TR_RETRANSMIT ?
				     READ_ONCE(xs->retransmit.in_row) :
				     READ_ONCE(xs->probe.out);
	xtcp_diag_get_info(sk, msg, NULL);
	msg->idiag_uid = from_kuid_munged(user_ns, xtcp_row_owner(sk));
	msg->idiag_inode = sock_i_ino(sk);
	row->mark = READ_ONCE(sk->sk_mark);
	return true;
}

static bool halfopen_row(const struct xtcp_halfopen *ho,
			 struct xtcp_diag_row *row)
{
	if (READ_ONCE(ho->flow.state) != XTCP_HALF_OPEN)
		return false;
	row->msg.idiag_state = XTCP_SYN_RECEIVED;
	row->msg.idiag_timer = XTCP_TR_RETRANSMIT;
	row->msg.idiag_retrans = READ_ONCE(ho->timeouts);
	row->msg.idiag_expires = xtcp_row_ms_left(READ_ONCE(ho->delay.expires_ns));
	row->mark = xtcp_synqueue_mark(ho);
	return true;
}

static bool timewait_row(const struct xtcp_timewait *tw,
			 struct xtcp_diag_row *row)
{
	u8 state = READ_ONCE(tw->flow.state);

	if (state == XTCP_CLOSED)
		return false;
	row->msg.idiag_state = state == XTCP_ORPHAN_FIN_WAIT_2 ?
			       XTCP_FIN_WAIT_2 : state;
	row->msg.idiag_timer = XTCP_TR_RECORD;
	row->msg.idiag_expires = xtcp_row_ms_left(READ_ONCE(tw->delay.expires_ns));
	row->mark = tw->mark;
	return true;
}

/**
 * xtcp_diag_row - read a listener or a connection
 * @flow: its head, referenced
 * @user_ns: user namespace of the reader
 * @row: to be filled
 *
 * Context: process.
 * Return: false if the connection has ended meanwhile.
 */
bool xtcp_diag_row(struct xtcp_flow *flow, struct user_namespace *user_ns,
		   struct xtcp_diag_row *row)
{
	memset(row, 0, sizeof(*row));
	row->wire = READ_ONCE(flow->wire);
	if (flow->kind == XTCP_KIND_SOCKET)
		return sk_row(xtcp_flow_sk(flow), user_ns, row);
	row->msg.idiag_family = xtcp_row_family(flow);
	id_from_record(&row->msg.id, row->msg.idiag_family, flow);
	return flow->kind == XTCP_KIND_HALFOPEN ?
	       halfopen_row(container_of(flow, struct xtcp_halfopen, flow),
			    row) :
	       timewait_row(container_of(flow, struct xtcp_timewait, flow),
			    row);
}
EXPORT_SYMBOL_GPL(xtcp_diag_row);

/* Checksum of this module's headers, with which that of xtcp_diag.ko is compared (Kbuild). */
const u32 xtcp_diag_headers = XTCP_HEADERS;
EXPORT_SYMBOL_GPL(xtcp_diag_headers);

/**
 * xtcp_diag_sk - the socket of a listener or connection, for a program's filter
 * @flow: referenced by the caller
 *
 * Return: the socket, as long as the caller has @flow; NULL for a record.
 */
struct sock *xtcp_diag_sk(const struct xtcp_flow *flow)
{
	return flow->kind == XTCP_KIND_SOCKET ? xtcp_flow_sk(flow) : NULL;
}
EXPORT_SYMBOL_GPL(xtcp_diag_sk);

/*
 * Records have no room for a cookie: it is a hash of the address and of the
 * initial or next sequence number, and keyed, because both are secret.
 */
static u64 record_cookie(const struct xtcp_flow *flow)
{
	static siphash_aligned_key_t key;
	seq_t seq;

	get_random_once(&key, sizeof(key));
	seq = flow->kind == XTCP_KIND_HALFOPEN ?
	      container_of(flow, struct xtcp_halfopen, flow)->iss :
	      container_of(flow, struct xtcp_timewait, flow)->snd_nxt;
	return siphash_2u64((unsigned long)flow, (__force u32)seq, &key);
}

static void cookie_save(struct xtcp_flow *flow, u32 *cookie)
{
	u64 value;

	if (flow->kind == XTCP_KIND_SOCKET) {
		sock_diag_save_cookie(xtcp_flow_sk(flow), cookie);
		return;
	}
	value = record_cookie(flow);
	cookie[0] = lower_32_bits(value);
	cookie[1] = upper_32_bits(value);
}

static bool cookie_fits(struct xtcp_flow *flow, const u32 *wanted)
{
	u32 cookie[2];

	if (wanted[0] == INET_DIAG_NOCOOKIE && wanted[1] == INET_DIAG_NOCOOKIE)
		return true;
	cookie_save(flow, cookie);
	return !memcmp(cookie, wanted, sizeof(cookie));
}

static bool is_asked(const struct xtcp_diag_reader *reader, int attribute)
{
	return reader->ext & (1 << (attribute - 1));
}

static int put_meminfo(struct sk_buff *skb, struct sock *sk,
		       const struct xtcp_diag_reader *reader)
{
	if (is_asked(reader, INET_DIAG_MEMINFO)) {
		struct inet_diag_meminfo info = {
			.idiag_rmem = sk_rmem_alloc_get(sk),
			.idiag_wmem = READ_ONCE(sk->sk_wmem_queued),
			.idiag_fmem = READ_ONCE(sk->sk_forward_alloc),
			.idiag_tmem = sk_wmem_alloc_get(sk),
		};

		if (nla_put(skb, INET_DIAG_MEMINFO, sizeof(info), &info))
			return -EMSGSIZE;
	}
	return is_asked(reader, INET_DIAG_SKMEMINFO) ?
	       sock_diag_put_meminfo(sk, skb, INET_DIAG_SKMEMINFO) : 0;
}

/* What a qdisc may take for the class: the priority, unless a cgroup sets one. */
static u32 sk_classid(const struct sock *sk)
{
	u32 classid = 0;

#ifdef CONFIG_CGROUP_NET_CLASSID
	classid = sock_cgroup_classid(&sk->sk_cgrp_data);
#endif
	return classid ?: READ_ONCE(sk->sk_priority);
}

static int put_classes(struct sk_buff *skb, struct sock *sk,
		       const struct xtcp_diag_reader *reader)
{
	if (is_asked(reader, INET_DIAG_TOS) &&
	    nla_put_u8(skb, INET_DIAG_TOS, READ_ONCE(inet_sk(sk)->tos)))
		return -EMSGSIZE;
#if IS_ENABLED(CONFIG_IPV6)
	if (is_asked(reader, INET_DIAG_TCLASS) && sk->sk_family == AF_INET6 &&
	    nla_put_u8(skb, INET_DIAG_TCLASS, READ_ONCE(inet6_sk(sk)->tclass)))
		return -EMSGSIZE;
#endif
	if ((is_asked(reader, INET_DIAG_TCLASS) ||
	     is_asked(reader, INET_DIAG_CLASS_ID)) &&
	    nla_put_u32(skb, INET_DIAG_CLASS_ID, sk_classid(sk)))
		return -EMSGSIZE;
#ifdef CONFIG_SOCK_CGROUP_DATA
	return nla_put_u64_64bit(skb, INET_DIAG_CGROUP_ID,
				 cgroup_id(sock_cgroup_ptr(&sk->sk_cgrp_data)),
				 INET_DIAG_PAD);
#else
	return 0;
#endif
}

/* Options that a stream can have. */
static int put_options(struct sk_buff *skb, const struct sock *sk, u8 state)
{
	struct inet_diag_sockopt options = {
		.recverr		= inet_test_bit(RECVERR, sk),
		.recverr_rfc4884	= inet_test_bit(RECVERR_RFC4884, sk),
		.freebind		= inet_test_bit(FREEBIND, sk),
		.mc_loop		= inet_test_bit(MC_LOOP, sk),
		.transparent		= inet_test_bit(TRANSPARENT, sk),
		.mc_all			= inet_test_bit(MC_ALL, sk),
		.bind_address_no_port	= inet_test_bit(BIND_ADDRESS_NO_PORT, sk),
		.defer_connect		= inet_test_bit(DEFER_CONNECT, sk),
	};

#if IS_ENABLED(CONFIG_IPV6)
	if (state == XTCP_LISTEN && sk->sk_family == AF_INET6 &&
	    nla_put_u8(skb, INET_DIAG_SKV6ONLY, ipv6_only_sock(sk)))
		return -EMSGSIZE;
#endif
	if (nla_put_u8(skb, INET_DIAG_SHUTDOWN, READ_ONCE(sk->sk_shutdown)))
		return -EMSGSIZE;
	return nla_put(skb, INET_DIAG_SOCKOPT, sizeof(options), &options);
}

static int put_congestion(struct sk_buff *skb, const struct sock *sk)
{
	char name[XTCP_CONGESTION_NAME_MAX];

	xtcp_congestion_name(xtcp_sk(sk), name);
	return nla_put_string(skb, INET_DIAG_CONG, name);
}

/*
 * What the congestion control tells. As in Linux INET_DIAG_VEGASINFO asks for that,
 * whichever attribute it then is: requests have a bit for the first eight only.
 */
static int put_congestion_info(struct sk_buff *skb, struct sock *sk)
{
	union tcp_cc_info info;
	size_t size;
	bool slow;
	int attr;

	slow = lock_sock_fast(sk);
	size = xtcp_congestion_info(sk, &info, &attr);
	unlock_sock_fast(sk, slow);
	return size ? nla_put(skb, attr, size, &info) : 0;
}

static int put_info(struct sk_buff *skb, struct sock *sk,
		    const struct xtcp_diag_reader *reader)
{
	struct nlattr *attr;

	if (is_asked(reader, INET_DIAG_INFO)) {
		attr = nla_reserve_64bit(skb, INET_DIAG_INFO,
					 sizeof(union xtcp_info),
					 INET_DIAG_PAD);
		if (!attr)
			return -EMSGSIZE;
		xtcp_info_fill(sk, nla_data(attr));
	}
	return is_asked(reader, INET_DIAG_CONG) ? put_congestion(skb, sk) : 0;
}

static int put_attributes(struct sk_buff *skb, struct xtcp_flow *flow,
			  const struct xtcp_diag_row *row,
			  const struct xtcp_diag_reader *reader)
{
	struct sock *sk;
	int err;

	if (nla_put_u8(skb, INET_DIAG_PROTOCOL, row->wire))
		return -EMSGSIZE;
	if (reader->net_admin && nla_put_u32(skb, INET_DIAG_MARK, row->mark))
		return -EMSGSIZE;
	if (flow->kind != XTCP_KIND_SOCKET)
		return 0;
	sk = xtcp_flow_sk(flow);
	err = put_options(skb, sk, row->msg.idiag_state);
	err = err ?: put_classes(skb, sk, reader);
	err = err ?: put_meminfo(skb, sk, reader);
	err = err ?: put_info(skb, sk, reader);
	if (!err && is_asked(reader, INET_DIAG_VEGASINFO))
		err = put_congestion_info(skb, sk);
	return err;
}

/**
 * xtcp_diag_put - append the message of a listener or a connection
 * @skb: messages; XTCP_DIAG_MSG_MAX bytes suffice
 * @flow: referenced
 * @row: of @flow, from xtcp_diag_row()
 * @reader: who reads it
 *
 * Context: process, sleeps on the socket lock for INET_DIAG_INFO.
 * Return: 0, or -EMSGSIZE if @skb is full; it is unchanged then.
 */
int xtcp_diag_put(struct sk_buff *skb, struct xtcp_flow *flow,
		  const struct xtcp_diag_row *row,
		  const struct xtcp_diag_reader *reader)
{
	struct inet_diag_msg *msg;
	struct nlmsghdr *nlh;

	nlh = nlmsg_put(skb, reader->portid, reader->seq, SOCK_DIAG_BY_FAMILY,
			sizeof(*msg), reader->flags);
	if (!nlh)
		return -EMSGSIZE;
	msg = nlmsg_data(nlh);
	*msg = row->msg;
	cookie_save(flow, msg->id.idiag_cookie);
	if (put_attributes(skb, flow, row, reader)) {
		nlmsg_cancel(skb, nlh);
		return -EMSGSIZE;
	}
	nlmsg_end(skb, nlh);
	return 0;
}
EXPORT_SYMBOL_GPL(xtcp_diag_put);

/**
 * xtcp_diag_get_info - queues of a socket and its tcp_info
 * @sk: referenced
 * @msg: its queue lengths are set: bytes; of a listener, connections that wait
 *	for accept(), and how many may
 * @info: union xtcp_info to be filled, or NULL
 *
 * Context: process, sleeps on the socket lock unless @info is NULL.
 */
void xtcp_diag_get_info(struct sock *sk, struct inet_diag_msg *msg,
			void *info)
{
	/* Pairs with state_set() of lifecycle.c. */
	if (smp_load_acquire(&sk->sk_state) == XTCP_LISTEN) {
		msg->idiag_rqueue = READ_ONCE(sk->sk_ack_backlog);
		msg->idiag_wqueue = READ_ONCE(sk->sk_max_ack_backlog);
	} else {
		xtcp_row_queues(xtcp_sk(sk), &msg->idiag_wqueue,
				&msg->idiag_rqueue);
	}
	if (info)
		xtcp_info_fill(sk, info);
}
EXPORT_SYMBOL_GPL(xtcp_diag_get_info);

/* On while xtcp_diag is loaded: without it the end of a socket costs nothing more. */
DEFINE_STATIC_KEY_FALSE(xtcp_diag_ends_key);

/**
 * xtcp_diag_ends_start - announce ends of sockets from now on
 *
 * Context: process, may sleep.
 */
void xtcp_diag_ends_start(void)
{
	static_branch_enable(&xtcp_diag_ends_key);
}
EXPORT_SYMBOL_GPL(xtcp_diag_ends_start);

/**
 * xtcp_diag_ends_stop - no longer announce them
 *
 * Context: process, may sleep.
 */
void xtcp_diag_ends_stop(void)
{
	static_branch_disable(&xtcp_diag_ends_key);
}
EXPORT_SYMBOL_GPL(xtcp_diag_ends_stop);

/* Messages of a namespace that wait to be sent: about a megabyte, charged to nobody. */
#define ENDS_MAX	1024
#define ENDS_BATCH	64	/* then other work items have their turn */

static void ends_schedule(struct xtcp_net *xn)
{
	/* Not bound to a CPU, whose other work items would wait for slow filters. */
	queue_work(system_dfl_wq, &xn->ends_work);
}

/* As with a full receive buffer: ENOBUFS tells a reader of the group that it has missed some. */
static void ends_tell_missed(struct xtcp_net *xn, unsigned int group)
{
	if (test_and_clear_bit(group, &xn->ends_missed))
		netlink_set_err(xn->net->diag_nlsk, 0, group, -ENOBUFS);
}

/*
 * Each reader of the group may have a filter, which runs for each message: not in a softirq
 * that holds a socket lock. netlink_set_err() walks over all of these readers, so it is not
 * called in a softirq either.
 */
static void ends_send(struct work_struct *work)
{
	struct xtcp_net *xn = container_of(work, struct xtcp_net, ends_work);
	struct sk_buff *skb;
	unsigned int n = 0;

	ends_tell_missed(xn, SKNLGRP_INET_TCP_DESTROY);
	ends_tell_missed(xn, SKNLGRP_INET6_TCP_DESTROY);
	while ((skb = skb_dequeue(&xn->ends))) {
		nlmsg_multicast(xn->net->diag_nlsk, skb, 0, NETLINK_CB(skb).dst_group,
				GFP_KERNEL);
		cond_resched();
		if (++n == ENDS_BATCH) {
			ends_schedule(xn);
			break;
		}
	}
}

static void ends_queue(struct net *net, struct sk_buff *skb, unsigned int group)
{
	struct xtcp_net *xn = xtcp_net(net);

	if (skb_queue_len_lockless(&xn->ends) >= ENDS_MAX) {
		nlmsg_free(skb);
		set_bit(group, &xn->ends_missed);
	} else {
		NETLINK_CB(skb).dst_group = group;
		skb_queue_tail(&xn->ends, skb);
	}
	ends_schedule(xn);
}

/**
 * xtcp_diag_net_init - prepare a namespace for the last messages of its sockets
 * @net: the namespace
 */
void xtcp_diag_net_init(struct net *net)
{
	skb_queue_head_init(&xtcp_net(net)->ends);
	INIT_WORK(&xtcp_net(net)->ends_work, ends_send);
}

/**
 * xtcp_diag_net_exit - drop the messages that were not sent yet
 * @net: the namespace, without sockets
 *
 * Context: process, sleeps.
 */
void xtcp_diag_net_exit(struct net *net)
{
	cancel_work_sync(&xtcp_net(net)->ends_work);
	skb_queue_purge(&xtcp_net(net)->ends);
}

/* Bytes of such a message; the receive buffer of each netlink reader is charged for them. */
#define END_SIZE (NLMSG_ALIGN(sizeof(struct inet_diag_msg)) +	\
		  nla_total_size(sizeof(u8)) +			\
		  nla_total_size_64bit(sizeof(union xtcp_info)))

/* The attributes that the kernel has in such a message. */
static int put_end(struct sk_buff *skb, struct sock *sk)
{
	struct inet_diag_msg *msg;
	struct nlmsghdr *nlh;
	struct nlattr *info;

	nlh = nlmsg_put(skb, 0, 0, SOCK_DIAG_BY_FAMILY, sizeof(*msg), 0);
	if (!nlh)
		return -EMSGSIZE;
	msg = nlmsg_data(nlh);
	memset(msg, 0, sizeof(*msg));
	msg->idiag_family = sk->sk_family;
	msg->idiag_state = sk->sk_state;
	id_from_sk(&msg->id, sk);
	sock_diag_save_cookie(sk, msg->id.idiag_cookie);
	info = nla_put_u8(skb, INET_DIAG_PROTOCOL, xtcp_sk(sk)->flow.wire) ? NULL :
	       nla_reserve_64bit(skb, INET_DIAG_INFO, sizeof(union xtcp_info),
				 INET_DIAG_PAD);
	if (!info)
		return -EMSGSIZE;
	xtcp_info_fill_locked(sk, nla_data(info));
	nlmsg_end(skb, nlh);
	return 0;
}

/**
 * __xtcp_diag_end_announce - tell the programs that listen that a socket has ended
 * @sk: locked, state CLOSED; not locked if socket() has failed
 *
 * sock_diag has four multicast groups, for TCP and UDP in each family, and the kernel
 * itself sends nothing about sockets of another protocol. xtcp's sockets are announced in
 * the groups of TCP. INET_DIAG_PROTOCOL is 253 or 6, as in a dump.
 *
 * Context: process or softirq.
 */
void __xtcp_diag_end_announce(struct sock *sk)
{
	unsigned int group = sk->sk_family == AF_INET6 ? SKNLGRP_INET6_TCP_DESTROY :
							 SKNLGRP_INET_TCP_DESTROY;
	struct net *net = sock_net(sk);
	struct sk_buff *skb;

	/* A socket of the kernel does not keep the namespace and its diag_nlsk. */
	if (!sk->sk_net_refcnt || !netlink_has_listeners(net->diag_nlsk, group))
		return;
	/* Not dead, and not locked: socket() has failed. */
	if (!sock_flag(sk, SOCK_DEAD))
		return;
	skb = nlmsg_new(END_SIZE, GFP_ATOMIC);
	if (!skb)
		return;
	if (put_end(skb, sk))
		nlmsg_free(skb);
	else
		ends_queue(net, skb, group);
}

/* An IPv4 connection of an IPv6 socket has mapped addresses. */
static void key_from_id(struct xtcp_key *key, u8 family,
			const struct inet_diag_sockid *id)
{
	const struct in6_addr *src = (const struct in6_addr *)id->idiag_src;
	const struct in6_addr *dst = (const struct in6_addr *)id->idiag_dst;
	bool mapped = family == AF_INET6 && ipv6_addr_v4mapped(src) &&
		      ipv6_addr_v4mapped(dst);

	*key = (struct xtcp_key) {
		.laddr		= id->idiag_src[mapped ? 3 : 0],
		.raddr		= id->idiag_dst[mapped ? 3 : 0],
		.lport		= id->idiag_sport,
		.rport		= id->idiag_dport,
		.dif		= id->idiag_if,
		.bound_only	= id->idiag_if != 0,
		.family		= mapped ? AF_INET : family,
	};
	if (xtcp_family_is_ipv6(key->family)) {
		key->v6.laddr = *src;
		key->v6.raddr = *dst;
	}
	xtcp_key_digest(key);
}

static struct xtcp_flow *connection_find(struct net *net, u8 family,
					 const struct inet_diag_sockid *id)
{
	struct xtcp_flow *flow;
	struct xtcp_key key;
	unsigned int i;

	key_from_id(&key, family, id);
	for (i = 0; i < XTCP_ROW_WIRES; i++) {
		key.wire = xtcp_row_wires[i];
		flow = xtcp_flow_lookup(net, &key);
		if (flow && cookie_fits(flow, id->idiag_cookie))
			return flow;
		if (flow)
			xtcp_flow_put(flow);
	}
	return NULL;
}

static bool listener_fits(struct xtcp_flow *flow, u8 family,
			  const struct inet_diag_sockid *id)
{
	const struct sock *sk = xtcp_flow_sk(flow);
	struct inet_diag_sockid own = { };

	if (READ_ONCE(sk->sk_state) != XTCP_LISTEN || sk->sk_family != family)
		return false;
	id_from_sk(&own, sk);
	return own.idiag_sport == id->idiag_sport &&
	       own.idiag_if == id->idiag_if &&
	       !memcmp(own.idiag_src, id->idiag_src,
		       family == AF_INET ? sizeof(__be32) :
					   sizeof(own.idiag_src)) &&
	       cookie_fits(flow, id->idiag_cookie);
}

/* Of a SO_REUSEPORT group the cookie tells which; a lookup would not. */
static struct xtcp_flow *listener_find(struct net *net, u8 family,
				       const struct inet_diag_sockid *id)
{
	struct xtcp_flow *flow;
	struct xtcp_walk *walk;

	walk = kmalloc(sizeof(*walk), GFP_KERNEL);
	if (!walk)
		return ERR_PTR(-ENOMEM);
	xtcp_walk_begin(walk, net, true);
	flow = xtcp_walk_current(walk);
	while (!IS_ERR_OR_NULL(flow) && !listener_fits(flow, family, id))
		flow = xtcp_walk_next(walk);
	if (!IS_ERR_OR_NULL(flow))
		sock_hold(xtcp_flow_sk(flow));
	xtcp_walk_pause(walk);
	kfree(walk);
	return flow;
}

/**
 * xtcp_diag_find - find a listener or a connection by what its message names
 * @net: namespace
 * @family: of its message
 * @id: of its message; a cookie of INET_DIAG_NOCOOKIE matches any. A listener
 *	has no peer's port, and is named by what it is bound to
 *
 * Context: process, may sleep.
 * Return: the flow, referenced; -EINVAL, -ENOENT, -ENOMEM or -EINTR as an
 * ERR_PTR().
 */
struct xtcp_flow *xtcp_diag_find(struct net *net, u8 family,
				 const struct inet_diag_sockid *id)
{
	struct xtcp_flow *flow;

	if (family != AF_INET &&
	    !(IS_ENABLED(CONFIG_IPV6) && family == AF_INET6))
		return ERR_PTR(-EINVAL);
	flow = id->idiag_dport ? connection_find(net, family, id) :
				 listener_find(net, family, id);
	return flow ?: ERR_PTR(-ENOENT);
}
EXPORT_SYMBOL_GPL(xtcp_diag_find);
