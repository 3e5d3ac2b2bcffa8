// SPDX-License-Identifier: GPL-2.0
/*
 * listen.c - passive open: listen(), and segments in state LISTEN
 *
 * RFC 9293 3.10.1 (passive OPEN) and 3.10.7.2 (LISTEN); RFC 4987 (SYN floods); RFC 7413
 * (fast open).
 *
 * Life cycle of a struct xtcp_listener: listen() allocates it. close(),
 * shutdown(RD) and disconnect() of the listener unhash the socket, clear the
 * pointer, empty both queues and free the structure after two grace periods. A
 * segment that found the listener before that may still be processed: its
 * queues are closed (@open, dead delay lines) and refuse it.
 *
 * Context: xtcp_listen() and xtcp_listen_stop() process, socket lock;
 * xtcp_listen_rcv() and xtcp_listen_syn() softirq in an RCU read-side section,
 * the listener is not locked.
 */
#include "open/listen.h"

#include <linux/err.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/inet_ecn.h>
#include <net/inet_sock.h>
#include <net/request_sock.h>
#include <net/sock_reuseport.h>
#include <uapi/linux/xtcp.h>

#include "clock.h"
#include "close/timewait.h"
#include "compat.h"
#include "fastq.h"
#include "isn.h"
#include "lockname.h"
#include "lookup.h"
#include "net/demux.h"
#include "net/family.h"
#include "net/hook.h"
#include "net/reply.h"
#include "netns.h"
#include "observe/stats.h"
#include "open/acceptqueue.h"
#include "open/cookie.h"
#include "open/fastopen.h"
#include "open/gate.h"
#include "open/permit.h"
#include "open/synack.h"
#include "open/synqueue.h"
#include "port/port.h"
#include "tcb.h"
#include "transfer/accecn.h"
#include "transfer/ack.h"
#include "transfer/congestion.h"
#include "transfer/ecn.h"
#include "transfer/window.h"

/*
 * Seconds after the last cookie that was sent in which cookies are accepted: their lifetime, two
 * minutes at most (open/cookie.c).
 */
#define COOKIE_BELIEF_S		120

static struct xtcp_listener *listener_alloc(struct sock *sk)
{
	struct xtcp_listener *ls = kzalloc(sizeof(*ls), GFP_KERNEL_ACCOUNT);

	if (!ls)
		return NULL;
	ls->counts = alloc_percpu_gfp(struct xtcp_listener_counts,
				      GFP_KERNEL_ACCOUNT);
	if (!ls->counts) {
		kfree(ls);
		return NULL;
	}
	ls->sk = sk;
	xtcp_delayset_init(&ls->lines, xtcp_synqueue_expire);
	xtcp_lock_name(&ls->lines.lock, "xtcp_delays_listener");
	spin_lock_init(&ls->accept_lock);
	xtcp_lock_name(&ls->accept_lock, "xtcp_accept");
	INIT_LIST_HEAD(&ls->accept_queue);
	ls->open = true;
	return ls;
}

static void listener_free(struct xtcp_listener *ls)
{
	if (ls->fastq)
		xtcp_fastq_put(ls->fastq);
	free_percpu(ls->counts);
	kfree(ls->waits);
	kfree(ls);
}

static void listener_free_rcu(struct rcu_head *rcu)
{
	listener_free(container_of(rcu, struct xtcp_listener, rcu));
}

/*
 * A SYN in processing may hash its record, and unhash it again, until the end of the first
 * grace period after the listener has closed. Code that has found that record may use the
 * queues and their socket until the end of a second one, which begins here. The socket has
 * SOCK_RCU_FREE: its reference to the module is dropped no earlier, so rcu_barrier() at
 * unload finds our callback queued.
 */
static void listener_unreachable_rcu(struct rcu_head *rcu)
{
	struct xtcp_listener *ls = container_of(rcu, struct xtcp_listener, rcu);

	sock_put(ls->sk);
	call_rcu(&ls->rcu, listener_free_rcu);
}

/**
 * xtcp_listen_counts_sum - sum a listener's counters over all CPUs
 * @ls: queues of the listener
 * @sum: filled in
 */
void xtcp_listen_counts_sum(const struct xtcp_listener *ls,
			    struct xtcp_listener_counts *sum)
{
	int cpu;

