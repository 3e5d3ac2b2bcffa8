// SPDX-License-Identifier: GPL-2.0
/*
 * probe.c - probes of a silent peer: zero window and keepalive
 *
 * RFC 9293 3.8.6.1 (zero-window probes), 3.8.6.2.1 (the override timeout of the
 * sender's silly window avoidance, which shares the persist timer) and 3.8.4
 * (keepalive). A probe is an ACK with the sequence number SND.UNA-1, which the
 * peer must answer because it lies outside its window.
 *
 * Context: socket lock; softirq or release_cb for the timeouts.
 */
#include "transfer/probe.h"

#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <net/sock.h>

#include "clock.h"
#include "deadlines.h"
#include "netns.h"
#include "observe/stats.h"
#include "observe/tracesock.h"
#include "segment/output.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/orphans.h"
#include "transfer/retransmit.h"
#include "transfer/rtt.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/urgent.h"

/*
 * States in which keepalive probes are sent: RFC 9293 3.8.4, "idle"
 * connections. In the others something of ours, our FIN at least, is not
 * acknowledged.
 */
#define KEEPALIVE_STATES \
	(XTCP_STATEF(XTCP_ESTABLISHED) | XTCP_STATEF(XTCP_CLOSE_WAIT) | \
	 XTCP_STATEF(XTCP_FIN_WAIT_2))

/*
 * SHLD-29 and 30: the first probe after one RTO, then doubling. Not faster than with the default
 * minimum of the RTO: a peer answers bare probes of the same number only twice a second.
 */
static u64 persist_us(const struct xtcp_sock *xs, u8 backoff)
{
	u64 delay_us = max(xs->rtt.rto_us, XTCP_RTO_MIN_US);

	return min_t(u64, delay_us << min_t(u8, backoff, 31), xtcp_rtt_rto_max_us(xs));
}

/* Nanoseconds to the next probe, or to the user timeout if that is sooner. */
static u64 persist_ns(const struct xtcp_sock *xs, u8 backoff)
{
	u64 left_ns = xtcp_retransmit_user_timeout_left_since_ns(xs, xs->retrans_stamp_ns);

	return min(persist_us(xs, backoff) * NSEC_PER_USEC, max(left_ns, 1ULL));
}

/**
 * xtcp_probe_window_check - nothing could be sent: set the persist timer if
 * needed
 * @sk: the socket, locked
 *
 * While something is in flight, its ACK or the retransmission timer resumes
 * sending; with an open window, the pacing timer does, if it runs. Otherwise,
 * with data or a FIN waiting for a window (or for a worthwhile part of one),
 * only the persist timer can (MUST-36). It is stopped when it is not needed.
 */
void xtcp_probe_window_check(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (xs->in_flight || !xtcp_sendq_has_unsent(sk) ||
	    (xs->snd_wnd && xtcp_timer_is_set(xs, XTCP_TIMER_PACE))) {
		xtcp_deadlines_send_unblocked(sk);
		WRITE_ONCE(xs->probe.backoff, 0);
		xs->retransmit.probed = 0;
		return;
	}
	if (xtcp_timer_is_set(xs, XTCP_TIMER_PERSIST)) {
		/*
		 * MUST-38: what fits is used soon, not when the next probe would be due. The
		 * backoff stays: a peer that opens and closes the window makes no progress.
		 */
		if (xs->snd_wnd && xs->retransmit.probed) {
			xs->retransmit.probed = 0;
			xtcp_deadlines_window_opened(sk, persist_ns(xs, 0));
		}
		return;
	}
	xs->retrans_stamp_ns = xtcp_now_ns();
	xs->probe.backoff = 0;
	xs->retransmit.probed = 0;
	xs->retransmit.attempted = 0;
	/* As in Linux the user timeout makes later intervals shorter, not the first. */
	xtcp_deadlines_send_blocked(sk, persist_us(xs, 0) * NSEC_PER_USEC);
}

/*
 * R2 of a connection that waits for a window. A connection that a program holds
 * lives as long as its probes are answered. An orphan also ends when the probe
 * interval has reached its maximum and was doubled retries times, whatever the
 * peer answers; as in Linux.
 */
static bool persist_is_exhausted(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	bool alive = persist_us(xs, xs->probe.backoff) < xtcp_rtt_rto_max_us(xs);
	u32 retries;

	if (!sock_flag(sk, SOCK_DEAD))
		return xs->probe.out >= XTCP_KNOB(sock_net(sk), retries2);
	retries = xtcp_retransmit_orphan_retries(sk, alive);
	return xs->probe.out >= retries ||
	       (!alive && xs->probe.backoff >= retries);
}

/* @times: probes sent since the peer's last segment, this one included */
static void probe_output(struct sock *sk, unsigned int times, enum xtcp_resent why)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_output_probe(sk);
	xtcp_trace_retransmit(sk, seq_sub(xs->snd_una, 1), 0, times,
			      xtcp_now_ns() - xs->last_rcv_ns, why);
}

