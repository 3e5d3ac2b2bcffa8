// SPDX-License-Identifier: GPL-2.0
/*
 * length: the length of TIME-WAIT: xtcp_tw_timeout, XTCP_TW_TIMEOUT and, where
 * timestamps guard the next connection, xtcp_tw_recycle, which must not refuse any
 * host. RFC 9293 3.6.1; RFC 7323 5; RFC 6191; LC-76, LC-91.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

PEER_FIXTURE(length);

#define MSL2_MS 60000
#define STAMPS(val) OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(val, 0))
#define RECYCLE_MIN_MS 1000
#define LINE_CACHE "kmalloc-128"	/* slab that the records of a delay line come from */

/* In FIN-WAIT-2: TIME-WAIT begins with the peer's FIN and lasts @ms. */
static void expect_length(struct conn *c, int64_t ms)
{
	struct peer *p = c->peer;

	conn_send(c, .flags = FIN | ACK);
	conn_expect(c, .flags = ACK, .seq = 2, .ack = 2);
	peer_mark_last(p);
	conn_expect_move(c, ST_TIME_WAIT, ST_CLOSED, ms);
	peer_expect_silence(p, 1000);
}

static void knob_makes(struct __test_metadata *_metadata, struct peer *p, int seconds)
{
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_timeout", seconds));
	conn_to_state(p, &c, ST_FIN_WAIT_2);
	expect_length(&c, seconds * 1000);
}

TEST_F(length, knob_tw_timeout_1)
{
	knob_makes(_metadata, &self->peer, 1);
}

TEST_F(length, knob_tw_timeout_240_is_the_rfcs)
{
	knob_makes(_metadata, &self->peer, 240);
}

TEST_F_TIMEOUT(length, knob_tw_timeout_600, 700)
{
	knob_makes(_metadata, &self->peer, 600);
}

TEST_F(length, wish_01_new_records_only)
{
	struct peer *p = &self->peer;
	struct conn before, after;

	NOT_ON_STOCK();
	conn_to_state(p, &before, ST_TIME_WAIT, .kport = 6000);
	peer_mark_last(p);
	ASSERT_EQ(0, knob_set("tw_timeout", 5));
	conn_to_state(p, &after, ST_FIN_WAIT_2, .kport = 6001);
	conn_send(&after, .flags = FIN | ACK);
	conn_expect(&after, .flags = ACK, .seq = 2, .ack = 2);
	ASSERT_EQ(0, knob_set("tw_timeout", 600));
	peer_sleep_until(p, 4990);
	conn_expect_state(&after, ST_TIME_WAIT);
	peer_sleep_until(p, 5020);
	conn_expect_state(&after, ST_CLOSED);
	conn_expect_move(&before, ST_TIME_WAIT, ST_CLOSED, MSL2_MS);
}

/* It restarts with the length that it had. */
TEST_F(length, lc_77_fin_again_restarts_the_same_length)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_timeout", 5));
	conn_to_state(p, &c, ST_TIME_WAIT);
	ASSERT_EQ(0, knob_set("tw_timeout", 60));
	sleep_ms(3000);
	conn_send(&c, .flags = FIN | ACK, .seq = 1);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	peer_mark_last(p);
	conn_expect_move(&c, ST_TIME_WAIT, ST_CLOSED, 5000);
}

TEST_F(length, lc_78_short_2msl_and_a_late_fin)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_timeout", 1));
	conn_to_state(p, &c, ST_TIME_WAIT);
	sleep_ms(2000);
	conn_send(&c, .flags = FIN | ACK, .seq = 1);
	conn_expect(&c, .flags = RST, .seq = 2);
}

/* --- XTCP_TW_TIMEOUT ---------------------------------------------------- */

static void wants_3_s(int fd)
{
	socket_set(fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT, 3);
}

TEST_F(length, opt_xtcp_tw_timeout_of_a_client)
{
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(&self->peer, &c, ST_FIN_WAIT_2, .active = true, .prepare = wants_3_s);
	expect_length(&c, 3000);
}

TEST_F(length, opt_xtcp_tw_timeout_is_inherited)
{
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(&self->peer, &c, ST_FIN_WAIT_2, .prepare = wants_3_s);
	expect_length(&c, 3000);
}

#define MANY 24

