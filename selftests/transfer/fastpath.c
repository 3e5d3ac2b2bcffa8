// SPDX-License-Identifier: GPL-2.0
/*
 * fastpath: short writes, the segments that answer them, and short reads take fast
 * paths through xtcp. Every other case must take the slow path, and the result must be
 * the same: checksums, memory, segments. RFC 9293 3.10.7.4.
 */
/* vm: wires families short */
/* vm: still=request_and_answer */
/* vm: still=rfc7323_text_without_a_timestamp */
/* vm: still=answers_are_timed */
/* vm: still=an_answer_to_what_was_sent_again */
/* vm: still=an_answer_to_half */
/* vm: still=kept_memory_goes_back */
#include "lib/xtcp_test.h"

#include <linux/sock_diag.h>
#include <linux/tcp.h>

PEER_FIXTURE(fastpath);

#define USUAL OPT(OPT_MSS(1000), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(7))
#define ROUNDS 20

/* The peer sends @text, and the program reads it. */
static void hear(struct __test_metadata *_metadata, struct conn *c, int flags, const char *text)
{
	char buf[16];

	conn_send(c, .flags = ACK | flags, .data = text);
	ASSERT_EQ((ssize_t)strlen(text), recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT));
	EXPECT_EQ(0, memcmp(text, buf, strlen(text)));
}

static void say(struct __test_metadata *_metadata, struct conn *c, const char *text)
{
	ASSERT_EQ((ssize_t)strlen(text), send(c->fd, text, strlen(text), 0));
	conn_expect(c, .flags = ACK | PSH, .data = text);
}

/* Question and answer, over and over: each counts once in every counter. */
TEST_F(fastpath, request_and_answer)
{
	struct peer *p = &self->peer;
	struct tcp_info before, after;
	struct counters counted;
	struct conn c;

	conn_open(p, &c, .opt = USUAL);
	say(_metadata, &c, "first");
	hear(_metadata, &c, PSH, "ok");
	say(_metadata, &c, "second");
	before = conn_tcp_info(&c);
	counters_take(&counted);
	for (int i = 0; i < ROUNDS; i++) {
		hear(_metadata, &c, PSH, "what?");
		say(_metadata, &c, "that");
	}
	counters_expect(_metadata, &counted, "InSegs", ROUNDS, "OutSegs", ROUNDS,
			"TCPOrigDataSent", ROUNDS, "TCPDelivered", ROUNDS, NULL);
	after = conn_tcp_info(&c);
	EXPECT_EQ(ROUNDS, (int)(after.tcpi_segs_in - before.tcpi_segs_in));
	EXPECT_EQ(ROUNDS, (int)(after.tcpi_segs_out - before.tcpi_segs_out));
	EXPECT_EQ(ROUNDS, (int)(after.tcpi_data_segs_in - before.tcpi_data_segs_in));
	EXPECT_EQ(ROUNDS, (int)(after.tcpi_data_segs_out - before.tcpi_data_segs_out));
	EXPECT_EQ(ROUNDS, (int)(after.tcpi_delivered - before.tcpi_delivered));
	/* Each round acknowledges the data of the round before. */
	EXPECT_EQ(6 + 4 * (ROUNDS - 1), (int)(after.tcpi_bytes_acked - before.tcpi_bytes_acked));
	EXPECT_EQ(5 * ROUNDS, (int)(after.tcpi_bytes_received - before.tcpi_bytes_received));
	EXPECT_EQ(1, (int)after.tcpi_unacked);
	EXPECT_EQ(0, (int)after.tcpi_retransmits);
	conn_send(&c, .flags = ACK);
}

/*
 * A segment without the timestamp that was agreed on is taken, as on Linux. It changes nothing of
 * what the answer echoes.
 */
TEST_F(fastpath, rfc7323_text_without_a_timestamp)
{
	struct peer *p = &self->peer;
	uint32_t stamp;
	struct conn c;

	conn_open(p, &c, .opt = USUAL);
	say(_metadata, &c, "first");
	sleep_ms(10);
	hear(_metadata, &c, PSH, "ok");
	say(_metadata, &c, "second");
	stamp = p->last.opt.tsecr;
	sleep_ms(10);
	conn_send(&c, .flags = ACK | PSH, .data = "bare", .no_opt = true);
	ASSERT_EQ(4, recv(c.fd, (char[8]){}, 8, MSG_DONTWAIT));
	ASSERT_EQ(5, send(c.fd, "third", 5, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "third", .tsecr = stamp);
	conn_send(&c, .flags = ACK);
}

/* The round trip of the answers: 50 ms, and then 90. */
TEST_F(fastpath, answers_are_timed)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;

	conn_open(p, &c, .opt = USUAL, .rtt_ms = 50);
	for (int i = 0; i < 30; i++) {
		say(_metadata, &c, "a");
		sleep_ms(i < 15 ? 50 : 90);
		hear(_metadata, &c, PSH, "b");
		info = conn_tcp_info(&c);
		if (i == 14) {
			EXPECT_LE(49000, (int)info.tcpi_rtt);
			EXPECT_GE(52000, (int)info.tcpi_rtt);
		}
	}
	EXPECT_LE(80000, (int)info.tcpi_rtt);
	EXPECT_GE(92000, (int)info.tcpi_rtt);
	EXPECT_LE(49000, (int)info.tcpi_min_rtt);
	EXPECT_GE(52000, (int)info.tcpi_min_rtt);
	conn_expect(&c, .flags = ACK, .within_ms = 210);
}

