// SPDX-License-Identifier: GPL-2.0
/*
 * route: neighbours that don't answer and routes that change under a
 * connection. RFC 9293 3.9.2 (MUST-44..46), RFC 1122 2.3.2.
 */
/* vm: wires */
#include "lib/xtcp_test.h"

PEER_FIXTURE(route);
PAIR_FIXTURE(neighbour);

TEST_F(neighbour, lc_101_unresolved_is_ehostunreach)
{
	struct sockaddr_storage sa;
	struct pair *pr = &self->pair;
	struct ipaddr nobody = ipaddr("10.0.0.77");
	int64_t start_ms;
	socklen_t len;
	int fd;

	pair_enter(pr, CLIENT);
	fd = stream_socket(AF_INET);
	len = ipaddr_sockaddr(&nobody, KERNEL_PORT, &sa);
	start_ms = now_ms();
	ASSERT_EQ(-1, connect(fd, (struct sockaddr *)&sa, len));
	EXPECT_EQ(EHOSTUNREACH, errno);
	/* Three ARP requests a second apart. */
	EXPECT_LE(2900, now_ms() - start_ms);
	EXPECT_GE(3500, now_ms() - start_ms);
}

TEST_F(route, lc_110_stale_route_is_looked_up_again)
{
	struct ipaddr far = ipaddr("192.0.2.2");
	struct where at = WHERE(_metadata);
	struct peer *p = &self->peer;
	struct conn c;
	int tun0;

	conn_open(p, &c, .peer_addr = far);
	ASSERT_EQ(3, send(c.fd, "old", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "old");
	conn_send(&c, .flags = ACK);
	/* The way to the peer turns to another device. */
	tun0 = p->tun;
	p->tun = tun_new(at, "tun1");
	route_add(at, &far, 32, NULL, "tun1");
	ASSERT_EQ(3, send(c.fd, "new", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "new");
	conn_send(&c, .flags = ACK | PSH, .data = "back");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 210);
	conn_expect_state(&c, ST_ESTABLISHED);
	close(p->tun);
	p->tun = tun0;
}

TEST_F(route, lc_110_route_lost_and_found)
{
	struct ipaddr far = ipaddr("192.0.2.2");
	struct where at = WHERE(_metadata);
	struct peer *p = &self->peer;
	struct conn c;
	int tun1;

	/* Through a device that goes away, route and all, and then another. */
	conn_open(p, &c, .peer_addr = far);
	tun1 = tun_new(at, "tun1");
	route_add(at, &far, 32, NULL, "tun1");
	ASSERT_EQ(4, send(c.fd, "lost", 4, 0));
	close(tun1);
	/* What was lost is sent again, on the route that is left. */
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "lost", .within_ms = 2000);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(route, rfc9293_must_44_source_is_chosen_by_route)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct conn c;

	conn_open(&self->peer, &c, .active = true);
	ASSERT_EQ(0, getsockname(c.fd, (struct sockaddr *)&sa, &len));
	EXPECT_EQ(self->peer.kernel.v4.s_addr,
		  ((struct sockaddr_in *)&sa)->sin_addr.s_addr);
}

/* Where a connection to that peer comes from. */
static in_addr_t source_towards(const char *peer)
{
	struct sockaddr_in sa = { 0 };
	socklen_t len = sizeof(sa);
	int fd = socket_new(-1);

	socket_connect(fd, peer, KERNEL_PORT);
	getsockname(fd, (struct sockaddr *)&sa, &len);
	close(fd);
	return sa.sin_addr.s_addr;
}

/*
 * Time and again, for what the first one has found is at hand for the next;
 * an address that comes with a nearer route changes what was found.
 */
TEST_F(route, rfc9293_must_44_each_network_has_its_source)
{
	struct ipaddr near = ipaddr("192.0.2.1"), nearer = ipaddr("192.0.2.129");
	struct peer *p = &self->peer;

	p->leave_unread = true;
	address_add(WHERE(_metadata), "tun0", &near, 24);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(p->kernel.v4.s_addr, source_towards("10.0.0.2"));
		EXPECT_EQ(p->kernel.v4.s_addr, source_towards("198.51.100.1"));
		EXPECT_EQ(near.v4.s_addr, source_towards("192.0.2.200"));
	}
	address_add(WHERE(_metadata), "tun0", &nearer, 25);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(nearer.v4.s_addr, source_towards("192.0.2.200"));
		EXPECT_EQ(near.v4.s_addr, source_towards("192.0.2.2"));
		EXPECT_EQ(p->kernel.v4.s_addr, source_towards("10.0.0.2"));
	}
}

TEST_F(route, rfc9293_must_46_no_call_to_many)
{
	static const char *const to[] = { "224.0.0.1", "10.0.0.255", "255.255.255.255" };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		struct ipaddr dst = ipaddr(to[i]);
		int fd = stream_socket(AF_INET);
		struct sockaddr_storage sa;
		socklen_t len = ipaddr_sockaddr(&dst, 7, &sa);

		EXPECT_EQ(-1, connect(fd, (struct sockaddr *)&sa, len));
		EXPECT_EQ(ENETUNREACH, errno);
		close(fd);
	}
	peer_expect_silence(p, 20);
}

TEST_HARNESS_MAIN