/* The peer ends connection @i; the mark is where the first one ends. */
static void end_nth(struct conn *c, int i)
{
	conn_send(&c[i], .flags = FIN | ACK);
	conn_expect(&c[i], .flags = ACK, .seq = 2, .ack = 2);
	if (!i)
		peer_mark_last(c->peer);
}

/*
 * As many lengths as programs: each record keeps its own, whichever came first, and so
 * do those of the knob.
 */
TEST_F(length, opt_xtcp_tw_timeout_of_many)
{
	struct peer *p = &self->peer;
	struct conn c[MANY + 1];
	int seconds[MANY + 1];

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_timeout", 20));
	for (int i = 0; i <= MANY; i++) {
		seconds[i] = i < MANY ? 1 + i * 7 % MANY : 20;
		conn_to_state(p, &c[i], ST_FIN_WAIT_2, .kport = 6000 + i);
		if (i < MANY)
			socket_set(c[i].fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT, seconds[i]);
	}
	for (int i = 0; i <= MANY; i++)
		end_nth(c, i);
	for (int s = 1; s <= MANY; s++) {
		/* Checking so many takes a while, too. */
		peer_sleep_until(p, s * 1000 - 500);
		for (int i = 0; i <= MANY; i++)
			conn_expect_state(&c[i], s > seconds[i] ? ST_CLOSED : ST_TIME_WAIT);
	}
	peer_sleep_until(p, MANY * 1000 + 500);
	for (int i = 0; i <= MANY; i++)
		conn_expect_state(&c[i], ST_CLOSED);
}

/* The knob changes all the time: each record keeps the value of its beginning. */
TEST_F(length, knob_tw_timeout_changed_all_the_time)
{
	struct peer *p = &self->peer;
	struct conn c[MANY];

	NOT_ON_STOCK();
	for (int i = 0; i < MANY; i++)
		conn_to_state(p, &c[i], ST_FIN_WAIT_2, .kport = 6000 + i);
	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(0, knob_set("tw_timeout", 1 + i));
		end_nth(c, i);
	}
	for (int s = 1; s <= MANY; s++) {
		peer_sleep_until(p, s * 1000 - 500);
		for (int i = 0; i < MANY; i++)
			conn_expect_state(&c[i], s > 1 + i ? ST_CLOSED : ST_TIME_WAIT);
	}
	peer_sleep_until(p, MANY * 1000 + 500);
	for (int i = 0; i < MANY; i++)
		conn_expect_state(&c[i], ST_CLOSED);
}

/* A change costs no memory: the delay line of one value serves the next. */
TEST_F_TIMEOUT(length, knob_tw_timeout_changed_costs_no_memory, 1000)
{
	struct peer *p = &self->peer;
	long before = 0, after;
	struct conn c;

	NOT_ON_STOCK();
	for (int i = 0; i <= 400; i++) {
		if (i == 100)
			before = cache_objects(LINE_CACHE);
		ASSERT_EQ(0, knob_set("tw_timeout", 1 + i));
		conn_to_state(p, &c, ST_TIME_WAIT);
		close(c.fd);
		close(c.lfd);
		/* Many of the last ones wait at the same time. */
		if (i > 20)
			continue;
		sleep_ms(1000 * (i + 2));
		conn_expect_state(&c, ST_CLOSED);
	}
	after = cache_objects(LINE_CACHE);
	ASSERT_LE(0, before);
	EXPECT_GE(before + 150, after);
}

TEST_F_TIMEOUT(length, opt_xtcp_tw_timeout_late_and_longer, 700)
{
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(&self->peer, &c, ST_FIN_WAIT_2);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_XTCP, XTCP_TW_TIMEOUT, 600));
	expect_length(&c, 600000);
}

/* An orphan: first a FIN-WAIT-2 record. */
TEST_F(length, opt_xtcp_tw_timeout_by_way_of_an_orphan)
{
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(&self->peer, &c, ST_ORPHAN_FIN_WAIT_2, .prepare = wants_3_s);
	sleep_ms(10000);
	expect_length(&c, 3000);
}

/* --- LC-91 -------------------------------------------------------------- */

static int64_t recycled_ms(struct conn *c)
{
	struct socket_info info;
	int64_t ms;

	info = conn_info(c);
	ms = (info.rto_us * 7 / 2 + 999) / 1000;
	return ms > RECYCLE_MIN_MS ? ms : RECYCLE_MIN_MS;
}

