// SPDX-License-Identifier: GPL-2.0
/*
 * close.c - close(), shutdown(), aborts and orphans
 *
 * RFC 9293 3.6 and 3.10.4 (CLOSE), 3.10.5 (ABORT), 3.10.8 (timeouts).
 *
 * Life cycle of a socket. socket(), the third segment of a handshake, or the SYN
 * of a fast open creates it. References are held by the struct socket or the
 * accept queue, by the wheel entry, and by each segment in processing. The flow
 * table holds none.
 *  1. The connection reaches CLOSED: timers are cleared, the flow is unhashed
 *     (xtcp_close_done()).
 *  2. close() orphans the socket. If the connection is still closing, the
 *     socket lives on as an orphan.
 *  3. After both, xtcp_close_destroy() frees the queues and the port and drops
 *     the reference of the struct socket.
 *  4. Without references the kernel's sk_destruct frees the socket. A lookup
 *     that found it just before step 1 may find another socket in the same
 *     memory, and compares again (flow.c). A listener is freed after a grace
 *     period.
 *
 * Context: socket lock, in process context or softirq, except for xtcp_close().
 */
#include "close/close.h"

#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <net/inet_common.h>
#include <net/inet_sock.h>
#include <net/xfrm.h>

#include "clock.h"
#include "close/reset.h"
#include "close/stateless.h"
#include "close/timewait.h"
#include "compat.h"
#include "deadlines.h"
#include "fastq.h"
#include "net/demux.h"
#include "net/family.h"
#include "netns.h"
#include "observe/memory.h"
#include "observe/recorder.h"
#include "observe/stats.h"
#include "open/begin.h"
#include "open/fastconnect.h"
#include "open/listen.h"
#include "port/port.h"
#include "rare.h"
#include "segment/output.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/ack.h"
#include "transfer/congestion.h"
#include "transfer/history.h"
#include "transfer/orphans.h"
#include "transfer/receive.h"
#include "transfer/rtt.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"

/* RFC 9293 3.10.4: our FIN is queued or sent, and not acknowledged. */
#define CLOSING_STATES \
	(XTCP_STATEF(XTCP_FIN_WAIT_1) | XTCP_STATEF(XTCP_CLOSING) | \
	 XTCP_STATEF(XTCP_LAST_ACK))

/* States in which an abort always sends a RST. */
#define RESET_STATES \
	(XTCP_STATEF(XTCP_SYN_RECEIVED) | XTCP_STATEF(XTCP_ESTABLISHED) | \
	 XTCP_STATEF(XTCP_FIN_WAIT_1) | XTCP_STATEF(XTCP_FIN_WAIT_2) | \
	 XTCP_STATEF(XTCP_CLOSE_WAIT))

/* Both ends have sent a FIN. Some of our data may not have been sent. */
#define LAST_STATES \
	(XTCP_STATEF(XTCP_CLOSING) | XTCP_STATEF(XTCP_LAST_ACK))

/*
 * A record waits in FIN-WAIT-2 for this time at most, as Linux's TCP_TIMEWAIT_LEN. If the whole
 * wait is longer, the socket waits first, for the rest.
 */
#define RECORD_WAIT_MS	60000U

/**
 * xtcp_close_orphan - mark a socket as an orphan, and count it
 * @sk: locked; its program has closed it, or it never had one
 */
void xtcp_close_orphan(struct sock *sk)
{
	xtcp_assert_owned(sk);
	sock_set_flag(sk, SOCK_DEAD);
	/* Pairs with smp_rmb() in xtcp_awaits_accept(), which may hold no lock. */
	smp_wmb();
	sock_orphan(sk);
	percpu_counter_inc(&xtcp_orphans);
}

/**
 * xtcp_close_destroy - free the queues and the port of an orphan in CLOSED
 * @sk: locked; the caller holds a reference besides the one dropped here
 */
