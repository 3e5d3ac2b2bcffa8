// SPDX-License-Identifier: GPL-2.0
/*
 * bbr: BBR version 3, the module xtcp_cc_bbr, on a path whose rate and round trip time are
 * known: the model that it finds, the states that it passes through, and what it does when
 * the program has little to send. Then with a peer that chooses which segments are lost or
 * marked. TCP_CC_INFO tells the state by its gains. A_2 and so on are the draft's test cases.
 */
/* vm: timeout=300 */
#include "lib/xtcp_test.h"
#include "lib/module.h"
#include "lib/pump.h"

#include <linux/inet_diag.h>
#include <linux/tcp.h>

#define MODULE "xtcp_cc_bbr"
#define DELAY_MS 20
#define RATE_MBIT 5
/* Payload bytes per second. */
#define RATE (RATE_MBIT * 1e6 / 8 * 1448 / 1514)

/* Gains times 256, of the draft's table in 5.6.1. */
#define STARTUP_PACING 709
#define DRAIN_PACING 128
#define DOWN_PACING 230
#define UP_PACING 320
#define UP_CWND 576
#define PROBE_RTT_CWND 128

FIXTURE(bbr)
{
	struct pair pair;
};

FIXTURE_SETUP(bbr)
{
	if (stock_mode())
		SKIP(return, "the kernel's is version 1");
	pair_open_at(WHERE(_metadata), &self->pair, NULL);
	ASSERT_EQ(0, module_load_other(MODULE, ""));
}

FIXTURE_TEARDOWN(bbr)
{
	if (stock_mode())
		return;
	pair_close_at(WHERE(_metadata), &self->pair);
	EXPECT_EQ(0, module_unload_patiently(MODULE));
}

struct flow {
	struct __test_metadata *test;
	struct pump pump;
	int64_t start_ms;
};

static struct tcp_bbr_info info_of(const struct flow *f)
{
	struct __test_metadata *_metadata = f->test;
	union tcp_cc_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	EXPECT_EQ(0, getsockopt(f->pump.from, IPPROTO_TCP, TCP_CC_INFO, &info, &len));
	EXPECT_EQ(sizeof(info.bbr), len);
	return info.bbr;
}

static double bw_of(const struct tcp_bbr_info *info)
{
	return info->bbr_bw_lo + info->bbr_bw_hi * 4294967296.0;
}

static void flow_open(struct __test_metadata *_metadata, struct pair *pr,
		      struct netem netem, struct flow *f)
{
	netem.delay_ms = DELAY_MS;
	netem.rate_mbit = netem.rate_mbit ?: RATE_MBIT;
	netem.seed = 3;
	pair_enter(pr, CLIENT);
	link_set_single_segments(WHERE(_metadata), "veth0");
	pair_netem(pr, CLIENT, &netem);
	pair_netem(pr, SERVER, &(struct netem){ .delay_ms = DELAY_MS });
	*f = (struct flow){ .test = _metadata };
	pair_connected(pr, 5000, &f->pump.from, &f->pump.to);
	ASSERT_EQ(0, setsockopt(f->pump.from, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3));
	f->start_ms = now_ms();
}

/* The program writes as much as it may until then. */
static void flow_run(struct flow *f, int64_t until_ms)
{
	pump_run(&f->pump, 1, f->start_ms + until_ms);
}

static void flow_close(struct flow *f)
{
	socket_abort(f->pump.from);
	close(f->pump.to);
}

