// SPDX-License-Identifier: GPL-2.0
/*
 * begin.c - initialise a socket's TCB for a new connection
 *
 * RFC 9293 3.3.1. The socket may be new, a copy of a listener, or have had a
 * connection before (connect() after a failed connect(), or after AF_UNSPEC).
 * The fields of a connection, in contrast to those of the socket and its
 * options, are reset here, by the files that own them.
 *
 * Context: socket lock, or a socket that is not visible yet.
 */
#include "open/begin.h"

#include <linux/tcp.h>

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
 * xtcp_begin - reset all fields that belong to a connection
 * @xs: socket with empty queues and no timer set; locked or not yet visible
 *
 * The callers set sequence numbers, windows, RTT, congestion and ACK state.
 */
void xtcp_begin(struct xtcp_sock *xs)
{
	u64 now_ns = xtcp_now_ns();

	/* The SYNs negotiate these options. */
	xs->snd_wscale = 0;
	xs->wscale_ok = 0;
	xs->ts_ok = 0;
	xs->sack_ok = 0;
	xs->fast_sending = 0;
	xs->fast_tried = 0;
	xs->fast_taken = 0;
	xs->fast_checks = 0;
	xs->fast_fail = TFO_STATUS_UNSPEC;
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
 * xtcp_begin_send - set the start of the send sequence space
 * @xs: connection with empty send queues; locked or not yet visible
 * @seq: SND.NXT; all before it is acknowledged
 */
void xtcp_begin_send(struct xtcp_sock *xs, seq_t seq)
{
	xs->snd_una = seq;
	xs->snd_nxt = seq;
	xs->write_seq = seq;
	xtcp_send_begin(xs, seq);
	xtcp_recovery_begin(xs, seq);
	xtcp_scoreboard_begin(xs, seq);
}

/**
 * xtcp_begin_receive - set the start of the receive sequence space
 * @xs: connection that has received nothing; locked or not yet visible
 * @seq: RCV.NXT
 */
void xtcp_begin_receive(struct xtcp_sock *xs, seq_t seq)
{
	WRITE_ONCE(xs->rcv_nxt, seq);
	xs->rcv_wup = seq;
	xs->rcv_taken_back = 0;
	WRITE_ONCE(xs->copied_seq, seq);
	xs->ack.last_payload_ms = xtcp_now_ms();
}
