// SPDX-License-Identifier: GPL-2.0
/*
 * ipv6headers: what may and may not stand between the IPv6 header and a segment, on
 * either wire: options, routing headers, fragments, jumbograms. The TCP wire's own
 * cases are in tcpwire/hook6. RFC 2675, RFC 5095, RFC 5722, RFC 8200.
 */
/* vm: short wires */
#include "lib/xtcp_test.h"

PEER_FIXTURE(ipv6headers);

FIXTURE_VARIANT_ADD(ipv6headers, native) { .setup = { .family = AF_INET6 } };

/* The segment behind @len bytes of headers, the first of kind @next. */
static void send_behind(struct peer *p, struct segment_spec spec, int next,
			const uint8_t *headers, int len)
{
	uint8_t packet[4096];
	int n = segment_build(&spec, packet);

	n = exthdr_put(packet, n, next, headers, len);
	peer_send_raw(p, packet, n);
}

TEST_F(ipv6headers, rfc8200_destination_options_come_before)
{
	/* Next header, 8 bytes long, PadN of 4. */
	uint8_t pad[8] = { 0, 0, 1, 4 };
	struct peer *p = &self->peer;

	pad[0] = p->wire;
	peer_listen(p, KERNEL_PORT, 4);
	send_behind(p, peer_spec(p, .flags = SYN, .seq = 1000), EXT_DSTOPTS, pad, 8);
	peer_expect(p, .flags = SYN | ACK, .ack = 1001);
}

/* RFC 6946: a fragment header before a whole packet hides nothing. */
TEST_F(ipv6headers, rfc6946_syn_in_an_atomic_fragment)
{
	uint8_t headers[16] = { EXT_FRAGMENT, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4 };
	struct peer *p = &self->peer;

	headers[8] = p->wire;
	peer_listen(p, KERNEL_PORT, 4);
	send_behind(p, peer_spec(p, .flags = SYN, .seq = 1000), EXT_FRAGMENT, headers + 8, 8);
	peer_expect(p, .flags = SYN | ACK, .ack = 1001);
	send_behind(p, peer_spec(p, .flags = SYN, .seq = 1000, .sport = 99), EXT_DSTOPTS,
		    headers, 16);
	peer_expect(p, .flags = SYN | ACK, .dport = 99, .ack = 1001);
}

TEST_F(ipv6headers, rfc8200_headers_that_lead_nowhere)
{
	struct peer *p = &self->peer;
	/* Longer than the packet; each names its own kind as the next. */
	uint8_t chain[64 * 8], longer[8] = { 0, 255, 1, 4 };

	peer_listen(p, KERNEL_PORT, 4);
	longer[0] = p->wire;
	send_behind(p, peer_spec(p, .flags = SYN, .seq = 1000), EXT_DSTOPTS, longer, 8);
	for (int i = 0; i < 64; i++)
		memcpy(chain + 8 * i, (uint8_t[]){ EXT_DSTOPTS, 0, 1, 4, 0, 0, 0, 0 }, 8);
	send_behind(p, peer_spec(p, .flags = SYN, .seq = 1000), EXT_DSTOPTS, chain, sizeof(chain));
	EXPECT_EQ(0, proc_rows(AF_INET6, ROW_SYN_RECEIVED));
	p->leave_unread = true;		/* IP's complaints */
}

/*
 * The hook of the TCP wire finds a segment behind 15 extension headers, not behind 16. IPv6 itself
 * has no limit, and since 7.3 drops what has more than 12.
 */
TEST_F(ipv6headers, tcp_wire_finds_a_segment_behind_15_headers)
{
	bool hook = stream_wire() == XTCP_WIRE_TCP && !stock_mode();
	struct peer *p = &self->peer;
	uint8_t chain[16 * 8];

	p->stock_may_speak = true;
	peer_listen(p, KERNEL_PORT, 4);
	for (int n = 12; n <= 16; n += n < 15 ? 3 : 1) {
		for (int i = 0; i < n; i++)
			memcpy(chain + 8 * i, (uint8_t[]){ i == n - 1 ? p->wire : EXT_DSTOPTS,
							   0, 1, 4, 0, 0, 0, 0 }, 8);
		send_behind(p, peer_spec(p, .flags = SYN, .seq = 1000, .sport = n), EXT_DSTOPTS,
			    chain, 8 * n);
		if (n > 12 && kernel_is_since(7, 3)) {
			peer_expect_silence(p, 10);
			continue;
		}
		peer_expect(p, .flags = hook && n == 16 ? RST | ACK : SYN | ACK, .dport = n,
			    .ack = 1001);
	}
}

