// SPDX-License-Identifier: GPL-2.0
/*
 * options: setsockopt() and getsockopt(). Defaults, ranges and errors are Linux TCP's
 * for those options that exist there; the kernel's TCP passes this, too, but for
 * xtcp's own level and the options that xtcp does not have. RFC 9293 3.9.1 (MUST-17,
 * 21, 24, 27). tcpinfo.c has TCP_INFO, ipoptions.c IP's options.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"
#include "lib/tcpoption.h"

#include <linux/errqueue.h>
#include <linux/filter.h>

PEER_FIXTURE(options);

static int set(int fd, int level, int name, int val)
{
	return setsockopt(fd, level, name, &val, sizeof(val)) ? errno : 0;
}

/* The value; negative errno when there is none. */
static int get(int fd, int level, int name)
{
	int val = 0x7abcdef0;
	socklen_t len = sizeof(val);

	return getsockopt(fd, level, name, &val, &len) ? -errno : val;
}

static int fresh(struct __test_metadata *_metadata)
{
	int fd = stream_socket(AF_INET);

	ASSERT_LE(0, fd);
	fd_nonblock(fd);
	return fd;
}

/* --- one integer each --------------------------------------------------- */

/* A value to set; the value to get, or the error and then the value from before. */
struct trial {
	int set;
	int get;
	int error;
	bool used;
};

#define TAKES(v) { (v), (v), 0, true }
#define BECOMES(v, w) { (v), (w), 0, true }
#define REFUSES(v) { (v), 0, EINVAL, true }
#define TRIALS_MAX 12

FIXTURE(option) {
	struct peer peer;
};

FIXTURE_VARIANT(option) {
	int level, name, initial;
	struct trial trial[TRIALS_MAX];
};

FIXTURE_SETUP(option)
{
	peer_open_at(WHERE(_metadata), &self->peer, NULL);
}

FIXTURE_TEARDOWN(option)
{
	peer_close_at(WHERE(_metadata), &self->peer);
}

#define OPTION(tag, lvl, opt, first, ...) \
	FIXTURE_VARIANT_ADD(option, tag) { \
		.level = lvl, .name = opt, .initial = first, \
		.trial = { __VA_ARGS__ } }

OPTION(tcp_nodelay, SOL_TCP, TCP_NODELAY, 0, TAKES(1), TAKES(0), BECOMES(7, 1),
       BECOMES(-1, 1));
OPTION(tcp_maxseg, SOL_TCP, TCP_MAXSEG, 536, BECOMES(88, 88), TAKES(1000),
       TAKES(32767), REFUSES(87), REFUSES(32768), REFUSES(-1), REFUSES(1),
       BECOMES(0, 536));
OPTION(tcp_cork, SOL_TCP, TCP_CORK, 0, TAKES(1), TAKES(0), BECOMES(9, 1));
OPTION(tcp_keepidle, SOL_TCP, TCP_KEEPIDLE, 7200, TAKES(1), TAKES(32767),
       REFUSES(0), REFUSES(-1), REFUSES(32768));
OPTION(tcp_keepintvl, SOL_TCP, TCP_KEEPINTVL, 75, TAKES(1), TAKES(32767),
       REFUSES(0), REFUSES(-1), REFUSES(32768));
OPTION(tcp_keepcnt, SOL_TCP, TCP_KEEPCNT, 9, TAKES(1), TAKES(127), REFUSES(0),
       REFUSES(-1), REFUSES(128));
OPTION(tcp_syncnt, SOL_TCP, TCP_SYNCNT, 6, TAKES(1), TAKES(127), REFUSES(0),
       REFUSES(-1), REFUSES(128));
OPTION(tcp_linger2, SOL_TCP, TCP_LINGER2, 60, TAKES(1), TAKES(119), TAKES(120),
       BECOMES(121, 120), BECOMES(1000000, 120), BECOMES(-1, -1),
       BECOMES(-7, -1), BECOMES(0, 60));
/* Rounded up to a timeout of the SYN-ACK: 1, 3, 7, ... s; 255 of them at most. */
OPTION(tcp_defer_accept, SOL_TCP, TCP_DEFER_ACCEPT, 0, TAKES(1), BECOMES(2, 3), BECOMES(5, 7),
       TAKES(7), BECOMES(8, 15), TAKES(63), BECOMES(64, 127), BECOMES(128, 247),
       BECOMES(1000000, 29887), BECOMES(-1, 0), BECOMES(0, 0));
OPTION(tcp_window_clamp, SOL_TCP, TCP_WINDOW_CLAMP, 0, TAKES(10000),
       BECOMES(0, 0));
OPTION(tcp_quickack, SOL_TCP, TCP_QUICKACK, 1, TAKES(0), TAKES(1), TAKES(0));
OPTION(tcp_user_timeout, SOL_TCP, TCP_USER_TIMEOUT, 0, TAKES(1), TAKES(5000),
       TAKES(INT_MAX), REFUSES(-1), REFUSES(INT_MIN), TAKES(0));
OPTION(tcp_notsent_lowat, SOL_TCP, TCP_NOTSENT_LOWAT, 0, TAKES(1), TAKES(100000), TAKES(0),
       TAKES(-1));
OPTION(tcp_inq, SOL_TCP, TCP_INQ, 0, TAKES(1), TAKES(0), REFUSES(2), REFUSES(-1));
OPTION(tcp_thin_linear_timeouts, SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, TAKES(1), TAKES(0),
       REFUSES(2), REFUSES(-1));
/* Without effect since 4.13. */
OPTION(tcp_thin_dupack, SOL_TCP, TCP_THIN_DUPACK, 0, BECOMES(1, 0), REFUSES(2), REFUSES(-1));
OPTION(tcp_save_syn, SOL_TCP, TCP_SAVE_SYN, 0, TAKES(1), TAKES(2), REFUSES(3), REFUSES(-1),
       TAKES(0));
