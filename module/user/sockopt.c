// SPDX-License-Identifier: GPL-2.0
/*
 * sockopt.c - setsockopt() and getsockopt() below SOL_SOCKET
 *
 * Level IPPROTO_TCP has the options of TCP for which xtcp has the mechanism:
 * value, range and error as on Linux, ENOPROTOOPT for the rest. Level
 * IPPROTO_XTCP has xtcp's own (uapi/linux/xtcp.h). Level IPPROTO_IP is the
 * kernel's.
 *
 * An accepted socket inherits its listener's values, except for
 * XTCP_SYNCOOKIES.
 *
 * Context: process. Fields that are read without the socket lock are written
 * with WRITE_ONCE(); options that act on the connection take the lock.
 */
#include "user/sockopt.h"

#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <linux/uaccess.h>
#include <net/ip.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "close/timewait.h"
#include "compat.h"
#include "lifecycle.h"
#include "net/family.h"
#include "net/wire.h"
#include "netns.h"
#include "open/cookie.h"
#include "segment/output.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/ack.h"
#include "transfer/autotune.h"
#include "transfer/congestion.h"
#include "transfer/meter.h"
#include "transfer/probe.h"
#include "transfer/retransmit.h"
#include "transfer/rtt.h"
#include "transfer/send.h"
#include "transfer/window.h"

/* Linux's bounds of the options. */
#define MAXSEG_MIN	88		/* bytes */
#define MAXSEG_MAX	32767		/* bytes */
#define KEEPIDLE_MAX	32767		/* seconds */
#define KEEPINTVL_MAX	32767		/* seconds */
#define KEEPCNT_MAX	127
#define SYNCNT_MAX	127
#define LINGER2_MAX	120		/* seconds; more becomes this */
#define DEFER_DELAY_MAX	120		/* seconds between two SYN-ACKs */
#define WINDOW_CLAMP_MIN (SOCK_MIN_RCVBUF / 2)

#define TIMESTAMP_SPACE	12		/* bytes: the option and two NOPs */

static bool lies_between(int val, int min, int max)
{
	return val >= min && val <= max;
}

/*
 * TCP_DEFER_ACCEPT is set in seconds and stored as a number of SYN-ACK
 * timeouts, which follow after 1 s, 2 s, 4 s and so on, at most 120 s each. It
 * lasts at least as long as set, and getsockopt() returns the actual time.
 */
static u8 timeouts_in(int seconds)
{
	int delay_s = 1, sum_s = 0;
	u8 n = 0;

	while (sum_s < seconds && n < U8_MAX) {
		sum_s += delay_s;
		delay_s = min(2 * delay_s, DEFER_DELAY_MAX);
		n++;
	}
	return n;
}

static int timeouts_last(u8 n)
{
	int delay_s = 1, sum_s = 0;

	for (; n; n--) {
		sum_s += delay_s;
		delay_s = min(2 * delay_s, DEFER_DELAY_MAX);
	}
	return sum_s;
}

/* TCP_NODELAY: what Nagle held back is sent at once. */
static void nodelay_set(struct sock *sk, bool on)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!on) {
		xs->nagle &= ~XTCP_NAGLE_OFF;
		return;
	}
	xs->nagle |= XTCP_NAGLE_OFF;
	if (xtcp_state_in(sk, XTCP_SYNCHRONIZED))
		xtcp_send_push(sk, XTCP_NAGLE_PUSH);
}

/*
 * TCP_CORK: partial segments wait until the option is cleared; then Nagle
 * applies again.
 */
static void cork_set(struct sock *sk, bool on)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (on) {
		xs->nagle |= XTCP_NAGLE_CORK;
		return;
	}
	xs->nagle &= ~XTCP_NAGLE_CORK;
	if (xtcp_state_in(sk, XTCP_SYNCHRONIZED))
		xtcp_send_push(sk, xs->nagle & XTCP_NAGLE_OFF ?
				   XTCP_NAGLE_PUSH : 0);
}

static int keepidle_set(struct sock *sk, int val)
{
	if (!lies_between(val, 1, KEEPIDLE_MAX))
		return -EINVAL;
	WRITE_ONCE(xtcp_sk(sk)->sockopt.keep_idle_s, val);
	xtcp_probe_keepalive_changed(sk);
	return 0;
}

