// SPDX-License-Identifier: GPL-2.0
/*
 * info.c - what TCP_INFO tells of a socket, for getsockopt() and sock_diag
 *
 * The fields have Linux's names and units. Those that have no meaning for xtcp are 0.
 *
 * Context: process or softirq, with the socket lock; xtcp_info_fill() takes it.
 */
#include "user/info.h"

#include <linux/math64.h>
#include <net/inet_ecn.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "clock.h"
#include "compat.h"
#include "net/seq.h"
#include "tcb.h"
#include "transfer/accecn.h"
#include "transfer/ack.h"
#include "transfer/autotune.h"
#include "transfer/meter.h"
#include "transfer/retransmit.h"
#include "transfer/rtt.h"
#include "transfer/window.h"

#define TIMESTAMP_SPACE	12		/* bytes: the option and two NOPs */

/* The phase of loss recovery, by Linux's names. */
static u8 info_recovery(const struct xtcp_sock *xs)
{
	switch (xs->recovery) {
	case XTCP_RECOVERY_DISORDER:
		return TCP_CA_Disorder;
	case XTCP_RECOVERY_REDUCTION:
		return TCP_CA_CWR;
	case XTCP_RECOVERY_FAST:
		return TCP_CA_Recovery;
	case XTCP_RECOVERY_LOSS:
		return TCP_CA_Loss;
	default:
		return TCP_CA_Open;
	}
}

static u32 ms_since(u64 then_ns)
{
	u64 ms = then_ns ? div_u64(xtcp_now_ns() - then_ns, NSEC_PER_MSEC) : 0;

	return min_t(u64, ms, U32_MAX);
}

static void info_negotiated(const struct xtcp_sock *xs, struct tcp_info *info)
{
	if (xs->ts_ok)
		info->tcpi_options |= TCPI_OPT_TIMESTAMPS;
	if (xs->sack_ok)
		info->tcpi_options |= TCPI_OPT_SACK;
	if (xs->wscale_ok) {
		info->tcpi_options |= TCPI_OPT_WSCALE;
		info->tcpi_snd_wscale = xs->snd_wscale;
		info->tcpi_rcv_wscale = xs->rcv_wscale;
	}
	if (xs->fast_taken)
		info->tcpi_options |= TCPI_OPT_SYN_DATA;
	if (xs->fast_child)
		info->tcpi_options |= TCPI_OPT_TFO_CHILD;
	info->tcpi_fastopen_client_fail = xs->fast_fail;
	if (xs->ecn.ok)
		info->tcpi_options |= TCPI_OPT_ECN;
	if (xs->ecn.seen)
		info->tcpi_options |= TCPI_OPT_ECN_SEEN;
	info->tcpi_snd_mss = xs->mss;
	info->tcpi_rcv_mss = xs->ack.rcv_mss;
	/* As in Linux: the payload that fits. */
	info->tcpi_advmss = xs->advmss;
	if (xs->ts_ok)
		info->tcpi_advmss -= min_t(u32, xs->advmss, TIMESTAMP_SPACE);
	info->tcpi_pmtu = xs->pmtu;
}

/*
 * Bytes of payload sent, retransmissions included. bytes_acked may include our
 * SYN (of connect(), as in Linux), what is in flight our FIN.
 */
static u64 info_bytes_sent(const struct xtcp_sock *xs)
{
	u64 sent = xs->bytes_acked + seq_dist(xs->snd_una, xs->snd_nxt);

	if (xs->snd_nxt == xs->iss)
		return 0;
	sent -= (u32)seq_dist(xs->iss, xs->snd_una) == (u32)xs->bytes_acked;
	sent -= xs->fin_queued && xs->snd_nxt == xs->write_seq;
	return sent + xs->bytes_retrans;
}

/* Fills what xtcp keeps; the rest stays 0. Socket lock. */
static void info_connection(const struct xtcp_sock *xs, struct tcp_info *info)
{
	info_negotiated(xs, info);

	info->tcpi_ca_state = info_recovery(xs);
	info->tcpi_retransmits = xs->retransmit.in_row;
	info->tcpi_backoff = xs->retransmit.in_row;
	info->tcpi_probes = xs->probe.out;
	info->tcpi_unacked = xs->in_flight;
	info->tcpi_sacked = xs->sacked_out;
	info->tcpi_lost = xs->lost_out;
	info->tcpi_retrans = xs->retrans_out;
	info->tcpi_total_retrans = xs->total_retrans;

	info->tcpi_rto = xs->rtt.rto_us;
	info->tcpi_ato = xtcp_ack_ato_us(xs);
	info->tcpi_rtt = xs->rtt.srtt_us >> 3;
	info->tcpi_rttvar = xs->rtt.mdev_us >> 2;
	info->tcpi_min_rtt = xtcp_rtt_min_us(xs);

	info->tcpi_rcv_rtt = xtcp_autotune_rtt_us(xs);
	if (xtcp_state_in(&xs->inet.sk, XTCP_SYNCHRONIZED))
		info->tcpi_rcv_space = xtcp_autotune_read_per_rtt(xs);
	info->tcpi_rcv_ssthresh = xtcp_window_limit(&xs->inet.sk);
	info->tcpi_last_data_sent = ms_since(xs->last_snd_ns);
	/* Before any, since the connection began. */
	if (xs->ack.last_payload_ms)
		info->tcpi_last_data_recv = xtcp_now_ms() - xs->ack.last_payload_ms;
	/* Each segment of an open connection carries an ACK. */
	info->tcpi_last_ack_recv = ms_since(xs->last_rcv_ns);

	info->tcpi_delivered = xs->delivered;
	info->tcpi_delivered_ce = xs->delivered_ce;
	info->tcpi_bytes_sent = info_bytes_sent(xs);
	info->tcpi_bytes_retrans = xs->bytes_retrans;
	info->tcpi_data_segs_in = xs->data_segs_in;
	info->tcpi_data_segs_out = xs->data_segs_out;
	info->tcpi_dsack_dups = xs->dsack_segs;
	info->tcpi_reord_seen = xs->reord_seen;
	info->tcpi_rcv_ooopack = xs->rcv_ooo;

	info->tcpi_bytes_acked = xs->bytes_acked;
	info->tcpi_bytes_received = xs->bytes_received;
	info->tcpi_notsent_bytes = max(seq_dist(xs->snd_nxt, xs->write_seq), 0);
	info->tcpi_segs_in = xs->segs_in;
	info->tcpi_segs_out = xs->segs_out;
	info->tcpi_snd_wnd = xs->snd_wnd;
	xtcp_meter_info(xs, info);
}