void xtcp_close_destroy(struct sock *sk)
{
	xtcp_assert_owned(sk);
	WARN_ON_ONCE(sk->sk_state != XTCP_CLOSED);
	WARN_ON_ONCE(!sock_flag(sk, SOCK_DEAD));

	sk->sk_prot->destroy(sk);
	xtcp_memory_peak_note(sk);
	sk_stream_kill_queues(sk);
	xfrm_sk_free_policy(sk);
	percpu_counter_dec(&xtcp_orphans);
	sock_put(sk);
}

/**
 * xtcp_close_done - unhash a connection that has reached CLOSED
 * @sk: locked, state CLOSED; the caller holds a reference
 */
void xtcp_close_done(struct sock *sk)
{
	xtcp_assert_owned(sk);
	if (unlikely(xtcp_sk(sk)->fast_held))
		xtcp_fastq_leave(sk);
	xtcp_recorder_end(sk, 0);
	xtcp_timers_clear_all(sk);
	xtcp_flow_remove(sock_net(sk), &xtcp_sk(sk)->flow);
	if (!(sk->sk_userlocks & SOCK_BINDPORT_LOCK) && inet_sk(sk)->inet_num)
		xtcp_port_release(sk);
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	if (!sock_flag(sk, SOCK_DEAD))
		sk->sk_state_change(sk);
	else
		xtcp_close_destroy(sk);
}

/**
 * xtcp_close_error - end a connection that was aborted
 * @sk: locked, state CLOSED; the caller holds a reference
 * @err: positive errno for the program; 0: none
 */
void xtcp_close_error(struct sock *sk, int err)
{
	xtcp_assert_owned(sk);
	xtcp_recorder_end(sk, err);
	if (err)
		WRITE_ONCE(sk->sk_err, err);
	/* Readers that see the shutdown must see the error (poll). */
	smp_wmb();
	xtcp_sendq_purge(sk);
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	if (err && !sock_flag(sk, SOCK_DEAD))
		sk_error_report(sk);
	xtcp_close_done(sk);
}

/* Give a connection up: a limit was reached, @event, which leads to CLOSED. */
static void close_timed_out(struct sock *sk, enum xtcp_event event)
{
	XTCP_INC(sock_net(sk), ABORT_ON_TIMEOUT);
	xtcp_lifecycle_sk(sk, event);
	xtcp_close_error(sk, READ_ONCE(sk->sk_err_soft) ?: ETIMEDOUT);
}

/* Must an ABORT send a RST? RFC 9293 3.10.5; as in Linux. */
static bool close_must_reset(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return xtcp_state_in(sk, RESET_STATES) ||
	       (xtcp_state_in(sk, LAST_STATES) && xs->snd_nxt != xs->write_seq);
}

/*
 * Abort a connection, with a RST if necessary. The caller holds a reference.
 *
 * The program gets no error: it has asked for the abort, or has closed the
 * socket. Unread data is a reason for a RST in CLOSING and LAST-ACK, too.
 */
static void close_reset(struct sock *sk, enum xtcp_event event, enum xtcp_mib_item reason)
{
	xtcp_assert_owned(sk);
	if (close_must_reset(sk) || (reason == XTCP_MIB_RESET_SENT_UNREAD_TEXT &&
				     xtcp_state_in(sk, LAST_STATES)))
		xtcp_reset_send(sk, reason);
	xtcp_lifecycle_sk(sk, event);
	xtcp_close_error(sk, 0);
}

static int close_reset_errno(const struct sock *sk)
{
	switch (sk->sk_state) {
	case XTCP_SYN_RECEIVED:
		/* Was it opened by connect(), or by a SYN with data? */
		return xtcp_sk(sk)->fast_held ? ECONNRESET : ECONNREFUSED;
	case XTCP_SYN_SENT:
		return ECONNREFUSED;
	case XTCP_CLOSE_WAIT:
		return EPIPE;
	default:
		return ECONNRESET;
	}
}

/* An acceptable RST has arrived. */
static void close_reset_received(struct sock *sk)
{
	int err = close_reset_errno(sk);

	if (unlikely(xtcp_sk(sk)->fast_held))
		xtcp_fastq_reset(sk);
	xtcp_reset_taken(sock_net(sk), &xtcp_sk(sk)->flow, xtcp_sk(sk)->flow.state);
	xtcp_lifecycle_sk(sk, XTCP_EV_RCV_RST);
	xtcp_close_error(sk, err);
}

