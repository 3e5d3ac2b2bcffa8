// SPDX-License-Identifier: GPL-2.0
/*
 * ephemeral: which local port a socket gets that names none: connect(), bind() to port 0,
 * IP_BIND_ADDRESS_NO_PORT; which ports are left out, and what the next one tells an observer.
 * RFC 6056.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#define PORT_RANGE "/proc/sys/net/ipv4/ip_local_port_range"
#define PORTS_RESERVED "/proc/sys/net/ipv4/ip_local_reserved_ports"
#define CROWD 60

PEER_FIXTURE(ephemeral);

/*
 * The port of a new connection to that address; the connect is given up unless @keep.
 */
static int port_of_connect(struct peer *p, const char *to, int dport, int *keep)
{
	int fd = socket_new(-1), port, err;

	err = socket_connect(fd, to, dport);
	if (err != EINPROGRESS) {
		close(fd);
		return -err;
	}
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = dport,
		    .dst = ipaddr(to));
	port = p->last.sport;
	if (keep)
		*keep = fd;
	else
		close(fd);
	return port;
}

static void range_set(struct __test_metadata *_metadata, int low, int high)
{
	char text[32];

	snprintf(text, sizeof(text), "%d %d", low, high);
	ASSERT_EQ(0, sysctl_write(PORT_RANGE, text));
}

/* An explicitly bound port stays, and when all sockets are gone it is free. */
TEST_F(ephemeral, rfc6056_port_at_many_addresses_is_left_out)
{
	struct peer *p = &self->peer;
	int crowd[CROWD], fd;
	char text[32];

	ASSERT_EQ(0, nonlocal_bind_allow());
	range_set(_metadata, 40000, 40001);
	for (int i = 0; i < CROWD; i++) {
		snprintf(text, sizeof(text), "127.0.1.%d", 1 + i);
		crowd[i] = socket_new(-1);
		ASSERT_EQ(0, socket_bind(crowd[i], text, 40000));
	}
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(40001, port_of_connect(p, "10.0.0.2", 80, NULL));
	for (int i = 0; i < CROWD; i++)
		close(crowd[i]);
	fd = socket_new(-1);
	EXPECT_EQ(0, socket_bind(fd, "", 40001));
	EXPECT_EQ(40000, port_of_connect(p, "10.0.0.2", 80, NULL));
}

TEST_F(ephemeral, rfc6056_ports_come_from_the_range)
{
	struct peer *p = &self->peer;

	for (int i = 0; i < 100; i++) {
		int port = port_of_connect(p, "10.0.0.2", 80, NULL);

		EXPECT_LE(32768, port);
		EXPECT_GE(60999, port);
	}
	range_set(_metadata, 2000, 2009);
	for (int i = 0; i < 40; i++) {
		int port = port_of_connect(p, "10.0.0.2", 80, NULL);

		EXPECT_LE(2000, port);
		EXPECT_GE(2009, port);
	}
}

/* Every port of the range, each once; then none; then for another peer. */
static void all_are_used(struct __test_metadata *_metadata, struct peer *p,
			 int low, int high, int reserved)
{
	int n = high - low + 1 - (reserved ? 1 : 0);
	bool seen[64] = { false };
	int fd[64], port;

	range_set(_metadata, low, high);
	for (int i = 0; i < n; i++) {
		port = port_of_connect(p, "10.0.0.2", 80, &fd[i]);
		ASSERT_LE(low, port);
		ASSERT_GE(high, port);
		EXPECT_NE(reserved, port);
		EXPECT_FALSE(seen[port - low]);
		seen[port - low] = true;
	}
	EXPECT_EQ(-EADDRNOTAVAIL, port_of_connect(p, "10.0.0.2", 80, NULL));
	EXPECT_LT(0, port_of_connect(p, "10.0.0.2", 81, NULL));
	EXPECT_LT(0, port_of_connect(p, "10.0.0.3", 80, NULL));
	/* A port that is released is found again. */
	close(fd[n / 2]);
	EXPECT_LT(0, port_of_connect(p, "10.0.0.2", 80, NULL));
}

