// SPDX-License-Identifier: GPL-2.0
/*
 * window.c - the window that is offered to the peer
 *
 * RFC 9293 3.8.6 (window), 3.8.6.2.2 (receiver's silly window avoidance), RFC
 * 7323 2 (scale). The window follows from the receive buffer, whose size is set
 * by the user or else by autotune.c. Unlike Linux (rcv_ssthresh) it is not
 * opened in small steps in the beginning: the buffer, which prune.c defends,
 * limits the memory that a window may cost.
 *
 * Context: socket lock; softirq, or process for the backlog and recvmsg().
 */
#include "transfer/window.h"

#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/rtnetlink.h>
#include <net/dst.h>
#include <net/sock.h>

#include "compat.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "segment/output.h"
#include "tcb.h"
#include "transfer/ack.h"
#include "transfer/autotune.h"

/* Largest window under memory pressure, segments. As Linux. */
#define PRESSURE_SEGS	4U

/**
 * xtcp_window_limit - the largest window that is possible now
 * @sk: the socket; without its lock the result is an estimate
 *
 * Return: bytes that the empty buffer can take and TCP_WINDOW_CLAMP allows
 */
u32 xtcp_window_limit(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u32 limit = xtcp_autotune_payload_in(xs, READ_ONCE(sk->sk_rcvbuf));
	u32 clamp = READ_ONCE(xs->window_clamp);

	return clamp ? min(limit, clamp) : limit;
}

/*
 * Some peers read the field as a signed number. With
 * xtcp_workaround_signed_windows an unscaled window stays positive for them.
 */
static u32 window_field_max(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (!xs->rcv_wscale &&
	    XTCP_KNOB(sock_net(sk), workaround_signed_windows))
		return S16_MAX;
	return XTCP_WINDOW_MAX << xs->rcv_wscale;
}

/*
 * Bytes of payload that the buffer can take and the window field can say: @limit when the buffer
 * is empty, @space now. @step: the least move of the edge that is announced (MUST-39).
 */
struct window_space {
	u32	limit;
	u32	space;
	u32	step;
};

static __always_inline struct window_space
window_space_now(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct window_space buf = {
		.limit = min(xtcp_window_limit(sk), window_field_max(sk)),
	};
	int space = READ_ONCE(sk->sk_rcvbuf) -
		    READ_ONCE(sk->sk_backlog.len) -
		    atomic_read(&sk->sk_rmem_alloc);

	buf.space = min(xtcp_autotune_payload_in(xs, space), buf.limit);
	if (unlikely(sk_under_memory_pressure(sk)))
		buf.space = min(buf.space, PRESSURE_SEGS * xs->advmss);
	buf.step = max(min_t(u32, xs->ack.rcv_mss, buf.limit / 2), 1U);
	return buf;
}

/*
 * With xtcp_shrink_window a window is taken back that the buffer has no space for.
 * As in Linux it has to be scaled. Not while data is missing: what has arrived above
 * the hole takes space, and it is part of the window.
 */
static bool window_may_shrink(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return xs->rcv_wscale && RB_EMPTY_ROOT(&xs->ofo_queue) &&
	       XTCP_KNOB(sock_net(sk), shrink_window);
}

/*
 * The window to announce; the last announced one has @left bytes left from
 * RCV.NXT on. Its right edge moves by a step or more, or not at all. It does not move
 * to the left (SHLD-14), unless the knob allows it: @left is rounded up to the window
 * scale, the new space down. While data is missing the edge stays, because the peer
 * does not count an ACK with another window as a duplicate (RFC 5681 2), unless @left
 * is at most half of the limit.
 *
 * Data above a hole may take all of the buffer: it was accepted in a window that had been offered
 * and then taken back. A closed window is opened by a step nevertheless, if the unread data and
 * that step fit into the buffer: the segment that fills the hole needs it, and
 * __xtcp_prune_reserve() drops what is above the hole to make space.
 */
