// SPDX-License-Identifier: GPL-2.0
/*
 * connect: connect() and bind(), the calls with an address argument; calls.c has the
 * others: their errors, and how long they wait. RFC 9293 3.9.1; errno is Linux TCP's
 * in every row, so all of it holds on the kernel's TCP as well.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <netinet/tcp.h>

PEER_FIXTURE(connect);

/* A host on the peer's device that does not answer. */
#define ELSEWHERE "10.0.0.77"

static int fresh(struct __test_metadata *_metadata)
{
	int fd = socket_new(-1);

	ASSERT_LE(0, fd);
	return fd;
}

/* An address of another family than the test's sockets. */
static int other_family(void)
{
	return socket_family(AF_INET) == AF_INET6 ? AF_INET : AF_INET6;
}

/* Linux takes no shorter address: RFC 2133's had no scope. */
static socklen_t address_len_min(void)
{
	return socket_family(AF_INET) == AF_INET6 ?
	       offsetof(struct sockaddr_in6, sin6_scope_id) : sizeof(struct sockaddr_in);
}

/* --- connect ----------------------------------------------------------- */

TEST_F(connect, errno_connect_einprogress_ealready_eisconn)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);	/* EINPROGRESS is checked there */
	EXPECT_EQ(EALREADY, socket_connect(c.fd, "10.0.0.2", c.pport));
	EXPECT_EQ(EALREADY, socket_connect(c.fd, ELSEWHERE, 1));
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	/* The first call after success reports it, whatever its address. */
	EXPECT_EQ(0, socket_connect(c.fd, ELSEWHERE, 1));
	EXPECT_EQ(EISCONN, socket_connect(c.fd, "10.0.0.2", c.pport));
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(connect, errno_connect_eisconn_on_listener)
{
	int fd = peer_listen(&self->peer, KERNEL_PORT, 1);

	EXPECT_EQ(EISCONN, socket_connect(fd, "10.0.0.2", 40000));
	EXPECT_EQ(1, proc_rows(AF_INET, ROW_LISTEN));
}

TEST_F(connect, errno_connect_bad_address)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&self->peer.addr, 40000, &sa);
	int fd = fresh(_metadata);

	EXPECT_EQ(EINVAL, errno_of(connect(fd, (void *)&sa, 7)));
	EXPECT_EQ(EINVAL, errno_of(connect(fd, (void *)&sa, 1)));
	EXPECT_EQ(EINVAL, errno_of(connect(fd, (void *)&sa, address_len_min() - 1)));
	EXPECT_EQ(EINVAL, errno_of(connect(fd, (void *)&sa, sizeof(sa) + 1)));
	EXPECT_EQ(EFAULT, errno_of(connect(fd, (void *)1, len)));
	sa.ss_family = other_family();
	EXPECT_EQ(EAFNOSUPPORT, errno_of(connect(fd, (void *)&sa, len)));
	sa.ss_family = 77;
	EXPECT_EQ(EAFNOSUPPORT, errno_of(connect(fd, (void *)&sa, len)));
	EXPECT_EQ(EBADF, errno_of(connect(-1, (void *)&sa, len)));
	EXPECT_EQ(0, proc_rows(AF_INET, 0));
	/* None of that harmed the socket. */
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 40000));
	peer_expect(&self->peer, .flags = SYN, .sport = ANYWHERE);
}

TEST_F(connect, errno_connect_enetunreach)
{
	/* IPv6 has no broadcast, but groups of each scope. */
	static const char *const many[2][3] = {
		{ "224.0.0.1", "10.0.0.255", "255.255.255.255" },
		{ "ff01::1", "ff02::1", "ff0e::1" },
	};
	bool v6 = test_family() == AF_INET6;
	int fd = fresh(_metadata);

	for (size_t i = 0; i < ARRAY_SIZE(many[v6]); i++)
		EXPECT_EQ(ENETUNREACH, socket_connect(fd, many[v6][i], 40000));
	EXPECT_EQ(0, proc_rows(AF_INET, 0));
	/* A namespace without any route. */
	netns_new(WHERE(_metadata));
	fd = fresh(_metadata);
	EXPECT_EQ(ENETUNREACH, socket_connect(fd, "10.0.0.2", 40000));
	EXPECT_EQ(0, proc_rows(AF_INET, 0));
}

