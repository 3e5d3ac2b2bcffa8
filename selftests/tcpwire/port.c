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
enum stack { OURS, STOCKS };

static const char *const addrs[] = { "", "10.0.0.1", "10.0.0.11", "127.0.0.1" };

static int stack_socket(enum stack stack, int options)
{
	int fd = socket_new(stack == OURS ? IPPROTO_XTCP : IPPROTO_TCP);

	if (stack == OURS)
		socket_set(fd, IPPROTO_XTCP, XTCP_WIRE, XTCP_WIRE_TCP);
	socket_share(fd, options);
	return fd;
}

/*
 * The TCP of old kernels (seen on 6.1) takes ports beside its own socket that is bound to no
 * address, if the two have IPv6's family and mapped addresses. xtcp doesn't, on any kernel.
 */
static bool stock_compares_mapped(void)
{
	return !test_is_mapped() || kernel_is_since(6, 6);
}

struct cell {
	enum first first;
	int addr1, options1, addr2, options2;
};

/* The error of bind() of the second socket, or of listen() after it. */
static int second_errno(enum stack one, enum stack two, const struct cell *cell)
{
	int first = stack_socket(one, cell->options1);
	int second = stack_socket(two, cell->options2);
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
static void compare(struct __test_metadata *_metadata, enum stack one, enum stack two)
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
static int late_errno(enum stack one, enum stack two, int how, int port)
{
	int first = stack_socket(one, how & REUSEADDR);
	int second = stack_socket(two, how & 4 ? REUSEADDR : 0);
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
	/* Before, xtcp does not see the option. */
	if (!kernel_is_since(6, 8))
		return;
	for (int how = 0; how < 128; how++) {
		enum stack one = how & 64 ? STOCKS : OURS;
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
	if (!kernel_is_since(6, 8))
		return;
	for (int i = 0; i < 2; i++) {
		fd[i] = stack_socket(OURS, REUSEADDR);
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", 7000));
	}
	other = stack_socket(STOCKS, REUSEADDR);
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
	ours = stack_socket(OURS, 0);
	native = socket_new(IPPROTO_XTCP);
	ASSERT_EQ(0, socket_bind(ours, "", 7000));
	ASSERT_EQ(0, socket_bind(native, "", 7000));
	ASSERT_EQ(0, socket_listen(ours, 4));
	ASSERT_EQ(0, socket_listen(native, 4));
	close(ours);
	stock = stack_socket(STOCKS, 0);
	EXPECT_EQ(0, socket_bind(stock, "", 7000));
	EXPECT_EQ(0, socket_listen(stock, 4));
}

/* And the end of the native wire's port leaves the TCP wire's alone. */
TEST_F(port, lc_27_end_of_a_native_port)
{
	struct peer *p = &self->peer;
	int ours, native;

	NOT_ON_STOCK();
	ours = stack_socket(OURS, 0);
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
	int fd = stack_socket(STOCKS, options);
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
		int fd = stack_socket(i & 1 ? OURS : STOCKS, 0);

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
static int listen_again_errno(enum stack stack, int port)
{
	int any = stack_socket(stack, REUSEADDR), one = stack_socket(stack, REUSEADDR);
	int other = stack_socket(STOCKS, REUSEADDR);
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
	fd = stack_socket(OURS, REUSEADDR);
	ASSERT_EQ(0, socket_bind(fd, "", 7003));
	ASSERT_EQ(0, socket_listen(fd, 1));
	other = stack_socket(STOCKS, REUSEADDR);
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
		fd = stack_socket(i & 1 ? OURS : STOCKS, 0);
		ASSERT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 80));
		ASSERT_LE(41000, socket_port(fd));
		ASSERT_GE(41007, socket_port(fd));
		EXPECT_FALSE(taken[socket_port(fd) - 41000]);
		taken[socket_port(fd) - 41000] = true;
	}
	fd = stack_socket(STOCKS, 0);
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.2", 80));
	fd = stack_socket(OURS, 0);
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.2", 80));
	/* By bind() none is left, either. */
	fd = stack_socket(OURS, 0);
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "", 0));
	fd = stack_socket(STOCKS, 0);
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
		fd = stack_socket(OURS, 0);
		EXPECT_EQ(EINPROGRESS, socket_connect(fd, addr, 80));
		EXPECT_EQ(41000, socket_port(fd));
	}
	fd = stack_socket(STOCKS, 0);
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.99", 80));
}