/*
 * TCP_WINDOW_CLAMP: 0 removes the limit, which an open connection does not
 * allow.
 */
static int window_clamp_set(struct sock *sk, int val)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!val && sk->sk_state != XTCP_CLOSED)
		return -EINVAL;
	if (val && (u32)val < WINDOW_CLAMP_MIN)
		val = WINDOW_CLAMP_MIN;
	WRITE_ONCE(xs->window_clamp, val);
	return 0;
}

/* Options that act on the connection; socket lock. */
static int tcp_set_locked(struct sock *sk, int optname, int val)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	switch (optname) {
	case TCP_NODELAY:
		nodelay_set(sk, val);
		return 0;
	case TCP_MAXSEG:
		if (val && !lies_between(val, MAXSEG_MIN, MAXSEG_MAX))
			return -EINVAL;
		xs->sockopt.user_mss = val;
		return 0;
	case TCP_CORK:
		cork_set(sk, val);
		return 0;
	case TCP_KEEPIDLE:
		return keepidle_set(sk, val);
	case TCP_WINDOW_CLAMP:
		return window_clamp_set(sk, val);
	case TCP_QUICKACK:
		xtcp_ack_option(sk, val);
		return 0;
	case TCP_INQ:
		if (!lies_between(val, 0, 1))
			return -EINVAL;
		xs->sockopt.recv_inq = val;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int tcp_set(struct sock *sk, int optname, int val)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	int err;

	switch (optname) {
	case TCP_KEEPINTVL:
		if (!lies_between(val, 1, KEEPINTVL_MAX))
			return -EINVAL;
		WRITE_ONCE(xs->sockopt.keep_intvl_s, val);
		return 0;
	case TCP_KEEPCNT:
		if (!lies_between(val, 1, KEEPCNT_MAX))
			return -EINVAL;
		WRITE_ONCE(xs->sockopt.keep_probes, val);
		return 0;
	case TCP_SYNCNT:
		if (!lies_between(val, 1, SYNCNT_MAX))
			return -EINVAL;
		WRITE_ONCE(xs->sockopt.syn_retries, val);
		return 0;
	case TCP_DEFER_ACCEPT:
		WRITE_ONCE(xs->sockopt.defer_accept, timeouts_in(val));
		return 0;
	case TCP_LINGER2:
		WRITE_ONCE(xs->sockopt.linger2_s, clamp(val, -1, LINGER2_MAX));
		return 0;
	case TCP_NOTSENT_LOWAT:
		WRITE_ONCE(xs->sockopt.notsent_lowat, val);
		sk->sk_write_space(sk);
		return 0;
	case TCP_USER_TIMEOUT:
		if (val < 0)
			return -EINVAL;
		WRITE_ONCE(xs->sockopt.user_timeout_ms, val);
		return 0;
	}

	lock_sock(sk);
	err = tcp_set_locked(sk, optname, val);
	release_sock(sk);
	return err;
}

/*
 * XTCP_WIRE: the wire is part of the connection's key, so it can't be changed
 * once the socket has a port.
 */
static int wire_set(struct sock *sk, int val)
{
	int err = 0;

	lock_sock(sk);
	if (sk->sk_state != XTCP_CLOSED || inet_sk(sk)->inet_num)
		err = -EINVAL;
	else if (val != XTCP_WIRE_TCP && val != XTCP_WIRE_NATIVE)
		err = -EINVAL;
	else
		xtcp_sk(sk)->flow.wire = val;
	release_sock(sk);
	return err;
}

/* XTCP_SYNCOOKIES; used from the next SYN on. */
static int syncookies_set(struct sock *sk, int val)
{
	if (!lies_between(val, XTCP_SYNCOOKIES_NEVER, XTCP_SYNCOOKIES_ALWAYS))
		return -EINVAL;
	WRITE_ONCE(xtcp_sk(sk)->sockopt.syncookies, val + 1);
	return 0;
}