/* No port left for that destination; another destination has all. */
TEST_F(connect, errno_connect_eaddrnotavail)
{
	int fd[3];

	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "45000 45001"));
	self->peer.leave_unread = true;
	for (int i = 0; i < 3; i++)
		fd[i] = fresh(_metadata);
	EXPECT_EQ(EINPROGRESS, socket_connect(fd[0], "10.0.0.2", 40000));
	EXPECT_EQ(EINPROGRESS, socket_connect(fd[1], "10.0.0.2", 40000));
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd[2], "10.0.0.2", 40000));
	EXPECT_EQ(EINPROGRESS, socket_connect(fd[2], ELSEWHERE, 40000));
	EXPECT_EQ(3, proc_rows(AF_INET, ROW_SYN_SENT));
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	EXPECT_EQ(0, proc_rows(AF_INET, 0));
}

/* What ends a connection attempt, and the value of SO_ERROR then. */
FIXTURE(refusal) {
	struct peer peer;
};

FIXTURE_VARIANT(refusal) {
	int type, code;		/* of ICMP; type 0: a RST */
	int error;
	int error6;		/* of the equivalent message of ICMPv6 */
};

static int of_family(int error, int error6)
{
	return test_family() == AF_INET6 ? error6 : error;
}

FIXTURE_SETUP(refusal)
{
	peer_open_at(WHERE(_metadata), &self->peer, NULL);
}

FIXTURE_TEARDOWN(refusal)
{
	peer_close_at(WHERE(_metadata), &self->peer);
}

#define REFUSAL(name, ...) \
	FIXTURE_VARIANT_ADD(refusal, name) { __VA_ARGS__ }

REFUSAL(rst, 0, 0, ECONNREFUSED, ECONNREFUSED);
REFUSAL(net_unreachable, 3, 0, ENETUNREACH, ENETUNREACH);
REFUSAL(host_unreachable, 3, 1, EHOSTUNREACH, EHOSTUNREACH);
REFUSAL(protocol_unreachable, 3, 2, ENOPROTOOPT, EPROTO);
REFUSAL(port_unreachable, 3, 3, ECONNREFUSED, ECONNREFUSED);
REFUSAL(source_route_failed, 3, 5, EOPNOTSUPP, ENETUNREACH);
REFUSAL(net_unknown, 3, 6, ENETUNREACH, ENETUNREACH);
REFUSAL(host_unknown, 3, 7, EHOSTDOWN, ENETUNREACH);
REFUSAL(host_isolated, 3, 8, ENONET, ENETUNREACH);
REFUSAL(prohibited, 3, 13, EHOSTUNREACH, EACCES);
REFUSAL(time_exceeded, 11, 0, EHOSTUNREACH, EHOSTUNREACH);
REFUSAL(parameter_problem, 12, 0, EPROTO, EPROTO);

static void refuse(struct conn *c, int type, int code)
{
	if (type)
		peer_send_icmp(c->peer, .type = type, .code = code);
	else
		conn_send(c, .flags = RST | ACK, .ack = 1);
}

