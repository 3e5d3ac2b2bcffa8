// SPDX-License-Identifier: GPL-2.0
/*
 * header: the checks of an arriving header, and the fate of a segment that fails them.
 * RFC 9293 3.1, 3.10.7, MUST-2, 3, 50, 57, 63, 66.
 */
/* vm: wires short */
#include "lib/xtcp_test.h"

#include <netinet/tcp.h>

PEER_FIXTURE(header);

/* The library verifies each checksum; here one segment of each shape has to come. */
TEST_F(header, rfc9293_must_02_every_segment_is_summed)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true);
	for (int len = 1; len <= 1460; len += len < 8 ? 1 : 363) {
		conn_write(&c, len);
		conn_expect(&c, .pattern = 0, .len = len, .ack = 1);
		conn_send(&c, .flags = ACK);
	}
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = FIN | ACK);
	peer_hold(p, 1);
	peer_send(p, .flags = SYN, .seq = 99, .dport = 1);
	peer_expect(p, .flags = RST | ACK, .ack = 100, .sport = 1);
}

/* A connection in @st, on a port of its own; the counters begin there. */
static struct conn nth_in_state(struct peer *p, int n, enum conn_state st,
				struct counters *before)
{
	struct conn c;

	conn_to_state(p, &c, st, .kport = 6000 + n);
	counters_take(before);
	return c;
}

TEST_F(header, rfc9293_must_03_bad_checksum_is_dropped)
{
	static const enum conn_state states[] = {
		ST_CLOSED, ST_LISTEN, ST_SYN_SENT, ST_HALF_OPEN, ST_ESTABLISHED,
		ST_FIN_WAIT_2, ST_CLOSE_WAIT, ST_TIME_WAIT, ST_ORPHAN_FIN_WAIT_2,
	};
	static const int flags[] = { SYN, ACK, RST, FIN | ACK, SYN | ACK, RST | ACK };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct counters before;
		struct conn c = nth_in_state(p, i, states[i], &before);

		for (size_t f = 0; f < ARRAY_SIZE(flags); f++) {
			conn_send(&c, .flags = flags[f], .seq = conn_peer_nxt(&c) + 1,
				  .bad_csum = true);
			conn_send(&c, .flags = flags[f], .seq = conn_peer_nxt(&c),
				  .bad_csum = true, .data = "odd");
		}
		peer_expect_silence(p, 5);
		conn_expect_state(&c, states[i]);
		counters_expect(_metadata, &before, "InSegs", 12, "InErrs", 12,
				"InCsumErrors", 12, NULL);
		if (states[i] == ST_SYN_SENT)
			close(c.fd);
	}
}

TEST_F(header, lc_51_checksum_covers_addresses)
{
	struct peer *p = &self->peer;
	struct segment_spec spec;
	struct counters before;
	uint8_t packet[200];
	uint16_t csum;
	int len;

	/* Checksummed for another destination, then sent to this one. */
	peer_listen(p, KERNEL_PORT, 4);
	spec = peer_spec(p, .flags = SYN, .seq = 5, .dst = ipaddr("10.0.0.99"));
	len = segment_build(&spec, packet);
	memcpy(packet + 16, &p->kernel.v4, 4);
	packet[10] = packet[11] = 0;
	csum = ip_checksum(packet, 20, 0);
	packet[10] = csum >> 8;
	packet[11] = csum;
	counters_take(&before);
	peer_send_raw(p, packet, len);
	peer_expect_silence(p, 20);
	counters_expect(_metadata, &before, "InSegs", 1, "InErrs", 1,
			"InCsumErrors", 1, NULL);
}