	*sum = (struct xtcp_listener_counts){ 0 };
	for_each_possible_cpu(cpu) {
		const struct xtcp_listener_counts *part =
			per_cpu_ptr(ls->counts, cpu);

		sum->syn_overflows += READ_ONCE(part->syn_overflows);
		sum->accept_overflows += READ_ONCE(part->accept_overflows);
		sum->drops += READ_ONCE(part->drops);
		sum->cookies_sent += READ_ONCE(part->cookies_sent);
		sum->cookies_accepted += READ_ONCE(part->cookies_accepted);
		sum->cookies_failed += READ_ONCE(part->cookies_failed);
	}
}

/**
 * xtcp_listen_dropped - count a dropped SYN or third segment
 * @ls: queues of its listener
 */
void xtcp_listen_dropped(struct xtcp_listener *ls)
{
	XTCP_INC(sock_net(ls->sk), LISTEN_DROPS);
	XTCP_LISTENER_INC(ls, drops);
}

/**
 * xtcp_listen_overflowed - count a SYN or third segment that met a full accept queue
 * @ls: queues of its listener
 */
void xtcp_listen_overflowed(struct xtcp_listener *ls)
{
	XTCP_INC(sock_net(ls->sk), LISTEN_OVERFLOWS);
	XTCP_LISTENER_INC(ls, accept_overflows);
}

/* Set the address and port under which SYNs find the listener. */
static void listen_name(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_key key;

	xtcp_family_of(sk)->addr->bound(sk, &key);
	xs->flow.family = key.family;
	xs->flow.laddr = key.laddr;
	xs->flow.raddr = 0;
	xs->flow.lport = inet_sk(sk)->inet_sport;
	xs->flow.rport = 0;
}

static int listen_start(struct sock *sk, int backlog)
{
	struct xtcp_listener *ls = listener_alloc(sk);
	int err;

	if (!ls)
		return -ENOMEM;
	err = xtcp_fastopen_listen(sk, ls, backlog);
	if (!err)
		err = xtcp_port_listen(sk);
	if (err) {
		listener_free(ls);
		return err;
	}
	sk->sk_ack_backlog = 0;
	/* As in Linux: only a TCP_QUICKACK that is set after listen() is for the children. */
	xtcp_ack_init(sk);
	sock_hold(sk);		/* of @ls */
	/*
	 * A release: a reader may have seen LISTEN of an earlier listen(), and then reads this
	 * pointer. It must find @ls filled in.
	 */
	smp_store_release(&xtcp_sk(sk)->listener, ls);
	listen_name(sk);
	get_task_comm(xtcp_sk(sk)->opener, current);
	/* Readers that see LISTEN see the queues (xtcp_listener_of()). */
	xtcp_lifecycle_sk(sk, XTCP_EV_PASSIVE_OPEN);
	/* Children are copies: each would release the same route. */
	sk_dst_reset(sk);
	xtcp_demux_forget(sk);
	/* Lookups find the socket under RCU, without taking a reference. */
	sock_set_flag(sk, SOCK_RCU_FREE);
	err = xtcp_lookup_add(sk);
	if (err) {
		xtcp_lifecycle_sk(sk, XTCP_EV_CLOSE);
		xtcp_listen_stop(sk);
	}
	return err;
}

/**
 * xtcp_listen - listen(2)
 * @sock: socket
 * @backlog: limit of the accept queue, at most net.core.somaxconn
 *
 * Context: process.
 * Return: 0; -EINVAL for a connected socket; -EADDRINUSE if another socket
 * listens on the port, or no port is free; -ENOMEM.
 */
int xtcp_listen(struct socket *sock, int backlog)
{
	struct sock *sk = sock->sk;
	int err = -EINVAL;

	lock_sock(sk);
	if (sock->state != SS_UNCONNECTED || sock->type != SOCK_STREAM)
		goto unlock;
	if (sk->sk_state != XTCP_CLOSED && sk->sk_state != XTCP_LISTEN)
		goto unlock;

	WRITE_ONCE(sk->sk_max_ack_backlog, backlog);
	if (sk->sk_state == XTCP_LISTEN) {
		xtcp_lifecycle_sk(sk, XTCP_EV_PASSIVE_OPEN);
		err = 0;
	} else {
		err = listen_start(sk, backlog);
		if (!err && xtcp_sk(sk)->flow.wire == XTCP_WIRE_NATIVE)
			xtcp_demux_add(sock_net(sk), sk->sk_family);
	}
unlock:
	release_sock(sk);
	return err;
}

/**
 * xtcp_listen_stop - free a listener's queues
 * @sk: locked; its state has left LISTEN
 *
 * Children in the accept queue are reset, half-open records dropped; later
 * segments of their peers are answered with RST (LC-46). With xtcp_migrate_req
 * both move to another listener of the SO_REUSEPORT group if there is one.
 *
 * Context: process, may sleep.
 */
