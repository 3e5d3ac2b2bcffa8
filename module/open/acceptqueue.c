// SPDX-License-Identifier: GPL-2.0
/*
 * acceptqueue.c - children: from the third segment to accept()
 *
 * RFC 9293 3.10.7.4 fifth, SYN-RECEIVED: the ACK of our SYN makes the
 * connection ESTABLISHED. A child socket replaces the half-open record in the
 * flow table and waits in the listener's accept queue. A fast open (RFC 7413) makes a
 * child in SYN-RECEIVED, without a record: fastopen.c decides that.
 *
 * Life cycle of a child
 *  - sk_clone_lock() returns it locked, with two references. One is dropped
 *    when the segment that created it has been processed; the other is the
 *    accept queue's, then that of accept()'s caller.
 *  - In the queue it has no struct socket, so no program uses it, and SOCK_DEAD
 *    is not set. If the connection ends there, the child stays queued, in
 *    CLOSED, and accept() returns it with its error.
 *  - A closing listener closes the queue under accept_lock. The softirq that
 *    creates a child later resets it. Children in the queue are reset, or move
 *    with their reference to the queue of another listener of the group.
 *
 * Locks: the child's socket lock, then accept_lock. Of the functions here only
 * accept() locks the listener.
 *
 * Context: promotion in softirq, RCU read-side section; accept and stop in
 * process.
 */
#include "open/acceptqueue.h"

#include <linux/jiffies.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <net/busy_poll.h>
#include <net/inet_ecn.h>
#include <net/inet_hashtables.h>
#include <net/inet_sock.h>
#include <net/xfrm.h>

#include "clock.h"
#include "close/close.h"
#include "close/reset.h"
#include "close/timewait.h"
#include "compat.h"
#include "fastq.h"
#include "isn.h"
#include "lookup.h"
#include "net/family.h"
#include "netns.h"
#include "observe/histogram.h"
#include "observe/stats.h"
#include "open/begin.h"
#include "open/listen.h"
#include "open/synqueue.h"
#include "paws.h"
#include "port/port.h"
#include "rare.h"
#include "segment/output.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/accecn.h"
#include "transfer/ack.h"
#include "transfer/acked.h"
#include "transfer/autotune.h"
#include "transfer/congestion.h"
#include "transfer/ecn.h"
#include "transfer/memory.h"
#include "transfer/meter.h"
#include "transfer/mtuprobe.h"
#include "transfer/pacing.h"
#include "transfer/probe.h"
#include "transfer/receive.h"
#include "transfer/rtt.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/window.h"

/*
 * Reset the fields that a copy of a listener must not share with it; xtcp_begin() resets those
 * of a connection.
 */
static void child_forget_listener(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	sk->sk_ack_backlog = 0;
	sk->sk_max_ack_backlog = 0;
	/* It may have tried to connect before. */
	sk->sk_txhash = 0;
	/* Each socket has a cookie of its own: SO_COOKIE, sock_diag. */
	atomic64_set(&sk->sk_cookie, 0);
	/*
	 * References and queues, which a copy must not share. A listener has none of them, but it
	 * may have been stopped and connected since the lookup: only RCU protects it.
	 */
	RCU_INIT_POINTER(sk->sk_rx_dst, NULL);
	sk->sk_frag.page = NULL;
	sk->tcp_rtx_queue = RB_ROOT;
	xs->ofo_queue = RB_ROOT;
	xs->recorder = NULL;
	xs->queued_since = 0;
	xtcp_congestion_inherit(xs);
	INIT_LIST_HEAD(&xs->accept_link);
	xtcp_timers_init(sk);
	sock_reset_flag(sk, SOCK_RCU_FREE);
}