TEST_F(bbr, the_model_of_a_path)
{
	int first_probe_ms = 0, drains = 0, ups = 0, downs = 0, probes = 0, started = 0;
	struct tcp_bbr_info info;
	uint32_t srtt_us;
	struct flow f;

	/* A buffer of a second: whatever waits there, BBR has put there. */
	flow_open(_metadata, &self->pair, (struct netem){ .limit = 500 }, &f);
	EXPECT_EQ(STARTUP_PACING, info_of(&f).bbr_pacing_gain);
	EXPECT_EQ(512, info_of(&f).bbr_cwnd_gain);
	for (int ms = 10; ms <= 8000; ms += 10) {
		flow_run(&f, ms);
		info = info_of(&f);
		started += info.bbr_pacing_gain == STARTUP_PACING;
		drains += info.bbr_pacing_gain == DRAIN_PACING;
		downs += info.bbr_pacing_gain == DOWN_PACING;
		ups += info.bbr_pacing_gain == UP_PACING && info.bbr_cwnd_gain == UP_CWND;
		if (info.bbr_cwnd_gain != PROBE_RTT_CWND)
			continue;
		if (!probes++)
			first_probe_ms = ms;
	}
	srtt_us = socket_info_at(WHERE(_metadata), f.pump.from).srtt_us;
	TH_LOG("in 10 ms: startup %d, drain %d, down %d, up %d, probe_rtt %d, from %d ms",
	       started, drains, downs, ups, probes, first_probe_ms);
	TH_LOG("%.0f of %.0f bytes/s, min_rtt %u us, srtt %u us, %.0f delivered", bw_of(&info),
	       RATE, info.bbr_min_rtt, srtt_us, f.pump.bytes / 8.0);
	/* 5.3.1: the rate doubles each round; three rounds without growth end it. */
	EXPECT_GE(70, started);
	EXPECT_LE(1, drains);
	EXPECT_LE(1, downs);
	EXPECT_LE(1, ups);
	/* 5.3.4: 200 ms and a round, 5 s after the least round trip time was measured. */
	EXPECT_LE(5000, first_probe_ms);
	EXPECT_GE(6000, first_probe_ms);
	EXPECT_LE(20, probes);
	EXPECT_GE(35, probes);
	EXPECT_LE(0.95 * RATE, bw_of(&info));
	EXPECT_GE(1.05 * RATE, bw_of(&info));
	EXPECT_LE(2000 * DELAY_MS, (int)info.bbr_min_rtt);
	EXPECT_GE(2000 * DELAY_MS + 8000, (int)info.bbr_min_rtt);
	/* CUBIC would fill the second. */
	EXPECT_GE(2 * 2000 * DELAY_MS + 20000, (int)srtt_us);
	EXPECT_LE(0.9 * RATE * 8, f.pump.bytes);
	flow_close(&f);
}

/* Some 170 ACKs come in a round trip, more than there are snapshots of what was delivered. */
TEST_F(bbr, rounds_go_on_with_many_acks_in_each)
{
	int started = 0;
	struct flow f;

	flow_open(_metadata, &self->pair, (struct netem){ .limit = 4000, .rate_mbit = 100 }, &f);
	for (int ms = 10; ms <= 3000; ms += 10) {
		flow_run(&f, ms);
		started += info_of(&f).bbr_pacing_gain == STARTUP_PACING;
	}
	TH_LOG("startup for %d ms, %.1f Mbit/s", 10 * started, f.pump.bytes * 8 / 3e6);
	EXPECT_GE(100, started);
	EXPECT_LE(80, f.pump.bytes * 8 / 3e6);
	flow_close(&f);
}

TEST_F(bbr, a_program_that_pauses_is_no_slow_path)
{
	struct tcp_bbr_info info;
	struct flow f;

	flow_open(_metadata, &self->pair, (struct netem){ .limit = 500 }, &f);
	flow_run(&f, 2000);
	/* All that is queued arrives; then a segment each 100 ms. */
	for (int i = 0; i < 100; i++) {
		uint8_t buf[65536];

		sleep_ms(100);
		while (recv(f.pump.to, buf, sizeof(buf), 0) > 0)
			;
		if (i > 5)
			ASSERT_EQ(1000, send(f.pump.from, buf, 1000, MSG_NOSIGNAL));
	}
	info = info_of(&f);
	TH_LOG("%.0f of %.0f bytes/s", bw_of(&info), RATE);
	EXPECT_LE(0.9 * RATE, bw_of(&info));
	flow_close(&f);
}

/* 2 % is what it tolerates; CUBIC gets a fraction of that rate. */
TEST_F(bbr, losses_do_not_stop_it)
{
	struct flow f;

	flow_open(_metadata, &self->pair, (struct netem){ .limit = 100, .loss = 1 }, &f);
	flow_run(&f, 4000);
	TH_LOG("%.0f of %.0f bytes/s", f.pump.bytes / 4.0, RATE);
	EXPECT_LE(0.8 * RATE * 4, f.pump.bytes);
	flow_close(&f);
}

/* --- a peer that chooses what is lost --------------------------------------------- */