void xtcp_listen_stop(struct sock *sk)
{
	struct xtcp_listener *ls = xtcp_sk(sk)->listener;

	xtcp_assert_owned(sk);
	xtcp_lookup_del(sk);
	xtcp_port_unlisten(sk);
	WRITE_ONCE(xtcp_sk(sk)->listener, NULL);
	/* Segments in processing may use @ls until their RCU section ends. */
	xtcp_synqueue_stop(ls);
	xtcp_acceptqueue_stop(ls);
	call_rcu(&ls->rcu, listener_unreachable_rcu);
}

/*
 * Does the route to the peer have "features ecn" or a congestion control that needs ECN? The
 * latter takes an ECT SYN for an offer, too. Called only if the peer offers ECN, and neither
 * the knob nor the listener's congestion control accepts that.
 */
static bool listen_route_wants_ecn(struct net *net, const struct xtcp_halfopen *ho, u8 offers)
{
	const struct xtcp_family *af = xtcp_family_get(ho->flow.family);
	struct xtcp_reply reply;
	bool wants;

	xtcp_synack_reply(ho, &reply);
	reply.has_iss = false;	/* not chosen yet */
	if (af->route->reply(net, &reply))
		return false;
	wants = xtcp_ecn_route_needs(reply.dst) ||
		((offers & XTCP_ECN_OFFERS_CLASSIC) && xtcp_ecn_route_asks(reply.dst));
	if (reply.dst_held)
		dst_release(reply.dst);
	return wants;
}

/* The best kind that the peer offers and we accept. @offers: xtcp_ecn_offers() */
static noinline void listen_negotiate_ecn(struct net *net, struct xtcp_halfopen *ho,
					  u8 offers)
{
	const struct xtcp_sock *lxs = xtcp_sk(ho->ls->sk);
	u8 knob = XTCP_KNOB(net, ecn);

	if ((offers & XTCP_ECN_OFFERS_ACCURATE) &&
	    (knob >= XTCP_ECN_ACCURATE || xtcp_congestion_wants_accurate_ecn(lxs))) {
		ho->ecn_ok = 1;
		ho->accecn_ok = 1;
		xtcp_synqueue_set_codepoint(ho, offers & INET_ECN_MASK);
	} else if (xtcp_congestion_wants_ecn(lxs)) {
		ho->ecn_ok = !!(offers & (XTCP_ECN_OFFERS_CLASSIC | XTCP_ECN_OFFERS_ECT));
	} else if (knob && (offers & XTCP_ECN_OFFERS_CLASSIC)) {
		ho->ecn_ok = 1;
	} else if (offers & (XTCP_ECN_OFFERS_CLASSIC | XTCP_ECN_OFFERS_ECT)) {
		ho->ecn_ok = listen_route_wants_ecn(net, ho, offers);
	}
}

/*
 * Store the options that the peer offers and we accept. Hot under a SYN flood,
 * like the next functions: force-inlined.
 */
static __always_inline void listen_negotiate(struct net *net, struct xtcp_halfopen *ho,
					     const struct xtcp_seg *seg, u8 ecn_offers)
{
	const struct xtcp_knobs *knobs = &xtcp_net_rcu(net)->knobs;
	u16 mss = seg->opt.mss ?: xtcp_family_get(ho->flow.family)->mss_default;

	ho->mss = xtcp_maxseg_limit(xtcp_sk(ho->ls->sk), mss);
	ho->wscale_ok = seg->opt.has_wscale && READ_ONCE(knobs->window_scaling);
	ho->snd_wscale = ho->wscale_ok ? seg->opt.wscale : 0;
	ho->sack_ok = seg->opt.sack_perm && READ_ONCE(knobs->sack);
	ho->ts_ok = seg->opt.has_ts && READ_ONCE(knobs->timestamps);
	ho->ts_recent = ho->ts_ok ? seg->opt.tsval : 0;
	ho->ecn_ok = 0;
	ho->accecn_ok = 0;
	if (unlikely(ecn_offers))
		listen_negotiate_ecn(net, ho, ecn_offers);
}

static u8 listen_syn_offers_ecn(const struct sk_buff *skb, const struct xtcp_seg *seg,
				const struct xtcp_key *key)
{
	return xtcp_ecn_offers(seg, xtcp_family_get(key->family)->packet->ecn(skb));
}