static __always_inline u32 window_next(const struct sock *sk, u32 left,
				       const struct window_space *buf)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u32 unit = 1U << xs->rcv_wscale;
	u32 space = buf->space;
	bool too_much = buf->space < left;

	left = round_up(left, unit);
	space = round_down(space, unit);
	/*
	 * Where a unit is more than the whole buffer, or than what is announced under memory
	 * pressure, a free step is announced as one.
	 */
	if (unlikely(!space) && buf->space >= buf->step &&
	    (buf->limit < unit || sk_under_memory_pressure(sk)))
		space = unit;
	if (!RB_EMPTY_ROOT(&xs->ofo_queue)) {
		if (left > buf->limit / 2)
			return left;
		if (unlikely(space < buf->step) &&
		    (u32)seq_dist(xs->copied_seq, xs->rcv_nxt) + buf->step <= buf->limit)
			space = round_up(buf->step, unit);
	}
	if (unlikely(too_much) && window_may_shrink(sk))
		return space < buf->step ? 0 : space;
	return space >= left + buf->step ? space : left;
}

/* The window will be @wnd: remember how far an earlier one reached beyond it. */
static void window_note_shrunk(struct xtcp_sock *xs, u32 wnd)
{
	s32 back = seq_dist(seq_add(xs->rcv_nxt, wnd), xtcp_window_edge(xs));

	xs->rcv_taken_back = max(back, 0);
}

/**
 * xtcp_window_select - choose the window of a segment to be sent
 * @sk: the socket, locked
 *
 * Once payload was refused for lack of space, the window is taken back altogether, even
 * without xtcp_shrink_window.
 *
 * Return: bytes from RCV.NXT, a multiple of the scale; recorded as announced
 */
u32 xtcp_window_select(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	struct window_space buf = window_space_now(sk);
	u32 left = xtcp_window_left(xs);
	u32 wnd = window_next(sk, left, &buf);

	xtcp_assert_owned(sk);
	if (unlikely(xtcp_ack_take_no_space(xs)))
		wnd = 0;
	if (unlikely(wnd < left || xs->rcv_taken_back))
		window_note_shrunk(xs, wnd);
	if (!wnd && xs->rcv_wnd)
		XTCP_INC(net, TO_ZERO_WINDOW_ADV);
	else if (wnd && !xs->rcv_wnd)
		XTCP_INC(net, FROM_ZERO_WINDOW_ADV);
	else if (wnd && buf.space < buf.step)
		XTCP_INC(net, WANT_ZERO_WINDOW_ADV);
	if (wnd < buf.limit / 2)
		xtcp_ack_quickly_end(xs);

	WRITE_ONCE(xs->rcv_wup, xs->rcv_nxt);
	WRITE_ONCE(xs->rcv_wnd, wnd);
	/* It shrinks: a reader that waits for more (SO_RCVLOWAT) would wait for ever. */
	if (unlikely(wnd < left) && wnd <= xs->ack.rcv_mss && xs->copied_seq != xs->rcv_nxt &&
	    READ_ONCE(sk->sk_rcvlowat) > 1 && !sock_flag(sk, SOCK_DEAD))
		sk->sk_data_ready(sk);
	return wnd;
}

/**
 * xtcp_window_holds - check whether an ACK would announce as much as the last
 * one
 * @sk: the socket, locked
 *
 * Return: false if the user has to read first
 */
bool xtcp_window_holds(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct window_space buf = window_space_now(sk);

	xtcp_assert_owned(sk);
	return window_next(sk, xtcp_window_left(xs), &buf) >= xs->rcv_wnd;
}

/**
 * xtcp_window_offer - limit the first window by the route's "initrwnd"
 * @dst: route, or NULL
 * @mss: a full segment of the peer, bytes
 * @wnd: the window, bytes
 *
 * Return: bytes
 */
u32 xtcp_window_offer(const struct dst_entry *dst, u32 mss, u32 wnd)
{
	u32 segs = dst ? dst_metric(dst, RTAX_INITRWND) : 0;

	if (unlikely(segs))
		wnd = min_t(u64, wnd, (u64)segs * mss);
	return wnd;
}

/*
 * The window of a SYN or SYN-ACK: as many full segments, of @mss bytes of payload, as @space
 * takes; @mss 0: not known yet. The window of a SYN is not scaled.
 */
static u32 window_first(const struct sock *sk, u32 space, u32 mss)
{
	if (mss && space > mss)
		space = rounddown(space, mss);
	return min(space, XTCP_KNOB(sock_net(sk), workaround_signed_windows) ?
			  S16_MAX : XTCP_WINDOW_MAX);
}

