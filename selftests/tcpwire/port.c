// SPDX-License-Identifier: GPL-2.0
/*
 * port: on the TCP wire xtcp and the kernel's TCP share one port space, by
 * the kernel's rules. LC-27, LC-116.
 */
/* vm: v6 mapped */
#include "lib/bpf.h"
#include "lib/module.h"
#include "lib/xtcp_test.h"

#define PORT_RANGE "/proc/sys/net/ipv4/ip_local_port_range"

PEER_FIXTURE(port);
FIXTURE_VARIANT_ADD(port, tcp) { .setup = { .wire = XTCP_WIRE_TCP } };

enum first { BOUND, LISTENS };

static const char *const addrs[] = { "", "10.0.0.1", "10.0.0.11", "127.0.0.1" };

struct cell {
	enum first first;
	int addr1, options1, addr2, options2;
};

/* The error of bind() of the second socket, or of listen() after it. */
static int second_errno(enum tcp_stack one, enum tcp_stack two, const struct cell *cell)
{
	int first = socket_of_stack(one, cell->options1);
	int second = socket_of_stack(two, cell->options2);
	int err;

	err = socket_bind(first, addrs[cell->addr1], 7000);
	if (!err && cell->first == LISTENS)
		err = socket_listen(first, 4);
	if (err) {
		err = 1000 + err;
	} else {
		err = socket_bind(second, addrs[cell->addr2], 7000);
		if (!err) {
			err = socket_listen(second, 4);
			err = err ? 2000 + err : 0;
		}
	}
	close(second);
	close(first);
	return err;
}

/*
 * The second socket gets the same error as a second socket of the kernel's TCP, but
 * SO_REUSEPORT does not help.
 */
static void compare(struct __test_metadata *_metadata, enum tcp_stack one, enum tcp_stack two)
{
	struct ipaddr own = ipaddr("10.0.0.11");
	bool comparable = stock_knows_wildcard();
	int differ = 0, refused = 0;
	struct cell c;

	address_add(WHERE(_metadata), "tun0", &own, 24);
	for (int i = 0; i < 2 * 4 * 4 * 4 * 4; i++) {
		int mixed, stocks;

		c = (struct cell){ i >> 8, i >> 6 & 3, i >> 2 & 3, i >> 4 & 3, i & 3 };
		mixed = second_errno(one, two, &c);
		c.options1 &= REUSEADDR;
		c.options2 &= REUSEADDR;
		stocks = second_errno(STOCKS, STOCKS, &c);
		refused += !!mixed;
		if (mixed == stocks || (!comparable && !c.addr1 != !c.addr2))
			continue;
		differ++;
		printf("# %d at \"%s\" options %d, then \"%s\" options %d: %d, stock %d\n",
		       c.first, addrs[c.addr1], i >> 2 & 3, addrs[c.addr2], i & 3, mixed,
		       stocks);
	}
	EXPECT_EQ(0, differ);
	EXPECT_LE(100, refused);
	EXPECT_GE(480, refused);
}

TEST_F(port, lc_116_stock_comes_second)
{
	NOT_ON_STOCK();
	compare(_metadata, OURS, STOCKS);
}

TEST_F(port, lc_116_stock_came_first)
{
	NOT_ON_STOCK();
	compare(_metadata, STOCKS, OURS);
}

/*
 * The same after the first socket has set or cleared SO_REUSEADDR since its bind(). Then
 * the second one leaves, and the first listens.
 */
static int late_errno(enum tcp_stack one, enum tcp_stack two, int how, int port)
{
	int first = socket_of_stack(one, how & REUSEADDR);
	int second = socket_of_stack(two, how & 4 ? REUSEADDR : 0);
	int err = socket_bind(first, addrs[how & 8 ? 1 : 0], port);

	if (!err && how & 32)
		err = socket_listen(first, 4);
	if (err) {
		err = -err;
	} else {
		socket_share(first, how & 2 ? REUSEADDR : 0);
		err = socket_bind(second, addrs[how & 16 ? 1 : 0], port);
		if (!err)
			err = 1000 * socket_listen(second, 4);
		err += 1000000 * socket_listen(first, 4);
	}
	close(second);
	if (err >= 0 && socket_listen(first, 4))
		err = -1;
	close(first);
	return err;
}