static int xtcp_set(struct sock *sk, int optname, int val)
{
	switch (optname) {
	case XTCP_WIRE:
		return wire_set(sk, val);
	case XTCP_SYNCOOKIES:
		return syncookies_set(sk, val);
	case XTCP_TW_TIMEOUT:
		if (!lies_between(val, 1, XTCP_TIME_WAIT_S_MAX))
			return -EINVAL;
		WRITE_ONCE(xtcp_sk(sk)->sockopt.tw_timeout_s, val);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* TCP_CONGESTION: the name ends at a 0 or with the value. */
static int congestion_set(struct sock *sk, sockptr_t optval,
			  unsigned int optlen)
{
	char name[XTCP_CONGESTION_NAME_MAX];
	int err;

	if (!optlen)
		return -EINVAL;
	err = strncpy_from_sockptr(name, optval,
				   min_t(size_t, sizeof(name) - 1, optlen));
	if (err < 0)
		return -EFAULT;
	name[err] = 0;

	lock_sock(sk);
	err = xtcp_congestion_set(sk, name);
	release_sock(sk);
	return err;
}

/* An option of IP may change the payload that fits in a packet. */
static int ip_set(struct sock *sk, int level, int optname, sockptr_t optval,
		  unsigned int optlen)
{
	int err = xtcp_family_of(sk)->addr->setsockopt(sk, level, optname,
						       optval, optlen);

	if (err)
		return err;
	lock_sock(sk);
	if (!xtcp_state_in(sk, XTCP_STATEF(XTCP_CLOSED) |
			       XTCP_STATEF(XTCP_LISTEN)))
		xtcp_output_mss_sync(sk, xtcp_sk(sk)->pmtu);
	release_sock(sk);
	return 0;
}

/* The value of an option; it may be larger than an int, as in Linux. */
static int int_read(int *val, sockptr_t optval, unsigned int optlen)
{
	if (optlen < sizeof(*val))
		return -EINVAL;
	return copy_from_sockptr(val, optval, sizeof(*val)) ? -EFAULT : 0;
}

/**
 * xtcp_setsockopt - setsockopt(), all levels but SOL_SOCKET
 * @sk: socket, not locked
 * @level: IPPROTO_TCP, IPPROTO_XTCP, or a level of the kernel
 * @optname: option
 * @optval: value, an int; for TCP_CONGESTION a name
 * @optlen: size of @optval, bytes
 *
 * Return: 0 or -errno.
 */
int xtcp_setsockopt(struct sock *sk, int level, int optname, sockptr_t optval,
		    unsigned int optlen)
{
	int val, err;

	if (level != SOL_TCP && level != IPPROTO_XTCP)
		return ip_set(sk, level, optname, optval, optlen);

	if (level == SOL_TCP && optname == TCP_CONGESTION)
		return congestion_set(sk, optval, optlen);
	err = int_read(&val, optval, optlen);
	if (err)
		return err;
	if (level == SOL_TCP)
		return tcp_set(sk, optname, val);
	return xtcp_set(sk, optname, val);
}

/* SO_ZEROCOPY: the socket layer handles it for TCP and a few others only. */
static int zerocopy_set(struct sock *sk, int val)
{
	if (!lies_between(val, 0, 1))
		return -EINVAL;
	lock_sock(sk);
	if (val)
		sock_set_flag(sk, SOCK_ZEROCOPY);
	else
		sock_reset_flag(sk, SOCK_ZEROCOPY);
	release_sock(sk);
	return 0;
}

/* SO_TXREHASH: since 6.12 the socket layer handles it for TCP only. */
static int txrehash_set(struct sock *sk, int val)
{
	if (!lies_between(val, -1, 1))
		return -EINVAL;
	if ((u8)val == SOCK_TXREHASH_DEFAULT)
		val = READ_ONCE(sock_net(sk)->core.sysctl_txrehash);
	WRITE_ONCE(sk->sk_txrehash, (u8)val);
	return 0;
}

/* SO_TIMESTAMPING: xtcp reports when data arrived, not when it was sent. */
static int timestamping_set(struct socket *sock, int optname, sockptr_t optval,
			    unsigned int optlen)
{
	int flags;
	int err = int_read(&flags, optval, optlen);

	if (err)
		return err;
	if (flags & SOF_TIMESTAMPING_TX_RECORD_MASK)
		return -EOPNOTSUPP;
	return sock_setsockopt(sock, SOL_SOCKET, optname, optval, optlen);
}

/**
 * xtcp_setsockopt_any - setsockopt(), all levels
 * @sock: socket, not locked
 * @level: SOL_SOCKET, on kernels that pass it on, and others
 * @optname: option
 * @optval: value
 * @optlen: size of @optval, bytes
 *
 * Return: 0 or -errno.
 */
int xtcp_setsockopt_any(struct socket *sock, int level, int optname,
			sockptr_t optval, unsigned int optlen)
{
	struct sock *sk = sock->sk;
	int val, err;

	if (level != SOL_SOCKET)
		return sock_common_setsockopt(sock, level, optname, optval,
					      optlen);
	if (optname == SO_TIMESTAMPING_OLD || optname == SO_TIMESTAMPING_NEW)
		return timestamping_set(sock, optname, optval, optlen);
	if (optname != SO_ZEROCOPY && optname != SO_TXREHASH)
		return sock_setsockopt(sock, level, optname, optval, optlen);
	err = int_read(&val, optval, optlen);
	if (err)
		return err;
	return optname == SO_ZEROCOPY ? zerocopy_set(sk, val) :
					txrehash_set(sk, val);
}

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
	return then_ns ? div_u64(xtcp_now_ns() - then_ns, NSEC_PER_MSEC) : 0;
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
	if (xs->ecn.ok)
		info->tcpi_options |= TCPI_OPT_ECN;
	if (xs->ecn.seen)
		info->tcpi_options |= TCPI_OPT_ECN_SEEN;
	info->tcpi_snd_mss = xs->mss;
	info->tcpi_rcv_mss = xs->ack.rcv_mss;
	/* As in Linux: the payload that fits. */
	info->tcpi_advmss = xs->advmss - (xs->ts_ok ? TIMESTAMP_SPACE : 0);
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
	info->tcpi_ato = xs->ack.ato_ms * USEC_PER_MSEC;
	info->tcpi_rtt = xs->rtt.srtt_us >> 3;
	info->tcpi_rttvar = xs->rtt.mdev_us >> 2;
	info->tcpi_min_rtt = xtcp_rtt_min_us(xs);

	info->tcpi_rcv_rtt = xtcp_autotune_rtt_us(xs);
	info->tcpi_rcv_space = xs->autotune.read_per_rtt;
	info->tcpi_rcv_ssthresh = xtcp_window_limit(&xs->inet.sk);
	info->tcpi_last_data_sent = ms_since(xs->last_snd_ns);
	if (xs->ack.ato_ms)
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
	XTCP_INFO_TIMEOUTS(info, xs->retransmit.timeouts, xs->retransmit.timeout_runs,
			   xtcp_retransmit_settling_ms(xs));
	XTCP_INFO_REHASH(info, xs->retransmit.rehashes);

	info->tcpi_bytes_acked = xs->bytes_acked;
	info->tcpi_bytes_received = xs->bytes_received;
	info->tcpi_notsent_bytes = max(seq_dist(xs->snd_nxt, xs->write_seq), 0);
	info->tcpi_segs_in = xs->segs_in;
	info->tcpi_segs_out = xs->segs_out;
	info->tcpi_snd_wnd = xs->snd_wnd;
	xtcp_meter_info(xs, info);
	XTCP_INFO_RCV_WND(info, xs->rcv_wnd);
}

/* ~0UL means no limit, also on 32-bit hosts. */
static u64 info_rate(unsigned long rate)
{
	return rate == ~0UL ? ~0ULL : rate;
}

static void info_fill(struct sock *sk, struct tcp_info *info)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	memset(info, 0, sizeof(*info));

	lock_sock(sk);
	info->tcpi_state = sk->sk_state;
	info->tcpi_pacing_rate = info_rate(READ_ONCE(sk->sk_pacing_rate));
	info->tcpi_max_pacing_rate =
		info_rate(READ_ONCE(sk->sk_max_pacing_rate));
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
	}
	release_sock(sk);
}

