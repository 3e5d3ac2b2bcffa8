// SPDX-License-Identifier: GPL-2.0
/*
 * fq: segments that the qdisc fq holds back, for a rate (SO_MAX_PACING_RATE or the
 * connection's own) or for TCP_TX_DELAY: their order, RTT and timeouts.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"
#include "pacing.h"

#include <linux/tcp.h>

PEER_FIXTURE(fq);

/* The same with the qdisc fq, which spaces packets that are sent at once. */
TEST_F(fq, so_max_pacing_rate_by_fq)
{
	struct peer *p = &self->peer;
	struct conn c;
	int64_t ms;

	fq_set(WHERE(_metadata), "tun0");
	open_paced(_metadata, p, &c);
	peer_mark(p);
	conn_write(&c, 50 * MSS);
	ms = take(&c, 50);
	EXPECT_LE(44, ms);
	EXPECT_GE(70, ms);
	conn_send(&c, .flags = ACK);
}

/* A segment that fq holds has not been sent yet: the RTT counts from when it leaves. */
TEST_F(fq, rtt_without_what_fq_holds)
{
	struct peer *p = &self->peer;
	struct conn c;

	fq_set(WHERE(_metadata), "tun0");
	conn_open(p, &c, .opt = WITH_SACK);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, 100000));
	conn_write(&c, 10 * MSS);
	conn_write(&c, 30 * MSS);
	/* The first ones leave at once, and the others 10 ms apart. */
	for (int i = 0; i < 40; i++) {
		conn_expect(&c, .len = MSS, .within_ms = 1000);
		conn_send(&c, .flags = ACK);
	}
	EXPECT_GE(2000, (int)conn_tcp_info(&c).tcpi_rtt);
}

/*
 * fq holds payload for a second: no timeout and no loss probe come before, and a later segment
 * without payload, an ACK or a FIN, does not overtake it. So TSval never goes back.
 */
TEST_F(fq, order_of_what_fq_holds)
{
	struct peer *p = &self->peer;
	struct counters before;
	uint32_t tsval = 0;
	struct conn c;

	fq_set(WHERE(_metadata), "tun0");
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK, OPT_TS(7, 0)));
	conn_write(&c, 10 * c.seg_len);
	for (int i = 0; i < 10; i++)
		conn_expect(&c, .len = c.seg_len);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, 2 * c.seg_len));
	conn_write(&c, 2 * c.seg_len);
	for (int i = 0; i < 2; i++)
		conn_expect(&c, .len = c.seg_len);
	conn_send(&c, .flags = ACK);
	counters_take(&before);
	peer_mark(p);
	conn_write(&c, 2 * c.seg_len);
	for (int i = 0; i < 2; i++)
		conn_send(&c, .flags = ACK, .len = MSS);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	for (int i = 0; i < 5; i++) {
		if (i < 2)
			conn_expect(&c, .len = c.seg_len, .within_ms = 1200);
		else if (i < 4)
			conn_expect(&c, .flags = ACK, .within_ms = 1200);
		else
			conn_expect(&c, .flags = FIN | ACK, .within_ms = 100);
		EXPECT_LE(tsval, p->last.opt.tsval);
		tsval = p->last.opt.tsval;
		if (!i)
			EXPECT_LE(900, peer_elapsed_ms(p));
		if (i == 1)
			conn_send(&c, .flags = ACK);
	}
	EXPECT_EQ(0, counter_moved(&before, "TCPTimeouts"));
	EXPECT_EQ(0, counter_moved(&before, "TCPLossProbes"));
	conn_send(&c, .flags = ACK);
	p->leave_unread = true;
}

/*
 * A connection of four segments a second is not silent: TCP_USER_TIMEOUT does not run while fq
 * holds what the peer has to answer. Nor does a FIN time out that fq holds.
 */
