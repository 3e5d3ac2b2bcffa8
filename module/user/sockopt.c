// SPDX-License-Identifier: GPL-2.0
/*
 * sockopt.c - setsockopt() and getsockopt() below SOL_SOCKET
 *
 * Level IPPROTO_TCP has the options of TCP for which xtcp has the mechanism:
 * value, range and error as on Linux, ENOPROTOOPT for the rest. Level
 * IPPROTO_XTCP has xtcp's own (uapi/linux/xtcp.h). Level IPPROTO_IP is the
 * kernel's.
 *
 * An accepted socket inherits its listener's values, except for XTCP_SYNCOOKIES
 * and TCP_DEFER_ACCEPT. Options that few programs set are in an allocation of
 * their own (rare.c).
 *
 * There is no repair mode: TCP_REPAIR fails with EPERM, as in Linux without
 * CAP_NET_ADMIN, and its other options as in Linux on a socket that is not in repair.
 * No upper layer protocol can be attached: TCP_ULP fails with ENOENT, as in Linux
 * without the protocol's module.
 *
 * Context: process. Fields that are read without the socket lock are written
 * with WRITE_ONCE(); options that act on the connection take the lock.
 */
#include "user/sockopt.h"

#include <linux/tcp.h>
#include <linux/uaccess.h>
#include <net/ip.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <uapi/linux/xtcp.h>

#include "close/timewait.h"
#include "compat.h"
#include "fastq.h"
#include "lifecycle.h"
#include "net/family.h"
#include "net/wire.h"
#include "netns.h"
#include "open/cookie.h"
#include "open/fastopen.h"
#include "open/synqueue.h"
#include "port/port.h"
#include "rare.h"
#include "segment/output.h"
#include "tcb.h"
#include "transfer/ack.h"
#include "transfer/congestion.h"
#include "transfer/pacing.h"
#include "transfer/probe.h"
#include "transfer/rtt.h"
#include "transfer/send.h"
#include "transfer/txstamp.h"
#include "user/info.h"
#include "user/origdst.h"

/* Linux's bounds of the options. */
#define MAXSEG_MAX	32767		/* bytes */
#define KEEPIDLE_MAX	32767		/* seconds */
#define KEEPINTVL_MAX	32767		/* seconds */
#define KEEPCNT_MAX	127
#define SYNCNT_MAX	127
#define LINGER2_MAX	120		/* seconds; more becomes this */
#define WINDOW_CLAMP_MIN (SOCK_MIN_RCVBUF / 2)

#define TX_DELAY_MAX_US	((1 << 28) - 1)	/* eight times it fits an RTT of 32 bits */
#define DELACK_MAX_US	(XTCP_ATO_MAX_MS * USEC_PER_MSEC)
#define TICKS_MIN	2		/* least timeout, in the kernel's clock ticks */
#define ULP_NAME_MAX	16		/* bytes, with the 0 */

static bool lies_between(int val, int min, int max)
{
	return val >= min && val <= max;
}

/*
 * TCP_DEFER_ACCEPT is set in seconds and stored as a number of SYN-ACK timeouts. It lasts at
 * least as long as set, unless the largest timeout is lowered afterwards, and getsockopt()
 * returns the actual time.
 */
static u8 timeouts_in(const struct xtcp_sock *xs, int seconds)
{
	s64 left_ms = (s64)seconds * MSEC_PER_SEC;
	u8 n;

	for (n = 0; left_ms > 0 && n < U8_MAX; n++)
		left_ms -= xtcp_synqueue_delay_ms(xs, n);
	return n;
}

static int timeouts_last(const struct xtcp_sock *xs, u8 timeouts)
{
	u32 sum_ms = 0;
	u8 n;

	for (n = 0; n < timeouts; n++)
		sum_ms += xtcp_synqueue_delay_ms(xs, n);
	return sum_ms / MSEC_PER_SEC;
}

/*
 * TCP_NODELAY: what Nagle or TCP_CORK held back is sent at once, or as soon as the windows allow:
 * XTCP_NAGLE_PUSH stays until something is added behind it.
 */
static void nodelay_set(struct sock *sk, bool on)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (!on) {
		xs->nagle &= ~XTCP_NAGLE_OFF;
		return;
	}
	xs->nagle |= XTCP_NAGLE_OFF | XTCP_NAGLE_PUSH;
	if (xtcp_state_in(sk, XTCP_SENDING_STATES))
		xtcp_send_push(sk, 0);
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
	if (xtcp_state_in(sk, XTCP_SENDING_STATES))
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

