// SPDX-License-Identifier: GPL-2.0
/*
 * hook: segments of protocol 6 reach xtcp, and no others do; the form of packets that
 * leave. RFC 791, LC-27. What such segments do then is tested by the other rooms on
 * both wires; errors about them by tcpwire/quotes.
 */
/* vm: mapped short */
#include "lib/xtcp_test.h"

#include <linux/icmp.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>

PEER_FIXTURE(hook);
FIXTURE_VARIANT_ADD(hook, tcp) { .setup = { .wire = XTCP_WIRE_TCP } };

static void expect_alive(struct __test_metadata *_metadata, struct conn *c)
{
	conn_send(c, .flags = ACK | PSH, .data = "ping");
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = 210);
	stream_expect_text(_metadata, c->fd, "ping");
}

/* A native packet with a TCP-wire connection's 4-tuple does not belong to it. */
TEST_F(hook, lc_27_forged_native_packets_match_no_connection)
{
	static const int flags[] = { RST, RST | ACK, SYN, FIN | ACK, ACK | PSH };
	struct peer *p = &self->peer;
	const struct segment *s;
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .prepare = socket_set_wire_tcp);
	counters_begin(&before);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		p->wire = IPPROTO_XTCP;
		peer_send(p, .flags = flags[i], .seq = c.peer_nxt, .ack = c.kern_nxt,
			  .sport = c.pport, .len = 3);
		if (!(flags[i] & RST)) {
			s = peer_expect(p, .dport = c.pport);
			EXPECT_EQ(flags[i] & ACK ? RST : RST | ACK, s->flags);
			EXPECT_EQ(flags[i] & ACK ? (uint32_t)c.kern_nxt : 0, s->seq);
		}
		p->wire = IPPROTO_TCP;
		conn_expect_state(&c, ST_ESTABLISHED);
	}
	EXPECT_EQ(3, counter_moved(&before, "OutRsts"));
	EXPECT_EQ(3, counter_moved(&before, "XtcpResetSentNoConnection"));
	expect_alive(_metadata, &c);
}

/*
 * The reverse: on a native connection's port the kernel's TCP answers for protocol 6.
 */
TEST_F(hook, lc_27_tcp_packets_match_no_native_connection)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	p->wire = IPPROTO_XTCP;
	conn_open(p, &c);
	p->wire = IPPROTO_TCP;
	p->stock_may_speak = true;
	peer_send(p, .flags = ACK | PSH, .seq = c.peer_nxt, .ack = 4711, .sport = c.pport,
		  .data = "no");
	peer_expect(p, .flags = RST, .seq = 4711, .dport = c.pport);
	p->wire = IPPROTO_XTCP;
	conn_expect_state(&c, ST_ESTABLISHED);
	expect_alive(_metadata, &c);
}

/* In fragments of multiples of eight bytes, first to last and last to first. */
TEST_F(hook, fragments_are_whole_before)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .prepare = stock_mode() ? NULL : socket_set_wire_tcp);
	for (int backwards = 0; backwards < 2; backwards++) {
		struct segment_spec spec = conn_spec(&c, .flags = ACK | PSH, .len = 1000);
		uint8_t whole[PACKET_MAX], part[PACKET_MAX];
		int len = segment_build(&spec, whole);

		for (int i = 0; i < 3; i++) {
			int n = backwards ? 2 - i : i;
			int from = n * 400, to = n == 2 ? len - 20 : from + 400;
			uint16_t sum, off = htons(from / 8 | (n == 2 ? 0 : 0x2000));
			uint16_t size = htons(20 + to - from);

			memcpy(part, whole, 20);
			memcpy(part + 20, whole + 20 + from, to - from);
			part[4] = 9;
			part[5] = backwards;
			memcpy(part + 2, &size, 2);
			memcpy(part + 6, &off, 2);
			part[10] = part[11] = 0;
			sum = htons(ip_checksum(part, 20, 0));
			memcpy(part + 10, &sum, 2);
			if (i == 2)
				peer_expect_silence(p, 5);
			peer_send_raw(p, part, 20 + to - from);
		}
		conn_expect(&c, .flags = ACK, .ack = 1001 + 1000 * backwards,
			    .within_ms = 210);
		c.peer_nxt = c.peer_iss + 1001 + 1000 * backwards;
	}
}

