// SPDX-License-Identifier: GPL-2.0
/*
 * icmp: what errors about our own segments do. RFC 9293 3.9.2.2 (MUST-54..56,
 * SHLD-26), RFC 5927 (a quote must be of something in flight), RFC 6633 (source
 * quench), RFC 1122 3.2.2.2 (redirect), RFC 1191 (too big).
 */
/* vm: wires */
#include "lib/xtcp_test.h"

#include <netinet/ip_icmp.h>

PEER_FIXTURE(icmp);

static void expect_alive(struct conn *c)
{
	conn_send(c, .flags = ACK | PSH, .data = "ping");
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = 210);
	conn_expect_state(c, ST_ESTABLISHED);
}

TEST_F(icmp, lc_105_ends_connect)
{
	static const struct {
		int type, code, error;
	} cases[] = {
		{ ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ENETUNREACH },
		{ ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, EHOSTUNREACH },
		{ ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, ENOPROTOOPT },
		{ ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, ECONNREFUSED },
		{ ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, EHOSTUNREACH },
		{ ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, EHOSTUNREACH },
		{ ICMP_PARAMETERPROB, 0, EPROTO },
	};
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct counters before;
		struct conn c;

		peer_note(p, "type %d code %d", cases[i].type, cases[i].code);
		conn_to_state(p, &c, ST_SYN_SENT);
		counters_take(&before);
		peer_send_icmp(p, .type = cases[i].type, .code = cases[i].code);
		conn_expect_state(&c, ST_CLOSED);
		EXPECT_TRUE(socket_poll(c.fd) & POLLERR);
		EXPECT_EQ(cases[i].error, socket_error(c.fd));
		counters_expect(_metadata, &before, "AttemptFails", 1, NULL);
		close(c.fd);
	}
	peer_expect_silence(p, 2000);
}

TEST_F(icmp, lc_105_from_a_router_on_the_way)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .from = ipaddr("10.0.0.254"));
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
}

TEST_F(icmp, lc_105_never_aborts_a_connection)
{
	static const struct {
		int type, code, error;
	} cases[] = {
		{ ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ENETUNREACH },
		{ ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, EHOSTUNREACH },
		{ ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, ENOPROTOOPT },
		{ ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, ECONNREFUSED },
		{ ICMP_DEST_UNREACH, ICMP_SR_FAILED, EOPNOTSUPP },
		{ ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, EHOSTUNREACH },
		{ ICMP_PARAMETERPROB, 0, EPROTO },
	};
	struct peer *p = &self->peer;
	struct segment text;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	text = *conn_expect(&c, .flags = ACK | PSH, .data = "text");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		peer_send_icmp(p, .type = cases[i].type, .code = cases[i].code,
			       .quote = &text);
		/* Readable once, and no more than that. */
		EXPECT_EQ(cases[i].error, socket_error(c.fd));
		EXPECT_EQ(0, socket_error(c.fd));
		EXPECT_EQ(POLLOUT, socket_poll(c.fd));
		conn_expect_state(&c, ST_ESTABLISHED);
	}
	conn_send(&c, .flags = ACK);
	expect_alive(&c);
}

TEST_F(icmp, lc_105_half_open)
{
	static const struct {
		int type, code;
		bool removes;
	} cases[] = {
		{ ICMP_DEST_UNREACH, ICMP_NET_UNREACH, true },
		{ ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, true },
		{ ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, true },
		{ ICMP_PARAMETERPROB, 0, true },
		{ ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, false },
		{ ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, false },
		{ ICMP_SOURCE_QUENCH, 0, false },
	};
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct counters before;
		struct conn c;

		peer_note(p, "type %d code %d", cases[i].type, cases[i].code);
		conn_to_state(p, &c, ST_HALF_OPEN, .kport = 6000 + i);
		counters_take(&before);
		peer_send_icmp(p, .type = cases[i].type, .code = cases[i].code);
		conn_expect_state(&c, cases[i].removes ? ST_CLOSED : ST_HALF_OPEN);
		counters_expect(_metadata, &before, "ListenDrops",
				(int)cases[i].removes, NULL);
		if (cases[i].removes)
			continue;
		/* What stayed completes. */
		conn_send(&c, .flags = ACK);
		conn_expect_state(&c, ST_ESTABLISHED);
	}
	peer_expect_silence(p, 3000);
}