static void child_name(struct sock *sk, const struct xtcp_halfopen *ho,
		       const struct sk_buff *skb)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct inet_sock *inet = &xs->inet;
	struct xtcp_key key __uninitialized;

	xtcp_key_from_flow(&key, &ho->flow);
	xs->af = xtcp_family_get(key.family);
	xtcp_flow_init(&xs->flow, XTCP_KIND_SOCKET, &key);
	inet->inet_dport = key.rport;
	inet->inet_sport = key.lport;
	inet->inet_num = ntohs(key.lport);
	sk->sk_mark = xtcp_synqueue_mark(ho);
	xtcp_family_of(sk)->addr->child_init(sk, ho->ls->sk, &key, skb);
	if (XTCP_KNOB(sock_net(sk), reflect_tos))
		xs->af->packet->tos_set(sk, ho->tos & ~INET_ECN_MASK);
}

static void child_sequence(struct xtcp_sock *xs, const struct xtcp_halfopen *ho,
			   const struct xtcp_seg *seg)
{
	/* A SYN without ACK is that of a fast open: our SYN-ACK is not acknowledged yet. */
	bool fast = (seg->flags & (XTCP_SYN | XTCP_ACK)) == XTCP_SYN;

	xs->iss = ho->iss;
	xtcp_begin_send(xs, seq_add(ho->iss, !fast));

	xs->irs = ho->irs;
	xtcp_begin_receive(xs, seq_add(ho->irs, 1));
	xs->rcv_wnd = READ_ONCE(ho->rcv_wnd);

	xs->wscale_ok = ho->wscale_ok;
	xs->snd_wscale = ho->snd_wscale;
	xs->rcv_wscale = ho->rcv_wscale;
	xtcp_acked_first_window(xs, seg);

	xs->segs_in = 1;	/* the SYN, which a record received */
	xs->delivered = !fast;	/* the SYN-ACK */
	xs->sack_ok = ho->sack_ok;
	xtcp_ecn_adopt(xs, ho->ecn_ok, ho->accecn_ok);
	if (unlikely(ho->accecn_ok))
		xtcp_accecn_adopt(xs, seg, xtcp_synqueue_codepoint(ho),
				  xtcp_synqueue_is_bare_again(ho));
	xs->ts_ok = ho->ts_ok;
	xs->ts_offset = xtcp_synqueue_ts_offset(ho);
	xs->ts_recent = ho->ts_recent;
	xs->ts_recent_s = xtcp_now_s();
}

/*
 * If the SYN-ACK was acknowledged before, a longer round trip of the handshake is not believed: it
 * may be the time for which the peer's program waited. Chosen, not measured.
 */
#define DEFERRED_RTT_MAX_US	(XTCP_RTO_INIT_US / 3)

/*
 * RFC 6298: the first sample. If the SYN-ACK was acknowledged before (by an ACK that the
 * accept queue or TCP_DEFER_ACCEPT did not take), the time until now, and what the
 * segment echoes, measure how long the peer's program has waited, too (RFC 7323 4.1).
 * Without a sample the timeout is the longer one, as in Linux, also if no timer has sent the
 * SYN-ACK again: after a repeated SYN, or if it had a cookie, which leaves no trace of how often it
 * was sent.
 */
static void child_rtt(struct sock *sk, const struct xtcp_halfopen *ho,
		      const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	/* Another CPU may be promoting the record, and set @timeouts to 1. */
	u8 timeouts = READ_ONCE(ho->timeouts);
	u32 rtt_us = xtcp_synqueue_rtt_us(ho, xs->last_rcv_ns);
	bool waited = xtcp_synqueue_was_acked(ho) &&
		      (!rtt_us || rtt_us > DEFERRED_RTT_MAX_US);

	xtcp_rtt_init(xs);
	if (waited ? timeouts : !xtcp_acked_syn_ack(sk, seg, rtt_us) && !(seg->flags & XTCP_SYN))
		xtcp_rtt_fall_back(xs);
}

/*
 * Count the retransmissions of the SYN-ACK. Returns true if more than one SYN-ACK was lost.
 * No SYN-ACK was lost if the peer echoes the timestamp of the first one, which was sent a
 * second before the second one. A record that waits for data (TCP_DEFER_ACCEPT) has timeouts
 * that send nothing, so its timeouts are not counted.
 */