/* A listener of xtcp on the TCP wire, at any address. */
static void listen_everywhere(struct __test_metadata *_metadata)
{
	int fd = stream_socket(AF_INET);

	socket_set_wire_tcp(fd);
	ASSERT_EQ(0, socket_bind(fd, "", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(fd, 4));
}

/* Neither stack answers segments to broadcast and multicast addresses. */
TEST_F(hook, rfc9293_must_57_to_many)
{
	static const char *const to[] = { "10.0.0.255", "255.255.255.255", "224.0.0.1" };
	struct peer *p = &self->peer;
	struct counters before;

	NOT_ON_STOCK();
	listen_everywhere(_metadata);
	counters_take(&before);
	counters_ignore(&before, "InSegs", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		peer_send(p, .flags = SYN, .seq = 1, .dst = ipaddr(to[i]));
		peer_send(p, .flags = ACK, .seq = 1, .ack = 1, .dst = ipaddr(to[i]));
	}
	peer_expect_silence(p, 1200);
	counters_expect(_metadata, &before, NULL);
}

/* IP drops martians before. */
TEST_F(hook, martians_stay_outside)
{
	static const char *const from[] = { "127.0.0.1", "0.0.0.0", "224.0.0.1",
					    "255.255.255.255", "10.0.0.1" };
	struct peer *p = &self->peer;
	struct counters before;

	NOT_ON_STOCK();
	listen_everywhere(_metadata);
	counters_take(&before);
	for (size_t i = 0; i < ARRAY_SIZE(from); i++)
		peer_send(p, .flags = SYN, .seq = 1, .src = ipaddr(from[i]));
	peer_expect_silence(p, 1200);
	counters_expect(_metadata, &before, NULL);
}

/*
 * A sniffer shares each packet: it sees protocol 6, and the connection is unaffected.
 */
TEST_F(hook, a_sniffer_sees_protocol_6)
{
	int sniffer = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(ETH_P_ALL));
	struct peer *p = &self->peer;
	int in = 0, out = 0;
	uint8_t buf[2048];
	struct conn c;
	int n;

	ASSERT_LE(0, sniffer);
	conn_open(p, &c, .prepare = stock_mode() ? NULL : socket_set_wire_tcp);
	for (int i = 0; i < 10; i++)
		expect_alive(_metadata, &c);
	for (;;) {
		struct sockaddr_ll from;
		socklen_t len = sizeof(from);

		n = recvfrom(sniffer, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		if (n < 0)
			break;
		if (n < 40 || buf[0] >> 4 != 4)
			continue;
		EXPECT_EQ(IPPROTO_TCP, buf[9]);
		EXPECT_EQ(0, ip_checksum(buf, 20, 0));
		if (from.sll_pkttype == PACKET_OUTGOING)
			out++;
		else
			in++;
	}
	EXPECT_EQ(12, in);
	EXPECT_EQ(11, out);
}

/*
 * A raw socket sees all packets of other protocols, and of protocol 6 those that are
 * not ours.
 */
TEST_F(hook, raw_sockets_do_not_see_ours)
{
	int raw = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_TCP);
	struct peer *p = &self->peer;
	uint8_t buf[2048];
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_LE(0, raw);
	conn_open(p, &c, .prepare = socket_set_wire_tcp);
	expect_alive(_metadata, &c);
	EXPECT_GT(0, recv(raw, buf, sizeof(buf), 0));
	p->stock_may_speak = true;
	peer_send(p, .flags = SYN, .dport = 9);
	peer_expect(p, .flags = RST | ACK, .sport = 9);
	EXPECT_LT(0, recv(raw, buf, sizeof(buf), 0));
}

struct ip_options_case {
	int len;
	uint8_t set[40], sent[40];
};

/*
 * RFC 791 3.1: record route gets our address, timestamp our address too; a loose
 * source route leaves with the peer as its end.
 */