TEST_F(icmp, lc_107_source_quench_is_nothing)
{
	static const enum conn_state states[] = {
		ST_SYN_SENT, ST_SYN_RECEIVED, ST_HALF_OPEN, ST_ESTABLISHED,
		ST_FIN_WAIT_1, ST_FIN_WAIT_2, ST_CLOSE_WAIT, ST_CLOSING,
		ST_LAST_ACK, ST_TIME_WAIT, ST_ORPHAN_FIN_WAIT_2,
	};
	struct peer *p = &self->peer;

	/* All of it within the 200 ms after which the first FIN is sent again. */
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct counters before;
		struct conn c;

		conn_to_state(p, &c, states[i], .kport = 6000 + i);
		counters_take(&before);
		/* Nothing may be in flight, so that the quote is of the past. */
		counters_ignore(&before, "OutOfWindowIcmps", NULL);
		peer_send_icmp(p, .type = ICMP_SOURCE_QUENCH);
		conn_expect_state(&c, states[i]);
		if (c.fd >= 0)
			EXPECT_EQ(0, socket_error(c.fd));
		counters_expect(_metadata, &before, NULL);
	}
}

TEST_F(icmp, rfc9293_must_55_source_quench_slows_nothing)
{
	struct peer *p = &self->peer;
	uint8_t text[1000] = { 0 };
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1000)));
	ASSERT_EQ(1000, send(c.fd, text, 1000, 0));
	conn_expect(&c, .len = 1000);
	peer_send_icmp(p, .type = ICMP_SOURCE_QUENCH);
	/* The rest of the initial window of ten segments still goes at once. */
	for (int i = 1; i < 10; i++) {
		ASSERT_EQ(1000, send(c.fd, text, 1000, 0));
		conn_expect(&c, .seq = 1 + 1000 * i, .len = 1000);
	}
	EXPECT_EQ(0, socket_error(c.fd));
	conn_send(&c, .flags = ACK);
}

TEST_F(icmp, rfc9293_must_56_soft_errors_do_not_abort)
{
	struct peer *p = &self->peer;
	struct segment first;
	struct conn c;

	/* The first copies and their resends all meet an error; then one is through. */
	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	first = *conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text");
	for (int i = 0; i < 4; i++) {
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = i % 2,
			       .quote = &first, .from = ipaddr("10.0.0.254"));
		conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
			    .within_ms = 20000);
		conn_expect_state(&c, ST_ESTABLISHED);
	}
	conn_send(&c, .flags = ACK);
	expect_alive(&c);
}

TEST_F(icmp, lc_108_quote_out_of_window)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct segment text;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	text = *conn_expect(&c, .flags = ACK | PSH, .data = "text");
	counters_take(&before);
	/* SND.UNA is at 1, SND.NXT at 5: neither before nor behind. */
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .quote = &text, .quote_seq = c.kern_iss);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .quote = &text, .quote_seq = c.kern_iss + 6);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote = &text, .quote_seq = c.kern_iss + 0x80000000u);
	EXPECT_EQ(0, socket_error(c.fd));
	counters_expect(_metadata, &before, "OutOfWindowIcmps", 3, NULL);
	/* And one that is in flight. */
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .quote = &text);
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
	conn_send(&c, .flags = ACK);
}

TEST_F(icmp, lc_108_syn_sent_and_half_open)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	counters_take(&before);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote_seq = c.kern_iss + 12345);
	conn_expect_state(&c, ST_SYN_SENT);
	EXPECT_EQ(0, socket_error(c.fd));
	counters_expect(_metadata, &before, "OutOfWindowIcmps", 1, NULL);
	close(c.fd);
	conn_to_state(p, &c, ST_HALF_OPEN);
	counters_take(&before);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .quote_seq = c.kern_iss + 12345);
	conn_expect_state(&c, ST_HALF_OPEN);
	counters_expect(_metadata, &before, "OutOfWindowIcmps", 1, NULL);
}

TEST_F(icmp, rfc9293_must_54_the_right_connection)
{
	struct peer *p = &self->peer;
	struct segment syn;
	struct conn a, b, l;

	peer_listen(p, KERNEL_PORT, 4);
	conn_to_state(p, &a, ST_SYN_SENT);
	syn = p->last;
	conn_to_state(p, &b, ST_SYN_SENT);
	conn_open(p, &l, .kport = 6000);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote = &syn);
	conn_expect_state(&a, ST_CLOSED);
	EXPECT_EQ(ECONNREFUSED, socket_error(a.fd));
	conn_expect_state(&b, ST_SYN_SENT);
	EXPECT_EQ(0, socket_error(b.fd));
	expect_alive(&l);
	close(b.fd);
}

