// SPDX-License-Identifier: GPL-2.0
/*
 * ipoptions: the options of IP on a socket: TTL and its minimum, TOS, and what
 * IP_RECVERR reports of the path. RFC 9293 MUST-47, 48, 49; SHLD-20, 21, 22, 25. As on
 * Linux TCP.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>

PEER_FIXTURE(ipoptions);

static void ttl_100(int fd)
{
	socket_set_ip(fd, IP_TTL, 100);
}

/* On every segment, from the SYN on, and changed at any time. */
TEST_F(ipoptions, rfc9293_must_49_ttl)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .prepare = ttl_100);
	EXPECT_EQ(100, p->last.ttl);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .ttl = 100);
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_TTL, 9));
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .seq = 1, .len = 1, .ttl = 9);
	/* Without the option, the namespace's value. */
	conn_open(p, &c);
	EXPECT_EQ(64, p->last.ttl);
	ASSERT_EQ(0, default_ttl_set(33));
	conn_open(p, &c, .kport = 5001);
	EXPECT_EQ(33, p->last.ttl);
}

/* A source route to 0.0.0.0 is refused, which without one means this host. */
TEST_F(ipoptions, opt_source_route_needs_a_destination)
{
	/* Loose source route with one router. */
	static const uint8_t route[] = { 131, 7, 4, 10, 0, 0, 2, 0 };
	int fd;

	if (self->peer.family != AF_INET || test_is_mapped())
		return;
	fd = socket_new(-1);
	ASSERT_EQ(0, setsockopt(fd, IPPROTO_IP, IP_OPTIONS, route, sizeof(route)));
	EXPECT_EQ(EINVAL, socket_connect(fd, "0.0.0.0", 80));
	close(fd);
}

/* Groups are refused to connections. Over IPv6 an int of the value is read before. */
TEST_F(ipoptions, opt_ipv6_membership)
{
	static const int names[] = { IPV6_ADD_MEMBERSHIP, IPV6_DROP_MEMBERSHIP };
	const struct ipv6_mreq group = { .ipv6mr_interface = 1 };
	void *bad = (void *)8;
	int fd = stream_socket(AF_INET6);

	ASSERT_LE(0, fd);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(EPROTO, errno_of(setsockopt(fd, IPPROTO_IPV6, names[i], &group,
						      sizeof(group))));
		EXPECT_EQ(EPROTO, errno_of(setsockopt(fd, IPPROTO_IPV6, names[i], NULL,
						      sizeof(group))));
		EXPECT_EQ(EFAULT, errno_of(setsockopt(fd, IPPROTO_IPV6, names[i], bad,
						      sizeof(group))));
		EXPECT_EQ(EFAULT, errno_of(setsockopt(fd, IPPROTO_IPV6, names[i], bad,
						      sizeof(int))));
		EXPECT_EQ(EINVAL, errno_of(setsockopt(fd, IPPROTO_IPV6, names[i], bad, 3)));
	}
	close(fd);
}

static void tos_a0(int fd)
{
	socket_set_ip(fd, IP_TOS, 0xa0);
}

TEST_F(ipoptions, rfc9293_must_48_tos)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .prepare = tos_a0);
	EXPECT_EQ(0xa0, p->last.tos);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1, .tos = 0xa0);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .seq = 1, .len = 1, .tos = 0xa0);
}

TEST_F(ipoptions, rfc9293_shld_21_tos_changes_in_mid_connection)
{
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .seq = 1, .len = 1, .tos = 0);
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_TOS, 0x48));
	ASSERT_EQ(1, send(c.fd, "y", 1, 0));
	conn_expect(&c, .seq = 2, .len = 1, .tos = 0x48);
}

/* The DSCP reaches IP as it was set; the two ECN bits are TCP's own. */
TEST_F(ipoptions, rfc9293_shld_22_tos_is_passed_unchanged)
{
	struct conn c;

	conn_open(&self->peer, &c);
	for (int tos = 0; tos < 256; tos += 36) {
		ASSERT_EQ(0, socket_set_ip(c.fd, IP_TOS, tos));
		ASSERT_EQ(1, send(c.fd, "x", 1, 0));
		conn_expect(&c, .len = 1, .tos = tos & 0xfc);
		conn_send(&c, .flags = ACK);
	}
}

TEST_F(ipoptions, opt_minttl_drops)
{
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_MINTTL, 255));
	conn_send(&c, .seq = 1, .flags = ACK | PSH, .data = "abc", .ttl = 254);
	peer_expect_silence(&self->peer, 300);
	conn_send(&c, .seq = 1, .flags = ACK | PSH, .data = "abc", .ttl = 255);
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = DELAYED_ACK_MS);
}

/* --- errors from the path ------------------------------------------------ */

TEST_F(ipoptions, rfc9293_must_47_soft_errors_are_reported)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .seq = 1, .len = 1);
	/* The default: the error is kept, and reported if the connection dies of it. */
	peer_send_icmp(p, .type = 3, .code = 1);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
	EXPECT_EQ(0, socket_error(c.fd));
	p->leave_unread = true;
}

TEST_F(ipoptions, rfc9293_shld_25_soft_errors_are_visible)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_RECVERR, 1));
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .seq = 1, .len = 1);
	peer_send_icmp(p, .type = 3, .code = 1);
	/* Reported at once, and the connection lives on. */
	EXPECT_EQ(POLLERR, socket_poll(c.fd) & POLLERR);
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
	conn_expect_state(&c, ST_ESTABLISHED);
	p->leave_unread = true;
}

/* The errno of reading the error queue; 0: there was one, which is taken. */
static int queued_errno(int fd)
{
	char control[256];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };

	return recvmsg(fd, &msg, MSG_ERRQUEUE) < 0 ? errno : 0;
}

/*
 * The program that asks for errors and does not read the queue: poll() is silent again
 * after SO_ERROR, and the errors take none of its receive buffer.
 */
TEST_F(ipoptions, ip_recverr_queues_nothing_of_a_connection)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_RECVERR, 1));
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .seq = 1, .len = 1);
	for (int i = 0; i < 3; i++) {
		peer_send_icmp(p, .type = 3, .code = 1);
		EXPECT_EQ(POLLERR | POLLOUT, socket_poll(c.fd));
		EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
		EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	}
	EXPECT_EQ(0, socket_meminfo(c.fd, SK_MEMINFO_RMEM_ALLOC));
	EXPECT_EQ(EAGAIN, queued_errno(c.fd));
	p->leave_unread = true;
}

static void with_errors(int fd)
{
	socket_set_ip(fd, IP_RECVERR, 1);
}

TEST_F(ipoptions, rfc9293_shld_20_reports_can_be_switched_off)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .prepare = with_errors);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .seq = 1, .len = 1);
	peer_send_icmp(p, .type = 3, .code = 1);
	EXPECT_EQ(POLLERR | POLLOUT, socket_poll(c.fd));
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_RECVERR, 0));
	peer_send_icmp(p, .type = 3, .code = 1);
	EXPECT_EQ(EAGAIN, queued_errno(c.fd));
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	EXPECT_EQ(1, send(c.fd, "y", 1, 0));
	/* What was queued of an opening but not read goes, too. */
	conn_to_state(p, &c, ST_SYN_SENT, .prepare = with_errors);
	peer_send_icmp(p, .type = 3, .code = 1);
	conn_expect_state(&c, ST_CLOSED);
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_RECVERR, 0));
	EXPECT_EQ(EAGAIN, queued_errno(c.fd));
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
	p->leave_unread = true;
}

TEST_HARNESS_MAIN