OPTION(tcp_tx_delay, SOL_TCP, TCP_TX_DELAY, 0, TAKES(1000), REFUSES(-1), TAKES((1 << 28) - 1),
       REFUSES(1 << 28), TAKES(0));
OPTION(so_reuseaddr, SOL_SOCKET, SO_REUSEADDR, 0, TAKES(1), TAKES(0), BECOMES(4, 1));
OPTION(so_keepalive, SOL_SOCKET, SO_KEEPALIVE, 0, TAKES(1), TAKES(0), BECOMES(4, 1));
OPTION(so_oobinline, SOL_SOCKET, SO_OOBINLINE, 0, TAKES(1), TAKES(0));
OPTION(so_priority, SOL_SOCKET, SO_PRIORITY, 0, TAKES(6), TAKES(0));
OPTION(so_mark, SOL_SOCKET, SO_MARK, 0, TAKES(77), TAKES(0));
OPTION(so_rcvlowat, SOL_SOCKET, SO_RCVLOWAT, 1, TAKES(10), BECOMES(0, 1));
OPTION(ip_tos, SOL_IP, IP_TOS, 0, TAKES(0xb8), BECOMES(0x03, 0), TAKES(0x10));
OPTION(ip_ttl, SOL_IP, IP_TTL, 64, TAKES(1), TAKES(255), REFUSES(0),
       REFUSES(256), BECOMES(-1, 64));
OPTION(ip_minttl, SOL_IP, IP_MINTTL, 0, TAKES(255), REFUSES(256), REFUSES(-1),
       TAKES(0));
OPTION(ip_recverr, SOL_IP, IP_RECVERR, 0, TAKES(1), TAKES(0));
OPTION(ip_bind_address_no_port, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 0, TAKES(1), TAKES(0));
OPTION(ip_transparent, SOL_IP, IP_TRANSPARENT, 0, TAKES(1), TAKES(0));
OPTION(ip_freebind, SOL_IP, IP_FREEBIND, 0, TAKES(1), TAKES(0));
OPTION(ip_mtu_discover, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT,
       TAKES(IP_PMTUDISC_DONT), TAKES(IP_PMTUDISC_DO), REFUSES(9),
       TAKES(IP_PMTUDISC_WANT));

TEST_F(option, opt_default_and_range)
{
	int fd = fresh(_metadata), val = variant->initial;

	EXPECT_EQ(val, get(fd, variant->level, variant->name));
	for (int i = 0; i < TRIALS_MAX; i++) {
		const struct trial *t = &variant->trial[i];

		if (!t->used)
			break;
		TH_LOG("set %d", t->set);
		EXPECT_EQ(t->error, set(fd, variant->level, variant->name, t->set));
		if (!t->error)
			val = t->get;
		EXPECT_EQ(val, get(fd, variant->level, variant->name));
	}
}

TEST_F(options, opt_unknown)
{
	int fd = fresh(_metadata);

	EXPECT_EQ(ENOPROTOOPT, set(fd, SOL_TCP, 250, 1));
	EXPECT_EQ(-ENOPROTOOPT, get(fd, SOL_TCP, 250));
	EXPECT_EQ(ENOPROTOOPT, set(fd, SOL_TCP, 0, 1));
	EXPECT_EQ(ENOPROTOOPT, set(fd, SOL_IP, 250, 1));
	EXPECT_EQ(ENOPROTOOPT, set(fd, SOL_SOCKET, 250, 1));
	EXPECT_EQ(ENOPROTOOPT, set(fd, IPPROTO_UDP, 1, 1));
	/* As Linux: for unknown levels IPv4 has ENOPROTOOPT, IPv6 another errno. */
	EXPECT_EQ(socket_family(AF_INET) == AF_INET6 ? -ENOPROTOOPT : -EOPNOTSUPP,
		  get(fd, IPPROTO_UDP, 1));
}

TEST_F(options, opt_short_and_bad_buffers)
{
	int fd = fresh(_metadata), val = -1;
	socklen_t len;
	char one;

	EXPECT_EQ(-1, setsockopt(fd, SOL_TCP, TCP_NODELAY, &val, 3));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, setsockopt(fd, SOL_TCP, TCP_NODELAY, (void *)1, sizeof(int)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, get(fd, SOL_TCP, TCP_NODELAY));
	ASSERT_EQ(0, set(fd, SOL_TCP, TCP_KEEPCNT, 17));
	/* A short buffer gets the beginning; a long one gets the length. */
	len = 1;
	EXPECT_EQ(0, getsockopt(fd, SOL_TCP, TCP_KEEPCNT, &one, &len));
	EXPECT_EQ(1, len);
	EXPECT_EQ(17, one);
	len = 400;
	EXPECT_EQ(0, getsockopt(fd, SOL_TCP, TCP_KEEPCNT, &val, &len));
	EXPECT_EQ(4, len);
	len = -1;
	EXPECT_EQ(-1, getsockopt(fd, SOL_TCP, TCP_KEEPCNT, &val, &len));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, getsockopt(fd, SOL_TCP, TCP_KEEPCNT, &val, (void *)1));
	EXPECT_EQ(EFAULT, errno);
	len = 4;
	EXPECT_EQ(-1, getsockopt(fd, SOL_TCP, TCP_KEEPCNT, (void *)1, &len));
	EXPECT_EQ(EFAULT, errno);
}