#define MSS 1000
#define RTT_MS 100

FIXTURE(losses)
{
	struct peer peer;
};

FIXTURE_SETUP(losses)
{
	if (stock_mode())
		SKIP(return, "the kernel's is version 1");
	peer_open_at(WHERE(_metadata), &self->peer, NULL);
	link_set_single_segments(WHERE(_metadata), "tun0");
	ASSERT_EQ(0, module_load_other(MODULE, ""));
}

FIXTURE_TEARDOWN(losses)
{
	if (stock_mode())
		return;
	peer_close_at(WHERE(_metadata), &self->peer);
	EXPECT_EQ(0, module_unload_patiently(MODULE));
}

static int pacing_gain(struct conn *c)
{
	union tcp_cc_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(c->fd, IPPROTO_TCP, TCP_CC_INFO, &info, &len))
		return -1;
	return info.bbr.bbr_pacing_gain;
}

/* Whatever else BBR has sent does not matter. */
static void abort_conn(struct conn *c)
{
	conn_send(c, .flags = RST);
	peer_drain(c->peer, 1);
	close(c->fd);
	close(c->lfd);
}

/* Segments @first to @last leave, paced. */
static void expect_paced(struct conn *c, int first, int last)
{
	for (int n = first; n <= last; n++)
		flight_expect(c, n, .within_ms = RTT_MS);
}

/* A connection with ECN, RFC 3168, and a receive window of @segs segments. */
static void open_conn(struct peer *p, struct conn *c, int segs)
{
	conn_start(p, c, .opt = OPT(OPT_MSS(MSS), OPT_SACKOK), .wnd = segs * MSS);
	conn_send(c, .flags = SYN | ECE | CWR);
	conn_expect(c, .flags = SYN | ACK | ECE, .ack = 1);
	sleep_ms(RTT_MS);
	conn_send(c, .flags = ACK);
	conn_accept(c);
	flight_prepare_at(WHERE(p->test), c, "bbr");
}

/*
 * The next algorithm's window is paced, too, as in Linux: two windows of twenty in a round trip
 * are what pacing_ss_ratio allows.
 */
TEST_F(losses, cubic_after_bbr_is_paced)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_conn(p, &c, 60);
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5));
	flight_write(&c, 10);
	peer_mark(p);
	expect_paced(&c, 0, 9);
	peer_sleep_until(p, RTT_MS);
	flight_ack(&c, 10);
	peer_mark(p);
	flight_write(&c, 20);
	expect_paced(&c, 10, 29);
	EXPECT_LE(RTT_MS / 2 - 10, peer_elapsed_ms(p));
	EXPECT_GE(RTT_MS / 2 + 10, peer_elapsed_ms(p));
	abort_conn(&c);
}

/* A program limits the rate for a while: STARTUP goes on from the rate that it had before. */
TEST_F(losses, startup_goes_on_after_so_max_pacing_rate)
{
	struct peer *p = &self->peer;
	uint64_t before;
	struct conn c;

	open_conn(p, &c, 60);
	before = conn_tcp_info(&c).tcpi_pacing_rate;
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, 100000));
	EXPECT_EQ(100000, conn_tcp_info(&c).tcpi_pacing_rate);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, -1));
	flight_write(&c, 1);
	peer_mark(p);
	conn_expect(&c, .len = MSS, .within_ms = RTT_MS);
	peer_sleep_until(p, RTT_MS);
	flight_ack(&c, 1);
	EXPECT_LE(before, conn_tcp_info(&c).tcpi_pacing_rate);
	abort_conn(&c);
}

/*
 * STARTUP with thirty segments delivered or in flight; the program limits the rate, so that
 * only losses or marks end it.
 */
static void open_in_startup(struct peer *p, struct conn *c)
{
	open_conn(p, c, 60);
	flight_write(c, 10);
	peer_mark(p);
	expect_paced(c, 0, 9);
	peer_sleep_until(p, RTT_MS);
	flight_ack(c, 10);
	flight_write(c, 20);
	peer_mark(p);
	expect_paced(c, 10, 29);
	peer_sleep_until(p, RTT_MS);
}

