// SPDX-License-Identifier: GPL-2.0
/*
 * ipv6later: IPv6 that comes and goes while sockets exist: addresses added after a
 * listener was made, and devices on which sysctl disables IPv6.
 */
/* vm: short */
#include "lib/xtcp_test.h"

#include <stdlib.h>

PEER_FIXTURE(later);

FIXTURE_VARIANT_ADD(later, native) { .setup = { .family = AF_INET6 } };

#define TUN0 "/proc/sys/net/ipv6/conf/tun0/"

static int bind_any(int port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = stream_socket(AF_INET6);

	fd_nonblock(fd);
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 4))
		return -1;
	return fd;
}

static int call(const char *addr)
{
	struct sockaddr_in6 sa = {
		.sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_addr = ipaddr(addr).v6,
	};
	int fd = stream_socket(AF_INET6), err;

	fd_nonblock(fd);
	err = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) ? errno : 0;
	close(fd);
	return err;
}

TEST_F(later, an_address_comes_behind_the_listener)
{
	struct ipaddr second = ipaddr("fd00:b::1");
	struct peer *p = &self->peer;
	int lfd = bind_any(KERNEL_PORT);

	ASSERT_LE(0, lfd);
	address_add(WHERE(_metadata), "tun0", &second, 64);
	peer_send(p, .flags = SYN, .seq = 1, .src = ipaddr("fd00:b::2"), .dst = second);
	peer_expect(p, .flags = SYN | ACK, .ack = 2, .src = second, .dst = ipaddr("fd00:b::2"));
	peer_send(p, .flags = ACK, .seq = 2, .ack = p->last.seq + 1,
		  .src = ipaddr("fd00:b::2"), .dst = second);
	EXPECT_EQ(1, proc_rows(AF_INET6, ROW_ESTABLISHED));
	peer_send(p, .flags = RST, .seq = 2, .src = ipaddr("fd00:b::2"), .dst = second);
	close(lfd);
}

/* bind() to an address is refused before it exists, and works afterwards. */
TEST_F(later, bind_waits_for_its_address)
{
	struct ipaddr second = ipaddr("fd00:b::1");
	struct sockaddr_in6 sa = {
		.sin6_family = AF_INET6, .sin6_port = htons(6000), .sin6_addr = second.v6,
	};
	int fd = stream_socket(AF_INET6);

	EXPECT_EQ(-1, bind(fd, (struct sockaddr *)&sa, sizeof(sa)));
	EXPECT_EQ(EADDRNOTAVAIL, errno);
	address_add(WHERE(_metadata), "tun0", &second, 64);
	EXPECT_EQ(0, bind(fd, (struct sockaddr *)&sa, sizeof(sa)));
	close(fd);
}

/*
 * Disabled and enabled again by sysctl: meanwhile a socket's segments have no route,
 * nothing arrives, and the connection survives.
 */
TEST_F(later, switched_off_on_a_device)
{
	struct peer *p = &self->peer;
	struct counters before, after;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, sysctl_write(TUN0 "disable_ipv6", "1"));
	counters_take(&before);
	conn_send(&c, .flags = ACK | PSH, .data = "lost");
	c.peer_nxt -= 4;
	EXPECT_EQ(ENETUNREACH, call("fd00:a::2"));
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	peer_expect_silence(p, 3000);
	counters_take(&after);
	EXPECT_EQ(counter_get(&before, "InSegs"), counter_get(&after, "InSegs"));
	conn_expect_state(&c, ST_ESTABLISHED);

	ASSERT_EQ(0, sysctl_write(TUN0 "disable_ipv6", "0"));
	address_add(WHERE(_metadata), "tun0", &p->kernel, 64);
	route_add_default(WHERE(_metadata), "tun0", AF_INET6);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text", .within_ms = 10000);
	conn_send(&c, .flags = ACK | PSH, .data = "back");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 210);
}

/* Without any address connect() fails at once, and a listener can wait. */
TEST_F(later, a_device_without_addresses)
{
	struct peer *p = &self->peer;
	int lfd;

	ASSERT_EQ(0, sysctl_write(TUN0 "disable_ipv6", "1"));
	EXPECT_EQ(ENETUNREACH, call("fd00:a::2"));
	lfd = bind_any(KERNEL_PORT);
	ASSERT_LE(0, lfd);
	/* Loopback is another device. */
	EXPECT_EQ(EINPROGRESS, call("::1"));
	ASSERT_EQ(0, sysctl_write(TUN0 "disable_ipv6", "0"));
	address_add(WHERE(_metadata), "tun0", &p->kernel, 64);
	route_add_default(WHERE(_metadata), "tun0", AF_INET6);
	peer_send(p, .flags = SYN, .seq = 1);
	peer_expect(p, .flags = SYN | ACK, .ack = 2);
	close(lfd);
}

TEST_HARNESS_MAIN