/* Those that the kernel has since 6.15 and 6.19; a tick is 10 ms at most. */
TEST_F(options, opt_limits_of_timeouts)
{
	int fd = fresh(_metadata);

	NOT_ON_STOCK();
	EXPECT_EQ(120000, get(fd, SOL_TCP, TCP_RTO_MAX_MS));
	ASSERT_EQ(0, knob_set("rto_max_ms", 5000));
	EXPECT_EQ(5000, get(fd, SOL_TCP, TCP_RTO_MAX_MS));
	EXPECT_EQ(EINVAL, set(fd, SOL_TCP, TCP_RTO_MAX_MS, 999));
	EXPECT_EQ(EINVAL, set(fd, SOL_TCP, TCP_RTO_MAX_MS, 120001));
	EXPECT_EQ(EINVAL, set(fd, SOL_TCP, TCP_RTO_MAX_MS, -1));
	EXPECT_EQ(EINVAL, set(fd, SOL_TCP, TCP_RTO_MAX_MS, 0));
	EXPECT_EQ(0, set(fd, SOL_TCP, TCP_RTO_MAX_MS, 1000));
	EXPECT_EQ(1000, get(fd, SOL_TCP, TCP_RTO_MAX_MS));
	EXPECT_EQ(0, set(fd, SOL_TCP, TCP_RTO_MAX_MS, 120000));
	EXPECT_EQ(120000, get(fd, SOL_TCP, TCP_RTO_MAX_MS));

	EXPECT_EQ(200000, get(fd, SOL_TCP, TCP_RTO_MIN_US));
	EXPECT_EQ(200000, get(fd, SOL_TCP, TCP_DELACK_MAX_US));
	ASSERT_EQ(0, knob_set("rto_min_us", 70000));
	EXPECT_EQ(70000, get(fd, SOL_TCP, TCP_RTO_MIN_US));
	for (int name = TCP_RTO_MIN_US; name <= TCP_DELACK_MAX_US; name++) {
		static const int refused[] = { 0, 1, 1000, -1, INT_MIN, 200001, INT_MAX };

		EXPECT_EQ(0, set(fd, SOL_TCP, name, 20000));
		for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
			EXPECT_EQ(EINVAL, set(fd, SOL_TCP, name, refused[i]));
		EXPECT_EQ(20000, get(fd, SOL_TCP, name));
		EXPECT_EQ(0, set(fd, SOL_TCP, name, 200000));
		EXPECT_EQ(200000, get(fd, SOL_TCP, name));
		EXPECT_EQ(0, set(fd, SOL_TCP, name, 123456));
		EXPECT_EQ(123456, get(fd, SOL_TCP, name));
	}
	/* As Linux, disconnecting forgets two of them. */
	EXPECT_EQ(0, set(fd, SOL_TCP, TCP_RTO_MAX_MS, 2000));
	EXPECT_EQ(0, socket_disconnect(fd));
	EXPECT_EQ(2000, get(fd, SOL_TCP, TCP_RTO_MAX_MS));
	EXPECT_EQ(70000, get(fd, SOL_TCP, TCP_RTO_MIN_US));
	EXPECT_EQ(200000, get(fd, SOL_TCP, TCP_DELACK_MAX_US));
}

/* No repair mode: to a checkpointing program it is as if it lacked the privilege. */
TEST_F(options, opt_repair_is_refused)
{
	struct tcp_repair_window window;
	socklen_t len = sizeof(window);
	struct conn c;

	conn_open(&self->peer, &c);
	if (stock_mode())
		ASSERT_EQ(0, seteuid(65534));
	for (int on = -1; on <= 2; on++)
		EXPECT_EQ(EPERM, set(c.fd, SOL_TCP, TCP_REPAIR, on));
	EXPECT_EQ(0, get(c.fd, SOL_TCP, TCP_REPAIR));
	EXPECT_EQ(EPERM, set(c.fd, SOL_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE));
	EXPECT_EQ(-EINVAL, get(c.fd, SOL_TCP, TCP_REPAIR_QUEUE));
	EXPECT_EQ(EPERM, set(c.fd, SOL_TCP, TCP_QUEUE_SEQ, 1));
	EXPECT_EQ(-EINVAL, get(c.fd, SOL_TCP, TCP_QUEUE_SEQ));
	EXPECT_EQ(EINVAL, set(c.fd, SOL_TCP, TCP_REPAIR_OPTIONS, 1));
	EXPECT_EQ(-ENOPROTOOPT, get(c.fd, SOL_TCP, TCP_REPAIR_OPTIONS));
	EXPECT_EQ(EPERM, set(c.fd, SOL_TCP, TCP_TIMESTAMP, 1));
	EXPECT_EQ(-1, getsockopt(c.fd, SOL_TCP, TCP_REPAIR_WINDOW, &window, &len));
	EXPECT_EQ(EPERM, errno);
	len--;
	EXPECT_EQ(-1, getsockopt(c.fd, SOL_TCP, TCP_REPAIR_WINDOW, &window, &len));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, seteuid(0));
}

/* The clock of the connection's timestamps. */
TEST_F(options, opt_timestamp)
{
	struct conn c;
	int val;

	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(1460), OPT_TS(1, 0)));
	val = get(c.fd, SOL_TCP, TCP_TIMESTAMP);
	conn_send(&c, .flags = ACK | PSH, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	EXPECT_LE(-1, (int)(self->peer.last.opt.tsval - val));
	EXPECT_GE(2 * DELAYED_ACK_MS, (int)(self->peer.last.opt.tsval - val));
	self->peer.leave_unread = true;
}