static bool child_losses(struct sock *sk, const struct xtcp_halfopen *ho,
			 const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u8 resent = READ_ONCE(ho->timeouts);
	u32 age_ms;

	if (likely(!resent))
		return false;
	if (xtcp_synqueue_was_acked(ho) && XTCP_SOCKOPT_RARE(xtcp_sk(ho->ls->sk), defer_accept))
		return false;
	age_ms = xtcp_synqueue_age_ms(ho);
	xs->total_retrans = resent;
	xs->retransmit.timeouts = resent;
	xs->retransmit.timeout_runs = 1;
	xs->retransmit.rto_ms = age_ms;
	return resent > 1 && !(xs->ts_ok && seg->opt.has_ts && seg->opt.tsecr &&
			       xtcp_tsval(xs) - seg->opt.tsecr + MSEC_PER_SEC / 2 > age_ms);
}

/* Apply those metrics of the route and of former connections that the SYN-ACK did not need. */
static void child_route(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_window_route(sk);
	xs->rcv_wnd = xtcp_window_syn_ack(sk, __sk_dst_get(sk), xs->advmss,
					  xs->ts_ok, xs->rcv_wnd);
	xtcp_congestion_expect(sk);
}

/* Free a child that was never visible. */
static void child_discard(struct sock *sk)
{
	if (unlikely(xtcp_sk(sk)->fast_held))
		xtcp_fastq_leave(sk);
	xtcp_lifecycle_gone(&xtcp_sk(sk)->flow);
	xtcp_close_orphan(sk);
	xtcp_close_destroy(sk);
	xtcp_acceptqueue_release(sk);
}

/*
 * Has the listener closed, perhaps before the child was copied? Such a child may be dead, shut
 * down, or without the port. A child of a half-open record needs no such check, because a closing
 * listener ends the record; children of cookies and of fast open do.
 */
static bool child_is_late(const struct xtcp_listener *ls, const struct sock *sk)
{
	/*
	 * The copy comes before this read. Pairs with accept_lock, which
	 * xtcp_acceptqueue_stop() releases when @open is false, and acceptqueue_pop() takes
	 * again before the listener's fields change.
	 */
	smp_rmb();
	return unlikely(sock_flag(sk, SOCK_DEAD) || !READ_ONCE(ls->open));
}

/* Returns NULL if there is no memory, or no route to the peer. */
static struct sock *child_make(const struct xtcp_halfopen *ho,
			       const struct sk_buff *skb,
			       const struct xtcp_seg *seg)
{
	struct xtcp_savedsyn *saved = xtcp_synqueue_saved_syn(ho);
	struct xtcp_sockopt_rare *rare = NULL;
	struct mem_cgroup *before;
	struct xtcp_sock *xs;
	struct sock *sk;

	if (unlikely(READ_ONCE(xtcp_sk(ho->ls->sk)->sockopt.rare) || saved ||
		     ho->accecn_ok)) {
		rare = xtcp_rare_of_child(ho->ls->sk, saved);
		if (!rare)
			return NULL;
	}
	sk = sk_clone_lock(ho->ls->sk, GFP_ATOMIC);
	if (!sk) {
		xtcp_rare_free(rare);
		return NULL;
	}
	sock_prot_inuse_add(sock_net(sk), sk->sk_prot, 1);
	xs = xtcp_sk(sk);
	child_forget_listener(sk);
	xs->sockopt.rare = rare;
	child_name(sk, ho, skb);
	xtcp_lifecycle_born(&xs->flow, XTCP_HALF_OPEN);
	xtcp_begin(xs);
	child_sequence(xs, ho, seg);
	xtcp_isn_flow_hash(sk);
	xs->peer_mss = ho->mss;
	xtcp_output_mss_sync(sk, 0);
	child_rtt(sk, ho, seg);	/* the route may have an rto_min */
	xtcp_mtuprobe_init(sk);
	xtcp_congestion_route(sk);
	before = xtcp_memcg_enter(ho->ls->sk);
	xtcp_congestion_init(sk, child_losses(sk, ho, seg));
	xtcp_memcg_leave(before);
	xtcp_autotune_send(sk);
	child_route(sk);
	xtcp_pacing_update(sk);
	xtcp_ack_begin(sk);
	xtcp_port_inherit(sk, ho->ls->sk);
	if (unlikely(!__sk_dst_get(sk))) {
		child_discard(sk);
		return NULL;
	}
	return sk;
}

