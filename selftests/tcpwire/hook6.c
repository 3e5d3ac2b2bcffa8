// SPDX-License-Identifier: GPL-2.0
/*
 * hook6: IPv6 segments of protocol 6 reach xtcp, whatever headers precede them and in
 * however many fragments, and no others do. RFC 8200, 5095, 5722, 6946, 4443, 4861;
 * LC-27, LC-102, LC-109. tcpwire/hook and tcpwire/quotes have what IPv4 has, too.
 */
#include "lib/xtcp_test.h"

#include <linux/if_packet.h>
#include <linux/if_tunnel.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>

PEER_FIXTURE(hook6);
FIXTURE_VARIANT_ADD(hook6, tcp) {
	.setup = { .family = AF_INET6, .wire = XTCP_WIRE_TCP },
};

/* Eight bytes of PadN, 1; of an unknown option, by its action bits. */
#define DSTOPTS(next) (next), 0, 1, 4, 0, 0, 0, 0
#define UNKNOWN(next, option) (next), 0, (option), 4, 0, 0, 0, 0
/* RFC 8200 4.4: a routing header of unknown type without segments left is skipped. */
#define ROUTING(next, type, left) (next), 0, (type), (left), 0, 0, 0, 0

static void open_ours(struct peer *p, struct conn *c)
{
	conn_open(p, c, .prepare = stock_mode() ? NULL : socket_set_wire_tcp);
}

/* Data that has arrived is read first. */
static void expect_alive(struct __test_metadata *_metadata, struct conn *c)
{
	char buf[4096];

	while (recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	conn_send(c, .flags = ACK | PSH, .data = "ping");
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = 210);
	stream_expect_text(_metadata, c->fd, "ping");
}

struct chain {
	const char *name;
	int next, len;
	uint8_t bytes[64];
};

/* The next @len bytes of the pattern, behind these headers. */
static int text_behind(struct conn *c, const struct chain *chain, int len, uint8_t *packet)
{
	struct segment_spec spec = conn_spec(c, .flags = ACK | PSH, .len = len);
	int n = segment_build(&spec, packet);

	return exthdr_put(packet, n, chain->next, chain->bytes, chain->len);
}

static const struct chain passable[] = {
	{ "destination options", EXT_DSTOPTS, 8, { DSTOPTS(6) } },
	{ "two of them", EXT_DSTOPTS, 16, { DSTOPTS(EXT_DSTOPTS), DSTOPTS(6) } },
	{ "an option to be skipped", EXT_DSTOPTS, 8, { UNKNOWN(6, 0x1e) } },
	{ "hop-by-hop options", EXT_HOPOPTS, 8, { DSTOPTS(6) } },
	{ "a routing header", EXT_ROUTING, 8, { ROUTING(6, 253, 0) } },
	{ "all of them", EXT_HOPOPTS, 32,
	  { DSTOPTS(EXT_DSTOPTS), DSTOPTS(EXT_ROUTING), ROUTING(EXT_DSTOPTS, 253, 0),
	    DSTOPTS(6) } },
	{ "an atomic fragment", EXT_FRAGMENT, 8, { 6, 0, 0, 0, 1, 2, 3, 4 } },
	{ "options and an atomic fragment", EXT_DSTOPTS, 16,
	  { DSTOPTS(EXT_FRAGMENT), 6, 0, 0, 0, 1, 2, 3, 5 } },
};

TEST_F(hook6, rfc8200_extension_headers_come_before)
{
	struct peer *p = &self->peer;
	uint8_t packet[4096];
	struct conn c;

	open_ours(p, &c);
	for (size_t i = 0; i < ARRAY_SIZE(passable); i++) {
		peer_note(p, "%s", passable[i].name);
		peer_send_raw(p, packet, text_behind(&c, &passable[i], 100, packet));
		c.peer_nxt += 100;
		conn_expect(&c, .flags = ACK, .ack = 1 + 100 * (i + 1), .within_ms = 210);
	}
	expect_alive(_metadata, &c);
}