TEST_F(ephemeral, rfc6056_every_port_of_an_odd_range)
{
	all_are_used(_metadata, &self->peer, 40001, 40031, 0);
}

TEST_F(ephemeral, rfc6056_every_port_of_an_even_range)
{
	all_are_used(_metadata, &self->peer, 40000, 40029, 0);
}

TEST_F(ephemeral, rfc6056_range_of_one)
{
	all_are_used(_metadata, &self->peer, 40000, 40000, 0);
}

/* A socket's own share of the range, since Linux 6.3. */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static int own_range_fd(int low, int high, int *err)
{
	int fd = socket_new(-1);

	*err = socket_set(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, high << 16 | low);
	return fd;
}

TEST_F(ephemeral, rfc6056_range_of_a_socket)
{
	struct peer *p = &self->peer;
	int err, fd = own_range_fd(41000, 41003, &err);
	unsigned int seen = 0;

	range_set(_metadata, 40000, 42000);
	if (err) {
		/* This kernel has no such option for any protocol. */
		ASSERT_EQ(ENOPROTOOPT, err);
		ASSERT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 80));
		peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 80);
		return;
	}
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 80));
		peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 80);
		ASSERT_LE(41000, p->last.sport);
		ASSERT_GE(41003, p->last.sport);
		seen |= 1 << (p->last.sport - 41000);
		fd = own_range_fd(41000, 41003, &err);
	}
	EXPECT_EQ(15, seen);
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.2", 80));
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 81));
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 81);
	/* bind() to any port follows it as well. */
	fd = own_range_fd(41500, 41500, &err);
	ASSERT_EQ(0, socket_bind(fd, "", 0));
	EXPECT_EQ(41500, socket_port(fd));
	fd = own_range_fd(41500, 41500, &err);
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "", 0));
}

TEST_F(ephemeral, rfc6056_reserved_ports_are_left_out)
{
	ASSERT_EQ(0, sysctl_write(PORTS_RESERVED, "40005"));
	all_are_used(_metadata, &self->peer, 40000, 40009, 40005);
}

TEST_F(ephemeral, lc_89_exhausted_is_eaddrnotavail)
{
	all_are_used(_metadata, &self->peer, 40000, 40003, 0);
}

/* 3.3.4: each peer has another starting point, which cannot be computed. */
TEST_F(ephemeral, rfc6056_each_peer_begins_elsewhere)
{
	enum { N = 64 };
	struct peer *p = &self->peer;
	int port[N], near = 0;

	for (int i = 0; i < N; i++)
		port[i] = port_of_connect(p, "10.0.0.2", 1000 + i, NULL);
	for (int i = 1; i < N; i++)
		near += abs(port[i] - port[i - 1]) < 280;
	/* 280 on either side of 28232: by chance 1 in 50. */
	EXPECT_GE(8, near);
}

/*
 * For one peer it advances, by a step that varies: the next port can't be computed
 * from the last two.
 */
TEST_F(ephemeral, rfc6056_next_port_is_not_known)
{
	enum { N = 64 };
	struct peer *p = &self->peer;
	int last = port_of_connect(p, "10.0.0.2", 80, NULL), step = 0, same = 0, again = 0;

	for (int i = 0; i < N; i++) {
		int port = port_of_connect(p, "10.0.0.2", 80, NULL);

		again += port == last;
		same += port - last == step;
		step = port - last;
		last = port;
	}
	EXPECT_EQ(0, again);
	/* One of eight steps. */
	EXPECT_GE(32, same);
}

/* --- what many destinations' ports tell of the machine, CVE-2022-32296 */

/* A device that answers nothing, and the number of its peers whose ports are tried. */
#define NOWHERE "10.9.0.2"
#define DESTINATIONS 1500
/* Connections to each; a counter moves by STEP_MAX at most for each of them. */
#define ROUNDS 8
#define STEP_MAX 16
#define RANGE (60999 - 32768 + 1)