TEST_F(header, hostile_data_offset_below_five)
{
	static const enum conn_state states[] = { ST_LISTEN, ST_SYN_SENT, ST_ESTABLISHED };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct counters before;
		struct conn c = nth_in_state(p, i, states[i], &before);

		for (int doff = 0; doff < 5; doff++) {
			conn_send(&c, .flags = SYN, .doff = doff, .seq = 0);
			conn_send(&c, .flags = ACK | PSH, .doff = doff, .data = "text",
				  .seq = 1);
		}
		peer_expect_silence(p, 5);
		conn_expect_state(&c, states[i]);
		counters_expect(_metadata, &before, "InSegs", 10, "InErrs", 10, NULL);
		if (states[i] == ST_SYN_SENT)
			close(c.fd);
	}
}

TEST_F(header, hostile_data_offset_past_the_end)
{
	static const enum conn_state states[] = { ST_LISTEN, ST_SYN_SENT, ST_ESTABLISHED };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct counters before;
		struct conn c = nth_in_state(p, i, states[i], &before);

		/* Linux counts a header that is cut short as received, no more. */
		counters_ignore(&before, "InErrs", NULL);
		for (int doff = 6; doff < 16; doff++) {
			conn_send(&c, .flags = SYN, .doff = doff, .seq = 0,
				  .no_opt = true);
			conn_send(&c, .flags = ACK | PSH, .doff = doff, .seq = 1,
				  .data = "abc");
		}
		peer_expect_silence(p, 5);
		conn_expect_state(&c, states[i]);
		counters_expect(_metadata, &before, "InSegs", 20, NULL);
		if (states[i] == ST_SYN_SENT)
			close(c.fd);
	}
}

TEST_F(header, hostile_truncated_header)
{
	struct peer *p = &self->peer;
	/*
	 * A segment without a readable port can't be attributed: on the TCP wire it is
	 * Linux's.
	 */
	int portless = stream_wire() == XTCP_WIRE_TCP && !stock_mode() ? 2 * 4 : 0;
	struct counters before;
	struct conn c;

	p->stock_may_speak = portless;
	conn_open(p, &c);
	peer_hold(p, 1);
	counters_take(&before);
	counters_ignore(&before, "InErrs", NULL);
	for (int cut = 0; cut < 20; cut++) {
		conn_send(&c, .flags = RST | ACK, .cut = cut, .seq = 1);
		conn_send(&c, .flags = SYN, .cut = cut, .seq = 1, .dport = 1);
	}
	/* And headers whose options are cut off. */
	for (int cut = 20; cut < 60; cut++)
		conn_send(&c, .flags = RST | ACK, .cut = cut, .seq = 1,
			  .opt = (struct optbytes){ .len = 40, .b = { 1, 1, 1 } });
	peer_expect_silence(p, 5);
	conn_expect_state(&c, ST_ESTABLISHED);
	counters_expect(_metadata, &before, "InSegs", 80 - portless, NULL);
	conn_send(&c, .flags = ACK | PSH, .data = "alive");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 6, .within_ms = 210);
	stream_expect_text(_metadata, c.fd, "alive");
}

TEST_F(header, reserved_bits_are_ignored)
{
	struct peer *p = &self->peer;
	struct conn c;

	for (int bits = 1; bits < 16; bits++) {
		conn_start(p, &c, .kport = 6000 + bits);
		conn_send(&c, .flags = SYN, .reserved = bits);
		conn_expect(&c, .flags = SYN | ACK, .ack = 1);
		conn_send(&c, .flags = ACK | PSH, .data = "ok", .reserved = bits);
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 3, .within_ms = 210);
		conn_accept(&c);
		stream_expect_text(_metadata, c.fd, "ok");
	}
}

TEST_F(header, rfc9293_must_50_ip_options_are_no_obstacle)
{
	struct peer *p = &self->peer;
	/* No-operation, an unknown option of 6 bytes, end of options. */
	struct optbytes ip_opt = OPT(1, 0x9e, 6, 1, 2, 3, 4, 0);
	struct conn c;

	conn_start(p, &c);
	conn_send(&c, .flags = SYN, .ip_opt = ip_opt);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .mss = 1460);
	conn_send(&c, .flags = ACK, .ip_opt = ip_opt);
	conn_accept(&c);
	conn_send(&c, .flags = ACK | PSH, .data = "opt", .ip_opt = ip_opt);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 4, .within_ms = 210);
	stream_expect_text(_metadata, c.fd, "opt");
}