/* Six ranges are lost, found by two ACKs, and a round later something sent since arrives. */
static void lose_six_ranges(struct __test_metadata *_metadata, struct conn *c)
{
	flight_sack(c, 10, { 11, 12 }, { 13, 14 }, { 15, 16 });
	peer_mark(c->peer);
	expect_paced(c, 10, 10);
	expect_paced(c, 12, 12);
	expect_paced(c, 14, 14);
	flight_sack(c, 10, { 17, 18 }, { 19, 20 }, { 21, 30 });
	expect_paced(c, 16, 16);
	expect_paced(c, 18, 18);
	expect_paced(c, 20, 20);
	EXPECT_EQ(STARTUP_PACING, pacing_gain(c));
	/* An ACK sooner than the least RTT would be taken for one of the first transmission. */
	peer_sleep_until(c->peer, RTT_MS + 1);
	flight_ack(c, 12);
}

TEST_F(losses, a_2_six_ranges_end_startup)
{
	struct conn c;

	open_in_startup(&self->peer, &c);
	EXPECT_EQ(STARTUP_PACING, pacing_gain(&c));
	lose_six_ranges(_metadata, &c);
	EXPECT_NE(STARTUP_PACING, pacing_gain(&c));
	/* The largest delivery of a round is the bound, less 15 % of headroom. */
	EXPECT_EQ(12, (int)conn_info(&c).cwnd);
	abort_conn(&c);
}

/* As many segments, but two of them are one range. */
TEST_F(losses, five_ranges_do_not)
{
	struct conn c;

	open_in_startup(&self->peer, &c);
	flight_sack(&c, 10, { 11, 12 }, { 13, 14 }, { 15, 16 });
	peer_mark(c.peer);
	expect_paced(&c, 10, 10);
	expect_paced(&c, 12, 12);
	expect_paced(&c, 14, 14);
	flight_sack(&c, 10, { 18, 19 }, { 20, 30 });
	expect_paced(&c, 16, 17);
	expect_paced(&c, 19, 19);
	peer_sleep_until(c.peer, RTT_MS + 1);
	flight_ack(&c, 12);
	EXPECT_EQ(STARTUP_PACING, pacing_gain(&c));
	abort_conn(&c);
}

/* Each retransmission was a duplicate: STARTUP goes on. */
TEST_F(losses, a_18_startup_is_restored)
{
	uint32_t cwnd;
	struct conn c;

	open_in_startup(&self->peer, &c);
	cwnd = conn_info(&c).cwnd;
	lose_six_ranges(_metadata, &c);
	flight_ack(&c, 30);
	EXPECT_NE(STARTUP_PACING, pacing_gain(&c));
	for (int n = 10; n <= 20; n += 2) {
		EXPECT_NE(STARTUP_PACING, pacing_gain(&c));
		flight_sack(&c, 30, { n, n + 1 });
	}
	EXPECT_EQ(STARTUP_PACING, pacing_gain(&c));
	EXPECT_LE(cwnd, conn_info(&c).cwnd);
	abort_conn(&c);
}

/* Six ACKs of a round report marks; then what was sent after the first of them arrives. */
TEST_F(losses, six_marks_end_startup)
{
	struct conn c;

	for (int marks = 5; marks <= 6; marks++) {
		open_in_startup(&self->peer, &c);
		conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 11));
		flight_write(&c, 1);
		expect_paced(&c, 30, 30);
		peer_mark_last(c.peer);
		for (int n = 2; n <= marks; n++)
			conn_send(&c, .flags = ACK | ECE, .ack = flight_seq(&c, 10 + n));
		flight_ack(&c, 30);
		EXPECT_EQ(STARTUP_PACING, pacing_gain(&c));
		peer_sleep_until(c.peer, RTT_MS);
		flight_ack(&c, 31);
		EXPECT_EQ(marks < 6, pacing_gain(&c) == STARTUP_PACING);
		abort_conn(&c);
	}
}