/**
 * xtcp_close_kill - abort a connection for the administrator (xtcp_kill)
 * @sk: not in CLOSED, locked; the caller holds a reference
 *
 * As `ss -K` for the kernel's TCP: the peer gets a RST, except in SYN-SENT, CLOSING and LAST-ACK;
 * the program gets ECONNABORTED. recv() still returns what has arrived; what was not sent is lost.
 */
void xtcp_close_kill(struct sock *sk)
{
	u8 old = sk->sk_state;

	xtcp_assert_owned(sk);
	if (xtcp_state_in(sk, RESET_STATES))
		xtcp_reset_send(sk, XTCP_MIB_RESET_SENT_KILLED);
	xtcp_lifecycle_sk(sk, XTCP_EV_KILL);
	if (old == XTCP_LISTEN) {
		xtcp_listen_stop(sk);
		if (xtcp_sk(sk)->fast_held)
			xtcp_fastq_forget(sk);
	}
	xtcp_close_error(sk, ECONNABORTED);
}

/**
 * xtcp_close_shutdown - shutdown(2)
 * @sk: locked; not in LISTEN or SYN-SENT, which the caller disconnects instead; in CLOSED only a
 *	child whose connection has ended: it stays in CLOSED
 * @how: RCV_SHUTDOWN | SEND_SHUTDOWN
 */
void xtcp_close_shutdown(struct sock *sk, int how)
{
	u8 before = sk->sk_state;

	xtcp_assert_owned(sk);
	if (how & RCV_SHUTDOWN)
		xtcp_lifecycle_sk(sk, XTCP_EV_SHUTDOWN_RECEIVE);
	if (!(how & SEND_SHUTDOWN))
		return;
	if (xtcp_lifecycle_sk(sk, XTCP_EV_SHUTDOWN_SEND) == before)
		return;
	xtcp_stateless_closing(sk);
	xtcp_send_fin(sk, NULL);
}

/**
 * xtcp_close_disconnect - bring a socket back to CLOSED
 * @sk: locked; the program keeps it
 * @flags: unused, required by struct proto
 *
 * For connect() to AF_UNSPEC, a failed connect(), and shutdown() of a listener.
 *
 * Return: 0.
 */