static __always_inline void listen_receive_window(struct xtcp_halfopen *ho)
{
	u8 wscale;
	u32 wnd;

	/* 0: our MSS is not known before the route is (synack.c). */
	xtcp_window_init(ho->ls->sk, 0, ho->wscale_ok, &wnd, &wscale);
	ho->rcv_wscale = wscale;
	ho->rcv_wnd = min(wnd, XTCP_WINDOW_MAX);
}

/* xtcp_reflect_tos: use the DSCP of the client's SYN, for the child as well. */
static u8 listen_syn_ack_tos(const struct sock *lsk, const struct xtcp_knobs *knobs,
			     const struct sk_buff *skb, const struct xtcp_family *af)
{
	/* The ECN bits of the record's @tos are for the codepoint of the SYN (@accecn_ok). */
	if (likely(!READ_ONCE(knobs->reflect_tos)))
		return af->packet->tos(lsk) & ~INET_ECN_MASK;
	return af->packet->dscp(skb);
}

/* Fill in the fields of a record that follow from the SYN alone. */
static __always_inline void
listen_halfopen_fill(struct xtcp_halfopen *ho, struct xtcp_listener *ls,
		     const struct sk_buff *skb, const struct xtcp_key *key,
		     const struct xtcp_seg *seg, u64 identity)
{
	const struct xtcp_family *af = xtcp_family_get(key->family);
	const struct sock *lsk = ls->sk;
	const struct xtcp_knobs *knobs = &xtcp_net_rcu(sock_net(lsk))->knobs;

	xtcp_flow_init(&ho->flow, XTCP_KIND_HALFOPEN, key);
	ho->flow.mapped = lsk->sk_family != key->family;
	ho->flow.ifindex = af->addr->device(key, READ_ONCE(lsk->sk_bound_dev_if));
	xtcp_lifecycle_born(&ho->flow, XTCP_LISTEN);
	ho->ls = ls;
	ho->irs = seg->seq;
	ho->mark = inet_request_mark(lsk, (struct sk_buff *)skb);
	ho->tos = listen_syn_ack_tos(lsk, knobs, skb, af);
	ho->ts_offset = READ_ONCE(knobs->timestamps) == XTCP_TIMESTAMPS_OFFSET ?
			xtcp_isn_ts_offset(identity) : 0;
	ho->timeouts = 0;
	ho->acked = 0;
	ho->answered_ms = 0;
	ho->has_predecessor = 0;
	ho->syn_saved = 0;
}

/*
 * When a cookie was sent last. A SO_REUSEPORT group has a common one: its BPF
 * program may choose another listener for the third segment than for the SYN.
 */
static u32 *listen_cookie_stamp(struct xtcp_listener *ls)
{
	struct sock_reuseport *reuse = rcu_dereference(ls->sk->sk_reuseport_cb);

	return unlikely(reuse) ? &reuse->synq_overflow_ts : &ls->cookie_s;
}

/* Written at most once a second, so that CPUs don't contend for the cache line. */
static void listen_cookie_note(struct xtcp_listener *ls)
{
	u32 now = xtcp_now_s() ?: 1;
	u32 *stamp = listen_cookie_stamp(ls);

	if (READ_ONCE(*stamp) != now)
		WRITE_ONCE(*stamp, now);
}

/*
 * Without cookies the last quarter of xtcp_max_syn_backlog is reserved for known
 * peers. Linux knows them by its cache of metrics; here these are peers with a
 * TIME-WAIT record or with an RTT in the host cache.
 */
static int listen_unreserved_backlog(struct net *net)
{
	int max_backlog = max(XTCP_KNOB(net, max_syn_backlog), 1);

	return max_backlog - (max_backlog >> 2);
}

/**
 * xtcp_listen_is_reserved - is the remaining space for known peers only
 * @ls: queues of a listener that sends no cookies
 *
 * Return: true if SYNs of unknown peers must be dropped.
 */
bool xtcp_listen_is_reserved(const struct xtcp_listener *ls)
{
	return atomic_read(&ls->qlen) > listen_unreserved_backlog(sock_net(ls->sk));
}

/**
 * xtcp_listen_syn_limit - limit of the SYN queue for unknown peers
 * @ls: queues of a listener
 *
 * Return: number of records; the SYN queue is full if it holds more.
 */
unsigned int xtcp_listen_syn_limit(const struct xtcp_listener *ls)
{
	unsigned int limit = READ_ONCE(ls->sk->sk_max_ack_backlog);
	struct net *net = sock_net(ls->sk);

	if (xtcp_cookie_mode(ls->sk))
		return limit;
	return min_t(unsigned int, limit, listen_unreserved_backlog(net));
}

