// SPDX-License-Identifier: GPL-2.0
/*
 * metrics: metrics that the administrator writes into a route ("ip route ... mtu lock
 * 1000 initcwnd 20"), ip-route(8).
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>

PEER_FIXTURE(metrics);

#define MSS 1000
#define WITH_SACK OPT(OPT_MSS(MSS), OPT_SACKOK)
#define RTO_MS 200

/* Sets metrics of the route to the peer: route(p, .value[RTAX_MTU] = 1000). */
#define route(p, ...) \
	route_add_metrics(WHERE((p)->test), &(p)->addr, 32, "tun0", \
			  &(struct route_metrics){ __VA_ARGS__ })

TEST_F(metrics, mtu)
{
	struct peer *p = &self->peer;
	struct segment first;
	struct conn c;

	route(p, .value[RTAX_MTU] = mtu_of(1400));
	conn_open(p, &c, .opt = OPT(OPT_MSS(1460)));
	EXPECT_EQ(1360, (int)conn_info(&c).snd_mss);
	EXPECT_EQ(mtu_of(1400), (int)conn_info(&c).pmtu);
	EXPECT_EQ(1360, (int)c.kern_opt.mss);
	conn_write(&c, 1360);
	first = *conn_expect(&c, .len = 1360);
	EXPECT_TRUE(first.df);
	conn_send(&c, .flags = ACK);
}

/* Locked: path MTU discovery is off, and so is DF (RFC 1191 6.6), where there is one. */
TEST_F(metrics, mtu_lock)
{
	struct peer *p = &self->peer;
	struct segment first;
	struct conn c;

	route(p, .value[RTAX_MTU] = mtu_of(1400), .value[RTAX_LOCK] = 1 << RTAX_MTU);
	conn_open(p, &c, .opt = OPT(OPT_MSS(1460)));
	conn_write(&c, 1360);
	first = *conn_expect(&c, .len = 1360);
	EXPECT_EQ(p->family == AF_INET6, first.df);
	peer_send_icmp(p, .type = 3, .code = 4, .quote = &first, .rest = 1300);
	/* IPv6 can't do without, as in Linux: the lock does not affect that. */
	if (p->family == AF_INET6)
		conn_expect(&c, .seq = 1, .len = 1260);
	else
		peer_expect_silence(p, 20);
	EXPECT_EQ(p->family == AF_INET6 ? 1260 : 1360, (int)conn_info(&c).snd_mss);
	peer_drain(p, 1);
	conn_send(&c, .flags = ACK);
}

TEST_F(metrics, advmss)
{
	struct peer *p = &self->peer;
	struct conn c;

	route(p, .value[RTAX_ADVMSS] = 700);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .mss = 700);
	conn_send(&c, .flags = RST | ACK, .ack = 1);
	conn_start(p, &c);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .mss = 700);
	conn_send(&c, .flags = RST, .seq = 1);
}

/* With timestamps, the options are longer than that. */
TEST_F(metrics, advmss_of_eight_bytes)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	route(p, .value[RTAX_ADVMSS] = 8);
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS), OPT_TS(1, 0)));
	EXPECT_EQ(0, (int)conn_info(&c).advmss);
}

TEST_F(metrics, initcwnd)
{
	struct peer *p = &self->peer;
	struct conn c;

	route(p, .value[RTAX_INITCWND] = 17);
	conn_open(p, &c, .opt = WITH_SACK);
	EXPECT_EQ(17, (int)conn_info(&c).cwnd);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1000000);
	conn_write(&c, 30 * MSS);
	EXPECT_EQ(17, peer_drain(p, 1));
	conn_send(&c, .flags = RST, .seq = 1);

	conn_open(p, &c, .active = true, .opt = WITH_SACK);
	EXPECT_EQ(17, (int)conn_info(&c).cwnd);
}