int xtcp_close_disconnect(struct sock *sk, int flags)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u8 old = sk->sk_state;
	bool held;

	xtcp_assert_owned(sk);
	if (close_must_reset(sk)) {
		xtcp_reset_send(sk, XTCP_MIB_RESET_SENT_DISCONNECT);
		WRITE_ONCE(sk->sk_err, ECONNRESET);
	} else if (old == XTCP_SYN_SENT) {
		WRITE_ONCE(sk->sk_err, ECONNRESET);
	}
	xtcp_lifecycle_sk(sk, XTCP_EV_ABORT);
	if (old == XTCP_LISTEN)
		xtcp_listen_stop(sk);
	else if (unlikely(xs->fast_held) && old != XTCP_CLOSED)
		xtcp_fastq_leave(sk);
	if (unlikely(xs->fast_tried || xs->fast_checks))
		xtcp_fastconnect_ends(sk);
	xtcp_recorder_end(sk, READ_ONCE(sk->sk_err));

	xtcp_timers_clear_all(sk);
	xtcp_flow_remove(sock_net(sk), &xs->flow);
	__skb_queue_purge(&sk->sk_receive_queue);
	xtcp_receive_purge(sk);
	xtcp_sendq_purge(sk);
	xtcp_congestion_end(xs);
	xtcp_family_of(sk)->addr->forget(sk);
	/* As in Linux, a port that the program has not chosen is for one connection or listener. */
	if (old != XTCP_CLOSED && !(sk->sk_userlocks & SOCK_BINDPORT_LOCK) &&
	    inet_sk(sk)->inet_num)
		xtcp_port_release(sk);
	xtcp_port_disconnect(sk);
	WRITE_ONCE(sk->sk_shutdown, 0);
	sock_reset_flag(sk, SOCK_DONE);
	sk_dst_reset(sk);
	/* A listener must have no page: children are copies, and would release the page, too. */
	if (sk->sk_frag.page) {
		put_page(sk->sk_frag.page);
		sk->sk_frag.page = NULL;
		sk->sk_frag.offset = 0;
	}
	/* The clamp of the route or of the program: as in Linux the next connection has neither. */
	WRITE_ONCE(xs->window_clamp, 0);
	/* As in Linux, TCP_MAXSEG is for one connection or listener. */
	WRITE_ONCE(xs->sockopt.user_mss, 0);
	WRITE_ONCE(xs->copied_seq, xs->rcv_nxt);
	WRITE_ONCE(xs->write_seq, xs->snd_una);
	WRITE_ONCE(xs->snd_nxt, xs->snd_una);
	/* A queue that TCP_FASTOPEN has made is not a connection's. */
	held = xs->fast_held;
	/* TCP_INFO does not report the old connection. */
	xtcp_begin(xs);
	xs->fast_held = held;
	xtcp_rtt_init(xs);
	xtcp_ack_init(sk);
	xtcp_congestion_forget(xs);
	xtcp_demux_forget(sk);
	inet_clear_bit(DEFER_CONNECT, sk);
	sk->sk_err_soft = 0;
	sk_set_peek_off(sk, -1);
	sock_rps_reset_rxhash(sk);
	xtcp_rare_disconnected(sk);
	/* poll() would wait for another wake-up. connect() writes the same when we return. */
	if (sk->sk_socket)
		WRITE_ONCE(sk->sk_socket->state, SS_UNCONNECTED);
	sk_error_report(sk);
	return 0;
}

/*
 * Purge the receive queue. Returns true if there was unread data. @spare: set to
 * the skb of a FIN without payload, which the caller must consume.
 */
static bool close_purge_receive_queue(struct sock *sk, struct sk_buff **spare)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;
	bool unread = false;

	while ((skb = __skb_dequeue(&sk->sk_receive_queue))) {
		seq_t end = xtcp_cb(skb)->end;

		if (xtcp_cb(skb)->flags & XTCP_FIN)
			end = seq_sub(end, 1);
		if (seq_after(end, xs->copied_seq))
			unread = true;
		if (!skb->len && !*spare)
			*spare = skb;
		else
			__kfree_skb(skb);
	}
	return unread;
}

/* SO_LINGER: sleep until the peer has our FIN, or @timeout jiffies are over. */
static void close_linger(struct sock *sk, long timeout)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);

	if (!timeout)
		return;
	add_wait_queue(sk_sleep(sk), &wait);
	while (timeout && xtcp_state_in(sk, CLOSING_STATES) &&
	       !signal_pending(current)) {
		release_sock(sk);
		timeout = wait_woken(&wait, TASK_INTERRUPTIBLE, timeout);
		lock_sock(sk);
	}
	remove_wait_queue(sk_sleep(sk), &wait);
}

/* close(): queue the FIN behind the data, or abort. Consumes @spare. */
static void close_send_last(struct sock *sk, struct sk_buff *spare, bool unread)
{
	struct net *net = sock_net(sk);
	u8 before = sk->sk_state;
	enum xtcp_state state;

	if (unread && before != XTCP_CLOSED) {
		XTCP_INC(net, ABORT_ON_CLOSE);
		close_reset(sk, XTCP_EV_ABORT, XTCP_MIB_RESET_SENT_UNREAD_TEXT);
	} else if (sock_flag(sk, SOCK_LINGER) && !sk->sk_lingertime &&
		   before != XTCP_CLOSED) {
		XTCP_INC(net, ABORT_ON_DATA);
		close_reset(sk, XTCP_EV_ABORT, XTCP_MIB_RESET_SENT_LINGER);
	} else {
		state = xtcp_lifecycle_sk(sk, XTCP_EV_CLOSE);
		/* shutdown() may have had no memory for the FIN, in a simultaneous open. */
		if (XTCP_STATEF(state) & CLOSING_STATES) {
			if (state != before)
				xtcp_stateless_closing(sk);
			xtcp_send_fin(sk, spare);
			return;
		}
		if (state == XTCP_CLOSED && before != XTCP_CLOSED)
			xtcp_close_error(sk, 0);
	}
	consume_skb(spare);
}