TEST_F(fq, user_timeout_while_fq_holds)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();		/* the user timeout there counts from a retransmission */
	fq_set(WHERE(_metadata), "tun0");
	open_wide(p, &c);
	socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 300);
	conn_write(&c, 10 * MSS);
	for (int i = 0; i < 10; i++)
		conn_expect(&c, .len = MSS);
	sleep_ms(20);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, 4 * MSS));
	counters_take(&before);
	conn_write(&c, 12 * MSS);
	for (int i = 0; i < 12; i++) {
		conn_expect(&c, .len = MSS, .within_ms = 700);
		if (i & 1) {
			sleep_ms(20);
			conn_send(&c, .flags = ACK);
		}
	}
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	peer_expect_silence(p, 400);
	conn_expect(&c, .flags = FIN | ACK, .within_ms = 200);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(0, counter_moved(&before, "TCPTimeouts"));
	EXPECT_EQ(0, counter_moved(&before, "TCPLossProbes"));
	EXPECT_GE(21000, (int)conn_tcp_info(&c).tcpi_rtt);
}

/* Another qdisc replaces fq: the due time runs ahead, but a loss is found as ever. */
TEST_F(fq, loss_behind_a_qdisc_that_replaced_fq)
{
	struct peer *p = &self->peer;
	struct conn c;

	fq_set(WHERE(_metadata), "tun0");
	conn_open(p, &c, .opt = WITH_SACK);
	conn_write(&c, 10 * MSS);
	for (int i = 0; i < 10; i++)
		conn_expect(&c, .len = MSS);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, 2 * MSS));
	ASSERT_EQ(0, system("tc qdisc replace dev tun0 root pfifo limit 1000"));
	for (int round = 0; round < 3; round++) {
		int64_t first = conn_kern_nxt(&c);

		for (int i = 0; i < 4; i++) {
			conn_write(&c, MSS);
			conn_expect(&c, .len = MSS, .seq = first + i * MSS);
		}
		conn_send_sack(&c, first, { first + MSS, first + 4 * MSS });
		conn_expect(&c, .len = MSS, .seq = first);
		conn_send(&c, .flags = ACK, .ack = first + 4 * MSS);
	}
	/* No RTT of nothing was measured. */
	EXPECT_LE(1, (int)conn_tcp_info(&c).tcpi_min_rtt);
	p->leave_unread = true;
}

/* TCP_TX_DELAY: fq holds each segment back for as long. */
TEST_F(fq, tx_delay_by_fq)
{
	struct peer *p = &self->peer;
	struct conn c;

	fq_set(WHERE(_metadata), "tun0");
	conn_open(p, &c);
	ASSERT_EQ(1, send(c.fd, "a", 1, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "a");
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_TCP, TCP_TX_DELAY, &(int){ 60000 }, 4));
	for (int i = 0; i < 2; i++) {
		peer_mark(p);
		ASSERT_EQ(1, send(c.fd, "b", 1, 0));
		conn_expect(&c, .flags = ACK | PSH, .seq = 2 + i, .data = "b", .at_ms = 60);
		conn_send(&c, .flags = ACK);
	}
	/* ACKs as well. */
	peer_mark(p);
	conn_send(&c, .flags = ACK, .len = 2 * MSS);
	conn_expect(&c, .flags = ACK, .ack = 1 + 2 * MSS, .at_ms = 60);
	p->leave_unread = true;
}

/*
 * A delay of an open connection is in its RTT and RTO at once, so that what fq holds does not time
 * out, and what was the shortest RTT no longer is.
 */