/* After a pause the window shrinks to that at most (RFC 5681 4.1). */
TEST_F(metrics, initcwnd_after_a_pause)
{
	struct peer *p = &self->peer;
	struct conn c;

	route(p, .value[RTAX_INITCWND] = 17);
	conn_open(p, &c, .opt = WITH_SACK);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1000000);
	conn_write(&c, 17 * MSS);
	EXPECT_EQ(17, peer_drain(p, 1));
	conn_send(&c, .flags = ACK, .ack = 1 + 17 * MSS);
	EXPECT_EQ(34, (int)conn_info(&c).cwnd);
	sleep_ms(10000);
	conn_write(&c, 40 * MSS);
	EXPECT_EQ(17, peer_drain(p, 1));
	conn_send(&c, .flags = RST, .seq = 1);
}

TEST_F(metrics, initrwnd)
{
	struct peer *p = &self->peer;
	struct conn c;

	route(p, .value[RTAX_INITRWND] = 4);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .wnd = 4 * 1460);
	conn_send(&c, .flags = RST | ACK, .ack = 1);
	conn_start(p, &c);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .wnd = 4 * 1460);
	conn_send(&c, .flags = RST, .seq = 1);
}

/* The largest window that is ever offered. */
TEST_F(metrics, window)
{
	struct peer *p = &self->peer;
	struct conn c;
	int clamp = 0;
	socklen_t len = sizeof(clamp);

	route(p, .value[RTAX_WINDOW] = 8000);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .wnd = 5 * 1460);
	conn_send(&c, .flags = RST | ACK, .ack = 1);
	close(c.fd);
	conn_start(p, &c, .opt = WITH_SACK);
	conn_send(&c, .flags = SYN);
	/* As many full segments: what the connection then takes. */
	conn_expect(&c, .flags = SYN | ACK, .wnd = 5 * 1460);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	getsockopt(c.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, &len);
	EXPECT_EQ(8000, clamp);
	conn_send(&c, .flags = ACK | PSH, .len = 100);
	conn_expect(&c, .flags = ACK, .ack = 101, .within_ms = 210);
	EXPECT_GE(8000, p->last.wnd);
	EXPECT_LE(8000 - 1460, p->last.wnd);
}

static void clamp_to_20000(int fd)
{
	socket_set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 20000);
}

/* The program's clamp replaces the route's, a larger one, too. */
TEST_F(metrics, window_clamp_of_the_listener)
{
	struct peer *p = &self->peer;
	struct conn c;

	route(p, .value[RTAX_WINDOW] = 8000);
	conn_start(p, &c, .opt = WITH_SACK, .prepare = clamp_to_20000);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .wnd = 13 * 1460);
	conn_send(&c, .flags = RST, .seq = 1);
}

/* The next connection of the same socket may have another route. */
TEST_F(metrics, window_of_a_former_connection)
{
	struct peer *p = &self->peer;
	int clamp = -1;
	socklen_t len = sizeof(clamp);
	struct conn c;

	route(p, .value[RTAX_WINDOW] = 8000);
	conn_open(p, &c, .active = true, .opt = WITH_SACK);
	ASSERT_EQ(0, socket_disconnect(c.fd));
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, &len));
	EXPECT_EQ(0, clamp);
	EXPECT_EQ(EINPROGRESS, socket_connect(c.fd, "10.0.0.3", 4242));
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 4242, .dst = ipaddr("10.0.0.3"));
	EXPECT_LT(8000, p->last.wnd);
}

/* So does the program's own clamp, as in Linux. */
TEST_F(metrics, window_clamp_of_a_former_connection)
{
	struct peer *p = &self->peer;
	int clamp = -1;
	socklen_t len = sizeof(clamp);
	struct conn c;

	conn_open(p, &c, .active = true, .opt = WITH_SACK);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 9000));
	ASSERT_EQ(0, socket_disconnect(c.fd));
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, &len));
	EXPECT_EQ(0, clamp);
}

