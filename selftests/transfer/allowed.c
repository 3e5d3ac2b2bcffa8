// SPDX-License-Identifier: GPL-2.0
/*
 * allowed: what RFC 9293 leaves to the implementer (MAY, SHOULD), and xtcp's choice. A
 * test for each choice that no other test shows.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <netinet/tcp.h>

PEER_FIXTURE(allowed);

#define MSS 1000

static void open_with_mss(struct peer *p, struct conn *c)
{
	conn_open(p, c, .opt = OPT(OPT_MSS(MSS)));
}

/* 3.7.1: the option is sent always, also where the default would do. */
TEST_F(allowed, rfc9293_may_03_mss_option_always)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .mss = 1460);
	close(c.fd);
	link_set_mtu(WHERE(_metadata), "tun0", mss_default() + 40);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .mss = mss_default());
	close(c.fd);
}

/*
 * RFC 6864 4.1 made the id of a packet that can't be fragmented meaningless. A segment
 * that is sent again takes the next one, as a new segment would.
 */
TEST_F(allowed, rfc9293_may_04_resent_segment_is_another_packet)
{
	struct peer *p = &self->peer;
	const struct segment *s;
	uint16_t id;
	struct conn c;

	open_with_mss(p, &c);
	conn_write(&c, 100);
	s = conn_expect(&c, .len = 100);
	EXPECT_TRUE(s->df);
	id = s->ip_id;
	for (int i = 1; i <= 2; i++) {
		s = conn_expect(&c, .seq = 1, .len = 100, .within_ms = 600);
		EXPECT_TRUE(s->df);
		if (p->family == AF_INET)
			EXPECT_EQ((uint16_t)(id + i), s->ip_id);
	}
	conn_send(&c, .flags = ACK, .ack = 101);
}

static void keepalive_after(struct __test_metadata *_metadata, struct conn *c, int idle_s)
{
	ASSERT_EQ(0, socket_set(c->fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s));
	/* The kernel's TCP looks again only after this, although it was answered. */
	ASSERT_EQ(0, socket_set(c->fd, IPPROTO_TCP, TCP_KEEPINTVL, idle_s));
	ASSERT_EQ(0, socket_set(c->fd, SOL_SOCKET, SO_KEEPALIVE, 1));
}

/* A silent connection is asked again and again, if its program wants that. */
TEST_F_TIMEOUT(allowed, rfc9293_may_05_keepalive_exists, 8000)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	peer_mark(p);
	keepalive_after(_metadata, &c, 5);
	for (int i = 0; i < 2; i++) {
		conn_expect(&c, .flags = ACK, .seq = 0, .ack = 1, .at_ms = 5000);
		peer_mark(p);
		conn_send(&c, .flags = ACK);
	}
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = RST);
	/* Not without being told to, even after more than the two hours of the default. */
	conn_open(p, &c, .kport = KERNEL_PORT + 1);
	peer_expect_silence(p, 7300 * 1000);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* The byte that the peer has already is asked for, and not sent. */
TEST_F(allowed, rfc9293_may_06_probe_has_no_garbage)
{
	struct peer *p = &self->peer;
	const struct segment *s;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(3, send(c.fd, "abc", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "abc");
	peer_mark(p);
	conn_send(&c, .flags = ACK);
	keepalive_after(_metadata, &c, 5);
	s = conn_expect(&c, .flags = ACK, .seq = 3, .ack = 1, .len = 0, .at_ms = 5000);
	EXPECT_EQ((p->family == AF_INET ? 20 : 40) + 20, s->packet_len);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* RFC 5961 5: the data of an ACK far below the window is dropped. */
TEST_F(allowed, rfc9293_may_12_text_with_a_stale_ack_is_refused)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .wnd = 1000);
	conn_send(&c, .flags = ACK | PSH, .ack = 1 - 5000, .data = "forged",
		  .wnd = 1000);
	/* Challenged, and not acknowledged. */
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* 3.9.1.2: writes that were not pushed out yet leave in one segment. */
TEST_F(allowed, rfc9293_may_16_unpushed_text_is_aggregated)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_with_mss(p, &c);
	ASSERT_EQ(3, send(c.fd, "one", 3, MSG_MORE));
	ASSERT_EQ(3, send(c.fd, "two", 3, MSG_MORE));
	peer_expect_silence(p, 20);
	ASSERT_EQ(5, send(c.fd, "three", 5, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "onetwothree");
	conn_send(&c, .flags = ACK, .ack = 12);
}

/* 3.8.6: the window shrank, but data inside it is sent again. */
TEST_F(allowed, rfc9293_shld_16_old_text_inside_a_shrunk_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)), .wnd = 4000);
	conn_write(&c, 4 * MSS);
	flight_expect_all(&c, 0, 3);
	conn_send(&c, .flags = ACK, .ack = 1, .wnd = 2000);
	/* The oldest, after its timeout; nothing beyond 2000. */
	conn_expect(&c, .seq = 1, .len = MSS, .within_ms = 300);
	conn_send(&c, .flags = ACK, .ack = 1 + MSS, .wnd = 1000);
	conn_expect(&c, .seq = 1 + MSS, .len = MSS, .within_ms = 500);
	p->leave_unread = true;
	conn_send(&c, .flags = RST);
}

TEST_HARNESS_MAIN