static void expect_ip_options(struct __test_metadata *_metadata, struct peer *p, int wire)
{
	static const struct ip_options_case cases[] = {
		{ 12, { 7, 11, 4, 0 }, { 7, 11, 8, 10, 0, 0, 1 } },
		{ 4, { 148, 4, 0, 0 }, { 148, 4, 0, 0 } },
		{ 12, { 68, 12, 5, 1 }, { 68, 12, 13, 1, 10, 0, 0, 1 } },
	};

	p->wire = wire;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ip_options_case *o = &cases[i];
		int fd = stream_socket(AF_INET);
		const struct segment *seg;

		if (!stock_mode())
			ASSERT_EQ(0, socket_set(fd, IPPROTO_XTCP, XTCP_WIRE, wire));
		ASSERT_EQ(0, setsockopt(fd, IPPROTO_IP, IP_OPTIONS, o->set, o->len));
		fd_nonblock(fd);
		ASSERT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 80));
		seg = peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 80);
		EXPECT_EQ(5 + o->len / 4, seg->packet[0] & 15);
		/* The time is the clock's. */
		EXPECT_EQ(0, memcmp(o->sent, seg->packet + 20, o->set[0] == 68 ? 8 : o->len))
			TH_LOG("option %d on wire %d", o->set[0], wire);
		close(fd);
	}
}

TEST_F(hook, rfc9293_may_10_may_11_ip_options_leave)
{
	expect_ip_options(_metadata, &self->peer, IPPROTO_TCP);
	if (!stock_mode())
		expect_ip_options(_metadata, &self->peer, IPPROTO_XTCP);
}

/* The first hop in the header, the peer at the route's end and in the checksum. */
TEST_F(hook, rfc9293_must_51_source_route)
{
	static const uint8_t route[] = { 131, 11, 4, 10, 0, 0, 7, 10, 0, 0, 8, 0 };
	static const uint8_t sent[] = { 131, 11, 4, 10, 0, 0, 8, 10, 0, 0, 2, 0 };
	struct peer *p = &self->peer;
	const struct segment *seg;
	int fd = stream_socket(AF_INET);

	if (!stock_mode())
		socket_set_wire_tcp(fd);
	ASSERT_EQ(0, setsockopt(fd, IPPROTO_IP, IP_OPTIONS, route, sizeof(route)));
	fd_nonblock(fd);
	ASSERT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 80));
	seg = peer_read(p, now_ns() + 10 * NSEC_PER_MSEC);
	ASSERT_NE(NULL, seg);
	EXPECT_EQ(8, seg->packet[0] & 15);
	EXPECT_EQ(0, memcmp(seg->packet + 16, "\12\0\0\7", 4));
	EXPECT_EQ(0, memcmp(seg->packet + 20, sent, sizeof(sent)));
}

/* Options of the socket are in the header. */
TEST_F(hook, the_header_follows_the_socket)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .prepare = stock_mode() ? NULL : socket_set_wire_tcp);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_IP, IP_TTL, 7));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_IP, IP_TOS, 0xb8));
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	EXPECT_TRUE(conn_expect(&c, .flags = ACK | PSH, .data = "x", .ttl = 7,
				.tos = 0xb8)->df);
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT));
	ASSERT_EQ(1, send(c.fd, "y", 1, 0));
	EXPECT_FALSE(conn_expect(&c, .flags = ACK | PSH, .data = "y", .ttl = 7)->df);
	conn_send(&c, .flags = ACK);
}

/* The route's MTU is that of the table which a rule for TCP chooses. */
TEST_F(hook, lc_106_too_big_on_a_route_for_tcp)
{
	struct peer *p = &self->peer;
	struct segment first;
	struct conn c;

	shell_run(WHERE(_metadata), "ip route add 10.0.0.0/24 dev tun0 src 10.0.0.1 table 100 &&"
		  "ip rule add ipproto tcp lookup 100");
	conn_open(p, &c, .prepare = stock_mode() ? NULL : socket_set_wire_tcp);
	conn_write(&c, 1460);
	first = *conn_expect(&c, .len = 1460);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED,
		       .quote = &first, .rest = 1000);
	conn_expect(&c, .seq = 1, .len = 960);
	p->leave_unread = true;
	socket_abort(c.fd);
}

TEST_HARNESS_MAIN