/*
 * A segment to a group is not for this host alone: both stacks drop it, and the hook leaves it to
 * the kernel's TCP. So it leaves what SRv6 shows to it on the way to another host.
 */
TEST_F(hook6, rfc9293_must_57_to_many)
{
	struct peer *p = &self->peer;
	int fd = stream_socket(AF_INET6);
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();
	socket_set_wire_tcp(fd);
	ASSERT_EQ(0, socket_bind(fd, "::", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(fd, 4));
	p->stock_may_speak = true;	/* it counts them, and drops them */
	counters_take(&before);
	peer_send(p, .flags = SYN, .seq = 1, .dst = ipaddr("ff02::1"));
	peer_send(p, .flags = ACK, .seq = 1, .ack = 1, .dst = ipaddr("ff02::1"));
	peer_expect_silence(p, 1200);
	/* Not even InSegs. */
	counters_expect(_metadata, &before, NULL);
	conn_open(p, &c, .lfd = fd);
}

/* The next packet of protocol 6 that leaves by a device within a second: its length, or 0. */
static int tcp_packet(int tun, uint8_t *packet, int size)
{
	struct pollfd pfd = { .fd = tun, .events = POLLIN };

	while (poll(&pfd, 1, 1000) == 1) {
		int n = read(tun, packet, size);

		if (n > 40 && packet[6] == IPPROTO_TCP)
			return n;
	}
	return 0;
}

/*
 * The address of a packet on its way through this router names two hops (next-csid). SRv6
 * shows the packet to the hook, which has a listener for its port.
 */
TEST_F(hook6, srv6_passes_segments_on)
{
	static const char *const setup[] = {
		"echo 1 >/proc/sys/net/netfilter/nf_hooks_lwtunnel",
		"echo 1 >/proc/sys/net/ipv6/conf/all/forwarding",
		"ip -6 route add fcbb:0:2::/48 dev tun1",
		/* With the flavor as its last word ip of 6.1 crashes. */
		"ip -6 r add fcbb:0:1::/48 encap seg6local action End flavors next-csid dev tun0",
	};
	struct ipaddr both = ipaddr("fcbb:0:1:2::"), last = ipaddr("fcbb:0:2::");
	uint8_t packet[PACKET_MAX], out[PACKET_MAX];
	int fd = stream_socket(AF_INET6), tun, n;
	struct peer *p = &self->peer;
	struct segment_spec spec;
	struct utsname kernel;

	tun = tun_new(WHERE(_metadata), "tun1");
	for (size_t i = 0; i < ARRAY_SIZE(setup); i++)
		if (system(setup[i])) {
			/* Debian's 6.12 has all of it. */
			ASSERT_EQ(0, uname(&kernel));
			EXPECT_EQ(NULL, strstr(kernel.release, "+deb")) TH_LOG("%s", setup[i]);
			TH_LOG("not tested: the kernel or ip has no segment routing");
			return;
		}
	if (!stock_mode())
		socket_set_wire_tcp(fd);
	ASSERT_EQ(0, socket_bind(fd, "::", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(fd, 4));
	spec = peer_spec(p, .flags = SYN, .seq = 5, .dst = last);
	n = segment_build(&spec, packet);
	memcpy(packet + 24, &both.v6, 16);
	peer_send_raw(p, packet, n);
	ASSERT_EQ(n, tcp_packet(tun, out, sizeof(out)));
	EXPECT_EQ(0, memcmp(out + 24, &last.v6, 16));
	EXPECT_EQ(0, memcmp(out + 40, packet + 40, n - 40));
	peer_expect_silence(p, 1200);
}

/* The hook delivers what is for xtcp, and counts it as IPv6 does. */
TEST_F(hook6, ip_counts_segments)
{
	struct peer *p = &self->peer;
	long long in, out;
	struct conn c;

	open_ours(p, &c);
	in = snmp6_counter("Ip6InDelivers");
	out = snmp6_counter("Ip6OutRequests");
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(5, send(c.fd, "abcde", 5, 0));
		conn_expect(&c, .len = 5, .data = "abcde");
		conn_send(&c, .flags = ACK);
	}
	EXPECT_EQ(in + 3, snmp6_counter("Ip6InDelivers"));
	EXPECT_EQ(out + 3, snmp6_counter("Ip6OutRequests"));
}

/* A SYN behind them reaches its listener, too. */
TEST_F(hook6, rfc8200_a_syn_behind_options)
{
	struct peer *p = &self->peer;
	uint8_t packet[4096];

	for (size_t i = 0; i < ARRAY_SIZE(passable); i++) {
		const struct chain *chain = &passable[i];
		struct segment_spec spec;
		int fd = stream_socket(AF_INET6), n;

		peer_note(p, "%s", chain->name);
		if (!stock_mode())
			socket_set_wire_tcp(fd);
		ASSERT_EQ(0, socket_bind(fd, "fd00:a::1", KERNEL_PORT));
		ASSERT_EQ(0, socket_listen(fd, 4));
		spec = peer_spec(p, .flags = SYN, .seq = 5);
		n = segment_build(&spec, packet);
		n = exthdr_put(packet, n, chain->next, chain->bytes, chain->len);
		peer_send_raw(p, packet, n);
		peer_expect(p, .flags = SYN | ACK, .ack = 6);
		close(fd);
	}
}

/*
 * Packets that IPv6 refuses reach neither stack. Where IPv6 complains, it quotes the
 * packet; nothing else is sent.
 */
TEST_F(hook6, rfc8200_headers_that_lead_nowhere)
{
	static const struct chain refused[] = {
		{ "longer than the packet", EXT_DSTOPTS, 8, { 6, 255, 1, 4 } },
		{ "longer, routing", EXT_ROUTING, 8, { 6, 254, 253, 0 } },
		{ "an option that drops", EXT_DSTOPTS, 8, { UNKNOWN(6, 0x5e) } },
		{ "an option to complain of", EXT_DSTOPTS, 8, { UNKNOWN(6, 0x9e) } },
		{ "hop-by-hop options that come later", EXT_DSTOPTS, 16,
		  { DSTOPTS(EXT_HOPOPTS), DSTOPTS(6) } },
		{ "a routing header type 0", EXT_ROUTING, 24,
		  { 6, 2, 0, 1, 0, 0, 0, 0, 0xfd, 0, 0, 0xa, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } },
		{ "one of an unknown type", EXT_ROUTING, 8, { ROUTING(6, 253, 1) } },
		{ "a jumbogram that is none", EXT_HOPOPTS, 8, { 6, 0, 0xc2, 4, 0, 0, 0, 100 } },
		{ "itself, to the end", EXT_DSTOPTS, 40,
		  { DSTOPTS(EXT_DSTOPTS), DSTOPTS(EXT_DSTOPTS), DSTOPTS(EXT_DSTOPTS),
		    DSTOPTS(EXT_DSTOPTS), EXT_DSTOPTS, 200 } },
		{ "no next header", EXT_DSTOPTS, 8, { DSTOPTS(59) } },
	};
	struct peer *p = &self->peer;
	struct counters before;
	uint8_t packet[4096];
	struct conn c;

	open_ours(p, &c);
	counters_take(&before);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const struct segment *seg;

		peer_note(p, "%s", refused[i].name);
		peer_send_raw(p, packet, text_behind(&c, &refused[i], 100, packet));
		while ((seg = peer_read(p, now_ns() + 250 * NSEC_PER_MSEC)))
			EXPECT_FALSE(seg->is_tcp);
	}
	counters_expect(_metadata, &before, NULL);
	expect_alive(_metadata, &c);
}