/* ISN of the connection that a SYN opens, after the TIME-WAIT @tw or one of the kernel's TCP. */
static seq_t listen_isn(const struct sk_buff *skb, u8 family,
			const struct xtcp_timewait *tw, u64 identity)
{
	seq_t iss;

	if (tw)
		return xtcp_isn_above(tw->snd_nxt);
	return xtcp_hook_successor_isn(skb, family, &iss) ? iss : xtcp_isn(identity);
}

/*
 * Create a half-open record for a SYN, and send the SYN-ACK, with @answer if not NULL.
 * Consumes @skb. Not inlined: its frame would burden cookies.
 */
static noinline void listen_syn_queue(struct xtcp_listener *ls, struct sk_buff *skb,
				      const struct xtcp_key *key,
				      const struct xtcp_seg *seg,
				      struct xtcp_timewait *tw,
				      const struct xtcp_fastcookie *answer)
{
	struct net *net = sock_net(ls->sk);
	struct xtcp_halfopen *ho = xtcp_synqueue_alloc(key->family);
	u64 identity;

	if (!ho) {
		xtcp_listen_dropped(ls);
		kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
		return;
	}
	identity = xtcp_isn_identity(net, xtcp_family_get(key->family), key);
	listen_halfopen_fill(ho, ls, skb, key, seg, identity);
	listen_negotiate(net, ho, seg, listen_syn_offers_ecn(skb, seg, key));
	listen_receive_window(ho);
	ho->iss = listen_isn(skb, key->family, tw, identity);
	if (unlikely(xtcp_sk(ls->sk)->sockopt.save_syn))
		xtcp_synqueue_save_syn(ho, skb, xtcp_sk(ls->sk)->sockopt.save_syn > 1);
	xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RCV_SYN);
	if (!xtcp_synqueue_insert(ls, ho, tw)) {
		/* Another CPU was faster with the same SYN, the listener closes, or no memory. */
		kfree_skb(skb);
		return;
	}
	if (xtcp_synack_send(ho, NULL, answer, skb) == -EHOSTUNREACH &&
	    xtcp_synqueue_end(ho, XTCP_EV_ICMP_SOFT))
		xtcp_listen_dropped(ls);
	xtcp_flow_put(&ho->flow);
}

/*
 * Answer a SYN with a cookie. Consumes @skb. The SYN-ACK is built from a record
 * on the stack, of which only the needed fields are set: zeroing it would cost
 * too much under a SYN flood.
 */
static noinline void listen_syn_cookie(struct xtcp_listener *ls, struct sk_buff *skb,
				       const struct xtcp_key *key,
				       const struct xtcp_seg *seg)
{
	const struct xtcp_family *af = xtcp_family_get(key->family);
	struct net *net = sock_net(ls->sk);
	u64 identity = xtcp_isn_identity(net, af, key);
	struct xtcp_halfopen6 record __uninitialized;
	struct xtcp_cookie cookie __uninitialized;
	struct xtcp_halfopen *ho = &record.ho;
	int err;

	listen_cookie_note(ls);
	listen_halfopen_fill(ho, ls, skb, key, seg, identity);
	listen_negotiate(net, ho, seg, listen_syn_offers_ecn(skb, seg, key));
	listen_receive_window(ho);
	xtcp_cookie_make(net, identity, af->cookie_mss, xtcp_now_ms(), ho,
			 &cookie);
	/* LISTEN stays: there is no record. RCV_SYN follows if the ACK returns the cookie. */
	xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RCV_SYN_IN_WINDOW);
	err = xtcp_synack_send(ho, &cookie, NULL, skb);
	if (!err) {
		XTCP_INC(net, SYNCOOKIES_SENT);
		XTCP_LISTENER_INC(ls, cookies_sent);
	} else if (err == -EHOSTUNREACH) {
		xtcp_listen_dropped(ls);
	}
}

/*
 * A SYN with payload or with the option of fast open: open the connection at once if it may. One
 * that takes over a TIME-WAIT record (@tw) opens as usual, so that the record can return if the SYN
 * is an old one.
 * Returns false if it goes on as any other SYN, with @answer in its SYN-ACK; else @skb is
 * consumed.
 */
