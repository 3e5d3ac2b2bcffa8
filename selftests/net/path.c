// SPDX-License-Identifier: GPL-2.0
/*
 * path: what routers and peers may say about the size of segments, and how far that is
 * believed. RFC 1191 (path MTU discovery), RFC 5927 (ICMP is easily forged), RFC 6691
 * (what the MSS option counts), RFC 7413 (fast open's option, which xtcp skips), RFC
 * 3042 (limited transmit keeps a small window in use).
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

PEER_FIXTURE(path);

#define TIMESTAMPS	12	/* bytes of option in each segment, padded */

/* Sends a SYN with these options to a new listener. */
static void syn(struct peer *p, struct conn *c, struct optbytes opt)
{
	conn_start(p, c, .kport = p->next_port + 10000);
	conn_send(c, .flags = SYN, .opt = opt);
}

static void too_big(struct peer *p, const struct segment *quote, int mtu)
{
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED,
		       .quote = quote, .rest = mtu);
}

/*
 * IPv4 has a bit for that. IPv6 has none, because no router divides its packets: there the test
 * shows only that the segment comes whole, because the peer reads no fragments.
 */
TEST_F(path, rfc1191_every_segment_forbids_fragments)
{
	struct peer *p = &self->peer;
	const struct segment *s;
	struct conn c;

	conn_open(p, &c);
	conn_write(&c, 1460);
	s = conn_expect(&c, .len = 1460);
	if (p->family == AF_INET)
		EXPECT_TRUE(s->df);
	conn_send(&c, .flags = ACK, .ack = 1461);
}

/* RFC 1191 3: no router may set it below 68 bytes; RFC 8201 4: nor IPv6's below 1280. */
TEST_F(path, rfc1191_no_mtu_below_68_is_believed)
{
	struct peer *p = &self->peer;
	struct segment first;
	struct conn c;

	if (p->family == AF_INET)
		ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/route/min_pmtu", "68"));
	conn_open(p, &c);
	conn_write(&c, 1460);
	first = *conn_expect(&c, .len = 1460);
	too_big(p, &first, 20);
	if (p->family == AF_INET6) {
		too_big(p, &first, 1259);
		peer_expect_silence(p, 20);
		conn_send(&c, .flags = ACK, .ack = 1461);
		return;
	}
	/*
	 * Less than the route's minimum would lock its MTU: then routers divide the segments, as
	 * they do those of the kernel's TCP.
	 */
	peer_read(p, now_ns() + 10 * NSEC_PER_MSEC);
	EXPECT_EQ(c.kern_iss + 1, p->last.seq);
	EXPECT_EQ(!stock_mode(), p->last.df);
	EXPECT_EQ(68, (int)conn_info(&c).pmtu);
	EXPECT_EQ(0, socket_error(c.fd));
	EXPECT_EQ(stock_mode(), !system("ip route get 10.0.0.2 | grep -q 'mtu lock 68'"));
	p->leave_unread = true;
	socket_abort(c.fd);
}

/*
 * The route keeps min_pmtu, 552, so routers will drop segments again: a temporary error. It
 * is the program's if the connection ends by it, and SO_ERROR's.
 */
TEST_F(path, rfc1191_a_route_that_keeps_its_mtu)
{
	struct peer *p = &self->peer;
	struct segment first;
	struct conn c;

	conn_open(p, &c);
	if (p->family == AF_INET)
		ASSERT_EQ(0, socket_set(c.fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO));
	conn_write(&c, 1460);
	first = *conn_expect(&c, .len = 1460);
	too_big(p, &first, 300);
	if (p->family == AF_INET6) {
		/* A router that says less than 1280 is not believed. */
		EXPECT_EQ(0, socket_error(c.fd));
		conn_send(&c, .flags = ACK, .ack = 1461);
		return;
	}
	conn_expect(&c, .seq = 1, .len = 512);
	EXPECT_EQ(EMSGSIZE, socket_error(c.fd));
	p->leave_unread = true;
}

/*
 * Every segment that was too big is lost, also one that cannot be sent again yet because
 * its last copy is still in a queue of this host.
 */
TEST_F(path, rfc1191_all_that_was_too_big_is_lost)
{
	struct peer *p = &self->peer;
	struct tcp_info info = { };
	socklen_t len = sizeof(info);
	struct segment first;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	/* The first leaves, the others need a minute each. */
	shaper_set(WHERE(_metadata), "tun0", 25, 100 << 20);
	for (int i = 0; i < 6; i++)
		conn_write(&c, 1460);
	first = *conn_expect(&c, .seq = 1, .len = 1460);
	too_big(p, &first, 1300);
	sleep_ms(20);
	EXPECT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	EXPECT_LE(3, info.tcpi_unacked);
	EXPECT_EQ(info.tcpi_unacked, info.tcpi_lost);
	p->leave_unread = true;
	socket_abort(c.fd);
}