/*
 * Count an attempt and set the timer for the next one. As in Linux xtcp_retries2 also limits how
 * often the interval doubles; but not if an orphan's peer answers, because such an orphan ends at
 * the largest interval.
 */
static void persist_backoff(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool lingers = sock_flag(sk, SOCK_DEAD) && !xs->probe.out;

	WRITE_ONCE(xs->probe.out, min(xs->probe.out + 1, U8_MAX));
	if (xs->probe.backoff < (lingers ? U8_MAX : XTCP_KNOB(sock_net(sk), retries2)))
		WRITE_ONCE(xs->probe.backoff, xs->probe.backoff + 1);
	xtcp_deadlines_window_probed(sk, persist_ns(xs, xs->probe.backoff));
}

/*
 * A queue of this host has dropped the attempt. It counts, but the next one comes soon, as
 * in Linux: the peer knows nothing of it. @backoff: what it was before the attempt.
 */
static void persist_refused(struct sock *sk, u8 backoff)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 left_ns = xtcp_retransmit_user_timeout_left_since_ns(xs, xs->retrans_stamp_ns);

	WRITE_ONCE(xs->probe.backoff, backoff);
	xtcp_deadlines_window_probed(sk, min(XTCP_LOCAL_RETRY_NS, max(left_ns, 1ULL)));
}

/**
 * xtcp_probe_window_timeout - the persist timer has expired
 * @sk: the socket, locked
 *
 * Probes that are answered go on for ever (MUST-37); without answers the
 * connection ends after R2. If the window is open but too small for MUST-38,
 * what fits is sent. A segment that can't leave this host (no route, a rule of
 * OUTPUT, no memory, a full queue) counts as an unanswered probe. The timer is set before the
 * segment is sent, so that a failure does not start it again.
 *
 * Return: why the connection ends, for xtcp_close_end()
 */
enum xtcp_ending xtcp_probe_window_timeout(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u8 backoff = xs->probe.backoff;

	xtcp_assert_owned(sk);
	if (xs->in_flight || !xtcp_sendq_has_unsent(sk))
		return XTCP_ENDING_NONE;
	if (sock_flag(sk, SOCK_DEAD) && xtcp_orphans_must_end(sk))
		return XTCP_ENDING_NO_MEMORY;
	if (xtcp_retransmit_user_timeout_is_over(sk)) {
		/*
		 * If the user timeout is shorter than the first interval, the peer has not been
		 * probed yet, or TCP_CORK or MUST-38 has held the bytes back for so long. The peer
		 * could not answer, so the time begins now.
		 */
		if (xs->retransmit.attempted)
			return XTCP_ENDING_USER_TIMEOUT;
		xs->retrans_stamp_ns = xtcp_now_ns();
	}
	xs->retransmit.attempted = 1;
	if (persist_is_exhausted(sk))
		return XTCP_ENDING_GIVE_UP;

	xtcp_lifecycle_sk(sk, XTCP_EV_PERSIST_TIMEOUT);
	xs->retransmit.refused = 0;
	persist_backoff(sk);
	if (!xs->snd_wnd) {
		xs->retransmit.probed = 1;
		probe_output(sk, xs->probe.out, XTCP_RESENT_WINDOW_PROBE);
		/* An urgent pointer is a segment of its own. */
		XTCP_ADD(sock_net(sk), WIN_PROBE, 1 + xtcp_urgent_is_probed(xs));
	} else {
		xtcp_send_override(sk);
		if (xs->in_flight)
			WRITE_ONCE(xs->probe.out, 0);
	}
	if (unlikely(xs->retransmit.refused) && !xs->in_flight)
		persist_refused(sk, backoff);
	return XTCP_ENDING_NONE;
}

/*
 * Nanoseconds of a knob in jiffies. jiffies_to_nsecs() wraps after 71 minutes.
 * A value of 0 or less counts as a clock tick, so that the timer can't spin.
 */
static u64 knob_ns(int knob)
{
	return div_u64((u64)max(knob, 1) * NSEC_PER_SEC, HZ);
}

static u64 keep_idle_ns(const struct sock *sk)
{
	u16 idle_s = xtcp_sk(sk)->sockopt.keep_idle_s;

	if (idle_s)
		return (u64)idle_s * NSEC_PER_SEC;
	return knob_ns(XTCP_KNOB(sock_net(sk), keepalive_time));
}

static u64 keep_intvl_ns(const struct sock *sk)
{
	u16 intvl_s = xtcp_sk(sk)->sockopt.keep_intvl_s;

	if (intvl_s)
		return (u64)intvl_s * NSEC_PER_SEC;
	return knob_ns(XTCP_KNOB(sock_net(sk), keepalive_intvl));
}

static u32 keep_probes(const struct sock *sk)
{
	u8 probes = xtcp_sk(sk)->sockopt.keep_probes;

	return probes ? probes : XTCP_KNOB(sock_net(sk), keepalive_probes);
}