TEST_F(refusal, errno_connect_reports_the_reason)
{
	struct conn c;

	conn_to_state(&self->peer, &c, ST_SYN_SENT);
	refuse(&c, variant->type, variant->code);
	EXPECT_EQ(POLLERR | POLLHUP, socket_poll(c.fd) & (POLLERR | POLLHUP));
	EXPECT_EQ(of_family(variant->error, variant->error6), socket_error(c.fd));
	EXPECT_EQ(0, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
}

/* The same, reported by a connect() that waits. */
static long connect_peer(int fd, char *data)
{
	errno = socket_connect(fd, "10.0.0.2", 40000);
	return errno ? -1 : 0;
}

/* The call, made by a child, and its SYN. */
static struct sleeper blocking_connect(struct peer *p, int fd, const struct segment **syn)
{
	struct sleeper s = sleeper_start(p->test, fd, connect_peer);
	const struct segment *seg;

	seg = peer_expect(p, .flags = SYN, .sport = ANYWHERE, .within_ms = 50);
	if (syn)
		*syn = seg;
	return s;
}

TEST_F(refusal, errno_blocking_connect)
{
	struct peer *p = &self->peer;
	int fd = stream_socket(AF_INET);
	struct sleeper_result r;
	const struct segment *syn;
	struct sleeper s = blocking_connect(p, fd, &syn);

	sleeper_expect_asleep(&s, 300);
	if (variant->type)
		peer_send_icmp(p, .type = variant->type, .code = variant->code);
	else
		peer_send(p, .flags = RST | ACK, .dport = syn->sport, .ack = syn->seq + 1);
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(-1, r.ret);
	EXPECT_EQ(of_family(variant->error, variant->error6), r.err);
	/* Reported once, and the socket may try again. */
	EXPECT_EQ(0, socket_error(fd));
	fd_nonblock(fd);
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 40000));
	peer_expect(p, .flags = SYN, .sport = ANYWHERE);
}

static void peer_accept(struct peer *p, const struct segment *syn)
{
	peer_send(p, .flags = SYN | ACK, .seq = 77, .dport = syn->sport,
		  .ack = syn->seq + 1, .opt = OPT(OPT_MSS(1460)));
	peer_expect(p, .flags = ACK, .sport = ANYWHERE, .ack = 78);
}

TEST_F(connect, call_connect_blocks_until_established)
{
	struct peer *p = &self->peer;
	int fd = stream_socket(AF_INET);
	struct sleeper_result r;
	const struct segment *syn;
	struct sleeper s = blocking_connect(p, fd, &syn);

	sleeper_expect_asleep(&s, 700);
	peer_accept(p, syn);
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(0, r.ret);
}

TEST_F(connect, errno_connect_etimedout)
{
	struct peer *p = &self->peer;
	int fd = stream_socket(AF_INET);
	struct sleeper_result r;
	struct sleeper s;

	ASSERT_EQ(0, setsockopt(fd, SOL_TCP, TCP_SYNCNT, &(int){ 1 }, sizeof(int)));
	s = blocking_connect(p, fd, NULL);
	peer_mark_last(p);
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .at_ms = 1000);
	r = sleeper_expect_done(&s, 2500);
	EXPECT_EQ(ETIMEDOUT, r.err);
	if (!stock_mode()) {
		EXPECT_LE(3000, r.ms);
		EXPECT_GE(3010, r.ms);
	}
}

/* SO_SNDTIMEO limits the wait of connect(), whose attempt continues. */
TEST_F(connect, call_connect_sndtimeo)
{
	struct peer *p = &self->peer;
	int fd = stream_socket(AF_INET);
	struct timeval tv = { .tv_usec = 500000 };
	const struct segment *syn;
	int64_t start;

	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	start = now_ms();
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 40000));
	sleeper_expect_ms(WHERE(_metadata), now_ms() - start, 500);
	syn = peer_expect(p, .flags = SYN, .sport = ANYWHERE);
	peer_accept(p, syn);
	EXPECT_EQ(0, socket_connect(fd, "10.0.0.2", 40000));
}

TEST_F(connect, call_connect_interrupted)
{
	struct peer *p = &self->peer;
	int fd = stream_socket(AF_INET);
	const struct segment *syn;
	struct sleeper_result r;
	struct sleeper s;

	s = sleeper_start_alarm(_metadata, fd, connect_peer, 200, 0);
	syn = peer_expect(p, .flags = SYN, .sport = ANYWHERE, .within_ms = 50);
	r = sleeper_expect_done(&s, 300);
	EXPECT_EQ(EINTR, r.err);
	EXPECT_LE(200, r.ms);
	EXPECT_GE(210, r.ms);
	/* The attempt goes on. */
	peer_accept(p, syn);
	EXPECT_EQ(0, socket_connect(fd, "10.0.0.2", 40000));
	EXPECT_EQ(EISCONN, socket_connect(fd, "10.0.0.2", 40000));
}