/*
 * Without SACK, segments that two duplicate ACKs stand for are among those that were too big.
 * That is no reordering.
 */
TEST_F(path, rfc1191_duplicates_of_what_was_too_big)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct segment last;
	struct conn c;

	flight_start(p, &c, 10, .opt = OPT(OPT_MSS(1400)));
	last = p->last;
	counters_take(&before);
	flight_ack(&c, 0);
	flight_ack(&c, 0);
	peer_expect_silence(p, 5);
	too_big(p, &last, 1300);
	conn_expect(&c, .seq = 1, .len = 1260);
	peer_drain(p, 5);
	conn_send(&c, .flags = ACK, .ack = 1261);
	peer_drain(p, 5);
	EXPECT_EQ(0, counter_moved(&before, "TCPRenoReorder"));
	EXPECT_EQ(3, (int)socket_tcp_info(_metadata, c.fd).tcpi_reordering);
	conn_send(&c, .flags = RST);
}

TEST_F(path, rfc5927_mtu_above_what_is_in_flight_is_ignored)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct segment small;
	struct conn c;

	/* The kernel's TCP lets it lower the route's MTU. */
	NOT_ON_STOCK();
	conn_open(p, &c);
	conn_write(&c, 300);
	small = *conn_expect(&c, .len = 300);
	counters_begin(&before);
	/* 340 bytes were sent, and no router can have refused 1300. */
	too_big(p, &small, 1300);
	counters_expect(_metadata, &before, "OutOfWindowIcmps", 1, NULL);
	conn_send(&c, .flags = ACK, .ack = 301);
	conn_write(&c, 1460);
	conn_expect(&c, .seq = 301, .len = 1460);
	conn_send(&c, .flags = ACK, .ack = 1761);
}

/* The options of the segment that was too big count, also those that later ones may lack. */
TEST_F(path, rfc1191_too_big_by_its_sack_block)
{
	struct peer *p = &self->peer;
	int64_t len = p->family == AF_INET6 ? 1418 : 1438;
	struct segment first;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_SACKOK));
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	conn_send(&c, .flags = ACK, .seq = 1001, .len = 10);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_write(&c, len);
	first = *conn_expect(&c, .seq = 1, .len = len);
	/* Of 1490 bytes, a dozen of them for the block. Without it the segment fits. */
	EXPECT_LT(0, first.opt.sacks);
	too_big(p, &first, 1482);
	conn_expect(&c, .seq = 1, .len = len, .within_ms = 1);
	conn_send(&c, .flags = RST);
}

/* It can't be about what is sent now, whatever is in flight from before. */
TEST_F(path, rfc5927_mtu_above_the_known_one_is_ignored)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct segment first;
	struct conn c;

	NOT_ON_STOCK();		/* which does not count it */
	conn_open(p, &c);
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	for (int i = 0; i < 3; i++)
		conn_write(&c, 1460);
	first = *conn_expect(&c, .seq = 1, .len = 1460);
	conn_expect(&c, .seq = 1461, .len = 1460);
	conn_expect(&c, .seq = 2921, .len = 1460);
	counters_begin(&before);
	counters_ignore_traffic(&before);
	too_big(p, &first, 1300);
	too_big(p, &first, 1300);
	EXPECT_EQ(0, counter_moved(&before, "OutOfWindowIcmps"));
	too_big(p, &first, 1400);
	EXPECT_EQ(1, counter_moved(&before, "OutOfWindowIcmps"));
	EXPECT_EQ(mtu_of(1300), conn_info(&c).pmtu);
	p->leave_unread = true;
	socket_abort(c.fd);
}

/* The MTU to one peer is not that to another one, though the same route leads to both. */
TEST_F(path, rfc1191_the_mtu_to_a_peer_is_not_its_neighbours)
{
	struct ipaddr peers[] = { ipaddr("10.0.0.3"), ipaddr("10.0.0.2") };
	struct peer *p = &self->peer;
	struct segment first;
	struct conn c;

	conn_open(p, &c);
	conn_write(&c, 1460);
	first = *conn_expect(&c, .len = 1460);
	too_big(p, &first, 1300);
	EXPECT_EQ(mtu_of(1300), conn_info(&c).pmtu);
	conn_send(&c, .flags = RST);
	peer_drain(p, 10);
	for (int i = 0; i < 8; i++) {
		conn_open(p, &c, .peer_addr = peers[i % 2], .active = i & 2, .kport = 6000 + i);
		EXPECT_EQ(mtu_of(i % 2 ? 1300 : 1500), conn_info(&c).pmtu);
		conn_send(&c, .flags = RST);
	}
}

