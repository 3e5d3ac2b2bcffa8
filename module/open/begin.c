// SPDX-License-Identifier: GPL-2.0
/*
 * begin.c - initialise a socket's TCB for a new connection
 *
 * RFC 9293 3.3.1. The socket may be new, a copy of a listener, or have had a
 * connection before (connect() after a failed connect(), or after AF_UNSPEC).
 * Most fields of a connection, in contrast to those of the socket and its options,
 * start at 0: these are groups of struct xtcp_sock, so that none is forgotten.
 *
 * Context: socket lock, or a socket that is not visible yet.
 */
#include "open/begin.h"

#include <linux/tcp.h>

#include "clock.h"
#include "tcb.h"
#include "transfer/autotune.h"
#include "transfer/meter.h"
#include "transfer/recovery.h"
#include "transfer/scoreboard.h"
#include "transfer/send.h"

/* In the groups 0 is the value without history. */
static_assert(XTCP_TOKEN_NONE == 0 && XTCP_URGENT_NONE == 0 && TFO_STATUS_UNSPEC == 0 &&
	      XTCP_RECOVERY_NONE == 0 && XTCP_WAIT_TIMEOUT == 0 && XTCP_HELD_NOT == 0);

/**
 * xtcp_begin - clear the fields of a connection that start at 0
 * @xs: socket with empty queues and no timer set; locked or not yet visible
 *
 * The callers set sequence numbers, windows, RTT, congestion and ACK state.
 */
void xtcp_begin(struct xtcp_sock *xs)
{
	u64 now_ns = xtcp_now_ns();

	/* Assignments: unlike memset(), the compiler expands them for each architecture. */
	xs->zero_rare = (typeof(xs->zero_rare)){};
	xs->zero_window = (typeof(xs->zero_window)){};
	xs->zero_bits = (typeof(xs->zero_bits)){};
	xs->zero_path = (typeof(xs->zero_path)){};
	xs->zero_flight = (typeof(xs->zero_flight)){};
	xs->zero_counts = (typeof(xs->zero_counts)){};
	/* These are in no group: fields beside them keep their values. */
	xs->mtu_pending = 0;
	xs->snd_wscale = 0;
	xs->retrans_stamp_ns = 0;
	xs->last_rcv_ns = now_ns;
	xs->last_snd_ns = now_ns;
	xtcp_meter_clear(xs);
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
	WRITE_ONCE(xs->snd_una, seq);
	WRITE_ONCE(xs->snd_nxt, seq);
	WRITE_ONCE(xs->write_seq, seq);
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
