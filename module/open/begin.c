// SPDX-License-Identifier: GPL-2.0
/*
 * begin.c - a connection begins in a socket
 *
 * RFC 9293 3.3.1. A socket may come from socket() or be a listener's copy, or
 * have had a connection before (connect() after a failed one, or after
 * AF_UNSPEC). What belongs to one connection, and not to the socket and its
 * options, is set back here: by those who own the fields, of whom this is the
 * list.
 *
 * Context: socket lock, or a socket that nobody else has seen.
 */
#include "open/begin.h"

#include "open/echo.h"
#include "segment/icmp.h"
#include "segment/output.h"
#include "segment/synchronized.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/acked.h"
#include "transfer/autotune.h"
#include "transfer/ecn.h"
#include "transfer/lossprobe.h"
#include "transfer/meter.h"
#include "transfer/mtuprobe.h"
#include "transfer/pacing.h"
#include "transfer/probe.h"
#include "transfer/prune.h"
#include "transfer/receive.h"
#include "transfer/recovery.h"
#include "transfer/retransmit.h"
#include "transfer/scoreboard.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/urgent.h"

/**
 * xtcp_begin - nothing of an earlier connection stays
 * @xs: socket; its queues are empty and its timers off
 *
 * Numbers, windows, RTT, congestion and ACK state are set by those who open
 * the connection.
 */
void xtcp_begin(struct xtcp_sock *xs)
{
	u64 now_ns = xtcp_now_ns();

	/* Options are agreed on by the SYNs. */
	xs->snd_wscale = 0;
	xs->wscale_ok = 0;
	xs->ts_ok = 0;
	xs->sack_ok = 0;
	xtcp_echo_init(xs);
	xtcp_synchronized_init(xs, now_ns);
	xtcp_output_init(xs);
	xtcp_icmp_init(xs);
	xtcp_receive_init(xs);
	xtcp_prune_init(xs);
	xtcp_urgent_init(xs);
	xtcp_sendq_init(xs);
	xtcp_send_init(xs, now_ns);
	xtcp_acked_init(xs);
	xtcp_ecn_init(xs);
	xtcp_recovery_init(xs);
	xtcp_lossprobe_init(xs);
	xtcp_retransmit_init(xs);
	xtcp_probe_init(xs);
	xtcp_mtuprobe_renew(xs);
	xtcp_pacing_init(xs);
	xtcp_meter_init(xs);
	xtcp_scoreboard_init(xs);
	xtcp_autotune_renew(xs);
}

/**
 * xtcp_begin_send - where the send sequence space begins
 * @xs: connection with nothing queued
 * @seq: next number to be sent; all before it is acknowledged
 */
void xtcp_begin_send(struct xtcp_sock *xs, seq_t seq)
{
	xs->snd_una = seq;
	xs->snd_nxt = seq;
	xs->write_seq = seq;
	xs->snd_sml = seq;
	xs->pushed_seq = seq;
	xs->recover = seq;
	xs->resend_seq = seq;
	xs->holes_seq = seq;
	xs->rtt_seq = seq;
}

/**
 * xtcp_begin_receive - where the receive sequence space begins
 * @xs: connection with nothing received
 * @seq: next number expected
 */
void xtcp_begin_receive(struct xtcp_sock *xs, seq_t seq)
{
	WRITE_ONCE(xs->rcv_nxt, seq);
	xs->rcv_wup = seq;
	WRITE_ONCE(xs->copied_seq, seq);
}
