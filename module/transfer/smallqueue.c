// SPDX-License-Identifier: GPL-2.0
/*
 * smallqueue.c - limit what a socket has in the queues of its own host
 *
 * A window of segments in the queue of a slow device is latency for all others,
 * and hides from the connection that it sends too fast. So a socket stops when
 * as much as its pacing rate sends in a millisecond, but at most
 * xtcp_limit_output_bytes, has not left the host, and continues when an skb of it
 * is freed. As in newer kernels, the knob also limits what is paced: on a short path
 * a millisecond's worth may be a whole window.
 * In the same way short writes are held back while something of the socket has
 * not left, so that the next one can be put into the same segment
 * (xtcp_autocorking). Lost segments are sent again up to twice that limit, and
 * only after the previous copy has left.
 *
 * sk_wmem_alloc counts what has not left; sock_wfree() lowers it when a device
 * frees an skb. For a socket without SOCK_USE_WRITE_QUEUE it then calls
 * sk_write_space(), in any context and under any locks; so a tasklet does the
 * sending. SOCK_USE_WRITE_QUEUE is cleared the first time the limit is hit. A
 * concurrent sock_wfree() may have tested the flag already, so that time new
 * segments are sent all the same, and for a retransmission the tasklet looks
 * again.
 *
 * A SYN or FIN that was sent without an skb in the queue (sendqueue.c) has no
 * clone to look for: its first retransmission is not held back.
 *
 *   xs->deferred: XTCP_THROTTLED   has stopped, and wants to be called
 *	        XTCP_RESUMING    is in a tasklet's list, with a reference
 *	        XTCP_DEFER_SEND  the tasklet found it owned by the user
 *
 * Context: see each function.
 */
#include "transfer/smallqueue.h"

#include <linux/interrupt.h>
#include <linux/llist.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "netns.h"
#include "observe/stats.h"
#include "tcb.h"
#include "transfer/burst.h"
#include "transfer/recovery.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"

/* Sockets that may continue, because skbs were freed on this CPU. */
struct resumer {
	struct llist_head	waiting;
	struct tasklet_struct	tasklet;
};

static DEFINE_PER_CPU(struct resumer, resumers);

/* True if sk_write_space() reports freed skbs since before this call. */
static bool smallqueue_is_told(struct sock *sk)
{
	if (!sock_flag(sk, SOCK_USE_WRITE_QUEUE))
		return true;
	sock_reset_flag(sk, SOCK_USE_WRITE_QUEUE);
	return false;
}

/* Memory that has not left the host, bytes. The socket itself counts as one. */
static u32 smallqueue_bytes(const struct sock *sk)
{
	return refcount_read(&sk->sk_wmem_alloc) - 1;
}

/* Stop, unless @limit or less is left by now. Returns true if stopped. */
static bool smallqueue_stop(struct sock *sk, u32 limit)
{
	set_bit(XTCP_THROTTLED, &xtcp_sk(sk)->deferred);
	/* Either we see the freed memory, or sock_wfree() our flag. */
	smp_mb__after_atomic();
	return smallqueue_bytes(sk) > limit;
}

/**
 * xtcp_smallqueue_holds_copy - check whether a copy of a segment is in this
 * host
 * @sk: the socket, locked
 * @skb: in flight
 *
 * The peer can't have acknowledged that copy, and a second one would be sent
 * behind it. Sending continues when the first has left. The retransmission timer
 * tries again in any case.
 *
 * Return: true if a clone of @skb waits in a queue of this host
 */
bool xtcp_smallqueue_holds_copy(struct sock *sk, const struct sk_buff *skb)
{
	bool told;

	xtcp_assert_owned(sk);
	if (likely(!skb_fclone_busy(sk, skb)))
		return false;
	told = smallqueue_is_told(sk);
	set_bit(XTCP_THROTTLED, &xtcp_sk(sk)->deferred);
	/* As in smallqueue_stop(). */
	smp_mb__after_atomic();
	if (!skb_fclone_busy(sk, skb))
		return false;
	XTCP_INC(sock_net(sk), SPURIOUS_RTX_HOST_QUEUES);
	if (!told)
		xtcp_smallqueue_drained(sk);
	return true;
}

/* What fq holds back for TCP_TX_DELAY at twice the connection's rate, as in Linux. */
static u64 bytes_delayed(const struct sock *sk)
{
	u32 delay_us = XTCP_SOCKOPT_RARE(xtcp_sk(sk), tx_delay_us);
	u64 rate = min_t(u64, READ_ONCE(sk->sk_pacing_rate), U32_MAX);

	if (likely(!delay_us) || READ_ONCE(sk->sk_pacing_status) != SK_PACING_FQ)
		return 0;
	return 2 * div_u64(rate * delay_us, USEC_PER_SEC);
}

/**
 * xtcp_smallqueue_is_full - check whether sending must stop until skbs have
 * left
 * @sk: the socket, locked
 * @truesize: of the skb to be sent
 * @shift: the limit is shifted left by this: 0; 1 for lost segments, as in
 *	Linux
 *
 * Two skbs are always allowed, so that the device is never idle. If a single
 * skb is in flight, all that has not left are ACKs and copies of it.
 *
 * Return: true if it must; sending continues by itself then
 */