TEST_F(metrics, rto_min)
{
	struct peer *p = &self->peer;
	struct conn c;

	route(p, .value[RTAX_RTO_MIN] = 1000, .value[RTAX_LOCK] = 1 << RTAX_RTO_MIN);
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)));
	conn_write(&c, MSS);
	conn_expect(&c, .seq = 1, .len = MSS);
	peer_mark_last(p);
	conn_expect(&c, .seq = 1, .len = MSS, .at_ms = 1000);
	conn_send(&c, .flags = ACK);
}

/* Until the first data segment is timed. */
TEST_F(metrics, rtt)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* see cwnd_lock */
	/* In eighths of a millisecond: 500 ms, so 500 + 2 * 500 until there is a sample. */
	route(p, .value[RTAX_RTT] = 8 * 500, .value[RTAX_LOCK] = 1 << RTAX_RTT);
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)));
	EXPECT_EQ(1500, (int)(conn_info(&c).rto_us / 1000));
	conn_write(&c, MSS);
	conn_expect(&c, .seq = 1, .len = MSS);
	conn_send(&c, .flags = ACK);
	EXPECT_GE(210, (int)(conn_info(&c).rto_us / 1000));
}

TEST_F(metrics, cwnd_lock)
{
	struct peer *p = &self->peer;
	struct conn c;
	int64_t next = 1;

	/* There it counts from the second connection to a peer on. */
	NOT_ON_STOCK();
	route(p, .value[RTAX_CWND] = 12, .value[RTAX_LOCK] = 1 << RTAX_CWND);
	conn_open(p, &c, .opt = WITH_SACK);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1000000);
	for (int round = 0; round < 3; round++) {
		int n = conn_info(&c).cwnd;

		conn_write(&c, n * MSS);
		for (int i = 0; i < n; i++, next += MSS)
			conn_expect(&c, .seq = next, .len = MSS);
		conn_send(&c, .flags = ACK);
	}
	EXPECT_EQ(12, (int)conn_info(&c).cwnd);
}

TEST_F(metrics, reordering_lock)
{
	struct peer *p = &self->peer;
	struct conn c;
	struct tcp_info info;
	socklen_t len = sizeof(info);

	NOT_ON_STOCK();		/* see cwnd_lock */
	route(p, .value[RTAX_REORDERING] = 9, .value[RTAX_LOCK] = 1 << RTAX_REORDERING);
	conn_open(p, &c, .opt = WITH_SACK);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(9, (int)info.tcpi_reordering);
	/* Not more than the knob allows. */
	conn_send(&c, .flags = RST);
	ASSERT_EQ(0, knob_set("max_reordering", 5));
	conn_open(p, &c, .opt = WITH_SACK, .kport = KERNEL_PORT + 1);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(5, (int)info.tcpi_reordering);
}

/* A documented deviation: Linux uses it only with tcp_no_ssthresh_metrics_save = 0. */
TEST_F(metrics, ssthresh_lock)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	route(p, .value[RTAX_SSTHRESH] = 11, .value[RTAX_LOCK] = 1 << RTAX_SSTHRESH);
	conn_open(p, &c, .opt = WITH_SACK);
	EXPECT_EQ(11, (int)conn_info(&c).ssthresh);
}

TEST_F(metrics, quickack)
{
	struct peer *p = &self->peer;
	struct conn c;

	route(p, .value[RTAX_QUICKACK] = 1);
	conn_open(p, &c, .opt = WITH_SACK);
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);	/* ACKs wait for data */
	for (int i = 0; i < 3; i++) {
		conn_send(&c, .flags = ACK | PSH, .len = 10);
		conn_expect(&c, .flags = ACK, .ack = 1 + 10 * (i + 1));
	}
}