/* A packet of n bytes, fragmented at every 8 * step bytes, from either end. */
static void send_pieces(struct peer *p, const uint8_t *packet, int n, int step, int id,
			bool backwards)
{
	uint8_t part[4096];
	int count = (n - 40 + step - 1) / step;

	for (int i = 0; i < count; i++) {
		int k = backwards ? count - 1 - i : i;
		int to = (k + 1) * step < n - 40 ? (k + 1) * step : n - 40;

		if (i == count - 1)
			peer_expect_silence(p, 5);
		peer_send_raw(p, part, fragment_cut(packet, n, k * step, to, id, part));
	}
}

static const struct chain no_chain = { "nothing", 6, 0, { 0 } };

TEST_F(hook6, rfc8200_fragments_are_whole_before)
{
	static const int steps[] = { 24, 32, 40, 64, 400 };
	const struct chain *chains[] = { &no_chain, &passable[0], &passable[1] };
	struct peer *p = &self->peer;
	uint32_t nxt = 1, id = 1;
	uint8_t packet[4096];
	struct conn c;

	open_ours(p, &c);
	for (size_t i = 0; i < ARRAY_SIZE(steps) * ARRAY_SIZE(chains) * 2; i++) {
		const struct chain *chain = chains[i / 2 % ARRAY_SIZE(chains)];
		int step = steps[i / 2 / ARRAY_SIZE(chains)];

		if (step < chain->len + TCP_HEADER_MIN)
			continue;
		peer_note(p, "%s, in pieces of %d, %s", chain->name, step,
			  i & 1 ? "backwards" : "forwards");
		send_pieces(p, packet, text_behind(&c, chain, 1000, packet), step, id++, i & 1);
		nxt += 1000;
		c.peer_nxt += 1000;
		conn_expect(&c, .flags = ACK, .ack = nxt, .within_ms = 210);
	}
	EXPECT_LT(20 * 1000, nxt);
	expect_alive(_metadata, &c);
}