bool xtcp_smallqueue_is_full(struct sock *sk, u32 truesize, unsigned int shift)
{
	unsigned long rate = READ_ONCE(sk->sk_pacing_rate);
	u32 limit = 2 * truesize;
	u32 most;

	xtcp_assert_owned(sk);
	if (smallqueue_bytes(sk) <= limit)
		return false;
	limit = max_t(unsigned long, limit,
		      min_t(unsigned long, INT_MAX,
			    rate >> READ_ONCE(sk->sk_pacing_shift)));
	most = XTCP_KNOB(sock_net(sk), limit_output_bytes);
	limit = min(limit, most);
	limit <<= shift;
	limit = min_t(u64, (u64)limit + bytes_delayed(sk), INT_MAX);
	if (smallqueue_bytes(sk) <= limit ||
	    RB_EMPTY_ROOT(&sk->tcp_rtx_queue) || xtcp_sendq_only(sk))
		return false;
	return smallqueue_is_told(sk) && smallqueue_stop(sk, limit);
}

/**
 * xtcp_smallqueue_corks - check whether a short write should wait for the next
 * one
 * @sk: the socket, locked; data was just written
 *
 * Only while something of the socket has not left the host, and something is in
 * flight whose ACK would let the data be sent.
 *
 * Return: true if it should
 */
bool xtcp_smallqueue_corks(struct sock *sk)
{
	const struct sk_buff *skb = skb_peek_tail(&sk->sk_write_queue);

	xtcp_assert_owned(sk);
	/* Nothing can be added behind the end of a record (MSG_EOR). */
	if (!skb || xtcp_cb(skb)->marks & XTCP_MARK_EOR ||
	    smallqueue_bytes(sk) <= skb->truesize || skb->len >= xtcp_burst_goal(sk) ||
	    RB_EMPTY_ROOT(&sk->tcp_rtx_queue) ||
	    !XTCP_KNOB(sock_net(sk), autocorking) || !smallqueue_is_told(sk))
		return false;
	if (!test_bit(XTCP_THROTTLED, &xtcp_sk(sk)->deferred))
		XTCP_INC(sock_net(sk), AUTO_CORKING);
	return smallqueue_stop(sk, skb->truesize);
}

/**
 * xtcp_smallqueue_resume - continue sending
 * @sk: the socket, locked and not owned by the user, or from release_cb
 *
 * Less is unsent then (TCP_NOTSENT_LOWAT). The writer is woken by sock_wfree() when the next
 * skb leaves, or by the next ACK; to call sk_write_space() here would schedule the tasklet again,
 * without end.
 */
void xtcp_smallqueue_resume(struct sock *sk)
{
	xtcp_assert_owned(sk);
	if (!xtcp_state_in(sk, XTCP_SENDING_STATES))
		return;
	xtcp_recovery_resume(sk);
	/*
	 * If a lost segment still waits for its copy, a new segment must not be sent: a queue that
	 * refuses it frees it at once, which would schedule the tasklet again, without end.
	 */
	if (!test_bit(XTCP_THROTTLED, &xtcp_sk(sk)->deferred))
		xtcp_send_push(sk, 0);
}

static void smallqueue_resume_sk(struct sock *sk)
{
	bh_lock_sock(sk);
	if (!sock_owned_by_user(sk))
		xtcp_smallqueue_resume(sk);
	else
		set_bit(XTCP_DEFER_SEND, &xtcp_sk(sk)->deferred);
	bh_unlock_sock(sk);
}

static void smallqueue_resume_all(struct tasklet_struct *tasklet)
{
	struct resumer *r = container_of(tasklet, struct resumer, tasklet);
	struct xtcp_sock *xs, *next;
	struct llist_node *list;

	list = llist_reverse_order(llist_del_all(&r->waiting));
	llist_for_each_entry_safe(xs, next, list, resume_link) {
		struct sock *sk = xtcp_to_sk(xs);

		/* An skb freed from here on puts it into a list again. */
		smp_mb__before_atomic();
		clear_bit(XTCP_RESUMING, &xs->deferred);
		smallqueue_resume_sk(sk);
		sock_put(sk);
	}
}

/**
 * xtcp_smallqueue_drained - an skb of the socket was freed
 * @sk: the socket; perhaps without a reference, its memory is valid
 *
 * A socket without references sends no more.
 *
 * Context: any.
 */
void xtcp_smallqueue_drained(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct resumer *r;

	if (!test_and_clear_bit(XTCP_THROTTLED, &xs->deferred))
		return;
	/*
	 * A child of a fast open sends its SYN-ACK again, by its timer, and has nothing else to
	 * send until it is accepted. The link's memory has @queued_since until then.
	 */
	if (unlikely(xtcp_awaits_accept(sk)))
		return;
	if (test_and_set_bit(XTCP_RESUMING, &xs->deferred))
		return;
	if (!refcount_inc_not_zero(&sk->sk_refcnt)) {
		clear_bit(XTCP_RESUMING, &xs->deferred);
		return;
	}
	r = get_cpu_ptr(&resumers);
	if (llist_add(&xs->resume_link, &r->waiting))
		tasklet_schedule(&r->tasklet);
	put_cpu_ptr(&resumers);
}

/**
 * xtcp_smallqueue_load - initialize the tasklets
 *
 * Context: module load, before the first socket.
 */
void __init xtcp_smallqueue_load(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct resumer *r = per_cpu_ptr(&resumers, cpu);

		init_llist_head(&r->waiting);
		tasklet_setup(&r->tasklet, smallqueue_resume_all);
	}
}

/**
 * xtcp_smallqueue_unload - stop the tasklets
 *
 * The tasklet that dropped the last reference may still be running.
 *
 * Context: module unload, after the last socket.
 */
void xtcp_smallqueue_unload(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		tasklet_kill(&per_cpu_ptr(&resumers, cpu)->tasklet);
}