/*
 * Add a child to the queue, which takes over the child's second reference. Returns
 * false if the listener has closed.
 */
static bool acceptqueue_add(struct xtcp_listener *ls, struct sock *sk)
{
	bool added = false;

	spin_lock(&ls->accept_lock);
	if (ls->open) {
		list_add_tail(&xtcp_sk(sk)->accept_link, &ls->accept_queue);
		if (xtcp_histograms_any() &&
		    xtcp_histograms_are_on(sock_net(sk)))
			xtcp_sk(sk)->queued_since = jiffies ?: 1;
		sk_acceptq_added(ls->sk);
		/* Other CPUs read its cache line. */
		if (ls->sk->sk_ack_backlog > ls->accept_peak)
			WRITE_ONCE(ls->accept_peak, ls->sk->sk_ack_backlog);
		added = true;
	}
	spin_unlock(&ls->accept_lock);
	return added;
}

/* Count a fast-open child in the queue of its new listener, which may have none. */
static void child_recount(struct sock *sk, struct xtcp_listener *to)
{
	/* Pairs with xtcp_fastopen_limit_set(). */
	struct xtcp_fastq *q = smp_load_acquire(&to->fastq);

	if (!q)
		return;
	xtcp_fastq_leave(sk);
	xtcp_fastq_enter(sk, q);
}

/*
 * xtcp_migrate_req: move the child to another listener of the group, even if its
 * queue is full. Returns true if it was moved.
 */
static bool child_migrate(struct xtcp_listener *ls, struct sock *sk)
{
	struct net *net = sock_net(sk);
	struct xtcp_listener *to;
	bool moved = false;
	struct xtcp_key key __uninitialized;
	struct sock *successor;

	if (!XTCP_KNOB(net, migrate_req) || !ls->left_group)
		return false;
	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	rcu_read_lock();
	successor = xtcp_lookup_successor_rcu(ls->sk, &key);
	to = successor ? xtcp_listener_of(successor) : NULL;
	if (to && acceptqueue_add(to, sk)) {
		moved = true;
		if (unlikely(xtcp_sk(sk)->fast_held))
			child_recount(sk, to);
		successor->sk_data_ready(successor);
	}
	rcu_read_unlock();
	if (moved)
		XTCP_INC(net, MIGRATE_REQ_SUCCESS);
	else
		XTCP_INC(net, MIGRATE_REQ_FAILURE);
	return moved;
}

/* LC-46: reset a child whose listener has closed. */
static void child_refuse(struct sock *sk)
{
	xtcp_reset_send(sk, XTCP_MIB_RESET_SENT_LISTENER_CLOSED);
	xtcp_lifecycle_sk(sk, XTCP_EV_ABORT);
	xtcp_close_orphan(sk);
	xtcp_close_done(sk);
}

/* The recorder's memory is charged to the listener's cgroup, like the algorithm's. */
static void child_event(struct xtcp_listener *ls, struct sock *sk, enum xtcp_event event)
{
	struct mem_cgroup *before = xtcp_memcg_enter(ls->sk);

	xtcp_lifecycle_sk(sk, event);
	xtcp_memcg_leave(before);
}

/*
 * Make a child in the flow table ESTABLISHED and queue it. Returns false if the
 * listener has closed and no other takes it: the child is reset and @skb consumed.
 */