/**
 * xtcp_window_syn_ack - compute the window of a SYN-ACK, and of its child
 * @sk: the listener, or the child
 * @dst: route, or NULL
 * @mss: MSS that the SYN-ACK announces, bytes
 * @ts: timestamps were agreed on, which reduces the payload of a segment
 * @wnd: bytes that the buffer takes
 *
 * Return: bytes
 */
u32 xtcp_window_syn_ack(const struct sock *sk, const struct dst_entry *dst,
			u32 mss, bool ts, u32 wnd)
{
	u32 most = dst ? dst_metric(dst, RTAX_WINDOW) : 0;
	u32 payload = mss - (ts ? XTCP_TS_ROOM : 0);
	u32 space = xtcp_window_limit(sk);

	/* xtcp_window_route() will limit the child. */
	if (unlikely(most) && !READ_ONCE(xtcp_sk(sk)->window_clamp))
		space = min(space, most);
	wnd = min(wnd, window_first(sk, space, payload));
	return xtcp_window_offer(dst, mss, wnd);
}

/**
 * xtcp_window_route - limit a connection by the route's "window"
 * @sk: the socket; its route is known; not visible yet, or in connect(). The
 *	user's TCP_WINDOW_CLAMP takes precedence
 */
void xtcp_window_route(struct sock *sk)
{
	const struct dst_entry *dst = rcu_dereference_raw(sk->sk_dst_cache);
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (dst && !xs->window_clamp)
		WRITE_ONCE(xs->window_clamp, dst_metric(dst, RTAX_WINDOW));
}

/**
 * xtcp_window_init - window and scale of a SYN or SYN-ACK
 * @sk: the socket, or the listener; need not be locked
 * @mss: the MSS that we announce, bytes; 0 if not known yet
 * @scaling: window scaling is offered or was agreed on
 * @wnd: set to the window, bytes; at most 65535
 * @wscale: set to the shift of later windows, RFC 7323 2
 *
 * The scale fits the largest buffer that the socket may grow to.
 */
void xtcp_window_init(const struct sock *sk, u32 mss, bool scaling,
		      u32 *wnd, u8 *wscale)
{
	u32 clamp = READ_ONCE(xtcp_sk(sk)->window_clamp);
	u32 space = xtcp_window_limit(sk);
	u32 most = XTCP_WINDOW_MAX << XTCP_WSCALE_MAX;

	*wnd = window_first(sk, space, mss);
	*wscale = 0;
	if (!scaling)
		return;

	if (!(sk->sk_userlocks & SOCK_RCVBUF_LOCK)) {
		space = max_t(u32, space,
			      max(XTCP_KNOB(sock_net(sk), rmem[2]), 0));
		space = max_t(u32, space, READ_ONCE(sysctl_rmem_max));
	}
	space = min(space, clamp ? min(clamp, most) : most);
	*wscale = clamp_t(int, ilog2(max(space, 1U)) - 15, 0, XTCP_WSCALE_MAX);
}

/**
 * xtcp_window_consumed - the user has read data: send a window update if needed
 * @sk: the socket, locked, process context
 * @copied: bytes read
 *
 * Sends the window update that the peer may wait for (LC-54): when the window
 * at least doubles and moves by a segment or half of the buffer. Larger windows
 * are announced by the ACKs of received data anyway. Also sends a pending ACK if
 * reading has made it due (xtcp_ack_is_due_by_read()).
 */
void xtcp_window_consumed(struct sock *sk, u32 copied)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct window_space buf;
	u32 left, next;

	xtcp_assert_owned(sk);
	if (copied) {
		xs->rcv_collapsed = 0;
		xtcp_ack_take_no_space(xs);
		xtcp_autotune_read(sk);
	}
	if (!xtcp_state_in(sk, XTCP_STATEF(XTCP_ESTABLISHED) |
			       XTCP_STATEF(XTCP_FIN_WAIT_1) |
			       XTCP_STATEF(XTCP_FIN_WAIT_2)))
		return;
	if ((xs->ack.pending & XTCP_ACK_PENDING) && xtcp_ack_is_due_by_read(sk)) {
		xtcp_output_ack(sk);
		return;
	}
	left = xtcp_window_left(xs);
	if (!copied || (sk->sk_shutdown & RCV_SHUTDOWN) ||
	    left > xtcp_window_limit(sk) / 2)
		return;

	buf = window_space_now(sk);
	next = window_next(sk, left, &buf);
	if (next >= 2 * left && next >= left + buf.step)
		xtcp_output_ack(sk);
}