/* RFC 7112: a first fragment without the whole header is complained of. */
TEST_F(hook6, rfc7112_first_fragments_have_the_header)
{
	static const int steps[] = { 8, 16, 24 };
	const struct chain *chains[] = { &no_chain, &no_chain, &passable[0] };
	struct peer *p = &self->peer;
	uint8_t packet[4096], part[4096];
	struct counters before;
	struct conn c;

	open_ours(p, &c);
	counters_take(&before);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int n = text_behind(&c, chains[i], 100, packet);
		const struct segment *seg;

		peer_send_raw(p, part, fragment_cut(packet, n, 0, steps[i], i, part));
		seg = peer_read(p, now_ns() + 10 * NSEC_PER_MSEC);
		ASSERT_NE(NULL, seg);
		EXPECT_EQ(IPPROTO_ICMPV6, seg->packet[6]);
		EXPECT_EQ(ICMP6_PARAM_PROB, seg->packet[40]);
		peer_send_raw(p, part, fragment_cut(packet, n, steps[i], n - 40, i, part));
	}
	peer_expect_silence(p, 250);
	counters_expect(_metadata, &before, NULL);
	expect_alive(_metadata, &c);
}

/*
 * Nor one that ends within the headers before it, which the kernel puts together. What it then
 * takes for a segment of its own TCP it would answer by a RST.
 */
TEST_F(hook6, rfc7112_first_fragments_have_all_headers)
{
	struct peer *p = &self->peer;
	uint8_t packet[4096], part[4096];
	struct counters before;
	struct conn c;
	int n;

	NOT_ON_STOCK();		/* which takes it */
	open_ours(p, &c);
	counters_take(&before);
	n = text_behind(&c, &passable[1], 100, packet);
	peer_send_raw(p, part, fragment_cut(packet, n, 0, 8, 1, part));
	peer_send_raw(p, part, fragment_cut(packet, n, 8, n - 40, 1, part));
	peer_expect_silence(p, 250);
	counters_expect(_metadata, &before, NULL);
	expect_alive(_metadata, &c);
}

/* A connection, and a packet of its next 1000 bytes. Returns the packet's length. */
static int open_with_text(struct peer *p, struct conn *c, struct counters *before, uint8_t *packet)
{
	open_ours(p, c);
	counters_take(before);
	return text_behind(c, &no_chain, 1000, packet);
}

