// SPDX-License-Identifier: GPL-2.0
/*
 * waiting.c - what a connection is waiting for
 *
 * The answer is computed when it is read, from the fields that make the decisions:
 * nothing is recorded, so it costs a connection nothing. It is a list of words, because
 * the two directions wait for different things, and the timer that fires next:
 *
 *	app-accept, app-read, app-write, app-close
 *		a call of the program
 *	peer-syn, peer-syn-ack, peer-ack, peer-data, peer-fin
 *		a segment of the peer
 *	peer-window, cwnd, pacing, nagle, cork, device, retry
 *		what holds back the first unsent byte
 *	memory	space that xtcp_mem, or the memory cgroup, does not give to a program
 *		that sends
 *	2msl	the end of TIME-WAIT
 *
 * Context: process; the socket is not locked, so that two fields may be one segment
 * apart.
 */
#include "user/waiting.h"

#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/seq_file.h>
#include <net/sock.h>

#include "compat.h"
#include "lifecycle.h"
#include "net/seq.h"
#include "open/synqueue.h"
#include "tcb.h"
#include "user/row.h"

/*
 * Fields that only this file reads without the lock are written plainly: a wrong value
 * is a wrong word in one reading. A bit-field needs "+ 0": data_race() declares a variable
 * of the type, which a bit-field has not.
 */
#define glance(field) data_race(field)

/* States in which our payload or FIN can be unsent or in flight. */
#define UNACKED_STATES	(XTCP_SYNCHRONIZED & ~XTCP_STATEF(XTCP_FIN_WAIT_2))

static const char *const timer_names[] = {
	[XTCP_TIMER_PERSIST]		= "persist",
	[XTCP_TIMER_DELAYED_ACK]	= "delayed-ack",
	[XTCP_TIMER_KEEPALIVE]		= "keepalive",
	[XTCP_TIMER_FIN_WAIT_2]		= "fin-wait-2",
	[XTCP_TIMER_PACE]		= "pace",
};

static_assert(ARRAY_SIZE(timer_names) == XTCP_TIMERS);

/* XTCP_TIMER_RETRANSMIT is three timers in turn. */
static const char *const retransmit_names[] = {
	[XTCP_WAIT_TIMEOUT]		= "retransmit",
	[XTCP_WAIT_USER]		= "retransmit",
	[XTCP_WAIT_LOSS_PROBE]		= "loss-probe",
	[XTCP_WAIT_REORDER]		= "reorder",
};

/* Adds words with commas in between. */
struct words {
	struct seq_file	*m;
	char		before;
};

static void word_add(struct words *w, const char *word)
{
	seq_printf(w->m, "%c%s", w->before, word);
	w->before = ',';
}

static bool timer_runs(const struct xtcp_sock *xs, enum xtcp_timer which)
{
	return READ_ONCE(xs->deadline_ns[which]);
}

/* As xtcp_congestion_pipe(), for a socket that is not locked. */
static bool cwnd_is_full(const struct xtcp_sock *xs)
{
	u32 flight = READ_ONCE(xs->in_flight);
	u32 gone = glance(xs->sacked_out) + glance(xs->lost_out);

	return flight + glance(xs->retrans_out) - min(flight, gone) >=
	       glance(xs->cwnd);
}

static bool window_is_full(const struct xtcp_sock *xs, u32 unsent)
{
	u32 out = seq_dist(READ_ONCE(xs->snd_una), glance(xs->snd_nxt));
	u32 wnd = READ_ONCE(xs->snd_wnd);

	return wnd < out + min(unsent, READ_ONCE(xs->mss));
}

/* The socket's own bytes in the queue of the device are too many. */
static bool device_is_full(const struct sock *sk)
{
	return test_bit(XTCP_THROTTLED, &xtcp_sk(sk)->deferred) &&
	       refcount_read(&sk->sk_wmem_alloc) > 1;
}

/* TCP_CORK, or the last write had MSG_MORE, which does not set PSH. */
static bool is_corked(const struct xtcp_sock *xs)
{
	return (glance(xs->nagle) & XTCP_NAGLE_CORK) ||
	       (glance(xs->pushed_seq) != READ_ONCE(xs->write_seq) &&
		!glance(xs->fin_queued + 0));
}

/*
 * What holds back the first unsent byte. NULL: an ACK will let it go; for example,
 * xtcp_burst_waits() prefers to send more at once.
 */
static const char *unsent_waits_for(const struct xtcp_sock *xs, u32 unsent)
{
	u8 nagle = glance(xs->nagle);

	if (device_is_full(&xs->inet.sk))
		return "device";
	if (timer_runs(xs, XTCP_TIMER_PACE) && !(nagle & XTCP_NAGLE_TAIL))
		return "pacing";
	if (window_is_full(xs, unsent))
		return "peer-window";
	if (cwnd_is_full(xs))
		return "cwnd";
	if (unsent < READ_ONCE(xs->mss) && is_corked(xs))
		return "cork";
	if (!READ_ONCE(xs->in_flight))
		return "retry";
	return unsent < READ_ONCE(xs->mss) && !(nagle & XTCP_NAGLE_OFF) ?
	       "nagle" : NULL;
}

/*
 * A program sleeps in send(), though its buffer has the space for which a program is
 * woken; or all sockets together have so much that its buffer was made smaller.
 */