/* Listens on every address, so that only the check of the destination refuses. */
static int listen_any(struct peer *p)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_port = htons(KERNEL_PORT),
	};
	int fd = stream_socket(AF_INET);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ||
	    listen(fd, 16))
		peer_fail(WHERE(p->test), p, "listen on any address: %s",
			  strerror(errno));
	return fd;
}

TEST_F(header, rfc9293_must_57_syn_to_many_is_ignored)
{
	static const char *const to[] = {
		"10.0.0.255", "255.255.255.255", "224.0.0.1",
	};
	struct peer *p = &self->peer;
	struct counters before;

	listen_any(p);
	peer_hold(p, 1);
	counters_take(&before);
	counters_ignore(&before, "InSegs", "ListenDrops", NULL);
	/*
	 * The kernel's TCP counts RSTs for the ACKs, which its own routing then loses.
	 */
	if (stock_mode())
		counters_ignore(&before, "OutSegs", "OutRsts", "SyncookiesFailed",
				NULL);
	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		peer_send(p, .flags = SYN, .seq = 1, .dst = ipaddr(to[i]));
		peer_send(p, .flags = SYN, .seq = 1, .dst = ipaddr(to[i]), .dport = 1);
		peer_send(p, .flags = ACK, .seq = 1, .ack = 1, .dst = ipaddr(to[i]));
	}
	peer_expect_silence(p, 1200);
	EXPECT_EQ(1, proc_rows(p->family, 0));
	counters_expect(_metadata, &before, NULL);
	/* The same listener does answer. */
	peer_send(p, .flags = SYN, .seq = 1);
	peer_expect(p, .flags = SYN | ACK, .ack = 2);
}

TEST_F(header, rfc9293_must_63_syn_from_invalid_source_is_ignored)
{
	static const char *const from[] = {
		"0.0.0.0", "224.0.0.1", "239.1.2.3", "255.255.255.255",
		"127.0.0.1", "10.0.0.255", "0.1.2.3",
	};
	/*
	 * The kernel's TCP answers the last two: without rp_filter nothing checks for
	 * a subnet's broadcast, and Linux uses 0/8. RFC 1122 3.2.1.3 allows neither.
	 */
	size_t n = ARRAY_SIZE(from) - (stock_mode() ? 2 : 0);
	struct peer *p = &self->peer;
	struct counters before;

	listen_any(p);
	counters_take(&before);
	counters_ignore(&before, "InSegs", "ListenDrops", NULL);
	for (size_t i = 0; i < n; i++)
		peer_send(p, .flags = SYN, .seq = 1, .src = ipaddr(from[i]));
	peer_expect_silence(p, 1200);
	EXPECT_EQ(1, proc_rows(p->family, 0));
	counters_expect(_metadata, &before, NULL);
}

/* A packet in two fragments, the second one first. */
static void send_in_two(struct peer *p, const uint8_t *whole, int len)
{
	uint8_t part[2000];
	uint16_t csum;

	/* 20 + 480 bytes, and the rest. */
	for (int i = 1; i >= 0; i--) {
		int from = i ? 480 : 0, n = i ? len - 20 - 480 : 480;

		memcpy(part, whole, 20);
		memcpy(part + 20, whole + 20 + from, n);
		part[2] = (20 + n) >> 8;
		part[3] = 20 + n;
		part[6] = (i ? 0 : 0x20) | from / 8 >> 8;
		part[7] = from / 8;
		part[10] = part[11] = 0;
		csum = ip_checksum(part, 20, 0);
		part[10] = csum >> 8;
		part[11] = csum;
		peer_send_raw(p, part, 20 + n);
	}
}