static void send_part(struct peer *p, const uint8_t *built, int n, int from, int to)
{
	uint8_t packet[4096];

	peer_send_raw(p, packet, fragment_cut(built, n, from, to, 1, packet));
}

TEST_F(ipv6headers, rfc8200_fragments)
{
	struct peer *p = &self->peer;
	struct segment_spec spec;
	uint8_t built[2048];
	struct conn c;
	int n;

	conn_open(p, &c);
	spec = peer_spec(p, .flags = ACK | PSH, .seq = c.peer_iss + 1,
			 .ack = c.kern_iss + 1, .len = 64, .sport = c.pport);
	n = segment_build(&spec, built);
	/* RFC 5722: fragments that overlap invalidate the whole packet. */
	send_part(p, built, n, 0, 48);
	send_part(p, built, n, 40, n - 40);
	peer_expect_silence(p, 100);
	send_part(p, built, n, 0, 40);
	send_part(p, built, n, 40, n - 40);
	conn_expect(&c, .flags = ACK, .ack = 65, .within_ms = 210);
}

/*
 * The answer is one packet, without a fragment header, although it is larger than each fragment.
 * On the TCP wire the kernel drops a first fragment without a whole TCP header, so that the answer
 * has to be a larger one there: a SYN-ACK with options.
 */
TEST_F(ipv6headers, rfc8200_fragments_are_answered_by_one_packet)
{
	struct peer *p = &self->peer;
	bool tcp = p->wire == IPPROTO_TCP;
	int n, step = tcp ? 24 : 8;
	struct segment_spec spec;
	uint8_t built[2048];

	if (tcp) {
		peer_listen(p, KERNEL_PORT, 4);
		spec = peer_spec(p, .flags = SYN, .seq = 1000,
				 .opt = OPT(OPT_MSS(1000), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP,
					    OPT_WSCALE(7)));
	} else {
		spec = peer_spec(p, .flags = ACK, .dport = 1, .ack = 1);
	}
	n = segment_build(&spec, built);
	for (int at = 0; at < n - 40; at += step)
		send_part(p, built, n, at, at + step < n - 40 ? at + step : n - 40);
	if (tcp)
		peer_expect(p, .flags = SYN | ACK, .ack = 1001);
	else
		peer_expect(p, .flags = RST, .sport = 1, .seq = 1);
}

/*
 * A SYN whose first fragment has ports and number alone: no rule of a firewall that sees the
 * fragments finds its flags. On the TCP wire the kernel drops it, and says so.
 */
TEST_F(ipv6headers, rfc7112_syn_in_fragments)
{
	struct peer *p = &self->peer;
	long long errors = snmp6_counter("Ip6InHdrErrors");
	struct segment_spec spec;
	uint8_t built[2048];
	int n;

	peer_listen(p, KERNEL_PORT, 4);
	spec = peer_spec(p, .flags = SYN, .seq = 1000, .opt = OPT(OPT_MSS(1000)));
	n = segment_build(&spec, built);
	send_part(p, built, n, 0, 8);
	send_part(p, built, n, 8, n - 40);
	EXPECT_EQ(errors + 1, snmp6_counter("Ip6InHdrErrors"));
	if (p->wire == IPPROTO_TCP)
		peer_drain(p, 100);
	peer_expect_silence(p, 100);
	EXPECT_EQ(0, proc_rows(AF_INET6, ROW_SYN_RECEIVED));
	peer_send_raw(p, built, n);
	peer_expect(p, .flags = SYN | ACK, .ack = 1001);
}

/*
 * An ACK behind two headers of options, of which the first fragment has one alone: no rule of a
 * firewall finds the protocol. On the TCP wire the hook drops such fragments: tcpwire/hook6.
 */
TEST_F(ipv6headers, rfc7112_a_segment_behind_cut_headers)
{
	uint8_t options[16] = { EXT_DSTOPTS, 0, 1, 4, 0, 0, 0, 0, 0, 0, 1, 4 };
	long long errors = snmp6_counter("Ip6InHdrErrors");
	struct peer *p = &self->peer;
	struct counters before;
	uint8_t built[2048];
	int n;

	if (stock_mode() || p->wire == IPPROTO_TCP)
		return;		/* takes it; drops it before */
	options[8] = p->wire;
	for (int whole = 1; whole >= 0; whole--) {
		struct segment_spec spec = peer_spec(p, .flags = ACK, .dport = 1, .ack = 1);

		n = exthdr_put(built, segment_build(&spec, built), EXT_DSTOPTS, options, 16);
		if (whole) {
			peer_send_raw(p, built, n);
			peer_expect(p, .flags = RST, .sport = 1, .seq = 1);
			counters_take(&before);
			continue;
		}
		send_part(p, built, n, 0, 8);
		send_part(p, built, n, 8, n - 40);
		peer_expect_silence(p, 100);
	}
	counters_expect(_metadata, &before, NULL);
	EXPECT_EQ(errors + 1, snmp6_counter("Ip6InHdrErrors"));
}