/* A timeout that F-RTO (RFC 5682) finds to be spurious. */
TEST_F(losses, a_19_the_window_is_restored)
{
	struct counters before;
	uint32_t cwnd;
	struct conn c;

	open_in_startup(&self->peer, &c);
	cwnd = conn_info(&c).cwnd;
	counters_take(&before);
	while (!counter_moved(&before, "TCPTimeouts"))
		peer_drain(c.peer, 10);
	EXPECT_GT(cwnd, conn_info(&c).cwnd);
	/* The oldest was sent again. F-RTO needs something new. */
	peer_drain(c.peer, 10);
	flight_write(&c, 5);
	flight_ack(&c, 11);
	expect_paced(&c, 30, 30);
	flight_ack(&c, 12);
	EXPECT_EQ(1, counter_moved(&before, "TCPSpuriousRTOs"));
	EXPECT_LE(cwnd, conn_info(&c).cwnd);
	EXPECT_EQ(STARTUP_PACING, pacing_gain(&c));
	abort_conn(&c);
}

/*
 * A path of RTT_MS on which only the receive window limits the flight: to @limit segments.
 * The peer acknowledges each segment. @hole: segments that do not arrive, in order
 */
#define HOLES_MAX 2

struct path {
	struct conn conn;
	int limit;
	int edge;
	int sent, arrived;
	int hole[HOLES_MAX], holes;
	int64_t due_ns[256];
};

/* The peer has @p->arrived segments but for the holes; @flags: of its ACK */
static void path_ack(struct path *p, int flags)
{
	int una = p->holes && p->hole[0] < p->arrived ? p->hole[0] : p->arrived;
	struct range above[HOLES_MAX];
	int count = 0;

	if (p->edge < una + p->limit)
		p->edge = una + p->limit;
	p->conn.wnd = (p->edge - una) * MSS;
	for (int i = 0; i < p->holes; i++) {
		int end = i + 1 < p->holes && p->hole[i + 1] < p->arrived ? p->hole[i + 1] :
									    p->arrived;

		if (p->hole[i] + 1 < end)
			above[count++] = (struct range){ p->hole[i] + 1, end };
	}
	flight_sack_at(WHERE(p->conn.peer->test), &p->conn, ACK | flags, una, above, count);
}

/* The next event: a segment leaves, or one arrives. Returns true if a hole was filled. */
static bool path_step(struct path *p, int flags)
{
	const struct segment *s = peer_read(p->conn.peer, p->arrived < p->sent ?
					    p->due_ns[p->arrived % 256] :
					    now_ns() + 10000 * NSEC_PER_MSEC);
	int n;

	check((s || p->arrived < p->sent) && p->sent < 20000, WHERE(p->conn.peer->test),
	      "%s leaves", s ? "too much" : "nothing");
	if (!s) {
		p->arrived++;
		if (!p->holes || p->hole[p->holes - 1] != p->arrived - 1)
			path_ack(p, flags);
		return false;
	}
	n = (int)(s->seq - p->conn.kern_iss - 1) / MSS;
	if (n < p->sent)
		return true;
	p->due_ns[n % 256] = s->when_ns + RTT_MS * NSEC_PER_MSEC;
	p->sent = n + 1;
	flight_write(&p->conn, 1);
	return false;
}

/* Until BBR probes for more: UP, with a full window in flight. */
static void path_open(struct peer *peer, struct path *p, int limit)
{
	*p = (struct path){ .limit = limit, .edge = limit };
	open_conn(peer, &p->conn, limit);
	flight_write(&p->conn, 80);
	while (pacing_gain(&p->conn) != UP_PACING)
		path_step(p, 0);
	while (p->sent - p->arrived < limit)
		path_step(p, 0);
}

static int path_cwnd(struct path *p)
{
	return conn_info(&p->conn).cwnd;
}

/*
 * The last segments sent are lost, which shows when one arrives that was sent in a smaller
 * flight.
 */
static void path_lose(struct path *p, int holes)
{
	for (int i = 0; i < holes; i++)
		p->hole[i] = p->sent - 1 - 2 * (holes - 1 - i);
	p->holes = holes;
	p->limit /= 2;
	while (p->arrived < p->hole[holes - 1] + 2)
		path_step(p, 0);
}

/* The lost segment was sent when 45 were in flight: more than 2 %. Later ones with 22. */
TEST_F(losses, a_21_the_flight_of_the_lost_segment_is_the_bound)
{
	struct path p;

	path_open(&self->peer, &p, 45);
	EXPECT_LE(80, path_cwnd(&p));
	path_lose(&p, 1);
	/* Down, and at once on to cruise: with 15 % of headroom. */
	EXPECT_NE(UP_PACING, pacing_gain(&p.conn));
	EXPECT_EQ(45 - 45 * 15 / 100, path_cwnd(&p));
	abort_conn(&p.conn);
}