TEST_F(path, rfc5927_hard_errors_end_no_connection)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	conn_write(&c, 100);
	conn_expect(&c, .len = 100);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PROT_UNREACH);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH);
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = ACK, .ack = 101);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(path, rfc5927_quote_of_the_past_counts_as_forged)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct segment old;
	struct conn c;

	conn_open(p, &c);
	conn_write(&c, 1460);
	old = *conn_expect(&c, .len = 1460);
	conn_send(&c, .flags = ACK, .ack = 1461);
	conn_write(&c, 1460);
	conn_expect(&c, .seq = 1461, .len = 1460);
	counters_begin(&before);
	too_big(p, &old, 1000);
	counters_expect(_metadata, &before, "OutOfWindowIcmps", 1, NULL);
	conn_send(&c, .flags = ACK, .ack = 2921);
}

/* RFC 6691: the option is the MTU less 40, whatever options segments carry... */
TEST_F(path, rfc6691_option_is_not_reduced_for_options)
{
	struct peer *p = &self->peer;
	struct conn c;

	syn(p, &c, OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0)));
	conn_expect(&c, .flags = SYN | ACK, .mss = 1460, .ts = 1);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .mss = 1460, .ts = 1);
	close(c.fd);
}

/* ... and the sender takes its own options off. */
TEST_F(path, rfc6691_sender_subtracts_its_options)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1000), OPT_TS(1, 0)));
	conn_write(&c, 1000 - TIMESTAMPS);
	conn_expect(&c, .len = 1000 - TIMESTAMPS);
	conn_send(&c, .flags = ACK, .ack = 1001 - TIMESTAMPS);
}

/*
 * Forty bytes of IP options, or as many of an extension header; none: 0. The kernel's
 * TCP needs them set again for each connection over IPv4.
 */
static void ip_options_set(int fd, int len)
{
	static const uint8_t route[40] = { 7, 39, 4 };
	static const uint8_t pad[40] = { 0, 4, 1, 36 };
	bool v6 = test_family() == AF_INET6;
	int err = setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_DSTOPTS : IP_OPTIONS,
			     v6 ? pad : route, len);

	if (err)
		printf("# options of %d bytes: %s\n", len, strerror(errno));
}

static void ip_options_forty(int fd)
{
	ip_options_set(fd, 40);
}

static void expect_full(struct __test_metadata *_metadata, struct conn *c, int len)
{
	int at = conn_kern_nxt(c);
	const struct segment *s;

	conn_write(c, 2 * len);
	for (int i = 0; i < 2; i++) {
		s = conn_expect(c, .seq = at + i * len, .len = len);
		EXPECT_GE(mtu_of(1500), s->packet_len);
	}
	conn_send(c, .flags = ACK);
}

/* RFC 6691 2: IP's options take their bytes from the payload, whichever side opened. */
TEST_F(path, rfc9293_must_16_ip_options_count)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true, .prepare = ip_options_forty,
		  .opt = OPT(OPT_MSS(1460), OPT_TS(1, 0)));
	expect_full(_metadata, &c, 1460 - 40 - TIMESTAMPS);
	/* The MSS that the peer announced is not a packet's size, either. */
	conn_open(p, &c, .active = true, .prepare = ip_options_forty,
		  .opt = OPT(OPT_MSS(1000)));
	expect_full(_metadata, &c, 1000 - 40);
}

/* The options are set and removed during the connection. */
TEST_F(path, rfc9293_must_16_ip_options_set_later)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	expect_full(_metadata, &c, 1460);
	ip_options_set(c.fd, 40);
	expect_full(_metadata, &c, 1460 - 40);
	/* A router's MTU is of packets, too; the options come first in its quote. */
	conn_write(&c, 1420);
	conn_expect(&c, .len = 1420);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED,
		       .quote_len = 40 + 8, .rest = 1400);
	conn_expect(&c, .len = 1400 - 80);
	conn_expect(&c, .len = 100);
	conn_send(&c, .flags = ACK);
	ip_options_set(c.fd, 0);
	expect_full(_metadata, &c, 1400 - 40);
}

/* RFC 5927 7.1: a router's MTU that is 8 bytes less than a packet with all options is believed. */
TEST_F(path, rfc9293_must_16_too_big_with_ip_options)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true, .prepare = ip_options_forty,
		  .opt = OPT(OPT_MSS(1460), OPT_TS(1, 0)));
	conn_write(&c, 1460 - 40 - TIMESTAMPS);
	conn_expect(&c, .len = 1460 - 40 - TIMESTAMPS);
	EXPECT_EQ(mtu_of(1500), p->last.packet_len);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED,
		       .quote_len = 40 + 8, .rest = 1492);
	conn_expect(&c, .len = 1460 - 40 - TIMESTAMPS - 8);
	conn_expect(&c, .len = 8);
	EXPECT_EQ(mtu_of(1492), conn_info(&c).pmtu);
}