/* No answer: the data is sent again, and then the answer counts as it must. */
TEST_F(fastpath, an_answer_to_what_was_sent_again)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;

	conn_open(p, &c, .opt = USUAL);
	say(_metadata, &c, "first");
	hear(_metadata, &c, PSH, "ok");
	say(_metadata, &c, "lost");
	conn_expect(&c, .flags = ACK | PSH, .data = "lost", .seq = 6, .within_ms = 1000);
	hear(_metadata, &c, PSH, "late");
	say(_metadata, &c, "on");
	hear(_metadata, &c, PSH, "we");
	say(_metadata, &c, "go");
	info = conn_tcp_info(&c);
	EXPECT_EQ(1, (int)info.tcpi_total_retrans);
	EXPECT_EQ(0, (int)info.tcpi_retransmits);
	EXPECT_EQ(1, (int)info.tcpi_unacked);
	EXPECT_EQ(5 + 4 + 2, (int)info.tcpi_bytes_acked);
	conn_send(&c, .flags = ACK);
}

/* The window changes with the data: down to zero, and up again. */
TEST_F(fastpath, an_answer_that_shuts_the_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = USUAL);
	say(_metadata, &c, "first");
	conn_send(&c, .flags = ACK | PSH, .data = "wait", .wnd = 0);
	ASSERT_EQ(4, recv(c.fd, (char[8]){}, 8, MSG_DONTWAIT));
	ASSERT_EQ(4, send(c.fd, "more", 4, 0));
	/* The pending ACK, then a probe. */
	conn_expect(&c, .flags = ACK, .len = 0, .within_ms = 50);
	conn_expect(&c, .flags = ACK, .seq = 5, .len = 0, .within_ms = 1000);
	conn_send(&c, .flags = ACK, .wnd = 500);
	conn_expect(&c, .flags = ACK | PSH, .data = "more");
	conn_send(&c, .flags = ACK);
}

/* Two are in flight: the answer to one of them does not end the flight. */
TEST_F(fastpath, an_answer_to_half)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;

	conn_open(p, &c, .opt = USUAL);
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	say(_metadata, &c, "one");
	say(_metadata, &c, "two");
	conn_send(&c, .flags = ACK | PSH, .ack = 4, .data = "half");
	ASSERT_EQ(4, recv(c.fd, (char[8]){}, 8, MSG_DONTWAIT));
	info = conn_tcp_info(&c);
	EXPECT_EQ(1, (int)info.tcpi_unacked);
	EXPECT_EQ(3, (int)info.tcpi_bytes_acked);
	hear(_metadata, &c, PSH, "all");
	info = conn_tcp_info(&c);
	EXPECT_EQ(0, (int)info.tcpi_unacked);
	EXPECT_EQ(6, (int)info.tcpi_bytes_acked);
	conn_expect(&c, .flags = ACK, .within_ms = 210);
}

/* A read of less than there is, a MSG_PEEK, and the rest. */
TEST_F(fastpath, short_reads)
{
	struct peer *p = &self->peer;
	struct conn c;
	char buf[16];

	conn_open(p, &c, .opt = USUAL);
	conn_send(&c, .flags = ACK | PSH, .data = "abcdef");
	ASSERT_EQ(2, recv(c.fd, buf, 2, MSG_DONTWAIT));
	EXPECT_EQ(0, memcmp("ab", buf, 2));
	ASSERT_EQ(4, recv(c.fd, buf, 16, MSG_DONTWAIT | MSG_PEEK));
	ASSERT_EQ(4, recv(c.fd, buf, 16, MSG_DONTWAIT));
	EXPECT_EQ(0, memcmp("cdef", buf, 4));
	EXPECT_EQ(-1, recv(c.fd, buf, 16, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	conn_expect(&c, .flags = ACK, .within_ms = 210);
	/* Less than SO_RCVLOWAT, but all that a waiting reader gets. */
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVLOWAT, 4));
	conn_send(&c, .flags = ACK | PSH, .data = "gh");
	ASSERT_EQ(2, recv(c.fd, buf, 16, MSG_DONTWAIT));
	conn_expect(&c, .flags = ACK, .within_ms = 210);
}

/* Bytes of memory that a socket has reserved and does not use. */
static int spare_memory(struct __test_metadata *_metadata, int fd)
{
	uint32_t mem[SK_MEMINFO_VARS];
	socklen_t len = sizeof(mem);

	EXPECT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len));
	return mem[SK_MEMINFO_FWD_ALLOC];
}

/*
 * A page that one message has freed waits for the next one, but not longer than a
 * timer that runs anyway: an idle socket has no whole page.
 */
TEST_F(fastpath, kept_memory_goes_back)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = USUAL);
	say(_metadata, &c, "first");
	hear(_metadata, &c, PSH, "ok");
	say(_metadata, &c, "second");
	hear(_metadata, &c, PSH, "ok");
	if (!stock_mode())
		EXPECT_EQ((int)sysconf(_SC_PAGESIZE), spare_memory(_metadata, c.fd));
	conn_expect(&c, .flags = ACK, .within_ms = 210);
	peer_expect_silence(p, 2000);
	EXPECT_EQ(0, spare_memory(_metadata, c.fd));
}

TEST_HARNESS_MAIN