static bool lacks_memory(const struct sock *sk)
{
	return READ_ONCE(sk->sk_write_pending) &&
	       (__sk_stream_is_writeable(sk, 1) || xtcp_lacks_memory(sk));
}

static void sender_show(struct words *w, const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	s32 unsent = seq_dist(glance(xs->snd_nxt), READ_ONCE(xs->write_seq));
	const char *word = unsent > 0 ? unsent_waits_for(xs, unsent) : NULL;

	if (lacks_memory(sk))
		word_add(w, "memory");
	if (word)
		word_add(w, word);
	if (READ_ONCE(xs->in_flight))
		word_add(w, "peer-ack");
}

/* In a state where the program may still read. */
static void reader_show(struct words *w, const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	s32 fin = sock_flag(sk, SOCK_DONE) ? 1 : 0;
	s32 unread = seq_dist(READ_ONCE(xs->copied_seq), READ_ONCE(xs->rcv_nxt));

	if (sock_flag(sk, SOCK_DEAD))
		return;
	if (xtcp_awaits_accept(sk))
		word_add(w, "app-accept");
	else if (unread > fin)
		word_add(w, "app-read");
}

/* Nothing is queued in either direction: the state tells who is to act. */
static const char *state_waits_for(u8 state)
{
	switch (state) {
	case XTCP_SYN_SENT:
		return "peer-syn-ack";
	case XTCP_SYN_RECEIVED:
		return "peer-ack";
	case XTCP_FIN_WAIT_2:
		return "peer-fin";
	case XTCP_CLOSE_WAIT:
		return "app-close";
	default:
		return "app-write,peer-data";
	}
}

static void timer_show(struct seq_file *m, const char *name, u64 deadline_ns)
{
	seq_printf(m, " %s %u", name, xtcp_row_ms_left(deadline_ns));
}

static const char *timer_name(const struct xtcp_sock *xs, unsigned int timer)
{
	u8 waiting;

	if (timer != XTCP_TIMER_RETRANSMIT)
		return timer_names[timer];
	waiting = glance(xs->retransmit.waiting + 0);
	return retransmit_names[waiting];
}

static void next_timer_show(struct seq_file *m, const struct xtcp_sock *xs)
{
	u64 first_ns = U64_MAX;
	unsigned int i, first;

	for (i = 0; i < XTCP_TIMERS; i++) {
		u64 deadline_ns = READ_ONCE(xs->deadline_ns[i]);

		if (!deadline_ns || deadline_ns >= first_ns)
			continue;
		first_ns = deadline_ns;
		first = i;
	}
	if (first_ns == U64_MAX)
		seq_puts(m, " - 0");
	else
		timer_show(m, timer_name(xs, first), first_ns);
}

static void listener_show(struct words *w, const struct sock *sk)
{
	word_add(w, READ_ONCE(sk->sk_ack_backlog) ? "app-accept" : "peer-syn");
}

static void connection_show(struct words *w, const struct sock *sk, u8 state)
{
	if (state != XTCP_SYN_SENT)
		reader_show(w, sk);
	if (XTCP_STATEF(state) & UNACKED_STATES)
		sender_show(w, sk);
	if (w->before == ' ')
		word_add(w, state_waits_for(state));
}

/**
 * xtcp_waiting_sock_show - print what a socket waits for, and its next timer
 * @m: the file; three columns are added, with a space before each: words with
 *	commas in between; name of the timer or "-"; ms until it fires
 * @sk: the socket, referenced, not locked
 * @state: its state, not CLOSED
 */
void xtcp_waiting_sock_show(struct seq_file *m, const struct sock *sk, u8 state)
{
	struct words w = { .m = m, .before = ' ' };

	if (state == XTCP_LISTEN)
		listener_show(&w, sk);
	else
		connection_show(&w, sk, state);
	next_timer_show(m, xtcp_sk(sk));
}

/**
 * xtcp_waiting_halfopen_show - the same for a half-open record
 * @m: the file
 * @ho: the record, referenced
 * @ls: its listener's socket; the caller is in an RCU read-side section
 *
 * The ACK of a record that is not deferred (TCP_DEFER_ACCEPT) came when the accept queue
 * was full. When there is space again, the next SYN-ACK asks the peer for another one.
 */
void xtcp_waiting_halfopen_show(struct seq_file *m,
				const struct xtcp_halfopen *ho, const struct sock *ls)
{
	if (xtcp_synqueue_is_deferred(ho))
		seq_puts(m, " peer-data");
	else if (sk_acceptq_is_full(ls) && xtcp_synqueue_was_acked(ho))
		seq_puts(m, " app-accept");
	else
		seq_puts(m, " peer-ack");
	timer_show(m, "syn-ack", READ_ONCE(ho->delay.expires_ns));
}

/**
 * xtcp_waiting_timewait_show - the same for a TIME-WAIT record
 * @m: the file
 * @state: TIME-WAIT, or FIN-WAIT-2 of an orphan
 * @deadline_ns: xtcp_now_ns() when its timer fires
 */
void xtcp_waiting_timewait_show(struct seq_file *m, u8 state, u64 deadline_ns)
{
	bool waits = state == XTCP_TIME_WAIT;

	seq_puts(m, waits ? " 2msl" : " peer-fin");
	timer_show(m, waits ? "2msl" : "fin-wait-2", deadline_ns);
}