/*
 * A connection with SO_REUSEADDR and one without share an ephemeral port. bind() of the kernel's
 * TCP with SO_REUSEADDR can join the first alone, but not the second.
 */
static int bind_beside(struct __test_metadata *_metadata, enum stack stack, int leaves)
{
	static const int options[] = { REUSEADDR, 0 };
	int fd[2], other = stack_socket(STOCKS, REUSEADDR), err;

	for (int i = 0; i < 2; i++) {
		fd[i] = stack_socket(stack, options[i]);
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
	for (enum stack stack = OURS; stack <= STOCKS; stack++) {
		EXPECT_EQ(EADDRINUSE, bind_beside(_metadata, stack, 0));
		EXPECT_EQ(0, bind_beside(_metadata, stack, 1));
	}
}

/* SO_REUSEADDR shares a port that a program has named, not one that the stack chooses. */
static void choose_beside(struct __test_metadata *_metadata, enum stack one, enum stack two)
{
	int first = stack_socket(one, REUSEADDR), fd;

	ASSERT_EQ(0, socket_bind(first, "", 41000));
	fd = stack_socket(two, REUSEADDR);
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "", 0));
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "10.0.0.1", 0));
	EXPECT_EQ(EADDRINUSE, socket_listen(fd, 4));
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.2", 80));
	EXPECT_EQ(0, socket_bind(fd, "", 41000));
	close(fd);
	close(first);
	/* A port that was chosen is shared with one that names it. */
	first = stack_socket(one, REUSEADDR);
	fd = stack_socket(two, REUSEADDR);
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
	if (stock_compares_mapped())
		choose_beside(_metadata, STOCKS, STOCKS);
}

/* A segment of no connection is answered by the stack that holds the port, once. */
TEST_F(port, lc_116_resets_come_from_the_owner)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd;

	NOT_ON_STOCK();
	lfd = stack_socket(OURS, 0);
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
	ours = stack_socket(OURS, 0);
	stock = stack_socket(STOCKS, 0);
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

/*
 * A server of the kernel's TCP is replaced by one of xtcp while a connection of it is
 * open: that stays the kernel's, new ones are xtcp's.
 */