TEST_F(metrics, hoplimit)
{
	struct peer *p = &self->peer;
	struct conn c;

	route(p, .value[RTAX_HOPLIMIT] = 7);
	conn_start(p, &c);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ttl = 7);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	conn_write(&c, 10);
	conn_expect(&c, .len = 10, .ttl = 7);
	conn_send(&c, .flags = ACK);
}

TEST_F(metrics, congctl)
{
	struct peer *p = &self->peer;
	char name[16] = "";
	socklen_t len = sizeof(name);
	struct conn c;

	route(p, .congctl = "reno");
	conn_open(p, &c);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, name, &len));
	EXPECT_STREQ("reno", name);
	EXPECT_EQ(0, setsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5));
	close(c.lfd);

	route(p, .congctl = "reno", .value[RTAX_LOCK] = 1 << RTAX_CC_ALGO);
	conn_open(p, &c, .active = true);
	len = sizeof(name);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, name, &len));
	EXPECT_STREQ("reno", name);
	EXPECT_EQ(-1, setsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5));
	EXPECT_EQ(EPERM, errno);
	/* The socket forgets its route, but not the lock. */
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_DONTROUTE, 0));
	EXPECT_EQ(-1, setsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5));
	EXPECT_EQ(EPERM, errno);
	if (stock_mode())
		return;		/* where the lock outlives the connection */
	ASSERT_EQ(0, socket_disconnect(c.fd));
	conn_expect(&c, .flags = RST | ACK);
	EXPECT_EQ(0, setsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5));
}

/* A lock that the route has got since is none for the connection. */
TEST_F(metrics, congctl_locked_later)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	route(p, .congctl = "reno", .value[RTAX_LOCK] = 1 << RTAX_CC_ALGO);
	conn_write(&c, 10);
	conn_expect(&c, .len = 10);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(0, setsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5));
}

/* --- IP_MTU_DISCOVER ------------------------------------------------------- */

/*
 * A segment of 1460 bytes, and a router that takes 1300. Is DF set, and what is sent
 * again? IPv6 routers never fragment, so DF can't be cleared.
 */
static void too_big(struct __test_metadata *_metadata, struct peer *p, int mode, bool df,
		    bool believed)
{
	struct segment first;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1460)));
	EXPECT_EQ(0, socket_set_ip(c.fd, IP_MTU_DISCOVER, mode));
	conn_write(&c, 1460);
	first = *conn_expect(&c, .len = 1460);
	EXPECT_EQ(df || p->family == AF_INET6, first.df);
	peer_send_icmp(p, .type = 3, .code = 4, .quote = &first, .rest = 1300);
	if (believed)
		conn_expect(&c, .seq = 1, .len = 1260);
	else
		peer_expect_silence(p, 20);
	peer_drain(p, 1);
	EXPECT_EQ(believed ? 1260 : 1460, (int)conn_info(&c).snd_mss);
	conn_send(&c, .flags = RST, .seq = 1);
	p->leave_unread = true;
}

TEST_F(metrics, ip_mtu_discover_want)
{
	too_big(_metadata, &self->peer, IP_PMTUDISC_WANT, true, true);
}

TEST_F(metrics, ip_mtu_discover_do)
{
	too_big(_metadata, &self->peer, IP_PMTUDISC_DO, true, true);
}

/* For TCP it only means that DF is not set. */
TEST_F(metrics, ip_mtu_discover_probe)
{
	too_big(_metadata, &self->peer, IP_PMTUDISC_PROBE, false, true);
}

TEST_F(metrics, ip_mtu_discover_dont)
{
	too_big(_metadata, &self->peer, IP_PMTUDISC_DONT, false, self->peer.family == AF_INET6);
}

TEST_F(metrics, ip_mtu_discover_interface)
{
	too_big(_metadata, &self->peer, IP_PMTUDISC_INTERFACE, false, false);
}

TEST_F(metrics, ip_mtu_discover_omit)
{
	too_big(_metadata, &self->peer, IP_PMTUDISC_OMIT, false, false);
}

TEST_HARNESS_MAIN