TEST_F(length, knob_tw_recycle_1_s_at_least)
{
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_recycle", 1));
	conn_to_state(&self->peer, &c, ST_FIN_WAIT_2, .opt = STAMPS(1000));
	ASSERT_EQ(RECYCLE_MIN_MS, recycled_ms(&c));
	counters_begin(&before);
	expect_length(&c, RECYCLE_MIN_MS);
	counters_expect(_metadata, &before, "TWKilled", 1, NULL);
}

/* Several at once, each with the length of its own round trip. */
TEST_F(length, knob_tw_recycle_3_5_rto)
{
	static const int rtts_ms[] = { 900, 300, 950, 700, 450 };
	struct conn c[ARRAY_SIZE(rtts_ms)];
	int64_t ends_ms[ARRAY_SIZE(rtts_ms)];
	struct peer *p = &self->peer;
	int64_t start_ms;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_recycle", 1));
	for (size_t i = 0; i < ARRAY_SIZE(rtts_ms); i++) {
		conn_to_state(p, &c[i], ST_FIN_WAIT_2, .opt = STAMPS(1000),
			      .kport = 6000 + i, .rtt_ms = rtts_ms[i]);
		ends_ms[i] = recycled_ms(&c[i]);
		EXPECT_LT(RECYCLE_MIN_MS, ends_ms[i]);
		if (i)
			EXPECT_NE(ends_ms[i - 1], ends_ms[i]);
	}
	peer_mark(p);
	for (size_t i = 0; i < ARRAY_SIZE(rtts_ms); i++) {
		start_ms = peer_elapsed_ms(p);
		conn_send(&c[i], .flags = FIN | ACK);
		conn_expect(&c[i], .flags = ACK, .seq = 2, .ack = 2);
		ends_ms[i] += start_ms;
	}
	for (int64_t ms = 0; ms < 10000; ms++)
		for (size_t i = 0; i < ARRAY_SIZE(rtts_ms); i++)
			if (ends_ms[i] == ms) {
				peer_sleep_until(p, ms - 1);
				conn_expect_state(&c[i], ST_TIME_WAIT);
				peer_sleep_until(p, ms + 3);
				conn_expect_state(&c[i], ST_CLOSED);
			}
	EXPECT_EQ(0, proc_rows(p->family, ROW_TIME_WAIT));
}

TEST_F(length, knob_tw_recycle_needs_timestamps)
{
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_recycle", 1));
	conn_to_state(&self->peer, &c, ST_FIN_WAIT_2);
	expect_length(&c, MSL2_MS);
}

TEST_F(length, knob_tw_recycle_never_lengthens)
{
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_recycle", 1));
	ASSERT_EQ(0, knob_set("tw_timeout", 1));
	conn_to_state(&self->peer, &c, ST_FIN_WAIT_2, .opt = STAMPS(1000), .rtt_ms = 500);
	ASSERT_LT(RECYCLE_MIN_MS, recycled_ms(&c));
	expect_length(&c, 1000);
}

/* The last ACK was lost: a repeated FIN is still answered. */
TEST_F(length, knob_tw_recycle_fin_again)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_recycle", 1));
	conn_to_state(p, &c, ST_TIME_WAIT, .opt = STAMPS(1000));
	sleep_ms(900);
	conn_send(&c, .flags = FIN | ACK, .seq = 1);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	peer_mark_last(p);
	conn_expect_move(&c, ST_TIME_WAIT, ST_CLOSED, RECYCLE_MIN_MS);
}

/*
 * A client behind a shared address, with a clock of any value. Its first SYN is
 * answered and the connection opened; the server closes first.
 */
static void serve(struct __test_metadata *_metadata, struct peer *p, int lfd, int port)
{
	struct conn c;

	conn_open(p, &c, .lfd = lfd, .pport = port, .opt = STAMPS(1));
	ASSERT_EQ(1, p->last.opt.ts);
	shutdown(c.fd, SHUT_WR);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1);
	conn_send(&c, .flags = FIN | ACK, .ack = 2);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	close(c.fd);
	conn_expect_state(&c, ST_TIME_WAIT);
}

/*
 * Many hosts behind one address: their clocks differ by any value, the translator
 * chooses their ports. Linux's tw_recycle refused all but the host whose clock was
 * ahead.
 */