static bool listen_syn_open(struct xtcp_listener *ls, struct sk_buff *skb,
			    const struct xtcp_key *key, const struct xtcp_seg *seg,
			    const struct xtcp_timewait *tw, struct xtcp_fastcookie *answer)
{
	struct net *net = sock_net(ls->sk);
	struct xtcp_halfopen6 record;
	struct xtcp_halfopen *ho = &record.ho;
	struct xtcp_fastq *q;
	u64 identity;
	bool opened;

	identity = xtcp_isn_identity(net, xtcp_family_get(key->family), key);
	listen_halfopen_fill(ho, ls, skb, key, seg, identity);
	q = xtcp_fastopen_judge(ho, key, seg, answer);
	if (!q || tw)
		return false;
	listen_negotiate(net, ho, seg, listen_syn_offers_ecn(skb, seg, key));
	listen_receive_window(ho);
	ho->iss = listen_isn(skb, key->family, NULL, identity);
	ho->answered_ms = 1;	/* no round trip can be measured by the record */
	if (unlikely(xtcp_sk(ls->sk)->sockopt.save_syn))
		xtcp_synqueue_save_syn(ho, skb, xtcp_sk(ls->sk)->sockopt.save_syn > 1);
	opened = xtcp_acceptqueue_open(ho, skb, seg, q, answer);
	/* The child has a reference of its own. */
	if (unlikely(ho->syn_saved))
		xtcp_savedsyn_put(ho->saved);
	return opened;
}

/*
 * Try listen_syn_open(); if it refuses, treat the SYN like any other. Not inlined, because fast
 * open is rare. During a flood a valid cookie opens as at any time: it proves the address, as a SYN
 * cookie would.
 */
static noinline void listen_syn_fast(struct xtcp_listener *ls, struct sk_buff *skb,
				     const struct xtcp_key *key,
				     const struct xtcp_seg *seg,
				     struct xtcp_timewait *tw, bool cookie)
{
	struct xtcp_fastcookie answer = { .len = -1 };

	if (listen_syn_open(ls, skb, key, seg, tw, &answer))
		return;
	if (cookie)
		listen_syn_cookie(ls, skb, key, seg);
	else
		listen_syn_queue(ls, skb, key, seg, tw, answer.len < 0 ? NULL : &answer);
}

/* Let the gate decide on a SYN. Inlined, for the same reason as listen_negotiate(). */
static __always_inline void listen_syn(struct sock *lsk, struct sk_buff *skb,
				       const struct xtcp_key *key,
				       const struct xtcp_seg *seg,
				       struct xtcp_timewait *tw)
{
	struct xtcp_listener *ls = xtcp_listener_of(lsk);
	enum xtcp_gate_verdict verdict;
	seq_t iss;

	if (!ls) {
		kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
		return;
	}
	/*
	 * No cookie for a 4-tuple in TIME-WAIT, ours or the kernel's TCP's: the ISN must lie above
	 * the old connection's numbers, and a cookie would not.
	 */
	verdict = xtcp_gate_syn(ls, skb, key,
				tw || xtcp_hook_successor_isn(skb, key->family, &iss));
	switch (verdict) {
	case XTCP_GATE_QUEUE:
	case XTCP_GATE_COOKIE:
		if (unlikely(seg->len || seg->opt.has_fastopen))
			listen_syn_fast(ls, skb, key, seg, tw,
					verdict == XTCP_GATE_COOKIE);
		else if (verdict == XTCP_GATE_QUEUE)
			listen_syn_queue(ls, skb, key, seg, tw, NULL);
		else
			listen_syn_cookie(ls, skb, key, seg);
		break;
	case XTCP_GATE_DROP_POLICY:
		kfree_skb_reason(skb, SKB_DROP_REASON_SECURITY_HOOK);
		break;
	default:
		kfree_skb(skb);
	}
}

/**
 * xtcp_listen_syn - process a SYN that may end a TIME-WAIT
 * @lsk: listener, not locked
 * @skb: segment; consumed
 * @key: its connection
 * @seg: its parsed header
 * @tw: predecessor: TIME-WAIT record of the 4-tuple, referenced by the caller
 *
 * Context: softirq, RCU read-side section.
 */
void xtcp_listen_syn(struct sock *lsk, struct sk_buff *skb,
		     const struct xtcp_key *key, const struct xtcp_seg *seg,
		     struct xtcp_timewait *tw)
{
	listen_syn(lsk, skb, key, seg, tw);
}

static bool listen_cookie_may_be(const struct sock *lsk, struct xtcp_listener *ls)
{
	unsigned int mode = xtcp_cookie_mode(lsk);
	u32 last = READ_ONCE(*listen_cookie_stamp(ls));

	if (!mode)
		return false;
	return mode >= 2 ||
	       (last && (s32)(xtcp_now_s() - last) <
			COOKIE_BELIEF_S);
}