static bool child_start(struct xtcp_listener *ls, struct sock *sk,
			struct sk_buff *skb)
{
	child_event(ls, sk, XTCP_EV_RCV_ACK_OF_SYN);
	/*
	 * BPF programs of LSM see the connection. SELinux stores the peer's label, too, and shows
	 * it to nobody: a socket of protocol 253 is no tcp_socket.
	 */
	security_inet_conn_established(sk, skb);
	xtcp_probe_keepalive_start(sk);
	/* The listener may have closed meanwhile, and have missed a child that it did not have. */
	if (acceptqueue_add(ls, sk) || child_migrate(ls, sk))
		return true;
	child_refuse(sk);
	xtcp_acceptqueue_release(sk);
	kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
	return false;
}

/**
 * xtcp_acceptqueue_promote - replace a half-open record by a child
 * @ho: record in the flow table, referenced by the caller
 * @skb: the segment that acknowledges our SYN; consumed, unless a child is
 *	returned
 * @seg: its parsed header
 *
 * If memory is short, or no route leads to the peer, the record stays: the peer sends
 * again. With xtcp_abort_on_overflow it is reset.
 *
 * Context: softirq, RCU read-side section.
 * Return: the child, locked, in the accept queue; the caller passes it @skb and
 * calls xtcp_acceptqueue_announce(). NULL if no child was made, or if it was reset because the
 * listener has closed. XTCP_CHILD_STOLEN if another CPU has promoted or dropped the record: @skb
 * is not consumed.
 */
struct sock *xtcp_acceptqueue_promote(struct xtcp_halfopen *ho,
				      struct sk_buff *skb,
				      const struct xtcp_seg *seg)
{
	struct net *net = sock_net(ho->ls->sk);
	struct sock *sk = child_make(ho, skb, seg);

	if (!sk) {
		xtcp_synqueue_no_child(ho, skb, seg, XTCP_EV_NO_MEMORY,
				       XTCP_MIB_RESET_SENT_NO_MEMORY);
		kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
		return NULL;
	}
	if (!xtcp_flow_replace(net, &ho->flow, &xtcp_sk(sk)->flow)) {
		child_discard(sk);
		return XTCP_CHILD_STOLEN;
	}
	xtcp_lifecycle_move(&xtcp_sk(sk)->flow, &ho->flow);
	if (ho->has_predecessor)
		xtcp_timewait_replaced(net, xtcp_synqueue_predecessor(ho),
				       XTCP_EV_RCV_SYN);
	xtcp_synqueue_detach(ho);
	return child_start(ho->ls, sk, skb) ? sk : NULL;
}

/*
 * Prepare a child that a lossless cookie created. Its client repeats the cookie
 * until it receives a segment from us, so send an ACK at once. The cookie may have
 * come with a later segment than the third segment. Earlier segments, which have older
 * timestamps, may still arrive: let TS.Recent expire, so that PAWS accepts them (RFC
 * 7323 5.5).
 */
static void child_of_option(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (seq_after(seg->seq, xs->rcv_nxt))
		xs->ts_recent_s -= XTCP_PAWS_MAX_AGE_S;
	xtcp_ack_now(sk);
}

/**
 * xtcp_acceptqueue_promote_cookie - create a child from a valid cookie
 * @ho: record on the caller's stack with the cookie's options; in no table
 * @skb: the segment with the cookie; consumed, unless a child is returned
 * @seg: its parsed header
 *
 * Context: softirq, RCU read-side section.
 * Return: as xtcp_acceptqueue_promote().
 */