TEST_F(port, lc_116_reuseaddr_that_changes_after_bind)
{
	bool comparable = stock_knows_wildcard();
	int differ = 0, refused = 0;

	NOT_ON_STOCK();
	if (!kernel_is_since(6, 8)) {
		TH_LOG("not tested: before 6.8 xtcp does not see the option");
		return;
	}
	for (int how = 0; how < 128; how++) {
		enum tcp_stack one = how & 64 ? STOCKS : OURS;
		int mixed = late_errno(one, !one, how, 7000);
		int stocks = late_errno(STOCKS, STOCKS, how, 7000);

		refused += mixed % 1000 != 0;
		if (mixed == stocks || (!comparable && !(how & 8) != !(how & 16)))
			continue;
		differ++;
		printf("# %s, how %d: %d, stock %d\n", one == OURS ? "ours first" : "stock's first",
		       how, mixed, stocks);
	}
	EXPECT_EQ(0, differ);
	/* The second socket's bind(). */
	EXPECT_LE(30, refused);
	EXPECT_GE(120, refused);
}

/* One of two sockets without SO_REUSEADDR is enough, until it has gone. */
TEST_F(port, lc_116_all_must_have_reuseaddr)
{
	int fd[2], other;

	NOT_ON_STOCK();
	if (!kernel_is_since(6, 8)) {
		TH_LOG("not tested: before 6.8 xtcp does not see the option");
		return;
	}
	for (int i = 0; i < 2; i++) {
		fd[i] = socket_of_stack(OURS, REUSEADDR);
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", 7000));
	}
	other = socket_of_stack(STOCKS, REUSEADDR);
	socket_share(fd[0], 0);
	EXPECT_EQ(EADDRINUSE, socket_bind(other, "10.0.0.1", 7000));
	socket_share(fd[1], 0);
	socket_share(fd[0], REUSEADDR);
	EXPECT_EQ(EADDRINUSE, socket_bind(other, "10.0.0.1", 7000));
	close(fd[1]);
	EXPECT_EQ(0, socket_bind(other, "10.0.0.1", 7000));
	/* The kernel's socket is there before it is cleared. */
	socket_share(fd[0], 0);
	EXPECT_EQ(EADDRINUSE, socket_listen(fd[0], 4));
	EXPECT_EQ(EADDRINUSE, socket_listen(other, 4));
	close(other);
	EXPECT_EQ(0, socket_listen(fd[0], 4));
}

/* The native wire has ports of its own. */
TEST_F(port, lc_27_native_ports_are_others)
{
	int ours, native, stock;

	NOT_ON_STOCK();
	ours = socket_of_stack(OURS, 0);
	native = socket_new(IPPROTO_XTCP);
	ASSERT_EQ(0, socket_bind(ours, "", 7000));
	ASSERT_EQ(0, socket_bind(native, "", 7000));
	ASSERT_EQ(0, socket_listen(ours, 4));
	ASSERT_EQ(0, socket_listen(native, 4));
	close(ours);
	stock = socket_of_stack(STOCKS, 0);
	EXPECT_EQ(0, socket_bind(stock, "", 7000));
	EXPECT_EQ(0, socket_listen(stock, 4));
}

/* And the end of the native wire's port leaves the TCP wire's alone. */
TEST_F(port, lc_27_end_of_a_native_port)
{
	struct peer *p = &self->peer;
	int ours, native;

	NOT_ON_STOCK();
	ours = socket_of_stack(OURS, 0);
	native = socket_new(IPPROTO_XTCP);
	ASSERT_EQ(0, socket_bind(ours, "", 7000));
	ASSERT_EQ(0, socket_bind(native, "", 7000));
	ASSERT_EQ(0, socket_listen(ours, 4));
	close(native);
	peer_send(p, .flags = SYN, .dport = 7000, .sport = 998, .seq = 1);
	peer_expect(p, .flags = SYN | ACK, .sport = 7000, .dport = 998, .ack = 2);
	close(ours);
}