/* RFC 5722: fragments that overlap invalidate the whole packet. */
TEST_F(hook6, rfc5722_fragments_that_overlap)
{
	struct peer *p = &self->peer;
	uint8_t packet[4096], part[4096];
	struct counters before;
	struct conn c;
	int n = open_with_text(p, &c, &before, packet);

	for (int i = 0; i < 2; i++) {
		peer_send_raw(p, part, fragment_cut(packet, n, i ? 392 : 0, i ? n - 40 : 400,
						    7 + i, part));
		peer_send_raw(p, part, fragment_cut(packet, n, i ? 0 : 392, i ? 400 : n - 40,
						    7 + i, part));
	}
	peer_expect_silence(p, 250);
	counters_expect(_metadata, &before, NULL);
	expect_alive(_metadata, &c);
}

/* An incomplete packet is dropped after a minute. */
TEST_F(hook6, rfc8200_a_fragment_alone)
{
	struct peer *p = &self->peer;
	uint8_t packet[4096], part[4096];
	const struct segment *seg;
	struct counters before;
	struct conn c;
	int n = open_with_text(p, &c, &before, packet);

	peer_send_raw(p, part, fragment_cut(packet, n, 0, 400, 7, part));
	while ((seg = peer_read(p, now_ns() + 80 * NSEC_PER_SEC)))
		EXPECT_EQ(IPPROTO_ICMPV6, seg->packet[6]);
	peer_send_raw(p, part, fragment_cut(packet, n, 400, n - 40, 7, part));
	peer_expect_silence(p, 250);
	counters_expect(_metadata, &before, NULL);
	expect_alive(_metadata, &c);
}

/*
 * At another address of the same port the kernel's TCP listens, and gets its segments.
 */
TEST_F(hook6, lc_102_segments_of_the_kernels_tcp_are_left_alone)
{
	struct ipaddr own = ipaddr("fd00:a::11");
	struct peer *p = &self->peer;
	struct counters before;
	uint8_t packet[4096];
	int ours, stock;

	NOT_ON_STOCK();
	address_add(WHERE(_metadata), "tun0", &own, 64);
	ours = stream_socket(AF_INET6);
	socket_set_wire_tcp(ours);
	ASSERT_EQ(0, socket_bind(ours, "fd00:a::1", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(ours, 4));
	stock = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
	ASSERT_EQ(0, socket_bind(stock, "fd00:a::11", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(stock, 4));
	p->stock_may_speak = true;
	counters_take(&before);
	for (size_t i = 0; i < ARRAY_SIZE(passable); i++) {
		struct segment_spec spec;
		int port = 40000 + i, n, nr;

		peer_note(p, "%s", passable[i].name);
		spec = peer_spec(p, .flags = SYN, .seq = 5, .dst = own, .sport = port);
		n = segment_build(&spec, packet);
		n = exthdr_put(packet, n, passable[i].next, passable[i].bytes, passable[i].len);
		peer_send_raw(p, packet, n);
		peer_expect(p, .flags = SYN | ACK, .ack = 6, .src = own, .dport = port);
		nr = p->last.seq + 1;
		spec = peer_spec(p, .flags = ACK | PSH, .seq = 6, .ack = nr, .dst = own,
				 .sport = port, .len = 100);
		n = segment_build(&spec, packet);
		send_pieces(p, packet, n, 64, 100 + i, i & 1);
		peer_expect(p, .flags = ACK, .ack = 106, .src = own, .dport = port,
			    .within_ms = 210);
		EXPECT_EQ(0, socket_accept(stock));
		/* It has unread data. */
		peer_expect(p, .flags = RST | ACK, .src = own, .dport = port);
	}
	counters_expect(_metadata, &before, NULL);
}

/* A native packet with a TCP-wire connection's 4-tuple does not belong to it. */
TEST_F(hook6, lc_27_forged_native_packets_match_no_connection)
{
	static const struct chain native = { "options", EXT_DSTOPTS, 8, { DSTOPTS(253) } };
	struct peer *p = &self->peer;
	uint8_t packet[4096];
	struct conn c;

	NOT_ON_STOCK();
	open_ours(p, &c);
	p->wire = IPPROTO_XTCP;
	peer_send(p, .flags = RST, .seq = c.peer_nxt, .ack = c.kern_nxt, .sport = c.pport);
	peer_send(p, .flags = ACK | PSH, .seq = c.peer_nxt, .ack = c.kern_nxt,
		  .sport = c.pport, .data = "no");
	peer_expect(p, .flags = RST, .seq = c.kern_nxt, .dport = c.pport);
	peer_send_raw(p, packet, text_behind(&c, &native, 4, packet));
	peer_expect(p, .flags = RST, .seq = c.kern_nxt, .dport = c.pport);
	p->wire = IPPROTO_TCP;
	conn_expect_state(&c, ST_ESTABLISHED);
	expect_alive(_metadata, &c);
}

/*
 * A sniffer shares each packet: it sees protocol 6, and the connection is unaffected.
 */
TEST_F(hook6, a_sniffer_sees_protocol_6)
{
	int sniffer = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(ETH_P_ALL));
	struct peer *p = &self->peer;
	int seen = 0, n;
	uint8_t buf[2048];
	struct conn c;

	ASSERT_LE(0, sniffer);
	open_ours(p, &c);
	for (int i = 0; i < 10; i++)
		expect_alive(_metadata, &c);
	while ((n = recv(sniffer, buf, sizeof(buf), 0)) > 0) {
		if (n < 60 || buf[0] >> 4 != 6 || buf[6] == IPPROTO_ICMPV6)
			continue;
		EXPECT_EQ(IPPROTO_TCP, buf[6]);
		seen++;
	}
	EXPECT_EQ(23, seen);
}

/* --- errors that quote ------------------------------------------------------- */

TEST_F(hook6, lc_106_too_big_makes_segments_smaller)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_ours(p, &c);
	conn_write(&c, 1400);
	conn_expect(&c, .flags = ACK | PSH, .len = 1400);
	peer_send_icmp(p, .v6 = true, .type = ICMP6_PACKET_TOO_BIG, .rest = 1280);
	conn_expect(&c, .flags = ACK, .seq = 1, .len = 1220);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1221, .len = 180);
	conn_send(&c, .flags = ACK);
}

