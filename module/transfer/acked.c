// SPDX-License-Identifier: GPL-2.0
/*
 * acked.c - what an ACK does to the send queue
 *
 * RFC 9293 3.10.7.4 fifth: SND.UNA moves, what lies before it leaves the
 * flight, SND.WND follows. RFC 6298 3 (Karn) and RFC 7323 4 for the round trip
 * that an ACK tells, RFC 5681 2 for what a duplicate is.
 *
 * Socket lock; softirq, or process context from the backlog.
 */
#include "transfer/acked.h"

#include <linux/skbuff.h>
#include <net/sock.h>

#include "net/output.h"
#include "net/wire.h"
#include "netns.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/congestion.h"
#include "transfer/probe.h"
#include "transfer/recovery.h"
#include "transfer/rtt.h"
#include "transfer/sendqueue.h"
#include "user/stats.h"

/*
 * What one ACK took out of the flight. @segs: segments with text or FIN.
 * @delivered: segments not known to have arrived before. @sent_ns: first
 * send of the oldest of them that can be timed. @resent: some was sent more
 * than once, so that none can be timed (Karn). @last_sent_ns: of the newest of
 * those that can. @syn: our SYN is among them.
 */
struct acked {
	u32	segs;
	u32	delivered;
	u64	sent_ns;
	u64	last_sent_ns;
	bool	resent;
	bool	syn;
};

static void flight_acked(struct sock *sk, seq_t ack, struct acked *acked)
{
	struct sk_buff *skb;

	while ((skb = xtcp_send_oldest(sk))) {
		struct xtcp_skb_cb *cb = xtcp_cb(skb);

		if (seq_after(cb->end, ack)) {
			if (seq_after(ack, cb->seq))
				xtcp_sendq_trim_head(sk, skb, ack);
			break;
		}
		if (cb->retrans)
			acked->resent = true;
		if (!(cb->marks & XTCP_MARK_SACKED)) {
			acked->delivered++;
			if (!cb->retrans) {
				if (!acked->sent_ns)
					acked->sent_ns = cb->sent_ns;
				acked->last_sent_ns = cb->sent_ns;
			}
		}
		if (cb->flags & XTCP_SYN)
			acked->syn = true;
		else
			acked->segs++;
		xtcp_sendq_land(sk, skb);
	}
	if (!xtcp_sk(sk)->in_flight)
		xtcp_sk(sk)->sacked_out = 0;
}

static u32 us_between(u64 then_ns, u64 now_ns)
{
	return min_t(u64, div_u64(now_ns - then_ns, NSEC_PER_USEC), U32_MAX);
}

/*
 * RFC 6298 3: time a segment that was sent once; else the timestamps option
 * tells which of the copies was acknowledged (RFC 7323 4). A SYN that had to
 * be sent again and can't be timed makes the first RTO 3 s (RFC 6298 5.7).
 */
static void take_rtt(struct sock *sk, const struct xtcp_seg *seg,
		     const struct acked *acked)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool has_ts = seg->opt.has_ts && (xs->ts_ok || acked->syn);
	u64 now_ns = xtcp_now_ns();
	s32 ms;

	if (acked->sent_ns && !acked->resent) {
		xtcp_rtt_sample(sk, us_between(acked->sent_ns, now_ns));
		xtcp_congestion_rtt(xs, us_between(acked->last_sent_ns, now_ns));
		return;
	}
	if (has_ts && seg->opt.tsecr) {
		ms = (s32)(xtcp_tsval(xs) - seg->opt.tsecr);
		if (ms >= 0 && ms <= XTCP_RTO_MAX_US / USEC_PER_MSEC) {
			xtcp_rtt_sample(sk, max(ms, 1) * USEC_PER_MSEC);
			return;
		}
	}
	if (acked->syn && acked->resent)
		WRITE_ONCE(xs->rto_us, XTCP_RTO_FALLBACK_US);
}

/*
 * RFC 9293 3.10.7.4, fifth: SND.WND follows the latest segment. SND.UNA
 * stands in for SND.WL2: whoever gets here has SEG.ACK at or above it. A
 * SYN's window is not scaled (RFC 7323 2.2).
 */
static bool update_window(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u8 shift = (seg->flags & XTCP_SYN) ? 0 : xs->snd_wscale;
	u32 wnd = (u32)seg->wnd << shift;
	bool changed = wnd != xs->snd_wnd;

	if (seq_before(seg->seq, xs->snd_wl1) && seg->ack == xs->snd_una)
		return false;
	xs->snd_wl1 = seg->seq;
	if (!changed)
		return false;
	WRITE_ONCE(xs->snd_wnd, wnd);
	if (wnd > xs->snd_wnd_max) {
		xs->snd_wnd_max = wnd;
		/* The MSS is bounded by half of it. */
		xtcp_output_mss_sync(sk, xs->pmtu);
	}
	return true;
}