/* It counts milliseconds. Its lowest bit says whether the clock counts microseconds. */
TEST_F(options, opt_timestamp_is_of_milliseconds)
{
	unsigned int first, last;
	struct conn c;

	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(1460), OPT_TS(1, 0)));
	first = last = get(c.fd, SOL_TCP, TCP_TIMESTAMP);
	for (int i = 0; i < 11; i++) {
		EXPECT_EQ(0, last & 1);
		sleep_ms(3);
		last = get(c.fd, SOL_TCP, TCP_TIMESTAMP);
	}
	EXPECT_LE(31, (int)(last - first));
	EXPECT_GE(40, (int)(last - first));
}

/* A library that offers TLS in the kernel goes on without. */
TEST_F(options, opt_ulp_is_refused)
{
	socklen_t len = 16;
	char name[16];
	struct conn c;

	conn_open(&self->peer, &c);
	EXPECT_EQ(-1, setsockopt(c.fd, SOL_TCP, TCP_ULP, "none", 4));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(-1, setsockopt(c.fd, SOL_TCP, TCP_ULP, "", 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, setsockopt(c.fd, SOL_TCP, TCP_ULP, (void *)8, 4));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, getsockopt(c.fd, SOL_TCP, TCP_ULP, name, &len));
	EXPECT_EQ(0, len);
	if (stock_mode())
		return;
	EXPECT_EQ(-1, setsockopt(c.fd, SOL_TCP, TCP_ULP, "tls", sizeof("tls")));
	EXPECT_EQ(ENOENT, errno);
}

/* --- xtcp's own --------------------------------------------------------- */

TEST_F(options, opt_xtcp_wire)
{
	int fd = fresh(_metadata);

	NOT_ON_STOCK();
	/* The value of the namespace's xtcp_wire: 253 by default. */
	EXPECT_EQ(stream_wire(), get(fd, IPPROTO_XTCP, XTCP_WIRE));
	EXPECT_EQ(0, set(fd, IPPROTO_XTCP, XTCP_WIRE, XTCP_WIRE_NATIVE));
	EXPECT_EQ(253, get(fd, IPPROTO_XTCP, XTCP_WIRE));
	EXPECT_EQ(0, set(fd, IPPROTO_XTCP, XTCP_WIRE, XTCP_WIRE_TCP));
	EXPECT_EQ(6, get(fd, IPPROTO_XTCP, XTCP_WIRE));
	EXPECT_EQ(0, set(fd, IPPROTO_XTCP, XTCP_WIRE, XTCP_WIRE_NATIVE));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_WIRE, 17));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_WIRE, 0));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_WIRE, -1));
	EXPECT_EQ(253, get(fd, IPPROTO_XTCP, XTCP_WIRE));
	EXPECT_EQ(ENOPROTOOPT, set(fd, IPPROTO_XTCP, 99, 1));
	EXPECT_EQ(-ENOPROTOOPT, get(fd, IPPROTO_XTCP, 99));
	EXPECT_EQ(-1, setsockopt(fd, IPPROTO_XTCP, XTCP_WIRE, "\375", 1));
	EXPECT_EQ(EINVAL, errno);
}

/* bind(), listen() and connect() fix the wire. */
TEST_F(options, opt_xtcp_wire_is_settled)
{
	int fd = fresh(_metadata);
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, socket_bind(fd, "", 5000));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_WIRE, XTCP_WIRE_NATIVE));
	ASSERT_EQ(0, listen(fd, 1));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_WIRE, XTCP_WIRE_NATIVE));
	EXPECT_EQ(stream_wire(), get(fd, IPPROTO_XTCP, XTCP_WIRE));
	close(fd);
	conn_open(&self->peer, &c);
	EXPECT_EQ(EINVAL, set(c.fd, IPPROTO_XTCP, XTCP_WIRE, XTCP_WIRE_NATIVE));
	EXPECT_EQ(stream_wire(), get(c.fd, IPPROTO_XTCP, XTCP_WIRE));
}

/* close/length tests its effect. */
TEST_F(options, opt_xtcp_tw_timeout)
{
	int fd = fresh(_metadata);

	NOT_ON_STOCK();
	EXPECT_EQ(60, get(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT));
	ASSERT_EQ(0, knob_set("tw_timeout", 17));
	EXPECT_EQ(17, get(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT));
	EXPECT_EQ(0, set(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT, 600));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT, 601));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT, 0));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT, -1));
	EXPECT_EQ(600, get(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT));
	EXPECT_EQ(0, set(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT, 1));
	EXPECT_EQ(1, get(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT));
	EXPECT_EQ(-1, setsockopt(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT, "\1", 1));
	EXPECT_EQ(EINVAL, errno);
}

