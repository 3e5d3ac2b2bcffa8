// SPDX-License-Identifier: GPL-2.0
/*
 * takeover: the kernel's TCP has connections at a port where xtcp listens or connects.
 * LC-95, RFC 5961 4, RFC 6191.
 */
/* vm: v6 mapped */
#include "lib/exthdr.h"
#include "lib/xtcp_test.h"

#define PORT_RANGE "/proc/sys/net/ipv4/ip_local_port_range"

PEER_FIXTURE(takeover);
FIXTURE_VARIANT_ADD(takeover, tcp) { .setup = { .wire = XTCP_WIRE_TCP } };

/* A timestamp option; 0: none. */
static struct optbytes stamp(uint32_t tsval, uint32_t tsecr)
{
	return tsval ? OPT(OPT_TS(tsval, tsecr)) : (struct optbytes){ 0 };
}

/*
 * A server of the kernel's TCP with one connection closes its listener, and one of
 * xtcp listens in its place. Our end's next number is *@nxt, the peer's 6. The peer's
 * segments have the timestamp @tsval; 0: none.
 */
static int taken_over_stamped(struct __test_metadata *_metadata, struct peer *p, int *ours,
			      uint32_t *nxt, uint32_t tsval)
{
	int stock, fd;

	p->stock_may_speak = true;
	p->leave_unread = true;
	stock = socket_of_stack(STOCKS, REUSEADDR);
	ASSERT_EQ(0, socket_bind(stock, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(stock, 4));
	peer_send(p, .flags = SYN, .seq = 5, .opt = stamp(tsval, 0));
	*nxt = peer_expect(p, .flags = SYN | ACK, .ack = 6, .ts = !!tsval)->seq + 1;
	peer_send(p, .flags = ACK, .seq = 6, .ack = *nxt, .opt = stamp(tsval, p->last.opt.tsval));
	fd = accept(stock, NULL, NULL);
	ASSERT_LE(0, fd);
	close(stock);
	*ours = socket_of_stack(OURS, REUSEADDR);
	ASSERT_EQ(0, socket_bind(*ours, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(*ours, 4));
	return fd;
}

static int taken_over(struct __test_metadata *_metadata, struct peer *p, int *ours,
		      uint32_t *nxt)
{
	return taken_over_stamped(_metadata, p, ours, nxt, 0);
}

static void stock_early_demux(bool on)
{
	sysctl_write("/proc/sys/net/ipv4/tcp_early_demux", on ? "1" : "0");
}

/*
 * A server of the kernel's TCP is replaced by one of xtcp while a connection of it is
 * open: that stays the kernel's, new ones are xtcp's.
 */
TEST_F(takeover, a_connection_of_stocks_goes_on)
{
	struct peer *p = &self->peer;
	uint32_t nxt;
	int ours, fd;

	NOT_ON_STOCK();
	fd = taken_over(_metadata, p, &ours, &nxt);
	for (int early = 0; early < 2; early++) {
		stock_early_demux(early);
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
}

/* A SYN for a connection of the kernel's TCP is challenged by it, even if forged. */
TEST_F(takeover, rfc5961_4_a_syn_for_a_connection_of_stocks)
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
TEST_F(takeover, rfc6191_a_time_wait_of_stocks_gives_way)
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

/*
 * The same, up to the kernel's TIME-WAIT. The peer's segments have the timestamp @tsval; 0: none.
 * The next numbers are *@nxt and 7. Returns the listener of xtcp.
 */
static int time_wait_of_stocks(struct __test_metadata *_metadata, struct peer *p, uint32_t *nxt,
			       uint32_t tsval)
{
	struct optbytes opt;
	int ours, fd;

	fd = taken_over_stamped(_metadata, p, &ours, nxt, tsval);
	close(fd);
	peer_expect(p, .flags = FIN | ACK, .seq = *nxt, .ack = 6, .ts = !!tsval);
	++*nxt;
	opt = stamp(tsval, p->last.opt.tsval);
	peer_send(p, .flags = ACK, .seq = 6, .ack = *nxt, .opt = opt);
	peer_send(p, .flags = FIN | ACK, .seq = 6, .ack = *nxt, .opt = opt);
	peer_expect(p, .flags = ACK, .seq = *nxt, .ack = 7, .ts = !!tsval);
	return ours;
}

/* The kernel's TIME-WAIT answers a SYN, and xtcp counts nothing. */
static void syn_is_stocks(struct __test_metadata *_metadata, struct peer *p, uint32_t seq,
			  uint32_t tsval, uint32_t nxt)
{
	struct counters before;

	/* The kernel answers once in half a second. */
	sleep_ms(600);
	counters_take(&before);
	peer_send(p, .flags = SYN, .seq = seq, .opt = stamp(tsval, 0));
	peer_expect(p, .flags = ACK, .seq = nxt, .ack = 7);
	counters_expect(_metadata, &before, NULL);
}

/*
 * The first fragment of a SYN, with a checksum that fits this fragment. The kernel's TIME-WAIT is
 * there still, and the whole is the kernel's: its checksum is wrong.
 */
TEST_F(takeover, rfc6191_a_fragment_ends_no_time_wait_of_stocks)
{
	uint8_t built[128], part[128];
	struct peer *p = &self->peer;
	struct segment_spec spec;
	uint32_t nxt;
	int n;

	NOT_ON_STOCK();
	if (p->family != AF_INET6)
		return;		/* IPv4 puts fragments together before */
	time_wait_of_stocks(_metadata, p, &nxt, 0);
	spec = peer_spec(p, .flags = SYN, .seq = 5000, .opt = OPT(OPT_MSS(1000)));
	n = segment_build(&spec, built);
	fragment_cut(built, n, 0, 24, 1, part);
	part[40 + 3] |= 1;	/* more fragments */
	peer_send_raw(p, part, 40 + 8 + 24);
	memset(built + n, 'x', 8);
	n = fragment_cut(built, n + 8, 24, 32, 1, part);
	peer_send_raw(p, part, n);
	peer_expect_silence(p, 100);
	syn_is_stocks(_metadata, p, 4, 0, nxt);
}

/* A SYN with an old number ends it if its timestamp is newer than the last one. */
TEST_F(takeover, rfc6191_a_newer_timestamp_ends_a_time_wait_of_stocks)
{
	struct peer *p = &self->peer;
	uint32_t nxt;

	NOT_ON_STOCK();
	for (int early = 0; early < 2; early++) {
		int ours;

		stock_early_demux(early);
		ours = time_wait_of_stocks(_metadata, p, &nxt, 1000);
		syn_is_stocks(_metadata, p, 4, 999, nxt);
		syn_is_stocks(_metadata, p, 4, 1000, nxt);
		syn_is_stocks(_metadata, p, 4, 0, nxt);
		peer_send(p, .flags = SYN, .seq = 4, .opt = stamp(1001, 0));
		nxt += 65537;
		peer_expect(p, .flags = SYN | ACK, .seq = nxt, .ack = 5, .ts = 1, .tsecr = 1001);
		peer_send(p, .flags = RST, .seq = 5);
		close(ours);
	}
}

/* A SYN with a new number and an old timestamp does not end it. */
TEST_F(takeover, rfc6191_an_older_timestamp_ends_no_time_wait_of_stocks)
{
	struct peer *p = &self->peer;
	uint32_t nxt;

	NOT_ON_STOCK();
	for (int early = 0; early < 2; early++) {
		int ours;

		stock_early_demux(early);
		ours = time_wait_of_stocks(_metadata, p, &nxt, 1000);
		syn_is_stocks(_metadata, p, 5000, 999, nxt);
		peer_send(p, .flags = SYN, .seq = 5000, .opt = stamp(1000, 0));
		nxt += 65537;
		peer_expect(p, .flags = SYN | ACK, .seq = nxt, .ack = 5001, .ts = 1,
			    .tsecr = 1000);
		peer_send(p, .flags = RST, .seq = 5001);
		close(ours);
	}
}

/* The old connection had no timestamps: that of a SYN is neither newer nor older. */
TEST_F(takeover, rfc6191_a_timestamp_after_a_connection_of_stocks_without)
{
	struct peer *p = &self->peer;
	uint32_t nxt;

	NOT_ON_STOCK();
	for (int early = 0; early < 2; early++) {
		int ours;

		stock_early_demux(early);
		ours = time_wait_of_stocks(_metadata, p, &nxt, 0);
		syn_is_stocks(_metadata, p, 4, 1000, nxt);
		/* This one would be older than a timestamp of 0. */
		peer_send(p, .flags = SYN, .seq = 5000, .opt = stamp(-1000, 0));
		nxt += 65537;
		peer_expect(p, .flags = SYN | ACK, .seq = nxt, .ack = 5001, .ts = 1,
			    .tsecr = (uint32_t)-1000);
		peer_send(p, .flags = RST, .seq = 5001);
		close(ours);
	}
}

/*
 * The kernel's TCP has a record for FIN-WAIT-2, too. A SYN within the window resets it, and the
 * next SYN is xtcp's.
 */
TEST_F(takeover, rfc6191_a_fin_wait_2_of_stocks_does_not_give_way)
{
	struct peer *p = &self->peer;
	struct counters before;
	uint32_t nxt;
	int ours, fd;

	NOT_ON_STOCK();
	for (int early = 0; early < 2; early++) {
		stock_early_demux(early);
		fd = taken_over(_metadata, p, &ours, &nxt);
		close(fd);
		peer_expect(p, .flags = FIN | ACK, .seq = nxt, .ack = 6);
		peer_send(p, .flags = ACK, .seq = 6, .ack = nxt + 1);
		counters_take(&before);
		peer_send(p, .flags = SYN, .seq = 5000);
		peer_expect(p, .flags = RST | ACK, .seq = 0, .ack = 5001);
		counters_expect(_metadata, &before, NULL);
		peer_send(p, .flags = SYN, .seq = 5000);
		peer_expect(p, .flags = SYN | ACK, .ack = 5001);
		peer_send(p, .flags = RST, .seq = 5001);
		close(ours);
	}
}

/* The kernel's TCP has answered a SYN, and its listener has closed: xtcp's listener. */
static int listen_behind_half_open(struct __test_metadata *_metadata, struct peer *p)
{
	int stock = socket_of_stack(STOCKS, REUSEADDR);
	int ours;

	ASSERT_EQ(0, socket_bind(stock, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(stock, 4));
	peer_send(p, .flags = SYN, .seq = 5);
	peer_expect(p, .flags = SYN | ACK, .ack = 6);
	close(stock);
	ours = socket_of_stack(OURS, REUSEADDR);
	ASSERT_EQ(0, socket_bind(ours, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(ours, 4));
	return ours;
}

/* A half-open one goes with its listener: a repeated SYN is xtcp's. */
TEST_F(takeover, a_half_open_connection_of_stocks_goes_with_its_listener)
{
	struct peer *p = &self->peer;
	struct counters before;
	int ours;

	NOT_ON_STOCK();
	p->stock_may_speak = true;
	for (int early = 0; early < 2; early++) {
		stock_early_demux(early);
		ours = listen_behind_half_open(_metadata, p);
		counters_take(&before);
		peer_send(p, .flags = SYN, .seq = 5);
		peer_expect(p, .flags = SYN | ACK, .ack = 6);
		counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, NULL);
		peer_send(p, .flags = RST, .seq = 6);
		close(ours);
		sleep_ms(20000);
	}
}

/* The third segment of a cookie is xtcp's as well, although no record shows it. */
TEST_F(takeover, a_cookies_ack_passes_a_half_open_connection_of_stocks)
{
	struct peer *p = &self->peer;
	int ours;
	uint32_t ack;

	NOT_ON_STOCK();
	p->stock_may_speak = true;
	ASSERT_EQ(0, knob_set("syncookies", 2));
	for (int early = 0; early < 2; early++) {
		stock_early_demux(early);
		ours = listen_behind_half_open(_metadata, p);
		peer_send(p, .flags = SYN, .seq = 5);
		peer_expect(p, .flags = SYN | ACK, .ack = 6);
		ack = p->last.seq + 1;
		peer_send(p, .flags = ACK, .seq = 6, .ack = ack);
		peer_expect_silence(p, 10);
		EXPECT_EQ(POLLIN, socket_poll(ours));
		peer_send(p, .flags = RST, .seq = 6);
		close(ours);
		sleep_ms(20000);
	}
}

/* A connection of the kernel's TCP from @port to the peer's 80, its numbers 1 and 1. */
static int stock_connected(struct __test_metadata *_metadata, struct peer *p, int port,
			   uint32_t *nxt)
{
	int fd = socket_of_stack(STOCKS, REUSEADDR);

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
	int fd = socket_of_stack(OURS, REUSEADDR);
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
TEST_F(takeover, lc_95_a_connection_of_stocks_is_in_the_way)
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
TEST_F(takeover, lc_95_no_ephemeral_port_of_stocks_connection)
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

TEST_HARNESS_MAIN