/**
 * xtcp_probe_keepalive_set - SO_KEEPALIVE is switched (MUST-24)
 * @sk: the socket, locked; the flag still has its old value
 * @on: new value
 */
void xtcp_probe_keepalive_set(struct sock *sk, int on)
{
	xtcp_assert_owned(sk);
	if (xtcp_state_in(sk, XTCP_UNCONNECTED))
		return;
	if (on && !sock_flag(sk, SOCK_KEEPOPEN))
		xtcp_deadlines_peer_watched(sk, keep_idle_ns(sk));
	else if (!on)
		xtcp_deadlines_peer_unwatched(sk);
}

/**
 * xtcp_probe_keepalive_start - count the idle time from now
 * @sk: the socket, locked; it became ESTABLISHED
 *
 * Does nothing unless SO_KEEPALIVE is set (MUST-25).
 */
void xtcp_probe_keepalive_start(struct sock *sk)
{
	xtcp_assert_owned(sk);
	if (sock_flag(sk, SOCK_KEEPOPEN))
		xtcp_deadlines_peer_watched(sk, keep_idle_ns(sk));
}

/**
 * xtcp_probe_keepalive_changed - the program has changed TCP_KEEPIDLE
 * @sk: the socket, locked
 *
 * The time that the connection has already been idle counts.
 */
void xtcp_probe_keepalive_changed(struct sock *sk)
{
	u64 idle_ns, need_ns = keep_idle_ns(sk);

	xtcp_assert_owned(sk);
	if (!sock_flag(sk, SOCK_KEEPOPEN) || xtcp_state_in(sk, XTCP_UNCONNECTED))
		return;
	idle_ns = xtcp_now_ns() - xtcp_sk(sk)->last_rcv_ns;
	xtcp_deadlines_peer_watched(sk, need_ns - min(need_ns, idle_ns));
}

/*
 * One unanswered probe does not end a connection (MUST-29): all of them must be
 * unanswered. But a user timeout replaces their number: once it has passed, one
 * unanswered probe is enough.
 */
static bool keepalive_is_exhausted(struct sock *sk, u64 idle_ns)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u64 user_ns = (u64)xtcp_user_timeout_ms(xs) * NSEC_PER_MSEC;

	if (user_ns)
		return xs->probe.out && idle_ns >= user_ns;
	return xs->probe.out >= keep_probes(sk);
}

/**
 * xtcp_probe_keepalive_timeout - the keepalive timer has expired
 * @sk: the socket, locked
 *
 * Received segments don't move the timer: when it expires it looks back and
 * waits for the rest of the time. No probe is sent while data is in flight: the
 * retransmission timer tests the peer then (MUST-26). As in Linux a probe that a queue of this
 * host drops is not one that the peer has not answered, and the next one comes soon.
 *
 * Return: why the connection ends, for xtcp_close_end()
 */
enum xtcp_ending xtcp_probe_keepalive_timeout(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u64 idle_ns, left_ns, need_ns = keep_idle_ns(sk);

	xtcp_assert_owned(sk);
	if (!sock_flag(sk, SOCK_KEEPOPEN))
		return XTCP_ENDING_NONE;
	if (!xtcp_state_in(sk, KEEPALIVE_STATES) || !xtcp_sendq_is_idle(sk)) {
		if (!xtcp_state_in(sk, XTCP_STATEF(XTCP_CLOSED)))
			xtcp_deadlines_peer_watched(sk, need_ns);
		return XTCP_ENDING_NONE;
	}

	idle_ns = xtcp_now_ns() - xs->last_rcv_ns;
	if (idle_ns < need_ns) {
		xtcp_deadlines_peer_watched(sk, need_ns - idle_ns);
		return XTCP_ENDING_NONE;
	}
	if (keepalive_is_exhausted(sk, idle_ns))
		return XTCP_ENDING_KEEPALIVE;

	xtcp_lifecycle_sk(sk, XTCP_EV_KEEPALIVE_TIMEOUT);
	xs->retransmit.refused = 0;
	probe_output(sk, xs->probe.out + 1, XTCP_RESENT_KEEPALIVE);
	XTCP_INC(sock_net(sk), KEEP_ALIVE);
	if (unlikely(xs->retransmit.refused)) {
		xtcp_deadlines_peer_silent(sk, XTCP_LOCAL_RETRY_NS);
		return XTCP_ENDING_NONE;
	}
	WRITE_ONCE(xs->probe.out, min(xs->probe.out + 1, U8_MAX));
	/*
	 * The first probe gets its interval even if the user timeout is over
	 * already.
	 */
	left_ns = xtcp_retransmit_user_timeout_left_since_ns(xs, xs->last_rcv_ns);
	xtcp_deadlines_peer_silent(sk, min(keep_intvl_ns(sk),
					   left_ns ?: U64_MAX));
	return XTCP_ENDING_NONE;
}