/* open/lossless tests its effect. */
TEST_F(options, opt_xtcp_syncookies)
{
	int fd = fresh(_metadata);

	NOT_ON_STOCK();
	/* The knob's value, until the socket has its own. */
	EXPECT_EQ(1, get(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES));
	ASSERT_EQ(0, knob_set("syncookies", 3));
	EXPECT_EQ(2, get(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES));
	for (int mode = 0; mode <= 2; mode++) {
		EXPECT_EQ(0, set(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES, mode));
		EXPECT_EQ(mode, get(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES));
	}
	EXPECT_EQ(0, set(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES, 1));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES, 3));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES, -1));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES, 256));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES, INT_MAX));
	EXPECT_EQ(EINVAL, set(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES, INT_MIN));
	EXPECT_EQ(1, get(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES));
	EXPECT_EQ(-1, setsockopt(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES, "\1", 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, setsockopt(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES, NULL, 4));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(options, opt_xtcp_level_is_not_stocks)
{
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

	self->peer.stock_may_speak = true;
	EXPECT_EQ(ENOPROTOOPT, set(fd, IPPROTO_XTCP, XTCP_WIRE, XTCP_WIRE_NATIVE));
}

/* --- buffers ------------------------------------------------------------ */

TEST_F(options, opt_so_sndbuf_rcvbuf)
{
	int fd = fresh(_metadata);

	EXPECT_EQ(16384, get(fd, SOL_SOCKET, SO_SNDBUF));
	EXPECT_EQ(131072, get(fd, SOL_SOCKET, SO_RCVBUF));
	/* Twice the requested size, but no less than the minimum. */
	EXPECT_EQ(0, set(fd, SOL_SOCKET, SO_SNDBUF, 30000));
	EXPECT_EQ(60000, get(fd, SOL_SOCKET, SO_SNDBUF));
	EXPECT_EQ(0, set(fd, SOL_SOCKET, SO_RCVBUF, 30000));
	EXPECT_EQ(60000, get(fd, SOL_SOCKET, SO_RCVBUF));
	EXPECT_EQ(0, set(fd, SOL_SOCKET, SO_SNDBUF, 1));
	EXPECT_EQ(4608, get(fd, SOL_SOCKET, SO_SNDBUF));
	EXPECT_EQ(0, set(fd, SOL_SOCKET, SO_RCVBUF, 1));
	EXPECT_EQ(2304, get(fd, SOL_SOCKET, SO_RCVBUF));
	EXPECT_EQ(0, set(fd, SOL_SOCKET, SO_RCVBUF, 0));
	EXPECT_EQ(2304, get(fd, SOL_SOCKET, SO_RCVBUF));
	/* No more than net.core.wmem_max and rmem_max. */
	EXPECT_EQ(0, set(fd, SOL_SOCKET, SO_SNDBUF, 100000000));
	EXPECT_EQ(425984, get(fd, SOL_SOCKET, SO_SNDBUF));
	EXPECT_EQ(0, set(fd, SOL_SOCKET, SO_RCVBUF, 100000000));
	EXPECT_EQ(425984, get(fd, SOL_SOCKET, SO_RCVBUF));
	EXPECT_EQ(0, set(fd, SOL_SOCKET, SO_SNDBUFFORCE, 1000000));
	EXPECT_EQ(2000000, get(fd, SOL_SOCKET, SO_SNDBUF));
}

/* Even the smallest buffers let a byte through, both ways. */
TEST_F(options, opt_smallest_buffers_work)
{
	struct conn c;
	char b[4];

	conn_to_state(&self->peer, &c, ST_LISTEN);
	ASSERT_EQ(0, set(c.lfd, SOL_SOCKET, SO_SNDBUF, 1));
	ASSERT_EQ(0, set(c.lfd, SOL_SOCKET, SO_RCVBUF, 1));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_EQ(4608, get(c.fd, SOL_SOCKET, SO_SNDBUF));
	EXPECT_EQ(2304, get(c.fd, SOL_SOCKET, SO_RCVBUF));
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "abc");
	conn_send(&c, .flags = ACK | PSH, .data = "def");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(3, recv(c.fd, b, sizeof(b), 0));
}

TEST_F(options, opt_rcvbuf_bounds_the_window)
{
	struct conn c;

	conn_start(&self->peer, &c, .opt = OPT(OPT_MSS(1460), OPT_WSCALE(7)));
	ASSERT_EQ(0, set(c.lfd, SOL_SOCKET, SO_RCVBUF, 10000));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	EXPECT_GE(20000, self->peer.last.wnd);
	EXPECT_LE(5000, self->peer.last.wnd);
	/* A small buffer needs no scale. */
	EXPECT_EQ(0, self->peer.last.opt.wscale);
}

TEST_F(options, opt_rcvlowat_is_capped_and_grows_the_buffer)
{
	int fd = fresh(_metadata);

	ASSERT_EQ(0, knob_set_text("rmem", "4096 131072 6000000"));
	EXPECT_EQ(0, set(fd, SOL_SOCKET, SO_RCVLOWAT, -1));
	EXPECT_EQ(3000000, get(fd, SOL_SOCKET, SO_RCVLOWAT));
	EXPECT_EQ(0, set(fd, SOL_SOCKET, SO_RCVLOWAT, 200000));
	EXPECT_EQ(200000, get(fd, SOL_SOCKET, SO_RCVLOWAT));
	EXPECT_LE(400000, get(fd, SOL_SOCKET, SO_RCVBUF));
	close(fd);
	/*
	 * A program that has set the buffer keeps it, and can't ask for more than
	 * half.
	 */
	fd = fresh(_metadata);
	EXPECT_EQ(0, set(fd, SOL_SOCKET, SO_RCVBUF, 10000));
	EXPECT_EQ(0, set(fd, SOL_SOCKET, SO_RCVLOWAT, 200000));
	EXPECT_EQ(10000, get(fd, SOL_SOCKET, SO_RCVLOWAT));
	EXPECT_EQ(20000, get(fd, SOL_SOCKET, SO_RCVBUF));
}