/*
 * The first router of a source route is looked up as any destination: a program must not reach by
 * it what a route prohibits.
 */
TEST_F(path, rfc9293_must_51_source_route_set_later)
{
	static const uint8_t hop[] = { 1, 131, 7, 4, 10, 9, 0, 1 };
	struct peer *p = &self->peer;
	const struct segment *s;
	struct conn c;

	if (p->family != AF_INET)
		return;
	shell_run(WHERE(_metadata), "ip route add prohibit 10.9.0.1");
	conn_open(p, &c);
	conn_write(&c, 10);
	conn_expect(&c, .len = 10);
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_IP, IP_OPTIONS, hop, sizeof(hop)));
	conn_write(&c, 10);
	if (stock_mode()) {
		/* It goes on by the peer's own route until that is old. */
		conn_expect(&c, .len = 10);
		EXPECT_EQ(7, p->last.packet[0] & 15);
		return;
	}
	peer_expect_silence(p, 100);
	shell_run(WHERE(_metadata), "ip route del prohibit 10.9.0.1");
	s = peer_read(p, now_ns() + NSEC_PER_SEC);
	ASSERT_NE(NULL, s);
	EXPECT_EQ(0, memcmp(s->packet + 16, hop + 4, 4));
	conn_send(&c, .flags = ACK, .ack = 21);
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_IP, IP_OPTIONS, NULL, 0));
	conn_write(&c, 10);
	conn_expect(&c, .seq = 21, .len = 10);
	EXPECT_EQ(5, p->last.packet[0] & 15);
	conn_send(&c, .flags = ACK);
}

/* Kinds 34 and 254: a cookie, or a request for one. A listener without it skips them. */
TEST_F(path, rfc7413_fast_open_is_skipped)
{
	struct peer *p = &self->peer;
	struct conn c;

	syn(p, &c, OPT(34, 2, OPT_MSS(900)));
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .opt_len = 4);
	syn(p, &c, OPT(34, 10, 1, 2, 3, 4, 5, 6, 7, 8, OPT_MSS(900)));
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .opt_len = 4);
	syn(p, &c, OPT(254, 12, 0xf9, 0x89, 1, 2, 3, 4, 5, 6, 7, 8,
		       OPT_MSS(900)));
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .opt_len = 4);
}

/* RFC 3042: each of two duplicate ACKs lets a new segment out, above cwnd. */
TEST_F(path, rfc3042_limited_transmit)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* The kernel's TCP waits to make one large packet of what it may send. */
	NOT_ON_STOCK();
	conn_open(p, &c, .wnd = 60000);
	conn_write(&c, 14 * 1460);
	for (int i = 0; i < 10; i++)
		conn_expect(&c, .seq = 1 + i * 1460, .len = 1460);
	peer_expect_silence(p, 5);
	conn_send(&c, .flags = ACK, .ack = 1, .wnd = 60000);
	conn_expect(&c, .seq = 1 + 10 * 1460, .len = 1460);
	conn_send(&c, .flags = ACK, .ack = 1, .wnd = 60000);
	conn_expect(&c, .seq = 1 + 11 * 1460, .len = 1460);
	/* Neither changed cwnd: two segments above it, and no third. */
	peer_expect_silence(p, 5);
	/* The third duplicate is a loss: the oldest segment is sent again. */
	conn_send(&c, .flags = ACK, .ack = 1, .wnd = 60000);
	conn_expect(&c, .seq = 1, .len = 1460);
	p->leave_unread = true;
}

/* While a call owns the socket the smallest MTU of all errors waits, and no longer than that. */
TEST_F(path, lc_106_too_big_while_the_program_owns_the_socket)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct segment first;
	struct holder h;
	struct conn c;

	NOT_ON_STOCK();		/* where the last of them waits */
	conn_open(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	conn_write(&c, 1460);
	first = *conn_expect(&c, .seq = 1, .len = 1460);
	counters_take(&before);
	holder_hold(_metadata, &h, c.fd);
	too_big(p, &first, 1300);
	too_big(p, &first, 1400);
	peer_expect_silence(p, 20);
	EXPECT_EQ(0, counter_moved(&before, "LockDroppedIcmps"));
	holder_release(&h);
	conn_expect(&c, .seq = 1, .len = 1260, .pattern = 0);
	EXPECT_EQ(mtu_of(1300), conn_info(&c).pmtu);
	p->leave_unread = true;
	socket_abort(c.fd);
}

TEST_HARNESS_MAIN
