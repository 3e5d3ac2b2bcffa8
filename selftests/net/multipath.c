// SPDX-License-Identifier: GPL-2.0
/*
 * multipath: a route with two paths, over which the connections of this host are spread.
 * net.ipv4.fib_multipath_hash_policy and that of IPv6: 0 hashes addresses, 1 also the ports.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <stdlib.h>
#include <unistd.h>

PEER_FIXTURE(multipath);

#define CONNECTIONS 64
/* With as many coins, fewer than 10 heads, or tails, come once in 10^8 times. */
#define MANY 10

struct paths {
	int tun[2];
	int usual;
	struct ipaddr far, own[2];
};

static struct ipaddr far_address(const struct peer *p)
{
	return ipaddr(p->family == AF_INET6 ? "2001:db8:9::9" : "192.0.2.9");
}

/* Routes a network through two devices; each has an address of its own. */
static void paths_open(struct __test_metadata *_metadata, struct peer *p, struct paths *paths)
{
	bool v6 = p->family == AF_INET6;

	paths->usual = p->tun;
	paths->far = far_address(p);
	for (int i = 0; i < 2; i++) {
		const char *dev = i ? "tun2" : "tun1";

		paths->own[i] = ipaddr(v6 ? i ? "2001:db8:2::1" : "2001:db8:1::1" :
					    i ? "10.2.0.1" : "10.1.0.1");
		paths->tun[i] = tun_new(WHERE(_metadata), dev);
		address_add(WHERE(_metadata), dev, &paths->own[i], v6 ? 64 : 24);
	}
	/* A router does not check whether a gateway is reachable. */
	if (v6)
		ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv6/conf/all/forwarding", "1"));
	shell_run(WHERE(_metadata), v6 ?
		  "ip -6 route add 2001:db8:9::/48"
		  " nexthop via fe80::1 dev tun1 nexthop via fe80::1 dev tun2" :
		  "ip route add 192.0.2.0/24 nexthop dev tun1 nexthop dev tun2");
}

static void paths_close(struct peer *p, struct paths *paths)
{
	p->tun = paths->usual;
	for (int i = 0; i < 2; i++)
		close(paths->tun[i]);
}

static void policy_set(struct __test_metadata *_metadata, const struct peer *p, const char *policy)
{
	ASSERT_EQ(0, sysctl_write(p->family == AF_INET6 ?
				  "/proc/sys/net/ipv6/fib_multipath_hash_policy" :
				  "/proc/sys/net/ipv4/fib_multipath_hash_policy", policy));
}

/* Adds to @n[] the segments that have left by each path. */
static void paths_count(struct peer *p, const struct paths *paths, int n[2])
{
	for (int i = 0; i < 2; i++) {
		p->tun = paths->tun[i];
		n[i] += peer_drain(p, 1);
	}
	p->tun = paths->usual;
}

/* The path by which the next segment has come, which the peer reads from now on; -1: none came. */
static int path_of_next(struct peer *p, const struct paths *paths)
{
	struct pollfd fds[2] = {
		{ .fd = paths->tun[0], .events = POLLIN },
		{ .fd = paths->tun[1], .events = POLLIN },
	};
	int i;

	if (poll(fds, 2, 1000) < 1)
		return -1;
	i = fds[0].revents ? 0 : 1;
	p->tun = paths->tun[i];
	return i;
}