/* TCP_FASTOPEN: fast-open children of this listener; socket lock */
static int fastopen_set(struct sock *sk, int val)
{
	if (val < 0 || !xtcp_state_in(sk, XTCP_UNCONNECTED))
		return -EINVAL;
	return xtcp_fastopen_limit_set(sk, val);
}

/* TCP_FASTOPEN_CONNECT; socket lock */
static int fastopen_connect_set(struct sock *sk, int val)
{
	if (!lies_between(val, 0, 1))
		return -EINVAL;
	if (!(XTCP_KNOB(sock_net(sk), fastopen) & TFO_CLIENT_ENABLE))
		return -EOPNOTSUPP;
	if (sk->sk_state != XTCP_CLOSED)
		return -EINVAL;
	xtcp_sk(sk)->sockopt.fastopen_connect = val;
	return 0;
}

/* TCP_FASTOPEN_NO_COOKIE; socket lock */
static int fastopen_no_cookie_set(struct sock *sk, int val)
{
	if (!lies_between(val, 0, 1) || !xtcp_state_in(sk, XTCP_UNCONNECTED))
		return -EINVAL;
	xtcp_sk(sk)->sockopt.fastopen_no_cookie = val;
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
		if (val && !lies_between(val, XTCP_MSS_MIN, MAXSEG_MAX))
			return -EINVAL;
		WRITE_ONCE(xs->sockopt.user_mss, val);
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
	case TCP_THIN_LINEAR_TIMEOUTS:
		if (!lies_between(val, 0, 1))
			return -EINVAL;
		xs->sockopt.thin_linear = val;
		return 0;
	case TCP_THIN_DUPACK:	/* Linux keeps no value, either */
		return lies_between(val, 0, 1) ? 0 : -EINVAL;
	case TCP_SAVE_SYN:
		if (!lies_between(val, 0, 2))
			return -EINVAL;
		xs->sockopt.save_syn = val;
		return 0;
	case TCP_QUEUE_SEQ:
		return sk->sk_state == XTCP_CLOSED ? -EINVAL : -EPERM;
	case TCP_FASTOPEN:
		return fastopen_set(sk, val);
	case TCP_FASTOPEN_CONNECT:
		return fastopen_connect_set(sk, val);
	case TCP_FASTOPEN_NO_COOKIE:
		return fastopen_no_cookie_set(sk, val);
	default:
		return -ENOPROTOOPT;
	}
}

/* A time that Linux rounds up to clock ticks; xtcp is exact. */
static bool is_ticks(int us, unsigned int max_us)
{
	unsigned long ticks = usecs_to_jiffies(us);

	return ticks >= TICKS_MIN && ticks <= usecs_to_jiffies(max_us);
}

/* Options of rare.c: a value that is refused allocates nothing. */
static int rare_check(int optname, int val)
{
	bool good;

	switch (optname) {
	case TCP_SYNCNT:
		good = lies_between(val, 1, SYNCNT_MAX);
		break;
	case TCP_RTO_MAX_MS:
		good = lies_between(val, XTCP_RTO_MAX_MIN_US / USEC_PER_MSEC,
				    XTCP_RTO_MAX_US / USEC_PER_MSEC);
		break;
	case TCP_RTO_MIN_US:
		good = is_ticks(val, XTCP_RTO_MIN_US);
		break;
	case TCP_DELACK_MAX_US:
		good = is_ticks(val, DELACK_MAX_US);
		break;
	case TCP_DEFER_ACCEPT:
	case TCP_LINGER2:
		good = true;
		break;
	case TCP_TX_DELAY:
		good = lies_between(val, 0, TX_DELAY_MAX_US);
		break;
	default:
		return -ENOPROTOOPT;
	}
	return good ? 0 : -EINVAL;
}

/* What fq holds back from now on must not time out, so an open connection's RTO includes it. */
static void tx_delay_set(struct sock *sk, struct xtcp_sockopt_rare *rare, u32 us)
{
	s32 longer;

	lock_sock(sk);
	longer = us - rare->tx_delay_us;
	WRITE_ONCE(rare->tx_delay_us, us);
	if (longer && sk->sk_state == XTCP_ESTABLISHED) {
		xtcp_rtt_shift(xtcp_sk(sk), longer);
		xtcp_pacing_update(sk);
	}
	release_sock(sk);
}

