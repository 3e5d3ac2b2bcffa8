// SPDX-License-Identifier: GPL-2.0
/*
 * route: neighbours that do not answer and routes that change under a connection. RFC
 * 9293 3.9.2 (MUST-44..46), RFC 1122 2.3.2.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <stdlib.h>

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
	/* Three ARP requests, or neighbour solicitations, a second apart. */
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
	/* The route to the peer changes to another device. */
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

	/* The device is deleted, with its route, and made anew. */
	conn_open(p, &c, .peer_addr = far);
	tun1 = tun_new(at, "tun1");
	route_add(at, &far, 32, NULL, "tun1");
	ASSERT_EQ(4, send(c.fd, "lost", 4, 0));
	close(tun1);
	/* Lost data is sent again, on the route that is left. */
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "lost", .within_ms = 2000);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* Return: true if the socket has that local address. */
static bool comes_from(int fd, const struct ipaddr *source)
{
	struct sockaddr_storage sa, want;
	socklen_t len = sizeof(sa);

	ipaddr_sockaddr(source, socket_port(fd), &want);
	return !getsockname(fd, (struct sockaddr *)&sa, &len) && !memcmp(&want, &sa, len);
}

TEST_F(route, rfc9293_must_44_source_is_chosen_by_route)
{
	struct conn c;

	conn_open(&self->peer, &c, .active = true);
	EXPECT_TRUE(comes_from(c.fd, &self->peer.kernel));
}

/* Return: true if a connection to that peer comes from there. */
static bool source_towards_is(const char *peer, const struct ipaddr *source)
{
	int fd = socket_new(-1);
	bool is;

	socket_connect(fd, peer, KERNEL_PORT);
	is = comes_from(fd, source);
	close(fd);
	return is;
}

/*
 * Repeatedly, because the next connection finds the cached source address of the
 * first; an address that comes with a nearer route, or over IPv6 is itself nearer to
 * the peer (RFC 6724 5, rule 8), changes the choice.
 */
TEST_F(route, rfc9293_must_44_each_network_has_its_source)
{
	static const struct networks {
		const char *near, *nearer, *lower, *upper, *elsewhere;
	} at[2] = {
		{ "192.0.2.1", "192.0.2.129", "192.0.2.2", "192.0.2.200", "198.51.100.1" },
		{ "fd00:c0::1", "fd00:c0:0:1::1", "fd00:c0::2", "fd00:c0:0:1::200", "fd00:b::1" },
	};
	const struct networks *to = &at[test_family() == AF_INET6];
	struct ipaddr near = ipaddr(to->near), nearer = ipaddr(to->nearer);
	struct peer *p = &self->peer;

	p->leave_unread = true;
	address_add(WHERE(_metadata), "tun0", &near, 24);
	for (int i = 0; i < 3; i++) {
		EXPECT_TRUE(source_towards_is("10.0.0.2", &p->kernel));
		EXPECT_TRUE(source_towards_is(to->elsewhere, &p->kernel));
		EXPECT_TRUE(source_towards_is(to->upper, &near));
	}
	address_add(WHERE(_metadata), "tun0", &nearer, 25);
	for (int i = 0; i < 3; i++) {
		EXPECT_TRUE(source_towards_is(to->upper, &nearer));
		EXPECT_TRUE(source_towards_is(to->lower, &near));
		EXPECT_TRUE(source_towards_is("10.0.0.2", &p->kernel));
	}
}

TEST_F(route, rfc9293_must_46_no_call_to_many)
{
	/* IPv6 has no broadcast, but groups of each scope. */
	static const char *const to[2][3] = {
		{ "224.0.0.1", "10.0.0.255", "255.255.255.255" },
		{ "ff01::1", "ff02::1", "ff0e::1" },
	};
	bool v6 = test_family() == AF_INET6;
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(to[v6]); i++) {
		struct ipaddr dst = ipaddr(to[v6][i]);
		int fd = stream_socket(AF_INET);
		struct sockaddr_storage sa;
		socklen_t len = ipaddr_sockaddr(&dst, 7, &sa);

		EXPECT_EQ(-1, connect(fd, (struct sockaddr *)&sa, len));
		EXPECT_EQ(ENETUNREACH, errno);
		close(fd);
	}
	peer_expect_silence(p, 20);
}

/* A rule of routing about local ports: "add sport 40000 prohibit". */
static void ip_rule(struct __test_metadata *_metadata, const char *what)
{
	char command[100];

	snprintf(command, sizeof(command), "ip %s rule %s",
		 test_family() == AF_INET6 ? "-6" : "-4", what);
	ASSERT_EQ(0, system(command)) TH_LOG("%s", command);
}

/*
 * Which port an unbound socket gets is known only in connect(), and a rule may forbid it
 * then. Over IPv6 the route is that of a port not chosen yet, as in Linux.
 */
TEST_F(route, rule_forbids_the_port_that_connect_chooses)
{
	struct peer *p = &self->peer;
	int fd = socket_new(-1), other = socket_new(-1);
	struct counters before;

	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000"));
	ip_rule(_metadata, "add sport 40000 prohibit");
	if (test_family() == AF_INET6) {
		EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", PEER_PORT));
		peer_expect(p, .flags = SYN, .sport = 40000, .dport = PEER_PORT);
		socket_abort(fd);
		return;
	}
	counters_take(&before);
	EXPECT_EQ(EACCES, socket_connect(fd, "10.0.0.2", PEER_PORT));
	counters_expect(_metadata, &before, NULL);
	EXPECT_EQ(POLLOUT | POLLHUP, socket_poll(fd));
	EXPECT_EQ(0, socket_error(fd));
	EXPECT_EQ(ENOTCONN, socket_name(fd, getpeername));
	/* The port is free for another socket. */
	EXPECT_EQ(0, socket_bind(other, "10.0.0.1", 40000));
	close(other);
	ip_rule(_metadata, "del sport 40000 prohibit");
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", PEER_PORT));
	peer_expect(p, .flags = SYN, .sport = 40000, .dport = PEER_PORT);
	socket_abort(fd);
}

/*
 * The same for the address that connect() chooses. The port is the one of bind(): it stays. Over
 * IPv6 the route is that of no address yet.
 */
TEST_F(route, rule_forbids_the_address_that_connect_chooses)
{
	struct peer *p = &self->peer;
	int fd = socket_new(-1), other = socket_new(-1);

	if (test_family() == AF_INET6)
		return;
	ASSERT_EQ(0, socket_bind(fd, "", 40000));
	ip_rule(_metadata, "add from 10.0.0.1 prohibit");
	EXPECT_EQ(EACCES, socket_connect(fd, "10.0.0.2", PEER_PORT));
	EXPECT_EQ(40000, socket_port(fd));
	EXPECT_EQ(EADDRINUSE, socket_bind(other, "10.0.0.1", 40000));
	close(other);
	ip_rule(_metadata, "del from 10.0.0.1 prohibit");
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", PEER_PORT));
	peer_expect(p, .flags = SYN, .sport = 40000, .dport = PEER_PORT);
	socket_abort(fd);
}

TEST_HARNESS_MAIN
