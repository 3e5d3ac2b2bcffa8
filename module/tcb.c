// SPDX-License-Identifier: GPL-2.0
/*
 * tcb.c - a connection record begins a life
 *
 * RFC 9293 3.3.1. A socket may be born by socket(), from a listener's copy, or
 * have lived before (connect() after a failed one, or after AF_UNSPEC). What
 * belongs to one connection, and not to the socket and its options, is set
 * back here.
 *
 * Context: socket lock, or a socket that nobody else has seen.
 */
#include "tcb.h"

#include "timers.h"
#include "transfer/autotune.h"
#include "transfer/meter.h"
#include "transfer/scoreboard.h"

/**
 * xtcp_tcb_renew - nothing of an earlier life stays
 * @xs: connection record; its queues are empty and its timers off
 *
 * Numbers, windows, RTT, congestion and ACK state are set by those who open
 * the connection.
 */
void xtcp_tcb_renew(struct xtcp_sock *xs)
{
	xs->snd_wnd = 0;
	xs->snd_wnd_max = 0;
	xs->snd_wscale = 0;
	xs->wscale_ok = 0;
	xs->ts_ok = 0;
	xs->sack_ok = 0;
	xs->ecn_ok = 0;
	xs->ecn_cwr = 0;
	xs->ecn_echo = 0;
	xs->ecn_seen = 0;
	xs->fin_queued = 0;
	xs->dsack_pending = 0;
	xs->cookie_held = 0;
	xs->snd_urgent = 0;
	xs->urg_state = XTCP_URGENT_NONE;
	xs->nr_sacks = 0;
	xs->rcv_collapsed = 0;
	xs->ofo_collapsed = 0;
	xs->mtu_pending = 0;
	xtcp_meter_init(xs);
	xs->mtu_searched = 0;
	xs->mtu_probe = 0;
	xs->mtu_high = 0;
	xs->ts_recent = 0;
	xs->ts_recent_s = 0;
	xs->in_flight = 0;
	xs->bare_out = 0;
	xs->recovery = XTCP_OPEN;
	xs->waiting = XTCP_WAIT_TIMEOUT;
	xs->probe_out = 0;
	xs->frto = 0;
	xs->retransmits = 0;
	xs->probes_out = 0;
	xs->probe_backoff = 0;
	xs->retrans_stamp_ns = 0;
	xs->oow_ack_ms = 0;
	xs->last_rcv_ns = xtcp_now_ns();
	xs->last_snd_ns = xs->last_rcv_ns;
	xs->bytes_acked = 0;
	xs->bytes_received = 0;
	xs->bytes_retrans = 0;
	xs->delivered = 0;
	xs->delivered_ce = 0;
	xs->data_segs_in = 0;
	xs->data_segs_out = 0;
	xs->rcv_ooo = 0;
	xs->timeouts = 0;
	xs->timeout_runs = 0;
	xs->rto_ms = 0;
	xs->rto_timed = 0;
	xs->rehashes = 0;
	xs->dsack_segs = 0;
	xs->pace_us = 0;
	xs->paced = 0;
	xs->segs_in = 0;
	xs->segs_out = 0;
	xs->total_retrans = 0;
	xtcp_scoreboard_init(xs);
	xtcp_autotune_renew(xs);
}

/**
 * xtcp_tcb_send_from - where the send sequence space begins
 * @xs: connection record with nothing queued
 * @seq: next number to be sent; all before it is acknowledged
 */
void xtcp_tcb_send_from(struct xtcp_sock *xs, seq_t seq)
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
 * xtcp_tcb_receive_from - where the receive sequence space begins
 * @xs: connection record with nothing received
 * @seq: next number expected
 */
void xtcp_tcb_receive_from(struct xtcp_sock *xs, seq_t seq)
{
	WRITE_ONCE(xs->rcv_nxt, seq);
	xs->rcv_wup = seq;
	WRITE_ONCE(xs->copied_seq, seq);
}