TEST_F(length, lc_91_clients_behind_one_address)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd, n = 0;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_recycle", 1));
	lfd = peer_listen(p, KERNEL_PORT, 64);
	counters_take(&before);
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 60; i++, n++)
			/* In the next round the ports go to other hosts. */
			serve(_metadata, p, lfd, 20000 + i);
		EXPECT_EQ(60, proc_rows(p->family, ROW_TIME_WAIT));
		/* The short TIME-WAIT is over, and no trace of any host is left. */
		sleep_ms(RECYCLE_MIN_MS + 10);
		EXPECT_EQ(0, proc_rows(p->family, ROW_TIME_WAIT));
	}
	counters_ignore_traffic(&before);
	counters_expect(_metadata, &before, "PassiveOpens", n, "TWKilled", n, NULL);
}

/*
 * A port goes to another host at once, whose clock is far behind: the SYN can't be
 * told from an old one, so the record answers; the host, which has no connection,
 * sends RST; and its next SYN is accepted.
 */
TEST_F(length, wish_03_port_goes_to_a_host_with_an_older_clock)
{
	struct peer *p = &self->peer;
	uint32_t clock;
	int lfd;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_recycle", 1));
	lfd = peer_listen(p, KERNEL_PORT, 64);
	serve(_metadata, p, lfd, 20000);
	clock = p->last.opt.tsecr - 1000000;
	peer_send(p, .flags = SYN, .seq = 77, .sport = 20000, .opt = STAMPS(clock));
	peer_expect(p, .flags = ACK, .dport = 20000);
	peer_send(p, .flags = RST, .seq = p->last.ack, .sport = 20000);
	peer_send(p, .flags = SYN, .seq = 77, .sport = 20000, .opt = STAMPS(clock + 1000));
	peer_expect(p, .flags = SYN | ACK, .ack = 78, .dport = 20000, .ts = 1);
	peer_send(p, .flags = ACK, .seq = 78, .ack = p->last.seq + 1, .sport = 20000,
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(clock + 1001, p->last.opt.tsval)));
	EXPECT_EQ(0, socket_accept(lfd));
	peer_expect(p, .flags = FIN | ACK, .dport = 20000);
}

/* Our own clock advances for the same 4-tuple, with or without the record. */
TEST_F(length, rfc7323_offset_outlives_the_record)
{
	struct peer *p = &self->peer;
	int64_t then_ms, passed_ms;
	struct conn c;
	uint32_t first;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_recycle", 1));
	conn_open(p, &c, .pport = 20000, .opt = STAMPS(1));
	first = c.kern_opt.tsval;
	then_ms = now_ms();
	conn_advance(&c, ST_TIME_WAIT, false);
	close(c.fd);
	for (int i = 0; i < 3; i++) {
		sleep_ms(5000);
		conn_expect_state(&c, ST_CLOSED);
		conn_open(p, &c, .pport = 20000, .lfd = c.lfd, .opt = STAMPS(7));
		passed_ms = now_ms() - then_ms;
		EXPECT_LE(passed_ms - 20, (int32_t)(c.kern_opt.tsval - first));
		EXPECT_GE(passed_ms + 20, (int32_t)(c.kern_opt.tsval - first));
		conn_advance(&c, ST_TIME_WAIT, false);
		close(c.fd);
	}
}

/* The record is gone so early that only PAWS keeps old segments out. */
TEST_F(length, lc_91_paws_guards_the_next_connection)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	uint32_t old;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("tw_recycle", 1));
	conn_to_state(p, &c, ST_TIME_WAIT, .pport = 20000, .peer_iss = 5000,
		      .opt = STAMPS(1));
	close(c.fd);
	sleep_ms(RECYCLE_MIN_MS + 10);
	conn_expect_state(&c, ST_CLOSED);
	conn_open(p, &c, .pport = 20000, .lfd = c.lfd, .peer_iss = 4900, .opt = STAMPS(1));
	/* The peer's clock advances, too: the old connection's was less. */
	old = c.tsval_base - RECYCLE_MIN_MS;
	counters_begin(&before);
	/* In the new window by its number, but old. */
	conn_send(&c, .flags = PSH | ACK, .seq = 1, .data = "old",
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(old, 0)));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_send(&c, .flags = FIN | ACK, .seq = 1,
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(old, 0)));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(EAGAIN, socket_receive(c.fd));
	counters_expect(_metadata, &before, "PAWSEstab", 2, NULL);
}

TEST_HARNESS_MAIN