static int stock_bind_errno(int port, int options)
{
	int fd = socket_of_stack(STOCKS, options);
	int err = socket_bind(fd, "10.0.0.1", port);

	close(fd);
	return err;
}

/* Down to the last second of TIME-WAIT. */
TEST_F(port, lc_116_held_until_time_wait_is_over)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .active = true, .prepare = socket_set_wire_tcp, .kport = 7001);
	EXPECT_EQ(EADDRINUSE, stock_bind_errno(c.kport, 0));
	conn_advance(&c, ST_TIME_WAIT, true);
	peer_mark(p);
	EXPECT_EQ(EADDRINUSE, stock_bind_errno(c.kport, 0));
	peer_sleep_until(p, 59500);
	EXPECT_EQ(EADDRINUSE, stock_bind_errno(c.kport, 0));
	peer_sleep_until(p, 60500);
	EXPECT_EQ(0, stock_bind_errno(c.kport, 0));
}

/* The listener goes, its children stay, and so does the port. */
TEST_F(port, lc_116_children_hold_the_port)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .prepare = socket_set_wire_tcp);
	close(c.lfd);
	EXPECT_EQ(EADDRINUSE, stock_bind_errno(KERNEL_PORT, 0));
	conn_send(&c, .flags = ACK | PSH, .data = "still");
	conn_expect(&c, .flags = ACK, .ack = 6, .within_ms = 210);
	socket_abort(c.fd);
	conn_expect(&c, .flags = RST | ACK);
	sleep_ms(20);
	EXPECT_EQ(0, stock_bind_errno(KERNEL_PORT, 0));
}

/* close() releases it before it returns. */
TEST_F(port, lc_116_closed_is_free_at_once)
{
	struct peer *p = &self->peer;

	NOT_ON_STOCK();
	p->stock_may_speak = true;
	for (int i = 0; i < 50; i++) {
		int fd = socket_of_stack(i & 1 ? OURS : STOCKS, 0);

		ASSERT_EQ(0, socket_bind(fd, i & 2 ? "" : "10.0.0.1", 7002));
		if (i & 4)
			ASSERT_EQ(0, socket_listen(fd, 1));
		close(fd);
	}
}

/*
 * A socket is bound to all addresses, another to one of them. The first connects from
 * that address, is refused and listens again, after a socket of the kernel's TCP has
 * begun to listen at yet another address.
 */
static int listen_again_errno(enum tcp_stack stack, int port)
{
	int any = socket_of_stack(stack, REUSEADDR), one = socket_of_stack(stack, REUSEADDR);
	int other = socket_of_stack(STOCKS, REUSEADDR);
	int err = socket_bind(any, "", port) ?: socket_bind(one, "10.0.0.1", port);

	if (!err && socket_connect_end(any, "10.0.0.1", port + 1) != ECONNREFUSED)
		err = 1000;
	if (!err && (socket_bind(other, "127.0.0.1", port) || socket_listen(other, 4)))
		err = 2000 + errno;
	err = err ?: socket_listen(any, 4);
	close(other);
	close(one);
	close(any);
	return err;
}

/* The port is held at all addresses again. */
TEST_F(port, wildcard_is_held_again_after_a_failed_connect)
{
	self->peer.stock_may_speak = true;
	/* EADDRINUSE, but for ::ffff:0.0.0.0, which keeps what connect() gave it. */
	EXPECT_EQ(listen_again_errno(STOCKS, 7200), listen_again_errno(OURS, 7300));
}

/* A socket that stops listening keeps its port, and may listen again. */
TEST_F(port, shutdown_keeps_the_port)
{
	int fd, other;

	NOT_ON_STOCK();
	fd = socket_of_stack(OURS, REUSEADDR);
	ASSERT_EQ(0, socket_bind(fd, "", 7003));
	ASSERT_EQ(0, socket_listen(fd, 1));
	other = socket_of_stack(STOCKS, REUSEADDR);
	EXPECT_EQ(EADDRINUSE, socket_bind(other, "", 7003));
	ASSERT_EQ(0, socket_shutdown(fd, SHUT_RDWR));
	EXPECT_EQ(0, socket_bind(other, "", 7003));
	/* Two are bound; one of them may listen. */
	ASSERT_EQ(0, socket_listen(other, 1));
	EXPECT_EQ(EADDRINUSE, socket_listen(fd, 1));
	close(other);
	EXPECT_EQ(0, socket_listen(fd, 1));
}