struct sock *xtcp_acceptqueue_promote_cookie(struct xtcp_halfopen *ho,
					     struct sk_buff *skb,
					     const struct xtcp_seg *seg)
{
	struct net *net = sock_net(ho->ls->sk);
	struct sock *sk;
	int err;

	if (xtcp_acceptqueue_is_full(ho->ls->sk)) {
		xtcp_listen_overflowed(ho->ls);
		goto drop;
	}
	sk = child_make(ho, skb, seg);
	if (!sk)
		goto drop;
	if (child_is_late(ho->ls, sk)) {
		/* The segment may have another listener, or gets a RST. */
		child_discard(sk);
		return XTCP_CHILD_STOLEN;
	}
	xtcp_sk(sk)->cookie_child = 1;
	err = xtcp_flow_insert(net, &xtcp_sk(sk)->flow, NULL);
	if (err) {
		child_discard(sk);
		if (err == -EEXIST)
			return XTCP_CHILD_STOLEN;
		goto drop;
	}
	if (seg->opt.cookie)
		child_of_option(sk, seg);
	return child_start(ho->ls, sk, skb) ? sk : NULL;
drop:
	xtcp_listen_dropped(ho->ls);
	kfree_skb(skb);
	return NULL;
}

/* Give the program the payload of a SYN. Consumes @skb. */
static void child_take_syn(struct sock *sk, struct sk_buff *skb, const struct xtcp_seg *syn)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_seg seg = *syn;

	xs->last_rcv_ns = xtcp_now_ns();
	if (!seg.len) {
		consume_skb(skb);
		return;
	}
	xs->data_segs_in++;
	seg.seq = seq_add(seg.seq, 1);
	seg.flags &= ~XTCP_SYN;
	/* A SYN with FIN is dropped before. */
	xs->fast_taken = !xtcp_receive_payload(sk, &skb, &seg) && xs->rcv_nxt != seg.seq;
	xs->rcv_wup = xs->rcv_nxt;
}

/* Make the child of a fast open; NULL without memory or a route, or if the listener has closed. */
static struct sock *child_make_fast(const struct xtcp_halfopen *ho,
				    const struct sk_buff *skb,
				    const struct xtcp_seg *seg, struct xtcp_fastq *q)
{
	struct sock *sk = child_make(ho, skb, seg);

	if (!sk)
		return NULL;
	if (child_is_late(ho->ls, sk)) {
		child_discard(sk);
		return NULL;
	}
	xtcp_sk(sk)->fast_child = 1;
	xtcp_fastq_enter(sk, q);
	if (xtcp_send_syn_prepare(sk))
		return sk;
	child_discard(sk);
	return NULL;
}

/**
 * xtcp_acceptqueue_open - create a child from a SYN (RFC 7413 4.2.2)
 * @ho: record on the caller's stack with the negotiated options; in no table
 * @skb: the SYN; consumed, unless false is returned
 * @seg: its parsed header
 * @q: queue that counts the child
 * @answer: option for the SYN-ACK, unless the client has shown it; @answer->len negative: none
 *
 * The child is in SYN-RECEIVED, and the program may read and write at once. The SYN-ACK
 * acknowledges the payload.
 *
 * Context: softirq, RCU read-side section.
 * Return: false without memory or a route for the child, or if the listener has closed: there is no
 * child, and @skb stays the caller's. True if @skb was consumed: a child was made, or the flow
 * table did not take the child because another SYN was faster or memory was short.
 */
bool xtcp_acceptqueue_open(struct xtcp_halfopen *ho, struct sk_buff *skb,
			   const struct xtcp_seg *seg, struct xtcp_fastq *q,
			   const struct xtcp_fastcookie *answer)
{
	struct sock *sk = child_make_fast(ho, skb, seg, q);
	bool grants = answer->len >= 0 && !answer->shown;
	struct net *net = sock_net(ho->ls->sk);
	int err;

	if (!sk) {
		XTCP_INC(net, FAST_OPEN_PASSIVE_FAIL);
		/* As in Linux, although the SYN opens as usual. */
		xtcp_listen_dropped(ho->ls);
		return false;
	}
	xtcp_lifecycle_event(net, &ho->flow, XTCP_EV_RCV_SYN);
	err = xtcp_flow_insert(net, &xtcp_sk(sk)->flow, NULL);
	if (err) {
		/* Another SYN of the connection was faster, or memory is short. */
		if (err != -EEXIST)
			xtcp_listen_dropped(ho->ls);
		child_discard(sk);
		kfree_skb(skb);
		return true;
	}
	child_event(ho->ls, sk, XTCP_EV_RCV_FAST_OPEN);
	XTCP_INC(net, FAST_OPEN_PASSIVE);
	/* The client's cookie was of the older key. */
	if (grants)
		XTCP_INC(net, FAST_OPEN_PASSIVE_ALT_KEY);
	security_inet_conn_established(sk, skb);
	/* As for any other child: net/input.c. */
	sk_mark_napi_id_set(sk, skb);
	XTCP_RFS_SAVE(sk, skb);
	skb->dev = NULL;
	child_take_syn(sk, skb, seg);
	xtcp_send_syn_ack(sk, grants ? answer : NULL);
	if (acceptqueue_add(ho->ls, sk)) {
		xtcp_acceptqueue_announce(ho->ls->sk, sk);
		return true;
	}
	if (!child_migrate(ho->ls, sk))
		child_refuse(sk);
	xtcp_acceptqueue_release(sk);
	return true;
}