static int rare_set(struct sock *sk, int optname, int val)
{
	int err = rare_check(optname, val);
	struct xtcp_sockopt_rare *rare;

	if (err)
		return err;
	rare = xtcp_rare_make(sk, GFP_KERNEL_ACCOUNT);
	if (!rare)
		return -ENOMEM;
	switch (optname) {
	case TCP_SYNCNT:
		WRITE_ONCE(rare->syn_retries, val);
		break;
	case TCP_RTO_MAX_MS:
		WRITE_ONCE(rare->rto_max_ms, val);
		break;
	case TCP_RTO_MIN_US:
		WRITE_ONCE(rare->rto_min_us, min_t(u32, val, XTCP_RTO_MIN_US));
		static_branch_enable(&xtcp_rare_limits);
		break;
	case TCP_DELACK_MAX_US:
		WRITE_ONCE(rare->delack_max_us, min_t(u32, val, DELACK_MAX_US));
		static_branch_enable(&xtcp_rare_limits);
		break;
	case TCP_DEFER_ACCEPT:
		WRITE_ONCE(rare->defer_accept, timeouts_in(xtcp_sk(sk), val));
		break;
	case TCP_LINGER2:
		WRITE_ONCE(rare->linger2_s, clamp(val, -1, LINGER2_MAX));
		break;
	case TCP_TX_DELAY:
		tx_delay_set(sk, rare, val);
		break;
	}
	return 0;
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
	case TCP_NOTSENT_LOWAT:
		WRITE_ONCE(xs->sockopt.notsent_lowat, val);
		sk->sk_write_space(sk);
		return 0;
	case TCP_USER_TIMEOUT:
		if (val < 0)
			return -EINVAL;
		WRITE_ONCE(xs->sockopt.user_timeout_ms, val);
		return 0;
	case TCP_REPAIR:
	case TCP_REPAIR_QUEUE:
	case TCP_REPAIR_WINDOW:
	case TCP_TIMESTAMP:
		return -EPERM;
	case TCP_REPAIR_OPTIONS:
		return -EINVAL;
	}
	err = rare_set(sk, optname, val);
	if (err != -ENOPROTOOPT)
		return err;

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
	struct xtcp_sockopt_rare *rare;

	if (!lies_between(val, XTCP_SYNCOOKIES_NEVER, XTCP_SYNCOOKIES_ALWAYS))
		return -EINVAL;
	rare = xtcp_rare_make(sk, GFP_KERNEL_ACCOUNT);
	if (!rare)
		return -ENOMEM;
	WRITE_ONCE(rare->syncookies, val + 1);
	return 0;
}