static void nowhere_add(struct __test_metadata *_metadata)
{
	struct ipaddr own = ipaddr("10.9.0.1");

	dummy_new(WHERE(_metadata), "dummy0");
	address_add(WHERE(_metadata), "dummy0", &own, test_family() == AF_INET6 ? 64 : 24);
}

static int port_towards(int dport)
{
	int fd = socket_new(-1), port;

	socket_connect(fd, NOWHERE, dport);
	port = socket_port(fd);
	close(fd);
	return port;
}

/* How far the counter has advanced. */
static int port_step(int from, int to)
{
	return (to - from + RANGE) % RANGE;
}

/*
 * Waits until the hash of port searches changes, which moves the starting points.
 * Returns when that was; fails after three of its periods.
 */
static int64_t period_begin(struct __test_metadata *_metadata)
{
	int64_t end = now_ns() + 30 * NSEC_PER_SEC;
	int last = port_towards(999), port;

	do {
		ASSERT_GT(end, now_ns()) {
			TH_LOG("ports of one destination go on from each other for ever");
		}
		sleep_ms(20);
		port = last;
		last = port_towards(999);
	} while (port_step(port, last) <= STEP_MAX);
	return now_ns();
}

/*
 * Which destinations share a counter with another one: their ports move further than
 * their own connections move them. Returns their number.
 */
static int shared_counters(bool *shared)
{
	int first[DESTINATIONS], n = 0;

	for (int i = 0; i < DESTINATIONS; i++)
		first[i] = port_towards(1000 + i);
	for (int round = 1; round < ROUNDS; round++)
		for (int i = 0; i < DESTINATIONS; i++)
			port_towards(1000 + i);
	for (int i = 0; i < DESTINATIONS; i++) {
		shared[i] = port_step(first[i], port_towards(1000 + i)) > ROUNDS * STEP_MAX;
		n += shared[i];
	}
	return n;
}

static int both(const bool *a, const bool *b)
{
	int n = 0;

	for (int i = 0; i < DESTINATIONS; i++)
		n += a[i] && b[i];
	return n;
}

/*
 * Of 1,500 destinations some 17 pairs share one of 2^16 counters. The pairs differ
 * after 10 s, and in another namespace, so they do not identify a machine whose keys
 * are random.
 */
TEST_F(ephemeral, cve_2022_32296_ports_do_not_name_the_machine)
{
	bool a[DESTINATIONS], later[DESTINATIONS], elsewhere[DESTINATIONS];
	int64_t began;
	int n;

	/* The kernel's TCP has one key for all namespaces. */
	NOT_ON_STOCK();
	nowhere_add(_metadata);
	period_begin(_metadata);
	n = shared_counters(a);
	EXPECT_LE(1, n);
	EXPECT_GE(100, n);
	began = period_begin(_metadata);
	EXPECT_GE(100, shared_counters(later));
	netns_new(WHERE(_metadata));
	nowhere_add(_metadata);
	EXPECT_GE(100, shared_counters(elsewhere));
	/* Three counts of one period, or nothing was compared. */
	EXPECT_GT(9 * NSEC_PER_SEC, now_ns() - began);
	/* By chance less than one of some 30. */
	EXPECT_GE(6, both(a, later));
	EXPECT_GE(6, both(later, elsewhere));
	EXPECT_GE(6, both(a, elsewhere));
}

/* connect() does not get a port that another socket has bound explicitly. */
TEST_F(ephemeral, rfc6056_bound_ports_are_left_out)
{
	struct peer *p = &self->peer;
	int fd = socket_new(-1);

	range_set(_metadata, 40000, 40001);
	ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", 40000));
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(40001, port_of_connect(p, "10.0.0.2", 80, NULL));
}

/*
 * connect() takes ports of the parity of the range's first one, bind() the others while there are
 * some: so a bind() to any port finds one that no connection uses.
 */
TEST_F(ephemeral, bind_and_connect_take_different_halves)
{
	struct peer *p = &self->peer;
	int fd;

	range_set(_metadata, 40000, 40999);
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(0, port_of_connect(p, "10.0.0.2", 80, NULL) % 2);
		fd = socket_new(-1);
		ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", 0));
		EXPECT_EQ(1, socket_port(fd) % 2);
	}
}