/* Count a valid (@good) or invalid cookie. Returns @good. */
static bool listen_cookie_count(struct xtcp_listener *ls, bool good)
{
	struct net *net = sock_net(ls->sk);

	if (good) {
		XTCP_INC(net, SYNCOOKIES_RECV);
		XTCP_LISTENER_INC(ls, cookies_accepted);
	} else {
		XTCP_INC(net, SYNCOOKIES_FAILED);
		XTCP_LISTENER_INC(ls, cookies_failed);
	}
	return good;
}

/*
 * A classic cookie has one bit for both kinds of ECN. RFC 9768 5.1: the ACE field of a third
 * ACK tells them apart; but CWR is in it as well, so it is the other kind where the knob
 * does not want Accurate ECN.
 */
static u8 listen_cookie_ecn(const struct xtcp_seg *seg)
{
	if (!seg->opt.ecn)
		return 0;
	return XTCP_ECN_OFFERS_CLASSIC |
	       (xtcp_seg_ace(seg) > XTCP_ACE_CLASSIC ? XTCP_ECN_OFFERS_ACCURATE : 0);
}

/*
 * Fill in the options of a classic cookie: the MSS from the cookie, the others
 * from the timestamp. The segment is assumed to be the third one of the handshake.
 */
static bool listen_cookie_take_classic(struct xtcp_halfopen *ho, u16 mss,
				       const struct xtcp_seg *seg)
{
	struct net *net = sock_net(ho->ls->sk);
	struct xtcp_seg syn = *seg;

	syn.opt.mss = mss;
	syn.opt.has_wscale = 0;
	syn.opt.sack_perm = 0;
	syn.opt.ecn = 0;
	syn.opt.accecn_ok = 0;
	if (syn.opt.has_ts &&
	    !xtcp_cookie_ts_decode(net, seg->opt.tsecr - ho->ts_offset,
				   &syn.opt))
		return false;
	listen_negotiate(net, ho, &syn, listen_cookie_ecn(&syn));
	listen_receive_window(ho);
	return true;
}

/* Fill in the options of a lossless cookie: all of them, even if a knob changed. */
static bool listen_cookie_take_option(struct xtcp_halfopen *ho,
				      const struct xtcp_family *af, u64 identity,
				      const struct xtcp_seg *seg)
{
	const struct net *net = sock_net(ho->ls->sk);
	u8 rcv_wscale;

	if (!listen_cookie_count(ho->ls,
				 xtcp_cookie_check_option(net, identity,
							  af->cookie_mss,
							  seg->opt.cookie, ho->iss,
							  ho)))
		return false;
	ho->ts_recent = seg->opt.tsval;
	rcv_wscale = ho->rcv_wscale;
	listen_receive_window(ho);
	ho->rcv_wscale = rcv_wscale;
	return true;
}

/*
 * No valid cookie has come: the segment is not consumed, and is to be answered. Any other
 * result of the functions below is that of xtcp_acceptqueue_promote_cookie().
 */
#define NO_COOKIE	((struct sock *)ERR_PTR(-EINVAL))

/*
 * Create a child from a cookie. @mss is that of a classic cookie, which has been
 * checked; a lossless one is checked here. Returns NO_COOKIE if it is invalid.
 */
static struct sock *
listen_cookie_take(struct xtcp_listener *ls, struct sk_buff *skb,
		   const struct xtcp_key *key, const struct xtcp_seg *seg,
		   u64 identity, u16 mss)
{
	const struct xtcp_family *af = xtcp_family_get(key->family);
	struct xtcp_halfopen6 record;
	struct xtcp_halfopen *ho = &record.ho;

	listen_halfopen_fill(ho, ls, skb, key, seg, identity);
	ho->irs = seq_sub(seg->seq, 1);
	ho->iss = seq_sub(seg->ack, 1);
	ho->answered_ms = 1;	/* the time of the SYN-ACK is unknown */
	if (seg->opt.cookie ? !listen_cookie_take_option(ho, af, identity, seg) :
			      !listen_cookie_take_classic(ho, mss, seg))
		return NO_COOKIE;
	if (unlikely(!xtcp_permit_request(ls->sk, skb, key))) {
		kfree_skb_reason(skb, SKB_DROP_REASON_SECURITY_HOOK);
		return NULL;
	}
	xtcp_lifecycle_event(sock_net(ls->sk), &ho->flow, XTCP_EV_RCV_SYN);
	return xtcp_acceptqueue_promote_cookie(ho, skb, seg);
}