static struct sock *acceptqueue_pop(struct xtcp_listener *ls)
{
	struct xtcp_sock *xs;

	spin_lock_bh(&ls->accept_lock);
	xs = list_first_entry_or_null(&ls->accept_queue, struct xtcp_sock,
				      accept_link);
	if (xs) {
		list_del(&xs->accept_link);
		xtcp_meter_clear(xs);
		sk_acceptq_removed(ls->sk);
	}
	spin_unlock_bh(&ls->accept_lock);
	return xs ? xtcp_to_sk(xs) : NULL;
}

/*
 * Count how long an accepted child was in the queue. It is not counted if it was added
 * before the histograms were switched on.
 */
static noinline void accept_waited(struct xtcp_listener *ls, const struct sock *sk)
{
	unsigned long since = xtcp_sk(sk)->queued_since;
	struct xtcp_histogram *waits = ls->waits;
	unsigned long *count;
	u64 ms;

	if (!since || !xtcp_histograms_are_on(sock_net(sk)))
		return;
	if (!waits) {
		waits = kzalloc(sizeof(*waits), GFP_KERNEL_ACCOUNT);
		if (!waits)
			return;
		/* Pairs with the reader of /proc/net/xtcp_metrics: it is zeroed. */
		smp_store_release(&ls->waits, waits);
	}
	ms = jiffies64_to_msecs(jiffies - since);
	count = &waits->count[xtcp_histogram_bucket(ms)];
	/* Readers of the file hold no lock. */
	WRITE_ONCE(*count, *count + 1);
	WRITE_ONCE(waits->sum_ms, waits->sum_ms + ms);
}

/* Sleep until a child is queued, without the listener's socket lock. */
static int acceptqueue_wait(struct sock *lsk, long *timeo)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	struct xtcp_listener *ls = xtcp_listener_of(lsk);
	int err = 0;

	/* Without waiting, before a signal counts. */
	if (!*timeo && ls && list_empty(&ls->accept_queue))
		return -EAGAIN;
	add_wait_queue_exclusive(sk_sleep(lsk), &wait);
	/*
	 * Pairs with skwq_has_sleeper() in sk_data_ready(): a CPU that adds a child sees
	 * this waiter, or the queue below has the child.
	 */
	smp_mb();
	for (;;) {
		ls = xtcp_listener_of(lsk);
		if (!ls)
			err = -EINVAL;
		else if (!list_empty(&ls->accept_queue))
			break;
		else if (signal_pending(current))
			err = sock_intr_errno(*timeo);
		else if (!*timeo)
			err = -EAGAIN;
		if (err)
			break;
		release_sock(lsk);
		*timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, *timeo);
		lock_sock(lsk);
	}
	remove_wait_queue(sk_sleep(lsk), &wait);
	return err;
}