/* Small segments need more memory than a half of the buffer for what SO_RCVLOWAT waits for. */
TEST_F(options, opt_rcvlowat_of_small_segments)
{
	struct conn c;

	ASSERT_EQ(0, knob_set_text("rmem", "4096 131072 600000"));
	conn_open(&self->peer, &c);
	conn_send(&c, .flags = ACK | PSH, .len = 550);
	conn_expect(&c, .flags = ACK, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(0, set(c.fd, SOL_SOCKET, SO_RCVLOWAT, 600000));
	EXPECT_EQ(300000, get(c.fd, SOL_SOCKET, SO_RCVLOWAT));
	/* In Linux it grows further. */
	EXPECT_EQ(stock_mode(), get(c.fd, SOL_SOCKET, SO_RCVBUF) > 600000);
	EXPECT_LE(600000, get(c.fd, SOL_SOCKET, SO_RCVBUF));
}

TEST_F(options, opt_timeouts_and_linger)
{
	struct timeval tv = { .tv_sec = 3, .tv_usec = 500000 };
	struct linger linger = { .l_onoff = 1, .l_linger = 30 };
	int fd = fresh(_metadata);
	socklen_t len;

	for (int name = SO_RCVTIMEO; name <= SO_SNDTIMEO; name++) {
		tv = (struct timeval){ .tv_sec = 3, .tv_usec = 500000 };
		ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)));
		len = sizeof(tv);
		memset(&tv, 0, sizeof(tv));
		ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, name, &tv, &len));
		EXPECT_EQ(3, tv.tv_sec);
		EXPECT_EQ(500000, tv.tv_usec);
		tv.tv_usec = 1000000;
		EXPECT_EQ(-1, setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)));
		EXPECT_EQ(EDOM, errno);
	}
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	memset(&linger, 0, sizeof(linger));
	len = sizeof(linger);
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len));
	EXPECT_EQ(1, linger.l_onoff);
	EXPECT_EQ(30, linger.l_linger);
	EXPECT_EQ(-1, setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, 4));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(options, opt_so_bindtodevice)
{
	struct peer *p = &self->peer;
	char name[16] = "";
	socklen_t len = sizeof(name);
	int fd = socket_new(-1), other = socket_new(-1);

	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	EXPECT_STREQ("lo", name);
	EXPECT_EQ(-1, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "none", 5));
	EXPECT_EQ(ENODEV, errno);
	/*
	 * Through lo the peer can't be reached: no SYN on the tun device, which has the route. Over
	 * IPv4 the SYN comes back to this host.
	 */
	peer_hold(p, 40000);
	EXPECT_EQ(p->family == AF_INET6 ? ENETUNREACH : EINPROGRESS,
		  socket_connect(fd, "10.0.0.2", 40000));
	peer_expect_silence(p, 100);
	ASSERT_EQ(0, setsockopt(other, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5));
	EXPECT_EQ(EINPROGRESS, socket_connect(other, "10.0.0.2", 40000));
	peer_expect(p, .flags = SYN, .dport = 40000, .sport = socket_port(other));
}

/* Only segments that arrive by the listener's device reach it. */
TEST_F(options, opt_so_bindtodevice_listener)
{
	struct conn c;

	conn_start(&self->peer, &c);
	ASSERT_EQ(0, setsockopt(c.lfd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	ASSERT_EQ(0, listen(c.lfd, 1));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = RST | ACK, .ack = 1);
}

static int attach_filter(int fd, struct sock_filter *filter)
{
	struct sock_fprog prog = { .len = 1, .filter = filter };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) ?
	       errno : 0;
}

static int attach_chooser(int fd)
{
	struct sock_filter first = { .code = BPF_RET | BPF_K };

	return attach_filter(fd, &first);
}

/*
 * A program that chooses a listener is for sockets that listen or will: a connection that has
 * none gets none. Before Linux 6.8 xtcp does not see the option.
 */
TEST_F(options, opt_reuseport_program_of_a_connection)
{
	int refused = stock_mode() || kernel_is_since(6, 8) ? EINVAL : 0;
	struct conn c;
	int fd = fresh(_metadata);

	ASSERT_EQ(0, set(fd, SOL_SOCKET, SO_REUSEPORT, 1));
	EXPECT_EQ(0, attach_chooser(fd));
	for (int active = 0; active < 2; active++) {
		conn_open(&self->peer, &c, .active = active);
		EXPECT_EQ(EINVAL, attach_chooser(c.fd));
		EXPECT_EQ(EFAULT, attach_filter(c.fd, (struct sock_filter *)8));
		ASSERT_EQ(0, set(c.fd, SOL_SOCKET, SO_REUSEPORT, 1));
		EXPECT_EQ(refused, attach_chooser(c.fd));
		ASSERT_EQ(0, set(c.fd, SOL_SOCKET, SO_LOCK_FILTER, 1));
		EXPECT_EQ(EPERM, attach_chooser(c.fd));
	}
}

/* --- children ----------------------------------------------------------- */

static const struct inherited {
	int level, name, set, get;
} inherited[] = {
	{ SOL_TCP, TCP_NODELAY, 1, 1 },
	{ SOL_TCP, TCP_KEEPIDLE, 100, 100 },
	{ SOL_TCP, TCP_KEEPINTVL, 7, 7 },
	{ SOL_TCP, TCP_KEEPCNT, 3, 3 },
	{ SOL_TCP, TCP_SYNCNT, 4, 4 },
	{ SOL_TCP, TCP_LINGER2, 30, 30 },
	{ SOL_TCP, TCP_USER_TIMEOUT, 4321, 4321 },
	{ SOL_TCP, TCP_WINDOW_CLAMP, 20000, 20000 },
	{ SOL_TCP, TCP_CORK, 1, 1 },
	{ SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1, 1 },
	{ SOL_TCP, TCP_SAVE_SYN, 1, 1 },
	{ SOL_TCP, TCP_TX_DELAY, 17, 17 },
	{ SOL_SOCKET, SO_KEEPALIVE, 1, 1 },
	{ SOL_SOCKET, SO_SNDBUF, 30000, 60000 },
	{ SOL_SOCKET, SO_RCVBUF, 40000, 80000 },
	{ SOL_SOCKET, SO_REUSEADDR, 1, 1 },
	{ SOL_SOCKET, SO_OOBINLINE, 1, 1 },
	{ SOL_SOCKET, SO_RCVLOWAT, 9, 9 },
	{ SOL_IP, IP_TTL, 77, 77 },
	{ SOL_IP, IP_MINTTL, 9, 9 },
};