TEST_F(port, a_connection_of_stocks_goes_on)
{
	struct peer *p = &self->peer;
	int ours, stock, fd;
	uint32_t nxt;

	NOT_ON_STOCK();
	p->stock_may_speak = true;
	stock = stack_socket(STOCKS, REUSEADDR);
	ASSERT_EQ(0, socket_bind(stock, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(stock, 4));
	peer_send(p, .flags = SYN, .seq = 5);
	nxt = peer_expect(p, .flags = SYN | ACK, .ack = 6)->seq + 1;
	peer_send(p, .flags = ACK, .seq = 6, .ack = nxt);
	fd = accept(stock, NULL, NULL);
	ASSERT_LE(0, fd);
	close(stock);
	ours = stack_socket(OURS, REUSEADDR);
	ASSERT_EQ(0, socket_bind(ours, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(ours, 4));
	for (int early = 0; early < 2; early++) {
		sysctl_write("/proc/sys/net/ipv4/tcp_early_demux", early ? "1" : "0");
		peer_send(p, .flags = ACK | PSH, .seq = 6 + 4 * early, .ack = nxt, .data = "text");
		peer_expect(p, .flags = ACK, .seq = nxt, .ack = 10 + 4 * early,
			    .within_ms = 300);
	}
	fd_nonblock(fd);
	stream_expect_text(_metadata, fd, "texttext");
	peer_send(p, .flags = SYN, .seq = 50, .sport = 4000);
	nxt = peer_expect(p, .flags = SYN | ACK, .ack = 51, .dport = 4000)->seq + 1;
	peer_send(p, .flags = ACK, .seq = 51, .ack = nxt, .sport = 4000);
	EXPECT_EQ(0, socket_accept(ours));
	p->leave_unread = true;
}

/*
 * A server of the kernel's TCP with one connection closes its listener, and one of
 * xtcp listens in its place. Our end's next number is *@nxt, the peer's 6.
 */
static int taken_over(struct __test_metadata *_metadata, struct peer *p, int *ours,
		      uint32_t *nxt)
{
	int stock, fd;

	p->stock_may_speak = true;
	p->leave_unread = true;
	stock = stack_socket(STOCKS, REUSEADDR);
	ASSERT_EQ(0, socket_bind(stock, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(stock, 4));
	peer_send(p, .flags = SYN, .seq = 5);
	*nxt = peer_expect(p, .flags = SYN | ACK, .ack = 6)->seq + 1;
	peer_send(p, .flags = ACK, .seq = 6, .ack = *nxt);
	fd = accept(stock, NULL, NULL);
	ASSERT_LE(0, fd);
	close(stock);
	*ours = stack_socket(OURS, REUSEADDR);
	ASSERT_EQ(0, socket_bind(*ours, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(*ours, 4));
	return fd;
}

static void stock_early_demux(bool on)
{
	sysctl_write("/proc/sys/net/ipv4/tcp_early_demux", on ? "1" : "0");
}

/* A SYN for a connection of the kernel's TCP is challenged by it, even if forged. */
TEST_F(port, rfc5961_4_a_syn_for_a_connection_of_stocks)
{
	struct peer *p = &self->peer;
	struct counters before;
	uint32_t nxt;
	int ours, fd;

	NOT_ON_STOCK();
	fd = taken_over(_metadata, p, &ours, &nxt);
	counters_take(&before);
	for (int early = 0; early < 2; early++) {
		stock_early_demux(early);
		peer_send(p, .flags = SYN, .seq = 0x12345678 + early);
		peer_expect(p, .flags = ACK, .seq = nxt, .ack = 6 + 4 * early);
		peer_send(p, .flags = ACK | PSH, .seq = 6 + 4 * early, .ack = nxt, .data = "text");
		peer_expect(p, .flags = ACK, .seq = nxt, .ack = 10 + 4 * early,
			    .within_ms = 300);
		sleep_ms(1000);
	}
	fd_nonblock(fd);
	stream_expect_text(_metadata, fd, "texttext");
	counters_expect(_metadata, &before, NULL);
	close(ours);
}

/*
 * A TIME-WAIT of the kernel's ends by a newer SYN, which then is xtcp's. Its answer begins
 * above all numbers of the old connection. With conntrack another hook follows ours.
 */
TEST_F(port, rfc6191_a_time_wait_of_stocks_gives_way)
{
	struct peer *p = &self->peer;
	struct counters before;
	uint32_t nxt;
	int ours, fd;

	NOT_ON_STOCK();
	for (int way = 0; way < 3; way++) {
		stock_early_demux(way);
		if (way == 2)
			ASSERT_EQ(0, system("nft 'add table ip t; add chain ip t in "
					    "{ type filter hook input priority 0; }; "
					    "add rule ip t in ct state new accept'"));
		fd = taken_over(_metadata, p, &ours, &nxt);
		close(fd);
		peer_expect(p, .flags = FIN | ACK, .seq = nxt, .ack = 6);
		counters_take(&before);
		peer_send(p, .flags = ACK, .seq = 6, .ack = nxt + 1);
		peer_send(p, .flags = FIN | ACK, .seq = 6, .ack = nxt + 1);
		peer_expect(p, .flags = ACK, .seq = nxt + 1, .ack = 7);
		peer_send(p, .flags = SYN, .seq = 4);
		peer_expect(p, .flags = ACK, .seq = nxt + 1, .ack = 7);
		peer_send(p, .flags = SYN, .seq = 5000, .bad_csum = true);
		peer_expect_silence(p, 100);
		counters_expect(_metadata, &before, NULL);
		peer_send(p, .flags = SYN, .seq = 5000);
		nxt += 65538;
		peer_expect(p, .flags = SYN | ACK, .seq = nxt++, .ack = 5001);
		peer_send(p, .flags = ACK, .seq = 5001, .ack = nxt);
		EXPECT_EQ(0, socket_accept(ours));
		peer_expect(p, .flags = FIN | ACK, .seq = nxt);
		peer_send(p, .flags = RST | ACK, .seq = 5001, .ack = nxt + 1);
		close(ours);
	}
}

/* A half-open one goes with its listener: a repeated SYN is xtcp's. */
TEST_F(port, a_half_open_connection_of_stocks_goes_with_its_listener)
{
	struct peer *p = &self->peer;
	struct counters before;
	int stock, ours;

	NOT_ON_STOCK();
	p->stock_may_speak = true;
	for (int early = 0; early < 2; early++) {
		stock_early_demux(early);
		stock = stack_socket(STOCKS, REUSEADDR);
		ASSERT_EQ(0, socket_bind(stock, "", KERNEL_PORT));
		ASSERT_EQ(0, socket_listen(stock, 4));
		peer_send(p, .flags = SYN, .seq = 5);
		peer_expect(p, .flags = SYN | ACK, .ack = 6);
		close(stock);
		ours = stack_socket(OURS, REUSEADDR);
		ASSERT_EQ(0, socket_bind(ours, "", KERNEL_PORT));
		ASSERT_EQ(0, socket_listen(ours, 4));
		counters_take(&before);
		peer_send(p, .flags = SYN, .seq = 5);
		peer_expect(p, .flags = SYN | ACK, .ack = 6);
		counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, NULL);
		peer_send(p, .flags = RST, .seq = 6);
		close(ours);
		sleep_ms(20000);
	}
}

/* A connection of the kernel's TCP from @port to the peer's 80, its numbers 1 and 1. */
static int stock_connected(struct __test_metadata *_metadata, struct peer *p, int port,
			   uint32_t *nxt)
{
	int fd = stack_socket(STOCKS, REUSEADDR);

	p->stock_may_speak = true;
	p->leave_unread = true;
	ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", port));
	ASSERT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 80));
	*nxt = peer_expect(p, .flags = SYN, .sport = port, .dport = 80)->seq + 1;
	peer_send(p, .flags = SYN | ACK, .seq = 0, .ack = *nxt, .sport = 80, .dport = port);
	peer_expect(p, .flags = ACK, .ack = 1, .sport = port, .dport = 80);
	return fd;
}

/* The error of connect() of an xtcp socket there, to that port of the peer. */
static int ours_connect_errno(int port, int peer_port, int *got)
{
	int fd = stack_socket(OURS, REUSEADDR);
	int err = port ? socket_bind(fd, "10.0.0.1", port) : 0;

	if (!err)
		err = socket_connect(fd, "10.0.0.2", peer_port);
	if (got)
		*got = socket_port(fd);
	close(fd);
	return err;
}

/*
 * SO_REUSEADDR lets both bind to a port; a 4-tuple still belongs to one connection,
 * also in TIME-WAIT.
 */
TEST_F(port, lc_95_a_connection_of_stocks_is_in_the_way)
{
	struct peer *p = &self->peer;
	uint32_t nxt;
	int fd;

	NOT_ON_STOCK();
	fd = stock_connected(_metadata, p, 7006, &nxt);
	EXPECT_EQ(EADDRNOTAVAIL, ours_connect_errno(7006, 80, NULL));
	EXPECT_EQ(EINPROGRESS, ours_connect_errno(7006, 81, NULL));
	peer_drain(p, 20);
	close(fd);
	peer_expect(p, .flags = FIN | ACK, .seq = nxt, .sport = 7006, .dport = 80);
	peer_send(p, .flags = FIN | ACK, .seq = 1, .ack = nxt + 1, .sport = 80, .dport = 7006);
	peer_expect(p, .flags = ACK, .ack = 2, .sport = 7006, .dport = 80);
	sleep_ms(50000);
	EXPECT_EQ(EADDRNOTAVAIL, ours_connect_errno(7006, 80, NULL));
	sleep_ms(25000);
	EXPECT_EQ(EINPROGRESS, ours_connect_errno(7006, 80, NULL));
}

/* Where connect() chooses, it goes on to the next port, and there is none. */
TEST_F(port, lc_95_no_ephemeral_port_of_stocks_connection)
{
	struct peer *p = &self->peer;
	uint32_t nxt;
	int port;

	NOT_ON_STOCK();
	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "41000 41000"));
	stock_connected(_metadata, p, 41000, &nxt);
	EXPECT_EQ(EADDRNOTAVAIL, ours_connect_errno(0, 80, &port));
	EXPECT_EQ(0, port);
	/* Nor for another port of the peer: bind() has taken it. As in Linux. */
	EXPECT_EQ(EADDRNOTAVAIL, ours_connect_errno(0, 81, &port));
	EXPECT_EQ(0, port);
	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "41000 41001"));
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(EINPROGRESS, ours_connect_errno(0, 80, &port));
		EXPECT_EQ(41001, port);
	}
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
			fd[j] = stack_socket(OURS, REUSEPORT);
			EXPECT_EQ(0, socket_bind(fd[j], order[i][j], 7004));
			EXPECT_EQ(0, socket_listen(fd[j], 4));
		}
		stock = stack_socket(STOCKS, REUSEPORT);
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
		fd[j] = stack_socket(OURS, REUSEPORT);
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
	one = stack_socket(OURS, REUSEPORT);
	stock = stack_socket(STOCKS, REUSEPORT);
	ASSERT_EQ(0, socket_bind(one, "10.0.0.1", 7008));
	ASSERT_EQ(0, socket_bind(stock, "127.0.0.1", 7008));
	any = stack_socket(OURS, REUSEPORT);
	EXPECT_EQ(EADDRINUSE, socket_bind(any, "", 7008));
	close(stock);
	EXPECT_EQ(0, socket_bind(any, "", 7008));
	stock = stack_socket(STOCKS, REUSEPORT);
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
	ours = stack_socket(OURS, REUSEADDR);
	stock = stack_socket(STOCKS, REUSEADDR | REUSEPORT);
	other = stack_socket(STOCKS, REUSEPORT);
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
	ours = stack_socket(OURS, REUSEADDR);
	stock = stack_socket(STOCKS, REUSEADDR | REUSEPORT);
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
		fd = stack_socket(STOCKS, 0);
		EXPECT_EQ(EINPROGRESS, socket_connect(fd, addr, 80));
		EXPECT_EQ(41000, socket_port(fd));
		fd = stack_socket(OURS, i & 1 ? REUSEADDR | REUSEPORT : 0);
		EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.99", 80));
		close(fd);
	}
}