static const struct chain quotable[] = {
	{ "hop-by-hop options", EXT_HOPOPTS, 8, { DSTOPTS(6) } },
	{ "an authentication header", IPPROTO_AH, 24, { 6, 4, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1 } },
	{ "both", EXT_HOPOPTS, 32, { DSTOPTS(IPPROTO_AH), 6, 4, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1 } },
};

/* What we sent may have them between its headers, by IPV6_HOPOPTS or IPsec. */
TEST_F(hook6, lc_106_too_big_quotes_extension_headers)
{
	struct peer *p = &self->peer;
	struct segment quote;
	int len = 1400;
	struct conn c;

	open_ours(p, &c);
	for (size_t i = 0; i < ARRAY_SIZE(quotable); i++) {
		peer_note(p, "%s", quotable[i].name);
		conn_write(&c, len);
		quote = *conn_expect(&c, .flags = ACK | PSH, .len = len);
		quote.packet_len = exthdr_put(quote.packet, quote.packet_len, quotable[i].next,
					      quotable[i].bytes, quotable[i].len);
		len -= 40;
		peer_send_icmp(p, .v6 = true, .type = ICMP6_PACKET_TOO_BIG, .rest = 40 + 20 + len,
			       .quote = &quote, .quote_len = quotable[i].len + 8);
		conn_expect(&c, .flags = ACK, .len = len);
		conn_expect(&c, .flags = ACK | PSH, .len = 40);
		conn_send(&c, .flags = ACK);
	}
}

static void wire_tcp_with_errors(int fd)
{
	if (!stock_mode())
		socket_set_wire_tcp(fd);
	socket_set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
}