/* Bytes of ICMP errors that a program may read. They count as received, but were not reserved. */
static int errors_truesize(struct sock *sk)
{
	struct sk_buff *skb;
	unsigned long flags;
	int sum = 0;

	if (likely(skb_queue_empty_lockless(&sk->sk_error_queue)))
		return 0;
	/* A driver may report the time of a sent segment in a hardware interrupt. */
	spin_lock_irqsave(&sk->sk_error_queue.lock, flags);
	skb_queue_walk(&sk->sk_error_queue, skb)
		sum += skb->truesize;
	spin_unlock_irqrestore(&sk->sk_error_queue.lock, flags);
	return sum;
}

/* Charge a child to the memory cgroup of the caller of accept(), as the kernel's TCP does. */
static void accept_charge(struct sock *sk)
{
	int free, reserved;

	if (!xtcp_memcg_is_ours_to_take())
		return;
	lock_sock(sk);
	/* An ICMP error is queued under the spinlock, although we own the socket. */
	spin_lock_bh(&sk->sk_lock.slock);
	free = sk->sk_forward_alloc;
	reserved = free + atomic_read(&sk->sk_rmem_alloc) - errors_truesize(sk) +
		   sk->sk_wmem_queued;
	spin_unlock_bh(&sk->sk_lock.slock);
	/* It was reserved without a cgroup. */
	if (reserved >= (int)PAGE_SIZE)
		__sk_mem_reclaim(sk, reserved);
	xtcp_memcg_take(sk);
	xtcp_memory_force(sk, free);
	release_sock(sk);
}

/**
 * xtcp_acceptqueue_accept - accept(2)
 * @lsk: listener, unlocked
 * @flags: O_NONBLOCK
 * @err: set if NULL is returned: -EINVAL if @lsk does not listen, -EAGAIN,
 *	-EINTR, -ERESTARTSYS
 * @is_empty: set if a child is returned: 1 if it was the last one, else 0
 *
 * Context: process, may sleep.
 * Return: the oldest child, with the queue's reference, or NULL.
 */
struct sock *xtcp_acceptqueue_accept(struct sock *lsk, int flags, int *err, int *is_empty)
{
	struct xtcp_listener *ls;
	struct sock *sk = NULL;
	long timeo;

	lock_sock(lsk);
	timeo = sock_rcvtimeo(lsk, flags & O_NONBLOCK);
	*err = xtcp_listener_of(lsk) ? 0 : -EINVAL;
	while (!*err) {
		ls = xtcp_listener_of(lsk);
		sk = acceptqueue_pop(ls);
		if (sk) {
			*is_empty = list_empty(&ls->accept_queue);
			if (xtcp_histograms_any())
				accept_waited(ls, sk);
			break;
		}
		*err = acceptqueue_wait(lsk, &timeo);
	}
	release_sock(lsk);
	if (sk)
		accept_charge(sk);
	return sk;
}

/* End a child that will not be accepted. */
static void child_end(struct sock *sk)
{
	if (sk->sk_state != XTCP_CLOSED) {
		child_refuse(sk);
	} else {
		xtcp_close_orphan(sk);
		xtcp_close_destroy(sk);
	}
}

/**
 * xtcp_acceptqueue_stop - the listener closes: migrate or reset its children
 * @ls: its SYN queue is empty
 *
 * Context: process.
 */
void xtcp_acceptqueue_stop(struct xtcp_listener *ls)
{
	struct sock *sk;

	spin_lock_bh(&ls->accept_lock);
	WRITE_ONCE(ls->open, false);
	spin_unlock_bh(&ls->accept_lock);

	while ((sk = acceptqueue_pop(ls))) {
		/* Ending it drops the queue's reference; another queue takes it. */
		sock_hold(sk);
		/*
		 * xtcp_kill, sock_diag and readers of xtcp_diag may own its lock: what they read
		 * or end must not be freed beneath them. The listener's lock is held, too.
		 */
		lock_sock_nested(sk, SINGLE_DEPTH_NESTING);
		local_bh_disable();
		bh_lock_sock(sk);
		if (!child_migrate(ls, sk))
			child_end(sk);
		bh_unlock_sock(sk);
		local_bh_enable();
		release_sock(sk);
		sock_put(sk);
		cond_resched();
	}
}