/* A reserved port is for the program that names it. */
TEST_F(ephemeral, bind_and_listen_leave_reserved_ports_out)
{
	int fd;

	ASSERT_EQ(0, sysctl_write(PORTS_RESERVED, "40000"));
	range_set(_metadata, 40000, 40001);
	fd = socket_new(-1);
	ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", 0));
	EXPECT_EQ(40001, socket_port(fd));
	EXPECT_EQ(EADDRINUSE, socket_bind(socket_new(-1), "10.0.0.1", 0));
	close(fd);
	/* Nor does listen() without bind() take it. */
	fd = socket_new(-1);
	ASSERT_EQ(0, socket_listen(fd, 1));
	EXPECT_EQ(40001, socket_port(fd));
	EXPECT_EQ(EADDRINUSE, socket_listen(socket_new(-1), 1));
	EXPECT_EQ(0, socket_bind(socket_new(-1), "10.0.0.1", 40000));
}

/* bind() to port 0 knows no peer: each port is given once. */
TEST_F(ephemeral, bind_to_any_port)
{
	bool seen[10] = { false };
	int fd;

	range_set(_metadata, 40000, 40009);
	for (int i = 0; i < 10; i++) {
		fd = socket_new(-1);
		ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", 0));
		ASSERT_LE(40000, socket_port(fd));
		ASSERT_GE(40009, socket_port(fd));
		EXPECT_FALSE(seen[socket_port(fd) - 40000]);
		seen[socket_port(fd) - 40000] = true;
	}
	fd = socket_new(-1);
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "10.0.0.1", 0));
	EXPECT_EQ(0, socket_bind(fd, "127.0.0.1", 0));
}

/* With IP_BIND_ADDRESS_NO_PORT the 4-tuple decides, not the port. */
TEST_F(ephemeral, bind_address_only)
{
	struct peer *p = &self->peer;
	int fd[2];

	range_set(_metadata, 40000, 40000);
	for (int i = 0; i < 2; i++) {
		fd[i] = socket_new(-1);
		socket_set(fd[i], IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, 1);
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", 0));
		EXPECT_EQ(0, socket_port(fd[i]));
		ASSERT_EQ(EINPROGRESS, socket_connect(fd[i], "10.0.0.2", 80 + i));
		EXPECT_EQ(40000, socket_port(fd[i]));
		peer_expect(p, .flags = SYN, .sport = 40000, .dport = 80 + i);
	}
}

/* A connect() that failed leaves no port behind, nor an address. */
TEST_F(ephemeral, failed_connect_gives_the_port_back)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	range_set(_metadata, 40000, 40000);
	conn_to_state(p, &c, ST_SYN_SENT);
	conn_send(&c, .flags = RST | ACK, .seq = 0);
	EXPECT_EQ(ECONNREFUSED, socket_connect(c.fd, "10.0.0.2", 80));
	fd = socket_new(-1);
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", 40000));
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(c.fd, "10.0.0.2", 80));
	close(fd);
	/* And the socket may connect again. */
	ASSERT_EQ(EINPROGRESS, socket_connect(c.fd, "10.0.0.2", 80));
	peer_expect(p, .flags = SYN, .sport = 40000, .dport = 80);
}

/* A bound socket keeps its port through a failure. */
TEST_F(ephemeral, failed_connect_keeps_a_bound_port)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	conn_to_state(p, &c, ST_SYN_SENT, .kport = 7000);
	conn_send(&c, .flags = RST | ACK, .seq = 0);
	EXPECT_EQ(ECONNREFUSED, socket_connect(c.fd, "10.0.0.2", 80));
	fd = socket_new(-1);
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "10.0.0.1", 7000));
	ASSERT_EQ(EINPROGRESS, socket_connect(c.fd, "10.0.0.2", 80));
	peer_expect(p, .flags = SYN, .sport = 7000, .dport = 80);
}

TEST_HARNESS_MAIN