/* Eight ports for both: each belongs to one stack, none to both. */
TEST_F(port, lc_116_ephemeral_ports_are_shared_out)
{
	struct peer *p = &self->peer;
	bool taken[8] = { false };
	int fd;

	NOT_ON_STOCK();
	p->leave_unread = true;
	p->stock_may_speak = true;
	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "41000 41007"));
	for (int i = 0; i < 8; i++) {
		fd = socket_of_stack(i & 1 ? OURS : STOCKS, 0);
		ASSERT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 80));
		ASSERT_LE(41000, socket_port(fd));
		ASSERT_GE(41007, socket_port(fd));
		EXPECT_FALSE(taken[socket_port(fd) - 41000]);
		taken[socket_port(fd) - 41000] = true;
	}
	fd = socket_of_stack(STOCKS, 0);
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.2", 80));
	fd = socket_of_stack(OURS, 0);
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.2", 80));
	/* By bind() none is left, either. */
	fd = socket_of_stack(OURS, 0);
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "", 0));
	fd = socket_of_stack(STOCKS, 0);
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "", 0));
}

/* Ports of xtcp to another peer may be shared by xtcp, not by the kernel's TCP. */
TEST_F(port, one_ephemeral_port_for_many_peers)
{
	struct peer *p = &self->peer;
	int fd;

	NOT_ON_STOCK();
	p->leave_unread = true;
	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "41000 41000"));
	for (int i = 2; i < 10; i++) {
		char addr[16];

		snprintf(addr, sizeof(addr), "10.0.0.%d", i);
		fd = socket_of_stack(OURS, 0);
		EXPECT_EQ(EINPROGRESS, socket_connect(fd, addr, 80));
		EXPECT_EQ(41000, socket_port(fd));
	}
	fd = socket_of_stack(STOCKS, 0);
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.99", 80));
}

/*
 * A connection with SO_REUSEADDR and one without share an ephemeral port. bind() of the kernel's
 * TCP with SO_REUSEADDR can join the first alone, but not the second.
 */
static int bind_beside(struct __test_metadata *_metadata, enum tcp_stack stack, int leaves)
{
	static const int options[] = { REUSEADDR, 0 };
	int fd[2], other = socket_of_stack(STOCKS, REUSEADDR), err;

	for (int i = 0; i < 2; i++) {
		fd[i] = socket_of_stack(stack, options[i]);
		EXPECT_EQ(EINPROGRESS, socket_connect(fd[i], i ? "10.0.0.3" : "10.0.0.2", 80));
		EXPECT_EQ(41000, socket_port(fd[i]));
	}
	close(fd[leaves]);
	err = socket_bind(other, "10.0.0.1", 41000);
	close(fd[!leaves]);
	close(other);
	return err;
}

TEST_F(port, lc_116_connections_with_and_without_reuseaddr)
{
	struct peer *p = &self->peer;

	NOT_ON_STOCK();
	p->leave_unread = true;
	p->stock_may_speak = true;
	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "41000 41000"));
	for (enum tcp_stack stack = OURS; stack <= STOCKS; stack++) {
		EXPECT_EQ(EADDRINUSE, bind_beside(_metadata, stack, 0));
		EXPECT_EQ(0, bind_beside(_metadata, stack, 1));
	}
}

/* SO_REUSEADDR shares a port that a program has named, not one that the stack chooses. */
static void choose_beside(struct __test_metadata *_metadata, enum tcp_stack one, enum tcp_stack two)
{
	int first = socket_of_stack(one, REUSEADDR), fd;

	ASSERT_EQ(0, socket_bind(first, "", 41000));
	fd = socket_of_stack(two, REUSEADDR);
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "", 0));
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "10.0.0.1", 0));
	EXPECT_EQ(EADDRINUSE, socket_listen(fd, 4));
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.2", 80));
	EXPECT_EQ(0, socket_bind(fd, "", 41000));
	close(fd);
	close(first);
	/* A port that was chosen is shared with one that names it. */
	first = socket_of_stack(one, REUSEADDR);
	fd = socket_of_stack(two, REUSEADDR);
	ASSERT_EQ(0, socket_bind(first, "", 0));
	ASSERT_EQ(41000, socket_port(first));
	EXPECT_EQ(0, socket_bind(fd, "", 41000));
	close(fd);
	close(first);
}