/* The error queue shows the segment as it was sent, here a SYN. */
TEST_F(hook6, lc_109_icmp_is_kept_as_it_came)
{
	struct msghdr msg = { 0 };
	struct peer *p = &self->peer;
	char control[512], data[512];
	struct iovec iov = { data, sizeof(data) };
	struct conn c;
	int n;

	conn_to_state(p, &c, ST_SYN_SENT, .prepare = wire_tcp_with_errors);
	peer_send_icmp(p, .v6 = true, .type = ICMP6_DST_UNREACH,
		       .code = ICMP6_DST_UNREACH_ADDR, .quote_len = 24);
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	n = recvmsg(c.fd, &msg, MSG_ERRQUEUE);
	ASSERT_EQ(24, n);
	EXPECT_EQ(0, memcmp(data, p->last.packet + 40, 24));
}

/* RFC 4861 4.5: the quote is an option, here behind another one. */
static void send_redirect(struct peer *p, const struct segment *quote, int before)
{
	uint8_t packet[512] = { 0x60 }, *icmp = packet + 40, *opt = icmp + 40;
	struct ipaddr router = ipaddr("fe80::2");
	int quoted = 40 + 24, len;
	uint32_t sum;
	uint16_t csum;

	icmp[0] = 137;
	memcpy(icmp + 8, &p->addr.v6, 16);
	memcpy(icmp + 24, &p->addr.v6, 16);
	for (int i = 0; i < before; i++, opt += 8) {
		opt[0] = 14;		/* RFC 3971: a nonce */
		opt[1] = 1;
	}
	opt[0] = 4;
	opt[1] = (8 + quoted) / 8;
	memcpy(opt + 8, quote->packet, quoted);
	len = opt + 8 + quoted - icmp;
	packet[4] = len >> 8;
	packet[5] = len;
	packet[6] = IPPROTO_ICMPV6;
	packet[7] = 255;
	memcpy(packet + 8, &router.v6, 16);
	memcpy(packet + 24, &p->kernel.v6, 16);
	sum = segment_pseudo_sum(&router, &p->kernel, IPPROTO_ICMPV6, len);
	csum = ip_checksum(icmp, len, sum);
	icmp[2] = csum >> 8;
	icmp[3] = csum;
	peer_send_raw(p, packet, 40 + len);
}

TEST_F(hook6, lc_104_redirects_find_their_connection)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct segment text;
	struct conn c;

	NOT_ON_STOCK();
	open_ours(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	text = *conn_expect(&c, .flags = ACK | PSH, .data = "text");
	conn_send(&c, .flags = ACK);
	for (int before_it = 0; before_it < 3; before_it++) {
		/* No longer in flight: a counted error shows that it arrived. */
		counters_take(&before);
		send_redirect(p, &text, before_it);
		counters_expect(_metadata, &before, "OutOfWindowIcmps", 1, NULL);
	}
}

/* --- what was summed up before --------------------------------------------- */

/* GRE with checksums from 10.1.0.1 to 10.1.0.2; false: this kernel has none. */
static bool gre_new(const char *name)
{
	struct ip_tunnel_parm parm = {
		.i_flags = GRE_CSUM, .o_flags = GRE_CSUM,
		.iph = { .version = 4, .ihl = 5, .protocol = IPPROTO_GRE,
			 .saddr = htonl(0x0a010001), .daddr = htonl(0x0a010002) },
	};
	struct ifreq ifr = { .ifr_name = "gre0", .ifr_data = (void *)&parm };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	strncpy(parm.name, name, IFNAMSIZ - 1);
	err = ioctl(fd, SIOCADDTUNNEL, &ifr);
	close(fd);
	return !err;
}

/* The packet in GRE in IPv4. */
static int wrap(const uint8_t *packet, int n, uint8_t *ip)
{
	uint8_t *gre = ip + 20;
	uint16_t csum;

	memcpy(ip, (uint8_t[]){ 0x45, 0, (28 + n) >> 8, 28 + n, 0, 0, 0, 0, 64, IPPROTO_GRE,
				0, 0, 10, 1, 0, 2, 10, 1, 0, 1 }, 20);
	csum = htons(ip_checksum(ip, 20, 0));
	memcpy(ip + 10, &csum, 2);
	memcpy(gre, (uint8_t[]){ 0x80, 0, 0x86, 0xdd, 0, 0, 0, 0 }, 8);
	memcpy(gre + 8, packet, n);
	csum = htons(ip_checksum(gre, 8 + n, 0));
	memcpy(gre + 4, &csum, 2);
	return 28 + n;
}