/* The current MSS, or the one that was set while there is no connection. */
static int maxseg_get(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (xs->sockopt.user_mss &&
	    xtcp_state_in(sk, XTCP_STATEF(XTCP_CLOSED) |
			      XTCP_STATEF(XTCP_LISTEN)))
		return xs->sockopt.user_mss;
	return xs->mss;
}

/* Seconds that an orphan waits in FIN-WAIT-2; -1 if it does not wait. */
static int linger2_get(const struct sock *sk)
{
	int val = READ_ONCE(xtcp_sk(sk)->sockopt.linger2_s);

	return val ? : XTCP_KNOB(sock_net(sk), fin_timeout) / HZ;
}

static int tcp_get(struct sock *sk, int optname, int *val)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);

	switch (optname) {
	case TCP_NODELAY:
		*val = !!(READ_ONCE(xs->nagle) & XTCP_NAGLE_OFF);
		return 0;
	case TCP_MAXSEG:
		*val = maxseg_get(sk);
		return 0;
	case TCP_CORK:
		*val = !!(READ_ONCE(xs->nagle) & XTCP_NAGLE_CORK);
		return 0;
	case TCP_KEEPIDLE:
		*val = READ_ONCE(xs->sockopt.keep_idle_s) ? :
			XTCP_KNOB(net, keepalive_time) / HZ;
		return 0;
	case TCP_KEEPINTVL:
		*val = READ_ONCE(xs->sockopt.keep_intvl_s) ? :
			XTCP_KNOB(net, keepalive_intvl) / HZ;
		return 0;
	case TCP_KEEPCNT:
		*val = READ_ONCE(xs->sockopt.keep_probes) ? :
			XTCP_KNOB(net, keepalive_probes);
		return 0;
	case TCP_SYNCNT:
		*val = READ_ONCE(xs->sockopt.syn_retries) ? :
			XTCP_KNOB(net, syn_retries);
		return 0;
	case TCP_DEFER_ACCEPT:
		*val = timeouts_last(READ_ONCE(xs->sockopt.defer_accept));
		return 0;
	case TCP_LINGER2:
		*val = linger2_get(sk);
		return 0;
	case TCP_WINDOW_CLAMP:
		*val = READ_ONCE(xs->window_clamp);
		return 0;
	case TCP_QUICKACK:
		*val = !xs->ack.pingpong;
		return 0;
	case TCP_NOTSENT_LOWAT:
		*val = READ_ONCE(xs->sockopt.notsent_lowat);
		return 0;
	case TCP_INQ:
		*val = xs->sockopt.recv_inq;
		return 0;
	case TCP_USER_TIMEOUT:
		*val = READ_ONCE(xs->sockopt.user_timeout_ms);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int xtcp_get(const struct sock *sk, int optname, int *val)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	switch (optname) {
	case XTCP_WIRE:
		*val = READ_ONCE(xs->flow.wire);
		return 0;
	case XTCP_SYNCOOKIES:
		*val = min_t(int, xtcp_cookie_mode(sk), XTCP_SYNCOOKIES_ALWAYS);
		return 0;
	case XTCP_TW_TIMEOUT:
		*val = READ_ONCE(xs->sockopt.tw_timeout_s) ?:
			XTCP_KNOB(sock_net(sk), tw_timeout);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* Copy as much of @answer as fits. */
static int answer_put(char __user *optval, int __user *optlen,
		      const void *answer, int len, int size)
{
	len = min(len, size);
	if (put_user(len, optlen) || copy_to_user(optval, answer, len))
		return -EFAULT;
	return 0;
}

/**
 * xtcp_getsockopt - getsockopt(), all levels but SOL_SOCKET
 * @sk: socket, not locked
 * @level: IPPROTO_TCP, IPPROTO_XTCP, or a level of the kernel
 * @optname: option
 * @optval: buffer for the value
 * @optlen: size of the buffer, set to the bytes written. A short buffer gets
 *	the beginning
 *
 * Return: 0 or -errno.
 */
int xtcp_getsockopt(struct sock *sk, int level, int optname,
		    char __user *optval, int __user *optlen)
{
	int val, len, err;

	if (level != SOL_TCP && level != IPPROTO_XTCP)
		return xtcp_family_of(sk)->addr->getsockopt(sk, level, optname,
							    optval, optlen);

	if (get_user(len, optlen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;

	if (level == SOL_TCP && optname == TCP_INFO) {
		struct tcp_info info;

		info_fill(sk, &info);
		return answer_put(optval, optlen, &info, len, sizeof(info));
	}

	if (level == SOL_TCP && optname == TCP_CONGESTION) {
		char name[XTCP_CONGESTION_NAME_MAX] = { };

		strscpy(name, READ_ONCE(xtcp_sk(sk)->congestion)->name,
			sizeof(name));
		return answer_put(optval, optlen, name, len, sizeof(name));
	}

	err = level == SOL_TCP ? tcp_get(sk, optname, &val) :
				 xtcp_get(sk, optname, &val);
	if (err)
		return err;
	return answer_put(optval, optlen, &val, len, sizeof(val));
}