TEST_F(port, lc_116_reuseaddr_does_not_choose_a_port_that_is_taken)
{
	NOT_ON_STOCK();
	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "41000 41000"));
	choose_beside(_metadata, OURS, OURS);
	choose_beside(_metadata, OURS, STOCKS);
	choose_beside(_metadata, STOCKS, OURS);
	if (stock_knows_wildcard())
		choose_beside(_metadata, STOCKS, STOCKS);
}

/* A segment of no connection is answered by the stack that holds the port, once. */
TEST_F(port, lc_116_resets_come_from_the_owner)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd;

	NOT_ON_STOCK();
	lfd = socket_of_stack(OURS, 0);
	ASSERT_EQ(0, socket_bind(lfd, "10.0.0.1", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(lfd, 4));
	counters_take(&before);
	peer_send(p, .flags = ACK, .ack = 77);
	peer_expect(p, .flags = RST, .seq = 77);
	peer_expect_silence(p, 100);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, "OutRsts", 1,
			"XtcpResetSentNoHandshake", 1, NULL);
	stock_expect_silent(_metadata);
	/* Bound, but no listener: xtcp answers. */
	ASSERT_EQ(0, socket_shutdown(lfd, SHUT_RDWR));
	counters_take(&before);
	peer_send(p, .flags = SYN, .seq = 5);
	peer_expect(p, .flags = RST | ACK, .ack = 6);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, "OutRsts", 1,
			"XtcpResetSentNoConnection", 1, NULL);
	stock_expect_silent(_metadata);
	/* Another port is not xtcp's, nor this one once it is released. */
	p->stock_may_speak = true;
	counters_take(&before);
	peer_send(p, .flags = SYN, .seq = 5, .dport = 9);
	peer_expect(p, .flags = RST | ACK, .ack = 6, .sport = 9);
	close(lfd);
	peer_send(p, .flags = SYN, .seq = 5);
	peer_expect(p, .flags = RST | ACK, .ack = 6);
	counters_expect(_metadata, &before, NULL);
}

/* One address each: both listen, and each gets its own. */
TEST_F(port, one_port_at_two_addresses)
{
	struct ipaddr own = ipaddr("10.0.0.11");
	struct peer *p = &self->peer;
	struct counters before;
	int ours, stock;

	NOT_ON_STOCK();
	address_add(WHERE(_metadata), "tun0", &own, 24);
	ours = socket_of_stack(OURS, 0);
	stock = socket_of_stack(STOCKS, 0);
	ASSERT_EQ(0, socket_bind(ours, "10.0.0.1", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(ours, 4));
	ASSERT_EQ(0, socket_bind(stock, "10.0.0.11", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(stock, 4));
	p->stock_may_speak = true;
	counters_take(&before);
	peer_send(p, .flags = SYN, .seq = 5, .dst = own);
	peer_expect(p, .flags = SYN | ACK, .ack = 6, .src = own);
	peer_send(p, .flags = ACK, .seq = 6, .ack = p->last.seq + 1, .dst = own);
	counters_expect(_metadata, &before, NULL);
	EXPECT_EQ(0, socket_accept(stock));
	peer_expect(p, .flags = FIN | ACK, .src = own);
	peer_send(p, .flags = RST | ACK, .seq = 6, .ack = p->last.seq + 1, .dst = own);
	peer_send(p, .flags = SYN, .seq = 5);
	peer_expect(p, .flags = SYN | ACK, .ack = 6);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, NULL);
}

/* SO_REUSEPORT: a group of xtcp takes a port, IPv6 and IPv4, in any order. */
TEST_F(port, groups_of_ours_share_a_port)
{
	static const char *const order[][3] = {
		{ "", "10.0.0.1", "" }, { "10.0.0.1", "", "10.0.0.1" },
	};

	NOT_ON_STOCK();
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		int fd[3], stock;

		for (int j = 0; j < 3; j++) {
			fd[j] = socket_of_stack(OURS, REUSEPORT);
			EXPECT_EQ(0, socket_bind(fd[j], order[i][j], 7004));
			EXPECT_EQ(0, socket_listen(fd[j], 4));
		}
		stock = socket_of_stack(STOCKS, REUSEPORT);
		EXPECT_EQ(EADDRINUSE, socket_bind(stock, "", 7004));
		for (int j = 0; j < 3; j++)
			close(fd[j]);
		EXPECT_EQ(0, socket_bind(stock, "", 7004));
		close(stock);
	}
}