/* Only an error of this type and code comes, and points there; 0: nothing comes. */
static void expect_complaint(struct __test_metadata *_metadata, struct peer *p, int type,
			     int code, uint32_t pointer)
{
	const struct segment *seg = peer_read(p, now_ns() + 10 * NSEC_PER_MSEC);
	uint32_t said;

	if (!type) {
		EXPECT_EQ(NULL, seg);
		return;
	}
	ASSERT_NE(NULL, seg);
	EXPECT_EQ(IPPROTO_ICMPV6, seg->proto);
	EXPECT_EQ(type, seg->packet[40]);
	EXPECT_EQ(code, seg->packet[41]);
	memcpy(&said, seg->packet + 44, 4);
	EXPECT_EQ(pointer, ntohl(said));
	peer_expect_silence(p, 10);
}

/*
 * RFC 5095: to a node a routing header of this type with segments left is unknown.
 * With none left it is ignored (RFC 8200 4.4).
 */
TEST_F(ipv6headers, rfc5095_routing_header_type_0)
{
	struct peer *p = &self->peer;
	uint8_t rh0[24] = { 0, 2, 0, 1 };
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	rh0[0] = p->wire;
	memcpy(rh0 + 8, &p->kernel.v6, 16);
	counters_take(&before);
	send_behind(p, conn_spec(&c, .flags = ACK | PSH, .data = "text"), EXT_ROUTING, rh0, 24);
	expect_complaint(_metadata, p, 4, 0, 42);
	send_behind(p, peer_spec(p, .flags = SYN, .seq = 1000), EXT_ROUTING, rh0, 24);
	expect_complaint(_metadata, p, 4, 0, 42);
	counters_expect(_metadata, &before, NULL);
	rh0[3] = 0;
	send_behind(p, conn_spec(&c, .flags = ACK | PSH, .data = "text"), EXT_ROUTING, rh0, 24);
	c.peer_nxt += 4;
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 210);
	stream_expect_text(_metadata, c.fd, "text");
}

/* --- jumbograms ---------------------------------------------------------------- */

#define JUMBO(a, b, c, d) 0, 0, 0xc2, 4, (a), (b), (c), (d)

/* Headers that IPv6 refuses; the error that it sends, and its pointer. */
static const struct {
	const char *name;
	int next, len;
	uint8_t bytes[16];
	bool has_length;		/* the pointer is at IPv6's own header, too */
	int type, code;
	uint32_t pointer;
} malformed[] = {
	{ "shorter than a jumbogram is", EXT_HOPOPTS, 8, { JUMBO(0, 0, 0, 128) },
	  false, 4, 0, 44 },
	{ "as long as a packet may be without it", EXT_HOPOPTS, 8, { JUMBO(0, 0, 255, 255) },
	  false, 4, 0, 44 },
	{ "beside a length", EXT_HOPOPTS, 8, { JUMBO(0, 1, 0, 0) }, true, 4, 0, 42 },
	{ "longer than the packet", EXT_HOPOPTS, 8, { JUMBO(0, 1, 0, 0) }, false, 0, 0, 0 },
	{ "four thousand million", EXT_HOPOPTS, 8, { JUMBO(255, 255, 255, 255) },
	  false, 0, 0, 0 },
	{ "an option too short", EXT_HOPOPTS, 8, { 0, 0, 0xc2, 2, 1, 0, 1, 0 }, false, 0, 0, 0 },
	{ "an option not aligned", EXT_HOPOPTS, 16,
	  { 0, 1, 0, 0xc2, 4, 0, 1, 0, 0, 1, 5 }, false, 0, 0, 0 },
	{ "an option beyond its header", EXT_HOPOPTS, 8, { 0, 0, 1, 0, 0, 0, 0xc2, 4 },
	  false, 0, 0, 0 },
	{ "for the destination alone", EXT_DSTOPTS, 8, { JUMBO(0, 1, 0, 0) }, true, 4, 2, 42 },
};