static void close_listener(struct sock *sk)
{
	xtcp_lifecycle_sk(sk, XTCP_EV_CLOSE);
	xtcp_listen_stop(sk);
}

static u32 close_fin_wait_2_ms(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	int linger2_s = XTCP_SOCKOPT_RARE(xs, linger2_s);
	u32 ms;

	if (linger2_s)
		ms = linger2_s * MSEC_PER_SEC;
	else
		ms = xtcp_timewait_fin_timeout_ms(sock_net(sk));
	return max(ms, xtcp_timewait_min_ms(xs));
}

/*
 * A program that has called shutdown() and does not close the socket could keep it
 * in FIN-WAIT-2 for ever. xtcp_attached_fin_timeout limits that.
 */
static void close_attached_arm(struct sock *sk, u64 waited_ns)
{
	u64 limit_ns = (u64)XTCP_KNOB(sock_net(sk), attached_fin_timeout) *
		       NSEC_PER_SEC;

	waited_ns = min(limit_ns, waited_ns);
	if (limit_ns)
		xtcp_deadlines_fin_awaited(sk, limit_ns - waited_ns);
}

/* Hand TIME-WAIT over to a record, and end the socket. */
static void close_enter_time_wait(struct sock *sk)
{
	xtcp_history_save(sk);
	xtcp_timewait_enter(sk);
	xtcp_close_done(sk);
}

/* Hand an orphan's FIN-WAIT-2 over to a record, and end the socket. */
static void close_enter_fin_wait_2(struct sock *sk, u32 wait_ms)
{
	/* A program that reads and then closes: the record has no timer for the ACK. */
	xtcp_ack_send_pending(sk);
	xtcp_history_save(sk);
	xtcp_lifecycle_sk(sk, XTCP_EV_ORPHAN_RECORD);
	xtcp_timewait_enter_fin_wait_2(sk, wait_ms);
	xtcp_close_done(sk);
}

/*
 * Replace an orphan in FIN-WAIT-2 by a record; other sockets stay as they are.
 * LC-83: a record waits for the peer's FIN for a minute at most; if
 * xtcp_fin_timeout is longer, the socket waits first. @lingers: counter of orphans that a
 * negative TCP_LINGER2 ends.
 */
static void close_settle(struct sock *sk, enum xtcp_mib_item lingers)
{
	u32 wait_ms;

	if (sk->sk_state != XTCP_FIN_WAIT_2 || !sock_flag(sk, SOCK_DEAD) ||
	    xtcp_timer_is_set(xtcp_sk(sk), XTCP_TIMER_FIN_WAIT_2))
		return;
	if (XTCP_SOCKOPT_RARE(xtcp_sk(sk), linger2_s) < 0) {
		this_cpu_inc(xtcp_net(sock_net(sk))->mib->item[lingers]);
		close_reset(sk, XTCP_EV_ABORT, XTCP_MIB_RESET_SENT_LINGER);
		return;
	}
	wait_ms = close_fin_wait_2_ms(sk);
	if (wait_ms > RECORD_WAIT_MS) {
		wait_ms -= RECORD_WAIT_MS;
		xtcp_deadlines_fin_awaited(sk, (u64)wait_ms * NSEC_PER_MSEC);
		return;
	}
	close_enter_fin_wait_2(sk, wait_ms);
}