TEST_F(connect, call_connect_any_is_loopback)
{
	int lfd = fresh(_metadata), fd = fresh(_metadata);
	struct ipaddr loopback = ipaddr("127.0.0.1");

	ASSERT_EQ(0, socket_bind(lfd, "0.0.0.0", 5001));
	ASSERT_EQ(0, listen(lfd, 1));
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "0.0.0.0", 5001));
	EXPECT_EQ(0, socket_connect(fd, "0.0.0.0", 5001));
	socket_expect_name(WHERE(_metadata), fd, getpeername, &loopback, 5001);
	EXPECT_NE(0, socket_port(fd));
	socket_expect_name(WHERE(_metadata), fd, getsockname, &loopback, socket_port(fd));
	EXPECT_EQ(0, socket_accept(lfd));
}

TEST_F(connect, call_disconnect_established_resets)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c, .active = true);
	counters_take(&before);
	ASSERT_EQ(0, socket_disconnect(c.fd));
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "CurrEstab", -1, "EstabResets", 1,
			"OutRsts", 1, "OutSegs", 1, NULL);
	EXPECT_EQ(ENOTCONN, socket_name(c.fd, getpeername));
	socket_expect_name(WHERE(_metadata), c.fd, getsockname, NULL, socket_port(c.fd));
	EXPECT_EQ(POLLOUT | POLLHUP | POLLERR, socket_poll(c.fd));
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	EXPECT_EQ(POLLOUT | POLLHUP, socket_poll(c.fd));
	EXPECT_EQ(0, socket_disconnect(c.fd));
	/* The same socket is used again. */
	EXPECT_EQ(EINPROGRESS, socket_connect(c.fd, "10.0.0.2", 40000));
	peer_expect(p, .flags = SYN, .sport = ANYWHERE);
	EXPECT_EQ(1, proc_rows(AF_INET, ROW_SYN_SENT));
}

/* Then the socket has no connection, and no end of one to read either. */
TEST_F(connect, call_disconnect_after_the_peers_fin)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_CLOSE_WAIT, .active = true);
	EXPECT_EQ(0, socket_receive(c.fd));
	ASSERT_EQ(0, socket_disconnect(c.fd));
	conn_expect(&c, .flags = RST | ACK);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	EXPECT_EQ(ENOTCONN, socket_receive(c.fd));
}

TEST_F(connect, call_disconnect_syn_sent_is_silent)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	ASSERT_EQ(0, socket_disconnect(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	peer_expect_silence(p, 3000);
	EXPECT_EQ(0, proc_rows(AF_INET, 0));
}

TEST_F(connect, call_disconnect_stops_listening)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	ASSERT_EQ(0, socket_disconnect(c.lfd));
	/* The kernel's TCP keeps the half-open record until its timer expires. */
	EXPECT_EQ(stock_mode(), proc_rows(AF_INET, 0));
	EXPECT_EQ(EINVAL, socket_accept(c.lfd));
	/* Half-open records ended with it; the port was bound, and still is. */
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = RST, .seq = 1);
	ASSERT_EQ(0, listen(c.lfd, 1));
	EXPECT_EQ(1, proc_rows(AF_INET, ROW_LISTEN));
}

TEST_F(connect, call_disconnect_keeps_a_bound_address)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true, .kport = 5100);
	ASSERT_EQ(0, socket_disconnect(c.fd));
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
	socket_expect_name(WHERE(_metadata), c.fd, getsockname, &p->kernel, 5100);
}

/* --- bind -------------------------------------------------------------- */