/**
 * xtcp_send_buffer_grow - let the send buffer follow the congestion window
 * @sk: the socket, locked
 *
 * Twice the window, so that the user can refill it while it is in flight;
 * up to xtcp_wmem[2], and not where SO_SNDBUF has spoken.
 */
void xtcp_send_buffer_grow(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 segs = max(xs->cwnd, XTCP_INIT_CWND);
	u64 want;

	if ((sk->sk_userlocks & SOCK_SNDBUF_LOCK) ||
	    sk_under_memory_pressure(sk))
		return;
	want = 2ULL * segs * (xs->mss + SKB_TRUESIZE(XTCP_HEADROOM));
	want = min_t(u64, want, max(XTCP_KNOB(sock_net(sk), wmem[2]), 0));
	if (want > sk->sk_sndbuf)
		WRITE_ONCE(sk->sk_sndbuf, (int)want);
}

/* Memory came back: tell a writer who found none. */
static void wake_writer(struct sock *sk)
{
	xtcp_send_buffer_grow(sk);
	/* Either the writer sees the room, or we see that it waits. */
	smp_mb();
	if (sk->sk_socket && test_bit(SOCK_NOSPACE, &sk->sk_socket->flags))
		sk->sk_write_space(sk);
}

/* SND.UNA moves up to SEG.ACK. */
static void new_ack(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 prior_pipe = xtcp_congestion_pipe(xs);
	struct acked acked = { };
	u32 sacked;

	xs->bytes_acked += seq_dist(xs->snd_una, seg->ack);
	WRITE_ONCE(xs->snd_una, seg->ack);
	WRITE_ONCE(xs->retransmits, 0);
	flight_acked(sk, seg->ack, &acked);
	xs->retrans_stamp_ns = xs->in_flight ? xtcp_now_ns() : 0;

	take_rtt(sk, seg, &acked);
	xtcp_recovery_arm(sk);
	sacked = xtcp_recovery_sacked(sk, seg);
	XTCP_ADD(sock_net(sk), DELIVERED, acked.delivered + sacked);
	if (acked.syn)
		xtcp_congestion_init(sk);	/* the peer's MSS is known now */
	else
		xtcp_recovery_acked(sk, acked.segs, prior_pipe);
	wake_writer(sk);
}

/*
 * Nothing new. RFC 5681 2: a duplicate ACK has no text, no SYN or FIN and
 * the same window, while something is in flight. With SACK, RFC 6675 2: one
 * that tells of an arrival.
 */
static void old_ack(struct sock *sk, const struct xtcp_seg *seg,
		    bool wnd_changed)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 sacked;

	if (!xs->in_flight)
		return;
	sacked = xtcp_recovery_sacked(sk, seg);
	XTCP_ADD(sock_net(sk), DELIVERED, sacked);
	if (sacked || (!xs->sack_ok && seg->ack == xs->snd_una &&
		       seg->seq == seg->end && !wnd_changed))
		xtcp_recovery_dupack(sk, sacked);
}

/**
 * xtcp_send_acked - what SEG.ACK, SEG.WND and SACK say about the send queue
 * @sk: the socket, locked, synchronized (or its SYN is being acknowledged)
 * @seg: with ACK in [SND.UNA - largest window, SND.NXT]
 *
 * RFC 9293 3.10.7.4, fifth. Nothing new is sent: the caller pushes at the end
 * of the segment.
 *
 * Return: true when this ACK is the first that covers our FIN
 */
bool xtcp_send_acked(struct sock *sk, const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	bool wnd_changed;

	if (seq_after(seg->ack, xs->snd_nxt))
		return false;
	xtcp_probe_answered(sk);
	if (seq_before(seg->ack, xs->snd_una)) {
		old_ack(sk, seg, false);
		return false;
	}

	WRITE_ONCE(sk->sk_err_soft, 0);
	if (seg->seq == seg->end)
		XTCP_INC(sock_net(sk), PURE_ACKS);
	wnd_changed = update_window(sk, seg);
	if (seg->ack == xs->snd_una) {
		old_ack(sk, seg, wnd_changed);
		return false;
	}
	new_ack(sk, seg);
	return xs->fin_queued && seg->ack == xs->write_seq;
}