/* The time counts from the peer's last segment: a half-close in use continues. */
static void close_attached_timeout(struct sock *sk)
{
	u64 waited_ns = xtcp_now_ns() - xtcp_sk(sk)->last_rcv_ns;
	u64 limit_ns = (u64)XTCP_KNOB(sock_net(sk), attached_fin_timeout) *
		       NSEC_PER_SEC;

	if (waited_ns < limit_ns)
		close_attached_arm(sk, waited_ns);
	else if (limit_ns)
		close_timed_out(sk, XTCP_EV_USER_TIMEOUT);
}

/**
 * xtcp_close_fin_wait_2_timeout - act on XTCP_TIMER_FIN_WAIT_2
 * @sk: locked; the caller holds a reference
 *
 * The connection of a socket with a program ends with ETIMEDOUT once the peer has been silent for
 * xtcp_attached_fin_timeout (0: never); an orphan is replaced by a record, which waits for the rest
 * of the time.
 */
void xtcp_close_fin_wait_2_timeout(struct sock *sk)
{
	xtcp_assert_owned(sk);
	if (sk->sk_state != XTCP_FIN_WAIT_2)
		return;
	if (!sock_flag(sk, SOCK_DEAD)) {
		close_attached_timeout(sk);
		return;
	}
	close_enter_fin_wait_2(sk, RECORD_WAIT_MS);
}

/* Decide how an orphan goes on, right after close(). */
static void close_orphaned(struct sock *sk)
{
	if (sk->sk_state == XTCP_CLOSED) {
		xtcp_close_destroy(sk);
		return;
	}
	xtcp_deadlines_orphaned(sk);
	close_settle(sk, XTCP_MIB_ABORT_ON_LINGER);
	/* A record is no orphan: the limit is for a socket that stays. */
	if (sk->sk_state != XTCP_CLOSED && xtcp_orphans_has_no_room(sk))
		xtcp_close_end(sk, XTCP_ENDING_NO_MEMORY);
}

/**
 * xtcp_close - close(2)
 * @sk: socket, not locked
 * @timeout: SO_LINGER in jiffies; 0: don't wait
 *
 * RFC 9293 3.10.4; SHLD-3: with unread data, RST instead of FIN.
 *
 * Context: process, may sleep.
 */
void xtcp_close(struct sock *sk, long timeout)
{
	struct sk_buff *spare = NULL;
	bool unread;
	u8 state;

	lock_sock(sk);
	if (sk->sk_state == XTCP_LISTEN) {
		/*
		 * Set sk_shutdown only after the listener has stopped: children are copies, and
		 * would have it set, too. A child that is copied still later is refused:
		 * child_is_late().
		 */
		close_listener(sk);
		WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	} else {
		WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
		unread = close_purge_receive_queue(sk, &spare);
		close_send_last(sk, spare, unread);
	}
	close_linger(sk, timeout);

	sock_hold(sk);
	state = sk->sk_state;
	xtcp_close_orphan(sk);
	/*
	 * Process the backlog, which may end the orphan. We own the lock until
	 * the end, so that xtcp_kill cannot end it at the same time.
	 */
	sk_flush_backlog(sk);

	local_bh_disable();
	bh_lock_sock(sk);
	if (state == XTCP_CLOSED || sk->sk_state != XTCP_CLOSED)
		close_orphaned(sk);
	bh_unlock_sock(sk);
	local_bh_enable();
	release_sock(sk);
	sock_put(sk);
}

/**
 * xtcp_close_fin_received - process the peer's FIN
 * @sk: locked; all data before the FIN has been queued
 * @spare: the FIN's skb if it is not queued, or NULL; consumed
 *
 * RFC 9293 3.10.7.4 eighth.
 */