/* Shadows of both kinds. */
static long shadows(void)
{
	return cache_objects("xtcp_shadow") + cache_objects("xtcp_shadow6");
}

/*
 * One small object beside the kernel's own buckets for each port, and none is left.
 * Kernels before 6.8 read more of it, later ones than 6.12 may.
 */
TEST_F(port, a_port_needs_one_small_object)
{
	bool small = kernel_is_since(6, 8) && !kernel_is_since(6, 13);
	int fd[100];
	long before;

	NOT_ON_STOCK();
	EXPECT_GE(small ? 64 : 256, cache_object_size("xtcp_shadow"));
	EXPECT_GE(small ? 96 : 256, cache_object_size("xtcp_shadow6"));
	EXPECT_EQ(48, cache_object_size("xtcp_large_port"));
	before = shadows();
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = stack_socket(OURS, i & 3);
		ASSERT_EQ(0, socket_bind(fd[i], i & 4 ? "" : "10.0.0.1", 7100 + i));
		if (i & 8)
			ASSERT_EQ(0, socket_listen(fd[i], 4));
	}
	EXPECT_EQ(before + (long)ARRAY_SIZE(fd), shadows());
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	EXPECT_EQ(before, shadows());
}

/* Two devices, two stacks. */
/* Nor does each connection need one of its own. */
TEST_F(port, connections_from_one_port_share_an_object)
{
	struct peer *p = &self->peer;
	long before;
	int fd[8];

	NOT_ON_STOCK();
	p->leave_unread = true;
	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "41000 41000"));
	before = shadows();
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		char addr[16];

		snprintf(addr, sizeof(addr), "10.0.0.%zu", i + 2);
		fd[i] = stack_socket(OURS, 0);
		ASSERT_EQ(EINPROGRESS, socket_connect(fd[i], addr, 80));
	}
	EXPECT_EQ(before + 1, shadows());
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	EXPECT_EQ(before, shadows());
}