/*
 * The next probe does not find out again: it ends when as much is in flight, although the window
 * of the receiver allows more by then. Nothing is lost, so one of those after it goes further: the
 * second, unless chance has made it begin with less in flight.
 */
TEST_F(losses, a_probe_that_lost_makes_the_next_one_careful)
{
	int most[4] = { 0 }, probes = 0;
	struct path p;

	path_open(&self->peer, &p, 45);
	path_lose(&p, 1);
	while (p.arrived < p.sent)
		path_step(&p, 0);
	/* An ACK sooner than the least RTT would be taken for one of the first transmission. */
	peer_drain(&self->peer, RTT_MS + 1);
	p.holes = 0;
	p.limit = 60;
	path_ack(&p, 0);
	do {
		while (pacing_gain(&p.conn) != UP_PACING)
			path_step(&p, 0);
		for (; pacing_gain(&p.conn) == UP_PACING; path_step(&p, 0))
			if (most[probes] < p.sent - p.arrived)
				most[probes] = p.sent - p.arrived;
	} while (most[probes] <= 45 && ++probes < 4);
	TH_LOG("in flight: %d, %d, %d, %d", most[0], most[1], most[2], most[3]);
	EXPECT_LE(1, probes);
	EXPECT_GT(4, probes);
	abort_conn(&p.conn);
}

/* One of 60 is less than 2 %, although it is more of those in flight with the later ones. */
TEST_F(losses, two_per_cent_are_tolerated)
{
	struct path p;

	path_open(&self->peer, &p, 60);
	path_lose(&p, 1);
	EXPECT_EQ(UP_PACING, pacing_gain(&p.conn));
	EXPECT_LE(100, path_cwnd(&p));
	abort_conn(&p.conn);
}

/* Two are lost, and then the peer has both twice: as if nothing had been lost. */
TEST_F(losses, a_18_the_probe_is_restored)
{
	struct counters before;
	struct path p;
	int sent;

	path_open(&self->peer, &p, 45);
	EXPECT_LE(80, path_cwnd(&p));
	counters_take(&before);
	path_lose(&p, 2);
	EXPECT_NE(UP_PACING, pacing_gain(&p.conn));
	EXPECT_GE(45, path_cwnd(&p));
	for (int filled = 0; filled < 2; )
		filled += path_step(&p, 0);
	p.holes = 0;
	EXPECT_GE(45, path_cwnd(&p));
	for (int i = 0; i < 4 && !counter_moved(&before, "TCPDSACKUndo"); i++) {
		flight_sack(&p.conn, p.arrived, { p.hole[i % 2], p.hole[i % 2] + 1 });
		/* Ten more are on their way when the second one comes. */
		while (!i && p.sent - p.arrived < 10)
			path_step(&p, 0);
	}
	EXPECT_EQ(1, counter_moved(&before, "TCPDSACKUndo"));
	EXPECT_LE(80, path_cwnd(&p));
	/* It fills the pipe for a round: until what is sent from now on arrives. Then it is UP. */
	sent = p.sent;
	while (pacing_gain(&p.conn) != UP_PACING)
		path_step(&p, 0);
	EXPECT_LT(sent, p.arrived);
	abort_conn(&p.conn);
}

static void path_mark(struct path *p)
{
	int arrived = p->arrived;

	while (p->arrived == arrived)
		path_step(p, ECE);
}

/* The draft leaves the response open; here a mark counts as a loss. */
TEST_F(losses, a_mark_counts_as_a_loss)
{
	struct path p;

	path_open(&self->peer, &p, 45);
	path_mark(&p);
	EXPECT_EQ(DOWN_PACING, pacing_gain(&p.conn));
	EXPECT_EQ(45, path_cwnd(&p));
	abort_conn(&p.conn);
	path_open(&self->peer, &p, 60);
	path_mark(&p);
	EXPECT_EQ(UP_PACING, pacing_gain(&p.conn));
	path_mark(&p);
	EXPECT_EQ(DOWN_PACING, pacing_gain(&p.conn));
	EXPECT_EQ(60, path_cwnd(&p));
	abort_conn(&p.conn);
}

TEST_HARNESS_MAIN
