// SPDX-License-Identifier: GPL-2.0
/*
 * backlog: segments and ICMP errors that arrive while a call of the program owns the socket:
 * which segments are merged, how many may wait, and what becomes of an error.
 */
/* vm: wires v6 mapped */
#include "lib/xtcp_test.h"

#include <linux/sock_diag.h>
#include <linux/tcp.h>

PEER_FIXTURE(backlog);

#define MSS 1000
#define LARGE 5000	/* more than a page */

/*
 * While the program owns the socket, a segment is merged with the one before it, but only
 * if it is the next and their headers agree: acknowledgement, window, congestion marks.
 */
TEST_F(backlog, ctr_TCPBacklogCoalesce)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct holder h;
	uint8_t text[100];
	struct conn c;

	NOT_ON_STOCK();		/* which lets acknowledgement and window differ */
	conn_open(p, &c);
	/* ACKs may wait for an answer. */
	socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "x");
	conn_send(&c, .ack = 1, .len = 10);
	counters_take(&before);
	holder_hold(_metadata, &h, c.fd);
	/* So short that one skb has room for all. */
	for (int i = 0; i < 4; i++)
		conn_send(&c, .flags = i == 3 ? ACK | PSH : ACK, .ack = 1, .len = 10);
	counters_expect(_metadata, &before, "InSegs", 4, "TCPBacklogCoalesce", 3, NULL);
	conn_send(&c, .ack = 2, .len = 10);
	conn_send(&c, .ack = 2, .wnd = 5000, .len = 10);
	conn_send(&c, .ack = 2, .wnd = 5000, .tos = 3, .len = 10);
	conn_send(&c, .ack = 2, .wnd = 5000, .tos = 3);
	conn_send(&c, .ack = 2, .wnd = 5000, .seq = 91, .len = 10, .pattern = 90);
	counters_expect(_metadata, &before, "InSegs", 9, "TCPBacklogCoalesce", 3, NULL);
	holder_release(&h);
	ASSERT_EQ(80, recv(c.fd, text, sizeof(text), 0));
	EXPECT_EQ(-1, pattern_check(text, 80, 0));
	peer_drain(p, 100);
}

/* Nor are segments merged whose timestamps differ: the second one's would be lost. */
TEST_F(backlog, backlog_of_other_timestamps)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct holder h;
	uint32_t stamp;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_NOP, OPT_NOP, OPT_TS(1, 0)));
	conn_send(&c, .flags = ACK | PSH, .len = 10);
	conn_expect(&c, .flags = ACK, .ack = 11, .within_ms = DELAYED_ACK_MS);
	stamp = c.tsval_base + 10000;
	counters_take(&before);
	holder_hold(_metadata, &h, c.fd);
	/* So short that an skb has room for two. */
	for (int i = 0; i < 4; i++)
		conn_send(&c, .flags = ACK, .len = 10,
			  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(stamp + i / 2, c.ts_recent)));
	counters_expect(_metadata, &before, "InSegs", 4, "TCPBacklogCoalesce", 2, NULL);
	holder_release(&h);
	/* Of the segment at which the last ACK ended: RFC 7323 4.3. */
	conn_expect(&c, .flags = ACK, .ack = 51, .tsecr = stamp, .within_ms = DELAYED_ACK_MS);
	peer_drain(p, 250);
}

/* Segments of which each repeats the first, or continues the one before and is merged with it. */
static void fill_backlog(struct __test_metadata *_metadata, struct peer *p, bool merged)
{
	struct counters before;
	long long dropped, coalesced;
	struct holder h;
	int limit, waiting;
	struct conn c;

	conn_open(p, &c);
	socket_set(c.fd, SOL_SOCKET, SO_RCVBUF, 30000);
	conn_send(&c, .len = MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + MSS);
	limit = 2 * socket_meminfo(c.fd, SK_MEMINFO_RCVBUF) +
		socket_meminfo(c.fd, SK_MEMINFO_SNDBUF) / 2 + 65536;
	counters_take(&before);
	holder_hold(_metadata, &h, c.fd);
	for (int i = 0; i < 300; i++)
		conn_send(&c, .seq = 1 + MSS + (merged ? i * LARGE : 0),
			  .len = merged ? LARGE : MSS);
	dropped = counter_moved(&before, "TCPBacklogDrop");
	EXPECT_LT(0, dropped);
	EXPECT_GT(300, dropped);
	waiting = socket_meminfo(c.fd, SK_MEMINFO_BACKLOG) +
		  socket_meminfo(c.fd, SK_MEMINFO_RMEM_ALLOC);
	EXPECT_LT(limit, waiting);
	EXPECT_GT(limit + limit / 10, waiting);
	coalesced = counter_moved(&before, "TCPBacklogCoalesce");
	EXPECT_EQ(merged, coalesced > 0);
	counters_expect(_metadata, &before, "InSegs", 300, "TCPBacklogDrop", (int)dropped,
			"TCPBacklogCoalesce", (int)coalesced, NULL);
	holder_release(&h);
	/* The kept data is there; the rest were copies. */
	if (!merged)
		conn_expect(&c, .flags = ACK, .ack = 1 + 2 * MSS);
	peer_drain(p, 100);
}

/*
 * While the program owns the socket, segments wait in its backlog: twice the receive
 * buffer, half the send buffer and 64 KiB, as in Linux. A sender without segmentation
 * offload fills more memory with a window than the window says, so the buffer itself would
 * be too small a limit.
 */
TEST_F(backlog, ctr_TCPBacklogDrop)
{
	fill_backlog(_metadata, &self->peer, false);
}

/* A device whose packets of more than a page have their payload in pages, which can be merged. */
FIXTURE(backlog_pages) {
	struct peer peer;
};

FIXTURE_SETUP(backlog_pages)
{
	peer_open_at(WHERE(_metadata), &self->peer, &(struct peer_setup){ .offload = true });
}

FIXTURE_TEARDOWN(backlog_pages)
{
	peer_close_at(WHERE(_metadata), &self->peer);
}

/* What is merged takes as much memory. */
TEST_F(backlog_pages, ctr_TCPBacklogDrop_of_merged_segments)
{
	fill_backlog(_metadata, &self->peer, true);
}

TEST_F(backlog, ctr_LockDroppedIcmps)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct segment text;
	struct holder h;
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 2);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	text = *conn_expect(&c, .flags = ACK | PSH, .data = "text");
	counters_take(&before);
	holder_hold(_metadata, &h, c.fd);
	peer_send_icmp(p, .type = 3, .code = 3, .quote = &text);
	counters_expect(_metadata, &before, "LockDroppedIcmps", 1, NULL);
	holder_release(&h);
	/* It ends nothing, but the program may ask. */
	EXPECT_EQ(icmp_errno(3, 3), socket_error(c.fd));
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_HARNESS_MAIN