TEST_F(icmp, quotes_that_fit_nothing)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	counters_take(&before);
	/* Another port, another protocol, a bad sum, half a quote, a listener's. */
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote_sport = 1);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote_dport = 1);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote_proto = p->wire == IPPROTO_TCP ? IPPROTO_XTCP : IPPROTO_TCP);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .bad_csum = true);
	for (int len = 0; len < 8; len++)
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH,
			       .code = ICMP_PORT_UNREACH, .quote_len = len);
	/* Codes and types that Linux does not know of. */
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = 99);
	peer_send_icmp(p, .type = 99, .code = 0);
	conn_expect_state(&c, ST_SYN_SENT);
	EXPECT_EQ(0, socket_error(c.fd));
	counters_expect(_metadata, &before, NULL);
	/* The connection is none the worse. */
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	expect_alive(&c);
}

TEST_F(icmp, time_wait_and_listener_do_not_care)
{
	struct peer *p = &self->peer;
	struct segment last;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT, .kport = 6000);
	last = p->last;
	for (int code = 0; code < 4; code++)
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = code,
			       .quote = &last);
	conn_expect_state(&c, ST_TIME_WAIT);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote = &last, .quote_dport = 9);
	EXPECT_EQ(1, proc_rows(p->family, ROW_LISTEN));
	EXPECT_EQ(0, socket_error(c.lfd));
}

TEST_F(icmp, lc_104_redirect_changes_the_route)
{
	struct ipaddr far = ipaddr("192.0.2.2"), old = ipaddr("10.0.0.254");
	struct ipaddr new = ipaddr("10.0.0.253"), gw;
	struct where at = WHERE(_metadata);
	struct peer *p = &self->peer;
	struct segment text;
	struct conn c;

	sysctl_write("/proc/sys/net/ipv4/conf/all/accept_redirects", "1");
	sysctl_write("/proc/sys/net/ipv4/conf/tun0/accept_redirects", "1");
	route_add(at, &far, 32, &old, "tun0");
	conn_open(p, &c, .peer_addr = far);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	text = *conn_expect(&c, .flags = ACK | PSH, .data = "text");
	/* About a connection that is not there: the route stays. */
	peer_send_icmp(p, .type = ICMP_REDIRECT, .code = ICMP_REDIR_HOST,
		       .from = old, .quote = &text, .quote_dport = 9,
		       .rest = ntohl(new.v4.s_addr));
	gw = route_gateway(at, &far);
	EXPECT_TRUE(ipaddr_equal(&old, &gw));
	peer_send_icmp(p, .type = ICMP_REDIRECT, .code = ICMP_REDIR_HOST,
		       .from = old, .quote = &text, .rest = ntohl(new.v4.s_addr));
	gw = route_gateway(at, &far);
	EXPECT_TRUE(ipaddr_equal(&new, &gw));
	conn_send(&c, .flags = ACK);
	expect_alive(&c);
}

TEST_F(icmp, lc_106_too_big_makes_segments_smaller)
{
	struct peer *p = &self->peer;
	struct segment first;
	uint8_t text[1460];
	struct conn c;

	conn_open(p, &c);
	pattern_fill(text, sizeof(text), 0);
	ASSERT_EQ((ssize_t)sizeof(text), send(c.fd, text, sizeof(text), 0));
	first = *conn_expect(&c, .len = 1460, .pattern = 0);
	EXPECT_TRUE(first.df);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED,
		       .quote = &first, .rest = 1000);
	/* At once, not after the timeout. */
	conn_expect(&c, .seq = 1, .len = 960, .pattern = 0);
	peer_drain(p, 20);
	conn_send(&c, .flags = ACK, .ack = 961);
	peer_drain(p, 20);
	conn_send(&c, .flags = ACK, .ack = 1461);
	pattern_fill(text, 960, 1460);
	ASSERT_EQ(960, send(c.fd, text, 960, 0));
	conn_expect(&c, .seq = 1461, .len = 960, .pattern = 1460);
	conn_send(&c, .flags = ACK);
	expect_alive(&c);
}

TEST_F(icmp, lc_102_ping_is_answered)
{
	struct peer *p = &self->peer;
	uint8_t packet[28];
	struct segment_spec spec = peer_spec(p, .proto = IPPROTO_ICMP);
	uint8_t built[128];
	uint16_t csum;

	spec.ip_len = sizeof(packet);
	segment_build(&spec, built);
	memcpy(packet, built, 20);
	memset(packet + 20, 0, 8);
	packet[20] = ICMP_ECHO;
	packet[25] = 7;
	csum = ip_checksum(packet + 20, 8, 0);
	packet[22] = csum >> 8;
	packet[23] = csum;
	peer_send_raw(p, packet, sizeof(packet));
	ASSERT_NE(NULL, peer_read(p, now_ns() + 10 * NSEC_PER_MSEC));
	EXPECT_EQ(IPPROTO_ICMP, p->last.proto);
	EXPECT_EQ(ICMP_ECHOREPLY, p->last.packet[20]);
	EXPECT_EQ(7, p->last.packet[25]);
}

TEST_HARNESS_MAIN