#define TRACING "/tmp/xtcp-hook6"
#define SUMMED TRACING "/events/kprobes/xtcp_summed/enable"

static bool tracing_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return done;
}

/*
 * Counts how often the kernel checksums a packet itself; false: this one has no
 * kprobes. Then only its log would tell ("hw csum failure"), which fails the running
 * test.
 */
static bool sums_watch(struct __test_metadata *_metadata)
{
	mkdir(TRACING, 0700);
	ASSERT_EQ(0, mount("tracefs", TRACING, "tracefs", 0, NULL));
	if (access(TRACING "/kprobe_events", F_OK)) {
		EXPECT_FALSE(kernel_is_debians());
		EXPECT_EQ(0, umount(TRACING));
		return false;
	}
	ASSERT_TRUE(tracing_write(TRACING "/kprobe_events",
				  "p:xtcp_summed __skb_checksum_complete"));
	ASSERT_TRUE(tracing_write(SUMMED, "1"));
	return true;
}

static int sums_counted(struct __test_metadata *_metadata)
{
	FILE *profile = fopen(TRACING "/kprobe_profile", "re");
	int count = -1;

	ASSERT_NE(NULL, profile);
	EXPECT_EQ(1, fscanf(profile, " xtcp_summed %d", &count));
	fclose(profile);
	tracing_write(SUMMED, "0");
	tracing_write(TRACING "/kprobe_events", "-:xtcp_summed");
	EXPECT_EQ(0, umount(TRACING));
	return count;
}

/*
 * CHECKSUM_COMPLETE: the kernel's sum over a GRE packet covers the inner packet, too.
 * The hook rewrites bytes of it and must correct that sum: otherwise each packet is
 * summed up twice, and the log blames a device.
 */
TEST_F(hook6, checksum_complete_is_kept_right)
{
	struct ipaddr outer = { .family = AF_INET, .v4.s_addr = htonl(0x0a010001) };
	struct ipaddr inner = ipaddr("fd00:b::1"), from = ipaddr("fd00:b::2");
	uint8_t packet[2048], out[2200];
	bool watched;
	int tun, fd;

	NOT_ON_STOCK();
	tun = tun_new(WHERE(_metadata), "tun1");
	address_add(WHERE(_metadata), "tun1", &outer, 24);
	if (!gre_new("gre1"))
		SKIP(return, "this kernel has no GRE");
	link_up(WHERE(_metadata), "gre1");
	address_add(WHERE(_metadata), "gre1", &inner, 64);
	fd = stream_socket(AF_INET6);
	socket_set_wire_tcp(fd);
	ASSERT_EQ(0, socket_bind(fd, "fd00:b::1", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(fd, 16));
	watched = sums_watch(_metadata);
	for (size_t i = 0; i < ARRAY_SIZE(passable); i++) {
		struct segment_spec spec;
		int n;

		spec = peer_spec(&self->peer, .flags = SYN, .seq = 5, .src = from, .dst = inner,
				 .sport = 40000 + i, .len = 200);
		n = segment_build(&spec, packet);
		n = exthdr_put(packet, n, passable[i].next, passable[i].bytes, passable[i].len);
		n = wrap(packet, n, out);
		ASSERT_EQ(n, write(tun, out, n));
	}
	sleep_ms(5);
	if (watched)
		EXPECT_EQ(ARRAY_SIZE(passable), sums_counted(_metadata));
	EXPECT_EQ(ARRAY_SIZE(passable), proc_rows(AF_INET6, ROW_SYN_RECEIVED));
	close(fd);
}

TEST_HARNESS_MAIN