static void inherit(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	set(fd, SOL_SOCKET, SO_PRIORITY, 5);
	for (size_t i = 0; i < ARRAY_SIZE(inherited); i++)
		set(fd, inherited[i].level, inherited[i].name, inherited[i].set);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

TEST_F(options, opt_children_inherit)
{
	struct linger linger = { 0 };
	socklen_t len = sizeof(linger);
	struct conn c;

	conn_open(&self->peer, &c, .prepare = inherit);
	for (size_t i = 0; i < ARRAY_SIZE(inherited); i++) {
		TH_LOG("level %d option %d", inherited[i].level, inherited[i].name);
		EXPECT_EQ(inherited[i].get, get(c.fd, inherited[i].level, inherited[i].name));
	}
	ASSERT_EQ(0, getsockopt(c.fd, SOL_SOCKET, SO_LINGER, &linger, &len));
	EXPECT_EQ(1, linger.l_onoff);
	/* Some options are not inherited. */
	EXPECT_EQ(0, get(c.fd, SOL_SOCKET, SO_PRIORITY));
	EXPECT_EQ(0, get(c.fd, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(0, get(c.fd, SOL_SOCKET, SO_ERROR));
	EXPECT_EQ(stream_proto(), get(c.fd, SOL_SOCKET, SO_PROTOCOL));
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1);
}

/* Set after listen(), it is for the children; before, for nobody. */
TEST_F(options, opt_quickack_of_a_listener)
{
	int fd = fresh(_metadata);
	struct conn c;

	ASSERT_EQ(0, set(fd, SOL_TCP, TCP_QUICKACK, 0));
	ASSERT_EQ(0, listen(fd, 1));
	EXPECT_EQ(1, get(fd, SOL_TCP, TCP_QUICKACK));
	conn_start(&self->peer, &c);
	ASSERT_EQ(0, set(c.lfd, SOL_TCP, TCP_QUICKACK, 0));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_EQ(0, get(c.fd, SOL_TCP, TCP_QUICKACK));
}

/* A listener's SYN-ACKs offer its MSS, and its children keep to it. */
static void maxseg_700(int fd)
{
	set(fd, SOL_TCP, TCP_MAXSEG, 700);
}

TEST_F(options, opt_maxseg_of_a_listener)
{
	static char buf[1400];
	struct conn c;

	conn_start(&self->peer, &c, .prepare = maxseg_700);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .mss = 700);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	EXPECT_EQ(700, get(c.fd, SOL_TCP, TCP_MAXSEG));
	ASSERT_EQ(1400, send(c.fd, buf, 1400, 0));
	conn_expect(&c, .seq = 1, .len = 700);
	conn_expect(&c, .seq = 701, .len = 700);
}

TEST_F(options, opt_maxseg_of_a_connection)
{
	struct conn c;

	conn_to_state(&self->peer, &c, ST_SYN_SENT, .prepare = maxseg_700);
	EXPECT_EQ(700, self->peer.last.opt.mss);
	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(1000)));
	EXPECT_EQ(1000, get(c.fd, SOL_TCP, TCP_MAXSEG));
}

/* The next connection of the same socket has none. */
TEST_F(options, opt_maxseg_of_a_former_connection)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true, .prepare = maxseg_700,
		  .opt = OPT(OPT_MSS(1460), OPT_TS(1, 0)));
	EXPECT_EQ(688, get(c.fd, SOL_TCP, TCP_MAXSEG));
	ASSERT_EQ(0, socket_disconnect(c.fd));
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(688, get(c.fd, SOL_TCP, TCP_MAXSEG));
	ASSERT_EQ(EINPROGRESS, socket_connect(c.fd, "10.0.0.2", 40000));
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 40000, .mss = 1460);
}

/* A listener that stops forgets it, too. */
TEST_F(options, opt_maxseg_of_a_former_listener)
{
	struct conn c;

	conn_start(&self->peer, &c, .prepare = maxseg_700);
	ASSERT_EQ(0, shutdown(c.lfd, SHUT_RD));
	ASSERT_EQ(0, listen(c.lfd, 1));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .mss = 1460);
}

/* Set on an open connection it changes nothing. */
TEST_F(options, opt_maxseg_of_an_open_connection)
{
	struct socket_info before;
	struct conn c;

	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(1000), OPT_SACKOK));
	before = conn_info(&c);
	EXPECT_EQ(0, set(c.fd, SOL_TCP, TCP_MAXSEG, 88));
	/* Text above a hole: payload leaves with SACK blocks, if there is room. */
	conn_send(&c, .flags = ACK, .seq = 301, .len = 200);
	conn_expect(&c, .flags = ACK, .ack = 1, .sacks = 1, .sack = {{ 301, 501 }});
	conn_write(&c, 500);
	conn_expect(&c, .seq = 1, .len = 500, .sacks = 1, .sack = {{ 301, 501 }});
	conn_send(&c, .flags = ACK, .seq = 1, .len = 300, .ack = 501);
	peer_drain(&self->peer, 50);
	/* The MSS is computed again when an option of IP may have changed it. */
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_TTL, 65));
	EXPECT_EQ(before.snd_mss, conn_info(&c).snd_mss);
	EXPECT_EQ((int)before.snd_mss, get(c.fd, SOL_TCP, TCP_MAXSEG));
	EXPECT_EQ(before.advmss, conn_info(&c).advmss);
	conn_write(&c, 1000);
	conn_expect(&c, .seq = 501, .len = 1000);
}

/* --- a few that change what is sent -------------------------------------- */