/*
 * Process an ACK for a listener, which may carry a cookie. If it has the option of
 * the lossless cookie, that alone counts. Returns as listen_cookie_take().
 */
static struct sock *listen_cookie_rcv(struct sock *lsk, struct sk_buff *skb,
				      const struct xtcp_key *key,
				      const struct xtcp_seg *seg)
{
	const struct xtcp_family *af = xtcp_family_get(key->family);
	struct xtcp_listener *ls = xtcp_listener_of(lsk);
	u64 identity;
	u16 mss = 0;

	if (!ls || !listen_cookie_may_be(lsk, ls))
		return NO_COOKIE;
	identity = xtcp_isn_identity(sock_net(lsk), af, key);
	if (!seg->opt.cookie) {
		/* Checked first: a forged ACK must not cost more than this. */
		mss = xtcp_cookie_check(sock_net(lsk), identity,
					af->cookie_mss, seq_sub(seg->seq, 1),
					seq_sub(seg->ack, 1));
		if (!listen_cookie_count(ls, mss))
			return NO_COOKIE;
	}
	return listen_cookie_take(ls, skb, key, seg, identity, mss);
}

/**
 * xtcp_listen_sent_cookie - does an ACK acknowledge a cookie of a listener
 * @lsk: listener, not locked
 * @skb: segment
 * @key: its connection
 * @seg: its parsed header, with an ACK
 *
 * Counts nothing: xtcp_listen_rcv() does.
 *
 * Context: softirq, RCU read-side section.
 * Return: true if the cookie is valid.
 */
bool xtcp_listen_sent_cookie(const struct sock *lsk, const struct sk_buff *skb,
			     const struct xtcp_key *key, const struct xtcp_seg *seg)
{
	const struct xtcp_family *af = xtcp_family_get(key->family);
	struct xtcp_listener *ls = xtcp_listener_of(lsk);
	struct net *net = sock_net(lsk);
	struct xtcp_halfopen6 record;
	u64 identity;

	if (!ls || !listen_cookie_may_be(lsk, ls))
		return false;
	identity = xtcp_isn_identity(net, af, key);
	if (!seg->opt.cookie)
		return xtcp_cookie_check(net, identity, af->cookie_mss,
					 seq_sub(seg->seq, 1), seq_sub(seg->ack, 1));
	listen_halfopen_fill(&record.ho, ls, skb, key, seg, identity);
	return xtcp_cookie_check_option(net, identity, af->cookie_mss, seg->opt.cookie,
					seq_sub(seg->ack, 1), &record.ho);
}

/**
 * xtcp_listen_rcv - process a segment for a listener
 * @sk: listener, not locked
 * @skb: segment; consumed if NULL is returned
 * @key: its connection
 * @seg: its parsed header
 *
 * RFC 9293 3.10.7.2, steps in the RFC's order.
 *
 * Context: softirq, RCU read-side section.
 * Return: the child that a cookie made (see xtcp_acceptqueue_promote_cookie()),
 * NULL, or XTCP_CHILD_STOLEN.
 */
struct sock *xtcp_listen_rcv(struct sock *sk, struct sk_buff *skb,
			     const struct xtcp_key *key,
			     const struct xtcp_seg *seg)
{
	enum skb_drop_reason why = SKB_DROP_REASON_TCP_FLAGS;
	struct net *net = sock_net(sk);

	if (seg->flags & XTCP_RST) {
		why = SKB_DROP_REASON_TCP_RESET;
		xtcp_lifecycle_listener(net, XTCP_EV_RCV_RST_OUTSIDE);
	} else if (seg->flags & XTCP_ACK) {
		bool syn = seg->flags & XTCP_SYN;
		struct sock *child = syn ? NO_COOKIE :
					   listen_cookie_rcv(sk, skb, key, seg);

		if (child != NO_COOKIE)
			return child;
		xtcp_lifecycle_listener(net, syn ? XTCP_EV_RCV_SYN_ACK :
						   XTCP_EV_RCV_ACK);
		xtcp_gate_reset(net, skb, key, seg, sk);
		return NULL;
	} else if ((seg->flags & (XTCP_SYN | XTCP_FIN)) != XTCP_SYN) {
		xtcp_lifecycle_listener(net, XTCP_EV_RCV_BAD_FLAGS);
	} else {
		listen_syn(sk, skb, key, seg, NULL);
		return NULL;
	}
	kfree_skb_reason(skb, why);
	return NULL;
}