/*
 * They stay in their group if they clear the option later: else each next one would be a group of
 * its own, and each SYN would look at all of them.
 */
TEST_F(port, a_group_of_ours_outlasts_the_option)
{
	struct peer *p = &self->peer;
	int fd[3], accepted[3] = { 0 };

	NOT_ON_STOCK();
	for (int j = 0; j < 3; j++) {
		fd[j] = socket_of_stack(OURS, REUSEPORT);
		ASSERT_EQ(0, socket_bind(fd[j], "10.0.0.1", 7004));
		ASSERT_EQ(0, socket_listen(fd[j], 64));
		fd_nonblock(fd[j]);
		socket_set(fd[j], SOL_SOCKET, SO_REUSEPORT, 0);
	}
	for (int i = 0; i < 60; i++) {
		peer_send(p, .flags = SYN, .dport = 7004, .sport = 2000 + i, .seq = 1);
		peer_expect(p, .flags = SYN | ACK, .sport = 7004, .dport = 2000 + i, .ack = 2);
		peer_send(p, .flags = ACK, .dport = 7004, .sport = 2000 + i, .seq = 2,
			  .ack = p->last.seq + 1);
	}
	for (int j = 0; j < 3; j++) {
		while (accept(fd[j], NULL, NULL) >= 0)
			accepted[j]++;
		EXPECT_LE(5, accepted[j]);
		close(fd[j]);
	}
	EXPECT_EQ(60, accepted[0] + accepted[1] + accepted[2]);
	p->leave_unread = true;
}

/* A socket of the kernel's TCP is in their way all the same, wherever it is bound. */
TEST_F(port, a_group_of_ours_does_not_take_a_port_of_stocks)
{
	int one, any, stock;

	NOT_ON_STOCK();
	one = socket_of_stack(OURS, REUSEPORT);
	stock = socket_of_stack(STOCKS, REUSEPORT);
	ASSERT_EQ(0, socket_bind(one, "10.0.0.1", 7008));
	ASSERT_EQ(0, socket_bind(stock, "127.0.0.1", 7008));
	any = socket_of_stack(OURS, REUSEPORT);
	EXPECT_EQ(EADDRINUSE, socket_bind(any, "", 7008));
	close(stock);
	EXPECT_EQ(0, socket_bind(any, "", 7008));
	stock = socket_of_stack(STOCKS, REUSEPORT);
	EXPECT_EQ(EADDRINUSE, socket_bind(stock, "127.0.0.1", 7008));
	EXPECT_EQ(0, socket_listen(one, 4));
	EXPECT_EQ(0, socket_listen(any, 4));
	close(any);
	EXPECT_EQ(0, socket_bind(stock, "127.0.0.1", 7008));
}

/* Bound first by both, the port is the listener's that comes first. */
TEST_F(port, a_group_of_stocks_does_not_listen_beside_us)
{
	int ours, stock, other;

	NOT_ON_STOCK();
	ours = socket_of_stack(OURS, REUSEADDR);
	stock = socket_of_stack(STOCKS, REUSEADDR | REUSEPORT);
	other = socket_of_stack(STOCKS, REUSEPORT);
	ASSERT_EQ(0, socket_bind(ours, "", 7009));
	ASSERT_EQ(0, socket_bind(stock, "", 7009));
	ASSERT_EQ(0, socket_listen(ours, 4));
	EXPECT_EQ(EADDRINUSE, socket_listen(stock, 4));
	EXPECT_EQ(EADDRINUSE, socket_bind(other, "", 7009));
	close(ours);
	EXPECT_EQ(0, socket_listen(stock, 4));
	EXPECT_EQ(0, socket_bind(other, "", 7009));
}