TEST_F(connect, errno_bind)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&self->peer.kernel, 5000, &sa);
	int fd = fresh(_metadata), other = fresh(_metadata);

	EXPECT_EQ(EINVAL, errno_of(bind(fd, (void *)&sa, 7)));
	EXPECT_EQ(EINVAL, errno_of(bind(fd, (void *)&sa, address_len_min() - 1)));
	EXPECT_EQ(EADDRNOTAVAIL, socket_bind(fd, "10.0.0.99", 5000));
	sa.ss_family = other_family();
	EXPECT_EQ(EAFNOSUPPORT, errno_of(bind(fd, (void *)&sa, len)));
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", 5000));
	EXPECT_EQ(EINVAL, socket_bind(fd, "10.0.0.1", 5001));
	EXPECT_EQ(EADDRINUSE, socket_bind(other, "10.0.0.1", 5000));
	if (!stock_mode() || stock_knows_wildcard())
		EXPECT_EQ(EADDRINUSE, socket_bind(other, "0.0.0.0", 5000));
	/* Another address has ports of its own. */
	EXPECT_EQ(0, socket_bind(other, "127.0.0.1", 5000));
	close(fd);
	close(other);
	other = fresh(_metadata);
	EXPECT_EQ(0, socket_bind(other, "0.0.0.0", 5000));
}

TEST_F(connect, errno_bind_privileged_port)
{
	int fd = fresh(_metadata);

	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(EACCES, socket_bind(fd, "10.0.0.1", 80));
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", 1024));
	ASSERT_EQ(0, seteuid(0));
	fd = fresh(_metadata);
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", 80));
	fd = fresh(_metadata);
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "70"));
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", 79));
	ASSERT_EQ(0, seteuid(0));
}

TEST_F(connect, errno_bind_all_ephemeral_ports_taken)
{
	int fd[3];

	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "45000 45001"));
	for (int i = 0; i < 3; i++)
		fd[i] = fresh(_metadata);
	EXPECT_EQ(0, socket_bind(fd[0], "10.0.0.1", 0));
	EXPECT_EQ(0, socket_bind(fd[1], "10.0.0.1", 0));
	EXPECT_EQ(EADDRINUSE, socket_bind(fd[2], "10.0.0.1", 0));
	EXPECT_EQ(EADDRINUSE, errno_of(listen(fd[2], 1)));
}

/* LC-27: the same 4-tuple on protocol 6 and on 253 is two connections. */
TEST_F(connect, lc_27_same_tuple_on_both_protocols)
{
	struct peer *p = &self->peer;
	int stock = socket_new(IPPROTO_TCP);
	uint32_t ours, stocks;

	NOT_ON_STOCK();
	p->stock_may_speak = true;
	peer_go_native(p);
	peer_listen(p, 5000, 1);
	ASSERT_EQ(0, socket_bind(stock, "10.0.0.1", 5000));
	ASSERT_EQ(0, listen(stock, 1));
	peer_send(p, .flags = SYN, .seq = 1000, .opt = OPT(OPT_MSS(1460)));
	ours = peer_expect(p, .flags = SYN | ACK, .ack = 1001)->seq;
	EXPECT_EQ(1, proc_rows(AF_INET, ROW_SYN_RECEIVED));
	p->wire = IPPROTO_TCP;
	peer_send(p, .flags = SYN, .seq = 2000, .opt = OPT(OPT_MSS(1460)));
	stocks = peer_expect(p, .flags = SYN | ACK, .ack = 2001)->seq;
	EXPECT_EQ(1, proc_rows(AF_INET, ROW_SYN_RECEIVED));
	/* A RST to one leaves the other alone. */
	peer_send(p, .flags = RST, .seq = 2001);
	EXPECT_EQ(1, proc_rows(AF_INET, ROW_SYN_RECEIVED));
	peer_send(p, .flags = ACK, .seq = 2001, .ack = stocks + 1);
	peer_expect(p, .flags = RST, .seq = stocks + 1);
	p->wire = IPPROTO_XTCP;
	peer_send(p, .flags = ACK, .seq = 1001, .ack = ours + 1);
	EXPECT_EQ(1, proc_rows(AF_INET, ROW_ESTABLISHED));
	EXPECT_EQ(EAGAIN, socket_accept(stock));
}

TEST_HARNESS_MAIN