/* So many that xtcp finds them by a hash of the address. */
#define ADDRESSES 80

/* A connection from port 41000 of each address. */
static void connect_from_each(struct __test_metadata *_metadata, int *fd, int options,
			      const char *to)
{
	for (int i = 0; i < ADDRESSES; i++) {
		char addr[16];

		snprintf(addr, sizeof(addr), "10.0.1.%d", i + 1);
		fd[i] = stack_socket(OURS, options);
		socket_set(fd[i], IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, 1);
		ASSERT_EQ(0, socket_bind(fd[i], addr, 0));
		ASSERT_EQ(EINPROGRESS, socket_connect(fd[i], to, 80));
		ASSERT_EQ(41000, socket_port(fd[i]));
	}
}

/* Whether they share it with each other by SO_REUSEPORT or without does not matter. */
TEST_F(port, connections_from_one_port_share_an_object_at_each_address)
{
	int fd[2][ADDRESSES];
	long before;

	NOT_ON_STOCK();
	self->peer.leave_unread = true;
	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "41000 41000"));
	for (int i = 0; i < ADDRESSES; i++) {
		struct ipaddr own;
		char addr[16];

		snprintf(addr, sizeof(addr), "10.0.1.%d", i + 1);
		own = ipaddr(addr);
		address_add(WHERE(_metadata), "tun0", &own, 24);
	}
	before = shadows();
	connect_from_each(_metadata, fd[0], 0, "10.0.0.2");
	EXPECT_EQ(before + ADDRESSES, shadows());
	connect_from_each(_metadata, fd[1], REUSEPORT, "10.0.0.3");
	EXPECT_EQ(before + ADDRESSES, shadows());
	for (int i = 0; i < ADDRESSES; i++) {
		close(fd[0][i]);
		close(fd[1][i]);
	}
	EXPECT_EQ(before, shadows());
}