static void malformed_one(struct peer *p, struct segment_spec spec, size_t i)
{
	uint8_t packet[4096], headers[16];
	int n = segment_build(&spec, packet);

	memcpy(headers, malformed[i].bytes, malformed[i].len);
	headers[0] = p->wire;
	n = exthdr_put(packet, n, malformed[i].next, headers, malformed[i].len);
	if (!malformed[i].has_length)
		memset(packet + 4, 0, 2);
	peer_send_raw(p, packet, n);
}

/* Neither a connection nor a listener gets them. */
TEST_F(ipv6headers, rfc2675_malformed_jumbograms)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv6/icmp/ratelimit", "0"));
	conn_open(p, &c);
	peer_listen(p, 6000, 4);
	counters_take(&before);
	for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
		peer_note(p, "%s", malformed[i].name);
		malformed_one(p, conn_spec(&c, .flags = ACK | PSH, .len = 100), i);
		expect_complaint(_metadata, p, malformed[i].type, malformed[i].code,
				 malformed[i].pointer);
		malformed_one(p, peer_spec(p, .flags = SYN, .seq = 1000, .dport = 6000), i);
		expect_complaint(_metadata, p, malformed[i].type, malformed[i].code,
				 malformed[i].pointer);
	}
	counters_expect(_metadata, &before, NULL);
	conn_send(&c, .flags = ACK | PSH, .data = "ping");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 210);
}

/* So much data that the packet is a jumbogram, and still in the first window. */
#define JUMBO_TEXT	65530

static void large_buffer(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20);
}

/* The next JUMBO_TEXT bytes of the pattern, behind these headers. */
static int jumbogram(struct conn *c, int next, uint8_t *headers, int len, uint8_t *packet)
{
	struct segment_spec spec = conn_spec(c, .flags = ACK | PSH);
	int n = segment_build(&spec, packet), tcp_len = n - 40 + JUMBO_TEXT;
	uint8_t *tcp = packet + 40;
	uint32_t pseudo;
	uint16_t csum;

	pattern_fill(packet + n, JUMBO_TEXT, 0);
	memset(tcp + 16, 0, 2);
	pseudo = segment_pseudo_sum(&c->peer->addr, &c->peer->kernel, c->peer->wire, tcp_len);
	csum = ip_checksum(tcp, tcp_len, pseudo);
	tcp[16] = csum >> 8;
	tcp[17] = csum;
	headers[len - 8] = c->peer->wire;
	memcpy(headers + 4, (uint8_t[]){ 0, (tcp_len + len) >> 16, (tcp_len + len) >> 8,
					 tcp_len + len }, 4);
	n = exthdr_put(packet, n + JUMBO_TEXT, next, headers, len);
	memset(packet + 4, 0, 2);
	return n;
}

/* It is a segment like any other, whose length exceeds 16 bits. */
TEST_F(ipv6headers, rfc2675_a_jumbogram_is_taken)
{
	static uint8_t packet[JUMBO_TEXT + 200], got[JUMBO_TEXT];
	uint8_t jumbo[8] = { JUMBO(0, 0, 0, 0) };
	struct peer *p = &self->peer;
	struct conn c;
	int n;

	conn_open(p, &c, .prepare = large_buffer);
	n = jumbogram(&c, EXT_HOPOPTS, jumbo, 8, packet);
	/* One bit of it is wrong: the checksum covers all of it. */
	packet[n - 1] ^= 1;
	peer_send_raw(p, packet, n);
	peer_expect_silence(p, 250);
	packet[n - 1] ^= 1;
	peer_send_raw(p, packet, n);
	conn_expect(&c, .flags = ACK, .ack = 1 + JUMBO_TEXT, .within_ms = 210);
	ASSERT_EQ(JUMBO_TEXT, recv(c.fd, got, sizeof(got), 0));
	EXPECT_EQ(-1, pattern_check(got, sizeof(got), 0));
	p->leave_unread = true;		/* a window that opens again */
}

/* RFC 2675 3: a jumbogram is never fragmented. */
TEST_F(ipv6headers, rfc2675_no_jumbogram_is_a_fragment)
{
	static uint8_t packet[JUMBO_TEXT + 200];
	uint8_t headers[16] = { JUMBO(0, 0, 0, 0), 0, 0, 0, 1, 0, 0, 0, 9 };
	struct peer *p = &self->peer;
	struct conn c;
	int n;

	conn_open(p, &c, .prepare = large_buffer);
	n = jumbogram(&c, EXT_HOPOPTS, headers, 16, packet);
	packet[40] = EXT_FRAGMENT;
	peer_send_raw(p, packet, n);
	expect_complaint(_metadata, p, 4, 0, 48);
	peer_expect_silence(p, 250);
}

TEST_HARNESS_MAIN