/* @own: bound to this address; NULL: to none. */
static int far_connect(struct __test_metadata *_metadata, const struct paths *paths,
		       const struct ipaddr *own)
{
	struct sockaddr_storage sa;
	int fd = socket_new(-1);
	socklen_t len;

	ASSERT_LE(0, fd);
	if (own) {
		len = ipaddr_sockaddr(own, 0, &sa);
		ASSERT_EQ(0, socket_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
		ASSERT_EQ(0, bind(fd, (struct sockaddr *)&sa, len));
	}
	len = ipaddr_sockaddr(&paths->far, 80, &sa);
	ASSERT_EQ(-1, connect(fd, (struct sockaddr *)&sa, len));
	ASSERT_EQ(EINPROGRESS, errno);
	return fd;
}

/*
 * Opens connections to one port, and counts in @n[] the SYNs of each path. Over IPv6 each leaves
 * by the path that has its address; over IPv4 the path is looked up again, with that address.
 */
static void connections_spread(struct __test_metadata *_metadata, struct peer *p,
			       const struct paths *paths, int n[2])
{
	const struct segment *syn;
	int fd[CONNECTIONS];

	for (int i = 0; i < CONNECTIONS; i++)
		fd[i] = far_connect(_metadata, paths, NULL);
	for (int i = 0; i < 2; i++) {
		p->tun = paths->tun[i];
		for (; (syn = peer_read(p, now_ns() + NSEC_PER_MSEC)); n[i]++)
			EXPECT_TRUE(p->family == AF_INET || ipaddr_equal(&paths->own[i], &syn->src));
	}
	p->tun = paths->usual;
	for (int i = 0; i < CONNECTIONS; i++)
		close(fd[i]);
	EXPECT_EQ(CONNECTIONS, n[0] + n[1]);
}

/*
 * The port is chosen after the first lookup of the route. Over IPv6 that route stays: until
 * 6.16, when it began to be drawn, all connections have the same.
 */
TEST_F(multipath, the_ports_choose_the_path)
{
	struct peer *p = &self->peer;
	struct paths paths;
	int n[2] = { 0, 0 };

	paths_open(_metadata, p, &paths);
	policy_set(_metadata, p, "1");
	connections_spread(_metadata, p, &paths, n);
	if (p->family == AF_INET6 && !kernel_is_since(6, 16)) {
		EXPECT_EQ(0, n[0] * n[1]);
	} else {
		EXPECT_LE(MANY, n[0]);
		EXPECT_LE(MANY, n[1]);
	}
	paths_close(p, &paths);
}

/* Over IPv6 the flow hash of each connection does, since 7.3. */
TEST_F(multipath, the_addresses_choose_the_path)
{
	struct peer *p = &self->peer;
	struct paths paths;
	int n[2] = { 0, 0 };

	paths_open(_metadata, p, &paths);
	policy_set(_metadata, p, "0");
	connections_spread(_metadata, p, &paths, n);
	if (p->family == AF_INET6 && kernel_is_since(7, 3)) {
		EXPECT_LE(MANY, n[0]);
		EXPECT_LE(MANY, n[1]);
	} else {
		EXPECT_EQ(0, n[0] * n[1]);
	}
	paths_close(p, &paths);
}

/*
 * A path that swallows SYNs: each timeout chooses anew, if the flow hash chooses. Of 40 segments
 * all go the same way once in 10^11 times.
 */
TEST_F(multipath, a_timeout_leaves_the_path)
{
	struct peer *p = &self->peer;
	struct paths paths;
	int n[2] = { 0, 0 };
	int fd;

	paths_open(_metadata, p, &paths);
	policy_set(_metadata, p, "0");
	ASSERT_EQ(0, knob_set("syn_retries", 40));
	ASSERT_EQ(0, knob_set("rto_max_ms", 1000));
	fd = far_connect(_metadata, &paths, NULL);
	sleep(60);
	paths_count(p, &paths, n);
	close(fd);
	EXPECT_EQ(41, n[0] + n[1]);
	EXPECT_EQ(p->family == AF_INET6 && kernel_is_since(7, 3), n[0] && n[1]);
	paths_close(p, &paths);
}

/* The same for data, of which the peer sees no copy by the first path. */
TEST_F(multipath, data_leaves_the_path)
{
	struct peer *p = &self->peer;
	int n[2] = { 0, 0 };
	struct paths paths;
	struct conn c;

	policy_set(_metadata, p, "0");
	ASSERT_EQ(0, knob_set("rto_max_ms", 1000));
	conn_open(p, &c, .peer_addr = far_address(p));
	paths_open(_metadata, p, &paths);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	sleep(15);
	paths_count(p, &paths, n);
	EXPECT_LE(10, n[0] + n[1]);
	EXPECT_EQ(p->family == AF_INET6 && kernel_is_since(7, 3), n[0] && n[1]);
	p->leave_unread = true;
	socket_abort(c.fd);
	paths_close(p, &paths);
}

/* A firewall of each path sees all of a connection, or nothing. */
TEST_F(multipath, the_syn_ack_takes_the_path_of_the_data)
{
	struct peer *p = &self->peer;
	int way, n[2] = { 0, 0 };
	struct paths paths;
	struct conn c;

	paths_open(_metadata, p, &paths);
	policy_set(_metadata, p, "0");
	for (int i = 0; i < 32; i++) {
		conn_start(p, &c, .kport = KERNEL_PORT + i, .peer_addr = paths.far);
		conn_send(&c, .flags = SYN);
		way = path_of_next(p, &paths);
		ASSERT_LE(0, way);
		conn_expect(&c, .flags = SYN | ACK, .ack = 1);
		conn_send(&c, .flags = ACK);
		conn_accept(&c);
		ASSERT_EQ(1, send(c.fd, "x", 1, 0));
		ASSERT_EQ(way, path_of_next(p, &paths));
		conn_expect(&c, .data = "x");
		n[way]++;
		socket_abort(c.fd);
		ASSERT_EQ(way, path_of_next(p, &paths));
		conn_expect(&c, .flags = RST | ACK, .seq = 2);
	}
	EXPECT_EQ(p->family == AF_INET6 && kernel_is_since(7, 3), n[0] && n[1]);
	paths_close(p, &paths);
}

/* Another route, for nobody here, makes each connection look up its own again. */
static void looks_up_again(struct __test_metadata *_metadata, struct peer *p, const char *policy,
			   bool both)
{
	bool v6 = p->family == AF_INET6;
	int way, fd, n[2] = { 0, 0 };
	struct segment syn;
	struct paths paths;

	paths_open(_metadata, p, &paths);
	policy_set(_metadata, p, policy);
	for (int i = 0; i < 24; i++) {
		/* Over IPv6, a lookup without an address has another key than the later ones. */
		fd = far_connect(_metadata, &paths, v6 ? &paths.own[0] : NULL);
		way = path_of_next(p, &paths);
		ASSERT_LE(0, way);
		syn = *peer_read(p, now_ns() + NSEC_PER_MSEC);
		n[way]++;
		shell_run(WHERE(_metadata), v6 ?
			  "ip -6 route replace 2001:db8:9:1::/64 via fe80::1 dev tun1 metric 7;"
			  " ip -6 route del 2001:db8:9:1::/64" :
			  "ip route add 198.51.100.0/24 dev tun1; ip route del 198.51.100.0/24");
		peer_send(p, .src = paths.far, .sport = 80, .dst = syn.src, .dport = syn.sport,
			  .flags = SYN | ACK, .seq = 1000, .ack = syn.seq + 1);
		ASSERT_EQ(way, path_of_next(p, &paths));
		peer_drain(p, 1);
		socket_abort(fd);
		ASSERT_EQ(way, path_of_next(p, &paths));
		peer_drain(p, 1);
	}
	EXPECT_EQ(both, n[0] && n[1]);
	paths_close(p, &paths);
}

TEST_F(multipath, a_new_lookup_by_addresses_finds_the_same_path)
{
	looks_up_again(_metadata, &self->peer, "0",
		       self->peer.family == AF_INET6 && kernel_is_since(7, 3));
}

/* The kernel's TCP keeps the route of a lookup without the port over IPv6. */
TEST_F(multipath, a_new_lookup_by_ports_finds_the_same_path)
{
	if (self->peer.family == AF_INET6)
		NOT_ON_STOCK();
	looks_up_again(_metadata, &self->peer, "1", true);
}

TEST_HARNESS_MAIN