/* A program for a SO_REUSEPORT group of the kernel's TCP: it drops what is not for KERNEL_PORT. */
static int load_port_check(struct __test_metadata *_metadata)
{
	enum { RESULT = BPF_REG_0, MD = BPF_REG_1, DATA, END, DATA_4 };
	const struct bpf_insn code[] = {
		BPF_MOV64_IMM(RESULT, SK_DROP),
		BPF_LDX_MEM(BPF_DW, DATA, MD, offsetof(struct sk_reuseport_md, data)),
		BPF_LDX_MEM(BPF_DW, END, MD, offsetof(struct sk_reuseport_md, data_end)),
		BPF_MOV64_REG(DATA_4, DATA),
		BPF_ADD64_IMM(DATA_4, 4),
		BPF_JMP_REG(BPF_JGT, DATA_4, END, 3),
		/* The destination port. */
		BPF_LDX_MEM(BPF_H, DATA, DATA, 2),
		BPF_JMP_IMM(BPF_JNE, DATA, htons(KERNEL_PORT), 1),
		BPF_MOV64_IMM(RESULT, SK_PASS),
		BPF_EXIT_INSN(),
	};

	return bpf_load(_metadata, BPF_PROG_TYPE_SK_REUSEPORT, 0, code, ARRAY_SIZE(code));
}

/*
 * The port is xtcp's, too, so the hook asks for a listener of the kernel's TCP. A program of
 * that listener reads the TCP header, which the hook's packet does not begin with.
 */
TEST_F(port, a_program_of_stocks_group_sees_the_header)
{
	struct peer *p = &self->peer;
	int ours, stock, prog;
	uint32_t nxt;

	NOT_ON_STOCK();
	p->stock_may_speak = true;
	ours = socket_of_stack(OURS, REUSEADDR);
	stock = socket_of_stack(STOCKS, REUSEADDR | REUSEPORT);
	ASSERT_EQ(0, socket_bind(ours, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_bind(stock, "", KERNEL_PORT));
	prog = load_port_check(_metadata);
	ASSERT_EQ(0, socket_set(stock, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, prog));
	close(prog);
	ASSERT_EQ(0, socket_listen(stock, 4));
	peer_send(p, .flags = SYN, .seq = 5);
	nxt = peer_expect(p, .flags = SYN | ACK, .ack = 6)->seq + 1;
	peer_send(p, .flags = ACK, .seq = 6, .ack = nxt);
	EXPECT_EQ(0, socket_accept(stock));
	p->leave_unread = true;
}

/* An attempt of ours that fails leaves no trace in the kernel's bind table. */
TEST_F(port, stock_still_shares_a_port_that_we_did_not_get)
{
	struct peer *p = &self->peer;

	NOT_ON_STOCK();
	p->leave_unread = true;
	p->stock_may_speak = true;
	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "41000 41000"));
	for (int i = 2; i < 8; i++) {
		char addr[16];
		int fd;

		snprintf(addr, sizeof(addr), "10.0.0.%d", i);
		fd = socket_of_stack(STOCKS, 0);
		EXPECT_EQ(EINPROGRESS, socket_connect(fd, addr, 80));
		EXPECT_EQ(41000, socket_port(fd));
		fd = socket_of_stack(OURS, i & 1 ? REUSEADDR | REUSEPORT : 0);
		EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.99", 80));
		close(fd);
	}
}

/* Two devices, two stacks. */
TEST_F(port, one_port_on_two_devices)
{
	int ours, stock;

	NOT_ON_STOCK();
	dummy_new(WHERE(_metadata), "dummy0");
	ours = socket_of_stack(OURS, 0);
	stock = socket_of_stack(STOCKS, 0);
	ASSERT_EQ(0, setsockopt(ours, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5));
	ASSERT_EQ(0, setsockopt(stock, SOL_SOCKET, SO_BINDTODEVICE, "dummy0", 7));
	EXPECT_EQ(0, socket_bind(ours, "", 7005));
	EXPECT_EQ(0, socket_bind(stock, "", 7005));
	close(stock);
	stock = socket_of_stack(STOCKS, 0);
	ASSERT_EQ(0, setsockopt(stock, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5));
	EXPECT_EQ(EADDRINUSE, socket_bind(stock, "", 7005));
}