static int tw_timeout_set(struct sock *sk, int val)
{
	struct xtcp_sockopt_rare *rare;

	if (!lies_between(val, 1, XTCP_TIME_WAIT_S_MAX))
		return -EINVAL;
	/* A TIME-WAIT keeps its port from all users for that time. */
	if (val > XTCP_KNOB(sock_net(sk), tw_timeout) &&
	    !ns_capable(sock_net(sk)->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	rare = xtcp_rare_make(sk, GFP_KERNEL_ACCOUNT);
	if (!rare)
		return -ENOMEM;
	WRITE_ONCE(rare->tw_timeout_s, val);
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
		return tw_timeout_set(sk, val);
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

	xtcp_algorithms_autoload(name);
	lock_sock(sk);
	err = xtcp_congestion_set(sk, name);
	release_sock(sk);
	return err;
}

/* TCP_ULP: there is none, of whatever name. */
static int ulp_set(sockptr_t optval, unsigned int optlen)
{
	char name[ULP_NAME_MAX];

	if (!optlen)
		return -EINVAL;
	if (strncpy_from_sockptr(name, optval,
				 min_t(size_t, sizeof(name) - 1, optlen)) < 0)
		return -EFAULT;
	return -ENOENT;
}

/*
 * TCP_FASTOPEN_KEY: one key, or two, of which the second only verifies cookies. Not on a
 * connection: it has no room for them, and no use.
 */
static int fastopen_key_set(struct sock *sk, sockptr_t optval, unsigned int optlen)
{
	u8 keys[XTCP_FASTKEYS * XTCP_FASTKEY_LEN];
	int err = -EINVAL;

	if (optlen != XTCP_FASTKEY_LEN && optlen != sizeof(keys))
		return -EINVAL;
	if (copy_from_sockptr(keys, optval, optlen))
		return -EFAULT;
	lock_sock(sk);
	if (xtcp_state_in(sk, XTCP_UNCONNECTED))
		err = xtcp_fastopen_keys_set(sock_net(sk), sk, keys,
					     optlen / XTCP_FASTKEY_LEN);
	release_sock(sk);
	memzero_explicit(keys, sizeof(keys));
	return err;
}

/* The kernel refuses these to its connections only, which it knows by INET_PROTOSW_ICSK. */
static int membership_refused(int level, int optname, sockptr_t optval, unsigned int optlen)
{
	int val;

	if (level == SOL_IP &&
	    (optname == IP_ADD_MEMBERSHIP || optname == IP_DROP_MEMBERSHIP))
		return -EPROTO;
	if (level != SOL_IPV6 ||
	    (optname != IPV6_ADD_MEMBERSHIP && optname != IPV6_DROP_MEMBERSHIP))
		return 0;
	/* Over IPv6 it reads an int of each option first. */
	if (optlen >= sizeof(val) && !sockptr_is_null(optval) &&
	    copy_from_sockptr(&val, optval, sizeof(val)))
		return -EFAULT;
	return optlen < sizeof(struct ipv6_mreq) ? -EINVAL : -EPROTO;
}

/* An option of IP may change the payload that fits in a packet. */
static int ip_set(struct sock *sk, int level, int optname, sockptr_t optval,
		  unsigned int optlen)
{
	int err = level == SOL_IPV6 && sk->sk_family == AF_INET ? 0 :
		  membership_refused(level, optname, optval, optlen);

	if (err)
		return err;
	err = xtcp_family_of(sk)->addr->setsockopt(sk, level, optname, optval, optlen);
	if (err)
		return err;
	lock_sock(sk);
	/* Without its source route the socket needs another route. */
	if (unlikely(level == SOL_IP && optname == IP_OPTIONS))
		sk_dst_reset(sk);
	if (!xtcp_state_in(sk, XTCP_UNCONNECTED))
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
 * @optval: value, an int; for TCP_CONGESTION a name, for TCP_FASTOPEN_KEY keys
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
	if (level == SOL_TCP && optname == TCP_ULP)
		return ulp_set(optval, optlen);
	if (level == SOL_TCP && optname == TCP_FASTOPEN_KEY)
		return fastopen_key_set(sk, optval, optlen);
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

/* SO_TXREHASH: the socket layer of newer kernels than 6.12 handles it for TCP only. */
static int txrehash_set(struct sock *sk, int val)
{
	if (!lies_between(val, -1, 1))
		return -EINVAL;
	if ((u8)val == SOCK_TXREHASH_DEFAULT)
		val = READ_ONCE(sock_net(sk)->core.sysctl_txrehash);
	WRITE_ONCE(sk->sk_txrehash, (u8)val);
	return 0;
}

/*
 * SO_TIMESTAMPING: the socket layer numbers the bytes of protocols that it knows to
 * be TCP; others are numbered here. The value is read once, so that what was checked is
 * what is set.
 */
static int timestamping_set(struct socket *sock, int optname, sockptr_t optval,
			    unsigned int optlen)
{
	struct so_timestamping value = {};
	unsigned int len = optlen == sizeof(value) ? optlen : sizeof(int);
	struct sock *sk = sock->sk;
	int err;

	if (optlen < sizeof(int))
		return -EINVAL;
	if (copy_from_sockptr(&value, optval, len))
		return -EFAULT;
	if (!xtcp_txstamp_is_allowed(sk, value.flags))
		return -EINVAL;
	err = sock_setsockopt(sock, SOL_SOCKET, optname, KERNEL_SOCKPTR(&value), len);
	if (err)
		return err;
	lock_sock(sk);
	xtcp_txstamp_begin(sk);
	release_sock(sk);
	return 0;
}

/* SO_REUSEADDR and SO_REUSEPORT: a port that the socket has is shared as they say. */
static int share_set(struct socket *sock, int optname, sockptr_t optval,
		     unsigned int optlen)
{
	int err = sock_setsockopt(sock, SOL_SOCKET, optname, optval, optlen);
	struct sock *sk = sock->sk;

	/* A bind() that comes now sees the option. */
	if (err || !READ_ONCE(inet_sk(sk)->inet_num))
		return err;
	lock_sock(sk);
	xtcp_port_options_changed(sk);
	release_sock(sk);
	return 0;
}

/*
 * SO_ATTACH_REUSEPORT_CBPF and _EBPF: the socket layer refuses a program to a socket that is in the
 * protocol's tables and in no group. It looks at sk_node, by which only listeners are linked here.
 * Without SO_REUSEPORT, and after SO_LOCK_FILTER, it refuses any program, and knows the error.
 */
static bool chooser_is_refused(const struct sock *sk, int optname)
{
	return (optname == SO_ATTACH_REUSEPORT_CBPF || optname == SO_ATTACH_REUSEPORT_EBPF) &&
	       sk->sk_reuseport && !sock_flag(sk, SOCK_FILTER_LOCKED) &&
	       !xtcp_state_in(sk, XTCP_UNCONNECTED) && !rcu_access_pointer(sk->sk_reuseport_cb);
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
	/*
	 * As the kernel's TCP, since 6.12 at the latest: a filter may cut segments short. The
	 * kernel reads an int of each option first.
	 */
	if (optname == SO_ATTACH_FILTER &&
	    !ns_capable(sock_net(sk)->user_ns, CAP_NET_ADMIN))
		return int_read(&val, optval, optlen) ?: -EPERM;
	if (unlikely(chooser_is_refused(sk, optname)))
		return int_read(&val, optval, optlen) ?: -EINVAL;
	if (optname == SO_TIMESTAMPING_OLD || optname == SO_TIMESTAMPING_NEW)
		return timestamping_set(sock, optname, optval, optlen);
	if (optname == SO_REUSEADDR || optname == SO_REUSEPORT)
		return share_set(sock, optname, optval, optlen);
	if (optname != SO_ZEROCOPY && optname != SO_TXREHASH)
		return sock_setsockopt(sock, level, optname, optval, optlen);
	err = int_read(&val, optval, optlen);
	if (err)
		return err;
	return optname == SO_ZEROCOPY ? zerocopy_set(sk, val) :
					txrehash_set(sk, val);
}

/* The current MSS, or the one that was set while there is no connection. */
static int maxseg_get(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (xs->sockopt.user_mss && xtcp_state_in(sk, XTCP_UNCONNECTED))
		return xs->sockopt.user_mss;
	return xs->mss;
}

/* Seconds that an orphan waits in FIN-WAIT-2; -1 if it does not wait. */
static int linger2_get(const struct sock *sk)
{
	int val = XTCP_SOCKOPT_RARE(xtcp_sk(sk), linger2_s);

	return val ? : XTCP_KNOB(sock_net(sk), fin_timeout) / HZ;
}

/* TCP_FASTOPEN: the limit; 0 for a connection, too. */
static int fastopen_get(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	int limit = 0;

	lock_sock(sk);
	if (xtcp_state_in(sk, XTCP_UNCONNECTED) && xs->fast_held)
		limit = xtcp_held_fastq(xs)->limit;
	release_sock(sk);
	return limit;
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
		*val = XTCP_SOCKOPT_RARE(xs, syn_retries) ? :
			XTCP_KNOB(net, syn_retries);
		return 0;
	case TCP_DEFER_ACCEPT:
		*val = timeouts_last(xs, XTCP_SOCKOPT_RARE(xs, defer_accept));
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
	case TCP_THIN_LINEAR_TIMEOUTS:
		*val = xs->sockopt.thin_linear;
		return 0;
	case TCP_SAVE_SYN:
		*val = xs->sockopt.save_syn;
		return 0;
	case TCP_TX_DELAY:
		*val = XTCP_SOCKOPT_RARE(xs, tx_delay_us);
		return 0;
	case TCP_RTO_MAX_MS:
		*val = xtcp_rtt_rto_max_us(xs) / USEC_PER_MSEC;
		return 0;
	case TCP_RTO_MIN_US:
		*val = XTCP_SOCKOPT_RARE(xs, rto_min_us) ?: XTCP_KNOB(net, rto_min_us);
		return 0;
	case TCP_DELACK_MAX_US:
		*val = XTCP_SOCKOPT_RARE(xs, delack_max_us) ?: DELACK_MAX_US;
		return 0;
	case TCP_TIMESTAMP:
		/* Linux marks a clock of microseconds by an odd number. */
		*val = xtcp_tsval(xs) & ~1U;
		return 0;
	case TCP_THIN_DUPACK:
	case TCP_REPAIR:
	case TCP_IS_MPTCP:
		*val = 0;
		return 0;
	case TCP_REPAIR_QUEUE:
	case TCP_QUEUE_SEQ:
		return -EINVAL;
	case TCP_FASTOPEN:
		*val = fastopen_get(sk);
		return 0;
	case TCP_FASTOPEN_CONNECT:
		*val = xs->sockopt.fastopen_connect;
		return 0;
	case TCP_FASTOPEN_NO_COOKIE:
		*val = xs->sockopt.fastopen_no_cookie;
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
		*val = XTCP_SOCKOPT_RARE(xs, tw_timeout_s) ?:
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

/* TCP_SAVED_SYN: once, and only as a whole. */
static int saved_syn_get(struct sock *sk, char __user *optval, int __user *optlen,
			 int len)
{
	struct xtcp_sockopt_rare *rare;
	struct xtcp_savedsyn *saved;
	int err = 0;

	lock_sock(sk);
	rare = READ_ONCE(xtcp_sk(sk)->sockopt.rare);
	saved = rare ? rare->saved_syn : NULL;
	if (!saved) {
		err = answer_put(optval, optlen, NULL, len, 0);
	} else if (len < (int)saved->len) {
		err = put_user(saved->len, optlen) ?: -EINVAL;
	} else {
		err = answer_put(optval, optlen, saved->headers, len, saved->len);
		if (!err) {
			rare->saved_syn = NULL;
			xtcp_savedsyn_put(saved);
		}
	}
	release_sock(sk);
	return err;
}

/* TCP_FASTOPEN_KEY: what this listener has set; nothing if it uses the namespace's. */
static int fastopen_key_get(struct sock *sk, char __user *optval, int __user *optlen, int len)
{
	u8 keys[XTCP_FASTKEYS * XTCP_FASTKEY_LEN];
	unsigned int nr;
	int err;

	lock_sock(sk);
	nr = xtcp_fastopen_keys_get(sock_net(sk), sk, keys);
	release_sock(sk);
	err = answer_put(optval, optlen, keys, len, nr * XTCP_FASTKEY_LEN);
	memzero_explicit(keys, sizeof(keys));
	return err;
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

	if (unlikely(xtcp_origdst_is_asked(sk, level, optname)))
		return xtcp_origdst_get(sk, level, optname, optval, optlen);
	if (level != SOL_TCP && level != IPPROTO_XTCP)
		return xtcp_family_of(sk)->addr->getsockopt(sk, level, optname,
							    optval, optlen);

	if (get_user(len, optlen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;

	if (level == SOL_TCP && optname == TCP_INFO) {
		union xtcp_info info;

		xtcp_info_fill(sk, &info);
		return answer_put(optval, optlen, &info, len, sizeof(info));
	}

	if (level == SOL_TCP && optname == TCP_CONGESTION) {
		char name[XTCP_CONGESTION_NAME_MAX];

		xtcp_congestion_name(xtcp_sk(sk), name);
		return answer_put(optval, optlen, name, len, sizeof(name));
	}

	if (level == SOL_TCP && optname == TCP_CC_INFO) {
		union tcp_cc_info info;
		size_t size;
		int attr;

		lock_sock(sk);
		size = xtcp_congestion_info(sk, &info, &attr);
		release_sock(sk);
		return answer_put(optval, optlen, &info, len, size);
	}
	if (level == SOL_TCP && optname == TCP_SAVED_SYN)
		return saved_syn_get(sk, optval, optlen, len);
	/* No upper layer protocol: an empty name. */
	if (level == SOL_TCP && optname == TCP_ULP)
		return answer_put(optval, optlen, NULL, len, 0);
	/* xtcp has no repair mode, so as in Linux without it this fails. */
	if (level == SOL_TCP && optname == TCP_REPAIR_WINDOW)
		return len == sizeof(struct tcp_repair_window) ? -EPERM : -EINVAL;

	if (level == SOL_TCP && optname == TCP_FASTOPEN_KEY)
		return fastopen_key_get(sk, optval, optlen, len);

	err = level == SOL_TCP ? tcp_get(sk, optname, &val) :
				 xtcp_get(sk, optname, &val);
	if (err)
		return err;
	return answer_put(optval, optlen, &val, len, sizeof(val));
}