TEST_F(port, one_port_on_two_devices)
{
	int ours, stock;

	NOT_ON_STOCK();
	dummy_new(WHERE(_metadata), "dummy0");
	ours = stack_socket(OURS, 0);
	stock = stack_socket(STOCKS, 0);
	ASSERT_EQ(0, setsockopt(ours, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5));
	ASSERT_EQ(0, setsockopt(stock, SOL_SOCKET, SO_BINDTODEVICE, "dummy0", 7));
	EXPECT_EQ(0, socket_bind(ours, "", 7005));
	EXPECT_EQ(0, socket_bind(stock, "", 7005));
	close(stock);
	stock = stack_socket(STOCKS, 0);
	ASSERT_EQ(0, setsockopt(stock, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5));
	EXPECT_EQ(EADDRINUSE, socket_bind(stock, "", 7005));
}

/* When the socket has a connection, and its device is taken away after that or before. */
enum { NEVER_CONNECTED, CONNECTED_BEFORE, CONNECTED_AFTER };

/* A socket listens on the device that it is bound to then, not on that of its bind(). */
static void listen_elsewhere(struct __test_metadata *_metadata, enum stack one, int connected)
{
	int first = stack_socket(one, 0), stock = stack_socket(STOCKS, 0);

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
	stock = stack_socket(STOCKS, 0);
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
		if (stock_compares_mapped())
			listen_elsewhere(_metadata, STOCKS, when);
	}
}

TEST_HARNESS_MAIN
