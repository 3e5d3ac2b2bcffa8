/* SPDX-License-Identifier: GPL-2.0 */
/*
 * acked.h - what an ACK does to the send queue
 */
#ifndef XTCP_TRANSFER_ACKED_H
#define XTCP_TRANSFER_ACKED_H

#include <linux/minmax.h>
#include <linux/types.h>

#include "net/seq.h"
#include "net/wire.h"
#include "tcb.h"

struct sk_buff;
struct sock;

/**
 * struct xtcp_acked - what one ACK says, gathered while it is processed
 * @now_ns: time when it arrived
 * @sent_ns: time when the first of the segments was sent that were acknowledged
 *	cumulatively, sent once and not known to have arrived; 0 if there is
 *	none
 * @last_sent_ns: the same for the last of them
 * @sack_sent_ns: the same for the segment sent first of those newly SACKed
 * @prior_una: SND.UNA before the ACK
 * @prior_highest: highest sequence number reported before the ACK
 * @late_seq: first sequence number of the segment of @sent_ns
 * @sack_late_seq: lowest sequence number that was SACKed late, if @sack_late
 * @tsecr: timestamp echo, if @has_tsecr
 * @segs: segments with payload or FIN acknowledged cumulatively
 * @delivered: segments not known to have arrived before
 * @lost: segments that it shows to be lost
 * @prior_pipe: the pipe (RFC 6675) before the ACK: segments believed to be in the network
 * @has_tsecr: it has a timestamp echo
 * @advanced: SND.UNA has advanced
 * @syn: it acknowledges our SYN
 * @resent: some of the segments acknowledged were sent more than once
 * @original: some were sent once, before the current recovery began
 * @sacked: some were newly SACKed
 * @sack_late: some of these lie below segments known to have arrived
 * @dsack: it reports a duplicate
 * @dsack_of_probe: it reports the loss probe as a duplicate
 * @no_duplicate: it is no duplicate ACK (RFC 5681 2): it has payload or another window,
 *	acknowledges new data, or a later ACK has overtaken it
 * @lost_again: retransmissions were lost
 * @arm: the retransmission timer is to be set again
 * @ece: it echoes a CE mark, or reports marks
 * @old: a later ACK has overtaken it
 * @first_syn: it echoes the timestamp of the first copy of our SYN or SYN-ACK
 * @lossy: it acknowledges our SYN or SYN-ACK, which was sent three times or more
 * @marks: number of marks that it reports; Accurate ECN
 */
struct xtcp_acked {
	u64	now_ns;
	u64	sent_ns;
	u64	last_sent_ns;
	u64	sack_sent_ns;
	seq_t	prior_una;
	seq_t	prior_highest;
	seq_t	late_seq;
	seq_t	sack_late_seq;
	u32	tsecr;
	u32	segs;
	u32	delivered;
	u32	lost;
	u32	prior_pipe;
	u32	marks;
	u32	has_tsecr:1,
		advanced:1,
		syn:1,
		resent:1,
		original:1,
		sacked:1,
		sack_late:1,
		dsack:1,
		dsack_of_probe:1,
		no_duplicate:1,
		lost_again:1,
		arm:1,
		ece:1,
		old:1,
		first_syn:1,
		lossy:1;
};

/* Number of segments that have arrived with CE, as far as the ACK tells. */
static inline u32 xtcp_acked_marked(const struct xtcp_acked *a)
{
	if (likely(!a->ece))
		return 0;
	/* Pure ACKs were marked, too. */
	return a->marks ? min(a->marks, a->delivered) : a->delivered;
}

u32 xtcp_acked_echo_rtt_us(const struct xtcp_sock *xs, const struct xtcp_acked *a);
void xtcp_acked_wake_writer(struct sock *sk);
bool xtcp_acked_syn_ack(struct sock *sk, const struct xtcp_seg *seg, u32 rtt_us);
bool xtcp_acked_moves_window(const struct xtcp_sock *xs, const struct xtcp_seg *seg);
bool xtcp_acked_rcv(struct sock *sk, const struct xtcp_seg *seg);
void xtcp_acked_rcv_alone(struct sock *sk, struct sk_buff *skb,
			  const struct xtcp_seg *seg);

/* SEG.WND in bytes. That of a SYN is never scaled (RFC 7323 2.2). */
static inline u32 xtcp_acked_window(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return (u32)seg->wnd << (seg->flags & XTCP_SYN ? 0 : xs->snd_wscale);
}

/**
 * xtcp_acked_first_window - take SND.WND from the segment that ends our part of the handshake
 * @xs: TCB of the connection; its window scale is known
 * @seg: SYN, SYN-ACK, or the ACK of our SYN
 *
 * RFC 9293 3.10.7.3 and 3.10.7.4, fifth, SYN-RECEIVED.
 */
static inline void xtcp_acked_first_window(struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	xs->snd_wnd = xtcp_acked_window(xs, seg);
	xs->snd_wnd_max = max(xs->snd_wnd_max, xs->snd_wnd);
	xs->snd_wl1 = seg->seq;
}

/**
 * xtcp_acked_had_flight - check whether anything was in flight when an ACK came
 * @xs: the connection, locked
 * @a: what the ACK says; its cumulative part is processed
 *
 * Return: true if something was
 */
static inline bool xtcp_acked_had_flight(const struct xtcp_sock *xs, const struct xtcp_acked *a)
{
	return xs->in_flight || a->segs || a->syn;
}

#endif /* XTCP_TRANSFER_ACKED_H */