static void info_accecn(const struct xtcp_sock *xs, union xtcp_info *all)
{
	const struct xtcp_accecn *acc = xtcp_accecn_of(xs);

	all->newer.received_ce = acc->received_ce;
	all->newer.delivered_e1_bytes = acc->delivered_bytes[INET_ECN_ECT_1 - 1];
	all->newer.delivered_e0_bytes = acc->delivered_bytes[INET_ECN_ECT_0 - 1];
	all->newer.delivered_ce_bytes = acc->delivered_bytes[INET_ECN_CE - 1];
	all->newer.received_e1_bytes = acc->received_bytes[INET_ECN_ECT_1 - 1];
	all->newer.received_e0_bytes = acc->received_bytes[INET_ECN_ECT_0 - 1];
	all->newer.received_ce_bytes = acc->received_bytes[INET_ECN_CE - 1];
	all->newer.accecn_opt_seen = acc->option_seen;
	all->newer.accecn_fail_mode = acc->fail_mode;
}

static u8 info_ecn_mode(const struct xtcp_sock *xs)
{
	if (!xs->ecn.ok)
		return TCPI_ECN_MODE_DISABLED;
	if (!xs->ecn.accurate)
		return TCPI_ECN_MODE_RFC3168;
	return xs->inet.sk.sk_state == XTCP_SYN_SENT ? TCPI_ECN_MODE_PENDING :
						       TCPI_ECN_MODE_ACCECN;
}

/* The fields that older kernels' headers don't have. */
static void info_newer(const struct xtcp_sock *xs, union xtcp_info *all)
{
	all->newer.rcv_wnd = xs->rcv_wnd;
	all->newer.rehash = xs->retransmit.rehashes;
	all->newer.total_rto = xs->retransmit.timeouts;
	all->newer.total_rto_recoveries = xs->retransmit.timeout_runs;
	all->newer.total_rto_time = xtcp_retransmit_settling_ms(xs);
	all->newer.ecn_mode = info_ecn_mode(xs);
	if (xtcp_accecn_is_on(xs))
		info_accecn(xs, all);
}

/**
 * xtcp_info_fill_locked - fill what TCP_INFO returns
 * @sk: locked
 * @all: to be filled
 *
 * Context: process or softirq.
 */
void xtcp_info_fill_locked(struct sock *sk, union xtcp_info *all)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct tcp_info *info = &all->info;

	xtcp_assert_owned(sk);
	memset(all, 0, sizeof(*all));

	info->tcpi_state = sk->sk_state;
	/* ~0 means no limit. */
	info->tcpi_pacing_rate = READ_ONCE(sk->sk_pacing_rate);
	info->tcpi_max_pacing_rate = READ_ONCE(sk->sk_max_pacing_rate);
	info->tcpi_reordering = xs->reordering;
	info->tcpi_snd_cwnd = xs->cwnd;
	info->tcpi_snd_ssthresh = min_t(u32, xs->ssthresh, INT_MAX);
	if (sk->sk_state == XTCP_LISTEN) {
		/* Linux shows the accept queue in these two. */
		info->tcpi_unacked = READ_ONCE(sk->sk_ack_backlog);
		info->tcpi_sacked = READ_ONCE(sk->sk_max_ack_backlog);
		info->tcpi_snd_ssthresh = 0;
	} else {
		info_connection(xs, info);
		info_newer(xs, all);
	}
}

/**
 * xtcp_info_fill - fill what TCP_INFO returns
 * @sk: not locked
 * @info: to be filled
 *
 * Context: process, sleeps on the socket lock.
 */
void xtcp_info_fill(struct sock *sk, union xtcp_info *info)
{
	bool slow = lock_sock_fast(sk);

	xtcp_info_fill_locked(sk, info);
	unlock_sock_fast(sk, slow);
}