TEST_F(options, opt_cork_holds_and_lets_go)
{
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, set(c.fd, SOL_TCP, TCP_CORK, 1));
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	peer_expect_silence(&self->peer, 150);
	ASSERT_EQ(3, send(c.fd, "def", 3, 0));
	ASSERT_EQ(0, set(c.fd, SOL_TCP, TCP_CORK, 0));
	conn_expect(&c, .seq = 1, .ack = 1, .data = "abcdef");
}

/* Corked text waits 200 ms at most. */
TEST_F(options, opt_cork_has_a_limit)
{
	struct conn c;

	conn_open(&self->peer, &c, .rtt_ms = 1);
	ASSERT_EQ(0, set(c.fd, SOL_TCP, TCP_CORK, 1));
	peer_mark(&self->peer);
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	conn_expect(&c, .seq = 1, .ack = 1, .data = "abc", .within_ms = 260);
	EXPECT_LE(198, peer_elapsed_ms(&self->peer));
}

TEST_F(options, rfc9293_must_17_nagle_can_be_disabled)
{
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(1, send(c.fd, "a", 1, 0));
	conn_expect(&c, .seq = 1, .data = "a");
	ASSERT_EQ(1, send(c.fd, "b", 1, 0));
	peer_expect_silence(&self->peer, 50);
	/* Switching it off sends the held-back data, and nothing waits any more. */
	ASSERT_EQ(0, set(c.fd, SOL_TCP, TCP_NODELAY, 1));
	conn_expect(&c, .seq = 2, .data = "b");
	ASSERT_EQ(1, send(c.fd, "c", 1, 0));
	conn_expect(&c, .seq = 3, .data = "c");
	self->peer.leave_unread = true;
}

TEST_F(options, opt_window_clamp)
{
	struct conn c;

	conn_open(&self->peer, &c);
	EXPECT_EQ(EINVAL, set(c.fd, SOL_TCP, TCP_WINDOW_CLAMP, 0));
	ASSERT_EQ(0, set(c.fd, SOL_TCP, TCP_WINDOW_CLAMP, 1));
	EXPECT_EQ(1152, get(c.fd, SOL_TCP, TCP_WINDOW_CLAMP));
}

/* --- TCP_CONGESTION ----------------------------------------------------- */

static int rule_set(int fd, const char *name, int len)
{
	return setsockopt(fd, SOL_TCP, TCP_CONGESTION, name, len) ? errno : 0;
}

static void rule_is(struct __test_metadata *_metadata, int fd, const char *name)
{
	char got[32] = "";
	socklen_t len = sizeof(got);

	ASSERT_EQ(0, getsockopt(fd, SOL_TCP, TCP_CONGESTION, got, &len));
	EXPECT_EQ(16, len);
	EXPECT_STREQ(name, got);
}

TEST_F(options, rfc9293_may_18_another_rule)
{
	int fd = fresh(_metadata);
	char got[4] = "zzz";
	socklen_t len = 2;

	rule_is(_metadata, fd, "cubic");
	EXPECT_EQ(0, rule_set(fd, "reno", 4));
	rule_is(_metadata, fd, "reno");
	EXPECT_EQ(0, rule_set(fd, "cubic\0reno", 10));
	rule_is(_metadata, fd, "cubic");
	EXPECT_EQ(ENOENT, rule_set(fd, "cub", 3));
	EXPECT_EQ(ENOENT, rule_set(fd, "", 1));
	EXPECT_EQ(ENOENT, rule_set(fd, "a_name_too_long_for_any_rule", 28));
	EXPECT_EQ(EINVAL, rule_set(fd, "reno", 0));
	EXPECT_EQ(EFAULT, rule_set(fd, (void *)8, 4));
	rule_is(_metadata, fd, "cubic");
	/* A short buffer gets the beginning. */
	ASSERT_EQ(0, getsockopt(fd, SOL_TCP, TCP_CONGESTION, got, &len));
	EXPECT_EQ(2, len);
	EXPECT_STREQ("cuz", got);
	close(fd);
}

/* A child begins with its namespace's rule, unless its listener was given one. */
TEST_F(options, rule_of_a_child)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	lfd = peer_listen(p, 6000, 5);
	conn_open(p, &c, .lfd = lfd, .kport = 6000);
	rule_is(_metadata, c.fd, "cubic");
	conn_send(&c, .flags = RST);
	/* The current default counts, not that of listen(). */
	ASSERT_EQ(0, knob_set_text("congestion_control", "reno"));
	conn_open(p, &c, .lfd = lfd, .kport = 6000, .pport = 40001);
	rule_is(_metadata, c.fd, "reno");
	conn_send(&c, .flags = RST);
	ASSERT_EQ(0, rule_set(lfd, "cubic", 5));
	conn_open(p, &c, .lfd = lfd, .kport = 6000, .pport = 40002);
	rule_is(_metadata, c.fd, "cubic");
	conn_send(&c, .flags = RST);
	close(lfd);
}

TEST_F(options, rule_must_be_allowed)
{
	int fd;

	self->peer.stock_may_speak = true;
	netns_enter_first(WHERE(_metadata));
	ASSERT_EQ(0, knob_set_text("allowed_congestion_control", "cubic"));
	fd = fresh(_metadata);
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(EPERM, rule_set(fd, "reno", 4));
	EXPECT_EQ(ENOENT, rule_set(fd, "nonesuch", 8));
	EXPECT_EQ(0, rule_set(fd, "cubic", 5));
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(0, rule_set(fd, "reno", 4));
	/* A socket keeps the rule that it has. */
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(0, rule_set(fd, "reno", 4));
	ASSERT_EQ(0, seteuid(0));
	rule_is(_metadata, fd, "reno");
	EXPECT_EQ(0, knob_set_text("allowed_congestion_control", "reno cubic"));
	close(fd);
}

TEST_HARNESS_MAIN