TEST_F(fq, tx_delay_of_an_open_connection)
{
	struct peer *p = &self->peer;
	struct tcp_info before, info;
	struct counters counters;
	struct conn c;

	if (stock_mode() && !kernel_is_since(7, 3))
		SKIP(return, "not in older kernels");
	fq_set(WHERE(_metadata), "tun0");
	conn_open(p, &c);
	ASSERT_EQ(1, send(c.fd, "a", 1, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "a");
	conn_send(&c, .flags = ACK);
	before = conn_tcp_info(&c);
	ASSERT_GE(20000, before.tcpi_rtt);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_TX_DELAY, 500000));
	info = conn_tcp_info(&c);
	EXPECT_EQ(before.tcpi_rtt + 500000, info.tcpi_rtt);
	EXPECT_LE(690000, info.tcpi_rto);
	EXPECT_LT(100000, info.tcpi_min_rtt);
	EXPECT_GT(before.tcpi_pacing_rate, info.tcpi_pacing_rate);
	counters_take(&counters);
	peer_mark(p);
	ASSERT_EQ(1, send(c.fd, "b", 1, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 2, .data = "b", .at_ms = 500);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(0, counter_moved(&counters, "TCPTimeouts"));
	/* A delay that is as long changes nothing, and without one all is as before. */
	before = conn_tcp_info(&c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_TX_DELAY, 500000));
	EXPECT_EQ(before.tcpi_min_rtt, conn_tcp_info(&c).tcpi_min_rtt);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_TX_DELAY, 0));
	info = conn_tcp_info(&c);
	EXPECT_EQ(before.tcpi_rtt - 500000, info.tcpi_rtt);
	EXPECT_EQ(before.tcpi_rto - 500000, info.tcpi_rto);
	p->leave_unread = true;
}

/* Nothing holds the segments back, so the RTT becomes shorter than the delay that is taken away. */
TEST_F(fq, tx_delay_without_fq)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;

	if (stock_mode() && !kernel_is_since(7, 3))
		SKIP(return, "not in older kernels");
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_TX_DELAY, 100000));
	for (int i = 0; i < 4; i++) {
		conn_write(&c, 10);
		conn_expect(&c, .len = 10);
		conn_send(&c, .flags = ACK);
	}
	info = conn_tcp_info(&c);
	EXPECT_LT(50000, info.tcpi_rtt);
	EXPECT_GE(90000, info.tcpi_rtt);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_TX_DELAY, 0));
	info = conn_tcp_info(&c);
	EXPECT_EQ(0, info.tcpi_rtt);
	EXPECT_LE(200000, info.tcpi_rto);
	conn_write(&c, 10);
	conn_expect(&c, .len = 10);
	conn_send(&c, .flags = ACK);
}

/* What is held back so does not count against the limit of the device's queue. */
TEST_F(fq, tx_delay_of_a_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("autocorking", 0));
	fq_set(WHERE(_metadata), "tun0");
	conn_open(p, &c, .opt = WITH_SACK, .rtt_ms = 100);
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_TCP, TCP_TX_DELAY, &(int){ 60000 }, 4));
	peer_mark(p);
	for (int i = 0; i < 10; i++)
		conn_write(&c, MSS);
	sleep_ms(59);
	take(&c, 10);
	EXPECT_LE(60, peer_elapsed_ms(p));
	EXPECT_GE(110, peer_elapsed_ms(p));
	p->leave_unread = true;
}

/* And the connection's own rate: two windows of ten in a round trip. */
TEST_F(fq, fq_spaces_by_the_connection_s_rate)
{
	struct peer *p = &self->peer;
	struct conn c;

	fq_set(WHERE(_metadata), "tun0");
	conn_open(p, &c, .opt = WITH_SACK, .rtt_ms = 100);
	for (int round = 0; round < 2; round++) {
		peer_mark(p);
		conn_write(&c, 10 * MSS);
		take(&c, 10);
		if (!round) {
			peer_sleep_until(p, 100);
			conn_send(&c, .flags = ACK);
		}
	}
	/* 20 segments in the window, 40 in 100 ms: ten take 25 ms, less the burst. */
	EXPECT_LE(15, peer_elapsed_ms(p));
	EXPECT_GE(35, peer_elapsed_ms(p));
	conn_send(&c, .flags = ACK);
}

TEST_HARNESS_MAIN
