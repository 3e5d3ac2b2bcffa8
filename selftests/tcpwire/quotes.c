// SPDX-License-Identifier: GPL-2.0
/*
 * quotes: errors that quote a segment of the TCP wire reach the stack that owns it,
 * over either IP; and when the module goes, the kernel's TCP gets all. RFC 792, RFC
 * 4443; LC-109, LC-116. What the errors do there is tested by net/icmp on both wires.
 */
/* vm: mapped */
#include "lib/xtcp_test.h"

#include <netinet/ip_icmp.h>

PEER_FIXTURE(quotes);
FIXTURE_VARIANT_ADD(quotes, ipv4) { .setup = { .wire = XTCP_WIRE_TCP } };
FIXTURE_VARIANT_ADD(quotes, ipv6) {
	.setup = { .family = AF_INET6, .wire = XTCP_WIRE_TCP },
};

static void (*prepare(void))(int fd)
{
	return stock_mode() ? NULL : socket_set_wire_tcp;
}

/* The message's own checksum is verified first. */
TEST_F(quotes, lc_109_icmp_with_a_wrong_sum)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .prepare = prepare());
	counters_take(&before);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .bad_csum = true);
	conn_expect_state(&c, ST_SYN_SENT);
	counters_expect(_metadata, &before, NULL);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(ECONNREFUSED, socket_error(c.fd));
}

/* Quoting a longer header, and as much payload as routers like to add. */
TEST_F(quotes, lc_109_icmp_with_a_long_quote)
{
	struct peer *p = &self->peer;
	struct segment text;
	struct conn c;

	conn_open(p, &c, .prepare = prepare());
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	text = *conn_expect(&c, .flags = ACK | PSH, .data = "text");
	for (int len = 8; len <= 24; len += 8) {
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
			       .quote = &text, .quote_len = len);
		EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
	}
	conn_send(&c, .flags = ACK);
}

/* Errors about connections of the kernel's TCP go to it, xtcp's ports or not. */
TEST_F(quotes, lc_109_icmp_for_stock_is_stocks)
{
	struct peer *p = &self->peer;
	bool v6 = p->family == AF_INET6;
	int ours, stock;

	NOT_ON_STOCK();
	p->stock_may_speak = true;
	ours = stream_socket(p->family);
	socket_set_wire_tcp(ours);
	ASSERT_EQ(0, socket_bind(ours, v6 ? "fd00:a::1" : "10.0.0.1", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(ours, 4));
	stock = socket(socket_family(p->family), SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
	ASSERT_EQ(EINPROGRESS, socket_connect(stock, v6 ? "fd00:a::2" : "10.0.0.2", 80));
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 80);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH);
	EXPECT_EQ(ECONNREFUSED, socket_error(stock));
}

/* The module goes with a TIME-WAIT on this wire; the port is the kernel's again. */
TEST_F(quotes, lc_116_after_unloading_stock_answers)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	NOT_ON_STOCK();
	conn_open(p, &c, .prepare = socket_set_wire_tcp, .active = true, .kport = 7001);
	conn_advance(&c, ST_TIME_WAIT, true);
	module_await_idle(WHERE(_metadata));
	EXPECT_EQ(0, module_unload());
	peer_send(p, .flags = ACK, .ack = 99, .sport = c.pport, .dport = c.kport);
	peer_expect(p, .flags = RST, .seq = 99, .sport = c.kport, .dport = c.pport);
	fd = socket(socket_family(p->family), SOCK_STREAM, IPPROTO_TCP);
	EXPECT_EQ(0, socket_bind(fd, p->family == AF_INET6 ? "::" : "", 7001));
	EXPECT_EQ(0, module_load());
	/* The new module's namespace counts from zero. */
	p->stock_may_speak = true;
}

TEST_HARNESS_MAIN
