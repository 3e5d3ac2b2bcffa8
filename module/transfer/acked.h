/* SPDX-License-Identifier: GPL-2.0 */
/*
 * acked.h - what an ACK does to the send queue
 */
#ifndef XTCP_TRANSFER_ACKED_H
#define XTCP_TRANSFER_ACKED_H

#include <linux/types.h>

#include "net/seq.h"

struct sk_buff;
struct sock;
struct xtcp_seg;
struct xtcp_sock;

/**
 * struct xtcp_acked - what one ACK says, gathered on its way through
 * @now_ns: when it came
 * @sent_ns: first of those acknowledged cumulatively that were sent once and
 *	not known to have arrived: when it was sent; 0: there is none
 * @last_sent_ns: the same of the last
 * @sack_sent_ns, @sack_last_sent_ns: the same of those newly SACKed
 * @prior_una: SND.UNA before
 * @prior_highest: highest number reported before
 * @late_seq: begin of the segment of @sent_ns
 * @sack_late_seq: lowest of those SACKed late, if @sack_late
 * @tsecr: the timestamp echo, if @has_tsecr
 * @segs: segments with text or FIN acknowledged cumulatively
 * @delivered: segments not known to have arrived before
 * @lost: segments that it shows to be lost
 * @prior_pipe: segments in flight before
 * @advanced: SND.UNA has moved
 * @syn: our SYN is acknowledged
 * @resent: some of them were sent more than once
 * @original: some were sent once, before the recovery under way began
 * @sacked: some were newly SACKed
 * @sack_late: and some of these below others known before
 * @dsack: it reports a duplicate, @dsack_of_probe: of the loss probe
 * @news: it has text, another window, or acknowledges something
 * @lost_again: retransmissions were lost
 * @arm: the retransmission timer is to be set anew
 * @ece: a router has marked our text
 */
struct xtcp_acked {
	u64	now_ns;
	u64	sent_ns;
	u64	last_sent_ns;
	u64	sack_sent_ns;
	u64	sack_last_sent_ns;
	seq_t	prior_una;
	seq_t	prior_highest;
	seq_t	late_seq;
	seq_t	sack_late_seq;
	u32	tsecr;
	u32	segs;
	u32	delivered;
	u32	lost;
	u32	prior_pipe;
	u32	has_tsecr:1,
		advanced:1,
		syn:1,
		resent:1,
		original:1,
		sacked:1,
		sack_late:1,
		dsack:1,
		dsack_of_probe:1,
		new_data:1,
		lost_again:1,
		arm:1,
		ece:1;
};

void xtcp_acked_init(struct xtcp_sock *xs);
void xtcp_acked_wake_writer(struct sock *sk);
bool xtcp_acked_rcv(struct sock *sk, const struct xtcp_seg *seg);
void xtcp_acked_rcv_alone(struct sock *sk, struct sk_buff *skb,
			  const struct xtcp_seg *seg);

#endif /* XTCP_TRANSFER_ACKED_H */