void xtcp_close_fin_received(struct sock *sk, struct sk_buff *spare)
{
	u8 before = sk->sk_state;
	enum xtcp_state state;

	xtcp_assert_owned(sk);
	WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | RCV_SHUTDOWN);
	sock_set_flag(sk, SOCK_DONE);
	/* Out-of-order data is beyond the FIN, the end of the stream. */
	if (unlikely(!RB_EMPTY_ROOT(&xtcp_sk(sk)->ofo_queue)))
		xtcp_receive_purge(sk);
	state = xtcp_lifecycle_sk(sk, XTCP_EV_RCV_FIN);
	if (state == XTCP_TIME_WAIT) {
		xtcp_output_ack_recycle(sk, spare);
		close_enter_time_wait(sk);
		if (!sock_flag(sk, SOCK_DEAD)) {
			sk_wake_async(sk, SOCK_WAKE_WAITD, POLL_HUP);
			sk->sk_data_ready(sk);	/* as below */
		}
		return;
	}
	consume_skb(spare);
	if (state == XTCP_CLOSE_WAIT && state != before) {
		/* As in Linux no SACK block is sent behind the end of the stream. */
		xtcp_sk(sk)->dsack_pending = 0;
		xtcp_ack_fin_received(sk);
	} else {
		xtcp_ack_now(sk);
	}
	if (sock_flag(sk, SOCK_DEAD) || state == before)
		return;
	sk->sk_state_change(sk);
	if (sk->sk_shutdown == SHUTDOWN_MASK)
		sk_wake_async(sk, SOCK_WAKE_WAITD, POLL_HUP);
	else
		sk_wake_async(sk, SOCK_WAKE_WAITD, POLL_IN);
	/* Users in the kernel may set this callback alone, and SIGIO with POLL_IN comes from it. */
	sk->sk_data_ready(sk);
}

/**
 * xtcp_close_fin_acked - process the ACK of our FIN
 * @sk: in FIN-WAIT-1, CLOSING or LAST-ACK, locked; the caller holds a
 *	reference
 *
 * RFC 9293 3.10.7.4 fifth.
 */
void xtcp_close_fin_acked(struct sock *sk)
{
	xtcp_assert_owned(sk);
	switch (xtcp_lifecycle_sk(sk, XTCP_EV_RCV_ACK_OF_FIN)) {
	case XTCP_FIN_WAIT_2:
		WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | SEND_SHUTDOWN);
		if (sock_flag(sk, SOCK_DEAD))
			break;
		sk->sk_state_change(sk);	/* SO_LINGER */
		close_attached_arm(sk, 0);
		break;
	case XTCP_TIME_WAIT:
		close_enter_time_wait(sk);
		break;
	case XTCP_CLOSED:
		xtcp_history_save(sk);
		xtcp_close_done(sk);
		break;
	default:
		break;
	}
}

/**
 * xtcp_close_end - end a connection, or go on with its end
 * @sk: locked; the caller holds a reference
 * @ending: what a segment, a timeout or close() means for the end
 */
void xtcp_close_end(struct sock *sk, enum xtcp_ending ending)
{
	xtcp_assert_owned(sk);
	switch (ending) {
	case XTCP_ENDING_NONE:
		break;
	case XTCP_ENDING_FIN_WAIT_2:
		close_settle(sk, XTCP_MIB_ABORT_ON_DATA);
		break;
	case XTCP_ENDING_RESET:
		close_reset_received(sk);
		break;
	case XTCP_ENDING_DATA_AFTER_CLOSE:
		xtcp_lifecycle_sk(sk, XTCP_EV_RCV_TEXT_AFTER_CLOSE);
		xtcp_close_error(sk, ECONNRESET);
		break;
	case XTCP_ENDING_NO_MEMORY:
		XTCP_INC(sock_net(sk), ABORT_ON_MEMORY);
		close_reset(sk, XTCP_EV_NO_MEMORY, XTCP_MIB_RESET_SENT_NO_MEMORY);
		break;
	case XTCP_ENDING_USER_TIMEOUT:
		close_timed_out(sk, XTCP_EV_USER_TIMEOUT);
		break;
	case XTCP_ENDING_GIVE_UP:
		close_timed_out(sk, XTCP_EV_RETRANSMISSION_GIVE_UP);
		break;
	case XTCP_ENDING_KEEPALIVE:
		xtcp_reset_send(sk, XTCP_MIB_RESET_SENT_KEEPALIVE);
		close_timed_out(sk, XTCP_EV_KEEPALIVE_GIVE_UP);
		break;
	}
}