/* The sum covers what is not in the linear part of the skb: damage in either fragment is found. */
TEST_F(header, fragments_are_put_together)
{
	struct peer *p = &self->peer;
	static const int at[] = { 20 + 4, 20 + 100, 20 + 480, -1 };
	uint8_t whole[2000], text[1000];
	struct segment_spec spec;
	struct counters before;
	struct conn c;
	int len;

	conn_open(p, &c);
	spec = conn_spec(&c, .flags = ACK | PSH, .len = 900);
	len = segment_build(&spec, whole);
	counters_take(&before);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		uint8_t *byte = whole + (at[i] < 0 ? len + at[i] : at[i]);

		*byte ^= 1;
		send_in_two(p, whole, len);
		*byte ^= 1;
	}
	peer_expect_silence(p, 300);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	counters_expect(_metadata, &before, "InSegs", 4, "InErrs", 4, "InCsumErrors", 4, NULL);
	send_in_two(p, whole, len);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 901, .within_ms = 210);
	ASSERT_EQ(900, recv(c.fd, text, sizeof(text), 0));
	EXPECT_EQ(-1, pattern_check(text, 900, 0));
}

/* Answers without a socket: a RST, a SYN-ACK, an ACK of TIME-WAIT. */
TEST_F(header, answers_are_atomic)
{
	struct peer *p = &self->peer;
	struct conn c;

	peer_hold(p, 1);
	peer_send(p, .flags = SYN, .seq = 99, .dport = 1);
	peer_expect(p, .flags = RST | ACK, .ack = 100, .sport = 1);
	EXPECT_TRUE(p->last.df);
	EXPECT_EQ(0, p->last.ip_id);
	conn_start(p, &c);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	EXPECT_TRUE(p->last.df);
	EXPECT_EQ(0, p->last.ip_id);
	conn_send(&c, .flags = RST, .seq = 1);
	conn_to_state(p, &c, ST_TIME_WAIT, .kport = 6000);
	conn_send(&c, .flags = FIN | ACK, .seq = conn_peer_nxt(&c) - 1);
	conn_expect(&c, .flags = ACK);
	EXPECT_TRUE(p->last.df);
	EXPECT_EQ(0, p->last.ip_id);
}

/*
 * A SYN-ACK that may be fragmented: its id is of no counter, because others would see in the
 * counter's steps whose packets have gone out (CVE-2020-36516).
 */
TEST_F(header, id_of_an_answer_is_of_no_counter)
{
	enum { ANSWERS = 16 };
	struct peer *p = &self->peer;
	int near = 0, before = 0, lfd;

	if (p->family == AF_INET6)
		return;		/* no id */
	lfd = peer_listen(p, 5000, ANSWERS);
	ASSERT_EQ(0, setsockopt(lfd, IPPROTO_IP, IP_MTU_DISCOVER, &(int){ IP_PMTUDISC_DONT },
				sizeof(int)));
	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_FASTOPEN, ANSWERS));
	ASSERT_EQ(0, knob_set("fastopen", 3));
	for (int i = 0; i < ANSWERS; i++) {
		peer_send(p, .flags = SYN, .seq = 1, .sport = 40000 + i, .dport = 5000,
			  .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0), 1, OPT_WSCALE(7),
				     34, 2));
		peer_expect(p, .flags = SYN | ACK, .ack = 2, .sport = 5000, .dport = 40000 + i);
		EXPECT_FALSE(p->last.df);
		near += i && (uint16_t)(p->last.ip_id - before) < 100;
		before = p->last.ip_id;
	}
	EXPECT_GE(2, near);
	close(lfd);
}

TEST_F(header, rfc9293_must_49_ttl)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_IP, IP_TTL, &(int){ 7 }, sizeof(int)));
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "x", .ttl = 7);
	peer_hold(p, 1);
	peer_send(p, .flags = ACK, .dport = 1);
	peer_expect(p, .flags = RST, .sport = 1, .ttl = 64);
}

TEST_F(header, rfc9293_must_48_tos)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true);
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_IP, IP_TOS, &(int){ 0xb8 }, sizeof(int)));
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "x", .tos = 0xb8);
}

TEST_HARNESS_MAIN