static void prepare_on_tun0(int fd)
{
	socket_set_wire_tcp(fd);
	setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5);
}

/* The error of bind(), or of listen(), of a socket on that device. */
static int listen_on_errno(const char *dev)
{
	int fd = socket_new(-1), err;

	socket_set_wire_tcp(fd);
	setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, strlen(dev));
	err = socket_bind(fd, "10.0.0.1", KERNEL_PORT) ?: socket_listen(fd, 4);
	close(fd);
	return err;
}

/* A TIME-WAIT holds the port on its own device. */
TEST_F(port, a_time_wait_on_another_device)
{
	struct peer *p = &self->peer;
	struct conn c;

	dummy_new(WHERE(_metadata), "dummy0");
	conn_open(p, &c, .prepare = prepare_on_tun0);
	close(c.lfd);
	conn_advance(&c, ST_TIME_WAIT, true);
	EXPECT_EQ(EADDRINUSE, listen_on_errno("tun0"));
	EXPECT_EQ(EADDRINUSE, listen_on_errno(""));
	EXPECT_EQ(0, listen_on_errno("dummy0"));
	conn_expect_state(&c, ST_TIME_WAIT);
}

/* When the socket has a connection, and its device is taken away after that or before. */
enum { NEVER_CONNECTED, CONNECTED_BEFORE, CONNECTED_AFTER };

/* A socket listens on the device that it is bound to then, not on that of its bind(). */
static void listen_elsewhere(struct __test_metadata *_metadata, enum tcp_stack one, int connected)
{
	int first = socket_of_stack(one, 0), stock = socket_of_stack(STOCKS, 0);

	ASSERT_EQ(0, setsockopt(first, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5));
	ASSERT_EQ(0, setsockopt(stock, SOL_SOCKET, SO_BINDTODEVICE, "dummy0", 7));
	ASSERT_EQ(0, socket_bind(first, "", 7005));
	ASSERT_EQ(0, socket_bind(stock, "", 7005));
	ASSERT_EQ(0, socket_listen(stock, 4));
	if (connected == CONNECTED_BEFORE)
		ASSERT_EQ(EINPROGRESS, socket_connect(first, "10.0.0.2", 80));
	ASSERT_EQ(0, setsockopt(first, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
	if (connected == CONNECTED_AFTER)
		ASSERT_EQ(EINPROGRESS, socket_connect(first, "10.0.0.2", 80));
	if (connected)
		ASSERT_EQ(0, socket_disconnect(first));
	EXPECT_EQ(EADDRINUSE, socket_listen(first, 4));
	close(stock);
	EXPECT_EQ(0, socket_listen(first, 4));
	stock = socket_of_stack(STOCKS, 0);
	ASSERT_EQ(0, setsockopt(stock, SOL_SOCKET, SO_BINDTODEVICE, "dummy0", 7));
	EXPECT_EQ(EADDRINUSE, socket_bind(stock, "", 7005));
	close(stock);
	close(first);
}

TEST_F(port, lc_116_listens_on_another_device)
{
	NOT_ON_STOCK();
	dummy_new(WHERE(_metadata), "dummy0");
	listen_elsewhere(_metadata, STOCKS, NEVER_CONNECTED);
	listen_elsewhere(_metadata, OURS, NEVER_CONNECTED);
}

TEST_F(port, lc_116_listens_on_another_device_after_a_connection)
{
	struct peer *p = &self->peer;

	NOT_ON_STOCK();
	p->leave_unread = true;
	p->stock_may_speak = true;
	dummy_new(WHERE(_metadata), "dummy0");
	for (int when = CONNECTED_BEFORE; when <= CONNECTED_AFTER; when++) {
		listen_elsewhere(_metadata, OURS, when);
		if (stock_knows_wildcard())
			listen_elsewhere(_metadata, STOCKS, when);
	}
}

TEST_HARNESS_MAIN
